//! Many questions at once, full rings, no place left, and when the thread may sleep.

use super::super::*;
use super::rig::Rig;
use super::script::{Script, silent};
use crate::dns::{rcode, rtype};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

#[test]
fn many_questions_are_answered_in_any_order() {
    let mut held = Vec::new();
    let script: Script = Box::new(move |query| {
        let number: u16 = query.name[1..].trim_end_matches('.').parse().unwrap();
        held.push((query.answer(number as u8).remove(0), query.from));
        if held.len() == 100 {
            for (reply, from) in held.drain(..).rev() {
                query.socket.send_to(&reply, from).unwrap();
            }
        }
        Vec::new()
    });
    let mut rig = Rig::new(vec![script]);
    (0..3000).for_each(|number| rig.request(&format!("n{number}"), rtype::A, false));
    let got: HashMap<u64, String> =
        rig.collect(3000, false).into_iter().map(|got| (got.ticket, got.records[0].clone())).collect();
    for number in 0..3000u64 {
        assert_eq!(got[&number], format!("0 n{number}. 300 A {}", number as u8));
    }
    assert_eq!((rig.resolver.in_flight(), rig.stats.unwanted.get()), (0, 0));
}

#[test]
fn full_rings_and_states_lose_nothing() {
    let options = Options { questions: 16, ..Options::default() };
    let script: Script = Box::new(|query| match query.name.len() % 2 {
        0 => query.answer(1),
        _ => query.fail(rcode::SERVFAIL),
    });
    let mut rig = Rig::with(options, vec![script], &[(".", &[0])], 2);
    (0..300).for_each(|number| rig.request(&format!("n{number}"), rtype::A, false));
    for _ in 0..200 {
        rig.turn();
        assert!(rig.resolver.in_flight() <= 16);
    }
    assert_eq!(rig.responses.len(), 2, "nobody takes responses");
    let mut tickets: Vec<u64> = rig.collect(300, false).iter().map(|got| got.ticket).collect();
    tickets.sort_unstable();
    assert_eq!(tickets, (0..300).collect::<Vec<u64>>());
}

#[test]
fn fast_questions_get_through_when_slow_ones_take_every_place() {
    let options = Options { questions: 8, ..Options::default() };
    let script: Script = Box::new(|query| match query.name.starts_with("slow") {
        true => Vec::new(),
        false => query.answer(1),
    });
    let mut rig = Rig::with(options, vec![script], &[(".", &[0])], 64);
    (0..8).for_each(|number| rig.request(&format!("slow{number}"), rtype::A, false));
    rig.turn();
    assert_eq!(rig.resolver.deadline(), Some(Duration::from_millis(380)), "there is room for all of them");
    rig.request("fast", rtype::A, false);
    rig.now += Duration::from_millis(199);
    (0..3).for_each(|_| _ = rig.turn());
    assert!(rig.responses.is_empty(), "none has waited for long");
    assert_eq!(rig.resolver.deadline(), Some(Duration::from_millis(200)));
    rig.now += Duration::from_millis(1);
    let got = rig.collect(2, false);
    assert_eq!(
        (got[0].ticket, got[0].rcode, got[0].ttl),
        (4, rcode::SERVFAIL, 0),
        "the oldest but the half that stays"
    );
    assert_eq!((got[1].ticket, got[1].records.as_slice()), (8, &["0 fast. 300 A 1".to_owned()][..]));
    for number in 0..100 {
        assert_eq!(rig.ask(&format!("f{number}"), rtype::A).rcode, rcode::NOERROR, "one place is enough");
    }
    assert_eq!(rig.resolver.in_flight(), 7);
    (0..8).for_each(|number| rig.request(&format!("slower{number}"), rtype::A, false));
    rig.turn();
    let given_up = rig.collect(3, false);
    assert_eq!(given_up.iter().map(|got| got.ticket).collect::<Vec<_>>(), [5, 6, 7]);
    assert_eq!(rig.resolver.in_flight(), 8, "who came last waits");
}

#[test]
fn nothing_that_is_left_to_do_is_slept_over() {
    let idle = AtomicBool::new(false);
    let no_zone = |rig: &mut Rig| (0..4).for_each(|number| rig.request(&format!("n{number}"), rtype::A, false));
    let mut rig = Rig::with(Options::default(), vec![silent()], &[("x", &[0])], 2);
    assert_eq!(rig.resolver.longest_sleep(rig.now, &idle), Duration::from_secs(1));
    assert_eq!(rig.resolver.longest_sleep(rig.now, &AtomicBool::new(true)), Duration::ZERO, "the end");
    no_zone(&mut rig);
    assert_eq!(rig.resolver.longest_sleep(rig.now, &idle), Duration::ZERO, "requests");
    rig.resolver.step(rig.now);
    rig.resolver.step(rig.now);
    assert!(rig.responses.front().is_some());
    rig.responses.release();
    assert_eq!(rig.resolver.longest_sleep(rig.now, &idle), Duration::ZERO, "room for responses");
    assert_eq!(rig.collect(3, false).len(), 3);
    assert_eq!(rig.resolver.longest_sleep(rig.now, &idle), Duration::from_secs(1));
    rig.tables.send(Arc::default()).unwrap();
    assert_eq!(rig.resolver.longest_sleep(rig.now, &idle), Duration::ZERO, "a table");
    rig.resolver.step(rig.now);
    assert_eq!(rig.resolver.longest_sleep(rig.now, &idle), Duration::from_secs(1), "which is in force now");
}

/// Between a ringer's look at the sleeper and its system call the sleeper may have woken by something else.
#[test]
fn a_bell_that_rings_late_does_not_ring_for_ever() {
    let mut rig = Rig::with(Options::default(), vec![silent()], &[("x", &[0])], 2);
    rig.bell.arm();
    rig.bell.ring();
    assert!(rig.resolver.poll(Duration::ZERO));
    rig.resolver.step(rig.now);
    assert!(!rig.resolver.poll(Duration::ZERO), "it was heard");
}
