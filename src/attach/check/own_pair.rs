//! The veth pair that `--install` made. A host has one, and another `--install` puts its addresses in place of those it has.

use crate::host::{Facts, InterfaceAddress, PAIR, is_of_pair, pair_addresses_now};

/// What helps `address` on a host with such a pair, in place of the `--install` for one. `None` without a pair.
pub(super) fn in_place_of_install(facts: &Facts, address: InterfaceAddress) -> Option<String> {
    if facts.pair.is_empty() && !facts.links.iter().any(|link| is_of_pair(&link.name)) {
        return None;
    }
    let own = pair_addresses_now(&facts.pair, Some(&facts.links));
    if let Some(fitting) = own.iter().find(|own| address.covers(own.ip)) {
        let (ip, own) = (address.ip, fitting.ip);
        return Some(format!(
            "the pair of --install, {PAIR}, has {own} in that network: serve that address in place of {ip}"
        ));
    }
    let ips: Vec<String> = own.iter().map(|own| own.ip.to_string()).collect();
    let with = if ips.is_empty() { String::new() } else { format!(" with {}", ips.join(" and ")) };
    Some(format!(
        "the server wants an address of its own on a veth pair; that of --install, {PAIR}, is there already{with}, and another \
         --install would replace it: make a second pair by hand (docs/proxmox.md)"
    ))
}
