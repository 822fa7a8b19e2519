//! A kernel UDP socket: the same answers as the fast path for what does not come over it.

use super::Now;
use super::desk::{Desk, Incoming, Outcome};
use super::misses::Route;
use crate::answer::decide::Via;
use crate::answer::shorten;
use crate::sys::mmsg::{self, UdpBatch, UdpPeer};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub(super) struct UdpPort {
    fd: OwnedFd,
    /// What it is bound to; the unspecified address stands for all of its family.
    bound: Option<SocketAddr>,
    /// The last poll or batch says that more is waiting.
    pub(super) ready: bool,
}

impl UdpPort {
    pub(super) fn new(fd: OwnedFd) -> UdpPort {
        // A socket that the kernel does not know of never has a question either.
        let bound = rustix::net::getsockname(&fd).ok().and_then(|address| address.try_into().ok());
        UdpPort { fd, bound, ready: true }
    }

    /// Whether what is sent from here may come from `address`.
    pub(super) fn is_at(&self, address: SocketAddr) -> bool {
        self.bound.is_some_and(|bound| {
            let any = bound.ip().is_unspecified() && bound.is_ipv4() == address.is_ipv4();
            bound.port() == address.port() && (any || bound.ip() == address.ip())
        })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Receives a batch and answers it; true when there was one. `number` is this port's among the worker's.
    pub(super) fn serve(&mut self, number: u16, batch: &mut UdpBatch, desk: &mut Desk, now: Now) -> bool {
        // An error here is a pending ICMP error of an earlier reply; the next call finds the queries.
        let received = batch.receive(self.fd.as_fd()).unwrap_or(1);
        self.ready = received > 0;
        let (mut queries, mut link_local) = (0, 0);
        for place in 0..received {
            let Some(peer) = batch.peer(place) else { break };
            let Some(datagram) = batch.datagram(place) else { break };
            queries += 1;
            link_local += u64::from(datagram.local.is_some_and(is_link_local));
            let (message, len) = (datagram.buffer, datagram.len);
            let (client, via) = (client_or_nobody(datagram.peer), Via::Datagram(message.len()));
            let port = self.bound.map_or(0, |bound| bound.port());
            let local = datagram.local.filter(|_| desk.answerer.logs_destinations());
            let local = local.map(|address| SocketAddr::new(address, port));
            let incoming = Incoming { message, len, client, via, local, ahead: None };
            if let Outcome::Reply(len) = desk.serve(incoming, now, || Route::Udp { port: number, peer }) {
                batch.set_reply(place, len);
            }
        }
        let sent = batch.send(self.fd.as_fd(), shorten);
        desk.stats.places.udp_queries.add(queries);
        desk.stats.places.udp_link_local.add(link_local);
        desk.stats.places.udp_replies.add(sent.sent as u64);
        desk.stats.places.reply_no_room.add(sent.lost as u64);
        desk.misses.ring();
        received > 0
    }

    /// Sends a late reply.
    pub(super) fn send_one(&self, peer: &UdpPeer, reply: &mut [u8]) -> bool {
        mmsg::send_one(self.fd.as_fd(), peer, reply, shorten).is_ok()
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// A client's address; the unspecified one when the kernel gave none.
fn client_or_nobody(peer: Option<SocketAddr>) -> SocketAddr {
    peer.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
}
