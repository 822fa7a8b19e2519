//! Each finding on a recorded host: broken it is named, mended it is gone.
#![allow(clippy::unwrap_used)]

mod addresses;
mod anchors;
mod answers;
mod bridge_vlan;
mod conntrack;
mod dummy;
mod firewall;
mod installed;
mod links;
mod neighbours;
mod own_traffic;
mod places;
mod process;
mod required;
mod switch_vlan;
mod taken;
mod unit;
mod zones;

use super::{findings, wanted};
use crate::attach::finding::{Finding, Level};
use crate::config::{Config, ForwardServer, Toggle, XdpMode, XdpUse, ZoneClause};
use crate::host::recorded;
use crate::host::{
    AttachedProgram, BridgePort, BridgePortState, Detection, Facts, Firewall, Holder, InterfaceAddress, Kind, Link,
    Links, PortProbe, PortState, Unit,
};
use rustix::thread::CapabilitySet;
use std::net::SocketAddr;

/// What is told beside the links, as far as a test tells it.
fn outside<'a>(way: crate::attach::Way<'a>) -> crate::attach::Outside<'a> {
    crate::attach::Outside { way, bridge: &|_| None }
}

const SERVER: &str = "192.168.10.250:53";

fn all(config: &Config, listen: &[&str], facts: &Facts) -> Vec<Finding> {
    let listen: Vec<SocketAddr> = listen.iter().map(|text| text.parse().unwrap()).collect();
    findings(config, &listen, facts)
}

/// The findings of a name, for the server's address and the default configuration.
fn named(name: &str, facts: &Facts) -> Vec<Finding> {
    with(name, &Config::default(), facts)
}

fn with(name: &str, config: &Config, facts: &Facts) -> Vec<Finding> {
    let mut found = all(config, &[SERVER], facts);
    found.retain(|finding| finding.name == name);
    found
}

/// The one finding of a name.
fn one(name: &str, facts: &Facts) -> Finding {
    let mut found = named(name, facts);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn fix(finding: &Finding) -> &str {
    finding.fix.as_deref().unwrap_or("")
}

/// The facts with one link changed.
fn changed(mut facts: Facts, name: &str, change: impl Fn(&mut Link)) -> Facts {
    let mut links: Vec<Link> = facts.links.iter().cloned().collect();
    links.iter_mut().filter(|link| link.name == name).for_each(change);
    facts.links = Links::new(links);
    facts
}

/// The reference topology with its ARP set right.
fn sound() -> Facts {
    let facts = changed(recorded::facts("reference"), "br-rb", |link| {
        (link.arp_ignore, link.arp_announce) = (Some(1), Some(2))
    });
    changed(facts, "veth-rb", |link| link.rp_filter = Some(2))
}

#[test]
fn a_sound_host_has_nothing_to_mend() {
    for facts in [sound(), recorded::facts("eth0"), recorded::facts("vmbr0")] {
        let found = all(&Config::default(), &[SERVER], &facts);
        let bad: Vec<_> = found.iter().filter(|finding| finding.level >= Level::Warn).collect();
        assert!(bad.is_empty(), "{bad:?}");
        assert!(found.len() > 7, "{found:?}");
    }
}

#[test]
fn without_xdp_little_is_said() {
    let mut config = Config::default();
    config.xdp.enable = XdpUse::No;
    config.xdp.interfaces = vec!["eth9".into()];
    let found = with("xdp-support", &config, &recorded::facts("vlan"));
    assert_eq!(found[0].level, Level::Info);
    for name in ["mtu", "memlock", "kernel", "rx-queues", "arp-flux", "xdp-interface"] {
        assert!(with(name, &config, &recorded::facts("reference")).is_empty(), "{name}");
    }
}

#[test]
fn every_name_has_a_row_in_the_docs() {
    let docs = include_str!("../../../../docs/troubleshooting.md");
    let mut config = Config::default();
    config.xdp.interfaces = vec!["eth9".into()];
    let mut broken = recorded::facts("reference");
    broken.ports = vec![PortProbe { address: SERVER.parse().unwrap(), tcp: true, state: PortState::Taken(None) }];
    broken.unit = Some(Unit::default());
    broken.program = Some(Ok(()));
    let mut found = all(&config, &[SERVER], &broken);
    for record in ["reference", "vlan", "ipvlan", "bridge", "eth0", "vmbr0", "vlan_aware"] {
        found.extend(all(&Config::default(), &[SERVER], &recorded::facts(record)));
    }
    let mut container = recorded::facts("reference");
    container.links.user_namespace = true;
    container.firewall = Some(Firewall::from_texts(("c", "[OPTIONS]\nenable: 1\n"), ("n", "")));
    found.extend(all(&config, &[SERVER], &container));
    config.xdp.interfaces.clear();
    config.xdp.physical = true;
    found.extend(all(&config, &[SERVER], &recorded::facts("active_backup")));
    config.xdp.mode = XdpMode::Generic;
    let down = |link: &mut Link| {
        link.up = false;
        link.program = Some(AttachedProgram { id: 1, generic: false });
    };
    found.extend(all(&config, &[SERVER], &changed(recorded::facts("vlan"), "bond0.10", down)));
    let names: std::collections::BTreeSet<&str> = found.iter().map(|finding| finding.name).collect();
    assert!(names.len() > 17, "{names:?}");
    for name in names {
        assert!(docs.contains(&format!("| `{name}` |")), "{name} has no row in docs/troubleshooting.md");
    }
}
