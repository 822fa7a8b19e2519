//! Where a query becomes an answer.
//!
//! The order is Unbound's: access control, header, question, EDNS, CHAOS, local zones, recursion rights, cache.

use super::acl::Access;
use super::admit::{ErrorRate, meta_type_error};
use super::alias;
use super::cache::{self, Answer, AnswerCache, KeyFixed};
use super::local::Local;
use super::policy::Policy;
use super::reply::{Asked, bare};
use crate::dns::body::Fixed;
use crate::dns::edns;
use crate::dns::header::{self, flag, opcode};
use crate::dns::question::Question;
use crate::dns::scan::NameScan;
use crate::dns::{class, rcode, rtype};
use crate::stats::WorkerStats;
use std::net::SocketAddr;
use std::sync::Arc;

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
    /// When, in seconds of the caller's clock.
    pub now: u32,
}

/// What to do with a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The reply stands in the buffer, this many octets of it.
    Reply(usize),
    /// No answer, on purpose.
    Drop,
    /// Ask upstream for [`Answerer::miss`]. The query still stands in the buffer, as it came.
    Miss,
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
}

/// Something to log about a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// log-queries.
    Query,
    /// An inform zone, or log-local-actions: the zone's name and type.
    Zone(&'a [u8], super::zones::ZoneType),
}

/// Takes what is to be logged; must not block.
pub trait EventSink {
    /// One event: the client, the question's name (wire form), type and class.
    fn event(&mut self, event: Event<'_>, client: SocketAddr, name: &[u8], qtype: u16, qclass: u16);
}

/// Decides and answers; owned by the worker.
pub struct Answerer {
    pub(super) policy: Arc<Policy>,
    pub(super) cache: AnswerCache,
    pub(super) stats: Arc<WorkerStats>,
    pub(super) events: Box<dyn EventSink + Send>,
    pub(super) scan: NameScan,
    pub(super) alias: NameScan,
    pub(super) ahead: NameScan,
    missed: KeyFixed,
    missed_alias: bool,
    scratch: Box<[u8]>,
    rebuilt: Box<[u8]>,
    pub(super) errors: ErrorRate,
}

/// A question and all that is known of it so far.
pub(super) struct Query {
    pub(super) asked: Asked,
    pub(super) question: Question,
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
            scan: NameScan::new(),
            alias: NameScan::new(),
            ahead: NameScan::new(),
            missed: KeyFixed { qtype: 0, qclass: 0, bits: 0 },
            missed_alias: false,
            scratch: vec![0; 1 << 17].into_boxed_slice(),
            rebuilt: vec![0; 1 << 16].into_boxed_slice(),
            errors: ErrorRate::default(),
        }
    }

    /// Swaps the policy; gives the old one back, to be dropped elsewhere.
    pub fn set_policy(&mut self, policy: Arc<Policy>) -> Arc<Policy> {
        std::mem::replace(&mut self.policy, policy)
    }

    /// The present policy.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The cache.
    pub fn cache(&mut self) -> &mut AnswerCache {
        &mut self.cache
    }

    /// The question behind the last [`Decision::Miss`].
    pub fn miss(&self) -> Miss<'_> {
        let scan = if self.missed_alias { &self.alias } else { &self.scan };
        Miss { name: scan.lower(), hash: scan.hash(), key: self.missed }
    }

    /// Decides about the query in `message[..len]` and writes the reply over it.
    ///
    /// `given` answers a question that was a miss before: the query is decided once more, with that answer where the cache
    /// would be asked.
    #[inline]
    pub fn decide(&mut self, message: &mut [u8], len: usize, arrival: Arrival, given: Option<Given<'_>>) -> Decision {
        let decision = self.decide_uncounted(message, len, arrival, given);
        if let Decision::Reply(_) = decision {
            self.count_reply(message);
        }
        decision
    }

    fn count_reply(&self, message: &[u8]) {
        let code = header::flags(message) & 0xf;
        self.stats.rcode[usize::from(code)].add(1);
        if code == rcode::NOERROR && header::counts(message)[1] == 0 {
            self.stats.nodata.add(1);
        }
    }

    #[inline]
    fn decide_uncounted(
        &mut self,
        message: &mut [u8],
        len: usize,
        Arrival { client, via, now }: Arrival,
        given: Option<Given<'_>>,
    ) -> Decision {
        let len = len.min(message.len());
        let access = self.policy.acl.access(client.ip());
        let replay = given.is_some();
        if access == Access::Deny {
            self.count_unwanted();
            return Decision::Drop;
        }
        let flags = match self.check_header(&message[..len]) {
            Ok(flags) => flags,
            Err(None) => {
                self.stats.outcomes.dropped.add(1);
                return Decision::Drop;
            }
            Err(Some(code)) => return self.error(message, code, None, now),
        };
        if access == Access::Refuse {
            self.count_unwanted();
            return Decision::Reply(bare(message, flags, rcode::REFUSED, None));
        }
        if !replay {
            self.stats.outcomes.queries.add(1);
        }
        let Some(question) = Question::parse(&message[..len]) else {
            return self.error(message, rcode::FORMERR, None, now);
        };
        if self.policy.log_queries && !replay {
            self.event(Event::Query, message, question, client);
        }
        if let Some(code) = meta_type_error(question.qtype) {
            self.stats.count_question(flags, question.qtype, question.qclass);
            return self.error(message, code, Some(question), now);
        }
        let mut asked = Asked::new(flags, question, self.policy.edns_buffer_size);
        if let Err(decision) = self.read_edns(message, len, &mut asked, via, now) {
            return decision;
        }
        if access == Access::AllowCookie && via != Via::Stream {
            // Cookies are not checked yet, so no cookie is a valid one: to TCP, as Unbound sends clients without.
            return self.limited(now, |_| Decision::Reply(asked.empty(message, flag::TC, rcode::REFUSED)));
        }
        let mut query = Query { asked, question, access, client, udp: via != Via::Stream, replay };
        if !replay {
            self.count_query(&query);
        }
        self.decide_question(message, &mut query, now, given)
    }

    fn decide_question(
        &mut self,
        message: &mut [u8],
        query: &mut Query,
        now: u32,
        given: Option<Given<'_>>,
    ) -> Decision {
        let question = query.question;
        self.scan.scan(&message[header::LEN..], self.policy.hash_key);
        if question.qclass == class::CH
            && let Some(decision) = self.chaos(message, query)
        {
            return decision;
        }
        if header::opcode_of(query.asked.flags) == opcode::NOTIFY {
            return Decision::Reply(query.asked.empty(message, 0, rcode::REFUSED));
        }
        let mut alias = None;
        if let Some((zone, exact)) = self.policy.zones.find(&self.scan, question.qtype, question.qclass) {
            match self.local(message, query, zone, exact) {
                Local::Decided(decision) => return decision,
                Local::Alias(ttl) => alias = Some(ttl),
                Local::Resolve => {}
            }
        }
        if let Some(decision) = self.check_recursion(message, query, now) {
            return decision;
        }
        self.answer_cached(message, query, alias, now, given)
    }

    /// Who may have recursion: the non-local actions, and queries without RD (cache snooping).
    fn check_recursion(&mut self, message: &mut [u8], query: &mut Query, now: u32) -> Option<Decision> {
        let asked = &mut query.asked;
        match query.access {
            Access::DenyNonLocal => {
                self.count_unwanted();
                return Some(Decision::Drop);
            }
            Access::RefuseNonLocal => {
                self.count_unwanted();
                return Some(Decision::Reply(bare(message, asked.flags, rcode::REFUSED, None)));
            }
            Access::AllowSetRd => asked.flags |= flag::RD,
            _ => {}
        }
        if asked.flags & flag::RD == 0 && query.access != Access::AllowSnoop {
            let asked = *asked;
            return Some(self.limited(now, |_| Decision::Reply(asked.empty(message, 0, rcode::REFUSED))));
        }
        // Upstream has class IN alone; Unbound answers ANY with it.
        if !matches!(query.question.qclass, class::IN | class::ANY) {
            return Some(Decision::Reply(asked.empty(message, 0, rcode::REFUSED)));
        }
        if query.question.qtype == rtype::ANY && self.policy.deny_any {
            return Some(Decision::Reply(asked.empty(message, 0, rcode::NOTIMP)));
        }
        None
    }

    #[inline]
    fn answer_cached(
        &mut self,
        message: &mut [u8],
        query: &Query,
        alias: Option<u32>,
        now: u32,
        given: Option<Given<'_>>,
    ) -> Decision {
        let asked = &query.asked;
        let dnssec_ok = asked.edns.is_some_and(|edns| edns.bits & edns::DO != 0);
        let key = KeyFixed {
            qtype: query.question.qtype,
            qclass: class::IN,
            bits: if dnssec_ok { cache::DNSSEC_OK } else { 0 }
                | if asked.flags & flag::CD != 0 { cache::CHECKING_DISABLED } else { 0 },
        };
        let scan = if alias.is_some() { &self.alias } else { &self.scan };
        let (answer, age, rotates) = match given {
            // A new policy may want another name by now; a body fits only behind the name it was written for.
            Some(given) if given.name.is_some_and(|name| name != scan.lower()) => {
                return Decision::Reply(asked.empty(message, 0, rcode::SERVFAIL));
            }
            Some(given) => (given.answer, 0, true),
            None => match self.cache.get(scan.lower(), scan.hash(), key, now) {
                Some(hit) => {
                    self.stats.outcomes.cache_hits.add(1);
                    (hit.answer, hit.age, hit.rotates)
                }
                None => {
                    self.stats.outcomes.cache_misses.add(1);
                    self.missed = key;
                    self.missed_alias = alias.is_some();
                    return Decision::Miss;
                }
            },
        };
        let rotate = (rotates && self.policy.rrset_roundrobin).then(|| header::id(message));
        let Some(ttl) = alias else {
            return Decision::Reply(asked.answer(message, 0, answer, age, rotate));
        };
        let fixed = Fixed { rtype: rtype::CNAME, class: class::IN, ttl };
        let qname = &message[header::LEN..header::LEN + query.question.name_len];
        match alias::put_in_front(&mut self.scratch, &mut self.rebuilt, qname, self.alias.lower(), fixed, answer, age) {
            Some((answer, extra)) => Decision::Reply(asked.answer(message, extra, answer, 0, rotate)),
            None => Decision::Reply(asked.empty(message, 0, rcode::SERVFAIL)),
        }
    }

    fn event(&mut self, event: Event<'_>, message: &[u8], question: Question, client: SocketAddr) {
        let name = &message[header::LEN..header::LEN + question.name_len];
        self.events.event(event, client, name, question.qtype, question.qclass);
    }

    fn count_unwanted(&self) {
        self.stats.outcomes.unwanted.add(1);
    }

    #[inline]
    fn count_query(&self, query: &Query) {
        let outcomes = &self.stats.outcomes;
        self.stats.count_question(query.asked.flags, query.question.qtype, query.question.qclass);
        outcomes.query_tcp.add(u64::from(!query.udp));
        outcomes.query_ipv6.add(u64::from(query.client.is_ipv6()));
        if let Some(edns) = query.asked.edns {
            outcomes.query_edns.add(1);
            outcomes.query_do.add(u64::from(edns.bits & edns::DO != 0));
        }
    }
}
