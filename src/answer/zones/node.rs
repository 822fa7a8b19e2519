//! What a table is made of: nodes, how they stand on each other, RRsets.

use super::ZoneType;
use crate::dns::class;

pub(super) const NONE: u32 = u32::MAX;

/// A name known locally.
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub(super) name_at: u32,
    pub(super) name_len: u8,
    /// RRsets at this name.
    pub(super) rrset_count: u8,
    pub(super) flags: u8,
    pub(super) kind: ZoneType,
    pub(super) first_rrset: u32,
    /// Enclosing zone: this node's own number when it is a zone's apex.
    pub(super) zone: u32,
}

/// The node is a zone's apex.
pub(super) const APEX: u8 = 1;
/// The node stands in its zone's data: an owner or an empty non-terminal.
pub(super) const IN_DATA: u8 = 2;
/// The zone has a SOA record: its place among the RRsets is `first_rrset - 1`.
pub(super) const HAS_SOA: u8 = 4;
/// Of an apex: the zone was made for its data and goes with it.
pub(super) const MADE: u8 = 8;
/// Of a node that is no apex, the same bit: it stands for a zone's apex in the data of the zone above, where the DS records
/// are (RFC 4035 section 2.4). The apex's own node is the zone's alone.
pub(super) const CUT: u8 = 8;

/// How a node in the data stands with those one label above and below.
#[derive(Clone, Copy)]
pub(super) struct Link {
    /// How many nodes one label below stand in the data for this one to stand there; [`COUNTED`] when it is one itself.
    pub(super) below: u32,
    /// The last that came below this one, and the one that had come before this one below the same. Those that have left
    /// the data since, or are apexes, are in the chain still.
    pub(super) child: u32,
    pub(super) next: u32,
}

/// In [`Link::below`].
pub(super) const COUNTED: u32 = 1 << 31;

impl Default for Link {
    fn default() -> Link {
        Link { below: 0, child: NONE, next: NONE }
    }
}

/// Records of one owner and type, rendered.
#[derive(Clone, Copy)]
pub(super) struct Rrset {
    pub(super) rtype: u16,
    pub(super) records: u16,
    pub(super) at: u32,
    pub(super) len: u32,
}

/// The last class that has zones, but for ANY.
const LAST_CLASS: u16 = 15;

impl Node {
    /// The flags of a class, 1 to 15 or ANY: it stands in their upper half.
    pub(super) fn flags_of(qclass: u16) -> Option<u8> {
        match qclass {
            class::IN..=LAST_CLASS => Some(((qclass - class::IN) as u8) << 4),
            class::ANY => Some((LAST_CLASS as u8) << 4),
            _ => None,
        }
    }

    /// The class.
    pub(super) fn class(&self) -> u16 {
        match u16::from(self.flags >> 4) + class::IN {
            qclass @ ..=LAST_CLASS => qclass,
            _ => class::ANY,
        }
    }

    /// What its name's hash is salted with.
    pub(super) fn salt(&self) -> u64 {
        let cut = self.flags & (APEX | CUT) == CUT;
        class_salt(self.class()) ^ if cut { CUT_SALT } else { 0 }
    }
}

/// Keeps nodes with [`CUT`] apart.
pub(super) const CUT_SALT: u64 = 0xd6e8_feb8_6659_fd93;

/// Keeps names of other classes apart in the one index.
#[inline]
pub(super) fn class_salt(qclass: u16) -> u64 {
    if qclass == class::IN { 0 } else { (u64::from(qclass) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) }
}
