//! How an RRset lies in the store: header, owner, data. The data is that of every record and then of every signature (RRSIG)
//! over them, each behind its length, names in it in full.

use super::trust::Trust;
use crate::dns::name::{MAX_LEN, is_same, uncompressed_len};
use crate::dns::{get_u16, get_u32, put_u16, put_u32, rtype};
use crate::validate::{Security, Set};

const STAMP: usize = 0; // u64, see RrsetRef
const KEPT: usize = 8; // u32, second it came
const EXPIRES: usize = 12; // u32
const RTYPE: usize = 16; // u16
const CLASS: usize = 18; // u16
const COVERED: usize = 20; // u16
const COUNT: usize = 22; // u16
const SIGNATURES: usize = 24; // u16
const FLAGS: usize = 26; // u8
const STANDING: usize = 27; // u8: trust, then three bits of security
const NAME_LEN: usize = 28; // u8
/// Octets in front of the owner.
pub(super) const HEADER: usize = 29;

/// Most octets of an RRset's data, lengths included: more than a message has room for.
const LONGEST_DATA: usize = 0xffff;
/// The upper bits of a stamp, which name an entry; the lower count what data it had.
const VERSION: u64 = 0xffff;

/// RRsets that one owner has side by side, by the numbers of Unbound's packed_rrset.h, which its cache dumps hold.
pub mod flag {
    /// An NSEC of a zone's apex, not of the delegation to it.
    pub const NSEC_AT_APEX: u8 = 1;
    /// From the parent's side of a delegation.
    #[allow(dead_code, reason = "dumps of Unbound may have it")]
    pub const PARENT_SIDE: u8 = 2;
    /// A SOA from an authority section, whose TTL is that of a denial.
    pub const SOA_NEGATIVE: u8 = 4;
}

/// What an RRset is kept under.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The owner, wire form; letter case makes no difference.
    pub owner: &'a [u8],
    /// Type.
    pub rtype: u16,
    /// Class.
    pub class: u16,
    /// See [`flag`].
    pub flags: u8,
    /// Of RRSIGs that stand by themselves: the type they cover, since those over each type are an RRset of their own; else 0.
    pub covered: u16,
}

impl<'a> Key<'a> {
    /// The plain key.
    pub fn new(owner: &'a [u8], rtype: u16, class: u16) -> Key<'a> {
        Key { owner, rtype, class, flags: 0, covered: 0 }
    }

    /// That of an RRset that stands in a section of a message (0 answer, 1 authority, 2 additional).
    pub fn of(set: &Set<'a>, section: usize) -> Key<'a> {
        let flags = match set.rtype {
            rtype::SOA if section == 1 => flag::SOA_NEGATIVE,
            rtype::NSEC if set.records.first().is_some_and(|data| is_nsec_of_apex(data)) => flag::NSEC_AT_APEX,
            _ => 0,
        };
        Key { flags, ..Key::new(set.owner, set.rtype, set.class) }
    }

    /// The same with these flags.
    pub fn with(self, flags: u8) -> Key<'a> {
        Key { flags, ..self }
    }

    /// Folds what is beside the name into the hash of the name.
    pub(super) fn fold(&self, name_hash: u64) -> u64 {
        let upper = u64::from(self.rtype) << 40 | u64::from(self.class) << 24;
        let word = upper | u64::from(self.covered) << 8 | u64::from(self.flags);
        let spread = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        name_hash ^ spread ^ spread >> 32
    }
}

/// A kept RRset's lasting name. It leads to the RRset while it is kept, whatever data comes to be in it, as in Unbound: only
/// other data of an NSEC, NSEC3 or DNAME, from which other names follow, ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RrsetRef {
    pub(super) place: u32,
    pub(super) stamp: u64,
}

impl RrsetRef {
    /// Octets of one that is written down.
    pub(super) const LEN: usize = 12;

    pub(super) fn to_octets(self) -> [u8; RrsetRef::LEN] {
        let mut octets = [0; RrsetRef::LEN];
        put_u32(&mut octets, 0, self.place);
        octets[4..].copy_from_slice(&self.stamp.to_be_bytes());
        octets
    }

    pub(super) fn from_octets(octets: &[u8]) -> Option<RrsetRef> {
        Some(RrsetRef { place: get_u32(octets, 0)?, stamp: get_u64(octets, 4)? })
    }

    /// True when both name the same entry.
    pub(super) fn is_of(self, stamp: u64) -> bool {
        self.stamp | VERSION == stamp | VERSION
    }
}

/// The stamp of entry number `number`.
pub(super) fn first_stamp(number: u64) -> u64 {
    number << VERSION.count_ones()
}

/// The stamp of the same entry with other data.
pub(super) fn next_stamp(stamp: u64) -> u64 {
    stamp & !VERSION | stamp.wrapping_add(1) & VERSION
}

fn get_u64(octets: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(octets.get(at..at + 8)?.try_into().ok()?))
}

/// A view of a kept RRset.
#[derive(Clone, Copy, Debug)]
pub struct Rrset<'a> {
    octets: &'a [u8],
    place: u32,
}

impl<'a> Rrset<'a> {
    pub(super) fn new(octets: &'a [u8], place: u32) -> Rrset<'a> {
        Rrset { octets, place }
    }

    /// Its lasting name.
    pub fn reference(&self) -> RrsetRef {
        RrsetRef { place: self.place, stamp: self.stamp() }
    }

    pub(super) fn stamp(&self) -> u64 {
        get_u64(self.octets, STAMP).unwrap_or(0)
    }

    /// Its key.
    pub fn key(&self) -> Key<'a> {
        Key {
            owner: self.owner(),
            rtype: self.rtype(),
            class: self.u16(CLASS),
            flags: self.u8(FLAGS),
            covered: self.u16(COVERED),
        }
    }

    /// True when it is kept under `key`.
    pub(super) fn is_of(&self, key: &Key) -> bool {
        let own = self.key();
        (own.rtype, own.class, own.flags, own.covered) == (key.rtype, key.class, key.flags, key.covered)
            && is_same(own.owner, key.owner)
    }

    /// The owner, wire form, in the letter case that came first.
    pub fn owner(&self) -> &'a [u8] {
        self.octets.get(HEADER..self.data_start()).unwrap_or_default()
    }

    /// Type.
    pub fn rtype(&self) -> u16 {
        self.u16(RTYPE)
    }

    /// Class.
    pub fn class(&self) -> u16 {
        self.u16(CLASS)
    }

    /// Number of records.
    pub fn count(&self) -> u16 {
        self.u16(COUNT)
    }

    /// Number of signatures.
    pub fn signature_count(&self) -> u16 {
        self.u16(SIGNATURES)
    }

    /// Second in which it expires.
    pub(super) fn expires(&self) -> u32 {
        self.u32(EXPIRES)
    }

    /// True when it has expired by `now`, in seconds.
    pub fn is_expired(&self, now: u32) -> bool {
        self.expires() <= now
    }

    /// Seconds it has left at `now`.
    pub fn ttl(&self, now: u32) -> u32 {
        self.expires().saturating_sub(now)
    }

    /// Seconds it had when it came.
    pub fn original_ttl(&self) -> u32 {
        self.ttl(self.u32(KEPT))
    }

    /// How far its source is believed.
    pub fn trust(&self) -> Trust {
        Trust::from_number(self.u8(STANDING) >> 3).unwrap_or_default()
    }

    /// What validation made of it.
    pub fn security(&self) -> Security {
        Security::from_number(self.u8(STANDING) & 7).unwrap_or_default()
    }

    /// The data of its records.
    pub fn records(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.all_data().take(usize::from(self.count()))
    }

    /// The data of its signatures.
    pub fn signatures(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.all_data().skip(usize::from(self.count()))
    }

    /// The name that the first record consists of: a CNAME's or DNAME's target.
    pub fn target(&self) -> Option<&'a [u8]> {
        let data = self.records().next()?;
        (uncompressed_len(data, 0)? == data.len()).then_some(data)
    }

    /// True when both have the same records and signatures in the same order.
    pub(super) fn has_data_of(&self, other: &Rrset) -> bool {
        (self.count(), self.signature_count()) == (other.count(), other.signature_count())
            && self.all_data().eq(other.all_data())
    }

    /// True when it has exactly these records and signatures, in this order.
    pub fn has_data(&self, set: &Set<'_>) -> bool {
        (usize::from(self.count()), usize::from(self.signature_count())) == (set.records.len(), set.signatures.len())
            && self.all_data().eq(set.records.iter().chain(set.signatures).copied())
    }

    fn all_data(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.octets.get(self.data_start()..).unwrap_or_default();
        let total = usize::from(self.count()) + usize::from(self.signature_count());
        std::iter::from_fn(move || {
            let end = 2 + usize::from(get_u16(rest, 0)?);
            let data = rest.get(2..end)?;
            rest = &rest[end..];
            Some(data)
        })
        .take(total)
    }

    fn data_start(&self) -> usize {
        HEADER + usize::from(self.u8(NAME_LEN))
    }

    fn u8(&self, at: usize) -> u8 {
        self.octets.get(at).copied().unwrap_or(0)
    }

    fn u16(&self, at: usize) -> u16 {
        get_u16(self.octets, at).unwrap_or(0)
    }

    fn u32(&self, at: usize) -> u32 {
        get_u32(self.octets, at).unwrap_or(0)
    }
}

/// What changes of an entry besides its data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) kept: u32,
    pub(super) expires: u32,
    pub(super) trust: Trust,
    pub(super) security: Security,
}

/// Writes it over that of an entry.
pub(super) fn set_standing(octets: &mut [u8], standing: &Standing) {
    put_u32(octets, KEPT, standing.kept);
    put_u32(octets, EXPIRES, standing.expires);
    octets[STANDING] = standing.trust.number() << 3 | standing.security.number();
}

/// An RRset to be kept, put together in a buffer that is used again and again.
#[derive(Debug, Default)]
pub struct Draft {
    octets: Vec<u8>,
    ttl: u32,
    is_whole: bool,
}

impl Draft {
    /// Begins one with a TTL in seconds and no data.
    pub fn start(&mut self, key: &Key, ttl: u32) {
        self.octets.clear();
        self.octets.resize(HEADER, 0);
        self.is_whole = key.owner.len() <= MAX_LEN && uncompressed_len(key.owner, 0) == Some(key.owner.len());
        let owner = if self.is_whole { key.owner } else { &[0] };
        put_u16(&mut self.octets, RTYPE, key.rtype);
        put_u16(&mut self.octets, CLASS, key.class);
        put_u16(&mut self.octets, COVERED, key.covered);
        self.octets[FLAGS] = key.flags;
        self.octets[NAME_LEN] = owner.len() as u8;
        self.octets.extend_from_slice(owner);
        self.ttl = ttl;
    }

    /// Adds a record by its data, names in full. Records come before signatures.
    pub fn push(&mut self, data: &[u8]) {
        self.is_whole &= self.view().signature_count() == 0;
        self.add(COUNT, data);
    }

    /// Adds a signature by its data.
    pub fn push_signature(&mut self, data: &[u8]) {
        self.add(SIGNATURES, data);
    }

    /// Makes it a copy of `rrset` with another owner, for as long as that one has at `now`.
    pub fn copy(&mut self, rrset: &Rrset, key: &Key, now: u32) {
        self.start(key, rrset.ttl(now));
        rrset.records().for_each(|data| self.push(data));
        rrset.signatures().for_each(|data| self.push_signature(data));
    }

    fn add(&mut self, counter: usize, data: &[u8]) {
        let count = get_u16(&self.octets, counter).unwrap_or(0);
        // Nothing is there where none was begun.
        let before = self.octets.len().checked_sub(self.view().data_start());
        let is_short = before.is_some_and(|before| before + 2 + data.len() <= LONGEST_DATA);
        let (Some(count), true) = (count.checked_add(1), is_short) else {
            self.is_whole = false;
            return;
        };
        put_u16(&mut self.octets, counter, count);
        self.octets.extend_from_slice(&(data.len() as u16).to_be_bytes());
        self.octets.extend_from_slice(data);
    }

    /// False when it cannot be kept: the owner is no name, there is no data, or more than a message has room for.
    pub fn is_whole(&self) -> bool {
        self.is_whole && self.view().count() > 0
    }

    /// Seconds that were given.
    pub(super) fn ttl(&self) -> u32 {
        self.ttl
    }

    /// As it will lie in the store, its standing still to be set.
    pub(super) fn view(&self) -> Rrset<'_> {
        Rrset::new(&self.octets, 0)
    }

    /// Completes it: `before` is the entry that it takes the place of, whose letters it takes over.
    pub(super) fn finish(&mut self, stamp: u64, standing: &Standing, before: Option<&Rrset>) -> &[u8] {
        self.octets[STAMP..KEPT].copy_from_slice(&stamp.to_be_bytes());
        set_standing(&mut self.octets, standing);
        let place = HEADER..self.view().data_start();
        if let Some(owner) = before.map(Rrset::owner).filter(|owner| owner.len() == place.len()) {
            self.octets[place].copy_from_slice(owner);
        }
        &self.octets
    }
}

/// True when an NSEC's data says that its owner has a SOA: it is that of a zone's apex.
pub fn is_nsec_of_apex(data: &[u8]) -> bool {
    let Some(next) = uncompressed_len(data, 0) else { return false };
    // The first window has the types up to 255 (RFC 4034 section 4.1.2).
    matches!(data.get(next..), Some(&[0, len, bits, ..]) if len > 0 && bits & 0x80 >> rtype::SOA != 0)
}
