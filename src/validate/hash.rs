//! Hashes of names (RFC 5155 section 5), each name once.

use super::Flaw;
use super::budget::Budget;
use crate::dns::name::MAX_LEN;
use sha1::block_api::compress;
use sha1::{Digest, Sha1};

/// Octets of a hash.
pub const HASH: usize = 20;
/// SHA-1 of a name.
pub type Hash = [u8; HASH];

/// Octets of a block, and of the length at the end of the last.
const BLOCK: usize = 64;
const LENGTH: usize = 8;
/// What SHA-1 begins with (FIPS 180-4 section 5.3.1).
const START: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];

/// Hashes names with one salt and number of iterations, and keeps what came of them.
#[derive(Clone, Debug)]
pub struct Hasher<'a> {
    salt: &'a [u8],
    iterations: u16,
    known: Vec<(Box<[u8]>, Hash)>,
}

impl<'a> Hasher<'a> {
    /// For one chain of NSEC3 records.
    pub fn new(salt: &'a [u8], iterations: u16) -> Hasher<'a> {
        Hasher { salt, iterations, known: Vec::new() }
    }

    /// The hash of a wire name, its letters in any case.
    ///
    /// # Errors
    /// [`Flaw::Work`] when the budget has nothing left for it.
    pub fn hash(&mut self, name: &[u8], budget: &mut Budget) -> Result<Hash, Flaw> {
        if let Some((_, hash)) = self.known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Ok(*hash);
        }
        if !budget.hash(self.iterations) {
            return Err(Flaw::Work);
        }
        let hash = hash(name, self.salt, self.iterations);
        self.known.push((name.into(), hash));
        Ok(hash)
    }
}

/// The hash of a wire name; of one that is too long, of its front.
fn hash(name: &[u8], salt: &[u8], iterations: u16) -> Hash {
    let mut lower = [0u8; MAX_LEN];
    let name = name.get(..MAX_LEN).unwrap_or(name);
    let lower = &mut lower[..name.len()];
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let first = Sha1::new().chain_update(&*lower).chain_update(salt).finalize().into();
    match HASH + salt.len() < BLOCK - LENGTH {
        true => again_in_a_block(first, salt, iterations),
        false => {
            (0..iterations).fold(first, |hash, _| Sha1::new().chain_update(hash).chain_update(salt).finalize().into())
        }
    }
}

/// Hashes a hash and the salt so often. Both are one block, of which only the hash changes.
fn again_in_a_block(first: Hash, salt: &[u8], iterations: u16) -> Hash {
    let len = HASH + salt.len();
    let mut block = [0u8; BLOCK];
    block[..HASH].copy_from_slice(&first);
    block[HASH..len].copy_from_slice(salt);
    block[len] = 0x80;
    block[BLOCK - LENGTH..].copy_from_slice(&(8 * len as u64).to_be_bytes());
    for _ in 0..iterations {
        let mut state = START;
        compress(&mut state, &[block]);
        for (octets, word) in block[..HASH].chunks_exact_mut(4).zip(state) {
            octets.copy_from_slice(&word.to_be_bytes());
        }
    }
    block.first_chunk().copied().unwrap_or(first)
}

/// The hash that a label is: 32 digits of base 32 (RFC 4648 section 7), letter case ignored.
pub fn from_label(label: &[u8]) -> Option<Hash> {
    let mut hash = [0u8; HASH];
    if label.len() != HASH * 8 / 5 {
        return None;
    }
    for (octets, digits) in hash.chunks_exact_mut(5).zip(label.chunks_exact(8)) {
        let mut bits = 0u64;
        for digit in digits {
            bits = bits << 5 | u64::from(value(*digit)?);
        }
        octets.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(hash)
}

fn value(digit: u8) -> Option<u8> {
    match digit.to_ascii_lowercase() {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        digit @ b'a'..=b'v' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// The label that a hash is.
pub fn to_label(hash: &Hash) -> [u8; HASH * 8 / 5] {
    let mut label = [0u8; HASH * 8 / 5];
    for (digits, octets) in label.chunks_exact_mut(8).zip(hash.chunks_exact(5)) {
        let bits = octets.iter().fold(0u64, |bits, &octet| bits << 8 | u64::from(octet));
        for (at, digit) in digits.iter_mut().enumerate() {
            *digit = b"0123456789abcdefghijklmnopqrstuv"[(bits >> (35 - 5 * at)) as usize & 31];
        }
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::name::Name;

    #[test]
    fn names_hash_as_in_rfc_5155() {
        // Appendix A.
        for (name, label) in [
            ("example", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
            ("a.example", "35mthgpgcu1qg68fab165klnsnk3dpvl"),
            ("ai.example", "gjeqe526plbf1g8mklp59enfd789njgi"),
            ("ns1.example", "2t7b4g4vsa5smi47k61mv5bv1a22bojr"),
            ("ns2.example", "q04jkcevqvmu85r014c7dkba38o0ji5r"),
            ("W.example", "k8udemvp1j2f7eg6jebps17vp3n8i58h"),
            ("*.w.example", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"),
            ("x.w.example", "b4um86eghhds6nea196smvmlo4ors995"),
            ("y.w.example", "ji6neoaepv8b5o6k4ev33abha8ht9fgc"),
            ("x.y.w.EXAMPLE", "2vptu5timamqttgl4luu9kg21e0aor3s"),
            ("xx.example", "t644ebqk9bibcna874givr6joj62mlhv"),
        ] {
            let name = Name::from_text(name).unwrap();
            let hash = hash(name.as_wire(), b"\xaa\xbb\xcc\xdd", 12);
            assert_eq!((&to_label(&hash)[..], from_label(label.as_bytes())), (label.as_bytes(), Some(hash)));
        }
        assert_eq!(from_label(b"0p9mhaveqvm6t7vbl5lop2u3t2rp3tow"), None);
    }

    #[test]
    fn any_salt_hashes_alike_in_a_block_and_without() {
        for len in 0..=255 {
            let salt = vec![7u8; len];
            let plain = (0..=5).fold(b"\x01a\0".to_vec(), |octets, _| {
                Sha1::new().chain_update(octets).chain_update(&salt).finalize().to_vec()
            });
            assert_eq!(hash(b"\x01A\0", &salt, 5)[..], plain, "{len}");
        }
    }

    #[test]
    fn a_name_is_hashed_once_and_paid_for() {
        let (mut hasher, mut budget) = (Hasher::new(b"", 100), Budget::new(0, 10));
        let first = hasher.hash(b"\x01a\0", &mut budget);
        assert_eq!((hasher.hash(b"\x01A\0", &mut budget), budget.hashed), (first, 101));
        assert_eq!(hasher.hash(b"\x01b\0", &mut budget), Err(Flaw::Work));
    }

    proptest::proptest! {
        #[test]
        fn labels_are_hashes_and_back(hash: Hash, octets: Vec<u8>) {
            assert_eq!(from_label(&to_label(&hash)), Some(hash));
            from_label(&octets);
        }
    }
}
