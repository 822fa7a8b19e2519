//! Stateful DHCPv6 on one interface: one address and the name servers. Asked only where the network settings say so; which
//! networks are on the link, and the router, come by router advertisements, which the kernel takes in.

mod client;
mod message;
#[cfg(test)]
mod tests;

use super::apply::{remove_address, set_address};
use super::dhcp::{AddressClient, give_back, listed, packets};
use super::netconf::plan::Mac;
use super::netlink::Netlink;
use super::service::{Event, Service, Status};
use crate::sys::device::bind_to_device;
use client::{Action, Client};
pub use message::Lease;
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, bind, ipproto, sendto, socket_with};
use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Instant;

const CLIENT_PORT: u16 = 546;
const SERVER_PORT: u16 = 547;
/// All servers and relays on the link.
const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// The client of one interface.
pub struct Dhcp6 {
    interface: String,
    index: u32,
    socket: OwnedFd,
    client: Client,
    lease: Option<Lease>,
    /// The last send failed, and that was said.
    failing: bool,
}

impl Dhcp6 {
    /// A client that asks at its first turn.
    ///
    /// # Errors
    /// The socket's.
    pub fn start(interface: &str, index: u32, mac: Mac, now: Instant) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET6, SocketType::DGRAM, flags, Some(ipproto::UDP))?;
        set_socket_reuseaddr(&socket, true)?;
        set_ipv6_v6only(&socket, true)?;
        bind_to_device(socket.as_fd(), interface)?;
        bind(&socket, &SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, CLIENT_PORT, 0, 0))?;
        let mut seed = [0; 4];
        getrandom::fill(&mut seed).map_err(|cause| io::Error::other(cause.to_string()))?;
        let client = Client::new(mac, u32::from_ne_bytes(seed), now);
        Ok(Self { interface: interface.to_owned(), index, socket, client, lease: None, failing: false })
    }

    fn act(&mut self, actions: Vec<Action>, events: &mut Vec<Event>) {
        for action in actions {
            match action {
                Action::Send(packet) => self.send(&packet),
                Action::Bound(lease) => self.bound(lease, events),
                Action::Lost(why) => self.lost(&why, events),
                Action::Refused(why) => {
                    log::warn!("{}: the DHCPv6 server gives no address: {why}; still asking", self.interface);
                }
                Action::Silence => {
                    log::warn!("{}: no DHCPv6 server answers; still asking, every two minutes at last", self.interface);
                }
            }
        }
    }

    fn send(&mut self, packet: &[u8]) {
        let to = SocketAddrV6::new(SERVERS, SERVER_PORT, 0, self.index);
        match sendto(&self.socket, packet, SendFlags::empty(), &to) {
            Ok(_) => self.failing = false,
            // The kernel still looks whether somebody else has the link's address; it is tried again within a second.
            Err(Errno::ADDRNOTAVAIL) => {}
            Err(cause) if !self.failing => {
                log::warn!("{}: DHCPv6: {cause}; it is tried again", self.interface);
                self.failing = true;
            }
            Err(_) => {}
        }
    }

    fn bound(&mut self, lease: Lease, events: &mut Vec<Event>) {
        let old = self.lease.replace(lease.clone());
        let seconds = u32::try_from(lease.duration.as_secs()).unwrap_or(u32::MAX);
        let done = Netlink::open().and_then(|mut netlink| {
            if let Some(old) = old.as_ref().filter(|old| old.address != lease.address) {
                remove_address(&mut netlink, self.index, old.network())?;
            }
            set_address(&mut netlink, self.index, lease.network(), Some(seconds))
        });
        if let Err(cause) = done {
            log::error!("{}: the lease of {} cannot be applied: {cause}", self.interface, lease.address);
        }
        let same = |old: &Lease| old.address == lease.address && old.name_servers == lease.name_servers;
        if !old.as_ref().is_some_and(same) {
            log::info!(
                "{}: DHCPv6: {} for {seconds} s, name servers: {}",
                self.interface,
                lease.address,
                listed(&lease.name_servers)
            );
            events.push(Event::NameServers(self.source(), lease.name_servers));
        }
    }

    fn lost(&mut self, why: &str, events: &mut Vec<Event>) {
        let Some(lease) = self.lease.take() else { return };
        give_back(&self.interface, self.index, lease.network(), &lease.address, why);
        events.push(Event::NameServers(self.source(), Vec::new()));
    }
}

impl AddressClient for Dhcp6 {
    fn index(&self) -> u32 {
        self.index
    }

    /// The same interface may have a lease by IPv4, with servers of its own.
    fn source(&self) -> String {
        format!("{} DHCPv6", self.interface)
    }
}

impl Service for Dhcp6 {
    fn name(&self) -> &'static str {
        "DHCPv6"
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
