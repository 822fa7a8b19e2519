//! The links as rtnetlink(7) tells: RTM_GETLINK, answered with one message a link. The kind of a link, a veth's peer and
//! an attached XDP program are in no file of sysfs.
//!
//! Numbers are of linux/netlink.h, linux/rtnetlink.h, linux/if_link.h.

use super::links::{AttachedProgram, Kind, Link};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};
use std::io;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
/// Octets of nlmsghdr, of ifinfomsg and of rtattr.
const HEADER: usize = 16;
const IFINFO: usize = 16;
const ATTRIBUTE: usize = 4;
/// The two upper bits of an attribute's type are flags.
const TYPE_MASK: u16 = 0x3fff;
const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 8;
const IFF_LOWER_UP: u32 = 1 << 16;
/// The links changed while the kernel told them: some may be missing or be there twice.
const NLM_F_DUMP_INTR: u16 = 0x10;
/// How often to ask anew when they did.
const TRIES: usize = 5;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_XDP: u16 = 43;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const IFLA_BOND_MODE: u16 = 1;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
const XDP_ATTACHED_SKB: u8 = 2;

/// Names of the bond modes, by number (linux/if_bonding.h).
const BOND_MODES: [&str; 7] =
    ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];

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
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
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

/// nlmsghdr: length, type, flags, sequence number, port; then an ifinfomsg of zeros.
fn request() -> [u8; HEADER + IFINFO] {
    let mut request = [0u8; HEADER + IFINFO];
    request[..4].copy_from_slice(&((HEADER + IFINFO) as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&RTM_GETLINK.to_ne_bytes());
    request[6..8].copy_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
    request
}

/// Takes the links out of one datagram; whether there are more datagrams to come. `steady` becomes false when the links
/// changed meanwhile.
fn take_messages(mut data: &[u8], links: &mut Vec<Link>, steady: &mut bool) -> io::Result<bool> {
    while let (Some(length), Some(kind), Some(flags)) = (u32_at(data, 0), u16_at(data, 4), u16_at(data, 6)) {
        *steady &= flags & NLM_F_DUMP_INTR == 0;
        let length = length as usize;
        let Some(body) = data.get(HEADER..length) else { return Err(Errno::BADMSG.into()) };
        match kind {
            NLMSG_DONE => return Ok(false),
            NLMSG_ERROR => {
                let errno = u32_at(body, 0).map_or(0, |errno| (errno as i32).wrapping_neg());
                return Err(io::Error::from_raw_os_error(errno));
            }
            RTM_NEWLINK => links.extend(link(body)),
            _ => {}
        }
        data = data.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(true)
}

/// A link from ifinfomsg (family, type, index, flags, change) and its attributes.
fn link(body: &[u8]) -> Option<Link> {
    let (index, flags) = (u32_at(body, 4)?, u32_at(body, 8)?);
    let attributes = body.get(IFINFO..)?;
    let number = |kind| find(attributes, kind).and_then(|value| u32_at(value, 0)).filter(|&index| index != 0);
    // With a namespace beside it, the index is one of that namespace.
    let below = if find(attributes, IFLA_LINK_NETNSID).is_some() { None } else { number(IFLA_LINK) };
    let kind = kind_of(flags, find(attributes, IFLA_LINKINFO).unwrap_or(&[]), below);
    Some(Link {
        name: text(find(attributes, IFLA_IFNAME)?),
        index,
        mac: find(attributes, IFLA_ADDRESS).and_then(|mac| mac.try_into().ok()).filter(|mac| *mac != [0; 6]),
        mtu: number(IFLA_MTU).unwrap_or(0),
        up: flags & IFF_UP != 0,
        carrier: flags & IFF_LOWER_UP != 0,
        master: number(IFLA_MASTER),
        parent: if matches!(kind, Kind::Vlan { .. } | Kind::Ipvlan | Kind::Macvlan) { below } else { None },
        kind,
        driver: None,
        rx_queues: 1,
        program: find(attributes, IFLA_XDP).and_then(program),
        addresses: Vec::new(),
        arp_ignore: None,
        arp_announce: None,
        rp_filter: None,
        rx_vlan: None,
        ntuple: None,
    })
}

fn kind_of(flags: u32, info: &[u8], below: Option<u32>) -> Kind {
    let data = find(info, IFLA_INFO_DATA).unwrap_or(&[]);
    let word = find(info, IFLA_INFO_KIND).map(text).unwrap_or_default();
    match word.as_str() {
        "" if flags & IFF_LOOPBACK != 0 => Kind::Loopback,
        "" => Kind::Physical,
        "veth" => Kind::Veth { peer: below },
        "bridge" => Kind::Bridge,
        "bond" => {
            let mode = find(data, IFLA_BOND_MODE).and_then(|value| value.first().copied()).unwrap_or(u8::MAX);
            Kind::Bond { mode: BOND_MODES.get(usize::from(mode)).copied().unwrap_or("unknown mode") }
        }
        "vlan" => Kind::Vlan { id: find(data, IFLA_VLAN_ID).and_then(|value| u16_at(value, 0)).unwrap_or(0) },
        "ipvlan" | "ipvtap" => Kind::Ipvlan,
        "macvlan" | "macvtap" => Kind::Macvlan,
        _ => Kind::Other(word),
    }
}

fn program(xdp: &[u8]) -> Option<AttachedProgram> {
    let attached = find(xdp, IFLA_XDP_ATTACHED)?.first().copied().filter(|&how| how != 0)?;
    let id = find(xdp, IFLA_XDP_PROG_ID).and_then(|value| u32_at(value, 0)).unwrap_or(0);
    Some(AttachedProgram { id, generic: attached == XDP_ATTACHED_SKB })
}

/// The value of the first attribute of a type. What is cut short ends the search.
fn find(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        let kind = u16_at(attributes, 2)? & TYPE_MASK;
        let value = attributes.get(ATTRIBUTE..length)?;
        if kind == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|&octet| octet == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        body[8..12].copy_from_slice(&IFF_UP.to_ne_bytes());
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
