//! Domain names in wire form (RFC 1035 section 3.1): length octet, label, …, root.

use std::fmt;

/// Longest name in wire form, root label included (RFC 1035 section 2.3.4).
pub const MAX_LEN: usize = 255;
/// Longest label.
pub const MAX_LABEL: usize = 63;

/// Length in octets, root included, of the uncompressed name that starts at `at`; `None` when it is compressed, cut off,
/// or longer than [`MAX_LEN`].
#[inline]
pub fn uncompressed_len(octets: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    loop {
        let label = usize::from(*octets.get(end)?);
        end += 1;
        if label == 0 {
            break;
        }
        if label > MAX_LABEL {
            return None;
        }
        end += label;
        if end - at >= MAX_LEN {
            return None;
        }
    }
    Some(end - at)
}

/// An owned name in wire form, at most [`MAX_LEN`] octets, the letter case kept.
#[derive(Clone, Copy)]
pub struct Name {
    len: u8,
    octets: [u8; MAX_LEN],
}

impl Name {
    /// The root.
    pub const ROOT: Name = Name { len: 1, octets: [0; MAX_LEN] };

    /// Copies a name that is exactly `wire`; `None` when `wire` is no well-formed uncompressed name.
    pub fn from_wire(wire: &[u8]) -> Option<Name> {
        if uncompressed_len(wire, 0)? != wire.len() {
            return None;
        }
        let mut name = Name { len: wire.len() as u8, octets: [0; MAX_LEN] };
        name.octets[..wire.len()].copy_from_slice(wire);
        Some(name)
    }

    /// Reads presentation form (RFC 1035 section 5.1): dots, `\.`, `\DDD`; a missing final dot is added. `None` when a
    /// label is empty or too long, an escape is malformed, or the name is too long.
    pub fn from_text(text: &str) -> Option<Name> {
        if text == "." {
            return Some(Name::ROOT);
        }
        let mut name = Name { len: 0, octets: [0; MAX_LEN] };
        let mut end = 1usize;
        let mut label_at = 0usize;
        let mut input = text.bytes().peekable();
        input.peek()?;
        while let Some(octet) = input.next() {
            if octet == b'.' {
                name.close_label(label_at, end)?;
                label_at = end;
                end += 1;
                continue;
            }
            let octet = if octet == b'\\' { unescape(&mut input)? } else { octet };
            *name.octets.get_mut(end)? = octet;
            end += 1;
        }
        if end - label_at > 1 {
            name.close_label(label_at, end)?;
            label_at = end;
        }
        if label_at >= MAX_LEN {
            return None;
        }
        name.octets[label_at] = 0;
        name.len = (label_at + 1) as u8;
        Some(name)
    }

    fn close_label(&mut self, label_at: usize, end: usize) -> Option<()> {
        let label = end - label_at - 1;
        if label == 0 || label > MAX_LABEL || end >= MAX_LEN {
            return None;
        }
        self.octets[label_at] = label as u8;
        Some(())
    }

    /// The wire form.
    #[inline]
    pub fn as_wire(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    /// The same name in lower case.
    pub fn to_lower(mut self) -> Name {
        // Length octets are at most 63, below 'A', so folding the whole wire form touches letters only.
        self.octets.make_ascii_lowercase();
        self
    }

    /// Number of labels without the root.
    pub fn label_count(&self) -> usize {
        label_count(self.as_wire())
    }

    /// True when `self` is `zone` or lies below it; letter case ignored.
    pub fn is_at_or_below(&self, zone: &[u8]) -> bool {
        is_at_or_below(self.as_wire(), zone)
    }
}

fn unescape(input: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let first = input.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = input.next().filter(u8::is_ascii_digit)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).ok()
}

/// Number of labels of a wire name, the root not counted.
pub fn label_count(wire: &[u8]) -> usize {
    suffixes(wire).count() - 1
}

/// Every suffix of a wire name from the name itself to the root, as wire slices.
pub fn suffixes(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(wire);
    std::iter::from_fn(move || {
        let here = rest?;
        rest = match here.first() {
            Some(&label) if label != 0 => here.get(usize::from(label) + 1..),
            _ => None,
        };
        Some(here)
    })
}

/// True when `name` is `zone` or lies below it; letter case ignored. Both in wire form.
pub fn is_at_or_below(name: &[u8], zone: &[u8]) -> bool {
    suffixes(name).any(|suffix| suffix.eq_ignore_ascii_case(zone))
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.as_wire().eq_ignore_ascii_case(other.as_wire())
    }
}

impl Eq for Name {}

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

    #[test]
    fn walking_stops_at_limits() {
        assert_eq!(uncompressed_len(b"\x01a\0", 0), Some(3));
        assert_eq!(uncompressed_len(b"\x01a", 0), None);
        assert_eq!(uncompressed_len(b"\xc0\x00", 0), None);
        assert_eq!(uncompressed_len(b"\x40aaaa", 0), None);
        let mut long = Vec::new();
        for _ in 0..127 {
            long.extend_from_slice(b"\x01a");
        }
        long.push(0);
        assert_eq!(uncompressed_len(&long, 0), Some(255));
        long.insert(0, b'x');
        long.insert(0, 1);
        assert_eq!(uncompressed_len(&long, 0), None);
    }

    #[test]
    fn below_follows_label_borders() {
        let name = Name::from_text("www.Example.com").unwrap();
        assert!(name.is_at_or_below(b"\x07example\x03com\0"));
        assert!(name.is_at_or_below(b"\0"));
        assert!(!name.is_at_or_below(b"\x06xample\x03com\0"));
        assert_eq!(name.label_count(), 3);
        assert_eq!(Name::ROOT.label_count(), 0);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_safe(text in ".{0,300}") {
            if let Some(name) = Name::from_text(&text) {
                assert_eq!(uncompressed_len(name.as_wire(), 0), Some(name.as_wire().len()));
                assert_eq!(Name::from_text(&name.to_string()).unwrap().as_wire(), name.as_wire());
            }
        }
        #[test]
        fn any_octets_are_safe(octets: Vec<u8>, at in 0usize..300) {
            if let Some(len) = uncompressed_len(&octets, at) {
                assert!(Name::from_wire(&octets[at..at + len]).is_some());
            }
        }
    }
}
