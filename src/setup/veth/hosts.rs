//! A bridge and the interfaces by which the host itself may be in the networks at it.

use super::Port;
use crate::config::site::{VLANS, is_plain};
use crate::host::{Kind, Link, Links};
use crate::setup::interfaces::{Bridge, Interfaces, KERNELS_VLAN};

/// An interface of the host at the bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::setup) struct HostLink {
    /// Its name.
    pub name: String,
    /// The VLAN that it is in; `None` where there are none.
    pub vlan: Option<u16>,
}

/// The links that must answer ARP for an address that is on none of them, but for those of `hosts`.
pub(in crate::setup) fn unnumbered(links: &Links, hosts: &[String]) -> Vec<String> {
    let names = links.unnumbered().map(|link| link.name.clone());
    names.filter(|name| is_plain(name) && !hosts.contains(name)).collect()
}

/// A bridge as it is written, and as it is now.
pub(super) struct Place<'a> {
    pub(super) bridge: &'a str,
    /// `None` when no stanza makes it.
    pub(super) stanza: Option<&'a Bridge>,
    pub(super) interfaces: &'a Interfaces,
    /// `None` of a tree that is not this host.
    pub(super) links: Option<&'a Links>,
}

impl Place<'_> {
    fn live(&self) -> Option<&Link> {
        self.links?.by_name(self.bridge)
    }

    /// Whether it keeps VLANs apart.
    pub(super) fn is_aware(&self) -> bool {
        let live = || self.live().is_some_and(|link| link.vlan_filtering == Some(true) || link.kind.is_open_vswitch());
        self.stanza.map_or_else(live, |stanza| stanza.vlan_aware)
    }

    /// The VLAN of what has no tag at its ports; `None` where that is of none.
    pub(super) fn untagged(&self) -> Option<u16> {
        let stanza = |stanza: &Bridge| stanza.pvid.or(stanza.switch.is_none().then_some(KERNELS_VLAN));
        match self.stanza {
            _ if !self.is_aware() => None,
            Some(written) => stanza(written),
            None => self.live()?.vlans.as_ref()?.pvid(),
        }
    }

    /// The VLAN that the host is in by the bridge itself.
    fn own(&self) -> Option<u16> {
        if !self.is_aware() {
            return None;
        }
        let live = self.live().and_then(|link| link.vlans.as_ref()?.pvid());
        live.or_else(|| self.interfaces.tag(self.bridge)).or_else(|| self.untagged())
    }

    /// The interfaces by which the host may be in the networks of a port: the bridge, the VLAN interfaces on it, and of an Open
    /// vSwitch the internal ports of the same VLANs. One with the name that Proxmox gives may come later.
    pub(super) fn hosts(&self, port: &Port) -> Vec<HostLink> {
        let (vlans, untagged) = (port.vlans(), self.untagged());
        let mut all = vec![HostLink { name: self.bridge.to_owned(), vlan: self.own() }];
        let mut add = |name: &str, vlan: Option<u16>| {
            // The names go into a script.
            if is_plain(name) && all.iter().all(|known| known.name != name) {
                all.push(HostLink { name: name.to_owned(), vlan });
            }
        };
        vlans.iter().for_each(|&vlan| add(&format!("{}.{vlan}", self.bridge), Some(vlan)));
        let meets = |vlan: u16| vlans.contains(&vlan) || vlans.is_empty() && untagged == Some(vlan);
        let written = self.interfaces.vlan_interfaces(self.bridge).map(|(name, vlan)| (name.to_owned(), vlan));
        for (name, vlan) in written.chain(self.live_vlans()).filter(|(_, vlan)| meets(*vlan)) {
            add(&name, Some(vlan));
        }
        for (name, tag) in self.stanza.and_then(|stanza| stanza.switch.as_deref()).unwrap_or_default() {
            if tag.map_or(vlans.is_empty(), |tag| vlans.contains(&tag)) {
                add(name, tag.or(untagged));
            }
        }
        all
    }

    fn live_vlans(&self) -> impl Iterator<Item = (String, u16)> {
        let parent = self.live().map(|link| link.index);
        let links = self.links.into_iter().flat_map(Links::iter);
        links.filter_map(move |link| match link.kind {
            Kind::Vlan { id } if parent.is_some() && link.parent == parent && VLANS.contains(&id) => {
                Some((link.name.clone(), id))
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::recorded;

    #[test]
    fn what_is_up_and_written_nowhere_counts_as_well() {
        let mut all: Vec<Link> = recorded::facts("vlan_aware").links.iter().cloned().collect();
        all.iter_mut().filter(|link| link.name == "vmbr0.20").for_each(|link| link.name = "mgmt".into());
        let (links, interfaces) = (Links::new(all), Interfaces::default());
        let place = Place { bridge: "vmbr0", stanza: None, interfaces: &interfaces, links: Some(&links) };
        assert!(place.is_aware() && place.untagged() == Some(1));
        let told = |vlans: &[u16]| {
            let hosts = place.hosts(&Port::new(vlans, None)).into_iter();
            hosts.map(|host| format!("{} {}", host.name, host.vlan.unwrap_or(0))).collect::<Vec<_>>()
        };
        assert_eq!(told(&[20]), ["vmbr0 1", "vmbr0.20 20", "mgmt 20"]);
        assert_eq!((told(&[10]), told(&[])), (vec!["vmbr0 1".into(), "vmbr0.10 10".into()], vec!["vmbr0 1".into()]));
    }
}
