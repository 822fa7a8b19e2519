//! A reply taken apart: its records gathered into RRsets, nothing copied.

use crate::dns::name::{MAX_LEN, is_same, uncompressed_len};
use crate::dns::record::Record;
use crate::dns::{get_u16, header, question::Question, rtype};
use std::ops::Range;

/// More RRsets than this make a reply malformed. What is asked for comes in a handful.
const MOST_SETS: usize = 1024;
/// No record, no set.
pub const NONE: u32 = u32::MAX;

/// One record: where its data lies and what follows in its RRset.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The record, by places within the message.
    pub record: Record,
    /// Next record of the set.
    pub next: u32,
}

/// One RRset of one section. The RRSIGs over each type are a set of their own.
#[derive(Clone, Debug)]
pub struct Set {
    /// 0 answer, 1 authority, 2 additional.
    pub section: usize,
    /// Type.
    pub rtype: u16,
    /// Class.
    pub class: u16,
    /// Type covered, of RRSIGs; 0 otherwise.
    pub covered: u16,
    /// Where the first owner name stands.
    pub owner: usize,
    /// Of the owner's name.
    pub hash: u32,
    /// First record.
    pub first: u32,
    last: u32,
    /// Number of records, of those that are of use.
    pub count: u32,
    /// Smallest TTL of its records in seconds, as received; afterwards what is told on.
    pub ttl: u32,
    /// The RRSIGs over this set.
    pub signatures: u32,
    /// RRSIGs whose set is there: they go where it goes.
    pub attached: bool,
    /// To be told on.
    pub kept: bool,
}

/// Buffers for one reply at a time, kept from one to the next.
pub struct Reply {
    /// All records but OPT.
    pub entries: Vec<Entry>,
    /// All RRsets, in the order of their first records.
    pub sets: Vec<Set>,
    /// The reply has an OPT record.
    pub has_edns: bool,
    /// Where the options of its OPT record stand.
    pub opt: Option<Range<usize>>,
    /// Records of addresses that have another length than addresses were left out.
    pub lacks_addresses: bool,
    /// RCODE with EDNS's upper bits.
    pub rcode: u16,
    /// Signatures over one RRset that are told on (`iter-scrub-rrsig:`).
    most_signatures: u32,
}

impl Reply {
    /// Room for usual replies, of which so many signatures over an RRset are taken.
    pub fn new(most_signatures: u32) -> Reply {
        let (entries, sets) = (Vec::with_capacity(512), Vec::with_capacity(128));
        Reply { entries, sets, has_edns: false, opt: None, lacks_addresses: false, rcode: 0, most_signatures }
    }

    /// Of further replies, so many signatures over an RRset are taken.
    pub fn set_limit(&mut self, most_signatures: u32) {
        self.most_signatures = most_signatures;
    }

    /// Takes `message` apart. `None` when it is malformed (RFC 1035 section 4.1); octets behind it are passed over.
    pub fn parse(&mut self, message: &[u8]) -> Option<()> {
        self.entries.clear();
        self.sets.clear();
        (self.has_edns, self.opt, self.lacks_addresses) = (false, None, false);
        self.rcode = header::flags(message) & 0xf;
        if message.len() < header::LEN {
            return None;
        }
        let [questions, sections @ ..] = header::counts(message);
        let mut at = match questions {
            0 => header::LEN,
            1 => Question::parse(message)?.end(),
            _ => return None,
        };
        for (section, count) in sections.into_iter().enumerate() {
            for _ in 0..count {
                let record = Record::at(message, at)?;
                at = record.end();
                if record.rtype == rtype::OPT {
                    if section != 2 || std::mem::replace(&mut self.has_edns, true) {
                        return None;
                    }
                    self.rcode |= (record.ttl >> 24 << 4) as u16;
                    self.opt = Some(record.rdata.clone());
                } else {
                    self.add(message, section, record)?;
                }
            }
        }
        self.attach(message);
        Some(())
    }

    fn add(&mut self, message: &[u8], section: usize, record: Record) -> Option<()> {
        match (record.rtype, record.rdata.len()) {
            // Addresses of another length are no addresses; the rest of the reply stands.
            (rtype::A, len) if len != 4 => {
                self.lacks_addresses = true;
                return Some(());
            }
            (rtype::AAAA, len) if len != 16 => {
                self.lacks_addresses = true;
                return Some(());
            }
            _ => {}
        }
        let covered = match record.rtype {
            rtype::RRSIG => get_u16(&message[record.rdata.clone()], 0)?,
            _ => 0,
        };
        let hash = name_hash(message, record.owner)?;
        let ttl = ttl_of(&record);
        let (class, owner) = (record.class, record.owner);
        let section = match record.rtype {
            rtype::RRSIG => self.section_of_signature(message, &record, (section, covered, hash)),
            _ => section,
        };
        let entry = self.entries.len() as u32;
        let same = self.sets.iter().rposition(|set| {
            (set.section, set.rtype, set.covered, set.class, set.hash) == (section, record.rtype, covered, class, hash)
                && same_name(message, set.owner, message, owner)
        });
        match same {
            Some(place) => {
                let set = &mut self.sets[place];
                self.entries[set.last as usize].next = entry;
                set.last = entry;
                set.count += 1;
                set.ttl = set.ttl.min(ttl);
            }
            None if self.sets.len() == MOST_SETS => return None,
            None => self.sets.push(Set {
                section,
                rtype: record.rtype,
                class,
                covered,
                owner,
                hash,
                first: entry,
                last: entry,
                count: 1,
                ttl,
                signatures: NONE,
                attached: false,
                kept: false,
            }),
        }
        self.entries.push(Entry { record, next: NONE });
        Some(())
    }

    /// Joins RRSIGs with the sets they cover.
    /// The section that a signature belongs to, which may have come in another: that of what it covers, else that of others
    /// over the same (Unbound's msgparse.c).
    fn section_of_signature(
        &self,
        message: &[u8],
        record: &Record,
        (section, covered, hash): (usize, u16, u32),
    ) -> usize {
        let is_of = |set: &&Set, rtype: u16, covered: u16| {
            (set.rtype, set.covered, set.class, set.hash) == (rtype, covered, record.class, hash)
                && same_name(message, set.owner, message, record.owner)
        };
        let data = || self.sets.iter().filter(|set| is_of(set, covered, 0)).map(|set| set.section).max();
        let others = || self.sets.iter().find(|set| is_of(set, rtype::RRSIG, covered)).map(|set| set.section);
        data().or_else(others).unwrap_or(section)
    }

    fn attach(&mut self, message: &[u8]) {
        for place in 0..self.sets.len() {
            let signatures = self.sets[place].clone();
            if signatures.rtype != rtype::RRSIG {
                continue;
            }
            let covers = |set: &Set| {
                (set.rtype, set.class, set.hash) == (signatures.covered, signatures.class, signatures.hash)
                    && set.rtype != rtype::RRSIG
                    && same_name(message, set.owner, message, signatures.owner)
            };
            let is_here = |set: &Set| set.section == signatures.section && covers(set);
            let covered = self.sets.iter().position(is_here).or_else(|| self.sets.iter().position(covers));
            if let Some(set) = covered.and_then(|place| self.sets.get_mut(place)) {
                let before = std::mem::replace(&mut set.signatures, place as u32);
                if let Some(others) = self.sets.get(before as usize).cloned()
                    && let Some(entry) = self.entries.get_mut(signatures.last as usize)
                {
                    // Some came before what they cover, some behind: they are told together.
                    entry.next = others.first;
                    self.sets[place].last = others.last;
                    self.sets[place].count += others.count;
                }
                let Some(set) = covered.and_then(|place| self.sets.get_mut(place)) else { continue };
                // One TTL for both: the signature's own would let one outlive the other in a cache.
                set.ttl = set.ttl.min(signatures.ttl);
                self.sets[place].attached = true;
            }
            self.sets[place].count = self.sets[place].count.min(self.most_signatures);
        }
    }

    /// The records of a set.
    pub fn records(&self, set: &Set) -> impl Iterator<Item = &Record> {
        records(&self.entries, set)
    }

    /// Takes those records out of set `place` that do not stay; a set that none is left of is kept no more.
    pub fn retain(&mut self, place: usize, stays: impl Fn(&Record) -> bool) {
        let Reply { entries, sets, .. } = self;
        let limit = sets.get(place).and_then(|set| sets.get(set.signatures as usize)).map_or(u32::MAX, |over| over.ttl);
        let Some(set) = sets.get_mut(place) else { return };
        let (mut at, mut last, mut left, mut ttl) = (set.first, NONE, 0, limit);
        for _ in 0..set.count {
            let Some(entry) = entries.get(at as usize) else { break };
            let here = std::mem::replace(&mut at, entry.next);
            if stays(&entry.record) {
                ttl = ttl.min(ttl_of(&entry.record));
                match entries.get_mut(last as usize) {
                    Some(before) => before.next = here,
                    None => set.first = here,
                }
                (last, left) = (here, left + 1);
            }
        }
        if left < set.count {
            (set.last, set.count, set.ttl) = (last, left, ttl);
            set.kept &= left > 0;
        }
    }

    /// Data of a set's first record.
    pub fn first_data(&self, set: &Set) -> Range<usize> {
        self.entries.get(set.first as usize).map_or(0..0, |entry| entry.record.rdata.clone())
    }
}

/// A TTL has 31 bits; one that looks negative is 0 (RFC 2181 section 8).
fn ttl_of(record: &Record) -> u32 {
    if record.ttl >> 31 != 0 { 0 } else { record.ttl }
}

/// The labels of the name at a place of a message, root not included, pointers followed as
/// [`crate::dns::record::read_name`] does.
struct Labels<'a> {
    message: &'a [u8],
    place: usize,
    limit: usize,
    room: usize,
    malformed: bool,
}

impl<'a> Labels<'a> {
    fn new(message: &'a [u8], place: usize) -> Labels<'a> {
        Labels { message, place, limit: place, room: MAX_LEN - 1, malformed: false }
    }

    fn step(&mut self) -> Option<&'a [u8]> {
        loop {
            let len = usize::from(*self.message.get(self.place)?);
            match len {
                0 => return Some(&[]),
                1..=63 if len < self.room => {
                    self.room -= len + 1;
                    let label = self.message.get(self.place + 1..self.place + 1 + len)?;
                    self.place += len + 1;
                    return Some(label);
                }
                0xc0.. => {
                    let target = usize::from(get_u16(self.message, self.place)? & 0x3fff);
                    if target >= self.limit {
                        return None;
                    }
                    (self.place, self.limit) = (target, target);
                }
                _ => return None,
            }
        }
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let label = self.step();
        self.malformed |= label.is_none();
        label.filter(|label| !label.is_empty())
    }
}

/// The records of a set, among all `entries` of its reply.
pub fn records<'e>(entries: &'e [Entry], set: &Set) -> impl Iterator<Item = &'e Record> + use<'e> {
    let mut place = set.first;
    let next = move || {
        let entry = entries.get(place as usize)?;
        place = entry.next;
        Some(&entry.record)
    };
    std::iter::from_fn(next).take(set.count as usize)
}

/// Hash of a name in a message, letter case ignored; `None` when it is malformed.
pub fn name_hash(message: &[u8], place: usize) -> Option<u32> {
    // The bit that tells capitals; other octets that differ in it alone may have one hash.
    const CASE: u64 = 0x2020_2020_2020_2020;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let mut labels = Labels::new(message, place);
    let mut hash = 0;
    for label in &mut labels {
        let (words, rest) = label.as_chunks::<8>();
        hash = words.iter().fold(hash, |hash, word| mix(hash, u64::from_le_bytes(*word) | CASE));
        let last = rest.iter().fold(label.len() as u64, |word, octet| word << 8 | u64::from(octet | 0x20));
        hash = mix(hash, last);
    }
    (!labels.malformed).then_some((hash >> 32) as u32 ^ hash as u32)
}

/// True when the name at `other_place`, without pointers, is that at `place`, in full or all of it behind one pointer, as most
/// owners are. False says nothing.
fn stands_in_full(message: &[u8], place: usize, other: &[u8], other_place: usize) -> bool {
    let Some(len) = uncompressed_len(other, other_place) else { return false };
    let place = match get_u16(message, place) {
        Some(pointer @ 0xc000..) if usize::from(pointer & 0x3fff) < place => usize::from(pointer & 0x3fff),
        _ => place,
    };
    let octets = message.get(place..place + len);
    octets.is_some_and(|octets| is_same(octets, &other[other_place..other_place + len]))
}

/// True when two names are equal, letter case ignored.
pub fn same_name(message: &[u8], place: usize, other: &[u8], other_place: usize) -> bool {
    if place == other_place && std::ptr::eq(message, other) {
        return true;
    }
    if stands_in_full(message, place, other, other_place) {
        return true;
    }
    let (mut one, mut two) = (Labels::new(message, place), Labels::new(other, other_place));
    loop {
        match (one.next(), two.next()) {
            (None, None) => return !one.malformed && !two.malformed,
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::record::read_name;

    #[test]
    fn records_are_gathered_wherever_they_stand() {
        let mut message = b"\0\0\x81\x80\0\x01\0\x03\0\0\0\x01\x01a\0\0\x01\0\x01".to_vec();
        message.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04");
        message.extend_from_slice(b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x02\x01x");
        message.extend_from_slice(b"\x01A\0\0\x01\0\x01\0\0\0\x1e\0\x04\x01\x02\x03\x05");
        message.extend_from_slice(b"\0\0\x29\x04\xd0\x01\0\0\0\0\0");
        let mut reply = Reply::new(8);
        reply.parse(&message).unwrap();
        assert!(reply.has_edns);
        assert_eq!((reply.sets.len(), reply.rcode), (2, 16));
        assert_eq!((reply.sets[0].count, reply.sets[0].ttl), (2, 30));
        assert_eq!(reply.records(&reply.sets[0]).count(), 2);
        for len in 0..message.len() {
            assert!(reply.parse(&message[..len]).is_none(), "cut at {len}");
        }
    }

    proptest::proptest! {
        #[test]
        fn names_agree_with_the_reader(octets in proptest::collection::vec(0u8..8, 1..40), a in 0usize..40, b in 0usize..40) {
            let octets: Vec<u8> = octets.iter().map(|&o| if o == 7 { 0xc0 } else { o }).collect();
            let (one, two) = (read_name(&octets, a), read_name(&octets, b));
            assert_eq!(name_hash(&octets, a).is_some(), one.is_some());
            if let (Some((one, _)), Some((two, _))) = (one, two) {
                assert_eq!(same_name(&octets, a, &octets, b), one == two);
            }
        }

        #[test]
        fn any_octets_are_safe(octets: Vec<u8>) {
            let _ = Reply::new(8).parse(&octets);
        }
    }
}
