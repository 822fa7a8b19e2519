//! Facts of this machine: interfaces and their addresses; the links and how they stand on each other; what else decides
//! whether XDP works and queries arrive.

mod answers;
mod bridge_port;
mod change;
mod changes;
mod conntrack;
mod detection;
mod facts;
mod firewall;
mod firewall_names;
mod interfaces;
mod ipv4_conf;
mod journal;
mod links;
mod names;
mod netlink;
mod occupant;
mod pair;
mod paths;
mod probe;
#[cfg(test)]
pub(crate) mod recorded;
mod routes;
mod segment;
mod sent_back;
mod switch;
mod unit;
mod unnumbered;
mod untracked;
mod vlan;
mod watch;

pub use answers::AnswerWay;
pub use bridge_port::{BridgePort, PortState as BridgePortState};
pub use changes::{Changes, Driver, Kernel, TagsLost};
pub use conntrack::Conntrack;
pub use detection::Detection;
pub use facts::{Facts, Wanted, facts, interfaces, links, peer_has_program, program_in_the_way, sent_packets};
pub use firewall::{Firewall, Rule, Verdict};
pub use firewall_names::{AddressNames, AddressSet, network};
pub use interfaces::{Interface, InterfaceAddress, is_link_local, rx_queues, zone_index};
pub use ipv4_conf::Ipv4Conf;
pub use links::{AttachedProgram, Kind, Link, Links};
pub use names::{GUESTS_BRIDGE, Named};
pub use occupant::{Occupant, Probe, occupants};
pub use pair::{PAIR, PAIR_FILE, PAIR_METRIC, PAIR_SYSCTL, is_of_pair, pair_addresses, pair_addresses_now};
pub use paths::{PathProbe, PathState, Use};
pub use probe::{PortProbe, PortState};
pub use routes::{Route, gateways, routes, routes6, way_to};
pub use segment::Segment;
pub use sent_back::SentBack;
pub use switch::{SwitchMode, SwitchPort};
pub use unit::{STATE_FOLDER, UNIT, Unit, Words};
pub use untracked::{Passing, Untracked};
pub use vlan::{VlanProtocol, VlanRange, VlanTable};
pub use watch::Watch;

pub use crate::sys::owner::{Holder, of_program};

/// Octets of memory below which pools and caches are to be small.
const SMALL: u64 = 112 << 20;

/// Octets of this host's memory, without what the kernel took for itself.
pub fn memory() -> u64 {
    let memory = rustix::system::sysinfo();
    memory.totalram.saturating_mul(memory.mem_unit.into())
}

/// The octets of this host's memory when they are few.
pub fn small_memory() -> Option<u64> {
    Some(memory()).filter(|&octets| octets < SMALL)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Interfaces as a test wants them, numbered from 1.
    pub(crate) fn recorded(facts: &[(&str, &[&str])]) -> Vec<Interface> {
        let interface = |(number, (name, addresses)): (usize, &(&str, &[&str]))| Interface {
            name: (*name).to_owned(),
            altnames: Vec::new(),
            index: number as u32 + 1,
            mac: Some([2, 0, 0, 0, 0, number as u8]),
            mtu: 1500,
            up: true,
            loopback: *name == "lo",
            addresses: addresses
                .iter()
                .map(|address| InterfaceAddress { ip: address.parse().unwrap(), prefix: 24 })
                .collect(),
            rx_queues: 1,
        };
        facts.iter().enumerate().map(interface).collect()
    }
}
