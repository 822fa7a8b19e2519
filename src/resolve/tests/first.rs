//! Zones whose servers are only asked first (`forward-first:`).

use super::super::core::{Command, Input};
use super::super::*;
use super::iterate::{Internet, example};
use super::script::wire;
use crate::dns::{Name, header, rcode, rtype};
use std::sync::Arc;
use std::time::Duration;

/// The internet of the example, behind a forwarder that says nothing.
fn behind_silence(options: Options) -> Internet {
    let mut internet = example(options, false);
    let servers = vec!["203.0.113.9:53".parse().unwrap()];
    let zone = Zone { servers, first: true, ..Zone::forward(wire(".")) };
    let table = ZoneTable::new(vec![zone], Reachable::default());
    internet.put(Input::Command(Command::Table(Arc::new(table))));
    internet
}

#[test]
fn a_silent_forwarder_leaves_time_for_the_root() {
    let mut internet = behind_silence(Options::default());
    let began = internet.now;
    let (code, ..) = internet.ask("www.example.com", rtype::A);
    assert_eq!(code, rcode::NOERROR);
    assert!(internet.now - began < Duration::from_secs(4), "{:?}", internet.now - began);
}

/// What a question of the example costs in time when it is first asked by these zones.
fn time_behind(zones: Vec<Zone>, options: Options) -> Duration {
    let mut internet = example(options, false);
    internet.put(Input::Command(Command::Table(Arc::new(ZoneTable::new(zones, Reachable::default())))));
    let began = internet.now;
    let (code, _, asked) = internet.ask("www.example.com", rtype::A);
    assert_eq!(code, rcode::NOERROR, "{asked:?} {:?}", internet.now - began);
    internet.now - began
}

#[test]
fn a_stream_that_never_opens_leaves_time_for_the_root() {
    let servers = vec!["203.0.113.9:53".parse().unwrap()];
    let zone = Zone { servers, first: true, tcp: true, ..Zone::forward(wire(".")) };
    let streams = StreamOptions { wait: Duration::from_secs(20), ..StreamOptions::default() };
    let took = time_behind(vec![zone], Options { streams, ..Options::default() });
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_forwarder_that_is_not_found_leaves_time_for_the_root() {
    let host = Name::from_text("ns.silent").unwrap();
    let zone = Zone { hosts: vec![host], first: true, ..Zone::forward(wire(".")) };
    let silent = Zone { servers: vec!["203.0.113.9:53".parse().unwrap()], ..Zone::forward(wire("silent")) };
    let took = time_behind(vec![zone, silent], Options::default());
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_forwarder_by_name_is_looked_up_before_the_root_is_asked() {
    let mut internet = example(Options::default(), false);
    let host = Name::from_text("ns.elsewhere").unwrap();
    let zone = Zone { hosts: vec![host], first: true, ..Zone::forward(wire(".")) };
    let elsewhere = Zone { servers: vec!["203.0.113.9:53".parse().unwrap()], ..Zone::forward(wire("elsewhere")) };
    let table = ZoneTable::new(vec![zone, elsewhere], Reachable::default());
    internet.put(Input::Command(Command::Table(Arc::new(table))));
    internet.request(1, "www.example.com", rtype::A);
    let asked = &internet.world.sent_to;
    assert!(!asked.is_empty() && asked.iter().all(|at| at.ip().to_string() == "203.0.113.9"), "{asked:?}");
}

#[test]
fn a_zone_that_is_left_leaves_the_one_above_it() {
    let mut internet = example(Options::default(), false);
    let zone = |name: &str, server: &str, first| {
        let servers = vec![server.parse().unwrap()];
        Zone { servers, first, ..Zone::forward(wire(name)) }
    };
    let zones = vec![zone("example.com", "203.0.113.9:53", true), zone("com", "203.0.113.8:53", false)];
    internet.put(Input::Command(Command::Table(Arc::new(ZoneTable::new(zones, Reachable::default())))));
    internet.ask("www.example.com", rtype::A);
    let asked: Vec<String> = internet.world.sent_to.iter().map(|at| at.ip().to_string()).collect();
    let turn = asked.iter().position(|at| at == "203.0.113.8").expect("the zone above is asked");
    assert!(asked[..turn].iter().all(|at| at == "203.0.113.9"), "{asked:?}");
    assert!(asked[turn..].iter().all(|at| at == "203.0.113.8"), "{asked:?}");
}

#[test]
fn who_asks_where_the_forwarder_is_dead_does_not_wait_for_it() {
    let mut internet = behind_silence(Options::default());
    for number in 0..6 {
        internet.ask(&format!("n{number}.example.com"), rtype::A);
    }
    let began = internet.now;
    for number in 0..20 {
        let (code, ..) = internet.ask(&format!("m{number}.example.com"), rtype::A);
        assert_eq!(code, rcode::NXDOMAIN);
    }
    assert!(internet.now - began < Duration::from_secs(1), "{:?}", internet.now - began);
    let sent = internet.world.sent.len();
    for number in 0..3 {
        internet.now += Duration::from_secs(2);
        internet.ask(&format!("p{number}.example.com"), rtype::A);
        internet.ask(&format!("q{number}.example.com"), rtype::A);
    }
    let probes = internet.world.sent[sent..].iter().filter(|(.., query)| header::flags(query) & header::flag::RD != 0);
    assert_eq!(probes.count(), 3, "one is sent beside in two seconds, to see whether it is back");
}

#[test]
fn who_is_given_up_for_others_is_answered_all_the_same() {
    let mut internet = behind_silence(Options { questions: 8, ..Options::default() });
    for ticket in 0..40 {
        internet.request(ticket, &format!("n{ticket}.example.com"), rtype::A);
        while internet.serve() {}
    }
    while internet.serve() || internet.core.due(false).is_some() {
        if let Some(due) = internet.core.due(false) {
            internet.now = internet.now.max(due);
            internet.put(Input::Due);
        }
    }
    let mut tickets: Vec<u64> = internet.world.answers.iter().map(|&(ticket, ..)| ticket).collect();
    tickets.sort_unstable();
    assert_eq!(tickets, (0..40).collect::<Vec<_>>());
    assert_eq!(internet.core.in_flight(), 0);
}
