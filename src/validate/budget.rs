//! What one question of a client may cost in validation, whatever hostile zones put in its way: many keys with one tag (KeyTrap,
//! CVE-2023-50387), many signatures, the search for the closest encloser (CVE-2023-50868).

/// What is left, and what was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Signatures that may still be checked.
    pub signatures: u32,
    /// Hashes of names (NSEC3) that may still be computed, each counted with its iterations: see [`Budget::hash`].
    pub hashes: u32,
    /// Signatures that were checked.
    pub checked: u32,
    /// Iterations that were computed.
    pub hashed: u32,
}

/// SHA-1 of a short block that are counted as one hash.
const ROUNDS_OF_A_HASH: u32 = 16;
/// Signatures checked and hashes computed for one question at most.
const MOST: (u32, u32) = (200, 600);

impl Default for Budget {
    fn default() -> Budget {
        Budget::new(MOST.0, MOST.1)
    }
}

impl Budget {
    /// That many signatures and hashes.
    pub const fn new(signatures: u32, hashes: u32) -> Budget {
        Budget { signatures, hashes, checked: 0, hashed: 0 }
    }

    /// Takes one signature's price; false when there is nothing left.
    #[must_use]
    pub fn check(&mut self) -> bool {
        let is_left = self.signatures > 0;
        self.signatures = self.signatures.saturating_sub(1);
        self.checked += u32::from(is_left);
        is_left
    }

    /// Takes the price of one hash with so many iterations beyond the first; false when there is nothing left.
    #[must_use]
    pub fn hash(&mut self, iterations: u16) -> bool {
        let price = 1 + u32::from(iterations) / ROUNDS_OF_A_HASH;
        let is_left = self.hashes >= price;
        self.hashes = self.hashes.saturating_sub(price);
        self.hashed += if is_left { 1 + u32::from(iterations) } else { 0 };
        is_left
    }
}
