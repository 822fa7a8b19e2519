//! What the system says to the agent's questions.

use super::commands::Guest;
use runbound::host::{self, Interface};
use runbound::number;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The name that the hypervisor gives the agent's port.
const PORT_NAME: &str = "org.qemu.guest_agent.0";

/// The counters of an interface: sysfs's names and the protocol's.
const STATISTICS: [(&str, &str); 8] = [
    ("rx_bytes", "rx-bytes"),
    ("rx_packets", "rx-packets"),
    ("rx_errors", "rx-errs"),
    ("rx_dropped", "rx-dropped"),
    ("tx_bytes", "tx-bytes"),
    ("tx_packets", "tx-packets"),
    ("tx_errors", "tx-errs"),
    ("tx_dropped", "tx-dropped"),
];

/// The device of the agent's port below `root` (`/` but in tests). Nobody makes the links in /dev/virtio-ports here, so the
/// name is looked up where the kernel tells it.
pub(super) fn port(root: &Path) -> Option<PathBuf> {
    let ports = fs::read_dir(root.join("sys/class/virtio-ports")).ok()?;
    let mut ports = ports
        .flatten()
        .filter(|port| fs::read_to_string(port.path().join("name")).is_ok_and(|name| name.trim_end() == PORT_NAME));
    ports.next().map(|port| root.join("dev").join(port.file_name()))
}

/// File systems that lie on a device and may be written to, from a table of mounts (proc_mounts(5)).
pub(super) fn writable(mounts: &str) -> usize {
    let mut devices: Vec<&str> = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let device = fields.next().filter(|device| device.starts_with("/dev/"))?;
            fields.nth(2)?.split(',').any(|option| option == "rw").then_some(device)
        })
        .collect();
    devices.sort_unstable();
    devices.dedup();
    devices.len()
}

/// This machine.
pub(super) struct System;

impl Guest for System {
    fn interfaces(&self) -> Result<Value, String> {
        let found = host::interfaces().map_err(|cause| format!("cannot list the network interfaces: {cause}"))?;
        Ok(found.iter().map(|interface| shown(interface, statistics(&interface.name))).collect())
    }

    fn os_info(&self) -> Value {
        let uname = rustix::system::uname();
        let version = env!("CARGO_PKG_VERSION");
        json!({
            "id": "runbound",
            "name": "runbound",
            "pretty-name": format!("runbound {version} (appliance)"),
            "version": version,
            "version-id": version,
            "kernel-release": uname.release().to_string_lossy(),
            "kernel-version": uname.version().to_string_lossy(),
            "machine": uname.machine().to_string_lossy(),
        })
    }

    fn host_name(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    fn time(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }
}

fn statistics(interface: &str) -> Option<Value> {
    let folder = PathBuf::from(format!("/sys/class/net/{interface}/statistics"));
    let mut counters = Map::new();
    for (file, name) in STATISTICS {
        let text = fs::read_to_string(folder.join(file)).ok()?;
        let count = number::read(text.trim(), 0..=u64::MAX).ok()?;
        counters.insert(name.to_owned(), json!(count));
    }
    Some(Value::Object(counters))
}

/// An interface as the protocol has it.
pub(super) fn shown(interface: &Interface, statistics: Option<Value>) -> Value {
    let mut shown = Map::new();
    shown.insert("name".into(), json!(interface.name));
    let mac = interface.mac.or_else(|| interface.loopback.then_some([0; 6]));
    if let Some(mac) = mac {
        let octets: Vec<String> = mac.iter().map(|octet| format!("{octet:02x}")).collect();
        shown.insert("hardware-address".into(), json!(octets.join(":")));
    }
    let addresses = interface.addresses.iter().map(|address| {
        json!({
            "ip-address": address.ip.to_string(),
            "ip-address-type": if address.ip.is_ipv4() { "ipv4" } else { "ipv6" },
            "prefix": address.prefix,
        })
    });
    let addresses: Vec<Value> = addresses.collect();
    if !addresses.is_empty() {
        shown.insert("ip-addresses".into(), Value::Array(addresses));
    }
    if let Some(statistics) = statistics {
        shown.insert("statistics".into(), statistics);
    }
    Value::Object(shown)
}
