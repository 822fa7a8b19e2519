//! `forward-zone:` clauses as the resolver and the control socket want them.

use crate::config::Config;
use crate::control::ForwardZone as Shown;
use crate::dns::Name;
use crate::resolve::{ForwardTable, ForwardZone, Reachable};
use std::net::SocketAddr;

/// The resolver's table.
pub(super) fn table(config: &Config) -> ForwardTable {
    let zones = config
        .forward_zones
        .iter()
        .map(|zone| ForwardZone {
            name: zone.name.clone(),
            servers: zone.servers.iter().map(|server| SocketAddr::new(server.address, server.port)).collect(),
            forward_first: zone.first,
            no_cache: zone.no_cache,
        })
        .collect();
    let reachable = Reachable { not_localhost: config.do_not_query_localhost, ip4: config.do_ip4, ip6: config.do_ip6 };
    ForwardTable::new(zones, reachable)
}

/// What `list_forwards` shows.
pub(super) fn shown(config: &Config) -> Vec<Shown> {
    config
        .forward_zones
        .iter()
        .filter_map(|zone| {
            let servers = zone.servers.iter().map(|server| {
                let tls = (!server.tls_name.is_empty()).then(|| server.tls_name.clone());
                (SocketAddr::new(server.address, server.port), tls)
            });
            Some(Shown { name: Name::from_wire(&zone.name)?, servers: servers.collect() })
        })
        .collect()
}
