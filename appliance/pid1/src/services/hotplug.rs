//! Devices that come while the machine runs: the kernel says what they are, their drivers are loaded. Disks and media that
//! come and go are looked at.

use crate::cloudinit::drives::{self, Drives};
use crate::machine::modules::Modules;
use crate::machine::mounts::sysctl;
use crate::service::{Event, Service, Status};
use netlink_sys::protocols::NETLINK_KOBJECT_UEVENT;
use netlink_sys::{Socket, SocketAddr};
use rustix::event::PollFlags;
use rustix::fd::BorrowedFd;
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The kernel's own events; those of udev are of group 2.
const KERNEL_EVENTS: u32 = 1;
/// Events taken in at one turn.
const BATCH: usize = 256;
/// How often the kernel asks drives whether their medium changed, in milliseconds; it does not unless it is told.
const MEDIA: (&str, &str) = ("/sys/module/block/parameters/events_dfl_poll_msecs", "2000");
/// A tray that somebody opens is not to close because it is looked at, nor to be locked.
const TRAY: [&str; 2] = ["dev/cdrom/autoclose", "dev/cdrom/lock"];
/// Disks come with their partitions, media go before others come: a look waits so long for what belongs to it.
const SETTLE: Duration = Duration::from_millis(300);
/// A drive that was given another medium may need some time to read it: so many more looks while there is none, and the
/// pause before each.
const AGAIN: u32 = 2;
const PAUSE: Duration = Duration::from_secs(3);
/// Between two looks whether the look is done.
const LOOK: Duration = Duration::from_millis(100);

/// Loads drivers for devices that come; tells what is on disks and media when they changed.
pub struct Hotplug {
    socket: Socket,
    modules: Modules,
    /// Drives changed: when to look at them.
    changed: Option<Instant>,
    /// Looks that may follow one that found no cloud-init drive.
    again: u32,
    look: Option<JoinHandle<Drives>>,
    /// When to see whether the look is done.
    next: Instant,
}

impl Hotplug {
    /// # Errors
    /// The socket's.
    pub fn open(modules: Modules, now: Instant) -> std::io::Result<Self> {
        let mut socket = Socket::new(NETLINK_KOBJECT_UEVENT)?;
        socket.bind(&SocketAddr::new(0, KERNEL_EVENTS))?;
        socket.set_non_blocking(true)?;
        let (path, milliseconds) = MEDIA;
        if let Err(cause) = fs::write(path, milliseconds) {
            log::warn!("{path}: {cause}; a CD that is changed is not noticed");
        }
        for name in TRAY.iter().filter(|name| Path::new("/proc/sys").join(name).exists()) {
            sysctl(name, "0");
        }
        Ok(Self { socket, modules, changed: None, again: 0, look: None, next: now })
    }

    fn take(&mut self, event: &Uevent, now: Instant) {
        if event.is_block {
            (self.changed, self.again) = (Some(now + SETTLE), AGAIN);
        }
        let Some(alias) = &event.added else { return };
        for module in self.modules.matching(alias) {
            if self.modules.load(&module, "") {
                log::info!("a device came ({alias}): module {module}");
            }
        }
    }

    /// Starts a look when it is time and none is under way.
    fn start_look(&mut self, now: Instant) {
        if self.look.is_some() || self.changed.is_none_or(|at| now < at) {
            return;
        }
        self.changed = None;
        self.next = now + LOOK;
        match drives::look(self.modules.clone()) {
            Ok(look) => self.look = Some(look),
            Err(cause) => log::error!("disks changed, but a thread to look at them: {cause}"),
        }
    }

    /// What a look that is done has found.
    fn looked(&mut self, now: Instant) -> Option<Event> {
        self.next = now + LOOK;
        let look = self.look.take_if(|look| look.is_finished())?;
        // One that panicked said so itself.
        let drives = look.join().ok()?;
        if drives.seed.is_none() && self.again > 0 && self.changed.is_none() {
            (self.changed, self.again) = (Some(now + PAUSE), self.again - 1);
        }
        Some(Event::Drives(Box::new(drives)))
    }
}

impl Service for Hotplug {
    fn name(&self) -> &'static str {
        "hotplug"
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }

    fn deadline(&self) -> Option<Instant> {
        if self.look.is_some() { Some(self.next) } else { self.changed }
    }

    fn turn(&mut self, readiness: PollFlags, now: Instant, _status: &Status) -> Vec<Event> {
        let mut buffer = [0u8; 8192];
        let waiting = if readiness.is_empty() { 0 } else { BATCH };
        for _ in 0..waiting {
            let Ok(length) = self.socket.recv(&mut &mut buffer[..], 0) else { break };
            let event = uevent(buffer.get(..length).unwrap_or_default());
            self.take(&event, now);
        }
        let found = self.looked(now);
        self.start_look(now);
        found.into_iter().collect()
    }
}

/// What counts of an event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Uevent {
    /// The modalias of a device that was added.
    added: Option<String>,
    /// A disk, a partition or the medium of a drive came, changed or went.
    is_block: bool,
}

/// Reads `ACTION@PATH`, then `KEY=VALUE`s, each ended by a zero.
fn uevent(event: &[u8]) -> Uevent {
    let mut fields = event.split(|&octet| octet == 0);
    let head = fields.next().unwrap_or_default();
    let is = |action: &[u8]| head.starts_with(action);
    let mut found = Uevent::default();
    for field in fields {
        if let Some(alias) = field.strip_prefix(b"MODALIAS=").filter(|_| is(b"add@")) {
            found.added = std::str::from_utf8(alias).ok().map(str::to_owned);
        }
        found.is_block |= field == b"SUBSYSTEM=block" && (is(b"add@") || is(b"change@") || is(b"remove@"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_added_wants_a_driver() {
        let event = b"add@/devices/x\0ACTION=add\0MODALIAS=virtio:d00000001v00001AF4\0SEQNUM=1\0";
        assert_eq!(uevent(event).added.as_deref(), Some("virtio:d00000001v00001AF4"));
        for event in [b"remove@/devices/x\0MODALIAS=virtio:x\0".as_slice(), b"add@/x\0ACTION=add\0", b"", b"\xff\0\0"] {
            assert_eq!(uevent(event), Uevent::default());
        }
    }

    #[test]
    fn disks_and_media_are_told_from_other_devices() {
        let medium = b"change@/devices/pci0/ata1/block/sr0\0ACTION=change\0SUBSYSTEM=block\0DISK_MEDIA_CHANGE=1\0";
        assert!(uevent(medium).is_block);
        assert!(uevent(b"remove@/devices/x/block/sda/sda1\0SUBSYSTEM=block\0DEVTYPE=partition\0").is_block);
        assert!(!uevent(b"bind@/devices/x\0SUBSYSTEM=block\0").is_block);
        assert!(!uevent(b"add@/devices/x\0SUBSYSTEM=net\0").is_block);
    }
}
