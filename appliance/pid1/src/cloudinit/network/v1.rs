//! network-config version 1, as Proxmox writes it (qemu-server, Cloudinit.pm) and cloud-init documents it.

use crate::cloudinit::document::{Node, Notes, Table};
use crate::netconf::plan::{
    BOND_MODES, BondPlan, HASH_POLICIES, LinkKind, LinkPlan, MTU, Network, NetworkPlan, RoutePlan,
};

/// The list `config:`.
pub(super) fn read(config: &Node<'_>, notes: &mut Notes) -> NetworkPlan {
    let mut plan = NetworkPlan::default();
    for node in config.list() {
        let Some(mut item) = node.table(notes) else { continue };
        let kind = item.take("type").and_then(|node| node.text(notes)).unwrap_or_default();
        match kind.as_str() {
            "physical" | "bond" | "vlan" => plan.links.extend(link(&kind, &mut item, &mut plan.nameservers, notes)),
            "nameserver" => {
                let servers = item.take("address").map(|node| node.list()).unwrap_or_default();
                servers.iter().filter_map(|node| node.ip(notes)).for_each(|server| plan.add_nameserver(server));
                // Names are asked for in full here; `interface` would bind a server to a link.
                item.ignore(&["search", "interface"]);
            }
            "route" => plan.routes.extend(route(&mut item, &["destination"], notes)),
            "loopback" => item.ignore(&["name", "subnets"]),
            other => {
                notes.add(&node.path, format!("type {other:?} is not supported; it is left out"));
                continue;
            }
        }
        item.finish(notes);
    }
    plan
}

fn link(
    kind: &str,
    item: &mut Table<'_>,
    nameservers: &mut Vec<std::net::IpAddr>,
    notes: &mut Notes,
) -> Option<LinkPlan> {
    let name = item.take("name").and_then(|node| super::link_name(&node, notes));
    // A VLAN has that of the link below it: what asks for another one is told that it is not supported.
    let mac = if kind == "vlan" { None } else { item.take("mac_address").and_then(|node| node.mac(notes)) };
    let kind = match kind {
        "bond" => LinkKind::Bond(BondPlan { mac, ..bond(item, notes) }),
        "vlan" => LinkKind::Vlan {
            parent: super::required(item, "vlan_link", notes)?.text(notes)?,
            tag: super::tag(&super::required(item, "vlan_id", notes)?, notes)?,
        },
        _ => match (mac, &name) {
            (Some(mac), _) => LinkKind::ByMac(mac),
            (None, Some(name)) => LinkKind::ByName(name.clone()),
            (None, None) => {
                notes.add(&item.path, "neither mac_address nor name says which interface this is; it is left out");
                return None;
            }
        },
    };
    let Some(id) = name.clone().or_else(|| mac.map(crate::netconf::plan::mac_text)) else {
        notes.add(&item.path, "name is missing; the interface is left out");
        return None;
    };
    let mut link = LinkPlan { id, kind, name, ..LinkPlan::default() };
    link.mtu = item.take("mtu").and_then(|node| node.number(MTU, notes));
    link.accept_ra = item.take("accept-ra").and_then(|node| node.truth(notes));
    for node in item.take("subnets").map(|node| node.list()).unwrap_or_default() {
        if let Some(mut table) = node.table(notes) {
            subnet(&mut table, &mut link, nameservers, notes);
            table.finish(notes);
        }
    }
    Some(link)
}

fn subnet(table: &mut Table<'_>, link: &mut LinkPlan, nameservers: &mut Vec<std::net::IpAddr>, notes: &mut Notes) {
    let kind = table.take("type").and_then(|node| node.text(notes)).unwrap_or_default();
    match kind.as_str() {
        "static" | "static6" => {
            link.addresses.extend(address(table, notes));
            if let Some(gateway) = table.take("gateway").and_then(|node| node.ip(notes)) {
                link.routes.push(RoutePlan::default_by(gateway));
            }
        }
        "dhcp" | "dhcp4" => link.dhcp4 = true,
        "ipv6_slaac" => link.accept_ra = Some(true),
        "dhcp6" | "ipv6_dhcpv6-stateful" | "ipv6_dhcpv6-stateless" => {
            link.accept_ra = Some(true);
            // Stateless: the router tells addresses; name servers are taken from it, too.
            link.dhcp6 = kind != "ipv6_dhcpv6-stateless";
        }
        "manual" => {}
        other => notes.add(&table.path, format!("type {other:?} is not supported; it is left out")),
    }
    for node in table.take("dns_nameservers").map(|node| node.list()).unwrap_or_default() {
        nameservers.extend(node.ip(notes).filter(|server| !nameservers.contains(server)));
    }
    for node in table.take("routes").map(|node| node.list()).unwrap_or_default() {
        if let Some(mut table) = node.table(notes) {
            link.routes.extend(route(&mut table, &["network", "destination"], notes));
            table.finish(notes);
        }
    }
    // The broadcast address follows from the address; names are asked for in full here; control says who brings it up.
    table.ignore(&["dns_search", "broadcast", "control"]);
}

fn address(table: &mut Table<'_>, notes: &mut Notes) -> Option<Network> {
    let node = super::required(table, "address", notes)?;
    let network = node.network(notes)?;
    let Some(mask) = table.take("netmask") else { return Some(network) };
    let text = mask.text(notes)?;
    Network::with_mask(network.ip, &text).or_else(|| {
        notes.add(&mask.path, format!("{text} is no netmask of {}; the address is left out", network.ip));
        None
    })
}

fn route(table: &mut Table<'_>, keys: &[&'static str], notes: &mut Notes) -> Option<RoutePlan> {
    let mut to = None;
    for key in keys {
        to = to.or(table.take(key));
    }
    let Some(to) = to else {
        notes.add(&table.path, "a route needs a destination; it is left out");
        return None;
    };
    let mut network = to.network(notes)?;
    for key in ["netmask", "prefix"] {
        if let Some(mask) = table.take(key).and_then(|node| node.text(notes)) {
            network = Network::with_mask(network.ip, &mask)?;
        }
    }
    let via = table.take("gateway").and_then(|node| node.ip(notes));
    let metric = table.take("metric").and_then(|node| node.number(0..=u32::MAX, notes));
    Some(RoutePlan { to: network, via, metric })
}

fn bond(item: &mut Table<'_>, notes: &mut Notes) -> BondPlan {
    let mut bond = BondPlan::default();
    let ports = item.take("bond_interfaces").map(|node| node.list()).unwrap_or_default();
    bond.ports = ports.iter().filter_map(|node| node.text(notes)).collect();
    let Some(mut params) = item.take("params").and_then(|node| node.table(notes)) else { return bond };
    for (key, node) in params.entries() {
        // Written with a dash or an underscore, by whom it comes from.
        match key.replace('_', "-").as_str() {
            "bond-mode" => bond.mode = super::named(&node, &BOND_MODES, notes).unwrap_or(0),
            "bond-miimon" | "bond-mii-monitor-interval" => bond.miimon = node.number(0..=u32::MAX, notes),
            "bond-lacp-rate" => bond.lacp_fast = super::named(&node, &["slow", "fast"], notes).map(|rate| rate == 1),
            "bond-xmit-hash-policy" => bond.hash_policy = super::named(&node, &HASH_POLICIES, notes),
            _ => notes.add(&node.path, "is not supported; it is ignored"),
        }
    }
    params.ignore(&[]);
    bond
}
