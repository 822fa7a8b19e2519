//! Denial of existence: what the NSEC and NSEC3 records of a message prove (RFC 4035 section 5.4, RFC 5155 section 8).

use super::Flaw;
use super::budget::Budget;
use super::hash::Hasher;
use super::nsec::{self, Nsec};
use super::nsec3::{Chain, Nsec3};
use super::proof::{Negative, NoDs, Proof};
use super::set::Set;
use super::types::Said;
use crate::dns::name::{is_at_or_below, suffixes};
use crate::dns::rtype::{DS, NSEC, NSEC3};

/// The records of one message by which one zone denies, and the hashes of names that were computed for it.
///
/// The RRsets have been verified already with that zone's keys. Where a signature has fewer labels than the owner, the RRset was
/// expanded from a wildcard: who verified it gives the wildcard as the owner, or leaves it out.
#[derive(Clone, Debug)]
pub struct Denial<'a> {
    zone: &'a [u8],
    nsecs: Vec<Nsec<'a>>,
    nsec3s: Vec<Nsec3<'a>>,
    hasher: Hasher<'a>,
    /// Why the NSEC3 records are of no use.
    unusable: Option<Proof>,
}

impl<'a> Denial<'a> {
    /// Of the zone `zone`, wire form; what else is among `sets` is passed over. More than `most_iterations` of NSEC3 are not
    /// computed, and what they deny is insecure (RFC 9276 section 3.2; see [`super::iterations`]).
    pub fn new(zone: &'a [u8], sets: &[Set<'a>], most_iterations: u16) -> Denial<'a> {
        let nsecs = sets.iter().filter_map(|set| Nsec::read(set, zone)).collect();
        let nsec3s: Vec<Nsec3<'a>> = sets.iter().flat_map(|set| Nsec3::read_all(set, zone)).collect();
        let (salt, iterations) = nsec3s.first().map_or((&[][..], 0), |first| (first.salt, first.iterations));
        let came = sets.iter().any(|set| [NSEC, NSEC3].contains(&set.rtype));
        let unusable = match nsec3s.first() {
            None if came => Some(Proof::Bogus(Flaw::DenialWrong)),
            None => Some(Proof::Bogus(Flaw::DenialMissing)),
            // Records of several chains prove nothing together (RFC 5155 section 8.2).
            _ if nsec3s.iter().any(|nsec3| (nsec3.salt, nsec3.iterations) != (salt, iterations)) => {
                Some(Proof::Bogus(Flaw::DenialWrong))
            }
            _ if iterations > most_iterations => Some(Proof::Insecure(Flaw::Iterations)),
            _ => None,
        };
        Denial { zone, nsecs, nsec3s, hasher: Hasher::new(salt, iterations), unusable }
    }

    /// That `qname` does not exist, nor a wildcard that would make it.
    pub fn name_error(&mut self, qname: &[u8], budget: &mut Budget) -> Proof {
        match self.by_nsec(qname, 0) {
            Some(proof) => proof,
            None if nsec::name_error(&self.nsecs, qname) => Proof::Secure,
            None => self.by_nsec3(budget, |chain| chain.name_error(qname)),
        }
    }

    /// That `qname`, or the wildcard that makes it, has no record of `qtype`, and no alias.
    pub fn no_data(&mut self, qname: &[u8], qtype: u16, budget: &mut Budget) -> Proof {
        if let Some(proof) = self.by_nsec(qname, qtype) {
            return proof;
        }
        match nsec::no_data(&self.nsecs, qname, qtype) {
            Said::Absent => Proof::Secure,
            Said::InsecureCut => Proof::Insecure(Flaw::None),
            Said::Unproven => self.by_nsec3(budget, |chain| chain.no_data(qname, qtype)),
        }
    }

    /// Either of both: at the end of a chain of aliases, and where a server has the wrong RCODE for its proof. What cannot be
    /// proven counts as no data.
    pub fn negative(&mut self, qname: &[u8], qtype: u16, budget: &mut Budget) -> (Proof, Negative) {
        match (self.name_error(qname, budget), self.no_data(qname, qtype, budget)) {
            (Proof::Secure, Proof::Secure) => (Proof::Bogus(Flaw::DenialWrong), Negative::NoData),
            (Proof::Secure, _) => (Proof::Secure, Negative::NameError),
            (insecure @ Proof::Insecure(_), Proof::Bogus(_)) => (insecure, Negative::NameError),
            (_, no_data) => (no_data, Negative::NoData),
        }
    }

    /// That `qname` itself does not exist, where a wildcard answered whose signature has `labels` labels: those of the closest
    /// encloser.
    pub fn expanded(&mut self, qname: &[u8], labels: u8, budget: &mut Budget) -> Proof {
        let labels = usize::from(labels);
        match self.is_of_zone(qname, 0) {
            false => self.nothing(),
            true if nsec::expanded(&self.nsecs, qname, labels) => Proof::Secure,
            true => self.by_nsec3(budget, |chain| chain.expanded(qname, labels)),
        }
    }

    /// What this zone, the parent, says of `name`, for which it gave no DS.
    pub fn no_ds(&mut self, name: &[u8], budget: &mut Budget) -> NoDs {
        if !self.is_of_zone(name, DS) {
            return no_ds(self.nothing());
        }
        if let Some(said) = nsec::no_ds(&self.nsecs, name) {
            return said;
        }
        match self.chain(budget) {
            Ok(mut chain) => chain.no_ds(name).unwrap_or_else(NoDs::Bogus),
            Err(proof) => no_ds(proof),
        }
    }

    /// What is proven without regard to what was asked: the name is not this zone's to deny, or lies below a delegation to an
    /// unsigned zone.
    fn by_nsec(&self, qname: &[u8], qtype: u16) -> Option<Proof> {
        if !self.is_of_zone(qname, qtype) {
            return Some(self.nothing());
        }
        let mut above = suffixes(qname).skip(usize::from(qtype == DS));
        let is_insecure = above.any(|suffix| {
            let is_cut = |nsec: &Nsec| nsec.types.is_insecure_cut() && nsec.owner.eq_ignore_ascii_case(suffix);
            self.nsecs.iter().any(is_cut)
        });
        is_insecure.then_some(Proof::Insecure(Flaw::None))
    }

    /// True when the zone may say something of `qtype` at the name. A DS is the parent's, the root's the root's own.
    fn is_of_zone(&self, qname: &[u8], qtype: u16) -> bool {
        let is_child = qtype == DS && qname != [0] && qname.len() == self.zone.len();
        is_at_or_below(qname, self.zone) && !is_child
    }

    /// What is said where no record is of use.
    fn nothing(&self) -> Proof {
        match self.unusable {
            Some(Proof::Bogus(flaw)) => Proof::Bogus(flaw),
            _ => Proof::Bogus(Flaw::DenialWrong),
        }
    }

    fn by_nsec3(
        &mut self,
        budget: &mut Budget,
        prove: impl FnOnce(&mut Chain<'_, 'a, Vec<Nsec3<'a>>>) -> Result<Proof, Flaw>,
    ) -> Proof {
        match self.chain(budget) {
            Ok(mut chain) => prove(&mut chain).unwrap_or_else(Proof::Bogus),
            Err(proof) => proof,
        }
    }

    /// The chain of NSEC3 records, or why there is none.
    fn chain<'c>(&'c mut self, budget: &'c mut Budget) -> Result<Chain<'c, 'a, Vec<Nsec3<'a>>>, Proof> {
        match self.unusable {
            Some(proof) => Err(proof),
            None => Ok(Chain { zone: self.zone, records: &self.nsec3s, hasher: &mut self.hasher, budget }),
        }
    }
}

fn no_ds(proof: Proof) -> NoDs {
    match proof {
        Proof::Insecure(flaw) => NoDs::Insecure(flaw),
        Proof::Bogus(flaw) => NoDs::Bogus(flaw),
        Proof::Secure => NoDs::Bogus(Flaw::DenialWrong),
    }
}
