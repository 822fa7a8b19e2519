//! TCP connections towards the servers, for answers that UDP cut off (RFC 7766): one question each, two octets of
//! length before each message.

use super::trouble::{Failure, TCP};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, recv, send, socket_with,
};
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Longest message and its length.
const MOST: usize = 2 + 65535;

struct Connection {
    fd: OwnedFd,
    question: u32,
    /// Query octets already sent.
    sent: usize,
    query_len: usize,
}

/// One slot: its buffers outlive the connection.
#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    query: Vec<u8>,
    reply: Vec<u8>,
    filled: usize,
}

/// A fixed number of connections.
pub struct Connections {
    slots: Vec<Slot>,
    free: Vec<u16>,
}

/// What an event at a connection came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not yet done.
    Waiting,
    /// The reply is there: [`Connections::take_reply`].
    Reply,
    /// The connection failed.
    Failed(Failure),
    /// The server closed the connection, or answered what is no message.
    Broken,
}

impl Connections {
    /// Up to `most` connections at a time (`outgoing-num-tcp:`), none with 0.
    pub fn new(most: usize) -> Connections {
        let most = most.min(4096);
        let slots = (0..most).map(|_| Slot::default()).collect();
        Connections { slots, free: (0..most as u16).rev().collect() }
    }

    /// True when no further connection may be opened.
    pub fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// True when TCP is not used at all.
    pub fn are_forbidden(&self) -> bool {
        self.slots.is_empty()
    }

    /// The question of a slot's connection.
    pub fn question(&self, slot: u16) -> Option<u32> {
        Some(self.slots.get(usize::from(slot))?.connection.as_ref()?.question)
    }

    /// True while a slot's query has not left, since the server has not accepted the connection.
    pub fn is_connecting(&self, slot: u16) -> bool {
        let place = self.slots.get(usize::from(slot));
        place.and_then(|place| place.connection.as_ref()).is_some_and(|connection| connection.sent == 0)
    }

    /// Starts to connect from `source`, which may be unspecified, to `address` for `query`; `tag` comes back with its
    /// events.
    ///
    /// # Errors
    /// What socket(2), bind(2) and connect(2) report, or that [`Self::is_full`].
    pub fn open(
        &mut self,
        (source, address): (SocketAddr, SocketAddr),
        question: u32,
        query: &[u8],
        poller: BorrowedFd<'_>,
        tag: impl Fn(u16) -> u64,
    ) -> Result<u16, Failure> {
        let slot = *self.free.last().ok_or(Failure { call: "share of outgoing-num-tcp", errno: Errno::AGAIN })?;
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(family, SocketType::STREAM, flags, None).map_err(Failure::of("socket"))?;
        if !source.ip().is_unspecified() {
            bind(&fd, &source).map_err(Failure::of("bind"))?;
        }
        match connect(&fd, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(Failure { call: TCP, errno }),
        }
        let events = EventFlags::IN | EventFlags::OUT;
        epoll::add(poller, &fd, EventData::new_u64(tag(slot)), events).map_err(Failure::of("epoll_ctl"))?;
        self.free.pop();
        let place = &mut self.slots[usize::from(slot)];
        place.query.clear();
        place.query.extend_from_slice(&(query.len() as u16).to_be_bytes());
        place.query.extend_from_slice(query);
        place.reply.resize(MOST, 0);
        place.filled = 0;
        place.connection = Some(Connection { fd, question, sent: 0, query_len: query.len() + 2 });
        Ok(slot)
    }

    /// Sends and receives what is possible now.
    pub fn drive(&mut self, slot: u16, poller: BorrowedFd<'_>, tag: u64) -> Progress {
        let place = &mut self.slots[usize::from(slot)];
        let Some(connection) = &mut place.connection else { return Progress::Waiting };
        if connection.sent < connection.query_len {
            match send(&connection.fd, &place.query[connection.sent..], SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(len) => connection.sent += len,
                Err(Errno::AGAIN | Errno::INTR | Errno::INPROGRESS) => return Progress::Waiting,
                Err(errno) => return Progress::Failed(Failure { call: TCP, errno }),
            }
            if connection.sent < connection.query_len {
                return Progress::Waiting;
            }
            if epoll::modify(poller, &connection.fd, EventData::new_u64(tag), EventFlags::IN).is_err() {
                return Progress::Broken;
            }
        }
        loop {
            let wanted = wanted(&place.reply, place.filled);
            if place.filled == wanted {
                return Progress::Reply;
            }
            match recv(&connection.fd, &mut place.reply[place.filled..wanted], RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Progress::Broken,
                Ok((len, _)) => place.filled += len,
                Err(Errno::AGAIN | Errno::INTR) => return Progress::Waiting,
                Err(errno) => return Progress::Failed(Failure { call: TCP, errno }),
            }
        }
    }

    /// Takes the buffer of a complete reply out of its slot; the message starts behind two octets of length. Give it
    /// back with [`Self::put_back`].
    pub fn take_reply(&mut self, slot: u16) -> (Vec<u8>, usize) {
        let place = &mut self.slots[usize::from(slot)];
        (std::mem::take(&mut place.reply), place.filled)
    }

    /// See [`Self::take_reply`].
    pub fn put_back(&mut self, slot: u16, buffer: Vec<u8>) {
        self.slots[usize::from(slot)].reply = buffer;
    }

    /// Closes a slot's connection.
    pub fn close(&mut self, slot: u16) {
        if self.slots[usize::from(slot)].connection.take().is_some() {
            self.free.push(slot);
        }
    }
}

/// Octets that are to be there before the next step: the length, then as many as it says.
fn wanted(buffer: &[u8], filled: usize) -> usize {
    match buffer {
        [high, low, ..] if filled >= 2 => 2 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => 2,
    }
}
