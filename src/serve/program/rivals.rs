//! Who speaks ARP for our addresses beside the interfaces that carry them: guests come and bring bridges that do.

use super::Program;
use super::cut_off::ended_by;
use crate::attach::{self, Plan, Rival};
use crate::host::Links;

impl Program {
    /// Says who has come, a line each; bridges of guests in one.
    pub(super) fn review_rivals(&mut self, plan: &Plan, links: &Links) {
        let rivals = attach::rivals(plan, links);
        let news = rivals.iter().filter(|rival| !self.rivals.contains(rival)).cloned();
        attach::grouped_rivals(news).iter().for_each(|rival| log::warn!("{}", line(rival)));
        self.rivals = rivals;
    }

    /// Who is there now, a line each. That a setting has changed is notified by nothing.
    pub(super) fn rivals_now(&self, plan: &Plan, links: &Links) -> Vec<String> {
        if !self.attaches {
            return Vec::new();
        }
        attach::grouped_rivals(attach::rivals(plan, links)).iter().map(line).collect()
    }
}

fn line(rival: &Rival) -> String {
    ended_by(&rival.text(), &rival.fix())
}
