//! A pair that has an address already.

use super::*;

#[test]
fn an_address_that_is_served_is_taken_off_the_pair_by_those_alone_who_say_so() {
    let tree = Tree::new("served");
    tree.install(&["192.168.10.250/24"], "br-rb", false);
    let before = [STANZAS, HOOK, SYSCTL_FILE].map(|file| tree.text(file));
    let (lines, error) = tree.install(&["192.168.10.251/24"], "br-rb", false);
    assert!(
        error.starts_with("--address 192.168.10.251/24: takes the place of 192.168.10.250/24, which veth-rb"),
        "{error}"
    );
    assert!(error.contains("add --address 192.168.10.250/24") && error.contains("or --replace"), "{error} {lines:#?}");
    assert_eq!([STANZAS, HOOK, SYSCTL_FILE].map(|file| tree.text(file)), before);
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
fn a_pair_that_is_served_is_taken_to_another_bridge_by_those_alone_who_say_so() {
    let tree = Tree::new("moves");
    tree.install(&["192.168.10.250/24"], "br-rb", false);
    let before = [STANZAS, HOOK, SYSCTL_FILE].map(|file| tree.text(file));
    let share = |replace| {
        let mut site = Site::default();
        (site.share_bridge, site.replace) = (true, replace);
        site
    };
    for addresses in [&["192.168.10.250/24"][..], &["10.0.0.9/24"], &["10.0.0.9/24", "192.168.10.250/24"]] {
        let (_, error) = tree.install_as(share(false), addresses, "vmbr0", false);
        assert!(error.starts_with("--bridge vmbr0: takes veth-rb with 192.168.10.250/24 from br-rb, where"), "{error}");
        assert!(
            error.contains("second pair at vmbr0") && error.contains("--replace") && !error.contains("add "),
            "{error}"
        );
        assert_eq!([STANZAS, HOOK, SYSCTL_FILE].map(|file| tree.text(file)), before);
    }
    let (lines, error) = tree.install_as(share(true), &["192.168.10.250/24"], "vmbr0", false);
    assert_eq!(error, "");
    assert!(says(&lines, "veth-rb: at vmbr0 instead of br-rb"), "{lines:#?}");
}

#[test]
fn nor_to_another_vlan() {
    let tree = Tree::new("moves-vlan");
    let main = AWARE.replace("eno1\n", "eno1\n\tbridge-pvid 20\n");
    fs::write(tree.0.join("etc/network/interfaces"), main.replace("vmbr0", "vmbr1")).unwrap();
    let (first, second) = ("192.168.10.250/24", "192.168.20.250/24");
    let refused = |words: &[&str], parts: &[&str]| {
        let (lines, error) = tree.install_vlans(words, "vmbr1", None);
        parts.iter().for_each(|part| assert!(error.contains(part), "{part} in {error} {lines:#?}"));
    };
    tree.install_vlans(&[first, "10"], "vmbr1", None);
    let words =
        format!("`--address {first} --vlan 10 --address {second} --vlan 20` has each in its VLAN, or --replace");
    refused(&[second, "20"], &["takes the place of 192.168.10.250/24", &words]);
    refused(&[second], &["takes the place of 192.168.10.250/24", &words]);
    let leaves = format!("--address {first}: would leave VLAN 10 of vmbr1, where");
    refused(&[first, second, "20"], &[&leaves, &words]);
    refused(&[first], &[&leaves, &format!("`--address {first} --vlan 10` has each")]);
    let (_, error) = tree.install_vlans(&[first, "10", second, "20"], "vmbr1", None);
    assert_eq!(error, "");
    // By the file of a trunk.
    refused(&[first, "20"], &[&leaves]);
    // The VLAN of untagged frames is the same with its number and without.
    let mut site = Site::default();
    site.replace = true;
    site.add_address(second).unwrap();
    site.set_bridge("vmbr1").unwrap();
    assert_eq!(tree.run(&Setup { root: Some(tree.0.clone()), site, ..Setup::default() }).1, "");
    let text =
        format!("server:\n interface: {}\nforward-zone:\n name: \".\"\n forward-addr: 192.0.2.1\n", &second[..14]);
    fs::write(tree.0.join("etc/runbound/unbound.conf"), text).unwrap();
    assert_eq!(tree.install_vlans(&[second, "20"], "vmbr1", None).1, "");
    assert_eq!(tree.install_vlans(&[second], "vmbr1", None).1, "");
    refused(&[first], &[&format!("add --address {second} and veth-rb has both")]);
}
