//! Any octets as a DNS message: decided as a query over both transports, and walked as a reply from upstream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbound::answer::acl::{Access, Acl};
use runbound::answer::cache::AnswerCache;
use runbound::answer::decide::{Answerer, Arrival, Decision, Event, EventSink, Via};
use runbound::answer::keepalive::Keepalive;
use runbound::answer::policy::{ClientRules, LogBogus, Policy};
use runbound::answer::zones::{LocalRecord, ZoneType, ZonesBuilder};
use runbound::dns::body::for_each_record;
use runbound::dns::header;
use runbound::dns::name::Name;
use runbound::dns::question::Question;
use runbound::dns::scan::HashKey;
use runbound::stats::WorkerStats;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

struct NoEvents;

impl EventSink for NoEvents {
    fn event(&mut self, _: Event<'_>, _: SocketAddr, _: &[u8], _: u16, _: u16) {}
}

fn answerer() -> Answerer {
    let key = HashKey::fixed(1);
    let wire = |text: &str| Name::from_text(text).expect("a name").as_wire().to_vec();
    let mut zones = ZonesBuilder::new(key);
    for (name, kind) in [("zone.example", ZoneType::Static), ("go.example", ZoneType::Redirect)] {
        zones.zone(&wire(name), kind).expect("a zone");
    }
    for host in 0..60 {
        let record =
            LocalRecord { owner: wire("a.zone.example"), rtype: 1, class: 1, ttl: 60, rdata: vec![192, 0, 2, host] };
        zones.record(record).expect("a record");
    }
    let target = wire("*.target.example");
    zones
        .record(LocalRecord { owner: wire("go.example"), rtype: 5, class: 1, ttl: 60, rdata: target })
        .expect("a record");
    let policy = Policy {
        hash_key: key,
        acl: Acl::new(&[([0, 0, 0, 0].into(), 0, Access::Allow)]),
        zones: zones.finish().into(),
        identity: Some(b"host"[..].into()),
        version: None,
        anchors: Some(Default::default()),
        nsid: Some([0, 3, 0, 3, b'n', b's', b'1'][..].into()),
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
        log_queries: true,
        log_replies: true,
        log_destaddr: true,
        log_servfail: true,
        log_bogus: LogBogus::Not,
        log_local_actions: true,
    };
    Answerer::new(Arc::new(policy), AnswerCache::new(1 << 20), Arc::new(WorkerStats::default()), Box::new(NoEvents))
}

thread_local! {
    static ANSWERER: RefCell<(Answerer, u32)> = RefCell::new((answerer(), 0));
}

fuzz_target!(|octets: &[u8]| {
    ANSWERER.with_borrow_mut(|(answerer, now)| {
        *now += 1; // every run in a second of its own: error replies are limited per second
        for via in [Via::Datagram(1452), Via::Stream] {
            let mut message = vec![0u8; 65535];
            let len = octets.len().min(message.len());
            message[..len].copy_from_slice(&octets[..len]);
            let client = SocketAddr::from(([192, 0, 2, 1], 1024));
            match answerer.decide(
                &mut message,
                len,
                Arrival { client, via, local: None, now: *now, keepalive: Keepalive::Silent },
                None,
            ) {
                Decision::Reply(size) => {
                    assert!((header::LEN..=message.len()).contains(&size));
                    assert_eq!(message[..2], octets[..2], "the reply has the query's ID");
                    assert!(header::flags(&message) & header::flag::QR != 0, "the reply is a response");
                    if let Via::Datagram(limit) = via {
                        assert!(size <= limit.max(len), "a reply that cannot leave");
                    }
                }
                Decision::Drop => {}
                Decision::Miss => assert_eq!(message[..len], octets[..len], "a miss leaves the query as it came"),
            }
        }
    });
    if let Some(question) = Question::parse(octets) {
        let [_, counts @ ..] = header::counts(octets);
        let _ = for_each_record(octets, question.end(), counts, |_, owner, _, _| {
            assert!(owner.as_wire().len() <= 255);
            Some(())
        });
    }
});
