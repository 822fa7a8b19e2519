//! What main has the core do beside resolving.

use super::super::cache::{Cache, Dumping, Flush, Flushed, Flushing, Loading, Rules};
use super::super::core::{Command, Input};
use super::super::*;
use super::iterate::{self, Internet, ROOT, com, reply, root, zone};
use super::script::wire;
use crate::dns::scan::HashKey;
use crate::dns::{Name, class, rcode, rtype};
use crate::validate::anchors::{AnchorRecord, Anchors};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

const COM: &str = "198.51.100.2";
const EXAMPLE: &str = "198.51.100.3";

fn internet() -> Internet {
    let servers = vec![
        (ROOT, root(&[("com.", "ns.com.", Some(COM))])),
        (COM, com(&[("example.com.", "ns.example.com.", Some(EXAMPLE))])),
        (EXAMPLE, zone("example.com.", &[("www.example.com.", [192, 0, 2, 1]), ("a.example.com.", [192, 0, 2, 2])])),
    ];
    Internet::new(false, servers)
}

fn empty() -> Box<Cache> {
    Box::new(Cache::new(1 << 20, 1 << 20, Rules::default(), HashKey::fixed(1)).unwrap())
}

/// Gives a command and takes what comes of it.
fn tell<T>(internet: &mut Internet, command: impl FnOnce(Sender<T>) -> Command) -> T {
    let (to, from) = channel();
    internet.put(Input::Command(command(to)));
    from.try_recv().expect("every command is answered at once")
}

fn flush(internet: &mut Internet, flush: Flush) -> Flushed {
    let mut flushing = Box::new(Flushing::new(flush));
    loop {
        let (went_on, flushed) = tell(internet, |to| Command::Flush(flushing, to));
        match flushed {
            Some(flushed) => return flushed,
            None => flushing = went_on,
        }
    }
}

fn dump(internet: &mut Internet) -> String {
    let (mut dumping, mut whole) = (Box::<Dumping>::default(), String::new());
    loop {
        let (went_on, text, ended) = tell(internet, |to| Command::Dump(dumping, to));
        whole.push_str(&text);
        if ended {
            return whole;
        }
        dumping = went_on;
    }
}

fn listing(internet: &mut Internet, command: fn(usize, Sender<Lines>) -> Command) -> String {
    let (mut next, mut whole) = (Some(0), String::new());
    while let Some(from) = next {
        let (text, further) = tell(internet, |to| command(from, to));
        whole.push_str(&text);
        next = further;
    }
    whole
}

/// Sends a question that is not answered yet.
fn begin(internet: &mut Internet, name: &str) {
    let mut request: Request = bytemuck::Zeroable::zeroed();
    (request.ticket, request.qtype, request.qclass) = (7, rtype::A, class::IN);
    request.set_name(&wire(name));
    internet.put(Input::Request(&request));
}

/// Serves until the question is answered.
fn finish(internet: &mut Internet) -> (u16, u16) {
    while internet.world.answers.is_empty() {
        assert!(internet.serve(), "nothing is asked");
    }
    let (_, code, records) = internet.world.answers.pop().unwrap();
    (code, records)
}

#[test]
fn what_is_dumped_can_be_loaded_and_answers_without_a_query() {
    let mut internet = internet();
    assert_eq!(internet.ask("www.example.com", rtype::A).2.len(), 4, "the root's own servers, and three cuts");
    assert_eq!(internet.ask("nowhere.example.com", rtype::A).0, rcode::NXDOMAIN);
    let dumped = dump(&mut internet);
    assert!(dumped.starts_with("START_RRSET_CACHE\n") && dumped.ends_with("END_MSG_CACHE\nEOF\n"), "{dumped}");
    assert!(dumped.contains("\nwww.example.com.\t300\tIN\tA\t192.0.2.1\n"), "{dumped}");
    assert!(dumped.contains("msg www.example.com. IN A "), "{dumped}");

    let cleared = tell(&mut internet, |to| Command::Clear(empty(), to));
    assert!(cleared.old.is_some() && cleared.flushed.rrsets > 4 && cleared.flushed.messages >= 2);
    assert_eq!(dump(&mut internet).lines().count(), 5, "nothing is left");

    let mut loading = Box::<Loading>::default();
    for piece in dumped.split_inclusive('\n').collect::<Vec<_>>().chunks(3) {
        let (went_on, read) = tell(&mut internet, |to| Command::Load(loading, piece.concat(), to));
        assert_eq!(read, Ok(()));
        loading = went_on;
    }
    assert!(loading.is_done());
    assert_eq!((loading.loaded().rrsets, loading.loaded().skipped), (cleared.flushed.rrsets, 0));
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&dump(&mut internet)), sorted(&dumped), "a dump of what was loaded is the same");
    assert_eq!(internet.ask("www.example.com", rtype::A), (rcode::NOERROR, 1, vec![]));
    assert_eq!(internet.ask("nowhere.example.com", rtype::A), (rcode::NXDOMAIN, 1, vec![]));
    assert_eq!(internet.ask("a.example.com", rtype::A).2, ["a.example.com. 1 @198.51.100.3"], "the cuts are known too");
}

#[test]
fn a_dump_that_is_none_is_refused_with_its_line() {
    let mut internet = internet();
    let (_, read) = tell(&mut internet, |to| Command::Load(Box::default(), "START_RRSET_CACHE\nx\n".into(), to));
    assert_eq!(read, Ok(()), "an entry is passed over");
    let (_, read) = tell(&mut internet, |to| Command::Load(Box::default(), "x\n".into(), to));
    assert!(read.unwrap_err().starts_with("line 1: expected START_RRSET_CACHE"));
}

#[test]
fn an_answer_that_was_in_flight_when_a_flush_came_is_told_and_not_kept() {
    for by_zone in [true, false] {
        let mut internet = internet();
        begin(&mut internet, "www.example.com");
        // All but the last cut.
        (0..3).for_each(|_| assert!(internet.serve()));
        match by_zone {
            true => _ = flush(&mut internet, Flush::Zone(Name::from_text("example.com").unwrap())),
            false => _ = tell(&mut internet, |to| Command::FlushName(Box::new(Name::ROOT), None, to)),
        }
        assert_eq!(finish(&mut internet), (rcode::NOERROR, 1));
        assert!(!dump(&mut internet).contains("www.example.com"), "it may be what was to be flushed");
        let (code, _, asked) = internet.ask("www.example.com", rtype::A);
        assert_eq!((code, asked.last().unwrap().as_str()), (rcode::NOERROR, "www.example.com. 1 @198.51.100.3"));
        assert!(dump(&mut internet).contains("www.example.com"), "what is asked afterwards is kept");
    }
}

#[test]
fn what_is_flushed_is_asked_anew() {
    let mut internet = internet();
    let ask = |internet: &mut Internet, name: &str| internet.ask(name, rtype::A).2.len();
    ask(&mut internet, "www.example.com");
    ask(&mut internet, "a.example.com");
    ask(&mut internet, "no.example.com");
    assert_eq!(ask(&mut internet, "www.example.com"), 0);
    let name = |text: &str| Box::new(Name::from_text(text).unwrap());
    let one = tell(&mut internet, |to| Command::FlushName(name("WWW.example.com"), Some(rtype::A), to));
    assert_eq!(one, Flushed { rrsets: 1, messages: 1, keys: 0 });
    let none = tell(&mut internet, |to| Command::FlushName(name("a.example.com"), Some(rtype::AAAA), to));
    assert_eq!(none, Flushed::default());
    assert_eq!((ask(&mut internet, "www.example.com"), ask(&mut internet, "a.example.com")), (1, 0));
    assert_eq!(flush(&mut internet, Flush::Negative).messages, 1);
    assert_eq!((ask(&mut internet, "no.example.com"), ask(&mut internet, "a.example.com")), (1, 0));
    assert_eq!(flush(&mut internet, Flush::Bogus), Flushed::default());
    flush(&mut internet, Flush::Zone(*name("com")));
    assert_eq!(ask(&mut internet, "a.example.com"), 3, "the delegations are gone, the root's servers are known");
}

#[test]
fn what_is_made_insecure_is_not_validated_until_that_is_taken_back() {
    let servers = vec![
        (ROOT, root(&[("com.", "ns.com.", Some(COM))])),
        (COM, com(&[("example.com.", "ns.example.com.", Some(EXAMPLE))])),
        (EXAMPLE, zone("example.com.", &[("www.example.com.", [192, 0, 2, 1]), ("a.example.com.", [192, 0, 2, 2])])),
    ];
    let data = [&[0, 1, 13, 2][..], &[7; 32]].concat();
    let anchor = AnchorRecord { zone: wire("com"), class: class::IN, rtype: rtype::DS, data };
    let (anchors, _) = Anchors::new([&anchor], [], AnchorRecord::is_known);
    let rules = crate::validate::Rules { anchors: Arc::new(anchors), ..Default::default() };
    let mut internet = Internet::of(Options { validation: Some(rules), ..Options::default() }, false, servers);
    let name = || Name::from_text("example.com").unwrap();
    let set = |internet: &mut Internet, name: Name, insecure: bool| {
        tell(internet, |to| Command::Insecure(Box::new(name), insecure, to));
        flush(internet, Flush::Zone(name));
    };
    assert_eq!(internet.ask("www.example.com", rtype::A).0, rcode::SERVFAIL, "nothing is signed below an anchor");
    set(&mut internet, name(), true);
    assert_eq!(internet.ask("www.example.com", rtype::A).0, rcode::NOERROR);
    set(&mut internet, name(), false);
    assert_eq!(internet.ask("www.example.com", rtype::A).0, rcode::SERVFAIL, "what was kept is judged anew");
    set(&mut internet, Name::from_text("com").unwrap(), true);
    assert_eq!(internet.ask("www.example.com", rtype::A).0, rcode::SERVFAIL, "com is an anchor");
    assert_eq!([Flush::Bogus, Flush::Bogus].map(|what| flush(&mut internet, what).keys), [1, 0]);
    for what in [Flush::Negative, Flush::Zone(Name::from_text("com").unwrap())] {
        internet.ask("a.example.com", rtype::A);
        assert_eq!([what, what].map(|what| flush(&mut internet, what).keys), [1, 0], "{what:?}");
        flush(&mut internet, Flush::Zone(Name::ROOT));
    }
}

#[test]
fn servers_are_listed_and_forgotten() {
    let mut internet = internet();
    assert_eq!(listing(&mut internet, Command::Servers), "");
    internet.ask("www.example.com", rtype::A);
    let listed = listing(&mut internet, Command::Servers);
    let line = listed.lines().find(|line| line.starts_with("198.51.100.3 example.com. ttl ")).expect("the last cut");
    assert!(line.ends_with(" ednsknown 1 edns 0 delay 0 lame dnssec 0 rec 0 A 0 other 0"), "{line}");
    assert_eq!(listed.matches("198.51.100.1 . ttl").count(), 1, "{listed}");
    tell(&mut internet, |to| Command::ForgetServers(Some(EXAMPLE.parse().unwrap()), to));
    let listed = listing(&mut internet, Command::Servers);
    assert!(!listed.contains(EXAMPLE) && listed.contains(COM), "{listed}");
    tell(&mut internet, |to| Command::ForgetServers(None, to));
    assert_eq!(listing(&mut internet, Command::Servers), "");
}

#[test]
fn a_root_that_tells_no_addresses_is_listed_by_its_hints() {
    let bare: iterate::Zone = Box::new(|name, qtype, query| {
        let ns = || reply(query, 0).record(0, ".", rtype::NS, 86_400, &wire("a.root"));
        Some(if (name, qtype) == (".", rtype::NS) { ns().0 } else { reply(query, rcode::NXDOMAIN).0 })
    });
    let mut internet = Internet::new(false, vec![(ROOT, bare)]);
    assert_eq!(internet.ask("www.example", rtype::A).0, rcode::NXDOMAIN);
    let listed = listing(&mut internet, Command::Servers);
    assert!(listed.starts_with("198.51.100.1 . ttl "), "{listed:?}");
}

#[test]
fn questions_in_flight_are_listed_and_ended() {
    let mut internet = internet();
    let head = "thread #0\n#   type cl name    seconds    module status\n";
    assert_eq!(listing(&mut internet, Command::Questions), head);
    begin(&mut internet, "www.example.com");
    let listed = listing(&mut internet, Command::Questions);
    assert!(
        listed.contains("   A IN www.example.com. 0.000000 iterator wants 1 addresses of name servers\n"),
        "{listed}"
    );
    assert!(listed.contains("  NS IN . - iterator wait for 198.51.100.1\n"), "{listed}");
    tell(&mut internet, Command::EndQuestions);
    assert_eq!(internet.world.answers.pop(), Some((7, rcode::SERVFAIL, 0)));
    assert_eq!(internet.core.in_flight(), 0, "nothing is left behind");
    assert_eq!(listing(&mut internet, Command::Questions), head);
    assert_eq!(internet.ask("www.example.com", rtype::A).0, rcode::NOERROR);
}

#[test]
fn a_lookup_says_whom_it_would_ask() {
    let mut internet = internet();
    let lookup = |internet: &mut Internet, name: &str| {
        let name = Box::new(Name::from_text(name).unwrap());
        tell(internet, |to| Command::Lookup(name, to))
    };
    assert_eq!(
        lookup(&mut internet, "www.Example.com"),
        "The following name servers are used for lookup of www.example.com.\n\
         no delegation from cache; goes to configured roots\n"
    );
    internet.ask("www.example.com", rtype::A);
    let text = lookup(&mut internet, "x.www.example.com");
    assert!(text.contains("\nexample.com.\t3600\tIN\tNS\tns.example.com.\n"), "{text}");
    assert!(text.contains("\nns.example.com.\t3600\tIN\tA\t198.51.100.3\n"), "{text}");
    assert!(text.contains("Delegation with 1 names, of which "), "{text}");
    assert!(text.contains("\nIt provides 1 IP addresses.\n198.51.100.3    \trto "), "{text}");

    let server = "192.0.2.53:53".parse().unwrap();
    let forward = Zone { servers: vec![server], ..Zone::forward(wire("lan")) };
    let stub =
        Zone { kind: Kind::Stub { prime: false }, ..Zone { servers: vec![server], ..Zone::forward(wire("stub")) } };
    let table = ZoneTable::new(vec![forward, stub], Reachable::default());
    internet.put(Input::Command(Command::Table(Arc::new(table))));
    let text = lookup(&mut internet, "a.lan");
    assert!(text.contains("\nforwarding request:\nDelegation with 0 names, of which 0 can be examined"), "{text}");
    assert!(text.ends_with("192.0.2.53      \tnot in infra cache.\n"), "{text}");
    assert!(lookup(&mut internet, "a.stub").contains("\nThe noprime stub servers are used:\n"));
}

#[test]
fn settings_are_changed_while_questions_are_asked() {
    let mut internet = internet();
    let (code, ..) = internet.ask("www.example.com", rtype::A);
    assert_eq!(code, rcode::NOERROR);
    let iteration = Iteration { quota: 1, ..Iteration::default() };
    let infra = Infra { shortest: 700, ..Infra::default() };
    let options = Options { iteration, infra, questions: 1, ..Options::default() };
    internet.put(Input::Command(Command::Options(Box::new(options), Rules::default())));
    let (code, _, asked) = internet.ask("www.example.org", rtype::A);
    assert_eq!((code, asked.len()), (rcode::SERVFAIL, 1), "one query is all that it may cost: {asked:?}");
    internet.core.note_rtt("198.51.100.3".parse().unwrap(), 1);
    assert!(internet.core.servers.iter().all(|server| server.wait() >= 700), "the least wait is another");
    internet.request(1, "a.example.com", rtype::A);
    internet.request(2, "b.example.com", rtype::A);
    assert_eq!(internet.core.in_flight(), 2, "sizes stay");
}
