//! Sets of networks, each family of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks; whether an address is in one of them takes a search in a sorted list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// First and last addresses, in order, none within another one.
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    /// None.
    pub const NONE: Networks = Networks { v4: Vec::new(), v6: Vec::new() };

    /// Takes networks as (address, prefix length). The families never mix: an IPv4 address that is mapped into IPv6 is in an IPv6
    /// network alone.
    pub fn new(networks: impl IntoIterator<Item = (IpAddr, u8)>) -> Networks {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (address, prefix) in networks {
            match address {
                IpAddr::V4(address) => {
                    let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
                    v4.push((address.to_bits() & !host, address.to_bits() | host));
                }
                IpAddr::V6(address) => {
                    let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
                    v6.push((address.to_bits() & !host, address.to_bits() | host));
                }
            }
        }
        Networks { v4: outermost(v4), v6: outermost(v6) }
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether an address is in one of them.
    pub fn holds(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => holds(&self.v4, address.to_bits()),
            IpAddr::V6(address) => holds(&self.v6, address.to_bits()),
        }
    }

    /// Whether the address in the data of an A record is in one of them.
    pub fn holds_v4(&self, octets: &[u8]) -> bool {
        <[u8; 4]>::try_from(octets).is_ok_and(|octets| holds(&self.v4, Ipv4Addr::from(octets).to_bits()))
    }

    /// Whether the address in the data of an AAAA record is in one of them.
    pub fn holds_v6(&self, octets: &[u8]) -> bool {
        <[u8; 16]>::try_from(octets).is_ok_and(|octets| holds(&self.v6, Ipv6Addr::from(octets).to_bits()))
    }
}

/// Leaves out the networks that lie within others.
fn outermost<T: Ord + Copy>(mut networks: Vec<(T, T)>) -> Vec<(T, T)> {
    networks.sort_unstable_by_key(|&(first, last)| (first, std::cmp::Reverse(last)));
    networks.dedup_by(|inner, outer| inner.1 <= outer.1);
    networks
}

fn holds<T: Ord + Copy>(networks: &[(T, T)], address: T) -> bool {
    let above = networks.partition_point(|&(first, _)| first <= address);
    above.checked_sub(1).and_then(|place| networks.get(place)).is_some_and(|&(_, last)| address <= last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(networks: &[(&str, u8)]) -> Networks {
        Networks::new(networks.iter().map(|&(address, prefix)| (address.parse().unwrap(), prefix)))
    }

    #[test]
    fn networks_hold_their_own_family_alone() {
        let some = [("10.0.0.0", 8), ("10.9.0.0", 16), ("192.0.2.7", 32), ("fd00::", 8), ("::ffff:0:0", 96)];
        let networks = networks(&some);
        assert_eq!(
            (networks.v4.len(), networks.v6.len()),
            (2, 2),
            "a network within another one is nothing of its own"
        );
        for (address, is_held) in [
            ("9.255.255.255", false),
            ("10.0.0.0", true),
            ("10.9.255.255", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("192.0.2.6", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("fd00::1", true),
            ("fe00::", false),
            ("::ffff:192.0.2.1", true),
            ("::a00:1", false),
        ] {
            let address: IpAddr = address.parse().unwrap();
            let by_octets = match address {
                IpAddr::V4(address) => networks.holds_v4(&address.octets()),
                IpAddr::V6(address) => networks.holds_v6(&address.octets()),
            };
            assert_eq!((networks.holds(address), by_octets), (is_held, is_held), "{address}");
        }
    }

    #[test]
    fn a_prefix_of_nothing_holds_everything() {
        let all = networks(&[("0.0.0.0", 0), ("::", 0)]);
        assert!(all.holds_v4(&[255; 4]) && all.holds_v4(&[0; 4]) && all.holds_v6(&[255; 16]) && all.holds_v6(&[0; 16]));
        assert!(!all.holds_v4(&[10, 0, 0]) && !all.holds_v6(&[10; 4]), "no address");
    }
}
