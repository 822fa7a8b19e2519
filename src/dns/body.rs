//! The records of an answer as they stand behind a question.
//!
//! A body is written for a message whose question starts at octet 12: compression pointers in it count from there, so
//! it may be copied behind any question with the same name (in any letter case) and is complete at once. Two more rules
//! let a reader age TTLs, rotate the records of an RRset and cut at RRset borders without writing anything anew:
//! records of one RRset stand together and write their owner in the same octets, and no pointer leads into a record
//! of an RRset that has more than one.

use super::name::{Name, suffixes};
use super::record::{FIXED, Record, expand_rdata, layout, read_name};
use super::{get_u32, header, put_u16, put_u32};
use arrayvec::ArrayVec;

/// Section counts of a body: answer, authority, additional (without OPT).
pub type Counts = [u16; 3];

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

    /// Records so far, per section.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Ends the body: its counts and its place in the message.
    pub fn finish(self) -> (Counts, std::ops::Range<usize>) {
        (self.counts, self.start..self.len)
    }

    /// Takes records of the section that was written last back, to a state asked before with [`Self::mark`].
    pub fn rewind(&mut self, mark: Mark) {
        self.len = mark.len;
        self.counts = mark.counts;
        self.targets.truncate(mark.targets);
        self.last = mark.last;
    }

    /// The present state, for [`Self::rewind`].
    pub fn mark(&self) -> Mark {
        Mark { len: self.len, counts: self.counts, targets: self.targets.len(), last: self.last }
    }
}

/// A state of a [`BodyWriter`].
#[derive(Clone, Copy)]
pub struct Mark {
    len: usize,
    counts: Counts,
    targets: usize,
    last: Option<Last>,
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
    /// Every record takes the same number of octets.
    pub even: bool,
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
        let size = first.end() - at;
        let mut span = RrsetSpan { octets: at..first.end(), records: 1, section, rtype: first.rtype, even: true };
        left[section] -= 1;
        while left[section] > 0 {
            let next = Record::at(body, span.octets.end)?;
            if (next.rtype, next.class) != (first.rtype, first.class) || body.get(next.owner..next.fixed)? != owner {
                break;
            }
            span.even &= next.end() - next.owner == size;
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

/// Smallest TTL of a body in seconds; `u32::MAX` when it has no record.
pub fn min_ttl(body: &[u8], counts: Counts) -> u32 {
    let mut at = 0;
    let mut least = u32::MAX;
    for _ in 0..counts.iter().map(|&count| u32::from(count)).sum() {
        let Some(record) = Record::at(body, at) else { break };
        least = least.min(get_u32(body, record.fixed + 4).unwrap_or(0));
        at = record.end();
    }
    least
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
mod tests {
    use super::*;
    use crate::dns::{class, rtype};

    fn fixed(rtype: u16) -> Fixed {
        Fixed { rtype, class: class::IN, ttl: 300 }
    }

    fn wire(text: &str) -> Vec<u8> {
        Name::from_text(text).unwrap().as_wire().to_vec()
    }

    #[test]
    fn names_point_to_question_and_chain() {
        let mut message = [0u8; 512];
        let mut writer = BodyWriter::new(&mut message, &wire("www.example.com")).unwrap();
        let target = wire("web.example.com");
        writer.push(0, &wire("WWW.example.com"), fixed(rtype::CNAME), &target, true).unwrap();
        writer.push(0, &target, fixed(rtype::A), &[1, 2, 3, 4], false).unwrap();
        writer.push(0, &target, fixed(rtype::A), &[1, 2, 3, 5], false).unwrap();
        let (counts, place) = writer.finish();
        assert_eq!(counts, [3, 0, 0]);
        let body = &message[place.clone()];
        assert_eq!(&body[..2], b"\xc0\x0c");
        assert_eq!(&body[12..18], b"\x03web\xc0\x10");
        assert_eq!(body.len(), 18 + 16 + 16);
        let spans: Vec<_> = rrsets(body, counts).collect();
        assert_eq!(spans.len(), 2);
        assert_eq!((spans[1].records, spans[1].even, spans[1].octets.clone()), (2, true, 18..50));
        let mut seen = Vec::new();
        for_each_record(&message, place.start, counts, |_, owner, _, data| {
            seen.push((owner.to_string(), data.to_vec()));
            Some(())
        })
        .unwrap();
        assert_eq!(seen[0], ("www.example.com.".into(), target));
        assert_eq!(seen[2], ("web.example.com.".into(), vec![1, 2, 3, 5]));
    }

    #[test]
    fn records_of_two_classes_are_two_rrsets() {
        let mut message = [0u8; 512];
        let mut writer = BodyWriter::new(&mut message, &wire("example.com")).unwrap();
        for class in [class::IN, class::CH] {
            let fixed = Fixed { class, ..fixed(rtype::A) };
            writer.push(0, &wire("example.com"), fixed, &[1, 2, 3, 4], true).unwrap();
        }
        let (counts, place) = writer.finish();
        assert_eq!(rrsets(&message[place], counts).count(), 2, "so that none of them rotates");
    }

    #[test]
    fn nothing_points_into_an_rrset_of_several() {
        let mut message = [0u8; 512];
        let mut writer = BodyWriter::new(&mut message, &wire("example.com")).unwrap();
        for host in ["a.other.net", "b.other.net"] {
            let mut data = vec![0, 10];
            data.extend(wire(host));
            writer.push(0, &wire("example.com"), fixed(rtype::MX), &data, false).unwrap();
        }
        let (_, place) = writer.finish();
        let second = Record::at(&message, place.start + 12 + 2 + 13).unwrap();
        assert_eq!(second.rdata.len(), 2 + 13, "written in full, not pointing at the first");
    }

    #[test]
    fn two_said_to_be_single_are_still_one_rrset() {
        let mut message = [0u8; 512];
        let mut writer = BodyWriter::new(&mut message, &wire("example.com")).unwrap();
        for (preference, host) in [(10, "a.other.net"), (20, "b.other.net"), (30, "c.other.net")] {
            let mut data = vec![0, preference];
            data.extend(wire(host));
            writer.push(0, &wire("elsewhere.org"), fixed(rtype::MX), &data, true).unwrap();
        }
        let (counts, place) = writer.finish();
        let span = rrsets(&message[place.clone()], counts).next().unwrap();
        assert_eq!((span.records, span.even), (3, true), "one set, all owners and names in full");
        assert_eq!(span.octets.len(), 3 * (15 + FIXED + 2 + 13));
    }

    #[test]
    fn what_does_not_fit_leaves_no_trace() {
        let mut message = [0u8; 12 + 13 + 4 + 16];
        let mut writer = BodyWriter::new(&mut message, &wire("example.com")).unwrap();
        writer.push(0, &wire("example.com"), fixed(rtype::A), &[1, 2, 3, 4], false).unwrap();
        assert!(writer.push(0, &wire("example.com"), fixed(rtype::A), &[1, 2, 3, 5], false).is_none());
        let (counts, place) = writer.finish();
        assert_eq!((counts, place.len()), ([1, 0, 0], 16));
    }

    #[test]
    fn ttls_age_and_do_not_wrap() {
        let mut message = [0u8; 128];
        let mut writer = BodyWriter::new(&mut message, &wire("a")).unwrap();
        writer.push(0, &wire("a"), fixed(rtype::A), &[1, 2, 3, 4], true).unwrap();
        let (counts, place) = writer.finish();
        let body = &mut message[place];
        age(body, 1, 100);
        assert_eq!(min_ttl(body, counts), 200);
        age(body, 1, 1000);
        assert_eq!(min_ttl(body, counts), 0);
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_safe(mut octets: Vec<u8>, an in 0u16..4, ns in 0u16..4) {
            let counts = [an, ns, 1];
            let _ = rrsets(&octets, counts).count();
            let _ = min_ttl(&octets, counts);
            let _ = for_each_record(&octets, 0, counts, |_, _, _, _| Some(()));
            age(&mut octets, 9, 5);
        }
    }
}
