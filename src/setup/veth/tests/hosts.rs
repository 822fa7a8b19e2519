//! The interfaces of the host at the bridge, and their VLANs.

use super::*;

/// A VLAN-aware vmbr0 with interfaces of the host in VLANs, one of each way to write it.
const VLANS: &str = "iface vmbr0 inet static\n\taddress 192.168.1.201/24\n\tbridge-ports eno1\n\tbridge-vlan-aware yes\n\
                     \tbridge-vids 2-4094\n\nauto vlan10\niface vlan10 inet static\n\taddress 192.168.10.201/24\n\
                     \tvlan-raw-device vmbr0\n\niface mgmt inet static\n\taddress 192.168.20.201/24\n\tvlan_raw_device vmbr0\n\
                     \tvlan-id 20\n\niface vlan0030 inet static\n\taddress 192.168.30.201/24\n\tvlan-raw-device eno2\n\n\
                     iface vmbr0.40 inet static\n\taddress 192.168.40.201/24\n\nsource /etc/network/interfaces.d/*\n";

fn with(name: &str, main: &str) -> Tree {
    let tree = Tree::new(name);
    fs::write(tree.0.join("etc/network/interfaces"), main).unwrap();
    tree
}

fn misfits(lines: &[String]) -> Vec<&String> {
    lines.iter().filter(|line| line.starts_with("--address ")).collect()
}

#[test]
fn a_vlan_interface_is_one_by_what_it_stands_on_whatever_its_name() {
    for (address, vlan, hosts) in [
        ("192.168.10.250/24", "10", "vmbr0 vmbr0.10 vlan10"),
        ("192.168.20.250/24", "20", "vmbr0 vmbr0.20 mgmt"),
        ("192.168.40.250/24", "40", "vmbr0 vmbr0.40"),
    ] {
        let tree = with(&format!("vlan-{vlan}"), VLANS);
        let (lines, error) = tree.install_vlans(&[address, vlan], "vmbr0", None);
        assert_eq!((error.as_str(), misfits(&lines)), ("", vec![]), "{lines:#?}");
        assert!(tree.text(HOOK).contains(&format!("\nHOSTS=\"{hosts}\"\n")), "{}", tree.text(HOOK));
        for host in hosts.split(' ') {
            assert!(tree.text(SYSCTL_FILE).contains(&format!("conf/{host}/arp_ignore")), "{host}");
        }
    }
    let tree = with("vlan-elsewhere", VLANS);
    let (lines, _) = tree.install_vlans(&["192.168.30.250/24", "30"], "vmbr0", None);
    assert!(misfits(&lines)[0].contains("vlan0030 has 192.168.30.201/24, and vmbr0 may be another"), "{lines:#?}");
    let tree = with(
        "vlan-script",
        &VLANS.replace("iface vlan10", "iface a;b").replace("vlan_raw", "vlan-raw").replacen(
            "\tvlan-raw-device vmbr0\n",
            "\tvlan-raw-device vmbr0\n\tvlan-id 10\n",
            1,
        ),
    );
    tree.install_vlans(&["192.168.10.250/24", "10"], "vmbr0", None);
    assert!(tree.text(HOOK).contains("\nHOSTS=\"vmbr0 vmbr0.10\"\n"), "{}", tree.text(HOOK));
    // Each address goes by its own VLAN.
    let tree = with("vlan-mixed", VLANS);
    let (lines, _) = tree.install_vlans(&["192.168.20.250/24", "10", "192.168.10.250/24", "20"], "vmbr0", None);
    assert_eq!(misfits(&lines).len(), 2, "{lines:#?}");
}

#[test]
fn the_vlan_of_the_bridge_itself_is_the_hosts_own_network() {
    for (main, vlan) in [
        (VLANS.to_owned(), "1"),
        (VLANS.replace("bridge-vids", "bridge-pvid 10\n\tbridge-vids").replace("vlan10", "vlan11"), "10"),
    ] {
        let tree = with(&format!("own-{vlan}"), &main);
        let (lines, error) = tree.install_vlans(&["192.168.1.250/24", vlan], "vmbr0", None);
        assert!(error.contains("carries Proxmox' own network"), "{error} {lines:#?}");
        let again = format!("--address 192.168.1.250/24 --vlan {vlan} --bridge vmbr0 --share-bridge");
        assert!(says(&lines, &again), "{lines:#?}");
        let mut site = Site::default();
        site.share_bridge = true;
        site.add_address("192.168.1.250/24").unwrap();
        site.add_vlan(vlan).unwrap();
        site.set_bridge("vmbr0").unwrap();
        let (lines, error) = tree.run(&Setup { root: Some(tree.0.clone()), site, ..Setup::default() });
        assert_eq!((error.as_str(), misfits(&lines)), ("", vec![]), "{lines:#?}");
    }
}
