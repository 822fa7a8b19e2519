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
use super::arp::{ANNOUNCE_OWN, OfHost, answers};
use super::plan::{Outcome, Plan};
use super::taken;
use crate::host::{GUESTS_BRIDGE, Kind, Link, Links, Segment};
use std::net::{IpAddr, Ipv4Addr};

/// Links that do the same about requests of ARP for addresses of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Their names: one, or those of bridges of guests.
    pub links: Vec<String>,
    /// The addresses that are meant.
    ips: Vec<Ipv4Addr>,
    /// The links that carry them.
    carriers: Vec<String>,
    speech: Speech,
    /// Whether each has an address in the network of ours.
    in_network: bool,
    /// Where that comes to a client, beside what can be seen from here.
    outside: &'static str,
    /// What else there is of ARP on the host.
    host: OfHost,
}

/// What a link does about requests for an address that it does not carry, with the settings that let it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Speaks { ignore: u32, announce: u32 },
    Answers { ignore: u32 },
    Asks { announce: u32 },
}

impl Rival {
    /// Who does what, and what comes of that.
    pub fn text(&self) -> String {
        let ips: Vec<String> = self.ips.iter().map(Ipv4Addr::to_string).collect();
        let (links, ips, carriers) = (listed(&self.links), listed(&ips), listed(&self.carriers));
        let each = if self.links.len() > 1 { ": each" } else { "" };
        let why = if self.in_network { " has an address in that network and" } else { "" };
        let ignore = |value| advice::in_force("", "arp_ignore", value, self.host.all.arp_ignore);
        let announce = |value| advice::in_force("", "arp_announce", value, self.host.all.arp_announce);
        let does = match self.speech {
            Speech::Speaks { ignore: answers, announce: asks } => {
                format!("speaks ARP for {ips} with its own MAC ({}, {})", ignore(answers), announce(asks))
            }
            Speech::Answers { ignore: answers } => {
                format!("answers ARP for {ips} with its own MAC ({})", ignore(answers))
            }
            Speech::Asks { announce: asks } => {
                format!("asks ARP in the name of {ips} with its own MAC ({})", announce(asks))
            }
        };
        let outside = self.outside;
        format!("{links}{each}{why} {does}{outside}: queries come in there and pass {carriers} by")
    }

    /// The commands that end it, a line each. Of bridges that come and go with guests, also for those that come later.
    pub fn fix(&self) -> String {
        advice::arp_of(&self.links, &self.host)
    }

    /// How sure it is and how much it does, to be compared.
    fn weight(&self) -> (bool, bool) {
        (self.outside.is_empty(), matches!(self.speech, Speech::Speaks { .. }))
    }

    /// The same with what `other` does for addresses of its own, if it is the same link and does the same.
    fn joins_addresses(&mut self, other: &Self) -> bool {
        let Self { links, speech, in_network, outside, .. } = other;
        let is_same =
            (&self.links, self.speech, self.in_network, self.outside) == (links, *speech, *in_network, *outside);
        if is_same {
            add_missing(&mut self.ips, &other.ips);
            add_missing(&mut self.carriers, &other.carriers);
        }
        is_same
    }

    /// The same with the links of `other`, if all of both are bridges of guests and do the same.
    fn joins_links(&mut self, other: &Self) -> bool {
        let guests = |rival: &Self| rival.links.iter().all(|link| link.starts_with(GUESTS_BRIDGE));
        let is_same = guests(self) && guests(other) && *self == Self { links: self.links.clone(), ..other.clone() };
        if is_same {
            add_missing(&mut self.links, &other.links);
        }
        is_same
    }
}

fn add_missing<T: Clone + PartialEq>(all: &mut Vec<T>, more: &[T]) {
    more.iter().for_each(|one| {
        if !all.contains(one) {
            all.push(one.clone())
        }
    });
}

/// `a`, `a and b`, `a, b and 38 more`.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [first, second, rest @ ..] if !rest.is_empty() => format!("{first}, {second} and {} more", rest.len()),
        few => few.join(" and "),
    }
}

/// Each link once, for all addresses for which it does the same, else for those where it does most: what ends it for one address
/// does for all.
pub(super) fn by_link(all: impl IntoIterator<Item = Rival>) -> Vec<Rival> {
    joined(all, |known, rival| {
        let is_same = known.links == rival.links;
        if is_same && !known.joins_addresses(rival) && rival.weight() > known.weight() {
            *known = rival.clone();
        }
        is_same
    })
}

/// The bridges of guests that do the same in one, for a host has as many as it has guests.
pub fn grouped(all: impl IntoIterator<Item = Rival>) -> Vec<Rival> {
    joined(all, Rival::joins_links)
}

fn joined(all: impl IntoIterator<Item = Rival>, joins: impl Fn(&mut Rival, &Rival) -> bool) -> Vec<Rival> {
    let mut few: Vec<Rival> = Vec::new();
    for rival in all {
        if !few.iter_mut().any(|known| joins(known, &rival)) {
            few.push(rival);
        }
    }
    few
}

/// The rivals for one address.
pub(super) struct Rivals {
    pub(super) found: Vec<Rival>,
    /// Whether all links that hear the requests are known.
    pub(super) whole: bool,
    /// Whether the settings of all of them could be read, and whether all that matters is told by them.
    pub(super) read: bool,
}

/// The rivals for all addresses that programs are to serve, each link once.
pub fn rivals(plan: &Plan, links: &Links) -> Vec<Rival> {
    let mut all: Vec<Rival> = Vec::new();
    // Kernel sockets answer by whichever interface a query comes in.
    for decision in plan.decisions.iter().filter(|decision| !matches!(decision.outcome, Outcome::Kernel { .. })) {
        let Some(carrier) = links.by_index(decision.carrier) else { continue };
        let segment = links.segment(carrier);
        for (address, _) in &decision.addresses {
            let IpAddr::V4(ip) = address.ip else { continue };
            all.extend(of(links, carrier, &segment, ip).found);
        }
    }
    by_link(all)
}

/// Those for an address of `carrier`, whose broadcast domain is `segment`.
pub(super) fn of(links: &Links, carrier: &Link, segment: &Segment, ip: Ipv4Addr) -> Rivals {
    // What has the frames before the bridge is the one that answers: to be silenced only when they come to us.
    if taken::before_bridge(links, carrier).is_some() {
        return Rivals { found: Vec::new(), whole: true, read: false };
    }
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
            Some(speech) => rivals.found.extend(
                speech.map(|speech| Rival { host: OfHost::of(links), ..rival(carrier, link, ip, speech, hears) }),
            ),
            None => rivals.read = false,
        }
    }
    rivals
}

fn rival(carrier: &Link, link: &Link, ip: Ipv4Addr, speech: Speech, hears: bool) -> Rival {
    let outside = match hears {
        true => "",
        false if link.kind.is_open_vswitch() => " where both are in one VLAN of the Open vSwitch",
        false => " where both are cabled to one network",
    };
    let (links, carriers) = (vec![link.name.clone()], vec![carrier.name.clone()]);
    let host = OfHost::default();
    Rival { links, ips: vec![ip], carriers, speech, in_network: in_network(link, ip), outside, host }
}

/// What a link does about requests for an address that it hears and does not carry; nothing, when it is silent. `None` when a
/// setting is not known that decides it.
fn does(link: &Link, ip: Ipv4Addr) -> Option<Option<Speech>> {
    let (ignore, announce) = (link.arp_ignore?, link.arp_announce?);
    let asks = in_network(link, ip) && announce != ANNOUNCE_OWN;
    let takes = has_ipv4(link) || takes_any_sender(link.rp_filter?);
    Some(match (answers(ignore) && takes, asks) {
        (true, true) => Some(Speech::Speaks { ignore, announce }),
        (true, false) => Some(Speech::Answers { ignore }),
        (false, true) => Some(Speech::Asks { announce }),
        (false, false) => None,
    })
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
