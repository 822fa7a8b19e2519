//! What the values of the settings of ARP mean.

/// arp_announce: an ARP request names an address of the interface it leaves by, whatever the packet is sent from. More than that
/// means nothing, so it is as 0 (net/ipv4/arp.c, arp_solicit).
pub(super) const ANNOUNCE_OWN: u32 = 2;

/// Whether a link with this arp_ignore answers for addresses that it does not carry. 3 holds back only those of scope host,
/// and 4 to 7 mean nothing yet (net/ipv4/arp.c, arp_ignore).
pub(super) fn answers(ignore: u32) -> bool {
    !matches!(ignore, 1 | 2 | 8)
}
