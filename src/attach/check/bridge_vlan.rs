//! The VLAN of a VLAN-aware bridge that an address's frames come in and go out by: whether anybody is reached there, and
//! whether it is that of the address's network.

use super::{Served, Subject};
use crate::attach::advice;
use crate::attach::candidates;
use crate::attach::finding::{Finding, Level};
use crate::attach::taken;
use crate::attach::vlan_place::{self, Place, place, set};
use crate::host::{Kind, Link, Links};

/// What a port is in that nobody has set.
const KERNELS_VLAN: u16 = 1;

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    let links = &subject.facts.links;
    for served in &subject.served {
        if let Some((text, fix)) = taken::cause(links, served.link, served.address, &subject.facts.pair) {
            found.push(Finding { fix, ..Finding::new(Level::Warn, "bridge-vlan", text) });
        } else if let Some(place) = place(links, served.link) {
            found.push(judge(subject, served, &place));
            found.extend(natives(links, served, &place));
        }
    }
}

/// The ports that lead out of a bridge, when what comes in without a tag is not of one VLAN at all of them, and our VLAN is one of
/// those: by some it is reached without a tag, by others with one.
fn natives(links: &Links, served: &Served, place: &Place) -> Option<Finding> {
    let ports = candidates::below(links, place.bridge).into_iter().filter(|port| port.index != place.port.index);
    let natives: Vec<(&str, Option<u16>)> =
        ports.filter_map(|port| Some((port.name.as_str(), port.vlans.as_ref()?.pvid()))).collect();
    let differ = natives.iter().any(|(_, native)| Some(*native) != natives.first().map(|(_, first)| *first));
    let ours = natives.iter().any(|(_, native)| native.is_some() && *native == place.vlan);
    if !differ || !ours {
        return None;
    }
    let native = |(port, vlan): &(&str, Option<u16>)| match vlan {
        Some(vlan) => format!("of VLAN {vlan} at {port}"),
        None => format!("dropped at {port}"),
    };
    let natives: Vec<String> = natives.iter().map(native).collect();
    let (bridge, ip) = (&place.bridge.name, served.address.ip);
    let text = format!(
        "frames without a tag are not of one VLAN at all ways out of {bridge}, {}: {ip} is reached without a tag by those of its own \
         alone",
        natives.join(", ")
    );
    Some(Finding::new(Level::Info, "bridge-vlan", text))
}

fn judge(subject: &Subject, served: &Served, place: &Place) -> Finding {
    let links = &subject.facts.links;
    let (port, bridge, ip) = (&place.port.name, &place.bridge.name, served.address.ip);
    // What --install wrote is in force again with the next ifup.
    let anew = |vlan: &str| advice::reinstall(links, served.link, (bridge, Some(vlan)), &subject.facts.pair);
    let moved = |to: &str, from: &str| anew(to).unwrap_or_else(|| set(place, to, from));
    let warn = |text: String, fix: String| Finding::new(Level::Warn, "bridge-vlan", text).with_fix(fix);
    let vlan = match vlan_place::reached(links, place, served.link, ip) {
        Ok(vlan) => vlan,
        Err((text, fix)) => {
            let level = if fix.is_some() { Level::Warn } else { Level::Info };
            let fix = if place.vlan.is_none() { anew("N").or(fix) } else { fix };
            return Finding { fix, ..Finding::new(level, "bridge-vlan", text) };
        }
    };
    if let Some((other, theirs)) = elsewhere(links, served, place, vlan) {
        let text = format!(
            "{port} is in VLAN {vlan} of {bridge}, and {other} has the network of {ip} in VLAN {theirs}: who asks there is \
             not heard"
        );
        return warn(text, moved(&theirs.to_string(), &vlan.to_string()));
    }
    if let Some(other) = stranger(links, served, place, vlan) {
        let text = format!(
            "{port} is in VLAN {vlan} of {bridge}, as every port is that nobody puts elsewhere; {other} has another network \
             there, and nobody of this host that of {ip}: if its VLAN is another, nobody is reached"
        );
        return warn(text, moved("N", &vlan.to_string()));
    }
    let with_us: Vec<&str> = vlan_place::with(links, place, vlan).map(|other| other.name.as_str()).collect();
    let text = format!("{ip}: VLAN {vlan} of {bridge}, as {}", with_us.join(", "));
    Finding::new(Level::Ok, "bridge-vlan", text)
}

/// Another link of this host with the same network in another VLAN of the bridge, and none in ours.
fn elsewhere<'a>(links: &'a Links, served: &Served, place: &Place, vlan: u16) -> Option<(&'a str, u16)> {
    let mut found = None;
    for (link, theirs) in neighbours(links, served, place) {
        if link.addresses.iter().any(|address| served.address.covers(address.ip)) {
            if theirs == vlan {
                return None;
            }
            found = found.or(Some((link.name.as_str(), theirs)));
        }
    }
    found
}

/// Another link of this host in the same VLAN that has a network of the family, and not ours; where a port is that nobody
/// has set.
fn stranger<'a>(links: &'a Links, served: &Served, place: &Place, vlan: u16) -> Option<&'a str> {
    if vlan != KERNELS_VLAN || place.port.kind == Kind::Bridge {
        return None;
    }
    let beside: Vec<&Link> =
        neighbours(links, served, place).filter(|(_, theirs)| *theirs == vlan).map(|(link, _)| link).collect();
    let (v4, own) = (served.address.ip.is_ipv4(), served.address);
    // Every interface has a link-local address of IPv6.
    let of_family = |link: &&&Link| v4 && link.addresses.iter().any(|address| address.ip.is_ipv4());
    let ours = beside.iter().any(|link| link.addresses.iter().any(|address| own.covers(address.ip)));
    beside.iter().filter(|_| !ours).find(of_family).map(|link| link.name.as_str())
}

/// The other links with addresses that reach the same bridge, each with its VLAN there.
fn neighbours<'a>(links: &'a Links, served: &Served, at: &Place) -> impl Iterator<Item = (&'a Link, u16)> {
    let (carrier, bridge) = (served.link.index, at.bridge.index);
    links.iter().filter(move |link| link.index != carrier && link.up && !link.addresses.is_empty()).filter_map(
        move |link| {
            let place = place(links, link).filter(|place| place.bridge.index == bridge)?;
            Some((link, place.vlan?))
        },
    )
}
