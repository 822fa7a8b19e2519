//! Queries and their answers: how they are cut, in which order, and to whom.

use super::harness::*;
use crate::serve::stream::StreamOptions;
use std::io::Write;
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[test]
fn pipelined_queries_of_one_segment_are_answered_in_any_order() {
    let mut harness = Harness::new(StreamOptions::default());
    let mut client = harness.connect();
    client.write_all(&[1, 2, 3].map(|id| framed(&query(id))).concat()).unwrap();
    let taken = [harness.take(), harness.take(), harness.take()];
    assert_eq!(taken.each_ref().map(|(_, message)| message[0]), [1, 2, 3]);
    for i in [2, 0, 1] {
        harness.reply(taken[i].0, &taken[i].1);
        assert_eq!(receive(&mut client), taken[i].1);
    }
}

#[test]
fn queries_arrive_with_the_clients_address() {
    let mut harness = Harness::new(StreamOptions::default());
    let mut client = harness.connect();
    client.write_all(&framed(&query(1))).unwrap();
    let token = harness.take().0;
    harness.reply(token, &query(1));
    assert_eq!(receive(&mut client), query(1));
    assert_eq!(harness.last_client, Some(client.local_addr().unwrap()));
}

#[test]
fn the_address_that_was_asked_is_told_when_it_is_wanted() {
    let mut harness = Harness::new(StreamOptions::default());
    let mut client = harness.connect();
    let server = client.peer_addr().unwrap();
    for (id, wanted) in [(1, false), (2, true), (3, false)] {
        harness.tells_destinations.store(wanted, Ordering::SeqCst);
        harness.round_trip(&mut client, id);
        assert_eq!(harness.last_local, wanted.then_some(server), "query {id}");
    }
}

#[test]
fn octets_may_come_one_by_one() {
    let mut harness = Harness::new(StreamOptions::default());
    let mut client = harness.connect();
    client.set_nodelay(true).unwrap();
    for octet in [framed(&query(1)), framed(&query(2))].concat() {
        client.write_all(&[octet]).unwrap();
    }
    for id in [1, 2] {
        assert_eq!(harness.take().1, query(id));
    }
}

#[test]
fn a_client_that_only_closed_its_side_gets_its_answers() {
    let mut harness = Harness::new(StreamOptions::default());
    let mut client = harness.connect();
    client.write_all(&[framed(&query(1)), framed(&query(2)), vec![0, 40, 1]].concat()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let taken = [harness.take(), harness.take()];
    for (token, message) in taken {
        harness.reply(token, &message);
        assert_eq!(receive(&mut client), message);
    }
    assert_closed(&mut client);
}

#[test]
fn garbage_lengths_close_the_connection() {
    let harness = Harness::new(StreamOptions::default());
    for len in [0u8, 1, 11] {
        let mut client = harness.connect();
        client.write_all(&[[0, len].as_slice(), &[7; 20]].concat()).unwrap();
        assert_closed(&mut client);
    }
    let mut client = harness.connect();
    client.write_all(&[255; 1000]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_closed(&mut client);
    assert_eq!(harness.stats.malformed.get(), 3);
}

#[test]
fn a_reply_for_a_dead_connection_reaches_nobody() {
    let mut harness = Harness::new(StreamOptions { max_connections: 1, ..StreamOptions::default() });
    let mut dead = harness.connect();
    dead.write_all(&framed(&query(1))).unwrap();
    let (late, message) = harness.take();
    rustix::net::sockopt::set_socket_linger(&dead, Some(Duration::ZERO)).unwrap();
    drop(dead);
    // The next one gets the same place.
    let mut client = harness.connect();
    client.write_all(&framed(&query(2))).unwrap();
    let (token, second) = harness.take();
    harness.reply(late, &message);
    harness.reply(u64::MAX, &message);
    harness.reply(token, &second);
    assert_eq!(receive(&mut client), second);
    assert_eq!(harness.stats.late_replies.get(), 2);
}

#[test]
fn no_answer_on_purpose_closes_the_connection() {
    let mut harness = Harness::new(StreamOptions::default());
    let mut client = harness.connect();
    client.write_all(&framed(&query(1))).unwrap();
    let token = harness.take().0;
    harness.reply(token, &[]);
    assert_closed(&mut client);
    assert_eq!(harness.stats.dropped.get(), 1);
}
