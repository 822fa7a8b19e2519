//! What is to be said of the trust anchors once everything was read: those that do nothing, that are too old, that nothing fits.

use super::diagnostic::{Diagnostic, Location, Severity};
use super::model::Config;
use super::validation::{AnchorSource, Validation};
use crate::dns::class::IN;
use crate::dns::name_text;
use crate::dns::rtype::{DNSKEY, DS};
use crate::validate::Date;
use crate::validate::anchors::{AnchorRecord, ROOT_ANCHORS};
use crate::validate::autotrust::State;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::SystemTime;

/// Tags of the root's keys of 2010, 2017 and 2024.
const KEYS: [u16; 3] = [19036, 20326, 38696];
/// The key of 2024 signs since the 11th of October 2026.
const ROLL_OVER: u64 = 1_791_676_800;
/// No clock that is right stands before this program was written: the 1st of November 2026.
const WRITTEN: u64 = 1_793_491_200;

/// Seconds that a file may be ahead of the clock: as much as `val-sig-skew-min:` forgives signatures.
const AHEAD: u64 = 3600;
const DAY: u64 = 86_400;

/// All findings, by the system's clock.
pub(super) fn findings(config: &Config) -> Vec<Diagnostic> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
    let mut found = at(config, now);
    found.extend(newer_files(config, now));
    found
}

/// No clock that is right stands before a file of anchors was written.
fn newer_files(config: &Config, now: u64) -> Option<Diagnostic> {
    let validation = &config.validation;
    if now < WRITTEN || !validation.goes_by_clock() {
        return None;
    }
    let auto = validation.auto.iter().map(|auto| auto.file.clone());
    let given = validation.anchor_files.iter().chain(&validation.key_files).map(|source| source.text.clone().into());
    let written = |file: PathBuf| {
        let file = config.directory.join(file);
        let time = file.metadata().ok()?.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some((time.as_secs(), file))
    };
    let (time, file) = auto.chain(given).filter_map(written).max()?;
    (time > now + AHEAD).then(|| {
        let message = format!(
            "the system's clock stands {} hours before {} was written: what is signed since then is not valid yet by it, so that \
             signed names get SERVFAIL; set the clock (timedatectl, chrony)",
            (time - now) / 3600,
            file.display()
        );
        Diagnostic::whole(Severity::Warning, &config.files, message)
    })
}

fn at(config: &Config, now: u64) -> Vec<Diagnostic> {
    let mut found = Findings { config, found: Vec::new() };
    if config.validation.has_validator() {
        found.records();
        found.twice();
        found.root(now);
        found.no_queries_for_signatures();
        found.clock(now);
    } else {
        found.no_validator();
    }
    found.found
}

struct Findings<'a> {
    config: &'a Config,
    found: Vec<Diagnostic>,
}

/// The directives and what they name.
fn sources(validation: &Validation) -> impl Iterator<Item = (&'static str, &AnchorSource)> {
    let all = [
        ("trust-anchor-file", &validation.anchor_files),
        ("trusted-keys-file", &validation.key_files),
        ("trust-anchor", &validation.anchors),
    ];
    all.into_iter().flat_map(|(directive, sources)| sources.iter().map(move |source| (directive, source)))
}

impl Findings<'_> {
    fn say(&mut self, severity: Severity, at: Location, message: String) {
        self.found.push(Diagnostic::new(severity, &self.config.files, at, message));
    }

    fn no_queries_for_signatures(&mut self) {
        if self.config.validation.is_on() && self.config.transport.no_dnssec_ok {
            let message = "disable-edns-do: yes has nobody asked for signatures, so that with a trust anchor every name below it is \
                           bogus; remove that line, or the anchors, or write module-config: \"iterator\"";
            let found = Diagnostic::whole(Severity::Warning, &self.config.files, message.to_owned());
            self.found.push(found);
        }
    }

    fn no_validator(&mut self) {
        let validation = &self.config.validation;
        let auto = validation.auto.iter().map(|auto| ("auto-trust-anchor-file", auto.at));
        for (directive, at) in sources(validation).map(|(directive, source)| (directive, source.at)).chain(auto) {
            let message = format!(
                "{directive}: does nothing, for module-config has no validator; write module-config: \"validator iterator\", \
                 or remove this line"
            );
            self.say(Severity::Warning, at, message);
        }
    }

    fn records(&mut self) {
        for (directive, source) in sources(&self.config.validation) {
            for record in &source.records {
                if let Some(flaw) = flaw(record) {
                    let zone = name_text::to_text(&record.zone);
                    let message = format!("{directive}: the key {} of {zone} {flaw}", record.key_tag());
                    self.say(Severity::Warning, source.at, message);
                }
            }
        }
        for (auto, point) in self.config.validation.points() {
            let of =
                |data: Vec<u8>, rtype: u16| AnchorRecord { zone: point.zone.clone(), class: point.class, rtype, data };
            let anchor = point.anchor();
            let (ds, keys) =
                (anchor.ds.into_iter().map(|ds| of(ds, DS)), anchor.keys.into_iter().map(|key| of(key, DNSKEY)));
            if ds.chain(keys).all(|record| !record.is_known()) {
                let zone = name_text::to_text(&point.zone);
                let message = format!(
                    "auto-trust-anchor-file: no key of {zone} is of an algorithm that is known here: the zone counts as unsigned"
                );
                self.say(Severity::Warning, auto.at, message);
            }
        }
    }

    /// A zone is followed, or its keys are given: not both, and by one file alone, as in Unbound.
    fn twice(&mut self) {
        let validation = &self.config.validation;
        let place = |record: &AnchorRecord| (record.class, record.zone.clone());
        let mut seen: HashMap<(u16, Vec<u8>), Location> = sources(validation)
            .flat_map(|(_, source)| source.records.iter().map(move |record| (place(record), source.at)))
            .collect();
        for (auto, point) in validation.points().filter(|(auto, _)| !auto.stands_in) {
            if let Some(there) = seen.insert((point.class, point.zone.clone()), auto.at) {
                let (zone, there) = (name_text::to_text(&point.zone), self.config.files.describe(there));
                let message =
                    format!("auto-trust-anchor-file: {there} has an anchor of {zone} already; remove one of them");
                self.say(Severity::Error, auto.at, message);
            }
        }
    }

    /// The root's keys have been others before.
    fn root(&mut self, now: u64) {
        let validation = &self.config.validation;
        let is_root = |record: &&AnchorRecord| record.zone == [0] && record.class == 1;
        let given: Vec<_> = sources(validation)
            .flat_map(|(directive, source)| {
                source.records.iter().filter(is_root).map(move |one| (directive, source.at, one.key_tag()))
            })
            .collect();
        if let Some((directive, at, _)) = given.first() {
            let tags: Vec<u16> = given.iter().map(|(.., tag)| *tag).collect();
            self.old(directive, *at, &tags, &format!("add trust-anchor: \"{}\"", ROOT_ANCHORS[1]));
        }
        for (auto, point) in validation.points().filter(|(_, point)| point.zone == [0] && point.class == 1) {
            let pending = point.keys.iter().filter(|key| key.state == State::Pending).map(|key| AnchorRecord {
                zone: vec![0],
                class: 1,
                rtype: key.rtype,
                data: key.data.clone(),
            });
            let tags: Vec<u16> =
                point.anchor().key_tags().into_iter().chain(pending.map(|key| key.key_tag())).collect();
            // Before it, the file follows by itself.
            // What is trusted of it is told where the file is read.
            if tags.is_empty() {
                continue;
            }
            if now >= ROLL_OVER || tags == [KEYS[0]] {
                let fix = format!(
                    "put these lines into {} in place of what is in it: {}",
                    auto.file.display(),
                    ROOT_ANCHORS.join(" and ")
                );
                self.old("auto-trust-anchor-file", auto.at, &tags, &fix);
            }
        }
    }

    fn old(&mut self, directive: &str, at: Location, tags: &[u16], fix: &str) {
        if tags.iter().all(|tag| *tag == KEYS[0]) {
            let message = format!(
                "{directive}: the root's key of 2010 ({}) alone is trusted, which signs nothing since 2018: every name would be \
                 bogus; {fix}",
                KEYS[0]
            );
            self.say(Severity::Error, at, message);
        } else if tags.contains(&KEYS[1]) && tags.iter().all(|tag| KEYS[..2].contains(tag)) {
            let message = format!(
                "{directive}: of the root's keys the one of 2017 ({}) is trusted and the one of 2024 ({}) is not, which signs \
                 since 11 October 2026: without it every name is bogus; {fix}",
                KEYS[1], KEYS[2]
            );
            self.say(Severity::Warning, at, message);
        }
    }

    /// A machine without a clock of its own begins in 1970, and no signature is valid then.
    fn clock(&mut self, now: u64) {
        let validation = &self.config.validation;
        if now < WRITTEN && validation.goes_by_clock() {
            let message = format!(
                "the system's clock stands at {now} seconds since 1970, before this program was written: signatures are not valid \
                 yet by it, so that signed names get SERVFAIL; set the clock (timedatectl, chrony)"
            );
            self.found.push(Diagnostic::whole(Severity::Warning, &self.config.files, message));
        }
        let date = if validation.is_on() { validation.override_date() } else { Date::Wall };
        let harm = match date {
            Date::Fixed(date) if u64::from(date).abs_diff(now) > DAY => {
                format!(
                    "as of {date} seconds since 1970, whatever the clock says: what was signed since is bogus, or what has expired is secure"
                )
            }
            Date::Any => "whatever their dates: what has expired is secure, and so is a replay of it".to_owned(),
            _ => return,
        };
        let message = format!(
            "val-override-date: {} has signatures judged {harm}; it is for tests: remove the line",
            validation.date
        );
        self.found.push(Diagnostic::whole(Severity::Warning, &self.config.files, message));
    }
}

/// Why a record does not let anything be validated.
fn flaw(record: &AnchorRecord) -> Option<String> {
    if record.class != IN {
        return Some("is of another class than IN, in which nothing is validated: it does nothing".to_owned());
    }
    let octets = match record.data.get(3) {
        Some(1) => 20,
        Some(2) => 32,
        _ => 48,
    };
    if !record.is_known() {
        let digest =
            record.data.get(3).filter(|_| record.rtype == DS).map_or(String::new(), |d| format!(" or digest {d}"));
        let algorithm = record.algorithm().unwrap_or_default();
        return Some(format!(
            "is passed over: algorithm {algorithm}{digest} is not known here; where no other is left, the zone is as one without \
             an anchor"
        ));
    }
    (record.rtype == DS && record.data.len() != 4 + octets)
        .then(|| format!("has a digest of {} octets where {octets} are right: no key fits it", record.data.len() - 4))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "anchor_checks_tests.rs"]
mod tests;
