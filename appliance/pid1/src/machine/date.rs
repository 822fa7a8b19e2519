//! Dates for people, in UTC: the machine has no time zone.

use runbound::sys::clock::Civil;
use std::time::Duration;

/// June 2025, in seconds since 1970: earlier than this no time is right.
pub const EARLIEST: u64 = 1_750_000_000;

/// `2026-11-23 06:00:00` for a time since 1970.
pub fn utc(since_1970: Duration) -> String {
    let civil = Civil::utc(since_1970.as_secs());
    format!("{}-{:02}-{:02} {}", civil.year, civil.month, civil.day, civil.time())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_795_413_600, "2026-11-23 06:00:00"),
            (1_798_761_599, "2026-12-31 23:59:59"),
            (1_798_761_600, "2027-01-01 00:00:00"),
        ] {
            assert_eq!(utc(Duration::from_secs(seconds)), text);
        }
    }
}
