//! The hardware watchdog (QEMU's i6300esb, a chipset's, a BMC's): it resets the machine when PID 1 no longer feeds it.

use crate::service::{Event, Service, Status};
use rustix::event::PollFlags;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::path::Path;
use std::time::{Duration, Instant};

const DEVICE: &str = "/dev/watchdog";
/// Between two feedings. The shortest time a common driver has from the start is 30 seconds.
const EVERY: Duration = Duration::from_secs(5);
/// Written before closing, it disarms the watchdog ("magic close"); any other octet feeds it.
const DISARM: &[u8] = b"V";

/// An armed watchdog: opening it armed it, and closing it after the magic octet disarms it.
pub struct Watchdog {
    /// `None` once it is disarmed.
    device: Option<OwnedFd>,
    next: Instant,
    /// The last feeding failed, and that was told.
    failing: bool,
}

impl Watchdog {
    /// Arms the machine's watchdog; `None` with a line in the log when it has none.
    pub fn open(now: Instant) -> Option<Watchdog> {
        Watchdog::open_at(Path::new(DEVICE), now)
    }

    fn open_at(path: &Path, now: Instant) -> Option<Watchdog> {
        match rustix::fs::open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
            Ok(device) => {
                log::info!("watchdog: {} is fed every {} seconds", path.display(), EVERY.as_secs());
                Some(Watchdog { device: Some(device), next: now, failing: false })
            }
            Err(Errno::NOENT | Errno::NODEV) => {
                log::info!("watchdog: this machine has none; in Proxmox: qm set VMID --watchdog model=i6300esb");
                None
            }
            Err(cause) => {
                log::warn!("watchdog: {}: {cause}; a machine that hangs will not be reset", path.display());
                None
            }
        }
    }

    fn feed(&mut self) {
        let Some(device) = &self.device else { return };
        match rustix::io::write(device, b"\0") {
            Ok(_) => self.failing = false,
            Err(cause) if !self.failing => {
                log::warn!("watchdog: feeding it: {cause}; the machine may be reset although all is well");
                self.failing = true;
            }
            Err(_) => {}
        }
    }
}

impl Service for Watchdog {
    fn name(&self) -> &'static str {
        "watchdog"
    }

    fn deadline(&self) -> Option<Instant> {
        self.device.as_ref().map(|_| self.next)
    }

    /// A timer that runs on would start a machine that was switched off, or reset one while its firmware starts.
    fn machine_ends(&mut self) {
        let Some(device) = self.device.take() else { return };
        match rustix::io::write(&device, DISARM) {
            Ok(_) => log::info!("watchdog: disarmed"),
            Err(cause) => log::warn!("watchdog: disarming it: {cause}; it may reset the machine on its way down"),
        }
    }

    fn turn(&mut self, _readiness: PollFlags, now: Instant, _status: &Status) -> Vec<Event> {
        if now >= self.next {
            self.feed();
            self.next = now + EVERY;
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn it_is_fed_every_few_seconds_and_disarmed_at_the_end() {
        let path = std::env::temp_dir().join(format!("runbound-watchdog-{}", std::process::id()));
        fs::write(&path, b"").unwrap();
        let start = Instant::now();
        let mut watchdog = Watchdog::open_at(&path, start).unwrap();
        for seconds in [0, 1, 4, 5, 9, 10] {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(watchdog.turn(PollFlags::empty(), now, &Status::default()), []);
            assert!(watchdog.deadline().unwrap() > now);
        }
        // Closed right behind the last octet, or it does not count.
        watchdog.machine_ends();
        assert!(watchdog.device.is_none() && watchdog.deadline().is_none());
        watchdog.turn(PollFlags::empty(), start + Duration::from_secs(60), &Status::default());
        let written = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(written, b"\0\0\0V");
    }

    #[test]
    fn a_machine_without_one_is_no_error() {
        assert!(Watchdog::open_at(Path::new("/nonexistent/watchdog"), Instant::now()).is_none());
    }
}
