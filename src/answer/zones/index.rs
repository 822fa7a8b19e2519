//! Where nodes are found by the hashes of their names.

use super::node::NONE;
use super::pages::Pages;
use crate::sys::prefetch::prefetch;

/// Slots of the smallest index.
const SLOTS: usize = 64;
const BITS: u32 = 12;

/// Half of a name's hash and its node; [`NONE`]: free.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) tag: u32,
    pub(super) node: u32,
}

impl Slot {
    const FREE: Slot = Slot { tag: 0, node: NONE };

    pub(super) fn new(hash: u64, node: u32) -> Slot {
        Slot { tag: (hash >> 32) as u32, node }
    }

    pub(super) fn is_free(self) -> bool {
        self.node == NONE
    }
}

/// Open addressing, linear probing. Places count up to a power of two; some have no slot, and searches pass them by.
#[derive(Clone)]
pub(super) struct Index {
    slots: Pages<Slot, BITS>,
    /// Places less one.
    mask: u32,
}

impl Index {
    /// With room for about two thirds of `slots` nodes.
    pub(super) fn new(slots: usize) -> Index {
        let places = slots.max(SLOTS).next_power_of_two().min(1 << 31);
        Index { slots: Pages::filled(Slot::FREE, places), mask: places as u32 - 1 }
    }

    /// Places, some of which have no slot of their own.
    pub(super) fn places(&self) -> usize {
        self.mask as usize + 1
    }

    /// Where the search for a hash starts.
    #[inline]
    pub(super) fn home(&self, hash: u64) -> u32 {
        hash as u32 & self.mask
    }

    /// The next place that a search looks at.
    #[inline]
    pub(super) fn after(&self, place: u32) -> u32 {
        (place + 1) & self.mask
    }

    /// What is at a place; `None`: it has no slot, the search goes on.
    #[inline]
    pub(super) fn slot(&self, place: u32) -> Option<Slot> {
        self.slots.try_get(place).copied()
    }

    /// Has the slot's memory fetched.
    #[inline]
    pub(super) fn prefetch(&self, place: u32) {
        if let Some(slot) = self.slots.try_get(place) {
            prefetch(slot);
        }
    }

    /// Puts a node in, that is not there yet, while there is a free slot.
    pub(super) fn insert(&mut self, hash: u64, node: u32) {
        let mut place = self.home(hash);
        while !self.slot(place).is_some_and(Slot::is_free) {
            place = self.after(place);
        }
        *self.slots.get_mut(place) = Slot::new(hash, node);
    }

    /// Takes out a node, that is there; the slots that a search would pass it to reach move up. `hash_of` gives a node's
    /// hash.
    pub(super) fn remove(&mut self, node: u32, mut hash_of: impl FnMut(u32) -> u64) {
        let mut hole = self.home(hash_of(node));
        while self.slot(hole).is_none_or(|slot| slot.node != node) {
            hole = self.after(hole);
        }
        let mut next = hole;
        loop {
            next = self.after(next);
            let Some(slot) = self.slot(next) else { continue };
            if slot.is_free() {
                break;
            }
            let home = self.home(hash_of(slot.node));
            if next.wrapping_sub(home) & self.mask >= next.wrapping_sub(hole) & self.mask {
                *self.slots.get_mut(hole) = slot;
                hole = next;
            }
        }
        *self.slots.get_mut(hole) = Slot::FREE;
    }
}

/// A bit for each hash that some name has or had: most names that are asked for have no node, and end here.
#[derive(Clone)]
pub(super) struct Filter(Box<[u64; 512]>);

impl Filter {
    pub(super) fn empty() -> Filter {
        Filter(Box::new([0; 512]))
    }

    #[inline]
    pub(super) fn may_have(&self, hash: u64) -> bool {
        self.0[(hash >> 40) as usize & 511] >> (hash >> 34 & 63) & 1 != 0
    }

    pub(super) fn add(&mut self, hash: u64) {
        self.0[(hash >> 40) as usize & 511] |= 1 << (hash >> 34 & 63);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(index: &Index, hash: u64) -> Option<u32> {
        let places = std::iter::successors(Some(index.home(hash)), |place| Some(index.after(*place)));
        let mut slots = places.filter_map(|place| index.slot(place)).take_while(|slot| !slot.is_free());
        slots.find(|slot| slot.tag == (hash >> 32) as u32).map(|slot| slot.node)
    }

    /// Hashes crowd at the ends of pages and of the table, where places have no slot and searches wrap around.
    #[test]
    fn what_is_put_in_is_found_until_it_is_taken_out() {
        for slots in [64, 4096, 8192] {
            let mut index = Index::new(slots);
            let hashes: Vec<u64> =
                (0..40u64).map(|number| number << 32 | (slots as u64 - 1 - number % 12) ^ (number % 2) << 12).collect();
            for (node, &hash) in (0..).zip(&hashes) {
                index.insert(hash, node);
            }
            for gone in 0..40usize {
                assert_eq!(found(&index, hashes[gone]), Some(gone as u32), "{slots}");
                index.remove(gone as u32, |node| hashes[node as usize]);
                assert_eq!(found(&index, hashes[gone]), None, "{slots}");
                for (left, &hash) in hashes.iter().enumerate().skip(gone + 1) {
                    assert_eq!(found(&index, hash), Some(left as u32), "{slots}");
                }
            }
        }
    }
}
