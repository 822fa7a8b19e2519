//! `sockaddr_in` and `sockaddr_in6` as octets, without casts: <netinet/in.h>, ip(7), ipv6(7).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Octets of a `sockaddr_in6`, the longer of the two.
pub const MAX_SOCKADDR: usize = 28;
/// Octets of a `sockaddr_in`.
const V4_SOCKADDR: usize = 16;

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

/// Writes a socket address as the kernel reads it; gives its octets.
pub fn write(address: SocketAddr, octets: &mut [u8; MAX_SOCKADDR]) -> usize {
    octets[PORT].copy_from_slice(&address.port().to_be_bytes());
    let (family, len) = match address {
        SocketAddr::V4(v4) => {
            octets[4..8].copy_from_slice(&v4.ip().octets());
            (libc::AF_INET, V4_SOCKADDR)
        }
        SocketAddr::V6(v6) => {
            octets[4..8].copy_from_slice(&v6.flowinfo().to_be_bytes());
            octets[8..24].copy_from_slice(&v6.ip().octets());
            octets[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
            (libc::AF_INET6, MAX_SOCKADDR)
        }
    };
    octets[FAMILY].copy_from_slice(&(family as u16).to_ne_bytes());
    len
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
    fn what_is_written_is_read() {
        for (text, len) in [("192.0.2.1:53", 16), ("[2001:db8::1]:5353", 28), ("[fe80::1%7]:53", 28)] {
            let (address, mut octets) = (text.parse().unwrap(), [0; MAX_SOCKADDR]);
            assert_eq!(write(address, &mut octets), len);
            assert_eq!(parse(&octets[..len]), Some(address));
        }
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
