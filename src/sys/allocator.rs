//! The system's allocator, which also counts what one watched thread asks of it.
//!
//! The worker must not touch the heap once it runs. That is a promise to be checked in the field, not only in a test:
//! the count is shown with the other statistics. Other threads pay one look at a thread-local flag. What the system
//! refuses is said in one line, since it ends the process.

use super::memory;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// To be made the global allocator by the program.
pub struct CountingAllocator;

static WATCHED_ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
/// Octets of the first of them: the best clue to where it was.
static FIRST_OCTETS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// Counts the calling thread's allocations from now on.
pub fn watch_this_thread() {
    WATCHED.set(true);
}

/// Allocations of watched threads so far. Always zero unless the program uses [`CountingAllocator`].
pub fn watched_allocations() -> u64 {
    WATCHED_ALLOCATIONS.load(Relaxed)
}

/// Octets of the first of these allocations; 0 without one.
pub fn first_watched_octets() -> u64 {
    FIRST_OCTETS.load(Relaxed)
}

fn count(octets: usize) {
    // A thread that ends may allocate after its locals are gone; nobody watches it then.
    if WATCHED.try_with(Cell::get).unwrap_or(false) && WATCHED_ALLOCATIONS.fetch_add(1, Relaxed) == 0 {
        FIRST_OCTETS.store(octets as u64, Relaxed);
    }
}

/// Passes on what the system gave, and says when that is nothing.
#[inline]
fn told(place: *mut u8, octets: usize) -> *mut u8 {
    if place.is_null() {
        memory::refused(octets);
    }
    place
}

// SAFETY: every call goes to the system's allocator as it came; counting and
// the last words neither allocate nor unwind (the thread-local
// is constant-initialised and has no destructor).
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps GlobalAlloc's contract, which is System's.
        told(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        told(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as above.
        told(unsafe { System.realloc(place, layout, size) }, size)
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}
