//! What the screen shows, and how the server's counters become it.

use runbound::number;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Samples kept: rates that would flutter from second to second are taken over so many seconds.
const WINDOW: usize = 11;

/// All that one drawing shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Version of the program.
    pub version: String,
    /// The host's name.
    pub hostname: String,
    /// Time since the kernel started.
    pub uptime: Duration,
    /// Interfaces with their addresses and prefix lengths; without loopback and link-local addresses.
    pub addresses: Vec<(String, Vec<String>)>,
    /// Gateways of the default routes, each with its interface.
    pub gateways: Vec<String>,
    /// Whom the server asks, in words.
    pub forwards: String,
    /// The time, and by whom the clock was set.
    pub clock: String,
    /// Where the network's settings came from.
    pub network_source: String,
    /// Where the configuration lies.
    pub storage: String,
    /// Memory in use and in all, in octets.
    pub memory: Option<(u64, u64)>,
    /// The server's process; `None` while it is down.
    pub pid: Option<u32>,
    /// The server is about to start, or has started a moment ago.
    pub starting: bool,
    /// Starts of the server after an end that nobody wanted.
    pub restarts: u32,
    /// What the server says of itself; `None` when it does not answer.
    pub server: Option<Server>,
    /// The last warnings, the newest last.
    pub warnings: Vec<String>,
}

/// What the server's counters say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Server {
    /// Time since it started.
    pub up: Duration,
    /// Queries since then.
    pub queries: u64,
    /// Queries a second, of the last second; `None` before there are two samples, as all that follow.
    pub rate: Option<f64>,
    /// The part of queries answered from cache or local data, 0 to 1; `None` when there was no query.
    pub hit_rate: Option<f64>,
    /// The part of queries that came by AF_XDP, 0 to 1; `None` when there was no query.
    pub xdp_share: Option<f64>,
    /// Each interface that XDP was wanted for.
    pub paths: Vec<Path>,
    /// The servers that are asked.
    pub upstream: Upstream,
}

/// An interface's fast path: the server's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Name of the interface.
    pub interface: String,
    /// `native`, `generic` or `off`.
    pub mode: String,
    /// `zerocopy` or `copy`; empty when off.
    pub bind: String,
    /// Receive queues with a socket.
    pub queues: u64,
    /// `watching`, `tripped` or `off`.
    pub watchdog: String,
    /// Why less than configured is in use; empty for nothing given up.
    pub fallback: String,
}

/// How the servers that are asked did in the last ten seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// Replies that matched a question.
    pub replies: u64,
    /// Tries that timed out.
    pub timeouts: u64,
    /// Questions given up.
    pub failures: u64,
    /// Questions now being asked.
    pub in_flight: u64,
}

/// The counters of one reply to `stats_noreset`.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sample {
    at: Option<Instant>,
    up: Duration,
    queries: u64,
    hits: u64,
    misses: u64,
    xdp: u64,
    kernel: u64,
    paths: Vec<Path>,
    upstream: Upstream,
}

/// Samples of the last seconds.
#[derive(Default)]
pub(super) struct History {
    samples: VecDeque<Sample>,
}

impl History {
    /// Takes in a reply to `stats_noreset`; `false` when it is none.
    pub(super) fn add(&mut self, text: &str, now: Instant) -> bool {
        let Some(sample) = parse(text, now) else { return false };
        // Another server process: its counters start at 0.
        if self.samples.back().is_some_and(|last| sample.queries < last.queries || sample.up < last.up) {
            self.samples.clear();
        }
        self.samples.push_back(sample);
        if self.samples.len() > WINDOW {
            self.samples.pop_front();
        }
        true
    }

    /// What the samples amount to; `None` when the last one is older than `patience`.
    pub(super) fn server(&self, now: Instant, patience: Duration) -> Option<Server> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let before = self.samples.iter().rev().nth(1);
        if now.saturating_duration_since(last.at?) > patience {
            return None;
        }
        let rate = before.and_then(|before| {
            let elapsed = last.at?.saturating_duration_since(before.at?).as_secs_f64();
            (elapsed > 0.0).then(|| (last.queries - before.queries) as f64 / elapsed)
        });
        let grown = |counter: fn(&Sample) -> u64| counter(last).saturating_sub(counter(first));
        let share = |part: u64, rest: u64| (part + rest > 0).then(|| part as f64 / (part + rest) as f64);
        Some(Server {
            up: last.up,
            queries: last.queries,
            rate,
            hit_rate: share(grown(|sample| sample.hits), grown(|sample| sample.misses)),
            xdp_share: share(grown(|sample| sample.xdp), grown(|sample| sample.kernel)),
            paths: last.paths.clone(),
            upstream: Upstream {
                replies: grown(|sample| sample.upstream.replies),
                timeouts: grown(|sample| sample.upstream.timeouts),
                failures: grown(|sample| sample.upstream.failures),
                in_flight: last.upstream.in_flight,
            },
        })
    }
}

fn parse(text: &str, now: Instant) -> Option<Sample> {
    let mut sample = Sample { at: Some(now), ..Sample::default() };
    let mut known = false;
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        let number = || number::read(value, 0..=u64::MAX).unwrap_or(0);
        match name {
            "time.up" => sample.up = Duration::try_from_secs_f64(value.parse::<f64>().ok()?).ok()?,
            "total.num.queries" => {
                sample.queries = number();
                known = true;
            }
            "total.num.cachehits" => sample.hits = number(),
            "total.num.cachemiss" => sample.misses = number(),
            "xdp.queries" => sample.xdp = number(),
            "xdp.kernel.udp.queries" | "xdp.kernel.tcp.queries" => {
                sample.kernel = sample.kernel.saturating_add(number());
            }
            "runbound.upstream.replies" => sample.upstream.replies = number(),
            "runbound.upstream.timeouts" => sample.upstream.timeouts = number(),
            "runbound.upstream.failures" => sample.upstream.failures = number(),
            "runbound.upstream.in_flight" => sample.upstream.in_flight = number(),
            _ => {
                if let Some(rest) = name.strip_prefix("xdp.interface.") {
                    path_line(rest, value, &mut sample.paths);
                }
            }
        }
    }
    known.then_some(sample)
}

/// `NAME.mode` and so on; the name of an interface may have dots in it.
fn path_line(name: &str, value: &str, paths: &mut Vec<Path>) {
    let Some((interface, figure)) = name.rsplit_once('.') else { return };
    if figure == "mode" {
        paths.push(Path { interface: interface.to_owned(), mode: value.to_owned(), ..Path::default() });
    }
    let Some(path) = paths.last_mut().filter(|path| path.interface == interface) else { return };
    match figure {
        "bind" => path.bind = value.to_owned(),
        "queues" => path.queues = number::read(value, 0..=u64::MAX).unwrap_or(0),
        "watchdog" => path.watchdog = value.to_owned(),
        "fallback" => path.fallback = value.to_owned(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(queries: u64, hits: u64, timeouts: u64, up: u64) -> String {
        format!(
            "thread0.num.queries=7\ntotal.num.queries={queries}\ntotal.num.cachehits={hits}\ntotal.num.cachemiss={}\n\
             time.up={up}.000123\nxdp.interfaces=1\nxdp.queries={queries}\nxdp.kernel.udp.queries=0\n\
             xdp.interface.bond0.10.mode=native\nxdp.interface.bond0.10.bind=copy\nxdp.interface.bond0.10.queues=2\n\
             xdp.interface.bond0.10.passed.not_udp=3\nxdp.interface.bond0.10.frames.total=4096\n\
             xdp.interface.bond0.10.watchdog=watching\nxdp.interface.bond0.10.fallback=no zero copy = slower\n\
             xdp.interface.eth1.mode=off\nxdp.interface.eth1.queues=0\n\
             runbound.upstream.replies={}\nrunbound.upstream.timeouts={timeouts}\nrunbound.upstream.in_flight=4\n",
            queries - hits,
            queries - hits
        )
    }

    const PATIENCE: Duration = Duration::from_secs(3);

    #[test]
    fn counters_become_rates() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut history = History::default();
        assert_eq!(history.server(start, PATIENCE), None);
        assert!(history.add(&text(1000, 500, 0, 60), at(0)));
        let first = history.server(at(0), PATIENCE).unwrap();
        assert_eq!((first.rate, first.hit_rate, first.queries), (None, None, 1000));
        assert!(history.add(&text(2000, 1400, 0, 61), at(1)));
        assert!(history.add(&text(2500, 1700, 6, 62), at(2)));
        let server = history.server(at(2), PATIENCE).unwrap();
        assert_eq!(server.rate, Some(500.0));
        assert_eq!(server.hit_rate, Some(0.8));
        assert_eq!(server.xdp_share, Some(1.0));
        assert_eq!(server.up.as_secs(), 62);
        assert_eq!(server.upstream, Upstream { replies: 300, timeouts: 6, failures: 0, in_flight: 4 });
        let [bond, eth1] = &server.paths[..] else { panic!("{:?}", server.paths) };
        assert_eq!((bond.interface.as_str(), bond.mode.as_str(), bond.bind.as_str()), ("bond0.10", "native", "copy"));
        assert_eq!((bond.queues, bond.watchdog.as_str()), (2, "watching"));
        assert_eq!(bond.fallback, "no zero copy = slower");
        assert_eq!((eth1.mode.as_str(), eth1.bind.as_str()), ("off", ""));
    }

    #[test]
    fn a_server_that_falls_silent_or_starts_anew_shows_no_old_figures() {
        let start = Instant::now();
        let mut history = History::default();
        history.add(&text(1000, 500, 0, 60), start);
        history.add(&text(10, 5, 0, 1), start + Duration::from_secs(1));
        let server = history.server(start + Duration::from_secs(1), PATIENCE).unwrap();
        assert_eq!((server.rate, server.queries), (None, 10));
        assert_eq!(history.server(start + Duration::from_secs(5), PATIENCE), None);
    }

    #[test]
    fn rates_look_back_ten_seconds() {
        let start = Instant::now();
        let mut history = History::default();
        for second in 0..60 {
            let hits = if second < 30 { 0 } else { (second - 30) * 100 };
            history.add(&text(second * 100, hits, 0, second), start + Duration::from_secs(second));
        }
        let server = history.server(start + Duration::from_secs(59), PATIENCE).unwrap();
        assert_eq!(server.hit_rate, Some(1.0));
    }

    #[test]
    fn other_replies_are_no_sample() {
        let mut history = History::default();
        let now = Instant::now();
        for text in
            ["", "error unknown command\n", "=\n==\n", "total.num.queries\n", "total.num.queries=1\ntime.up=-1\n"]
        {
            assert!(!history.add(text, now), "{text}");
        }
        assert!(history.add("total.num.queries=99999999999999999999\ntime.up=1\n", now));
    }
}
