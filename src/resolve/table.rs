//! Which servers are asked for which names.

use super::asked::Scrub;
use super::hints::Hint;
use super::nat64::Nat64;
use super::networks::Networks;
use super::private::Private;
use super::source::Sources;
use crate::dns::name::{Name, suffixes};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Most servers of one zone: a question remembers in 64 bits which it has tried.
pub const MAX_SERVERS: usize = 64;

/// What the servers of a zone do for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `forward-zone:`, they resolve.
    Forward,
    /// `stub-zone:`, they answer for the zone.
    Stub {
        /// `stub-prime:`, they are asked which the zone's name servers are.
        prime: bool,
    },
}

/// One `forward-zone:` or `stub-zone:` clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// `name:`, wire form.
    pub name: Vec<u8>,
    /// Which of the two.
    pub kind: Kind,
    /// `forward-addr:`, `stub-addr:`, in order.
    pub servers: Vec<SocketAddr>,
    /// `forward-host:`, `stub-host:`
    pub hosts: Vec<Name>,
    /// `forward-first:`, `stub-first:`; what these servers fail to answer is asked as if the clause were not there.
    pub first: bool,
    /// `forward-tcp-upstream:`, `stub-tcp-upstream:`
    pub tcp: bool,
    /// `forward-no-cache:`, `stub-no-cache:`; answers are told with the advice not to cache them.
    pub no_cache: bool,
}

impl Zone {
    /// A forward zone without servers.
    pub fn forward(name: Vec<u8>) -> Zone {
        let (servers, hosts, first, tcp, no_cache) = Default::default();
        Zone { name, kind: Kind::Forward, servers, hosts, first, tcp, no_cache }
    }

    fn word(&self) -> &'static str {
        match self.kind {
            Kind::Forward => "forward-zone",
            Kind::Stub { .. } => "stub-zone",
        }
    }
}

/// Which servers may be asked at all.
#[derive(Clone, Debug)]
pub struct Reachable {
    /// `do-not-query-localhost:`; 127.0.0.0/8 and ::1 are passed over.
    pub not_localhost: bool,
    /// `do-ip4:`
    pub ip4: bool,
    /// `do-ip6:`
    pub ip6: bool,
    /// `do-not-query-address:`
    pub never: Networks,
    /// `do-nat64:`, through which IPv4 servers are reached.
    pub nat64: Option<Nat64>,
}

impl Default for Reachable {
    fn default() -> Self {
        Reachable { not_localhost: true, ip4: true, ip6: true, never: Networks::default(), nat64: None }
    }
}

/// The compiled clauses: immutable, found by longest suffix.
#[derive(Debug, Default)]
pub struct ZoneTable {
    zones: Vec<Zone>,
    by_name: HashMap<Box<[u8]>, u32>,
    /// Stub zones, those included that a forward zone of the same name stands before.
    stubs: HashMap<Box<[u8]>, u32>,
    /// Bit n: some zone has a name of n labels. Suffixes of other lengths are not looked up.
    depths: u128,
    sources: Sources,
    reachable: Reachable,
    private: Private,
    scrub: Scrub,
    hints: Option<Vec<Hint>>,
}

impl ZoneTable {
    /// Compiles `zones`. A later clause of the same name and kind adds its servers to the earlier one; of a forward and a stub
    /// zone of one name the forward zone counts. Servers that must not be
    /// asked are left out with a warning each in the log; a zone that is left without any answers SERVFAIL.
    pub fn new(zones: Vec<Zone>, reachable: Reachable) -> ZoneTable {
        let mut table = ZoneTable { reachable, ..ZoneTable::default() };
        // For each zone, whether a server was named at all.
        let mut named = Vec::new();
        for mut zone in zones {
            zone.name.make_ascii_lowercase();
            let Some(name) = Name::from_wire(&zone.name) else {
                log::warn!("{} with a malformed name left out", zone.word());
                continue;
            };
            let names_some = !zone.servers.is_empty() || !zone.hosts.is_empty();
            let word = zone.word();
            zone.servers.retain(|server| may_ask(server, word, &name, &table.reachable));
            zone.servers.iter_mut().for_each(|server| *server = table.reachable.reach(*server));
            let is_forward = zone.kind == Kind::Forward;
            let there = table.by_name.get(zone.name.as_slice()).copied();
            let same = there.filter(|&place| table.zones[place as usize].word() == word);
            let same = if is_forward { same } else { table.stubs.get(zone.name.as_slice()).copied() };
            if let Some(place) = same {
                let before = &mut table.zones[place as usize];
                before.servers.append(&mut zone.servers);
                before.hosts.append(&mut zone.hosts);
                named[place as usize] |= names_some;
                continue;
            }
            let (place, key) = (table.zones.len() as u32, zone.name.clone().into_boxed_slice());
            if !is_forward {
                table.stubs.insert(key.clone(), place);
            }
            if is_forward || there.is_none() {
                table.by_name.insert(key, place);
                table.depths |= 1 << name.label_count();
            }
            table.zones.push(zone);
            named.push(names_some);
        }
        for (zone, named) in table.zones.iter_mut().zip(named) {
            let (name, word) = (Name::from_wire(&zone.name).unwrap_or(Name::ROOT), zone.word());
            if zone.servers.is_empty() && !named {
                log::info!("{word} {name}: no server is named yet; until then every question in it fails");
            } else if zone.servers.is_empty() && zone.hosts.is_empty() {
                log::warn!("{word} {name}: no server left to ask; every question in it fails");
            }
            if zone.servers.len() > MAX_SERVERS {
                log::warn!("{word} {name}: only the first {MAX_SERVERS} servers are used");
                zone.servers.truncate(MAX_SERVERS);
            }
        }
        table
    }

    /// Has the servers asked from these addresses.
    pub fn from_sources(self, sources: Sources) -> ZoneTable {
        ZoneTable { sources, ..self }
    }

    /// Which servers may be asked at all.
    pub fn reachable(&self) -> &Reachable {
        &self.reachable
    }

    /// Has the answers of the servers point to none of these addresses.
    pub fn without(self, private: Private) -> ZoneTable {
        ZoneTable { private, ..self }
    }

    /// The addresses that no answer points to.
    pub fn private(&self) -> &Private {
        &self.private
    }

    /// Has this taken out beside the answers.
    pub fn scrubbed(self, scrub: Scrub) -> ZoneTable {
        ZoneTable { scrub, ..self }
    }

    /// What is taken out beside the answers.
    pub fn scrub(&self) -> Scrub {
        self.scrub
    }

    /// Has these stand for the root's servers (`root-hints:`).
    pub fn with_hints(self, hints: Vec<Hint>) -> ZoneTable {
        ZoneTable { hints: Some(hints), ..self }
    }

    /// The root's servers, where the table names them.
    pub fn hints(&self) -> Option<&Vec<Hint>> {
        self.hints.as_ref()
    }

    /// The addresses that servers are asked from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Place of the zone with the longest name that `name` (wire form, lower case) is at or below.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<u32> {
        self.find_within(name, usize::MAX)
    }

    /// As [`Self::find`], of the zones whose names have fewer labels than that.
    #[inline]
    pub fn find_within(&self, name: &[u8], labels: usize) -> Option<u32> {
        let mut depth = suffixes(name).count() - 1;
        for suffix in suffixes(name) {
            if depth < labels
                && self.depths >> depth & 1 != 0
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

    /// Place of the stub zone of this very name; that of the root stands for the root's hints.
    pub fn stub(&self, zone: &[u8]) -> Option<u32> {
        self.stubs.get(zone).copied()
    }

    /// Zone number `place`.
    pub fn zone(&self, place: u32) -> Option<&Zone> {
        self.zones.get(place as usize)
    }

    /// True when answers of zone number `place` are not to be cached.
    pub fn is_uncached(&self, place: u32) -> bool {
        self.zone(place).is_some_and(|zone| zone.no_cache)
    }

    /// Every zone.
    pub fn zones(&self) -> &[Zone] {
        &self.zones
    }
}

impl Reachable {
    /// Where a server is reached that may be asked.
    pub fn reach(&self, server: SocketAddr) -> SocketAddr {
        self.nat64.map_or(server, |nat64| nat64.reach(server))
    }

    /// Whether servers of a family are reached.
    pub fn has_family(&self, ip4: bool) -> bool {
        match (ip4, self.nat64) {
            (true, Some(_)) | (false, _) => self.ip6,
            (true, None) => self.ip4,
        }
    }

    /// True when this server may be asked.
    pub fn may_ask(&self, server: &SocketAddr) -> bool {
        self.why_not(server).is_none()
    }

    /// Why this server must not be asked.
    fn why_not(&self, server: &SocketAddr) -> Option<&'static str> {
        let ip = server.ip();
        if ip != ip.to_canonical() {
            // The kernel would send over IPv4 what all here takes for IPv6.
            Some("it is an IPv4 address in the form of IPv6; write it as 192.0.2.1")
        } else if ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
            Some("it is the address of no one server")
        } else if ip.is_loopback() && self.not_localhost {
            Some("do-not-query-localhost is yes; set it to no to ask a server on this host")
        } else if self.never.holds(ip) && !self.nat64.is_some_and(|nat64| nat64.holds(ip)) {
            Some("do-not-query-address names it")
        } else if server.is_ipv4() && !self.ip4 && self.nat64.is_none() {
            Some("do-ip4 is no")
        } else if server.is_ipv4() && !self.ip6 && self.nat64.is_some() {
            Some("do-nat64 is yes, and do-ip6 is no")
        } else if server.is_ipv6() && !self.ip6 {
            Some("do-ip6 is no")
        } else {
            None
        }
    }
}

fn may_ask(server: &SocketAddr, word: &str, zone: &Name, reachable: &Reachable) -> bool {
    let Some(why) = reachable.why_not(server) else {
        return true;
    };
    log::warn!("{word} {zone}: {server} is not asked: {why}");
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(text: &str) -> Vec<u8> {
        Name::from_text(text).unwrap().as_wire().to_vec()
    }

    fn zone(name: &str, servers: &[&str]) -> Zone {
        let servers = servers.iter().map(|server| server.parse().unwrap()).collect();
        Zone { servers, ..Zone::forward(wire(name)) }
    }

    #[test]
    fn what_is_no_address_of_another_host_is_not_asked() {
        let reachable = Reachable { not_localhost: true, ..Reachable::default() };
        let refused =
            ["127.9.9.9", "::1", "::ffff:127.0.0.1", "::ffff:192.0.2.1", "0.0.0.0", "::", "224.0.0.1", "ff02::1"];
        for ip in refused.into_iter().chain(["255.255.255.255"]) {
            assert!(!reachable.may_ask(&SocketAddr::new(ip.parse().unwrap(), 53)), "{ip}");
        }
        for ip in ["192.0.2.1", "2001:db8::1", "fe80::1"] {
            assert!(reachable.may_ask(&SocketAddr::new(ip.parse().unwrap(), 53)), "{ip}");
        }
    }

    #[test]
    fn the_longest_suffix_wins() {
        let any = Reachable { not_localhost: false, ..Reachable::default() };
        let zones = vec![zone(".", &["192.0.2.1:53"]), zone("Example.com", &[]), zone("a.b.example.com", &[])];
        let table = ZoneTable::new(zones, any);
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
        let within = |labels| table.find_within(&wire("x.a.b.example.com"), labels);
        assert_eq!([within(5), within(4), within(2), within(0)], [Some(2), Some(1), Some(0), None]);
        assert_eq!(ZoneTable::default().find(&wire("org")), None);
        let deep = Name::from_text(&"a.".repeat(127)).unwrap();
        assert_eq!(table.find(deep.as_wire()), Some(0));
    }

    #[test]
    fn servers_that_must_not_be_asked_are_left_out() {
        let all = ["127.3.2.1:53", "[::1]:53", "192.0.2.1:53", "[2001:db8::1]:5353"];
        let kept = |reachable| ZoneTable::new(vec![zone(".", &all)], reachable).zones()[0].servers.len();
        assert_eq!(kept(Reachable::default()), 2);
        assert_eq!(kept(Reachable { not_localhost: false, ..Reachable::default() }), 4);
        assert_eq!(kept(Reachable { ip6: false, ..Reachable::default() }), 1);
        assert_eq!(kept(Reachable { ip4: false, ..Reachable::default() }), 1);
        let never = Networks::new([("192.0.2.0".parse().unwrap(), 24), ("2001:db8::".parse().unwrap(), 32)]);
        assert_eq!(kept(Reachable { never, ..Reachable::default() }), 0);
    }

    #[test]
    fn nat64_reaches_ip4_servers_whatever_else_is_forbidden() {
        let nat64 = Some(Nat64::new("64:ff9b::".parse().unwrap(), 96));
        let never = Networks::new([("::".parse().unwrap(), 0), ("192.0.2.2".parse().unwrap(), 32)]);
        let reachable = Reachable { ip4: false, never, nat64, ..Reachable::default() };
        assert!(reachable.has_family(true) && reachable.has_family(false));
        let servers = ["192.0.2.1:53", "192.0.2.2:53", "[2001:db8::1]:53", "[64:ff9b::1]:53"];
        let asked = ZoneTable::new(vec![zone(".", &servers)], reachable.clone()).zones()[0].servers.clone();
        assert_eq!(asked, ["[64:ff9b::c000:201]:53".parse().unwrap(), "[64:ff9b::1]:53".parse().unwrap()]);
        let without = Reachable { ip6: false, ..reachable };
        assert!(!without.has_family(true), "it goes over IPv6");
    }

    #[test]
    fn clauses_of_one_name_are_joined() {
        let zones = vec![zone("x", &["192.0.2.1:53"]), zone("X", &["192.0.2.2:53"])];
        let table = ZoneTable::new(zones, Reachable::default());
        assert_eq!((table.zones().len(), table.zones()[0].servers.len()), (1, 2));
    }
}
