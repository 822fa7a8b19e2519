//! A link by itself, from its message.
//!
//! netlink-packet-route reads the attributes, but each by itself, and only those that are asked for: its `LinkMessage` is
//! read whole or not at all, so one attribute that it takes for broken, of a later kernel or a driver of its own mind, would
//! cost the link; and it logs warnings about types of links and of virtual functions that it does not know.

use super::message::{LinkHeader, attributes};
use super::slave::{backup, bridge_port, first};
use crate::host::bridge_port::BridgePort;
use crate::host::links::{AttachedProgram, Kind, Link};
use crate::host::vlan::VlanProtocol;
use libc::{
    IFLA_ADDRESS, IFLA_AF_SPEC, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_LINK, IFLA_LINK_NETNSID, IFLA_LINKINFO, IFLA_MASTER,
    IFLA_MAX_MTU, IFLA_MTU, IFLA_XDP,
};
use netlink_packet_core::{NlaBuffer, Parseable, ParseableParametrized};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{InfoBond, InfoKind, InfoVlan, LinkAttribute, LinkFlags, LinkXdp, XdpAttached};

/// The attributes that make a link.
const READ: [u16; 11] = [
    IFLA_ADDRESS,
    IFLA_IFNAME,
    IFLA_MTU,
    IFLA_MAX_MTU,
    IFLA_LINK,
    IFLA_MASTER,
    IFLA_LINKINFO,
    IFLA_LINK_NETNSID,
    IFLA_XDP,
    IFLA_AF_SPEC,
    IFLA_PROP_LIST,
];

/// The list of further properties, and another name in it (linux/if_link.h).
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;

/// Of the data of a bond, of a VLAN and of a bridge (linux/if_link.h).
const IFLA_BOND_ACTIVE_SLAVE: u16 = 2;
const IFLA_BOND_ALL_SLAVES_ACTIVE: u16 = 17;
const IFLA_VLAN_PROTOCOL: u16 = 5;
const IFLA_BR_STP_STATE: u16 = 5;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFLA_BR_VLAN_PROTOCOL: u16 = 8;
const IFLA_BR_MULTI_BOOLOPT: u16 = 46;
/// A bit of those options (linux/if_bridge.h, BR_BOOLOPT_MST_ENABLE).
const MST: u32 = 1 << 2;

/// The family of IPv4 among those of a link, its array of settings, and the places in that, from 1 (linux/ip.h).
const AF_INET: u16 = libc::AF_INET as u16;
const IFLA_INET_CONF: u16 = 1;
const RP_FILTER: usize = 8;
const ARP_FILTER: usize = 13;
const ARP_ANNOUNCE: usize = 18;
const ARP_IGNORE: usize = 19;

/// Names of the bond modes, by number (linux/if_bonding.h).
pub(in crate::host) const BOND_MODES: [&str; 7] =
    ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];

/// What ifinfomsg says of a link, without any attribute.
fn bare(header: &LinkHeader) -> Link {
    let is = |flag| LinkFlags::from_bits_retain(header.flags).contains(flag);
    Link {
        name: String::new(),
        altnames: Vec::new(),
        index: header.index,
        mac: None,
        mtu: 0,
        max_mtu: None,
        up: is(LinkFlags::Up),
        carrier: is(LinkFlags::LowerUp),
        arp: !is(LinkFlags::Noarp),
        master: None,
        port: BridgePort::default(),
        backup: None,
        parent: None,
        kind: if is(LinkFlags::Loopback) { Kind::Loopback } else { Kind::Physical },
        driver: None,
        rx_queues: 1,
        program: None,
        addresses: Vec::new(),
        detections: Vec::new(),
        arp_ignore: None,
        arp_filter: None,
        arp_announce: None,
        rp_filter: None,
        spanning_tree: false,
        multiple_trees: false,
        vlan_filtering: None,
        vlan_protocol: None,
        vlans: None,
        rx_vlan: None,
        tx_vlan: None,
        tx_stag: None,
        ntuple: None,
    }
}

/// A link from ifinfomsg and its attributes. What cannot be read is left out; a link without a name is none.
pub(super) fn link(body: &[u8]) -> Option<Link> {
    let (header, body) = LinkHeader::split(body)?;
    let mut link = bare(&header);
    let (mut below, mut elsewhere) = (None, false);
    for attribute in attributes(body).filter(|attribute| READ.contains(&attribute.kind())) {
        if attribute.kind() == IFLA_LINKINFO {
            take_info(&mut link, attribute.value());
            continue;
        }
        if attribute.kind() == IFLA_AF_SPEC {
            take_conf(&mut link, attribute.value());
            continue;
        }
        if attribute.kind() == IFLA_PROP_LIST {
            link.altnames = names_in(attribute.value());
            continue;
        }
        match LinkAttribute::parse_with_param(&attribute, AddressFamily::Unspec) {
            Ok(LinkAttribute::IfName(name)) => link.name = name,
            Ok(LinkAttribute::Address(mac)) => link.mac = mac.try_into().ok().filter(|mac| *mac != [0; 6]),
            Ok(LinkAttribute::Mtu(mtu)) => link.mtu = mtu,
            Ok(LinkAttribute::MaxMtu(mtu)) => link.max_mtu = Some(mtu),
            Ok(LinkAttribute::Controller(index)) => link.master = Some(index).filter(|&index| index != 0),
            Ok(LinkAttribute::Link(index)) => below = Some(index).filter(|&index| index != 0),
            Ok(LinkAttribute::LinkNetNsId(_)) => elsewhere = true,
            Ok(LinkAttribute::Xdp(xdp)) => link.program = program(&xdp),
            _ => {}
        }
    }
    // With a namespace beside it, the index is one of that namespace.
    let below = below.filter(|_| !elsewhere);
    match &mut link.kind {
        Kind::Veth { peer } => *peer = below,
        Kind::Vlan { .. } | Kind::Ipvlan | Kind::Macvlan => link.parent = below,
        _ => {}
    }
    (!link.name.is_empty()).then_some(link)
}

/// The other names of a link, with its index.
pub(super) fn altnames(body: &[u8]) -> Option<(u32, Vec<String>)> {
    let (header, body) = LinkHeader::split(body)?;
    let lists: Vec<_> = attributes(body).filter(|attribute| attribute.kind() == IFLA_PROP_LIST).collect();
    Some((header.index, lists.iter().flat_map(|list| names_in(list.value())).collect()))
}

/// The names that a list of properties has, without their final zeros.
fn names_in(properties: &[u8]) -> Vec<String> {
    let names = attributes(properties).filter(|property| property.kind() == IFLA_ALT_IFNAME);
    let text = |octets: &[u8]| String::from_utf8(octets.strip_suffix(&[0]).unwrap_or(octets).to_vec()).ok();
    names.filter_map(|name| text(name.value())).filter(|name| !name.is_empty()).collect()
}

/// The kind that IFLA_LINKINFO tells, and what it tells of its VLANs; hardware has none. And what a bond tells of its slave,
/// of whatever kind that is.
fn take_info(link: &mut Link, info: &[u8]) {
    link.backup = backup(info);
    link.port = bridge_port(info).unwrap_or_default();
    let Some(kind) = attributes(info).find_map(|attribute| InfoKind::parse(&attribute).ok()) else { return };
    let data = attributes(info).find(|attribute| attribute.kind() == IFLA_INFO_DATA);
    let data = data.as_ref().map_or(&[][..], NlaBuffer::value);
    link.kind = match kind {
        InfoKind::Veth => Kind::Veth { peer: None },
        InfoKind::Bridge => {
            link.spanning_tree = first(data, IFLA_BR_STP_STATE).map(u32::from_ne_bytes).is_some_and(|kind| kind != 0);
            // Two words: the options, and which of them the kernel knows.
            let options =
                first::<8>(data, IFLA_BR_MULTI_BOOLOPT).map_or(0, |[a, b, c, d, ..]| u32::from_ne_bytes([a, b, c, d]));
            link.multiple_trees = options & MST != 0;
            link.vlan_filtering = first(data, IFLA_BR_VLAN_FILTERING).map(|[on]| on != 0);
            link.vlan_protocol = protocol(data, IFLA_BR_VLAN_PROTOCOL);
            Kind::Bridge
        }
        InfoKind::Bond => Kind::Bond {
            mode: bond_mode(data),
            active: first(data, IFLA_BOND_ACTIVE_SLAVE).map(u32::from_ne_bytes).filter(|&index| index != 0),
            all_active: first(data, IFLA_BOND_ALL_SLAVES_ACTIVE).is_some_and(|[on]| on != 0),
        },
        InfoKind::Vlan => {
            link.vlan_protocol = protocol(data, IFLA_VLAN_PROTOCOL);
            Kind::Vlan { id: vlan_id(data) }
        }
        InfoKind::IpVlan | InfoKind::IpVtap => Kind::Ipvlan,
        InfoKind::MacVlan | InfoKind::MacVtap => Kind::Macvlan,
        other => Kind::Other(other.to_string()),
    };
}

/// The link's own settings of IPv4 (`net.ipv4.conf`), which the family tells as an array of numbers.
fn take_conf(link: &mut Link, families: &[u8]) {
    let family = attributes(families).find(|attribute| attribute.kind() == AF_INET);
    let conf = family
        .as_ref()
        .and_then(|family| attributes(family.value()).find(|attribute| attribute.kind() == IFLA_INET_CONF));
    let Some(conf) = conf else { return };
    let number = |id: usize| {
        let octets = conf.value().get(4 * (id - 1)..4 * id)?;
        Some(u32::from_ne_bytes(octets.try_into().ok()?))
    };
    (link.arp_ignore, link.arp_announce) = (number(ARP_IGNORE), number(ARP_ANNOUNCE));
    link.rp_filter = number(RP_FILTER);
    link.arp_filter = number(ARP_FILTER).map(|on| on != 0);
}

fn protocol(data: &[u8], kind: u16) -> Option<VlanProtocol> {
    VlanProtocol::from_type(u16::from_be_bytes(first(data, kind)?))
}

fn bond_mode(data: &[u8]) -> &'static str {
    let mode = attributes(data).find_map(|attribute| match InfoBond::parse(&attribute) {
        Ok(InfoBond::Mode(mode)) => Some(u8::from(mode)),
        _ => None,
    });
    mode.and_then(|mode| BOND_MODES.get(usize::from(mode)).copied()).unwrap_or("unknown mode")
}

fn vlan_id(data: &[u8]) -> u16 {
    let id = attributes(data).find_map(|attribute| match InfoVlan::parse(&attribute) {
        Ok(InfoVlan::Id(id)) => Some(id),
        _ => None,
    });
    id.unwrap_or(0)
}

fn program(xdp: &[LinkXdp]) -> Option<AttachedProgram> {
    let attached = xdp.iter().find_map(|part| match part {
        LinkXdp::Attached(how) if *how != XdpAttached::None => Some(*how),
        _ => None,
    })?;
    let id = xdp.iter().find_map(|part| if let LinkXdp::ProgId(id) = part { Some(*id) } else { None });
    Some(AttachedProgram { id: id.unwrap_or(0), generic: attached == XdpAttached::SocketBuffer })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netlink::message::tests::{IFINFO, attribute};
    use libc::{IFF_NOARP, IFF_UP, IFLA_INFO_KIND};

    const IFLA_VLAN_ID: u16 = 1;
    const IFLA_BOND_MODE: u16 = 1;
    const IFLA_XDP_ATTACHED: u16 = 2;
    const IFLA_XDP_PROG_ID: u16 = 4;
    const XDP_ATTACHED_SKB: u8 = 2;

    /// bond0.10, VLAN 10 on index 4, port of index 6, with a generic program 77.
    fn vlan() -> Vec<u8> {
        let mut body = vec![0; IFINFO];
        body[4..8].copy_from_slice(&5u32.to_ne_bytes());
        body[8..12].copy_from_slice(&(IFF_UP as u32).to_ne_bytes());
        body.extend(attribute(IFLA_IFNAME, b"bond0.10\0"));
        body.extend(attribute(IFLA_MTU, &1500u32.to_ne_bytes()));
        body.extend(attribute(IFLA_LINK, &4u32.to_ne_bytes()));
        body.extend(attribute(IFLA_MASTER, &6u32.to_ne_bytes()));
        body.extend(attribute(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]));
        let mut info = attribute(IFLA_INFO_KIND, b"vlan\0");
        let protocol = attribute(IFLA_VLAN_PROTOCOL, &0x8100u16.to_be_bytes());
        let data = [attribute(IFLA_VLAN_ID, &10u16.to_ne_bytes()), protocol].concat();
        info.extend(attribute(IFLA_INFO_DATA, &data));
        body.extend(attribute(IFLA_LINKINFO | 0x8000, &info));
        let mut xdp = attribute(IFLA_XDP_ATTACHED, &[XDP_ATTACHED_SKB]);
        xdp.extend(attribute(IFLA_XDP_PROG_ID, &77u32.to_ne_bytes()));
        body.extend(attribute(IFLA_XDP, &xdp));
        body
    }

    #[test]
    fn a_message_becomes_a_link() {
        let link = link(&vlan()).unwrap();
        assert_eq!((link.name.as_str(), link.index, link.mtu, link.up), ("bond0.10", 5, 1500, true));
        assert_eq!((&link.kind, link.parent, link.master), (&Kind::Vlan { id: 10 }, Some(4), Some(6)));
        assert_eq!((link.vlan_protocol, link.vlan_filtering), (Some(VlanProtocol::Dot1q), None));
        assert_eq!(link.program, Some(AttachedProgram { id: 77, generic: true }));
        assert_eq!((link.mac, link.arp), (Some([2, 0, 0, 0, 0, 1]), true));
    }

    #[test]
    fn a_bridge_tells_by_what_it_filters() {
        let mut body = vlan();
        body[8..12].copy_from_slice(&((IFF_UP | IFF_NOARP) as u32).to_ne_bytes());
        let data = |filtering: &[u8]| {
            let protocol = attribute(IFLA_BR_VLAN_PROTOCOL, &0x88a8u16.to_be_bytes());
            let options = attribute(IFLA_BR_MULTI_BOOLOPT, &[[4, 0, 0, 0], [7, 0, 0, 0]].concat());
            let data = [attribute(IFLA_BR_VLAN_FILTERING, filtering), protocol, options].concat();
            [attribute(IFLA_INFO_KIND, b"bridge\0"), attribute(IFLA_INFO_DATA, &data)].concat()
        };
        for (filtering, told) in [(&[1][..], Some(true)), (&[0][..], Some(false)), (&[][..], None)] {
            let link = link(&[&body[..], &attribute(IFLA_LINKINFO, &data(filtering))].concat()).unwrap();
            assert_eq!((&link.kind, link.vlan_filtering, link.arp), (&Kind::Bridge, told, false));
            assert_eq!((link.vlan_protocol, link.multiple_trees), (Some(VlanProtocol::Dot1ad), true));
        }
    }

    #[test]
    fn settings_of_ipv4_are_told_and_may_be_few() {
        let conf = |numbers: u32| {
            let array: Vec<u8> = (1..=numbers).flat_map(u32::to_ne_bytes).collect();
            attribute(IFLA_AF_SPEC, &attribute(AF_INET, &attribute(IFLA_INET_CONF, &array)))
        };
        let told = |numbers| {
            let link = link(&[vlan(), conf(numbers)].concat()).unwrap();
            assert_eq!(link.arp_filter, (numbers >= 13).then_some(true));
            (link.rp_filter, link.arp_announce, link.arp_ignore)
        };
        assert_eq!(told(33), (Some(8), Some(18), Some(19)));
        assert_eq!(told(18), (Some(8), Some(18), None));
        assert_eq!(told(0), (None, None, None));
    }

    #[test]
    fn cut_messages_do_no_harm() {
        let array: Vec<u8> = (1..=33u32).flat_map(u32::to_ne_bytes).collect();
        let conf = attribute(IFLA_AF_SPEC, &attribute(AF_INET, &attribute(IFLA_INET_CONF, &array)));
        let whole = [vlan(), conf].concat();
        for length in 0..whole.len() {
            let _ = link(&whole[..length]);
        }
    }

    #[test]
    fn an_attribute_that_cannot_be_read_costs_no_other() {
        let mut body = vlan();
        let mut info = attribute(IFLA_INFO_KIND, b"bond\0");
        let mode = [
            attribute(7, &[]),
            attribute(IFLA_BOND_MODE, &[4]),
            attribute(IFLA_BOND_ACTIVE_SLAVE, &3u32.to_ne_bytes()),
            attribute(IFLA_BOND_ALL_SLAVES_ACTIVE, &[1]),
        ]
        .concat();
        info.extend(attribute(IFLA_INFO_DATA, &mode));
        body.extend(attribute(IFLA_LINKINFO, &info));
        body.extend(attribute(IFLA_MTU, &[1]));
        let link = link(&body).unwrap();
        let bond = Kind::Bond { mode: "802.3ad", active: Some(3), all_active: true };
        assert_eq!((link.kind, link.mtu, link.backup), (bond, 1500, None));
    }

    #[test]
    fn the_other_names_of_a_link_are_told() {
        let names = [b"enx525400123456\0".as_slice(), b"", b"a-name-of-more-than-fifteen-octets\0", b"\xff\0"];
        let list: Vec<u8> = names.into_iter().flat_map(|name| attribute(IFLA_ALT_IFNAME, name)).collect();
        let nested = 1 << 15;
        let body = [vlan(), attribute(IFLA_PROP_LIST | nested, &list)].concat();
        let told = ["enx525400123456", "a-name-of-more-than-fifteen-octets"];
        assert_eq!(link(&body).unwrap().altnames, told);
        assert_eq!(altnames(&body).unwrap().1, told);
        assert!(link(&vlan()).unwrap().altnames.is_empty() && altnames(&vlan()).unwrap().1.is_empty());
        for length in 0..body.len() {
            let _ = (link(&body[..length]), altnames(&body[..length]));
        }
    }

    #[test]
    fn what_stands_on_a_link_of_another_namespace_has_no_parent_here() {
        let mut body = vlan();
        body.extend(attribute(IFLA_LINK_NETNSID, &(-1i32).to_ne_bytes()));
        let link = link(&body).unwrap();
        assert_eq!((link.kind, link.parent), (Kind::Vlan { id: 10 }, None));
        assert!(link.up && !link.carrier);
    }
}
