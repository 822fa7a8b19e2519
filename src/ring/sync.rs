//! The atomics and cells of the rings: those of `std`, or under `--cfg loom` those of the model checker.

#[cfg(not(loom))]
pub use std::sync::Arc;
#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};

#[cfg(loom)]
pub use loom::sync::Arc;
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};

/// A ring slot: memory that one side at a time may touch, the index protocol decides which.
#[cfg(not(loom))]
#[derive(Debug)]
#[repr(transparent)]
pub struct Slot<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> Slot<T> {
    /// A slot that holds `value`.
    pub const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Where the value lies. Only the side that owns the slot may look.
    #[inline(always)]
    pub const fn get(&self) -> *mut T {
        self.0.get()
    }
}

/// A ring slot whose accesses the model checker watches.
#[cfg(loom)]
#[derive(Debug)]
pub struct Slot<T>(loom::cell::UnsafeCell<T>);

#[cfg(loom)]
impl<T> Slot<T> {
    /// A slot that holds `value`.
    pub fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }

    /// Where the value lies; reports an access that does not happen after the other side's last one.
    pub fn get(&self) -> *mut T {
        self.0.with_mut(|value| value)
    }
}
