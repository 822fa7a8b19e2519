//! NSEC records (RFC 4034 section 4) and what they prove (RFC 4035 section 5.4, RFC 6840 section 4).

use super::Flaw;
use super::canonical::compare;
use super::proof::{NoDs, wildcard};
use super::set::Set;
use super::types::{Said, Types};
use crate::dns::name::{MAX_LEN, is_at_or_below, label_count, suffixes, uncompressed_len};
use crate::dns::rtype::{DS, NSEC};
use std::cmp::Ordering;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nsec<'a> {
    /// Its name, wire form.
    pub owner: &'a [u8],
    /// The next name of the zone in canonical order; of the last, the zone's apex.
    pub next: &'a [u8],
    /// Types at its name.
    pub types: Types<'a>,
}

impl<'a> Nsec<'a> {
    /// From an RRset of the zone `zone`. `None` when it is none, is malformed, leads out of the zone, or has several records
    /// that contradict each other.
    pub fn read(set: &Set<'a>, zone: &[u8]) -> Option<Nsec<'a>> {
        let (first, others) = set.records.split_first().filter(|_| set.rtype == NSEC)?;
        let next = first.get(..uncompressed_len(first, 0)?)?;
        let types = Types::read(first.get(next.len()..)?)?;
        let is_name = uncompressed_len(set.owner, 0) == Some(set.owner.len());
        let is_of_zone = is_at_or_below(set.owner, zone) && is_at_or_below(next, zone);
        (is_name && is_of_zone && others.iter().all(|other| other == first)).then_some(Nsec {
            owner: set.owner,
            next,
            types,
        })
    }

    /// True when nothing exists between its name and the next but what `name` may be: `name` lies there, and the record is of
    /// the zone that has it (RFC 6840 section 4.1).
    fn spans(&self, name: &[u8]) -> bool {
        if compare(self.owner, name) != Ordering::Less
            || (is_at_or_below(name, self.owner) && self.types.ends_the_zone())
        {
            return false;
        }
        match compare(self.owner, self.next) {
            Ordering::Less => compare(name, self.next) == Ordering::Less,
            _ => is_at_or_below(name, self.next),
        }
    }

    /// True when it proves that `name` does not exist, nor anything below.
    pub fn denies(&self, name: &[u8]) -> bool {
        self.spans(name) && !is_at_or_below(self.next, name)
    }

    /// True when it proves that `name` has no records, but that there are names below.
    pub fn is_above(&self, name: &[u8]) -> bool {
        self.spans(name) && is_at_or_below(self.next, name)
    }

    /// The longest name at or above `name` that exists, when the record denies `name`.
    pub fn encloser<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        let above = |suffix: &&[u8]| is_at_or_below(self.owner, suffix) || is_at_or_below(self.next, suffix);
        suffixes(name).find(above).unwrap_or(&[0])
    }
}

/// Where the records of one zone are found.
pub trait Nsecs {
    /// The one whose name is `name`.
    fn at(&self, name: &[u8]) -> Option<Nsec<'_>>;
    /// The one that denies `name`; of several, the one with the longest encloser.
    fn denying(&self, name: &[u8]) -> Option<Nsec<'_>>;
    /// The one that shows names below `name` and none at it.
    fn above(&self, name: &[u8]) -> Option<Nsec<'_>>;
}

impl Nsecs for Vec<Nsec<'_>> {
    fn at(&self, name: &[u8]) -> Option<Nsec<'_>> {
        self.iter().find(|nsec| nsec.owner.eq_ignore_ascii_case(name)).copied()
    }

    fn denying(&self, name: &[u8]) -> Option<Nsec<'_>> {
        self.iter().filter(|nsec| nsec.denies(name)).max_by_key(|nsec| nsec.encloser(name).len()).copied()
    }

    fn above(&self, name: &[u8]) -> Option<Nsec<'_>> {
        self.iter().find(|nsec| nsec.is_above(name)).copied()
    }
}

/// What is at exactly `name`, of `qtype`. `None`: nothing is said of it.
fn say(records: &impl Nsecs, name: &[u8], qtype: u16) -> Option<Said> {
    match records.at(name) {
        Some(nsec) => Some(nsec.types.say(qtype, name == [0])),
        None => records.above(name).map(|_| Said::Absent),
    }
}

/// The closest encloser of a name that does not exist (RFC 4592 section 3.3.1).
pub fn encloser<'n>(records: &impl Nsecs, qname: &'n [u8]) -> Option<&'n [u8]> {
    records.denying(qname).map(|nsec| nsec.encloser(qname))
}

/// True when neither the name nor a wildcard that would make it exists.
pub fn name_error(records: &impl Nsecs, qname: &[u8]) -> bool {
    let mut buffer = [0; MAX_LEN];
    let wildcard = encloser(records, qname).and_then(|encloser| wildcard(encloser, &mut buffer));
    wildcard.is_some_and(|wildcard| records.denying(wildcard).is_some())
}

/// What is said of `qtype` at a name that exists, or at the wildcard that makes it. `Unproven` where nothing is.
pub fn no_data(records: &impl Nsecs, qname: &[u8], qtype: u16) -> Said {
    if let Some(said) = say(records, qname, qtype) {
        return said;
    }
    let mut buffer = [0; MAX_LEN];
    let wildcard = encloser(records, qname).and_then(|encloser| wildcard(encloser, &mut buffer));
    match wildcard.and_then(|wildcard| say_of_wildcard(records, wildcard, qtype)) {
        Some(Said::Absent) => Said::Absent,
        _ => Said::Unproven,
    }
}

/// [`say`] of a wildcard, which is no zone cut (RFC 4592 section 4.2).
fn say_of_wildcard(records: &impl Nsecs, wildcard: &[u8], qtype: u16) -> Option<Said> {
    match records.at(wildcard) {
        Some(nsec) if nsec.types.is_cut() => Some(Said::Unproven),
        _ => say(records, wildcard, qtype),
    }
}

/// True when the name does not exist, and the wildcard of the encloser with so many labels is the one that makes it.
pub fn expanded(records: &impl Nsecs, qname: &[u8], labels: usize) -> bool {
    encloser(records, qname).is_some_and(|encloser| label_count(encloser) == labels)
}

/// What is said of a name that has no DS. `None`: nothing.
pub fn no_ds(records: &impl Nsecs, name: &[u8]) -> Option<NoDs> {
    if let Some(nsec) = records.at(name) {
        let is_of_child = nsec.types.is_apex() && name != [0];
        return Some(match nsec.types {
            types if is_of_child || types.has(DS) => NoDs::Bogus(Flaw::DenialWrong),
            types if types.is_cut() => NoDs::Insecure(Flaw::None),
            _ => NoDs::NotDelegated,
        });
    }
    match no_data(records, name, DS) {
        Said::Absent => Some(NoDs::NotDelegated),
        _ => name_error(records, name).then_some(NoDs::NoName),
    }
}
