//! Errors are reported to the agents that servers name (RFC 9567).

use super::super::Options;
use super::iterate::{Internet, ROOT, Zone, com, reply, root};
use super::script::wire;
use crate::dns::{rcode, rtype};
use std::time::Duration;

/// A server that refuses every name, and names an agent.
fn refuses(agent: &'static str) -> Zone {
    Box::new(move |_, _, query| {
        let name = wire(agent);
        let option = [&[0, 18, 0, name.len() as u8], &name[..]].concat();
        Some(reply(query, rcode::REFUSED).record(2, ".", rtype::OPT, 0, &option).0)
    })
}

/// The agent: it has every name.
fn listens() -> Zone {
    Box::new(|name, qtype, query| {
        Some(match qtype {
            rtype::TXT => reply(query, 0).record(0, name, rtype::TXT, 300, b"\x02ok").0,
            _ => reply(query, 0).soa("agent.com.", 3600, 300).0,
        })
    })
}

const CUTS: &[(&str, &str, Option<&str>)] =
    &[("example.com.", "ns.example.com.", Some("198.51.100.3")), ("agent.com.", "ns.agent.com.", Some("198.51.100.4"))];

fn internet(reports_errors: bool, agent: &'static str) -> Internet {
    let servers = vec![
        (ROOT, root(&[("com.", "ns.com.", Some("198.51.100.2"))])),
        ("198.51.100.2", com(CUTS)),
        ("198.51.100.3", refuses(agent)),
        ("198.51.100.4", listens()),
    ];
    Internet::of(Options { reports_errors, ..Options::default() }, false, servers)
}

/// What is asked for a name and after its answer, of the agent.
fn reported(internet: &mut Internet, name: &str, qtype: u16) -> Vec<String> {
    let (code, _, mut asked) = internet.ask(name, qtype);
    assert_eq!(code, rcode::SERVFAIL);
    while internet.serve() {}
    asked.extend(internet.take_asked());
    asked.retain(|query| query.ends_with("@198.51.100.4"));
    asked
}

#[test]
fn what_failed_is_reported_once_in_a_while() {
    let mut internet = internet(true, "er.agent.com");
    let report = |name: &str| vec![format!("_er.1.{name}.example.com.22._er.er.agent.com. 16 @198.51.100.4")];
    assert_eq!(reported(&mut internet, "www.example.com", rtype::A), report("www"));
    assert_eq!(reported(&mut internet, "www.example.com", rtype::A), [""; 0], "known, and reported");
    assert_eq!(reported(&mut internet, "ftp.example.com", rtype::A), report("ftp"));
    assert_eq!(reported(&mut internet, "_er.1.x.22._er.example.com", rtype::TXT), [""; 0], "a report itself");
    internet.now += Duration::from_secs(400);
    assert_eq!(reported(&mut internet, "www.example.com", rtype::A), report("www"), "a while later");
    assert_eq!(internet.core.in_flight(), 0, "nothing is left behind");
}

#[test]
fn nothing_is_reported_without_the_option_or_an_agent() {
    assert_eq!(reported(&mut internet(false, "er.agent.com"), "www.example.com", rtype::A), [""; 0]);
    assert_eq!(reported(&mut internet(true, "."), "www.example.com", rtype::A), [""; 0]);
}

#[test]
fn an_agent_in_the_zone_that_fails_has_no_report_follow_a_report() {
    let mut internet = internet(true, "er.example.com");
    let (code, _, first) = internet.ask("www.example.com", rtype::A);
    assert_eq!(code, rcode::SERVFAIL);
    for _ in 0..100 {
        internet.serve();
    }
    let asked = [first, internet.take_asked()].concat();
    let reports = asked.iter().filter(|query| query.contains("_er.er.example.com.")).count();
    assert!((1..=4).contains(&reports), "{asked:?}");
    assert!(asked.iter().all(|query| query.matches("_er.1").count() <= 1), "{asked:?}");
}
