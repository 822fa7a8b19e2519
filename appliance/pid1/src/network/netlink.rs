//! Requests to rtnetlink(7), each with its answer.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use std::io;

/// Make it when it is not there, change it when it is.
pub const SET: u16 = NLM_F_CREATE | NLM_F_REPLACE;

/// Octets of the kernel's word on a request: an error holds the request, and none of ours is as long.
const ANSWER: usize = 8192;

/// A socket to the kernel's network.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// # Errors
    /// The socket's.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Sends one request and waits for the kernel's word on it, which comes before the call returns.
    ///
    /// # Errors
    /// The kernel's.
    pub fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut buffer = vec![0; message.buffer_len()];
        message.serialize(&mut buffer);
        self.socket.send(&buffer, 0)?;
        loop {
            let mut answer = [0; ANSWER];
            let octets = self.socket.recv(&mut &mut answer[..], 0)?;
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(answer.get(..octets).unwrap_or_default())
                .map_err(|cause| io::Error::other(cause.to_string()))?;
            match answer.payload {
                NetlinkPayload::Error(error) if answer.header.sequence_number == self.sequence => {
                    return if error.code.is_none() { Ok(()) } else { Err(error.to_io()) };
                }
                _ => {}
            }
        }
    }
}
