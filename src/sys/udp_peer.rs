//! Where an answer goes and which address it comes from, in the form of recvmmsg(2) and sendmmsg(2).

use super::sockaddr::{self, MAX_SOCKADDR, V4_PKTINFO, V6_PKTINFO};
use super::stamps::CMSG_HEADER;
use std::net::{IpAddr, SocketAddr};

/// Octets of the control message that has the address.
pub(super) const MAX_CONTROL: usize = CMSG_HEADER + V6_PKTINFO.next_multiple_of(8);

/// Whom to answer and from which address, as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct UdpPeer {
    pub(super) control: [u8; MAX_CONTROL],
    pub(super) name: [u8; MAX_SOCKADDR],
    pub(super) name_len: u8,
    pub(super) control_len: u8,
}

impl UdpPeer {
    pub(super) const NOBODY: UdpPeer =
        UdpPeer { control: [0; MAX_CONTROL], name: [0; MAX_SOCKADDR], name_len: 0, control_len: 0 };

    /// To answer `peer` from `local`, which is of the same family, by whatever interface the routing table says.
    pub fn new(peer: SocketAddr, local: IpAddr) -> UdpPeer {
        let mut made = UdpPeer::NOBODY;
        made.name_len = sockaddr::write(peer, &mut made.name) as u8;
        let (len, level, kind) = match local {
            IpAddr::V4(_) => (V4_PKTINFO, libc::IPPROTO_IP, libc::IP_PKTINFO),
            IpAddr::V6(_) => (V6_PKTINFO, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO),
        };
        made.control[..8].copy_from_slice(&(CMSG_HEADER + len).to_ne_bytes());
        made.control[8..12].copy_from_slice(&level.to_ne_bytes());
        made.control[12..CMSG_HEADER].copy_from_slice(&kind.to_ne_bytes());
        let data = &mut made.control[CMSG_HEADER..];
        match local {
            IpAddr::V4(local) => data[4..8].copy_from_slice(&local.octets()),
            IpAddr::V6(local) => data[..16].copy_from_slice(&local.octets()),
        }
        made.control_len = (CMSG_HEADER + len.next_multiple_of(8)) as u8;
        made
    }

    /// The peer's address; `None` when the kernel gave none of IPv4 or IPv6.
    pub fn address(&self) -> Option<SocketAddr> {
        sockaddr::parse(&self.name[..self.name_len as usize])
    }

    /// The address the datagram was sent to, known when the socket was opened with pktinfo.
    pub fn local(&self) -> Option<IpAddr> {
        let data = self.control[..self.control_len as usize].get(CMSG_HEADER..)?;
        match self.pktinfo_len()? {
            V4_PKTINFO => sockaddr::parse_v4_pktinfo(data),
            _ => sockaddr::parse_v6_pktinfo(data),
        }
    }

    /// Length of the pktinfo in the first control message, if that is what it is.
    fn pktinfo_len(&self) -> Option<usize> {
        let control = &self.control[..self.control_len as usize];
        let len = usize::from_ne_bytes(control.get(..8)?.try_into().ok()?);
        let level = i32::from_ne_bytes(control.get(8..12)?.try_into().ok()?);
        let kind = i32::from_ne_bytes(control.get(12..16)?.try_into().ok()?);
        let data = match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => V4_PKTINFO,
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => V6_PKTINFO,
            _ => return None,
        };
        (len == CMSG_HEADER + data && len <= control.len()).then_some(data)
    }

    /// Makes a received pktinfo fit for sending: source address pinned, interface left to the routing table, as Unbound
    /// does (ip(7), ipv6(7)). Without pktinfo the kernel chooses the source.
    pub(super) fn pin_source(&mut self) {
        let interface = match self.pktinfo_len() {
            Some(V4_PKTINFO) => 0..4,
            Some(_) => 16..20,
            None => {
                self.control_len = 0;
                return;
            }
        };
        self.control[CMSG_HEADER..][interface].fill(0);
    }
}
