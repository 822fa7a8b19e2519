//! Lookups of name servers: what they may take from clients, what one question may cost with them, whom they tell.

use super::super::core::{Command, Input};
use super::super::{Options, Reachable, ZoneTable};
use super::iterate::{Internet, ROOT, Zone, refer, reply, root, zone};
use super::script::{Message, wire};
use crate::dns::{header, rcode, rtype};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

const EVIL: &str = "198.51.100.3";
const GOOD: &str = "198.51.100.4";
const SILENT: [u8; 4] = [198, 51, 100, 9];

/// A referral to a name server with this glue, and to others without.
fn refer_to_many(query: &[u8], cut: &str, glue: [u8; 4], names: &[String]) -> Vec<u8> {
    let mut message = Message::reply(query, 0);
    header::set_flags(&mut message.0, header::flag::QR);
    let first = format!("g.{cut}");
    for name in names.iter().chain([&first]) {
        message = message.record(1, cut, rtype::NS, 3600, &wire(name));
    }
    message.record(2, &first, rtype::A, 3600, &glue).0
}

/// The last labels of a name.
fn last(name: &str, labels: usize) -> String {
    let all: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    format!("{}.", all[all.len().saturating_sub(labels)..].join("."))
}

/// Every name two labels down is in a zone with one silent server, and eight more in zones like it that nobody knows yet.
fn evil() -> Zone {
    let count = Cell::new(0);
    Box::new(move |name, _, query| {
        if name == "ns.evil." {
            return Some(reply(query, 0).soa("evil.", 3600, 300).0);
        }
        let new = |_| {
            count.set(count.get() + 1);
            format!("n.y{}.evil", count.get())
        };
        let names: Vec<String> = (0..8).map(new).collect();
        Some(refer_to_many(query, &last(name, 2), SILENT, &names))
    })
}

fn evil_and_good(questions: usize) -> Internet {
    let servers = vec![
        (ROOT, root(&[("evil.", "ns.evil.", Some(EVIL)), ("good.", "ns.good.", Some(GOOD))])),
        (EVIL, evil()),
        (GOOD, zone("good.", &[("www.good.", [192, 0, 2, 1])])),
    ];
    let mut internet = Internet::of(Options { questions, ..Options::default() }, false, servers);
    internet.core.options.iteration.fetch_policy = vec![3, 2, 1, 0, 0];
    internet
}

#[test]
fn lookups_leave_clients_their_states() {
    let mut internet = evil_and_good(16);
    for number in 0..6 {
        internet.request(7, &format!("q.x{number}.evil"), rtype::A);
        while internet.serve() {}
    }
    assert!(internet.core.in_flight() <= 6 + 16, "{} in flight", internet.core.in_flight());
    assert!(internet.core.can_take(internet.now), "{} in flight", internet.core.in_flight());
    assert_eq!(internet.ask("www.good", rtype::A).0, rcode::NOERROR);
    internet.run_dry();
}

#[test]
fn lookups_ahead_and_old_ones_give_way_to_those_that_are_waited_for() {
    let glueless =
        root(&[("evil.", "ns.evil.", Some(EVIL)), ("good.", "ns.good.", Some(GOOD)), ("gl.", "ns2.good.", None)]);
    let gl = zone("gl.", &[("www.gl.", [192, 0, 2, 2])]);
    let good = zone("good.", &[("www.good.", [192, 0, 2, 1]), ("ns2.good.", [198, 51, 100, 5])]);
    let servers = vec![(ROOT, glueless), (EVIL, evil()), (GOOD, good), ("198.51.100.5", gl)];
    let mut internet = Internet::of(Options { questions: 16, ..Options::default() }, false, servers);
    internet.core.options.iteration.fetch_policy = vec![3, 2, 1, 0, 0];
    internet.core.options.iteration.retries = 1;
    internet.ask("www.good", rtype::A);
    for number in 0..6 {
        internet.request(7, &format!("q.x{number}.evil"), rtype::A);
        while internet.serve() {}
    }
    assert!(internet.core.in_flight() <= 6 + 8, "{} with lookups ahead", internet.core.in_flight());
    // Each waits for one name server after the other.
    let end = internet.now + Duration::from_millis(1_500);
    while internet.now < end {
        internet.now = internet.core.due(false).unwrap();
        internet.put(Input::Due);
        while internet.serve() {}
    }
    assert!(internet.core.in_flight() > 6 + 8, "{} with those that are waited for", internet.core.in_flight());
    internet.world.answers.clear();
    let (code, _, asked) = internet.ask("www.gl", rtype::A);
    assert_eq!(code, rcode::NOERROR, "{asked:?}");
    internet.run_dry();
}

/// Each label is a cut of its own with a server that answers; further ones lie as deep. Server k serves the cuts of k labels.
fn deep(k: usize) -> Zone {
    let count = Cell::new(0);
    Box::new(move |name, qtype, query| {
        let labels = name.matches('.').count();
        if labels <= k || (name.starts_with('q') && k >= 2) {
            let message = reply(query, 0);
            return Some(match qtype {
                rtype::A => message.record(0, name, rtype::A, 300, &[198, 51, 100, 7]).0,
                _ => message.soa(&last(name, k), 3600, 300).0,
            });
        }
        let new = |_| {
            count.set(count.get() + 1);
            format!("n.a.b.c.d.y{}k{k}.evil", count.get())
        };
        let names: Vec<String> = (0..8).map(new).collect();
        Some(refer_to_many(query, &last(name, k + 1), [198, 51, 101, k as u8 + 1], &names))
    })
}

fn deep_internet() -> Internet {
    let addresses: Vec<String> = (2..10).map(|k| format!("198.51.101.{k}")).collect();
    let mut servers = vec![(ROOT, root(&[("evil.", "ns.evil.", Some(EVIL))])), (EVIL, deep(1))];
    servers.extend(addresses.iter().zip(2..).map(|(address, k)| (address.as_str(), deep(k))));
    Internet::new(false, servers)
}

#[test]
fn lookups_that_outlive_their_question_cost_no_more_than_it_might() {
    let mut internet = deep_internet();
    internet.core.options.iteration.fetch_policy = vec![3, 2, 1, 0, 0];
    internet.core.options.iteration.quota = 30;
    let (code, _, asked) = internet.ask("q.x.evil", rtype::A);
    assert_eq!(code, rcode::NOERROR, "{asked:?}");
    let all = asked.len() + internet.run_dry().len();
    assert!(all <= 30, "{all} queries");
    let (code, _, asked) = internet.ask("q.z.evil", rtype::A);
    assert_eq!(code, rcode::NOERROR, "another question has what it needs: {asked:?}");
}

#[test]
fn a_lookup_goes_on_at_the_cost_of_another_that_waits_for_it() {
    let servers = vec![
        (ROOT, root(&[("gl.", "ns2.good.", None), ("good.", "ns.good.", Some(GOOD))])),
        (GOOD, zone("good.", &[("ns2.good.", [198, 51, 100, 5])])),
        ("198.51.100.5", zone("gl.", &[("w0.gl.", [192, 0, 2, 1]), ("w1.gl.", [192, 0, 2, 2])])),
    ];
    let mut internet = Internet::new(false, servers);
    internet.request(7, "w0.gl", rtype::A);
    (0..2).for_each(|_| assert!(internet.serve(), "the root and what it refers to"));
    internet.request(7, "w1.gl", rtype::A);
    internet.core.questions.budget_mut(0).used = internet.core.options.iteration.quota;
    let asked = internet.run_dry();
    let codes: Vec<u16> = internet.world.answers.iter().map(|&(_, code, _)| code).collect();
    assert_eq!(codes, [rcode::SERVFAIL, rcode::NOERROR], "the first has nothing left");
    assert!(!asked.contains(&format!("w1.gl. 1 @{ROOT}")), "the parent need not be asked: {asked:?}");
}

#[test]
fn what_checks_a_referral_is_at_its_questions_cost() {
    let mut internet = deep_internet();
    internet.core.options.iteration.harden_referral = true;
    internet.core.options.iteration.quota = 12;
    internet.request(7, "w.a.b.c.d.e.f.evil", rtype::A);
    let asked = internet.run_dry();
    assert!(asked.len() <= 12, "{} queries: {asked:?}", asked.len());
}

#[test]
fn who_comes_while_a_cuts_name_servers_are_looked_up_waits_and_asks_no_parent() {
    let servers = vec![(ROOT, root(&[("gl.", "ns.other.", None), ("other.", "x.other.", Some(GOOD))]))];
    let mut internet = Internet::new(false, servers);
    for number in 0..20 {
        internet.request(7, &format!("w{number}.gl"), rtype::A);
        while internet.serve() {}
    }
    let asked = internet.run_dry();
    let of_parent = asked.iter().filter(|query| query.ends_with(&format!("gl. 1 @{ROOT}"))).count();
    assert!(of_parent <= 2, "{of_parent} queries before the lookup and after it: {asked:?}");
}

#[test]
fn a_lookup_ahead_tells_the_cut_that_it_was_begun_for() {
    let gl: Zone = Box::new(|name, _, query| Some(refer_to_many(query, name, [198, 51, 100, 2], &["ns.good".into()])));
    let servers = vec![
        (ROOT, root(&[("gl.", "ns.gl.", Some(EVIL)), ("good.", "ns.good.", Some(GOOD))])),
        (EVIL, gl),
        ("198.51.100.2", zone("www.gl.", &[("www.gl.", [192, 0, 2, 1])])),
        (GOOD, zone("good.", &[("ns.good.", [198, 51, 100, 5])])),
    ];
    let mut internet = Internet::new(false, servers);
    internet.core.options.iteration.fetch_policy = vec![1, 0, 0, 0, 0];
    let reachable = Reachable { not_localhost: false, ip6: false, ..Reachable::default() };
    internet.put(Input::Command(Command::Table(Arc::new(ZoneTable::new(Vec::new(), reachable)))));
    internet.world.answers.clear();
    let (code, _, asked) = internet.ask("www.gl", rtype::A);
    assert_eq!(code, rcode::NOERROR, "{asked:?}");
    internet.run_dry();
    let cut = internet.core.cuts.find(&wire("www.gl"), 2, internet.now).unwrap();
    assert_eq!(internet.core.cuts.get(cut).unwrap().seats().len(), 2);
}

#[test]
fn a_cut_that_was_just_found_is_not_let_go_for_want_of_room() {
    let refers: Zone = Box::new(|name, qtype, query| {
        let cut = last(name, 1);
        match cut.trim_matches(['z', '.']).parse::<u32>() {
            Ok(number) => refer(query, &cut, &format!("ns.{cut}"), Some(&format!("198.51.100.{}", 3 + number % 10))),
            Err(_) => root(&[])(name, qtype, query),
        }
    });
    let addresses: Vec<String> = (3..13).map(|k| format!("198.51.100.{k}")).collect();
    let answers: fn(&str, u16, &[u8]) -> Option<Vec<u8>> =
        |name, _, query| Some(reply(query, 0).record(0, name, rtype::A, 1, &[192, 0, 2, 1]).0);
    let mut servers = vec![(ROOT, refers)];
    servers.extend(addresses.iter().map(|address| (address.as_str(), Box::new(answers) as Zone)));
    let mut internet = Internet::new(false, servers);
    for hosts in 1..6 {
        internet.core.options.infra.hosts = hosts;
        for number in 0..100 {
            internet.now += Duration::from_secs(2);
            let name = format!("w{number}.z{}", number % (2 * hosts + 5));
            let (code, _, asked) = internet.ask(&name, rtype::A);
            assert_eq!(code, rcode::NOERROR, "{name} with room for {hosts}: {asked:?}");
        }
    }
}
