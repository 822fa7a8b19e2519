//! Start, run, stop: what the main thread does.
//!
//! Main owns everything that is not on the packet path: configuration, compiled policy, the XDP attachment, signals,
//! the control socket. It starts the three other threads, and then sleeps until something stirs.

mod allocations;
mod anchors;
mod backend;
mod changes;
mod cookie_secrets;
mod cut_off;
mod edits;
mod flushes;
mod forwards;
mod gone;
mod listing;
mod lost_lines;
mod orders;
mod parts;
mod pid_file;
mod privileges;
mod promised;
mod resolver;
mod rivals;
mod sizes;
mod start;
mod tags;
mod threads;
mod tuning;
mod unread;
mod unwanted;
pub mod validation;

use super::fast_path::FastPath;
use super::scope::Zones;
use super::worker::Command;
use crate::answer::compile;
use crate::attach;
use crate::config::{self, Config, Diagnostic};
use crate::control::{ControlServer, NotInForce};
use crate::dns::scan::HashKey;
use crate::host;
use crate::stats::Snapshot;
use crate::sys::signals::{Signal, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[doc(hidden)]
pub use parts::Parts;
use pid_file::PidFile;
pub use start::{StartError, start};
use threads::Threads;
pub use tuning::BOOT_STEPS;

/// Between two looks of the fast-path watchdog.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// After a look at the interfaces that failed.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What the command line adds to the configuration.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The configuration's path.
    pub file: PathBuf,
    /// Added to `verbosity:`.
    pub verbose: u8,
    /// Kernel sockets alone.
    pub no_xdp: bool,
}

/// The running program, owned by main.
pub struct Program {
    invocation: Invocation,
    /// What is in force, but for what only a restart changes.
    config: Config,
    /// What the program started with, local zones and data aside.
    at_start: Config,
    chroot: Option<PathBuf>,
    hostname: String,
    hash_key: HashKey,
    fast_path: FastPath,
    /// Whether there may be anything for XDP to attach to.
    attaches: bool,
    /// The watch over the interfaces, while something depends on them: an address that is reached from outside, or a link-local one.
    host: Option<host::Watch>,
    /// Whom the resolver asks now.
    placed: forwards::Placed,
    listen: Vec<SocketAddr>,
    /// The interfaces of the start, at which link-local ones of these are meant.
    zones: Zones,
    signals: SignalFd,
    control: Vec<ControlServer>,
    threads: Threads,
    started: Instant,
    statistics_base: Option<Snapshot>,
    /// Removed when this is dropped.
    pidfile: Option<PidFile>,
    unread: unread::Unread,
    unwanted: unwanted::Unwanted,
    lost_lines: lost_lines::LostLines,
    /// Who else speaks ARP for our addresses, as it was said.
    rivals: rivals::Known,
    cut_off: cut_off::Known,
    /// What the control socket has changed since the file was read.
    changes: changes::Changes,
    /// The keys of an anchor have become others, which the worker lists still as they were.
    has_new_anchors: bool,
    seen: gone::Seen,
    /// What the worker was told that XDP is to have.
    promised: Vec<SocketAddr>,
    told_allocations: bool,
    stopping: bool,
}

impl Program {
    /// Serves until a signal or the control socket ends it; then stops the threads and detaches, in order. False when a
    /// thread ended unasked, so that the service manager starts the program again.
    pub fn run(mut self) -> bool {
        let mut orderly = true;
        let mut statistics = self.started + self.statistics_interval();
        let mut watch = self.started;
        self.follow_tags();
        while !self.stopping {
            self.wait();
            self.guard_tags();
            while let Some(signal) = self.signals.next() {
                self.obey(signal);
            }
            self.serve_control();
            self.threads.log_events(self.config.log.tags);
            self.tell_lost_lines(Instant::now());
            self.threads.orders.collect();
            self.write_anchor_files();
            self.defend_cache(self.config.unwanted_reply_threshold);
            // Two looks shortly after one another could both fall into one batch of the worker.
            if Instant::now() >= watch {
                if self.fast_path.watch() {
                    self.threads.wake_worker();
                }
                self.fast_path.watch_answers(&self.at_start, &self.config);
                self.tell_allocations();
                self.tell_promised();
                let kernel = self.threads.stats.worker.places.udp_promised.get();
                self.fast_path.verify(kernel, Instant::now());
                watch = Instant::now() + WATCH_EVERY;
            }
            if self.host.as_mut().is_some_and(|host| host.is_due(Instant::now())) {
                let again = self.review_interfaces();
                if let Some(host) = &mut self.host {
                    host.looked(Instant::now(), again);
                }
                self.follow_tags();
            }
            if Instant::now() >= statistics {
                self.log_statistics();
                statistics = Instant::now() + self.statistics_interval();
            }
            if self.threads.any_ended() {
                log::error!("a thread ended unasked; stopping");
                orderly = false;
                self.stopping = true;
            }
        }
        self.shut_down();
        orderly
    }

    fn statistics_interval(&self) -> Duration {
        match self.config.statistics.interval {
            0 => Duration::from_secs(u64::from(u32::MAX)),
            seconds => Duration::from_secs(u64::from(seconds)),
        }
    }

    /// Sleeps until something stirs, or the watchdog wants to look.
    fn wait(&mut self) {
        self.threads.bell().arm();
        let timeout = if self.threads.has_news() || self.host.as_ref().is_some_and(host::Watch::is_touched) {
            Duration::ZERO
        } else if self.fast_path.is_empty() {
            // The pace of everything that nobody rings for.
            Duration::from_secs(1)
        } else {
            WATCH_EVERY
        };
        let now = Instant::now();
        let review = self.host.iter().map(|host| host.due_at(now));
        let due = self.control.iter().filter_map(ControlServer::deadline).chain(review).min();
        let timeout = due.map_or(timeout, |due| timeout.min(due.saturating_duration_since(Instant::now())));
        let mut fds = vec![
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.threads.bell().fd(), PollFlags::IN),
        ];
        fds.extend(self.control.iter().flat_map(ControlServer::poll_fds));
        let host = self.host.iter().filter_map(|host| host.poll_fd(now));
        fds.extend(host.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        // An interrupted poll is a turn without news.
        let _ = poll(&mut fds, Some(&timeout));
        drop(fds);
        self.threads.bell().disarm();
    }

    fn serve_control(&mut self) {
        let mut servers = std::mem::take(&mut self.control);
        for server in &mut servers {
            server.handle(Instant::now(), self);
        }
        self.control = servers;
    }

    fn obey(&mut self, signal: Signal) {
        match signal {
            Signal::Stop => {
                log::info!("stopping: signal received");
                self.stopping = true;
            }
            Signal::ReopenLog => reopen_log(),
            Signal::Reload => match self.reload_config(false) {
                // The log says already what it waits for.
                Ok(()) | Err(NotInForce::Late(_)) => {}
                Err(NotInForce::Refused(cause)) => log::error!("reload: {cause}"),
            },
        }
    }

    /// Reads the configuration anew and puts in force what can change while running; the log file is opened anew.
    ///
    /// # Errors
    /// When the file cannot be used, or the worker still has to do what it was asked before: why. What runs stays as it is.
    /// Or it is not in force yet.
    fn reload_config(&mut self, keep_cache: bool) -> Result<(), NotInForce> {
        // First, so that what a reload has to say stands in the new file; and whatever the configuration is like.
        reopen_log();
        self.threads.orders.settle()?;
        // What is known is read again with the rest.
        self.write_anchor_files();
        let sandboxed = crate::sys::confine::files_are_closed();
        let loaded = config::load_within(&self.invocation.file, self.chroot.as_deref(), sandboxed);
        let loaded = loaded.map_err(|errors| {
            log_findings(&errors);
            format!("{}; the running configuration stays", first_of(&errors))
        })?;
        log_findings(&loaded.warnings);
        let mut config = loaded.config;
        let policy = compile::policy(&config, self.hash_key, &self.hostname).map_err(|errors| {
            log_findings(&errors);
            format!("{}; the running configuration stays", first_of(&errors))
        })?;
        for directive in config::options::changed_for_restart(&self.at_start, &config) {
            log::warn!("reload: {directive} changed; restart to put it in force");
        }
        start::forget_zones(&mut config);
        let links = host::links().map_err(|cause| format!("cannot read this host's links: {cause}"))?;
        let placed = forwards::place(&config, &Zones::from(&links));
        // The last that can be refused comes before the first that is changed.
        let index = if keep_cache { None } else { Some(self.threads.empty_index()?) };
        let known = if keep_cache { None } else { Some(self.threads.empty_known()?) };
        log_findings(&placed.absent);
        forwards::tell_the_root(&config);
        if self.host.is_none() && forwards::stand_at_interfaces(&config) {
            self.host = Some(start::watch_host());
        }
        // The resolver first: what is asked in the new epoch is asked by the new table and answered from the new cache. What
        // is in flight is not kept, and the worker's cache is emptied of the rest.
        self.config = config;
        self.fast_path.heed_answers(&self.at_start, &self.config);
        self.instruct_resolver(placed);
        self.changes.end();
        if let Some(Err(cause)) = known.map(|known| self.threads.resolver.clear(known)) {
            log::warn!("reload: the resolver's cache is emptied late: {cause}");
        }
        self.put_beside();
        self.threads.orders.put_in_force(Arc::new(policy), index)?;
        log::info!("configuration {} reloaded", self.invocation.file.display());
        Ok(())
    }

    /// Does what follows from interfaces that went away or came. Gives when to look again without being called.
    fn review_interfaces(&mut self) -> Option<Instant> {
        let Some(links) = self.unread.told(host::links()) else { return Some(Instant::now() + LOOK_AGAIN) };
        self.review_forwards(&links);
        let plan = self.plan(&links);
        let lasts = self.review_cut_off(&plan, &links);
        let attached = if self.attaches { self.review_attachments(&plan, &links) } else { None };
        lasts.into_iter().chain(attached).min()
    }

    /// Has link-local name servers asked at the interfaces of now.
    fn review_forwards(&mut self, links: &host::Links) {
        let placed = forwards::place(&self.config, &Zones::from(links));
        if placed == self.placed {
            return;
        }
        let news: Vec<Diagnostic> =
            placed.absent.iter().filter(|line| !self.placed.absent.contains(line)).cloned().collect();
        log_findings(&news);
        log::info!("interfaces changed: link-local name servers are asked at those that are here now");
        self.threads.resolver.ask_by(placed.table(&self.config));
        self.placed = placed;
    }

    /// What is to be attached where now.
    fn plan(&self, links: &host::Links) -> attach::Plan {
        attach::plan(&self.at_start, &Zones::from(links).renew(&self.listen, &self.zones), links)
    }

    /// Detaches from interfaces that went away, attaches to those that came; the kernel sockets serve all the while.
    fn review_attachments(&mut self, plan: &attach::Plan, links: &host::Links) -> Option<Instant> {
        let removed = self.host.as_mut().map(host::Watch::take_removed).unwrap_or_default();
        self.fast_path.lose(&removed);
        self.fast_path.take_plan(plan, links);
        let untold = self.review_rivals(plan, links);
        if !self.threads.orders.collect() {
            return Some(Instant::now() + LOOK_AGAIN);
        }
        for index in self.fast_path.review(plan) {
            let room = Vec::with_capacity(1024);
            match self.threads.orders.ask(Command::Detach(index, room)) {
                Ok(_queues) => self.fast_path.forget(index),
                // It is still attached for the next look, which has it given back once more and then forgets it.
                Err(_) => return Some(Instant::now() + LOOK_AGAIN),
            }
        }
        let queues = self.fast_path.attach_missing(&self.at_start, plan);
        if !queues.is_empty() {
            // Nothing else is with the worker, so it has them now or gets them late, which the log says.
            let _ = self.threads.orders.ask(Command::Attach(queues));
        }
        self.fast_path.again().into_iter().chain(untold).min()
    }

    fn snapshot_now(&self) -> Snapshot {
        let up = self.started.elapsed();
        let stats = &self.threads.stats;
        let mut snapshot = Snapshot::collect([&*stats.worker], &stats.upstream, self.fast_path.figures(), up);
        snapshot.stream_connections = stats.streams.as_ref().map_or(0, |streams| streams.open.get());
        snapshot.streams_refused = stats.streams.as_ref().map_or(0, |streams| streams.refused.get());
        snapshot.worker_allocations = crate::sys::allocator::watched_allocations();
        snapshot
    }

    /// `statistics-interval:`
    fn log_statistics(&mut self) {
        let now = self.snapshot_now();
        let shown = match &self.statistics_base {
            Some(base) => now.clone().since(base),
            None => now.clone(),
        };
        let total = shown.total();
        let (queries, hits, recursions) = (total.queries, total.hits(), total.recursive_replies);
        super::log::asked_for(
            log::Level::Info,
            module_path!(),
            format_args!(
                "server stats for thread 0: {queries} queries, {hits} answers from cache, {recursions} recursions"
            ),
        );
        if !self.config.statistics.cumulative {
            self.statistics_base = Some(now);
        }
    }

    fn shut_down(mut self) {
        self.fast_path.close();
        self.threads.end(self.config.log.tags);
        self.write_anchor_files();
        // Nothing is said later.
        self.tell_lost_lines(Instant::now() + lost_lines::PAUSE);
        self.fast_path.end();
        drop(self.pidfile.take());
        self.control.clear();
        log::info!("stopped");
    }
}

/// For log rotation.
fn reopen_log() {
    if let Err(cause) = super::log::reopen() {
        log::error!("{cause}");
    }
}

/// Logs findings of the configuration by their severity.
pub fn log_findings(findings: &[Diagnostic]) {
    for finding in config::grouped(findings) {
        match finding.severity() {
            config::Severity::Error => log::error!("{finding}"),
            config::Severity::Warning => log::warn!("{finding}"),
            config::Severity::Info => log::info!("{finding}"),
        }
    }
}

fn first_of(errors: &[Diagnostic]) -> String {
    errors.first().map_or_else(|| "the configuration cannot be used".to_owned(), ToString::to_string)
}
