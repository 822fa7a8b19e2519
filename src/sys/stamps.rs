//! When datagrams came: the kernel's timestamps (SO_TIMESTAMP of socket(7)), which stand in front of other control messages.

use super::clock;
use super::sockaddr::{V4_PKTINFO, V6_PKTINFO};

/// Header of a control message: length, level and type (`struct cmsghdr`, cmsg(3)).
pub(super) const CMSG_HEADER: usize = 16;
/// Octets of a `struct timeval`.
const TIMEVAL: usize = 16;
/// Octets of all control messages of one datagram.
pub(super) const ROOM: usize = CMSG_HEADER + TIMEVAL + CMSG_HEADER + V6_PKTINFO.next_multiple_of(8);

/// The control messages of one datagram as the kernel writes them.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control(pub(super) [u8; ROOM]);

/// Those of a batch, and how old its datagrams are.
pub(super) struct Stamps<const N: usize> {
    pub(super) controls: Box<[Control; N]>,
    ages: [Option<u64>; N],
}

impl<const N: usize> Stamps<N> {
    pub(super) fn new() -> Self {
        Stamps { controls: Box::new([Control([0; ROOM]); N]), ages: [None; N] }
    }

    /// Microseconds since a datagram came to its socket; `None` when the kernel has not told.
    pub(super) fn age(&self, place: usize) -> Option<u64> {
        self.ages.get(place).copied().flatten()
    }

    /// Reads the control messages of datagram `place`, so many octets: copies the pktinfo among them to `rest`, and gives its length.
    pub(super) fn read(&mut self, place: usize, len: usize, rest: &mut [u8]) -> usize {
        self.ages[place] = None;
        let mut left = self.controls[place].0.get(..len).unwrap_or_default();
        let mut copied = 0;
        while let Some(message) = whole(left) {
            let level = i32::from_ne_bytes([left[8], left[9], left[10], left[11]]);
            let kind = i32::from_ne_bytes([left[12], left[13], left[14], left[15]]);
            match (level, kind, message.len() - CMSG_HEADER) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMP, TIMEVAL) => self.ages[place] = age(&message[CMSG_HEADER..]),
                (libc::IPPROTO_IP, libc::IP_PKTINFO, V4_PKTINFO)
                | (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, V6_PKTINFO) => {
                    if let Some(place) = rest.get_mut(..message.len()) {
                        place.copy_from_slice(message);
                        copied = message.len();
                    }
                }
                _ => {}
            }
            left = left.get(message.len().next_multiple_of(8)..).unwrap_or_default();
        }
        copied
    }
}

/// The control message at the front.
fn whole(left: &[u8]) -> Option<&[u8]> {
    let len = usize::from_ne_bytes(*left.first_chunk()?);
    left.get(..len).filter(|message| message.len() >= CMSG_HEADER)
}

/// How long ago a `struct timeval` was; 0 when the clock was set back meanwhile.
fn age(timeval: &[u8]) -> Option<u64> {
    let (seconds, rest) = timeval.split_first_chunk()?;
    let micros = i64::from_ne_bytes(*rest.first_chunk()?);
    let came = i64::from_ne_bytes(*seconds).checked_mul(1_000_000)?.checked_add(micros)?;
    Some(clock::unix_micros().saturating_sub(u64::try_from(came).ok()?))
}
