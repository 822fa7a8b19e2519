//! The gateways of the default routes, from the kernel's tables in /proc/net. Pure.

use runbound::{host, number};
use std::net::Ipv6Addr;

/// Each as `192.0.2.1 (eth0)`, the one that is used first (the lowest metric) before the others of its family.
pub(super) fn gateways(table4: &str, table6: &str) -> Vec<String> {
    let version4 = |route: host::Route| Some((route.metric, format!("{} ({})", route.gateway?, route.link)));
    let default = host::routes(table4).into_iter().filter(|route| route.destination.prefix == 0);
    let mut found: Vec<(u32, String)> = default.filter_map(version4).collect();
    found.sort_by_key(|(metric, _)| *metric);
    let mut found6: Vec<(u32, String)> = table6.lines().filter_map(version6).collect();
    found6.sort_by_key(|(metric, _)| *metric);
    let mut gateways: Vec<String> = Vec::new();
    for (_, gateway) in found.into_iter().chain(found6) {
        if !gateways.contains(&gateway) {
            gateways.push(gateway);
        }
    }
    gateways
}

/// A line of /proc/net/ipv6_route: destination, its length, source, its length, gateway, metric, two counts, flags, link.
fn version6(line: &str) -> Option<(u32, String)> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let address = |at: usize| {
        let groups: Vec<&str> =
            columns.get(at)?.as_bytes().chunks(4).filter_map(|group| str::from_utf8(group).ok()).collect();
        groups.join(":").parse::<Ipv6Addr>().ok()
    };
    let (destination, gateway) = (address(0)?, address(4)?);
    let metric = number::read_hex(columns.get(5)?, 0..=u32::MAX).ok()?;
    let is_default = destination.is_unspecified() && *columns.get(1)? == "00" && !gateway.is_unspecified();
    let link = columns.get(9)?;
    is_default.then(|| (metric, format!("{gateway} ({link})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes_with_a_gateway_are_shown_the_used_one_first() {
        let table4 = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t00000000\t0136000A\t0003\t0\t0\t1024\t00000000\t0\t0\t0
eth0\t00000000\t0135000A\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0035000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0
";
        let zeroes = "0".repeat(32);
        let table6 = format!(
            "fe800000000000000000000000000000 40 {zeroes} 00 {zeroes} 00000100 00000001 00000000 00000001     eth0\n\
             {zeroes} 00 {zeroes} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003     eth0\n\
             {zeroes} 00 {zeroes} 00 {zeroes} ffffffff 00000001 00000000 00200200       lo\n"
        );
        assert_eq!(gateways(table4, &table6), ["10.0.53.1 (eth0)", "10.0.54.1 (eth1)", "fe80::1 (eth0)"]);
        assert_eq!(gateways("", "x\n\n"), [""; 0]);
    }
}
