//! What both versions of DHCP have in common: a lease, what a client's state machine wants done, and the service that does
//! it on one interface.

use crate::configuration::forwarders::listed;
use crate::netconf::plan::{Network, RoutePlan};
use crate::network::apply::{remove_address, set_address};
use crate::network::netlink::Netlink;
use crate::network::routes::{LEASES, Way, set_route};
use crate::service::{Event, Service, Status};
use runbound::sys::device::bind_to_device;
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_broadcast, set_socket_reuseaddr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, ipproto, recv, sendto, socket_with,
};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Packets taken in at one turn.
const BATCH: usize = 16;

/// What asks for an address of one interface.
pub trait AddressClient: Service {
    /// The interface's index.
    fn index(&self) -> u32;

    /// Under which name it tells name servers.
    fn source(&self) -> String;
}

/// What a server granted: an address, by a server that is named by an `S`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease<A, S> {
    /// The address.
    pub address: A,
    /// Bits of its network's prefix: all of them where routers tell which network it is in.
    pub prefix: u8,
    /// Routes it brings.
    pub routes: Vec<RoutePlan>,
    /// Name servers it names.
    pub name_servers: Vec<IpAddr>,
    /// Who granted it.
    pub server: S,
    /// How long it holds.
    pub duration: Duration,
    /// After which to ask the server (T1) and anybody (T2) to renew it.
    pub renew: Duration,
    /// T2.
    pub rebind: Duration,
}

impl<A: Copy + Into<IpAddr>, S> Lease<A, S> {
    /// The address with its prefix.
    pub fn network(&self) -> Network {
        Network { ip: self.address.into(), prefix: self.prefix }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<A, S> {
    /// Send this to the server, to all when none is given.
    Send(Option<A>, Vec<u8>),
    /// A lease, new or renewed.
    Bound(Lease<A, S>),
    /// The lease is over; the text says why.
    Lost(String),
    /// No server gives an address; the text says why.
    Refused(String),
    /// Nobody answers.
    Silence,
}

/// A client as a state machine: time and packets go in, packets and leases come out.
pub trait Machine {
    /// An address of this version.
    type Address: Copy + Into<IpAddr>;
    /// What names a server.
    type Server: Clone;
    /// The version, for the log.
    const NAME: &'static str;
    /// How often it asks in the end while nobody answers, for the log.
    const SLOWEST: &'static str;

    /// When [`Machine::due`] is to be called.
    fn deadline(&self) -> Instant;

    /// What the time asks for.
    fn due(&mut self, now: Instant) -> Vec<Action<Self::Address, Self::Server>>;

    /// Takes in a packet; anything that is no answer to this client is passed over.
    fn take(&mut self, packet: &[u8], now: Instant) -> Vec<Action<Self::Address, Self::Server>>;

    /// Where a packet to a server, or to all, goes from the link of this index.
    fn destination(server: Option<Self::Address>, link: u32) -> SocketAddr;

    /// What was granted, for the log, and what is said there of the server.
    fn shown(lease: &Lease<Self::Address, Self::Server>) -> (String, String);
}

/// The pause after a try: twice the last one, up to the longest.
pub(crate) fn back_off(first: Duration, tries: u32, longest: Duration) -> Duration {
    (first * 2u32.saturating_pow(tries.saturating_sub(1).min(16))).min(longest)
}

/// The client of one interface.
pub struct InterfaceClient<M: Machine> {
    interface: String,
    index: u32,
    source: String,
    socket: OwnedFd,
    machine: M,
    lease: Option<Lease<M::Address, M::Server>>,
    /// The last send failed, and that was said.
    failing: bool,
}

impl<M: Machine> InterfaceClient<M> {
    /// A client that receives at `local` and tells name servers under the name `source`. `machine` gets a random number, to
    /// tell its packets from others'.
    pub(crate) fn open(
        interface: &str,
        index: u32,
        source: String,
        local: SocketAddr,
        machine: impl FnOnce(u32) -> M,
    ) -> io::Result<Self> {
        let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::DGRAM, flags, Some(ipproto::UDP))?;
        set_socket_reuseaddr(&socket, true)?;
        if local.is_ipv4() {
            set_socket_broadcast(&socket, true)?;
        } else {
            set_ipv6_v6only(&socket, true)?;
        }
        bind_to_device(socket.as_fd(), interface)?;
        bind(&socket, &local)?;
        let mut seed = [0; 4];
        getrandom::fill(&mut seed).map_err(|cause| io::Error::other(cause.to_string()))?;
        let machine = machine(u32::from_ne_bytes(seed));
        Ok(Self { interface: interface.to_owned(), index, source, socket, machine, lease: None, failing: false })
    }

    fn act(&mut self, actions: Vec<Action<M::Address, M::Server>>, events: &mut Vec<Event>) {
        for action in actions {
            let (interface, version) = (&self.interface, M::NAME);
            match action {
                Action::Send(server, packet) => self.send(server, &packet),
                Action::Bound(lease) => self.bound(lease, events),
                Action::Lost(why) => self.lost(&why, events),
                Action::Refused(why) => {
                    log::warn!("{interface}: the {version} server gives no address: {why}; still asking");
                }
                Action::Silence => {
                    log::warn!("{interface}: no {version} server answers; still asking, {} at last", M::SLOWEST);
                }
            }
        }
    }

    fn send(&mut self, server: Option<M::Address>, packet: &[u8]) {
        let to = M::destination(server, self.index);
        match sendto(&self.socket, packet, SendFlags::empty(), &to) {
            Ok(_) => self.failing = false,
            // The kernel still looks whether somebody else has the link's address; it is tried again within a second.
            Err(Errno::ADDRNOTAVAIL) => {}
            Err(cause) if !self.failing => {
                log::warn!("{}: {} to {to}: {cause}; it is tried again", self.interface, M::NAME);
                self.failing = true;
            }
            Err(_) => {}
        }
    }

    fn bound(&mut self, lease: Lease<M::Address, M::Server>, events: &mut Vec<Event>) {
        let old = self.lease.replace(lease.clone());
        let (shown, server) = M::shown(&lease);
        let seconds = u32::try_from(lease.duration.as_secs()).unwrap_or(u32::MAX);
        let done = Netlink::open().and_then(|mut netlink| {
            if let Some(old) = old.as_ref().filter(|old| old.network() != lease.network()) {
                remove_address(&mut netlink, self.index, old.network())?;
            }
            set_address(&mut netlink, self.index, lease.network(), Some(seconds))?;
            let addresses = [lease.network()];
            let metric = Some(LEASES.saturating_add(self.index));
            let way = Way { index: Some(self.index), metric, addresses: &addresses };
            let mut done = Ok(());
            for route in &lease.routes {
                // One that is refused costs only itself.
                done = done.and(set_route(&mut netlink, route, &way));
            }
            done
        });
        if let Err(cause) = done {
            log::error!("{}: the lease of {shown} cannot be applied: {cause}", self.interface);
        }
        let same = |old: &Lease<_, _>| old.network() == lease.network() && old.name_servers == lease.name_servers;
        if !old.as_ref().is_some_and(same) {
            let servers = listed(&lease.name_servers);
            let (interface, version) = (&self.interface, M::NAME);
            log::info!("{interface}: {version}: {shown}{server} for {seconds} s, name servers: {servers}");
            events.push(Event::NameServers(self.source.clone(), lease.name_servers));
        }
    }

    fn lost(&mut self, why: &str, events: &mut Vec<Event>) {
        let Some(lease) = self.lease.take() else { return };
        let (shown, _) = M::shown(&lease);
        log::warn!("{}: the lease of {shown} is over: {why}", self.interface);
        let done = Netlink::open().and_then(|mut netlink| remove_address(&mut netlink, self.index, lease.network()));
        // The kernel takes it away by itself when its time is over.
        if let Err(cause) = done
            && cause.raw_os_error() != Some(Errno::ADDRNOTAVAIL.raw_os_error())
        {
            log::warn!("{}: {shown}: {cause}", self.interface);
        }
        events.push(Event::NameServers(self.source.clone(), Vec::new()));
    }

    /// The packets that have come, a bounded number at a turn.
    fn packets(&self, readiness: PollFlags) -> Vec<Vec<u8>> {
        let waiting = if readiness.is_empty() { 0 } else { BATCH };
        (0..waiting)
            .map_while(|_| {
                let mut buffer = [0u8; 1500];
                let (_, length) = recv(&self.socket, &mut buffer[..], RecvFlags::empty()).ok()?;
                Some(buffer.get(..length).unwrap_or_default().to_vec())
            })
            .collect()
    }
}

impl<M: Machine> AddressClient for InterfaceClient<M> {
    fn index(&self) -> u32 {
        self.index
    }

    fn source(&self) -> String {
        self.source.clone()
    }
}

impl<M: Machine> Service for InterfaceClient<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.machine.deadline())
    }

    fn turn(&mut self, readiness: PollFlags, now: Instant, _status: &Status) -> Vec<Event> {
        let mut events = Vec::new();
        for packet in self.packets(readiness) {
            let actions = self.machine.take(&packet, now);
            self.act(actions, &mut events);
        }
        let actions = self.machine.due(now);
        self.act(actions, &mut events);
        events
    }
}
