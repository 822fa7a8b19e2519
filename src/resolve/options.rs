//! Settings of the resolver.

use super::caps::Caps;
use super::client_string::ClientStrings;
use super::hints::Hint;
use super::rates::RateLimits;
use super::sockets::SocketOptions;
use super::streams::StreamOptions;
use super::ttl::TtlLimits;
use crate::validate::Rules;
use std::time::Duration;

/// How authoritative servers are asked, and what of their replies is believed.
#[derive(Clone, Debug)]
pub struct Iteration {
    /// `qname-minimisation:`
    pub minimise: bool,
    /// `qname-minimisation-strict:`
    pub strict: bool,
    /// `iter-scrub-ns:`
    pub name_servers: u32,
    /// `iter-scrub-cname:`, aliases of one reply that are followed; the next is asked for.
    pub aliases: usize,
    /// `iter-scrub-rrsig:`, signatures over one RRset that are told on, so that they cannot fill a cache.
    pub signatures: u32,
    /// `iter-scrub-promiscuous:`
    pub no_promiscuous: bool,
    /// `harden-glue:`
    pub only_own_glue: bool,
    /// `harden-unverified-glue:`
    pub verify_glue: bool,
    /// `harden-referral-path:`
    pub harden_referral: bool,
    /// `max-global-quota:`, queries for one question, lookups included.
    pub quota: u32,
    /// `max-sent-count:`, queries for one target.
    pub sends: u8,
    /// `max-query-restarts:`
    pub restarts: u8,
    /// `outbound-msg-retry:`, queries to one server for one target.
    pub retries: u8,
    /// `target-fetch-policy:`, lookups ahead by the depth of the question; -1: all. One depth more is one too deep.
    pub fetch_policy: Vec<i32>,
}

impl Default for Iteration {
    fn default() -> Self {
        Iteration {
            minimise: true,
            strict: false,
            name_servers: 20,
            aliases: 11,
            signatures: 8,
            no_promiscuous: true,
            only_own_glue: true,
            verify_glue: false,
            harden_referral: false,
            quota: 200,
            sends: 32,
            restarts: 11,
            retries: 5,
            fetch_policy: vec![3, 2, 1, 0, 0],
        }
    }
}

/// How servers are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Infra {
    /// `infra-cache-min-rtt:`, the shortest wait for an answer in milliseconds.
    pub shortest: u32,
    /// `infra-cache-max-rtt:`, the longest wait that servers are compared by.
    pub longest: u32,
    /// `unknown-server-time-limit:`, milliseconds that a server is waited for of which nothing is known.
    pub unknown: u32,
    /// `infra-host-ttl:`, how long it is remembered that a server refuses EDNS or does not serve a cut.
    pub memory: Duration,
    /// `infra-cache-numhosts:`, servers that are remembered before the first is forgotten.
    pub hosts: usize,
}

impl Default for Infra {
    fn default() -> Self {
        let memory = Duration::from_secs(900);
        Infra { shortest: 50, longest: 120_000, unknown: 376, memory, hosts: 10_000 }
    }
}

/// Which of several servers is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Preference {
    /// `prefer-ip4:`
    pub ip4: bool,
    /// `prefer-ip6:`
    pub ip6: bool,
    /// `fast-server-permil:`, of a thousand questions those that only the fastest are asked.
    pub fast_permil: u32,
    /// `fast-server-num:`, how many these are.
    pub fast_number: u32,
}

/// Settings of the resolver.
#[derive(Clone, Debug)]
pub struct Options {
    /// Questions in flight at most (`num-queries-per-thread:`).
    pub questions: usize,
    /// TCP connections to servers at most (`outgoing-num-tcp:`), none with 0.
    pub tcp_connections: usize,
    /// Payload size told to servers (`edns-buffer-size:`).
    pub edns_size: u16,
    /// `minimal-responses:`
    pub minimal_responses: bool,
    /// `cache-min-ttl:`, `cache-max-ttl:`, `cache-max-negative-ttl:`
    pub ttl: TtlLimits,
    /// Time after which a question is given up, whatever is still to be tried.
    pub patience: Duration,
    /// Time after which a question may be given up for a new one when there is no room (`jostle-timeout:`).
    pub jostle: Duration,
    /// Time after which a client is told what has expired (`serve-expired-client-timeout:`), 0: at once; `None`: never
    /// (`serve-expired: no`).
    pub expired: Option<Duration>,
    /// The root's servers; without any, what no forward zone takes fails.
    pub hints: Vec<Hint>,
    /// How authoritative servers are asked.
    pub iteration: Iteration,
    /// How servers are remembered.
    pub infra: Infra,
    /// Which of them are asked first.
    pub preference: Preference,
    /// Ports and number of the sockets.
    pub sockets: SocketOptions,
    /// Queries that the servers of a zone are sent in a second.
    pub rates: RateLimits,
    /// Whose names are asked for in mixed case.
    pub caps: Caps,
    /// DNS cookies are sent to servers.
    pub cookies: bool,
    /// No query has DO (`disable-edns-do:`).
    pub no_dnssec_ok: bool,
    /// Errors are reported to the agents that servers name (`dns-error-reporting:`).
    pub reports_errors: bool,
    /// Who asks, for those who are to be told (`edns-client-string:`).
    pub client_strings: ClientStrings,
    /// How connections to servers are used.
    pub streams: StreamOptions,
    /// What answers are validated by; `None`: nothing is.
    pub validation: Option<Rules>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            questions: 4096,
            tcp_connections: 10,
            edns_size: 1232,
            minimal_responses: true,
            ttl: TtlLimits::default(),
            patience: Duration::from_secs(12),
            jostle: Duration::from_millis(200),
            expired: None,
            hints: Vec::new(),
            iteration: Iteration::default(),
            infra: Infra::default(),
            preference: Preference::default(),
            sockets: SocketOptions::default(),
            rates: RateLimits::default(),
            caps: Caps::default(),
            cookies: true,
            no_dnssec_ok: false,
            reports_errors: false,
            client_strings: ClientStrings::default(),
            streams: StreamOptions::default(),
            validation: None,
        }
    }
}
