//! Commands for the pair that `--install` made: what its files say is in force again with the next ifup, and what they do not say is
//! gone.

use super::*;
use crate::host::{BridgePortState, SwitchMode, SwitchPort, VlanRange, VlanTable};

/// The same host where the pair is that of `--install`.
fn installed(mut facts: Facts) -> Facts {
    facts.pair = facts.links.by_name("veth-rb").unwrap().addresses.clone();
    facts.quiet = vec!["br-rb".into()];
    facts
}

#[test]
fn the_network_of_another_vlan_is_installed_anew() {
    let mut facts = installed(recorded::facts("vlan_aware"));
    let own = InterfaceAddress { ip: "192.168.10.201".parse().unwrap(), prefix: 24 };
    facts = changed(facts, "vmbr0.20", |link| link.addresses.push(own));
    let again = "runbound --install --address 192.168.10.250/24 --bridge vmbr0 --vlan 20 --share-bridge --replace --now\nifup --force veth-rb";
    assert_eq!(fix(&one("bridge-vlan", &facts)), again);
    let row = VlanRange { first: 10, last: 10, pvid: false, untagged: false, state: BridgePortState::Forwarding };
    let facts = changed(installed(recorded::facts("vlan_aware")), "veth-bnd", |link| {
        link.vlans = Some(VlanTable::new(vec![row]))
    });
    assert!(fix(&one("bridge-vlan", &facts)).contains(" --bridge vmbr0 --vlan N "));

    let port =
        |name: &str, tag, mode| SwitchPort { name: name.into(), bridge: "vmbr0".into(), tag, trunks: Vec::new(), mode };
    let ports =
        [("vlan10", Some(10)), ("veth-bnd", Some(20))].map(|(name, tag)| port(name, tag, SwitchMode::Access)).to_vec();
    let facts = Facts { switch_ports: Some(Ok(ports)), ..installed(recorded::facts("ovs")) };
    assert!(
        fix(&one("bridge-vlan", &facts)).contains(" --bridge vmbr0 --vlan 10 "),
        "the hook sets the tag with each ifup"
    );
}

#[test]
fn what_is_mended_by_hand_is_written_too() {
    let route = |link: &str| crate::host::Route {
        destination: InterfaceAddress { ip: "192.168.10.0".parse().unwrap(), prefix: 24 },
        gateway: None,
        link: link.into(),
        metric: 0,
    };
    let mut facts = installed(sound());
    facts.routes = vec![route("veth-rb"), route("br-rb")];
    let lines = "ip address change 192.168.10.250/24 dev veth-rb metric 4096\n\
                 runbound --install --address 192.168.10.250/24 --bridge br-rb --replace";
    assert_eq!(fix(&one("own-traffic", &facts)), lines);

    let mut facts = changed(sound(), "veth-rb", |link| link.addresses[0].prefix = 32);
    facts = changed(facts, "br-rb", |link| link.addresses.clear());
    facts.routes = vec![route("eno9")];
    facts.routes[0].destination.ip = "10.0.0.0".parse().unwrap();
    let found = one("way-back", &installed(facts));
    assert!(
        fix(&found).ends_with("\nrunbound --install --address 192.168.10.250/LENGTH --bridge br-rb --replace"),
        "{found}"
    );
}

#[test]
fn a_link_that_the_snippet_does_not_name_gets_a_file() {
    let speaks = |name: &str| {
        let facts = changed(sound(), "br-rb", |link| {
            (link.arp_ignore, link.arp_announce, link.name) = (Some(0), Some(0), name.to_owned());
        });
        fix(&one("arp-flux", &installed(facts))).to_owned()
    };
    let file = "\nprintf %b '-net/ipv4/conf/br-two/arp_ignore = 1\\n-net/ipv4/conf/br-two/arp_announce = 2\\n' > \
                /etc/sysctl.d/61-runbound-arp-br-two.conf";
    assert!(speaks("br-two").ends_with(file), "{}", speaks("br-two"));
    assert!(!speaks("br-rb").contains("sysctl.d"), "the snippet has it: {}", speaks("br-rb"));
}

#[test]
fn the_port_is_put_back_by_the_hook() {
    let loose = changed(sound(), "veth-bnd", |link| link.master = None);
    assert_eq!(fix(&one("link-down", &installed(loose))), "ifup --force veth-rb");
}

#[test]
fn a_pair_that_nobody_has_brought_up_is_told_as_one() {
    let written = installed(sound()).pair;
    let without = |names: &[&str]| {
        let mut facts = sound();
        facts.links = Links::new(facts.links.iter().filter(|link| !names.contains(&&*link.name)).cloned().collect());
        Facts { pair: written.clone(), ..facts }
    };
    let found = one("address", &without(&["veth-rb", "veth-bnd"]));
    assert!(found.level == Level::Fail && found.text.contains("files of --install, was not brought up"), "{found}");
    assert_eq!(fix(&found), "ifup --force veth-rb", "it may have gone without ifdown");
    let bare = changed(without(&[]), "veth-rb", |link| link.addresses.clear());
    assert_eq!(fix(&one("address", &bare)), "ifup --force veth-rb");
}
