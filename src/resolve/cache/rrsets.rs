//! The RRsets: what is believed of each, and for how long (RFC 2181 section 5.4.1, Unbound's services/cache/rrset.c).

use super::rrset::{Draft, Key, Rrset, RrsetRef, Standing, first_stamp, next_stamp, set_standing};
use super::store::{Store, Walk};
use super::trust::Trust;
use crate::dns::name::{is_at_or_below, uncompressed_len};
use crate::dns::rtype;
use crate::dns::scan::{HashKey, NameScan};
use crate::validate::Security;
use crate::validate::signature::signer;
use std::time::Duration;

/// When something was learnt, as far as that decides what it may replace.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Now.
    pub now: Duration,
    /// When the delegation was looked up by which it was asked for: an NS RRset that had not expired then may not be told
    /// to live longer by its own servers, or who lost a domain would keep it ("ghost domains").
    pub started: Duration,
    /// Seconds before its end from which an entry may be replaced as if it had expired, for fetching ahead.
    pub leeway: u32,
    /// NS RRsets are from the parent's side, and so free of the rule on `started`.
    pub parent_side: bool,
}

impl Moment {
    /// Learnt now from what was looked up now.
    pub fn at(now: Duration) -> Moment {
        Moment { now, started: now, leeway: 0, parent_side: false }
    }

    /// The second by which what expires counts as expired when something of this type would take its place.
    fn judged(&self, rtype: u16) -> u32 {
        let from = if rtype == rtype::NS && !self.parent_side { self.started } else { self.now };
        seconds(from).saturating_add(self.leeway)
    }
}

/// Whole seconds of the caller's clock.
pub fn seconds(now: Duration) -> u32 {
    u32::try_from(now.as_secs()).unwrap_or(u32::MAX)
}

/// What became of an RRset that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was none.
    Kept,
    /// It took the place of another.
    Replaced,
    /// What is there already is better.
    Refused,
}

/// What became of it, and what is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What became of it.
    pub outcome: Outcome,
    /// What is there.
    pub rrset: RrsetRef,
}

/// What validation made of an RRset.
#[derive(Clone, Copy, Debug)]
pub struct Checked {
    /// The verdict.
    pub security: Security,
    /// How far it is believed now.
    pub trust: Trust,
    /// Seconds it may be kept from now.
    pub ttl: u32,
}

/// See the module's text.
pub struct RrsetCache {
    store: Store,
    hash_key: HashKey,
    scan: NameScan,
    /// Entries there have been.
    numbers: u64,
    /// A DNAME has been among them since there was none at all.
    has_had_dname: bool,
    draft: Draft,
}

impl RrsetCache {
    /// One that takes `octets` of memory, index included, at least 64 KiB.
    ///
    /// # Errors
    /// That there is no memory for it: what limits it, and the fix.
    pub fn new(octets: usize, hash_key: HashKey) -> Result<RrsetCache, String> {
        let (scan, draft) = (NameScan::new(), Draft::default());
        Ok(RrsetCache { store: Store::new(octets)?, hash_key, scan, numbers: 0, has_had_dname: false, draft })
    }

    /// Keeps an RRset unless a better one is there. `None` when it cannot be kept: it is not whole, too long for this cache, or
    /// of no duration (a TTL of zero: RFC 1035 section 3.2.1).
    pub fn insert(&mut self, draft: &mut Draft, trust: Trust, security: Security, moment: &Moment) -> Option<Stored> {
        if !draft.is_whole() || draft.ttl() == 0 {
            return None;
        }
        let kept = seconds(moment.now);
        let mut standing = Standing { kept, expires: kept.saturating_add(draft.ttl()), trust, security };
        let key = draft.view().key();
        let hash = self.hash(&key)?;
        self.has_had_dname |= key.rtype == rtype::DNAME;
        let Some(place) = find(&self.store, &key, hash) else {
            self.numbers += 1;
            let stamp = first_stamp(self.numbers);
            let place = self.store.insert(hash, draft.finish(stamp, &standing, None))?;
            return Some(Stored { outcome: Outcome::Kept, rrset: RrsetRef { place, stamp } });
        };
        let old = Rrset::new(self.store.get(place)?, place);
        let same = draft.view().has_data_of(&old);
        if !replaces(&mut standing, key.rtype, &old, same, moment.judged(key.rtype)) {
            return Some(Stored { outcome: Outcome::Refused, rrset: old.reference() });
        }
        let proves = matches!(key.rtype, rtype::NSEC | rtype::NSEC3 | rtype::DNAME);
        let stamp = match same {
            true => old.stamp(),
            false if proves => {
                self.numbers += 1;
                first_stamp(self.numbers)
            }
            false => next_stamp(old.stamp()),
        };
        let entry = draft.finish(stamp, &standing, Some(&old));
        self.store
            .replace(place, entry)
            .then_some(Stored { outcome: Outcome::Replaced, rrset: RrsetRef { place, stamp } })
    }

    /// Keeps the RRset at `rrset`, which came from a wildcard and was validated, under the wildcard's own name: `encloser` is the
    /// name below which it stands, wire form. Nothing is kept when a signer's zone does not hold that name.
    pub fn insert_wildcard(&mut self, rrset: RrsetRef, encloser: &[u8], moment: &Moment) -> Option<Stored> {
        let view = follow(&self.store, rrset)?;
        let holds = |data| signer(data).is_some_and(|signer| is_at_or_below(encloser, signer));
        if view.signature_count() == 0 || !view.signatures().all(holds) {
            return None;
        }
        let mut owner = [0u8; 257];
        owner[..2].copy_from_slice(b"\x01*");
        owner.get_mut(2..2 + encloser.len())?.copy_from_slice(encloser);
        let key = Key { owner: owner.get(..2 + encloser.len())?, ..view.key() };
        let (trust, security) = (view.trust(), view.security());
        let mut draft = std::mem::take(&mut self.draft);
        draft.copy(&view, &key, seconds(moment.now));
        let stored = self.insert(&mut draft, trust, security, moment);
        self.draft = draft;
        stored
    }

    /// The RRset kept under `key`, unless it has expired by `now`. It counts as used.
    pub fn get(&mut self, key: &Key, now: Duration) -> Option<Rrset<'_>> {
        let hash = self.hash(key)?;
        self.live(key, hash, seconds(now))
    }

    /// The same, expired or not, and not counted as used.
    pub fn peek(&mut self, key: &Key) -> Option<Rrset<'_>> {
        let hash = self.hash(key)?;
        self.any(key, hash)
    }

    /// [`Self::get`] for a key with its hash ([`Key::fold`]).
    pub(super) fn live(&mut self, key: &Key, hash: u64, now: u32) -> Option<Rrset<'_>> {
        let place = find(&self.store, key, hash)?;
        if Rrset::new(self.store.get(place)?, place).is_expired(now) {
            return None;
        }
        self.store.touch(place);
        Some(Rrset::new(self.store.get(place)?, place))
    }

    /// [`Self::peek`] for a key with its hash.
    pub(super) fn any(&self, key: &Key, hash: u64) -> Option<Rrset<'_>> {
        let place = find(&self.store, key, hash)?;
        Some(Rrset::new(self.store.get(place)?, place))
    }

    /// Has the slots for a key fetched from memory, by its hash.
    pub(super) fn fetch_slots(&self, hash: u64) {
        self.store.fetch_slots(hash);
    }

    /// Has the slot fetched that a reference leads to.
    pub(super) fn fetch_slot(&self, rrset: RrsetRef) {
        self.store.fetch_slot(rrset.place);
    }

    /// Has the RRset fetched that a reference leads to, whose slot must have been fetched.
    pub(super) fn fetch(&self, rrset: RrsetRef) {
        self.store.fetch_entry(rrset.place);
    }

    /// False when no DNAME is there, so that none need be looked for at every name above one that is asked for.
    pub(super) fn may_have_dnames(&self) -> bool {
        self.has_had_dname
    }

    /// What a reference leads to, expired or not; `None` when that is gone.
    pub fn follow(&self, rrset: RrsetRef) -> Option<Rrset<'_>> {
        follow(&self.store, rrset)
    }

    /// The same only while it has the data that it had when the reference was given.
    pub fn unchanged(&self, rrset: RrsetRef) -> Option<Rrset<'_>> {
        follow(&self.store, rrset).filter(|view| view.stamp() == rrset.stamp)
    }

    /// Takes note that what a reference leads to was used.
    pub fn touch(&mut self, rrset: RrsetRef) {
        if follow(&self.store, rrset).is_some() {
            self.store.touch(rrset.place);
        }
    }

    /// Writes down what validation made of an RRset, when that is more than was known and its data is still that which
    /// was looked at; true when it was written. The servers of a zone may not prolong its NS RRset that way.
    pub fn set_security(&mut self, rrset: RrsetRef, checked: &Checked, now: Duration) -> bool {
        let now = seconds(now);
        let Some(view) = self.unchanged(rrset) else { return false };
        if checked.security <= view.security() {
            return false;
        }
        let expires = now.saturating_add(checked.ttl);
        let adopts = view.rtype() != rtype::NS
            || expires < view.expires()
            || view.expires() < now
            || checked.security == Security::Bogus;
        let kept = view.expires() - view.original_ttl();
        let (kept, expires) = if adopts { (now, expires) } else { (kept, view.expires()) };
        let trust = view.trust().max(checked.trust);
        let standing = Standing { kept, expires, trust, security: checked.security };
        self.store.get_mut(rrset.place).map(|octets| set_standing(octets, &standing)).is_some()
    }

    /// Takes the RRset kept under `key` out; false when there is none.
    pub fn remove(&mut self, key: &Key) -> bool {
        let place = self.hash(key).and_then(|hash| find(&self.store, key, hash));
        place.map(|place| self.store.remove(place)).is_some()
    }

    /// Goes on with a walk over all RRsets, those of at most `steps` buckets of eight, and takes out what `takes` says; true
    /// at the end. What comes meanwhile may be met or not.
    pub fn walk(&mut self, walk: &mut Walk, steps: usize, mut takes: impl FnMut(&Rrset) -> bool) -> bool {
        self.store.walk(walk, steps, |place, octets| takes(&Rrset::new(octets, place)))
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.store.clear();
        self.has_had_dname = false;
    }

    /// RRsets kept, expired ones included.
    pub fn count(&self) -> u64 {
        self.store.entries()
    }

    /// Octets in use, with the slots of the index.
    pub fn octets(&self) -> u64 {
        self.store.octets()
    }

    /// RRsets dropped to make room so far.
    pub fn evicted(&self) -> u64 {
        self.store.evicted()
    }

    fn hash(&mut self, key: &Key) -> Option<u64> {
        if uncompressed_len(key.owner, 0) != Some(key.owner.len()) {
            return None;
        }
        self.scan.scan_whole(key.owner, self.hash_key);
        Some(key.fold(self.scan.hash()))
    }

    #[cfg(test)]
    pub(super) fn audit(&self) -> (u64, usize) {
        self.store.audit()
    }
}

fn find(store: &Store, key: &Key, hash: u64) -> Option<u32> {
    store.find(hash, |octets| Rrset::new(octets, 0).is_of(key))
}

fn follow(store: &Store, rrset: RrsetRef) -> Option<Rrset<'_>> {
    let view = Rrset::new(store.get(rrset.place)?, rrset.place);
    rrset.is_of(view.stamp()).then_some(view)
}

/// Whether an RRset takes the place of another that is there, and with which standing. `same`: their data is the same; `now`:
/// the second by which what expires has expired (need_to_update_rrset in Unbound's rrset.c).
fn replaces(new: &mut Standing, rtype: u16, old: &Rrset, same: bool, now: u32) -> bool {
    let alive = !old.is_expired(now);
    if alive && new.expires <= now {
        return false;
    }
    if new.security == Security::Secure && old.security() != Security::Secure {
        return true;
    }
    let was_bogus = old.security() == Security::Bogus;
    if was_bogus && new.security != Security::Bogus && !same {
        return true;
    }
    if new.trust > old.trust() {
        if alive && same && was_bogus {
            // What failed is to fail until it has expired.
            return false;
        }
        let is_glue = matches!(rtype, rtype::A | rtype::AAAA) && old.trust() == Trust::Additional;
        if alive && (rtype == rtype::NS || is_glue) && new.expires > old.expires() {
            // Neither a delegation nor its glue may prolong itself.
            new.expires = old.expires();
            if is_glue {
                new.trust = Trust::Additional;
            }
        }
        return true;
    }
    if !alive {
        return true;
    }
    if new.trust == old.trust() && !same {
        if rtype == rtype::NS {
            new.expires = new.expires.min(old.expires());
        }
        return true;
    }
    false
}
