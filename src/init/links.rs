//! Links and addresses that come and go: the kernel tells, PID 1 looks again.

use super::service::{Event, Service, Status};
use crate::host::{Interface, interfaces};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rustix::event::PollFlags;
use rustix::fd::BorrowedFd;
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR (linux/rtnetlink.h).
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// Changes come in swarms: how long to wait for the last one.
const SETTLE: Duration = Duration::from_millis(200);

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

/// Tells when links or addresses changed.
pub struct LinkWatch {
    socket: Socket,
    look: Option<Instant>,
}

impl LinkWatch {
    /// # Errors
    /// The socket's.
    pub fn open() -> std::io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, GROUPS))?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket, look: None })
    }
}

impl Service for LinkWatch {
    fn name(&self) -> &'static str {
        "links"
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        debug_assert!(self.socket.as_raw_fd() >= 0);
        Some(self.socket.as_fd())
    }

    fn deadline(&self) -> Option<Instant> {
        self.look
    }

    fn turn(&mut self, readiness: PollFlags, now: Instant, _status: &Status) -> Vec<Event> {
        if !readiness.is_empty() {
            // What changed is read from the interfaces themselves; a full buffer (ENOBUFS) is a change as well.
            let mut buffer = [0u8; 8192];
            for _ in 0..64 {
                match self.socket.recv(&mut &mut buffer[..], 0) {
                    Ok(_) => {}
                    Err(cause) if cause.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(_) => {}
                }
            }
            self.look.get_or_insert(now + SETTLE);
        }
        if self.look.is_some_and(|look| now >= look) {
            self.look = None;
            return vec![Event::LinksChanged];
        }
        Vec::new()
    }
}
