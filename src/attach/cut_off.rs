//! Links of served addresses at which nothing can come in: they are down, or the other end of their veth pair leads nowhere.

use super::plan::Plan;
use super::{advice, is_global};
use crate::host::{Kind, Link, Links, PAIR};
use std::net::{IpAddr, SocketAddr};

/// A link that nobody outside reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// Its name.
    pub link: String,
    /// What it carries, and why nothing comes in there.
    pub text: String,
    /// The commands that end it, a line each, where some do.
    pub fix: Option<String>,
}

/// Those among the links that carry served addresses.
pub fn cut_off(plan: &Plan, listen: &[SocketAddr], links: &Links) -> Vec<CutOff> {
    let carried = plan.decisions.iter().filter_map(|decision| {
        let ips: Vec<IpAddr> = decision.addresses.iter().map(|(address, _)| address.ip).collect();
        of(links, links.by_index(decision.carrier)?, &ips, listen)
    });
    carried.collect()
}

/// Whether `link`, which carries `ips`, is one. Where the other end of a veth pair leads is known of ours, and told of those
/// whose address is among `listen` by itself: of others, a program may have that end.
pub(super) fn of(links: &Links, link: &Link, ips: &[IpAddr], listen: &[SocketAddr]) -> Option<CutOff> {
    let named = ips.iter().find(|ip| listen.iter().any(|socket| socket.ip() == **ip));
    let ip = named.or(ips.first())?;
    let (why, fix) = if !link.up {
        not_up(links, link)
    } else if !link.carrier {
        without_carrier(links, link)
    } else if named.is_some() || is_ours(links, link) {
        behind_pair(links, link)?
    } else {
        return None;
    };
    Some(CutOff { link: link.name.clone(), text: format!("{} carries {ip} and {why}", link.name), fix })
}

/// Whether a link is an end of a pair that `--install` or the commands of a finding make, or stands on one.
fn is_ours(links: &Links, link: &Link) -> bool {
    std::iter::once(link).chain(links.below(link)).any(|lower| lower.name.starts_with(PAIR))
}

/// Why, and what ends it.
type Cause = (String, Option<String>);

/// The kernel takes a VLAN down with what it stands on, and does not let it be up before that.
fn not_up(links: &Links, link: &Link) -> Cause {
    let mut down: Vec<&str> = links.below(link).filter(|lower| !lower.up).map(|lower| lower.name.as_str()).collect();
    let why = down.first().map_or("is not up".to_owned(), |lower| format!("is not up, as {lower} below it is not"));
    down.insert(0, &link.name);
    let commands: Vec<String> = down.iter().rev().map(|name| format!("ip link set {name} up")).collect();
    (why, Some(commands.join("\n")))
}

fn without_carrier(links: &Links, link: &Link) -> Cause {
    let lower = links.below(link).find(|lower| !lower.up).map(|lower| (lower, format!("{} below it", lower.name)));
    let peer = || links.pair_beyond(link).filter(|peer| !peer.up);
    match lower.or_else(|| peer().map(|peer| (peer, format!("its peer {}", peer.name)))) {
        Some((other, what)) => {
            (format!("has no carrier: {what} is not up"), Some(format!("ip link set {} up", other.name)))
        }
        None => {
            let why = "has no carrier: a cable is out, or its peer, ports or parent are down; nothing comes in there";
            (why.to_owned(), None)
        }
    }
}

/// What is wrong at the other end of the veth pair that `link` is an end of, or stands on. An end with an address, or with links on
/// it, leads to those.
fn behind_pair(links: &Links, link: &Link) -> Option<Cause> {
    let peer = links.pair_beyond(link)?;
    match links.master(peer) {
        Some(bridge) if bridge.kind == Kind::Bridge => behind_bridge(links, bridge, peer),
        Some(_) => None,
        None if peer.master.is_some() || has_address(peer) || links.uppers(peer).next().is_some() => None,
        None => {
            let why = format!(
                "the other end of its pair, {}, is in no bridge: nothing comes in there, unless a program has that end",
                peer.name
            );
            Some((why, Some(advice::join(peer))))
        }
    }
}

fn behind_bridge(links: &Links, bridge: &Link, peer: &Link) -> Option<Cause> {
    let name = &bridge.name;
    if !bridge.up {
        let why = format!("{name}, the bridge of its pair, is not up: nothing comes in there");
        return Some((why, Some(format!("ip link set {name} up"))));
    }
    let others: Vec<&Link> = links.ports(bridge).filter(|port| port.index != peer.index).collect();
    // A bridge that is the gateway of guests has no port before the first is started.
    if others.iter().any(|port| port.up && port.carrier) || others.is_empty() && has_address(bridge) {
        return None;
    }
    let names: Vec<&str> = others.iter().map(|port| port.name.as_str()).collect();
    let which = if names.is_empty() { "it has none".to_owned() } else { names.join(", ") };
    let why =
        format!("no other port of {name}, the bridge of its pair, is up ({which}): nobody beyond this host is reached");
    let down: Vec<String> =
        others.iter().filter(|port| !port.up).map(|port| format!("ip link set {} up", port.name)).collect();
    Some((why, (!down.is_empty()).then(|| down.join("\n"))))
}

fn has_address(link: &Link) -> bool {
    link.addresses.iter().any(|address| is_global(address.ip))
}
