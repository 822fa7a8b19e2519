//! What is known of an upstream server: how fast it is, whether it lives, whether it knows EDNS.

use super::trouble::{Failure, Record};
use std::net::SocketAddr;
use std::time::Duration;

/// Milliseconds a server that nothing is known of is waited for (Unbound's UNKNOWN_SERVER_NICENESS).
const UNKNOWN: u32 = 376;
/// Shortest wait in milliseconds (Unbound's infra-cache-min-rtt).
const SHORTEST: u32 = 50;
/// A server whose wait has grown to this is taken for dead (Unbound's PROBE_MAXRTO); it grows no further.
const DEAD: u32 = 12_000;
/// A dead server gets one question per this time, to see whether it is back.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Servers slower than the fastest by up to this many milliseconds share the questions (Unbound's RTT_BAND).
pub const BAND: u32 = 400;
/// How long a server is remembered to refuse EDNS (Unbound's infra-host-ttl).
const EDNS_MEMORY: Duration = Duration::from_secs(900);

/// The smoothed round trip time and the wait that follows from it (Jacobson; Stevens, Unix Network Programming,
/// volume 1, section 22.5), in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rtt {
    smoothed: i32,
    variance: i32,
    wait: u32,
}

impl Rtt {
    const NEW: Rtt = Rtt { smoothed: 0, variance: UNKNOWN as i32 / 4, wait: UNKNOWN };

    fn heard(&mut self, ms: u32) {
        let delta = ms.min(DEAD) as i32 - self.smoothed;
        self.smoothed += delta / 8;
        self.variance += (delta.abs() - self.variance) / 4;
        self.wait = u32::try_from(self.smoothed + 4 * self.variance).unwrap_or(0).clamp(SHORTEST, DEAD);
    }

    /// Doubles the wait that was in vain; many questions lost at the same time double it once.
    fn lost(&mut self, waited: u32) {
        if self.wait >= waited {
            self.wait = self.wait.max(waited.saturating_mul(2)).min(DEAD);
        }
    }
}

/// One server, shared by every zone that names it.
#[derive(Debug)]
pub struct Server {
    /// Where it is.
    pub address: SocketAddr,
    rtt: Rtt,
    probe_at: Duration,
    no_edns_until: Duration,
    trouble: Record,
}

impl Server {
    /// A server that nothing is known of.
    pub fn new(address: SocketAddr) -> Server {
        let (probe_at, no_edns_until) = (Duration::ZERO, Duration::ZERO);
        Server { address, rtt: Rtt::NEW, probe_at, no_edns_until, trouble: Record::default() }
    }

    /// Milliseconds to wait for an answer.
    #[inline]
    pub fn wait(&self) -> u32 {
        self.rtt.wait
    }

    /// True when a question may go to it: it lives, or it is time to see whether it does.
    #[inline]
    pub fn is_open(&self, now: Duration) -> bool {
        self.rtt.wait < DEAD || now >= self.probe_at
    }

    /// To be told of every question sent.
    #[inline]
    pub fn asked(&mut self, now: Duration) {
        if self.rtt.wait >= DEAD {
            self.probe_at = now + PROBE_EVERY;
        }
    }

    /// An answer came after `elapsed`.
    #[inline]
    pub fn heard(&mut self, elapsed: Duration) {
        let was_dead = self.rtt.wait >= DEAD;
        self.rtt.heard(u32::try_from(elapsed.as_millis()).unwrap_or(u32::MAX));
        if was_dead && self.rtt.wait < DEAD {
            log::info!("name server {} answers again", self.address);
        }
    }

    /// No answer came within `waited` milliseconds, or the host said that nobody listens.
    pub fn lost(&mut self, waited: u32) {
        let was_dead = self.rtt.wait >= DEAD;
        self.rtt.lost(waited);
        if !was_dead && self.rtt.wait >= DEAD {
            log::warn!(
                "name server {} does not answer: it gets one question a second until it does; see whether it runs and \
                 whether this host reaches it",
                self.address
            );
        }
    }

    /// The system refused a call on the way to it; true when what stands in the way has changed.
    pub(super) fn failed(&mut self, failure: Failure, now: Duration) -> bool {
        self.trouble.failed(failure, self.address, now)
    }

    /// A question was sent; true when something stood in the way before.
    #[inline]
    pub(super) fn worked(&mut self) -> bool {
        self.trouble.worked(self.address)
    }

    /// What stands in the way now.
    pub(super) fn trouble(&self) -> Option<Failure> {
        self.trouble.now()
    }

    /// True when it should be asked with EDNS.
    #[inline]
    pub fn knows_edns(&self, now: Duration) -> bool {
        now >= self.no_edns_until
    }

    /// It refused a question with EDNS and answered the same without.
    pub fn refuses_edns(&mut self, now: Duration) {
        self.no_edns_until = now + EDNS_MEMORY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_shrink_with_answers_and_double_with_losses() {
        let mut rtt = Rtt::NEW;
        assert_eq!(rtt.wait, 376);
        for _ in 0..40 {
            rtt.heard(20);
        }
        assert!((SHORTEST..100).contains(&rtt.wait), "{rtt:?}");
        let before = rtt.wait;
        rtt.lost(before);
        rtt.lost(before);
        assert_eq!(rtt.wait, 2 * before, "lost at the same time: once");
        rtt.heard(20);
        rtt.lost(2 * before);
        assert!(rtt.wait < 2 * before, "an answer since makes the loss old");
    }

    #[test]
    fn a_dead_server_is_probed_once_a_second_and_comes_back() {
        let mut server = Server::new("192.0.2.1:53".parse().unwrap());
        let mut now = Duration::from_secs(100);
        for _ in 0..5 {
            assert!(server.is_open(now));
            server.lost(server.wait());
        }
        assert!(server.is_open(now));
        server.asked(now);
        assert!(!server.is_open(now));
        now += PROBE_EVERY;
        assert!(server.is_open(now));
        server.asked(now);
        server.heard(Duration::from_millis(30));
        assert!(server.is_open(now) && server.wait() < DEAD);
    }
}
