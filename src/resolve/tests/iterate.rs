//! Resolving from the root down: a small internet of scripted zones, on a world without a kernel.

use super::super::cache::{Cache, Rules};
use super::super::core::{Command, Core, Input};
use super::super::*;
use super::script::{Message, wire};
use super::world::ScriptWorld;
use crate::dns::scan::HashKey;
use crate::dns::{Name, class, header, rcode, rtype};
use crate::stats::Upstream;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a server answers a query with; `None`: nothing.
pub type Zone = Box<dyn Fn(&str, u16, &[u8]) -> Option<Vec<u8>>>;

pub struct Internet {
    pub core: Core,
    pub world: ScriptWorld,
    pub now: Duration,
    servers: BTreeMap<IpAddr, Zone>,
    /// Queries answered so far.
    seen: usize,
    /// Name, type and server of each query.
    asked: Vec<String>,
}

pub const ROOT: &str = "198.51.100.1";

impl Internet {
    pub fn new(minimise: bool, servers: Vec<(&str, Zone)>) -> Internet {
        Internet::of(Options::default(), minimise, servers)
    }

    pub fn of(options: Options, minimise: bool, servers: Vec<(&str, Zone)>) -> Internet {
        let hint = Hint { name: Name::from_text("a.root").unwrap(), addresses: vec![ROOT.parse().unwrap()] };
        let options = Options {
            hints: vec![hint],
            // What is looked up ahead is beside the point here.
            iteration: Iteration { minimise, fetch_policy: vec![0; 5], ..Iteration::default() },
            ..options
        };
        let core = Core::new(options, Arc::new(Upstream::default()), Arc::new(Troubles::default()));
        let core = core.with_cache(Cache::new(1 << 20, 1 << 20, Rules::default(), HashKey::fixed(1)).unwrap());
        let servers = servers.into_iter().map(|(address, zone)| (address.parse().unwrap(), zone)).collect();
        let now = Duration::from_secs(1);
        let mut internet = Internet { core, world: ScriptWorld::new(), now, servers, seen: 0, asked: Vec::new() };
        internet.put(Input::Command(Command::Table(Arc::default())));
        internet
    }

    pub fn put(&mut self, input: Input<'_>) {
        self.core.handle(input, self.now, &mut self.world);
    }

    /// Asks, and lets nothing happen yet.
    pub fn request(&mut self, ticket: u64, name: &str, qtype: u16) {
        self.request_with((ticket, false), name, qtype);
    }

    /// The same, with DO or without.
    pub fn request_with(&mut self, (ticket, dnssec_ok): (u64, bool), name: &str, qtype: u16) {
        let mut request: Request = bytemuck::Zeroable::zeroed();
        (request.ticket, request.qtype, request.qclass) = (ticket, qtype, class::IN);
        request.dnssec_ok = dnssec_ok;
        request.set_name(&wire(name));
        self.put(Input::Request(&request));
    }

    /// Lets everything happen, and time pass until nothing is in flight; gives what was asked of whom.
    pub fn run_dry(&mut self) -> Vec<String> {
        while self.core.in_flight() > 0 {
            if !self.serve() {
                self.now = self.core.due(false).expect("a deadline");
                self.put(Input::Due);
            }
        }
        std::mem::take(&mut self.asked)
    }

    /// Asks, lets everything happen, gives code and number of records, and what was asked of whom.
    pub fn ask(&mut self, name: &str, qtype: u16) -> (u16, u16, Vec<String>) {
        self.request(7, name, qtype);
        for _ in 0..10_000 {
            if let Some((ticket, code, records)) = self.world.answers.pop() {
                assert_eq!(ticket, 7);
                return (code, records, std::mem::take(&mut self.asked));
            }
            if !self.serve() {
                self.now = self.core.due(false).expect("a deadline");
                self.put(Input::Due);
            }
        }
        panic!("no end: {:?}", self.asked)
    }

    /// The queries that were answered since that was asked for last.
    pub fn take_asked(&mut self) -> Vec<String> {
        std::mem::take(&mut self.asked)
    }

    /// Answers the next query; false when there is none.
    pub fn serve(&mut self) -> bool {
        let Some((slot, _, query)) = self.world.sent.get(self.seen).cloned() else { return false };
        let server = self.world.sent_to[self.seen].ip();
        self.seen += 1;
        let is_open = self.world.udp.get(&slot).is_some_and(|socket| socket.server.ip() == server);
        let question = crate::dns::question::Question::parse(&query).unwrap();
        let name = Name::from_wire(&query[12..12 + question.name_len]).unwrap().to_string();
        let qtype = crate::dns::get_u16(&query, 12 + question.name_len).unwrap();
        let is_asked_to_recurse = header::flags(&query) & header::flag::RD != 0;
        assert!(!is_asked_to_recurse || !self.servers.contains_key(&server), "{server} is authoritative");
        self.asked.push(format!("{name} {qtype} @{server}"));
        let reply = self.servers.get(&server).and_then(|zone| zone(&name, qtype, &query));
        if let (true, Some(octets)) = (is_open, reply) {
            self.put(Input::Datagram { slot, octets: &octets });
        }
        true
    }
}

pub fn reply(query: &[u8], rcode: u16) -> Message {
    let mut message = Message::reply(query, rcode);
    header::set_flags(&mut message.0, header::flag::QR | header::flag::AA | rcode);
    message
}

/// A referral to a name server, with glue when an address is given.
pub fn refer(query: &[u8], cut: &str, server: &str, glue: Option<&str>) -> Option<Vec<u8>> {
    let mut message = Message::reply(query, 0);
    header::set_flags(&mut message.0, header::flag::QR);
    message = message.record(1, cut, rtype::NS, 3600, &wire(server));
    if let Some(IpAddr::V4(v4)) = glue.map(|glue| glue.parse().unwrap()) {
        message = message.record(2, server, rtype::A, 3600, &v4.octets());
    }
    Some(message.0)
}

/// The root: its own NS RRset, and referrals.
pub fn root(cuts: &'static [(&str, &str, Option<&str>)]) -> Zone {
    Box::new(move |name, qtype, query| {
        if name == "." && qtype == rtype::NS {
            let ns = reply(query, 0).record(0, ".", rtype::NS, 86_400, &wire("a.root"));
            return Some(ns.record(2, "a.root", rtype::A, 86_400, &[198, 51, 100, 1]).0);
        }
        let cut = cuts.iter().find(|(cut, ..)| name == *cut || name.ends_with(&format!(".{cut}")));
        match cut {
            Some((cut, server, glue)) => refer(query, cut, server, *glue),
            None => Some(reply(query, rcode::NXDOMAIN).soa(".", 3600, 300).0),
        }
    })
}

/// A zone with these addresses; other names below `apex` do not exist.
pub fn zone(apex: &'static str, addresses: &'static [(&str, [u8; 4])]) -> Zone {
    Box::new(move |name, qtype, query| {
        let found = addresses.iter().find(|(owner, _)| *owner == name);
        let above = addresses.iter().any(|(owner, _)| owner.ends_with(&format!(".{name}")));
        Some(match found {
            Some((owner, address)) if qtype == rtype::A => reply(query, 0).record(0, owner, rtype::A, 300, address).0,
            None if !above && name != apex => reply(query, rcode::NXDOMAIN).soa(apex, 3600, 300).0,
            _ => reply(query, 0).soa(apex, 3600, 300).0,
        })
    })
}

pub fn com(cuts: &'static [(&str, &str, Option<&str>)]) -> Zone {
    let referrals = root(cuts);
    Box::new(move |name, qtype, query| match name {
        "com." => Some(reply(query, 0).soa("com.", 3600, 300).0),
        _ => referrals(name, qtype, query),
    })
}

const TO_COM: &[(&str, &str, Option<&str>)] = &[("com.", "ns.com.", Some("198.51.100.2"))];

pub fn example(options: Options, minimise: bool) -> Internet {
    let servers = vec![
        (ROOT, root(TO_COM)),
        ("198.51.100.2", com(&[("example.com.", "ns.example.com.", Some("198.51.100.3"))])),
        (
            "198.51.100.3",
            zone("example.com.", &[("www.example.com.", [192, 0, 2, 1]), ("a.b.example.com.", [192, 0, 2, 2])]),
        ),
    ];
    Internet::of(options, minimise, servers)
}

#[test]
fn a_name_is_resolved_from_the_root_down_and_cuts_are_remembered() {
    let mut internet = example(Options::default(), false);
    let (code, records, asked) = internet.ask("www.example.com", rtype::A);
    assert_eq!((code, records), (rcode::NOERROR, 1));
    let way = ["@198.51.100.1", "@198.51.100.2", "@198.51.100.3"].map(|server| format!("www.example.com. 1 {server}"));
    assert_eq!(asked, [&[format!(". 2 @{ROOT}")], &way[..]].concat());
    let (code, _, asked) = internet.ask("nope.example.com", rtype::A);
    assert_eq!((code, asked), (rcode::NXDOMAIN, vec!["nope.example.com. 1 @198.51.100.3".to_string()]));
    internet.now += Duration::from_secs(3601);
    let (.., asked) = internet.ask("www.example.com", rtype::A);
    assert_eq!(asked, way, "the root is known still, what lies below is not");
}

#[test]
fn servers_are_shown_one_label_more_than_they_need() {
    let mut internet = example(Options::default(), true);
    let (code, records, asked) = internet.ask("a.b.example.com", rtype::TXT);
    assert_eq!((code, records), (rcode::NOERROR, 1));
    let way = [
        ". 2 @198.51.100.1",
        "com. 1 @198.51.100.1",
        "example.com. 1 @198.51.100.2",
        "b.example.com. 1 @198.51.100.3",
        "a.b.example.com. 1 @198.51.100.3",
        "a.b.example.com. 16 @198.51.100.3",
    ];
    assert_eq!(asked, way);
}

#[test]
fn an_address_of_a_name_server_elsewhere_is_looked_up() {
    let servers = vec![
        (ROOT, root(&[("com.", "ns.com.", Some("198.51.100.2")), ("net.", "ns.net.", Some("198.51.100.4"))])),
        ("198.51.100.2", com(&[("example.com.", "ns.other.net.", None)])),
        ("198.51.100.4", root(&[("other.net.", "ns1.other.net.", Some("198.51.100.5"))])),
        ("198.51.100.5", zone("other.net.", &[("ns.other.net.", [198, 51, 100, 3])])),
        ("198.51.100.3", zone("example.com.", &[("www.example.com.", [192, 0, 2, 1])])),
    ];
    let mut internet = Internet::new(false, servers);
    let (code, records, asked) = internet.ask("www.example.com", rtype::A);
    assert_eq!((code, records), (rcode::NOERROR, 1), "{asked:?}");
    assert!(asked.contains(&"ns.other.net. 28 @198.51.100.5".to_string()), "both families: {asked:?}");
    assert_eq!(asked.last().unwrap(), "www.example.com. 1 @198.51.100.3");
    assert_eq!(internet.core.in_flight(), 0, "nothing is left behind");
}

#[test]
fn name_servers_that_need_each_other_end_in_failure() {
    let servers = vec![(ROOT, root(&[("com.", "ns.net.", None), ("net.", "ns.com.", None)]))];
    let mut internet = Internet::new(false, servers);
    let (code, _, asked) = internet.ask("www.com", rtype::A);
    assert_eq!(code, rcode::SERVFAIL, "{asked:?}");
    assert!(asked.len() < 20, "{asked:?}");
    assert_eq!(internet.core.in_flight(), 0, "nothing is left behind");
}

#[test]
fn a_lame_server_is_passed_over_and_remembered() {
    let servers = vec![
        (ROOT, root(&[("com.", "ns.com.", Some("198.51.100.2"))])),
        (
            "198.51.100.2",
            Box::new(|_: &str, _: u16, query: &[u8]| {
                let message =
                    Message::reply(query, 0).record(1, "example.com", rtype::NS, 3600, &wire("ns1.example.com"));
                let message = message.record(1, "example.com", rtype::NS, 3600, &wire("ns2.example.com"));
                let mut message = message.record(2, "ns1.example.com", rtype::A, 3600, &[198, 51, 100, 3]);
                message = message.record(2, "ns2.example.com", rtype::A, 3600, &[198, 51, 100, 4]);
                header::set_flags(&mut message.0, header::flag::QR);
                Some(message.0)
            }) as Zone,
        ),
        ("198.51.100.3", zone("example.com.", &[("www.example.com.", [192, 0, 2, 1])])),
        ("198.51.100.4", Box::new(|_: &str, _: u16, query: &[u8]| refer(query, ".", "a.root", Some(ROOT))) as Zone),
    ];
    let mut internet = Internet::new(false, servers);
    let mut lame = 0;
    for _ in 0..32 {
        let (code, _, asked) = internet.ask("www.example.com", rtype::A);
        assert_eq!(code, rcode::NOERROR, "{asked:?}");
        lame += asked.iter().filter(|query| query.ends_with("@198.51.100.4")).count();
    }
    assert_eq!(lame, 1, "once is enough");
}

#[test]
fn an_alias_is_followed_into_another_zone() {
    let servers = vec![
        (ROOT, root(&[("com.", "ns.com.", Some("198.51.100.2")), ("net.", "ns.net.", Some("198.51.100.4"))])),
        (
            "198.51.100.2",
            Box::new(|_: &str, _: u16, query: &[u8]| {
                // The address beside the alias is none of its business.
                let message = reply(query, 0).record(0, "www.com", rtype::CNAME, 300, &wire("host.net"));
                Some(message.record(0, "host.net", rtype::A, 300, &[6, 6, 6, 6]).0)
            }) as Zone,
        ),
        ("198.51.100.4", zone("net.", &[("host.net.", [192, 0, 2, 9])])),
    ];
    let mut internet = Internet::new(false, servers);
    let (code, records, asked) = internet.ask("www.com", rtype::A);
    assert_eq!((code, records), (rcode::NOERROR, 2), "{asked:?}");
    assert_eq!(asked.last().unwrap(), "host.net. 1 @198.51.100.4");
}

#[test]
fn a_root_that_is_silent_costs_a_bounded_number_of_queries() {
    let mut internet = Internet::new(true, Vec::new());
    let (code, _, asked) = internet.ask("www.example.com", rtype::A);
    assert_eq!(code, rcode::SERVFAIL);
    assert!(asked.len() <= 12, "{asked:?}");
    while let Some(due) = internet.core.due(false) {
        internet.now = due;
        internet.put(Input::Due);
    }
    assert_eq!(internet.core.in_flight(), 0, "nothing is left behind");
}

#[test]
fn cuts_that_nobody_comes_back_to_are_let_go() {
    let refers: Zone = Box::new(|name, qtype, query| {
        let cut = name.trim_start_matches("www.");
        match name {
            "com." => zone("com.", &[])(name, qtype, query),
            _ => refer(query, cut, &format!("ns.{cut}"), Some("198.51.100.3")),
        }
    });
    let answers: Zone =
        Box::new(|name, _, query| Some(reply(query, 0).record(0, name, rtype::A, 1, &[192, 0, 2, 1]).0));
    let servers = vec![(ROOT, root(TO_COM)), ("198.51.100.2", refers), ("198.51.100.3", answers)];
    let mut internet = Internet::new(false, servers);
    internet.core.options.infra.hosts = 16;
    internet.ask("www.often.com", rtype::A);
    for number in 0..400 {
        internet.now += Duration::from_secs(2);
        internet.ask(&format!("www.z{number}.com"), rtype::A);
        let (.., asked) = internet.ask("www.often.com", rtype::A);
        assert_eq!(asked, ["www.often.com. 1 @198.51.100.3"], "its cut is known, after {number} others");
        assert!(internet.core.cuts.listed() <= 17, "{} after {number}", internet.core.cuts.listed());
    }
    assert!(internet.core.cuts.len() <= 24, "{} places", internet.core.cuts.len());
}
