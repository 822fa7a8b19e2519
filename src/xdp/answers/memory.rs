//! A map's memory, shared with the kernel.

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

/// Words that programs read and write at the same time, hence atomic ones.
#[derive(Debug)]
pub(super) struct Memory {
    start: NonNull<AtomicU64>,
    /// Octets, a multiple of eight.
    size: usize,
}

// SAFETY: the words are atomic, and the mapping is this value's own.
unsafe impl Send for Memory {}

impl Memory {
    /// The first `size` octets, a multiple of eight, of a map that can be mapped.
    ///
    /// # Errors
    /// `mmap(2)`'s.
    pub(super) fn of_map(map: BorrowedFd<'_>, size: usize) -> io::Result<Memory> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe { mmap(ptr::null_mut(), size, access, MapFlags::SHARED | MapFlags::POPULATE, map, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Memory { start, size })
    }

    /// Memory of no map, all zeros. Where the kernel has none, there are no words.
    pub(super) fn of(size: usize) -> Memory {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), size, access, MapFlags::PRIVATE) }.ok();
        match start.and_then(|start| NonNull::new(start.cast())) {
            Some(start) => Memory { start, size },
            None => Memory { start: NonNull::dangling(), size: 0 },
        }
    }

    pub(super) fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping begins at a page, is that long and lives as long as this value; zeros are words, and whoever else
        // has it mapped, the kernel's programs, writes whole words.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.size / 8) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.size > 0 {
            // SAFETY: the mapping made above, which nobody borrows any more.
            let _ = unsafe { munmap(self.start.as_ptr().cast(), self.size) };
        }
    }
}
