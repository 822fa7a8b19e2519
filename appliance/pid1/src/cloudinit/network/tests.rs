//! Files as generators write them, and text as nobody writes it.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::cloudinit::eni;
use crate::netconf::plan::mac_text;
use crate::netconf::{LinkKind, LinkPlan, Network, NetworkPlan, cmdline};
use proptest::prelude::*;

const PROXMOX_V1: &str = include_str!("../testdata/proxmox-v1.yaml");
const PROXMOX_V2: &str = include_str!("../testdata/proxmox-v2.yaml");
const PROXMOX_ENI: &str = include_str!("../testdata/proxmox-eni");

/// A link in one line.
fn line(link: &LinkPlan) -> String {
    let kind = match &link.kind {
        LinkKind::ByMac(mac) => mac_text(*mac),
        LinkKind::ByName(name) => name.clone(),
        LinkKind::Bond(bond) => format!("bond mode {} of {}", bond.mode, bond.ports.join("+")),
        LinkKind::Vlan { parent, tag } => format!("vlan {tag} on {parent}"),
    };
    let mut words = vec![link.name.clone().unwrap_or_else(|| "-".into()), format!("({kind})")];
    words.extend(link.addresses.iter().map(Network::to_string));
    for route in &link.routes {
        words.push(format!("{} via {}", route.to, route.via.map(|via| via.to_string()).unwrap_or_default()));
    }
    words.extend(link.dhcp4.then(|| "dhcp4".to_owned()));
    words.extend(link.dhcp6.then(|| "dhcp6".to_owned()));
    words.extend(link.accept_ra.map(|ra| format!("ra={ra}")));
    words.extend(link.mtu.map(|mtu| format!("mtu={mtu}")));
    words.join(" ")
}

fn lines(plan: &NetworkPlan) -> Vec<String> {
    plan.links.iter().map(line).collect()
}

fn servers(plan: &NetworkPlan) -> Vec<String> {
    plan.nameservers.iter().map(ToString::to_string).collect()
}

#[test]
fn proxmox_version_1() {
    let Parsed { plan, warnings } = network_config(PROXMOX_V1).unwrap();
    assert_eq!(
        lines(&plan),
        [
            "eth0 (bc:24:11:aa:00:01) 192.0.2.10/24 2001:db8::10/64 0.0.0.0/0 via 192.0.2.1 ::/0 via 2001:db8::1",
            "eth1 (bc:24:11:aa:00:02) dhcp4 ra=true",
            "eth2 (bc:24:11:aa:00:03) dhcp6 ra=true",
        ]
    );
    assert_eq!(servers(&plan), ["192.0.2.53", "2001:db8::53"]);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn proxmox_version_2_says_the_same() {
    let Parsed { plan, warnings } = network_config(PROXMOX_V2).unwrap();
    let first = network_config(PROXMOX_V1).unwrap().plan;
    assert_eq!(lines(&plan), lines(&first));
    assert_eq!(plan.nameservers, first.nameservers);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn proxmox_config_drive() {
    let Parsed { plan, warnings } = eni::read(PROXMOX_ENI);
    assert_eq!(
        lines(&plan),
        [
            "- (eth0) 192.0.2.10/24 2001:db8::10/64 0.0.0.0/0 via 192.0.2.1 ::/0 via 2001:db8::1",
            "- (eth1) dhcp4 ra=true",
            "- (eth2) dhcp6 ra=true",
        ]
    );
    // Proxmox puts them into the loopback's stanza.
    assert_eq!(servers(&plan), ["192.0.2.53", "2001:db8::53"]);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn bonds_and_vlans_of_version_1() {
    let text = "network:\n  version: 1\n  config:\n  - {type: physical, name: a, mac_address: '02:00:00:00:00:01', mtu: 9000}\n\
                \x20 - {type: physical, name: b, mac_address: '02:00:00:00:00:02'}\n\
                \x20 - type: bond\n    name: bond0\n    bond_interfaces: [a, b]\n    params: {bond-mode: 802.3ad, bond_miimon: 100, bond-lacp-rate: fast}\n\
                \x20 - type: vlan\n    name: bond0.10\n    vlan_link: bond0\n    vlan_id: 10\n    subnets: [{type: static, address: 192.0.2.1/24}]\n";
    let Parsed { plan, warnings } = network_config(text).unwrap();
    assert_eq!(warnings, [""; 0]);
    assert_eq!(
        lines(&plan),
        [
            "a (02:00:00:00:00:01) mtu=9000",
            "b (02:00:00:00:00:02)",
            "bond0 (bond mode 4 of a+b)",
            "bond0.10 (vlan 10 on bond0) 192.0.2.1/24",
        ]
    );
    let LinkKind::Bond(bond) = &plan.links[2].kind else { panic!("no bond") };
    assert_eq!((bond.miimon, bond.lacp_fast), (Some(100), Some(true)));
}

#[test]
fn a_mac_of_its_own_for_a_vlan_is_not_swallowed() {
    let text = "version: 1\nconfig:\n- {type: physical, name: eth0}\n\
                - {type: vlan, name: v10, vlan_link: eth0, vlan_id: 10, mac_address: '02:00:00:00:00:01'}\n";
    let Parsed { plan, warnings } = network_config(text).unwrap();
    assert_eq!(lines(&plan), ["eth0 (eth0)", "v10 (vlan 10 on eth0)"]);
    assert_eq!(warnings, ["config[1].mac_address: is not supported; it is ignored"]);
    let text =
        "version: 2\nethernets: {eth0: {}}\nvlans: {v10: {id: 10, link: eth0, macaddress: '02:00:00:00:00:01'}}\n";
    let warnings = network_config(text).unwrap().warnings;
    assert_eq!(warnings, ["vlans.v10.macaddress: is not supported; it is ignored"]);
}

#[test]
fn bonds_vlans_and_routes_of_version_2() {
    let text = "version: 2\nethernets:\n  a: {match: {macaddress: '02:00:00:00:00:01'}}\n  eth1: {}\n\
                bonds:\n  bond0: {interfaces: [a, eth1], parameters: {mode: active-backup, mii-monitor-interval: 100}}\n\
                vlans:\n  v10: {id: 10, link: bond0, addresses: [192.0.2.1/24], routes: [{to: default, via: 192.0.2.254}, {to: 198.51.100.0/24, via: 192.0.2.2, metric: 5}]}\n";
    let Parsed { plan, warnings } = network_config(text).unwrap();
    assert_eq!(warnings, [""; 0]);
    assert_eq!(
        lines(&plan),
        [
            "- (02:00:00:00:00:01)",
            "- (eth1)",
            "bond0 (bond mode 1 of a+eth1)",
            "v10 (vlan 10 on bond0) 192.0.2.1/24 0.0.0.0/0 via 192.0.2.254 198.51.100.0/24 via 192.0.2.2",
        ]
    );
}

#[test]
fn each_unsupported_key_is_named_with_its_path_and_the_rest_holds() {
    let text = "version: 1\ncolor: red\nconfig:\n- type: physical\n  name: eth0\n  wakeonlan: true\n  subnets:\n  - {type: static, address: 192.0.2.1/24, pointopoint: x}\n- {type: bridge, name: br0}\n- {type: physical, name: eth1, subnets: [{type: static, address: 300.1.1.1/24}]}\n";
    let Parsed { plan, warnings } = network_config(text).unwrap();
    assert_eq!(lines(&plan), ["eth0 (eth0) 192.0.2.1/24", "eth1 (eth1)"]);
    let about = |path: &str| warnings.iter().any(|line| line.starts_with(&format!("{path}: ")));
    for path in [
        "color",
        "config[0].wakeonlan",
        "config[0].subnets[0].pointopoint",
        "config[1]",
        "config[2].subnets[0].address",
    ] {
        assert!(about(path), "{path}: {warnings:?}");
    }
    assert_eq!(warnings.len(), 5, "{warnings:?}");
}

#[test]
fn what_says_nothing_is_an_error() {
    for text in ["", "[1, 2]", "version: 3\n", "version: 1\n", "version: 1\nconfig: [", "network: 5", "\t\n- a:\n b"] {
        assert!(network_config(text).is_err(), "{text:?}");
    }
}

#[test]
fn the_kernels_command_line() {
    let nics = ["eth0".to_owned(), "eth1".to_owned()];
    let read = |line: &str| cmdline::network(line, &nics);
    assert_eq!(read("quiet ro"), None);
    assert_eq!(read("ip=off"), None);
    assert_eq!(lines(&read("ip=dhcp").unwrap().plan), ["- (eth0) dhcp4 ra=true", "- (eth1) dhcp4 ra=true"]);
    let full = read("ip=192.0.2.5::192.0.2.1:255.255.255.0:dns1:eth1:off:192.0.2.53:192.0.2.54").unwrap();
    assert_eq!(lines(&full.plan), ["- (eth1) 192.0.2.5/24 0.0.0.0/0 via 192.0.2.1"]);
    assert_eq!((full.plan.hostname.as_deref(), servers(&full.plan).len()), (Some("dns1"), 2));
    let v6 = read("ip=[2001:db8::5]::[2001:db8::1]:64::eth0:none").unwrap();
    assert_eq!(lines(&v6.plan), ["- (eth0) 2001:db8::5/64 ::/0 via 2001:db8::1"]);
    assert_eq!(lines(&read("ip=:::::eth1:dhcp").unwrap().plan), ["- (eth1) dhcp4"]);
    for wrong in ["ip=192.0.2.5", "ip=x:::", "ip=[2001:db8::5", "ip=:::::eth0:bootp"] {
        let parsed = read(wrong).unwrap();
        assert!(parsed.plan.links.is_empty() && parsed.warnings.len() == 1, "{wrong}: {parsed:?}");
    }
}

proptest! {
    #[test]
    fn no_text_does_harm(text in "\\PC*", more in "[-a-z0-9:{}\\[\\], '\"\n&*!|>/.]{0,200}") {
        for text in [&text, &more] {
            let _ = network_config(text);
            let _ = network_config(&format!("version: 1\nconfig:\n{text}"));
            let _ = network_config(&format!("version: 2\nethernets:\n{text}"));
            let _ = eni::read(text);
            let _ = cmdline::network(&format!("ip={text}"), &["eth0".to_owned()]);
        }
    }

    #[test]
    fn a_file_cut_short_or_changed_does_no_harm(at in 0usize..900, octet in any::<char>()) {
        for whole in [PROXMOX_V1, PROXMOX_V2, PROXMOX_ENI] {
            let cut: String = whole.chars().take(at).collect();
            let _ = network_config(&cut);
            let changed: String = whole.chars().enumerate().map(|(i, c)| if i == at { octet } else { c }).collect();
            let _ = network_config(&changed);
            let _ = eni::read(&changed);
        }
    }
}
