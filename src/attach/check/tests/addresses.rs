//! Addresses, ports and forwarders.

use super::*;
use crate::config::ScopedAddress;
use crate::host::Occupant;

#[test]
fn missing_addresses_fail() {
    let found = all(&Config::default(), &["192.168.10.9:53", "127.0.0.1:53", "127.0.0.2:53"], &sound());
    let levels: Vec<Level> =
        found.iter().filter(|finding| finding.name == "address").map(|finding| finding.level).collect();
    assert_eq!(levels, [Level::Fail, Level::Ok, Level::Ok]);
    assert_eq!(one("address", &sound()).text, "192.168.10.250 is on veth-rb");

    let mut elsewhere = sound();
    let address = "192.168.10.9:53".parse().unwrap();
    elsewhere.ports = vec![PortProbe { address, tcp: false, state: PortState::Free }];
    let found = all(&Config::default(), &["192.168.10.9:53"], &elsewhere);
    assert_eq!(found[0].level, Level::Warn, "net.ipv4.ip_nonlocal_bind: {found:?}");
}

#[test]
fn an_address_that_is_expected_later_is_a_warning() {
    for (ip_freebind, ip_transparent) in [(true, false), (false, true)] {
        let config = Config { ip_freebind, ip_transparent, ..Config::default() };
        let found = all(&config, &["192.168.10.9:53"], &sound());
        let found = found.iter().find(|finding| finding.name == "address").unwrap();
        assert!(found.level == Level::Warn && found.text.contains("as soon as one does"), "{found}");
    }
}

#[test]
fn an_address_on_two_interfaces() {
    let address = sound().links.by_name("veth-rb").unwrap().addresses[0];
    let facts = changed(sound(), "br-rb", |link| link.addresses.push(address));
    let found = named("address", &facts);
    assert_eq!(found[0].level, Level::Warn);
    assert_eq!(fix(&found[0]), "ip address del 192.168.10.250/24 dev br-rb");
    // The bridge may have come before the pair, or after it.
    let mut later = facts.clone();
    let mut links: Vec<Link> = facts.links.iter().cloned().collect();
    links.reverse();
    later.links = Links::new(links);
    assert_eq!(fix(&named("address", &later)[0]), "ip address del 192.168.10.250/24 dev br-rb");
    let mut support = named("xdp-support", &later);
    support.retain(|finding| finding.text.starts_with("br-rb"));
    assert!(support.len() == 1 && support[0].fix.is_none(), "no second pair: {support:?}");
    assert!(support[0].text.contains("is on veth-rb as well"), "{}", support[0]);
}

#[test]
fn a_link_that_is_down() {
    assert!(named("link-down", &sound()).is_empty());
    let facts = changed(sound(), "veth-rb", |link| link.up = false);
    assert_eq!(fix(&one("link-down", &facts)), "ip link set veth-rb up");

    let bare = changed(sound(), "veth-rb", |link| link.carrier = false);
    let found = one("link-down", &bare);
    assert!(found.level == Level::Warn && found.text.contains("no carrier") && found.fix.is_none(), "{found}");
    let peer = changed(bare, "veth-bnd", |link| link.up = false);
    assert_eq!(fix(&one("link-down", &peer)), "ip link set veth-bnd up");
}

#[test]
fn a_vlan_whose_parent_is_down() {
    let server = |facts: &Facts| {
        let mut found = all(&Config::default(), &["192.168.10.250:53"], facts);
        found.retain(|finding| finding.name == "link-down");
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    };
    let vlans = || recorded::facts("two_vlans");
    let lower = changed(vlans(), "veth-rb", |link| (link.up, link.carrier) = (false, false));
    let bare = server(&changed(lower.clone(), "veth-rb.10", |link| link.carrier = false));
    assert_eq!(fix(&bare), "ip link set veth-rb up");
    assert!(bare.text.contains("veth-rb below it is not up"), "{bare}");
    let both = server(&changed(lower, "veth-rb.10", |link| (link.up, link.carrier) = (false, false)));
    assert_eq!(fix(&both), "ip link set veth-rb up\nip link set veth-rb.10 up", "the kernel refuses the other order");
    assert!(both.text.contains("is not up, as veth-rb below it is not"), "{both}");
    let peer = changed(vlans(), "veth-bnd", |link| link.up = false);
    let peer = server(&changed(peer, "veth-rb.10", |link| link.carrier = false));
    assert_eq!(fix(&peer), "ip link set veth-bnd up", "of the pair that the VLAN stands on");
}

#[test]
fn a_pair_that_leads_nowhere() {
    let loose = changed(sound(), "veth-bnd", |link| link.master = None);
    let found = one("link-down", &loose);
    assert_eq!(
        (found.level, fix(&found)),
        (
            Level::Warn,
            "ip link set veth-bnd address fe:$(cut -d: -f2- /sys/class/net/veth-bnd/address)\nip link set veth-bnd master br-rb"
        )
    );
    let fits = changed(loose.clone(), "veth-bnd", |link| link.mac = Some([0xfe, 0, 0, 0, 0, 1]));
    assert_eq!(fix(&one("link-down", &fits)), "ip link set veth-bnd master br-rb");
    assert!(found.text.contains("veth-bnd, is in no bridge"), "{found}");
    let unnumbered = changed(fits.clone(), "br-rb", |link| link.addresses.clear());
    assert_eq!(fix(&one("link-down", &unnumbered)), "ip link set veth-bnd master br-rb", "the one that leads out");
    let unknown = changed(unnumbered, "br-rb", |link| link.name = "fwbr100i0".to_owned());
    assert_eq!(fix(&one("link-down", &unknown)), "ip link set veth-bnd master BRIDGE", "a guest's is none");
    let routed = changed(loose.clone(), "veth-bnd", |link| {
        link.addresses.push(InterfaceAddress { ip: "192.168.10.1".parse().unwrap(), prefix: 24 });
    });
    assert!(named("link-down", &routed).is_empty(), "it leads to the host itself");
    let link_local = changed(loose, "veth-bnd", |link| {
        link.addresses.push(InterfaceAddress { ip: "fe80::1".parse().unwrap(), prefix: 64 });
    });
    assert_eq!(named("link-down", &link_local).len(), 1, "every link that is up has one");

    let bridge = one("link-down", &changed(sound(), "br-rb", |link| link.up = false));
    assert_eq!((bridge.level, fix(&bridge)), (Level::Warn, "ip link set br-rb up"));

    let mut ports = sound();
    for port in ["bond0.10", "tap100i0"] {
        assert!(named("link-down", &ports).is_empty(), "one is up");
        ports = changed(ports, port, |link| (link.up, link.carrier) = (port == "bond0.10", false));
    }
    let found = one("link-down", &ports);
    assert!(found.text.contains("no other port of br-rb") && found.text.contains("bond0.10, tap100i0"), "{found}");
    assert_eq!(fix(&found), "ip link set tap100i0 up", "of the other a cable is out");
}

#[test]
fn a_link_that_nobody_gets_to_know_the_mac_of() {
    let found = one("link-down", &changed(sound(), "veth-rb", |link| link.arp = false));
    assert_eq!((found.level, fix(&found)), (Level::Warn, "ip link set veth-rb arp on"));
    assert!(found.text.contains("NOARP"), "{found}");
    let dummy = changed(sound(), "veth-rb", |link| (link.arp, link.kind) = (false, Kind::Other("dummy".into())));
    assert!(named("link-down", &dummy).is_empty(), "it never speaks ARP");

    let ignores = |value| changed(sound(), "veth-rb", move |link| link.arp_ignore = Some(value));
    let found = one("link-down", &ignores(8));
    assert_eq!(fix(&found), "sysctl -w net.ipv4.conf.veth-rb.arp_ignore=1");
    assert!(found.text.contains("192.168.10.250 and answers no ARP (arp_ignore 8)"), "{found}");
    let mut by_all = ignores(8);
    by_all.links.ipv4_all.arp_ignore = Some(8);
    let both = "sysctl -w net.ipv4.conf.all.arp_ignore=1\nsysctl -w net.ipv4.conf.veth-rb.arp_ignore=1";
    assert_eq!(fix(&one("link-down", &by_all)), both);
    assert!([0, 1, 2, 4].iter().all(|value| named("link-down", &ignores(*value)).is_empty()));
    let alone = changed(ignores(2), "veth-rb", |link| link.addresses[0].prefix = 32);
    assert!(one("link-down", &alone).text.contains("arp_ignore 2"));

    let filter = changed(sound(), "veth-rb", |link| link.arp_filter = Some(true));
    let found = one("link-down", &filter);
    assert_eq!(fix(&found), "sysctl -w net.ipv4.conf.veth-rb.arp_filter=0");
    assert!(found.text.contains("goes by br-rb"), "{found}");
    let mut direct = filter;
    direct.routes.retain(|route| route.link == "veth-rb");
    assert!(named("link-down", &direct).is_empty(), "the way back is by the link itself");
}

/// What `bridge link set dev NAME` may set, on a port of the reference host's bridge.
fn port_set(facts: Facts, name: &str, change: impl Fn(&mut BridgePort)) -> Facts {
    changed(facts, name, |link| change(&mut link.port))
}

#[test]
fn a_bridge_that_lets_nothing_pass() {
    let state =
        |facts: Facts, name: &str, state: BridgePortState| port_set(facts, name, move |port| port.state = state);
    let found = one("link-down", &state(sound(), "veth-bnd", BridgePortState::Disabled));
    assert_eq!((found.level, fix(&found)), (Level::Warn, "bridge link set dev veth-bnd state 3"));
    assert!(found.text.contains("veth-bnd, the port of its pair at br-rb, is disabled"), "{found}");
    assert!(named("other-segment", &state(sound(), "veth-bnd", BridgePortState::Disabled)).is_empty());
    let tree = changed(sound(), "br-rb", |link| link.spanning_tree = true);
    let found = one("link-down", &state(tree.clone(), "veth-bnd", BridgePortState::Learning));
    let lines = "ip link set br-rb type bridge stp_state 0\nbridge link set dev veth-bnd state 3";
    assert_eq!(fix(&found), lines, "the port stays as it is when the tree is switched off");
    assert!(found.text.contains("is learning") && found.text.contains("forward delay"), "{found}");
    assert_eq!(found.level, Level::Info, "it is over by itself");
    let by_hand = state(sound(), "veth-bnd", BridgePortState::Learning);
    assert_eq!(one("link-down", &by_hand).level, Level::Warn, "without a spanning tree it is not");
    let uplink = state(tree.clone(), "bond0.10", BridgePortState::Listening);
    let uplink = changed(uplink, "tap100i0", |link| link.carrier = false);
    assert_eq!(one("link-down", &uplink).level, Level::Info);
    let found = one("link-down", &state(tree, "veth-bnd", BridgePortState::Disabled));
    assert_eq!(fix(&found), "ip link set veth-bnd down\nip link set veth-bnd up", "by hand the kernel refuses it");

    let uplink = state(sound(), "bond0.10", BridgePortState::Disabled);
    assert!(named("link-down", &uplink).is_empty(), "guests reach it");
    let found = one("link-down", &changed(uplink.clone(), "tap100i0", |link| (link.up, link.carrier) = (true, false)));
    assert_eq!(fix(&found), "bridge link set dev bond0.10 state 3");
    assert!(found.text.contains("(bond0.10 is disabled, tap100i0)"), "{found}");

    let isolated = ["veth-bnd", "bond0.10", "tap100i0"]
        .iter()
        .fold(sound(), |facts, name| port_set(facts, name, |port| port.isolated = true));
    let found = one("link-down", &isolated);
    assert_eq!(fix(&found), "bridge link set dev veth-bnd isolated off");
    assert!(found.text.contains("bond0.10 is isolated, as veth-bnd is"), "{found}");
    assert!(named("link-down", &port_set(isolated, "tap100i0", |port| port.isolated = false)).is_empty());

    let lock = |port: &mut BridgePort| (port.locked, port.admits) = (true, false);
    let found = one("link-down", &port_set(sound(), "veth-bnd", lock));
    assert_eq!((found.level, fix(&found)), (Level::Warn, "bridge link set dev veth-bnd locked off"));
    assert!(found.text.contains("veth-bnd, the port of its pair at br-rb, is locked"), "{found}");
    let locked = port_set(sound(), "bond0.10", lock);
    assert!(named("link-down", &locked).is_empty(), "guests reach it");
    let found = one("link-down", &changed(locked, "tap100i0", |link| link.carrier = false));
    assert_eq!(fix(&found), "bridge link set dev bond0.10 locked off");
    let known = port_set(sound(), "veth-bnd", |port| port.locked = true);
    assert!(named("link-down", &known).is_empty(), "its MAC is let in");

    let quiet = port_set(sound(), "veth-bnd", |port| (port.floods, port.broadcasts) = (false, false));
    let found = one("link-down", &quiet);
    assert_eq!(fix(&found), "bridge link set dev veth-bnd bcast_flood on flood on");
    assert!(named("link-down", &port_set(sound(), "veth-bnd", |port| port.floods = false)).is_empty());
    let unasked = port_set(sound(), "veth-bnd", |port| port.multicasts = false);
    assert!(named("link-down", &unasked).is_empty(), "IPv4 is asked for by broadcast");
    let ip = "2001:db8::250".parse().unwrap();
    let both = changed(unasked, "veth-rb", |link| link.addresses.push(InterfaceAddress { ip, prefix: 64 }));
    let found = all(&Config::default(), &[SERVER, "[2001:db8::250]:53"], &both);
    let found = found.iter().find(|finding| finding.name == "link-down").unwrap();
    assert!(found.text.starts_with("veth-rb carries 2001:db8::250 and br-rb sends no multicasts"), "{found}");
    assert_eq!(fix(found), "bridge link set dev veth-bnd mcast_flood on");

    // The address on the bridge itself.
    let own = recorded::facts("bridge");
    assert!(named("link-down", &own).is_empty());
    let ports: Vec<String> =
        own.links.ports(own.links.by_name("br-rb").unwrap()).map(|port| port.name.clone()).collect();
    let shut = ports.iter().fold(own, |facts, name| state(facts, name, BridgePortState::Disabled));
    let found = one("link-down", &shut);
    assert!(found.text.contains("no port of it lets anything pass") && fix(&found).contains("state 3"), "{found}");
}

#[test]
fn where_a_foreign_pair_leads_is_told_of_an_address_that_is_named() {
    let foreign = |link: &mut Link| link.name = link.name.replace("veth-rb", "px0").replace("veth-bnd", "px1");
    let mut facts = changed(changed(sound(), "veth-bnd", |link| link.master = None), "veth-rb", foreign);
    facts = changed(facts, "veth-bnd", foreign);
    let told = |facts: &Facts, listen: &str| {
        let mut found = all(&Config::default(), &[listen], facts);
        found.retain(|finding| finding.name == "link-down");
        found
    };
    assert_eq!(told(&facts, "0.0.0.0:53"), [], "a program may have its other end");
    let found = told(&facts, SERVER);
    assert!(found.len() == 1 && found[0].text.contains("px1, is in no bridge"), "{found:?}");
    assert!(fix(&found[0]).ends_with("ip link set px1 master br-rb"), "{found:?}");
    let down = changed(facts, "px0", |link| link.up = false);
    assert_eq!(told(&down, "0.0.0.0:53").len(), 1, "that a link is down is no guess");
    let ours = changed(sound(), "veth-bnd", |link| link.master = None);
    assert_eq!(told(&ours, "0.0.0.0:53").len(), 1, "of ours it is known");
}

#[test]
fn ports_in_use_are_named_with_their_owner() {
    let mut facts = sound();
    let port = |state| vec![PortProbe { address: SERVER.parse().unwrap(), tcp: true, state }];
    facts.ports = port(PortState::Taken(Some("systemd-resolve (pid 12)".into())));
    let found = one("port", &facts);
    assert_eq!(found.level, Level::Fail);
    assert!(found.text.contains("192.168.10.250:53 over TCP is taken by systemd-resolve (pid 12)"), "{found}");
    assert!(fix(&found).contains("DNSStubListener=no"));
    facts.ports = port(PortState::Taken(Some("dnsmasq (pid 3)".into())));
    assert_eq!(fix(&one("port", &facts)), "systemctl disable --now dnsmasq");
    facts.ports = port(PortState::Taken(None));
    assert_eq!(fix(&one("port", &facts)), "ss -lpn 'sport = :53'");
    facts.ports = port(PortState::Taken(Some("runbound (pid 3)".into())));
    assert_eq!(one("port", &facts).level, Level::Info);
    facts.ports = port(PortState::Free);
    assert_eq!(one("port", &facts).level, Level::Ok);
    facts.ports = port(PortState::Unknown);
    assert!(named("port", &facts).is_empty());
}

#[test]
fn forwarders_that_are_ourselves() {
    let mut config = Config::default();
    let loops = |config: &Config, listen: &str| {
        let found = all(config, &[listen], &sound());
        found.iter().filter(|finding| finding.name == "forward-loop" && finding.level == Level::Fail).count()
    };
    let server = |address: &str, port| ForwardServer {
        address: ScopedAddress::parse(address).unwrap(),
        port,
        tls_name: String::new(),
        at: Default::default(),
    };
    let servers = vec![server("192.168.10.250", 53), server("192.168.10.250", 5353), server("9.9.9.9", 53)];
    config.forward_zones = vec![ZoneClause { servers, ..ZoneClause::default() }];
    assert_eq!(loops(&config, SERVER), 1);
    assert_eq!(loops(&config, "0.0.0.0:53"), 1);
    assert_eq!(loops(&config, "192.168.10.201:53"), 0);
    config.forward_zones[0].servers = vec![server("127.0.0.1", 53)];
    assert_eq!(loops(&config, "0.0.0.0:53"), 0, "do-not-query-localhost");
    config.do_not_query_localhost = false;
    assert_eq!(loops(&config, "0.0.0.0:53"), 1);
    for (address, listen, expected) in [
        ("0.0.0.0", "127.0.0.1:53", 1),
        ("0.0.0.0", "0.0.0.0:53", 1),
        ("0.0.0.0", SERVER, 0),
        ("::", "[::1]:53", 1),
        ("::ffff:127.0.0.1", "127.0.0.1:53", 1),
    ] {
        config.forward_zones[0].servers = vec![server(address, 53)];
        assert_eq!(loops(&config, listen), expected, "{address} with {listen}");
    }
}

#[test]
fn an_address_that_another_host_has() {
    let with = |detection: Option<Detection>| {
        let ip = "2001:db8::250".parse().unwrap();
        changed(sound(), "veth-rb", move |link| {
            link.addresses.push(InterfaceAddress { ip, prefix: 64 });
            link.detections.extend(detection.map(|detection| (ip, detection)));
        })
    };
    let told = |facts: &Facts, listen: &str| {
        let mut found = all(&Config::default(), &[listen], facts);
        let plans = found.iter().any(|finding| finding.name == "topology" && finding.text.contains("2001:db8::250"));
        found.retain(|finding| finding.name == "address" && finding.text.starts_with("2001:db8::250"));
        (found, plans)
    };
    let (found, plans) = told(&with(Some(Detection::Failed)), "[2001:db8::250]:53");
    assert_eq!((found.len(), found[0].level, plans), (1, Level::Fail, false), "{found:?}");
    let lines = "ip address del 2001:db8::250/64 dev veth-rb\nip address add 2001:db8::250/64 dev veth-rb metric 4096";
    assert_eq!(fix(&found[0]), lines);
    assert!(found[0].text.contains("another host of the network has it"), "{}", found[0]);
    assert_eq!(told(&with(Some(Detection::Failed)), "[::]:53").0.len(), 1, "of a wildcard, too");
    let (found, plans) = told(&with(Some(Detection::Going)), "[2001:db8::250]:53");
    assert_eq!((found[0].level, plans), (Level::Info, true));
    assert_eq!(told(&with(None), "[2001:db8::250]:53").0[0].level, Level::Ok);
}

#[test]
fn an_address_that_another_host_has_too_is_named() {
    let mut facts = sound();
    let (ip, link) = ("192.168.10.250".parse().unwrap(), facts.links.by_name("veth-rb").unwrap().index);
    facts.occupants = vec![Occupant { ip, mac: [2, 0, 0, 0, 0, 9], link }];
    let found = named("address", &facts);
    let told = found.iter().find(|finding| finding.level == Level::Warn).expect("a warning");
    assert!(
        told.text.contains("192.168.10.250 is on veth-rb, and another host has it, too: 02:00:00:00:00:09"),
        "{told}"
    );
}

#[test]
fn an_address_on_two_interfaces_is_named_also_of_a_wildcard() {
    let own = InterfaceAddress { ip: "192.168.10.250".parse().unwrap(), prefix: 24 };
    let facts = changed(sound(), "br-rb", |link| link.addresses.push(own));
    let found = all(&Config::default(), &["0.0.0.0:53"], &facts);
    let told =
        found.iter().find(|finding| finding.name == "address" && finding.level == Level::Warn).expect("a warning");
    assert!(told.text.contains("192.168.10.250 is on br-rb and veth-rb"), "{told}");
    assert!(fix(told).contains("ip address del 192.168.10.250/24 dev br-rb"), "{told}");
}
