//! Words that are no name of an interface, and those of interfaces that serve nothing.

use crate::config::{Config, Location, XdpInterface, XdpUse};
use crate::host::recorded;
use std::path::PathBuf;

/// What is said of these words, for the server's address on a recorded host.
fn said(host: &str, names: &[&str], change: impl Fn(&mut Config)) -> Vec<(bool, String)> {
    let mut config = Config::default();
    config.files.add(PathBuf::from("/etc/runbound/unbound.conf"));
    let lines = names.iter().zip(7..);
    let line = |(name, line): (&&str, u32)| XdpInterface { name: (*name).into(), at: Location { file: 0, line } };
    config.xdp.interfaces = lines.map(line).collect();
    change(&mut config);
    let plan = crate::attach::plan(&config, &["192.168.10.250:53".parse().unwrap()], &recorded::facts(host).links);
    plan.unused.into_iter().map(|unused| (unused.is_wrong, unused.text)).collect()
}

#[test]
fn a_word_is_named_once_with_its_line_and_what_to_do() {
    let found = said("reference", &["eth9", "veth-rb", "eth9", "br-rb"], |_| ());
    let [(true, gone), (false, other)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        gone,
        "xdp-interface: there is no eth9 here (/etc/runbound/unbound.conf:7), so by that line XDP goes nowhere: write a \
         name that `ip -brief link` shows, or remove the line"
    );
    assert!(other.contains("br-rb neither carries") && other.contains("unbound.conf:10"), "{other}");
    let found = said("vlan", &["bond0"], |_| ());
    assert!(found[0].0 && found[0].1.contains("name its slaves"), "{found:?}");
    let bare = said("reference", &["eth9"], |config| config.xdp.interfaces[0].at = Location::default());
    assert!(bare[0].1.contains("no eth9 here, so"), "a default stands in no file: {bare:?}");
}

#[test]
fn without_xdp_nothing_is_said() {
    assert!(said("reference", &["eth9"], |config| config.xdp.enable = XdpUse::No).is_empty());
    assert!(said("reference", &["eth9"], |config| config.do_udp = false).is_empty());
}
