//! What the values of the settings of ARP mean, and what of a host's ARP the advice has to go by.

use crate::host::{InterfaceAddress, Ipv4Conf, Links};
use crate::words::quoted;

/// arp_announce: an ARP request names an address of the interface it leaves by, whatever the packet is sent from. More than that
/// means nothing, so it is as 0 (net/ipv4/arp.c, arp_solicit).
pub(super) const ANNOUNCE_OWN: u32 = 2;

/// arp_ignore: requests for the link's own addresses alone are answered.
pub(super) const ANSWERS_FOR_ITSELF: u32 = 1;
/// arp_ignore: so, and only where the sender is of the address's own network.
pub(super) const IGNORES_OTHER_NETWORKS: u32 = 2;
/// arp_ignore: no request is answered.
pub(super) const IGNORES_ALL: u32 = 8;

/// Whether a link with this arp_ignore answers for addresses that it does not carry. 3 holds back only those of scope host,
/// and 4 to 7 mean nothing yet (net/ipv4/arp.c, arp_ignore).
pub(super) fn answers(ignore: u32) -> bool {
    !matches!(ignore, ANSWERS_FOR_ITSELF | IGNORES_OTHER_NETWORKS | IGNORES_ALL)
}

/// What of a host's ARP concerns more than one link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfHost {
    /// What no link has less of.
    pub(super) all: Ipv4Conf,
    /// Links that have no network and must speak for the addresses that are of none.
    pub(super) unnumbered: Vec<String>,
    /// These addresses.
    anchors: Vec<InterfaceAddress>,
}

impl OfHost {
    pub(super) fn of(links: &Links) -> Self {
        let unnumbered = links.unnumbered().map(|link| link.name.clone()).collect();
        Self { all: links.ipv4_all, unnumbered, anchors: links.anchors().collect() }
    }

    /// The commands by which a link that is to speak for itself alone goes on speaking for those: it gets them, too.
    pub(super) fn kept_at(&self, link: &str) -> impl Iterator<Item = String> {
        let anchors = if self.unnumbered.iter().any(|name| name == link) { &self.anchors[..] } else { &[] };
        anchors.iter().map(move |own| format!("ip address replace {own} dev {}", quoted(link)))
    }
}
