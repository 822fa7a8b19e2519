//! The way from the link that carries an address down to the hardware.

use super::candidates;
use crate::host::{Kind, Link, Links};
use std::fmt;

/// A link and what it stands on. Displayed as `veth-rb ⇄ veth-bnd → br-rb → bond0.10 → bond0 → {eth0, eth1}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Name of the link.
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
    let is_pair = !peer && matches!(link.kind, Kind::Veth { .. });
    below.retain(|lower| !seen.contains(&lower.index));
    let below = below.into_iter().map(|lower| walk(links, lower, is_pair, seen)).collect();
    Chain { name: link.name.clone(), index: link.index, peer, below }
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
