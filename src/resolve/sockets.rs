//! UDP sockets towards the servers.
//!
//! Each socket is connected to one server, so the kernel drops what comes from anywhere else, and is bound to a port
//! that we draw at random. A socket serves [`QUERIES`] questions or lives [`AGE`], whichever ends first, then no new
//! question gets it and it is closed with its last answer. Up to [`POOL`] sockets per server take questions at a time;
//! each question draws one of them.
//!
//! What a forger must guess, for each question anew: 16 bits of ID and the port, one of 49,152 (15.6 bits) unless the
//! configuration narrows the range: 31.6 bits together, as with a port of its own for every question. The pool costs
//! this much: who has learned an open port by other means can use it for at most [`QUERIES`] questions or [`AGE`], and
//! still has the ID to guess. Equal questions are never asked twice at the same time, so there is no birthday to win.

use super::random::Random;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Sockets per server that take new questions.
pub const POOL: usize = 64;
/// Questions a socket serves.
pub const QUERIES: u32 = 256;
/// Time for which a socket takes questions.
pub const AGE: Duration = Duration::from_secs(5);
/// Ports tried for one socket before the kernel chooses.
const PORT_TRIES: usize = 16;
/// Most sockets altogether; then the full ones are used on.
const MOST: usize = 4096;
const NONE: u16 = u16::MAX;

/// Options that every socket gets.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// Ports to draw from.
    pub ports: RangeInclusive<u16>,
    /// SO_RCVBUF in octets; 0 leaves the system's default.
    pub receive_buffer: usize,
}

impl Default for SocketOptions {
    fn default() -> Self {
        // Below lie most ports that services of this host may want to bind later.
        SocketOptions { ports: 16384..=65535, receive_buffer: 1 << 20 }
    }
}

struct UdpSocket {
    fd: OwnedFd,
    server: u32,
    opened: Duration,
    asked: u32,
    pending: u32,
    /// Place in its server's pool; `NONE` once it takes no more questions.
    pool_place: u16,
}

/// All sockets, by slot.
pub struct Sockets {
    options: SocketOptions,
    slots: Vec<Option<UdpSocket>>,
    free: Vec<u16>,
    pools: Vec<[u16; POOL]>,
}

impl Sockets {
    /// No sockets yet.
    pub fn new(options: SocketOptions) -> Sockets {
        Sockets { options, slots: Vec::new(), free: Vec::new(), pools: Vec::new() }
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
        random: &mut Random,
        poller: BorrowedFd<'_>,
    ) -> Result<u16, Errno> {
        if self.pools.len() <= server as usize {
            self.pools.resize(server as usize + 1, [NONE; POOL]);
        }
        let place = random.below(POOL as u32).map_err(|_| Errno::IO)? as usize;
        let mut slot = self.pools[server as usize][place];
        if !self.is_fresh(slot, now) {
            match self.open(server, address, now, random, poller) {
                Ok(fresh) => {
                    self.retire(slot);
                    self.pools[server as usize][place] = fresh;
                    if let Some(socket) = &mut self.slots[usize::from(fresh)] {
                        socket.pool_place = place as u16;
                    }
                    slot = fresh;
                }
                // No descriptor left: any socket of this server is better than none.
                Err(errno) => slot = self.any(server, slot).ok_or(errno)?,
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

    fn any(&self, server: u32, slot: u16) -> Option<u16> {
        let pool = self.pools[server as usize];
        std::iter::once(slot).chain(pool).find(|&slot| slot != NONE)
    }

    fn open(
        &mut self,
        server: u32,
        address: SocketAddr,
        now: Duration,
        random: &mut Random,
        poller: BorrowedFd<'_>,
    ) -> Result<u16, Errno> {
        if self.free.is_empty() {
            if self.slots.len() == MOST {
                return Err(Errno::MFILE);
            }
            self.slots.push(None);
            self.free.push(self.slots.len() as u16 - 1);
        }
        let fd = self.bind(address, random)?;
        connect(&fd, &address)?;
        let slot = *self.free.last().ok_or(Errno::MFILE)?;
        epoll::add(poller, &fd, EventData::new_u64(u64::from(slot)), EventFlags::IN)?;
        self.free.pop();
        let socket = UdpSocket { fd, server, opened: now, asked: 0, pending: 0, pool_place: NONE };
        self.slots[usize::from(slot)] = Some(socket);
        Ok(slot)
    }

    /// A socket on a random port. A port in use by another program is drawn again, so the kernel's own choice is the
    /// last resort only.
    fn bind(&self, address: SocketAddr, random: &mut Random) -> Result<OwnedFd, Errno> {
        let (family, any) = match address {
            SocketAddr::V4(_) => (AddressFamily::INET, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            SocketAddr::V6(_) => (AddressFamily::INET6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        };
        let fd = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        if self.options.receive_buffer > 0 {
            // The kernel caps it at net.core.rmem_max; a smaller buffer works as well.
            let _ = sockopt::set_socket_recv_buffer_size(&fd, self.options.receive_buffer);
        }
        let (first, last) = (u32::from(*self.options.ports.start()), u32::from(*self.options.ports.end()));
        let many = last.saturating_sub(first) + 1;
        for _ in 0..PORT_TRIES {
            let port = first + random.below(many).map_err(|_| Errno::IO)?;
            match bind(&fd, &SocketAddr::new(any, port as u16)) {
                Err(Errno::ADDRINUSE | Errno::ACCESS) => continue,
                other => return other.map(|()| fd),
            }
        }
        bind(&fd, &SocketAddr::new(any, 0))?;
        Ok(fd)
    }

    /// Takes a socket out of its pool; it closes with its last question.
    fn retire(&mut self, slot: u16) {
        let Some(Some(socket)) = self.slots.get_mut(usize::from(slot)) else { return };
        if socket.pool_place != NONE {
            self.pools[socket.server as usize][usize::from(socket.pool_place)] = NONE;
            socket.pool_place = NONE;
        }
        self.close_if_done(slot);
    }

    /// A question of this socket is over.
    pub fn done(&mut self, slot: u16) {
        if let Some(Some(socket)) = self.slots.get_mut(usize::from(slot)) {
            socket.pending -= 1;
        }
        self.close_if_done(slot);
    }

    fn close_if_done(&mut self, slot: u16) {
        let place = usize::from(slot);
        if self.slots[place].as_ref().is_some_and(|socket| socket.pending == 0 && socket.pool_place == NONE) {
            // Closing takes it out of the epoll set as well.
            self.slots[place] = None;
            self.free.push(slot);
        }
    }

    /// Retires every socket of `server`.
    pub fn retire_all(&mut self, server: u32) {
        for slot in self.pools.get(server as usize).copied().unwrap_or([NONE; POOL]) {
            self.retire(slot);
        }
    }

    /// The descriptor of a slot; `None` when it is closed.
    pub fn fd(&self, slot: u16) -> Option<BorrowedFd<'_>> {
        Some(self.slots.get(usize::from(slot))?.as_ref()?.fd.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::getsockname;

    fn port(sockets: &Sockets, slot: u16) -> u16 {
        SocketAddr::try_from(getsockname(sockets.fd(slot).unwrap()).unwrap()).unwrap().port()
    }

    #[test]
    fn sockets_lie_in_the_range_and_are_replaced() {
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let mut random = Random::new().unwrap();
        let mut sockets = Sockets::new(SocketOptions { ports: 20000..=29999, receive_buffer: 0 });
        let address = "127.0.0.1:53".parse().unwrap();
        let mut ports = std::collections::BTreeSet::new();
        let mut now = Duration::from_secs(1);
        let mut slots = Vec::new();
        for _ in 0..QUERIES as usize * POOL * 2 {
            let slot = sockets.pick(0, address, now, &mut random, poller.as_fd()).unwrap();
            ports.insert(port(&sockets, slot));
            slots.push(slot);
        }
        assert!(ports.len() > POOL, "full ones were replaced");
        assert!(ports.iter().all(|port| (20000..=29999).contains(port)));
        for slot in slots.drain(..) {
            sockets.done(slot);
        }
        let open = |sockets: &Sockets| sockets.slots.iter().flatten().count();
        assert!(open(&sockets) <= POOL, "the retired ones are closed");
        now += AGE;
        let slot = sockets.pick(0, address, now, &mut random, poller.as_fd()).unwrap();
        assert!(ports.insert(port(&sockets, slot)) || ports.len() > 100, "an old one was replaced");
        sockets.retire_all(0);
        assert_eq!(open(&sockets), 1, "one still waits for its answer");
        sockets.done(slot);
        assert_eq!(open(&sockets), 0);
    }
}
