use super::*;
use crate::host::bridge_port::{BridgePort, PortState};
use crate::host::recorded;
use crate::host::{VlanRange, VlanTable};

fn names(links: &Links, indices: &[u32]) -> Vec<String> {
    indices.iter().map(|&index| links.by_index(index).unwrap().name.clone()).collect()
}

/// Who hears the segment of a link, and the bridges it goes through.
fn of(links: &Links, link: &str) -> (Vec<String>, Vec<String>) {
    let segment = links.segment(links.by_name(link).unwrap());
    assert!(segment.whole, "{segment:?}");
    (names(links, &segment.hears), names(links, &segment.bridges))
}

fn changed(record: &str, name: &str, change: impl Fn(&mut Link)) -> Links {
    let mut links = recorded::facts(record).links;
    links.iter_mut().filter(|link| link.name == name).for_each(change);
    links
}

#[test]
fn the_bridge_of_a_veth_pair_hears_what_the_pair_does_and_its_ports_do_not() {
    let links = recorded::facts("reference").links;
    let both = (vec!["br-rb".to_owned(), "veth-rb".to_owned()], vec!["br-rb".to_owned()]);
    for link in ["veth-rb", "br-rb", "tap100i0", "bond0.10"] {
        assert_eq!(of(&links, link), both, "{link}");
    }
    let (hears, bridges) = of(&links, "bond0");
    assert_eq!((hears, bridges.len()), (vec!["bond0".to_owned()], 0), "without a tag it is another segment");
}

#[test]
fn a_segment_goes_on_outside_by_cards_not_by_taps_nor_by_containers() {
    for (record, link, out) in [
        ("reference", "veth-rb", &["enp33s0f0", "enp33s0f1"][..]),
        ("firewall", "veth-rb", &["enp33s0f0", "enp33s0f1"]),
        ("vlan_aware", "vmbr0.20", &["enp33s0f0", "enp33s0f1"]),
        ("eth0", "eth0", &["eth0"]),
    ] {
        let links = recorded::facts(record).links;
        assert_eq!(names(&links, &links.segment(links.by_name(link).unwrap()).ways_out), out, "{record}");
    }
    let alone = changed("reference", "bond0.10", |link| link.up = false);
    assert!(alone.segment(alone.by_name("veth-rb").unwrap()).ways_out.is_empty());
}

#[test]
fn a_bond_in_another_bridge_hands_its_vlan_to_the_interface_of_that_vlan() {
    let links = recorded::facts("vmbr0").links;
    assert_eq!(of(&links, "veth-rb").0, ["br-rb", "veth-rb"]);
    assert_eq!(of(&links, "vmbr0").0, ["vmbr0"]);
    let without = changed("vmbr0", "bond0.10", |link| link.parent = None);
    let sent = without.segment(without.by_name("veth-rb").unwrap());
    assert_eq!(names(&without, &sent.bridges), ["br-rb"], "its parent is elsewhere: nothing of it is here");
}

#[test]
fn firewall_bridges_hear_as_well() {
    let links = recorded::facts("firewall").links;
    let (hears, bridges) = of(&links, "veth-rb");
    assert_eq!(hears, ["br-rb", "veth-rb", "fwbr100i0", "fwbr101i0"]);
    assert_eq!(bridges, ["br-rb", "fwbr100i0", "fwbr101i0"]);
    let down = changed("firewall", "fwln100i0", |link| link.up = false);
    assert_eq!(of(&down, "veth-rb").0, ["br-rb", "veth-rb", "fwbr101i0"]);
    let silent = changed("firewall", "fwbr100i0", |link| link.arp = false);
    assert_eq!(of(&silent, "veth-rb").0, ["br-rb", "veth-rb", "fwbr101i0"]);
}

#[test]
fn a_vlan_aware_bridge_keeps_vlans_apart() {
    let links = recorded::facts("vlan_aware").links;
    let (hears, bridges) = of(&links, "veth-rb");
    assert_eq!(hears, ["veth-rb", "fwbr101i0"]);
    assert_eq!(bridges, ["vmbr0", "fwbr101i0"]);
    assert_eq!(of(&links, "vmbr0").0, ["vmbr0"]);
    assert_eq!(of(&links, "vmbr0.20").0, ["vmbr0.20", "fwbr102i0"]);
    // The usual slip: the port joined VLAN 1, as every new one does.
    let slip = VlanRange { first: 1, last: 1, pvid: true, untagged: true, state: PortState::Forwarding };
    let slipped = changed("vlan_aware", "veth-bnd", |link| link.vlans = Some(VlanTable::new(vec![slip])));
    assert_eq!(of(&slipped, "veth-rb").0, ["vmbr0", "veth-rb"]);
    let none = changed("vlan_aware", "veth-bnd", |link| link.vlans = Some(VlanTable::default()));
    assert_eq!(of(&none, "veth-rb"), (vec![], vec!["vmbr0".to_owned()]));
}

#[test]
fn a_vlan_left_untagged_beside_the_pvid_lets_nothing_in() {
    let row = |id, pvid| VlanRange { first: id, last: id, pvid, untagged: true, state: PortState::Forwarding };
    let both = VlanTable::new(vec![row(1, false), row(10, true)]);
    let links = changed("vlan_aware", "veth-bnd", |link| link.vlans = Some(both.clone()));
    assert_eq!(of(&links, "veth-rb").0, ["veth-rb", "fwbr101i0"], "what veth-rb sends belongs to VLAN 10 alone");
}

#[test]
fn tags_go_through_a_bridge_that_does_not_look_at_them() {
    let links = recorded::facts("two_vlans").links;
    assert_eq!(of(&links, "veth-rb.10").0, ["vmbr0.10", "veth-rb.10"]);
    assert_eq!(of(&links, "veth-rb.20").0, ["vmbr0.20", "veth-rb.20"]);
    assert_eq!(of(&links, "vmbr0.20s").0, ["vmbr0.20s"], "802.1ad is another tag");
    assert_eq!(of(&links, "veth-rb").0, ["vmbr0", "veth-rb"]);
}

#[test]
fn parents_and_siblings_of_macvlans_and_ipvlans_hear_the_same() {
    let mut links: Vec<Link> = recorded::facts("ipvlan").links.iter().cloned().collect();
    let mut sibling = links[2].clone();
    (sibling.name, sibling.index, sibling.kind) = ("mac1".into(), 9, Kind::Macvlan);
    links.push(sibling);
    let links = Links::new(links);
    for link in ["eth0", "ipv0", "mac1"] {
        assert_eq!(of(&links, link).0, ["eth0", "ipv0", "mac1"], "{link}");
    }
}

#[test]
fn two_cards_are_not_taken_for_one_network() {
    let mut links: Vec<Link> = recorded::facts("eth0").links.iter().cloned().collect();
    let mut other = links[1].clone();
    (other.name, other.index) = ("eth1".into(), 9);
    links.push(other);
    assert_eq!(of(&Links::new(links), "eth0").0, ["eth0"]);
}

#[test]
fn what_is_not_known_is_said() {
    let whole = |links: &Links| links.segment(links.by_name("veth-rb").unwrap()).whole;
    assert!(!whole(&changed("vlan_aware", "bond0", |link| link.vlans = None)));
    assert!(!whole(&changed("vlan_aware", "veth-bnd", |link| link.vlans = None)));
    assert!(!whole(&changed("reference", "br-rb", |link| link.kind = Kind::Other("openvswitch".into()))));
    assert!(!whole(&changed("reference", "bond0.10", |link| link.kind = Kind::Other("openvswitch".into()))));
    let open_vswitch = |links: &Links| links.segment(links.by_name("veth-rb").unwrap()).open_vswitch;
    assert!(open_vswitch(&recorded::facts("ovs").links) && !whole(&recorded::facts("ovs").links));
    assert!(open_vswitch(&changed("reference", "bond0.10", |link| link.kind = Kind::Other("openvswitch".into()))));
    assert!(!open_vswitch(&changed("vlan_aware", "bond0", |link| link.vlans = None)), "no table is no Open vSwitch");
    let vrf = changed("reference", "br-rb", |link| link.kind = Kind::Other("vrf".into()));
    assert_eq!(of(&vrf, "veth-rb").0, ["veth-bnd"], "a routing domain leaves its ports their frames");
}

#[test]
fn what_a_port_lets_not_pass_is_not_heard_behind_it() {
    let with = |name: &str, change: &dyn Fn(&mut BridgePort)| changed("firewall", name, |link| change(&mut link.port));
    let heard = |links: &Links| of(links, "veth-rb").0;
    let all = heard(&recorded::facts("firewall").links);
    assert!(all.contains(&"fwbr100i0".to_owned()), "{all:?}");
    let blocked = with("fwpr100p0", &|port| port.state = PortState::Blocking);
    let without = heard(&blocked);
    assert!(!without.contains(&"fwbr100i0".to_owned()) && without.contains(&"br-rb".to_owned()), "{without:?}");
    assert_eq!(heard(&with("fwpr100p0", &|port| port.isolated = true)), all, "the pair's port is not isolated");
    let mut both = with("fwpr100p0", &|port| port.isolated = true);
    both.iter_mut().filter(|link| link.name == "veth-bnd").for_each(|link| link.port.isolated = true);
    // What a neighbour by another port broadcasts is heard by both.
    assert_eq!(heard(&both), all);
    let shut = |link: &mut Link| match link.name.as_str() {
        "bond0.10" => link.port.state = PortState::Disabled,
        "fwpr101p0" => link.port.isolated = true,
        _ => {}
    };
    both.iter_mut().for_each(shut);
    assert!(!heard(&both).contains(&"fwbr100i0".to_owned()), "{:?}", heard(&both));
    let quiet = with("fwpr100p0", &|port| port.broadcasts = false);
    assert!(!of(&quiet, "bond0.10").0.contains(&"fwbr100i0".to_owned()));
}

#[test]
fn circles_end() {
    let mut links = recorded::facts("firewall").links;
    // fwbr100i0 reaches br-rb by a second pair, and the pair of the server is a VLAN of itself.
    let pair = |name: &str, index, peer, master| Link {
        name: name.into(),
        index,
        kind: Kind::Veth { peer: Some(peer) },
        master: Some(master),
        ..links.by_name("fwln100i0").unwrap().clone()
    };
    let index = |name: &str| links.by_name(name).unwrap().index;
    let more = [pair("a", 90, 91, index("fwbr100i0")), pair("b", 91, 90, index("br-rb"))];
    links = Links::new(links.iter().cloned().chain(more).collect());
    assert_eq!(of(&links, "veth-rb").0, ["br-rb", "veth-rb", "fwbr100i0", "fwbr101i0"]);
    links.iter_mut().filter(|link| link.name == "veth-rb").for_each(|link| {
        (link.kind, link.parent) = (Kind::Vlan { id: 3 }, Some(link.index));
    });
    let circle = links.segment(links.by_name("veth-rb").unwrap());
    assert!(!circle.whole && circle.hears.is_empty(), "{circle:?}");
}
