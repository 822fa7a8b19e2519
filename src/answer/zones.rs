//! Local zones and local data, compiled for lookup.
//!
//! One table holds every name that a `local-zone` or `local-data` line makes known: zone apexes, owners of records and
//! the empty non-terminals between them. A query probes its suffixes from the whole name towards the root; the first
//! node found tells the enclosing zone. Names, nodes and records lie in three flat arrays, so a million blocked names
//! cost about sixty octets each and no pointer chasing.

use crate::dns::body::Fixed;
use crate::dns::record::Record;
use crate::dns::scan::{HashKey, NameScan};
use crate::dns::{class, name, rtype};

pub use crate::config::LocalZoneType as ZoneType;

fn ignores_data(kind: ZoneType) -> bool {
    use ZoneType::*;
    matches!(kind, AlwaysRefuse | AlwaysTransparent | BlockA | BlockAaaa | AlwaysNxdomain | AlwaysNodata | AlwaysDeny)
}

/// Redirect and inform_redirect: the apex's data answers for every name below.
fn is_redirect(kind: ZoneType) -> bool {
    matches!(kind, ZoneType::Redirect | ZoneType::InformRedirect)
}

/// The types whose queries are logged.
pub fn informs(kind: ZoneType) -> bool {
    matches!(kind, ZoneType::Inform | ZoneType::InformDeny | ZoneType::InformRedirect)
}

const NONE: u32 = u32::MAX;

/// A name known locally.
#[derive(Clone, Copy)]
struct Node {
    name_at: u32,
    name_len: u8,
    /// RRsets at this name.
    rrset_count: u8,
    flags: u8,
    kind: ZoneType,
    first_rrset: u32,
    /// Enclosing zone: this node's own number when it is a zone's apex.
    zone: u32,
}

/// The node is a zone's apex.
const APEX: u8 = 1;
/// The node stands in its zone's data: an owner or an empty non-terminal.
const IN_DATA: u8 = 2;
/// The zone has a SOA record: its place among the RRsets is `first_rrset - 1`.
const HAS_SOA: u8 = 4;

/// Records of one owner and type, rendered.
#[derive(Clone, Copy)]
struct Rrset {
    rtype: u16,
    records: u16,
    at: u32,
    len: u32,
}

#[derive(Clone, Copy)]
struct Slot {
    tag: u32,
    node: u32,
}

/// The compiled tables; immutable.
pub struct Zones {
    key: HashKey,
    names: Vec<u8>,
    nodes: Vec<Node>,
    rrsets: Vec<Rrset>,
    octets: Vec<u8>,
    index: Vec<Slot>,
    /// Most labels, root included, of any node: longer suffixes need no probe.
    deepest: usize,
}

/// A zone that encloses a query's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneRef(u32);

/// Rendered records: owner `0xc00c` (the question), type, class, TTL, length, data; names in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RrsetRef<'a> {
    /// Type.
    pub rtype: u16,
    /// Number of records.
    pub records: u16,
    /// The records.
    pub octets: &'a [u8],
}

/// What a zone says about a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// These records answer.
    Records(RrsetRef<'a>),
    /// The query's name is an alias by a redirect zone's CNAME: this rendered record, then whatever its target gives.
    Alias(RrsetRef<'a>),
    /// An answer without records, with this response code; the SOA record, when there is one, is rendered with its
    /// negative TTL.
    Negative {
        /// NOERROR or NXDOMAIN.
        nxdomain: bool,
        /// The zone's SOA and its owner's length in octets (a suffix of the query's name).
        soa: Option<(RrsetRef<'a>, usize)>,
    },
    /// REFUSED.
    Refuse,
    /// No answer at all.
    Drop,
    /// `always_null` for A or AAAA.
    Null,
    /// An empty reply with TC.
    Truncate,
    /// Not answered locally.
    Resolve,
}

impl Zones {
    /// No zones at all.
    pub fn empty(key: HashKey) -> Zones {
        ZonesBuilder::new(key).finish()
    }

    /// Number of zones.
    pub fn zone_count(&self) -> usize {
        self.nodes.iter().filter(|node| node.flags & APEX != 0).count()
    }

    /// The zone's name (wire form, lower case) and type, for logs and lists.
    pub fn describe(&self, zone: ZoneRef) -> (&[u8], ZoneType) {
        match self.nodes.get(zone.0 as usize) {
            Some(node) => (self.name_of(node), node.kind),
            None => (&[0], ZoneType::AlwaysTransparent),
        }
    }

    fn name_of(&self, node: &Node) -> &[u8] {
        &self.names[node.name_at as usize..][..usize::from(node.name_len)]
    }

    #[inline]
    fn probe(&self, lower: &[u8], hash: u64) -> Option<u32> {
        let mask = self.index.len() - 1;
        let tag = (hash >> 32) as u32;
        let mut place = hash as usize & mask;
        loop {
            let slot = self.index[place];
            if slot.node == NONE {
                return None;
            }
            if slot.tag == tag && self.name_of(&self.nodes[slot.node as usize]) == lower {
                return Some(slot.node);
            }
            place = (place + 1) & mask;
        }
    }

    /// Touches the index line of the whole name's hash, so that a later lookup finds it cached.
    #[inline]
    pub fn touch(&self, hash: u64) -> u32 {
        self.index[hash as usize & (self.index.len() - 1)].tag
    }

    /// The zone that encloses `scan`'s name for a question of `qtype` and `qclass`, and the node of the name itself.
    ///
    /// DS belongs to the parent side of a cut (RFC 4035 section 3.1.4.1), so for DS the search starts one label up,
    /// except at the apex of an `always_refuse` zone.
    #[inline]
    pub fn find(&self, scan: &NameScan, qtype: u16, qclass: u16) -> Option<(ZoneRef, Option<u32>)> {
        let salt = class_salt(qclass);
        let total = scan.suffix_count();
        let mut exact = None;
        let mut first = total.saturating_sub(self.deepest);
        if qtype == rtype::DS && total > 1 {
            if let Some(node) = self.probe_salted(scan, 0, salt) {
                let at = &self.nodes[node as usize];
                if at.flags & APEX != 0 && at.kind == ZoneType::AlwaysRefuse {
                    return Some((ZoneRef(node), Some(node)));
                }
                exact = Some(node);
            }
            first = first.max(1);
        }
        for place in first..total {
            if let Some(node) = self.probe_salted(scan, place, salt) {
                if place == 0 {
                    exact = Some(node);
                }
                let zone = self.nodes[node as usize].zone;
                return Some((ZoneRef(zone), exact));
            }
        }
        None
    }

    #[inline]
    fn probe_salted(&self, scan: &NameScan, place: usize, salt: u64) -> Option<u32> {
        let (suffix, hash) = scan.suffix(place);
        self.probe(suffix, hash ^ salt)
    }

    /// What the zone says; `exact` as [`Self::find`] gave it. `udp`: the query came over UDP.
    #[inline]
    pub fn verdict(&self, zone: ZoneRef, exact: Option<u32>, qtype: u16, udp: bool) -> Verdict<'_> {
        let apex = &self.nodes[zone.0 as usize];
        let kind = apex.kind;
        let mut in_data = false;
        let mut has_records = false;
        if !ignores_data(kind) {
            let node = if is_redirect(kind) { Some(zone.0) } else { exact };
            if let Some(node) = node.map(|node| &self.nodes[node as usize])
                && node.zone == zone.0
                && node.flags & IN_DATA != 0
            {
                in_data = true;
                has_records = node.rrset_count > 0;
                if let Some(rrset) = self.rrset_of(node, qtype) {
                    let alias = is_redirect(kind) && rrset.rtype == rtype::CNAME && qtype != rtype::CNAME;
                    return if alias { Verdict::Alias(rrset) } else { Verdict::Records(rrset) };
                }
            }
        }
        self.without_data(apex, qtype, udp, in_data, has_records)
    }

    fn without_data(&self, apex: &Node, qtype: u16, udp: bool, in_data: bool, has_records: bool) -> Verdict<'_> {
        use ZoneType::*;
        let nodata = Verdict::Negative { nxdomain: false, soa: None };
        let negative = |nxdomain| Verdict::Negative { nxdomain, soa: self.negative_soa(apex) };
        match apex.kind {
            Deny | AlwaysDeny | InformDeny => Verdict::Drop,
            Refuse | AlwaysRefuse => Verdict::Refuse,
            Static => negative(!in_data),
            AlwaysNxdomain => negative(true),
            Redirect | InformRedirect | AlwaysNodata => negative(false),
            Truncate if udp => Verdict::Truncate,
            AlwaysNull if matches!(qtype, rtype::A | rtype::AAAA) => Verdict::Null,
            AlwaysNull => nodata,
            BlockA | BlockAWithData if qtype == rtype::A => nodata,
            BlockAaaa | BlockAaaaWithData if qtype == rtype::AAAA => nodata,
            Transparent | Inform | Truncate if has_records => negative(false),
            _ => Verdict::Resolve,
        }
    }

    fn negative_soa(&self, apex: &Node) -> Option<(RrsetRef<'_>, usize)> {
        if apex.flags & HAS_SOA == 0 {
            return None;
        }
        let soa = self.rrset(apex.first_rrset as usize - 1);
        Some((soa, usize::from(apex.name_len)))
    }

    fn rrset(&self, place: usize) -> RrsetRef<'_> {
        let rrset = &self.rrsets[place];
        RrsetRef {
            rtype: rrset.rtype,
            records: rrset.records,
            octets: &self.octets[rrset.at as usize..][..rrset.len as usize],
        }
    }

    /// The RRset of the type, or the CNAME in its stead.
    #[inline]
    fn rrset_of(&self, node: &Node, qtype: u16) -> Option<RrsetRef<'_>> {
        let first = node.first_rrset as usize;
        let place = self.rrsets[first..first + usize::from(node.rrset_count)]
            .iter()
            .position(|rrset| rrset.rtype == qtype || rrset.rtype == rtype::CNAME)?;
        Some(self.rrset(first + place))
    }

    /// Octets of all names.
    pub fn name_octets(&self) -> usize {
        self.names.len()
    }

    /// Calls `each` with every zone's name (wire form), type and class.
    pub fn for_each_zone(&self, mut each: impl FnMut(&[u8], ZoneType, u16)) {
        for node in self.nodes.iter().filter(|node| node.flags & APEX != 0) {
            each(self.name_of(node), node.kind, node.class());
        }
    }

    /// Calls `each` with every record: its zone, its owner (wire form), type, class and TTL, data.
    pub fn for_each_record(&self, mut each: impl FnMut(&[u8], &[u8], &Fixed, &[u8])) {
        for node in &self.nodes {
            let zone = self.name_of(&self.nodes[node.zone as usize]);
            let first = node.first_rrset as usize;
            for place in first..first + usize::from(node.rrset_count) {
                let octets = self.rrset(place).octets;
                let mut at = 0;
                while let Some(record) = Record::at(octets, at) {
                    let fixed = Fixed { rtype: record.rtype, class: record.class, ttl: record.ttl };
                    each(zone, self.name_of(node), &fixed, &octets[record.rdata.clone()]);
                    at = record.end();
                }
            }
        }
    }
}

impl Node {
    /// Classes above 16 share the last place; nobody uses them for local data.
    fn class(&self) -> u16 {
        u16::from(self.flags >> 4) + class::IN
    }
}

/// Keeps names of other classes apart in the one index.
#[inline]
fn class_salt(qclass: u16) -> u64 {
    if qclass == class::IN { 0 } else { (u64::from(qclass) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) }
}

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
    /// The tables are full (4 GiB of names).
    Full,
}

impl std::fmt::Display for ZoneError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ZoneError::BelowRedirect => "local-data in a redirect zone must stand at the top of the zone",
            ZoneError::CnameNotAlone => "a CNAME in a redirect zone must stand alone",
            ZoneError::TooMany => "more than 255 types, or more than 4096 records of one type, at one name",
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
            flags: (qclass.saturating_sub(class::IN).min(15) as u8) << 4,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Name;

    const KEY: HashKey = HashKey::fixed(11);

    fn wire(text: &str) -> Vec<u8> {
        Name::from_text(text).unwrap().as_wire().to_vec()
    }

    fn record(owner: &str, rtype: u16, rdata: &[u8]) -> LocalRecord {
        LocalRecord { owner: wire(owner), rtype, class: class::IN, ttl: 60, rdata: rdata.to_vec() }
    }

    fn zones(zones: &[(&str, ZoneType)], records: &[LocalRecord]) -> Zones {
        let mut builder = ZonesBuilder::new(KEY);
        for &(name, kind) in zones {
            builder.zone(&wire(name), kind).unwrap();
        }
        builder.implicit_zones(records).unwrap();
        for record in records {
            builder.record(record.clone()).unwrap();
        }
        builder.finish()
    }

    fn ask(zones: &Zones, name: &str, qtype: u16) -> String {
        let mut scan = NameScan::new();
        scan.scan(&wire(name), KEY).unwrap();
        match zones.find(&scan, qtype, class::IN) {
            None => "no zone".into(),
            Some((zone, exact)) => match zones.verdict(zone, exact, qtype, true) {
                Verdict::Records(set) => format!("{} records of type {}", set.records, set.rtype),
                Verdict::Alias(_) => "alias".into(),
                Verdict::Negative { nxdomain, soa } => {
                    format!(
                        "{}{}",
                        if nxdomain { "nxdomain" } else { "nodata" },
                        if soa.is_some() { " soa" } else { "" }
                    )
                }
                other => format!("{other:?}").to_lowercase(),
            },
        }
    }

    #[test]
    fn types_answer_as_unbound_documents() {
        use ZoneType::*;
        let a = |owner| record(owner, rtype::A, &[192, 0, 2, 1]);
        let kinds = [
            (Deny, ["1 records of type 1", "drop", "drop"]),
            (Refuse, ["1 records of type 1", "refuse", "refuse"]),
            (Static, ["1 records of type 1", "nodata", "nxdomain"]),
            (Transparent, ["1 records of type 1", "nodata", "resolve"]),
            (TypeTransparent, ["1 records of type 1", "resolve", "resolve"]),
            (Inform, ["1 records of type 1", "nodata", "resolve"]),
            (InformDeny, ["1 records of type 1", "drop", "drop"]),
            (AlwaysTransparent, ["resolve"; 3]),
            (AlwaysRefuse, ["refuse"; 3]),
            (AlwaysNxdomain, ["nxdomain"; 3]),
            (AlwaysNodata, ["nodata"; 3]),
            (AlwaysDeny, ["drop"; 3]),
            (AlwaysNull, ["1 records of type 1", "null", "null"]),
            (BlockA, ["nodata", "resolve", "resolve"]),
            (BlockAaaa, ["resolve", "nodata", "nodata"]),
            (BlockAWithData, ["1 records of type 1", "resolve", "resolve"]),
        ];
        for (kind, wanted) in kinds {
            let zones = zones(&[("example.com", kind)], &[a("host.example.com")]);
            assert_eq!(ask(&zones, "host.example.com", rtype::A), wanted[0], "{kind:?}");
            assert_eq!(ask(&zones, "HOST.example.com", rtype::AAAA), wanted[1], "{kind:?}");
            assert_eq!(ask(&zones, "other.example.com", rtype::AAAA), wanted[2], "{kind:?}");
            assert_eq!(ask(&zones, "example.org", rtype::A), "no zone");
        }
    }

    #[test]
    fn redirect_answers_below_its_apex() {
        let mut builder = ZonesBuilder::new(KEY);
        builder.zone(&wire("r.test"), ZoneType::Redirect).unwrap();
        builder.record(record("r.test", rtype::A, &[1, 1, 1, 1])).unwrap();
        assert_eq!(builder.record(record("x.r.test", rtype::A, &[1, 1, 1, 2])), Err(ZoneError::BelowRedirect));
        assert_eq!(builder.record(record("r.test", rtype::CNAME, &wire("x"))), Err(ZoneError::CnameNotAlone));
        let zones = builder.finish();
        assert_eq!(ask(&zones, "a.b.r.test", rtype::A), "1 records of type 1");
        assert_eq!(ask(&zones, "a.b.r.test", rtype::MX), "nodata");
        let zones = self::zones(&[("r.test", ZoneType::Redirect)], &[record("r.test", rtype::CNAME, &wire("t.net"))]);
        assert_eq!(ask(&zones, "www.r.test", rtype::A), "alias");
        assert_eq!(ask(&zones, "www.r.test", rtype::CNAME), "1 records of type 5");
    }

    #[test]
    fn empty_non_terminals_exist_in_static_zones() {
        let zones = zones(&[("example", ZoneType::Static)], &[record("a.b.c.example", rtype::A, &[1, 1, 1, 1])]);
        for (name, wanted) in
            [("b.c.example", "nodata"), ("c.example", "nodata"), ("example", "nodata"), ("x.c.example", "nxdomain")]
        {
            assert_eq!(ask(&zones, name, rtype::A), wanted, "{name}");
        }
        let empty = self::zones(&[("example", ZoneType::Static)], &[]);
        assert_eq!(ask(&empty, "example", rtype::A), "nxdomain");
    }

    #[test]
    fn the_deepest_zone_decides_and_soa_comes_with_negatives() {
        let mut soa = wire("ns.example");
        soa.extend(wire("root.example"));
        soa.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5]);
        let zones = zones(
            &[("example", ZoneType::Static), ("open.example", ZoneType::Transparent)],
            &[record("example", rtype::SOA, &soa), record("www.open.example", rtype::A, &[1, 1, 1, 1])],
        );
        assert_eq!(ask(&zones, "x.example", rtype::A), "nxdomain soa");
        assert_eq!(ask(&zones, "example", rtype::A), "nodata soa");
        assert_eq!(ask(&zones, "x.open.example", rtype::A), "resolve");
        assert_eq!(ask(&zones, "open.example", rtype::DS), "nxdomain soa", "DS is the parent's");
        let mut scan = NameScan::new();
        scan.scan(&wire("x.example"), KEY).unwrap();
        let (zone, exact) = zones.find(&scan, rtype::A, class::IN).unwrap();
        let Verdict::Negative { soa: Some((set, len)), .. } = zones.verdict(zone, exact, rtype::A, true) else {
            panic!("no SOA")
        };
        assert_eq!((len, crate::dns::get_u32(set.octets, 6)), (9, Some(5)), "TTL is the minimum");
    }

    #[test]
    fn records_without_a_zone_share_a_transparent_one() {
        let zones =
            zones(&[], &[record("a.x.net", rtype::A, &[1, 1, 1, 1]), record("b.x.net", rtype::A, &[1, 1, 1, 2])]);
        assert_eq!(ask(&zones, "a.x.net", rtype::A), "1 records of type 1");
        assert_eq!(ask(&zones, "a.x.net", rtype::MX), "nodata");
        assert_eq!(ask(&zones, "c.x.net", rtype::A), "resolve");
        assert_eq!(ask(&zones, "y.net", rtype::A), "no zone");
    }

    #[test]
    fn many_zones_are_all_found() {
        let mut builder = ZonesBuilder::new(KEY);
        for number in 0..50_000 {
            builder.zone(&wire(&format!("n{number}.block.test")), ZoneType::AlwaysNxdomain).unwrap();
        }
        let zones = builder.finish();
        assert_eq!(zones.zone_count(), 50_000);
        for number in (0..50_000).step_by(7) {
            assert_eq!(ask(&zones, &format!("x.n{number}.block.test"), rtype::A), "nxdomain");
        }
        assert_eq!(ask(&zones, "n50000.block.test", rtype::A), "no zone");
    }
}
