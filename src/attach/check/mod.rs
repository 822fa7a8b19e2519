//! The findings of `--check-config` about this host. Pure: facts and configuration in, findings out. A fact that could not
//! be read gives no finding, and never a failure.

mod addresses;
mod anchors;
mod answers;
mod bridge_vlan;
mod conntrack;
mod drop_in;
mod firewall;
mod links;
mod mtu;
mod neighbours;
mod own_pair;
mod own_traffic;
mod pair_mtu;
mod places;
mod process;
mod programs;
mod switch_vlan;
mod tags;
#[cfg(test)]
mod tests;
mod unit;
mod way_back;
mod zero_copy;

pub use programs::share;

use super::finding::{Finding, Level};
use super::plan::{Decision, Outcome, Plan, plan};
use super::required;
use crate::config::{Config, XdpUse};
use crate::host::{Facts, InterfaceAddress, Link, PortState, Wanted};
use std::net::SocketAddr;

/// What the findings are about.
struct Subject<'a> {
    config: &'a Config,
    facts: &'a Facts,
    /// The sockets to be opened.
    listen: &'a [SocketAddr],
    /// What is to be attached where.
    plan: &'a Plan,
    /// The addresses that are reached from outside, each with the link that carries it.
    served: Vec<Served<'a>>,
    /// A runbound serves already: what it holds is no fault.
    running: bool,
    /// `xdp: require`: what would leave an address to kernel sockets keeps the program from starting.
    required: bool,
}

/// An address that is served, and the link that carries it.
struct Served<'a> {
    address: InterfaceAddress,
    link: &'a Link,
    outcome: &'a Outcome,
    decision: &'a Decision,
}

/// What the findings want to know about this host.
pub fn wanted(config: &Config, listen: &[SocketAddr]) -> Wanted {
    Wanted {
        listen: listen.to_vec(),
        udp: config.do_udp,
        tcp: config.do_tcp && config.incoming_num_tcp > 0,
        paths: places::wanted(config).into_iter().chain(anchors::wanted(config)).collect(),
        user: (!config.username.is_empty()).then(|| config.username.clone()),
        xdp: config.do_udp && config.xdp.enable != XdpUse::No && listen.iter().any(|listen| !listen.ip().is_loopback()),
    }
}

/// All findings, in the order of a query's way: addresses, links, neighbours, the host's firewall, the process, its files, its unit.
pub fn findings(config: &Config, listen: &[SocketAddr], facts: &Facts) -> Vec<Finding> {
    let owner = |state: &PortState| matches!(state, PortState::Taken(Some(who)) if addresses::is_runbound(who));
    let plan = plan(config, listen, &facts.links);
    let subject = Subject {
        config,
        facts,
        listen,
        served: served(&plan, facts),
        plan: &plan,
        required: required::is_required(config),
        running: facts.ports.iter().any(|port| owner(&port.state)),
    };
    let mut found = Vec::new();
    addresses::check(&subject, &mut found);
    links::check(&subject, &mut found);
    subject.links().iter().for_each(|served| pair_mtu::check(&subject, served.link, &mut found));
    bridge_vlan::check(&subject, &mut found);
    switch_vlan::check(&subject, &mut found);
    neighbours::check(&subject, &mut found);
    own_traffic::check(&subject, &mut found);
    way_back::check(&subject, &mut found);
    firewall::check(&subject, &mut found);
    conntrack::check(&subject, &mut found);
    process::check(&subject, &mut found);
    places::check(&subject, &mut found);
    anchors::check(&subject, &mut found);
    unit::check(&subject, &mut found);
    zero_copy::check(&subject, &mut found);
    answers::check(&subject, &mut found);
    found
}

/// The addresses of the plan, each once.
fn served<'a>(plan: &'a Plan, facts: &'a Facts) -> Vec<Served<'a>> {
    let mut all: Vec<Served<'a>> = Vec::new();
    for decision in &plan.decisions {
        let Some(link) = facts.links.by_index(decision.carrier) else { continue };
        for &(address, _) in &decision.addresses {
            if all.iter().all(|served| served.link.index != link.index || served.address != address) {
                all.push(Served { address, link, outcome: &decision.outcome, decision });
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

    /// What comes of an interface without XDP.
    fn otherwise(&self) -> &'static str {
        if self.required { "xdp: require, so the program does not start" } else { "kernel sockets serve" }
    }

    /// How much that matters.
    fn level(&self) -> Level {
        if self.required { Level::Fail } else { Level::Warn }
    }

    /// Whether no program goes anywhere and one must.
    fn is_unmet(&self) -> bool {
        self.required && self.plan.targets.is_empty()
    }

    /// Whether a process has one of the addresses that are to be listened at.
    fn is_served_by(&self, who: &str) -> bool {
        self.facts.ports.iter().any(|port| matches!(&port.state, PortState::Taken(Some(owner)) if owner == who))
    }

    /// Whether a program is to be attached anywhere.
    fn attaches(&self) -> bool {
        self.served.iter().any(|served| !matches!(served.outcome, Outcome::Kernel { .. }))
    }
}
