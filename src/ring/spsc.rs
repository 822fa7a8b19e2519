//! Bounded ring between one producing and one consuming thread, written and read in place.
//!
//! A slot is never moved: the producer fills it where it lies ([`Producer::reserve`], [`Producer::publish`]), the
//! consumer uses it there ([`Consumer::front`], [`Consumer::release`]). So messages may be large, and one that was
//! used keeps its content (and its heap capacity, if it has any) for the next round.
//!
//! Each side keeps its own index and a copy of the other's, and looks at the other's cache line only when the copy
//! says full or empty. An index is stored with Release after the slot was used and loaded with Acquire before the slot
//! is: that is all the ordering the protocol needs, on any CPU.

use std::fmt;

use bytemuck::Zeroable;
use crossbeam_utils::CachePadded;

use super::sync::{Arc, AtomicUsize, Ordering, Slot};

/// Ring with `capacity` slots, rounded up to a power of two, each made by `make`.
pub fn channel<T>(capacity: usize, mut make: impl FnMut() -> T) -> (Producer<T>, Consumer<T>) {
    let capacity = capacity.max(1).next_power_of_two();
    ends((0..capacity).map(|_| Slot::new(make())).collect())
}

/// Ring with `capacity` zeroed slots, rounded up to a power of two.
///
/// The memory comes from the allocator already zeroed: slots that were never used take up address space, not RAM, so
/// `T` may be as large as the largest DNS message.
pub fn channel_zeroed<T: Zeroable>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let capacity = capacity.max(1).next_power_of_two();
    ends(zeroed_slots(capacity))
}

#[cfg(not(loom))]
fn zeroed_slots<T: Zeroable>(count: usize) -> Box<[Slot<T>]> {
    let values: *mut [T] = Box::into_raw(bytemuck::zeroed_slice_box(count));
    // SAFETY: `Slot<T>` is a transparent wrapper of an `UnsafeCell<T>`, itself transparent: same layout, and the box
    // is unique.
    unsafe { Box::from_raw(values as *mut [Slot<T>]) }
}

#[cfg(loom)]
fn zeroed_slots<T: Zeroable>(count: usize) -> Box<[Slot<T>]> {
    (0..count).map(|_| Slot::new(T::zeroed())).collect()
}

fn ends<T>(slots: Box<[Slot<T>]>) -> (Producer<T>, Consumer<T>) {
    let shared = Arc::new(Shared {
        tail: CachePadded::new(AtomicUsize::new(0)),
        head: CachePadded::new(AtomicUsize::new(0)),
        slots,
    });
    let producer = Producer { shared: Arc::clone(&shared), tail: 0, head_seen: 0, reserved: false };
    (producer, Consumer { shared, head: 0, tail_seen: 0, held: false })
}

/// Indices count up for ever and wrap; their difference is the number of filled slots.
struct Shared<T> {
    /// First slot not yet published; stored by the producer.
    tail: CachePadded<AtomicUsize>,
    /// First slot not yet released; stored by the consumer.
    head: CachePadded<AtomicUsize>,
    /// A power of two of them.
    slots: Box<[Slot<T>]>,
}

// SAFETY: a slot is reached through `Producer` or `Consumer` alone, each of which exists once; the indices hand it from
// one to the other, so it is never used by two threads at a time. Values cross threads, hence `T: Send`.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: owns its slots; see above.
unsafe impl<T: Send> Send for Shared<T> {}

impl<T> Shared<T> {
    #[inline(always)]
    fn slot(&self, index: usize) -> *mut T {
        self.slots[index & (self.slots.len() - 1)].get()
    }
}

/// The end that fills slots.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    tail: usize,
    head_seen: usize,
    reserved: bool,
}

impl<T> Producer<T> {
    /// Slots of this ring.
    pub fn capacity(&self) -> usize {
        self.shared.slots.len()
    }

    /// The next free slot, to be filled; `None` when the ring is full.
    ///
    /// It holds what its last use left there. Called again before [`publish`](Self::publish) it gives the same slot.
    #[inline]
    pub fn reserve(&mut self) -> Option<&mut T> {
        if self.tail.wrapping_sub(self.head_seen) == self.capacity() {
            self.head_seen = self.shared.head.load(Ordering::Acquire);
            if self.tail.wrapping_sub(self.head_seen) == self.capacity() {
                return None;
            }
        }
        self.reserved = true;
        // SAFETY: the slot lies outside head..tail, so the consumer leaves it alone until `tail` moves past it, and the
        // Acquire load above came after its last use. `&mut self` keeps it unique on this side.
        Some(unsafe { &mut *self.shared.slot(self.tail) })
    }

    /// Hands the reserved slot to the consumer. Without a reserved slot it does nothing.
    #[inline]
    pub fn publish(&mut self) {
        if !std::mem::take(&mut self.reserved) {
            return;
        }
        #[cfg(loom)]
        self.shared.slot(self.tail);
        self.tail = self.tail.wrapping_add(1);
        self.shared.tail.store(self.tail, Ordering::Release);
    }

    /// Free slots now. The consumer can only make it more.
    pub fn free(&mut self) -> usize {
        self.head_seen = self.shared.head.load(Ordering::Acquire);
        self.capacity() - self.tail.wrapping_sub(self.head_seen)
    }
}

/// The end that uses filled slots, in the order they were published.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    head: usize,
    tail_seen: usize,
    held: bool,
}

impl<T> Consumer<T> {
    /// Slots of this ring.
    pub fn capacity(&self) -> usize {
        self.shared.slots.len()
    }

    /// The oldest filled slot; `None` when the ring is empty.
    ///
    /// Called again before [`release`](Self::release) it gives the same slot.
    #[inline]
    pub fn front(&mut self) -> Option<&mut T> {
        if self.head == self.tail_seen {
            self.tail_seen = self.shared.tail.load(Ordering::Acquire);
            if self.head == self.tail_seen {
                return None;
            }
        }
        self.held = true;
        // SAFETY: the slot lies inside head..tail: published with Release before the Acquire load above, and the
        // producer leaves it alone until `head` moves past it. `&mut self` keeps it unique on this side.
        Some(unsafe { &mut *self.shared.slot(self.head) })
    }

    /// The filled slot number `place` behind the oldest, of those that were there when [`front`](Self::front) or
    /// [`len`](Self::len) looked last.
    #[inline]
    pub fn behind(&self, place: usize) -> Option<&T> {
        let is_filled = place < self.tail_seen.wrapping_sub(self.head);
        // SAFETY: as in `front`, and nobody writes to the slot while `&self` is borrowed: `front` wants `&mut self`.
        is_filled.then(|| unsafe { &*self.shared.slot(self.head.wrapping_add(place)) })
    }

    /// Gives the slot that [`front`](Self::front) showed back to the producer. Without one it does nothing.
    #[inline]
    pub fn release(&mut self) {
        if !std::mem::take(&mut self.held) {
            return;
        }
        #[cfg(loom)]
        self.shared.slot(self.head);
        self.head = self.head.wrapping_add(1);
        self.shared.head.store(self.head, Ordering::Release);
    }

    /// Filled slots now. The producer can only make it more.
    pub fn len(&mut self) -> usize {
        self.tail_seen = self.shared.tail.load(Ordering::Acquire);
        self.tail_seen.wrapping_sub(self.head)
    }

    /// Whether no slot is filled now.
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("capacity", &self.capacity()).field("tail", &self.tail).finish()
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("capacity", &self.capacity()).field("head", &self.head).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn full_ring_refuses_and_takes_again_after_release() {
        let (mut producer, mut consumer) = channel(3, || 0u32);
        assert_eq!(producer.capacity(), 4, "rounded up to a power of two");
        for value in 1..=4 {
            *producer.reserve().expect("a free slot") = value;
            producer.publish();
        }
        assert!(producer.reserve().is_none());
        assert_eq!((producer.free(), consumer.len()), (0, 4));
        assert_eq!(consumer.front().copied(), Some(1));
        assert_eq!(consumer.front().copied(), Some(1), "the same slot until it is released");
        consumer.release();
        assert_eq!(consumer.front().copied(), Some(2));
        assert_eq!(producer.free(), 1);
        assert!(producer.reserve().is_some());
    }

    #[test]
    fn what_is_behind_the_oldest_is_what_comes_next() {
        let (mut producer, mut consumer) = channel(4, || 0u32);
        let mut seen = Vec::new();
        for round in 0..3 {
            for value in 0..3 {
                *producer.reserve().expect("a free slot") = round * 10 + value;
                producer.publish();
            }
            assert_eq!(consumer.len(), 3);
            assert_eq!(
                [0, 1, 2, 3].map(|place| consumer.behind(place).copied()),
                [Some(round * 10), Some(round * 10 + 1), Some(round * 10 + 2), None]
            );
            while let Some(value) = consumer.front() {
                seen.push(*value);
                consumer.release();
            }
            assert_eq!(consumer.behind(0), None);
        }
        assert_eq!(seen, [0, 1, 2, 10, 11, 12, 20, 21, 22]);
    }

    #[test]
    fn publish_and_release_without_a_slot_do_nothing() {
        let (mut producer, mut consumer) = channel(2, || 0u32);
        producer.publish();
        consumer.release();
        assert_eq!((producer.free(), consumer.len()), (2, 0));
        *producer.reserve().expect("a free slot") = 7;
        producer.publish();
        producer.publish();
        assert_eq!(consumer.len(), 1);
        assert_eq!(consumer.front().copied(), Some(7));
        consumer.release();
        consumer.release();
        assert!(consumer.is_empty());
        assert_eq!(producer.free(), 2);
    }

    #[test]
    fn slots_keep_their_heap_capacity() {
        let (mut producer, mut consumer) = channel(1, || Vec::<u8>::with_capacity(100));
        for round in 0..3 {
            let slot = producer.reserve().expect("a free slot");
            assert!(slot.capacity() >= 100, "round {round}");
            slot.clear();
            slot.push(round);
            producer.publish();
            assert_eq!(consumer.front().map(|slot| slot[0]), Some(round));
            consumer.release();
        }
    }

    #[test]
    fn large_zeroed_slots_arrive_whole_across_threads() {
        const MESSAGES: u32 = 20_000;
        #[derive(Clone, Copy, Zeroable)]
        #[repr(C)]
        struct Large {
            first: u32,
            body: [u8; 65_532],
            last: u32,
        }
        let (mut producer, mut consumer) = channel_zeroed::<Large>(1 << 10);
        let writer = std::thread::spawn(move || {
            for value in 0..MESSAGES {
                while producer.free() == 0 {
                    std::thread::yield_now();
                }
                let slot = producer.reserve().expect("a free slot");
                (slot.first, slot.last) = (value, !value);
                producer.publish();
            }
        });
        let mut expected = 0;
        while expected < MESSAGES {
            match consumer.front() {
                Some(slot) => assert_eq!((slot.first, slot.last), (expected, !expected)),
                None => {
                    std::thread::yield_now();
                    continue;
                }
            }
            consumer.release();
            expected += 1;
        }
        writer.join().expect("writer ends");
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;

    /// Through a ring of two slots, so that it fills, empties and wraps: every value arrives once, in order, whole.
    #[test]
    fn loom_values_arrive_whole_and_in_order() {
        loom::model(|| {
            let (mut producer, mut consumer) = channel(2, || (0u32, 0u32));
            let writer = loom::thread::spawn(move || {
                let mut value = 1;
                while value <= 3 {
                    match producer.reserve() {
                        Some(slot) => *slot = (value, !value),
                        None => {
                            loom::thread::yield_now();
                            continue;
                        }
                    }
                    producer.publish();
                    value += 1;
                }
            });
            let mut expected = 1;
            while expected <= 3 {
                match consumer.front() {
                    Some(slot) => assert_eq!(*slot, (expected, !expected)),
                    None => {
                        loom::thread::yield_now();
                        continue;
                    }
                }
                consumer.release();
                expected += 1;
            }
            writer.join().expect("writer ends");
        });
    }

    /// What `free` and `len` say is never more than what is there.
    #[test]
    fn loom_counts_are_lower_bounds() {
        loom::model(|| {
            let (mut producer, mut consumer) = channel(2, || 0u32);
            let writer = loom::thread::spawn(move || {
                for _ in 0..2 {
                    assert!(producer.free() > 0);
                    *producer.reserve().expect("free said so") = 1;
                    producer.publish();
                }
            });
            for _ in 0..consumer.len() {
                assert_eq!(consumer.front().copied(), Some(1));
                consumer.release();
            }
            writer.join().expect("writer ends");
        });
    }
}
