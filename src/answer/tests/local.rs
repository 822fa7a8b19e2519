//! Answers from local data, whatever they are and however long.

use super::rig::{answerer, query, records, wire};
use crate::answer::decide::{Arrival, Decision, Via};
use crate::answer::keepalive::Keepalive;
use crate::answer::policy::Texts;
use crate::dns::header::{self, flag};
use crate::dns::{edns, rcode, rtype};

#[test]
fn local_data_keeps_case_and_rotates() {
    let mut answerer = answerer(|_| {});
    let first = query("MANY.static.Test", rtype::A).edns(1232, 0).ask(&mut answerer, None).message();
    assert_eq!(header::flags(&first), flag::QR | flag::AA | flag::RD | flag::RA);
    assert_eq!(&first[12..30], &wire("MANY.static.Test")[..]);
    let mut other = query("many.static.test", rtype::A).edns(1232, 0);
    other.message[1] ^= 1;
    let second = other.ask(&mut answerer, None).message();
    let (a, b) = (records(&first), records(&second));
    assert_eq!((a.len(), b.len()), (41, 41), "40 addresses and OPT");
    assert_ne!(a[0], b[0]);
    let mut sorted = [a, b].map(|set| set.into_iter().map(|r| r.4).collect::<Vec<_>>());
    sorted.iter_mut().for_each(|set| set.sort());
    assert_eq!(sorted[0], sorted[1]);
}

#[test]
fn what_does_not_fit_is_truncated_by_rrset() {
    let mut answerer = answerer(|_| {});
    let message = query("many.static.test", rtype::A).ask(&mut answerer, None).message();
    assert_eq!(header::flags(&message) & flag::TC, flag::TC);
    assert_eq!(header::counts(&message), [1, 0, 0, 0]);
    let mut stream = query("many.static.test", rtype::A);
    stream.via = Via::Stream;
    assert_eq!(header::counts(&stream.ask(&mut answerer, None).message()), [1, 40, 0, 0]);
    let mut narrow = query("many.static.test", rtype::A).edns(4096, 0);
    narrow.via = Via::Datagram(600);
    assert_eq!(header::flags(&narrow.ask(&mut answerer, None).message()) & flag::TC, flag::TC);
}

#[test]
fn a_reply_too_long_for_its_way_keeps_question_and_opt() {
    let mut answerer = answerer(|policy| policy.max_udp_size = 4096);
    let mut buffer = [0; 4096];
    let query = query("many.static.test", rtype::A).edns(4096, 0).message;
    buffer[..query.len()].copy_from_slice(&query);
    let client = "127.0.0.1:1000".parse().unwrap();
    let arrival = Arrival { client, via: Via::Datagram(4096), local: None, now: 1, keepalive: Keepalive::Silent };
    let Decision::Reply(len) = answerer.decide(&mut buffer, query.len(), arrival, None) else { panic!("a reply") };
    assert!(len > 512);
    let whole = buffer[..len].to_vec();
    let short = crate::answer::shorten(&mut buffer[..len]);
    assert_eq!(short, query.len(), "header, question, OPT");
    assert_eq!(header::counts(&buffer), [1, 0, 0, 1]);
    assert_eq!(header::flags(&buffer), header::flags(&whole) | flag::TC);
    assert_eq!(buffer[12..short - edns::LEN], whole[12..short - edns::LEN], "the question");
    assert_eq!(buffer[short - edns::LEN..short], whole[len - edns::LEN..], "the OPT record");
    let mut broken = whole[..len - 1].to_vec();
    assert_eq!(crate::answer::shorten(&mut broken), len - 1, "no whole message");
}

#[test]
fn chaos_names_answer_unless_hidden() {
    let mut answerer = answerer(|_| {});
    let mut asked = query("id.server", rtype::TXT);
    *asked.message.last_mut().unwrap() = 3;
    let message = asked.ask(&mut answerer, None).message();
    assert_eq!(records(&message)[0].4, b"\x04host");
    let mut lists = super::rig::answerer(|policy| {
        policy.anchors = Some(Texts::new([&b". 20326 38696"[..], b"a. 1"]).into());
    });
    let mut asked = query("trustanchor.unbound", rtype::TXT);
    *asked.message.last_mut().unwrap() = 3;
    let texts: Vec<Vec<u8>> =
        records(&asked.ask(&mut lists, None).message()).into_iter().map(|record| record.4.to_vec()).collect();
    assert_eq!(texts, [&b"\x0d. 20326 38696"[..], b"\x04a. 1"]);
    let mut hidden = query("version.bind", rtype::TXT);
    *hidden.message.last_mut().unwrap() = 3;
    assert_eq!(header::flags(&hidden.ask(&mut answerer, None).message()) & 0xf, rcode::REFUSED);
}
