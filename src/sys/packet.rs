//! A packet socket (packet(7)) at all links: for asking whether a neighbour has an address that this host has not.

use libc::{
    AF_PACKET, SOL_PACKET, SOL_SOCKET, c_void, msghdr, sock_filter, sock_fprog, sockaddr_ll, socklen_t, tpacket_auxdata,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// linux/if_ether.h: every protocol, in the octets' order of the network. A port of a bridge hands frames of one protocol to nobody
/// but the bridge.
const ALL: u16 = (libc::ETH_P_ALL as u16).to_be();

/// What is taken: ARP, and neighbour advertisements that stand right behind the IPv6 header. VLAN tags are beside the frame by then.
const FILTER: [sock_filter; 9] = [
    load(libc::BPF_H, 12),
    jump_if_equal(libc::ETH_P_ARP as u32, 6, 0),
    jump_if_equal(libc::ETH_P_IPV6 as u32, 0, 4),
    load(libc::BPF_B, 14 + 6),
    jump_if_equal(libc::IPPROTO_ICMPV6 as u32, 0, 2),
    load(libc::BPF_B, 14 + 40),
    jump_if_equal(136, 1, 0),
    take(0),
    take(u32::MAX),
];

const fn load(size: u32, at: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_ABS | size) as u16, jt: 0, jf: 0, k: at }
}

const fn jump_if_equal(value: u32, then: u8, or_else: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt: then, jf: or_else, k: value }
}

const fn take(octets: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: octets }
}

/// Where a frame came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CameIn {
    /// Its octets, of which a shorter buffer has the first.
    pub length: usize,
    /// The index of the link.
    pub link: u32,
    /// The tag that it had there: the kind by its Ethernet type, and the VLAN. `None` without one, or with one of no VLAN.
    pub tag: Option<(u16, u16)>,
}

/// As much as the control message with the tag takes, and as aligned as it must be.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// The socket. What the host itself sends comes in there, too.
#[derive(Debug)]
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// Opens one at all links.
    ///
    /// # Errors
    /// Why the kernel gives none: EPERM without CAP_NET_RAW.
    pub fn open() -> io::Result<Self> {
        // SAFETY: no pointers; what comes back is this process's own new descriptor, or an error. Protocol 0 gets nothing yet.
        let socket = unsafe {
            let fd = libc::socket(AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0);
            OwnedFd::from_raw_fd(checked(fd)?)
        };
        let mut filter = FILTER;
        let program = sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        let size = size_of::<sock_fprog>() as socklen_t;
        let from = (&raw const program).cast::<c_void>();
        // SAFETY: the kernel copies the program, which is as long as it says, before the call ends.
        checked(unsafe { libc::setsockopt(socket.as_raw_fd(), SOL_SOCKET, libc::SO_ATTACH_FILTER, from, size) })?;
        let (on, size) = (1i32, size_of::<i32>() as socklen_t);
        let from = (&raw const on).cast::<c_void>();
        // SAFETY: the kernel copies the number before the call ends.
        checked(unsafe { libc::setsockopt(socket.as_raw_fd(), SOL_PACKET, libc::PACKET_AUXDATA, from, size) })?;
        let (to, size) = (address(0), size_of::<sockaddr_ll>() as socklen_t);
        // SAFETY: the address is whole and outlives the call.
        checked(unsafe { libc::bind(socket.as_raw_fd(), (&raw const to).cast(), size) })?;
        Ok(Self(socket))
    }

    /// Sends a frame, from its destination MAC on, at the link with this index.
    ///
    /// # Errors
    /// Why it was not taken: ENETDOWN, ENXIO.
    pub fn send(&self, link: u32, frame: &[u8]) -> io::Result<()> {
        let (to, size) = (address(link), size_of::<sockaddr_ll>() as socklen_t);
        let start = frame.as_ptr().cast::<c_void>();
        // SAFETY: the kernel reads the frame and the address, both whole, before the call ends.
        let sent = unsafe {
            libc::sendto(self.0.as_raw_fd(), start, frame.len(), libc::MSG_NOSIGNAL, (&raw const to).cast(), size)
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The next frame, of which `frame` gets as much as it holds, and where it came in. `None` when none came for so long.
    ///
    /// # Errors
    /// What the kernel says of the socket.
    pub fn receive(&self, frame: &mut [u8], patience: Duration) -> io::Result<Option<CameIn>> {
        let limit = Timespec::try_from(patience).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(cause) => return Err(cause.into()),
        }
        let (mut from, mut control) = (address(0), Control([0; 64]));
        let mut part = libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() };
        // SAFETY: all zeros is a message header of nothing.
        let mut message: msghdr = unsafe { std::mem::zeroed() };
        (message.msg_name, message.msg_namelen) = ((&raw mut from).cast(), size_of::<sockaddr_ll>() as socklen_t);
        (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = size_of::<Control>() as _;
        // SAFETY: the kernel writes no more than the lengths that it is given of all that the header points to.
        let got = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut message, 0) };
        match usize::try_from(got) {
            Ok(length) => Ok(Some(CameIn { length, link: from.sll_ifindex.unsigned_abs(), tag: tag(&message) })),
            Err(_) => match io::Error::last_os_error() {
                // A link that goes down leaves that on the socket.
                cause if cause.raw_os_error() == Some(libc::ENETDOWN) => Ok(None),
                cause if cause.kind() == io::ErrorKind::WouldBlock => Ok(None),
                cause => Err(cause),
            },
        }
    }
}

/// The tag that a frame had, as the kernel tells it beside the frame.
fn tag(message: &msghdr) -> Option<(u16, u16)> {
    // SAFETY: the header is as recvmsg left it, and what it points to is alive; the pointer is that of its first control message,
    // or null.
    let first = unsafe { libc::CMSG_FIRSTHDR(message).as_ref() }?;
    let is_told = first.cmsg_level == SOL_PACKET && first.cmsg_type == libc::PACKET_AUXDATA;
    // SAFETY: a message of this kind holds that structure, which the kernel wrote whole (its length says so).
    let told = unsafe {
        let fits = first.cmsg_len as usize >= libc::CMSG_LEN(size_of::<tpacket_auxdata>() as u32) as usize;
        (is_told && fits).then(|| libc::CMSG_DATA(first).cast::<tpacket_auxdata>().read_unaligned())
    }?;
    let vlan = told.tp_vlan_tci & 0xfff;
    (told.tp_status & libc::TP_STATUS_VLAN_VALID != 0 && vlan != 0).then_some((told.tp_vlan_tpid, vlan))
}

fn address(link: u32) -> sockaddr_ll {
    sockaddr_ll {
        sll_family: AF_PACKET as u16,
        sll_protocol: ALL,
        sll_ifindex: link as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    }
}

fn checked(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
