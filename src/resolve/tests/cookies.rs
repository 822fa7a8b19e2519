//! DNS cookies towards servers, without a kernel and with one.

use super::super::*;
use super::core::{Alone, OTHER, SERVER};
use super::rig::Rig;
use super::script::{Message, Query, Script};
use crate::dns::record::Record;
use crate::dns::{edns, header, question::Question, rcode, rtype};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

/// The cookie of a query; empty: it has none.
fn cookie(query: &[u8]) -> Vec<u8> {
    let end = Question::parse(query).unwrap().end();
    let Some(opt) = Record::at(query, end) else { return Vec::new() };
    assert_eq!((opt.rtype, opt.end()), (rtype::OPT, query.len()));
    let data = &query[opt.rdata];
    if data.is_empty() {
        return Vec::new();
    }
    assert_eq!(data[..3], [0, edns::COOKIE as u8, 0]);
    assert_eq!(usize::from(data[3]), data.len() - 4);
    data[4..].to_vec()
}

/// A reply with an OPT record and this cookie, if any; `code` of 12 bits.
fn reply(query: &[u8], code: u16, cookie: &[u8]) -> Message {
    let mut message = Message::reply(query, code & 0xf);
    if code == rcode::NOERROR {
        message = message.a("www.example", 300, 1);
    }
    let mut opt = vec![0, 0, 41, 4, 208, (code >> 4) as u8, 0, 0, 0, 0, 0];
    if !cookie.is_empty() {
        opt[10] = 4 + cookie.len() as u8;
        opt.extend([0, edns::COOKIE as u8, 0, cookie.len() as u8]);
        opt.extend(cookie);
    }
    message.0.extend(opt);
    let [one, two, three, additional] = header::counts(&message.0);
    header::set_counts(&mut message.0, [one, two, three, additional + 1]);
    message
}

/// A server that has answered once with a cookie, and that cookie.
fn acquainted(options: Options) -> (Alone, Vec<u8>) {
    let mut alone = Alone::new(options, &[SERVER]);
    alone.ask(1, "www.example");
    let query = alone.last().1;
    let whole = [cookie(&query), vec![0x5e; 16]].concat();
    assert_eq!(whole.len(), 24);
    alone.answer(reply(&query, rcode::NOERROR, &whole));
    assert_eq!(alone.world.answers, [(1, rcode::NOERROR, 1)]);
    (alone, whole)
}

#[test]
fn a_reply_without_the_cookie_is_not_taken_once_the_server_has_sent_one() {
    let (mut alone, whole) = acquainted(Options::default());
    alone.ask(2, "www.example");
    let query = alone.last().1;
    assert_eq!(cookie(&query), whole);
    let mut forged = whole.clone();
    forged[7] ^= 1;
    alone.answer(reply(&query, rcode::NOERROR, &forged));
    assert!(alone.world.answers.len() == 1 && alone.world.streams.is_empty(), "another's cookie is a forger's");
    alone.answer(reply(&query, rcode::NOERROR, &[]));
    assert_eq!((alone.world.answers.len(), alone.world.streams.len()), (1, 1), "without one TCP is asked");
    alone.answer(reply(&query, rcode::NOERROR, &whole));
    assert_eq!(alone.world.answers[1..], [(2, rcode::NOERROR, 1)], "the true one is taken all the same");
    assert_eq!(alone.core.in_flight(), 0);
}

#[test]
fn without_tcp_the_true_reply_is_waited_for() {
    let (mut alone, whole) = acquainted(Options { tcp_connections: 0, ..Options::default() });
    alone.ask(2, "www.example");
    let query = alone.last().1;
    alone.answer(reply(&query, rcode::SERVFAIL, &[]));
    assert_eq!(alone.world.sent.len(), 2);
    alone.answer(reply(&query, rcode::NOERROR, &whole));
    assert_eq!(alone.world.answers[1..], [(2, rcode::NOERROR, 1)]);
}

#[test]
fn a_server_that_wants_another_cookie_is_asked_again_with_it_and_then_over_tcp() {
    let mut alone = Alone::new(Options::default(), &[SERVER, OTHER]);
    alone.ask(1, "www.example");
    let (slot, query) = alone.last();
    let server = alone.world.udp[&slot].server;
    let wanted = [cookie(&query), vec![1; 8]].concat();
    alone.answer(reply(&query, rcode::BADCOOKIE, &wanted));
    let (slot, query) = alone.last();
    assert_eq!((alone.world.sent.len(), alone.world.udp[&slot].server, cookie(&query)), (2, server, wanted.clone()));
    let newer = [&wanted[..8], &[2; 8]].concat();
    alone.answer(reply(&query, rcode::BADCOOKIE, &newer));
    assert_eq!((alone.world.sent.len(), alone.world.streams.len()), (2, 1));
    let slot = *alone.world.streams.keys().next().unwrap();
    let query = alone.world.streamed[&slot][2..].to_vec();
    assert_eq!((alone.world.streams[&slot].server, cookie(&query)), (server, Vec::new()), "TCP needs none");
    let octets = reply(&query, rcode::NOERROR, &[]).0;
    let framed = [&(octets.len() as u16).to_be_bytes(), &octets[..]].concat();
    alone.put(Input::StreamData { slot, octets: &framed });
    assert_eq!(alone.world.answers, [(1, rcode::NOERROR, 1)]);
}

#[test]
fn a_server_that_takes_no_cookies_is_asked_without_and_keeps_its_edns() {
    let mut alone = Alone::new(Options::default(), &[SERVER]);
    alone.ask(1, "www.example");
    let query = alone.last().1;
    assert_eq!(cookie(&query).len(), 8);
    alone.answer(Message::reply(&query, rcode::FORMERR));
    for ticket in 1..3 {
        let query = alone.last().1;
        assert_eq!((alone.world.sent.len(), cookie(&query)), (ticket + 1, Vec::new()));
        assert_eq!(header::counts(&query)[3], 1, "with EDNS");
        alone.answer(reply(&query, rcode::NOERROR, &[]));
        alone.ask(ticket as u64 + 1, "www.example");
    }
    alone.answer(Message::reply(&alone.last().1, rcode::FORMERR));
    assert_eq!(alone.world.sent.len(), 4, "a server that has shown EDNS has another reason");
    assert_eq!(alone.world.answers.last(), Some(&(3, rcode::SERVFAIL, 0)));
    alone.now += Duration::from_secs(900);
    alone.ask(9, "www.example");
    assert_eq!(cookie(&alone.last().1).len(), 8, "once more after a while");
}

#[test]
fn what_is_lost_is_sent_again_without_a_cookie_and_smaller() {
    let mut alone = Alone::new(Options { edns_size: 4096, ..Options::default() }, &[SERVER]);
    alone.ask(1, "www.example");
    let size = |query: &[u8]| Record::at(query, Question::parse(query).unwrap().end()).unwrap().class;
    let query = alone.last().1;
    assert_eq!((size(&query), cookie(&query).len()), (4096, 8));
    alone.wait();
    let query = alone.last().1;
    assert_eq!((alone.world.sent.len(), size(&query), cookie(&query).len()), (2, 1232, 0));
    alone.answer(reply(&query, rcode::NOERROR, &[]));
    alone.ask(2, "www.example");
    let query = alone.last().1;
    assert_eq!((size(&query), cookie(&query).len()), (4096, 0));
}

#[test]
fn switched_off_no_cookie_is_sent() {
    let mut alone = Alone::new(Options { cookies: false, ..Options::default() }, &[SERVER]);
    alone.ask(1, "www.example");
    assert_eq!(cookie(&alone.last().1), []);
}

#[test]
fn those_who_are_to_know_who_asks_are_told() {
    let client_strings = ClientStrings::new(65001, [("192.0.2.0".parse().unwrap(), 24, b"me".to_vec())]);
    let options = Options { cookies: false, client_strings, ..Options::default() };
    let mut alone = Alone::new(options.clone(), &[SERVER]);
    alone.ask(1, "www.example");
    assert!(alone.last().1.ends_with(&[0, 6, 0xfd, 0xe9, 0, 2, b'm', b'e']));
    let mut alone = Alone::new(options, &[OTHER]);
    alone.ask(1, "www.example");
    assert!(alone.last().1.ends_with(&[0, 0]));
}

/// With sockets of the kernel: each of our addresses has a cookie of its own, and keeps it.
#[test]
fn a_server_with_cookies_is_asked_from_two_addresses() {
    let seen = Rc::new(RefCell::new(BTreeSet::new()));
    let saw = seen.clone();
    let script: Script = Box::new(move |query: &Query| {
        let own = cookie(&query.octets);
        saw.borrow_mut().insert((query.from.ip(), own[..8].to_vec(), own.len()));
        vec![reply(&query.octets, rcode::NOERROR, &[&own[..8], &[3; 8]].concat()).0]
    });
    let mut rig = Rig::new(vec![script]);
    rig.ask_from(&["127.0.0.8:0", "127.0.0.9:0"]);
    for _ in 0..64 {
        rig.request("www.example", rtype::A, false);
        assert_eq!(rig.collect(1, false)[0].rcode, rcode::NOERROR);
    }
    let seen = seen.borrow();
    let cookies: BTreeSet<_> = seen.iter().map(|(_, client, _)| client).collect();
    assert_eq!((seen.len(), cookies.len()), (4, 2), "bare once and whole ever after, from each: {seen:?}");
}
