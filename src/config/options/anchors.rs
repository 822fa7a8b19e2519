//! Fields of the directives that name what is trusted, and of those about validation that are more than one value.

use super::*;
use crate::config::anchor_files::{self, Found as Records};
use crate::config::anchor_state::{self, Found};
use crate::config::include;
use crate::config::validation::{AnchorSource, AutoAnchor};
use crate::config::{bind_keys, lists};
use crate::dns::name_text;
use crate::validate::Date;
use crate::validate::anchors::{AnchorRecord, ROOT_ANCHORS};
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
/// Shown in seconds, 0 without one, as Unbound keeps it.
pub(super) const DATE: Field = field(
    |config, args| {
        config.validation.date = args.text(0).to_owned();
        Ok(())
    },
    |config, emit| {
        let seconds = match config.validation.override_date() {
            Date::Wall => 0,
            Date::Fixed(seconds) => seconds,
            Date::Any => u32::MAX,
        };
        emit(&seconds.to_string());
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
    read: fn(&[u8]) -> Records<Vec<AnchorRecord>>,
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
        let Found { point, stands_in, warning } = anchor_state::read(&place.resolve(text))?;
        args.warning = warning.map(|warning| format!("auto-trust-anchor-file: {warning}"));
        let is_same = |other: &&AutoAnchor| {
            other.point.as_ref().is_some_and(|other| (&other.zone, other.class) == (&point.zone, point.class))
        };
        match config.validation.auto.iter().find(is_same).filter(|_| !stands_in) {
            // As Unbound, which follows a zone once.
            Some(other) => {
                args.warning = Some(format!(
                    "auto-trust-anchor-file: {} is followed by {} already; this line does nothing: remove one of them",
                    name_text::to_text(&point.zone),
                    other.file.display()
                ));
            }
            None => (auto.point, auto.stands_in) = (Some(point), stands_in),
        }
    }
    config.validation.auto.push(auto);
    Ok(())
}
