//! Whether another host has an address that is asked for: two that answer ARP for it take each other's clients.

use super::Pair;
use super::hosts::Place;
use crate::host::{Link, Links, Occupant, Probe, is_of_pair, occupants};
use crate::setup::interfaces::Bridge;
use crate::setup::{Run, SetupError};
use crate::words::quoted;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;

/// Asks who is at the bridge. What cannot be asked is said, and no hindrance.
///
/// # Errors
/// Somebody has one.
pub(super) fn is_nobodys(run: &mut Run, pair: &Pair, place: &Place) -> Result<(), SetupError> {
    let Some(links) = place.links.filter(|_| !pair.site.no_probe && !run.prints) else { return Ok(()) };
    let is_ours = |ip: IpAddr| links.carriers(ip).any(|link| is_of_pair(&link.name));
    let ips = pair.site.addresses.iter().map(|own| own.ip).enumerate();
    let wanted: Vec<(usize, IpAddr)> = ips.filter(|(_, ip)| !is_ours(*ip)).collect();
    let bridge = links.by_name(pair.bridge).filter(|bridge| bridge.up).and_then(|link| Some((link, link.mac?)));
    let probe = |(at, ip): (usize, IpAddr)| match bridge {
        Some((link, mac)) => Probe { ip, ways: ways(links, link, place.stanza, pair.vlan(at)), mac },
        None => Probe { ip, ways: Vec::new(), mac: [0; 6] },
    };
    let all = wanted.into_iter().map(probe);
    let (probes, unreached): (Vec<Probe>, Vec<Probe>) = all.partition(|probe| !probe.ways.is_empty());
    if !unreached.is_empty() {
        let why = match bridge {
            Some(_) => format!("no port of {} that is up and has a carrier leads there", pair.bridge),
            None => format!("{} is not up", pair.bridge),
        };
        run.note(&unknown(&unreached, &why));
    }
    match occupants(&probes, links) {
        Ok(found) => found.first().map_or(Ok(()), |found| Err(refusal(pair, links, found))),
        Err(cause) => {
            let why = match cause.kind() {
                ErrorKind::PermissionDenied => "that takes root (CAP_NET_RAW)".to_owned(),
                _ => format!("{cause}; by hand: arping -D -I {} ADDRESS", quoted(pair.bridge)),
            };
            run.note(&unknown(&probes, &why));
            Ok(())
        }
    }
}

fn unknown(probes: &[Probe], why: &str) -> String {
    let ips: Vec<String> = probes.iter().map(|probe| probe.ip.to_string()).collect();
    format!("whether another host has {} was not asked: {why}", ips.join(" and "))
}

fn refusal(pair: &Pair, links: &Links, Occupant { ip, mac, link }: &Occupant) -> SetupError {
    let mac = mac.map(|octet| format!("{octet:02x}")).join(":");
    let at = links.by_index(*link).map_or(pair.bridge, |link| link.name.as_str());
    let own = pair.site.addresses.iter().find(|own| own.ip == *ip);
    let option = own.map_or_else(|| format!("--address {ip}"), |own| format!("--address {own}"));
    let cause =
        format!("another host has it: {mac} answers for it at {at}, and clients would ask the one or the other");
    let fix = "take a free address; or --no-probe, if that is a router which answers for all (proxy ARP), or a host that gives it up";
    SetupError::new(Path::new(&option), &cause, fix)
}

/// The ports of the bridge at which the network of a VLAN is, each with the tag that its frames have there.
fn ways(links: &Links, bridge: &Link, stanza: Option<&Bridge>, vlan: Option<u16>) -> Vec<(u32, Option<u16>)> {
    let up = |link: &&Link| link.up && link.carrier && link.mac.is_some();
    if bridge.kind.is_open_vswitch() {
        // No link tells the VLANs of the ports of a switch, nor which of several switches has them: the file does of its uplinks.
        let Some(stanza) = stanza else { return Vec::new() };
        let carries =
            stanza.uplinks().filter(|(_, all)| vlan.is_none_or(|vlan| all.iter().any(|all| all.contains(&vlan))));
        let native = |port: &String| stanza.natives.iter().any(|(name, native)| name == port && *native == vlan);
        let way =
            |(port, _): &(String, _)| Some((links.by_name(port).filter(up)?.index, vlan.filter(|_| !native(port))));
        return carries.filter_map(way).collect();
    }
    let peer = links.by_name(super::VETH).and_then(|own| links.peer(own)).map(|peer| peer.index);
    let others = links.ports(bridge).filter(|port| up(port) && Some(port.index) != peer);
    let way = |port: &Link| match (&port.vlans, vlan.filter(|_| bridge.vlan_filtering == Some(true))) {
        (Some(table), Some(vlan)) if table.untags(vlan) => Some((port.index, None)),
        (Some(table), Some(vlan)) => table.carries(vlan).then_some((port.index, Some(vlan))),
        (None, Some(_)) => None,
        (_, None) => Some((port.index, None)),
    };
    others.filter_map(way).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::recorded;

    fn told(record: &str, bridge: &str, vlan: Option<u16>) -> Vec<String> {
        let links = recorded::facts(record).links;
        let ways = ways(&links, links.by_name(bridge).unwrap(), None, vlan).into_iter();
        ways.map(|(link, tag)| format!("{} {}", links.by_index(link).unwrap().name, tag.unwrap_or(0))).collect()
    }

    #[test]
    fn all_ports_are_asked_but_that_of_the_pair() {
        assert_eq!(told("reference", "br-rb", None), ["bond0.10 0", "tap100i0 0"]);
    }

    #[test]
    fn a_vlan_is_asked_where_it_is_with_the_tag_that_it_has_there() {
        assert_eq!(told("sdn_vlan", "vmbr0", Some(10)), ["enp33s0f0 10"]);
        assert_eq!(told("sdn_vlan", "vmbr0", Some(1)), ["enp33s0f0 0"]);
    }
}
