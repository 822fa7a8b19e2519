//! What the findings of `--check-config` need to know about this host. What cannot be read is `None`, never a guess.

use super::firewall::Firewall;
use super::interfaces::with_addresses;
use super::ipv4_conf::Ipv4Conf;
use super::links::{AttachedProgram, Links};
use super::pair::{PAIR_FILE, pair_addresses};
use super::paths::{self, PathProbe, Use};
use super::probe::{self, PortProbe};
use super::switch::{self, SwitchPort};
use super::unit::Unit;
use super::{Interface, InterfaceAddress, netlink};
use crate::number;
use crate::sys::bpf;
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
    /// What links that are made later begin with.
    pub later: Ipv4Conf,
    /// Whether this is a host of Proxmox VE, whose guests bring bridges of their own.
    pub proxmox: bool,
    /// The addresses that the file of `--install`'s veth pair gives it, whether it is up or not; none without a pair.
    pub pair: Vec<InterfaceAddress>,
    /// The firewall of such a host.
    pub firewall: Option<Firewall>,
    /// The ports of this host's Open vSwitch, or why they cannot be read; `None` without one, or when nothing is listened at.
    pub switch_ports: Option<Result<Vec<SwitchPort>, String>>,
    /// The most that RLIMIT_MEMLOCK can be raised to, in octets; `None` for unlimited.
    pub memlock: Option<u64>,
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
    /// Version of the kernel, the first two numbers.
    pub kernel: Option<(u32, u32)>,
    /// The first port that takes no privilege (ip_unprivileged_port_start).
    pub first_free_port: u16,
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

/// An IPv4 route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The network it leads to.
    pub destination: InterfaceAddress,
    /// The next host on the way; `None` when the network is at the link.
    pub gateway: Option<Ipv4Addr>,
    /// Name of the link it goes out by.
    pub link: String,
    /// Its metric: of routes to one network the least is taken.
    pub metric: u32,
}

impl Facts {
    /// The link by which the main table sends to `ip`: longest prefix, least metric, first listed.
    pub fn route(&self, ip: Ipv4Addr) -> Option<&str> {
        let fitting = self.routes.iter().filter(|route| route.destination.covers(IpAddr::V4(ip)));
        let best = fitting.min_by_key(|route| (u8::MAX - route.destination.prefix, route.metric))?;
        Some(&best.link)
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
    let user = wanted.user.as_deref().map(|name| privileges::find_user(name).map(|user| user.uid));
    let proxmox = Path::new(PROXMOX).is_dir();
    let first_free_port = number("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let capabilities = rustix::thread::capabilities(None).ok().map(|sets| sets.effective);
    let tries = wanted.xdp && !links.user_namespace && capabilities.is_some_and(may_load);
    let switched = !wanted.listen.is_empty() && links.iter().any(|link| link.kind.is_open_vswitch());
    let programs = links.iter().filter_map(|link| Some(link.program?.id));
    let holders = programs.filter_map(|id| Some((id, owner::of_program(id)?))).collect();
    Ok(Facts {
        links,
        holders,
        switch_ports: switched.then(switch::ports),
        later: Ipv4Conf::of_later_links(),
        proxmox,
        pair: pair_addresses(&whole_file::read_text(&Path::new("/").join(PAIR_FILE), LONGEST_TEXT).unwrap_or_default()),
        firewall: proxmox.then(|| Firewall::read(Path::new(PROXMOX))),
        routes: routes(&fs::read_to_string("/proc/net/route").unwrap_or_default()),
        memlock: getrlimit(Resource::Memlock).maximum,
        service: service(),
        unit: Unit::installed(),
        refused_families: probe::refused_families(),
        capabilities,
        program: tries.then(bpf::try_load_xdp),
        kernel: kernel(&rustix::system::uname().release().to_string_lossy()),
        first_free_port: first_free_port.and_then(|port| port.try_into().ok()).unwrap_or(1024),
        ports: probe::probe(&wanted.listen, wanted.udp, wanted.tcp),
        paths: wanted.paths.iter().map(|path| look(path, user.flatten())).collect(),
        user: user.map(|user| user.is_some()),
    })
}

/// Whether a process with these capabilities may load an XDP program, as far as they decide it.
fn may_load(have: CapabilitySet) -> bool {
    have.contains(CapabilitySet::NET_ADMIN) && have.intersects(CapabilitySet::BPF | CapabilitySet::SYS_ADMIN)
}

fn look((directive, path, wanted): &(&'static str, PathBuf, Use), user: Option<u32>) -> PathProbe {
    PathProbe { directive, path: path.clone(), wanted: *wanted, state: paths::state(path, *wanted, user) }
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
    for link in links.iter_mut() {
        link.driver = driver(&link.name);
    }
    put_in_force(&mut links);
    links.user_namespace = in_user_namespace();
    Ok(links)
}

/// Turns the links' own settings of `net.ipv4.conf` into those in force.
fn put_in_force(links: &mut Links) {
    let all = Ipv4Conf::of_all();
    for link in links.iter_mut() {
        let own = Ipv4Conf { arp_ignore: link.arp_ignore, arp_announce: link.arp_announce, rp_filter: link.rp_filter };
        let in_force = own.with(all);
        (link.arp_ignore, link.arp_announce) = (in_force.arp_ignore, in_force.arp_announce);
        link.rp_filter = in_force.rp_filter;
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

/// The routes of /proc/net/route: link, destination, gateway, flags, reference count, use, metric, mask; addresses in
/// hexadecimal as they lie in memory.
pub fn routes(table: &str) -> Vec<Route> {
    let route = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let address = |at: usize| number::read_hex(columns.get(at)?, 0..=u32::MAX).ok().map(u32::swap_bytes);
        let (network, gateway, mask) = (address(1)?, address(2)?, address(7)?);
        let ip = IpAddr::V4(Ipv4Addr::from_bits(network));
        let destination = InterfaceAddress { ip, prefix: mask.leading_ones() as u8 };
        let gateway = Some(Ipv4Addr::from_bits(gateway)).filter(|gateway| !gateway.is_unspecified());
        let metric = number::read(columns.get(6)?, 0..=u32::MAX).ok()?;
        Some(Route { destination, gateway, link: columns[0].to_owned(), metric })
    };
    table.lines().skip(1).filter_map(route).collect()
}

/// The gateways of this host's routes, of both families, each with the link it is reached by. A table that cannot be read has none.
pub fn gateways() -> Vec<(IpAddr, String)> {
    let table = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let v4 = routes(&table("/proc/net/route")).into_iter();
    let v4 = v4.filter_map(|route| Some((IpAddr::V4(route.gateway?), route.link)));
    v4.chain(gateways6(&table("/proc/net/ipv6_route"))).collect()
}

/// Those of /proc/net/ipv6_route: destination and source, each with its prefix, the next host, metric, reference count, use,
/// flags, link.
fn gateways6(table: &str) -> Vec<(IpAddr, String)> {
    let gateway = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let ip = u128::from_str_radix(columns.get(4)?, 16).ok().filter(|bits| *bits != 0)?;
        Some((IpAddr::V6(ip.into()), (*columns.get(9)?).to_owned()))
    };
    table.lines().filter_map(gateway).collect()
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
        let table = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
br-rb\t00000000\t010AA8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
br-rb\t000AA8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
broken
";
        let routes = routes(table);
        assert_eq!(routes.len(), 2);
        assert_eq!((routes[1].destination.ip, routes[1].destination.prefix), ("192.168.10.0".parse().unwrap(), 24));
        assert_eq!((routes[0].metric, routes[0].destination.prefix), (100, 0));
        let none = "0".repeat(32);
        let table = format!(
            "{none} 00 {none} 00 fd530000000000000000000000000001 00000400 00000001 00000000 00000003    br-rb\n\
             fd530000000000000000000000000000 40 {none} 00 {none} 00000100 00000001 00000000 00000001 br-rb\nbroken\n"
        );
        assert_eq!(gateways6(&table), [("fd53::1".parse().unwrap(), "br-rb".to_owned())]);
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
        let loopback = facts.links.by_name("lo").expect("lo");
        assert!(loopback.address(Ipv4Addr::LOCALHOST.into()).is_some());
        assert!(facts.kernel.is_some() && facts.capabilities.is_some());
    }
}
