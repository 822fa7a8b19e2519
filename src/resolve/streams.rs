//! TCP streams towards the servers (RFC 7766): several questions each, one after the other and at once, and two octets of
//! length before each message. Replies come in any order.
//!
//! Memory is bounded by the number of streams: of what comes a stream keeps one message that is not whole, and what one
//! read brought behind it; of what leaves, the queries that it may carry.

use super::trouble::Failure;
use super::world::World;
use crate::dns::header;
use rustix::io::Errno;
use std::net::SocketAddr;
use std::time::Duration;

/// Questions that wait at a stream before another is opened to the same server, while there is room.
const CROWDED: usize = 16;
/// Time between two looks for streams that nobody has used for long.
const SWEEP: Duration = Duration::from_secs(1);
/// A stream that has brought nothing for this long gives up its place to a server that has none.
const STALLED: Duration = Duration::from_secs(1);
/// IDs drawn for one query.
const ID_TRIES: usize = 64;
/// A buffer larger than this is not kept for small messages.
const LARGE: usize = 16 * 1024;

/// How streams are used.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// Questions that one stream carries (`max-reuse-tcp-queries:`), at least one.
    pub queries: u32,
    /// Time after which a stream without a question is closed (`tcp-reuse-timeout:`).
    pub idle: Duration,
    /// Longest wait for a connection and a reply (`tcp-auth-query-timeout:`).
    pub wait: Duration,
    /// Every question goes over TCP (`tcp-upstream:`).
    pub always: bool,
}

impl Default for StreamOptions {
    fn default() -> Self {
        let (idle, wait) = (Duration::from_secs(60), Duration::from_secs(3));
        StreamOptions { queries: 200, idle, wait, always: false }
    }
}

/// A question that was sent over a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rider {
    /// Message ID.
    pub id: u16,
    /// The question; `None`: it waits no more, and the reply is only to be recognised.
    pub question: Option<u32>,
    /// How many the stream had carried before.
    nth: u32,
}

/// What a stream leaves behind.
#[derive(Debug, Default)]
pub struct Ended {
    /// The questions that waited.
    pub waiting: Vec<u32>,
    /// That it ended says nothing of them: it had brought replies before, or any of them may be the cause.
    pub once_more: bool,
    /// The server has left questions without an answer that it had together with others.
    pub left_some: bool,
}

struct Stream {
    server: u32,
    address: SocketAddr,
    serial: u32,
    /// The server has accepted the connection.
    is_open: bool,
    /// It takes no more questions.
    is_retired: bool,
    /// Questions it was given.
    asked: u32,
    /// As `asked`, when it last brought a reply.
    asked_at_reply: u32,
    riders: Vec<Rider>,
    /// What has come and is not judged.
    input: Vec<u8>,
    opened: Duration,
    /// When it last brought a reply, or was given a question while it had none.
    used: Duration,
}

impl Stream {
    fn is_idle(&self) -> bool {
        self.riders.iter().all(|rider| rider.question.is_none())
    }
}

/// A fixed number of streams.
pub struct Streams {
    /// How they are used.
    pub options: StreamOptions,
    slots: Vec<Option<Stream>>,
    pub(super) free: Vec<u16>,
    serial: u32,
    /// A stream was closed or has brought a reply: there may be room for who waits for one.
    has_room: bool,
    /// Streams that have something to judge.
    ready: Vec<u16>,
    framed: Vec<u8>,
    swept: Duration,
}

impl Streams {
    /// Up to `most` streams at a time (`outgoing-num-tcp:`), none with 0.
    pub fn new(most: usize, options: StreamOptions) -> Streams {
        let most = most.min(4096);
        let slots = (0..most).map(|_| None).collect();
        let (has_room, serial, ready, framed, swept) = Default::default();
        Streams { options, slots, free: (0..most as u16).rev().collect(), serial, has_room, ready, framed, swept }
    }

    /// True when TCP is not used at all.
    pub fn are_forbidden(&self) -> bool {
        self.slots.is_empty()
    }

    /// True once after a stream was closed or has brought a reply.
    pub fn take_room(&mut self) -> bool {
        std::mem::take(&mut self.has_room)
    }

    fn get(&self, slot: u16) -> Option<&Stream> {
        self.slots.get(usize::from(slot))?.as_ref()
    }

    fn get_mut(&mut self, slot: u16) -> Option<&mut Stream> {
        self.slots.get_mut(usize::from(slot))?.as_mut()
    }

    fn open_ones(&self) -> impl Iterator<Item = (u16, &Stream)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(slot, stream)| Some((slot as u16, stream.as_ref()?)))
    }

    /// The stream to a server that one more question is given to. `one_by_one`: the server takes no question before it has
    /// answered the last.
    pub fn find(&mut self, server: u32, address: &SocketAddr, one_by_one: bool) -> Option<u16> {
        let most = if one_by_one { 1 } else { usize::MAX };
        let mine = self.open_ones().filter(|(_, stream)| stream.server == server && stream.address == *address);
        let usable = mine.filter(|(_, stream)| {
            !stream.is_retired && stream.asked < self.options.queries.max(1) && stream.riders.len() < most
        });
        let (slot, riders) =
            usable.map(|(slot, stream)| (slot, stream.riders.len())).min_by_key(|(_, riders)| *riders)?;
        (riders < CROWDED || self.free.is_empty() || self.has_its_share(server)).then_some(slot)
    }

    /// True of a server that has as many streams as are left for the others.
    pub fn has_its_share(&self, server: u32) -> bool {
        let own = self.open_ones().filter(|(_, stream)| stream.server == server).count();
        let busy = self.open_ones().filter(|(_, stream)| !stream.is_idle()).count();
        own > 0 && own >= self.slots.len() - busy
    }

    /// Sees to it that a stream can be opened, if need be by closing the one that nobody has used for longest; false when all
    /// carry questions.
    pub fn make_room(&mut self, world: &mut impl World) -> bool {
        if self.free.is_empty() {
            let idle = self.open_ones().filter(|(_, stream)| stream.is_idle());
            let longest = idle.min_by_key(|(_, stream)| stream.used).map(|(slot, _)| slot);
            longest.into_iter().for_each(|slot| self.close(slot, world));
        }
        !self.free.is_empty()
    }

    /// The stream that has brought nothing for longest, if that is long.
    pub fn most_stalled(&self, now: Duration) -> Option<u16> {
        let longest = self.open_ones().min_by_key(|(_, stream)| stream.used)?;
        (now >= longest.1.used + STALLED).then_some(longest.0)
    }

    /// Opens a stream from an address to that of a server.
    ///
    /// # Errors
    /// Those of [`World::open_stream`], or that there is no room.
    pub fn open(
        &mut self,
        server: u32,
        (source, address): (SocketAddr, SocketAddr),
        now: Duration,
        world: &mut impl World,
    ) -> Result<u16, Failure> {
        let slot = *self.free.last().ok_or(Failure { call: "share of outgoing-num-tcp", errno: Errno::AGAIN })?;
        world.open_stream(slot, source, address)?;
        self.free.pop();
        self.serial = self.serial.wrapping_add(1);
        let (asked, asked_at_reply, riders, input) = Default::default();
        self.slots[usize::from(slot)] = Some(Stream {
            server,
            address,
            serial: self.serial,
            is_open: false,
            is_retired: false,
            asked,
            asked_at_reply,
            riders,
            input,
            opened: now,
            used: now,
        });
        Ok(slot)
    }

    /// An ID that no other question has which was sent over a stream.
    ///
    /// # Errors
    /// Those of [`World::draw`]; all that were drawn are taken.
    pub fn draw_id(&self, slot: u16, world: &mut impl World) -> Result<u16, Failure> {
        let riders = self.get(slot).map_or(&[][..], |stream| &stream.riders);
        for _ in 0..ID_TRIES {
            let id = world.draw()?;
            if riders.iter().all(|rider| rider.id != id) {
                return Ok(id);
            }
        }
        Err(Failure { call: "drawing a message ID", errno: Errno::AGAIN })
    }

    /// Sends a question's query, whose ID is `id`, over an open stream.
    pub fn send(&mut self, slot: u16, (question, id): (u32, u16), query: &[u8], now: Duration, world: &mut impl World) {
        let Some(Some(stream)) = self.slots.get_mut(usize::from(slot)) else { return };
        if stream.is_idle() {
            stream.used = now;
        }
        stream.riders.push(Rider { id, question: Some(question), nth: stream.asked });
        stream.asked += 1;
        self.framed.clear();
        self.framed.extend_from_slice(&(query.len() as u16).to_be_bytes());
        self.framed.extend_from_slice(query);
        world.send_stream(slot, &self.framed);
    }

    /// The server has accepted the connection.
    pub fn opened(&mut self, slot: u16) {
        if let Some(stream) = self.get_mut(slot) {
            stream.is_open = true;
        }
    }

    /// The question that waits for a reply with an ID.
    pub fn question(&self, slot: u16, id: u16) -> Option<u32> {
        self.get(slot)?.riders.iter().find(|rider| rider.id == id)?.question
    }

    /// Since when a stream waits for its server to accept it; `None` when that is done.
    pub fn connecting_since(&self, slot: u16) -> Option<Duration> {
        self.get(slot).filter(|stream| !stream.is_open).map(|stream| stream.opened)
    }

    /// True of a stream that has brought no reply since the question with an ID was sent over it.
    pub fn is_stalled(&self, slot: u16, id: u16) -> bool {
        let Some(stream) = self.get(slot) else { return false };
        let rider = stream.riders.iter().find(|rider| rider.id == id);
        rider.is_some_and(|rider| rider.nth >= stream.asked_at_reply)
    }

    /// A question waits no more. A stream that nothing else is waited for at goes if the server has not accepted it, or it may
    /// carry no more.
    pub fn forget(&mut self, slot: u16, id: u16, world: &mut impl World) {
        let Some(stream) = self.get_mut(slot) else { return };
        stream.riders.iter_mut().filter(|rider| rider.id == id).for_each(|rider| rider.question = None);
        self.close_if_done(slot, world);
    }

    fn close_if_done(&mut self, slot: u16, world: &mut impl World) {
        let Some(stream) = self.get(slot).filter(|stream| stream.is_idle()) else { return };
        if !stream.is_open && stream.asked_at_reply == 0
            || stream.is_retired
            || stream.asked >= self.options.queries.max(1)
        {
            self.close(slot, world);
        }
    }

    /// Adds what came over a stream; [`Self::next_ready`] and [`Self::take_input`] give it.
    pub fn add_input(&mut self, slot: u16, octets: &[u8]) {
        let Some(stream) = self.get_mut(slot) else { return };
        stream.is_open = true;
        stream.input.extend_from_slice(octets);
        self.note_ready(slot);
    }

    fn note_ready(&mut self, slot: u16) {
        let has_message = self.get(slot).is_some_and(|stream| first_message(&stream.input).is_some());
        if has_message && !self.ready.contains(&slot) {
            self.ready.push(slot);
        }
    }

    /// True when a whole message is there.
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes the input of a stream that has a whole message, with what tells the stream from the next in its slot. Give back
    /// what is left of it with [`Self::put_back`].
    pub fn take_input(&mut self) -> Option<(u16, u32, Vec<u8>)> {
        let slot = self.ready.pop()?;
        let stream = self.get_mut(slot)?;
        Some((slot, stream.serial, std::mem::take(&mut stream.input)))
    }

    /// Gives back what was taken, `done` octets of which have been judged, unless the stream is gone.
    pub fn put_back(&mut self, slot: u16, serial: u32, mut input: Vec<u8>, done: usize) {
        let Some(stream) = self.get_mut(slot).filter(|stream| stream.serial == serial) else { return };
        input.drain(..done);
        if input.len() < LARGE && input.capacity() > LARGE {
            input.shrink_to(LARGE);
        }
        stream.input = input;
        self.note_ready(slot);
    }

    /// A reply has come over a stream: whose it is, if anybody waits for it. `None`: nothing like it was asked.
    pub fn replied(&mut self, (slot, serial): (u16, u32), message: &[u8], now: Duration) -> Option<Rider> {
        let stream = self.get_mut(slot).filter(|stream| stream.serial == serial)?;
        let id = header::id(message);
        let place = stream.riders.iter().position(|rider| rider.id == id)?;
        let rider = stream.riders.swap_remove(place);
        (stream.asked_at_reply, stream.used) = (stream.asked, now);
        self.has_room = true;
        Some(rider)
    }

    /// After [`Self::replied`] has been seen to: a stream that may carry no more is closed.
    pub fn rest(&mut self, (slot, serial): (u16, u32), world: &mut impl World) {
        if self.is_there(slot, serial) {
            self.close_if_done(slot, world);
        }
    }

    /// Takes the questions of a stream and closes it.
    pub fn end(&mut self, slot: u16, world: &mut impl World) -> Ended {
        let Some(stream) = self.get_mut(slot) else { return Ended::default() };
        let waiting: Vec<Rider> = stream.riders.drain(..).filter(|rider| rider.question.is_some()).collect();
        let has_replied = stream.asked_at_reply > 0;
        let spoiled = stream.is_open && !has_replied && waiting.len() > 1;
        let left_some = spoiled || waiting.iter().any(|rider| rider.nth < stream.asked_at_reply);
        self.close(slot, world);
        let waiting = waiting.iter().filter_map(|rider| rider.question).collect();
        Ended { waiting, once_more: has_replied || spoiled, left_some }
    }

    /// True while a stream is open.
    pub fn is_there(&self, slot: u16, serial: u32) -> bool {
        self.get(slot).is_some_and(|stream| stream.serial == serial)
    }

    /// The server of an open stream.
    pub fn server(&self, slot: u16) -> Option<u32> {
        Some(self.get(slot)?.server)
    }

    /// No stream takes further questions; those without any are closed.
    pub fn retire_all(&mut self, world: &mut impl World) {
        for slot in 0..self.slots.len() as u16 {
            self.get_mut(slot).into_iter().for_each(|stream| stream.is_retired = true);
            self.close_if_done(slot, world);
        }
    }

    /// Closes the streams that nobody has used for long. Cheap to call at every turn.
    pub fn sweep(&mut self, now: Duration, world: &mut impl World) {
        if now < self.swept + SWEEP {
            return;
        }
        self.swept = now;
        for slot in 0..self.slots.len() as u16 {
            let idle = self.options.idle;
            if self.get(slot).is_some_and(|stream| stream.is_idle() && now >= stream.used + idle) {
                self.close(slot, world);
            }
        }
    }

    fn close(&mut self, slot: u16, world: &mut impl World) {
        if self.slots.get_mut(usize::from(slot)).and_then(Option::take).is_some() {
            world.close_stream(slot);
            self.free.push(slot);
            self.ready.retain(|&other| other != slot);
            self.has_room = true;
        }
    }
}

/// The place of the first message, whose length stands before it, when all of it is there.
pub fn first_message(input: &[u8]) -> Option<std::ops::Range<usize>> {
    let (&[high, low], rest) = input.split_first_chunk::<2>()?;
    let len = usize::from(u16::from_be_bytes([high, low]));
    (rest.len() >= len).then_some(2..2 + len)
}
