//! Facts and configuration become a plan: where XDP programs go, and what would keep queries from them. Pure, so that
//! recorded facts test it.

mod chain;
mod check;
mod finding;
mod plan;

pub use chain::Chain;
pub use check::findings;
pub use finding::{Finding, Level};
pub use plan::{Outcome, outcome};

use crate::config::Config;
use crate::host::Interface;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Where a program is to be attached, and for which addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The interface.
    pub interface: Interface,
    /// Addresses to take, all of them carried by the interface.
    pub addresses: Vec<IpAddr>,
    /// Port to take.
    pub port: u16,
}

/// Finds the interfaces that carry the addresses we listen at. A wildcard stands for every global address of the host.
/// Loopback carries nothing from outside. Gives the targets, and what to say about addresses that have none.
pub fn targets(config: &Config, listen: &[SocketAddr], host: &[Interface]) -> (Vec<Target>, Vec<String>) {
    let mut found: BTreeMap<u32, Target> = BTreeMap::new();
    let mut notes = Vec::new();
    for socket in listen {
        for (interface, address) in carriers(*socket, host) {
            let name = &interface.name;
            if config.xdp.interface.as_ref().is_some_and(|wanted| wanted != name) {
                notes.push(format!(
                    "{address} is on {name}, not on the interface of xdp-interface: kernel sockets serve it"
                ));
                continue;
            }
            let target = found.entry(interface.index).or_insert_with(|| Target {
                interface: interface.clone(),
                addresses: Vec::new(),
                port: socket.port(),
            });
            if target.port != socket.port() {
                notes.push(format!("{name}: XDP takes port {} there, kernel sockets serve {socket}", target.port));
            } else if !target.addresses.contains(&address) {
                target.addresses.push(address);
            }
        }
    }
    (found.into_values().collect(), notes)
}

/// The interfaces that carry an address we listen at, loopback left out, and the address on each.
fn carriers(socket: SocketAddr, host: &[Interface]) -> impl Iterator<Item = (&Interface, IpAddr)> {
    let wanted = move |address: IpAddr| match socket.ip() {
        ip if ip.is_unspecified() => ip.is_ipv4() == address.is_ipv4() && is_global(address),
        ip => ip == address && !address.is_loopback(),
    };
    host.iter().flat_map(move |interface| {
        let addresses = interface.addresses.iter().map(|carried| carried.ip);
        addresses.filter(move |&address| wanted(address)).map(move |address| (interface, address))
    })
}

/// Link-local and loopback addresses are not what a wildcard listener means to serve from outside.
fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Vec<Interface> {
        crate::host::tests::recorded(&[
            ("lo", &["127.0.0.1"]),
            ("eth0", &["192.0.2.1", "192.0.2.7", "fe80::1"]),
            ("eth1", &["2001:db8::1"]),
        ])
    }

    fn found(config: &Config, listen: &[&str]) -> Vec<String> {
        let listen: Vec<SocketAddr> = listen.iter().map(|text| text.parse().unwrap()).collect();
        let (targets, _) = targets(config, &listen, &host());
        targets
            .iter()
            .map(|target| format!("{} {:?} {}", target.interface.name, target.addresses, target.port))
            .collect()
    }

    #[test]
    fn programs_go_where_the_addresses_are() {
        let config = Config::default();
        assert_eq!(found(&config, &["127.0.0.1:53"]), [""; 0]);
        assert_eq!(found(&config, &["192.0.2.1:53"]), ["eth0 [192.0.2.1] 53"]);
        assert_eq!(
            found(&config, &["192.0.2.1:53", "192.0.2.7:53", "192.0.2.7:5353"]),
            ["eth0 [192.0.2.1, 192.0.2.7] 53"]
        );
        assert_eq!(
            found(&config, &["0.0.0.0:53", "[::]:53"]),
            ["eth0 [192.0.2.1, 192.0.2.7] 53", "eth1 [2001:db8::1] 53"]
        );
        let mut only = Config::default();
        only.xdp.interface = Some("eth1".into());
        assert_eq!(found(&only, &["192.0.2.1:53", "[2001:db8::1]:53"]), ["eth1 [2001:db8::1] 53"]);
    }
}
