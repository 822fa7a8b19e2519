//! The links below an address and what XDP can do there.

use super::*;

#[test]
fn topology_is_told() {
    let told = one("topology", &sound());
    let chain = "192.168.10.250: veth-rb ⇄ veth-bnd → br-rb → bond0.10 → bond0 → {enp33s0f0, enp33s0f1}";
    assert_eq!((told.level, told.text.as_str()), (Level::Info, chain));
}

#[test]
fn a_bond_under_a_bridge_above_us() {
    let found = one("bridge-above", &recorded::facts("vmbr0"));
    assert_eq!(found.level, Level::Info, "a VLAN gets its frames before the bridge does");
    assert!(found.text.starts_with("bond0 is a port of vmbr0"), "{found}");
    assert!(named("bridge-above", &sound()).is_empty());

    let address = recorded::facts("vmbr0").links.by_name("veth-rb").unwrap().addresses[0];
    let facts = changed(recorded::facts("vmbr0"), "veth-rb", |link| link.addresses.clear());
    let facts = changed(facts, "bond0", |link| link.addresses.push(address));
    let found = one("bridge-above", &facts);
    assert_eq!((found.level, fix(&found)), (Level::Warn, "ip link set bond0 nomaster"));
    assert!(named("bridge-above", &changed(facts, "bond0", |link| link.master = None)).is_empty());
}

#[test]
fn an_internal_port_of_open_vswitch_comes_with_a_port_for_a_veth_pair() {
    let facts = changed(recorded::facts("bridge"), "br-rb", |link| link.kind = Kind::Other("openvswitch".into()));
    let found = one("xdp-support", &facts);
    assert!(found.level == Level::Warn && found.text.contains("Open vSwitch"), "{found}");
    let port = "ovs-vsctl --timeout=10 --may-exist add-port $(ovs-vsctl --timeout=10 iface-to-br br-rb 2>/dev/null || echo br-rb) \
                veth-bnd tag=$(ovs-vsctl --timeout=10 get port br-rb tag)\n";
    assert!(fix(&found).contains(port) && !fix(&found).contains("master"), "{found}");
}

#[test]
fn links_without_native_xdp_come_with_a_veth_pair() {
    let found = one("xdp-support", &recorded::facts("vlan"));
    assert_eq!(found.level, Level::Warn);
    assert!(found.text.contains("bond0.10") && found.text.contains("VLAN"), "{found}");
    assert_eq!(
        fix(&found),
        "ip link add br-rb type bridge\n\
         ip link set bond0.10 master br-rb\n\
         ip link set br-rb up\n\
         ip link add veth-rb type veth peer name veth-bnd\n\
         ip link set veth-bnd address fe:$(cut -d: -f2- /sys/class/net/veth-bnd/address)\n\
         ip link set veth-bnd master br-rb up\n\
         ip address del 192.168.10.250/24 dev bond0.10\n\
         ip link set veth-rb up\n\
         ip address add 192.168.10.250/24 dev veth-rb metric 4096\n\
         sysctl -w net.ipv4.conf.br-rb.arp_ignore=1\n\
         sysctl -w net.ipv4.conf.br-rb.arp_announce=2"
    );
    let bridge = one("xdp-support", &recorded::facts("bridge"));
    assert!(fix(&bridge).starts_with("ip link add veth-rb type veth") && bridge.text.contains("bridge"), "{bridge}");
    assert!(
        fix(&bridge)
            .ends_with("sysctl -w net.ipv4.conf.br-rb.arp_ignore=1\nsysctl -w net.ipv4.conf.br-rb.arp_announce=2"),
        "{bridge}"
    );
    for (kind, word) in [(Kind::Ipvlan, "ipvlan"), (Kind::Macvlan, "macvlan")] {
        let facts = changed(recorded::facts("ipvlan"), "ipv0", |link| link.kind = kind.clone());
        let below = one("xdp-support", &facts);
        assert!(below.level == Level::Ok && below.text.contains("native XDP at eth0"), "{below}");
        assert!(one("xdp-candidate", &facts).text.contains(word));
        let facts = changed(facts, "eth0", |link| link.driver = Some("r8169".into()));
        let found = one("xdp-support", &facts);
        assert!(found.level == Level::Warn && found.text.contains(word), "{found}");
        assert!(found.fix.is_none(), "the parent's own address would be cut off: {found}");
        let found = one("xdp-support", &changed(facts, "eth0", |link| link.addresses.clear()));
        let commands = "ip link del ipv0\nip link add br-rb type bridge\nip link set eth0 master br-rb\n";
        assert!(fix(&found).starts_with(commands) && !fix(&found).contains("address del"), "{found}");
    }
    let kind = Kind::Bond { mode: "active-backup", active: None, all_active: false };
    let bond = changed(recorded::facts("vlan"), "bond0.10", |link| link.kind = kind.clone());
    assert!(one("xdp-support", &bond).text.contains("slaves"));
}

#[test]
fn a_slave_whose_frames_the_bond_drops_stands_by() {
    let mut config = Config::default();
    config.xdp.physical = true;
    let found = with("bond-standby", &config, &recorded::facts("active_backup"));
    let text = "enp33s0f0: bond0 (active-backup) drops what comes in there now: the program is there, and serves as soon as \
                bond0 takes it";
    assert_eq!(found, [Finding::new(Level::Info, "bond-standby", text.to_owned())]);
    assert_eq!(with("bond-standby", &config, &recorded::facts("balance_alb")), []);
    assert_eq!(named("bond-standby", &recorded::facts("active_backup")), [], "the cards are left alone");
}

#[test]
fn a_program_below_what_is_down_stands_by() {
    let mut config = Config::default();
    config.xdp.physical = true;
    let down = changed(recorded::facts("active_backup"), "bond0.10", |link| link.up = false);
    let found = with("xdp-standby", &config, &down);
    assert_eq!(found.len(), 2, "{found:?}");
    let text = "enp33s0f0: nothing is taken for 192.168.10.250 while bond0.10 is not up, as the kernel gets nothing by that way \
                either: the program is there, and serves as soon as the way up is open";
    assert_eq!(found[0], Finding::new(Level::Info, "xdp-standby", text.to_owned()));
    assert_eq!(with("xdp-standby", &config, &recorded::facts("active_backup")), []);
}

#[test]
fn an_address_the_host_needs_is_not_moved() {
    let mut facts = recorded::facts("bridge");
    assert!(one("xdp-support", &facts).fix.is_some());
    let mut default = facts.routes[0].clone();
    default.destination.prefix = 0;
    facts.routes.push(default);
    let found = one("xdp-support", &facts);
    assert!(found.fix.is_none() && found.text.contains("an address of its own"), "{found}");
}

#[test]
fn drivers() {
    let driver =
        |name: Option<&str>| changed(recorded::facts("eth0"), "eth0", |link| link.driver = name.map(Into::into));
    assert_eq!(one("xdp-support", &driver(Some("ixgbe"))).level, Level::Ok);
    assert_eq!(one("xdp-support", &driver(Some("r8169"))).level, Level::Warn);
    assert_eq!(one("xdp-support", &driver(Some("new"))).level, Level::Info);
    assert_eq!(one("xdp-support", &driver(None)).level, Level::Info);
}

#[test]
fn generic_mode_on_a_stacked_interface() {
    let mut config = Config::default();
    config.xdp.mode = XdpMode::Generic;
    for (record, level) in [("vlan", Level::Warn), ("ipvlan", Level::Warn), ("reference", Level::Info)] {
        let found = with("generic-mode", &config, &recorded::facts(record));
        assert_eq!(found.iter().map(|finding| finding.level).collect::<Vec<_>>(), [level], "{record}");
    }
    assert!(named("generic-mode", &recorded::facts("vlan")).is_empty());
}

#[test]
fn queues_and_programs() {
    let four = changed(recorded::facts("eth0"), "eth0", |link| link.rx_queues = 4);
    assert!(one("rx-queues", &four).text.contains("4 receive queues"));
    assert_eq!(one("rx-queues", &sound()).level, Level::Ok);

    assert!(named("xdp-program", &sound()).is_empty());
    let mut busy = changed(sound(), "veth-rb", |link| link.program = Some(AttachedProgram { id: 7, generic: true }));
    let found = one("xdp-program", &busy);
    assert_eq!((found.level, fix(&found)), (Level::Warn, "ip link set dev veth-rb xdpgeneric off"));
    let holder = |pid: u32| Holder { who: format!("runbound (pid {pid})"), stop: format!("kill {pid}") };
    busy.holders = vec![(8, holder(4)), (7, holder(312))];
    let found = one("xdp-program", &busy);
    assert_eq!((found.level, fix(&found)), (Level::Warn, "kill 312"), "the kernel refuses `ip link` there");
    assert!(found.text.contains("runbound (pid 312) holds it"), "{found}");
    assert!(found.text.contains("one runbound can have the addresses of both"), "{found}");
    let support = one("xdp-support", &busy);
    assert!(support.level == Level::Info && support.text.contains("when the other program there is gone"), "{support}");
    // Of two servers on the interface, the one that has the program, and the other.
    for (pid, level, support) in [(312, Level::Info, Level::Ok), (3, Level::Warn, Level::Info)] {
        let state = PortState::Taken(Some(format!("runbound (pid {pid})")));
        busy.ports = vec![PortProbe { address: SERVER.parse().unwrap(), tcp: false, state }];
        assert_eq!((one("xdp-program", &busy).level, one("xdp-support", &busy).level), (level, support), "{pid}");
    }
    busy.holders = vec![(7, Holder { who: "other (pid 4)".into(), stop: "systemctl stop other.service".into() })];
    let found = one("xdp-program", &busy);
    assert_eq!(fix(&found), "systemctl stop other.service");
    assert!(!found.text.contains("one runbound"), "{found}");
    busy.holders.clear();
    assert_eq!(one("xdp-program", &busy).level, Level::Info, "whose it is cannot be seen");
    busy.ports.clear();
    busy.capabilities = Some(CapabilitySet::NET_ADMIN);
    let found = one("xdp-program", &busy);
    assert!(found.fix.is_none() && found.text.contains("when root runs it"), "{found}");
}

#[test]
fn xdp_interface_must_carry_an_address() {
    let mut config = Config::default();
    for (name, expected) in [("veth-rb", 0), ("eth9", 1), ("br-rb", 1)] {
        config.xdp.interfaces = vec![name.into()];
        assert_eq!(with("xdp-interface", &config, &sound()).len(), expected, "{name}");
    }
    let altnamed = changed(sound(), "veth-rb", |link| link.altnames = vec!["nic0".into(), "resolver".into()]);
    config.xdp.interfaces = vec!["resolver".into()];
    assert!(with("xdp-interface", &config, &altnamed).is_empty(), "by one of its other names");
    let found = &with("xdp-support", &config, &altnamed)[0];
    assert!(found.level == Level::Ok && found.text.starts_with("veth-rb: native XDP at veth-rb"), "{found}");
}

#[test]
fn of_a_card_its_driver_decides() {
    let mut config = Config::default();
    config.xdp.physical = true;
    let card = |driver: &str, mtu: u32| {
        let of = |facts, name| {
            changed(facts, name, |link| (link.driver, link.mtu, link.addresses) = (Some(driver.into()), mtu, vec![]))
        };
        of(of(recorded::facts("vlan"), "enp33s0f0"), "enp33s0f1")
    };
    for (driver, most) in [("igb", 3046), ("ixgbe", 3046), ("igc", 1500)] {
        let found = with("mtu", &config, &card(driver, most));
        assert!(!found.is_empty() && found.iter().all(|found| found.level == Level::Ok), "{found:?}");
        let facts = card(driver, 9000);
        let found = with("mtu", &config, &facts);
        assert!(found[0].level == Level::Warn && found[0].fix.is_none(), "{found:?}");
        let text = format!("enp33s0f0: native XDP takes at most {most}, enp33s0f0 has 9000 ({driver})");
        assert!(found[0].text.starts_with(&text), "{found:?}");
        let support = &with("xdp-support", &config, &facts)[0];
        assert!(support.level == Level::Info && support.text.contains("(mtu)"), "{support}");
    }
    assert!(with("mtu", &config, &card("mlx5_core", 9000)).is_empty(), "not the same on all of them");
    assert!(with("mtu", &config, &card("i40e", 9000)).is_empty(), "since Linux 6.4");
}

#[test]
fn of_a_pair_the_other_ends_mtu_decides() {
    let any = changed(sound(), "veth-bnd", |link| link.mtu = 9000);
    assert!(named("mtu", &any).is_empty(), "since Linux 5.18 none does");
    let old = |facts| Facts { kernel: Some((5, 15)), ..facts };
    let sound = || old(sound());
    let long = |name| changed(sound(), name, |link| link.mtu = 9000);
    let found = one("mtu", &long("veth-rb"));
    assert_eq!(found.level, Level::Ok, "{found}");
    let found = one("mtu", &long("veth-bnd"));
    assert_eq!((found.level, fix(&found)), (Level::Warn, "ip link set br-rb mtu 1500\nip link set veth-bnd mtu 3506"));
    assert!(found.text.contains("3506") && found.text.contains("veth-bnd has 9000"), "{found}");
    let found = one("mtu", &changed(long("veth-bnd"), "veth-rb", |link| link.mtu = 9000));
    assert!(fix(&found).ends_with("\nip link set veth-rb mtu 3506"), "{found}");
    let elsewhere = changed(long("veth-rb"), "veth-rb", |link| link.kind = Kind::Veth { peer: None });
    assert_eq!(one("mtu", &elsewhere).level, Level::Info);
    assert_eq!(one("mtu", &sound()).level, Level::Ok);
    let virtio = changed(old(recorded::facts("eth0")), "eth0", |link| link.mtu = 3507);
    assert_eq!((one("mtu", &virtio).level, fix(&one("mtu", &virtio))), (Level::Warn, "ip link set eth0 mtu 3506"));
}

#[test]
fn a_pair_takes_nothing_from_its_bridges_mtu() {
    let long = |record: &str, names: &[&str]| {
        names.iter().fold(recorded::facts(record), |facts, name| changed(facts, name, |link| link.mtu = 9000))
    };
    let asks =
        |facts: &Facts| fix(&one("xdp-support", facts)).lines().any(|line| line == "ip link set veth-bnd mtu 9000");
    assert!(asks(&long("bridge", &["br-rb", "bond0.10"])), "the bridge that is there");
    assert!(asks(&long("bridge", &["bond0.10"])), "that its other ports have");
    assert!(asks(&long("vlan", &["bond0.10"])), "a bridge that is made");
    assert!(!asks(&recorded::facts("bridge")) && !asks(&recorded::facts("vlan")));
    let switch = changed(long("bridge", &["br-rb"]), "br-rb", |link| link.kind = Kind::Other("openvswitch".into()));
    assert!(asks(&switch), "an Open vSwitch");

    let ports = long("reference", &["bond0.10", "tap100i0"]);
    let found = one("mtu", &ports);
    assert_eq!((found.level, fix(&found)), (Level::Warn, "ip link set veth-bnd mtu 9000"));
    assert!(found.text.starts_with("veth-bnd holds the MTU of br-rb down to 1500"), "{found}");
    assert!(named("mtu", &long("reference", &["bond0.10", "tap100i0", "br-rb"])).is_empty(), "the bridge's was set");
    assert!(named("mtu", &long("reference", &["bond0.10"])).is_empty(), "another port holds it down, too");
}

#[test]
fn who_takes_tags_off_is_told() {
    let tags = |facts: &Facts| {
        named("rx-vlan", facts).iter().map(|found| (found.level, found.text.clone())).collect::<Vec<_>>()
    };
    let on = changed(sound(), "veth-bnd", |link| link.tx_stag = Some(true));
    assert!(
        matches!(&tags(&on)[..], [(Level::Info, text)] if text.contains("its other end veth-bnd")),
        "{:?}",
        tags(&on)
    );
    assert_eq!(tags(&sound()), [], "they are in the frames");
    let card = changed(recorded::facts("eth0"), "eth0", |link| link.rx_vlan = Some(true));
    assert!(
        matches!(&tags(&card)[..], [(Level::Info, text)] if text.contains("rxvlan is switched off")),
        "{:?}",
        tags(&card)
    );
    let mut elsewhere = changed(sound(), "veth-rb", |link| link.kind = Kind::Veth { peer: None });
    assert_eq!(one("rx-vlan", &elsewhere).level, Level::Info);
    elsewhere.kernel = Some((6, 1));
    let found = one("rx-vlan", &elsewhere);
    assert!(found.level == Level::Warn && found.text.contains("xdp-interface: veth-rb"), "{found}");
    let mut config = Config::default();
    config.xdp.interfaces = vec!["veth-rb".into()];
    assert_eq!(with("rx-vlan", &config, &elsewhere)[0].level, Level::Info);
}
