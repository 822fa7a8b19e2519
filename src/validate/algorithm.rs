//! Algorithms of keys and signatures (IANA "DNS Security Algorithm Numbers"), and digests of DS.

use super::rsa::{self, Numbers, RareKey};
use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY as RSA_SHA1,
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY as RSA_SHA256,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY as RSA_SHA512, RsaParameters,
};
use ed448_goldilocks::{Signature as Ed448Signature, VerifyingKey as Ed448Key};

/// Their numbers.
pub mod number {
    #![allow(missing_docs)]
    pub const DSA: u8 = 3;
    pub const RSASHA1: u8 = 5;
    pub const DSA_NSEC3_SHA1: u8 = 6;
    pub const RSASHA1_NSEC3_SHA1: u8 = 7;
    pub const RSASHA256: u8 = 8;
    pub const RSASHA512: u8 = 10;
    pub const ECDSAP256SHA256: u8 = 13;
    pub const ECDSAP384SHA384: u8 = 14;
    pub const ED25519: u8 = 15;
    pub const ED448: u8 = 16;
}

/// Which signatures count as valid without being looked at, for scenarios whose keys are of algorithms that are no more.
/// Nothing but the replay of scenarios sets any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fakes {
    /// Those of DSA.
    pub dsa: bool,
    /// Those of DSA and of RSA with SHA-1.
    pub sha1: bool,
}

impl Fakes {
    /// Whether signatures of that algorithm count as valid.
    pub fn has(self, algorithm: u8) -> bool {
        match algorithm {
            number::DSA | number::DSA_NSEC3_SHA1 => self.dsa || self.sha1,
            number::RSASHA1 | number::RSASHA1_NSEC3_SHA1 => self.sha1,
            _ => false,
        }
    }

    /// Whether signatures of that algorithm can be checked or count as valid.
    pub fn is_supported(self, algorithm: u8) -> bool {
        is_supported(algorithm) || self.has(algorithm)
    }
}

/// Whether signatures of that algorithm can be checked.
pub fn is_supported(algorithm: u8) -> bool {
    matches!(algorithm, 5 | 7 | 8 | 10 | 13..=16)
}

/// What one check by a key of that algorithm and public key field costs, in those of ECDSA with P-256, about 35 microseconds.
pub fn price(algorithm: u8, key: &[u8]) -> u32 {
    match (algorithm, key) {
        (number::ED448, _) => 8,
        (number::ECDSAP384SHA384, _) => 4,
        // A long exponent, or the three octets of its length; a long modulus.
        (5..=10, [0 | 6.., ..]) => 4,
        (5..=10, key) if key.len() > 300 => 3,
        _ => 1,
    }
}

/// A public key that is ready to check signatures.
#[derive(Debug)]
pub struct PublicKey(Kind);

#[derive(Debug)]
enum Kind {
    Library(ParsedPublicKey),
    RareRsa(RareKey),
    Ed448(Box<Ed448Key>),
}

impl PublicKey {
    /// From the public key field of a DNSKEY; `None` when it is no key of that algorithm, or one that would cost more than
    /// any in use.
    pub fn parse(algorithm: u8, key: &[u8]) -> Option<PublicKey> {
        let kind = match algorithm {
            number::RSASHA1 | number::RSASHA1_NSEC3_SHA1 => rsa_key(key, &RSA_SHA1, &rsa::SHA1)?,
            number::RSASHA256 => rsa_key(key, &RSA_SHA256, &rsa::SHA256)?,
            number::RSASHA512 => rsa_key(key, &RSA_SHA512, &rsa::SHA512)?,
            number::ECDSAP256SHA256 => {
                Kind::Library(ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, uncompressed::<64, 65>(key)?).ok()?)
            }
            number::ECDSAP384SHA384 => {
                Kind::Library(ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, uncompressed::<96, 97>(key)?).ok()?)
            }
            number::ED25519 if key.len() == 32 => Kind::Library(ParsedPublicKey::new(&ED25519, key).ok()?),
            number::ED448 => Kind::Ed448(Box::new(Ed448Key::from_bytes(key.try_into().ok()?).ok()?)),
            _ => return None,
        };
        Some(PublicKey(kind))
    }

    /// Whether `signature` is one of `data` by this key.
    pub fn verify(&self, data: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Kind::Library(key) => key.verify_sig(data, signature).is_ok(),
            Kind::RareRsa(key) => key.verify(data, signature),
            Kind::Ed448(key) => {
                Ed448Signature::try_from(signature).is_ok_and(|signature| key.verify_raw(&signature, data).is_ok())
            }
        }
    }
}

fn rsa_key(key: &[u8], parameters: &'static RsaParameters, hash: &'static rsa::Hash) -> Option<Kind> {
    let numbers = Numbers::parse(key)?;
    Some(if numbers.is_common() {
        Kind::Library(ParsedPublicKey::new(parameters, numbers.der()).ok()?)
    } else {
        Kind::RareRsa(RareKey::new(&numbers, hash))
    })
}

/// A point as X9.62 has it: 4, x, y; DNSKEY holds x, y (RFC 6605 section 4).
fn uncompressed<const LEN: usize, const OUT: usize>(key: &[u8]) -> Option<[u8; OUT]> {
    let key: &[u8; LEN] = key.try_into().ok()?;
    let mut point = [0; OUT];
    point[0] = 4;
    point[1..].copy_from_slice(key);
    Some(point)
}

/// Octets of a DS digest of that type (IANA "DS RR Type Digest Algorithms"); `None`: it is unknown here.
pub fn digest_len(digest_type: u8) -> Option<usize> {
    hash(digest_type).map(|hash| hash.output_len())
}

/// The digest of that type; `None`: it is unknown here.
pub fn digest_of(digest_type: u8, data: &[u8]) -> Option<impl AsRef<[u8]>> {
    Some(digest(hash(digest_type)?, data))
}

fn hash(digest_type: u8) -> Option<&'static digest::Algorithm> {
    match digest_type {
        1 => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        2 => Some(&digest::SHA256),
        4 => Some(&digest::SHA384),
        _ => None,
    }
}
