//! Links of served addresses at which nothing comes in, and addresses that are gone: no query tells that, so main looks.

use super::Program;
use crate::attach::{self, CutOff, Decision, Outside, Plan};
use crate::host::{self, Links};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// What is over sooner is not said: a bridge that is made anew, a card that attaching resets.
const LASTS: Duration = Duration::from_secs(10);
/// Nor, where the spanning tree lets nothing pass yet, before that: twice the longest forward delay.
const WAITS: Duration = Duration::from_secs(60);
/// What is there for less is not shown either: a link that was set up has its carrier by then, and the bridge its port.
const SETTLES: Duration = Duration::from_secs(2);

/// Those that are known, each with when it was seen first and whether it was said.
#[derive(Default)]
pub(super) struct Known(Vec<(CutOff, Instant, bool)>);

impl Known {
    /// Addresses that another host has are said at once: no look later tells more of them.
    pub(super) fn at_start(listen: &[SocketAddr]) -> Self {
        let found = host::links().map(|links| attach::duplicates(listen, &links)).unwrap_or_default();
        found.iter().for_each(|duplicate| log::warn!("{}", line(duplicate)));
        Self(found.into_iter().map(|duplicate| (duplicate, Instant::now(), true)).collect())
    }

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
            let is_due = !was_said && now.saturating_duration_since(since) >= lasts(&cut_off);
            begun.extend(is_due.then(|| line(&cut_off)));
            known.push((cut_off, since, was_said || is_due));
        }
        self.0 = known;
        (ended, begun)
    }

    /// When one is to be looked at again that is to be said if it lasts.
    fn again(&self) -> Option<Instant> {
        self.0.iter().filter(|(.., said)| !said).map(|(cut_off, since, _)| *since + lasts(cut_off)).min()
    }

    /// Whether it was seen first just now.
    fn is_fresh(&self, cut_off: &CutOff, now: Instant) -> bool {
        let known = self.0.iter().find(|(known, ..)| known.link == cut_off.link);
        known.is_some_and(|(_, since, said)| !said && now.saturating_duration_since(*since) < SETTLES)
    }
}

impl Program {
    /// Says what lasts and what is over; when to look again. An address that is expected to come and go is not missed.
    pub(super) fn review_cut_off(&mut self, plan: &Plan, links: &Links) -> Option<Instant> {
        let mut found = self.cut_off_of(plan, links);
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

    /// Those of now that last, a line each.
    pub(super) fn cut_off_now(&self, plan: &Plan, links: &Links) -> Vec<String> {
        let now = Instant::now();
        let shown = self.cut_off_of(plan, links);
        shown.iter().filter(|cut_off| !self.cut_off.is_fresh(cut_off, now)).map(line).collect()
    }

    fn cut_off_of(&self, plan: &Plan, links: &Links) -> Vec<CutOff> {
        let outside = Outside { way: &host::way_to, bridge: &|port| self.seen.bridge_of(port) };
        let mut found = attach::cut_off(plan, &self.listen, links, outside);
        found.extend(attach::duplicates(&self.listen, links));
        found
    }
}

fn lasts(cut_off: &CutOff) -> Duration {
    if cut_off.waits { WAITS } else { LASTS }
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
    fn what_is_over_by_itself_has_its_time() {
        let (text, now) = ("veth-rb carries 192.0.2.1 and its port is learning".to_owned(), Instant::now());
        let waits = CutOff { link: "veth-rb".to_owned(), text, fix: None, waits: true };
        let (mut known, carriers) = (Known::default(), ["veth-rb".to_owned()]);
        let mut begun_at =
            |after| known.review(vec![waits.clone()], &carriers, now + Duration::from_secs(after)).1.len();
        assert_eq!([0, 10, 30, 59].map(&mut begun_at), [0; 4]);
        assert_eq!([60, 61].map(&mut begun_at), [1, 0], "then it is said, and once");
    }

    #[test]
    fn what_came_just_now_is_not_shown_yet() {
        let text = "veth-rb carries 192.0.2.1 and has no carrier".to_owned();
        let down = CutOff { link: "veth-rb".to_owned(), text, fix: None, waits: false };
        let (mut known, now) = (Known::default(), Instant::now());
        assert!(!known.is_fresh(&down, now), "by a change that nothing notified of");
        known.review(vec![down.clone()], &[], now);
        assert!(known.is_fresh(&down, now + SETTLES / 2) && !known.is_fresh(&down, now + SETTLES));
    }

    #[test]
    fn what_lasts_is_said_once_and_taken_back() {
        let cut_off = |why: &str| {
            let text = format!("veth-rb carries 192.0.2.1 and {why}");
            CutOff { link: "veth-rb".to_owned(), text, fix: Some("ip link set br-rb up".to_owned()), waits: false }
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
