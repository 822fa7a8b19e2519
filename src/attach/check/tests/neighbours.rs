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
    assert!(found.text.contains("requests of ARP too"), "{found}");
    assert_eq!(one("rp-filter", &sound()).level, Level::Ok);
    assert_eq!(one("rp-filter", &strict(recorded::facts("vmbr0"))).level, Level::Ok, "the route is its own");
    let dotted = changed(recorded::facts("vlan"), "bond0.10", |link| link.rp_filter = Some(1));
    let mut elsewhere = dotted;
    elsewhere.routes[0].link = "eth9".into();
    assert_eq!(fix(&one("rp-filter", &elsewhere)), "sysctl -w net/ipv4/conf/bond0.10/rp_filter=2");
}

/// The host with two firewalled guests.
fn firewalled() -> Facts {
    let quiet = |link: &mut Link| link.rp_filter = Some(2);
    changed(recorded::facts("firewall"), "veth-rb", quiet)
}

#[test]
fn firewall_bridges_answer_arp_though_they_have_no_address() {
    let found = named("arp-flux", &firewalled());
    let told: Vec<(Level, &str)> =
        found.iter().map(|finding| (finding.level, finding.text.split(' ').next().unwrap())).collect();
    assert_eq!(told, [(Level::Warn, "fwbr100i0")]);
    assert!(
        found[0].text.starts_with("fwbr100i0 and fwbr101i0: each answers ARP for 192.168.10.250 with"),
        "{}",
        found[0]
    );
    let alone = one("arp-flux", &changed(firewalled(), "fwbr101i0", |link| link.arp_ignore = Some(1)));
    assert!(alone.text.starts_with("fwbr100i0 answers ARP for 192.168.10.250 with its own MAC"), "{alone}");
    assert!(fix(&alone).starts_with("sysctl -w net.ipv4.conf.fwbr100i0.arp_ignore=1\n"), "{alone}");
    assert!(fix(&alone).contains("conf.default.arp_ignore=1\n"), "it goes with the guest: {alone}");
    let silenced = |ignore, filter| {
        let set = |link: &mut Link| (link.arp_ignore, link.rp_filter) = (Some(ignore), Some(filter));
        named("arp-flux", &changed(changed(firewalled(), "fwbr100i0", set), "fwbr101i0", set))
    };
    for (ignore, filter, level) in
        [(1, 0, Level::Ok), (8, 0, Level::Ok), (3, 0, Level::Warn), (0, 2, Level::Ok), (0, 1, Level::Ok)]
    {
        assert_eq!(silenced(ignore, filter)[0].level, level, "arp_ignore {ignore}, rp_filter {filter}");
    }
    let silent = changed(firewalled(), "fwbr101i0", |link| link.arp_ignore = Some(1));
    let unreadable = changed(silent, "fwbr100i0", |link| link.rp_filter = None);
    assert!(named("arp-flux", &unreadable).is_empty());
    let hidden = changed(firewalled(), "fwpr100p0", |link| link.kind = Kind::Other("openvswitch".into()));
    let through = changed(hidden, "br-rb", |link| link.kind = Kind::Other("openvswitch".into()));
    assert_eq!(named("arp-flux", &through)[0].level, Level::Info, "an Open vSwitch does not tell its ways");
}

#[test]
fn bridges_that_guests_bring_later_are_named_until_the_default_holds_for_them() {
    let found = one("arp-later", &firewalled());
    assert_eq!(found.level, Level::Warn);
    assert!(found.text.contains("at br-rb") && found.text.contains("192.168.10.250"), "{found}");
    let commands = "sysctl -w net.ipv4.conf.default.arp_ignore=1\nsysctl -w net.ipv4.conf.default.arp_announce=2\n";
    assert!(fix(&found).starts_with(commands) && fix(&found).contains("/etc/sysctl.d/"), "{found}");
    for (ignore, filter, level) in [(0, 0, Level::Warn), (1, 0, Level::Ok), (0, 2, Level::Ok)] {
        let mut facts = firewalled();
        (facts.later.arp_ignore, facts.later.rp_filter) = (Some(ignore), Some(filter));
        assert_eq!(one("arp-later", &facts).level, level);
    }
    assert!(named("arp-later", &sound()).is_empty(), "no host of Proxmox");
    assert_eq!(one("arp-later", &Facts { proxmox: true, ..sound() }).level, Level::Warn);
    assert!(named("arp-later", &Facts { proxmox: true, ..recorded::facts("eth0") }).is_empty(), "no bridge is there");
}

#[test]
fn bridges_in_another_vlan_are_left_alone() {
    let facts = recorded::facts("vlan_aware");
    let told: Vec<String> = named("arp-flux", &facts).iter().map(|finding| finding.text.clone()).collect();
    assert!(told.len() == 1 && told[0].starts_with("fwbr101i0 "), "{told:?}");
}

#[test]
fn an_address_in_the_network_on_another_segment() {
    // Another VLAN by the same cards: nobody there can ask the server, but the kernel may send there.
    let facts = |record| {
        changed(recorded::facts(record), "vmbr0.20", |link| link.addresses[0].ip = "192.168.10.202".parse().unwrap())
    };
    let mut apart = facts("vlan_aware");
    assert!(named("other-segment", &apart).is_empty(), "the route goes by veth-rb");
    assert!(named("arp-flux", &apart).iter().all(|finding| !finding.text.contains("vmbr0.20")));
    apart.routes.iter_mut().filter(|route| route.link == "veth-rb").for_each(|route| route.link = "vmbr0.20".into());
    let found = one("other-segment", &apart);
    assert!(found.level == Level::Warn && found.text.starts_with("vmbr0.20 "), "{found}");
    // By a card of its own it may be one network outside, and then it draws queries.
    let mut links: Vec<Link> = recorded::facts("eth0").links.iter().cloned().collect();
    let mut other = links[1].clone();
    (other.name, other.index, other.mac) = ("eth1".into(), 9, Some([2, 0, 0, 0, 0, 9]));
    other.addresses.truncate(1);
    other.addresses[0].ip = "192.168.10.202".parse().unwrap();
    links.push(other);
    let cards = Facts { links: Links::new(links), ..recorded::facts("eth0") };
    let found = one("arp-flux", &cards);
    assert!(found.level == Level::Warn && found.text.contains("eth1 ") && found.text.contains("where both"), "{found}");
}

#[test]
fn a_running_server_names_each_link_once() {
    let facts = recorded::facts("firewall");
    let add = |link: &mut Link| {
        let more = (1..=20).map(|last| format!("192.168.10.{last}").parse().unwrap());
        link.addresses.extend(more.map(|ip| crate::host::InterfaceAddress { ip, prefix: 24 }));
    };
    let facts = changed(facts, "veth-rb", add);
    let listen: Vec<SocketAddr> = (1..=20).map(|last| format!("192.168.10.{last}:53").parse().unwrap()).collect();
    let plan = crate::attach::plan(&Config::default(), &listen, &facts.links);
    let named: Vec<String> =
        crate::attach::rivals(&plan, &facts.links).into_iter().map(|rival| rival.links.join(" ")).collect();
    assert_eq!(named, ["fwbr100i0", "fwbr101i0"]);
}

/// The host with 40 firewalled guests, each bridge a port of br-rb.
fn crowded() -> Facts {
    let facts = firewalled();
    let is_guests = |link: &&Link| link.name.contains("100i0") || link.name == "fwpr100p0";
    let mut links: Vec<Link> = facts.links.iter().cloned().collect();
    for guest in 102..140 {
        let shift = |index: u32| if (9..=12).contains(&index) { index + 10 * (guest - 100) } else { index };
        for link in facts.links.iter().filter(is_guests) {
            let mut link = link.clone();
            link.name = link.name.replace("100", &guest.to_string());
            (link.index, link.master) = (shift(link.index), link.master.map(shift));
            if let Kind::Veth { peer: Some(peer) } = link.kind {
                link.kind = Kind::Veth { peer: Some(shift(peer)) };
            }
            link.mac = Some([6, 0, 0, 0, guest as u8, link.index as u8]);
            links.push(link);
        }
    }
    Facts { links: Links::new(links), ..facts }
}

#[test]
fn the_bridges_of_many_guests_are_one_finding_with_a_fix_for_all() {
    let found = one("arp-flux", &crowded());
    assert!(found.text.starts_with("fwbr100i0, fwbr101i0 and 38 more: each answers ARP for 192.168.10.250"), "{found}");
    let lines: Vec<&str> = fix(&found).lines().collect();
    assert!(
        lines[0].starts_with("for bridge in /proc/sys/net/ipv4/conf/fwbr*; do echo 1 > $bridge/arp_ignore;"),
        "{found}"
    );
    assert!(fix(&found).contains("conf.default.arp_announce=2\n") && fix(&found).contains("/etc/sysctl.d/"), "{found}");
    assert_eq!(lines.len(), 4, "{found}");
    let plan = crate::attach::plan(&Config::default(), &[SERVER.parse().unwrap()], &crowded().links);
    let running = crate::attach::rivals(&plan, &crowded().links);
    assert_eq!((running.len(), crate::attach::grouped_rivals(running).len()), (40, 1));
}

/// The reference host with a second pair, which carries 192.168.10.251, at br-rb or at another bridge with a card of its own.
fn two_pairs(at_another: bool) -> Facts {
    let facts = recorded::facts("reference");
    let mut links: Vec<Link> = facts.links.iter().cloned().collect();
    let copy = |of: &str, name: &str, index: u32| {
        let mut link = facts.links.by_name(of).unwrap().clone();
        (link.name, link.index, link.mac) = (name.into(), index, Some([4, 0, 0, 0, 0, index as u8]));
        link
    };
    let (mut ours, mut other) = (copy("veth-rb", "veth-rb2", 21), copy("veth-bnd", "veth-bnd2", 22));
    ours.addresses[0].ip = "192.168.10.251".parse().unwrap();
    (ours.kind, other.kind) = (Kind::Veth { peer: Some(22) }, Kind::Veth { peer: Some(21) });
    if at_another {
        let (mut bridge, mut card) = (copy("br-rb", "br-two", 23), copy("enp33s0f0", "enp34s0", 24));
        bridge.addresses.clear();
        (card.master, other.master) = (Some(23), Some(23));
        links.extend([bridge, card]);
    }
    links.extend([ours, other]);
    Facts { links: Links::new(links), ..facts }
}

/// What is said of ARP for the addresses of both pairs.
fn flux_of_both(facts: &Facts) -> Vec<Finding> {
    let mut found = all(&Config::default(), &[SERVER, "192.168.10.251:53"], facts);
    found.retain(|finding| finding.name == "arp-flux");
    found
}

#[test]
fn of_two_pairs_in_one_network_each_link_is_named_once_with_its_own_fix() {
    let found = flux_of_both(&two_pairs(false));
    let texts: Vec<&str> = found.iter().map(|finding| finding.text.split(" with").next().unwrap()).collect();
    let speaks = "has an address in that network and speaks ARP for";
    assert_eq!(
        texts,
        [
            format!("br-rb {speaks} 192.168.10.250 and 192.168.10.251"),
            format!("veth-rb2 {speaks} 192.168.10.250"),
            format!("veth-rb {speaks} 192.168.10.251"),
        ]
    );
    assert!(found[0].text.ends_with("queries come in there and pass veth-rb and veth-rb2 by"), "{}", found[0]);
    for (finding, link) in found.iter().zip(["br-rb", "veth-rb2", "veth-rb"]) {
        let own = format!("sysctl -w net.ipv4.conf.{link}.arp_ignore=1\nsysctl -w net.ipv4.conf.{link}.arp_announce=2");
        assert_eq!((finding.level, fix(finding)), (Level::Warn, own.as_str()));
    }
    let mended = ["br-rb", "veth-rb", "veth-rb2"].into_iter().fold(two_pairs(false), |facts, name| {
        changed(facts, name, |link| (link.arp_ignore, link.arp_announce) = (Some(1), Some(2)))
    });
    assert!(flux_of_both(&mended).iter().all(|finding| finding.level == Level::Ok), "{:?}", flux_of_both(&mended));
}

#[test]
fn of_two_pairs_at_bridges_of_one_network_each_link_is_named_once_as_well() {
    let found = flux_of_both(&two_pairs(true));
    let first: Vec<&str> = found.iter().map(|finding| finding.text.split(' ').next().unwrap()).collect();
    assert_eq!(first, ["br-rb", "veth-rb2", "veth-rb", "br-two"]);
    // What is sure goes before what depends on the cables.
    assert!(!found[0].text.contains("where both") && found[0].text.contains("192.168.10.250"), "{}", found[0]);
    for finding in [&found[1], &found[2]] {
        assert!(finding.text.contains("where both are cabled to one network"), "{finding}");
    }
}

#[test]
fn an_address_without_a_way_back_to_its_clients() {
    let alone = |prefix| {
        let mut facts = changed(sound(), "veth-rb", |link| link.addresses[0].prefix = prefix);
        facts.routes.retain(|route| route.destination.prefix == 0);
        facts.routes[0].link = "bond0".into();
        facts
    };
    assert!(named("way-back", &sound()).is_empty());
    let found = one("way-back", &alone(32));
    let lines = "ip address add 192.168.10.250/LENGTH dev veth-rb\nip address del 192.168.10.250/32 dev veth-rb";
    assert_eq!((found.level, fix(&found)), (Level::Warn, lines));
    assert!(found.text.contains("192.168.10.250/32 brings no route") && found.text.contains("TCP"), "{found}");
    let found = one("way-back", &alone(24));
    assert_eq!(fix(&found), "ip route add 192.168.10.0/24 dev veth-rb src 192.168.10.250");

    // The bridge of the pair has the network, or the default route.
    let mut by_bridge = changed(sound(), "veth-rb", |link| link.addresses[0].prefix = 32);
    by_bridge.routes.retain(|route| route.link == "br-rb");
    assert!(named("way-back", &by_bridge).is_empty());
    by_bridge.routes.retain(|route| route.destination.prefix == 0);
    assert!(named("way-back", &by_bridge).is_empty(), "the default route goes where the clients are");
    by_bridge.routes[0].link = "bond0".into();
    assert!(one("way-back", &by_bridge).text.contains("the default route goes by bond0"));

    let mut blackhole = sound();
    blackhole.routes.retain(|route| route.destination.prefix > 0);
    blackhole.routes[0].link = "*".into();
    let found = one("way-back", &blackhole);
    assert_eq!(fix(&found), "ip route del 192.168.10.0/24");
    assert!(found.text.contains("takes nothing"), "{found}");
    let mut unread = sound();
    unread.routes.clear();
    assert!(named("way-back", &unread).is_empty());
}

/// The facts with `all` and what is in force for it: no link has less.
fn with_all(mut facts: Facts, all: crate::host::Ipv4Conf) -> Facts {
    let names: Vec<String> = facts.links.iter().map(|link| link.name.clone()).collect();
    for name in names {
        facts = changed(facts, &name, |link| {
            link.arp_ignore = link.arp_ignore.max(all.arp_ignore);
            link.arp_announce = link.arp_announce.max(all.arp_announce);
            link.rp_filter = link.rp_filter.max(all.rp_filter);
        });
    }
    facts.later.arp_ignore = facts.later.arp_ignore.max(all.arp_ignore);
    facts.links.ipv4_all = all;
    facts
}

#[test]
fn what_is_set_for_all_is_named_and_mended_where_it_decides() {
    let conf = |arp_ignore, arp_announce, rp_filter| crate::host::Ipv4Conf {
        arp_ignore: Some(arp_ignore),
        arp_announce: Some(arp_announce),
        rp_filter: Some(rp_filter),
        arp_filter: None,
    };
    for ignore in [3, 4] {
        let found = one("arp-flux", &with_all(sound(), conf(ignore, 0, 0)));
        assert!(found.text.contains(&format!("(net.ipv4.conf.all.arp_ignore {ignore})")), "{found}");
        assert!(fix(&found).ends_with("\nsysctl -w net.ipv4.conf.all.arp_ignore=1"), "{found}");
    }
    let asks = one("arp-flux", &with_all(sound(), conf(1, 3, 0)));
    assert!(asks.text.contains("(net.ipv4.conf.all.arp_announce 3)"), "3 is as 0: {asks}");
    assert!(fix(&asks).ends_with("\nsysctl -w net.ipv4.conf.all.arp_announce=2"), "{asks}");
    // By a link's own, of which there may be less than all have.
    let own = changed(sound(), "br-rb", |link| (link.arp_ignore, link.arp_announce) = (Some(3), Some(1)));
    let found = one("arp-flux", &with_all(own, conf(1, 0, 0)));
    assert!(found.text.contains("(arp_ignore 3, arp_announce 1)") && !fix(&found).contains(".all."), "{found}");

    let later = |all| one("arp-later", &with_all(Facts { proxmox: true, ..sound() }, all));
    let found = later(conf(3, 0, 0));
    assert!(found.text.contains("(net.ipv4.conf.all.arp_ignore 3)"), "{found}");
    for line in ["sysctl -w net.ipv4.conf.default.arp_ignore=1\n", "sysctl -w net.ipv4.conf.all.arp_ignore=1\n"] {
        assert!(fix(&found).contains(line), "{found}");
    }
    assert!(fix(&found).contains("\\nnet.ipv4.conf.all.arp_ignore = 1\\n' > /etc/sysctl.d/"), "{found}");
    assert!(later(conf(0, 0, 0)).text.contains("(net.ipv4.conf.default.arp_ignore 0)"));

    let mut strict = changed(sound(), "veth-rb", |link| link.rp_filter = Some(0));
    strict.routes.iter_mut().for_each(|route| route.link = "br-rb".into());
    let found = one("rp-filter", &with_all(strict, conf(1, 2, 1)));
    assert!(found.level == Level::Warn && found.text.contains("(net.ipv4.conf.all.rp_filter 1)"), "{found}");
    assert_eq!(fix(&found), "sysctl -w net.ipv4.conf.veth-rb.rp_filter=2", "which is more than all have");
}

#[test]
fn the_cards_of_a_routed_mesh_go_on_answering_for_the_hosts_address() {
    let found = one("arp-later", &Facts { proxmox: true, ..recorded::facts("mesh") });
    let lines: Vec<&str> = fix(&found).lines().collect();
    let kept = [
        "sysctl -w net.ipv4.conf.enp65s0f0.arp_ignore=0",
        "sysctl -w net.ipv4.conf.enp65s0f0.arp_announce=0",
        "sysctl -w net/ipv4/conf/enp65s0f1.60/arp_ignore=0",
        "sysctl -w net/ipv4/conf/enp65s0f1.60/arp_announce=0",
        "sysctl -w net.ipv4.conf.default.arp_ignore=1",
    ];
    assert_eq!(lines[..5], kept, "before they would follow the default");
    assert!(lines[6].contains("\\n-net/ipv4/conf/enp65s0f0/arp_ignore = 0\\n"), "after a boot, too: {found}");
    let of_bridges = named("arp-flux", &recorded::facts("mesh"));
    assert!(of_bridges.len() == 2 && fix(&of_bridges[1]).contains(&lines[..6].join("\n")), "{of_bridges:?}");
    let all = crate::host::Ipv4Conf { arp_ignore: Some(3), ..crate::host::Ipv4Conf::default() };
    let found = one("arp-later", &with_all(Facts { proxmox: true, ..recorded::facts("mesh") }, all));
    assert!(fix(&found).contains("\nsysctl -w net.ipv4.conf.all.arp_ignore=0\n"), "{found}");
    let quiet = ["vmbr0", "fwbr100i0"].into_iter().fold(recorded::facts("mesh"), |facts, bridge| {
        changed(facts, bridge, |link| (link.arp_ignore, link.arp_announce) = (Some(1), Some(2)))
    });
    let found = one("arp-flux", &quiet);
    assert_eq!(found.level, Level::Info, "whom such a card answers is not seen from here: {found}");
    assert!(fix(&found).starts_with("sysctl -w net.ipv4.conf.enp65s0f0.arp_ignore=1\n"), "{found}");
    // Where such a card hears the requests for our address as well, it gets the host's as its own.
    let mut facts = recorded::facts("mesh");
    facts = changed(facts, "vmbr0", |link| (link.arp_ignore, link.arp_announce) = (Some(1), Some(2)));
    let parent = facts.links.by_name("enp65s0f0").map(|link| link.index);
    facts = changed(facts, "veth-rb", |link| (link.kind, link.parent) = (Kind::Macvlan, parent));
    let found = one("arp-flux", &facts);
    let lines: Vec<&str> = fix(&found).lines().collect();
    let kept = ["ip address replace 10.15.15.50/32 dev enp65s0f0", "sysctl -w net.ipv4.conf.enp65s0f0.arp_ignore=1"];
    assert_eq!(lines[..2], kept, "{found}");
}
