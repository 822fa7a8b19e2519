//! The decision as a client sees it: queries in, replies out.

use super::acl::{Access, Acl};
use super::cache::{Answer, AnswerCache, KeyFixed};
use super::decide::{Answerer, Arrival, Decision, Event, EventSink, Given, Via};
use super::policy::Policy;
use super::zones::{LocalRecord, ZoneType, ZonesBuilder};
use crate::dns::body::{BodyWriter, Counts, Fixed, for_each_record};
use crate::dns::header::{self, flag};
use crate::dns::question::Question;
use crate::dns::scan::HashKey;
use crate::dns::{Name, class, edns, rcode, rtype};
use crate::stats::WorkerStats;
use std::net::SocketAddr;
use std::sync::Arc;

struct NoEvents;

impl EventSink for NoEvents {
    fn event(&mut self, _: Event<'_>, _: SocketAddr, _: &[u8], _: u16, _: u16) {}
}

fn wire(text: &str) -> Vec<u8> {
    Name::from_text(text).unwrap().as_wire().to_vec()
}

fn record(owner: &str, rtype: u16, rdata: &[u8]) -> LocalRecord {
    LocalRecord { owner: wire(owner), rtype, class: class::IN, ttl: 60, rdata: rdata.to_vec() }
}

fn answerer(change: impl FnOnce(&mut Policy)) -> Answerer {
    let key = HashKey::fixed(3);
    let mut zones = ZonesBuilder::new(key);
    for (name, kind) in [
        ("static.test", ZoneType::Static),
        ("alias.test", ZoneType::Redirect),
        ("wild.test", ZoneType::Redirect),
        ("null.test", ZoneType::AlwaysNull),
    ] {
        zones.zone(&wire(name), kind).unwrap();
    }
    let mut records: Vec<LocalRecord> =
        (1..=40).map(|host| record("many.static.test", rtype::A, &[10, 0, 0, host])).collect();
    records.push(record("alias.test", rtype::CNAME, &wire("target.example")));
    records.push(record("wild.test", rtype::CNAME, &wire("*.sink.example")));
    for record in records {
        zones.record(record).unwrap();
    }
    let localhost = "127.0.0.0".parse().unwrap();
    let mut policy = Policy {
        hash_key: key,
        acl: Acl::new(&[
            (localhost, 8, Access::Allow),
            ("10.0.0.0".parse().unwrap(), 8, Access::Deny),
            ("10.1.0.0".parse().unwrap(), 16, Access::RefuseNonLocal),
        ]),
        zones: Arc::new(zones.finish()),
        identity: Some(b"host"[..].into()),
        version: None,
        hide_trustanchor: false,
        edns_buffer_size: 1232,
        max_udp_size: 1232,
        harden_short_bufsize: true,
        harden_large_queries: false,
        deny_any: false,
        error_ratelimit: 100,
        rrset_roundrobin: true,
        log_queries: false,
        log_local_actions: false,
    };
    change(&mut policy);
    Answerer::new(Arc::new(policy), AnswerCache::new(1 << 20), Arc::new(WorkerStats::default()), Box::new(NoEvents))
}

struct Query {
    message: Vec<u8>,
    client: SocketAddr,
    via: Via,
    /// It is looked at before it is decided.
    ahead: bool,
}

fn query(name: &str, qtype: u16) -> Query {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(wire(name));
    message.extend_from_slice(&qtype.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    Query { message, client: "127.0.0.1:4242".parse().unwrap(), via: Via::Datagram(1472), ahead: false }
}

impl Query {
    fn edns(mut self, size: u16, version: u8) -> Query {
        let at = self.message.len();
        self.message.resize(at + edns::LEN, 0);
        edns::write(&mut self.message, at, size, 0, edns::DO);
        self.message[at + 6] = version;
        self.message[11] = 1;
        self
    }

    fn ask(&self, answerer: &mut Answerer, given: Option<Given<'_>>) -> Reply {
        let mut buffer = vec![0xee; 70_000];
        buffer[..self.message.len()].copy_from_slice(&self.message);
        let arrival = Arrival { client: self.client, via: self.via, now: 1 };
        let len = self.message.len();
        if let Some(given) = given {
            let reply = answerer.complete(&mut buffer, len, arrival, given);
            return reply.map_or(Reply::Dropped, |len| Reply::Message(buffer[..len].to_vec()));
        }
        let ahead = if self.ahead { answerer.look_ahead(3, &self.message) } else { None };
        match answerer.decide(&mut buffer, len, arrival, ahead.as_ref()) {
            Decision::Reply(len) => Reply::Message(buffer[..len].to_vec()),
            Decision::Drop => Reply::Dropped,
            Decision::Miss(miss) => Reply::Missed { name: miss.name.to_vec(), hash: miss.hash, key: miss.key },
        }
    }
}

#[derive(Debug, PartialEq)]
enum Reply {
    Message(Vec<u8>),
    Dropped,
    Missed { name: Vec<u8>, hash: u64, key: KeyFixed },
}

impl Reply {
    fn message(self) -> Vec<u8> {
        match self {
            Reply::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    fn missed(self) -> (Vec<u8>, u64, KeyFixed) {
        match self {
            Reply::Missed { name, hash, key } => (name, hash, key),
            other => panic!("{other:?}"),
        }
    }
}

fn records(message: &[u8]) -> Vec<(usize, String, u16, u32, Vec<u8>)> {
    let counts = header::counts(message);
    let start = Question::parse(message).unwrap().end();
    let mut found = Vec::new();
    let sections: Counts = [counts[1], counts[2], counts[3]];
    for_each_record(message, start, sections, |section, owner, fixed, data| {
        found.push((section, owner.to_string(), fixed.rtype, fixed.ttl, data.to_vec()));
        Some(())
    })
    .unwrap();
    found
}

#[test]
fn local_data_keeps_case_and_rotates() {
    let mut answerer = answerer(|_| {});
    let first = query("MANY.static.Test", rtype::A).edns(1232, 0).ask(&mut answerer, None).message();
    assert_eq!(header::flags(&first), flag::QR | flag::AA | flag::RD | flag::RA);
    assert_eq!(&first[12..30], &wire("MANY.static.Test")[..]);
    let mut other = query("many.static.test", rtype::A).edns(1232, 0);
    other.message[1] ^= 1;
    let second = other.ask(&mut answerer, None).message();
    let (a, b) = (records(&first), records(&second));
    assert_eq!((a.len(), b.len()), (41, 41), "40 addresses and OPT");
    assert_ne!(a[0], b[0]);
    let mut sorted = [a, b].map(|set| set.into_iter().map(|r| r.4).collect::<Vec<_>>());
    sorted.iter_mut().for_each(|set| set.sort());
    assert_eq!(sorted[0], sorted[1]);
}

#[test]
fn what_does_not_fit_is_truncated_by_rrset() {
    let mut answerer = answerer(|_| {});
    let message = query("many.static.test", rtype::A).ask(&mut answerer, None).message();
    assert_eq!(header::flags(&message) & flag::TC, flag::TC);
    assert_eq!(header::counts(&message), [1, 0, 0, 0]);
    let mut stream = query("many.static.test", rtype::A);
    stream.via = Via::Stream;
    assert_eq!(header::counts(&stream.ask(&mut answerer, None).message()), [1, 40, 0, 0]);
    let mut narrow = query("many.static.test", rtype::A).edns(4096, 0);
    narrow.via = Via::Datagram(600);
    assert_eq!(header::flags(&narrow.ask(&mut answerer, None).message()) & flag::TC, flag::TC);
}

#[test]
fn access_decides_first() {
    let mut answerer = answerer(|_| {});
    let mut asked = query("many.static.test", rtype::MX);
    asked.client = "10.0.0.1:1".parse().unwrap();
    assert_eq!(asked.ask(&mut answerer, None), Reply::Dropped);
    asked.client = "192.0.2.1:1".parse().unwrap();
    let refused = asked.ask(&mut answerer, None).message();
    assert_eq!((refused.len(), header::flags(&refused) & 0xf), (asked.message.len(), rcode::REFUSED));
    asked.client = "10.1.0.1:1".parse().unwrap();
    assert_eq!(header::flags(&asked.ask(&mut answerer, None).message()) & 0xf, rcode::NOERROR, "local data");
    let mut asked = query("elsewhere.example", rtype::A);
    asked.client = "10.1.0.1:1".parse().unwrap();
    assert_eq!(header::flags(&asked.ask(&mut answerer, None).message()) & 0xf, rcode::REFUSED);
}

#[test]
fn cookie_clients_without_one_are_sent_to_tcp() {
    let mut answerer = answerer(|policy| {
        policy.acl = Acl::new(&[("127.0.0.0".parse().unwrap(), 8, Access::AllowCookie)]);
    });
    let mut asked = query("many.static.test", rtype::MX);
    let flags = header::flags(&asked.ask(&mut answerer, None).message());
    assert_eq!((flags & 0xf, flags & flag::TC), (rcode::REFUSED, flag::TC));
    asked.via = Via::Stream;
    assert_eq!(header::flags(&asked.ask(&mut answerer, None).message()) & 0xf, rcode::NOERROR);
}

#[test]
fn odd_queries_get_what_unbound_gives() {
    let mut answerer = answerer(|_| {});
    let code = |answerer: &mut Answerer, change: &dyn Fn(&mut Vec<u8>)| {
        let mut asked = query("www.example", rtype::A);
        change(&mut asked.message);
        match asked.ask(answerer, None) {
            Reply::Message(message) => Some(header::flags(&message) & 0xf),
            Reply::Dropped => None,
            Reply::Missed { .. } => Some(99),
        }
    };
    for (what, change, wanted) in [
        ("plain", &(|_: &mut Vec<u8>| {}) as &dyn Fn(&mut Vec<u8>), Some(99)),
        ("short", &|m| m.truncate(11), None),
        ("header only", &|m| m.truncate(12), Some(rcode::FORMERR)),
        ("response", &|m| m[2] |= 0x80, None),
        ("TC", &|m| m[2] |= 0x02, Some(rcode::FORMERR)),
        ("status opcode", &|m| m[2] |= 0x10, Some(rcode::NOTIMP)),
        ("update", &|m| m[2] |= 0x28, Some(rcode::NOTIMP)),
        ("no question", &|m| m[5] = 0, Some(rcode::FORMERR)),
        ("two questions", &|m| m[5] = 2, Some(rcode::FORMERR)),
        ("answer", &|m| m[7] = 1, Some(rcode::FORMERR)),
        ("authority", &|m| m[9] = 1, Some(rcode::FORMERR)),
        ("two additional", &|m| m[11] = 2, Some(rcode::FORMERR)),
        ("additional missing", &|m| m[11] = 1, Some(rcode::FORMERR)),
        ("compressed", &|m| m[12] = 0xc0, Some(rcode::FORMERR)),
        ("label of 64", &|m| m[12] = 64, Some(rcode::FORMERR)),
        ("cut in the name", &|m| m.truncate(15), Some(rcode::FORMERR)),
        ("AXFR", &|m| m[26] = 252, Some(rcode::REFUSED)),
        ("OPT as type", &|m| m[26] = 41, Some(rcode::FORMERR)),
        ("class CH", &|m| m[28] = 3, Some(rcode::REFUSED)),
        ("no RD", &|m| m[2] = 0, Some(rcode::REFUSED)),
        ("trailing octets", &|m| m.extend_from_slice(b"garbage"), Some(99)),
    ] {
        assert_eq!(code(&mut answerer, change), wanted, "{what}");
    }
    let bad = query("www.example", rtype::A).edns(1232, 1).ask(&mut answerer, None).message();
    assert_eq!((header::flags(&bad) & 0xf, bad[bad.len() - 6]), (0, 1), "BADVERS, upper bits in OPT");
}

#[test]
fn errors_are_limited() {
    let mut answerer = answerer(|_| {});
    let mut asked = query("www.example", rtype::A);
    asked.message[5] = 0;
    let replies = (0..500).filter(|_| asked.ask(&mut answerer, None) != Reply::Dropped).count();
    assert_eq!(replies, 100);
    assert_eq!(answerer.stats.outcomes.errors_limited.get(), 400);
    for (limit, wanted) in [(7, 7), (0, 500)] {
        let mut answerer = self::answerer(|policy| policy.error_ratelimit = limit);
        let replies = (0..500).filter(|_| asked.ask(&mut answerer, None) != Reply::Dropped).count();
        assert_eq!(replies, wanted, "error-ratelimit: {limit}");
    }
}

/// What a reply carries: RCODE, flags, question, OPT record.
fn carried(message: &[u8]) -> (u16, u16, &[u8], Option<&[u8]>) {
    let flags = header::flags(message);
    let [questions, answers, authorities, additionals] = header::counts(message);
    assert_eq!((answers, authorities), (0, 0));
    let opt = message.len() - usize::from(additionals) * edns::LEN;
    let question = &message[header::LEN..opt];
    assert_eq!(usize::from(questions), usize::from(!question.is_empty()));
    (flags & 0xf, flags & !0xf, question, (additionals == 1).then(|| &message[opt..]))
}

#[test]
fn error_replies_carry_question_and_opt() {
    let mut answerer = answerer(|_| {});
    let good = query("www.example", rtype::A).edns(4096, 0);
    let question = good.message[header::LEN..good.message.len() - edns::LEN].to_vec();
    let opt = |flags: u16| {
        let mut octets = [0; edns::LEN];
        edns::write(&mut octets, 0, 1232, 0, flags);
        octets
    };
    let (with_do, rd) = (opt(edns::DO), flag::QR | flag::RA | flag::RD);
    type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
    let cases: [(&str, Change<'_>, u16, bool, bool); 12] = [
        ("AXFR", &|m| m[26] = 252, rcode::REFUSED, true, true),
        ("IXFR", &|m| m[26] = 251, rcode::REFUSED, true, true),
        ("MAILA", &|m| m[26] = 254, rcode::FORMERR, true, true),
        ("TC", &|m| m[2] |= 2, rcode::FORMERR, true, true),
        ("UPDATE", &|m| m[2] |= 5 << 3, rcode::NOTIMP, true, true),
        (
            "OPT twice",
            &|m| {
                m[11] = 2;
                m.extend_from_within(m.len() - edns::LEN..)
            },
            rcode::FORMERR,
            true,
            true,
        ),
        ("OPT counted as an answer", &|m| (m[7], m[11]) = (1, 0), rcode::FORMERR, true, false),
        (
            "no question",
            &|m| {
                m[5] = 0;
                m.drain(header::LEN..m.len() - edns::LEN);
            },
            rcode::FORMERR,
            false,
            true,
        ),
        (
            "two questions",
            &|m| {
                m[5] = 2;
                let copy = m[12..29].to_vec();
                m.splice(12..12, copy);
            },
            rcode::FORMERR,
            false,
            true,
        ),
        ("label of 64", &|m| m[12] = 64, rcode::FORMERR, false, false),
        ("OPT cut off", &|m| m.truncate(m.len() - 1), rcode::FORMERR, true, false),
        ("a thousand records", &|m| m[10] = 4, rcode::FORMERR, true, true),
    ];
    for (what, change, code, has_question, has_opt) in cases {
        let mut asked = query("www.example", rtype::A).edns(4096, 0);
        change(&mut asked.message);
        let changed = asked.message[header::LEN..][..question.len().min(asked.message.len() - header::LEN)].to_vec();
        let reply = asked.ask(&mut answerer, None).message();
        let (got, flags, question, opt) = carried(&reply);
        assert_eq!((got, question.is_empty(), opt.is_some()), (code, !has_question, has_opt), "{what}");
        assert!(question.is_empty() || question == changed, "{what}");
        assert!(opt.is_none_or(|opt| opt == with_do), "{what}");
        assert_eq!(flags, rd | header::flags(&asked.message) & header::OPCODE_BITS, "{what}");
    }
    let mut plain = query("www.example", rtype::A);
    plain.message[26] = 252;
    assert_eq!(carried(&plain.ask(&mut answerer, None).message()).3, None, "no OPT unasked");
}

#[test]
fn refused_clients_get_question_and_opt() {
    for access in [Access::Refuse, Access::RefuseNonLocal] {
        let mut answerer = answerer(|policy| policy.acl = Acl::new(&[("127.0.0.0".parse().unwrap(), 8, access)]));
        let reply = query("www.example", rtype::A).edns(4096, 0).ask(&mut answerer, None).message();
        let (code, _, question, opt) = carried(&reply);
        assert_eq!((code, question.len(), opt.is_some()), (rcode::REFUSED, 17, true), "{access:?}");
    }
}

#[test]
fn chaos_names_answer_unless_hidden() {
    let mut answerer = answerer(|_| {});
    let mut asked = query("id.server", rtype::TXT);
    *asked.message.last_mut().unwrap() = 3;
    let message = asked.ask(&mut answerer, None).message();
    assert_eq!(records(&message)[0].4, b"\x04host");
    let mut hidden = query("version.bind", rtype::TXT);
    *hidden.message.last_mut().unwrap() = 3;
    assert_eq!(header::flags(&hidden.ask(&mut answerer, None).message()) & 0xf, rcode::REFUSED);
}

#[test]
fn misses_are_answered_from_upstream_and_cache() {
    let mut answerer = answerer(|_| {});
    let asked = query("www.Example", rtype::A);
    let (name, hash, key) = asked.ask(&mut answerer, None).missed();
    assert_eq!(name, wire("www.example"));
    let mut message = [0; 512];
    let mut writer = BodyWriter::new(&mut message, &wire("www.example")).unwrap();
    let fixed = Fixed { rtype: rtype::A, class: class::IN, ttl: 300 };
    writer.push(0, &wire("www.example"), fixed, &[192, 0, 2, 1], true).unwrap();
    let (counts, place) = writer.finish();
    let answer = Answer { rcode: 0, counts, body: &message[place] };
    let given = asked.ask(&mut answerer, Some(Given { name: Some(&name), answer })).message();
    answerer.cache().put(&name, hash, key, answer, 0, 300);
    let cached = asked.ask(&mut answerer, None).message();
    assert_eq!(records(&given)[0].3, 300);
    assert_eq!(records(&cached)[0].3, 299);
    assert_eq!(header::flags(&cached), flag::QR | flag::RD | flag::RA);
}

#[test]
fn redirect_aliases_lead_the_answer() {
    let mut answerer = answerer(|_| {});
    for (name, target) in [("www.alias.test", "target.example"), ("www.wild.test", "www.wild.test.sink.example")] {
        let asked = query(name, rtype::A);
        assert_eq!(asked.ask(&mut answerer, None).missed().0, wire(target));
        let mut message = [0; 512];
        let mut writer = BodyWriter::new(&mut message, &wire(target)).unwrap();
        let fixed = Fixed { rtype: rtype::A, class: class::IN, ttl: 300 };
        writer.push(0, &wire(target), fixed, &[192, 0, 2, 1], true).unwrap();
        let (counts, place) = writer.finish();
        let answer = Answer { rcode: 0, counts, body: &message[place] };
        let wanted = wire(target);
        let reply = asked.ask(&mut answerer, Some(Given { name: Some(&wanted), answer })).message();
        let other = asked.ask(&mut answerer, Some(Given { name: Some(&wire("other")), answer })).message();
        assert_eq!((header::flags(&other) & 0xf, header::counts(&other)[1]), (rcode::SERVFAIL, 0), "not its body");
        let found = records(&reply);
        assert_eq!((found[0].1.as_str(), found[0].2, &found[0].4), (&*format!("{name}."), rtype::CNAME, &wire(target)));
        assert_eq!((found[1].1.as_str(), found[1].2), (&*format!("{target}."), rtype::A));
        assert_eq!(header::flags(&reply) & flag::AA, flag::AA);
    }
}

proptest::proptest! {
    #[test]
    fn any_octets_are_safe(octets: Vec<u8>, stream: bool) {
        let mut answerer = answerer(|_| {});
        let mut buffer = octets.clone();
        buffer.resize(octets.len().max(600), 0);
        let via = if stream { Via::Stream } else { Via::Datagram(1472) };
        let client = "127.0.0.1:1".parse().unwrap();
        if let Decision::Reply(len) = answerer.decide(&mut buffer, octets.len(), Arrival { client, via, now: 0 }, None) {
            assert!(len <= buffer.len() && header::flags(&buffer) & flag::QR != 0);
        }
    }

    #[test]
    fn mutated_queries_are_safe(at in 0usize..60, value: u8, name in "[a-z]{1,8}\\.(static|null|wild|alias)\\.test", qtype: u16) {
        let mut answerer = answerer(|_| {});
        let mut asked = query(&name, qtype).edns(1232, 0);
        if let Some(octet) = asked.message.get_mut(at) {
            *octet = value;
        }
        let plain = asked.ask(&mut answerer, None);
        asked.ahead = true;
        assert_eq!(asked.ask(&mut answerer, None), plain, "looking ahead changes nothing");
    }
}

#[test]
fn a_reply_too_long_for_its_way_keeps_question_and_opt() {
    let mut answerer = answerer(|policy| policy.max_udp_size = 4096);
    let mut buffer = [0; 4096];
    let query = query("many.static.test", rtype::A).edns(4096, 0).message;
    buffer[..query.len()].copy_from_slice(&query);
    let client = "127.0.0.1:1000".parse().unwrap();
    let arrival = Arrival { client, via: Via::Datagram(4096), now: 1 };
    let Decision::Reply(len) = answerer.decide(&mut buffer, query.len(), arrival, None) else { panic!("a reply") };
    assert!(len > 512);
    let whole = buffer[..len].to_vec();
    let short = super::shorten(&mut buffer[..len]);
    assert_eq!(short, query.len(), "header, question, OPT");
    assert_eq!(header::counts(&buffer), [1, 0, 0, 1]);
    assert_eq!(header::flags(&buffer), header::flags(&whole) | flag::TC);
    assert_eq!(buffer[12..short - edns::LEN], whole[12..short - edns::LEN], "the question");
    assert_eq!(buffer[short - edns::LEN..short], whole[len - edns::LEN..], "the OPT record");
    let mut broken = whole[..len - 1].to_vec();
    assert_eq!(super::shorten(&mut broken), len - 1, "no whole message");
}
