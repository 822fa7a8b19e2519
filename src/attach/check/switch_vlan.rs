//! The VLAN of an Open vSwitch that an address's frames come in and go out by: the same questions as at a VLAN-aware bridge, whose
//! answers no link has.

use super::{Served, Subject};
use crate::attach::advice::{self, quoted};
use crate::attach::candidates;
use crate::attach::finding::{Finding, Level};
use crate::attach::taken::{self, Taken};
use crate::host::{Kind, Link, Links, SwitchMode, SwitchPort};

const NAME: &str = "bridge-vlan";
/// What commands begin with: they wait for the switch's daemon.
const VSCTL: &str = "ovs-vsctl --timeout=10";

/// Where a link's frames pass an Open vSwitch.
struct Place<'a> {
    port: &'a SwitchPort,
    /// The VLAN; 0 for none.
    vlan: u16,
    /// Its frames have its tag at the port.
    tagged: bool,
}

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    let links = &subject.facts.links;
    let at_switch = |served: &&Served| port_name(links, served.link).is_some();
    let Some(ports) = &subject.facts.switch_ports else { return };
    match ports {
        Err(cause) if subject.served.iter().any(|served| at_switch(&served)) => {
            let text = format!("the VLANs of the Open vSwitch cannot be read: {cause}");
            found.push(Finding::new(Level::Info, NAME, text));
        }
        Err(_) => {}
        Ok(ports) => {
            for served in &subject.served {
                let Some(place) = place(links, ports, served.link) else { continue };
                let taken = taken(links, ports, &place)
                    .map(|taken| taken.cause(links, served.link, served.address, &subject.facts.pair));
                found.push(match taken {
                    Some((text, fix)) => Finding { fix, ..Finding::new(Level::Warn, NAME, text) },
                    None => judge(subject, ports, served, &place),
                });
            }
        }
    }
}

/// The name of the port of an Open vSwitch by which a link reaches it: the other end of a pair, or itself; and the tag that its
/// frames have there.
fn port_name<'a>(links: &'a Links, link: &'a Link) -> Option<(&'a str, Option<u16>)> {
    let (at, tag) = match link.kind {
        Kind::Vlan { id } => (links.parent(link)?, Some(id)),
        _ => (link, None),
    };
    if at.kind.is_open_vswitch() {
        return Some((&at.name, tag));
    }
    let end = links.peer(at)?;
    links.master(end).filter(|master| master.kind.is_open_vswitch())?;
    Some((&end.name, tag))
}

fn place<'a>(links: &'a Links, ports: &'a [SwitchPort], link: &'a Link) -> Option<Place<'a>> {
    let (name, tag) = port_name(links, link)?;
    let port = ports.iter().find(|port| port.name == name && port.mode != SwitchMode::Other)?;
    Some(Place { port, vlan: tag.unwrap_or(port.native()), tagged: tag.is_some() })
}

/// Who has our frames before the switch, at every way that leads out of there.
fn taken<'a>(links: &'a Links, ports: &'a [SwitchPort], at: &Place<'a>) -> Option<Taken<'a>> {
    let mut first = None;
    for port in ports.iter().filter(|port| port.bridge == at.port.bridge && port.carries(at.vlan)) {
        let Some(link) = links.by_name(&port.name) else { continue };
        let tagged = !port.untags(at.vlan);
        match tagged.then(|| taken::taker(links, &at.port.bridge, link, at.vlan)).flatten() {
            Some(taken) => first = first.or(Some(taken)),
            None if candidates::leads_down(link) => return None,
            None => {}
        }
    }
    first
}

fn judge(subject: &Subject, ports: &[SwitchPort], served: &Served, place: &Place) -> Finding {
    let links = &subject.facts.links;
    let (port, ip) = (place.port, served.address.ip);
    let (name, switch) = (&port.name, &port.bridge);
    let (vlan, tag) = (vlan_text(place.vlan), has(port));
    let warn = |text: String| Finding::new(Level::Warn, NAME, text);
    // What --install wrote is in force again with the next ifup.
    let anew = |vlan: Option<&str>| advice::reinstall(links, served.link, (switch, vlan), &subject.facts.pair);
    if !port.carries(place.vlan) || place.tagged == port.untags(place.vlan) {
        let looks = if place.tagged { "with" } else { "without" };
        let text = format!(
            "{name} {tag} at the Open vSwitch {switch}, and {} has {ip} {looks} a tag, in {vlan}: {switch} does not hand its frames \
             through like that",
            served.link.name
        );
        return match place.tagged {
            true => warn(text).with_fix(format!("{VSCTL} clear port {} tag vlan_mode trunks", quoted(name))),
            false => {
                let own = quoted(name);
                let by_hand = || format!("{VSCTL} -- clear port {own} trunks vlan_mode -- set port {own} tag=N");
                warn(text).with_fix(anew(Some("N")).unwrap_or_else(by_hand))
            }
        };
    }
    if let Some((other, theirs)) = elsewhere(links, ports, served, place) {
        let text = format!(
            "{name} {tag} at the Open vSwitch {switch}, in {vlan}, and {other} has the network of {ip} in {}: who asks there is not \
             heard",
            vlan_text(theirs)
        );
        return match (place.tagged, theirs) {
            (true, _) => warn(text),
            (false, 0) => {
                let by_hand = || format!("{VSCTL} clear port {} tag vlan_mode", quoted(name));
                warn(text).with_fix(anew(None).unwrap_or_else(by_hand))
            }
            (false, theirs) => {
                let by_hand = || format!("{VSCTL} set port {} tag={theirs}", quoted(name));
                warn(text).with_fix(anew(Some(&theirs.to_string())).unwrap_or_else(by_hand))
            }
        };
    }
    // The bridge's own port is in every VLAN, and the host in the one of its untagged frames.
    let hosts = |other: &SwitchPort| other.name == *switch && place.vlan != other.native();
    let others = ports.iter().filter(|other| other.bridge == *switch && other.name != *name && !hosts(other));
    let with_us: Vec<&str> =
        others.filter(|other| other.carries(place.vlan)).map(|other| other.name.as_str()).collect();
    if with_us.is_empty() {
        let text = format!("{name} is in {vlan} of the Open vSwitch {switch} alone: nobody is reached from {ip}");
        return warn(text).with_fix(format!("{VSCTL} --columns=name,tag,trunks,vlan_mode list port"));
    }
    Finding::new(Level::Ok, NAME, format!("{ip}: {vlan} of the Open vSwitch {switch}, as {}", with_us.join(", ")))
}

fn vlan_text(vlan: u16) -> String {
    if vlan == 0 { "no VLAN".to_owned() } else { format!("VLAN {vlan}") }
}

/// What a port has in the switch's database.
fn has(port: &SwitchPort) -> String {
    let list = |vlans: &[u16]| vlans.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
    let tag = port.tag.map(|tag| format!("tag={tag}"));
    let trunks = Some(format!("trunks={}", list(&port.trunks))).filter(|_| !port.trunks.is_empty());
    let words: Vec<String> = tag.into_iter().chain(trunks).collect();
    if words.is_empty() { "has no tag".to_owned() } else { format!("has {}", words.join(" ")) }
}

/// Another link of this host with the same network in another VLAN of the switch, and none in ours.
fn elsewhere<'a>(links: &'a Links, ports: &[SwitchPort], served: &Served, at: &Place) -> Option<(&'a str, u16)> {
    let mut found = None;
    for link in links.iter().filter(|link| link.index != served.link.index && link.up) {
        let Some(place) = place(links, ports, link).filter(|place| place.port.bridge == at.port.bridge) else {
            continue;
        };
        if link.addresses.iter().any(|address| served.address.covers(address.ip)) {
            if place.vlan == at.vlan {
                return None;
            }
            found = found.or(Some((link.name.as_str(), place.vlan)));
        }
    }
    found
}
