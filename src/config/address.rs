//! An address with the zone that a link-local one is meant in.

use std::fmt;
use std::net::IpAddr;

/// Octets of an interface's name at most: of another one beside its own (ALTIFNAMSIZ without the final zero).
pub(super) const LONGEST_NAME: usize = 127;

/// An address and its zone (RFC 4007, section 11): `fe80::1%eth0`, `fe80::1%2`. Which interface that is, is looked up when
/// the address is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopedAddress {
    /// The address.
    pub ip: IpAddr,
    /// The name or the index of an interface; empty for none.
    pub zone: String,
}

impl ScopedAddress {
    /// Reads an address, perhaps with a zone. A zone stands behind IPv6 addresses alone; behind one that is not link-local
    /// it says nothing, as with Unbound.
    pub fn parse(text: &str) -> Option<Self> {
        let (ip, zone) = text.split_once('%').map_or((text, None), |(ip, zone)| (ip, Some(zone)));
        let ip = ip.parse::<IpAddr>().ok()?;
        match zone {
            None => Some(Self { ip, zone: String::new() }),
            Some(zone) if ip.is_ipv6() && is_zone(zone) => Some(Self { ip, zone: zone.to_owned() }),
            Some(_) => None,
        }
    }

    /// Whether it is link-local: without a zone it does not say where it is.
    pub fn is_link_local(&self) -> bool {
        matches!(self.ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
    }
}

impl From<IpAddr> for ScopedAddress {
    fn from(ip: IpAddr) -> Self {
        Self { ip, zone: String::new() }
    }
}

impl fmt::Display for ScopedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.zone.as_str() {
            "" => write!(f, "{}", self.ip),
            zone => write!(f, "{}%{zone}", self.ip),
        }
    }
}

fn is_zone(zone: &str) -> bool {
    (1..=LONGEST_NAME).contains(&zone.len()) && !zone.contains(['/', ' ', '%'])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_name_or_a_number_behind_an_ipv6_address() {
        for text in [
            "192.0.2.1",
            "2001:db8::1",
            "fe80::1",
            "fe80::1%vmbr0.20",
            "fe80::1%a-name-that-is-an-altname",
            "fe80::1%2",
            "2001:db8::1%eth0",
        ] {
            assert_eq!(ScopedAddress::parse(text).unwrap().to_string(), text);
        }
        for bad in
            ["192.0.2.1%eth0", "fe80::1%", &format!("fe80::1%{}", "a".repeat(128)), "fe80::1%a/b", "eth0", "", "%eth0"]
        {
            assert_eq!(ScopedAddress::parse(bad), None, "{bad}");
        }
        assert!(ScopedAddress::parse("fe80::1%2").unwrap().is_link_local());
        assert!(!ScopedAddress::parse("2001:db8::1%2").unwrap().is_link_local());
    }
}
