//! DNSSEC validation (RFC 4033 to 4035, 5155, 6840, 9276): records, keys and the time in; a verdict or what is wanted out.
//!
//! Pure: no input or output, no clock, no cache; who calls has the RRsets and keeps what comes of them. What a hostile zone may
//! cost is in a [`Budget`], one for each question of a client.
//!
//! | file | holds |
//! |---|---|
//! | `message`, `parts` | a whole answer, and the RRsets that it is taken apart into |
//! | `learn`, `keys` | what answers say of the keys of zones, and what is known of them |
//! | `anchors` | what is trusted without proof, and where nothing is validated |
//! | `autotrust`, `autotrust_step`, `autotrust_verify`, `autotrust_text` | anchors that follow a zone's keys (RFC 5011): what is known of each, what becomes of it, by which signatures, the file |
//! | `rules` | what validation goes by |
//! | `canonical` | canonical form and order of names, data and RRsets |
//! | `algorithm` | which algorithms and digests there are, and their signatures |
//! | `rsa` | RSA keys as DNSKEY holds them |
//! | `dnskey` | DNSKEY records, and the keys of a zone |
//! | `signature` | RRSIG records, and whether they prove an RRset |
//! | `chain` | the keys of a zone proved by a DS RRset or a trust anchor |
//! | `denial` | what the records of a message prove not to exist |
//! | `proof` | what can be proven of that |
//! | `nsec`, `nsec3` | the records, and the proofs by each |
//! | `aggressive` | answers made from records that denied something else (RFC 8198) |
//! | `negative`, `negative_zone` | such records, kept by what they deny |
//! | `types` | type bitmaps |
//! | `hash`, `iterations` | hashes of names, and how often they are hashed again |
//! | `set` | an RRset and its signatures as they are validated |
//! | `budget` | what one question may cost |

pub mod aggressive;
pub mod algorithm;
pub mod anchors;
pub mod autotrust;
pub mod autotrust_step;
mod autotrust_text;
pub mod autotrust_verify;
pub mod budget;
pub mod canonical;
pub mod chain;
pub mod denial;
pub mod dnskey;
pub mod hash;
pub mod iterations;
pub mod keys;
pub mod learn;
pub mod message;
pub mod negative;
mod negative_zone;
pub mod nsec;
pub mod nsec3;
pub mod parts;
pub mod proof;
mod rsa;
pub mod rules;
pub mod sentinel;
pub mod set;
pub mod signature;
#[cfg(test)]
pub(crate) mod tests;
pub mod types;

pub use crate::dns::flaw::Flaw;
pub use algorithm::Fakes;
pub use budget::Budget;
pub use denial::Denial;
pub use dnskey::Keys;
pub use iterations::Iterations;
pub use negative::NegativeCache;
pub use proof::{Negative, NoDs, Proof};
pub use rules::{Date, Rules};
pub use set::Set;
pub use signature::{Signed, verify};

/// What validation made of an RRset or a message, less proven before more, by the numbers of Unbound's sec_status, which its
/// cache dumps hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Security {
    /// Not validated yet.
    #[default]
    Unchecked = 0,
    /// Should have validated and did not.
    Bogus = 1,
    /// Below no trust anchor.
    Indeterminate = 2,
    /// Below a trust anchor, and proven to be without signatures.
    Insecure = 3,
    /// Validated.
    Secure = 5,
}

impl Security {
    /// The number of Unbound.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// From Unbound's number. One of a key sentinel's failure, 4, is a failure.
    pub fn from_number(number: u8) -> Option<Security> {
        match number {
            0 => Some(Security::Unchecked),
            1 | 4 => Some(Security::Bogus),
            2 => Some(Security::Indeterminate),
            3 => Some(Security::Insecure),
            5 => Some(Security::Secure),
            _ => None,
        }
    }
}

/// The time by which signatures are judged, and how far clocks may differ.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Seconds since 1970, modulo 2³² (RFC 4034 section 3.1.5); `None`: times of signatures are not looked at
    /// (`val-override-date: -1`).
    pub now: Option<u32>,
    /// Least seconds by which a clock may be wrong (`val-sig-skew-min:`).
    pub skew_min: u32,
    /// Most seconds (`val-sig-skew-max:`). Within both, a tenth of the signature's validity counts, as in Unbound.
    pub skew_max: u32,
}
