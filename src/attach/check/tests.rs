//! Each finding on a recorded host: broken it is named, mended it is gone.
#![allow(clippy::unwrap_used)]

use super::findings;
use crate::attach::finding::{Finding, Level};
use crate::config::{Config, ForwardServer, ForwardZone, XdpMode, XdpUse};
use crate::host::recorded;
use crate::host::{AttachedProgram, Facts, Kind, Link, Links, PortProbe, PortState};
use rustix::thread::CapabilitySet;
use std::net::SocketAddr;

const SERVER: &str = "192.168.10.250:53";

fn all(config: &Config, listen: &[&str], facts: &Facts) -> Vec<Finding> {
    let listen: Vec<SocketAddr> = listen.iter().map(|text| text.parse().unwrap()).collect();
    findings(config, &listen, facts)
}

/// The findings of a name, for the server's address and the default configuration.
fn named(name: &str, facts: &Facts) -> Vec<Finding> {
    with(name, &Config::default(), facts)
}

fn with(name: &str, config: &Config, facts: &Facts) -> Vec<Finding> {
    let mut found = all(config, &[SERVER], facts);
    found.retain(|finding| finding.name == name);
    found
}

/// The one finding of a name.
fn one(name: &str, facts: &Facts) -> Finding {
    let mut found = named(name, facts);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn fix(finding: &Finding) -> &str {
    finding.fix.as_deref().unwrap_or("")
}

/// The facts with one link changed.
fn changed(mut facts: Facts, name: &str, change: impl Fn(&mut Link)) -> Facts {
    let mut links: Vec<Link> = facts.links.iter().cloned().collect();
    links.iter_mut().filter(|link| link.name == name).for_each(change);
    facts.links = Links::new(links);
    facts
}

/// The reference topology with its ARP set right.
fn sound() -> Facts {
    let facts = changed(recorded::facts("reference"), "br-rb", |link| link.arp_ignore = Some(1));
    changed(facts, "veth-rb", |link| link.rp_filter = Some(2))
}

#[test]
fn a_sound_host_has_nothing_to_mend() {
    for facts in [sound(), recorded::facts("eth0"), recorded::facts("vmbr0")] {
        let found = all(&Config::default(), &[SERVER], &facts);
        let bad: Vec<_> = found.iter().filter(|finding| finding.level >= Level::Warn).collect();
        assert!(bad.is_empty(), "{bad:?}");
        assert!(found.len() > 7, "{found:?}");
    }
}

#[test]
fn topology_is_told() {
    let told = one("topology", &sound());
    let chain = "192.168.10.250: veth-rb ⇄ veth-bnd → br-rb → bond0.10 → bond0 → {enp33s0f0, enp33s0f1}";
    assert_eq!((told.level, told.text.as_str()), (Level::Info, chain));
}

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
fn an_address_on_two_interfaces() {
    let address = sound().links.by_name("veth-rb").unwrap().addresses[0];
    let facts = changed(sound(), "br-rb", |link| link.addresses.push(address));
    let found = named("address", &facts);
    assert_eq!(found[0].level, Level::Warn);
    assert_eq!(fix(&found[0]), "ip address del 192.168.10.250/24 dev br-rb");
}

#[test]
fn a_link_that_is_down() {
    assert!(named("link-down", &sound()).is_empty());
    let facts = changed(sound(), "veth-rb", |link| link.up = false);
    assert_eq!(fix(&one("link-down", &facts)), "ip link set veth-rb up");
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
fn arp_flux_is_named_until_the_bridge_ignores_arp() {
    let facts = recorded::facts("reference");
    let found = one("arp-flux", &facts);
    assert_eq!((found.level, fix(&found)), (Level::Warn, "sysctl -w net.ipv4.conf.br-rb.arp_ignore=1"));
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
         ip link set veth-bnd master br-rb up\n\
         ip address del 192.168.10.250/24 dev bond0.10\n\
         ip link set veth-rb up\n\
         ip address add 192.168.10.250/24 dev veth-rb\n\
         sysctl -w net.ipv4.conf.br-rb.arp_ignore=1"
    );
    let bridge = one("xdp-support", &recorded::facts("bridge"));
    assert!(fix(&bridge).starts_with("ip link add veth-rb type veth") && bridge.text.contains("bridge"), "{bridge}");
    assert!(fix(&bridge).ends_with("sysctl -w net.ipv4.conf.br-rb.arp_ignore=1"), "{bridge}");
    for (kind, word) in [(Kind::Ipvlan, "ipvlan"), (Kind::Macvlan, "macvlan")] {
        let facts = changed(recorded::facts("ipvlan"), "ipv0", |link| link.kind = kind.clone());
        let below = one("xdp-support", &facts);
        assert!(below.level == Level::Ok && below.text.contains("goes to eth0"), "{below}");
        assert!(one("xdp-candidate", &facts).text.contains(word));
        let facts = changed(facts, "eth0", |link| link.driver = Some("r8169".into()));
        let found = one("xdp-support", &facts);
        assert!(found.level == Level::Warn && found.text.contains(word), "{found}");
        assert!(found.fix.is_none(), "the parent's own address would be cut off: {found}");
        let found = one("xdp-support", &changed(facts, "eth0", |link| link.addresses.clear()));
        let commands = "ip link del ipv0\nip link add br-rb type bridge\nip link set eth0 master br-rb\n";
        assert!(fix(&found).starts_with(commands) && !fix(&found).contains("address del"), "{found}");
    }
    let bond = changed(recorded::facts("vlan"), "bond0.10", |link| link.kind = Kind::Bond { mode: "active-backup" });
    assert!(one("xdp-support", &bond).text.contains("slaves"));
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
fn without_xdp_little_is_said() {
    let mut config = Config::default();
    config.xdp.enable = XdpUse::No;
    let found = with("xdp-support", &config, &recorded::facts("vlan"));
    assert_eq!(found[0].level, Level::Info);
    for name in ["mtu", "memlock", "kernel", "rx-queues", "arp-flux"] {
        assert!(with(name, &config, &recorded::facts("reference")).is_empty(), "{name}");
    }
}

#[test]
fn mtu_queues_and_programs() {
    let long = changed(sound(), "veth-bnd", |link| link.mtu = 9000);
    let found = one("mtu", &long);
    assert_eq!((found.level, fix(&found)), (Level::Warn, "ip link set veth-bnd mtu 1500"));
    assert_eq!(one("mtu", &sound()).level, Level::Ok);
    let virtio = changed(recorded::facts("eth0"), "eth0", |link| link.mtu = 3507);
    assert_eq!(one("mtu", &virtio).level, Level::Warn);

    let four = changed(recorded::facts("eth0"), "eth0", |link| link.rx_queues = 4);
    assert!(one("rx-queues", &four).text.contains("4 receive queues"));
    assert_eq!(one("rx-queues", &sound()).level, Level::Ok);

    assert!(named("xdp-program", &sound()).is_empty());
    let mut busy = changed(sound(), "veth-rb", |link| link.program = Some(AttachedProgram { id: 7, generic: true }));
    let found = one("xdp-program", &busy);
    assert_eq!((found.level, fix(&found)), (Level::Warn, "ip link set dev veth-rb xdpgeneric off"));
    let owner = PortState::Taken(Some("runbound (pid 3)".into()));
    busy.ports = vec![PortProbe { address: SERVER.parse().unwrap(), tcp: false, state: owner }];
    assert_eq!(one("xdp-program", &busy).level, Level::Info);
}

#[test]
fn xdp_interface_must_carry_an_address() {
    let mut config = Config::default();
    for (name, expected) in [("veth-rb", 0), ("eth9", 1), ("br-rb", 1)] {
        config.xdp.interfaces = vec![name.into()];
        assert_eq!(with("xdp-interface", &config, &sound()).len(), expected, "{name}");
    }
}

#[test]
fn locked_memory() {
    let mut facts = sound();
    assert_eq!(one("memlock", &facts).level, Level::Ok);
    facts.memlock = Some(8 << 20);
    assert_eq!(one("memlock", &facts).level, Level::Ok, "CAP_IPC_LOCK makes it moot");
    facts.capabilities = Some(CapabilitySet::all() - CapabilitySet::IPC_LOCK);
    assert_eq!(one("memlock", &facts).level, Level::Info, "a shell's limit is not the service's");
    facts.unit_memlock = Some("infinity".into());
    assert!(one("memlock", &facts).text.contains("LimitMEMLOCK=infinity"));
    facts.service = Some("runbound.service".into());
    let found = one("memlock", &facts);
    assert_eq!(found.level, Level::Warn);
    assert!(found.text.contains("8192 KiB") && fix(&found).contains("LimitMEMLOCK=infinity"), "{found}");
    facts.memlock = None;
    assert_eq!(one("memlock", &facts).level, Level::Ok);
}

#[test]
fn each_missing_capability() {
    let mut facts = sound();
    assert_eq!(one("capability", &facts).level, Level::Ok);
    for (missing, name) in [
        (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
        (CapabilitySet::NET_RAW, "CAP_NET_RAW"),
        (CapabilitySet::BPF | CapabilitySet::SYS_ADMIN, "CAP_BPF"),
        (CapabilitySet::PERFMON | CapabilitySet::SYS_ADMIN, "CAP_PERFMON"),
        (CapabilitySet::NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"),
    ] {
        facts.capabilities = Some(CapabilitySet::all() - missing);
        let found = one("capability", &facts);
        assert!(found.level == Level::Warn && found.text.starts_with(name), "{found}");
        assert_eq!(
            fix(&found),
            "setcap cap_net_admin,cap_net_raw,cap_bpf,cap_perfmon,cap_net_bind_service+ep \"$(command -v runbound)\""
        );
    }
    facts.service = Some("runbound.service".into());
    assert_eq!(one("capability", &facts).level, Level::Fail, "a service that cannot bind does not start");
    facts.first_free_port = 53;
    assert_eq!(one("capability", &facts).level, Level::Ok);
    facts.capabilities = None;
    assert!(named("capability", &facts).is_empty());
}

#[test]
fn forwarders_that_are_ourselves() {
    let mut config = Config::default();
    let loops = |config: &Config, listen: &str| {
        let found = all(config, &[listen], &sound());
        found.iter().filter(|finding| finding.name == "forward-loop" && finding.level == Level::Fail).count()
    };
    let server = |address: &str, port| ForwardServer {
        address: address.parse().unwrap(),
        port,
        tls_name: String::new(),
        at: Default::default(),
    };
    let servers = vec![server("192.168.10.250", 53), server("192.168.10.250", 5353), server("9.9.9.9", 53)];
    config.forward_zones = vec![ForwardZone { servers, ..ForwardZone::default() }];
    assert_eq!(loops(&config, SERVER), 1);
    assert_eq!(loops(&config, "0.0.0.0:53"), 1);
    assert_eq!(loops(&config, "192.168.10.201:53"), 0);
    config.forward_zones[0].servers = vec![server("127.0.0.1", 53)];
    assert_eq!(loops(&config, "0.0.0.0:53"), 0, "do-not-query-localhost");
    config.do_not_query_localhost = false;
    assert_eq!(loops(&config, "0.0.0.0:53"), 1);
}

#[test]
fn old_kernels() {
    let mut facts = sound();
    for (version, level, word) in [
        (Some((5, 8)), Level::Warn, "bpf_link"),
        (Some((5, 10)), Level::Warn, "RLIMIT_MEMLOCK"),
        (Some((5, 11)), Level::Ok, "5.11"),
    ] {
        facts.kernel = version;
        let found = one("kernel", &facts);
        assert!(found.level == level && found.text.contains(word), "{found}");
    }
    facts.kernel = None;
    assert!(named("kernel", &facts).is_empty());
}

#[test]
fn every_name_has_a_row_in_the_docs() {
    let docs = include_str!("../../../docs/troubleshooting.md");
    let mut config = Config::default();
    config.xdp.interfaces = vec!["eth9".into()];
    let mut broken = recorded::facts("reference");
    broken.ports = vec![PortProbe { address: SERVER.parse().unwrap(), tcp: true, state: PortState::Taken(None) }];
    let mut found = all(&config, &[SERVER], &broken);
    for record in ["reference", "vlan", "ipvlan", "bridge", "eth0", "vmbr0"] {
        found.extend(all(&Config::default(), &[SERVER], &recorded::facts(record)));
    }
    config.xdp.interfaces.clear();
    config.xdp.mode = XdpMode::Generic;
    let down = |link: &mut Link| {
        link.up = false;
        link.program = Some(AttachedProgram { id: 1, generic: false });
    };
    found.extend(all(&config, &[SERVER], &changed(recorded::facts("vlan"), "bond0.10", down)));
    let names: std::collections::BTreeSet<&str> = found.iter().map(|finding| finding.name).collect();
    assert!(names.len() > 14, "{names:?}");
    for name in names {
        assert!(docs.contains(&format!("| `{name}` |")), "{name} has no row in docs/troubleshooting.md");
    }
}
