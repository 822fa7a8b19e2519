//! The program with its slots, and a worker's answerer beside it.

use super::questions;
use crate::pair::{make_pair, options};
use runbound::answer::cache::AnswerCache;
use runbound::answer::compile;
use runbound::answer::decide::{Answerer, Arrival, Decision, Event, EventSink, Via};
use runbound::answer::keepalive::Keepalive;
use runbound::config;
use runbound::dns::scan::HashKey;
use runbound::serve::worker::HotAnswers;
use runbound::stats::WorkerStats;
use runbound::sys::clock;
use runbound::wire::{parse_udp_frame, reply_in_place, set_traffic_class};
use runbound::xdp::answers::Table;
use runbound::xdp::{self, AnswerGate, Attachment, Programs, Verdict};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// `enum xdp_action`.
pub const TX: u32 = 3;
const PASS: u32 = 2;
/// Longest frame that is sent, tag included.
const MAX_FRAME: usize = 1518;

struct Unheard;

impl EventSink for Unheard {
    fn event(&mut self, _: Event<'_>, _: SocketAddr, _: &[u8], _: u16, _: u16) {}
}

pub struct Rig {
    pub attachment: Attachment,
    pub table: Arc<Table>,
    answerer: Answerer,
    hot: HotAnswers,
    networks: Vec<(IpAddr, u8)>,
    stats: Arc<WorkerStats>,
    /// Traffic class of replies.
    class: u8,
}

fn second() -> u32 {
    (clock::monotonic_coarse_ns() / 1_000_000_000) as u32
}

impl Rig {
    pub fn new() -> Rig {
        Rig::with_class(0)
    }

    /// The same, with replies of a traffic class (`ip-dscp`).
    pub fn with_class(class: u8) -> Rig {
        make_pair();
        let table = Arc::new(Table::new().unwrap_or_else(|error| panic!("{error}")));
        let mut programs = Programs::default();
        programs.answer_from(Arc::clone(&table));
        let program = programs.take("vxa").unwrap_or_else(|error| panic!("{error}"));
        assert!(programs.answers_missing().is_none(), "{:?}", programs.answers_missing());
        let attachment = xdp::attach(&options(), program).unwrap_or_else(|error| panic!("{error}"));
        attachment.open_gate(0).expect("open");
        attachment.set_answers(AnswerGate::Open).expect("open");
        let config = config::parse_bytes("test", questions::CONFIG.as_bytes()).expect("a configuration").config;
        let policy = Arc::new(compile::policy(&config, HashKey::fixed(1), "host").expect("a policy"));
        let stats = Arc::<WorkerStats>::default();
        let networks = policy.acl.plain_networks();
        let mut cache = AnswerCache::new(1 << 20);
        questions::fill(&mut cache, policy.hash_key, second());
        let answerer = Answerer::new(policy, cache, Arc::clone(&stats), Box::new(Unheard));
        let hot = HotAnswers::new(table.slots(class).expect("mapped"));
        let mut rig = Rig { attachment, table, answerer, hot, networks, stats, class };
        rig.allow_all();
        rig.begin();
        rig.beat_ago(0);
        rig
    }

    /// The networks of plain access in [`questions::CONFIG`].
    pub fn allow_all(&self) {
        self.table.allow(&self.networks).expect("allowed");
    }

    pub fn begin(&mut self) {
        self.hot.begin(second());
    }

    pub fn beat_ago(&mut self, nanoseconds: u64) {
        self.hot.beat(clock::monotonic_coarse_ns() - nanoseconds);
    }

    pub fn wait_for_another_second(&mut self) {
        let before = second();
        crate::pair::wait_for("the clock", || second() != before);
        self.beat_ago(0);
    }

    /// What the worker sends for a frame that comes to it, as `XskPort` does it; it teaches the program.
    pub fn worker_answers(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let now = second();
        let view = parse_udp_frame(frame).ok().filter(|view| view.checksum_holds(frame))?;
        let (path, payload) = (view.return_path(), view.payload());
        let untagged = if path.vlan().is_none() { 4 } else { 0 };
        let limit = MAX_FRAME - untagged - path.header_len();
        let mut data = frame.to_vec();
        data.resize(2048, 0);
        let via = Via::Datagram(limit);
        let arrival = Arrival { client: view.client(), via, local: None, now, keepalive: Keepalive::Silent };
        self.answerer.note_repeatable(true);
        match self.answerer.decide(data.get_mut(payload.start..)?, payload.len(), arrival, None) {
            Decision::Reply(len) => {
                if let Some(of) = self.answerer.take_repeatable() {
                    self.hot.teach(&data[payload.start..payload.start + len], &of, now);
                }
                let len = reply_in_place(&mut data, &view, len);
                data.truncate(len);
                if self.class != 0 {
                    set_traffic_class(&mut data, path, self.class);
                }
                Some(data)
            }
            Decision::Drop | Decision::Miss => None,
        }
    }

    pub fn run(&self, frame: &[u8]) -> (u32, Vec<u8>) {
        self.attachment.run(frame).expect("the program runs")
    }

    /// Whether the program answers a frame, which must be as the worker does in the same second; else it leaves it as it is.
    pub fn compare(&mut self, frame: &[u8]) -> bool {
        self.beat_ago(0);
        loop {
            let before = second();
            let (action, told) = self.run(frame);
            let wanted = self.worker_answers(frame);
            if second() != before {
                continue;
            }
            if action == TX {
                assert_eq!(Some(told), wanted, "{frame:02x?}");
            } else {
                assert_eq!((action, &told[..]), (PASS, frame));
            }
            return action == TX;
        }
    }

    /// Queries that the program answered, as the worker counts them.
    pub fn counted(&mut self) -> u64 {
        self.hot.keep_house(self.answerer.cache(), &self.stats, second());
        let answered = self.attachment.verdicts().expect("verdicts").get(Verdict::Answered);
        assert_eq!(self.stats.places.told.get(), answered, "each is counted once");
        answered
    }
}
