//! The loaded object and its maps: what is behind the descriptors.

use std::ffi::{CStr, c_int, c_void};
use std::mem::size_of;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::{io, mem, ptr};

use libbpf_sys as bpf;

use super::error::XdpError;

/// The object that `build.rs` makes of `bpf/runbound.bpf.c`, aligned as ELF wants it.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);
static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/runbound.bpf.o")));

/// A loaded object: program and maps.
#[derive(Debug)]
pub(super) struct Object(NonNull<bpf::bpf_object>);

// SAFETY: libbpf objects are not tied to a thread, and after the load ours is only read (descriptors of maps).
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}

impl Object {
    pub(super) fn load(interface: &str) -> Result<Self, XdpError> {
        let opts = bpf::bpf_object_open_opts {
            sz: size_of::<bpf::bpf_object_open_opts>() as _,
            object_name: c"runbound".as_ptr(),
            // SAFETY: all-zero is a valid value of this C structure.
            ..unsafe { mem::zeroed() }
        };
        let fail = |step| XdpError::step(interface, step, &io::Error::last_os_error());
        // SAFETY: the object lies in static memory of this length; libbpf copies what it needs.
        let object =
            unsafe { bpf::bpf_object__open_mem(OBJECT.0.as_ptr().cast(), OBJECT.0.len() as _, &raw const opts) };
        let object = Self(NonNull::new(object).ok_or_else(|| fail("read the XDP program"))?);
        // SAFETY: an open object, loaded once.
        match unsafe { bpf::bpf_object__load(object.0.as_ptr()) } {
            0 => Ok(object),
            _ => Err(fail("load the XDP program")),
        }
    }

    pub(super) fn map(&self, name: &CStr) -> io::Result<BorrowedFd<'_>> {
        // SAFETY: a loaded object and a terminated name.
        let fd = check(unsafe { bpf::bpf_object__find_map_fd_by_name(self.0.as_ptr(), name.as_ptr()) })?;
        // SAFETY: the object keeps the descriptor open for as long as it lives.
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// Descriptor of the program, or a negative errno.
    pub(super) fn program(&self) -> c_int {
        // SAFETY: a loaded object and a terminated name.
        let program = unsafe { bpf::bpf_object__find_program_by_name(self.0.as_ptr(), c"runbound".as_ptr()) };
        // SAFETY: null or a program of the object.
        if program.is_null() { -libc::ENOENT } else { unsafe { bpf::bpf_program__fd(program) } }
    }
}

impl Drop for Object {
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
#[derive(Debug)]
pub(super) struct Redirection {
    sockets: OwnedFd,
    gates: OwnedFd,
    redirected: OwnedFd,
}

impl Redirection {
    pub(super) fn of(object: &Object) -> io::Result<Self> {
        let owned = |name| object.map(name).and_then(|map| map.try_clone_to_owned());
        Ok(Self { sockets: owned(c"xsks")?, gates: owned(c"gates")?, redirected: owned(c"redirected")? })
    }

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
}

/// Which addresses a map holds.
#[derive(Clone, Copy)]
pub(super) enum Set {
    /// Those whose frames are taken.
    Served,
    /// Those that no client has: this host's own.
    Own,
}

/// The map of the set's addresses of one family, and an address as its key.
pub(super) fn with_address<T>(
    object: &Object,
    set: Set,
    address: IpAddr,
    work: impl FnOnce(BorrowedFd<'_>, &[u8]) -> io::Result<T>,
) -> io::Result<T> {
    let (map_v4, map_v6) = match set {
        Set::Served => (c"addresses_v4", c"addresses_v6"),
        Set::Own => (c"own_v4", c"own_v6"),
    };
    match address {
        IpAddr::V4(v4) => work(object.map(map_v4)?, &v4.octets()),
        IpAddr::V6(v6) => work(object.map(map_v6)?, &v6.octets()),
    }
}

/// Sum of an entry of a map of counters that has one for each CPU.
pub(super) fn sum_over_cpus(map: BorrowedFd<'_>, key: u32) -> io::Result<u64> {
    // SAFETY: no arguments; reads sysfs once.
    let cpus = unsafe { bpf::libbpf_num_possible_cpus() };
    let cpus = usize::try_from(cpus).map_err(|_| io::Error::from_raw_os_error(-cpus))?;
    let mut per_cpu = vec![0u64; cpus];
    // SAFETY: an entry of the map is one u64 for each possible CPU, and the vector has room for all.
    check(unsafe { bpf::bpf_map_lookup_elem(map.as_raw_fd(), (&raw const key).cast(), per_cpu.as_mut_ptr().cast()) })?;
    Ok(per_cpu.iter().sum())
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

pub(super) fn delete<K: ?Sized>(map: BorrowedFd<'_>, key: &K) -> io::Result<()> {
    // SAFETY: every caller passes a key of the size that bpf/runbound.bpf.c declares for the map.
    check(unsafe { bpf::bpf_map_delete_elem(map.as_raw_fd(), ptr::from_ref(key).cast()) }).map(drop)
}
