//! Where an address's frames pass a bridge that keeps VLANs apart, and whether anybody is reached from there.

use super::advice::quoted;
use super::candidates;
use super::cause::Cause;
use crate::host::{BridgePortState, Kind, Link, Links, VlanTable};
use std::net::IpAddr;

/// Where a link's frames pass a bridge that keeps VLANs apart.
pub(super) struct Place<'a> {
    /// The bridge.
    pub bridge: &'a Link,
    /// The port; the bridge itself for its own.
    pub port: &'a Link,
    /// The port's VLANs.
    pub table: &'a VlanTable,
    /// The VLAN; `None` when the port drops what has no tag.
    pub vlan: Option<u16>,
}

/// Where a link's frames pass a bridge.
pub(super) struct AtBridge<'a> {
    /// The bridge.
    pub bridge: &'a Link,
    /// The port; the bridge itself for its own.
    pub port: &'a Link,
    /// The tag of the frames at the port.
    pub tag: Option<u16>,
}

/// Down from a link to the port by which it reaches a bridge.
pub(super) fn at_bridge<'a>(links: &'a Links, link: &'a Link) -> Option<AtBridge<'a>> {
    let (mut at, mut tag) = (link, None);
    while let Kind::Vlan { id } = at.kind {
        // Tagged twice: whose the outer tag is, is not followed.
        if tag.is_some() {
            return None;
        }
        (at, tag) = (links.parent(at)?, Some(id));
    }
    let port = if at.kind == Kind::Bridge { at } else { links.peer(at).unwrap_or(at) };
    let bridge = if port.kind == Kind::Bridge { Some(port) } else { links.master(port) };
    Some(AtBridge { bridge: bridge.filter(|bridge| bridge.kind == Kind::Bridge)?, port, tag })
}

/// Down from a link to the port by which it reaches one that keeps VLANs apart.
pub(super) fn place<'a>(links: &'a Links, link: &'a Link) -> Option<Place<'a>> {
    let AtBridge { bridge, port, tag } = at_bridge(links, link)?;
    let table = port.vlans.as_ref().filter(|_| bridge.vlan_filtering == Some(true))?;
    Some(Place { bridge, port, table, vlan: tag.or_else(|| table.pvid()) })
}

/// The VLAN in which `carrier`, which has `ip`, reaches other ports of its bridge, or why it reaches none.
pub(super) fn reached(links: &Links, place: &Place, carrier: &Link, ip: IpAddr) -> Result<u16, Cause> {
    let (port, bridge) = (&place.port.name, &place.bridge.name);
    let Some(vlan) = place.vlan else {
        let text = format!("{port} has no VLAN for frames without a tag: {bridge} drops all from and to {ip}");
        return Err((text, Some(set(place, "N", ""))));
    };
    if !place.table.carries(vlan) {
        let text = format!("{port} is not in VLAN {vlan}, in which {} has {ip}: {bridge} drops it", carrier.name);
        return Err((text, Some(format!("bridge vlan add dev {} vid {vlan}{}", quoted(port), own(place)))));
    }
    if let Some(cause) = stopped(links, place, vlan) {
        return Err(cause);
    }
    if with(links, place, vlan).next().is_some() {
        return Ok(vlan);
    }
    let text = format!("{port} is in VLAN {vlan} of {bridge} alone: nobody beyond {bridge} is reached from {ip}");
    Err(match open(links, place, vlan) {
        Some(fix) => (text, Some(fix)),
        None => (format!("{text}, until a guest's port is in it"), None),
    })
}

/// Why nothing of a VLAN passes at the port, or at any other that is in it, although they are: each VLAN of a port has a state of
/// its own.
pub(super) fn stopped(links: &Links, place: &Place, vlan: u16) -> Option<Cause> {
    let bridge = &place.bridge.name;
    let state = |port: &Link| port.vlans.as_ref().map_or(BridgePortState::Forwarding, |table| table.state(vlan));
    let set = |port: &Link, own: &str| format!("bridge vlan set dev {} vid {vlan}{own} state 3", quoted(&port.name));
    // Nobody sets by hand what a spanning tree decides (net/bridge/br_vlan_options.c, `br_vlan_modify_state`).
    let by_hand = !place.bridge.spanning_tree && !place.bridge.multiple_trees;
    let own_state = place.table.state(vlan);
    if own_state != BridgePortState::Forwarding {
        let (port, word) = (&place.port.name, own_state.word());
        let text = format!("{port} is {word} in VLAN {vlan} of {bridge}: nothing of it passes there");
        return Some((text, by_hand.then(|| set(place.port, own(place)))));
    }
    let others: Vec<&Link> = with(links, place, vlan).collect();
    if others.is_empty() || others.iter().any(|other| state(other) == BridgePortState::Forwarding) {
        return None;
    }
    let which: Vec<String> = others.iter().map(|other| format!("{} is {}", other.name, state(other).word())).collect();
    let lines: Vec<String> = others.iter().map(|other| set(other, "")).collect();
    let text = format!(
        "no other port of {bridge} lets VLAN {vlan} pass ({}): nobody beyond {bridge} is reached from there",
        which.join(", ")
    );
    Some((text, by_hand.then(|| lines.join("\n"))))
}

/// The other ports of the bridge that are in a VLAN.
pub(super) fn with<'a>(links: &'a Links, place: &Place, vlan: u16) -> impl Iterator<Item = &'a Link> {
    let own = place.port.index;
    let is_in = move |link: &&Link| link.vlans.as_ref().is_none_or(|table| table.carries(vlan));
    links.ports(place.bridge).filter(move |other| other.index != own).filter(is_in)
}

/// bridge(8) wants to be told when the bridge's own port is meant.
fn own(place: &Place) -> &'static str {
    if place.port.kind == Kind::Bridge { " self" } else { "" }
}

/// Puts the port into another VLAN, without tags.
pub(super) fn set(place: &Place, to: &str, from: &str) -> String {
    let (port, own) = (quoted(&place.port.name), own(place));
    let leave = if from.is_empty() { String::new() } else { format!("\nbridge vlan del dev {port} vid {from}{own}") };
    format!("bridge vlan add dev {port} vid {to} pvid untagged{own}{leave}")
}

/// Lets the VLAN out by the ports that lead out; `None` on a bridge of guests alone.
fn open(links: &Links, place: &Place, vlan: u16) -> Option<String> {
    let ports = candidates::below(links, place.bridge).into_iter();
    let lines: Vec<String> =
        ports.map(|port| format!("bridge vlan add dev {} vid {vlan}", quoted(&port.name))).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
