//! The sockets of a round: one for each server and each question, of a port of its own, connected, so that nobody else is
//! heard.

use super::IpAddr;
use super::lookup;
use super::packet::LEN;
use runbound::dns::{Name, rtype};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

const NTP: u16 = 123;
const DNS: u16 = 53;
/// Packets taken of one socket at a turn.
const BATCH: usize = 4;
/// Readiness taken at a turn: more than there are sockets.
const READY: usize = 16;

/// What came.
pub(super) enum Came {
    /// A name's addresses, of both families together.
    Addresses(usize, Vec<IpAddr>),
    /// From a server.
    Reply(usize, Vec<u8>),
    /// A server's answer will not come.
    Unreachable(usize, String),
}

enum Waits {
    Server(usize),
    Lookup(usize, Vec<u8>),
}

/// The sockets.
pub(super) struct Net {
    poller: OwnedFd,
    sockets: Vec<(Waits, UdpSocket)>,
    /// Addresses of names that one family's answer has told, while the other's is to come.
    halves: Vec<(usize, Vec<IpAddr>)>,
    /// Our own server.
    pub(super) resolver: SocketAddr,
    /// Where servers listen.
    pub(super) port: u16,
}

impl Net {
    /// No socket yet.
    ///
    /// # Errors
    /// That of epoll.
    pub(super) fn new() -> io::Result<Self> {
        let poller = epoll::create(CreateFlags::CLOEXEC)?;
        let resolver = (Ipv4Addr::LOCALHOST, DNS).into();
        Ok(Self { poller, sockets: Vec::new(), halves: Vec::new(), resolver, port: NTP })
    }

    /// Readable when something came.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }

    /// Sends a request.
    ///
    /// # Errors
    /// Those of the socket: there is no way to the server.
    pub(super) fn ask(&mut self, number: usize, server: IpAddr, packet: &[u8; LEN]) -> io::Result<()> {
        self.send(Waits::Server(number), (server, self.port).into(), packet)
    }

    /// Asks our server for both kinds of addresses of a name.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn resolve(&mut self, number: usize, name: &Name) -> io::Result<()> {
        for wanted in [rtype::A, rtype::AAAA] {
            let mut id = [0; 2];
            getrandom::fill(&mut id).map_err(|cause| io::Error::other(cause.to_string()))?;
            let question = lookup::question(u16::from_ne_bytes(id), name, wanted);
            self.send(Waits::Lookup(number, question.clone()), self.resolver, &question)?;
        }
        Ok(())
    }

    fn send(&mut self, waits: Waits, to: SocketAddr, octets: &[u8]) -> io::Result<()> {
        let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect(to)?;
        socket.send(octets)?;
        let place = EventData::new_u64(self.sockets.len() as u64);
        epoll::add(&self.poller, &socket, place, EventFlags::IN)?;
        self.sockets.push((waits, socket));
        Ok(())
    }

    /// Nothing is waited for any more.
    pub(super) fn end(&mut self) {
        // Closed, they leave the epoll by themselves.
        self.sockets.clear();
        self.halves.clear();
    }

    /// What has come, a bounded number of packets.
    pub(super) fn came(&mut self) -> Vec<Came> {
        let mut ready = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; READY];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let count = epoll::wait(&self.poller, ready.as_mut_slice(), Some(&at_once)).unwrap_or(0);
        let mut came = Vec::new();
        for event in ready.iter().take(count) {
            let place = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
            for _ in 0..BATCH {
                let mut buffer = [0; 1500];
                let Some((waits, socket)) = self.sockets.get(place) else { break };
                match socket.recv(&mut buffer) {
                    Ok(length) => {
                        let octets = buffer.get(..length).unwrap_or_default();
                        match waits {
                            Waits::Server(number) => came.push(Came::Reply(*number, octets.to_vec())),
                            Waits::Lookup(number, asked) => {
                                let (number, found) = (*number, lookup::addresses(octets, asked));
                                came.extend(found.and_then(|found| self.half(number, found)));
                            }
                        }
                    }
                    Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => break,
                    Err(cause) => {
                        match waits {
                            Waits::Server(number) => came.push(Came::Unreachable(*number, cause.to_string())),
                            Waits::Lookup(number, _) => {
                                let number = *number;
                                came.extend(self.half(number, Vec::new()));
                            }
                        }
                        break;
                    }
                }
            }
        }
        came
    }

    /// The addresses of one family; those of both, one after the other in turn, when they are the second.
    fn half(&mut self, number: usize, addresses: Vec<IpAddr>) -> Option<Came> {
        let Some(at) = self.halves.iter().position(|(known, _)| *known == number) else {
            self.halves.push((number, addresses));
            return None;
        };
        let (_, before) = self.halves.swap_remove(at);
        let (mut one, mut other) = (before.into_iter(), addresses.into_iter());
        let mut both = Vec::new();
        loop {
            let pair = [one.next(), other.next()];
            if pair == [None, None] {
                return Some(Came::Addresses(number, both));
            }
            both.extend(pair.into_iter().flatten());
        }
    }
}
