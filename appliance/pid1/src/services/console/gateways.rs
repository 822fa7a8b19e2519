//! The gateways of the default routes, from the kernel's tables in /proc/net. Pure.

use runbound::host;

/// Each as `192.0.2.1 (eth0)`, the one that is used first (the lowest metric) before the others of its family.
pub(super) fn gateways(table4: &str, table6: &str) -> Vec<String> {
    let mut gateways: Vec<String> = Vec::new();
    for mut routes in [host::routes(table4), host::routes6(table6)] {
        routes.retain(|route| route.destination.prefix == 0);
        routes.sort_by_key(|route| route.metric);
        for host::Route { gateway, link, .. } in routes {
            let shown = gateway.map(|gateway| format!("{gateway} ({link})"));
            gateways.extend(shown.filter(|shown| !gateways.contains(shown)));
        }
    }
    gateways
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
