//! IPv4 servers of a network that has IPv6 alone, reached through its NAT64 (RFC 6146).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The prefix by which a NAT64 knows IPv4 addresses (RFC 6052).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat64 {
    prefix: Ipv6Addr,
    /// Octets of it.
    len: usize,
}

/// The octet that no address is written to (RFC 6052 section 2.2: bits 64 to 71).
const GAP: usize = 8;

impl Nat64 {
    /// The prefix has 32, 40, 48, 56, 64 or 96 bits.
    pub fn new(prefix: Ipv6Addr, bits: u8) -> Nat64 {
        Nat64 { prefix, len: usize::from(bits.min(96) / 8) }
    }

    /// Where an IPv4 address is reached.
    fn embed(&self, address: Ipv4Addr) -> Ipv6Addr {
        let mut octets = [0; 16];
        octets[..self.len].copy_from_slice(&self.prefix.octets()[..self.len]);
        let places = (self.len..16).filter(|&place| place != GAP);
        places.zip(address.octets()).for_each(|(place, octet)| octets[place] = octet);
        Ipv6Addr::from(octets)
    }

    /// Where a server is reached: an IPv4 address within the prefix, another where it is.
    pub fn reach(&self, server: SocketAddr) -> SocketAddr {
        match server.ip() {
            IpAddr::V4(address) => SocketAddr::new(self.embed(address).into(), server.port()),
            IpAddr::V6(_) => server,
        }
    }

    /// Whether an address lies within the prefix.
    pub fn holds(&self, address: IpAddr) -> bool {
        matches!(address, IpAddr::V6(address) if address.octets()[..self.len] == self.prefix.octets()[..self.len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of RFC 6052 section 2.4.
    #[test]
    fn addresses_are_embedded_as_the_rfc_has_it() {
        for (prefix, bits, reached) in [
            ("2001:db8::", 32, "2001:db8:c000:221::"),
            ("2001:db8:100::", 40, "2001:db8:1c0:2:21::"),
            ("2001:db8:122::", 48, "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::", 96, "2001:db8:122:344::192.0.2.33"),
        ] {
            let nat64 = Nat64::new(prefix.parse().unwrap(), bits);
            let server = nat64.reach("192.0.2.33:5300".parse().unwrap());
            assert_eq!((server.ip(), server.port()), (reached.parse().unwrap(), 5300), "{prefix}/{bits}");
            assert!(nat64.holds(server.ip()) && !nat64.holds("2001:db9::1".parse().unwrap()));
        }
        let v6 = "[2001:db8::1]:53".parse().unwrap();
        assert_eq!(Nat64::new("64:ff9b::".parse().unwrap(), 96).reach(v6), v6);
    }
}
