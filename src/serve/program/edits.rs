//! Edits of local zones and data from the control socket: collected, then compiled once.

use crate::answer::zones::{LocalRecord, ZoneType, Zones, ZonesBuilder};
use crate::config::Record;
use crate::control::{EditError, LocalEditor};
use crate::dns::Name;
use crate::dns::name::is_at_or_below;
use crate::dns::scan::HashKey;
use crate::sys::memory;
use std::collections::{HashMap, HashSet};

/// Octets of an edit beside its names and data: what holds it, and what the allocator adds.
const NAME: u64 = 320;
const RECORD: u64 = 160;
/// Octets of a batch before the first look whether it fits.
const LOOK: u64 = 1 << 20;
/// Times that edits and tables lie in memory while new tables are compiled: as they are, collected, and as they will be,
/// with room to grow.
const COPIES: u64 = 4;

/// The edits of one batch, in terms of what is to be different afterwards.
#[derive(Default)]
pub(super) struct Edits {
    zones: HashMap<Vec<u8>, Option<ZoneType>>,
    emptied_zones: HashSet<Vec<u8>>,
    emptied_names: HashSet<Vec<u8>>,
    added: Vec<LocalRecord>,
    any: bool,
    /// Octets that the edits take, and how many of them have been seen to fit.
    octets: u64,
    fitting: u64,
    /// Why the whole batch is refused.
    refused: Option<String>,
}

fn key(name: &Name) -> Vec<u8> {
    name.to_lower().as_wire().to_vec()
}

impl LocalEditor for Edits {
    fn add_zone(&mut self, name: &Name, kind: &str) -> Result<(), EditError> {
        let kind = ZoneType::from_word(kind).ok_or(EditError::ZoneType)?;
        if matches!(kind, ZoneType::NoDefault | ZoneType::Ipset) {
            return Err(EditError::Other(format!("{} is no type for a zone that is added", kind.word())));
        }
        self.grow(NAME)?;
        self.zones.insert(key(name), Some(kind));
        self.any = true;
        Ok(())
    }

    fn remove_zone(&mut self, name: &Name) -> Result<(), EditError> {
        self.grow(NAME)?;
        let name = key(name);
        self.added.retain(|record| !is_at_or_below(&record.owner, &name));
        self.emptied_zones.insert(name.clone());
        self.zones.insert(name, None);
        self.any = true;
        Ok(())
    }

    fn add_data(&mut self, record: &str) -> Result<(), EditError> {
        let mut parsed = Record::default();
        parsed.read(record.as_bytes()).map_err(|error| EditError::Record(error.to_string()))?;
        self.grow(RECORD + (parsed.owner.len() + parsed.rdata.len()) as u64)?;
        self.added.push(LocalRecord {
            owner: parsed.owner.to_vec(),
            rtype: parsed.rtype,
            class: parsed.class,
            ttl: parsed.ttl,
            rdata: parsed.rdata.to_vec(),
        });
        self.any = true;
        Ok(())
    }

    fn remove_data(&mut self, name: &Name) -> Result<(), EditError> {
        self.grow(NAME)?;
        let name = key(name);
        self.added.retain(|record| !record.owner.eq_ignore_ascii_case(&name));
        self.emptied_names.insert(name);
        self.any = true;
        Ok(())
    }
}

impl Edits {
    /// Counts octets before they are taken, and looks now and then whether the batch still fits.
    fn grow(&mut self, octets: u64) -> Result<(), EditError> {
        self.octets += octets;
        if self.refused.is_none() && self.octets > self.fitting {
            self.fitting = 2 * self.octets.max(LOOK);
            self.refused = memory::room(COPIES * self.fitting).err();
        }
        // The batch is refused as a whole; this line says why.
        self.refused.clone().map_or(Ok(()), |cause| Err(EditError::Other(cause)))
    }

    /// True when no edit succeeded: nothing is to be compiled.
    pub(super) fn is_empty(&self) -> bool {
        !self.any
    }

    /// The tables with the edits in force.
    ///
    /// # Errors
    /// A record that its zone forbids: which and why; that it does not fit.
    pub(super) fn apply(self, old: &Zones, hash_key: HashKey) -> Result<Zones, String> {
        let refused = self.refused.map_or_else(|| memory::room(COPIES * (self.octets + old.octets())), Err);
        refused.map_err(|cause| format!("{cause}; nothing of this batch is in force"))?;
        let mut builder = ZonesBuilder::new(hash_key);
        builder.reserve(old.zone_count() + self.zones.len(), old.name_octets());
        let mut failure = None;
        let mut check = |result: Result<(), crate::answer::zones::ZoneError>, name: &[u8]| {
            if let (Err(error), None) = (result, &failure) {
                let name = Name::from_wire(name).unwrap_or(Name::ROOT);
                failure = Some(format!("{name}: {error}"));
            }
        };
        old.for_each_zone(|name, kind, class| {
            if class != crate::dns::class::IN || !self.zones.contains_key(name) {
                check(builder.zone_in_class(name, kind, class), name);
            }
        });
        for (name, kind) in &self.zones {
            if let Some(kind) = kind {
                check(builder.zone(name, *kind), name);
            }
        }
        old.for_each_record(|zone, owner, fixed, rdata| {
            if self.emptied_names.contains(owner) || self.emptied_zones.contains(zone) {
                return;
            }
            let record = LocalRecord {
                owner: owner.to_vec(),
                rtype: fixed.rtype,
                class: fixed.class,
                ttl: fixed.ttl,
                rdata: rdata.to_vec(),
            };
            check(builder.implicit_zones([&record]), owner);
            check(builder.record(record), owner);
        });
        for record in self.added {
            let owner = record.owner.clone();
            check(builder.implicit_zones([&record]), &owner);
            check(builder.record(record), &owner);
        }
        match failure {
            Some(failure) => Err(failure),
            None => Ok(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    fn listed(zones: &Zones) -> (Vec<String>, Vec<String>) {
        let (mut names, mut records) = (Vec::new(), Vec::new());
        let text = |wire: &[u8]| Name::from_wire(wire).unwrap().to_string();
        zones.for_each_zone(|name, kind, _| names.push(format!("{} {}", text(name), kind.word())));
        zones.for_each_record(|zone, owner, fixed, _| {
            records.push(format!("{} {} in {}", text(owner), fixed.rtype, text(zone)))
        });
        names.sort();
        records.sort();
        (names, records)
    }

    fn edit(old: &Zones, edit: impl FnOnce(&mut Edits)) -> Zones {
        let mut edits = Edits::default();
        edit(&mut edits);
        edits.apply(old, HashKey::fixed(1)).unwrap()
    }

    #[test]
    fn zones_and_data_come_and_go() {
        let zones = Zones::empty(HashKey::fixed(1));
        let zones = edit(&zones, |edits| {
            edits.add_zone(&name("a.test"), "static").unwrap();
            edits.add_data("www.a.test A 192.0.2.1").unwrap();
            edits.add_data("b.test. TXT hello").unwrap();
            assert_eq!(edits.add_zone(&name("x"), "nonsense"), Err(EditError::ZoneType));
            assert!(matches!(edits.add_data("nonsense"), Err(EditError::Record(_))));
        });
        let (names, records) = listed(&zones);
        assert_eq!(names, ["a.test. static", "b.test. transparent"]);
        assert_eq!(records, ["b.test. 16 in b.test.", "www.a.test. 1 in a.test."]);
        let zones = edit(&zones, |edits| {
            edits.add_zone(&name("A.test"), "refuse").unwrap();
            edits.remove_data(&name("B.test")).unwrap();
        });
        let (names, records) = listed(&zones);
        assert_eq!(names, ["a.test. refuse", "b.test. transparent"]);
        assert_eq!(records, ["www.a.test. 1 in a.test."]);
        let zones = edit(&zones, |edits| edits.remove_zone(&name("a.test")).unwrap());
        assert_eq!(listed(&zones), (vec!["b.test. transparent".to_owned()], vec![]));
    }

    #[test]
    fn what_a_zone_forbids_changes_nothing() {
        let zones = edit(&Zones::empty(HashKey::fixed(1)), |edits| edits.add_zone(&name("r"), "redirect").unwrap());
        let mut edits = Edits::default();
        edits.add_data("below.r. A 192.0.2.1").unwrap();
        assert!(edits.apply(&zones, HashKey::fixed(1)).err().unwrap().contains("top of the zone"));
    }
}
