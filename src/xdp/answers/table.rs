//! The maps of the table: one for all programs of a process, made before the first is loaded.

use super::layout::{HIT_WORDS, SLOTS, WORDS, control};
use super::memory::Memory;
use super::slots::Slots;
use crate::xdp::error::XdpError;
use crate::xdp::maps::{check, empty, update};
use libbpf_sys as bpf;
use std::ffi::CStr;
use std::io;
use std::mem;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// Networks of each family that there is room for: `answer_clients_v4` and `_v6` of bpf/query.bpf.h.
pub const MOST_NETWORKS: usize = 4096;

/// A client's network as the maps have it: `struct client_v4`, and `struct client_v6` with an address of 16 octets.
#[repr(C)]
struct Network<const OCTETS: usize> {
    prefix: u32,
    address: [u8; OCTETS],
}

/// See the module's text.
#[derive(Debug)]
pub struct Table {
    slots: OwnedFd,
    hits: OwnedFd,
    control: OwnedFd,
    clients_v4: OwnedFd,
    clients_v6: OwnedFd,
}

impl Table {
    /// Makes the maps: about two megabytes of kernel memory.
    ///
    /// # Errors
    /// The cause and the fix.
    pub fn new() -> Result<Table, XdpError> {
        let array = |name, octets, entries| make(bpf::BPF_MAP_TYPE_ARRAY, name, (4, octets), entries);
        let trie = |name, key| make(bpf::BPF_MAP_TYPE_LPM_TRIE, name, (key, 1), MOST_NETWORKS);
        let made = || -> io::Result<Table> {
            Ok(Table {
                slots: array(c"answer_slots", WORDS * 8, SLOTS)?,
                hits: array(c"answer_hits", HIT_WORDS * 8, SLOTS)?,
                control: array(c"answer_control", control::WORDS * 8, 1)?,
                clients_v4: trie(c"answer_clients_v4", size_of::<Network<4>>())?,
                clients_v6: trie(c"answer_clients_v6", size_of::<Network<16>>())?,
            })
        };
        made().map_err(|cause| XdpError::step("all interfaces", "make the maps of xdp-answers", &cause))
    }

    /// The worker's side, to be taken once; `class` is the traffic class of replies.
    ///
    /// # Errors
    /// `mmap(2)`'s.
    pub fn slots(&self, class: u8) -> io::Result<Slots> {
        let slots = Memory::of_map(self.slots.as_fd(), SLOTS * WORDS * 8)?;
        let hits = Memory::of_map(self.hits.as_fd(), SLOTS * HIT_WORDS * 8)?;
        let control = Memory::of_map(self.control.as_fd(), control::WORDS * 8)?;
        Slots::new(slots, hits, control, class)
    }

    /// Has nobody answered from slots.
    ///
    /// # Errors
    /// `bpf(2)`'s: some may be.
    pub fn allow_nobody(&self) -> io::Result<()> {
        empty(self.clients_v4.as_fd(), &mut [0; size_of::<Network<4>>()])?;
        empty(self.clients_v6.as_fd(), &mut [0; size_of::<Network<16>>()])
    }

    /// Has clients of these networks (address, prefix length), which hold none of each other, answered from slots.
    ///
    /// # Errors
    /// `bpf(2)`'s: ENOSPC when there are more than [`MOST_NETWORKS`].
    pub fn allow(&self, networks: &[(IpAddr, u8)]) -> io::Result<()> {
        for &(address, prefix) in networks {
            let prefix = u32::from(prefix);
            match address {
                IpAddr::V4(v4) => {
                    update(self.clients_v4.as_fd(), &Network { prefix, address: v4.octets() }, &1u8)?;
                }
                IpAddr::V6(v6) => {
                    update(self.clients_v6.as_fd(), &Network { prefix, address: v6.octets() }, &1u8)?;
                }
            }
        }
        Ok(())
    }

    /// Of files that are no maps, so that nothing can be done with them.
    #[cfg(test)]
    pub(crate) fn broken() -> io::Result<Table> {
        let file = || std::fs::File::open("/dev/null").map(OwnedFd::from);
        Ok(Table { slots: file()?, hits: file()?, control: file()?, clients_v4: file()?, clients_v6: file()? })
    }

    /// The maps by the names that the program has for them.
    pub(in crate::xdp) fn maps(&self) -> [(&'static CStr, BorrowedFd<'_>); 5] {
        [
            (c"answer_slots", self.slots.as_fd()),
            (c"answer_hits", self.hits.as_fd()),
            (c"answer_control", self.control.as_fd()),
            (c"answer_clients_v4", self.clients_v4.as_fd()),
            (c"answer_clients_v6", self.clients_v6.as_fd()),
        ]
    }
}

/// Makes a map with keys and values of these sizes in octets; arrays can be mapped.
fn make(kind: u32, name: &CStr, (key, value): (usize, usize), entries: usize) -> io::Result<OwnedFd> {
    let flags = if kind == bpf::BPF_MAP_TYPE_ARRAY { bpf::BPF_F_MMAPABLE } else { bpf::BPF_F_NO_PREALLOC };
    let opts = bpf::bpf_map_create_opts {
        sz: size_of::<bpf::bpf_map_create_opts>() as _,
        map_flags: flags,
        // SAFETY: all-zero is a valid value of this C structure.
        ..unsafe { mem::zeroed() }
    };
    // SAFETY: a terminated name, and a complete structure of the size it names.
    let fd =
        unsafe { bpf::bpf_map_create(kind, name.as_ptr(), key as u32, value as u32, entries as u32, &raw const opts) };
    // SAFETY: a new descriptor (close-on-exec, as all of bpf(2)) that nobody else has.
    check(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}
