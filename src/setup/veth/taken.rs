//! VLAN interfaces on the uplinks of a bridge, which take the frames of their VLAN there before the bridge gets them.

use super::hosts::Place;
use crate::host::{Kind, Link, VlanProtocol};
use crate::setup::SetupError;
use std::path::Path;

/// # Errors
/// At every uplink by which one of `vlans` comes, another interface has its frames: no query would come to the pair.
pub(super) fn come_to_bridge(place: &Place, vlans: &[u16]) -> Result<(), SetupError> {
    for &vlan in vlans {
        let Some((uplink, taker)) = taker(place, vlan) else { continue };
        let bridge = place.bridge;
        let cause = format!(
            "{taker} takes the frames of VLAN {vlan} that come in at {uplink} before {bridge} gets them: no query would come to the \
             pair"
        );
        let fix = match bridge_on(place, &taker).filter(|other| other != bridge) {
            Some(other) => format!("--bridge {other}, which stands on {taker}, and leave --vlan out"),
            None => format!(
                "make a bridge with `bridge-ports {taker}` and name that, without --vlan; or put what {taker} has on {bridge}.{vlan} \
                 and remove {taker}"
            ),
        };
        return Err(SetupError::new(Path::new(&format!("--vlan {vlan}")), &cause, &fix));
    }
    Ok(())
}

/// The first uplink and what takes the frames of a VLAN there; `None` where one uplink hands them to the bridge.
fn taker(place: &Place, vlan: u16) -> Option<(String, String)> {
    let mut first = None;
    for uplink in uplinks(place, vlan) {
        let taker = written(place, &uplink, vlan).or_else(|| live(place, &uplink, vlan))?;
        if bridge_on(place, &taker).is_some_and(|bridge| bridge == place.bridge) {
            return None;
        }
        first = first.or(Some((uplink, taker)));
    }
    first
}

/// The names of the uplinks by which a VLAN comes with its tag; of none, if it comes without one by any.
fn uplinks(place: &Place, vlan: u16) -> Vec<String> {
    if let Some(stanza) = place.stanza.filter(|stanza| stanza.complete) {
        if stanza.natives.iter().any(|(_, native)| *native == Some(vlan)) {
            return Vec::new();
        }
        let carries = stanza.uplinks().filter(|(_, ranges)| ranges.iter().any(|range| range.contains(&vlan)));
        return carries.map(|(uplink, _)| uplink.clone()).collect();
    }
    let Some((links, bridge)) = place.links.and_then(|links| Some((links, links.by_name(place.bridge)?))) else {
        return Vec::new();
    };
    let is_card = |port: &Link| matches!(port.kind, Kind::Physical | Kind::Bond { .. } | Kind::Vlan { .. });
    let leads_out = |port: &&Link| is_card(port) || live(place, &port.name, vlan).is_some();
    let table = |port: &Link| port.vlans.as_ref().map(|table| (table.carries(vlan), table.untags(vlan)));
    let ports = links.ports(bridge).filter(leads_out).map(|port| (port, table(port).unwrap_or((true, false))));
    let with_it: Vec<(&Link, bool)> =
        ports.filter(|(_, (carries, _))| *carries).map(|(port, (_, untags))| (port, untags)).collect();
    if with_it.iter().any(|(_, untags)| *untags) {
        return Vec::new();
    }
    with_it.into_iter().map(|(port, _)| port.name.clone()).collect()
}

fn written(place: &Place, uplink: &str, vlan: u16) -> Option<String> {
    let mut takers = place.interfaces.vlan_interfaces(uplink);
    takers.find(|(_, id)| *id == vlan).map(|(name, _)| name.to_owned())
}

fn live(place: &Place, uplink: &str, vlan: u16) -> Option<String> {
    let links = place.links?;
    Some(links.vlan_taker(links.by_name(uplink)?, VlanProtocol::Dot1q, vlan)?.name.clone())
}

/// The bridge that an interface is a port of.
fn bridge_on(place: &Place, port: &str) -> Option<String> {
    let live = || {
        let links = place.links?;
        Some(links.master(links.by_name(port)?)?.name.clone())
    };
    place.interfaces.bridge_of(port).map(str::to_owned).or_else(live)
}
