//! Links of served addresses at which nothing can come in: they are down, or the other end of their veth pair leads nowhere.

use super::advice::quoted;
use super::cause::{Cause, Outside, has_address};
use super::plan::{Decision, Plan};
use super::{advice, candidates, is_global, passage, silent, taken, vlan_place};
use crate::host::{Detection, GUESTS_BRIDGE, InterfaceAddress, Kind, Link, Links, PAIR};
use std::net::{IpAddr, SocketAddr};

/// A link that nobody outside reaches, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// Its name, or the address.
    pub link: String,
    /// What it carries, and why nothing comes in there.
    pub text: String,
    /// The commands that end it, a line each, where some do.
    pub fix: Option<String>,
    /// It is over by itself before long: the spanning tree of a bridge lets nothing pass yet.
    pub waits: bool,
}

/// Those among the links that carry served addresses.
pub fn cut_off(plan: &Plan, listen: &[SocketAddr], links: &Links, outside: Outside) -> Vec<CutOff> {
    let carried = plan.decisions.iter().filter_map(|decision| {
        let link = links.by_index(decision.carrier)?;
        let addresses = addresses(decision, listen);
        let strict = || Some(told(link, silent::strict(link, &addresses, outside.way)?));
        let taken = || taken_away(links, link, *addresses.first()?);
        let no_vlan = || in_no_vlan(links, link, addresses.first()?.ip);
        of(links, decision, listen, outside).or_else(taken).or_else(no_vlan).or_else(strict)
    });
    carried.collect()
}

/// The addresses among those to listen at that another host of the network has as well, each by itself.
pub fn duplicates(listen: &[SocketAddr], links: &Links) -> Vec<CutOff> {
    let mut found = Vec::new();
    for link in links.iter() {
        let wanted = |ip: IpAddr| {
            listen
                .iter()
                .any(|socket| socket.ip() == ip || socket.ip().is_unspecified() && socket.is_ipv6() && is_global(ip))
        };
        let failed = |address: &&InterfaceAddress| link.detection(address.ip) == Some(Detection::Failed);
        for address in link.addresses.iter().filter(failed).filter(|address| wanted(address.ip)) {
            let (ip, name, dev) = (address.ip, &link.name, quoted(&link.name));
            found.push(CutOff {
                link: ip.to_string(),
                text: format!(
                    "{ip} is on {name} and not in use: another host of the network has it (duplicate address detection failed), so \
                     nothing is answered here; once it is taken from that one, it is to be given anew"
                ),
                fix: Some(format!("ip address del {address} dev {dev}\n{}", advice::add_address(links, *address, name))),
                waits: false,
            });
        }
    }
    found
}

/// Whether the link that `decision` is about is one. Where the other end of a veth pair leads is known of ours, and told of those
/// whose address is among `listen` by itself: of others, a program may have that end. Not for a strict rp_filter, which has a
/// finding of its own.
pub(super) fn of(links: &Links, decision: &Decision, listen: &[SocketAddr], outside: Outside) -> Option<CutOff> {
    let link = links.by_index(decision.carrier)?;
    let addresses = addresses(decision, listen);
    let ip = addresses.first()?.ip;
    let (cause, waits) = if !link.up {
        ((ip, not_up(links, link)), false)
    } else if !link.carrier {
        ((ip, without_carrier(links, link)), false)
    } else if let Some(cause) = silent::check(links, link, &addresses, outside.way) {
        (cause, false)
    } else if link.kind == Kind::Bridge {
        ((ip, passage::to_bridge(links, link)?), passage::waits(links, link, None))
    } else if is_named(ip, listen) || is_ours(links, link) {
        (behind_pair(links, link, &addresses, outside)?, pair_waits(links, link))
    } else {
        return None;
    };
    Some(CutOff { waits, ..told(link, cause) })
}

/// Something has its frames before its bridge. The check has the finding of a port's VLAN for that.
fn taken_away(links: &Links, link: &Link, address: InterfaceAddress) -> Option<CutOff> {
    let (text, fix) = taken::cause(links, link, address, &[])?;
    Some(CutOff { link: link.name.clone(), text, fix, waits: false })
}

/// Its port at a bridge that keeps VLANs apart is in none in which somebody else is. Where that waits for a guest, it is as it
/// should be. The check has a finding of its own for that.
fn in_no_vlan(links: &Links, link: &Link, ip: IpAddr) -> Option<CutOff> {
    let place = vlan_place::place(links, link)?;
    let (text, fix) = vlan_place::reached(links, &place, link, ip).err()?;
    let is_stopped = || place.vlan.is_some_and(|vlan| vlan_place::stopped(links, &place, vlan).is_some());
    (fix.is_some() || is_stopped()).then(|| CutOff { link: link.name.clone(), text, fix, waits: false })
}

fn told(link: &Link, (ip, (why, fix)): (IpAddr, Cause)) -> CutOff {
    CutOff { link: link.name.clone(), text: format!("{} carries {ip} and {why}", link.name), fix, waits: false }
}

/// Those of a decision, the ones that are to be listened at by themselves before the others.
fn addresses(decision: &Decision, listen: &[SocketAddr]) -> Vec<InterfaceAddress> {
    let mut addresses: Vec<InterfaceAddress> = decision.addresses.iter().map(|(address, _)| *address).collect();
    addresses.sort_by_key(|address| !is_named(address.ip, listen));
    addresses
}

fn is_named(ip: IpAddr, listen: &[SocketAddr]) -> bool {
    listen.iter().any(|socket| socket.ip() == ip)
}

/// Whether a link is an end of a pair that `--install` or the commands of a finding make, or stands on one.
pub(super) fn is_ours(links: &Links, link: &Link) -> bool {
    std::iter::once(link).chain(links.below(link)).any(|lower| lower.name.starts_with(PAIR))
}

/// The kernel takes a VLAN down with what it stands on, and does not let it be up before that.
fn not_up(links: &Links, link: &Link) -> Cause {
    let mut down: Vec<&str> = links.below(link).filter(|lower| !lower.up).map(|lower| lower.name.as_str()).collect();
    let why = down.first().map_or("is not up".to_owned(), |lower| format!("is not up, as {lower} below it is not"));
    down.insert(0, &link.name);
    let commands: Vec<String> = down.iter().rev().map(|name| format!("ip link set {} up", quoted(name))).collect();
    (why, Some(commands.join("\n")))
}

fn without_carrier(links: &Links, link: &Link) -> Cause {
    let lower = links.below(link).find(|lower| !lower.up).map(|lower| (lower, format!("{} below it", lower.name)));
    let peer = || links.pair_beyond(link).filter(|peer| !peer.up);
    match lower.or_else(|| peer().map(|peer| (peer, format!("its peer {}", peer.name)))) {
        Some((other, what)) => {
            (format!("has no carrier: {what} is not up"), Some(format!("ip link set {} up", quoted(&other.name))))
        }
        None => {
            let why = "has no carrier: a cable is out, or its peer, ports or parent are down; nothing comes in there";
            (why.to_owned(), None)
        }
    }
}

/// What is wrong at the other end of the veth pair that `link` is an end of, or stands on. An end with an address, or with links on
/// it, leads to those.
fn behind_pair(
    links: &Links,
    link: &Link,
    addresses: &[InterfaceAddress],
    outside: Outside,
) -> Option<(IpAddr, Cause)> {
    let ip = addresses.first()?.ip;
    let peer = links.pair_beyond(link)?;
    match links.master(peer) {
        Some(bridge) if bridge.kind == Kind::Bridge => {
            let cause = behind_bridge(links, bridge, peer).map(|cause| (ip, cause));
            cause.or_else(|| passage::unasked(bridge, peer, addresses))
        }
        Some(_) => None,
        None if peer.master.is_some() || has_address(peer) || links.uppers(peer).next().is_some() => None,
        None => {
            let why = format!(
                "the other end of its pair, {}, is in no bridge: nothing comes in there, unless a program has that end",
                peer.name
            );
            Some((ip, (why, Some(advice::join(peer, meant(links, ip, (outside.bridge)(&peer.name)))))))
        }
    }
}

/// The bridge that the end of a pair with `ip` is meant to be a port of: the one that it was a port of, else the one bridge with an
/// address in that network, else the one that leads to a network.
fn meant(links: &Links, ip: IpAddr, before: Option<String>) -> Option<&Link> {
    let bridges = || {
        let is_bridge = |link: &&Link| link.kind == Kind::Bridge && !link.name.starts_with(GUESTS_BRIDGE);
        links.iter().filter(is_bridge)
    };
    let in_network = |bridge: &&Link| bridge.addresses.iter().any(|own| own.ip != ip && own.covers(ip));
    let before = before.and_then(|name| bridges().find(|bridge| bridge.name == name));
    before
        .or_else(|| only(bridges().filter(in_network)))
        .or_else(|| only(bridges().filter(|bridge| links.ports(bridge).any(candidates::leads_down))))
}

fn only<'a>(mut found: impl Iterator<Item = &'a Link>) -> Option<&'a Link> {
    found.next().filter(|_| found.next().is_none())
}

/// Whether what is wrong behind the pair is that its bridge lets nothing pass yet.
fn pair_waits(links: &Links, link: &Link) -> bool {
    let Some(peer) = links.pair_beyond(link) else { return false };
    let bridge = links.master(peer).filter(|bridge| bridge.kind == Kind::Bridge && bridge.up);
    bridge.is_some_and(|bridge| passage::waits(links, bridge, Some(peer)))
}

fn behind_bridge(links: &Links, bridge: &Link, peer: &Link) -> Option<Cause> {
    let name = &bridge.name;
    if !bridge.up {
        let why = format!("{name}, the bridge of its pair, is not up: nothing comes in there");
        return Some((why, Some(format!("ip link set {} up", quoted(name)))));
    }
    passage::to_port(links, bridge, peer)
}
