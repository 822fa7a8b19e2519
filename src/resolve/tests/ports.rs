//! From how many ports and with how many IDs questions leave, with sockets of the kernel.

use super::super::*;
use super::rig::Rig;
use super::script::{Query, Script, answers};
use crate::dns::{header, rtype};
use crate::sys::limits::raise_open_files;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;

const QUESTIONS: usize = 2000;
/// Bins for chi-square, and the value that one of 100,000 even draws exceeds with 31 degrees of freedom.
const BINS: usize = 32;
const RARE: f64 = 76.0;

type Seen = Rc<RefCell<Vec<(IpAddr, u16, u16)>>>;

/// A server that answers and writes down where from and with which ID it was asked.
fn noting(seen: &Seen) -> Script {
    let seen = seen.clone();
    Box::new(move |query: &Query| {
        seen.borrow_mut().push((query.from.ip(), query.from.port(), header::id(&query.octets)));
        query.answer(1)
    })
}

fn ask(rig: &mut Rig) {
    for batch in 0..QUESTIONS / 50 {
        (0..50).for_each(|number| rig.request(&format!("n{number}.b{batch}"), rtype::A, false));
        assert!(rig.collect(50, false).iter().all(|got| got.records.len() == 1));
    }
}

fn chi_square(values: impl Iterator<Item = usize>, range: usize) -> f64 {
    let mut bins = [0.0; BINS];
    values.for_each(|value| bins[value * BINS / range] += 1.0);
    let expected = bins.iter().sum::<f64>() / BINS as f64;
    bins.iter().map(|bin: &f64| (bin - expected).powi(2) / expected).sum()
}

/// Shannon's bits of what was seen, which says at least how much a forger has to guess.
fn bits(values: impl Iterator<Item = u16>) -> f64 {
    let mut counts = std::collections::BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_insert(0.0) += 1.0);
    let all: f64 = counts.values().sum();
    counts.values().map(|count: &f64| -(count / all) * (count / all).log2()).sum()
}

#[test]
fn two_thousand_questions_leave_from_a_thousand_ports() {
    raise_open_files(8192);
    for connected in [true, false] {
        let seen = Seen::default();
        let sockets = SocketOptions { connected, ..SocketOptions::default() };
        let mut rig = Rig::with(Options { sockets, ..Options::default() }, vec![noting(&seen)], &[(".", &[0])], 64);
        ask(&mut rig);
        let seen = seen.borrow();
        let ports: BTreeSet<u16> = seen.iter().map(|&(_, port, _)| port).collect();
        let ids: BTreeSet<u16> = seen.iter().map(|&(.., id)| id).collect();
        let even = chi_square(ports.iter().map(|&port| usize::from(port) - 16384), 65536 - 16384);
        let even_ids = chi_square(seen.iter().map(|&(.., id)| usize::from(id)), 65536);
        println!(
            "connected {connected}: {} queries from {} ports ({:.1} bits seen of {:.1} there are) with {} IDs ({:.1} of 16); \
             chi-square {even:.1} and {even_ids:.1} with {} degrees of freedom",
            seen.len(),
            ports.len(),
            bits(seen.iter().map(|&(_, port, _)| port)),
            (65536f64 - 16384.0).log2(),
            ids.len(),
            bits(seen.iter().map(|&(.., id)| id)),
            BINS - 1,
        );
        assert!(ports.len() >= 1000 && ids.len() >= 1900, "{} ports, {} IDs", ports.len(), ids.len());
        assert!(even < RARE && even_ids < RARE, "{even} {even_ids}");
        assert_eq!(rig.stats.unwanted.get(), 0);
    }
}

#[test]
fn they_do_so_too_with_many_servers_and_within_the_ports_that_are_permitted() {
    raise_open_files(8192);
    let seen = Seen::default();
    let scripts: Vec<Script> = (0..40).map(|nth| if nth == 0 { noting(&seen) } else { answers(1) }).collect();
    let names: Vec<String> = (1..40).map(|zone| format!("z{zone}")).collect();
    let places: Vec<[usize; 1]> = (1..40).map(|server| [server]).collect();
    let zones = names.iter().zip(&places).map(|(name, place)| (&name[..], &place[..]));
    let zones: Vec<(&str, &[usize])> = std::iter::once((".", &[0][..])).chain(zones).collect();
    let sockets = SocketOptions { ports: (30000..=59999).collect(), ..SocketOptions::default() };
    let mut rig = Rig::with(Options { sockets, ..Options::default() }, scripts, &zones, 64);
    for name in &names {
        assert_eq!(rig.ask(&format!("a.{name}"), rtype::A).records.len(), 1);
    }
    ask(&mut rig);
    let ports: BTreeSet<u16> = seen.borrow().iter().map(|&(_, port, _)| port).collect();
    assert!(ports.len() >= 1000 && ports.iter().all(|port| (30000..=59999).contains(port)), "{} ports", ports.len());
}

#[test]
fn the_addresses_that_were_named_take_turns_at_random() {
    let seen = Seen::default();
    let mut rig = Rig::new(vec![noting(&seen)]);
    rig.ask_from(&["127.0.0.8:0", "127.0.0.9:0", "127.0.0.10:0"]);
    (0..300).for_each(|number| assert_eq!(rig.ask(&format!("n{number}"), rtype::A).records.len(), 1));
    for last in 8..=10 {
        let from = seen.borrow().iter().filter(|(ip, ..)| *ip == IpAddr::from([127, 0, 0, last])).count();
        assert!((50..150).contains(&from), "{from} of 300 from 127.0.0.{last}");
    }
}

#[test]
fn what_others_send_to_a_socket_that_is_not_connected_is_not_heard() {
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let script: Script = Box::new(move |query: &Query| {
        // The same reply, from another port of the same host.
        stranger.send_to(&query.answer(66)[0], query.from).unwrap();
        query.later(std::time::Duration::from_millis(5), query.answer(1))
    });
    let sockets = SocketOptions { connected: false, ..SocketOptions::default() };
    let mut rig = Rig::with(Options { sockets, ..Options::default() }, vec![script], &[(".", &[0])], 64);
    assert_eq!(rig.ask_patiently("a").records, ["0 a. 300 A 1"]);
    assert_eq!(rig.stats.unwanted.get(), 1);
}

#[test]
fn a_reply_behind_others_is_taken_without_a_further_event() {
    for connected in [true, false] {
        let script: Script = Box::new(|query: &Query| {
            let right = query.answer(1).remove(0);
            let mut wrong = right.clone();
            wrong[0] ^= 0xff;
            let many = crate::sys::upstream::BATCH + 1;
            std::iter::repeat_n(wrong, many).chain([right]).collect()
        });
        let sockets = SocketOptions { connected, ..SocketOptions::default() };
        let mut rig = Rig::with(Options { sockets, ..Options::default() }, vec![script], &[(".", &[0])], 64);
        assert_eq!(rig.ask("a", rtype::A).records, ["0 a. 300 A 1"]);
        assert_eq!((rig.stats.unwanted.get(), rig.stats.timeouts.get()), (17, 0));
    }
}
