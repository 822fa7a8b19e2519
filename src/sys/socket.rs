//! Listening sockets, set up as Unbound sets up its own (services/listen_dnsport.c).

use super::owner;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, listen, socket_with};
use std::net::SocketAddr;
use std::{fmt, io};

/// Settings of a UDP listener.
#[derive(Clone, Copy, Debug, Default)]
pub struct UdpOptions {
    /// `so-rcvbuf` in octets; 0 leaves the system's default.
    pub receive_buffer: usize,
    /// `so-sndbuf` in octets; 0 leaves the system's default.
    pub send_buffer: usize,
    /// Learn the address a query was sent to: needed for wildcard addresses, to answer from it.
    pub pktinfo: bool,
    /// Bind the address although no interface carries it (IP_FREEBIND): it is served as soon as one does.
    pub freebind: bool,
    /// `ip-dscp`, 0 to 63: the class of what is sent (RFC 2474).
    pub dscp: u8,
    /// Have the kernel tell when datagrams came (SO_TIMESTAMP).
    pub timestamps: bool,
    /// Microseconds to busy poll the device queue in receive calls (SO_BUSY_POLL); 0 is off.
    pub busy_poll_us: u32,
}

/// Settings of a TCP listener; its connections have them too.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpOptions {
    /// Connections that may wait to be accepted.
    pub backlog: i32,
    /// As in [`UdpOptions`].
    pub freebind: bool,
    /// As in [`UdpOptions`].
    pub dscp: u8,
    /// `tcp-mss`, the longest segment in octets (TCP_MAXSEG); 0 leaves it to the kernel.
    pub mss: u32,
}

/// A listener that could not be opened.
#[derive(Debug)]
pub struct ListenError {
    /// The address asked for.
    pub address: SocketAddr,
    /// "UDP" or "TCP".
    pub protocol: &'static str,
    /// What failed.
    pub step: &'static str,
    /// Why.
    pub cause: io::Error,
    /// The process that has the address, where it could be found.
    pub owner: Option<String>,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ListenError { address, protocol, step, cause, owner } = self;
        write!(f, "{protocol} {address}: {step}: {cause}")?;
        match (Errno::from_io_error(cause), owner) {
            (Some(Errno::ADDRINUSE), Some(owner)) => write!(f, "; {owner} has it: stop that, or use another port"),
            (Some(Errno::ADDRINUSE), None) => {
                write!(f, "; another process has it: `ss -lpn 'sport = {}'` names it", address.port())
            }
            (Some(Errno::ADDRNOTAVAIL), _) => {
                write!(f, "; no interface of this host carries the address: see `ip address`, or correct interface:")
            }
            (Some(Errno::INVAL | Errno::NODEV), _) if is_link_local(address) => {
                write!(
                    f,
                    "; a link-local address needs the interface that carries it: interface: {}%eth0",
                    address.ip()
                )
            }
            (Some(Errno::ACCESS | Errno::PERM), _) => {
                write!(f, "; a port below 1024 needs root or CAP_NET_BIND_SERVICE")
            }
            (Some(Errno::AFNOSUPPORT), _) => write!(f, "; the kernel has no such family: set do-ip6 or do-ip4 to no"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ListenError {}

impl ListenError {
    /// Whether no interface carries the address (yet).
    pub fn is_absent(&self) -> bool {
        Errno::from_io_error(&self.cause) == Some(Errno::ADDRNOTAVAIL)
    }
}

fn is_link_local(address: &SocketAddr) -> bool {
    matches!(address, SocketAddr::V6(v6) if v6.ip().is_unicast_link_local())
}

/// Opens a UDP socket at `address`: not blocking, closed on exec. It carries SO_REUSEADDR as Unbound's does, so a second
/// server on the same address is noticed by the TCP listener only: open that first.
///
/// What is longer than the MTU of the interface it would leave by is refused with EMSGSIZE, never fragmented here; news of
/// smaller MTUs on the way are not believed, as anybody can send them (`IP_PMTUDISC_INTERFACE` of ip(7)).
pub fn udp_listener(address: SocketAddr, options: &UdpOptions) -> Result<OwnedFd, ListenError> {
    let failed = failure(address, "UDP");
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(family(address), SocketType::DGRAM, flags, Some(ipproto::UDP))
        .map_err(|cause| failed("socket", cause))?;
    sockopt::set_socket_reuseaddr(&fd, true).map_err(|cause| failed("SO_REUSEADDR", cause))?;
    if options.receive_buffer > 0 {
        receive_buffer(fd.as_fd(), options.receive_buffer).map_err(|cause| failed("so-rcvbuf", cause))?;
    }
    if options.send_buffer > 0 {
        send_buffer(fd.as_fd(), options.send_buffer).map_err(|cause| failed("so-sndbuf", cause))?;
    }
    if address.is_ipv6() {
        udp6_options(fd.as_fd()).map_err(|cause| failed("IPv6 options", cause))?;
    } else {
        sockopt::set_ip_mtu_discover(&fd, Ipv4PathMtuDiscovery::INTERFACE)
            .map_err(|cause| failed("IP_MTU_DISCOVER", cause))?;
    }
    if options.pktinfo {
        let (level, name) = match address {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
        };
        set_option(fd.as_fd(), level, name, 1).map_err(|cause| failed("pktinfo", cause))?;
    }
    if options.timestamps {
        set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMP, 1)
            .map_err(|cause| failed("SO_TIMESTAMP", cause))?;
    }
    set_dscp(fd.as_fd(), &address, options.dscp).map_err(|cause| failed("ip-dscp", cause))?;
    if options.busy_poll_us > 0
        && let Err(cause) =
            set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_BUSY_POLL, options.busy_poll_us as libc::c_int)
    {
        log::warn!("UDP {address}: SO_BUSY_POLL {}: {cause}; going on without", options.busy_poll_us);
    }
    if options.freebind {
        set_freebind(fd.as_fd(), address).map_err(|cause| failed("IP_FREEBIND", cause))?;
    }
    bind(&fd, &address).map_err(|cause| failed("bind", cause))?;
    Ok(fd)
}

/// Opens a TCP listener at `address`: not blocking, closed on exec. Connections inherit TCP_NODELAY and what `options` say.
pub fn tcp_listener(address: SocketAddr, options: &TcpOptions) -> Result<OwnedFd, ListenError> {
    let failed = failure(address, "TCP");
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(family(address), SocketType::STREAM, flags, Some(ipproto::TCP))
        .map_err(|cause| failed("socket", cause))?;
    sockopt::set_socket_reuseaddr(&fd, true).map_err(|cause| failed("SO_REUSEADDR", cause))?;
    sockopt::set_tcp_nodelay(&fd, true).map_err(|cause| failed("TCP_NODELAY", cause))?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&fd, true).map_err(|cause| failed("IPV6_V6ONLY", cause))?;
    }
    set_dscp(fd.as_fd(), &address, options.dscp).map_err(|cause| failed("ip-dscp", cause))?;
    set_mss(fd.as_fd(), options.mss).map_err(|cause| failed("tcp-mss", cause))?;
    if options.freebind {
        set_freebind(fd.as_fd(), address).map_err(|cause| failed("IP_FREEBIND", cause))?;
    }
    bind(&fd, &address).map_err(|cause| failed("bind", cause))?;
    listen(&fd, options.backlog).map_err(|cause| failed("listen", cause))?;
    Ok(fd)
}

fn failure(address: SocketAddr, protocol: &'static str) -> impl Fn(&'static str, Errno) -> ListenError {
    move |step, cause| ListenError {
        address,
        protocol,
        step,
        cause: cause.into(),
        owner: (cause == Errno::ADDRINUSE).then(|| owner::of(address, protocol == "TCP")).flatten(),
    }
}

fn family(address: SocketAddr) -> AddressFamily {
    match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    }
}

fn set_freebind(fd: BorrowedFd<'_>, address: SocketAddr) -> rustix::io::Result<()> {
    match address {
        SocketAddr::V4(_) => sockopt::set_ip_freebind(fd, true),
        SocketAddr::V6(_) => sockopt::set_ipv6_freebind(fd, true),
    }
}

fn udp6_options(fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
    sockopt::set_ipv6_v6only(fd, true)?;
    sockopt::set_ipv6_mtu_discover(fd, Ipv6PathMtuDiscovery::INTERFACE)
}

/// Gives what a socket of the family of `address` sends a class (`ip-dscp`, 0 to 63); 0 leaves it as it is.
///
/// # Errors
/// The kernel's.
pub fn set_dscp(fd: BorrowedFd<'_>, address: &SocketAddr, dscp: u8) -> rustix::io::Result<()> {
    let (level, name) = match address {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_TOS),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
    };
    if dscp == 0 { Ok(()) } else { set_option(fd, level, name, libc::c_int::from(dscp) << 2) }
}

/// Sets the longest segment that a TCP socket sends and takes (TCP_MAXSEG of tcp(7)); 0 leaves it to the kernel.
///
/// # Errors
/// The kernel's: it takes 88 to 32767.
pub fn set_mss(fd: BorrowedFd<'_>, octets: u32) -> rustix::io::Result<()> {
    let octets = libc::c_int::try_from(octets).unwrap_or(libc::c_int::MAX);
    if octets == 0 { Ok(()) } else { set_option(fd, libc::IPPROTO_TCP, libc::TCP_MAXSEG, octets) }
}

/// With privilege past the system's limit, else within it and a warning when that is less than asked.
fn receive_buffer(fd: BorrowedFd<'_>, wanted: usize) -> rustix::io::Result<()> {
    match sockopt::set_socket_recv_buffer_size_force(fd, wanted) {
        Err(Errno::PERM) => {}
        done => return done,
    }
    sockopt::set_socket_recv_buffer_size(fd, wanted)?;
    warn_if_less("so-rcvbuf", "net.core.rmem_max", wanted, sockopt::socket_recv_buffer_size(fd)?);
    Ok(())
}

/// As [`receive_buffer`]; ENOBUFS is bearable here, as it is to Unbound.
fn send_buffer(fd: BorrowedFd<'_>, wanted: usize) -> rustix::io::Result<()> {
    let forced = libc::c_int::try_from(wanted).unwrap_or(libc::c_int::MAX);
    match set_option(fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, forced) {
        Err(Errno::PERM | Errno::NOBUFS) => {}
        done => return done,
    }
    match sockopt::set_socket_send_buffer_size(fd, wanted) {
        Err(Errno::NOBUFS) | Ok(()) => {}
        failed => return failed,
    }
    warn_if_less("so-sndbuf", "net.core.wmem_max", wanted, sockopt::socket_send_buffer_size(fd)?);
    Ok(())
}

fn warn_if_less(directive: &str, sysctl: &str, wanted: usize, got: usize) {
    // The kernel doubles what it is asked for, for its own book-keeping (socket(7)).
    if got / 2 < wanted {
        log::warn!(
            "{directive} {wanted} was not granted, got {}: start as root, or raise {sysctl} to {wanted}",
            got / 2
        );
    }
}

fn set_option(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> rustix::io::Result<()> {
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is an int that lives across the call, and its size is given.
    let done = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), size) };
    match done {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rustix::net::getsockname;

    const TCP: TcpOptions = TcpOptions { backlog: 16, freebind: false, dscp: 0, mss: 0 };

    #[test]
    fn class_and_segments_are_what_was_asked_for() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let address: SocketAddr = address.parse().unwrap();
            let udp = udp_listener(address, &UdpOptions { dscp: 46, ..UdpOptions::default() }).unwrap();
            let tcp = tcp_listener(address, &TcpOptions { dscp: 10, mss: 1200, ..TCP }).unwrap();
            let class = |fd: &OwnedFd| match address {
                SocketAddr::V4(_) => u32::from(sockopt::ip_tos(fd).unwrap()),
                SocketAddr::V6(_) => sockopt::ipv6_tclass(fd).unwrap(),
            };
            assert_eq!((class(&udp), class(&tcp)), (46 << 2, 10 << 2), "{address}");
        }
        let refused = tcp_listener("127.0.0.1:0".parse().unwrap(), &TcpOptions { mss: 7, ..TCP }).unwrap_err();
        assert!(refused.to_string().contains("tcp-mss"), "{refused}");
    }

    fn port_of(fd: &OwnedFd) -> u16 {
        SocketAddr::try_from(getsockname(fd).unwrap()).unwrap().port()
    }

    #[test]
    fn a_taken_tcp_address_names_its_owner() {
        let first = tcp_listener("127.0.0.1:0".parse().unwrap(), &TCP).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port_of(&first)));
        let error = tcp_listener(address, &TCP).unwrap_err();
        assert_eq!(error.cause.raw_os_error(), Some(libc::EADDRINUSE));
        let text = error.to_string();
        assert!(text.starts_with(&format!("TCP {address}: ")), "{text}");
        assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
    }

    #[test]
    fn an_address_of_nobody_says_so() {
        let error = udp_listener("192.0.2.1:0".parse().unwrap(), &UdpOptions::default()).unwrap_err();
        assert_eq!(error.cause.raw_os_error(), Some(libc::EADDRNOTAVAIL));
        assert!(error.is_absent() && error.to_string().contains("no interface of this host carries"), "{error}");
    }

    #[test]
    fn an_address_of_nobody_can_be_waited_for() {
        for address in ["192.0.2.1:0", "[2001:db8::1]:0"] {
            let address = address.parse().unwrap();
            udp_listener(address, &UdpOptions { freebind: true, ..UdpOptions::default() }).unwrap();
            tcp_listener(address, &TcpOptions { freebind: true, ..TCP }).unwrap();
        }
        let error = udp_listener("[fe80::77]:0".parse().unwrap(), &UdpOptions::default()).unwrap_err();
        assert!(error.to_string().contains("fe80::77%eth0"), "{error}");
    }

    #[test]
    fn buffers_are_set_within_the_systems_limit() {
        let options = UdpOptions { receive_buffer: 65536, send_buffer: 65536, ..UdpOptions::default() };
        let fd = udp_listener("127.0.0.1:0".parse().unwrap(), &options).unwrap();
        assert_eq!(sockopt::socket_recv_buffer_size(&fd).unwrap(), 2 * 65536);
        assert_eq!(sockopt::socket_send_buffer_size(&fd).unwrap(), 2 * 65536);
    }

    #[test]
    fn ipv6_wildcard_leaves_ipv4_alone() {
        let six = tcp_listener("[::]:0".parse().unwrap(), &TCP).unwrap();
        let four = SocketAddr::from(([0, 0, 0, 0], port_of(&six)));
        assert!(tcp_listener(four, &TCP).is_ok());
    }
}
