//! What a configuration makes of the worker and the resolver, whoever runs them: the threads, or a test with a clock and a
//! network of its own.

use super::forwards;
use super::sizes::Sizes;
use crate::answer::policy::Policy;
use crate::config::{Config, Toggle};
use crate::host::Interface;
use crate::resolve::{self, ClientStrings, SocketOptions, StreamOptions, TtlLimits, ZoneTable};
use crate::serve::scope::Zones;
use crate::serve::worker::WorkerOptions;
use crate::serve::worker::idle::{BusyPoll, IdleOptions};
use crate::sys::cpu;
use std::time::Duration;

/// Busy threads besides the worker: the resolver, and the kernel's packet work.
const OTHER_BUSY_THREADS: usize = 2;

/// Sizes and choices of both.
pub struct Parts {
    /// The worker's.
    pub worker: WorkerOptions,
    /// The resolver's.
    pub resolver: resolve::Options,
    /// Octets of the answer cache.
    pub cache: usize,
}

impl Parts {
    pub(super) fn of(config: &Config, policy: &Policy, sizes: &Sizes) -> Parts {
        Parts {
            worker: worker_options(config, policy, sizes),
            resolver: resolver_options(config, sizes),
            cache: sizes.cache,
        }
    }

    /// The same within what this machine's memory allows, and whom the resolver asks on a machine without interfaces. For
    /// tests that run the worker and the resolver's core without threads.
    #[doc(hidden)]
    pub fn without_threads(config: &Config, policy: &Policy) -> (Parts, ZoneTable) {
        let interfaces: &[Interface] = &[];
        let table = forwards::place(config, &Zones::from(interfaces)).table(config);
        (Parts::of(config, policy, &Sizes::of(config)), table)
    }
}

fn resolver_options(config: &Config, sizes: &Sizes) -> resolve::Options {
    resolve::Options {
        questions: sizes.questions,
        tcp_connections: config.outgoing_num_tcp as usize,
        edns_size: config.edns_buffer_size,
        minimal_responses: config.minimal_responses,
        ttl: TtlLimits {
            min: config.cache_min_ttl,
            max: config.cache_max_ttl,
            max_negative: config.cache_max_negative_ttl,
            min_negative: config.cache_min_negative_ttl,
        },
        patience: Duration::from_secs(12),
        jostle: Duration::from_millis(u64::from(config.jostle_timeout)),
        hints: resolve::built_in(),
        iteration: iteration(config),
        sockets: SocketOptions {
            ports: config.outgoing_ports(),
            most: config.outgoing_range as usize,
            connected: config.transport.connect,
            delay_close: milliseconds(config.transport.delay_close),
        },
        streams: streams(config),
        cookies: true,
        client_strings: client_strings(config),
    }
}

fn milliseconds(number: u32) -> Duration {
    Duration::from_millis(u64::from(number))
}

fn streams(config: &Config) -> StreamOptions {
    let of = &config.transport;
    StreamOptions {
        queries: of.reuse_queries,
        idle: milliseconds(of.reuse_timeout),
        wait: milliseconds(of.query_timeout),
        always: of.tcp,
    }
}

fn client_strings(config: &Config) -> ClientStrings {
    let of = &config.transport;
    let strings = of.client_strings.iter();
    let strings = strings.map(|(block, string)| (block.address, block.prefix, string.as_bytes().to_vec()));
    ClientStrings::new(of.client_string_code, strings)
}

fn iteration(config: &Config) -> resolve::Iteration {
    let of = &config.iteration;
    let few = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
    resolve::Iteration {
        minimise: of.minimise,
        strict: of.minimise_strictly,
        name_servers: of.scrub_ns,
        no_promiscuous: of.scrub_promiscuous,
        only_own_glue: of.harden_glue,
        quota: of.global_quota,
        sends: few(of.sent_count),
        restarts: few(of.restarts),
        retries: few(of.retries),
        fetch_policy: of.fetch_policy.clone(),
    }
}

fn worker_options(config: &Config, policy: &Policy, sizes: &Sizes) -> WorkerOptions {
    let busy_poll = match config.xdp.busy_poll {
        Toggle::Auto => BusyPoll::Auto,
        Toggle::Yes => BusyPoll::Yes,
        Toggle::No => BusyPoll::No,
    };
    let own_core = cpu::usable_cores() > OTHER_BUSY_THREADS;
    WorkerOptions {
        // Twice what the resolver asks at once: what it gives up for a newer question is still waited for here.
        questions: 2 * sizes.questions,
        waiters: sizes.waiters,
        datagram: usize::from(policy.max_udp_size).max(4096),
        idle: IdleOptions { busy_poll, own_core },
    }
}
