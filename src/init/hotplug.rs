//! Devices that come while the machine runs: the kernel says what they are, their drivers are loaded.

use super::modules::Modules;
use super::service::{Event, Service, Status};
use netlink_sys::protocols::NETLINK_KOBJECT_UEVENT;
use netlink_sys::{Socket, SocketAddr};
use rustix::event::PollFlags;
use rustix::fd::BorrowedFd;
use std::os::fd::AsFd;
use std::time::Instant;

/// The kernel's own events; those of udev are of group 2.
const KERNEL_EVENTS: u32 = 1;
/// Events taken in at one turn.
const BATCH: usize = 256;

/// Loads drivers for devices that come.
pub struct Hotplug {
    socket: Socket,
    modules: Modules,
}

impl Hotplug {
    /// # Errors
    /// The socket's.
    pub fn open(modules: Modules) -> std::io::Result<Self> {
        let mut socket = Socket::new(NETLINK_KOBJECT_UEVENT)?;
        socket.bind(&SocketAddr::new(0, KERNEL_EVENTS))?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket, modules })
    }
}

impl Service for Hotplug {
    fn name(&self) -> &'static str {
        "hotplug"
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }

    fn turn(&mut self, _readiness: PollFlags, _now: Instant, _status: &Status) -> Vec<Event> {
        let mut buffer = [0u8; 8192];
        for _ in 0..BATCH {
            let Ok(length) = self.socket.recv(&mut &mut buffer[..], 0) else { break };
            let Some(alias) = added(buffer.get(..length).unwrap_or_default()) else { continue };
            for module in self.modules.matching(&alias) {
                if self.modules.load(&module, "") {
                    log::info!("a device came ({alias}): module {module}");
                }
            }
        }
        Vec::new()
    }
}

/// The modalias of a device that was added: `ACTION@PATH`, then `KEY=VALUE`s, each ended by a zero.
fn added(event: &[u8]) -> Option<String> {
    let mut fields = event.split(|&octet| octet == 0);
    fields.next().filter(|head| head.starts_with(b"add@"))?;
    let alias = fields.find_map(|field| field.strip_prefix(b"MODALIAS="))?;
    std::str::from_utf8(alias).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::added;

    #[test]
    fn only_what_is_added_counts() {
        let event = b"add@/devices/x\0ACTION=add\0MODALIAS=virtio:d00000001v00001AF4\0SEQNUM=1\0";
        assert_eq!(added(event).as_deref(), Some("virtio:d00000001v00001AF4"));
        for event in [b"remove@/devices/x\0MODALIAS=virtio:x\0".as_slice(), b"add@/x\0ACTION=add\0", b"", b"\xff\0\0"] {
            assert_eq!(added(event), None);
        }
    }
}
