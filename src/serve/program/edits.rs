//! Edits of local zones and data from the control socket: each is tried at once, all come into force together.

use crate::answer::zones::{LocalRecord, ZoneError, ZoneType, Zones, ZonesBuilder};
use crate::config::Record;
use crate::control::{EditError, LocalEditor};
use crate::dns::Name;
use crate::sys::memory;

/// Octets of an edit beside its names and data: what holds it, and what the allocator adds.
const NAME: u64 = 320;
const RECORD: u64 = 160;
/// Octets of a batch before the first look whether it fits.
const LOOK: u64 = 1 << 20;
/// Times that edits lie in memory: as they are, collected, and as they will be, with room to grow.
const COPIES: u64 = 4;

/// The edits of one batch: the next version of the tables.
pub(super) struct Edits {
    builder: ZonesBuilder,
    any: bool,
    /// Octets that the edits take, and up to how many are taken without another look whether they fit.
    octets: u64,
    fitting: u64,
    /// Why the whole batch is refused.
    refused: Option<String>,
}

impl Edits {
    /// None yet.
    pub(super) fn of(zones: &Zones) -> Edits {
        Edits { builder: ZonesBuilder::next(zones), any: false, octets: 0, fitting: LOOK, refused: None }
    }

    /// The tables with the edits in force; `None` when no edit succeeded.
    ///
    /// # Errors
    /// That they do not fit into the memory.
    pub(super) fn finish(self) -> Result<Option<Zones>, String> {
        match self.refused {
            Some(cause) => Err(format!("{cause}; nothing of this batch is in force")),
            None => Ok(self.any.then(|| self.builder.finish())),
        }
    }

    fn done(&mut self, name: &[u8], result: Result<(), ZoneError>) -> Result<(), EditError> {
        self.any |= result.is_ok();
        result.map_err(|error| EditError::Other(format!("{}: {error}", Name::from_wire(name).unwrap_or(Name::ROOT))))
    }

    /// Counts octets before they are taken, and looks now and then whether the batch still fits.
    fn grow(&mut self, octets: u64) -> Result<(), EditError> {
        self.octets += octets;
        if self.refused.is_none() && self.octets > self.fitting {
            self.fitting = 2 * self.octets;
            self.refused = memory::room(COPIES * self.fitting).err();
        }
        // The batch is refused as a whole; this line says why.
        self.refused.clone().map_or(Ok(()), |cause| Err(EditError::Other(cause)))
    }
}

impl LocalEditor for Edits {
    fn add_zone(&mut self, name: &Name, kind: &str) -> Result<(), EditError> {
        let kind = ZoneType::from_word(kind).ok_or(EditError::ZoneType)?;
        if matches!(kind, ZoneType::NoDefault | ZoneType::Ipset) {
            return Err(EditError::Other(format!("{} is no type for a zone that is added", kind.word())));
        }
        self.grow(NAME)?;
        let added = self.builder.zone(name.as_wire(), kind);
        self.done(name.as_wire(), added)
    }

    fn remove_zone(&mut self, name: &Name) -> Result<(), EditError> {
        self.grow(NAME)?;
        self.builder.remove_zone(name.as_wire());
        self.done(name.as_wire(), Ok(()))
    }

    fn add_data(&mut self, record: &str) -> Result<(), EditError> {
        let mut parsed = Record::default();
        parsed.read(record.as_bytes()).map_err(|error| EditError::Record(error.to_string()))?;
        self.grow(RECORD + (parsed.owner.len() + parsed.rdata.len()) as u64)?;
        let record = LocalRecord {
            owner: parsed.owner.to_vec(),
            rtype: parsed.rtype,
            class: parsed.class,
            ttl: parsed.ttl,
            rdata: parsed.rdata.to_vec(),
        };
        let added = self.builder.implicit_zones([&record]).and_then(|()| self.builder.record(record));
        self.done(parsed.owner.as_ref(), added)
    }

    fn remove_data(&mut self, name: &Name) -> Result<(), EditError> {
        self.grow(NAME)?;
        self.builder.remove_data(name.as_wire());
        self.done(name.as_wire(), Ok(()))
    }

    fn refuses_all(&self) -> bool {
        self.refused.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::scan::HashKey;

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
        let mut edits = Edits::of(old);
        edit(&mut edits);
        edits.finish().unwrap().unwrap()
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
        assert_eq!(names, ["a.test. refuse"], "a zone that was made for data goes with it");
        assert_eq!(records, ["www.a.test. 1 in a.test."]);
        let zones = edit(&zones, |edits| edits.remove_zone(&name("a.test")).unwrap());
        assert_eq!(listed(&zones), (vec![], vec![]));
    }

    #[test]
    fn what_a_zone_forbids_is_left_out_and_the_rest_comes() {
        let zones = edit(&Zones::empty(HashKey::fixed(1)), |edits| {
            edits.add_zone(&name("r"), "redirect").unwrap();
            let refused = edits.add_data("below.r. A 192.0.2.1");
            assert!(
                matches!(&refused, Err(EditError::Other(text)) if text.starts_with("below.r.: ") && text.contains("top")),
                "{refused:?}"
            );
            edits.add_data("r. A 192.0.2.1").unwrap();
            assert!(edits.add_data("r. CNAME elsewhere.").is_err());
        });
        assert_eq!(listed(&zones), (vec!["r. redirect".to_owned()], vec!["r. 1 in r.".to_owned()]));
        let mut edits = Edits::of(&zones);
        assert!(edits.add_data("below.r. A 192.0.2.1").is_err());
        assert!(edits.finish().unwrap().is_none(), "nothing is to come into force");
    }
}
