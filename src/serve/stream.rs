//! The stream thread: DNS over TCP (RFC 7766). Framing only, the worker decides.
//!
//! Queries go to the worker over a ring as they complete, several of a connection at a time; replies come back over
//! another, in any order. Exactly one reply comes back per query, an empty one for "no answer". As many queries are with
//! the worker as the reply ring has slots, so the worker always finds a free one.
//!
//! Where it waits: for a client that does not read, its replies wait here and nothing more is read from it; for a worker
//! that is busy, the queries wait in the connections, and in the end in the kernel's buffers. Nothing is lost.

use super::stream_connection::{Connection, End};
use super::stream_limits::{ConnectionLimits, Counted};
use super::stream_message::StreamMessage;
use crate::answer::keepalive::IdleTime;
use crate::ring::doorbell::Doorbell;
use crate::ring::spsc::{Consumer, Producer};
use crate::stats::Streams;
use crate::sys::clock::monotonic_ns;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Milliseconds between looks at a full ring to the worker.
const BUSY_WAIT: u64 = 10;
/// Milliseconds without accepting after the system ran out of descriptors or memory, as Unbound waits.
const ACCEPT_PAUSE: u64 = 2000;
/// Shortest idle time-out in milliseconds when the table fills, as Unbound's.
const SHORTEST_TIMEOUT: u64 = 200;

/// Limits of the stream thread.
#[derive(Clone, Copy, Debug)]
pub struct StreamOptions {
    /// `incoming-num-tcp`: connections at a time over all listeners. Further ones wait in the kernel's backlog.
    pub max_connections: usize,
    /// `tcp-idle-timeout`, or `edns-tcp-keepalive-timeout`, in milliseconds; shorter for connections accepted when the table is more than half full.
    pub idle_timeout: u64,
    /// `edns-tcp-keepalive`: clients that ask are told for how long they may be idle.
    pub tells_idle_time: bool,
    /// `stream-wait-size` in octets: replies waiting for slow readers, over all connections.
    pub wait_size: usize,
}

impl Default for StreamOptions {
    fn default() -> Self {
        StreamOptions { max_connections: 256, idle_timeout: 30_000, tells_idle_time: false, wait_size: 4 << 20 }
    }
}

/// A place for a connection. The generation tells a reply for this one from a reply for the one before.
#[derive(Default)]
struct Slot {
    generation: u32,
    connection: Option<Connection>,
    counted: Counted,
}

/// Who a descriptor that is ready belongs to.
#[derive(Clone, Copy)]
enum Ready {
    Listener(usize),
    Connection(usize, PollFlags),
}

/// Listeners, connections and the way to the worker and back.
pub struct StreamServer {
    options: StreamOptions,
    limits: ConnectionLimits,
    listeners: Vec<OwnedFd>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    to_worker: Producer<StreamMessage>,
    from_worker: Consumer<StreamMessage>,
    bell: Doorbell,
    worker_bell: Doorbell,
    stats: Arc<Streams>,
    tells_destinations: Arc<AtomicBool>,
    ready: Vec<Ready>,
    /// Queries with the worker, those of closed connections included.
    in_flight: usize,
    /// A query waits for room in the ring to the worker.
    worker_busy: bool,
    /// The slot that hands its queries on first: another one each time.
    first: usize,
    accept_again: u64,
}

impl StreamServer {
    /// A server for `listeners`, which must not block. `bell` is rung by the worker after it put replies into its ring,
    /// `worker_bell` here after queries were put into the other.
    pub fn new(
        options: StreamOptions,
        listeners: Vec<OwnedFd>,
        to_worker: Producer<StreamMessage>,
        from_worker: Consumer<StreamMessage>,
        bell: Doorbell,
        worker_bell: Doorbell,
    ) -> Self {
        let max = options.max_connections;
        StreamServer {
            options,
            limits: ConnectionLimits::new([]),
            listeners,
            slots: std::iter::repeat_with(Slot::default).take(max).collect(),
            free: (0..max).rev().collect(),
            to_worker,
            from_worker,
            bell,
            worker_bell,
            stats: Arc::default(),
            tells_destinations: Arc::default(),
            ready: Vec::new(),
            in_flight: 0,
            worker_busy: false,
            first: 0,
            accept_again: 0,
        }
    }

    /// The same with limits for netblocks.
    pub fn with_limits(mut self, limits: ConnectionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The thread's counters.
    pub fn stats(&self) -> Arc<Streams> {
        Arc::clone(&self.stats)
    }

    /// Whether queries come with the address that was asked (log-destaddr); not until it is set.
    pub fn tells_destinations(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.tells_destinations)
    }

    /// Serves until `stop` is set and the bell rung; then every connection is closed. An error is one of `poll(2)`.
    pub fn run(self, stop: &AtomicBool) -> io::Result<()> {
        self.run_by_clock(stop, || monotonic_ns() / 1_000_000)
    }

    /// As [`Self::run`] by a clock of milliseconds. A clock that jumps is looked at when something happens or the bell
    /// rings.
    fn run_by_clock(mut self, stop: &AtomicBool, clock: impl Fn() -> u64) -> io::Result<()> {
        loop {
            self.bell.arm();
            let stopping = stop.load(Ordering::Acquire);
            if !stopping {
                self.wait(clock())?;
            }
            self.bell.disarm();
            if stopping {
                return Ok(());
            }
            let now = clock();
            self.deliver(now);
            self.serve_ready(now);
            self.ask();
            self.expire(now);
            self.stats.open.set((self.slots.len() - self.free.len()) as u64);
        }
    }

    /// Sleeps until a descriptor is ready, a deadline is near or the bell rings; leaves what is ready in `ready`.
    fn wait(&mut self, now: u64) -> io::Result<()> {
        self.ready.clear();
        let timeout = self.sleep_time(now).map(|milliseconds| Timespec {
            tv_sec: (milliseconds / 1000) as i64,
            tv_nsec: (milliseconds % 1000 * 1_000_000) as _,
        });
        let mut descriptors = vec![PollFd::from_borrowed_fd(self.bell.fd(), PollFlags::IN)];
        let mut owners = Vec::new();
        if !self.free.is_empty() && now >= self.accept_again {
            for (i, listener) in self.listeners.iter().enumerate() {
                descriptors.push(PollFd::new(listener, PollFlags::IN));
                owners.push(Ready::Listener(i));
            }
        }
        for (i, slot) in self.slots.iter().enumerate() {
            let Some(connection) = &slot.connection else { continue };
            let mut interest = PollFlags::empty();
            interest.set(PollFlags::IN, connection.wants_read());
            interest.set(PollFlags::OUT, connection.wants_write());
            descriptors.push(PollFd::new(&connection.socket, interest));
            owners.push(Ready::Connection(i, PollFlags::empty()));
        }
        match poll(&mut descriptors, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(()),
            Err(cause) => return Err(cause.into()),
        }
        let events = descriptors[1..].iter().map(PollFd::revents);
        self.ready.extend(events.zip(owners).filter(|(events, _)| !events.is_empty()).map(
            |(events, owner)| match owner {
                Ready::Connection(i, _) => Ready::Connection(i, events),
                listener => listener,
            },
        ));
        Ok(())
    }

    /// Milliseconds to the next thing to do without being told; `None` for ever.
    fn sleep_time(&mut self, now: u64) -> Option<u64> {
        if !self.from_worker.is_empty() {
            return Some(0);
        }
        let deadlines = self.slots.iter().filter_map(|slot| slot.connection.as_ref()?.deadline());
        let accept = (now < self.accept_again).then_some(self.accept_again);
        let busy = self.worker_busy.then_some(now + BUSY_WAIT);
        deadlines.chain(accept).chain(busy).min().map(|next| next.saturating_sub(now))
    }

    /// Replies of the worker to their connections.
    fn deliver(&mut self, now: u64) {
        while let Some(message) = self.from_worker.front() {
            self.in_flight = self.in_flight.saturating_sub(1);
            let (i, generation) = (message.token as u32 as usize, (message.token >> 32) as u32);
            let slot = self.slots.get_mut(i).filter(|slot| slot.generation == generation);
            let done = match slot.and_then(|slot| slot.connection.as_mut()) {
                Some(connection) => connection.reply(message.message(), now),
                None => {
                    self.stats.late_replies.add(1);
                    Ok(())
                }
            };
            self.from_worker.release();
            match done {
                Err(end) => self.close(i, end),
                Ok(()) => self.bound_waiting(i),
            }
        }
    }

    /// Closes connection `i` when the replies waiting for slow readers are too many, and it has some of them.
    fn bound_waiting(&mut self, i: usize) {
        let waiting = |slot: &Slot| slot.connection.as_ref().map_or(0, Connection::waiting);
        // Only a reply that had to wait can go beyond the limit: the sum is not needed for the others.
        if self.slots.get(i).is_some_and(|slot| waiting(slot) > 0)
            && self.slots.iter().map(waiting).sum::<usize>() > self.options.wait_size
        {
            self.close(i, End::WaitOverflow);
        }
    }

    /// Accepts, reads and writes where `poll(2)` said so.
    fn serve_ready(&mut self, now: u64) {
        for at in 0..self.ready.len() {
            let (i, events) = match self.ready[at] {
                Ready::Listener(i) => {
                    self.accept(i, now);
                    continue;
                }
                Ready::Connection(i, events) => (i, events),
            };
            let Some(connection) = self.slots[i].connection.as_mut() else { continue };
            let mut done = Ok(());
            // A hang-up is both directions: a client that only closed its own side is readable instead.
            if events.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) {
                done = Err(End::Client);
            }
            if done.is_ok() && events.contains(PollFlags::OUT) {
                done = connection.write(now);
            }
            if done.is_ok() && events.contains(PollFlags::IN) {
                done = connection.read(now);
            }
            if let Err(end) = done {
                self.close(i, end);
            }
        }
    }

    /// Takes what waits at listener `i` while there are places.
    fn accept(&mut self, i: usize, now: u64) {
        while let Some(&place) = self.free.last() {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let (socket, client) = match acceptfrom_with(self.listeners[i].as_fd(), flags) {
                Ok((socket, client)) => (socket, client.and_then(|client| SocketAddr::try_from(client).ok())),
                Err(cause @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                    log::warn!(
                        "TCP: accept: {cause}; no new connections for {ACCEPT_PAUSE} ms; raise the limit of open \
                         files or lower incoming-num-tcp"
                    );
                    self.accept_again = now + ACCEPT_PAUSE;
                    return;
                }
                // Nothing there, or that connection is gone already.
                Err(_) => return,
            };
            let Some(client) = client else { continue };
            let Some(counted) = self.limits.admit(client.ip()) else {
                self.stats.refused.add(1);
                continue;
            };
            self.free.pop();
            self.stats.accepted.add(1);
            if self.free.is_empty() {
                self.stats.table_full.add(1);
            }
            let max = self.slots.len();
            let timeout = idle_timeout(self.options.idle_timeout, max - self.free.len(), max);
            let slot = &mut self.slots[place];
            slot.generation = slot.generation.wrapping_add(1);
            slot.counted = counted;
            let idle = if self.options.tells_idle_time { IdleTime::told(timeout) } else { IdleTime::default() };
            let timeout = timeout.max(SHORTEST_TIMEOUT);
            slot.connection = Some(Connection::new(socket, client, now, (timeout, idle)));
        }
    }

    /// Hands complete queries to the worker while it has room, and closes the connections that are done.
    fn ask(&mut self) {
        let was_busy = std::mem::take(&mut self.worker_busy);
        let before = self.in_flight;
        let count = self.slots.len();
        let first = self.first;
        for i in (0..count).map(|turn| (first + turn) % count) {
            let asked_before = self.in_flight;
            if let Err(end) = self.ask_for(i) {
                self.close(i, end);
            }
            if self.worker_busy {
                // Whoever had no turn is first when there is room again.
                self.first = if self.in_flight > asked_before { i + 1 } else { i };
                break;
            }
        }
        if self.in_flight > before {
            self.worker_bell.ring();
        }
        if self.worker_busy && !was_busy {
            self.stats.worker_busy.add(1);
        }
    }

    /// Hands on the complete queries of one connection. The end it gives back is the connection's.
    fn ask_for(&mut self, i: usize) -> Result<(), End> {
        let slot = &mut self.slots[i];
        let Some(connection) = slot.connection.as_mut() else { return Ok(()) };
        let local = if self.tells_destinations.load(Ordering::Relaxed) { connection.local() } else { None };
        while let Some(query) = connection.query()? {
            let room = self.in_flight < self.from_worker.capacity();
            let Some(message) = self.to_worker.reserve().filter(|_| room) else {
                self.worker_busy = true;
                return Ok(());
            };
            message.token = u64::from(slot.generation) << 32 | i as u64;
            message.set_client(connection.client);
            message.set_local(local);
            message.set_message(query);
            message.set_keepalive(connection.keepalive());
            self.to_worker.publish();
            self.in_flight += 1;
            connection.asked();
        }
        if connection.is_finished() { Err(End::Client) } else { Ok(()) }
    }

    /// Closes the connections whose deadline is over.
    fn expire(&mut self, now: u64) {
        for i in 0..self.slots.len() {
            let deadline = self.slots[i].connection.as_ref().and_then(Connection::deadline);
            if deadline.is_some_and(|deadline| now >= deadline) {
                self.close(i, End::TimedOut);
            }
        }
    }

    /// Counts first: who sees the connection closed finds it counted.
    fn close(&mut self, i: usize, end: End) {
        let Some(slot) = self.slots.get_mut(i) else { return };
        let Some(connection) = slot.connection.take() else { return };
        self.limits.leave(slot.counted.take());
        match end {
            End::Client => {}
            End::Malformed => self.stats.malformed.add(1),
            End::TimedOut => self.stats.timed_out.add(1),
            End::Dropped => self.stats.dropped.add(1),
            End::WaitOverflow => self.stats.wait_overflow.add(1),
        }
        drop(connection);
        self.free.push(i);
    }
}

/// The idle time-out of a connection accepted as the `open`th of `max`, before what it is at least: Unbound's steps at 50, 65
/// and 80 % in use.
fn idle_timeout(configured: u64, open: usize, max: usize) -> u64 {
    match open * 100 / max.max(1) {
        0..=50 => configured,
        51..=65 => configured / 100,
        66..=80 => configured / 500,
        _ => 0,
    }
}

#[cfg(test)]
#[path = "stream_tests/mod.rs"]
mod tests;
