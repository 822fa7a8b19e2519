//! Links and addresses that come and go: the kernel tells, PID 1 looks again.

use crate::netconf::plan::{Mac, parse_mac};
use crate::service::{Event, Service, Status};
use runbound::host::{Interface, Watch, interfaces};
use runbound::number;
use rustix::event::PollFlags;
use rustix::fd::BorrowedFd;
use std::fs;
use std::path::Path;
use std::time::Instant;

/// The Ethernet interfaces that are hardware (or a hypervisor's idea of it), by index, each with the MAC that it came with:
/// as port of a bond it has the bond's.
pub fn nics() -> Vec<Interface> {
    let all = interfaces().unwrap_or_else(|cause| {
        log::error!("cannot read the interfaces: {cause}");
        Vec::new()
    });
    let ethernet = |interface: &Interface| {
        let folder = Path::new("/sys/class/net").join(&interface.name);
        !interface.loopback
            && folder.join("device").exists()
            && fs::read_to_string(folder.join("type")).is_ok_and(|kind| kind.trim() == "1")
    };
    all.into_iter()
        .filter(ethernet)
        .map(|nic| Interface { mac: own_mac(Path::new("/sys/class/net"), &nic.name).or(nic.mac), ..nic })
        .collect()
}

/// The MAC that a bond gives back when it lets a port go (drivers/net/bonding/bond_sysfs_slave.c).
fn own_mac(interfaces: &Path, name: &str) -> Option<Mac> {
    let text = fs::read_to_string(interfaces.join(name).join("bonding_slave/perm_hwaddr")).ok()?;
    parse_mac(&text)
}

/// Tells when links or addresses changed: what changed is read from the interfaces themselves.
impl Service for Watch {
    fn name(&self) -> &'static str {
        "links"
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.poll_fd(Instant::now())
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.due_at(Instant::now()))
    }

    fn turn(&mut self, _readiness: PollFlags, now: Instant, _status: &Status) -> Vec<Event> {
        if !self.is_due(now) {
            return Vec::new();
        }
        // Which links went away is of no interest here: all of them are looked at.
        self.take_removed();
        self.looked(now, None);
        vec![Event::LinksChanged]
    }
}

/// The index of an interface that is there.
pub(super) fn index_of(name: &str) -> Option<u32> {
    let index = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()?;
    number::read(index.trim(), 1..=u32::MAX).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_a_bond_has_a_mac_of_its_own() {
        let root = std::env::temp_dir().join(format!("runbound-links-{}", std::process::id()));
        let port = root.join("eth1/bonding_slave");
        fs::create_dir_all(&port).expect("a folder");
        fs::write(port.join("perm_hwaddr"), "bc:24:11:aa:00:02\n").expect("a file");
        assert_eq!(own_mac(&root, "eth1"), Some([0xbc, 0x24, 0x11, 0xaa, 0, 2]));
        assert_eq!(own_mac(&root, "eth0"), None);
        fs::remove_dir_all(&root).expect("removed");
    }

    #[test]
    fn a_look_is_asked_for_when_it_is_due_and_once() {
        let start = Instant::now();
        let (mut watch, _) = Watch::open(start);
        let status = Status::default();
        assert_eq!(watch.turn(PollFlags::empty(), start, &status), []);
        let due = watch.deadline().expect("a watch has a deadline");
        assert_eq!(watch.turn(PollFlags::empty(), due, &status), [Event::LinksChanged]);
        assert_eq!(watch.turn(PollFlags::empty(), due, &status), []);
        assert!(watch.deadline().is_some_and(|next| next > due));
    }
}
