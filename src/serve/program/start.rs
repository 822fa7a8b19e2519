//! From a configuration to a running program.

use super::{Invocation, Program, Stats, forwards, privileges, tuning};
use crate::answer::cache::AnswerCache;
use crate::answer::compile;
use crate::answer::decide::Answerer;
use crate::answer::policy::Policy;
use crate::attach;
use crate::config::{Config, Diagnostic, Loaded, LocalData, LocalZones, Toggle, XdpUse};
use crate::control::ControlServer;
use crate::dns::scan::HashKey;
use crate::host;
use crate::resolve::{self, Resolver, SocketOptions, TtlLimits};
use crate::ring::doorbell::Doorbell;
use crate::ring::spsc;
use crate::serve::events::{QueryEvent, RingSink};
use crate::serve::fast_path::{FastPath, Queues};
use crate::serve::listen::{self, Sockets};
use crate::serve::stream::{StreamOptions, StreamServer};
use crate::serve::worker::idle::{BusyPoll, IdleOptions};
use crate::serve::worker::{Links, Worker, WorkerOptions};
use crate::stats::WorkerStats;
use crate::sys::signals::SignalFd;
use crate::sys::{clock, cpu, limits};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Slots of the rings to and from the resolver. A request is small; a response's slot is 64 KiB of address space, of
/// which a typical answer touches one page.
const REQUESTS: usize = 4096;
const RESPONSES: usize = 512;
/// Queries over streams that are with the worker at once.
const STREAM_QUERIES: usize = 128;
/// Events for the log on their way to main.
const EVENTS: usize = 1024;
/// Least numbers of questions asked upstream at once, and of queries that wait for them.
const QUESTIONS: usize = 4096;
const WAITERS: usize = 16384;
/// Busy threads besides the worker: the resolver, and the kernel's packet work.
const OTHER_BUSY_THREADS: usize = 2;

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
    let signals = SignalFd::new().map_err(|cause| format!("signalfd: {cause}"))?;
    let hash_key = HashKey::random().map_err(|cause| format!("getrandom: {cause}"))?;
    let hostname = clock::hostname();
    let interfaces = listen::host_interfaces()?;
    let (addresses, missing) = listen::addresses(&config, &interfaces).map_err(StartError::Config)?;
    super::log_findings(&missing);
    let policy = Arc::new(compile::policy(&config, hash_key, &hostname).map_err(StartError::Config)?);
    forget_zones(&mut config);
    let table = forwards::table(&config);
    raise_limits(&config);
    let sockets = listen::open(&config, &addresses)?;
    let (fast_path, queues) = open_fast_path(&invocation, &config, &addresses)?;
    let outside = addresses.iter().any(|address| !address.ip().is_loopback());
    let xdp_wanted = outside && !invocation.no_xdp && config.xdp.enable != XdpUse::No && config.do_udp;
    let host = xdp_wanted.then(watch_host);
    let control = open_control(&config)?;
    let pidfile = write_pidfile(&config)?;
    let chroot = privileges::drop(&config, &invocation.file, xdp_wanted)?;
    let pidfile = pidfile.map(|path| privileges::inside(&path, chroot.as_deref()));
    let listen = addresses;
    let parts = Parts {
        host,
        listen,
        invocation,
        config,
        chroot,
        pidfile,
        hostname,
        hash_key,
        policy,
        fast_path,
        signals,
        control,
    };
    parts.run(sockets, queues, table)
}

/// Local zones and data live on in the policy; a million names need not be kept twice.
pub(super) fn forget_zones(config: &mut Config) {
    config.local_zones = LocalZones::default();
    config.local_data = LocalData::default();
}

fn raise_limits(config: &Config) {
    limits::raise_memlock();
    let wanted = u64::from(config.outgoing_range) + u64::from(config.incoming_num_tcp) + 1024;
    if let Some(got) = limits::raise_open_files(wanted)
        && got < wanted
    {
        log::warn!("open files are limited to {got}, {wanted} wanted; set LimitNOFILE={wanted} in the unit");
    }
}

fn open_fast_path(
    invocation: &Invocation,
    config: &Config,
    addresses: &[SocketAddr],
) -> Result<(FastPath, Queues), String> {
    if invocation.no_xdp || config.xdp.enable == XdpUse::No {
        let cause = if invocation.no_xdp { "--no-xdp" } else { "xdp: no" };
        log::info!("XDP is off by {cause}: kernel sockets serve");
        return Ok((FastPath::off(), Queues::new()));
    }
    if !config.do_udp {
        log::info!("XDP is off: do-udp: no leaves nothing for it");
        return Ok((FastPath::off(), Queues::new()));
    }
    let links = host::links().map_err(|cause| format!("cannot read this host's links: {cause}"))?;
    let plan = attach::plan(config, addresses, &links);
    plan.notes.iter().for_each(|note| log::info!("{note}"));
    if plan.decisions.is_empty() && config.xdp.enable == XdpUse::Yes {
        let local = addresses.iter().all(|address| address.ip().is_loopback());
        let why = if local { "every address is on loopback" } else { "no interface carries an address yet" };
        log::info!("XDP has nothing to attach to: {why}, kernel sockets serve");
    }
    FastPath::open(config, &plan, &links)
}

/// The watch over interfaces that come and go.
fn watch_host() -> host::Watch {
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

fn write_pidfile(config: &Config) -> Result<Option<PathBuf>, String> {
    let path = &config.pidfile;
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    std::fs::write(path, format!("{}\n", std::process::id()))
        .map_err(|cause| format!("pidfile {}: {cause}; correct pidfile: or make the directory", path.display()))?;
    Ok(Some(path.clone()))
}

/// What is there before the threads are.
struct Parts {
    invocation: Invocation,
    config: Config,
    chroot: Option<PathBuf>,
    pidfile: Option<PathBuf>,
    hostname: String,
    hash_key: HashKey,
    policy: Arc<Policy>,
    fast_path: FastPath,
    host: Option<host::Watch>,
    listen: Vec<SocketAddr>,
    signals: SignalFd,
    control: Vec<ControlServer>,
}

impl Parts {
    /// Makes the rings and starts the threads.
    fn run(self, sockets: Sockets, queues: Queues, table: resolve::ForwardTable) -> Result<Program, StartError> {
        let bell = || Doorbell::new().map_err(|cause| format!("eventfd: {cause}"));
        let (main_bell, worker_bell, resolver_bell, stream_bell) = (bell()?, bell()?, bell()?, bell()?);
        let (requests, requests_end) = spsc::channel_zeroed(REQUESTS);
        let (responses, responses_end) = spsc::channel_zeroed(RESPONSES);
        let (stream_queries, stream_queries_end) = spsc::channel_zeroed(STREAM_QUERIES);
        let (stream_replies, stream_replies_end) = spsc::channel_zeroed(STREAM_QUERIES);
        let (commands, commands_end) = spsc::channel(16, || None);
        let (done, done_end) = spsc::channel(16, || None);
        let (events, events_end) = spsc::channel(EVENTS, QueryEvent::empty);
        let (tables, tables_end) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let worker_stats = Arc::new(WorkerStats::default());
        let upstream_stats = Arc::new(crate::stats::Upstream::default());
        let mut threads = Vec::new();

        let links = resolve::Links {
            requests: requests_end,
            responses,
            bell: resolver_bell.clone(),
            worker_bell: worker_bell.clone(),
            tables: tables_end,
            stats: Arc::clone(&upstream_stats),
        };
        let resolver = Resolver::new(self.resolver_options(), Arc::new(table), links)
            .map_err(|cause| format!("resolver: {cause}"))?;
        threads.push(spawn("resolver", &stop, move |stop| resolver.run(stop))?);

        let stream_stats = if sockets.tcp.is_empty() {
            None
        } else {
            let server = StreamServer::new(
                self.stream_options(),
                sockets.tcp,
                stream_queries,
                stream_replies_end,
                stream_bell.clone(),
                worker_bell.clone(),
            );
            let stats = server.stats();
            threads.push(spawn("stream", &stop, move |stop| {
                if let Err(cause) = server.run(stop) {
                    log::error!("stream: {cause}");
                }
            })?);
            Some(stats)
        };

        let sink = RingSink::new(events, main_bell.clone(), Arc::clone(&worker_stats));
        let cache = AnswerCache::new(usize::try_from(self.config.msg_cache_size).unwrap_or(usize::MAX));
        let answerer = Answerer::new(Arc::clone(&self.policy), cache, Arc::clone(&worker_stats), Box::new(sink));
        let links = Links {
            bell: worker_bell.clone(),
            requests,
            responses: responses_end,
            resolver_bell: resolver_bell.clone(),
            stream_queries: stream_queries_end,
            stream_replies,
            stream_bell: stream_bell.clone(),
            commands: commands_end,
            done,
            main_bell: main_bell.clone(),
        };
        let options = self.worker_options();
        let idle = options.idle;
        let worker = Worker::new(options, answerer, Arc::clone(&worker_stats), queues, sockets.udp, links);
        let pin = idle.own_core.then(|| cpu::allowed_cpus().last().copied()).flatten();
        threads.push(spawn("worker", &stop, move |stop| {
            if let Some(Err(cause)) = pin.map(cpu::pin_this_thread) {
                log::warn!("the worker is not pinned to a core: {cause}");
            }
            worker.run(stop);
        })?);

        Ok(Program {
            invocation: self.invocation,
            config: self.config,
            chroot: self.chroot,
            hostname: self.hostname,
            hash_key: self.hash_key,
            policy: self.policy,
            fast_path: self.fast_path,
            host: self.host,
            listen: self.listen,
            signals: self.signals,
            control: self.control,
            stats: Stats { worker: worker_stats, upstream: upstream_stats, streams: stream_stats },
            events: events_end,
            commands,
            done: done_end,
            bell: main_bell,
            bells: [worker_bell, resolver_bell, stream_bell],
            tables,
            stop,
            threads,
            started: Instant::now(),
            statistics_base: None,
            late: 0,
            worker_waits: tuning::worker(idle, pin, cpu::usable_cores()),
            pidfile: self.pidfile,
            stopping: false,
        })
    }

    fn resolver_options(&self) -> resolve::Options {
        let config = &self.config;
        resolve::Options {
            questions: self.questions(),
            tcp_connections: config.outgoing_num_tcp as usize,
            edns_size: config.edns_buffer_size,
            minimal_responses: config.minimal_responses,
            ttl: TtlLimits {
                min: config.cache_min_ttl,
                max: config.cache_max_ttl,
                max_negative: config.cache_max_negative_ttl,
            },
            patience: Duration::from_secs(12),
            jostle: Duration::from_millis(u64::from(config.jostle_timeout)),
            sockets: SocketOptions {
                ports: config.outgoing_ports(),
                addresses: config.outgoing_interfaces.clone(),
                most: config.outgoing_range as usize,
                ..SocketOptions::default()
            },
        }
    }

    /// Questions asked upstream at once.
    fn questions(&self) -> usize {
        (self.config.num_queries_per_thread as usize).max(QUESTIONS)
    }

    fn stream_options(&self) -> StreamOptions {
        StreamOptions {
            max_connections: self.config.incoming_num_tcp as usize,
            idle_timeout: u64::from(self.config.tcp_idle_timeout),
            ..StreamOptions::default()
        }
    }

    fn worker_options(&self) -> WorkerOptions {
        let busy_poll = match self.config.xdp.busy_poll {
            Toggle::Auto => BusyPoll::Auto,
            Toggle::Yes => BusyPoll::Yes,
            Toggle::No => BusyPoll::No,
        };
        let own_core = cpu::usable_cores() > OTHER_BUSY_THREADS;
        WorkerOptions {
            // Twice what the resolver asks at once: what it gives up for a newer question is still waited for here.
            questions: 2 * self.questions(),
            waiters: WAITERS,
            datagram: usize::from(self.policy.max_udp_size).max(4096),
            idle: IdleOptions { busy_poll, own_core },
        }
    }
}

fn spawn(
    name: &str,
    stop: &Arc<AtomicBool>,
    work: impl FnOnce(&AtomicBool) + Send + 'static,
) -> Result<std::thread::JoinHandle<()>, String> {
    let stop = Arc::clone(stop);
    std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(1 << 20)
        .spawn(move || work(&stop))
        .map_err(|cause| format!("thread {name}: {cause}"))
}
