//! What the worker knows of a slot.

use crate::answer::cache::{AnswerCache, KeyFixed};
use crate::stats::{Told, WorkerStats};
use crate::xdp::answers::{Hits, Key};

/// See the module's text.
#[derive(Clone, Copy, Default)]
pub(super) struct Known {
    /// Of its key.
    pub(super) hash: u64,
    /// In which it was filled.
    pub(super) generation: u64,
    /// The first second in which the worker answers.
    until: u32,
    pub(super) is_filled: bool,
    /// Where it is not, the second since when; 0 from the start.
    pub(super) empty_since: u32,
    /// Queries that it answered since room was last made.
    pub(super) asked: u32,
    /// What a query counts for that it answers.
    counted: Option<Told>,
    /// What stands in the answer cache: its name, its hash and its key there.
    kept: Option<(Key, u64, KeyFixed)>,
}

impl Known {
    /// Notes what its slot tells now, until when, and in which generation.
    pub(super) fn fill(
        &mut self,
        hash: u64,
        (until, generation): (u32, u64),
        kept: Option<(Key, u64, KeyFixed)>,
        counted: Told,
    ) {
        let counted = Some(counted);
        *self = Known { hash, generation, until, is_filled: true, kept, counted, ..*self };
    }

    /// Whether programs tell what its slot has.
    pub(super) fn is_told(&self, generation: u64, now: u32) -> bool {
        self.is_filled && self.generation == generation && now < self.until
    }

    /// Notes that its slot is empty.
    pub(super) fn leave(&mut self, since: u32) {
        self.is_filled = false;
        self.empty_since = since;
        self.asked = 0;
    }

    /// Counts what it has answered, and its answer in the cache as used.
    pub(super) fn count(&mut self, hits: Hits, cache: &mut AnswerCache, stats: &WorkerStats) {
        let queries = hits.v4.wrapping_add(hits.v6);
        let Some(of) = self.counted else { return };
        self.asked = self.asked.saturating_add(u32::try_from(queries).unwrap_or(u32::MAX));
        stats.count_told(&of, (hits.v4, hits.v6));
        if let Some((key, hash, kept)) = &self.kept {
            cache.touch(&key.name(), *hash, *kept);
        }
    }
}
