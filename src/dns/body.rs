//! The records of an answer as they stand behind a question.
//!
//! A body is written for a message whose question starts at octet 12: compression pointers in it count from there, so
//! it may be copied behind any question with the same name (in any letter case) and is complete at once. Two more rules
//! let a reader age TTLs, rotate the records of an RRset and cut at RRset borders without writing anything anew:
//! records of one RRset stand together and write their owner in the same octets, and no pointer leads into a record
//! of an RRset that has more than one.

use super::name::{Name, suffixes};
use super::record::{FIXED, Record, expand_rdata, layout, read_name};
use super::{header, put_u16, put_u32};
use arrayvec::ArrayVec;

/// Section counts of a body: answer, authority, additional (without OPT).
pub type Counts = [u16; 3];

/// Records of all sections together.
#[inline]
pub fn records(counts: Counts) -> u32 {
    counts.into_iter().map(u32::from).sum()
}

/// Octets a question takes behind the header besides its name: type and class.
pub const QUESTION_FIXED: usize = 4;

/// Writes a body. The buffer stands for the whole message, header and question first.
pub struct BodyWriter<'a> {
    message: &'a mut [u8],
    len: usize,
    start: usize,
    counts: Counts,
    /// Places of names that later names may point to.
    targets: ArrayVec<u16, 48>,
    /// The record written last.
    last: Option<Last>,
}

/// A record that was written, as far as the next one must know it.
#[derive(Clone, Copy)]
struct Last {
    section: usize,
    /// Where its owner stands.
    owner: usize,
    fixed: Fixed,
    /// Number of targets before its RRset.
    targets: usize,
}

impl Last {
    fn same_set(&self, other: Fixed) -> bool {
        (self.fixed.rtype, self.fixed.class) == (other.rtype, other.class)
    }
}

impl<'a> BodyWriter<'a> {
    /// Starts a body behind a question for `qname` (wire form, at most 255 octets), which is written to `message` so
    /// that pointers have something to point to; type and class are left to the caller. `None` when it does not fit.
    pub fn new(message: &'a mut [u8], qname: &[u8]) -> Option<BodyWriter<'a>> {
        let start = header::LEN + qname.len() + QUESTION_FIXED;
        if start > message.len() {
            return None;
        }
        message[header::LEN..header::LEN + qname.len()].copy_from_slice(qname);
        let mut writer =
            BodyWriter { message, len: start, start, counts: [0; 3], targets: ArrayVec::new(), last: None };
        writer.offer_target(header::LEN, qname);
        Some(writer)
    }

    /// Lets later names point to `name`, which stands at `place` (and to its parents).
    fn offer_target(&mut self, place: usize, name: &[u8]) {
        for suffix in suffixes(name) {
            let at = place + name.len() - suffix.len();
            if suffix.len() > 1 && at < 0x4000 && self.targets.try_push(at as u16).is_err() {
                return;
            }
        }
    }

    /// Writes one record into section `section` (0 answer, 1 authority, 2 additional; sections in order), its data
    /// given with names in full. `single`: the only record of its RRset, so that later names may point into it; a record
    /// that follows one of the same owner, type and class shows that neither is. `None`, and nothing written, when it
    /// does not fit.
    pub fn push(&mut self, section: usize, owner: &[u8], fixed: Fixed, rdata: &[u8], single: bool) -> Option<()> {
        let before = (self.len, self.targets.len());
        let joins = self.last.filter(|last| last.section == section && last.same_set(fixed));
        let joins = joins.filter(|last| self.stands_at(last.owner, owner));
        if let Some(last) = joins {
            // Nobody points there yet: only this record could have.
            self.targets.truncate(last.targets);
        }
        let targets = joins.map_or(before.1, |last| last.targets);
        if self.write(owner, fixed, rdata, single && joins.is_none()).is_none() {
            self.len = before.0;
            self.targets.truncate(before.1);
            return None;
        }
        self.last = Some(Last { section, owner: before.0, fixed, targets });
        self.counts[section] += 1;
        Some(())
    }

    fn write(&mut self, owner: &[u8], fixed: Fixed, rdata: &[u8], single: bool) -> Option<()> {
        self.put_name(owner, true, single)?;
        let at = self.len;
        if at + FIXED > self.message.len() {
            return None;
        }
        put_u16(self.message, at, fixed.rtype);
        put_u16(self.message, at + 2, fixed.class);
        put_u32(self.message, at + 4, fixed.ttl);
        self.len = at + FIXED;
        match layout(fixed.rtype) {
            Some(layout) if layout.compress => {
                self.put(rdata.get(..layout.before)?)?;
                let mut rest = rdata.get(layout.before..)?;
                for _ in 0..layout.names {
                    let name_len = super::name::uncompressed_len(rest, 0)?;
                    let (name, tail) = rest.split_at(name_len);
                    self.put_name(name, true, single)?;
                    rest = tail;
                }
                self.put(rest)?;
            }
            _ => self.put(rdata)?,
        }
        let data_len = u16::try_from(self.len - at - FIXED).ok()?;
        put_u16(self.message, at + 8, data_len);
        Some(())
    }

    fn put(&mut self, octets: &[u8]) -> Option<()> {
        self.message.get_mut(self.len..self.len + octets.len())?.copy_from_slice(octets);
        self.len += octets.len();
        Some(())
    }

    fn put_name(&mut self, name: &[u8], compress: bool, offer: bool) -> Option<()> {
        let at = self.len;
        for suffix in suffixes(name) {
            let literal = name.len() - suffix.len();
            if suffix.len() == 1 || !compress {
                break;
            }
            if let Some(target) = self.find_target(suffix) {
                self.put(&name[..literal])?;
                self.put(&(0xc000 | target).to_be_bytes())?;
                if offer && literal > 0 {
                    self.offer_literal(at, &name[..literal]);
                }
                return Some(());
            }
        }
        self.put(name)?;
        if offer {
            self.offer_target(at, name);
        }
        Some(())
    }

    /// Offers the labels in front of a pointer: names that end in it.
    fn offer_literal(&mut self, place: usize, labels: &[u8]) {
        let mut at = 0;
        while let Some(&len) = labels.get(at) {
            if place + at >= 0x4000 || self.targets.try_push((place + at) as u16).is_err() {
                return;
            }
            at += usize::from(len) + 1;
        }
    }

    fn find_target(&self, name: &[u8]) -> Option<u16> {
        self.targets.iter().copied().find(|&target| self.stands_at(usize::from(target), name))
    }

    /// True when the name at `place` equals `name`. Letter case counts: RFC 1034 section 3.1 wants it kept, and the
    /// question's own name is the one exception, since a client's case is what it gets back.
    fn stands_at(&self, mut place: usize, name: &[u8]) -> bool {
        let mut rest = name;
        loop {
            let Some(&len) = self.message.get(place) else { return false };
            if len >= 0xc0 {
                let Some(&low) = self.message.get(place + 1) else { return false };
                place = usize::from(len & 0x3f) << 8 | usize::from(low);
                continue;
            }
            let end = usize::from(len) + 1;
            let (Some(here), Some(wanted)) = (self.message.get(place..place + end), rest.get(..end)) else {
                return false;
            };
            let in_question = place < self.start;
            if !(here == wanted || in_question && here.eq_ignore_ascii_case(wanted)) {
                return false;
            }
            if len == 0 {
                return true;
            }
            place += end;
            rest = &rest[end..];
        }
    }

    /// Ends the body: its counts and its place in the message.
    pub fn finish(self) -> (Counts, std::ops::Range<usize>) {
        (self.counts, self.start..self.len)
    }
}

/// Type, class and TTL of a record to write.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    /// Type.
    pub rtype: u16,
    /// Class.
    pub class: u16,
    /// Time to live in seconds.
    pub ttl: u32,
}

/// One RRset of a body: its records' place, their number, and where each starts can be walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RrsetSpan {
    /// Octets within the body.
    pub octets: std::ops::Range<usize>,
    /// Number of records.
    pub records: u16,
    /// 0 answer, 1 authority, 2 additional.
    pub section: usize,
    /// Type.
    pub rtype: u16,
}

/// Walks the RRsets of a body in order. Ends early on malformed octets.
pub fn rrsets(body: &[u8], counts: Counts) -> impl Iterator<Item = RrsetSpan> + '_ {
    let mut at = 0;
    let mut section = 0;
    let mut left = counts;
    std::iter::from_fn(move || {
        while section < 3 && left[section] == 0 {
            section += 1;
        }
        if section == 3 {
            return None;
        }
        let first = Record::at(body, at)?;
        let owner = body.get(first.owner..first.fixed)?;
        let mut span = RrsetSpan { octets: at..first.end(), records: 1, section, rtype: first.rtype };
        left[section] -= 1;
        while left[section] > 0 {
            let next = Record::at(body, span.octets.end)?;
            if (next.rtype, next.class) != (first.rtype, first.class) || body.get(next.owner..next.fixed)? != owner {
                break;
            }
            span.octets.end = next.end();
            span.records += 1;
            left[section] -= 1;
        }
        at = span.octets.end;
        Some(span)
    })
}

/// Ages every TTL of a body by `age` seconds, not below zero. OPT is never part of a body.
#[inline]
pub fn age(body: &mut [u8], records: u32, age: u32) {
    let mut at = 0;
    for _ in 0..records {
        let Some(record) = Record::at(body, at) else { return };
        put_u32(body, record.fixed + 4, record.ttl.saturating_sub(age));
        at = record.end();
    }
}

/// Calls `each` with section, owner, type and so on, and full data of every record behind the question in `message`
/// (which holds header, question and body). `None` when a record is malformed.
pub fn for_each_record(
    message: &[u8],
    start: usize,
    counts: Counts,
    mut each: impl FnMut(usize, &Name, Fixed, &[u8]) -> Option<()>,
) -> Option<()> {
    let mut at = start;
    let mut data = [0u8; 65535];
    for (section, &count) in counts.iter().enumerate() {
        for _ in 0..count {
            let record = Record::at(message, at)?;
            let (owner, _) = read_name(message, at)?;
            let len = expand_rdata(message, &record, &mut data)?;
            let fixed = Fixed { rtype: record.rtype, class: record.class, ttl: record.ttl };
            each(section, &owner, fixed, data.get(..len)?)?;
            at = record.end();
        }
    }
    Some(())
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
