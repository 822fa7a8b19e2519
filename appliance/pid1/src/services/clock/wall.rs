//! The clock that is set.

use runbound::sys::clock;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A wall clock.
pub(super) trait Wall {
    /// Since 1970.
    fn now(&self) -> Duration;

    /// Puts it to a time.
    ///
    /// # Errors
    /// The kernel's.
    fn step(&mut self, time: Duration) -> io::Result<()>;

    /// Has it run faster, or slower when negative, until so many nanoseconds are made up.
    ///
    /// # Errors
    /// The kernel's.
    fn slew(&mut self, nanoseconds: i128) -> io::Result<()>;
}

/// That of this machine.
pub(super) struct Machine;

impl Wall for Machine {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn step(&mut self, time: Duration) -> io::Result<()> {
        clock::set(time)
    }

    fn slew(&mut self, nanoseconds: i128) -> io::Result<()> {
        clock::slew(i64::try_from(nanoseconds / 1000).unwrap_or_default())
    }
}

/// `2026-11-23 06:00` in UTC.
pub(super) fn date(since_1970: Duration) -> String {
    let text = crate::machine::date::utc(since_1970);
    text.get(..16).unwrap_or(&text).to_owned()
}
