//! Which servers are asked: clauses that name some, and directives about how they are remembered and chosen.

use super::address::ScopedAddress;
use super::diagnostic::Location;
use super::values::Netblock;
use std::net::Ipv6Addr;

/// The prefix that every NAT64 may have (RFC 6052 section 2.1): 64:ff9b::/96.
const NAT64_PREFIX: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);

/// Directives about how servers are remembered, and which of them is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    /// `infra-host-ttl:` in seconds.
    pub host_ttl: u32,
    /// `infra-cache-numhosts:`
    pub hosts: u32,
    /// `infra-cache-min-rtt:` in milliseconds.
    pub min_rtt: u32,
    /// `infra-cache-max-rtt:` in milliseconds.
    pub max_rtt: u32,
    /// `unknown-server-time-limit:` in milliseconds.
    pub unknown: u32,
    /// `prefer-ip4:`
    pub prefer_ip4: bool,
    /// `prefer-ip6:`
    pub prefer_ip6: bool,
    /// `fast-server-permil:`
    pub fast_permil: u32,
    /// `fast-server-num:`
    pub fast_number: u32,
    /// `do-not-query-address:`
    pub never: Vec<Netblock>,
    /// `do-nat64:`
    pub nat64: bool,
    /// `nat64-prefix:`
    pub nat64_prefix: Netblock,
}

impl Default for Servers {
    fn default() -> Self {
        Servers {
            host_ttl: 900,
            hosts: 10_000,
            min_rtt: 50,
            max_rtt: 120_000,
            unknown: 376,
            prefer_ip4: false,
            prefer_ip6: false,
            fast_permil: 0,
            fast_number: 3,
            never: Vec::new(),
            nat64: false,
            nat64_prefix: Netblock { address: NAT64_PREFIX.into(), prefix: 96 },
        }
    }
}

/// Directives about how queries leave for other servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTransport {
    /// `udp-connect:`
    pub connect: bool,
    /// `delay-close:` in milliseconds.
    pub delay_close: u32,
    /// `tcp-upstream:`
    pub tcp: bool,
    /// `max-reuse-tcp-queries:`
    pub reuse_queries: u32,
    /// `tcp-reuse-timeout:` in milliseconds.
    pub reuse_timeout: u32,
    /// `tcp-auth-query-timeout:` in milliseconds.
    pub query_timeout: u32,
    /// `udp-upstream-without-downstream:`, with `do-udp: no`, too.
    pub udp_always: bool,
    /// `use-caps-for-id:`
    pub caps: bool,
    /// `caps-exempt:`, names in lower case wire form.
    pub caps_exempt: Vec<Vec<u8>>,
    /// `disable-edns-do:`, no query has DO.
    pub no_dnssec_ok: bool,
    /// `dns-error-reporting:`
    pub reports_errors: bool,
    /// `edns-client-string:`, whom it is told.
    pub client_strings: Vec<(Netblock, String)>,
    /// `edns-client-string-opcode:`
    pub client_string_code: u16,
}

impl Default for UpstreamTransport {
    fn default() -> Self {
        UpstreamTransport {
            connect: true,
            delay_close: 0,
            tcp: false,
            reuse_queries: 200,
            reuse_timeout: 60_000,
            query_timeout: 3000,
            udp_always: false,
            caps: false,
            caps_exempt: Vec::new(),
            no_dnssec_ok: false,
            reports_errors: false,
            client_strings: Vec::new(),
            client_string_code: 65001,
        }
    }
}

/// Directives about how many queries a second the servers of a zone are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    /// `ratelimit:`; 0 for any number.
    pub rate: u32,
    /// `ratelimit-factor:`
    pub factor: u32,
    /// `ratelimit-backoff:`
    pub backoff: bool,
    /// `ratelimit-size:` in bytes.
    pub size: u64,
    /// `ratelimit-for-domain:`, names in lower case wire form.
    pub exact: Vec<(Vec<u8>, u32)>,
    /// `ratelimit-below-domain:`, the same.
    pub below: Vec<(Vec<u8>, u32)>,
}

impl Default for Rates {
    fn default() -> Self {
        Rates { rate: 0, factor: 10, backoff: false, size: 4 << 20, exact: Vec::new(), below: Vec::new() }
    }
}

/// Directives about answers that have expired (RFC 8767).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// `serve-expired:`
    pub serve: bool,
    /// `serve-expired-ttl:` in seconds; 0 for any time.
    pub ttl: u32,
    /// `serve-expired-ttl-reset:`
    pub reset: bool,
    /// `serve-expired-reply-ttl:` in seconds.
    pub reply_ttl: u32,
    /// `serve-expired-client-timeout:` in milliseconds.
    pub client_timeout: u32,
    /// `ede-serve-expired:`
    pub ede: bool,
}

impl Default for Expired {
    fn default() -> Self {
        Expired { serve: false, ttl: 86_400, reset: false, reply_ttl: 30, client_timeout: 1800, ede: false }
    }
}

/// One `forward-zone:` clause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneClause {
    /// The name in lower case wire form; empty when the clause has none, which is an error before anybody sees it.
    pub name: Vec<u8>,
    /// `forward-addr:` or `stub-addr:` lines in order.
    pub servers: Vec<ForwardServer>,
    /// `forward-host:` or `stub-host:` lines: names of servers.
    pub hosts: Vec<(String, Location)>,
    /// `forward-no-cache:`, `stub-no-cache:`
    pub no_cache: bool,
    /// `forward-first:`, `stub-first:`
    pub first: bool,
    /// `forward-tcp-upstream:`, `stub-tcp-upstream:`
    pub tcp: bool,
    /// `stub-prime:`
    pub prime: bool,
    /// `forward-default:`, the clause is as if it were not there when another one has its name. It needs no server.
    pub default: bool,
    /// The line of the clause.
    pub at: Location,
    /// A line of the clause is an error: what it lacks may be there.
    pub unread: bool,
}

/// One `forward-addr:` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardServer {
    /// The server's address.
    pub address: ScopedAddress,
    /// Its port: 53, or 853 when there is a name and no port.
    pub port: u16,
    /// The name in its certificate, behind `#`; empty for none.
    pub tls_name: String,
    /// The line.
    pub at: Location,
}

/// One `outgoing-interface:` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The address to ask from.
    pub address: ScopedAddress,
    /// The line.
    pub at: Location,
}
