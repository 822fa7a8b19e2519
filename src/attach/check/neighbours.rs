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
    let answering: Vec<&&Link> = others.iter().filter(|link| link.arp_ignore == Some(0)).collect();
    for link in &answering {
        let why = if in_network(link) { " has an address in that network and" } else { "" };
        let text = format!(
            "{}{why} answers ARP for {ip} with its own MAC (arp_ignore 0): queries come in there and pass {} by",
            link.name, carrier.name
        );
        let fix = advice::sysctl(&link.name, "arp_ignore", 1);
        found.push(Finding::new(Level::Warn, "arp-flux", text).with_fix(fix));
    }
    if answering.is_empty() && others.iter().all(|link| link.arp_ignore.is_some()) {
        let text = format!("no other interface answers ARP for {ip}");
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
