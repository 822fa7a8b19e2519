//! One TCP connection: messages behind their two-octet lengths (RFC 1035 section 4.2.2), both ways, never blocking.

use super::stream_message::MAX_MESSAGE;
use crate::answer::keepalive::{IdleTime, Keepalive};
use crate::dns::header::LEN as HEADER_LEN;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, getsockname, recv, send};
use std::net::SocketAddr;

/// Octets of the length in front of a message.
const PREFIX: usize = 2;
/// Octets read at once; the buffer grows beyond when a message says it is longer.
const READ_SIZE: usize = 4096;
/// With this many octets of replies waiting no further query is taken from the connection.
const WAITING_LIMIT: usize = 65536;
/// Queries of one connection with the worker at a time.
const IN_FLIGHT_LIMIT: usize = 128;

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client closed or reset it, and all was answered.
    Client,
    /// A length below that of a DNS header.
    Malformed,
    /// Nothing came, or nothing was read, for too long.
    TimedOut,
    /// The worker answered nothing, on purpose.
    Dropped,
    /// No room for the replies of slow readers.
    WaitOverflow,
}

/// A connection, its buffers and its clock. Times are milliseconds on the caller's clock.
pub(super) struct Connection {
    pub socket: OwnedFd,
    pub client: SocketAddr,
    /// See [`Self::local`].
    local: Option<SocketAddr>,
    incoming: Incoming,
    outgoing: Outgoing,
    in_flight: usize,
    read_closed: bool,
    /// When the client last did its part: connected, completed a message, read of its replies.
    since: u64,
    timeout: u64,
    idle: IdleTime,
}

impl Connection {
    /// A connection that is closed when its client leaves it alone for `timeout` milliseconds; `idle`: whether it is told.
    pub fn new(socket: OwnedFd, client: SocketAddr, now: u64, (timeout, idle): (u64, IdleTime)) -> Self {
        let (incoming, outgoing) = (Incoming::default(), Outgoing::default());
        let (local, in_flight, read_closed) = (None, 0, false);
        Connection { socket, client, local, incoming, outgoing, in_flight, read_closed, since: now, timeout, idle }
    }

    /// What the client is connected to: a system call when it is asked for first. `None`: the kernel does not say.
    pub fn local(&mut self) -> Option<SocketAddr> {
        if self.local.is_none() {
            self.local = getsockname(&self.socket).ok().and_then(|local| local.try_into().ok());
        }
        self.local
    }

    /// Reads what fits the buffer. The end of the stream is no end of the connection: what was asked is answered.
    pub fn read(&mut self, now: u64) -> Result<(), End> {
        if !self.wants_read() {
            return Ok(());
        }
        match recv(&self.socket, self.incoming.space(), RecvFlags::DONTWAIT) {
            Ok((0, _)) => self.read_closed = true,
            Ok((got, _)) => {
                self.incoming.filled(got);
                if self.incoming.front()?.is_some() {
                    self.since = now;
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => return Err(End::Client),
        }
        Ok(())
    }

    /// The next query to hand to the worker, when the connection may have one more there. Stays until [`Self::asked`].
    pub fn query(&self) -> Result<Option<&[u8]>, End> {
        if self.outgoing.len() > WAITING_LIMIT || self.in_flight >= IN_FLIGHT_LIMIT {
            return Ok(None);
        }
        self.incoming.front()
    }

    /// What the reply to that query is to say of the connection. To be asked once for each, in order.
    pub fn keepalive(&mut self) -> Keepalive {
        match self.incoming.front() {
            Ok(Some(query)) => self.idle.after(query),
            _ => Keepalive::Silent,
        }
    }

    /// The query that [`Self::query`] showed is with the worker.
    pub fn asked(&mut self) {
        self.incoming.consume();
        self.in_flight += 1;
    }

    /// Takes a reply of the worker and sends it as far as the client reads.
    pub fn reply(&mut self, message: &[u8], now: u64) -> Result<(), End> {
        self.in_flight = self.in_flight.saturating_sub(1);
        if message.is_empty() {
            return Err(End::Dropped);
        }
        let idle = self.outgoing.len() == 0;
        self.outgoing.push(message);
        if idle {
            self.since = now;
            self.write(now)?;
        }
        Ok(())
    }

    /// Sends waiting replies as far as the client reads.
    pub fn write(&mut self, now: u64) -> Result<(), End> {
        while self.outgoing.len() > 0 {
            match send(&self.socket, self.outgoing.waiting(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    self.outgoing.sent(sent);
                    self.since = now;
                }
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(_) => return Err(End::Client),
            }
        }
        Ok(())
    }

    /// Octets of replies not yet sent.
    pub fn waiting(&self) -> usize {
        self.outgoing.len()
    }

    /// Whether to poll for reading: not while a query that was read cannot be handed on, so that TCP holds the client
    /// back.
    pub fn wants_read(&self) -> bool {
        !self.read_closed && !matches!(self.incoming.front(), Ok(Some(_)))
    }

    /// Whether to poll for writing.
    pub fn wants_write(&self) -> bool {
        self.outgoing.len() > 0
    }

    /// The client has closed its side and has all its answers.
    pub fn is_finished(&self) -> bool {
        self.read_closed && self.in_flight == 0 && self.outgoing.len() == 0 && self.incoming.front() == Ok(None)
    }

    /// When the connection times out; `None` while it waits for the worker and not for the client.
    pub fn deadline(&self) -> Option<u64> {
        let waits_for_worker = self.in_flight > 0 || matches!(self.incoming.front(), Ok(Some(_)));
        (self.outgoing.len() > 0 || !waits_for_worker).then(|| self.since.saturating_add(self.timeout))
    }
}

/// Octets read and not yet handed on: `start..end` of the buffer.
#[derive(Default)]
struct Incoming {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Incoming {
    /// The message at the front, without its length; `None` when it is not whole yet.
    fn front(&self) -> Result<Option<&[u8]>, End> {
        let Some(len) = self.front_len() else { return Ok(None) };
        if len < HEADER_LEN {
            return Err(End::Malformed);
        }
        let start = self.start + PREFIX;
        Ok(self.buffer[..self.end].get(start..start + len))
    }

    fn front_len(&self) -> Option<usize> {
        let prefix = self.buffer[self.start..self.end].first_chunk::<PREFIX>()?;
        Some(u16::from_be_bytes(*prefix) as usize)
    }

    /// Removes the message at the front, which must be whole.
    fn consume(&mut self) {
        let len = self.front_len().map_or(0, |len| PREFIX + len);
        self.start = (self.start + len).min(self.end);
    }

    /// Where to read to: never empty, room for the rest of the message at the front.
    fn space(&mut self) -> &mut [u8] {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let needed = self.front_len().map_or(0, |len| PREFIX + len).max(READ_SIZE);
        if self.buffer.len() < needed || (self.end == 0 && self.buffer.len() > needed) {
            self.buffer.resize(needed, 0);
            self.buffer.shrink_to(needed);
        }
        &mut self.buffer[self.end..]
    }

    fn filled(&mut self, octets: usize) {
        self.end = (self.end + octets).min(self.buffer.len());
    }
}

/// Replies with their lengths, sent up to `sent`.
#[derive(Default)]
struct Outgoing {
    buffer: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    fn push(&mut self, message: &[u8]) {
        let message = &message[..message.len().min(MAX_MESSAGE)];
        self.buffer.drain(..std::mem::take(&mut self.sent));
        self.buffer.extend_from_slice(&(message.len() as u16).to_be_bytes());
        self.buffer.extend_from_slice(message);
    }

    fn len(&self) -> usize {
        self.buffer.len() - self.sent
    }

    fn waiting(&self) -> &[u8] {
        &self.buffer[self.sent..]
    }

    fn sent(&mut self, octets: usize) {
        self.sent = (self.sent + octets).min(self.buffer.len());
        if self.sent == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(READ_SIZE);
            self.sent = 0;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn feed(incoming: &mut Incoming, octets: &[u8]) {
        let space = incoming.space();
        space[..octets.len()].copy_from_slice(octets);
        incoming.filled(octets.len());
    }

    fn framed(len: usize, fill: u8) -> Vec<u8> {
        let mut message = (len as u16).to_be_bytes().to_vec();
        message.resize(PREFIX + len, fill);
        message
    }

    #[test]
    fn messages_are_whole_whatever_the_pieces() {
        let stream: Vec<u8> = (0..40).flat_map(|i| framed(HEADER_LEN + i * 3, i as u8)).collect();
        for piece in [1, 2, 3, 5, 13, 64, 500, stream.len()] {
            let mut incoming = Incoming::default();
            let mut seen = 0;
            for octets in stream.chunks(piece) {
                feed(&mut incoming, octets);
                while let Some(message) = incoming.front().unwrap() {
                    assert_eq!(message, vec![seen as u8; HEADER_LEN + seen * 3]);
                    incoming.consume();
                    seen += 1;
                }
            }
            assert_eq!((seen, incoming.start), (40, incoming.end), "pieces of {piece}");
        }
    }

    #[test]
    fn the_longest_message_fits_and_the_buffer_shrinks_again() {
        let mut incoming = Incoming::default();
        let message = framed(MAX_MESSAGE, 9);
        let mut rest = &message[..];
        while !rest.is_empty() {
            assert_eq!(incoming.front(), Ok(None));
            let len = incoming.space().len().min(rest.len());
            feed(&mut incoming, &rest[..len]);
            rest = &rest[len..];
        }
        assert_eq!(incoming.front().unwrap().unwrap().len(), MAX_MESSAGE);
        incoming.consume();
        assert_eq!(incoming.space().len(), READ_SIZE);
        assert!(incoming.buffer.capacity() < MAX_MESSAGE);
    }

    #[test]
    fn lengths_below_a_header_are_malformed() {
        for len in 0..HEADER_LEN as u8 {
            let mut incoming = Incoming::default();
            feed(&mut incoming, &[0, len]);
            assert_eq!(incoming.front(), Err(End::Malformed));
        }
    }

    #[test]
    fn a_half_closed_connection_is_not_read_again_and_ends_with_its_answers() {
        use std::io::Write;
        let (server, mut client) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut connection =
            Connection::new(server.into(), "127.0.0.1:1".parse().unwrap(), 0, (1000, IdleTime::default()));
        client.write_all(&framed(HEADER_LEN, 1)).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        connection.read(5).unwrap();
        assert_eq!(connection.query(), Ok(Some(&[1; HEADER_LEN][..])));
        assert!(!connection.wants_read(), "a query waits to be handed on");
        connection.asked();
        assert!(connection.wants_read());
        connection.read(6).unwrap();
        assert!(!connection.wants_read(), "the stream has ended");
        assert_eq!((connection.is_finished(), connection.deadline()), (false, None));
        connection.reply(&[2; HEADER_LEN], 7).unwrap();
        assert!(connection.is_finished());
    }

    /// What a stream holds: messages, and whether it ends in a length that is none.
    fn reference(mut stream: &[u8]) -> (Vec<&[u8]>, bool) {
        let mut messages = Vec::new();
        while let [high, low, rest @ ..] = stream {
            let len = u16::from_be_bytes([*high, *low]) as usize;
            if len < HEADER_LEN {
                return (messages, true);
            }
            let Some((message, rest)) = rest.split_at_checked(len) else { break };
            messages.push(message);
            stream = rest;
        }
        (messages, false)
    }

    proptest::proptest! {
        #[test]
        fn any_octets_in_any_pieces_are_framed_as_they_are(
            parts in proptest::collection::vec((0u16..40, proptest::collection::vec(0u8.., 0..40)), 0..20),
            pieces in proptest::collection::vec(1usize..50, 1..20),
        ) {
            let stream: Vec<u8> =
                parts.iter().flat_map(|(len, octets)| [&len.to_be_bytes(), &octets[..]].concat()).collect();
            let mut incoming = Incoming::default();
            let (mut messages, mut malformed) = (Vec::new(), false);
            let (mut rest, mut pieces) = (&stream[..], pieces.iter().cycle());
            while !rest.is_empty() && !malformed {
                let (piece, later) = rest.split_at(rest.len().min(*pieces.next().unwrap()));
                feed(&mut incoming, piece);
                rest = later;
                loop {
                    match incoming.front() {
                        Ok(Some(message)) => messages.push(message.to_vec()),
                        Ok(None) => break,
                        Err(_) => {
                            malformed = true;
                            break;
                        }
                    }
                    incoming.consume();
                }
            }
            let (expected, expected_malformed) = reference(&stream);
            assert_eq!((messages, malformed), (expected.iter().map(|m| m.to_vec()).collect(), expected_malformed));
        }
    }

    #[test]
    fn replies_leave_in_order_whatever_is_taken_at_once() {
        let mut outgoing = Outgoing::default();
        let (mut out, mut expected) = (Vec::new(), Vec::new());
        for i in 0..50usize {
            outgoing.push(&vec![i as u8; i + 1]);
            expected.extend(framed(i + 1, i as u8));
            let taken = outgoing.len().min(i % 7 * 5);
            out.extend_from_slice(&outgoing.waiting()[..taken]);
            outgoing.sent(taken);
        }
        out.extend_from_slice(outgoing.waiting());
        outgoing.sent(usize::MAX - outgoing.sent);
        assert_eq!((out, outgoing.len()), (expected, 0));
    }
}
