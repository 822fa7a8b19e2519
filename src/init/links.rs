//! Links and addresses that come and go: the kernel tells, PID 1 looks again.

use super::service::{Event, Service, Status};
use crate::host::{Interface, Watch, interfaces};
use rustix::event::PollFlags;
use rustix::fd::BorrowedFd;
use std::fs;
use std::path::Path;
use std::time::Instant;

/// The Ethernet interfaces that are hardware (or a hypervisor's idea of it), by index.
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
    all.into_iter().filter(ethernet).collect()
}

/// Tells when links or addresses changed: what changed is read from the interfaces themselves.
impl Service for Watch {
    fn name(&self) -> &'static str {
        "links"
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.poll_fd()
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.due_at())
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

#[cfg(test)]
mod tests {
    use super::*;

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
