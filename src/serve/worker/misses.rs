//! Misses: handed to the resolver, remembered, and delivered.

use super::super::pending::{Joined, Kept, Pending, Waiter};
use super::{Now, WorkerOptions};
use crate::answer::cache::{Answer, AnswerCache, CHECKING_DISABLED, DNSSEC_OK, KNOWN_ONLY};
use crate::answer::decide::{Answerer, Arrival, Given, Miss, Via};
use crate::answer::keepalive::Keepalive;
use crate::dns::cause::{Cause, Why};
use crate::dns::edns::ExtendedError;
use crate::dns::flaw::Flaw;
use crate::dns::{Name, rcode};
use crate::resolve::{Request, Response};
use crate::ring::doorbell::Doorbell;
use crate::ring::spsc::{Consumer, Producer};
use crate::stats::WorkerStats;
use crate::sys::mmsg::UdpPeer;
use crate::wire::ReturnPath;
use std::sync::Arc;

/// The way a late reply goes back.
#[derive(Clone, Copy)]
pub(super) enum Route {
    /// Through a kernel UDP socket.
    Udp { port: u16, peer: UdpPeer },
    /// Through the stream thread.
    Stream { token: u64, via: Via, keepalive: Keepalive },
    /// Through an XSK. `link`: index of the interface at which a link-local client is, 0 where that is not known.
    Xsk { port: u32, path: ReturnPath, link: u32 },
}

impl Route {
    /// What the reply says of the stream that its query came over.
    pub(super) fn keepalive(&self) -> Keepalive {
        match self {
            Route::Stream { keepalive, .. } => *keepalive,
            Route::Udp { .. } | Route::Xsk { .. } => Keepalive::Silent,
        }
    }
}

pub(super) struct Misses {
    pending: Pending<Route>,
    requests: Producer<Request>,
    responses: Consumer<Response>,
    resolver_bell: Doorbell,
    unrung: bool,
    stats: Arc<WorkerStats>,
    /// The response at the ring's front is being delivered.
    at_hand: bool,
    /// The name it answers.
    delivered: Name,
    /// Where late replies are written, over the queries that they answer.
    buffer: Box<[u8]>,
    /// Octets of the query there.
    query: usize,
}

impl Misses {
    pub(super) fn new(
        options: WorkerOptions,
        requests: Producer<Request>,
        responses: Consumer<Response>,
        resolver_bell: Doorbell,
        stats: Arc<WorkerStats>,
    ) -> Misses {
        Misses {
            pending: Pending::new(options.questions, options.waiters),
            requests,
            responses,
            resolver_bell,
            unrung: false,
            stats,
            at_hand: false,
            delivered: Name::ROOT,
            buffer: vec![0; 1 << 16].into_boxed_slice(),
            query: 0,
        }
    }

    /// Has a query wait for the answer to a question, and asks upstream if nobody has. False when there is no room.
    #[inline]
    pub(super) fn ask(&mut self, miss: Miss<'_>, kept: Kept<'_>, waiter: impl FnOnce() -> Waiter<Route>) -> bool {
        let outcomes = &self.stats.outcomes;
        let ticket = match self.pending.join(miss, kept, waiter) {
            Joined::Full => return false,
            Joined::Waits => {
                outcomes.coalesced.add(1);
                return true;
            }
            Joined::First(ticket) => ticket,
        };
        let Some(request) = self.requests.reserve() else {
            let _ = self.pending.take_waiter(ticket);
            return false;
        };
        fill_request(request, ticket, self.pending.epoch(), miss);
        self.requests.publish();
        self.unrung = true;
        let asked = self.pending.len() as u64;
        outcomes.pending.set(asked);
        outcomes.pending_sum.add(asked);
        outcomes.pending_max.set(outcomes.pending_max.get().max(asked));
        true
    }

    /// Asks a question anew whose answer has so many seconds left. Nobody waits for it, so it takes no place that one who
    /// waits would need.
    #[cold]
    pub(super) fn refresh(&mut self, miss: Miss<'_>, left: u32) {
        let Some(ticket) = self.pending.begin(miss) else { return };
        let Some(request) = self.requests.reserve() else { return self.pending.end(ticket) };
        fill_request(request, ticket, self.pending.epoch(), miss);
        (request.refresh, request.left) = (true, left);
        self.requests.publish();
        self.unrung = true;
        self.stats.outcomes.prefetched.add(1);
    }

    /// Answers to what was asked before this epoch are not kept (see [`Pending::set_epoch`]).
    pub(super) fn set_epoch(&mut self, epoch: u32) {
        self.pending.set_epoch(epoch);
    }

    /// Wakes the resolver if anything was asked since the last call.
    pub(super) fn ring(&mut self) {
        if std::mem::take(&mut self.unrung) {
            self.resolver_bell.ring();
        }
    }

    pub(super) fn responses_empty(&mut self) -> bool {
        self.responses.is_empty()
    }

    /// The ticket of the finished question that is to be delivered. When its turn comes, its answer is put into the cache,
    /// unless it is of an older epoch.
    pub(super) fn next_response(&mut self, answerer: &mut Answerer, now: Now) -> Option<u64> {
        let response = self.responses.front()?;
        let ticket = response.ticket;
        if !std::mem::replace(&mut self.at_hand, true) {
            let current = self.pending.is_current(ticket);
            if let Some(miss) = self.pending.close(ticket) {
                self.delivered = Name::from_wire(miss.name).unwrap_or(Name::ROOT);
                if response.rcode == rcode::SERVFAIL || response.cause.why == Why::Doubtful {
                    answerer.note_failure(&miss, response.zone(), response.cause);
                }
                if current && miss.key.bits & KNOWN_ONLY == 0 {
                    keep(answerer.cache(), &miss, response, now.seconds);
                }
            }
        }
        Some(ticket)
    }

    /// Whether the response at hand is something that the resolver knew.
    pub(super) fn was_known(&mut self) -> bool {
        self.responses.front().is_some_and(|response| response.known)
    }

    /// Whether the response at hand has expired.
    pub(super) fn is_expired(&mut self) -> bool {
        self.responses.front().is_some_and(|response| response.expired)
    }

    /// The next that waits for a ticket's answer; [`Self::complete`] is about its query until the next is taken.
    #[inline]
    pub(super) fn take_waiter(&mut self, ticket: u64) -> Option<Waiter<Route>> {
        let (waiter, query) = self.pending.take_waiter(ticket)?;
        self.query = query.len();
        self.buffer[..query.len()].copy_from_slice(query);
        Some(waiter)
    }

    /// Writes the reply to the query that was taken last and waited for the response at hand, for so many microseconds; `None`:
    /// no reply, by policy.
    pub(super) fn complete(&mut self, answerer: &mut Answerer, arrival: Arrival, waited: u64) -> Option<&mut [u8]> {
        let response = self.responses.front()?;
        let answer = answer_of(response);
        let error = match response.expired {
            true => Some(ExtendedError::STALE_ANSWER),
            false => response.cause.extended_error(),
        };
        let given = Given { name: Some(self.delivered.as_wire()), answer, waited, error };
        let len = answerer.complete(&mut self.buffer, self.query, arrival, given)?;
        Some(&mut self.buffer[..len])
    }

    /// The response at hand is delivered.
    pub(super) fn end_response(&mut self) {
        self.responses.release();
        self.at_hand = false;
        self.stats.outcomes.pending.set(self.pending.len() as u64);
    }
}

/// Keeps an answer. A failure does not take the place of what is there still.
fn keep(cache: &mut AnswerCache, miss: &Miss<'_>, response: &Response, now: u32) {
    let &Miss { name, hash, key } = miss;
    if response.rcode == rcode::SERVFAIL && cache.get(name, hash, key, now).is_some() {
        return;
    }
    let answer = answer_of(response);
    cache.put(name, hash, key, answer, now, response.ttl);
    if response.refresh_after < response.ttl {
        cache.set_refresh(name, hash, key, now.saturating_add(response.refresh_after));
    }
}

/// What a response says.
fn answer_of(response: &Response) -> Answer<'_> {
    let Cause { why, flaw, .. } = response.cause;
    let flaw = if why == Why::Bogus { flaw } else { Flaw::None };
    Answer { secure: response.secure, flaw, ..Answer::new(response.rcode, response.counts, response.body()) }
}

/// The query of a miss as the resolver wants it.
fn fill_request(request: &mut Request, ticket: u64, epoch: u32, miss: Miss<'_>) {
    (request.ticket, request.epoch) = (ticket, epoch);
    request.qtype = miss.key.qtype;
    request.qclass = miss.key.qclass;
    request.dnssec_ok = miss.key.bits & DNSSEC_OK != 0;
    request.checking_disabled = miss.key.bits & CHECKING_DISABLED != 0;
    request.known_only = miss.key.bits & KNOWN_ONLY != 0;
    (request.refresh, request.left) = (false, 0);
    request.set_name(miss.name);
}
