//! Datagrams in batches from a connected UDP socket: recvmmsg(2).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Most datagrams one call takes.
pub const BATCH: usize = 16;

/// Room for [`BATCH`] datagrams of a fixed size, and the ones that lie in it.
pub struct Inbox {
    octets: Box<[u8]>,
    size: usize,
    lens: [usize; BATCH],
    count: usize,
}

impl Inbox {
    /// Room for datagrams of up to `size` octets each; the end of a longer one is lost.
    pub fn new(size: usize) -> Inbox {
        let size = size.clamp(512, 65535);
        Inbox { octets: vec![0; size * BATCH].into_boxed_slice(), size, lens: [0; BATCH], count: 0 }
    }

    /// Replaces the content with what waits at `socket`, without blocking; gives the number of datagrams. Less than
    /// [`BATCH`] means that nothing else waited.
    ///
    /// # Errors
    /// As recvmmsg(2): `WouldBlock` when nothing waits, an ICMP error that a connected socket was told.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.count = 0;
        let mut pieces = [MaybeUninit::<libc::iovec>::uninit(); BATCH];
        let mut headers = [MaybeUninit::<libc::mmsghdr>::zeroed(); BATCH];
        for (place, room) in self.octets.chunks_exact_mut(self.size).take(BATCH).enumerate() {
            pieces[place].write(libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() });
            // SAFETY: all-zero octets are a valid `mmsghdr`: null pointers and lengths of zero.
            let header = unsafe { headers[place].assume_init_mut() };
            header.msg_hdr.msg_iov = pieces[place].as_mut_ptr();
            header.msg_hdr.msg_iovlen = 1;
        }
        let flags = libc::MSG_DONTWAIT as _;
        // SAFETY: `headers` are BATCH initialised headers; each names one initialised iovec, which names octets of
        // its own in `self.octets`. Both arrays and the box outlive the call, and the kernel keeps no pointer.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr().cast(),
                BATCH as libc::c_uint,
                flags,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(got).map_err(|_| io::Error::last_os_error())?.min(BATCH);
        for (len, header) in self.lens.iter_mut().zip(&headers[..count]) {
            // SAFETY: initialised above; the kernel has set `msg_len`.
            *len = (unsafe { header.assume_init_ref() }.msg_len as usize).min(self.size);
        }
        self.count = count;
        Ok(count)
    }

    /// Datagrams that the last call took.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Datagram number `place`; empty past [`Self::count`].
    pub fn datagram(&self, place: usize) -> &[u8] {
        match self.lens.get(place) {
            Some(&len) if place < self.count => &self.octets[place * self.size..][..len],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    #[test]
    fn takes_what_waits_in_order_and_cuts_what_is_too_long() {
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.connect(sender.local_addr().unwrap()).unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        let mut inbox = Inbox::new(512);
        assert_eq!(inbox.receive(receiver.as_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        for octet in 0..BATCH as u8 + 2 {
            sender.send(&[octet; 3]).unwrap();
        }
        sender.send(&[9; 600]).unwrap();
        assert_eq!(inbox.receive(receiver.as_fd()).unwrap(), BATCH);
        assert_eq!(inbox.datagram(BATCH - 1), [BATCH as u8 - 1; 3]);
        assert_eq!(inbox.receive(receiver.as_fd()).unwrap(), 3);
        assert_eq!((inbox.datagram(0), inbox.datagram(2).len()), (&[BATCH as u8; 3][..], 512));
        assert!(inbox.datagram(3).is_empty() && inbox.datagram(99).is_empty());
    }
}
