//! `--address`, `--bridge`, `--vlan` and `--steer`: where an installation is to stand in the host's network.

use super::address::LONGEST_NAME;
use crate::number;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The bridge that Proxmox' own network stands on, untagged.
pub const PROXMOX_BRIDGE: &str = "vmbr0";

/// VLANs that IEEE 802.1Q gives to networks; 0 and 4095 are reserved.
pub const VLANS: RangeInclusive<u16> = 1..=4094;

/// What these options say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// `--address`, each with the prefix length of its subnet.
    pub addresses: Vec<HostAddress>,
    /// `--bridge`
    pub bridge: Option<String>,
    /// `--share-bridge`: the bridge may be the one that the host's own network stands on.
    pub share_bridge: bool,
    /// `--replace`: the pair may lose addresses that the configuration serves now, or take them to another bridge or VLAN.
    pub replace: bool,
    /// `--no-probe`: nobody is asked whether another host has the addresses.
    pub no_probe: bool,
    /// `--vlan`, each with the number of addresses that were named before it.
    vlans: Vec<(usize, u16)>,
    /// `--steer`, hardware whose queries are steered to its first receive queue.
    pub steer: Vec<String>,
}

/// An address a host can have in a subnet. Displayed as `192.168.10.250/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostAddress {
    /// The address.
    pub ip: IpAddr,
    /// Length of the subnet's prefix in bits.
    pub prefix: u8,
}

impl Site {
    /// True when none of the options was given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes in the value of an `--address`.
    ///
    /// # Errors
    /// Why it is no address to serve at.
    pub fn add_address(&mut self, text: &str) -> Result<(), String> {
        let address = text.parse::<HostAddress>().map_err(|cause| format!("--address {text}: {cause}"))?;
        if self.addresses.iter().any(|known| known.ip == address.ip) {
            return Err(format!("--address {text}: is given twice"));
        }
        self.addresses.push(address);
        Ok(())
    }

    /// Takes in the value of a `--bridge`.
    ///
    /// # Errors
    /// Why it is no name of a bridge, or when one was given before.
    pub fn set_bridge(&mut self, name: &str) -> Result<(), String> {
        check_name(name).map_err(|cause| format!("--bridge {name}: {cause}"))?;
        match self.bridge.replace(name.to_owned()) {
            None => Ok(()),
            Some(first) => Err(format!("--bridge {name}: {first} was given already; one bridge is enough")),
        }
    }

    /// Takes in the value of a `--vlan`: that of the addresses before it that have none yet.
    ///
    /// # Errors
    /// Why it is no VLAN.
    pub fn add_vlan(&mut self, text: &str) -> Result<(), String> {
        let vlan = number::read(text, VLANS).map_err(|cause| format!("--vlan {text}: {cause}"))?;
        self.vlans.push((self.addresses.len(), vlan));
        Ok(())
    }

    /// The VLAN of the address at `place` of [`Self::addresses`]. One that stands alone is that of all of them, wherever it
    /// stands.
    pub fn vlan(&self, place: usize) -> Option<u16> {
        match self.vlans.as_slice() {
            [(_, only)] => Some(*only),
            several => several.iter().find(|(before, _)| *before > place).map(|(_, vlan)| *vlan),
        }
    }

    /// The addresses with their VLANs, as a command line has them.
    pub fn words(&self) -> String {
        let words = self.addresses.iter().enumerate().map(|(place, address)| {
            let vlan = self
                .vlan(place)
                .filter(|vlan| self.addresses.len() == place + 1 || self.vlan(place + 1) != Some(*vlan));
            vlan.map_or_else(|| format!("--address {address}"), |vlan| format!("--address {address} --vlan {vlan}"))
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// All VLANs, each once, in order.
    pub fn vlans(&self) -> Vec<u16> {
        let mut vlans: Vec<u16> = self.vlans.iter().map(|(_, vlan)| *vlan).collect();
        vlans.sort_unstable();
        vlans.dedup();
        vlans
    }

    /// Takes in the value of a `--steer`.
    ///
    /// # Errors
    /// Why it is no name of an interface, or when it was given before.
    pub fn add_steer(&mut self, name: &str) -> Result<(), String> {
        check_name(name).map_err(|cause| format!("--steer {name}: {cause}"))?;
        if self.steer.iter().any(|known| known == name) {
            return Err(format!("--steer {name}: is given twice"));
        }
        self.steer.push(name.to_owned());
        Ok(())
    }

    /// What is missing for the options to make sense together.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        let given = self.vlans.iter().zip(self.vlans.iter().skip(1));
        let apart = given.clone().all(|(one, next)| one.0 < next.0) && self.vlans.first().is_none_or(|one| one.0 > 0);
        let covered = self.vlans.last().is_none_or(|last| last.0 == self.addresses.len());
        match (self.addresses.is_empty(), &self.bridge) {
            (true, None) if !self.steer.is_empty() => Some("--steer goes with --address and --bridge"),
            (_, None) if !self.vlans.is_empty() => Some("--vlan goes with --address and --bridge"),
            (_, None) if self.share_bridge => Some("--share-bridge goes with --address and --bridge"),
            (_, None) if self.replace => Some("--replace goes with --address and --bridge"),
            (_, None) if self.no_probe => Some("--no-probe goes with --address and --bridge"),
            _ if self.vlans.len() > 1 && !(apart && covered) => {
                Some("each --vlan stands behind the --address it is for: --address A --vlan 10 --address B --vlan 20")
            }
            (true, Some(_)) => Some("--bridge wants an --address A/len, that of runbound in the bridge's subnet"),
            (false, None) => Some("--address wants a --bridge, on which the address is to be reached"),
            _ => None,
        }
    }
}

/// Whether a name of an interface means nothing but itself in a script.
pub fn is_plain(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    !(name.is_empty() || name == "." || name == ".." || name.starts_with('-')) && name.chars().all(fine)
}

/// Names go into scripts, so they are held to letters that mean nothing there; the kernel would take more.
fn check_name(name: &str) -> Result<(), String> {
    if !is_plain(name) {
        return Err("is no name of an interface; `ip -br link` lists them".into());
    }
    if name.len() > LONGEST_NAME {
        return Err(format!("has {} letters, names of interfaces have at most {LONGEST_NAME}", name.len()));
    }
    Ok(())
}

impl HostAddress {
    /// The bits of the address below the prefix, and whether all of them are set.
    fn host_part(&self) -> (u128, bool) {
        let (bits, width) = match self.ip {
            IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32),
            IpAddr::V6(ip) => (ip.to_bits(), 128),
        };
        let mask = u128::MAX.checked_shr(128 - (width - u32::from(self.prefix))).unwrap_or(0);
        (bits & mask, bits & mask == mask)
    }

    /// The subnet, as `access-control:` takes it: `192.168.10.0/24`.
    pub fn network(&self) -> String {
        let host = self.host_part().0;
        let network = match self.ip {
            // The host part of an IPv4 address has at most 32 bits.
            IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & !(host as u32))),
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !host)),
        };
        format!("{network}/{}", self.prefix)
    }

    fn check(&self) -> Result<(), String> {
        let (host, all_ones) = self.host_part();
        let bits_left = if self.ip.is_ipv4() { 32 } else { 128 } - self.prefix;
        let kind = match self.ip {
            IpAddr::V4(ip) if ip.is_link_local() => Some("a link-local address"),
            IpAddr::V4(ip) if ip.is_broadcast() || ip.octets()[0] == 0 || ip.octets()[0] >= 240 => {
                Some("no address of a host")
            }
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Some("a link-local address"),
            IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => {
                Some("an IPv4 address in IPv6's clothes; write it as IPv4")
            }
            ip if ip.is_unspecified() => Some("no address of a host"),
            ip if ip.is_loopback() => Some("a loopback address"),
            ip if ip.is_multicast() => Some("a multicast address"),
            _ if bits_left >= 2 && host == 0 => Some("the address of the subnet itself, not of a host in it"),
            IpAddr::V4(_) if bits_left >= 2 && all_ones => Some("the broadcast address of the subnet"),
            _ => None,
        };
        kind.map_or(Ok(()), |kind| {
            Err(format!("is {kind}; give runbound a free address of its own in the bridge's subnet"))
        })
    }
}

impl FromStr for HostAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write address and prefix length, such as 192.168.10.250/24";
        let (ip, prefix) = text.split_once('/').ok_or_else(|| format!("has no prefix length; {example}"))?;
        let ip = ip.parse::<IpAddr>().map_err(|_| format!("{ip:?} is no IP address; {example}"))?;
        let width = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = number::read(prefix, 1..=width).map_err(|error| format!("prefix length: {error}; {example}"))?;
        let address = Self { ip, prefix };
        address.check().map(|()| address)
    }
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_hosts_are_taken_with_their_subnet() {
        for (text, network) in [
            ("192.168.10.250/24", "192.168.10.0/24"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.0.0.0/31", "10.0.0.0/31"),
            ("10.0.0.1/31", "10.0.0.0/31"),
            ("192.0.2.7/32", "192.0.2.7/32"),
            ("128.0.0.1/1", "128.0.0.0/1"),
            ("fd53::2/64", "fd53::/64"),
            ("2001:db8::1/128", "2001:db8::1/128"),
        ] {
            let address: HostAddress = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.network().as_str()), (text, network));
        }
    }

    #[test]
    fn others_are_refused_with_the_cause() {
        for (text, cause) in [
            ("192.168.10.250", "no prefix length"),
            ("192.168.10/24", "is no IP address"),
            ("/24", "is no IP address"),
            ("192.168.10.250/33", "from 1 to 32"),
            ("192.168.10.250/0", "from 1 to 32"),
            ("192.168.10.250/", "from 1 to 32"),
            ("192.168.10.250/+24", "from 1 to 32"),
            ("192.168.10.250/255.255.255.0", "from 1 to 32"),
            ("fd53::2/129", "from 1 to 128"),
            ("192.168.10.0/24", "the subnet itself"),
            ("192.168.10.255/24", "broadcast"),
            ("255.255.255.255/32", "no address of a host"),
            ("0.0.0.0/8", "no address of a host"),
            ("127.0.0.1/8", "loopback"),
            ("::1/128", "loopback"),
            ("224.0.0.1/24", "multicast"),
            ("ff02::1/64", "multicast"),
            ("169.254.1.1/16", "link-local"),
            ("fe80::1/64", "link-local"),
            ("fd53::/64", "the subnet itself"),
            ("::ffff:192.0.2.1/120", "as IPv4"),
        ] {
            let error = text.parse::<HostAddress>().unwrap_err();
            assert!(error.contains(cause), "{text}: {error}");
        }
    }

    #[test]
    fn vlans_belong_to_the_addresses_before_them() {
        let site = |words: &[&str]| {
            let mut site = Site { bridge: Some("vmbr0".into()), ..Site::default() };
            for word in words {
                if word.contains('/') { site.add_address(word) } else { site.add_vlan(word) }.unwrap();
            }
            site
        };
        let of = |site: &Site| (0..site.addresses.len()).map(|place| site.vlan(place)).collect::<Vec<_>>();
        let (one, two, three) = ("10.0.0.1/24", "fd53::1/64", "10.1.0.1/24");
        for words in [[one, two, "10"], [one, "10", two], ["10", one, two]] {
            let site = site(&words);
            assert_eq!(
                (of(&site), site.vlans(), site.mistake()),
                (vec![Some(10), Some(10)], vec![10], None),
                "{words:?}"
            );
        }
        let trunk = site(&[one, two, "20", three, "10"]);
        assert_eq!((of(&trunk), trunk.vlans()), (vec![Some(20), Some(20), Some(10)], vec![10, 20]));
        assert_eq!((trunk.mistake(), site(&[one]).vlan(0)), (None, None));
        for words in [vec!["10", one, "20"], vec![one, "10", "20"], vec![one, "10", two, "20", three]] {
            assert!(site(&words).mistake().is_some(), "{words:?}");
        }
        for vlan in ["0", "4095", "", "+1", "ten", "10-20"] {
            assert!(Site::default().add_vlan(vlan).unwrap_err().contains("from 1 to 4094"), "{vlan}");
        }
        let mut lonely = Site::default();
        lonely.add_vlan("10").unwrap();
        assert!(lonely.mistake().is_some() && Site { share_bridge: true, ..Site::default() }.mistake().is_some());
    }

    #[test]
    fn names_fit_the_kernel_and_the_shell() {
        let mut site = Site::default();
        for name in ["", ".", "..", "-i", "a b", "a/b", "br0;reboot", "$(x)", "a:1", &"b".repeat(128)] {
            assert!(site.set_bridge(name).is_err() && site.add_steer(name).is_err(), "{name}");
        }
        site.set_bridge("another-name-beside-its-own").unwrap();
        assert!(site.set_bridge("br-rb").unwrap_err().contains("given already"));
        site.add_steer("enp33s0f0").unwrap();
        assert!(site.add_steer("enp33s0f0").is_err());
        site.add_address("10.0.0.1/24").unwrap();
        assert!(site.add_address("10.0.0.1/8").is_err());
    }
}
