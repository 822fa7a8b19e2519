//! What a configuration makes of the worker and the resolver, whoever runs them: the threads, or a test with a clock and a
//! network of its own.

use super::forwards;
use super::sizes::Sizes;
use crate::answer::policy::Policy;
use crate::config::{Config, Toggle};
use crate::host::Interface;
use crate::resolve::{self, SocketOptions, TtlLimits, ZoneTable};
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
    /// Octets of the resolver's cache, for RRsets and for messages.
    pub known: (usize, usize),
}

impl Parts {
    pub(super) fn of(config: &Config, policy: &Policy, sizes: &Sizes) -> Parts {
        Parts {
            worker: worker_options(config, policy, sizes),
            resolver: resolver_options(config, sizes),
            cache: sizes.answers,
            known: (sizes.rrsets, sizes.messages),
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
        infra: infra(config),
        preference: preference(config),
        only_tcp: config.servers.only_tcp,
        sockets: SocketOptions {
            ports: config.outgoing_ports(),
            most: config.outgoing_range as usize,
            ..SocketOptions::default()
        },
    }
}

fn iteration(config: &Config) -> resolve::Iteration {
    let of = &config.iteration;
    let few = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
    resolve::Iteration {
        minimise: of.minimise,
        strict: of.minimise_strictly,
        name_servers: of.scrub_ns,
        no_promiscuous: config.iter_scrub_promiscuous,
        only_own_glue: of.harden_glue,
        quota: of.global_quota,
        sends: few(of.sent_count),
        restarts: few(of.restarts),
        retries: few(of.retries),
        fetch_policy: of.fetch_policy.clone(),
    }
}

fn infra(config: &Config) -> resolve::Infra {
    let of = &config.servers;
    resolve::Infra {
        shortest: of.min_rtt,
        longest: of.max_rtt,
        unknown: of.unknown,
        memory: Duration::from_secs(u64::from(of.host_ttl)),
        hosts: of.hosts as usize,
    }
}

fn preference(config: &Config) -> resolve::Preference {
    let of = &config.servers;
    resolve::Preference {
        ip4: of.prefer_ip4,
        ip6: of.prefer_ip6,
        fast_permil: of.fast_permil,
        fast_number: of.fast_number,
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
