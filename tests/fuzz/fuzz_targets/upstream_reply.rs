//! Any octets as replies from upstream: what is told on is a whole answer within the limits, and can be served from the
//! cache.
//!
//! The first octet says what is asked for; replies follow, two octets of length before each, as over TCP.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbound::answer::acl::{Access, Acl};
use runbound::answer::cache::{Answer, AnswerCache, KeyFixed};
use runbound::answer::decide::{Answerer, Arrival, Decision, Event, EventSink, Given, Via};
use runbound::answer::keepalive::Keepalive;
use runbound::answer::policy::{ClientRules, LogBogus, Policy};
use runbound::answer::zones::ZonesBuilder;
use runbound::dns::body::{Counts, for_each_record};
use runbound::dns::question::Question;
use runbound::dns::scan::HashKey;
use runbound::dns::{class, edns, header, rcode};
use runbound::resolve::{Digester, MAX_BODY};
use runbound::stats::WorkerStats;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

const KEY: HashKey = HashKey::fixed(1);
/// `cache-max-ttl:` by default.
const MAX_TTL: u32 = 86_400;
/// Forward zones: the root, `a.`, `a.a.`
const ZONES: [&[u8]; 4] = [b"\0", b"\0", b"\x01a\0", b"\x01a\x01a\0"];

struct NoEvents;

impl EventSink for NoEvents {
    fn event(&mut self, _: Event<'_>, _: SocketAddr, _: &[u8], _: u16, _: u16) {}
}

fn answerer() -> Answerer {
    let policy = Policy {
        hash_key: KEY,
        acl: Acl::new(&[([0, 0, 0, 0].into(), 0, Access::Allow)]),
        zones: ZonesBuilder::new(KEY).finish().into(),
        identity: None,
        version: None,
        anchors: Some(Default::default()),
        nsid: None,
        ede: true,
        ede_expired: true,
        edns_buffer_size: 1232,
        max_udp_size: 4096,
        harden_short_bufsize: true,
        harden_large_queries: false,
        deny_any: false,
        error_ratelimit: 100,
        rrset_roundrobin: true,
        original_ttl: false,
        no_dnssec_ok: false,
        clients: ClientRules::default(),
        prefetch: true,
        log_queries: false,
        log_replies: false,
        log_destaddr: false,
        log_servfail: false,
        log_bogus: LogBogus::Not,
        log_local_actions: false,
    };
    Answerer::new(Arc::new(policy), AnswerCache::new(1 << 20), Arc::new(WorkerStats::default()), Box::new(NoEvents))
}

thread_local! {
    static RESOLVER: RefCell<Digester> = RefCell::default();
    static WORKER: RefCell<(Answerer, u32)> = RefCell::new((answerer(), 0));
}

/// The replies in what the fuzzer made; the last one may be cut short.
fn replies(mut octets: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some((len, rest)) = octets.split_first_chunk::<2>()
        && found.len() < 14
    {
        let (reply, behind) = rest.split_at(rest.len().min(usize::from(u16::from_be_bytes(*len))));
        found.push(reply);
        octets = behind;
    }
    found
}

/// A query for the question that `reply` repeats.
fn query(reply: &[u8], question: &Question, dnssec_ok: bool) -> Vec<u8> {
    let mut query = reply[..question.end()].to_vec();
    header::set_flags(&mut query, header::flag::RD);
    header::set_counts(&mut query, [1, 0, 0, 1]);
    let at = query.len();
    query.resize(at + edns::LEN, 0);
    edns::write(&mut query, at, 4096, 0, if dnssec_ok { edns::DO } else { 0 });
    query
}

/// Walks all records of a message.
fn walk(message: &[u8], start: usize, counts: Counts, most: u32) {
    let walked = for_each_record(message, start, counts, |_, owner, fixed, _| {
        assert!(owner.as_wire().len() <= 255);
        assert!(fixed.ttl <= most || fixed.rtype == 41, "a TTL of {} s", fixed.ttl);
        Some(())
    });
    assert!(walked.is_some(), "a record that cannot be read");
}

/// Serves the answer to who waited for it, then keeps it and serves it from the cache.
fn serve(query: &[u8], question: &Question, dnssec_ok: bool, answer: Answer<'_>, ttl: u32) {
    WORKER.with_borrow_mut(|(answerer, now)| {
        *now += 1;
        let client = SocketAddr::from(([192, 0, 2, 1], 1024));
        let name = &query[header::LEN..header::LEN + question.name_len];
        let key = KeyFixed { qtype: question.qtype, qclass: class::IN, bits: u8::from(dnssec_ok) };
        for given in [Some(Given { name: None, answer, waited: 0, error: None }), None] {
            if given.is_none() {
                answerer.cache().put(name, KEY.name(name), key, answer, *now, ttl);
            }
            for via in [Via::Datagram(1452), Via::Stream] {
                let mut message = vec![0u8; 65535];
                message[..query.len()].copy_from_slice(query);
                let arrival = Arrival { client, via, local: None, now: *now, keepalive: Keepalive::Silent };
                let size = match given {
                    Some(given) => answerer.complete(&mut message, query.len(), arrival, given),
                    None => match answerer.decide(&mut message, query.len(), arrival, None) {
                        Decision::Reply(size) => Some(size),
                        Decision::Drop => None,
                        Decision::Miss => continue,
                    },
                };
                let size = size.expect("an answer that is told on");
                assert!((header::LEN..=65535).contains(&size));
                let [_, counts @ ..] = header::counts(&message);
                walk(&message[..size], question.end(), counts, MAX_TTL);
            }
        }
    });
}

fuzz_target!(|octets: &[u8]| {
    let Some((&choice, rest)) = octets.split_first() else { return };
    let (dnssec_ok, minimal) = (choice & 1 != 0, choice & 2 != 0);
    let replies = replies(rest);
    RESOLVER.with_borrow_mut(|resolver| {
        let zone = ZONES[usize::from(choice >> 2 & 3)];
        let Some(response) = resolver.run(&replies, zone, dnssec_ok, minimal) else { return };
        assert!(response.body().len() <= MAX_BODY);
        assert!(matches!(response.rcode, rcode::NOERROR | rcode::NXDOMAIN | rcode::YXDOMAIN));
        assert!(response.ttl <= MAX_TTL);
        let question = Question::parse(replies[0]).expect("it was answered");
        let mut message = replies[0][..question.end()].to_vec();
        message.extend_from_slice(response.body());
        walk(&message, question.end(), response.counts, MAX_TTL);
        if question.qclass == class::IN {
            let query = query(replies[0], &question, dnssec_ok);
            let answer = Answer::new(response.rcode, response.counts, response.body());
            serve(&query, &question, dnssec_ok, answer, response.ttl);
        }
    });
});
