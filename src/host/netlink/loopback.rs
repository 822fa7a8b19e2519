//! How much goes over the loopback interface.

use super::message::{self, LinkHeader, attributes};
use libc::{IFF_LOOPBACK, IFLA_STATS64};
use netlink_packet_route::link::LinkMessage;
use std::io;

/// Packets that the loopback interface has received so far: what this host sends to itself. 0 without such an interface.
///
/// # Errors
/// The socket's: EAFNOSUPPORT when a systemd unit's RestrictAddressFamilies lacks AF_NETLINK.
pub fn loopback_packets() -> io::Result<u64> {
    Ok(message::dump(&LinkMessage::default(), packets)?.iter().sum())
}

/// Received packets, the first number of `struct rtnl_link_stats64`, when the message is about loopback.
fn packets(body: &[u8]) -> Option<u64> {
    let (header, body) = LinkHeader::split(body)?;
    if header.flags & IFF_LOOPBACK as u32 == 0 {
        return None;
    }
    let stats = attributes(body).find(|attribute| attribute.kind() == IFLA_STATS64)?;
    stats.value().first_chunk().map(|octets| u64::from_ne_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn what_this_host_sends_to_itself_is_counted() {
        let before = loopback_packets().expect("netlink");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        for _ in 0..10 {
            socket.send_to(b"x", socket.local_addr().expect("an address")).expect("sent");
        }
        let now = loopback_packets().expect("netlink");
        assert!(now >= before + 10, "{before} {now}");
    }
}
