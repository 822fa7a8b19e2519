//! VLAN interfaces on a bridge's port that take the frames of their VLAN there before the bridge sees them.

use super::advice::{self, quoted};
use super::candidates;
use super::cause::{Cause, has_address};
use super::vlan_place::{AtBridge, at_bridge};
use crate::host::{InterfaceAddress, Kind, Link, Links, VlanProtocol, is_of_pair};

/// Bridges on the way, at most: a topology may bite its tail.
const DEEPEST: u32 = 4;

/// Who takes the frames of a VLAN, and where.
pub(super) struct Taken<'a> {
    pub(super) vlan: u16,
    /// The bridge's port that they come in at.
    pub(super) port: &'a Link,
    pub(super) taker: &'a Link,
    /// The name of the bridge that does not get them.
    bridge: &'a str,
}

/// Who has the frames for `link` before its bridge, at every way that leads out of there; `None` where one way is free.
pub(super) fn before_bridge<'a>(links: &'a Links, link: &'a Link) -> Option<Taken<'a>> {
    find(links, link, DEEPEST)
}

fn find<'a>(links: &'a Links, link: &'a Link, depth: u32) -> Option<Taken<'a>> {
    let at = at_bridge(links, link).filter(|at| !stands_on_port(links, link, at))?;
    let mut first = None;
    for port in links.ports(at.bridge).filter(|port| port.index != at.port.index) {
        let Some(tag) = tag_at(&at, port) else { continue };
        let direct = tag.and_then(|vlan| taker(links, &at.bridge.name, port, vlan));
        // A VLAN of another bridge has what that gets: of the SDN's vnets, for one.
        let further = || (depth > 0 && matches!(port.kind, Kind::Vlan { .. })).then(|| find(links, port, depth - 1))?;
        match direct.or_else(further) {
            // What comes in there by way of the taker is of the bridge, too.
            Some(taken) if taken.taker.master == Some(at.bridge.index) => return None,
            Some(taken) => first = first.or(Some(taken)),
            None if candidates::leads_down(port) => return None,
            None => {}
        }
    }
    first
}

/// Whether the link is itself what takes frames before the bridge.
fn stands_on_port(links: &Links, link: &Link, at: &AtBridge) -> bool {
    at.port.kind != Kind::Bridge && links.below(link).any(|lower| lower.index == at.port.index)
}

/// The tag of our frames at a port of the bridge; `None` where there are none.
fn tag_at(at: &AtBridge, port: &Link) -> Option<Option<u16>> {
    if at.bridge.vlan_filtering != Some(true) {
        return Some(at.tag);
    }
    let vlan = at.tag.or_else(|| at.port.vlans.as_ref()?.pvid())?;
    match &port.vlans {
        Some(table) if !table.carries(vlan) => None,
        Some(table) if table.untags(vlan) => Some(None),
        _ => Some(Some(vlan)),
    }
}

/// The VLAN interface for `vlan` on a port of the switch or bridge `bridge`.
pub(super) fn taker<'a>(links: &'a Links, bridge: &'a str, port: &'a Link, vlan: u16) -> Option<Taken<'a>> {
    let taker = links.vlan_taker(port, VlanProtocol::Dot1q, vlan)?;
    Some(Taken { vlan, port, taker, bridge })
}

impl Taken<'_> {
    /// That nothing comes to `address` of `link`, and what ends it. `pair`: the addresses of the pair that `--install` made.
    pub(super) fn cause(
        &self,
        links: &Links,
        link: &Link,
        address: InterfaceAddress,
        pair: &[InterfaceAddress],
    ) -> Cause {
        let Self { vlan, port, taker, bridge } = self;
        let (name, way, ip) = (&taker.name, &port.name, address.ip);
        let text = format!(
            "{name} takes the frames of VLAN {vlan} that come in at {way} before {bridge} gets them: nothing from beyond {way} comes \
             to {ip} on {}",
            link.name
        );
        let above = links.master(taker).filter(|master| master.kind == Kind::Bridge);
        if let Some(above) = above.map(|above| above.name.as_str()) {
            let text = format!("{text}; the bridge that has them is {above}");
            let by_hand = || Some(join(links, links.peer(link)?, above));
            let has_pair = !pair.is_empty() || links.iter().any(|link| is_of_pair(&link.name));
            let anew = || advice::install_at(address, above).filter(|_| !has_pair);
            return match advice::reinstall(links, link, (above, None), pair).or_else(by_hand).or_else(anew) {
                Some(fix) => (text, Some(fix)),
                None => (format!("{text}: make a second pair there (docs/proxmox.md)"), None),
            };
        }
        if taker.master.is_none() && !has_address(taker) && links.uppers(taker).next().is_none() {
            return (format!("{text}, and nothing is on {name}"), Some(format!("ip link del {}", quoted(name))));
        }
        let text = format!(
            "{text}; make a bridge on {name} and put the pair there (--install … --bridge), or put what {name} has on \
             {bridge}.{vlan} and remove {name}"
        );
        (text, None)
    }
}

/// Why nothing comes to `address` of a link, where that is it.
pub(super) fn cause(links: &Links, link: &Link, address: InterfaceAddress, pair: &[InterfaceAddress]) -> Option<Cause> {
    Some(before_bridge(links, link)?.cause(links, link, address, pair))
}

/// The commands that make the end of a pair a port of another bridge.
fn join(links: &Links, port: &Link, bridge: &str) -> String {
    let name = quoted(&port.name);
    let is_switched = links.master(port).is_some_and(|master| master.kind.is_open_vswitch());
    let leave = if is_switched { format!("ovs-vsctl --timeout=10 del-port {name}\n") } else { String::new() };
    format!("{leave}ip link set {name} master {}", quoted(bridge))
}
