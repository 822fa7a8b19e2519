//! The side thread: what the rings, the sockets and the clock have for the core, and the kernel as its world.

mod random;
mod real;

use super::cache::{AHEAD, Cache};
use super::core::{Core, Input};
use super::options::Options;
use super::order::Command;
use super::table::ZoneTable;
use super::trouble::Troubles;
use super::{Request, Response};
use crate::ring::doorbell::Doorbell;
use crate::ring::spsc::{Consumer, Producer};
use crate::stats::Upstream;
use crate::sys::upstream::{BATCH, Inbox};
use real::{EVENTS, Place, Real};
use rustix::io::Errno;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

/// Requests taken per step, so that replies do not wait long behind them.
const REQUESTS_PER_STEP: usize = 64;
/// Commands taken before the first request of an epoch: more than main gives without waiting for what comes of them.
const COMMANDS_OF_AN_EPOCH: usize = 64;
/// Octets read from a stream at a time.
const CHUNK: usize = 16 * 1024;
/// Longest sleep; a stop flag set without ringing the bell is seen by then.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Sleep while the worker leaves no room for responses.
const NO_ROOM_SLEEP: Duration = Duration::from_micros(200);

/// The resolver's ends of what joins it with the other threads.
pub struct Links {
    /// Questions from the worker.
    pub requests: Consumer<Request>,
    /// Answers to the worker.
    pub responses: Producer<Response>,
    /// Rung by the worker for requests, by main for commands and for the end.
    pub bell: Doorbell,
    /// The worker's.
    pub worker_bell: Doorbell,
    /// What main has it do.
    pub commands: Receiver<Command>,
    /// Counters.
    pub stats: Arc<Upstream>,
    /// What stands in the way to servers.
    pub troubles: Arc<Troubles>,
    /// Files of anchors that follow their zones' keys, with what they are to hold: main writes them.
    pub anchor_files: Sender<(PathBuf, String)>,
}

/// The resolver. One thread owns it.
pub struct Resolver {
    core: Core,
    world: Real,
    requests: Consumer<Request>,
    bell: Doorbell,
    worker_bell: Doorbell,
    commands: Receiver<Command>,
    /// Taken from `commands`, not yet carried out.
    next_command: Option<Command>,
    /// That of the request taken last.
    epoch: u32,
    /// Where something has happened.
    places: Vec<Place>,
    chunk: Box<[u8]>,
    inbox: Inbox,
    /// First datagram of the inbox not yet looked at, and the socket they came through.
    next: usize,
    socket: u16,
    serial: Option<u64>,
    /// That socket may have more than was taken from it.
    was_full: bool,
    /// Sockets to look at once more.
    again: Vec<u16>,
}

impl Resolver {
    /// Makes the resolver ready; nothing is sent yet.
    ///
    /// # Errors
    /// When no port is left to ask from, the epoll instance cannot be made or the kernel gives no random numbers.
    pub fn new(options: Options, table: Arc<ZoneTable>, links: Links) -> io::Result<Resolver> {
        if options.sockets.ports.is_empty() {
            return Err(io::Error::other("outgoing-port-avoid leaves no port to ask from; permit some"));
        }
        if options.streams.always && options.tcp_connections == 0 {
            log::warn!(
                "all servers are asked over TCP (tcp-upstream: yes, or do-udp: no without udp-upstream-without-downstream), and \
                 outgoing-num-tcp: 0 or do-tcp: no leaves no connection for that; permit some"
            );
        }
        for own in table.sources().named() {
            if let Err(cause) = std::net::UdpSocket::bind(own) {
                log::warn!("outgoing-interface {}: {cause}; give this host the address or remove the line", own.ip());
            }
        }
        let inbox = Inbox::new(usize::from(options.edns_size).max(4096));
        let mut world = Real::new(&links.bell, links.responses, links.anchor_files, &options.sockets)?;
        let mut core = Core::new(options, links.stats, links.troubles);
        core.handle(Input::Command(Command::Table(table)), Duration::ZERO, &mut world);
        Ok(Resolver {
            core,
            world,
            requests: links.requests,
            bell: links.bell,
            worker_bell: links.worker_bell,
            commands: links.commands,
            next_command: None,
            epoch: 0,
            places: Vec::with_capacity(EVENTS),
            chunk: vec![0; CHUNK].into_boxed_slice(),
            inbox,
            next: 0,
            socket: 0,
            serial: None,
            was_full: false,
            again: Vec::new(),
        })
    }

    /// Has it keep what it learns.
    pub fn with_cache(self, cache: Cache) -> Resolver {
        Resolver { core: self.core.with_cache(cache), ..self }
    }

    /// Works until `stop` is set and the bell rung.
    pub fn run(mut self, stop: &AtomicBool) {
        let start = Instant::now();
        while !stop.load(Ordering::Acquire) {
            let now = start.elapsed();
            self.step(now);
            if !self.world.has_room() {
                std::thread::sleep(NO_ROOM_SLEEP);
            } else if self.has_work(now) {
                self.poll(Duration::ZERO);
            } else {
                self.bell.arm();
                let timeout = self.longest_sleep(now, stop);
                self.poll(timeout);
                // What was rung is a place like any other.
                self.bell.rise();
            }
        }
    }

    /// True when a step at `now` has something to do although nothing comes in.
    fn has_work(&mut self, now: Duration) -> bool {
        self.next_command = self.next_command.take().or_else(|| self.commands.try_recv().ok());
        let requests = self.core.can_take(now) && !self.requests.is_empty();
        requests || self.next_command.is_some() || self.core.wants_room()
    }

    /// How long may be slept once the bell is armed. Whatever came before that did not ring it.
    pub(super) fn longest_sleep(&mut self, now: Duration, stop: &AtomicBool) -> Duration {
        if self.has_work(now) || stop.load(Ordering::Acquire) {
            return Duration::ZERO;
        }
        self.deadline().map_or(LONGEST_SLEEP, |due| due.saturating_sub(now)).min(LONGEST_SLEEP)
    }

    /// Waits up to `timeout` for something to happen at the sockets or the bell; true when something did.
    pub fn poll(&mut self, timeout: Duration) -> bool {
        if self.places.is_empty() && self.next == self.inbox.count() {
            let timeout = if self.again.is_empty() { timeout } else { Duration::ZERO };
            self.world.wait(timeout, &mut self.places);
            self.places.extend(self.again.drain(..).map(Place::Udp));
        }
        !self.places.is_empty()
    }

    /// Does everything that can be done at `now` without waiting. `now` counts from any moment, and never backwards.
    pub fn step(&mut self, now: Duration) {
        self.core.handle(Input::Due, now, &mut self.world);
        self.take_commands(1, now);
        self.take_what_came(now);
        self.take_requests(now);
        self.core.note_sizes();
        if std::mem::take(&mut self.world.published) {
            self.worker_bell.ring();
        }
    }

    /// Carries out `most` commands. Main gives the next piece of a long one when it has heard of the last, which may be before
    /// a step has ended: what clients ask must come in between.
    fn take_commands(&mut self, most: usize, now: Duration) {
        for _ in 0..most {
            let Some(command) = self.next_command.take().or_else(|| self.commands.try_recv().ok()) else { return };
            self.core.handle(Input::Command(command), now, &mut self.world);
        }
    }

    fn take_requests(&mut self, now: Duration) {
        for taken in 0..REQUESTS_PER_STEP {
            if taken % AHEAD == 0 && self.requests.len() > 1 {
                self.core.look_ahead((0..AHEAD).map_while(|place| self.requests.behind(place)));
            }
            let Some(epoch) = self.requests.front().map(|request| request.epoch) else { break };
            if epoch != self.epoch {
                // Main sends what an epoch brings before the worker knows of the epoch, so it is here by now.
                self.epoch = epoch;
                self.take_commands(COMMANDS_OF_AN_EPOCH, now);
            }
            if !self.world.has_room() || !self.core.can_take(now) {
                break;
            }
            let Some(request) = self.requests.front() else { break };
            self.core.handle(Input::Request(request), now, &mut self.world);
            self.requests.release();
        }
    }

    /// Goes through the datagrams in hand, then the sockets that have more. Without room for a response both stay as
    /// they are.
    fn take_what_came(&mut self, now: Duration) {
        loop {
            while self.next < self.inbox.count() {
                if !self.world.has_room() {
                    return;
                }
                // What came through a socket closed since must not answer a question of the next one in its slot.
                if self.world.udp_serial(self.socket) == self.serial {
                    let octets = self.inbox.datagram(self.next);
                    self.core.handle(Input::Datagram { slot: self.socket, octets }, now, &mut self.world);
                } else {
                    self.core.stats.unwanted.add(1);
                }
                self.next += 1;
            }
            if !self.world.has_room() {
                return;
            }
            self.look_again_if_full();
            self.look_ahead_at_places();
            match self.places.pop() {
                None => return,
                // Who rings may do so only after the waking thread has looked: left there, it would end every wait at once.
                Some(Place::Bell) => self.bell.disarm(),
                Some(Place::Udp(slot)) => self.receive(slot, now),
                Some(Place::Stream(slot)) => self.drive_stream(slot, now),
            }
        }
    }

    /// What comes through the sockets whose turn it is soon is looked for in memory while others have theirs.
    #[inline]
    fn look_ahead_at_places(&self) {
        for step in [0, 1] {
            let place = self.places.len().checked_sub(3 - usize::from(step)).and_then(|nth| self.places.get(nth));
            if let Some(&Place::Udp(slot)) = place {
                self.core.expect_reply(slot, step);
            }
        }
    }

    /// What is waited for may be behind what was not in the socket looked at last, and no further event tells of it. It has its
    /// turn with what comes next, so that who floods one socket holds nobody up.
    fn look_again_if_full(&mut self) {
        let was_full = std::mem::take(&mut self.was_full);
        if was_full && self.core.sockets.pending(self.socket) > 0 && self.world.udp_serial(self.socket) == self.serial {
            self.again.push(self.socket);
        }
    }

    fn receive(&mut self, slot: u16, now: Duration) {
        // More than is waited for is not expected.
        let most = self.core.sockets.pending(slot).max(1) as usize;
        let Some(received) = self.world.receive(slot, most, &mut self.inbox) else { return };
        (self.next, self.socket, self.serial) = (0, slot, self.world.udp_serial(slot));
        let error = match received {
            Ok(strangers) => {
                self.was_full = self.inbox.count() + strangers as usize >= most.min(BATCH);
                return self.core.stats.unwanted.add(strangers);
            }
            Err(error) => error,
        };
        // Behind an error there may be datagrams.
        self.was_full = error.kind() != io::ErrorKind::WouldBlock;
        match Errno::from_io_error(&error) {
            // Nothing came, and nothing is said of the server.
            None | Some(Errno::AGAIN | Errno::INTR | Errno::NOMEM | Errno::NOBUFS) => {}
            Some(errno) => self.core.handle(Input::SendFailed { slot, errno }, now, &mut self.world),
        }
    }

    /// Sends and reads what a stream takes and has. Without room for a response the rest comes with its next event.
    fn drive_stream(&mut self, slot: u16, now: Duration) {
        let Resolver { core, world, chunk, .. } = self;
        let serial = world.stream_serial(slot);
        match world.flush(slot) {
            Ok(false) => {}
            Ok(true) => core.handle(Input::StreamOpen { slot }, now, world),
            Err(failure) => return core.handle(Input::StreamEnded { slot, failure }, now, world),
        }
        // What has come and waits for room is enough: no more is taken in before it is judged.
        while serial.is_some() && world.stream_serial(slot) == serial && world.has_room() && !core.streams.is_ready() {
            match world.read(slot, chunk) {
                Ok(0) => return,
                Ok(len) => {
                    core.handle(Input::StreamData { slot, octets: &chunk[..len] }, now, world);
                    if len < chunk.len() {
                        // What comes after it has an event of its own.
                        return;
                    }
                }
                Err(failure) => return core.handle(Input::StreamEnded { slot, failure }, now, world),
            }
        }
    }

    /// Questions in flight.
    pub fn in_flight(&self) -> usize {
        self.core.in_flight()
    }

    /// Places of servers, those of servers that no table names any more included.
    #[cfg(test)]
    pub(super) fn server_places(&self) -> usize {
        self.core.servers.len()
    }

    /// Streams that may be opened besides those that are open.
    #[cfg(test)]
    pub(super) fn free_streams(&self) -> usize {
        self.core.streams.free.len()
    }

    /// When [`Self::step`] has something to do if nothing comes in before.
    pub fn deadline(&mut self) -> Option<Duration> {
        self.core.due(!self.requests.is_empty())
    }

    /// The epoll instance, for a caller that waits for several things.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.world.fd()
    }
}
