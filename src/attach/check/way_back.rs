//! Whether a route leads back to the clients of an address: what the kernel answers goes by it, and what XDP answers does not.

use super::{Served, Subject};
use crate::attach::advice::{self, quoted};
use crate::attach::finding::{Finding, Level};
use crate::attach::plan::Outcome;
use crate::host::{InterfaceAddress, Route, is_of_pair};
use std::net::IpAddr;

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
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
