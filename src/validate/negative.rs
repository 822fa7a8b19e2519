//! NSEC and NSEC3 records that were validated, by the names that they deny (Unbound's validator/val_neg.c).
//!
//! An index beside the RRset cache: it finds the records by which a question can be answered without asking anybody. Who
//! answers takes the RRsets with their signatures from there; where one is there no more, or is another by now, the question is
//! asked. Memory is bounded (`neg-cache-size:`): the least used goes.

use super::aggressive::{self, Answer, MOST, Synthesis};
use super::budget::Budget;
use super::hash::{Hash, Hasher, to_label};
use super::negative_zone::{Entry, Place, Zone, sort_key};
use super::nsec::{self, Nsec};
use super::nsec3::{Chain, Nsec3};
use super::proof::NoDs;
use super::set::Set;
use crate::dns::name::{MAX_LEN, Name, suffixes};
use crate::dns::rtype::DS;
use arrayvec::ArrayVec;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Longest salt of NSEC3 that is kept, as in Unbound: RFC 9276 section 3.1 wants none.
const MOST_SALT: usize = 64;
/// What an entry costs beside its data: its part of two trees, and what the allocator adds.
const ENTRY: usize = 256;
/// What a zone costs beside its name.
const ZONE: usize = 768;
/// Octets of the class at the end of a zone's key.
const CLASS: usize = 2;

/// The records that are known.
#[derive(Debug)]
pub struct NegativeCache {
    /// By the name in lower case, and behind it the class.
    zones: HashMap<Arc<[u8]>, Zone>,
    /// Where entries are, the least used first.
    order: BTreeMap<u64, (Arc<[u8]>, Place)>,
    next_use: u64,
    used: usize,
    size: usize,
    most_iterations: u16,
}

/// An answer from what is known.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is to be answered.
    pub answer: Answer,
    /// The zone that denies, in lower case: its SOA goes with the answer. Of use where no trust anchor is below it.
    pub zone: Name,
    /// Owners of the RRsets that prove it, in lower case.
    pub proof: ArrayVec<Name, MOST>,
    /// Seconds until the first of these expires.
    pub ttl: u32,
}

impl NegativeCache {
    /// An empty one of at most `size` octets, for records with at most so many iterations of NSEC3.
    pub fn new(size: usize, most_iterations: u16) -> NegativeCache {
        let (zones, order) = (HashMap::new(), BTreeMap::new());
        NegativeCache { zones, order, next_use: 0, used: 0, size, most_iterations }
    }

    /// Octets that are in use, about.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// True without any record.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Keeps an RRset of NSEC or NSEC3 of the zone `zone`, which has been verified, until `expires`, in seconds of the caller's
    /// clock. What it contradicts goes.
    pub fn insert(&mut self, set: &Set<'_>, zone: &[u8], expires: u32) {
        let key = key(set.class, zone);
        if let Some(nsec) = Nsec::read(set, zone) {
            let contradicting = self.zones.get(&key[..]).map(|zone| zone.contradicting_nsec(&nsec));
            self.remove_all(&key, contradicting);
            self.put(&key, Place::Name(sort_key(nsec.owner)[..].into()), Entry::of_nsec(&nsec, expires));
        }
        let is_usable = |nsec3: &Nsec3<'_>| nsec3.iterations <= self.most_iterations && nsec3.salt.len() <= MOST_SALT;
        if let Some(nsec3) = Nsec3::read_all(set, zone).find(is_usable) {
            let contradicting = self.zones.get(&key[..]).map(|zone| zone.contradicting_nsec3(&nsec3));
            self.remove_all(&key, contradicting);
            let zone = self.zone(&key);
            if self.zones.get_mut(&zone).is_some_and(|zone| zone.begin_chain(&nsec3)) {
                self.put(&key, Place::Hash(nsec3.owner), Entry::of_nsec3(&nsec3, expires));
            }
        }
        self.make_room();
    }

    /// Changes the size, and the most iterations of what comes; what does not fit any more goes.
    pub fn resize(&mut self, size: usize, most_iterations: u16) {
        (self.size, self.most_iterations) = (size, most_iterations);
        self.make_room();
    }

    /// The answer to a question by NSEC records, as Unbound makes it (`aggressive-nsec:`).
    pub fn by_nsec(&mut self, class: u16, qname: &[u8], qtype: u16, now: u32) -> Option<Found> {
        let (key, zone) = self.closest(class, qname, qtype)?;
        let reading = zone.read(now);
        let Synthesis { answer, proof } = aggressive::by_nsec(&reading, qname, qtype)?;
        let proof = proof.into_iter().filter_map(|nsec| Name::from_wire(nsec.owner)).collect();
        let (seen, expires) = reading.finish();
        self.touch(&key, &seen);
        Some(Found { answer, zone: Name::from_wire(name_of(&key))?, proof, ttl: expires.saturating_sub(now) })
    }

    /// The answer to a question by NSEC3 records without opt-out (RFC 8198 section 5.2), which Unbound does not make. It costs
    /// a hash for each label, of `budget`.
    pub fn by_nsec3(
        &mut self,
        class: u16,
        (qname, qtype): (&[u8], u16),
        now: u32,
        budget: &mut Budget,
    ) -> Option<Found> {
        let (key, zone) = self.closest(class, qname, qtype).filter(|(_, zone)| zone.has_hashes())?;
        let reading = zone.read(now);
        let hasher = &mut Hasher::new(&zone.salt, zone.iterations);
        let mut chain = Chain { zone: name_of(&key), records: &reading, hasher, budget };
        let found = aggressive::by_nsec3(&mut chain, qname, qtype).ok()??;
        let proof = found.proof.iter().filter_map(|hash| owner(hash, name_of(&key))).collect();
        let (seen, expires) = reading.finish();
        self.touch(&key, &seen);
        let zone = Name::from_wire(name_of(&key))?;
        Some(Found { answer: found.answer, zone, proof, ttl: expires.saturating_sub(now) })
    }

    /// What is known of a name's delegation, where a chain of trust is followed, and for how many seconds. `None`: it is to be
    /// asked. Opt-out counts: of use where no trust anchor is below the zone.
    pub fn no_ds(&mut self, class: u16, name: &[u8], now: u32, budget: &mut Budget) -> Option<(NoDs, u32)> {
        let (key, zone) = self.closest(class, name, DS)?;
        let reading = zone.read(now);
        let said = match nsec::no_ds(&reading, name) {
            None if zone.has_hashes() => {
                let hasher = &mut Hasher::new(&zone.salt, zone.iterations);
                Chain { zone: name_of(&key), records: &reading, hasher, budget }.no_ds(name).ok()
            }
            said => said,
        };
        let said = said.filter(|said| !matches!(said, NoDs::Bogus(_)))?;
        let (seen, expires) = reading.finish();
        self.touch(&key, &seen);
        Some((said, expires.saturating_sub(now)))
    }

    /// The zone that a name is in, of those with records; a DS is in the parent.
    fn closest(&self, class: u16, qname: &[u8], qtype: u16) -> Option<(Arc<[u8]>, &Zone)> {
        let wanted = key(class, qname);
        let is_of_parent = qtype == DS && qname != [0];
        let above = suffixes(name_of(&wanted)).skip(usize::from(is_of_parent));
        let mut zones = above.filter_map(|suffix| {
            let from = name_of(&wanted).len() - suffix.len();
            self.zones.get_key_value(&wanted[from..])
        });
        zones.next().map(|(key, zone)| (key.clone(), zone))
    }

    /// The key of a zone, which is there then.
    fn zone(&mut self, key: &[u8]) -> Arc<[u8]> {
        if let Some((known, _)) = self.zones.get_key_value(key) {
            return known.clone();
        }
        let new: Arc<[u8]> = key.into();
        self.used += ZONE + new.len();
        self.zones.insert(new.clone(), Zone::default());
        new
    }

    /// Puts an entry in the place of what is there.
    fn put(&mut self, key: &[u8], place: Place, mut entry: Entry) {
        let zone_key = self.zone(key);
        self.take(&zone_key, &place);
        self.used += cost(&place, &entry);
        entry.used_at = self.next_use;
        self.next_use += 1;
        if let Some(zone) = self.zones.get_mut(&zone_key) {
            self.order.insert(entry.used_at, (zone_key, place.clone()));
            zone.put(place, entry);
        }
    }

    /// Takes an entry out. Its zone stays.
    fn take(&mut self, key: &[u8], place: &Place) {
        if let Some(entry) = self.zones.get_mut(key).and_then(|zone| zone.take(place)) {
            self.order.remove(&entry.used_at);
            self.used = self.used.saturating_sub(cost(place, &entry));
        }
    }

    fn remove_all(&mut self, key: &[u8], places: Option<Vec<Place>>) {
        places.iter().flatten().for_each(|place| self.take(key, place));
    }

    /// The least used goes, and a zone with its last entry.
    fn make_room(&mut self) {
        while self.used > self.size {
            let Some((_, (key, place))) = self.order.first_key_value() else { break };
            let (key, place) = (key.clone(), place.clone());
            self.take(&key, &place);
            if self.zones.get(&key).is_some_and(Zone::is_empty) {
                self.zones.remove(&key);
                self.used = self.used.saturating_sub(ZONE + key.len());
            }
        }
    }

    /// These were of use now.
    fn touch(&mut self, key: &Arc<[u8]>, places: &[Place]) {
        let Some(zone) = self.zones.get_mut(key) else { return };
        for place in places {
            if let Some(entry) = zone.get_mut(place) {
                self.order.remove(&entry.used_at);
                entry.used_at = self.next_use;
                self.order.insert(self.next_use, (key.clone(), place.clone()));
                self.next_use += 1;
            }
        }
    }
}

/// A zone's key.
type Key = ArrayVec<u8, { MAX_LEN + CLASS }>;

/// The key of a zone: what does not fit is no name, and finds none.
fn key(class: u16, name: &[u8]) -> Key {
    let mut key: Key = name.iter().take(MAX_LEN).map(u8::to_ascii_lowercase).collect();
    let _ = key.try_extend_from_slice(&class.to_be_bytes());
    key
}

/// The name of a zone, from its key.
fn name_of(key: &[u8]) -> &[u8] {
    &key[..key.len().saturating_sub(CLASS)]
}

/// The owner of an NSEC3 record.
fn owner(hash: &Hash, zone: &[u8]) -> Option<Name> {
    let label = to_label(hash);
    Name::from_wire(&[&[label.len() as u8], &label[..], zone].concat())
}

/// Octets that an entry costs.
fn cost(place: &Place, entry: &Entry) -> usize {
    let key = if let Place::Name(key) = place { key.len() } else { 0 };
    ENTRY + key + entry.len()
}
