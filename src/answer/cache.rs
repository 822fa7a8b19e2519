//! The answer cache: a table of fixed memory, owned by the worker.
//!
//! Entries lie in one ring of octets in the order they came. The write head pushes out the oldest to make room; an
//! entry that was asked for since it was written is spared once by writing it again at the head, so names in use
//! outlive a flood of names asked once. An index of buckets, one cache line each, finds entries by hash. All memory
//! is taken at start, untouched pages cost nothing, and nothing is allocated afterwards.

use crate::dns::body::{self, Counts};
use crate::dns::{get_u16, get_u32, name};
use crate::sys::prefetch::prefetch;
use bytemuck::Zeroable;

/// What an answer is kept under, besides the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFixed {
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// DO and CD of the query: [`DNSSEC_OK`], [`CHECKING_DISABLED`].
    pub bits: u8,
}

impl KeyFixed {
    /// Folds the key into the hash of its name, so that a name's types do not crowd one bucket.
    #[inline]
    fn fold(self, hash: u64) -> u64 {
        let word = u64::from(self.qtype) << 24 | u64::from(self.qclass) << 8 | u64::from(self.bits);
        let spread = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The bucket is chosen by the low bits, which the type reaches only from above.
        hash ^ spread ^ spread >> 32
    }
}

/// The query had DO set.
pub const DNSSEC_OK: u8 = 1;
/// The query had CD set.
pub const CHECKING_DISABLED: u8 = 2;

/// An answer to keep.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// RCODE.
    pub rcode: u16,
    /// Records per section.
    pub counts: Counts,
    /// The records (see [`crate::dns::body`]).
    pub body: &'a [u8],
}

/// A kept answer.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    /// The answer.
    pub answer: Answer<'a>,
    /// Seconds since it was kept: what its TTLs have aged.
    pub age: u32,
    /// Seconds it has left.
    pub left: u32,
    /// Some RRset has more than one record.
    pub rotates: bool,
}

// An entry: header, name, body, padding to ALIGN.
const LEN: usize = 0; // u32, whole entry; its top bit: DEAD
const HASH: usize = 4; // u64
const KEPT: usize = 12; // u32, second it came
const EXPIRES: usize = 16; // u32
const QTYPE: usize = 20; // u16
const QCLASS: usize = 22; // u16
const COUNTS: usize = 24; // 3 x u16
const BODY_LEN: usize = 30; // u16
const RCODE: usize = 32; // u8
const BITS: usize = 33; // u8: DO, CD and the states below
const NAME_LEN: usize = 34; // u8
const HEADER: usize = 36;

const KEY_BITS: u8 = DNSSEC_OK | CHECKING_DISABLED;
const ROTATES: u8 = 0x10;
const USED: u8 = 0x20;
/// In LEN: padding up to the ring's end, or an entry that was flushed or replaced. It stands in the first word because
/// padding may be shorter than a header.
const DEAD: u32 = 0x8000_0000;

/// Octets beyond which a table is taken to live outside of a core's own caches.
pub(super) const LARGE: usize = 1 << 20;

const ALIGN: usize = 8;
const WAYS: usize = 8;

#[derive(Clone, Copy, Default, Zeroable)]
struct Slot {
    tag: u32,
    /// Place in the ring in units of [`ALIGN`], plus one; zero: empty.
    place: u32,
}

#[repr(align(64))]
#[derive(Clone, Copy, Default, Zeroable)]
struct Bucket([Slot; WAYS]);

/// See the module's text.
pub struct AnswerCache {
    buckets: Box<[Bucket]>,
    ring: Vec<u8>,
    /// Where the next entry goes.
    head: usize,
    /// The oldest entry.
    tail: usize,
    /// Octets between tail and head.
    used: usize,
    entries: u64,
    evicted: u64,
    spare: Vec<u8>,
}

impl AnswerCache {
    /// A cache that takes `octets` of memory in all (at least 64 KiB), index included.
    pub fn new(octets: usize) -> AnswerCache {
        let octets = octets.clamp(1 << 16, (u32::MAX as usize - 1) * ALIGN);
        // A slot for every 128 octets: a typical entry is 100 to 200.
        let buckets = (octets / 128 / WAYS).next_power_of_two().max(1);
        let ring = (octets.saturating_sub(buckets * size_of::<Bucket>()).max(1 << 15)) / ALIGN * ALIGN;
        AnswerCache {
            buckets: bytemuck::zeroed_slice_box(buckets),
            ring: vec![0; ring],
            head: 0,
            tail: 0,
            used: 0,
            entries: 0,
            evicted: 0,
            spare: Vec::with_capacity(HEADER + name::MAX_LEN + 65536),
        }
    }

    /// Entries kept, expired ones included until they are pushed out.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Octets in use.
    pub fn octets(&self) -> u64 {
        self.used as u64
    }

    /// Entries pushed out to make room so far.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn bucket(&self, hash: u64) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    /// More octets in use than a core's own caches hold: looking ahead pays.
    pub fn is_large(&self) -> bool {
        self.used > LARGE
    }

    /// Has the index line of a name and key fetched; gives the hash that finds it.
    #[inline]
    pub fn prefetch_index(&self, hash: u64, key: KeyFixed) -> u64 {
        let hash = key.fold(hash);
        prefetch(&self.buckets[self.bucket(hash)]);
        hash
    }

    /// Has the entry fetched that a hash of [`Self::prefetch_index`] leads to, if any.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        let tag = (hash >> 32) as u32;
        let slots = &self.buckets[self.bucket(hash)].0;
        if let Some(slot) = slots.iter().find(|slot| slot.tag == tag && slot.place != 0)
            && let Some(entry) = self.ring.get((slot.place as usize - 1) * ALIGN..)
            && let [first, ..] = entry
        {
            prefetch(first);
            entry.get(64).into_iter().for_each(prefetch);
            entry.get(128).into_iter().for_each(prefetch);
        }
    }

    #[inline]
    fn find(&self, name: &[u8], hash: u64, key: KeyFixed) -> Option<(usize, usize)> {
        let tag = (hash >> 32) as u32;
        let bucket = self.bucket(hash);
        for (way, slot) in self.buckets[bucket].0.iter().enumerate() {
            if slot.tag == tag && slot.place != 0 {
                let at = (slot.place as usize - 1) * ALIGN;
                if self.matches(at, name, key) {
                    return Some((way, at));
                }
            }
        }
        None
    }

    #[inline]
    fn matches(&self, at: usize, name: &[u8], key: KeyFixed) -> bool {
        let Some(entry) = self.ring.get(at..) else { return false };
        entry.get(HEADER..HEADER + name.len()) == Some(name)
            && usize::from(entry[NAME_LEN]) == name.len()
            && get_u16(entry, QTYPE) == Some(key.qtype)
            && get_u16(entry, QCLASS) == Some(key.qclass)
            && entry[BITS] & KEY_BITS == key.bits
    }

    /// The answer kept for a lower-case name (wire form) with its hash, unless it has expired by `now` (seconds of the
    /// caller's clock).
    #[inline]
    pub fn get(&mut self, name: &[u8], hash: u64, key: KeyFixed, now: u32) -> Option<Hit<'_>> {
        let (_, at) = self.find(name, key.fold(hash), key)?;
        let entry = self.ring.get_mut(at..)?;
        let expires = get_u32(entry, EXPIRES)?;
        if expires <= now {
            return None;
        }
        entry[BITS] |= USED;
        let kept = get_u32(entry, KEPT)?;
        let body = HEADER + name.len();
        let body_len = usize::from(get_u16(entry, BODY_LEN)?);
        Some(Hit {
            answer: Answer {
                rcode: u16::from(entry[RCODE]),
                counts: [0, 2, 4].map(|part| get_u16(entry, COUNTS + part).unwrap_or(0)),
                body: entry.get(body..body + body_len)?,
            },
            age: now.saturating_sub(kept),
            left: expires - now,
            rotates: entry[BITS] & ROTATES != 0,
        })
    }

    /// Keeps an answer for `ttl` seconds from `now`; what was kept under the same key is replaced. An answer larger
    /// than a quarter of the cache is not kept.
    pub fn put(&mut self, name: &[u8], hash: u64, key: KeyFixed, answer: Answer<'_>, now: u32, ttl: u32) {
        let len = (HEADER + name.len() + answer.body.len()).next_multiple_of(ALIGN);
        if ttl == 0 || len > self.ring.len() / 4 || answer.body.len() > usize::from(u16::MAX) {
            return;
        }
        self.forget(name, hash, key);
        let hash = key.fold(hash);
        let Some(at) = self.make_room(len, 4) else { return };
        let entry = &mut self.ring[at..at + len];
        entry[LEN..HASH].copy_from_slice(&(len as u32).to_be_bytes());
        entry[HASH..KEPT].copy_from_slice(&hash.to_be_bytes());
        entry[KEPT..EXPIRES].copy_from_slice(&now.to_be_bytes());
        entry[EXPIRES..QTYPE].copy_from_slice(&now.saturating_add(ttl).to_be_bytes());
        entry[QTYPE..QCLASS].copy_from_slice(&key.qtype.to_be_bytes());
        entry[QCLASS..COUNTS].copy_from_slice(&key.qclass.to_be_bytes());
        for (place, count) in answer.counts.into_iter().enumerate() {
            entry[COUNTS + 2 * place..][..2].copy_from_slice(&count.to_be_bytes());
        }
        entry[BODY_LEN..RCODE].copy_from_slice(&(answer.body.len() as u16).to_be_bytes());
        let rotates = body::rrsets(answer.body, answer.counts).any(|set| set.records > 1);
        entry[RCODE] = answer.rcode as u8;
        entry[BITS] = key.bits & KEY_BITS | if rotates { ROTATES } else { 0 };
        entry[NAME_LEN] = name.len() as u8;
        entry[HEADER..HEADER + name.len()].copy_from_slice(name);
        entry[HEADER + name.len()..][..answer.body.len()].copy_from_slice(answer.body);
        self.index(hash, at);
        self.entries += 1;
    }

    /// Takes the entry of a key out.
    pub fn forget(&mut self, name: &[u8], hash: u64, key: KeyFixed) {
        let hash = key.fold(hash);
        if let Some((way, at)) = self.find(name, hash, key) {
            let bucket = self.bucket(hash);
            self.buckets[bucket].0[way] = Slot::default();
            self.bury(at);
        }
    }

    /// Takes everything out at once; gives the number of entries.
    pub fn clear(&mut self) -> u64 {
        self.buckets.fill(Bucket::default());
        (self.head, self.tail, self.used) = (0, 0, 0);
        std::mem::take(&mut self.entries)
    }

    /// Takes out every answer without records of its own: other codes than NOERROR, and empty answer sections.
    pub fn forget_negative(&mut self) -> u64 {
        self.forget_entries(|entry| entry[RCODE] != 0 || get_u16(entry, COUNTS) == Some(0))
    }

    /// Takes out every entry that `doomed` names, given name and type; gives their number. Walks the whole cache.
    pub fn forget_where(&mut self, mut doomed: impl FnMut(&[u8], u16) -> bool) -> u64 {
        self.forget_entries(|entry| {
            let name = &entry[HEADER..HEADER + usize::from(entry[NAME_LEN])];
            doomed(name, get_u16(entry, QTYPE).unwrap_or(0))
        })
    }

    fn forget_entries(&mut self, mut doomed: impl FnMut(&[u8]) -> bool) -> u64 {
        let mut forgotten = 0;
        let mut at = self.tail;
        let mut left = self.used;
        while left > 0 {
            let (len, dead) = self.len_at(at);
            if !dead && doomed(&self.ring[at..at + len]) {
                self.unlink(at);
                forgotten += 1;
            }
            left = left.saturating_sub(len);
            at = (at + len) % self.ring.len();
        }
        forgotten
    }

    /// An entry's length, and whether it is dead.
    fn len_at(&self, at: usize) -> (usize, bool) {
        let word = get_u32(&self.ring, at + LEN).unwrap_or(DEAD);
        (((word & !DEAD) as usize).max(ALIGN), word & DEAD != 0)
    }

    fn bury(&mut self, at: usize) {
        self.ring[at + LEN] |= (DEAD >> 24) as u8;
        self.entries -= 1;
    }

    /// Takes a live entry out of the index and marks it dead.
    fn unlink(&mut self, at: usize) {
        let hash = self.hash_at(at);
        let bucket = self.bucket(hash);
        let place = (at / ALIGN + 1) as u32;
        if let Some(slot) = self.buckets[bucket].0.iter_mut().find(|slot| slot.place == place) {
            *slot = Slot::default();
        }
        self.bury(at);
    }

    fn hash_at(&self, at: usize) -> u64 {
        let mut octets = [0; 8];
        octets.copy_from_slice(&self.ring[at + HASH..at + KEPT]);
        u64::from_be_bytes(octets)
    }

    fn index(&mut self, hash: u64, at: usize) {
        let bucket = self.bucket(hash);
        let slots = &self.buckets[bucket].0;
        let way = slots.iter().position(|slot| slot.place == 0).unwrap_or_else(|| {
            // A full bucket gives up its oldest entry that was not used, or else its oldest.
            let age = |slot: &Slot| {
                let place = (slot.place as usize - 1) * ALIGN;
                let distance = (place + self.ring.len() - self.tail) % self.ring.len();
                (self.ring[place + BITS] & USED != 0, distance)
            };
            (0..WAYS).min_by_key(|&way| age(&slots[way])).unwrap_or(0)
        });
        let old = self.buckets[bucket].0[way];
        if old.place != 0 {
            self.unlink((old.place as usize - 1) * ALIGN);
            self.evicted += 1;
        }
        self.buckets[bucket].0[way] = Slot { tag: (hash >> 32) as u32, place: (at / ALIGN + 1) as u32 };
    }

    /// Frees `len` octets in a row and moves the head behind them; gives their place. Up to `spares` entries in use are
    /// written again instead of lost.
    fn make_room(&mut self, len: usize, mut spares: u32) -> Option<usize> {
        let size = self.ring.len();
        // Every turn frees the oldest entry, so this ends.
        loop {
            let to_end = size - self.head;
            let padding = if to_end < len { to_end } else { 0 };
            if size - self.used >= padding + len {
                if padding > 0 {
                    self.ring[self.head..self.head + 4].copy_from_slice(&(padding as u32 | DEAD).to_be_bytes());
                    self.head = 0;
                }
                let at = self.head;
                self.head = (self.head + len) % size;
                self.used += padding + len;
                return Some(at);
            }
            if self.used == 0 {
                return None;
            }
            self.drop_oldest(&mut spares);
        }
    }

    fn drop_oldest(&mut self, spares: &mut u32) {
        let at = self.tail;
        let (len, dead) = self.len_at(at);
        let spare = !dead && self.ring[at + BITS] & USED != 0 && *spares > 0;
        if spare {
            let Self { spare, ring, .. } = self;
            spare.clear();
            spare.extend_from_slice(&ring[at..at + len]);
        }
        if !dead {
            self.unlink(at);
            self.evicted += u64::from(!spare);
        }
        self.tail = (at + len) % self.ring.len();
        self.used -= len.min(self.used);
        if spare {
            *spares -= 1;
            self.write_again(len);
        }
    }

    /// Writes the entry in `spare` at the head, its use forgotten.
    fn write_again(&mut self, len: usize) {
        let Some(at) = self.make_room(len, 0) else { return };
        self.ring[at..at + len].copy_from_slice(&self.spare);
        self.ring[at + BITS] &= !USED;
        let hash = self.hash_at(at);
        self.index(hash, at);
        self.entries += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::scan::HashKey;
    use std::collections::HashMap;

    const KEY: HashKey = HashKey::fixed(5);
    const A: KeyFixed = KeyFixed { qtype: 1, qclass: 1, bits: 0 };

    fn answer(body: &[u8]) -> Answer<'_> {
        Answer { rcode: 0, counts: [0, 0, 0], body }
    }

    fn name(number: u32) -> Vec<u8> {
        crate::dns::Name::from_text(&format!("n{number}.test")).unwrap().as_wire().to_vec()
    }

    #[test]
    fn kept_answers_age_and_expire() {
        let mut cache = AnswerCache::new(1 << 20);
        let name = name(1);
        let hash = KEY.name(&name);
        cache.put(&name, hash, A, answer(b"records"), 100, 30);
        let hit = cache.get(&name, hash, A, 110).unwrap();
        assert_eq!((hit.answer.body, hit.age, hit.left), (&b"records"[..], 10, 20));
        assert!(cache.get(&name, hash, KeyFixed { bits: DNSSEC_OK, ..A }, 110).is_none());
        assert!(cache.get(&name, hash, KeyFixed { qtype: 28, ..A }, 110).is_none());
        assert!(cache.get(&name, hash, A, 130).is_none());
        cache.put(&name, hash, A, answer(b"new"), 131, 30);
        assert_eq!(cache.get(&name, hash, A, 131).unwrap().answer.body, b"new");
        assert_eq!(cache.entries(), 1);
    }

    #[test]
    fn names_in_use_outlive_names_asked_once() {
        let mut cache = AnswerCache::new(1 << 16);
        let hot = name(0);
        cache.put(&hot, KEY.name(&hot), A, answer(&[7; 100]), 0, 1000);
        for number in 1..20_000 {
            let cold = name(number);
            cache.put(&cold, KEY.name(&cold), A, answer(&[1; 100]), 0, 1000);
            assert!(cache.get(&hot, KEY.name(&hot), A, 1).is_some(), "lost after {number}");
        }
        assert!(cache.evicted() > 10_000);
    }

    #[test]
    fn the_types_of_one_name_do_not_crowd_a_bucket() {
        let mut cache = AnswerCache::new(1 << 20);
        let name = name(1);
        let keys = (1..=64).flat_map(|qtype| [0, 1, 2, 3].map(|bits| KeyFixed { qtype, qclass: 1, bits }));
        for key in keys.clone() {
            cache.put(&name, KEY.name(&name), key, answer(b"x"), 0, 100);
        }
        let kept = keys.filter(|&key| cache.get(&name, KEY.name(&name), key, 1).is_some()).count();
        assert!(kept >= 250, "{kept} of 256");
    }

    #[test]
    fn a_zone_is_flushed() {
        let mut cache = AnswerCache::new(1 << 20);
        for text in ["a.example.com", "example.com", "notexample.com"] {
            let name = crate::dns::Name::from_text(text).unwrap();
            cache.put(name.as_wire(), KEY.name(name.as_wire()), A, answer(b"x"), 0, 9);
        }
        let zone = crate::dns::Name::from_text("example.com").unwrap();
        assert_eq!(cache.forget_where(|name, _| name::is_at_or_below(name, zone.as_wire())), 2);
        assert_eq!(cache.entries(), 1);
        assert_eq!(cache.clear(), 1);
        let name = crate::dns::Name::from_text("notexample.com").unwrap();
        assert!(cache.get(name.as_wire(), KEY.name(name.as_wire()), A, 1).is_none());
        cache.put(name.as_wire(), KEY.name(name.as_wire()), A, answer(b"y"), 0, 9);
        assert_eq!(cache.get(name.as_wire(), KEY.name(name.as_wire()), A, 1).unwrap().answer.body, b"y");
    }

    proptest::proptest! {
        /// Whatever is put in and taken out, a hit is what was put last, and the counts hold.
        #[test]
        fn equals_a_map(steps: Vec<(u8, u16, u16)>) {
            let mut cache = AnswerCache::new(1 << 16);
            let mut model: HashMap<u8, Vec<u8>> = HashMap::new();
            for (number, len, action) in steps.iter().cycle().take(steps.len() * 8) {
                let name = name(u32::from(*number));
                let hash = KEY.name(&name);
                if action % 16 == 0 {
                    cache.forget(&name, hash, A);
                    model.remove(number);
                } else {
                    let body = vec![*number ^ *action as u8; usize::from(len % 8000)];
                    cache.put(&name, hash, A, answer(&body), 0, 100);
                    model.insert(*number, body);
                }
                for (number, body) in &model {
                    let name = self::name(u32::from(*number));
                    if let Some(hit) = cache.get(&name, KEY.name(&name), A, 1) {
                        assert_eq!(hit.answer.body, &body[..]);
                    }
                }
                let mut walked = 0;
                cache.forget_where(|_, _| { walked += 1; false });
                assert_eq!(walked, cache.entries());
                assert!(cache.used <= cache.ring.len());
            }
        }
    }
}
