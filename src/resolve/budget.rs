//! What a client's question costs, with all lookups that are begun for its sake.
//!
//! A lookup has the budget of the question that began it, and holds it beyond that question's end (TARGET_COUNT_REF in Unbound's
//! iterator.c): a question that is answered soon would have others flooded by what it has left behind otherwise.

use crate::validate::Budget as Proof;

/// What is spent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    /// Queries sent.
    pub used: u32,
    /// Name servers looked up.
    pub lookups: u8,
    /// Name servers that have no address, as others than the cache have told.
    pub nowhere: u8,
    /// Lookups of keys begun.
    pub key_lookups: u16,
    /// Signatures and hashes that may still be computed.
    pub proof: Proof,
    /// Questions and lookups that have it.
    holders: u32,
}

/// Every budget, by number. There are as many as states, each of which has one.
pub struct Budgets {
    all: Box<[Budget]>,
    free: Vec<u32>,
}

impl Budgets {
    /// Room for `count`.
    pub fn new(count: usize) -> Budgets {
        Budgets { all: vec![Budget::default(); count].into(), free: (0..count as u32).rev().collect() }
    }

    /// One of which nothing is spent, with one holder.
    pub fn open(&mut self) -> Option<u32> {
        let budget = self.free.pop()?;
        self.all[budget as usize] = Budget { holders: 1, ..Budget::default() };
        Some(budget)
    }

    /// One that has a holder gets one more.
    pub fn share(&mut self, budget: u32) {
        self.all[budget as usize].holders += 1;
    }

    /// A holder has ended; the budget ends with the last.
    pub fn leave(&mut self, budget: u32) {
        let holders = &mut self.all[budget as usize].holders;
        *holders -= 1;
        if *holders == 0 {
            self.free.push(budget);
        }
    }

    /// The budget of a number.
    pub fn get(&self, budget: u32) -> &Budget {
        &self.all[budget as usize]
    }

    /// The budget of a number.
    pub fn get_mut(&mut self, budget: u32) -> &mut Budget {
        &mut self.all[budget as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_with_its_last_holder() {
        let mut budgets = Budgets::new(1);
        let budget = budgets.open();
        assert_eq!((budget, budgets.open()), (Some(0), None));
        budgets.share(0);
        budgets.get_mut(0).used = 5;
        budgets.leave(0);
        assert_eq!((budgets.open(), budgets.get(0).used), (None, 5));
        budgets.leave(0);
        assert_eq!((budgets.open(), budgets.get(0).used), (Some(0), 0), "nothing is left of it");
    }
}
