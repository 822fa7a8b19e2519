//! One zone of the negative cache: its NSEC records in canonical order, its NSEC3 records by hash.

use super::hash::{HASH, Hash};
use super::nsec::{Nsec, Nsecs};
use super::nsec3::{Nsec3, Nsec3s};
use super::types::Types;
use crate::dns::name::{MAX_LEN, suffixes};
use arrayvec::ArrayVec;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

/// Most places that one question is answered from.
const SEEN: usize = 8;
/// Most records that go when one contradicts them. What is left is valid by itself.
const MOST_DENIED: usize = 256;

/// Where a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// An NSEC record: [`sort_key`] of its owner.
    Name(Arc<[u8]>),
    /// An NSEC3 record.
    Hash(Hash),
}

/// A record.
#[derive(Debug)]
pub(super) struct Entry {
    /// Of NSEC the owner, the next name, the types; of NSEC3 the next hash and the types.
    data: Box<[u8]>,
    owner_len: u8,
    next_len: u8,
    opt_out: bool,
    expires: u32,
    /// Its number in the order of use.
    pub used_at: u64,
}

/// The octets of [`sort_key`]: of at most 255, each label's are twice as many at most.
pub(super) type SortKey = ArrayVec<u8, { 2 * MAX_LEN + 2 }>;

/// Octets whose order is the canonical order of names (RFC 4034 section 6.1): labels from the root's side in lower case, each
/// with a zero at its end, so that 0 and 1 within it are written as 1 1 and 1 2.
pub(super) fn sort_key(name: &[u8]) -> SortKey {
    let labels: ArrayVec<&[u8], 128> = suffixes(name)
        .filter_map(|suffix| suffix.get(1..=usize::from(*suffix.first()?)))
        .filter(|label| !label.is_empty())
        .take(128)
        .collect();
    let mut key = SortKey::new();
    for label in labels.iter().rev() {
        for &octet in *label {
            let octets: &[u8] = match octet {
                0 => &[1, 1],
                1 => &[1, 2],
                _ => &[octet.to_ascii_lowercase()],
            };
            let _ = key.try_extend_from_slice(octets);
        }
        let _ = key.try_push(0);
    }
    key
}

impl Entry {
    /// Of an NSEC record.
    pub fn of_nsec(nsec: &Nsec<'_>, expires: u32) -> Entry {
        let names = [nsec.owner, nsec.next].concat().to_ascii_lowercase();
        let data = [&names[..], nsec.types.octets()].concat().into();
        // Names have at most 255 octets.
        let (owner_len, next_len) = (nsec.owner.len() as u8, nsec.next.len() as u8);
        Entry { data, owner_len, next_len, opt_out: false, expires, used_at: 0 }
    }

    /// Of an NSEC3 record.
    pub fn of_nsec3(nsec3: &Nsec3<'_>, expires: u32) -> Entry {
        let data = [&nsec3.next[..], nsec3.types.octets()].concat().into();
        Entry { data, owner_len: 0, next_len: HASH as u8, opt_out: nsec3.opt_out, expires, used_at: 0 }
    }

    /// Octets of its data.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    fn nsec(&self) -> Option<Nsec<'_>> {
        let (owner, rest) = self.data.split_at_checked(usize::from(self.owner_len))?;
        let (next, types) = rest.split_at_checked(usize::from(self.next_len))?;
        Some(Nsec { owner, next, types: Types::read(types)? })
    }
}

/// The records of a zone.
#[derive(Debug, Default)]
pub(super) struct Zone {
    by_name: BTreeMap<Arc<[u8]>, Entry>,
    by_hash: BTreeMap<Hash, Entry>,
    /// Of its NSEC3 records, all of one chain.
    pub salt: Box<[u8]>,
    /// Likewise.
    pub iterations: u16,
}

impl Zone {
    /// True without any record.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.by_hash.is_empty()
    }

    /// True with a record of NSEC3.
    pub fn has_hashes(&self) -> bool {
        !self.by_hash.is_empty()
    }

    /// Puts a record where there is none.
    pub fn put(&mut self, place: Place, entry: Entry) {
        match place {
            Place::Name(key) => self.by_name.insert(key, entry),
            Place::Hash(hash) => self.by_hash.insert(hash, entry),
        };
    }

    /// Takes a record out.
    pub fn take(&mut self, place: &Place) -> Option<Entry> {
        match place {
            Place::Name(key) => self.by_name.remove(key),
            Place::Hash(hash) => self.by_hash.remove(hash),
        }
    }

    /// A record.
    pub fn get_mut(&mut self, place: &Place) -> Option<&mut Entry> {
        match place {
            Place::Name(key) => self.by_name.get_mut(key),
            Place::Hash(hash) => self.by_hash.get_mut(hash),
        }
    }

    /// Where records are that contradict an NSEC record: those in its span, and the one in whose span it is.
    pub fn contradicting_nsec(&self, nsec: &Nsec<'_>) -> Vec<Place> {
        let (owner, next) = (sort_key(nsec.owner), sort_key(nsec.next));
        let end = if owner < next { Excluded(&next[..]) } else { Unbounded };
        let within = self.by_name.range::<[u8], _>((Excluded(&owner[..]), end));
        let before = self.by_name.range::<[u8], _>((Unbounded, Excluded(&owner[..]))).next_back();
        let around = before.filter(|(key, entry)| {
            entry.nsec().is_some_and(|before| {
                let next = sort_key(before.next);
                next[..] <= ***key || owner < next
            })
        });
        within.take(MOST_DENIED).chain(around).map(|(key, _)| Place::Name(key.clone())).collect()
    }

    /// True when an NSEC3 record is of the zone's chain.
    fn is_of_chain(&self, nsec3: &Nsec3<'_>) -> bool {
        (&self.salt[..], self.iterations) == (nsec3.salt, nsec3.iterations)
    }

    /// Begins the chain of an NSEC3 record, if that is another one; false while there are records of the old one.
    pub fn begin_chain(&mut self, nsec3: &Nsec3<'_>) -> bool {
        if !self.is_of_chain(nsec3) && self.by_hash.is_empty() {
            (self.salt, self.iterations) = (nsec3.salt.into(), nsec3.iterations);
        }
        self.is_of_chain(nsec3)
    }

    /// Where records are that contradict an NSEC3 record: those in its span, the one in whose span it is, and all of another
    /// chain.
    pub fn contradicting_nsec3(&self, nsec3: &Nsec3<'_>) -> Vec<Place> {
        if !self.is_of_chain(nsec3) {
            return self.by_hash.keys().take(MOST_DENIED).copied().map(Place::Hash).collect();
        }
        let (owner, next) = (Excluded(nsec3.owner), Excluded(nsec3.next));
        let (first, second) = match nsec3.owner < nsec3.next {
            true => (self.by_hash.range((owner, next)), None),
            false => (self.by_hash.range((owner, Unbounded)), Some(self.by_hash.range((Unbounded, next)))),
        };
        let within = first.chain(second.into_iter().flatten());
        let around = self.before(&nsec3.owner).filter(|before| before.covers(&nsec3.owner)).map(|before| before.owner);
        within.take(MOST_DENIED).map(|(hash, _)| *hash).chain(around).map(Place::Hash).collect()
    }

    /// The NSEC3 record before a hash, which is not its own; the first is after the last.
    fn before(&self, hash: &Hash) -> Option<Nsec3<'_>> {
        let found = self.by_hash.range(..*hash).next_back().or_else(|| self.by_hash.last_key_value());
        found.and_then(|found| self.nsec3(found))
    }

    fn nsec3<'z>(&'z self, (owner, entry): (&Hash, &'z Entry)) -> Option<Nsec3<'z>> {
        let (next, types) = entry.data.split_first_chunk::<HASH>()?;
        let types = Types::read(types)?;
        let (salt, iterations) = (&self.salt[..], self.iterations);
        Some(Nsec3 { owner: *owner, next: *next, opt_out: entry.opt_out, iterations, salt, types })
    }

    /// What of the zone has not expired by `now`.
    pub fn read(&self, now: u32) -> Reading<'_> {
        Reading { zone: self, now, seen: RefCell::default(), expires: Cell::new(u32::MAX) }
    }
}

/// A zone's records while a question is answered, and which of them were looked at.
pub(super) struct Reading<'z> {
    zone: &'z Zone,
    now: u32,
    seen: RefCell<ArrayVec<Place, SEEN>>,
    expires: Cell<u32>,
}

impl<'z> Reading<'z> {
    /// Where the records are that said something, and when the first of them expires.
    pub fn finish(self) -> (ArrayVec<Place, SEEN>, u32) {
        (self.seen.into_inner(), self.expires.get())
    }

    fn note(&self, place: Place, entry: &Entry) {
        self.expires.set(self.expires.get().min(entry.expires));
        let mut seen = self.seen.borrow_mut();
        if !seen.contains(&place) {
            // What does not fit is not counted as used.
            let _ = seen.try_push(place);
        }
    }

    /// The NSEC record at `name`, or the last before it, if it `fits`.
    fn nsec(&self, name: &[u8], is_at: bool, fits: impl Fn(&Nsec<'_>) -> bool) -> Option<Nsec<'z>> {
        let wanted = sort_key(name);
        let end = if is_at { Included(&wanted[..]) } else { Excluded(&wanted[..]) };
        let start = if is_at { Included(&wanted[..]) } else { Unbounded };
        let (key, entry) = self.zone.by_name.range::<[u8], _>((start, end)).next_back()?;
        let nsec = entry.nsec().filter(|nsec| entry.expires > self.now && fits(nsec))?;
        self.note(Place::Name(key.clone()), entry);
        Some(nsec)
    }

    fn nsec3(&self, found: Option<(&Hash, &'z Entry)>) -> Option<Nsec3<'z>> {
        found.filter(|(_, entry)| entry.expires > self.now).and_then(|found| self.zone.nsec3(found))
    }

    fn noted(&self, nsec3: Nsec3<'z>) -> Nsec3<'z> {
        if let Some(entry) = self.zone.by_hash.get(&nsec3.owner) {
            self.note(Place::Hash(nsec3.owner), entry);
        }
        nsec3
    }
}

impl Nsecs for Reading<'_> {
    fn at(&self, name: &[u8]) -> Option<Nsec<'_>> {
        self.nsec(name, true, |_| true)
    }

    fn denying(&self, name: &[u8]) -> Option<Nsec<'_>> {
        self.nsec(name, false, |nsec| nsec.denies(name))
    }

    fn above(&self, name: &[u8]) -> Option<Nsec<'_>> {
        self.nsec(name, false, |nsec| nsec.is_above(name))
    }
}

impl Nsec3s for Reading<'_> {
    fn matching(&self, hash: &Hash) -> Option<Nsec3<'_>> {
        self.nsec3(self.zone.by_hash.get_key_value(hash)).map(|nsec3| self.noted(nsec3))
    }

    fn covering(&self, hash: &Hash) -> Option<Nsec3<'_>> {
        let before = self.zone.by_hash.range(..*hash).next_back();
        let found = self.nsec3(before.or_else(|| self.zone.by_hash.last_key_value()));
        found.filter(|nsec3| nsec3.covers(hash)).map(|nsec3| self.noted(nsec3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::name::Name;
    use crate::validate::canonical::compare;

    proptest::proptest! {
        #[test]
        fn sort_keys_are_in_canonical_order(names: [Vec<Vec<u8>>; 2]) {
            let wire = names.map(|labels| {
                let labels = labels.into_iter().filter(|label| (1..=20).contains(&label.len())).take(8);
                let mut wire: Vec<u8> = labels.flat_map(|label| [&[label.len() as u8], &label[..]].concat()).collect();
                wire.push(0);
                wire
            });
            let names = wire.each_ref().map(|wire| Name::from_wire(wire).unwrap());
            let [a, b] = names.each_ref().map(Name::as_wire);
            assert_eq!(sort_key(a).cmp(&sort_key(b)), compare(a, b));
        }

        #[test]
        fn any_octets_have_a_key(octets: Vec<u8>) {
            sort_key(&octets);
        }
    }
}
