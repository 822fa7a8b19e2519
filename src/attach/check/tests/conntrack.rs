//! Queries that the connection tracking keeps an entry of.

use super::*;
use crate::host::{Conntrack, Untracked};

fn tracked(record: &str, change: impl Fn(&mut Conntrack)) -> Facts {
    let mut tracking = Conntrack { count: 300, most: 262_144, bridged_v4: true, bridged_v6: true, tagged: false };
    change(&mut tracking);
    Facts { conntrack: Some(tracking), ..recorded::facts(record) }
}

#[test]
fn queries_over_the_pair_are_tracked_until_rules_leave_them_out() {
    let found = one("conntrack", &tracked("reference", |_| ()));
    assert!(found.level == Level::Info && found.text.contains("300 of 262144 are taken"), "{found}");
    let rule = "iptables -t raw -I PREROUTING -m physdev --physdev-in";
    let lines = [
        format!("{rule} bond0.10 -p udp -d 192.168.10.250 --dport 53 -j CT --notrack"),
        format!("{rule} veth-bnd -p udp -s 192.168.10.250 --sport 53 -j CT --notrack"),
    ];
    assert_eq!(fix(&found), lines.join("\n"));
    assert_eq!(one("conntrack", &tracked("reference", |tracking| tracking.count = 200_000)).level, Level::Warn);
}

#[test]
fn rules_that_are_there_are_seen() {
    let mut facts = tracked("reference", |_| ());
    let saved = |line: &str| Untracked::of_line(line, true).unwrap();
    facts.untracked = vec![saved(
        "-A PREROUTING -d 192.168.10.250/32 -p udp -m physdev --physdev-in bond0.10 -m udp --dport 53 -j CT --notrack",
    )];
    let found = one("conntrack", &facts);
    assert!(
        fix(&found).lines().count() == 1 && fix(&found).contains("--physdev-in veth-bnd"),
        "what is missing: {found}"
    );
    facts.untracked.push(saved(
        "-A PREROUTING -s 192.168.10.250/32 -p udp -m physdev --physdev-in veth-bnd -m udp --sport 53 -j CT --notrack",
    ));
    let found = one("conntrack", &facts);
    assert!(found.level == Level::Ok && found.fix.is_none(), "{found}");
}

#[test]
fn each_bridge_on_the_way_out_tracks_anew() {
    let found = one("conntrack", &tracked("sdn_pair", |_| ()));
    let entries: Vec<&str> = fix(&found).lines().map(|line| line.split_once("--physdev-in ").unwrap().1).collect();
    let expected = ["eno1.10 -p udp -d", "pr_vnet1 -p udp -s", "ln_vnet1 -p udp -d", "veth-bnd -p udp -s"];
    assert_eq!(entries.len(), 4, "{found}");
    expected.iter().for_each(|start| assert!(entries.iter().any(|entry| entry.starts_with(start)), "{start}: {found}"));
    let tunnel = changed(tracked("reference", |_| ()), "bond0.10", |link| link.kind = Kind::Other("vxlan".into()));
    assert!(fix(&one("conntrack", &tunnel)).contains("--physdev-in bond0.10 "), "a tunnel leads out as well");
}

#[test]
fn what_is_not_tracked_costs_nothing() {
    assert_eq!(named("conntrack", &recorded::facts("reference")), [], "the kernel tracks nothing");
    assert_eq!(named("conntrack", &tracked("reference", |tracking| tracking.count = 0)), [], "no rule asks for it");
    let apart = tracked("reference", |tracking| tracking.bridged_v4 = false);
    assert_eq!(named("conntrack", &apart), [], "bridged packets do not come to it");
    assert_eq!(named("conntrack", &tracked("eth0", |_| ())), [], "no bridge is on the way");
    assert_eq!(
        named("conntrack", &tracked("bridge", |_| ())),
        [],
        "kernel sockets answer, whose queries are to be tracked"
    );
}

#[test]
fn frames_with_a_tag_are_tracked_where_that_is_asked_for() {
    assert_eq!(named("conntrack", &tracked("vlan_aware", |_| ())), [], "VLAN 10 comes with its tag");
    let found = one("conntrack", &tracked("vlan_aware", |tracking| tracking.tagged = true));
    assert!(fix(&found).contains("--physdev-in bond0 "), "{found}");
}
