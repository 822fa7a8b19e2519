//! Time and room: what is bounded, and that it costs nobody else.

use super::super::*;
use super::harness::*;
use crate::answer::keepalive::Keepalive;
use crate::ring::spsc;
use crate::sys::socket::{TcpOptions, tcp_listener};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn idle_connections_are_closed_when_their_time_is_over_and_not_before() {
    let mut harness = Harness::new(StreamOptions::default());
    let mut client = harness.connect();
    harness.round_trip(&mut client, 1);
    for _ in 0..3 {
        harness.advance(29_999);
        harness.round_trip(&mut client, 2);
    }
    harness.advance(30_000);
    assert_closed(&mut client);
    assert_eq!(harness.stats.timed_out.get(), 1);
}

#[test]
fn a_message_that_trickles_in_does_not_hold_its_place() {
    let mut harness = Harness::new(StreamOptions::default());
    let (mut slow, mut other) = (harness.connect(), harness.connect());
    slow.write_all(&[0]).unwrap();
    harness.round_trip(&mut other, 1);
    harness.advance(29_000);
    slow.write_all(&[40]).unwrap();
    harness.round_trip(&mut other, 1);
    harness.advance(1_000);
    assert_closed(&mut slow);
    harness.round_trip(&mut other, 1);
}

#[test]
fn waiting_for_the_worker_is_not_idle() {
    let mut harness = Harness::new(StreamOptions::default());
    let mut client = harness.connect();
    client.write_all(&framed(&query(1))).unwrap();
    let (token, message) = harness.take();
    harness.advance(1_000_000);
    // A new connection served shows that the server has looked at its clock.
    let mut other = harness.connect();
    harness.round_trip(&mut other, 2);
    harness.reply(token, &message);
    assert_eq!(receive(&mut client), message);
    harness.round_trip(&mut client, 3);
}

#[test]
fn a_slow_reader_is_not_read_from_and_loses_nothing() {
    const QUERIES: usize = 600;
    let mut harness = Harness::new(StreamOptions { wait_size: 64 << 20, ..StreamOptions::default() });
    let mut probe = harness.connect();
    harness.round_trip(&mut probe, 1);
    let mut client = harness.connect();
    client.write_all(&framed(&query(2)).repeat(QUERIES)).unwrap();
    let answer = |harness: &mut Harness, (token, message): (u64, Vec<u8>)| {
        harness.reply(token, &vec![message[0]; 60_000]);
        1
    };
    let first = harness.take();
    let mut answered = answer(&mut harness, first);
    // Until a whole round of the server brings the probe's query and none of the slow reader's.
    loop {
        let before = answered;
        probe.write_all(&framed(&query(1))).unwrap();
        loop {
            let (token, message) = harness.take();
            if message == query(1) {
                harness.reply(token, &message);
                break;
            }
            answered += answer(&mut harness, (token, message));
        }
        assert_eq!(receive(&mut probe), query(1));
        if answered == before {
            break;
        }
    }
    assert!(answered < QUERIES, "all queries were taken from a client that reads nothing");
    let reader = std::thread::spawn(move || {
        for _ in 0..QUERIES {
            assert_eq!(receive(&mut client), vec![2; 60_000]);
        }
    });
    while answered < QUERIES {
        let query = harness.take();
        answered += answer(&mut harness, query);
    }
    reader.join().unwrap();
    assert_eq!(harness.stats.wait_overflow.get(), 0);
}

#[test]
fn replies_beyond_the_room_for_slow_readers_close_the_connection() {
    let mut harness = Harness::new(StreamOptions { wait_size: 50_000, ..StreamOptions::default() });
    let mut client = harness.connect();
    client.write_all(&framed(&query(2)).repeat(2000)).unwrap();
    let started = std::time::Instant::now();
    while harness.stats.wait_overflow.get() == 0 {
        assert!(started.elapsed() < PATIENCE);
        match harness.try_take() {
            Some((token, _)) => harness.reply(token, &[2; 60_000]),
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    // What was sent before may still be read, then it ends.
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert!(rest.len() < 2000 * 60_000);
    assert_closed(&mut client);
}

#[test]
fn connections_beyond_the_limit_wait_for_a_place() {
    let mut harness = Harness::new(StreamOptions { max_connections: 2, ..StreamOptions::default() });
    let (mut first, mut second) = (harness.connect(), harness.connect());
    harness.round_trip(&mut first, 1);
    harness.round_trip(&mut second, 2);
    let mut third = harness.connect();
    third.write_all(&framed(&query(3))).unwrap();
    harness.round_trip(&mut first, 4);
    harness.round_trip(&mut second, 5);
    assert_eq!((harness.stats.accepted.get(), harness.stats.table_full.get()), (2, 1));
    drop(first);
    let (token, message) = harness.take();
    assert_eq!(message, query(3));
    harness.reply(token, &message);
    assert_eq!(receive(&mut third), message);
    assert_eq!(harness.stats.accepted.get(), 3);
}

#[test]
fn a_busy_worker_gets_every_query_in_the_end() {
    let mut harness = Harness::with_rings(StreamOptions::default(), 2, 4);
    let mut clients = [harness.connect(), harness.connect(), harness.connect()];
    for client in &mut clients {
        let queries: Vec<u8> = (1..=50).flat_map(|id| framed(&query(id))).collect();
        client.write_all(&queries).unwrap();
    }
    // With four answers owed the server asks nothing more, whatever room the query ring has.
    let owed = [harness.take(), harness.take(), harness.take(), harness.take()];
    assert!(harness.try_take().is_none());
    for (token, message) in owed {
        harness.reply(token, &message);
    }
    for _ in 4..150 {
        let (token, message) = harness.take();
        harness.reply(token, &message);
    }
    for client in &mut clients {
        for id in 1..=50 {
            assert_eq!(receive(client), query(id));
        }
    }
    assert!(harness.stats.worker_busy.get() > 0);
}

#[test]
fn one_connection_does_not_keep_the_others_from_a_busy_worker() {
    let listener =
        tcp_listener("127.0.0.1:0".parse().unwrap(), &TcpOptions { backlog: 64, ..TcpOptions::default() }).unwrap();
    let address: SocketAddr = rustix::net::getsockname(&listener).unwrap().try_into().unwrap();
    let (to_worker, mut queries) = spsc::channel_zeroed(2);
    let (_replies, from_worker) = spsc::channel_zeroed(256);
    let (bell, worker_bell) = (Doorbell::new().unwrap(), Doorbell::new().unwrap());
    let mut server =
        StreamServer::new(StreamOptions::default(), vec![listener], to_worker, from_worker, bell, worker_bell);
    let mut clients = [2, 3, 4].map(|id| (id, TcpStream::connect(address).unwrap()));
    for (id, client) in &mut clients {
        client.write_all(&framed(&query(*id)).repeat(50)).unwrap();
    }
    let whole = |slot: &Slot| slot.connection.as_ref().is_some_and(|connection| !connection.wants_read());
    while server.slots.iter().filter(|slot| whole(slot)).count() < clients.len() {
        server.wait(0).unwrap();
        server.serve_ready(0);
    }
    let mut taken = Vec::new();
    for _ in 0..3 {
        server.ask();
        while let Some(query) = queries.front() {
            taken.push(query.message()[0]);
            queries.release();
        }
    }
    taken.sort();
    assert_eq!(taken, [2, 2, 3, 3, 4, 4]);
}

#[test]
fn idle_time_shrinks_as_the_table_fills() {
    let timeouts = [1, 5, 6, 7, 8, 9, 10].map(|open| idle_timeout(30_000, open, 10));
    assert_eq!(timeouts, [30_000, 30_000, 300, 60, 60, 0, 0]);
    assert_eq!(idle_timeout(300_000, 8, 10), 600);
}

#[test]
fn who_asks_is_told_for_how_long_its_connection_may_be_idle() {
    let options = StreamOptions { max_connections: 2, tells_idle_time: true, ..StreamOptions::default() };
    let mut harness = Harness::new(options);
    let (mut first, mut second) = (harness.connect(), harness.connect());
    let asks =
        [&[0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1][..], &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4, 0, 11, 0, 0]];
    let mut told = |client: &mut TcpStream, message: &[u8]| {
        client.write_all(&framed(message)).unwrap();
        let (token, message) = harness.take();
        harness.reply(token, &message);
        assert_eq!(receive(client), message);
        harness.last_keepalive
    };
    assert_eq!(told(&mut first, &query(1)), Keepalive::Silent);
    assert_eq!(told(&mut first, &asks.concat()), Keepalive::Timeout(300));
    assert_eq!(told(&mut first, &query(1)), Keepalive::Timeout(300), "from then on");
    assert_eq!(told(&mut second, &asks.concat()), Keepalive::Timeout(0), "the table is full: it may close at once");
}
