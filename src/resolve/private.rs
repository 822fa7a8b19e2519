//! Private addresses, which names of the outside must not point to (Unbound's iter_priv.c): DNS rebinding.

use super::reply::{Reply, Set};
use crate::dns::name::suffixes;
use crate::dns::record::{Record, read_name};
use crate::dns::{class, get_u16, rtype};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Keys of SVCB and HTTPS parameters that hold addresses (RFC 9460 section 14.3.2).
const IPV4HINT: u16 = 4;
const IPV6HINT: u16 = 6;

/// `private-address:` and `private-domain:`, compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Private {
    /// First and last addresses, in order, none within another one.
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
    /// Names at or below which every address is allowed, wire form, lower case.
    domains: HashSet<Box<[u8]>>,
}

impl Private {
    /// Takes networks as (address, prefix length), and names in wire form. The families never mix: an IPv4 address that is
    /// mapped into IPv6 is in an IPv6 network alone.
    pub fn new<'a>(
        networks: impl IntoIterator<Item = (IpAddr, u8)>,
        domains: impl IntoIterator<Item = &'a [u8]>,
    ) -> Private {
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
        let domains = domains.into_iter().map(|name| name.to_ascii_lowercase().into_boxed_slice());
        Private { v4: outermost(v4), v6: outermost(v6), domains: domains.collect() }
    }

    fn holds_v4(&self, octets: &[u8]) -> bool {
        <[u8; 4]>::try_from(octets).is_ok_and(|octets| holds(&self.v4, Ipv4Addr::from(octets).to_bits()))
    }

    fn holds_v6(&self, octets: &[u8]) -> bool {
        <[u8; 16]>::try_from(octets).is_ok_and(|octets| holds(&self.v6, Ipv6Addr::from(octets).to_bits()))
    }

    /// Takes the records with a private address out of the kept sets of a reply, and a set that none is left of.
    pub(super) fn scrub(&self, message: &[u8], reply: &mut Reply) {
        if self.v4.is_empty() && self.v6.is_empty() {
            return;
        }
        for place in 0..reply.sets.len() {
            let set = &reply.sets[place];
            let rtype = set.rtype;
            let has_addresses = matches!(rtype, rtype::A | rtype::AAAA | rtype::SVCB | rtype::HTTPS);
            if has_addresses && set.kept && !self.allows(message, set) {
                reply.retain(place, |record| !self.is_named_by(rtype, message, record));
            }
        }
    }

    /// Whether a record of one of the types that have addresses names a private one.
    fn is_named_by(&self, rtype: u16, message: &[u8], record: &Record) -> bool {
        let data = message.get(record.rdata.clone()).unwrap_or_default();
        match rtype {
            rtype::A => self.holds_v4(data),
            rtype::AAAA => self.holds_v6(data),
            _ => self.hints_at(message, record),
        }
    }

    /// Whether the owner of a set may have any address.
    fn allows(&self, message: &[u8], set: &Set) -> bool {
        let is_below = |name: &[u8]| suffixes(name).any(|suffix| self.domains.contains(suffix));
        set.class == class::IN
            && !self.domains.is_empty()
            && read_name(message, set.owner).is_some_and(|(owner, _)| is_below(owner.to_lower().as_wire()))
    }

    /// Whether an SVCB or HTTPS record hints at a private address. Of a parameter that is cut off, what is there counts.
    fn hints_at(&self, message: &[u8], record: &Record) -> bool {
        let data = record.rdata.clone();
        let Some((_, mut at)) = read_name(message, data.start + 2) else { return false };
        let message = message.get(..data.end).unwrap_or_default();
        while let (Some(key), Some(len)) = (get_u16(message, at), get_u16(message, at + 2)) {
            let end = (at + 4 + usize::from(len)).min(data.end);
            let value = message.get(at + 4..end).unwrap_or_default();
            let is_private = match key {
                IPV4HINT => value.chunks_exact(4).any(|octets| self.holds_v4(octets)),
                IPV6HINT => value.chunks_exact(16).any(|octets| self.holds_v6(octets)),
                _ => false,
            };
            if is_private {
                return true;
            }
            at = end;
        }
        false
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

    fn private(networks: &[(&str, u8)]) -> Private {
        Private::new(networks.iter().map(|&(address, prefix)| (address.parse().unwrap(), prefix)), [])
    }

    #[test]
    fn networks_hold_their_own_family_alone() {
        let some = [("10.0.0.0", 8), ("10.9.0.0", 16), ("192.0.2.7", 32), ("fd00::", 8), ("::ffff:0:0", 96)];
        let private = private(&some);
        assert_eq!((private.v4.len(), private.v6.len()), (2, 2), "a network within another one is nothing of its own");
        for (address, is_private) in [
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
            let held = match address.parse().unwrap() {
                IpAddr::V4(address) => private.holds_v4(&address.octets()),
                IpAddr::V6(address) => private.holds_v6(&address.octets()),
            };
            assert_eq!(held, is_private, "{address}");
        }
    }

    #[test]
    fn a_prefix_of_nothing_holds_everything() {
        let all = private(&[("0.0.0.0", 0), ("::", 0)]);
        assert!(all.holds_v4(&[255; 4]) && all.holds_v4(&[0; 4]) && all.holds_v6(&[255; 16]) && all.holds_v6(&[0; 16]));
        assert!(!all.holds_v4(&[10, 0, 0]) && !all.holds_v6(&[10; 4]), "no address");
    }
}
