//! The AF_XDP side as main sees it: what is attached by the plan, what could not be, and the watchdog over it.

mod answers;
mod attached;
mod clients;
mod guard;
mod leaves;
mod occupied;
mod promise;
mod queue;
mod refused;
mod tags;
#[cfg(test)]
mod tests;
mod verify;
mod watch;

use crate::attach::{self, Decision, Outcome, Plan, Tags, Target};
use crate::config::{Config, Toggle, XdpUse};
use crate::host::{self, Changes, Links};
use crate::stats::XdpFigures;
use crate::sys::privileges::{self, XDP_CAPABILITIES};
use crate::xdp::answers::Table;
use crate::xdp::{PeerPrograms, Program, Programs, Queue, XdpError};
use attached::Attached;
pub use clients::ProgramClients;
use promise::Unseen;
pub use queue::QueueShare;
use refused::{Because, Refusal, Refused};
use rustix::thread::CapabilitySet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the journal of changes to interfaces is.
const RUN_FOLDER: &str = "/run/runbound";
/// How long a bond goes on with a slave that was attached to before the next one is: its link must come back and LACP must
/// take it in again.
const BOND_SETTLES: Duration = Duration::from_secs(10);
/// Between two looks whether it has settled.
const BOND_LOOK: Duration = Duration::from_secs(2);
/// Programs that are loaded at the start beyond those that the plan wants then, and at least in all: for interfaces that come
/// later. An idle one takes about a quarter of a megabyte of kernel memory.
const SPARE_PROGRAMS: usize = 4;
/// Of those, how many answer by themselves: one more than is attached is enough to follow an interface that is made anew.
const SPARE_ANSWERING: usize = 2;
const FEWEST_PROGRAMS: usize = 8;

/// Why a slave of a bond has no program yet.
const UNSETTLED: &str = "XDP comes when the slave that was attached to before is back in the bond with its link";

/// Between two tries to put in force what the kernel refused to an attached program.
const CATCH_UP: Duration = Duration::from_secs(60);

/// All of it.
#[derive(Default)]
pub struct FastPath {
    attached: Vec<Attached>,
    refused: Vec<Refused>,
    /// Slaves whose turn comes when the one before has settled in their bond.
    unsettled: Vec<Target>,
    programs: Programs,
    /// For the other ends of veth pairs.
    peers: PeerPrograms,
    /// What the plan decided, to be said once and again when it changes.
    decisions: Vec<(String, Decision)>,
    /// The words of `xdp-interface:` that nothing comes of, as it was said.
    unused: Vec<String>,
    changes: Changes,
    unseen: Unseen,
    /// When it was last looked whether the plan comes true.
    verified: Option<Instant>,
    /// When there is something to be tried that nothing from outside calls for.
    again: Option<Instant>,
    /// The start is over with the first interface that refuses (`xdp: require`), which it says itself.
    all_or_none: bool,
}

/// The order in which targets are attached to: slaves of a bond with a link first, for the others may never have one.
fn in_turn(targets: &[Target]) -> Vec<&Target> {
    let mut turn: Vec<&Target> = targets.iter().collect();
    turn.sort_by_key(|target| target.bond.is_some() && !target.carrier);
    turn
}

/// Queues for the worker, with what it shares of each with main.
pub type Queues = Vec<(Queue, Arc<QueueShare>)>;

impl FastPath {
    /// Nothing attached; changes that a killed process left on interfaces are set back.
    pub fn off() -> FastPath {
        FastPath { changes: Changes::of_this_host(Path::new(RUN_FOLDER)), ..FastPath::default() }
    }

    /// Attaches to every target that can be attached to. Each outcome is one log line. `attaches`: there is something to attach to, or
    /// may come.
    ///
    /// # Errors
    /// With `xdp: require`, the first address or interface that cannot have it. Nothing is attached nor changed then.
    pub fn open(config: &Config, plan: &Plan, links: &Links, attaches: bool) -> Result<(FastPath, Queues), String> {
        let mut path = FastPath { all_or_none: config.xdp.enable == XdpUse::Require, ..FastPath::off() };
        if let Some(cause) = attach::unmet(config, plan, links) {
            return Err(format!("xdp: require: {cause}"));
        }
        path.take_plan(plan, links);
        if attaches {
            path.make_table(config);
        }
        let queues = path.attach_missing(config, plan);
        if let Some(refused) = path.refused.first().filter(|_| path.all_or_none) {
            let error = format!("xdp: require: {}", refused.reason);
            drop(queues);
            path.end();
            return Err(error);
        }
        path.all_or_none = false;
        Ok((path, queues))
    }

    /// Makes what programs answer from by themselves, before the first is loaded.
    fn make_table(&mut self, config: &Config) {
        if config.xdp.answers == Toggle::No {
            return;
        }
        match Table::new() {
            Ok(table) => self.programs.answer_from(Arc::new(table)),
            Err(cause) => log::warn!("xdp-answers is off, the worker answers: {cause}"),
        }
    }

    /// What programs answer from by themselves, where they do.
    pub fn table(&self) -> Option<&Arc<Table>> {
        self.programs.table()
    }

    /// The sandbox lets no program be loaded: all that the plan and attaching again may take are loaded before it, and for
    /// interfaces to which an address may come and where tags come beside frames, some that are for those alone.
    pub fn load_spare_programs(&mut self, config: &Config, plan: &Plan, links: &Links) {
        self.load_programs_for_peers(config, plan);
        let elsewhere =
            links.iter().filter(|link| link.master.is_none() && Tags::of(links, link) == Tags::PeerElsewhere);
        let planned = |link: &&host::Link| plan.targets.iter().any(|target| target.index == link.index);
        for link in elsewhere.filter(|link| !planned(link)).take(SPARE_PROGRAMS) {
            // If it is wanted one day, the log says then why there is none: the programs keep the cause.
            let _ = self.programs.take_reading_tags(&link.name, link.index);
        }
        let wanted = (plan.targets.len() + SPARE_PROGRAMS).max(FEWEST_PROGRAMS);
        if let Err(cause) = self.programs.complete(wanted, plan.targets.len() + SPARE_ANSWERING) {
            let loaded = self.programs.count();
            // With none at all, each interface that was refused for it has said why.
            if loaded > 0 || self.refused.is_empty() {
                log::warn!(
                    "{loaded} of {wanted} XDP programs are loaded, kernel sockets serve interfaces beyond them: {cause}"
                );
            }
        }
    }

    /// The capabilities that attaching again takes. On older kernels every use of bpf(2) may want the one that loading does.
    pub fn capabilities(&self, config: &Config) -> CapabilitySet {
        let bpf = CapabilitySet::BPF;
        if config.sandbox && privileges::without(bpf, || self.programs.can_be_used()) {
            XDP_CAPABILITIES
        } else {
            XDP_CAPABILITIES | bpf
        }
    }

    /// Says what the plan decided, as far as it is news.
    pub fn take_plan(&mut self, plan: &Plan, links: &Links) {
        let named = |decision: &Decision| {
            let name = links.by_index(decision.carrier).map_or_else(String::new, |link| link.name.clone());
            (name, decision.clone())
        };
        let decisions: Vec<(String, Decision)> = plan.decisions.iter().map(named).collect();
        for (name, decision) in decisions.iter().filter(|decision| !self.decisions.contains(decision)) {
            attach::describe(decision, links).iter().for_each(|line| log::info!("{line}"));
            if let Outcome::Kernel { reason, wanted: true } = &decision.outcome {
                log::warn!(
                    "{name}: XDP is off, kernel sockets serve: {reason}; runbound --check-config says what helps"
                );
            }
        }
        if self.decisions != decisions {
            self.count_anew();
        }
        self.decisions = decisions;
        self.take_unused(plan);
    }

    /// Of an interface that is here and serves nothing now it is said only where XDP serves nowhere: it may be there for an
    /// address that moves.
    fn take_unused(&mut self, plan: &Plan) {
        let nowhere = plan.targets.is_empty() && !plan.decisions.is_empty();
        let meant = plan.unused.iter().filter(|unused| unused.is_wrong || nowhere);
        let unused: Vec<String> = meant.map(|unused| unused.text.clone()).collect();
        unused.iter().filter(|line| !self.unused.contains(line)).for_each(|line| log::warn!("{line}"));
        self.unused = unused;
    }

    /// The words of `xdp-interface:` that nothing comes of now, a line each.
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// Attaches to the targets that have no program of ours yet. What cannot be attached to is said once for each
    /// reason, and tried again ever more rarely, or when the target has changed.
    pub fn attach_missing(&mut self, config: &Config, plan: &Plan) -> Queues {
        let mut all = Queues::new();
        let now = Instant::now();
        let before = std::mem::take(&mut self.unsettled);
        self.refused.retain(|refused| plan.targets.iter().any(|target| target.index == refused.target.index));
        for target in in_turn(&plan.targets) {
            if self.all_or_none && !self.refused.is_empty() {
                break;
            }
            let known = self.attached.iter().any(|attached| attached.target.index == target.index);
            let is_free = |index| host::program_in_the_way(index).is_ok_and(|there| there.is_none());
            let waits = self.refused.iter().any(|refused| refused.waits(target, now, is_free));
            if known || waits {
                continue;
            }
            if self.bond_is_unsettled(target, plan, now) {
                let name = &target.interface;
                if before.iter().all(|known| known.interface != *name) {
                    log::info!("{name}: {UNSETTLED}; kernel sockets serve it until then");
                }
                self.unsettled.push(target.clone());
                continue;
            }
            let program = match self.program_for(target) {
                Ok(program) => program,
                Err(error) => {
                    self.refuse(target, error.into());
                    continue;
                }
            };
            match attached::open(config, target, program, &mut self.changes) {
                Ok((attached, queues)) => {
                    log::info!("{}", attached.describe());
                    self.refused.retain(|refused| refused.target.index != target.index);
                    all.extend(queues);
                    self.attached.push(attached);
                }
                Err(refusal) => self.refuse(target, refusal),
            }
        }
        if !all.is_empty() {
            self.count_anew();
        }
        let look = (!self.unsettled.is_empty()).then(|| now + BOND_LOOK);
        let behind = self.attached.iter().any(Attached::is_behind).then(|| now + CATCH_UP);
        let shut = self.attached.iter().any(|attached| attached.shut_since.is_some()).then(|| now + tags::CLEARS);
        let pending = look.into_iter().chain(behind).chain(shut);
        self.again = self.refused.iter().filter_map(|refused| refused.again).chain(pending).min();
        all
    }

    /// A program that is on no interface. Where VLAN tags may come beside the frames, one that sees them there; if there is
    /// none, the other end of the pair may be told to leave them in, or the configuration may say that no frames of a VLAN come.
    fn program_for(&mut self, target: &Target) -> Result<Program, XdpError> {
        let name = &target.interface;
        let (is_elsewhere, is_here) = (target.tags == Tags::PeerElsewhere, matches!(target.tags, Tags::Peer { .. }));
        if target.generic || !is_elsewhere && !is_here {
            return self.programs.take(name);
        }
        match self.programs.take_reading_tags(name, target.index) {
            Err(_) if is_here || target.named => self.programs.take(name),
            other => other,
        }
    }

    /// Whether another slave of the target's bond was attached to just now: with both without a link the bond would be.
    fn bond_is_unsettled(&self, target: &Target, plan: &Plan, now: Instant) -> bool {
        let carrier_of =
            |index| plan.targets.iter().find(|other| other.index == index).is_none_or(|other| other.carrier);
        target.bond.is_some()
            && target.resets
            && self.attached.iter().filter(|attached| attached.target.bond == target.bond).any(|attached| {
                let is_away = attached.had_carrier && !carrier_of(attached.target.index);
                now < attached.since + BOND_SETTLES || is_away
            })
    }

    fn refuse(&mut self, target: &Target, refusal: Refusal) {
        let before = self.refused.iter().position(|refused| refused.target.index == target.index);
        let before = before.map(|at| self.refused.swap_remove(at));
        let refused = Refused::after(before.as_ref(), target, refusal, Instant::now());
        if !self.all_or_none && before.is_none_or(|before| before.reason != refused.reason) {
            let again = if refused.is_occupied() { "; it is tried again when that is over" } else { "" };
            log::warn!("XDP is off, kernel sockets serve: {}{again}", refused.reason);
        }
        self.refused.push(refused);
    }

    /// Says which interfaces, by index, were away for a moment at least: [`FastPath::review`] lets go of them.
    pub fn lose(&mut self, removed: &[u32]) {
        for attached in self.attached.iter_mut().filter(|attached| removed.contains(&attached.target.index)) {
            attached.lost = true;
        }
    }

    /// Compares what is attached with what should be now: addresses, MACs and VLANs that changed are put in force, and the
    /// indices of interfaces whose program is to go (the interface was removed, recreated or renamed, or serves no address)
    /// are given, again and again until [`FastPath::forget`].
    pub fn review(&mut self, plan: &Plan) -> Vec<u32> {
        let mut gone = Vec::new();
        for attached in &mut self.attached {
            let same = |target: &&Target| {
                target.index == attached.target.index
                    && target.interface == attached.target.interface
                    && (target.mtu, target.reply_mtu) == (attached.target.mtu, attached.target.reply_mtu)
                    && (target.port, target.generic) == (attached.target.port, attached.target.generic)
                    && target.tags.is_by_same(&attached.target.tags)
            };
            match plan.targets.iter().find(same) {
                Some(target) if !attached.lost && attached.attachment.is_attached() => {
                    attached.follow(target, &mut self.changes)
                }
                _ => {
                    let name = attached.attachment.interface();
                    log::warn!(
                        "{name}: the interface went away, changed or serves no address any more: XDP lets go of it"
                    );
                    attached.close();
                    // The worker may be late to give its queues up: they are to be put back by no plan meanwhile.
                    attached.lost = true;
                    gone.push(attached.target.index);
                }
            }
        }
        gone
    }

    /// Lets go of an interface's program; its queues must be dropped before.
    pub fn forget(&mut self, index: u32) {
        let Some(at) = self.attached.iter().position(|attached| attached.target.index == index) else { return };
        let attached = self.attached.swap_remove(at);
        self.count_anew();
        let interface = attached.target.interface.clone();
        drop(attached);
        for refused in self.refused.iter_mut().filter(|refused| refused.because == Because::NoProgram) {
            refused.again = Some(Instant::now());
        }
        self.changes.undo(&interface);
    }

    /// When to call [`FastPath::attach_missing`] again at the latest: something is to be tried again.
    pub fn again(&self) -> Option<Instant> {
        self.again
    }

    /// True when no program is attached.
    pub fn is_empty(&self) -> bool {
        self.attached.is_empty()
    }

    /// Looks whether what the programs redirect arrives; to be called a few times a second. Whether the worker should look,
    /// too.
    pub fn watch(&mut self) -> bool {
        self.attached.iter_mut().fold(false, |doubtful, attached| attached.watch() | doubtful)
    }

    /// Takes every socket out of the maps: the first step of every way out.
    pub fn close(&self) {
        self.attached.iter().for_each(Attached::close);
    }

    /// The last step: takes the programs off and sets the interfaces back; the queues must be dropped before.
    pub fn end(&mut self) {
        self.attached.clear();
        self.changes.undo_all();
    }

    /// What the control socket shows.
    pub fn figures(&self) -> Vec<XdpFigures> {
        let off = |interface: &str, reason: &str| XdpFigures {
            interface: interface.to_owned(),
            fallback: Some(reason.to_owned()),
            ..XdpFigures::default()
        };
        let attached = self.attached.iter().map(Attached::figures);
        let refused = self.refused.iter().map(|refused| off(&refused.target.interface, &refused.reason));
        let unsettled = self.unsettled.iter().map(|target| off(&target.interface, UNSETTLED));
        attached.chain(refused).chain(unsettled).chain(self.without().map(|(name, reason)| off(name, reason))).collect()
    }

    /// What was done for speed, a line each.
    pub fn tuning(&self, config: &Config) -> impl Iterator<Item = String> {
        self.attached.iter().filter_map(|attached| attached.memory(config))
    }

    /// Links whose addresses were meant for XDP and have no place for it.
    fn without(&self) -> impl Iterator<Item = (&str, &str)> {
        self.decisions.iter().filter_map(|(name, decision)| match &decision.outcome {
            Outcome::Kernel { reason, wanted: true } => Some((name.as_str(), reason.as_str())),
            _ => None,
        })
    }
}
