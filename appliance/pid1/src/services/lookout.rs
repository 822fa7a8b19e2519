//! Looks once in a while for what no event tells: a data partition that the kernel no longer writes to, and networks of this
//! machine whose clients the built-in configuration refuses.

use crate::configuration::store::DATA;
use crate::configuration::store::{BUILT_IN, CONFIGURATION};
use crate::netconf::Network;
use crate::service::{Event, Service, Status};
use runbound::host::{Interface, InterfaceAddress, interfaces};
use rustix::event::PollFlags;
use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(60);
/// Before the first: addresses of leases and advertisements come a little later than the boot.
const FIRST: Duration = Duration::from_secs(15);
/// How the words on the screen begin.
const READ_ONLY: &str = "read-only: ";
/// Made and removed at once, to see whether that works; what a power cut leaves of it is removed at the next boot.
const PROBE: &str = ".runbound-probe.new";

/// The service.
pub struct Lookout {
    next: Instant,
    /// Networks that were named already.
    told: BTreeSet<String>,
}

impl Lookout {
    /// One that begins soon.
    pub fn new(now: Instant) -> Self {
        Self { next: now + FIRST, told: BTreeSet::new() }
    }

    /// Names the networks whose clients are refused, each once.
    fn networks(&mut self, configuration: &str, interfaces: &[Interface]) {
        // Comments may be those of an older version that wrote the file.
        if !settings(configuration).eq(settings(BUILT_IN)) {
            return;
        }
        for network in refused(interfaces) {
            if self.told.insert(network.clone()) {
                log::warn!(
                    "{network} is no private network: the built-in configuration refuses its clients; \
                     to serve them, give a configuration with access-control: for it"
                );
            }
        }
    }
}

/// The lines of a configuration that are no comments.
fn settings(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

/// What the screen is to say of the partition when that differs from what it says: the device, and whether it is read-only.
/// `fails` tells whether a device with an error is in truth not written to.
fn storage(mounts: &str, target: &str, shown: &str, fails: impl Fn(&str) -> bool) -> Option<String> {
    let mut fields = mounts.lines().rev().map(|line| line.split(' ')).find_map(|mut fields| {
        let device = fields.next()?;
        (fields.next()? == target && device.starts_with("/dev/")).then_some((device, fields))
    })?;
    // After an error some kernels have `ro` there, 6.18 has `emergency_ro`, and 6.12 does not tell.
    let told = fields.1.nth(1)?.split(',').any(|option| option == "ro" || option == "emergency_ro");
    let read_only = told || fails(fields.0);
    let now = if read_only { format!("{READ_ONLY}{}", fields.0) } else { fields.0.to_owned() };
    (read_only != shown.starts_with(READ_ONLY)).then_some(now)
}

/// Whether the file system of a device has had an error (ext4's own count, which e2fsck sets to 0) and takes no file.
fn takes_no_file(device: &str) -> bool {
    let name = device.trim_start_matches("/dev/");
    let count = fs::read_to_string(format!("/sys/fs/ext4/{name}/errors_count")).unwrap_or_default();
    if matches!(count.trim(), "" | "0") {
        return false;
    }
    let probe = Path::new(DATA).join(PROBE);
    match fs::File::create(&probe).and_then(|_| fs::remove_file(&probe)) {
        Ok(()) => false,
        // A full one is said where something is to be written.
        Err(cause) => cause.kind() != std::io::ErrorKind::StorageFull,
    }
}

/// Networks of these interfaces that the built-in configuration does not allow, as interface and network.
fn refused(interfaces: &[Interface]) -> Vec<String> {
    let addresses = interfaces.iter().filter(|interface| !interface.loopback && interface.up).flat_map(|interface| {
        interface.addresses.iter().filter(|address| !is_private(address.ip)).map(move |address| (interface, address))
    });
    let network = |address: &InterfaceAddress| Network { ip: address.ip, prefix: address.prefix }.masked();
    addresses.map(|(interface, address)| format!("{}: {}", interface.name, network(address))).collect()
}

/// Whether the built-in configuration allows it.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
    }
}

impl Service for Lookout {
    fn name(&self) -> &'static str {
        "lookout"
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.next)
    }

    fn turn(&mut self, _readiness: PollFlags, now: Instant, status: &Status) -> Vec<Event> {
        self.next = now + EVERY;
        // Where there is none it is the built-in one that is used.
        let configuration = fs::read_to_string(Path::new(DATA).join(CONFIGURATION)).unwrap_or_else(|_| BUILT_IN.into());
        self.networks(&configuration, &interfaces().unwrap_or_default());
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let Some(storage) = storage(&mounts, DATA, &status.storage, takes_no_file) else { return Vec::new() };
        if storage.starts_with(READ_ONLY) {
            log::warn!(
                "{storage}: the kernel found an error on the data partition and writes nothing there any more; \
                 shut down, repair it with e2fsck -f, and look at the disk"
            );
        } else {
            log::info!("{storage}: the data partition is written to again");
        }
        vec![Event::Storage(storage)]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_became_read_only_is_told_once() {
        let mounts = |options: &str| {
            format!("proc /proc proc rw 0 0\n/dev/sda3 /data ext4 {options} 0 0\n/dev/sda3 /etc/runbound ext4 rw 0 0\n")
        };
        let rw = mounts("rw,nosuid,errors=remount-ro");
        let said = Some("read-only: /dev/sda3".to_owned());
        let works = |mounts: &str, shown: &str| storage(mounts, "/data", shown, |_| false);
        assert_eq!(works(&rw, "/dev/sda3"), None);
        assert_eq!(works(&mounts("ro,nosuid,errors=remount-ro"), "/dev/sda3"), said);
        assert_eq!(works(&mounts("rw,nosuid,errors=remount-ro,emergency_ro"), "/dev/sda3"), said);
        assert_eq!(storage(&rw, "/data", "/dev/sda3", |device| device == "/dev/sda3"), said);
        assert_eq!(works(&mounts("ro"), "read-only: /dev/sda3"), None);
        assert_eq!(works(&rw, "read-only: /dev/sda3").as_deref(), Some("/dev/sda3"));
        // In RAM, not mounted, no table.
        assert_eq!(works("tmpfs /data tmpfs ro 0 0\n", "RAM: no partition"), None);
        assert_eq!(works("/dev/sda3 /data\n\n", ""), None);
        assert_eq!(works("", "/dev/sda3"), None);
        // What is mounted over it counts.
        assert_eq!(works(&format!("/dev/sdb /data ext4 ro 0 0\n{rw}"), "/dev/sda3"), None);
    }

    #[test]
    fn private_networks_are_those_that_the_built_in_configuration_allows() {
        let allowed = BUILT_IN.lines().filter(|line| line.trim().starts_with("access-control:")).count();
        assert_eq!(allowed, 7, "is_private says the same");
        let interface = |name: &str, up, addresses: &[(&str, u8)]| Interface {
            name: name.into(),
            altnames: Vec::new(),
            index: 1,
            mac: None,
            mtu: 1500,
            up,
            loopback: false,
            addresses: addresses
                .iter()
                .map(|(ip, prefix)| InterfaceAddress { ip: ip.parse().unwrap(), prefix: *prefix })
                .collect(),
            rx_queues: 1,
        };
        let interfaces = [
            interface("eth0", true, &[("192.168.1.2", 24), ("fe80::1", 64), ("2001:db8:0:5::2", 64), ("fd53::2", 64)]),
            interface("eth1", true, &[("198.51.100.130", 25), ("172.32.0.1", 0)]),
            interface("eth2", false, &[("203.0.113.1", 24)]),
        ];
        let names = ["eth0: 2001:db8:0:5::/64", "eth1: 198.51.100.128/25", "eth1: 0.0.0.0/0"];
        assert_eq!(refused(&interfaces), names);
        let mut lookout = Lookout::new(Instant::now());
        lookout.networks("server:\n", &interfaces);
        assert!(lookout.told.is_empty(), "another configuration says whom it serves");
        lookout.networks(&format!("# of another version\n{BUILT_IN}"), &interfaces);
        assert_eq!(lookout.told, names.map(str::to_owned).into());
    }
}
