//! The network in force: the plan of the first source that says anything, made real; its leases; interfaces that come and
//! go; other settings while it runs.
//!
//! | file | holds |
//! |---|---|
//! | `apply`, `withdraw` | a plan made real, and taken back |
//! | `routes`, `messages`, `netlink` | the kernel's routes, links and addresses |
//! | `links` | the Ethernet interfaces there are, and those that come and go |
//! | `dhcp`, `router` | leases; name servers that routers tell |

mod apply;
pub mod dhcp;
mod links;
mod messages;
pub mod netlink;
pub mod router;
pub mod routes;
mod withdraw;

use crate::cloudinit::seed::Seed;
use crate::machine::modules::Modules;
use crate::netconf::{LinkKind, LinkPlan, NetworkPlan, cmdline};
use crate::network::apply::{Applied, apply};
use crate::network::dhcp::{AddressClient, Dhcp, Dhcp6};
use crate::network::links::nics;
use crate::network::withdraw::withdraw;
use runbound::host::{Interface, interfaces};
use std::time::Instant;

/// What a source says, and which that is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What the network is to be.
    pub plan: NetworkPlan,
    /// DHCP and SLAAC on every interface that is there or comes.
    pub automatic: bool,
    /// The source, for the screen.
    pub source: String,
}

/// Settings made real.
#[derive(Default)]
pub struct Network {
    told: Settings,
    /// What was told, or DHCP on every interface where not one of those told is there.
    in_force: Settings,
    clients: Vec<Box<dyn AddressClient>>,
    /// The interfaces when they were last looked at.
    seen: Vec<(u32, Option<[u8; 6]>)>,
}

impl Settings {
    /// By the first source that says anything: the drive, the kernel's command line, else DHCP and SLAAC everywhere.
    pub fn of(seed: &Seed, cmdline: &str) -> Self {
        let mut servers = Vec::new();
        if let Some(parsed) = &seed.network {
            parsed.warnings.iter().for_each(|warning| log::warn!("network settings of {}: {warning}", seed.source));
            if !parsed.plan.links.is_empty() {
                let source = format!("cloud-init drive {}", seed.source);
                return Self { plan: parsed.plan.clone(), automatic: false, source };
            }
            servers.clone_from(&parsed.plan.nameservers);
            log::info!("the cloud-init drive names no interface");
        }
        let names: Vec<String> = nics().into_iter().map(|nic| nic.name).collect();
        if let Some(parsed) = cmdline::network(cmdline, &names) {
            parsed.warnings.iter().for_each(|warning| log::warn!("kernel command line: {warning}"));
            let mut plan = parsed.plan;
            servers.into_iter().for_each(|server| plan.add_nameserver(server));
            if !plan.links.is_empty() {
                return Self { plan, automatic: false, source: "kernel command line".into() };
            }
            servers = plan.nameservers;
        }
        log::info!("no network settings: DHCP and SLAAC on every Ethernet interface");
        let plan = NetworkPlan { nameservers: servers, ..NetworkPlan::default() };
        Self { plan, automatic: true, source: "DHCP and SLAAC".into() }
    }

    /// Whether both make the same interfaces: names of servers and hosts are not part of that.
    fn same_links(&self, other: &Self) -> bool {
        self.automatic == other.automatic
            && self.plan.links == other.plan.links
            && self.plan.routes == other.plan.routes
    }
}

impl Network {
    /// Makes the settings real.
    pub fn start(told: Settings, hostname: &str, modules: &mut Modules) -> Self {
        let seen = nics();
        if seen.is_empty() {
            log::error!("there is no Ethernet interface: nothing can be served; add a network device (virtio)");
        }
        let mut network = Self { in_force: told.clone(), told, clients: Vec::new(), seen: identities(&seen) };
        let applied = network.apply(modules);
        network.lease(&applied, hostname);
        network
    }

    /// Applies the plan. When not one interface of it is there, DHCP on those that are joins it: the machine is then
    /// reachable at all.
    fn apply(&mut self, modules: &mut Modules) -> Vec<Applied> {
        if self.told.automatic {
            self.add_automatic();
        }
        let applied = apply(&self.in_force.plan, modules);
        if !applied.is_empty() || self.told.automatic || nics().is_empty() {
            return applied;
        }
        log::error!(
            "no interface of the network settings is there: DHCP and SLAAC on all that are; correct the settings"
        );
        self.in_force.source = format!("DHCP and SLAAC: no interface of the {} is there", self.told.source);
        let before = self.in_force.plan.links.len();
        let automatic = NetworkPlan { links: self.add_automatic(), ..NetworkPlan::default() };
        let applied = apply(&automatic, modules);
        applied.into_iter().map(|link| Applied { plan: link.plan + before, ..link }).collect()
    }

    /// Adds the interfaces to the plan that it does not name; gives them.
    fn add_automatic(&mut self) -> Vec<LinkPlan> {
        let links = &mut self.in_force.plan.links;
        let is_named = |name: &String| links.iter().any(|link| link.kind == LinkKind::ByName(name.clone()));
        let new = nics().into_iter().map(|nic| nic.name).filter(|name| !is_named(name));
        let new = NetworkPlan::automatic(new).links;
        links.extend(new.clone());
        new
    }

    /// Other settings take the place of these. Gives the leases that are over by it.
    pub fn change(&mut self, told: Settings, hostname: &str, modules: &mut Modules) -> Vec<String> {
        if self.told.same_links(&told) {
            if self.in_force.source == self.told.source {
                self.in_force.source.clone_from(&told.source);
            }
            self.told = told;
            return Vec::new();
        }
        log::info!("other network settings: those before are taken back");
        let over = self.clients.iter().map(|client| client.source()).collect();
        withdraw(&self.in_force.plan);
        *self = Self::start(told, hostname, modules);
        over
    }

    /// Configures interfaces that came. Gives the leases of those that went; `None` when nothing changed.
    pub fn look(&mut self, hostname: &str, modules: &mut Modules) -> Option<Vec<String>> {
        let there = nics();
        let identities = identities(&there);
        if identities == self.seen {
            return None;
        }
        log::info!("interfaces changed: {}", names(&there));
        self.seen = identities;
        let all: Vec<u32> = interfaces().unwrap_or_default().iter().map(|interface| interface.index).collect();
        let gone = self.clients.extract_if(.., |client| !all.contains(&client.index()));
        let over = gone.map(|client| client.source()).collect();
        let applied = self.apply(modules);
        let new: Vec<Applied> = applied
            .into_iter()
            .filter(|link| !self.clients.iter().any(|client| client.index() == link.index))
            .collect();
        self.lease(&new, hostname);
        Some(over)
    }

    /// Where the settings in force came from.
    pub fn source(&self) -> &str {
        &self.in_force.source
    }

    /// The servers to forward to that the settings name.
    pub fn nameservers(&self) -> &[std::net::IpAddr] {
        &self.told.plan.nameservers
    }

    /// The clients that lease addresses, to be turned.
    pub fn clients(&self) -> &[Box<dyn AddressClient>] {
        &self.clients
    }

    /// The same, to turn them.
    pub fn clients_mut(&mut self) -> &mut [Box<dyn AddressClient>] {
        &mut self.clients
    }

    /// Whether what routers tell counts on this interface.
    pub fn takes_advertisements(&self, interface: &Interface) -> bool {
        self.in_force.plan.takes_advertisements(interface)
    }

    /// Who may still tell servers to forward to; `None` when nobody will.
    pub fn may_tell(&self) -> Option<&'static str> {
        if !self.clients.is_empty() {
            return Some("DHCP");
        }
        let advertised = self.in_force.plan.links.iter().any(|link| link.accept_ra == Some(true));
        advertised.then_some("a router")
    }

    /// Starts a DHCP client for each of these interfaces and each family that wants one.
    fn lease(&mut self, applied: &[Applied], hostname: &str) {
        let interfaces = interfaces().unwrap_or_default();
        let now = Instant::now();
        for link in applied {
            let plan = self.in_force.plan.links.get(link.plan);
            let (v4, v6) = plan.map_or((false, false), |plan| (plan.dhcp4, plan.dhcp6));
            if !v4 && !v6 {
                continue;
            }
            let mac = interfaces.iter().find(|interface| interface.index == link.index).and_then(|there| there.mac);
            let Some(mac) = mac else {
                log::error!("{}: no MAC address, so no DHCP", link.name);
                continue;
            };
            if v4 {
                match Dhcp::start(&link.name, link.index, mac, hostname, now) {
                    Ok(client) => self.clients.push(Box::new(client)),
                    Err(cause) => log::error!("{}: DHCP: {cause}", link.name),
                }
            }
            if v6 {
                match Dhcp6::start(&link.name, link.index, mac, now) {
                    Ok(client) => self.clients.push(Box::new(client)),
                    Err(cause) => log::error!("{}: DHCPv6: {cause}", link.name),
                }
            }
        }
    }
}

fn identities(nics: &[Interface]) -> Vec<(u32, Option<[u8; 6]>)> {
    nics.iter().map(|nic| (nic.index, nic.mac)).collect()
}

fn names(nics: &[Interface]) -> String {
    let names: Vec<&str> = nics.iter().map(|nic| nic.name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}
