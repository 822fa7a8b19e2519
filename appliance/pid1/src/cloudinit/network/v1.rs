//! network-config version 1, as Proxmox writes it (qemu-server, Cloudinit.pm) and cloud-init documents it.

use super::{Any, HashPolicy, LinkName, Mode, Mtu, Rate, Tag};
use crate::cloudinit::document::{Given, List, MAPPING, NoMore, Notes, Part, below, document};
use crate::netconf::plan::{BondPlan, LinkKind, LinkPlan, Mac, Network, NetworkPlan, RoutePlan, mac_text};
use serde_json::Value;
use std::net::IpAddr;

document! {
    /// The whole.
    Document with NoMore { config: List<Item> = "config", } ignored ["version"]
}

document! {
    /// What interfaces of all kinds may say.
    shared Common {
        name: Given<LinkName> = "name",
        mtu: Given<Mtu> = "mtu",
        accept_ra: Given<bool> = "accept-ra",
        subnets: List<Subnet> = "subnets",
    }
}

document! {
    /// A network card.
    Physical with Common { mac: Given<Mac> = "mac_address", } ignored ["type"]
}

document! {
    /// A bond.
    Bond with Common {
        mac: Given<Mac> = "mac_address",
        ports: List<String> = "bond_interfaces",
        params: Given<Params> = "params",
    } ignored ["type"]
}

document! {
    /// A VLAN. It has the MAC of the link below it.
    Vlan with Common { parent: Given<String> = "vlan_link", tag: Given<Tag> = "vlan_id", } ignored ["type"]
}

document! {
    /// Settings of a bond, written with a dash or an underscore, by whom they come from.
    Params with NoMore {
        mode: Given<Mode> = "bond-mode" or "bond_mode",
        miimon: Given<Any> = "bond-miimon" or "bond_miimon" or "bond-mii-monitor-interval" or "bond_mii_monitor_interval",
        rate: Given<Rate> = "bond-lacp-rate" or "bond_lacp_rate",
        hash_policy: Given<HashPolicy> = "bond-xmit-hash-policy" or "bond_xmit_hash_policy",
    } ignored []
}

document! {
    /// Addresses of an interface, or where they come from. The broadcast address follows from the address; names are asked
    /// for in full here; control says who brings it up.
    Subnet with NoMore {
        kind: Given<String> = "type",
        address: Given<Network> = "address",
        netmask: Given<String> = "netmask",
        gateway: Given<IpAddr> = "gateway",
        name_servers: List<IpAddr> = "dns_nameservers",
        routes: List<Route> = "routes",
    } ignored ["dns_search", "broadcast", "control"]
}

document! {
    /// A route.
    Route with NoMore {
        network: Given<Network> = "network" or "destination",
        netmask: Given<String> = "netmask",
        prefix: Given<String> = "prefix",
        gateway: Given<IpAddr> = "gateway",
        metric: Given<Any> = "metric",
    } ignored ["type"]
}

document! {
    /// Name servers. Names are asked for in full here; `interface` would bind a server to a link.
    NameServers with NoMore { addresses: List<IpAddr> = "address", } ignored ["type", "search", "interface"]
}

document! {
    /// The loopback interface, which needs nothing.
    Loopback with NoMore {} ignored ["type", "name", "subnets"]
}

/// An item of the list, by its type.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Physical(Box<Physical>),
    Bond(Box<Bond>),
    Vlan(Box<Vlan>),
    NameServers(NameServers),
    Route(Box<Route>),
    Loopback(Loopback),
    Unknown(String),
}

impl Part for Item {
    fn of(value: &Value) -> Option<Self> {
        let kind = value.as_object()?.get("type").and_then(String::of).unwrap_or_default();
        match kind.as_str() {
            "physical" => Part::of(value).map(Box::new).map(Self::Physical),
            "bond" => Part::of(value).map(Box::new).map(Self::Bond),
            "vlan" => Part::of(value).map(Box::new).map(Self::Vlan),
            "nameserver" => Part::of(value).map(Self::NameServers),
            "route" => Part::of(value).map(Box::new).map(Self::Route),
            "loopback" => Part::of(value).map(Self::Loopback),
            _ => Some(Self::Unknown(kind)),
        }
    }

    fn wanted() -> String {
        MAPPING.to_owned()
    }

    fn report(&self, path: &str, notes: &mut Notes) {
        match self {
            Self::Physical(item) => item.report(path, notes),
            Self::Bond(item) => item.report(path, notes),
            Self::Vlan(item) => item.report(path, notes),
            Self::NameServers(item) => item.report(path, notes),
            Self::Route(item) => item.report(path, notes),
            Self::Loopback(item) => item.report(path, notes),
            Self::Unknown(kind) => notes.add(path, format!("type {kind:?} is not supported; it is left out")),
        }
    }
}

/// The mapping with the list `config:`.
pub(super) fn read(value: &Value, path: &str, notes: &mut Notes) -> NetworkPlan {
    let document = Given::<Document>::of(value);
    document.report(path, notes);
    let mut plan = NetworkPlan::default();
    let Some(document) = document.get() else { return plan };
    for (path, item) in document.config.entries(&below(path, "config")) {
        let link = match item {
            Item::Physical(item) => physical(item, &path, notes),
            Item::Bond(item) => bond(item, &path, notes),
            Item::Vlan(item) => vlan(item, &path, notes),
            Item::NameServers(item) => {
                item.addresses.iter().for_each(|server| plan.add_nameserver(*server));
                None
            }
            Item::Route(item) => {
                plan.routes.extend(route(item, &path, notes));
                None
            }
            Item::Loopback(_) | Item::Unknown(_) => None,
        };
        let Some((mut link, common)) = link else { continue };
        link.mtu = common.mtu.get().map(|mtu| mtu.0);
        link.accept_ra = common.accept_ra.get().copied();
        for (path, subnet) in common.subnets.entries(&below(&path, "subnets")) {
            subnet_into(subnet, &path, &mut link, notes);
            subnet.name_servers.iter().for_each(|server| plan.add_nameserver(*server));
        }
        plan.links.push(link);
    }
    plan
}

/// An interface that has a name, or at least a MAC to call it by.
fn link<'a>(
    kind: LinkKind,
    mac: Option<Mac>,
    common: &'a Common,
    path: &str,
    notes: &mut Notes,
) -> Option<(LinkPlan, &'a Common)> {
    let name = common.name.get().map(|name| name.0.clone());
    let Some(id) = name.clone().or_else(|| mac.map(mac_text)) else {
        notes.add(path, "name is missing; the interface is left out");
        return None;
    };
    Some((LinkPlan { id, kind, name, ..LinkPlan::default() }, common))
}

fn physical<'a>(item: &'a Physical, path: &str, notes: &mut Notes) -> Option<(LinkPlan, &'a Common)> {
    let mac = item.mac.get().copied();
    let kind = match (mac, item.shared.name.get()) {
        (Some(mac), _) => LinkKind::ByMac(mac),
        (None, Some(name)) => LinkKind::ByName(name.0.clone()),
        (None, None) => {
            notes.add(path, "neither mac_address nor name says which interface this is; it is left out");
            return None;
        }
    };
    link(kind, mac, &item.shared, path, notes)
}

fn bond<'a>(item: &'a Bond, path: &str, notes: &mut Notes) -> Option<(LinkPlan, &'a Common)> {
    let mac = item.mac.get().copied();
    let mut bond = BondPlan { ports: item.ports.iter().cloned().collect(), mac, ..BondPlan::default() };
    if let Some(params) = item.params.get() {
        bond.mode = params.mode.get().map_or(0, |mode| mode.0);
        bond.miimon = params.miimon.get().map(|milliseconds| milliseconds.0);
        bond.lacp_fast = params.rate.get().map(|rate| rate.is_fast);
        bond.hash_policy = params.hash_policy.get().map(|policy| policy.0);
    }
    link(LinkKind::Bond(bond), mac, &item.shared, path, notes)
}

fn vlan<'a>(item: &'a Vlan, path: &str, notes: &mut Notes) -> Option<(LinkPlan, &'a Common)> {
    let parent = item.parent.required(path, "vlan_link", notes)?.clone();
    let tag = u16::try_from(item.tag.required(path, "vlan_id", notes)?.0).ok()?;
    link(LinkKind::Vlan { parent, tag }, None, &item.shared, path, notes)
}

fn subnet_into(subnet: &Subnet, path: &str, link: &mut LinkPlan, notes: &mut Notes) {
    match subnet.kind.get().map_or("", String::as_str) {
        "static" | "static6" => {
            link.addresses.extend(address(subnet, path, notes));
            link.routes.extend(subnet.gateway.get().copied().map(RoutePlan::default_by));
        }
        "dhcp" | "dhcp4" => link.dhcp4 = true,
        "ipv6_slaac" => link.accept_ra = Some(true),
        // Stateless: the router tells addresses; name servers are taken from it, too.
        "ipv6_dhcpv6-stateless" => link.accept_ra = Some(true),
        "dhcp6" | "ipv6_dhcpv6-stateful" => (link.accept_ra, link.dhcp6) = (Some(true), true),
        "manual" => {}
        other => notes.add(path, format!("type {other:?} is not supported; it is left out")),
    }
    for (path, item) in subnet.routes.entries(&below(path, "routes")) {
        link.routes.extend(route(item, &path, notes));
    }
}

fn address(subnet: &Subnet, path: &str, notes: &mut Notes) -> Option<Network> {
    let network = *subnet.address.required(path, "address", notes)?;
    match &subnet.netmask {
        Given::Absent => Some(network),
        Given::Wrong(_) => None,
        Given::Is(mask) => masked(network, mask, &below(path, "netmask"), "the address is left out", notes),
    }
}

fn route(route: &Route, path: &str, notes: &mut Notes) -> Option<RoutePlan> {
    if route.network == Given::Absent {
        notes.add(path, "a route needs a destination; it is left out");
    }
    let mut to = *route.network.get()?;
    for (key, mask) in [("netmask", &route.netmask), ("prefix", &route.prefix)] {
        if let Some(mask) = mask.get() {
            to = masked(to, mask, &below(path, key), "the route is left out", notes)?;
        }
    }
    Some(RoutePlan { to, via: route.gateway.get().copied(), metric: route.metric.get().map(|metric| metric.0) })
}

/// The network with that mask; a note of what it costs when that is none.
fn masked(network: Network, mask: &str, path: &str, costs: &str, notes: &mut Notes) -> Option<Network> {
    Network::with_mask(network.ip, mask).or_else(|| {
        notes.add(path, format!("{mask} is no netmask of {}; {costs}", network.ip));
        None
    })
}
