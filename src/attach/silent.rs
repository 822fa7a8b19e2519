//! Links that let nobody know their MAC: who has not learned it before sends nothing there. What the kernel does of ARP and why
//! is in its net/ipv4/arp.c, `arp_process`.

use super::advice;
use super::arp::{ANSWERS_FOR_ITSELF, IGNORES_ALL, IGNORES_OTHER_NETWORKS};
use super::cause::{Cause, Way};
use crate::host::{InterfaceAddress, Kind, Link, Links, Named};
use std::net::{IpAddr, Ipv4Addr};

/// rp_filter in strict mode (RFC 3704): a packet must come in where its sender's route goes out.
pub(super) const STRICT: u32 = 1;
/// rp_filter in loose mode.
pub(super) const LOOSE: u32 = 2;

/// The first of `addresses` whose MAC nobody gets to know at `link`, and why. `way`: by which link the host sends to an address.
pub(super) fn check(links: &Links, link: &Link, addresses: &[InterfaceAddress], way: Way) -> Option<(IpAddr, Cause)> {
    let first = addresses.first()?;
    if !link.arp && speaks_arp_by_nature(link) {
        let why = "speaks neither ARP nor neighbour discovery (NOARP): clients do not get to know its MAC".to_owned();
        return Some((first.ip, (why, Some(format!("ip link set {} arp on", advice::quoted(&link.name))))));
    }
    addresses.iter().find_map(|address| match address.ip {
        IpAddr::V4(ip) => Some((address.ip, of_ipv4(links, link, ip, address.prefix, way)?)),
        IpAddr::V6(_) => None,
    })
}

/// What is no Ethernet (a tunnel), or is made to carry addresses alone (dummy), is without it by nature.
fn speaks_arp_by_nature(link: &Link) -> bool {
    let is_ethernet = matches!(
        link.kind,
        Kind::Physical | Kind::Veth { .. } | Kind::Bridge | Kind::Bond { .. } | Kind::Vlan { .. } | Kind::Macvlan
    );
    is_ethernet && link.mac.is_some()
}

fn of_ipv4(links: &Links, link: &Link, ip: Ipv4Addr, prefix: u8, way: Way) -> Option<Cause> {
    let ignore = link.arp_ignore.unwrap_or(0);
    let of_all = &links.ipv4_all;
    if ignore == IGNORES_ALL || ignore == IGNORES_OTHER_NETWORKS && prefix == 32 {
        let whom = match ignore {
            IGNORES_ALL => "answers no ARP",
            _ => "answers ARP of senders in the address's own network alone, and as a /32 it has none",
        };
        let why = format!("{whom} (arp_ignore {ignore}): clients do not get to know its MAC");
        let by_all = of_all.arp_ignore == Some(ignore);
        return Some((why, Some(set(link, "arp_ignore", ANSWERS_FOR_ITSELF, by_all.then(|| for_all(links))))));
    }
    if link.arp_filter == Some(true) {
        let out = way(ip).filter(|out| !link.is_called(out))?;
        let why = format!(
            "answers no ARP (arp_filter 1): the route to the network of {ip} goes by {out}, so clients do not get to know its MAC"
        );
        return Some((why, Some(set(link, "arp_filter", 0, (of_all.arp_filter == Some(true)).then_some(0)))));
    }
    None
}

/// What keeps a link with strict rp_filter from answering ARP, as a packet whose sender's route goes by another link is dropped
/// (net/ipv4/fib_frontend.c, __fib_validate_source).
pub(super) fn strict(link: &Link, addresses: &[InterfaceAddress], way: Way) -> Option<(IpAddr, Cause)> {
    let drops = link.rp_filter == Some(STRICT) && !link.kind.is_for_addresses();
    addresses.iter().filter(|_| drops).find_map(|address| {
        let IpAddr::V4(ip) = address.ip else { return None };
        let out = way(ip).filter(|out| !link.is_called(out))?;
        let why = format!("{}: the route to the network of {ip} goes by {out}", strict_drops());
        Some((address.ip, (why, Some(advice::sysctl(&link.name, "rp_filter", LOOSE)))))
    })
}

/// What strict rp_filter does to clients whose route goes by another link.
pub(super) fn strict_drops() -> &'static str {
    "drops what clients send, requests of ARP too (rp_filter 1), so who does not know its MAC yet gets no answer, over UDP neither"
}

/// What all may have of arp_ignore: nothing where some must answer for an address that they do not carry.
fn for_all(links: &Links) -> u32 {
    if links.unnumbered().next().is_some() { 0 } else { ANSWERS_FOR_ITSELF }
}

/// The commands that set it for a link, and for all where that decides, too.
fn set(link: &Link, setting: &str, value: u32, of_all: Option<u32>) -> String {
    let own = advice::sysctl(&link.name, setting, value);
    of_all.map_or_else(|| own.clone(), |of_all| format!("{}\n{own}", advice::sysctl("all", setting, of_all)))
}
