//! The findings of `--check-config` about this host. Pure: facts and configuration in, findings out. A fact that could not
//! be read gives no finding, and never a failure.

mod addresses;
mod links;
mod neighbours;
mod process;
#[cfg(test)]
mod tests;
mod unit;
mod zero_copy;

use super::finding::Finding;
use super::is_global;
use super::plan::{self, Outcome};
use crate::config::Config;
use crate::host::{Facts, InterfaceAddress, Kind, Link, PortState};
use std::net::SocketAddr;

/// What the findings are about.
struct Subject<'a> {
    config: &'a Config,
    facts: &'a Facts,
    /// The sockets to be opened.
    listen: &'a [SocketAddr],
    /// The addresses that are reached from outside, each with the link that carries it.
    served: Vec<Served<'a>>,
    /// A runbound serves already: what it holds is no fault.
    running: bool,
}

/// An address that is served, and the link that carries it.
struct Served<'a> {
    address: InterfaceAddress,
    link: &'a Link,
    outcome: Outcome,
}

/// All findings, in the order of a query's way: addresses, links, neighbours, the process, its unit.
pub fn findings(config: &Config, listen: &[SocketAddr], facts: &Facts) -> Vec<Finding> {
    let owner = |state: &PortState| matches!(state, PortState::Taken(Some(who)) if addresses::is_runbound(who));
    let subject = Subject {
        config,
        facts,
        listen,
        served: served(config, listen, facts),
        running: facts.ports.iter().any(|port| owner(&port.state)),
    };
    let mut found = Vec::new();
    addresses::check(&subject, &mut found);
    links::check(&subject, &mut found);
    neighbours::check(&subject, &mut found);
    process::check(&subject, &mut found);
    unit::check(&subject, &mut found);
    zero_copy::check(&subject, &mut found);
    found
}

/// A wildcard stands for every global address of the host.
fn served<'a>(config: &Config, listen: &[SocketAddr], facts: &'a Facts) -> Vec<Served<'a>> {
    let mut all: Vec<Served<'a>> = Vec::new();
    for socket in listen {
        for link in facts.links.iter().filter(|link| link.kind != Kind::Loopback) {
            for &address in &link.addresses {
                let meant = match socket.ip() {
                    any if any.is_unspecified() => any.is_ipv4() == address.ip.is_ipv4() && is_global(address.ip),
                    ip => ip == address.ip,
                };
                let known = all.iter().any(|served| served.link.index == link.index && served.address == address);
                if meant && !known {
                    all.push(Served { address, link, outcome: plan::outcome(config, link) });
                }
            }
        }
    }
    all
}

impl<'a> Subject<'a> {
    /// The links that carry served addresses, each once, with what is expected there.
    fn links(&self) -> Vec<&Served<'a>> {
        let mut links: Vec<&Served<'a>> = Vec::new();
        for served in &self.served {
            if !links.iter().any(|other| other.link.index == served.link.index) {
                links.push(served);
            }
        }
        links
    }

    /// Whether a program is to be attached anywhere.
    fn attaches(&self) -> bool {
        self.served.iter().any(|served| !matches!(served.outcome, Outcome::Kernel { .. }))
    }
}
