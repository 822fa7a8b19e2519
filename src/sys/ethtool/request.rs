//! The one ioctl(2) that carries all of ethtool(8)'s requests.

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::mem::zeroed;
use std::os::fd::AsRawFd;
use std::{io, ptr};

const SIOCETHTOOL: u32 = 0x8946;

/// # Safety
/// `data` must be a structure as the command in its first word reads and fills it.
pub(super) unsafe fn ethtool<T: ?Sized>(interface: &str, data: &mut T) -> io::Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: all-zero is a valid value of this C structure.
    let mut request: libc::ifreq = unsafe { zeroed() };
    if interface.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = ptr::from_mut(data).cast();
    // SAFETY: the request names a terminated interface name and, by contract, the structure of its command.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
    // More than 0 is a remark, such as of a feature that is wished for and not there yet (ETHTOOL_F_WISH).
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
