//! The way of a late reply to what came in over AF_XDP.

use super::*;
use crate::answer::keepalive::Keepalive;
use crate::serve::fast_path::QueueShare;
use crate::serve::worker::desk::{Incoming, Outcome};
use crate::serve::worker::xsk_port::Way;
use crate::sys::socket::{UdpOptions, udp_listener};
use crate::wire::parse_udp_frame;
use std::net::{SocketAddrV4, UdpSocket};
use std::time::Duration;

/// The way back of a query in a frame from `client` to `server`.
fn path(client: SocketAddrV4, server: SocketAddrV4) -> crate::wire::ReturnPath {
    let mut frame = vec![0; 14 + 20 + 8];
    frame[12..14].copy_from_slice(&[8, 0]);
    let ip = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
    frame[14..26].copy_from_slice(&ip);
    for (at, address) in [(26, client), (30, server)] {
        frame[at..at + 4].copy_from_slice(&address.ip().octets());
    }
    for (at, number) in [(34, client.port()), (36, server.port()), (38, 8)] {
        frame[at..at + 2].copy_from_slice(&number.to_be_bytes());
    }
    *parse_udp_frame(&frame).unwrap().return_path()
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => panic!("an address of IPv4"),
    }
}

#[test]
fn what_no_queue_takes_leaves_by_the_kernel() {
    let socket = udp_listener("127.0.0.1:0".parse().unwrap(), &UdpOptions::default()).unwrap();
    let server: SocketAddr = rustix::net::getsockname(&socket).unwrap().try_into().unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let mut rig = Rig::with(16, vec![socket]);
    let (route, now) = (path(v4(client.local_addr().unwrap()), v4(server)), rig.now());
    let mut message = query("www.example.");
    let len = message.len();
    message.resize(512, 0);
    let via = Via::Datagram(512);
    let incoming = Incoming {
        message: &mut message,
        len,
        client: route.destination(),
        via,
        local: None,
        keepalive: Keepalive::Silent,
        ahead: None,
    };
    let outcome = rig.worker.desk.serve(incoming, now, || Route::Xsk { port: 7, path: route, link: 0 });
    assert_eq!(outcome, Outcome::Waits);
    let asked = rig.request().unwrap();
    rig.respond(asked, 3, 60);
    rig.turn();
    let mut reply = [0; 512];
    let (len, from) = client.recv_from(&mut reply).unwrap();
    assert_eq!((from, reply[len - 1]), (server, 3));
    let places = &rig.worker.desk.stats.places;
    assert_eq!((places.udp_replies.get(), places.xdp_replies.get(), places.reply_no_room.get()), (1, 0, 0));
}

#[test]
fn a_queue_that_sends_nowhere_takes_no_late_reply() {
    let share: Arc<QueueShare> = Arc::default();
    let way = Way::new(7, Arc::clone(&share), 0);
    assert!(way.takes(7) && !way.takes(8));
    share.set_away(true);
    assert!(!way.takes(7), "its bond has failed over");
    share.set_away(false);
    assert!(way.takes(7));
}
