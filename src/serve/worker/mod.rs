//! The worker: the thread that answers.
//!
//! One turn serves every source once: the XSKs, the kernel UDP sockets, the streams, finished questions, commands.
//! Between turns it spins or sleeps (see [`idle`]). Nothing on a turn allocates, locks or logs.

mod commands;
pub mod idle;
mod misses;
#[cfg(test)]
mod tests;
mod udp_port;
mod xsk_port;

pub use commands::{Command, Done, Order};

use super::fast_path::Queues;
use super::stream_message::StreamMessage;
use crate::answer::cache::CHECKING_DISABLED;
use crate::answer::decide::{Answerer, Arrival, Decision, Via};
use crate::resolve::{Request, Response};
use crate::ring::doorbell::Doorbell;
use crate::ring::spsc::{Consumer, Producer};
use crate::stats::WorkerStats;
use crate::sys::clock;
use arrayvec::ArrayVec;
use idle::{Idle, IdleOptions};
use misses::{Misses, Route};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
/// Work done at most before the other sources have their turn again: late replies written and questions ended; queries of
/// streams; entries that a flush looks at.
const LATE_PER_TURN: usize = 128;
const STREAM_PER_TURN: usize = 64;
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
}

/// See the module's text.
pub struct Worker {
    answerer: Answerer,
    stats: Arc<WorkerStats>,
    misses: Misses,
    xsks: Vec<XskPort>,
    next_port: u32,
    udp: Vec<UdpPort>,
    udp_batch: crate::sys::mmsg::UdpBatch,
    stream_queries: Consumer<StreamMessage>,
    stream_replies: Producer<StreamMessage>,
    stream_bell: Doorbell,
    commands: Consumer<Option<Order>>,
    done: Producer<Option<Done>>,
    main_bell: Doorbell,
    bell: Doorbell,
    idle: Idle,
    turns: u32,
    housekeeping: u64,
    panics: bool,
}

/// The worker's clock at one turn.
#[derive(Clone, Copy)]
struct Now {
    nanoseconds: u64,
    seconds: u32,
}

impl Now {
    fn read() -> Now {
        let nanoseconds = clock::monotonic_coarse_ns();
        Now { nanoseconds, seconds: (nanoseconds / 1_000_000_000) as u32 }
    }

    /// A query that is decided now.
    #[inline]
    fn arrival(self, client: SocketAddr, via: Via) -> Arrival {
        Arrival { client, via, now: self.seconds }
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
        let misses = Misses::new(options, links.requests, links.responses, links.resolver_bell, Arc::clone(&stats));
        Worker {
            answerer,
            stats,
            misses,
            next_port: queues.len() as u32,
            xsks: ports(queues),
            udp: udp.into_iter().map(UdpPort::new).collect(),
            udp_batch: crate::sys::mmsg::UdpBatch::new(options.datagram),
            stream_queries: links.stream_queries,
            stream_replies: links.stream_replies,
            stream_bell: links.stream_bell,
            commands: links.commands,
            done: links.done,
            main_bell: links.main_bell,
            bell: links.bell,
            idle: Idle::new(options.idle),
            turns: 0,
            housekeeping: 0,
            panics: std::env::var_os("RUNBOUND_TEST_PANIC").is_some(),
        }
    }

    /// Serves until `stop` is set (and the bell rung).
    pub fn run(mut self, stop: &AtomicBool) {
        self.xsks.iter_mut().for_each(open_port);
        crate::sys::allocator::watch_this_thread();
        while !stop.load(Ordering::Relaxed) {
            let now = Now::read();
            let worked = self.turn(now);
            if self.idle.may_sleep(worked, now.nanoseconds) {
                self.sleep(stop);
            }
        }
        // What the sockets hold already is still answered; what comes from now on is the kernel's.
        for port in &mut self.xsks {
            port.close();
        }
        let now = Now::read();
        for port in &mut self.xsks {
            while port.serve(&mut self.answerer, &mut self.misses, &self.stats, now) {}
        }
    }

    /// Serves every source once; true when there was anything.
    fn turn(&mut self, now: Now) -> bool {
        let mut worked = false;
        for port in &mut self.xsks {
            worked |= port.serve(&mut self.answerer, &mut self.misses, &self.stats, now);
        }
        worked |= self.serve_udp(now);
        worked |= self.serve_streams(now);
        worked |= self.deliver(now);
        worked |= self.obey();
        if now.nanoseconds.wrapping_sub(self.housekeeping) >= HOUSEKEEPING {
            self.housekeeping = now.nanoseconds;
            self.keep_house();
        }
        self.turns = self.turns.wrapping_add(1);
        worked
    }

    fn serve_udp(&mut self, now: Now) -> bool {
        let look = self.turns.is_multiple_of(UDP_EVERY);
        let mut worked = false;
        for (number, port) in self.udp.iter_mut().enumerate() {
            if look || port.ready {
                let batch = &mut self.udp_batch;
                worked |= port.serve(number as u16, batch, &mut self.answerer, &mut self.misses, &self.stats, now);
            }
        }
        worked
    }

    /// Answers queries from streams: each is decided in its own slot and copied to a reply's. Without room for a reply
    /// they stay where they are.
    fn serve_streams(&mut self, now: Now) -> bool {
        let mut worked = false;
        for _ in 0..STREAM_PER_TURN {
            let Some(query) = self.stream_queries.front() else { break };
            let Some(reply) = self.stream_replies.reserve() else { break };
            worked = true;
            let (token, client) = (query.token, query.client());
            let arrival = now.arrival(client, Via::Stream);
            self.stats.places.tcp_queries.add(1);
            let (buffer, len) = query.buffer();
            let decision = match self.answerer.decide(buffer, len, arrival, None) {
                Decision::Miss => {
                    let route = Route::Stream { token };
                    self.misses.hand_off(&mut self.answerer, buffer, len, arrival, route, now)
                }
                decided => decided,
            };
            let answer = match decision {
                Decision::Reply(len) => Some(&buffer[..len]),
                Decision::Drop => Some(&buffer[..0]),
                Decision::Miss => None,
            };
            if let Some(answer) = answer {
                reply.token = token;
                reply.set_client(client);
                reply.set_message(answer);
                self.stream_replies.publish();
                self.stats.places.tcp_replies.add(u64::from(!answer.is_empty()));
            }
            self.stream_queries.release();
        }
        if worked {
            self.stream_bell.ring();
            self.misses.ring();
        }
        worked
    }

    /// Takes finished questions into the cache and to every query that waits; many of them take several turns.
    fn deliver(&mut self, now: Now) -> bool {
        let mut worked = false;
        for _ in 0..LATE_PER_TURN {
            let Some(ticket) = self.misses.next_response(&mut self.answerer, now) else { break };
            worked = true;
            match self.misses.take_waiter(ticket) {
                Some(waiter) => self.reply_late(waiter, now),
                None => self.misses.end_response(),
            }
        }
        if worked {
            self.stream_bell.ring();
            for port in &mut self.xsks {
                port.submit();
            }
        }
        worked
    }

    fn reply_late(&mut self, waiter: super::pending::Waiter<Route>, now: Now) {
        let waited = now.nanoseconds.saturating_sub(waiter.since) / 1000;
        self.stats.outcomes.recursive_replies.add(1);
        self.stats.outcomes.recursion_time_us.add(waited);
        self.stats.recursion.add(waited);
        let via = match waiter.route {
            Route::Stream { .. } => Via::Stream,
            Route::Udp { .. } => Via::Datagram(self.udp_batch.size()),
            Route::Xsk { port, path } => {
                Via::Datagram(self.xsks.iter().find(|found| found.id == port).map_or(0, |port| port.room(&path)))
            }
        };
        let reply = match self.misses.answer_waiter(&mut self.answerer, &waiter, via, now) {
            Some(reply) => reply,
            // A new policy gives it no answer; a stream is told so, it counts its replies.
            None if matches!(waiter.route, Route::Stream { .. }) => &mut [],
            None => return,
        };
        let sent = match waiter.route {
            Route::Stream { token } => match self.stream_replies.reserve() {
                Some(slot) => {
                    slot.token = token;
                    slot.set_client(waiter.client);
                    slot.set_message(reply);
                    self.stream_replies.publish();
                    self.stats.places.tcp_replies.add(u64::from(!reply.is_empty()));
                    true
                }
                None => false,
            },
            Route::Udp { port, peer } => match self.udp.get(usize::from(port)) {
                Some(port) => {
                    self.stats.places.udp_replies.add(1);
                    port.send_one(&peer, reply)
                }
                None => false,
            },
            Route::Xsk { port, path } => match self.xsks.iter_mut().find(|found| found.id == port) {
                Some(port) => {
                    let sent = port.send_late(&path, reply);
                    self.stats.places.xdp_replies.add(u64::from(sent));
                    sent
                }
                None => false,
            },
        };
        self.stats.places.reply_no_room.add(u64::from(!sent));
    }

    /// Refreshes the gauges that others read.
    fn keep_house(&mut self) {
        assert!(!self.panics, "RUNBOUND_TEST_PANIC is set");
        let cache = self.answerer.cache();
        self.stats.outcomes.cache_entries.set(cache.entries());
        self.stats.outcomes.cache_octets.set(cache.octets());
        self.stats.outcomes.cache_evicted.set(cache.evicted());
        for port in &mut self.xsks {
            port.publish();
        }
    }

    /// Sleeps until anything stirs, a second at most.
    fn sleep(&mut self, stop: &AtomicBool) {
        self.bell.arm();
        let waiting = stop.load(Ordering::Acquire)
            || !self.misses.responses_empty()
            || !self.stream_queries.is_empty()
            || !self.commands.is_empty()
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
fn ports(queues: Queues) -> Vec<XskPort> {
    let mut ports = Vec::with_capacity(MAX_PORTS.max(queues.len()));
    ports.extend((0..).zip(queues).map(|(id, (queue, stats))| XskPort::new(queue, stats, id)));
    ports
}

fn open_port(port: &mut XskPort) {
    if let Err(cause) = port.open() {
        let (interface, queue) = port.name();
        log::warn!("{interface}: queue {queue}: XDP cannot redirect to its socket: {cause}; kernel sockets serve it");
    }
}

/// The query of a miss as the resolver wants it.
fn fill_request(request: &mut Request, ticket: u64, epoch: u32, miss: crate::answer::decide::Miss<'_>) {
    (request.ticket, request.epoch) = (ticket, epoch);
    request.qtype = miss.key.qtype;
    request.qclass = miss.key.qclass;
    request.dnssec_ok = miss.key.bits & crate::answer::cache::DNSSEC_OK != 0;
    request.checking_disabled = miss.key.bits & CHECKING_DISABLED != 0;
    request.set_name(miss.name);
}

/// A client's address; the unspecified one when the kernel gave none.
fn client_or_nobody(peer: Option<SocketAddr>) -> SocketAddr {
    peer.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
}
