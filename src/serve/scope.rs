//! At which interface a link-local address is meant: its zone becomes the index that the kernel wants beside it.

use crate::config::ScopedAddress;
use crate::host::{Interface, Links, Named, zone_index};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// The interfaces of a moment: each of their names, and the index.
pub struct Zones(Vec<(String, u32)>);

/// Why a link-local address cannot be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unplaced {
    /// It does not say at which interface it is.
    NoZone,
    /// No interface has the name or the index of its zone.
    NoInterface,
}

impl From<&[Interface]> for Zones {
    fn from(interfaces: &[Interface]) -> Self {
        Zones(interfaces.iter().flat_map(|interface| indexed(interface, interface.index)).collect())
    }
}

impl From<&Links> for Zones {
    fn from(links: &Links) -> Self {
        Zones(links.iter().flat_map(|link| indexed(link, link.index)).collect())
    }
}

fn indexed(interface: &impl Named, index: u32) -> impl Iterator<Item = (String, u32)> {
    interface.names().map(move |name| (name.to_owned(), index))
}

impl Zones {
    /// The addresses as they are meant now: what was at an interface that had a name `before` and is gone, at the one that has
    /// the name since it was made anew.
    pub fn renew(&self, addresses: &[SocketAddr], before: &Zones) -> Vec<SocketAddr> {
        let name = |zones: &Zones, zone| zones.0.iter().find(|(_, index)| *index == zone).map(|(name, _)| name.clone());
        let renew = |&address: &SocketAddr| match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 && name(self, v6.scope_id()).is_none() => {
                let former = name(before, v6.scope_id());
                let now = self.0.iter().find(|(name, _)| former.as_ref() == Some(name));
                now.map_or(address, |(_, index)| at_interface(address.ip(), address.port(), *index))
            }
            _ => address,
        };
        addresses.iter().map(renew).collect()
    }

    /// The address for a socket.
    ///
    /// # Errors
    /// When it is link-local and its interface is not here, or not known.
    pub fn place(&self, address: &ScopedAddress, port: u16) -> Result<SocketAddr, Unplaced> {
        if !address.is_link_local() {
            return Ok(SocketAddr::new(address.ip, port));
        }
        if address.zone.is_empty() {
            return Err(Unplaced::NoZone);
        }
        let interfaces = self.0.iter().map(|(name, index)| (name.as_str(), *index));
        zone_index(&address.zone, interfaces)
            .map(|index| at_interface(address.ip, port, index))
            .ok_or(Unplaced::NoInterface)
    }
}

/// An address that an interface carries, for a socket: a link-local one is meant there.
pub fn at_interface(ip: IpAddr, port: u16, index: u32) -> SocketAddr {
    match ip {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => SocketAddrV6::new(v6, port, 0, index).into(),
        _ => SocketAddr::new(ip, port),
    }
}

impl Unplaced {
    /// What is missing for `address`, and the fix.
    pub fn explain(self, address: &ScopedAddress) -> String {
        match self {
            Unplaced::NoZone => format!(
                "{address} is link-local and does not say at which interface: write {address}%eth0 with the interface's name"
            ),
            Unplaced::NoInterface => {
                format!("{address}: no interface has the name or the index {} (`ip link` lists what is)", address.zone)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::recorded;

    fn placed(text: &str) -> Result<String, Unplaced> {
        let mut interfaces = recorded(&[("lo", &["127.0.0.1"]), ("eth0", &[]), ("1", &[])]);
        interfaces[1].altnames = vec!["enp1s0".into()];
        let zones = Zones::from(&interfaces[..]);
        let address = ScopedAddress::parse(text).expect("an address");
        zones.place(&address, 53).map(|address| address.to_string())
    }

    #[test]
    fn an_address_is_at_the_interface_that_was_made_anew_under_its_name() {
        let zones =
            |links: &[(&str, u32)]| Zones(links.iter().map(|(name, index)| ((*name).to_owned(), *index)).collect());
        let before = zones(&[("eth0", 2), ("eth1", 3)]);
        let listen: Vec<SocketAddr> = vec!["[fe80::53%2]:53".parse().expect("v6"), "192.0.2.1:53".parse().expect("v4")];
        let renewed = |now: &[(&str, u32)]| zones(now).renew(&listen, &before)[0].to_string();
        assert_eq!(renewed(&[("eth0", 2), ("eth1", 3)]), "[fe80::53%2]:53");
        assert_eq!(renewed(&[("lan0", 2), ("eth0", 4)]), "[fe80::53%2]:53", "renamed, it is still the same");
        assert_eq!(renewed(&[("eth0", 9), ("eth1", 3)]), "[fe80::53%9]:53", "made anew");
        assert_eq!(renewed(&[("eth1", 3)]), "[fe80::53%2]:53", "gone");
        assert_eq!(before.renew(&listen, &before), listen);
    }

    #[test]
    fn zones_are_names_then_indices() {
        assert_eq!(placed("fe80::1%eth0").as_deref(), Ok("[fe80::1%2]:53"));
        assert_eq!(placed("fe80::1%enp1s0").as_deref(), Ok("[fe80::1%2]:53"), "as if_nametoindex(3)");
        assert_eq!(placed("fe80::1%2").as_deref(), Ok("[fe80::1%2]:53"));
        assert_eq!(placed("fe80::1%1").as_deref(), Ok("[fe80::1%3]:53"), "an interface may be called 1");
        assert_eq!(placed("2001:db8::1%gone").as_deref(), Ok("[2001:db8::1]:53"));
        assert_eq!(placed("192.0.2.1").as_deref(), Ok("192.0.2.1:53"));
        assert_eq!(placed("fe80::1"), Err(Unplaced::NoZone));
        assert_eq!(placed("fe80::1%eth9"), Err(Unplaced::NoInterface));
        assert_eq!(placed("fe80::1%9"), Err(Unplaced::NoInterface));
    }
}
