//! Bridges that come and go with guests.

use super::*;

#[test]
fn bridges_of_guests_are_refused_with_what_to_do_instead() {
    let tree = Tree::new("guests");
    for bridge in ["fwbr100i0", "tap100i0", "fwln100i0", "fwpr100p0", "veth100i0"] {
        let (_, error) = tree.install(&["192.168.10.250/24"], bridge, false);
        let told = format!("--bridge {bridge}: comes and goes with guest 100");
        assert!(error.starts_with(&told) && error.contains("name the bridge that the guest's card is at"), "{error}");
    }
    let (lines, error) = tree.install(&["192.168.10.250/24"], "vmbr0v10", false);
    assert!(error.contains("--bridge vmbr0v10: is what Proxmox makes of vmbr0 for guests with `tag=10`"), "{error}");
    assert!(error.contains("`bridge-ports PORT.10`") && error.contains("--bridge vmbr0 --vlan 10"), "{error}");
    // The name br-rb is taken there.
    assert!(says(&lines, "    iface br-rb2 inet manual") && says(&lines, "        bridge-ports PORT.10"), "{lines:#?}");
    assert_eq!((tree.text(STANZAS), tree.text(HOOK)), (String::new(), String::new()), "nothing is written");
}

#[test]
fn a_bridge_of_any_name_has_its_own_for_guests_vlans() {
    let tree = Tree::new("guests-lan");
    let main = "iface lan inet manual\n\tbridge-ports eno1 bond1\n\nsource /etc/network/interfaces.d/*\n";
    fs::write(tree.0.join("etc/network/interfaces"), main).unwrap();
    let (lines, error) = tree.install(&["192.168.10.250/24"], "lanv10", false);
    assert!(error.contains("--bridge lanv10: is what Proxmox makes of lan for guests with `tag=10`"), "{error}");
    assert!(error.contains("`bridge-ports eno1.10 bond1.10`"), "{error}");
    assert!(
        says(&lines, "    iface br-rb inet manual") && says(&lines, "        bridge-ports eno1.10 bond1.10"),
        "{lines:#?}"
    );
}

#[test]
fn one_that_a_file_makes_lasts() {
    let tree = Tree::new("guests-sdn");
    let sdn = format!("{MAIN}\nauto vmbr0v10\niface vmbr0v10\n\tbridge_ports eno1.10 pr_vnet1\n");
    fs::write(tree.0.join("etc/network/interfaces"), sdn).unwrap();
    let (lines, error) = tree.install(&["192.168.20.250/24"], "vmbr0v10", false);
    assert_eq!(error, "", "{lines:#?}");
}
