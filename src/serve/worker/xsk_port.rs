//! An AF_XDP queue: where a frame becomes an answer, in place.

use super::Now;
use super::misses::{Misses, Route};
use crate::answer::ahead::Ahead;
use crate::answer::decide::{Answerer, Decision, Via};
use crate::stats::{QueueStats, WorkerStats};
use crate::wire::{ReturnPath, VLAN_TAG_LEN, parse_udp_frame, reply_in_place, write_headers};
use crate::xdp::{BATCH, Frame, Queue, RxBatch};
use arrayvec::ArrayVec;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Least frames of a batch for which looking ahead pays.
const LOOK_AHEAD: usize = 4;

pub(super) struct XskPort {
    /// Never given again, so that a late reply cannot leave by the wrong interface.
    pub(super) id: u32,
    queue: Queue,
    batch: RxBatch,
    stats: Arc<QueueStats>,
    /// A frame has come and the gate was opened; what closes it later is the watchdog.
    proven: bool,
}

/// What became of a received frame.
enum Outcome {
    /// Send this many octets of it.
    Send(usize),
    /// A query that gets no answer now: dropped on purpose, or waiting for upstream.
    Free,
    /// Not a query of ours.
    Stray,
    /// Its UDP checksum is wrong; the kernel's stack would have dropped it.
    Corrupt,
}

impl XskPort {
    pub(super) fn new(queue: Queue, stats: Arc<QueueStats>, id: u32) -> XskPort {
        XskPort { id, queue, batch: RxBatch::new(), stats, proven: false }
    }

    /// Lets the program redirect here: the worker runs.
    pub(super) fn open(&mut self) -> std::io::Result<()> {
        self.queue.insert_into_map()
    }

    /// Sends new queries to the kernel's sockets from now on.
    pub(super) fn close(&mut self) {
        self.queue.remove_from_map();
    }

    pub(super) fn into_queue(self) -> Queue {
        self.queue
    }

    pub(super) fn name(&self) -> (&str, u32) {
        (self.queue.interface(), self.queue.queue())
    }

    pub(super) fn interface_index(&self) -> u32 {
        self.queue.interface_index()
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.queue.fd()
    }

    pub(super) fn has_work(&mut self) -> bool {
        self.queue.has_work()
    }

    pub(super) fn has_unsent(&mut self) -> bool {
        self.queue.has_unsent()
    }

    /// Reclaims, receives a batch, answers it, submits; true when there was a batch.
    #[inline]
    pub(super) fn serve(
        &mut self,
        answerer: &mut Answerer,
        misses: &mut Misses,
        stats: &WorkerStats,
        now: Now,
    ) -> bool {
        self.queue.reclaim();
        let received = self.queue.receive(&mut self.batch);
        if received == 0 {
            self.queue.kick_if_outstanding();
            self.queue.wake_rx();
            return false;
        }
        if !self.proven {
            self.proven = true;
            if let Err(cause) = self.queue.open_gate() {
                let (interface, number) = (self.queue.interface(), self.queue.queue());
                log::warn!("{interface}: queue {number}: the program's gate: {cause}; kernel sockets serve");
            }
        }
        if received >= LOOK_AHEAD && answerer.looks_ahead() {
            look_ahead(&mut self.queue, &self.batch, answerer);
        }
        let (mut sent, mut strays, mut corrupt) = (0, 0, 0);
        for frame in self.batch.drain(..) {
            match answer_frame(&mut self.queue, &frame, self.id, answerer, misses, now) {
                Outcome::Send(len) => sent += u64::from(self.queue.transmit(frame, len)),
                Outcome::Free => self.queue.free(frame),
                Outcome::Stray => {
                    strays += 1;
                    self.queue.free(frame);
                }
                Outcome::Corrupt => {
                    corrupt += 1;
                    self.queue.free(frame);
                }
            }
        }
        self.queue.submit();
        misses.ring();
        self.stats.rx.add(received as u64);
        self.stats.tx.add(sent);
        stats.places.xdp_queries.add(received as u64 - strays - corrupt);
        stats.places.xdp_replies.add(sent);
        stats.places.xdp_strays.add(strays);
        stats.places.xdp_bad_checksums.add(corrupt);
        true
    }

    /// Sends a late reply in a frame of its own; false when there is no frame. Call [`Self::submit`] after the last.
    pub(super) fn send_late(&mut self, path: &ReturnPath, reply: &[u8]) -> bool {
        let Some(frame) = self.frame() else { return false };
        let header_len = path.header_len();
        let data = self.queue.data(&frame);
        let Some(place) = data.get_mut(header_len..header_len + reply.len()) else {
            self.queue.free(frame);
            return false;
        };
        place.copy_from_slice(reply);
        let len = write_headers(data, path, reply.len());
        let sent = self.queue.transmit(frame, len);
        self.stats.tx.add(u64::from(sent));
        sent
    }

    /// A frame with its place on the TX ring. A burst of late replies may have used up both: then the kernel is made to
    /// send first.
    fn frame(&mut self) -> Option<Frame> {
        if let Some(frame) = self.queue.alloc() {
            return Some(frame);
        }
        self.queue.submit();
        self.queue.reclaim();
        self.queue.alloc()
    }

    pub(super) fn submit(&mut self) {
        self.queue.submit();
    }

    /// Longest DNS message that one frame to `path` carries.
    pub(super) fn room(&self, path: &ReturnPath) -> usize {
        room_in(self.queue.max_frame_len(), path)
    }

    /// Refreshes the gauges: where the frames are, and what the kernel counts.
    pub(super) fn publish(&mut self) {
        let count = self.queue.count();
        let stats = &self.stats;
        stats.frames_total.set(u64::from(count.total));
        stats.frames_free.set(u64::from(count.free));
        stats.frames_fill.set(u64::from(count.fill));
        stats.frames_rx.set(u64::from(count.rx + count.held));
        stats.frames_tx.set(u64::from(count.tx));
        stats.frames_completion.set(u64::from(count.completion));
        stats.senseless.set(self.queue.senseless());
        if let Ok(kernel) = self.queue.statistics() {
            stats.rx_dropped.set(kernel.rx_dropped);
            stats.rx_ring_full.set(kernel.rx_ring_full);
            stats.fill_ring_empty.set(kernel.rx_fill_ring_empty_descs);
            stats.invalid_descs.set(kernel.rx_invalid_descs + kernel.tx_invalid_descs);
        }
    }
}

/// Has the memory fetched that the batch's queries will need.
fn look_ahead(queue: &mut Queue, batch: &RxBatch, answerer: &mut Answerer) {
    let mut found = ArrayVec::<Ahead, BATCH>::new();
    for frame in batch {
        let data = queue.data(frame);
        let view =
            data.get(..frame.len()).and_then(|received| Some((parse_udp_frame(received).ok()?.payload(), received)));
        if let Some(ahead) = view.and_then(|(payload, received)| answerer.look_ahead(received.get(payload)?)) {
            found.push(ahead);
        }
    }
    found.iter().for_each(|&ahead| answerer.look_closer(ahead));
}

/// Longest DNS message in a frame to `path`, `max_frame` being the longest frame with a tag: the MTU holds for what is
/// behind the link's header, so a frame without a tag must be shorter by it.
#[inline]
fn room_in(max_frame: usize, path: &ReturnPath) -> usize {
    let untagged = if path.vlan().is_none() { VLAN_TAG_LEN } else { 0 };
    max_frame.saturating_sub(untagged + path.header_len())
}

/// View, admit, decide, reply in place.
#[inline]
fn answer_frame(
    queue: &mut Queue,
    frame: &Frame,
    port: u32,
    answerer: &mut Answerer,
    misses: &mut Misses,
    now: Now,
) -> Outcome {
    let max_frame = queue.max_frame_len();
    let data = queue.data(frame);
    let Some(received) = data.get(..frame.len()) else { return Outcome::Stray };
    let Ok(view) = parse_udp_frame(received) else { return Outcome::Stray };
    if !view.checksum_holds(received) {
        return Outcome::Corrupt;
    }
    let client = view.client();
    let payload = view.payload();
    let limit = room_in(max_frame, view.return_path()).min(data.len().saturating_sub(payload.start));
    let message = &mut data[payload.start..];
    let (len, arrival) = (payload.len(), now.arrival(client, Via::Datagram(limit)));
    let decision = match answerer.decide(message, len, arrival, None) {
        Decision::Miss => {
            let route = Route::Xsk { port, path: *view.return_path() };
            misses.hand_off(answerer, message, len, arrival, route, now)
        }
        decided => decided,
    };
    match decision {
        Decision::Reply(len) => Outcome::Send(reply_in_place(data, &view, len)),
        Decision::Drop | Decision::Miss => Outcome::Free,
    }
}
