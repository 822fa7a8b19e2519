//! The clocks, and the host's name.

use rustix::time::{ClockId, clock_gettime};

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
