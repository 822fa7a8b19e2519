//! Collects zones, then data, then compiles.

use super::{APEX, HAS_SOA, IN_DATA, NONE, Node, Rrset, Slot, ZoneType, Zones, class_salt, is_redirect};
use crate::dns::scan::{HashKey, NameScan};
use crate::dns::{class, name, rtype};

/// One record to add, data with names in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRecord {
    /// Owner in wire form; folded to lower case when added.
    pub owner: Vec<u8>,
    /// Type.
    pub rtype: u16,
    /// Class.
    pub class: u16,
    /// Seconds.
    pub ttl: u32,
    /// Data.
    pub rdata: Vec<u8>,
}

/// Why a record or zone was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneError {
    /// Data in a redirect zone must stand at its apex.
    BelowRedirect,
    /// A CNAME in a redirect zone must stand alone.
    CnameNotAlone,
    /// More RRsets or records at one name than this program holds.
    TooMany,
    /// A class that no server has: 0, or above 16.
    Class,
    /// The tables are full (4 GiB of names).
    Full,
}

impl std::fmt::Display for ZoneError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ZoneError::BelowRedirect => "local-data in a redirect zone must stand at the top of the zone",
            ZoneError::CnameNotAlone => "a CNAME in a redirect zone must stand alone",
            ZoneError::TooMany => "more than 255 types, or more than 4096 records of one type, at one name",
            ZoneError::Class => "local data of this class is not served: IN, CH and HS are",
            ZoneError::Full => "local zones take more than 4 GiB",
        })
    }
}

/// Collects zones, then data, then compiles. Zones must be added before the data in them.
pub struct ZonesBuilder {
    zones: Zones,
    count: usize,
    scan: NameScan,
    /// Data by node; small compared to the zones.
    data: std::collections::BTreeMap<u32, Vec<LocalRecord>>,
}

impl ZonesBuilder {
    /// Starts with nothing.
    pub fn new(key: HashKey) -> ZonesBuilder {
        ZonesBuilder {
            zones: Zones {
                key,
                names: Vec::new(),
                nodes: Vec::new(),
                rrsets: Vec::new(),
                octets: Vec::new(),
                index: vec![Slot { tag: 0, node: NONE }; 64],
                deepest: 0,
            },
            count: 0,
            scan: NameScan::new(),
            data: Default::default(),
        }
    }

    /// Makes room for `zones` more zones of `octets` octets of names at once.
    pub fn reserve(&mut self, zones: usize, octets: usize) {
        self.zones.names.reserve_exact(octets);
        self.zones.nodes.reserve_exact(zones + 64);
        let wanted = ((self.count + zones) * 3 / 2).next_power_of_two();
        if wanted > self.zones.index.len() {
            self.rehash(wanted);
        }
    }

    fn rehash(&mut self, size: usize) {
        let old = std::mem::replace(&mut self.zones.index, vec![Slot { tag: 0, node: NONE }; size]);
        // A slot keeps only half of its hash, so the place is found from the name again.
        for slot in old.into_iter().filter(|slot| slot.node != NONE) {
            let node = self.zones.nodes[slot.node as usize];
            let salted = {
                let name = self.zones.name_of(&node);
                self.zones.key.name(name) ^ class_salt(self.class_of(slot.node))
            };
            self.insert_slot(salted, slot.node);
        }
    }

    fn class_of(&self, node: u32) -> u16 {
        self.zones.nodes[node as usize].class()
    }

    fn insert_slot(&mut self, hash: u64, node: u32) {
        let mask = self.zones.index.len() - 1;
        let mut place = hash as usize & mask;
        while self.zones.index[place].node != NONE {
            place = (place + 1) & mask;
        }
        self.zones.index[place] = Slot { tag: (hash >> 32) as u32, node };
    }

    /// The node of `name` (wire form), made when absent.
    fn node(&mut self, name: &[u8], qclass: u16) -> Result<(u32, bool), ZoneError> {
        if !(class::IN..=class::IN + 15).contains(&qclass) {
            return Err(ZoneError::Class);
        }
        self.scan.scan(name, self.zones.key);
        let hash = self.scan.hash() ^ class_salt(qclass);
        if let Some(node) = self.zones.probe(self.scan.lower(), hash) {
            return Ok((node, false));
        }
        let number = u32::try_from(self.zones.nodes.len()).map_err(|_| ZoneError::Full)?;
        let name_at = u32::try_from(self.zones.names.len()).map_err(|_| ZoneError::Full)?;
        self.zones.names.extend_from_slice(self.scan.lower());
        self.zones.deepest = self.zones.deepest.max(self.scan.suffix_count());
        self.zones.nodes.push(Node {
            name_at,
            name_len: self.scan.lower().len() as u8,
            rrset_count: 0,
            flags: ((qclass - class::IN) as u8) << 4,
            kind: ZoneType::Transparent,
            first_rrset: 0,
            zone: number,
        });
        if (self.count + 1) * 3 / 2 > self.zones.index.len() {
            let size = self.zones.index.len() * 2;
            self.rehash(size);
        }
        self.count += 1;
        self.insert_slot(hash, number);
        Ok((number, true))
    }

    /// Adds a zone (wire form); the last of several lines for one name wins, as in Unbound.
    ///
    /// # Errors
    /// [`ZoneError::Full`].
    pub fn zone(&mut self, name: &[u8], kind: ZoneType) -> Result<(), ZoneError> {
        self.zone_in_class(name, kind, class::IN)
    }

    /// As [`Self::zone`], in another class.
    ///
    /// # Errors
    /// [`ZoneError::Full`].
    pub fn zone_in_class(&mut self, name: &[u8], kind: ZoneType, qclass: u16) -> Result<(), ZoneError> {
        let (node, _) = self.node(name, qclass)?;
        let node = &mut self.zones.nodes[node as usize];
        node.flags |= APEX;
        node.kind = kind;
        Ok(())
    }

    /// The zone that encloses an owner, by name; for DS the parent's.
    fn enclosing(&self, owner: &[u8], rtype: u16, qclass: u16) -> Option<(u32, usize)> {
        let skip = usize::from(rtype == rtype::DS && owner.len() > 1);
        for suffix in name::suffixes(owner).skip(skip) {
            let lower = suffix.to_ascii_lowercase();
            let hash = self.zones.key.name(&lower) ^ class_salt(qclass);
            if let Some(node) = self.zones.probe(&lower, hash)
                && self.zones.nodes[node as usize].flags & APEX != 0
            {
                return Some((node, suffix.len()));
            }
        }
        None
    }

    /// Adds a record; one that lies in no zone is passed over (see [`Self::implicit_zones`]).
    ///
    /// # Errors
    /// See [`ZoneError`].
    pub fn record(&mut self, record: LocalRecord) -> Result<(), ZoneError> {
        let Some((zone, zone_len)) = self.enclosing(&record.owner, record.rtype, record.class) else {
            return Ok(());
        };
        let kind = self.zones.nodes[zone as usize].kind;
        if is_redirect(kind) && record.owner.len() != zone_len {
            return Err(ZoneError::BelowRedirect);
        }
        let mut owner_node = None;
        for suffix in name::suffixes(&record.owner) {
            let (node, _) = self.node(suffix, record.class)?;
            owner_node.get_or_insert(node);
            let entry = &mut self.zones.nodes[node as usize];
            entry.flags |= IN_DATA;
            if suffix.len() <= zone_len {
                break;
            }
        }
        let records = self.data.entry(owner_node.unwrap_or(zone)).or_default();
        if is_redirect(kind) {
            let cname = record.rtype == rtype::CNAME;
            if records.iter().any(|other| (cname || other.rtype == rtype::CNAME) && *other != record) {
                return Err(ZoneError::CnameNotAlone);
            }
        }
        let same = records.iter().filter(|other| other.rtype == record.rtype);
        if same.clone().any(|other| other.rdata == record.rdata) {
            return Ok(());
        }
        if same.count() >= 4096 {
            return Err(ZoneError::TooMany);
        }
        records.push(record);
        Ok(())
    }

    /// Makes zones for records that lie in none, as Unbound does: one transparent zone per class at the name they
    /// share, or, where a zone of class IN encloses a record of another class, that zone again in the record's class.
    ///
    /// # Errors
    /// [`ZoneError::Full`].
    pub fn implicit_zones<'a>(&mut self, records: impl IntoIterator<Item = &'a LocalRecord>) -> Result<(), ZoneError> {
        let mut shared: std::collections::BTreeMap<u16, Vec<u8>> = Default::default();
        for record in records {
            if self.enclosing(&record.owner, record.rtype, record.class).is_some() {
                continue;
            }
            if let Some((zone, len)) = self.enclosing(&record.owner, record.rtype, class::IN) {
                let kind = self.zones.nodes[zone as usize].kind;
                self.zone_in_class(&record.owner[record.owner.len() - len..], kind, record.class)?;
                continue;
            }
            let name = shared.entry(record.class).or_insert_with(|| record.owner.clone());
            let common = name::suffixes(name).find(|suffix| name::is_at_or_below(&record.owner, suffix));
            if let Some(common) = common.map(<[u8]>::to_vec) {
                *name = common;
            }
        }
        for (qclass, name) in shared {
            self.zone_in_class(&name, ZoneType::Transparent, qclass)?;
        }
        Ok(())
    }

    /// Compiles.
    pub fn finish(mut self) -> Zones {
        for (node, records) in std::mem::take(&mut self.data) {
            self.render(node, records);
        }
        let zones: Vec<u32> = (0..self.zones.nodes.len() as u32)
            .filter(|&node| self.zones.nodes[node as usize].flags & APEX == 0)
            .collect();
        for node in zones {
            let name = self.zones.name_of(&self.zones.nodes[node as usize]).to_vec();
            let qclass = self.class_of(node);
            if let Some((zone, _)) = self.enclosing(&name, rtype::A, qclass) {
                self.zones.nodes[node as usize].zone = zone;
            }
        }
        self.zones
    }

    fn render(&mut self, node: u32, records: Vec<LocalRecord>) {
        let soa = records.iter().find(|record| record.rtype == rtype::SOA);
        let apex = self.zones.nodes[node as usize].flags & APEX != 0;
        if let (Some(soa), true) = (soa, apex)
            && let Some(minimum) = soa.rdata.len().checked_sub(4).and_then(|at| crate::dns::get_u32(&soa.rdata, at))
        {
            let negative = LocalRecord { ttl: soa.ttl.min(minimum), ..soa.clone() };
            self.push_rrset(&[&negative]);
            self.zones.nodes[node as usize].flags |= HAS_SOA;
        }
        let first = self.zones.rrsets.len() as u32;
        // In the order of the lines: it matters where a CNAME stands beside other types, since the first that fits answers.
        let mut types: Vec<u16> = Vec::new();
        for record in &records {
            if !types.contains(&record.rtype) && types.len() < 255 {
                types.push(record.rtype);
            }
        }
        for &rtype in &types {
            let set: Vec<&LocalRecord> = records.iter().filter(|record| record.rtype == rtype).collect();
            self.push_rrset(&set);
        }
        let node = &mut self.zones.nodes[node as usize];
        node.first_rrset = first;
        node.rrset_count = types.len() as u8;
    }

    fn push_rrset(&mut self, records: &[&LocalRecord]) {
        let octets = &mut self.zones.octets;
        let at = octets.len();
        for record in records {
            octets.extend_from_slice(&[0xc0, 0x0c]);
            octets.extend_from_slice(&record.rtype.to_be_bytes());
            octets.extend_from_slice(&record.class.to_be_bytes());
            octets.extend_from_slice(&record.ttl.to_be_bytes());
            octets.extend_from_slice(&(record.rdata.len() as u16).to_be_bytes());
            octets.extend_from_slice(&record.rdata);
        }
        self.zones.rrsets.push(Rrset {
            rtype: records.first().map_or(0, |record| record.rtype),
            records: records.len() as u16,
            at: at as u32,
            len: (octets.len() - at) as u32,
        });
    }
}
