//! The threads beside main, the rings between them, and what main has of both.

use super::anchors::AnchorFiles;
use super::orders::Orders;
use super::parts::Parts;
use super::resolver::ToResolver;
use super::sizes::{EVENTS, REQUESTS, RESPONSES, STACK, STREAM_QUERIES, Sizes};
use super::tuning;
use crate::answer::cache::{AnswerCache, Index};
use crate::answer::clients::Clients;
use crate::answer::decide::Answerer;
use crate::answer::policy::Policy;
use crate::config::Config;
use crate::dns::scan::HashKey;
use crate::resolve::{self, Cache, Resolver, Rules, Troubles, ZoneTable};
use crate::ring::doorbell::Doorbell;
use crate::ring::spsc::{self, Consumer, Producer};
use crate::serve::events::{self, QueryEvent, RingSink};
use crate::serve::fast_path::{ProgramClients, Queues};
use crate::serve::listen::Sockets;
use crate::serve::stream::{StreamOptions, StreamServer};
use crate::serve::stream_limits::ConnectionLimits;
use crate::serve::stream_message::StreamMessage;
use crate::serve::worker::idle::IdleOptions;
use crate::serve::worker::{self, HotAnswers, Worker};
use crate::stats::{Streams, Upstream, WorkerStats};
use crate::sys::cpu;
use crate::xdp::answers::Table;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

/// The threads, and main's ends of the rings.
pub(super) struct Threads {
    handles: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    bells: Bells,
    /// What main asks of the worker.
    pub(super) orders: Orders,
    /// Octets of the worker's cache.
    cache: usize,
    /// What main asks of the resolver.
    pub(super) resolver: ToResolver,
    /// Octets of its cache, what of that is told, and the key that its entries are found by.
    known: ((usize, usize), Rules, HashKey),
    events: Consumer<QueryEvent>,
    /// Read by the thread for streams.
    tells_destinations: Arc<AtomicBool>,
    /// Files of anchors that the resolver wants written.
    pub(super) anchor_files: AnchorFiles,
    /// How the worker waits, for `status`.
    pub(super) worker_waits: String,
    /// The counters of all threads.
    pub(super) stats: Stats,
}

/// The counters of all threads, and what they have to show.
#[derive(Default)]
pub(super) struct Stats {
    pub(super) worker: Arc<WorkerStats>,
    pub(super) upstream: Arc<Upstream>,
    /// What stands in the way to name servers.
    pub(super) troubles: Arc<Troubles>,
    /// None without a thread for streams.
    pub(super) streams: Option<Arc<Streams>>,
}

/// One doorbell for each thread.
struct Bells {
    main: Doorbell,
    worker: Doorbell,
    resolver: Doorbell,
    stream: Doorbell,
}

impl Threads {
    /// Makes the rings and starts the threads. All of `sockets` and `queues` are served when this returns.
    ///
    /// # Errors
    /// What the system refused.
    pub(super) fn start(
        config: &Config,
        (policy, hash_key): (&Arc<Policy>, HashKey),
        table: ZoneTable,
        sockets: Sockets,
        (queues, programs): (Queues, Option<&Arc<Table>>),
    ) -> Result<Threads, String> {
        let sizes = Sizes::of(config);
        sizes.require()?;
        let parts = Parts::of(config, policy, &sizes);
        let (requests, requests_end) = spsc::channel_zeroed(REQUESTS);
        let (responses, responses_end) = spsc::channel_zeroed(RESPONSES);
        let (stream_queries, stream_queries_end) = spsc::channel_zeroed(STREAM_QUERIES);
        let (stream_replies, stream_replies_end) = spsc::channel_zeroed(STREAM_QUERIES);
        let bells = Bells::new()?;
        let (orders, order_ends) = Orders::new(Arc::clone(policy), bells.main.clone(), bells.worker.clone());
        let (events, events_end) = spsc::channel(EVENTS, QueryEvent::empty);
        let (commands, resolver_commands) = mpsc::channel();
        let resolver = ToResolver::new(commands, bells.resolver.clone());
        let known = (parts.known, parts.rules, hash_key);
        let (anchor_files, to_anchor_files) = AnchorFiles::new();
        let mut threads = Threads {
            handles: Vec::new(),
            stop: Arc::default(),
            bells,
            orders,
            cache: parts.cache,
            resolver,
            known,
            events: events_end,
            tells_destinations: Arc::default(),
            anchor_files,
            worker_waits: String::new(),
            stats: Stats::default(),
        };
        let bells = &threads.bells;
        let links = resolve::Links {
            requests: requests_end,
            responses,
            bell: bells.resolver.clone(),
            worker_bell: bells.worker.clone(),
            commands: resolver_commands,
            stats: Arc::clone(&threads.stats.upstream),
            troubles: Arc::clone(&threads.stats.troubles),
            anchor_files: to_anchor_files,
        };
        let worker_links = worker::Links {
            bell: bells.worker.clone(),
            requests,
            responses: responses_end,
            resolver_bell: bells.resolver.clone(),
            stream_queries: stream_queries_end,
            stream_replies,
            stream_bell: bells.stream.clone(),
            commands: order_ends.commands,
            done: order_ends.done,
            main_bell: bells.main.clone(),
        };
        threads.start_resolver(parts.resolver, table, links)?;
        threads.start_stream(config, sockets.tcp, stream_queries, stream_replies_end)?;
        let answerer = threads.answerer(policy, AnswerCache::new(parts.cache), events);
        let answerer = answerer.with_clients(Clients::new(parts.clients, hash_key)?);
        let stats = Arc::clone(&threads.stats.worker);
        let worker = Worker::new(parts.worker, answerer, stats, queues, sockets.udp, worker_links);
        let worker = threads.teach(worker, programs, parts.worker.class);
        threads.start_worker(parts.worker.idle, worker)?;
        Ok(threads)
    }

    /// Has the worker teach XDP programs that answer by themselves.
    fn teach(&mut self, worker: Worker, programs: Option<&Arc<Table>>, class: u8) -> Worker {
        let Some(table) = programs else { return worker };
        match table.slots(class) {
            Ok(slots) => {
                self.orders.have_answered(ProgramClients::new(Arc::clone(table)));
                worker.with_hot_answers(HotAnswers::new(slots))
            }
            Err(cause) => {
                log::warn!("xdp-answers is off, the worker answers: the table of answers cannot be mapped: {cause}");
                worker
            }
        }
    }

    fn start_resolver(
        &mut self,
        options: resolve::Options,
        table: ZoneTable,
        links: resolve::Links,
    ) -> Result<(), String> {
        let cache = self.empty_known()?;
        let resolver = Resolver::new(options, Arc::new(table), links).map_err(|cause| format!("resolver: {cause}"))?;
        let resolver = resolver.with_cache(cache);
        self.spawn("resolver", move |stop| resolver.run(stop))
    }

    /// Without listeners there is no thread for streams.
    fn start_stream(
        &mut self,
        config: &Config,
        listeners: Vec<OwnedFd>,
        queries: Producer<StreamMessage>,
        replies: Consumer<StreamMessage>,
    ) -> Result<(), String> {
        if listeners.is_empty() {
            return Ok(());
        }
        let (own, worker) = (self.bells.stream.clone(), self.bells.worker.clone());
        let server = StreamServer::new(stream_options(config), listeners, queries, replies, own, worker);
        let limits = config.clients.connections.iter().map(|(block, most)| (block.address, block.prefix, *most));
        let server = server.with_limits(ConnectionLimits::new(limits));
        self.stats.streams = Some(server.stats());
        self.tells_destinations = server.tells_destinations();
        self.tell_destinations(config.log.destinations);
        self.spawn("stream", move |stop| {
            if let Err(cause) = server.run(stop) {
                log::error!("stream: {cause}");
            }
        })
    }

    fn answerer(&self, policy: &Arc<Policy>, cache: AnswerCache, events: Producer<QueryEvent>) -> Answerer {
        let stats = &self.stats.worker;
        let sink = RingSink::new(events, self.bells.main.clone(), Arc::clone(stats));
        Answerer::new(Arc::clone(policy), cache, Arc::clone(stats), Box::new(sink))
    }

    fn start_worker(&mut self, idle: IdleOptions, worker: Worker) -> Result<(), String> {
        let pin = idle.own_core.then(|| cpu::allowed_cpus().last().copied()).flatten();
        self.worker_waits = tuning::worker(idle, pin, cpu::usable_cores());
        self.spawn("worker", move |stop| {
            if let Some(Err(cause)) = pin.map(cpu::pin_this_thread) {
                log::warn!("the worker is not pinned to a core: {cause}");
            }
            worker.run(stop);
        })
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce(&AtomicBool) + Send + 'static) -> Result<(), String> {
        let stop = Arc::clone(&self.stop);
        let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK);
        let handle = thread.spawn(move || work(&stop)).map_err(|cause| {
            format!("thread {name}: {cause}; memory or threads are limited (`ulimit -v`, `ulimit -u`, TasksMax= in the unit)")
        })?;
        self.handles.push(handle);
        Ok(())
    }

    /// Main's doorbell.
    pub(super) fn bell(&self) -> &Doorbell {
        &self.bells.main
    }

    /// Has the worker take a turn, if it sleeps.
    pub(super) fn wake_worker(&self) {
        self.bells.worker.ring();
    }

    /// Whether there are events to be logged, or an answer of the worker that was late.
    pub(super) fn has_news(&mut self) -> bool {
        !self.events.is_empty() || self.orders.has_answer()
    }

    /// Logs some of the events; `tagged`: log-tag-queryreply.
    pub(super) fn log_events(&mut self, tagged: bool) {
        events::log_some(&mut self.events, tagged);
    }

    /// Whether a thread ended; none does unasked.
    pub(super) fn any_ended(&self) -> bool {
        self.handles.iter().any(JoinHandle::is_finished)
    }

    /// An empty index for the worker's cache.
    ///
    /// # Errors
    /// As [`Index::empty`].
    pub(super) fn empty_index(&self) -> Result<Index, String> {
        Index::empty(self.cache)
    }

    /// An empty cache for the resolver.
    ///
    /// # Errors
    /// That there is no memory for it: what limits it, and the fix.
    pub(super) fn empty_known(&self) -> Result<Cache, String> {
        let ((rrsets, messages), rules, hash_key) = self.known;
        Cache::new(rrsets, messages, rules, hash_key)
    }

    /// Has the resolver go by other settings.
    pub(super) fn go_by(&mut self, options: resolve::Options, rules: resolve::Rules) {
        self.known.1 = rules;
        self.resolver.go_by(options, rules);
    }

    /// Has streams tell the worker which address was asked: log-destaddr.
    pub(super) fn tell_destinations(&self, wanted: bool) {
        self.tells_destinations.store(wanted, Ordering::Relaxed);
    }

    /// Ends the threads and waits for them; the worker answers what its sockets hold. What is still to be logged is, as
    /// [`Self::log_events`] does.
    pub(super) fn end(&mut self, tagged: bool) {
        self.stop.store(true, Ordering::Release);
        for bell in [&self.bells.worker, &self.bells.resolver, &self.bells.stream] {
            bell.ring();
        }
        for thread in self.handles.drain(..) {
            let name = thread.thread().name().unwrap_or("a thread").to_owned();
            if thread.join().is_err() {
                log::error!("{name} ended in a panic");
            }
        }
        self.log_events(tagged);
    }
}

impl Bells {
    fn new() -> Result<Bells, String> {
        let bell = || Doorbell::new().map_err(|cause| format!("eventfd: {cause}"));
        Ok(Bells { main: bell()?, worker: bell()?, resolver: bell()?, stream: bell()? })
    }
}

fn stream_options(config: &Config) -> StreamOptions {
    StreamOptions {
        max_connections: config.incoming_num_tcp as usize,
        idle_timeout: u64::from(config.stream_timeout()),
        tells_idle_time: config.clients.keepalive,
        ..StreamOptions::default()
    }
}
