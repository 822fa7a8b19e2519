//! Routes by the kernel's own word, on veth pairs in a namespace: needs root, and fails without.
//!
//! The outer test makes the namespace and runs the inner, ignored one in it; it is removed however that ends.

#[path = "../../../tests/lib/namespace.rs"]
mod namespace;

use namespace::{Namespace, ip};
use runbound_init::netconf::{Network, RoutePlan};
use runbound_init::network::netlink::Netlink;
use runbound_init::network::routes::{LEASES, SETTINGS, Way, set_route};

/// Each interface, and the addresses that it has.
const INTERFACES: [(&str, [&str; 2]); 2] =
    [("first", ["192.0.2.7/32", "2001:db8::7/128"]), ("second", ["198.51.100.7/24", "2001:db8:2::7/64"])];

#[test]
fn default_routes_stand_beside_each_other() {
    let namespace = Namespace::new("routes");
    let inside = |words: &str| ip(&format!("-n {} {words}", namespace.name));
    for (name, addresses) in INTERFACES {
        inside(&format!("link add {name} type veth peer name {name}-peer"));
        inside(&format!("link set {name} up"));
        inside(&format!("link set {name}-peer up"));
        for address in addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            inside(&format!("address add {address} dev {name}{nodad}"));
        }
    }
    namespace.run_test("inner");
}

fn default_by(gateway: &str) -> RoutePlan {
    RoutePlan::default_by(gateway.parse().expect("an address"))
}

#[test]
#[ignore = "in the namespace alone"]
fn inner() {
    let mut netlink = Netlink::open().expect("netlink");
    let ways: Vec<(u32, Vec<Network>)> = INTERFACES
        .iter()
        .map(|(name, addresses)| {
            let index = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).expect("sysfs");
            let addresses = addresses.iter().map(|text| text.parse().expect("a network")).collect();
            (index.trim().parse().expect("a number"), addresses)
        })
        .collect();
    let mut set = |gateway: &str, place: usize, metric: u32| {
        let (index, addresses) = &ways[place];
        let way = Way { index: Some(*index), metric: Some(metric), addresses };
        set_route(&mut netlink, &default_by(gateway), &way).unwrap_or_else(|cause| panic!("{gateway}: {cause}"));
    };
    for (first, second) in [("192.0.2.1", "198.51.100.1"), ("2001:db8:1::1", "2001:db8:2::1")] {
        set(second, 1, LEASES);
        // The gateway is not in the network of the address, which is of one address alone.
        set(first, 0, SETTINGS);
        // A lease that is renewed.
        set(second, 1, LEASES);
    }
    let all = ip("route show default") + &ip("-6 route show default");
    for route in [
        format!("default via 192.0.2.1 dev first proto static metric {SETTINGS} onlink"),
        format!("default via 198.51.100.1 dev second proto static metric {LEASES}"),
        format!("default via 2001:db8:1::1 dev first proto static metric {SETTINGS}"),
        format!("default via 2001:db8:2::1 dev second proto static metric {LEASES}"),
    ] {
        assert!(all.contains(&route), "{route} is not in\n{all}");
    }
    assert!(ip("route get 203.0.113.1").contains("via 192.0.2.1 dev first"), "the first one counts");
    assert!(ip("route get 2001:db8:ffff::1").contains("via 2001:db8:1::1 dev first"), "the first one counts");
    ip("address del 192.0.2.7/32 dev first");
    assert!(ip("route get 203.0.113.1").contains("via 198.51.100.1 dev second"), "the other one is left");
}
