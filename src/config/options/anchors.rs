//! Fields of the directives that name what is trusted, and of those about validation that are more than one value.

use super::*;
use crate::config::anchor_files::{self, Found};
use crate::config::include;
use crate::config::record::Record;
use crate::config::validation::{AnchorSource, AutoAnchor};
use crate::config::{bind_keys, lists};
use crate::dns::name_text;
use crate::validate::anchors::{AnchorRecord, ROOT_ANCHORS};
use crate::validate::autotrust::{Key, Point, State};
use std::path::Path;

pub(super) const ANCHOR: Field = list(add_anchor, |config, emit| show(&config.validation.anchors, emit));
pub(super) const ANCHOR_FILE: Field = list(add_file, |config, emit| show(&config.validation.anchor_files, emit));
pub(super) const KEY_FILE: Field = list(add_key_files, |config, emit| show(&config.validation.key_files, emit));
pub(super) const AUTO_FILE: Field = list(add_auto, |config, emit| {
    config.validation.auto.iter().for_each(|auto| emit(&auto.file.to_string_lossy()));
});
pub(super) const INSECURE: Field = list(
    |config, args| {
        config.validation.insecure.push(args.name.to_vec());
        Ok(())
    },
    |config, emit| {
        for name in &config.validation.insecure {
            let text = name_text::to_text(name);
            emit(text.strip_suffix('.').filter(|text| !text.is_empty()).unwrap_or(&text));
        }
    },
);
pub(super) const ITERATIONS: Field = field(
    |config, args| {
        config.validation.nsec3_iterations = lists::pairs(args.text(0));
        Ok(())
    },
    |config, emit| {
        let pairs = config.validation.nsec3_iterations.iter().map(|(size, most)| format!("{size} {most}"));
        emit(&pairs.collect::<Vec<_>>().join(" "));
    },
);
/// `module-config:`, of which a warning names the modules that do nothing here.
pub(super) const MODULES: Field = field(
    |config, args| {
        const KNOWN: [&str; 3] = ["iterator", "validator", "subnetcache"];
        let text = args.text(0);
        config.validation.modules = text.to_owned();
        let wanting: Vec<&str> = text.split_whitespace().filter(|word| !KNOWN.contains(word)).collect();
        if !wanting.is_empty() {
            args.warning = Some(format!(
                "module-config: {} is not supported yet; validator and iterator alone make the answers",
                wanting.join(", ")
            ));
        }
        Ok(())
    },
    |config, emit| emit(&config.validation.modules),
);

fn show(sources: &[AnchorSource], emit: &mut dyn FnMut(&str)) {
    sources.iter().for_each(|source| emit(&source.text));
}

/// A DS or DNSKEY record, or nothing.
fn add_anchor(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    if args.bytes(0).is_empty() {
        return Ok(());
    }
    let wrong = |cause| format!("{cause}; an anchor is a DS or DNSKEY record with all its fields: {}", ROOT_ANCHORS[1]);
    args.record.read_anchor(args.bytes(0)).map_err(wrong)?;
    let text = String::from_utf8_lossy(args.bytes(0)).into_owned();
    let records = vec![anchor_files::of_record(args.record)?];
    config.validation.anchors.push(AnchorSource { text, at: args.at, records });
    Ok(())
}

fn add_file(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let mut records = Vec::new();
    let text = args.text(0);
    if let Some(place) = args.place.filter(|_| !text.is_empty()) {
        records = take(&place.resolve(text), anchor_files::records, args)?;
    }
    let source = AnchorSource { text: text.to_owned(), at: args.at, records };
    config.validation.anchor_files.extend((!text.is_empty()).then_some(source));
    Ok(())
}

fn add_key_files(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let mut records = Vec::new();
    let text = args.text(0);
    if let Some(place) = args.place.filter(|_| !text.is_empty()) {
        let files = include::expand(text, place)?;
        if files.is_empty() {
            args.warning = Some(format!("trusted-keys-file: no file fits {text:?}; nothing is trusted by this line"));
        }
        for file in files {
            records.extend(take(&file, bind_keys::read, args)?);
        }
    }
    let source = AnchorSource { text: text.to_owned(), at: args.at, records };
    config.validation.key_files.extend((!text.is_empty()).then_some(source));
    Ok(())
}

/// The anchors of a file; a warning tells what of it is passed over.
///
/// # Errors
/// It cannot be read, or nothing in it can.
fn take(
    path: &Path,
    read: fn(&[u8]) -> Found<Vec<AnchorRecord>>,
    args: &mut Args<'_>,
) -> Result<Vec<AnchorRecord>, String> {
    let found = read(&anchor_files::octets(path)?);
    match found.told(path) {
        Some(told) if found.found.is_empty() => return Err(format!("{told}, and nothing is left to trust")),
        Some(told) => args.warning = Some(told),
        None if found.found.is_empty() => {
            args.warning = Some(format!("{} has no DS or DNSKEY record: nothing is trusted by it", path.display()));
        }
        None => (),
    }
    Ok(found.found)
}

fn add_auto(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let text = args.text(0);
    if text.is_empty() {
        return Ok(());
    }
    let mut auto = AutoAnchor { file: text.into(), at: args.at, point: None, stands_in: false };
    if let Some(place) = args.place {
        let path = place.resolve(text);
        match read_state(&path, args)? {
            Ok(point) => {
                let is_same = |other: &&AutoAnchor| {
                    other.point.as_ref().is_some_and(|other| (&other.zone, other.class) == (&point.zone, point.class))
                };
                match config.validation.auto.iter().find(is_same) {
                    // As Unbound, which follows a zone once.
                    Some(other) => {
                        args.warning = Some(format!(
                            "auto-trust-anchor-file: {} is followed by {} already; this line does nothing: remove one of them",
                            name_text::to_text(&point.zone),
                            other.file.display()
                        ));
                    }
                    None => auto.point = Some(point),
                }
            }
            Err(cause) => {
                args.warning = Some(format!(
                    "auto-trust-anchor-file: {cause}; the keys of the root that are built in stand in for it, and it is written \
                     anew when they have been seen"
                ));
                (auto.point, auto.stands_in) = (Some(built_in()), true);
            }
        }
    }
    config.validation.auto.push(auto);
    Ok(())
}

/// What a state file says, or why it says nothing though it may be one of the root.
///
/// # Errors
/// It is of another zone, or of another kind: nothing can stand in for it.
fn read_state(path: &Path, args: &mut Args<'_>) -> Result<Result<Point, String>, String> {
    let text = match anchor_files::octets(path) {
        Err(cause) if cause.contains("Permission denied") => return Ok(Err(cause)),
        text => text?,
    };
    let found = anchor_files::state(&text);
    let told = found.told(path);
    let shown = path.display();
    match found.found {
        Some(point) if point.revoked => {
            let zone = name_text::to_text(&point.zone);
            args.warning = Some(format!(
                "auto-trust-anchor-file: {shown}: all keys of {zone} were revoked, so it is no anchor any more; put its \
                 new keys into the file"
            ));
            Ok(Ok(point))
        }
        Some(point) if !point.anchor().is_empty() => {
            args.warning = told;
            Ok(Ok(point))
        }
        Some(point) if point.zone != [0] => {
            let zone = name_text::to_text(&point.zone);
            let why = told.unwrap_or_else(|| format!("{shown}: none of its keys is valid"));
            Err(format!("{why}; nothing is left to trust {zone} by: put a DS or DNSKEY record of it into the file"))
        }
        Some(_) => Ok(Err(told.unwrap_or_else(|| format!("{shown}: none of its keys is valid")))),
        None if text.iter().all(u8::is_ascii_whitespace) => Ok(Err(format!("{shown}: the file is empty"))),
        None if text.starts_with(b"; autotrust") || told.is_some() => {
            Ok(Err(told.unwrap_or_else(|| format!("{shown}: the file ends before its first key"))))
        }
        None => Err(format!("{shown}: there is no DS or DNSKEY record in it; put one there")),
    }
}

/// The root's keys as they are built in, for a file that is yet to be written.
fn built_in() -> Point {
    let mut record = Record::default();
    let mut point = Point { zone: vec![0], class: 1, ..Point::default() };
    for text in ROOT_ANCHORS {
        // The texts are this program's own, and a test reads them.
        if record.read(text.as_bytes()).is_ok() {
            let (rtype, ttl, data) = (record.rtype, record.ttl, record.rdata.clone());
            point.keys.push(Key { rtype, ttl, data, state: State::Valid, count: 0, changed: 0 });
        }
    }
    point
}
