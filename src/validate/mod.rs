//! DNSSEC validation (RFC 4033 to 4035, 5155, 6840, 9276): records, keys and the time in; a verdict or what is wanted out.
//!
//! Pure: no input or output, no clock, no cache; who calls has the RRsets and keeps what comes of them. What a hostile zone may
//! cost is in a [`Budget`], one for each question of a client.
//!
//! | file | holds |
//! |---|---|
//! | `set` | an RRset and its signatures as they are validated |
//! | `budget` | what one question may cost |
//! | `flaw` | why something is not secure, for extended errors and the log |
//! | `anchors` | what is trusted without proof, and where nothing is validated |
//! | `autotrust`, `autotrust_step`, `autotrust_text` | anchors that follow a zone's keys (RFC 5011): what is known of each, what becomes of it, the file |

pub mod anchors;
pub mod autotrust;
pub mod autotrust_step;
mod autotrust_text;
pub mod budget;
pub mod flaw;
pub mod set;

pub use anchors::{Anchor, AnchorRecord, Anchors, Closest};
pub use budget::Budget;
pub use flaw::Flaw;
pub use set::Set;

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

#[cfg(test)]
mod tests {
    use super::Security;

    #[test]
    fn numbers_are_those_of_unbound() {
        for number in [0, 1, 2, 3, 5] {
            assert_eq!(Security::from_number(number).map(Security::number), Some(number));
        }
        assert_eq!((Security::from_number(4), Security::from_number(6)), (Some(Security::Bogus), None));
    }
}
