//! What clients are limited by, and the cookies by which they are known.

use super::values::Netblock;
use crate::dns::cookie::Secret;
use std::path::PathBuf;

/// Directives that limit clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// `ip-ratelimit:`, queries a second of one address; 0 for any number.
    pub rate: u32,
    /// `ip-ratelimit-cookie:`, of one with a valid cookie.
    pub rate_cookie: u32,
    /// `ip-ratelimit-factor:`, beyond that one of so many is answered; 0 for none.
    pub rate_factor: u32,
    /// `ip-ratelimit-backoff:`
    pub rate_backoff: bool,
    /// `ip-ratelimit-size:` in bytes.
    pub size: u64,
    /// `wait-limit:`, queries of one address that wait; 0 for any number, whatever the other lines say.
    pub wait: u32,
    /// `wait-limit-cookie:`, of one with a valid cookie.
    pub wait_cookie: u32,
    /// `wait-limit-netblock:`, -1 for any number.
    pub wait_blocks: Vec<(Netblock, i32)>,
    /// `wait-limit-cookie-netblock:`
    pub wait_cookie_blocks: Vec<(Netblock, i32)>,
    /// `discard-timeout:` in milliseconds; 0 for never.
    pub discard_timeout: u32,
    /// `sock-queue-timeout:` in seconds; 0 for never.
    pub queue_timeout: u32,
    /// `tcp-connection-limit:`, connections at a time of all clients of a netblock together.
    pub connections: Vec<(Netblock, u32)>,
    /// `edns-tcp-keepalive:`, clients of streams that ask are told for how long they may be idle.
    pub keepalive: bool,
    /// `edns-tcp-keepalive-timeout:` in milliseconds, in place of `tcp-idle-timeout:` with that.
    pub keepalive_timeout: u32,
    /// `answer-cookie:`
    pub answer_cookie: bool,
    /// `cookie-secret:`; `None` for one that is drawn.
    pub cookie_secret: Option<Secret>,
    /// `cookie-secret-file:`; empty for none.
    pub cookie_secret_file: PathBuf,
    /// What stands in that file, where it is there: the active secret first. At most two.
    pub cookie_secrets: Vec<Secret>,
}

impl Default for ClientLimits {
    fn default() -> Self {
        ClientLimits {
            rate: 0,
            rate_cookie: 0,
            rate_factor: 10,
            rate_backoff: false,
            size: 4 << 20,
            wait: 1000,
            wait_cookie: 10_000,
            wait_blocks: Vec::new(),
            wait_cookie_blocks: Vec::new(),
            discard_timeout: 1900,
            queue_timeout: 0,
            connections: Vec::new(),
            keepalive: false,
            keepalive_timeout: 120_000,
            answer_cookie: false,
            cookie_secret: None,
            cookie_secret_file: PathBuf::new(),
            cookie_secrets: Vec::new(),
        }
    }
}
