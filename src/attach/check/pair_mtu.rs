//! The MTU that a veth pair leaves to its bridge: one that nobody set takes the least of its ports'.

use super::Subject;
use super::mtu::VETH_FRAGS;
use crate::attach::advice::quoted;
use crate::attach::finding::{Finding, Level};
use crate::host::{Kind, Link};

pub(super) fn check(subject: &Subject, carrier: &Link, found: &mut Vec<Finding>) {
    let links = &subject.facts.links;
    // Before, native XDP wants no more there than a page: the pair cannot have it both ways.
    if subject.facts.kernel.is_some_and(|kernel| kernel < VETH_FRAGS) {
        return;
    }
    let Some(port) = links.pair_beyond(carrier) else { return };
    let Some(bridge) = links.master(port).filter(|master| master.kind == Kind::Bridge) else { return };
    let Some(least) = links.least_mtu(bridge, port.index) else { return };
    if least <= port.mtu || bridge.mtu != port.mtu {
        return;
    }
    let (port, bridge, mtu) = (&port.name, &bridge.name, port.mtu);
    let text = format!(
        "{port} holds the MTU of {bridge} down to {mtu}, unless that was set: its other ports have {least} and more, and {bridge} \
         drops what is longer than its own"
    );
    found.push(Finding::new(Level::Warn, "mtu", text).with_fix(format!("ip link set {} mtu {least}", quoted(port))));
}
