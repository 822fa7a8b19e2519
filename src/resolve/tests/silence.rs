//! Servers that are silent for a while, slow, or silent about some names: what their clients get, and when.

use super::super::*;
use super::rig::{Got, Rig, table};
use super::script::{Script, answers, silent};
use crate::dns::{put_u16, rcode, rtype};
use std::cell::Cell;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const MS: fn(u64) -> Duration = Duration::from_millis;
const S: fn(u64) -> Duration = Duration::from_secs;

/// Silent until `end`, then it answers.
fn silent_until(end: Duration) -> Script {
    Box::new(move |query| if query.now < end { Vec::new() } else { query.answer(1) })
}

/// Says nothing of names that start with "hole".
fn with_holes() -> Script {
    Box::new(|query| if query.name.starts_with("hole") { Vec::new() } else { query.answer(1) })
}

/// Asks for one name per moment, in order; gives for each when it was asked, when it was answered, and the answer.
fn ask_at(rig: &mut Rig, questions: &[(Duration, String)]) -> Vec<(Duration, Duration, Got)> {
    let mut came = Vec::new();
    for (at, name) in questions {
        came.extend(rig.pass(*at));
        rig.request(name, rtype::A, false);
    }
    let end = rig.now + S(13);
    came.extend(rig.pass(end));
    assert_eq!(came.len(), questions.len(), "every question ends");
    let mut came: Vec<_> = came.into_iter().map(|(at, got)| (questions[got.ticket as usize].0, at, got)).collect();
    came.sort_by_key(|(_, _, got)| got.ticket);
    came
}

#[test]
fn a_server_that_comes_back_answers_every_name_again() {
    let back = S(28);
    let mut rig = Rig::new(vec![silent_until(back)]);
    let names = |number: u64| (MS(number * 250), format!("n{number}"));
    for (asked, at, got) in ask_at(&mut rig, &(0..200).map(names).collect::<Vec<_>>()) {
        let late = at.saturating_sub(asked.max(back));
        match got.rcode {
            rcode::NOERROR => assert!(late <= MS(300), "asked {asked:?}, answered {at:?}"),
            _ => {
                assert!(asked + S(12) <= back + MS(20), "asked {asked:?}, given up {at:?}");
                assert!(got.ttl <= 1, "a name is asked again soon: {got:?}");
            }
        }
    }
    assert!(rig.seen(0) < 200 * 8, "{}", rig.seen(0));
}

/// Nobody asks anything new, so only the repetitions can tell that the server is back.
#[test]
fn a_server_that_comes_back_is_noticed_within_seconds() {
    for back in (1_000..11_000).step_by(500).map(MS) {
        let mut rig = Rig::new(vec![silent_until(back)]);
        let (_, at, got) = ask_at(&mut rig, &[(S(0), "a".into())]).remove(0);
        assert_eq!(got.rcode, rcode::NOERROR, "back at {back:?}");
        assert!(at <= back + S(3) + MS(20), "back at {back:?}, answered {at:?}");
    }
}

#[test]
fn a_name_that_is_never_answered_harms_no_other() {
    let mut rig = Rig::new(vec![with_holes()]);
    let mut questions = Vec::new();
    for second in 0..60u64 {
        if second % 13 == 0 {
            questions.push((S(second), "hole".to_owned()));
        }
        if second > 11 {
            questions.push((S(second) + MS(500), format!("n{second}")));
        }
    }
    for (asked, at, got) in ask_at(&mut rig, &questions) {
        match questions[got.ticket as usize].1.as_str() {
            "hole" => assert_eq!(got.rcode, rcode::SERVFAIL),
            _ => assert_eq!((got.rcode, at), (rcode::NOERROR, asked)),
        }
    }
}

#[test]
fn a_client_that_asks_what_nobody_answers_takes_nothing_from_others() {
    let mut rig = Rig::new(vec![with_holes()]);
    let mut questions: Vec<_> = (0..3_000).map(|number| (MS(number * 10), format!("hole{number}"))).collect();
    questions.extend((0..200).map(|number| (S(15) + MS(number * 65), format!("n{number}"))));
    questions.sort();
    for (asked, at, got) in ask_at(&mut rig, &questions) {
        if questions[got.ticket as usize].1.starts_with('n') {
            assert_eq!((got.rcode, at), (rcode::NOERROR, asked));
        }
    }
}

#[test]
fn nor_does_it_when_the_server_was_away() {
    let back = S(20);
    let mut rig = Rig::new(vec![Box::new(move |query| match query.now < back || query.name.starts_with("hole") {
        true => Vec::new(),
        false => query.answer(1),
    })]);
    let mut questions: Vec<_> = (0..2_500).map(|number| (MS(number * 10), format!("hole{number}"))).collect();
    questions.extend((0..40).map(|number| (S(10) + MS(number * 250), format!("n{number}"))));
    questions.sort();
    for (asked, at, got) in ask_at(&mut rig, &questions) {
        if questions[got.ticket as usize].1.starts_with('n') {
            assert_eq!(got.rcode, rcode::NOERROR, "asked {asked:?}");
            assert!(at <= asked.max(back) + MS(500), "asked {asked:?}, answered {at:?}");
        }
    }
}

#[test]
fn a_reply_that_takes_three_seconds_is_taken_after_three_seconds() {
    let slow: Script = Box::new(|query| query.later(S(3), query.answer(1)));
    let mut rig = Rig::new(vec![slow]);
    let questions: Vec<_> = (0..8).map(|number| (S(number * 5), format!("n{number}"))).collect();
    for (asked, at, got) in ask_at(&mut rig, &questions) {
        assert_eq!((got.rcode, at - asked), (rcode::NOERROR, S(3)), "{}", got.ticket);
    }
    assert!(rig.seen(0) < 20, "it is not asked more and more often: {}", rig.seen(0));
}

#[test]
fn a_reply_is_taken_while_another_server_is_asked() {
    for slow in 0..3 {
        let script: Script = Box::new(|query| query.later(S(2), query.answer(1)));
        let mut scripts = vec![silent(), silent(), silent()];
        scripts[slow] = script;
        let mut rig = Rig::new(scripts);
        let (_, at, got) = ask_at(&mut rig, &[(S(0), "a".into())]).remove(0);
        assert_eq!(got.records, ["0 a. 300 A 1"]);
        assert!(at <= S(2) + 2 * MS(400), "{at:?}");
    }
}

/// The ID of one try does not fit the port of another.
#[test]
fn a_reply_must_match_one_try_in_full() {
    let mut tries: Vec<(u16, SocketAddr)> = Vec::new();
    let mut rig = Rig::new(vec![Box::new(move |query| {
        tries.push((crate::dns::get_u16(&query.octets, 0).unwrap(), query.from));
        let (forged, right) = (query.answer(66).remove(0), query.answer(1).remove(0));
        let ports = tries.iter().map(|&(_, from)| from).collect::<std::collections::BTreeSet<_>>().len();
        if ports < 3 {
            return Vec::new();
        }
        for (one, &(id, _)) in tries.iter().enumerate() {
            for &(_, from) in tries.iter().filter(|&&(_, from)| from != tries[one].1) {
                let mut forged = forged.clone();
                put_u16(&mut forged, 0, id);
                query.socket.send_to(&forged, from).unwrap();
            }
        }
        let mut first = right;
        put_u16(&mut first, 0, tries[0].0);
        query.socket.send_to(&first, tries[0].1).unwrap();
        Vec::new()
    })]);
    assert_eq!(rig.ask_patiently("a").records, ["0 a. 300 A 1"]);
    rig.pass(S(20));
    assert!(rig.stats.unwanted.get() >= 6, "{:?}", rig.stats);
    assert_eq!((rig.stats.replies.get(), rig.resolver.in_flight()), (1, 0));
}

#[test]
fn a_refused_port_ends_a_question_within_a_second() {
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut rig = Rig::new(vec![silent()]);
    rig.tables.send(Arc::new(table(&[(".", &[0])], &[closed]))).unwrap();
    let (_, at, got) = ask_at(&mut rig, &[(S(0), "a".into())]).remove(0);
    assert!(got.rcode == rcode::SERVFAIL && at < S(1), "{at:?}");
    assert!(rig.stats.udp_sent.get() > 1, "one that is being restarted is back soon");
}

#[test]
fn a_refused_port_sends_the_question_on_at_once() {
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut rig = Rig::new(vec![silent_until(S(4))]);
    let addresses = [closed, rig.address(0)];
    rig.tables.send(Arc::new(table(&[(".", &[0, 1])], &addresses))).unwrap();
    let (_, at, got) = ask_at(&mut rig, &[(S(0), "a".into())]).remove(0);
    assert!(got.rcode == rcode::NOERROR && at < S(8), "the other one is waited for: {at:?}");
}

#[test]
fn what_was_not_sent_is_not_cached_as_a_failure() {
    let mut rig = Rig::with(Options::default(), vec![answers(1)], &[("x", &[0]), ("empty", &[])], 8);
    for name in ["elsewhere", "a.empty"] {
        let got = rig.ask(name, rtype::A);
        assert_eq!((got.rcode, got.ttl), (rcode::SERVFAIL, 0), "{name}");
    }
    let mut rig = Rig::new(vec![answers(1)]);
    rig.ask_from(&["192.0.2.1:0"]);
    let (_, at, got) = ask_at(&mut rig, &[(S(0), "a".into())]).remove(0);
    assert_eq!((got.rcode, got.ttl, rig.seen(0)), (rcode::SERVFAIL, 0, 0));
    assert!(at < S(1), "{at:?}");
}

#[test]
fn a_server_that_comes_back_is_found_while_another_answers() {
    let delay = MS(700);
    let slow: Script = Box::new(move |query| query.later(delay, query.answer(2)));
    let away = Rc::new(Cell::new(true));
    let switch = away.clone();
    let mut rig = Rig::new(vec![Box::new(move |query| if switch.get() { Vec::new() } else { query.answer(1) }), slow]);
    let questions = |from: u64| (0..20).map(|number| (S(from + number), format!("n{number}"))).collect::<Vec<_>>();
    ask_at(&mut rig, &questions(0));
    let before = rig.seen(0);
    away.set(false);
    let mut rig_names = Vec::new();
    for (at, name) in questions(40) {
        rig_names.extend(rig.pass(at));
        rig.request(&name, rtype::A, false);
    }
    rig_names.extend(rig.pass(S(80)));
    let fast = rig_names.iter().filter(|(_, got)| got.records[0].ends_with("A 1")).count();
    assert!(fast >= 18, "{fast} of {} from the faster one, which saw {} before", rig_names.len(), before);
    assert_eq!(rig.resolver.in_flight(), 0);
}
