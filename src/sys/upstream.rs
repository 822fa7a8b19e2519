//! Datagrams in batches from a UDP socket that has one peer: recvmmsg(2), or recvfrom(2) where one alone is expected or the
//! socket is not connected.

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, recvfrom};
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
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

    /// Replaces the content with what waits at `socket`, up to `most` datagrams or [`BATCH`], without blocking; gives
    /// their number. Less than was asked for means that nothing else waited.
    ///
    /// # Errors
    /// As recvmmsg(2) or recv(2): `WouldBlock` when nothing waits, an ICMP error that a connected socket was told.
    pub fn receive(&mut self, socket: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        self.count = 0;
        let most = most.clamp(1, BATCH);
        if most == 1 {
            let room = &mut self.octets[..self.size];
            self.lens[0] = recv(socket, room, RecvFlags::DONTWAIT)?.0;
            self.count = 1;
            return Ok(1);
        }
        let mut pieces = [MaybeUninit::<libc::iovec>::uninit(); BATCH];
        let mut headers = [MaybeUninit::<libc::mmsghdr>::uninit(); BATCH];
        for (place, room) in self.octets.chunks_exact_mut(self.size).take(most).enumerate() {
            pieces[place].write(libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() });
            headers[place] = MaybeUninit::zeroed();
            // SAFETY: all-zero octets are a valid `mmsghdr`: null pointers and lengths of zero.
            let header = unsafe { headers[place].assume_init_mut() };
            header.msg_hdr.msg_iov = pieces[place].as_mut_ptr();
            header.msg_hdr.msg_iovlen = 1;
        }
        let flags = libc::MSG_DONTWAIT as _;
        // SAFETY: the first `most` of `headers` are initialised; each names one initialised iovec, which names octets of
        // its own in `self.octets`. Both arrays and the box outlive the call, and the kernel keeps no pointer.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr().cast(),
                most as libc::c_uint,
                flags,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(got).map_err(|_| io::Error::last_os_error())?.min(most);
        for (len, header) in self.lens.iter_mut().zip(&headers[..count]) {
            // SAFETY: initialised above; the kernel has set `msg_len`.
            *len = (unsafe { header.assume_init_ref() }.msg_len as usize).min(self.size);
        }
        self.count = count;
        Ok(count)
    }

    /// As [`Self::receive`], of a socket that is not connected: takes what comes from `peer` alone, and gives the number of
    /// the others.
    ///
    /// # Errors
    /// As recvfrom(2).
    pub fn receive_from(&mut self, socket: BorrowedFd<'_>, most: usize, peer: &SocketAddr) -> io::Result<u64> {
        self.count = 0;
        let mut strangers = 0;
        for _ in 0..most.clamp(1, BATCH) {
            let room = &mut self.octets[self.count * self.size..][..self.size];
            let (len, from) = match recvfrom(socket, room, RecvFlags::DONTWAIT) {
                Ok((_, len, from)) => (len, from.and_then(|from| SocketAddr::try_from(from).ok())),
                Err(Errno::AGAIN) if self.count > 0 || strangers > 0 => break,
                Err(errno) => return Err(errno.into()),
            };
            if from.is_some_and(|from| is_same(&from, peer)) {
                self.lens[self.count] = len.min(self.size);
                self.count += 1;
            } else {
                strangers += 1;
            }
        }
        Ok(strangers)
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

/// Flow labels say nothing of who it is, nor does the link of an address that is no link's.
fn is_same(one: &SocketAddr, other: &SocketAddr) -> bool {
    let link = |address: &SocketAddr| match address {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => v6.scope_id(),
        _ => 0,
    };
    (one.ip(), one.port(), link(one)) == (other.ip(), other.port(), link(other))
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
        assert_eq!(inbox.receive(receiver.as_fd(), BATCH).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        for octet in 0..BATCH as u8 + 2 {
            sender.send(&[octet; 3]).unwrap();
        }
        sender.send(&[9; 600]).unwrap();
        assert_eq!(inbox.receive(receiver.as_fd(), BATCH).unwrap(), BATCH);
        assert_eq!(inbox.datagram(BATCH - 1), [BATCH as u8 - 1; 3]);
        assert_eq!(inbox.receive(receiver.as_fd(), BATCH).unwrap(), 3);
        assert_eq!((inbox.datagram(0), inbox.datagram(2).len()), (&[BATCH as u8; 3][..], 512));
        assert!(inbox.datagram(3).is_empty() && inbox.datagram(99).is_empty());
        (0..4).for_each(|_| assert_eq!(sender.send(&[1]).unwrap(), 1));
        let counts = [2, 1, 9].map(|most| inbox.receive(receiver.as_fd(), most).unwrap());
        assert_eq!((counts, inbox.datagram(0)), ([2, 1, 1], &[1][..]), "no more than asked for");
        sender.send(&[9; 600]).unwrap();
        assert_eq!((inbox.receive(receiver.as_fd(), 1).unwrap(), inbox.datagram(0).len()), (1, 512));
        assert_eq!(inbox.receive(receiver.as_fd(), 1).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn without_a_connection_only_the_peer_is_heard() {
        let [receiver, peer, stranger] = ["127.0.0.1:0"; 3].map(|at| UdpSocket::bind(at).unwrap());
        let (to, mut inbox) = (receiver.local_addr().unwrap(), Inbox::new(512));
        let server = peer.local_addr().unwrap();
        assert!(inbox.receive_from(receiver.as_fd(), BATCH, &server).is_err(), "nothing has come");
        for octet in 0..4u8 {
            stranger.send_to(&[99], to).unwrap();
            peer.send_to(&[octet; 2], to).unwrap();
        }
        assert_eq!(inbox.receive_from(receiver.as_fd(), 6, &server).unwrap(), 3);
        assert_eq!((inbox.count(), inbox.datagram(2)), (3, &[2; 2][..]));
        assert_eq!(inbox.receive_from(receiver.as_fd(), BATCH, &server).unwrap(), 1);
        assert_eq!((inbox.count(), inbox.datagram(0)), (1, &[3; 2][..]));
        let of = |text: &str| text.parse().unwrap();
        assert!(is_same(&of("[2001:db8::1%7]:53"), &of("[2001:db8::1]:53")));
        assert!(!is_same(&of("[fe80::1%7]:53"), &of("[fe80::1%8]:53")));
    }
}
