//! What a configuration means for answers: immutable, shared, swapped whole on reload.

use super::acl::{Acl, Blocks};
use super::zones::Zones;
use crate::dns::class::CH;
use crate::dns::cookie::Secret;
use crate::dns::rtype::TXT;
use crate::dns::scan::HashKey;
use std::sync::Arc;

/// TXT records of class CH without a TTL, whose owner is the name that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    pub(super) octets: Vec<u8>,
    pub(super) records: u16,
}

impl Texts {
    /// A record for each text, of which the first 255 octets count.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Texts {
        let mut all = Texts::default();
        for text in texts {
            let text = &text[..text.len().min(255)];
            all.octets.extend([0xc0, 0x0c, 0, TXT as u8, 0, CH as u8, 0, 0, 0, 0]);
            all.octets.extend((text.len() as u16 + 1).to_be_bytes());
            all.octets.push(text.len() as u8);
            all.octets.extend(text);
            all.records += 1;
        }
        all
    }
}

/// Everything the decision needs from the configuration.
#[derive(Clone)]
pub struct Policy {
    /// Key of all name hashes; the same for every policy of one process, since the cache outlives a policy.
    pub hash_key: HashKey,
    /// access-control.
    pub acl: Acl,
    /// local-zone, local-data and the built-in zones.
    pub zones: Arc<Zones>,
    /// The answer to id.server. and hostname.bind., at most 255 octets; `None`: hidden.
    pub identity: Option<Box<[u8]>>,
    /// The answer to version.server. and version.bind., at most 255 octets; `None`: hidden.
    pub version: Option<Box<[u8]>>,
    /// The answer to trustanchor.unbound.; `None`: hidden (hide-trustanchor).
    pub anchors: Option<Arc<Texts>>,
    /// nsid: the EDNS option that tells it, code and length at its front.
    pub nsid: Option<Arc<[u8]>>,
    /// ede: tell more of errors.
    pub ede: bool,
    /// ede-serve-expired: of answers that have expired, too.
    pub ede_expired: bool,
    /// edns-buffer-size: what our OPT records advertise.
    pub edns_buffer_size: u16,
    /// max-udp-size: the largest reply over UDP, whatever the client advertises.
    pub max_udp_size: u16,
    /// harden-short-bufsize: an advertised size below 512 counts as 512.
    pub harden_short_bufsize: bool,
    /// harden-large-queries: longer than 512 octets is dropped.
    pub harden_large_queries: bool,
    /// error-ratelimit: error replies a second; 0 for any number.
    pub error_ratelimit: u32,
    /// deny-any: ANY gets an empty NOTIMP instead of being resolved.
    pub deny_any: bool,
    /// rrset-roundrobin: rotate the records of an RRset by the query's ID.
    pub rrset_roundrobin: bool,
    /// serve-original-ttl: TTLs of what is cached do not count down.
    pub original_ttl: bool,
    /// disable-edns-do: a query with DO gets a reply without EDNS.
    pub no_dnssec_ok: bool,
    /// What clients are limited by.
    pub clients: ClientRules,
    /// prefetch: what is used is asked anew before it runs out.
    pub prefetch: bool,
    /// log-queries.
    pub log_queries: bool,
    /// log-replies.
    pub log_replies: bool,
    /// log-destaddr, where replies are logged.
    pub log_destaddr: bool,
    /// log-servfail.
    pub log_servfail: bool,
    /// What is said of answers that fail to validate.
    pub log_bogus: LogBogus,
    /// log-local-actions: log what inform zones log for every local zone.
    pub log_local_actions: bool,
}

impl Policy {
    /// Whether the worker has to see each query, so that the XDP program may answer none by itself (`attach::without_answers` tells
    /// why).
    pub fn sees_each_query(&self) -> bool {
        self.log_queries || self.log_replies || self.log_local_actions || self.clients.rates.is_some()
    }
}

/// How much is said of an answer that fails to validate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogBogus {
    /// Nothing (`val-log-level: 0`).
    #[default]
    Not,
    /// What was asked (`val-log-level: 1`).
    Question,
    /// And why, and who told it (`val-log-level: 2`, and with log-servfail).
    Reason,
}

/// What clients are limited by. As it is made by default, by nothing.
#[derive(Clone, Default)]
pub struct ClientRules {
    /// ip-ratelimit and its kin, where queries are counted.
    pub rates: Option<RateRules>,
    /// wait-limit and its kin, where those that wait are counted.
    pub waits: Option<Arc<WaitRules>>,
    /// discard-timeout: microseconds after which nobody waits for an answer any more; 0 for never.
    pub discard_after: u64,
    /// answer-cookie: what cookies are made with.
    pub cookies: Option<Arc<Secrets>>,
}

/// How many queries a client may send a second. 0 for any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateRules {
    /// ip-ratelimit
    pub limit: u32,
    /// ip-ratelimit-cookie: with a valid cookie.
    pub with_cookie: u32,
    /// ip-ratelimit-factor: of those beyond, one of so many is answered; 0 for none.
    pub factor: u32,
    /// ip-ratelimit-backoff: the most of the last seconds counts.
    pub backoff: bool,
}

/// How many queries of a client may wait for upstream; `None` for any number.
#[derive(Clone, Debug)]
pub struct WaitRules {
    /// wait-limit and wait-limit-netblock
    pub all: Blocks<Option<u32>>,
    /// wait-limit-cookie and wait-limit-cookie-netblock: with a valid cookie.
    pub with_cookie: Blocks<Option<u32>>,
}

/// What cookies are made with: cookie-secret or cookie-secret-file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// Cookies are made and checked with it.
    pub active: Secret,
    /// Cookies are checked with it, while servers that share secrets go from one to the other.
    pub staging: Option<Secret>,
}
