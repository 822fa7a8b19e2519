//! The network plan made real. Every step can be done again: what is there already stays.

use crate::machine::modules::Modules;
use crate::machine::mounts::sysctl;
use crate::machine::tuning;
use crate::netconf::plan::mac_text;
use crate::netconf::{LinkKind, LinkPlan, Network, NetworkPlan, RoutePlan};
use crate::network::links::{index_of, nics};
use crate::network::messages::{address_message, bond_message, down, link_message, named, up, vlan_message};
use crate::network::netlink::{Netlink, SET};
use crate::network::routes::{self, Way, set_route};
use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use runbound::host::{Interface, Named};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Names that NICs have while they trade names, by index.
const PARKED: &str = "rb-nic";

/// An interface of the plan that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its place in the plan.
    pub plan: usize,
    /// The interface's name.
    pub name: String,
    /// Its index.
    pub index: u32,
}

/// Makes everything of the plan that can be made now; what cannot is said, and the rest goes on. Gives the interfaces that
/// are there.
pub fn apply(plan: &NetworkPlan, modules: &mut Modules) -> Vec<Applied> {
    let mut netlink = match Netlink::open() {
        Ok(netlink) => netlink,
        Err(cause) => {
            log::error!("netlink: {cause}; the network is not configured");
            return Vec::new();
        }
    };
    let mut step = Step { netlink: &mut netlink };
    step.up_loopback();
    let matched = match_nics(plan, &nics());
    step.rename(plan, &matched);
    let mut there: BTreeMap<usize, (String, u32)> = BTreeMap::new();
    for (at, nic) in matched {
        if let Some(link) = plan.links.get(at) {
            let name = link.name.clone().unwrap_or(nic.name);
            tuning::nic(&name);
            there.insert(at, (name, nic.index));
        }
    }
    step.make_bonds(plan, &mut there, modules);
    step.make_vlans(plan, &mut there, modules);
    for (&at, (name, index)) in &there {
        if let Some(link) = plan.links.get(at) {
            step.configure(link, name, *index, at);
        }
    }
    for route in &plan.routes {
        step.route(route, "a route of no interface", &Way::default());
    }
    there.into_iter().map(|(plan, (name, index))| Applied { plan, name, index }).collect()
}

/// Which NIC is which link of the plan. One that is not there, and one that nobody asked for, is said.
fn match_nics(plan: &NetworkPlan, nics: &[Interface]) -> Vec<(usize, Interface)> {
    let mut found: Vec<(usize, Interface)> = Vec::new();
    for (at, link) in plan.links.iter().enumerate() {
        let nic = nics.iter().find(|nic| match &link.kind {
            LinkKind::ByMac(mac) => nic.mac == Some(*mac),
            LinkKind::ByName(name) => nic.is_called(name),
            _ => false,
        });
        let wanted = match &link.kind {
            LinkKind::ByMac(mac) => format!("the MAC {}", mac_text(*mac)),
            LinkKind::ByName(name) => format!("the name {name}"),
            _ => continue,
        };
        match nic {
            Some(nic) if found.iter().any(|(_, other)| other.index == nic.index) => {
                log::warn!("{}: {} is another link of the plan already; left out", link.id, nic.name);
            }
            Some(nic) => found.push((at, nic.clone())),
            None => {
                let there: Vec<String> = nics
                    .iter()
                    .map(|nic| format!("{} {}", nic.name, nic.mac.map(mac_text).unwrap_or_default()))
                    .collect();
                let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
                log::error!("{}: no interface has {wanted}; there are: {there}", link.id);
            }
        }
    }
    for nic in nics.iter().filter(|nic| !found.iter().any(|(_, other)| other.index == nic.index)) {
        let mac = nic.mac.map(mac_text).unwrap_or_default();
        log::info!("{} ({mac}) is not in the network settings; it stays down", nic.name);
    }
    found
}

struct Step<'a> {
    netlink: &'a mut Netlink,
}

impl Step<'_> {
    fn up_loopback(&mut self) {
        self.tell("lo: up", |netlink| netlink.request(up(1), 0));
    }

    /// Does something; says what failed.
    fn tell(&mut self, what: &str, act: impl FnOnce(&mut Netlink) -> io::Result<()>) -> bool {
        match act(self.netlink) {
            Ok(()) => true,
            Err(cause) => {
                log::error!("{what}: {cause}");
                false
            }
        }
    }

    /// Gives names. Two NICs may want each other's, so all that change are parked first.
    fn rename(&mut self, plan: &NetworkPlan, matched: &[(usize, Interface)]) {
        let wanted: Vec<(&Interface, &String)> = matched
            .iter()
            .filter_map(|(at, nic)| Some((nic, plan.links.get(*at)?.name.as_ref()?)))
            .filter(|(nic, name)| nic.name != **name)
            .collect();
        let taken = |name: &String| nics().into_iter().find(|nic| nic.name == *name);
        let moved: Vec<u32> = wanted.iter().map(|(nic, _)| nic.index).collect();
        let in_the_way: Vec<Interface> =
            wanted.iter().filter_map(|(_, name)| taken(name)).filter(|nic| !moved.contains(&nic.index)).collect();
        for nic in wanted.iter().map(|(nic, _)| *nic).chain(&in_the_way) {
            let name = format!("{PARKED}{}", nic.index);
            self.tell(&format!("{}: name {name}", nic.name), |netlink| netlink.request(named(nic.index, &name), 0));
        }
        for (nic, name) in &wanted {
            let said =
                self.tell(&format!("{}: name {name}", nic.name), |netlink| netlink.request(named(nic.index, name), 0));
            if said {
                log::info!("{} ({}) is {name}", nic.name, nic.mac.map(mac_text).unwrap_or_default());
            }
        }
    }

    fn make_bonds(&mut self, plan: &NetworkPlan, there: &mut BTreeMap<usize, (String, u32)>, modules: &mut Modules) {
        for (at, link) in plan.links.iter().enumerate() {
            let LinkKind::Bond(bond) = &link.kind else { continue };
            // Without the parameter the module makes a bond0 of its own.
            modules.load("bonding", "max_bonds=0");
            let name = link.name.clone().unwrap_or_else(|| link.id.clone());
            let Some(index) = self.make(&name, bond_message(&name, bond)) else { continue };
            for port in &bond.ports {
                let found = plan.links.iter().position(|link| link.id == *port).and_then(|at| there.get(&at));
                let Some((port, port_index)) = found.cloned() else {
                    log::error!("{name}: its port {port} is not there");
                    continue;
                };
                if Path::new(&format!("/sys/class/net/{port}/master")).exists() {
                    continue;
                }
                // A bond takes only ports that are down, and sets them up itself.
                self.tell(&format!("{port}: port of {name}"), |netlink| {
                    netlink.request(down(port_index), 0)?;
                    let mut message = link_message(port_index);
                    message.attributes.push(LinkAttribute::Controller(index));
                    netlink.request(RouteNetlinkMessage::SetLink(message), 0)
                });
            }
            there.insert(at, (name, index));
        }
    }

    fn make_vlans(&mut self, plan: &NetworkPlan, there: &mut BTreeMap<usize, (String, u32)>, modules: &mut Modules) {
        for (at, link) in plan.links.iter().enumerate() {
            let LinkKind::Vlan { parent, tag } = &link.kind else { continue };
            modules.load("8021q", "");
            let name = link.name.clone().unwrap_or_else(|| link.id.clone());
            let below = plan.links.iter().position(|link| link.id == *parent).and_then(|at| there.get(&at)).cloned();
            let Some((parent, parent_index)) = below else {
                log::error!("{name}: the interface {parent} below it is not there");
                continue;
            };
            self.tell(&format!("{parent}: up"), |netlink| netlink.request(up(parent_index), 0));
            if let Some(index) = self.make(&name, vlan_message(&name, parent_index, *tag)) {
                there.insert(at, (name, index));
            }
        }
    }

    /// Makes a link that is not there; its index.
    fn make(&mut self, name: &str, message: LinkMessage) -> Option<u32> {
        if let Some(index) = index_of(name) {
            return Some(index);
        }
        let new = RouteNetlinkMessage::NewLink(message);
        self.tell(&format!("{name}: make"), |netlink| netlink.request(new, NLM_F_CREATE)).then_some(())?;
        index_of(name)
    }

    /// `place` is that of the link in the plan: the first one's default route is the one that counts.
    fn configure(&mut self, link: &LinkPlan, name: &str, index: u32, place: usize) {
        if let Some(ra) = link.accept_ra {
            // 2: also if something turned forwarding on.
            sysctl(&format!("net/ipv6/conf/{name}/accept_ra"), if ra { "2" } else { "0" });
        }
        // Addresses answer while the link is asked for others that have them (RFC 4429), instead of a second later.
        for setting in ["optimistic_dad", "use_optimistic"] {
            sysctl(&format!("net/ipv6/conf/{name}/{setting}"), "1");
        }
        if let Some(mtu) = link.mtu {
            let mut message = link_message(index);
            message.attributes.push(LinkAttribute::Mtu(mtu));
            self.tell(&format!("{name}: MTU {mtu}"), |netlink| {
                netlink.request(RouteNetlinkMessage::SetLink(message), 0)
            });
        }
        for address in &link.addresses {
            if self.tell(&format!("{name}: address {address}"), |netlink| set_address(netlink, index, *address, None)) {
                log::info!("{name}: {address}");
            }
        }
        // Behind the addresses: the kernel tells the neighbours of those that are there.
        self.tell(&format!("{name}: up"), |netlink| netlink.request(up(index), 0));
        let metric = routes::SETTINGS.saturating_add(u32::try_from(place).unwrap_or(u32::MAX));
        let way = Way { index: Some(index), metric: Some(metric), addresses: &link.addresses };
        for route in &link.routes {
            self.route(route, name, &way);
        }
    }

    fn route(&mut self, route: &RoutePlan, name: &str, way: &Way<'_>) {
        let via = route.via.map(|via| format!(" via {via}")).unwrap_or_default();
        if self.tell(&format!("{name}: route {}{via}", route.to), |netlink| set_route(netlink, route, way)) {
            log::info!("{name}: route {}{via}", route.to);
        }
    }
}

/// Gives an interface an address; `seconds` for how long, as of a lease.
///
/// # Errors
/// The kernel's.
pub fn set_address(netlink: &mut Netlink, index: u32, address: Network, seconds: Option<u32>) -> io::Result<()> {
    netlink.request(RouteNetlinkMessage::NewAddress(address_message(index, address, seconds)), SET)
}

/// Takes an address away.
///
/// # Errors
/// The kernel's.
pub fn remove_address(netlink: &mut Netlink, index: u32, address: Network) -> io::Result<()> {
    netlink.request(RouteNetlinkMessage::DelAddress(address_message(index, address, None)), 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nics_are_found_by_mac_whatever_their_order() {
        let nics = [("eth0", 0), ("eth1", 1)].map(|(name, number): (&str, u8)| Interface {
            name: name.into(),
            altnames: Vec::new(),
            index: u32::from(number) + 1,
            mac: Some([2, 0, 0, 0, 0, number]),
            mtu: 1500,
            up: true,
            loopback: false,
            addresses: Vec::new(),
            rx_queues: 1,
        });
        let link = |id: &str, mac| LinkPlan { id: id.into(), kind: LinkKind::ByMac(mac), ..LinkPlan::default() };
        let plan = NetworkPlan {
            links: vec![link("eth0", [2, 0, 0, 0, 0, 1]), link("eth1", [2, 0, 0, 0, 0, 0]), link("eth2", [9; 6])],
            ..NetworkPlan::default()
        };
        let found: Vec<(usize, String)> =
            match_nics(&plan, &nics).into_iter().map(|(at, nic)| (at, nic.name)).collect();
        assert_eq!(found, [(0, "eth1".to_owned()), (1, "eth0".to_owned())]);
    }
}
