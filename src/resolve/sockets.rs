//! UDP sockets towards the servers.
//!
//! Each socket is connected to one server, so the kernel drops what comes from anywhere else, and is bound to a port
//! that we draw at random. A socket serves [`QUERIES`] questions or lives [`AGE`], whichever ends first, then no new
//! question gets it and it is closed with its last answer. Up to [`POOL`] sockets per server take questions at a time;
//! each question draws one of them. Every server may have the same share of `outgoing-range:`, so that none can leave
//! another without a socket.
//!
//! What a forger must guess, for each question anew: 16 bits of ID and the port, one of 49,152 (15.6 bits) unless the
//! configuration narrows the range: 31.6 bits together, as with a port of its own for every question. The pool costs
//! this much: who has learned an open port by other means can use it for at most [`QUERIES`] questions or [`AGE`], and
//! still has the ID to guess. Equal questions of one epoch are asked once at a time: the worker joins them. Those that
//! differ in DO or CD are not equal, and each flush adds at most one more to guess at. A question that is not answered
//! is sent again, and some of its tries stay valid (`tries`), each with an ID and a port of its own: for as long as
//! its servers are silent a forger's chance is three times as large with one server, eight times with many.

use super::source::Sources;
use super::trouble::Failure;
use super::world::World;
use rustix::io::Errno;
use std::net::SocketAddr;
use std::time::Duration;

/// Sockets per server that take new questions.
pub const POOL: usize = 64;
/// Questions a socket serves.
pub const QUERIES: u32 = 256;
/// Time for which a socket takes questions.
pub const AGE: Duration = Duration::from_secs(5);
/// Ports tried for one socket.
const PORT_TRIES: usize = 16;
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
    /// UDP sockets at most (`outgoing-range:`), but one for every server.
    pub most: usize,
    /// SO_RCVBUF in octets; 0 leaves the system's default.
    pub receive_buffer: usize,
}

impl Default for SocketOptions {
    fn default() -> Self {
        // Below lie most ports that services of this host may want to bind later.
        let ports = (16384..=65535).collect();
        SocketOptions { ports, most: 4096, receive_buffer: 1 << 20 }
    }
}

struct UdpSocket {
    server: u32,
    opened: Duration,
    asked: u32,
    pending: u32,
    /// Place in its server's pool; `NONE` once it takes no more questions.
    pool_place: u16,
}

/// The sockets of one server.
struct Pool {
    /// Those that take questions.
    places: [u16; POOL],
    /// All, the retired ones that wait for answers included.
    open: usize,
}

/// All sockets, by slot.
pub struct Sockets {
    options: SocketOptions,
    sources: Sources,
    /// Why the last socket could not be opened, when another was given in its place.
    shortage: Option<Failure>,
    slots: Vec<Option<UdpSocket>>,
    free: Vec<u16>,
    pools: Vec<Pool>,
    /// Most sockets of one server.
    share: usize,
    /// Places of a pool in use: so many that the retired ones fit into the share too.
    width: usize,
    swept: Duration,
}

impl Sockets {
    /// No sockets yet.
    pub fn new(options: SocketOptions) -> Sockets {
        let (slots, free, pools) = Default::default();
        let mut sockets = Sockets {
            options,
            sources: Sources::Any,
            shortage: None,
            slots,
            free,
            pools,
            share: 1,
            width: 1,
            swept: Duration::ZERO,
        };
        sockets.share_out(1);
        sockets
    }

    /// Divides the sockets among this many servers.
    pub fn share_out(&mut self, servers: usize) {
        let most = self.options.most.min(self.options.ports.len()).min(usize::from(NONE));
        self.share = (most / servers.max(1)).max(1);
        self.width = (self.share / 2).clamp(1, POOL);
    }

    /// Has further sockets bound to these addresses; those bound to others take no more questions.
    pub fn set_sources(&mut self, sources: &Sources, world: &mut impl World) {
        if self.sources != *sources {
            self.sources = sources.clone();
            (0..self.pools.len() as u32).for_each(|server| self.retire_all(server, world));
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
    /// What socket(2), bind(2) or connect(2) report: no descriptor left, no route to the server.
    pub fn pick(
        &mut self,
        server: u32,
        address: SocketAddr,
        now: Duration,
        world: &mut impl World,
    ) -> Result<u16, Failure> {
        self.shortage = None;
        while self.pools.len() <= server as usize {
            self.pools.push(Pool { places: [NONE; POOL], open: 0 });
        }
        let place = world.below(self.width as u32)? as usize;
        let mut slot = self.pools[server as usize].places[place];
        if !self.is_fresh(slot, now) {
            if self.is_idle(slot) {
                self.retire(slot, world);
            }
            match self.open(server, address, now, world) {
                Ok(fresh) => {
                    self.retire(self.pools[server as usize].places[place], world);
                    self.pools[server as usize].places[place] = fresh;
                    if let Some(socket) = &mut self.slots[usize::from(fresh)] {
                        socket.pool_place = place as u16;
                    }
                    slot = fresh;
                }
                // None may be opened: any socket of this server is better than none.
                Err(failure) => {
                    slot = self.any(server, place).ok_or(failure)?;
                    self.shortage = Some(failure).filter(|failure| *failure != SHARE_IS_USED_UP);
                }
            }
        }
        if let Some(socket) = &mut self.slots[usize::from(slot)] {
            socket.asked += 1;
            socket.pending += 1;
        }
        Ok(slot)
    }

    fn is_fresh(&self, slot: u16, now: Duration) -> bool {
        let socket = self.slots.get(usize::from(slot)).and_then(Option::as_ref);
        socket.is_some_and(|socket| socket.asked < QUERIES && now.saturating_sub(socket.opened) < AGE)
    }

    fn is_idle(&self, slot: u16) -> bool {
        let socket = self.slots.get(usize::from(slot)).and_then(Option::as_ref);
        socket.is_some_and(|socket| socket.pending == 0)
    }

    fn any(&self, server: u32, place: usize) -> Option<u16> {
        let places = &self.pools[server as usize].places;
        places[place..].iter().chain(&places[..place]).copied().find(|&slot| slot != NONE)
    }

    fn open(
        &mut self,
        server: u32,
        address: SocketAddr,
        now: Duration,
        world: &mut impl World,
    ) -> Result<u16, Failure> {
        if self.pools[server as usize].open >= self.share {
            return Err(SHARE_IS_USED_UP);
        }
        if self.free.is_empty() {
            if self.slots.len() == usize::from(NONE) {
                return Err(SHARE_IS_USED_UP);
            }
            self.slots.push(None);
            self.free.push(self.slots.len() as u16 - 1);
        }
        let slot = *self.free.last().ok_or(SHARE_IS_USED_UP)?;
        self.open_at_a_port(slot, address, world)?;
        self.free.pop();
        self.pools[server as usize].open += 1;
        self.slots[usize::from(slot)] = Some(UdpSocket { server, opened: now, asked: 0, pending: 0, pool_place: NONE });
        Ok(slot)
    }

    /// Opens a socket on a random port; a port in use by another program is drawn again.
    fn open_at_a_port(&self, slot: u16, server: SocketAddr, world: &mut impl World) -> Result<(), Failure> {
        let mut source = self.source(&server, world)?;
        for _ in 0..PORT_TRIES {
            let nth = world.below(self.options.ports.len() as u32)?;
            let port = self.options.ports.get(nth as usize);
            source.set_port(*port.ok_or(Failure { call: "bind", errno: Errno::ADDRNOTAVAIL })?);
            match world.open_udp(slot, source, server) {
                Err(Failure { call: "bind", errno: Errno::ADDRINUSE | Errno::ACCESS }) => continue,
                other => return other,
            }
        }
        Err(Failure { call: "bind", errno: Errno::ADDRINUSE })
    }

    /// Closes the sockets that have grown old and wait for nothing. Cheap to call at every turn.
    pub fn sweep(&mut self, now: Duration, world: &mut impl World) {
        if now < self.swept + SWEEP {
            return;
        }
        self.swept = now;
        for slot in 0..self.slots.len() as u16 {
            let old = self.slots[usize::from(slot)].as_ref().is_some_and(|socket| now >= socket.opened + AGE);
            if old && self.is_idle(slot) {
                self.retire(slot, world);
            }
        }
    }

    /// Takes a socket out of its pool; it closes with its last question.
    fn retire(&mut self, slot: u16, world: &mut impl World) {
        let Some(Some(socket)) = self.slots.get_mut(usize::from(slot)) else { return };
        if socket.pool_place != NONE {
            self.pools[socket.server as usize].places[usize::from(socket.pool_place)] = NONE;
            socket.pool_place = NONE;
        }
        self.close_if_done(slot, world);
    }

    /// A question of this socket is over.
    pub fn done(&mut self, slot: u16, world: &mut impl World) {
        if let Some(Some(socket)) = self.slots.get_mut(usize::from(slot)) {
            socket.pending -= 1;
        }
        self.close_if_done(slot, world);
    }

    fn close_if_done(&mut self, slot: u16, world: &mut impl World) {
        let place = &mut self.slots[usize::from(slot)];
        if let Some(closed) = place.take_if(|socket| socket.pending == 0 && socket.pool_place == NONE) {
            world.close_udp(slot);
            self.pools[closed.server as usize].open -= 1;
            self.free.push(slot);
        }
    }

    /// Retires every socket of `server`.
    pub fn retire_all(&mut self, server: u32, world: &mut impl World) {
        for slot in self.pools.get(server as usize).map_or([NONE; POOL], |pool| pool.places) {
            self.retire(slot, world);
        }
    }

    /// The server that an open socket is connected to.
    pub fn server(&self, slot: u16) -> Option<u32> {
        Some(self.slots.get(usize::from(slot))?.as_ref()?.server)
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

#[cfg(test)]
#[path = "sockets_tests.rs"]
mod tests;
