//! What Proxmox makes for guests when they start, and no file of this host has: no place for a pair.

use super::hosts::Place;
use crate::config::site::VLANS;
use crate::host::{Kind, Link, Links};
use crate::number;
use crate::setup::{Run, SetupError};
use std::path::Path;

/// What the names begin with of what a guest's card is made of on the host, each with the guest's number behind it.
const OF_ONE: [&str; 5] = ["fwbr", "fwln", "fwpr", "tap", "veth"];

/// Whether an interface of this name comes and goes with guests. `is_bridge`: of a name, whether it is a bridge.
pub(super) fn is_of_guests(name: &str, is_bridge: impl Fn(&str) -> bool) -> bool {
    guest(name).is_some() || per_vlan(name, is_bridge).is_some()
}

/// # Errors
/// The bridge is one that Proxmox makes for guests. What to make instead is said before.
pub(super) fn is_lasting(run: &mut Run, place: &Place) -> Result<(), SetupError> {
    let name = place.bridge;
    let what = format!("--bridge {name}");
    if let Some(guest) = guest(name) {
        let cause = format!("comes and goes with guest {guest}: the pair would be cut off whenever that stops");
        let fix = match place.links.and_then(|links| behind(links, name)) {
            Some(bridge) => format!("--bridge {bridge}, where the guest's card is"),
            None => "name the bridge that the guest's card is at (`bridge=` of its net0)".to_owned(),
        };
        return Err(SetupError::new(Path::new(&what), &cause, &fix));
    }
    let is_bridge = |name: &str| {
        place.interfaces.bridge(name).is_some() || place.links.is_some_and(|links| is_live_bridge(links, name))
    };
    let Some((bridge, vlan)) = per_vlan(name, is_bridge).filter(|_| place.stanza.is_none()) else { return Ok(()) };
    let (own, port) = (free_bridge(place), ports_in(place, bridge, vlan));
    if !run.prints {
        run.note("a bridge of your own on that VLAN is, in /etc/network/interfaces:");
        bridge_stanza(&own, &port).iter().for_each(|line| run.note(&format!("    {line}")));
        run.note(&format!(
            "then `ifreload -a`, and `bridge={own}` without `tag={vlan}` for the guests of VLAN {vlan}: Proxmox starts none at {bridge} \
             with that tag while another bridge has {port}"
        ));
    }
    let cause = format!(
        "is what Proxmox makes of {bridge} for guests with `tag={vlan}` when the first of them starts, and no file has it: the pair \
         would have no bridge after a boot"
    );
    let fix = format!(
        "give runbound a bridge of its own with `bridge-ports {port}`, or write `bridge-vlan-aware yes` below `iface {bridge}` and \
         name --bridge {bridge} --vlan {vlan}"
    );
    Err(SetupError::new(Path::new(&what), &cause, &fix))
}

/// The lines of interfaces(5) that make a bridge.
pub(super) fn bridge_stanza(bridge: &str, port: &str) -> [String; 5] {
    [
        format!("auto {bridge}"),
        format!("iface {bridge} inet manual"),
        format!("    bridge-ports {port}"),
        "    bridge-stp off".into(),
        "    bridge-fd 0".into(),
    ]
}

/// The number of the guest whose card an interface of this name is of: `fwbr100i0`.
fn guest(name: &str) -> Option<u32> {
    let rest = OF_ONE.iter().find_map(|start| name.strip_prefix(start))?;
    let (guest, card) = rest.split_once(['i', 'p', 'o'])?;
    number::read(card, 0..=u32::MAX).ok()?;
    number::read(guest, 1..=u32::MAX).ok()
}

/// The bridge and the VLAN that a bridge of this name is for: `vmbr0v10`, and `lanv10` where there is a bridge `lan`.
fn per_vlan(name: &str, is_bridge: impl Fn(&str) -> bool) -> Option<(&str, u16)> {
    let (bridge, vlan) = name.rsplit_once('v')?;
    let usual = bridge.strip_prefix("vmbr").is_some_and(|number| number::read(number, 0..=u32::MAX).is_ok());
    let vlan = number::read(vlan, VLANS).ok()?;
    (usual || is_bridge(bridge)).then_some((bridge, vlan))
}

/// A name for a bridge of runbound's own that no bridge has.
fn free_bridge(place: &Place) -> String {
    let is_taken = |name: &String| {
        let live = || place.links.is_some_and(|links| links.by_name(name).is_some());
        place.interfaces.bridge(name).is_some() || live()
    };
    let mut names = std::iter::once("br-rb".to_owned()).chain((2..).map(|number| format!("br-rb{number}")));
    names.find(|name| !is_taken(name)).unwrap_or_default()
}

/// The ports that a bridge in `vlan` has beside `bridge`: a VLAN interface on each uplink of that.
pub(super) fn ports_in(place: &Place, bridge: &str, vlan: u16) -> String {
    if let Some(port) = uplink(place, vlan) {
        return port;
    }
    let leads_out = |port: &&Link| matches!(port.kind, Kind::Physical | Kind::Bond { .. } | Kind::Vlan { .. });
    // One that is in a VLAN itself stands on the uplink.
    let is_vlan = |text: &str| number::read(text, VLANS).is_ok();
    let uplink = |port: &String| {
        port.rsplit_once('.').filter(|(_, id)| is_vlan(id)).map_or(port.clone(), |(on, _)| on.to_owned())
    };
    let written = place.interfaces.bridge(bridge).filter(|stanza| stanza.complete && !stanza.ports.is_empty());
    let live = || {
        let links = place.links?;
        Some(links.ports(links.by_name(bridge)?).filter(leads_out).map(|port| port.name.clone()).collect::<Vec<_>>())
    };
    let ports = written.map(|stanza| stanza.ports.into_iter().map(|(port, _)| port).collect()).or_else(live);
    let ports: Vec<String> = ports.unwrap_or_default().iter().map(|port| format!("{}.{vlan}", uplink(port))).collect();
    // Of a bridge without an uplink the administrator knows where the VLAN is.
    if ports.is_empty() { format!("PORT.{vlan}") } else { ports.join(" ") }
}

/// The bridge beyond a guest's firewall.
fn behind(links: &Links, name: &str) -> Option<String> {
    let mut at = links.by_name(name)?;
    // The guest's end, its bridge, the pair, the bridge that is asked for: in a topology that bites its tail no further.
    for _ in 0..4 {
        if at.kind == Kind::Bridge {
            let beyond = links.ports(at).filter_map(|port| links.peer(port)).find(|peer| peer.master.is_some());
            let Some(peer) = beyond else { break };
            at = peer;
        }
        at = links.master(at)?;
        if !is_of_guests(&at.name, |name| is_live_bridge(links, name)) {
            return Some(at.name.clone());
        }
    }
    None
}

/// Whether a bridge of this name is there now.
pub(super) fn is_live_bridge(links: &Links, name: &str) -> bool {
    links.by_name(name).is_some_and(|link| link.kind == Kind::Bridge)
}

/// The VLAN interface by which such a bridge goes out.
fn uplink(place: &Place, vlan: u16) -> Option<String> {
    let links = place.links?;
    let bridge = links.by_name(place.bridge)?;
    links.ports(bridge).find(|port| port.kind == Kind::Vlan { id: vlan }).map(|port| port.name.clone())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::recorded;

    #[test]
    fn names_of_guests_are_known() {
        for (name, number) in
            [("fwbr100i0", 100), ("fwln100o1", 100), ("fwpr1001p0", 1001), ("tap7i12", 7), ("veth101i0", 101)]
        {
            assert_eq!(guest(name), Some(number), "{name}");
        }
        for name in ["vmbr0", "br-rb", "vnet1", "veth-rb", "vethi0", "tap0", "fwbr", "tap1ix", "veth12"] {
            assert!(!is_of_guests(name, |_| false), "{name}");
        }
        let is_lan = |name: &str| name == "lan";
        let known = [("vmbr0v10", ("vmbr0", 10)), ("vmbr12v4094", ("vmbr12", 4094)), ("lanv10", ("lan", 10))];
        for (name, expected) in known {
            assert_eq!(per_vlan(name, is_lan), Some(expected));
        }
        for name in ["vmbr0v0", "vmbrv10", "vmbr0v", "brv10", "vmbr0v4095", "lanv0", "lanv", "wlanv10"] {
            assert_eq!(per_vlan(name, is_lan), None, "{name}");
        }
    }

    #[test]
    fn the_bridge_of_the_guest_is_the_one_to_name() {
        let links = recorded::facts("firewall").links;
        for name in ["fwbr100i0", "tap100i0", "fwln100i0", "fwpr100p0", "veth101i0"] {
            assert_eq!(behind(&links, name).as_deref(), Some("br-rb"), "{name}");
        }
        assert_eq!(behind(&recorded::facts("mesh").links, "tap101i0"), None);
    }
}
