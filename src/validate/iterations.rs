//! How many iterations of NSEC3 are computed for a zone (`val-nsec3-keysize-iterations:`, RFC 9276 section 3.2).

/// Most iterations by the size of the zone's largest key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iterations(Box<[(u32, u16)]>);

impl Iterations {
    /// Pairs of a key's size in bits and the most iterations for keys up to that size, sizes ascending, as the directive has
    /// them. `None` when there is none, or sizes do not ascend.
    pub fn new(pairs: &[(u32, u16)]) -> Option<Iterations> {
        let ascends = pairs.windows(2).all(|pair| pair[0].0 < pair[1].0);
        (ascends && !pairs.is_empty()).then(|| Iterations(pairs.into()))
    }

    /// Most iterations for a zone with a key of so many bits; the last pair's for larger ones.
    pub fn of_key(&self, bits: u32) -> u16 {
        let fits = self.0.iter().find(|(size, _)| bits <= *size);
        fits.or(self.0.last()).map_or(0, |(_, most)| *most)
    }
}

impl Default for Iterations {
    /// Unbound's: 150 for all sizes.
    fn default() -> Iterations {
        Iterations([(1024, 150), (2048, 150), (4096, 150)].into())
    }
}

#[cfg(test)]
mod tests {
    use super::Iterations;

    #[test]
    fn the_least_size_that_holds_the_key_counts() {
        let iterations = Iterations::new(&[(1024, 1), (2048, 2)]).unwrap();
        assert_eq!([256, 1024, 1025, 2048, 4096].map(|bits| iterations.of_key(bits)), [1, 1, 2, 2, 2]);
        let iterations = Iterations::new(&[(1024, 150), (2048, 500)]).unwrap();
        assert_eq!([512, 1024, 1025, 2048, 4096].map(|bits| iterations.of_key(bits)), [150, 150, 500, 500, 500]);
        assert_eq!((Iterations::new(&[]), Iterations::new(&[(2, 1), (2, 1)])), (None, None));
        assert_eq!([0, 8192].map(|bits| Iterations::default().of_key(bits)), [150, 150]);
    }
}
