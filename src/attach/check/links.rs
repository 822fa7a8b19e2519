//! The links below each address, and what XDP can do there.

use super::mtu;
use super::own_pair;
use super::programs;
use super::{Served, Subject, tags, zero_copy};
use crate::attach::advice::{self, quoted};
use crate::attach::chain::Chain;
use crate::attach::finding::{Finding, Level};
use crate::attach::plan::{Outcome, Target};
use crate::attach::required;
use crate::attach::taken;
use crate::config::Toggle;
use crate::host::{Kind, Link};
use std::net::IpAddr;

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    xdp_interface(subject, found);
    if subject.is_unmet() && subject.served.is_empty() {
        let cause = required::unmet(subject.config, subject.plan, &subject.facts.links).unwrap_or_default();
        found.push(Finding::new(Level::Fail, "xdp-support", format!("{}: {cause}", subject.otherwise())));
    }
    for served in subject.links() {
        let chain = Chain::from(&subject.facts.links, served.link);
        let addresses: Vec<String> = subject
            .served
            .iter()
            .filter(|other| other.link.index == served.link.index)
            .map(|other| other.address.ip.to_string())
            .collect();
        found.push(Finding::new(Level::Info, "topology", format!("{}: {chain}", addresses.join(", "))));
        found.push(support(subject, served));
        passed_over(served, found);
        bridges_above(subject, served.link, &chain, found);
    }
    for target in &subject.plan.targets {
        let Some(link) = subject.facts.links.by_index(target.index) else { continue };
        mtu::check(subject, link, target, found);
        tags::check(subject, link, target, found);
        queues(subject, link, target, found);
        programs::check(subject, link, found);
        physical(subject, link, target, found);
        standby(subject, target, found);
    }
}

fn xdp_interface(subject: &Subject, found: &mut Vec<Finding>) {
    let nowhere = subject.is_unmet();
    let level = if nowhere { Level::Fail } else { Level::Warn };
    for unused in &subject.plan.unused {
        let text = if nowhere { format!("{}; {}", unused.text, subject.otherwise()) } else { unused.text.clone() };
        found.push(Finding::new(level, "xdp-interface", text).with_fix("ip -brief address"));
    }
}

fn support(subject: &Subject, served: &Served) -> Finding {
    let name = &served.link.name;
    let what = match &served.outcome {
        Outcome::Kernel { reason, wanted } if subject.required && *wanted || subject.is_unmet() => {
            format!("{}: {reason}", subject.otherwise())
        }
        other => other.describe(&subject.facts.links),
    };
    let mut spots = served.outcome.spots().iter().filter_map(|spot| subject.facts.links.by_index(spot.index));
    if spots.any(|link| programs::in_the_way(subject, link).next().is_some()) {
        let until = if subject.required { "" } else { "; kernel sockets until then" };
        let text = format!("{name}: {what} when the other program there is gone (xdp-program){until}");
        return Finding::new(Level::Info, "xdp-support", text);
    }
    let mut spots = served.outcome.spots().iter().filter_map(|spot| subject.facts.links.by_index(spot.index));
    if spots.any(|link| mtu::is_too_long(subject, link)) {
        let text =
            format!("{name}: {what}, if its MTU is no more than the driver takes (mtu); else {}", subject.otherwise());
        return Finding::new(Level::Info, "xdp-support", text);
    }
    if zero_copy::is_refused(subject, served.outcome) {
        let text = format!("{name}: {what} with xdp-zerocopy: auto; with yes, kernel sockets serve (zero-copy)");
        return Finding::new(Level::Info, "xdp-support", text);
    }
    match served.outcome {
        Outcome::Native { why, sure: true, .. } => {
            Finding::new(Level::Ok, "xdp-support", format!("{name}: {what}: {why}"))
        }
        Outcome::Native { why, sure: false, .. } => {
            let text = format!("{name}: {what}: {why}; if not, {}", subject.otherwise());
            Finding::new(Level::Info, "xdp-support", text)
        }
        Outcome::Generic { .. } => generic(subject, served),
        Outcome::Kernel { wanted: false, .. } => {
            let level = if subject.is_unmet() { Level::Fail } else { Level::Info };
            Finding::new(level, "xdp-support", format!("{name}: {what}"))
        }
        // The finding of that name says it all.
        Outcome::Kernel { .. } if subject.facts.links.user_namespace => {
            Finding::new(Level::Info, "xdp-support", format!("{name}: {what}"))
        }
        Outcome::Kernel { wanted: true, .. } => {
            Finding { level: subject.level(), ..advise(subject, served, "xdp-support", format!("{name}: {what}")) }
        }
    }
}

/// The places on the way that were not taken although another was.
fn passed_over(served: &Served, found: &mut Vec<Finding>) {
    if served.outcome.spots().is_empty() {
        return;
    }
    for reason in &served.decision.passed_over {
        found.push(Finding::new(Level::Info, "xdp-candidate", format!("not at {reason}")));
    }
}

/// A frame that reached an AF_XDP socket's map slot and that the socket cannot take is dropped, in generic mode as in
/// native; on stacked links that is likely enough to be named.
fn generic(subject: &Subject, served: &Served) -> Finding {
    let name = &served.link.name;
    let text = format!("{name}: xdp-mode: generic, slower than the driver's hook");
    match &served.link.kind {
        Kind::Veth { .. } | Kind::Physical | Kind::Other(_) => Finding::new(Level::Info, "generic-mode", text),
        _ => {
            let text = format!(
                "{name}: xdp-mode: generic on a stacked interface: what its socket cannot take is dropped, not passed \
                 on, until the watchdog sees it"
            );
            advise(subject, served, "generic-mode", text)
        }
    }
}

/// A warning with the veth pair that would do better: for an address of its own where the host or its guests need this one, unless a
/// pair for such addresses is there; else for this one, where moving it does not cut the host off.
fn advise(subject: &Subject, served: &Served, name: &'static str, text: String) -> Finding {
    let Served { link, address, .. } = served;
    let ip = address.ip;
    let links = &subject.facts.links;
    let has_it_too = |other: &&Served| {
        other.address.ip == ip && other.link.index != link.index && !matches!(other.outcome, Outcome::Kernel { .. })
    };
    if let Some(other) = subject.served.iter().find(has_it_too) {
        let text = format!("{text}; {ip} is on {} as well, where XDP is better (address)", other.link.name);
        return Finding::new(Level::Warn, name, text);
    }
    if taken::before_bridge(links, link).is_some() {
        let text = format!("{text}; a pair beside it would get nothing either (bridge-vlan)");
        return Finding::new(Level::Warn, name, text);
    }
    let default = subject.facts.routes.iter().any(|route| route.destination.prefix == 0 && route.link == link.name);
    let install = if subject.facts.proxmox { advice::install(links, link, *address) } else { None };
    let (more, fix) = if install.is_some() {
        let why = if default {
            format!("the host needs {ip} there")
        } else if link.kind == Kind::Bridge && Chain::from(links, link).ends_here() && is_alone(link, ip) {
            format!("{} has guests alone, and they need {ip} there as their gateway", link.name)
        } else {
            format!("{ip} stays there, where Proxmox' files have it")
        };
        match own_pair::in_place_of_install(subject.facts, *address) {
            Some(instead) => (Some(format!("{why}; {instead}")), None),
            None => (Some(format!("{why}: give the server an address of its own, N, on a veth pair")), install),
        }
    } else if link.kind == Kind::Physical || default {
        let more = format!("the host needs {ip} there: give the server an address of its own, on a veth pair");
        (Some(more).filter(|_| link.kind != Kind::Physical), None)
    } else {
        let more = "an address on a veth pair has native XDP".to_owned();
        (Some(more), advice::veth_pair(links, link, *address))
    };
    let text = more.map_or(text.clone(), |more| format!("{text}; {more}"));
    Finding { level: Level::Warn, name, text, fix }
}

/// Whether a link has no other address by which clients of `ip` might get out.
fn is_alone(link: &Link, ip: IpAddr) -> bool {
    !link.addresses.iter().any(|own| own.ip != ip && own.covers(ip))
}

/// A link that is a port of a bridge hands its frames to that bridge; but VLANs of it get theirs before (the kernel's
/// `__netif_receive_skb_core`: `vlan_do_receive` stands before the rx_handler).
fn bridges_above(subject: &Subject, carrier: &Link, chain: &Chain, found: &mut Vec<Finding>) {
    let links = &subject.facts.links;
    let inside = chain.indices();
    let below = inside.iter().filter_map(|&index| links.by_index(index));
    for link in below {
        let takes = |master: &&Link| master.kind == Kind::Bridge || master.kind.is_open_vswitch();
        let Some(bridge) = links.master(link).filter(takes) else { continue };
        if inside.contains(&bridge.index) {
            continue;
        }
        let out = match bridge.kind {
            Kind::Bridge => format!("ip link set {} nomaster", quoted(&link.name)),
            _ => format!("ovs-vsctl --timeout=10 del-port {}", quoted(&link.name)),
        };
        let (name, bridge) = (&link.name, &bridge.name);
        found.push(if link.index == carrier.index {
            let text = format!(
                "{name} is a port of {bridge}: the bridge takes what comes in there, so TCP and all that XDP leaves to \
                 the kernel do not reach {name} itself; take it out ({bridge}'s guests lose this way out), or move the \
                 address to a veth pair at {bridge}"
            );
            Finding::new(Level::Warn, "bridge-above", text).with_fix(out)
        } else {
            let text = format!(
                "{name} is a port of {bridge} as well: the VLAN interfaces on {name} get their frames before the bridge \
                 does, so nothing is to be changed; guests on {bridge} do not see those VLANs"
            );
            Finding::new(Level::Info, "bridge-above", text)
        });
    }
}

fn queues(subject: &Subject, link: &Link, target: &Target, found: &mut Vec<Finding>) {
    let name = &link.name;
    let steer = subject.config.xdp.steer;
    found.push(match (link.rx_queues, steer, link.ntuple) {
        (1, ..) => Finding::new(Level::Ok, "rx-queues", format!("{name}: 1 receive queue, 1 AF_XDP socket")),
        (queues, Toggle::Auto, Some(true)) | (queues, Toggle::Yes, _) if target.physical => {
            let text =
                format!("{name}: {queues} receive queues; a rule of the driver is to send what is ours to queue 0");
            Finding::new(Level::Info, "rx-queues", format!("{text}, else an AF_XDP socket is on each"))
        }
        (queues, Toggle::Auto, Some(false)) if target.physical => {
            let text = format!("{name}: {queues} receive queues, an AF_XDP socket on each; its ntuple filters are off");
            Finding::new(Level::Info, "rx-queues", text).with_fix(format!("ethtool -K {} ntuple on", quoted(name)))
        }
        (queues, ..) => {
            let text = format!("{name}: {queues} receive queues, an AF_XDP socket on each");
            Finding::new(Level::Info, "rx-queues", text)
        }
    });
}

/// What attaching does to others on a network card.
fn physical(subject: &Subject, link: &Link, target: &Target, found: &mut Vec<Finding>) {
    if !target.resets {
        return;
    }
    let name = &link.name;
    let below = subject.facts.links.uppers(link).next().is_some();
    let level = if below { Level::Warn } else { Level::Info };
    let whose = match target.bond.and_then(|bond| subject.facts.links.by_index(bond)) {
        Some(bond) => format!(" and {} goes on with its other slaves: one is attached to after the other", bond.name),
        None if below => " with all that goes through it".into(),
        None => String::new(),
    };
    let text = format!("{name}: attaching and detaching may reset its link for seconds{whose}");
    found.push(Finding::new(level, "xdp-physical", text));
}

/// What a bond drops is not answered either: in active-backup what comes in at another slave than the active one. The program
/// is there all the same, since attaching when the bond has failed over would reset the link that it has failed over to.
fn standby(subject: &Subject, target: &Target, found: &mut Vec<Finding>) {
    let bond = target.bond.and_then(|bond| subject.facts.links.by_index(bond));
    let name = &target.interface;
    for line in target.shut() {
        let text = format!("{name}: {line}: the program is there, and serves as soon as the way up is open");
        found.push(Finding::new(Level::Info, "xdp-standby", text));
    }
    let Some(Link { name: bond, kind: Kind::Bond { mode, .. }, .. }) = bond.filter(|_| target.standby) else { return };
    let text = format!(
        "{name}: {bond} ({mode}) drops what comes in there now: the program is there, and serves as soon as {bond} takes it"
    );
    found.push(Finding::new(Level::Info, "bond-standby", text));
}
