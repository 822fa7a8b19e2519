//! What the stream thread and the worker say to each other.

use crate::answer::decide::Via;
use crate::answer::keepalive::Keepalive;
use bytemuck::Zeroable;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Longest DNS message over a stream (RFC 1035 section 4.2.2).
pub const MAX_MESSAGE: usize = 65535;

/// A query on its way to the worker, or its reply on the way back. A reply of length zero means: no answer, on purpose.
#[derive(Clone, Copy, Zeroable)]
pub struct StreamMessage {
    /// The stream thread's handle of connection and query, given back with the reply.
    pub token: u64,
    client: Address,
    /// With port 0: not known.
    local: Address,
    /// See [`Self::via`]: the longest reply, 0 for a stream.
    datagram: u16,
    /// See [`Self::keepalive`]: what it is, and a time.
    keepalive: [u16; 2],
    len: u32,
    octets: [u8; MAX_MESSAGE],
}

/// A socket address for which all zeros stand for one too.
#[derive(Clone, Copy, Zeroable)]
struct Address {
    ip: [u8; 16],
    port: u16,
}

impl Address {
    fn of(address: SocketAddr) -> Address {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Address { ip, port: address.port() }
    }

    fn get(self) -> SocketAddr {
        let ip = Ipv6Addr::from(self.ip);
        SocketAddr::new(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4), self.port)
    }
}

impl StreamMessage {
    /// The client's address; IPv4 as itself, not mapped.
    pub fn client(&self) -> SocketAddr {
        self.client.get()
    }

    /// Sets the client's address.
    pub fn set_client(&mut self, client: SocketAddr) {
        self.client = Address::of(client);
    }

    /// The address that the client is connected to, where it is told.
    pub fn local(&self) -> Option<SocketAddr> {
        (self.local.port != 0).then(|| self.local.get())
    }

    /// Sets the address that the client is connected to.
    pub fn set_local(&mut self, local: Option<SocketAddr>) {
        self.local = local.map_or(Address::zeroed(), Address::of);
    }

    /// How the message came: over a stream, unless [`Self::set_via`] says otherwise.
    pub fn via(&self) -> Via {
        match self.datagram {
            0 => Via::Stream,
            longest => Via::Datagram(usize::from(longest)),
        }
    }

    /// Says how the message came. The stream thread has nothing to say; tests whose clients send datagrams do.
    #[doc(hidden)]
    pub fn set_via(&mut self, via: Via) {
        self.datagram = match via {
            Via::Stream => 0,
            Via::Datagram(longest) => u16::try_from(longest).unwrap_or(u16::MAX),
        };
    }

    /// What the reply is to say of the connection.
    pub fn keepalive(&self) -> Keepalive {
        match self.keepalive {
            [0, _] => Keepalive::Silent,
            [1, tenths] => Keepalive::Timeout(tenths),
            _ => Keepalive::Malformed,
        }
    }

    /// Has the reply say that of the connection.
    pub fn set_keepalive(&mut self, keepalive: Keepalive) {
        self.keepalive = match keepalive {
            Keepalive::Silent => [0; 2],
            Keepalive::Timeout(tenths) => [1, tenths],
            Keepalive::Malformed => [2, 0],
        };
    }

    /// The message.
    pub fn message(&self) -> &[u8] {
        &self.octets[..self.len as usize]
    }

    /// The whole buffer and the message's length in it, for answering in place.
    pub fn buffer(&mut self) -> (&mut [u8], usize) {
        let len = self.len as usize;
        (&mut self.octets, len)
    }

    /// Copies a message in, at most [`MAX_MESSAGE`] octets of it.
    pub fn set_message(&mut self, message: &[u8]) {
        let len = message.len().min(MAX_MESSAGE);
        self.octets[..len].copy_from_slice(&message[..len]);
        self.len = len as u32;
    }
}
