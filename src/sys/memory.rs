//! Memory that may be refused: asked for before it is needed, and the last words of a process that got none.
//!
//! An allocation in the midst of things cannot fail in Rust, it ends the process. So what may be large is measured before
//! it is begun: [`address_space`] for tables that are mostly never touched, [`room`] for what will be written to.

use super::memory_groups::{Groups, text_of};
use bytemuck::Zeroable;
use rustix::mm::{Advice, madvise};
use rustix::process::{Resource, getrlimit};
use std::cell::Cell;
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::OnceLock;

const MB: u64 = 1 << 20;

/// Octets that are had without a look whether there is room for them.
const UNASKED: u64 = MB;

/// What this process is held to, looked up while files and calls are open to it.
static LIMITS: OnceLock<Limits> = OnceLock::new();

struct Limits {
    space: Option<u64>,
    groups: Groups,
    machine: Option<File>,
}

thread_local! {
    static TRYING: Cell<bool> = const { Cell::new(false) };
}

/// Whether address space for all `pieces` (octets each) can be had at once. They are given back before it returns.
///
/// Each is asked for by itself, as it will be later: the kernel refuses a single piece of more than a small machine has,
/// and grants the same in several, of which most is never touched (`vm.overcommit_memory`, proc_sys_vm(5)).
///
/// # Errors
/// What limits it, and the fix.
pub fn address_space(pieces: &[u64]) -> Result<(), String> {
    let mut had: Vec<Vec<u8>> = Vec::with_capacity(pieces.len());
    for &octets in pieces {
        let mut piece = Vec::new();
        let wanted = usize::try_from(octets).unwrap_or(usize::MAX);
        trying(|| piece.try_reserve_exact(wanted)).map_err(|_| refusal(sum(pieces)))?;
        had.push(piece);
    }
    Ok(())
}

fn sum(pieces: &[u64]) -> u64 {
    pieces.iter().fold(0, |sum, octets| sum.saturating_add(*octets))
}

/// Makes room for `more` octets, as [`Vec::reserve`] does.
///
/// # Errors
/// What limits it, and the fix.
pub fn reserve(octets: &mut Vec<u8>, more: usize) -> Result<(), String> {
    let needed = octets.len().saturating_add(more);
    if needed <= octets.capacity() {
        return Ok(());
    }
    room(needed.max(octets.capacity().saturating_mul(2)) as u64)?;
    trying(|| octets.try_reserve(more)).map_err(|_| refusal(needed as u64))
}

/// As many zeroed values; their pages are taken when they are first written to.
///
/// # Errors
/// What limits it, and the fix.
pub fn zeroed<T: Zeroable>(len: usize) -> Result<Box<[T]>, String> {
    let octets = len.saturating_mul(size_of::<T>());
    trying(|| bytemuck::allocation::try_zeroed_slice_box(len)).map_err(|()| refusal(octets as u64))
}

/// Octets from which [`in_large_pages`] does anything: a few times a large page.
const LARGE: usize = 8 << 20;

/// Takes memory that is read and written all over now, in large pages where the kernel has some to give (transparent_hugepage
/// `madvise` or `always`). In small ones the processor would look for nearly every value where its page is first, in a guest for
/// longer than for the value; and what is read before it is written to would be given small ones.
///
/// Nothing but time and memory depends on it, so a kernel that refuses is not told of.
pub fn in_large_pages<T>(memory: &mut [T]) {
    let octets = size_of_val(memory);
    if octets < LARGE {
        return;
    }
    let page = rustix::param::page_size();
    let before = memory.as_ptr().addr().wrapping_neg() % page;
    let start = memory.as_mut_ptr().cast::<std::ffi::c_void>().wrapping_byte_add(before);
    for advice in [Advice::LinuxHugepage, Advice::LinuxPopulateWrite] {
        // SAFETY: the pages lie within `memory`, and neither advice changes any of their content.
        let _ = unsafe { madvise(start, (octets - before) / page * page, advice) };
    }
}

/// Carries out what may be refused memory and says so itself, as `try_reserve` does.
pub fn trying<T>(work: impl FnOnce() -> T) -> T {
    TRYING.set(true);
    let done = work();
    TRYING.set(false);
    done
}

fn refusal(octets: u64) -> String {
    let wanted = octets.div_ceil(MB);
    match limits().space {
        Some(limit) => format!(
            "{wanted} MB of memory are refused: this process may have {} MB altogether (`ulimit -v`, LimitAS= in the unit)",
            limit / MB
        ),
        None => {
            format!("{wanted} MB of memory are refused: the machine has no more (vm.overcommit_memory, MemoryMax=)")
        }
    }
}

/// Whether `octets` of memory can be had and written to, as far as can be told before: of the process's address space, of
/// its control groups and of the machine. Little is always had.
///
/// # Errors
/// What limits it, and the fix.
pub fn room(octets: u64) -> Result<(), String> {
    if octets <= UNASKED {
        return Ok(());
    }
    let left = limits().groups.left().into_iter().chain(machine_left()).min();
    if let Some(left) = left.filter(|left| *left < octets) {
        return Err(format!(
            "{} MB of memory are wanted and {} MB are left: give the service (MemoryMax=) or the machine more",
            octets.div_ceil(MB),
            left / MB
        ));
    }
    address_space(&[octets])
}

/// Takes note of what limits this process and its control groups, while files and calls are still open to it.
pub fn note_limits() {
    limits();
}

fn limits() -> &'static Limits {
    LIMITS.get_or_init(|| Limits {
        space: getrlimit(Resource::As).current,
        groups: Groups::of_this_process(),
        machine: File::open("/proc/meminfo").ok(),
    })
}

/// Octets that this machine could still give to programs; `None` where /proc does not tell.
pub fn machine_left() -> Option<u64> {
    left_of(&text_of(limits().machine.as_ref()?)?)
}

fn left_of(meminfo: &str) -> Option<u64> {
    let value = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().strip_suffix(" kB")?.parse().ok()
    };
    Some((value("MemAvailable")? + value("SwapFree").unwrap_or(0)) * 1024)
}

/// To be told by the allocator that the system refused `octets`. Unless that was only tried it says so and ends the
/// process: whoever asked cannot go on. Neither allocates nor locks.
pub(super) fn refused(octets: usize) {
    if TRYING.try_with(Cell::get).unwrap_or(false) {
        return;
    }
    let mut digits = [0u8; 20];
    let number = decimal(octets as u64, &mut digits);
    for part in [
        b"runbound: error: out of memory: ".as_slice(),
        number,
        b" octets were refused; raise what limits it (`ulimit -v`, LimitAS=, MemoryMax=), or lower msg-cache-size\n",
    ] {
        // Nobody is left to be told that it failed.
        let _ = rustix::io::write(std::io::stderr().as_fd(), part);
    }
    // SAFETY: ends the process at once; nothing of it runs afterwards.
    unsafe { libc::_exit(1) }
}

fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_left_is_read_as_the_kernel_writes_it() {
        let text =
            "MemTotal:  2048 kB\nMemFree:  100 kB\nMemAvailable:    1000 kB\nSwapTotal: 50 kB\nSwapFree:  24 kB\n";
        assert_eq!(left_of(text), Some(1024 * 1024));
        assert_eq!(left_of("MemTotal: 2048 kB\n"), None);
        assert!(machine_left().unwrap() > MB);
    }

    #[test]
    fn little_is_had_and_more_than_there_is_refused() {
        room(MB).unwrap();
        assert_eq!(zeroed::<u64>(3).unwrap()[..], [0; 3]);
        assert!(zeroed::<u64>(1 << 57).unwrap_err().contains("are refused"));
        let refused = room(1 << 60).unwrap_err();
        assert!(refused.contains("MB are left"), "{refused}");
        let refused = address_space(&[1, 1 << 60]).unwrap_err();
        assert!(refused.contains("MB of memory are refused"), "{refused}");
    }

    #[test]
    fn pieces_that_fit_one_by_one_are_had_where_the_kernel_looks_at_each_alone() {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
        let value = |name: &str| -> u64 {
            let line = meminfo.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
        };
        let most = (value("MemTotal:") + value("SwapTotal:")) * 1024 / 4 * 3;
        let mode = fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap();
        let (always, never) = (mode.trim() == "1", mode.trim() == "2");
        assert_eq!(address_space(&[most, most]).is_err(), never);
        assert_eq!(address_space(&[2 * most]).is_err(), !always, "in one piece");
    }

    #[test]
    fn numbers_are_written_without_memory() {
        for number in [0, 7, 10, 1_234_567, u64::MAX] {
            assert_eq!(decimal(number, &mut [0; 20]), number.to_string().as_bytes());
        }
    }
}
