//! Which servers are asked for which names.

use super::asked::Scrub;
use super::private::Private;
use super::source::Sources;
use crate::dns::name::{Name, suffixes};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// Most servers of one zone: a question remembers in 64 bits which it has tried.
pub const MAX_SERVERS: usize = 64;

/// One `forward-zone:` clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardZone {
    /// `name:`, wire form.
    pub name: Vec<u8>,
    /// `forward-addr:`, in order.
    pub servers: Vec<SocketAddr>,
    /// `forward-no-cache:`; its answers are told with the advice not to cache them.
    pub no_cache: bool,
}

/// Which servers may be asked at all.
#[derive(Clone, Copy, Debug)]
pub struct Reachable {
    /// `do-not-query-localhost:`; 127.0.0.0/8 and ::1 are passed over.
    pub not_localhost: bool,
    /// `do-ip4:`
    pub ip4: bool,
    /// `do-ip6:`
    pub ip6: bool,
}

impl Default for Reachable {
    fn default() -> Self {
        Reachable { not_localhost: true, ip4: true, ip6: true }
    }
}

/// The compiled clauses: immutable, found by longest suffix.
#[derive(Debug, Default)]
pub struct ForwardTable {
    zones: Vec<ForwardZone>,
    by_name: HashMap<Box<[u8]>, u32>,
    /// Bit n: some zone has a name of n labels. Suffixes of other lengths are not looked up.
    depths: u128,
    sources: Sources,
    private: Private,
    scrub: Scrub,
}

impl ForwardTable {
    /// Compiles `zones`. A later clause of the same name adds its servers to the earlier one. Servers that must not be
    /// asked are left out with a warning each in the log; a zone that is left without any answers SERVFAIL.
    pub fn new(zones: Vec<ForwardZone>, reachable: Reachable) -> ForwardTable {
        let mut table = ForwardTable::default();
        // For each zone, whether a server was named at all.
        let mut named = Vec::new();
        for mut zone in zones {
            zone.name.make_ascii_lowercase();
            let Some(name) = Name::from_wire(&zone.name) else {
                log::warn!("forward-zone with a malformed name left out");
                continue;
            };
            let names_some = !zone.servers.is_empty();
            zone.servers.retain(|server| may_ask(server, &name, reachable));
            match table.by_name.get(zone.name.as_slice()) {
                Some(&place) => {
                    table.zones[place as usize].servers.append(&mut zone.servers);
                    named[place as usize] |= names_some;
                }
                None => {
                    table.by_name.insert(zone.name.clone().into_boxed_slice(), table.zones.len() as u32);
                    table.depths |= 1 << name.label_count();
                    table.zones.push(zone);
                    named.push(names_some);
                }
            }
        }
        for (zone, named) in table.zones.iter_mut().zip(named) {
            let name = Name::from_wire(&zone.name).unwrap_or(Name::ROOT);
            if zone.servers.is_empty() && !named {
                log::info!("forward-zone {name}: no server is named yet; until then every question in it fails");
            } else if zone.servers.is_empty() {
                log::warn!("forward-zone {name}: no server left to ask; every question in it fails");
            }
            if zone.servers.len() > MAX_SERVERS {
                log::warn!("forward-zone {name}: only the first {MAX_SERVERS} servers are used");
                zone.servers.truncate(MAX_SERVERS);
            }
        }
        table
    }

    /// Has the servers asked from these addresses.
    pub fn from_sources(self, sources: Sources) -> ForwardTable {
        ForwardTable { sources, ..self }
    }

    /// Has the answers of the servers point to none of these addresses.
    pub fn without(self, private: Private) -> ForwardTable {
        ForwardTable { private, ..self }
    }

    /// The addresses that no answer points to.
    pub fn private(&self) -> &Private {
        &self.private
    }

    /// Has this taken out beside the answers.
    pub fn scrubbed(self, scrub: Scrub) -> ForwardTable {
        ForwardTable { scrub, ..self }
    }

    /// What is taken out beside the answers.
    pub fn scrub(&self) -> Scrub {
        self.scrub
    }

    /// The addresses that servers are asked from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Place of the zone with the longest name that `name` (wire form, lower case) is at or below.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<u32> {
        let mut depth = suffixes(name).count() - 1;
        for suffix in suffixes(name) {
            if self.depths >> depth & 1 != 0
                && let Some(&place) = self.by_name.get(suffix)
            {
                return Some(place);
            }
            depth = depth.saturating_sub(1);
        }
        None
    }

    /// Place of the zone of this very name.
    pub fn place_of(&self, zone: &[u8]) -> Option<u32> {
        self.by_name.get(zone).copied()
    }

    /// Zone number `place`.
    pub fn zone(&self, place: u32) -> Option<&ForwardZone> {
        self.zones.get(place as usize)
    }

    /// True when answers of zone number `place` are not to be cached.
    pub fn is_uncached(&self, place: u32) -> bool {
        self.zone(place).is_some_and(|zone| zone.no_cache)
    }

    /// Every zone.
    pub fn zones(&self) -> &[ForwardZone] {
        &self.zones
    }
}

fn may_ask(server: &SocketAddr, zone: &Name, reachable: Reachable) -> bool {
    let localhost = match server.ip() {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_loopback(),
    };
    let why = if localhost && reachable.not_localhost {
        "do-not-query-localhost is yes; set it to no to ask a server on this host"
    } else if server.is_ipv4() && !reachable.ip4 {
        "do-ip4 is no"
    } else if server.is_ipv6() && !reachable.ip6 {
        "do-ip6 is no"
    } else {
        return true;
    };
    log::warn!("forward-zone {zone}: {server} is not asked: {why}");
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(text: &str) -> Vec<u8> {
        Name::from_text(text).unwrap().as_wire().to_vec()
    }

    fn zone(name: &str, servers: &[&str]) -> ForwardZone {
        let servers = servers.iter().map(|server| server.parse().unwrap()).collect();
        ForwardZone { name: wire(name), servers, no_cache: false }
    }

    #[test]
    fn the_longest_suffix_wins() {
        let any = Reachable { not_localhost: false, ..Reachable::default() };
        let zones = vec![zone(".", &["192.0.2.1:53"]), zone("Example.com", &[]), zone("a.b.example.com", &[])];
        let table = ForwardTable::new(zones, any);
        for (name, place) in [
            ("org", 0),
            (".", 0),
            ("com", 0),
            ("example.com", 1),
            ("www.example.com", 1),
            ("b.example.com", 1),
            ("x.a.b.example.com", 2),
            ("badexample.com", 0),
        ] {
            assert_eq!(table.find(&wire(name)), Some(place), "{name}");
        }
        assert_eq!(ForwardTable::default().find(&wire("org")), None);
        let deep = Name::from_text(&"a.".repeat(127)).unwrap();
        assert_eq!(table.find(deep.as_wire()), Some(0));
    }

    #[test]
    fn servers_that_must_not_be_asked_are_left_out() {
        let all = ["127.3.2.1:53", "[::1]:53", "192.0.2.1:53", "[2001:db8::1]:5353"];
        let kept = |reachable| ForwardTable::new(vec![zone(".", &all)], reachable).zones()[0].servers.len();
        assert_eq!(kept(Reachable::default()), 2);
        assert_eq!(kept(Reachable { not_localhost: false, ..Reachable::default() }), 4);
        assert_eq!(kept(Reachable { ip6: false, ..Reachable::default() }), 1);
        assert_eq!(kept(Reachable { ip4: false, ..Reachable::default() }), 1);
    }

    #[test]
    fn clauses_of_one_name_are_joined() {
        let zones = vec![zone("x", &["192.0.2.1:53"]), zone("X", &["192.0.2.2:53"])];
        let table = ForwardTable::new(zones, Reachable::default());
        assert_eq!((table.zones().len(), table.zones()[0].servers.len()), (1, 2));
    }
}
