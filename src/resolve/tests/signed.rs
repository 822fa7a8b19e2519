//! Questions about a zone that is signed, from the root's servers down.

use super::super::core::{Command, Input};
use super::super::*;
use super::iterate::{Internet, ROOT, Zone, reply, root};
use super::script::{Message, wire};
use crate::dns::cause::{Cause, Why};
use crate::dns::flaw::Flaw;
use crate::dns::{class, rcode, rtype};
use crate::validate::Rules;
use crate::validate::anchors::{AnchorRecord, Anchors};
use crate::validate::dnskey::key_tag;
use crate::validate::tests::signer::{EXAMPLE, NOW, Signer, dnskey_of, set_of};
use crate::validate::tests::zone::Rrset;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Its server.
pub const SERVER: &str = "198.51.100.2";
/// NS, SOA, RRSIG, NSEC, DNSKEY; A, RRSIG, NSEC.
const AT_APEX: [u8; 9] = [0, 7, 0x22, 0, 0, 0, 0, 3, 0x80];
const AT_HOST: [u8; 8] = [0, 6, 0x40, 0, 0, 0, 0, 3];

fn add(message: Message, section: usize, set: &Rrset) -> Message {
    let owner = Name::from_wire(&set.owner).unwrap().to_string();
    let message =
        set.records.iter().fold(message, |message, data| message.record(section, &owner, set.rtype, set.ttl, data));
    set.signatures.iter().fold(message, |message, data| message.record(section, &owner, rtype::RRSIG, set.ttl, data))
}

/// `example.` with an address for www and for names that begin with root-key-sentinel; what is above www does not exist.
pub fn zone(key: Signer) -> Zone {
    let signed = move |owner: &str, rtype: u16, data: &[u8]| {
        let mut set = set_of(&wire(owner), rtype, &[data]);
        key.sign(&mut set, |_| {});
        set
    };
    let keys = dnskey_of(&[&Signer::new(1)], 1);
    let soa = [wire("ns.example"), wire("h.example"), vec![0, 0, 0, 1], [0, 0, 1, 0].repeat(4)].concat();
    Box::new(move |name, qtype, query| {
        let lower = name.to_lowercase();
        let has_address = lower == "www.example." || lower.starts_with("root-key-sentinel-");
        let denial = |code| add(reply(query, code), 1, &signed("example", rtype::SOA, &soa));
        let message = match qtype {
            rtype::DNSKEY if lower == "example." => add(reply(query, 0), 0, &keys),
            rtype::A if has_address => add(reply(query, 0), 0, &signed(&lower, rtype::A, &[192, 0, 2, 1])),
            rtype::AAAA if lower.starts_with("root-key") => {
                add(reply(query, 0), 0, &signed(&lower, rtype::AAAA, &[1; 16]))
            }
            _ if has_address => {
                add(denial(0), 1, &signed(&lower, rtype::NSEC, &[&wire("example")[..], &AT_HOST].concat()))
            }
            _ => add(
                denial(rcode::NXDOMAIN),
                1,
                &signed("example", rtype::NSEC, &[&wire("www.example")[..], &AT_APEX].concat()),
            ),
        };
        Some(message.0)
    })
}

/// The rules that trust the zone's key, and `others`.
pub fn rules(others: &[AnchorRecord]) -> Rules {
    let own = AnchorRecord { zone: EXAMPLE.to_vec(), class: class::IN, rtype: rtype::DS, data: Signer::new(1).ds() };
    let (anchors, _) = Anchors::new(others.iter().chain([&own]), [], AnchorRecord::is_known);
    Rules { anchors: Arc::new(anchors), ..Rules::default() }
}

/// An internet with the zone below its root.
pub fn internet(options: Options) -> Internet {
    internet_of(options, false)
}

/// The same, with or without minimised names.
fn internet_of(options: Options, minimise: bool) -> Internet {
    let servers = vec![(ROOT, root(&[("example.", "ns.example.", Some(SERVER))])), (SERVER, zone(Signer::new(1)))];
    let mut internet = Internet::of(options, minimise, servers);
    internet.world.wall = NOW.into();
    internet
}

#[test]
fn what_is_answered_from_denials_of_other_names_is_counted() {
    let mut internet = internet(Options { validation: Some(rules(&[])), ..Options::default() });
    assert_eq!(internet.ask("no.example", rtype::A).0, rcode::NXDOMAIN);
    assert_eq!(internet.ask("www.example", rtype::TXT).0, rcode::NOERROR);
    let counted = |internet: &Internet| {
        let stats = &internet.core.stats;
        (stats.denied_names.get(), stats.denied_data.get(), stats.bogus_rrsets.get())
    };
    assert_eq!(counted(&internet), (0, 0, 0));
    assert_eq!(internet.ask("nope.example", rtype::A), (rcode::NXDOMAIN, 1, vec![]));
    assert_eq!(internet.ask("www.example", rtype::AAAA), (rcode::NOERROR, 1, vec![]));
    assert_eq!(counted(&internet), (1, 1, 0));
    assert!(internet.core.stats.signatures.get() >= 4);
}

#[test]
fn every_rrset_that_fails_to_validate_is_counted() {
    let servers = vec![(ROOT, root(&[("example.", "ns.example.", Some(SERVER))])), (SERVER, zone(Signer::new(2)))];
    let mut internet = Internet::of(Options { validation: Some(rules(&[])), ..Options::default() }, false, servers);
    internet.world.wall = NOW.into();
    assert_eq!(internet.ask("www.example", rtype::A).0, rcode::SERVFAIL, "another key has signed");
    assert!(internet.core.stats.bogus_rrsets.get() >= 1);
    assert_eq!(internet.world.cause, Cause::bogus(internet.world.cause.flaw).at(SERVER.parse().unwrap()));
    assert_eq!(internet.ask("www.example", rtype::A).0, rcode::SERVFAIL);
    assert_eq!(internet.world.cause.server(), None, "the cache has told");
    let rules = Rules { permissive: true, ..rules(&[]) };
    internet.put(Input::Command(Command::Options(
        Box::new(Options { validation: Some(rules), ..Options::default() }),
        Default::default(),
    )));
    internet.now += Duration::from_secs(61);
    assert_eq!(internet.ask("www.example", rtype::A).0, rcode::NOERROR);
    assert_eq!((internet.world.cause.why, internet.world.cause.flaw != Flaw::None), (Why::Doubtful, true));
}

#[test]
fn that_nothing_can_be_validated_by_an_anchor_is_shown_while_it_lasts() {
    let mut internet = internet(Options { validation: Some(rules(&[])), ..Options::default() });
    internet.world.wall = 0;
    assert_eq!(internet.ask("www.example", rtype::A).0, rcode::SERVFAIL, "the clock is not set");
    let told = internet.core.troubles.anchors();
    assert!(told.len() == 1 && told[0].contains("keys of example.") && told[0].contains("clock is right"), "{told:?}");
    internet.world.wall = NOW.into();
    internet.now += Duration::from_secs(61);
    assert_eq!(internet.ask("www.example", rtype::A).0, rcode::NOERROR, "a minute after it was set");
    assert_eq!(internet.core.troubles.anchors(), Vec::<String>::new());
}

/// One NSEC shows that no name is closer than the wildcard that made an alias, and that the alias leads nowhere.
#[test]
fn a_denial_that_came_with_an_alias_is_told_once() {
    let key = Signer::new(1);
    let signed = move |owner: &str, shown: &str, rtype: u16, data: &[u8]| {
        let mut set = set_of(&wire(owner), rtype, &[data]);
        key.sign(&mut set, |_| {});
        Rrset { owner: wire(shown), ..set }
    };
    let keys = dnskey_of(&[&Signer::new(1)], 1);
    let soa = [wire("ns.example"), wire("h.example"), vec![0, 0, 0, 1], [0, 0, 1, 0].repeat(4)].concat();
    let zone: Zone = Box::new(move |name, qtype, query| {
        let nsec = |owner: &str, next: &str, types: &[u8]| {
            signed(owner, owner, rtype::NSEC, &[&wire(next)[..], types].concat())
        };
        let last = nsec("*.w.example", "example", &[0, 6, 4, 0, 0, 0, 0, 3]);
        let message = match (name.to_lowercase().as_str(), qtype) {
            ("example.", rtype::DNSKEY) => add(reply(query, 0), 0, &keys),
            (alias, rtype::A) if alias.ends_with(".w.example.") => {
                let made = signed("*.w.example", alias, rtype::CNAME, &wire("z.example"));
                add(add(reply(query, 0), 0, &made), 1, &last)
            }
            _ => {
                let message = add(reply(query, rcode::NXDOMAIN), 1, &signed("example", "example", rtype::SOA, &soa));
                add(add(message, 1, &nsec("example", "*.w.example", &AT_APEX)), 1, &last)
            }
        };
        Some(message.0)
    });
    let servers = vec![(ROOT, root(&[("example.", "ns.example.", Some(SERVER))])), (SERVER, zone)];
    let mut internet = Internet::of(Options { validation: Some(rules(&[])), ..Options::default() }, false, servers);
    internet.world.wall = NOW.into();
    let mut ask = |denied| {
        internet.request_with((7, true), "b.w.example", rtype::A);
        let asked = internet.run_dry();
        assert_eq!((asked.len() == 1, internet.core.stats.denied_names.get()), (denied > 0, denied), "{asked:?}");
        // CNAME, SOA and two NSEC, each with its signature.
        assert_eq!(internet.world.answers.pop(), Some((7, rcode::NXDOMAIN, 8)));
        let (told, _) = std::sync::mpsc::channel();
        let target = Box::new(Name::from_text("z.example").unwrap());
        internet.put(Input::Command(Command::FlushName(target, Some(rtype::A), told)));
    };
    ask(0);
    ask(1);
}

#[test]
fn what_is_not_the_zones_fault_is_not_kept_of_it() {
    let mut internet = internet(Options { validation: Some(rules(&[])), ..Options::default() });
    let ask = |internet: &mut Internet, name: &str| {
        let (code, _, asked) = internet.ask(name, rtype::A);
        (code, asked.len())
    };
    internet.core.options.iteration.quota = 3;
    assert_eq!(ask(&mut internet, "www.example"), (rcode::SERVFAIL, 3), "the root's servers, the root, the zone");
    assert_eq!(ask(&mut internet, "www.example").1, 0, "it would be too much once more");
    assert_eq!(
        ask(&mut internet, "root-key-sentinel-is-ta-1.example").0,
        rcode::NOERROR,
        "another may ask for the keys"
    );

    let mut internet = super::signed::internet(Options { validation: Some(rules(&[])), ..Options::default() });
    internet.request(7, "www.example", rtype::A);
    internet.serve();
    internet.serve();
    internet.world.draws = 0;
    assert_eq!(ask(&mut internet, "www.example").0, rcode::SERVFAIL, "the kernel has no random numbers any more");
    internet.world.answers.clear();
    internet.world.draws = usize::MAX;
    internet.now += Duration::from_secs(3);
    assert_eq!(ask(&mut internet, "www.example").0, rcode::NOERROR, "it has");
}

#[test]
fn who_waits_for_keys_is_not_woken_by_the_address_of_a_server() {
    const OTHER: &str = "198.51.100.3";
    let (was_asked, is_found) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let addresses: Zone = {
        let (was_asked, is_found) = (Rc::clone(&was_asked), Rc::clone(&is_found));
        Box::new(move |_, qtype, query| match qtype {
            rtype::A => Some(reply(query, 0).record(0, "ns.other", rtype::A, 300, &[198, 51, 100, 2]).0),
            // Not before the zone's server has answered.
            rtype::AAAA if was_asked.get() => {
                is_found.set(true);
                Some(reply(query, 0).record(0, "ns.other", rtype::AAAA, 300, &[0x20; 16]).0)
            }
            rtype::AAAA => None,
            _ => Some(reply(query, 0).soa("other.", 300, 300).0),
        })
    };
    let signed = zone(Signer::new(1));
    let late: Zone = Box::new(move |name, qtype, query| {
        was_asked.set(true);
        if qtype == rtype::DNSKEY && !is_found.get() { None } else { signed(name, qtype, query) }
    });
    let cuts = &[("example.", "ns.other.", None), ("other.", "a.other.", Some(OTHER))];
    let servers = vec![(ROOT, root(cuts)), (SERVER, late), (OTHER, addresses)];
    let mut internet = Internet::of(Options { validation: Some(rules(&[])), ..Options::default() }, false, servers);
    internet.world.wall = NOW.into();
    let (code, records, asked) = internet.ask("www.example", rtype::A);
    assert_eq!((code, records), (rcode::NOERROR, 1), "{asked:?}");
    assert!(asked.iter().any(|asked| asked.starts_with("ns.other. 28 ")), "{asked:?}");
}

/// The DS of a key of the root.
fn root_anchor(tag: u16) -> AnchorRecord {
    let data = [&tag.to_be_bytes()[..], &[13, 2], &[7; 32]].concat();
    AnchorRecord { zone: vec![0], class: class::IN, rtype: rtype::DS, data }
}

#[test]
fn names_tell_which_keys_of_the_root_are_trusted() {
    let ask = |rules: Rules, names: &[&str], qtype: u16| {
        let mut internet = internet(Options { validation: Some(rules), ..Options::default() });
        // The second time the cache answers.
        let mut asked = |name: &str| [(); 2].map(|()| internet.ask(name, qtype).0);
        names.iter().map(|name| asked(name)).collect::<Vec<_>>()
    };
    let (yes, no) = ([rcode::NOERROR; 2], [rcode::SERVFAIL; 2]);
    let names = [
        "root-key-sentinel-is-ta-20326.example",
        "root-key-sentinel-not-ta-20326.example",
        "Root-Key-Sentinel-Is-Ta-38696.example",
        "root-key-sentinel-not-ta-38696.example",
    ];
    let trusted = || rules(&[root_anchor(20326)]);
    assert_eq!(ask(trusted(), &names, rtype::A), [yes, no, no, yes]);
    assert_eq!(ask(trusted(), &names[..2], rtype::AAAA), [yes, no]);
    assert_eq!(ask(trusted(), &names[..2], rtype::TXT), [yes, yes], "addresses alone are for that");
    assert_eq!(ask(Rules { sentinel: false, ..trusted() }, &names[..2], rtype::A), [yes, yes]);
    let unsigned = Rules { anchors: Arc::new(Anchors::new([&root_anchor(20326)], [EXAMPLE], |_| true).0), ..trusted() };
    assert_eq!(ask(unsigned, &names[..2], rtype::A), [yes, yes], "who validates nothing says nothing");
}

#[test]
fn a_zone_is_told_by_which_keys_it_is_trusted_when_these_are_asked_for() {
    let tag = key_tag(&Signer::new(1).data);
    let told = format!("_ta-{tag:04x}.example. 10 @{SERVER}");
    for minimise in [false, true] {
        for signals in [true, false] {
            let rules = Rules { signals, ..rules(&[]) };
            let mut internet = internet_of(Options { validation: Some(rules), ..Options::default() }, minimise);
            assert_eq!(internet.ask("www.example", rtype::A).0, rcode::NOERROR);
            let asked: Vec<String> = [internet.take_asked(), internet.run_dry()].concat();
            let asked = asked.iter().filter(|query| query.starts_with("_ta")).collect::<Vec<_>>();
            assert_eq!(asked, if signals { vec![&told] } else { vec![] }, "{minimise}");
            internet.ask("no.example", rtype::A);
            let asked = internet.run_dry();
            assert_eq!(asked.iter().filter(|query| query.starts_with("_ta")).count(), 0, "the keys are known");
        }
    }
}

#[test]
fn the_keys_of_a_delegation_are_asked_for_at_once() {
    let insecure = || Rules { anchors: Arc::new(Anchors::new([], [EXAMPLE], |_| true).0), ..Rules::default() };
    for (rules, prefetches, at_once, in_all) in
        [(rules(&[]), true, 2, 2), (rules(&[]), false, 1, 2), (insecure(), true, 1, 1)]
    {
        let rules = Rules { prefetches, signals: false, ..rules };
        let mut internet = internet(Options { validation: Some(rules), ..Options::default() });
        internet.request(7, "www.example", rtype::A);
        let sent = |internet: &Internet| {
            internet.world.sent_to.iter().filter(|server| server.ip().to_string() == SERVER).count()
        };
        while sent(&internet) == 0 {
            assert!(internet.serve(), "nothing is asked");
        }
        assert_eq!(sent(&internet), at_once, "before either is answered");
        internet.run_dry();
        assert_eq!(sent(&internet), in_all, "and not once more");
        assert_eq!(internet.world.answers.pop().map(|answer| answer.1), Some(rcode::NOERROR));
    }
}
