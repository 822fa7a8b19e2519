//! The worker's side of the table: it alone writes to slots and what holds for all of them, the program to hits.
//!
//! A slot that was told is emptied first and written again a second later at the earliest, when no program reads it any
//! more; whoever calls keeps that time. A program looks at the slot's stamp again when it has read, and one that was kept from
//! its processor for longer finds another there.

use super::layout::{GENERATION_SHIFT, HIT_WORDS, Key, Reply, SLOTS, Slot, WAYS, WORDS, control};
use super::memory::Memory;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// See the module's text.
pub struct Slots {
    slots: Memory,
    hits: Memory,
    control: Memory,
    secret: (u64, u64),
    generation: u64,
    /// How often a slot was written.
    writings: u32,
}

/// Queries that a slot has answered since the table was made, by IP version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Over IPv4.
    pub v4: u64,
    /// Over IPv6.
    pub v6: u64,
}

impl Hits {
    /// Those that came since there were `before`.
    pub fn since(self, before: Hits) -> Hits {
        Hits { v4: self.v4.wrapping_sub(before.v4), v6: self.v6.wrapping_sub(before.v6) }
    }
}

impl Slots {
    /// Takes the table's memory; `class` is the traffic class of replies. Nothing is told yet.
    ///
    /// # Errors
    /// When the kernel gives no random words.
    pub(super) fn new(slots: Memory, hits: Memory, control: Memory, class: u8) -> io::Result<Slots> {
        let word = || getrandom::u64().map_err(io::Error::other);
        let secret = (word()?, word()? | 1);
        let slots = Slots { slots, hits, control, secret, generation: 0, writings: 0 };
        slots.set(control::GENERATION, 0);
        slots.set(control::HASH_START, secret.0);
        slots.set(control::HASH_FACTOR, secret.1);
        slots.set(control::TRAFFIC_CLASS, class.into());
        Ok(slots)
    }

    /// Of memory that no program reads, for tests.
    #[doc(hidden)]
    pub fn unread() -> Slots {
        let [slots, hits, control] =
            [SLOTS * WORDS, SLOTS * HIT_WORDS, control::WORDS].map(|words| Memory::of(words * 8));
        Slots { slots, hits, control, secret: (1, 0x9e37_79b9_7f4a_7c15), generation: 0, writings: 0 }
    }

    /// Has all that was told be told no more, and what is put from now on. To be called before anything changes by which it was
    /// told.
    pub fn begin_generation(&mut self) {
        self.generation += 1;
        self.set(control::GENERATION, self.generation);
    }

    /// The number of the generation.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Says that the worker is there: `now` in nanoseconds of the monotonic clock.
    pub fn beat(&mut self, now: u64) {
        self.set(control::HEARTBEAT, now);
    }

    /// The hash of a key, and the first of the slots that may answer for it.
    pub fn place(&self, key: &Key) -> (u64, usize) {
        let hash = key.hash(self.secret);
        (hash, (hash >> 32) as usize & (SLOTS - WAYS))
    }

    /// Has a slot, which is empty for a second at least, answer.
    pub fn put(&mut self, index: usize, key: &Key, reply: &Reply) {
        let words: [u64; WORDS] = bytemuck::cast(Slot::new(key, reply));
        let writing = self.writings.wrapping_add(1);
        let Some((stamp, rest)) = self.slot(index).and_then(<[AtomicU64]>::split_first) else { return };
        for (to, from) in rest.iter().zip(&words[1..]) {
            to.store(*from, Ordering::Relaxed);
        }
        stamp.store(self.generation << GENERATION_SHIFT | u64::from(writing), Ordering::Release);
        self.writings = writing;
    }

    /// Empties a slot.
    pub fn empty(&mut self, index: usize) {
        if let Some([stamp, ..]) = self.slot(index) {
            stamp.store(0, Ordering::Release);
        }
    }

    /// How many queries a slot has answered.
    pub fn hits(&self, index: usize) -> Hits {
        match self.hits.words().get(index * HIT_WORDS..) {
            Some([v4, v6, ..]) => Hits { v4: v4.load(Ordering::Relaxed), v6: v6.load(Ordering::Relaxed) },
            _ => Hits::default(),
        }
    }

    /// Has a slot answered so often, in memory that no program writes to.
    #[cfg(test)]
    pub(crate) fn set_hits(&self, index: usize, hits: Hits) {
        for (word, count) in self.hits.words()[index * HIT_WORDS..].iter().zip([hits.v4, hits.v6]) {
            word.store(count, Ordering::Relaxed);
        }
    }

    fn slot(&self, index: usize) -> Option<&[AtomicU64]> {
        self.slots.words().get(index * WORDS..(index + 1) * WORDS)
    }

    fn set(&self, word: usize, value: u64) {
        if let Some(place) = self.control.words().get(word) {
            place.store(value, Ordering::Release);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::xdp::answers::{HEAD, QueryEdns};
    use arrayvec::ArrayVec;

    #[test]
    fn each_writing_of_a_slot_has_a_stamp_of_its_own() {
        let mut slots = Slots::unread();
        let key = |name: &[u8]| Key::new(&[name, &[0, 1, 0, 1]].concat(), 0x0100, QueryEdns::None).unwrap();
        let reply =
            Reply { head: [0; HEAD], body: ArrayVec::new(), ttls: ArrayVec::new(), rotated: None, second: 1, until: 2 };
        let stamp = |slots: &Slots| slots.slot(3).unwrap()[0].load(Ordering::Relaxed);
        slots.begin_generation();
        slots.put(3, &key(b"\x01a\0"), &reply);
        let first = stamp(&slots);
        slots.empty(3);
        assert_eq!(stamp(&slots), 0);
        // Who was kept from looking meanwhile sees that it is not what it found.
        slots.put(3, &key(b"\x01b\0"), &reply);
        let second = stamp(&slots);
        assert_ne!(first, second);
        assert_eq!([first, second].map(|stamp| stamp >> GENERATION_SHIFT), [slots.generation(); 2]);
        slots.begin_generation();
        assert_ne!(second >> GENERATION_SHIFT, slots.generation());
    }
}
