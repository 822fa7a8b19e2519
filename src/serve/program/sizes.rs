//! How large everything is: what the configuration asks for, within what this machine has.

use crate::config::Config;
use crate::host;
use crate::resolve::{Request, Response};
use crate::serve::events::QueryEvent;
use crate::serve::stream_message::StreamMessage;
use crate::sys::memory;

/// Slots of the rings to and from the resolver. A request is small; a response's slot is 64 KiB of address space, of
/// which a typical answer touches one page.
pub(super) const REQUESTS: usize = 4096;
pub(super) const RESPONSES: usize = 512;
/// Queries over streams that are with the worker at once.
pub(super) const STREAM_QUERIES: usize = 128;
/// Events for the log on their way to main.
pub(super) const EVENTS: usize = 1024;
/// Least number of questions asked upstream at once, and of queries that may wait for them.
const QUESTIONS: usize = 4096;
const WAITERS: usize = 16384;
/// Where memory is little: the same two, and the cache's part of the memory at most.
const SMALL_QUESTIONS: usize = 256;
const SMALL_WAITERS: usize = 2048;
const CACHE_SHARE: u64 = 64;
/// The part of msg-cache-size that the messages of the resolver's cache get: they are references to RRsets, a third as long
/// as the answers made from them, so both hold about as many.
const MESSAGES_PART: u64 = 4;
/// Threads beside main, and the octets of stack of each.
const THREADS: usize = 3;
pub(super) const STACK: usize = 1 << 20;
/// Octets of the states of one question at resolver and worker, those that wait for it included, rounded up.
const STATE: usize = 4096;

/// What the configuration asks for, within what this machine's memory allows.
pub(super) struct Sizes {
    /// Questions asked upstream at once.
    pub(super) questions: usize,
    /// Queries that wait for them.
    pub(super) waiters: usize,
    /// Octets of the worker's answers, of the resolver's RRsets and of its messages: each at most a part of a small
    /// machine's memory, whatever the configuration says.
    pub(super) answers: usize,
    pub(super) rrsets: usize,
    pub(super) messages: usize,
    /// Octets of the table of clients, which is as bounded.
    pub(super) clients: usize,
}

impl Sizes {
    pub(super) fn of(config: &Config) -> Sizes {
        let memory = host::small_memory();
        let (least, waiters) = if memory.is_some() { (SMALL_QUESTIONS, SMALL_WAITERS) } else { (QUESTIONS, WAITERS) };
        let questions = (config.num_queries_per_thread as usize).max(least);
        let granted = |wanted: u64| memory.map_or(wanted, |memory| wanted.min(memory / CACHE_SHARE));
        let (answers, rrsets) = (granted(config.caches.messages), granted(config.caches.rrsets));
        if let Some(memory) = memory {
            log::warn!(
                "{} MB of memory is little: {} KB of caches of {} KB, {questions} questions at once, fewer packet frames",
                memory >> 20,
                answers.saturating_add(rrsets) >> 10,
                config.caches.messages.saturating_add(config.caches.rrsets) >> 10
            );
        }
        let octets = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
        let messages = answers / MESSAGES_PART;
        Sizes {
            questions,
            waiters: waiters.max(questions),
            answers: octets(answers - messages),
            rrsets: octets(rrsets),
            messages: octets(messages),
            clients: octets(granted(config.clients.size)),
        }
    }

    /// Sees to it that the memory for all of it can be had, before any of it is asked for.
    ///
    /// # Errors
    /// How much it is and what for, and what limits it.
    pub(super) fn require(&self) -> Result<(), String> {
        let streams = STREAM_QUERIES * size_of::<StreamMessage>();
        let rings = [
            REQUESTS * size_of::<Request>(),
            RESPONSES * size_of::<Response>(),
            streams,
            streams,
            EVENTS * size_of::<QueryEvent>(),
        ];
        let states = self.questions.saturating_mul(STATE);
        let caches = [self.answers, self.rrsets, self.messages, self.clients];
        let wanted = rings.into_iter().chain(caches).chain([states]).chain([STACK; THREADS]);
        let pieces: Vec<u64> = wanted.map(|octets| octets as u64).collect();
        memory::address_space(&pieces).map_err(|cause| {
            let mb = |octets: usize| octets.div_ceil(1 << 20);
            format!(
                "{cause}. It is {} MB for rings between the threads (little of it is ever touched), {} MB for msg-cache-size, \
                 {} MB for rrset-cache-size, {} MB for ip-ratelimit-size, {} MB for questions (num-queries-per-thread), \
                 {THREADS} MB of stacks",
                mb(rings.iter().sum()),
                mb(self.answers.saturating_add(self.messages)),
                mb(self.rrsets),
                mb(self.clients),
                mb(states)
            )
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Caches;

    #[test]
    fn what_cannot_be_had_is_said_by_what_it_is_for() {
        Sizes::of(&Config::default()).require().unwrap();
        let config = Config { caches: Caches { messages: 1 << 60, ..Caches::default() }, ..Config::default() };
        let cause = Sizes::of(&config).require().unwrap_err();
        assert!(cause.contains("1099511627776 MB for msg-cache-size, 4 MB for rrset-cache-size"), "{cause}");
        let config = Config { caches: Caches { rrsets: 1 << 60, ..Caches::default() }, ..Config::default() };
        let cause = Sizes::of(&config).require().unwrap_err();
        assert!(cause.contains("1099511627776 MB for rrset-cache-size"), "{cause}");
    }
}
