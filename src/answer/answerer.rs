//! What decides and answers, and the words for what it is asked and says.

use super::acl::Access;
use super::cache::{Answer, AnswerCache, KeyFixed};
use super::clients::{Clients, Place};
use super::error_rate::ErrorRate;
use super::keepalive::Keepalive;
use super::policy::{LogBogus, Policy};
use super::repeatable::Repeatable;
use super::reply::{Asked, CookieOption};
use super::scans::Scans;
use crate::dns::Name;
use crate::dns::cause::{Cause, Why};
use crate::dns::edns::ExtendedError;
use crate::dns::question::Question;
use crate::dns::scan::NameScan;
use crate::stats::WorkerStats;
use std::net::SocketAddr;
use std::sync::Arc;

/// Seconds after which an answer that is about to run out is asked anew once more (Unbound's NORR_TTL).
const ASKED_AGAIN: u32 = 5;

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// In a datagram; a reply longer than this many octets cannot leave the same way.
    Datagram(usize),
    /// Over a stream.
    Stream,
}

/// What is known of a query beside its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who asks.
    pub client: SocketAddr,
    /// How it came.
    pub via: Via,
    /// The address that was asked, when log-destaddr wants it: [`Answerer::logs_destinations`].
    pub local: Option<SocketAddr>,
    /// When, in seconds of the caller's clock.
    pub now: u32,
    /// What the reply says of the stream that it came over.
    pub keepalive: Keepalive,
}

/// What to do with a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The reply stands in the buffer, this many octets of it.
    Reply(usize),
    /// No answer, on purpose.
    Drop,
    /// Ask upstream for what [`Answerer::missed`] says. The query still stands in the buffer, as it came.
    Miss,
}

/// What there is to keep of a query that waits, beside its octets.
#[derive(Clone, Copy, Debug)]
pub struct Waits<'a> {
    /// Where its client is counted: [`Answerer::end_wait`].
    pub place: Place,
    /// The option with the cookie that its reply is to bring.
    pub cookie: Option<&'a CookieOption>,
}

/// A question whose answer is about to run out, while it was told once more.
#[derive(Clone, Copy)]
pub(super) struct Ending {
    pub(super) name: Name,
    pub(super) hash: u64,
    pub(super) key: KeyFixed,
    /// Seconds that it has left.
    pub(super) left: u32,
}

/// A decision that owns what it says.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Reply(usize),
    Drop,
    /// What is missed is in [`Answerer`].
    Miss,
}

/// What a query was about that is to be asked upstream.
#[derive(Clone, Copy)]
pub(super) struct Missed {
    pub(super) scanned: Scanned,
    pub(super) key: KeyFixed,
    pub(super) place: Place,
}

/// Where the name stands that is looked for.
#[derive(Clone, Copy)]
pub(super) enum Scanned {
    /// It is the query's own.
    Query(u8),
    /// It is what the query's is an alias of.
    Alias,
}

/// A question for upstream.
#[derive(Clone, Copy, Debug)]
pub struct Miss<'a> {
    /// Lower case, wire form: the query's name, or what it is an alias of.
    pub name: &'a [u8],
    /// The name's hash.
    pub hash: u64,
    /// Type, class, DO and CD.
    pub key: KeyFixed,
}

/// An answer from upstream for a question that was a miss before.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The name its records were written for, lower case: what the miss asked for. `None`: it has no records.
    pub name: Option<&'a [u8]>,
    /// The answer; nothing of its TTLs has aged.
    pub answer: Answer<'a>,
    /// For how long the query waited for it, in microseconds.
    pub waited: u64,
    /// Why there is none, where an extended error says so.
    pub error: Option<ExtendedError>,
}

/// Something to log about a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// log-queries.
    Query,
    /// An inform zone, or log-local-actions: the zone's name and type.
    Zone(&'a [u8], super::zones::ZoneType),
    /// log-replies.
    Reply(Replied),
    /// log-servfail: the forward zone whose servers failed, and why. There is no one client.
    Failed(&'a [u8], Cause),
    /// val-log-level: an answer failed to validate, for this reason when that is to be said. There is no one client.
    Bogus(Option<Cause>),
    /// A client has come to ask more often than this many times a second: ip-ratelimit, or with a valid cookie
    /// ip-ratelimit-cookie.
    Limited(u32, bool),
}

/// What log-replies tells of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replied {
    /// Response code.
    pub rcode: u16,
    /// For how long the query waited for upstream, in microseconds; `None`: it was answered at once.
    pub waited: Option<u64>,
    /// Octets of the reply.
    pub len: usize,
    /// The address that was asked (log-destaddr).
    pub local: Option<SocketAddr>,
    /// It went over a stream.
    pub stream: bool,
}

/// Takes what is to be logged; must not block.
pub trait EventSink {
    /// One event: the client, the question's name (wire form; empty when it could not be read), type and class.
    fn event(&mut self, event: Event<'_>, client: SocketAddr, name: &[u8], qtype: u16, qclass: u16);
}

/// Decides and answers; owned by the worker.
pub struct Answerer {
    pub(super) policy: Arc<Policy>,
    pub(super) cache: AnswerCache,
    pub(super) stats: Arc<WorkerStats>,
    pub(super) events: Box<dyn EventSink + Send>,
    pub(super) scans: Scans,
    pub(super) alias: NameScan,
    pub(super) scratch: Box<[u8]>,
    pub(super) rebuilt: Box<[u8]>,
    pub(super) errors: ErrorRate,
    /// What the last query that was a miss was about.
    pub(super) missed: Missed,
    /// What is known of clients; `None`: they are not counted.
    pub(super) clients: Option<Clients>,
    /// The cookie of the last query, when cookies are answered.
    pub(super) cookie: Option<Cookie>,
    /// Seconds by which the wall clock (since 1970, modulo 2^32) is ahead of the caller's.
    pub(super) wall: u32,
    /// What the last answer was told from, when it is to be asked anew.
    pub(super) ending: Option<Ending>,
    /// The name of what [`Self::take_ending`] gave last.
    asked_anew: Name,
    /// Replies that may be told again are noted.
    pub(super) notes: bool,
    /// The last of them.
    pub(super) repeatable: Option<Repeatable>,
}

/// The cookie of a query.
#[derive(Clone, Copy)]
pub(super) struct Cookie {
    /// What the reply is to bring.
    pub(super) option: CookieOption,
    /// The client had it from this server.
    pub(super) is_valid: bool,
}

/// A question and all that is known of it so far.
pub(super) struct Query<'a> {
    pub(super) asked: Asked<'a>,
    pub(super) question: Question,
    /// Where its name was scanned to.
    pub(super) scan: u8,
    pub(super) access: Access,
    pub(super) client: SocketAddr,
    pub(super) udp: bool,
    pub(super) replay: bool,
}

impl Answerer {
    /// Answers by `policy`, keeps answers in `cache`.
    pub fn new(
        policy: Arc<Policy>,
        cache: AnswerCache,
        stats: Arc<WorkerStats>,
        events: Box<dyn EventSink + Send>,
    ) -> Answerer {
        Answerer {
            policy,
            cache,
            stats,
            events,
            scans: Scans::new(),
            alias: NameScan::new(),
            scratch: vec![0; 1 << 17].into_boxed_slice(),
            rebuilt: vec![0; 1 << 16].into_boxed_slice(),
            errors: ErrorRate::default(),
            missed: Missed { scanned: Scanned::Alias, key: KeyFixed::new(0, false, false), place: Place::NONE },
            clients: None,
            cookie: None,
            wall: 0,
            ending: None,
            asked_anew: Name::ROOT,
            notes: false,
            repeatable: None,
        }
    }

    /// What is to be asked upstream for the query that was a [`Decision::Miss`] just now, and what there is to keep of it.
    pub fn missed(&self) -> (Miss<'_>, Waits<'_>) {
        let Missed { scanned, key, place } = self.missed;
        let scan = match scanned {
            Scanned::Query(place) => self.scans.at(place),
            Scanned::Alias => &self.alias,
        };
        let cookie = match self.policy.clients.cookies {
            None => None,
            Some(_) => self.cookie.as_ref().map(|kept| &kept.option),
        };
        (Miss { name: scan.lower(), hash: scan.hash(), key }, Waits { place, cookie })
    }

    /// Counts clients in this table: without one, nothing limits them.
    pub fn with_clients(mut self, clients: Clients) -> Answerer {
        self.clients = Some(clients);
        self
    }

    /// Says what the wall clock shows (seconds since 1970) at a moment of the caller's clock: cookies have times in them.
    pub fn set_wall_clock(&mut self, wall: u64, now: u32) {
        self.wall = (wall as u32).wrapping_sub(now);
    }

    /// Swaps the policy; gives the old one back, to be dropped elsewhere.
    pub fn set_policy(&mut self, policy: Arc<Policy>) -> Arc<Policy> {
        std::mem::replace(&mut self.policy, policy)
    }

    /// Whether [`Arrival::local`] is logged.
    #[inline]
    pub fn logs_destinations(&self) -> bool {
        self.policy.log_destaddr
    }

    /// Whether replies are logged, and with them for how long each query waited.
    #[inline]
    pub fn logs_replies(&self) -> bool {
        self.policy.log_replies
    }

    /// A question was not answered by the servers of `zone`, or what was answered failed to validate: logs it when log-servfail
    /// or val-log-level ask for it.
    pub fn note_failure(&mut self, question: &Miss<'_>, zone: &[u8], cause: Cause) {
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        let Miss { name, key, .. } = question;
        if matches!(cause.why, Why::Bogus | Why::Doubtful) && self.policy.log_bogus != LogBogus::Not {
            let reason = (self.policy.log_bogus == LogBogus::Reason).then_some(cause);
            self.events.event(Event::Bogus(reason), nobody, name, key.qtype, key.qclass);
        }
        if self.policy.log_servfail && cause.why != Why::Doubtful {
            self.events.event(Event::Failed(zone, cause), nobody, name, key.qtype, key.qclass);
        }
    }

    /// The question that is to be asked anew because its answer, which was told just now, is about to run out; with the
    /// seconds that it has left. It is given once, and again after some seconds.
    #[inline]
    pub fn take_ending(&mut self, now: u32) -> Option<(Miss<'_>, u32)> {
        self.ending.as_ref()?;
        self.postpone(now)
    }

    #[cold]
    fn postpone(&mut self, now: u32) -> Option<(Miss<'_>, u32)> {
        let Ending { name, hash, key, left } = self.ending.take()?;
        // Until then it is likely to be there; else it is asked once more.
        self.cache.set_refresh(name.as_wire(), hash, key, now.saturating_add(ASKED_AGAIN));
        self.asked_anew = name;
        Some((Miss { name: self.asked_anew.as_wire(), hash, key }, left))
    }

    /// Has replies noted that may be told again, or not: [`Self::take_repeatable`].
    pub fn note_repeatable(&mut self, noted: bool) {
        self.notes = noted;
        self.repeatable = None;
    }

    /// The last reply, if it may be told again. To be called after each while they are noted.
    #[inline]
    pub fn take_repeatable(&mut self) -> Option<Repeatable> {
        self.repeatable.as_ref()?;
        self.repeatable.take()
    }

    /// The cache.
    pub fn cache(&mut self) -> &mut AnswerCache {
        &mut self.cache
    }
}
