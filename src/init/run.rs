//! The loop of PID 1: one poll(2) over the server, signals, leases and services, until somebody wants the power off.

use super::apply::apply;
use super::boot::{Booted, boot, start_dhcp};
use super::forwarders::own_addresses;
use super::hotplug::Hotplug;
use super::journal;
use super::links::nics;
use super::netconf::cmdline;
use super::server::Server;
use super::service::{Event, Service};
use super::shutdown;
use super::{agent::Agent, console::Console, power::PowerButton, watchdog::Watchdog};
use crate::host::{Interface, Watch, interfaces};
use crate::sys::signals::SignalFd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::process::{Signal, WaitOptions, wait};
use rustix::system::RebootCommand;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// The loop turns at least so often: children are reaped, the watchdog sees that it lives.
const TURN: Duration = Duration::from_secs(1);
/// On the kernel's command line: log lines on the console all the time, in place of the screen.
const LOG_WORD: &str = "runbound.log";

/// Boots, and keeps the machine until it is switched off.
pub fn run() -> ! {
    std::panic::set_hook(Box::new(|panic| log::error!("{panic}; this is a bug of PID 1, the kernel resets")));
    let mut run = Run::new(boot(), Instant::now());
    loop {
        if let Some(command) = run.turn() {
            shutdown::end(&mut run.server, &mut run.services, command);
            // The kernel refused, which is past all help; PID 1 must not end.
            std::thread::sleep(TURN);
        }
    }
}

struct Run {
    booted: Booted,
    server: Server,
    signals: Option<SignalFd>,
    services: Vec<Box<dyn Service>>,
    /// The interfaces when they were last looked at.
    nics: Vec<(u32, Option<[u8; 6]>)>,
}

impl Run {
    fn new(mut booted: Booted, now: Instant) -> Self {
        let signals = SignalFd::new().map_err(|cause| log::error!("signalfd: {cause}; Ctrl-Alt-Del is ignored")).ok();
        let mut services: Vec<Box<dyn Service>> = Vec::new();
        let (watch, trouble) = Watch::open(now);
        if let Some(cause) = trouble {
            log::error!("netlink: {cause}; interfaces that come later are looked for every two seconds");
        }
        services.push(Box::new(watch));
        booted.routers.take().into_iter().for_each(|routers| services.push(Box::new(routers)));
        match Hotplug::open(booted.modules.clone()) {
            Ok(hotplug) => services.push(Box::new(hotplug)),
            Err(cause) => log::error!("uevents: {cause}; devices that come later have no driver"),
        }
        PowerButton::open_all().into_iter().for_each(|button| services.push(Box::new(button)));
        Agent::open().into_iter().for_each(|agent| services.push(Box::new(agent)));
        Watchdog::open(now).into_iter().for_each(|watchdog| services.push(Box::new(watchdog)));
        if cmdline::has(&booted.cmdline, LOG_WORD) {
            log::info!("{LOG_WORD}: the log stays on the console, without the screen");
        } else {
            services.push(Box::new(Console::open(journal::warnings(), now)));
            journal::leave_console();
        }
        let nics = identities(&nics());
        let mut run = Self { server: Server::new(Path::new(""), now), booted, signals, services, nics };
        run.name_servers();
        run.server = Server::new(&run.booted.adopted.entry, now);
        run
    }

    /// Waits for what happens next and does it. A command ends the loop.
    fn turn(&mut self) -> Option<RebootCommand> {
        let (server, signals, leases, services) = self.wait();
        let now = Instant::now();
        let mut events = Vec::new();
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            self.server.reaped(pid, status, now);
        }
        self.server.turn(server, now);
        if self.booted.adopted.look(&self.booted.store) {
            log::info!("the server reads it");
            self.server.signal(Signal::HUP);
        }
        let status = &mut self.booted.status;
        status.server = self.server.pid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
        status.restarts = self.server.restarts();
        if !signals.is_empty() && self.signals.as_ref().is_some_and(|signals| signals.next().is_some()) {
            events.push(Event::Reboot("Ctrl-Alt-Del".into()));
        }
        for (client, readiness) in self.booted.dhcp.iter_mut().zip(leases) {
            if is_due(client.as_ref(), readiness, now) {
                events.extend(client.turn(readiness, now, &self.booted.status));
            }
        }
        let mut ready = services.into_iter();
        self.services.retain_mut(|service| {
            let readiness = ready.next().unwrap_or(PollFlags::empty());
            if !is_due(service.as_ref(), readiness, now) {
                return true;
            }
            let mut stays = true;
            for event in service.turn(readiness, now, &self.booted.status) {
                match event {
                    Event::Close(why) => {
                        if !why.is_empty() {
                            log::info!("{why}");
                        }
                        stays = false;
                    }
                    event => events.push(event),
                }
            }
            stays
        });
        events.into_iter().find_map(|event| self.act(event, now))
    }

    /// What is ready: the server's log, signals, leases, services.
    fn wait(&self) -> (PollFlags, PollFlags, Vec<PollFlags>, Vec<PollFlags>) {
        let leases = self.booted.dhcp.iter().map(|client| client.as_ref() as &dyn Service);
        let others = self.services.iter().map(|service| service.as_ref());
        let services: Vec<&dyn Service> = leases.chain(others).collect();
        let own = [self.server.fd(), self.signals.as_ref().map(|signals| signals.as_fd())];
        let own = own.into_iter().map(|fd| (fd, PollFlags::IN));
        let all: Vec<(Option<BorrowedFd<'_>>, PollFlags)> =
            own.chain(services.iter().map(|service| (service.fd(), service.interest()))).collect();
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(all.len());
        for (fd, interest) in &all {
            fds.extend(fd.as_ref().map(|fd| PollFd::new(fd, *interest)));
        }
        let now = Instant::now();
        let deadlines = services.iter().filter_map(|service| service.deadline()).chain(self.server.deadline());
        let timeout = deadlines.map(|at| at.saturating_duration_since(now)).min().unwrap_or(TURN).min(TURN);
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        if let Err(cause) = poll(&mut fds, Some(&timeout))
            && cause != rustix::io::Errno::INTR
        {
            log::error!("poll: {cause}");
            std::thread::sleep(TURN);
        }
        let mut ready = fds.iter().map(PollFd::revents);
        let mut flags = all.iter().map(|(fd, _)| match fd {
            Some(_) => ready.next().unwrap_or(PollFlags::empty()),
            None => PollFlags::empty(),
        });
        let server = flags.next().unwrap_or(PollFlags::empty());
        let signals = flags.next().unwrap_or(PollFlags::empty());
        let leases = flags.by_ref().take(self.booted.dhcp.len()).collect();
        (server, signals, leases, flags.collect())
    }

    fn act(&mut self, event: Event, now: Instant) -> Option<RebootCommand> {
        match event {
            Event::PowerOff(who) => {
                log::info!("power off: {who}");
                return Some(RebootCommand::PowerOff);
            }
            Event::Reboot(who) => {
                log::info!("reset: {who}");
                return Some(RebootCommand::Restart);
            }
            Event::RestartServer(why) => {
                log::info!("server restarts: {why}");
                self.server.restart(now);
            }
            Event::ReloadServer(why) => {
                log::info!("server reloads: {why}");
                self.server.signal(Signal::HUP);
            }
            Event::NameServers(interface, servers) => {
                self.booted.servers.lease(&interface, servers);
                self.name_servers();
            }
            Event::RouterServers(index, servers) => self.router_servers(index, servers),
            Event::LinksChanged => {
                self.look_at_links();
                self.name_servers();
            }
            // Taken where the service is.
            Event::Close(_) => {}
        }
        None
    }

    /// Interfaces that came are configured; leases of those that went are forgotten.
    fn look_at_links(&mut self) {
        let there = nics();
        let identities = identities(&there);
        if identities == self.nics {
            return;
        }
        log::info!("interfaces changed: {}", names(&there));
        self.nics = identities;
        let all: Vec<u32> = interfaces().unwrap_or_default().iter().map(|interface| interface.index).collect();
        let servers = &mut self.booted.servers;
        self.booted.dhcp.retain(|client| {
            let stays = all.contains(&client.index());
            if !stays {
                servers.lease(&client.source(), Vec::new());
            }
            stays
        });
        if self.booted.plan.links.is_empty() {
            let automatic = super::netconf::NetworkPlan::automatic(there.into_iter().map(|nic| nic.name));
            self.booted.plan.links = automatic.links;
        }
        let applied = apply(&self.booted.plan, &mut self.booted.modules);
        let new: Vec<_> = applied
            .into_iter()
            .filter(|link| !self.booted.dhcp.iter().any(|client| client.index() == link.index))
            .collect();
        self.booted.dhcp.extend(start_dhcp(&self.booted.plan, &new, &self.booted.status.hostname));
    }

    /// What routers tell counts on interfaces that are to take their word.
    fn router_servers(&mut self, index: u32, servers: Vec<IpAddr>) {
        let interfaces = interfaces().unwrap_or_default();
        let interface = interfaces.iter().find(|interface| interface.index == index);
        if !servers.is_empty() && !interface.is_some_and(|interface| self.booted.plan.takes_advertisements(interface)) {
            return;
        }
        let name = interface.map_or("an interface that went", |interface| &interface.name);
        let told: Vec<String> = servers.iter().map(ToString::to_string).collect();
        let told = if told.is_empty() { "none".to_owned() } else { told.join(" ") };
        log::info!("{name}: router advertisements: name servers: {told}");
        self.booted.servers.routers(index, servers);
        self.name_servers();
    }

    /// Writes the name servers that are known for the server to read; tells it when they changed.
    fn name_servers(&mut self) {
        let own: Vec<IpAddr> = own_addresses(&interfaces().unwrap_or_default());
        let usable = self.booted.servers.usable(&own);
        if !self.booted.adopted.write_entry(&usable) {
            return;
        }
        if usable.is_empty() && !self.booted.adopted.forwards_everything {
            let asked = !self.booted.dhcp.is_empty();
            if asked || self.booted.plan.links.iter().any(|link| link.accept_ra == Some(true)) {
                let who = if asked { "DHCP" } else { "a router" };
                log::info!("no name server to forward to yet: {who} may tell; only local data and the cache answer");
            } else {
                log::warn!("no name server to forward to: only local data and the cache answer; name one on the drive");
            }
        }
        if self.server.pid().is_some() {
            let servers: Vec<String> = usable.iter().map(ToString::to_string).collect();
            log::info!("name servers: {}", servers.join(" "));
            self.server.signal(Signal::HUP);
        }
    }
}

fn is_due(service: &dyn Service, readiness: PollFlags, now: Instant) -> bool {
    !readiness.is_empty() || service.deadline().is_some_and(|at| now >= at)
}

fn identities(nics: &[Interface]) -> Vec<(u32, Option<[u8; 6]>)> {
    nics.iter().map(|nic| (nic.index, nic.mac)).collect()
}

fn names(nics: &[Interface]) -> String {
    let names: Vec<&str> = nics.iter().map(|nic| nic.name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}
