//! Whom a bridge lets in at a port that is locked (802.1X): RTM_GETNEIGH of the family AF_BRIDGE, its forwarding database
//! (net/bridge/br_input.c, `br_handle_frame_finish`; net/bridge/br_fdb.c, `fdb_fill_info`).

use super::message::{self, attributes};
use crate::host::links::Link;
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

/// Octets of `struct ndmsg`: family, three of padding, the link's index, state, flags and type.
const HEADER: usize = 12;
/// Attributes of an entry (linux/neighbour.h): that of a bridge has one, and flags that came later.
const NDA_MASTER: u16 = 9;
const NDA_FLAGS_EXT: u16 = 15;
/// The state of an entry for a MAC of the bridge's own.
const NUD_PERMANENT: u16 = 0x80;
/// An entry that waits to be authorized (`mab on`).
const NTF_EXT_LOCKED: u32 = 1 << 1;

/// Puts onto locked ports whether anybody is let in there. It is not asked where none is locked; where it is not told, nobody is.
pub(super) fn take_admitted(links: &mut [Link]) {
    if !links.iter().any(|link| link.port.locked) {
        return;
    }
    let mut wanted = NeighbourMessage::default();
    wanted.header.family = AddressFamily::Bridge;
    let admitted = message::dump_of(&RouteNetlinkMessage::GetNeighbour(wanted), admitted).unwrap_or_default();
    for link in links.iter_mut().filter(|link| link.port.locked) {
        link.port.admits = admitted.contains(&link.index);
    }
}

/// The port, by its index, at which the MAC of an entry is let in.
fn admitted(body: &[u8]) -> Option<u32> {
    let (header, body) = body.split_first_chunk::<HEADER>()?;
    let [_, _, _, _, i0, i1, i2, i3, s0, s1, _, _] = *header;
    let value = |kind| attributes(body).find(|attribute| attribute.kind() == kind).map(|found| found.value().to_vec());
    let flags = value(NDA_FLAGS_EXT).and_then(|octets| octets.try_into().ok()).map_or(0, u32::from_ne_bytes);
    let is_own = u16::from_ne_bytes([s0, s1]) & NUD_PERMANENT != 0;
    let is_let_in = value(NDA_MASTER).is_some() && !is_own && flags & NTF_EXT_LOCKED == 0;
    is_let_in.then(|| u32::from_ne_bytes([i0, i1, i2, i3]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netlink::message::tests::attribute;

    fn entry(state: u16, more: &[u8]) -> Vec<u8> {
        let mut body = vec![libc::AF_BRIDGE as u8, 0, 0, 0];
        body.extend(7u32.to_ne_bytes());
        body.extend(state.to_ne_bytes());
        body.extend([0, 0]);
        [&body[..], more].concat()
    }

    #[test]
    fn an_entry_lets_a_mac_in_at_its_port() {
        let master = attribute(NDA_MASTER, &9u32.to_ne_bytes());
        let waits = [&master[..], &attribute(NDA_FLAGS_EXT, &NTF_EXT_LOCKED.to_ne_bytes())].concat();
        assert_eq!(admitted(&entry(0x40, &master)), Some(7), "static");
        assert_eq!(admitted(&entry(0x02, &master)), Some(7), "learned");
        assert_eq!(admitted(&entry(NUD_PERMANENT, &master)), None, "the port's own");
        assert_eq!(admitted(&entry(0x02, &waits)), None, "not authorized yet");
        assert_eq!(admitted(&entry(0x40, &[])), None, "of a card, not of the bridge");
        let whole = entry(0x02, &waits);
        for length in 0..whole.len() {
            let _ = admitted(&whole[..length]);
        }
    }
}
