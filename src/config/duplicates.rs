//! Names, networks and values that stand twice: which line counts.

use super::diagnostic::{Diagnostic, Location, Severity};
use super::model::Config;
use super::options::{Clause, OptionSpec};
use crate::dns::name_text;
use std::collections::HashMap;
use std::hash::Hash;

/// Most duplicates of one kind worth telling one by one.
const MAX_TOLD: usize = 100;

/// Clauses and networks. The line that is named is the one before.
pub(super) fn of_clauses(config: &Config) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut tell = |severity: Severity, at: Location, message: String| {
        found.push(Diagnostic::new(severity, &config.files, at, message));
    };
    for (word, zones) in [("forward-zone", &config.forward_zones), ("stub-zone", &config.stub_zones)] {
        let named = zones.iter().filter(|zone| !zone.name.is_empty());
        for (first, zone) in pairs(named, |zone| &zone.name) {
            let (name, there) = (name_text::to_text(&zone.name), config.files.describe(first.at));
            let what = "its servers are added to those, and its options do not count";
            tell(Severity::Warning, zone.at, format!("{word}: {name} stands already in {there}; {what}"));
        }
    }
    // That of the root stands for its hints.
    for stub in config.stub_zones.iter().filter(|stub| !stub.name.is_empty() && stub.name != [0]) {
        if let Some(forward) = config.forward_zones.iter().find(|forward| forward.name == stub.name) {
            let (name, there) = (name_text::to_text(&stub.name), config.files.describe(forward.at));
            let message =
                format!("stub-zone: {name} is a forward-zone in {there}, whose servers are asked; remove one of them");
            tell(Severity::Warning, stub.at, message);
        }
    }
    for (first, rule) in pairs(config.access_control.iter(), |rule| rule.netblock) {
        let there = config.files.describe(first.at);
        let (severity, what) = if first.action == rule.action {
            (Severity::Info, "with the same action; one of the lines is enough")
        } else {
            (Severity::Warning, "with another action; the last line counts")
        };
        tell(severity, rule.at, format!("access-control: {} stands already in {there}, {what}", rule.netblock));
    }
    for (first, line) in pairs(config.interfaces.iter(), |line| (line.host.to_string(), line.port)) {
        let there = config.files.describe(first.at);
        tell(
            Severity::Info,
            line.at,
            format!("interface: {} stands already in {there}; one of the lines is enough", line.host),
        );
    }
    found
}

/// `local-zone:` lines. Block lists have a million of them, which is too much to look at in each start.
pub(super) fn local_zones(config: &Config) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let (mut left_out, mut last) = (0usize, Location::default());
    for (first, zone) in pairs(config.local_zones.iter(), |zone| zone.name) {
        if found.len() == MAX_TOLD {
            (left_out, last) = (left_out + 1, zone.at);
            continue;
        }
        let (name, there) = (name_text::to_text(zone.name), config.files.describe(first.at));
        let (severity, what) = if first.kind == zone.kind {
            (Severity::Info, "one of the lines is enough".to_owned())
        } else {
            (Severity::Warning, format!("as {}; the last line counts", first.kind.word()))
        };
        let message = format!("local-zone: {name} stands already in {there}, {what}");
        found.push(Diagnostic::new(severity, &config.files, zone.at, message));
    }
    if left_out > 0 {
        let message =
            format!("local-zone: {left_out} more names stand already in an earlier line; this is the last of them");
        found.push(Diagnostic::new(Severity::Info, &config.files, last, message));
    }
    found
}

/// The directives of one value that were read.
#[derive(Default)]
pub(super) struct Single(HashMap<Directive, (Location, Box<[u8]>)>);

/// The number of its clause, and its name.
type Directive = (usize, &'static str);

impl Single {
    /// Takes in a line. What is to be said of it when the same directive of the same clause stands in a line before, which then
    /// counts no more, as with Unbound.
    pub fn take(
        &mut self,
        config: &Config,
        spec: &'static OptionSpec,
        words: &[u8],
        at: Location,
    ) -> Option<(Severity, String)> {
        // Of all others there is one, whose lines may stand behind several of its headings.
        let clause = if spec.clause == Clause::ForwardZone { config.forward_zones.len() } else { 0 };
        let (there, before) = self.0.insert((clause, spec.name), (at, words.into()))?;
        let there = config.files.describe(there);
        let (severity, what) = if *before == *words {
            (Severity::Info, "with the same value; one of the lines is enough")
        } else {
            (Severity::Warning, "with another value; the last line counts")
        };
        Some((severity, format!("{}: stands already in {there}, {what}", spec.name)))
    }
}

/// Each item whose key an earlier one has, behind the latest of those.
fn pairs<T: Copy, K: Hash + Eq>(items: impl Iterator<Item = T>, key: impl Fn(T) -> K) -> Vec<(T, T)> {
    let mut seen = HashMap::new();
    items.filter_map(|item| seen.insert(key(item), item).map(|first| (first, item))).collect()
}
