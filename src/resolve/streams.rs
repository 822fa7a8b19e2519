//! TCP streams towards the servers, for answers that UDP cut off (RFC 7766): one question each, two octets of length
//! before each message.

use super::trouble::Failure;
use super::world::World;
use rustix::io::Errno;
use std::net::SocketAddr;

/// One stream; its buffer outlives it.
#[derive(Default)]
struct Slot {
    question: Option<u32>,
    /// The server has accepted the connection.
    is_open: bool,
    /// What has come of the reply, its length first.
    reply: Vec<u8>,
}

/// A fixed number of streams.
pub struct Streams {
    slots: Vec<Slot>,
    free: Vec<u16>,
}

impl Streams {
    /// Up to `most` streams at a time (`outgoing-num-tcp:`), none with 0.
    pub fn new(most: usize) -> Streams {
        let most = most.min(4096);
        let slots = (0..most).map(|_| Slot::default()).collect();
        Streams { slots, free: (0..most as u16).rev().collect() }
    }

    /// True when no further stream may be opened.
    pub fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// True when TCP is not used at all.
    pub fn are_forbidden(&self) -> bool {
        self.slots.is_empty()
    }

    /// The question of an open stream.
    pub fn question(&self, slot: u16) -> Option<u32> {
        self.slots.get(usize::from(slot))?.question
    }

    /// True while the server has not accepted the connection.
    pub fn is_connecting(&self, slot: u16) -> bool {
        self.slots.get(usize::from(slot)).is_some_and(|stream| stream.question.is_some() && !stream.is_open)
    }

    /// The server has accepted the connection.
    pub fn opened(&mut self, slot: u16) {
        if let Some(stream) = self.slots.get_mut(usize::from(slot)) {
            stream.is_open = true;
        }
    }

    /// Opens a stream from an address to another for a question.
    ///
    /// # Errors
    /// Those of [`World::open_stream`], or that [`Self::is_full`].
    pub fn open(
        &mut self,
        question: u32,
        (source, server): (SocketAddr, SocketAddr),
        world: &mut impl World,
    ) -> Result<u16, Failure> {
        let slot = *self.free.last().ok_or(Failure { call: "share of outgoing-num-tcp", errno: Errno::AGAIN })?;
        world.open_stream(slot, source, server)?;
        self.free.pop();
        let stream = &mut self.slots[usize::from(slot)];
        (stream.question, stream.is_open) = (Some(question), false);
        stream.reply.clear();
        Ok(slot)
    }

    /// Adds what came, and takes the buffer of the reply once it is whole: two octets of length, then the message. What
    /// comes after it was not asked for. Give it back with [`Self::put_back`].
    pub fn take_reply(&mut self, slot: u16, octets: &[u8]) -> Option<Vec<u8>> {
        let reply = &mut self.slots.get_mut(usize::from(slot))?.reply;
        let (length, message) = octets.split_at(octets.len().min(2usize.saturating_sub(reply.len())));
        reply.extend_from_slice(length);
        let &[high, low, ..] = reply.as_slice() else { return None };
        let missing = 2 + usize::from(u16::from_be_bytes([high, low])) - reply.len();
        reply.reserve_exact(missing);
        reply.extend_from_slice(&message[..message.len().min(missing)]);
        (message.len() >= missing).then(|| std::mem::take(reply))
    }

    /// See [`Self::take_reply`].
    pub fn put_back(&mut self, slot: u16, buffer: Vec<u8>) {
        if let Some(stream) = self.slots.get_mut(usize::from(slot)).filter(|stream| stream.question.is_none()) {
            stream.reply = buffer;
        }
    }

    /// Closes a stream.
    pub fn close(&mut self, slot: u16, world: &mut impl World) {
        let Some(stream) = self.slots.get_mut(usize::from(slot)) else { return };
        if stream.question.take().is_some() {
            world.close_stream(slot);
            self.free.push(slot);
        }
    }
}
