//! Questions that share TCP streams, without a kernel and with one.

use super::super::*;
use super::core::{Alone, OTHER, SERVER};
use super::rig::{ANY_SERVER, Rig};
use super::script::{Message, Script, wire};
use crate::dns::{Name, question::Question, rcode, rtype};
use crate::resolve::streams::first_message;
use std::sync::Arc;
use std::time::Duration;

fn over_tcp(most: usize, queries: u32) -> Options {
    let streams = StreamOptions { always: true, queries, ..StreamOptions::default() };
    Options { tcp_connections: most, streams, ..Options::default() }
}

/// A core that asks these servers over TCP alone.
fn alone(most: usize, queries: u32, servers: &[&str]) -> Alone {
    Alone::new(over_tcp(most, queries), servers)
}

/// The queries that a stream was given.
fn queries(alone: &Alone, slot: u16) -> Vec<Vec<u8>> {
    let mut octets = &alone.world.streamed[&slot][..];
    let mut queries = Vec::new();
    while let Some(place) = first_message(octets) {
        queries.push(octets[place.clone()].to_vec());
        octets = &octets[place.end..];
    }
    assert!(octets.is_empty());
    queries
}

fn name(query: &[u8]) -> String {
    let len = Question::parse(query).unwrap().name_len;
    Name::from_wire(&query[12..12 + len]).unwrap().to_string()
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

fn answer(query: &[u8]) -> Vec<u8> {
    framed(&Message::reply(query, 0).a(&name(query), 300, 1).0)
}

fn slots(alone: &Alone) -> Vec<u16> {
    alone.world.streams.keys().copied().collect()
}

fn answered(alone: &Alone) -> Vec<u64> {
    alone.world.answers.iter().filter(|(_, code, _)| *code == rcode::NOERROR).map(|(ticket, ..)| *ticket).collect()
}

#[test]
fn questions_share_a_stream_and_their_replies_come_in_any_order_and_in_pieces() {
    for piece in [1, 3, 1000] {
        let mut alone = alone(10, 200, &[SERVER]);
        (1..=5).for_each(|ticket| alone.ask(ticket, &format!("n{ticket}.example")));
        let [slot] = slots(&alone)[..] else { panic!("one stream: {:?}", alone.world.streams) };
        assert_eq!((alone.world.sent.len(), queries(&alone, slot).len()), (0, 5), "nothing over UDP");
        alone.put(Input::StreamOpen { slot });
        let octets: Vec<u8> = queries(&alone, slot).iter().rev().flat_map(|query| answer(query)).collect();
        octets.chunks(piece).for_each(|octets| alone.put(Input::StreamData { slot, octets }));
        assert_eq!(answered(&alone), [5, 4, 3, 2, 1]);
        alone.ask(6, "later.example");
        assert_eq!((slots(&alone), queries(&alone, slot).len()), (vec![slot], 6), "it is used again");
        assert_eq!(alone.core.in_flight(), 1);
    }
}

#[test]
fn a_zone_that_is_to_be_asked_over_tcp_is() {
    let mut alone = Alone::new(Options::default(), &[SERVER]);
    let zone = |name: &str, tcp| Zone { servers: vec![SERVER.parse().unwrap()], tcp, ..Zone::forward(wire(name)) };
    let table = ZoneTable::new(vec![zone("tcp", true), zone("udp", false)], ANY_SERVER);
    alone.put(Input::Command(Command::Table(Arc::new(table))));
    alone.ask(1, "a.tcp");
    assert_eq!((alone.world.sent.len(), alone.world.streams.len()), (0, 1));
    alone.ask(2, "a.udp");
    assert_eq!((alone.world.sent.len(), alone.world.streams.len()), (1, 1));
}

#[test]
fn a_server_that_ends_the_stream_is_asked_the_rest_over_another_and_then_one_by_one() {
    let mut alone = alone(10, 200, &[SERVER]);
    (1..=4).for_each(|ticket| alone.ask(ticket, &format!("n{ticket}.example")));
    let slot = slots(&alone)[0];
    let first = queries(&alone, slot)[0].clone();
    alone.put(Input::StreamData { slot, octets: &answer(&first) });
    alone.put(Input::StreamEnded { slot, failure: None });
    assert_eq!(answered(&alone), [1]);
    assert_eq!(alone.core.troubles.list(), [], "that is its right");
    let waiting = |alone: &Alone| slots(alone).iter().map(|&slot| queries(alone, slot).len()).collect::<Vec<_>>();
    assert_eq!(waiting(&alone), [1, 1, 1], "each over a stream of its own");
    for slot in slots(&alone) {
        let query = queries(&alone, slot)[0].clone();
        alone.put(Input::StreamData { slot, octets: &answer(&query) });
    }
    assert!(answered(&alone).len() == 4 && alone.core.in_flight() == 0);
}

#[test]
fn a_question_that_has_the_server_end_every_stream_spoils_no_other() {
    let mut alone = alone(10, 200, &[SERVER]);
    (1..=4).for_each(|ticket| alone.ask(ticket, &format!("n{ticket}.example")));
    alone.put(Input::StreamOpen { slot: 0 });
    alone.put(Input::StreamEnded { slot: 0, failure: None });
    for _ in 0..20 {
        for slot in slots(&alone) {
            alone.put(Input::StreamOpen { slot });
            let Some(query) = queries(&alone, slot).pop() else { continue };
            match name(&query).as_str() {
                "n2.example." => alone.put(Input::StreamEnded { slot, failure: None }),
                _ => alone.put(Input::StreamData { slot, octets: &answer(&query) }),
            }
        }
        if alone.core.in_flight() > 0 {
            alone.wait();
        }
    }
    assert_eq!((answered(&alone).len(), alone.world.answers.len()), (3, 4));
}

#[test]
fn what_answers_nothing_that_was_asked_ends_its_stream() {
    let mut alone = alone(10, 200, &[SERVER, OTHER]);
    alone.ask(1, "a.example");
    let slot = slots(&alone)[0];
    let query = queries(&alone, slot)[0].clone();
    let mut garbage = answer(&query);
    garbage[2] ^= 1;
    let began = alone.now;
    alone.put(Input::StreamData { slot, octets: &garbage });
    let [other] = slots(&alone)[..] else { panic!("one stream, to the other server") };
    let query = queries(&alone, other).pop().unwrap();
    alone.put(Input::StreamData { slot: other, octets: &answer(&query) });
    assert_eq!((answered(&alone), alone.now), (vec![1], began), "nobody waits for what garbage is followed by");
}

#[test]
fn a_stream_that_was_idle_for_long_may_have_ended_before_the_question_came() {
    let mut alone = alone(10, 200, &[SERVER]);
    alone.ask(1, "a.example");
    let slot = slots(&alone)[0];
    let query = queries(&alone, slot)[0].clone();
    alone.put(Input::StreamData { slot, octets: &answer(&query) });
    alone.ask(2, "b.example");
    alone.ask(3, "c.example");
    alone.put(Input::StreamEnded {
        slot,
        failure: Some(Failure { call: "TCP connect", errno: rustix::io::Errno::PIPE }),
    });
    let [slot] = slots(&alone)[..] else { panic!("one stream") };
    assert_eq!((queries(&alone, slot).len(), alone.core.troubles.list()), (2, vec![]), "on at once, by another stream");
}

#[test]
fn one_that_ends_without_a_reply_sends_its_questions_to_the_next_server() {
    let mut alone = alone(10, 200, &[SERVER, OTHER]);
    (1..=3).for_each(|ticket| alone.ask(ticket, &format!("n{ticket}.example")));
    let before: Vec<_> = alone.world.streams.values().map(|stream| stream.server).collect();
    let slot = slots(&alone)[0];
    let (left, count) = (before[0], queries(&alone, slot).len());
    alone.put(Input::StreamEnded { slot, failure: None });
    let now: Vec<_> =
        slots(&alone).iter().map(|&slot| (alone.world.streams[&slot].server, queries(&alone, slot).len())).collect();
    assert_eq!(now.len(), 1, "{now:?}");
    assert!(now[0].0 != left && now[0].1 >= count, "{now:?}");
}

/// One octet a second keeps the connection alive, and nobody's question.
#[test]
fn a_stream_that_trickles_costs_only_itself() {
    let mut alone = alone(10, 200, &[SERVER, OTHER]);
    (1..=8).for_each(|ticket| alone.ask(ticket, &format!("n{ticket}.example")));
    let (slow, server) = alone.world.streams.iter().map(|(&slot, stream)| (slot, stream.server)).next().unwrap();
    let waiting = queries(&alone, slow).len();
    alone.put(Input::StreamOpen { slot: slow });
    let octets = answer(&queries(&alone, slow)[0]);
    let end = alone.now + StreamOptions::default().wait + Duration::from_secs(1);
    for octet in octets.chunks(1).cycle() {
        alone.now += Duration::from_secs(1);
        if alone.now > end || !alone.world.streams.contains_key(&slow) {
            break;
        }
        alone.put(Input::StreamData { slot: slow, octets: octet });
        alone.put(Input::Due);
    }
    let still = slots(&alone).iter().any(|slot| alone.world.streams[slot].server == server && *slot == slow);
    assert!(!still && alone.core.in_flight() == 8, "{:?}", alone.world.streams);
    let others: usize = slots(&alone)
        .iter()
        .filter(|slot| alone.world.streams[slot].server != server)
        .map(|&slot| queries(&alone, slot).len())
        .sum();
    assert!(others >= waiting, "{others} of {waiting}");
}

#[test]
fn a_question_that_waits_in_vain_takes_no_other_with_it_while_replies_come() {
    let mut alone = alone(10, 200, &[SERVER]);
    alone.ask(1, "never.example");
    let slot = slots(&alone)[0];
    alone.now += Duration::from_secs(2);
    alone.ask(2, "a.example");
    let query = queries(&alone, slot)[1].clone();
    alone.put(Input::StreamData { slot, octets: &answer(&query) });
    alone.ask(3, "b.example");
    alone.now += Duration::from_millis(1100);
    alone.put(Input::Due);
    assert_eq!(slots(&alone), [slot]);
    let late = queries(&alone, slot);
    assert_eq!(late.iter().map(|query| name(query)).filter(|name| name == "never.example.").count(), 2, "asked again");
    alone.put(Input::StreamData { slot, octets: &answer(&late[0]) });
    assert_eq!(answered(&alone), [2], "the late reply is recognised, and nobody's");
    alone.put(Input::StreamData { slot, octets: &[answer(&late[2]), answer(&late[3])].concat() });
    assert_eq!(answered(&alone), [2, 3, 1]);
}

#[test]
fn a_stream_carries_as_many_questions_as_it_may() {
    let mut alone = alone(10, 3, &[SERVER]);
    (1..=7).for_each(|ticket| alone.ask(ticket, &format!("n{ticket}.example")));
    let counts: Vec<_> = slots(&alone).iter().map(|&slot| queries(&alone, slot).len()).collect();
    assert_eq!(counts, [3, 3, 1]);
    for query in queries(&alone, 0) {
        alone.put(Input::StreamData { slot: 0, octets: &answer(&query) });
    }
    assert_eq!(alone.world.streams.len(), 2, "what is used up is closed");
}

#[test]
fn connections_are_shared_among_servers_and_who_waits_gets_a_stalled_one() {
    let servers: Vec<String> = (1..=6).map(|last| format!("192.0.2.{last}:53")).collect();
    let names: Vec<String> = (0..6).map(|zone| format!("z{zone}")).collect();
    let zones: Vec<_> = names.iter().enumerate().map(|(nth, name)| (&name[..], vec![nth])).collect();
    let zones: Vec<(&str, &[usize])> = zones.iter().map(|(name, places)| (*name, &places[..])).collect();
    let servers: Vec<&str> = servers.iter().map(|server| &server[..]).collect();
    let mut alone = Alone::with(over_tcp(4, 200), &servers, &zones);
    (1..=100).for_each(|ticket| alone.ask(ticket, &format!("n{ticket}.z0")));
    assert_eq!(alone.world.streams.len(), 2, "half is left to the others");
    (1..=5).for_each(|zone| alone.ask(200 + zone, &format!("a.z{zone}")));
    assert_eq!(alone.world.streams.len(), 4);
    alone.now += Duration::from_millis(1500);
    alone.ask(300, "b.z5");
    let asked: Vec<_> = alone.world.streams.values().map(|stream| stream.server.to_string()).collect();
    assert!(asked.contains(&"192.0.2.6:53".to_owned()), "{asked:?}");
    assert_eq!(alone.core.in_flight(), 106);
}

#[test]
fn replies_wait_for_room() {
    let mut alone = alone(10, 200, &[SERVER]);
    (1..=4).for_each(|ticket| alone.ask(ticket, &format!("n{ticket}.example")));
    alone.world.places = 1;
    let octets: Vec<u8> = queries(&alone, 0).iter().flat_map(|query| answer(query)).collect();
    alone.put(Input::StreamData { slot: 0, octets: &octets });
    assert!(answered(&alone) == [1] && alone.core.wants_room());
    alone.world.places = 2;
    alone.put(Input::Due);
    assert!(answered(&alone) == [1, 2, 3] && alone.core.wants_room());
    alone.world.places = 9;
    alone.put(Input::Due);
    assert!(answered(&alone) == [1, 2, 3, 4] && !alone.core.wants_room());
}

#[test]
fn what_is_no_message_ends_the_stream() {
    let mut alone = alone(10, 200, &[SERVER]);
    alone.ask(1, "a.example");
    alone.put(Input::StreamData { slot: 0, octets: &[0, 3, 1, 2, 3, 0, 0, 0] });
    assert_eq!(alone.world.answers.len() + alone.core.in_flight(), 1);
    let mut alone = Alone::new(over_tcp(10, 200), &[SERVER]);
    alone.ask(1, "a.example");
    let mut unasked = queries(&alone, 0)[0].clone();
    unasked[0] ^= 1;
    alone.put(Input::StreamData { slot: 0, octets: &answer(&unasked) });
    assert_eq!((alone.core.stats.unwanted.get(), alone.core.in_flight()), (1, 1), "nobody has asked that");
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    #[test]
    fn any_octets_are_safe(pieces: Vec<Vec<u8>>) {
        let mut alone = alone(2, 5, &[SERVER]);
        for (ticket, octets) in pieces.iter().enumerate() {
            alone.ask(ticket as u64, "a.example");
            if let Some(&slot) = alone.world.streams.keys().next() {
                alone.put(Input::StreamData { slot, octets });
            }
            alone.now += Duration::from_millis(700);
            alone.put(Input::Due);
        }
    }
}

/// With sockets of the kernel: hundreds of questions over few connections.
#[test]
fn the_kernels_connections_carry_many_questions() {
    let script: Script = Box::new(|query| {
        assert!(query.tcp);
        query.answer(1)
    });
    let mut rig = Rig::with(over_tcp(10, 200), vec![script], &[(".", &[0])], 64);
    for round in 0..3 {
        (0..300).for_each(|number| rig.request(&format!("n{number}.r{round}"), rtype::A, false));
        assert!(rig.collect(300, false).iter().all(|got| got.records.len() == 1));
    }
    assert_eq!((rig.stats.tcp_sent.get(), rig.stats.udp_sent.get(), rig.resolver.in_flight()), (900, 0, 0));
    // What a server has seen is queries over UDP and connections.
    assert!((5..60).contains(&rig.seen(0)), "{} connections", rig.seen(0));
}

#[test]
fn a_kernels_connection_that_is_reset_costs_only_itself() {
    let mut connection = 0;
    let script: Script = Box::new(move |query| {
        connection += 1;
        // Every tenth query ends its connection.
        if connection % 10 == 0 { Vec::new() } else { query.answer(1) }
    });
    let mut rig = Rig::with(over_tcp(10, 200), vec![script], &[(".", &[0])], 64);
    (0..200).for_each(|number| rig.request(&format!("n{number}"), rtype::A, false));
    let got = rig.collect(200, true);
    assert!(got.iter().filter(|got| got.rcode == rcode::NOERROR).count() >= 190, "{:?}", rig.stats);
}
