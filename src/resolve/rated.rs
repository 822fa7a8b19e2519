//! Questions whose zones have a limit of queries a second (`rates`).

use super::core::{Core, Turn};
use super::rates::Rated;
use super::world::World;
use crate::dns::cause::{Cause, Why};
use crate::dns::name_text;
use std::fmt::Write;
use std::time::Duration;

impl<W: World> Turn<'_, W> {
    /// Counts the query that is to be sent to a server of the question's zone; false when there are too many of them. Forwarders
    /// are sent all, and what is asked anew before it runs out is, too.
    pub(super) fn is_within_rate(&mut self, id: u32) -> bool {
        if !self.core.rates.are_limited() || self.is_forwarded(id) {
            return true;
        }
        let Core { questions, cuts, rates, stats, .. } = &mut *self.core;
        let question = questions.get_mut(id);
        let Some(cut) = cuts.get(question.cut).filter(|_| question.refreshes.is_none()) else { return true };
        match rates.count(cut.name.as_wire(), self.now) {
            Rated::Within => {
                question.rated = true;
                return true;
            }
            Rated::First(limit) => {
                log::info!("ratelimit exceeded {} {limit} query {}", cut.name, question.name);
            }
            Rated::Beyond => {}
        }
        // One of so many comes through, so that what is asked in earnest is known in the end.
        let factor = rates.factor();
        if factor > 0 && self.world.below(factor.min(1 << 16)).is_ok_and(|drawn| drawn == 0) {
            question.rated = true;
            return true;
        }
        stats.rate_limited.add(1);
        question.cause = Cause::new(Why::Rate);
        // It says nothing of other zones.
        (question.was_sent, question.is_unzoned) = (true, true);
        false
    }

    /// The reply led further down: what was counted for the zone that said so is taken back.
    pub(super) fn take_rate_back(&mut self, id: u32) {
        let Core { questions, cuts, rates, .. } = &mut *self.core;
        if let Some(cut) = cuts.get(questions.get(id).cut) {
            rates.take_back(cut.name.as_wire(), self.now);
        }
    }
}

/// Lines of zones with their rates and limits, as `ratelimit_list` has them; those at their limit, or all.
pub(super) fn list(core: &Core, (from, most): (usize, usize), all: bool, now: Duration) -> (String, Option<usize>) {
    let mut text = String::new();
    if !all && !core.rates.are_limited() {
        return (text, None);
    }
    let (listed, further) = core.rates.list(from, most, all, now);
    for (zone, rate, limit) in listed {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} {rate} limit {limit}", name_text::to_text(zone));
    }
    (text, further)
}
