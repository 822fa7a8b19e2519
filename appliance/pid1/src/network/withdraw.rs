//! The network plan taken back, so that another one finds the network as a boot does.

use crate::machine::mounts::sysctl;
use crate::netconf::{LinkKind, Network, NetworkPlan};
use crate::network::apply::remove_address;
use crate::network::links::index_of;
use crate::network::links::nics;
use crate::network::messages::{down, link_message};
use crate::network::netlink::Netlink;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkAttribute;
use runbound::host::Interface;
use std::net::IpAddr;

/// What an Ethernet interface has that nobody gave another one.
const MTU: u32 = 1500;

/// VLANs and bonds of the plan are removed; network cards lose their addresses, and are down, which takes their routes.
pub fn withdraw(plan: &NetworkPlan) {
    let mut netlink = match Netlink::open() {
        Ok(netlink) => netlink,
        Err(cause) => {
            log::error!("netlink: {cause}; what is set stays beside what comes");
            return;
        }
    };
    // A VLAN may stand on a bond, and goes with it.
    let vlans = plan.links.iter().filter(|link| matches!(link.kind, LinkKind::Vlan { .. }));
    let bonds = plan.links.iter().filter(|link| matches!(link.kind, LinkKind::Bond(_)));
    for name in vlans.chain(bonds).map(|link| link.name.as_ref().unwrap_or(&link.id)) {
        if let Some(index) = index_of(name) {
            let remove = RouteNetlinkMessage::DelLink(link_message(index));
            tell(&format!("{name}: remove"), || netlink.request(remove, 0));
        }
    }
    let mtu_was_set = plan.links.iter().any(|link| link.mtu.is_some());
    for nic in nics() {
        for address in own(&nic) {
            tell(&format!("{}: remove {address}", nic.name), || remove_address(&mut netlink, nic.index, address));
        }
        if mtu_was_set && nic.mtu != MTU {
            let mut message = link_message(nic.index);
            message.attributes.push(LinkAttribute::Mtu(MTU));
            tell(&format!("{}: MTU {MTU}", nic.name), || netlink.request(RouteNetlinkMessage::SetLink(message), 0));
        }
        tell(&format!("{}: down", nic.name), || netlink.request(down(nic.index), 0));
        sysctl(&format!("net/ipv6/conf/{}/accept_ra", nic.name), "1");
    }
}

/// The addresses that were given, leased or advertised; those of the link alone go with it.
fn own(nic: &Interface) -> impl Iterator<Item = Network> {
    let addresses = nic.addresses.iter().map(|address| Network { ip: address.ip, prefix: address.prefix });
    addresses.filter(|network| !matches!(network.ip, IpAddr::V6(ip) if ip.is_unicast_link_local()))
}

fn tell(what: &str, act: impl FnOnce() -> std::io::Result<()>) {
    if let Err(cause) = act() {
        log::error!("{what}: {cause}");
    }
}
