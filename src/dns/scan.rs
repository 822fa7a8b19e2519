//! A question's name folded to lower case and hashed suffix by suffix, in one buffer that is used again and again.
//!
//! Zones and local data are found by the hash of a suffix, the cache by the hash of the whole name, so one pass over
//! the name serves every table. The hash is keyed with random words: whoever chooses names cannot choose collisions.

use super::name::{MAX_LEN, fold_front, uncompressed_len};

/// Most labels a name can have, the root included: 127 of one octet and the root.
const MAX_SUFFIXES: usize = 128;

/// The secret words of the hash, drawn once at start.
#[derive(Clone, Copy, Debug)]
pub struct HashKey {
    start: u64,
    factor: u64,
}

impl HashKey {
    /// Draws a key from the kernel's random source.
    ///
    /// # Errors
    /// When `getrandom(2)` fails.
    pub fn random() -> Result<HashKey, getrandom::Error> {
        Ok(HashKey { start: getrandom::u64()?, factor: getrandom::u64()? | 1 })
    }

    /// A fixed key, for tests.
    pub const fn fixed(seed: u64) -> HashKey {
        HashKey { start: seed ^ 0x9e37_79b9_7f4a_7c15, factor: seed.wrapping_mul(2) | 0xbf58_476d_1ce4_e5b9 }
    }

    /// Hash of two words.
    #[inline]
    pub fn pair(self, first: u64, second: u64) -> u64 {
        self.mix(self.mix(self.start, first), second)
    }

    #[inline]
    fn mix(self, hash: u64, word: u64) -> u64 {
        let product = u128::from(hash ^ word) * u128::from(self.factor);
        (product as u64) ^ (product >> 64) as u64 ^ hash.rotate_left(23)
    }

    /// Folds one label, length octet first, into the hash of the suffix behind it.
    #[inline]
    fn label(self, suffix: u64, label: &[u8]) -> u64 {
        let mut hash = suffix;
        let (chunks, rest) = label.as_chunks::<8>();
        for &chunk in chunks {
            hash = self.mix(hash, u64::from_le_bytes(chunk));
        }
        if !rest.is_empty() {
            let mut word = 0u64;
            for &octet in rest {
                word = word << 8 | u64::from(octet);
            }
            hash = self.mix(hash, word);
        }
        hash
    }

    /// Hash of a whole wire name that is lower case already: what [`NameScan::hash`] gives for it.
    pub fn name(self, lower: &[u8]) -> u64 {
        let mut scan = NameScan::new();
        match scan.scan(lower, self) {
            Some(_) => scan.hash(),
            None => 0,
        }
    }
}

/// See the module's text. About 1.5 KiB; keep one per worker or per batch slot.
#[derive(Clone)]
pub struct NameScan {
    lower: [u8; MAX_LEN + 1],
    len: usize,
    suffixes: usize,
    offsets: [u8; MAX_SUFFIXES],
    hashes: [u64; MAX_SUFFIXES],
}

impl Default for NameScan {
    fn default() -> Self {
        NameScan::new()
    }
}

impl NameScan {
    /// An empty scan: the root name.
    pub const fn new() -> NameScan {
        NameScan { lower: [0; MAX_LEN + 1], len: 1, suffixes: 1, offsets: [0; MAX_SUFFIXES], hashes: [0; MAX_SUFFIXES] }
    }

    /// Scans the uncompressed name at the front of `octets`; gives its length in octets, `None` when malformed (as
    /// [`uncompressed_len`]).
    #[inline]
    pub fn scan(&mut self, octets: &[u8], key: HashKey) -> Option<usize> {
        let len = uncompressed_len(octets, 0)?;
        self.scan_whole(&octets[..len], key);
        Some(len)
    }

    /// As [`Self::scan`] for what is known to be a name and nothing more.
    #[inline]
    pub fn scan_whole(&mut self, name: &[u8], key: HashKey) {
        self.len = name.len();
        self.lower[..name.len()].copy_from_slice(name);
        fold_front(&mut self.lower, name.len());
        let lower = &self.lower[..name.len()];
        let mut at = 0;
        let mut suffixes = 0;
        while lower[at] != 0 {
            self.offsets[suffixes] = at as u8;
            suffixes += 1;
            at += usize::from(lower[at]) + 1;
        }
        self.offsets[suffixes] = at as u8;
        self.hashes[suffixes] = key.start;
        self.suffixes = suffixes + 1;
        let mut hash = key.start;
        let mut end = at;
        for place in (0..suffixes).rev() {
            let begin = usize::from(self.offsets[place]);
            hash = key.label(hash, &self.lower[begin..end]);
            self.hashes[place] = hash;
            end = begin;
        }
    }

    /// The name in lower case, wire form.
    #[inline]
    pub fn lower(&self) -> &[u8] {
        &self.lower[..self.len]
    }

    /// Number of suffixes: labels and the root.
    #[inline]
    pub fn suffix_count(&self) -> usize {
        self.suffixes
    }

    /// Suffix number `place` (0: the whole name; the last: the root) and its hash.
    #[inline]
    pub fn suffix(&self, place: usize) -> (&[u8], u64) {
        (&self.lower[usize::from(self.offsets[place])..self.len], self.hashes[place])
    }

    /// Where suffix `place` starts within the name, in octets.
    #[inline]
    pub fn offset(&self, place: usize) -> usize {
        usize::from(self.offsets[place])
    }

    /// Hash of the whole name.
    #[inline]
    pub fn hash(&self) -> u64 {
        self.hashes[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Name;

    #[test]
    fn suffix_hashes_equal_the_hash_of_the_suffix_as_a_name() {
        let key = HashKey::fixed(7);
        let mut scan = NameScan::new();
        let name = Name::from_text("WWW.some-longer-label.Example.COM").unwrap();
        assert_eq!(scan.scan(name.as_wire(), key), Some(name.as_wire().len()));
        for place in 0..scan.suffix_count() {
            let (suffix, hash) = scan.suffix(place);
            assert_eq!(key.name(suffix), hash);
        }
        assert_eq!(scan.suffix_count(), 5);
        assert_eq!(scan.lower(), name.to_lower().as_wire());
    }

    #[test]
    fn a_longer_name_before_leaves_no_trace() {
        let key = HashKey::fixed(1);
        let mut scan = NameScan::new();
        scan.scan(b"\x03abc\x03def\x03ghi\0", key);
        scan.scan(b"\x01a\0", key);
        assert_eq!((scan.lower(), scan.suffix_count()), (&b"\x01a\0"[..], 2));
        assert_eq!(scan.hash(), key.name(b"\x01a\0"));
    }

    #[test]
    fn label_borders_change_the_hash() {
        let key = HashKey::fixed(3);
        assert_ne!(key.name(b"\x02ab\x01c\0"), key.name(b"\x01a\x02bc\0"));
        assert_ne!(key.name(b"\0"), key.name(b"\x01a\0"));
    }
}
