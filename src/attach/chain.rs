//! The way from the link that carries an address down to the hardware.

use super::candidates;
use crate::host::{Kind, Link, Links};
use std::fmt;

/// A link and what it stands on. Displayed as `veth-rb ⇄ veth-bnd → br-rb → bond0.10 → bond0 → {eth0, eth1}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Name of the link, and what it is where that says why the chain ends there.
    pub name: String,
    /// Its index; 0 for what is in another network namespace.
    pub index: u32,
    /// Whether it is the peer of the link above.
    peer: bool,
    /// What it stands on; several for the slaves of a bond.
    below: Vec<Chain>,
}

impl Chain {
    /// The chain below `link`. A link is followed once, so that a topology that bites its tail ends.
    pub fn from(links: &Links, link: &Link) -> Self {
        walk(links, link, false, &mut Vec::new())
    }

    /// Whether the link stands on nothing: of a bridge, that it has guests alone.
    pub fn ends_here(&self) -> bool {
        self.below.is_empty()
    }

    /// Indices of all links in it, from the top.
    pub fn indices(&self) -> Vec<u32> {
        let mut all = vec![self.index];
        all.extend(self.below.iter().flat_map(Self::indices));
        all
    }
}

fn walk(links: &Links, link: &Link, peer: bool, seen: &mut Vec<u32>) -> Chain {
    seen.push(link.index);
    let mut below = Vec::new();
    if peer {
        below.extend(links.master(link));
    } else {
        match &link.kind {
            Kind::Veth { peer: None } => return cut(link),
            Kind::Veth { peer: Some(_) } => below.extend(links.peer(link)),
            _ => below.extend(candidates::below(links, link)),
        }
    }
    if link.kind == Kind::Bridge && below.is_empty() {
        below.extend(links.ports(link).filter(|port| is_opaque(port) || leads_on(links, port, &mut seen.clone())));
    }
    let is_pair = !peer && matches!(link.kind, Kind::Veth { .. });
    below.retain(|lower| !seen.contains(&lower.index));
    let below = below.into_iter().map(|lower| walk(links, lower, is_pair, seen)).collect();
    let name = if link.kind.is_open_vswitch() { format!("{} (Open vSwitch)", link.name) } else { link.name.clone() };
    Chain { name, index: link.index, peer, below }
}

/// Whether a bridge's port leads to where no program of ours can be and no link tells what is behind it: a tunnel between the
/// hosts of a cluster, an Open vSwitch.
fn is_opaque(port: &Link) -> bool {
    port.kind.is_open_vswitch() || port.kind == Kind::Other("vxlan".into())
}

/// Whether a bridge's port is one end of a pair that leads to another bridge and from there to the network: so does the
/// bridge that Proxmox makes for a guest's firewall. A pair on the way to a guest does not.
fn leads_on(links: &Links, port: &Link, seen: &mut Vec<u32>) -> bool {
    let Some(bridge) = links.peer(port).and_then(|peer| links.master(peer)) else { return false };
    if bridge.kind != Kind::Bridge || seen.contains(&bridge.index) {
        return false;
    }
    seen.push(bridge.index);
    let leads = |port: &Link| is_opaque(port) || leads_on(links, port, seen);
    !candidates::below(links, bridge).is_empty() || links.ports(bridge).any(leads)
}

/// A veth whose other end is in another network namespace: what is behind it cannot be seen from here.
fn cut(link: &Link) -> Chain {
    let outside = Chain { name: "(another network namespace)".into(), index: 0, peer: true, below: Vec::new() };
    Chain { name: link.name.clone(), index: link.index, peer: false, below: vec![outside] }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.below[..] {
            [] => Ok(()),
            [one] => write!(f, " {} {one}", if one.peer { "⇄" } else { "→" }),
            several => {
                let names: Vec<String> = several.iter().map(Self::to_string).collect();
                write!(f, " → {{{}}}", names.join(", "))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::recorded;

    fn chain(record: &str) -> String {
        let links = recorded::facts(record).links;
        let link = links.carriers("192.168.10.250".parse().unwrap()).next().unwrap();
        Chain::from(&links, link).to_string()
    }

    #[test]
    fn chains_are_printed_down_to_the_hardware() {
        assert_eq!(chain("reference"), "veth-rb ⇄ veth-bnd → br-rb → bond0.10 → bond0 → {enp33s0f0, enp33s0f1}");
        assert_eq!(chain("vmbr0"), "veth-rb ⇄ veth-bnd → br-rb → bond0.10 → bond0 → {enp33s0f0, enp33s0f1}");
        assert_eq!(chain("vlan"), "bond0.10 → bond0 → {enp33s0f0, enp33s0f1}");
        assert_eq!(chain("ipvlan"), "ipv0 → eth0");
        assert_eq!(chain("bridge"), "br-rb → bond0.10 → bond0 → {enp33s0f0, enp33s0f1}");
        assert_eq!(chain("eth0"), "eth0");
        assert_eq!(chain("ovs"), "veth-rb ⇄ veth-bnd → ovs-system (Open vSwitch)");
        assert_eq!(chain("sdn_vlan"), "veth-rb ⇄ veth-bnd → vnet1 → vmbr0.10 → vmbr0 → enp33s0f0");
        assert_eq!(chain("sdn_pair"), "veth-rb ⇄ veth-bnd → vnet1 → ln_vnet1 ⇄ pr_vnet1 → vmbr0v10 → eno1.10 → eno1");
    }

    /// The host with a firewalled guest, the server's pair moved to the guest's firewall bridge.
    fn behind_the_firewall() -> Links {
        let links = recorded::facts("firewall").links;
        let bridge = links.by_name("fwbr100i0").unwrap().index;
        let moved = |mut link: Link| {
            if link.name == "veth-bnd" {
                link.master = Some(bridge);
            }
            link
        };
        Links::new(links.iter().cloned().map(moved).collect())
    }

    #[test]
    fn chains_go_on_through_firewall_bridges_towards_the_network() {
        let text = |links: &Links, name: &str| Chain::from(links, links.by_name(name).unwrap()).to_string();
        let down = "br-rb → bond0.10 → bond0 → {enp33s0f0, enp33s0f1}";
        let links = behind_the_firewall();
        assert_eq!(text(&links, "veth-rb"), format!("veth-rb ⇄ veth-bnd → fwbr100i0 → fwln100i0 ⇄ fwpr100p0 → {down}"));
        assert_eq!(text(&links, "fwbr101i0"), format!("fwbr101i0 → fwln101i0 ⇄ fwpr101p0 → {down}"));
        assert_eq!(text(&links, "br-rb"), down, "not towards the guests");
        let mut alone: Vec<Link> = links.iter().cloned().collect();
        alone.retain(|link| link.name != "bond0.10");
        assert_eq!(text(&Links::new(alone), "veth-rb"), "veth-rb ⇄ veth-bnd → fwbr100i0");
    }

    #[test]
    fn zones_of_the_sdn_are_followed_as_far_as_links_tell() {
        let on = |record: &str, bridge: &str| {
            let links = recorded::facts(record).links;
            Chain::from(&links, links.by_name(bridge).unwrap()).to_string()
        };
        assert_eq!(on("sdn_zones", "vnet2"), "vnet2 → vxlan_vnet2");
        assert_eq!(on("sdn_zones", "vnet3"), "vnet3 → z_q1.30 → z_q1 → vmbr0.100 → vmbr0 → enp33s0f0");
        assert_eq!(on("sdn_zones", "vnet4"), "vnet4", "a simple zone is a bridge of guests alone");
        assert_eq!(on("ovs", "vnet5"), "vnet5 → ln_vnet5 (Open vSwitch)");
        assert_eq!(on("ovs", "vlan10"), "vlan10 (Open vSwitch)");
    }

    #[test]
    fn peers_elsewhere_and_circles_end_a_chain() {
        let mut link = recorded::facts("reference").links.by_name("veth-rb").unwrap().clone();
        link.kind = Kind::Veth { peer: None };
        assert_eq!(Chain::from(&Links::default(), &link).to_string(), "veth-rb ⇄ (another network namespace)");
        let mut circle = link.clone();
        circle.kind = Kind::Vlan { id: 1 };
        circle.parent = Some(circle.index);
        let links = Links::new(vec![circle.clone()]);
        assert_eq!(Chain::from(&links, &circle).to_string(), "veth-rb");
    }
}
