use super::*;
use crate::sys::socket::{UdpOptions, udp_listener};
use crate::sys::stamps::CMSG_HEADER;
use rustix::fd::{AsFd, OwnedFd};
use std::net::UdpSocket;

fn server(address: &str, pktinfo: bool) -> (OwnedFd, u16) {
    let options = UdpOptions { pktinfo, ..UdpOptions::default() };
    let fd = udp_listener(address.parse().unwrap(), &options).unwrap();
    let bound: SocketAddr = rustix::net::getsockname(&fd).unwrap().try_into().unwrap();
    (fd, bound.port())
}

fn unshortened(reply: &mut [u8]) -> usize {
    reply.len()
}

fn client(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(120))).unwrap();
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
        assert_eq!(batch.send(fd.as_fd(), unshortened), Sent { sent: expected * 3 / 4, lost: 0 });
        assert_eq!(batch.send(fd.as_fd(), unshortened), Sent::default());
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
fn a_batch_is_whole_after_one_of_any_size() {
    for (listen, ask) in [("0.0.0.0:0", "127.0.0.77"), ("[::]:0", "::1")] {
        let (fd, port) = server(listen, true);
        let client = client(if ask.contains(':') { "::1" } else { "127.0.0.1" });
        let mut batch = UdpBatch::new(512);
        for count in [3, BATCH, 1, 0, 40, BATCH, 2, BATCH] {
            for number in 0..count {
                client.send_to(&[number as u8; 100][..10 + number], (ask, port)).unwrap();
            }
            assert_eq!(batch.receive(fd.as_fd()).unwrap(), count);
            for number in 0..count {
                let datagram = batch.datagram(number).unwrap();
                assert_eq!((datagram.len, datagram.truncated), (10 + number, false));
                assert_eq!(datagram.buffer[..10], [number as u8; 10]);
                assert_eq!(datagram.peer, Some(client.local_addr().unwrap()));
                assert_eq!(datagram.local, Some(ask.parse().unwrap()));
                // The replies stand in other headers than the queries: every third query has none.
                if number % 3 != 0 {
                    batch.set_reply(number, 5 + number);
                }
            }
            let replies = (0..count).filter(|number| number % 3 != 0);
            assert_eq!(batch.send(fd.as_fd(), unshortened), Sent { sent: replies.clone().count(), lost: 0 });
            let mut reply = [0; 600];
            for number in replies {
                assert_eq!((client.recv(&mut reply).unwrap(), reply[0]), (5 + number, number as u8));
            }
        }
    }
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
    assert_eq!(batch.send(fd.as_fd(), unshortened), Sent::default());
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
        let late = *batch.datagram(0).unwrap().way;
        // The interface is the routing table's choice, not the one the query came in by.
        let interface = if ask.contains(':') { 16..20 } else { 0..4 };
        assert_eq!(late.control[CMSG_HEADER..][interface], [0; 4]);
        let made = UdpPeer::new(client.local_addr().unwrap(), ask.parse().unwrap());
        assert_eq!((made.address(), made.local()), (late.address(), late.local()));
        batch.set_reply(0, 3);
        assert_eq!(batch.send(fd.as_fd(), unshortened), Sent { sent: 1, lost: 0 });
        send_one(fd.as_fd(), &late, &mut b"later".to_owned(), unshortened).unwrap();
        send_one(fd.as_fd(), &made, &mut b"last".to_owned(), unshortened).unwrap();
        // A connected socket takes only what comes from the address it asked.
        let mut reply = [0; 16];
        assert_eq!(client.recv(&mut reply).unwrap(), 3);
        assert_eq!(client.recv(&mut reply).unwrap(), 5);
        assert_eq!(&reply[..5], b"later");
        assert_eq!(client.recv(&mut reply).unwrap(), 4);
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
    assert_eq!(batch.send(fd.as_fd(), unshortened), Sent { sent: 2, lost: 1 });
    let mut reply = [0; 16];
    assert_eq!(client.recv(&mut reply).unwrap(), 4);
    assert_eq!(client.recv(&mut reply).unwrap(), 6);
}

#[test]
fn a_reply_too_long_for_its_interface_is_shortened() {
    fn to_five(reply: &mut [u8]) -> usize {
        reply[0] = b'c';
        5
    }
    for address in ["127.0.0.1", "::1"] {
        let (fd, port) = server(&std::net::SocketAddr::new(address.parse().unwrap(), 0).to_string(), false);
        let client = client(address);
        for _ in 0..3 {
            client.send_to(b"q", (address, port)).unwrap();
        }
        let mut batch = UdpBatch::new(70_000);
        assert_eq!(batch.receive(fd.as_fd()).unwrap(), 3);
        // Without a reply to the first: the number in the batch is not the one in the queue.
        batch.set_reply(1, 70_000);
        batch.set_reply(2, 6);
        assert_eq!(batch.send(fd.as_fd(), to_five), Sent { sent: 2, lost: 0 });
        let late = *batch.datagram(0).unwrap().way;
        send_one(fd.as_fd(), &late, &mut [b'l'; 70_000], to_five).unwrap();
        let mut reply = [0; 16];
        assert_eq!((client.recv(&mut reply).unwrap(), reply[0]), (5, b'c'));
        assert_eq!((client.recv(&mut reply).unwrap(), reply[0]), (6, b'q'));
        assert_eq!((client.recv(&mut reply).unwrap(), reply[0]), (5, b'c'));
    }
}

#[test]
fn a_dead_socket_is_an_error() {
    let (reader, _writer) = rustix::pipe::pipe().unwrap();
    assert!(UdpBatch::new(512).receive(reader.as_fd()).is_err());
}

#[test]
fn a_datagram_tells_for_how_long_it_waited_and_where_it_came() {
    for (address, pktinfo) in [("127.0.0.1:0", false), ("0.0.0.0:0", true), ("[::]:0", true)] {
        let options = UdpOptions { pktinfo, timestamps: true, ..UdpOptions::default() };
        let fd = udp_listener(address.parse().unwrap(), &options).unwrap();
        let port = SocketAddr::try_from(rustix::net::getsockname(&fd).unwrap()).unwrap().port();
        let local = if address.starts_with('[') { "::1" } else { "127.0.0.1" };
        let client = client(local);
        let mut batch = UdpBatch::new(512).with_ages();
        let mut waits = |time| {
            client.send_to(b"one", (local, port)).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(time));
            assert_eq!(batch.receive_aged(fd.as_fd()).unwrap(), 1);
            batch.age(0).unwrap()
        };
        // A moment after the first socket asks for it the kernel begins to note when datagrams come (net_enable_timestamp).
        assert!((0..200).any(|_| waits(20) >= 20_000), "{address}");
        let datagram = batch.datagram(0).unwrap();
        assert_eq!((datagram.len, datagram.peer), (3, Some(client.local_addr().unwrap())));
        assert_eq!(datagram.local, pktinfo.then(|| local.parse().unwrap()), "{address}");
        batch.set_reply(0, 3);
        assert_eq!(batch.send(fd.as_fd(), unshortened), Sent { sent: 1, lost: 0 });
        assert_eq!(client.recv(&mut [0; 8]).unwrap(), 3);
        // Nothing is told of what came to a socket that was not asked.
        let (plain, port) = server("127.0.0.1:0", false);
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        other.send_to(b"two", ("127.0.0.1", port)).unwrap();
        assert_eq!(batch.receive_aged(plain.as_fd()).unwrap(), 1);
        assert_eq!(batch.age(0), None);
        batch.forget(0);
        assert_eq!(batch.datagram(0).unwrap().len, 0);
    }
}
