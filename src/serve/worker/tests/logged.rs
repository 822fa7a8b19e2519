//! What the worker tells of replies.

use super::*;
use crate::sys::socket::{UdpOptions, udp_listener};
use std::collections::HashSet;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// A worker with a kernel UDP socket bound to `bound`, that lets a client of this host ask, and logs as `lines` say.
fn rig(bound: &str, lines: &str) -> (Rig, SocketAddr) {
    let bound: SocketAddr = bound.parse().unwrap();
    let options = UdpOptions { pktinfo: bound.ip().is_unspecified(), ..UdpOptions::default() };
    let socket = udp_listener(bound, &options).unwrap();
    let server = rustix::net::getsockname(&socket).unwrap().try_into().unwrap();
    let mut rig = Rig::with(16, vec![socket]);
    rig.worker.desk.answerer.set_policy(policy_with(&format!(" access-control: 127.0.0.0/8 allow_snoop\n{lines}")));
    (rig, server)
}

/// The client asks what is answered at once; gives what is told of that.
fn told(rig: &mut Rig, server: SocketAddr) -> Option<Replied> {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_nonblocking(true).unwrap();
    client.send_to(&query("localhost."), server).unwrap();
    let end = Instant::now() + Duration::from_secs(120);
    while client.recv_from(&mut [0; 512]).is_err() {
        assert!(Instant::now() < end, "no reply");
        rig.worker.udp[0].ready = true;
        rig.turn();
    }
    rig.told.lock().unwrap().pop()
}

#[test]
fn the_address_that_was_asked_is_told_whatever_the_socket_is_bound_to() {
    for bound in ["127.0.0.1:0", "0.0.0.0:0"] {
        let (mut rig, server) = rig(bound, " log-replies: yes\n log-destaddr: yes\n");
        let asked = SocketAddr::from(([127, 0, 0, 1], server.port()));
        assert_eq!(told(&mut rig, asked).map(|replied| replied.local), Some(Some(asked)), "{bound}");
    }
    let (mut rig, server) = rig("127.0.0.1:0", " log-replies: yes\n");
    assert_eq!(told(&mut rig, server).map(|replied| replied.local), Some(None), "log-destaddr: no");
}

#[test]
fn waits_that_are_told_are_measured_finer_than_the_kernels_ticks() {
    let (mut rig, _) = rig("127.0.0.1:0", " log-replies: yes\n");
    let moments: Vec<u64> = (0..1000).map(|_| rig.worker.now().nanoseconds).collect();
    assert!(moments.is_sorted());
    let distinct: HashSet<u64> = moments.into_iter().collect();
    assert!(distinct.len() > 100, "{} moments", distinct.len());
    let latest = rig.worker.latest;
    rig.worker.desk.answerer.set_policy(policy());
    assert!(rig.worker.now().nanoseconds >= latest, "nor does a reload turn it back");
}
