//! Served addresses that an interface carried and none does now: a link was removed, or set down, which takes IPv6 addresses off.

use crate::attach::{CutOff, add_address};
use crate::host::{self, InterfaceAddress, Links};
use crate::words::quoted;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Where each address was seen last, with its prefix and the name of the link; and the bridge of each that is behind a pair.
#[derive(Default)]
pub(super) struct Seen {
    addresses: Vec<(InterfaceAddress, String)>,
    bridges: BTreeMap<String, String>,
}

impl Seen {
    /// What is here before the first look. Nothing where the links cannot be read, which that look says.
    pub(super) fn at_start(listen: &[SocketAddr]) -> Self {
        let mut seen = Self::default();
        if let Ok(links) = host::links() {
            seen.take(listen.iter().map(SocketAddr::ip), &links);
        }
        seen
    }

    /// Takes in who carries which of `listen` now; gives those that somebody does.
    pub(super) fn take(&mut self, listen: impl Iterator<Item = IpAddr>, links: &Links) -> Vec<IpAddr> {
        let mut carried = Vec::new();
        for ip in listen.filter(|ip| !ip.is_unspecified() && !ip.is_loopback()) {
            let Some((link, address)) = links.carriers(ip).find_map(|link| Some((link, link.address(ip)?))) else {
                continue;
            };
            self.addresses.retain(|(known, _)| known.ip != ip);
            self.addresses.push((address, link.name.clone()));
            if let Some((port, bridge)) = links.pair_beyond(link).and_then(|port| Some((port, links.master(port)?))) {
                self.bridges.insert(port.name.clone(), bridge.name.clone());
            }
            carried.push(ip);
        }
        carried
    }

    /// The bridge that a link of this name was a port of, if it is the end of a pair with one of the addresses.
    pub(super) fn bridge_of(&self, port: &str) -> Option<String> {
        self.bridges.get(port).cloned()
    }

    /// Those that nobody carries any more.
    pub(super) fn gone(&self, carried: &[IpAddr], links: &Links) -> Vec<CutOff> {
        let gone = self.addresses.iter().filter(|(address, _)| !carried.contains(&address.ip));
        gone.map(|(address, name)| {
            let ip = address.ip;
            let link = links.by_name(name);
            let down = link.is_some_and(|link| !link.up);
            let taken_off =
                if down && ip.is_ipv6() { ", which was set down, and that takes IPv6 addresses off" } else { "" };
            let dev = quoted(name);
            let up = if down { format!("ip link set {dev} up\n") } else { String::new() };
            CutOff {
                link: ip.to_string(),
                text: format!("no interface carries {ip} any more: it was on {name}{taken_off}"),
                fix: link.map(|_| format!("{up}{}", add_address(links, *address, name))),
                waits: false,
            }
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Link, recorded};

    #[test]
    fn the_bridge_of_a_pair_is_remembered() {
        let links = recorded::facts("reference").links;
        let mut seen = Seen::default();
        assert_eq!(seen.bridge_of("veth-bnd"), None);
        seen.take(["192.168.10.250".parse().expect("an address")].into_iter(), &links);
        let apart = Links::new(links.iter().cloned().map(|link| Link { master: None, ..link }).collect());
        seen.take(["192.168.10.250".parse().expect("an address")].into_iter(), &apart);
        assert_eq!(seen.bridge_of("veth-bnd").as_deref(), Some("br-rb"));
    }

    #[test]
    fn an_address_that_was_here_is_missed() {
        let ip: IpAddr = "fd00::2".parse().expect("an address");
        let with = |change: &dyn Fn(&mut Link)| {
            let mut all: Vec<Link> = recorded::facts("reference").links.iter().cloned().collect();
            all.iter_mut().filter(|link| link.name == "veth-rb").for_each(change);
            Links::new(all)
        };
        let (mut seen, listen) = (Seen::default(), ["::".parse().expect("an address"), ip]);
        let without = with(&|_| ());
        assert!(seen.take(listen.into_iter(), &without).is_empty());
        assert!(seen.gone(&[], &without).is_empty(), "it was not here yet, which the start says");
        let here = with(&|link| link.addresses.push(InterfaceAddress { ip, prefix: 64 }));
        assert_eq!(seen.take(listen.into_iter(), &here), [ip]);
        assert!(seen.gone(&[ip], &here).is_empty());
        let down = with(&|link| link.up = false);
        let carried = seen.take(listen.into_iter(), &down);
        let found = seen.gone(&carried, &down);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].text.starts_with("no interface carries fd00::2 any more: it was on veth-rb, which was set down")
        );
        assert_eq!(
            found[0].fix.as_deref(),
            Some("ip link set veth-rb up\nip address add fd00::2/64 dev veth-rb metric 4096")
        );
        let fix = |links: &Links| seen.gone(&carried, links)[0].fix.clone();
        assert_eq!(fix(&without).as_deref(), Some("ip address add fd00::2/64 dev veth-rb metric 4096"));
        assert_eq!(fix(&with(&|link| link.name = "veth-x".to_owned())), None);
    }
}
