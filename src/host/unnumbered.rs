//! Links that speak ARP for an address which is on none of them: a host in a routed mesh (OpenFabric, OSPF) has one address, a /32
//! on loopback or a dummy, and its neighbours ask for that at the cards between them.

use super::InterfaceAddress;
use super::is_of_pair;
use super::links::{Kind, Link, Links};
use std::net::IpAddr;

impl Links {
    /// The IPv4 addresses of that kind.
    pub fn anchors(&self) -> impl Iterator<Item = InterfaceAddress> {
        let own = self.iter().filter(|link| link.kind.is_for_addresses()).flat_map(|link| &link.addresses);
        own.copied().filter(|own| matches!(own.ip, IpAddr::V4(ip) if own.prefix == 32 && !ip.is_loopback()))
    }

    /// The links at which neighbours may ask for one that is not theirs: those that have no IPv4 network and are in none by a bridge
    /// or a bond. Without such an address there are none.
    pub fn unnumbered(&self) -> impl Iterator<Item = &Link> {
        let anchors: Vec<InterfaceAddress> = self.anchors().collect();
        let lacks = move |link: &&Link| anchors.iter().any(|anchor| link.address(anchor.ip).is_none());
        self.iter().filter(|link| is_unnumbered(link)).filter(lacks)
    }
}

fn is_unnumbered(link: &Link) -> bool {
    let may = match &link.kind {
        Kind::Loopback | Kind::Bridge => false,
        Kind::Other(kind) => kind != "tun" && !link.kind.is_for_addresses() && !link.kind.is_open_vswitch(),
        _ => true,
    };
    let has_network = || link.addresses.iter().any(|own| own.ip.is_ipv4() && own.prefix < 32);
    may && link.mac.is_some() && link.arp && link.master.is_none() && !is_of_pair(&link.name) && !has_network()
}

#[cfg(test)]
mod tests {
    use crate::host::recorded;

    #[test]
    fn the_cards_of_a_mesh_are_those_without_a_network() {
        let named = |record: &str| {
            let links = recorded::facts(record).links;
            links.unnumbered().map(|link| link.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(named("mesh"), ["enp65s0f0", "enp65s0f1.60"]);
        assert_eq!(named("reference"), [""; 0], "without an address of that kind there is no mesh");
        let anchors: Vec<String> = recorded::facts("mesh").links.anchors().map(|own| own.to_string()).collect();
        assert_eq!(anchors, ["10.15.15.50/32"]);
    }
}
