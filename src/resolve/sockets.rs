//! UDP sockets towards the servers.
//!
//! Each socket belongs to one server, so that what comes from anywhere else is dropped, and is bound to a port that we
//! draw at random. A server has [`WIDTH`] places, whose turns come one after the other; where no socket is yet, one is
//! opened on a port drawn for it. Most sockets take a second question before they rest (`hand`). So a server that is asked
//! rarely is asked from a fresh port each time, one that is asked thousands of times a second from thousands of ports, and
//! no question pays for a socket of its own. A socket serves [`QUERIES`] questions or lives [`AGE`], whichever ends first,
//! then no new question gets it and it is closed with its last answer.
//!
//! All servers together have `outgoing-range:` sockets. Those that wait for nothing are given up for others, so only the
//! busy ones count against a server: it may have as many of these as there are places left for the others, so one silent
//! server takes half at most, and shares those it has among its questions. When all are busy, a server that has none gets
//! the place of one that waits in vain for longest, and what was sent through that counts as lost.
//!
//! What a forger must guess, for each question anew: 16 bits of ID and the port, one of 49,152 (15.6 bits) unless the
//! configuration narrows the range: 31.6 bits together, as with a port of its own for every question. Who has learned an
//! open port by other means can use it for at most [`QUERIES`] questions or [`AGE`], and still has the ID to guess. Equal
//! questions of one epoch are asked once at a time: the worker joins them. Those that differ in DO or CD are not equal,
//! and each flush adds at most one more to guess at. A question that is not answered is sent again, and some of its tries
//! stay valid (`tries`), each with an ID and a port of its own: for as long as its servers are silent a forger's chance is
//! three times as large with one server, eight times with many.

mod hand;
mod idle;
mod opening;
mod room;
#[cfg(test)]
mod tests;

use super::source::Sources;
use super::trouble::Failure;
use super::world::World;
use hand::Hand;
use idle::Idle;
use rustix::io::Errno;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Places of a server.
pub const WIDTH: usize = 1024;
/// Questions a socket serves.
pub const QUERIES: u32 = 256;
/// Time for which a socket takes questions.
pub const AGE: Duration = Duration::from_secs(5);
/// Fewer sockets than this would leave servers without any.
const FEWEST: usize = 16;
/// Time between two looks for sockets that have grown old without a question.
const SWEEP: Duration = Duration::from_secs(1);
const NONE: u16 = u16::MAX;
/// Every socket that a server may have waits for answers.
const SHARE_IS_USED_UP: Failure = Failure { call: "share of outgoing-range", errno: Errno::AGAIN };

/// How sockets are opened.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// Ports to draw from (`outgoing-port-permit:`, `outgoing-port-avoid:`), each once.
    pub ports: Vec<u16>,
    /// UDP sockets at most (`outgoing-range:`); fewer than 16 are taken for 16.
    pub most: usize,
    /// Sockets are connected to their server (`udp-connect:`), so that the kernel tells what ICMP errors came back.
    pub connected: bool,
    /// How long a socket stays open for what was not answered in time (`delay-close:`).
    pub delay_close: Duration,
    /// The class of what is sent (`ip-dscp:`).
    pub dscp: u8,
    /// The longest segment of TCP in octets (`outgoing-tcp-mss:`), 0 for the kernel's.
    pub mss: u32,
}

impl Default for SocketOptions {
    fn default() -> Self {
        // Below lie most ports that services of this host may want to bind later.
        let ports = (16384..=65535).collect();
        SocketOptions { ports, most: 4096, connected: true, delay_close: Duration::ZERO, dscp: 0, mss: 0 }
    }
}

struct UdpSocket {
    server: u32,
    /// Tells it from those that had its slot before.
    serial: u32,
    asked: u32,
    pending: u32,
    /// Place in its server's pool; `NONE` once it takes no more questions.
    place: u16,
    opened: Duration,
    /// When it was asked through last.
    used: Duration,
    /// Until when it waits for a late reply.
    open_until: Duration,
    /// The address it sends from, once somebody has asked.
    local: Option<IpAddr>,
}

/// The sockets of one server.
#[derive(Default)]
struct Pool {
    /// Where they lead; a server that has the place of another is at another address.
    address: Option<SocketAddr>,
    /// Those that take questions.
    places: Vec<u16>,
    /// The place whose turn comes next.
    next: usize,
    /// Those that take a second question.
    hand: Hand,
    /// All, the retired ones that wait for answers included.
    open: usize,
    /// Those that wait for answers.
    busy: usize,
}

/// All sockets, by slot.
pub struct Sockets {
    options: SocketOptions,
    sources: Sources,
    /// Why the last socket could not be opened, when another was given in its place.
    shortage: Option<Failure>,
    slots: Vec<Option<UdpSocket>>,
    free: Vec<u16>,
    idle: Idle,
    pools: Vec<Pool>,
    /// Sockets at most, and those of them that wait for answers.
    most: usize,
    busy: usize,
    /// Places of a pool in use: so many that the retired ones fit in too.
    width: usize,
    /// Of the socket opened last.
    serial: u32,
    /// Where the search for one that waits in vain goes on.
    hand: usize,
    swept: Duration,
}

impl Sockets {
    /// No sockets yet.
    pub fn new(options: SocketOptions) -> Sockets {
        let (slots, free, pools) = Default::default();
        let most = options.most.max(FEWEST).min(options.ports.len()).min(usize::from(NONE)).max(1);
        Sockets {
            options,
            sources: Sources::Any,
            shortage: None,
            slots,
            free,
            idle: Idle::default(),
            pools,
            most,
            busy: 0,
            width: (most / 2).clamp(1, WIDTH),
            serial: 0,
            hand: 0,
            swept: Duration::ZERO,
        }
    }

    /// Has further sockets bound to these addresses; those bound to others take no more questions.
    pub fn set_sources(&mut self, sources: &Sources, now: Duration, world: &mut impl World) {
        if self.sources != *sources {
            self.sources = sources.clone();
            (0..self.pools.len() as u32).for_each(|server| self.retire_all(server, now, world));
        }
    }

    /// The address to ask `server` from.
    ///
    /// # Errors
    /// Those of [`Sources::draw`].
    pub fn source(&self, server: &SocketAddr, world: &mut impl World) -> Result<SocketAddr, Failure> {
        self.sources.draw(server, world)
    }

    /// Why the socket last picked is not one of its own, where the system refused that; the share being used up is none.
    pub fn take_shortage(&mut self) -> Option<Failure> {
        self.shortage.take()
    }

    /// Draws a socket for one more question to `server`, opening one if need be, and counts the question.
    ///
    /// # Errors
    /// What socket(2), bind(2) or connect(2) report: no descriptor left, no route to the server. Nothing is left for the
    /// server when all sockets wait for answers.
    pub fn pick(
        &mut self,
        server: u32,
        address: SocketAddr,
        now: Duration,
        world: &mut impl World,
    ) -> Result<u16, Failure> {
        self.shortage = None;
        self.make_pool(server, address, now, world);
        let drawn = world.draw()?;
        let slot = match self.second(server, drawn, now) {
            Some(slot) => slot,
            None => self.first(server, (address, drawn), now, world)?,
        };
        if let Some(Some(socket)) = self.slots.get_mut(usize::from(slot)) {
            if socket.pending == 0 {
                self.idle.remove(slot);
                self.busy += 1;
                self.pools[server as usize].busy += 1;
            }
            socket.asked += 1;
            socket.pending += 1;
            socket.used = now;
        }
        Ok(slot)
    }

    /// A socket that waits for its second question.
    fn second(&mut self, server: u32, drawn: u16, now: Duration) -> Option<u16> {
        let (slot, serial) = self.pools[server as usize].hand.take(drawn)?;
        let is_usable = |socket: &UdpSocket| socket.serial == serial && socket.place != NONE;
        (self.get(slot).is_some_and(is_usable) && self.is_fresh(slot, now)).then_some(slot)
    }

    /// The socket whose turn it is.
    fn first(
        &mut self,
        server: u32,
        (address, drawn): (SocketAddr, u16),
        now: Duration,
        world: &mut impl World,
    ) -> Result<u16, Failure> {
        let pool = &mut self.pools[server as usize];
        let place = pool.next % self.width;
        pool.next = place + 1;
        let slot = match pool.places.get(place).copied().filter(|&slot| self.is_fresh(slot, now)) {
            Some(slot) => slot,
            None => self.open_or_share(server, (address, place), now, world)?,
        };
        if let Some(serial) = self.serial(slot) {
            self.pools[server as usize].hand.keep(drawn, (slot, serial));
        }
        Ok(slot)
    }

    fn make_pool(&mut self, server: u32, address: SocketAddr, now: Duration, world: &mut impl World) {
        if self.pools.len() <= server as usize {
            self.pools.resize_with(server as usize + 1, Pool::default);
        }
        if self.pools[server as usize].address != Some(address) {
            self.retire_all(server, now, world);
            self.pools[server as usize].address = Some(address);
        }
    }

    /// A new socket in place of the one that was drawn, if any; where none may be opened, any of this server is better than
    /// none.
    fn open_or_share(
        &mut self,
        server: u32,
        (address, place): (SocketAddr, usize),
        now: Duration,
        world: &mut impl World,
    ) -> Result<u16, Failure> {
        let drawn = self.pools[server as usize].places.get(place).copied();
        let (idle, busy) = (drawn.filter(|&old| self.is_idle(old)), drawn.filter(|&old| !self.is_idle(old)));
        idle.into_iter().for_each(|old| self.retire(old, now, world));
        match self.open(server, address, now, world) {
            Ok(fresh) => {
                busy.into_iter().for_each(|old| self.retire(old, now, world));
                let places = &mut self.pools[server as usize].places;
                places.push(fresh);
                if let Some(socket) = &mut self.slots[usize::from(fresh)] {
                    socket.place = places.len() as u16 - 1;
                }
                Ok(fresh)
            }
            Err(failure) => {
                let places = &self.pools[server as usize].places;
                let nth = place.checked_rem(places.len());
                let shared = nth.and_then(|nth| places.get(nth)).copied().ok_or(failure)?;
                self.shortage = Some(failure).filter(|failure| *failure != SHARE_IS_USED_UP);
                Ok(shared)
            }
        }
    }

    fn get(&self, slot: u16) -> Option<&UdpSocket> {
        self.slots.get(usize::from(slot))?.as_ref()
    }

    fn is_fresh(&self, slot: u16, now: Duration) -> bool {
        let is_young = |socket: &UdpSocket| now.saturating_sub(socket.opened) < AGE;
        self.get(slot).is_some_and(|socket| socket.asked < QUERIES && is_young(socket))
    }

    fn is_idle(&self, slot: u16) -> bool {
        self.get(slot).is_some_and(|socket| socket.pending == 0)
    }

    /// Closes the sockets that have grown old and wait for nothing. Cheap to call at every turn.
    pub fn sweep(&mut self, now: Duration, world: &mut impl World) {
        if now < self.swept + SWEEP {
            return;
        }
        self.swept = now;
        for slot in 0..self.slots.len() as u16 {
            let old = self.get(slot).is_some_and(|socket| socket.pending == 0 && now >= socket.opened + AGE);
            if old {
                self.retire(slot, now, world);
            }
        }
    }

    /// Takes a socket out of its pool; it closes with its last question.
    fn retire(&mut self, slot: u16, now: Duration, world: &mut impl World) {
        self.leave_pool(slot);
        self.close_if_done(slot, now, world);
    }

    fn leave_pool(&mut self, slot: u16) {
        let Some(Some(socket)) = self.slots.get_mut(usize::from(slot)) else { return };
        let place = std::mem::replace(&mut socket.place, NONE);
        if place == NONE {
            return;
        }
        let pool = &mut self.pools[socket.server as usize];
        let places = &mut pool.places;
        places.swap_remove(usize::from(place));
        if let Some(&moved) = places.get(usize::from(place)) {
            if let Some(Some(moved)) = self.slots.get_mut(usize::from(moved)) {
                moved.place = place;
            }
        } else if places.is_empty() {
            *places = Vec::new();
            pool.hand.clear();
        }
    }

    /// A question of the socket with this slot and serial number is over. `answered`: nothing is to come for it any more.
    pub fn done(&mut self, (slot, serial): (u16, u32), answered: bool, now: Duration, world: &mut impl World) {
        let socket = self.slots.get_mut(usize::from(slot)).and_then(Option::as_mut);
        let Some(socket) = socket.filter(|socket| socket.serial == serial) else { return };
        socket.pending -= 1;
        if !answered && !self.options.delay_close.is_zero() {
            socket.open_until = now + self.options.delay_close;
        }
        if socket.pending == 0 {
            self.idle.insert(slot);
            self.busy -= 1;
            self.pools[socket.server as usize].busy -= 1;
            self.close_if_done(slot, now, world);
        }
    }

    fn close_if_done(&mut self, slot: u16, now: Duration, world: &mut impl World) {
        let is_done = |socket: &UdpSocket| socket.pending == 0 && socket.place == NONE && now >= socket.open_until;
        if self.get(slot).is_some_and(is_done) {
            self.close(slot, world);
        }
    }

    /// Closes a socket that counts as one that waits for nothing, and is in no pool.
    fn close(&mut self, slot: u16, world: &mut impl World) {
        let Some(closed) = self.slots.get_mut(usize::from(slot)).and_then(Option::take) else { return };
        world.close_udp(slot);
        self.pools[closed.server as usize].open -= 1;
        self.idle.remove(slot);
        self.free.push(slot);
    }

    /// Retires every socket of `server`.
    pub fn retire_all(&mut self, server: u32, now: Duration, world: &mut impl World) {
        while let Some(&slot) = self.pools.get(server as usize).and_then(|pool| pool.places.last()) {
            self.retire(slot, now, world);
        }
    }

    /// The server that an open socket leads to.
    pub fn server(&self, slot: u16) -> Option<u32> {
        Some(self.get(slot)?.server)
    }

    /// The address that a socket sends from; unspecified when that cannot be known.
    pub fn local(&mut self, slot: u16, world: &mut impl World) -> IpAddr {
        let socket = self.slots.get_mut(usize::from(slot)).and_then(Option::as_mut);
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        socket
            .map_or(unspecified, |socket| *socket.local.get_or_insert_with(|| world.local(slot).unwrap_or(unspecified)))
    }

    /// Tells the socket in a slot from those that had it before.
    pub fn serial(&self, slot: u16) -> Option<u32> {
        Some(self.get(slot)?.serial)
    }

    /// Questions that wait for answers through a socket.
    pub fn pending(&self, slot: u16) -> u32 {
        self.get(slot).map_or(0, |socket| socket.pending)
    }

    /// True when no socket of `server` is open.
    pub fn has_none_of(&self, server: u32) -> bool {
        self.pools.get(server as usize).is_none_or(|pool| pool.open == 0)
    }

    /// Slots of the open sockets of `server`.
    pub fn of(&self, server: u32) -> impl Iterator<Item = u16> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(move |(slot, socket)| (socket.as_ref()?.server == server).then_some(slot as u16))
    }
}
