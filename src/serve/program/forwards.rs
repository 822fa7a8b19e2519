//! `forward-zone:` clauses as the resolver and the control socket want them.

use crate::config::{Config, Diagnostic, Location, RootHint, ScopedAddress, Severity, ZoneClause};
use crate::control::{ForwardServer, ForwardZone as Shown};
use crate::dns::Name;
use crate::resolve::{Hint, Kind, Nat64, Networks, Private, Reachable, Scrub, Sources, Zone, ZoneTable};
use crate::serve::scope::Zones;
use std::net::{IpAddr, SocketAddr};

/// Whom to ask from where, with link-local addresses at the interfaces of a moment.
#[derive(Default, PartialEq)]
pub(super) struct Placed {
    zones: Vec<Zone>,
    sources: Sources,
    /// The lines whose interface is not here.
    pub(super) absent: Vec<Diagnostic>,
}

/// Looks up the interfaces of all link-local addresses.
pub(super) fn place(config: &Config, zones: &Zones) -> Placed {
    let mut absent = Vec::new();
    let mut at = |directive: &str, address: &ScopedAddress, port: u16, at: Location| -> Option<SocketAddr> {
        let found = zones.place(address, port).map_err(|cause| {
            let message = format!("{directive}: {}: it is asked nothing until there is one", cause.explain(address));
            absent.push(Diagnostic::new(Severity::Warning, &config.files, at, message));
        });
        found.ok()
    };
    let forward = config.forward_zones.iter().map(|zone| (zone, Kind::Forward, "forward-addr"));
    let stub = config.stub_zones.iter().map(|zone| (zone, Kind::Stub { prime: zone.prime }, "stub-addr"));
    let mut asked_zones = Vec::new();
    for (zone, kind, directive) in forward.chain(stub) {
        let servers = zone.servers.iter().filter_map(|line| at(directive, &line.address, line.port, line.at));
        asked_zones.push(Zone {
            name: zone.name.clone(),
            kind,
            servers: servers.collect(),
            hosts: zone.hosts.iter().filter_map(|(host, _)| Name::from_text(host)).collect(),
            first: zone.first,
            tcp: zone.tcp,
            no_cache: zone.no_cache,
        });
    }
    let own = config.outgoing.interfaces.iter().filter_map(|line| at("outgoing-interface", &line.address, 0, line.at));
    let sources = match own.collect() {
        _ if config.outgoing.interfaces.is_empty() => Sources::Any,
        own => Sources::These(own),
    };
    Placed { zones: asked_zones, sources, absent }
}

impl Placed {
    /// The resolver's table.
    pub(super) fn table(&self, config: &Config) -> ZoneTable {
        let reachable = reachable(config);
        let networks = config.private_addresses.iter().map(|block| (block.address, block.prefix));
        let private = Private::new(networks, config.private_domains.iter().map(Vec::as_slice));
        let table = ZoneTable::new(self.zones.clone(), reachable).from_sources(self.sources.clone());
        let scrub =
            Scrub { unknown_types: config.harden_unknown_additional, promiscuous: config.iter_scrub_promiscuous };
        let table = table.without(private).scrubbed(scrub);
        let hints = root_hints(config);
        if hints.is_empty() { table } else { table.with_hints(hints) }
    }
}

fn reachable(config: &Config) -> Reachable {
    let of = &config.servers;
    let prefix = || match of.nat64_prefix.address {
        IpAddr::V6(address) => Some(Nat64::new(address, of.nat64_prefix.prefix)),
        IpAddr::V4(_) => None,
    };
    Reachable {
        not_localhost: config.do_not_query_localhost,
        ip4: config.do_ip4,
        ip6: config.do_ip6,
        never: Networks::new(of.never.iter().map(|block| (block.address, block.prefix))),
        nat64: if of.nat64 { prefix() } else { None },
    }
}

/// What `root-hints:` names; nothing: what the resolver knows by itself.
fn root_hints(config: &Config) -> Vec<Hint> {
    let hint = |hint: &RootHint| Some(Hint { name: Name::from_wire(&hint.name)?, addresses: hint.addresses.clone() });
    config.root_hints.servers.iter().filter_map(hint).collect()
}

/// Says whom is asked for what no clause covers, unless one covers everything.
pub(super) fn tell_the_root(config: &Config) {
    let covers_all = |zone: &ZoneClause| zone.name == [0] && !zone.first;
    if config.forward_zones.iter().any(covers_all) {
        return;
    }
    let whose = match &config.root_hints.files[..] {
        [] => "those that this program knows by itself".to_owned(),
        [file] => format!("those of root-hints: {}", file.display()),
        [first, ..] => format!("those of root-hints: {} and others", first.display()),
    };
    log::info!("what no forward-zone or stub-zone covers is resolved from the root on; its servers are {whose}");
}

/// Whether an address stands at an interface, which may go and come.
pub(super) fn stand_at_interfaces(config: &Config) -> bool {
    let servers =
        config.forward_zones.iter().chain(&config.stub_zones).flat_map(|zone| &zone.servers).map(|line| &line.address);
    servers.chain(config.outgoing.interfaces.iter().map(|line| &line.address)).any(ScopedAddress::is_link_local)
}

/// What `list_forwards` shows.
pub(super) fn shown(config: &Config) -> Vec<Shown> {
    let insecure = config.validation.insecure_points();
    config.forward_zones.iter().filter_map(|zone| show(zone, &insecure)).collect()
}

/// What `list_stubs` shows, and of each whether it is primed.
pub(super) fn stubs(config: &Config) -> Vec<(Shown, bool)> {
    let insecure = config.validation.insecure_points();
    config.stub_zones.iter().filter_map(|zone| Some((show(zone, &insecure)?, zone.prime))).collect()
}

fn show(zone: &ZoneClause, insecure: &[Vec<u8>]) -> Option<Shown> {
    let servers = zone.servers.iter().map(|server| ForwardServer {
        address: server.address.to_string(),
        port: server.port,
        tls_name: (!server.tls_name.is_empty()).then(|| server.tls_name.clone()),
    });
    let hosts = zone.hosts.iter().filter_map(|(host, _)| Some(Name::from_text(host)?.to_string()));
    Some(Shown {
        name: Name::from_wire(&zone.name)?,
        hosts: hosts.collect(),
        servers: servers.collect(),
        insecure: insecure.contains(&zone.name),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config;
    use crate::host::tests::recorded;

    fn placed(text: &str, interfaces: &[&str]) -> (Config, Placed) {
        let config = config::parse_bytes("test.conf", text.as_bytes()).unwrap().config;
        let facts: Vec<(&str, &[&str])> = interfaces.iter().map(|name| (*name, &[][..])).collect();
        let placed = place(&config, &Zones::from(&recorded(&facts)[..]));
        (config, placed)
    }

    const TEXT: &str = "server:\n outgoing-interface: fe80::9%eth0\nforward-zone:\n name: \".\"\n \
        forward-addr: fe80::1%eth0\n forward-addr: fe80::2%1@5353\n forward-addr: fe80::3\n forward-addr: 192.0.2.1\n";

    #[test]
    fn link_local_servers_are_asked_at_the_interface_of_their_zone() {
        let (_, placed) = placed(TEXT, &["lo", "eth0"]);
        let servers: Vec<String> = placed.zones[0].servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["[fe80::1%2]:53", "[fe80::2%1]:5353", "192.0.2.1:53"]);
        assert_eq!(placed.sources, Sources::These(vec!["[fe80::9%2]:0".parse().unwrap()]));
        assert_eq!((placed.absent.len(), placed.absent[0].line), (1, 7));
        assert!(placed.absent[0].message.contains("write fe80::3%eth0"), "{:?}", placed.absent);
    }

    #[test]
    fn an_interface_that_is_not_here_is_named_by_line_and_looked_up_again() {
        let (config, before) = placed(TEXT, &["lo"]);
        let lines: Vec<u32> = before.absent.iter().map(|line| line.line).collect();
        assert_eq!(lines, [5, 7, 2]);
        assert!(
            before.absent[0].message.contains("no interface has the name or the index eth0"),
            "{:?}",
            before.absent
        );
        assert_eq!(before.sources, Sources::These(Vec::new()), "not from an address that was not named");
        let later = place(&config, &Zones::from(&recorded(&[("lo", &[]), ("x", &[]), ("eth0", &[])])[..]));
        assert!(later != before);
        assert_eq!(later.zones[0].servers[0].to_string(), "[fe80::1%3]:53");
        assert!(stand_at_interfaces(&config) && !stand_at_interfaces(&Config::default()));
    }
}
