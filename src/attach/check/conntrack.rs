//! What queries cost that pass a bridge on their way to a veth pair: where bridged packets go through the host's firewall, the
//! connection tracking keeps an entry of each, although XDP answers it and no rule looks at it.

use super::{Served, Subject};
use crate::attach::advice::quoted;
use crate::attach::finding::{Finding, Level};
use crate::attach::{candidates, vlan_place, vlans};
use crate::host::{Conntrack, Kind, Link};

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
    let ways: Vec<&Link> = candidates::below(links, bridge).into_iter().filter(|way| way.index != port.index).collect();
    let tracked = |way: &&Link| tracking.tagged || !comes_tagged(subject, served, bridge, way);
    let ways: Vec<&Link> = ways.into_iter().filter(tracked).collect();
    let rules: Vec<String> = served
        .decision
        .addresses
        .iter()
        .filter(|(address, _)| if address.ip.is_ipv4() { tracking.bridged_v4 } else { tracking.bridged_v6 })
        .flat_map(|(address, number)| {
            let (ip, out) = (address.ip, format!("-s {} --sport {number}", address.ip));
            let program = if ip.is_ipv4() { "iptables" } else { "ip6tables" };
            let rule = move |link: &Link, which: &str| {
                let name = quoted(&link.name);
                format!("{program} -t raw -I PREROUTING -m physdev --physdev-in {name} -p udp {which} -j CT --notrack")
            };
            let come = ways.iter().map(move |way| rule(way, &format!("-d {ip} --dport {number}")));
            come.chain([rule(port, &out)]).collect::<Vec<_>>()
        })
        .collect();
    if rules.is_empty() || ways.is_empty() {
        return None;
    }
    let (name, bridge, Conntrack { count, most, .. }) = (&served.link.name, &bridge.name, tracking);
    let is_filling = u64::from(*count) * 2 >= u64::from(*most);
    let text = format!(
        "{name}: what passes {bridge} is tracked (bridge-nf-call-iptables), so each query keeps an entry of the connection tracking \
         for half a minute; {count} of {most} are taken (nf_conntrack_max), and with none left the host drops what is new, not \
         DNS alone; these rules have queries from the network and their answers pass untracked, those of guests stay tracked"
    );
    let level = if is_filling { Level::Warn } else { Level::Info };
    Some(Finding::new(level, "conntrack", text).with_fix(rules.join("\n")))
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
