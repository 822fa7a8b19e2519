//! Servers that cannot be asked: what is shown of them, for how long, and that it harms nothing else.

use super::super::*;
use super::rig::{Rig, table};
use super::script::{Script, answers, silent};
use crate::dns::{header, rcode, rtype};
use rustix::io::Errno;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const REFUSED: Failure = Failure { call: "ICMP error", errno: Errno::CONNREFUSED };
const NO_TCP: Failure = Failure { call: "TCP connect", errno: Errno::CONNREFUSED };

/// A port at an address of its own, below those that sockets of tests and of the resolver get.
fn closed(number: u8) -> SocketAddr {
    SocketAddr::from(([127, 77, 0, number], 5301))
}

/// Long for names that start with "big", which takes TCP.
fn cuts_big_ones(last: u8) -> Script {
    Box::new(move |query| match query.name.starts_with("big") && !query.tcp {
        true => vec![query.reply().flags(header::flag::TC).0],
        false => query.answer(last),
    })
}

#[test]
fn a_refused_port_is_shown_from_the_first_refusal_to_the_first_answer() {
    let mut rig = Rig::new(vec![answers(1)]);
    let addresses = [closed(1), rig.address(0)];
    rig.tables.send(Arc::new(table(&[(".", &[0, 1]), ("alone", &[0])], &addresses))).unwrap();
    assert_eq!(rig.ask_patiently("a.alone").rcode, rcode::SERVFAIL);
    let sent = rig.stats.udp_sent.get();
    for number in 0..30 {
        assert_eq!(rig.ask(&format!("n{number}"), rtype::A).rcode, rcode::NOERROR);
        assert_eq!(rig.troubles.list(), [(closed(1), REFUSED)], "what was sent ends nothing, nor the other's answer");
    }
    assert!(rig.stats.udp_sent.get() > sent + 30, "it was asked");
    rig.serve_at(closed(1), answers(2));
    assert_eq!(rig.ask("b.alone", rtype::A).records, ["0 b.alone. 300 A 2"]);
    assert_eq!(rig.troubles.list(), []);
}

#[test]
fn every_server_that_refuses_is_shown() {
    let mut rig = Rig::new(vec![]);
    let addresses = [2, 3, 4].map(closed);
    rig.tables.send(Arc::new(table(&[(".", &[0, 1, 2])], &addresses))).unwrap();
    assert_eq!(rig.ask_patiently("a").rcode, rcode::SERVFAIL);
    assert_eq!(rig.troubles.list(), addresses.map(|address| (address, REFUSED)));
    rig.tables.send(Arc::new(table(&[(".", &[1])], &addresses))).unwrap();
    assert_eq!(rig.ask_patiently("b").rcode, rcode::SERVFAIL);
    assert_eq!(rig.troubles.list(), [(addresses[1], REFUSED)], "the others are named no more");
}

#[test]
fn a_server_that_the_log_calls_silent_is_shown_until_it_answers() {
    let back = Duration::from_secs(30);
    let mut rig = Rig::new(vec![Box::new(move |query| if query.now < back { Vec::new() } else { query.answer(1) })]);
    let shown = |rig: &Rig| rig.troubles.list().iter().map(|(_, what)| what.to_string()).collect::<Vec<_>>();
    (0..3).for_each(|number| rig.request(&format!("n{number}"), rtype::A, false));
    rig.pass(Duration::from_secs(5));
    assert_eq!(rig.troubles.list(), [], "not yet");
    rig.pass(Duration::from_secs(20));
    rig.request("late", rtype::A, false);
    rig.pass(Duration::from_secs(29));
    let said = shown(&rig);
    assert!(said.len() == 1 && said[0].starts_with("does not answer; see whether it runs"), "{said:?}");
    rig.pass(back + Duration::from_secs(4));
    assert_eq!(shown(&rig), [""; 0]);
}

#[test]
fn a_server_that_the_system_lets_nobody_ask_is_shown_with_call_and_cause() {
    let mut rig = Rig::new(vec![answers(1)]);
    // Link-local without an interface: connect(2) says EINVAL.
    let nowhere = "[fe80::1]:53".parse().unwrap();
    let addresses = [nowhere, rig.address(0)];
    rig.tables.send(Arc::new(table(&[("x", &[0]), ("both", &[0, 1])], &addresses))).unwrap();
    assert_eq!(rig.ask_patiently("a.x").rcode, rcode::SERVFAIL);
    let cause = Failure { call: "connect", errno: Errno::INVAL };
    assert_eq!(rig.troubles.list(), [(nowhere, cause)]);
    assert_eq!(rig.ask("a.both", rtype::A).records, ["0 a.both. 300 A 1"], "the other one is asked");
    rig.tables.send(Arc::new(table(&[(".", &[1])], &addresses))).unwrap();
    assert_eq!(rig.ask("b", rtype::A).records, ["0 b. 300 A 1"]);
    assert_eq!(rig.troubles.list(), [], "a server that nobody names any more is not shown");
}

#[test]
fn tcp_that_is_refused_is_shown_until_it_works_whatever_udp_does() {
    let mut rig = Rig::new(vec![cuts_big_ones(1)]);
    rig.set_tcp(0, false);
    let server = rig.address(0);
    let got = rig.ask_patiently("big");
    assert_eq!((got.rcode, got.ttl), (rcode::SERVFAIL, 1), "it may take TCP again any moment");
    assert!(rig.stats.udp_sent.get() <= 4, "it is not asked over and over: {:?}", rig.stats);
    for number in 0..10 {
        assert_eq!(rig.ask(&format!("n{number}"), rtype::A).records.len(), 1, "UDP is as good as ever");
        assert_eq!(rig.troubles.list(), [(server, NO_TCP)]);
    }
    rig.set_tcp(0, true);
    assert_eq!(rig.ask("bigger", rtype::A).records, ["0 bigger. 300 A 1"]);
    assert_eq!(rig.troubles.list(), []);
}

/// Whichever of the two is drawn first in each round.
#[test]
fn the_server_whose_tcp_works_again_is_found_though_both_had_refused() {
    for _ in 0..50 {
        let mut rig = Rig::new(vec![cuts_big_ones(1), cuts_big_ones(2)]);
        (0..2).for_each(|server| rig.set_tcp(server, false));
        assert_eq!(rig.ask_patiently("big").rcode, rcode::SERVFAIL);
        rig.set_tcp(1, true);
        assert_eq!(rig.ask_patiently("bigger").records, ["0 bigger. 300 A 2"]);
    }
}

/// With both servers refusing, then with one: no question is sent to and fro.
#[test]
fn long_answers_come_from_the_server_whose_tcp_works() {
    let mut rig = Rig::new(vec![cuts_big_ones(1), cuts_big_ones(2)]);
    (0..2).for_each(|server| rig.set_tcp(server, false));
    assert_eq!(rig.ask_patiently("big").rcode, rcode::SERVFAIL);
    assert!(rig.stats.udp_sent.get() <= 8, "{:?}", rig.stats);
    rig.set_tcp(1, true);
    for number in 0..20 {
        assert_eq!(rig.ask_patiently(&format!("big{number}")).records, [format!("0 big{number}. 300 A 2")]);
    }
    let before = rig.now;
    let tried = rig.stats.tcp_sent.get();
    for number in 20..40 {
        assert_eq!(rig.ask(&format!("big{number}"), rtype::A).records, [format!("0 big{number}. 300 A 2")]);
    }
    assert_eq!((rig.stats.tcp_sent.get(), rig.now), (tried + 20, before), "the other one's TCP is left alone");
    rig.set_tcp(0, true);
    rig.now += Duration::from_secs(11);
    let got: Vec<String> =
        (40..80).map(|number| rig.ask(&format!("big{number}"), rtype::A).records.remove(0)).collect();
    assert!(got.iter().any(|record| record.ends_with("A 1")), "and tried again after a while");
}

#[test]
fn a_reply_is_taken_though_the_next_try_cannot_leave() {
    let tries = Rc::new(RefCell::new(Vec::new()));
    let seen = tries.clone();
    let mut rig = Rig::new(vec![Box::new(move |query| {
        seen.borrow_mut().push((query.answer(1).remove(0), query.from, query.socket.clone()));
        Vec::new()
    })]);
    rig.request("a", rtype::A, false);
    rig.turn();
    while rig.seen(0) < 3 {
        let next = rig.resolver.deadline().unwrap();
        rig.pass(next);
    }
    // From an address that is not this host's: no socket can be opened for the fourth try.
    rig.ask_from(&["192.0.2.1:0"]);
    let next = rig.resolver.deadline().unwrap();
    assert_eq!(rig.pass(next + Duration::from_millis(100)), []);
    assert_eq!((rig.seen(0), rig.troubles.list().len()), (3, 1), "it was to be sent again and could not be");
    let (reply, to, socket) = &tries.borrow()[1];
    socket.send_to(reply, to).unwrap();
    assert_eq!(rig.collect(1, false)[0].records, ["0 a. 300 A 1"]);
    assert_eq!((rig.stats.unwanted.get(), rig.resolver.in_flight()), (0, 0));
}

/// As with link-local servers whose interfaces are made anew, each with an index of its own.
#[test]
fn servers_that_are_named_no_more_leave_their_places_to_others() {
    let mut rig = Rig::new(vec![silent(), answers(1)]);
    let (slow, good) = (rig.address(0), rig.address(1));
    rig.tables.send(Arc::new(table(&[("x", &[0])], &[slow]))).unwrap();
    rig.request("a.x", rtype::A, false);
    rig.turn();
    for index in 1..500 {
        let vanishes: SocketAddr = format!("[fe80::1%{index}]:53").parse().unwrap();
        rig.tables.send(Arc::new(table(&[("gone", &[0]), ("x", &[1])], &[vanishes, good]))).unwrap();
        assert_eq!(rig.ask(&format!("n{index}.x"), rtype::A).records.len(), 1);
        assert!(rig.resolver.server_places() <= 4, "{}", rig.resolver.server_places());
    }
    assert_eq!(rig.collect(1, true)[0].records, ["0 a.x. 300 A 1"], "what waited for a server that went is answered");
}
