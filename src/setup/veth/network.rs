//! Whether an address is of the network at its bridge. What does not look so may be meant, and is said, not refused.

use super::Pair;
use crate::config::site::HostAddress;
use crate::host::{Facts, InterfaceAddress, is_of_pair};
use crate::setup::Run;
use crate::setup::interfaces::Interfaces;

/// Networks of this host, each with the interface that is in it: as written and as they are now.
struct Networks(Vec<(String, InterfaceAddress)>);

impl Networks {
    fn of(interfaces: &Interfaces, facts: Option<&Facts>) -> Self {
        let links = facts.into_iter().flat_map(|facts| facts.links.iter());
        let live = links.flat_map(|link| link.addresses.iter().map(|address| (link.name.clone(), *address)));
        let all = interfaces.networks().chain(live);
        Self(all.filter(|(name, address)| name != "lo" && !is_of_pair(name) && address.prefix > 0).collect())
    }
}

/// Says of each address what speaks against it.
pub(super) fn say_misfits(run: &mut Run, pair: &Pair, interfaces: &Interfaces, facts: Option<&Facts>) {
    let networks = Networks::of(interfaces, facts);
    for (place, address) in pair.site.addresses.iter().enumerate() {
        if let Some(misfit) = misfit(pair, address, pair.vlan(place), &networks) {
            run.note(&format!("--address {address}: {misfit}"));
        }
    }
}

/// `vlan`: that of the address.
fn misfit(pair: &Pair, address: &HostAddress, vlan: Option<u16>, Networks(networks): &Networks) -> Option<String> {
    let (ip, bridge) = (address.ip, pair.bridge);
    let here = |name: &String| pair.hosts.iter().any(|host| host.name == *name && host.vlan == vlan);
    let same_family = |(_, own): &&(String, InterfaceAddress)| own.ip.is_ipv4() == ip.is_ipv4() && !own.is_link_local();
    let (own, others): (Vec<_>, Vec<_>) = networks.iter().filter(same_family).partition(|(name, _)| here(name));
    let text = |(name, own): &(String, InterfaceAddress)| format!("{name} has {own}");
    if let Some(fitting) = own.iter().find(|(_, own)| own.covers(ip)) {
        let same = own.iter().any(|(_, own)| own.covers(ip) && own.prefix == address.prefix);
        let said = || {
            format!("the prefix of its network is another, {}: TCP and what XDP leaves would go astray", text(fitting))
        };
        return (!same).then(said);
    }
    if let Some(other) = others.iter().find(|(_, own)| own.covers(ip)) {
        let (said, name) = (text(other), &other.0);
        return Some(format!(
            "{said}, and {bridge} may be another network: what this host sends to it, TCP of {ip} too, leaves by {name}, and who \
             is at {name} alone does not reach {ip}"
        ));
    }
    if let Some(first) = own.first() {
        return Some(format!("{}, another network: nobody reaches it unless it is at {bridge}, too", text(first)));
    }
    let most = if ip.is_ipv4() { 32 } else { 128 };
    (address.prefix + 1 >= most).then(|| {
        format!("a prefix of {} leaves no room for clients: give that of the network at {bridge}", address.prefix)
    })
}
