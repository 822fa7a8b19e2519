//! DHCPv6 (RFC 8415): its messages, a type, a transaction's number, and options of a type and a length; and its times.

use super::client::{Answer, Exchange, LeaseOf, Protocol, Say, back_off};
use super::lease::shown_words;
use crate::netconf::plan::Mac;
use runbound::dns::Name;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

/// Types of messages (RFC 8415, 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Solicit = 1,
    Advertise = 2,
    Request = 3,
    Renew = 5,
    Rebind = 6,
    Reply = 7,
}

/// Options by number (RFC 8415, 21; RFC 3646; RFC 5908).
const CLIENT_ID: u16 = 1;
const SERVER_ID: u16 = 2;
const IA_NA: u16 = 3;
const IA_ADDRESS: u16 = 5;
const OPTION_REQUEST: u16 = 6;
const ELAPSED_TIME: u16 = 8;
const STATUS: u16 = 13;
const NAME_SERVERS: u16 = 23;
/// One time server each, as an option of its own (RFC 5908, 4): its address, a multicast address, or its name.
const TIME_SERVER: u16 = 56;
const TIME_ADDRESS: u16 = 1;
const TIME_MULTICAST: u16 = 2;
const TIME_NAME: u16 = 3;
/// A server that wants clients to slow down says so by this one, which has to be asked for (RFC 8415, 21.24).
const SOLICIT_MAX: u16 = 82;
/// Longest identifier of a server (RFC 8415, 11.1): the type and 128 octets.
const DUID_MOST: usize = 130;
/// Shortest lease that is worked with.
const SHORTEST: u32 = 60;
/// Most name servers that are taken, and most time servers.
const SERVERS_MOST: usize = 8;

const SERVER_PORT: u16 = 547;
/// All servers and relays on the link.
const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// First and longest time between two tries to renew (REN_TIMEOUT, REN_MAX_RT).
const RENEWAL: Duration = Duration::from_secs(10);
const RENEWAL_LONGEST: Duration = Duration::from_secs(600);

/// What a server granted; servers are named by their identifier.
type Lease = LeaseOf<V6>;

/// The client's side of version 6 on one interface.
#[derive(Debug)]
pub struct V6 {
    mac: Mac,
}

impl V6 {
    /// That of the interface with this MAC.
    pub(super) fn new(mac: Mac) -> Self {
        Self { mac }
    }
}

impl Protocol for V6 {
    type Address = Ipv6Addr;
    type Server = Vec<u8>;
    const NAME: &'static str = "DHCPv6";
    const LONGEST: Duration = Duration::from_secs(120);
    const SLOWEST: &'static str = "every two minutes";
    // REQ_MAX_RC is 10, with longer pauses.
    const REQUESTS: u32 = 5;
    const PATIENCE: u32 = 4;
    const REQUEST_IS_ANOTHER_EXCHANGE: bool = true;

    fn renewal_pause(tries: u32, _left: Duration) -> Duration {
        // Anybody is asked with short pauses again once the own server's time is over.
        back_off(RENEWAL, tries, RENEWAL_LONGEST)
    }

    fn message(&self, say: Say<'_, Lease>, exchange: Exchange) -> (Option<Ipv6Addr>, Vec<u8>) {
        let (kind, lease, is_for_its_server) = match say {
            Say::Search => (Kind::Solicit, None, false),
            Say::Request(offer) => (Kind::Request, Some(offer), true),
            Say::Renew(lease) => (Kind::Renew, Some(lease), true),
            Say::Rebind(lease) => (Kind::Rebind, Some(lease), false),
        };
        // In hundredths of a second.
        let elapsed = u16::try_from(exchange.elapsed.as_millis() / 10).unwrap_or(u16::MAX);
        let mut out = vec![kind as u8];
        out.extend(&exchange.transaction.to_be_bytes()[1..]);
        put(&mut out, CLIENT_ID, &duid(self.mac));
        if let Some(lease) = lease.filter(|_| is_for_its_server) {
            put(&mut out, SERVER_ID, &lease.server);
        }
        put(&mut out, ELAPSED_TIME, &elapsed.to_be_bytes());
        // T1, T2 and the lifetimes are the server's to say: zero.
        let mut address = [&iaid(self.mac)[..], &[0; 8]].concat();
        if let Some(lease) = lease {
            put(&mut address, IA_ADDRESS, &[&lease.address.octets()[..], &[0; 8]].concat());
        }
        put(&mut out, IA_NA, &address);
        let wanted = [NAME_SERVERS, TIME_SERVER, SOLICIT_MAX].map(u16::to_be_bytes);
        put(&mut out, OPTION_REQUEST, &wanted.concat());
        // Whichever server it is for, every one on the link gets it.
        (None, out)
    }

    fn answer_in(&self, packet: &[u8], transaction: u32) -> Option<Answer<Lease>> {
        let is_offer = match packet.first()? {
            kind if *kind == Kind::Advertise as u8 => true,
            kind if *kind == Kind::Reply as u8 => false,
            _ => return None,
        };
        let known = transaction.to_be_bytes();
        let data = packet.get(4..).filter(|_| packet.get(1..4) == known.get(1..))?;
        let find = |wanted: u16| options(data).find(|(option, _)| *option == wanted).map(|(_, content)| content);
        let server = find(SERVER_ID).filter(|server| (3..=DUID_MOST).contains(&server.len()))?;
        if find(CLIENT_ID)? != duid(self.mac) {
            return None;
        }
        let ours = options(data)
            .filter(|(option, _)| *option == IA_NA)
            .map(|(_, content)| content)
            .find(|content| content.get(..4) == Some(&iaid(self.mac)));
        let inner = ours.and_then(|content| content.get(12..)).unwrap_or_default();
        // The first status that is not success.
        let refusal = status(data).or_else(|| status(inner));
        let lease = match (&refusal, ours) {
            (None, Some(content)) => lease(content, server, data),
            _ => None,
        };
        Some(Answer { is_offer, lease, about_address: ours.is_some() || refusal.is_some(), refusal })
    }

    fn destination(server: Option<Ipv6Addr>, link: u32) -> SocketAddr {
        SocketAddrV6::new(server.unwrap_or(SERVERS), SERVER_PORT, 0, link).into()
    }

    fn shown(lease: &Lease) -> (String, String) {
        (lease.address.to_string(), String::new())
    }
}

/// Our identifier (DUID-LL): it stays the same over boots, as there may be nothing to keep another one on.
fn duid(mac: Mac) -> Vec<u8> {
    [&[0, 3, 0, 1][..], &mac].concat()
}

/// The number of the address that is asked for, of this client.
fn iaid(mac: Mac) -> [u8; 4] {
    [mac[2], mac[3], mac[4], mac[5]]
}

fn put(out: &mut Vec<u8>, option: u16, data: &[u8]) {
    out.extend(option.to_be_bytes());
    // Nothing that is sent comes near 64 KiB.
    out.extend(u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
    out.extend(data);
}

/// The options in `data`, up to the first that is longer than what is left.
fn options(mut data: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (option, length) = (number16(data, 0)?, number16(data, 2)?);
        let rest = data.get(4..)?;
        let (content, rest) = rest.split_at_checked(length.into())?;
        data = rest;
        Some((option, content))
    })
}

fn number16(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..at + 2).and_then(|octets| octets.try_into().ok()).map(u16::from_be_bytes)
}

fn number32(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + 4).and_then(|octets| octets.try_into().ok()).map(u32::from_be_bytes)
}

fn address(data: &[u8]) -> Option<Ipv6Addr> {
    data.get(..16).and_then(|octets| <[u8; 16]>::try_from(octets).ok()).map(Ipv6Addr::from)
}

/// A status that is not success, in words.
fn status(data: &[u8]) -> Option<String> {
    let (_, content) = options(data).find(|(option, _)| *option == STATUS)?;
    let code = number16(content, 0).filter(|&code| code != 0)?;
    let word = match code {
        2 => "it has no address to give".to_owned(),
        3 => "it does not know of the address".to_owned(),
        4 => "the address does not belong on this network".to_owned(),
        code => format!("status {code}"),
    };
    let said = shown_words(content.get(2..).unwrap_or_default());
    Some(if said.is_empty() { word } else { format!("{word} ({said})") })
}

/// The time servers among the options of a message.
fn time_servers(data: &[u8]) -> Vec<String> {
    let sources = options(data).filter(|(option, _)| *option == TIME_SERVER).flat_map(|(_, content)| options(content));
    let server = |(kind, content): (u16, &[u8])| match kind {
        TIME_ADDRESS | TIME_MULTICAST => address(content).map(|ip| ip.to_string()),
        TIME_NAME => {
            let name = Name::from_wire(content).filter(|name| name.label_count() > 0)?.to_string();
            Some(name.strip_suffix('.').unwrap_or(&name).to_owned())
        }
        _ => None,
    };
    sources.filter_map(server).take(SERVERS_MOST).collect()
}

/// What an IA_NA grants: number, T1, T2, options; with what the message around it names.
fn lease(content: &[u8], server: &[u8], message: &[u8]) -> Option<Lease> {
    let (renew, rebind) = (number32(content, 4)?, number32(content, 8)?);
    // Of an identity that contradicts itself nothing is taken (RFC 8415, 21.4).
    if renew > 0 && rebind > 0 && renew > rebind {
        return None;
    }
    let granted = |(option, data): (u16, &[u8])| {
        let (ip, preferred, valid) = (address(data)?, number32(data, 16)?, number32(data, 20)?);
        let usable = option == IA_ADDRESS
            && valid > 0
            && preferred <= valid
            && status(data.get(24..).unwrap_or_default()).is_none()
            && !(ip.is_unspecified() || ip.is_multicast() || ip.is_loopback());
        usable.then_some((ip, preferred, valid))
    };
    let (address, preferred, valid) = options(content.get(12..)?).find_map(granted)?;
    let valid = valid.max(SHORTEST);
    // A server that leaves the times to the client (RFC 8415, 14.2) gets what it recommends to servers.
    let basis = if preferred > 0 { preferred } else { valid };
    let part = |tenths: u32| u32::try_from(u64::from(basis) * u64::from(tenths) / 10).unwrap_or(u32::MAX);
    let rebind = if rebind > 0 { rebind } else { part(8) }.clamp(1, valid);
    let renew = if renew > 0 { renew } else { part(5) }.clamp(1, rebind);
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let named = options(message).find(|(option, _)| *option == NAME_SERVERS).map(|(_, content)| content);
    let servers = named.unwrap_or_default().chunks_exact(16).filter_map(self::address).map(IpAddr::V6);
    Some(Lease {
        address,
        prefix: 128,
        routes: Vec::new(),
        name_servers: servers.take(SERVERS_MOST).collect(),
        time_servers: time_servers(message),
        server: server.to_vec(),
        duration: seconds(valid),
        renew: seconds(renew),
        rebind: seconds(rebind),
    })
}

#[cfg(test)]
#[path = "v6_tests.rs"]
mod tests;
