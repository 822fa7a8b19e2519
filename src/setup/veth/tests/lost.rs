//! A pair that has an address already.

use super::*;

#[test]
fn an_address_that_is_served_is_taken_off_the_pair_by_those_alone_who_say_so() {
    let tree = Tree::new("served");
    tree.install(&["192.168.10.250/24"], "br-rb", false);
    let before = [STANZAS, HOOK, SYSCTL_FILE].map(|file| tree.text(file));
    for bridge in ["br-rb", "vmbr0"] {
        let (lines, error) = tree.install(&["192.168.10.251/24"], bridge, false);
        assert!(
            error.starts_with("--address 192.168.10.251/24: takes the place of 192.168.10.250/24, which veth-rb"),
            "{error}"
        );
        assert!(
            error.contains("add --address 192.168.10.250/24") && error.contains("or --replace"),
            "{error} {lines:#?}"
        );
        assert_eq!([STANZAS, HOOK, SYSCTL_FILE].map(|file| tree.text(file)), before);
    }
    let (lines, error) = tree.install(&["192.168.10.250/24", "192.168.10.251/24"], "br-rb", false);
    assert_eq!(error, "", "both are kept: {lines:#?}");
    let (lines, error) = tree.install_as(replacing(), &["192.168.10.251/24"], "br-rb", false);
    assert_eq!(error, "", "{lines:#?}");
    // The configuration still serves the first alone, which the pair has no longer.
    let (lines, error) = tree.install(&["192.168.10.252/24"], "br-rb", false);
    assert_eq!(error, "", "{lines:#?}");
    for served in ["0.0.0.0", "veth-rb"] {
        let text = format!("server:\n interface: {served}\nforward-zone:\n name: \".\"\n forward-addr: 192.0.2.1\n");
        fs::write(tree.0.join("etc/runbound/unbound.conf"), text).unwrap();
        let (_, error) = tree.install(&["192.168.10.253/24"], "br-rb", false);
        assert!(error.contains("192.168.10.252/24, which veth-rb has"), "{served}: {error}");
    }
}

#[test]
fn a_pair_that_moves_to_another_bridge_says_so() {
    let tree = Tree::new("moves");
    tree.install(&["192.168.10.250/24"], "br-rb", false);
    let mut site = Site::default();
    site.share_bridge = true;
    let (lines, error) = tree.install_as(site, &["192.168.10.250/24"], "vmbr0", false);
    assert_eq!(error, "");
    assert!(says(&lines, "veth-rb: at vmbr0 instead of br-rb"), "{lines:#?}");
}
