//! What was asked of a forwarder, and by what its reply is measured.

use super::private::Private;
use super::reply::{Set, same_name};
use crate::dns::name::Name;
use crate::dns::record::read_name;

/// What was asked, and of whom.
pub struct Asked<'a> {
    /// The name.
    pub name: &'a Name,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// The forward zone's name, lower case.
    pub zone: &'a [u8],
    /// True when the servers of this zone serve a name (wire form, lower case).
    pub same_zone: &'a dyn Fn(&[u8]) -> bool,
    /// Addresses that are not told on.
    pub private: &'a Private,
    /// What of the sections beside the answer is not told on.
    pub scrub: Scrub,
}

/// What the configuration has taken out beside the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrub {
    /// `harden-unknown-additional:`, types that do not belong there.
    pub unknown_types: bool,
    /// `iter-scrub-promiscuous:`, NS RRsets that no question was for.
    pub promiscuous: bool,
}

/// True when `name` is the owner of a set.
pub(super) fn owns(message: &[u8], set: &Set, name: &Name) -> bool {
    same_name(message, set.owner, name.as_wire(), 0)
}

/// True when the owner of a set is `zone` or lies below it.
pub(super) fn in_zone(message: &[u8], set: &Set, zone: &[u8]) -> bool {
    zone.len() == 1 || read_name(message, set.owner).is_some_and(|(owner, _)| owner.is_at_or_below(zone))
}
