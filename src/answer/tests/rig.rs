//! A policy to ask, queries to ask it, and what comes back.

use crate::answer::acl::{Access, Acl};
use crate::answer::cache::{AnswerCache, KeyFixed};
use crate::answer::decide::{Answerer, Arrival, Decision, Event, EventSink, Given, Via};
use crate::answer::keepalive::Keepalive;
use crate::answer::policy::{ClientRules, LogBogus, Policy};
use crate::answer::zones::{LocalRecord, ZoneType, ZonesBuilder};
use crate::dns::body::{Counts, for_each_record};
use crate::dns::header;
use crate::dns::question::Question;
use crate::dns::scan::HashKey;
use crate::dns::{Name, class, edns, rtype};
use crate::stats::WorkerStats;
use std::net::SocketAddr;
use std::sync::Arc;

struct NoEvents;

impl EventSink for NoEvents {
    fn event(&mut self, _: Event<'_>, _: SocketAddr, _: &[u8], _: u16, _: u16) {}
}

pub(super) fn wire(text: &str) -> Vec<u8> {
    Name::from_text(text).unwrap().as_wire().to_vec()
}

fn record(owner: &str, rtype: u16, rdata: &[u8]) -> LocalRecord {
    LocalRecord { owner: wire(owner), rtype, class: class::IN, ttl: 60, rdata: rdata.to_vec() }
}

pub(super) fn answerer(change: impl FnOnce(&mut Policy)) -> Answerer {
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
        anchors: Some(Arc::default()),
        nsid: None,
        ede: false,
        ede_expired: false,
        edns_buffer_size: 1232,
        max_udp_size: 1232,
        harden_short_bufsize: true,
        harden_large_queries: false,
        deny_any: false,
        error_ratelimit: 100,
        rrset_roundrobin: true,
        original_ttl: false,
        no_dnssec_ok: false,
        clients: ClientRules::default(),
        prefetch: false,
        log_queries: false,
        log_replies: false,
        log_destaddr: false,
        log_servfail: false,
        log_bogus: LogBogus::Not,
        log_local_actions: false,
    };
    change(&mut policy);
    Answerer::new(Arc::new(policy), AnswerCache::new(1 << 20), Arc::new(WorkerStats::default()), Box::new(NoEvents))
}

pub(super) struct Query {
    pub(super) message: Vec<u8>,
    pub(super) client: SocketAddr,
    pub(super) via: Via,
    pub(super) local: Option<SocketAddr>,
    /// It is looked at before it is decided.
    pub(super) ahead: bool,
    /// What the reply says of the stream.
    pub(super) keepalive: Keepalive,
}

pub(super) fn query(name: &str, qtype: u16) -> Query {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(wire(name));
    message.extend_from_slice(&qtype.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    Query {
        message,
        client: "127.0.0.1:4242".parse().unwrap(),
        via: Via::Datagram(1472),
        local: None,
        keepalive: Keepalive::Silent,
        ahead: false,
    }
}

impl Query {
    pub(super) fn edns(mut self, size: u16, version: u8) -> Query {
        let at = self.message.len();
        self.message.resize(at + edns::LEN, 0);
        edns::write(&mut self.message, at, size, 0, edns::DO);
        self.message[at + 6] = version;
        self.message[11] = 1;
        self
    }

    /// Behind [`Query::edns`]: asks for NSID.
    pub(super) fn nsid(mut self) -> Query {
        let opt = self.message.len() - edns::LEN;
        self.message.resize(opt + edns::LEN + edns::OPTION, 0);
        edns::append(&mut self.message, opt, &[0, edns::NSID as u8, 0, 0]);
        self
    }

    pub(super) fn ask(&self, answerer: &mut Answerer, given: Option<Given<'_>>) -> Reply {
        let mut buffer = vec![0xee; 70_000];
        buffer[..self.message.len()].copy_from_slice(&self.message);
        let arrival =
            Arrival { client: self.client, via: self.via, local: self.local, now: 1, keepalive: self.keepalive };
        let len = self.message.len();
        if let Some(given) = given {
            let reply = answerer.complete(&mut buffer, len, arrival, given);
            return reply.map_or(Reply::Dropped, |len| Reply::Message(buffer[..len].to_vec()));
        }
        let ahead = if self.ahead { answerer.look_ahead(3, &self.message) } else { None };
        match answerer.decide(&mut buffer, len, arrival, ahead.as_ref()) {
            Decision::Reply(len) => Reply::Message(buffer[..len].to_vec()),
            Decision::Drop => Reply::Dropped,
            Decision::Miss => {
                let (miss, _) = answerer.missed();
                Reply::Missed { name: miss.name.to_vec(), hash: miss.hash, key: miss.key }
            }
        }
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    Message(Vec<u8>),
    Dropped,
    Missed { name: Vec<u8>, hash: u64, key: KeyFixed },
}

impl Reply {
    pub(super) fn message(self) -> Vec<u8> {
        match self {
            Reply::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn missed(self) -> (Vec<u8>, u64, KeyFixed) {
        match self {
            Reply::Missed { name, hash, key } => (name, hash, key),
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn records(message: &[u8]) -> Vec<(usize, String, u16, u32, Vec<u8>)> {
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
