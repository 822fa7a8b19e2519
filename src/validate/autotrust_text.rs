//! The file of an anchor that follows its zone's keys, as Unbound writes it.

use super::autotrust::{Key, Point, State};
use super::dnskey::key_tag;
use crate::dns::name_text::to_text;
use crate::dns::rtype::DNSKEY;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fmt::Write;

/// What stands in the file of a zone whose keys were all revoked.
const REVOKED: &str = ";;REVOKED\n; The zone has all keys revoked, and is\n; considered as if it has no trust anchors.\n\
     ; the remainder of the file is the last probe.\n; to restart the trust anchor, overwrite this file.\n\
     ; with one containing valid DNSKEYs or DSes.\n";

impl Point {
    /// The text of its file. DS records are not in it, nor are keys that are new or to be forgotten.
    pub fn text(&self) -> String {
        let mut text = "; autotrust trust anchor file\n".to_owned();
        if self.revoked {
            text.push_str(REVOKED);
        }
        // Writing to a String does not fail.
        let _ = writeln!(text, ";;id: {} {}", to_text(&self.zone), self.class);
        let times =
            [("last_queried", self.queried), ("last_success", self.succeeded), ("next_probe_time", self.next_probe)];
        for (name, time) in times {
            let _ = writeln!(text, ";;{name}: {time} ;;{}", date(time));
        }
        let _ = writeln!(text, ";;query_failed: {}", self.failed);
        let _ = writeln!(text, ";;query_interval: {}\n;;retry_time: {}", self.interval, self.retry);
        let kept = |key: &&Key| key.rtype == DNSKEY && !matches!(key.state, State::Start | State::Removed);
        for key in self.keys.iter().filter(kept) {
            let _ = writeln!(
                text,
                "{}\t{}\t{}\tDNSKEY\t{} ;;state={} [{}] ;;count={} ;;lastchange={} ;;{}",
                to_text(&self.zone),
                key.ttl,
                class(self.class),
                data(&key.data),
                key.state as u8,
                key.state.word(),
                key.count,
                key.changed,
                date(key.changed)
            );
        }
        text
    }
}

/// A class's mnemonic.
fn class(class: u16) -> String {
    match class {
        1 => "IN".to_owned(),
        3 => "CH".to_owned(),
        4 => "HS".to_owned(),
        other => format!("CLASS{other}"),
    }
}

/// A key's data in presentation form, and what it is in a comment.
fn data(data: &[u8]) -> String {
    let [high, low, protocol, algorithm, key @ ..] = data else { return String::new() };
    let flags = u16::from_be_bytes([*high, *low]);
    let (key, bits) = (BASE64_STANDARD.encode(key), bits(*algorithm, key));
    // The zone key bit, then that of a secure entry point (RFC 4034 section 2.1.1).
    let kind = match (flags & 0x100 != 0, flags & 1 != 0) {
        (false, _) => "",
        (true, true) => " (ksk)",
        (true, false) => " (zsk)",
    };
    format!("{flags} {protocol} {algorithm} {key} ;{{id = {}{kind}, size = {bits}b}}", key_tag(data))
}

/// The size of a key, as Unbound tells it.
fn bits(algorithm: u8, key: &[u8]) -> usize {
    match algorithm {
        // DSA (RFC 2536): its first octet counts steps of 64 bits above 512.
        3 | 6 => key.first().map_or(0, |step| 512 + 64 * usize::from(*step)),
        // RSA: the length of the exponent, of one or of three octets, and the exponent stand in front of the modulus.
        1 | 5 | 7 | 8 | 10 => {
            let modulus = match key {
                [0, high, low, rest @ ..] => rest.get(usize::from(u16::from_be_bytes([*high, *low]))..),
                [length, rest @ ..] => rest.get(usize::from(*length)..),
                [] => None,
            };
            let modulus = modulus.unwrap_or_default();
            8 * modulus.iter().skip_while(|octet| **octet == 0).count()
        }
        13 | 15 => 256,
        14 => 384,
        16 => 456,
        _ => 0,
    }
}

/// A time as ctime(3) has it, in UTC: `Mon Aug 24 07:46:40 2009`.
fn date(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since the first of March of a year that 400 divides; years that begin in March, so that the day of a leap year comes
    // last.
    let (era, day) = ((days + 719_468) / 146_097, (days + 719_468) % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year + u64::from(month >= 10);
    format!(
        "{} {} {day:2} {:02}:{:02}:{:02} {year}",
        DAYS[(days % 7) as usize],
        MONTHS[month as usize],
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_ctime() {
        for (seconds, text) in [
            (0, "Thu Jan  1 00:00:00 1970"),
            (1_251_100_000, "Mon Aug 24 07:46:40 2009"),
            (951_782_400, "Tue Feb 29 00:00:00 2000"),
            (951_868_800, "Wed Mar  1 00:00:00 2000"),
            (4_294_967_295, "Sun Feb  7 06:28:15 2106"),
            (1_796_009_445, "Mon Nov 30 03:30:45 2026"),
        ] {
            assert_eq!(date(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn keys_have_the_size_of_their_algorithm() {
        let rsa = [&[3u8, 1, 0, 1, 0][..], &[0xc3; 64]].concat();
        let long = [&[0u8, 0, 3, 1, 0, 1][..], &[0xc3; 128]].concat();
        let sizes = [bits(8, &rsa), bits(8, &long), bits(13, &[]), bits(15, &[]), bits(14, &[]), bits(16, &[])];
        assert_eq!(sizes, [512, 1024, 256, 256, 384, 456]);
        assert_eq!(
            [bits(5, &[]), bits(5, &[0, 0]), bits(5, &[9, 1]), bits(3, &[0]), bits(200, &[1])],
            [0, 0, 0, 512, 0]
        );
    }

    #[test]
    fn a_zone_whose_keys_are_revoked_says_so_in_its_file() {
        let point = Point { zone: b"\x07example\0".to_vec(), class: 1, revoked: true, ..Point::default() };
        let text = point.text();
        assert!(
            text.starts_with("; autotrust trust anchor file\n;;REVOKED\n; The zone has all keys revoked"),
            "{text}"
        );
        assert!(text.contains("\n;;id: example. 1\n;;last_queried: 0 ;;Thu Jan  1 00:00:00 1970\n"), "{text}");
    }
}
