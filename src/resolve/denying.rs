//! What is known not to exist is not asked for: by NSEC records that denied something else (RFC 8198, `aggressive-nsec:`), and by
//! what came with a referral, which says whether the zone below has keys.
//!
//! The index of denials ([`crate::validate::NegativeCache`]) only leads to the records: these are the cache's own, so what was
//! flushed or has expired there proves nothing here, and an answer made of them is validated as any other.

use super::cache::{Key, Rrset, seconds};
use super::core::{Core, Turn};
use super::held::Held;
use super::validator::{REFERRAL, Referral, Validator};
use super::world::World;
use crate::dns::name::Name;
use crate::dns::{class, get_u32, rcode, rtype};
use crate::validate::Security;
use crate::validate::aggressive::Answer;
use crate::validate::parts::Parts;

impl<W: World> Turn<'_, W> {
    /// Answers a question that validated denials of other names answer. True when it has ended or is being validated.
    pub(super) fn deny(&mut self, id: u32) -> bool {
        let Core { questions, validator: Some(validator), table, .. } = &mut *self.core else { return false };
        let question = questions.get(id);
        let is_of_use =
            question.validates && !question.is_undenied && question.refreshes.is_none() && !question.uncached;
        if !is_of_use || !validator.rules.aggressive {
            return false;
        }
        let now = seconds(self.now);
        let Some(found) = validator.negative.by_nsec(class::IN, question.target.as_wire(), question.qtype, now) else {
            return false;
        };
        let code = match found.answer {
            Answer::NameError => rcode::NXDOMAIN,
            Answer::NoData => rcode::NOERROR,
            Answer::Wildcard { .. } => return false,
        };
        // A zone of its own that is trusted, or another that is asked, may lie between.
        let is_closest = validator.is_deepest_anchor_above(&found.zone, &question.target);
        let asked_elsewhere = table.find(question.target.as_wire()).and_then(|place| table.zone(place));
        if !is_closest || asked_elsewhere.is_some_and(|zone| zone.name.len() > found.zone.as_wire().len()) {
            return false;
        }
        let Core { cache: Some(cache), questions, .. } = &mut *self.core else { return false };
        let chain = questions.get(id).chain.as_ref().map(|chain| Parts::of(&chain.message()));
        let Some(mut parts) = chain.unwrap_or_else(|| Some(Parts::default())) else { return false };
        let soa = Key::new(found.zone.as_wire(), rtype::SOA, class::IN);
        let soa = [soa.with(super::cache::SOA_NEGATIVE), soa]
            .into_iter()
            .any(|key| cache.rrsets.get(&key, self.now).is_some_and(|set| add(&mut parts, &set, now)));
        let proofs = found.proof.iter().all(|owner| {
            let key = Key::new(owner.as_wire(), rtype::NSEC, class::IN);
            let keys = [key, key.with(super::cache::NSEC_AT_APEX)];
            keys.into_iter().any(|key| cache.rrsets.get(&key, self.now).is_some_and(|set| add(&mut parts, &set, now)))
        });
        if !soa || !proofs {
            return false;
        }
        let held = Held::of_parts(parts, code, found.ttl);
        self.hold(id, Held { is_deduced: true, ..held });
        true
    }

    /// A referral of a server of a zone that may be signed: what it says of the keys below is taken note of for a moment.
    pub(super) fn note_referral(&mut self, down: &Name, message: &[u8]) {
        let now = seconds(self.now);
        let Core { validator: Some(validator), digest, .. } = &mut *self.core else { return };
        let proves = |rtype| matches!(rtype, rtype::NSEC | rtype::NSEC3);
        let has_proof = digest.reply().sets.iter().any(|set| set.section == 1 && proves(set.rtype));
        if has_proof && message.len() <= REFERRAL {
            validator.note_referral(Referral { name: *down, message: message.into(), at: now });
        }
    }

    /// What a referral said of the DS of a name a moment ago, or what is held of a question says itself.
    pub(super) fn said_of_keys(&mut self, id: u32, name: &Name) -> Option<Held> {
        let now = seconds(self.now);
        let held = self.core.questions.get(id).held.as_ref();
        if let Some(parts) = held.map(|held| &held.parts).filter(|parts| parts.may_deny(name)) {
            return Some(Held::of_parts(parts.clone(), rcode::NOERROR, 0));
        }
        let referral = self.core.validator.as_mut()?.take_referral(name, now)?;
        Some(Held::of_parts(Parts::of(&referral.message)?, rcode::NOERROR, 0))
    }
}

impl Validator {
    /// Takes note of what denies, once it is validated.
    pub(super) fn note_denials(&mut self, parts: &Parts, now: u32) {
        let views = parts.views();
        // RFC 9077: no longer than what says so of the whole zone.
        let soa = parts.sets.iter().position(|part| (part.section, part.rtype) == (1, rtype::SOA));
        let minimum = |data: &[u8]| get_u32(data, data.len().checked_sub(4)?);
        let most = soa.and_then(|nth| {
            let set = views.set(nth)?;
            Some(set.ttl.min(minimum(set.records.first()?)?))
        });
        for (nth, part) in parts.sets.iter().enumerate() {
            if part.known != Security::Secure || part.rtype != rtype::NSEC {
                continue;
            }
            let Some(set) = views.set(nth) else { continue };
            let signer = crate::validate::message::signer_of(&set);
            let is_expanded = crate::validate::message::expanded_from(&set).is_some();
            if let Some(signer) = signer.filter(|_| !is_expanded) {
                self.negative.insert(
                    &set,
                    signer.as_wire(),
                    now.saturating_add(part.ttl.min(most.unwrap_or(u32::MAX))),
                );
            }
        }
    }
}

/// Adds a validated RRset to an authority section, unless it came there with an alias; false when it is none.
fn add(parts: &mut Parts, set: &Rrset, now: u32) -> bool {
    let is_secure = set.security() == Security::Secure;
    let Some(owner) = Name::from_wire(set.owner()).filter(|_| is_secure) else { return false };
    if parts.authority(&owner, set.rtype()).is_some() {
        return true;
    }
    parts.push((1, &owner), (set.rtype(), set.class(), set.ttl(now)), set.records(), set.signatures());
    true
}
