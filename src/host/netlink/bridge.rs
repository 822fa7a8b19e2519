//! The VLAN tables of bridges that filter by them: RTM_GETLINK of the family AF_BRIDGE (net/bridge/br_netlink.c), which
//! tells one message for each port and one for each bridge's own port towards the host.

use super::message::{self, LinkHeader, attributes};
use crate::host::links::Link;
use crate::host::vlan::{VlanRange, VlanTable};
use libc::IFLA_AF_SPEC;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use std::collections::BTreeMap;

const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
/// Flags of `struct bridge_vlan_info` (linux/if_bridge.h).
const PVID: u16 = 1 << 1;
const UNTAGGED: u16 = 1 << 2;
const RANGE_BEGIN: u16 = 1 << 3;
const RANGE_END: u16 = 1 << 4;

/// Puts the tables onto the bridges that filter by VLAN and onto their ports; those that the kernel does not tell stay
/// unknown. It is not asked where no bridge filters.
pub(super) fn take_vlans(links: &mut [Link]) {
    let filter: Vec<u32> =
        links.iter().filter(|link| link.vlan_filtering == Some(true)).map(|link| link.index).collect();
    if filter.is_empty() {
        return;
    }
    let mut wanted = LinkMessage::default();
    wanted.header.interface_family = AddressFamily::Bridge;
    wanted.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::BrvlanCompressed]));
    let mut tables: BTreeMap<u32, Vec<VlanRange>> = BTreeMap::new();
    for (index, rows) in message::dump(&wanted, table).unwrap_or_default() {
        // A card with a switch of its own tells a second message, with no VLANs in it.
        tables.entry(index).or_default().extend(rows);
    }
    for link in links {
        let of_filter = |index: u32| filter.contains(&index);
        if of_filter(link.index) || link.master.is_some_and(of_filter) {
            link.vlans = tables.remove(&link.index).map(VlanTable::new);
        }
    }
}

/// The rows of one message, with the link they are of. A table without rows has no attribute.
fn table(body: &[u8]) -> Option<(u32, Vec<VlanRange>)> {
    let (header, body) = LinkHeader::split(body)?;
    let (mut rows, mut begun) = (Vec::new(), None);
    let specs: Vec<_> = attributes(body).filter(|attribute| attribute.kind() == IFLA_AF_SPEC).collect();
    for info in specs.iter().flat_map(|spec| attributes(spec.value())) {
        if info.kind() == IFLA_BRIDGE_VLAN_INFO {
            rows.extend(row(info.value(), &mut begun));
        }
    }
    Some((header.index, rows))
}

/// A row from `struct bridge_vlan_info`, flags and ID: a range comes as two, of which the first is kept in `begun`.
fn row(info: &[u8], begun: &mut Option<u16>) -> Option<VlanRange> {
    let &[f0, f1, v0, v1] = info else { return None };
    let (flags, id) = (u16::from_ne_bytes([f0, f1]), u16::from_ne_bytes([v0, v1]));
    if flags & RANGE_BEGIN != 0 {
        *begun = Some(id);
        return None;
    }
    let first = if flags & RANGE_END != 0 { begun.take()? } else { id };
    Some(VlanRange { first, last: id, pvid: flags & PVID != 0, untagged: flags & UNTAGGED != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netlink::message::tests::{IFINFO, attribute};

    fn info(flags: u16, id: u16) -> Vec<u8> {
        attribute(IFLA_BRIDGE_VLAN_INFO, &[flags.to_ne_bytes(), id.to_ne_bytes()].concat())
    }

    /// Port 7: VLAN 10 without tags, 20 to 4094 with.
    fn trunk() -> Vec<u8> {
        let mut body = vec![0; IFINFO];
        body[4..8].copy_from_slice(&7u32.to_ne_bytes());
        let rows = [info(PVID | UNTAGGED, 10), info(RANGE_BEGIN, 20), info(RANGE_END, 4094)].concat();
        body.extend(attribute(IFLA_AF_SPEC, &[attribute(0, &[1, 0]), rows].concat()));
        body
    }

    #[test]
    fn a_message_becomes_a_table() {
        let (index, rows) = table(&trunk()).unwrap();
        let table = VlanTable::new(rows);
        assert_eq!((index, table.pvid(), table.rows().len()), (7, Some(10), 2));
        assert!(table.untags(10) && table.carries(20) && table.carries(4094) && !table.untags(20));
        assert!(!table.carries(11) && !table.carries(1));
    }

    #[test]
    fn cut_and_wrong_messages_do_no_harm() {
        let whole = trunk();
        for length in 0..whole.len() {
            let _ = table(&whole[..length]);
            let mut wrong = whole.clone();
            for octet in [0, 1, 4, 0x80, 0xff] {
                wrong[length] = octet;
                let _ = table(&wrong);
            }
        }
        let mut backwards = vec![0; IFINFO];
        let rows = [info(RANGE_END, 5), info(RANGE_BEGIN, 9), info(RANGE_END, 3), attribute(2, &[1])].concat();
        backwards.extend(attribute(IFLA_AF_SPEC, &rows));
        let (_, rows) = table(&backwards).unwrap();
        let backwards = VlanTable::new(rows);
        assert!((0..=u16::MAX).all(|id| !backwards.carries(id)), "{backwards:?}");
    }
}
