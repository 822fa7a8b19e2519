//! Walking the records of a message, compressed names followed (RFC 1035 sections 3.2 and 4.1.4).

use super::name::{MAX_LABEL, MAX_LEN, Name};
use super::{get_u16, get_u32, rtype};
use std::ops::Range;

/// Octets of a record between its owner name and its data: type, class, TTL, length.
pub const FIXED: usize = 10;

/// One record of a message, by places within the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where the owner name starts.
    pub owner: usize,
    /// Where the type field starts: the owner's end.
    pub fixed: usize,
    /// Type.
    pub rtype: u16,
    /// Class.
    pub class: u16,
    /// Time to live in seconds, as written.
    pub ttl: u32,
    /// The data's place.
    pub rdata: Range<usize>,
}

impl Record {
    /// The record that starts at `at`; `None` when any part lies outside `message` or its owner is malformed.
    #[inline]
    pub fn at(message: &[u8], at: usize) -> Option<Record> {
        let fixed = skip_name(message, at)?;
        let rdata = fixed + FIXED;
        let end = rdata + usize::from(get_u16(message, fixed + 8)?);
        if end > message.len() {
            return None;
        }
        Some(Record {
            owner: at,
            fixed,
            rtype: get_u16(message, fixed)?,
            class: get_u16(message, fixed + 2)?,
            ttl: get_u32(message, fixed + 4)?,
            rdata: rdata..end,
        })
    }

    /// Where the next record starts.
    #[inline]
    pub fn end(&self) -> usize {
        self.rdata.end
    }
}

/// Octet after the name at `at`: after its first pointer or its root label. The pointer's target is not looked at.
#[inline]
pub fn skip_name(message: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    loop {
        let label = usize::from(*message.get(end)?);
        end += 1;
        match label {
            0 => break,
            1..=MAX_LABEL => end += label,
            0xc0.. => {
                end += 1;
                break;
            }
            _ => return None,
        }
        if end - at >= MAX_LEN {
            return None;
        }
    }
    (end <= message.len()).then_some(end)
}

/// Reads the name at `at`, pointers followed. Every pointer must point before the name part it stands in, so that
/// loops and forward pointers end here. Gives the name and the octet after it.
pub fn read_name(message: &[u8], at: usize) -> Option<(Name, usize)> {
    let mut wire = [0u8; MAX_LEN];
    let mut len = 0usize;
    let mut place = at;
    let mut limit = at;
    let mut after = None;
    loop {
        let label = usize::from(*message.get(place)?);
        if label >= 0xc0 {
            let target = usize::from(get_u16(message, place)? & 0x3fff);
            after.get_or_insert(place + 2);
            if target >= limit {
                return None;
            }
            limit = target;
            place = target;
            continue;
        }
        if label > MAX_LABEL {
            return None;
        }
        let piece = message.get(place..place + 1 + label)?;
        wire.get_mut(len..len + piece.len())?.copy_from_slice(piece);
        len += piece.len();
        place += piece.len();
        if label == 0 {
            break;
        }
    }
    Some((Name::from_wire(&wire[..len])?, after.unwrap_or(place)))
}

/// How a type's data is made of fixed octets and names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Octets before the first name.
    pub before: usize,
    /// Number of names in a row after them; what follows them is copied as it is.
    pub names: usize,
    /// Whether these names may be compressed when written (RFC 3597 section 4: only the types of RFC 1035).
    pub compress: bool,
}

/// The layout of `rtype`'s data where it can hold names that others may have compressed; `None`: opaque octets.
pub fn layout(rtype: u16) -> Option<Layout> {
    let (before, names, compress) = match rtype {
        rtype::NS | rtype::CNAME | rtype::PTR | rtype::MD | rtype::MF | rtype::MB | rtype::MG | rtype::MR => {
            (0, 1, true)
        }
        rtype::SOA | rtype::MINFO => (0, 2, true),
        rtype::MX => (2, 1, true),
        rtype::DNAME | rtype::NXT => (0, 1, false),
        rtype::RP => (0, 2, false),
        rtype::AFSDB | rtype::RT | rtype::KX => (2, 1, false),
        rtype::PX => (2, 2, false),
        rtype::SRV => (6, 1, false),
        rtype::SIG => (18, 1, false),
        _ => return None,
    };
    Some(Layout { before, names, compress })
}

/// Copies `record`'s data to `out` with every name in it written out in full; gives the length. `None` when the data
/// is malformed or does not fit.
pub fn expand_rdata(message: &[u8], record: &Record, out: &mut [u8]) -> Option<usize> {
    let data = message.get(record.rdata.clone())?;
    let Some(layout) = layout(record.rtype) else {
        out.get_mut(..data.len())?.copy_from_slice(data);
        return Some(data.len());
    };
    let mut len = layout.before;
    out.get_mut(..len)?.copy_from_slice(data.get(..len)?);
    let mut place = record.rdata.start + layout.before;
    for _ in 0..layout.names {
        let (name, after) = read_name(message, place)?;
        let wire = name.as_wire();
        out.get_mut(len..len + wire.len())?.copy_from_slice(wire);
        len += wire.len();
        place = after;
    }
    let tail = message.get(place..record.rdata.end)?;
    out.get_mut(len..len + tail.len())?.copy_from_slice(tail);
    Some(len + tail.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_pointers_backwards_only() {
        let message = b"\x03com\0\x07example\xc0\x00\x03www\xc0\x05\xc0\x15\xc0\x13";
        let (name, after) = read_name(message, 15).unwrap();
        assert_eq!((name.to_string().as_str(), after), ("www.example.com.", 21));
        assert!(read_name(message, 21).is_none(), "points at itself");
        assert!(read_name(b"\x01a\xc0\x00", 0).is_none(), "loops back to its own start");
        assert!(read_name(b"\xc0\x02\x00", 0).is_none(), "points forward");
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        let mut record = b"\0\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04".to_vec();
        assert_eq!(Record::at(&record, 0).unwrap().rdata, 11..15);
        record[10] = 5;
        assert!(Record::at(&record, 0).is_none());
    }

    #[test]
    fn data_is_expanded() {
        let mut message = b"\x03com\0".to_vec();
        let at = message.len();
        message.extend_from_slice(b"\0\0\x0f\0\x01\0\0\0\x3c\0\x07\0\x0a\x02mx\xc0\0");
        let record = Record::at(&message, at).unwrap();
        let mut out = [0; 32];
        let len = expand_rdata(&message, &record, &mut out).unwrap();
        assert_eq!(&out[..len], b"\0\x0a\x02mx\x03com\0");
        assert!(expand_rdata(&message, &record, &mut out[..8]).is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_safe(octets: Vec<u8>, at in 0usize..64) {
            let _ = read_name(&octets, at);
            if let Some(record) = Record::at(&octets, at) {
                let mut out = [0; 600];
                let _ = expand_rdata(&octets, &record, &mut out);
            }
        }
    }
}
