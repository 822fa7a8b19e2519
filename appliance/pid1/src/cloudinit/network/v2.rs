//! network-config version 2: netplan's language, as far as an appliance has a use for it.

use super::{Any, HashPolicy, LinkName, Mode, Mtu, Rate, Tag};
use crate::cloudinit::document::{Given, List, Named, NoMore, Notes, Part, below, document};
use crate::netconf::plan::{BondPlan, LinkKind, LinkPlan, Mac, Network, NetworkPlan, RoutePlan, is_link_name};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

document! {
    /// The whole. The renderer is who applies the plan, which is us.
    Document with NoMore {
        ethernets: Given<Named<Ethernet>> = "ethernets",
        bonds: Given<Named<Bond>> = "bonds",
        vlans: Given<Named<Vlan>> = "vlans",
    } ignored ["version", "renderer"]
}

document! {
    /// What interfaces of all kinds may say.
    shared Common {
        addresses: List<Address> = "addresses",
        gateway4: Given<IpAddr> = "gateway4",
        gateway6: Given<IpAddr> = "gateway6",
        routes: List<Route> = "routes",
        name_servers: Given<NameServers> = "nameservers",
        dhcp4: Given<bool> = "dhcp4",
        dhcp6: Given<bool> = "dhcp6",
        accept_ra: Given<bool> = "accept-ra",
        mtu: Given<Mtu> = "mtu",
    }
}

/// Nobody waits for a link here.
const IGNORED: [&str; 1] = ["optional"];

document! {
    /// A network card.
    Ethernet with Common {
        name: Given<LinkName> = "set-name",
        which: Given<Match> = "match",
    } ignored IGNORED
}

document! {
    /// Which network card it is.
    Match with NoMore { mac: Given<Mac> = "macaddress", name: Given<String> = "name", } ignored []
}

document! {
    /// A bond.
    Bond with Common {
        ports: List<String> = "interfaces",
        mac: Given<Mac> = "macaddress",
        parameters: Given<Parameters> = "parameters",
    } ignored IGNORED
}

document! {
    /// Settings of a bond.
    Parameters with NoMore {
        mode: Given<Mode> = "mode",
        miimon: Given<Any> = "mii-monitor-interval",
        rate: Given<Rate> = "lacp-rate",
        hash_policy: Given<HashPolicy> = "transmit-hash-policy",
    } ignored []
}

document! {
    /// A VLAN.
    Vlan with Common { tag: Given<Tag> = "id", parent: Given<String> = "link", } ignored IGNORED
}

document! {
    /// Name servers. Names are asked for in full here.
    NameServers with NoMore { addresses: List<IpAddr> = "addresses", } ignored ["search"]
}

document! {
    /// A route.
    Route with NoMore {
        to: Given<Destination> = "to",
        via: Given<IpAddr> = "via",
        metric: Given<Any> = "metric",
    } ignored []
}

/// An address, or that routers tell it: Proxmox writes what the user chose for IPv6, which may be the word auto.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address {
    Auto,
    Own(Network),
}

impl Part for Address {
    fn of(value: &Value) -> Option<Self> {
        if value == "auto" { Some(Self::Auto) } else { Network::of(value).map(Self::Own) }
    }

    fn wanted() -> String {
        Network::wanted()
    }
}

/// Where a route goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    Default,
    To(Network),
}

impl Part for Destination {
    fn of(value: &Value) -> Option<Self> {
        if value == "default" { Some(Self::Default) } else { Network::of(value).map(Self::To) }
    }

    fn wanted() -> String {
        Network::wanted()
    }
}

/// The mapping that holds `ethernets:`, `bonds:` and `vlans:`.
pub(super) fn read(value: &Value, path: &str, notes: &mut Notes) -> NetworkPlan {
    let document = Given::<Document>::of(value);
    document.report(path, notes);
    let mut plan = NetworkPlan::default();
    let Some(document) = document.get() else { return plan };
    for (id, path, item) in section(&document.ethernets, &below(path, "ethernets")) {
        let link = ethernet(id, item, &path, notes);
        plan.links.extend(link.map(|link| with_addresses(link, &item.shared, &path, notes)));
        add_name_servers(&mut plan, &item.shared);
    }
    for (id, path, item) in section(&document.bonds, &below(path, "bonds")) {
        let link = made(id, LinkKind::Bond(bond(item)), &path, notes);
        plan.links.extend(link.map(|link| with_addresses(link, &item.shared, &path, notes)));
        add_name_servers(&mut plan, &item.shared);
    }
    for (id, path, item) in section(&document.vlans, &below(path, "vlans")) {
        let link = vlan(item, &path, notes).and_then(|kind| made(id, kind, &path, notes));
        plan.links.extend(link.map(|link| with_addresses(link, &item.shared, &path, notes)));
        add_name_servers(&mut plan, &item.shared);
    }
    plan
}

fn section<'a, T>(section: &'a Given<Named<T>>, path: &str) -> Vec<(&'a str, String, &'a T)> {
    section.get().map(|named| named.entries(path).collect()).unwrap_or_default()
}

fn add_name_servers(plan: &mut NetworkPlan, common: &Common) {
    let servers = common.name_servers.get().into_iter().flat_map(|servers| servers.addresses.iter());
    servers.for_each(|server| plan.add_nameserver(*server));
}

fn ethernet(id: &str, item: &Ethernet, path: &str, notes: &mut Notes) -> Option<LinkPlan> {
    let kind = match &item.which {
        Given::Absent => LinkKind::ByName(link_name(id, path, notes)?),
        Given::Wrong(_) => return None,
        Given::Is(which) => match (which.mac.get(), which.name.get()) {
            (Some(mac), _) => LinkKind::ByMac(*mac),
            (None, Some(name)) => LinkKind::ByName(name.clone()),
            (None, None) => {
                notes.add(&below(path, "match"), "needs macaddress or name; the interface is left out");
                return None;
            }
        },
    };
    let name = item.name.get().map(|name| name.0.clone());
    Some(LinkPlan { id: id.to_owned(), kind, name, ..LinkPlan::default() })
}

/// A link that is made, hence has a name of its own.
fn made(id: &str, kind: LinkKind, path: &str, notes: &mut Notes) -> Option<LinkPlan> {
    let name = Some(link_name(id, path, notes)?);
    Some(LinkPlan { id: id.to_owned(), kind, name, ..LinkPlan::default() })
}

fn link_name(id: &str, path: &str, notes: &mut Notes) -> Option<String> {
    if is_link_name(id) {
        return Some(id.to_owned());
    }
    notes.add(path, format!("{id:?} is not {}; it is left out", LinkName::wanted()));
    None
}

fn bond(item: &Bond) -> BondPlan {
    let mut bond =
        BondPlan { ports: item.ports.iter().cloned().collect(), mac: item.mac.get().copied(), ..BondPlan::default() };
    if let Some(parameters) = item.parameters.get() {
        bond.mode = parameters.mode.get().map_or(0, |mode| mode.0);
        bond.miimon = parameters.miimon.get().map(|milliseconds| milliseconds.0);
        bond.lacp_fast = parameters.rate.get().map(|rate| rate.is_fast);
        bond.hash_policy = parameters.hash_policy.get().map(|policy| policy.0);
    }
    bond
}

fn vlan(item: &Vlan, path: &str, notes: &mut Notes) -> Option<LinkKind> {
    let tag = u16::try_from(item.tag.required(path, "id", notes)?.0).ok()?;
    Some(LinkKind::Vlan { parent: item.parent.required(path, "link", notes)?.clone(), tag })
}

fn with_addresses(mut link: LinkPlan, common: &Common, path: &str, notes: &mut Notes) -> LinkPlan {
    for address in common.addresses.iter() {
        match address {
            Address::Auto => link.accept_ra = Some(true),
            Address::Own(network) => link.addresses.push(*network),
        }
    }
    let gateways = [&common.gateway4, &common.gateway6];
    link.routes.extend(gateways.into_iter().filter_map(Given::get).copied().map(RoutePlan::default_by));
    for (path, item) in common.routes.entries(&below(path, "routes")) {
        link.routes.extend(route(item, &path, notes));
    }
    link.dhcp4 = common.dhcp4.get().copied().unwrap_or(false);
    link.dhcp6 = common.dhcp6.get().copied().unwrap_or(false);
    // With DHCPv6 nobody else tells which networks are on the link, and the router.
    let told = if link.dhcp6 { Some(true) } else { common.accept_ra.get().copied() };
    link.accept_ra = told.or(link.accept_ra);
    link.mtu = common.mtu.get().map(|mtu| mtu.0);
    link
}

fn route(route: &Route, path: &str, notes: &mut Notes) -> Option<RoutePlan> {
    let via = route.via.get().copied();
    let to = match (route.to.required(path, "to", notes)?, via) {
        (Destination::To(network), _) => *network,
        (Destination::Default, Some(IpAddr::V6(_))) => Network { ip: IpAddr::V6(Ipv6Addr::UNSPECIFIED), prefix: 0 },
        (Destination::Default, _) => Network { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix: 0 },
    };
    Some(RoutePlan { to, via, metric: route.metric.get().map(|metric| metric.0) })
}
