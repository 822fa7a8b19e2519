//! Domain names of a configuration, from text to wire form (RFC 1035, 3.1 and 5.1).

use arrayvec::ArrayVec;
use std::fmt;

/// Longest name in wire form, its root label included (RFC 1035, 2.3.4).
pub const MAX_NAME: usize = 255;
/// Longest label (RFC 1035, 2.3.4).
pub const MAX_LABEL: usize = 63;

/// A name in uncompressed wire form, its root label included.
pub type NameBuf = ArrayVec<u8, MAX_NAME>;

/// Why a text is not a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// No text at all.
    Empty,
    /// Two dots in a row, or a dot in front.
    EmptyLabel,
    /// A label of more than 63 octets.
    LabelTooLong,
    /// More than 255 octets in all.
    NameTooLong,
    /// A `\` without a character behind it, or `\DDD` over 255.
    BadEscape,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameError::Empty => "the name is empty; the root is written \".\"",
            NameError::EmptyLabel => "the name has an empty label (two dots in a row, or one in front)",
            NameError::LabelTooLong => "a label of the name is longer than 63 octets",
            NameError::NameTooLong => "the name is longer than 255 octets",
            NameError::BadEscape => {
                "the name has a bad escape; \\DDD is three digits up to 255, or \\ and one character"
            }
        })
    }
}

/// Reads `text` into `out` (cleared first), letter case kept. A missing final dot makes no difference.
pub fn parse(text: &[u8], out: &mut NameBuf) -> Result<(), NameError> {
    out.clear();
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    push(out, 0)?;
    if text == b"." {
        return Ok(());
    }
    let mut label = 0;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'.' => {
                close_label(out, label)?;
                label = out.len();
                push(out, 0)?;
            }
            b'\\' => {
                let (octet, used) = unescape(text.get(at..).unwrap_or_default()).ok_or(NameError::BadEscape)?;
                at += used;
                push(out, octet)?;
            }
            _ => push(out, byte)?,
        }
    }
    if label + 1 == out.len() {
        return Ok(());
    }
    close_label(out, label)?;
    push(out, 0)
}

/// Like [`parse`], with A to Z made lower case: the form in which names are compared (RFC 4343).
pub fn parse_lower(text: &[u8], out: &mut NameBuf) -> Result<(), NameError> {
    parse(text, out)?;
    // Length octets are at most 63 and so below 'A' (65): they stay as they are.
    out.make_ascii_lowercase();
    Ok(())
}

/// The octet behind a `\`, and how many characters it took.
pub(super) fn unescape(text: &[u8]) -> Option<(u8, usize)> {
    let first = *text.first()?;
    if !first.is_ascii_digit() {
        return Some((first, 1));
    }
    let digits = text.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let value = digits.iter().fold(0u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    Some((u8::try_from(value).ok()?, 3))
}

fn push(out: &mut NameBuf, octet: u8) -> Result<(), NameError> {
    out.try_push(octet).map_err(|_| NameError::NameTooLong)
}

/// Writes the length of the label that starts at `label`.
fn close_label(out: &mut NameBuf, label: usize) -> Result<(), NameError> {
    let length = out.len() - label - 1;
    match u8::try_from(length) {
        Ok(0) => Err(NameError::EmptyLabel),
        Ok(octet) if length <= MAX_LABEL => {
            out[label] = octet;
            Ok(())
        }
        _ => Err(NameError::LabelTooLong),
    }
}

/// The wire form of `name` without its first label; `None` for the root.
pub fn parent(name: &[u8]) -> Option<&[u8]> {
    match name.first() {
        None | Some(0) => None,
        Some(&length) => name.get(usize::from(length) + 1..),
    }
}

/// Writes a wire form name as text with a final dot.
pub fn to_text(name: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = name;
    while let Some(next) = parent(rest) {
        for &octet in &rest[1..rest.len() - next.len()] {
            match octet {
                b'.' | b'\\' => text.extend(['\\', char::from(octet)]),
                b'!'..=b'~' => text.push(char::from(octet)),
                _ => text.push_str(&format!("\\{octet:03}")),
            }
        }
        text.push('.');
        rest = next;
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn wire(text: &str) -> Result<Vec<u8>, NameError> {
        let mut out = NameBuf::new();
        parse_lower(text.as_bytes(), &mut out).map(|()| out.to_vec())
    }

    #[test]
    fn text_becomes_lower_case_wire_form() {
        assert_eq!(wire(".").unwrap(), b"\0");
        assert_eq!(wire("Example.COM").unwrap(), b"\x07example\x03com\0");
        assert_eq!(wire("example.com.").unwrap(), b"\x07example\x03com\0");
        assert_eq!(wire("a\\.b\\032c.x").unwrap(), b"\x05a.b c\x01x\0");
    }

    #[test]
    fn bad_names_are_refused() {
        assert_eq!(wire(""), Err(NameError::Empty));
        assert_eq!(wire("a..b"), Err(NameError::EmptyLabel));
        assert_eq!(wire(".a"), Err(NameError::EmptyLabel));
        assert_eq!(wire(".."), Err(NameError::EmptyLabel));
        assert_eq!(wire("a\\"), Err(NameError::BadEscape));
        assert_eq!(wire("a\\256"), Err(NameError::BadEscape));
        assert_eq!(wire("a\\25"), Err(NameError::BadEscape));
    }

    #[test]
    fn limits_hold_to_the_octet() {
        assert_eq!(wire(&"a".repeat(63)).unwrap().len(), 65);
        assert_eq!(wire(&"a".repeat(64)), Err(NameError::LabelTooLong));
        let label = format!("{}.", "a".repeat(63));
        assert_eq!(wire(&format!("{}{}", label.repeat(3), "a".repeat(61))).unwrap().len(), 255);
        assert_eq!(wire(&format!("{}{}", label.repeat(3), "a".repeat(62))), Err(NameError::NameTooLong));
        assert_eq!(wire(&"a".repeat(300)), Err(NameError::NameTooLong));
    }

    #[test]
    fn wire_form_becomes_text_again() {
        for text in [".", "example.com.", "a\\.b\\032c.x."] {
            assert_eq!(to_text(&wire(text).unwrap()), text);
        }
    }
}
