//! The VLAN tables of bridges that filter by them: RTM_GETVLAN (net/bridge/br_vlan.c, `br_vlan_rtm_dump`; Linux 5.6), which
//! tells one message or more for each port and for each bridge's own port towards the host.

use super::message::{self, attributes};
use super::slave::first;
use crate::host::bridge_port::PortState;
use crate::host::links::Link;
use crate::host::vlan::{VlanRange, VlanTable};
use std::collections::BTreeMap;

/// linux/rtnetlink.h.
const RTM_GETVLAN: u16 = 114;
/// Octets of `struct br_vlan_msg`: family, three of padding, the link's index.
const HEADER: usize = 8;
/// Attributes of a message, and of an entry in it (linux/if_bridge.h).
const BRIDGE_VLANDB_ENTRY: u16 = 1;
const BRIDGE_VLANDB_ENTRY_INFO: u16 = 1;
const BRIDGE_VLANDB_ENTRY_RANGE: u16 = 2;
const BRIDGE_VLANDB_ENTRY_STATE: u16 = 3;
/// Flags of `struct bridge_vlan_info` (linux/if_bridge.h).
const PVID: u16 = 1 << 1;
const UNTAGGED: u16 = 1 << 2;

/// Puts the tables onto the bridges that filter by VLAN and onto their ports; those that the kernel does not tell stay
/// unknown. It is not asked where no bridge filters.
pub(super) fn take_vlans(links: &mut [Link]) {
    let filter: Vec<u32> =
        links.iter().filter(|link| link.vlan_filtering == Some(true)).map(|link| link.index).collect();
    if filter.is_empty() {
        return;
    }
    let mut wanted = [0; HEADER];
    wanted[0] = libc::AF_BRIDGE as u8;
    let told = message::dump_raw(RTM_GETVLAN, &wanted, table).ok();
    let mut tables: BTreeMap<u32, Vec<VlanRange>> = BTreeMap::new();
    let is_told = told.is_some();
    for (index, rows) in told.into_iter().flatten() {
        tables.entry(index).or_default().extend(rows);
    }
    for link in links {
        let of_filter = |index: u32| filter.contains(&index);
        if of_filter(link.index) || link.master.is_some_and(of_filter) {
            // What is in no VLAN is not told.
            link.vlans = is_told.then(|| VlanTable::new(tables.remove(&link.index).unwrap_or_default()));
        }
    }
}

/// Has ports of bridges with several spanning trees in the state that counts there: the states of their VLANs do, and of their own
/// one that lets nothing pass at all (net/bridge/br_input.c, `br_handle_frame`).
pub(super) fn take_trees(links: &mut [Link]) {
    let bridges: Vec<u32> = links.iter().filter(|link| link.multiple_trees).map(|link| link.index).collect();
    let is_of_them = |link: &&mut Link| link.master.is_some_and(|bridge| bridges.contains(&bridge));
    for port in links.iter_mut().filter(is_of_them).filter(|port| port.port.state != PortState::Disabled) {
        port.port.state = PortState::Forwarding;
    }
}

/// The rows of one message, with the link they are of.
fn table(body: &[u8]) -> Option<(u32, Vec<VlanRange>)> {
    let (header, body) = body.split_first_chunk::<HEADER>()?;
    let [_, _, _, _, i0, i1, i2, i3] = *header;
    let entries = attributes(body).filter(|attribute| attribute.kind() == BRIDGE_VLANDB_ENTRY);
    let rows = entries.filter_map(|entry| row(entry.value())).collect();
    Some((u32::from_ne_bytes([i0, i1, i2, i3]), rows))
}

/// A row: the flags and the first ID, the last of several, and the state.
fn row(entry: &[u8]) -> Option<VlanRange> {
    let [f0, f1, v0, v1] = first(entry, BRIDGE_VLANDB_ENTRY_INFO)?;
    let (flags, id) = (u16::from_ne_bytes([f0, f1]), u16::from_ne_bytes([v0, v1]));
    let state = first(entry, BRIDGE_VLANDB_ENTRY_STATE).and_then(|[state]| PortState::from_number(state));
    Some(VlanRange {
        first: id,
        last: first(entry, BRIDGE_VLANDB_ENTRY_RANGE).map_or(id, u16::from_ne_bytes),
        pvid: flags & PVID != 0,
        untagged: flags & UNTAGGED != 0,
        state: state.unwrap_or(PortState::Forwarding),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netlink::message::tests::attribute;

    fn entry(flags: u16, id: u16, more: &[Vec<u8>]) -> Vec<u8> {
        let info = attribute(BRIDGE_VLANDB_ENTRY_INFO, &[flags.to_ne_bytes(), id.to_ne_bytes()].concat());
        attribute(BRIDGE_VLANDB_ENTRY | 0x8000, &[info, more.concat()].concat())
    }

    /// Port 7: VLAN 10 without tags and blocked, 20 to 4094 with.
    fn trunk() -> Vec<u8> {
        let mut body = vec![libc::AF_BRIDGE as u8, 0, 0, 0];
        body.extend(7u32.to_ne_bytes());
        body.extend(entry(PVID | UNTAGGED, 10, &[attribute(BRIDGE_VLANDB_ENTRY_STATE, &[4])]));
        let last = attribute(BRIDGE_VLANDB_ENTRY_RANGE, &4094u16.to_ne_bytes());
        body.extend(entry(0, 20, &[last, attribute(BRIDGE_VLANDB_ENTRY_STATE, &[3])]));
        body
    }

    #[test]
    fn a_message_becomes_a_table() {
        let (index, rows) = table(&trunk()).unwrap();
        let table = VlanTable::new(rows);
        assert_eq!((index, table.pvid(), table.rows().len()), (7, Some(10), 2));
        assert!(table.untags(10) && table.carries(20) && table.carries(4094) && !table.untags(20));
        assert!(!table.carries(11) && !table.carries(1));
        assert_eq!((table.state(10), table.state(4094)), (PortState::Blocking, PortState::Forwarding));
    }

    #[test]
    fn with_several_spanning_trees_the_states_of_vlans_count() {
        let port = |state| {
            let mut links: Vec<Link> = crate::host::recorded::facts("reference").links.iter().cloned().collect();
            links.iter_mut().filter(|link| link.name == "br-rb").for_each(|bridge| bridge.multiple_trees = true);
            links.iter_mut().for_each(|link| link.port.state = state);
            take_trees(&mut links);
            let state = |name: &str| links.iter().find(|link| link.name == name).unwrap().port.state;
            (state("veth-bnd"), state("enp33s0f0"))
        };
        assert_eq!(port(PortState::Blocking), (PortState::Forwarding, PortState::Blocking), "no port of such a bridge");
        assert_eq!(port(PortState::Disabled).0, PortState::Disabled);
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
        let backwards = entry(0, 9, &[attribute(BRIDGE_VLANDB_ENTRY_RANGE, &3u16.to_ne_bytes())]);
        let (_, rows) = table(&[&[0; HEADER][..], &backwards, &attribute(1, &[1])].concat()).unwrap();
        let backwards = VlanTable::new(rows);
        assert!((0..=u16::MAX).all(|id| !backwards.carries(id)), "{backwards:?}");
    }
}
