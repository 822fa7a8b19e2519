//! Proxmox' firewall of the host before a server whose UDP XDP answers.

use super::*;

const ON: &str = "[OPTIONS]\nenable: 1\n";

fn behind(cluster: &str, node: &str) -> Facts {
    let firewall = Firewall::from_texts(("/etc/pve/firewall/cluster.fw", cluster), ("/etc/pve/local/host.fw", node));
    Facts { proxmox: true, firewall: Some(firewall), ..sound() }
}

/// With these rules of the cluster.
fn rules(lines: &str) -> Facts {
    behind(&format!("{ON}[RULES]\n{lines}\n"), "")
}

#[test]
fn a_firewall_that_drops_what_is_not_named_is_told_with_the_rule_to_add() {
    let found = one("host-firewall", &behind(ON, ""));
    assert_eq!(found.level, Level::Warn);
    for part in [
        "drops UDP and TCP to 192.168.10.250 port 53, by its policy",
        "XDP answers UDP before it",
        "[RULES] of /etc/pve/local/host.fw: IN DNS(ACCEPT) -dest 192.168.10.250",
    ] {
        assert!(found.text.contains(part), "{part}: {found}");
    }
    assert_eq!(
        fix(&found),
        "pvesh create /nodes/$(hostname -s)/firewall/rules --enable 1 --type in --action ACCEPT --dest 192.168.10.250 --macro DNS"
    );
    let kernel = changed(behind(ON, ""), "veth-rb", |link| link.kind = Kind::Other("dummy".into()));
    let mut config = Config::default();
    config.xdp.enable = XdpUse::No;
    assert!(!with("host-firewall", &config, &kernel)[0].text.contains("XDP answers"), "nothing answers before it");
    config.do_tcp = false;
    assert!(with("host-firewall", &config, &kernel)[0].text.contains("drops UDP to"));
}

#[test]
fn tcp_alone_is_told_with_a_rule_of_its_own() {
    let found = one("host-firewall", &rules("IN ACCEPT -p udp -dport 53"));
    assert!(
        found.level == Level::Warn && found.text.contains("drops TCP to 192.168.10.250 port 53, by its policy"),
        "{found}"
    );
    assert!(found.text.contains("IN ACCEPT -dest 192.168.10.250 -p tcp -dport 53"), "{found}");
    assert!(fix(&found).ends_with("--action ACCEPT --dest 192.168.10.250 --proto tcp --dport 53"), "{found}");
    let config = Config { do_tcp: false, ..Config::default() };
    assert_eq!(with("host-firewall", &config, &rules("IN ACCEPT -p udp -dport 53"))[0].level, Level::Ok);
}

#[test]
fn a_firewall_that_is_off_or_lets_all_in_is_no_matter() {
    for (cluster, node) in [
        ("", ""),
        ("[OPTIONS]\nenable: 0\n", ""),
        (ON, "[OPTIONS]\nenable: 0\n"),
        ("[OPTIONS]\nenable: 1\npolicy_in: ACCEPT\n", ""),
    ] {
        assert!(named("host-firewall", &behind(cluster, node)).is_empty(), "{cluster:?} {node:?}");
    }
    assert!(named("host-firewall", &sound()).is_empty(), "no host of Proxmox");
    let local = all(&Config::default(), &["127.0.0.1:53"], &behind(ON, ""));
    assert!(local.iter().all(|finding| finding.name != "host-firewall"), "loopback is let in: {local:?}");
}

#[test]
fn rules_that_let_dns_in_are_found() {
    for line in [
        "IN DNS(ACCEPT)",
        "IN dns(ACCEPT) -i veth-rb # for runbound",
        "IN ACCEPT",
        "IN ACCEPT -dest 192.168.10.0/24",
        "IN ACCEPT -dest 10.0.0.1,192.168.10.200-192.168.10.254",
        "IN ACCEPT -p tcp -dport 22,50:60\nIN ACCEPT -p 17 -dport domain",
        "GROUP dns\n[group dns]\nIN DNS(ACCEPT)",
        "|IN DROP\nIN SSH(DROP)\nIN DNS(ACCEPT)\nIN DROP",
        "IN DNS(ACCEPT)\nIN DNS(DROP)",
        "IN DROP -source 10.0.0.0/8\nIN DNS(ACCEPT)",
    ] {
        let found = one("host-firewall", &rules(line));
        assert!(
            found.level == Level::Ok && found.text.contains("lets queries to 192.168.10.250 port 53 in"),
            "{line}: {found}"
        );
    }
    let altnamed =
        changed(rules("IN DNS(ACCEPT) -i resolver"), "veth-rb", |link| link.altnames = vec!["resolver".into()]);
    assert_eq!(one("host-firewall", &altnamed).level, Level::Ok, "an interface by its other name");
    let node = behind(&format!("{ON}[RULES]\nIN DROP\n"), "[RULES]\nIN DNS(ACCEPT)\n");
    assert_eq!(one("host-firewall", &node).level, Level::Ok, "those of the node come first");
}

#[test]
fn rules_about_something_else_let_nothing_in() {
    for line in [
        "|IN DNS(ACCEPT)",
        "OUT DNS(ACCEPT)",
        "IN SSH(ACCEPT)",
        "IN DNS(ACCEPT) -i vmbr0",
        "IN DNS(ACCEPT) -dest 192.168.10.201",
        "IN DNS(ACCEPT) -dest 192.168.11.0/24",
        "IN ACCEPT -p tcp -dport 853",
        "IN ACCEPT -p icmp",
        "IN DNS(DROP)\nIN DNS(ACCEPT)",
        "GROUP dns -i vmbr0\n[group dns]\nIN DNS(ACCEPT)",
    ] {
        assert_eq!(one("host-firewall", &rules(line)).level, Level::Warn, "{line}");
    }
    let found = one("host-firewall", &behind(&format!("{ON}[RULES]\nIN DNS(ACCEPT)\n"), "[RULES]\nIN DNS(REJECT)\n"));
    assert!(found.text.contains("by `IN DNS(REJECT)` (/etc/pve/local/host.fw:2)"), "{found}");
}

#[test]
fn what_cannot_be_told_is_not_guessed() {
    for line in ["IN DNS(ACCEPT) -dest +servers", "IN DNS(ACCEPT) -dest resolver", "GROUP gone"] {
        let found = one("host-firewall", &rules(line));
        assert!(found.level == Level::Info && found.text.contains("cannot be told"), "{line}: {found}");
        assert!(found.text.contains("/etc/pve/firewall/cluster.fw:4"), "{line}: {found}");
    }
    for line in ["IN DNS(ACCEPT) -source +office", "IN DNS(ACCEPT) -source 192.168.10.0/24\nIN DROP"] {
        let found = one("host-firewall", &rules(line));
        assert!(found.level == Level::Info && found.text.contains("from some clients alone"), "{line}: {found}");
    }
    let found = named("host-firewall", &rules("IN NONSENSE\nIN DNS(ACCEPT)\nIN ACCEPT -port 1"));
    assert_eq!((found.len(), found[0].level, found[1].level), (2, Level::Info, Level::Ok), "{found:?}");
    assert!(
        found[0].text.contains("cluster.fw:4 is not understood") && found[0].text.ends_with("(and 1 more)"),
        "{}",
        found[0]
    );
}

#[test]
fn of_a_firewall_that_is_off_files_that_cannot_be_read_are_named_and_odd_lines_are_not() {
    let odd = "[RULES]\nIN NONSENSE\n";
    assert!(named("host-firewall", &behind(odd, odd)).is_empty());
    let mut facts = behind(odd, "");
    facts.firewall.as_mut().expect("one").unread =
        vec!["/etc/pve/local/host.fw cannot be read: Permission denied".into()];
    let found = one("host-firewall", &facts);
    assert!(found.level == Level::Info && found.text.ends_with("host.fw cannot be read: Permission denied"), "{found}");
}

#[test]
fn clients_of_the_other_family_let_nobody_in() {
    let level = |listen: &str, rule: &str| {
        let mut facts = rules(rule);
        let six = crate::host::InterfaceAddress { ip: "fd53::2".parse().unwrap(), prefix: 64 };
        facts = changed(facts, "veth-rb", |link| link.addresses.push(six));
        let mut found = all(&Config::default(), &[listen], &facts);
        found.retain(|finding| finding.name == "host-firewall");
        found[0].level
    };
    for source in ["192.168.10.0/24", "192.168.10.1", "192.168.10.1-192.168.10.9", "10.0.0.1,192.168.10.0/24"] {
        let rule = format!("IN DNS(ACCEPT) -source {source}");
        assert_eq!(level("[fd53::2]:53", &rule), Level::Warn, "{source}");
        assert_eq!(level(SERVER, &rule), Level::Info, "{source}");
    }
    assert_eq!(level(SERVER, "IN DNS(ACCEPT) -source fd53::/64"), Level::Warn);
    assert_eq!(level("[fd53::2]:53", "IN DNS(ACCEPT) -source fd53::/64"), Level::Info);
    assert_eq!(level("[fd53::2]:53", "IN DNS(ACCEPT) -source +clients"), Level::Info, "it is not known who");
}

#[test]
fn sets_and_aliases_of_the_cluster_are_read() {
    let sets = "[ALIASES]\nresolver 192.168.10.250 # ours\n[IPSET servers] # all\n192.168.10.0/24\n!192.168.10.9\n\
                [IPSET others]\n192.168.10.0/24\n! 192.168.10.250\n[IPSET six]\nfd53::/64\n[IPSET named]\nresolver\n\
                [IPSET clients]\n10.0.0.0/8 # office\nfd53::/64\n[IPSET empty]\n";
    let of_node = |rule: &str| behind(&format!("{ON}{sets}"), &format!("[RULES]\n{rule}\n"));
    let of_cluster = |rule: &str| behind(&format!("{ON}{sets}[RULES]\n{rule}\n"), "");
    for (rule, level) in [
        ("IN DNS(ACCEPT) -dest +servers", Level::Ok),
        ("IN DNS(ACCEPT) -dest +dc/Servers", Level::Ok),
        ("IN DNS(ACCEPT) -dest +named", Level::Ok),
        ("IN DNS(ACCEPT) -dest resolver", Level::Ok),
        ("IN DNS(ACCEPT) -dest dc/resolver", Level::Ok),
        ("IN DNS(ACCEPT) -dest +others", Level::Warn),
        ("IN DNS(ACCEPT) -dest +empty", Level::Warn),
        ("IN DNS(ACCEPT) -source +six", Level::Warn),
        ("IN DNS(ACCEPT) -source +empty", Level::Warn),
        ("IN DNS(ACCEPT) -source +clients", Level::Info),
        ("IN DROP -dest +others\nIN DNS(ACCEPT) -dest +servers", Level::Ok),
        ("IN DROP -dest +servers\nIN DNS(ACCEPT)", Level::Warn),
    ] {
        for facts in [of_node(rule), of_cluster(rule)] {
            let found = one("host-firewall", &facts);
            assert_eq!(found.level, level, "{rule}: {found}");
            assert!(!found.text.contains("cannot be told"), "{found}");
        }
    }
    let unknown = one("host-firewall", &of_node("IN DNS(ACCEPT) -dest +sdn/vnet1-all"));
    assert!(unknown.level == Level::Info && unknown.text.contains("cannot be told"), "{unknown}");
}
