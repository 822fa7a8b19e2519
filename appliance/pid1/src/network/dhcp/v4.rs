//! DHCPv4 (RFC 2131): its packets and times.

use super::client::{Answer, Exchange, LeaseOf, Protocol, Say};
use super::lease::shown_words;
use crate::netconf::plan::{Mac, Network, RoutePlan};
use smoltcp::wire::{DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Options by number (RFC 2132, RFC 3442).
const SUBNET_MASK: u8 = 1;
const ROUTER: u8 = 3;
const NAME_SERVERS: u8 = 6;
const HOST_NAME: u8 = 12;
const TIME_SERVERS: u8 = 42;
const LEASE_TIME: u8 = 51;
const MESSAGE: u8 = 56;
const RENEWAL_TIME: u8 = 58;
const REBINDING_TIME: u8 = 59;
const CLASSLESS_ROUTES: u8 = 121;
const WANTED: [u8; 8] =
    [SUBNET_MASK, CLASSLESS_ROUTES, ROUTER, NAME_SERVERS, TIME_SERVERS, LEASE_TIME, RENEWAL_TIME, REBINDING_TIME];
/// What a refusal is, whatever the server says to it.
const REFUSED: &str = "it refused the address";
/// Some relays and servers drop anything shorter (RFC 1542, 2.1).
const LEAST: usize = 300;
/// Shortest lease that is worked with, and the one taken when the server tells none.
const SHORTEST: u32 = 60;
const USUAL: u32 = 3600;

const SERVER_PORT: u16 = 67;
/// Least time between two tries to renew (RFC 2131, 4.4.5).
const RENEWALS: Duration = Duration::from_secs(60);

/// What a server granted; servers are named by their address.
type Lease = LeaseOf<V4>;

/// The client's side of version 4 on one interface.
#[derive(Debug)]
pub struct V4 {
    mac: Mac,
    hostname: String,
}

impl V4 {
    /// That of the interface with this MAC, on a host of this name.
    pub(super) fn new(mac: Mac, hostname: &str) -> Self {
        Self { mac, hostname: hostname.to_owned() }
    }
}

impl Protocol for V4 {
    type Address = Ipv4Addr;
    type Server = Ipv4Addr;
    const NAME: &'static str = "DHCP";
    const LONGEST: Duration = Duration::from_secs(60);
    const SLOWEST: &'static str = "once a minute";
    const REQUESTS: u32 = 4;
    const PATIENCE: u32 = 3;
    const REQUEST_IS_ANOTHER_EXCHANGE: bool = false;

    fn renewal_pause(_tries: u32, left: Duration) -> Duration {
        (left / 2).max(RENEWALS)
    }

    fn message(&self, say: Say<'_, Lease>, exchange: Exchange) -> (Option<Ipv4Addr>, Vec<u8>) {
        let (kind, offer, ours) = match say {
            Say::Search => (DhcpMessageType::Discover, None, None),
            Say::Request(offer) => (DhcpMessageType::Request, Some(offer), None),
            Say::Renew(lease) | Say::Rebind(lease) => (DhcpMessageType::Request, None, Some(lease.address)),
        };
        let to = if let Say::Renew(lease) = say { Some(lease.server) } else { None };
        let name = self.hostname.as_bytes();
        let options = [DhcpOption { kind: HOST_NAME, data: name.get(..name.len().min(63)).unwrap_or_default() }];
        let none = Ipv4Addr::UNSPECIFIED;
        let repr = DhcpRepr {
            message_type: kind,
            transaction_id: exchange.transaction,
            secs: u16::try_from(exchange.elapsed.as_secs()).unwrap_or(u16::MAX),
            client_hardware_address: EthernetAddress(self.mac),
            client_ip: ours.unwrap_or(none),
            your_ip: none,
            server_ip: none,
            router: None,
            subnet_mask: None,
            relay_agent_ip: none,
            // Answers are wanted by broadcast as long as we have no address.
            broadcast: ours.is_none(),
            requested_ip: offer.map(|offer| offer.address),
            client_identifier: Some(EthernetAddress(self.mac)),
            server_identifier: offer.map(|offer| offer.server),
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
        (to, buffer)
    }

    fn answer_in(&self, packet: &[u8], transaction: u32) -> Option<Answer<Lease>> {
        let packet = DhcpPacket::new_checked(packet).ok()?;
        let repr = DhcpRepr::parse(&packet).ok()?;
        if repr.transaction_id != transaction || repr.client_hardware_address.0 != self.mac {
            return None;
        }
        let refused = match repr.message_type {
            DhcpMessageType::Offer | DhcpMessageType::Ack => false,
            DhcpMessageType::Nak => true,
            _ => return None,
        };
        Some(Answer {
            is_offer: repr.message_type == DhcpMessageType::Offer,
            lease: if refused { None } else { lease(&packet, &repr) },
            refusal: refused.then(|| refusal(&packet)),
            about_address: refused,
        })
    }

    fn destination(server: Option<Ipv4Addr>, _link: u32) -> SocketAddr {
        (server.unwrap_or(Ipv4Addr::BROADCAST), SERVER_PORT).into()
    }

    fn shown(lease: &Lease) -> (String, String) {
        (lease.network().to_string(), format!(" from {}", lease.server))
    }
}

/// Why the server refuses, with its own words where it has some.
fn refusal(packet: &DhcpPacket<&[u8]>) -> String {
    let said = packet.options().find(|option| option.kind == MESSAGE).map(|option| option.data).unwrap_or_default();
    let said = shown_words(said);
    if said.is_empty() { REFUSED.to_owned() } else { format!("{REFUSED} ({said})") }
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
        time_servers: addresses(TIME_SERVERS).iter().map(Ipv4Addr::to_string).collect(),
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

#[cfg(test)]
#[path = "v4_tests.rs"]
mod tests;
