//! Whose names are asked for in letters of mixed case, and which letters are capitals (`mixed_case`).

use crate::dns::name::{Name, suffixes};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// Whose names are asked for in mixed case.
#[derive(Clone, Debug, Default)]
pub struct Caps {
    /// `use-caps-for-id:`
    pub mixed: bool,
    /// `caps-exempt:`, names at or below which the case is left as it is; wire form, lower case.
    pub exempt: HashSet<Box<[u8]>>,
}

impl Caps {
    /// Whether a name is asked for so.
    pub(super) fn mixes(&self, name: &Name) -> bool {
        let is_exempt =
            || !self.exempt.is_empty() && suffixes(name.as_wire()).any(|suffix| self.exempt.contains(suffix));
        self.mixed && !is_exempt()
    }
}

/// What was said to a question that is asked in plain case, because what came to the mixed one had another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// The first reply, once there is one.
    pub(super) first: Option<u64>,
    /// Replies equal to it, itself included.
    pub(super) equal: u8,
}

/// Gives the letters of a name the case that belongs to a query.
pub(super) fn mix(key: &RandomState, query: (u16, u16, u32), name: &mut [u8]) {
    let mut bits = 0u64;
    for (nth, letter) in name.iter_mut().filter(|octet| octet.is_ascii_alphabetic()).enumerate() {
        if nth % 64 == 0 {
            bits = key.hash_one((query, nth));
        }
        *letter = if bits & 1 == 1 { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
        bits >>= 1;
    }
}
