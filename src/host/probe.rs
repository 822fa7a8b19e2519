//! Whether an address can be listened at, tried with bind(2) on a socket that is closed at once. Never listens, so no
//! client can get in between.

use crate::sys::owner;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use std::net::SocketAddr;

/// One trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortProbe {
    /// Where.
    pub address: SocketAddr,
    /// Over TCP, else over UDP.
    pub tcp: bool,
    /// How it went.
    pub state: PortState,
}

/// How a trial went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortState {
    /// It can be had.
    Free,
    /// Another socket has it; of which process, like `dnsmasq (pid 12)`, when that can be seen.
    Taken(Option<String>),
    /// No interface carries the address.
    NotHere,
    /// It could not be tried, for want of a privilege for instance.
    Unknown,
}

/// Tries every address over UDP and TCP, as far as they are to be served.
pub(super) fn probe(listen: &[SocketAddr], udp: bool, tcp: bool) -> Vec<PortProbe> {
    let over = |protocol_tcp: bool, wanted: bool| {
        listen.iter().filter(move |_| wanted).map(move |&address| (address, protocol_tcp))
    };
    let both = over(false, udp).chain(over(true, tcp));
    both.map(|(address, tcp)| PortProbe { address, tcp, state: state(address, tcp) }).collect()
}

/// Address families that socket(2) refuses to this process altogether. Every other error, a missing privilege for instance,
/// says that the family is there.
pub(super) fn refused_families() -> Vec<&'static str> {
    let families = [
        (AddressFamily::INET, SocketType::DGRAM, "AF_INET"),
        (AddressFamily::INET6, SocketType::DGRAM, "AF_INET6"),
        (AddressFamily::UNIX, SocketType::STREAM, "AF_UNIX"),
        (AddressFamily::NETLINK, SocketType::RAW, "AF_NETLINK"),
        (AddressFamily::XDP, SocketType::RAW, "AF_XDP"),
    ];
    let refused =
        |family, kind| matches!(socket_with(family, kind, SocketFlags::CLOEXEC, None), Err(Errno::AFNOSUPPORT));
    families.iter().filter(|(family, kind, _)| refused(*family, *kind)).map(|(.., name)| *name).collect()
}

fn state(address: SocketAddr, tcp: bool) -> PortState {
    match try_bind(address, tcp, false) {
        Ok(()) => PortState::Free,
        Err(Errno::ADDRINUSE) => PortState::Taken(owner::of(address, tcp)),
        // It is going to be bound all the same, unless someone has the port at all addresses.
        Err(Errno::ADDRNOTAVAIL) if try_bind(address, tcp, true) == Err(Errno::ADDRINUSE) => {
            PortState::Taken(owner::of(address, tcp))
        }
        Err(Errno::ADDRNOTAVAIL | Errno::NODEV) => PortState::NotHere,
        // The port is privileged and we are not: the kernel's table of sockets tells all the same.
        Err(Errno::ACCESS) if owner::is_taken(address, tcp) => PortState::Taken(owner::of(address, tcp)),
        Err(_) => PortState::Unknown,
    }
}

fn try_bind(address: SocketAddr, tcp: bool, freebind: bool) -> Result<(), Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = if tcp { SocketType::STREAM } else { SocketType::DGRAM };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    if tcp {
        // Connections that wait for their last packets are no listeners.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    match address {
        SocketAddr::V4(_) if freebind => sockopt::set_ip_freebind(&socket, true)?,
        SocketAddr::V6(_) if freebind => sockopt::set_ipv6_freebind(&socket, true)?,
        _ => {}
    }
    bind(&socket, &address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn sockets_of_others_are_seen() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        for (address, tcp) in [(tcp.local_addr().unwrap(), true), (udp.local_addr().unwrap(), false)] {
            let PortState::Taken(Some(owner)) = state(address, tcp) else { panic!("{address} is taken") };
            assert!(owner.ends_with(&format!("(pid {})", std::process::id())), "{owner}");
        }
    }

    #[test]
    fn families_of_every_linux_are_not_refused() {
        let refused = refused_families();
        assert!(!refused.contains(&"AF_INET") && !refused.contains(&"AF_NETLINK"), "{refused:?}");
    }

    #[test]
    fn addresses_that_are_not_here() {
        assert_eq!(state("192.0.2.77:1053".parse().unwrap(), false), PortState::NotHere);
        let probes = probe(&["192.0.2.77:1053".parse().unwrap()], true, false);
        assert_eq!(probes.len(), 1);
        assert!(!probes[0].tcp);
        let wildcard = UdpSocket::bind("0.0.0.0:0").unwrap();
        let address = SocketAddr::new("192.0.2.77".parse().unwrap(), wildcard.local_addr().unwrap().port());
        assert!(matches!(state(address, false), PortState::Taken(Some(_))), "someone has it at all addresses");
    }
}
