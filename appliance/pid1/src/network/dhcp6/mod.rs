//! Stateful DHCPv6 on one interface: one address and the name servers. Asked only where the network settings say so; which
//! networks are on the link, and the router, come by router advertisements, which the kernel takes in.

mod client;
mod message;
#[cfg(test)]
mod tests;

use crate::netconf::plan::Mac;
use crate::network::dhcp::InterfaceClient;
use client::Client;
use std::io;
use std::net::Ipv6Addr;
use std::time::Instant;

const CLIENT_PORT: u16 = 546;

/// The client of one interface.
pub type Dhcp6 = InterfaceClient<Client>;

impl Dhcp6 {
    /// A client that asks at its first turn.
    ///
    /// # Errors
    /// The socket's.
    pub fn start(interface: &str, index: u32, mac: Mac, now: Instant) -> io::Result<Self> {
        let local = (Ipv6Addr::UNSPECIFIED, CLIENT_PORT).into();
        // The same interface may have a lease by IPv4, with servers of its own.
        let source = format!("{interface} DHCPv6");
        Self::open(interface, index, source, local, |seed| Client::new(mac, seed, now))
    }
}
