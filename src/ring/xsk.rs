//! Cursors over the four rings of an AF_XDP socket, which this process and the kernel share.
//!
//! A ring is an array of descriptors, two indices that count up and wrap, and a word of flags
//! (Documentation/networking/af_xdp.rst, include/uapi/linux/if_xdp.h, net/xdp/xsk_queue.h). This process produces into
//! the fill and the TX ring ([`Producer`]) and consumes the RX and the completion ring ([`Consumer`]).
//!
//! Work goes in batches: ask for room or for entries, write or read them one by one in plain memory, then make the
//! whole batch visible with one store. Each side works on a cached copy of the other's index and loads the shared one,
//! with Acquire, only when the copy is not enough; its own index it stores with Release. The kernel does the same
//! (`smp_load_acquire`, `smp_store_release`).
//!
//! What the kernel writes is not trusted further than memory safety allows: an index that makes no sense yields a short
//! batch, never an access outside the array.

use std::fmt;
use std::ptr::NonNull;

use super::sync::{AtomicU32, Ordering, Slot, fence};

/// `XDP_RING_NEED_WAKEUP`: the kernel waits for a system call before it looks at the ring again.
const NEED_WAKEUP: u32 = 1;

/// Where the parts of one ring lie. `D` is `u64` (a frame address) or [`Descriptor`].
#[derive(Debug)]
pub struct Parts<D> {
    /// Index of the producing side.
    pub producer: NonNull<AtomicU32>,
    /// Index of the consuming side.
    pub consumer: NonNull<AtomicU32>,
    /// Flags that the kernel sets.
    pub flags: NonNull<AtomicU32>,
    /// First of `size` entries.
    pub entries: NonNull<Slot<D>>,
    /// Number of entries, a power of two.
    pub size: u32,
}

impl<D> Parts<D> {
    /// # Safety
    /// `self` must describe a live ring and `index` is masked to it; the caller's side must own that entry.
    #[inline(always)]
    unsafe fn entry(&self, index: u32) -> *mut D {
        // SAFETY: the mask keeps the index below `size`.
        unsafe { self.entries.add((index & (self.size - 1)) as usize).as_ref().get() }
    }
}

/// A descriptor of the RX or TX ring: `struct xdp_desc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Descriptor {
    /// Offset of the packet's first byte in the UMEM.
    pub addr: u64,
    /// Length of the packet in bytes.
    pub len: u32,
    /// Options: zero, or the kernel refuses the descriptor.
    pub options: u32,
}

/// This process's end of a ring that the kernel consumes: fill or TX.
pub struct Producer<D> {
    parts: Parts<D>,
    /// Entries written, of which those before the shared index are submitted.
    written: u32,
    submitted: u32,
    consumer_seen: u32,
}

// SAFETY: the shared memory is reached through atomics and through entries that this side owns; nothing in it belongs
// to a thread.
unsafe impl<D: Send> Send for Producer<D> {}

impl<D: Copy> Producer<D> {
    /// A cursor that starts where the ring stands.
    ///
    /// # Safety
    /// The parts must stay valid for as long as the cursor lives, `size` must be a power of two and the number of
    /// entries there, and no other cursor may produce into this ring.
    pub unsafe fn new(parts: Parts<D>) -> Self {
        // SAFETY: valid by contract.
        let (written, consumer_seen) = unsafe {
            (parts.producer.as_ref().load(Ordering::Relaxed), parts.consumer.as_ref().load(Ordering::Acquire))
        };
        Self { parts, written, submitted: written, consumer_seen }
    }

    /// How many of `wanted` entries may be written now.
    #[inline]
    pub fn reserve(&mut self, wanted: u32) -> u32 {
        let mut free = self.free_seen();
        if free < wanted {
            self.load_consumer();
            free = self.free_seen();
        }
        free.min(wanted)
    }

    /// Writes the next entry; visible to the kernel after [`submit`](Self::submit). `false`: the ring is full, as far
    /// as the last [`reserve`](Self::reserve) saw.
    #[inline]
    #[must_use]
    pub fn write(&mut self, entry: D) -> bool {
        if self.free_seen() == 0 {
            return false;
        }
        // SAFETY: the ring is valid by the contract of `new`; the entry lies outside consumer..written, so the kernel
        // leaves it alone until it is submitted.
        unsafe { self.parts.entry(self.written).write(entry) };
        self.written = self.written.wrapping_add(1);
        true
    }

    /// Hands everything written since the last call to the kernel, with one store.
    #[inline]
    pub fn submit(&mut self) {
        if self.submitted != self.written {
            self.submitted = self.written;
            // SAFETY: valid by the contract of `new`.
            unsafe { self.parts.producer.as_ref() }.store(self.written, Ordering::Release);
        }
    }

    /// Whether the kernel asks for a system call to look at this ring. To be asked after [`submit`](Self::submit).
    #[inline]
    pub fn needs_wakeup(&self) -> bool {
        // The kernel sets the flag and then looks at the index once more; we store the index and then look at the flag.
        fence(Ordering::SeqCst);
        // SAFETY: valid by the contract of `new`.
        unsafe { self.parts.flags.as_ref() }.load(Ordering::Relaxed) & NEED_WAKEUP != 0
    }

    /// Entries that the kernel has not taken yet, with those not submitted.
    #[inline]
    pub fn outstanding(&mut self) -> u32 {
        self.load_consumer();
        self.parts.size - self.free_seen()
    }

    /// Entries that the kernel had taken at the last look, of all there ever were; the count wraps.
    pub const fn taken(&self) -> u32 {
        self.consumer_seen
    }

    /// Number of entries of the ring.
    pub const fn size(&self) -> u32 {
        self.parts.size
    }

    #[inline(always)]
    fn load_consumer(&mut self) {
        // SAFETY: valid by the contract of `new`.
        self.consumer_seen = unsafe { self.parts.consumer.as_ref() }.load(Ordering::Acquire);
    }

    #[inline(always)]
    fn free_seen(&self) -> u32 {
        self.parts.size.saturating_sub(self.written.wrapping_sub(self.consumer_seen))
    }
}

/// This process's end of a ring that the kernel produces into: RX or completion.
pub struct Consumer<D> {
    parts: Parts<D>,
    /// Entries read, of which those before the shared index are released.
    read: u32,
    released: u32,
    producer_seen: u32,
}

// SAFETY: as for `Producer`.
unsafe impl<D: Send> Send for Consumer<D> {}

impl<D: Copy> Consumer<D> {
    /// A cursor that starts where the ring stands.
    ///
    /// # Safety
    /// As for [`Producer::new`]: and no other cursor may consume from this ring.
    pub unsafe fn new(parts: Parts<D>) -> Self {
        // SAFETY: valid by contract.
        let (read, producer_seen) = unsafe {
            (parts.consumer.as_ref().load(Ordering::Relaxed), parts.producer.as_ref().load(Ordering::Acquire))
        };
        Self { parts, read, released: read, producer_seen }
    }

    /// How many entries, up to `wanted`, may be read now.
    #[inline]
    pub fn peek(&mut self, wanted: u32) -> u32 {
        let mut filled = self.filled_seen();
        if filled < wanted {
            // SAFETY: valid by the contract of `new`.
            self.producer_seen = unsafe { self.parts.producer.as_ref() }.load(Ordering::Acquire);
            filled = self.filled_seen();
        }
        filled.min(wanted)
    }

    /// Reads the next entry; `None` when there is none, as far as the last [`peek`](Self::peek) saw.
    #[inline]
    pub fn read(&mut self) -> Option<D> {
        if self.filled_seen() == 0 {
            return None;
        }
        // SAFETY: the ring is valid by the contract of `new`; the entry lies inside read..producer, published by the
        // kernel with Release before our Acquire load, and the kernel leaves it alone until it is released.
        let entry = unsafe { self.parts.entry(self.read).read() };
        self.read = self.read.wrapping_add(1);
        Some(entry)
    }

    /// Gives everything read since the last call back to the kernel, with one store.
    #[inline]
    pub fn release(&mut self) {
        if self.released != self.read {
            self.released = self.read;
            // SAFETY: valid by the contract of `new`.
            unsafe { self.parts.consumer.as_ref() }.store(self.read, Ordering::Release);
        }
    }

    /// Filled entries not yet read.
    pub fn len(&mut self) -> u32 {
        self.peek(self.parts.size)
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&mut self) -> bool {
        self.peek(1) == 0
    }

    /// Entries that the kernel had given at the last look, of all there ever were; the count wraps.
    pub const fn given(&self) -> u32 {
        self.producer_seen
    }

    /// Number of entries of the ring.
    pub const fn size(&self) -> u32 {
        self.parts.size
    }

    #[inline(always)]
    fn filled_seen(&self) -> u32 {
        self.producer_seen.wrapping_sub(self.read).min(self.parts.size)
    }
}

impl<D> fmt::Debug for Producer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("size", &self.parts.size).field("written", &self.written).finish()
    }
}

impl<D> fmt::Debug for Consumer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("size", &self.parts.size).field("read", &self.read).finish()
    }
}

/// Rings on memory of this process: stands in for the kernel's in tests.
#[cfg(test)]
pub mod memory {
    use super::*;

    /// The shared words and entries of one ring; outlives the cursors made on it.
    pub struct Ring<D> {
        /// Index of the producing side.
        pub producer: AtomicU32,
        /// Index of the consuming side.
        pub consumer: AtomicU32,
        /// The flags that the kernel would set.
        pub flags: AtomicU32,
        entries: Box<[Slot<D>]>,
    }

    // SAFETY: entries are touched through the cursors, whose indices keep the two sides apart: what is under test.
    unsafe impl<D: Send> Sync for Ring<D> {}

    impl<D: Copy + Default> Ring<D> {
        /// A ring of `size` entries whose indices start at `start`, to let them wrap early.
        pub fn new(size: u32, start: u32) -> Self {
            Self {
                producer: AtomicU32::new(start),
                consumer: AtomicU32::new(start),
                flags: AtomicU32::new(0),
                entries: (0..size).map(|_| Slot::new(D::default())).collect(),
            }
        }

        /// Its parts, for a cursor.
        pub fn parts(&self) -> Parts<D> {
            Parts {
                producer: NonNull::from(&self.producer),
                consumer: NonNull::from(&self.consumer),
                flags: NonNull::from(&self.flags),
                entries: NonNull::from(&self.entries[..]).cast(),
                size: self.entries.len() as u32,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
#[path = "xsk_tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "xsk_loom_tests.rs"]
mod loom_tests;
