//! Datagrams in batches: recvmmsg(2) and sendmmsg(2) over buffers made once.
//!
//! The system calls are made directly: musl's sendmmsg sends one datagram per call.

use super::sockaddr::MAX_SOCKADDR;
use super::stamps::{self, Stamps};
use super::udp_peer::MAX_CONTROL;
pub use super::udp_peer::UdpPeer;
use rustix::fd::{AsRawFd, BorrowedFd};
use std::io;
use std::mem::offset_of;
use std::net::{IpAddr, SocketAddr};

/// Datagrams received with one system call.
pub const BATCH: usize = 64;

/// Octets between the ends of two buffers. Buffers of a power of two would otherwise all begin in the same L1 cache set.
const COLOUR: usize = 128;

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

/// One received datagram.
pub struct Datagram<'a> {
    /// The whole buffer, the datagram at its start: the reply is written over it.
    pub buffer: &'a mut [u8],
    /// Octets of the datagram.
    pub len: usize,
    /// The sender; `None` when the kernel gave no IPv4 or IPv6 address. Such a datagram cannot be answered.
    pub peer: Option<SocketAddr>,
    /// The sender, for an answer that comes later.
    pub way: &'a UdpPeer,
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
    /// The buffers of what is to be sent, in its order.
    places: [usize; BATCH],
    received: usize,
    /// Where control messages are received into that tell when datagrams came, if that is asked for.
    stamps: Option<Box<Stamps<BATCH>>>,
    /// Headers, from the first, that were received into or sent from since they were made ready.
    used: usize,
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
            places: [0; BATCH],
            received: 0,
            stamps: None,
            used: BATCH,
        }
    }

    /// The same for [`Self::receive_aged`], which needs room for what the kernel tells.
    pub fn with_ages(self) -> Self {
        UdpBatch { stamps: Some(Box::new(Stamps::new())), ..self }
    }

    /// Octets of one buffer.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Receives what is there, at most [`BATCH`] datagrams, without waiting. 0: nothing there. Replies of the batch
    /// before that were not sent are forgotten.
    pub fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        self.make_ready();
        let received = self.receive_ready(fd)?;
        self.take_in(received);
        Ok(received)
    }

    /// The same with sockets that tell when datagrams came (`UdpOptions::timestamps`): [`Self::age`] knows then.
    #[cold]
    pub fn receive_aged(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        self.make_ready();
        let Some(stamps) = &mut self.stamps else { return Ok(0) };
        let controls = stamps.controls.as_mut_ptr().expose_provenance();
        for (i, header) in self.headers.iter_mut().enumerate() {
            header.hdr.control = controls + i * stamps::ROOM;
            header.hdr.control_len = stamps::ROOM;
        }
        let received = self.receive_ready(fd)?;
        if let Some(stamps) = &mut self.stamps {
            for i in 0..received {
                let hdr = &mut self.headers[i].hdr;
                hdr.control_len = stamps.read(i, hdr.control_len, &mut self.peers[i].control);
            }
        }
        self.take_in(received);
        Ok(received)
    }

    /// Microseconds that datagram `i` was in its socket's queue, as far as [`Self::receive_aged`] was told.
    pub fn age(&self, i: usize) -> Option<u64> {
        self.stamps.as_ref()?.age(i)
    }

    /// Leaves nothing of datagram `i`.
    pub fn forget(&mut self, i: usize) {
        if let Some(len) = self.lens.get_mut(i) {
            *len = 0;
        }
    }

    #[inline]
    fn receive_ready(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        self.received = 0;
        let outcome = system_call(libc::SYS_recvmmsg, fd, &mut self.headers[..]);
        let received = *outcome.as_ref().unwrap_or(&0);
        // The kernel may have begun with one more than it received.
        self.used = (received + 1).min(BATCH);
        match outcome {
            Err(cause) if !matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Err(cause);
            }
            _ => {}
        }
        Ok(received)
    }

    #[inline]
    fn take_in(&mut self, received: usize) {
        for i in 0..received {
            let MMsgHdr { hdr, len } = self.headers[i];
            self.lens[i] = (len as usize).min(self.size);
            self.truncated[i] = hdr.flags & libc::MSG_TRUNC as u32 != 0;
            self.peers[i].name_len = (hdr.name_len as usize).min(MAX_SOCKADDR) as u8;
            self.peers[i].control_len = hdr.control_len.min(MAX_CONTROL) as u8;
            self.peers[i].pin_source();
        }
        self.received = received;
    }

    /// Points the headers in use to the buffers they receive into. The others point there still: where nothing was received
    /// nothing was sent either.
    fn make_ready(&mut self) {
        // Exposed anew for every call, since the buffers were looked at in between.
        let buffers = self.buffers.as_mut_ptr().expose_provenance();
        let peers = self.peers.as_mut_ptr().expose_provenance();
        let iovecs = self.iovecs.as_mut_ptr().expose_provenance();
        for i in 0..self.used {
            let peer = peers + i * size_of::<UdpPeer>();
            self.iovecs[i] = IoVec { base: buffers + i * (self.size + COLOUR), len: self.size };
            self.headers[i].hdr = MsgHdr {
                name: peer + offset_of!(UdpPeer, name),
                name_len: MAX_SOCKADDR as u32,
                iov: iovecs + i * size_of::<IoVec>(),
                iov_len: 1,
                control: peer + offset_of!(UdpPeer, control),
                control_len: MAX_CONTROL,
                flags: 0,
            };
        }
        self.replies[..self.used].fill(None);
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
            way: &self.peers[i],
            local: self.peers[i].local(),
            truncated: self.truncated[i],
        })
    }

    /// Marks datagram `i` as answered with the first `len` octets of its buffer. Those without a mark get no answer.
    pub fn set_reply(&mut self, i: usize, len: usize) {
        if i < self.received && len <= self.size {
            self.replies[i] = Some(len);
        }
    }

    /// Sends the replies set since [`Self::receive`], without waiting: a reply that the kernel refuses is lost and
    /// counted, the ones behind it are still tried, unless there is no room. One that is too long for its interface
    /// (EMSGSIZE) is given to `shorten`, which gives back its new length, and tried once more.
    pub fn send(&mut self, fd: BorrowedFd<'_>, shorten: Shorten) -> Sent {
        let mut queued = 0;
        for i in 0..self.received {
            let Some(len) = self.replies[i].take() else { continue };
            let start = i * (self.size + COLOUR);
            let reply = &mut self.buffers[start..start + len];
            self.iovecs[queued] = IoVec { base: reply.as_mut_ptr().expose_provenance(), len };
            let iov = (&raw mut self.iovecs[queued]).expose_provenance();
            self.headers[queued].hdr = send_header(&mut self.peers[i], iov);
            self.places[queued] = i;
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
                Err(cause) if is_too_long(&cause) && self.shorten(self.places[next], next, shorten) => {}
                _ => {
                    report.lost += 1;
                    next += 1;
                }
            }
        }
        report
    }

    /// Shortens the reply in buffer `place`, which stands as number `queued` to be sent; false when it stays as it is.
    #[cold]
    fn shorten(&mut self, place: usize, queued: usize, shorten: Shorten) -> bool {
        let (start, len) = (place * (self.size + COLOUR), self.iovecs[queued].len);
        let shorter = shorten(&mut self.buffers[start..start + len]);
        self.iovecs[queued].len = shorter.min(len);
        shorter < len
    }
}

/// Makes a reply that is too long for its interface shorter, in place; gives its new length.
pub type Shorten = fn(&mut [u8]) -> usize;

/// Sends one datagram without waiting, from the address the query was sent to; `shorten` as for [`UdpBatch::send`].
pub fn send_one(fd: BorrowedFd<'_>, peer: &UdpPeer, message: &mut [u8], shorten: Shorten) -> io::Result<()> {
    match send_whole(fd, peer, message) {
        Err(cause) if is_too_long(&cause) => {
            let shorter = shorten(message).min(message.len());
            send_whole(fd, peer, &message[..shorter])
        }
        done => done,
    }
}

fn send_whole(fd: BorrowedFd<'_>, peer: &UdpPeer, message: &[u8]) -> io::Result<()> {
    let mut peer = *peer;
    let mut iovec = IoVec { base: message.as_ptr().expose_provenance(), len: message.len() };
    let hdr = send_header(&mut peer, (&raw mut iovec).expose_provenance());
    match system_call(libc::SYS_sendmmsg, fd, &mut [MMsgHdr { hdr, len: 0 }])? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    }
}

fn is_too_long(cause: &io::Error) -> bool {
    cause.raw_os_error() == Some(libc::EMSGSIZE)
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
    // SAFETY: the callers give headers alone that hold addresses and lengths of buffers which live across the call: name and
    // control of a `UdpPeer` (or a `Control` of the batch for the latter), one `IoVec` of one datagram. A batch's stay where they are as long as it lives, boxed and
    // never resized, so a header that nothing was written to since it was filled is as good as new. recvmmsg's fifth argument is a null time-out;
    // sendmmsg takes four.
    let done = unsafe {
        libc::syscall(number, fd.as_raw_fd(), headers.as_mut_ptr(), headers.len(), libc::MSG_DONTWAIT, 0usize)
    };
    usize::try_from(done).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "mmsg_tests.rs"]
mod tests;
