//! What the programs answer by themselves: `xdp-answers:`.

use super::attached::Terms;
use super::{FEWEST_PROGRAMS, FastPath, SPARE_PROGRAMS};
use crate::attach::Plan;
use crate::config::{Config, Toggle};

impl FastPath {
    /// Looks what is to become of it; to be called behind [`FastPath::watch`]. `at_start`: the configuration of the start.
    pub fn watch_answers(&mut self, at_start: &Config, config: &Config) {
        let terms = self.terms(at_start, config);
        for attached in &mut self.attached {
            attached.watch_answers(&terms, &mut self.peers);
        }
    }

    /// Ends it where the configuration has it no more, at once: what comes then is the worker's to see.
    pub fn heed_answers(&mut self, at_start: &Config, config: &Config) {
        let terms = self.terms(at_start, config);
        for attached in &mut self.attached {
            attached.heed_answers(&terms);
        }
    }

    fn terms<'a>(&self, at_start: &Config, config: &'a Config) -> Terms<'a> {
        let missing = self.programs.answers_missing().map(ToString::to_string);
        Terms { wanted: at_start.xdp.answers, config, missing }
    }

    /// Loads the programs for other ends of pairs that attaching may want, before the sandbox lets none be loaded.
    pub(super) fn load_programs_for_peers(&mut self, config: &Config, plan: &Plan) {
        if config.xdp.answers == Toggle::No {
            return;
        }
        // If one is wanted, the log says then why there is none: they keep the cause.
        let _ = self.peers.complete((plan.targets.len() + SPARE_PROGRAMS).max(FEWEST_PROGRAMS));
    }
}
