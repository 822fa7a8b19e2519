//! What a bond or a bridge tells of a link that it has: in IFLA_LINKINFO of that link (linux/if_link.h).

use super::message::attributes;
use crate::host::bridge_port::{BridgePort, PortState};

const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BOND_SLAVE_STATE: u16 = 1;
const IFLA_BRPORT_STATE: u16 = 1;
const IFLA_BRPORT_UNICAST_FLOOD: u16 = 9;
const IFLA_BRPORT_MCAST_FLOOD: u16 = 27;
const IFLA_BRPORT_BCAST_FLOOD: u16 = 30;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFLA_BRPORT_LOCKED: u16 = 39;

/// Of a bond's slave, whether it is a backup one.
pub(super) fn backup(info: &[u8]) -> Option<bool> {
    first(&slave_data(info, b"bond\0")?, IFLA_BOND_SLAVE_STATE).map(|[state]| state != 0)
}

/// Of a bridge's port, what it lets pass.
pub(super) fn bridge_port(info: &[u8]) -> Option<BridgePort> {
    let data = slave_data(info, b"bridge\0")?;
    let is = |kind, or| first(&data, kind).map_or(or, |[on]| on != 0);
    let new = BridgePort::default();
    Some(BridgePort {
        state: first(&data, IFLA_BRPORT_STATE).and_then(|[state]| PortState::from_number(state)).unwrap_or(new.state),
        isolated: is(IFLA_BRPORT_ISOLATED, new.isolated),
        floods: is(IFLA_BRPORT_UNICAST_FLOOD, new.floods),
        broadcasts: is(IFLA_BRPORT_BCAST_FLOOD, new.broadcasts),
        multicasts: is(IFLA_BRPORT_MCAST_FLOOD, new.multicasts),
        locked: is(IFLA_BRPORT_LOCKED, new.locked),
        admits: !is(IFLA_BRPORT_LOCKED, new.locked),
    })
}

/// What a master of that kind tells of its port.
fn slave_data(info: &[u8], master: &[u8]) -> Option<Vec<u8>> {
    let part = |kind| attributes(info).find(|attribute| attribute.kind() == kind);
    let is_its = part(IFLA_INFO_SLAVE_KIND).is_some_and(|kind| kind.value().starts_with(master));
    part(IFLA_INFO_SLAVE_DATA).filter(|_| is_its).map(|data| data.value().to_vec())
}

/// The first attribute of that kind and length.
pub(super) fn first<const LENGTH: usize>(data: &[u8], kind: u16) -> Option<[u8; LENGTH]> {
    let found = attributes(data).find(|attribute| attribute.kind() == kind)?;
    found.value().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netlink::message::tests::attribute;

    #[test]
    fn a_bond_tells_of_its_slave_whether_it_is_a_backup_one() {
        let told = |kind: &[u8], state: &[u8]| {
            let data = attribute(IFLA_BOND_SLAVE_STATE, state);
            backup(&[attribute(IFLA_INFO_SLAVE_KIND, kind), attribute(IFLA_INFO_SLAVE_DATA, &data)].concat())
        };
        assert_eq!(told(b"bond\0", &[1]), Some(true));
        assert_eq!(told(b"bond\0", &[0]), Some(false));
        assert_eq!(told(b"bond\0", &[]), None);
        assert_eq!(told(b"bridge\0", &[1]), None, "the state of a bridge's port is another thing");
    }

    #[test]
    fn a_bridge_tells_of_its_port_what_passes_there() {
        let told = |kind: &[u8], data: &[u8]| {
            bridge_port(&[attribute(IFLA_INFO_SLAVE_KIND, kind), attribute(IFLA_INFO_SLAVE_DATA, data)].concat())
        };
        let all = [
            attribute(IFLA_BRPORT_STATE, &[2]),
            attribute(IFLA_BRPORT_UNICAST_FLOOD, &[0]),
            attribute(IFLA_BRPORT_BCAST_FLOOD, &[0]),
            attribute(IFLA_BRPORT_MCAST_FLOOD, &[0]),
            attribute(IFLA_BRPORT_ISOLATED, &[1]),
            attribute(IFLA_BRPORT_LOCKED, &[1]),
        ]
        .concat();
        let closed = BridgePort {
            state: PortState::Learning,
            isolated: true,
            floods: false,
            broadcasts: false,
            multicasts: false,
            locked: true,
            admits: false,
        };
        assert_eq!(told(b"bridge\0", &all), Some(closed));
        assert_eq!(told(b"bond\0", &all), None, "a bond's slave has other data");
        for odd in [attribute(IFLA_BRPORT_STATE, &[9]), attribute(IFLA_BRPORT_STATE, &[]), Vec::new()] {
            assert_eq!(told(b"bridge\0", &odd), Some(BridgePort::default()));
        }
    }
}
