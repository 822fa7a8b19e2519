//! The links of this network namespace and how they stand on each other.

use super::bridge_port::BridgePort;
use super::detection::Detection;
use super::ipv4_conf::Ipv4Conf;
use super::names::Named;
use super::vlan::{VlanProtocol, VlanTable};
use super::{Interface, InterfaceAddress};
use std::net::{IpAddr, Ipv6Addr};

/// What a link is, as far as it matters to XDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The loopback interface.
    Loopback,
    /// Hardware, or what a hypervisor shows as hardware.
    Physical,
    /// One end of a veth pair.
    Veth {
        /// Index of the other end; `None` when it is in another network namespace.
        peer: Option<u32>,
    },
    /// A bridge.
    Bridge,
    /// A bond's master.
    Bond {
        /// Mode in the kernel's words, like `802.3ad`.
        mode: &'static str,
        /// Index of the slave it sends by in the modes that have one such: active-backup, balance-tlb and balance-alb.
        active: Option<u32>,
        /// `all_slaves_active`: what comes in at a backup slave is handed up, too.
        all_active: bool,
    },
    /// A VLAN.
    Vlan {
        /// VLAN ID of its frames on the parent.
        id: u16,
    },
    /// An ipvlan or ipvtap.
    Ipvlan,
    /// A macvlan or macvtap.
    Macvlan,
    /// Anything else, in the kernel's word (IFLA_INFO_KIND).
    Other(String),
}

/// The kind of what Open vSwitch makes: its internal ports, of which each bridge has one of its name, and the datapath, which
/// the other ports have as their master.
const OPEN_VSWITCH: &str = "openvswitch";

/// The kind of a link that carries nothing.
const DUMMY: &str = "dummy";

impl Kind {
    /// Whether it carries addresses alone, loopback or a dummy: what is sent to those comes in by other links.
    pub fn is_for_addresses(&self) -> bool {
        matches!(self, Self::Loopback) || matches!(self, Self::Other(word) if word == DUMMY)
    }

    /// Whether it is an interface that Open vSwitch makes.
    pub fn is_open_vswitch(&self) -> bool {
        matches!(self, Self::Other(word) if word == OPEN_VSWITCH)
    }
}

/// A program at the XDP hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachedProgram {
    /// Its ID, as `bpftool prog show id` takes it; 0 when the kernel did not tell.
    pub id: u32,
    /// Whether it runs in the network stack (generic mode) rather than in the driver.
    pub generic: bool,
}

impl AttachedProgram {
    /// The word of ip-link(8) for where it is.
    pub fn hook(self) -> &'static str {
        if self.generic { "xdpgeneric" } else { "xdp" }
    }
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Name.
    pub name: String,
    /// Other names that it has beside it.
    pub altnames: Vec<String>,
    /// Index.
    pub index: u32,
    /// Kind.
    pub kind: Kind,
    /// MAC address; none on loopback and tunnels.
    pub mac: Option<[u8; 6]>,
    /// MTU in bytes, without the Ethernet header.
    pub mtu: u32,
    /// The greatest MTU it takes; `None` where the kernel does not tell (before 4.20).
    pub max_mtu: Option<u32>,
    /// Whether it is set up.
    pub up: bool,
    /// Whether there is something at its other end (IFF_LOWER_UP): `ip link` says NO-CARRIER of an interface that is up
    /// without.
    pub carrier: bool,
    /// Whether it speaks ARP at all: not with IFF_NOARP.
    pub arp: bool,
    /// Index of the bridge or bond it is a port of.
    pub master: Option<u32>,
    /// Of a port of a bridge what it lets pass; as a new port has it, of any other link.
    pub port: BridgePort,
    /// Of a bond's slave, whether the bond holds it for a backup one; `None` when the kernel does not tell.
    pub backup: Option<bool>,
    /// Index of the link that a VLAN, ipvlan or macvlan stands on, when that is in this network namespace.
    pub parent: Option<u32>,
    /// Driver of hardware, as sysfs names it.
    pub driver: Option<String>,
    /// Receive queues in use; one when sysfs does not tell.
    pub rx_queues: u32,
    /// The XDP program on it.
    pub program: Option<AttachedProgram>,
    /// Addresses.
    pub addresses: Vec<InterfaceAddress>,
    /// Those of them that the kernel does not answer for, by duplicate address detection.
    pub detections: Vec<(IpAddr, Detection)>,
    /// arp_ignore in force: the greater of `all` and its own. `None` when it cannot be read.
    pub arp_ignore: Option<u32>,
    /// Whether ARP is answered only where the way back to who asks goes out (arp_filter): its own or that of `all`. `None` when
    /// it cannot be read.
    pub arp_filter: Option<bool>,
    /// arp_announce in force: the greater of `all` and its own. `None` when it cannot be read.
    pub arp_announce: Option<u32>,
    /// rp_filter in force, found in the same way.
    pub rp_filter: Option<u32>,
    /// Of a bridge, whether it has a spanning tree, of the kernel or of a program.
    pub spanning_tree: bool,
    /// Of a bridge, whether it has a spanning tree for several VLANs each (MST): of a port's own state it goes by `disabled` alone.
    pub multiple_trees: bool,
    /// Of a bridge, whether it filters by VLAN (`bridge-vlan-aware`).
    pub vlan_filtering: Option<bool>,
    /// Of a VLAN what its tags begin with, of a bridge those it filters by.
    pub vlan_protocol: Option<VlanProtocol>,
    /// The VLANs of a port of a bridge that filters, and of such a bridge's own port towards the host; `None` when the
    /// kernel does not tell.
    pub vlans: Option<VlanTable>,
    /// Whether its driver takes VLAN tags off what it receives.
    pub rx_vlan: Option<bool>,
    /// Whether what it sends has its VLAN tag (802.1Q) beside the frame, for the driver to insert: so a veth's peer gets it.
    pub tx_vlan: Option<bool>,
    /// The same of service tags (802.1ad).
    pub tx_stag: Option<bool>,
    /// Whether its driver steers received frames by rules.
    pub ntuple: Option<bool>,
}

impl Named for Link {
    fn name(&self) -> &str {
        &self.name
    }

    fn altnames(&self) -> &[String] {
        &self.altnames
    }
}

/// The greatest MTU of a veth whose other end has no native program; with one there it is what that takes (`veth_xdp_set` of
/// drivers/net/veth.c; ETH_MAX_MTU of linux/if_ether.h).
const UNBOUNDED: u32 = 65_535;

impl Link {
    /// Of a veth whether a native XDP program is at its other end, whatever namespace that is in; `None` where the kernel does not
    /// tell.
    pub fn peer_has_program(&self) -> Option<bool> {
        self.max_mtu.map(|most| most != UNBOUNDED)
    }

    /// The address `ip` with its prefix, when it carries it.
    pub fn address(&self, ip: IpAddr) -> Option<InterfaceAddress> {
        self.addresses.iter().copied().find(|address| address.ip == ip)
    }

    /// What the tags of a VLAN begin with, or those that a bridge filters by: of 802.1Q unless the kernel says otherwise.
    pub(super) fn protocol(&self) -> VlanProtocol {
        self.vlan_protocol.unwrap_or(VlanProtocol::Dot1q)
    }

    /// How far duplicate address detection is with `ip`; `None` when it is in use, or not here.
    pub fn detection(&self, ip: IpAddr) -> Option<Detection> {
        self.detections.iter().find(|(address, _)| *address == ip).map(|(_, detection)| *detection)
    }
}

/// All links of a network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    all: Vec<Link>,
    /// `net.ipv4.conf.all`: no link has less than that in force.
    pub ipv4_all: Ipv4Conf,
    /// This process is in a user namespace other than the first, where no BPF program can be loaded for them.
    pub user_namespace: bool,
}

impl Links {
    /// From a list in any order.
    pub fn new(mut links: Vec<Link>) -> Self {
        links.sort_by_key(|link| link.index);
        Self { all: links, ..Self::default() }
    }

    /// All of them, by index.
    pub fn iter(&self) -> impl Iterator<Item = &Link> + Clone {
        self.all.iter()
    }

    /// The link of an index.
    pub fn by_index(&self, index: u32) -> Option<&Link> {
        self.all.binary_search_by_key(&index, |link| link.index).ok().map(|at| &self.all[at])
    }

    /// The link that a user who writes `name` means.
    pub fn by_name(&self, name: &str) -> Option<&Link> {
        self.iter().find(|link| link.is_called(name))
    }

    /// The links that carry `ip`: more than one when an address was given twice.
    pub fn carriers(&self, ip: IpAddr) -> impl Iterator<Item = &Link> {
        self.iter().filter(move |link| link.address(ip).is_some())
    }

    /// The bridge or bond that `link` is a port of.
    pub fn master(&self, link: &Link) -> Option<&Link> {
        self.by_index(link.master?)
    }

    /// The ports of a bridge or the slaves of a bond.
    pub fn ports(&self, master: &Link) -> impl Iterator<Item = &Link> {
        self.iter().filter(move |link| link.master == Some(master.index))
    }

    /// The link that a VLAN, ipvlan or macvlan stands on.
    pub fn parent(&self, link: &Link) -> Option<&Link> {
        self.by_index(link.parent?)
    }

    /// The other end of a veth pair, when it is in this network namespace.
    pub fn peer(&self, link: &Link) -> Option<&Link> {
        match link.kind {
            Kind::Veth { peer } => self.by_index(peer?),
            _ => None,
        }
    }

    /// What a VLAN or the like stands on, downwards.
    pub fn below<'a>(&'a self, link: &'a Link) -> impl Iterator<Item = &'a Link> {
        let parent = |link: &&'a Link| match link.kind {
            Kind::Vlan { .. } | Kind::Macvlan | Kind::Ipvlan => self.parent(link),
            _ => None,
        };
        std::iter::successors(parent(&link), parent)
    }

    /// The other end of the veth pair that `link` is an end of, or a VLAN or the like on one.
    pub fn pair_beyond(&self, link: &Link) -> Option<&Link> {
        self.peer(self.below(link).last().unwrap_or(link))
    }

    /// The least MTU of a bridge's ports but one.
    pub fn least_mtu(&self, bridge: &Link, but: u32) -> Option<u32> {
        self.ports(bridge).filter(|port| port.index != but).map(|port| port.mtu).min()
    }

    /// Whether `link` is a slave whose unicast frames its bond drops, for it is held ready: as the kernel has it
    /// (`bond_should_deliver_exact_match` and `bond_set_slave_inactive_flags`).
    pub fn is_standby(&self, link: &Link) -> bool {
        match self.master(link).map(|master| &master.kind) {
            Some(Kind::Bond { all_active: true, .. }) | Some(Kind::Bond { mode: "balance-alb", .. }) => false,
            Some(Kind::Bond { mode: "active-backup" | "balance-tlb", active, .. }) => *active != Some(link.index),
            Some(Kind::Bond { .. }) => link.backup == Some(true),
            _ => false,
        }
    }

    /// The links that stand directly on `link`: its master, and the VLANs and the like that have it as parent.
    pub fn uppers(&self, link: &Link) -> impl Iterator<Item = &Link> {
        let (index, master) = (link.index, link.master);
        self.iter().filter(move |upper| upper.parent == Some(index) || master == Some(upper.index))
    }

    /// The VLAN interface that gets the frames with this tag which come in at `link`, before a bridge or bond does: the kernel asks
    /// for it first, also where it is down (net/core/dev.c, `__netif_receive_skb_core`; net/8021q/vlan_core.c, `vlan_do_receive`).
    pub fn vlan_taker(&self, link: &Link, protocol: VlanProtocol, id: u16) -> Option<&Link> {
        let is_for = |upper: &&Link| upper.kind == Kind::Vlan { id } && upper.protocol() == protocol;
        self.iter().filter(|upper| upper.parent == Some(link.index)).find(is_for)
    }

    /// The XDP program that keeps others from `link`, and the link that it is on: this one, or one that stands directly on it
    /// (`dev_xdp_attach` of the kernel's net/core/dev.c).
    pub fn program_in_the_way<'a>(&'a self, link: &'a Link) -> Option<(&'a Link, AttachedProgram)> {
        let mut there = [link].into_iter().chain(self.uppers(link));
        there.find_map(|link| Some((link, link.program?)))
    }

    /// Puts the addresses that getifaddrs(3) tells onto the links.
    pub(super) fn take_addresses(&mut self, interfaces: Vec<Interface>) {
        for interface in interfaces {
            if let Some(link) = self.all.iter_mut().find(|link| link.index == interface.index) {
                link.rx_queues = interface.rx_queues;
                link.addresses = interface.addresses;
            }
        }
    }

    /// Puts what duplicate address detection says onto the links, each by its index.
    pub(super) fn take_detections(&mut self, detections: Vec<(u32, Ipv6Addr, Detection)>) {
        for (index, ip, detection) in detections {
            if let Some(link) = self.all.iter_mut().find(|link| link.index == index) {
                link.detections.push((ip.into(), detection));
            }
        }
    }

    /// All of them, to be completed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.all.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::recorded;

    #[test]
    fn the_reference_topology_is_found_by_name_and_relation() {
        let links = recorded::facts("reference").links;
        let name = |link: Option<&Link>| link.map_or("", |link| link.name.as_str()).to_owned();
        let veth = links.by_name("veth-rb").unwrap();
        let peer = links.peer(veth).unwrap();
        let bridge = links.master(peer).unwrap();
        assert_eq!((peer.name.as_str(), bridge.name.as_str()), ("veth-bnd", "br-rb"));
        let ports: Vec<&str> = links.ports(bridge).map(|link| link.name.as_str()).collect();
        assert_eq!(ports, ["bond0.10", "veth-bnd", "tap100i0"]);
        let vlan = links.by_name("bond0.10").unwrap();
        let bond = links.parent(vlan).unwrap();
        assert!(matches!(bond.kind, Kind::Bond { mode: "802.3ad", .. }));
        assert_eq!(links.ports(bond).count(), 2);
        assert_eq!(name(links.uppers(bond).next()), "bond0.10");
        assert_eq!(name(links.carriers("192.168.10.250".parse().unwrap()).next()), "veth-rb");
        assert_eq!(links.by_index(99), None);
    }

    #[test]
    fn a_program_on_a_link_or_one_that_stands_on_it_is_in_the_way() {
        let program = AttachedProgram { id: 7, generic: true };
        let with = |name: &str| {
            let mut links = recorded::facts("reference").links;
            links.iter_mut().filter(|link| link.name == name).for_each(|link| link.program = Some(program));
            links
        };
        let in_the_way = |name: &str, of: &str| {
            let links = with(name);
            let found = links.program_in_the_way(links.by_name(of).unwrap());
            found.map(|(link, program)| (link.name.clone(), program.id))
        };
        assert_eq!(in_the_way("enp33s0f0", "enp33s0f0"), Some(("enp33s0f0".into(), 7)));
        assert_eq!(in_the_way("bond0", "enp33s0f0"), Some(("bond0".into(), 7)), "the bond of a slave");
        assert_eq!(in_the_way("bond0.10", "bond0"), Some(("bond0.10".into(), 7)), "a VLAN");
        assert_eq!(in_the_way("bond0.10", "enp33s0f0"), None, "not directly");
        assert_eq!(in_the_way("enp33s0f1", "enp33s0f0"), None, "another slave");
    }

    #[test]
    fn networks() {
        let address = |ip: &str, prefix| InterfaceAddress { ip: ip.parse().unwrap(), prefix };
        let covers = |network: InterfaceAddress, ip: &str| network.covers(ip.parse().unwrap());
        assert!(covers(address("192.168.10.250", 24), "192.168.10.201"));
        assert!(!covers(address("192.168.10.250", 24), "192.168.11.201"));
        assert!(covers(address("192.168.10.250", 0), "10.0.0.1"));
        assert!(!covers(address("192.168.10.250", 32), "192.168.10.251"));
        assert!(covers(address("2001:db8::1", 64), "2001:db8::2"));
        assert!(!covers(address("2001:db8::1", 64), "192.168.10.1"));
        let network = |ip: &str, prefix| address(ip, prefix).network().map(|ip| ip.to_string());
        assert_eq!(network("192.168.10.250", 24).as_deref(), Some("192.168.10.0"));
        assert_eq!(
            (network("10.1.2.3", 0), network("10.1.2.3", 32)),
            (Some("0.0.0.0".into()), Some("10.1.2.3".into()))
        );
        let broadcast = |ip: &str, prefix| address(ip, prefix).broadcast().map(|ip| ip.to_string());
        assert_eq!(broadcast("192.168.10.250", 24).as_deref(), Some("192.168.10.255"));
        assert_eq!(broadcast("10.1.2.3", 9).as_deref(), Some("10.127.255.255"));
        assert_eq!(broadcast("10.1.2.3", 0).as_deref(), Some("255.255.255.255"));
        assert_eq!(
            (broadcast("10.1.2.3", 31), broadcast("10.1.2.3", 32), broadcast("2001:db8::1", 64)),
            (None, None, None)
        );
    }
}
