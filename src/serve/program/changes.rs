//! What the control socket changes of a running configuration: zones that are forwarded or stubs, and single directives. A reload
//! goes by the file again.

use super::{Parts, Program, forwards, log_findings};
use crate::answer::compile;
use crate::answer::policy::Policy;
use crate::config::options::{Change, Clause, Show, Status};
use crate::config::{self, Config};
use crate::control::{NotInForce, ZoneChange};
use crate::dns::Name;
use crate::host;
use crate::serve::scope::Zones;
use std::sync::Arc;

/// Changes that a log line names.
const NAMED: usize = 10;
/// Directives whose lines have commands of their own, or that Unbound does not set either.
const NOT_SET: [&str; 12] = [
    "interface",
    "outgoing-interface",
    "access-control",
    "local-zone",
    "local-data",
    "local-data-ptr",
    "root-hints",
    "auto-trust-anchor-file",
    "trust-anchor-file",
    "trusted-keys-file",
    "ratelimit-for-domain",
    "ratelimit-below-domain",
];

/// The changes since the file was read.
#[derive(Default)]
pub(super) struct Changes(Vec<String>);

impl Changes {
    fn add(&mut self, what: String) {
        log::info!("control: {what}: until the next reload, which goes by the file");
        if self.0.last() != Some(&what) && self.0.len() <= NAMED {
            self.0.push(what);
        }
    }

    /// The file has been read anew.
    pub(super) fn end(&mut self) {
        let changes = std::mem::take(&mut self.0);
        if !changes.is_empty() {
            let named = changes.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
            let more = if changes.len() > NAMED { " and more" } else { "" };
            log::info!("reload: what was set over the control socket is gone, unless the file says it: {named}{more}");
        }
    }
}

/// The clauses of a kind.
fn zones_of(config: &mut Config, clause: Clause) -> &mut Vec<config::ZoneClause> {
    if clause == Clause::StubZone { &mut config.stub_zones } else { &mut config.forward_zones }
}

impl Program {
    /// Adds or removes a zone that is forwarded or a stub.
    ///
    /// # Errors
    /// Its servers cannot be read, or it is not in force, or not yet.
    pub(super) fn change_zone_now(&mut self, change: ZoneChange<'_>) -> Result<(), String> {
        let mut config = self.config.clone();
        let ZoneChange { stub, name, servers, prime } = change;
        let (clause, word) = if stub { (Clause::StubZone, "stub") } else { (Clause::ForwardZone, "forward") };
        let zone = servers.as_ref().map(|servers| config::zone_clause(clause, servers)).transpose()?;
        let key = name.to_lower();
        zones_of(&mut config, clause).retain(|zone| zone.name != key.as_wire());
        let what = match zone {
            None => format!("{word}_remove {name}"),
            Some((mut zone, said)) => {
                said.iter().for_each(|line| log::warn!("{line}"));
                (zone.name, zone.prime) = (key.as_wire().to_vec(), prime);
                zones_of(&mut config, clause).push(zone);
                format!("{word}_add {name} {}", servers.unwrap_or_default().join(" "))
            }
        };
        self.go_on_by(config, None)?;
        self.changes.add(what);
        Ok(())
    }

    /// Forwards what is asked of the root, or ceases to: questions in flight end.
    ///
    /// # Errors
    /// As [`Self::change_zone_now`].
    pub(super) fn forward_root_now(&mut self, servers: Option<Vec<&str>>) -> Result<(), String> {
        if let Some(servers) = &servers {
            config::zone_clause(Clause::ForwardZone, servers)?;
        }
        self.threads.resolver.end_questions()?;
        self.change_zone_now(ZoneChange { stub: false, name: Name::ROOT, servers, prime: false })
    }

    /// Has nothing be validated at and below a name, or takes that back; what is kept of it goes, to be judged anew.
    ///
    /// # Errors
    /// As [`Self::change_zone_now`]; what is kept of it may be there still.
    pub(super) fn set_insecure_now(&mut self, name: &Name, insecure: bool) -> Result<(), String> {
        self.threads.orders.settle()?;
        let key = name.to_lower();
        self.config.validation.set_insecure(key.as_wire(), insecure);
        let is_insecure = self.config.validation.insecure_points().iter().any(|point| point == key.as_wire());
        if insecure && !is_insecure {
            log::warn!("control: insecure_add {name}: it has a trust anchor, by which it is validated all the same");
            return Ok(());
        }
        self.threads.resolver.set_insecure(&key, insecure)?;
        self.changes.add(format!("insecure_{} {name}", if insecure { "add" } else { "remove" }));
        self.flush_below(&key)?;
        // Aliases from elsewhere that lead there may have been bogus for its sake.
        self.flush_failed().map(drop)
    }

    /// Sets a directive, or adds a line to those that add up.
    ///
    /// # Errors
    /// It cannot be set so: why, and what to do.
    pub(super) fn set_option_now(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (config, spec, said) = config::with_option(self.config.clone(), name, value)?;
        if NOT_SET.contains(&spec.name) {
            return Err(format!("{} cannot be set so; edit the configuration and reload", spec.name));
        }
        let (field, change) = match spec.status {
            Status::Honoured(field, change) => (field, change),
            Status::ChangesNothing(_) | Status::AcceptedWithoutEffect(_) => {
                said.iter().for_each(|line| log::info!("set_option: {line}"));
                return Ok(());
            }
            _ if said.is_empty() => return Ok(()),
            _ => return Err(said.join("; ")),
        };
        match (field.show, change) {
            (Show::Command(_), _) => return Err(format!("{} is set with forward_add and stub_add", spec.name)),
            (_, Change::Restart) => {
                return Err(format!("{} comes into force with a restart alone; edit the configuration", spec.name));
            }
            (_, Change::RestartFor(part)) => log::warn!("set_option: {}: {part} a restart is needed", spec.name),
            (_, Change::Reload) => {}
        }
        said.iter().for_each(|line| log::warn!("set_option: {line}"));
        let policy = compile::policy(&config, self.hash_key, &self.hostname).map_err(|errors| {
            errors.first().map_or_else(|| "it does not fit".to_owned(), |error| error.message.clone())
        })?;
        // Local zones have commands of their own, and are not in the configuration any more.
        let zones = Arc::clone(&self.threads.orders.policy().zones);
        self.go_on_by(config, Some(Policy { zones, ..policy }))?;
        self.put_beside();
        self.changes.add(format!("set_option {}: {value}", spec.name));
        Ok(())
    }

    /// Goes on by another configuration, its answers by `policy`, where that is another. What is kept stays, as with Unbound.
    fn go_on_by(&mut self, config: Config, policy: Option<Policy>) -> Result<(), NotInForce> {
        self.threads.orders.settle()?;
        let links = host::links().map_err(|cause| format!("cannot read this host's links: {cause}"))?;
        let placed = forwards::place(&config, &Zones::from(&links));
        log_findings(&placed.absent);
        self.config = config;
        self.fast_path.heed_answers(&self.at_start, &self.config);
        self.instruct_resolver(placed);
        let policy = policy.map_or_else(|| Arc::clone(self.threads.orders.policy()), Arc::new);
        self.threads.orders.put_in_force(policy, None)
    }

    /// Begins an epoch and has the resolver go by the configuration and ask these servers.
    pub(super) fn instruct_resolver(&mut self, placed: forwards::Placed) {
        self.threads.orders.begin_epoch();
        let (options, rules) = Parts::of_resolver(&self.config);
        self.threads.go_by(options, rules);
        self.threads.resolver.ask_by(placed.table(&self.config));
        self.placed = placed;
    }

    /// Puts in force what neither the worker nor the resolver has.
    pub(super) fn put_beside(&mut self) {
        crate::serve::log::set_verbosity(self.config.verbosity.saturating_add(self.invocation.verbose));
        crate::serve::log::set_time_form(&self.config);
        self.threads.tell_destinations(self.config.log.destinations);
    }
}
