//! A whole answer taken apart into the RRsets that are validated.

use super::{Flaw, Security, Set};
use crate::dns::name::{MAX_LEN, Name};
use crate::dns::record::{Record, expand_rdata, read_name};
use crate::dns::{get_u16, header, question, rtype};
use std::ops::Range;

/// More RRsets than this make an answer malformed.
const MOST_SETS: usize = 1024;
/// Octets by which names in full make data longer, at most.
const LONGER: usize = 2 * MAX_LEN;

/// One RRset of an answer; its data lies in [`Parts`].
#[derive(Clone, Debug)]
pub struct Part {
    /// 0 answer, 1 authority, 2 additional.
    pub section: usize,
    /// The owner.
    pub owner: Name,
    /// Type.
    pub rtype: u16,
    /// Class.
    pub class: u16,
    /// The least TTL of its records.
    pub ttl: u32,
    /// What is known of it already.
    pub known: Security,
    /// Why it is no better.
    pub flaw: Flaw,
    records: Vec<Range<usize>>,
    signatures: Vec<Range<usize>>,
}

/// The RRsets of an answer, names in their data in full.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// The RRsets, in the order of their first records. Signatures belong to what they cover; those that cover nothing that is
    /// there come last, and prove nothing.
    pub sets: Vec<Part>,
    data: Vec<u8>,
}

/// One RRset of an answer, its data as slices.
#[derive(Debug)]
pub struct View<'a> {
    part: &'a Part,
    records: Vec<&'a [u8]>,
    signatures: Vec<&'a [u8]>,
}

/// All RRsets of an answer, as [`View`]s.
#[derive(Debug)]
pub struct Views<'a>(Vec<View<'a>>);

impl Parts {
    /// Takes a message apart (RFC 1035 section 4.1), an OPT record left out. `None` when it is malformed.
    pub fn of(message: &[u8]) -> Option<Parts> {
        let [questions, sections @ ..] = header::counts(message);
        let mut at = match (message.len() >= header::LEN, questions) {
            (false, _) => return None,
            (true, 0) => header::LEN,
            (true, _) => question::Question::parse(message)?.end(),
        };
        let mut parts = Parts::default();
        let mut loose = Vec::new();
        for (section, count) in sections.into_iter().enumerate() {
            for _ in 0..count {
                let record = Record::at(message, at)?;
                at = record.end();
                if record.rtype == rtype::OPT {
                    continue;
                }
                let (owner, _) = read_name(message, record.owner)?;
                let place = parts.copy_data(message, &record)?;
                match record.rtype {
                    rtype::RRSIG => loose.push((section, owner, record, place)),
                    _ => parts.add(section, owner, &record, place)?,
                }
            }
        }
        for (section, owner, record, place) in loose {
            let covered = get_u16(&parts.data, place.start)?;
            match parts.find(section, &owner, covered, record.class) {
                Some(of) => parts.sets[of].signatures.push(place),
                None => parts.add(section, owner, &record, place)?,
            }
        }
        Some(parts)
    }

    /// Adds an RRset behind the others: section and owner; type, class and TTL; data of its records and signatures, names in full.
    pub fn push<'a>(
        &mut self,
        (section, owner): (usize, &Name),
        (rtype, class, ttl): (u16, u16, u32),
        records: impl Iterator<Item = &'a [u8]>,
        signatures: impl Iterator<Item = &'a [u8]>,
    ) {
        let data = &mut self.data;
        let mut copy = |octets: &[u8]| {
            data.extend_from_slice(octets);
            data.len() - octets.len()..data.len()
        };
        let records = records.map(&mut copy).collect();
        let signatures = signatures.map(&mut copy).collect();
        let (known, flaw) = (Security::Unchecked, Flaw::None);
        self.sets.push(Part { section, owner: *owner, rtype, class, ttl, known, flaw, records, signatures });
    }

    fn copy_data(&mut self, message: &[u8], record: &Record) -> Option<Range<usize>> {
        let start = self.data.len();
        self.data.resize(start + record.rdata.len() + LONGER, 0);
        let len = expand_rdata(message, record, &mut self.data[start..])?;
        self.data.truncate(start + len);
        Some(start..start + len)
    }

    fn add(&mut self, section: usize, owner: Name, record: &Record, place: Range<usize>) -> Option<()> {
        match self.find(section, &owner, record.rtype, record.class) {
            Some(of) => {
                let part = &mut self.sets[of];
                part.ttl = part.ttl.min(record.ttl);
                part.records.push(place);
            }
            None if self.sets.len() >= MOST_SETS => return None,
            None => {
                let Record { rtype, class, ttl, .. } = *record;
                let records = vec![place];
                self.sets.push(Part {
                    section,
                    owner,
                    rtype,
                    class,
                    ttl,
                    known: Security::Unchecked,
                    flaw: Flaw::None,
                    records,
                    signatures: Vec::new(),
                });
            }
        }
        Some(())
    }

    /// Records of an RRset stand together, so the last is looked at first.
    fn find(&self, section: usize, owner: &Name, rtype: u16, class: u16) -> Option<usize> {
        self.sets.iter().rposition(|part| {
            (part.section, part.rtype, part.class) == (section, rtype, class)
                && part.owner.as_wire().eq_ignore_ascii_case(owner.as_wire())
        })
    }

    /// Leaves out RRsets; `keeps` is given each, and whether it is signed.
    pub fn retain(&mut self, mut keeps: impl FnMut(&Part, bool) -> bool) {
        self.sets.retain(|part| keeps(part, !part.signatures.is_empty()));
    }

    /// Whether an RRset of an authority section says nothing that is to be proven: NS without signatures, beside something else.
    pub fn is_idle(&self, nth: usize) -> bool {
        let is_only = self.sets.iter().filter(|part| part.section < 2).count() < 2;
        self.sets
            .get(nth)
            .is_some_and(|part| !is_only && (part.section, part.rtype) == (1, rtype::NS) && part.signatures.is_empty())
    }

    /// The number of the RRset of an answer section that has this name and type.
    pub fn answer(&self, name: &Name, rtype: u16) -> Option<usize> {
        self.of_section(0, name, rtype)
    }

    /// The same of an authority section.
    pub fn authority(&self, name: &Name, rtype: u16) -> Option<usize> {
        self.of_section(1, name, rtype)
    }

    fn of_section(&self, section: usize, name: &Name, rtype: u16) -> Option<usize> {
        self.sets.iter().position(|part| {
            (part.section, part.rtype) == (section, rtype) && part.owner.as_wire().eq_ignore_ascii_case(name.as_wire())
        })
    }

    /// Whether there are NSEC3 records, or an NSEC of this name, in an authority section.
    pub fn may_deny(&self, name: &Name) -> bool {
        self.sets.iter().any(|part| {
            part.section == 1 && (part.rtype == rtype::NSEC3 || part.rtype == rtype::NSEC && part.owner == *name)
        })
    }

    /// RRset number `nth`, for who looks at that one alone.
    pub fn view(&self, nth: usize) -> Option<View<'_>> {
        self.sets.get(nth).map(|part| self.view_of(part))
    }

    /// All RRsets, for who looks at several.
    pub fn views(&self) -> Views<'_> {
        Views(self.sets.iter().map(|part| self.view_of(part)).collect())
    }

    fn view_of<'a>(&'a self, part: &'a Part) -> View<'a> {
        let slices = |places: &[Range<usize>]| places.iter().filter_map(|place| self.data.get(place.clone())).collect();
        View { part, records: slices(&part.records), signatures: slices(&part.signatures) }
    }
}

impl View<'_> {
    /// It as it is validated.
    pub fn set(&self) -> Set<'_> {
        let View { part, records, signatures } = self;
        let Part { rtype, class, ttl, .. } = **part;
        Set { owner: part.owner.as_wire(), rtype, class, ttl, records, signatures }
    }
}

impl Views<'_> {
    /// RRset number `nth` as it is validated.
    pub fn set(&self, nth: usize) -> Option<Set<'_>> {
        self.0.get(nth).map(View::set)
    }
}
