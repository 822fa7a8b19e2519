//! Whether the addresses are here, can be listened at, and are not what we forward to.

use super::{Served, Subject};
use crate::attach::advice::quoted;
use crate::attach::cause::Outside;
use crate::attach::cut_off::{self, CutOff};
use crate::attach::finding::{Finding, Level};
use crate::config::ScopedAddress;
use crate::host::{Link, Links, Named, Occupant, PAIR, PortProbe, PortState, is_link_local, is_of_pair, zone_index};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Servers that are known to be units of the same name.
const UNITS: [&str; 8] = ["coredns", "dnsmasq", "knotd", "kresd", "named", "nsd", "pdns_recursor", "unbound"];

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    present(subject, found);
    let links = subject.links();
    found.extend(links.iter().filter_map(|served| down(subject, served)));
    ports(subject, found);
    forward_loops(subject, found);
}

/// An interface that nobody outside reaches.
fn down(subject: &Subject, served: &Served) -> Option<Finding> {
    let way = |ip| subject.facts.route(ip).map(str::to_owned);
    let outside = Outside { way: &way, bridge: &|_| None };
    let CutOff { text, fix, waits, .. } = cut_off::of(&subject.facts.links, served.decision, subject.listen, outside)?;
    let level = if waits { Level::Info } else { Level::Warn };
    // Of the pair that --install made, its files know the bridge.
    let out = is_of_pair(&served.link.name)
        && !subject.facts.pair.is_empty()
        && subject.facts.links.pair_beyond(served.link).is_some_and(|port| port.master.is_none());
    let fix = if out && fix.is_some() { Some(format!("ifup --force {PAIR}")) } else { fix };
    Some(Finding { fix, ..Finding::new(level, "link-down", text) })
}

fn present(subject: &Subject, found: &mut Vec<Finding>) {
    let duplicates = cut_off::duplicates(subject.listen, &subject.facts.links);
    let failed = |CutOff { text, fix, .. }| Finding { fix, ..Finding::new(Level::Fail, "address", text) };
    let mut seen: Vec<IpAddr> = duplicates.iter().filter_map(|duplicate| duplicate.link.parse().ok()).collect();
    found.extend(duplicates.into_iter().map(failed));
    found.extend(subject.facts.occupants.iter().map(|occupant| occupied(subject, occupant)));
    let named = subject.listen.iter().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified());
    // Of all addresses of the host those alone that are worth a word.
    let is_twice = |ip: &IpAddr| !is_link_local(*ip) && subject.facts.links.carriers(*ip).nth(1).is_some();
    let any = subject.served.iter().map(|served| served.address.ip).filter(is_twice);
    for ip in named.chain(any) {
        if seen.contains(&ip) {
            continue;
        }
        seen.push(ip);
        let carriers: Vec<&Link> = subject.facts.links.carriers(ip).collect();
        let names: Vec<&str> = carriers.iter().map(|link| link.name.as_str()).collect();
        found.push(match names[..] {
            [] => absent(subject, ip),
            [name] if carriers[0].detection(ip).is_some() => {
                let text = format!(
                    "{ip} is on {name}, and answered when duplicate address detection is over, in a second or two"
                );
                Finding::new(Level::Info, "address", text)
            }
            [name] => Finding::new(Level::Ok, "address", format!("{ip} is on {name}")),
            _ if ip.is_loopback() || is_link_local(ip) => {
                Finding::new(Level::Ok, "address", format!("{ip} is on {}", names.join(", ")))
            }
            _ => {
                let text = format!("{ip} is on {}: which of them answers is left to chance", names.join(" and "));
                // At the pair that was made for it XDP is at its best.
                let is_spare = |link: &&&Link| !cut_off::is_ours(&subject.facts.links, link);
                let spare = carriers.iter().find(is_spare).unwrap_or(&carriers[0]);
                let prefix = spare.address(ip).map_or(0, |address| address.prefix);
                let fix = format!("ip address del {ip}/{prefix} dev {}", quoted(&spare.name));
                Finding::new(Level::Warn, "address", text).with_fix(fix)
            }
        });
    }
}

/// Another host answers ARP for it as well. The kernel looks for that of IPv6 addresses alone.
fn occupied(subject: &Subject, Occupant { ip, mac, link }: &Occupant) -> Finding {
    let name = subject.facts.links.by_index(*link).map_or("?", |link| link.name.as_str());
    let mac = mac.map(|octet| format!("{octet:02x}")).join(":");
    let text = format!(
        "{ip} is on {name}, and another host has it, too: {mac} answers for it there, and clients ask the one or the other; give one of \
         the two another address"
    );
    Finding::new(Level::Warn, "address", text).with_fix(format!("arping -D -c 3 -I {} {ip}", quoted(name)))
}

/// An address that no link carries may still be had: 127.0.0.0/8, and with ip_nonlocal_bind every one.
fn absent(subject: &Subject, ip: IpAddr) -> Finding {
    let state = subject.facts.ports.iter().find(|port| port.address.ip() == ip).map(|port| &port.state);
    match state {
        _ if ip.is_ipv4() && ip.is_loopback() => Finding::new(Level::Ok, "address", format!("{ip} is on lo")),
        Some(PortState::Free) => {
            let text = format!("no interface carries {ip} yet: kernel sockets serve it once one does");
            Finding::new(Level::Warn, "address", text)
        }
        _ if subject.facts.pair.iter().any(|own| own.ip == ip) => {
            let is_there = subject.facts.links.by_name(PAIR).is_some();
            let state = if is_there { "was brought up without it" } else { "was not brought up" };
            let text = format!(
                "no interface carries {ip}: the pair {PAIR}, which has it by the files of --install, {state}; it is answered as soon \
                 as the pair has it"
            );
            Finding::new(Level::Fail, "address", text).with_fix(format!("ifup --force {PAIR}"))
        }
        _ if subject.config.awaits_addresses() => {
            let text = format!("no interface carries {ip} yet: it is answered as soon as one does (ip-freebind: yes)");
            Finding::new(Level::Warn, "address", text)
        }
        _ => {
            let text = format!(
                "no interface carries {ip}: it is not answered before one does; add it to one, correct interface:, or set \
                 ip-freebind: yes if it comes later"
            );
            Finding::new(Level::Fail, "address", text).with_fix("ip -brief address")
        }
    }
}

/// Whether the owner of a socket is a server of ours.
pub(super) fn is_runbound(owner: &str) -> bool {
    owner.starts_with("runbound (pid ")
}

fn ports(subject: &Subject, found: &mut Vec<Finding>) {
    let before = found.len();
    for PortProbe { address, tcp, state } in &subject.facts.ports {
        let protocol = if *tcp { "TCP" } else { "UDP" };
        let PortState::Taken(owner) = state else { continue };
        found.push(match owner.as_deref() {
            Some(owner) if is_runbound(owner) => {
                Finding::new(Level::Info, "port", format!("{address} over {protocol} is served by {owner} now"))
            }
            owner => {
                let text = format!("{address} over {protocol} is taken by {}", owner.unwrap_or("another process"));
                Finding::new(Level::Fail, "port", text).with_fix(make_way(owner.unwrap_or(""), address.port()))
            }
        });
    }
    let probes = &subject.facts.ports;
    if found.len() == before && !probes.is_empty() && probes.iter().all(|port| port.state == PortState::Free) {
        found.push(Finding::new(Level::Ok, "port", "every address and port to listen at is free"));
    }
}

/// How a server that is in the way is stopped.
fn make_way(owner: &str, port: u16) -> String {
    let name = owner.split(' ').next().unwrap_or("");
    match name {
        // The kernel keeps 15 octets of a process's name.
        "systemd-resolve" => "mkdir -p /etc/systemd/resolved.conf.d\n\
             printf '[Resolve]\\nDNSStubListener=no\\n' > /etc/systemd/resolved.conf.d/runbound.conf\n\
             systemctl restart systemd-resolved"
            .into(),
        name if UNITS.contains(&name) => format!("systemctl disable --now {}", name.replace("pdns_", "pdns-")),
        _ => format!("ss -lpn 'sport = :{port}'"),
    }
}

/// Whether a link carries the address; of a link-local one, the link of its zone.
fn carries(links: &Links, address: &ScopedAddress) -> bool {
    let names = links.iter().flat_map(|link| link.names().map(|name| (name, link.index)));
    let zone = || zone_index(&address.zone, names.clone());
    let meant = |link: &Link| !address.is_link_local() || zone() == Some(link.index);
    links.carriers(address.ip).any(meant)
}

/// The address that the kernel sends to for this one: to the unspecified one by way of loopback, to an IPv4 address that is
/// written as IPv6 over IPv4.
fn reached(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

fn forward_loops(subject: &Subject, found: &mut Vec<Finding>) {
    let config = subject.config;
    let servers = config.forward_zones.iter().flat_map(|zone| &zone.servers);
    for server in servers {
        let ip = reached(server.address.ip);
        if config.do_not_query_localhost && server.address.ip.is_loopback() {
            continue;
        }
        let here = ip.is_loopback() || carries(&subject.facts.links, &server.address);
        let ours = |listen: &&SocketAddr| {
            let any = listen.ip().is_unspecified() && listen.is_ipv4() == ip.is_ipv4();
            listen.port() == server.port && (listen.ip() == ip || any && here) && (here || !is_link_local(ip))
        };
        if let Some(listen) = subject.listen.iter().find(ours) {
            let text = format!(
                "{}: forward-addr: {}@{} is this server itself (it listens at {listen}): every question would go in a \
                 circle; name another server",
                config.files.describe(server.at),
                server.address,
                server.port
            );
            found.push(Finding::new(Level::Fail, "forward-loop", text));
        }
    }
}
