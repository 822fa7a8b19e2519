//! A dump of RTM_GETLINK and the like: the request, the datagrams that answer it, and what stands in a message before its attributes.

use bytemuck::{Pod, Zeroable};
use libc::{RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWROUTE, RTM_NEWRULE};
use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkDeserializable,
    NetlinkHeader, NetlinkMessage, NetlinkPayload, NlaBuffer, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};
use std::io;

/// How often to ask anew when what is told changed while the kernel told it.
const TRIES: usize = 5;

/// What `read` makes of each message that answers `wanted`, which names family and filter.
///
/// # Errors
/// The socket's: EAFNOSUPPORT when a systemd unit's RestrictAddressFamilies lacks AF_NETLINK.
pub(super) fn dump<T>(wanted: &LinkMessage, read: fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
    dump_of(&RouteNetlinkMessage::GetLink(wanted.clone()), read)
}

/// The same of any request for links or addresses.
///
/// # Errors
/// As of [`dump`].
pub(super) fn dump_of<T>(wanted: &RouteNetlinkMessage, read: fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
    answers_to(&request(wanted), read)
}

/// The same of a request by its type and its body, for what netlink-packet-route does not know.
///
/// # Errors
/// As of [`dump`].
pub(super) fn dump_raw<T>(kind: u16, body: &[u8], read: fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
    answers_to(&raw(kind, NLM_F_REQUEST | NLM_F_DUMP, body), read)
}

/// What `read` makes of the one message that answers a request by its type and its body.
///
/// # Errors
/// What the kernel answers instead, beside those of [`dump`].
pub(super) fn get<T>(kind: u16, body: &[u8], read: fn(&[u8]) -> Option<T>) -> io::Result<Option<T>> {
    let (bodies, _) = ask(&raw(kind, NLM_F_REQUEST | NLM_F_ACK, body))?;
    Ok(bodies.first().and_then(|body| read(body)))
}

fn raw(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let header = size_of::<libc::nlmsghdr>();
    let mut octets = ((header + body.len()) as u32).to_ne_bytes().to_vec();
    octets.extend(kind.to_ne_bytes());
    octets.extend(flags.to_ne_bytes());
    octets.resize(header, 0);
    octets.extend(body);
    octets
}

fn answers_to<T>(request: &[u8], read: fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
    let mut tries = 0;
    loop {
        tries += 1;
        let (bodies, steady) = ask(request)?;
        if steady || tries == TRIES {
            return Ok(bodies.iter().filter_map(|body| read(body)).collect());
        }
    }
}

/// The messages, and whether all stayed the same while they were told.
fn ask(request: &[u8]) -> io::Result<(Vec<Vec<u8>>, bool)> {
    // NETLINK_ROUTE is protocol 0.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    send(&socket, request, SendFlags::empty())?;
    let mut buffer = vec![0u8; 64 * 1024];
    let (mut bodies, mut steady) = (Vec::new(), true);
    loop {
        let (_, length) = match recv(&socket, &mut buffer[..], RecvFlags::TRUNC) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let Some(messages) = buffer.get(..length) else { return Err(Errno::MSGSIZE.into()) };
        if !take_messages(messages, &mut bodies, &mut steady)? {
            return Ok((bodies, steady));
        }
    }
}

fn request(wanted: &RouteNetlinkMessage) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, wanted.clone().into());
    message.finalize();
    let mut octets = vec![0; message.buffer_len()];
    message.serialize(&mut octets);
    octets
}

/// That of a row of a VLAN table (linux/rtnetlink.h).
const RTM_NEWVLAN: u16 = 112;

/// The body of a message, when that is about a link, an address, a route, a rule, an entry of a bridge or its VLANs.
struct Told(Option<Vec<u8>>);

impl NetlinkDeserializable for Told {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, body: &[u8]) -> Result<Self, DecodeError> {
        let told = [RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE, RTM_NEWNEIGH, RTM_NEWRULE, RTM_NEWVLAN];
        Ok(Told(told.contains(&header.message_type).then(|| body.to_vec())))
    }
}

/// Takes the bodies out of one datagram; whether there are more datagrams to come. `steady` becomes false when the links
/// changed meanwhile: some may be missing or be there twice.
fn take_messages(mut data: &[u8], bodies: &mut Vec<Vec<u8>>, steady: &mut bool) -> io::Result<bool> {
    while !data.is_empty() {
        let broken = |_: DecodeError| io::Error::from(Errno::BADMSG);
        let length = NetlinkBuffer::new_checked(data).map_err(broken)?.length() as usize;
        let message = NetlinkMessage::<Told>::deserialize(data).map_err(broken)?;
        *steady &= message.header.flags & NLM_F_DUMP_INTR == 0;
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(false),
            // All was told that was asked for.
            NetlinkPayload::Error(error) if error.code.is_none() => return Ok(false),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            NetlinkPayload::InnerMessage(Told(body)) => bodies.extend(body),
            _ => {}
        }
        data = data.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(true)
}

/// `struct ifinfomsg`, behind which attributes stand.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(in crate::host) struct LinkHeader {
    /// None (0), or the family that the message is about a port of.
    pub(in crate::host) family: u8,
    pad: u8,
    hardware: u16,
    /// Index of the link.
    pub(in crate::host) index: u32,
    /// IFF_UP and the like.
    pub(super) flags: u32,
    change: u32,
}

impl LinkHeader {
    /// The header, and the attributes.
    pub(in crate::host) fn split(body: &[u8]) -> Option<(Self, &[u8])> {
        let (header, attributes) = body.split_at_checked(size_of::<Self>())?;
        Some((bytemuck::pod_read_unaligned(header), attributes))
    }
}

/// Attributes in a row. What is cut short ends them.
pub(super) fn attributes(octets: &[u8]) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(octets).map_while(Result::ok)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use netlink_packet_core::{NLMSG_DONE, NLMSG_ERROR};

    /// Octets of nlmsghdr, of ifinfomsg and of rtattr.
    const HEADER: usize = 16;
    pub(in super::super) const IFINFO: usize = 16;
    const ATTRIBUTE: usize = 4;

    pub(in super::super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = ((value.len() + ATTRIBUTE) as u16).to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut out = ((body.len() + HEADER) as u32).to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.resize(HEADER, 0);
        out.extend(body);
        out
    }

    #[test]
    fn the_bodies_are_taken_until_the_kernel_is_done() {
        let mut bodies = Vec::new();
        let mut data = message(RTM_NEWLINK, &[7; 20]);
        assert!(take_messages(&data, &mut bodies, &mut true).unwrap(), "more is to come");
        data.extend(message(NLMSG_DONE, &[0; 4]));
        assert!(!take_messages(&data, &mut bodies, &mut true).unwrap());
        assert_eq!(bodies, [[7; 20], [7; 20]]);
    }

    #[test]
    fn cut_and_wrong_messages_do_no_harm() {
        let whole = message(RTM_NEWLINK, &[7; 20]);
        for length in 0..whole.len() {
            let _ = take_messages(&whole[..length], &mut Vec::new(), &mut true);
        }
        let take = |data: &[u8]| take_messages(data, &mut Vec::new(), &mut true);
        let error = take(&message(NLMSG_ERROR, &(-13i32).to_ne_bytes())).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(13));
        assert!(take(&[8, 0, 0, 0, 3, 0, 0, 0]).is_err());
    }

    #[test]
    fn links_that_changed_meanwhile_are_noticed() {
        let mut data = message(RTM_NEWLINK, &[0; IFINFO]);
        data[6..8].copy_from_slice(&NLM_F_DUMP_INTR.to_ne_bytes());
        let mut steady = true;
        take_messages(&data, &mut Vec::new(), &mut steady).unwrap();
        assert!(!steady);
    }
}
