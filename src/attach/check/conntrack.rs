//! What queries cost that pass a bridge on their way to a veth pair: where bridged packets go through the host's firewall, the
//! connection tracking keeps an entry of each, although XDP answers it and no rule looks at it.

use super::{Served, Subject};
use crate::attach::advice::quoted;
use crate::attach::finding::{Finding, Level};
use crate::attach::{candidates, vlan_place, vlans};
use crate::host::{Conntrack, Kind, Link, Links, Passing};
use std::net::IpAddr;

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    let Some(tracking) = subject.facts.conntrack.filter(|tracking| tracking.count > 0) else { return };
    for served in subject.links() {
        found.extend(of(subject, served, &tracking));
    }
}

fn of(subject: &Subject, served: &Served, tracking: &Conntrack) -> Option<Finding> {
    let links = &subject.facts.links;
    if served
        .outcome
        .spots()
        .iter()
        .any(|spot| links.by_index(spot.index).is_none_or(|link| links.peer(link).is_none()))
    {
        return None;
    }
    let port = links.pair_beyond(served.link).filter(|_| !served.outcome.spots().is_empty())?;
    let bridge = links.master(port).filter(|bridge| bridge.kind == Kind::Bridge)?;
    let mut way = Way { links, seen: Vec::new(), entries: Vec::new() };
    way.walk(bridge, port, &|out| !tracking.tagged && comes_tagged(subject, served, bridge, out), tracking.tagged);
    let is_tracked = |ip: IpAddr| if ip.is_ipv4() { tracking.bridged_v4 } else { tracking.bridged_v6 };
    let addresses = served.decision.addresses.iter().filter(|(address, _)| is_tracked(address.ip));
    let (mut rules, mut are_there) = (Vec::new(), false);
    for (address, number) in addresses {
        for Entry { link, replies } in &way.entries {
            let passing = Passing { server: address.ip, port: *number, link: &link.name, replies: *replies };
            match subject.facts.untracked.iter().any(|rule| rule.covers(&passing)) {
                true => are_there = true,
                false => rules.push(rule(&passing)),
            }
        }
    }
    let (name, bridge, Conntrack { count, most, .. }) = (&served.link.name, &bridge.name, tracking);
    if rules.is_empty() {
        let text = format!("{name}: queries and answers pass {bridge} untracked, by rules of the table raw");
        return are_there.then(|| Finding::new(Level::Ok, "conntrack", text));
    }
    let is_filling = u64::from(*count) * 2 >= u64::from(*most);
    let text = format!(
        "{name}: what passes {bridge} is tracked (bridge-nf-call-iptables), so each query keeps an entry of the connection tracking \
         for half a minute; {count} of {most} are taken (nf_conntrack_max), and with none left the host drops what is new, not \
         DNS alone; these rules have queries from the network and their answers pass untracked, those of guests stay tracked"
    );
    let level = if is_filling { Level::Warn } else { Level::Info };
    Some(Finding::new(level, "conntrack", text).with_fix(rules.join("\n")))
}

fn rule(&Passing { server, port, link, replies }: &Passing) -> String {
    let program = if server.is_ipv4() { "iptables" } else { "ip6tables" };
    let which = if replies { format!("-s {server} --sport {port}") } else { format!("-d {server} --dport {port}") };
    let link = quoted(link);
    format!("{program} -t raw -I PREROUTING -m physdev --physdev-in {link} -p udp {which} -j CT --notrack")
}

/// A port at which queries, or the replies to them, come into a bridge.
struct Entry<'a> {
    link: &'a Link,
    replies: bool,
}

/// The bridges between a pair and the network. Between two of them the kernel forgets what it has of a packet, and each tracks it anew.
struct Way<'a> {
    links: &'a Links,
    seen: Vec<u32>,
    entries: Vec<Entry<'a>>,
}

impl<'a> Way<'a> {
    /// Walks on from `bridge`, which replies come into at `inner`. `passes_by`: of a port that leads out, whether queries have a tag
    /// there with which they are not tracked. Whether the network is there.
    fn walk(&mut self, bridge: &'a Link, inner: &'a Link, passes_by: &dyn Fn(&Link) -> bool, tagged: bool) -> bool {
        self.seen.push(bridge.index);
        let (links, place) = (self.links, self.entries.len());
        for port in links.ports(bridge).filter(|port| port.index != inner.index) {
            let leads_out = if is_uplink(port) { !passes_by(port) } else { self.walks_beyond(port, tagged) };
            if leads_out {
                self.entries.push(Entry { link: port, replies: false });
            }
        }
        let is_on_the_way = self.entries.len() > place;
        if is_on_the_way {
            self.entries.push(Entry { link: inner, replies: true });
        }
        is_on_the_way
    }

    /// By a veth pair to another bridge, as the SDN has it for a VLAN of a bridge that keeps none apart.
    fn walks_beyond(&mut self, port: &Link, tagged: bool) -> bool {
        let links = self.links;
        let Some(peer) = links.peer(port) else { return false };
        let Some(bridge) = links.master(peer).filter(|bridge| bridge.kind == Kind::Bridge) else { return false };
        if self.seen.contains(&bridge.index) {
            return false;
        }
        let inside = peer.vlans.as_ref().filter(|_| bridge.vlan_filtering == Some(true)).and_then(|table| table.pvid());
        let passes_by = |out: &Link| !tagged && vlans::at_port(bridge, out, inside).is_ok_and(|tag| tag.is_some());
        self.walk(bridge, peer, &passes_by, tagged)
    }
}

/// Whether a bridge's port leads to the network: a card or what stands on one, a port of an Open vSwitch, a tunnel. What guests have
/// is a tap or a veth.
fn is_uplink(port: &Link) -> bool {
    candidates::leads_down(port) || matches!(&port.kind, Kind::Other(kind) if kind != "tun")
}

/// Whether what is for the address has a VLAN tag where it enters the bridge.
fn comes_tagged(subject: &Subject, served: &Served, bridge: &Link, way: &Link) -> bool {
    let Some(at) = vlan_place::at_bridge(&subject.facts.links, served.link) else { return false };
    let inside = match vlan_place::place(&subject.facts.links, served.link) {
        Some(place) => place.vlan,
        None => at.tag,
    };
    vlans::at_port(bridge, way, inside).is_ok_and(|tag| tag.is_some())
}
