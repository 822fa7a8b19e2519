//! `trust-anchor-file:` (DS and DNSKEY records in master-file format) and `auto-trust-anchor-file:` (the same, with what RFC
//! 5011 wants to be known of each key, in Unbound's format).

use super::master::{Entries, Entry, Flaw, Reader};
use super::record::Record;
use crate::dns::name_text::{self, NameBuf};
use crate::dns::rtype::{DNSKEY, DS};
use crate::number;
use crate::validate::anchors::AnchorRecord;
use crate::validate::autotrust::{Key, Point, State};
use crate::whole_file;
use std::path::Path;

/// Most octets of a file: that of the root has 1,500.
const MOST_OCTETS: u64 = 1 << 20;
/// What was passed over is told of so many places.
const MOST_TOLD: usize = 3;

/// What a file holds, and what of it is passed over.
#[derive(Debug, Default)]
pub(super) struct Found<T> {
    pub found: T,
    pub passed_over: Vec<Flaw>,
}

impl<T> Found<T> {
    /// What was passed over, in one text; `None` when that is nothing.
    pub fn told(&self, path: &Path) -> Option<String> {
        let place = |(line, cause): &Flaw| format!("{}:{line}: {cause}", path.display());
        let told: Vec<String> = self.passed_over.iter().take(MOST_TOLD).map(place).collect();
        let rest = match self.passed_over.len().saturating_sub(MOST_TOLD) {
            0 => String::new(),
            rest => format!("; and {rest} more"),
        };
        (!told.is_empty()).then(|| format!("{}{rest}; what is wrong there is passed over", told.join("; ")))
    }
}

/// The octets of a file of anchors.
///
/// # Errors
/// Why it cannot be read, with its path.
pub(super) fn octets(path: &Path) -> Result<Vec<u8>, String> {
    whole_file::read(path, MOST_OCTETS).map_err(|cause| format!("{}: {cause}", path.display()))
}

/// The anchors of a file in master-file format. Records of other types do not count, as in Unbound.
pub(super) fn records(text: &[u8]) -> Found<Vec<AnchorRecord>> {
    let mut found: Found<Vec<AnchorRecord>> = Found::default();
    let mut reader = Reader::default();
    let mut record = Record::default();
    for entry in Entries::new(text) {
        let read = |entry: Entry| {
            let is_anchor = read_entry(&mut reader, &entry, &mut record).map_err(|cause| (entry.line, cause))?;
            is_anchor.then(|| of_record(&record).map_err(|cause| (entry.line, cause))).transpose()
        };
        match entry.and_then(read) {
            Ok(anchor) => found.found.extend(anchor),
            Err(flaw) => found.passed_over.push(flaw),
        }
    }
    found
}

/// The anchor that a record is.
///
/// # Errors
/// It is none.
pub(super) fn of_record(record: &Record) -> Result<AnchorRecord, String> {
    let (rtype, data) = (record.rtype, record.rdata.clone());
    match rtype {
        // Flags, protocol and algorithm; or tag, algorithm and digest.
        DS | DNSKEY if data.len() > 4 => {
            Ok(AnchorRecord { zone: record.owner.to_ascii_lowercase(), class: record.class, rtype, data })
        }
        DS | DNSKEY => Err("the record ends before its key or digest".into()),
        _ => Err("a trust anchor is a DS or a DNSKEY record".into()),
    }
}

/// Whether an entry is a DS or DNSKEY record, which is in `record` then.
fn read_entry(reader: &mut Reader, entry: &Entry, record: &mut Record) -> Result<bool, String> {
    // A zone may hold records of types that cannot be read here.
    let is_type =
        |word: &[u8]| [&b"DS"[..], b"DNSKEY", b"TYPE43", b"TYPE48"].iter().any(|t| word.eq_ignore_ascii_case(t));
    let may_be = entry.text.split(|byte| byte.is_ascii_whitespace()).any(is_type);
    match reader.read(&entry.text, record) {
        Ok(is_record) => Ok(is_record && matches!(record.rtype, DS | DNSKEY)),
        Err(_) if !may_be && !entry.text.starts_with(b"$") => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// What a state file says; `None` for one that names no zone.
pub(super) fn state(text: &[u8]) -> Found<Option<Point>> {
    let mut file = StateFile::default();
    for entry in Entries::new(text) {
        if let Err(flaw) = entry.and_then(|entry| file.entry(&entry).map_err(|cause| (entry.line, cause))) {
            file.passed_over.push(flaw);
        }
    }
    if let Some(point) = &mut file.point {
        point.revoked = file.revoked;
    }
    Found { found: file.point, passed_over: file.passed_over }
}

/// A state file that is being read.
#[derive(Default)]
struct StateFile {
    reader: Reader,
    record: Record,
    point: Option<Point>,
    /// `;;id:` was there: who has written it writes the state of each key.
    has_header: bool,
    revoked: bool,
    passed_over: Vec<Flaw>,
}

impl StateFile {
    fn entry(&mut self, entry: &Entry) -> Result<(), String> {
        let comment = String::from_utf8_lossy(&entry.comment);
        if entry.text.is_empty()
            && let Some(variable) = comment.strip_prefix(';')
        {
            return self.variable(variable);
        }
        if !read_entry(&mut self.reader, entry, &mut self.record)? {
            return Ok(());
        }
        let (zone, class) = (self.record.owner.to_ascii_lowercase(), self.record.class);
        of_record(&self.record)?;
        let may_be_cut = self.has_header && !entry.is_whole;
        let key = key(&self.record, &comment, may_be_cut)?;
        let point = self.point.get_or_insert_with(|| Point { zone: zone.clone(), class, ..Point::default() });
        if (&point.zone, point.class) != (&zone, class) {
            let (other, own) = (name_text::to_text(&zone), name_text::to_text(&point.zone));
            return Err(format!("a key of {other} in a file of {own}: a file has keys of one zone"));
        }
        if !point.keys.iter().any(|known| (known.rtype, &known.data) == (key.rtype, &key.data)) {
            // Unbound's order: it writes first what it read last.
            point.keys.insert(0, key);
        }
        Ok(())
    }

    /// A line of the header: `id: . 1`, `last_queried: 1251100000 ;;Mon Aug 24 07:46:40 2009`.
    fn variable(&mut self, text: &str) -> Result<(), String> {
        if text.trim_end() == "REVOKED" {
            self.revoked = true;
            return Ok(());
        }
        let Some((name, value)) = text.split_once(": ") else { return Ok(()) };
        let mut words = value.split_ascii_whitespace();
        let first = words.next().ok_or_else(|| format!("{name} has no value"))?;
        if name == "id" {
            return self.id(first, words.next().unwrap_or("1"));
        }
        let Some(point) = self.point.as_mut().filter(|_| self.has_header) else {
            return Err(format!("{name} stands before the zone, which ;;id: names"));
        };
        let seconds = |most: u64| number::read(first, 0..=most).map_err(|error| format!("{name}: {error}"));
        match name {
            "last_queried" => point.queried = seconds(u64::from(u32::MAX))?,
            "last_success" => point.succeeded = seconds(u64::from(u32::MAX))?,
            "next_probe_time" => point.next_probe = seconds(u64::from(u32::MAX))?,
            "query_failed" => point.failed = seconds(i32::MAX as u64)?.min(255) as u8,
            "query_interval" => point.interval = seconds(i32::MAX as u64)? as u32,
            "retry_time" => point.retry = seconds(i32::MAX as u64)? as u32,
            _ => (),
        }
        Ok(())
    }

    fn id(&mut self, zone: &str, class: &str) -> Result<(), String> {
        let mut name = NameBuf::new();
        name_text::parse_lower(zone.as_bytes(), &mut name).map_err(|error| format!("id: {error}"))?;
        let class = number::read(class, 1..=u16::MAX).map_err(|error| format!("id: class: {error}"))?;
        if self.point.is_some() {
            return Err("a second zone: a file has keys of one zone".into());
        }
        self.has_header = true;
        self.point = Some(Point { zone: name.to_vec(), class, ..Point::default() });
        Ok(())
    }
}

/// A key with what its comment says: `;;state=2 [  VALID  ] ;;count=0 ;;lastchange=1251100000 ;;Mon Aug 24 07:46:40 2009`.
///
/// One without a state was put there by somebody who trusts it, as Unbound has it, unless its line may be cut off.
fn key(record: &Record, comment: &str, may_be_cut: bool) -> Result<Key, String> {
    let value = |name: &str| {
        let (_, rest) = comment.split_once(name)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()
    };
    let state = match value("state=") {
        Some(number) => {
            let number = number::read(number, 0..=u8::MAX).map_err(|error| format!("state: {error}"))?;
            State::from_number(number).unwrap_or_default()
        }
        None if may_be_cut => return Err("the last line has neither ;;state= nor an end: it was cut off".into()),
        None => State::Valid,
    };
    let number = |name: &str| {
        let read = |text: &str| number::read(text, 0..=u64::from(u32::MAX)).map_err(|error| format!("{name} {error}"));
        value(name).map_or(Ok(0), read)
    };
    Ok(Key {
        rtype: record.rtype,
        ttl: record.ttl,
        data: record.rdata.clone(),
        state,
        count: number("count=")?.min(255) as u8,
        changed: number("lastchange=")?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "anchor_files_tests.rs"]
mod tests;
