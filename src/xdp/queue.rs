//! One receive queue as the worker uses it: reclaim, receive, answer in place, submit.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use arrayvec::ArrayVec;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::error::XdpError;
use super::frame_count::{FrameCount, on_the_way};
use super::maps::Object;
use super::socket::{Cursors, Socket};
use super::umem::Frame;
use super::{Options, ZeroCopy};
use crate::ring::xsk::{Consumer, Descriptor, Producer};

/// Most frames that [`Queue::receive`] hands out at once.
pub const BATCH: usize = 64;

/// The frames of one [`Queue::receive`].
pub type RxBatch = ArrayVec<Frame, BATCH>;

/// Where the packet starts in a chunk, received (`XDP_PACKET_HEADROOM`) or from [`Queue::alloc`].
const HEADROOM: u32 = 256;

/// Ethernet header and one 802.1Q tag, which the MTU does not count.
const LINK_HEADER: u32 = 18;

/// Least number of frames that one system call sends in copy mode: `TX_BATCH_SIZE` of net/xdp/xsk.c.
const KERNEL_TX_BATCH: u32 = 32;

/// One AF_XDP socket with its UMEM. Dropping it takes it out of the socket map first.
///
/// The order of a round: [`reclaim`](Self::reclaim), [`receive`](Self::receive), for each frame
/// [`data`](Self::data) and then [`transmit`](Self::transmit) or [`free`](Self::free), [`submit`](Self::submit). A
/// round without work calls [`kick_if_outstanding`](Self::kick_if_outstanding) and [`wake_rx`](Self::wake_rx).
pub struct Queue {
    interface: String,
    index: u32,
    queue: u32,
    in_map: bool,
    map: Arc<Object>,
    fill: Producer<u64>,
    completion: Consumer<u64>,
    rx: Consumer<Descriptor>,
    tx: Producer<Descriptor>,
    /// First bytes of the chunks that nobody uses; room for all of them from the start.
    free: Vec<u32>,
    /// Frames that a caller has.
    held: u32,
    /// Free frames that are not put on the fill ring, so that late answers find one under flood.
    spare: u32,
    max_frame: u32,
    senseless: u64,
    // Last: the cursors above point into its mappings.
    socket: Socket,
}

/// What the kernel counts for one socket: `struct xdp_statistics` of include/uapi/linux/if_xdp.h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketStatistics {
    /// Dropped for other reasons than the next two.
    pub rx_dropped: u64,
    /// Fill-ring addresses that the kernel refused.
    pub rx_invalid_descs: u64,
    /// TX descriptors that the kernel refused.
    pub tx_invalid_descs: u64,
    /// Dropped because the RX ring was full.
    pub rx_ring_full: u64,
    /// Times the fill ring was empty when a frame came.
    pub rx_fill_ring_empty_descs: u64,
    /// Times the TX ring was empty when the kernel looked.
    pub tx_ring_empty_descs: u64,
}

impl Queue {
    pub(super) fn new(options: &Options, queue: u32, map: Arc<Object>) -> Result<Self, XdpError> {
        let (socket, Cursors { fill, completion, rx, tx }) = Socket::new(options, queue)?;
        let (frames, chunk) = (socket.area.frames(), socket.area.chunk());
        let mut queue = Self {
            interface: options.interface.clone(),
            index: options.index,
            queue,
            in_map: false,
            map,
            fill,
            completion,
            rx,
            tx,
            free: (0..frames).rev().map(|frame| frame * chunk).collect(),
            held: 0,
            spare: frames / 32,
            max_frame: (options.mtu.min(options.reply_mtu) + LINK_HEADER).min(chunk - HEADROOM),
            senseless: 0,
            socket,
        };
        queue.reclaim();
        Ok(queue)
    }

    /// Whether its UMEM lies in huge pages.
    pub const fn has_huge_pages(&self) -> bool {
        self.socket.has_huge_pages()
    }

    /// Interface name.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Interface index at the time of the attach.
    pub const fn interface_index(&self) -> u32 {
        self.index
    }

    /// Number of the receive queue.
    pub const fn queue(&self) -> u32 {
        self.queue
    }

    /// Whether the driver reads and writes UMEM itself.
    pub const fn zero_copy(&self) -> ZeroCopy {
        if self.socket.is_zero_copy() { ZeroCopy::Yes } else { ZeroCopy::No }
    }

    /// To be polled for reading when there is nothing to do.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.fd()
    }

    /// Longest frame to send, from the Ethernet header on, in bytes (an 802.1Q tag included).
    pub const fn max_frame_len(&self) -> usize {
        self.max_frame as usize
    }

    /// Lets the program redirect one frame to this socket; when it has come, [`open_gate`](Self::open_gate) lets it
    /// redirect all. To be called when the worker runs; the fill ring is topped up first, since a bound socket without it
    /// would swallow what the kernel could have answered.
    ///
    /// # Errors
    /// `bpf(2)`'s: EOPNOTSUPP or EINVAL when the socket is no longer bound.
    pub fn insert_into_map(&mut self) -> io::Result<()> {
        self.reclaim();
        self.map.insert(self.queue, self.socket.fd())?;
        self.in_map = true;
        Ok(())
    }

    /// Lets the program redirect all that is ours: frames do arrive here. One system call.
    ///
    /// # Errors
    /// `bpf(2)`'s.
    pub fn open_gate(&self) -> io::Result<()> {
        // Main may have taken it out of the map just now.
        if self.in_map { self.map.open(self.queue) } else { Ok(()) }
    }

    /// Sends what arrives from now on up the kernel's stack. What the socket has already is still to be answered.
    pub fn remove_from_map(&mut self) {
        self.in_map = false;
        self.map.remove(self.queue);
    }

    /// Whether the program redirects to this socket.
    pub const fn is_in_map(&self) -> bool {
        self.in_map
    }

    /// Takes back the frames that were sent and tops up the fill ring, from which the kernel takes frames to receive
    /// into: empty, it drops.
    #[inline]
    pub fn reclaim(&mut self) {
        let frames = self.socket.area.frames() as usize;
        if self.completion.peek(self.completion.size()) > 0 {
            while let Some(addr) = self.completion.read() {
                match u32::try_from(addr) {
                    Ok(addr) if (addr as usize) < self.socket.area.size() && self.free.len() < frames => {
                        self.free.push(self.socket.area.chunk_base(addr));
                    }
                    _ => self.senseless += 1,
                }
            }
            self.completion.release();
        }
        let available = (self.free.len() as u32).saturating_sub(self.spare);
        let room = self.fill.reserve(available);
        if room > 0 {
            let keep = self.free.len() - room as usize;
            for &base in &self.free[keep..] {
                // Room was reserved for all of them.
                let _ = self.fill.write(u64::from(base));
            }
            self.free.truncate(keep);
            self.fill.submit();
        }
    }

    /// Appends what arrived to `out`, as much as both `out` and the TX ring can hold: every frame can be answered.
    /// Returns how many were appended.
    #[inline]
    pub fn receive(&mut self, out: &mut RxBatch) -> usize {
        let wanted = self.rx.peek(out.remaining_capacity() as u32);
        if wanted == 0 {
            return 0;
        }
        let wanted = self.tx.reserve(wanted + self.held).saturating_sub(self.held);
        let mut received = 0;
        for _ in 0..wanted {
            let Some(descriptor) = self.rx.read() else { break };
            let Some(frame) = self.frame(descriptor) else {
                self.senseless += 1;
                continue;
            };
            self.socket.area.prefetch(frame.addr);
            if out.try_push(frame).is_err() {
                break;
            }
            received += 1;
        }
        self.held += received as u32;
        self.rx.release();
        received
    }

    /// The packet in `frame`, from its first byte to the end of its chunk: room for an answer longer than the question.
    /// [`Frame::len`] says how much of it was received. Empty when the frame belongs to another queue.
    #[inline(always)]
    pub fn data(&mut self, frame: &Frame) -> &mut [u8] {
        if u32::from(frame.queue) != self.queue { &mut [] } else { self.socket.area.data(frame) }
    }

    /// Queues the first `len` bytes of `frame` for sending, with the next [`submit`](Self::submit). `false`: not sent,
    /// because it is longer than the interface sends, empty, or of another queue; the frame is free again.
    #[inline]
    pub fn transmit(&mut self, frame: Frame, len: usize) -> bool {
        if len == 0 || len > self.max_frame as usize || u32::from(frame.queue) != self.queue {
            self.free(frame);
            return false;
        }
        if !self.tx.write(Descriptor { addr: u64::from(frame.addr), len: len as u32, options: 0 }) {
            self.free(frame);
            return false;
        }
        self.held -= 1;
        true
    }

    /// Gives `frame` back unsent.
    #[inline]
    pub fn free(&mut self, frame: Frame) {
        if u32::from(frame.queue) != self.queue {
            // Another queue's: it stays `held` there, and its count shows the mistake.
            self.senseless += 1;
            return;
        }
        self.held -= 1;
        self.free.push(self.socket.area.chunk_base(frame.addr));
    }

    /// A frame to build a packet in, with its place on the TX ring; `None` when there is none now.
    pub fn alloc(&mut self) -> Option<Frame> {
        if self.tx.reserve(self.held + 1) <= self.held {
            return None;
        }
        let base = self.free.pop()?;
        self.held += 1;
        Some(Frame { addr: base + HEADROOM, len: 0, queue: self.queue as u16 })
    }

    /// Hands all queued frames to the kernel, with one store, and makes it send them.
    #[inline]
    pub fn submit(&mut self) {
        self.tx.submit();
        self.kick_if_outstanding();
    }

    /// Makes the kernel send what is still on the TX ring, if it waits to be told. Cheap when there is nothing.
    ///
    /// In copy mode one call sends a bounded number of frames and then says EAGAIN, so it is repeated while that gets
    /// on. What the interface cannot take now (EAGAIN, EBUSY, ENOBUFS, ENETDOWN) is left for a later round.
    #[inline]
    pub fn kick_if_outstanding(&mut self) {
        let mut outstanding = self.tx.outstanding();
        if outstanding == 0 || !self.tx.needs_wakeup() {
            return;
        }
        for _ in 0..outstanding / KERNEL_TX_BATCH + 2 {
            // Whatever it says: only what left the ring counts.
            let _ = send(self.socket.fd(), &[], SendFlags::DONTWAIT);
            let left = self.tx.outstanding();
            if left == 0 || left == outstanding {
                return;
            }
            outstanding = left;
        }
    }

    /// Makes the driver look at the fill ring, if it waits to be told (zero-copy drivers do when they ran dry).
    #[inline]
    pub fn wake_rx(&mut self) {
        if self.fill.needs_wakeup() {
            // It has no data to give; the call is the message.
            let _ = recv(self.socket.fd(), &mut [0u8; 0], RecvFlags::DONTWAIT);
        }
    }

    /// Whether anything waits to be received.
    #[inline]
    pub fn has_work(&mut self) -> bool {
        !self.rx.is_empty()
    }

    /// Whether the kernel left frames on the TX ring that it must be told of once more.
    #[inline]
    pub fn has_unsent(&mut self) -> bool {
        self.tx.outstanding() > 0 && self.tx.needs_wakeup()
    }

    /// Where the frames are now.
    pub fn count(&mut self) -> FrameCount {
        // In the order in which a frame moves: one that does so meanwhile is counted twice rather than missed.
        let (fill, rx) = (self.fill.outstanding(), self.rx.len());
        let (tx, completion) = (self.tx.outstanding(), self.completion.len());
        let driver =
            || on_the_way(self.fill.taken(), self.rx.given()) + on_the_way(self.tx.taken(), self.completion.given());
        FrameCount {
            total: self.socket.area.frames(),
            free: self.free.len() as u32,
            fill,
            rx,
            held: self.held,
            tx,
            completion,
            driver: if self.socket.is_zero_copy() { driver() } else { 0 },
        }
    }

    /// Descriptors from the kernel, or frames from a caller, that made no sense: zero, or there is a bug.
    pub const fn senseless(&self) -> u64 {
        self.senseless
    }

    /// What the kernel counts for this socket.
    ///
    /// # Errors
    /// `getsockopt(2)`'s.
    pub fn statistics(&self) -> io::Result<SocketStatistics> {
        self.socket.statistics().map(|counted| SocketStatistics {
            rx_dropped: counted.rx_dropped,
            rx_invalid_descs: counted.rx_invalid_descs,
            tx_invalid_descs: counted.tx_invalid_descs,
            rx_ring_full: counted.rx_ring_full,
            rx_fill_ring_empty_descs: counted.rx_fill_ring_empty_descs,
            tx_ring_empty_descs: counted.tx_ring_empty_descs,
        })
    }

    #[inline(always)]
    fn frame(&self, descriptor: Descriptor) -> Option<Frame> {
        let addr = u32::try_from(descriptor.addr).ok().filter(|&addr| (addr as usize) < self.socket.area.size())?;
        let len = descriptor.len.min(self.socket.area.room(addr)) as u16;
        Some(Frame { addr, len, queue: self.queue as u16 })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.remove_from_map();
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("interface", &self.interface).field("queue", &self.queue).finish_non_exhaustive()
    }
}
