//! Open vSwitch and the zones of Proxmox' SDN.

use super::*;

/// What the findings of a name begin with, and their levels.
fn told(name: &str, facts: &Facts) -> Vec<(Level, String)> {
    let first = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    named(name, facts).iter().map(|finding| (finding.level, first(&finding.text))).collect()
}

fn warns(facts: &Facts, server: &str) -> Vec<Finding> {
    let mut found = all(&Config::default(), &[server], facts);
    found.retain(|finding| finding.level >= Level::Warn);
    found
}

#[test]
fn a_pair_at_an_open_vswitch_is_served_and_who_may_speak_arp_there_is_named() {
    let facts = recorded::facts("ovs");
    assert_eq!(one("xdp-support", &facts).level, Level::Ok);
    let flux = named("arp-flux", &facts);
    assert!(flux[0].level == Level::Info && flux[0].text.contains("of fwbr100i0 each does"), "{}", flux[0]);
    assert!(fix(&flux[0]).starts_with("sysctl -w net.ipv4.conf.fwbr100i0.arp_ignore=1\n"), "{}", flux[0]);
    assert_eq!(flux.len(), 2);
    assert!(
        flux[1].level == Level::Warn && flux[1].text.starts_with("vlan10 has an address in that network"),
        "{}",
        flux[1]
    );
    assert!(flux[1].text.contains("where both are in one VLAN of the Open vSwitch"), "{}", flux[1]);
    let mended = ["vlan10", "fwbr100i0"].into_iter().fold(facts.clone(), |facts, name| {
        changed(facts, name, |link| (link.arp_ignore, link.arp_announce) = (Some(1), Some(2)))
    });
    assert_eq!(told("arp-flux", &mended), [(Level::Info, "who".into())]);
    assert_eq!(fix(&one("arp-flux", &mended)), "");
    let left = warns(&mended, SERVER);
    let later = &left[0];
    assert_eq!((left.len(), later.name), (1, "arp-later"), "{left:?}");
    assert!(later.text.contains("at ovs-system brings"), "{later}");
}

#[test]
fn a_port_of_an_open_vswitch_that_carries_the_address_is_taken_out() {
    let facts = changed(recorded::facts("eth0"), "eth0", |link| link.master = Some(99));
    let mut links: Vec<Link> = facts.links.iter().cloned().collect();
    let mut switch = links[1].clone();
    (switch.name, switch.index, switch.kind) = ("ovs-system".into(), 99, Kind::Other("openvswitch".into()));
    switch.addresses.clear();
    switch.master = None;
    links.push(switch);
    let found = one("bridge-above", &Facts { links: Links::new(links), ..facts });
    assert_eq!((found.level, fix(&found)), (Level::Warn, "ovs-vsctl --timeout=10 del-port eth0"));
}

#[test]
fn vnets_of_a_vlan_zone_are_bridges_that_hear_arp() {
    let aware = recorded::facts("sdn_vlan");
    assert_eq!(one("xdp-support", &aware).level, Level::Ok);
    assert_eq!(told("arp-flux", &aware), [(Level::Warn, "vnet1".into())]);
    let pair = recorded::facts("sdn_pair");
    assert_eq!(told("arp-flux", &pair), [(Level::Warn, "vmbr0v10".into()), (Level::Warn, "vnet1".into())]);
    for facts in [aware, pair] {
        let names = ["vnet1", "vmbr0v10"];
        let quiet = names.into_iter().fold(facts, |facts, name| changed(facts, name, |link| link.arp_ignore = Some(1)));
        assert!(warns(&quiet, SERVER).is_empty(), "{:?}", warns(&quiet, SERVER));
    }
}

#[test]
fn the_gateway_of_a_simple_zone_stays_where_the_sdn_puts_it() {
    let facts = Facts { proxmox: true, ..recorded::facts("sdn_zones") };
    let mut found = warns(&facts, "10.0.0.2:53");
    found.retain(|finding| finding.name != "arp-later");
    assert!(found.is_empty(), "{found:?}");
    let found = &advised(&facts, "10.0.0.1:53");
    assert!(found.level == Level::Warn && found.text.contains("as their gateway"), "{found}");
    assert_eq!(fix(found), "runbound --install --address N/24 --bridge vnet4 --now");
    let elsewhere = all(&Config::default(), &["10.0.0.1:53"], &Facts { proxmox: false, ..facts });
    let found = elsewhere.iter().find(|finding| finding.name == "xdp-support").unwrap();
    assert!(fix(found).contains("ip link set veth-bnd2 master vnet4 up"), "{found}");
}

/// The host before `--install` made its pair.
fn before_install(facts: &Facts) -> Facts {
    let others = facts.links.iter().filter(|link| !link.name.starts_with("veth-"));
    Facts { links: Links::new(others.cloned().collect()), ..facts.clone() }
}

/// What is advised for an address of a Proxmox host without a pair.
fn advised(facts: &Facts, server: &str) -> Finding {
    advised_with_pair(&before_install(facts), server)
}

fn advised_with_pair(facts: &Facts, server: &str) -> Finding {
    let facts = Facts { proxmox: true, ..facts.clone() };
    let mut found = all(&Config::default(), &[server], &facts);
    found.retain(|finding| finding.name == "xdp-support");
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn the_gateway_of_a_tunnels_zone_stays_as_well() {
    let gateway = recorded::facts("sdn_zones").links.by_name("vnet4").unwrap().addresses[0];
    let facts = changed(recorded::facts("sdn_zones"), "vnet4", |link| link.addresses.clear());
    let facts = changed(facts, "vnet2", |link| link.addresses.push(gateway));
    let found = advised(&facts, "10.0.0.1:53");
    assert_eq!((found.level, fix(&found)), (Level::Warn, "runbound --install --address N/24 --bridge vnet2 --now"));
    assert!(
        found.text.ends_with(
            "10.0.0.1 stays there, where Proxmox' files have it: give the server an address of its own, N, on a \
                                  veth pair"
        ),
        "{found}"
    );
}

#[test]
fn no_install_is_advised_that_takes_the_place_of_the_pair_that_is_there() {
    let facts = recorded::facts("sdn_zones");
    let found = advised_with_pair(&facts, "10.0.0.1:53");
    let text = "the pair of --install, veth-rb, has 10.0.0.2 in that network: serve that address in place of 10.0.0.1";
    assert!(found.level == Level::Warn && found.text.ends_with(text) && found.fix.is_none(), "{found}");
    // By its file alone: it is not up.
    let written = |ip: &str| {
        let pair = vec![crate::host::InterfaceAddress { ip: ip.parse().unwrap(), prefix: 24 }];
        advised_with_pair(&Facts { pair, ..before_install(&facts) }, "10.0.0.1:53")
    };
    let found = written("10.0.0.2");
    assert!(found.text.ends_with(text) && found.fix.is_none(), "{found}");
    // In another network, whose clients would lose it.
    let found = written("192.168.10.250");
    assert!(
        found.fix.is_none() && found.text.contains("veth-rb, is there already with 192.168.10.250, and"),
        "{found}"
    );
    assert!(found.text.ends_with("make a second pair by hand (docs/proxmox.md)"), "{found}");
}

#[test]
fn the_hosts_own_address_at_a_bridge_comes_with_an_install_beside_it() {
    let e1000e = |record| {
        let physical = |facts: Facts, name: &str| changed(facts, name, |link| link.driver = Some("e1000e".into()));
        ["enp33s0f0", "enp33s0f1", "eno1"].into_iter().fold(recorded::facts(record), physical)
    };
    let aware = e1000e("vlan_aware");
    let found = advised(&aware, "192.168.20.201:53");
    assert_eq!(fix(&found), "runbound --install --address N/24 --bridge vmbr0 --vlan 20 --now");
    let found = advised(&aware, "192.168.1.201:53");
    assert_eq!(fix(&found), "runbound --install --address N/24 --bridge vmbr0 --share-bridge --now");
    let mut routed = aware.clone();
    let mut default = routed.routes.first().cloned().unwrap_or_else(|| recorded::facts("bridge").routes[0].clone());
    (default.destination.prefix, default.link) = (0, "vmbr0".into());
    routed.routes.push(default);
    assert!(advised(&routed, "192.168.1.201:53").text.contains("the host needs 192.168.1.201 there"));
    // --vlan wants a bridge that keeps VLANs apart, by the tags that --install gives.
    for change in [
        |link: &mut Link| link.vlan_filtering = Some(false),
        |link: &mut Link| link.vlan_protocol = Some(crate::host::VlanProtocol::Dot1ad),
    ] {
        let found = advised(&changed(aware.clone(), "vmbr0", change), "192.168.20.201:53");
        assert!(!fix(&found).contains("--install"), "{found}");
    }
    let found = advised(&recorded::facts("vlan"), SERVER);
    assert!(!fix(&found).contains("--install"), "bond0.10 is on no bridge: {found}");
}

#[test]
fn an_interface_of_an_open_vswitch_comes_with_an_install_at_its_switch() {
    let facts = recorded::facts("ovs");
    let found = advised(&facts, "192.168.10.201:53");
    let command = "runbound --install --address N/24 --bridge $(ovs-vsctl --timeout=10 iface-to-br vlan10 2>/dev/null || echo vlan10) \
                   $(ovs-vsctl --timeout=10 get port vlan10 tag | sed -n 's/^[0-9][0-9]*$/--vlan &/p') --share-bridge --now";
    assert_eq!(fix(&found), command, "no link tells the switch nor the tag");
    let found = advised(&facts, "192.168.1.201:53");
    assert!(fix(&found) == command.replace("vlan10", "vmbr0") && found.text.contains("the host needs"), "{found}");
    let switch = facts.links.by_name("vmbr0").unwrap().index;
    let facts = changed(facts, "vlan10", |link| (link.kind, link.parent) = (Kind::Vlan { id: 10 }, Some(switch)));
    let command = "runbound --install --address N/24 --bridge $(ovs-vsctl --timeout=10 iface-to-br vmbr0 2>/dev/null || echo vmbr0) \
                   --vlan 10 --share-bridge --now";
    assert_eq!(fix(&advised(&facts, "192.168.10.201:53")), command);
}

#[test]
fn a_switch_that_is_not_on_the_way_makes_no_rival() {
    let flux = |facts: &Facts| {
        let found = named("arp-flux", facts);
        found.iter().any(|finding| finding.text.starts_with("vlan10 "))
    };
    let facts = recorded::facts("ovs");
    assert!(flux(&facts));
    // The pair at a bridge whose VLAN table cannot be read, beside a switch that has nothing to do with it.
    let bridge = facts.links.by_name("fwbr100i0").unwrap().index;
    let facts = changed(facts, "fwbr100i0", |link| link.vlan_filtering = Some(true));
    let facts = changed(facts, "veth-bnd", |link| (link.master, link.vlans) = (Some(bridge), None));
    let facts = changed(facts, "fwln100o0", |link| link.master = None);
    assert!(!flux(&facts), "{:?}", named("arp-flux", &facts));
}
