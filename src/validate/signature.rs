//! RRSIG records (RFC 4034 section 3) and whether they prove an RRset (RFC 4035 section 5.3).

use super::canonical::{self, labels, last_labels};
use super::dnskey::{Key, Keys, REVOKE, ZONE};
use super::{Budget, Clock, Flaw, Set};
use crate::dns::name::{MAX_LEN, is_at_or_below, parent, uncompressed_len};
use crate::dns::{get_u16, get_u32, rtype};
use std::borrow::Cow;
use std::slice::from_ref;

/// Octets before the signer's name.
const FIXED: usize = 18;
/// Most keys that are tried for all signatures of an RRset, the number of Unbound (MAX_VALIDATE_RRSIGS and one more): many
/// keys with one tag, or many signatures, are no way to make work.
const MAX_TRIES: u32 = 9;
/// Octets whose hash costs about as much as the cheapest check.
const OCTETS_OF_A_CHECK: usize = 1 << 14;
/// Most octets that one signature covers: as much as a message, as in Unbound.
const MAX_SIGNED: usize = 65_552;

/// An RRSIG's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rrsig<'a> {
    /// Type of the RRset.
    pub covered: u16,
    /// Algorithm.
    pub algorithm: u8,
    /// Labels of the owner as it is in the zone, without root and asterisk.
    pub labels: u8,
    /// TTL in seconds as it is in the zone.
    pub original_ttl: u32,
    /// Seconds since 1970 modulo 2³² until which it is valid.
    pub expiration: u32,
    /// From which on it is valid.
    pub inception: u32,
    /// Tag of the key.
    pub tag: u16,
    /// The zone whose key it is by, wire form.
    pub signer: &'a [u8],
    /// The signature itself.
    pub signature: &'a [u8],
    /// All before the signature.
    pub head: &'a [u8],
}

/// The signer's name of a signature's data, wire form; `None` when there is none.
pub fn signer(data: &[u8]) -> Option<&[u8]> {
    data.get(FIXED..FIXED + uncompressed_len(data, FIXED)?)
}

impl<'a> Rrsig<'a> {
    /// Takes data apart; `None` when it is malformed.
    pub fn parse(data: &'a [u8]) -> Option<Rrsig<'a>> {
        let signer = signer(data)?;
        let end = FIXED + signer.len();
        let (head, signature) = data.split_at_checked(end)?;
        (!signature.is_empty()).then_some(Rrsig {
            covered: get_u16(data, 0)?,
            algorithm: *data.get(2)?,
            labels: *data.get(3)?,
            original_ttl: get_u32(data, 4)?,
            expiration: get_u32(data, 8)?,
            inception: get_u32(data, 12)?,
            tag: get_u16(data, 16)?,
            signer,
            signature,
            head,
        })
    }

    /// How it stands to the time (RFC 4034 section 3.1.5); the seconds for which it may be believed from now on, `None`
    /// where times are not looked at.
    fn remaining(&self, clock: &Clock) -> Result<Option<u32>, Flaw> {
        let Some(now) = clock.now else { return Ok(None) };
        let is_after = |a: u32, b: u32| a.wrapping_sub(b) as i32 > 0;
        if is_after(self.inception, self.expiration) {
            return Err(Flaw::ExpiredBeforeValid);
        }
        let tenth = self.expiration.wrapping_sub(self.inception) / 10;
        let skew = tenth.max(clock.skew_min).min(clock.skew_max);
        if is_after(self.inception, now) && self.inception.wrapping_sub(now) > skew {
            return Err(Flaw::NotYetValid);
        }
        if is_after(now, self.expiration) {
            let late = now.wrapping_sub(self.expiration);
            return if late > skew { Err(Flaw::Expired) } else { Ok(Some(skew - late)) };
        }
        Ok(Some(self.expiration.wrapping_sub(now)))
    }
}

/// Seconds from `now`, since 1970 modulo 2³², until a signature's data expire: none, or fewer, when they have (RFC 4034 section
/// 3.1.5). `None`: they are too short to say.
pub fn seconds_left(signature: &[u8], now: u32) -> Option<i32> {
    // Type, algorithm, labels and original TTL come first.
    get_u32(signature, 8).map(|expiration| expiration.wrapping_sub(now) as i32)
}

/// What a valid signature says of its RRset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Most seconds that the RRset may be kept: its TTL, the TTL it has in its zone, what is left of the signature.
    pub ttl: u32,
    /// Labels of the closest encloser when the owner is what a wildcard was expanded to: it is to be proved that the owner
    /// itself does not exist, and an NSEC proves nothing by this owner.
    pub wildcard: Option<u8>,
    /// TTL in seconds that it has in its zone.
    pub original_ttl: u32,
    /// Seconds since 1970 modulo 2³² until which the signature is valid.
    pub expires: u32,
}

impl Signed {
    /// What both say: the shorter time.
    fn and(self, other: Signed) -> Signed {
        if other.ttl < self.ttl { other } else { self }
    }
}

/// Whether an RRset is signed by the keys of a zone: by all algorithms that the keys call for, or by one key where they call
/// for none.
///
/// # Errors
/// The flaw that says most where several signatures have one each.
pub fn verify(set: &Set<'_>, keys: &Keys, clock: &Clock, budget: &mut Budget) -> Result<Signed, Flaw> {
    budget.has_failed = false;
    let mut check = Check::new(set, keys, clock);
    let mut needs = keys.needs().to_vec();
    let mut found: Option<Signed> = None;
    for rrsig in set.signatures {
        let Some(rrsig) = check.parsed(rrsig) else { continue };
        let candidates = keys.candidates(rrsig.algorithm, rrsig.tag);
        let Some(signed) = check.by_any(&rrsig, candidates, budget)? else { continue };
        let signed = found.map_or(signed, |found| found.and(signed));
        needs.retain(|&algorithm| algorithm != rrsig.algorithm);
        if needs.is_empty() {
            return Ok(signed);
        }
        found = Some(signed);
    }
    match check.flaw {
        Flaw::None if found.is_some() => Err(Flaw::Downgraded),
        flaw => Err(flaw),
    }
}

/// Whether an RRset is signed by this key of the zone of `keys`; algorithms that they call for are not looked at. A revoked
/// key may sign the DNSKEY RRset that it is in (RFC 5011 section 2.1).
///
/// # Errors
/// As of [`verify`].
pub fn verify_by(set: &Set<'_>, key: &Key, keys: &Keys, clock: &Clock, budget: &mut Budget) -> Result<Signed, Flaw> {
    let mut check = Check { may_be_revoked: true, ..Check::new(set, keys, clock) };
    for rrsig in set.signatures {
        let Some(rrsig) = check.parsed(rrsig) else { continue };
        if (rrsig.algorithm, rrsig.tag) != (key.algorithm, key.tag) {
            check.note(Flaw::SignaturesMissing);
        } else if let Some(signed) = check.by_any(&rrsig, from_ref(key), budget)? {
            return Ok(signed);
        }
    }
    Err(check.flaw)
}

/// One RRset's check.
struct Check<'a> {
    set: &'a Set<'a>,
    keys: &'a Keys,
    clock: &'a Clock,
    /// The records' data in canonical form and order, once it is wanted.
    records: Option<Vec<Cow<'a, [u8]>>>,
    /// What a signature covers.
    signed: Vec<u8>,
    tries: u32,
    /// A key that is revoked may have signed the DNSKEY RRset that it is in.
    may_be_revoked: bool,
    /// The flaw that says most so far.
    flaw: Flaw,
}

impl<'a> Check<'a> {
    fn new(set: &'a Set<'a>, keys: &'a Keys, clock: &'a Clock) -> Check<'a> {
        let flaw = if set.signatures.is_empty() { Flaw::SignaturesMissing } else { Flaw::None };
        Check { set, keys, clock, records: None, signed: Vec::new(), tries: 0, may_be_revoked: false, flaw }
    }

    fn note(&mut self, flaw: Flaw) {
        if weight(flaw) > weight(self.flaw) {
            self.flaw = flaw;
        }
    }

    /// A signature that could be one of this RRset.
    fn parsed(&mut self, data: &'a [u8]) -> Option<Rrsig<'a>> {
        let Some(rrsig) = Rrsig::parse(data) else {
            self.note(Flaw::Malformed);
            return None;
        };
        if !self.keys.fakes().is_supported(rrsig.algorithm) {
            self.note(Flaw::UnknownAlgorithm);
            return None;
        }
        Some(rrsig)
    }

    /// Whether the signature is by one of these keys, which have its algorithm and tag. An error ends all of it: it has cost
    /// too much.
    fn by_any(&mut self, rrsig: &Rrsig<'_>, keys: &[Key], budget: &mut Budget) -> Result<Option<Signed>, Flaw> {
        if keys.is_empty() {
            self.note(Flaw::KeyMissing);
        }
        self.signed.clear();
        for key in keys {
            match self.by_key(rrsig, key, budget) {
                Ok(signed) => return Ok(Some(signed)),
                Err(Flaw::Work) => return Err(Flaw::Work),
                Err(flaw) => self.note(flaw),
            }
            self.tries += 1;
            if self.tries >= MAX_TRIES {
                return Err(Flaw::Work);
            }
        }
        Ok(None)
    }

    fn by_key(&mut self, rrsig: &Rrsig<'_>, key: &Key, budget: &mut Budget) -> Result<Signed, Flaw> {
        self.may_sign(key)?;
        self.covers(rrsig)?;
        if self.signed.is_empty() {
            self.write_signed(rrsig)?;
        }
        if !self.keys.fakes().has(key.algorithm) {
            let price = key.price() + (self.signed.len() / OCTETS_OF_A_CHECK) as u32;
            if !budget.check(price) {
                return Err(Flaw::Work);
            }
            let is_valid = key.public().is_some_and(|public| public.verify(&self.signed, rrsig.signature));
            if !is_valid {
                budget.has_failed = true;
                return Err(Flaw::Mismatch);
            }
        }
        // The times come last, so that a signature which is said to have expired is otherwise right.
        let remaining = rrsig.remaining(self.clock)?;
        let ttl = self.set.ttl.min(rrsig.original_ttl).min(remaining.unwrap_or(u32::MAX));
        let is_expanded = rrsig.labels < labels(self.set.owner);
        Ok(Signed {
            ttl,
            wildcard: is_expanded.then_some(rrsig.labels),
            original_ttl: rrsig.original_ttl,
            expires: rrsig.expiration,
        })
    }

    /// Whether a key may sign the RRset.
    fn may_sign(&self, key: &Key) -> Result<(), Flaw> {
        if key.flags & ZONE == 0 {
            return Err(Flaw::NoZoneKey);
        }
        let is_own = self.set.rtype == rtype::DNSKEY && self.set.owner.eq_ignore_ascii_case(self.keys.zone());
        if key.flags & REVOKE != 0 && !(is_own && self.may_be_revoked) {
            return Err(Flaw::KeyMissing);
        }
        if key.is_protocol_known { Ok(()) } else { Err(Flaw::Mismatch) }
    }

    /// Whether the signature's fields are those of one over this RRset by a key of the zone (RFC 4035 section 5.3.1).
    fn covers(&self, rrsig: &Rrsig<'_>) -> Result<(), Flaw> {
        let (owner, zone) = (self.set.owner, self.keys.zone());
        let owner_labels = labels(owner);
        let is_right = rrsig.covered == self.set.rtype
            && self.set.class == self.keys.class()
            && rrsig.signer.eq_ignore_ascii_case(zone)
            && is_at_or_below(owner, zone)
            && (labels(zone)..=owner_labels).contains(&rrsig.labels);
        let is_right = is_right
            && match self.set.rtype {
                // A hashed name is one label below its zone (RFC 5155 section 3), and no wildcard is a hash.
                rtype::NSEC3 => {
                    parent(owner).is_some_and(|parent| parent.eq_ignore_ascii_case(zone))
                        && rrsig.labels == owner_labels
                }
                // Its next name is one of the zone, or it would deny names of others.
                rtype::NSEC => self.set.records.iter().all(|data| {
                    let next = uncompressed_len(data, 0).and_then(|len| data.get(..len));
                    next.is_some_and(|next| is_at_or_below(next, zone))
                }),
                // Delegations and keys are of one name alone.
                rtype::DS | rtype::DNSKEY => rrsig.labels == owner_labels,
                _ => true,
            };
        if is_right { Ok(()) } else { Err(Flaw::Mismatch) }
    }

    /// Writes what the signature covers (RFC 4035 section 5.3.2).
    fn write_signed(&mut self, rrsig: &Rrsig<'_>) -> Result<(), Flaw> {
        let set = self.set;
        let records = self.records.get_or_insert_with(|| canonical::records(set.rtype, set.records));
        let (owner, owner_len) = owner_in_zone(set.owner, rrsig.labels);
        let owner = owner.get(..owner_len).ok_or(Flaw::Malformed)?;
        let of_records: usize = records.iter().map(|data| owner.len() + 10 + data.len()).sum();
        if rrsig.head.len() + of_records > MAX_SIGNED {
            return Err(Flaw::Work);
        }
        let signed = &mut self.signed;
        signed.reserve(rrsig.head.len() + of_records);
        signed.extend_from_slice(rrsig.head);
        signed[FIXED..].make_ascii_lowercase();
        for data in records {
            signed.extend_from_slice(owner);
            signed.extend_from_slice(&set.rtype.to_be_bytes());
            signed.extend_from_slice(&set.class.to_be_bytes());
            signed.extend_from_slice(&rrsig.original_ttl.to_be_bytes());
            signed.extend_from_slice(&u16::try_from(data.len()).map_err(|_| Flaw::Malformed)?.to_be_bytes());
            signed.extend_from_slice(data);
        }
        Ok(())
    }
}

/// The owner as it is in the zone, lower case: with so many labels, behind an asterisk where it was expanded.
fn owner_in_zone(owner: &[u8], count: u8) -> ([u8; MAX_LEN + 2], usize) {
    let mut written = [0; MAX_LEN + 2];
    let (start, end): (&[u8], &[u8]) =
        if count < labels(owner) { (b"\x01*", last_labels(owner, count)) } else { (b"", owner) };
    let len = start.len() + end.len();
    if let Some(room) = written.get_mut(..len) {
        room[..start.len()].copy_from_slice(start);
        room[start.len()..].copy_from_slice(end);
        room.make_ascii_lowercase();
    }
    (written, len)
}

/// How much a flaw says, for the one that is told of several signatures' (RFC 8914 has none for a mix).
fn weight(flaw: Flaw) -> u8 {
    match flaw {
        Flaw::None => 0,
        Flaw::UnknownAlgorithm => 1,
        Flaw::KeyMissing | Flaw::SignaturesMissing => 2,
        Flaw::NoZoneKey => 3,
        Flaw::Malformed => 4,
        Flaw::Mismatch => 5,
        Flaw::ExpiredBeforeValid => 6,
        Flaw::NotYetValid => 7,
        Flaw::Expired => 8,
        _ => 9,
    }
}
