//! How far an RRset is believed, and what its signatures proved.

/// How far the source of an RRset is believed (RFC 2181 section 5.4.1), in the order and by the numbers of Unbound's
/// rrset_trust, which its cache dumps hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Trust {
    /// Nothing is known.
    #[default]
    None,
    /// Additional section of an answer without AA.
    Additional,
    /// Authority section of an answer without AA: a referral.
    Authority,
    /// Additional section of an answer with AA.
    AuthoritativeAdditional,
    /// What follows an alias in the answer section of an answer with AA.
    BehindAlias,
    /// Answer section of an answer without AA.
    Answer,
    /// Glue of a zone that is held here, or of its transfer.
    Glue,
    /// Authority section of an answer with AA.
    AuthoritativeAuthority,
    /// Answer section of an answer with AA.
    AuthoritativeAnswer,
    /// A zone's transfer.
    Transfer,
    /// A zone's file.
    ZoneFile,
    /// Signatures by keys that are trusted.
    Validated,
    /// The configuration.
    Ultimate,
}

impl Trust {
    const ALL: [Trust; 13] = [
        Trust::None,
        Trust::Additional,
        Trust::Authority,
        Trust::AuthoritativeAdditional,
        Trust::BehindAlias,
        Trust::Answer,
        Trust::Glue,
        Trust::AuthoritativeAuthority,
        Trust::AuthoritativeAnswer,
        Trust::Transfer,
        Trust::ZoneFile,
        Trust::Validated,
        Trust::Ultimate,
    ];

    /// The number of Unbound.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// From Unbound's number.
    pub fn from_number(number: u8) -> Option<Trust> {
        Trust::ALL.get(usize::from(number)).copied()
    }

    /// From an authority section or an additional one, not from an answer.
    pub fn is_beside_an_answer(self) -> bool {
        self.is_additional() || matches!(self, Trust::Authority | Trust::AuthoritativeAuthority)
    }

    /// From an additional section.
    pub fn is_additional(self) -> bool {
        matches!(self, Trust::Additional | Trust::AuthoritativeAdditional)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_unbound() {
        for number in 0..=12 {
            assert_eq!(Trust::from_number(number).map(Trust::number), Some(number));
        }
        assert_eq!(Trust::from_number(13), None);
        assert!(Trust::AuthoritativeAuthority > Trust::Answer && Trust::AuthoritativeAnswer.number() == 8);
        for number in [0, 1, 2, 3, 5] {
            assert_eq!(Security::from_number(number).map(Security::number), Some(number));
        }
        assert_eq!((Security::from_number(4), Security::from_number(6)), (Some(Security::Bogus), None));
    }
}
