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

/// Microseconds since 1970 on the wall clock.
pub fn unix_micros() -> u64 {
    nanoseconds(ClockId::Realtime) / 1000
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

/// Whether somebody keeps the wall clock right, as those who do tell the kernel (adjtimex(2), STA_UNSYNC); `None` when it does not
/// say.
pub fn is_kept() -> Option<bool> {
    // SAFETY: `timex` is a C struct of integers, for which all zeroes are a value: nothing is changed.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel reads and writes the one struct that the pointer leads to, which outlives the call.
    let told = unsafe { libc::adjtimex(&raw mut state) };
    (told >= 0).then_some(state.status & libc::STA_UNSYNC == 0)
}

/// A moment by the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// As people write it.
    pub year: u64,
    /// From 1 to 12.
    pub month: u64,
    /// From 1 to 31.
    pub day: u64,
    /// Seconds of the day.
    pub seconds: u64,
}

impl Civil {
    /// So many seconds after 1970, in UTC: a static binary in a chroot has no time zone files to look at, nor has the
    /// appliance.
    pub fn utc(since_1970: u64) -> Civil {
        let (days, seconds) = (since_1970 / 86_400, since_1970 % 86_400);
        // Days to a civil date: years start in March so that leap days come last (Howard Hinnant's algorithm).
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Civil { year: era * 400 + year_of_era + u64::from(month <= 2), month, day, seconds }
    }

    /// `06:00:00`.
    pub fn time(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.seconds / 3600, self.seconds / 60 % 60, self.seconds % 60)
    }
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
