//! Which way the kernel's answers go to the clients of an address, by all the rules and tables of this host.

use super::links::Links;
use super::netlink::{Answer, Rule};
use super::{InterfaceAddress, netlink};
use rustix::io::Errno;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Their numbers in IP.
const UDP: u8 = libc::IPPROTO_UDP as u8;
const TCP: u8 = libc::IPPROTO_TCP as u8;
/// The table of this host's own addresses (linux/rtnetlink.h).
const LOCAL_TABLE: u32 = 255;

/// The way of answers from an address to a client in its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerWay {
    /// The address.
    pub from: IpAddr,
    /// The client.
    pub to: IpAddr,
    /// Over TCP, else over UDP.
    pub tcp: bool,
    /// The link that they leave by, by its index, and the number of the table that says so; or why they go nowhere, in the
    /// kernel's words.
    pub way: Result<(u32, u32), String>,
    /// The priority of the rule that led there, where that is known.
    pub rule: Option<u32>,
}

/// Those of the addresses that are listened at, of which a network is known: to any client there, and to one of each part that a
/// rule names. What goes one way is told once.
pub(super) fn ways(links: &Links, listen: &[SocketAddr]) -> Vec<AnswerWay> {
    let mut found: Vec<AnswerWay> = Vec::new();
    let [rules, rules6] = [true, false].map(|is_v4| netlink::rules(is_v4).unwrap_or_default());
    for own in links.iter().flat_map(|link| &link.addresses) {
        let Some(port) = port_at(listen, own.ip).filter(|_| !own.ip.is_loopback() && !own.is_link_local()) else {
            continue;
        };
        let rules = if own.ip.is_ipv4() { &rules } else { &rules6 };
        for (to, protocol) in clients(links, *own, rules).into_iter().flat_map(|to| [(to, UDP), (to, TCP)]) {
            let answer = Answer { from: own.ip, to, protocol, port };
            let way = match netlink::answer_way(&answer) {
                Ok(Some(way)) => Ok(way),
                Ok(None) => continue,
                Err(cause) => Err(refusal(&cause)),
            };
            if found.iter().any(|known| known.from == own.ip && known.way == way) {
                continue;
            }
            let leads = |rule: &&Rule| match &way {
                Ok((_, table)) => rule.table == *table,
                Err(_) => rule.table != LOCAL_TABLE,
            };
            let rule = rules.iter().filter(|rule| rule.takes(&answer)).find(leads).map(|rule| rule.priority);
            found.push(AnswerWay { from: own.ip, to, tcp: protocol == TCP, way, rule });
        }
    }
    found
}

/// The port that is listened at, at an address or at all.
fn port_at(listen: &[SocketAddr], ip: IpAddr) -> Option<u16> {
    let is_there = |socket: &&SocketAddr| {
        socket.ip() == ip || socket.ip().is_unspecified() && socket.ip().is_ipv4() == ip.is_ipv4()
    };
    listen.iter().find(is_there).map(SocketAddr::port)
}

/// One client of the network of an address, and one of each part of it that a rule is about.
fn clients(links: &Links, own: InterfaceAddress, rules: &[Rule]) -> Vec<IpAddr> {
    let parts = rules.iter().filter_map(|rule| rule.destination);
    let parts = parts
        .filter(|part| part.prefix > own.prefix && own.covers(part.ip))
        .filter_map(|part| client(links, part, own.ip));
    let mut clients: Vec<IpAddr> = client(links, own, own.ip).into_iter().chain(parts).collect();
    clients.dedup();
    clients
}

/// What a route that refuses is called in ip-route(8) (net/ipv4/fib_semantics.c, `fib_props`).
fn refusal(cause: &io::Error) -> String {
    match Errno::from_io_error(cause) {
        Some(Errno::INVAL) => "blackhole".to_owned(),
        Some(Errno::ACCESS) => "prohibit".to_owned(),
        Some(Errno::HOSTUNREACH) => "unreachable".to_owned(),
        _ => cause.to_string(),
    }
}

/// An address of a network that is not this host's, nor `not`.
fn client(links: &Links, own: InterfaceAddress, not: IpAddr) -> Option<IpAddr> {
    let near = |change: u8| match own.ip {
        IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() ^ u32::from(change)).into()),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() ^ u128::from(change)).into()),
    };
    let is_network = |ip: IpAddr| own.network().map(IpAddr::V4) == Some(ip) && own.prefix < 31;
    let is_broadcast = |ip: IpAddr| own.broadcast().map(IpAddr::V4) == Some(ip);
    let is_free =
        |ip: &IpAddr| *ip != not && !is_network(*ip) && !is_broadcast(*ip) && links.carriers(*ip).next().is_none();
    (0..=u8::MAX).map(near).filter(|ip| own.covers(*ip)).find(is_free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_of_the_network_and_nobody_here() {
        let client = |own: &str, prefix| {
            let own = InterfaceAddress { ip: own.parse().expect("an address"), prefix };
            clients(&crate::host::recorded::facts("reference").links, own, &[]).first().map(IpAddr::to_string)
        };
        assert_eq!(client("192.168.10.250", 24).as_deref(), Some("192.168.10.251"));
        assert_eq!(client("192.168.10.200", 24).as_deref(), Some("192.168.10.202"), "201 is br-rb's");
        assert_eq!(client("192.0.2.1", 30).as_deref(), Some("192.0.2.2"), "0 and 3 are nobody's");
        assert_eq!(client("192.0.2.1", 32), None);
        assert_eq!(client("fd53::1", 64).as_deref(), Some("fd53::"));
        assert_eq!(client("fd53::1", 128), None);
    }
}
