//! What the core asks of the world outside: sockets, numbers nobody can guess, room for its answers.

use super::Response;
use super::trouble::Failure;
use rustix::io::Errno;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// The world as the core sees it. UDP sockets and streams go by the numbers that the core gives them; it opens none twice
/// without closing it. What comes of them later is told by [`super::core::Input`].
pub trait World {
    /// Opens UDP socket number `slot`, bound to `source` and connected to `server`.
    ///
    /// # Errors
    /// The call that failed; nothing is open then. `bind` with `ADDRINUSE` or `ACCESS`: another port may do.
    fn open_udp(&mut self, slot: u16, source: SocketAddr, server: SocketAddr) -> Result<(), Failure>;

    /// Sends a message through a UDP socket. A full buffer is not told: the message counts as lost.
    fn send_udp(&mut self, slot: u16, message: &[u8]) -> Sent;

    /// The address that an open UDP socket sends from; `None` when the world cannot say.
    fn local(&mut self, slot: u16) -> Option<IpAddr> {
        let _ = slot;
        None
    }

    /// Closes a UDP socket.
    fn close_udp(&mut self, slot: u16);

    /// Starts to connect stream number `slot` from `source`, whose address may be unspecified, to `server`.
    ///
    /// # Errors
    /// The call that failed; nothing is open then.
    fn open_stream(&mut self, slot: u16, source: SocketAddr, server: SocketAddr) -> Result<(), Failure>;

    /// Has a stream send these octets, once it is connected: whole messages, each with its length before it.
    fn send_stream(&mut self, slot: u16, octets: &[u8]);

    /// Closes a stream; what it has not sent is lost.
    fn close_stream(&mut self, slot: u16);

    /// A number of 16 bits.
    ///
    /// # Errors
    /// When the system has none that nobody can guess: a predictable one is not handed out instead.
    fn draw(&mut self) -> Result<u16, Failure>;

    /// A number below `bound`, which is at most 65536; 0 for a bound of 0. Its bias is below `bound` / 65536.
    ///
    /// # Errors
    /// As [`Self::draw`].
    #[inline]
    fn below(&mut self, bound: u32) -> Result<u32, Failure> {
        Ok(((u64::from(self.draw()?) * u64::from(bound)) >> 16) as u32)
    }

    /// Seconds since 1970 by the clock of the wall: what signatures are judged by.
    fn wall(&mut self) -> u64;

    /// Has the file of an anchor that follows its zone's keys hold this text from now on.
    fn keep_anchor(&mut self, file: &Path, text: String);

    /// The place of the next answer, when there is one.
    fn room(&mut self) -> Option<&mut Response>;

    /// Hands over the answer that was written to [`Self::room`].
    fn publish(&mut self);
}

/// What came of sending through a UDP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Whether the message left.
    pub outcome: Result<(), Errno>,
    /// What the socket had still to report of messages before this one.
    pub earlier: Option<Errno>,
}
