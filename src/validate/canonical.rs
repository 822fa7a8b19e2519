//! Canonical form and order (RFC 4034 section 6, RFC 6840 section 5.1).

use crate::dns::name::{suffixes, uncompressed_len};
use crate::dns::record::layout;
use crate::dns::rtype;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Most labels of a name, the root not counted.
const MAX_LABELS: usize = 127;

/// Canonical order of two names in wire form (RFC 4034 section 6.1): label by label from the root, letter case ignored.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (Labels::of(a), Labels::of(b));
    let differing =
        a.root_first().zip(b.root_first()).map(|(a, b)| folded(a).cmp(folded(b))).find(|order| order.is_ne());
    differing.unwrap_or(a.count.cmp(&b.count))
}

/// Number of labels as the labels field of an RRSIG counts them: without the root and a leading asterisk (RFC 4034
/// section 3.1.3).
pub fn labels(name: &[u8]) -> u8 {
    let all = suffixes(name).count().saturating_sub(1);
    let counted = if name.starts_with(b"\x01*") { all.saturating_sub(1) } else { all };
    u8::try_from(counted).unwrap_or(u8::MAX)
}

/// The end of `name` that has so many labels without the root; all of a name that has fewer.
pub fn last_labels(name: &[u8], count: u8) -> &[u8] {
    let all = suffixes(name).count().saturating_sub(1);
    suffixes(name).nth(all.saturating_sub(usize::from(count))).unwrap_or(name)
}

/// The data of a record of that type in canonical form: letters of names small in the types of RFC 4034 section 6.2, but
/// for NSEC (RFC 6840 section 5.1). RRSIG is among them, whose signer all signers take in lower case. Malformed data stays
/// as it came from where it is malformed.
pub fn data(rtype: u16, data: &[u8]) -> Cow<'_, [u8]> {
    let Some((before, names)) = names_of(rtype, data) else { return Cow::Borrowed(data) };
    let mut end = before;
    for _ in 0..names {
        end += uncompressed_len(data, end).unwrap_or(0);
    }
    match data.get(before..end) {
        Some(names) if names.iter().any(u8::is_ascii_uppercase) => {
            let mut lower = data.to_vec();
            // Length octets are at most 63, below 'A'.
            lower[before..end].make_ascii_lowercase();
            Cow::Owned(lower)
        }
        _ => Cow::Borrowed(data),
    }
}

/// The data of an RRset's records in canonical form and order, each once (RFC 4034 section 6.3).
pub fn records<'a>(rtype: u16, records: &[&'a [u8]]) -> Vec<Cow<'a, [u8]>> {
    let mut sorted: Vec<Cow<'a, [u8]>> = records.iter().map(|record| data(rtype, record)).collect();
    if !sorted.is_sorted_by(|a, b| a < b) {
        sorted.sort_unstable();
        sorted.dedup();
    }
    sorted
}

/// Octets before the first name that is in lower case in canonical form, and how many names there are in a row.
fn names_of(rtype: u16, data: &[u8]) -> Option<(usize, usize)> {
    match rtype {
        rtype::RRSIG => Some((18, 1)),
        rtype::NAPTR => {
            let mut at = 4;
            for _ in 0..3 {
                at += 1 + usize::from(*data.get(at)?);
            }
            Some((at, 1))
        }
        _ => layout(rtype).map(|layout| (layout.before, layout.names)),
    }
}

/// Where the labels of a name are.
struct Labels<'a> {
    name: &'a [u8],
    starts: [u8; MAX_LABELS],
    count: usize,
}

impl<'a> Labels<'a> {
    fn of(name: &'a [u8]) -> Labels<'a> {
        let mut found = Labels { name, starts: [0; MAX_LABELS], count: 0 };
        let mut at = 0usize;
        while let Some(&len) = name.get(at)
            && len != 0
            && let Ok(start) = u8::try_from(at)
            && let Some(place) = found.starts.get_mut(found.count)
        {
            *place = start;
            found.count += 1;
            at += 1 + usize::from(len);
        }
        found
    }

    /// The labels, that beside the root first.
    fn root_first(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.starts[..self.count].iter().rev().map(|&start| {
            let rest = &self.name[usize::from(start)..];
            let len = usize::from(rest[0]);
            rest.get(1..=len).unwrap_or(&rest[1..])
        })
    }
}

/// The octets of a label with small letters.
fn folded(label: &[u8]) -> impl Iterator<Item = u8> + '_ {
    label.iter().map(u8::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 4034 section 6.1.
    #[test]
    fn names_are_in_order() {
        let names: [&[u8]; 9] = [
            b"\x07example\0",
            b"\x01a\x07example\0",
            b"\x08yljkjljk\x01a\x07example\0",
            b"\x01Z\x01a\x07example\0",
            b"\x04zABC\x01a\x07EXAMPLE\0",
            b"\x01z\x07example\0",
            b"\x01\x01\x01z\x07example\0",
            b"\x01*\x01z\x07example\0",
            b"\x01\xc8\x01z\x07example\0",
        ];
        for (at, name) in names.iter().enumerate() {
            for (other_at, other) in names.iter().enumerate() {
                assert_eq!(compare(name, other), at.cmp(&other_at), "{name:?} {other:?}");
            }
        }
        assert_eq!(compare(b"\x01A\0", b"\x01a\0"), Ordering::Equal);
        assert_eq!(compare(b"\0", b"\x01a\0"), Ordering::Less);
    }

    #[test]
    fn labels_count_no_asterisk_in_front() {
        for (name, count) in
            [(&b"\0"[..], 0), (b"\x01*\0", 0), (b"\x01a\x01b\0", 2), (b"\x01*\x01b\0", 1), (b"\x01a\x01*\0", 2)]
        {
            assert_eq!(labels(name), count, "{name:?}");
        }
        assert_eq!(last_labels(b"\x01a\x01b\x01c\0", 2), b"\x01b\x01c\0");
        assert_eq!(last_labels(b"\x01a\0", 0), b"\0");
        assert_eq!(last_labels(b"\x01a\0", 5), b"\x01a\0");
    }

    #[test]
    fn names_in_data_are_small_where_the_type_says_so() {
        for (rtype, from, to) in [
            (rtype::NS, &b"\x01A\0"[..], &b"\x01a\0"[..]),
            (rtype::MX, b"AB\x01A\0", b"AB\x01a\0"),
            (rtype::SOA, b"\x01A\0\x01B\0AAAA", b"\x01a\0\x01b\0AAAA"),
            (rtype::SRV, b"AAAAAA\x01A\0", b"AAAAAA\x01a\0"),
            (rtype::NAPTR, b"AAAA\x01A\x01A\x01A\x01A\0", b"AAAA\x01A\x01A\x01A\x01a\0"),
            (rtype::RRSIG, b"AAAAAAAAAAAAAAAAAA\x01A\0A", b"AAAAAAAAAAAAAAAAAA\x01a\0A"),
            (rtype::NSEC, b"\x01A\0\0\x01A", b"\x01A\0\0\x01A"),
            (rtype::TXT, b"\x01A", b"\x01A"),
            (rtype::SVCB, b"\0\x01\x01A\0", b"\0\x01\x01A\0"),
            (rtype::NS, b"\x05A", b"\x05A"),
        ] {
            assert_eq!(data(rtype, from), to, "{rtype}");
        }
    }
}
