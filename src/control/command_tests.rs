#![allow(clippy::unwrap_used)]

use super::super::answer;
use super::super::fake::Fake;
use super::super::request::Batch;
use super::*;
use proptest::prelude::*;

const ROOM: usize = 1 << 20;

fn run(backend: &mut Fake, line: &str) -> String {
    let mut base = None;
    text(execute(Request::Line(line.to_owned()), backend, &mut base, ROOM))
}

fn run_batch(backend: &mut Fake, batch: Batch, lines: &str) -> String {
    text(execute(Request::Batch(batch, lines.as_bytes().to_vec()), backend, &mut None, ROOM))
}

/// The whole reply, however long.
fn execute(request: Request, backend: &mut Fake, base: &mut Option<Snapshot>, room: usize) -> Vec<u8> {
    super::super::whole(carry_out(request, backend, base, room))
}

fn text(reply: Vec<u8>) -> String {
    String::from_utf8(reply).unwrap()
}

/// Replies that Unbound 1.26 gives to the same line (its `daemon/remote.c`), the counts aside.
#[test]
fn replies_are_unbounds() {
    let none = "ok removed 0 rrsets, 0 messages and 0 key entries\n";
    for (line, reply) in [
        (" reload", "ok\n"),
        ("reloadx", "error unknown command 'reloadx'\n"),
        (" foo bar", "error unknown command 'foo bar'\n"),
        ("", "error unknown command ''\n"),
        ("status now", "error command status takes no arguments, have 'now'\n"),
        ("local_zones a. static", "error command local_zones takes no arguments, have 'a. static'\n"),
        ("verbosity 2", "ok\n"),
        ("local_zone foo static", "ok\n"),
        ("local_zone foo", "error could not find next argument after foo\n"),
        ("local_zone foo bar", "error not a zone type. bar\n"),
        ("local_zone_remove foo", "ok\n"),
        ("local_zone_remove nowhere", "ok\n"),
        ("local_zone_remove", "error: this option requires a domain name\n"),
        ("local_data\tx.example. A 192.0.2.1", "ok\n"),
        ("local_data_remove x.example.", "ok\n"),
        ("flush www.example.com", "ok\n"),
        ("flush", "error: this option requires a domain name\n"),
        ("flush_type foo", "error could not find next argument after foo\n"),
        ("flush_type foo bar", "error parsing RRset type: 'bar'\n"),
        ("flush_type +c foo TYPE77", "ok\n"),
        ("flush_bogus", none),
        ("flush_zone example.com", "ok removed 4 rrsets, 3 messages and 2 key entries\n"),
        ("flush_negative", "ok removed 0 rrsets, 5 messages and 0 key entries\n"),
        ("list_forwards", ". IN forward 127.0.0.1@5392 192.0.2.55@853#dns.example 192.0.2.53 fe80::1%eth0\n"),
        ("forward", "127.0.0.1@5392 192.0.2.55@853#dns.example 192.0.2.53 fe80::1%eth0\n"),
        ("ratelimit_list", "example.com. 7 limit 5\n"),
        ("ratelimit_list +a", "example.com. 7 limit 10\n"),
        ("get_option port", "53\n"),
        ("get_option foo", "error unknown option\n"),
        (
            "list_stubs",
            "a.example. IN stub prime +i ns.example. 192.0.2.8@5300\nb.example. IN stub noprime 192.0.2.8@5300\n",
        ),
        ("flush_infra all", "ok\n"),
        ("flush_infra 2001:db8::1", "ok\n"),
        ("flush_infra x", "error parsing ip addr: 'x'\n"),
        ("flush_requestlist", "ok\n"),
        ("flush_requestlist x", "error command flush_requestlist takes no arguments, have 'x'\n"),
        ("dump_cache x", "error command dump_cache takes no arguments, have 'x'\n"),
        ("lookup example.com", "The following name servers are used for lookup of example.com.\n"),
        ("lookup", "error: this option requires a domain name\n"),
        ("dump_requestlist", ""),
        ("log_reopen", "ok\n"),
        ("stop", "ok\n"),
    ] {
        assert_eq!(run(&mut Fake::default(), line), reply, "{line}");
    }
}

/// Unbound takes what `atoi` takes, a level below zero and letters behind the number among it.
#[test]
fn a_verbosity_is_a_number_in_its_range_or_an_error() {
    for text in ["0", "1", "255"] {
        assert_eq!(run(&mut Fake::default(), &format!("verbosity {text}")), "ok\n");
    }
    for text in ["", "x", "1 2", "1x", "+1", "-1", "256", "99999999999"] {
        let mut backend = Fake { verbosity: 7, ..Fake::default() };
        let reply = run(&mut backend, &format!("verbosity {text}"));
        let expected = "error in verbosity number syntax: expected a number from 0 to 255, not ";
        assert_eq!(reply, format!("{expected}{text:?}\n"));
        assert_eq!(backend.verbosity, 7);
    }
}

#[test]
fn a_dump_comes_in_pieces_and_an_error_ends_it() {
    let backend = &mut Fake::default();
    let whole = "START_RRSET_CACHE\nEND_RRSET_CACHE\nSTART_MSG_CACHE\nEND_MSG_CACHE\nEOF\n";
    assert_eq!(run(backend, "dump_cache"), whole);
    assert_eq!(run(backend, "dump_infra"), "192.0.2.1 . ttl 3\nerror it is late\n");
}

#[test]
fn a_dump_is_taken_in_up_to_its_end() {
    let load = |text: &str| {
        let mut backend = Fake::default();
        let reply = answer(format!("UBCT1  load_cache\n{text}").as_bytes(), &mut backend).unwrap();
        let loaded = backend.loaded.lock().unwrap().join("|");
        (String::from_utf8(reply).unwrap(), loaded)
    };
    assert_eq!(load("a\nb c\nEOF\n"), ("ok\n".to_owned(), "a|b c|EOF".to_owned()));
    assert_eq!(load("a\nEOF"), ("ok\n".to_owned(), "a|EOF".to_owned()), "without its last line end");
    assert_eq!(load("a\n").0, "error the dump ends before its line EOF; what was read is kept\n");
    assert!(load("bad\nEOF\n").0.starts_with("error line 1: expected START_RRSET_CACHE"));
    assert!(load(&"x".repeat(1 << 19)).0.starts_with("error a line is longer than"));
}

/// What fuzzing found.
#[test]
fn the_seeds_of_the_fuzzer_are_answered() {
    let mut backend = Fake::default();
    let reply = answer(include_bytes!("../../tests/fuzz/seeds/control/029"), &mut backend).unwrap();
    assert!(text(reply).starts_with("error in verbosity number syntax: "));
    assert_eq!(backend.verbosity, 0);
}

#[test]
fn commands_reach_the_backend_with_their_arguments() {
    let mut backend = Fake::default();
    for line in ["flush Example.com", "flush_type a. AAAA", "flush_type a. TYPE65535", "flush_zone +c .", "verbosity 3"]
    {
        run(&mut backend, line);
    }
    let calls = ["flush Example.com. None", "flush a. Some(28)", "flush a. Some(65535)", "flush_zone ."];
    assert_eq!(backend.calls, calls);
    assert_eq!(backend.verbosity, 3);
    for line in ["reload", "reload_keep_cache", "fast_reload +vp"] {
        assert_eq!(run(&mut backend, line), "ok\n");
    }
    assert_eq!(backend.calls[4..], ["reload false", "reload true", "reload true"]);
    assert_eq!(run(&mut backend, "fast_reload +x"), "error unknown option '+x'\n");
    assert!(!backend.stopped);
    run(&mut backend, "stop");
    assert!(backend.stopped);
}

#[test]
fn a_failed_reload_says_why_in_one_line() {
    let mut backend = Fake { broken: Some("unbound.conf:3: unknown directive\nsecond line".into()), ..Fake::default() };
    assert_eq!(run(&mut backend, "reload"), "error unbound.conf:3: unknown directive second line\n");
    assert!(run(&mut backend, "local_zone a. static").starts_with("error unbound.conf:3"));
    let batch = run_batch(&mut backend, Batch::Zones, "a. static\n");
    assert_eq!(batch, "error unbound.conf:3: unknown directive second line\nadded 0 zones\n");
}

#[test]
fn what_comes_into_force_late_is_said_to_be_late_and_not_to_be_nothing() {
    let mut backend = Fake { late: Some("it comes later".into()), ..Fake::default() };
    assert_eq!(run(&mut backend, "local_zone a. static"), "error it comes later\n");
    assert_eq!(run_batch(&mut backend, Batch::Zones, "b. static\n"), "error it comes later\nadded 1 zones\n");
    assert_eq!(run(&mut backend, "list_local_zones"), "a. static\nb. static\n");
    let status = run(&mut backend, "status");
    assert!(status.contains("\nworker: has not answered a command for 7 s; "), "{status}");
    assert!(!run(&mut Fake::default(), "status").contains("worker: has"));
}

#[test]
fn zones_and_options_are_changed_as_the_words_say() {
    for (line, reply, call) in [
        (
            "forward_add example.com 192.0.2.1 ns.a@5300",
            "ok\n",
            "zone stub false example.com. Some([\"192.0.2.1\", \"ns.a@5300\"]) prime false",
        ),
        (
            "forward_add +i example.com 192.0.2.1",
            "ok\n",
            "zone stub false example.com. Some([\"192.0.2.1\"]) prime false, insecure example.com. true",
        ),
        ("forward_add example.com", "error could not find next argument after example.com\n", ""),
        (
            "forward_add +t example.com 192.0.2.1",
            "error DNS over TLS to upstream is not there yet, and sending in clear is not what was asked for\n",
            "",
        ),
        ("forward_add +x example.com 192.0.2.1", "error: unknown option x\n", ""),
        (
            "forward_remove +i example.com",
            "ok\n",
            "zone stub false example.com. None prime false, insecure example.com. false",
        ),
        ("forward_remove", "error: this option requires a domain name\n", ""),
        (
            "stub_add +ip example.com 192.0.2.1",
            "ok\n",
            "zone stub true example.com. Some([\"192.0.2.1\"]) prime true, insecure example.com. true",
        ),
        ("stub_add example.com 192.0.2.1", "ok\n", "zone stub true example.com. Some([\"192.0.2.1\"]) prime false"),
        ("insecure_add Example.com", "ok\n", "insecure Example.com. true"),
        ("insecure_remove example.com.", "ok\n", "insecure example.com. false"),
        ("insecure_add", "error: this option requires a domain name\n", ""),
        ("list_insecure", "a.example.\n", ""),
        ("stub_remove example.com", "ok\n", "zone stub true example.com. None prime false"),
        ("forward off", "ok\n", "forward None"),
        ("forward 192.0.2.1 192.0.2.2", "ok\n", "forward Some([\"192.0.2.1\", \"192.0.2.2\"])"),
        ("set_option prefetch: yes", "ok\n", "set prefetch to yes"),
        ("set_option target-fetch-policy: \"1 2\"", "ok\n", "set target-fetch-policy to 1 2"),
        ("set_option prefetch", "error could not find next argument after prefetch\n", ""),
    ] {
        let mut backend = Fake::default();
        assert_eq!(run(&mut backend, line), reply, "{line}");
        assert_eq!(backend.calls.join(", "), call, "{line}");
    }
    let mut backend = Fake { broken: Some("unknown option".into()), ..Fake::default() };
    assert_eq!(run(&mut backend, "set_option foo: 1"), "error setting option: unknown option\n");
}

#[test]
fn what_unbound_has_and_this_has_not_is_said_to_be_so() {
    for (words, _) in UNSUPPORTED {
        for word in *words {
            let reply = run(&mut Fake::default(), &format!("{word} an argument"));
            assert!(reply.starts_with(&format!("error {word} is not supported yet: ")), "{reply}");
        }
    }
}

#[test]
fn local_data_errors_name_the_record() {
    let mut backend = Fake::default();
    assert_eq!(run(&mut backend, "local_data foo"), "error parsing local-data 'foo': the record has no type\n");
    let reply = run_batch(&mut backend, Batch::Datas, "a. A 192.0.2.1\nb.\n");
    assert_eq!(reply, "error parsing local-data at line 2 'b.': the record has no type\nadded 1 datas\n");
    assert!(run(&mut backend, "local_data_remove x..y").starts_with("error cannot parse name x..y: "));
}

#[test]
fn one_record_is_not_taken_for_a_name() {
    let mut backend = Fake::default();
    run(&mut backend, "local_data a. A 192.0.2.1");
    assert!(run(&mut backend, "local_data_remove a. A 192.0.2.1").starts_with("error cannot remove the one record"));
    assert_eq!(backend.data.len(), 1);
}

#[test]
fn a_batch_is_one_compilation_and_leaves_out_what_fails() {
    let mut backend = Fake::default();
    let reply = run_batch(&mut backend, Batch::Zones, "a. static\nb. bad\nc\nd. deny\n");
    assert_eq!(
        reply,
        "error not a zone type. bad\nerror for input line: b. bad\n\
         error could not find next argument after c\nerror for input line: c\nadded 2 zones\n"
    );
    assert_eq!(backend.compilations, 1);
    assert_eq!(backend.zones.keys().collect::<Vec<_>>(), ["a.", "d."]);
    assert_eq!(run(&mut backend, "list_local_zones"), "a. static\nd. deny\n");
    assert_eq!(run_batch(&mut backend, Batch::ZonesRemove, "a.\nd."), "removed 2 zones\n");
    assert_eq!(run_batch(&mut backend, Batch::Datas, ""), "added 0 datas\n");
    assert_eq!(run_batch(&mut backend, Batch::Zones, "\na. static\n\n \nd. deny\n\n"), "added 2 zones\n");
    assert_eq!(run_batch(&mut backend, Batch::ZonesRemove, "a.\n\nd.\n"), "removed 2 zones\n");
    let long = format!("x. A 192.0.2.1\nlong. TXT {}\n", "a".repeat(super::super::request::MAX_LINE));
    let reply = run_batch(&mut backend, Batch::Datas, &long);
    assert!(reply.starts_with("error input line 2 is longer than") && reply.ends_with("added 1 datas\n"), "{reply}");
    run(&mut backend, "local_data_remove x.");
    assert_eq!(run_batch(&mut backend, Batch::Datas, "x. A 192.0.2.1\n"), "added 1 datas\n");
    assert_eq!(run(&mut backend, "list_local_data"), "x.\tA\t192.0.2.1\n\n");
    assert_eq!(run_batch(&mut backend, Batch::DatasRemove, "x.\n"), "removed 1 datas\n");
    assert!(backend.zones.is_empty() && backend.data.is_empty());
}

#[test]
fn stats_counts_from_the_last_stats_and_stats_noreset_leaves_that() {
    let mut backend = Fake::default();
    let mut base = None;
    let mut queries = |backend: &mut Fake, line: &str| {
        let reply = text(execute(Request::Line(line.into()), backend, &mut base, ROOM));
        reply.lines().find_map(|line| line.strip_prefix("total.num.queries=")).map(str::to_owned)
    };
    backend.worker.outcomes.queries.add(5);
    assert_eq!(queries(&mut backend, "stats_noreset").as_deref(), Some("5"));
    assert_eq!(queries(&mut backend, "stats").as_deref(), Some("5"));
    backend.worker.outcomes.queries.add(2);
    assert_eq!(queries(&mut backend, "stats_noreset").as_deref(), Some("2"));
    assert_eq!(queries(&mut backend, "stats").as_deref(), Some("2"));
    assert_eq!(queries(&mut backend, "stats").as_deref(), Some("0"));
    backend.worker.outcomes.queries.add(1);
    queries(&mut backend, "flush_stats");
    assert_eq!(queries(&mut backend, "stats_noreset").as_deref(), Some("0"));
    assert_eq!(backend.worker.outcomes.queries.get(), 8);
}

#[test]
fn a_reply_beyond_its_room_is_an_error() {
    let mut backend = Fake::default();
    let reply = text(execute(Request::Line("stats".into()), &mut backend, &mut None, 100));
    assert_eq!(reply, "error the reply is longer than the 100 octets kept for it, or than memory allows\n");
}

fn words() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&'static str> = WITHOUT_ARGUMENT
        .iter()
        .chain(UNSUPPORTED.iter().flat_map(|(words, _)| words.iter()))
        .chain(&["verbosity", "local_zone", "local_zone_remove", "local_data", "local_data_remove", "get_option"])
        .chain(&["flush", "flush_type", "flush_zone", "flush_bogus", "flush_negative", "fast_reload", "forward", "+c"])
        .chain(&["flush_infra", "lookup", "load_cache", "dump_cache"])
        .copied()
        .collect();
    prop_oneof![
        proptest::sample::select(known).prop_map(|word| word.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..12),
        Just(b"a.example. A 192.0.2.1\n".to_vec()),
        Just(b"\\300.\\".to_vec()),
        Just(b"\n".to_vec()),
    ]
}

proptest! {
    #[test]
    fn any_octets_get_a_reply_or_a_hangup(
        magic in prop_oneof![9 => Just(&b"UBCT1 "[..]), 1 => Just(&b""[..])],
        words in proptest::collection::vec(words(), 0..8),
    ) {
        let octets = [magic, &words.join(&b' ')].concat();
        if let Some(reply) = answer(&octets, &mut Fake::default()) {
            let reply = text(reply);
            prop_assert!(reply.is_empty() || reply.ends_with('\n'));
        }
    }
}
