//! The message header, twelve octets (RFC 1035 section 4.1.1; AD and CD: RFC 4035 section 3).
//!
//! Functions on slices instead of a view type: the header is read and rewritten where it lies. Every reader answers zero
//! for a slice that is too short, every writer does nothing; callers check [`LEN`] once.

use super::{get_u16, put_u16};

/// Octets of a header.
pub const LEN: usize = 12;

/// Flag bits of the second 16-bit word.
pub mod flag {
    #![allow(missing_docs)]
    pub const QR: u16 = 0x8000;
    pub const AA: u16 = 0x0400;
    pub const TC: u16 = 0x0200;
    pub const RD: u16 = 0x0100;
    pub const RA: u16 = 0x0080;
    pub const AD: u16 = 0x0020;
    pub const CD: u16 = 0x0010;
}

/// Opcodes (RFC 1035, RFC 1996).
pub mod opcode {
    #![allow(missing_docs)]
    pub const QUERY: u16 = 0;
    pub const NOTIFY: u16 = 4;
}

/// The message ID.
#[inline]
pub fn id(message: &[u8]) -> u16 {
    get_u16(message, 0).unwrap_or(0)
}

/// The flags word: QR, opcode, AA, TC, RD, RA, Z, AD, CD, RCODE.
#[inline]
pub fn flags(message: &[u8]) -> u16 {
    get_u16(message, 2).unwrap_or(0)
}

/// The opcode's bits of a flags word; a reply keeps them.
pub const OPCODE_BITS: u16 = 0x7800;

/// The opcode in a flags word.
#[inline]
pub fn opcode_of(flags: u16) -> u16 {
    (flags >> 11) & 0xf
}

/// The four section counts: question, answer, authority, additional.
#[inline]
pub fn counts(message: &[u8]) -> [u16; 4] {
    [4, 6, 8, 10].map(|at| get_u16(message, at).unwrap_or(0))
}

/// Replaces the flags word.
#[inline]
pub fn set_flags(message: &mut [u8], flags: u16) {
    put_u16(message, 2, flags);
}

/// Replaces the four section counts.
#[inline]
pub fn set_counts(message: &mut [u8], counts: [u16; 4]) {
    for (place, count) in counts.into_iter().enumerate() {
        put_u16(message, 4 + 2 * place, count);
    }
}
