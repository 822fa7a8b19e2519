//! DNS on byte slices and fixed buffers: no allocation, no panic on any input.
//!
//! | file | holds |
//! |---|---|
//! | `header` | the twelve octets in front (RFC 1035 section 4.1.1) |
//! | `name` | names in wire form: checked walking, the owned [`Name`] |
//! | `name_text` | names from text and back |
//! | `scan` | a question's name, folded to lower case and hashed suffix by suffix |
//! | `question` | the question section of a query |
//! | `edns` | the OPT record (RFC 6891) |
//! | `cookie` | server cookies (RFC 9018) |
//! | `record` | walking the records of a message, compression followed |
//! | `flaw` | why something is not secure |
//! | `cause` | why a question was not answered |
//! | `body` | the records of an answer as they stand behind a question: writer and reader |

pub mod body;
pub mod cause;
pub mod cookie;
pub mod edns;
pub mod flaw;
pub mod header;
pub mod name;
pub mod name_text;
pub mod question;
pub mod record;
pub mod scan;

pub use name::Name;

/// Resource record types this program names (IANA "DNS Parameters").
pub mod rtype {
    #![allow(missing_docs)]
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const MD: u16 = 3;
    pub const MF: u16 = 4;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const MB: u16 = 7;
    pub const MG: u16 = 8;
    pub const MR: u16 = 9;
    pub const NULL: u16 = 10;
    pub const PTR: u16 = 12;
    pub const MINFO: u16 = 14;
    pub const MX: u16 = 15;
    pub const TXT: u16 = 16;
    pub const RP: u16 = 17;
    pub const AFSDB: u16 = 18;
    pub const RT: u16 = 21;
    pub const SIG: u16 = 24;
    pub const PX: u16 = 26;
    pub const AAAA: u16 = 28;
    pub const NXT: u16 = 30;
    pub const SRV: u16 = 33;
    pub const NAPTR: u16 = 35;
    pub const KX: u16 = 36;
    pub const DNAME: u16 = 39;
    pub const OPT: u16 = 41;
    pub const DS: u16 = 43;
    pub const RRSIG: u16 = 46;
    pub const NSEC: u16 = 47;
    pub const DNSKEY: u16 = 48;
    pub const NSEC3: u16 = 50;
    pub const NSEC3PARAM: u16 = 51;
    pub const SVCB: u16 = 64;
    pub const HTTPS: u16 = 65;
    pub const TKEY: u16 = 249;
    pub const TSIG: u16 = 250;
    pub const IXFR: u16 = 251;
    pub const AXFR: u16 = 252;
    pub const MAILB: u16 = 253;
    pub const MAILA: u16 = 254;
    pub const ANY: u16 = 255;
}

/// Classes (RFC 1035 section 3.2.4).
pub mod class {
    #![allow(missing_docs)]
    pub const IN: u16 = 1;
    pub const CH: u16 = 3;
    pub const ANY: u16 = 255;
}

/// Response codes (RFC 1035, RFC 6891 for the extended one).
pub mod rcode {
    #![allow(missing_docs)]
    pub const NOERROR: u16 = 0;
    pub const FORMERR: u16 = 1;
    pub const SERVFAIL: u16 = 2;
    pub const NXDOMAIN: u16 = 3;
    pub const NOTIMP: u16 = 4;
    pub const REFUSED: u16 = 5;
    pub const YXDOMAIN: u16 = 6;
    pub const BADVERS: u16 = 16;
    /// The server wants the cookie that comes with this (RFC 7873).
    pub const BADCOOKIE: u16 = 23;
}

/// Reads a big-endian `u16`; `None` past the end.
#[inline]
pub fn get_u16(octets: &[u8], at: usize) -> Option<u16> {
    let pair = octets.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}

/// Reads a big-endian `u32`; `None` past the end.
#[inline]
pub fn get_u32(octets: &[u8], at: usize) -> Option<u32> {
    let four = octets.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

/// Writes a big-endian `u16`; does nothing past the end (callers have checked the room).
#[inline]
pub fn put_u16(octets: &mut [u8], at: usize, value: u16) {
    if let Some(pair) = octets.get_mut(at..at + 2) {
        pair.copy_from_slice(&value.to_be_bytes());
    }
}

/// Writes a big-endian `u32`; does nothing past the end (callers have checked the room).
#[inline]
pub fn put_u32(octets: &mut [u8], at: usize, value: u32) {
    if let Some(four) = octets.get_mut(at..at + 4) {
        four.copy_from_slice(&value.to_be_bytes());
    }
}
