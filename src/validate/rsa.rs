//! RSA keys as DNSKEY holds them (RFC 3110 section 2), and signatures by those that the library does not take.

use aws_lc_rs::digest::{self, digest};
use num_bigint::BigUint;

/// Bits of the shortest and the longest modulus (RFC 3110: 512 to 4096).
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 512..=4096;
/// Most bits of an exponent with any modulus, as the library has it.
const EXPONENT_BITS: usize = 33;
/// Most bits of an exponent with a modulus of at most [`SHORT_MODULUS_BITS`].
const LONG_EXPONENT_BITS: usize = 64;
const SHORT_MODULUS_BITS: usize = 2048;
/// Bits of the shortest modulus that the library takes.
const LIBRARY_BITS: usize = 1024;

/// A key's numbers, big-endian, without leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers<'a> {
    modulus: &'a [u8],
    exponent: &'a [u8],
}

impl<'a> Numbers<'a> {
    /// From the public key field; `None` when it is malformed, or a key that would cost more than any in use: a modulus
    /// outside of 512 to 4096 bits or an exponent of more than 33 bits (64 with a modulus of up to 2048), or no key at all:
    /// even numbers, an exponent of 1.
    pub fn parse(key: &'a [u8]) -> Option<Numbers<'a>> {
        let (len, rest) = match key {
            [0, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
            [len, rest @ ..] => (usize::from(*len), rest),
            [] => return None,
        };
        let (exponent, modulus) = rest.split_at_checked(len)?;
        let (exponent, modulus) = (without_zeros(exponent), without_zeros(modulus));
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        let most = if bits(modulus) <= SHORT_MODULUS_BITS { LONG_EXPONENT_BITS } else { EXPONENT_BITS };
        let is_usable = MODULUS_BITS.contains(&bits(modulus))
            && (2..=most).contains(&bits(exponent))
            && is_odd(modulus)
            && is_odd(exponent);
        is_usable.then_some(Numbers { modulus, exponent })
    }

    /// Whether the library takes it.
    pub fn is_common(&self) -> bool {
        bits(self.modulus) >= LIBRARY_BITS && bits(self.exponent) <= EXPONENT_BITS
    }

    /// As RSAPublicKey of RFC 8017 appendix A.1.1 in DER.
    pub fn der(&self) -> Vec<u8> {
        let mut numbers = Vec::with_capacity(self.modulus.len() + self.exponent.len() + 10);
        put_integer(&mut numbers, self.modulus);
        put_integer(&mut numbers, self.exponent);
        let mut der = vec![0x30];
        put_len(&mut der, numbers.len());
        der.extend_from_slice(&numbers);
        der
    }
}

/// A key that the library does not take: short, or with a long exponent.
#[derive(Clone, Debug)]
pub struct RareKey {
    modulus: BigUint,
    exponent: BigUint,
    /// Octets of the modulus, and of each signature.
    len: usize,
    hash: &'static Hash,
}

impl RareKey {
    /// The key for signatures with that hash.
    pub fn new(numbers: &Numbers<'_>, hash: &'static Hash) -> RareKey {
        RareKey {
            modulus: BigUint::from_bytes_be(numbers.modulus),
            exponent: BigUint::from_bytes_be(numbers.exponent),
            len: numbers.modulus.len(),
            hash,
        }
    }

    /// Whether `signature` is one of `data` (RSASSA-PKCS1-v1_5, RFC 8017 section 8.2.2).
    pub fn verify(&self, data: &[u8], signature: &[u8]) -> bool {
        let Some(expected) = self.encoded(data) else { return false };
        let signature_number = BigUint::from_bytes_be(signature);
        signature.len() == self.len
            && signature_number < self.modulus
            && signature_number.modpow(&self.exponent, &self.modulus) == BigUint::from_bytes_be(&expected)
    }

    /// What a signature of `data` is when it is opened (RFC 8017 section 9.2); `None` when the modulus is too short for the
    /// hash.
    fn encoded(&self, data: &[u8]) -> Option<Vec<u8>> {
        let hash = digest(self.hash.algorithm, data);
        let filler = self.len.checked_sub(self.hash.prefix.len() + hash.as_ref().len() + 3)?;
        if filler < 8 {
            return None;
        }
        let mut encoded = vec![0, 1];
        encoded.resize(2 + filler, 0xff);
        encoded.push(0);
        encoded.extend_from_slice(self.hash.prefix);
        encoded.extend_from_slice(hash.as_ref());
        Some(encoded)
    }
}

/// A hash and the DER that stands before it (RFC 8017 section 9.2, note 1).
#[derive(Debug)]
pub struct Hash {
    algorithm: &'static digest::Algorithm,
    prefix: &'static [u8],
}

/// SHA-1.
pub static SHA1: Hash = Hash {
    algorithm: &digest::SHA1_FOR_LEGACY_USE_ONLY,
    prefix: &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14],
};
/// SHA-256.
pub static SHA256: Hash = Hash {
    algorithm: &digest::SHA256,
    prefix: &[
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04,
        0x20,
    ],
};
/// SHA-512.
pub static SHA512: Hash = Hash {
    algorithm: &digest::SHA512,
    prefix: &[
        0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04,
        0x40,
    ],
};

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&octet| octet == 0).count();
    &number[zeros..]
}

/// Bits of a number without leading zeros.
fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn put_len(der: &mut Vec<u8>, len: usize) {
    match len {
        0..=0x7f => der.push(len as u8),
        0x80..=0xff => der.extend_from_slice(&[0x81, len as u8]),
        _ => der.extend_from_slice(&[0x82, (len >> 8) as u8, len as u8]),
    }
}

/// A positive INTEGER.
fn put_integer(der: &mut Vec<u8>, number: &[u8]) {
    let is_high = number.first().is_some_and(|first| first & 0x80 != 0);
    der.push(0x02);
    put_len(der, number.len() + usize::from(is_high));
    der.extend(is_high.then_some(0));
    der.extend_from_slice(number);
}
