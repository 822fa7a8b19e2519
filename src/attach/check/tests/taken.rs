//! A VLAN interface on the uplink of a bridge, which takes the frames of its VLAN before the bridge.

use super::*;
use crate::attach::cut_off;

/// The VLAN-aware host with a VLAN interface on its uplink, after `change`.
fn with_taker(id: u16, change: impl Fn(&mut Link)) -> Facts {
    let mut facts = recorded::facts("vlan_aware");
    let mut links: Vec<Link> = facts.links.iter().cloned().collect();
    let link = |name: &str| facts.links.by_name(name).unwrap().clone();
    let mut taker = Link { addresses: Vec::new(), parent: Some(link("bond0").index), ..link("vmbr0.20") };
    (taker.name, taker.index, taker.kind) = (format!("bond0.{id}"), 99, Kind::Vlan { id });
    taker.mac = Some([2, 0, 0, 0, 0, 99]);
    change(&mut taker);
    links.push(taker);
    let mut bridge = Link { addresses: Vec::new(), vlan_filtering: None, vlans: None, ..link("vmbr0") };
    (bridge.name, bridge.index) = ("br10".to_owned(), 98);
    links.push(bridge);
    facts.links = Links::new(links);
    facts
}

fn told(facts: &Facts) -> String {
    let found = one("bridge-vlan", facts);
    assert_eq!(found.level, Level::Warn, "{found}");
    format!("{}|{}", found.text, fix(&found))
}

#[test]
fn it_is_named_and_nobody_is_told_to_silence_it() {
    let facts = with_taker(10, |_| ());
    let text = "bond0.10 takes the frames of VLAN 10 that come in at bond0 before vmbr0 gets them: nothing from beyond bond0 comes to \
                192.168.10.250 on veth-rb, and nothing is on bond0.10|ip link del bond0.10";
    assert_eq!(told(&facts), text);
    let address = InterfaceAddress { ip: "192.168.10.9".parse().unwrap(), prefix: 24 };
    let answers = with_taker(10, |link| link.addresses = vec![address]);
    assert!(told(&answers).contains("make a bridge on bond0.10 and put the pair there"), "{}", told(&answers));
    for facts in [&facts, &answers] {
        let found = named("arp-flux", facts);
        assert!(found.is_empty(), "its answers are the only ones that clients get: {found:?}");
    }
    let other = with_taker(11, |_| ());
    assert_eq!(one("bridge-vlan", &other).level, Level::Ok, "another VLAN");
    assert_eq!(one("bridge-vlan", &with_taker(10, |link| link.parent = Some(5))).level, Level::Ok, "on the bridge");
}

#[test]
fn the_pair_goes_to_the_bridge_that_has_the_frames() {
    let mut facts = with_taker(10, |link| link.master = Some(98));
    assert!(told(&facts).ends_with("the bridge that has them is br10|ip link set veth-bnd master br10"));
    facts.pair = facts.links.by_name("veth-rb").unwrap().addresses.clone();
    let install = "|runbound --install --address 192.168.10.250/24 --bridge br10 --replace --now";
    assert!(told(&facts).ends_with(install), "of an installed pair it lasts: {}", told(&facts));
    let bridge = facts.links.by_name("vmbr0").unwrap().index;
    let of_the_same = with_taker(10, |link| (link.master, link.vlans) = (Some(bridge), None));
    assert_eq!(one("bridge-vlan", &of_the_same).level, Level::Ok, "its frames come to the bridge by it");
}

#[test]
fn an_address_of_a_vlan_of_the_bridge_is_concerned_as_well() {
    let address = InterfaceAddress { ip: "192.168.10.250".parse().unwrap(), prefix: 24 };
    for filtering in [Some(true), None] {
        let mut facts = changed(with_taker(20, |link| link.master = Some(98)), "veth-rb", |l| l.addresses.clear());
        facts = changed(facts, "veth-rb", |link| link.name = "other".to_owned());
        facts = changed(facts, "vmbr0.20", |link| link.addresses = vec![address]);
        facts = changed(facts, "vmbr0", |link| link.vlan_filtering = filtering);
        facts.proxmox = true;
        assert!(told(&facts).ends_with("|runbound --install --address N/24 --bridge br10 --now"), "{}", told(&facts));
        let support = one("xdp-support", &facts);
        assert!(support.fix.is_none() && support.text.contains("(bridge-vlan)"), "{support}");
    }
}

#[test]
fn while_it_serves_it_is_told_when_it_comes() {
    let listen = [SERVER.parse().unwrap()];
    let told = |facts: &Facts| {
        let plan = crate::attach::plan(&Config::default(), &listen, &facts.links);
        cut_off::cut_off(&plan, &listen, &facts.links, outside(&|_| None))
    };
    assert_eq!(told(&recorded::facts("vlan_aware")), []);
    let found = told(&with_taker(10, |_| ()));
    assert!(found.len() == 1 && found[0].text.starts_with("bond0.10 takes the frames of VLAN 10"), "{found:?}");
}
