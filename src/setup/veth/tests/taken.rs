//! A VLAN interface on the bridge's own uplink, which has the frames of its VLAN.

use super::*;

const AWARE: &str = "iface vmbr0 inet static\n\taddress 192.168.1.201/24\n\tbridge-ports eno1\n\tbridge-vlan-aware yes\n\
                     \tbridge-vids 2-4094\n\niface eno1.10 inet manual\n\nsource /etc/network/interfaces.d/*\n";

fn install(name: &str, main: &str) -> String {
    let tree = Tree::new(name);
    fs::write(tree.0.join("etc/network/interfaces"), main).unwrap();
    let (_, error) = tree.install_vlans(&["192.168.10.250/24", "10"], "vmbr0", None);
    assert_eq!(tree.text(STANZAS).is_empty(), !error.is_empty(), "nothing is written then");
    error
}

#[test]
fn a_pair_that_would_get_nothing_is_refused() {
    let error = install("taken", AWARE);
    assert!(error.contains("eno1.10 takes the frames of VLAN 10 that come in at eno1 before vmbr0"), "{error}");
    assert!(error.contains("`bridge-ports eno1.10`") && error.contains("vmbr0.10"), "{error}");
    let error = install("taken-by", &format!("{AWARE}iface br10 inet manual\n\tbridge-ports eno1.10\n"));
    assert!(error.contains("--bridge br10"), "{error}");
}

#[test]
fn one_that_gets_its_frames_is_not() {
    for (name, main) in [
        ("other-vlan", AWARE.replace("eno1.10", "eno1.11")),
        ("two-ways", AWARE.replace("bridge-ports eno1", "bridge-ports eno1 eno2")),
        ("untagged", AWARE.replace("bridge-vids", "bridge-pvid 10\n\tbridge-vids").replace("vmbr0 inet", "vmbr1 inet")),
        ("of-the-bridge", AWARE.replace("bridge-ports eno1", "bridge-ports eno1 eno1.10")),
    ] {
        let tree = Tree::new(&format!("taken-{name}"));
        fs::write(tree.0.join("etc/network/interfaces"), &main).unwrap();
        let bridge = if main.contains("vmbr1 inet") { "vmbr1" } else { "vmbr0" };
        let (lines, error) = tree.install_vlans(&["192.168.10.250/24", "10"], bridge, None);
        assert_eq!(error, "", "{name}: {lines:#?}");
    }
}
