//! The worker: the thread that answers.
//!
//! One turn serves every source once: the XSKs, the kernel UDP sockets, the streams, finished questions, commands.
//! Between turns it spins or sleeps (see [`idle`]). Nothing on a turn allocates, locks or logs.

mod commands;
mod desk;
mod hot_answers;
pub mod idle;
mod misses;
mod stream_port;
#[cfg(test)]
mod tests;
mod udp_port;
mod xsk_port;

pub use commands::{Command, Done, Order};
pub use hot_answers::HotAnswers;

use super::fast_path::Queues;
use super::pending::Waiter;
use super::stream_message::StreamMessage;
use crate::answer::decide::{Answerer, Via};
use crate::resolve::{Request, Response};
use crate::ring::doorbell::Doorbell;
use crate::ring::spsc::{Consumer, Producer};
use crate::stats::WorkerStats;
use crate::sys::clock;
use crate::sys::mmsg::{UdpBatch, UdpPeer};
use arrayvec::ArrayVec;
use desk::Desk;
use idle::{Idle, IdleOptions};
use misses::{Misses, Route};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stream_port::StreamPort;
use udp_port::UdpPort;
use xsk_port::XskPort;

/// Most descriptors the worker sleeps on: XSKs, UDP sockets, its bell.
const MAX_POLLED: usize = 512;
/// Ports there may be before the list of them grows.
const MAX_PORTS: usize = 512;
/// Nanoseconds between housekeepings: gauges and the kernel's socket statistics.
const HOUSEKEEPING: u64 = 500_000_000;
/// Turns with traffic on other sources after which the UDP sockets are looked at without being polled.
const UDP_EVERY: u32 = 8;
/// Work done at most before the other sources have their turn again: late replies written and questions ended; entries
/// that a flush looks at.
const LATE_PER_TURN: usize = 128;
const FLUSH_PER_TURN: usize = 1024;

/// The worker's ends of all rings.
pub struct Links {
    /// Rung for this worker.
    pub bell: Doorbell,
    /// Questions to the resolver, and its bell.
    pub requests: Producer<Request>,
    /// Answers from the resolver.
    pub responses: Consumer<Response>,
    /// The resolver's bell.
    pub resolver_bell: Doorbell,
    /// Queries from streams.
    pub stream_queries: Consumer<StreamMessage>,
    /// Replies to streams.
    pub stream_replies: Producer<StreamMessage>,
    /// The stream thread's bell.
    pub stream_bell: Doorbell,
    /// Commands from main.
    pub commands: Consumer<Option<Order>>,
    /// What came of them.
    pub done: Producer<Option<Done>>,
    /// Main's bell.
    pub main_bell: Doorbell,
}

/// Sizes and choices.
#[derive(Clone, Copy, Debug)]
pub struct WorkerOptions {
    /// Questions asked upstream at once.
    pub questions: usize,
    /// Queries that may wait for them.
    pub waiters: usize,
    /// Octets of one datagram's buffer: the longest query and the longest UDP reply.
    pub datagram: usize,
    /// How to idle.
    pub idle: IdleOptions,
    /// `ip-dscp`: the traffic class of what leaves over AF_XDP.
    pub class: u8,
    /// `sock-queue-timeout`: microseconds after which a datagram in a socket's queue is too old; 0 for never.
    pub queue_limit: u64,
}

/// See the module's text.
pub struct Worker {
    desk: Desk,
    xsks: Vec<XskPort>,
    next_port: u32,
    udp: Vec<UdpPort>,
    /// See [`WorkerOptions::class`].
    class: u8,
    udp_batch: UdpBatch,
    streams: StreamPort,
    commands: Consumer<Option<Order>>,
    done: Producer<Option<Done>>,
    main_bell: Doorbell,
    bell: Doorbell,
    idle: Idle,
    turns: u32,
    housekeeping: u64,
    /// The moment of the last turn, in nanoseconds.
    latest: u64,
    /// The system's clocks count: it runs on a thread.
    runs: bool,
}

/// The worker's clock at one turn.
#[derive(Clone, Copy)]
struct Now {
    nanoseconds: u64,
    seconds: u32,
}

impl Now {
    fn at(nanoseconds: u64) -> Now {
        Now { nanoseconds, seconds: (nanoseconds / 1_000_000_000) as u32 }
    }
}

impl Worker {
    /// A worker that answers on these AF_XDP queues and kernel UDP sockets, and whatever the links bring.
    pub fn new(
        options: WorkerOptions,
        answerer: Answerer,
        stats: Arc<WorkerStats>,
        queues: Queues,
        udp: Vec<OwnedFd>,
        links: Links,
    ) -> Worker {
        let (queries, replies) = (links.stream_queries, links.stream_replies);
        let streams = StreamPort::new(queries, replies, links.stream_bell, Arc::clone(&stats));
        let misses = Misses::new(options, links.requests, links.responses, links.resolver_bell, Arc::clone(&stats));
        Worker {
            desk: Desk { answerer, misses, stats, queue_limit: options.queue_limit, hot: None, promised: Vec::new() },
            next_port: queues.len() as u32,
            xsks: ports(queues, options.class),
            class: options.class,
            udp: udp.into_iter().map(UdpPort::new).collect(),
            udp_batch: match options.queue_limit {
                0 => UdpBatch::new(options.datagram),
                _ => UdpBatch::new(options.datagram).with_ages(),
            },
            streams,
            commands: links.commands,
            done: links.done,
            main_bell: links.main_bell,
            bell: links.bell,
            idle: Idle::new(options.idle),
            turns: 0,
            housekeeping: 0,
            latest: 0,
            runs: false,
        }
    }

    /// Teaches the XDP program answers that it tells by itself.
    pub fn with_hot_answers(mut self, hot: HotAnswers) -> Worker {
        self.desk.hot = Some(hot);
        self
    }

    /// Serves until `stop` is set (and the bell rung).
    pub fn run(mut self, stop: &AtomicBool) {
        self.xsks.iter_mut().for_each(open_port);
        self.runs = true;
        let now = self.now();
        self.look_at_wall_clock(now);
        self.desk.unteach(now);
        crate::sys::allocator::watch_this_thread();
        while !stop.load(Ordering::Relaxed) {
            let now = self.now();
            let worked = self.turn(now);
            if self.idle.may_sleep(worked, now.nanoseconds) {
                self.sleep(stop);
            }
        }
        let now = self.now();
        for port in &mut self.xsks {
            port.finish(&mut self.desk, now);
        }
    }

    /// The clock for a turn: of the kernel's ticks, unless the log tells how long queries wait. It never goes backwards, which
    /// going from the precise one to the other would.
    #[inline]
    fn now(&mut self) -> Now {
        #[cold]
        fn precise() -> u64 {
            clock::monotonic_ns()
        }
        let is_precise = self.desk.answerer.logs_replies();
        self.latest = self.latest.max(if is_precise { precise() } else { clock::monotonic_coarse_ns() });
        Now::at(self.latest)
    }

    /// Serves every source once, `nanoseconds` after any moment; true when there was anything. For tests that own the clock.
    #[doc(hidden)]
    pub fn turn_at(&mut self, nanoseconds: u64) -> bool {
        self.turn(Now::at(nanoseconds))
    }

    /// Serves every source once; true when there was anything.
    #[inline(always)]
    fn turn(&mut self, now: Now) -> bool {
        let mut worked = false;
        for port in &mut self.xsks {
            worked |= port.serve(&mut self.desk, now);
        }
        worked |= self.serve_udp(now);
        worked |= self.streams.serve(&mut self.desk, now);
        worked |= self.deliver(now);
        worked |= self.obey(now);
        if now.nanoseconds.wrapping_sub(self.housekeeping) >= HOUSEKEEPING {
            self.housekeeping = now.nanoseconds;
            self.keep_house(now);
        }
        if self.desk.is_behind() {
            self.desk.catch_up(now);
        }
        self.turns = self.turns.wrapping_add(1);
        worked
    }

    fn serve_udp(&mut self, now: Now) -> bool {
        let look = self.turns.is_multiple_of(UDP_EVERY);
        let mut worked = false;
        for (number, port) in self.udp.iter_mut().enumerate() {
            if look || port.ready {
                worked |= port.serve(number as u16, &mut self.udp_batch, &mut self.desk, now);
            }
        }
        worked
    }

    /// Takes finished questions into the cache and to every query that waits; many of them take several turns.
    #[inline]
    fn deliver(&mut self, now: Now) -> bool {
        !self.desk.misses.responses_empty() && self.deliver_some(now)
    }

    #[inline(never)]
    fn deliver_some(&mut self, now: Now) -> bool {
        let mut worked = false;
        for _ in 0..LATE_PER_TURN {
            let Some(step) = self.desk.next_late(now) else { break };
            worked = true;
            if let Some(waiter) = step
                && self.reply_late(&waiter, now) == Some(false)
            {
                self.desk.stats.places.reply_no_room.add(1);
            }
        }
        if worked {
            self.streams.ring();
            for port in &mut self.xsks {
                port.submit();
            }
        }
        worked
    }

    /// Answers a query that waited, the way it came. `None`: a new policy gives it no answer; false: it could not be sent.
    fn reply_late(&mut self, waiter: &Waiter<Route>, now: Now) -> Option<bool> {
        let Worker { desk, streams, udp, xsks, .. } = self;
        match &waiter.route {
            &Route::Stream { token, via, .. } => {
                let reply = desk.reply_late(waiter, via, now).unwrap_or_default();
                Some(streams.send_late(token, waiter.from.client, reply))
            }
            &Route::Udp { port, peer } => self.reply_by_kernel(usize::from(port), &peer, waiter, now),
            Route::Xsk { port, path, link } => {
                if let Some(port) = xsks.iter_mut().find(|found| found.way().takes(*port)) {
                    let reply = desk.reply_late(waiter, Via::Datagram(port.room(path)), now)?;
                    let sent = port.send_late(path, reply);
                    desk.stats.places.xdp_replies.add(u64::from(sent));
                    return Some(sent);
                }
                // XDP has let go of that interface, or nothing leaves there now; which way is left, the kernel knows.
                let mut peers = udp.iter().enumerate().map(|(at, port)| Some((at, port.peer(path, *link)?)));
                let Some((port, peer)) = peers.find_map(|found| found) else { return Some(false) };
                self.reply_by_kernel(port, &peer, waiter, now)
            }
        }
    }

    /// The same through one of the kernel UDP sockets.
    fn reply_by_kernel(&mut self, port: usize, peer: &UdpPeer, waiter: &Waiter<Route>, now: Now) -> Option<bool> {
        let Worker { desk, udp, udp_batch, .. } = self;
        let Some(port) = udp.get(port) else { return Some(false) };
        let reply = desk.reply_late(waiter, Via::Datagram(udp_batch.size()), now)?;
        let sent = port.send_one(peer, reply);
        desk.stats.places.udp_replies.add(u64::from(sent));
        Some(sent)
    }

    fn look_at_wall_clock(&mut self, now: Now) {
        if self.runs {
            self.desk.answerer.set_wall_clock(clock::unix_micros() / 1_000_000, now.seconds);
        }
    }

    /// Refreshes the gauges that others read, and follows the wall clock.
    fn keep_house(&mut self, now: Now) {
        self.look_at_wall_clock(now);
        let cache = self.desk.answerer.cache();
        let outcomes = &self.desk.stats.outcomes;
        outcomes.cache_entries.set(cache.entries());
        outcomes.cache_octets.set(cache.octets());
        outcomes.cache_evicted.set(cache.evicted());
        for port in &mut self.xsks {
            port.publish();
        }
        if let Some(hot) = &mut self.desk.hot {
            hot.beat(now.nanoseconds);
            hot.fall_behind();
        }
    }

    /// Sleeps until anything stirs, a second at most.
    fn sleep(&mut self, stop: &AtomicBool) {
        self.bell.arm();
        let waiting = stop.load(Ordering::Acquire)
            || !self.desk.misses.responses_empty()
            || self.streams.has_work()
            || !self.commands.is_empty()
            || self.desk.is_behind()
            || self.xsks.iter_mut().any(XskPort::has_work);
        let unsent = self.xsks.iter_mut().any(XskPort::has_unsent);
        let mut polled: ArrayVec<PollFd<'_>, MAX_POLLED> = ArrayVec::new();
        let bell = self.bell.fd();
        polled.push(PollFd::from_borrowed_fd(bell, PollFlags::IN));
        for port in &self.udp {
            let _ = polled.try_push(PollFd::from_borrowed_fd(port.fd(), PollFlags::IN));
        }
        for port in &self.xsks {
            let _ = polled.try_push(PollFd::from_borrowed_fd(port.fd(), PollFlags::IN));
        }
        let timeout = match (waiting, unsent) {
            (true, _) => Timespec { tv_sec: 0, tv_nsec: 0 },
            (false, true) => Timespec { tv_sec: 0, tv_nsec: 1_000_000 },
            // The program goes by the worker's heart beating.
            (false, false) if self.desk.hot.is_some() => Timespec { tv_sec: 0, tv_nsec: HOUSEKEEPING as i64 },
            (false, false) => Timespec { tv_sec: 1, tv_nsec: 0 },
        };
        // An interrupted or refused poll is a turn without news.
        let _ = rustix::event::poll(&mut polled, Some(&timeout));
        let mut ready: ArrayVec<bool, MAX_POLLED> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(polled);
        for (port, ready) in self.udp.iter_mut().zip(ready.drain(1..)) {
            port.ready = ready;
        }
        self.bell.disarm();
    }
}

/// Room for every port there may be, so that taking in a recreated interface allocates nothing.
fn ports(queues: Queues, class: u8) -> Vec<XskPort> {
    let mut ports = Vec::with_capacity(MAX_PORTS.max(queues.len()));
    ports.extend((0..).zip(queues).map(|(id, (queue, share))| XskPort::new(queue, share, id, class)));
    ports
}

fn open_port(port: &mut XskPort) {
    if let Err(cause) = port.open() {
        let (interface, queue) = port.name();
        log::warn!("{interface}: queue {queue}: XDP cannot redirect to its socket: {cause}; kernel sockets serve it");
    }
}
