//! The answer cache: a table of fixed memory, owned by the worker.
//!
//! Entries lie in one ring of octets in the order they came. The write head pushes out the oldest to make room; an
//! entry that was asked for since it was written is spared once by writing it again at the head, so names in use
//! outlive a flood of names asked once. An index of buckets, one cache line each, finds entries by hash. All memory
//! is taken at start, untouched pages cost nothing, and nothing is allocated afterwards.

mod entry;
mod flush;
#[cfg(test)]
mod tests;

use crate::dns::body::Counts;
use crate::dns::class;
use crate::dns::flaw::Flaw;
use crate::sys::prefetch::prefetch;
use bytemuck::Zeroable;
use entry::ALIGN;
pub use flush::{Flush, Index};

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
    /// The key of a question of class IN. The two bits change what is asked upstream, and what the answer is.
    #[inline]
    pub fn new(qtype: u16, dnssec_ok: bool, checking_disabled: bool) -> KeyFixed {
        let bits = if dnssec_ok { DNSSEC_OK } else { 0 } | if checking_disabled { CHECKING_DISABLED } else { 0 };
        KeyFixed { qtype, qclass: class::IN, bits }
    }

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
/// Of a question for the resolver: the query had RD clear, so it is answered with what is known. Nothing is kept under it.
pub const KNOWN_ONLY: u8 = 4;

/// An answer to keep.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// RCODE.
    pub rcode: u16,
    /// Records per section.
    pub counts: Counts,
    /// The records (see [`crate::dns::body`]).
    pub body: &'a [u8],
    /// It is validated.
    pub secure: bool,
    /// Of a failure: why it is bogus.
    pub flaw: Flaw,
}

impl<'a> Answer<'a> {
    /// One of which nothing is proven.
    pub const fn new(rcode: u16, counts: Counts, body: &'a [u8]) -> Answer<'a> {
        Answer { rcode, counts, body, secure: false, flaw: Flaw::None }
    }
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
    /// Seconds until it is time to ask anew, so that it does not run out, which is when a tenth of its time is left; 0: it is.
    pub fresh: u32,
    /// Some RRset has more than one record.
    pub rotates: bool,
}

/// Octets beyond which a table is taken to live outside of a core's own caches.
pub(super) const LARGE: usize = 1 << 20;

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
    walk: Option<flush::Walk>,
    /// Where a walk lays out an answer.
    laid_out: Vec<u8>,
}

impl AnswerCache {
    /// A cache that takes `octets` of memory in all (at least 64 KiB), index included.
    pub fn new(octets: usize) -> AnswerCache {
        let octets = Self::clamp(octets);
        let buckets = Self::buckets_for(octets);
        let ring = (octets.saturating_sub(buckets * size_of::<Bucket>()).max(1 << 15)) / ALIGN * ALIGN;
        AnswerCache {
            buckets: bytemuck::zeroed_slice_box(buckets),
            ring: vec![0; ring],
            head: 0,
            tail: 0,
            used: 0,
            entries: 0,
            evicted: 0,
            spare: Vec::with_capacity(entry::LONGEST),
            walk: None,
            laid_out: Vec::with_capacity(entry::LONGEST),
        }
    }

    /// What can be told apart in a slot, at most.
    fn clamp(octets: usize) -> usize {
        octets.clamp(1 << 16, (u32::MAX as usize - 1) * ALIGN)
    }

    /// Entries kept, expired ones included until they are pushed out.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Octets in use.
    pub fn octets(&self) -> u64 {
        self.used as u64 + self.entries * size_of::<Slot>() as u64
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
                if self.ring.get(at..).is_some_and(|entry| entry::is_of(entry, name, key)) {
                    return Some((way, at));
                }
            }
        }
        None
    }

    /// The answer kept for a lower-case name (wire form) with its hash, unless it has expired by `now` (seconds of the
    /// caller's clock).
    #[inline]
    pub fn get(&mut self, name: &[u8], hash: u64, key: KeyFixed, now: u32) -> Option<Hit<'_>> {
        let (_, at) = self.find(name, key.fold(hash), key)?;
        entry::read(self.ring.get_mut(at..)?, name.len(), now)
    }

    /// Keeps an answer for `ttl` seconds from `now`; what was kept under the same key is replaced. An answer larger
    /// than a quarter of the cache is not kept.
    pub fn put(&mut self, name: &[u8], hash: u64, key: KeyFixed, answer: Answer<'_>, now: u32, ttl: u32) {
        let len = entry::size(name, answer);
        if ttl == 0 || len > self.ring.len() / 4 || answer.body.len() > usize::from(u16::MAX) {
            return;
        }
        self.forget(name, hash, key);
        let hash = key.fold(hash);
        let Some(at) = self.make_room(len, 4) else { return };
        entry::write(&mut self.ring[at..at + len], name, hash, key, answer, now, ttl);
        self.index(hash, at);
        self.entries += 1;
    }

    /// Sets the second from which an answer is to be asked anew by who uses it ([`Hit::fresh`]).
    pub fn set_refresh(&mut self, name: &[u8], hash: u64, key: KeyFixed, second: u32) {
        if let Some((_, at)) = self.find(name, key.fold(hash), key) {
            entry::set_refresh(&mut self.ring[at..], second);
        }
    }

    /// Counts an answer as used, if it is kept.
    pub fn touch(&mut self, name: &[u8], hash: u64, key: KeyFixed) {
        if let Some((_, at)) = self.find(name, key.fold(hash), key) {
            entry::set_used(&mut self.ring[at..]);
        }
    }

    fn forget(&mut self, name: &[u8], hash: u64, key: KeyFixed) {
        let hash = key.fold(hash);
        if let Some((way, at)) = self.find(name, hash, key) {
            let bucket = self.bucket(hash);
            self.buckets[bucket].0[way] = Slot::default();
            self.bury(at);
        }
    }

    fn bury(&mut self, at: usize) {
        entry::bury(&mut self.ring[at..]);
        self.entries -= 1;
    }

    fn index(&mut self, hash: u64, at: usize) {
        let bucket = self.bucket(hash);
        let slots = &self.buckets[bucket].0;
        let way = slots.iter().position(|slot| slot.place == 0).unwrap_or_else(|| {
            // A full bucket gives up its oldest entry that was not used, or else its oldest.
            let age = |slot: &Slot| {
                let place = (slot.place as usize - 1) * ALIGN;
                let distance = (place + self.ring.len() - self.tail) % self.ring.len();
                (entry::is_used(&self.ring[place..]), distance)
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
                    entry::write_padding(&mut self.ring[self.head..], padding);
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
        self.flush_oldest();
        let at = self.tail;
        let (len, dead) = entry::len(&self.ring[at..]);
        let spare = !dead && entry::is_used(&self.ring[at..]) && *spares > 0;
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
        let entry = &mut self.ring[at..at + len];
        entry.copy_from_slice(&self.spare);
        entry::set_unused(entry);
        let hash = entry::hash(entry);
        self.index(hash, at);
        self.entries += 1;
    }
}
