//! Names and addresses in a reply that was scrubbed: what a cut is made from.

use super::reply::{Reply, same_name};
use crate::dns::Name;
use crate::dns::record::{Record, read_name};
use crate::dns::rtype;
use std::net::IpAddr;

impl Reply {
    /// The first kept set of a type in a section.
    pub fn find_kept(&self, section: usize, rtype: u16) -> Option<usize> {
        self.sets.iter().position(|set| set.kept && (set.section, set.rtype) == (section, rtype))
    }

    /// Owner and TTL, in seconds, of a set.
    pub fn owner_and_ttl(&self, message: &[u8], set: usize) -> Option<(Name, u32)> {
        let set = self.sets.get(set)?;
        Some((read_name(message, set.owner)?.0, set.ttl))
    }

    /// The names that the records of an NS RRset point to.
    pub fn targets(&self, message: &[u8], set: usize) -> Vec<Name> {
        let Some(set) = self.sets.get(set) else { return Vec::new() };
        let target = |record: &Record| Some(read_name(message, record.rdata.start)?.0);
        self.records(set).filter_map(target).collect()
    }

    /// The addresses of a name in the additional section.
    pub fn glue(&self, message: &[u8], name: &Name) -> Vec<IpAddr> {
        let of_it = self
            .sets
            .iter()
            .filter(|set| set.kept && set.section == 2 && same_name(message, set.owner, name.as_wire(), 0));
        of_it.flat_map(|set| self.records(set)).filter_map(|record| address(message, record)).collect()
    }

    /// The addresses in the answer section.
    pub fn addresses_in_answer(&self, message: &[u8]) -> Vec<IpAddr> {
        let sets = self.sets.iter().filter(|set| set.kept && set.section == 0);
        sets.flat_map(|set| self.records(set)).filter_map(|record| address(message, record)).collect()
    }
}

/// The address in an A or AAAA record.
fn address(message: &[u8], record: &Record) -> Option<IpAddr> {
    let data = message.get(record.rdata.clone())?;
    match record.rtype {
        rtype::A => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
        rtype::AAAA => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
        _ => None,
    }
}
