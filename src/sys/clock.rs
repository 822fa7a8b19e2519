//! The clocks, and the host's name.

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use std::io;
use std::time::Duration;

/// Nanoseconds on the monotonic clock, through the vDSO: no system call on common hosts.
#[inline]
pub fn monotonic_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// Nanoseconds on the monotonic clock at the kernel's tick (1 to 10 ms coarse), cheaper still.
#[inline]
pub fn monotonic_coarse_ns() -> u64 {
    nanoseconds(ClockId::MonotonicCoarse)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Puts the wall clock to `time` since 1970. The monotonic clock goes on as it was.
///
/// # Errors
/// The kernel's: without CAP_SYS_TIME it refuses.
pub fn set(time: Duration) -> io::Result<()> {
    let time = Timespec::try_from(time).map_err(io::Error::other)?;
    Ok(clock_settime(ClockId::Realtime, time)?)
}

/// Has the wall clock run faster until `microseconds` are made up, slower when that is negative: by half a millisecond in
/// each second (adjtimex(2), ADJ_OFFSET_SINGLESHOT). Another call takes the place of what is left of this one.
///
/// # Errors
/// The kernel's: without CAP_SYS_TIME it refuses.
pub fn slew(microseconds: i64) -> io::Result<()> {
    // SAFETY: `timex` is a C struct of integers, for which all zeroes are a value.
    let mut change: libc::timex = unsafe { std::mem::zeroed() };
    change.modes = libc::ADJ_OFFSET_SINGLESHOT;
    change.offset = microseconds;
    // SAFETY: the kernel reads and writes the one struct that the pointer leads to, which outlives the call.
    if unsafe { libc::adjtimex(&raw mut change) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The host's name as the kernel has it, for `hostname.bind` and `id.server`.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn clocks_do_not_run_backwards() {
        let coarse = monotonic_coarse_ns();
        let first = monotonic_ns();
        let second = monotonic_ns();
        assert!(coarse <= first && first <= second);
        assert!(first > 0);
    }

    #[test]
    fn hostname_is_what_the_kernel_says() {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(hostname(), kernel.trim_end());
    }
}
