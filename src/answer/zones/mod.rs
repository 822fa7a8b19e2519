//! Local zones and local data, compiled for lookup.
//!
//! One table holds every name that a `local-zone` or `local-data` line makes known: zone apexes, owners of records and
//! the empty non-terminals between them. A query probes its suffixes from the whole name towards the root; the first
//! node found tells the enclosing zone. Names, nodes and records lie in arrays, so a million blocked names cost about sixty
//! octets each and no pointer chasing.
//!
//! A table never changes. What edits it makes the next version, which shares all pages with the last but those it wrote to;
//! so an edit costs by what it changes. What it left behind is waste until it is a quarter of the table, which is then
//! written anew.

mod build;
mod edit;
#[cfg(test)]
mod edit_tests;
mod index;
mod node;
mod pages;
mod record;
mod render;
#[cfg(test)]
mod tests;

use super::cache::LARGE;
use crate::dns::body::Fixed;
use crate::dns::record::Record;
use crate::dns::rtype;
use crate::dns::scan::{HashKey, NameScan};
use crate::sys::prefetch::prefetch;
use index::{Filter, Index, Slot};
use node::{APEX, CUT_SALT, HAS_SOA, IN_DATA, Link, NONE, Node, Rrset, class_salt};
use pages::{Pages, Sparse};

pub use build::ZonesBuilder;
pub use record::{LocalRecord, ZoneError};

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

/// The compiled tables; immutable.
#[derive(Clone)]
pub struct Zones {
    key: HashKey,
    names: Pages<u8, 16>,
    nodes: Pages<Node, 11>,
    rrsets: Pages<Rrset, 10>,
    octets: Pages<u8, 16>,
    links: Sparse<Link, 10>,
    index: Index,
    filter: Filter,
    /// Most labels, root included, of any node: longer suffixes need no probe.
    deepest: usize,
    sizes: Sizes,
}

/// What there is, and what was.
#[derive(Clone, Copy, Default)]
struct Sizes {
    nodes: usize,
    zones: usize,
    /// Octets of names.
    names: usize,
    /// Octets in use, and those nothing leads to any more.
    live: usize,
    waste: usize,
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
        self.sizes.zones
    }

    /// The zone's name (wire form, lower case), for logs and lists.
    pub fn zone_name(&self, zone: ZoneRef) -> &[u8] {
        self.name_of(self.nodes.get(zone.0))
    }

    /// The zone's type.
    #[inline]
    pub fn zone_type(&self, zone: ZoneRef) -> ZoneType {
        self.nodes.get(zone.0).kind
    }

    #[inline]
    fn name_of(&self, node: &Node) -> &[u8] {
        self.names.run(node.name_at, usize::from(node.name_len))
    }

    #[inline]
    fn probe(&self, lower: &[u8], hash: u64) -> Option<u32> {
        if !self.filter.may_have(hash) {
            return None;
        }
        let tag = Slot::new(hash, NONE).tag;
        let mut place = self.index.home(hash);
        loop {
            if let Some(slot) = self.index.slot(place) {
                if slot.is_free() {
                    return None;
                }
                if slot.tag == tag && same(self.name_of(self.nodes.get(slot.node)), lower) {
                    return Some(slot.node);
                }
            }
            place = self.index.after(place);
        }
    }

    /// More than a core's own caches hold: looking ahead pays.
    pub fn is_large(&self) -> bool {
        self.index.places() * size_of::<Slot>() > LARGE
    }

    /// Has the index line of a whole name's hash fetched.
    #[inline]
    pub fn prefetch_index(&self, hash: u64) {
        self.index.prefetch(self.index.home(hash));
    }

    /// Has the node fetched that the hash leads to, if any.
    #[inline]
    pub fn prefetch_node(&self, hash: u64) {
        if let Some(slot) = self.index.slot(self.index.home(hash))
            && slot.tag == Slot::new(hash, NONE).tag
            && !slot.is_free()
        {
            prefetch(self.nodes.get(slot.node));
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
                let at = self.nodes.get(node);
                if at.flags & APEX != 0 && at.kind == ZoneType::AlwaysRefuse {
                    return Some((ZoneRef(node), Some(node)));
                }
                exact = if at.flags & APEX != 0 { self.probe_salted(scan, 0, salt ^ CUT_SALT) } else { Some(node) };
            }
            first = first.max(1);
        }
        for place in first..total {
            if let Some(node) = self.probe_salted(scan, place, salt) {
                if place == 0 {
                    exact = Some(node);
                }
                let zone = self.nodes.get(node).zone;
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
        let apex = self.nodes.get(zone.0);
        let kind = apex.kind;
        let mut in_data = false;
        let mut has_records = false;
        if !ignores_data(kind) {
            let node = if is_redirect(kind) { Some(zone.0) } else { exact };
            if let Some(node) = node.map(|node| self.nodes.get(node))
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
        let soa = self.rrsets_from(apex.first_rrset - 1, 1).first()?;
        Some((self.rendered(soa), usize::from(apex.name_len)))
    }

    fn rrsets_from(&self, first: u32, count: usize) -> &[Rrset] {
        self.rrsets.run(first, count)
    }

    fn rrsets_of(&self, node: &Node) -> &[Rrset] {
        self.rrsets_from(node.first_rrset, usize::from(node.rrset_count))
    }

    #[inline]
    fn rendered(&self, rrset: &Rrset) -> RrsetRef<'_> {
        let octets = self.octets.run(rrset.at, rrset.len as usize);
        RrsetRef { rtype: rrset.rtype, records: rrset.records, octets }
    }

    /// The RRset of the type, or the CNAME in its stead.
    #[inline]
    fn rrset_of(&self, node: &Node, qtype: u16) -> Option<RrsetRef<'_>> {
        let rrsets = self.rrsets_of(node);
        let of = |rtype| rrsets.iter().find(|rrset| rrset.rtype == rtype);
        of(qtype).or_else(|| of(rtype::CNAME)).map(|rrset| self.rendered(rrset))
    }

    /// Octets of all names.
    pub fn name_octets(&self) -> usize {
        self.sizes.names
    }

    /// The nodes that lead anywhere, with their numbers.
    fn live_nodes(&self) -> impl Iterator<Item = (u32, &Node)> {
        self.nodes.iter().filter(|(_, node)| node.name_len > 0)
    }

    /// Calls `each` with every zone's name (wire form), type and class.
    pub fn for_each_zone(&self, mut each: impl FnMut(&[u8], ZoneType, u16)) {
        for (_, node) in self.live_nodes().filter(|(_, node)| node.flags & APEX != 0) {
            each(self.name_of(node), node.kind, node.class());
        }
    }

    /// Calls `each` with every record: its zone, its owner (wire form), type, class and TTL, data.
    pub fn for_each_record(&self, mut each: impl FnMut(&[u8], &[u8], &Fixed, &[u8])) {
        for (_, node) in self.live_nodes() {
            let zone = self.name_of(self.nodes.get(node.zone));
            self.for_each_record_at(node, |fixed, rdata| each(zone, self.name_of(node), fixed, rdata));
        }
    }

    fn for_each_record_at(&self, node: &Node, mut each: impl FnMut(&Fixed, &[u8])) {
        for rrset in self.rrsets_of(node) {
            let octets = self.rendered(rrset).octets;
            let mut at = 0;
            while let Some(record) = Record::at(octets, at) {
                let fixed = Fixed { rtype: record.rtype, class: record.class, ttl: record.ttl };
                each(&fixed, &octets[record.rdata.clone()]);
                at = record.end();
            }
        }
    }
}

/// Equality of short octet strings, eight octets at a time: memcmp of a static libc goes one by one.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let ((ones, one_rest), (others, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    let word = |chunk: &[u8; 8]| u64::from_ne_bytes(*chunk);
    ones.iter().zip(others).all(|(one, other)| word(one) == word(other))
        && one_rest.iter().zip(other_rest).all(|(one, other)| one == other)
}
