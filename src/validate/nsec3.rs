//! NSEC3 records (RFC 5155) and what they prove (section 8).

use super::Flaw;
use super::budget::Budget;
use super::hash::{HASH, Hash, Hasher, from_label};
use super::proof::{NoDs, Proof, wildcard};
use super::set::Set;
use super::types::{Said, Types};
use crate::dns::name::{MAX_LEN, label_count, parent, suffixes};
use crate::dns::rtype::{DS, NSEC3};

/// The algorithm number of SHA-1, the only one there is.
const SHA1: u8 = 1;
/// The flag: delegations without DS may lie in the span.
const OPT_OUT: u8 = 1;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nsec3<'a> {
    /// The hash of its name.
    pub owner: Hash,
    /// The next hash of the zone; of the last, the first.
    pub next: Hash,
    /// True when delegations without DS may lie in between.
    pub opt_out: bool,
    /// How often a hash is hashed again.
    pub iterations: u16,
    /// What is hashed with the name.
    pub salt: &'a [u8],
    /// Types at its name.
    pub types: Types<'a>,
}

impl<'a> Nsec3<'a> {
    /// From the data of one record of the zone `zone`. `None` when it is malformed, of another zone, or has flags or an
    /// algorithm that are not known (RFC 5155 sections 8.1, 8.2).
    pub fn read(owner: &[u8], data: &'a [u8], zone: &[u8]) -> Option<Nsec3<'a>> {
        let [SHA1, flags @ (0 | OPT_OUT), high, low, salt_len, rest @ ..] = data else { return None };
        let (salt, rest) = rest.split_at_checked(usize::from(*salt_len))?;
        let (hash_len, rest) = rest.split_first()?;
        let (next, types) = rest.split_first_chunk::<HASH>().filter(|_| usize::from(*hash_len) == HASH)?;
        let (label, of) = owner.split_first().and_then(|(&len, rest)| rest.split_at_checked(usize::from(len)))?;
        let owner = from_label(label).filter(|_| of.eq_ignore_ascii_case(zone))?;
        let iterations = u16::from_be_bytes([*high, *low]);
        Some(Nsec3 { owner, next: *next, opt_out: *flags == OPT_OUT, iterations, salt, types: Types::read(types)? })
    }

    /// All of an RRset that can be read.
    pub fn read_all(set: &Set<'a>, zone: &[u8]) -> impl Iterator<Item = Nsec3<'a>> {
        let records = if set.rtype == NSEC3 { set.records } else { &[] };
        records.iter().filter_map(|data| Nsec3::read(set.owner, data, zone))
    }

    /// True when no name of the zone has this hash.
    pub fn covers(&self, hash: &Hash) -> bool {
        match self.owner < self.next {
            true => self.owner < *hash && *hash < self.next,
            false => self.owner < *hash || *hash < self.next,
        }
    }
}

/// Where the records of one zone's chain are found.
pub trait Nsec3s {
    /// The one of this hash.
    fn matching(&self, hash: &Hash) -> Option<Nsec3<'_>>;
    /// The one that covers this hash; of several, one without opt-out.
    fn covering(&self, hash: &Hash) -> Option<Nsec3<'_>>;
}

impl Nsec3s for Vec<Nsec3<'_>> {
    fn matching(&self, hash: &Hash) -> Option<Nsec3<'_>> {
        self.iter().find(|nsec3| nsec3.owner == *hash).copied()
    }

    fn covering(&self, hash: &Hash) -> Option<Nsec3<'_>> {
        self.iter().filter(|nsec3| nsec3.covers(hash)).min_by_key(|nsec3| nsec3.opt_out).copied()
    }
}

/// A chain's records, with what hashes names for it and pays for that.
pub struct Chain<'c, 'a, S> {
    /// The zone's name.
    pub zone: &'c [u8],
    /// Its records.
    pub records: &'c S,
    /// Hashes names.
    pub hasher: &'c mut Hasher<'a>,
    /// What is left for that.
    pub budget: &'c mut Budget,
}

/// What is known of the names above one that does not exist.
pub(super) enum Above<'n, 'c> {
    /// The closest encloser with its record, and the one in whose span the next closer name lies.
    Encloser {
        /// The name.
        name: &'n [u8],
        /// Its record.
        at: Nsec3<'c>,
        /// The next closer name's.
        span: Nsec3<'c>,
    },
    /// A delegation to an unsigned zone.
    InsecureCut,
    /// Nothing is proven.
    Unproven,
}

const WRONG: Proof = Proof::Bogus(Flaw::DenialWrong);

impl<'c, S: Nsec3s> Chain<'c, '_, S> {
    /// The record of a name.
    pub(super) fn matching(&mut self, name: &[u8]) -> Result<Option<Nsec3<'c>>, Flaw> {
        let hash = self.hasher.hash(name, self.budget)?;
        Ok(self.records.matching(&hash))
    }

    /// The record that covers a name.
    pub(super) fn covering(&mut self, name: &[u8]) -> Result<Option<Nsec3<'c>>, Flaw> {
        let hash = self.hasher.hash(name, self.budget)?;
        Ok(self.records.covering(&hash))
    }

    /// The closest encloser of a name that is not there itself (RFC 5155 section 8.3).
    pub(super) fn above<'n>(&mut self, qname: &'n [u8]) -> Result<Above<'n, 'c>, Flaw> {
        let mut next_closer = qname;
        for encloser in suffixes(qname).skip(1).take_while(|suffix| suffix.len() >= self.zone.len()) {
            if let Some(nsec3) = self.matching(encloser)? {
                if nsec3.types.is_insecure_cut() {
                    return Ok(Above::InsecureCut);
                }
                if nsec3.types.ends_the_zone() {
                    return Ok(Above::Unproven);
                }
                let span = self.covering(next_closer)?;
                return Ok(span.map_or(Above::Unproven, |span| Above::Encloser { name: encloser, at: nsec3, span }));
            }
            next_closer = encloser;
        }
        Ok(Above::Unproven)
    }

    /// That neither the name nor a wildcard that would make it exists (RFC 5155 section 8.4).
    ///
    /// # Errors
    /// [`Flaw::Work`], as of all functions here.
    pub fn name_error(&mut self, qname: &[u8]) -> Result<Proof, Flaw> {
        if self.matching(qname)?.is_some() {
            return Ok(WRONG);
        }
        let (encloser, opt_out) = match self.above(qname)? {
            Above::Encloser { name, span, .. } => (name, span.opt_out),
            Above::InsecureCut => return Ok(Proof::Insecure(Flaw::None)),
            Above::Unproven => return Ok(WRONG),
        };
        match self.denies_wildcard(encloser)? {
            true if opt_out => Ok(Proof::Insecure(Flaw::None)),
            true => Ok(Proof::Secure),
            false => Ok(WRONG),
        }
    }

    fn denies_wildcard(&mut self, encloser: &[u8]) -> Result<bool, Flaw> {
        match wildcard(encloser, &mut [0; MAX_LEN]) {
            Some(wildcard) => Ok(self.covering(wildcard)?.is_some()),
            None => Ok(false),
        }
    }

    /// What is said of `qtype` at the wildcard below `encloser`; `None`: nothing.
    fn say_of_wildcard(&mut self, encloser: &[u8], qtype: u16) -> Result<Option<Said>, Flaw> {
        let mut buffer = [0; MAX_LEN];
        let Some(wildcard) = wildcard(encloser, &mut buffer) else { return Ok(None) };
        let nsec3 = self.matching(wildcard)?;
        // A wildcard is no zone cut (RFC 4592 section 4.2).
        Ok(nsec3.map(|nsec3| if nsec3.types.is_cut() { Said::Unproven } else { nsec3.types.say(qtype, false) }))
    }

    /// That a name which exists, or the wildcard that makes it, has no `qtype` (RFC 5155 sections 8.5 to 8.7).
    ///
    /// # Errors
    /// [`Flaw::Work`].
    pub fn no_data(&mut self, qname: &[u8], qtype: u16) -> Result<Proof, Flaw> {
        if let Some(nsec3) = self.matching(qname)? {
            return Ok(match nsec3.types.say(qtype, qname == [0]) {
                Said::Absent => Proof::Secure,
                Said::InsecureCut => Proof::Insecure(Flaw::None),
                Said::Unproven => WRONG,
            });
        }
        let (encloser, opt_out) = match self.above(qname)? {
            Above::Encloser { name, span, .. } => (name, span.opt_out),
            Above::InsecureCut => return Ok(Proof::Insecure(Flaw::None)),
            Above::Unproven => return Ok(WRONG),
        };
        match self.say_of_wildcard(encloser, qtype)? {
            Some(Said::Absent) if !opt_out => Ok(Proof::Secure),
            // Of an unsigned zone below a delegation that the span passes over, a forwarder tells the data with this proof.
            Some(Said::Absent) | None if opt_out => Ok(Proof::Insecure(Flaw::None)),
            _ => Ok(WRONG),
        }
    }

    /// That the name does not exist, so that the wildcard of the encloser with so many labels makes it (RFC 5155 section 8.8).
    ///
    /// # Errors
    /// [`Flaw::Work`].
    pub fn expanded(&mut self, qname: &[u8], labels: usize) -> Result<Proof, Flaw> {
        let is_next_closer = |name: &&[u8]| parent(name).is_some_and(|encloser| label_count(encloser) == labels);
        let next_closer = suffixes(qname).find(is_next_closer).filter(|name| name.len() > self.zone.len());
        let Some(next_closer) = next_closer else { return Ok(WRONG) };
        Ok(match self.covering(next_closer)? {
            Some(span) if span.opt_out => Proof::Insecure(Flaw::None),
            Some(_) => Proof::Secure,
            None => WRONG,
        })
    }

    /// What is said of a name that has no DS (RFC 5155 section 8.6, 8.9).
    ///
    /// # Errors
    /// [`Flaw::Work`].
    pub fn no_ds(&mut self, name: &[u8]) -> Result<NoDs, Flaw> {
        let wrong = NoDs::Bogus(Flaw::DenialWrong);
        if let Some(nsec3) = self.matching(name)? {
            let is_of_child = nsec3.types.is_apex() && name != [0];
            return Ok(match nsec3.types {
                types if is_of_child || types.has(DS) => wrong,
                types if types.is_cut() => NoDs::Insecure(Flaw::None),
                _ => NoDs::NotDelegated,
            });
        }
        // A delegation above does not say what is here.
        let Above::Encloser { name: encloser, span, .. } = self.above(name)? else { return Ok(wrong) };
        if span.opt_out {
            return Ok(NoDs::Insecure(Flaw::None));
        }
        match self.say_of_wildcard(encloser, DS)? {
            Some(Said::Absent) => Ok(NoDs::NotDelegated),
            Some(_) => Ok(wrong),
            None => Ok(if self.denies_wildcard(encloser)? { NoDs::NoName } else { wrong }),
        }
    }
}
