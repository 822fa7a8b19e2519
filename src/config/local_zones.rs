//! `local-zone:` lines, a million of them in one arena.

use super::diagnostic::Location;
use crate::dns::name;
use std::hash::{BuildHasher, Hasher, RandomState};

/// What a local zone does with questions for its names (unbound.conf(5), `local-zone`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LocalZoneType {
    /// Local data or no answer at all.
    Deny,
    /// Local data or REFUSED.
    Refuse,
    /// Local data, else NODATA or NXDOMAIN.
    Static,
    /// Local data; NODATA for a name that has other types; else resolved.
    Transparent,
    /// The data at the zone's apex for every name in it.
    Redirect,
    /// The default content of the zone is left out.
    NoDefault,
    /// Local data of that type, else resolved.
    TypeTransparent,
    /// Resolved always; local data is left aside.
    AlwaysTransparent,
    /// A is NODATA, the rest is resolved.
    BlockA,
    /// AAAA is NODATA, the rest is resolved; local data is left aside.
    BlockAaaa,
    /// As `block_a`, but local data answers.
    BlockAWithData,
    /// As `block_aaaa`, but local data answers.
    BlockAaaaWithData,
    /// REFUSED always.
    AlwaysRefuse,
    /// NXDOMAIN always.
    AlwaysNxdomain,
    /// NODATA always.
    AlwaysNodata,
    /// No answer always.
    AlwaysDeny,
    /// 0.0.0.0 or ::0 always.
    AlwaysNull,
    /// Left out of views, used globally.
    NoView,
    /// Transparent, and the client is logged.
    Inform,
    /// Deny, and the client is logged.
    InformDeny,
    /// Redirect, and the client is logged.
    InformRedirect,
    /// Resolved, and the addresses put into a kernel set; Unbound needs a build with ipset for it.
    Ipset,
    /// TC over UDP, resolved over TCP; not for files: Unbound takes it over its control channel.
    Truncate,
}

impl LocalZoneType {
    /// The words as `unbound.conf` and `unbound-control` write them, in the order of the enum.
    pub const WORDS: &[&str] = &[
        "deny",
        "refuse",
        "static",
        "transparent",
        "redirect",
        "nodefault",
        "typetransparent",
        "always_transparent",
        "block_a",
        "block_aaaa",
        "block_a_wdata",
        "block_aaaa_wdata",
        "always_refuse",
        "always_nxdomain",
        "always_nodata",
        "always_deny",
        "always_null",
        "noview",
        "inform",
        "inform_deny",
        "inform_redirect",
        "ipset",
        "truncate",
    ];

    const ALL: [Self; 23] = [
        Self::Deny,
        Self::Refuse,
        Self::Static,
        Self::Transparent,
        Self::Redirect,
        Self::NoDefault,
        Self::TypeTransparent,
        Self::AlwaysTransparent,
        Self::BlockA,
        Self::BlockAaaa,
        Self::BlockAWithData,
        Self::BlockAaaaWithData,
        Self::AlwaysRefuse,
        Self::AlwaysNxdomain,
        Self::AlwaysNodata,
        Self::AlwaysDeny,
        Self::AlwaysNull,
        Self::NoView,
        Self::Inform,
        Self::InformDeny,
        Self::InformRedirect,
        Self::Ipset,
        Self::Truncate,
    ];

    /// The type that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().position(|known| *known == word).map(|index| Self::ALL[index])
    }

    /// The type at `index` of [`LocalZoneType::WORDS`].
    pub(super) fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// The word that names the type.
    pub fn word(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// Whether all names of the zone get the data at its apex.
    pub fn redirects(self) -> bool {
        matches!(self, Self::Redirect | Self::InformRedirect)
    }
}

#[derive(Clone, Copy, Debug)]
struct Record {
    offset: u32,
    line: u32,
    file: u16,
    length: u8,
    kind: LocalZoneType,
}

/// One zone of [`LocalZones`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalZone<'a> {
    /// The name, lower case, wire form.
    pub name: &'a [u8],
    /// What it does.
    pub kind: LocalZoneType,
    /// The line that says so.
    pub at: Location,
}

/// All zones in file order: the names in one buffer, 12 bytes beside each.
///
/// A name given twice is in here twice; as in Unbound the last line is the one that counts. `nodefault` is a type here,
/// though such a line makes no zone: it only keeps the built-in one out (see [`super::default_zones`]).
#[derive(Clone, Debug, Default)]
pub struct LocalZones {
    names: Vec<u8>,
    records: Vec<Record>,
}

impl LocalZones {
    /// Adds a zone; `name` is lower case wire form. `false` when 4 GiB of names are full.
    pub fn push(&mut self, name: &[u8], kind: LocalZoneType, at: Location) -> bool {
        let (Ok(offset), Ok(length)) = (u32::try_from(self.names.len()), u8::try_from(name.len())) else {
            return false;
        };
        self.names.extend_from_slice(name);
        self.records.push(Record { offset, line: at.line, file: at.file, length, kind });
        true
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no zone.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The zone of line number `index`, counted from 0 over the `local-zone:` lines alone.
    pub fn get(&self, index: usize) -> Option<LocalZone<'_>> {
        self.records.get(index).map(|record| self.zone(record))
    }

    /// The zones in file order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = LocalZone<'_>> + ExactSizeIterator {
        self.records.iter().map(|record| self.zone(record))
    }

    /// Octets of all names.
    pub fn name_octets(&self) -> usize {
        self.names.len()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.names.capacity() + self.records.capacity() * size_of::<Record>()
    }

    /// Gives back what growing took too much.
    pub fn shrink(&mut self) {
        self.names.shrink_to_fit();
        self.records.shrink_to_fit();
    }

    fn zone(&self, record: &Record) -> LocalZone<'_> {
        let start = record.offset as usize;
        LocalZone {
            name: &self.names[start..start + usize::from(record.length)],
            kind: record.kind,
            at: Location { file: record.file, line: record.line },
        }
    }
}

/// Finds zones of a [`LocalZones`] by name: open addressing, 4 bytes a slot, at most half full.
pub struct ZoneIndex<'a> {
    zones: &'a LocalZones,
    slots: Vec<u32>,
    hasher: RandomState,
}

impl<'a> ZoneIndex<'a> {
    /// An index of `zones`; a later line replaces an earlier one of the same name, `nodefault` and `ipset` are no zones.
    pub fn new(zones: &'a LocalZones) -> Self {
        let size = (zones.len() * 2).next_power_of_two().max(2);
        let mut index = Self { zones, slots: vec![u32::MAX; size], hasher: RandomState::new() };
        for (number, zone) in zones.iter().enumerate() {
            if !matches!(zone.kind, LocalZoneType::NoDefault | LocalZoneType::Ipset) {
                let slot = index.slot(zone.name);
                // Offsets are u32 and a name has a byte at least, so the number fits.
                index.slots[slot] = u32::try_from(number).unwrap_or(u32::MAX);
            }
        }
        index
    }

    /// The number of the zone of exactly this name (lower case wire form), for [`LocalZones::get`].
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        let number = self.slots[self.slot(name)] as usize;
        (number < self.zones.len()).then_some(number)
    }

    /// The number of the zone with the longest name that `name` is in.
    pub fn closest(&self, name: &[u8]) -> Option<usize> {
        std::iter::successors(Some(name), |name| name::parent(name)).find_map(|name| self.find(name))
    }

    /// The slot that holds `name`, or the empty one where it would go.
    fn slot(&self, name: &[u8]) -> usize {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name);
        let mask = self.slots.len() - 1;
        let mut slot = usize::try_from(hasher.finish() & mask as u64).unwrap_or(0);
        while let Some(zone) = self.zones.get(self.slots[slot] as usize) {
            if zone.name == name {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dns::name_text;

    fn wire(text: &str) -> name_text::NameBuf {
        let mut name = name_text::NameBuf::new();
        name_text::parse_lower(text.as_bytes(), &mut name).unwrap();
        name
    }

    fn zones(list: &[(&str, LocalZoneType)]) -> LocalZones {
        let mut zones = LocalZones::default();
        for (line, (name, kind)) in (1..).zip(list) {
            assert!(zones.push(&wire(name), *kind, Location { file: 0, line }));
        }
        zones
    }

    #[test]
    fn a_zone_costs_its_name_and_twelve_bytes() {
        assert_eq!(size_of::<Record>(), 12);
        let mut zones = LocalZones::default();
        let names = 0..1000u32;
        let mut text_bytes = 0;
        for number in names.clone() {
            let name = wire(&format!("host-{number}.example.com"));
            text_bytes += name.len();
            zones.push(&name, LocalZoneType::AlwaysNxdomain, Location { file: 0, line: number + 1 });
        }
        zones.shrink();
        assert!(zones.heap_bytes() <= text_bytes + 12 * names.len());
        assert_eq!(zones.get(999).unwrap().name, &*wire("host-999.example.com"));
        assert_eq!(zones.get(999).unwrap().at.line, 1000);
    }

    #[test]
    fn words_and_types_are_in_the_same_order() {
        assert_eq!(LocalZoneType::WORDS.len(), LocalZoneType::ALL.len());
        for (index, kind) in LocalZoneType::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            assert_eq!(LocalZoneType::from_word(kind.word()), Some(kind));
        }
        assert_eq!(LocalZoneType::AlwaysNxdomain.word(), "always_nxdomain");
        assert_eq!(LocalZoneType::from_word("Static"), None);
    }

    #[test]
    fn the_closest_zone_is_found_and_the_last_line_counts() {
        let list = [
            ("example.com", LocalZoneType::Static),
            ("b.example.com", LocalZoneType::Deny),
            ("example.com", LocalZoneType::Redirect),
            ("example.org", LocalZoneType::NoDefault),
        ];
        let zones = zones(&list);
        let index = ZoneIndex::new(&zones);
        let kind = |name: &str| {
            index.closest(&wire(name)).and_then(|number| zones.get(number)).map(|zone| (zone.kind, zone.at.line))
        };
        assert_eq!(kind("a.b.example.com"), Some((LocalZoneType::Deny, 2)));
        assert_eq!(kind("c.example.com"), Some((LocalZoneType::Redirect, 3)));
        assert_eq!(kind("com"), None);
        assert_eq!(kind("example.org"), None);
        assert!(index.find(&wire("a.b.example.com")).is_none());
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        let zones = LocalZones::default();
        assert!(ZoneIndex::new(&zones).closest(&wire("a.b")).is_none());
    }
}
