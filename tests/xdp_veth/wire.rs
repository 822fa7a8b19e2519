//! A raw socket at an end of the pair, the client's unless told otherwise, and the frames that are sent from it.
#![allow(unsafe_code)]

use crate::pair::{CLIENT, PATIENCE, mac};
use runbound::wire::checksum;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A raw socket on one end of the pair.
pub struct Wire(OwnedFd);

impl Wire {
    pub fn open() -> Self {
        Self::open_at(CLIENT)
    }

    pub fn open_at(end: &str) -> Self {
        let name = std::ffi::CString::new(end).expect("name");
        // SAFETY: plain system calls with structures of the sizes passed along.
        unsafe {
            let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0x0003u16.to_be().into());
            assert!(fd >= 0, "{}", io::Error::last_os_error());
            let socket = OwnedFd::from_raw_fd(fd);
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_protocol = 0x0003u16.to_be();
            address.sll_ifindex = libc::if_nametoindex(name.as_ptr()) as i32;
            let size = size_of::<libc::sockaddr_ll>() as u32;
            assert_eq!(libc::bind(fd, (&raw const address).cast(), size), 0, "{}", io::Error::last_os_error());
            let timeout = libc::timeval { tv_sec: PATIENCE.as_secs() as i64, tv_usec: 0 };
            let size = size_of::<libc::timeval>() as u32;
            libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, (&raw const timeout).cast(), size);
            Self(socket)
        }
    }

    pub fn send(&self, frame: &[u8]) {
        // SAFETY: a live socket and a buffer of the length passed along.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        assert_eq!(sent, frame.len() as isize, "{}", io::Error::last_os_error());
    }

    /// The next frame to `mac` that arrives at this end.
    pub fn receive_for(&self, mac: [u8; 6]) -> Vec<u8> {
        loop {
            let mut frame = vec![0u8; 2048];
            // SAFETY: a live socket and a buffer of the length passed along.
            let length = unsafe { libc::recv(self.0.as_raw_fd(), frame.as_mut_ptr().cast(), frame.len(), 0) };
            assert!(length > 0, "no frame: {}", io::Error::last_os_error());
            frame.truncate(length as usize);
            if frame[..6] == mac {
                return frame;
            }
        }
    }
}

pub const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// A query of 12 bytes from 192.0.2.9:1234 to 192.0.2.1:53, untagged.
pub fn query_v4() -> Vec<u8> {
    let mut frame = Vec::from(mac());
    frame.extend(CLIENT_MAC);
    frame.extend([8, 0, 0x45, 0, 0, 40, 0, 1, 0, 0, 64, 17, 0xf6, 0xb9, 192, 0, 2, 9, 192, 0, 2, 1]);
    frame.extend([0x04, 0xd2, 0, 53, 0, 20, 0, 0, 1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    frame
}

/// The same from [2001:db8::9] to [2001:db8::1], with a UDP checksum.
pub fn query_v6() -> Vec<u8> {
    let mut frame = Vec::from(mac());
    frame.extend(CLIENT_MAC);
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 17, 64]);
    for last in [9, 1] {
        frame.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    frame.extend([0x04, 0xd2, 0, 53, 0, 20, 0x9d, 0x40, 1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    frame
}

/// An untagged IPv4 frame with the checksum of its header made right.
pub fn summed(mut frame: Vec<u8>) -> Vec<u8> {
    frame[24..26].fill(0);
    let sum = checksum::finish(checksum::sum(&frame[14..34]));
    frame[24..26].copy_from_slice(&sum);
    frame
}

pub fn tagged(mut frame: Vec<u8>, id: u8) -> Vec<u8> {
    frame.splice(12..12, [0x81, 0, 0, id]);
    frame
}

pub fn with(mut frame: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}
