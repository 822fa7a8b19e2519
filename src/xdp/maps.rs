//! The loaded object and its maps: what is behind the descriptors.

use std::ffi::{CStr, c_int, c_void};
use std::mem::size_of;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::{io, mem, ptr};

use libbpf_sys as bpf;

use super::answers::{AnswerGate, Table};

/// An object that `build.rs` makes of `bpf/runbound.bpf.c`, aligned as ELF wants it.
#[repr(C, align(8))]
pub(super) struct Aligned<T: ?Sized>(pub(super) T);

macro_rules! object {
    ($name:literal) => {
        &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".bpf.o")))
    };
}

/// For any interface, and the one that reads VLAN tags beside frames.
static OBJECTS: [&Aligned<[u8]>; 2] = [object!("runbound"), object!("runbound_tags")];
/// The same with answers of their own.
static WITH_ANSWERS: [&Aligned<[u8]>; 2] = [object!("runbound_answers"), object!("runbound_tags_answers")];

/// A loaded program and its maps. It is tied to no interface: who attaches it again empties its maps before.
#[derive(Debug)]
pub(super) struct Object {
    program: OwnedFd,
    settings: OwnedFd,
    sockets: OwnedFd,
    gates: OwnedFd,
    redirected: OwnedFd,
    counters: OwnedFd,
    served: ByFamily,
    own: ByFamily,
    /// Of a program with answers of its own.
    answer_gate: Option<OwnedFd>,
}

/// A map of addresses for each family.
#[derive(Debug)]
struct ByFamily {
    v4: OwnedFd,
    v6: OwnedFd,
}

impl Object {
    /// For any interface; with an index, the one that reads VLAN tags, for the interface of that index alone. With a table, one
    /// that answers from it.
    ///
    /// # Errors
    /// The step that failed, and why.
    pub(super) fn load(only_for: Option<u32>, table: Option<&Table>) -> Result<Self, (&'static str, io::Error)> {
        // Kernels that know no frames of several buffers, or not in a program that is bound to a device, refuse the first.
        let [any, linear] = [c"runbound", c"runbound_linear"];
        let load = |name, other| Self::load_one((only_for, table), name, other);
        load(any, linear).or_else(|_| load(linear, any))
    }

    fn load_one(
        (only_for, table): (Option<u32>, Option<&Table>),
        name: &CStr,
        other: &CStr,
    ) -> Result<Self, (&'static str, io::Error)> {
        let objects = if table.is_some() { &WITH_ANSWERS } else { &OBJECTS };
        let object = objects[usize::from(only_for.is_some())];
        let library = Library::open(object).map_err(|cause| ("read the XDP program", cause))?;
        for (name, map) in table.iter().flat_map(|table| table.maps()) {
            library.share(name, map).map_err(|cause| ("share the maps of xdp-answers", cause))?;
        }
        if let Some(index) = only_for {
            library.bind(name, index).map_err(|cause| ("bind the XDP program", cause))?;
        }
        library.load(other).map_err(|cause| ("load the XDP program", cause))?;
        Self::of(&library, name, table.is_some()).map_err(|cause| ("find the program's maps", cause))
    }

    /// What stays of a loaded object: the descriptors. `answers`: it is one with answers of its own.
    fn of(library: &Library, program: &CStr, answers: bool) -> io::Result<Self> {
        let map = |name| library.map(name)?.try_clone_to_owned();
        let answer_gate = if answers { Some(map(c"answer_gate")?) } else { None };
        Ok(Self {
            answer_gate,
            program: library.program(program)?.try_clone_to_owned()?,
            settings: map(c".data.settings")?,
            sockets: map(c"xsks")?,
            gates: map(c"gates")?,
            redirected: map(c"redirected")?,
            counters: map(c"counters")?,
            served: ByFamily { v4: map(c"addresses_v4")?, v6: map(c"addresses_v6")? },
            own: ByFamily { v4: map(c"own_v4")?, v6: map(c"own_v6")? },
        })
    }

    pub(super) fn program(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }

    /// The map of the program's settings.
    pub(super) fn settings(&self) -> BorrowedFd<'_> {
        self.settings.as_fd()
    }

    /// Frames by verdict, summed over all CPUs.
    pub(super) fn verdict(&self, number: u32) -> io::Result<u64> {
        sum_over_cpus(self.counters.as_fd(), number)
    }

    /// The map of the set's addresses of one family, and an address as its key.
    pub(super) fn with_address<T>(
        &self,
        set: Set,
        address: IpAddr,
        work: impl FnOnce(BorrowedFd<'_>, &[u8]) -> io::Result<T>,
    ) -> io::Result<T> {
        let maps = match set {
            Set::Served => &self.served,
            Set::Own => &self.own,
        };
        match address {
            IpAddr::V4(v4) => work(maps.v4.as_fd(), &v4.octets()),
            IpAddr::V6(v6) => work(maps.v6.as_fd(), &v6.octets()),
        }
    }

    /// As it was when it was loaded: no socket, every gate closed, no address, counters of zero. `verdicts`: how many
    /// counters there are.
    pub(super) fn reset(&self, verdicts: u32) -> io::Result<()> {
        self.remove_all();
        if self.has_answers() {
            self.set_answers(AnswerGate::Closed)?;
        }
        for maps in [&self.served, &self.own] {
            empty(maps.v4.as_fd(), &mut [0; 4])?;
            empty(maps.v6.as_fd(), &mut [0; 16])?;
        }
        let zeros = vec![0; possible_cpus()?];
        (0..MAX_QUEUES).try_for_each(|queue| set_per_cpu(self.redirected.as_fd(), queue, &zeros))?;
        (0..verdicts).try_for_each(|verdict| set_per_cpu(self.counters.as_fd(), verdict, &zeros))
    }
}

/// libbpf's view of the object, for as long as it takes to load it.
pub(super) struct Library(NonNull<bpf::bpf_object>);

impl Library {
    pub(super) fn open(object: &'static Aligned<[u8]>) -> io::Result<Self> {
        let opts = bpf::bpf_object_open_opts {
            sz: size_of::<bpf::bpf_object_open_opts>() as _,
            object_name: c"runbound".as_ptr(),
            // SAFETY: all-zero is a valid value of this C structure.
            ..unsafe { mem::zeroed() }
        };
        // SAFETY: the object lies in static memory of this length; libbpf copies what it needs.
        let object =
            unsafe { bpf::bpf_object__open_mem(object.0.as_ptr().cast(), object.0.len() as _, &raw const opts) };
        NonNull::new(object).map(Self).ok_or_else(io::Error::last_os_error)
    }

    /// Has the program loaded for one device, whose metadata it may ask for then.
    fn bind(&self, name: &CStr, index: u32) -> io::Result<()> {
        let program = self.find_program(name)?;
        // SAFETY: a program of the open object, which is not loaded yet.
        unsafe {
            bpf::bpf_program__set_ifindex(program, index);
            let flags = bpf::bpf_program__flags(program) | bpf::BPF_F_XDP_DEV_BOUND_ONLY;
            check(bpf::bpf_program__set_flags(program, flags)).map(drop)
        }
    }

    /// Loads all but the program `without`.
    pub(super) fn load(&self, without: &CStr) -> io::Result<()> {
        // SAFETY: a program of the open object, which is not loaded yet.
        check(unsafe { bpf::bpf_program__set_autoload(self.find_program(without)?, false) })?;
        // SAFETY: an open object, loaded once.
        check(unsafe { bpf::bpf_object__load(self.0.as_ptr()) }).map(drop)
    }

    /// Has a map of the object be one that is there already.
    fn share(&self, name: &CStr, map: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: an open object and a terminated name.
        let own = unsafe { bpf::bpf_object__find_map_by_name(self.0.as_ptr(), name.as_ptr()) };
        // SAFETY: a map of the open object, which is not loaded yet, and a live descriptor, which is duplicated.
        check(unsafe { bpf::bpf_map__reuse_fd(own, map.as_raw_fd()) }).map(drop)
    }

    pub(super) fn map(&self, name: &CStr) -> io::Result<BorrowedFd<'_>> {
        // SAFETY: a loaded object and a terminated name.
        let fd = check(unsafe { bpf::bpf_object__find_map_fd_by_name(self.0.as_ptr(), name.as_ptr()) })?;
        // SAFETY: the object keeps the descriptor open for as long as it lives.
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    fn find_program(&self, name: &CStr) -> io::Result<*mut bpf::bpf_program> {
        // SAFETY: an open object and a terminated name.
        let program = unsafe { bpf::bpf_object__find_program_by_name(self.0.as_ptr(), name.as_ptr()) };
        if program.is_null() { Err(io::Error::from_raw_os_error(libc::ENOENT)) } else { Ok(program) }
    }

    pub(super) fn program(&self, name: &CStr) -> io::Result<BorrowedFd<'_>> {
        // SAFETY: a program of the object, which is loaded.
        let fd = check(unsafe { bpf::bpf_program__fd(self.find_program(name)?) })?;
        // SAFETY: as for a map.
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: open, and not used after.
        unsafe { bpf::bpf_object__close(self.0.as_ptr()) }
    }
}

/// Entries of the maps by receive queue, as bpf/runbound.bpf.c has them: receive queues that can have a socket.
const MAX_QUEUES: u32 = 1024;

/// What a receive queue's socket gets: `enum runbound_gate` of bpf/runbound.h.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Gate {
    Closed,
    Trial,
    Open,
}

/// The way from the receive queues to their sockets.
impl Object {
    /// Sends the queue's next frame to `socket`, and no more until [`Self::open`].
    pub(super) fn insert(&self, queue: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        update(self.sockets.as_fd(), &queue, &socket.as_raw_fd())?;
        self.try_one(queue)
    }

    /// Sends the queue's next frame to its socket, and no more.
    pub(super) fn try_one(&self, queue: u32) -> io::Result<()> {
        self.set(queue, Gate::Trial)
    }

    /// Sends all of the queue's frames to its socket.
    pub(super) fn open(&self, queue: u32) -> io::Result<()> {
        self.set(queue, Gate::Open)
    }

    /// Leaves the queue's frames to the kernel.
    pub(super) fn close(&self, queue: u32) -> io::Result<()> {
        self.set(queue, Gate::Closed)
    }

    /// The same, and takes its socket out of the map.
    pub(super) fn remove(&self, queue: u32) {
        // An empty slot is as good as a removed one.
        let _ = self.close(queue);
        let _ = delete(self.sockets.as_fd(), &queue);
    }

    pub(super) fn remove_all(&self) {
        (0..MAX_QUEUES).for_each(|queue| self.remove(queue));
    }

    /// Frames sent to the queue's socket so far.
    pub(super) fn redirected(&self, queue: u32) -> io::Result<u64> {
        sum_over_cpus(self.redirected.as_fd(), queue)
    }

    fn set(&self, queue: u32, gate: Gate) -> io::Result<()> {
        update(self.gates.as_fd(), &queue, &(gate as u32))
    }

    /// Whether the program can answer by itself.
    pub(super) const fn has_answers(&self) -> bool {
        self.answer_gate.is_some()
    }

    /// Has the program answer by itself, or not. One that cannot does not.
    pub(super) fn set_answers(&self, answers: AnswerGate) -> io::Result<()> {
        match &self.answer_gate {
            Some(gate) => update(gate.as_fd(), &0u32, &(answers as u32)),
            None if answers == AnswerGate::Closed => Ok(()),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// Which addresses a map holds.
#[derive(Clone, Copy)]
pub(super) enum Set {
    /// Those whose frames are taken.
    Served,
    /// Those that no client has: this host's own.
    Own,
}

/// CPUs that a map of counters has an entry for.
pub(super) fn possible_cpus() -> io::Result<usize> {
    // SAFETY: no arguments; reads sysfs once.
    let cpus = unsafe { bpf::libbpf_num_possible_cpus() };
    usize::try_from(cpus).map_err(|_| io::Error::from_raw_os_error(-cpus))
}

/// Sum of an entry of a map of counters that has one for each CPU.
pub(super) fn sum_over_cpus(map: BorrowedFd<'_>, key: u32) -> io::Result<u64> {
    let mut per_cpu = vec![0u64; possible_cpus()?];
    // SAFETY: an entry of the map is one u64 for each possible CPU, and the vector has room for all.
    check(unsafe { bpf::bpf_map_lookup_elem(map.as_raw_fd(), (&raw const key).cast(), per_cpu.as_mut_ptr().cast()) })?;
    Ok(per_cpu.iter().sum())
}

/// Sets an entry of such a map. `values`: one for each possible CPU.
pub(super) fn set_per_cpu(map: BorrowedFd<'_>, key: u32, values: &[u64]) -> io::Result<()> {
    let (key, values) = ((&raw const key).cast(), values.as_ptr().cast());
    // SAFETY: an entry of the map is one u64 for each possible CPU, and the caller has as many.
    check(unsafe { bpf::bpf_map_update_elem(map.as_raw_fd(), key, values, u64::from(bpf::BPF_ANY)) }).map(drop)
}

/// Removes every entry of a map with keys of this size.
pub(super) fn empty<const SIZE: usize>(map: BorrowedFd<'_>, key: &mut [u8; SIZE]) -> io::Result<()> {
    loop {
        // SAFETY: no key asks for the first; there is room for one as long as bpf/runbound.bpf.c declares for the map.
        let next = check(unsafe { bpf::bpf_map_get_next_key(map.as_raw_fd(), ptr::null(), key.as_mut_ptr().cast()) });
        match next {
            Ok(_) => delete(map, key)?,
            Err(cause) if cause.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
            Err(cause) => return Err(cause),
        }
    }
}

/// libbpf returns a negative errno.
pub(super) fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result) }
}

pub(super) fn update<K: ?Sized, V>(map: BorrowedFd<'_>, key: &K, value: &V) -> io::Result<()> {
    let (key, value): (*const c_void, *const c_void) = (ptr::from_ref(key).cast(), ptr::from_ref(value).cast());
    // SAFETY: every caller passes key and value of the sizes that bpf/runbound.bpf.c declares for the map.
    check(unsafe { bpf::bpf_map_update_elem(map.as_raw_fd(), key, value, u64::from(bpf::BPF_ANY)) }).map(drop)
}

/// Removes an entry; one that is not there is as good as removed.
pub(super) fn delete<K: ?Sized>(map: BorrowedFd<'_>, key: &K) -> io::Result<()> {
    // SAFETY: every caller passes a key of the size that bpf/runbound.bpf.c declares for the map.
    is_gone(check(unsafe { bpf::bpf_map_delete_elem(map.as_raw_fd(), ptr::from_ref(key).cast()) }).map(drop))
}

fn is_gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|cause| if cause.raw_os_error() == Some(libc::ENOENT) { Ok(()) } else { Err(cause) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_removed() {
        let removed = |number: c_int| is_gone(check(-number).map(drop)).map_err(|cause| cause.raw_os_error());
        assert_eq!((removed(0), removed(libc::ENOENT)), (Ok(()), Ok(())));
        assert_eq!(removed(libc::EPERM), Err(Some(libc::EPERM)));
    }
}
