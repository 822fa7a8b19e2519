//! A kernel UDP socket: the same answers as the fast path for what does not come over it.

use super::misses::{Misses, Route};
use super::{Now, client_or_nobody};
use crate::answer::decide::{Answerer, Decision, Via};
use crate::answer::shorten;
use crate::stats::WorkerStats;
use crate::sys::mmsg::{self, UdpBatch, UdpPeer};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub(super) struct UdpPort {
    fd: OwnedFd,
    /// The last poll or batch says that more is waiting.
    pub(super) ready: bool,
}

impl UdpPort {
    pub(super) fn new(fd: OwnedFd) -> UdpPort {
        UdpPort { fd, ready: true }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Receives a batch and answers it; true when there was one.
    pub(super) fn serve(
        &mut self,
        number: u16,
        batch: &mut UdpBatch,
        answerer: &mut Answerer,
        misses: &mut Misses,
        stats: &WorkerStats,
        now: Now,
    ) -> bool {
        // An error here is a pending ICMP error of an earlier reply; the next call finds the queries.
        let received = batch.receive(self.fd.as_fd()).unwrap_or(1);
        self.ready = received > 0;
        let mut queries = 0;
        for place in 0..received {
            let Some(peer) = batch.peer(place) else { break };
            let Some(datagram) = batch.datagram(place) else { break };
            queries += 1;
            let (buffer, len) = (datagram.buffer, datagram.len);
            let arrival = now.arrival(client_or_nobody(datagram.peer), Via::Datagram(buffer.len()));
            let decision = match answerer.decide(buffer, len, arrival, None) {
                Decision::Miss => {
                    let route = Route::Udp { port: number, peer };
                    misses.hand_off(answerer, buffer, len, arrival, route, now)
                }
                decided => decided,
            };
            if let Decision::Reply(len) = decision {
                batch.set_reply(place, len);
            }
        }
        let sent = batch.send(self.fd.as_fd(), shorten);
        stats.places.udp_queries.add(queries);
        stats.places.udp_replies.add(sent.sent as u64);
        stats.places.reply_no_room.add(sent.lost as u64);
        misses.ring();
        received > 0
    }

    /// Sends a late reply.
    pub(super) fn send_one(&self, peer: &UdpPeer, reply: &mut [u8]) -> bool {
        mmsg::send_one(self.fd.as_fd(), peer, reply, shorten).is_ok()
    }
}
