//! The service that does on one interface what a client's state machine wants done.

use super::client::{ActionOf, Client, LeaseOf, Protocol};
use super::lease::Action;
use crate::configuration::forwarders::listed;
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
use std::net::SocketAddr;
use std::time::Instant;

/// Packets taken in at one turn.
const BATCH: usize = 16;

/// What asks for an address of one interface.
pub trait AddressClient: Service {
    /// The interface's index.
    fn index(&self) -> u32;

    /// Under which name it tells name servers.
    fn source(&self) -> String;
}

/// Where a client asks, and since when.
pub(super) struct Place<'a> {
    pub interface: &'a str,
    pub index: u32,
    pub now: Instant,
}

/// The client of one interface.
pub struct InterfaceClient<P: Protocol> {
    interface: String,
    index: u32,
    source: String,
    socket: OwnedFd,
    client: Client<P>,
    lease: Option<LeaseOf<P>>,
    /// The last send failed, and that was said.
    failing: bool,
}

impl<P: Protocol> InterfaceClient<P> {
    /// A client that receives at `local`, tells name servers under the name `source`, and asks at its first turn.
    pub(super) fn open(on: Place<'_>, source: String, local: SocketAddr, protocol: P) -> io::Result<Self> {
        let Place { interface, index, now } = on;
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
        let client = Client::new(protocol, u32::from_ne_bytes(seed), now);
        Ok(Self { interface: interface.to_owned(), index, source, socket, client, lease: None, failing: false })
    }

    fn act(&mut self, actions: Vec<ActionOf<P>>, events: &mut Vec<Event>) {
        for action in actions {
            let (interface, version) = (&self.interface, P::NAME);
            match action {
                Action::Send(server, packet) => self.send(server, &packet),
                Action::Bound(lease) => self.bound(lease, events),
                Action::Lost(why) => self.lost(&why, events),
                Action::Refused(why) => {
                    log::warn!("{interface}: the {version} server gives no address: {why}; still asking");
                }
                Action::Silence => {
                    log::warn!("{interface}: no {version} server answers; still asking, {} at last", P::SLOWEST);
                }
            }
        }
    }

    fn send(&mut self, server: Option<P::Address>, packet: &[u8]) {
        let to = P::destination(server, self.index);
        match sendto(&self.socket, packet, SendFlags::empty(), &to) {
            Ok(_) => self.failing = false,
            // The kernel still looks whether somebody else has the link's address; it is tried again within a second.
            Err(Errno::ADDRNOTAVAIL) => {}
            Err(cause) if !self.failing => {
                log::warn!("{}: {} to {to}: {cause}; it is tried again", self.interface, P::NAME);
                self.failing = true;
            }
            Err(_) => {}
        }
    }

    fn bound(&mut self, lease: LeaseOf<P>, events: &mut Vec<Event>) {
        let old = self.lease.replace(lease.clone());
        let (shown, server) = P::shown(&lease);
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
        let old_times = old.as_ref().map(|old| old.time_servers.as_slice()).unwrap_or_default();
        if old_times != lease.time_servers {
            events.push(Event::TimeServers(self.source.clone(), lease.time_servers.clone()));
        }
        let same_names =
            old.as_ref().is_some_and(|old| old.network() == lease.network() && old.name_servers == lease.name_servers);
        if !same_names || old_times != lease.time_servers {
            let (interface, version, servers) = (&self.interface, P::NAME, listed(&lease.name_servers));
            let times = match lease.time_servers.as_slice() {
                [] => String::new(),
                times => format!(", time servers: {}", times.join(" ")),
            };
            log::info!("{interface}: {version}: {shown}{server} for {seconds} s, name servers: {servers}{times}");
        }
        if !same_names {
            events.push(Event::NameServers(self.source.clone(), lease.name_servers));
        }
    }

    fn lost(&mut self, why: &str, events: &mut Vec<Event>) {
        let Some(lease) = self.lease.take() else { return };
        let (shown, _) = P::shown(&lease);
        log::warn!("{}: the lease of {shown} is over: {why}", self.interface);
        let done = Netlink::open().and_then(|mut netlink| remove_address(&mut netlink, self.index, lease.network()));
        // The kernel takes it away by itself when its time is over.
        if let Err(cause) = done
            && cause.raw_os_error() != Some(Errno::ADDRNOTAVAIL.raw_os_error())
        {
            log::warn!("{}: {shown}: {cause}", self.interface);
        }
        events.push(Event::NameServers(self.source.clone(), Vec::new()));
        if !lease.time_servers.is_empty() {
            events.push(Event::TimeServers(self.source.clone(), Vec::new()));
        }
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

impl<P: Protocol> AddressClient for InterfaceClient<P> {
    fn index(&self) -> u32 {
        self.index
    }

    fn source(&self) -> String {
        self.source.clone()
    }
}

impl<P: Protocol> Service for InterfaceClient<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.client.deadline())
    }

    fn turn(&mut self, readiness: PollFlags, now: Instant, _status: &Status) -> Vec<Event> {
        let mut events = Vec::new();
        for packet in self.packets(readiness) {
            let actions = self.client.take(&packet, now);
            self.act(actions, &mut events);
        }
        let actions = self.client.due(now);
        self.act(actions, &mut events);
        events
    }
}
