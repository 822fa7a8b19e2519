//! What the network is to be: the one model that every source of settings is read into.

use runbound::host::{Interface, Named};
use runbound::number;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// What an MTU may be: IPv4 wants 68, an interface has no more than the most that a packet can hold.
pub const MTU: RangeInclusive<u32> = 68..=65_535;

/// A MAC address.
pub type Mac = [u8; 6];

/// The whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkPlan {
    /// Links in the order of the source; what a bond or VLAN stands on is named, wherever it is in the list.
    pub links: Vec<LinkPlan>,
    /// Servers to forward to, in order, each once.
    pub nameservers: Vec<IpAddr>,
    /// Routes that no link was named for.
    pub routes: Vec<RoutePlan>,
    /// The name of the host, where the source of the network tells one (`ip=`).
    pub hostname: Option<String>,
}

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkPlan {
    /// What other links of the plan call it.
    pub id: String,
    /// Which one it is, or what to make.
    pub kind: LinkKind,
    /// The name to give it; `None` leaves the kernel's.
    pub name: Option<String>,
    /// MTU in bytes.
    pub mtu: Option<u32>,
    /// Addresses with the prefix of their network.
    pub addresses: Vec<Network>,
    /// Routes by this link.
    pub routes: Vec<RoutePlan>,
    /// Ask a DHCPv4 server.
    pub dhcp4: bool,
    /// Ask a DHCPv6 server for an address.
    pub dhcp6: bool,
    /// Take addresses and routes from router advertisements; `None` leaves the kernel's default, which is yes.
    pub accept_ra: Option<bool>,
}

/// What a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// The NIC with this MAC.
    ByMac(Mac),
    /// The NIC that the kernel calls so.
    ByName(String),
    /// A bond of other links of the plan.
    Bond(BondPlan),
    /// A VLAN on another link.
    Vlan {
        /// The id of the link below.
        parent: String,
        /// 1 to 4094.
        tag: u16,
    },
}

impl Default for LinkKind {
    fn default() -> Self {
        LinkKind::ByName(String::new())
    }
}

/// A bond, in the words of the kernel's bonding documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BondPlan {
    /// The ids of its ports.
    pub ports: Vec<String>,
    /// `mode` by number; `balance-rr` is 0.
    pub mode: u8,
    /// `miimon` in milliseconds.
    pub miimon: Option<u32>,
    /// `lacp_rate`: fast.
    pub lacp_fast: Option<bool>,
    /// `xmit_hash_policy` by number.
    pub hash_policy: Option<u8>,
    /// Its MAC.
    pub mac: Option<Mac>,
}

/// Names of the bond modes, by number.
pub const BOND_MODES: [&str; 7] =
    ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];

/// Names of the transmit hash policies, by number.
pub const HASH_POLICIES: [&str; 6] = ["layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"];

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePlan {
    /// Where to; prefix 0 is the default route.
    pub to: Network,
    /// The gateway; `None` for what is on the link itself.
    pub via: Option<IpAddr>,
    /// Its metric; lower is better.
    pub metric: Option<u32>,
}

impl RoutePlan {
    /// The default route by a gateway.
    pub fn default_by(gateway: IpAddr) -> Self {
        let any = match gateway {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { to: Network { ip: any, prefix: 0 }, via: Some(gateway), metric: None }
    }
}

/// An address and the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    /// The address.
    pub ip: IpAddr,
    /// Bits.
    pub prefix: u8,
}

impl Network {
    /// `ip` with a mask: dotted, or a number of bits.
    pub fn with_mask(ip: IpAddr, mask: &str) -> Option<Self> {
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = match mask.parse::<IpAddr>() {
            Ok(IpAddr::V4(mask)) if ip.is_ipv4() => {
                let bits = mask.to_bits();
                (bits.leading_ones() + bits.trailing_zeros() >= 32).then_some(bits.leading_ones())?
            }
            Ok(IpAddr::V6(mask)) if ip.is_ipv6() => {
                let bits = mask.to_bits();
                (bits.leading_ones() + bits.trailing_zeros() >= 128).then_some(bits.leading_ones())?
            }
            Ok(_) => return None,
            Err(_) => number::read(mask, 0..=most).ok()?,
        };
        Some(Self { ip, prefix: u8::try_from(prefix).ok()? })
    }
}

impl Network {
    /// The network itself: the bits behind the prefix are 0.
    pub fn masked(self) -> Self {
        let host = u32::from(self.prefix);
        let ip = match self.ip {
            IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() & !u32::MAX.checked_shr(host).unwrap_or(0)).into()),
            IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & !u128::MAX.checked_shr(host).unwrap_or(0)).into()),
        };
        Self { ip, ..self }
    }

    /// Whether an address is in this network.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let same = match (self.ip, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => (own.to_bits() ^ ip.to_bits()).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(ip)) => (own.to_bits() ^ ip.to_bits()).leading_zeros(),
            _ => return false,
        };
        same >= u32::from(self.prefix)
    }
}

impl FromStr for Network {
    type Err = ();

    /// `192.0.2.1/24`; without a prefix the address alone.
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        match text.split_once('/') {
            Some((ip, mask)) => Self::with_mask(ip.parse::<IpAddr>().map_err(|_| ())?, mask).ok_or(()),
            None => {
                let ip = text.parse::<IpAddr>().map_err(|_| ())?;
                Ok(Self { ip, prefix: if ip.is_ipv4() { 32 } else { 128 } })
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

/// A plan, and what of its source was not honoured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// What is to be.
    pub plan: NetworkPlan,
    /// Each with the place it is about.
    pub warnings: Vec<String>,
}

impl NetworkPlan {
    /// DHCPv4 and SLAAC on these interfaces.
    pub fn automatic(names: impl IntoIterator<Item = String>) -> Self {
        let link = |name: String| LinkPlan {
            id: name.clone(),
            kind: LinkKind::ByName(name),
            dhcp4: true,
            accept_ra: Some(true),
            ..LinkPlan::default()
        };
        Self { links: names.into_iter().map(link).collect(), ..Self::default() }
    }

    /// Whether the settings say that router advertisements count on this interface.
    pub fn takes_advertisements(&self, interface: &Interface) -> bool {
        let is_it = |link: &&LinkPlan| match (&link.name, &link.kind) {
            (Some(name), _) => interface.is_called(name),
            (None, LinkKind::ByMac(mac)) => interface.mac == Some(*mac),
            (None, LinkKind::ByName(name)) => interface.is_called(name),
            (None, _) => link.id == interface.name,
        };
        self.links.iter().find(is_it).is_some_and(|link| link.accept_ra == Some(true))
    }

    /// Adds a server that is not there yet.
    pub fn add_nameserver(&mut self, server: IpAddr) {
        if !self.nameservers.contains(&server) {
            self.nameservers.push(server);
        }
    }
}

/// `02:00:5e:00:53:01`, either case.
pub fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac = [0; 6];
    let mut parts = text.trim().split([':', '-']);
    for octet in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *octet = number::read_hex(part, 0..=u8::MAX).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

/// As the kernel prints it.
pub fn mac_text(mac: Mac) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

/// Whether the kernel takes this as an interface's name.
pub fn is_link_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 16
        && name != "."
        && name != ".."
        && name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'/' && octet != b':')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_bits_or_dotted() {
        let ip = "192.0.2.1".parse().unwrap();
        for (mask, prefix) in
            [("255.255.255.0", Some(24)), ("24", Some(24)), ("0.0.0.0", Some(0)), ("255.255.255.255", Some(32))]
        {
            assert_eq!(Network::with_mask(ip, mask).map(|network| network.prefix), prefix, "{mask}");
        }
        for mask in ["255.0.255.0", "33", "+24", "-1", "ffff::", "x", ""] {
            assert_eq!(Network::with_mask(ip, mask), None, "{mask}");
        }
        assert_eq!("2001:db8::1/64".parse::<Network>().unwrap().to_string(), "2001:db8::1/64");
        assert_eq!("192.0.2.1".parse::<Network>().unwrap().prefix, 32);
        assert!("192.0.2.1/64".parse::<Network>().is_err());
    }

    #[test]
    fn a_network_contains_what_shares_its_prefix() {
        let contains = |network: &str, ip: &str| network.parse::<Network>().unwrap().contains(ip.parse().unwrap());
        assert!(contains("192.0.2.7/24", "192.0.2.255") && !contains("192.0.2.7/24", "192.0.3.0"));
        assert!(contains("192.0.2.7/32", "192.0.2.7") && contains("0.0.0.0/0", "203.0.113.1"));
        assert!(contains("2001:db8::1/64", "2001:db8::2") && !contains("2001:db8::1/64", "2001:db8:1::"));
        assert!(!contains("::/0", "192.0.2.1"));
    }

    #[test]
    fn macs_come_in_either_case() {
        assert_eq!(parse_mac("BC:24:11:00:00:0a"), Some([0xbc, 0x24, 0x11, 0, 0, 10]));
        for text in ["", "bc:24:11:00:00", "bc:24:11:00:00:0a:0b", "bc:24:11:00:00:g0", "+1:24:11:00:00:00"] {
            assert_eq!(parse_mac(text), None, "{text}");
        }
        assert_eq!(mac_text([0xbc, 0x24, 0x11, 0, 0, 10]), "bc:24:11:00:00:0a");
    }

    #[test]
    fn names_are_those_of_the_kernel() {
        assert!(is_link_name("eth0") && is_link_name("bond0.10"));
        for name in ["", ".", "..", "a/b", "a b", "sixteen-octets-x", "a:b"] {
            assert!(!is_link_name(name), "{name}");
        }
    }
}
