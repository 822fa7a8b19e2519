//! Which addresses to serve: `interface:` lines become sockets.

use crate::config::{Config, Diagnostic, Host, Severity};
use crate::host::{self, Interface};
use crate::sys::socket::{UdpOptions, tcp_listener, udp_listener};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;

/// Connections that may wait to be accepted, as Unbound has it.
const BACKLOG: i32 = 256;

/// The interfaces of this host, by getifaddrs(3): the routing table plays no part.
///
/// # Errors
/// When the addresses cannot be read; under systemd that needs `RestrictAddressFamilies=` to name AF_NETLINK.
pub fn host_interfaces() -> Result<Vec<Interface>, String> {
    host::interfaces().map_err(|cause| {
        format!(
            "cannot read this host's addresses: {cause}; under systemd, RestrictAddressFamilies= must name AF_NETLINK"
        )
    })
}

/// The addresses to listen at, in the order of the configuration, each once. Without an `interface:` line: localhost.
///
/// # Errors
/// By file and line: an interface name that carries no address.
pub fn addresses(config: &Config, host: &[Interface]) -> Result<Vec<SocketAddr>, Vec<Diagnostic>> {
    let mut found: Vec<SocketAddr> = Vec::new();
    let mut errors = Vec::new();
    let mut add = |address: SocketAddr| {
        let wanted = if address.is_ipv4() { config.do_ip4 } else { config.do_ip6 };
        if wanted && !found.contains(&address) {
            found.push(address);
        }
    };
    if config.interfaces.is_empty() {
        add((Ipv4Addr::LOCALHOST, config.port).into());
        add((Ipv6Addr::LOCALHOST, config.port).into());
    }
    for line in &config.interfaces {
        let port = line.port.unwrap_or(config.port);
        match &line.host {
            Host::Address(address, zone) => add(with_scope(*address, port, scope_of(zone, *address, host))),
            Host::Name(name) => {
                let mut any = false;
                for interface in host.iter().filter(|interface| interface.name == *name) {
                    for carried in &interface.addresses {
                        any = true;
                        add(with_scope(carried.ip, port, interface.index));
                    }
                }
                if !any {
                    let text = format!("no interface {name} with an address is here; `ip address` lists what is");
                    errors.push(Diagnostic::new(Severity::Error, &config.files, line.at, text));
                }
            }
        }
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

/// The interface a link-local address is meant at: by the zone behind `%`, or the one that carries it.
fn scope_of(zone: &str, address: IpAddr, host: &[Interface]) -> u32 {
    let meant = |interface: &&Interface| if zone.is_empty() { interface.has(address) } else { interface.name == zone };
    zone.parse().unwrap_or_else(|_| host.iter().find(meant).map_or(0, |interface| interface.index))
}

fn with_scope(address: IpAddr, port: u16, scope: u32) -> SocketAddr {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => SocketAddrV6::new(v6, port, 0, scope).into(),
        _ => SocketAddr::new(address, port),
    }
}

/// Kernel sockets.
pub struct Sockets {
    /// UDP, one for each address.
    pub udp: Vec<OwnedFd>,
    /// TCP listeners.
    pub tcp: Vec<OwnedFd>,
}

/// Opens the kernel sockets of all addresses. TCP first: two servers may share a UDP port without notice, but not a
/// TCP one.
///
/// # Errors
/// The first that fails, with address, cause and fix.
pub fn open(config: &Config, addresses: &[SocketAddr]) -> Result<Sockets, String> {
    let mut sockets = Sockets { udp: Vec::new(), tcp: Vec::new() };
    for &address in addresses {
        if config.do_tcp && config.incoming_num_tcp > 0 {
            sockets.tcp.push(tcp_listener(address, BACKLOG).map_err(|error| error.to_string())?);
        }
        if config.do_udp {
            let options = UdpOptions {
                receive_buffer: usize::try_from(config.so_rcvbuf).unwrap_or(0),
                send_buffer: usize::try_from(config.so_sndbuf).unwrap_or(0),
                pktinfo: address.ip().is_unspecified(),
                busy_poll_us: 0,
            };
            sockets.udp.push(udp_listener(address, &options).map_err(|error| error.to_string())?);
        }
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Interface as Line;

    fn here() -> Vec<Interface> {
        host::tests::recorded(&[("lo", &["127.0.0.1"]), ("eth0", &["192.0.2.1", "fe80::1"]), ("eth1", &["192.0.2.2"])])
    }

    fn config(hosts: &[(Host, Option<u16>)]) -> Config {
        let interfaces =
            hosts.iter().map(|(host, port)| Line { host: host.clone(), port: *port, at: Default::default() }).collect();
        Config { interfaces, ..Config::default() }
    }

    fn texts(config: &Config) -> Vec<String> {
        addresses(config, &here()).unwrap().iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn names_ports_and_families() {
        let address = |text: &str| Host::Address(text.parse().unwrap(), String::new());
        assert_eq!(texts(&config(&[])), ["127.0.0.1:53", "[::1]:53"]);
        let mut several = config(&[
            (address("192.0.2.1"), Some(5353)),
            (Host::Name("eth0".into()), None),
            (address("fe80::1"), None),
        ]);
        assert_eq!(texts(&several), ["192.0.2.1:5353", "192.0.2.1:53", "[fe80::1%2]:53"]);
        several.do_ip6 = false;
        assert_eq!(texts(&several), ["192.0.2.1:5353", "192.0.2.1:53"]);
        let errors = addresses(&config(&[(Host::Name("eth9".into()), None)]), &here()).unwrap_err();
        assert!(errors[0].message.contains("eth9"), "{errors:?}");
    }
}
