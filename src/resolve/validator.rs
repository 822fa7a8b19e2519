//! What validates, as the resolver has it: the rules, what is known of the keys of zones, and of what does not exist.

use super::followed::Following;
use super::question::Question;
use crate::dns::name::{Name, is_at_or_below};
use crate::dns::{class, rtype};
use crate::validate::anchors::Closest;
use crate::validate::budget::Allowance;
use crate::validate::keys::KeyCache;
use crate::validate::{NegativeCache, Rules, sentinel};
use std::collections::VecDeque;

/// Referrals that are remembered, and for how many seconds: what is looked up on their way needs them at once.
const REFERRALS: usize = 512;
const MOMENT: u32 = 10;
/// Octets of the longest that is remembered.
pub const REFERRAL: usize = 4096;

/// A reply that refers to a zone.
#[derive(Debug)]
pub struct Referral {
    /// The zone.
    pub name: Name,
    /// The reply.
    pub message: Box<[u8]>,
    /// Second in which it came.
    pub at: u32,
}

/// What validates.
#[derive(Debug)]
pub struct Validator {
    /// By what.
    pub rules: Rules,
    /// Zones, and what is known of their keys.
    pub keys: KeyCache,
    /// What is proven not to exist.
    pub negative: NegativeCache,
    /// The anchors that follow their zones' keys.
    pub following: Following,
    /// What checks in doubt may cost.
    pub allowance: Allowance,
    referrals: VecDeque<Referral>,
}

impl Validator {
    /// One that knows nothing yet.
    pub fn new(mut rules: Rules) -> Validator {
        let following = Following::new(std::mem::take(&mut rules.followed), rules.timers);
        let keys = KeyCache::new(rules.key_cache);
        let negative = NegativeCache::new(rules.negative_cache, rules.iterations.of_key(u32::MAX));
        let (allowance, referrals) = Default::default();
        Validator { rules, keys, negative, following, allowance, referrals }
    }

    /// Whether no other trust anchor, or name that nothing is wanted of, lies between a zone and a name below it.
    pub fn is_deepest_anchor_above(&self, zone: &Name, name: &Name) -> bool {
        match self.rules.anchors.closest(name.as_wire(), class::IN) {
            Some(Closest::Anchor { zone: anchor, .. }) => is_at_or_below(zone.as_wire(), anchor),
            Some(Closest::Insecure { .. }) | None => false,
        }
    }

    /// Whether the name of a question says what is not so of the root's keys (RFC 8509): a secure answer is told to who set CD
    /// alone, and not as secure.
    pub fn is_wrong_sentinel(&self, question: &Question) -> bool {
        let is_meant = matches!(question.qtype, rtype::A | rtype::AAAA);
        let root = || self.rules.anchors.get(Name::ROOT.as_wire(), class::IN);
        self.rules.sentinel && is_meant && sentinel::is_wrong(question.name.as_wire(), root())
    }

    /// Remembers a referral for a moment.
    pub fn note_referral(&mut self, referral: Referral) {
        if self.referrals.len() >= REFERRALS {
            self.referrals.pop_front();
        }
        self.referrals.push_back(referral);
    }

    /// The referral to a zone that came a moment ago.
    pub fn take_referral(&mut self, name: &Name, now: u32) -> Option<Referral> {
        while self.referrals.front().is_some_and(|first| first.at + MOMENT < now) {
            self.referrals.pop_front();
        }
        let place = self.referrals.iter().rposition(|referral| referral.name == *name)?;
        self.referrals.remove(place)
    }
}
