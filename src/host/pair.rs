//! The veth pair that `--install` makes, of which a host has one at most.

use super::{InterfaceAddress, Links, network};

/// The end that carries the addresses, itself or by VLAN interfaces of this name with the VLAN behind a dot.
pub const PAIR: &str = "veth-rb";

/// The file of interfaces(5) that defines it, below the root of its host.
pub const PAIR_FILE: &str = "etc/network/interfaces.d/runbound";

/// The file of sysctl.d(5) that has the settings of the links beside it, below the root of its host.
pub const PAIR_SYSCTL: &str = "etc/sysctl.d/60-runbound.conf";

/// Metric of the route that an address of the pair brings. The host may be in that network by another interface, and what it
/// sends itself is to leave there: of routes to one network the kernel takes the least metric, and of equals the one that came
/// first. Those of other addresses have 0 (IPv4) and 256 (IPv6), of DHCP and of routers at most 1024.
pub const PAIR_METRIC: u32 = 4096;

/// Whether a link of this name is of the pair and carries its addresses.
pub fn is_of_pair(name: &str) -> bool {
    name.strip_prefix(PAIR).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The links that the text of [`PAIR_SYSCTL`] has speak ARP for themselves alone.
pub(super) fn quiet_links(snippet: &str) -> Vec<String> {
    let link = |line: &str| Some(line.strip_prefix("-net/ipv4/conf/")?.strip_suffix("/arp_ignore = 1")?.to_owned());
    snippet.lines().filter_map(|line| link(line.trim())).collect()
}

/// The addresses that the text of [`PAIR_FILE`] gives to the pair, in its order.
pub fn pair_addresses(stanzas: &str) -> Vec<InterfaceAddress> {
    stanzas.lines().filter_map(address_of).collect()
}

/// Those that it has by its file, and then those that its links have beside them, but for link-local ones. Each address once.
pub fn pair_addresses_now(written: &[InterfaceAddress], links: Option<&Links>) -> Vec<InterfaceAddress> {
    let links = links.into_iter().flat_map(Links::iter).filter(|link| is_of_pair(&link.name));
    let live = links.flat_map(|link| &link.addresses).filter(|own| !own.is_link_local());
    let mut all: Vec<InterfaceAddress> = Vec::new();
    for own in written.iter().chain(live) {
        if all.iter().all(|known| known.ip != own.ip) {
            all.push(*own);
        }
    }
    all
}

fn address_of(line: &str) -> Option<InterfaceAddress> {
    let line = line.trim();
    let rest = line.strip_prefix("address ").or_else(|| line.strip_prefix("up ip address replace "))?;
    rest.split_whitespace().next().filter(|word| word.contains('/')).and_then(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_in_which_install_writes_an_address_are_read() {
        let text = "auto veth-rb\niface veth-rb inet static\n    address 192.0.2.1/24\n    up ip address replace fd53::1/64 dev veth-rb.20 \
                    nodad\n    address mine\n";
        let told: Vec<String> = pair_addresses(text).iter().map(InterfaceAddress::to_string).collect();
        assert_eq!(told, ["192.0.2.1/24", "fd53::1/64"]);
    }

    #[test]
    fn the_links_that_the_snippet_quiets_are_read() {
        let text = "# -net/ipv4/conf/a/arp_ignore = 1\n-net/ipv4/conf/vmbr0.10/arp_ignore = 1\n-net/ipv4/conf/eno2/arp_ignore = 0\n";
        assert_eq!(quiet_links(text), ["vmbr0.10"]);
    }

    #[test]
    fn other_pairs_are_none_of_it() {
        assert!(is_of_pair("veth-rb") && is_of_pair("veth-rb.20"));
        assert!(!is_of_pair("veth-rb2") && !is_of_pair("veth-bnd") && !is_of_pair("br-rb"));
    }
}
