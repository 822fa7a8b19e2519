//! Where each address is served: the interface that carries it when XDP can be had there in the driver, else the ones it
//! stands on, else kernel sockets; and why not elsewhere.

use super::candidates::{self, Frames, Hook, Spot};
use super::chain::Chain;
use super::gate;
use super::is_global;
use super::tags::Tags;
use super::unused::{self, Unused};
use crate::config::{Config, XdpMode, XdpUse};
use crate::host::{Detection, InterfaceAddress, Kind, Link, Links};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Why a plan in a user namespace has no XDP: loading asks for CAP_BPF and CAP_NET_ADMIN of the first one (`bpf_capable` of the
/// kernel's kernel/bpf/syscall.c).
const USER_NAMESPACE: &str =
    "this is a user namespace, as of an unprivileged container, in which the kernel loads no XDP program";

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
            spot.frames.vlan.map_or_else(|| name.to_owned(), |id| format!("{name} (VLAN {id})"))
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
    /// The MAC that they are sent to.
    pub mac: [u8; 6],
    /// 802.1Q VLAN id; `None` for no tag.
    pub vlan: Option<u16>,
    /// Why the kernel would deliver nothing of that now, so that nothing is to be taken either.
    pub shut: Option<String>,
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
    /// Driver of hardware.
    pub driver: Option<String>,
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
    /// Whether the bond drops now what comes in there, so that nothing is to be taken.
    pub standby: bool,
    /// Whether it has a carrier now.
    pub carrier: bool,
    /// Index of the link that carries the addresses, and at which a link-local client of theirs is; 0 where several do.
    pub carried_by: u32,
    /// What to take there, unless it stands by.
    pub places: Vec<Place>,
    /// Addresses that are no client's: those of this host and the broadcast addresses of its networks. Sorted.
    pub own: Vec<IpAddr>,
    /// UDP port to take.
    pub port: u16,
    /// In the network stack instead of the driver.
    pub generic: bool,
}

impl Target {
    /// What to take there now.
    pub fn in_force(&self) -> Vec<Place> {
        self.places.iter().filter(|place| !self.standby && place.shut.is_none()).cloned().collect()
    }

    /// Whether nothing is to be taken there now.
    pub fn stands_by(&self) -> bool {
        self.standby || !self.places.is_empty() && self.places.iter().all(|place| place.shut.is_some())
    }

    /// What is not to be taken now for what is in the way above, a line for each cause: `nothing is taken for …: …`.
    pub fn shut(&self) -> Vec<String> {
        let mut causes: Vec<(&str, Vec<String>)> = Vec::new();
        for Place { address, shut, .. } in &self.places {
            let Some(cause) = shut else { continue };
            match causes.iter_mut().find(|(known, _)| known == cause) {
                Some((_, addresses)) => addresses.push(address.to_string()),
                None => causes.push((cause, vec![address.to_string()])),
            }
        }
        let line = |(cause, addresses): &(&str, Vec<String>)| {
            let addresses = addresses.join(" ");
            format!("nothing is taken for {addresses} while {cause}, as the kernel gets nothing by that way either")
        };
        causes.iter().map(line).collect()
    }

    /// Whether it is `other` but for what changes when a bond fails over, or a port of a bridge opens.
    pub fn is_like(&self, other: &Self) -> bool {
        let mut like = Self { standby: self.standby, carrier: self.carrier, ..other.clone() };
        for (place, own) in like.places.iter_mut().zip(&self.places) {
            (place.mac, place.shut) = (own.mac, own.shut.clone());
        }
        *self == like
    }
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
    /// The words of `xdp-interface:` of which no target came.
    pub unused: Vec<Unused>,
}

/// Makes the plan. A wildcard in `listen` stands for every global address of the host; loopback carries nothing from
/// outside.
pub fn plan(config: &Config, listen: &[SocketAddr], links: &Links) -> Plan {
    let mut decisions = Vec::new();
    let mut targets = Targets { config, links, by_index: BTreeMap::new(), notes: Vec::new() };
    for link in links.iter().filter(|link| link.kind != Kind::Loopback) {
        let addresses = listened(listen, link);
        if addresses.is_empty() {
            continue;
        }
        let (outcome, passed_over) = decide(config, links, link);
        let decision = Decision { carrier: link.index, addresses, outcome, passed_over };
        targets.add(link, &decision);
        decisions.push(decision);
    }
    let attached: Vec<u32> = targets.by_index.keys().copied().collect();
    let unused = unused::words(config, &attached, links);
    Plan { decisions, targets: targets.by_index.into_values().collect(), notes: targets.notes, unused }
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

/// The addresses of a link that are listened at. A link-local one is meant at the interface of its zone.
fn listened(listen: &[SocketAddr], link: &Link) -> Vec<(InterfaceAddress, u16)> {
    let mut found = Vec::new();
    for socket in listen {
        let elsewhere = matches!(socket, SocketAddr::V6(v6) if ![0, link.index].contains(&v6.scope_id()));
        let meant = |address: &&InterfaceAddress| match socket.ip() {
            _ if elsewhere => false,
            any if any.is_unspecified() => any.is_ipv4() == address.ip.is_ipv4() && is_global(address.ip),
            ip => ip == address.ip,
        };
        // What another host of the network has is answered by nobody here.
        let is_failed = |address: &&InterfaceAddress| link.detection(address.ip) == Some(Detection::Failed);
        for address in link.addresses.iter().filter(meant).filter(|address| !is_failed(address)) {
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
    if links.user_namespace {
        return (kernel(USER_NAMESPACE, true), Vec::new());
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

/// The interfaces to attach to, as the decisions want them one after the other.
struct Targets<'a> {
    config: &'a Config,
    links: &'a Links,
    by_index: BTreeMap<u32, Target>,
    notes: Vec<String>,
}

impl Targets<'_> {
    /// What is decided for the addresses of `carrier`.
    fn add(&mut self, carrier: &Link, decision: &Decision) {
        let links = self.links;
        let generic = matches!(decision.outcome, Outcome::Generic { .. });
        for spot in decision.outcome.spots() {
            let Some(link) = links.by_index(spot.index) else { continue };
            let Frames { mac, vlan } = spot.frames;
            let shut = gate::shut(links, carrier, link.index);
            for &(InterfaceAddress { ip: address, .. }, port) in &decision.addresses {
                let (config, name) = (self.config, &link.name);
                let target = self.by_index.entry(link.index).or_insert_with(|| Target {
                    port,
                    generic,
                    resets: candidates::resets(link) && !generic,
                    carried_by: carrier.index,
                    ..target_at(config, links, link)
                });
                if target.carried_by != carrier.index {
                    target.carried_by = 0;
                }
                if target.port != port {
                    let taken = target.port;
                    self.notes.push(format!(
                        "{name}: XDP takes port {taken} there, kernel sockets serve {address} port {port}"
                    ));
                } else if target.places.iter().all(|place| place.address != address) {
                    target.places.push(Place { address, mac, vlan, shut: shut.clone() });
                    target.reply_mtu = target.reply_mtu.min(carrier.mtu);
                }
            }
        }
    }
}

/// A link as a target in the driver, with nothing to take yet.
fn target_at(config: &Config, links: &Links, link: &Link) -> Target {
    let bond = links.master(link).filter(|master| matches!(master.kind, Kind::Bond { .. }));
    let peer_mtu = links.peer(link).map(|peer| peer.mtu);
    Target {
        interface: link.name.clone(),
        index: link.index,
        mtu: link.mtu,
        reply_mtu: peer_mtu.map_or(link.mtu, |mtu| mtu.min(link.mtu)),
        peer_mtu,
        driver: link.driver.clone(),
        physical: link.kind == Kind::Physical,
        tags: Tags::of(links, link),
        named: candidates::is_named(config, link),
        resets: candidates::resets(link),
        bond: bond.map(|bond| bond.index),
        standby: links.is_standby(link),
        carrier: link.carrier,
        carried_by: 0,
        places: Vec::new(),
        own: own_addresses(links),
        port: 0,
        generic: false,
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
