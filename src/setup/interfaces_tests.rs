//! Files as Proxmox hosts have them, each in a tree of its own.

use super::*;
use std::fs;

fn tree(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let root = std::env::temp_dir().join(format!("runbound-interfaces-{}-{name}", std::process::id()));
    for (file, text) in files {
        let path = below(&root, Path::new(file));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

#[test]
fn a_proxmox_hosts_file_is_read() {
    let main = "# comment\nauto lo\niface lo inet loopback\n\niface enp33s0f0 inet manual\n\nauto vmbr0\niface vmbr0 \
                inet static\n\taddress 192.168.10.201/24\n\tgateway 192.168.10.1\n\tbridge-ports none\n\
                \tbridge-stp off\n\nauto br-rb\niface br-rb inet manual\n\tbridge_ports \\\n bond0.10\n\n\
                source /etc/network/interfaces.d/*\n";
    let other = "iface veth-x inet static\n address 10.0.0.9\n netmask 255.255.255.0\nsource ../interfaces\n";
    let root = tree("proxmox", &[(MAIN, main), ("/etc/network/interfaces.d/x", other)]);
    let found = Interfaces::read(&root);
    assert!(found.is_there() && found.bridge("lo").is_none() && found.bridge("bond0.10").is_none());
    let names = |name: &str| found.bridge(name).unwrap().ports.into_iter().map(|(port, _)| port).collect::<Vec<_>>();
    assert_eq!((names("vmbr0"), names("br-rb")), (vec![], vec!["bond0.10".to_owned()]));
    assert!(!found.bridge("vmbr0").unwrap().vlan_aware);
    let host = found.carrier("192.168.10.201".parse().unwrap(), "veth-rb").unwrap();
    assert!(host.name == "vmbr0" && host.has_gateway() && host.file == Path::new(MAIN));
    let other = found.carrier("10.0.0.9".parse().unwrap(), "veth-rb").unwrap();
    assert!(other.name == "veth-x" && !other.has_gateway());
    assert!(found.carrier("10.0.0.9".parse().unwrap(), "veth-x").is_none());
    assert!(found.reads(Path::new("/etc/network/interfaces.d/runbound")));
    assert!(!found.reads(Path::new("/etc/network/other")));
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn lines_may_end_in_a_carriage_return() {
    let main = "iface vmbr0 inet static\n\taddress 192.168.10.201/24\n\tbridge-ports eno1 \\\n eno2\n\tbridge-vlan-aware yes\n\n\
                source interfaces.d/*\n";
    let other = "iface veth-x inet static\n address 10.0.0.9/24\n";
    let [main, other] = [main, other].map(|text| text.replace('\n', "\r\n"));
    let root = tree("carriage", &[(MAIN, main.as_str()), ("/etc/network/interfaces.d/x", other.as_str())]);
    let found = Interfaces::read(&root);
    let bridge = found.bridge("vmbr0").unwrap();
    let ports: Vec<&str> = bridge.ports.iter().map(|(port, _)| port.as_str()).collect();
    assert!(ports == ["eno1", "eno2"] && bridge.vlan_aware && found.bridge("eno2").is_none(), "{found:?}");
    assert!(found.carrier("192.168.10.201".parse().unwrap(), "veth-rb").is_some());
    assert!(found.carrier("10.0.0.9".parse().unwrap(), "veth-rb").is_some(), "{found:?}");
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn the_vlans_of_a_bridges_ports_are_read() {
    let main = "iface eno2 inet manual\n bridge-access 30\n\niface eno3 inet manual\n bridge-vids 5 7,9-11 x\n\
                iface vmbr0 inet static\n address 10.0.0.2/24\n bridge-ports eno1 eno2 eno3\n bridge-vlan-aware yes\n \
                bridge-vids 2-4094\niface vmbr0 inet6 manual\n bridge_pvid 4\n\n\
                iface vmbr1 inet manual\n bridge_ports regex eth.*\n bridge-vlan-aware no\n";
    let root = tree("vlans", &[(MAIN, main)]);
    let found = Interfaces::read(&root);
    let bridge = found.bridge("vmbr0").unwrap();
    assert!(bridge.vlan_aware && bridge.complete && bridge.pvid == Some(4) && bridge.file == Path::new(MAIN));
    let of = |name: &str, ranges: &[RangeInclusive<u16>]| (name.to_owned(), ranges.to_vec());
    let own = of("eno3", &[5..=5, 7..=7, 9..=11, 4..=4]);
    assert_eq!(bridge.ports, [of("eno1", &[2..=4094, 4..=4]), of("eno2", &[30..=30]), own]);
    let natives: Vec<Option<u16>> = bridge.natives.iter().map(|(_, native)| *native).collect();
    assert!(natives == [Some(4), Some(30), Some(4)] && !bridge.natives_agree(), "{natives:?}");
    let other = found.bridge("vmbr1").unwrap();
    assert!(!other.vlan_aware && !other.complete && other.ports.is_empty() && other.pvid.is_none());
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn an_open_vswitch_is_read_with_what_the_sdn_adds() {
    let main = "auto vmbr0\niface vmbr0 inet static\n\taddress 10.0.0.2/24\n\tovs_type OVSBridge\n\tovs_ports bond0 vlan10 eno3\n\
                auto vlan10\niface vlan10 inet static\n\taddress 10.0.10.2/24\n\tovs_type OVSIntPort\n\tovs_bridge vmbr0\n\
                \tovs_options tag=10\nallow-vmbr0 bond0\niface bond0 inet manual\n\tovs_type OVSBond\n\tovs_bridge vmbr0\n\
                \tovs_bonds eno1 eno2\n\tovs_options bond_mode=balance-slb vlan_mode=native-untagged\n\
                iface eno3 inet manual\n\tovs_type OVSPort\n\tovs_bridge vmbr0\n\tovs_options tag=30 vlan_mode=native-untagged trunks=7,9\n\
                source /etc/network/interfaces.d/*\n";
    let sdn = "auto vmbr0\niface vmbr0\n\tovs_ports ln_vnet1\n\nauto ln_vnet1\niface ln_vnet1\n\tovs_type OVSIntPort\n\
               \tovs_bridge vmbr0\n\tovs_options tag=20\n\nauto vnet1\niface vnet1\n\tbridge_ports ln_vnet1\n";
    let root = tree("switch", &[(MAIN, main), ("/etc/network/interfaces.d/sdn", sdn)]);
    let found = Interfaces::read(&root);
    let bridge = found.bridge("vmbr0").unwrap();
    assert!(bridge.vlan_aware && bridge.complete && bridge.pvid.is_none());
    let own = [("vlan10".to_owned(), Some(10)), ("ln_vnet1".to_owned(), Some(20))];
    assert_eq!(bridge.switch.as_deref(), Some(&own[..]));
    let of = |name: &str, ranges: &[RangeInclusive<u16>]| (name.to_owned(), ranges.to_vec());
    let eno3 = of("eno3", &[30..=30, 7..=7, 9..=9]);
    assert_eq!(bridge.natives, [("bond0".to_owned(), None), ("eno3".to_owned(), Some(30))]);
    assert!(!bridge.natives_agree());
    assert_eq!(bridge.ports, [of("bond0", &[VLANS]), of("vlan10", &[10..=10]), eno3, of("ln_vnet1", &[20..=20])]);
    assert_eq!((found.switch_of("vlan10"), found.switch_of("bond0")), (Some(("vmbr0", Some(10))), None));
    let vnet = found.bridge("vnet1").unwrap();
    assert!(vnet.switch.is_none() && vnet.ports.len() == 1 && found.bridge("vlan10").is_none());
    let uplinks: Vec<&str> = bridge.uplinks().map(|(port, _)| port.as_str()).collect();
    assert_eq!(uplinks, ["bond0", "eno3"]);
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_native_tag_is_of_a_trunk_and_the_vlan_of_untagged_frames() {
    let root = tree("native", &[]);
    for (options, ranges, pvid) in [
        ("", vec![VLANS], None),
        ("tag=7", vec![7..=7], Some(7)),
        ("tag=7 trunks=8,9", vec![7..=7], Some(7)),
        ("vlan_mode=access tag=7", vec![7..=7], Some(7)),
        ("tag=1 vlan_mode=native-untagged", vec![VLANS], Some(1)),
        ("vlan_mode=native-tagged tag=1", vec![VLANS], Some(1)),
        ("tag=1 vlan_mode=native-untagged trunks=[10,20]", vec![1..=1, 10..=10, 20..=20], Some(1)),
        ("vlan_mode=native-untagged", vec![VLANS], None),
        ("trunks=10,20", vec![10..=10, 20..=20], None),
        ("tag=7 vlan_mode=trunk", vec![VLANS], None),
    ] {
        let main = format!(
            "iface vmbr1 inet manual\n ovs_type OVSBridge\n ovs_ports eno1 vlan30\niface eno1 inet manual\n ovs_type OVSPort\n \
             ovs_bridge vmbr1\n ovs_options {options}\niface vlan30 inet manual\n ovs_type OVSIntPort\n ovs_bridge vmbr1\n \
             ovs_options tag=30\n"
        );
        let root = tree("native", &[(MAIN, &main)]);
        let bridge = Interfaces::read(&root).bridge("vmbr1").unwrap();
        let eno1 = ("eno1".to_owned(), ranges);
        assert_eq!((bridge.uplinks().collect::<Vec<_>>(), bridge.pvid), (vec![&eno1], pvid), "{options}");
    }
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn folders_are_sourced_and_nothing_is_nothing() {
    let root = tree("folder", &[(MAIN, "source-directory interfaces.d/\n")]);
    assert!(Interfaces::read(&root).reads(Path::new("/etc/network/interfaces.d/runbound")));
    fs::write(below(&root, Path::new(MAIN)), "auto lo\nsource /etc/network/interfaces.d/*.cfg\n").unwrap();
    assert!(!Interfaces::read(&root).reads(Path::new("/etc/network/interfaces.d/runbound")));
    fs::remove_file(below(&root, Path::new(MAIN))).unwrap();
    assert!(!Interfaces::read(&root).is_there());
    fs::remove_dir_all(root).unwrap();
}
