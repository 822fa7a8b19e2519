//! Other links that speak ARP for an address of ours. Clients learn their MAC from that, and the queries come in there, past
//! the program: kernel sockets answer them, or a firewall drops them.
//!
//! With arp_ignore 0 Linux answers ARP for any address of the host on every link that hears the request, with that link's
//! own MAC, also where the link has no address at all: the bridge below a veth pair, the parent of a macvlan, the bridge that
//! a guest with the Proxmox firewall brings.
//!
//! A link with an address in the network draws queries in a second way. What the kernel answers may leave by it, and with
//! arp_announce below 2 it asks for the client's MAC in our address's name and with its own MAC, which the client learns. 1 is
//! not enough: our address is of its network (net/ipv4/arp.c, arp_solicit).

use super::advice;
use super::plan::{Outcome, Plan};
use crate::host::{Kind, Link, Links, Segment};
use std::net::{IpAddr, Ipv4Addr};

/// arp_announce: an ARP request names an address of the interface it leaves by, whatever the packet is sent from.
const ANNOUNCE_OWN: u32 = 2;

/// A link that speaks ARP for an address of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its name.
    pub link: String,
    /// What it does, and what comes of that.
    pub text: String,
    /// The commands that end it, a line each.
    pub fix: String,
}

/// The rivals for one address.
pub(super) struct Rivals {
    pub(super) found: Vec<Rival>,
    /// Whether all links that hear the requests are known.
    pub(super) whole: bool,
    /// Whether the settings of all of them could be read.
    pub(super) read: bool,
}

/// The rivals for all addresses that programs are to serve, each link once: what ends it for one address does for all.
pub fn rivals(plan: &Plan, links: &Links) -> Vec<Rival> {
    let mut all: Vec<Rival> = Vec::new();
    // Kernel sockets answer by whichever interface a query comes in.
    for decision in plan.decisions.iter().filter(|decision| !matches!(decision.outcome, Outcome::Kernel { .. })) {
        let Some(carrier) = links.by_index(decision.carrier) else { continue };
        let segment = links.segment(carrier);
        for (address, _) in &decision.addresses {
            let IpAddr::V4(ip) = address.ip else { continue };
            for rival in of(links, carrier, &segment, ip).found {
                if all.iter().all(|known| known.link != rival.link) {
                    all.push(rival);
                }
            }
        }
    }
    all
}

/// Those for an address of `carrier`, whose broadcast domain is `segment`.
pub(super) fn of(links: &Links, carrier: &Link, segment: &Segment, ip: Ipv4Addr) -> Rivals {
    let mut rivals = Rivals { found: Vec::new(), whole: segment.whole, read: true };
    for link in links.iter().filter(|link| link.index != carrier.index && link.up && link.arp) {
        let hears = segment.hears.contains(&link.index);
        // With the MAC of the carrier, as an ipvlan and its parent have one, all come to the same place.
        let counts = link.kind != Kind::Loopback && (link.mac != carrier.mac || carrier.mac.is_none());
        let meets = hears || in_network(link, ip) && (may_meet(links, segment, link) || behind_switch(segment, link));
        if !(counts && meets) {
            continue;
        }
        match does(link, ip) {
            Some(does) => rivals.found.extend(does.map(|does| rival(carrier, link, ip, &does, hears))),
            None => rivals.read = false,
        }
    }
    rivals
}

/// `does`: see [`does`].
fn rival(carrier: &Link, link: &Link, ip: Ipv4Addr, does: &str, hears: bool) -> Rival {
    let why = if in_network(link, ip) { " has an address in that network and" } else { "" };
    let outside = match hears {
        true => "",
        false if link.kind.is_open_vswitch() => " where both are in one VLAN of the Open vSwitch",
        false => " where both are cabled to one network",
    };
    let text = format!("{}{why} {does}{outside}: queries come in there and pass {} by", link.name, carrier.name);
    Rival { link: link.name.clone(), text, fix: advice::arp_for_itself_only(&link.name) }
}

/// What a link does about requests for an address that it hears and does not carry, with the settings that let it; nothing,
/// when it is silent. `None` when a setting is not known that decides it.
fn does(link: &Link, ip: Ipv4Addr) -> Option<Option<String>> {
    let (ignore, announce) = (link.arp_ignore?, link.arp_announce?);
    let asks = in_network(link, ip) && announce < ANNOUNCE_OWN;
    let takes = has_ipv4(link) || takes_any_sender(link.rp_filter?);
    Some(match (answers(ignore) && takes, asks) {
        (true, true) => {
            Some(format!("speaks ARP for {ip} with its own MAC (arp_ignore {ignore}, arp_announce {announce})"))
        }
        (true, false) => Some(format!("answers ARP for {ip} with its own MAC (arp_ignore {ignore})")),
        (false, true) => Some(format!("asks ARP in the name of {ip} with its own MAC (arp_announce {announce})")),
        (false, false) => None,
    })
}

/// Whether a link with this arp_ignore answers for addresses that it does not carry. 3 holds back only those of scope host,
/// and 4 to 7 mean nothing yet (net/ipv4/arp.c, arp_ignore).
pub(super) fn answers(ignore: u32) -> bool {
    !matches!(ignore, 1 | 2 | 8)
}

/// Whether a link without an address takes packets, and requests of ARP, from senders that no route leads back to by way of
/// it: with any rp_filter it does not (net/ipv4/fib_frontend.c, __fib_validate_source, last_resort).
pub(super) fn takes_any_sender(rp_filter: u32) -> bool {
    rp_filter == 0
}

/// Whether a link is a port of an Open vSwitch, and one is on the way of our segment: no link tells which of its ports are in one
/// VLAN.
fn behind_switch(ours: &Segment, link: &Link) -> bool {
    ours.open_vswitch && link.kind.is_open_vswitch()
}

/// Whether a link has an IPv4 address.
pub(super) fn has_ipv4(link: &Link) -> bool {
    link.addresses.iter().any(|address| address.ip.is_ipv4())
}

/// Whether a link has an IPv4 address whose network `ip` is in.
pub(super) fn in_network(link: &Link, ip: Ipv4Addr) -> bool {
    let mut others = link.addresses.iter().filter(|address| address.ip.is_ipv4() && address.ip != IpAddr::V4(ip));
    others.any(|address| address.covers(ip.into()))
}

/// Whether the broadcast domain of `link`, which is another one as far as can be seen from here, may be the same outside:
/// both leave this namespace, and not by the same cards, where they are two VLANs.
pub(super) fn may_meet(links: &Links, ours: &Segment, link: &Link) -> bool {
    let theirs = links.segment(link);
    !ours.ways_out.is_empty() && theirs.ways_out.iter().any(|way| !ours.ways_out.contains(way))
}
