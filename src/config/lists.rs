//! Values that are lists or have a form of their own, checked as Unbound's grammar and modules check them.

use crate::dns::name_text::{self, NameBuf};
use crate::number;

/// The values of `module-config:` that Unbound knows to work, a line each, from its `unbound-checkconf`.
const MODULE_CONFIGS: &str = include_str!("options/module-config.txt");

/// `module-config:`
pub(super) fn modules(text: &str) -> Result<(), String> {
    if MODULE_CONFIGS.lines().any(|known| known == text) {
        return Ok(());
    }
    let known = |module: &&str| MODULE_CONFIGS.split_whitespace().any(|word| word == *module);
    match text.split_whitespace().find(|module| !known(module)) {
        Some(module) => {
            Err(format!("there is no module {module:?}; write \"validator iterator\", as without the line"))
        }
        None => {
            Err(format!("{text:?} is no order of modules that works; the last one is iterator, before it validator"))
        }
    }
}

/// Numbers with blanks between them, below zero too; `None` when there is something else, or nothing.
fn numbers(text: &str) -> Option<Vec<i32>> {
    let numbers: Option<Vec<i32>> =
        text.split_ascii_whitespace().map(|word| number::read(word, i32::MIN..=i32::MAX).ok()).collect();
    numbers.filter(|numbers| !numbers.is_empty())
}

/// `target-fetch-policy:`
pub(super) fn fetch_policy(text: &str) -> Result<(), String> {
    numbers(text).map(|_| ()).ok_or_else(|| format!("expected numbers such as \"3 2 1 0 0\", not {text:?}"))
}

/// `val-nsec3-keysize-iterations:`, pairs of a key size, ever larger, and a count.
pub(super) fn nsec3_iterations(text: &str) -> Result<(), String> {
    let pairs = numbers(text).filter(|numbers| numbers.len().is_multiple_of(2));
    let pairs = pairs.ok_or_else(|| format!("expected pairs such as \"1024 150 2048 150\", not {text:?}"))?;
    let sizes: Vec<i32> = pairs.iter().step_by(2).copied().collect();
    match sizes.is_sorted_by(|a, b| a < b) {
        true => Ok(()),
        false => Err(format!("the key sizes must go up, and do not in {text:?}")),
    }
}

/// The pairs of a list that was checked so; what is below zero is zero.
pub(super) fn pairs(text: &str) -> Vec<(u32, u32)> {
    let numbers: Vec<u32> = numbers(text).unwrap_or_default().into_iter().map(|number| number.max(0) as u32).collect();
    numbers.as_chunks::<2>().0.iter().map(|&[first, second]| (first, second)).collect()
}

/// `interface-automatic-ports:`
pub(super) fn port_list(text: &str) -> Result<(), String> {
    for word in text.split_ascii_whitespace() {
        number::read(word, 0..=u16::MAX).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Octets of the longest `nsid:`: with the rest of a message they are fewer than 64 KiB.
const LONGEST_NSID: usize = 65_000;

/// The octets that `nsid:` stands for.
pub(super) fn nsid(text: &str) -> Result<Vec<u8>, String> {
    let octets = match text.get(..6) {
        Some(front) if front.eq_ignore_ascii_case("ascii_") => Some(text.as_bytes()[6..].to_vec()),
        _ => hex(text),
    };
    match octets {
        Some(octets) if octets.len() > LONGEST_NSID => Err(format!("is longer than {LONGEST_NSID} octets")),
        Some(octets) => Ok(octets),
        None => Err(format!("expected pairs of hexadecimal digits, or text behind ascii_, not {text:?}")),
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let octets = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
    if rest.is_empty() { octets } else { None }
}

/// `val-override-date:`, a date of 14 digits, or seconds since 1970.
pub(super) fn date(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let number =
        number::read(text, i64::MIN..=i64::MAX).map_err(|_| format!("expected YYYYMMDDHHMMSS, not {text:?}"))?;
    // Two digits each from the right: seconds, minutes, hours, day, month.
    let parts: Vec<i64> = (0..5).map(|place| number / 100i64.pow(place) % 100).collect();
    let fine = [0..=59, 0..=59, 0..=23, 1..=31, 1..=12].iter().zip(&parts).all(|(range, part)| range.contains(part));
    match text.len() != 14 || fine {
        true => Ok(()),
        false => Err(format!("{text:?} is no date; write YYYYMMDDHHMMSS")),
    }
}

/// A name server by its name: `name[@port][#name in its certificate]`.
pub(super) fn server_name(text: &str) -> Result<(), String> {
    let text = text.split_once('#').map_or(text, |(text, _)| text);
    let (name, port) = text.split_once('@').map_or((text, "53"), |(name, port)| (name, port));
    name_text::parse_lower(name.as_bytes(), &mut NameBuf::new()).map_err(|error| error.to_string())?;
    number::read(port, 0..=u16::MAX).map(|_| ()).map_err(|error| format!("port: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_those_there_are_in_an_order_that_works() {
        for good in ["iterator", "validator iterator", "subnetcache validator iterator"] {
            assert_eq!(modules(good), Ok(()));
        }
        assert!(modules("validater iterator").is_err_and(|error| error.contains("no module \"validater\"")));
        for bad in ["validator", "iterator validator", "", "validator  iterator"] {
            assert!(modules(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_of_numbers_hold_numbers_alone() {
        assert!(fetch_policy("3 2 1 0 0").is_ok() && fetch_policy("-1").is_ok());
        assert!(fetch_policy("a b").is_err() && fetch_policy("").is_err());
        assert!(nsec3_iterations("1024 150 2048 150").is_ok());
        for bad in ["1024", "2048 1 1024 1", "1 1 1 1", "x y", ""] {
            assert!(nsec3_iterations(bad).is_err(), "{bad}");
        }
        assert!(port_list("").is_ok() && port_list("53 5353").is_ok() && port_list("53 x").is_err());
    }

    #[test]
    fn dates_and_names_have_their_form() {
        for good in ["", "0", "-1", "1700000000", "20260101000000"] {
            assert_eq!(date(good), Ok(()), "{good}");
        }
        assert!(date("20261301000000").is_err() && date("today").is_err());
        assert_eq!((nsid("ascii_x y"), nsid("ASCII_")), (Ok(b"x y".to_vec()), Ok(Vec::new())));
        assert_eq!((nsid("abCD09"), nsid("")), (Ok(vec![0xab, 0xcd, 9]), Ok(Vec::new())));
        for bad in ["abc", "foo", "+1", "ascii", "0x12"] {
            assert!(nsid(bad).is_err(), "{bad}");
        }
        assert!(nsid(&"00".repeat(65_000)).is_ok() && nsid(&"00".repeat(65_001)).is_err());
        for good in ["dns.example", "dns.example@53", "dns.example@853#dns.example"] {
            assert_eq!(server_name(good), Ok(()), "{good}");
        }
        for bad in ["", "a..b", "a@x", "@53"] {
            assert!(server_name(bad).is_err(), "{bad}");
        }
    }
}
