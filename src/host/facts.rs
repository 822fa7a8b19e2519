//! What the findings of `--check-config` need to know about this host. What cannot be read is `None`, never a guess.

use super::answers::{self, AnswerWay};
use super::conntrack::Conntrack;
use super::firewall::Firewall;
use super::interfaces::with_addresses;
use super::ipv4_conf::Ipv4Conf;
use super::links::{AttachedProgram, Link, Links};
use super::occupant::{self, Occupant};
use super::pair::{PAIR_FILE, PAIR_SYSCTL, pair_addresses, quiet_links};
use super::paths::{self, PathProbe, Use};
use super::probe::{self, PortProbe};
use super::routes::{self, Route};
use super::switch::{self, SwitchPort};
use super::unit::Unit;
use super::untracked::{self, Untracked};
use super::{Interface, InterfaceAddress, netlink};
use crate::sys::bpf;
use crate::sys::clock;
use crate::sys::ethtool::{self, Feature};
use crate::sys::owner::{self, Holder};
use crate::sys::privileges;
use crate::whole_file;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use rustix::thread::CapabilitySet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::{fs, io};

/// Where every host of Proxmox VE has the files of its cluster.
pub(super) const PROXMOX: &str = "/etc/pve";
/// Most octets that are read of a file of text.
const LONGEST_TEXT: u64 = 1 << 20;

/// All of it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The links with their addresses.
    pub links: Links,
    /// IPv4 routes of the main table, in the kernel's order.
    pub routes: Vec<Route>,
    /// IPv6 routes of all tables but those of the host's own addresses, in the kernel's order.
    pub routes6: Vec<Route>,
    /// Which way answers go to clients in the network of each wanted address.
    pub answers: Vec<AnswerWay>,
    /// Other hosts that have an IPv4 address which is listened at, too.
    pub occupants: Vec<Occupant>,
    /// What links that are made later begin with.
    pub later: Ipv4Conf,
    /// Whether this is a host of Proxmox VE, whose guests bring bridges of their own.
    pub proxmox: bool,
    /// The addresses that the file of `--install`'s veth pair gives it, whether it is up or not; none without a pair.
    pub pair: Vec<InterfaceAddress>,
    /// The links that the snippet of `--install` has speak ARP for themselves alone after a boot.
    pub quiet: Vec<String>,
    /// The firewall of such a host.
    pub firewall: Option<Firewall>,
    /// The connection tracking; `None` where the kernel has none.
    pub conntrack: Option<Conntrack>,
    /// The rules that keep packets out of it; not read where it tracks nothing.
    pub untracked: Vec<Untracked>,
    /// The ports of this host's Open vSwitch, or why they cannot be read; `None` without one, or when nothing is listened at.
    pub switch_ports: Option<Result<Vec<SwitchPort>, String>>,
    /// The most that RLIMIT_MEMLOCK can be raised to, in octets; `None` for unlimited.
    pub memlock: Option<u64>,
    /// The most that RLIMIT_NOFILE can be raised to; `None` for no limit.
    pub open_files: Option<u64>,
    /// The unit this process was started by, when systemd started it.
    pub service: Option<String>,
    /// The installed unit.
    pub unit: Option<Unit>,
    /// Address families that this process is refused (EAFNOSUPPORT): the kernel has none such, or the unit's
    /// RestrictAddressFamilies= forbids it.
    pub refused_families: Vec<&'static str>,
    /// Capabilities in force.
    pub capabilities: Option<CapabilitySet>,
    /// XDP programs on the links that a process holds by a link of BPF, each by its ID with that process, like `runbound (pid 12)`:
    /// nobody else can take them off.
    pub holders: Vec<(u32, Holder)>,
    /// Whether bpf(2) loads an XDP program for this process; `None` when that was not tried.
    pub program: Option<Result<(), Errno>>,
    /// The file that this process was started from.
    pub own_file: Option<PathBuf>,
    /// Version of the kernel, the first two numbers.
    pub kernel: Option<(u32, u32)>,
    /// The first port that takes no privilege (ip_unprivileged_port_start).
    pub first_free_port: u16,
    /// Whether somebody keeps the wall clock right; `None` when the kernel does not say.
    pub clock_is_kept: Option<bool>,
    /// Whether the addresses to listen at can be had.
    pub ports: Vec<PortProbe>,
    /// What is where files and sockets are to be made.
    pub paths: Vec<PathProbe>,
    /// Whether the wanted user is there; `None` when none is wanted.
    pub user: Option<bool>,
}

/// What a server asks of its host.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Where it is to listen.
    pub listen: Vec<SocketAddr>,
    /// Over UDP.
    pub udp: bool,
    /// Over TCP.
    pub tcp: bool,
    /// Its files, sockets and folders, each with the directive that names it.
    pub paths: Vec<(&'static str, PathBuf, Use)>,
    /// The user it is to become.
    pub user: Option<String>,
    /// To load XDP programs.
    pub xdp: bool,
}

impl Facts {
    /// The route by which the main table sends to `ip`: longest prefix, least metric, first listed.
    pub fn best_route(&self, ip: Ipv4Addr) -> Option<&Route> {
        self.best_route_of(ip.into())
    }

    /// The same of either family.
    pub fn best_route_of(&self, ip: IpAddr) -> Option<&Route> {
        routes::best(self.routes_of(ip), ip)
    }

    /// The routes of the family of `ip`.
    pub fn routes_of(&self, ip: IpAddr) -> &[Route] {
        if ip.is_ipv4() { &self.routes } else { &self.routes6 }
    }

    /// The link by which the main table sends to `ip`, if it does.
    pub fn route(&self, ip: Ipv4Addr) -> Option<&str> {
        routes::way(&self.routes, ip)
    }
}

/// Reads this host's facts, tries whether each wanted address can be had, and looks at the wanted paths.
///
/// # Errors
/// When the links or their addresses cannot be read.
pub fn facts(wanted: &Wanted) -> io::Result<Facts> {
    let mut links = links()?;
    for link in links.iter_mut() {
        let is_on = |feature| ethtool::feature(&link.name, feature).ok();
        (link.rx_vlan, link.ntuple) = (is_on(Feature::RxVlan), is_on(Feature::Ntuple));
        (link.tx_vlan, link.tx_stag) = (is_on(Feature::TxVlan), is_on(Feature::TxStag));
    }
    let user = wanted.user.as_deref().map(privileges::find_user);
    let unit = Unit::installed();
    let proxmox = Path::new(PROXMOX).is_dir();
    let first_free_port = number("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let capabilities = rustix::thread::capabilities(None).ok().map(|sets| sets.effective);
    let tries = wanted.xdp && !links.user_namespace && capabilities.is_some_and(may_load);
    let switched = !wanted.listen.is_empty() && links.iter().any(|link| link.kind.is_open_vswitch());
    let programs = links.iter().filter_map(|link| Some(link.program?.id));
    let holders = programs.filter_map(|id| Some((id, owner::of_program(id)?))).collect();
    let conntrack = Conntrack::read();
    let answers = answers::ways(&links, &wanted.listen);
    let occupants = occupant::others(&links, &wanted.listen);
    Ok(Facts {
        links,
        answers,
        occupants,
        holders,
        switch_ports: switched.then(switch::ports),
        later: Ipv4Conf::of_later_links(),
        proxmox,
        pair: pair_addresses(&whole_file::read_text(&Path::new("/").join(PAIR_FILE), LONGEST_TEXT).unwrap_or_default()),
        quiet: quiet_links(&whole_file::read_text(&Path::new("/").join(PAIR_SYSCTL), LONGEST_TEXT).unwrap_or_default()),
        firewall: proxmox.then(|| Firewall::read(Path::new(PROXMOX))),
        untracked: conntrack.filter(|tracking| tracking.count > 0).map_or_else(Vec::new, |_| untracked::read()),
        conntrack,
        routes: routes::routes(&fs::read_to_string("/proc/net/route").unwrap_or_default()),
        routes6: routes::routes6(&fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default()),
        memlock: getrlimit(Resource::Memlock).maximum,
        open_files: getrlimit(Resource::Nofile).maximum.filter(|_| !capabilities.is_some_and(may_raise)),
        service: service(),
        clock_is_kept: clock::is_kept(),
        refused_families: probe::refused_families(),
        capabilities,
        program: tries.then(bpf::try_load_xdp),
        own_file: std::env::current_exe().ok(),
        kernel: kernel(&rustix::system::uname().release().to_string_lossy()),
        first_free_port: first_free_port.and_then(|port| port.try_into().ok()).unwrap_or(1024),
        ports: probe::probe(&wanted.listen, wanted.udp, wanted.tcp),
        paths: paths::look(&wanted.paths, user.as_ref().and_then(Option::as_ref), unit.as_ref()),
        unit,
        user: user.map(|user| user.is_some()),
    })
}

/// Whether a process with these capabilities may raise its limits beyond the hard ones.
fn may_raise(have: CapabilitySet) -> bool {
    have.contains(CapabilitySet::SYS_RESOURCE)
}

/// Whether a process with these capabilities may load an XDP program, as far as they decide it.
fn may_load(have: CapabilitySet) -> bool {
    have.contains(CapabilitySet::NET_ADMIN) && have.intersects(CapabilitySet::BPF | CapabilitySet::SYS_ADMIN)
}

/// All interfaces, by index.
///
/// # Errors
/// As of [`links`].
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let (mut found, mut altnames) = (with_addresses()?, netlink::altnames()?);
    for interface in &mut found {
        interface.altnames = altnames.remove(&interface.index).unwrap_or_default();
    }
    Ok(found)
}

/// The links with their addresses and drivers: what an attach plan is made of.
///
/// # Errors
/// The sockets': EAFNOSUPPORT when a systemd unit's RestrictAddressFamilies lacks AF_NETLINK.
pub fn links() -> io::Result<Links> {
    let mut links = Links::new(netlink::links()?);
    links.take_addresses(with_addresses()?);
    links.take_detections(netlink::detections()?);
    for link in links.iter_mut() {
        link.driver = driver(&link.name);
    }
    put_in_force(&mut links);
    links.user_namespace = in_user_namespace();
    routes::keep_open();
    Ok(links)
}

/// Turns the links' own settings of `net.ipv4.conf` into those in force.
fn put_in_force(links: &mut Links) {
    let all = Ipv4Conf::of_all();
    for link in links.iter_mut() {
        let Link { arp_ignore, arp_announce, rp_filter, arp_filter, .. } = *link;
        let in_force = Ipv4Conf { arp_ignore, arp_announce, rp_filter, arp_filter }.with(all);
        (link.arp_ignore, link.arp_announce) = (in_force.arp_ignore, in_force.arp_announce);
        (link.rp_filter, link.arp_filter) = (in_force.rp_filter, in_force.arp_filter);
    }
    links.ipv4_all = all;
}

/// The XDP program that keeps others from the link of an index now, with the name of the link that it is on: see
/// [`Links::program_in_the_way`].
///
/// # Errors
/// The netlink socket's: then it is not known whether one is there.
pub fn program_in_the_way(index: u32) -> io::Result<Option<(String, AttachedProgram)>> {
    let links = Links::new(netlink::links()?);
    let found = links.by_index(index).and_then(|link| links.program_in_the_way(link));
    Ok(found.map(|(link, program)| (link.name.clone(), program)))
}

/// Packets that the link of an index has sent so far; `None` where the kernel does not tell.
///
/// # Errors
/// The netlink socket's; ENODEV where there is no such link.
pub fn sent_packets(index: u32) -> io::Result<Option<u64>> {
    netlink::sent_packets(index)
}

/// Whether there is a native XDP program at the other end of the veth of an index, whatever namespace that is in; `None` where the
/// kernel does not tell.
///
/// # Errors
/// The netlink socket's; ENODEV where there is no such link.
pub fn peer_has_program(index: u32) -> io::Result<Option<bool>> {
    Ok(netlink::link(index)?.and_then(|link| link.peer_has_program()))
}

/// Whether this process is in a user namespace other than the first: root of one has every capability there, and none that the
/// kernel asks for beyond it. What cannot be read is the first. Read once, for a process that was started in one stays there, and
/// a chroot may have no /proc.
fn in_user_namespace() -> bool {
    static ANSWER: LazyLock<bool> =
        LazyLock::new(|| fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !maps_every_user(&map)));
    *ANSWER
}

/// The map of the first user namespace is of every ID to itself (user_namespaces(7)).
fn maps_every_user(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn number(path: &str) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// As sysfs names it; in a chroot, as ethtool does.
fn driver(link: &str) -> Option<String> {
    let target = fs::read_link(format!("/sys/class/net/{link}/device/driver"));
    let name = target.ok().and_then(|target| Some(target.file_name()?.to_string_lossy().into_owned()));
    name.or_else(|| ethtool::driver(link))
}

/// The first two numbers of a release like `6.12.48+deb13-amd64`.
fn kernel(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// systemd gives every service it starts an INVOCATION_ID, and so do sessions to what runs in them; but only a service's
/// control group ends in the name of a service.
fn service() -> Option<String> {
    std::env::var_os("INVOCATION_ID")?;
    service_of(&fs::read_to_string("/proc/self/cgroup").ok()?)
}

fn service_of(cgroup: &str) -> Option<String> {
    let unit = |line: &str| line.rsplit('/').next().filter(|unit| unit.ends_with(".service")).map(str::to_owned);
    cgroup.lines().find_map(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::recorded;

    #[test]
    fn files_of_proc_are_read() {
        assert_eq!(kernel("6.12.48+deb13-amd64"), Some((6, 12)));
        assert_eq!(kernel("5.10.0-28"), Some((5, 10)));
        assert_eq!(kernel("next"), None);
        assert!(maps_every_user("         0          0 4294967295\n"));
        for container in ["         0     100000      65536\n", "0 0 1\n", "0 1000 1\n1 100000 65536\n", ""] {
            assert!(!maps_every_user(container), "{container:?}");
        }
    }

    #[test]
    fn units_are_told_from_sessions() {
        assert_eq!(service_of("0::/system.slice/runbound.service\n").as_deref(), Some("runbound.service"));
        assert_eq!(service_of("0::/user.slice/user-0.slice/session-3.scope\n"), None);
    }

    #[test]
    fn the_longest_prefix_and_the_first_of_equals_win() {
        let facts = recorded::facts("reference");
        assert_eq!(facts.route("192.168.10.7".parse().unwrap()), Some("br-rb"));
        assert_eq!(facts.route("9.9.9.9".parse().unwrap()), Some("br-rb"));
        assert_eq!(recorded::facts("vlan").route("9.9.9.9".parse().unwrap()), None);
    }

    #[test]
    fn this_host_is_readable() {
        let facts = facts(&Wanted::default()).expect("links");
        let client = Ipv4Addr::new(192, 0, 2, 77);
        assert_eq!(routes::way_to(client).as_deref(), facts.route(client));
        let loopback = facts.links.by_name("lo").expect("lo");
        assert!(loopback.address(Ipv4Addr::LOCALHOST.into()).is_some());
        assert!(facts.kernel.is_some() && facts.capabilities.is_some());
    }
}
