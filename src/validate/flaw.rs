//! Why something is not secure.

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
    /// The proof that something does not exist is missing, or does not prove it.
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
    /// A record is malformed.
    Malformed,
}

impl Flaw {
    /// The INFO-CODE of its extended error, as Unbound tells it.
    pub fn code(self) -> u16 {
        match self {
            Flaw::UnknownAlgorithm => 1,
            Flaw::UnknownDigest => 2,
            Flaw::Expired => 7,
            Flaw::NotYetValid | Flaw::ExpiredBeforeValid => 8,
            Flaw::KeyMissing => 9,
            Flaw::SignaturesMissing => 10,
            Flaw::NoZoneKey => 11,
            Flaw::DenialMissing => 12,
            Flaw::Iterations => 27,
            Flaw::None
            | Flaw::Mismatch
            | Flaw::AnchorMismatch
            | Flaw::DelegationMismatch
            | Flaw::Downgraded
            | Flaw::Work
            | Flaw::Unreachable
            | Flaw::Malformed => 6,
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
            Flaw::Malformed => "a record is malformed",
        }
    }
}
