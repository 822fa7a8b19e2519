//! Which addresses to serve: `interface:` lines become sockets.

use crate::config::{Config, Diagnostic, Host, ScopedAddress, Severity};
use crate::host::{self, Detection, Interface, Links, Named};
use crate::serve::scope::{Unplaced, Zones, at_interface};
use crate::sys::socket::{ListenError, TcpOptions, UdpOptions, tcp_listener, udp_listener};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

/// Connections that may wait to be accepted, as Unbound has it.
const BACKLOG: i32 = 256;
/// What becomes of an interface that is looked up at the start and not found.
const NOT_SERVED: &str = "nothing is served there until a start that finds one";

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

/// The addresses to listen at, in the order of the configuration, each once; and, by file and line, the interfaces given
/// by name that have none, and the link-local addresses whose interface is not here. Without an `interface:` line: localhost.
///
/// # Errors
/// When nothing is left to listen at: those lines, or the switches that leave nothing.
pub fn addresses(config: &Config, host: &[Interface]) -> Result<(Vec<SocketAddr>, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut found: Vec<SocketAddr> = Vec::new();
    let mut missing = Vec::new();
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
            Host::Address(address) => match place(address, port, host) {
                Ok(address) => add(address),
                Err(cause) => {
                    let text = format!("{}: {NOT_SERVED}", cause.explain(address));
                    missing.push(Diagnostic::new(Severity::Warning, &config.files, line.at, text));
                }
            },
            Host::Name(name) => {
                let interface = host.iter().find(|interface| interface.is_called(name));
                let carried = interface.map_or(&[][..], |interface| &interface.addresses);
                let index = interface.map_or(0, |interface| interface.index);
                carried.iter().for_each(|carried| add(at_interface(carried.ip, port, index)));
                if carried.is_empty() {
                    let text = without_address(name, interface.is_some());
                    missing.push(Diagnostic::new(Severity::Warning, &config.files, line.at, text));
                }
            }
        }
    }
    if found.is_empty() {
        if missing.is_empty() {
            let text = "do-ip4: no or do-ip6: no leaves none of the addresses of interface: lines to listen at; \
                        switch it on, or give an address of the other family";
            missing.push(Diagnostic::whole(Severity::Error, &config.files, text));
        }
        missing.iter_mut().for_each(|line| line.severity = Severity::Error);
        return Err(missing);
    }
    Ok((found, missing))
}

fn without_address(name: &str, here: bool) -> String {
    let what = if here {
        format!("interface {name} has no address yet (`ip address add ADDRESS/LENGTH dev {name}` gives it one)")
    } else {
        format!("no interface {name} is here (`ip link` lists what is)")
    };
    format!("{what}: {NOT_SERVED}; an address in place of the name is served as soon as an interface carries it")
}

/// A link-local address without a zone is meant at the interface that carries it.
fn place(address: &ScopedAddress, port: u16, host: &[Interface]) -> Result<SocketAddr, Unplaced> {
    Zones::from(host).place(address, port).or_else(|cause| {
        let carrier = host.iter().find(|interface| cause == Unplaced::NoZone && interface.has(address.ip));
        carrier.map(|carrier| at_interface(address.ip, port, carrier.index)).ok_or(cause)
    })
}

/// Kernel sockets.
pub struct Sockets {
    /// UDP, one for each address.
    pub udp: Vec<OwnedFd>,
    /// TCP listeners.
    pub tcp: Vec<OwnedFd>,
}

/// Opens the kernel sockets of all addresses. TCP first: two servers may share a UDP port without notice, but not a
/// TCP one. An address that no interface carries is bound all the same, and said in a line of its own.
///
/// # Errors
/// The first that fails, with address, cause and fix.
pub fn open(config: &Config, addresses: &[SocketAddr]) -> Result<Sockets, String> {
    let mut sockets = Sockets { udp: Vec::new(), tcp: Vec::new() };
    let mut absent: Vec<IpAddr> = Vec::new();
    for &address in addresses {
        let mut waited_for = false;
        if config.do_tcp && config.incoming_num_tcp > 0 {
            let open = |freebind| tcp_listener(address, &tcp_options(config, freebind));
            sockets.tcp.push(here_or_later(open, &mut waited_for)?);
        }
        if config.do_udp {
            let open = |freebind| udp_listener(address, &udp_options(config, address, freebind));
            sockets.udp.push(here_or_later(open, &mut waited_for)?);
        }
        if waited_for && !absent.contains(&address.ip()) {
            absent.push(address.ip());
        }
    }
    let links = if absent.is_empty() { Links::default() } else { host::links().unwrap_or_default() };
    absent.iter().for_each(|&address| say_absent(config, address, &links));
    Ok(sockets)
}

fn udp_options(config: &Config, address: SocketAddr, freebind: bool) -> UdpOptions {
    UdpOptions {
        receive_buffer: usize::try_from(config.so_rcvbuf).unwrap_or(0),
        send_buffer: usize::try_from(config.so_sndbuf).unwrap_or(0),
        pktinfo: address.ip().is_unspecified(),
        freebind,
        dscp: config.dscp,
        timestamps: config.clients.queue_timeout != 0,
        busy_poll_us: 0,
    }
}

fn tcp_options(config: &Config, freebind: bool) -> TcpOptions {
    TcpOptions { backlog: BACKLOG, freebind, dscp: config.dscp, mss: config.tcp_mss }
}

/// Opens a socket as usual, and when its address is not here so that it waits for it.
fn here_or_later(
    open: impl Fn(bool) -> Result<OwnedFd, ListenError>,
    waited_for: &mut bool,
) -> Result<OwnedFd, String> {
    let opened = match open(false) {
        Err(error) if error.is_absent() => {
            *waited_for = true;
            open(true)
        }
        other => other,
    };
    opened.map_err(|error| error.to_string())
}

/// An IPv6 address cannot be bound before duplicate address detection is over. Of one that another host has, who looks at the
/// links says it.
fn say_absent(config: &Config, address: IpAddr, links: &Links) {
    if let Some(link) = links.carriers(address).next() {
        if link.detection(address) != Some(Detection::Failed) {
            log::info!("{address} is on {}, and answered as soon as duplicate address detection is over", link.name);
        }
    } else if config.awaits_addresses() {
        log::info!("no interface carries {address} yet: served as soon as one does");
    } else {
        log::warn!(
            "no interface carries {address} yet: served as soon as one does; correct interface: if that is wrong, or set \
             ip-freebind: yes if it is expected"
        );
    }
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
        addresses(config, &here()).unwrap().0.iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn names_ports_and_families() {
        let address = |text: &str| Host::Address(ScopedAddress::parse(text).unwrap());
        assert_eq!(texts(&config(&[])), ["127.0.0.1:53", "[::1]:53"]);
        let mut several = config(&[
            (address("192.0.2.1"), Some(5353)),
            (Host::Name("eth0".into()), None),
            (address("fe80::1"), None),
        ]);
        assert_eq!(texts(&several), ["192.0.2.1:5353", "192.0.2.1:53", "[fe80::1%2]:53"]);
        let mut altnamed = here();
        altnamed[1].altnames = vec!["enx525400123456".into()];
        let found = addresses(&config(&[(Host::Name("enx525400123456".into()), None)]), &altnamed).unwrap().0;
        assert_eq!(found[0], "192.0.2.1:53".parse().unwrap(), "by the other name of eth0");
        several.do_ip6 = false;
        assert_eq!(texts(&several), ["192.0.2.1:5353", "192.0.2.1:53"]);
        let errors = addresses(&config(&[(Host::Name("eth9".into()), None)]), &here()).unwrap_err();
        assert!(errors[0].message.contains("no interface eth9"), "{errors:?}");
        assert_eq!(errors[0].severity, Severity::Error);
    }

    #[test]
    fn a_switch_that_leaves_nothing_to_listen_at_is_an_error() {
        let mut config = config(&[(Host::Address(ScopedAddress::parse("192.0.2.1").unwrap()), None)]);
        config.do_ip4 = false;
        let errors = addresses(&config, &here()).unwrap_err();
        assert_eq!((errors.len(), errors[0].severity), (1, Severity::Error));
        assert!(errors[0].message.contains("do-ip4: no"), "{errors:?}");
    }

    #[test]
    fn a_link_local_address_needs_an_interface_that_is_here() {
        let address = |text: &str| (Host::Address(ScopedAddress::parse(text).unwrap()), None);
        let lines = ["192.0.2.1", "fe80::7%eth1", "fe80::7%2", "fe80::7%eth9", "fe80::9"].map(address);
        let (found, missing) = addresses(&config(&lines), &here()).unwrap();
        let found: Vec<String> = found.iter().map(SocketAddr::to_string).collect();
        assert_eq!(found, ["192.0.2.1:53", "[fe80::7%3]:53", "[fe80::7%2]:53"]);
        assert_eq!(missing.len(), 2, "{missing:?}");
        assert!(
            missing[0].message.contains("fe80::7%eth9: no interface has the name or the index eth9"),
            "{missing:?}"
        );
        assert!(missing[1].message.contains("write fe80::9%eth0"), "{missing:?}");
        let errors = addresses(&config(&lines[3..]), &here()).unwrap_err();
        assert_eq!((errors.len(), errors[0].severity), (2, Severity::Error));
    }

    #[test]
    fn a_name_without_an_address_costs_only_itself() {
        let mut here = here();
        here[2].addresses.clear();
        let mut config = config(&[(Host::Name("eth1".into()), None), (Host::Name("eth0".into()), None)]);
        config.do_ip6 = false;
        let (found, missing) = addresses(&config, &here).unwrap();
        assert_eq!(found, ["192.0.2.1:53".parse().unwrap()]);
        assert_eq!((missing.len(), missing[0].severity), (1, Severity::Warning));
        assert!(missing[0].message.contains("ip address add ADDRESS/LENGTH dev eth1"), "{missing:?}");
    }

    #[test]
    fn an_absent_address_is_bound_and_a_taken_one_is_an_error() {
        let mut config = config(&[]);
        config.incoming_num_tcp = 10;
        let absent = "192.0.2.77:1053".parse().unwrap();
        let sockets = open(&config, &[absent]).unwrap();
        assert_eq!((sockets.udp.len(), sockets.tcp.len()), (1, 1));
        let error = open(&config, &[absent]).err().unwrap();
        assert!(error.contains("192.0.2.77:1053") && error.contains("has it"), "{error}");
    }
}
