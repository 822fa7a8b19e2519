//! Proxmox' firewall of the host itself. XDP answers before it; what the kernel is to answer (TCP, and the UDP that XDP leaves
//! to it) it drops unless a rule lets it in.

use super::{Served, Subject};
use crate::attach::finding::{Finding, Level};
use crate::attach::plan::Outcome;
use crate::host::{self, AddressNames, Firewall, Link, Named, Rule, Verdict};
use crate::number;
use std::net::IpAddr;

/// Where rules of this host alone stand.
const RULES: &str = "[RULES] of /etc/pve/local/host.fw";
const DNS_PORT: u16 = 53;
/// The macro for it, and the service of /etc/services.
const DNS_MACRO: &str = "DNS";
const DNS_SERVICE: &str = "domain";

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    let Some(firewall) = &subject.facts.firewall else { return };
    if subject.served.is_empty() {
        return;
    }
    // What a file that cannot be read says may be that it is on.
    found.extend(first_of(&firewall.unread));
    if firewall.on {
        found.extend(first_of(&firewall.passed_over));
        for served in &subject.served {
            let ports = served.decision.addresses.iter().filter(|(address, _)| *address == served.address);
            found.extend(ports.filter_map(|&(_, port)| judge(subject, firewall, served, port)));
        }
    }
}

/// One finding for them all.
fn first_of(lines: &[String]) -> Option<Finding> {
    let (first, more) = lines.split_first()?;
    let more = if more.is_empty() { String::new() } else { format!(" (and {} more)", more.len()) };
    Some(Finding::new(Level::Info, "host-firewall", format!("Proxmox' firewall of this host: {first}{more}")))
}

/// A query that the kernel is to answer.
struct Query<'a> {
    protocol: Protocol,
    ip: IpAddr,
    port: u16,
    /// The interface it comes in by.
    link: &'a Link,
    /// What the rules name.
    names: &'a AddressNames,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Udp,
    Tcp,
}

impl Protocol {
    /// Its name, as messages have it.
    const fn word(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// The names that it has in rules: that of /etc/protocols and its number.
    const fn names(self) -> [&'static str; 2] {
        match self {
            Self::Udp => ["udp", "17"],
            Self::Tcp => ["tcp", "6"],
        }
    }
}

/// What becomes of a query, and by which rule; by the policy where there is none.
enum Fate<'a> {
    In(Option<&'a Rule>),
    /// Of some clients alone.
    SomeIn(&'a Rule),
    /// A rule names what these files do not tell.
    Unknown(&'a Rule),
    Dropped(Option<&'a Rule>),
}

fn judge(subject: &Subject, firewall: &Firewall, served: &Served, port: u16) -> Option<Finding> {
    let config = subject.config;
    let (link, ip) = (served.link, served.address.ip);
    let spoken = [(Protocol::Udp, config.do_udp), (Protocol::Tcp, config.do_tcp && config.incoming_num_tcp > 0)];
    let fates: Vec<(Protocol, Fate)> = spoken
        .into_iter()
        .filter(|(_, spoken)| *spoken)
        .map(|(protocol, _)| (protocol, fate(firewall, &Query { protocol, ip, port, link, names: &firewall.names })))
        .collect();
    let on_xdp = !matches!(served.outcome, Outcome::Kernel { .. });
    let dropped: Vec<Protocol> =
        fates.iter().filter(|(_, fate)| matches!(fate, Fate::Dropped(_))).map(|(protocol, _)| *protocol).collect();
    let by = fates.iter().find_map(|(_, fate)| match fate {
        Fate::Dropped(by) => Some(*by),
        _ => None,
    });
    if let Some(by) = by {
        return Some(closed(on_xdp, ip, port, &dropped, by));
    }
    let passes = if on_xdp { "; it sees nothing of what XDP answers, which access-control: limits" } else { "" };
    let rule = |wanted: fn(&Fate) -> bool| fates.iter().map(|(_, fate)| fate).find(|fate| wanted(fate));
    if let Some(Fate::Unknown(rule)) = rule(|fate| matches!(fate, Fate::Unknown(_))) {
        let text = format!(
            "whether Proxmox' firewall of this host lets queries to {ip} port {port} in cannot be told: it depends on `{}` ({})",
            rule.text, rule.place
        );
        return Some(Finding::new(Level::Info, "host-firewall", text));
    }
    if let Some(Fate::SomeIn(rule)) = rule(|fate| matches!(fate, Fate::SomeIn(_))) {
        let text = format!(
            "Proxmox' firewall of this host lets queries to {ip} port {port} in from some clients alone, by `{}` ({}){passes}",
            rule.text, rule.place
        );
        return Some(Finding::new(Level::Info, "host-firewall", text));
    }
    let by = match rule(|fate| matches!(fate, Fate::In(Some(_))))? {
        Fate::In(Some(rule)) => format!("`{}` ({})", rule.text, rule.place),
        _ => return None,
    };
    let text = format!("Proxmox' firewall of this host lets queries to {ip} port {port} in, by {by}");
    Some(Finding::new(Level::Ok, "host-firewall", text))
}

/// A warning with the rule to add, and the command that adds it before all others.
fn closed(on_xdp: bool, ip: IpAddr, port: u16, dropped: &[Protocol], by: Option<&Rule>) -> Finding {
    let words: Vec<&str> = dropped.iter().map(|protocol| protocol.word()).collect();
    let cause = by.map_or_else(
        || "by its policy for what comes in (policy_in of /etc/pve/firewall/cluster.fw, DROP by default)".to_owned(),
        |rule| format!("by `{}` ({})", rule.text, rule.place),
    );
    let left = match (on_xdp, dropped) {
        (true, [Protocol::Tcp]) => "; UDP is let in",
        (true, _) => "; XDP answers UDP before it, and not what it leaves to the kernel",
        (false, _) => "",
    };
    // The macro is of both protocols.
    let (rules, commands): (Vec<String>, Vec<String>) = if port == DNS_PORT && dropped.len() == 2 {
        (vec![format!("IN {DNS_MACRO}(ACCEPT) -dest {ip}")], vec![format!("--macro {DNS_MACRO}")])
    } else {
        let name = |protocol: &Protocol| protocol.names()[0];
        let rule = |protocol: &Protocol| format!("IN ACCEPT -dest {ip} -p {} -dport {port}", name(protocol));
        let command = |protocol: &Protocol| format!("--proto {} --dport {port}", name(protocol));
        (dropped.iter().map(rule).collect(), dropped.iter().map(command).collect())
    };
    let text = format!(
        "Proxmox' firewall of this host drops {} to {ip} port {port}, {cause}{left}; put first in {RULES}: {}",
        words.join(" and "),
        rules.join(", ")
    );
    let create = "pvesh create /nodes/$(hostname -s)/firewall/rules --enable 1 --type in --action ACCEPT";
    let fix: Vec<String> = commands.iter().map(|what| format!("{create} --dest {ip} {what}")).collect();
    Finding::new(Level::Warn, "host-firewall", text).with_fix(fix.join("\n"))
}

/// The first rule that is about a query decides, as netfilter has it.
fn fate<'a>(firewall: &'a Firewall, query: &Query) -> Fate<'a> {
    let (mut unknown, mut some) = (None, None);
    let mut last = (firewall.policy, None);
    for rule in &firewall.rules {
        let fit = fit(rule, query);
        match (fit, rule.verdict) {
            (Fit::No, _) => {}
            (Fit::Yes, Some(verdict)) => {
                last = (verdict, Some(rule));
                break;
            }
            (Fit::Unknown, Some(Verdict::Accept)) | (_, None) => unknown = unknown.or(Some(rule)),
            (Fit::Some, Some(Verdict::Accept)) => some = some.or(Some(rule)),
            // Clients that are kept out are meant to be.
            (Fit::Some | Fit::Unknown, Some(Verdict::Drop)) => {}
        }
    }
    match (last, unknown, some) {
        ((Verdict::Accept, rule), ..) => Fate::In(rule),
        ((Verdict::Drop, _), Some(rule), _) => Fate::Unknown(rule),
        ((Verdict::Drop, _), None, Some(rule)) => Fate::SomeIn(rule),
        ((Verdict::Drop, rule), None, None) => Fate::Dropped(rule),
    }
}

/// Whether a rule is about a query.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    No,
    /// It names what these files do not tell.
    Unknown,
    /// If it comes from certain clients.
    Some,
    Yes,
}

fn fit(rule: &Rule, query: &Query) -> Fit {
    let parts = [
        clients(rule, query),
        interface(rule, query),
        protocol(rule, query),
        port(rule, query),
        destination(rule, query),
    ];
    parts.into_iter().min().unwrap_or(Fit::Yes)
}

/// A client whose address is of the other family never asks at this one.
fn clients(rule: &Rule, query: &Query) -> Fit {
    let ours = query.ip.is_ipv4();
    let is_other = |item: &str| match (query.names.set(item), query.names.alias(item)) {
        (Some(set), _) => set.has_family(ours) == Some(false),
        (None, Some(alias)) => alias.ip.is_ipv4() != ours,
        (None, None) => is_ipv4(item).is_some_and(|ipv4| ipv4 != ours),
    };
    match &rule.source {
        Some(list) if list.split(',').all(is_other) => Fit::No,
        _ if rule.some_clients => Fit::Some,
        _ => Fit::Yes,
    }
}

/// The family of an address, a network or a range; `None` of a name.
fn is_ipv4(item: &str) -> Option<bool> {
    let first = item.split(['/', '-']).next().unwrap_or(item);
    first.parse::<IpAddr>().ok().map(|ip| ip.is_ipv4())
}

fn yes(fits: bool) -> Fit {
    if fits { Fit::Yes } else { Fit::No }
}

fn interface(rule: &Rule, query: &Query) -> Fit {
    yes(rule.interface.as_ref().is_none_or(|name| query.link.is_called(name)))
}

fn protocol(rule: &Rule, query: &Query) -> Fit {
    yes(rule.protocol.as_deref().is_none_or(|name| query.protocol.names().contains(&name)))
}

/// Of all macros that of DNS alone has its port; which have another is not known here.
fn port(rule: &Rule, query: &Query) -> Fit {
    match (&rule.predefined, &rule.port) {
        (Some(name), _) if query.port == DNS_PORT => yes(name.eq_ignore_ascii_case(DNS_MACRO)),
        (Some(name), _) if name.eq_ignore_ascii_case(DNS_MACRO) => Fit::No,
        (Some(_), _) => Fit::Unknown,
        (None, Some(list)) => list.split(',').map(|item| port_of(item, query.port)).max().unwrap_or(Fit::No),
        (None, None) => Fit::Yes,
    }
}

/// A port, a range like `50:60`, or a service by name.
fn port_of(item: &str, port: u16) -> Fit {
    let (first, last) = item.split_once(':').unwrap_or((item, item));
    match (number::read(first, 0..=u16::MAX), number::read(last, 0..=u16::MAX)) {
        (Ok(first), Ok(last)) => yes((first..=last).contains(&port)),
        _ if port == DNS_PORT => yes(item == DNS_SERVICE),
        _ if item == DNS_SERVICE => Fit::No,
        _ => Fit::Unknown,
    }
}

fn destination(rule: &Rule, query: &Query) -> Fit {
    let Some(list) = &rule.destination else { return Fit::Yes };
    list.split(',').map(|item| destination_of(item, query)).max().unwrap_or(Fit::No)
}

/// An address, a network like `10.0.0.0/8`, a range like `10.0.0.1-10.0.0.9`, an alias or a set of the cluster. Other sets, as
/// those of the SDN, stand in files of their own.
fn destination_of(item: &str, query: &Query) -> Fit {
    let ip = query.ip;
    if let Some(set) = query.names.set(item) {
        return set.holds(ip).map_or(Fit::Unknown, yes);
    }
    if let Some(alias) = query.names.alias(item) {
        return yes(alias.covers(ip));
    }
    let range = item.split_once('-').and_then(|(first, last)| {
        let ends: (IpAddr, IpAddr) = (first.parse().ok()?, last.parse().ok()?);
        Some(ends.0..=ends.1)
    });
    match (host::network(item), range) {
        (Some(network), _) => yes(network.covers(ip)),
        (_, Some(range)) => yes(range.contains(&ip)),
        _ => Fit::Unknown,
    }
}
