//! The keys of zones: what is known of each name on the way from a trust anchor to who signed, found by walking down.

use super::anchors::Closest;
use super::dnskey::Keys;
use super::{Flaw, Rules};
use crate::dns::name::{Name, suffixes};
use crate::dns::{class, rtype};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The DS RRset that a name's parent has for it, proven.
#[derive(Clone, Debug)]
pub struct Delegation(Arc<[Box<[u8]>]>);

impl Delegation {
    /// Keeps the data of its records.
    pub fn new(records: &[&[u8]]) -> Delegation {
        Delegation(records.iter().map(|data| (*data).into()).collect())
    }

    /// The data of its records.
    pub fn records(&self) -> Vec<&[u8]> {
        self.0.iter().map(|data| &**data).collect()
    }

    fn octets(&self) -> usize {
        self.0.iter().map(|data| data.len() + size_of::<Box<[u8]>>()).sum()
    }
}

/// What is known of a name.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It is a zone with these keys.
    Secure(Keys),
    /// It is a zone, and proven to be without keys that count: nothing below it is signed for us.
    Insecure(Flaw),
    /// It should be proven, and is not.
    Bogus(Flaw),
    /// It is proven that no zone begins here.
    NoCut,
    /// Its parent has a DS for it; its keys are still to be fetched.
    Delegated(Delegation),
}

/// By what the data of a name is to be validated.
#[derive(Debug)]
pub enum Way<'a> {
    /// The keys of the closest zone.
    Keys(&'a Keys),
    /// It is proven that it need not be signed.
    Insecure(Flaw),
    /// The proof of its keys is broken.
    Bogus(Flaw),
    /// No trust anchor is above it.
    Indeterminate,
    /// DS or DNSKEY of a name are needed first.
    Wants(Box<Name>, u16),
}

#[derive(Debug)]
struct Entry {
    standing: Standing,
    /// Second of the caller's clock.
    until: u32,
    /// It was of use since it was last passed over.
    is_used: bool,
    /// RRsets in a row whose signatures by it were false.
    failures: u8,
}

/// So many in a row are no accident.
const MOST_FAILURES: u8 = 8;

/// Octets of an entry besides its name and its keys.
const ENTRY: usize = 160;
/// Least seconds that something is known: who asked for it must come to see it.
const LEAST: u32 = 2;

/// What is known, of bounded size (`key-cache-size:`). Room is made by letting go of what came first and was not used.
#[derive(Debug, Default)]
pub struct KeyCache {
    entries: HashMap<Box<[u8]>, Entry>,
    order: VecDeque<Box<[u8]>>,
    octets: usize,
    most: usize,
}

impl KeyCache {
    /// One that takes at most so many octets.
    pub fn new(octets: usize) -> KeyCache {
        KeyCache { most: octets.max(1 << 14), ..KeyCache::default() }
    }

    /// By what the data of `name` (wire form, lower case) is to be validated at `now`, a second of the caller's clock.
    pub fn way(&mut self, rules: &Rules, name: &[u8], now: u32) -> Way<'_> {
        let top = match rules.anchors.closest(name, class::IN) {
            None => return Way::Indeterminate,
            Some(Closest::Insecure { .. }) => return Way::Insecure(Flaw::None),
            Some(Closest::Anchor { zone, .. }) => zone,
        };
        let path: Vec<&[u8]> = suffixes(name).take_while(|suffix| suffix.len() >= top.len()).collect();
        let Some(start) = path.iter().position(|suffix| self.decides(suffix, now)) else {
            return Way::Wants(named(top), rtype::DNSKEY);
        };
        if self.is_zone(path[start]) {
            for name in path[..start].iter().rev() {
                match self.get(name, now) {
                    Some(Standing::NoCut) => {}
                    Some(_) => return Way::Wants(named(name), rtype::DNSKEY),
                    None => return Way::Wants(named(name), rtype::DS),
                }
            }
        }
        let Some(entry) = self.entries.get_mut(path[start]) else { return Way::Bogus(Flaw::KeyMissing) };
        entry.is_used = true;
        match &entry.standing {
            Standing::Secure(keys) => Way::Keys(keys),
            Standing::Insecure(flaw) => Way::Insecure(*flaw),
            Standing::Bogus(flaw) => Way::Bogus(*flaw),
            Standing::NoCut | Standing::Delegated(_) => Way::Bogus(Flaw::KeyMissing),
        }
    }

    fn get(&self, name: &[u8], now: u32) -> Option<&Standing> {
        self.entries.get(name).filter(|entry| now < entry.until).map(|entry| &entry.standing)
    }

    fn is_zone(&self, name: &[u8]) -> bool {
        matches!(self.entries.get(name), Some(Entry { standing: Standing::Secure(_), .. }))
    }

    /// Whether what is known of a name decides for what lies below it: the walk begins at the deepest such.
    fn decides(&self, name: &[u8], now: u32) -> bool {
        self.get(name, now).is_some_and(|standing| !matches!(standing, Standing::NoCut | Standing::Delegated(_)))
    }

    /// Whether a name is a zone that is known to be signed.
    pub fn is_signed(&self, name: &[u8], now: u32) -> bool {
        matches!(self.get(name, now), Some(Standing::Secure(_) | Standing::Delegated(_)))
    }

    /// Whether the keys of a name are known, or that there are none.
    pub fn is_known(&self, name: &[u8], now: u32) -> bool {
        self.decides(name, now)
    }

    /// Whether none but false signatures of a zone were seen of late.
    pub fn distrusts(&self, zone: &[u8]) -> bool {
        self.entries.get(zone).is_some_and(|entry| entry.failures >= MOST_FAILURES)
    }

    /// Takes note of what came of the signatures of an RRset by a zone.
    pub fn note(&mut self, zone: &[u8], verified: Result<(), Flaw>) {
        let Some(entry) = self.entries.get_mut(zone) else { return };
        match verified {
            Err(Flaw::Mismatch) => entry.failures = entry.failures.saturating_add(1),
            _ => entry.failures = 0,
        }
    }

    /// Why a name is bogus, if it is.
    pub fn flaw(&self, name: &[u8], now: u32) -> Option<Flaw> {
        match self.get(name, now) {
            Some(Standing::Bogus(flaw)) => Some(*flaw),
            _ => None,
        }
    }

    /// The DS that a name's parent has for it, and the seconds for which that is known.
    pub fn delegation(&self, name: &[u8], now: u32) -> Option<(&Delegation, u32)> {
        let entry = self.entries.get(name).filter(|entry| now < entry.until)?;
        match &entry.standing {
            Standing::Delegated(delegation) => Some((delegation, entry.until - now)),
            _ => None,
        }
    }

    /// Takes note of a name (wire form, lower case) for `ttl` seconds from `now`.
    pub fn put(&mut self, name: &[u8], standing: Standing, ttl: u32, now: u32) {
        let size = ENTRY + 2 * name.len() + standing.octets();
        self.forget(name);
        while self.octets + size > self.most && self.make_room() {}
        let until = now.saturating_add(ttl.max(LEAST));
        self.octets += size;
        self.entries.insert(name.into(), Entry { standing, until, is_used: false, failures: 0 });
        self.order.push_back(name.into());
    }

    /// Lets go of the entry that came first, once each that was of use has been passed over; false when there is none.
    fn make_room(&mut self) -> bool {
        while let Some(name) = self.order.pop_front() {
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            if !std::mem::take(&mut entry.is_used) {
                self.forget(&name);
                return true;
            }
            self.order.push_back(name);
        }
        false
    }

    fn forget(&mut self, name: &[u8]) {
        if let Some(entry) = self.entries.remove(name) {
            self.octets -= ENTRY + 2 * name.len() + entry.standing.octets();
            // What is in the order still is passed over, unless the name comes again: then it is there twice.
            if self.order.len() > 2 * self.entries.len() + 64 {
                let mut seen = std::collections::HashSet::new();
                self.order.retain(|name| self.entries.contains_key(name) && seen.insert(name.clone()));
            }
        }
    }

    /// Forgets what `is_of` says; gives how much of it had not expired.
    pub fn flush(&mut self, now: u32, mut is_of: impl FnMut(&[u8], &Standing) -> bool) -> usize {
        let taken = self.entries.iter().filter(|(name, entry)| is_of(name, &entry.standing));
        let names: Vec<_> = taken.map(|(name, entry)| (name.clone(), entry.until > now)).collect();
        names.iter().for_each(|(name, _)| self.forget(name));
        names.iter().filter(|(_, is_live)| *is_live).count()
    }

    /// Octets in use.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// How much is known.
    pub fn count(&self) -> usize {
        self.entries.len()
    }
}

impl Standing {
    fn octets(&self) -> usize {
        match self {
            Standing::Secure(keys) => keys.size(),
            Standing::Delegated(delegation) => delegation.octets(),
            Standing::Insecure(_) | Standing::Bogus(_) | Standing::NoCut => 0,
        }
    }
}

fn named(wire: &[u8]) -> Box<Name> {
    Box::new(Name::from_wire(wire).unwrap_or(Name::ROOT))
}
