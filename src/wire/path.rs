//! The way back to a client.

use std::net::{IpAddr, SocketAddr};

use bytemuck::{Pod, Zeroable};

use super::{ETHERNET_LEN, IPV4_LEN, IPV6_LEN, UDP_LEN, VLAN_TAG_LEN, checksum};

/// How to address an answer: from us, to the client. Plain bytes of fixed size, to be kept with a pending question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ReturnPath {
    pub(super) destination_mac: [u8; 6],
    pub(super) source_mac: [u8; 6],
    /// 802.1Q tag control information, if `tagged`.
    pub(super) tci: u16,
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) is_v6: u8,
    pub(super) tagged: u8,
    /// An IPv4 address takes the first four bytes; the rest is zero.
    pub(super) source: [u8; 16],
    pub(super) destination: [u8; 16],
}

impl ReturnPath {
    /// Our address and port.
    #[inline]
    pub fn source(&self) -> SocketAddr {
        SocketAddr::new(self.ip(&self.source), self.source_port)
    }

    /// The client's address and port.
    #[inline]
    pub fn destination(&self) -> SocketAddr {
        SocketAddr::new(self.ip(&self.destination), self.destination_port)
    }

    /// The 802.1Q tag control information, if the question was tagged: the answer is tagged likewise.
    pub const fn vlan(&self) -> Option<u16> {
        if self.tagged == 1 { Some(self.tci) } else { None }
    }

    /// Bytes in front of the payload.
    #[inline(always)]
    pub const fn header_len(&self) -> usize {
        let link = if self.tagged == 1 { ETHERNET_LEN + VLAN_TAG_LEN } else { ETHERNET_LEN };
        link + if self.is_v6() { IPV6_LEN } else { IPV4_LEN } + UDP_LEN
    }

    pub(super) const fn set_vlan(&mut self, tci: u16) {
        (self.tci, self.tagged) = (tci, 1);
    }

    #[inline(always)]
    pub(super) fn set_v4(&mut self, source: [u8; 4], destination: [u8; 4]) {
        self.source[..4].copy_from_slice(&source);
        self.destination[..4].copy_from_slice(&destination);
    }

    #[inline(always)]
    pub(super) const fn set_v6(&mut self, source: [u8; 16], destination: [u8; 16]) {
        (self.source, self.destination, self.is_v6) = (source, destination, 1);
    }

    pub(super) const fn is_v6(&self) -> bool {
        self.is_v6 == 1
    }

    /// Sum of the pseudo header of a datagram of `udp_len` bytes; it is the same in both directions.
    #[inline(always)]
    pub(super) fn pseudo_header(&self, udp_len: u16) -> u64 {
        // Zeros behind IPv4 addresses add nothing.
        checksum::pseudo_header(&self.source, &self.destination, udp_len)
    }

    #[inline]
    fn ip(&self, bytes: &[u8; 16]) -> IpAddr {
        if self.is_v6() {
            IpAddr::V6(std::net::Ipv6Addr::from(*bytes))
        } else {
            IpAddr::V4(std::net::Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))
        }
    }
}
