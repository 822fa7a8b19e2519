//! What an `auto-trust-anchor-file:` is worth: the state that it says, or what stands in for it.

use super::anchor_files;
use super::model::Config;
use super::record::Record;
use crate::dns::class::IN;
use crate::dns::name_text;
use crate::validate::anchors::ROOT_ANCHORS;
use crate::validate::autotrust::{Key, Point, State};
use crate::validate::chain::Ds;
use crate::validate::dnskey::{Dnskey, REVOKE};
use std::path::Path;

/// What a file comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// What is known of the zone's keys.
    pub point: Point,
    /// The file could not be used: the keys of the root that are built in stand in for it.
    pub stands_in: bool,
    /// What the operator is to know.
    pub warning: Option<String>,
}

/// Reads a file.
///
/// # Errors
/// It is not there, or is of another zone than the root or of another kind: nothing can stand in for it.
pub(super) fn read(path: &Path) -> Result<Found, String> {
    match anchor_files::octets(path) {
        Err(cause) if cause.contains("Permission denied") => Ok(built_in(&cause, &[])),
        text => judge(path, &text?),
    }
}

fn judge(path: &Path, text: &[u8]) -> Result<Found, String> {
    let (found, shown) = (anchor_files::state(text), path.display());
    let told = found.told(path);
    let Some(point) = found.found else {
        return match told {
            Some(told) => Ok(built_in(&told, &[])),
            None if text.iter().all(u8::is_ascii_whitespace) => {
                Ok(built_in(&format!("{shown}: the file is empty"), &[]))
            }
            None if text.starts_with(b"; autotrust") => Ok(built_in(&ends_early(path), &[])),
            None => Err(format!("{shown}: there is no DS or DNSKEY record in it; put one there")),
        };
    };
    let (zone, is_valid) = (name_text::to_text(&point.zone), !point.anchor().is_empty());
    let warning = match (point.class, point.revoked) {
        (IN, false) if is_valid => told,
        (IN, false) if told.is_some() || point.keys.is_empty() => {
            let why = told.unwrap_or_else(|| ends_early(path));
            return match point.zone[..] {
                [0] => Ok(built_in(&why, &point.keys)),
                _ => Err(format!(
                    "{why}; nothing is left to trust {zone} by: put a DS or DNSKEY record of it into the file"
                )),
            };
        }
        (IN, true) => Some(format!(
            "{shown}: all keys of {zone} were revoked, so it is no anchor any more; put its new keys into the file"
        )),
        (IN, false) => Some(format!(
            "{shown}: none of the keys of {zone} in it is valid, so it is no anchor; put its keys of today into the file"
        )),
        (class, _) => {
            Some(format!("{shown}: the keys are of class {class}, in which nobody is asked, so it does nothing"))
        }
    };
    Ok(Found { point, stands_in: false, warning })
}

impl Config {
    /// Takes note of what the keys of an anchor have become: the text that is written to a file.
    pub fn note_anchor(&mut self, file: &Path, text: &str) {
        let directory = &self.directory;
        let auto =
            self.validation.auto.iter_mut().find(|auto| auto.point.is_some() && directory.join(&auto.file) == file);
        if let (Some(auto), Some(point)) = (auto, anchor_files::state(text.as_bytes()).found) {
            (auto.point, auto.stands_in) = (Some(point), false);
        }
    }
}

fn ends_early(path: &Path) -> String {
    format!("{}: the file ends before its first key", path.display())
}

/// The root's keys as they are built in, for a file that is yet to be written; without those that it says were revoked, of which
/// `known` is what is left in it.
fn built_in(why: &str, known: &[Key]) -> Found {
    let mut record = Record::default();
    let revoked: Vec<&Key> = known.iter().filter(|key| key.state == State::Revoked).collect();
    let mut keys: Vec<Key> = Vec::new();
    for text in ROOT_ANCHORS {
        // The texts are this program's own, and a test reads them.
        if record.read(text.as_bytes()).is_ok() && !revoked.iter().any(|key| is_of(&record.rdata, key)) {
            let (rtype, ttl, data) = (record.rtype, record.ttl, record.rdata.clone());
            keys.push(Key { rtype, ttl, data, state: State::Valid, count: 0, changed: 0 });
        }
    }
    keys.extend(revoked.into_iter().cloned());
    let point = Point { zone: vec![0], class: IN, keys, ..Point::default() };
    let warning = match point.anchor().is_empty() {
        false => format!(
            "{why}; the keys of the root that are built in stand in for it, and it is written anew when they have been seen"
        ),
        true => format!(
            "{why}; it says of all keys of the root that are built in that they were revoked: put its new keys into it"
        ),
    };
    Found { point, stands_in: true, warning: Some(warning) }
}

/// Whether a DS record of the root is of a key, as that was before it was revoked.
fn is_of(ds: &[u8], key: &Key) -> bool {
    let mut data = key.data.clone();
    if let Some(low) = data.get_mut(1) {
        *low &= !(REVOKE as u8);
    }
    Ds::parse(ds).zip(Dnskey::parse(&data)).is_some_and(|(ds, key)| ds.is_of(&[0], &key))
}

#[cfg(test)]
#[path = "anchor_state_tests.rs"]
mod tests;
