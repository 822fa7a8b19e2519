//! What validates, as the resolver has it: the rules, and what is known of the keys of zones.

use crate::validate::Rules;
use crate::validate::keys::KeyCache;

/// What validates.
#[derive(Debug)]
pub struct Validator {
    /// By what.
    pub rules: Rules,
    /// Zones, and what is known of their keys.
    pub keys: KeyCache,
}

impl Validator {
    /// One that knows nothing yet.
    pub fn new(rules: Rules) -> Validator {
        let keys = KeyCache::new(rules.key_cache);
        Validator { rules, keys }
    }
}
