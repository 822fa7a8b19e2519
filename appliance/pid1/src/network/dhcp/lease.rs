//! A lease, and what a client wants done about it, in both versions of DHCP.

use crate::netconf::plan::{Network, RoutePlan};
use std::net::IpAddr;
use std::time::Duration;

/// What a server granted: an address, by a server that is named by an `S`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease<A, S> {
    /// The address.
    pub address: A,
    /// Bits of its network's prefix: all of them where routers tell which network it is in.
    pub prefix: u8,
    /// Routes it brings.
    pub routes: Vec<RoutePlan>,
    /// Name servers it names.
    pub name_servers: Vec<IpAddr>,
    /// Time servers it names, by address or name, as it names them: who asks them looks whether they can be asked.
    pub time_servers: Vec<String>,
    /// Who granted it.
    pub server: S,
    /// How long it holds.
    pub duration: Duration,
    /// After which to ask the server (T1) and anybody (T2) to renew it.
    pub renew: Duration,
    /// T2.
    pub rebind: Duration,
}

impl<A: Copy + Into<IpAddr>, S> Lease<A, S> {
    /// The address with its prefix.
    pub fn network(&self) -> Network {
        Network { ip: self.address.into(), prefix: self.prefix }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<A, S> {
    /// Send this to the server, to all when none is given.
    Send(Option<A>, Vec<u8>),
    /// A lease, new or renewed.
    Bound(Lease<A, S>),
    /// The lease is over; the text says why.
    Lost(String),
    /// No server gives an address; the text says why.
    Refused(String),
    /// Nobody answers.
    Silence,
}

/// What a server says in its own words, fit for a line of the log.
pub(super) fn shown_words(said: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(said).chars().filter(|c| !c.is_control()).take(80).collect();
    text.trim().to_owned()
}
