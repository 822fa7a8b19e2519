//! One client: its request is read, its reply written, and what it still sends thrown away until it closes.
//!
//! `unbound-control` sends all its lines before it reads. A socket closed with octets unread would cut the reply off, so a
//! reply that comes before the lines have ended still waits for the client to close.

use super::backend::Pieces;
use super::command::Reaction;
use super::long::{self, Loading};
use super::request::{Request, RequestReader, Step};
use rustix::event::{PollFd, PollFlags};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// For a command line to be whole.
const COMMAND_TIME: Duration = Duration::from_secs(10);
/// Between two pieces of a batch, which may come from a keyboard: Unbound's time-out of control connections.
const BATCH_TIME: Duration = Duration::from_secs(120);
/// Between two pieces of a reply being taken.
const REPLY_TIME: Duration = Duration::from_secs(30);
/// For a client to close once it has its reply.
const DRAIN_TIME: Duration = Duration::from_secs(10);

const CHUNK: usize = 64 * 1024;
/// Chunks read in one go, so that one client does not keep the caller.
const CHUNKS_AT_ONCE: usize = 16;
/// Pieces of a long reply, or chunks of a cache's text, in one go: each is work for the resolver too.
const PIECES_AT_ONCE: usize = 4;

enum State {
    Reading(RequestReader),
    Loading(Loading),
    Writing { reply: Vec<u8>, written: usize, pieces: Option<Pieces> },
    Draining,
    Closed,
}

/// What one read brought.
enum Input {
    Octets(usize),
    End,
    Nothing,
    Broken,
}

/// A client's connection.
pub(super) struct Connection {
    stream: UnixStream,
    state: State,
    deadline: Instant,
}

impl Connection {
    /// Takes over an accepted stream, non-blocking.
    pub(super) fn new(stream: UnixStream, now: Instant) -> Connection {
        Connection { stream, state: State::Reading(RequestReader::default()), deadline: now + COMMAND_TIME }
    }

    /// When [`Connection::advance`] is due even if the descriptor is not ready.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether it may be dropped.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// What to wait for.
    pub(super) fn poll_fd(&self) -> PollFd<'_> {
        let events = match self.state {
            State::Writing { .. } => PollFlags::OUT,
            _ => PollFlags::IN,
        };
        PollFd::new(&self.stream, events)
    }

    /// Octets held for this client.
    pub(super) fn held(&self) -> usize {
        match &self.state {
            State::Reading(reader) => reader.held(),
            State::Loading(loading) => loading.held(),
            State::Writing { reply, .. } => reply.len(),
            State::Draining | State::Closed => 0,
        }
    }

    /// Goes on as far as it can without waiting. `room` is how many octets may be held; `run` makes a reply of a request.
    pub(super) fn advance(&mut self, now: Instant, room: usize, run: &mut dyn FnMut(Request) -> Reaction) {
        if let State::Reading(_) = self.state {
            self.read(now, room, run);
        }
        if let State::Loading(_) = self.state {
            self.load(now);
        }
        if let State::Writing { .. } = self.state {
            self.write(now);
        }
        if let State::Draining = self.state {
            self.drain();
        }
        if now >= self.deadline && !self.is_closed() {
            log::debug!("control: a client took too long and is closed");
            self.state = State::Closed;
        }
    }

    fn read(&mut self, now: Instant, room: usize, run: &mut dyn FnMut(Request) -> Reaction) {
        let mut chunk = [0; CHUNK];
        for _ in 0..CHUNKS_AT_ONCE {
            let input = self.receive(&mut chunk);
            let State::Reading(reader) = &mut self.state else { return };
            let step = match input {
                Input::Octets(len) => reader.feed(&chunk[..len], room),
                Input::End => reader.end(),
                Input::Nothing => return,
                Input::Broken => Step::Hangup,
            };
            let reaction = match step {
                Step::More => {
                    if reader.in_batch() {
                        self.deadline = now + BATCH_TIME;
                    }
                    continue;
                }
                Step::Run(request) => run(request),
                Step::Refuse(reason) => Reaction::Reply(format!("error {reason}\n").into_bytes()),
                Step::Hangup => {
                    self.state = State::Closed;
                    return;
                }
            };
            self.deadline = now + REPLY_TIME;
            match reaction {
                Reaction::Reply(reply) => self.reply(reply, None, now),
                Reaction::Pieces(pieces) => self.reply(Vec::new(), Some(pieces), now),
                Reaction::Load(load, octets) => self.start_loading(Loading::new(load), &octets, now),
            }
            return;
        }
    }

    fn reply(&mut self, reply: Vec<u8>, pieces: Option<Pieces>, now: Instant) {
        self.state = State::Writing { reply, written: 0, pieces };
        self.deadline = now + REPLY_TIME;
    }

    fn start_loading(&mut self, mut loading: Loading, octets: &[u8], now: Instant) {
        match loading.feed(octets) {
            Some(reply) => self.reply(reply, None, now),
            None => {
                self.state = State::Loading(loading);
                self.deadline = now + BATCH_TIME;
            }
        }
    }

    fn load(&mut self, now: Instant) {
        let mut chunk = [0; CHUNK];
        for _ in 0..PIECES_AT_ONCE {
            let input = self.receive(&mut chunk);
            let State::Loading(loading) = &mut self.state else { return };
            let reply = match input {
                Input::Octets(len) => loading.feed(&chunk[..len]),
                Input::End => Some(loading.end()),
                Input::Nothing => return,
                Input::Broken => return self.state = State::Closed,
            };
            self.deadline = now + BATCH_TIME;
            if let Some(reply) = reply {
                return self.reply(reply, None, now);
            }
        }
    }

    fn receive(&mut self, chunk: &mut [u8]) -> Input {
        loop {
            return match self.stream.read(chunk) {
                Ok(0) => Input::End,
                Ok(len) => Input::Octets(len),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Input::Nothing,
                Err(_) => Input::Broken,
            };
        }
    }

    fn write(&mut self, now: Instant) {
        let State::Writing { reply, written, pieces } = &mut self.state else { return };
        let mut left = PIECES_AT_ONCE;
        loop {
            if *written == reply.len() {
                let Some(piece) = pieces.as_mut().and_then(Iterator::next) else { break };
                (*reply, *written) = (long::octets(piece), 0);
                left -= 1;
            }
            if left == 0 {
                // The rest comes with the next call, which is at once: there is room for it.
                return;
            }
            if *written == reply.len() {
                continue;
            }
            match self.stream.write(&reply[*written..]) {
                Ok(len) => {
                    *written += len;
                    self.deadline = now + REPLY_TIME;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.state = State::Closed;
                    return;
                }
            }
        }
        self.deadline = now + DRAIN_TIME;
        // A client that is gone already makes this fail, and the next read find its end.
        let _ = self.stream.shutdown(Shutdown::Write);
        self.state = State::Draining;
    }

    fn drain(&mut self) {
        let mut chunk = [0; CHUNK];
        for _ in 0..CHUNKS_AT_ONCE {
            match self.receive(&mut chunk) {
                Input::Octets(_) => {}
                Input::Nothing => return,
                Input::End | Input::Broken => {
                    self.state = State::Closed;
                    return;
                }
            }
        }
    }
}
