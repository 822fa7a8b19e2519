//! Local zones and local data, compiled for lookup.
//!
//! One table holds every name that a `local-zone` or `local-data` line makes known: zone apexes, owners of records and
//! the empty non-terminals between them. A query probes its suffixes from the whole name towards the root; the first
//! node found tells the enclosing zone. Names, nodes and records lie in three flat arrays, so a million blocked names
//! cost about sixty octets each and no pointer chasing.

use crate::dns::body::Fixed;
use crate::dns::record::Record;
mod build;
#[cfg(test)]
mod tests;

use super::cache::LARGE;
use crate::sys::prefetch::prefetch;

pub use build::{LocalRecord, ZoneError, ZonesBuilder};

use crate::dns::scan::{HashKey, NameScan};
use crate::dns::{class, rtype};

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

    /// Octets that the tables take.
    pub fn octets(&self) -> u64 {
        let tables = self.nodes.capacity() * size_of::<Node>()
            + self.rrsets.capacity() * size_of::<Rrset>()
            + self.index.capacity() * size_of::<Slot>();
        (self.names.capacity() + self.octets.capacity() + tables) as u64
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

    /// More than a core's own caches hold: looking ahead pays.
    pub fn is_large(&self) -> bool {
        self.index.len() * size_of::<Slot>() > LARGE
    }

    /// Has the index line of a whole name's hash fetched.
    #[inline]
    pub fn prefetch_index(&self, hash: u64) {
        prefetch(&self.index[hash as usize & (self.index.len() - 1)]);
    }

    /// Has the node fetched that the hash leads to, if any.
    #[inline]
    pub fn prefetch_node(&self, hash: u64) {
        let slot = self.index[hash as usize & (self.index.len() - 1)];
        if slot.tag == (hash >> 32) as u32
            && let Some(node) = self.nodes.get(slot.node as usize)
        {
            prefetch(node);
        }
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
    /// The class, 1 to 16: it stands in the upper half of the flags.
    fn class(&self) -> u16 {
        u16::from(self.flags >> 4) + class::IN
    }
}

/// Keeps names of other classes apart in the one index.
#[inline]
fn class_salt(qclass: u16) -> u64 {
    if qclass == class::IN { 0 } else { (u64::from(qclass) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) }
}
