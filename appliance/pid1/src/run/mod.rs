//! The loop of PID 1: one poll(2) over the server, signals, leases and services, until somebody wants the power off.
//!
//! | file | holds |
//! |---|---|
//! | `boot`, `shutdown` | what comes before the loop and after it |
//! | `server` | the server as a child process |
//! | `follow` | disks and media that changed |

mod boot;
mod follow;
mod server;
mod shutdown;

use crate::cloudinit::drives::Drives;
use crate::configuration::adopt::Change;
use crate::configuration::forwarders::{listed, own_addresses};
use crate::machine::journal;
use crate::netconf::cmdline;
use crate::service::{Event, Service};
use crate::services::agent::Agent;
use crate::services::clock::Clock;
use crate::services::console::Console;
use crate::services::hotplug::Hotplug;
use crate::services::lookout::Lookout;
use crate::services::power::PowerButton;
use crate::services::watchdog::Watchdog;
use boot::{Booted, boot};
use runbound::host::{Watch, interfaces};
use runbound::sys::signals::SignalFd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::process::{Signal, WaitOptions, wait};
use rustix::system::RebootCommand;
use server::Server;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// The loop turns at least so often: children are reaped, the watchdog sees that it lives.
const TURN: Duration = Duration::from_secs(1);
/// A server that died so often soon after its start gets another file.
const EARLY_ENDS: u32 = 3;
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
        match Hotplug::open(booted.modules.clone(), now) {
            Ok(hotplug) => services.push(Box::new(hotplug)),
            Err(cause) => log::error!("uevents: {cause}; devices that come later have no driver"),
        }
        PowerButton::open_all().into_iter().for_each(|button| services.push(Box::new(button)));
        Agent::open().into_iter().for_each(|agent| services.push(Box::new(agent)));
        services.push(Box::new(Lookout::new(now)));
        Clock::open(now).into_iter().for_each(|clock| services.push(Box::new(clock)));
        Watchdog::open(now).into_iter().for_each(|watchdog| services.push(Box::new(watchdog)));
        if cmdline::has(&booted.cmdline, LOG_WORD) {
            log::info!("{LOG_WORD}: the log stays on the console, without the screen");
        } else {
            services.push(Box::new(Console::open(journal::warnings(), now)));
            journal::leave_console();
        }
        let mut run = Self { server: Server::new(Path::new(""), now), booted, signals, services };
        run.write_name_servers();
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
        if self.server.pid().is_none() {
            self.booted.adopted.server_ended();
        }
        if self.server.turn(server, now) {
            self.booted.adopted.was_read(now);
        }
        self.look_at_configuration(now);
        let status = &mut self.booted.status;
        status.server = self.server.pid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
        status.restarts = self.server.restarts();
        status.starting = self.server.is_starting(now);
        status.forwards_everything = self.booted.adopted.facts.forwards_everything;
        if !signals.is_empty() && self.signals.as_ref().is_some_and(|signals| signals.next().is_some()) {
            events.push(Event::Reboot("Ctrl-Alt-Del".into()));
        }
        for (client, readiness) in self.booted.network.clients_mut().iter_mut().zip(leases) {
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
        let leases = self.booted.network.clients().iter().map(|client| client.as_ref() as &dyn Service);
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
        let leases = flags.by_ref().take(self.booted.network.clients().len()).collect();
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
            Event::NameServers(interface, servers) => {
                self.booted.servers.lease(&interface, servers);
                self.name_servers(now);
            }
            Event::RouterServers(index, servers) => self.router_servers(index, servers, now),
            Event::LinksChanged => {
                self.look_at_links();
                self.name_servers(now);
            }
            Event::Drives(drives) => self.follow(*drives, now),
            Event::Reload => self.booted.adopted.was_read(now),
            Event::Storage(storage) => self.booted.status.storage = storage,
            Event::TimeServers(source, servers) => self.booted.status.time_servers.lease(&source, servers),
            Event::Clock(text) => self.booted.status.clock = text,
            // Taken where the service is.
            Event::Close(_) => {}
        }
        None
    }

    /// Follows what comes of the user's file, and of servers that die with it.
    fn look_at_configuration(&mut self, now: Instant) {
        let change = self.booted.adopted.turn(self.server.early_ends() >= EARLY_ENDS, now);
        if change == Change::No {
            return;
        }
        self.server.forgive();
        self.booted.status.control_socket.clone_from(&self.booted.adopted.facts.control_socket);
        self.server.reads(&self.booted.adopted.entry);
        match change {
            Change::No | Change::Afresh => {}
            Change::Mended => self.reload(now),
            Change::Replaced => self.server.restart(now),
            Change::Again => self.server.renew(now),
        }
    }

    /// Tells the server to read its configuration.
    fn reload(&mut self, now: Instant) {
        if self.server.pid().is_some() {
            self.server.signal(Signal::HUP);
            self.booted.adopted.was_read(now);
        }
    }

    /// What disks and media say by now is put in force.
    fn follow(&mut self, drives: Drives, now: Instant) {
        let anew = self.booted.follow(drives);
        if !anew {
            self.name_servers(now);
        } else {
            self.write_name_servers();
            log::info!("the server starts anew with the configuration on {}", self.booted.store.description);
            self.server.restart(now);
        }
        self.server.reads(&self.booted.adopted.entry);
    }

    /// Interfaces that came are configured; leases of those that went are forgotten.
    fn look_at_links(&mut self) {
        let Booted { network, modules, status, servers, .. } = &mut self.booted;
        let Some(over) = network.look(&status.hostname, modules) else { return };
        for source in over {
            servers.lease(&source, Vec::new());
            status.time_servers.lease(&source, Vec::new());
        }
        network.source().clone_into(&mut status.network_source);
    }

    /// What routers tell counts on interfaces that are to take their word.
    fn router_servers(&mut self, index: u32, servers: Vec<IpAddr>, now: Instant) {
        let interfaces = interfaces().unwrap_or_default();
        let interface = interfaces.iter().find(|interface| interface.index == index);
        let name = interface.map_or("an interface that went", |interface| &interface.name);
        if servers.is_empty() || interface.is_some_and(|interface| self.booted.network.takes_advertisements(interface))
        {
            log::info!("{name}: router advertisements: name servers: {}", listed(&servers));
        }
        self.booted.servers.routers(index, servers);
        self.name_servers(now);
    }

    /// Writes the name servers that are known for the server to read; tells it when they changed.
    fn name_servers(&mut self, now: Instant) {
        if self.write_name_servers() {
            self.reload(now);
        }
    }

    /// Whether they changed.
    fn write_name_servers(&mut self) -> bool {
        let interfaces = interfaces().unwrap_or_default();
        let network = &self.booted.network;
        let advertised = |index| {
            let interface = interfaces.iter().find(|interface| interface.index == index);
            interface.is_some_and(|interface| network.takes_advertisements(interface))
        };
        let usable = self.booted.servers.usable(&own_addresses(&interfaces), advertised);
        self.booted.status.name_servers.clone_from(&usable);
        if !self.booted.adopted.write_entry(&usable) {
            return false;
        }
        match network.may_tell() {
            _ if !usable.is_empty() => log::info!("name servers: {}", listed(&usable)),
            _ if self.booted.adopted.facts.forwards_everything => {}
            Some(who) => {
                log::info!("no name server to forward to yet: {who} may tell; only local data and the cache answer");
            }
            None => {
                log::warn!("no name server to forward to: only local data and the cache answer; name one on the drive");
            }
        }
        true
    }
}

fn is_due(service: &dyn Service, readiness: PollFlags, now: Instant) -> bool {
    !readiness.is_empty() || service.deadline().is_some_and(|at| now >= at)
}
