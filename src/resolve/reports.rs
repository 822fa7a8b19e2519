//! What an error is reported as, to whom, and how often (RFC 9567); `report` sends it.

use crate::dns::Name;
use crate::dns::edns;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The label at both ends of what went wrong (RFC 9567 section 6.1.1).
pub(super) const MARK: &[u8] = b"\x03_er";
/// How long the same is not reported again; an answer may be cached for longer.
const MEMORY: Duration = Duration::from_secs(60);
/// Reports that are remembered, and so sent in [`MEMORY`]: whoever asks for many names that fail must not have an agent flooded.
const MOST: usize = 256;

/// What was reported of late.
#[derive(Default)]
pub(super) struct Reports {
    /// Hashes of names, the oldest first.
    recent: VecDeque<(Duration, u64)>,
    key: RandomState,
}

impl Reports {
    /// Takes note of a report, unless it was made a short while ago or too many were.
    pub(super) fn may_send(&mut self, name: &Name, now: Duration) -> bool {
        while self.recent.front().is_some_and(|(at, _)| now >= *at + MEMORY) {
            self.recent.pop_front();
        }
        let hash = self.key.hash_one(name.as_wire());
        let is_new = self.recent.len() < MOST && self.recent.iter().all(|(_, other)| *other != hash);
        if is_new {
            self.recent.push_back((now, hash));
        }
        is_new
    }
}

/// The agent in the options of an OPT record: a whole name that is not the root's.
pub(super) fn agent(options: &[u8]) -> Option<Name> {
    let name = edns::find_option(options, edns::REPORT_CHANNEL)?;
    Name::from_wire(name).filter(|name| name.as_wire().len() > 1).map(|name| name.to_lower())
}

/// The name of a report; `None` when it gets too long.
pub(super) fn report(name: &Name, qtype: u16, code: u16, agent: &Name) -> Option<Name> {
    let number = |number: u16| {
        let digits = number.to_string();
        [&[digits.len() as u8], digits.as_bytes()].concat()
    };
    let labels = name.as_wire().strip_suffix(&[0])?;
    Name::from_wire(&[MARK, &number(qtype), labels, &number(code), MARK, agent.as_wire()].concat())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_type_name_and_error() {
        let name = |text: &str| Name::from_text(text).unwrap();
        let made = report(&name("Broken.test"), 1, 22, &name("a01.agent-domain.example")).unwrap();
        assert_eq!(made, name("_er.1.Broken.test.22._er.a01.agent-domain.example"));
        let long = "a".repeat(60);
        let long = format!("{long}.{long}.{long}.example");
        assert!(report(&name(&long), 1, 22, &name("a.b")).is_some());
        assert_eq!(report(&name(&long), 1, 22, &name(&format!("{}.b", "a".repeat(50)))), None);
        assert_eq!(report(&Name::ROOT, 48, 9, &name("a.b")).unwrap(), name("_er.48.9._er.a.b"));
    }

    #[test]
    fn an_agent_is_a_whole_name_and_not_the_root() {
        let option = |data: &[u8]| [&[0, 10, 0, 0, 0, 18, 0, data.len() as u8], data].concat();
        assert_eq!(agent(&option(b"\x01A\x01b\x00")), Name::from_text("a.b"));
        for bad in [&b"\x00"[..], b"", b"\x01a", b"\x01a\x00\x00", b"\xc0\x0c", b"\x05a\x00"] {
            assert_eq!(agent(&option(bad)), None, "{bad:?}");
        }
    }

    #[test]
    fn the_same_is_reported_once_in_a_while_and_not_too_much() {
        let name = |number: usize| Name::from_text(&format!("{number}.example")).unwrap();
        let mut reports = Reports::default();
        assert!(reports.may_send(&name(0), Duration::ZERO) && !reports.may_send(&name(0), MEMORY / 2));
        assert!(reports.may_send(&name(0), MEMORY));
        assert_eq!((1..2000).filter(|&number| reports.may_send(&name(number), MEMORY)).count(), MOST - 1);
        assert!(reports.may_send(&name(2000), MEMORY * 2), "room again");
    }
}
