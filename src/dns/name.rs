//! Domain names in wire form (RFC 1035 section 3.1): length octet, label, …, root.

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

    /// The wire form.
    #[inline]
    pub fn as_wire(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    /// The wire form, for letters of another case: the lengths of labels must stay.
    pub(crate) fn as_wire_mut(&mut self) -> &mut [u8] {
        &mut self.octets[..usize::from(self.len)]
    }

    /// The same name in lower case.
    pub fn to_lower(mut self) -> Name {
        // Length octets are at most 63, below 'A', so folding the whole wire form touches letters only.
        self.octets.make_ascii_lowercase();
        self
    }

    /// Becomes `other` in lower case. Few octets but those that it has are written: most names are short, and where many lie in
    /// a table the rest of each need not come into the core's caches.
    #[inline]
    pub fn set_lower(&mut self, other: &Name) {
        self.set_lower_wire(other.as_wire());
    }

    /// As [`Self::set_lower`] for a name in wire form; what is no well-formed uncompressed name gives the root.
    #[inline]
    pub fn set_wire_lower(&mut self, wire: &[u8]) {
        let is_name = uncompressed_len(wire, 0) == Some(wire.len());
        self.set_lower_wire(if is_name { wire } else { &[0] });
    }

    #[inline]
    fn set_lower_wire(&mut self, wire: &[u8]) {
        self.octets[..wire.len()].copy_from_slice(wire);
        fold_front(&mut self.octets, wire.len());
        self.len = wire.len() as u8;
    }

    /// Number of labels without the root.
    pub fn label_count(&self) -> usize {
        label_count(self.as_wire())
    }

    /// The name with its end `owner`, at or below which it lies, replaced by `target` (RFC 6672 section 2.2); both in wire
    /// form. `None` when that gets too long.
    pub fn with_end(&self, owner: &[u8], target: &[u8]) -> Option<Name> {
        let front = self.as_wire().get(..self.as_wire().len().checked_sub(owner.len())?)?;
        let mut wire = [0u8; MAX_LEN];
        let len = front.len() + target.len();
        wire.get_mut(..front.len())?.copy_from_slice(front);
        wire.get_mut(front.len()..len)?.copy_from_slice(target);
        Name::from_wire(&wire[..len])
    }

    /// True when `self` is `zone` or lies below it; letter case ignored.
    pub fn is_at_or_below(&self, zone: &[u8]) -> bool {
        is_at_or_below(self.as_wire(), zone)
    }
}

/// Folds the first `len` octets to lower case, a block at a time: so some behind them are, too.
#[inline]
pub(super) fn fold_front(octets: &mut [u8], len: usize) {
    const BLOCK: usize = 16;
    let end = len.next_multiple_of(BLOCK).min(octets.len());
    let (blocks, rest) = octets[..end].as_chunks_mut::<BLOCK>();
    for block in blocks {
        block.iter_mut().for_each(u8::make_ascii_lowercase);
    }
    rest.make_ascii_lowercase();
}

/// Whether two names in wire form are equal, letter case ignored. Most are in the same case.
#[inline]
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    one == other || one.eq_ignore_ascii_case(other)
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

/// The wire name without its first label; `None` for the root.
pub fn parent(wire: &[u8]) -> Option<&[u8]> {
    suffixes(wire).nth(1)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_another_of_any_length() {
        let mut name = Name::from_wire(b"\x05aBcDe\x03NeT\0").unwrap();
        for (wire, lower) in [
            (&b"\x01A\0"[..], &b"\x01a\0"[..]),
            (b"\x03Www\x01A\x02de\0", b"\x03www\x01a\x02de\0"),
            (b"\x03www", b"\0"),
            (b"\x01x\0\x01y\0", b"\0"),
            (b"", b"\0"),
        ] {
            name.set_wire_lower(wire);
            assert_eq!(name.as_wire(), lower);
            let mut other = Name::from_wire(b"\x05other\x05names\0").unwrap();
            other.set_lower(&name);
            assert_eq!(other.as_wire(), lower);
        }
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

    #[test]
    fn the_end_of_a_name_is_replaced_where_there_is_room() {
        let name = Name::from_text("www.Example.com").unwrap();
        let (owner, target) = (b"\x07example\x03com\0", b"\x03net\0");
        assert_eq!(name.with_end(owner, target).unwrap().as_wire(), b"\x03www\x03net\0");
        assert_eq!(name.with_end(b"\0", b"\0").unwrap().as_wire(), name.as_wire());
        let long = Name::from_text(&"a.".repeat(127)).unwrap();
        assert!(long.with_end(b"\0", b"\0").is_some() && long.with_end(b"\0", b"\x01a\0").is_none());
        assert!(Name::ROOT.with_end(owner, target).is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_safe(octets: Vec<u8>, at in 0usize..300) {
            if let Some(len) = uncompressed_len(&octets, at) {
                assert!(Name::from_wire(&octets[at..at + len]).is_some());
            }
        }
    }
}
