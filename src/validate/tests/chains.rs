//! The chains of a zone's NSEC and NSEC3 records, and the proofs that a name server takes from them.

use super::model::{Labels, Zone, wire};
use crate::dns::rtype::{DS, NS, NSEC, NSEC3, RRSIG};
use crate::validate::Set;
use crate::validate::hash::{Hash, to_label};
use sha1::{Digest, Sha1};
use std::collections::{BTreeMap, BTreeSet};

/// An RRset of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub owner: Vec<u8>,
    pub rtype: u16,
    pub data: Vec<u8>,
}

/// Has the RRsets of `records`.
pub fn with_sets<T>(records: &[Record], then: impl FnOnce(&[Set<'_>]) -> T) -> T {
    let data: Vec<[&[u8]; 1]> = records.iter().map(|record| [&record.data[..]]).collect();
    let sets: Vec<Set<'_>> = records
        .iter()
        .zip(&data)
        .map(|(record, data)| Set {
            owner: &record.owner,
            rtype: record.rtype,
            class: 1,
            ttl: 300,
            records: data,
            signatures: &[],
        })
        .collect();
    then(&sets)
}

pub fn bitmap(types: impl IntoIterator<Item = u16>) -> Vec<u8> {
    let mut windows: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for rtype in types {
        let [window, low] = rtype.to_be_bytes();
        let bits = windows.entry(window).or_default();
        bits.resize(bits.len().max(usize::from(low / 8) + 1), 0);
        bits[usize::from(low / 8)] |= 0x80 >> (low % 8);
    }
    windows.into_iter().flat_map(|(window, bits)| [&[window, bits.len() as u8], &bits[..]].concat()).collect()
}

/// What denies in a zone.
pub trait Denying {
    /// All records.
    fn all(&self) -> Vec<Record>;
    /// The record that says what is at a name.
    fn at(&self, name: &[String]) -> Option<Record>;
    /// The record in whose span a name is.
    fn over(&self, name: &[String]) -> Option<Record>;
    /// The records that show which is the closest encloser of a name that has none, and that the next closer name does not
    /// exist; with the encloser, where a wildcard is to be denied.
    fn enclosing(&self, zone: &Zone, name: &[String]) -> (Vec<Record>, Option<Labels>);

    /// The records by which a name server proves a negative answer.
    fn proof(&self, zone: &Zone, name: &[String]) -> Vec<Record> {
        if let Some(record) = self.at(name) {
            return vec![record];
        }
        let (mut records, encloser) = self.enclosing(zone, name);
        if let Some(mut wildcard) = encloser {
            wildcard.push("*".to_owned());
            records.extend(self.at(&wildcard).or_else(|| self.over(&wildcard)));
        }
        let mut found: Vec<Record> = Vec::new();
        for record in records {
            if !found.contains(&record) {
                found.push(record);
            }
        }
        found
    }
}

/// All NSEC records, by name.
pub struct NsecChain(BTreeMap<Labels, Record>);

impl NsecChain {
    pub fn new(zone: &Zone) -> NsecChain {
        let names: Vec<&Labels> = zone.names.keys().collect();
        let next = names.iter().cycle().skip(1);
        let record = |(name, next): (&&Labels, &&Labels)| {
            let types = zone.types(name).into_iter().chain([RRSIG, NSEC]);
            let data = [wire(next), bitmap(types)].concat();
            ((*name).clone(), Record { owner: wire(name), rtype: NSEC, data })
        };
        NsecChain(names.iter().zip(next).map(record).collect())
    }
}

impl Denying for NsecChain {
    fn all(&self) -> Vec<Record> {
        self.0.values().cloned().collect()
    }

    fn at(&self, name: &[String]) -> Option<Record> {
        self.0.get(name).cloned()
    }

    fn over(&self, name: &[String]) -> Option<Record> {
        self.0.range(..name.to_vec()).next_back().map(|(_, record)| record.clone())
    }

    fn enclosing(&self, zone: &Zone, name: &[String]) -> (Vec<Record>, Option<Labels>) {
        (self.over(name).into_iter().collect(), (!zone.exists(name)).then(|| zone.encloser(name)))
    }
}

/// All NSEC3 records, by hash.
pub struct Nsec3Chain {
    records: BTreeMap<Hash, Record>,
    salt: Vec<u8>,
    iterations: u16,
}

/// As RFC 5155 section 5 has it, letter by letter.
pub fn hash(name: &[u8], salt: &[u8], iterations: u16) -> Hash {
    let once = |octets: &[u8]| Sha1::new().chain_update(octets).chain_update(salt).finalize().to_vec();
    let hash = (0..iterations).fold(once(name), |hash, _| once(&hash));
    hash.try_into().expect("20 octets")
}

impl Nsec3Chain {
    /// With opt-out, delegations without DS are left out.
    pub fn new(zone: &Zone, opt_out: bool, salt: &[u8], iterations: u16) -> Nsec3Chain {
        let is_in = |types: &BTreeSet<u16>, name: &Labels| {
            !opt_out || !types.contains(&NS) || types.contains(&DS) || *name == zone.apex
        };
        let mut names: BTreeMap<Labels, BTreeSet<u16>> = BTreeMap::new();
        for (name, types) in zone.names.iter().filter(|(name, types)| is_in(types, name)) {
            (zone.apex.len()..name.len()).for_each(|len| {
                names.entry(name[..len].to_vec()).or_default();
            });
            let signed = !types.contains(&NS) || types.contains(&DS) || *name == zone.apex;
            names.entry(name.clone()).or_default().extend(types.iter().copied().chain(signed.then_some(RRSIG)));
        }
        let hashed: BTreeMap<Hash, BTreeSet<u16>> =
            names.into_iter().map(|(name, types)| (hash(&wire(&name), salt, iterations), types)).collect();
        let next = hashed.keys().cycle().skip(1);
        let record = |((owner, types), next): ((&Hash, &BTreeSet<u16>), &Hash)| {
            let [high, low] = iterations.to_be_bytes();
            let front = [1, u8::from(opt_out), high, low, salt.len() as u8];
            let data = [&front[..], salt, &[20], next, &bitmap(types.iter().copied())].concat();
            let owner_name = [&[32], &to_label(owner)[..], &wire(&zone.apex)].concat();
            (*owner, Record { owner: owner_name, rtype: NSEC3, data })
        };
        let records = hashed.iter().zip(next).map(record).collect();
        Nsec3Chain { records, salt: salt.to_vec(), iterations }
    }

    fn hash(&self, name: &[String]) -> Hash {
        hash(&wire(name), &self.salt, self.iterations)
    }

    /// True when the chain has a record for a name.
    pub fn has(&self, name: &[String]) -> bool {
        self.records.contains_key(&self.hash(name))
    }
}

impl Denying for Nsec3Chain {
    fn all(&self) -> Vec<Record> {
        self.records.values().cloned().collect()
    }

    fn at(&self, name: &[String]) -> Option<Record> {
        self.records.get(&self.hash(name)).cloned()
    }

    fn over(&self, name: &[String]) -> Option<Record> {
        let before = self.records.range(..self.hash(name)).next_back();
        before.or_else(|| self.records.last_key_value()).map(|(_, record)| record.clone())
    }

    fn enclosing(&self, zone: &Zone, name: &[String]) -> (Vec<Record>, Option<Labels>) {
        let above = (zone.apex.len()..name.len()).rev().find(|&len| self.has(&name[..len]));
        let Some(len) = above else { return (Vec::new(), None) };
        let records = self.at(&name[..len]).into_iter().chain(self.over(&name[..len + 1])).collect();
        (records, Some(name[..len].to_vec()))
    }
}
