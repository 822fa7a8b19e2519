//! DNSKEY records (RFC 4034 section 2) and the keys of a zone.

use super::Set;
use super::algorithm::{Fakes, PublicKey, is_supported, price};
use crate::dns::{Name, get_u16};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Flag: the key may sign the zone's data.
pub const ZONE: u16 = 0x0100;
/// Flag: the key is revoked (RFC 5011 section 3).
pub const REVOKE: u16 = 0x0080;
/// Flag: secure entry point, which says how it is meant and nothing else.
pub const SEP: u16 = 0x0001;
/// The only protocol there is.
const PROTOCOL: u8 = 3;
/// Octets before the public key.
const FIXED: usize = 4;

/// A DNSKEY's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dnskey<'a> {
    /// [`ZONE`], [`REVOKE`], [`SEP`].
    pub flags: u16,
    /// Protocol.
    pub protocol: u8,
    /// Algorithm.
    pub algorithm: u8,
    /// Key tag.
    pub tag: u16,
    /// All of its data.
    pub data: &'a [u8],
}

impl<'a> Dnskey<'a> {
    /// Takes data apart; `None` when there is no public key.
    pub fn parse(data: &'a [u8]) -> Option<Dnskey<'a>> {
        let (fixed, key) = data.split_first_chunk::<FIXED>()?;
        let [high, low, protocol, algorithm] = *fixed;
        let flags = u16::from_be_bytes([high, low]);
        (!key.is_empty()).then_some(Dnskey { flags, protocol, algorithm, tag: key_tag(data), data })
    }

    /// Whether signatures by it can be checked.
    pub fn is_supported(&self) -> bool {
        is_supported(self.algorithm)
    }

    /// Whether it may sign the data of a zone: a key of the zone that is not revoked.
    pub fn is_usable(&self) -> bool {
        self.protocol == PROTOCOL && self.flags & ZONE != 0 && self.flags & REVOKE == 0
    }
}

/// The key tag of a DNSKEY's data (RFC 4034 appendix B). That of algorithm 1, which is made otherwise (B.1), is told, too, for
/// lists of anchors: nothing is signed by it any more.
pub fn key_tag(data: &[u8]) -> u16 {
    if data.get(3) == Some(&1) {
        return data.len().checked_sub(3).and_then(|at| get_u16(data, at)).unwrap_or(0);
    }
    let sum: u32 = data
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .fold(0, u32::wrapping_add);
    // At most 32,768 pairs: the sum does not wrap.
    (sum + (sum >> 16)) as u16
}

/// One key of a zone.
pub struct Key {
    /// [`ZONE`], [`REVOKE`], [`SEP`].
    pub flags: u16,
    /// Whether the protocol is the only one there is.
    pub is_protocol_known: bool,
    /// Algorithm.
    pub algorithm: u8,
    /// Key tag.
    pub tag: u16,
    /// The record's data.
    pub data: Box<[u8]>,
    public: OnceLock<Option<PublicKey>>,
}

impl Key {
    /// From a record's data; `None` when there is no public key.
    pub fn new(data: &[u8]) -> Option<Key> {
        let dnskey = Dnskey::parse(data)?;
        Some(Key {
            flags: dnskey.flags,
            is_protocol_known: dnskey.protocol == PROTOCOL,
            algorithm: dnskey.algorithm,
            tag: dnskey.tag,
            data: data.into(),
            public: OnceLock::new(),
        })
    }

    /// What a check by it costs: see [`price`].
    pub fn price(&self) -> u32 {
        price(self.algorithm, &self.data[FIXED..])
    }

    /// The key itself, made ready when it is first asked for; `None` when it cannot be used.
    pub fn public(&self) -> Option<&PublicKey> {
        self.public.get_or_init(|| PublicKey::parse(self.algorithm, &self.data[FIXED..])).as_ref()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "algorithm {} tag {} flags {}", self.algorithm, self.tag, self.flags)
    }
}

/// The DNSKEYs of a zone. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Keys(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    zone: Name,
    class: u16,
    /// By algorithm and tag.
    keys: Vec<Key>,
    needs: Vec<u8>,
    fakes: Fakes,
}

impl Keys {
    /// All keys of a DNSKEY RRset, each once. Whether they are to be trusted is not looked at. Each RRset of the zone has to be
    /// signed by all algorithms of `needs` (`harden-algo-downgrade:`); by one signature when there are none.
    pub fn of(set: &Set<'_>, needs: Vec<u8>, fakes: Fakes) -> Keys {
        let mut keys: Vec<Key> = set.records.iter().filter_map(|data| Key::new(data)).collect();
        keys.sort_by(|a, b| (a.algorithm, a.tag, &a.data).cmp(&(b.algorithm, b.tag, &b.data)));
        keys.dedup_by(|a, b| a.data == b.data);
        let mut zone = Name::ROOT;
        zone.set_wire_lower(set.owner);
        Keys(Arc::new(Inner { zone, class: set.class, keys, needs, fakes }))
    }

    /// The zone's name in wire form, lower case.
    pub fn zone(&self) -> &[u8] {
        self.0.zone.as_wire()
    }

    /// The zone's class.
    pub fn class(&self) -> u16 {
        self.0.class
    }

    /// Algorithms that have to have signed each RRset; without any, one valid signature does.
    pub fn needs(&self) -> &[u8] {
        &self.0.needs
    }

    /// Which signatures count as valid.
    pub fn fakes(&self) -> Fakes {
        self.0.fakes
    }

    /// All keys.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.keys.iter()
    }

    /// The keys that a signature with that algorithm and key tag may be by.
    pub fn candidates(&self, algorithm: u8, tag: u16) -> &[Key] {
        let keys = &self.0.keys;
        let start = keys.partition_point(|key| (key.algorithm, key.tag) < (algorithm, tag));
        let len = keys[start..].partition_point(|key| (key.algorithm, key.tag) == (algorithm, tag));
        &keys[start..start + len]
    }

    /// Bits of the largest, by which iterations of NSEC3 are limited (RFC 9276 section 3.2).
    pub fn largest(&self) -> u32 {
        let bits = |key: &Key| match (key.algorithm, key.data.get(FIXED..).unwrap_or_default()) {
            // RSA: an exponent behind its length, then the modulus (RFC 3110 section 2).
            (5..=10, [0, high, low, rest @ ..]) => {
                rest.len().saturating_sub(usize::from(u16::from_be_bytes([*high, *low]))) * 8
            }
            (5..=10, [len, rest @ ..]) => rest.len().saturating_sub(usize::from(*len)) * 8,
            // A point of a curve has two coordinates.
            (13 | 14, key) => key.len() * 4,
            (_, key) => key.len() * 8,
        };
        self.iter().map(bits).max().map_or(0, |bits| bits as u32)
    }

    /// About how many octets of memory they take, for who keeps them within a limit. A key that is ready for use takes some
    /// times its data.
    pub fn size(&self) -> usize {
        let of_key = |key: &Key| size_of::<Key>() + 5 * key.data.len() + 256;
        size_of::<Inner>() + self.0.keys.iter().map(of_key).sum::<usize>() + self.0.needs.len()
    }
}
