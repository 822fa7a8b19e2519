//! Zones and data come and go, then the touched names are rendered.

use super::index::{Filter, Index};
use super::node::{APEX, COUNTED, CUT, CUT_SALT, IN_DATA, Link, MADE, Node, class_salt};
use super::pages::{Pages, Sparse};
use super::record::{LocalRecord, ZoneError};
use super::{Sizes, ZoneType, Zones, is_redirect};
use crate::dns::scan::{HashKey, NameScan};
use crate::dns::{class, name, rtype};
use std::collections::BTreeMap;

/// Most RRsets at one name, and records in one.
const TYPES_MAX: usize = 255;
const RECORDS_MAX: usize = 4096;

/// The next version of a table in the making. What one method refuses leaves nothing behind.
pub struct ZonesBuilder {
    pub(super) zones: Zones,
    pub(super) scan: NameScan,
    /// Of a name that is going to come.
    ahead: NameScan,
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
            links: Sparse::new(),
            index: Index::new(0),
            filter: Filter::empty(),
            deepest: 0,
            sizes: Sizes::default(),
        })
    }

    /// Starts with what `zones` has.
    pub fn next(zones: &Zones) -> ZonesBuilder {
        let (scan, ahead) = (NameScan::new(), NameScan::new());
        ZonesBuilder { zones: zones.clone(), scan, ahead, data: BTreeMap::new() }
    }

    /// Makes room for `zones` more zones at once.
    pub fn reserve(&mut self, zones: usize) {
        let wanted = (self.zones.sizes.nodes + zones) * 3 / 2;
        if wanted > self.zones.index.places() {
            self.rehash(wanted);
        }
    }

    /// Has the memory fetched that adding `name` (wire form) will need: worth its while some names before.
    pub fn expect(&mut self, name: &[u8]) {
        if self.ahead.scan(name, self.zones.key).is_some() {
            self.zones.prefetch_index(self.ahead.hash());
        }
    }

    fn rehash(&mut self, slots: usize) {
        // The old one goes first: the two need not be there at the same time.
        self.zones.index = Index::new(0);
        let mut index = Index::new(slots);
        for (number, node) in self.zones.live_nodes() {
            // A slot keeps only half of its hash, so the place is found from the name again.
            self.scan.scan_whole(self.zones.name_of(node), self.zones.key);
            index.insert(self.scan.hash() ^ node.salt(), number);
        }
        self.zones.index = index;
    }

    pub(super) fn node_at(&self, number: u32) -> &Node {
        self.zones.nodes.get(number)
    }

    pub(super) fn node_mut(&mut self, number: u32) -> &mut Node {
        self.zones.nodes.get_mut(number)
    }

    /// How many nodes stand below one for whose sake it stands in the data.
    pub(super) fn below(&self, number: u32) -> u32 {
        self.zones.links.get(number).below & !COUNTED
    }

    /// The node of `name` (wire form), if there is one.
    pub(super) fn known(&mut self, name: &[u8], qclass: u16) -> Option<u32> {
        self.find(name, class_salt(qclass))
    }

    /// The node that stands for a zone's apex in the data of the zone above.
    pub(super) fn known_cut(&mut self, name: &[u8], qclass: u16) -> Option<u32> {
        self.find(name, class_salt(qclass) ^ CUT_SALT)
    }

    fn find(&mut self, name: &[u8], salt: u64) -> Option<u32> {
        self.scan.scan(name, self.zones.key)?;
        self.zones.probe(self.scan.lower(), self.scan.hash() ^ salt)
    }

    /// The node of `name` (wire form), made when absent.
    fn node(&mut self, name: &[u8], qclass: u16) -> Result<u32, ZoneError> {
        self.node_with(name, qclass, 0)
    }

    /// As [`Self::node`]; with `flags` [`CUT`], as [`Self::known_cut`].
    pub(super) fn node_with(&mut self, name: &[u8], qclass: u16, flags: u8) -> Result<u32, ZoneError> {
        let of_class = Node::flags_of(qclass).ok_or(ZoneError::Class)?;
        let mut node = Node {
            name_at: 0,
            name_len: 0,
            rrset_count: 0,
            flags: of_class | flags,
            kind: ZoneType::Transparent,
            first_rrset: 0,
            zone: 0,
        };
        if let Some(node) = self.find(name, node.salt()) {
            return Ok(node);
        }
        let zones = &mut self.zones;
        let lower = self.scan.lower();
        node.name_at = zones.names.push(lower).ok_or(ZoneError::Full)?;
        node.name_len = lower.len() as u8;
        let number = zones.nodes.push(&[node]).ok_or(ZoneError::Full)?;
        zones.nodes.get_mut(number).zone = number;
        zones.deepest = zones.deepest.max(self.scan.suffix_count());
        zones.sizes.nodes += 1;
        zones.sizes.names += lower.len();
        zones.sizes.live += size_of::<Node>() + lower.len();
        let hash = self.scan.hash() ^ node.salt();
        zones.filter.add(hash);
        if zones.sizes.nodes * 3 / 2 > zones.index.places() {
            let slots = zones.index.places() * 2;
            self.rehash(slots);
        } else {
            zones.index.insert(hash, number);
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
            self.take_data(node)?;
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
        if self.below(node) > 0 {
            return Err(ZoneError::BelowRedirect);
        }
        let stays_above = self.node_at(node).flags & APEX == 0;
        let mut records = self.records_at(node).iter().filter(|record| !stays_above || record.rtype != rtype::DS);
        let cname = records.clone().any(|record| record.rtype == rtype::CNAME);
        if cname && records.nth(1).is_some() { Err(ZoneError::CnameNotAlone) } else { Ok(()) }
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
        if let Some(node) = self.known_owner(&record, zone_len)
            && !may_join(&record, self.records_at(node), redirect)?
        {
            return Ok(());
        }
        let owner = self.stand_in_data(&record, zone, zone_len)?;
        self.records_at(owner).push(record);
        Ok(())
    }

    /// Whether the record is one of the zone above its owner, a zone's apex. `zone_len`: of its zone's name.
    fn at_cut(&mut self, record: &LocalRecord, zone_len: usize) -> bool {
        record.rtype == rtype::DS
            && record.owner.len() > zone_len
            && self.known(&record.owner, record.class).is_some_and(|owner| self.node_at(owner).flags & APEX != 0)
    }

    /// The node that holds the records beside which this one is to stand.
    fn known_owner(&mut self, record: &LocalRecord, zone_len: usize) -> Option<u32> {
        match self.at_cut(record, zone_len) {
            true => self.known_cut(&record.owner, record.class),
            false => self.known(&record.owner, record.class),
        }
    }

    /// Has the record's owner, and all names between it and its zone, stand in the zone's data. Gives the owner's node.
    fn stand_in_data(&mut self, record: &LocalRecord, zone: u32, zone_len: usize) -> Result<u32, ZoneError> {
        let mut flags = if self.at_cut(record, zone_len) { CUT } else { 0 };
        let mut owner = None;
        let mut last: Option<u32> = None;
        for suffix in name::suffixes(&record.owner) {
            let number = self.node_with(suffix, record.class, std::mem::take(&mut flags))?;
            if let Some(last) = last {
                self.link(last, number);
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

    /// `above` stands in the data for the sake of `node` from now on.
    pub(super) fn link(&mut self, node: u32, above: u32) {
        let link = self.zones.links.get(node);
        if link.below & COUNTED != 0 {
            return;
        }
        let at = self.zones.links.get_mut(above);
        at.below += 1;
        let next = std::mem::replace(&mut at.child, node);
        *self.zones.links.get_mut(node) = Link { below: link.below | COUNTED, next, ..link };
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
