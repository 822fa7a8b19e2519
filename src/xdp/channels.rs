//! How many receive queues an interface has.

use std::fs;
use std::mem::zeroed;

use rustix::fd::AsRawFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// `ETHTOOL_GCHANNELS` and `SIOCETHTOOL` of include/uapi/linux/{ethtool,sockios}.h.
const ETHTOOL_GCHANNELS: u32 = 0x3c;
const SIOCETHTOOL: u32 = 0x8946;

/// `struct ethtool_channels`.
#[repr(C)]
struct Channels {
    command: u32,
    max_rx: u32,
    max_tx: u32,
    max_other: u32,
    max_combined: u32,
    rx: u32,
    tx: u32,
    other: u32,
    combined: u32,
}

/// Receive queues in use now: as sysfs lists them, else as the driver tells ethtool, else one.
///
/// sysfs comes first because it counts what the kernel will accept a socket on; it is missing where `/sys` belongs to
/// another network namespace.
pub fn rx_queues(interface: &str) -> u32 {
    let listed = fs::read_dir(format!("/sys/class/net/{interface}/queues"))
        .map(|entries| {
            entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"rx-")).count()
        })
        .unwrap_or(0);
    match u32::try_from(listed) {
        Ok(0) | Err(_) => channels(interface).unwrap_or(1).max(1),
        Ok(count) => count,
    }
}

fn channels(interface: &str) -> Option<u32> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
    // SAFETY: all-zero is a valid value of these C structures.
    let (mut request, mut channels): (libc::ifreq, Channels) = unsafe { (zeroed(), zeroed()) };
    channels.command = ETHTOOL_GCHANNELS;
    if interface.len() >= request.ifr_name.len() {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut channels).cast();
    // SAFETY: the request names a terminated interface name and a structure of the size that the command fills.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
    (result == 0).then_some(channels.rx + channels.combined)
}
