//! Directives of `server:` by what they are about.

use super::servers::Source;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Directives about the log, beside `verbosity:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    /// `logfile:`; empty for standard error.
    pub file: PathBuf,
    /// `use-syslog:`; a later `logfile:` turns it off, as in Unbound. Unlike there the default is no: this program stays in
    /// the foreground, where the service manager takes what it writes to standard error.
    pub use_syslog: bool,
    /// `log-identity:`, the program's name in the log; empty for `runbound`.
    pub identity: String,
    /// `log-queries:`
    pub queries: bool,
    /// `log-replies:`
    pub replies: bool,
    /// `log-tag-queryreply:`, call lines about queries and replies so.
    pub tags: bool,
    /// `log-destaddr:`, log with a reply which address was asked.
    pub destinations: bool,
    /// `log-servfail:`, log why a question was not answered.
    pub failures: bool,
    /// `log-local-actions:`, log what local zones answer.
    pub local_actions: bool,
    /// `log-time-ascii:`, dates rather than seconds.
    pub time_ascii: bool,
    /// `log-time-iso:`, dates in the form of ISO 8601 where there are dates.
    pub time_iso: bool,
}

/// Directives about counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// `statistics-interval:` in seconds, 0 for never.
    pub interval: u32,
    /// `statistics-cumulative:`, do not reset counters that were read.
    pub cumulative: bool,
    /// `extended-statistics:`
    pub extended: bool,
    /// `statistics-inhibit-zero:`, leave out extended counters that are 0.
    pub inhibit_zero: bool,
}

impl Default for Statistics {
    fn default() -> Self {
        Statistics { interval: 0, cumulative: false, extended: false, inhibit_zero: true }
    }
}

/// Directives about the sizes of caches, and for how long they keep what they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caches {
    /// `msg-cache-size:` in bytes.
    pub messages: u64,
    /// `rrset-cache-size:` in bytes.
    pub rrsets: u64,
    /// `cache-min-ttl:` in seconds.
    pub min_ttl: u32,
    /// `cache-max-ttl:` in seconds.
    pub max_ttl: u32,
    /// `cache-min-negative-ttl:` in seconds.
    pub min_negative_ttl: u32,
    /// `cache-max-negative-ttl:` in seconds.
    pub max_negative_ttl: u32,
    /// `serve-original-ttl:`, TTLs do not count down.
    pub original_ttl: bool,
}

impl Default for Caches {
    fn default() -> Self {
        Caches {
            messages: 4 << 20,
            rrsets: 4 << 20,
            min_ttl: 0,
            max_ttl: 86_400,
            min_negative_ttl: 0,
            max_negative_ttl: 3600,
            original_ttl: false,
        }
    }
}

/// Directives about who this server says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `identity:` for id.server. CH TXT; `None` for the host name.
    pub name: Option<String>,
    /// `version:` for version.server. CH TXT; `None` for this version.
    pub version: Option<String>,
    /// `nsid:` as the file has it: hexadecimal digits, or text behind `ascii_`; empty for none.
    pub nsid: String,
    /// `hide-identity:`, refuse id.server. and hostname.bind.
    pub hides_name: bool,
    /// `hide-version:`, refuse version.server. and version.bind.
    pub hides_version: bool,
    /// `hide-trustanchor:`, refuse trustanchor.unbound.
    pub hides_anchors: bool,
}

/// Directives about where questions to upstream leave from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// `outgoing-interface:` addresses to ask from. Empty: what the kernel picks.
    pub interfaces: Vec<Source>,
    /// `outgoing-port-permit:` (true) and `outgoing-port-avoid:` (false) lines in order; see [`super::Config::outgoing_ports`].
    pub port_rules: Vec<(bool, RangeInclusive<u16>)>,
    /// `outgoing-range:`, UDP sockets to upstream at a time.
    pub range: u32,
    /// `outgoing-num-tcp:`, TCP connections to upstream at a time.
    pub num_tcp: u32,
    /// `outgoing-tcp-mss:` in octets, towards servers; 0 for what the kernel takes.
    pub tcp_mss: u32,
}

impl Default for Outgoing {
    fn default() -> Self {
        Outgoing { interfaces: Vec::new(), port_rules: Vec::new(), range: 4096, num_tcp: 10, tcp_mss: 0 }
    }
}

/// Directives about asking authoritative servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iteration {
    /// `qname-minimisation:`
    pub minimise: bool,
    /// `qname-minimisation-strict:`
    pub minimise_strictly: bool,
    /// `iter-scrub-ns:`
    pub scrub_ns: u32,
    /// `iter-scrub-cname:`
    pub scrub_cname: u32,
    /// `iter-scrub-rrsig:`
    pub scrub_rrsig: u32,
    /// `harden-glue:`
    pub harden_glue: bool,
    /// `harden-unverified-glue:`
    pub harden_unverified_glue: bool,
    /// `harden-referral-path:`
    pub harden_referral: bool,
    /// `max-global-quota:`
    pub global_quota: u32,
    /// `max-sent-count:`
    pub sent_count: u32,
    /// `max-query-restarts:`
    pub restarts: u32,
    /// `outbound-msg-retry:`
    pub retries: u32,
    /// `target-fetch-policy:`, by the depth of the question.
    pub fetch_policy: Vec<i32>,
}

impl Default for Iteration {
    fn default() -> Self {
        Iteration {
            minimise: true,
            minimise_strictly: false,
            scrub_ns: 20,
            scrub_cname: 11,
            scrub_rrsig: 8,
            harden_glue: true,
            harden_unverified_glue: false,
            harden_referral: false,
            global_quota: 200,
            sent_count: 32,
            restarts: 11,
            retries: 5,
            fetch_policy: vec![3, 2, 1, 0, 0],
        }
    }
}
