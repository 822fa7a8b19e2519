//! network-config version 2: netplan's language, as far as an appliance has a use for it.

use crate::cloudinit::document::{Notes, Table};
use crate::netconf::plan::{
    BOND_MODES, BondPlan, HASH_POLICIES, LinkKind, LinkPlan, MTU, Network, NetworkPlan, RoutePlan,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The mapping that holds `ethernets:`, `bonds:` and `vlans:`.
pub(super) fn read(root: &mut Table<'_>, notes: &mut Notes) -> NetworkPlan {
    let mut plan = NetworkPlan::default();
    for section in ["ethernets", "bonds", "vlans"] {
        let Some(links) = root.take(section).and_then(|node| node.table(notes)) else { continue };
        for (id, node) in links.entries() {
            let Some(mut item) = node.table(notes) else { continue };
            plan.links.extend(link(section, id, &mut item, &mut plan.nameservers, notes));
            item.finish(notes);
        }
    }
    // Who applies the plan, which is us.
    root.ignore(&["renderer"]);
    plan
}

fn link(
    section: &str,
    id: &str,
    item: &mut Table<'_>,
    nameservers: &mut Vec<IpAddr>,
    notes: &mut Notes,
) -> Option<LinkPlan> {
    let named = crate::netconf::plan::is_link_name(id).then(|| id.to_owned());
    let mut link = LinkPlan { id: id.to_owned(), ..LinkPlan::default() };
    match section {
        "bonds" => {
            link.name = Some(super::link_name_text(&item.path, id, notes)?);
            link.kind = LinkKind::Bond(bond(item, notes));
        }
        "vlans" => {
            link.name = Some(super::link_name_text(&item.path, id, notes)?);
            link.kind = LinkKind::Vlan {
                tag: super::tag(&super::required(item, "id", notes)?, notes)?,
                parent: super::required(item, "link", notes)?.text(notes)?,
            };
        }
        _ => {
            link.name = item.take("set-name").and_then(|node| super::link_name(&node, notes));
            link.kind = match item.take("match").and_then(|node| node.table(notes)) {
                Some(mut wanted) => {
                    let mac = wanted.take("macaddress").and_then(|node| node.mac(notes));
                    let name = wanted.take("name").and_then(|node| node.text(notes));
                    let path = wanted.path.clone();
                    wanted.finish(notes);
                    match (mac, name) {
                        (Some(mac), _) => LinkKind::ByMac(mac),
                        (None, Some(name)) => LinkKind::ByName(name),
                        (None, None) => {
                            notes.add(&path, "needs macaddress or name; the interface is left out");
                            return None;
                        }
                    }
                }
                None => LinkKind::ByName(named?),
            };
        }
    }
    addresses(item, &mut link, nameservers, notes);
    Some(link)
}

fn addresses(item: &mut Table<'_>, link: &mut LinkPlan, nameservers: &mut Vec<IpAddr>, notes: &mut Notes) {
    for node in item.take("addresses").map(|node| node.list()).unwrap_or_default() {
        // Proxmox writes what the user chose for IPv6, which may be the word auto.
        if node.value.as_str() == Some("auto") {
            link.accept_ra = Some(true);
        } else {
            link.addresses.extend(node.network(notes));
        }
    }
    for key in ["gateway4", "gateway6"] {
        link.routes.extend(item.take(key).and_then(|node| node.ip(notes)).map(RoutePlan::default_by));
    }
    for node in item.take("routes").map(|node| node.list()).unwrap_or_default() {
        let Some(mut table) = node.table(notes) else { continue };
        link.routes.extend(route(&mut table, notes));
        table.finish(notes);
    }
    if let Some(mut servers) = item.take("nameservers").and_then(|node| node.table(notes)) {
        for node in servers.take("addresses").map(|node| node.list()).unwrap_or_default() {
            nameservers.extend(node.ip(notes).filter(|server| !nameservers.contains(server)));
        }
        servers.ignore(&["search"]);
        servers.finish(notes);
    }
    link.dhcp4 = item.take("dhcp4").and_then(|node| node.truth(notes)).unwrap_or(false);
    if let Some(ra) = item.take("accept-ra").and_then(|node| node.truth(notes)) {
        link.accept_ra = Some(ra);
    }
    link.dhcp6 = item.take("dhcp6").and_then(|node| node.truth(notes)).unwrap_or(false);
    if link.dhcp6 {
        // Which networks are on the link, and the router, nobody else tells.
        link.accept_ra = Some(true);
    }
    link.mtu = item.take("mtu").and_then(|node| node.number(MTU, notes));
    // Nobody waits for a link here.
    item.ignore(&["optional"]);
}

fn route(table: &mut Table<'_>, notes: &mut Notes) -> Option<RoutePlan> {
    let via = table.take("via").and_then(|node| node.ip(notes));
    let metric = table.take("metric").and_then(|node| node.number(0..=u32::MAX, notes));
    let to = super::required(table, "to", notes)?;
    let network = match (to.value.as_str(), via) {
        (Some("default"), Some(IpAddr::V6(_))) => Network { ip: IpAddr::V6(Ipv6Addr::UNSPECIFIED), prefix: 0 },
        (Some("default"), _) => Network { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix: 0 },
        _ => to.network(notes)?,
    };
    Some(RoutePlan { to: network, via, metric })
}

fn bond(item: &mut Table<'_>, notes: &mut Notes) -> BondPlan {
    let mut bond = BondPlan::default();
    let ports = item.take("interfaces").map(|node| node.list()).unwrap_or_default();
    bond.ports = ports.iter().filter_map(|node| node.text(notes)).collect();
    bond.mac = item.take("macaddress").and_then(|node| node.mac(notes));
    let Some(mut params) = item.take("parameters").and_then(|node| node.table(notes)) else { return bond };
    bond.mode = params.take("mode").and_then(|node| super::named(&node, &BOND_MODES, notes)).unwrap_or(0);
    bond.miimon = params.take("mii-monitor-interval").and_then(|node| node.number(0..=u32::MAX, notes));
    let rate = params.take("lacp-rate").and_then(|node| super::named(&node, &["slow", "fast"], notes));
    bond.lacp_fast = rate.map(|rate| rate == 1);
    bond.hash_policy = params.take("transmit-hash-policy").and_then(|node| super::named(&node, &HASH_POLICIES, notes));
    params.finish(notes);
    bond
}
