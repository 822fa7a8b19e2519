//! What a configuration makes of the worker and the resolver, whoever runs them: the threads, or a test with a clock and a
//! network of its own.

use super::sizes::Sizes;
use super::{forwards, validation};
use crate::answer::policy::Policy;
use crate::config::{Config, Toggle};
use crate::host::Interface;
use crate::resolve::{self, BelowNxdomain, Caps, ClientStrings, SocketOptions, StreamOptions, TtlLimits, ZoneTable};
use crate::serve::scope::Zones;
use crate::serve::worker::WorkerOptions;
use crate::serve::worker::idle::{BusyPoll, IdleOptions};
use crate::sys::cpu;
use crate::validate::Fakes;
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
    /// Octets of the table of clients.
    pub clients: usize,
    /// Octets of the resolver's cache, for RRsets and for messages.
    pub known: (usize, usize),
    /// What of that is told.
    pub rules: resolve::Rules,
}

impl Parts {
    pub(super) fn of(config: &Config, policy: &Policy, sizes: &Sizes) -> Parts {
        Parts {
            worker: worker_options(config, policy, sizes),
            resolver: resolver_options(config, sizes),
            cache: sizes.answers,
            clients: sizes.clients,
            known: (sizes.rrsets, sizes.messages),
            rules: rules(config),
        }
    }

    /// What of a configuration the resolver goes by from a reload on: settings, and what is told of what is kept.
    pub(super) fn of_resolver(config: &Config) -> (resolve::Options, resolve::Rules) {
        (resolver_options(config, &Sizes::of(config)), rules(config))
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
        tcp_connections: if config.do_tcp { config.outgoing.num_tcp as usize } else { 0 },
        edns_size: config.edns_buffer_size,
        minimal_responses: config.minimal_responses,
        ttl: TtlLimits {
            min: config.caches.min_ttl,
            max: config.caches.max_ttl,
            max_negative: config.caches.max_negative_ttl,
            min_negative: config.caches.min_negative_ttl,
            original: config.caches.original_ttl,
        },
        patience: Duration::from_secs(12),
        jostle: Duration::from_millis(u64::from(config.jostle_timeout)),
        expired: config.expired.serve.then(|| Duration::from_millis(u64::from(config.expired.client_timeout))),
        hints: resolve::built_in(),
        iteration: iteration(config),
        infra: infra(config),
        preference: preference(config),
        sockets: SocketOptions {
            ports: config.outgoing_ports(),
            most: config.outgoing.range as usize,
            connected: config.transport.connect,
            delay_close: milliseconds(config.transport.delay_close),
            dscp: config.dscp,
            mss: config.outgoing.tcp_mss,
        },
        streams: streams(config),
        rates: rates(config),
        caps: Caps {
            mixed: config.transport.caps,
            exempt: config.transport.caps_exempt.iter().map(|name| name.as_slice().into()).collect(),
        },
        cookies: true,
        no_dnssec_ok: config.transport.no_dnssec_ok,
        reports_errors: config.transport.reports_errors,
        client_strings: client_strings(config),
        validation: validation::rules(config, Fakes::default()),
    }
}

fn rules(config: &Config) -> resolve::Rules {
    let of = &config.expired;
    let below_nxdomain = match config.validation.harden_below_nxdomain {
        true => BelowNxdomain::IfSecure,
        false => BelowNxdomain::Ask,
    };
    resolve::Rules {
        below_nxdomain,
        serve_expired: of.serve.then_some(of.ttl),
        serve_expired_reset: of.reset,
        expired_reply_ttl: of.reply_ttl,
        original_ttl: config.caches.original_ttl,
    }
}

fn rates(config: &Config) -> resolve::RateLimits {
    let of = &config.rates;
    let by_name = |lines: &[(Vec<u8>, u32)]| lines.iter().map(|(name, rate)| (name.as_slice().into(), *rate)).collect();
    resolve::RateLimits {
        rate: of.rate,
        factor: of.factor,
        backoff: of.backoff,
        size: of.size,
        exact: by_name(&of.exact),
        below: by_name(&of.below),
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
        // Without UDP for clients there is none for servers, unless that is asked for.
        always: of.tcp || !(config.do_udp || of.udp_always),
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
    // One more can still be counted.
    let few = |number: u32| number.min(u32::from(u8::MAX - 1)) as u8;
    resolve::Iteration {
        minimise: of.minimise,
        strict: of.minimise_strictly,
        name_servers: of.scrub_ns,
        aliases: of.scrub_cname as usize,
        signatures: of.scrub_rrsig,
        no_promiscuous: config.iter_scrub_promiscuous,
        only_own_glue: of.harden_glue,
        verify_glue: of.harden_unverified_glue,
        harden_referral: of.harden_referral,
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
        class: config.dscp << 2,
        queue_limit: u64::from(config.clients.queue_timeout) * 1_000_000,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::answer::compile;
    use crate::config;
    use crate::dns::scan::HashKey;
    use crate::host::tests::recorded;

    /// What a `server:` clause makes of the resolver, and the table's part of it.
    fn resolver(lines: &str) -> (resolve::Options, ZoneTable, (usize, usize, usize)) {
        let loaded = config::parse_bytes("test.conf", format!("server:\n{lines}\n").as_bytes()).unwrap();
        assert_eq!(loaded.warnings, []);
        let policy = compile::policy(&loaded.config, HashKey::fixed(1), "host").unwrap();
        let parts = Parts::of(&loaded.config, &policy, &Sizes::of(&loaded.config));
        let table = forwards::place(&loaded.config, &Zones::from(&recorded(&[])[..])).table(&loaded.config);
        (parts.resolver, table, (parts.cache, parts.known.0, parts.known.1))
    }

    #[test]
    fn without_a_word_the_roots_servers_are_asked_as_unbound_asks_them() {
        let (options, table, sizes) = resolver("");
        assert_eq!((options.hints.len(), table.hints(), table.zones().len()), (13, None, 0));
        assert_eq!(format!("{:?}", options.iteration), format!("{:?}", resolve::Iteration::default()));
        assert_eq!(options.infra, resolve::Infra::default());
        assert_eq!(options.preference, resolve::Preference { fast_number: 3, ..resolve::Preference::default() });
        assert_eq!(sizes, (3 << 20, 4 << 20, 1 << 20), "msg-cache-size is divided");
    }

    #[test]
    fn what_the_file_says_reaches_the_resolver() {
        let (options, _, sizes) = resolver(
            "qname-minimisation: no\nqname-minimisation-strict: yes\nharden-glue: no\niter-scrub-ns: 7\n\
             iter-scrub-promiscuous: no\niter-scrub-cname: 3\niter-scrub-rrsig: 4\ndisable-edns-do: yes\nmax-global-quota: 8\nmax-sent-count: 9\nmax-query-restarts: 10\n\
             outbound-msg-retry: 6\ntarget-fetch-policy: \"0 -1\"\ninfra-host-ttl: 60\ninfra-cache-numhosts: 50\n\
             infra-cache-min-rtt: 20\ninfra-cache-max-rtt: 2000\nunknown-server-time-limit: 300\nprefer-ip6: yes\n\
             fast-server-permil: 900\nfast-server-num: 2\nmsg-cache-size: 8m\nrrset-cache-size: 16m",
        );
        let of = options.iteration;
        assert_eq!((of.minimise, of.strict, of.only_own_glue, of.no_promiscuous), (false, true, false, false));
        assert_eq!((of.aliases, of.signatures, options.no_dnssec_ok), (3, 4, true));
        assert_eq!((of.name_servers, of.quota, of.sends, of.restarts, of.retries), (7, 8, 9, 10, 6));
        assert_eq!(of.fetch_policy, [0, -1]);
        let memory = Duration::from_secs(60);
        assert_eq!(options.infra, resolve::Infra { shortest: 20, longest: 2000, unknown: 300, memory, hosts: 50 });
        let preference = resolve::Preference { ip4: false, ip6: true, fast_permil: 900, fast_number: 2 };
        assert_eq!(options.preference, preference);
        assert_eq!(sizes, (6 << 20, 16 << 20, 2 << 20));
    }

    #[test]
    fn servers_are_asked_over_what_clients_may_ask_over() {
        let ways = |lines: &str| {
            let (options, ..) = resolver(lines);
            (options.streams.always, options.tcp_connections)
        };
        assert_eq!(ways(""), (false, 10));
        assert_eq!(ways("tcp-upstream: yes"), (true, 10));
        assert_eq!(ways("do-udp: no"), (true, 10));
        assert_eq!(ways("do-udp: no\nudp-upstream-without-downstream: yes"), (false, 10));
        assert_eq!(ways("do-tcp: no"), (false, 0));
    }

    #[test]
    fn root_hints_and_zones_come_with_the_table() {
        let text = concat!("root-hints: ", env!("CARGO_MANIFEST_DIR"), "/src/config/testdata/root.hints");
        let stub = "stub-zone:\n name: a\n stub-host: ns.b\n stub-prime: yes\n stub-first: yes\n stub-tcp-upstream: yes\n \
                    stub-no-cache: yes\n stub-addr: 192.0.2.1\n";
        let file = std::env::temp_dir().join(format!("runbound-parts-{}", std::process::id()));
        std::fs::write(&file, format!("server:\n {text}\n{stub}")).unwrap();
        let config = config::load(&file).unwrap().config;
        std::fs::remove_file(&file).unwrap();
        let table = forwards::place(&config, &Zones::from(&recorded(&[])[..])).table(&config);
        let hints = table.hints().unwrap();
        assert_eq!((hints.len(), hints[0].name.to_string()), (2, "a.root.example.".to_owned()));
        assert_eq!(hints[0].addresses.len(), 2);
        let zone = &table.zones()[0];
        assert_eq!(zone.kind, resolve::Kind::Stub { prime: true });
        assert!(zone.first && zone.tcp && zone.no_cache);
        assert_eq!(
            (zone.hosts[0].to_string(), zone.servers[0].to_string()),
            ("ns.b.".into(), "192.0.2.1:53".to_owned())
        );
    }
}
