//! DHCPv4 on one interface: asks, renews, and goes on asking with back-off while nobody answers.

mod client;
mod lease;
#[cfg(test)]
mod tests;

use super::apply::{remove_address, set_address};
use super::netconf::plan::{Mac, Network};
use super::netlink::Netlink;
use super::routes::{LEASES, Way, set_route};
use super::service::{Event, Service, Status};
use crate::sys::device::bind_to_device;
use client::{Action, Client};
pub use lease::Lease;
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_broadcast, set_socket_reuseaddr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, ipproto, recv, sendto, socket_with,
};
use std::fmt::Display;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;
/// Packets taken in at one turn.
const BATCH: usize = 16;

/// What asks for an address of one interface.
pub trait AddressClient: Service {
    /// The interface's index.
    fn index(&self) -> u32;

    /// Under which name it tells name servers.
    fn source(&self) -> String;
}

/// The packets that have come to a client's socket, a bounded number at a turn.
pub(super) fn packets(socket: &OwnedFd, readiness: PollFlags) -> Vec<Vec<u8>> {
    let waiting = if readiness.is_empty() { 0 } else { BATCH };
    (0..waiting)
        .map_while(|_| {
            let mut buffer = [0u8; 1500];
            let (_, length) = recv(socket, &mut buffer[..], RecvFlags::empty()).ok()?;
            Some(buffer.get(..length).unwrap_or_default().to_vec())
        })
        .collect()
}

/// Takes a lease's address, `shown` in the log, off its interface.
pub(super) fn give_back(interface: &str, index: u32, network: Network, shown: &dyn Display, why: &str) {
    log::warn!("{interface}: the lease of {shown} is over: {why}");
    let done = Netlink::open().and_then(|mut netlink| remove_address(&mut netlink, index, network));
    // The kernel takes it away by itself when its time is over.
    if let Err(cause) = done
        && cause.raw_os_error() != Some(Errno::ADDRNOTAVAIL.raw_os_error())
    {
        log::warn!("{interface}: {shown}: {cause}");
    }
}

/// Name servers for the log.
pub(super) fn listed(servers: &[IpAddr]) -> String {
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    if servers.is_empty() { "none".to_owned() } else { servers.join(" ") }
}

/// The pause after a try: twice the last one, up to the longest.
pub(super) fn back_off(first: Duration, tries: u32, longest: Duration) -> Duration {
    (first * 2u32.saturating_pow(tries.saturating_sub(1).min(16))).min(longest)
}

/// The client of one interface.
pub struct Dhcp {
    interface: String,
    index: u32,
    socket: OwnedFd,
    client: Client,
    lease: Option<Lease>,
    /// The last send failed, and that was said.
    failing: bool,
}

impl Dhcp {
    /// A client that asks at its first turn.
    ///
    /// # Errors
    /// The socket's.
    pub fn start(interface: &str, index: u32, mac: Mac, hostname: &str, now: Instant) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, Some(ipproto::UDP))?;
        set_socket_reuseaddr(&socket, true)?;
        set_socket_broadcast(&socket, true)?;
        bind_to_device(socket.as_fd(), interface)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT))?;
        let mut seed = [0; 4];
        getrandom::fill(&mut seed).map_err(|cause| io::Error::other(cause.to_string()))?;
        let client = Client::new(mac, hostname, u32::from_ne_bytes(seed), now);
        Ok(Self { interface: interface.to_owned(), index, socket, client, lease: None, failing: false })
    }

    fn act(&mut self, actions: Vec<Action>, events: &mut Vec<Event>) {
        for action in actions {
            match action {
                Action::Send(server, packet) => self.send(server, &packet),
                Action::Bound(lease) => self.bound(lease, events),
                Action::Lost(why) => self.lost(&why, events),
                Action::Silence => {
                    log::warn!("{}: no DHCP server answers; still asking, once a minute at last", self.interface);
                }
            }
        }
    }

    fn send(&mut self, server: Option<Ipv4Addr>, packet: &[u8]) {
        let to = SocketAddrV4::new(server.unwrap_or(Ipv4Addr::BROADCAST), SERVER_PORT);
        match sendto(&self.socket, packet, SendFlags::empty(), &to) {
            Ok(_) => self.failing = false,
            Err(cause) if !self.failing => {
                log::warn!("{}: DHCP to {to}: {cause}; it is tried again", self.interface);
                self.failing = true;
            }
            Err(_) => {}
        }
    }

    fn bound(&mut self, lease: Lease, events: &mut Vec<Event>) {
        let old = self.lease.replace(lease.clone());
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
            log::error!("{}: the lease of {} cannot be applied: {cause}", self.interface, lease.network());
        }
        let same = |old: &Lease| old.network() == lease.network() && old.name_servers == lease.name_servers;
        if !old.as_ref().is_some_and(same) {
            log::info!(
                "{}: DHCP: {} from {} for {seconds} s, name servers: {}",
                self.interface,
                lease.network(),
                lease.server,
                listed(&lease.name_servers)
            );
            events.push(Event::NameServers(self.source(), lease.name_servers));
        }
    }

    fn lost(&mut self, why: &str, events: &mut Vec<Event>) {
        let Some(lease) = self.lease.take() else { return };
        give_back(&self.interface, self.index, lease.network(), &lease.network(), why);
        events.push(Event::NameServers(self.source(), Vec::new()));
    }
}

impl AddressClient for Dhcp {
    fn index(&self) -> u32 {
        self.index
    }

    fn source(&self) -> String {
        self.interface.clone()
    }
}

impl Service for Dhcp {
    fn name(&self) -> &'static str {
        "DHCP"
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.client.deadline())
    }

    fn turn(&mut self, readiness: PollFlags, now: Instant, _status: &Status) -> Vec<Event> {
        let mut events = Vec::new();
        for packet in packets(&self.socket, readiness) {
            let actions = self.client.take(&packet, now);
            self.act(actions, &mut events);
        }
        let actions = self.client.due(now);
        self.act(actions, &mut events);
        events
    }
}
