//! DHCPv4 on one interface: asks, renews, and goes on asking with back-off while nobody answers. What version 6 does
//! alike is in `interface`.

mod client;
mod interface;
mod lease;
#[cfg(test)]
mod tests;

use crate::netconf::plan::Mac;
use client::Client;
pub use interface::AddressClient;
pub(super) use interface::{Action, InterfaceClient, Lease, Machine, back_off};
use std::io;
use std::net::Ipv4Addr;
use std::time::Instant;

const CLIENT_PORT: u16 = 68;

/// The client of one interface.
pub type Dhcp = InterfaceClient<Client>;

impl Dhcp {
    /// A client that asks at its first turn.
    ///
    /// # Errors
    /// The socket's.
    pub fn start(interface: &str, index: u32, mac: Mac, hostname: &str, now: Instant) -> io::Result<Self> {
        let local = (Ipv4Addr::UNSPECIFIED, CLIENT_PORT).into();
        Self::open(interface, index, interface.to_owned(), local, |seed| Client::new(mac, hostname, seed, now))
    }
}
