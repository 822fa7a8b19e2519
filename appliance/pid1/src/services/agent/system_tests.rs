use super::system::{self, shown};
use super::*;
use runbound::host::{Interface, InterfaceAddress};
use serde_json::json;

#[test]
fn interfaces_are_shown_as_the_protocol_has_them() {
    let mut eth0 = Interface {
        name: "eth0".into(),
        altnames: Vec::new(),
        index: 2,
        mac: Some([0xbc, 0x24, 0x11, 0, 1, 2]),
        mtu: 1500,
        up: true,
        loopback: false,
        addresses: vec![
            InterfaceAddress { ip: "192.0.2.10".parse().unwrap(), prefix: 24 },
            InterfaceAddress { ip: "2001:db8::10".parse().unwrap(), prefix: 64 },
        ],
        rx_queues: 1,
    };
    let expected = json!({
        "name": "eth0",
        "hardware-address": "bc:24:11:00:01:02",
        "ip-addresses": [
            {"ip-address": "192.0.2.10", "ip-address-type": "ipv4", "prefix": 24},
            {"ip-address": "2001:db8::10", "ip-address-type": "ipv6", "prefix": 64},
        ],
        "statistics": {"rx-bytes": 1},
    });
    assert_eq!(shown(&eth0, Some(json!({"rx-bytes": 1}))), expected);
    eth0.addresses.clear();
    eth0.mac = None;
    assert_eq!(shown(&eth0, None), json!({"name": "eth0"}));
}

#[test]
fn this_machine_has_a_loopback_interface_with_counters() {
    let found = system::System.interfaces().unwrap();
    let lo = found.as_array().unwrap().iter().find(|entry| entry["name"] == "lo").unwrap();
    assert_eq!(lo["hardware-address"], "00:00:00:00:00:00");
    assert_eq!(lo["ip-addresses"][0]["ip-address"], "127.0.0.1");
    assert!(lo["statistics"]["rx-bytes"].is_u64());
}

#[test]
fn the_port_is_found_by_its_name() {
    let root = std::env::temp_dir().join(format!("runbound-agent-{}", std::process::id()));
    for (port, name) in [("vport0p1", "com.redhat.spice.0\n"), ("vport0p2", "org.qemu.guest_agent.0\n")] {
        let folder = root.join("sys/class/virtio-ports").join(port);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("name"), name).unwrap();
    }
    let found = system::port(&root);
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(found, Some(root.join("dev/vport0p2")));
    assert_eq!(system::port(&root), None);
}

#[test]
fn file_systems_on_writable_devices_count_once() {
    let mounts = "rootfs / rootfs rw 0 0\n/dev/vdb /data ext4 rw,relatime 0 0\n/dev/vdb /mnt ext4 rw 0 0\n\
                  /dev/sr0 /cidata iso9660 ro,relatime 0 0\nproc /proc proc rw 0 0\nbroken\n";
    assert_eq!(system::writable(mounts), 1);
}
