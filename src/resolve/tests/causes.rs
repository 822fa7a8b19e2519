//! What is told of a question that nobody answered.

use super::super::*;
use super::rig::{Rig, table};
use super::script::{Query, Script, fails, silent};
use crate::dns::cause::Why;
use crate::dns::{rcode, rtype};
use std::net::IpAddr;
use std::sync::Arc;

fn told(script: Script) -> Cause {
    let got = Rig::new(vec![script]).ask_patiently("www.example.com");
    assert_eq!(got.rcode, rcode::SERVFAIL);
    got.cause
}

#[test]
fn a_failure_says_what_went_wrong_last_and_where() {
    let cut: Script = Box::new(|query: &Query| {
        let mut reply = query.reply().a(&query.name, 60, 1).0;
        reply.pop();
        vec![reply]
    });
    let server: IpAddr = "127.0.0.1".parse().unwrap();
    for (script, why, code) in [
        (fails(rcode::REFUSED), Why::Rcode, rcode::REFUSED),
        (fails(rcode::YXDOMAIN), Why::Useless, 0),
        (cut, Why::Unreadable, 0),
        (silent(), Why::Silence, 0),
    ] {
        let cause = told(script);
        assert_eq!((cause.why, cause.rcode, cause.server()), (why, code, Some(server)));
    }
    let aliases: Script = Box::new(|query| vec![query.reply().cname(&query.name, 60, &format!("a{}", query.name)).0]);
    assert_eq!(told(aliases), Cause::new(Why::Aliases));
}

#[test]
fn a_zone_without_servers_and_a_name_without_a_zone_say_so() {
    let mut rig = Rig::with(Options::default(), Vec::new(), &[("lan", &[])], 8);
    rig.request("a.lan", rtype::A, false);
    rig.request("a.net", rtype::A, false);
    let mut got = rig.collect(2, true);
    got.sort_by_key(|got| got.ticket);
    assert_eq!((got[0].cause, &got[0].zone[..]), (Cause::new(Why::NoServer), "lan."));
    assert_eq!((got[1].cause, &got[1].zone[..]), (Cause::new(Why::NoZone), ""));
}

#[test]
fn an_answer_in_the_place_of_a_failure_has_no_cause() {
    let mut fails_first = 4;
    let script: Script = Box::new(move |query: &Query| {
        fails_first -= i32::from(fails_first > 0);
        if fails_first > 0 { query.fail(rcode::SERVFAIL) } else { query.answer(1) }
    });
    let mut rig = Rig::with(Options::default(), vec![script], &[(".", &[0])], 2);
    let causes: Vec<bool> = (0..6).map(|_| rig.ask_patiently("a.net").cause == Cause::default()).collect();
    assert_eq!(causes, [false, false, false, true, true, true]);
}

#[test]
fn a_failure_that_waits_is_told_with_its_own_zone_whatever_the_table_is_by_then() {
    for (zones, zone) in [(&[("other", &[0][..]), ("lan", &[0])][..], "lan."), (&[("other", &[0])], "lan.")] {
        let mut rig = Rig::with(Options::default(), vec![silent()], &[("lan", &[0])], 2);
        for number in 0..8 {
            rig.request(&format!("a{number}.lan"), rtype::A, false);
        }
        let mut got = rig.collect(1, true);
        assert!(rig.resolver.in_flight() > 2, "the others wait");
        rig.tables.send(Arc::new(table(zones, &[rig.address(0)]))).unwrap();
        got.extend(rig.collect(8 - got.len(), true));
        let last = got.last().map(|got| (got.cause.why, &got.zone[..]));
        assert_eq!(last, Some((Why::Silence, zone)));
    }
}
