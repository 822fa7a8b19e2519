//! The hardware watchdog (QEMU's i6300esb, a chipset's, a BMC's): it resets the machine when PID 1 no longer feeds it.

use super::service::{Event, Service, Status};
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

/// An armed watchdog: opening it armed it. Dropping it disarms it, so keep it until the machine is about to go down.
pub struct Watchdog {
    device: OwnedFd,
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
                Some(Watchdog { device, next: now, failing: false })
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

    /// Feeds it: at the end, too, so that the time until power-off counts from here.
    fn feed(&mut self) {
        match rustix::io::write(&self.device, b"\0") {
            Ok(_) => self.failing = false,
            Err(cause) if !self.failing => {
                log::warn!("watchdog: feeding it: {cause}; the machine may be reset although all is well");
                self.failing = true;
            }
            Err(_) => {}
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Err(cause) = rustix::io::write(&self.device, DISARM) {
            log::warn!("watchdog: disarming it: {cause}; the machine may be reset on its way down");
        }
    }
}

impl Service for Watchdog {
    fn name(&self) -> &'static str {
        "watchdog"
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.next)
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
        drop(watchdog);
        let written = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(written, b"\0\0\0V");
    }

    #[test]
    fn a_machine_without_one_is_no_error() {
        assert!(Watchdog::open_at(Path::new("/nonexistent/watchdog"), Instant::now()).is_none());
    }
}
