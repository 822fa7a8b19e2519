//! The host's own traffic and the veth pair.

use super::*;
use crate::host::{AnswerWay, Route};

/// The reference host with the routes that the pair and its bridge bring, the pair's first.
fn pair_first(network: &str, (metric, bridges): (u32, u32)) -> Facts {
    let mut facts = sound();
    let ip = network.parse().unwrap();
    let route = |link: &str, metric| {
        let destination = InterfaceAddress { ip, prefix: if ip.is_ipv4() { 24 } else { 64 } };
        Route { destination, gateway: None, link: link.into(), metric }
    };
    let routes = vec![route("veth-rb", metric), route("br-rb", bridges)];
    *(if ip.is_ipv4() { &mut facts.routes } else { &mut facts.routes6 }) = routes;
    facts
}

#[test]
fn what_the_host_sends_leaves_by_its_own_interface() {
    assert_eq!(named("own-traffic", &sound()), [], "the bridge's route is the first");
    let found = one("own-traffic", &pair_first("192.168.10.0", (0, 0)));
    assert!(found.level == Level::Warn && found.text.starts_with("br-rb has 192.168.10.201/24, and what"), "{found}");
    assert_eq!(fix(&found), "ip address change 192.168.10.250/24 dev veth-rb metric 4096");
    assert_eq!(named("own-traffic", &pair_first("192.168.10.0", (4096, 0))), [], "mended");
    // Nobody else is in the network.
    let alone = changed(pair_first("192.168.10.0", (0, 0)), "br-rb", |link| link.addresses.clear());
    assert_eq!(named("own-traffic", &alone), []);
    // By an address that brings no route (noprefixroute) nobody sends.
    let mut unrouted = pair_first("192.168.10.0", (0, 0));
    unrouted.routes.truncate(1);
    assert_eq!(named("own-traffic", &unrouted), []);
}

#[test]
fn a_longer_prefix_goes_before_any_metric() {
    let mut facts = changed(pair_first("192.168.10.0", (4096, 0)), "br-rb", |link| link.addresses[0].prefix = 16);
    facts.routes[1].destination = InterfaceAddress { ip: "192.168.0.0".parse().unwrap(), prefix: 16 };
    let lines =
        "ip address add 192.168.10.250/16 dev veth-rb metric 4096\nip address del 192.168.10.250/24 dev veth-rb";
    assert_eq!(fix(&one("own-traffic", &facts)), lines);
}

#[test]
fn ipv6_is_the_same() {
    let with = |facts: Facts, name: &str, ip: &str| {
        let address = InterfaceAddress { ip: ip.parse().unwrap(), prefix: 64 };
        changed(facts, name, |link| link.addresses.push(address))
    };
    let found = |metric| {
        let facts = with(pair_first("fd53::", (metric, 256)), "br-rb", "fd53::201");
        let mut found = all(&Config::default(), &["[fd53::250]:53"], &with(facts, "veth-rb", "fd53::250"));
        found.retain(|finding| finding.name == "own-traffic");
        found
    };
    assert_eq!(fix(&found(256)[0]), "ip address change fd53::250/64 dev veth-rb metric 4096");
    assert_eq!(found(4096), []);
}

/// The reference host, whose answers from the server's address go that way.
fn answers(way: Result<(&str, u32), &str>) -> Facts {
    let facts = sound();
    let index = |name: &str| facts.links.by_name(name).unwrap().index;
    let way = way.map(|(name, table)| (index(name), table)).map_err(str::to_owned);
    let [from, to] = ["192.168.10.250", "192.168.10.251"].map(|ip| ip.parse().unwrap());
    Facts { answers: vec![AnswerWay { from, to, tcp: true, way, rule: Some(1000) }], ..facts }
}

#[test]
fn answers_that_a_rule_sends_another_way_than_the_clients_are_named() {
    let found = one("way-back", &answers(Ok(("lo", 100))));
    assert!(found.level == Level::Warn && found.text.contains("send it out by lo (table 100)"), "{found}");
    assert!(found.text.contains("answers over TCP to clients like 192.168.10.251"), "{found}");
    assert_eq!(fix(&found), "ip rule add from 192.168.10.250 to 192.168.10.0/24 lookup main priority 999");
    let found = one("way-back", &answers(Err("Network is unreachable (os error 101)")));
    assert!(found.text.contains("lead it nowhere (Network is unreachable"), "{found}");
    for ordinary in ["veth-rb", "br-rb"] {
        assert_eq!(named("way-back", &answers(Ok((ordinary, 254)))), [], "both lead to the clients");
    }
}
