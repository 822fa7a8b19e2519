//! What RFC 5011 wants to know of a zone's DNSKEY RRset, found out by its signatures.

use super::anchors::Anchor;
use super::autotrust_step::Verify;
use super::chain::{self, AnchorRecords, Verdict};
use super::dnskey::{Dnskey, Key, Keys};
use super::set::slices;
use super::signature::verify_by;
use super::{Budget, Clock, Rules, Set};

/// The RRset, and what it is judged by.
pub struct Verifier<'a> {
    set: &'a Set<'a>,
    step: chain::Rules,
    budget: Budget,
}

impl<'a> Verifier<'a> {
    /// Of a DNSKEY RRset.
    pub fn new(set: &'a Set<'a>, rules: &Rules, clock: Clock) -> Verifier<'a> {
        Verifier { set, step: rules.step(clock), budget: Budget::default() }
    }
}

impl Verify for Verifier<'_> {
    fn is_secure(&mut self, anchor: &Anchor) -> bool {
        let (ds, dnskey) = (slices(&anchor.ds), slices(&anchor.keys));
        let records = AnchorRecords { ds: &ds, dnskey: &dnskey };
        matches!(chain::keys_by_anchor(records, self.set, &self.step, &mut self.budget), Verdict::Secure(..))
    }

    fn is_signed_by(&mut self, key: &[u8]) -> bool {
        let Some(key) = Key::new(key) else { return false };
        let keys = Keys::of(self.set, Vec::new(), self.step.fakes);
        verify_by(self.set, &key, &keys, &self.step.clock, &mut self.budget).is_ok()
    }

    fn is_of(&mut self, ds: &[Vec<u8>], key: &[u8]) -> bool {
        let Some(key) = Dnskey::parse(key) else { return false };
        chain::usable_of(&slices(ds), self.step.fakes, true).iter().any(|ds| ds.is_of(self.set.owner, &key))
    }

    fn is_known(&mut self, key: &[u8]) -> bool {
        Dnskey::parse(key).is_some_and(|key| self.step.fakes.is_supported(key.algorithm))
    }
}
