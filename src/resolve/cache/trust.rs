//! How far an RRset is believed.

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
    }
}
