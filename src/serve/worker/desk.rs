//! Where a query becomes an answer or waits for one, whatever way it came in: decide, miss, hand-off.

use super::Now;
use super::hot_answers::HotAnswers;
use super::misses::{Misses, Route};
use crate::answer::cache::Answer;
use crate::answer::decide::{Answerer, Arrival, Decision, Given, Via, Waits};
use crate::answer::keepalive::Keepalive;
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
    /// As in [`Arrival`].
    pub(super) keepalive: Keepalive,
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
    /// See [`super::WorkerOptions::queue_limit`].
    pub(super) queue_limit: u64,
    /// What the XDP program is taught, where it answers by itself.
    pub(super) hot: Option<HotAnswers>,
    /// The addresses that XDP is to have all queries for from outside, each with its port. In order; main has made the list.
    pub(super) promised: Vec<SocketAddr>,
}

const SERVFAIL: Answer<'static> = Answer::new(rcode::SERVFAIL, [0; 3], &[]);

impl Desk {
    /// Answers a query or has it wait; `route` is the way a late reply goes. Call [`Misses::ring`] after a batch.
    #[inline]
    pub(super) fn serve(&mut self, query: Incoming<'_>, now: Now, route: impl FnOnce() -> Route) -> Outcome {
        let Incoming { message, len, client, via, local, keepalive, ahead } = query;
        let arrival = Arrival { client, via, local, now: now.seconds, keepalive };
        match self.answerer.decide(message, len, arrival, ahead) {
            Decision::Reply(len) => {
                if let Some((miss, left)) = self.answerer.take_ending(now.seconds) {
                    self.misses.refresh(miss, left);
                }
                Outcome::Reply(len)
            }
            Decision::Drop => Outcome::Drop,
            Decision::Miss => self.have_wait(message, len, &arrival, now, route),
        }
    }

    /// Has a query wait that was missed just now. It stands apart: the way of those that are answered at once is to be short.
    #[inline(never)]
    fn have_wait(
        &mut self,
        message: &mut [u8],
        len: usize,
        arrival: &Arrival,
        now: Now,
        route: impl FnOnce() -> Route,
    ) -> Outcome {
        let &Arrival { client, local, .. } = arrival;
        let (miss, Waits { place, cookie }) = self.answerer.missed();
        let waiter = || Waiter { route: route(), from: Origin { client, local, since: now.nanoseconds }, place };
        let kept = Kept::of(&message[..len], cookie);
        let is_kept = kept.is_some();
        if kept.is_some_and(|kept| self.misses.ask(miss, kept, waiter)) {
            return Outcome::Waits;
        }
        self.answerer.end_wait(place, client);
        if !is_kept {
            self.stats.outcomes.dropped.add(1);
            return Outcome::Drop;
        }
        self.stats.outcomes.overload.add(1);
        let given = Given { name: None, answer: SERVFAIL, waited: 0, error: None };
        self.answerer.complete(message, len, *arrival, given).map_or(Outcome::Drop, Outcome::Reply)
    }

    /// Teaches the XDP program the reply that was written just now, if it was noted.
    #[inline]
    pub(super) fn teach(&mut self, reply: &[u8], now: Now) {
        if let (Some(of), Some(hot)) = (self.answerer.take_repeatable(), &mut self.hot) {
            hot.teach(reply, &of, now.seconds);
        }
    }

    /// Has the XDP program tell nothing any more that it was taught before. To be called before what it came of changes.
    pub(super) fn unteach(&mut self, now: Now) {
        if let Some(hot) = &mut self.hot {
            hot.begin(now.seconds);
        }
    }

    /// Counts what XDP programs have answered.
    pub(super) fn count_told(&mut self, now: Now) {
        if let Some(hot) = &mut self.hot {
            hot.keep_house(self.answerer.cache(), &self.stats, now.seconds);
        }
    }

    /// Whether some of that is still to be counted.
    #[inline]
    pub(super) fn is_behind(&self) -> bool {
        self.hot.as_ref().is_some_and(HotAnswers::is_behind)
    }

    /// Counts a piece of it.
    #[cold]
    pub(super) fn catch_up(&mut self, now: Now) {
        if let Some(hot) = &mut self.hot {
            hot.catch_up(self.answerer.cache(), &self.stats, now.seconds);
        }
    }

    /// Whether the queries for an address are to come over XDP.
    pub(super) fn is_promised(&self, asked: SocketAddr) -> bool {
        self.promised.binary_search(&asked).is_ok()
    }

    /// Counts a query that was so many microseconds in a socket's queue; whether it is dropped for that.
    #[cold]
    pub(super) fn is_stale(&self, age: u64) -> bool {
        let outcomes = &self.stats.outcomes;
        outcomes.queue_time_max.set(outcomes.queue_time_max.get().max(age));
        let stale = age > self.queue_limit;
        outcomes.timed_out.add(u64::from(stale));
        stale
    }

    /// The next query that waits for an answer that has come; `Some(None)`: an answer has been delivered to all. Each
    /// is a bounded piece of work.
    pub(super) fn next_late(&mut self, now: Now) -> Option<Option<Waiter<Route>>> {
        let ticket = self.misses.next_response(&mut self.answerer, now)?;
        let Some(waiter) = self.misses.take_waiter(ticket) else {
            self.misses.end_response();
            return Some(None);
        };
        self.answerer.end_wait(waiter.place, waiter.from.client);
        let (outcomes, waited) = (&self.stats.outcomes, waited(&waiter, now));
        if self.answerer.is_too_late(waited) {
            outcomes.discarded.add(1);
            outcomes.dropped.add(1);
            return Some(Some(waiter));
        }
        outcomes.expired.add(u64::from(self.misses.is_expired()));
        if self.misses.was_known() {
            outcomes.known_replies.add(1);
        } else {
            outcomes.recursive_replies.add(1);
            outcomes.recursion_time_us.add(waited);
            self.stats.recursion.add(waited);
        }
        Some(Some(waiter))
    }

    /// Writes the reply to a query of [`Self::next_late`]; `None`: no reply, by policy or because it comes too late.
    pub(super) fn reply_late(&mut self, waiter: &Waiter<Route>, via: Via, now: Now) -> Option<&mut [u8]> {
        let Origin { client, local, .. } = waiter.from;
        let keepalive = waiter.route.keepalive();
        let arrival = Arrival { client, via, local, now: now.seconds, keepalive };
        let waited = waited(waiter, now);
        if self.answerer.is_too_late(waited) {
            return None;
        }
        self.misses.complete(&mut self.answerer, arrival, waited)
    }
}

/// For how long a query has waited, in microseconds.
fn waited(waiter: &Waiter<Route>, now: Now) -> u64 {
    now.nanoseconds.saturating_sub(waiter.from.since) / 1000
}
