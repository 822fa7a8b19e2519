//! Whole numbers as text from outside: configuration, control commands, command line, and what the appliance's PID 1 is
//! given. Whoever reads one says the range it may have; [`str::parse`] alone would take a plus sign, too.

use std::fmt;
use std::ops::RangeInclusive;

/// Most letters of a text that a message repeats.
const SHOWN: usize = 40;

/// A type of whole numbers.
pub trait Whole: Copy + TryFrom<i128> + TryInto<i128> {}

impl<T: Copy + TryFrom<i128> + TryInto<i128>> Whole for T {}

/// A text that is no number, or none in the range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberError {
    text: String,
    low: i128,
    high: i128,
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a number from {} to {}, not {:?}", self.low, self.high, self.text)
    }
}

impl std::error::Error for NumberError {}

/// Reads `text` as a decimal number within `range`, ends included: digits, behind a minus sign where the range goes below
/// zero, and nothing else.
///
/// # Errors
/// What was expected, and what came instead.
pub fn read<T: Whole>(text: &str, range: RangeInclusive<T>) -> Result<T, NumberError> {
    read_digits(text, 10, range)
}

/// [`read`] with hexadecimal digits, without a prefix.
///
/// # Errors
/// As of [`read`].
pub fn read_hex<T: Whole>(text: &str, range: RangeInclusive<T>) -> Result<T, NumberError> {
    read_digits(text, 16, range)
}

/// [`read`] with octal digits, without a prefix.
///
/// # Errors
/// As of [`read`].
pub fn read_octal<T: Whole>(text: &str, range: RangeInclusive<T>) -> Result<T, NumberError> {
    read_digits(text, 8, range)
}

fn read_digits<T: Whole>(text: &str, radix: u32, range: RangeInclusive<T>) -> Result<T, NumberError> {
    // No type of numbers that fits into more than i128 is read.
    let wide = |number: T| number.try_into().unwrap_or(i128::MAX);
    let (low, high) = (wide(*range.start()), wide(*range.end()));
    let digits = text.strip_prefix('-').filter(|_| low < 0).unwrap_or(text);
    let number = match digits.chars().all(|digit| digit.is_digit(radix)) {
        true => i128::from_str_radix(text, radix).ok(),
        false => None,
    };
    let number = number.filter(|number| (low..=high).contains(number)).and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| NumberError { text: text.chars().take(SHOWN).collect(), low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_alone_are_a_number() {
        assert_eq!(read("0", 0..=u8::MAX), Ok(0));
        assert_eq!(read("007", 0..=9u16), Ok(7));
        assert_eq!(read("18446744073709551615", 0..=u64::MAX), Ok(u64::MAX));
        assert_eq!(read("65536", 0..=usize::MAX), Ok(65_536));
        assert_eq!(read_hex("fF", 0..=u8::MAX), Ok(255));
        assert_eq!(read_octal("644", 0..=0o7777u32), Ok(0o644));
        for bad in ["", " 1", "1 ", "+1", "-", "--1", "1x", "1.0", "0x1", "\u{b}1", "\u{661}", &"9".repeat(60)] {
            assert!(read(bad, i64::MIN..=i64::MAX).is_err(), "{bad:?}");
        }
        for bad in ["8", "+7", "0o7"] {
            assert!(read_octal(bad, 0..=9u32).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_range_holds_at_both_ends() {
        assert_eq!(read("-1", -1..=5), Ok(-1));
        assert_eq!(read("5", -1..=5), Ok(5));
        for bad in ["-2", "6", "4294967297"] {
            assert!(read(bad, -1..=5).is_err(), "{bad}");
        }
        assert!(read("-0", 0..=5u8).is_err(), "a sign where none can be");
    }

    #[test]
    fn an_error_tells_the_range_and_what_came() {
        let error = read("70000", 0..=u16::MAX).map_err(|error| error.to_string());
        assert_eq!(error, Err("expected a number from 0 to 65535, not \"70000\"".to_owned()));
        let long = read(&"9".repeat(1 << 20), 0..=u16::MAX).map_err(|error| error.to_string().len());
        assert!(long.is_err_and(|octets| octets < 100));
    }
}
