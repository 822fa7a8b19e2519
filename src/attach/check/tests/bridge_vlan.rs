//! A server's port in the right and in the wrong VLAN of a VLAN-aware bridge.

use super::*;
use crate::host::{InterfaceAddress, VlanRange, VlanTable};

/// (first, last, whether untagged frames are its own)
fn table(rows: &[(u16, u16, bool)]) -> VlanTable {
    let row = |&(first, last, untagged)| VlanRange {
        first,
        last,
        pvid: untagged,
        untagged,
        state: BridgePortState::Forwarding,
    };
    VlanTable::new(rows.iter().map(row).collect())
}

fn port_in(rows: &[(u16, u16, bool)]) -> Facts {
    changed(recorded::facts("vlan_aware"), "veth-bnd", |link| link.vlans = Some(table(rows)))
}

#[test]
fn a_port_in_the_vlan_of_its_network_is_told_with_whom() {
    let found = one("bridge-vlan", &recorded::facts("vlan_aware"));
    assert_eq!(found.level, Level::Ok);
    assert_eq!(found.text, "192.168.10.250: VLAN 10 of vmbr0, as bond0, fwpr101p0");
    for facts in [recorded::facts("reference"), recorded::facts("vmbr0"), recorded::facts("firewall")] {
        assert!(named("bridge-vlan", &facts).is_empty(), "no bridge keeps VLANs apart");
    }
}

#[test]
fn a_vlan_without_anybody_is_named_with_the_port_that_leads_out() {
    let facts =
        changed(port_in(&[(30, 30, true)]), "bond0", |link| link.vlans = Some(table(&[(1, 1, true), (2, 20, false)])));
    let found = one("bridge-vlan", &facts);
    assert!(found.level == Level::Warn && found.text.contains("veth-bnd is in VLAN 30 of vmbr0 alone"), "{found}");
    assert_eq!(fix(&found), "bridge vlan add dev bond0 vid 30");
    let found = one("bridge-vlan", &changed(port_in(&[(30, 30, true)]), "bond0", |link| link.master = None));
    assert!(found.level == Level::Info && found.fix.is_none(), "a bridge of guests that do not run: {found}");
    let found = one("bridge-vlan", &port_in(&[(10, 10, false)]));
    assert!(found.level == Level::Warn && found.text.contains("no VLAN for frames without a tag"), "{found}");
    assert_eq!(fix(&found), "bridge vlan add dev veth-bnd vid N pvid untagged");
}

#[test]
fn a_vlan_that_a_port_lets_not_pass_is_named_with_its_state() {
    let row = |state| VlanRange { first: 10, last: 10, pvid: true, untagged: true, state };
    let blocked = |port: &str, facts: Facts| {
        changed(facts, port, |link| link.vlans = Some(VlanTable::new(vec![row(BridgePortState::Blocking)])))
    };
    let found = one("bridge-vlan", &blocked("veth-bnd", recorded::facts("vlan_aware")));
    assert!(found.level == Level::Warn && found.text.contains("veth-bnd is blocking in VLAN 10 of vmbr0"), "{found}");
    assert_eq!(fix(&found), "bridge vlan set dev veth-bnd vid 10 state 3");
    let all = blocked("fwpr101p0", blocked("bond0", recorded::facts("vlan_aware")));
    let found = one("bridge-vlan", &all);
    let which = "no other port of vmbr0 lets VLAN 10 pass (bond0 is blocking, fwpr101p0 is blocking)";
    assert!(found.text.contains(which), "{found}");
    assert_eq!(
        one("bridge-vlan", &blocked("bond0", recorded::facts("vlan_aware"))).level,
        Level::Ok,
        "a guest is left"
    );
    let found = one("bridge-vlan", &changed(all, "vmbr0", |link| link.multiple_trees = true));
    assert!(found.fix.is_none(), "the spanning trees decide: {found}");
}

#[test]
fn the_network_in_another_vlan_is_named() {
    let move_to = |facts: Facts, name: &str| {
        changed(facts, name, |link| {
            link.addresses.push(InterfaceAddress { ip: "192.168.10.201".parse().unwrap(), prefix: 24 })
        })
    };
    let found = one("bridge-vlan", &move_to(recorded::facts("vlan_aware"), "vmbr0.20"));
    assert_eq!(found.level, Level::Warn);
    assert!(found.text.contains("vmbr0.20 has the network of 192.168.10.250 in VLAN 20"), "{found}");
    assert_eq!(fix(&found), "bridge vlan add dev veth-bnd vid 20 pvid untagged\nbridge vlan del dev veth-bnd vid 10");
    let found = one("bridge-vlan", &move_to(recorded::facts("vlan_aware"), "vmbr0"));
    assert!(found.text.contains("vmbr0 has the network of 192.168.10.250 in VLAN 1"), "{found}");
    assert_eq!(one("bridge-vlan", &move_to(port_in(&[(1, 1, true)]), "vmbr0")).level, Level::Ok, "the same VLAN");
}

#[test]
fn a_port_that_nobody_has_set_is_named() {
    let found = one("bridge-vlan", &port_in(&[(1, 1, true)]));
    assert_eq!(found.level, Level::Warn);
    assert!(found.text.contains("vmbr0 has another network there"), "{found}");
    assert_eq!(fix(&found), "bridge vlan add dev veth-bnd vid N pvid untagged\nbridge vlan del dev veth-bnd vid 1");
    let alone = changed(port_in(&[(1, 1, true)]), "vmbr0", |link| link.addresses.clear());
    assert_eq!(one("bridge-vlan", &alone).level, Level::Ok, "nothing contradicts it");
}

#[test]
fn ways_out_that_do_not_agree_on_frames_without_a_tag_are_told() {
    let bridge = recorded::facts("vlan_aware").links.by_name("vmbr0").unwrap().index;
    let facts = |native: Option<u16>, ours: u16| {
        let facts = changed(port_in(&[(ours, ours, true)]), "enp33s0f1", |link| {
            let rows: Vec<_> = native.map(|id| (id, id, true)).into_iter().chain([(2, 2, false)]).collect();
            (link.master, link.vlans) = (Some(bridge), Some(table(&rows)));
        });
        changed(facts, "vmbr0", |link| link.addresses.clear())
    };
    let found = named("bridge-vlan", &facts(Some(7), 7));
    assert_eq!((found.len(), found[1].level), (2, Level::Info), "{found:?}");
    assert!(found[1].text.contains("of VLAN 7 at enp33s0f1, of VLAN 1 at bond0"), "{}", found[1]);
    assert!(named("bridge-vlan", &facts(None, 1))[1].text.contains("dropped at enp33s0f1"));
    assert_eq!(named("bridge-vlan", &facts(Some(1), 1)).len(), 1, "they agree");
    assert_eq!(named("bridge-vlan", &facts(Some(7), 2)).len(), 1, "our VLAN has a tag at all of them");
}

#[test]
fn a_vlan_interface_needs_its_tag_on_the_port() {
    let tagged = |rows: &[(u16, u16, bool)]| {
        let address = recorded::facts("vlan_aware").links.by_name("veth-rb").unwrap().addresses[0];
        let facts = changed(port_in(rows), "veth-rb", |link| link.addresses.clear());
        let parent = facts.links.by_name("veth-rb").unwrap().index;
        changed(facts, "vmbr0.20", |link| {
            (link.parent, link.addresses) = (Some(parent), vec![address]);
        })
    };
    let found = one("bridge-vlan", &tagged(&[(10, 10, false)]));
    assert!(found.text.contains("veth-bnd is not in VLAN 20, in which vmbr0.20 has 192.168.10.250"), "{found}");
    assert_eq!(fix(&found), "bridge vlan add dev veth-bnd vid 20");
    assert_eq!(one("bridge-vlan", &tagged(&[(10, 10, false), (20, 20, false)])).level, Level::Ok);
}

#[test]
fn while_it_serves_a_port_in_no_vlan_of_others_is_told() {
    let cut_off = |facts: &Facts| {
        let listen = [SERVER.parse().unwrap()];
        let plan = crate::attach::plan(&Config::default(), &listen, &facts.links);
        let found = crate::attach::cut_off(&plan, &listen, &facts.links, outside(&|_| None));
        found.into_iter().map(|found| (found.link, found.text, found.fix.unwrap_or_default())).collect::<Vec<_>>()
    };
    assert_eq!(cut_off(&recorded::facts("vlan_aware")), []);
    let found = cut_off(&port_in(&[(10, 10, false)]));
    assert!(found.len() == 1 && found[0].0 == "veth-rb" && found[0].1.contains("no VLAN for frames"), "{found:?}");
    assert_eq!(found[0].2, "bridge vlan add dev veth-bnd vid N pvid untagged");
    let alone = port_in(&[(30, 30, true)]);
    assert_eq!(cut_off(&changed(alone.clone(), "bond0", |link| link.master = None)), [], "it waits for a guest");
    let shut = changed(alone, "bond0", |link| link.vlans = Some(table(&[(1, 20, true)])));
    assert_eq!(cut_off(&shut)[0].2, "bridge vlan add dev bond0 vid 30");
}
