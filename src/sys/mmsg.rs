//! Datagrams in batches: recvmmsg(2) and sendmmsg(2) over buffers made once.
//!
//! The system calls are made directly: musl's sendmmsg sends one datagram per call.

use super::sockaddr::{self, MAX_SOCKADDR, V4_PKTINFO, V6_PKTINFO};
use rustix::fd::{AsRawFd, BorrowedFd};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Datagrams received with one system call.
pub const BATCH: usize = 64;

/// Octets between the ends of two buffers. Buffers of a power of two would otherwise all begin in the same L1 cache set.
const COLOUR: usize = 128;

/// Header of a control message: length, level and type (`struct cmsghdr`, cmsg(3)).
const CMSG_HEADER: usize = 16;
const MAX_CONTROL: usize = CMSG_HEADER + V6_PKTINFO.next_multiple_of(8);

/// `struct iovec` with the address as a number, so that a batch may move to its thread.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct IoVec {
    base: usize,
    len: usize,
}

/// `struct user_msghdr` of the 64-bit kernels (include/linux/socket.h).
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct MsgHdr {
    name: usize,
    name_len: u32,
    iov: usize,
    iov_len: usize,
    control: usize,
    control_len: usize,
    flags: u32,
}

/// `struct mmsghdr`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct MMsgHdr {
    hdr: MsgHdr,
    len: u32,
}

/// Whom to answer and from which address, as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct UdpPeer {
    control: [u8; MAX_CONTROL],
    name: [u8; MAX_SOCKADDR],
    name_len: u8,
    control_len: u8,
}

impl UdpPeer {
    const NOBODY: UdpPeer = UdpPeer { control: [0; MAX_CONTROL], name: [0; MAX_SOCKADDR], name_len: 0, control_len: 0 };

    /// The peer's address; `None` when the kernel gave none of IPv4 or IPv6.
    pub fn address(&self) -> Option<SocketAddr> {
        sockaddr::parse(&self.name[..self.name_len as usize])
    }

    /// The address the datagram was sent to, known when the socket was opened with pktinfo.
    pub fn local(&self) -> Option<IpAddr> {
        let data = self.control[..self.control_len as usize].get(CMSG_HEADER..)?;
        match self.pktinfo_len()? {
            V4_PKTINFO => sockaddr::parse_v4_pktinfo(data),
            _ => sockaddr::parse_v6_pktinfo(data),
        }
    }

    /// Length of the pktinfo in the first control message, if that is what it is.
    fn pktinfo_len(&self) -> Option<usize> {
        let control = &self.control[..self.control_len as usize];
        let len = usize::from_ne_bytes(control.get(..8)?.try_into().ok()?);
        let level = i32::from_ne_bytes(control.get(8..12)?.try_into().ok()?);
        let kind = i32::from_ne_bytes(control.get(12..16)?.try_into().ok()?);
        let data = match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => V4_PKTINFO,
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => V6_PKTINFO,
            _ => return None,
        };
        (len == CMSG_HEADER + data && len <= control.len()).then_some(data)
    }

    /// Makes a received pktinfo fit for sending: source address pinned, interface left to the routing table, as Unbound
    /// does (ip(7), ipv6(7)). Without pktinfo the kernel chooses the source.
    fn pin_source(&mut self) {
        let interface = match self.pktinfo_len() {
            Some(V4_PKTINFO) => 0..4,
            Some(_) => 16..20,
            None => {
                self.control_len = 0;
                return;
            }
        };
        self.control[CMSG_HEADER..][interface].fill(0);
    }
}

/// One received datagram.
pub struct Datagram<'a> {
    /// The whole buffer, the datagram at its start: the reply is written over it.
    pub buffer: &'a mut [u8],
    /// Octets of the datagram.
    pub len: usize,
    /// The sender; `None` when the kernel gave no IPv4 or IPv6 address. Such a datagram cannot be answered.
    pub peer: Option<SocketAddr>,
    /// The address it was sent to, known when the socket was opened with pktinfo.
    pub local: Option<IpAddr>,
    /// The datagram was longer than the buffer.
    pub truncated: bool,
}

/// What became of the replies of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Replies the kernel took.
    pub sent: usize,
    /// Replies it did not: no room in the socket's buffer, too long, a firewall's refusal.
    pub lost: usize,
}

/// Buffers for [`BATCH`] datagrams, received together, answered in place, sent together. Nothing is allocated after
/// creation.
pub struct UdpBatch {
    buffers: Box<[u8]>,
    size: usize,
    peers: Box<[UdpPeer; BATCH]>,
    iovecs: Box<[IoVec; BATCH]>,
    headers: Box<[MMsgHdr; BATCH]>,
    lens: [usize; BATCH],
    truncated: [bool; BATCH],
    replies: [Option<usize>; BATCH],
    received: usize,
}

impl UdpBatch {
    /// Buffers of `size` octets each; queries longer are truncated, replies cannot be longer. Pages are taken from the
    /// system when first written.
    pub fn new(size: usize) -> Self {
        UdpBatch {
            buffers: vec![0; BATCH * (size + COLOUR)].into_boxed_slice(),
            size,
            peers: Box::new([UdpPeer::NOBODY; BATCH]),
            iovecs: Box::new([IoVec::default(); BATCH]),
            headers: Box::new([MMsgHdr::default(); BATCH]),
            lens: [0; BATCH],
            truncated: [false; BATCH],
            replies: [None; BATCH],
            received: 0,
        }
    }

    /// Octets of one buffer.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Receives what is there, at most [`BATCH`] datagrams, without waiting. 0: nothing there. Replies of the batch
    /// before that were not sent are forgotten.
    pub fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        self.received = 0;
        self.replies = [None; BATCH];
        for i in 0..BATCH {
            let peer = &mut self.peers[i];
            let start = i * (self.size + COLOUR);
            let buffer = &mut self.buffers[start..start + self.size];
            self.iovecs[i] = IoVec { base: buffer.as_mut_ptr().expose_provenance(), len: self.size };
            self.headers[i].hdr = MsgHdr {
                name: peer.name.as_mut_ptr().expose_provenance(),
                name_len: MAX_SOCKADDR as u32,
                iov: (&raw mut self.iovecs[i]).expose_provenance(),
                iov_len: 1,
                control: peer.control.as_mut_ptr().expose_provenance(),
                control_len: MAX_CONTROL,
                flags: 0,
            };
        }
        let received = match system_call(libc::SYS_recvmmsg, fd, &mut self.headers[..]) {
            Ok(received) => received,
            Err(cause) if matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Err(cause) => return Err(cause),
        };
        for i in 0..received {
            let MMsgHdr { hdr, len } = self.headers[i];
            self.lens[i] = (len as usize).min(self.size);
            self.truncated[i] = hdr.flags & libc::MSG_TRUNC as u32 != 0;
            self.peers[i].name_len = (hdr.name_len as usize).min(MAX_SOCKADDR) as u8;
            self.peers[i].control_len = hdr.control_len.min(MAX_CONTROL) as u8;
            self.peers[i].pin_source();
        }
        self.received = received;
        Ok(received)
    }

    /// Datagram `i` of those received last; `None` beyond them.
    pub fn datagram(&mut self, i: usize) -> Option<Datagram<'_>> {
        if i >= self.received {
            return None;
        }
        let start = i * (self.size + COLOUR);
        Some(Datagram {
            buffer: &mut self.buffers[start..start + self.size],
            len: self.lens[i],
            peer: self.peers[i].address(),
            local: self.peers[i].local(),
            truncated: self.truncated[i],
        })
    }

    /// The sender of datagram `i`, for an answer that comes later; `None` beyond those received last.
    pub fn peer(&self, i: usize) -> Option<UdpPeer> {
        self.peers[..self.received].get(i).copied()
    }

    /// Marks datagram `i` as answered with the first `len` octets of its buffer. Those without a mark get no answer.
    pub fn set_reply(&mut self, i: usize, len: usize) {
        if i < self.received && len <= self.size {
            self.replies[i] = Some(len);
        }
    }

    /// Sends the replies set since [`Self::receive`], without waiting: a reply that the kernel refuses is lost and
    /// counted, the ones behind it are still tried, unless there is no room.
    pub fn send(&mut self, fd: BorrowedFd<'_>) -> Sent {
        let mut queued = 0;
        for i in 0..self.received {
            let Some(len) = self.replies[i].take() else { continue };
            let start = i * (self.size + COLOUR);
            let reply = &mut self.buffers[start..start + len];
            self.iovecs[queued] = IoVec { base: reply.as_mut_ptr().expose_provenance(), len };
            let iov = (&raw mut self.iovecs[queued]).expose_provenance();
            self.headers[queued].hdr = send_header(&mut self.peers[i], iov);
            queued += 1;
        }
        let mut report = Sent::default();
        let mut next = 0;
        while next < queued {
            match system_call(libc::SYS_sendmmsg, fd, &mut self.headers[next..queued]) {
                Ok(sent) if sent > 0 => {
                    report.sent += sent;
                    next += sent;
                }
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
                    report.lost += queued - next;
                    break;
                }
                _ => {
                    report.lost += 1;
                    next += 1;
                }
            }
        }
        report
    }
}

/// Sends one datagram without waiting, from the address the query was sent to.
pub fn send_one(fd: BorrowedFd<'_>, peer: &UdpPeer, message: &[u8]) -> io::Result<()> {
    let mut peer = *peer;
    let mut iovec = IoVec { base: message.as_ptr().expose_provenance(), len: message.len() };
    let hdr = send_header(&mut peer, (&raw mut iovec).expose_provenance());
    match system_call(libc::SYS_sendmmsg, fd, &mut [MMsgHdr { hdr, len: 0 }])? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    }
}

fn send_header(peer: &mut UdpPeer, iov: usize) -> MsgHdr {
    MsgHdr {
        name: peer.name.as_mut_ptr().expose_provenance(),
        name_len: peer.name_len as u32,
        iov,
        iov_len: 1,
        control: peer.control.as_mut_ptr().expose_provenance(),
        control_len: peer.control_len as usize,
        flags: 0,
    }
}

/// recvmmsg or sendmmsg, never waiting. Gives back the number of messages.
fn system_call(number: libc::c_long, fd: BorrowedFd<'_>, headers: &mut [MMsgHdr]) -> io::Result<usize> {
    // SAFETY: the two callers fill every header with addresses and lengths of buffers that they hold across the call:
    // name and control of a `UdpPeer`, one `IoVec` of one datagram. recvmmsg's fifth argument is a null time-out;
    // sendmmsg takes four.
    let done = unsafe {
        libc::syscall(number, fd.as_raw_fd(), headers.as_mut_ptr(), headers.len(), libc::MSG_DONTWAIT, 0usize)
    };
    usize::try_from(done).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sys::socket::{UdpOptions, udp_listener};
    use rustix::fd::{AsFd, OwnedFd};
    use std::net::UdpSocket;

    fn server(address: &str, pktinfo: bool) -> (OwnedFd, u16) {
        let options = UdpOptions { pktinfo, ..UdpOptions::default() };
        let fd = udp_listener(address.parse().unwrap(), &options).unwrap();
        let bound: SocketAddr = rustix::net::getsockname(&fd).unwrap().try_into().unwrap();
        (fd, bound.port())
    }

    fn client(address: &str) -> UdpSocket {
        let socket = UdpSocket::bind((address, 0)).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        socket
    }

    #[test]
    fn a_batch_is_answered_in_place() {
        let (fd, port) = server("127.0.0.1:0", false);
        let client = client("127.0.0.1");
        let mut batch = UdpBatch::new(512);
        assert_eq!(batch.receive(fd.as_fd()).unwrap(), 0);
        for i in 0..100u8 {
            client.send_to(&[i; 20], ("127.0.0.1", port)).unwrap();
        }
        let mut answered = 0;
        for expected in [BATCH, 100 - BATCH] {
            assert_eq!(batch.receive(fd.as_fd()).unwrap(), expected);
            for i in 0..expected {
                let datagram = batch.datagram(i).unwrap();
                assert_eq!((datagram.len, datagram.truncated), (20, false));
                assert_eq!(datagram.peer, Some(client.local_addr().unwrap()));
                assert_eq!(datagram.buffer.len(), 512);
                let first = datagram.buffer[0];
                datagram.buffer[20..512].fill(first);
                // Every fourth gets no answer.
                if i % 4 != 3 {
                    batch.set_reply(i, 512);
                    answered += 1;
                }
            }
            assert!(batch.datagram(expected).is_none());
            assert_eq!(batch.send(fd.as_fd()), Sent { sent: expected * 3 / 4, lost: 0 });
            assert_eq!(batch.send(fd.as_fd()), Sent::default());
        }
        let mut reply = [0; 600];
        for i in (0..100u8).filter(|i| i % 4 != 3) {
            assert_eq!(client.recv(&mut reply).unwrap(), 512);
            assert_eq!(reply[..512], [i; 512]);
            answered -= 1;
        }
        assert_eq!(answered, 0);
    }

    #[test]
    fn long_datagrams_are_marked_and_long_replies_refused() {
        let (fd, port) = server("127.0.0.1:0", false);
        let client = client("127.0.0.1");
        client.send_to(&[7; 513], ("127.0.0.1", port)).unwrap();
        let mut batch = UdpBatch::new(512);
        assert_eq!(batch.receive(fd.as_fd()).unwrap(), 1);
        let datagram = batch.datagram(0).unwrap();
        assert_eq!((datagram.len, datagram.truncated), (512, true));
        batch.set_reply(0, 513);
        batch.set_reply(1, 10);
        assert_eq!(batch.send(fd.as_fd()), Sent::default());
    }

    #[test]
    fn wildcard_sockets_answer_from_the_address_asked() {
        for (listen, ask) in [("0.0.0.0:0", "127.0.0.77"), ("[::]:0", "::1")] {
            let (fd, port) = server(listen, true);
            let family_local = if ask.contains(':') { "::1" } else { "127.0.0.1" };
            let client = client(family_local);
            client.connect((ask, port)).unwrap();
            client.send(b"question").unwrap();
            let mut batch = UdpBatch::new(65535);
            assert_eq!(batch.receive(fd.as_fd()).unwrap(), 1);
            assert_eq!(batch.datagram(0).unwrap().local, Some(ask.parse().unwrap()));
            let late = batch.peer(0).unwrap();
            // The interface is the routing table's choice, not the one the query came in by.
            let interface = if ask.contains(':') { 16..20 } else { 0..4 };
            assert_eq!(late.control[CMSG_HEADER..][interface], [0; 4]);
            batch.set_reply(0, 3);
            assert_eq!(batch.send(fd.as_fd()), Sent { sent: 1, lost: 0 });
            send_one(fd.as_fd(), &late, b"later").unwrap();
            // A connected socket takes only what comes from the address it asked.
            let mut reply = [0; 16];
            assert_eq!(client.recv(&mut reply).unwrap(), 3);
            assert_eq!(client.recv(&mut reply).unwrap(), 5);
            assert_eq!(&reply[..5], b"later");
        }
    }

    #[test]
    fn a_refused_reply_does_not_keep_the_others_back() {
        let (fd, port) = server("127.0.0.1:0", false);
        let client = client("127.0.0.1");
        for _ in 0..3 {
            client.send_to(b"q", ("127.0.0.1", port)).unwrap();
        }
        let mut batch = UdpBatch::new(70_000);
        assert_eq!(batch.receive(fd.as_fd()).unwrap(), 3);
        batch.set_reply(0, 4);
        batch.set_reply(1, 70_000);
        batch.set_reply(2, 6);
        assert_eq!(batch.send(fd.as_fd()), Sent { sent: 2, lost: 1 });
        let mut reply = [0; 16];
        assert_eq!(client.recv(&mut reply).unwrap(), 4);
        assert_eq!(client.recv(&mut reply).unwrap(), 6);
    }

    #[test]
    fn a_dead_socket_is_an_error() {
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        assert!(UdpBatch::new(512).receive(reader.as_fd()).is_err());
    }
}
