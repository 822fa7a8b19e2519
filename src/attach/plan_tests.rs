use super::*;
use crate::config::Toggle;
use crate::host::{BridgePortState, VlanProtocol, VlanRange, VlanTable, recorded};

#[path = "plan_bond_tests.rs"]
mod bonds;

const ADDRESS: &str = "192.168.10.250";

fn config(change: impl Fn(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

fn links(record: &str, change: impl Fn(&mut Link)) -> Links {
    let mut links: Vec<Link> = recorded::facts(record).links.iter().cloned().collect();
    links.iter_mut().for_each(change);
    Links::new(links)
}

fn unchanged(_: &mut Link) {}

/// The plan in words: interface, VLAN and mode of each place of the server's address; or why there is none.
fn planned(config: &Config, links: &Links) -> String {
    let plan = plan(config, &[format!("{ADDRESS}:53").parse().unwrap()], links);
    let place = |target: &Target| {
        let vlan = target.places[0].vlan.map_or(String::new(), |id| format!(" VLAN {id}"));
        format!("{}{vlan}{}", target.interface, if target.generic { " generic" } else { "" })
    };
    match &plan.decisions[0].outcome {
        Outcome::Kernel { reason, .. } => format!("kernel: {reason}"),
        _ => plan.targets.iter().map(place).collect::<Vec<_>>().join(", "),
    }
}

#[test]
fn the_interface_of_the_address_comes_first() {
    let auto = Config::default();
    assert_eq!(planned(&auto, &links("reference", unchanged)), "veth-rb");
    assert_eq!(planned(&auto, &links("eth0", unchanged)), "eth0");
    assert_eq!(planned(&auto, &links("vmbr0", unchanged)), "veth-rb");
}

#[test]
fn a_link_local_address_is_meant_at_the_interface_of_its_zone() {
    let both = |link: &mut Link| {
        if ["veth-rb", "br-rb"].contains(&link.name.as_str()) {
            link.addresses.push(InterfaceAddress { ip: "fe80::53".parse().unwrap(), prefix: 64 });
        }
    };
    let links = links("reference", both);
    let zone = links.by_name("veth-rb").unwrap().index;
    let carriers = |zone: u32| {
        let listen: SocketAddr = format!("[fe80::53%{zone}]:53").parse().unwrap();
        let found = plan(&Config::default(), &[listen], &links);
        found.decisions.iter().map(|decision| decision.carrier).collect::<Vec<_>>()
    };
    assert_eq!(carriers(zone), [zone], "not on the other link that has the same");
    assert_eq!(carriers(99), Vec::<u32>::new());
}

#[test]
fn clients_are_at_the_link_that_carries_the_addresses() {
    let carried_by = |listen: &[&str]| {
        let listen: Vec<SocketAddr> = listen.iter().map(|text| text.parse().unwrap()).collect();
        let physical = config(|config| config.xdp.physical = true);
        let links = links("active_backup", unchanged);
        let found = plan(&physical, &listen, &links).targets[0].carried_by;
        links.by_index(found).map_or(String::new(), |link| link.name.clone())
    };
    assert_eq!(carried_by(&["192.168.10.250:53"]), "bond0.10");
    assert_eq!(carried_by(&["192.168.20.250:53"]), "bond0.20");
    assert_eq!(carried_by(&["192.168.10.250:53", "192.168.20.250:53"]), "", "several");
}

#[test]
fn no_client_has_an_address_of_this_host_or_a_broadcast_address() {
    let links = links("reference", unchanged);
    let found = plan(&Config::default(), &[format!("{ADDRESS}:53").parse().unwrap()], &links);
    let own = &found.targets[0].own;
    for link in links.iter() {
        assert!(link.addresses.iter().all(|address| own.contains(&address.ip)), "{}", link.name);
    }
    assert!(own.contains(&"192.168.10.255".parse().unwrap()), "{own:?}");
    assert!(own.is_sorted());
}

#[test]
fn a_reply_is_no_longer_than_the_carrier_sends() {
    let small = |link: &mut Link| link.mtu = if link.kind == Kind::Ipvlan { 1400 } else { 1500 };
    let found = plan(&Config::default(), &[format!("{ADDRESS}:53").parse().unwrap()], &links("ipvlan", small));
    assert_eq!(
        (found.targets[0].interface.as_str(), found.targets[0].mtu, found.targets[0].reply_mtu),
        ("eth0", 1500, 1400)
    );
}

#[test]
fn what_has_no_native_xdp_is_served_below() {
    let auto = Config::default();
    assert_eq!(planned(&auto, &links("ipvlan", unchanged)), "eth0");
    let macvlan = |link: &mut Link| {
        if link.kind == Kind::Ipvlan {
            link.kind = Kind::Macvlan;
        }
    };
    let macvlan = links("ipvlan", macvlan);
    assert_eq!(planned(&auto, &macvlan), "eth0");
    let found = plan(&auto, &[format!("{ADDRESS}:53").parse().unwrap()], &macvlan);
    let carrier = macvlan.by_name("ipv0").unwrap();
    assert_eq!(found.targets[0].places[0].mac, carrier.mac.unwrap(), "the MAC of the link with the address");
    assert_eq!(found.decisions[0].passed_over, ["ipv0: a macvlan has no native XDP"]);
    // The VLAN of a card that is nobody's port.
    let on_card = links("ipvlan", |link: &mut Link| {
        if link.kind == Kind::Ipvlan {
            link.kind = Kind::Vlan { id: 10 };
        }
    });
    assert_eq!(planned(&auto, &on_card), "eth0 VLAN 10");
}

#[test]
fn a_card_that_others_use_needs_leave() {
    let auto = Config::default();
    for record in ["vlan", "bridge"] {
        let refusal = planned(&auto, &links(record, unchanged));
        assert!(refusal.starts_with("kernel: ") && refusal.contains("enp33s0f0: attaching would reset"), "{refusal}");
        assert!(refusal.contains("xdp-physical: yes"), "{refusal}");
        let physical = config(|config| config.xdp.physical = true);
        assert_eq!(planned(&physical, &links(record, unchanged)), "enp33s0f0 VLAN 10, enp33s0f1 VLAN 10");
        let one = config(|config| config.xdp.interfaces = vec!["enp33s0f1".into()]);
        assert_eq!(planned(&one, &links(record, unchanged)), "enp33s0f1 VLAN 10");
        let pinned = config(|config| config.xdp.interfaces = vec!["enp33s0f1np1".into()]);
        let altname = |link: &mut Link| {
            if link.name == "enp33s0f1" {
                link.altnames = vec!["enx525400123456".into(), "enp33s0f1np1".into()];
            }
        };
        assert_eq!(planned(&pinned, &links(record, altname)), "enp33s0f1 VLAN 10", "the other name of one");
    }
    // A guest's card does not notice.
    let virtio = |link: &mut Link| link.driver = link.driver.as_ref().map(|_| "virtio_net".to_owned());
    assert_eq!(planned(&auto, &links("bridge", virtio)), "enp33s0f0 VLAN 10, enp33s0f1 VLAN 10");
}

#[test]
fn generic_mode_wants_leave_for_a_reason_of_its_own() {
    // The address on the bond itself: below it are the cards alone.
    let facts = recorded::facts("vlan");
    let bond = facts.links.by_name("bond0").unwrap().index;
    let links = links("vlan", |link: &mut Link| {
        let carries = link.index == bond;
        link.addresses = if carries { facts.links.by_name("bond0.10").unwrap().addresses.clone() } else { Vec::new() };
    });
    let generic = config(|config| config.xdp.mode = XdpMode::Generic);
    let refusal = planned(&generic, &links);
    assert!(refusal.contains("enp33s0f0: a program in the network stack would slow down all that goes"), "{refusal}");
    assert!(refusal.contains("through bond0") && refusal.contains("xdp-physical: yes"), "{refusal}");
    assert!(!refusal.contains("reset"), "{refusal}");
    let physical = config(|config| {
        config.xdp.mode = XdpMode::Generic;
        config.xdp.physical = true;
    });
    assert_eq!(planned(&physical, &links), "enp33s0f0 generic, enp33s0f1 generic");
}

#[test]
fn never_a_bond_or_a_bridge() {
    for name in ["bond0", "br-rb"] {
        for mode in [XdpMode::Auto, XdpMode::Native, XdpMode::Generic] {
            let named = config(|config| {
                config.xdp.interfaces = vec![name.into()];
                config.xdp.mode = mode;
            });
            assert!(planned(&named, &links("bridge", unchanged)).starts_with("kernel: "), "{name} {mode:?}");
        }
    }
}

#[test]
fn generic_only_when_asked_for_or_when_nothing_else_is_left() {
    let generic = config(|config| config.xdp.mode = XdpMode::Generic);
    assert_eq!(planned(&generic, &links("reference", unchanged)), "veth-rb generic");
    assert_eq!(planned(&generic, &links("vlan", unchanged)), "bond0.10 generic");
    assert_eq!(planned(&generic, &links("bridge", unchanged)), "bond0.10 generic");
    let require = config(|config| config.xdp.enable = XdpUse::Require);
    assert_eq!(planned(&require, &links("vlan", unchanged)), "bond0.10 generic");
    assert_eq!(planned(&require, &links("reference", unchanged)), "veth-rb");
    let slow = |link: &mut Link| link.driver = link.driver.as_ref().map(|_| "e1000e".to_owned());
    assert!(planned(&Config::default(), &links("eth0", slow)).contains("driver e1000e has no native XDP"));
    assert_eq!(planned(&require, &links("eth0", slow)), "eth0 generic");
}

#[test]
fn two_tags_and_circles_end_the_walk() {
    let inner = |link: &mut Link| {
        if link.name == "bond0" {
            link.kind = Kind::Vlan { id: 20 };
            link.parent = Some(2);
        }
    };
    let physical = config(|config| config.xdp.physical = true);
    let refusal = planned(&physical, &links("vlan", inner));
    assert!(refusal.contains("two VLAN tags"), "{refusal}");
    let circle = |link: &mut Link| {
        if link.name == "bond0.10" {
            link.parent = Some(link.index);
        }
    };
    assert_eq!(planned(&physical, &links("vlan", circle)), "kernel: bond0.10: a VLAN interface has no native XDP");
}

#[test]
fn wildcards_ports_and_families() {
    let listen = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
    let links = links("eth0", unchanged);
    let found = plan(&Config::default(), &listen(&["0.0.0.0:53", "[::]:53", "127.0.0.1:53"]), &links);
    let addresses: Vec<String> = found.targets[0].places.iter().map(|place| place.address.to_string()).collect();
    assert_eq!(addresses, ["192.168.10.250", "2001:db8::250"]);
    let found = plan(&Config::default(), &listen(&["192.168.10.250:53", "192.168.10.250:5353"]), &links);
    assert_eq!((found.targets[0].port, found.targets[0].places.len(), found.notes.len()), (53, 1, 1));
    assert_eq!(plan(&Config::default(), &listen(&["127.0.0.1:53"]), &links), Plan::default());
}

#[test]
fn slaves_know_their_bond() {
    let physical = config(|config| config.xdp.physical = true);
    let links = links("vlan", unchanged);
    let found = plan(&physical, &[format!("{ADDRESS}:53").parse().unwrap()], &links);
    let bond = links.by_name("bond0").map(|bond| bond.index);
    assert!(found.targets.iter().all(|target| target.bond == bond && target.physical && target.carrier));
    assert_eq!(
        describe(&found.decisions[0], &links),
        [
            "plan: 192.168.10.250 on bond0.10 → bond0 → {enp33s0f0, enp33s0f1}: native XDP at enp33s0f0 (VLAN 10), \
             enp33s0f1 (VLAN 10)",
            "plan: not at bond0.10: a VLAN interface has no native XDP",
            "plan: not at bond0: a bond runs XDP programs on its slaves, and an AF_XDP socket of the master receives \
             nothing from there",
        ]
    );
    let off = config(|config| config.xdp.enable = XdpUse::No);
    assert_eq!(
        describe(&plan(&off, &[format!("{ADDRESS}:53").parse().unwrap()], &links).decisions[0], &links).len(),
        1
    );
    assert_eq!(Config::default().xdp.steer, Toggle::Auto);
}

#[test]
fn tags_that_a_pair_hands_over_are_thought_of() {
    let addresses = ["192.168.10.250:53".parse().unwrap(), "192.168.20.250:53".parse().unwrap()];
    let here = links("two_vlans", unchanged);
    let found = plan(&Config::default(), &addresses, &here);
    let vlans: Vec<Option<u16>> = found.targets[0].places.iter().map(|place| place.vlan).collect();
    assert_eq!((found.targets.len(), found.targets[0].interface.as_str()), (1, "veth-rb"));
    let peer = Tags::Peer { name: "veth-bnd".into(), index: here.by_name("veth-bnd").unwrap().index };
    assert_eq!((vlans, &found.targets[0].tags), (vec![Some(10), Some(20)], &peer));
    // With its other end elsewhere the tags cannot be seen, unless the configuration says so.
    let cut = |link: &mut Link| {
        if link.name == "veth-rb" {
            link.kind = Kind::Veth { peer: None };
        }
    };
    let elsewhere = links("two_vlans", cut);
    let refusal = planned(&Config::default(), &elsewhere);
    assert!(refusal.contains("ethtool -K PEER txvlan off") && refusal.contains("xdp-interface: veth-rb"), "{refusal}");
    let named = config(|config| config.xdp.interfaces = vec!["veth-rb".into()]);
    assert_eq!(planned(&named, &elsewhere), "veth-rb VLAN 10");
    // Of an untagged one the start tells, but for generic mode.
    let untagged = links("reference", cut);
    assert_eq!(planned(&Config::default(), &untagged), "veth-rb");
    let found = plan(&Config::default(), &[format!("{ADDRESS}:53").parse().unwrap()], &untagged);
    assert_eq!((&found.targets[0].tags, found.targets[0].named), (&Tags::PeerElsewhere, false));
    let generic = config(|config| config.xdp.mode = XdpMode::Generic);
    assert!(planned(&generic, &untagged).starts_with("kernel: "));
}

#[test]
fn a_reply_is_no_longer_than_the_other_end_of_a_pair_takes() {
    let links = links("reference", |link: &mut Link| link.mtu = if link.name == "veth-bnd" { 1400 } else { 1500 });
    let target = plan(&Config::default(), &[format!("{ADDRESS}:53").parse().unwrap()], &links).targets.remove(0);
    assert_eq!((target.mtu, target.reply_mtu, target.peer_mtu), (1500, 1400, Some(1400)));
}

/// A bridge that filters by VLAN over one virtio_net card; the address is on the bridge, or on its VLAN 10. The VLAN tables
/// are as `bridge vlan` has them: ID, pvid, untagged.
fn filtered(own: &[(u16, bool, bool)], port: &[(u16, bool, bool)], on_vlan: bool) -> Links {
    let table = |rows: &[(u16, bool, bool)]| {
        let row = |&(first, pvid, untagged): &(u16, bool, bool)| VlanRange {
            first,
            last: first,
            pvid,
            untagged,
            state: BridgePortState::Forwarding,
        };
        Some(VlanTable::new(rows.iter().map(row).collect()))
    };
    let mut card = recorded::facts("eth0").links.by_name("eth0").unwrap().clone();
    let mut bridge = recorded::facts("bridge").links.by_name("br-rb").unwrap().clone();
    let mut vlan = recorded::facts("vlan").links.by_name("bond0.10").unwrap().clone();
    (card.index, card.master, card.vlans, card.addresses) = (2, Some(3), table(port), Vec::new());
    (bridge.index, bridge.vlan_filtering, bridge.vlans) = (3, Some(true), table(own));
    (vlan.index, vlan.master, vlan.parent) = (4, None, Some(3));
    vlan.name = "br-rb.10".into();
    if !on_vlan {
        return Links::new(vec![card, bridge]);
    }
    bridge.addresses.clear();
    Links::new(vec![card, bridge, vlan])
}

#[test]
fn a_bridge_that_filters_by_vlan_puts_tags_on_and_takes_them_off() {
    let auto = Config::default();
    let tagged = |id| (id, false, false);
    let native = |id| (id, true, true);
    for (own, port, on_vlan, expected) in [
        // The host untagged in VLAN 10: the trunk has the tag, the access port has not.
        (vec![native(10)], vec![native(1), tagged(10)], false, "eth0 VLAN 10"),
        (vec![native(10)], vec![native(10)], false, "eth0"),
        (vec![native(1)], vec![native(1), tagged(10)], false, "eth0"),
        // The same on the bridge's VLAN.
        (vec![native(1), tagged(10)], vec![native(1), tagged(10)], true, "eth0 VLAN 10"),
        (vec![native(1), tagged(10)], vec![native(10)], true, "eth0"),
        // Frames and replies look different, or do not pass.
        (vec![native(10)], vec![native(1)], false, "eth0: it is not in VLAN 10"),
        (vec![native(10)], vec![native(1), (10, false, true)], false, "eth0: replies leave there without a tag"),
        (vec![native(10)], vec![(10, false, true)], false, "is dropped"),
        (vec![(10, true, false)], vec![native(10)], false, "below br-rb: frames of VLAN 10 come up with their tag"),
        (
            vec![(10, false, true)],
            vec![native(10)],
            false,
            "below br-rb: what the host sends there without a tag is dropped",
        ),
        (vec![native(1)], vec![native(10)], true, "below br-rb: the bridge itself is not in VLAN 10"),
        (vec![native(1), (10, false, true)], vec![native(10)], true, "without their tag"),
    ] {
        let plan = planned(&auto, &filtered(&own, &port, on_vlan));
        let as_expected = if expected.starts_with("eth0 VLAN") || expected == "eth0" {
            plan == expected
        } else {
            plan.contains(expected)
        };
        assert!(as_expected, "{own:?} {port:?} {on_vlan}: {plan}, not {expected}");
    }
    let service = |links: Links| {
        let mut links: Vec<Link> = links.iter().cloned().collect();
        links.iter_mut().for_each(|link| link.vlan_protocol = Some(VlanProtocol::Dot1ad));
        Links::new(links)
    };
    let refusal = planned(&auto, &service(filtered(&[native(10)], &[native(10)], false)));
    assert!(refusal.contains("below br-rb: it filters by service tags"), "{refusal}");
    let refusal = planned(&auto, &service(filtered(&[tagged(10)], &[native(10)], true)));
    assert!(refusal.contains("below br-rb.10: frames have a service tag"), "{refusal}");
}

#[test]
fn a_vlan_interface_on_the_way_has_its_frames_first() {
    let mut all: Vec<Link> = filtered(&[(10, false, false)], &[(10, false, false)], true).iter().cloned().collect();
    let mut other = all[2].clone();
    (other.index, other.name, other.parent, other.addresses) = (5, "eth0.10".into(), Some(2), Vec::new());
    all.push(other);
    let refusal = planned(&Config::default(), &Links::new(all));
    assert!(refusal.contains("eth0: eth0.10 takes the frames of its VLAN there"), "{refusal}");
}
