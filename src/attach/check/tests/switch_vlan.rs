//! A server's port in the right and in the wrong VLAN of an Open vSwitch.

use super::*;
use crate::host::{SwitchMode, SwitchPort};

/// `name tag mode trunk...` of vmbr0; `-` for no tag.
fn port(text: &str) -> SwitchPort {
    let words: Vec<&str> = text.split(' ').collect();
    let mode = match words[2] {
        "access" => SwitchMode::Access,
        "native" => SwitchMode::NativeUntagged,
        _ => SwitchMode::Trunk,
    };
    let trunks = words[3..].iter().map(|vlan| vlan.parse().unwrap()).collect();
    SwitchPort { name: words[0].into(), bridge: "vmbr0".into(), tag: words[1].parse().ok(), trunks, mode }
}

/// The recorded host with the pair's port like that, vlan10 in VLAN 10, and an uplink of all VLANs.
fn with_port(text: &str) -> Facts {
    let ports = ["vmbr0 - trunk", "vlan10 10 access", "eno1 - trunk", text].map(port).to_vec();
    Facts { switch_ports: Some(Ok(ports)), ..recorded::facts("ovs") }
}

#[test]
fn the_tag_of_the_network_is_told_with_who_else_has_it() {
    let found = one("bridge-vlan", &with_port("veth-bnd 10 access"));
    assert_eq!((found.level, fix(&found)), (Level::Ok, ""));
    assert_eq!(found.text, "192.168.10.250: VLAN 10 of the Open vSwitch vmbr0, as vlan10, eno1");
    assert_eq!(one("bridge-vlan", &with_port("veth-bnd 10 native")).level, Level::Ok);
}

#[test]
fn a_wrong_tag_is_named_with_the_one_that_the_network_has() {
    for (port, has) in [("veth-bnd 20 access", "has tag=20"), ("veth-bnd - trunk", "has no tag")] {
        let found = one("bridge-vlan", &with_port(port));
        assert!(
            found.level == Level::Warn && found.text.contains(&format!("veth-bnd {has} at the Open vSwitch vmbr0")),
            "{found}"
        );
        assert!(found.text.contains("vlan10 has the network of 192.168.10.250 in VLAN 10"), "{found}");
        assert_eq!(fix(&found), "ovs-vsctl --timeout=10 set port veth-bnd tag=10");
    }
    let untagged = changed(with_port("veth-bnd 20 access"), "vmbr0", |link| {
        link.addresses.push(crate::host::InterfaceAddress { ip: "192.168.10.2".parse().unwrap(), prefix: 24 });
    });
    let untagged = changed(untagged, "vlan10", |link| link.addresses.clear());
    let found = one("bridge-vlan", &untagged);
    assert!(found.text.contains("in no VLAN") && fix(&found).ends_with("clear port veth-bnd tag vlan_mode"), "{found}");
}

#[test]
fn frames_that_do_not_get_through_and_a_vlan_without_anybody_are_named() {
    let found = one("bridge-vlan", &with_port("veth-bnd - trunk 10 20"));
    assert!(found.level == Level::Warn && found.text.contains("has trunks=10,20"), "{found}");
    assert!(fix(&found).contains("set port veth-bnd tag=N"), "{found}");
    let mut alone = changed(with_port("veth-bnd 30 access"), "vlan10", |link| link.addresses.clear());
    if let Some(Ok(ports)) = &mut alone.switch_ports {
        ports.retain(|port| port.name != "eno1");
    }
    let found = one("bridge-vlan", &alone);
    assert!(found.level == Level::Warn && found.text.contains("in VLAN 30 of the Open vSwitch vmbr0 alone"), "{found}");
}

#[test]
fn a_vlan_of_the_pair_wants_a_trunk() {
    let tagged = |port: &str| {
        let facts = with_port(port);
        let address = facts.links.by_name("veth-rb").unwrap().addresses[0];
        let parent = facts.links.by_name("veth-rb").unwrap().index;
        let facts = changed(facts, "veth-rb", |link| link.addresses.clear());
        changed(facts, "tap100i0", |link| {
            (link.kind, link.parent, link.master) = (Kind::Vlan { id: 10 }, Some(parent), None);
            link.addresses = vec![address];
        })
    };
    assert_eq!(one("bridge-vlan", &tagged("veth-bnd - trunk 10 20")).level, Level::Ok);
    for port in ["veth-bnd 10 access", "veth-bnd - trunk 20"] {
        let found = one("bridge-vlan", &tagged(port));
        assert!(found.level == Level::Warn && found.text.contains("with a tag, in VLAN 10"), "{found}");
        assert_eq!(fix(&found), "ovs-vsctl --timeout=10 clear port veth-bnd tag vlan_mode trunks");
    }
}

#[test]
fn a_switch_whose_database_cannot_be_read_costs_one_line() {
    let facts = Facts { switch_ports: Some(Err("no connection".into())), ..recorded::facts("ovs") };
    let found = one("bridge-vlan", &facts);
    assert!(found.level == Level::Info && found.text.ends_with("cannot be read: no connection"), "{found}");
    assert!(named("bridge-vlan", &recorded::facts("ovs")).is_empty(), "it was not asked");
    let beside = Facts { switch_ports: Some(Err("no connection".into())), ..recorded::facts("reference") };
    assert!(named("bridge-vlan", &beside).is_empty(), "the address is not at the switch");
}

#[test]
fn a_vlan_of_the_uplink_takes_its_frames_before_the_switch() {
    let mut facts = with_port("veth-bnd 10 access");
    let mut links: Vec<Link> = facts.links.iter().cloned().collect();
    let uplink = facts.links.by_name("eno1").unwrap();
    let taker = Link { name: "eno1.10".into(), index: 99, kind: Kind::Vlan { id: 10 }, ..uplink.clone() };
    let bridge = facts.links.by_name("vnet5").unwrap().index;
    links.push(Link { parent: Some(uplink.index), driver: None, master: Some(bridge), ..taker });
    facts.links = Links::new(links);
    let found = one("bridge-vlan", &facts);
    assert!(found.level == Level::Warn && found.text.contains("eno1.10 takes the frames of VLAN 10"), "{found}");
    assert_eq!(fix(&found), "ovs-vsctl --timeout=10 del-port veth-bnd\nip link set veth-bnd master vnet5");
    let native = [port("eno1 10 native"), port("veth-bnd 10 access")].to_vec();
    let facts = Facts { switch_ports: Some(Ok(native)), ..facts };
    assert_eq!(one("bridge-vlan", &facts).level, Level::Ok, "they come without a tag");
}
