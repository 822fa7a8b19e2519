//! The links as rtnetlink(7) tells: RTM_GETLINK, answered with one message a link. The kind of a link, a veth's peer and
//! an attached XDP program are in no file of sysfs.
//!
//! netlink-packet-route reads them, but each attribute by itself, and only those that are asked for: its `LinkMessage` is
//! read whole or not at all, so one attribute that it takes for broken, of a later kernel or a driver of its own mind, would
//! cost the link; and it logs warnings about types of links and of virtual functions that it does not know.

use super::links::{AttachedProgram, Kind, Link};
use bytemuck::{Pod, Zeroable};
use libc::{
    IFLA_ADDRESS, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_LINK, IFLA_LINK_NETNSID, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU,
    IFLA_XDP, RTM_NEWLINK,
};
use netlink_packet_core::{
    DecodeError, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkDeserializable, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NlaBuffer, NlasIterator, Parseable, ParseableParametrized,
};
use netlink_packet_route::link::{
    InfoBond, InfoKind, InfoVlan, LinkAttribute, LinkFlags, LinkMessage, LinkXdp, XdpAttached,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};
use std::io;

/// The attributes that make a link.
const READ: [u16; 8] =
    [IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_LINKINFO, IFLA_LINK_NETNSID, IFLA_XDP];

/// Names of the bond modes, by number (linux/if_bonding.h).
const BOND_MODES: [&str; 7] =
    ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];
/// How often to ask anew when the links changed while the kernel told them.
const TRIES: usize = 5;
/// All links. Addresses, driver, queues and sysctls are left for others to tell.
///
/// # Errors
/// The socket's: EAFNOSUPPORT when a systemd unit's RestrictAddressFamilies lacks AF_NETLINK.
pub(super) fn links() -> io::Result<Vec<Link>> {
    let mut tries = 0;
    loop {
        tries += 1;
        let (mut links, steady) = dump()?;
        if steady || tries == TRIES {
            // By index; what was told twice is told the same, or the later is the newer.
            links.reverse();
            links.sort_by_key(|link| link.index);
            links.dedup_by_key(|link| link.index);
            return Ok(links);
        }
    }
}

/// The links, and whether they stayed the same while they were told.
fn dump() -> io::Result<(Vec<Link>, bool)> {
    // NETLINK_ROUTE is protocol 0.
    let socket = socket_with(rustix::net::AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    send(&socket, &request(), SendFlags::empty())?;
    let mut buffer = vec![0u8; 64 * 1024];
    let (mut links, mut steady) = (Vec::new(), true);
    loop {
        let (_, length) = match recv(&socket, &mut buffer[..], RecvFlags::TRUNC) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let Some(messages) = buffer.get(..length) else { return Err(Errno::MSGSIZE.into()) };
        if !take_messages(messages, &mut links, &mut steady)? {
            return Ok((links, steady));
        }
    }
}

fn request() -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, RouteNetlinkMessage::GetLink(LinkMessage::default()).into());
    message.finalize();
    let mut octets = vec![0; message.buffer_len()];
    message.serialize(&mut octets);
    octets
}

/// What a message is about, when that is a link.
struct Told(Option<Link>);

impl NetlinkDeserializable for Told {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, body: &[u8]) -> Result<Self, DecodeError> {
        Ok(Told(if header.message_type == RTM_NEWLINK { link(body) } else { None }))
    }
}

/// Takes the links out of one datagram; whether there are more datagrams to come. `steady` becomes false when the links
/// changed meanwhile: some may be missing or be there twice.
fn take_messages(mut data: &[u8], links: &mut Vec<Link>, steady: &mut bool) -> io::Result<bool> {
    while !data.is_empty() {
        let broken = |_: DecodeError| io::Error::from(Errno::BADMSG);
        let length = NetlinkBuffer::new_checked(data).map_err(broken)?.length() as usize;
        let message = NetlinkMessage::<Told>::deserialize(data).map_err(broken)?;
        *steady &= message.header.flags & NLM_F_DUMP_INTR == 0;
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(false),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            NetlinkPayload::InnerMessage(Told(link)) => links.extend(link),
            _ => {}
        }
        data = data.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(true)
}

/// `struct ifinfomsg`, behind which attributes stand.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct LinkHeader {
    /// None (0), or the family that the message is about a port of.
    pub(super) family: u8,
    pad: u8,
    hardware: u16,
    /// Index of the link.
    pub(super) index: u32,
    flags: u32,
    change: u32,
}

impl LinkHeader {
    /// The header, and the attributes.
    pub(super) fn split(body: &[u8]) -> Option<(Self, &[u8])> {
        let (header, attributes) = body.split_at_checked(size_of::<Self>())?;
        Some((bytemuck::pod_read_unaligned(header), attributes))
    }
}

/// A link from ifinfomsg and its attributes. What cannot be read is left out; a link without a name is none.
fn link(body: &[u8]) -> Option<Link> {
    let (header, body) = LinkHeader::split(body)?;
    let is = |flag| LinkFlags::from_bits_retain(header.flags).contains(flag);
    let mut link = Link {
        name: String::new(),
        index: header.index,
        mac: None,
        mtu: 0,
        up: is(LinkFlags::Up),
        carrier: is(LinkFlags::LowerUp),
        master: None,
        parent: None,
        kind: if is(LinkFlags::Loopback) { Kind::Loopback } else { Kind::Physical },
        driver: None,
        rx_queues: 1,
        program: None,
        addresses: Vec::new(),
        arp_ignore: None,
        arp_announce: None,
        rp_filter: None,
        rx_vlan: None,
        ntuple: None,
    };
    let (mut below, mut elsewhere) = (None, false);
    for attribute in attributes(body).filter(|attribute| READ.contains(&attribute.kind())) {
        if attribute.kind() == IFLA_LINKINFO {
            link.kind = kind_of(attribute.value()).unwrap_or(link.kind);
            continue;
        }
        match LinkAttribute::parse_with_param(&attribute, AddressFamily::Unspec) {
            Ok(LinkAttribute::IfName(name)) => link.name = name,
            Ok(LinkAttribute::Address(mac)) => link.mac = mac.try_into().ok().filter(|mac| *mac != [0; 6]),
            Ok(LinkAttribute::Mtu(mtu)) => link.mtu = mtu,
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

/// The kind that IFLA_LINKINFO tells; `None` of hardware, which has none.
fn kind_of(info: &[u8]) -> Option<Kind> {
    let kind = attributes(info).find_map(|attribute| InfoKind::parse(&attribute).ok())?;
    let data = attributes(info).find(|attribute| attribute.kind() == IFLA_INFO_DATA);
    let data = data.as_ref().map_or(&[][..], NlaBuffer::value);
    Some(match kind {
        InfoKind::Veth => Kind::Veth { peer: None },
        InfoKind::Bridge => Kind::Bridge,
        InfoKind::Bond => Kind::Bond { mode: bond_mode(data) },
        InfoKind::Vlan => Kind::Vlan { id: vlan_id(data) },
        InfoKind::IpVlan | InfoKind::IpVtap => Kind::Ipvlan,
        InfoKind::MacVlan | InfoKind::MacVtap => Kind::Macvlan,
        other => Kind::Other(other.to_string()),
    })
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

/// Attributes in a row. What is cut short ends them.
fn attributes(octets: &[u8]) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(octets).map_while(Result::ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use libc::{IFF_UP, IFLA_INFO_KIND};
    use netlink_packet_core::{NLMSG_DONE, NLMSG_ERROR};

    /// Octets of nlmsghdr, of ifinfomsg and of rtattr.
    const HEADER: usize = 16;
    const IFINFO: usize = 16;
    const ATTRIBUTE: usize = 4;
    const IFLA_VLAN_ID: u16 = 1;
    const IFLA_BOND_MODE: u16 = 1;
    const IFLA_XDP_ATTACHED: u16 = 2;
    const IFLA_XDP_PROG_ID: u16 = 4;
    const XDP_ATTACHED_SKB: u8 = 2;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = ((value.len() + ATTRIBUTE) as u16).to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut out = ((body.len() + HEADER) as u32).to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.resize(HEADER, 0);
        out.extend(body);
        out
    }

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
        info.extend(attribute(IFLA_INFO_DATA, &attribute(IFLA_VLAN_ID, &10u16.to_ne_bytes())));
        body.extend(attribute(IFLA_LINKINFO | 0x8000, &info));
        let mut xdp = attribute(IFLA_XDP_ATTACHED, &[XDP_ATTACHED_SKB]);
        xdp.extend(attribute(IFLA_XDP_PROG_ID, &77u32.to_ne_bytes()));
        body.extend(attribute(IFLA_XDP, &xdp));
        body
    }

    #[test]
    fn a_message_becomes_a_link() {
        let mut links = Vec::new();
        let mut data = message(RTM_NEWLINK, &vlan());
        assert!(take_messages(&data, &mut links, &mut true).unwrap(), "more is to come");
        data.extend(message(NLMSG_DONE, &[0; 4]));
        assert!(!take_messages(&data, &mut links, &mut true).unwrap());
        assert_eq!(links.len(), 2);
        let link = &links[0];
        assert_eq!((link.name.as_str(), link.index, link.mtu, link.up), ("bond0.10", 5, 1500, true));
        assert_eq!((&link.kind, link.parent, link.master), (&Kind::Vlan { id: 10 }, Some(4), Some(6)));
        assert_eq!(link.program, Some(AttachedProgram { id: 77, generic: true }));
        assert_eq!(link.mac, Some([2, 0, 0, 0, 0, 1]));
    }

    #[test]
    fn cut_and_wrong_messages_do_no_harm() {
        let whole = message(RTM_NEWLINK, &vlan());
        for length in 0..whole.len() {
            let _ = take_messages(&whole[..length], &mut Vec::new(), &mut true);
            let _ = link(&whole[HEADER.min(length)..length]);
        }
        let take = |data: &[u8]| take_messages(data, &mut Vec::new(), &mut true);
        let error = take(&message(NLMSG_ERROR, &(-13i32).to_ne_bytes())).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(13));
        assert!(take(&[8, 0, 0, 0, 3, 0, 0, 0]).is_err());
    }

    #[test]
    fn links_that_changed_meanwhile_are_noticed() {
        let mut data = message(RTM_NEWLINK, &vlan());
        data[6..8].copy_from_slice(&NLM_F_DUMP_INTR.to_ne_bytes());
        let mut steady = true;
        take_messages(&data, &mut Vec::new(), &mut steady).unwrap();
        assert!(!steady);
    }

    #[test]
    fn an_attribute_that_cannot_be_read_costs_no_other() {
        let mut body = vlan();
        let mut info = attribute(IFLA_INFO_KIND, b"bond\0");
        let mode = [attribute(7, &[]), attribute(IFLA_BOND_MODE, &[4])].concat();
        info.extend(attribute(IFLA_INFO_DATA, &mode));
        body.extend(attribute(IFLA_LINKINFO, &info));
        body.extend(attribute(IFLA_MTU, &[1]));
        let link = link(&body).unwrap();
        assert_eq!((link.kind, link.mtu), (Kind::Bond { mode: "802.3ad" }, 1500));
    }

    #[test]
    fn what_stands_on_a_link_of_another_namespace_has_no_parent_here() {
        let mut body = vlan();
        body.extend(attribute(IFLA_LINK_NETNSID, &(-1i32).to_ne_bytes()));
        let link = link(&body).unwrap();
        assert_eq!((link.kind, link.parent), (Kind::Vlan { id: 10 }, None));
        assert!(link.up && !link.carrier);
    }

    #[test]
    fn this_host_has_a_loopback() {
        let links = links().expect("netlink");
        let loopback = links.iter().find(|link| link.kind == Kind::Loopback).expect("lo");
        assert!(loopback.index > 0 && loopback.mac.is_none() && loopback.up == loopback.carrier);
    }
}
