//! interfaces(5), the text that Proxmox puts on a ConfigDrive2 at content/0000. It names no MAC: ethN is the kernel's.

use crate::netconf::plan::{LinkKind, LinkPlan, MTU, Network, NetworkPlan, Parsed, RoutePlan, is_link_name};
use runbound::number;
use std::net::IpAddr;

/// The stanza whose options follow.
#[derive(Default)]
struct Stanza {
    link: Option<usize>,
    /// An address that waits for its netmask.
    address: Option<Network>,
}

/// Reads it. Every line that says nothing we honour is a warning with its number.
pub fn read(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut stanza = Stanza::default();
    for (number, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some((&key, values)) = words.split_first().filter(|(key, _)| !key.starts_with('#')) else { continue };
        let wrong = match key {
            "auto" | "allow-hotplug" => None,
            "iface" => {
                close(&mut stanza, &mut parsed.plan);
                stanza.link = None;
                iface(values, &mut stanza, &mut parsed.plan)
            }
            _ => option(key, values, &mut stanza, &mut parsed.plan),
        };
        parsed.warnings.extend(wrong.map(|why| format!("line {}: {}: {why}", number + 1, line.trim())));
    }
    close(&mut stanza, &mut parsed.plan);
    parsed
}

/// Puts the address of a stanza that ends into its link.
fn close(stanza: &mut Stanza, plan: &mut NetworkPlan) {
    if let (Some(address), Some(link)) = (stanza.address.take(), stanza.link.and_then(|at| plan.links.get_mut(at))) {
        link.addresses.push(address);
    }
}

fn iface(values: &[&str], stanza: &mut Stanza, plan: &mut NetworkPlan) -> Option<String> {
    let &[name, family, method] = values else { return Some("not `iface NAME FAMILY METHOD`".into()) };
    if method == "loopback" {
        return None;
    }
    if !is_link_name(name) {
        return Some("no name for an interface; it is left out".into());
    }
    let at = plan.links.iter().position(|link| link.id == name).unwrap_or_else(|| {
        let kind = LinkKind::ByName(name.to_owned());
        plan.links.push(LinkPlan { id: name.to_owned(), kind, ..LinkPlan::default() });
        plan.links.len() - 1
    });
    stanza.link = Some(at);
    let link = plan.links.get_mut(at)?;
    match (family, method) {
        ("inet" | "inet6", "static" | "manual") => None,
        ("inet", "dhcp") => {
            link.dhcp4 = true;
            None
        }
        ("inet6", "auto") => {
            link.accept_ra = Some(true);
            None
        }
        ("inet6", "dhcp") => {
            link.accept_ra = Some(true);
            link.dhcp6 = true;
            None
        }
        _ => Some("is not supported; it is ignored".into()),
    }
}

fn option(key: &str, values: &[&str], stanza: &mut Stanza, plan: &mut NetworkPlan) -> Option<String> {
    let first = values.first().copied().unwrap_or_default();
    match key.replace('_', "-").as_str() {
        "dns-nameservers" => {
            let wrong: Vec<&str> = values.iter().filter(|text| text.parse::<IpAddr>().is_err()).copied().collect();
            values.iter().filter_map(|text| text.parse::<IpAddr>().ok()).for_each(|server| plan.add_nameserver(server));
            return (!wrong.is_empty()).then(|| format!("{} is no IP address", wrong.join(" ")));
        }
        "dns-search" => return None,
        _ => {}
    }
    let Some(link) = stanza.link.and_then(|at| plan.links.get_mut(at)) else {
        return Some("stands in no iface that is used; it is ignored".into());
    };
    match key {
        "address" => match first.parse::<Network>() {
            Ok(address) => stanza.address = Some(address),
            Err(()) => return Some("no IP address".into()),
        },
        "netmask" => match stanza.address.and_then(|address| Network::with_mask(address.ip, first)) {
            Some(address) => stanza.address = Some(address),
            None => return Some("no netmask of the address before it".into()),
        },
        "gateway" => match first.parse::<IpAddr>() {
            Ok(gateway) => link.routes.push(RoutePlan::default_by(gateway)),
            Err(_) => return Some("no IP address".into()),
        },
        "mtu" => match number::read(first, MTU) {
            Ok(mtu) => link.mtu = Some(mtu),
            Err(_) => return Some("no MTU".into()),
        },
        _ => return Some("is not supported; it is ignored".into()),
    }
    None
}
