//! How a slot lies in memory, and what finds it: the mirror of bpf/answers.h and of `make_key` and `hash_key` of
//! bpf/query.bpf.h.

use arrayvec::ArrayVec;
use bytemuck::{Pod, Zeroable};

/// `RUNBOUND_SLOTS`.
pub const SLOTS: usize = 4096;
/// Slots of one value of the hash, side by side.
pub const WAYS: usize = 2;
/// `RUNBOUND_NAME_WORDS`.
const NAME_WORDS: usize = 8;
/// Longest name of a slot in octets, wire form: `RUNBOUND_NAME_LEN`.
pub const LONGEST_NAME: usize = 8 * NAME_WORDS;
/// Most octets behind the question of a reply: `RUNBOUND_BODY_LEN`.
pub const LONGEST_BODY: usize = 376;
/// Most TTLs of a reply that count down: `RUNBOUND_TTLS`.
pub const MOST_TTLS: usize = 11;
/// Octets of type and class behind a question's name.
const QUESTION_FIXED: usize = 4;
/// Octets of a header behind its ID: flags and counts.
pub const HEAD: usize = 10;

/// `struct runbound_slot`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Slot {
    stamp: u64,
    key: [u64; 1 + NAME_WORDS],
    second: u32,
    until: u32,
    head: [u8; HEAD],
    body_len: u16,
    ttls: u8,
    rotates: u8,
    ttl_at: [u16; MOST_TTLS],
    rotates_at: u16,
    rotates_by: u16,
    body: [u8; LONGEST_BODY],
    end: u64,
}

/// `RUNBOUND_GENERATION_SHIFT`.
pub(super) const GENERATION_SHIFT: u32 = 32;

/// Words of a slot, the first of which is its stamp.
pub(super) const WORDS: usize = size_of::<Slot>() / 8;

/// How a query has EDNS: `enum runbound_edns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum QueryEdns {
    /// Not at all.
    None,
    /// An OPT record without options and without flags.
    Plain,
    /// The same with DO.
    DnssecOk,
}

/// What a query must be, octet for octet but for its ID and letter case, for a slot to answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key([u64; 1 + NAME_WORDS]);

impl Key {
    /// The key of a query with this question (name, type and class as they stand in the message) and flags word. `None` when its
    /// name is too long for a slot.
    pub fn new(question: &[u8], flags: u16, edns: QueryEdns) -> Option<Key> {
        let (name, fixed) = question.split_at_checked(question.len().checked_sub(QUESTION_FIXED)?)?;
        if name.is_empty() || name.len() > LONGEST_NAME {
            return None;
        }
        let fixed = u32::from_ne_bytes(fixed.try_into().ok()?);
        let flags = u16::from_ne_bytes(flags.to_be_bytes());
        let mut words = [0; 1 + NAME_WORDS];
        words[0] = u64::from(fixed) | u64::from(flags) << 32 | u64::from(edns as u8) << 48 | (name.len() as u64) << 56;
        for (word, octets) in words[1..].iter_mut().zip(name.chunks(8)) {
            let mut lower = [0; 8];
            lower[..octets.len()].copy_from_slice(octets);
            *word = u64::from_ne_bytes(lower.map(|octet| octet.to_ascii_lowercase()));
        }
        Some(Key(words))
    }

    /// Its hash by the two secret words of a table.
    pub(super) fn hash(&self, (start, factor): (u64, u64)) -> u64 {
        let words = 1 + self.name_len().div_ceil(8);
        let first = (start ^ self.0[0]).wrapping_mul(factor);
        self.0[1..words].iter().fold(first, |hash, word| (hash ^ hash >> 32 ^ word).wrapping_mul(factor))
    }

    fn name_len(&self) -> usize {
        (self.0[0] >> 56) as usize
    }

    /// The name in lower case, wire form.
    pub fn name(&self) -> ArrayVec<u8, LONGEST_NAME> {
        self.0[1..].iter().flat_map(|word| word.to_ne_bytes()).take(self.name_len()).collect()
    }
}

/// A reply as a slot tells it.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its flags word and counts.
    pub head: [u8; HEAD],
    /// What stands behind its question, at most [`LONGEST_BODY`] octets.
    pub body: ArrayVec<u8, LONGEST_BODY>,
    /// Where in the body TTLs stand that count down.
    pub ttls: ArrayVec<u16, MOST_TTLS>,
    /// The RRset that is rotated by the query's ID; the body has its records as for an ID of 0.
    pub rotated: Option<Rotated>,
    /// The second of the monotonic clock whose TTLs these are.
    pub second: u32,
    /// The first second in which the worker answers again.
    pub until: u32,
}

/// An RRset in a body: records of the same length, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// Where it stands in the body.
    pub at: u16,
    /// Octets of each record.
    pub stride: u16,
    /// Records.
    pub records: u8,
}

impl Slot {
    /// A slot without a stamp.
    pub(super) fn new(key: &Key, reply: &Reply) -> Slot {
        let mut slot = Slot {
            key: key.0,
            second: reply.second,
            until: reply.until,
            head: reply.head,
            body_len: reply.body.len() as u16,
            ttls: reply.ttls.len() as u8,
            ..Slot::zeroed()
        };
        slot.body[..reply.body.len()].copy_from_slice(&reply.body);
        slot.ttl_at[..reply.ttls.len()].copy_from_slice(&reply.ttls);
        if let Some(set) = reply.rotated {
            (slot.rotates, slot.rotates_at, slot.rotates_by) = (set.records, set.at, set.stride);
        }
        slot
    }
}

/// `struct runbound_hits`, in words.
pub(super) const HIT_WORDS: usize = 2;

/// `struct runbound_answer_control`, in words.
pub(super) mod control {
    pub(in super::super) const GENERATION: usize = 0;
    pub(in super::super) const HEARTBEAT: usize = 1;
    pub(in super::super) const HASH_START: usize = 2;
    pub(in super::super) const HASH_FACTOR: usize = 3;
    pub(in super::super) const TRAFFIC_CLASS: usize = 4;
    pub(in super::super) const WORDS: usize = 5;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn slots_lie_as_in_the_header() {
        let header = include_str!("../../../bpf/answers.h");
        for line in [
            format!("#define RUNBOUND_SLOTS {SLOTS} "),
            format!("#define RUNBOUND_NAME_WORDS {NAME_WORDS} "),
            format!("#define RUNBOUND_BODY_LEN {LONGEST_BODY}\n"),
            format!("#define RUNBOUND_TTLS {MOST_TTLS}\n"),
            format!("#define RUNBOUND_GENERATION_SHIFT {GENERATION_SHIFT} "),
        ] {
            assert!(header.contains(&line), "{line}");
        }
        let places = [
            offset_of!(Slot, key),
            offset_of!(Slot, second),
            offset_of!(Slot, head),
            offset_of!(Slot, body_len),
            offset_of!(Slot, ttls),
            offset_of!(Slot, rotates),
            offset_of!(Slot, ttl_at),
            offset_of!(Slot, rotates_at),
            offset_of!(Slot, rotates_by),
            offset_of!(Slot, body),
            size_of::<Slot>(),
        ];
        assert_eq!(places, [8, 80, 88, 98, 100, 101, 102, 124, 126, 128, 512]);
    }

    #[test]
    fn a_key_is_of_a_query_in_any_letter_case() {
        let key = |name: &[u8], flags, edns| Key::new(&[name, &[0, 1, 0, 1]].concat(), flags, edns);
        let lower = key(b"\x0bwww-example\x03net\0", 0x0100, QueryEdns::None).unwrap();
        assert_eq!(key(b"\x0bWWW-Example\x03nEt\0", 0x0100, QueryEdns::None), Some(lower));
        assert_eq!(lower.name().as_slice(), b"\x0bwww-example\x03net\0");
        let others = [
            key(b"\x0bwww-example\x03net\0", 0x0120, QueryEdns::None),
            key(b"\x0bwww-example\x03net\0", 0x0100, QueryEdns::Plain),
            key(b"\x0bwww-example\x03net\0", 0x0100, QueryEdns::DnssecOk),
            key(b"\x0bwww-examplf\x03net\0", 0x0100, QueryEdns::None),
            key(b"\x0bwww-example\x03net", 0x0100, QueryEdns::None),
        ];
        for other in others {
            assert_ne!(other, Some(lower));
            assert_ne!(other.unwrap().hash((7, 9)), lower.hash((7, 9)));
        }
        assert!(key(&[1; 64], 0, QueryEdns::None).is_some());
        assert!(key(&[1; 65], 0, QueryEdns::None).is_none());
        assert!(key(b"", 0, QueryEdns::None).is_none() && Key::new(&[0, 0, 1], 0, QueryEdns::None).is_none());
    }
}
