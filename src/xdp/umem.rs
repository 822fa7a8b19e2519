//! UMEM: the packet memory that a socket shares with the kernel, and the right to use a piece of it.

use std::io;
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Bytes of a huge page.
const HUGE_PAGE: usize = 2 << 20;

/// The right to read, write and send one frame of one queue's UMEM.
///
/// It is neither `Copy` nor `Clone`: it goes back with `Queue::transmit` or `Queue::free`, once. Dropping it instead
/// would lose the frame until the queue ends; [`Queue::count`](super::Queue::count) shows that as `held`.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a frame goes back with transmit or free"]
pub struct Frame {
    /// Offset of the packet's first byte in the UMEM.
    pub(super) addr: u32,
    /// Length of the packet as received, in bytes; never reaches past the end of its chunk.
    pub(super) len: u16,
    /// The queue it belongs to.
    pub(super) queue: u16,
}

impl Frame {
    /// Length of the packet as received in bytes; zero for a frame from `Queue::alloc`.
    #[inline(always)]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether nothing was received in it.
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Anonymous memory, in RAM from the start, cut into chunks of a power of two bytes.
#[derive(Debug)]
pub(super) struct Area {
    start: NonNull<u8>,
    size: usize,
    chunk_shift: u32,
    huge: bool,
}

// SAFETY: plain memory that this value owns.
unsafe impl Send for Area {}

impl Area {
    /// `frames` chunks of `chunk` bytes, both powers of two, together below 4 GiB. `huge`: in pages of 2 MiB; the kernel
    /// sets them aside here or refuses, so that none is missing later.
    pub(super) fn new(frames: u32, chunk: u32, huge: bool) -> io::Result<Self> {
        let size = frames as usize * chunk as usize;
        if huge && !size.is_multiple_of(HUGE_PAGE) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let pages = if huge { MapFlags::HUGETLB | MapFlags::HUGE_2MB } else { MapFlags::empty() };
        let flags = MapFlags::PRIVATE | MapFlags::POPULATE | pages;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), size, access, flags) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, size, chunk_shift: chunk.trailing_zeros(), huge })
    }

    /// Whether it lies in huge pages.
    pub(super) const fn is_huge(&self) -> bool {
        self.huge
    }

    pub(super) const fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(super) const fn size(&self) -> usize {
        self.size
    }

    pub(super) const fn frames(&self) -> u32 {
        (self.size >> self.chunk_shift) as u32
    }

    pub(super) const fn chunk(&self) -> u32 {
        1 << self.chunk_shift
    }

    /// First byte of the chunk that holds `addr`.
    #[inline(always)]
    pub(super) const fn chunk_base(&self, addr: u32) -> u32 {
        addr & !(self.chunk() - 1)
    }

    /// Bytes from `addr` to the end of its chunk.
    #[inline(always)]
    pub(super) const fn room(&self, addr: u32) -> u32 {
        self.chunk() - (addr & (self.chunk() - 1))
    }

    /// Starts to load the first two cache lines of the packet at `addr`: headers and question.
    #[inline(always)]
    pub(super) fn prefetch(&self, addr: u32) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let first = self.start.as_ptr().wrapping_add(addr as usize).cast::<i8>();
            // SAFETY: a hint, which reads nothing and faults at no address.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(first);
                _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(64));
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = addr;
    }

    /// The packet in `frame`, from its first byte to the end of its chunk.
    #[inline(always)]
    pub(super) fn data(&mut self, frame: &Frame) -> &mut [u8] {
        let room = self.room(frame.addr) as usize;
        let addr = frame.addr as usize;
        if addr + room > self.size {
            return &mut [];
        }
        // SAFETY: inside the mapping, checked above; the token exists once, so neither the kernel nor other code uses
        // the chunk until it is given back; `&mut self` keeps the slice the only one.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(addr).as_ptr(), room) }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`; the socket that used it is gone (see `Socket`).
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.size) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_ends_with_its_chunk() {
        let mut area = Area::new(4, 2048, false).expect("memory");
        assert_eq!((area.frames(), area.chunk(), area.size()), (4, 2048, 8192));
        let frame = Frame { addr: 2048 + 256, len: 60, queue: 0 };
        assert_eq!(area.data(&frame).len(), 2048 - 256);
        assert_eq!(area.chunk_base(frame.addr), 2048);
        area.data(&frame)[1791] = 7;
        let outside = Frame { addr: 8192, len: 60, queue: 0 };
        assert!(area.data(&outside).is_empty());
        assert!(!area.is_huge());
        assert!(Area::new(4, 2048, true).is_err(), "less than a huge page");
    }
}
