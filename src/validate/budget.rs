//! What one question of a client may cost in validation, whatever hostile zones put in its way: many keys with one tag (KeyTrap,
//! CVE-2023-50387), many signatures, the search for the closest encloser (CVE-2023-50868).

/// What is left, and what was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What signatures that are still checked may cost, by the prices of [`super::algorithm::price`].
    pub signatures: u32,
    /// Hashes of names (NSEC3) that may still be computed, each counted with its iterations: see [`Budget::hash`].
    pub hashes: u32,
    /// Signatures that were checked.
    pub checked: u32,
    /// Iterations that were computed.
    pub hashed: u32,
    /// What checks in doubt may still cost: those that follow a failed one of the same RRset, and all of [`Budget::distrusts`].
    /// Lent by the [`Allowance`] of all questions.
    pub doubtful: u32,
    /// The zone whose signatures are checked has shown none but false ones of late.
    pub distrusts: bool,
    /// A signature of the RRset that is being checked was false.
    pub has_failed: bool,
}

/// What checks in doubt may cost in a second, for all questions together: about a fiftieth of a core's time. A zone that is
/// signed as it should be has none, so nobody who asks for such feels it.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    second: u32,
    left: u32,
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance { second: 0, left: Allowance::A_SECOND }
    }
}

impl Allowance {
    /// What there is in a second.
    const A_SECOND: u32 = 500;

    /// Lends what is left in this second (of the caller's clock) to a question.
    pub fn lend(&mut self, now: u32, budget: &mut Budget) {
        if now != self.second {
            *self = Allowance { second: now, left: Allowance::A_SECOND };
        }
        budget.doubtful = self.left;
    }

    /// Takes back what the question has not used.
    pub fn settle(&mut self, budget: &Budget) {
        self.left = self.left.min(budget.doubtful);
    }
}

/// SHA-1 of a short block that are counted as one hash.
const ROUNDS_OF_A_HASH: u32 = 16;
/// What signatures and hashes of one question cost at most.
const MOST: (u32, u32) = (200, 600);

impl Default for Budget {
    fn default() -> Budget {
        Budget::new(MOST.0, MOST.1)
    }
}

impl Budget {
    /// That much for signatures and hashes; checks in doubt may cost as much.
    pub const fn new(signatures: u32, hashes: u32) -> Budget {
        Budget { signatures, hashes, checked: 0, hashed: 0, doubtful: u32::MAX, distrusts: false, has_failed: false }
    }

    /// Whether nothing is left of one of both.
    pub fn is_spent(&self) -> bool {
        self.signatures == 0 || self.hashes == 0
    }

    /// Pays for what another one has spent, as far as there is anything left.
    pub fn pay_for(&mut self, other: &Budget) {
        self.signatures = self.signatures.saturating_sub(MOST.0.saturating_sub(other.signatures));
        self.hashes = self.hashes.saturating_sub(MOST.1.saturating_sub(other.hashes));
        (self.checked, self.hashed) = (self.checked + other.checked, self.hashed + other.hashed);
    }

    /// Takes one signature's price; false when there is nothing left for it.
    #[must_use]
    pub fn check(&mut self, price: u32) -> bool {
        let is_in_doubt = self.has_failed || self.distrusts;
        let is_left = self.signatures >= price && (!is_in_doubt || self.doubtful >= price);
        if is_left {
            self.signatures -= price;
            self.doubtful -= if is_in_doubt { price } else { 0 };
            self.checked += 1;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_in_doubt_have_so_much_a_second_and_others_are_not_held_up_by_them() {
        let (mut allowance, mut checks) = (Allowance::default(), 0);
        for _ in 0..100 {
            let mut budget = Budget::default();
            allowance.lend(7, &mut budget);
            assert!(budget.check(1), "the first of an RRset");
            budget.has_failed = true;
            while budget.check(8) {
                checks += 1;
            }
            allowance.settle(&budget);
        }
        assert_eq!(checks, Allowance::A_SECOND / 8);
        let mut budget = Budget { distrusts: true, ..Budget::default() };
        allowance.lend(7, &mut budget);
        assert!(!budget.check(8));
        allowance.lend(8, &mut budget);
        assert!(budget.check(8), "another second");
    }
}
