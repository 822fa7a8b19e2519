//! Name servers that router advertisements tell (RDNSS, RFC 8106): the kernel passes the option on as it came.

use crate::service::{Event, Service, Status};
use libc::{AF_INET6, RTM_NEWNDUSEROPT, RTNLGRP_ND_USEROPT};
use netlink_packet_core::NetlinkBuffer;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Octets of `struct nduseroptmsg`.
const MESSAGE: usize = 16;
/// Router advertisement (RFC 4861), the only ICMPv6 message whose options count.
const ADVERTISEMENT: u8 = 134;
/// The option's number.
const RDNSS: u8 = 25;
/// Most servers kept for one interface, and most interfaces: anybody on the link can send these.
const SERVERS: usize = 8;
const INTERFACES: usize = 64;
/// A lifetime of all ones never ends; this is as long.
const FOREVER: u32 = u32::MAX;
/// Messages taken in at one turn.
const BATCH: usize = 64;

/// Listens for them on all interfaces; whose are used is for others to say.
pub struct RouterServers {
    socket: Socket,
    known: Known,
}

/// Servers by interface, each with the end of its life; `None` is never.
type Known = BTreeMap<u32, Vec<(Ipv6Addr, Option<Instant>)>>;

impl RouterServers {
    /// To be opened before interfaces are set up: a router answers once, and then tells again in minutes.
    ///
    /// # Errors
    /// The socket's.
    pub fn open() -> std::io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.add_membership(RTNLGRP_ND_USEROPT)?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket, known: Known::new() })
    }
}

impl Service for RouterServers {
    fn name(&self) -> &'static str {
        "router advertisements"
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }

    fn deadline(&self) -> Option<Instant> {
        self.known.values().flatten().filter_map(|(_, end)| *end).min()
    }

    fn turn(&mut self, readiness: PollFlags, now: Instant, _status: &Status) -> Vec<Event> {
        let before = addresses(&self.known);
        if !readiness.is_empty() {
            let mut buffer = [0u8; 8192];
            for _ in 0..BATCH {
                match self.socket.recv(&mut &mut buffer[..], 0) {
                    Ok(length) => messages(buffer.get(..length).unwrap_or_default())
                        .for_each(|told| learn(&mut self.known, &told, now)),
                    Err(cause) if cause.kind() == std::io::ErrorKind::WouldBlock => break,
                    // More came than the buffer holds (ENOBUFS); the routers tell again.
                    Err(_) => {}
                }
            }
        }
        forget(&mut self.known, now);
        let after = addresses(&self.known);
        let indices = before.keys().chain(after.keys().filter(|index| !before.contains_key(index)));
        let changed = indices.filter(|index| before.get(index) != after.get(index));
        changed.map(|index| Event::RouterServers(*index, after.get(index).cloned().unwrap_or_default())).collect()
    }
}

fn addresses(known: &Known) -> BTreeMap<u32, Vec<IpAddr>> {
    known
        .iter()
        .map(|(index, servers)| (*index, servers.iter().map(|(server, _)| IpAddr::V6(*server)).collect()))
        .collect()
}

/// One option as it came.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    index: u32,
    /// In seconds; 0 takes the servers back.
    lifetime: u32,
    servers: Vec<Ipv6Addr>,
}

fn learn(known: &mut Known, told: &Told, now: Instant) {
    if !known.contains_key(&told.index) && known.len() >= INTERFACES {
        return;
    }
    let servers = known.entry(told.index).or_default();
    let end = (told.lifetime != FOREVER).then(|| now + Duration::from_secs(told.lifetime.into()));
    for server in &told.servers {
        // A renewed one keeps its place: the order is the routers'.
        match servers.iter().position(|(known, _)| known == server) {
            Some(place) => servers[place].1 = end,
            None if servers.len() < SERVERS => servers.push((*server, end)),
            None => {}
        }
    }
}

fn forget(known: &mut Known, now: Instant) {
    known.values_mut().for_each(|servers| servers.retain(|(_, end)| end.is_none_or(|end| end > now)));
    known.retain(|_, servers| !servers.is_empty());
}

/// The RDNSS options in what netlink delivers: messages, each padded to four octets.
fn messages(mut data: &[u8]) -> impl Iterator<Item = Told> {
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(data).ok()?;
        data = data.get((message.length() as usize).next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
    .filter(|message| message.message_type() == RTM_NEWNDUSEROPT)
    .flat_map(|message| options(message.payload()))
}

/// `struct nduseroptmsg` (family, padding, length of the options, index, ICMP type and code, padding), then options as of
/// RFC 4861, whose length counts eights.
fn options(body: &[u8]) -> Vec<Told> {
    let Some((header, rest)) = body.split_first_chunk::<MESSAGE>() else { return Vec::new() };
    let length = usize::from(u16::from_ne_bytes([header[2], header[3]]));
    let index = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    let Some(mut data) = rest.get(..length) else { return Vec::new() };
    let mut told = Vec::new();
    if i32::from(header[0]) != AF_INET6 || header[8] != ADVERTISEMENT {
        return told;
    }
    while let [option, eights, ..] = *data {
        let length = usize::from(eights) * 8;
        let Some((content, rest)) = data.split_at_checked(length).filter(|_| length > 0) else { break };
        data = rest;
        if option == RDNSS && length >= 24 {
            let lifetime = u32::from_be_bytes([content[4], content[5], content[6], content[7]]);
            let servers = content[8..].chunks_exact(16).filter_map(|octets| <[u8; 16]>::try_from(octets).ok());
            told.push(Told { index, lifetime, servers: servers.map(Ipv6Addr::from).collect() });
        }
    }
    told
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: &str = "2001:db8::53";
    const TWO: &str = "2001:db8::54";

    fn option(lifetime: u32, servers: &[&str]) -> Vec<u8> {
        let mut option = vec![RDNSS, 1 + 2 * servers.len() as u8, 0, 0];
        option.extend(lifetime.to_be_bytes());
        servers.iter().for_each(|server| option.extend(server.parse::<Ipv6Addr>().unwrap().octets()));
        option
    }

    fn message(index: u32, option: &[u8]) -> Vec<u8> {
        let mut body = vec![AF_INET6 as u8, 0];
        body.extend((option.len() as u16).to_ne_bytes());
        body.extend(index.to_ne_bytes());
        body.extend([ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0]);
        body.extend(option);
        // An attribute behind it: the router's address (NDUSEROPT_SRCADDR).
        body.extend([20, 0, 1, 0]);
        body.extend([0xfe; 16]);
        let length = size_of::<libc::nlmsghdr>() + body.len();
        let mut message = vec![0; length];
        let mut header = NetlinkBuffer::new(&mut message);
        header.set_length(length as u32);
        header.set_message_type(RTM_NEWNDUSEROPT);
        header.payload_mut().copy_from_slice(&body);
        message
    }

    fn known_after(known: &mut Known, message: &[u8], now: Instant) -> Vec<String> {
        messages(message).for_each(|told| learn(known, &told, now));
        forget(known, now);
        addresses(known).into_values().flatten().map(|server| server.to_string()).collect()
    }

    #[test]
    fn servers_live_as_long_as_the_router_says() {
        let start = Instant::now();
        let mut known = Known::new();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(known_after(&mut known, &message(2, &option(600, &[ONE, TWO])), start), [ONE, TWO]);
        assert_eq!(known_after(&mut known, &message(2, &option(900, &[TWO])), after(100)), [ONE, TWO]);
        assert_eq!(known_after(&mut known, &[], after(599)), [ONE, TWO]);
        assert_eq!(known_after(&mut known, &[], after(600)), [TWO]);
        assert_eq!(known_after(&mut known, &message(2, &option(0, &[TWO])), after(601)), [""; 0]);
        assert_eq!(known_after(&mut known, &message(2, &option(FOREVER, &[ONE])), after(602)), [ONE]);
        assert_eq!(known_after(&mut known, &[], after(1 << 33)), [ONE]);
    }

    #[test]
    fn several_messages_come_at_once_and_others_are_passed_over() {
        let mut other = message(3, &option(60, &[TWO]));
        other[4] = 16;
        let both = [message(2, &option(60, &[ONE])), other, message(4, &[31, 1, 0, 0, 0, 0, 0, 9])].concat();
        let told: Vec<Told> = messages(&both).collect();
        assert_eq!(told, [Told { index: 2, lifetime: 60, servers: vec![ONE.parse().unwrap()] }]);
    }

    #[test]
    fn a_link_full_of_routers_does_not_fill_the_memory() {
        let (mut known, now) = (Known::new(), Instant::now());
        for index in 0..1000u32 {
            for server in 0..20u32 {
                let server = Ipv6Addr::from(u128::from(server) + 1).to_string();
                known_after(&mut known, &message(index, &option(60, &[&server])), now);
            }
        }
        assert!(known.len() <= INTERFACES && known.values().all(|servers| servers.len() <= SERVERS));
    }

    proptest! {
        #[test]
        fn no_message_does_harm(at in 0usize..80, octet: u8, cut in 0usize..90, noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut message = message(2, &option(60, &[ONE]));
            if let Some(place) = message.get_mut(at) {
                *place = octet;
            }
            messages(&message).for_each(drop);
            messages(&message[..cut.min(message.len())]).for_each(drop);
            messages(&noise).for_each(drop);
        }
    }
}
