//! `unwanted-reply-threshold:`, so many replies that nobody asked for are an attempt to put a forged one into the cache.

use super::Program;

/// The unwanted replies that were counted against the threshold already.
#[derive(Default)]
pub(super) struct Unwanted {
    seen: u64,
}

impl Unwanted {
    /// Whether `total` has come to `threshold` anew; with 0 it never does.
    fn reaches(&self, total: u64, threshold: u32) -> bool {
        threshold > 0 && total.saturating_sub(self.seen) >= u64::from(threshold)
    }
}

impl Program {
    /// Takes everything out of the cache when `threshold` unwanted replies have come since the last time, 0 for never. While
    /// the worker is late with another command, it is left to the next look.
    pub(super) fn defend_cache(&mut self, threshold: u32) {
        let total = self.threads.stats.upstream.unwanted.get();
        if threshold == 0 {
            self.unwanted.seen = total;
        }
        if !self.unwanted.reaches(total, threshold) || !self.threads.orders.collect() {
            return;
        }
        self.unwanted.seen = total;
        log::warn!(
            "unwanted reply total reached threshold ({threshold}) you may be under attack. defensive action: clearing the \
             cache"
        );
        if let Err(cause) = self.clear_caches() {
            log::error!("the cache is to be cleared: {cause}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_reached_by_what_came_since() {
        let mut unwanted = Unwanted { seen: 100 };
        assert!(!unwanted.reaches(109, 10) && unwanted.reaches(110, 10) && unwanted.reaches(500, 10));
        unwanted.seen = 500;
        assert!(!unwanted.reaches(509, 10));
        assert!(!unwanted.reaches(u64::MAX, 0), "0 is for never");
    }
}
