//! The core: the questions in flight and what they need. Everything it knows of the world outside comes in through
//! [`Core::handle`], everything it does there goes through [`World`].
//!
//! ```text
//! request ─▶ Choose ─▶ Udp ──reply──▶ answer, or Choose again for an alias's target
//!              ▲        │ ├─ TC ────▶ TcpQueue ─▶ Tcp ──reply──▶ the same
//!              └─ time-out, refused port, error reply ◀───────────┘
//! ```
//!
//! A question that goes on to another server or phase still takes the reply to what was sent before (`tries`). Every
//! question is sent at once, to a silent server too, and repeated for as long as its client may wait: none waits for what
//! another has asked the same server, so nobody can use up a server for others. What questions wait for are lookups of where
//! their name servers are, equal ones for the same (`lookups`); these have states of their own, and each question pays for those
//! that it began (`budget`).

use super::cache::{Cache, Learnt, MessageKey, Rules};
use super::chain::{QUERY, SpareChains};
use super::cuts::{Cut, Cuts, Seat};
use super::digest::Digest;
use super::keys::Keys;
pub(super) use super::order::Command;
use super::question::{NONE, Phase};
use super::questions::Questions;
use super::rates::Rates;
use super::reports::Reports;
use super::servers::Servers;
use super::sockets::Sockets;
use super::streams::Streams;
use super::table::ZoneTable;
use super::timer::Wheel;
use super::tries::of_handle;
use super::trouble::{Failure, Troubles};
use super::validator::Validator;
use super::world::World;
use super::{Options, Request};
use crate::stats::Upstream;
use rustix::io::Errno;
use std::collections::{HashMap, VecDeque};
use std::hash::RandomState;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Tries in flight for which there is room from the start.
const KEYS: usize = 512;

/// What happens to the core.
pub enum Input<'a> {
    /// A question of the worker; only when [`World::room`] and [`Core::can_take`] say that there is room.
    Request(&'a Request),
    /// A datagram came through a UDP socket; only when [`World::room`] gives some.
    Datagram {
        /// The socket's number.
        slot: u16,
        /// The datagram.
        octets: &'a [u8],
    },
    /// What was sent through a UDP socket came back as an error.
    SendFailed {
        /// The socket's number.
        slot: u16,
        /// The error that the socket reports.
        errno: Errno,
    },
    /// A stream is connected.
    StreamOpen {
        /// The stream's number.
        slot: u16,
    },
    /// A stream has these octets; only when [`World::room`] gives some.
    StreamData {
        /// The stream's number.
        slot: u16,
        /// What came, in order.
        octets: &'a [u8],
    },
    /// A stream has ended. It is still to be closed.
    StreamEnded {
        /// The stream's number.
        slot: u16,
        /// What broke it; `None`: the server closed it.
        failure: Option<Failure>,
    },
    /// The time has come that [`Core::due`] named, or another.
    Due,
    /// An order of main.
    Command(Command),
}

/// Every question and what it needs.
pub struct Core {
    pub(super) options: Options,
    pub(super) table: Arc<ZoneTable>,
    pub(super) cuts: Cuts,
    /// By zone of the table: the number of its cut.
    pub(super) zone_cuts: Vec<u32>,
    /// The number of the cut of the root's hints.
    pub(super) hints_cut: u32,
    pub(super) servers: Servers,
    pub(super) questions: Questions,
    pub(super) keys: Keys,
    pub(super) timers: Wheel,
    pub(super) sockets: Sockets,
    pub(super) streams: Streams,
    /// Lookups in flight, by name, type, and whether glue will do.
    pub(super) lookups: HashMap<(Box<[u8]>, u16, bool), u32>,
    pub(super) tcp_queue: VecDeque<u32>,
    /// Questions that need another server.
    pub(super) retry: VecDeque<u32>,
    /// Failed questions whose response waits for room.
    pub(super) failed: VecDeque<u32>,
    /// Questions whose clients are told what has expired from a time on, in the order of the times; with their serial numbers.
    pub(super) patient: VecDeque<(Duration, u32, u32)>,
    pub(super) stats: Arc<Upstream>,
    pub(super) troubles: Arc<Troubles>,
    pub(super) digest: Digest,
    /// What is known; `None`: nothing is kept.
    pub(super) cache: Option<Cache>,
    pub(super) learnt: Learnt,
    pub(super) query: Box<[u8; QUERY]>,
    /// What the servers of zones were sent of late.
    pub(super) rates: Rates,
    /// What was reported of late.
    pub(super) reports: Reports,
    /// What the case of names follows from.
    pub(super) caps_key: RandomState,
    /// A reply with its question in plain case.
    pub(super) plain: Vec<u8>,
    pub(super) spare_chains: SpareChains,
    /// What validates; `None`: nothing is validated.
    pub(super) validator: Option<Validator>,
}

/// One input being handled.
pub(super) struct Turn<'a, W> {
    pub(super) core: &'a mut Core,
    pub(super) world: &'a mut W,
    pub(super) now: Duration,
}

/// The bit of a server in the sets of a question.
pub(super) fn bit(place: u8) -> u64 {
    1u64.checked_shl(u32::from(place)).unwrap_or(0)
}

impl Core {
    /// Without a server to ask; a [`Command::Table`] names some.
    pub fn new(options: Options, stats: Arc<Upstream>, troubles: Arc<Troubles>) -> Core {
        let states = options.questions.clamp(1, 1 << 19);
        let lookups = if options.hints.is_empty() { 0 } else { states };
        let mut rates = Rates::default();
        rates.set_limits(options.rates.clone());
        Core {
            table: Arc::default(),
            cuts: Cuts::default(),
            zone_cuts: Vec::new(),
            hints_cut: NONE,
            servers: Servers::new(options.infra),
            questions: Questions::new(states, lookups),
            keys: Keys::new(KEYS.min(states + lookups)),
            timers: Wheel::new(states + lookups),
            sockets: Sockets::new(options.sockets.clone()),
            streams: Streams::new(options.tcp_connections, options.streams.clone()),
            lookups: HashMap::new(),
            tcp_queue: VecDeque::with_capacity(states),
            retry: VecDeque::with_capacity(states),
            failed: VecDeque::with_capacity(states),
            patient: VecDeque::new(),
            stats,
            troubles,
            digest: Digest::new(&options.iteration),
            cache: None,
            learnt: Learnt::default(),
            query: Box::new([0; QUERY]),
            rates,
            reports: Reports::default(),
            caps_key: RandomState::new(),
            plain: Vec::new(),
            spare_chains: SpareChains::default(),
            validator: options.validation.clone().map(Validator::new),
            options,
        }
    }

    /// Has it keep what it learns, and answer from that.
    pub fn with_cache(self, cache: Cache) -> Core {
        Core { cache: Some(cache), ..self }
    }

    /// Has what is known of these fetched from memory: they come next. Changes nothing but time.
    #[inline]
    pub fn look_ahead<'a>(&mut self, requests: impl Iterator<Item = &'a Request>) {
        let key = |request: &'a Request| {
            let Request { qtype, qclass, .. } = *request;
            MessageKey { name: request.name(), qtype, qclass, checking_disabled: false }
        };
        if let Some(cache) = &mut self.cache {
            cache.look_ahead(requests.map(key));
        }
    }

    /// Something comes through a UDP socket soon: has fetched from memory what that needs, in steps that each need what the one
    /// before has fetched. Changes nothing but time.
    #[inline]
    pub fn expect_reply(&self, slot: u16, step: u8) {
        let question = self.questions.first(slot).map(|id| self.questions.get(id));
        match (step, question) {
            (0, Some(question)) => question.fetch(),
            (_, Some(question)) => {
                if let Some(cache) = &self.cache {
                    cache.expect(question.place);
                }
            }
            (_, None) => {}
        }
    }

    /// Does all that follows from `input` at `now`, which counts from about when the core was made and never goes backwards.
    #[inline]
    pub fn handle<W: World>(&mut self, input: Input<'_>, now: Duration, world: &mut W) {
        let mut turn = Turn { core: self, world, now };
        match input {
            Input::Request(request) => turn.start(request),
            Input::Datagram { slot, octets } => turn.datagram(slot, octets),
            Input::SendFailed { slot, errno } => turn.socket_failed(slot, errno),
            Input::StreamOpen { slot } => turn.core.streams.opened(slot),
            Input::StreamData { slot, octets } => turn.stream_data(slot, octets),
            Input::StreamEnded { slot, failure } => turn.stream_ended(slot, failure),
            Input::Due => turn.time_passes(),
            Input::Command(command) => turn.obey(command),
        }
        turn.settle();
    }

    /// Goes on by other settings, but for what only a new core takes: how many questions, sockets and connections there are, and
    /// how large what comes may be.
    pub(super) fn set_options(&mut self, options: Options, rules: Rules) {
        self.digest.set_limits(&options.iteration);
        self.servers.set_infra(options.infra);
        self.streams.options.clone_from(&options.streams);
        self.rates.set_limits(options.rates.clone());
        // Other rules may want other proofs: none is left of before.
        let mut before = std::mem::replace(&mut self.validator, options.validation.clone().map(Validator::new));
        if let (Some(before), Some(Validator { following, rules, .. })) = (&mut before, &mut self.validator) {
            following.go_on(&mut before.following, &mut rules.anchors);
        }
        let trusted =
            |validator: &Option<Validator>| validator.as_ref().map(|validator| Arc::clone(&validator.rules.anchors));
        if trusted(&before) != trusted(&self.validator)
            && let Some(cache) = &mut self.cache
        {
            // What was found by other anchors, or by none, is to be found anew.
            cache.clear();
        }
        if let Some(cache) = &mut self.cache {
            cache.set_rules(rules);
        }
        let Options { questions, tcp_connections, edns_size, sockets, hints, .. } = std::mem::take(&mut self.options);
        self.options = Options { questions, tcp_connections, edns_size, sockets, hints, ..options };
    }

    /// The place of the server at an address, which may be one that another has left.
    pub(super) fn place_server(&mut self, address: SocketAddr) -> u32 {
        let Core { servers, sockets, .. } = self;
        servers.place(address, |place| sockets.has_none_of(place))
    }

    /// True when a request can be taken: a state is free, or the oldest question may be given up for it.
    pub fn can_take(&self, now: Duration) -> bool {
        !self.questions.is_full() || (self.failed.is_empty() && self.jostle_at().is_some_and(|at| now >= at))
    }

    /// When the oldest question may be given up for a new one; `None`: none may be.
    fn jostle_at(&self) -> Option<Duration> {
        let oldest = self.questions.oldest()?;
        Some(self.questions.get(oldest).started + self.options.jostle)
    }

    /// When there is something to do if nothing comes in before. `waits`: requests are there that cannot be taken yet.
    pub fn due(&self, waits: bool) -> Option<Duration> {
        let jostle = if waits && self.questions.is_full() { self.jostle_at() } else { None };
        let patient = self.patient.front().map(|first| first.0);
        let anchors = self.validator.as_ref().and_then(|validator| validator.following.due());
        self.timers.next().into_iter().chain(jostle).chain(patient).chain(anchors).min()
    }

    /// True when an answer waits for room.
    pub fn wants_room(&self) -> bool {
        !self.failed.is_empty() || self.streams.is_ready()
    }

    /// The servers that a question may be asked of.
    pub(super) fn seats(&self, id: u32) -> &[Seat] {
        self.cuts.get(self.questions.get(id).cut).map_or(&[], Cut::seats)
    }

    /// Whether a reply with `id` through UDP socket number `slot` is waited for by a question that somebody asked: none that
    /// merely probes a server that was silent. For tests with a network of their own.
    #[doc(hidden)]
    pub fn awaits(&self, slot: u16, id: u16) -> bool {
        let question = self.keys.get(slot, id).map(|handle| self.questions.get(of_handle(handle).0));
        question.is_some_and(|question| question.phase != Phase::Probe)
    }

    /// Whether a question waits for a reply with `id` over stream number `slot`; as [`Self::awaits`].
    #[doc(hidden)]
    pub fn awaits_stream(&self, slot: u16, id: u16) -> bool {
        self.streams.question(slot, id).is_some()
    }

    /// Takes it that the servers at an address answered in `ms` milliseconds. For tests.
    #[doc(hidden)]
    pub fn note_rtt(&mut self, address: IpAddr, ms: u32) {
        self.servers.iter_mut().filter(|server| server.address.ip() == address).for_each(|server| server.measured(ms));
    }

    /// Questions in flight.
    pub fn in_flight(&self) -> usize {
        self.questions.in_use()
    }

    /// Has the counters show how much is in flight and kept.
    pub(super) fn note_sizes(&self) {
        self.stats.in_flight.set(self.in_flight() as u64);
        self.stats.servers.set(self.servers.count() as u64);
        self.stats.zones.set(self.validator.as_ref().map_or(0, |validator| validator.keys.count() as u64));
        if let Some(cache) = &self.cache {
            self.stats.rrsets.set(cache.rrsets.count());
            self.stats.rrset_octets.set(cache.rrsets.octets());
            self.stats.messages.set(cache.messages.count());
            self.stats.message_octets.set(cache.messages.octets());
        }
    }
}

impl<W: World> Turn<'_, W> {
    /// What the time brings.
    fn time_passes(&mut self) {
        while let Some(id) = self.core.timers.expired(self.now) {
            self.expire(id);
        }
        self.serve_the_patient();
        self.follow_anchors();
        self.core.sockets.sweep(self.now, self.world);
        self.core.streams.sweep(self.now, self.world);
    }

    /// Does what an input has left to do.
    fn settle(&mut self) {
        loop {
            self.ask_again();
            self.publish_failures();
            if !self.judge_a_stream() {
                break;
            }
        }
        while let Some(server) = self.core.cuts.next_unseated() {
            self.core.servers.let_go(server);
        }
    }

    /// Asks what needs another server, or waits for a stream.
    fn ask_again(&mut self) {
        loop {
            self.open_tcp();
            let Some(id) = self.core.retry.pop_front() else { break };
            let question = self.core.questions.get(id);
            match question.phase {
                Phase::Choose if question.held.is_some() => self.prove(id),
                Phase::Choose if question.cut == NONE => self.begin(id),
                Phase::Choose => self.choose(id),
                _ => {}
            }
        }
    }
}
