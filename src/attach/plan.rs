//! Where each address is served: the interface that carries it when XDP can be had there in the driver, else the ones it
//! stands on, else kernel sockets; and why not elsewhere.

use super::candidates::{self, Hook, Spot};
use super::chain::Chain;
use super::is_global;
use super::tags::Tags;
use crate::config::{Config, XdpMode, XdpUse};
use crate::host::{InterfaceAddress, Kind, Link, Links};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// What serves the addresses of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The program in the driver.
    Native {
        /// Where.
        at: Vec<Spot>,
        /// Why that is expected, or that the start will tell.
        why: String,
        /// It is known to work there; else the start will tell.
        sure: bool,
    },
    /// The program in the network stack, because the configuration asks for it or leaves nothing else.
    Generic {
        /// Where.
        at: Vec<Spot>,
    },
    /// Kernel sockets, because the configuration or the links leave nothing else.
    Kernel {
        /// Why.
        reason: String,
        /// XDP was asked for, and another place for the address would have it.
        wanted: bool,
    },
}

impl Outcome {
    /// Where programs are to be attached.
    pub fn spots(&self) -> &[Spot] {
        match self {
            Self::Native { at, .. } | Self::Generic { at } => at,
            Self::Kernel { .. } => &[],
        }
    }

    /// What serves, and where: `native XDP at enp33s0f0 (VLAN 10), enp33s0f1 (VLAN 10)`.
    pub(super) fn describe(&self, links: &Links) -> String {
        let place = |spot: &Spot| {
            let name = links.by_index(spot.index).map_or("?", |link| link.name.as_str());
            spot.vlan.map_or_else(|| name.to_owned(), |id| format!("{name} (VLAN {id})"))
        };
        let places = || self.spots().iter().map(place).collect::<Vec<_>>().join(", ");
        match self {
            Self::Native { .. } => format!("native XDP at {}", places()),
            Self::Generic { .. } => format!("generic XDP at {}", places()),
            Self::Kernel { reason, .. } => format!("kernel sockets serve: {reason}"),
        }
    }
}

/// What is to be done for the addresses of one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Index of the link that carries them.
    pub carrier: u32,
    /// Those that are listened at, each with its port.
    pub addresses: Vec<(InterfaceAddress, u16)>,
    /// What serves them.
    pub outcome: Outcome,
    /// Every place that was thought of and not taken, with the reason: `bond0: …`.
    pub passed_over: Vec<String>,
}

/// An address, and by which MAC and VLAN its frames come in where the program is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address.
    pub address: IpAddr,
    /// MAC of the link that carries it.
    pub mac: [u8; 6],
    /// 802.1Q VLAN id; `None` for no tag.
    pub vlan: Option<u16>,
}

/// An interface to attach to, and what to take there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub interface: String,
    /// Its index.
    pub index: u32,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// The least MTU of it, the other end of a veth pair and the links that carry the addresses: how long a reply may be.
    pub reply_mtu: u32,
    /// Whether it is a network card.
    pub physical: bool,
    /// Who may take VLAN tags off its frames.
    pub tags: Tags,
    /// MTU of the other end of a veth pair, in bytes; `None` where it cannot be seen.
    pub peer_mtu: Option<u32>,
    /// `xdp-interface:` names it.
    pub named: bool,
    /// Whether attaching may reset its link for seconds.
    pub resets: bool,
    /// The bond it is a slave of: slaves are attached to one after the other.
    pub bond: Option<u32>,
    /// Whether it has a carrier now.
    pub carrier: bool,
    /// What to take there.
    pub places: Vec<Place>,
    /// Addresses that are no client's: those of this host and the broadcast addresses of its networks. Sorted.
    pub own: Vec<IpAddr>,
    /// UDP port to take.
    pub port: u16,
    /// In the network stack instead of the driver.
    pub generic: bool,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One for each link that carries an address.
    pub decisions: Vec<Decision>,
    /// The interfaces to attach to, by index.
    pub targets: Vec<Target>,
    /// Addresses that kernel sockets serve beside the plan, and why.
    pub notes: Vec<String>,
}

/// Makes the plan. A wildcard in `listen` stands for every global address of the host; loopback carries nothing from
/// outside.
pub fn plan(config: &Config, listen: &[SocketAddr], links: &Links) -> Plan {
    let mut plan = Plan::default();
    let mut targets = BTreeMap::new();
    for link in links.iter().filter(|link| link.kind != Kind::Loopback) {
        let addresses = listened(listen, link);
        if addresses.is_empty() {
            continue;
        }
        let (outcome, passed_over) = decide(config, links, link);
        let decision = Decision { carrier: link.index, addresses, outcome, passed_over };
        add_targets(config, links, link, &decision, &mut targets, &mut plan.notes);
        plan.decisions.push(decision);
    }
    let own = own_addresses(links);
    plan.targets = targets.into_values().map(|target| Target { own: own.clone(), ..target }).collect();
    plan
}

/// Sources that the kernel takes for its own or drops as martian: what `ip route show table local` lists.
fn own_addresses(links: &Links) -> Vec<IpAddr> {
    let addresses = || links.iter().flat_map(|link| &link.addresses);
    let broadcasts = addresses().filter_map(|address| address.broadcast()).map(IpAddr::V4);
    let mut own: Vec<IpAddr> = addresses().map(|address| address.ip).chain(broadcasts).collect();
    own.sort_unstable();
    own.dedup();
    own
}

/// The addresses of a link that are listened at.
fn listened(listen: &[SocketAddr], link: &Link) -> Vec<(InterfaceAddress, u16)> {
    let mut found = Vec::new();
    for socket in listen {
        let meant = |address: &&InterfaceAddress| match socket.ip() {
            any if any.is_unspecified() => any.is_ipv4() == address.ip.is_ipv4() && is_global(address.ip),
            ip => ip == address.ip,
        };
        for address in link.addresses.iter().filter(meant) {
            if !found.contains(&(*address, socket.port())) {
                found.push((*address, socket.port()));
            }
        }
    }
    found
}

fn decide(config: &Config, links: &Links, carrier: &Link) -> (Outcome, Vec<String>) {
    let kernel = |reason: &str, wanted| Outcome::Kernel { reason: reason.into(), wanted };
    if config.xdp.enable == XdpUse::No || !config.do_udp {
        return (kernel(if config.do_udp { "xdp: no" } else { "do-udp: no" }, false), Vec::new());
    }
    if carrier.mac.is_none() {
        return (kernel("no Ethernet interface, so XDP has no frames to look at", true), Vec::new());
    }
    if config.xdp.mode == XdpMode::Generic {
        return generic(config, links, carrier, Vec::new());
    }
    let found = candidates::find(config, links, carrier, Hook::Driver);
    if !found.taken.is_empty() {
        let why = found.whys.join("; ");
        return (Outcome::Native { at: found.taken, why, sure: !found.unsure }, found.passed_over);
    }
    // Required, and nothing else exists.
    if config.xdp.mode == XdpMode::Auto && config.xdp.enable == XdpUse::Require {
        return generic(config, links, carrier, found.passed_over);
    }
    (Outcome::Kernel { reason: found.reason(), wanted: !found.by_choice }, found.passed_over)
}

fn generic(config: &Config, links: &Links, carrier: &Link, mut before: Vec<String>) -> (Outcome, Vec<String>) {
    let found = candidates::find(config, links, carrier, Hook::Stack);
    let reason = found.reason();
    before.extend(found.passed_over);
    let outcome = if found.taken.is_empty() {
        Outcome::Kernel { reason, wanted: !found.by_choice }
    } else {
        Outcome::Generic { at: found.taken }
    };
    (outcome, before)
}

/// A link as a target, with no places yet.
fn target(config: &Config, links: &Links, link: &Link, port: u16, generic: bool) -> Target {
    let bond = links.master(link).filter(|master| matches!(master.kind, Kind::Bond { .. }));
    let peer_mtu = links.peer(link).map(|peer| peer.mtu);
    Target {
        interface: link.name.clone(),
        index: link.index,
        mtu: link.mtu,
        reply_mtu: peer_mtu.map_or(link.mtu, |mtu| mtu.min(link.mtu)),
        peer_mtu,
        physical: link.kind == Kind::Physical,
        tags: Tags::of(links, link),
        named: config.xdp.interfaces.contains(&link.name),
        resets: candidates::resets(link) && !generic,
        bond: bond.map(|bond| bond.index),
        carrier: link.carrier,
        places: Vec::new(),
        own: Vec::new(),
        port,
        generic,
    }
}

fn add_targets(
    config: &Config,
    links: &Links,
    carrier: &Link,
    decision: &Decision,
    targets: &mut BTreeMap<u32, Target>,
    notes: &mut Vec<String>,
) {
    let Some(mac) = carrier.mac else { return };
    let generic = matches!(decision.outcome, Outcome::Generic { .. });
    for spot in decision.outcome.spots() {
        let Some(link) = links.by_index(spot.index) else { continue };
        for (InterfaceAddress { ip: address, .. }, port) in &decision.addresses {
            let target = targets.entry(link.index).or_insert_with(|| target(config, links, link, *port, generic));
            if target.port != *port {
                let (name, taken) = (&link.name, target.port);
                notes.push(format!("{name}: XDP takes port {taken} there, kernel sockets serve {address} port {port}"));
            } else if target.places.iter().all(|place| place.address != *address) {
                target.places.push(Place { address: *address, mac, vlan: spot.vlan });
                target.reply_mtu = target.reply_mtu.min(carrier.mtu);
            }
        }
    }
}

/// The plan for one link in a few lines: the chain down to the hardware and what serves, then every place that was not
/// taken.
pub fn describe(decision: &Decision, links: &Links) -> Vec<String> {
    let Some(carrier) = links.by_index(decision.carrier) else { return Vec::new() };
    let addresses: Vec<String> = decision.addresses.iter().map(|(address, _)| address.ip.to_string()).collect();
    let what = decision.outcome.describe(links);
    let mut lines = vec![format!("plan: {} on {}: {what}", addresses.join(" "), Chain::from(links, carrier))];
    if !decision.outcome.spots().is_empty() {
        lines.extend(decision.passed_over.iter().map(|reason| format!("plan: not at {reason}")));
    }
    lines
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
