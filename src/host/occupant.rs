//! Whether another host has an address that this one is to have: asked as who takes it for its own would ask, by a probe of ARP
//! (RFC 5227, 2.1.1) or a neighbour solicitation from the unspecified address (RFC 4862, 5.4.2).
//!
//! A frame is sent at each port of a bridge by itself, and what comes in there is seen before the bridge has it: so a VLAN is asked
//! of which the host is no part.

use super::{Link, Links};
use crate::sys::packet::{CameIn, PacketSocket};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Probes for each address.
const ROUNDS: u32 = 3;
/// From one round to the next, and from the last to the end.
const PAUSE: Duration = Duration::from_millis(330);
/// As much of a frame as is looked at.
const LONGEST: usize = 256;
/// The least length of an Ethernet frame, without its checksum.
const SHORTEST: usize = 60;
/// Ethernet type of a VLAN tag (802.1Q).
const DOT1Q: u16 = 0x8100;
/// What begins ARP of IPv4 over Ethernet.
const ARP: [u8; 6] = [0, 1, 8, 0, 6, 4];
const ARP_REQUEST: [u8; 2] = [0, 1];
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Option of a neighbour advertisement: the MAC of the target.
const TARGETS_MAC: u8 = 2;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The address.
    pub ip: IpAddr,
    /// The indices of the links to ask at, each with the tag (802.1Q) that a frame wants there.
    pub ways: Vec<(u32, Option<u16>)>,
    /// The MAC to ask from.
    pub mac: [u8; 6],
}

impl Probe {
    /// Whether it was asked where a frame came in, in the same VLAN: on a trunk another network may have the address, too.
    fn is_asked(&self, CameIn { link, tag, .. }: &CameIn) -> bool {
        self.ways.iter().any(|(way, vlan)| way == link && vlan.map(|vlan| (DOT1Q, vlan)) == *tag)
    }
}

/// Who has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// The address.
    pub ip: IpAddr,
    /// The MAC that was told for it.
    pub mac: [u8; 6],
    /// The index of the link where it was told.
    pub link: u32,
}

/// Asks for a second, or until each address has somebody. What this host's own links say counts for nothing.
///
/// # Errors
/// Nothing could be asked: without CAP_NET_RAW, or where none of the links takes a frame.
pub fn occupants(probes: &[Probe], own: &Links) -> io::Result<Vec<Occupant>> {
    if probes.is_empty() {
        return Ok(Vec::new());
    }
    let socket = PacketSocket::open()?;
    let is_own = |mac: [u8; 6]| own.iter().any(|link| link.mac == Some(mac));
    let mut found: Vec<Occupant> = Vec::new();
    for _ in 0..ROUNDS {
        send(&socket, probes)?;
        let end = Instant::now() + PAUSE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || found.len() == probes.len() {
                break;
            }
            let mut frame = [0; LONGEST];
            let Some(came) = socket.receive(&mut frame, left)? else { continue };
            let Some((ip, mac)) = told(&frame[..came.length.min(LONGEST)]) else { continue };
            let asked = probes.iter().any(|probe| probe.ip == ip && probe.is_asked(&came));
            if asked && !is_own(mac) && found.iter().all(|known| known.ip != ip) {
                found.push(Occupant { ip, mac, link: came.link });
            }
        }
    }
    Ok(found)
}

/// Who else has the IPv4 addresses of these links that are listened at, asked for where they are carried. Of IPv6 the kernel finds that
/// out itself. Nobody is asked without CAP_NET_RAW.
pub(super) fn others(links: &Links, listen: &[SocketAddr]) -> Vec<Occupant> {
    let wanted =
        |ip: IpAddr| listen.iter().any(|socket| socket.ip() == ip || socket.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let asks = |link: &&Link| link.up && link.carrier && link.arp && !link.kind.is_for_addresses();
    let probes = links.iter().filter(asks).filter_map(|link| Some((link, link.mac?))).flat_map(|(link, mac)| {
        let own = link.addresses.iter().map(|own| own.ip).filter(|ip| ip.is_ipv4() && !ip.is_loopback() && wanted(*ip));
        own.map(move |ip| Probe { ip, ways: vec![(link.index, None)], mac })
    });
    occupants(&probes.collect::<Vec<_>>(), links).unwrap_or_default()
}

/// # Errors
/// No link took the frame of an address.
fn send(socket: &PacketSocket, probes: &[Probe]) -> io::Result<()> {
    for Probe { ip, ways, mac } in probes {
        let mut refused = None;
        let sent = ways.iter().filter(|(link, tag)| {
            let sent = socket.send(*link, &question(*ip, *mac, *tag));
            sent.map_err(|cause| refused = Some(cause)).is_ok()
        });
        if sent.count() == 0 {
            return Err(refused.unwrap_or_else(|| io::ErrorKind::NotConnected.into()));
        }
    }
    Ok(())
}

fn question(ip: IpAddr, mac: [u8; 6], tag: Option<u16>) -> Vec<u8> {
    let (to, kind, payload) = match ip {
        IpAddr::V4(ip) => ([0xff; 6], [8, 6], arp(ip, mac)),
        IpAddr::V6(ip) => {
            let [.., a, b, c] = ip.octets();
            ([0x33, 0x33, 0xff, a, b, c], [0x86, 0xdd], solicitation(ip))
        }
    };
    let mut frame = [to, mac].concat();
    if let Some(vlan) = tag {
        frame.extend(DOT1Q.to_be_bytes());
        frame.extend(vlan.to_be_bytes());
    }
    frame.extend(kind);
    frame.extend(payload);
    frame.resize(frame.len().max(SHORTEST), 0);
    frame
}

/// A request that names no address of the sender.
fn arp(ip: Ipv4Addr, mac: [u8; 6]) -> Vec<u8> {
    [&ARP[..], &ARP_REQUEST, &mac, &[0; 4], &[0; 6], &ip.octets()].concat()
}

fn solicitation(ip: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = ip.octets();
    let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]).octets();
    let message = |checksum: [u8; 2]| [&[SOLICITATION, 0], &checksum[..], &[0; 4], &ip.octets()].concat();
    let unsummed = message([0; 2]);
    let length = unsummed.len() as u8;
    let pseudo = [&[0; 16], &group[..], &[0, 0, 0, length, 0, 0, 0, 58], &unsummed].concat();
    let header = [&[0x60, 0, 0, 0, 0, length, 58, 255], &[0; 16][..], &group].concat();
    [header, message(checksum(&pseudo).to_be_bytes())].concat()
}

/// Of an even number of octets (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let sum: u32 = octets.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}

/// The address that a frame says somebody has, and the MAC.
fn told(frame: &[u8]) -> Option<(IpAddr, [u8; 6])> {
    let payload = frame.get(14..)?;
    let array = |at: usize| payload.get(at..at + 6)?.try_into().ok();
    match frame.get(12..14)? {
        [8, 6] if payload.starts_with(&ARP) => {
            let ip: [u8; 4] = payload.get(14..18)?.try_into().ok()?;
            Some((ip.into(), array(8)?)).filter(|(ip, _): &(IpAddr, _)| !ip.is_unspecified())
        }
        [0x86, 0xdd] if payload.get(6) == Some(&58) && payload.get(40) == Some(&ADVERTISEMENT) => {
            let ip: [u8; 16] = payload.get(48..64)?.try_into().ok()?;
            let of_option = || array(66).filter(|_| payload.get(64) == Some(&TARGETS_MAC));
            Some((ip.into(), of_option().or_else(|| frame.get(6..12)?.try_into().ok())?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 9];

    #[test]
    fn a_probe_of_arp_is_broadcast_and_tells_no_address() {
        let frame = question("192.0.2.7".parse().unwrap(), OURS, None);
        let expected =
            [&[0xff; 6], &OURS[..], &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &OURS, &[0; 10], &[192, 0, 2, 7]].concat();
        assert_eq!((&frame[..42], &frame[42..]), (&expected[..], &[0; 18][..]));
        assert_eq!(told(&frame), None, "who probes does not have it");
        let tagged = question("192.0.2.7".parse().unwrap(), OURS, Some(10));
        assert_eq!((&tagged[12..16], &tagged[16..46]), (&[0x81, 0, 0, 10][..], &expected[12..]));
    }

    #[test]
    fn what_another_vlan_of_a_trunk_says_is_no_answer() {
        let probe = Probe { ip: "192.0.2.7".parse().unwrap(), ways: vec![(3, Some(10)), (4, None)], mac: OURS };
        let came = |link, tag| probe.is_asked(&CameIn { length: 60, link, tag });
        assert!(came(3, Some((0x8100, 10))) && came(4, None));
        for (link, tag) in
            [(3, Some((0x8100, 20))), (3, Some((0x88a8, 10))), (3, None), (4, Some((0x8100, 10))), (5, None)]
        {
            assert!(!came(link, tag), "{link} {tag:?}");
        }
    }

    #[test]
    fn a_solicitation_is_for_the_group_of_the_address() {
        let frame = question("2001:db8::1:2:3".parse().unwrap(), OURS, None);
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 2, 0, 3]);
        assert_eq!((frame[20], frame[21], frame[54]), (58, 255, SOLICITATION));
        assert_eq!(frame[38..54], [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 2, 0, 3]);
        let pseudo = [&frame[22..54], &[0, 0, 0, 24, 0, 0, 0, 58], &frame[54..78]].concat();
        assert_eq!((frame.len(), checksum(&pseudo)), (78, 0), "with its checksum in it the sum is none");
    }

    #[test]
    fn whoever_tells_a_mac_for_an_address_has_it() {
        let mut reply = question("192.0.2.9".parse().unwrap(), THEIRS, None);
        reply[21] = 2;
        reply[28..32].copy_from_slice(&[192, 0, 2, 7]);
        assert_eq!(told(&reply), Some(("192.0.2.7".parse().unwrap(), THEIRS)));
        let ip: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let head = [
            &[0; 6],
            &OURS[..],
            &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255],
            &[0; 32],
            &[136, 0, 0, 0, 0x20, 0, 0, 0],
        ];
        let bare = [&head.concat()[..], &ip.octets()].concat();
        assert_eq!(told(&bare), Some((ip.into(), OURS)), "without the option by the frame's sender");
        assert_eq!(told(&[&bare[..], &[2, 1], &THEIRS].concat()), Some((ip.into(), THEIRS)));
        for length in 0..bare.len() {
            assert_eq!(told(&bare[..length]), None);
        }
        for length in 0..32 {
            assert_eq!(told(&reply[..length]), None);
        }
    }
}
