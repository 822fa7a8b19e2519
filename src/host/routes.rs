//! The routes of this host, as the kernel's tables in /proc/net have them.

use super::InterfaceAddress;
use crate::number;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::FileExt;
use std::sync::LazyLock;

/// What /proc/net/route has for the link of a route that leads nowhere.
const NOWHERE: &str = "*";

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The network it leads to.
    pub destination: InterfaceAddress,
    /// The next host on the way; `None` when the network is at the link.
    pub gateway: Option<IpAddr>,
    /// Name of the link it goes out by; `*` of one that leads nowhere.
    pub link: String,
    /// Its metric: of routes to one network the least is taken.
    pub metric: u32,
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
        let gateway = Some(IpAddr::V4(gateway.into())).filter(|gateway| !gateway.is_unspecified());
        let metric = number::read(columns.get(6)?, 0..=u32::MAX).ok()?;
        Some(Route { destination, gateway, link: columns[0].to_owned(), metric })
    };
    table.lines().skip(1).filter_map(route).collect()
}

/// The table of IPv4 routes. It stays open, because the sandbox lets none be opened later.
static ROUTES: LazyLock<Option<File>> = LazyLock::new(|| File::open("/proc/net/route").ok());

/// Opens the table, while that can be done.
pub(super) fn keep_open() {
    LazyLock::force(&ROUTES);
}

/// The name of the link by which the main table sends to `ip` now; `None` by none, or where the table cannot be read.
pub fn way_to(ip: Ipv4Addr) -> Option<String> {
    let (file, mut table) = (ROUTES.as_ref()?, Vec::new());
    let mut part = [0; 1 << 16];
    loop {
        match file.read_at(&mut part, table.len() as u64).ok()? {
            0 => break,
            length => table.extend_from_slice(&part[..length]),
        }
    }
    way(&routes(std::str::from_utf8(&table).ok()?), ip).map(str::to_owned)
}

/// The best of `routes` for `ip`: longest prefix, least metric, first listed.
pub(super) fn best(routes: &[Route], ip: IpAddr) -> Option<&Route> {
    let fitting = routes.iter().filter(|route| route.destination.covers(ip));
    fitting.min_by_key(|route| (u8::MAX - route.destination.prefix, route.metric))
}

/// The link by which it goes.
pub(super) fn way(routes: &[Route], ip: Ipv4Addr) -> Option<&str> {
    best(routes, ip.into()).filter(|route| !route.is_refusal()).map(|route| route.link.as_str())
}

impl Route {
    /// Whether what goes by it is refused or dropped: blackhole, unreachable, prohibit.
    pub fn is_refusal(&self) -> bool {
        self.link == NOWHERE
    }
}

/// The gateways of this host's routes, of both families, each with the link it is reached by. A table that cannot be read has none.
pub fn gateways() -> Vec<(IpAddr, String)> {
    let table = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let all = routes(&table("/proc/net/route")).into_iter().chain(routes6(&table("/proc/net/ipv6_route")));
    all.filter_map(|route| Some((route.gateway?, route.link))).collect()
}

/// The routes of /proc/net/ipv6_route: destination and source, each with its prefix, the next host, metric, reference count,
/// use, flags, link. Without those to addresses of this host (ipv6_route.h).
pub fn routes6(table: &str) -> Vec<Route> {
    const REJECT: u32 = 0x200;
    const ANYCAST: u32 = 0x10_0000;
    const LOCAL: u32 = 0x8000_0000;
    let route = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let ip = |at: usize| u128::from_str_radix(columns.get(at)?, 16).ok().map(|bits| IpAddr::V6(bits.into()));
        let word = |at: usize| number::read_hex(columns.get(at)?, 0..=u32::MAX).ok();
        let (destination, prefix, flags) = (ip(0)?, word(1)?.try_into().ok()?, word(8)?);
        let link = if flags & REJECT == 0 { *columns.get(9)? } else { NOWHERE };
        let gateway = ip(4)?;
        let route = Route {
            destination: InterfaceAddress { ip: destination, prefix },
            gateway: Some(gateway).filter(|gateway| !gateway.is_unspecified()),
            link: link.to_owned(),
            metric: word(5)?,
        };
        Some(route).filter(|_| flags & (ANYCAST | LOCAL) == 0)
    };
    table.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let routes = routes6(&table);
        let told: Vec<_> =
            routes.iter().map(|route| (route.destination.to_string(), route.metric, route.gateway)).collect();
        let gateway = Some("fd53::1".parse().unwrap());
        assert_eq!(told, [("::/0".to_owned(), 1024, gateway), ("fd53::/64".to_owned(), 256, None)]);
        let (first, own) = (table.lines().next().unwrap(), |flags: &str| table.replace("00000003 ", flags));
        assert!(first.contains("00000003 ") && routes6(&own("80200001 ")).len() == 1, "an address of this host");
        assert!(routes6(&own("00200200 "))[0].is_refusal(), "unreachable");
    }
}
