//! Zones from text.

use crate::validate::Set;
use domain::base::rdata::ComposeRecordData;
use domain::base::{ToName, iana::Rtype};
use domain::zonefile::inplace::{Entry, Zonefile};
use std::collections::BTreeMap;

const RRSIG: u16 = 46;

/// An RRset of a zone and its signatures.
#[derive(Clone, Debug, Default)]
pub struct Rrset {
    pub owner: Vec<u8>,
    pub rtype: u16,
    pub ttl: u32,
    pub records: Vec<Vec<u8>>,
    pub signatures: Vec<Vec<u8>>,
}

impl Rrset {
    /// Has `f` see it as a [`Set`].
    pub fn seen<T>(&self, f: impl FnOnce(&Set<'_>) -> T) -> T {
        let records: Vec<&[u8]> = self.records.iter().map(Vec::as_slice).collect();
        let signatures: Vec<&[u8]> = self.signatures.iter().map(Vec::as_slice).collect();
        f(&Set {
            owner: &self.owner,
            rtype: self.rtype,
            class: 1,
            ttl: self.ttl,
            records: &records,
            signatures: &signatures,
        })
    }
}

/// All RRsets of a zone in master file format.
pub fn rrsets(text: &str) -> Vec<Rrset> {
    let mut found: BTreeMap<(Vec<u8>, u16), Rrset> = BTreeMap::new();
    let mut file = Zonefile::from(text.as_bytes());
    while let Some(entry) = file.next_entry().expect("a zone") {
        let Entry::Record(record) = entry else { panic!("an include") };
        let mut data = Vec::new();
        record.data().compose_rdata(&mut data).expect("room");
        let owner: Vec<u8> = record.owner().to_vec().as_slice().to_vec();
        let rtype = match record.rtype() {
            Rtype::RRSIG => u16::from_be_bytes([data[0], data[1]]),
            rtype => rtype.to_int(),
        };
        let set = found.entry((owner.to_ascii_lowercase(), rtype)).or_default();
        (set.owner, set.rtype) = (owner, rtype);
        if record.rtype().to_int() == RRSIG {
            set.signatures.push(data);
        } else {
            set.ttl = record.ttl().as_secs();
            set.records.push(data);
        }
    }
    found.into_values().collect()
}

/// That of `owner` in wire form.
pub fn rrset(all: &[Rrset], owner: &[u8], rtype: u16) -> Rrset {
    all.iter().find(|set| set.owner == owner && set.rtype == rtype).expect("in the zone").clone()
}
