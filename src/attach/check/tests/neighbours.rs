//! Other interfaces of the same network.

use super::*;

#[test]
fn arp_flux_is_named_until_the_bridge_ignores_arp() {
    let facts = recorded::facts("reference");
    let found = one("arp-flux", &facts);
    let commands = "sysctl -w net.ipv4.conf.br-rb.arp_ignore=1\nsysctl -w net.ipv4.conf.br-rb.arp_announce=2";
    assert_eq!((found.level, fix(&found)), (Level::Warn, commands));
    assert!(found.text.starts_with("br-rb ") && found.text.contains("192.168.10.250"), "{found}");
    assert_eq!(one("arp-flux", &sound()).level, Level::Ok);
    let bare = changed(facts.clone(), "br-rb", |link| link.addresses.clear());
    assert_eq!(one("arp-flux", &bare).level, Level::Warn, "a bridge without an address answers as well");
    let down = changed(facts.clone(), "br-rb", |link| link.up = false);
    assert_eq!(one("arp-flux", &down).level, Level::Ok);
    let elsewhere = changed(recorded::facts("vmbr0"), "br-rb", |link| link.arp_ignore = Some(1));
    assert_eq!(one("arp-flux", &elsewhere).level, Level::Ok, "vmbr0 is in another network");
    let unreadable = changed(facts, "br-rb", |link| link.arp_ignore = None);
    assert!(named("arp-flux", &unreadable).is_empty());
}

#[test]
fn an_interface_of_the_network_must_not_ask_in_the_name_of_our_address() {
    for announce in [0, 1] {
        let facts = changed(sound(), "br-rb", |link| link.arp_announce = Some(announce));
        let found = one("arp-flux", &facts);
        assert!(found.level == Level::Warn && found.text.contains(&format!("arp_announce {announce}")), "{found}");
        assert!(fix(&found).ends_with("net.ipv4.conf.br-rb.arp_announce=2"), "{found}");
        let bare = changed(facts, "br-rb", |link| link.addresses.clear());
        assert_eq!(one("arp-flux", &bare).level, Level::Ok, "nothing leaves by a bridge without an address");
    }
    let unreadable = changed(sound(), "br-rb", |link| link.arp_announce = None);
    assert!(named("arp-flux", &unreadable).is_empty());
}

#[test]
fn the_parent_of_a_macvlan_answers_arp_as_well() {
    let facts = changed(recorded::facts("ipvlan"), "ipv0", |link| link.kind = Kind::Macvlan);
    let facts = changed(facts, "eth0", |link| {
        link.addresses.clear();
        link.arp_ignore = Some(0);
    });
    let found = one("arp-flux", &facts);
    assert_eq!(
        (found.level, fix(&found)),
        (Level::Warn, "sysctl -w net.ipv4.conf.eth0.arp_ignore=1\nsysctl -w net.ipv4.conf.eth0.arp_announce=2")
    );
    assert_eq!(one("arp-flux", &changed(facts, "eth0", |link| link.arp_ignore = Some(1))).level, Level::Ok);
}

#[test]
fn strict_rp_filter_with_the_route_elsewhere() {
    let strict = |facts| changed(facts, "veth-rb", |link| link.rp_filter = Some(1));
    let found = one("rp-filter", &strict(sound()));
    assert_eq!((found.level, fix(&found)), (Level::Warn, "sysctl -w net.ipv4.conf.veth-rb.rp_filter=2"));
    assert_eq!(one("rp-filter", &sound()).level, Level::Ok);
    assert_eq!(one("rp-filter", &strict(recorded::facts("vmbr0"))).level, Level::Ok, "the route is its own");
    let dotted = changed(recorded::facts("vlan"), "bond0.10", |link| link.rp_filter = Some(1));
    let mut elsewhere = dotted;
    elsewhere.routes[0].link = "eth9".into();
    assert_eq!(fix(&one("rp-filter", &elsewhere)), "sysctl -w net/ipv4/conf/bond0.10/rp_filter=2");
}
