//! Sockets that are about one interface alone.

use rustix::fd::{AsRawFd, BorrowedFd};
use std::io;

/// Has a socket send and receive by this interface only (SO_BINDTODEVICE); it need not have an address. Needs
/// CAP_NET_RAW.
pub fn bind_to_device(socket: BorrowedFd<'_>, interface: &str) -> io::Result<()> {
    // SAFETY: the option's value is the name's octets with their length; the kernel copies them before the call returns.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            interface.as_ptr().cast(),
            interface.len() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    #[test]
    fn a_socket_is_bound_to_an_interface_that_is_there() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        bind_to_device(socket.as_fd(), "lo").unwrap();
        assert!(bind_to_device(socket.as_fd(), "no-such-link").is_err());
    }
}
