//! Settings of the resolver.

use super::sockets::SocketOptions;
use super::ttl::TtlLimits;
use std::time::Duration;

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
    /// Ports, number and buffers of the sockets.
    pub sockets: SocketOptions,
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
            sockets: SocketOptions::default(),
        }
    }
}
