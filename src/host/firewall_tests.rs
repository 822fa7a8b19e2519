//! Files as Proxmox hosts have them, and odd ones.

use super::*;
use std::fs;

const CLUSTER: &str = "\
# the whole cluster
[OPTIONS]

enable: 1
policy_in: drop
ebtables: 0

[ALIASES]
office 10.1.0.0/16 # ours

[IPSET management] # who manages
10.0.0.5

[group web] # ports of the web
IN ACCEPT -p tcp -dport 80,443
|IN ACCEPT -p tcp -dport 8080

[RULES]
|IN DNS(ACCEPT) # switched off
OUT DROP -p tcp -dport 25
IN SSH(ACCEPT) -i vmbr0 -source +management -log nolog # by hand
GROUP web -i vmbr1
GROUP none
in Ping(REJECT) --dest 192.168.10.250
IN ACCEPT -p udp --dport 53 --sport 1024:65535
IN ALLOW
IN ACCEPT -p tcp -port 53
";

#[test]
fn groups_that_are_named_often_are_looked_at_up_to_a_bound() {
    let cluster =
        format!("[group a]\n{}[RULES]\n{}", "IN ACCEPT -p tcp\n".repeat(3000), "GROUP a -i eth0\n".repeat(3000));
    let firewall = Firewall::from_texts(("c", &cluster), ("n", ""));
    let Some((last, before)) = firewall.rules.split_last() else { panic!("no rules") };
    assert_eq!(before.len(), 30_000);
    assert_eq!((last.place.as_str(), last.verdict, &last.interface), ("c:3013", None, &None));
    assert!(last.text.starts_with("GROUP a -i eth0 and what follows: more than 32768 rules"), "{}", last.text);
    let of_some = Firewall::from_texts(("c", &cluster.replace("-i eth0", "-source fd53::/64")), ("n", ""));
    let last = of_some.rules.last().map(|last| (last.source.clone(), last.some_clients));
    assert_eq!(last, Some((None, false)), "what follows may be about any client");
}

#[test]
fn lines_may_end_in_a_carriage_return() {
    let node = "[OPTIONS]\nenable: 1\n[RULES]\nIN DNS(ACCEPT) -dest 192.168.10.250\n";
    let [cluster, ours] = [CLUSTER, node].map(|text| text.replace('\n', "\r\n"));
    assert_eq!(Firewall::from_texts(("c", &cluster), ("n", &ours)), Firewall::from_texts(("c", CLUSTER), ("n", node)));
}

#[test]
fn the_rules_for_what_comes_in_are_told_in_their_order() {
    let node = "[OPTIONS]\nnftables: 1\n[RULES]\nIN ACCEPT -p tcp -dport 8006\n";
    let firewall = Firewall::from_texts(("c", CLUSTER), ("n", node));
    assert!(firewall.on && firewall.policy == Verdict::Drop);
    let places: Vec<&str> = firewall.rules.iter().map(|rule| rule.place.as_str()).collect();
    assert_eq!(places, ["n:4", "c:21", "c:15", "c:23", "c:24", "c:25"]);
    let [_, ssh, web, none, ping, udp] = &firewall.rules[..] else { panic!("{firewall:?}") };
    assert_eq!((ssh.predefined.as_deref(), ssh.some_clients, ssh.verdict), (Some("SSH"), true, Some(Verdict::Accept)));
    assert_eq!((web.interface.as_deref(), web.port.as_deref()), (Some("vmbr1"), Some("80,443")));
    assert_eq!((none.verdict, none.text.as_str()), (None, "GROUP none"));
    assert_eq!((ping.destination.as_deref(), ping.verdict), (Some("192.168.10.250"), Some(Verdict::Drop)));
    assert_eq!((udp.protocol.as_deref(), udp.port.as_deref(), udp.some_clients), (Some("udp"), Some("53"), true));
    let odd: Vec<&str> = firewall.passed_over.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(odd, ["c:26", "c:27"], "{:?}", firewall.passed_over);
}

#[test]
fn long_lines_are_cut_in_messages_and_long_files_are_not_cut_in_silence() {
    let (long, list) = ("ä".repeat(5000), "10.0.0.1,".repeat(5000));
    let cluster = format!("[RULES]\n{long}\nIN DROP -dest {list}192.0.2.1\n");
    let firewall = Firewall::from_texts(("c", &cluster), ("n", ""));
    let said = "is not understood, and passed over as Proxmox does: ";
    assert_eq!(firewall.passed_over, [format!("c:2 {said}{}…", "ä".repeat(SHOWN))]);
    let [rule] = &firewall.rules[..] else { panic!("{firewall:?}") };
    assert_eq!(rule.text.chars().count(), SHOWN + 1);
    assert!(rule.destination.as_ref().unwrap().ends_with(",192.0.2.1"), "it is read as a whole");

    let folder = std::env::temp_dir().join(format!("runbound-firewall-long-{}", std::process::id()));
    fs::create_dir_all(folder.join("firewall")).unwrap();
    fs::write(folder.join("firewall/cluster.fw"), "#\n".repeat(1 << 19) + "#").unwrap();
    let firewall = Firewall::read(&folder);
    fs::remove_dir_all(&folder).unwrap();
    assert!(
        firewall.unread[0].ends_with("cluster.fw cannot be read: it has more than 1048576 octets"),
        "{:?}",
        firewall.unread
    );
}

#[test]
fn it_is_on_when_the_cluster_says_so_and_the_node_does_not_say_no() {
    for (cluster, node, on, policy) in [
        ("", "", false, Verdict::Drop),
        ("[OPTIONS]\nenable: 0\n", "[OPTIONS]\nenable: 1\n", false, Verdict::Drop),
        ("[options]\nenable: 1\n", "", true, Verdict::Drop),
        ("[OPTIONS]\nenable: 1\npolicy_in: ACCEPT\n", "[OPTIONS]\nenable: 1\n", true, Verdict::Accept),
        ("[OPTIONS]\nenable: 1\npolicy_in: REJECT\n", "[OPTIONS]\nenable: 0\n", false, Verdict::Drop),
        ("[OPTIONS]\nenable: 1714650000\n", "", false, Verdict::Drop),
        ("enable: 1\n", "", false, Verdict::Drop),
    ] {
        let firewall = Firewall::from_texts(("c", cluster), ("n", node));
        assert_eq!((firewall.on, firewall.policy), (on, policy), "{cluster:?} {node:?}");
    }
    let odd = Firewall::from_texts(("c", "[OPTIONS]\nenable: yes\n"), ("n", "[group x]\n[RULES]\nGROUP\nIN\n|\n"));
    assert!(!odd.on && odd.rules.is_empty());
    assert_eq!(odd.passed_over.len(), 5, "{:?}", odd.passed_over);
}

#[test]
fn files_that_are_not_there_say_nothing_and_odd_ones_are_named() {
    let folder = std::env::temp_dir().join(format!("runbound-firewall-{}", std::process::id()));
    assert_eq!(Firewall::read(&folder), Firewall::default());
    fs::create_dir_all(folder.join("firewall")).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, folder.join("firewall/cluster.fw"), fifo, 0o600.into(), 0).unwrap();
    fs::create_dir_all(folder.join("nodes/pve1")).unwrap();
    std::os::unix::fs::symlink("nodes/pve1", folder.join("local")).unwrap();
    fs::write(folder.join("local/host.fw"), b"[RULES]\n\xff\xfe\nIN DNS(ACCEPT)\n").unwrap();
    let firewall = Firewall::read(&folder);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(firewall.rules.len(), 1);
    let [unread] = &firewall.unread[..] else { panic!("{firewall:?}") };
    let [odd] = &firewall.passed_over[..] else { panic!("{firewall:?}") };
    assert!(unread.contains("firewall/cluster.fw cannot be read"), "{unread}");
    assert!(odd.contains("local/host.fw:2 is not understood"), "{odd}");
}
