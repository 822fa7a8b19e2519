//! The links as rtnetlink(7) tells: RTM_GETLINK, answered with one message a link. The kind of a link, a veth's peer and
//! an attached XDP program are in no file of sysfs.

mod address;
mod bridge;
mod forwarding;
mod link;
mod message;
mod route;
mod rule;
mod slave;
mod statistics;

#[cfg(test)]
pub(super) use link::BOND_MODES;
pub(super) use message::LinkHeader;
pub(super) use route::answer_way;
pub(super) use rule::{Answer, Rule, rules};
pub(super) use statistics::sent_packets;

use super::detection::Detection;
use super::links::Link;
use bytemuck::Zeroable;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;

/// The link of an index, as it is now.
///
/// # Errors
/// The socket's; ENODEV where there is none.
pub(super) fn link(index: u32) -> io::Result<Option<Link>> {
    let mut header = LinkHeader::zeroed();
    header.index = index;
    message::get(libc::RTM_GETLINK, bytemuck::bytes_of(&header), link::link)
}

/// All links. Addresses, driver and queues are left for others to tell; of `net.ipv4.conf` it is each link's own.
///
/// # Errors
/// The socket's: EAFNOSUPPORT when a systemd unit's RestrictAddressFamilies lacks AF_NETLINK.
pub(super) fn links() -> io::Result<Vec<Link>> {
    let mut links = message::dump(&LinkMessage::default(), link::link)?;
    // By index; what was told twice is told the same, or the later is the newer.
    links.reverse();
    links.sort_by_key(|link| link.index);
    links.dedup_by_key(|link| link.index);
    bridge::take_vlans(&mut links);
    bridge::take_trees(&mut links);
    forwarding::take_admitted(&mut links);
    Ok(links)
}

/// The IPv6 addresses whose duplicate detection is not over or failed, each with the index of its link.
///
/// # Errors
/// As of [`links`].
pub(super) fn detections() -> io::Result<Vec<(u32, Ipv6Addr, Detection)>> {
    message::dump_of(&RouteNetlinkMessage::GetAddress(AddressMessage::default()), address::detection)
}

/// The other names of each link that has such, by index.
///
/// # Errors
/// As of [`links`].
pub(super) fn altnames() -> io::Result<BTreeMap<u32, Vec<String>>> {
    let links = message::dump(&LinkMessage::default(), link::altnames)?;
    Ok(links.into_iter().filter(|(_, names)| !names.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use crate::host::Kind;

    #[test]
    fn this_host_has_a_loopback() {
        let links = super::links().expect("netlink");
        let loopback = links.iter().find(|link| link.kind == Kind::Loopback).expect("lo");
        assert!(loopback.index > 0 && loopback.mac.is_none() && loopback.up == loopback.carrier);
        let own = |setting| std::fs::read_to_string(format!("/proc/sys/net/ipv4/conf/lo/{setting}")).unwrap();
        assert_eq!(loopback.arp_ignore, own("arp_ignore").trim().parse().ok());
        let settled = super::detections().expect("netlink").iter().all(|(index, ..)| *index != loopback.index);
        assert!(settled, "::1 is nobody else's");
        assert_eq!(loopback.rp_filter, own("rp_filter").trim().parse().ok());
    }
}
