//! What leaves: headers in front of a payload that lies in its place already.

use super::{
    ETHERNET_LEN, IPV4_LEN, IPV6_LEN, PROTOCOL_UDP, ReturnPath, TYPE_IPV4, TYPE_IPV6, TYPE_VLAN, UDP_LEN, UdpFrame,
    VLAN_TAG_LEN, checksum,
};

/// Time to live of what we send: the default of RFC 1700.
const HOPS: u8 = 64;

/// Turns `frame` round for an answer of `payload_len` bytes that stands where the question stood
/// ([`UdpFrame::payload`]`.start`). Returns the length of the whole frame; zero when the answer does not fit `frame` or
/// a UDP datagram.
#[inline]
pub fn reply_in_place(frame: &mut [u8], view: &UdpFrame, payload_len: usize) -> usize {
    write_headers(frame, view.return_path(), payload_len)
}

/// Writes all headers in front of a payload of `payload_len` bytes that stands at [`ReturnPath::header_len`]. Checksums
/// are computed from scratch. Returns the length of the whole frame; zero when it does not fit `frame` or a UDP
/// datagram, and then nothing was written.
#[inline]
pub fn write_headers(frame: &mut [u8], path: &ReturnPath, payload_len: usize) -> usize {
    let header_len = path.header_len();
    let ip_len = if path.is_v6() { IPV6_LEN } else { IPV4_LEN };
    let (Ok(udp_len), Some(frame_len)) =
        (u16::try_from(payload_len.saturating_add(UDP_LEN)), header_len.checked_add(payload_len))
    else {
        return 0;
    };
    let Ok(total_len) = u16::try_from(ip_len + usize::from(udp_len)) else { return 0 };
    let Some(frame) = frame.get_mut(..frame_len) else { return 0 };
    let Some(rest) = write_link(frame, path) else { return 0 };
    let rest = if path.is_v6() {
        let Some((ip, rest)) = rest.split_first_chunk_mut() else { return 0 };
        write_ipv6(ip, path, udp_len);
        rest
    } else {
        let Some((ip, rest)) = rest.split_first_chunk_mut() else { return 0 };
        write_ipv4(ip, path, total_len);
        rest
    };
    let Some((udp, payload)) = rest.split_first_chunk_mut() else { return 0 };
    write_udp(udp, path, udp_len, path.pseudo_header(udp_len) + checksum::sum(payload));
    frame_len
}

/// Gives an answer's packet, whose headers stand, another traffic class than 0 (RFC 2474: DSCP and two bits).
#[cold]
pub fn set_traffic_class(frame: &mut [u8], path: &ReturnPath, class: u8) {
    let link = if path.vlan().is_some() { ETHERNET_LEN + VLAN_TAG_LEN } else { ETHERNET_LEN };
    let Some(packet) = frame.get_mut(link..) else { return };
    if path.is_v6() {
        if let [version, flow, ..] = packet {
            (*version, *flow) = (0x60 | class >> 4, class << 4);
        }
    } else if let Some(ip) = packet.first_chunk_mut::<IPV4_LEN>() {
        ip[1] = class;
        ip[10..12].copy_from_slice(&[0, 0]);
        let sum = checksum::finish(checksum::sum(ip));
        ip[10..12].copy_from_slice(&sum);
    }
}

/// Ethernet header and tag; what is behind them.
#[inline(always)]
fn write_link<'a>(frame: &'a mut [u8], path: &ReturnPath) -> Option<&'a mut [u8]> {
    let (ethernet, mut rest) = frame.split_first_chunk_mut::<ETHERNET_LEN>()?;
    let ethertype = if path.is_v6() { TYPE_IPV6 } else { TYPE_IPV4 }.to_be_bytes();
    ethernet[..6].copy_from_slice(&path.destination_mac);
    ethernet[6..12].copy_from_slice(&path.source_mac);
    if path.tagged == 1 {
        let (tag, behind) = rest.split_first_chunk_mut::<VLAN_TAG_LEN>()?;
        ethernet[12..].copy_from_slice(&TYPE_VLAN.to_be_bytes());
        tag[..2].copy_from_slice(&path.tci.to_be_bytes());
        tag[2..].copy_from_slice(&ethertype);
        rest = behind;
    } else {
        ethernet[12..].copy_from_slice(&ethertype);
    }
    Some(rest)
}

/// No options, no fragmentation allowed, hence no need for an identification (RFC 6864 section 4.1).
#[inline(always)]
fn write_ipv4(ip: &mut [u8; IPV4_LEN], path: &ReturnPath, total_len: u16) {
    let [high, low] = total_len.to_be_bytes();
    ip[..12].copy_from_slice(&[0x45, 0, high, low, 0, 0, 0x40, 0, HOPS, PROTOCOL_UDP, 0, 0]);
    ip[12..16].copy_from_slice(&path.source[..4]);
    ip[16..].copy_from_slice(&path.destination[..4]);
    let sum = checksum::finish(checksum::sum(ip));
    ip[10..12].copy_from_slice(&sum);
}

/// Traffic class and flow label zero.
#[inline(always)]
fn write_ipv6(ip: &mut [u8; IPV6_LEN], path: &ReturnPath, payload_len: u16) {
    let [high, low] = payload_len.to_be_bytes();
    ip[..8].copy_from_slice(&[0x60, 0, 0, 0, high, low, PROTOCOL_UDP, HOPS]);
    ip[8..24].copy_from_slice(&path.source);
    ip[24..].copy_from_slice(&path.destination);
}

/// `sum` is that of the pseudo header and the payload.
#[inline(always)]
fn write_udp(udp: &mut [u8; UDP_LEN], path: &ReturnPath, udp_len: u16, sum: u64) {
    udp[..2].copy_from_slice(&path.source_port.to_be_bytes());
    udp[2..4].copy_from_slice(&path.destination_port.to_be_bytes());
    udp[4..6].copy_from_slice(&udp_len.to_be_bytes());
    udp[6..].copy_from_slice(&[0, 0]);
    let sum = checksum::finish_udp(sum + checksum::sum(udp));
    udp[6..].copy_from_slice(&sum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::parse_udp_frame;

    /// A query's headers as a kernel sends them, by hand: MACs, IPv4 192.0.2.9 to 192.0.2.1, ports 1234 to 53.
    const QUERY: [u8; 54] = [
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0, // Ethernet
        0x45, 0x10, 0, 40, 0x12, 0x34, 0, 0, 33, 17, 0xde, 0xad, 192, 0, 2, 9, 192, 0, 2, 1, // IPv4
        0x04, 0xd2, 0, 53, 0, 20, 0xbe, 0xef, // UDP
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ];

    #[test]
    fn a_traffic_class_is_all_that_changes_and_the_checksum_follows() {
        let mut frame = [0u8; 80];
        frame[..54].copy_from_slice(&QUERY);
        let view = parse_udp_frame(&frame[..54]).expect("a good frame");
        reply_in_place(&mut frame, &view, 12);
        let before = frame;
        set_traffic_class(&mut frame, view.return_path(), 0xb8);
        assert_eq!((frame[15], checksum::finish(checksum::sum(&frame[14..34]))), (0xb8, [0, 0]));
        let changed: Vec<usize> = (0..80).filter(|&at| frame[at] != before[at]).collect();
        assert!(changed.iter().all(|at| [15, 24, 25].contains(at)), "{changed:?}");
        let mut path = ReturnPath::default();
        path.set_v6([1; 16], [2; 16]);
        write_headers(&mut frame, &path, 12);
        set_traffic_class(&mut frame, &path, 0xb8);
        assert_eq!(frame[14..18], [0x6b, 0x80, 0, 0]);
    }

    #[test]
    fn ipv4_reply_byte_by_byte() {
        let mut frame = [0u8; 80];
        frame[..54].copy_from_slice(&QUERY);
        let view = parse_udp_frame(&frame[..54]).expect("a good frame");
        frame[54] = 13;
        assert_eq!(reply_in_place(&mut frame, &view, 13), 55);
        let expected = [
            2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0, // Ethernet
            0x45, 0, 0, 41, 0, 0, 0x40, 0, 64, 17, 0xb6, 0xb9, 192, 0, 2, 1, 192, 0, 2, 9, // IPv4
            0, 53, 0x04, 0xd2, 0, 21, 0x45, 0x88, // UDP
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
        ];
        assert_eq!(frame[..55], expected);
    }

    #[test]
    fn checksums_verify_for_all_shapes_and_sizes() {
        for (v6, tci) in [(false, None), (false, Some(10)), (true, None), (true, Some(10))] {
            let mut path = ReturnPath { source_port: 53, destination_port: 1234, ..Default::default() };
            if v6 {
                path.set_v6([7; 16], [9; 16])
            } else {
                path.set_v4([192, 0, 2, 1], [192, 0, 2, 9])
            };
            if let Some(tci) = tci {
                path.set_vlan(tci);
            }
            for payload_len in [0, 1, 2, 3, 12, 511, 1232] {
                let mut frame: Vec<u8> = (0..2000u32).map(|at| (at * 7 + 1) as u8).collect();
                let len = write_headers(&mut frame, &path, payload_len);
                assert_eq!(len, path.header_len() + payload_len);
                let view = parse_udp_frame(&frame[..len]).expect("our own frame");
                assert_eq!(view.payload().len(), payload_len);
                assert_eq!((view.client(), view.local()), (path.source(), path.destination()));
                let udp = &frame[path.header_len() - UDP_LEN..len];
                let pseudo = path.pseudo_header(udp.len() as u16);
                assert_eq!(checksum::finish(pseudo + checksum::sum(udp)), [0, 0]);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let path = ReturnPath::default();
        let mut frame = [0xaau8; 60];
        for payload_len in [19, 100, 65_507, 65_508, 70_000, usize::MAX - 8] {
            assert_eq!(write_headers(&mut frame, &path, payload_len), 0, "{payload_len}");
        }
        assert_eq!(frame, [0xaa; 60]);
        assert_eq!(write_headers(&mut frame, &path, 18), 60);
        let mut large = vec![0u8; 70_000];
        assert_eq!(write_headers(&mut large, &path, 65_507), 65_549);
        assert_eq!(write_headers(&mut large, &path, 65_508), 0);
    }
}
