//! What the answers to lookups of keys say: of a name, whether a zone begins there and by which keys it signs.

use super::anchors::Closest;
use super::chain::{self, AnchorRecords, Verdict};
use super::dnskey::Keys;
use super::keys::{Delegation, KeyCache, Standing, Way};
use super::message::{expanded_from, proofs_of};
use super::parts::Parts;
use super::proof::{NoDs, Proof};
use super::set::slices;
use super::signature::{self, Signed};
use super::{Budget, Clock, Flaw, Rules, Security, Set};
use crate::dns::name::{Name, parent};
use crate::dns::{class, rtype};

/// Seconds for which it is remembered that a name has no keys that could be had (Unbound's NULL_KEY_TTL).
const UNREACHABLE: u32 = 60;
/// Seconds for which what was proven is remembered when nothing says for how long it holds.
const PROVEN: u32 = 60;

/// Takes note of what was answered to a question for the DNSKEYs of a name; `None`: nothing was.
pub fn zone_keys(
    name: &Name,
    answer: Option<&mut Parts>,
    (keys, now): (&mut KeyCache, u32),
    (rules, clock): (&Rules, Clock),
    budget: &mut Budget,
) {
    let (standing, ttl) = match answer {
        None if may_be_unsigned(name, (keys, now), rules) => (Standing::Insecure(Flaw::None), UNREACHABLE),
        None => (Standing::Bogus(Flaw::Unreachable), UNREACHABLE),
        Some(parts) => judge_keys(name, parts, (keys, now), (rules, clock), budget),
    };
    keys.put(name.as_wire(), of_keys(standing), ttl, now);
}

/// Whether a zone counts as unsigned when its keys or their signatures are missing (`harden-dnssec-stripped: no`): one that is
/// trusted without a DS of its parent.
fn may_be_unsigned(name: &Name, (keys, now): (&KeyCache, u32), rules: &Rules) -> bool {
    !rules.harden_stripped && keys.delegation(name.as_wire(), now).is_none()
}

fn judge_keys(
    name: &Name,
    parts: &mut Parts,
    (keys, now): (&KeyCache, u32),
    (rules, clock): (&Rules, Clock),
    budget: &mut Budget,
) -> (Standing, u32) {
    let bogus = |flaw| (Standing::Bogus(flaw), rules.bogus_ttl);
    let Some(nth) = parts.answer(name, rtype::DNSKEY) else {
        return match may_be_unsigned(name, (keys, now), rules) {
            true => (Standing::Insecure(Flaw::None), UNREACHABLE),
            false => bogus(Flaw::KeyMissing),
        };
    };
    let (verdict, most) = {
        let Some(view) = parts.view(nth) else { return bogus(Flaw::Malformed) };
        let set = view.set();
        if set.signatures.is_empty() && may_be_unsigned(name, (keys, now), rules) {
            return (Standing::Insecure(Flaw::None), set.ttl);
        }
        match keys.delegation(name.as_wire(), now) {
            Some((delegation, left)) => {
                let records = delegation.records();
                let ds = Set { rtype: rtype::DS, records: &records, signatures: &[], ..set };
                (chain::keys_by_ds(&ds, &set, &rules.step(clock), budget), left)
            }
            None => match rules.anchors.closest(name.as_wire(), class::IN) {
                Some(Closest::Anchor { zone, anchor }) if zone == name.as_wire() => {
                    let (ds, dnskey) = (slices(&anchor.ds), slices(&anchor.keys));
                    let records = AnchorRecords { ds: &ds, dnskey: &dnskey };
                    (chain::keys_by_anchor(records, &set, &rules.step(clock), budget), u32::MAX)
                }
                // The DS that it was asked for is gone.
                _ => return (Standing::Bogus(Flaw::Unreachable), 0),
            },
        }
    };
    let part = &mut parts.sets[nth];
    match verdict {
        Verdict::Secure(found, ttl) => {
            (part.known, part.ttl) = (Security::Secure, part.ttl.min(ttl));
            (Standing::Secure(found), ttl.min(most))
        }
        Verdict::Insecure(flaw) => {
            part.known = Security::Insecure;
            (Standing::Insecure(flaw), part.ttl.min(most))
        }
        Verdict::Bogus(flaw) => {
            (part.known, part.flaw) = (Security::Bogus, flaw);
            bogus(flaw)
        }
    }
}

/// Takes note of what was answered to a question for the DS of a name; `None`: nothing was.
pub fn delegation(
    name: &Name,
    answer: Option<&mut Parts>,
    (keys, now): (&mut KeyCache, u32),
    (rules, clock): (&Rules, Clock),
    budget: &mut Budget,
) {
    let above = parent(name.as_wire()).unwrap_or(&[0]);
    // Where nothing above it is signed, there is nothing to be known.
    let Way::Keys(parent) = keys.way(rules, above, now) else { return };
    let parent = parent.clone();
    let (standing, ttl) = match answer {
        None => (Standing::Bogus(Flaw::Unreachable), UNREACHABLE),
        Some(parts) => judge_delegation(name, parts, &parent, (rules, clock), budget),
    };
    keys.put(name.as_wire(), of_keys(standing), ttl, now);
}

/// What is wrong with keys is for what they would prove that the keys are missing, as in Unbound; but for times and for what did not
/// come, which tell more.
fn of_keys(standing: Standing) -> Standing {
    match standing {
        Standing::Bogus(Flaw::Mismatch | Flaw::DenialWrong) => Standing::Bogus(Flaw::KeysUnproven),
        other => other,
    }
}

fn judge_delegation(
    name: &Name,
    parts: &mut Parts,
    parent: &Keys,
    (rules, clock): (&Rules, Clock),
    budget: &mut Budget,
) -> (Standing, u32) {
    let bogus = |flaw| (Standing::Bogus(flaw), rules.bogus_ttl);
    let mut verify = |set: &Set| signature::verify(set, parent, &clock, budget);
    if let Some(nth) = parts.answer(name, rtype::DS) {
        return match judge(parts, nth, &mut verify) {
            Err(flaw) => bogus(flaw),
            Ok(ttl) => match parts.view(nth) {
                None => bogus(Flaw::Malformed),
                Some(view) => match chain::is_usable(view.set().records, rules.fakes) {
                    Ok(()) => (Standing::Delegated(Delegation::new(view.set().records)), ttl),
                    Err(flaw) => (Standing::Insecure(flaw), ttl),
                },
            },
        };
    }
    if let Some(nth) = parts.answer(name, rtype::CNAME) {
        // An alias is no zone. One from a wildcard needs the proof that the name itself is not there.
        let alias = judge_alias(parts, nth, &mut verify);
        let labels = parts.view(nth).and_then(|view| expanded_from(&view.set()));
        let is_proven = match (alias, labels) {
            (Ok(ttl), None) => Ok(ttl),
            (Ok(ttl), Some(labels)) => {
                judge_proofs(parts, &mut verify);
                let views = parts.views();
                let proofs = proofs_of(parts, &views, parent.zone());
                let mut denial = rules.denial(parent, &proofs);
                match denial.expanded(name.as_wire(), labels, budget) {
                    Proof::Bogus(flaw) => Err(flaw),
                    Proof::Secure | Proof::Insecure(_) => Ok(ttl),
                }
            }
            (Err(flaw), _) => Err(flaw),
        };
        return is_proven.map_or_else(bogus, |ttl| (Standing::NoCut, ttl));
    }
    let ttl = judge_proofs(parts, &mut verify).unwrap_or(PROVEN);
    let views = parts.views();
    let proofs = proofs_of(parts, &views, parent.zone());
    let mut denial = rules.denial(parent, &proofs);
    match denial.no_ds(name.as_wire(), budget) {
        NoDs::Insecure(flaw) => (Standing::Insecure(flaw), ttl),
        NoDs::NotDelegated | NoDs::NoName => (Standing::NoCut, ttl),
        NoDs::Bogus(flaw) => bogus(flaw),
    }
}

/// Judges an RRset that no wildcard may have made, unless that was done; gives the seconds that it may be kept.
fn judge(parts: &mut Parts, nth: usize, verify: &mut impl FnMut(&Set) -> Result<Signed, Flaw>) -> Result<u32, Flaw> {
    match parts.view(nth) {
        Some(view) if expanded_from(&view.set()).is_none() => {}
        _ => return Err(Flaw::Mismatch),
    }
    judge_alias(parts, nth, verify)
}

/// The same of one that a wildcard may have made.
fn judge_alias(
    parts: &mut Parts,
    nth: usize,
    verify: &mut impl FnMut(&Set) -> Result<Signed, Flaw>,
) -> Result<u32, Flaw> {
    if parts.sets[nth].known == Security::Secure {
        return Ok(parts.sets[nth].ttl);
    }
    let signed = parts.view(nth).ok_or(Flaw::Malformed).and_then(|view| match view.set() {
        Set { signatures: [], .. } => Err(Flaw::SignaturesMissing),
        set => verify(&set),
    });
    let part = &mut parts.sets[nth];
    match signed {
        Ok(Signed { ttl, .. }) => {
            (part.known, part.ttl) = (Security::Secure, part.ttl.min(ttl));
            Ok(part.ttl)
        }
        Err(flaw) => {
            (part.known, part.flaw) = (Security::Bogus, flaw);
            Err(flaw)
        }
    }
}

/// Judges what proves that there is no DS; gives the seconds that it may be kept.
fn judge_proofs(parts: &mut Parts, verify: &mut impl FnMut(&Set) -> Result<Signed, Flaw>) -> Option<u32> {
    let mut least = None;
    for nth in 0..parts.sets.len() {
        let part = &parts.sets[nth];
        if part.section == 1 && matches!(part.rtype, rtype::NSEC | rtype::NSEC3 | rtype::SOA) {
            let judged = judge(parts, nth, verify);
            // Where one is false, the others are not worth the work.
            if matches!(judged, Err(Flaw::Mismatch | Flaw::Work)) {
                break;
            }
            least = least.into_iter().chain(judged.ok()).min();
        }
    }
    least
}
