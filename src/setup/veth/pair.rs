//! The pair as it is to be, and the files that make it so.

use super::hosts::HostLink;
use super::{HOOK, VETH};
use crate::config::site::{HostAddress, Site, VLANS};
use crate::host::PAIR_METRIC;
use crate::setup::files::MARK;
use std::fmt::Write;
use std::net::IpAddr;

/// The hook, with `@NAME@` for what it is told of the pair.
pub(super) const HOOK_TEMPLATE: &str = include_str!("../if-up.sh");

/// The port that the pair's other end becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::setup) enum Port {
    /// As the bridge makes it: of a bridge without VLANs, or in the VLAN of its untagged frames.
    Plain,
    /// In one VLAN, whose frames have no tag on the pair.
    Access(u16),
    /// In several, whose frames keep their tags: the pair's first end carries a VLAN interface for each.
    Trunk(Vec<u16>),
}

/// A pair beside a bridge.
pub(in crate::setup) struct Pair<'a> {
    /// What was asked for.
    pub site: &'a Site,
    /// The bridge.
    pub bridge: &'a str,
    /// The port on it.
    pub port: Port,
    /// The VLAN of what has no tag at the bridge's ports; `None` where that is of none.
    pub untagged: Option<u16>,
    /// The interfaces by which the host itself may be in the networks of the addresses.
    pub hosts: Vec<HostLink>,
    /// Links of this host that must answer ARP for an address that is on none of them.
    pub unnumbered: Vec<String>,
}

impl Port {
    /// The port that `vlans` want. `untagged`: the VLAN of untagged frames, where the bridge's ports have another than the
    /// kernel would give.
    pub(super) fn new(vlans: &[u16], untagged: Option<u16>) -> Self {
        match (vlans, untagged) {
            ([], None) => Self::Plain,
            (&[vlan], _) | ([], Some(vlan)) => Self::Access(vlan),
            (several, _) => Self::Trunk(several.to_vec()),
        }
    }

    pub(super) fn vlans(&self) -> &[u16] {
        match self {
            Self::Plain => &[],
            Self::Access(vlan) => std::slice::from_ref(vlan),
            Self::Trunk(vlans) => vlans,
        }
    }
}

/// The VLANs that are not in `vlans`, as bridge(8) takes them: `1-9 11-4094`. `vlans` is in order.
fn others(vlans: &[u16]) -> String {
    let mut text = String::new();
    let mut low = *VLANS.start();
    for &vlan in vlans.iter().chain(std::iter::once(&(VLANS.end() + 1))) {
        let high = vlan.saturating_sub(1);
        if low <= high {
            let space = if text.is_empty() { "" } else { " " };
            let range = if low == high { low.to_string() } else { format!("{low}-{high}") };
            let _ = write!(text, "{space}{range}");
        }
        low = vlan.saturating_add(1);
    }
    text
}

impl Pair<'_> {
    /// The names of the interfaces by which the host may be there.
    pub(in crate::setup) fn host_names(&self) -> Vec<String> {
        self.hosts.iter().map(|host| host.name.clone()).collect()
    }

    /// Where `ip` is among the addresses.
    pub(super) fn place(&self, ip: IpAddr) -> Option<usize> {
        self.site.addresses.iter().position(|address| address.ip == ip)
    }

    /// The VLAN of the address at `place`.
    pub(super) fn vlan(&self, place: usize) -> Option<u16> {
        self.site.vlan(place).or(self.untagged)
    }

    /// The interfaces that carry addresses, each with its addresses.
    pub(in crate::setup) fn carriers(&self) -> Vec<(String, Vec<HostAddress>)> {
        let Port::Trunk(vlans) = &self.port else {
            return vec![(VETH.into(), self.site.addresses.clone())];
        };
        let all = self.site.addresses.iter().copied().enumerate();
        let of = |vlan| all.clone().filter(move |(place, _)| self.site.vlan(*place) == Some(vlan));
        vlans.iter().map(|&vlan| (format!("{VETH}.{vlan}"), of(vlan).map(|(_, address)| address).collect())).collect()
    }

    /// What interfaces(5) of both ifupdown2 and ifupdown take.
    pub(in crate::setup) fn stanzas(&self) -> String {
        let mut text = format!(
            "# {MARK}, replaced by the next, removed by --uninstall.\n\
             # {VETH} carries runbound's address; the other end, veth-bnd, becomes a port of {} by /{HOOK}.\n\
             auto {VETH}\n",
            self.bridge
        );
        match self.port {
            Port::Trunk(_) => self.put_trunk(&mut text),
            _ => self.put_addresses(&mut text),
        }
        let _ = writeln!(text, "    post-down /{HOOK} down\n    post-down ip link del dev {VETH}");
        text
    }

    /// Each address has a stanza, as ifupdown wants it.
    fn put_addresses(&self, text: &mut String) {
        for (place, address) in self.site.addresses.iter().enumerate() {
            let family = if address.ip.is_ipv4() { "inet" } else { "inet6" };
            let _ = writeln!(text, "iface {VETH} {family} static\n    address {address}");
            if address.ip.is_ipv6() {
                // ifupdown would wait for duplicate address detection, which gets nowhere before the bridge is there.
                text.push_str("    dad-attempts 0\n");
            }
            // Neither of the two takes a metric for what an address brings.
            let _ = writeln!(text, "    up ip address change {address} dev {VETH} metric {PAIR_METRIC}");
            if place == 0 {
                text.push_str(MADE);
                text.push_str(&settings(VETH));
                text.push_str(JOINED);
            }
        }
    }

    /// The VLAN interfaces come and go with the pair, in its stanza: ifupdown alone would not bring back those that stand
    /// on an interface that was made anew.
    fn put_trunk(&self, text: &mut String) {
        let _ = writeln!(text, "iface {VETH} inet manual");
        text.push_str(MADE);
        text.push_str(TAGS_IN_FRAMES);
        text.push_str(JOINED);
        let _ = writeln!(text, "    up ip link set dev {VETH} up");
        for (name, addresses) in self.carriers() {
            let vlan = name.rsplit('.').next().unwrap_or_default();
            let _ = writeln!(
                text,
                "    up ip link show dev {name} >/dev/null 2>&1 || \
                 ip link add link {VETH} name {name} type vlan id {vlan}"
            );
            text.push_str(&settings(&name).replace("pre-up", "up"));
            let _ = writeln!(text, "    up ip link set dev {name} up");
            for address in addresses {
                let nodad = if address.ip.is_ipv4() { "" } else { " nodad" };
                let _ = writeln!(text, "    up ip address replace {address} dev {name} metric {PAIR_METRIC}{nodad}");
            }
        }
    }

    /// What ifupdown runs when an interface comes up.
    pub(in crate::setup) fn hook(&self) -> String {
        let addresses: Vec<String> = self.site.addresses.iter().map(|address| address.ip.to_string()).collect();
        let vlans = self.port.vlans();
        let words: Vec<String> = vlans.iter().map(u16::to_string).collect();
        HOOK_TEMPLATE
            .replace("@BRIDGE@", self.bridge)
            .replace("@VLANS@", &words.join(" "))
            .replace("@FLAGS@", if matches!(self.port, Port::Access(_)) { "pvid untagged" } else { "" })
            .replace("@OTHERS@", &if vlans.is_empty() { String::new() } else { others(vlans) })
            .replace("@HOSTS@", &self.host_names().join(" "))
            .replace("@NICS@", &self.site.steer.join(" "))
            .replace("@ADDRESSES@", &addresses.join(" "))
    }
}

/// The interfaces that an installed hook is about: those of the host in the same networks, and those that carry addresses.
pub(in crate::setup) fn installed(hook: &str) -> Option<(Vec<String>, Vec<String>)> {
    let words = |key: &str| value(hook, key).unwrap_or_default().split_whitespace().map(str::to_owned);
    let mut hosts: Vec<String> = words("HOSTS").collect();
    if hosts.is_empty() {
        hosts.push(value(hook, "BRIDGE")?.to_owned());
    }
    // Tags stay on the frames of several VLANs alone, and each has an interface.
    let tagged = words("FLAGS").next().is_none();
    let mut carriers: Vec<String> = words("VLANS").filter(|_| tagged).map(|vlan| format!("{VETH}.{vlan}")).collect();
    if carriers.is_empty() {
        carriers.push(VETH.into());
    }
    Some((hosts, carriers))
}

/// What a hook has for a name, without quotes.
pub(super) fn value<'a>(hook: &'a str, name: &str) -> Option<&'a str> {
    hook.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(|value| value.trim_matches('"'))
}

const MADE: &str = "    \
    pre-up ip link show dev veth-rb >/dev/null 2>&1 || \
ip link add dev veth-rb address $(/etc/network/if-up.d/runbound mac veth-rb) \
type veth peer name veth-bnd address $(/etc/network/if-up.d/runbound mac veth-bnd)
    pre-up ip link set dev veth-bnd up
";
/// A veth hands the tags of frames over beside them, where XDP does not see them, unless the sender is told not to.
const TAGS_IN_FRAMES: &str = "    \
    pre-up ! command -v ethtool >/dev/null || ethtool -K veth-bnd txvlan off
";
const JOINED: &str = "    pre-up IFACE=veth-rb /etc/network/if-up.d/runbound\n";

/// Strict reverse-path filtering would drop what comes in there, because the route to the subnet may lead over the bridge.
/// Router advertisements are the bridge's to take. Who knows another MAC for an address is told the one of now.
fn settings(carrier: &str) -> String {
    format!(
        "    pre-up echo 2 >/proc/sys/net/ipv4/conf/{carrier}/rp_filter\n    \
         pre-up echo 1 >/proc/sys/net/ipv4/conf/{carrier}/arp_notify\n    \
         pre-up [ ! -e /proc/sys/net/ipv6/conf/{carrier} ] || echo 0 >/proc/sys/net/ipv6/conf/{carrier}/accept_ra\n    \
         pre-up [ ! -e /proc/sys/net/ipv6/conf/{carrier} ] || echo 1 >/proc/sys/net/ipv6/conf/{carrier}/ndisc_notify\n"
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn other_vlans_are_all_but_those() {
        for (vlans, expected) in [
            (&[10][..], "1-9 11-4094"),
            (&[1], "2-4094"),
            (&[4094], "1-4093"),
            (&[2], "1 3-4094"),
            (&[1, 4094], "2-4093"),
            (&[10, 11, 20], "1-9 12-19 21-4094"),
        ] {
            assert_eq!(others(vlans), expected);
        }
    }

    #[test]
    fn an_installed_hook_tells_its_interfaces() {
        let mut site = Site::default();
        site.add_address("192.168.10.250/24").unwrap();
        let of = |site: &Site, hosts: &[&str]| {
            let hosts = hosts.iter().map(|name| HostLink { name: (*name).to_owned(), vlan: None }).collect();
            let port = Port::new(&site.vlans(), None);
            let pair = Pair { site, bridge: "vmbr0", hosts, port, untagged: None, unnumbered: Vec::new() };
            let carriers = pair.carriers().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
            assert_eq!(installed(&pair.hook()), Some((pair.host_names(), carriers.clone())));
            carriers
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(of(&site, &["vmbr0"]), ["veth-rb"]);
        site.add_vlan("10").unwrap();
        assert_eq!(of(&site, &["vmbr0", "vmbr0.10"]), ["veth-rb"]);
        site.add_address("192.168.20.250/24").unwrap();
        site.add_vlan("20").unwrap();
        assert_eq!(of(&site, &["vmbr0", "vmbr0.10", "vlan20"]), ["veth-rb.10", "veth-rb.20"]);
        assert_eq!(installed("BRIDGE=br-rb\nNICS=\"\"\n"), Some((names(&["br-rb"]), names(&["veth-rb"]))));
        assert_eq!(installed("#!/bin/sh\n"), None);
    }

    #[test]
    fn the_port_follows_the_vlans() {
        assert_eq!(Port::new(&[], None), Port::Plain);
        assert_eq!((Port::new(&[], Some(4)), Port::new(&[10], Some(4))), (Port::Access(4), Port::Access(10)));
        assert_eq!(Port::new(&[10, 20], None), Port::Trunk(vec![10, 20]));
    }
}
