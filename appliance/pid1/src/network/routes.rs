//! Routes: where they go by which interface, and which of several default routes counts.

use crate::netconf::{Network, RoutePlan};
use crate::network::messages::family;
use crate::network::netlink::{Netlink, SET};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use std::io;
use std::net::IpAddr;

/// The metric of the default route by the first link of the network settings; the others follow. Two of the same metric
/// would take each other's place.
pub const SETTINGS: u32 = 100;
/// What is added to the interface's index for those of leases, which come behind.
pub const LEASES: u32 = 1024;

/// How a route leaves this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Way<'a> {
    /// The interface; without one the gateway tells it.
    pub index: Option<u32>,
    /// The metric of a default route that names none.
    pub metric: Option<u32>,
    /// The addresses of the interface: a gateway in none of their networks is on the link all the same.
    pub addresses: &'a [Network],
}

/// Sets a route.
///
/// # Errors
/// The kernel's: ENETUNREACH when there is no interface and the gateway is on no network of ours.
pub fn set_route(netlink: &mut Netlink, route: &RoutePlan, way: &Way<'_>) -> io::Result<()> {
    let mut message = RouteMessage::default();
    message.header.address_family = family(route.to.ip);
    message.header.destination_prefix_length = route.to.prefix;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.kind = RouteType::Unicast;
    message.header.scope =
        if route.via.is_none() && route.to.ip.is_ipv4() { RouteScope::Link } else { RouteScope::Universe };
    if route.via.is_some_and(|via| is_beside(via, way)) {
        message.header.flags = RouteFlags::Onlink;
    }
    if route.to.prefix > 0 {
        // The kernel takes no other address of the network for a destination.
        message.attributes.push(RouteAttribute::Destination(route.to.masked().ip.into()));
    }
    message.attributes.extend(route.via.map(|via| RouteAttribute::Gateway(via.into())));
    message.attributes.extend(way.index.map(RouteAttribute::Oif));
    let metric = route.metric.or(way.metric.filter(|_| route.to.prefix == 0));
    message.attributes.extend(metric.map(RouteAttribute::Priority));
    netlink.request(RouteNetlinkMessage::NewRoute(message), SET)
}

/// Whether a gateway is in no network of the interface, as where a host has an address of its own alone (/32, /128).
fn is_beside(via: IpAddr, way: &Way<'_>) -> bool {
    let link_local = matches!(via, IpAddr::V6(via) if via.is_unicast_link_local());
    way.index.is_some() && !link_local && !way.addresses.iter().any(|network| network.contains(via))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_networks() {
        for (network, address) in [
            ("192.0.2.77/24", "192.0.2.0"),
            ("0.0.0.0/0", "0.0.0.0"),
            ("192.0.2.1/32", "192.0.2.1"),
            ("2001:db8::1/64", "2001:db8::"),
        ] {
            assert_eq!(network.parse::<Network>().unwrap().masked().ip.to_string(), address);
        }
    }

    #[test]
    fn a_gateway_in_no_network_of_the_interface_is_on_its_link() {
        let addresses = ["192.0.2.7/32", "2001:db8::7/64"].map(|text| text.parse().unwrap());
        let way = Way { index: Some(2), metric: None, addresses: &addresses };
        for (gateway, beside) in [
            ("192.0.2.1", true),
            ("192.0.2.7", false),
            ("2001:db8::1", false),
            ("2001:db8:1::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(is_beside(gateway.parse().unwrap(), &way), beside, "{gateway}");
        }
        assert!(!is_beside("192.0.2.1".parse().unwrap(), &Way { index: None, ..way }));
    }
}
