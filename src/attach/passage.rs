//! What a bridge lets pass between a port of it, or the host itself, and the others.

use super::advice::quoted;
use super::cause::{Cause, has_address};
use crate::host::{BridgePortState, InterfaceAddress, Link, Links};
use std::net::IpAddr;

/// Why nothing comes from another port of `bridge` to `port`, which is the end of a pair; `None` where something may.
pub(super) fn to_port(links: &Links, bridge: &Link, port: &Link) -> Option<Cause> {
    let (name, own) = (&bridge.name, &port.name);
    if !port.port.forwards() {
        let (why, fix) = blocked(bridge, port);
        return Some((format!("{own}, the port of its pair at {name}, {why}: nothing comes in there"), fix));
    }
    if !port.port.admits {
        let why = format!(
            "{own}, the port of its pair at {name}, is locked, and {name} knows no MAC there: it drops what comes from the pair, so \
             no answer reaches anybody"
        );
        return Some((why, Some(unlock(port))));
    }
    let others: Vec<&Link> = links.ports(bridge).filter(|other| other.index != port.index).collect();
    through(bridge, Some(port), &others)
}

/// The first of `addresses` behind the port that is not asked for there, and why: IPv4 is asked for by broadcast, IPv6 by
/// multicast.
pub(super) fn unasked(bridge: &Link, port: &Link, addresses: &[InterfaceAddress]) -> Option<(IpAddr, Cause)> {
    let (name, own, settings) = (&bridge.name, &port.name, port.port);
    let first = |is_v4: bool| addresses.iter().map(|address| address.ip).find(|ip| ip.is_ipv4() == is_v4);
    let flood = if settings.floods { "" } else { " flood on" };
    let fix = |what: &str| Some(format!("bridge link set dev {} {what} on{flood}", quoted(own)));
    let no = |what: &str| format!("{name} sends no {what} to {own}, the port of its pair");
    if let Some(ip) = first(true).filter(|_| !settings.broadcasts) {
        let why = format!(
            "{} (bcast_flood off): no request of ARP comes in there, so clients do not get to know its MAC",
            no("broadcasts")
        );
        return Some((ip, (why, fix("bcast_flood"))));
    }
    let ip = first(false).filter(|_| !settings.multicasts)?;
    let why = format!(
        "{} (mcast_flood off): without a multicast querier on the network no neighbour solicitation comes in there, so clients do \
         not get to know its MAC",
        no("multicasts")
    );
    Some((ip, (why, fix("mcast_flood"))))
}

/// Why nothing comes from any port of `bridge` to itself.
pub(super) fn to_bridge(links: &Links, bridge: &Link) -> Option<Cause> {
    let ports: Vec<&Link> = links.ports(bridge).collect();
    // Of one whose ports are all down, or that has none, the carrier tells.
    let any = ports.iter().any(|port| port.up && port.carrier);
    through(bridge, None, &ports).filter(|_| any)
}

/// Whether what keeps all from `port`, or from `bridge` itself, is that the spanning tree lets nothing pass yet.
pub(super) fn waits(links: &Links, bridge: &Link, port: Option<&Link>) -> bool {
    let is_waiting = |port: &Link| bridge.spanning_tree && port.port.state.passes() && port.up && port.carrier;
    match port {
        Some(port) if !port.port.forwards() => is_waiting(port),
        Some(port) => {
            to_port(links, bridge, port).is_some()
                && links.ports(bridge).any(|other| other.index != port.index && is_waiting(other))
        }
        None => to_bridge(links, bridge).is_some() && links.ports(bridge).any(is_waiting),
    }
}

/// Why nothing passes from one of `others` to `port`, or to the bridge itself.
fn through(bridge: &Link, port: Option<&Link>, others: &[&Link]) -> Option<Cause> {
    let name = &bridge.name;
    let passes =
        |other: &&&Link| other.port.admits && port.map_or(other.port.forwards(), |port| other.port.reaches(&port.port));
    // A bridge that is the gateway of guests has no port before the first is started.
    let is_gateway = others.is_empty() && has_address(bridge);
    if is_gateway || others.iter().filter(|other| other.up && other.carrier).any(|other| passes(&other)) {
        return None;
    }
    let (mut which, mut fix) = (Vec::new(), Vec::new());
    for other in others {
        let (state, command) = match port {
            _ if !other.up => (None, Some(format!("ip link set {} up", quoted(&other.name)))),
            _ if !other.carrier => (None, None),
            _ if !other.port.forwards() => {
                let (why, fix) = blocked(bridge, other);
                (Some(why), fix)
            }
            _ if !other.port.admits => (Some(format!("is locked, and {name} knows no MAC there")), Some(unlock(other))),
            Some(port) => {
                let command = format!("bridge link set dev {} isolated off", quoted(&port.name));
                (Some(format!("is isolated, as {} is", port.name)), Some(command))
            }
            None => (None, None),
        };
        which.push(state.map_or_else(|| other.name.clone(), |state| format!("{} {state}", other.name)));
        fix.extend(command.filter(|command| !fix.contains(command)));
    }
    let which = if which.is_empty() { "it has none".to_owned() } else { which.join(", ") };
    let is_any_up = others.iter().any(|other| other.up && other.carrier);
    let why = match (port, is_any_up) {
        (Some(_), false) => format!("no other port of {name}, the bridge of its pair, is up ({which})"),
        (Some(_), true) => {
            format!("no other port of {name}, the bridge of its pair, lets anything pass to it ({which})")
        }
        (None, _) => format!("no port of it lets anything pass ({which})"),
    };
    Some((format!("{why}: nobody beyond this host is reached"), (!fix.is_empty()).then(|| fix.join("\n"))))
}

/// Has a port let in everybody; who is let in by name (802.1X) is an entry of the bridge.
fn unlock(port: &Link) -> String {
    format!("bridge link set dev {} locked off", quoted(&port.name))
}

/// What a port's state does, and what ends it. The kernel lets no state be set by hand while its spanning tree is on
/// (net/bridge/br_netlink.c, `br_set_port_state`).
fn blocked(bridge: &Link, port: &Link) -> Cause {
    let (name, own, word) = (&bridge.name, quoted(&port.name), port.port.state.word());
    let by_hand = format!("bridge link set dev {own} state 3");
    match (port.port.state, bridge.spanning_tree) {
        (_, false) => (format!("is {word}"), Some(by_hand)),
        (state, true) if state.passes() => {
            let why = format!(
                "is {word}: the spanning tree of {name} lets nothing pass there before twice its forward delay (15 s unless it was \
                 set) is over; only where {name} has no second way out, it is to be switched off"
            );
            (why, Some(format!("ip link set {} type bridge stp_state 0\n{by_hand}", quoted(name))))
        }
        (BridgePortState::Disabled, true) => {
            (format!("is {word}"), Some(format!("ip link set {own} down\nip link set {own} up")))
        }
        (_, true) => (format!("is {word}: the spanning tree of {name} takes another way"), None),
    }
}
