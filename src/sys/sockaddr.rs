//! `sockaddr_in` and `sockaddr_in6` as octets, without casts: <netinet/in.h>, ip(7), ipv6(7).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Octets of a `sockaddr_in6`, the longer of the two.
pub const MAX_SOCKADDR: usize = 28;

const FAMILY: std::ops::Range<usize> = 0..2;
const PORT: std::ops::Range<usize> = 2..4;

/// Reads a socket address of `AF_INET` or `AF_INET6`; any other family or a short one is `None`.
pub fn parse(octets: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(octets.get(FAMILY)?.try_into().ok()?);
    let port = u16::from_be_bytes(octets.get(PORT)?.try_into().ok()?);
    match family as i32 {
        libc::AF_INET => {
            let address: [u8; 4] = octets.get(4..8)?.try_into().ok()?;
            Some(SocketAddr::V4(SocketAddrV4::new(address.into(), port)))
        }
        libc::AF_INET6 => {
            let flow = u32::from_be_bytes(octets.get(4..8)?.try_into().ok()?);
            let address: [u8; 16] = octets.get(8..24)?.try_into().ok()?;
            let scope = u32::from_ne_bytes(octets.get(24..28)?.try_into().ok()?);
            Some(SocketAddr::V6(SocketAddrV6::new(address.into(), port, flow, scope)))
        }
        _ => None,
    }
}

/// Octets of an `in_pktinfo` and an `in6_pktinfo`.
pub const V4_PKTINFO: usize = 12;
/// See [`V4_PKTINFO`].
pub const V6_PKTINFO: usize = 20;

/// The local address in an `in_pktinfo`: `ipi_spec_dst`, the address to answer from even for a broadcast.
pub fn parse_v4_pktinfo(octets: &[u8]) -> Option<IpAddr> {
    let address: [u8; 4] = octets.get(4..8)?.try_into().ok()?;
    Some(Ipv4Addr::from(address).into())
}

/// The local address in an `in6_pktinfo`.
pub fn parse_v6_pktinfo(octets: &[u8]) -> Option<IpAddr> {
    let address: [u8; 16] = octets.get(..16)?.try_into().ok()?;
    Some(Ipv6Addr::from(address).into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        let mut v4 = [0; 16];
        v4[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        v4[2..8].copy_from_slice(&[0, 53, 192, 0, 2, 1]);
        assert_eq!(parse(&v4), Some("192.0.2.1:53".parse().unwrap()));

        let mut v6 = [0; MAX_SOCKADDR];
        v6[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        v6[2..4].copy_from_slice(&[0x14, 0xe9]);
        v6[8..24].copy_from_slice(&"fe80::1".parse::<Ipv6Addr>().unwrap().octets());
        v6[24..].copy_from_slice(&7u32.to_ne_bytes());
        assert_eq!(parse(&v6), Some("[fe80::1%7]:5353".parse().unwrap()));
    }

    #[test]
    fn short_or_foreign_addresses_are_refused() {
        let mut v6 = [0; MAX_SOCKADDR];
        v6[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        for len in 0..MAX_SOCKADDR {
            assert_eq!(parse(&v6[..len]), None);
        }
        assert_eq!(parse(&[1, 0, 0, 53, 0, 0, 0, 0]), None);
    }
}
