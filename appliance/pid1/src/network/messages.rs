//! Requests to rtnetlink(7) as they are sent: addresses, links, bonds, VLANs.

use crate::netconf::{BondPlan, Network};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope, CacheInfo};
use netlink_packet_route::link::{
    BondLacpRate, InfoBond, InfoData, InfoKind, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::net::IpAddr;

pub(super) fn address_message(index: u32, address: Network, seconds: Option<u32>) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address.ip);
    message.header.prefix_len = address.prefix;
    message.header.index = index;
    message.header.scope = AddressScope::Universe;
    message.attributes.push(AddressAttribute::Local(address.ip));
    message.attributes.push(AddressAttribute::Address(address.ip));
    if let IpAddr::V4(ip) = address.ip
        && address.prefix < 31
    {
        let hosts = u32::MAX.checked_shr(address.prefix.into()).unwrap_or(0);
        message.attributes.push(AddressAttribute::Broadcast((ip.to_bits() | hosts).into()));
    }
    if address.ip.is_ipv6() {
        // By itself the kernel takes only addresses that routers advertise for optimistic.
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Optimistic));
    }
    if let Some(seconds) = seconds {
        let mut lifetime = CacheInfo::default();
        (lifetime.ifa_preferred, lifetime.ifa_valid) = (seconds, seconds);
        message.attributes.push(AddressAttribute::CacheInfo(lifetime));
    }
    message
}

pub(super) fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

pub(super) fn link_message(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

pub(super) fn up(index: u32) -> RouteNetlinkMessage {
    let mut message = link_message(index);
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    RouteNetlinkMessage::SetLink(message)
}

pub(super) fn down(index: u32) -> RouteNetlinkMessage {
    let mut message = link_message(index);
    message.header.change_mask = LinkFlags::Up;
    RouteNetlinkMessage::SetLink(message)
}

pub(super) fn named(index: u32, name: &str) -> RouteNetlinkMessage {
    let mut message = link_message(index);
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    RouteNetlinkMessage::SetLink(message)
}

pub(super) fn bond_message(name: &str, bond: &BondPlan) -> LinkMessage {
    let mut data = vec![InfoBond::Mode(bond.mode.into())];
    // Without a look at the links a bond never leaves a port that is down.
    data.push(InfoBond::MiiMon(bond.miimon.unwrap_or(100)));
    data.extend(
        bond.lacp_fast.map(|fast| InfoBond::AdLacpRate(if fast { BondLacpRate::Fast } else { BondLacpRate::Slow })),
    );
    data.extend(bond.hash_policy.map(|policy| InfoBond::XmitHashPolicy(policy.into())));
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message.attributes.extend(bond.mac.map(|mac| LinkAttribute::Address(mac.to_vec())));
    message
        .attributes
        .push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bond), LinkInfo::Data(InfoData::Bond(data))]));
    message
}

pub(super) fn vlan_message(name: &str, parent: u32, tag: u16) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message.attributes.push(LinkAttribute::Link(parent));
    let data = InfoData::Vlan(vec![InfoVlan::Id(tag)]);
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan), LinkInfo::Data(data)]));
    message
}
