//! DHCPv4 packets, in and out.

use crate::netconf::plan::{Mac, Network, RoutePlan};
use smoltcp::wire::{DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Options by number (RFC 2132, RFC 3442).
const SUBNET_MASK: u8 = 1;
const ROUTER: u8 = 3;
const NAME_SERVERS: u8 = 6;
const HOST_NAME: u8 = 12;
const LEASE_TIME: u8 = 51;
const RENEWAL_TIME: u8 = 58;
const REBINDING_TIME: u8 = 59;
const CLASSLESS_ROUTES: u8 = 121;
const WANTED: [u8; 7] = [SUBNET_MASK, CLASSLESS_ROUTES, ROUTER, NAME_SERVERS, LEASE_TIME, RENEWAL_TIME, REBINDING_TIME];
/// Some relays and servers drop anything shorter (RFC 1542, 2.1).
const LEAST: usize = 300;
/// Shortest lease that is worked with, and the one taken when the server tells none.
const SHORTEST: u32 = 60;
const USUAL: u32 = 3600;

/// What a server granted; servers are named by their address.
pub(super) type Lease = super::Lease<Ipv4Addr, Ipv4Addr>;

/// A packet to a server.
pub(super) struct Message<'a> {
    pub kind: DhcpMessageType,
    pub mac: Mac,
    pub hostname: &'a str,
    pub transaction: u32,
    pub seconds: u16,
    /// Our address, once we have it.
    pub client: Option<Ipv4Addr>,
    /// The address that was offered, and by whom.
    pub requested: Option<Ipv4Addr>,
    pub server: Option<Ipv4Addr>,
}

/// The octets of a message. Answers are wanted by broadcast as long as we have no address.
pub(super) fn request(message: &Message<'_>) -> Vec<u8> {
    let name = message.hostname.as_bytes();
    let options = [DhcpOption { kind: HOST_NAME, data: name.get(..name.len().min(63)).unwrap_or_default() }];
    let none = Ipv4Addr::UNSPECIFIED;
    let repr = DhcpRepr {
        message_type: message.kind,
        transaction_id: message.transaction,
        secs: message.seconds,
        client_hardware_address: EthernetAddress(message.mac),
        client_ip: message.client.unwrap_or(none),
        your_ip: none,
        server_ip: none,
        router: None,
        subnet_mask: None,
        relay_agent_ip: none,
        broadcast: message.client.is_none(),
        requested_ip: message.requested,
        client_identifier: Some(EthernetAddress(message.mac)),
        server_identifier: message.server,
        parameter_request_list: Some(&WANTED),
        dns_servers: None,
        max_size: Some(1472),
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: if name.is_empty() { &[] } else { &options },
    };
    let mut buffer = vec![0; repr.buffer_len().max(LEAST)];
    if repr.emit(&mut DhcpPacket::new_unchecked(&mut buffer)).is_err() {
        // The buffer is as long as the message says it is.
        log::debug!("a DHCP message did not fit its buffer");
    }
    buffer
}

/// An answer to this client: what it is, and the lease in it where there is one that can be used.
pub(super) fn parse(packet: &[u8], mac: Mac, transaction: u32) -> Option<(DhcpMessageType, Option<Lease>)> {
    let packet = DhcpPacket::new_checked(packet).ok()?;
    let repr = DhcpRepr::parse(&packet).ok()?;
    if repr.transaction_id != transaction || repr.client_hardware_address.0 != mac {
        return None;
    }
    let answer = matches!(repr.message_type, DhcpMessageType::Offer | DhcpMessageType::Ack | DhcpMessageType::Nak);
    answer.then(|| (repr.message_type, lease(&packet, &repr)))
}

fn lease(packet: &DhcpPacket<&[u8]>, repr: &DhcpRepr<'_>) -> Option<Lease> {
    let (address, server) = (repr.your_ip, repr.server_identifier.unwrap_or(repr.server_ip));
    if address.is_unspecified() || address.is_broadcast() || address.is_multicast() || address.is_loopback() {
        return None;
    }
    let mask =
        repr.subnet_mask.map(|mask| mask.to_bits()).filter(|mask| mask.leading_ones() + mask.trailing_zeros() >= 32);
    let prefix = mask.map_or(if address.octets()[0] < 128 { 8 } else { 24 }, |mask| mask.leading_ones() as u8);
    let option = |kind: u8| packet.options().find(|option| option.kind == kind).map(|option| option.data);
    let addresses = |kind: u8| {
        let data = option(kind).unwrap_or_default();
        data.chunks_exact(4).map(|part| Ipv4Addr::new(part[0], part[1], part[2], part[3])).collect::<Vec<_>>()
    };
    // The classless routes take the place of the router (RFC 3442).
    let routes = match option(CLASSLESS_ROUTES).map(classless) {
        Some(routes) if !routes.is_empty() => routes,
        _ => addresses(ROUTER).first().map(|router| RoutePlan::default_by((*router).into())).into_iter().collect(),
    };
    let duration = repr.lease_duration.unwrap_or(USUAL).max(SHORTEST);
    let rebind = repr.rebind_duration.unwrap_or(duration / 8 * 7).clamp(1, duration);
    let renew = repr.renew_duration.unwrap_or(duration / 2).clamp(1, rebind);
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    Some(Lease {
        address,
        prefix,
        routes,
        name_servers: addresses(NAME_SERVERS).into_iter().map(IpAddr::V4).collect(),
        server,
        duration: seconds(duration),
        renew: seconds(renew),
        rebind: seconds(rebind),
    })
}

/// Each: bits, the octets of the network that these bits fill, the gateway.
fn classless(mut data: &[u8]) -> Vec<RoutePlan> {
    let mut routes = Vec::new();
    while let Some((&prefix, rest)) = data.split_first() {
        let octets = usize::from(prefix).div_ceil(8);
        let (Some(network), Some(via)) = (rest.get(..octets), rest.get(octets..octets + 4)) else { break };
        if prefix > 32 {
            break;
        }
        let mut address = [0; 4];
        address[..octets].copy_from_slice(network);
        let to = Network { ip: Ipv4Addr::from(address).into(), prefix };
        let via = Ipv4Addr::new(via[0], via[1], via[2], via[3]);
        let via = (!via.is_unspecified()).then_some(IpAddr::V4(via));
        routes.push(RoutePlan { to, via, metric: None });
        data = rest.get(octets + 4..).unwrap_or_default();
    }
    routes
}
