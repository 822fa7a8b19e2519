//! Links of served addresses at which nothing comes in, and addresses that are gone: no query tells that, so main looks.

use super::Program;
use crate::attach::{self, CutOff, Decision, Outside, Plan};
use crate::host::{self, Links};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// What is over sooner is said when it is over: a bridge that is made anew, a card that attaching resets.
const LASTS: Duration = Duration::from_secs(10);
/// Nor, where the spanning tree lets nothing pass yet, before that: twice the longest forward delay.
const WAITS: Duration = Duration::from_secs(60);
/// What is there for less is not shown either: a link that was set up has its carrier by then, and the bridge its port.
const SETTLES: Duration = Duration::from_secs(2);

/// Of what comes and goes for a link there is a line so often at most.
const SHORT_EVERY: Duration = Duration::from_secs(60);

/// Those that are known, each with when it was seen first and whether it was said.
#[derive(Default)]
pub(super) struct Known {
    all: Vec<(CutOff, Instant, bool)>,
    short: Vec<Short>,
}

/// What was over before it was said.
struct Short {
    link: String,
    /// What the last was, and how long it lasted.
    last: String,
    lasted: Duration,
    /// How many there were since the last line.
    times: u32,
    told: Option<Instant>,
}

impl Short {
    fn due_at(&self) -> Option<Instant> {
        self.told.map(|told| told + SHORT_EVERY).filter(|_| self.times > 0)
    }

    /// The line, when one is due.
    fn line(&mut self, now: Instant) -> Option<String> {
        if self.times == 0 || self.due_at().is_some_and(|due| now < due) {
            return None;
        }
        let Self { link, last, lasted, times, .. } = self;
        let lasted = match lasted.as_secs() {
            0 => "less than a second".to_owned(),
            seconds => format!("{seconds} s"),
        };
        let line = match times {
            1 => format!("for {lasted} nothing came in: {last}; {link} is reached again"),
            times => {
                format!("{times} times nothing came in, the last time for {lasted}: {last}; {link} is reached again")
            }
        };
        (self.times, self.told) = (0, Some(now));
        Some(line)
    }
}

impl Known {
    /// Addresses that another host has are said at once: no look later tells more of them.
    pub(super) fn at_start(listen: &[SocketAddr]) -> Self {
        let found = host::links().map(|links| attach::duplicates(listen, &links)).unwrap_or_default();
        found.iter().for_each(|duplicate| log::warn!("{}", line(duplicate)));
        Self { all: found.into_iter().map(|duplicate| (duplicate, Instant::now(), true)).collect(), short: Vec::new() }
    }

    /// Takes those of now; gives the lines to be said, those of an end first, then those of a beginning. `carriers`: the links that
    /// carry served addresses. What carries none any more is not reached again; that its address is gone is said elsewhere.
    fn review(&mut self, found: Vec<CutOff>, carriers: &[String], now: Instant) -> (Vec<String>, Vec<String>) {
        let is_there = |link: &String| found.iter().any(|cut_off| cut_off.link == *link);
        let is_over = |before: &CutOff| !is_there(&before.link) && carriers.contains(&before.link);
        let over =
            |said: bool| self.all.iter().filter(move |(before, _, was_said)| *was_said == said && is_over(before));
        let mut ended: Vec<String> =
            over(true).map(|(before, ..)| format!("{} is reached again", before.link)).collect();
        let short: Vec<(CutOff, Instant)> = over(false).map(|(before, since, _)| (before.clone(), *since)).collect();
        short.into_iter().for_each(|(before, since)| self.take_short(before, now.saturating_duration_since(since)));
        ended.extend(self.short.iter_mut().filter_map(|short| short.line(now)));
        self.short.retain(|short| short.told.is_some_and(|told| now < told + SHORT_EVERY));
        let mut begun = Vec::new();
        let mut known = Vec::new();
        for cut_off in found {
            let before = self.all.iter().find(|(before, ..)| before.link == cut_off.link);
            let (since, was_said) =
                before.map_or((now, false), |(before, since, said)| (*since, *said && *before == cut_off));
            let is_due = !was_said && now.saturating_duration_since(since) >= lasts(&cut_off);
            begun.extend(is_due.then(|| line(&cut_off)));
            known.push((cut_off, since, was_said || is_due));
        }
        self.all = known;
        (ended, begun)
    }

    /// When one is to be looked at again that is to be said if it lasts.
    fn again(&self) -> Option<Instant> {
        let lasting = self.all.iter().filter(|(.., said)| !said).map(|(cut_off, since, _)| *since + lasts(cut_off));
        lasting.chain(self.short.iter().filter_map(Short::due_at)).min()
    }

    /// What was over before it was to be said.
    fn take_short(&mut self, CutOff { link, text, .. }: CutOff, lasted: Duration) {
        let at = self.short.iter().position(|short| short.link == link).unwrap_or_else(|| {
            self.short.push(Short { link, last: String::new(), lasted, times: 0, told: None });
            self.short.len() - 1
        });
        if let Some(short) = self.short.get_mut(at) {
            (short.last, short.lasted, short.times) = (text, lasted, short.times.saturating_add(1));
        }
    }

    /// Whether it was seen first just now.
    fn is_fresh(&self, cut_off: &CutOff, now: Instant) -> bool {
        let known = self.all.iter().find(|(known, ..)| known.link == cut_off.link);
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

    const SECOND: Duration = Duration::from_secs(1);

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
    fn what_comes_and_goes_is_a_line_a_minute() {
        let text = "veth-rb carries 192.0.2.1 and its bridge is down".to_owned();
        let cut_off = CutOff { link: "veth-rb".to_owned(), text, fix: None, waits: false };
        let (mut known, carriers, start) = (Known::default(), ["veth-rb".to_owned()], Instant::now());
        let mut lines = Vec::new();
        for second in 0..116 {
            let found = if second % 4 < 2 { vec![cut_off.clone()] } else { Vec::new() };
            lines.extend(known.review(found, &carriers, start + second * SECOND).0);
        }
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(
            lines[0].starts_with("for 2 s nothing came in: ") && lines[1].starts_with("15 times nothing"),
            "{lines:#?}"
        );
        let due = known.again().expect("the rest is to be told");
        let (rest, _) = known.review(Vec::new(), &carriers, due);
        assert!(rest.len() == 1 && rest[0].contains("times nothing came in, the last time for 2 s"), "{rest:#?}");
        assert_eq!((known.review(Vec::new(), &carriers, due + SHORT_EVERY).0, known.again()), (Vec::new(), None));
        assert!(known.short.is_empty());
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
        let short =
            "for 9 s nothing came in: veth-rb carries 192.0.2.1 and its bridge is down; veth-rb is reached again";
        assert_eq!(
            known.review(Vec::new(), &carriers, now + LASTS - SECOND),
            (vec![short.to_owned()], Vec::new()),
            "it did"
        );
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
