//! A whole answer: each RRset by the keys of its signer, what is not there by its proof.
//!
//! An answer is looked at from its beginning each time that keys have come which were wanted; what was found of its RRsets before
//! is kept in it ([`Parts`]), so no signature is checked twice.

use super::anchors::Closest;
use super::canonical;
use super::denial::Denial;
use super::keys::{KeyCache, Way};
use super::parts::{Part, Parts, Views};
use super::proof::Proof;
use super::signature::{self, Signed};
use super::{Budget, Clock, Flaw, Rules, Security, Set};
use crate::dns::name::{Name, is_at_or_below, parent};
use crate::dns::{class, rcode, rtype};

/// A question and the code of its answer.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// QNAME, lower case.
    pub name: &'a Name,
    /// QTYPE.
    pub qtype: u16,
    /// RCODE of the answer.
    pub rcode: u16,
    /// It may be a referral: all that is to be proven is who the servers are.
    pub refers: bool,
    /// The zone (wire form, lower case) whose servers told it, where that is known.
    pub told_by: Option<&'a Name>,
}

/// What an answer amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The least proven part decides.
    pub security: Security,
    /// Why it is no better.
    pub flaw: Flaw,
    /// The code it should have had: what is said not to exist was proven to be there, or to be without data.
    pub rcode: u16,
    /// It is bogus, and that for the keys of a zone.
    pub lacks_keys: bool,
}

/// What came of looking at an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is decided.
    Verdict(Verdict),
    /// DS or DNSKEY of a name are needed first.
    Wants(Box<Name>, u16),
}

/// What is needed before anything can be said.
struct Wanted(Box<Name>, u16);

type Judged<T> = Result<T, Wanted>;

/// An answer being looked at.
struct Trial<'a> {
    asked: Asked<'a>,
    keys: &'a mut KeyCache,
    rules: &'a Rules,
    clock: Clock,
    budget: &'a mut Budget,
    now: u32,
}

/// Looks at an answer by the rules at a time; `now` is the second of the caller's clock that counts for the keys.
pub fn validate(
    asked: Asked<'_>,
    parts: &mut Parts,
    (keys, now): (&mut KeyCache, u32),
    (rules, clock): (&Rules, Clock),
    budget: &mut Budget,
) -> Outcome {
    let mut trial = Trial { asked, keys, rules, clock, budget, now };
    match trial.run(parts) {
        Ok(verdict) => Outcome::Verdict(verdict),
        Err(Wanted(name, rtype)) => Outcome::Wants(name, rtype),
    }
}

/// What was found of an RRset.
#[derive(Clone, Copy, Debug)]
struct Found {
    security: Security,
    flaw: Flaw,
    /// Seconds it may be kept.
    ttl: u32,
    /// It is bogus for the keys of its zone.
    lacks_keys: bool,
}

impl Found {
    fn new(security: Security, flaw: Flaw) -> Found {
        Found { security, flaw, ttl: u32::MAX, lacks_keys: false }
    }

    fn note(&self, part: &mut Part) {
        (part.known, part.flaw, part.ttl) = (self.security, self.flaw, part.ttl.min(self.ttl));
    }
}

impl Verdict {
    fn and(&mut self, security: Security, flaw: Flaw) {
        if security < self.security {
            (self.security, self.flaw) = (security, flaw);
        }
    }
}

impl Trial<'_> {
    fn run(&mut self, parts: &mut Parts) -> Judged<Verdict> {
        let mut verdict =
            Verdict { security: Security::Secure, flaw: Flaw::None, rcode: self.asked.rcode, lacks_keys: false };
        for section in [0, 1] {
            for nth in 0..parts.sets.len() {
                if parts.sets[nth].section != section || (section == 1 && parts.is_idle(nth)) {
                    continue;
                }
                let found = self.judge_part(parts, nth)?;
                found.note(&mut parts.sets[nth]);
                verdict.and(found.security, found.flaw);
                if verdict.security == Security::Bogus {
                    verdict.lacks_keys = found.lacks_keys;
                    return Ok(verdict);
                }
            }
        }
        self.judge_additional(parts);
        let views = parts.views();
        let unproven = self.judge_wildcards(parts, &views, &mut verdict);
        if !unproven.is_empty() {
            drop(views);
            // Their signatures are right, and they do not belong to their names.
            for nth in unproven {
                (parts.sets[nth].known, parts.sets[nth].flaw) = (Security::Bogus, Flaw::DenialWrong);
            }
            return Ok(verdict);
        }
        let Some((end, has_data)) = self.end_of_aliases(parts, &views) else {
            verdict.and(Security::Bogus, Flaw::DenialWrong);
            return Ok(verdict);
        };
        if has_data && self.asked.rcode == rcode::NXDOMAIN && verdict.security == Security::Secure {
            // No signature covers the code: the data do not belong to a name that is not there.
            verdict.rcode = rcode::NOERROR;
        }
        let is_all = has_data || self.asked.refers && is_referral(parts);
        if !is_all {
            self.judge_denial(parts, &views, &end, &mut verdict)?;
        }
        Ok(verdict)
    }

    fn judge_part(&mut self, parts: &Parts, nth: usize) -> Judged<Found> {
        let part = &parts.sets[nth];
        if part.known != Security::Unchecked {
            return Ok(Found::new(part.known, part.flaw));
        }
        if let Some(dname) = made_of(parts, nth) {
            return Ok(Found {
                ttl: parts.sets[dname].ttl,
                ..Found::new(parts.sets[dname].known, parts.sets[dname].flaw)
            });
        }
        let Some(view) = parts.view(nth) else { return Ok(Found::new(Security::Bogus, Flaw::Malformed)) };
        let found = self.judge(&view.set())?;
        // Without signatures it is no denial. Behind an alias Unbound has it that signatures are missing.
        let is_alone = || parts.sets.iter().all(|other| other.section != 0);
        let denies = matches!(part.rtype, rtype::NSEC | rtype::NSEC3 | rtype::SOA) && is_alone();
        Ok(match found.flaw {
            Flaw::SignaturesMissing if denies => Found { flaw: Flaw::DenialMissing, ..found },
            _ => found,
        })
    }

    /// What an RRset amounts to, by the keys of who signed it.
    fn judge(&mut self, set: &Set) -> Judged<Found> {
        let name = holder(set);
        // What denies other names is of the zone, whatever its own name.
        if !matches!(set.rtype, rtype::NSEC | rtype::NSEC3 | rtype::SOA) && self.is_insecure(name) {
            return Ok(Found::new(Security::Insecure, Flaw::None));
        }
        let Some(signer) = signer_of(set) else { return self.judge_unsigned(set, Flaw::SignaturesMissing) };
        match self.keys.way(self.rules, signer.as_wire(), self.now) {
            Way::Keys(keys) if keys.zone() == signer.as_wire() => {
                let keys = keys.clone();
                self.budget.distrusts = self.keys.distrusts(signer.as_wire());
                let verified = signature::verify(set, &keys, &self.clock, self.budget);
                self.budget.distrusts = false;
                self.note(&keys, verified.map(drop));
                Ok(match verified {
                    Ok(Signed { ttl, .. }) => Found { ttl, ..Found::new(Security::Secure, Flaw::None) },
                    Err(flaw) => Found::new(Security::Bogus, flaw),
                })
            }
            Way::Bogus(flaw) => Ok(Found { lacks_keys: true, ..Found::new(Security::Bogus, flaw) }),
            Way::Wants(name, rtype) => Err(Wanted(name, rtype)),
            // Who signed it is no zone of its own, or nothing is to be proven of it: what of the owner itself?
            Way::Keys(_) | Way::Insecure(_) | Way::Indeterminate => self.judge_unsigned(set, Flaw::KeyMissing),
        }
    }

    /// Takes note of what came of the signatures of an RRset, by the keys of a zone. Whoever serves a name below a zone can say that
    /// the zone has signed what he tells: false ones count when the zone's own servers tell them.
    fn note(&mut self, keys: &super::Keys, verified: Result<(), Flaw>) {
        let is_own = || self.asked.told_by.is_some_and(|told_by| told_by.as_wire() == keys.zone());
        let counts = match verified {
            Err(Flaw::Mismatch) => is_own(),
            Err(Flaw::Work) => false,
            _ => true,
        };
        if counts {
            self.keys.note(keys.zone(), verified);
        }
    }

    /// Whether nothing is to be validated at a name (`domain-insecure:`), whoever has signed it.
    fn is_insecure(&self, name: &[u8]) -> bool {
        matches!(self.rules.anchors.closest(name, class::IN), Some(Closest::Insecure { .. }))
    }

    /// What an RRset amounts to whose signatures prove nothing: it depends on whether it should have others.
    fn judge_unsigned(&mut self, set: &Set, flaw: Flaw) -> Judged<Found> {
        self.judge_name(holder(set), flaw).map(|(security, flaw)| Found::new(security, flaw))
    }

    /// What something at a name amounts to that nobody has proven, and why.
    fn judge_name(&mut self, name: &[u8], flaw: Flaw) -> Judged<(Security, Flaw)> {
        match self.keys.way(self.rules, name, self.now) {
            Way::Keys(_) => Ok((Security::Bogus, flaw)),
            Way::Bogus(flaw) => Ok((Security::Bogus, flaw)),
            Way::Insecure(flaw) => Ok((Security::Insecure, flaw)),
            Way::Indeterminate => Ok((Security::Indeterminate, Flaw::None)),
            Way::Wants(name, rtype) => Err(Wanted(name, rtype)),
        }
    }

    /// What stands beside the answer is looked at as far as the keys are at hand; it decides nothing.
    fn judge_additional(&mut self, parts: &mut Parts) {
        for nth in 0..parts.sets.len() {
            if (parts.sets[nth].section, parts.sets[nth].known) != (2, Security::Unchecked) {
                continue;
            }
            if let Ok(found) = self.judge_part(parts, nth) {
                found.note(&mut parts.sets[nth]);
                // Where one is false, the others are not worth the work.
                if matches!(found.flaw, Flaw::Mismatch | Flaw::Work) {
                    return;
                }
            }
        }
    }

    /// What a wildcard was expanded to needs the proof that the name itself is not there (RFC 4035 section 3.1.3.3). Gives the
    /// numbers of the RRsets for which there is none.
    fn judge_wildcards(&mut self, parts: &Parts, views: &Views<'_>, verdict: &mut Verdict) -> Vec<usize> {
        let mut unproven = Vec::new();
        for (nth, part) in parts.sets.iter().enumerate() {
            if part.section != 0 || part.known != Security::Secure {
                continue;
            }
            let Some(set) = views.set(nth) else { continue };
            let (Some(labels), Some(zone)) = (expanded_from(&set), signer_of(&set)) else { continue };
            let proofs = proofs_of(parts, views, zone.as_wire());
            let owner = part.owner.to_lower();
            let mut denial = self.denial(zone.as_wire(), &proofs);
            match denial.expanded(owner.as_wire(), labels, self.budget) {
                // That none came is told of what is denied alone, as by Unbound.
                Proof::Bogus(_) => {
                    verdict.and(Security::Bogus, Flaw::DenialWrong);
                    unproven.push(nth);
                }
                proof => count(proof, verdict),
            }
        }
        unproven
    }

    /// What the proofs of a zone are worth.
    fn denial<'d>(&mut self, zone: &'d [u8], proofs: &[Set<'d>]) -> Denial<'d> {
        let bits = match self.keys.way(self.rules, zone, self.now) {
            Way::Keys(keys) => keys.largest(),
            _ => 0,
        };
        Denial::new(zone, proofs, self.rules.iterations.of_key(bits))
    }

    /// Where the aliases lead, and whether there is what was asked for. `None`: in a circle.
    fn end_of_aliases(&self, parts: &Parts, views: &Views<'_>) -> Option<(Name, bool)> {
        let mut name = self.asked.name.to_lower();
        let is_owned = |part: &Part, name: &Name| part.owner.as_wire().eq_ignore_ascii_case(name.as_wire());
        let answer = || parts.sets.iter().enumerate().filter(|(_, part)| part.section == 0);
        let wants = |rtype: u16| self.asked.qtype == rtype || self.asked.qtype == rtype::ANY;
        for _ in 0..=parts.sets.len() {
            if answer().any(|(_, part)| is_owned(part, &name) && wants(part.rtype)) {
                return Some((name, true));
            }
            let alias = answer().find(|(_, part)| part.rtype == rtype::CNAME && is_owned(part, &name));
            let target = alias.and_then(|(nth, _)| Name::from_wire(views.set(nth)?.records.first()?));
            match target {
                Some(target) => name = target.to_lower(),
                None => {
                    // A DNAME whose target gets too long is the answer (RFC 6672 section 2.2).
                    let is_all = self.asked.rcode == rcode::YXDOMAIN;
                    return Some((name, is_all && answer().any(|(_, part)| part.rtype == rtype::DNAME)));
                }
            }
        }
        None
    }

    /// What is not there needs a proof, by who has signed the rest of what is said of it.
    fn judge_denial(&mut self, parts: &Parts, views: &Views<'_>, end: &Name, verdict: &mut Verdict) -> Judged<()> {
        if self.is_insecure(end.as_wire()) {
            verdict.and(Security::Insecure, Flaw::None);
            return Ok(());
        }
        let Some(zone) = denying_zone(parts, views, end.as_wire()) else {
            let above = parent(end.as_wire()).filter(|_| self.asked.qtype == rtype::DS);
            let (security, flaw) = self.judge_name(above.unwrap_or(end.as_wire()), Flaw::DenialMissing)?;
            verdict.and(security, flaw);
            return Ok(());
        };
        let proofs = proofs_of(parts, views, zone.as_wire());
        let (qtype, denies) = (self.asked.qtype, self.asked.rcode == rcode::NXDOMAIN);
        let mut denial = self.denial(zone.as_wire(), &proofs);
        let mut proof = match denies {
            true => denial.name_error(end.as_wire(), self.budget),
            false => denial.no_data(end.as_wire(), qtype, self.budget),
        };
        if denies && matches!(proof, Proof::Bogus(_)) {
            let instead = denial.no_data(end.as_wire(), qtype, self.budget);
            if !matches!(instead, Proof::Bogus(_)) {
                (proof, verdict.rcode) = (instead, rcode::NOERROR);
            }
        }
        if matches!(proof, Proof::Bogus(Flaw::DenialMissing)) && parts.sets.iter().any(is_proof) {
            // They came, and prove nothing, such as what a wildcard was expanded to.
            proof = Proof::Bogus(Flaw::DenialWrong);
        }
        count(proof, verdict);
        Ok(())
    }
}

/// The name whose zone an RRset belongs to: a DS is its parent's.
fn holder<'a>(set: &Set<'a>) -> &'a [u8] {
    match set.rtype {
        rtype::DS => parent(set.owner).unwrap_or(set.owner),
        _ => set.owner,
    }
}

fn count(proof: Proof, verdict: &mut Verdict) {
    match proof {
        Proof::Secure => {}
        Proof::Insecure(flaw) => verdict.and(Security::Insecure, flaw),
        Proof::Bogus(flaw) => verdict.and(Security::Bogus, flaw),
    }
}

/// Who has signed an RRset: of the first signature whose signer may have, the name, lower case.
pub fn signer_of(set: &Set) -> Option<Name> {
    set.signatures.iter().find_map(|data| {
        let signer = Name::from_wire(signature::signer(data)?)?;
        // Over a DS it is the parent.
        let may = set.rtype != rtype::DS || set.owner.len() > signer.as_wire().len() || set.owner == [0];
        (may && is_at_or_below(set.owner, signer.as_wire())).then(|| signer.to_lower())
    })
}

/// The labels of the closest encloser, when the owner of a signed RRset is what a wildcard was expanded to.
pub fn expanded_from(set: &Set) -> Option<u8> {
    let signed = set.signatures.iter().filter_map(|data| data.get(3)).copied().min()?;
    (signed < canonical::labels(set.owner)).then_some(signed)
}

/// The DNAME that a CNAME without signatures was made of (RFC 6672 section 3.1).
fn made_of(parts: &Parts, nth: usize) -> Option<usize> {
    let cname = parts.sets.get(nth).filter(|part| (part.section, part.rtype) == (0, rtype::CNAME))?;
    let view = parts.view(nth)?;
    let set = view.set();
    if !set.signatures.is_empty() {
        return None;
    }
    let owner = cname.owner.as_wire();
    (0..parts.sets.len()).find(|&at| {
        let part = &parts.sets[at];
        let is_above = || is_at_or_below(owner, part.owner.as_wire()) && owner.len() > part.owner.as_wire().len();
        if (part.section, part.rtype, part.known == Security::Unchecked) != (0, rtype::DNAME, false) || !is_above() {
            return false;
        }
        let target =
            parts.view(at).and_then(|dname| cname.owner.with_end(part.owner.as_wire(), dname.set().records.first()?));
        target.is_some_and(|target| set.records.iter().all(|data| data.eq_ignore_ascii_case(target.as_wire())))
    })
}

fn is_referral(parts: &Parts) -> bool {
    let has = |section, rtype| parts.sets.iter().any(|part| (part.section, part.rtype) == (section, rtype));
    parts.sets.iter().all(|part| part.section != 0) && has(1, rtype::NS) && !has(1, rtype::SOA)
}

fn is_proof(part: &Part) -> bool {
    part.section == 1 && matches!(part.rtype, rtype::NSEC | rtype::NSEC3) && part.known == Security::Secure
}

/// The NSEC and NSEC3 RRsets that a zone has signed.
pub(super) fn proofs_of<'a>(parts: &'a Parts, views: &'a Views<'a>, zone: &[u8]) -> Vec<Set<'a>> {
    let sets = parts.sets.iter().enumerate().filter(|(_, part)| is_proof(part));
    let sets = sets.filter_map(|(nth, _)| views.set(nth));
    let is_of = |set: &Set| signer_of(set).is_some_and(|signer| signer.as_wire() == zone);
    // What a wildcard was expanded to says nothing of its neighbours.
    sets.filter(|set| is_of(set) && expanded_from(set).is_none()).collect()
}

/// The zone by whose keys it is said that something is not there: the deepest that holds the name and has signed a proof, or a
/// SOA in its place.
fn denying_zone(parts: &Parts, views: &Views<'_>, name: &[u8]) -> Option<Name> {
    let says =
        |part: &Part| is_proof(part) || (part.section, part.rtype, part.known) == (1, rtype::SOA, Security::Secure);
    let proofs = parts.sets.iter().enumerate().filter(|(_, part)| says(part));
    let signers = proofs.filter_map(|(nth, _)| signer_of(&views.set(nth)?));
    signers.filter(|signer| is_at_or_below(name, signer.as_wire())).max_by_key(|signer| signer.as_wire().len())
}
