//! The network interfaces, as getifaddrs(3) and sysfs tell.

use crate::number;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::{fmt, fs, io};

use super::names::Named;
use crate::sys::ethtool;
use getifaddrs::{Address, InterfaceFlags};

/// The MTU to go by when sysfs does not tell (Ethernet's).
const USUAL_MTU: u32 = 1500;

/// One interface of this network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Other names that it has beside it.
    pub altnames: Vec<String>,
    /// Its index: another one after it was removed and made again.
    pub index: u32,
    /// Its MAC address; none on loopback and tunnels.
    pub mac: Option<[u8; 6]>,
    /// Its MTU in bytes, without the Ethernet header.
    pub mtu: u32,
    /// Whether it is set up.
    pub up: bool,
    /// Whether it is a loopback interface.
    pub loopback: bool,
    /// Its addresses.
    pub addresses: Vec<InterfaceAddress>,
    /// Its receive queues in use; one when sysfs does not tell.
    pub rx_queues: u32,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The address.
    pub ip: IpAddr,
    /// Length of its network's prefix in bits.
    pub prefix: u8,
}

impl fmt::Display for InterfaceAddress {
    /// With its prefix: `192.0.2.1/24`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

impl InterfaceAddress {
    /// Whether it is an IPv6 address that is valid at its link alone.
    pub fn is_link_local(&self) -> bool {
        is_link_local(self.ip)
    }

    /// The broadcast address of its network: of IPv4, where the prefix leaves room for one (RFC 3021: not at 31 bits).
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.ip {
            IpAddr::V4(ip) if self.prefix < 31 => Some(Ipv4Addr::from_bits(ip.to_bits() | u32::MAX >> self.prefix)),
            _ => None,
        }
    }

    /// The network it is in, of either family, with its prefix.
    pub fn subnet(&self) -> InterfaceAddress {
        let ip = match self.ip {
            IpAddr::V4(ip) => IpAddr::V4(self.network().unwrap_or(ip)),
            IpAddr::V6(ip) => {
                let host = u128::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                IpAddr::V6((ip.to_bits() & !host).into())
            }
        };
        InterfaceAddress { ip, prefix: self.prefix }
    }

    /// The network it is in; `None` of IPv6.
    pub fn network(&self) -> Option<Ipv4Addr> {
        let IpAddr::V4(ip) = self.ip else { return None };
        let host = u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
        Some(Ipv4Addr::from_bits(ip.to_bits() & !host))
    }

    /// Whether `other` is in this address's network.
    pub fn covers(&self, other: IpAddr) -> bool {
        let same = |a: u128, b: u128, bits: u32| {
            let host = bits.saturating_sub(u32::from(self.prefix));
            a.checked_shr(host).unwrap_or(0) == b.checked_shr(host).unwrap_or(0)
        };
        match (self.ip, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

/// Whether an address is an IPv6 one that is valid at a link alone.
pub fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

impl Named for Interface {
    fn name(&self) -> &str {
        &self.name
    }

    fn altnames(&self) -> &[String] {
        &self.altnames
    }
}

impl Interface {
    /// Whether it carries `ip`.
    pub fn has(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|address| address.ip == ip)
    }
}

/// The index of the interface that the zone of an IPv6 address names, else of the one it is the index of (as
/// if_nametoindex(3) and atoi(3) in Unbound). `interfaces`: each of their names with the index.
pub fn zone_index<'a>(zone: &str, interfaces: impl Iterator<Item = (&'a str, u32)> + Clone) -> Option<u32> {
    let named = interfaces.clone().find(|(name, _)| *name == zone);
    let numbered = || interfaces.clone().find(|(_, index)| number::read(zone, 1..=u32::MAX) == Ok(*index));
    named.or_else(numbered).map(|(_, index)| index)
}

/// All interfaces, by index, without their other names.
///
/// # Errors
/// getifaddrs(3)'s: EAFNOSUPPORT when a systemd unit's RestrictAddressFamilies lacks AF_NETLINK.
pub(super) fn with_addresses() -> io::Result<Vec<Interface>> {
    let mut found = BTreeMap::new();
    for entry in getifaddrs::getifaddrs()? {
        // `eth0:1` is a label of an address, not an interface.
        let name = entry.name.split(':').next().unwrap_or(&entry.name).to_owned();
        let Some(index) = entry.index else { continue };
        let interface: &mut Interface = found.entry(index).or_insert_with(|| Interface {
            mtu: fact(&name, "mtu").unwrap_or(USUAL_MTU),
            rx_queues: rx_queues(&name),
            name,
            altnames: Vec::new(),
            index,
            mac: None,
            up: entry.flags.contains(InterfaceFlags::UP),
            loopback: entry.flags.contains(InterfaceFlags::LOOPBACK),
            addresses: Vec::new(),
        });
        match &entry.address {
            Address::Mac(mac) => interface.mac = Some(*mac).filter(|mac| *mac != [0; 6]),
            address => interface.addresses.extend(address.ip_addr().map(|ip| InterfaceAddress {
                ip,
                prefix: address.netmask().map_or(if ip.is_ipv4() { 32 } else { 128 }, prefix_len),
            })),
        }
    }
    Ok(found.into_values().collect())
}

fn fact(interface: &str, name: &str) -> Option<u32> {
    fs::read_to_string(format!("/sys/class/net/{interface}/{name}")).ok()?.trim().parse().ok()
}

/// Receive queues in use now: as sysfs lists them, else as the driver tells ethtool, else one.
///
/// sysfs comes first because it counts what the kernel will accept an AF_XDP socket on; it is missing where `/sys` belongs
/// to another network namespace.
pub fn rx_queues(interface: &str) -> u32 {
    let entries = fs::read_dir(format!("/sys/class/net/{interface}/queues")).into_iter().flatten().flatten();
    match entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"rx-")).count() {
        0 => ethtool::channels(interface).map_or(1, |channels| (channels.rx + channels.combined).max(1)),
        count => u32::try_from(count).unwrap_or(1),
    }
}

fn prefix_len(netmask: IpAddr) -> u8 {
    let ones = match netmask {
        IpAddr::V4(mask) => mask.to_bits().leading_ones(),
        IpAddr::V6(mask) => mask.to_bits().leading_ones(),
    };
    // At most 128.
    ones as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn loopback_carries_its_address() {
        let all = with_addresses().expect("getifaddrs");
        let localhost = Ipv4Addr::LOCALHOST.into();
        let loopback = all.iter().find(|interface| interface.has(localhost)).expect("127.0.0.1 is somewhere");
        assert!(loopback.loopback && loopback.up && loopback.index > 0);
        assert_eq!(loopback.mac, None);
        assert!(loopback.mtu >= 1280 && loopback.rx_queues >= 1);
        let address = loopback.addresses.iter().find(|address| address.ip == Ipv4Addr::LOCALHOST);
        assert_eq!(address.map(|address| address.prefix), Some(8));
    }

    #[test]
    fn prefixes() {
        assert_eq!(prefix_len(Ipv4Addr::new(255, 255, 254, 0).into()), 23);
        assert_eq!(prefix_len(Ipv4Addr::UNSPECIFIED.into()), 0);
        assert_eq!(prefix_len(Ipv6Addr::from_bits(u128::MAX).into()), 128);
    }
}
