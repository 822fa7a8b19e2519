//! What stands in the way of a pair, looked for before anything is written.

use super::guests;
use super::hosts::{self, Place};
use super::lost;
use super::network;
use super::occupied;
use super::taken;
use super::{HOOK, Pair, Port, STANZAS, VETH};
use crate::config::site::{HostAddress, PROXMOX_BRIDGE, Site};
use crate::host::{self, Facts, is_of_pair};
use crate::setup::interfaces::{Bridge, Interfaces, KERNELS_VLAN};
use crate::setup::{Run, SYSCTL_FILE, SetupError, files};
use std::path::Path;

/// The pair that is asked for, if one is, and if nothing is in its way.
///
/// # Errors
/// What is in the way. What an administrator may want to do by hand was said before.
pub(in crate::setup) fn check<'a>(run: &mut Run, site: &'a Site) -> Result<Option<Pair<'a>>, SetupError> {
    let Some(bridge) = site.bridge.as_deref() else { return Ok(None) };
    let interfaces = Interfaces::read(&run.root);
    // What is printed is the file alone.
    for line in interfaces.unread().iter().take(if run.prints { 0 } else { usize::MAX }) {
        run.note(&format!(
            "{line}: what it says of addresses and bridges is not known here; ifupdown would not read it either"
        ));
    }
    let facts = if run.is_host() { Some(read_host()?) } else { None };
    for address in &site.addresses {
        is_free(run, address, &interfaces, facts.as_ref())?;
        is_no_gateway(address, &interfaces, facts.is_some())?;
    }
    let stanza = interfaces.bridge(bridge);
    let links = facts.as_ref().map(|facts| &facts.links);
    let place = Place { bridge, stanza: stanza.as_ref(), interfaces: &interfaces, links };
    guests::is_lasting(run, &place)?;
    is_internal_port(bridge, &interfaces)?;
    is_bridge(bridge, stanza.is_some(), facts.as_ref())?;
    carries_vlans(site, &place)?;
    // The ports of another bridge are in the VLAN of untagged frames without a word.
    let set = stanza.as_ref().filter(|stanza| stanza.vlan_aware).and_then(|stanza| stanza.pvid);
    let port = Port::new(&site.vlans(), set);
    taken::come_to_bridge(&place, port.vlans())?;
    let mut pair =
        Pair { site, bridge, hosts: place.hosts(&port), untagged: place.untagged(), port, unnumbered: Vec::new() };
    pair.unnumbered = links.map_or_else(Vec::new, |links| hosts::unnumbered(links, &pair.host_names()));
    if !run.prints && !pair.unnumbered.is_empty() {
        run.note(&left_open(&pair));
    }
    if !run.prints {
        lost::keeps_what_is_served(run, &pair, facts.as_ref())?;
    }
    if bridge == PROXMOX_BRIDGE && is_hosts_own(&pair) && !site.share_bridge && !run.prints {
        return Err(is_shared(run, &pair));
    }
    site.steer.iter().try_for_each(|nic| is_hardware(nic, facts.as_ref()))?;
    if let Some(stanza) = stanza.as_ref().filter(|stanza| stanza.vlan_aware && !run.prints) {
        say_natives(run, &pair, stanza);
    }
    // What is only printed may be on its way into one of them.
    if !run.prints {
        is_defined_once(&interfaces)?;
        network::say_misfits(run, &pair, &interfaces, facts.as_ref());
    }
    for below in [STANZAS, HOOK].into_iter().filter(|_| !run.prints) {
        files::is_ours_or_free(run, below)?;
    }
    // Last, for it takes a second.
    occupied::is_nobodys(run, &pair, &place)?;
    Ok(Some(pair))
}

fn read_host() -> Result<Facts, SetupError> {
    host::facts(&host::Wanted::default()).map_err(|cause| SetupError::io(Path::new("the host's links"), &cause))
}

/// The address must be nobody's: it is to be runbound's alone, and never that by which the host is managed.
fn is_free(
    run: &mut Run,
    address: &HostAddress,
    interfaces: &Interfaces,
    facts: Option<&Facts>,
) -> Result<(), SetupError> {
    let ip = address.ip;
    let stanza = interfaces.carrier(ip, VETH);
    let carrier = facts.and_then(|facts| facts.links.carriers(ip).find(|link| !is_of_pair(&link.name)));
    let default = facts.and_then(|facts| facts.routes.iter().find(|route| route.destination.prefix == 0));
    let Some(name) = carrier.map(|link| link.name.clone()).or_else(|| stanza.map(|stanza| stanza.name.clone())) else {
        return Ok(());
    };
    let managed = default.is_some_and(|route| route.link == name) || stanza.is_some_and(|stanza| stanza.has_gateway());
    if managed {
        run.note(&format!("{ip} is the address this host is managed by: {name} carries it and the default route"));
        run.note("nothing is changed; should runbound have this address, give the host another one first:");
        let file = stanza.map_or("/etc/network/interfaces".into(), |stanza| stanza.file.display().to_string());
        run.note(&format!("    in {file}, below `iface {name}`: another `address`; then `ifreload -a`"));
    }
    let fix = format!("choose a free address in {}", address.network());
    Err(SetupError::new(Path::new(&format!("--address {address}")), &format!("{name} carries it already"), &fix))
}

/// ifupdown takes all stanzas of an interface together.
fn is_defined_once(interfaces: &Interfaces) -> Result<(), SetupError> {
    let ours = Path::new("/").join(STANZAS);
    let Some(stanza) = interfaces.stanza_elsewhere(VETH, &ours) else { return Ok(()) };
    let cause = format!("has an `iface {VETH}` that --install did not write, and both would be in force");
    Err(SetupError::new(&stanza.file, &cause, "move it away and run it again"))
}

/// A gateway's address is another host's: two would answer ARP for it, and this one would get out no longer. `live`: the routes
/// of this host count, too.
fn is_no_gateway(address: &HostAddress, interfaces: &Interfaces, live: bool) -> Result<(), SetupError> {
    let routes = if live { host::gateways() } else { Vec::new() };
    let route = routes.iter().find(|(gateway, _)| *gateway == address.ip).map(|(_, link)| format!("by {link}"));
    let written = || interfaces.by_gateway(address.ip);
    let place = || written().map(|stanza| format!("in {}, iface {}", stanza.file.display(), stanza.name));
    let Some(where_from) = route.or_else(place) else { return Ok(()) };
    let cause = format!("is a gateway of this host ({where_from}): that host has it, and two would answer for it");
    let fix = format!("choose a free address in {}", address.network());
    Err(SetupError::new(Path::new(&format!("--address {address}")), &cause, &fix))
}

/// An internal port is where the host itself is: the pair wants a port of its own beside it.
fn is_internal_port(bridge: &str, interfaces: &Interfaces) -> Result<(), SetupError> {
    let Some((switch, tag)) = interfaces.switch_of(bridge) else { return Ok(()) };
    let vlan = tag.map_or_else(String::new, |tag| format!(" --vlan {tag}"));
    let cause = format!("is an internal port of the Open vSwitch {switch}");
    let fix = format!("name the switch: --bridge {switch}{vlan}");
    Err(SetupError::new(Path::new(&format!("--bridge {bridge}")), &cause, &fix))
}

/// `made`: a stanza makes it.
fn is_bridge(bridge: &str, made: bool, facts: Option<&Facts>) -> Result<(), SetupError> {
    let link = facts.and_then(|facts| facts.links.by_name(bridge));
    let what = format!("--bridge {bridge}");
    let stanza =
        guests::bridge_stanza(bridge, "bond0.10 (the port your network is at)").map(|line| line.trim().to_owned());
    let fix = format!("make it first, in /etc/network/interfaces: {}", stanza.join(", "));
    match link {
        Some(link) if link.kind == host::Kind::Bridge || link.kind.is_open_vswitch() => Ok(()),
        Some(_) => {
            let fix = bridges(facts).map_or_else(
                || "name the bridge that your network is at, or make one under a name that no interface has".to_owned(),
                |bridges| format!("name the bridge that your network is at; there are {bridges}"),
            );
            Err(SetupError::new(Path::new(&what), "is an interface and no bridge", &fix))
        }
        None if made => Ok(()),
        None => {
            let cause = "there is no such bridge, neither now nor in /etc/network/interfaces";
            Err(SetupError::new(Path::new(&what), cause, &fix))
        }
    }
}

/// The names of this host's bridges, but for those that Proxmox makes for guests; `None` where there are none.
fn bridges(facts: Option<&Facts>) -> Option<String> {
    let links = &facts?.links;
    let is_bridge = |name: &str| guests::is_live_bridge(links, name);
    let names = links.iter().filter(|link| link.kind == host::Kind::Bridge).map(|link| link.name.as_str());
    let names: Vec<&str> = names.filter(|name| !guests::is_of_guests(name, is_bridge)).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// A VLAN needs a bridge that keeps VLANs apart, and a port of it through which the VLAN goes out.
fn carries_vlans(site: &Site, place: &Place) -> Result<(), SetupError> {
    let (bridge, stanza, aware) = (place.bridge, place.stanza, place.is_aware());
    let file = stanza.map_or("/etc/network/interfaces".into(), |stanza| stanza.file.display().to_string());
    for vlan in site.vlans() {
        let what = format!("--vlan {vlan}");
        if !aware {
            let tagged = |port: &&String| port.ends_with(&format!(".{vlan}"));
            let port = stanza.and_then(|stanza| stanza.ports.iter().map(|(port, _)| port).find(tagged));
            let fix = match port {
                Some(port) => format!("leave --vlan out: its port {port} is in VLAN {vlan} already"),
                None => format!(
                    "in {file}, below `iface {bridge}`: `bridge-vlan-aware yes` and `bridge-vids 2-4094`, then `ifreload -a`; \
                     or give runbound a bridge of its own with `bridge-ports {}`, and leave --vlan out",
                    guests::ports_in(place, bridge, vlan)
                ),
            };
            return Err(SetupError::new(Path::new(&what), &format!("{bridge} is not VLAN-aware"), &fix));
        }
        let Some(stanza) = stanza.filter(|stanza| stanza.complete && stanza.uplinks().next().is_some()) else {
            continue;
        };
        if !stanza.uplinks().any(|(_, ranges)| ranges.iter().any(|range| range.contains(&vlan))) {
            let ports: Vec<&str> = stanza.uplinks().map(|(port, _)| port.as_str()).collect();
            let cause =
                format!("no port of {bridge} carries it ({}): nobody beyond would be reached", ports.join(", "));
            let fix = if stanza.switch.is_some() {
                format!("in {file}, in `ovs_options` of one of them: a `tag` or `trunks` with it, then `ifreload -a`")
            } else {
                format!(
                    "in {file}, below `iface {bridge}`: add it to `bridge-vids` (Proxmox has 2-4094), then `ifreload -a`"
                )
            };
            return Err(SetupError::new(Path::new(&what), &cause, &fix));
        }
    }
    Ok(())
}

/// Without `--vlan` the pair is where untagged frames are; when the uplinks do not agree on that, it is said.
fn say_natives(run: &mut Run, pair: &Pair, stanza: &Bridge) {
    if !pair.site.vlans().is_empty() || stanza.natives_agree() {
        return;
    }
    let native = |(port, vlan): &(String, Option<u16>)| match vlan {
        Some(vlan) => format!("of VLAN {vlan} at {port}"),
        None => format!("of none at {port}"),
    };
    let natives: Vec<String> = stanza.natives.iter().map(native).collect();
    let place = match stanza.switch {
        Some(_) => "the port of the pair has no tag".to_owned(),
        None => format!("the pair is in VLAN {}", stanza.pvid.unwrap_or(KERNELS_VLAN)),
    };
    run.note(&format!(
        "the uplinks of {} do not agree on frames without a tag, {}: {place}; --vlan N names the VLAN of the address",
        pair.bridge,
        natives.join(", ")
    ));
}

/// Whether an address is to be in the network that the host is in by the bridge itself.
fn is_hosts_own(pair: &Pair) -> bool {
    let own = pair.hosts.iter().find(|host| host.name == pair.bridge).and_then(|host| host.vlan);
    pair.site.vlans().is_empty() || own.is_some_and(|own| pair.site.vlans().contains(&own))
}

/// The bridge of the host's own network is changed by those alone who say so.
fn is_shared(run: &mut Run, pair: &Pair) -> SetupError {
    let bridge = pair.bridge;
    let steer: Vec<String> = pair.site.steer.iter().map(|nic| format!(" --steer {nic}")).collect();
    let root = if run.is_host() { String::new() } else { format!(" --root {}", run.root.display()) };
    let replace = if pair.site.replace { " --replace" } else { "" };
    let no_probe = if pair.site.no_probe { " --no-probe" } else { "" };
    let words = pair.site.words();
    let again = format!("runbound --install{root} {words} --bridge {bridge}{}{replace}{no_probe}", steer.concat());
    run.note(&format!(
        "{bridge} carries Proxmox' own network, so nothing is written unless you say so. What it means: veth-bnd becomes one \
         more port of {bridge}, as a guest's would, and {bridge} answers ARP for its own addresses alone (arp_ignore, \
         arp_announce); its addresses, MAC, MTU and routes stay. To have it done:"
    ));
    run.note(&format!("    {again} --share-bridge"));
    run.note("or put the files there yourself, one by one:");
    for file in [STANZAS, HOOK, SYSCTL_FILE] {
        run.note(&format!("    {again} --print /{file} >{}", run.path(file).display()));
    }
    run.note(&format!("    chmod 755 {}", run.path(HOOK).display()));
    run.note(&format!("and then `sysctl -e -p /{SYSCTL_FILE}; ifup veth-rb`."));
    let fix = "give runbound a bridge of its own, such as br-rb on bond0.10, or --share-bridge, or the commands above";
    SetupError::new(Path::new(&format!("--bridge {bridge}")), "carries Proxmox' own network", fix)
}

/// Bonds, VLANs and the like have no receive queues of their own to steer to.
fn is_hardware(nic: &str, facts: Option<&Facts>) -> Result<(), SetupError> {
    let Some(facts) = facts else { return Ok(()) };
    let what = format!("--steer {nic}");
    let hardware: Vec<&str> =
        facts.links.iter().filter(|link| link.kind == host::Kind::Physical).map(|link| link.name.as_str()).collect();
    if hardware.contains(&nic) {
        return Ok(());
    }
    let cause = if facts.links.by_name(nic).is_some() { "is no hardware" } else { "there is no such interface" };
    Err(SetupError::new(Path::new(&what), cause, &format!("name hardware of this host: {}", hardware.join(" "))))
}

/// What is said of the cards that go on answering ARP for every address of the host.
fn left_open(pair: &Pair) -> String {
    let cards = pair.unnumbered.join(", ");
    format!(
        "{cards}: no network, and this host has an address of none (a /32 on lo or a dummy), so ARP goes on being answered there for all \
         addresses, as a routed mesh needs; where one leads to the network of the pair instead, set its arp_ignore to 1"
    )
}
