//! Whether what the host itself sends to the network of an address leaves by the veth pair of the server, although another
//! interface of the host is in that network: then that interface's address depends on the pair.

use super::{Served, Subject};
use crate::attach::advice::{self, quoted};
use crate::attach::finding::{Finding, Level};
use crate::host::{InterfaceAddress, Link, PAIR_METRIC, is_of_pair};

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    let mut all: Vec<Finding> = subject.served.iter().filter_map(|served| of(subject, served)).collect();
    // Of several addresses in one network the same is said.
    all.dedup_by(|next, one| next.fix == one.fix);
    found.append(&mut all);
}

fn of(subject: &Subject, served: &Served) -> Option<Finding> {
    let Served { link, address, .. } = served;
    let links = &subject.facts.links;
    links.pair_beyond(link)?;
    let route = subject.facts.best_route_of(address.ip).filter(|route| route.link == link.name)?;
    let segment = links.segment(link);
    let stands = |other: &&Link| segment.hears.contains(&other.index) && links.pair_beyond(other).is_none();
    let mut others = links.iter().filter(|other| other.index != link.index).filter(stands);
    let (other, own) = others.find_map(|other| Some((other, network_of(subject, other, *address)?)))?;
    let (name, out) = (&link.name, &other.name);
    let strict = if own.ip.is_ipv4() { format!(", or with a strict rp_filter on {out}") } else { String::new() };
    let text = format!(
        "{out} has {own}, and what this host itself sends to that network leaves by {name}, whose route there goes before that of \
         {out} (metric {}): while nothing passes {name}{strict}, {} is cut off; the file that \
         --install writes gives {name} a metric that lets {out} go first",
        route.metric, own.ip
    );
    // The file of an earlier --install has no metric, and gives the address anew with the next ifup.
    let lasting = advice::written_anew(links, &subject.facts.pair, None).filter(|_| is_of_pair(name));
    let commands: Vec<String> = std::iter::once(mend(link, own)).chain(lasting).collect();
    Some(Finding::new(Level::Warn, "own-traffic", text).with_fix(commands.join("\n")))
}

/// The address of `link` whose network, to which a route goes by that link, is the one that `address` is in.
fn network_of(subject: &Subject, link: &Link, address: InterfaceAddress) -> Option<InterfaceAddress> {
    let by_link =
        subject.facts.routes_of(address.ip).iter().filter(|route| route.link == link.name && route.gateway.is_none());
    let routed = |own: &InterfaceAddress| {
        by_link.clone().any(|route| route.destination.prefix == own.prefix && route.destination.covers(own.ip))
    };
    link.addresses.iter().copied().find(|own| own.ip != address.ip && own.covers(address.ip) && routed(own))
}

/// Each address of the link in that network brings its route with the metric, and no longer prefix, which would go before any
/// metric.
fn mend(link: &Link, network: InterfaceAddress) -> String {
    let name = quoted(&link.name);
    let inside = link.addresses.iter().filter(|own| network.covers(own.ip));
    let commands = inside.map(|own| {
        let InterfaceAddress { ip, prefix } = *own;
        match prefix == network.prefix {
            true => format!("ip address change {own} dev {name} metric {PAIR_METRIC}"),
            false => format!(
                "ip address add {ip}/{} dev {name} metric {PAIR_METRIC}\nip address del {ip}/{prefix} dev {name}",
                network.prefix
            ),
        }
    });
    commands.collect::<Vec<_>>().join("\n")
}
