//! Recorded hosts for tests: `testdata/NAME.txt`, a line for each link.

use super::bridge_port::{BridgePort, PortState};
use super::links::{AttachedProgram, Kind, Link, Links};
use super::netlink::BOND_MODES;
use super::vlan::{VlanProtocol, VlanRange, VlanTable};
use super::{Facts, InterfaceAddress, Ipv4Conf, Route};
use rustix::thread::CapabilitySet;

const RECORDS: &[(&str, &str)] = &[
    ("reference", include_str!("testdata/reference.txt")),
    ("vlan", include_str!("testdata/vlan.txt")),
    ("ipvlan", include_str!("testdata/ipvlan.txt")),
    ("bridge", include_str!("testdata/bridge.txt")),
    ("eth0", include_str!("testdata/eth0.txt")),
    ("vmbr0", include_str!("testdata/vmbr0.txt")),
    ("firewall", include_str!("testdata/firewall.txt")),
    ("vlan_aware", include_str!("testdata/vlan_aware.txt")),
    ("active_backup", include_str!("testdata/active_backup.txt")),
    ("balance_alb", include_str!("testdata/balance_alb.txt")),
    ("two_vlans", include_str!("testdata/two_vlans.txt")),
    ("ovs", include_str!("testdata/ovs.txt")),
    ("sdn_vlan", include_str!("testdata/sdn_vlan.txt")),
    ("sdn_pair", include_str!("testdata/sdn_pair.txt")),
    ("sdn_zones", include_str!("testdata/sdn_zones.txt")),
    ("mesh", include_str!("testdata/mesh.txt")),
];

/// The facts of a recorded host on which all but the links is as it should be: root on Linux 6.12, nothing limited.
pub(crate) fn facts(name: &str) -> Facts {
    let text = RECORDS.iter().find(|(known, _)| *known == name).expect("a record of that name").1;
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let names: Vec<&str> = lines().filter(|line| !line.starts_with("route ")).map(first).collect();
    let index = |name: &str| names.iter().position(|known| *known == name).expect("a link of the record") as u32 + 1;
    let links = lines().filter(|line| !line.starts_with("route ")).map(|line| link(line, &index)).collect();
    let all = lines().filter_map(|line| line.strip_prefix("route ")).map(route);
    let (routes, routes6) = all.partition(|route| route.destination.ip.is_ipv4());
    Facts {
        links: Links::new(links),
        routes,
        routes6,
        answers: Vec::new(),
        later: Ipv4Conf { arp_ignore: Some(0), arp_announce: Some(0), rp_filter: Some(0), arp_filter: Some(false) },
        proxmox: false,
        pair: Vec::new(),
        quiet: Vec::new(),
        firewall: None,
        occupants: Vec::new(),
        conntrack: None,
        untracked: Vec::new(),
        switch_ports: None,
        memlock: None,
        open_files: None,
        service: None,
        unit: None,
        refused_families: Vec::new(),
        capabilities: Some(CapabilitySet::all()),
        holders: Vec::new(),
        program: None,
        own_file: None,
        kernel: Some((6, 12)),
        clock_is_kept: Some(true),
        first_free_port: 1024,
        ports: Vec::new(),
        paths: Vec::new(),
        user: None,
    }
}

fn first(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or("")
}

/// The value behind `key=`.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// `10:pvid:untagged,20-4094`; `none` for a table without rows.
fn vlans(text: &str) -> VlanTable {
    let row = |text: &str| {
        let (ids, flags) = text.split_once(':').unwrap_or((text, ""));
        let (first, last) = ids.split_once('-').unwrap_or((ids, ids));
        let id = |text: &str| text.parse().expect("a VLAN ID");
        let is = |flag| flags.split(':').any(|word| word == flag);
        let state = if is("blocking") { PortState::Blocking } else { PortState::Forwarding };
        VlanRange { first: id(first), last: id(last), pvid: is("pvid"), untagged: is("untagged"), state }
    };
    VlanTable::new(text.split(',').filter(|text| *text != "none").map(row).collect())
}

/// A bond's mode by its name.
fn mode(text: &str) -> &'static str {
    BOND_MODES.into_iter().find(|mode| *mode == text).expect("a mode of a bond")
}

/// `name kind [address/prefix] [down] [nocarrier] [noarp] [arp_filter] [stp] [filtering] [802.1ad] [backup] [mac=that of a link]
/// [vlans=table] [altname=name,name] [key=value]...`
fn link(line: &str, index: &dyn Fn(&str) -> u32) -> Link {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |key: &str, default: u32| value(line, key).map_or(default, |text| text.parse().expect("a number"));
    let kind = match words[1] {
        "loopback" => Kind::Loopback,
        "physical" => Kind::Physical,
        "veth" => Kind::Veth { peer: value(line, "peer").map(index) },
        "bridge" => Kind::Bridge,
        "bond" => Kind::Bond {
            mode: mode(value(line, "mode").unwrap_or("")),
            active: value(line, "active").map(index),
            all_active: words.contains(&"all_active"),
        },
        "vlan" => Kind::Vlan { id: number("id", 1) as u16 },
        "ipvlan" => Kind::Ipvlan,
        "macvlan" => Kind::Macvlan,
        other => Kind::Other(other.into()),
    };
    let address = |word: &&str| {
        let (ip, prefix) = word.split_once('/')?;
        Some(InterfaceAddress { ip: ip.parse().expect("an address"), prefix: prefix.parse().expect("a prefix") })
    };
    Link {
        name: words[0].into(),
        altnames: value(line, "altname").into_iter().flat_map(|names| names.split(',')).map(str::to_owned).collect(),
        index: index(words[0]),
        mac: (kind != Kind::Loopback).then_some([2, 0, 0, 0, 0, index(value(line, "mac").unwrap_or(words[0])) as u8]),
        mtu: number("mtu", 1500),
        max_mtu: Some(65_535),
        up: !words.contains(&"down"),
        carrier: !words.contains(&"down") && !words.contains(&"nocarrier"),
        master: value(line, "master").map(index),
        port: BridgePort::default(),
        backup: value(line, "master").map(|_| words.contains(&"backup")),
        parent: value(line, "parent").map(index),
        driver: value(line, "driver").map(str::to_owned),
        rx_queues: number("queues", 1),
        program: value(line, "xdp").map(|id| AttachedProgram { id: id.parse().expect("an id"), generic: false }),
        detections: Vec::new(),
        addresses: words.iter().filter_map(address).collect(),
        arp: !words.contains(&"noarp"),
        multiple_trees: words.contains(&"mst"),
        spanning_tree: words.contains(&"stp"),
        vlan_filtering: (kind == Kind::Bridge).then(|| words.contains(&"filtering")),
        vlan_protocol: match (words.contains(&"802.1ad"), &kind) {
            (true, _) => Some(VlanProtocol::Dot1ad),
            (false, Kind::Bridge | Kind::Vlan { .. }) => Some(VlanProtocol::Dot1q),
            _ => None,
        },
        vlans: value(line, "vlans").map(vlans),
        tx_vlan: Some(number("txvlan", 0) != 0),
        tx_stag: Some(number("txstag", 0) != 0),
        arp_ignore: Some(number("arp_ignore", 0)),
        arp_filter: Some(words.contains(&"arp_filter")),
        arp_announce: Some(number("arp_announce", 0)),
        rp_filter: Some(number("rp_filter", 0)),
        rx_vlan: Some(number("rxvlan", 0) != 0),
        ntuple: Some(number("ntuple", 0) != 0),
        kind,
    }
}

/// `network/prefix link`
fn route(line: &str) -> Route {
    let (network, link) = line.split_once(' ').expect("network and link");
    let (ip, prefix) = network.split_once('/').expect("a prefix");
    let destination =
        InterfaceAddress { ip: ip.parse().expect("a network"), prefix: prefix.parse().expect("a length") };
    Route { destination, gateway: None, link: link.into(), metric: 0 }
}
