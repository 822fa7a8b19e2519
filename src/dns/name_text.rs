//! Names from text and back (RFC 1035 section 5.1): dots, `\.`, `\DDD`.

use super::name::{MAX_LABEL, MAX_LEN, Name};
use arrayvec::ArrayVec;
use std::fmt;

/// A name in uncompressed wire form, its root label included, for reading text into.
pub type NameBuf = ArrayVec<u8, MAX_LEN>;

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
pub fn unescape(text: &[u8]) -> Option<(u8, usize)> {
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

impl Name {
    /// Reads presentation form, as [`parse`] does; `None` when it is no name.
    pub fn from_text(text: &str) -> Option<Name> {
        let mut wire = NameBuf::new();
        parse(text.as_bytes(), &mut wire).ok()?;
        Name::from_wire(&wire)
    }
}

/// Writes a wire name as text, final dot included, octets outside the printable set as `\DDD`.
pub fn write_text(wire: &[u8], out: &mut impl fmt::Write) -> fmt::Result {
    let mut rest = wire;
    let mut first = true;
    while let Some((&len, tail)) = rest.split_first() {
        if len == 0 {
            break;
        }
        let (label, after) = tail.split_at(tail.len().min(usize::from(len)));
        for &octet in label {
            match octet {
                b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => write!(out, "\\{}", octet as char)?,
                0x21..=0x7e => out.write_char(octet as char)?,
                _ => write!(out, "\\{octet:03}")?,
            }
        }
        out.write_char('.')?;
        first = false;
        rest = after;
    }
    if first { out.write_char('.') } else { Ok(()) }
}

/// As [`write_text`], in a string of its own.
pub fn to_text(wire: &[u8]) -> String {
    let mut text = String::new();
    // A string takes whatever is written to it.
    let _ = write_text(wire, &mut text);
    text
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(self.as_wire(), f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::name::uncompressed_len;

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

    #[test]
    fn text_and_wire_agree() {
        for (text, wire) in [
            (".", &b"\0"[..]),
            ("example.com", b"\x07example\x03com\0"),
            ("Example.com.", b"\x07Example\x03com\0"),
            ("a\\.b.c.", b"\x03a.b\x01c\0"),
            ("\\009x.", b"\x02\x09x\0"),
        ] {
            let name = Name::from_text(text).unwrap();
            assert_eq!(name.as_wire(), wire, "{text}");
            assert_eq!(Name::from_text(&name.to_string()).unwrap().as_wire(), wire);
        }
    }

    #[test]
    fn malformed_text_is_refused() {
        let long_label = "a".repeat(64);
        let long_name = ["a".repeat(63).as_str(); 4].join(".");
        for text in ["", "..", "a..b", ".a", "a\\", "a\\25", "a\\256", &long_label, &long_name] {
            assert!(Name::from_text(text).is_none(), "{text:?}");
        }
        let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        assert_eq!(Name::from_text(&longest).unwrap().as_wire().len(), MAX_LEN);
        assert!(Name::from_text(&format!("{longest}b")).is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_safe(text in ".{0,300}") {
            if let Some(name) = Name::from_text(&text) {
                assert_eq!(uncompressed_len(name.as_wire(), 0), Some(name.as_wire().len()));
                assert_eq!(Name::from_text(&name.to_string()).unwrap().as_wire(), name.as_wire());
            }
        }
    }
}
