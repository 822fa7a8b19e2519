//! Whether an address is of the network at its bridge. What does not look so may be meant, and is said, not refused.

use super::{Pair, VETH};
use crate::config::site::HostAddress;
use crate::host::{Facts, InterfaceAddress};
use crate::setup::Run;
use crate::setup::interfaces::Interfaces;

/// Networks of this host, each with the interface that is in it: as written and as they are now.
struct Networks(Vec<(String, InterfaceAddress)>);

impl Networks {
    fn of(interfaces: &Interfaces, facts: Option<&Facts>) -> Self {
        let links = facts.into_iter().flat_map(|facts| facts.links.iter());
        let live = links.flat_map(|link| link.addresses.iter().map(|address| (link.name.clone(), *address)));
        let all = interfaces.networks().chain(live);
        Self(all.filter(|(name, address)| name != "lo" && !name.starts_with(VETH) && address.prefix > 0).collect())
    }
}

/// Says of each address what speaks against it.
pub(super) fn say_misfits(run: &mut Run, pair: &Pair, interfaces: &Interfaces, facts: Option<&Facts>) {
    let networks = Networks::of(interfaces, facts);
    for address in &pair.site.addresses {
        if let Some(misfit) = misfit(pair, address, &networks) {
            run.note(&format!("--address {address}: {misfit}"));
        }
    }
}

fn misfit(pair: &Pair, address: &HostAddress, Networks(networks): &Networks) -> Option<String> {
    let (ip, bridge) = (address.ip, pair.bridge);
    // With a VLAN, what the bridge itself carries is of another one.
    let here = |name: &String| pair.hosts.contains(name) && (pair.site.vlans().is_empty() || name != bridge);
    let is_global = |own: &InterfaceAddress| !matches!(own.ip, std::net::IpAddr::V6(ip) if ip.is_unicast_link_local());
    let same_family = |(_, own): &&(String, InterfaceAddress)| own.ip.is_ipv4() == ip.is_ipv4() && is_global(own);
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
        return Some(format!(
            "{}, and {bridge} may be another network: this host gets a second route to it by {VETH}, and who is at {} alone does \
             not reach it",
            text(other),
            other.0
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
