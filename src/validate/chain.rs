//! One step of a chain of trust: the keys of a zone proved by its DS RRset, or by a trust anchor (RFC 4035 section 5.2).

use super::algorithm::{Fakes, digest_len, digest_of};
use super::dnskey::{Dnskey, Key, Keys};
use super::signature::{Signed, verify_by};
use super::{Budget, Clock, Flaw, Set};
use crate::dns::get_u16;

/// Keys with a DS's algorithm and tag but not its digest that are looked at for each DS, beyond those that have it; as in
/// Unbound (MAX_DS_MATCH_FAILURES).
const MAX_MISMATCHES: usize = 4;
/// Such keys for all DS of an RRset.
const MAX_MISMATCHES_OF_ALL: usize = 64;

/// What counts in a step.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The time.
    pub clock: Clock,
    /// Every algorithm of the DS must have signed each RRset, and only the best digest counts (`harden-algo-downgrade:`).
    pub harden_algo_downgrade: bool,
    /// Which signatures count as valid: none but in scenarios.
    pub fakes: Fakes,
}

/// What became of a zone's keys.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// They are proved, and may be kept for so many seconds.
    Secure(Keys, u32),
    /// The zone is signed by what is unknown here, and counts as without signatures.
    Insecure(Flaw),
    /// They should have been proved.
    Bogus(Flaw),
}

/// A DS's data (RFC 4034 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ds<'a> {
    /// Tag of the key.
    pub tag: u16,
    /// The key's algorithm.
    pub algorithm: u8,
    /// Type of the digest.
    pub digest_type: u8,
    /// The digest.
    pub digest: &'a [u8],
}

impl<'a> Ds<'a> {
    /// Takes data apart; `None` when there is no digest.
    pub fn parse(data: &'a [u8]) -> Option<Ds<'a>> {
        let digest = data.get(4..).filter(|digest| !digest.is_empty())?;
        Some(Ds { tag: get_u16(data, 0)?, algorithm: data[2], digest_type: data[3], digest })
    }

    /// Whether it is the DS of a key of `zone` (RFC 4034 section 5.1.4).
    pub fn is_of(&self, zone: &[u8], key: &Dnskey<'_>) -> bool {
        (self.algorithm, self.tag) == (key.algorithm, key.tag) && self.has_digest_of(zone, key.data)
    }

    fn has_digest_of(&self, zone: &[u8], key: &[u8]) -> bool {
        if digest_len(self.digest_type) != Some(self.digest.len()) {
            return false;
        }
        let mut digested = zone.to_ascii_lowercase();
        digested.extend_from_slice(key);
        digest_of(self.digest_type, &digested).is_some_and(|digest| digest.as_ref() == self.digest)
    }

    fn is_usable(&self, fakes: Fakes) -> Result<(), Flaw> {
        if !fakes.is_supported(self.algorithm) {
            Err(Flaw::UnknownAlgorithm)
        } else if digest_len(self.digest_type).is_none() {
            Err(Flaw::UnknownDigest)
        } else {
            Ok(())
        }
    }
}

/// Whether a DS RRset has a record whose algorithm and digest are known here; without one the zone is insecure.
///
/// # Errors
/// What is unknown.
pub fn is_usable(ds: &[&[u8]], fakes: Fakes) -> Result<(), Flaw> {
    let mut flaw = Flaw::UnknownAlgorithm;
    for ds in ds.iter().filter_map(|data| Ds::parse(data)) {
        match ds.is_usable(fakes) {
            Ok(()) => return Ok(()),
            Err(Flaw::UnknownDigest) => flaw = Flaw::UnknownDigest,
            Err(_) => {}
        }
    }
    Err(flaw)
}

/// The keys of a zone by its DS RRset, which has been proved.
pub fn keys_by_ds(ds: &Set<'_>, dnskey: &Set<'_>, rules: &Rules, budget: &mut Budget) -> Verdict {
    if !ds.owner.eq_ignore_ascii_case(dnskey.owner) || ds.class != dnskey.class {
        return Verdict::Bogus(Flaw::DelegationMismatch);
    }
    budget.has_failed = false;
    let usable = usable_of(ds.records, rules.fakes, rules.harden_algo_downgrade);
    if usable.is_empty() {
        return Verdict::Insecure(is_usable(ds.records, rules.fakes).err().unwrap_or(Flaw::UnknownAlgorithm));
    }
    let needs = if rules.harden_algo_downgrade { algorithms(usable.iter().map(|ds| ds.algorithm)) } else { Vec::new() };
    let mut step = Step::new(dnskey, needs, rules);
    step.by_ds(&usable, budget).unwrap_or_else(|| step.failed(Flaw::DelegationMismatch))
}

/// The records of a zone's trust anchor.
#[derive(Clone, Copy, Debug)]
pub struct AnchorRecords<'a> {
    /// Data of DS.
    pub ds: &'a [&'a [u8]],
    /// Data of DNSKEY.
    pub dnskey: &'a [&'a [u8]],
}

/// The keys of a zone by its trust anchor.
pub fn keys_by_anchor(anchor: AnchorRecords<'_>, dnskey: &Set<'_>, rules: &Rules, budget: &mut Budget) -> Verdict {
    budget.has_failed = false;
    let ds = usable_of(anchor.ds, rules.fakes, true);
    let keys: Vec<Key> = anchor.dnskey.iter().filter_map(|data| Key::new(data)).collect();
    let keys: Vec<Key> = keys.into_iter().filter(|key| rules.fakes.is_supported(key.algorithm)).collect();
    if ds.is_empty() && keys.is_empty() {
        return Verdict::Insecure(is_usable(anchor.ds, rules.fakes).err().unwrap_or(Flaw::UnknownAlgorithm));
    }
    let needs = if rules.harden_algo_downgrade {
        algorithms(ds.iter().map(|ds| ds.algorithm).chain(keys.iter().map(|key| key.algorithm)))
    } else {
        Vec::new()
    };
    let mut step = Step::new(dnskey, needs, rules);
    if let Some(verdict) = step.by_ds(&ds, budget) {
        return verdict;
    }
    for key in &keys {
        let before = step.flaw;
        if let Some(verdict) = step.by_key(key, budget) {
            return verdict;
        }
        // One that is not in the RRset is not missed as a signer: the anchor is of other keys.
        if step.flaw == Some(Flaw::SignaturesMissing) && !dnskey.records.contains(&&key.data[..]) {
            step.flaw = before;
        }
    }
    step.failed(Flaw::AnchorMismatch)
}

/// The DS that count: those whose algorithm and digest are known, of the best digest alone when `best` is set (RFC 4509
/// section 3).
pub(super) fn usable_of<'a>(ds: &[&'a [u8]], fakes: Fakes, best: bool) -> Vec<Ds<'a>> {
    let mut usable: Vec<Ds<'a>> =
        ds.iter().filter_map(|data| Ds::parse(data)).filter(|ds| ds.is_usable(fakes).is_ok()).collect();
    let favourite = usable.iter().map(|ds| ds.digest_type).max();
    usable.retain(|ds| !best || Some(ds.digest_type) == favourite);
    usable.sort_unstable();
    usable.dedup();
    usable
}

fn algorithms(all: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut all: Vec<u8> = all.collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// One DNSKEY RRset's check.
struct Step<'a> {
    set: &'a Set<'a>,
    rules: &'a Rules,
    keys: Keys,
    /// Algorithms that have signed nothing yet.
    missing: Vec<u8>,
    /// What was wrong with the signatures of a key that fitted.
    flaw: Option<Flaw>,
    /// Seconds for which what has been proved may be kept.
    ttl: u32,
    /// Data of the keys that were tried.
    tried: Vec<Box<[u8]>>,
    mismatches: usize,
}

impl<'a> Step<'a> {
    fn new(set: &'a Set<'a>, needs: Vec<u8>, rules: &'a Rules) -> Step<'a> {
        let missing = needs.clone();
        let keys = Keys::of(set, needs, rules.fakes);
        Step { set, rules, keys, missing, flaw: None, ttl: u32::MAX, tried: Vec::new(), mismatches: 0 }
    }

    /// Tries all keys that a DS names; `None`: that was not enough.
    fn by_ds(&mut self, all: &[Ds<'_>], budget: &mut Budget) -> Option<Verdict> {
        let keys = self.keys.clone();
        for ds in all {
            let mut mismatches = 0;
            for key in keys.candidates(ds.algorithm, ds.tag) {
                if ds.has_digest_of(keys.zone(), &key.data) {
                    if let Some(verdict) = self.by_key(key, budget) {
                        return Some(verdict);
                    }
                } else {
                    mismatches += 1;
                    self.mismatches += 1;
                }
                if self.mismatches > MAX_MISMATCHES_OF_ALL {
                    return Some(Verdict::Bogus(Flaw::Work));
                }
                if mismatches > MAX_MISMATCHES {
                    break;
                }
            }
        }
        None
    }

    /// Tries a key that is trusted; `None`: it has not signed the RRset, or another is wanted, too.
    fn by_key(&mut self, key: &Key, budget: &mut Budget) -> Option<Verdict> {
        if self.tried.contains(&key.data) {
            return None;
        }
        self.tried.push(key.data.clone());
        match verify_by(self.set, key, &self.keys, &self.rules.clock, budget) {
            Ok(Signed { ttl, .. }) => {
                self.ttl = self.ttl.min(ttl);
                self.missing.retain(|&algorithm| algorithm != key.algorithm);
                self.missing.is_empty().then(|| Verdict::Secure(self.keys.clone(), self.ttl))
            }
            Err(Flaw::Work) => Some(Verdict::Bogus(Flaw::Work)),
            Err(flaw) => {
                self.flaw = Some(flaw);
                None
            }
        }
    }

    fn failed(&self, mismatch: Flaw) -> Verdict {
        let is_partly_signed = self.ttl != u32::MAX;
        Verdict::Bogus(self.flaw.unwrap_or(if is_partly_signed { Flaw::Downgraded } else { mismatch }))
    }
}
