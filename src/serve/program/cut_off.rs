//! Links of served addresses at which nothing comes in, and addresses that are gone: no query tells that, so main looks.

use super::Program;
use crate::attach::{self, CutOff, Decision, Plan};
use crate::host::Links;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// What is over sooner is not said: a bridge that is made anew, a card that attaching resets.
const LASTS: Duration = Duration::from_secs(10);

/// Those that are known, each with when it was seen first and whether it was said.
#[derive(Default)]
pub(super) struct Known(Vec<(CutOff, Instant, bool)>);

impl Known {
    /// Takes those of now; gives the lines to be said, those of an end first, then those of a beginning. `carriers`: the links that
    /// carry served addresses. What carries none any more is not reached again; that its address is gone is said elsewhere.
    fn review(&mut self, found: Vec<CutOff>, carriers: &[String], now: Instant) -> (Vec<String>, Vec<String>) {
        let is_there = |link: &String| found.iter().any(|cut_off| cut_off.link == *link);
        let is_over = |before: &CutOff| !is_there(&before.link) && carriers.contains(&before.link);
        let over = self.0.iter().filter(|(before, _, said)| *said && is_over(before));
        let ended = over.map(|(before, ..)| format!("{} is reached again", before.link)).collect();
        let mut begun = Vec::new();
        let mut known = Vec::new();
        for cut_off in found {
            let before = self.0.iter().find(|(before, ..)| before.link == cut_off.link);
            let (since, was_said) =
                before.map_or((now, false), |(before, since, said)| (*since, *said && *before == cut_off));
            let is_due = !was_said && now.saturating_duration_since(since) >= LASTS;
            begun.extend(is_due.then(|| line(&cut_off)));
            known.push((cut_off, since, was_said || is_due));
        }
        self.0 = known;
        (ended, begun)
    }

    /// When one is to be looked at again that is to be said if it lasts.
    fn again(&self) -> Option<Instant> {
        self.0.iter().filter(|(.., said)| !said).map(|(_, since, _)| *since + LASTS).min()
    }
}

impl Program {
    /// Says what lasts and what is over; when to look again. An address that is expected to come and go is not missed.
    pub(super) fn review_cut_off(&mut self, plan: &Plan, links: &Links) -> Option<Instant> {
        let mut found = attach::cut_off(plan, &self.listen, links);
        let carried = self.seen.take(self.listen.iter().map(SocketAddr::ip), links);
        if !self.config.awaits_addresses() {
            found.extend(self.seen.gone(&carried, links));
        }
        let name = |decision: &Decision| Some(links.by_index(decision.carrier)?.name.clone());
        let mut carriers: Vec<String> = plan.decisions.iter().filter_map(name).collect();
        carriers.extend(carried.iter().map(IpAddr::to_string));
        let (ended, begun) = self.cut_off.review(found, &carriers, Instant::now());
        ended.iter().for_each(|line| log::info!("{line}"));
        begun.iter().for_each(|line| log::warn!("{line}"));
        self.cut_off.again()
    }

    /// Those of now, a line each.
    pub(super) fn cut_off_now(&self, plan: &Plan, links: &Links) -> Vec<String> {
        attach::cut_off(plan, &self.listen, links).iter().map(line).collect()
    }
}

fn line(CutOff { text, fix, .. }: &CutOff) -> String {
    fix.as_ref().map_or_else(|| text.clone(), |fix| ended_by(text, fix))
}

/// A line of what is wrong and of the commands that end it.
pub(super) fn ended_by(text: &str, commands: &str) -> String {
    format!("{text}; `{}` ends it", commands.replace('\n', " && "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_said_once_and_taken_back() {
        let cut_off = |why: &str| {
            let text = format!("veth-rb carries 192.0.2.1 and {why}");
            CutOff { link: "veth-rb".to_owned(), text, fix: Some("ip link set br-rb up".to_owned()) }
        };
        let (mut known, now) = (Known::default(), Instant::now());
        let none = (Vec::new(), Vec::new());
        let carriers = ["veth-rb".to_owned()];
        assert_eq!(known.review(vec![cut_off("its bridge is down")], &carriers, now), none, "it may pass");
        assert_eq!(known.again(), Some(now + LASTS));
        assert_eq!(known.review(Vec::new(), &carriers, now + LASTS), none, "it did");
        known.review(vec![cut_off("its bridge is down")], &carriers, now);
        let said = known.review(vec![cut_off("its bridge is down")], &carriers, now + LASTS);
        let line = "veth-rb carries 192.0.2.1 and its bridge is down; `ip link set br-rb up` ends it";
        assert_eq!(said, (Vec::new(), vec![line.to_owned()]));
        assert_eq!(known.review(vec![cut_off("its bridge is down")], &carriers, now + 2 * LASTS), none, "said once");
        assert_eq!(known.again(), None);
        let (_, begun) = known.review(vec![cut_off("it is in no bridge")], &carriers, now + 2 * LASTS);
        assert_eq!(begun.len(), 1, "another cause is news");
        assert_eq!(
            known.review(Vec::new(), &carriers, now + 3 * LASTS),
            (vec!["veth-rb is reached again".to_owned()], Vec::new())
        );
        known.review(vec![cut_off("its bridge is down")], &carriers, now);
        known.review(vec![cut_off("its bridge is down")], &carriers, now + LASTS);
        assert_eq!(known.review(Vec::new(), &[], now + 2 * LASTS), none, "the address went, or the link");
    }
}
