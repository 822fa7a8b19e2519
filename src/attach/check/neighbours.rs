//! Other interfaces of the same network, which may draw the queries to themselves or have answers dropped.

use super::{Served, Subject};
use crate::attach::advice;
use crate::attach::arp::{self, OfHost};
use crate::attach::finding::{Finding, Level};
use crate::attach::plan::Outcome;
use crate::attach::rivals::{self, Rival, Rivals};
use crate::attach::silent::{self, LOOSE, STRICT};
use crate::host::{GUESTS_BRIDGE, Link, Links};
use std::net::{IpAddr, Ipv4Addr};

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    let mut all: Vec<Rival> = Vec::new();
    for served in &subject.served {
        if let IpAddr::V4(ip) = served.address.ip {
            // Kernel sockets answer by whichever interface a query comes in.
            if !matches!(served.outcome, Outcome::Kernel { .. }) {
                all.extend(arp_flux(subject, served.link, ip, found));
            }
            // Nothing comes in at one that is for addresses alone.
            if !served.link.kind.is_for_addresses() {
                rp_filter(subject, served.link, ip, found);
            }
            other_segment(subject, served.link, ip, found);
        }
    }
    // A link that speaks ARP for several addresses is to be set once.
    let finding = |rival: &Rival| {
        // What is set by hand is gone with a boot, while the pair comes back.
        let written = |link: &&String| !subject.facts.quiet.contains(link) && !link.starts_with(GUESTS_BRIDGE);
        let missing: Vec<String> = rival.links.iter().filter(written).cloned().collect();
        let lasting = !subject.facts.pair.is_empty() && !missing.is_empty();
        let fix = if lasting { format!("{}\n{}", rival.fix(), advice::lasting_arp(&missing)) } else { rival.fix() };
        Finding::new(Level::Warn, "arp-flux", rival.text()).with_fix(fix)
    };
    found.extend(rivals::grouped(rivals::by_link(all)).iter().map(finding));
    later_bridges(subject, found);
}

/// Who speaks ARP for an address. That it is nobody, or that it cannot be told, is said at once.
fn arp_flux(subject: &Subject, carrier: &Link, ip: Ipv4Addr, found: &mut Vec<Finding>) -> Vec<Rival> {
    let links = &subject.facts.links;
    let Rivals { found: rivals, whole, read } = rivals::of(links, carrier, &links.segment(carrier), ip);
    if !whole {
        let why = "an Open vSwitch, or a bridge whose VLANs cannot be read, is on the way";
        let text = format!("who else answers ARP for {ip} cannot be told: {why}");
        found.push(perhaps(links, &rivals, text));
    } else if read && rivals.is_empty() {
        found.push(nobody(links, ip));
    }
    rivals
}

/// Nobody does where that can be seen. A card of a routed mesh answers for all of the host's addresses, wherever its cable leads.
fn nobody(links: &Links, ip: Ipv4Addr) -> Finding {
    let text = format!("no other interface answers ARP for {ip} or asks in its name");
    let answers = |link: &&Link| link.up && link.arp_ignore.is_some_and(arp::answers);
    let cards: Vec<&str> = links.unnumbered().filter(answers).map(|link| link.name.as_str()).collect();
    if cards.is_empty() {
        return Finding::new(Level::Ok, "arp-flux", text);
    }
    let why = "which have no network and may answer for an address of a routed mesh, would answer for it, too, if they led to its network";
    let fix: Vec<String> = cards.iter().map(|card| advice::sysctl(card, "arp_ignore", 1)).collect();
    let text = format!("{text}; {}, {why}; of one that does and is in no mesh, the command ends it", cards.join(", "));
    Finding::new(Level::Info, "arp-flux", text).with_fix(fix.join("\n"))
}

/// Which ports of an Open vSwitch hear the requests is not told: those that would answer are named, with the commands that end it.
fn perhaps(links: &Links, known: &[Rival], text: String) -> Finding {
    let answers = |link: &&Link| link.up && link.arp && link.arp_ignore.is_some_and(arp::answers);
    let takes = |link: &&Link| rivals::has_ipv4(link) || link.rp_filter.is_some_and(rivals::takes_any_sender);
    let at_switch = |link: &&Link| {
        link.kind.is_open_vswitch() && link.master.is_none()
            || links.ports(link).any(|port| port.kind.is_open_vswitch())
    };
    let others = links.iter().filter(|link| known.iter().all(|rival| !rival.links.contains(&link.name)));
    let found = others.filter(at_switch).filter(|link| answers(link) && takes(link));
    let names: Vec<String> = found.map(|link| link.name.clone()).collect();
    if names.is_empty() {
        return Finding::new(Level::Info, "arp-flux", text);
    }
    let text = format!("{text}; of {} each does that is in the same VLAN of the Open vSwitch", rivals::listed(&names));
    Finding::new(Level::Info, "arp-flux", text).with_fix(advice::arp_of(&names, &OfHost::of(links)))
}

/// Each guest with the Proxmox firewall on brings a bridge when it starts, which hears what our bridge hears, and takes it
/// away again; so what is set on bridges that are there does not last.
fn later_bridges(subject: &Subject, found: &mut Vec<Finding>) {
    let (facts, links) = (subject.facts, &subject.facts.links);
    let (Some(ignore), Some(filter)) = (facts.later.arp_ignore, facts.later.rp_filter) else { return };
    if !facts.proxmox && !links.iter().any(|link| link.name.starts_with(GUESTS_BRIDGE)) {
        return;
    }
    let at_bridges = |served: &&Served| {
        let bridges = links.segment(served.link).bridges;
        let switch =
            links.peer(served.link).and_then(|peer| links.master(peer)).filter(|link| link.kind.is_open_vswitch());
        let bridges = bridges.iter().filter_map(|&index| links.by_index(index));
        let names = bridges.chain(switch).map(|link| link.name.as_str());
        let names: Vec<&str> = names.filter(|name| !name.starts_with(GUESTS_BRIDGE)).collect();
        let matters = served.address.ip.is_ipv4() && !matches!(served.outcome, Outcome::Kernel { .. });
        (matters && !names.is_empty()).then(|| names.join(", "))
    };
    let Some((served, bridges)) = subject.served.iter().find_map(|served| Some((served, at_bridges(&served)?))) else {
        return;
    };
    let ip = served.address.ip;
    found.push(if arp::answers(ignore) && rivals::takes_any_sender(filter) {
        let text = format!(
            "a guest with the firewall on that starts later at {bridges} brings a bridge ({GUESTS_BRIDGE}…) that answers ARP \
             for {ip} with its own MAC ({}): queries then come in there and pass {} by",
            advice::in_force("net.ipv4.conf.default.", "arp_ignore", ignore, links.ipv4_all.arp_ignore),
            served.link.name
        );
        Finding::new(Level::Warn, "arp-later", text).with_fix(advice::arp_of_later_links(&OfHost::of(links)))
    } else {
        let text = format!("bridges that guests bring to {bridges} later do not answer ARP for {ip}");
        Finding::new(Level::Ok, "arp-later", text)
    });
}

/// An interface in the same network by its address that is another network by its segment: the kernel sends by one of them.
fn other_segment(subject: &Subject, carrier: &Link, ip: Ipv4Addr, found: &mut Vec<Finding>) {
    let links = &subject.facts.links;
    // Behind a port that is not forwarding nobody is in one segment with it, which link-down says.
    if links.pair_beyond(carrier).is_some_and(|port| !port.port.forwards()) {
        return;
    }
    let Some(out) = subject.facts.route(ip).and_then(|name| links.by_name(name)) else { return };
    let segment = links.segment(carrier);
    let apart = segment.whole && !segment.hears.contains(&out.index) && !rivals::may_meet(links, &segment, out);
    if out.index != carrier.index && apart && rivals::in_network(out, ip) {
        let (name, own) = (&out.name, &carrier.name);
        let text = format!(
            "{name} has an address in the network of {ip} and is not in one segment with {own}, and the route to that \
             network goes by {name}: what the kernel answers (TCP, and all that XDP leaves to it) does not come back to \
             clients at {own}; give one of the two another network"
        );
        found.push(Finding::new(Level::Warn, "other-segment", text));
    }
}

fn rp_filter(subject: &Subject, carrier: &Link, ip: Ipv4Addr, found: &mut Vec<Finding>) {
    let Some(mode) = carrier.rp_filter else { return };
    let name = &carrier.name;
    // Clients of the same network have the same route as the address itself.
    match subject.facts.route(ip) {
        Some(out) if mode == STRICT && out != name => {
            let text = format!(
                "{name} {} ({}): the route to the network of {ip} goes by {out}. TCP and all that XDP leaves to the kernel is \
                 dropped, too",
                silent::strict_drops(),
                advice::in_force("", "rp_filter", mode, subject.facts.links.ipv4_all.rp_filter)
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
