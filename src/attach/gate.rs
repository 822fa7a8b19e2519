//! What stands in a frame's way from the place of a program up to the link that carries the address. What the kernel would not
//! have delivered is not to be answered either.

use super::candidates;
use super::vlans;
use crate::host::{BridgePortState, Kind, Link, Links};

/// Why nothing that comes in at the link of index `place` is delivered at `carrier` now; `None` where it is.
pub(super) fn shut(links: &Links, carrier: &Link, place: u32) -> Option<String> {
    down_to(links, carrier, None, place, &mut Vec::new()).flatten()
}

/// Walks down from `link`, where the frames have `vlan` as their tag; `None` where `place` is not below.
fn down_to(links: &Links, link: &Link, vlan: Option<u16>, place: u32, seen: &mut Vec<u32>) -> Option<Option<String>> {
    if link.index == place {
        return Some(None);
    }
    if seen.contains(&link.index) {
        return None;
    }
    seen.push(link.index);
    let inside = vlans::inside(link, vlan).ok()?;
    candidates::below(links, link).into_iter().find_map(|lower| {
        let tag = vlans::at_port(link, lower, inside).ok()?;
        let below = down_to(links, lower, tag, place, seen)?;
        // Its own address is none of this host's while a link is down, and its VLANs, ports and the like get nothing.
        let down = (!link.up).then(|| format!("{} is not up", link.name));
        Some(down.or_else(|| blocked(link, lower, inside)).or(below))
    })
}

/// What a bridge drops between itself and a port, of its own VLAN `inside` (net/bridge/br_input.c, `br_handle_frame`;
/// br_vlan.c, `br_allowed_ingress` and `br_allowed_egress`).
fn blocked(bridge: &Link, port: &Link, inside: Option<u16>) -> Option<String> {
    if bridge.kind != Kind::Bridge {
        return None;
    }
    let (name, own) = (&bridge.name, &port.name);
    // The bridge has closed such a port.
    if !port.carrier {
        return Some(format!("{own}, a port of {name}, has no carrier"));
    }
    if !port.port.forwards() {
        return Some(format!("{own}, a port of {name}, is {}", port.port.state.word()));
    }
    let id = inside.filter(|_| bridge.vlan_filtering == Some(true))?;
    let state = |link: &Link| link.vlans.as_ref().map(|table| table.state(id));
    let stops = |link: &Link| state(link).filter(|state| *state != BridgePortState::Forwarding);
    let at_port = stops(port).map(|state| format!("{own}, a port of {name}, is {} in VLAN {id}", state.word()));
    at_port.or_else(|| stops(bridge).map(|state| format!("{name} itself is {} in its VLAN {id}", state.word())))
}

#[cfg(test)]
mod tests {
    use crate::attach::plan::{Plan, plan};
    use crate::config::Config;
    use crate::host::{BridgePortState, Link, Links, VlanRange, VlanTable, recorded};

    const ADDRESS: &str = "192.168.10.250";

    /// The plan with programs on cards, `ADDRESS` being carried by `carrier` alone.
    fn on_cards(record: &str, carrier: &str, change: impl Fn(&mut Link)) -> Plan {
        let mut links: Vec<Link> = recorded::facts(record).links.iter().cloned().collect();
        let address = links.iter().find_map(|link| link.address(ADDRESS.parse().unwrap())).unwrap();
        for link in &mut links {
            link.addresses.retain(|own| own.ip != address.ip);
            link.addresses.extend((link.name == carrier).then_some(address));
            change(link);
        }
        let mut config = Config::default();
        config.xdp.physical = true;
        plan(&config, &[format!("{ADDRESS}:53").parse().unwrap()], &Links::new(links))
    }

    /// What is taken at each card: the interface, or why nothing.
    fn taken(plan: &Plan) -> Vec<String> {
        let targets = plan.targets.iter();
        let cause = |place: &crate::attach::Place| place.shut.clone();
        targets.map(|target| cause(&target.places[0]).unwrap_or_else(|| target.interface.clone())).collect()
    }

    fn with(record: &str, carrier: &str, change: impl Fn(&mut Link)) -> Vec<String> {
        taken(&on_cards(record, carrier, change))
    }

    #[test]
    fn what_is_down_above_a_program_has_nothing_taken_there() {
        let down = |name: &'static str| move |link: &mut Link| link.up &= link.name != name;
        assert_eq!(with("vlan", "bond0.10", |_| ()), ["enp33s0f0", "enp33s0f1"]);
        assert_eq!(with("vlan", "bond0.10", down("bond0.10")), ["bond0.10 is not up"; 2]);
        assert_eq!(with("vlan", "bond0.10", down("bond0")), ["bond0 is not up"; 2]);
        assert_eq!(with("vlan", "bond0.10", down("enp33s0f0"))[1], "enp33s0f1", "the other card goes on");
        assert_eq!(with("two_vlans", "veth-rb.10", down("veth-rb.10")), ["veth-rb.10 is not up"]);
    }

    #[test]
    fn what_a_bridge_drops_at_a_port_is_not_taken_below_it() {
        let port = |name: &'static str, state| {
            move |link: &mut Link| {
                if link.name == name {
                    link.port.state = state;
                }
            }
        };
        let blocked = with("vlan_aware", "vmbr0.20", |_| ());
        assert_eq!(blocked, ["enp33s0f0", "enp33s0f1"]);
        let blocked = with("vlan_aware", "vmbr0.20", port("bond0", BridgePortState::Blocking));
        assert_eq!(blocked, ["bond0, a port of vmbr0, is blocking"; 2]);
        let other = with("vlan_aware", "vmbr0.20", port("veth-bnd", BridgePortState::Blocking));
        assert_eq!(other, ["enp33s0f0", "enp33s0f1"], "another port is none of ours");
        let pulled = |link: &mut Link| link.carrier &= link.name != "bond0";
        assert_eq!(with("vlan_aware", "vmbr0.20", pulled), ["bond0, a port of vmbr0, has no carrier"; 2]);
    }

    #[test]
    fn what_a_bridge_drops_in_a_vlan_is_not_taken_below_it() {
        let blocked = |name: &'static str, id: u16| {
            move |link: &mut Link| {
                let row = |(first, last, state)| VlanRange { first, last, pvid: false, untagged: false, state };
                let (rest, own) = (BridgePortState::Forwarding, BridgePortState::Learning);
                if link.name == name {
                    link.vlans =
                        Some(VlanTable::new([(2, id - 1, rest), (id, id, own), (id + 1, 99, rest)].map(row).into()));
                }
            }
        };
        assert_eq!(
            with("vlan_aware", "vmbr0.20", blocked("bond0", 20)),
            ["bond0, a port of vmbr0, is learning in VLAN 20"; 2]
        );
        assert_eq!(with("vlan_aware", "vmbr0.20", blocked("bond0", 30)), ["enp33s0f0", "enp33s0f1"]);
        assert_eq!(
            with("vlan_aware", "vmbr0.20", blocked("vmbr0", 20)),
            ["vmbr0 itself is learning in its VLAN 20"; 2]
        );
    }

    #[test]
    fn a_way_that_closes_is_no_reason_to_attach_again_and_is_told() {
        let down = |link: &mut Link| link.up &= link.name != "bond0.10";
        let (open, shut) = (on_cards("vlan", "bond0.10", |_| ()), on_cards("vlan", "bond0.10", down));
        let (before, after) = (&open.targets[0], &shut.targets[0]);
        assert!(before.is_like(after) && before != after);
        assert!(after.stands_by() && after.in_force().is_empty() && before.in_force().len() == 1);
        assert_eq!(open.decisions, shut.decisions, "the plan is not told again");
        let line = "nothing is taken for 192.168.10.250 while bond0.10 is not up, as the kernel gets nothing by that way either";
        assert_eq!((before.shut(), after.shut()), (Vec::new(), vec![line.to_owned()]));
    }
}
