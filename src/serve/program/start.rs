//! From a configuration to a running program.

use super::threads::Threads;
use super::{Invocation, PidFile, Program, cut_off, forwards, gone, privileges};
use crate::answer::compile;
use crate::attach;
use crate::config::{Config, Diagnostic, Loaded, LocalData, LocalZones, OpenFiles, XdpUse};
use crate::control::ControlServer;
use crate::dns::scan::HashKey;
use crate::host;
use crate::serve::fast_path::{FastPath, Queues};
use crate::serve::listen;
use crate::serve::scope::Zones;
use crate::sys::signals::SignalFd;
use crate::sys::{clock, limits, memory};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// Why the program did not start.
#[derive(Debug)]
pub enum StartError {
    /// The configuration: all findings.
    Config(Vec<Diagnostic>),
    /// The host: cause and fix.
    Host(String),
}

impl From<String> for StartError {
    fn from(text: String) -> Self {
        StartError::Host(text)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Config(findings) => findings.iter().try_for_each(|finding| writeln!(f, "{finding}")),
            StartError::Host(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for StartError {}

/// Opens everything, drops rights, starts the threads. Everything is served when this returns.
///
/// # Errors
/// What stood in the way; nothing is left behind.
pub fn start(mut invocation: Invocation, loaded: Loaded) -> Result<Program, StartError> {
    let mut config = loaded.config;
    // It is read again on a reload, from another working directory.
    if let Ok(absolute) = std::path::absolute(&invocation.file) {
        invocation.file = absolute;
    }
    raise_limits(&mut config)?;
    memory::note_limits();
    let signals = SignalFd::new().map_err(|cause| format!("signalfd: {cause}"))?;
    let hash_key = HashKey::random().map_err(|cause| format!("getrandom: {cause}"))?;
    let hostname = clock::hostname();
    let interfaces = listen::host_interfaces()?;
    let (addresses, missing) = listen::addresses(&config, &interfaces).map_err(StartError::Config)?;
    super::log_findings(&missing);
    let policy = Arc::new(compile::policy(&config, hash_key, &hostname).map_err(StartError::Config)?);
    forget_zones(&mut config);
    let sockets = listen::open(&config, &addresses)?;
    let FastStart { fast_path, queues, attaches } = open_fast_path(&invocation, &config, &addresses)?;
    let is_reached = addresses.iter().any(|address| !address.ip().is_loopback());
    let host = (is_reached || forwards::stand_at_interfaces(&config)).then(watch_host);
    let seen = gone::Seen::at_start(&addresses);
    let cut_off = cut_off::Known::at_start(&addresses);
    let zones = Zones::from(&interfaces[..]);
    let placed = forwards::place(&config, &zones);
    super::log_findings(&placed.absent);
    forwards::tell_the_root(&config);
    let mut control = open_control(&config)?;
    let mut pidfile = PidFile::write(&config.pidfile, &config.username)?;
    let kept = attaches.then(|| fast_path.capabilities(&config));
    let chroot = privileges::drop(&config, &invocation.file, kept)?;
    for server in &mut control {
        server.moved(privileges::inside(server.path(), chroot.as_deref()));
    }
    let threads =
        Threads::start(&config, (&policy, hash_key), placed.table(&config), sockets, (queues, fast_path.table()))?;
    if let Some(pidfile) = &mut pidfile {
        pidfile.keep(chroot.as_deref());
    }
    Ok(Program {
        invocation,
        at_start: config.clone(),
        config,
        chroot,
        hostname,
        hash_key,
        fast_path,
        attaches,
        host,
        placed,
        listen: addresses,
        zones,
        signals,
        control,
        threads,
        started: Instant::now(),
        statistics_base: None,
        pidfile,
        unread: Default::default(),
        unwanted: Default::default(),
        lost_lines: Default::default(),
        rivals: super::rivals::Known::default(),
        cut_off,
        changes: super::changes::Changes::default(),
        has_new_anchors: false,
        seen,
        promised: Vec::new(),
        told_allocations: false,
        stopping: false,
    })
}

/// Local zones and data live on in the policy; a million names need not be kept twice.
pub(super) fn forget_zones(config: &mut Config) {
    config.local_zones = LocalZones::default();
    config.local_data = LocalData::default();
}

/// # Errors
/// When the limit of open files leaves nothing to work with.
fn raise_limits(config: &mut Config) -> Result<(), String> {
    limits::raise_memlock();
    let OpenFiles { least, wanted } = config.open_files();
    let got = limits::raise_open_files(wanted);
    // The rest of the process needs descriptors too. The sandbox lets nobody ask for the limit later.
    let others = wanted.saturating_sub(u64::from(config.outgoing.range));
    let most = got.map_or(u64::MAX, |got| got.saturating_sub(others).max(got / 2));
    config.outgoing.range = config.outgoing.range.min(u32::try_from(most).unwrap_or(u32::MAX));
    match got {
        Some(got) if got < least => Err(format!(
            "open files are limited to {got}, the least to start with is {least}: raise the hard limit to {wanted} \
             (`ulimit -Hn`, LimitNOFILE={wanted} in the unit)"
        )),
        Some(got) if got < wanted => {
            log::warn!("open files are limited to {got}, {wanted} wanted; set LimitNOFILE={wanted} in the unit");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What came of the fast path at the start.
struct FastStart {
    fast_path: FastPath,
    queues: Queues,
    /// Whether there is, or may come, something to attach to.
    attaches: bool,
}

impl FastStart {
    fn off() -> FastStart {
        FastStart { fast_path: FastPath::off(), queues: Queues::new(), attaches: false }
    }
}

fn open_fast_path(invocation: &Invocation, config: &Config, addresses: &[SocketAddr]) -> Result<FastStart, String> {
    if invocation.no_xdp || config.xdp.enable == XdpUse::No {
        let cause = if invocation.no_xdp { "--no-xdp" } else { "xdp: no" };
        log::info!("XDP is off by {cause}: kernel sockets serve");
        return Ok(FastStart::off());
    }
    if !config.do_udp {
        log::info!("XDP is off: do-udp: no leaves nothing for it");
        return Ok(FastStart::off());
    }
    let links = host::links().map_err(|cause| format!("cannot read this host's links: {cause}"))?;
    let plan = attach::plan(config, addresses, &links);
    plan.notes.iter().for_each(|note| log::info!("{note}"));
    let local = addresses.iter().all(|address| address.ip().is_loopback());
    if plan.decisions.is_empty() && config.xdp.enable == XdpUse::Yes {
        let why = if local { "every address is on loopback" } else { "no interface carries an address yet" };
        log::info!("XDP has nothing to attach to: {why}, kernel sockets serve");
    }
    let attaches = !local && !links.user_namespace;
    let (mut fast_path, queues) = FastPath::open(config, &plan, &links, attaches)?;
    if config.sandbox && attaches {
        fast_path.load_spare_programs(config, &plan, &links);
    }
    Ok(FastStart { fast_path, queues, attaches })
}

/// The watch over interfaces that come and go.
pub(super) fn watch_host() -> host::Watch {
    let (watch, trouble) = host::Watch::open(Instant::now());
    if let Some(cause) = trouble {
        log::warn!(
            "no notifications of interfaces that come and go: {cause}; they are looked at every two seconds instead \
             (under systemd, RestrictAddressFamilies= must name AF_NETLINK)"
        );
    }
    watch
}

fn open_control(config: &Config) -> Result<Vec<ControlServer>, String> {
    if !config.remote_control.enable {
        return Ok(Vec::new());
    }
    let bind = |path: &std::path::PathBuf| ControlServer::bind(path).map_err(|error| error.to_string());
    config.remote_control.sockets.iter().map(|(path, _)| bind(path)).collect()
}
