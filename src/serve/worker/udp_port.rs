//! A kernel UDP socket: the same answers as the fast path for what does not come over it.

use super::Now;
use super::desk::{Desk, Incoming, Outcome};
use super::misses::Route;
use crate::answer::decide::Via;
use crate::answer::keepalive::Keepalive;
use crate::answer::shorten;
use crate::serve::scope::at_interface;
use crate::sys::mmsg::{self, UdpBatch, UdpPeer};
use crate::wire::ReturnPath;
use std::io;
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

    /// How to answer from here what came in by `path`, a link-local client being at the interface of the index `link` (0: not
    /// known). `None`: what is sent from here does not come from the address that was asked.
    pub(super) fn peer(&self, path: &ReturnPath, link: u32) -> Option<UdpPeer> {
        let (server, client, bound) = (path.source(), path.destination(), self.bound?);
        let is_any = bound.ip().is_unspecified() && bound.is_ipv4() == server.is_ipv4();
        let zone = if let SocketAddr::V6(v6) = bound { v6.scope_id() } else { 0 };
        let is_there = (is_any || bound.ip() == server.ip()) && (zone == 0 || link == 0 || zone == link);
        let link = if zone == 0 { link } else { zone };
        (is_there && bound.port() == server.port())
            .then(|| UdpPeer::new(at_interface(client.ip(), client.port(), link), server.ip()))
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Receives a batch and answers it; true when there was one. `number` is this port's among the worker's.
    pub(super) fn serve(&mut self, number: u16, batch: &mut UdpBatch, desk: &mut Desk, now: Now) -> bool {
        // An error here is a pending ICMP error of an earlier reply; the next call finds the queries.
        let fd = self.fd.as_fd();
        let received = match desk.queue_limit {
            0 => batch.receive(fd).unwrap_or(1),
            _ => receive_aged(batch, fd, desk).unwrap_or(1),
        };
        self.ready = received > 0;
        if received == 0 {
            return false;
        }
        let (mut queries, mut promised) = (0, 0);
        for place in 0..received {
            let Some(datagram) = batch.datagram(place) else { break };
            queries += 1;
            let (message, len, way) = (datagram.buffer, datagram.len, datagram.way);
            let (client, via) = (client_or_nobody(datagram.peer), Via::Datagram(message.len()));
            // The kernel tells the address only to a socket of many.
            let asked = self.bound.map(|bound| SocketAddr::new(datagram.local.unwrap_or(bound.ip()), bound.port()));
            promised +=
                u64::from(asked.is_some_and(|asked| desk.is_promised(asked) && !is_hosts_own(client.ip(), asked.ip())));
            let local = asked.filter(|_| desk.answerer.logs_destinations());
            let incoming = Incoming { message, len, client, via, local, keepalive: Keepalive::Silent, ahead: None };
            if let Outcome::Reply(len) = desk.serve(incoming, now, || Route::Udp { port: number, peer: *way }) {
                batch.set_reply(place, len);
            }
        }
        let sent = batch.send(self.fd.as_fd(), shorten);
        desk.stats.places.udp_queries.add(queries);
        desk.stats.places.udp_promised.add(promised);
        desk.stats.places.udp_replies.add(sent.sent as u64);
        desk.stats.places.reply_no_room.add(sent.lost as u64);
        desk.misses.ring();
        true
    }

    /// Sends a late reply.
    pub(super) fn send_one(&self, peer: &UdpPeer, reply: &mut [u8]) -> bool {
        mmsg::send_one(self.fd.as_fd(), peer, reply, shorten).is_ok()
    }
}

/// Receives a batch, and leaves nothing of the datagrams in it that were in the queue for too long: they are dropped as all
/// that is too short for a query.
#[cold]
fn receive_aged(batch: &mut UdpBatch, fd: BorrowedFd<'_>, desk: &Desk) -> io::Result<usize> {
    let received = batch.receive_aged(fd)?;
    for place in 0..received {
        if batch.age(place).is_some_and(|age| desk.is_stale(age)) {
            batch.forget(place);
        }
    }
    Ok(received)
}

/// Whether a query, to what a socket of one address or of many was asked at, is none that came in from outside: a host asks an
/// address of its own from that address unless a program binds to another (ip_route_output_key_hash_rcu in net/ipv4/route.c).
fn is_hosts_own(client: IpAddr, asked: IpAddr) -> bool {
    client.is_loopback() || asked == client
}

/// A client's address; the unspecified one when the kernel gave none.
fn client_or_nobody(peer: Option<SocketAddr>) -> SocketAddr {
    peer.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::wire::parse_udp_frame;
    use std::net::{Ipv6Addr, UdpSocket};

    fn path(client: &str, server: &str) -> ReturnPath {
        let mut frame = vec![0; 14 + 40 + 8];
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        frame[14..22].copy_from_slice(&[0x60, 0, 0, 0, 0, 8, 17, 64]);
        for (at, address) in [(22, client), (38, server)] {
            frame[at..at + 16].copy_from_slice(&address.parse::<Ipv6Addr>().unwrap().octets());
        }
        frame[54..60].copy_from_slice(&[4, 210, 0, 53, 0, 8]);
        *parse_udp_frame(&frame).unwrap().return_path()
    }

    #[test]
    fn a_link_local_client_is_answered_at_its_interface() {
        let port = |bound: &str| {
            let fd = UdpSocket::bind("127.0.0.1:0").unwrap().into();
            UdpPort { fd, bound: Some(bound.parse().unwrap()), ready: false }
        };
        let client = |bound: &str, server: &str, link| {
            port(bound).peer(&path("fe80::9", server), link).map(|peer| peer.address().unwrap().to_string())
        };
        let (global, zoned) = ("2001:db8::53", "fe80::53");
        let at = |link: u32| Some(format!("[fe80::9%{link}]:1234"));
        assert_eq!(client("[2001:db8::53]:53", global, 7), at(7));
        assert_eq!(client("[::]:53", global, 7), at(7));
        assert_eq!(client("[fe80::53%7]:53", zoned, 0), at(7), "that of its own address");
        assert_eq!(client("[fe80::53%7]:53", zoned, 7), at(7));
        assert_eq!(client("[fe80::53%8]:53", zoned, 7), None, "the same address at another interface");
        for other in ["[2001:db8::54]:53", "[2001:db8::53]:54", "0.0.0.0:53"] {
            assert_eq!(client(other, global, 7), None, "{other}");
        }
        let far = port("[::]:53").peer(&path("2001:db8::9", global), 7).unwrap();
        assert_eq!(far.address(), Some("[2001:db8::9]:1234".parse().unwrap()));
    }

    #[test]
    fn what_this_host_asks_itself_is_none_that_xdp_was_to_have() {
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        let own = of("192.0.2.1");
        assert!(is_hosts_own(own, own) && is_hosts_own(of("127.0.0.1"), own) && !is_hosts_own(of("192.0.2.9"), own));
    }
}
