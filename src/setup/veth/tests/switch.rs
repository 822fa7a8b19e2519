//! An Open vSwitch, vnets of the SDN, and frames without a tag.

use super::*;

/// An Open vSwitch with the host's own port in VLAN 10, and a vnet of the SDN.
const SWITCH: &str = "auto vmbr1\niface vmbr1 inet static\n\taddress 192.168.1.201/24\n\tovs_type OVSBridge\n\
                      \tovs_ports eno1 vlan10 vlan30\n\niface eno1 inet manual\n\tovs_type OVSPort\n\tovs_bridge vmbr1\n\
                      \tovs_options tag=10\n\nauto vlan10\niface vlan10 inet static\n\taddress 192.168.10.201/24\n\
                      \tovs_type OVSIntPort\n\tovs_bridge vmbr1\n\tovs_options tag=10\n\niface vlan30 inet static\n\taddress 192.168.30.201/24\n\tovs_type OVSIntPort\n\tovs_bridge vmbr1\n\
                      \tovs_options tag=30\n\nsource /etc/network/interfaces.d/*\n";
const SDN: &str = "#version:4\n\nauto vnet1\niface vnet1\n\tbridge_ports vmbr0.10\n\tbridge_stp off\n\tbridge_fd 0\n";

#[test]
fn an_open_vswitch_and_a_vnet_are_bridges() {
    let tree = Tree::new("switch");
    let sdn = tree.0.join("etc/network/interfaces.d/sdn");
    fs::create_dir_all(sdn.parent().unwrap()).unwrap();
    fs::write(&sdn, SDN).unwrap();
    fs::write(tree.0.join("etc/network/interfaces"), SWITCH).unwrap();
    let address = "192.168.10.250/24";
    let refused = |words: &[&str], bridge: &str, parts: &[&str]| {
        let (_, error) = tree.install_vlans(words, bridge, None);
        parts.iter().for_each(|part| assert!(error.contains(part), "{part} in {error}"));
        assert!(!tree.0.join("usr").exists());
    };
    refused(&[address], "vlan10", &["internal port of the Open vSwitch vmbr1", "--bridge vmbr1 --vlan 10"]);
    refused(&[address, "20"], "vmbr1", &["no port of vmbr1 carries it (eno1)", "ovs_options"]);
    refused(&[address, "30"], "vmbr1", &["no port of vmbr1 carries it (eno1)"]);
    let (lines, error) = tree.install_vlans(&[address, "10"], "vmbr1", None);
    assert_eq!(error, "", "{lines:#?}");
    let hook = tree.text(HOOK);
    for line in ["BRIDGE=vmbr1", "VLANS=\"10\"", "HOSTS=\"vmbr1 vmbr1.10 vlan10\""] {
        assert!(hook.lines().any(|found| found == line), "{line} in {hook}");
    }
    assert!(tree.text(SYSCTL_FILE).contains("net/ipv4/conf/vlan10/arp_ignore"), "{}", tree.text(SYSCTL_FILE));
    tree.serves_nothing();
    let (lines, error) = tree.install_vlans(&[address], "vnet1", None);
    assert_eq!(error, "", "{lines:#?}");
    assert!(tree.text(HOOK).contains("BRIDGE=vnet1\n") && !tree.text(SYSCTL_FILE).contains("vlan10"));
    assert_eq!(fs::read_to_string(sdn).unwrap(), SDN, "Proxmox writes it");
}

#[test]
fn the_native_vlan_of_an_open_vswitch_is_that_of_untagged_frames() {
    let tree = Tree::new("native");
    let main = SWITCH.replacen("\tovs_options tag=10\n", "\tovs_options tag=1 vlan_mode=native-untagged\n", 1);
    fs::write(tree.0.join("etc/network/interfaces"), main).unwrap();
    let address = "192.168.1.250/24";
    for (words, vlans) in [(&[address, "10"][..], "VLANS=\"10\""), (&[address], "VLANS=\"1\"")] {
        let (lines, error) = tree.install_vlans(words, "vmbr1", None);
        assert_eq!(error, "", "{lines:#?}");
        tree.serves_nothing();
        let hook = tree.text(HOOK);
        assert!(hook.contains(&format!("{vlans}\nFLAGS=\"pvid untagged\"\n")), "{vlans} in {hook}");
    }
}

#[test]
fn uplinks_that_do_not_agree_on_frames_without_a_tag_are_said() {
    let tree = Tree::new("natives");
    let eno2 = "\niface eno2 inet manual\n\tovs_type OVSPort\n\tovs_bridge vmbr1\n\tovs_options tag=7 vlan_mode=native-untagged\n";
    let switch = SWITCH.replacen("ovs_ports eno1", "ovs_ports eno1 eno2", 1) + eno2;
    let aware =
        AWARE.replace("bridge-ports eno1", "bridge-ports eno1 eno2") + "iface eno2 inet manual\n\tbridge-pvid 7\n";
    for (main, bridge, said) in [
        (&switch, "vmbr1", "of VLAN 10 at eno1, of VLAN 7 at eno2: the port of the pair has no tag; --vlan N"),
        (
            &aware.replace("vmbr0", "vmbr2"),
            "vmbr2",
            "of VLAN 1 at eno1, of VLAN 7 at eno2: the pair is in VLAN 1; --vlan N",
        ),
    ] {
        fs::write(tree.0.join("etc/network/interfaces"), main).unwrap();
        tree.serves_nothing();
        let (lines, error) = tree.install_vlans(&["192.168.1.250/24"], bridge, None);
        assert!(error.is_empty() && says(&lines, said), "{error} {lines:#?}");
        tree.serves_nothing();
        let (lines, _) = tree.install_vlans(&["192.168.1.250/24", "10"], bridge, None);
        assert!(!says(&lines, "do not agree"), "{lines:#?}");
        let (lines, _) = tree.install_vlans(&["192.168.1.250/24"], bridge, Some(&format!("/{HOOK}")));
        assert!(!says(&lines, "do not agree"), "it would be in the file: {lines:#?}");
    }
}
