//! Learning the keys of zones: what a question waits for that cannot be judged yet, and what its lookups have come to.
//!
//! What is learnt stands in the validator's cache of keys; who waits is judged again with it ([`super::proving`]).

use super::core::{Core, Turn};
use super::held::Held;
use super::proving::bogus_sets;
use super::question::Lookup;
use super::validator::Validator;
use super::world::World;
use crate::dns::flaw::Flaw;
use crate::dns::{Name, rtype};
use crate::validate::Budget;
use crate::validate::keys::Standing;
use crate::validate::learn;
use crate::validate::parts::Parts;

/// Lookups of keys for one question: a name has at most 127 labels, each of which may be a zone with DS and DNSKEY.
const MOST_LOOKUPS: u16 = 300;

impl<W: World> Turn<'_, W> {
    /// Has a question wait for DS or DNSKEY of a name.
    pub(super) fn await_keys(&mut self, id: u32, name: &Name, rtype: u16) {
        let budget = self.core.questions.budget_mut(id);
        budget.key_lookups = budget.key_lookups.saturating_add(1);
        let may = budget.key_lookups <= MOST_LOOKUPS;
        if budget.proof.is_spent() {
            // Whose keys these are is not to blame for what was spent before.
            return self.unprovable(id, Flaw::Work);
        }
        if may
            && rtype == rtype::DS
            && let Some(said) = self.said_of_keys(id, name)
            && self.learn_from_referral(id, name, said)
        {
            return self.prove(id);
        }
        let is_new = rtype == rtype::DNSKEY && !self.is_fetching_keys(name);
        if !may || !self.begin_lookup(id, name, rtype, Lookup::keys()) {
            let is_full = self.core.questions.is_full_of_lookups(false);
            self.core.questions.get_mut(id).uncached |= is_full;
            return self.unprovable(id, if is_full { Flaw::Unasked } else { Flaw::Unreachable });
        }
        if is_new {
            self.signal_anchor(id, name);
        }
        self.wait_for_lookups(id);
    }

    /// Takes what came with a referral for the answer to a question for the DS of a name; false when it proves nothing.
    fn learn_from_referral(&mut self, id: u32, name: &Name, mut referral: Held) -> bool {
        self.learn(id, (name, rtype::DS), Some(&mut referral.parts));
        let now = super::cache::seconds(self.now);
        let Some(Validator { rules, keys, .. }) = &mut self.core.validator else { return false };
        let (proves, bogus_ttl) = (keys.flaw(name.as_wire(), now).is_none(), rules.bogus_ttl);
        match proves {
            true => self.write_down_sets(&referral.parts, bogus_ttl),
            false => drop(keys.flush(now, |of, _| of == name.as_wire())),
        }
        proves
    }

    /// Takes note of what was answered to a question for DS or DNSKEY of a name; `None`: nothing was.
    fn learn(&mut self, id: u32, (name, qtype): (&Name, u16), mut answer: Option<&mut Parts>) {
        if let Some(parts) = &mut answer {
            self.recognise(parts);
        }
        let wall = self.world.wall();
        let Core { questions, validator: Some(validator), stats, .. } = &mut *self.core else { return };
        let Validator { rules, keys, allowance, .. } = validator;
        let (now, clock) = (super::cache::seconds(self.now), rules.clock(wall));
        // What is learnt is everybody's: it does not depend on what the question has spent that asked first.
        let mut own = Budget::default();
        let budget = &mut own;
        allowance.lend(now, budget);
        match qtype {
            rtype::DS => learn::delegation(name, answer, (keys, now), (rules, clock), budget),
            _ => learn::zone_keys(name, answer, (keys, now), (rules, clock), budget),
        }
        allowance.settle(budget);
        stats.signatures.add(u64::from(budget.checked));
        questions.budget_mut(id).proof.pay_for(&own);
    }

    /// A lookup of keys has come to this, or to nothing: it ends, unless it is asked anew.
    pub(super) fn end_key_lookup(&mut self, id: u32, answer: Option<Held>) {
        if self.learn_keys(id, answer) {
            self.tell_anchor(id);
            self.end_lookup(id, &[]);
        }
    }

    /// Takes note of what a lookup of keys has come to. False when it is asked anew.
    fn learn_keys(&mut self, id: u32, mut answer: Option<Held>) -> bool {
        self.recall(id);
        let now = super::cache::seconds(self.now);
        let Core { questions, validator: Some(validator), .. } = &mut *self.core else { return true };
        let (name, qtype, bogus_ttl) = (questions.get(id).name, questions.get(id).qtype, validator.rules.bogus_ttl);
        let delegation = validator.keys.delegation(name.as_wire(), now).map(|(of, left)| (of.clone(), left));
        if qtype == rtype::DNSKEY && answer.as_ref().is_none_or(|held| !held.known) {
            self.take_keys(&name, answer.as_ref().map(|held| &held.parts));
        }
        self.learn(id, (&name, qtype), answer.as_mut().map(|held| &mut held.parts));
        let Core { questions, validator: Some(Validator { keys, .. }), stats, .. } = &mut *self.core else {
            return true;
        };
        let Some(held) = answer else {
            let (question, is_missed) = (questions.get(id), keys.flaw(name.as_wire(), now) == Some(Flaw::Unreachable));
            let flaw = question.flaw;
            if question.is_blameless() {
                if is_missed {
                    // Nobody has been asked to the end: who waits for it sees that, and it is forgotten.
                    keys.put(name.as_wire(), Standing::Bogus(Flaw::Unasked), 0, now);
                }
                return true;
            }
            if flaw != Flaw::None {
                // That is known of it; nobody else has told anything.
                keys.put(name.as_wire(), Standing::Bogus(flaw), bogus_ttl, now);
            }
            return true;
        };
        stats.bogus_rrsets.add(bogus_sets(&held.parts));
        let flaw = keys.flaw(name.as_wire(), now);
        if let Some(flaw) = flaw
            && self.ask_elsewhere(id, &held, flaw)
        {
            // What is asked anew is judged by the DS that is known.
            if let (Some((of, left)), Some(validator)) = (delegation, &mut self.core.validator) {
                validator.keys.put(name.as_wire(), Standing::Delegated(of), left, now);
            }
            return false;
        }
        self.write_down_sets(&held.parts, bogus_ttl);
        true
    }
}
