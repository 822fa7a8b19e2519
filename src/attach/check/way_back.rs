//! Whether a route leads back to the clients of an address: what the kernel answers goes by it, and what XDP answers does not.

use super::{Served, Subject};
use crate::attach::advice::{self, quoted};
use crate::attach::finding::{Finding, Level};
use crate::attach::plan::Outcome;
use crate::host::{AnswerWay, InterfaceAddress, Kind, Route, is_of_pair};
use std::net::IpAddr;

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    found.extend(subject.served.iter().filter_map(|served| by_rule(subject, served)));
    // Without any the table was not read, or the host is not in a network.
    if subject.facts.routes.is_empty() {
        return;
    }
    found.extend(subject.served.iter().filter_map(|served| of(subject, served)));
}

fn of(subject: &Subject, served: &Served) -> Option<Finding> {
    let IpAddr::V4(ip) = served.address.ip else { return None };
    // Its clients come in by other links, whose networks and gateways are the way back to them.
    if served.link.kind.is_for_addresses() {
        return None;
    }
    let best = subject.facts.best_route(ip);
    let cause = match best {
        Some(route) if route.is_refusal() => {
            let network = route.destination;
            let text = format!("the route to {}/{} takes nothing (blackhole or the like)", network.ip, network.prefix);
            (text, Some(format!("ip route del {}/{}", network.ip, network.prefix)))
        }
        Some(route) if route.destination.prefix > 0 || leads_there(subject, served, route) => return None,
        Some(route) => (
            format!("{}, and the default route goes by {}, elsewhere", no_network(served), route.link),
            mend(subject, served),
        ),
        None => (no_network(served), mend(subject, served)),
    };
    let (why, fix) = cause;
    let left = match served.outcome {
        Outcome::Kernel { .. } => "no answer goes back to clients there",
        _ => "UDP over XDP is answered, and TCP and all that XDP leaves to the kernel is not",
    };
    let text = format!("{ip} is on {} and has no way back to its clients: {why}: {left}", served.link.name);
    Some(Finding { fix, ..Finding::new(Level::Warn, "way-back", text) })
}

/// What rules of routing (ip-rule(8)) do with answers to the clients next to an address, where they send them another way than the
/// main table does, and one that does not lead there.
fn by_rule(subject: &Subject, served: &Served) -> Option<Finding> {
    let Served { address, link, .. } = served;
    let links = &subject.facts.links;
    // In a VRF all is asked of another table than the lookup was.
    let in_vrf = links.master(link).is_some_and(|master| matches!(master.kind, Kind::Other(_)));
    if link.kind.is_for_addresses() || in_vrf {
        return None;
    }
    let (ip, name) = (address.ip, &link.name);
    let segment = links.segment(link);
    let leads_there = |index: u32| index == link.index || segment.hears.contains(&index) || !segment.whole;
    let by_main = |to: IpAddr| subject.facts.best_route_of(to).and_then(|route| links.by_name(&route.link));
    let is_led_away = |answer: &&AnswerWay| {
        let away = !matches!(answer.way, Ok((out, _)) if leads_there(out));
        away && by_main(answer.to).is_some_and(|main| leads_there(main.index))
    };
    let AnswerWay { to, tcp, way, rule, .. } =
        subject.facts.answers.iter().filter(|answer| answer.from == ip).find(is_led_away)?;
    let why = match way {
        Ok((out, table)) => {
            let out = links.by_index(*out).map_or("another interface", |out| out.name.as_str());
            format!("send it out by {out} (table {table})")
        }
        Err(cause) => format!("lead it nowhere ({cause})"),
    };
    let left = match served.outcome {
        Outcome::Kernel { .. } => "no answer reaches them",
        _ => "UDP over XDP is answered, and TCP and all that XDP leaves to the kernel is not",
    };
    let over = if *tcp { " over TCP" } else { "" };
    let text = format!(
        "the rules of routing (`ip rule`) have a way of their own for what {ip} answers{over} to clients like {to} in its network, \
         at {name}, and {why}: {left}"
    );
    // A route in the table that the rule leads to would be the way of all that the rule is about, of the host's own traffic, too.
    let (program, before) =
        (if ip.is_ipv4() { "ip" } else { "ip -6" }, rule.map_or(1, |priority| priority.saturating_sub(1)));
    let fix = format!("{program} rule add from {ip} to {} lookup main priority {before}", address.subnet());
    Some(Finding::new(Level::Warn, "way-back", text).with_fix(fix))
}

/// Whether the default route goes out where the clients come in.
fn leads_there(subject: &Subject, served: &Served, route: &Route) -> bool {
    let links = &subject.facts.links;
    let out = links.by_name(&route.link);
    let hears = |index| index == served.link.index || links.segment(served.link).hears.contains(&index);
    out.is_none_or(|out| hears(out.index))
}

/// Why the main table has no route to the network of an address.
fn no_network(served: &Served) -> String {
    let InterfaceAddress { ip, prefix } = served.address;
    match prefix {
        32 => format!("{ip}/32 brings no route to a network, and no other interface has one"),
        _ => format!("there is no route to the network of {ip}/{prefix} (noprefixroute)"),
    }
}

/// The commands for it; LENGTH is to be replaced.
fn mend(subject: &Subject, served: &Served) -> Option<String> {
    let (InterfaceAddress { ip, prefix }, name) = (served.address, quoted(&served.link.name));
    Some(match (prefix, served.address.network()) {
        (32, _) | (_, None) => {
            let now = format!("ip address add {ip}/LENGTH dev {name}\nip address del {ip}/{prefix} dev {name}");
            // The file of --install gives it as it was with the next ifup.
            let anew = || advice::written_anew(&subject.facts.links, &subject.facts.pair, Some("LENGTH"));
            let lasting = is_of_pair(&served.link.name).then(anew).flatten();
            lasting.map_or(now.clone(), |lasting| format!("{now}\n{lasting}"))
        }
        (_, Some(network)) => format!("ip route add {network}/{prefix} dev {name} src {ip}"),
    })
}
