//! Types of values: what a directive's words may be.

use super::address::{LONGEST_NAME, ScopedAddress};
use super::lists;
use crate::dns::name_text::{self, NameBuf};
use crate::number;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What one value of a directive may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `yes` or `no`.
    YesNo,
    /// A whole number in a range, ends included.
    Number(i64, i64),
    /// A number of bytes with k, m or g (times 1024), at most 2^63 - 1.
    Bytes,
    /// An IP address or an interface name, with `@port` if it is another.
    Interface,
    /// An IP address.
    Address,
    /// An address to ask from, with a zone if it is link-local, or a netblock.
    Source,
    /// `address[@port][#name]`; a name without a port means 853, as in Unbound.
    Server,
    /// `address[/prefix]`.
    Netblock,
    /// A domain name.
    Name,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A port or a range `low-high`.
    Ports,
    /// A path in the file system, or nothing.
    Path,
    /// A resource record in master file form.
    Record,
    /// An address, perhaps a TTL, and a name.
    Reverse,
    /// A number that is a power of two.
    PowerOfTwo,
    /// A whole number in a range, or nothing, which is 0.
    NumberOrNothing(i64, i64),
    /// Names of modules, in an order that works.
    Modules,
    /// Numbers with blanks between them.
    FetchPolicy,
    /// Pairs of a key size and a count of iterations.
    KeyIterations,
    /// Ports with blanks between them.
    PortList,
    /// Hexadecimal digits, or `ascii_` and text.
    Nsid,
    /// 128 bits as hexadecimal digits.
    Secret,
    /// A netblock of IPv6 that IPv4 addresses are put behind (RFC 6052 section 2.2).
    Nat64Prefix,
    /// A date as YYYYMMDDHHMMSS, or seconds since 1970.
    Date,
    /// `name[@port][#name]`
    ServerName,
    /// Any text.
    Text,
}

/// The lengths of prefixes that IPv4 addresses are put behind (RFC 6052 section 2.2).
const NAT64_BITS: [u8; 6] = [32, 40, 48, 56, 64, 96];

/// A directive with one number from 0 up.
pub const NUMBER: Kind = Kind::Number(0, i32::MAX as i64);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::YesNo => f.write_str("yes or no"),
            Kind::Number(0, i64::MAX | 0x7fff_ffff) => f.write_str("number"),
            Kind::Number(low, high) => write!(f, "number from {low} to {high}"),
            Kind::Bytes => f.write_str("number of bytes, with k, m or g"),
            Kind::Interface => f.write_str("address or interface name, @port"),
            Kind::Address => f.write_str("IP address"),
            Kind::Source => f.write_str("IP address or netblock"),
            Kind::Server => f.write_str("address, @port, #name"),
            Kind::Netblock => f.write_str("netblock (address/prefix)"),
            Kind::Name => f.write_str("domain name"),
            Kind::Choice(words) => f.write_str(&words.join(", ")),
            Kind::Ports => f.write_str("port or low-high"),
            Kind::Path => f.write_str("path"),
            Kind::Record => f.write_str("resource record"),
            Kind::Reverse => f.write_str("address and name"),
            Kind::PowerOfTwo => f.write_str("power of two"),
            Kind::NumberOrNothing(..) => f.write_str("number, or nothing"),
            Kind::Modules => f.write_str("names of modules"),
            Kind::FetchPolicy => f.write_str("numbers"),
            Kind::KeyIterations => f.write_str("pairs of numbers"),
            Kind::PortList => f.write_str("ports"),
            Kind::Nsid => f.write_str("hexadecimal digits, or ascii_ and text"),
            Kind::Secret => f.write_str("32 hexadecimal digits"),
            Kind::Nat64Prefix => f.write_str("IPv6 netblock with a prefix of 32, 40, 48, 56, 64 or 96 bits"),
            Kind::Date => f.write_str("YYYYMMDDHHMMSS or seconds since 1970"),
            Kind::ServerName => f.write_str("domain name, @port, #name"),
            Kind::Text => f.write_str("text"),
        }
    }
}

/// Where to listen: an address, or the name of an interface whose addresses are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Address(ScopedAddress),
    /// An interface name.
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Address(address) => write!(f, "{address}"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

/// A range of addresses; the bits behind the prefix are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Netblock {
    /// First address.
    pub address: IpAddr,
    /// Bits that count: up to 32 or 128.
    pub prefix: u8,
}

impl Netblock {
    /// `address/prefix`; `None` when the prefix is longer than the address. Bits behind the prefix are cleared.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(address) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
            }
            IpAddr::V6(address) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
            _ => return None,
        };
        Some(Self { address, prefix })
    }

    /// Whether `address` is in the range; families never mix.
    pub fn contains(&self, address: IpAddr) -> bool {
        Self::new(address, self.prefix).is_some_and(|block| block.address == self.address)
    }
}

impl fmt::Display for Netblock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A checked value.
#[derive(Clone, Debug, Default)]
pub(super) enum Value<'a> {
    #[default]
    None,
    Flag(bool),
    Number(i64),
    Host(Host, Option<u16>),
    Server(ScopedAddress, u16, &'a str),
    Netblock(Netblock),
    /// The name is in the scratch buffer.
    Name,
    Choice(usize),
    Bytes(&'a [u8]),
    Text(&'a str),
}

/// Checks `word` against `kind`. A name goes to `name`, so that a million of them allocate nothing.
pub(super) fn check<'a>(kind: Kind, word: &'a [u8], name: &mut NameBuf) -> Result<Value<'a>, String> {
    if kind == Kind::Name {
        return name_text::parse_lower(word, name).map(|()| Value::Name).map_err(|error| error.to_string());
    }
    if kind == Kind::Record {
        return Ok(Value::Bytes(word));
    }
    let text = std::str::from_utf8(word).map_err(|_| "the value is not UTF-8 text".to_string())?;
    match kind {
        Kind::YesNo if text == "yes" => Ok(Value::Flag(true)),
        Kind::YesNo if text == "no" => Ok(Value::Flag(false)),
        Kind::Number(low, high) => number::read(text, low..=high).map(Value::Number).map_err(|error| error.to_string()),
        Kind::NumberOrNothing(..) if text.is_empty() => Ok(Value::Number(0)),
        Kind::NumberOrNothing(low, high) => check(Kind::Number(low, high), word, name),
        Kind::PowerOfTwo => match number::read(text, 1..=i64::from(i32::MAX)) {
            Ok(number) if number.count_ones() == 1 => Ok(Value::Number(number)),
            _ => Err(format!("expected a power of two such as 4, not {text:?}")),
        },
        Kind::Modules => lists::modules(text).map(|()| Value::Text(text)),
        Kind::FetchPolicy => lists::fetch_policy(text).map(|()| Value::Text(text)),
        Kind::KeyIterations => lists::nsec3_iterations(text).map(|()| Value::Text(text)),
        Kind::PortList => lists::port_list(text).map(|()| Value::Text(text)),
        Kind::Nsid => lists::nsid(text).map(|_| Value::Text(text)),
        Kind::Date => lists::date(text).map(|()| Value::Text(text)),
        Kind::ServerName => lists::server_name(text).map(|()| Value::Text(text)),
        Kind::Bytes => bytes(text).map(Value::Number).ok_or_else(|| expected(kind, text)),
        Kind::Interface => {
            interface(text).map(|(host, port)| Value::Host(host, port)).ok_or_else(|| expected(kind, text))
        }
        Kind::Address => match ScopedAddress::parse(text) {
            Some(address) => Ok(Value::Host(Host::Address(address), None)),
            None => Err(expected(kind, text)),
        },
        Kind::Source => match ScopedAddress::parse(text) {
            Some(address) => Ok(Value::Host(Host::Address(address), None)),
            None => netblock(text).map(Value::Netblock).ok_or_else(|| expected(kind, text)),
        },
        Kind::Server => server(text).ok_or_else(|| expected(kind, text)),
        Kind::Netblock => netblock(text).map(Value::Netblock).ok_or_else(|| expected(kind, text)),
        Kind::Choice(words) => match words.iter().position(|known| *known == text) {
            Some(index) => Ok(Value::Choice(index)),
            None => Err(format!("expected one of {kind}, not {text:?}")),
        },
        Kind::Nat64Prefix => netblock(text)
            .filter(|block| block.address.is_ipv6() && NAT64_BITS.contains(&block.prefix))
            .map(Value::Netblock)
            .ok_or_else(|| expected(kind, text)),
        Kind::Ports if ports(text) => Ok(Value::Text(text)),
        Kind::Secret if text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            Ok(Value::Text(text))
        }
        Kind::YesNo | Kind::Ports => Err(expected(kind, text)),
        // It may be one with a slip of the pen: nobody is to read it in a log.
        Kind::Secret => Err(format!("expected {kind}, not {} characters like these", text.chars().count())),
        Kind::Path | Kind::Reverse | Kind::Text | Kind::Name | Kind::Record => Ok(Value::Text(text)),
    }
}

fn expected(kind: Kind, text: &str) -> String {
    format!("expected {kind}, not {text:?}")
}

/// A size as Unbound reads it: digits, then k, m or g, then an optional b; blanks before the letters.
pub(super) fn bytes(text: &str) -> Option<i64> {
    let text = text.trim_end_matches(' ');
    let text = text.strip_suffix(['b', 'B']).unwrap_or(text);
    let units = [(['g', 'G'], 1 << 30), (['m', 'M'], 1 << 20), (['k', 'K'], 1 << 10)];
    let found = units.into_iter().find_map(|(letters, unit)| Some((text.strip_suffix(letters)?, unit)));
    let (digits, unit) = found.unwrap_or((text, 1i64));
    let digits = digits.trim_end_matches(' ');
    number::read(digits, 0..=i64::MAX / unit).ok().map(|number| number * unit)
}

fn host(text: &str) -> Host {
    ScopedAddress::parse(text).map_or_else(|| Host::Name(text.into()), Host::Address)
}

fn interface(text: &str) -> Option<(Host, Option<u16>)> {
    let (text, port) = match text.split_once('@') {
        Some((text, port)) => (text, Some(number::read(port, 0..=u16::MAX).ok()?)),
        None => (text, None),
    };
    let host = host(text);
    // What looks like an address but is none must not pass for an interface name.
    let is_name = |name: &String| {
        (1..=LONGEST_NAME).contains(&name.len())
            && !name.contains([':', '/', ' ', '%'])
            && !name.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    };
    match &host {
        // An alias such as eth0:1 has a colon and letters.
        Host::Name(name) if !is_name(name) && !is_alias(name) => None,
        _ => Some((host, port)),
    }
}

fn is_alias(name: &str) -> bool {
    name.split_once(':').is_some_and(|(interface, number)| {
        name.len() < 16
            && interface.contains(|c: char| c.is_ascii_alphabetic() && !c.is_ascii_hexdigit())
            && number::read(number, 0..=u16::MAX).is_ok()
    })
}

fn server(text: &str) -> Option<Value<'_>> {
    let (text, name) = text.split_once('#').map_or((text, None), |(text, name)| (text, Some(name)));
    let (address, port) = match text.split_once('@') {
        Some((address, port)) => (address, number::read(port, 0..=u16::MAX).ok()?),
        None if name.is_some() => (text, 853),
        None => (text, 53),
    };
    Some(Value::Server(ScopedAddress::parse(address)?, port, name.unwrap_or_default()))
}

/// A zone in it says nothing, as with Unbound: whose address it is compared with is known without.
fn netblock(text: &str) -> Option<Netblock> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address = ScopedAddress::parse(address)?.ip;
    let prefix = match prefix {
        Some(prefix) => number::read(prefix, 0..=128).ok()?,
        None if address.is_ipv4() => 32,
        None => 128,
    };
    Netblock::new(address, prefix)
}

fn ports(text: &str) -> bool {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    number::read(low, 0..=u16::MAX).is_ok_and(|low| number::read(high, low..=u16::MAX).is_ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "values_tests.rs"]
mod tests;
