//! DHCP on one interface, of both versions: asks, renews, and goes on asking with back-off while nobody answers.
//!
//! | file | holds |
//! |---|---|
//! | `client` | the state machine, for both |
//! | `v4`, `v6` | their messages |
//! | `lease` | what is granted, and what is to be done |
//! | `interface` | the service that does it |

mod client;
mod interface;
mod lease;
mod v4;
mod v6;

pub use interface::AddressClient;

use crate::netconf::plan::Mac;
use interface::{InterfaceClient, Place};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Instant;
use v4::V4;
use v6::V6;

const CLIENT_PORT: u16 = 68;
const CLIENT_PORT6: u16 = 546;

/// DHCPv4 on one interface.
pub type Dhcp = InterfaceClient<V4>;

/// Stateful DHCPv6 on one interface: one address and the name servers. Asked only where the network settings say so; which
/// networks are on the link, and the router, come by router advertisements, which the kernel takes in.
pub type Dhcp6 = InterfaceClient<V6>;

impl Dhcp {
    /// A client that asks at its first turn.
    ///
    /// # Errors
    /// The socket's.
    pub fn start(interface: &str, index: u32, mac: Mac, hostname: &str, now: Instant) -> io::Result<Self> {
        let local = (Ipv4Addr::UNSPECIFIED, CLIENT_PORT).into();
        Self::open(Place { interface, index, now }, interface.to_owned(), local, V4::new(mac, hostname))
    }
}

impl Dhcp6 {
    /// A client that asks at its first turn.
    ///
    /// # Errors
    /// The socket's.
    pub fn start(interface: &str, index: u32, mac: Mac, now: Instant) -> io::Result<Self> {
        let local = (Ipv6Addr::UNSPECIFIED, CLIENT_PORT6).into();
        // The same interface may have a lease by IPv4, with servers of its own.
        let source = format!("{interface} DHCPv6");
        Self::open(Place { interface, index, now }, source, local, V6::new(mac))
    }
}
