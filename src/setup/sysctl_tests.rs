//! What a snippet says, and what of it is ours to set back.

use super::*;

fn names(hosts: &[&str], unnumbered: Option<&[&str]>) -> Names {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Names { hosts: owned(hosts), carriers: owned(&["veth-rb"]), unnumbered: unnumbered.map(owned) }
}

#[test]
fn the_cards_of_a_routed_mesh_go_on_answering_for_the_hosts_address() {
    let text = of(&names(&["vmbr0"], Some(&["enp65s0f0", "bond1.50"])));
    for setting in ["enp65s0f0/arp_ignore", "bond1.50/arp_ignore", "enp65s0f0/arp_announce", "bond1.50/arp_announce"] {
        let own = text.find(&format!("\n-net/ipv4/conf/{setting} = 0\n")).unwrap();
        // systemd-sysctl writes nothing where the value is that already, and then a link follows what comes after.
        assert!(own > text.find("\nnet/ipv4/conf/default/arp_announce").unwrap(), "{text}");
    }
    assert_eq!(gone(&text, &of(&names(&["vmbr0"], Some(&[])))), [], "what is as the kernel has it stays");
    assert!(!of(&names(&["vmbr0"], Some(&[]))).contains("mesh") && !text.contains('@'), "{text}");
}

#[test]
fn there_is_a_line_for_each_interface() {
    let text = of(&names(&["vmbr0", "vmbr0.10"], Some(&[])));
    let of = |link: &str, name: &str, value: &str| (format!("net/ipv4/conf/{link}/{name}"), value.to_owned());
    let expected = [
        of("vmbr0", "arp_ignore", "1"),
        of("vmbr0.10", "arp_ignore", "1"),
        of("vmbr0", "arp_announce", "2"),
        of("vmbr0.10", "arp_announce", "2"),
        of("default", "arp_ignore", "1"),
        of("default", "arp_announce", "2"),
        of("veth-rb", "rp_filter", "2"),
        of("veth-rb", "arp_notify", "1"),
        ("net/ipv6/conf/veth-rb/ndisc_notify".to_owned(), "1".to_owned()),
    ];
    assert_eq!(settings(&text), expected);
    assert!(!text.contains('@') && text.contains("\n-net/ipv4/conf/vmbr0.10/arp_ignore = 1\n"), "{text}");
    assert_eq!(settings("-net.ipv4.conf.br-rb.arp_ignore = 1"), [of("br-rb", "arp_ignore", "1")]);
    assert_eq!(settings(&text.replace('\n', "\r\n")), expected, "written by an editor of another system");
}

#[test]
fn without_a_pair_it_is_not_about_links_to_come() {
    let text = of(&names(&["br-rb"], None));
    let names: Vec<String> = settings(&text).into_iter().map(|(name, _)| name).collect();
    let expected = ["br-rb/arp_ignore", "br-rb/arp_announce", "veth-rb/rp_filter", "veth-rb/arp_notify"];
    assert_eq!(names[..4], expected.map(|name| format!("{CONF}{name}")));
    assert!(!text.contains("Links begin") && !text.contains("\n\n\n"), "{text}");
}

#[test]
fn what_the_next_snippet_has_not_is_set_back_and_foreign_lines_are_not() {
    let of = |bridge: &str, later: bool| of(&names(&[bridge], later.then_some(&[])));
    let names = |before: &str, after: &str| -> Vec<String> {
        gone(before, after).into_iter().map(|(name, value)| format!("{}={value}", &name[CONF.len()..])).collect()
    };
    assert_eq!(names(&of("br-rb", true), &of("vmbr0", true)), ["br-rb/arp_ignore=1", "br-rb/arp_announce=2"]);
    assert_eq!(names(&of("br-rb", true), &of("br-rb", false)), ["default/arp_ignore=1", "default/arp_announce=2"]);
    assert_eq!(names(&of("br-rb", true), &of("br-rb", true)), [""; 0]);
    let edited = "net.core.rmem_max = 8388608\nnet.ipv4.conf.eth0.forwarding = 1\nnet.ipv4.conf.eth0.arp_ignore = 8\n";
    assert_eq!(names(edited, ""), [""; 0]);
    assert_eq!(names("-net.ipv4.conf.veth-rb.rp_filter = 2", ""), ["veth-rb/rp_filter=2"]);
}

#[test]
fn copies_are_told_by_their_value() {
    let conf = std::env::temp_dir().join(format!("runbound-sysctl-{}", std::process::id()));
    for (link, value) in [("all", "1"), ("default", "1"), ("lo", "1"), ("eth0.10", "1"), ("eth1", "2"), ("eth2", "0")] {
        fs::create_dir_all(conf.join(link)).unwrap();
        fs::write(conf.join(link).join("arp_ignore"), format!("{value}\n")).unwrap();
    }
    let found = links_with(&conf, "arp_ignore", "1");
    fs::remove_dir_all(&conf).unwrap();
    assert_eq!(found, ["eth0.10", "lo"]);
}

#[test]
fn a_snippet_tells_whether_it_is_of_a_pair() {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let text = of(&names(&["vmbr0", "vmbr0.10"], Some(&["enp65s0f0"])));
    assert_eq!(of_snippet(&text), Some((owned(&["vmbr0", "vmbr0.10"]), owned(&["veth-rb"]))));
    assert_eq!(of_snippet(&of(&names(&["br-rb"], None))), None);
    assert_eq!(of_snippet(""), None);
}
