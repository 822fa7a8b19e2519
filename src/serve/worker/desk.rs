//! Where a query becomes an answer or waits for one, whatever way it came in: decide, miss, hand-off.

use super::Now;
use super::misses::{Misses, Route};
use crate::answer::cache::Answer;
use crate::answer::decide::{Answerer, Arrival, Decision, Given, Via};
use crate::answer::view::Ahead;
use crate::dns::rcode;
use crate::serve::pending::{Kept, Origin, Waiter};
use crate::stats::WorkerStats;
use std::net::SocketAddr;
use std::sync::Arc;

/// A query in its buffer; the reply is written over it.
pub(super) struct Incoming<'a> {
    /// The buffer, the query at its front.
    pub(super) message: &'a mut [u8],
    /// The query's octets.
    pub(super) len: usize,
    pub(super) client: SocketAddr,
    pub(super) via: Via,
    /// As in [`Arrival`].
    pub(super) local: Option<SocketAddr>,
    /// What looking ahead found of it.
    pub(super) ahead: Option<&'a Ahead>,
}

/// What becomes of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The reply stands in the buffer, this many octets of it.
    Reply(usize),
    /// No answer, on purpose.
    Drop,
    /// It waits for upstream.
    Waits,
}

/// See the module's text.
pub(super) struct Desk {
    pub(super) answerer: Answerer,
    pub(super) misses: Misses,
    pub(super) stats: Arc<WorkerStats>,
}

const SERVFAIL: Answer<'static> = Answer { rcode: rcode::SERVFAIL, counts: [0; 3], body: &[] };

impl Desk {
    /// Answers a query or has it wait; `route` is the way a late reply goes. Call [`Misses::ring`] after a batch.
    #[inline]
    pub(super) fn serve(&mut self, query: Incoming<'_>, now: Now, route: impl FnOnce() -> Route) -> Outcome {
        let Incoming { message, len, client, via, local, ahead } = query;
        let arrival = Arrival { client, via, local, now: now.seconds };
        let miss = match self.answerer.decide(message, len, arrival, ahead) {
            Decision::Reply(len) => {
                if let Some((miss, left)) = self.answerer.take_ending(now.seconds) {
                    self.misses.refresh(miss, left);
                }
                return Outcome::Reply(len);
            }
            Decision::Drop => return Outcome::Drop,
            Decision::Miss(miss) => miss,
        };
        let Some(kept) = Kept::of(&message[..len]) else {
            self.stats.outcomes.dropped.add(1);
            return Outcome::Drop;
        };
        let waiter = || Waiter { route: route(), from: Origin { client, local, since: now.nanoseconds } };
        if self.misses.ask(miss, kept, waiter) {
            return Outcome::Waits;
        }
        self.stats.outcomes.overload.add(1);
        let given = Given { name: None, answer: SERVFAIL, waited: 0, error: None };
        self.answerer.complete(message, len, arrival, given).map_or(Outcome::Drop, Outcome::Reply)
    }

    /// The next query that waits for an answer that has come; `Some(None)`: an answer has been delivered to all. Each
    /// is a bounded piece of work.
    pub(super) fn next_late(&mut self, now: Now) -> Option<Option<Waiter<Route>>> {
        let ticket = self.misses.next_response(&mut self.answerer, now)?;
        let waiter = self.misses.take_waiter(ticket);
        if waiter.is_some() && self.misses.is_expired() {
            self.stats.outcomes.expired.add(1);
        }
        match &waiter {
            None => self.misses.end_response(),
            Some(_) if self.misses.was_known() => self.stats.outcomes.known_replies.add(1),
            Some(waiter) => {
                let waited = waited(waiter, now);
                self.stats.outcomes.recursive_replies.add(1);
                self.stats.outcomes.recursion_time_us.add(waited);
                self.stats.recursion.add(waited);
            }
        }
        Some(waiter)
    }

    /// Writes the reply to a query of [`Self::next_late`]; `None`: no reply, by policy.
    pub(super) fn reply_late(&mut self, waiter: &Waiter<Route>, via: Via, now: Now) -> Option<&mut [u8]> {
        let Origin { client, local, .. } = waiter.from;
        let arrival = Arrival { client, via, local, now: now.seconds };
        self.misses.complete(&mut self.answerer, arrival, waited(waiter, now))
    }
}

/// For how long a query has waited, in microseconds.
fn waited(waiter: &Waiter<Route>, now: Now) -> u64 {
    now.nanoseconds.saturating_sub(waiter.from.since) / 1000
}
