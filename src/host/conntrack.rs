//! The kernel's connection tracking, and whether what passes a bridge is tracked: br_netfilter hands bridged packets to iptables'
//! hooks, among which those of the tracking are (net/bridge/br_netfilter_hooks.c).

use std::fs;

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conntrack {
    /// Entries of the table now. None at all, where no rule asks for the state of a connection.
    pub count: u32,
    /// The most that it takes: what is new beyond them is dropped, for the whole host.
    pub most: u32,
    /// Bridged IPv4 packets are tracked (bridge-nf-call-iptables).
    pub bridged_v4: bool,
    /// Bridged IPv6 packets are tracked (bridge-nf-call-ip6tables).
    pub bridged_v6: bool,
    /// Those with a VLAN tag, too (bridge-nf-filter-vlan-tagged).
    pub tagged: bool,
}

impl Conntrack {
    /// That of this network namespace; `None` without one.
    pub(super) fn read() -> Option<Self> {
        let is_on = |name: &str| number(&format!("/proc/sys/net/bridge/{name}")).is_some_and(|on| on != 0);
        Some(Self {
            count: number("/proc/sys/net/netfilter/nf_conntrack_count")?,
            most: number("/proc/sys/net/netfilter/nf_conntrack_max")?,
            bridged_v4: is_on("bridge-nf-call-iptables"),
            bridged_v6: is_on("bridge-nf-call-ip6tables"),
            tagged: is_on("bridge-nf-filter-vlan-tagged"),
        })
    }
}

fn number(path: &str) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
