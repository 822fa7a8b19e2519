//! An AF_XDP queue: where a frame becomes an answer, in place.

use super::Now;
use super::desk::{Desk, Incoming, Outcome};
use super::misses::Route;
use crate::answer::decide::Via;
use crate::answer::keepalive::Keepalive;
use crate::answer::view::Ahead;
use crate::serve::fast_path::QueueShare;
use crate::wire::{
    ReturnPath, UdpFrame, VLAN_TAG_LEN, parse_udp_frame, reply_in_place, set_traffic_class, write_headers,
};
use crate::xdp::{BATCH, Frame, Queue, RxBatch};
use arrayvec::ArrayVec;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Least frames of a batch for which looking ahead pays.
const LOOK_AHEAD: usize = 4;

pub(super) struct XskPort {
    way: Way,
    queue: Queue,
    batch: RxBatch,
    /// A frame has come and the gate was opened; what closes it later is the watchdog.
    proven: bool,
}

/// A queue as late replies find it.
pub(super) struct Way {
    /// Never given again, so that a late reply cannot leave by the wrong interface.
    id: u32,
    share: Arc<QueueShare>,
    /// Traffic class of what leaves here (ip-dscp).
    class: u8,
}

impl Way {
    pub(super) fn new(id: u32, share: Arc<QueueShare>, class: u8) -> Way {
        Way { id, share, class }
    }

    /// Gives a frame that is ready the traffic class of this way.
    #[inline]
    fn mark(&self, frame: &mut [u8], path: &ReturnPath) {
        if self.class != 0 {
            set_traffic_class(frame, path, self.class);
        }
    }

    /// The way back of what came in here.
    fn back(&self, path: ReturnPath) -> Route {
        Route::Xsk { port: self.id, path, link: self.share.link() }
    }

    /// Whether a late reply to what came in by the queue `id` leaves here: it is this one, and what it sends is not lost.
    pub(super) fn takes(&self, id: u32) -> bool {
        self.id == id && !self.share.is_away()
    }
}

/// A query as its frame says it, and what looking ahead found of it.
#[derive(Clone, Copy)]
struct Seen {
    frame: UdpFrame,
    ahead: Option<Ahead>,
}

/// Why a frame is none of our queries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unanswered {
    /// It is no whole UDP datagram.
    Stray,
    /// Its UDP checksum is wrong.
    Corrupt,
}

/// The first frames of a batch, as far as they were looked at before the first is answered.
type Batch = ArrayVec<Result<Seen, Unanswered>, BATCH>;

impl XskPort {
    pub(super) fn new(queue: Queue, share: Arc<QueueShare>, id: u32, class: u8) -> XskPort {
        XskPort { way: Way::new(id, share, class), queue, batch: RxBatch::new(), proven: false }
    }

    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    /// Lets the program redirect here: the worker runs.
    pub(super) fn open(&mut self) -> std::io::Result<()> {
        self.queue.insert_into_map()
    }

    /// Sends new queries to the kernel's sockets from now on, and answers what the ring holds already.
    pub(super) fn finish(&mut self, desk: &mut Desk, now: Now) {
        self.queue.remove_from_map();
        // As often as the ring can have something: if the map could not be emptied, more may be coming.
        let mut left = self.queue.count().total;
        while left > 0 && self.serve(desk, now) {
            left -= 1;
        }
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
    pub(super) fn serve(&mut self, desk: &mut Desk, now: Now) -> bool {
        self.queue.reclaim();
        let received = self.queue.receive(&mut self.batch);
        self.way.share.stats.looks.add(1);
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
        let mut seen = Batch::new();
        if received >= LOOK_AHEAD && desk.answerer.looks_ahead() {
            look_ahead(&mut self.queue, &self.batch, desk, &mut seen);
        }
        let teaches = self.way.share.is_teachable();
        if teaches {
            desk.answerer.note_repeatable(true);
        }
        let (mut sent, mut strays, mut corrupt) = (0, 0, 0);
        for (place, frame) in self.batch.drain(..).enumerate() {
            let seen = seen.get(place).copied().unwrap_or_else(|| view(&mut self.queue, &frame));
            let reply = match seen {
                Ok(seen) => answer_frame(&mut self.queue, &frame, &seen, &self.way, desk, now),
                Err(unanswered) => {
                    strays += u64::from(unanswered == Unanswered::Stray);
                    corrupt += u64::from(unanswered == Unanswered::Corrupt);
                    None
                }
            };
            match reply {
                Some(len) => sent += u64::from(self.queue.transmit(frame, len)),
                None => self.queue.free(frame),
            }
        }
        if teaches {
            desk.answerer.note_repeatable(false);
        }
        self.queue.submit();
        desk.misses.ring();
        self.way.share.stats.rx.add(received as u64);
        self.way.share.stats.tx.add(sent);
        let places = &desk.stats.places;
        places.xdp_queries.add(received as u64 - strays - corrupt);
        places.xdp_replies.add(sent);
        places.xdp_strays.add(strays);
        places.xdp_bad_checksums.add(corrupt);
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
        self.way.mark(data, path);
        let sent = self.queue.transmit(frame, len);
        self.way.share.stats.tx.add(u64::from(sent));
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
        let stats = &self.way.share.stats;
        stats.frames_total.set(u64::from(count.total));
        stats.frames_free.set(u64::from(count.free));
        stats.frames_fill.set(u64::from(count.fill));
        stats.frames_rx.set(u64::from(count.rx + count.held));
        stats.frames_tx.set(u64::from(count.tx));
        stats.frames_completion.set(u64::from(count.completion));
        stats.frames_driver.set(u64::from(count.driver));
        stats.senseless.set(self.queue.senseless());
        if let Ok(kernel) = self.queue.statistics() {
            stats.rx_dropped.set(kernel.rx_dropped);
            stats.rx_ring_full.set(kernel.rx_ring_full);
            stats.fill_ring_empty.set(kernel.rx_fill_ring_empty_descs);
            stats.invalid_descs.set(kernel.rx_invalid_descs + kernel.tx_invalid_descs);
        }
    }
}

/// Looks at every frame of a batch, and has the memory fetched that its queries will need.
fn look_ahead(queue: &mut Queue, batch: &RxBatch, desk: &mut Desk, seen: &mut Batch) {
    for (place, frame) in batch.iter().enumerate() {
        let mut found = view(queue, frame);
        if let Ok(seen) = &mut found {
            let query = queue.data(frame).get(seen.frame.payload());
            seen.ahead = query.and_then(|query| desk.answerer.look_ahead(place, query));
        }
        seen.push(found);
    }
    for ahead in seen.iter().filter_map(|seen| seen.as_ref().ok()?.ahead.as_ref()) {
        desk.answerer.look_closer(ahead);
    }
}

/// Views a frame: the datagram in it, if it is whole.
#[inline]
fn view(queue: &mut Queue, frame: &Frame) -> Result<Seen, Unanswered> {
    let received = queue.data(frame).get(..frame.len()).ok_or(Unanswered::Stray)?;
    let view = parse_udp_frame(received).map_err(|_| Unanswered::Stray)?;
    if view.checksum_holds(received) { Ok(Seen { frame: view, ahead: None }) } else { Err(Unanswered::Corrupt) }
}

/// Longest DNS message in a frame to `path`, `max_frame` being the longest frame with a tag: the MTU holds for what is
/// behind the link's header, so a frame without a tag must be shorter by it.
#[inline]
fn room_in(max_frame: usize, path: &ReturnPath) -> usize {
    let untagged = if path.vlan().is_none() { VLAN_TAG_LEN } else { 0 };
    max_frame.saturating_sub(untagged + path.header_len())
}

/// Admit, decide, reply in place; gives the length of the frame to send. `None`: dropped on purpose, or it waits for
/// upstream.
#[inline]
fn answer_frame(queue: &mut Queue, frame: &Frame, seen: &Seen, way: &Way, desk: &mut Desk, now: Now) -> Option<usize> {
    let max_frame = queue.max_frame_len();
    let data = queue.data(frame);
    let (path, payload) = (seen.frame.return_path(), seen.frame.payload());
    let limit = room_in(max_frame, path).min(data.len().saturating_sub(payload.start));
    let incoming = Incoming {
        len: payload.len(),
        message: data.get_mut(payload.start..)?,
        client: seen.frame.client(),
        via: Via::Datagram(limit),
        local: desk.answerer.logs_destinations().then(|| seen.frame.local()),
        keepalive: Keepalive::Silent,
        ahead: seen.ahead.as_ref(),
    };
    match desk.serve(incoming, now, || way.back(*path)) {
        Outcome::Reply(len) => {
            if let Some(reply) = data.get(payload.start..payload.start + len) {
                desk.teach(reply, now);
            }
            let len = reply_in_place(data, &seen.frame, len);
            way.mark(data, path);
            Some(len)
        }
        Outcome::Drop | Outcome::Waits => None,
    }
}
