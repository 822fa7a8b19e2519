//! Asks a server one question in frames with every kind of VLAN tag, and says how each reply came back.
//!
//! `ask_tagged INTERFACE SERVER-MAC SERVER CLIENT TAG...`: a TAG is `none`, a VLAN ID (0 is a priority tag), or `20.10` for two
//! tags, the outer first. Questions for a.lan.example., type A, go out from INTERFACE, from its MAC and the address CLIENT,
//! one behind the other; what comes in at that interface is read until all are answered, or nothing has come for a second.
//! Prints a line for each tag: `TAG: ` and the tag of the reply, or `-` when there was none. Exit status 0 whatever came.
#![allow(unsafe_code)]

use runbound::wire::checksum;
use std::error::Error;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long is waited for another reply. An emulated machine is slow.
const PATIENCE: Duration = Duration::from_secs(1);
const TPID: [u8; 2] = [0x81, 0];
/// The tag beside a received frame is valid, and its type too (linux/if_packet.h).
const TAG_VALID: u32 = 1 << 4;

type Tag = Vec<u16>;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [interface, server_mac, server, client, tags @ ..] = words.as_slice() else {
        return Err("usage: ask_tagged INTERFACE SERVER-MAC SERVER CLIENT TAG...".into());
    };
    let own_mac = parse_mac(std::fs::read_to_string(format!("/sys/class/net/{interface}/address"))?.trim())?;
    let macs = [parse_mac(server_mac)?, own_mac.clone()].concat();
    let (server, client): (Ipv4Addr, Ipv4Addr) = (server.parse()?, client.parse()?);
    let wire = Wire::open(interface)?;
    for (id, text) in (1u16..).zip(tags) {
        wire.send(&frame(&macs, &parse_tag(text)?, &query(id, client, server)))?;
    }
    let replies = wire.replies(tags.len(), &own_mac)?;
    for (text, reply) in tags.iter().zip(&replies) {
        println!("{text}: {}", reply.as_deref().map_or_else(|| "-".to_owned(), show));
    }
    Ok(())
}

fn parse_mac(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(text.split(':').map(|hex| u8::from_str_radix(hex, 16)).collect::<Result<_, _>>()?)
}

fn parse_tag(text: &str) -> Result<Tag, Box<dyn Error>> {
    match text {
        "none" => Ok(Vec::new()),
        ids => Ok(ids.split('.').map(str::parse).collect::<Result<_, _>>()?),
    }
}

fn show(tag: &[u16]) -> String {
    let ids: Vec<String> = tag.iter().map(u16::to_string).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(".") }
}

fn frame(macs: &[u8], tag: &[u16], packet: &[u8]) -> Vec<u8> {
    let mut frame = macs.to_vec();
    for id in tag {
        frame.extend(TPID);
        frame.extend(id.to_be_bytes());
    }
    frame.extend([8, 0]);
    frame.extend(packet);
    frame
}

/// The question in an IPv4 packet without a UDP checksum.
fn query(id: u16, client: Ipv4Addr, server: Ipv4Addr) -> Vec<u8> {
    let mut dns = id.to_be_bytes().to_vec();
    dns.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    dns.extend(b"\x01a\x03lan\x07example\0\0\x01\0\x01");
    let udp = [&1024u16.to_be_bytes()[..], &53u16.to_be_bytes(), &(8 + dns.len() as u16).to_be_bytes(), &[0, 0], &dns]
        .concat();
    let length = (20 + udp.len() as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend(client.octets());
    packet.extend(server.octets());
    let sum = checksum::finish(checksum::sum(&packet));
    packet[10..12].copy_from_slice(&sum);
    packet.extend(udp);
    packet
}

/// A packet socket on one interface.
struct Wire(OwnedFd);

impl Wire {
    fn open(interface: &str) -> io::Result<Self> {
        let name = std::ffi::CString::new(interface)?;
        let all = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: a plain system call; the descriptor is nobody else's.
        let socket = unsafe {
            let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, i32::from(all));
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        // SAFETY: all-zero is a valid value of this C structure; the name is terminated.
        let (mut address, index) = unsafe { (zeroed::<libc::sockaddr_ll>(), libc::if_nametoindex(name.as_ptr())) };
        (address.sll_family, address.sll_protocol) = (libc::AF_PACKET as u16, all);
        address.sll_ifindex = index as i32;
        let (on, wait) = (1i32, libc::timeval { tv_sec: 0, tv_usec: 50_000 });
        // SAFETY: a live socket, and structures of the sizes passed along.
        let results = unsafe {
            let fd = socket.as_raw_fd();
            [
                libc::bind(fd, (&raw const address).cast(), size_of::<libc::sockaddr_ll>() as u32),
                libc::setsockopt(fd, libc::SOL_PACKET, libc::PACKET_AUXDATA, (&raw const on).cast(), 4),
                libc::setsockopt(
                    fd,
                    libc::SOL_SOCKET,
                    libc::SO_RCVTIMEO,
                    (&raw const wait).cast(),
                    size_of::<libc::timeval>() as u32,
                ),
            ]
        };
        if results.contains(&-1) { Err(io::Error::last_os_error()) } else { Ok(Self(socket)) }
    }

    fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: a live socket and a buffer of the length passed along.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The tags of the replies to the first `count` questions.
    fn replies(&self, count: usize, mac: &[u8]) -> io::Result<Vec<Option<Tag>>> {
        let mut replies: Vec<Option<Tag>> = vec![None; count];
        let mut end = Instant::now() + PATIENCE;
        while Instant::now() < end && replies.iter().any(Option::is_none) {
            let Some((frame, beside)) = self.receive()? else { continue };
            let (tag, payload) = tags(&frame, beside);
            // To our MAC, UDP from port 53 behind a plain header; the number of the question.
            let ours = frame.starts_with(mac) && payload.get(20..22) == Some(&[0, 53]);
            let Some(&[high, low]) = payload.get(28..30).filter(|_| ours) else { continue };
            let place = usize::from(u16::from_be_bytes([high, low])).checked_sub(1);
            if let Some(reply) = place.and_then(|place| replies.get_mut(place)) {
                *reply = Some(tag);
                end = Instant::now() + PATIENCE;
            }
        }
        Ok(replies)
    }

    /// A frame, and the tag that the kernel took off it.
    fn receive(&self) -> io::Result<Option<(Vec<u8>, Option<u16>)>> {
        let (mut frame, mut control) = (vec![0u8; 2048], [0u64; 16]);
        let mut part = libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() };
        // SAFETY: all-zero is a valid value of this C structure.
        let mut message: libc::msghdr = unsafe { zeroed() };
        (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        // SAFETY: a live socket, and buffers of the lengths in the message.
        let length = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut message, 0) };
        if length < 0 {
            let cause = io::Error::last_os_error();
            let later = matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
            return if later { Ok(None) } else { Err(cause) };
        }
        frame.truncate(length as usize);
        // SAFETY: the kernel filled the control buffer; of PACKET_AUXDATA the data is this structure, perhaps unaligned.
        let beside = unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            let is_it = !header.is_null()
                && (*header).cmsg_level == libc::SOL_PACKET
                && (*header).cmsg_type == libc::PACKET_AUXDATA;
            is_it.then(|| libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>().read_unaligned())
        };
        let tag = beside.filter(|beside| beside.tp_status & TAG_VALID != 0).map(|beside| beside.tp_vlan_tci & 0xfff);
        Ok(Some((frame, tag)))
    }
}

/// All tags of a frame, the outer first, and what is behind them when it is IPv4.
fn tags(frame: &[u8], beside: Option<u16>) -> (Tag, &[u8]) {
    let mut tag: Tag = beside.into_iter().collect();
    let mut rest = frame.get(12..).unwrap_or_default();
    while let [0x81, 0, high, low, behind @ ..] = rest {
        tag.push(u16::from_be_bytes([*high, *low]) & 0xfff);
        rest = behind;
    }
    (tag, rest.strip_prefix(&[8, 0]).unwrap_or_default())
}
