//! Other interfaces of the same network, which may draw the queries to themselves or have answers dropped.

use super::Subject;
use crate::attach::advice;
use crate::attach::chain::Chain;
use crate::attach::finding::{Finding, Level};
use crate::attach::plan::Outcome;
use crate::host::{Kind, Link};
use std::net::{IpAddr, Ipv4Addr};

/// rp_filter in strict mode (RFC 3704): a packet must come in where its sender's route goes out.
const STRICT: u32 = 1;
/// rp_filter in loose mode.
const LOOSE: u32 = 2;
/// arp_announce: an ARP request names an address of the interface it leaves by, whatever the packet is sent from.
const ANNOUNCE_OWN: u32 = 2;

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    for served in &subject.served {
        if let IpAddr::V4(ip) = served.address.ip {
            // Kernel sockets answer by whichever interface a query comes in.
            if !matches!(served.outcome, Outcome::Kernel { .. }) {
                arp_flux(subject, served.link, ip, found);
            }
            rp_filter(subject, served.link, ip, found);
        }
    }
}

/// With arp_ignore 0 Linux answers ARP for any address of the host on every interface, with that interface's own MAC:
/// queries then come in there, where no program takes them. The bridge below a veth pair and the parent of a macvlan do so
/// even when they have no address at all.
///
/// An interface with an address in the network draws them in a second way. What the kernel answers may leave by it, and with
/// arp_announce below 2 it asks for the client's MAC in our address's name and with its own MAC, which the client learns.
/// 1 is not enough: our address is of its network (net/ipv4/arp.c, arp_solicit).
fn arp_flux(subject: &Subject, carrier: &Link, ip: Ipv4Addr, found: &mut Vec<Finding>) {
    let links = &subject.facts.links;
    let below = Chain::from(links, carrier).indices();
    let in_network = |link: &Link| {
        let mut others = link.addresses.iter().filter(|address| address.ip.is_ipv4() && address.ip != IpAddr::V4(ip));
        others.any(|address| address.covers(ip.into()))
    };
    // They hear the same broadcasts as the carrier does.
    let is_beside = |link: &Link| match (&carrier.kind, &link.kind) {
        (_, Kind::Bridge) => below.contains(&link.index),
        (Kind::Macvlan, _) => carrier.parent == Some(link.index),
        _ => false,
    };
    let candidates = links.iter().filter(|link| link.index != carrier.index && link.kind != Kind::Loopback && link.up);
    let others: Vec<&Link> = candidates.filter(|link| in_network(link) || is_beside(link)).collect();
    let mut sound = true;
    for link in others {
        let (Some(ignore), Some(announce)) = (link.arp_ignore, link.arp_announce) else {
            sound = false;
            continue;
        };
        let why = if in_network(link) { " has an address in that network and" } else { "" };
        let does = match (ignore, in_network(link) && announce < ANNOUNCE_OWN) {
            (0, false) => format!("answers ARP for {ip} with its own MAC (arp_ignore 0)"),
            (0, true) => format!("speaks ARP for {ip} with its own MAC (arp_ignore 0, arp_announce {announce})"),
            (_, true) => format!("asks ARP in the name of {ip} with its own MAC (arp_announce {announce})"),
            (_, false) => continue,
        };
        sound = false;
        let text = format!("{}{why} {does}: queries come in there and pass {} by", link.name, carrier.name);
        let fix = advice::arp_for_itself_only(&link.name);
        found.push(Finding::new(Level::Warn, "arp-flux", text).with_fix(fix));
    }
    if sound {
        let text = format!("no other interface answers ARP for {ip} or asks in its name");
        found.push(Finding::new(Level::Ok, "arp-flux", text));
    }
}

fn rp_filter(subject: &Subject, carrier: &Link, ip: Ipv4Addr, found: &mut Vec<Finding>) {
    let Some(mode) = carrier.rp_filter else { return };
    let name = &carrier.name;
    // Clients of the same network have the same route as the address itself.
    match subject.facts.route(ip) {
        Some(out) if mode == STRICT && out != name => {
            let text = format!(
                "{name} has strict rp_filter and the route to the network of {ip} goes by {out}: the kernel drops TCP \
                 and all that XDP leaves to it"
            );
            let fix = advice::sysctl(name, "rp_filter", LOOSE);
            found.push(Finding::new(Level::Warn, "rp-filter", text).with_fix(fix));
        }
        _ => found.push(Finding::new(
            Level::Ok,
            "rp-filter",
            format!("{name}: rp_filter {mode} drops nothing sent to {ip}"),
        )),
    }
}
