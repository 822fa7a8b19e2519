//! What arrived: one Ethernet frame with a UDP datagram in it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use super::{
    ETHERNET_LEN, IPV4_LEN, IPV6_LEN, PROTOCOL_UDP, ReturnPath, TYPE_IPV4, TYPE_IPV6, TYPE_VLAN, UDP_LEN, VLAN_TAG_LEN,
    checksum,
};

/// Why a frame is not a whole UDP datagram that we can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// Shorter than its headers.
    Truncated,
    /// Neither IPv4 nor IPv6, or tagged more than once.
    NotIp,
    /// IPv4 options, a fragment, or a version that contradicts the Ethernet type.
    IpShape,
    /// Another protocol than UDP, or an IPv6 extension header.
    NotUdp,
    /// A length field says more than what arrived, or less than the header it is in.
    Length,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "shorter than its headers",
            Self::NotIp => "not IP",
            Self::IpShape => "fragment, IP options or wrong version",
            Self::NotUdp => "not UDP",
            Self::Length => "a length field that lies",
        })
    }
}

impl std::error::Error for WireError {}

/// Addressing of a UDP datagram, already turned round, and where its payload lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpFrame {
    path: ReturnPath,
    payload_start: u16,
    payload_len: u16,
}

impl UdpFrame {
    /// Who sent it.
    #[inline]
    pub fn client(&self) -> SocketAddr {
        self.path.destination()
    }

    /// The client's IP address alone.
    #[inline]
    pub fn client_ip(&self) -> IpAddr {
        self.path.destination().ip()
    }

    /// Which of our addresses and ports it was sent to.
    #[inline]
    pub fn local(&self) -> SocketAddr {
        self.path.source()
    }

    /// Where the payload lies in the frame.
    #[inline(always)]
    pub const fn payload(&self) -> Range<usize> {
        self.payload_start as usize..self.payload_start as usize + self.payload_len as usize
    }

    /// How to address an answer, now or later.
    #[inline(always)]
    pub const fn return_path(&self) -> &ReturnPath {
        &self.path
    }

    /// Whether the UDP checksum in `frame`, which this is the view of, lets the datagram be taken: it is right, or there
    /// is none (IPv4 alone, RFC 8200 section 8.1), or it is the sum of the pseudo header alone. The last is what a sender
    /// on this host leaves for hardware to complete (`CHECKSUM_PARTIAL`), and no hardware is on the way over veth.
    #[inline]
    pub fn checksum_holds(&self, frame: &[u8]) -> bool {
        let payload = self.payload();
        let Some(datagram) = frame.get(payload.start.wrapping_sub(UDP_LEN)..payload.end) else { return false };
        let &[_, _, _, _, high, low, first, second, ..] = datagram else { return false };
        let given = u16::from_ne_bytes([first, second]);
        if given == 0 {
            return !self.path.is_v6();
        }
        let pseudo = self.path.pseudo_header(u16::from_be_bytes([high, low]));
        checksum::finish(pseudo + checksum::sum(datagram)) == [0, 0]
            || checksum::finish(pseudo) == (!given).to_ne_bytes()
    }
}

/// Looks at all headers and lengths of `frame`, which is what was received and not a byte more. Bytes behind the
/// datagram (Ethernet padding) are no error and not part of the payload.
///
/// Checksums are not looked at; [`UdpFrame::checksum_holds`] does.
///
/// # Errors
/// The first thing that is not as it must be.
#[inline]
pub fn parse_udp_frame(frame: &[u8]) -> Result<UdpFrame, WireError> {
    let (ethernet, mut rest) = split::<ETHERNET_LEN>(frame)?;
    let mut path = ReturnPath::default();
    path.destination_mac.copy_from_slice(&ethernet[6..12]);
    path.source_mac.copy_from_slice(&ethernet[..6]);
    let mut ethertype = u16::from_be_bytes([ethernet[12], ethernet[13]]);
    if ethertype == TYPE_VLAN {
        let (tag, behind) = split::<VLAN_TAG_LEN>(rest)?;
        path.set_vlan(u16::from_be_bytes([tag[0], tag[1]]));
        ethertype = u16::from_be_bytes([tag[2], tag[3]]);
        rest = behind;
    }
    let datagram = match ethertype {
        TYPE_IPV4 => ipv4_payload(rest, &mut path)?,
        TYPE_IPV6 => ipv6_payload(rest, &mut path)?,
        _ => return Err(WireError::NotIp),
    };
    let (udp, behind) = split::<UDP_LEN>(datagram)?;
    path.destination_port = u16::from_be_bytes([udp[0], udp[1]]);
    path.source_port = u16::from_be_bytes([udp[2], udp[3]]);
    let payload_len = u16::from_be_bytes([udp[4], udp[5]]).checked_sub(UDP_LEN as u16).ok_or(WireError::Length)?;
    if usize::from(payload_len) > behind.len() {
        return Err(WireError::Length);
    }
    Ok(UdpFrame { payload_start: path.header_len() as u16, path, payload_len })
}

/// What the header's total length says follows it.
#[inline(always)]
fn ipv4_payload<'a>(packet: &'a [u8], path: &mut ReturnPath) -> Result<&'a [u8], WireError> {
    let (ip, rest) = split::<IPV4_LEN>(packet)?;
    // Version 4, five words; neither more fragments nor an offset.
    if ip[0] != 0x45 || u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff != 0 {
        return Err(WireError::IpShape);
    }
    if ip[9] != PROTOCOL_UDP {
        return Err(WireError::NotUdp);
    }
    path.set_v4([ip[16], ip[17], ip[18], ip[19]], [ip[12], ip[13], ip[14], ip[15]]);
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    total.checked_sub(IPV4_LEN).and_then(|len| rest.get(..len)).ok_or(WireError::Length)
}

/// What the header's payload length says follows it.
#[inline(always)]
fn ipv6_payload<'a>(packet: &'a [u8], path: &mut ReturnPath) -> Result<&'a [u8], WireError> {
    let (ip, rest) = split::<IPV6_LEN>(packet)?;
    if ip[0] >> 4 != 6 {
        return Err(WireError::IpShape);
    }
    if ip[6] != PROTOCOL_UDP {
        return Err(WireError::NotUdp);
    }
    let (mut local, mut client) = ([0; 16], [0; 16]);
    client.copy_from_slice(&ip[8..24]);
    local.copy_from_slice(&ip[24..40]);
    path.set_v6(local, client);
    rest.get(..usize::from(u16::from_be_bytes([ip[4], ip[5]]))).ok_or(WireError::Length)
}

#[inline(always)]
fn split<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), WireError> {
    bytes.split_first_chunk().ok_or(WireError::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::write_headers;
    use proptest::prelude::*;

    /// A query from 192.0.2.9:1234 to 192.0.2.1:53 with a payload of 12 bytes, or the same over IPv6.
    pub(in crate::wire) fn query(v6: bool, vlan: Option<u16>) -> Vec<u8> {
        let mut path = ReturnPath::default();
        (path.destination_mac, path.source_mac) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9]);
        if v6 {
            let address = |last| std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).octets();
            path.set_v6(address(9), address(1));
        } else {
            path.set_v4([192, 0, 2, 9], [192, 0, 2, 1]);
        }
        if let Some(tci) = vlan {
            path.set_vlan(tci);
        }
        (path.source_port, path.destination_port) = (1234, 53);
        let mut frame = vec![0xabu8; path.header_len() + 12];
        assert_eq!(write_headers(&mut frame, &path, 12), frame.len());
        frame
    }

    #[test]
    fn addresses_ports_and_payload() {
        for (v6, vlan) in [(false, None), (false, Some(10)), (true, None), (true, Some(4095))] {
            let mut frame = query(v6, vlan);
            let end = frame.len();
            frame.extend([0; 18]);
            let view = parse_udp_frame(&frame).expect("a good frame");
            assert_eq!(view.payload(), end - 12..end, "padding is not payload");
            assert_eq!((view.client().port(), view.local().port()), (1234, 53));
            let (client, local) = if v6 { ("2001:db8::9", "2001:db8::1") } else { ("192.0.2.9", "192.0.2.1") };
            assert_eq!((view.client_ip().to_string(), view.local().ip().to_string()), (client.into(), local.into()));
            assert_eq!(view.return_path().vlan(), vlan);
        }
    }

    #[test]
    fn checksums_that_the_kernel_would_take() {
        for (v6, vlan) in [(false, None), (true, None), (false, Some(10)), (true, Some(10))] {
            let good = query(v6, vlan);
            let view = parse_udp_frame(&good).expect("a good frame");
            let field = view.payload().start - 2;
            let with = |sum: [u8; 2]| {
                let mut frame = good.clone();
                frame[field..field + 2].copy_from_slice(&sum);
                frame.extend([0x55; 7]);
                view.checksum_holds(&frame)
            };
            let right = [good[field], good[field + 1]];
            let partial = !u16::from_ne_bytes(checksum::finish(view.return_path().pseudo_header(20)));
            assert!(with(right), "right, with padding behind");
            assert!(with(partial.to_ne_bytes()), "the sum of the pseudo header, as a local sender leaves it");
            assert_eq!(with([0, 0]), !v6, "none");
            assert!(!with((!partial).to_ne_bytes()), "the pseudo header's sum complemented");
            let mut wrong = right;
            for bit in 0..16 {
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert!(!with(wrong) || wrong == right || wrong == [0, 0], "bit {bit} wrong");
                wrong = right;
            }
            for at in field - 6..good.len() {
                let mut frame = good.clone();
                frame[at] ^= 0x10;
                assert!(!view.checksum_holds(&frame), "octet {at} changed");
            }
            assert!(!view.checksum_holds(&good[..good.len() - 1]), "not the frame it is a view of");
        }
    }

    #[test]
    fn every_prefix_is_refused() {
        for (v6, vlan) in [(false, None), (true, Some(7))] {
            let frame = query(v6, vlan);
            for len in 0..frame.len() {
                assert!(
                    matches!(parse_udp_frame(&frame[..len]), Err(WireError::Truncated | WireError::Length)),
                    "{len}"
                );
            }
        }
    }

    #[test]
    fn lies_and_foreign_shapes_are_refused() {
        let cases: &[(bool, usize, &[u8], WireError)] = &[
            (false, 12, &[0x08, 0x06], WireError::NotIp),
            (false, 12, &[0x86, 0xdd], WireError::IpShape),
            (false, 14, &[0x46], WireError::IpShape),
            (false, 14, &[0x65], WireError::IpShape),
            (false, 16, &[0, 19], WireError::Length),
            (false, 16, &[0, 41], WireError::Length),
            (false, 16, &[0, 39], WireError::Length),
            (false, 20, &[0x20, 0], WireError::IpShape),
            (false, 20, &[0, 1], WireError::IpShape),
            (false, 23, &[6], WireError::NotUdp),
            (false, 38, &[0, 7], WireError::Length),
            (false, 38, &[0, 21], WireError::Length),
            (false, 38, &[0xff, 0xff], WireError::Length),
            (true, 14, &[0x40], WireError::IpShape),
            (true, 18, &[0, 21], WireError::Length),
            (true, 18, &[0, 7], WireError::Truncated),
            (true, 20, &[44], WireError::NotUdp),
            (true, 20, &[0], WireError::NotUdp),
        ];
        for &(v6, at, bytes, error) in cases {
            let mut frame = query(v6, None);
            frame[at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(parse_udp_frame(&frame), Err(error), "v6 {v6}, bytes {bytes:?} at {at}");
        }
        let mut twice = query(false, Some(1));
        twice[16..18].copy_from_slice(&[0x81, 0x00]);
        assert_eq!(parse_udp_frame(&twice), Err(WireError::NotIp));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_payload_lies_inside(
            bytes in proptest::collection::vec(any::<u8>(), 0..120), v6 in any::<bool>(), vlan in any::<bool>(), at in 0usize..60
        ) {
            let mut frame = query(v6, vlan.then_some(3));
            for (to, from) in frame.iter_mut().skip(at).zip(&bytes) {
                *to = *from;
            }
            for frame in [&frame, &bytes] {
                if let Ok(view) = parse_udp_frame(frame) {
                    prop_assert!(frame.get(view.payload()).is_some());
                }
            }
        }
    }
}
