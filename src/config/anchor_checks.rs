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
mod tests {
    use super::*;
    use crate::config::{AutoAnchor, parse_bytes};

    const DS_2010: &str = ". DS 19036 8 2 49AAC11D7B6F6446702E54A1607371607A1A41855200FD2CE1CDDE32F24E8FB5";

    fn told(lines: &str, now: u64) -> Vec<(Severity, String)> {
        let text = format!("server:\n{lines}\n");
        let mut parser = crate::config::parser::Parser::without_files();
        parser.read_bytes("a", text.as_bytes());
        assert!(parser.errors.is_empty(), "{:?}", parser.errors);
        at(&parser.config, now).into_iter().map(|finding| (finding.severity, finding.to_string())).collect()
    }

    fn one(lines: &str, now: u64) -> (Severity, String) {
        let [only] = &told(lines, now)[..] else { panic!("{lines}: {:?}", told(lines, now)) };
        only.clone()
    }

    fn anchor(text: &str) -> String {
        format!("trust-anchor: \"{text}\"\n")
    }

    #[test]
    fn what_makes_anchors_useless_is_told() {
        let trusted = format!("trust-anchor: \"{}\"", ROOT_ANCHORS[1]);
        let has = |lines: &str, text: &str| told(lines, ROLL_OVER).iter().any(|(_, message)| message.contains(text));
        assert!(has(
            &format!("{trusted}\ndisable-edns-do: yes"),
            "disable-edns-do: yes has nobody asked for signatures"
        ));
        assert!(!has("disable-edns-do: yes", "disable-edns-do: yes has nobody"));
        let chaos = trusted.replace(" IN DS", " CH DS");
        assert!(has(&chaos, "is of another class than IN"), "{:?}", told(&chaos, ROLL_OVER));
    }

    #[test]
    fn an_old_root_anchor_is_told_with_the_fix() {
        let both = anchor(ROOT_ANCHORS[0]) + &anchor(ROOT_ANCHORS[1]);
        assert_eq!((told(&both, WRITTEN), told(&anchor(ROOT_ANCHORS[1]), WRITTEN)), (vec![], vec![]));
        let (severity, text) = one(&anchor(ROOT_ANCHORS[0]), WRITTEN);
        assert!(severity == Severity::Warning && text.starts_with("a:2: trust-anchor: of the root's keys"), "{text}");
        assert!(text.ends_with(&format!("add trust-anchor: \"{}\"", ROOT_ANCHORS[1])), "{text}");
        assert_eq!(one(&anchor(DS_2010), WRITTEN).0, Severity::Error);
        assert!(parse_bytes("a", format!("server:\n{}", anchor(DS_2010)).as_bytes()).is_err());
        assert_eq!(told(&(anchor(DS_2010) + &both), WRITTEN), []);
    }

    #[test]
    fn an_anchor_without_the_validator_is_told() {
        let (severity, text) = one(&format!("{}module-config: iterator", anchor(ROOT_ANCHORS[1])), WRITTEN);
        assert!(severity == Severity::Warning && text.contains("trust-anchor: does nothing"), "{text}");
    }

    #[test]
    fn what_no_key_can_fit_is_told() {
        let (_, text) = one(&anchor("example. DS 1 3 2 00112233"), WRITTEN);
        assert!(text.contains("the key 1 of example. is passed over: algorithm 3 or digest 2"), "{text}");
        let (_, text) = one(&anchor("example. DS 1 8 2 00112233"), WRITTEN);
        assert!(text.contains("a digest of 4 octets where 32 are right"), "{text}");
    }

    #[test]
    fn a_file_that_did_not_follow_and_one_beside_a_line_are_told() {
        let parse = |text: &str| super::super::anchor_files::state(text.as_bytes()).found;
        let auto = |text: &str| AutoAnchor {
            file: "/k".into(),
            at: Location::default(),
            point: parse(text),
            stands_in: false,
        };
        let mut config = Config::default();
        config.validation.auto = vec![auto(ROOT_ANCHORS[0])];
        assert_eq!(
            at(&config, ROLL_OVER - 1).iter().filter(|one| one.message.contains("put these lines into /k")).count(),
            0
        );
        assert!(at(&config, WRITTEN)[0].message.contains("put these lines into /k in place of"));
        config.validation.auto = vec![auto(&ROOT_ANCHORS.join("\n"))];
        assert_eq!(at(&config, WRITTEN), []);
        config.validation.auto.push(auto(ROOT_ANCHORS[1]));
        let found = at(&config, WRITTEN);
        assert!(
            found.iter().any(|one| one.severity == Severity::Error && one.message.contains("already")),
            "{found:?}"
        );
    }

    #[test]
    fn the_default_configurations_trust_the_root() {
        let appliance = include_str!("../../appliance/pid1/src/configuration/unbound.conf");
        assert!(ROOT_ANCHORS.iter().all(|anchor| appliance.contains(&format!("trust-anchor: \"{anchor}\""))));
        let installed = super::super::anchor_files::records(include_bytes!("../setup/root.key"));
        assert_eq!((installed.passed_over.len(), installed.found.len()), (0, ROOT_ANCHORS.len()));
        assert!(ROOT_ANCHORS.iter().all(|anchor| include_str!("../setup/root.key").contains(anchor)));
    }

    #[test]
    fn a_clock_before_a_file_of_anchors_is_told() {
        let file = std::env::temp_dir().join(format!("runbound-newer-anchor-{}", std::process::id()));
        std::fs::write(&file, ROOT_ANCHORS.join("\n")).unwrap();
        let written = file.metadata().unwrap().modified().unwrap();
        let written = written.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut parser = crate::config::parser::Parser::without_files();
        parser.read_bytes("a", format!("server:\n{}", anchor(ROOT_ANCHORS[1])).as_bytes());
        let mut config = parser.config;
        let source = config.validation.anchors[0].clone();
        config.validation.anchor_files = vec![AnchorSource { text: file.display().to_string(), ..source }];
        // The machine that tests may have no clock: then the finding is the other one.
        if written > WRITTEN + 10 * AHEAD {
            let told = newer_files(&config, written - 5 * AHEAD).unwrap().to_string();
            assert!(told.contains("the system's clock stands 5 hours before /"), "{told}");
            assert_eq!(newer_files(&config, written - 60), None);
            config.validation.date = "-1".into();
            assert_eq!(newer_files(&config, written - 5 * AHEAD), None);
        }
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_date_that_stands_in_for_the_clock_is_told() {
        let dated = |date: &str| told(&format!("{}val-override-date: {date}", anchor(ROOT_ANCHORS[1])), WRITTEN);
        let [(Severity::Warning, fixed)] = &dated("20200101000000")[..] else {
            panic!("{:?}", dated("20200101000000"))
        };
        assert!(
            fixed.contains("val-override-date: 20200101000000 has signatures judged as of 1577836800 seconds"),
            "{fixed}"
        );
        assert!(dated("-1")[0].1.contains("what has expired is secure"), "{:?}", dated("-1"));
        assert_eq!((dated("0"), dated("20261101120000")), (vec![], vec![]));
        assert_eq!(told("val-override-date: -1", WRITTEN), [], "nothing is validated");
    }

    #[test]
    fn a_clock_before_the_program_is_told_where_it_matters() {
        let lines = anchor(ROOT_ANCHORS[1]);
        assert!(one(&lines, 1000).1.contains("the system's clock stands at 1000 seconds"));
        assert!(!one(&format!("{lines}val-override-date: -1"), 1000).1.contains("the system's clock"));
        assert_eq!(told("port: 53", 1000), []);
    }
}
