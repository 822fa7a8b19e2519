//! Where a query becomes an answer.
//!
//! The order is Unbound's: access control, header, rate, question, EDNS, cookie, CHAOS, local zones, recursion rights, cache.

pub use super::answerer::{Answerer, Arrival, Decision, Event, EventSink, Given, Miss, Replied, Via, Waits};

use super::acl::Access;
use super::admit::meta_type_error;
use super::alias;
use super::answerer::{Ending, Missed, Outcome, Query, Scanned};
use super::cache::{Answer, DNSSEC_OK, KNOWN_ONLY, KeyFixed};
use super::keepalive::Keepalive;
use super::local::Local;
use super::repeatable::Repeatable;
use super::reply::Asked;
use super::view::{Ahead, View, key};
use crate::dns::body::{self, Fixed};
use crate::dns::edns::{self, ExtendedError};
use crate::dns::flaw::Flaw;
use crate::dns::header::{self, flag, opcode};
use crate::dns::question::Question;
use crate::dns::{Name, class, rcode, rtype};
use crate::stats::WorkerStats;
use std::net::SocketAddr;

impl Answerer {
    /// Decides about the query in `message[..len]` and writes the reply over it. `ahead`: it was looked at before, as it
    /// stands there.
    #[inline]
    pub fn decide(&mut self, message: &mut [u8], len: usize, arrival: Arrival, ahead: Option<&Ahead>) -> Decision {
        match self.decide_counted(message, len, arrival, ahead.map(|ahead| &ahead.view), None) {
            Outcome::Reply(len) => Decision::Reply(len),
            Outcome::Drop => Decision::Drop,
            Outcome::Miss => Decision::Miss,
        }
    }

    /// Decides once more about a query that was a miss before, with the answer at hand where the cache would be asked. Gives
    /// the reply's length; `None`: no reply, by policy.
    pub fn complete(&mut self, message: &mut [u8], len: usize, arrival: Arrival, given: Given<'_>) -> Option<usize> {
        match self.decide_counted(message, len, arrival, None, Some(given)) {
            Outcome::Reply(len) => Some(len),
            Outcome::Drop | Outcome::Miss => None,
        }
    }

    #[inline]
    fn decide_counted(
        &mut self,
        message: &mut [u8],
        len: usize,
        arrival: Arrival,
        view: Option<&View>,
        given: Option<Given<'_>>,
    ) -> Outcome {
        let waited = given.map(|given| given.waited);
        let outcome = self.decide_uncounted(message, len, arrival, view, given);
        if let Outcome::Reply(len) = outcome {
            self.count_reply(message);
            if self.policy.log_replies {
                self.log_reply(&message[..len.min(message.len())], arrival, waited);
            }
        }
        outcome
    }

    fn count_reply(&self, message: &[u8]) {
        let code = header::flags(message) & 0xf;
        self.stats.rcode[usize::from(code)].add(1);
        if code == rcode::NOERROR && header::counts(message)[1] == 0 {
            self.stats.nodata.add(1);
        }
    }

    #[cold]
    fn log_reply(&mut self, reply: &[u8], Arrival { client, via, local, .. }: Arrival, waited: Option<u64>) {
        let rcode = header::flags(reply) & 0xf;
        let event = Event::Reply(Replied { rcode, waited, len: reply.len(), local, stream: via == Via::Stream });
        match if header::counts(reply)[0] == 1 { Question::parse(reply) } else { None } {
            Some(question) => self.event(event, reply, question, client),
            None => self.events.event(event, client, &[], 0, 0),
        }
    }

    #[inline]
    fn decide_uncounted(
        &mut self,
        message: &mut [u8],
        len: usize,
        Arrival { client, via, now, keepalive, .. }: Arrival,
        view: Option<&View>,
        given: Option<Given<'_>>,
    ) -> Outcome {
        let len = len.min(message.len());
        let access = self.policy.acl.access(client.ip());
        let replay = given.is_some();
        if access == Access::Deny {
            self.count_unwanted();
            return Outcome::Drop;
        }
        let flags = match self.check_header(&message[..len]) {
            Ok(flags) => flags,
            Err(None) => {
                self.stats.outcomes.dropped.add(1);
                return Outcome::Drop;
            }
            Err(Some(code)) => return self.error(message, len, code, now),
        };
        if access == Access::Refuse {
            self.count_unwanted();
            return self.refusal(message, len, rcode::REFUSED, self.extended(ExtendedError::PROHIBITED));
        }
        if !replay {
            self.stats.outcomes.queries.add(1);
            if self.policy.clients.rates.is_some() && !self.may_come(&message[..len], client, now) {
                return Outcome::Drop;
            }
        }
        let own = if view.is_none() { Self::read(&message[..len]) } else { None };
        let Some(view) = view.or(own.as_ref()) else {
            return self.error(message, len, rcode::FORMERR, now);
        };
        let question = view.question;
        if self.policy.log_queries && !replay {
            self.event(Event::Query, message, question, client);
        }
        if let Some(code) = meta_type_error(question.qtype) {
            self.stats.count_question(flags, question.qtype, question.qclass);
            return self.error(message, len, code, now);
        }
        // Lives as long as what is written of it; there is none as a rule.
        let cookie;
        let mut asked = Asked::new(flags, Some(question), self.policy.edns_buffer_size);
        if let Err(outcome) = self.take_edns(message, view.edns, &mut asked, via, now) {
            return outcome;
        }
        if keepalive != Keepalive::Silent
            && let Err(outcome) = self.tell_keepalive(message, &mut asked, keepalive, now)
        {
            return outcome;
        }
        if self.policy.clients.cookies.is_some() {
            let taken = match replay {
                false => self.take_cookie(&mut message[..len], &asked, client, now),
                true => Ok(Self::kept_cookie(&message[..len], &asked)),
            };
            match taken {
                Err(outcome) => return outcome,
                Ok(None) => {}
                Ok(Some(option)) => {
                    cookie = option;
                    asked.tell_cookie(&cookie);
                }
            }
        }
        if access == Access::AllowCookie
            && via != Via::Stream
            && !replay
            && let Some(outcome) = self.demand_cookie(message, &mut asked)
        {
            return outcome;
        }
        let mut query = Query { asked, question, scan: view.scan, access, client, udp: via != Via::Stream, replay };
        if !replay {
            self.count_query(&query);
        }
        self.scan_name(message, view);
        self.decide_question(message, &mut query, now, given)
    }

    fn decide_question(
        &mut self,
        message: &mut [u8],
        query: &mut Query<'_>,
        now: u32,
        given: Option<Given<'_>>,
    ) -> Outcome {
        let question = query.question;
        if question.qclass == class::CH
            && let Some(outcome) = self.chaos(message, query)
        {
            return outcome;
        }
        if header::opcode_of(query.asked.flags) == opcode::NOTIFY {
            return Outcome::Reply(query.asked.empty(message, 0, rcode::REFUSED));
        }
        let mut alias = None;
        if let Some((zone, exact)) = self.policy.zones.find(self.scans.at(query.scan), question.qtype, question.qclass)
        {
            match self.local(message, query, zone, exact) {
                Local::Decided(outcome) => return outcome,
                Local::Alias(ttl) => alias = Some(ttl),
                Local::Resolve => {}
            }
        }
        if let Some(outcome) = self.check_recursion(message, query, now) {
            return outcome;
        }
        self.answer_cached(message, query, alias, now, given)
    }

    /// Who may have recursion: the non-local actions, and queries without RD (cache snooping).
    fn check_recursion(&mut self, message: &mut [u8], query: &mut Query<'_>, now: u32) -> Option<Outcome> {
        let asked = &mut query.asked;
        match query.access {
            Access::DenyNonLocal => {
                self.count_unwanted();
                return Some(Outcome::Drop);
            }
            Access::RefuseNonLocal => {
                self.count_unwanted();
                asked.error = self.extended(ExtendedError::PROHIBITED);
                return Some(Outcome::Reply(asked.empty(message, 0, rcode::REFUSED)));
            }
            Access::AllowSetRd => asked.flags |= flag::RD,
            _ => {}
        }
        if asked.flags & flag::RD == 0 && query.access != Access::AllowSnoop {
            asked.error = self.extended(ExtendedError::NOT_AUTHORITATIVE);
            return Some(self.limited(now, |_| Outcome::Reply(asked.empty(message, 0, rcode::REFUSED))));
        }
        // Upstream has class IN alone; Unbound answers ANY with it.
        if !matches!(query.question.qclass, class::IN | class::ANY) {
            return Some(Outcome::Reply(asked.empty(message, 0, rcode::REFUSED)));
        }
        if query.question.qtype == rtype::ANY && self.policy.deny_any {
            return Some(Outcome::Reply(asked.empty(message, 0, rcode::NOTIMP)));
        }
        None
    }

    #[inline]
    fn answer_cached(
        &mut self,
        message: &mut [u8],
        query: &mut Query<'_>,
        alias: Option<u32>,
        now: u32,
        given: Option<Given<'_>>,
    ) -> Outcome {
        let asked = &mut query.asked;
        let key = key(query.question, asked.edns, asked.flags);
        asked.no_opt = self.policy.no_dnssec_ok && key.bits & DNSSEC_OK != 0;
        let scanned = if alias.is_some() { Scanned::Alias } else { Scanned::Query(query.scan) };
        let scan = match scanned {
            Scanned::Query(place) => self.scans.at(place),
            Scanned::Alias => &self.alias,
        };
        let (answer, age, rotates, error) = match given {
            // A new policy may want another name by now; a body fits only behind the name it was written for.
            Some(given) if given.name.is_some_and(|name| name != scan.lower()) => {
                return Outcome::Reply(asked.empty(message, 0, rcode::SERVFAIL));
            }
            Some(given) => (given.answer, 0, true, given.error),
            None => match self.cache.get(scan.lower(), scan.hash(), key, now) {
                Some(hit) => {
                    self.stats.outcomes.cache_hits.add(1);
                    let answer = hit.answer;
                    let failed = answer.rcode == rcode::SERVFAIL;
                    if hit.fresh == 0 && self.policy.prefetch && !failed {
                        let name = Name::from_wire(scan.lower()).unwrap_or(Name::ROOT);
                        self.ending = Some(Ending { name, hash: scan.hash(), key, left: hit.left });
                    }
                    let age = if self.policy.original_ttl { 0 } else { hit.age };
                    let error = || answer.flaw.extended_error().unwrap_or(ExtendedError::CACHED_ERROR);
                    if self.notes && alias.is_none() {
                        let records = body::records(answer.counts);
                        let kept = (scan.hash(), key);
                        let whole = Repeatable::of(asked, query.access, query.replay, records);
                        self.repeatable = whole.and_then(|whole| whole.of_hit(&hit, kept, now, &self.policy));
                    }
                    (answer, age, hit.rotates, failed.then(error))
                }
                None => {
                    let (flags, client) = (asked.flags, query.client);
                    return self.miss(scanned, key, flags, client, now);
                }
            },
        };
        count_proof(&self.stats, &answer);
        let is_told = |error: &ExtendedError| self.policy.ede_expired || *error != ExtendedError::STALE_ANSWER;
        asked.error = error.filter(|error| self.policy.ede && is_told(error));
        let rotate = (rotates && self.policy.rrset_roundrobin).then(|| header::id(message));
        let Some(ttl) = alias else {
            let wants = answer.secure && (asked.flags & flag::AD != 0 || key.bits & DNSSEC_OK != 0);
            let extra = if wants { flag::AD } else { 0 };
            return Outcome::Reply(asked.answer(message, extra, answer, age, rotate));
        };
        let fixed = Fixed { rtype: rtype::CNAME, class: class::IN, ttl };
        let qname = &message[header::LEN..header::LEN + query.question.name_len];
        match alias::put_in_front(&mut self.scratch, &mut self.rebuilt, qname, self.alias.lower(), fixed, answer, age) {
            Some((answer, extra)) => Outcome::Reply(asked.answer(message, extra, answer, 0, rotate)),
            None => Outcome::Reply(asked.empty(message, 0, rcode::SERVFAIL)),
        }
    }

    /// It has to be asked upstream, if the client may have one more query wait. It stands apart: the way of those that are
    /// answered at once is to be short.
    #[inline(never)]
    fn miss(&mut self, scanned: Scanned, key: KeyFixed, flags: u16, client: SocketAddr, now: u32) -> Outcome {
        self.stats.outcomes.cache_misses.add(1);
        let Some(place) = self.begin_wait(client, now) else { return Outcome::Drop };
        let only = if flags & flag::RD == 0 { KNOWN_ONLY } else { 0 };
        self.missed = Missed { scanned, key: KeyFixed { bits: key.bits | only, ..key }, place };
        Outcome::Miss
    }

    pub(super) fn event(&mut self, event: Event<'_>, message: &[u8], question: Question, client: SocketAddr) {
        let name = &message[header::LEN..header::LEN + question.name_len];
        self.events.event(event, client, name, question.qtype, question.qclass);
    }

    fn count_unwanted(&self) {
        self.stats.outcomes.unwanted.add(1);
    }

    #[inline]
    fn count_query(&self, query: &Query<'_>) {
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

/// Counts an answer whose proof is known.
#[inline]
fn count_proof(stats: &WorkerStats, answer: &Answer<'_>) {
    if answer.secure {
        stats.outcomes.secure.add(1);
    } else if answer.flaw != Flaw::None {
        stats.outcomes.bogus.add(1);
    }
}
