//! TCP, IPv6, and the addresses that questions leave from.

use super::super::*;
use super::rig::Rig;
use super::script::{Script, answers, wire};
use crate::dns::{header, rcode, rtype};
use std::sync::Arc;

#[test]
fn a_cut_reply_is_fetched_over_tcp() {
    let mut rig = Rig::new(vec![Box::new(|query| {
        let mut reply = query.reply();
        let count = if query.tcp { 250u8 } else { 1 };
        for number in 0..count {
            reply = reply.a(&query.name, 60, number);
        }
        vec![if query.tcp { reply.0 } else { reply.flags(header::flag::TC).0 }]
    })]);
    for _ in 0..2 {
        assert_eq!(rig.ask("big.example", rtype::A).records.len(), 250);
    }
    (0..40).for_each(|number| rig.request(&format!("n{number}"), rtype::A, false));
    assert!(rig.collect(40, false).iter().all(|got| got.records.len() == 250), "more than connections");
    assert_eq!((rig.stats.tcp_sent.get(), rig.resolver.in_flight()), (42, 0));
}

#[test]
fn tcp_that_fails_sends_the_question_to_the_next_server() {
    for lie in 0..3 {
        let script: Script = Box::new(move |query| match (query.tcp, lie) {
            (false, _) => vec![query.reply().flags(header::flag::TC).0],
            (true, 0) => Vec::new(),
            (true, 1) => vec![query.reply().flags(header::flag::TC).0],
            (true, _) => vec![vec![0; 3]],
        });
        let mut rig = Rig::new(vec![script, answers(1)]);
        for number in 0..10 {
            assert_eq!(rig.ask_patiently(&format!("n{number}")).records.len(), 1, "lie {lie}");
        }
        assert!(rig.stats.tcp_sent.get() > 0);
    }
}

/// What TCP does to a server's first connection says nothing of the next, nor of its UDP.
#[test]
fn tcp_that_fails_once_is_tried_again_in_the_next_round() {
    for silent in [false, true] {
        let mut connections = 0;
        let mut rig = Rig::new(vec![Box::new(move |query| {
            connections += u32::from(query.tcp);
            query.hold.set(silent);
            match (query.tcp, connections) {
                (false, _) => vec![query.reply().flags(header::flag::TC).0],
                (true, 1) => Vec::new(),
                (true, _) => query.answer(1),
            }
        })]);
        assert_eq!(rig.ask_patiently("a").records, ["0 a. 300 A 1"], "silent: {silent}");
        assert_eq!((rig.stats.tcp_sent.get(), rig.resolver.in_flight()), (2, 0));
        assert!(rig.now.as_secs() < 5, "{:?}", rig.now);
        assert_eq!(rig.troubles.list(), [], "it has accepted what it left without an answer");
    }
}

#[test]
fn without_tcp_a_cut_reply_sends_the_question_to_the_next_server() {
    let cut: Script = Box::new(|query| vec![query.reply().flags(header::flag::TC).0]);
    let options = Options { tcp_connections: 0, ..Options::default() };
    let mut rig = Rig::with(options, vec![cut, answers(1)], &[(".", &[0, 1])], 8);
    for number in 0..10 {
        assert_eq!(rig.ask(&format!("n{number}"), rtype::A).records.len(), 1);
    }
    assert_eq!(rig.stats.tcp_sent.get(), 0);
}

#[test]
fn udp_and_tcp_leave_from_the_address_that_was_named() {
    let script: Script = Box::new(|query| {
        assert_eq!(query.from.ip().to_string(), "127.0.0.9");
        match query.tcp {
            true => query.answer(1),
            false => vec![query.reply().flags(header::flag::TC).0],
        }
    });
    let mut rig = Rig::new(vec![script]);
    rig.ask_from(&["127.0.0.9:0", "[::1]:0"]);
    assert_eq!(rig.ask("a", rtype::A).records, ["0 a. 300 A 1"]);
    assert_eq!(rig.stats.tcp_sent.get(), 1);
}

#[test]
fn a_server_that_no_named_address_can_ask_is_left_out() {
    let mut rig = Rig::new(vec![answers(1)]);
    rig.ask_from(&["[::1]:0"]);
    assert_eq!((rig.ask("a", rtype::A).rcode, rig.seen(0)), (rcode::SERVFAIL, 0));
}

#[test]
fn servers_are_asked_over_ipv6_with_udp_and_tcp() {
    let script: Script = Box::new(|query| {
        assert!(query.from.is_ipv6());
        match query.tcp || query.name != "big." {
            true => query.answer(6),
            false => vec![query.reply().flags(header::flag::TC).0],
        }
    });
    let mut rig = Rig::at("[::1]:0", vec![script]);
    assert!(rig.address(0).is_ipv6());
    for name in ["small", "big"] {
        assert_eq!(rig.ask(name, rtype::A).records, [format!("0 {name}. 300 A 6")]);
    }
    assert_eq!((rig.stats.udp_sent.get(), rig.stats.tcp_sent.get(), rig.stats.unwanted.get()), (2, 1, 0));
}

#[test]
fn without_ipv6_no_question_leaves_over_it() {
    let mut rig = Rig::at("[::1]:0", vec![answers(6)]);
    let (server, name) = (rig.address(0), wire("."));
    let zone = Zone { servers: vec![server], ..Zone::forward(name) };
    let reachable = Reachable { not_localhost: false, ip6: false, ..Reachable::default() };
    rig.tables.send(Arc::new(ZoneTable::new(vec![zone], reachable))).unwrap();
    assert_eq!((rig.ask("a", rtype::A).rcode, rig.seen(0), rig.stats.udp_sent.get()), (rcode::SERVFAIL, 0, 0));
}
