//! What netlink sockets can do that no safe crate wraps.

use rustix::fd::{AsRawFd, BorrowedFd};
use std::io;

/// Has a socket get the notifications of a group (NETLINK_ADD_MEMBERSHIP, netlink(7)): of those beyond 32 that is the only way.
///
/// # Errors
/// setsockopt(2)'s: EINVAL of a group that the kernel does not have.
pub fn join(socket: BorrowedFd<'_>, group: libc::c_uint) -> io::Result<()> {
    let size = size_of::<libc::c_uint>() as libc::socklen_t;
    // SAFETY: the option's value is an unsigned int that lives across the call, and its size is given.
    let done = unsafe {
        let group = (&raw const group).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, group, size)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
