//! Who speaks ARP for our addresses beside the interfaces that carry them: guests come and bring bridges that do.

use super::Program;
use super::cut_off::ended_by;
use crate::attach::{self, Plan, Rival};
use crate::host::Links;
use std::time::{Duration, Instant};

/// Between two times that something is said of them: guests come and go as they like.
const PAUSE: Duration = Duration::from_secs(60);
/// Lines at one time, beside the one that counts the rest.
const LINES: usize = 3;

/// Those that are there, and of which nothing was said yet.
#[derive(Default)]
pub(super) struct Known {
    all: Vec<Rival>,
    unsaid: Vec<Rival>,
    said: Option<Instant>,
}

impl Known {
    /// Takes those of now; gives the lines that are due: of all that have come and are there still, the bridges of guests in one.
    fn review(&mut self, rivals: Vec<Rival>, now: Instant) -> Vec<String> {
        self.unsaid.retain(|rival| rivals.contains(rival));
        let news = rivals.iter().filter(|rival| !self.all.contains(rival)).cloned();
        self.unsaid.extend(news);
        self.all = rivals;
        if self.unsaid.is_empty() || self.again().is_some_and(|again| now < again) {
            return Vec::new();
        }
        self.said = Some(now);
        let grouped = attach::grouped_rivals(std::mem::take(&mut self.unsaid));
        let mut lines: Vec<String> = grouped.iter().take(LINES).map(line).collect();
        if let more @ 1.. = grouped.len().saturating_sub(LINES) {
            lines.push(format!(
                "{more} more interfaces speak ARP for addresses that others carry: `unbound-control status` names them (arp:)"
            ));
        }
        lines
    }

    /// When something is to be said that waits for it.
    fn again(&self) -> Option<Instant> {
        self.said.filter(|_| !self.unsaid.is_empty()).map(|said| said + PAUSE)
    }
}

impl Program {
    /// Says who has come, once in [`PAUSE`] at most. Gives when to look again for that.
    pub(super) fn review_rivals(&mut self, plan: &Plan, links: &Links) -> Option<Instant> {
        let lines = self.rivals.review(attach::rivals(plan, links), Instant::now());
        lines.iter().for_each(|line| log::warn!("{line}"));
        self.rivals.again()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::host::{Link, recorded};

    /// Those of the recorded host with a firewalled guest, whose bridge has each of these names in turn.
    fn rivals(bridges: &[&str]) -> Vec<Rival> {
        let of = |name: &&str| {
            let mut all: Vec<Link> = recorded::facts("firewall").links.iter().cloned().collect();
            all.iter_mut().filter(|link| link.name == "fwbr100i0").for_each(|link| link.name = (*name).to_owned());
            let (links, listen) = (Links::new(all), ["192.168.10.250:53".parse().expect("an address")]);
            let found = attach::rivals(&attach::plan(&Config::default(), &listen, &links), &links);
            found.into_iter().filter(|rival| rival.links == [(*name).to_owned()]).collect::<Vec<_>>()
        };
        bridges.iter().flat_map(of).collect()
    }

    #[test]
    fn a_guest_that_comes_and_goes_is_a_line_a_minute() {
        let (mut known, start) = (Known::default(), Instant::now());
        let second = |seconds: u64| start + Duration::from_secs(seconds);
        let there = rivals(&["fwbr100i0"]);
        assert_eq!(there.len(), 1);
        let mut said = 0;
        for flap in 0..30 {
            said += known.review(there.clone(), second(2 * flap)).len();
            known.review(Vec::new(), second(2 * flap + 1));
        }
        assert_eq!(said, 1);
        assert_eq!(known.again(), None, "it is gone");
        assert_eq!(known.review(there.clone(), second(61)).len(), 1, "again");
        assert_eq!(known.review(there, second(200)), Vec::<String>::new(), "said once");
    }

    #[test]
    fn those_that_come_meanwhile_share_a_line_when_it_is_time() {
        let (mut known, start) = (Known::default(), Instant::now());
        let names: Vec<String> = (100..140).map(|guest| format!("fwbr{guest}i0")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(known.review(rivals(&names[..1]), start).len(), 1, "the first at once");
        for count in 2..=names.len() {
            assert!(known.review(rivals(&names[..count]), start + Duration::from_secs(1)).is_empty());
        }
        assert_eq!(known.again(), Some(start + PAUSE));
        let lines = known.review(rivals(&names), start + PAUSE);
        assert!(lines.len() == 1 && lines[0].starts_with("fwbr101i0, fwbr102i0 and 37 more: each"), "{lines:?}");
        assert_eq!(known.again(), None);
    }

    #[test]
    fn many_of_different_kinds_are_counted() {
        let names = ["br1", "br2", "br3", "br4", "br5"];
        let lines = Known::default().review(rivals(&names), Instant::now());
        assert_eq!(lines.len(), LINES + 1, "{lines:?}");
        assert!(lines[LINES].starts_with("2 more interfaces speak ARP"), "{lines:?}");
    }
}
