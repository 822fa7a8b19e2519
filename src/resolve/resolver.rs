//! The side thread's loop: requests in, datagrams and timers, responses out.

use super::engine::{Engine, TCP_TAG};
use super::options::Options;
use super::random::Random;
use super::table::ForwardTable;
use super::trouble::Troubles;
use super::{Request, Response};
use crate::ring::doorbell::Doorbell;
use crate::ring::spsc::{Consumer, Producer};
use crate::stats::Upstream;
use crate::sys::upstream::Inbox;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// Requests taken per step, so that replies do not wait long behind them.
const REQUESTS_PER_STEP: usize = 64;
/// Events fetched at a time.
const EVENTS: usize = 64;
/// Longest sleep; a stop flag set without ringing the bell is seen by then.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Sleep while the worker leaves no room for responses.
const NO_ROOM_SLEEP: Duration = Duration::from_micros(200);
const BELL_TAG: u64 = u64::MAX;

/// The resolver's ends of what joins it with the other threads.
pub struct Links {
    /// Questions from the worker.
    pub requests: Consumer<Request>,
    /// Answers to the worker.
    pub responses: Producer<Response>,
    /// Rung by the worker for requests, by main for tables and for the end.
    pub bell: Doorbell,
    /// The worker's.
    pub worker_bell: Doorbell,
    /// New tables from main.
    pub tables: Receiver<Arc<ForwardTable>>,
    /// Counters.
    pub stats: Arc<Upstream>,
    /// What stands in the way to servers.
    pub troubles: Arc<Troubles>,
}

/// The forwarder. One thread owns it.
pub struct Resolver {
    engine: Engine,
    requests: Consumer<Request>,
    bell: Doorbell,
    worker_bell: Doorbell,
    tables: Receiver<Arc<ForwardTable>>,
    /// Taken from `tables`, not yet in force.
    new_table: Option<Arc<ForwardTable>>,
    /// That of the request taken last.
    epoch: u32,
    /// Tags of the sockets that have something.
    events: Vec<u64>,
    inbox: Inbox,
    /// First datagram of the inbox not yet looked at, and the socket they came through.
    next: usize,
    socket: u16,
    serial: Option<u64>,
}

impl Resolver {
    /// Makes the resolver ready; nothing is sent yet.
    ///
    /// # Errors
    /// When no port is left to ask from, the epoll instance cannot be made or the kernel gives no random numbers.
    pub fn new(options: Options, table: Arc<ForwardTable>, links: Links) -> io::Result<Resolver> {
        if options.sockets.ports.is_empty() {
            return Err(io::Error::other("outgoing-port-avoid leaves no port to ask from; permit some"));
        }
        for own in table.sources().named() {
            if let Err(cause) = std::net::UdpSocket::bind(own) {
                log::warn!("outgoing-interface {}: {cause}; give this host the address or remove the line", own.ip());
            }
        }
        let poller = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&poller, links.bell.fd(), EventData::new_u64(BELL_TAG), EventFlags::IN)?;
        let random = Random::new().map_err(io::Error::other)?;
        let inbox = Inbox::new(usize::from(options.edns_size).max(4096));
        let mut engine = Engine::new(options, poller, random, links.responses, (links.stats, links.troubles));
        engine.set_table(table, Duration::ZERO);
        Ok(Resolver {
            engine,
            requests: links.requests,
            bell: links.bell,
            worker_bell: links.worker_bell,
            tables: links.tables,
            new_table: None,
            epoch: 0,
            events: Vec::with_capacity(EVENTS),
            inbox,
            next: 0,
            socket: 0,
            serial: None,
        })
    }

    /// Works until `stop` is set and the bell rung.
    pub fn run(mut self, stop: &AtomicBool) {
        let start = Instant::now();
        while !stop.load(Ordering::Acquire) {
            let now = start.elapsed();
            self.step(now);
            if !self.engine.has_room() {
                std::thread::sleep(NO_ROOM_SLEEP);
            } else if !self.poll(Duration::ZERO) && !self.has_work(now) {
                self.bell.arm();
                let timeout = self.longest_sleep(now, stop);
                self.poll(timeout);
                self.bell.disarm();
            }
        }
    }

    /// True when a step at `now` has something to do although nothing comes in.
    fn has_work(&mut self, now: Duration) -> bool {
        self.new_table = self.new_table.take().or_else(|| self.tables.try_recv().ok());
        let room = !self.engine.questions.is_full() || self.engine.jostle_at().is_some_and(|at| now >= at);
        let requests = room && !self.requests.is_empty();
        requests || self.new_table.is_some() || !self.engine.failed.is_empty()
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
        if self.events.is_empty() && self.next == self.inbox.count() {
            let nanos = i64::from(timeout.subsec_nanos());
            let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: nanos };
            let mut room = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
            // Fails only when a signal comes.
            if let Ok((events, _)) = epoll::wait(&self.engine.poller, &mut room, Some(&timeout)) {
                self.events.extend(events.iter().map(|event| event.data.u64()));
            }
        }
        !self.events.is_empty()
    }

    /// Does everything that can be done at `now` without waiting. `now` counts from any moment, and never backwards.
    pub fn step(&mut self, now: Duration) {
        while let Some(id) = self.engine.timers.expired(now) {
            self.engine.expire(id, now);
        }
        self.take_tables(now);
        self.drain(now);
        self.engine.sockets.sweep(now);
        for _ in 0..REQUESTS_PER_STEP {
            if !self.engine.has_room() || self.requests.is_empty() || !self.engine.make_room(now) {
                break;
            }
            let Some(epoch) = self.requests.front().map(|request| request.epoch) else { break };
            if epoch != self.epoch {
                // Main sends what an epoch brings before the worker knows of the epoch, so it is here by now.
                self.epoch = epoch;
                self.take_tables(now);
            }
            let Some(request) = self.requests.front() else { break };
            self.engine.start(request, now);
            self.requests.release();
        }
        self.engine.settle(now);
        self.engine.stats.in_flight.set(self.engine.questions.in_use() as u64);
        if std::mem::take(&mut self.engine.published) {
            self.worker_bell.ring();
        }
    }

    fn take_tables(&mut self, now: Duration) {
        while let Some(table) = self.new_table.take().or_else(|| self.tables.try_recv().ok()) {
            self.engine.set_table(table, now);
        }
    }

    /// Goes through the datagrams in hand, then the sockets that have more. Without room for a response both stay as
    /// they are.
    fn drain(&mut self, now: Duration) {
        loop {
            while self.next < self.inbox.count() {
                if !self.engine.has_room() {
                    return;
                }
                // What came through a socket closed since must not answer a question of the next one in its slot.
                if self.engine.sockets.serial(self.socket) == self.serial {
                    self.engine.datagram(self.socket, self.inbox.datagram(self.next), now);
                } else {
                    self.engine.stats.unwanted.add(1);
                }
                self.next += 1;
            }
            if !self.engine.has_room() {
                return;
            }
            let Some(tag) = self.events.pop() else { return };
            match tag {
                BELL_TAG => {}
                _ if tag & TCP_TAG != 0 => self.engine.tcp_event(tag as u16, now),
                _ => self.receive(tag as u16, now),
            }
        }
    }

    fn receive(&mut self, socket: u16, now: Duration) {
        let Some(fd) = self.engine.sockets.fd(socket) else { return };
        (self.next, self.socket, self.serial) = (0, socket, self.engine.sockets.serial(socket));
        let Err(error) = self.inbox.receive(fd) else { return };
        match Errno::from_io_error(&error) {
            // Nothing came, and nothing is said of the server.
            None | Some(Errno::AGAIN | Errno::INTR | Errno::NOMEM | Errno::NOBUFS) => {}
            Some(errno) => self.engine.socket_failed(socket, errno, now),
        }
    }

    /// Questions in flight.
    pub fn in_flight(&self) -> usize {
        self.engine.questions.in_use()
    }

    /// Places of servers, those of servers that no table names any more included.
    #[cfg(test)]
    pub(super) fn server_places(&self) -> usize {
        self.engine.servers.len()
    }

    /// When [`Self::step`] has something to do if nothing comes in before.
    pub fn deadline(&mut self) -> Option<Duration> {
        let waits = self.engine.questions.is_full() && !self.requests.is_empty();
        let jostle = if waits { self.engine.jostle_at() } else { None };
        self.engine.timers.next().into_iter().chain(jostle).min()
    }

    /// The epoll instance, for a caller that waits for several things.
    pub fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.engine.poller.as_fd()
    }
}
