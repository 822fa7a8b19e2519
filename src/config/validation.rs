//! Directives about DNSSEC validation.

use super::diagnostic::Location;
use super::lan_zones;
use crate::dns::name_text::{self, NameBuf};
use crate::number;
use crate::validate::Date;
use crate::validate::anchors::{AnchorRecord, Anchors};
use crate::validate::autotrust::Point;
use crate::validate::canonical::compare;
use std::path::PathBuf;

/// What `module-config:` is unless a file says otherwise.
const MODULES: &str = "validator iterator";

/// A `trust-anchor:` line, or a file of anchors that do not change by themselves, with what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorSource {
    /// The value of the directive.
    pub text: String,
    /// Its line.
    pub at: Location,
    /// The records, each with file and line where these are not the directive's.
    pub records: Vec<AnchorRecord>,
}

/// An `auto-trust-anchor-file:` line and what its file held when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoAnchor {
    /// The file, as the line has it.
    pub file: PathBuf,
    /// Its line.
    pub at: Location,
    /// The state of the file; `None` where no file is looked at.
    pub point: Option<Point>,
    /// The file could not be used: the keys of the root that are built in stand in for it.
    pub stands_in: bool,
}

/// Directives about what is trusted and how it is validated. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validation {
    /// `module-config:`
    pub modules: String,
    /// `trust-anchor:` lines.
    pub anchors: Vec<AnchorSource>,
    /// `trust-anchor-file:` lines.
    pub anchor_files: Vec<AnchorSource>,
    /// `trusted-keys-file:` lines.
    pub key_files: Vec<AnchorSource>,
    /// `auto-trust-anchor-file:` lines.
    pub auto: Vec<AutoAnchor>,
    /// `domain-insecure:` names, lower case wire form.
    pub insecure: Vec<Vec<u8>>,
    /// `insecure-lan-zones:`, nothing is validated below the reverse zones of private addresses.
    pub insecure_lan: bool,

    /// `val-override-date:` as the file has it: see [`Validation::override_date`].
    pub date: String,
    /// `val-sig-skew-min:`
    pub skew_min: u32,
    /// `val-sig-skew-max:`
    pub skew_max: u32,
    /// `val-bogus-ttl:`
    pub bogus_ttl: u32,
    /// `val-max-restart:`, how often other servers are asked for what is bogus.
    pub max_restart: u32,
    /// `val-clean-additional:`, bogus RRsets beside an answer are left out.
    pub clean_additional: bool,
    /// `val-permissive-mode:`, what is bogus is told all the same, without AD.
    pub permissive: bool,
    /// `val-log-level:`
    pub log_level: u32,
    /// `val-nsec3-keysize-iterations:`, sizes of keys in bits going up, and most iterations.
    pub nsec3_iterations: Vec<(u32, u32)>,
    /// `ignore-cd-flag:`
    pub ignore_cd: bool,
    /// `disable-dnssec-lame-check:`
    pub no_lame_check: bool,
    /// `harden-dnssec-stripped:`, a zone of an anchor must be signed.
    pub harden_stripped: bool,
    /// `harden-algo-downgrade:`, every algorithm that is told of must have signed.
    pub harden_downgrade: bool,
    /// `harden-below-nxdomain:`, a secure NXDOMAIN holds below its name.
    pub harden_below_nxdomain: bool,
    /// `add-holddown:`, for how long a new key is seen before it is trusted.
    pub add_holddown: u32,
    /// `del-holddown:`, for how long one that was revoked is remembered.
    pub del_holddown: u32,
    /// `keep-missing:`, for how long one that is not seen any more is trusted; 0 for ever.
    pub keep_missing: u32,
    /// `permit-small-holddown:`, keys may be asked for more than once in an hour.
    pub small_holddown: bool,
    /// `aggressive-nsec:`
    pub aggressive: bool,
    /// `neg-cache-size:` in bytes.
    pub negative_cache: u64,
    /// `root-key-sentinel:`
    pub sentinel: bool,
    /// `trust-anchor-signaling:`
    pub signals: bool,
    /// `prefetch-key:`
    pub prefetches_keys: bool,
    /// `key-cache-size:` in bytes.
    pub key_cache: u64,
}

impl Default for Validation {
    fn default() -> Self {
        Validation {
            modules: MODULES.to_owned(),
            anchors: Vec::new(),
            anchor_files: Vec::new(),
            key_files: Vec::new(),
            auto: Vec::new(),
            insecure: Vec::new(),
            insecure_lan: false,
            date: String::new(),
            skew_min: 3600,
            skew_max: 86_400,
            bogus_ttl: 60,
            max_restart: 5,
            clean_additional: true,
            permissive: false,
            log_level: 0,
            nsec3_iterations: vec![(1024, 150), (2048, 150), (4096, 150)],
            ignore_cd: false,
            no_lame_check: false,
            harden_stripped: true,
            harden_downgrade: false,
            harden_below_nxdomain: true,
            add_holddown: 30 * 86_400,
            del_holddown: 30 * 86_400,
            keep_missing: 366 * 86_400,
            small_holddown: false,
            aggressive: true,
            negative_cache: 1 << 20,
            sentinel: true,
            signals: true,
            prefetches_keys: false,
            key_cache: 4 << 20,
        }
    }
}

impl Validation {
    /// Whether `module-config:` has the validator.
    pub fn has_validator(&self) -> bool {
        self.modules.split_ascii_whitespace().any(|module| module == "validator")
    }

    /// Whether answers are validated: there is the validator, and something is trusted.
    pub fn is_on(&self) -> bool {
        self.has_validator() && (self.records().next().is_some() || self.points().next().is_some())
    }

    /// All records that are trusted and do not change by themselves.
    pub fn records(&self) -> impl Iterator<Item = &AnchorRecord> {
        let all = [&self.anchor_files, &self.key_files, &self.anchors];
        all.into_iter().flatten().flat_map(|source| &source.records)
    }

    /// The zones whose anchors follow their keys, with their files.
    pub fn points(&self) -> impl Iterator<Item = (&AutoAnchor, &Point)> {
        self.auto.iter().filter_map(|auto| Some((auto, auto.point.as_ref()?))).filter(|(_, point)| !point.revoked)
    }

    /// The anchors and insecure points of all directives, and the zones of whose anchors `is_known` takes none: they are no
    /// anchors then.
    pub fn anchors(&self, is_known: impl Fn(&AnchorRecord) -> bool) -> (Anchors, Vec<Vec<u8>>) {
        let lan: Vec<Vec<u8>> = lan_zones::names().filter(|_| self.insecure_lan).map(|name| wire(&name)).collect();
        let insecure = self.insecure.iter().chain(&lan).map(|name| &name[..]);
        let (mut anchors, ignored) = Anchors::new(self.records(), insecure, is_known);
        for (_, point) in self.followed() {
            anchors.replace(&point.zone, point.class, point.anchor());
        }
        (anchors, ignored)
    }

    /// The zones that are trusted by keys of their own, wire form, in canonical order of class and name; and the tags of these keys,
    /// going up.
    pub fn key_tags(&self) -> Vec<(Vec<u8>, Vec<u16>)> {
        if !self.has_validator() {
            return Vec::new();
        }
        let (anchors, _) = self.anchors(AnchorRecord::is_known);
        let mut tags: Vec<_> =
            anchors.iter().map(|(zone, class, anchor)| (class, zone.to_vec(), anchor.key_tags())).collect();
        tags.sort_by(|(class, zone, _), (other_class, other, _)| class.cmp(other_class).then(compare(zone, other)));
        tags.into_iter().map(|(_, zone, tags)| (zone, tags)).collect()
    }

    /// Those of [`Self::points`] that count: what is built in stands in for a file where nothing else is trusted of its zone.
    pub fn followed(&self) -> impl Iterator<Item = (&AutoAnchor, &Point)> {
        let is_given =
            |point: &Point| self.records().any(|record| (record.class, &record.zone) == (point.class, &point.zone));
        self.points().filter(move |(auto, point)| !auto.stands_in || !is_given(point))
    }

    /// Has nothing be validated at and below a name (wire form, lower case), or takes that back.
    pub fn set_insecure(&mut self, name: &[u8], insecure: bool) {
        let is_lan =
            |validation: &Validation| validation.insecure_lan && lan_zones::names().any(|lan| wire(&lan) == name);
        if !insecure && is_lan(self) {
            // All the others stay.
            self.insecure.extend(lan_zones::names().map(|lan| wire(&lan)));
            self.insecure_lan = false;
        }
        self.insecure.retain(|one| one != name);
        if insecure {
            self.insecure.push(name.to_vec());
        }
    }

    /// The names at and below which nothing is validated, wire form, lower case.
    pub fn insecure_points(&self) -> Vec<Vec<u8>> {
        let (anchors, _) = self.anchors(AnchorRecord::is_known);
        anchors.insecure().map(<[u8]>::to_vec).collect()
    }

    /// Whether signatures are judged by the host's clock.
    pub fn goes_by_clock(&self) -> bool {
        self.is_on() && self.override_date() == Date::Wall
    }

    /// What `val-override-date:` says.
    pub fn override_date(&self) -> Date {
        match (self.date.as_str(), number::read(&self.date, i64::MIN..=i64::MAX)) {
            ("" | "0", _) | (_, Err(_)) => Date::Wall,
            (_, Ok(-1)) => Date::Any,
            (text, Ok(date)) if text.len() == 14 => Date::Fixed(seconds_of(date) as u32),
            (_, Ok(seconds)) => Date::Fixed(seconds as u32),
        }
    }
}

/// Seconds since 1970 of YYYYMMDDHHMMSS, UTC.
fn seconds_of(date: i64) -> i64 {
    let part = |place: u32, count: u32| date / 10i64.pow(place) % 10i64.pow(count);
    let (year, month, day) = (part(10, 4), part(8, 2), part(6, 2));
    // Years that begin in March, so that the day of a leap year comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = 365 * year + leaps + (153 * month + 2) / 5 + day - 1 - 719_468;
    days * 86_400 + part(4, 2) * 3600 + part(2, 2) * 60 + part(0, 2)
}

fn wire(text: &str) -> Vec<u8> {
    let mut name = NameBuf::new();
    // All of the list's names are good.
    let _ = name_text::parse_lower(text.as_bytes(), &mut name);
    name.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(date: &str) -> Date {
        Validation { date: date.into(), ..Validation::default() }.override_date()
    }

    #[test]
    fn a_name_that_is_taken_out_of_the_insecure_ones_leaves_the_others() {
        let mut validation = Validation { insecure_lan: true, ..Validation::default() };
        let lan = validation.insecure_points().len();
        validation.set_insecure(&wire("example.com"), true);
        validation.set_insecure(&wire("example.com"), true);
        assert_eq!(validation.insecure_points().len(), lan + 1);
        validation.set_insecure(&wire("10.in-addr.arpa"), false);
        let points = validation.insecure_points();
        assert_eq!(points.len(), lan);
        assert!(!points.contains(&wire("10.in-addr.arpa")) && points.contains(&wire("d.f.ip6.arpa")));
        validation.set_insecure(&wire("example.com"), false);
        assert_eq!(validation.insecure_points().len(), lan - 1);
    }

    #[test]
    fn dates_are_seconds_digits_or_none() {
        for (text, seconds) in [
            ("20090824074640", 1_251_100_000),
            ("19700101000000", 0),
            ("20000229235959", 951_868_799),
            ("20000301000000", 951_868_800),
            ("1251100000", 1_251_100_000),
        ] {
            assert_eq!(dated(text), Date::Fixed(seconds), "{text}");
        }
        assert_eq!((dated(""), dated("0"), dated("-1")), (Date::Wall, Date::Wall, Date::Any));
    }
}
