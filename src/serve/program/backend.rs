//! What the control socket's commands do.

use super::edits::Edits;
use super::{Program, forwards, listing, tuning};
use crate::answer::policy::Policy;
use crate::backup;
use crate::config::Config;
use crate::config::options::{self, Change, Field, Show, Status};
use crate::control::{
    Backend, CookieChange, Flushed, ForwardZone, Load, LocalEditor, NotInForce, Pieces, Status as Shown, ZoneChange,
};
use crate::dns::Name;
use crate::dns::cookie::Secret;
use crate::dns::name_text;
use crate::host;
use crate::serve::worker::{Command, Done};
use crate::stats::Snapshot;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// Places of the table of clients that the worker looks at in one piece.
const CLIENTS_AT_ONCE: usize = 1024;

impl Backend for Program {
    fn status(&mut self) -> Shown {
        let links = host::links().ok();
        let plan = links.as_ref().map(|links| (self.plan(links), links));
        Shown {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            verbosity: self.config.verbosity,
            modules: match self.config.validation.is_on() {
                true => vec!["validator", "iterator"],
                false => vec!["iterator"],
            },
            extended_statistics: self.config.statistics.extended,
            inhibit_zero: self.config.statistics.inhibit_zero,
            sandbox: crate::sys::confine::summary().to_owned(),
            tuning: self.tuning(),
            awaited: links.as_ref().map_or_else(Vec::new, |links| self.awaited(links)),
            unused: self.fast_path.unused().to_vec(),
            cut_off: plan.as_ref().map_or_else(Vec::new, |(plan, links)| self.cut_off_now(plan, links)),
            rivals: plan.as_ref().map_or_else(Vec::new, |(plan, links)| self.rivals_now(plan, links)),
            upstream: self.upstream_troubles(),
            anchors: self.anchor_troubles(),
            late: self.threads.orders.late(),
        }
    }

    fn snapshot(&mut self) -> Snapshot {
        self.threads.orders.count_told();
        self.snapshot_now()
    }

    fn stop(&mut self) {
        log::info!("stopping: asked to over the control socket");
        self.stopping = true;
    }

    fn reload(&mut self, keep_cache: bool) -> Result<(), String> {
        Ok(self.reload_config(keep_cache)?)
    }

    fn backup(&mut self, name: &str) -> Result<Vec<String>, String> {
        backup::save_named(&self.invocation.file, name, self.chroot.as_deref())
    }

    fn restore(&mut self, name: &str) -> Result<Vec<String>, String> {
        let lines = backup::load_named(&self.invocation.file, name, self.chroot.as_deref())?;
        log::info!("asked over the control socket: {}", lines.join("; "));
        Ok(lines)
    }

    fn set_verbosity(&mut self, level: u8) {
        self.config.verbosity = level;
        crate::serve::log::set_verbosity(level);
    }

    fn log_reopen(&mut self) -> Result<(), String> {
        crate::serve::log::reopen()
    }

    fn edit_local(&mut self, edit: &mut dyn FnMut(&mut dyn LocalEditor)) -> Result<(), NotInForce> {
        let orders = &mut self.threads.orders;
        orders.settle()?;
        let mut edits = Edits::of(&orders.policy().zones);
        edit(&mut edits);
        let Some(zones) = edits.finish()? else { return Ok(()) };
        let policy = Policy { zones: Arc::new(zones), ..(**orders.policy()).clone() };
        orders.put_in_force(Arc::new(policy), None)
    }

    fn list_local_zones(&mut self, emit: &mut dyn FnMut(&str)) {
        listing::zones(&self.threads.orders.policy().zones, emit);
    }

    fn list_local_data(&mut self, emit: &mut dyn FnMut(&str)) {
        listing::data(&self.threads.orders.policy().zones, emit);
    }

    fn forwards(&mut self) -> Vec<ForwardZone> {
        forwards::shown(&self.config)
    }

    fn stubs(&mut self) -> Vec<(ForwardZone, bool)> {
        forwards::stubs(&self.config)
    }

    fn option(&mut self, name: &str, emit: &mut dyn FnMut(&str)) -> Result<(), String> {
        let spec = options::of_the_server(name).ok_or("unknown option")?;
        match spec.status {
            Status::Honoured(Field { show: Show::Values(show), .. }, change) => {
                show(self.in_force(change), emit);
                Ok(())
            }
            Status::Honoured(Field { show: Show::Command(command), .. }, _) => {
                Err(format!("{name} is shown by {command}"))
            }
            Status::AcceptedWithoutEffect(why) | Status::ChangesNothing(why) | Status::Refused { why, .. } => {
                Err(format!("{name} has no effect: {why}"))
            }
            Status::NotYet { instead, .. } => Err(format!("{name} is not supported yet: {instead}")),
        }
    }

    fn list_insecure(&mut self, emit: &mut dyn FnMut(&str)) {
        for point in self.config.validation.insecure_points() {
            emit(&name_text::to_text(&point));
        }
    }

    fn set_insecure(&mut self, name: &Name, insecure: bool) -> Result<(), String> {
        self.set_insecure_now(name, insecure)
    }

    fn change_zone(&mut self, change: ZoneChange<'_>) -> Result<(), String> {
        self.change_zone_now(change)
    }

    fn forward_root(&mut self, servers: Option<Vec<&str>>) -> Result<(), String> {
        self.forward_root_now(servers)
    }

    fn set_option(&mut self, name: &str, value: &str) -> Result<(), String> {
        self.set_option_now(name, value)
    }

    fn flush(&mut self, name: &Name, rtype: Option<u16>) -> Result<(), String> {
        self.flush_name(name, rtype).map(drop)
    }

    fn flush_zone(&mut self, zone: &Name) -> Result<Flushed, String> {
        self.flush_below(zone)
    }

    fn flush_negative(&mut self) -> Result<Flushed, String> {
        self.flush_denials()
    }

    fn flush_bogus(&mut self) -> Result<Flushed, String> {
        self.flush_failed()
    }

    fn flush_infra(&mut self, at: Option<IpAddr>) -> Result<(), String> {
        self.threads.resolver.forget_servers(at)
    }

    fn flush_requestlist(&mut self) -> Result<(), String> {
        self.threads.resolver.end_questions()
    }

    fn dump_cache(&mut self) -> Pieces {
        self.threads.resolver.dump()
    }

    fn dump_infra(&mut self) -> Pieces {
        self.threads.resolver.servers()
    }

    fn dump_requestlist(&mut self) -> Pieces {
        self.threads.resolver.questions()
    }

    fn rates(&mut self, all: bool) -> Pieces {
        self.threads.resolver.rates(all)
    }

    fn load_cache(&mut self) -> Box<dyn Load> {
        Box::new(self.threads.resolver.load())
    }

    fn list_rates(&mut self, all: bool, emit: &mut dyn FnMut(&str)) -> Result<(), String> {
        self.clients_rates(all, emit)
    }

    fn cookie_secrets(&mut self) -> Vec<Secret> {
        self.secrets_in_force()
    }

    fn change_secrets(&mut self, change: CookieChange) -> Result<(), String> {
        self.change_secrets_to(change)
    }

    fn lookup(&mut self, name: &Name) -> Result<String, String> {
        self.threads.resolver.lookup(name)
    }
}

impl Program {
    /// Addresses that are listened at and that no link carries now. The loopback interface has more than it lists.
    fn awaited(&self, links: &host::Links) -> Vec<IpAddr> {
        let carried = |ip: IpAddr| ip.is_unspecified() || ip.is_loopback() || links.carriers(ip).next().is_some();
        let mut awaited = Vec::new();
        for ip in self.listen.iter().map(|address| address.ip()).filter(|ip| !carried(*ip)) {
            if !awaited.contains(&ip) {
                awaited.push(ip);
            }
        }
        awaited
    }

    /// Which name servers cannot be asked now, and why.
    fn upstream_troubles(&self) -> Vec<String> {
        let refused = self.threads.stats.troubles.list().into_iter();
        let refused = refused.map(|(server, failure)| format!("{server}: {failure}"));
        self.placed.absent.iter().map(ToString::to_string).chain(refused).collect()
    }

    /// What is wrong with trust anchors and their files.
    fn anchor_troubles(&self) -> Vec<String> {
        self.threads.stats.troubles.anchors().into_iter().chain(self.threads.anchor_files.troubles()).collect()
    }

    /// Where the value of a directive stands that is in force, by what a change of it takes.
    fn in_force(&self, change: Change) -> &Config {
        match change {
            Change::Restart => &self.at_start,
            Change::Reload | Change::RestartFor(_) => &self.config,
        }
    }

    /// Asks the worker for its table, a piece at a time.
    fn clients_rates(&mut self, all: bool, emit: &mut dyn FnMut(&str)) -> Result<(), String> {
        let limit = self.config.clients.rate;
        let (mut from, mut list) = (Some(0), Vec::with_capacity(CLIENTS_AT_ONCE));
        while let Some(at) = from {
            let Done::Clients(next, found) = self.threads.orders.ask(Command::Clients(at, list))? else { break };
            (from, list) = (next, found);
            for (client, rate) in list.drain(..).filter(|(_, rate)| all || *rate >= limit) {
                emit(&format!("{client} {rate} limit {limit}"));
            }
        }
        Ok(())
    }

    fn tuning(&self) -> Vec<String> {
        let mut lines = tuning::at_boot(Path::new(tuning::BOOT_STEPS));
        lines.push(self.threads.worker_waits.clone());
        lines.extend(self.fast_path.tuning(&self.config));
        lines
    }
}
