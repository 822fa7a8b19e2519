//! Lines about queries and replies that are not in the log, because the worker had more of them than main could write.

use super::Program;
use std::time::{Duration, Instant};

/// Between two lines that say so.
pub(super) const PAUSE: Duration = Duration::from_secs(60);

/// What was said of lost lines.
#[derive(Default)]
pub(super) struct LostLines {
    said: u64,
    again: Option<Instant>,
}

impl LostLines {
    /// With `total` lost so far: those of which nothing was said yet, when it is time to say it.
    fn news(&mut self, total: u64, now: Instant) -> Option<u64> {
        let lost = total.saturating_sub(self.said);
        if lost == 0 || self.again.is_some_and(|again| now < again) {
            return None;
        }
        (self.said, self.again) = (total, Some(now + PAUSE));
        Some(lost)
    }
}

impl Program {
    /// Says that lines were lost since the last time, once in [`PAUSE`] at most.
    pub(super) fn tell_lost_lines(&mut self, now: Instant) {
        let total = self.threads.stats.worker.outcomes.events_lost.get();
        if let Some(lost) = self.lost_lines.news(total, now) {
            log::warn!(
                "{lost} lines of queries and replies are not in the log: more came than could be written; have the log on \
                 something faster, or less logged by log-queries, log-replies, log-servfail, log-local-actions and inform \
                 zones"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_lines_are_told_once_a_minute_and_none_twice() {
        let (mut lines, start) = (LostLines::default(), Instant::now());
        let mut at = |total, seconds| lines.news(total, start + Duration::from_secs(seconds));
        assert_eq!(at(0, 0), None);
        assert_eq!(at(5, 1), Some(5), "at once");
        assert_eq!((at(5, 2), at(9, 60)), (None, None), "within a minute");
        assert_eq!(at(12, 61), Some(7), "all since");
        assert_eq!(at(12, 200), None, "nothing new");
        assert_eq!(at(13, 201), Some(1));
    }
}
