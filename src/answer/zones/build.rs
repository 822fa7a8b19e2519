//! Zones and data come and go, then the touched names are rendered.

use super::pages::Pages;
use super::record::{LocalRecord, ZoneError};
use super::{
    APEX, COUNTED, Filter, HAS_SOA, IN_DATA, MADE, NONE, Node, Rrset, Sizes, Slot, ZoneType, Zones, class_salt,
    is_redirect,
};
use crate::dns::scan::{HashKey, NameScan};
use crate::dns::{class, name, rtype};
use std::collections::BTreeMap;

/// Most RRsets at one name, and records in one.
const TYPES_MAX: usize = 255;
const RECORDS_MAX: usize = 4096;
/// Slots of the smallest index.
const SLOTS: usize = 64;

/// The next version of a table in the making. What one method refuses leaves nothing behind.
pub struct ZonesBuilder {
    pub(super) zones: Zones,
    pub(super) scan: NameScan,
    /// The records of the nodes that were touched.
    pub(super) data: BTreeMap<u32, Vec<LocalRecord>>,
}

impl ZonesBuilder {
    /// Starts with nothing.
    pub fn new(key: HashKey) -> ZonesBuilder {
        ZonesBuilder::next(&Zones {
            key,
            names: Pages::new(),
            nodes: Pages::new(),
            rrsets: Pages::new(),
            octets: Pages::new(),
            index: Pages::filled(Slot { tag: 0, node: NONE }, SLOTS),
            mask: SLOTS - 1,
            filter: Filter::empty(),
            deepest: 0,
            sizes: Sizes::default(),
        })
    }

    /// Starts with what `zones` has.
    pub fn next(zones: &Zones) -> ZonesBuilder {
        ZonesBuilder { zones: zones.clone(), scan: NameScan::new(), data: BTreeMap::new() }
    }

    /// Makes room for `zones` more zones at once.
    pub fn reserve(&mut self, zones: usize) {
        let wanted = ((self.zones.sizes.nodes + zones) * 3 / 2).next_power_of_two();
        if wanted > self.zones.mask + 1 {
            self.rehash(wanted);
        }
    }

    fn rehash(&mut self, size: usize) {
        self.zones.index = Pages::filled(Slot { tag: 0, node: NONE }, size);
        self.zones.mask = size - 1;
        for number in 0..self.zones.nodes.len() as u32 {
            // A slot keeps only half of its hash, so the place is found from the name again.
            if self.node_at(number).name_len > 0 {
                let hash = self.hash_of(number);
                self.insert_slot(hash, number);
            }
        }
    }

    pub(super) fn node_at(&self, number: u32) -> &Node {
        self.zones.nodes.get(number)
    }

    pub(super) fn node_mut(&mut self, number: u32) -> &mut Node {
        self.zones.nodes.get_mut(number)
    }

    pub(super) fn hash_of(&mut self, number: u32) -> u64 {
        let node = self.zones.nodes.get(number);
        self.scan.scan(self.zones.name_of(node), self.zones.key);
        self.scan.hash() ^ class_salt(node.class())
    }

    fn insert_slot(&mut self, hash: u64, node: u32) {
        self.zones.filter.add(hash);
        let mask = self.zones.mask;
        let mut place = hash as usize & mask;
        while self.zones.index.get(place as u32).node != NONE {
            place = (place + 1) & mask;
        }
        *self.zones.index.get_mut(place as u32) = Slot { tag: (hash >> 32) as u32, node };
    }

    /// The node of `name` (wire form), if there is one.
    pub(super) fn known(&mut self, name: &[u8], qclass: u16) -> Option<u32> {
        self.scan.scan(name, self.zones.key)?;
        self.zones.probe(self.scan.lower(), self.scan.hash() ^ class_salt(qclass))
    }

    /// The node of `name` (wire form), made when absent.
    fn node(&mut self, name: &[u8], qclass: u16) -> Result<u32, ZoneError> {
        if !(class::IN..=class::IN + 15).contains(&qclass) {
            return Err(ZoneError::Class);
        }
        if let Some(node) = self.known(name, qclass) {
            return Ok(node);
        }
        let zones = &mut self.zones;
        let number = u32::try_from(zones.nodes.len()).map_err(|_| ZoneError::Full)?;
        let lower = self.scan.lower();
        let node = Node {
            name_at: zones.names.push(lower).ok_or(ZoneError::Full)?,
            name_len: lower.len() as u8,
            rrset_count: 0,
            flags: ((qclass - class::IN) as u8) << 4,
            kind: ZoneType::Transparent,
            first_rrset: 0,
            zone: number,
            below: 0,
        };
        zones.nodes.push(&[node]).ok_or(ZoneError::Full)?;
        zones.deepest = zones.deepest.max(self.scan.suffix_count());
        zones.sizes.nodes += 1;
        zones.sizes.names += lower.len();
        zones.sizes.live += size_of::<Node>() + lower.len();
        let hash = self.scan.hash() ^ class_salt(qclass);
        if zones.sizes.nodes * 3 / 2 > zones.mask + 1 {
            let size = (zones.mask + 1) * 2;
            self.rehash(size);
        } else {
            self.insert_slot(hash, number);
        }
        Ok(number)
    }

    /// Adds a zone (wire form), or gives the one of this name another type: the last of several lines for one name wins,
    /// as in Unbound. Data that another zone had there is the new zone's.
    ///
    /// # Errors
    /// [`ZoneError::Full`]; and what a redirect zone forbids.
    pub fn zone(&mut self, name: &[u8], kind: ZoneType) -> Result<(), ZoneError> {
        self.zone_in_class(name, kind, class::IN)
    }

    /// As [`Self::zone`], in another class.
    ///
    /// # Errors
    /// As [`Self::zone`].
    pub fn zone_in_class(&mut self, name: &[u8], kind: ZoneType, qclass: u16) -> Result<(), ZoneError> {
        let node = self.node(name, qclass)?;
        self.check_redirect(node, kind)?;
        if self.node_at(node).flags & APEX == 0 {
            self.take_data_below(node);
            self.zones.sizes.zones += 1;
        }
        let node = self.node_mut(node);
        node.flags = node.flags & !MADE | APEX;
        node.kind = kind;
        Ok(())
    }

    fn check_redirect(&mut self, node: u32, kind: ZoneType) -> Result<(), ZoneError> {
        if !is_redirect(kind) {
            return Ok(());
        }
        if self.node_at(node).below & !COUNTED > 0 {
            return Err(ZoneError::BelowRedirect);
        }
        let records = self.records_at(node);
        let cname = records.iter().any(|record| record.rtype == rtype::CNAME);
        if cname && records.len() > 1 { Err(ZoneError::CnameNotAlone) } else { Ok(()) }
    }

    /// The zone that encloses an owner, and its name's length; for DS the parent's.
    fn enclosing(&mut self, owner: &[u8], rtype: u16, qclass: u16) -> Option<(u32, usize)> {
        self.scan.scan(owner, self.zones.key)?;
        let first = usize::from(rtype == rtype::DS && owner.len() > 1);
        (first..self.scan.suffix_count()).find_map(|place| {
            let (suffix, hash) = self.scan.suffix(place);
            let node = self.zones.probe(suffix, hash ^ class_salt(qclass))?;
            (self.zones.nodes.get(node).flags & APEX != 0).then_some((node, suffix.len()))
        })
    }

    /// The records of a node, as they are going to be.
    pub(super) fn records_at(&mut self, number: u32) -> &mut Vec<LocalRecord> {
        let zones = &self.zones;
        self.data.entry(number).or_insert_with(|| {
            let node = zones.nodes.get(number);
            let mut records = Vec::new();
            zones.for_each_record_at(node, |fixed, rdata| {
                records.push(LocalRecord {
                    owner: zones.name_of(node).to_vec(),
                    rtype: fixed.rtype,
                    class: fixed.class,
                    ttl: fixed.ttl,
                    rdata: rdata.to_vec(),
                });
            });
            records
        })
    }

    /// Adds a record; one that lies in no zone is passed over (see [`Self::implicit_zones`]).
    ///
    /// # Errors
    /// See [`ZoneError`].
    pub fn record(&mut self, record: LocalRecord) -> Result<(), ZoneError> {
        let Some((zone, zone_len)) = self.enclosing(&record.owner, record.rtype, record.class) else {
            return Ok(());
        };
        let redirect = is_redirect(self.node_at(zone).kind);
        if redirect && record.owner.len() != zone_len {
            return Err(ZoneError::BelowRedirect);
        }
        if let Some(node) = self.known(&record.owner, record.class)
            && !may_join(&record, self.records_at(node), redirect)?
        {
            return Ok(());
        }
        let owner = self.stand_in_data(&record, zone, zone_len)?;
        self.records_at(owner).push(record);
        Ok(())
    }

    /// Has the record's owner, and all names between it and its zone, stand in the zone's data. Gives the owner's node.
    fn stand_in_data(&mut self, record: &LocalRecord, zone: u32, zone_len: usize) -> Result<u32, ZoneError> {
        let mut owner = None;
        let mut last: Option<u32> = None;
        for suffix in name::suffixes(&record.owner) {
            let number = self.node(suffix, record.class)?;
            if let Some(last) = last
                && self.node_at(last).below & COUNTED == 0
            {
                self.node_mut(last).below |= COUNTED;
                self.node_mut(number).below += 1;
            }
            let node = self.node_mut(number);
            node.flags |= IN_DATA;
            if node.flags & APEX == 0 {
                node.zone = zone;
            }
            owner.get_or_insert(number);
            last = Some(number);
            if suffix.len() <= zone_len {
                break;
            }
        }
        Ok(owner.unwrap_or(zone))
    }

    /// Makes zones for records that lie in none, as Unbound does: one transparent zone per class at the name they
    /// share, or, where a zone of class IN encloses a record of another class, that zone again in the record's class. They go
    /// with the last record in them. A DS record lies in the zone above its name.
    ///
    /// # Errors
    /// [`ZoneError::Full`].
    pub fn implicit_zones<'a>(&mut self, records: impl IntoIterator<Item = &'a LocalRecord>) -> Result<(), ZoneError> {
        let mut shared: BTreeMap<u16, Vec<u8>> = Default::default();
        for record in records {
            if self.enclosing(&record.owner, record.rtype, record.class).is_some() {
                continue;
            }
            if let Some((zone, len)) = self.enclosing(&record.owner, record.rtype, class::IN) {
                let kind = self.node_at(zone).kind;
                self.made_zone(&record.owner[record.owner.len() - len..], kind, record.class)?;
                continue;
            }
            let skip = usize::from(record.rtype == rtype::DS && record.owner.len() > 1);
            let owner = name::suffixes(&record.owner).nth(skip).unwrap_or(&record.owner);
            let name = shared.entry(record.class).or_insert_with(|| owner.to_vec());
            let common = name::suffixes(name).find(|suffix| name::is_at_or_below(owner, suffix));
            if let Some(common) = common.map(<[u8]>::to_vec) {
                *name = common;
            }
        }
        for (qclass, name) in shared {
            self.made_zone(&name, ZoneType::Transparent, qclass)?;
        }
        Ok(())
    }

    fn made_zone(&mut self, name: &[u8], kind: ZoneType, qclass: u16) -> Result<(), ZoneError> {
        self.zone_in_class(name, kind, qclass)?;
        self.mark_made(name, qclass);
        Ok(())
    }

    pub(super) fn mark_made(&mut self, name: &[u8], qclass: u16) {
        if let Some(node) = self.known(name, qclass) {
            self.node_mut(node).flags |= MADE;
        }
    }

    /// Compiles.
    pub fn finish(mut self) -> Zones {
        for (node, records) in std::mem::take(&mut self.data) {
            self.render(node, &records);
        }
        if self.zones.is_wasteful() { self.zones.written_anew() } else { self.zones }
    }

    fn render(&mut self, number: u32, records: &[LocalRecord]) {
        self.waste_records(number);
        let node = *self.node_at(number);
        let mut rrsets = Vec::new();
        let soa = records.iter().find(|record| record.rtype == rtype::SOA);
        if let (Some(soa), true) = (soa, node.flags & APEX != 0)
            && let Some(minimum) = soa.rdata.len().checked_sub(4).and_then(|at| crate::dns::get_u32(&soa.rdata, at))
        {
            let negative = LocalRecord { ttl: soa.ttl.min(minimum), ..soa.clone() };
            rrsets.extend(self.rrset(&[&negative]));
        }
        let negative = rrsets.len();
        // In the order of the lines: it matters where a CNAME stands beside other types, since the first that fits answers.
        let mut types: Vec<u16> = Vec::new();
        for record in records {
            if !types.contains(&record.rtype) {
                types.push(record.rtype);
            }
        }
        for &rtype in &types {
            let set: Vec<&LocalRecord> = records.iter().filter(|record| record.rtype == rtype).collect();
            rrsets.extend(self.rrset(&set));
        }
        // No table comes to 4 GiB of RRsets before it does of names and octets.
        let first = self.zones.rrsets.push(&rrsets).unwrap_or(0);
        self.zones.sizes.live += size_of_val(&rrsets[..]);
        let node = self.node_mut(number);
        node.flags = node.flags & !HAS_SOA | if negative > 0 { HAS_SOA } else { 0 };
        node.first_rrset = first + negative as u32;
        node.rrset_count = (rrsets.len() - negative) as u8;
    }

    fn rrset(&mut self, records: &[&LocalRecord]) -> Option<Rrset> {
        let mut octets = Vec::new();
        for record in records {
            octets.extend_from_slice(&[0xc0, 0x0c]);
            octets.extend_from_slice(&record.rtype.to_be_bytes());
            octets.extend_from_slice(&record.class.to_be_bytes());
            octets.extend_from_slice(&record.ttl.to_be_bytes());
            octets.extend_from_slice(&(record.rdata.len() as u16).to_be_bytes());
            octets.extend_from_slice(&record.rdata);
        }
        self.zones.sizes.live += octets.len();
        Some(Rrset {
            rtype: records.first()?.rtype,
            records: records.len() as u16,
            at: self.zones.octets.push(&octets)?,
            len: octets.len() as u32,
        })
    }
}

/// Whether the record is a new one beside `records`.
fn may_join(record: &LocalRecord, records: &[LocalRecord], redirect: bool) -> Result<bool, ZoneError> {
    let cname = record.rtype == rtype::CNAME;
    if redirect && records.iter().any(|other| (cname || other.rtype == rtype::CNAME) && other != record) {
        return Err(ZoneError::CnameNotAlone);
    }
    let same = records.iter().filter(|other| other.rtype == record.rtype);
    if same.clone().any(|other| other.rdata == record.rdata) {
        return Ok(false);
    }
    let of_type = same.count();
    let types = || records.iter().map(|other| other.rtype).collect::<std::collections::BTreeSet<_>>().len();
    if of_type >= RECORDS_MAX || (of_type == 0 && types() >= TYPES_MAX) { Err(ZoneError::TooMany) } else { Ok(true) }
}
