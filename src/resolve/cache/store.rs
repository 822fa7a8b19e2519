//! Fixed memory for entries of any length: a ring of octets and an index that finds them.
//!
//! New entries are written at the head. To make room the oldest is dropped; one that was used since it was written or moved is
//! moved to the head instead, once for every time that it was used, so what is in use outlives a flood of what is asked once.
//! An entry keeps its slot of the index for as long as it lives, wherever it lies: the slot's number is a lasting name for it.
//! All memory is asked for at once and taken by the page as it is written to, but for a large store's index, which is taken at
//! once; nothing is allocated afterwards.

use crate::dns::{get_u32, put_u32};
use crate::sys::memory;
use crate::sys::prefetch::prefetch;
use bytemuck::Zeroable;

/// Entries begin at multiples of this, and are multiples of it long.
const ALIGN: usize = 8;
/// In front of an entry: its length with its states, and its slot; padding has the first alone.
const HEADER: usize = 8;
/// Padding, or an entry that was replaced or removed.
const DEAD: u32 = 1;
/// Used since it was written or moved.
const USED: u32 = 2;
const STATES: u32 = ALIGN as u32 - 1;

/// Octets that the processor fetches at a time.
const LINE: usize = 64;
const WAYS: usize = 8;
/// A slot of the index for as many octets.
const OCTETS_PER_SLOT: usize = 64;
/// Entries moved at most to make room for one: a turn stays short, whatever is in use.
const MOVES: u32 = 32;
/// An entry may have this part of the ring at most.
const LARGEST_PART: usize = 8;
/// Least and most octets of a store.
const LEAST: usize = 1 << 16;
const MOST: usize = (u32::MAX as usize - 1) * ALIGN;

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
pub(super) struct Store {
    buckets: Box<[Bucket]>,
    ring: Box<[u8]>,
    /// Where the next entry goes.
    head: usize,
    /// The oldest entry.
    tail: usize,
    /// Octets between tail and head.
    used: usize,
    entries: u64,
    evicted: u64,
}

/// How far a walk over a store has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Walk(u32);

impl Store {
    /// A store of `octets` in all, index included; at least 64 KiB, at most 32 GiB.
    ///
    /// # Errors
    /// That there is no memory for it: what limits it, and the fix.
    pub(super) fn new(octets: usize) -> Result<Store, String> {
        let octets = octets.clamp(LEAST, MOST);
        let buckets = octets / (OCTETS_PER_SLOT * WAYS);
        let ring = (octets - buckets * size_of::<Bucket>()) / ALIGN * ALIGN;
        let (mut buckets, ring) = (memory::zeroed(buckets)?, memory::zeroed(ring)?);
        memory::in_large_pages(&mut buckets);
        Ok(Store { buckets, ring, head: 0, tail: 0, used: 0, entries: 0, evicted: 0 })
    }

    /// Entries kept.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// Octets in use, with the slots of the index.
    pub(super) fn octets(&self) -> u64 {
        self.used as u64 + self.entries * size_of::<Slot>() as u64
    }

    /// Entries dropped to make room so far.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The slot of the entry with this hash of which `is` is true.
    pub(super) fn find(&self, hash: u64, is: impl Fn(&[u8]) -> bool) -> Option<u32> {
        let (bucket, tag) = self.bucket(hash);
        let first = (bucket * WAYS) as u32;
        let slots = &self.buckets[bucket].0;
        (first..).zip(slots).find(|(place, slot)| slot.tag == tag && self.get(*place).is_some_and(&is)).map(|(p, _)| p)
    }

    /// The entry in a slot; up to seven octets of padding follow what was put in.
    pub(super) fn get(&self, slot: u32) -> Option<&[u8]> {
        let at = self.place(slot)?;
        self.ring.get(at + HEADER..at + self.len_at(at))
    }

    /// As [`Self::get`], to be changed.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut [u8]> {
        let at = self.place(slot)?;
        let len = self.len_at(at);
        self.ring.get_mut(at + HEADER..at + len)
    }

    /// Has the slots for a hash fetched from memory, for [`Self::find`] a moment later.
    #[inline]
    pub(super) fn fetch_slots(&self, hash: u64) {
        prefetch(&self.buckets[self.bucket(hash).0]);
    }

    /// A slot that may be that of the entry with this hash, by the slots alone.
    #[inline]
    pub(super) fn guess(&self, hash: u64) -> Option<u32> {
        let (bucket, tag) = self.bucket(hash);
        let way = self.buckets[bucket].0.iter().position(|slot| slot.tag == tag && slot.place != 0)?;
        Some((bucket * WAYS + way) as u32)
    }

    /// Has a slot fetched from memory.
    #[inline]
    pub(super) fn fetch_slot(&self, slot: u32) {
        if let Some(bucket) = self.buckets.get(slot as usize / WAYS) {
            prefetch(bucket);
        }
    }

    /// Has the beginning of the entry in a slot fetched from memory.
    #[inline]
    pub(super) fn fetch_entry(&self, slot: u32) {
        for part in
            self.place(slot).and_then(|at| self.ring.get(at..)).into_iter().flat_map(|entry| entry.chunks(LINE).take(2))
        {
            prefetch(&part[0]);
        }
    }

    /// Takes note that the entry in a slot was used.
    pub(super) fn touch(&mut self, slot: u32) {
        if let Some(at) = self.place(slot) {
            self.set_states(at, USED);
        }
    }

    /// Puts an entry in; gives its slot, `None` when it is too long.
    pub(super) fn insert(&mut self, hash: u64, entry: &[u8]) -> Option<u32> {
        let len = self.len_of(entry)?;
        let at = self.make_room(len)?;
        let slot = self.free_slot(hash);
        self.write(at, len, slot, entry);
        let (_, tag) = self.bucket(hash);
        *self.slot_mut(slot) = Slot { tag, place: (at / ALIGN + 1) as u32 };
        self.entries += 1;
        Some(slot)
    }

    /// Puts an entry in the place of the one in `slot`. False when there is none, and when the new one is too long: then the
    /// old one is gone.
    pub(super) fn replace(&mut self, slot: u32, entry: &[u8]) -> bool {
        let Some(old) = self.place(slot) else { return false };
        let len = self.len_of(entry);
        if len == Some(self.len_at(old)) {
            self.write(old, self.len_at(old), slot, entry);
            // It is new where it lies as if it were old.
            self.set_states(old, USED);
            return true;
        }
        self.set_states(old, DEAD);
        match len.and_then(|len| Some((len, self.make_room(len)?))) {
            Some((len, at)) => {
                self.write(at, len, slot, entry);
                self.slot_mut(slot).place = (at / ALIGN + 1) as u32;
                true
            }
            None => {
                *self.slot_mut(slot) = Slot::default();
                self.entries -= 1;
                false
            }
        }
    }

    /// Takes the entry in a slot out.
    pub(super) fn remove(&mut self, slot: u32) {
        if let Some(at) = self.place(slot) {
            self.set_states(at, DEAD);
            *self.slot_mut(slot) = Slot::default();
            self.entries -= 1;
        }
    }

    /// Takes everything out.
    pub(super) fn clear(&mut self) {
        // What was never written to stays untouched, and so without memory.
        for bucket in self.buckets.iter_mut().filter(|bucket| bucket.0.iter().any(|slot| slot.place != 0)) {
            *bucket = Bucket::default();
        }
        (self.head, self.tail, self.used, self.entries) = (0, 0, 0, 0);
    }

    /// Goes on with a walk over all entries, over those of at most `steps` buckets (eight slots each), and takes out what
    /// `takes` says; true at the end. What is put in meanwhile may be met or not; all else is met once.
    pub(super) fn walk(&mut self, walk: &mut Walk, steps: usize, mut takes: impl FnMut(u32, &[u8]) -> bool) -> bool {
        let end = self.buckets.len() * WAYS;
        let stop = steps.saturating_mul(WAYS).saturating_add(walk.0 as usize).min(end) as u32;
        for slot in walk.0..stop {
            if self.get(slot).is_some_and(|entry| takes(slot, entry)) {
                self.remove(slot);
            }
        }
        walk.0 = stop;
        stop as usize == end
    }

    fn bucket(&self, hash: u64) -> (usize, u32) {
        let bucket = ((hash & u64::from(u32::MAX)) * self.buckets.len() as u64) >> 32;
        (bucket as usize, (hash >> 32) as u32)
    }

    fn place(&self, slot: u32) -> Option<usize> {
        let slot = self.buckets.get(slot as usize / WAYS)?.0[slot as usize % WAYS];
        Some((slot.place as usize).checked_sub(1)? * ALIGN)
    }

    fn slot_mut(&mut self, slot: u32) -> &mut Slot {
        &mut self.buckets[slot as usize / WAYS].0[slot as usize % WAYS]
    }

    fn len_of(&self, entry: &[u8]) -> Option<usize> {
        let len = (HEADER + entry.len()).next_multiple_of(ALIGN);
        (len <= self.ring.len() / LARGEST_PART).then_some(len)
    }

    fn word_at(&self, at: usize) -> u32 {
        get_u32(&self.ring, at).unwrap_or(DEAD)
    }

    fn len_at(&self, at: usize) -> usize {
        ((self.word_at(at) & !STATES) as usize).max(ALIGN)
    }

    fn set_states(&mut self, at: usize, states: u32) {
        let word = self.word_at(at) | states;
        put_u32(&mut self.ring, at, word);
    }

    fn write(&mut self, at: usize, len: usize, slot: u32, entry: &[u8]) {
        put_u32(&mut self.ring, at, len as u32);
        put_u32(&mut self.ring, at + 4, slot);
        self.ring[at + HEADER..][..entry.len()].copy_from_slice(entry);
    }

    /// An empty slot for a hash. A full bucket gives up its oldest entry that was not used, or else its oldest.
    fn free_slot(&mut self, hash: u64) -> u32 {
        let (bucket, _) = self.bucket(hash);
        let first = bucket * WAYS;
        let size = self.ring.len();
        let value = |slot: &Slot| {
            let at = (slot.place as usize).checked_sub(1)? * ALIGN;
            Some((self.word_at(at) & USED != 0, (at + size - self.tail) % size))
        };
        let slots = &self.buckets[bucket].0;
        // Only of a full bucket are the entries looked at: they lie far apart.
        let empty = slots.iter().position(|slot| slot.place == 0);
        let way = empty.or_else(|| (0..WAYS).min_by_key(|&way| value(&slots[way]))).unwrap_or(0);
        let slot = (first + way) as u32;
        if slots[way].place != 0 {
            self.remove(slot);
            self.evicted += 1;
        }
        slot
    }

    /// Frees `len` octets in a row and moves the head behind them; gives their place.
    fn make_room(&mut self, len: usize) -> Option<usize> {
        let mut moves = MOVES;
        // Every turn frees the oldest entry, or takes one of the moves, so this ends.
        loop {
            if let Some(at) = self.room(len) {
                return Some(at);
            }
            if self.used == 0 {
                return None;
            }
            self.drop_oldest(&mut moves);
        }
    }

    /// The same where it is free already.
    fn room(&mut self, len: usize) -> Option<usize> {
        let size = self.ring.len();
        let to_end = size - self.head;
        let padding = if to_end < len { to_end } else { 0 };
        if size - self.used < padding + len {
            return None;
        }
        if padding > 0 {
            put_u32(&mut self.ring, self.head, padding as u32 | DEAD);
            self.head = 0;
        }
        let at = self.head;
        self.head = (at + len) % size;
        self.used += padding + len;
        Some(at)
    }

    fn drop_oldest(&mut self, moves: &mut u32) {
        let at = self.tail;
        let (word, len) = (self.word_at(at), self.len_at(at));
        self.tail = (at + len) % self.ring.len();
        self.used -= len.min(self.used);
        if word & DEAD != 0 {
            return;
        }
        let slot = get_u32(&self.ring, at + 4).unwrap_or(0);
        // Its own octets are free now, so there is room, except where it would not fit before the ring's end.
        if word & USED != 0
            && *moves > 0
            && let Some(to) = self.room(len)
        {
            *moves -= 1;
            self.ring.copy_within(at..at + len, to);
            put_u32(&mut self.ring, to, word & !USED);
            self.slot_mut(slot).place = (to / ALIGN + 1) as u32;
            return;
        }
        *self.slot_mut(slot) = Slot::default();
        self.entries -= 1;
        self.evicted += 1;
    }
}

#[cfg(test)]
impl Store {
    /// Entries by a walk over the ring, each with a slot that leads to it, and octets taken in all.
    pub(super) fn audit(&self) -> (u64, usize) {
        let (mut at, mut left, mut live) = (self.tail, self.used, 0);
        while left > 0 {
            let (word, len) = (self.word_at(at), self.len_at(at));
            if word & DEAD == 0 {
                live += 1;
                assert_eq!(self.place(get_u32(&self.ring, at + 4).unwrap()), Some(at));
            }
            (at, left) = ((at + len) % self.ring.len(), left - len);
        }
        assert_eq!(at, self.head);
        (live, self.ring.len() + self.buckets.len() * size_of::<Bucket>())
    }
}
