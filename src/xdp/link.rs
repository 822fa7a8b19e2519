//! A program's link to an interface: the kernel takes the program off when the descriptor is closed, however its process ends.

use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::{io, mem};

use libbpf_sys as bpf;

use super::maps::check;

/// The program on one interface.
#[derive(Debug)]
pub(super) struct Link {
    fd: OwnedFd,
    index: u32,
}

impl Link {
    /// `mode`: XDP_FLAGS_DRV_MODE or XDP_FLAGS_SKB_MODE.
    ///
    /// # Errors
    /// `bpf(2)`'s, which have many meanings.
    pub(super) fn create(program: BorrowedFd<'_>, index: u32, mode: u32) -> io::Result<Self> {
        let opts = bpf::bpf_link_create_opts {
            sz: size_of::<bpf::bpf_link_create_opts>() as _,
            flags: mode,
            // SAFETY: all-zero is a valid value of this C structure.
            ..unsafe { mem::zeroed() }
        };
        // SAFETY: the program is loaded; opts is a complete structure of the size it names.
        let fd =
            unsafe { bpf::bpf_link_create(program.as_raw_fd(), index.cast_signed(), bpf::BPF_XDP, &raw const opts) };
        // SAFETY: a new descriptor (close-on-exec, as all of bpf(2)) that nobody else has.
        check(fd).map(|fd| Self { fd: unsafe { OwnedFd::from_raw_fd(fd) }, index })
    }

    /// Whether the kernel still runs the program there: false after the interface went away.
    pub(super) fn is_on(&self) -> bool {
        // SAFETY: all-zero is a valid value of this C structure.
        let mut info: bpf::bpf_link_info = unsafe { mem::zeroed() };
        let mut size = size_of::<bpf::bpf_link_info>() as u32;
        // SAFETY: a live link and a structure of the size passed along.
        let result = unsafe { bpf::bpf_link_get_info_by_fd(self.fd.as_raw_fd(), &raw mut info, &raw mut size) };
        // SAFETY: for a link of type XDP the kernel fills this member: the index, zero when the device is gone.
        result == 0 && unsafe { info.__bindgen_anon_1.xdp.ifindex } == self.index
    }
}
