//! Why something is not secure.

use super::edns::ExtendedError;
use bytemuck::Zeroable;

/// Why something is bogus, or insecure though it has signatures: the code of its extended error (RFC 8914) and words for the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Zeroable)]
#[repr(u8)]
pub enum Flaw {
    /// None.
    #[default]
    None = 0,
    /// A signature does not fit the records and the key.
    Mismatch,
    /// Signatures have expired.
    Expired,
    /// Signatures are not valid yet.
    NotYetValid,
    /// A signature's times contradict each other.
    ExpiredBeforeValid,
    /// The DNSKEY RRset is missing, or no key of it is the one that is asked for.
    KeyMissing,
    /// Records are without signatures where these must be.
    SignaturesMissing,
    /// The key that signed has no zone key bit.
    NoZoneKey,
    /// The proof that something does not exist is missing.
    DenialMissing,
    /// All algorithms are unknown here.
    UnknownAlgorithm,
    /// All digests of the DS are unknown here.
    UnknownDigest,
    /// More iterations of NSEC3 than are computed.
    Iterations,
    /// No DNSKEY fits the trust anchor.
    AnchorMismatch,
    /// No DNSKEY fits the DS.
    DelegationMismatch,
    /// An algorithm that the DS names has signed nothing (`harden-algo-downgrade:`).
    Downgraded,
    /// It cost more signatures or hashes than one question may.
    Work,
    /// What was to be fetched could not be.
    Unreachable,
    /// What was to be fetched was not asked for: this host, or who asked, had no more room for it. That says nothing of the zone.
    Unasked,
    /// The keys of a zone, or what its parent says of them, are signed and prove nothing.
    KeysUnproven,
    /// A record is malformed.
    Malformed,
    /// There are records to prove that something does not exist, and they do not prove it.
    DenialWrong,
}

impl Flaw {
    const ALL: [Flaw; 21] = [
        Flaw::None,
        Flaw::Mismatch,
        Flaw::Expired,
        Flaw::NotYetValid,
        Flaw::ExpiredBeforeValid,
        Flaw::KeyMissing,
        Flaw::SignaturesMissing,
        Flaw::NoZoneKey,
        Flaw::DenialMissing,
        Flaw::UnknownAlgorithm,
        Flaw::UnknownDigest,
        Flaw::Iterations,
        Flaw::AnchorMismatch,
        Flaw::DelegationMismatch,
        Flaw::Downgraded,
        Flaw::Work,
        Flaw::Unreachable,
        Flaw::Unasked,
        Flaw::KeysUnproven,
        Flaw::Malformed,
        Flaw::DenialWrong,
    ];

    /// By its number here; what is none gives [`Flaw::None`].
    #[inline]
    pub fn from_number(number: u8) -> Flaw {
        Flaw::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// The one that comes closest to an INFO-CODE.
    pub fn of_code(code: u16) -> Flaw {
        Flaw::ALL.into_iter().skip(1).find(|flaw| flaw.code() == code).unwrap_or_default()
    }

    /// It as an extended error; nothing where there is none.
    pub fn extended_error(self) -> Option<ExtendedError> {
        (self != Flaw::None).then(|| ExtendedError { code: self.code(), text: self.text() })
    }

    /// The INFO-CODE of its extended error, as Unbound tells it.
    pub fn code(self) -> u16 {
        match self {
            Flaw::UnknownAlgorithm => 1,
            Flaw::UnknownDigest => 2,
            Flaw::Expired => 7,
            Flaw::NotYetValid | Flaw::ExpiredBeforeValid => 8,
            Flaw::KeyMissing
            | Flaw::Unreachable
            | Flaw::Unasked
            | Flaw::KeysUnproven
            | Flaw::AnchorMismatch
            | Flaw::DelegationMismatch => 9,
            Flaw::SignaturesMissing => 10,
            Flaw::NoZoneKey => 11,
            Flaw::DenialMissing => 12,
            Flaw::Iterations => 27,
            Flaw::None | Flaw::Mismatch | Flaw::Downgraded | Flaw::Work | Flaw::Malformed | Flaw::DenialWrong => 6,
        }
    }

    /// It in words.
    pub fn text(self) -> &'static str {
        match self {
            Flaw::None => "no reason is known",
            Flaw::Mismatch => "signature crypto failed",
            Flaw::Expired => "signature expired",
            Flaw::NotYetValid => "signature before inception date",
            Flaw::ExpiredBeforeValid => "inception after expiration",
            Flaw::KeyMissing => "signatures from unknown keys",
            Flaw::SignaturesMissing => "no signatures",
            Flaw::NoZoneKey => "key is no zone key",
            Flaw::DenialMissing => "no proof that it does not exist",
            Flaw::UnknownAlgorithm => "no algorithm that is known here",
            Flaw::UnknownDigest => "no digest that is known here",
            Flaw::Iterations => "more NSEC3 iterations than are computed",
            Flaw::AnchorMismatch => "no DNSKEY matches the trust anchor",
            Flaw::DelegationMismatch => "no DNSKEY matches the DS",
            Flaw::Downgraded => "an algorithm of the DS has no signature",
            Flaw::Work => "more signatures or hashes than one question may cost",
            Flaw::Unreachable => "keys could not be fetched",
            Flaw::Unasked => "keys were not asked for",
            Flaw::KeysUnproven => "no DNSKEY, or no DS, that is proven",
            Flaw::Malformed => "a record is malformed",
            Flaw::DenialWrong => "proof that it does not exist does not fit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Flaw;

    #[test]
    fn numbers_and_codes_lead_back() {
        for (number, flaw) in Flaw::ALL.into_iter().enumerate() {
            assert_eq!((flaw as usize, Flaw::from_number(number as u8)), (number, flaw));
            assert_eq!(Flaw::of_code(flaw.code()).code(), flaw.code());
        }
        assert_eq!((Flaw::from_number(200), Flaw::of_code(49152)), (Flaw::None, Flaw::None));
    }
}
