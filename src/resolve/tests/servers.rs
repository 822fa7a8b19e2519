//! Servers that answer wrongly, late, or not at all.

use super::super::*;
use super::rig::{Rig, table};
use super::script::{Message, Query, Script, answers, fails, silent};
use crate::dns::{header, put_u16, rcode, rtype};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

#[test]
fn an_answer_comes_back_under_its_ticket() {
    let mut rig = Rig::new(vec![answers(1)]);
    for ticket in 0..3 {
        let got = rig.ask("www.example.com", rtype::A);
        assert_eq!((got.ticket, got.rcode, got.ttl), (ticket, 0, 300));
        assert_eq!(got.records, ["0 www.example.com. 300 A 1"]);
    }
    assert_eq!((rig.stats.udp_sent.get(), rig.stats.replies.get(), rig.stats.failures.get()), (3, 3, 0));
    assert_eq!((rig.resolver.in_flight(), rig.resolver.deadline()), (0, None));
}

#[test]
fn the_query_says_what_was_asked() {
    let script: Script = Box::new(|query: &Query| {
        let edns = query.edns.unwrap();
        assert_eq!(header::flags(&query.octets), header::flag::RD);
        assert_eq!(edns.0, 1232);
        query.answer((edns.1 >> 15) as u8)
    });
    let mut rig = Rig::new(vec![script]);
    assert_eq!(rig.ask("a", rtype::A).records, ["0 a. 300 A 0"]);
    rig.request("a", rtype::A, true);
    assert_eq!(rig.collect(1, false)[0].records, ["0 a. 300 A 1"]);
}

/// Everything a forger or a broken server may send in place of the reply; the true one follows.
#[test]
fn what_is_no_reply_to_the_question_is_passed_over() {
    type Change = fn(&mut Vec<u8>);
    let changes: [Change; 6] = [
        |m| m[1] ^= 1,
        |m| m[2] &= 0x7f,
        |m| m[2] |= 0x28,
        |m| m[13] ^= 1,
        |m| put_u16(m, 12 + 9, rtype::AAAA),
        |m| m.truncate(11),
    ];
    let count = changes.len() as u64;
    let mut rig = Rig::new(vec![Box::new(move |query| {
        let mut replies = Vec::new();
        for change in changes {
            let mut forged = query.answer(66).remove(0);
            change(&mut forged);
            replies.push(forged);
        }
        replies.extend(query.answer(1));
        replies
    })]);
    assert_eq!(rig.ask("abc.def", rtype::A).records, ["0 abc.def. 300 A 1"]);
    assert_eq!(rig.stats.unwanted.get(), count);
}

#[test]
fn a_reply_in_other_letters_is_one() {
    let mut rig = Rig::new(vec![Box::new(|query| {
        let mut reply = query.answer(1).remove(0);
        reply[13] ^= 0x20;
        vec![reply]
    })]);
    assert_eq!(rig.ask("abc.def", rtype::A).records, ["0 abc.def. 300 A 1"]);
    assert_eq!(rig.stats.unwanted.get(), 0);
}

#[test]
fn a_reply_from_elsewhere_does_not_arrive() {
    let mut elsewhere = None;
    let mut rig = Rig::new(vec![Box::new(move |query: &Query| {
        let other = elsewhere.get_or_insert_with(|| UdpSocket::bind("127.0.0.1:0").unwrap());
        // The sender is the only thing wrong with it.
        let _ = other.send_to(&query.answer(66)[0], query.from);
        query.answer(1)
    })]);
    assert_eq!(rig.ask("a", rtype::A).records, ["0 a. 300 A 1"]);
    assert_eq!(rig.stats.unwanted.get(), 0);
}

#[test]
fn a_silent_server_is_passed_over_and_then_avoided() {
    let mut rig = Rig::new(vec![silent(), answers(1)]);
    let mut asked = 0;
    for number in 0..200 {
        assert_eq!(rig.ask_patiently(&format!("n{number}")).rcode, rcode::NOERROR);
        asked = if number == 100 { rig.seen(0) } else { asked };
    }
    assert!(rig.seen(0) > 0, "an unknown server is tried");
    assert!(rig.seen(0) <= asked + 1, "a slow one no more, but for a probe");
}

#[test]
fn silence_everywhere_ends_in_servfail_within_the_patience() {
    let mut rig = Rig::new(vec![silent(), silent()]);
    let got = rig.ask_patiently("a");
    assert_eq!((got.rcode, got.ttl, got.records.len()), (rcode::SERVFAIL, 1, 0));
    assert!((5..=13).contains(&rig.now.as_secs()), "{:?}", rig.now);
    assert!(rig.seen(0) >= 3 && rig.seen(1) >= 3);
    assert_eq!((rig.stats.failures.get(), rig.resolver.in_flight()), (1, 0));
}

#[test]
fn errors_send_the_question_to_the_next_server() {
    for code in [rcode::SERVFAIL, rcode::REFUSED, rcode::NOTIMP, rcode::FORMERR, 9] {
        let mut rig = Rig::new(vec![fails(code), answers(1)]);
        for number in 0..64 {
            let got = rig.ask(&format!("n{number}"), rtype::A);
            assert_eq!((got.rcode, got.records.len()), (0, 1), "{code}");
        }
        assert!(rig.seen(0) > 0 && rig.stats.timeouts.get() == 0);
    }
}

#[test]
fn errors_everywhere_are_servfail() {
    let mut rig = Rig::new(vec![fails(rcode::REFUSED), fails(rcode::SERVFAIL)]);
    assert_eq!(rig.ask("a", rtype::A).rcode, rcode::SERVFAIL);
    assert_eq!((rig.seen(0), rig.seen(1)), (1, 1));
}

#[test]
fn a_closed_port_is_passed_over_at_once() {
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut rig = Rig::new(vec![answers(1)]);
    let addresses = [closed, rig.address(0)];
    rig.tables.send(Arc::new(table(&[(".", &[0, 1])], &addresses))).unwrap();
    for number in 0..30 {
        assert_eq!(rig.ask(&format!("n{number}"), rtype::A).rcode, rcode::NOERROR);
    }
    assert_eq!(rig.stats.timeouts.get(), 0);
    assert!(rig.stats.udp_sent.get() > 30, "the closed one was tried");
    rig.tables.send(Arc::new(table(&[(".", &[0])], &addresses))).unwrap();
    assert_eq!(rig.ask_patiently("a").rcode, rcode::SERVFAIL);
    assert!(rig.now < Duration::from_secs(5));
}

#[test]
fn a_server_without_edns_is_asked_without() {
    let mut rig = Rig::new(vec![Box::new(|query| match query.edns {
        Some(_) => query.fail(rcode::FORMERR),
        None => query.answer(1),
    })]);
    assert_eq!(rig.ask("a", rtype::A).rcode, rcode::NOERROR);
    assert_eq!(rig.seen(0), 3, "a cookie might be the cause: it goes first");
    assert_eq!(rig.ask("b", rtype::A).rcode, rcode::NOERROR);
    assert_eq!(rig.seen(0), 4, "remembered");
    rig.now += Duration::from_secs(901);
    assert_eq!(rig.ask("c", rtype::A).rcode, rcode::NOERROR);
    assert_eq!(rig.seen(0), 7, "but not for ever");
}

#[test]
fn one_servers_refusal_of_edns_is_not_held_against_the_next() {
    let with_edns: Script = Box::new(|query| if query.edns.is_some() { query.answer(1) } else { query.answer(66) });
    let mut rig = Rig::new(vec![fails(rcode::FORMERR), with_edns]);
    for number in 0..20 {
        assert_eq!(rig.ask(&format!("n{number}"), rtype::A).records, [format!("0 n{number}. 300 A 1")]);
    }
    assert!(rig.seen(0) > 1);
}

#[test]
fn a_new_table_takes_over_what_is_in_flight() {
    let mut rig = Rig::new(vec![silent(), answers(2)]);
    let addresses = [rig.address(0), rig.address(1)];
    rig.tables.send(Arc::new(table(&[("x", &[0])], &addresses))).unwrap();
    rig.request("a.x", rtype::A, false);
    rig.turn();
    rig.turn();
    assert_eq!(rig.seen(0), 1);
    rig.tables.send(Arc::new(table(&[("x", &[1])], &addresses))).unwrap();
    assert_eq!(rig.collect(1, true)[0].records, ["0 a.x. 300 A 2"]);
    assert_eq!(rig.ask("elsewhere", rtype::A).rcode, rcode::SERVFAIL, "no zone for it");
    rig.request("b.x", rtype::A, false);
    rig.tables.send(Arc::default()).unwrap();
    rig.resolver.step(rig.now);
    assert_eq!(rig.collect(1, false)[0].rcode, rcode::SERVFAIL);
}

#[test]
fn answers_of_an_uncached_zone_are_told_but_not_to_be_cached() {
    let script: Script = Box::new(|query| match query.name.as_str() {
        "alias." => vec![query.reply().cname("alias", 300, "a.uncached").0],
        "bad.uncached." => query.fail(rcode::REFUSED),
        _ => query.answer(1),
    });
    let mut rig = Rig::with(Options::default(), vec![script], &[(".", &[0]), ("uncached", &[0])], 8);
    let got = rig.ask("a.uncached", rtype::A);
    assert_eq!((got.ttl, got.records.as_slice()), (0, &["0 a.uncached. 300 A 1".to_owned()][..]));
    let got = rig.ask("alias", rtype::A);
    assert_eq!((got.ttl, got.records.len()), (0, 2), "nor a chain that leads there");
    assert_eq!((rig.ask("bad.uncached", rtype::A).ttl, rig.ask("b", rtype::A).ttl), (0, 300));
}

#[test]
fn an_answer_to_what_the_old_table_asked_is_told_but_not_to_be_cached() {
    let mut rig = Rig::new(vec![silent(), fails(rcode::REFUSED), answers(1)]);
    let addresses = [0, 1, 2].map(|server| rig.address(server));
    rig.tables.send(Arc::new(table(&[("x", &[0]), ("fails", &[0])], &addresses))).unwrap();
    for name in ["a.x", "fails"] {
        rig.request(name, rtype::A, false);
    }
    rig.turn();
    rig.turn();
    assert_eq!(rig.seen(0), 2);
    rig.tables.send(Arc::new(table(&[("x", &[2]), ("fails", &[1])], &addresses))).unwrap();
    let mut got = rig.collect(2, true);
    got.sort_by_key(|got| got.ticket);
    assert_eq!((got[0].ttl, got[0].records.as_slice()), (0, &["0 a.x. 300 A 1".to_owned()][..]));
    assert_eq!((got[1].ttl, got[1].rcode), (0, rcode::SERVFAIL));
    assert_eq!(rig.ask("b.x", rtype::A).ttl, 300, "asked since");
}

#[test]
fn a_question_of_a_new_epoch_is_asked_by_the_table_that_was_sent_before_it() {
    let mut rig = Rig::new(vec![answers(1), answers(2)]);
    let addresses = [0, 1].map(|server| rig.address(server));
    rig.tables.send(Arc::new(table(&[("x", &[0])], &addresses))).unwrap();
    // The first is taken from the channel, and only then the second is sent, as when two reloads follow one another.
    rig.resolver.longest_sleep(rig.now, &AtomicBool::new(false));
    rig.tables.send(Arc::new(table(&[("x", &[1])], &addresses))).unwrap();
    rig.epoch += 1;
    let got = rig.ask("a.x", rtype::A);
    assert_eq!((got.ttl, rig.seen(0), rig.seen(1)), (300, 0, 1));
}

#[test]
fn an_empty_reply_is_an_answer() {
    let mut rig = Rig::new(vec![Box::new(|query| vec![query.reply().0])]);
    let got = rig.ask("a", rtype::A);
    assert_eq!((got.rcode, got.ttl, got.records.len(), rig.seen(0)), (rcode::NOERROR, 5, 0, 1), "asked once");
}

#[test]
fn malformed_records_send_the_question_to_the_next_server() {
    let broken: Script = Box::new(|query| {
        let mut reply = query.reply().a(&query.name, 60, 1);
        reply.0.pop();
        vec![reply.0]
    });
    let inside: Script =
        Box::new(|query| vec![query.reply().record(0, &query.name, rtype::MX, 60, &[0, 1, 0xc0, 0xff]).0]);
    for script in [broken, inside] {
        let mut rig = Rig::new(vec![script, Box::new(|query| vec![mx(query).0])]);
        for number in 0..64 {
            assert_eq!(rig.ask(&format!("n{number}"), rtype::MX).rcode, rcode::NOERROR);
        }
        assert!(rig.seen(0) > 0);
    }
}

fn mx(query: &Query) -> Message {
    query.reply().record(0, &query.name, rtype::MX, 60, &[0, 1, 0])
}

#[test]
fn the_thread_answers_and_stops() {
    let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut rig = Rig::new(vec![silent()]);
    rig.tables.send(Arc::new(table(&[(".", &[0])], &[upstream.local_addr().unwrap()]))).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (resolver, flag) = (rig.resolver, stop.clone());
    let thread = std::thread::spawn(move || resolver.run(&flag));
    let request = rig.requests.reserve().unwrap();
    request.set_name(b"\x01a\0");
    (request.qtype, request.qclass, request.ticket) = (1, 1, 7);
    rig.requests.publish();
    let mut buffer = [0; 512];
    let (len, from) = upstream.recv_from(&mut buffer).unwrap();
    upstream.send_to(&Message::reply(&buffer[..len], 3).soa(".", 60, 60).0, from).unwrap();
    while rig.responses.is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(rig.responses.front().map(|response| (response.ticket, response.rcode)), Some((7, 3)));
    stop.store(true, std::sync::atomic::Ordering::Release);
    thread.join().unwrap();
}
