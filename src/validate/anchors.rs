//! Trust anchors: the records that validation starts from, and the names below which none is wanted (RFC 4033 section 5).

use super::algorithm::{digest_len, is_supported};
use super::dnskey::key_tag;
use crate::dns::class::IN;
use crate::dns::name::{MAX_LEN, suffixes};
use crate::dns::rtype::DS;
use std::collections::BTreeMap;

/// The DS records of the root's keys of 2017 and 2024, as IANA publishes them in root-anchors.xml (RFC 9718): key tag, the
/// text of algorithm, digest and so on.
pub const ROOT_ANCHORS: [&str; 2] = [
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
];

/// A DS or DNSKEY record that is trusted without proof.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AnchorRecord {
    /// The zone's name in wire form, lower case.
    pub zone: Vec<u8>,
    /// The class.
    pub class: u16,
    /// DS or DNSKEY.
    pub rtype: u16,
    /// Its data.
    pub data: Vec<u8>,
}

impl AnchorRecord {
    /// The algorithm of its key; `None` when the data is too short to have one.
    pub fn algorithm(&self) -> Option<u8> {
        self.data.get(if self.rtype == DS { 2 } else { 3 }).copied()
    }

    /// The tag of its key.
    pub fn key_tag(&self) -> u16 {
        match self.rtype {
            DS => self.data.first_chunk().map_or(0, |tag| u16::from_be_bytes(*tag)),
            _ => key_tag(&self.data),
        }
    }

    /// Whether signatures of its key can be checked and, of a DS, its digest be computed.
    pub fn is_known(&self) -> bool {
        let digest = self.data.get(3).is_some_and(|&digest| digest_len(digest).is_some());
        self.algorithm().is_some_and(is_supported) && (self.rtype != DS || digest)
    }
}

/// What is trusted of one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchor {
    /// The data of its DS records.
    pub ds: Vec<Vec<u8>>,
    /// The data of its DNSKEY records.
    pub keys: Vec<Vec<u8>>,
}

impl Anchor {
    /// The tags of its keys, each once, going up (RFC 8145 section 4).
    pub fn key_tags(&self) -> Vec<u16> {
        let of_ds = self.ds.iter().filter_map(|data| data.first_chunk().map(|tag| u16::from_be_bytes(*tag)));
        let mut tags: Vec<u16> = of_ds.chain(self.keys.iter().map(|data| key_tag(data))).collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    /// Whether nothing is trusted.
    pub fn is_empty(&self) -> bool {
        self.ds.is_empty() && self.keys.is_empty()
    }
}

/// The closest point above a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closest<'a> {
    /// This zone has keys that are trusted.
    Anchor {
        /// Its name, as the end of the name that was asked for.
        zone: &'a [u8],
        /// What is trusted of it.
        anchor: &'a Anchor,
    },
    /// At and below this name nothing is validated.
    Insecure {
        /// The name, as the end of the name that was asked for.
        zone: &'a [u8],
    },
}

/// All anchors, and the names at and below which nothing is validated, by name and class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchors {
    /// An empty anchor is an insecure point.
    points: BTreeMap<(u16, Vec<u8>), Anchor>,
}

impl Anchors {
    /// Anchors of these records, and insecure points of class IN at these names. A name that has both is an anchor, as in
    /// Unbound.
    ///
    /// A zone of whose records `is_known` takes none is no anchor: what is above it counts. Those zones come second.
    pub fn new<'a>(
        records: impl IntoIterator<Item = &'a AnchorRecord>,
        insecure: impl IntoIterator<Item = &'a [u8]>,
        is_known: impl Fn(&AnchorRecord) -> bool,
    ) -> (Anchors, Vec<Vec<u8>>) {
        let mut anchors = Anchors::default();
        let mut known = BTreeMap::new();
        for record in records {
            let place = (record.class, record.zone.to_ascii_lowercase());
            *known.entry(place.clone()).or_insert(false) |= is_known(record);
            let anchor = anchors.points.entry(place).or_default();
            let all = if record.rtype == DS { &mut anchor.ds } else { &mut anchor.keys };
            if !all.contains(&record.data) {
                all.push(record.data.clone());
            }
        }
        let ignored: Vec<_> = known.into_iter().filter(|(_, known)| !known).map(|(place, _)| place).collect();
        ignored.iter().for_each(|place| drop(anchors.points.remove(place)));
        for name in insecure {
            anchors.add_insecure(name);
        }
        (anchors, ignored.into_iter().map(|(_, zone)| zone).collect())
    }

    /// Whether there is an anchor: without one nothing is validated.
    pub fn is_empty(&self) -> bool {
        self.points.values().all(Anchor::is_empty)
    }

    /// The closest anchor or insecure point at or above `name`, wire form of any letter case.
    pub fn closest<'a>(&'a self, name: &'a [u8], class: u16) -> Option<Closest<'a>> {
        if self.points.is_empty() || name.len() > MAX_LEN {
            return None;
        }
        let mut place = (class, name.to_ascii_lowercase());
        suffixes(name).find_map(|zone| {
            let cut = place.1.len() - zone.len();
            place.1.drain(..cut);
            let anchor = self.points.get(&place)?;
            Some(if anchor.is_empty() { Closest::Insecure { zone } } else { Closest::Anchor { zone, anchor } })
        })
    }

    /// What is trusted of a zone that is an anchor.
    pub fn get(&self, zone: &[u8], class: u16) -> Option<&Anchor> {
        self.points.get(&(class, zone.to_ascii_lowercase())).filter(|anchor| !anchor.is_empty())
    }

    /// Puts what is trusted of a zone in the place of what was (RFC 5011); nothing: it is no anchor any more.
    pub fn replace(&mut self, zone: &[u8], class: u16, anchor: Anchor) {
        let place = (class, zone.to_ascii_lowercase());
        if anchor.is_empty() {
            self.points.remove(&place);
        } else {
            self.points.insert(place, anchor);
        }
    }

    /// Adds an insecure point of class IN; false where there is a point already, which stays.
    pub fn add_insecure(&mut self, name: &[u8]) -> bool {
        let place = (IN, name.to_ascii_lowercase());
        let is_new = !self.points.contains_key(&place);
        self.points.entry(place).or_default();
        is_new
    }

    /// Takes an insecure point of class IN away; false where there is none.
    pub fn remove_insecure(&mut self, name: &[u8]) -> bool {
        let place = (IN, name.to_ascii_lowercase());
        let is_there = self.points.get(&place).is_some_and(Anchor::is_empty);
        if is_there {
            self.points.remove(&place);
        }
        is_there
    }

    /// The names of all insecure points.
    pub fn insecure(&self) -> impl Iterator<Item = &[u8]> {
        self.points.iter().filter(|(_, anchor)| anchor.is_empty()).map(|((_, name), _)| &name[..])
    }

    /// All anchors: zone, class and what is trusted.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u16, &Anchor)> {
        let all = self.points.iter().filter(|(_, anchor)| !anchor.is_empty());
        all.map(|((class, zone), anchor)| (&zone[..], *class, anchor))
    }
}

#[cfg(test)]
#[path = "anchors_tests.rs"]
mod tests;
