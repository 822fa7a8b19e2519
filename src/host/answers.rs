//! Which way the kernel's answers go to the clients of an address, by all the rules and tables of this host.

use super::links::Links;
use super::{InterfaceAddress, netlink};
use rustix::io::Errno;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// The way of answers from an address to a client in its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerWay {
    /// The address.
    pub from: IpAddr,
    /// The link that they leave by, by its index, and the number of the table that says so; or why they go nowhere, in the
    /// kernel's words.
    pub way: Result<(u32, u32), String>,
}

/// Those of the addresses that are listened at, of which a network is known.
pub(super) fn ways(links: &Links, listen: &[SocketAddr]) -> Vec<AnswerWay> {
    let wanted = |ip: IpAddr| {
        listen
            .iter()
            .any(|socket| socket.ip() == ip || socket.ip().is_unspecified() && socket.ip().is_ipv4() == ip.is_ipv4())
    };
    let addresses = links.iter().flat_map(|link| &link.addresses);
    addresses
        .filter(|own| wanted(own.ip) && !own.ip.is_loopback() && !own.is_link_local())
        .filter_map(|own| {
            let way = match netlink::answer_way(own.ip, client(links, *own)?) {
                Ok(way) => Ok(way?),
                Err(cause) => Err(refusal(&cause)),
            };
            Some(AnswerWay { from: own.ip, way })
        })
        .collect()
}

/// What a route that refuses is called in ip-route(8) (net/ipv4/fib_semantics.c, `fib_props`).
fn refusal(cause: &io::Error) -> String {
    match Errno::from_io_error(cause) {
        Some(Errno::INVAL) => "blackhole".to_owned(),
        Some(Errno::ACCESS) => "prohibit".to_owned(),
        Some(Errno::HOSTUNREACH) => "unreachable".to_owned(),
        _ => cause.to_string(),
    }
}

/// An address of its network that is not this host's.
fn client(links: &Links, own: InterfaceAddress) -> Option<IpAddr> {
    let near = |change: u8| match own.ip {
        IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() ^ u32::from(change)).into()),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() ^ u128::from(change)).into()),
    };
    let is_network = |ip: IpAddr| own.network().map(IpAddr::V4) == Some(ip) && own.prefix < 31;
    let is_broadcast = |ip: IpAddr| own.broadcast().map(IpAddr::V4) == Some(ip);
    let is_free = |ip: &IpAddr| !is_network(*ip) && !is_broadcast(*ip) && links.carriers(*ip).next().is_none();
    (1..=u8::MAX).map(near).filter(|ip| own.covers(*ip)).find(is_free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_of_the_network_and_nobody_here() {
        let client = |own: &str, prefix| {
            let own = InterfaceAddress { ip: own.parse().expect("an address"), prefix };
            client(&crate::host::recorded::facts("reference").links, own).map(|ip| ip.to_string())
        };
        assert_eq!(client("192.168.10.250", 24).as_deref(), Some("192.168.10.251"));
        assert_eq!(client("192.168.10.200", 24).as_deref(), Some("192.168.10.202"), "201 is br-rb's");
        assert_eq!(client("192.0.2.1", 30).as_deref(), Some("192.0.2.2"), "0 and 3 are nobody's");
        assert_eq!(client("192.0.2.1", 32), None);
        assert_eq!(client("fd53::1", 64).as_deref(), Some("fd53::"));
        assert_eq!(client("fd53::1", 128), None);
    }
}
