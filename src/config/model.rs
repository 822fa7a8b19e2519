//! [`Config`]: what the configuration says, in types.

use super::access::AccessRule;
use super::client_limits::ClientLimits;
use super::diagnostic::{Files, Location};
use super::groups::{Caches, Identity, Iteration, Logging, Outgoing, Statistics};
use super::lists;
use super::local_data::LocalData;
use super::local_zones::LocalZones;
use super::root_hints::RootHints;
use super::servers::{Expired, Rates, Servers, UpstreamTransport, ZoneClause};
use super::validation::Validation;
use super::values::{Host, Netblock};
use super::xdp::Xdp;
use std::path::PathBuf;

/// What `directory:` is unless a file says otherwise. It need not be there: every path we open is absolute.
pub const DEFAULT_DIRECTORY: &str = "/etc/runbound";

/// All that `unbound.conf` says and this server honours. Defaults are those of Unbound 1.25 as Debian builds it (with
/// libevent, without chroot), but no user, no pid file and `/etc/runbound`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The files that were read; [`Location`]s point into them.
    pub files: Files,

    /// `interface:` lines in order. Empty: 127.0.0.1 and ::1.
    pub interfaces: Vec<Interface>,
    /// `port:`, for interfaces that name none.
    pub port: u16,
    /// `do-ip4:`, to clients and to servers.
    pub do_ip4: bool,
    /// `do-ip6:`, to clients and to servers.
    pub do_ip6: bool,
    /// `do-udp:`
    pub do_udp: bool,
    /// `do-tcp:`
    pub do_tcp: bool,
    /// `so-rcvbuf:` in bytes, 0 for what the kernel gives.
    pub so_rcvbuf: u64,
    /// `so-sndbuf:` in bytes, 0 for what the kernel gives.
    pub so_sndbuf: u64,
    /// `ip-freebind:`, addresses that no interface carries yet are expected.
    pub ip_freebind: bool,
    /// `ip-transparent:`, taken for `ip-freebind:`.
    pub ip_transparent: bool,
    /// `ip-dscp:`, 0 to 63, the class of what is sent.
    pub dscp: u8,
    /// `tcp-mss:` in octets, towards clients; 0 for what the kernel takes.
    pub tcp_mss: u32,
    /// `incoming-num-tcp:`, TCP connections at a time; 0 for none.
    pub incoming_num_tcp: u32,
    /// `tcp-idle-timeout:` in milliseconds, 1 to 120,000.
    pub tcp_idle_timeout: u32,
    /// `xdp:` and its kin.
    pub xdp: Xdp,

    /// `access-control:` lines in order. The longest prefix wins; of equal ones the last line, as in Unbound. They stand
    /// over [`super::default_access_control`].
    pub access_control: Vec<AccessRule>,
    /// Directives that limit clients.
    pub clients: ClientLimits,

    /// `local-zone:` lines.
    pub local_zones: LocalZones,
    /// `local-data:` and `local-data-ptr:` records.
    pub local_data: LocalData,
    /// `unblock-lan-zones:`, leave out the built-in private reverse zones.
    pub unblock_lan_zones: bool,

    /// `edns-buffer-size:`, what OPT advertises.
    pub edns_buffer_size: u16,
    /// `max-udp-size:`, longest UDP answer; 0 for no limit of its own.
    pub max_udp_size: u16,
    /// `minimal-responses:`
    pub minimal_responses: bool,
    /// `rrset-roundrobin:`
    pub rrset_roundrobin: bool,
    /// `error-ratelimit:`, error replies a second; 0 for any number.
    pub error_ratelimit: u32,
    /// `deny-any:`
    pub deny_any: bool,
    /// `harden-short-bufsize:`, take an EDNS size under 512 for 512.
    pub harden_short_bufsize: bool,
    /// `harden-large-queries:`, ignore questions over 512 bytes or so.
    pub harden_large_queries: bool,
    /// Directives about who this server says it is.
    pub identity: Identity,
    /// `prefetch:`, ask anew for what is used before it runs out.
    pub prefetch: bool,
    /// `ede:`, tell more of errors (RFC 8914).
    pub ede: bool,

    /// Directives about the caches.
    pub caches: Caches,

    /// `forward-zone:` clauses in order. The longest name wins; the servers of equal ones count together, and the options of the first.
    pub forward_zones: Vec<ZoneClause>,
    /// `root-hints:`
    pub root_hints: RootHints,
    /// Directives about asking authoritative servers.
    pub iteration: Iteration,
    /// Directives about how servers are remembered and chosen.
    pub servers: Servers,
    /// Directives about how many queries the servers of a zone are sent.
    pub rates: Rates,
    /// Directives about answers that have expired.
    pub expired: Expired,
    /// Directives about DNSSEC validation.
    pub validation: Validation,
    /// Directives about how queries leave.
    pub transport: UpstreamTransport,
    /// `stub-zone:` clauses in order.
    pub stub_zones: Vec<ZoneClause>,
    /// `do-not-query-localhost:`, never ask 127.0.0.0/8 or ::1.
    pub do_not_query_localhost: bool,
    /// `unwanted-reply-threshold:`, replies that nobody asked for after which the cache is emptied; 0 for never.
    pub unwanted_reply_threshold: u32,
    /// `harden-unknown-additional:`, tell on only types beside an answer that belong there.
    pub harden_unknown_additional: bool,
    /// `iter-scrub-promiscuous:`
    pub iter_scrub_promiscuous: bool,
    /// `private-address:` lines: addresses that names of the outside must not point to.
    pub private_addresses: Vec<Netblock>,
    /// `private-domain:` names in lower case wire form; at and below them every address is allowed.
    pub private_domains: Vec<Vec<u8>>,
    /// Directives about where questions leave from.
    pub outgoing: Outgoing,
    /// `jostle-timeout:` in milliseconds, the age at which a question may be given up for a new one.
    pub jostle_timeout: u32,
    /// `num-queries-per-thread:`, questions in flight at a time; the server takes a few thousand at least.
    pub num_queries_per_thread: u32,

    /// `verbosity:`
    pub verbosity: u8,
    /// Directives about the log.
    pub log: Logging,

    /// Directives about counters.
    pub statistics: Statistics,

    /// `username:`; empty to stay who started it.
    pub username: String,
    /// `chroot:`; empty for none.
    pub chroot: PathBuf,
    /// `directory:`; empty to stay where it was started.
    pub directory: PathBuf,
    /// `pidfile:`; empty for none.
    pub pidfile: PathBuf,
    /// `sandbox:`, close what a running server has no use for.
    pub sandbox: bool,
    /// The `remote-control:` clause.
    pub remote_control: RemoteControl,
}

/// One `interface:` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Address or interface name.
    pub host: Host,
    /// The port behind `@`.
    pub port: Option<u16>,
    /// The line.
    pub at: Location,
}

/// The `remote-control:` clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteControl {
    /// `control-enable:`
    pub enable: bool,
    /// `control-interface:` paths of unix sockets (they start with `/`).
    pub sockets: Vec<(PathBuf, Location)>,
    /// The line of the clause.
    pub at: Location,
}

impl Config {
    /// Whether an address that no interface carries yet is meant to come later: `ip-freebind:` or `ip-transparent:`.
    pub fn awaits_addresses(&self) -> bool {
        self.ip_freebind || self.ip_transparent
    }

    /// For how many milliseconds a client's connection may be idle.
    pub fn stream_timeout(&self) -> u32 {
        if self.clients.keepalive { self.clients.keepalive_timeout } else { self.tcp_idle_timeout }
    }

    /// What `nsid:` says; `None` when it is not set.
    pub fn nsid_octets(&self) -> Option<Vec<u8>> {
        if self.identity.nsid.is_empty() { None } else { lists::nsid(&self.identity.nsid).ok() }
    }

    /// Ports that questions to upstream may leave from, each once: 16384 to 65535 as the lines change it. Below lie most
    /// ports that services of a host may want to bind later.
    pub fn outgoing_ports(&self) -> Vec<u16> {
        let mut permitted: Vec<bool> = (0..=u16::MAX).map(|port| port >= 16384).collect();
        for (permit, ports) in &self.outgoing.port_rules {
            let named = permitted.get_mut(usize::from(*ports.start())..=usize::from(*ports.end()));
            named.into_iter().flatten().for_each(|port| *port = *permit);
        }
        (1..=u16::MAX).filter(|&port| permitted[usize::from(port)]).collect()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            files: Files::default(),
            interfaces: Vec::new(),
            port: 53,
            do_ip4: true,
            do_ip6: true,
            do_udp: true,
            do_tcp: true,
            ip_freebind: false,
            ip_transparent: false,
            so_rcvbuf: 0,
            so_sndbuf: 0,
            dscp: 0,
            tcp_mss: 0,
            incoming_num_tcp: 10,
            tcp_idle_timeout: 30_000,
            xdp: Xdp::default(),
            access_control: Vec::new(),
            clients: ClientLimits::default(),
            local_zones: LocalZones::default(),
            local_data: LocalData::default(),
            unblock_lan_zones: false,
            edns_buffer_size: 1232,
            max_udp_size: 1232,
            minimal_responses: true,
            rrset_roundrobin: true,
            error_ratelimit: 100,
            deny_any: false,
            harden_short_bufsize: true,
            harden_large_queries: false,
            identity: Identity::default(),
            prefetch: false,
            ede: false,
            caches: Caches::default(),
            forward_zones: Vec::new(),
            stub_zones: Vec::new(),
            root_hints: RootHints::default(),
            iteration: Iteration::default(),
            servers: Servers::default(),
            rates: Rates::default(),
            expired: Expired::default(),
            validation: Validation::default(),
            transport: UpstreamTransport::default(),
            do_not_query_localhost: true,
            unwanted_reply_threshold: 0,
            harden_unknown_additional: false,
            iter_scrub_promiscuous: true,
            private_addresses: Vec::new(),
            private_domains: Vec::new(),
            outgoing: Outgoing::default(),
            jostle_timeout: 200,
            num_queries_per_thread: 1024,
            verbosity: 1,
            log: Logging::default(),
            statistics: Statistics::default(),
            username: String::new(),
            chroot: PathBuf::new(),
            directory: PathBuf::from(DEFAULT_DIRECTORY),
            pidfile: PathBuf::new(),
            sandbox: true,
            remote_control: RemoteControl { enable: false, sockets: Vec::new(), at: Location::default() },
        }
    }
}
