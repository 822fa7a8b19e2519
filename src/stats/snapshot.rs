//! The counters as plain numbers at one moment, and what was counted between two moments.
//!
//! A reset is the reader's: it keeps a snapshot and shows what came on top. The threads' counters are never written by
//! another thread.

use super::{BUCKETS, TYPES, Upstream, WorkerStats, XdpFigures};
use std::time::{Duration, SystemTime};

macro_rules! thread_figures {
    (
        counters { $($(#[$counter_doc:meta])* $counter:ident: $from:ident.$counter_at:ident,)* }
        gauges { $($(#[$gauge_doc:meta])* $gauge:ident: $from_gauge:ident.$gauge_at:ident,)* }
    ) => {
        /// What one worker counted. The fields are those of [`super::Outcomes`] and [`super::Places`].
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct ThreadFigures {
            $($(#[$counter_doc])* pub $counter: u64,)*
            $($(#[$gauge_doc])* pub $gauge: u64,)*
            /// num.query.type by QTYPE; the last place holds the others.
            pub qtype: [u64; TYPES],
            /// num.answer.rcode by RCODE.
            pub rcode: [u64; 16],
            /// num.query.opcode by opcode.
            pub opcode: [u64; 16],
            /// num.answer.rcode.nodata
            pub nodata: u64,
            /// Recursion times by bucket.
            pub recursion: [u64; BUCKETS],
        }

        impl Default for ThreadFigures {
            fn default() -> Self {
                ThreadFigures {
                    $($counter: 0,)*
                    $($gauge: 0,)*
                    qtype: [0; TYPES],
                    rcode: [0; 16],
                    opcode: [0; 16],
                    nodata: 0,
                    recursion: [0; BUCKETS],
                }
            }
        }

        impl From<&WorkerStats> for ThreadFigures {
            fn from(stats: &WorkerStats) -> Self {
                ThreadFigures {
                    $($counter: stats.$from.$counter_at.get(),)*
                    $($gauge: stats.$from_gauge.$gauge_at.get(),)*
                    qtype: std::array::from_fn(|at| stats.qtype[at].get()),
                    rcode: std::array::from_fn(|at| stats.rcode[at].get()),
                    opcode: std::array::from_fn(|at| stats.opcode[at].get()),
                    nodata: stats.nodata.get(),
                    recursion: stats.recursion.get(),
                }
            }
        }

        impl ThreadFigures {
            /// Joins the counters of `other` in by `counter`, the gauges by `gauge`.
            fn combine(&mut self, other: &Self, counter: fn(u64, u64) -> u64, gauge: fn(u64, u64) -> u64) {
                $(self.$counter = counter(self.$counter, other.$counter);)*
                $(self.$gauge = gauge(self.$gauge, other.$gauge);)*
                self.nodata = counter(self.nodata, other.nodata);
                let all = |mine: &mut [u64], theirs: &[u64]| {
                    mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine = counter(*mine, *theirs));
                };
                all(&mut self.qtype, &other.qtype);
                all(&mut self.rcode, &other.rcode);
                all(&mut self.opcode, &other.opcode);
                all(&mut self.recursion, &other.recursion);
            }
        }
    };
}

thread_figures! {
    counters {
        /// Queries from XSK sockets.
        xdp_queries: places.xdp_queries,
        /// Replies through XSK sockets.
        xdp_replies: places.xdp_replies,
        /// Queries that the XDP program has answered by itself.
        told: places.told,
        /// Frames that reached an XSK without being ours.
        xdp_strays: places.xdp_strays,
        /// Queries that reached an XSK with a wrong UDP checksum.
        xdp_bad_checksums: places.xdp_bad_checksums,
        /// Queries from kernel UDP sockets.
        udp_queries: places.udp_queries,
        /// Replies through kernel UDP sockets.
        udp_replies: places.udp_replies,
        /// Queries from streams.
        tcp_queries: places.tcp_queries,
        /// Replies to streams.
        tcp_replies: places.tcp_replies,
        /// Replies lost because a socket or ring had no room.
        reply_no_room: places.reply_no_room,
        /// num.queries
        queries: outcomes.queries,
        /// Answered from the worker's cache or local data; see [`ThreadFigures::hits`].
        cache_hits: outcomes.cache_hits,
        /// Handed to the resolver; see [`ThreadFigures::misses`].
        cache_misses: outcomes.cache_misses,
        /// Of these, those that the resolver knew without asking anybody.
        known_replies: outcomes.known_replies,
        /// num.recursivereplies
        recursive_replies: outcomes.recursive_replies,
        /// num.queries_ip_ratelimited
        rate_limited: outcomes.rate_limited,
        /// num.queries_cookie_valid
        cookie_valid: outcomes.cookie_valid,
        /// num.queries_cookie_client
        cookie_client: outcomes.cookie_client,
        /// num.queries_cookie_invalid
        cookie_invalid: outcomes.cookie_invalid,
        /// num.answer.secure
        secure: outcomes.secure,
        /// num.answer.bogus
        bogus: outcomes.bogus,
        /// num.queries_wait_limit
        wait_limited: outcomes.wait_limited,
        /// num.queries_discard_timeout
        discarded: outcomes.discarded,
        /// num.queries_timed_out
        timed_out: outcomes.timed_out,
        /// unwanted.queries
        unwanted: outcomes.unwanted,
        /// Dropped on purpose.
        dropped: outcomes.dropped,
        /// Errors that got no reply because of error-ratelimit.
        errors_limited: outcomes.errors_limited,
        /// Questions that joined one already asked.
        coalesced: outcomes.coalesced,
        /// num.prefetch
        prefetched: outcomes.prefetched,
        /// num.expired
        expired: outcomes.expired,
        /// Lines for the log lost because there were too many.
        events_lost: outcomes.events_lost,
        /// SERVFAIL because no pending place or ring slot was free.
        overload: outcomes.overload,
        /// num.query.tcp
        query_tcp: outcomes.query_tcp,
        /// num.query.ipv6
        query_ipv6: outcomes.query_ipv6,
        /// num.query.edns.present
        query_edns: outcomes.query_edns,
        /// num.query.edns.DO
        query_do: outcomes.query_do,
        /// num.query.flags.RD
        query_rd: outcomes.query_rd,
        /// num.query.flags.CD
        query_cd: outcomes.query_cd,
        /// num.query.flags.AD
        query_ad: outcomes.query_ad,
        /// num.query.flags.AA
        query_aa: outcomes.query_aa,
        /// num.query.flags.TC
        query_tc: outcomes.query_tc,
        /// num.query.flags.RA
        query_ra: outcomes.query_ra,
        /// num.query.flags.Z
        query_z: outcomes.query_z,
        /// num.query.class.IN
        class_in: outcomes.class_in,
        /// num.query.class.CH
        class_ch: outcomes.class_ch,
        /// num.query.class of the rest
        class_other: outcomes.class_other,
        /// Sum of the questions pending as each cache miss came in.
        pending_sum: outcomes.pending_sum,
        /// Entries pushed out of the cache to make room.
        cache_evicted: outcomes.cache_evicted,
        /// Sum of recursion times in microseconds.
        recursion_time_us: outcomes.recursion_time_us,
    }
    gauges {
        /// requestlist.current.all
        pending: outcomes.pending,
        /// requestlist.max, since the start
        pending_max: outcomes.pending_max,
        /// query.queue_time_us.max, since the start
        queue_time_max: outcomes.queue_time_max,
        /// msg.cache.count
        cache_entries: outcomes.cache_entries,
        /// mem.cache.message
        cache_octets: outcomes.cache_octets,
        /// Answers that the XDP program has.
        taught: places.taught,
    }
}

impl ThreadFigures {
    /// num.cachehits: what was known, by the worker or the resolver.
    pub fn hits(&self) -> u64 {
        self.cache_hits.wrapping_add(self.known_replies)
    }

    /// Queries or replies over XDP, so many over AF_XDP and those that the program answered by itself.
    pub fn over_xdp(&self, by_socket: u64) -> u64 {
        by_socket.wrapping_add(self.told)
    }

    /// num.cachemiss
    pub fn misses(&self) -> u64 {
        self.cache_misses.saturating_sub(self.known_replies)
    }
}

/// All figures at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Wall clock.
    pub now: SystemTime,
    /// Time since the start of the program.
    pub up: Duration,
    /// What the counters below count over: since the start, or since the base of [`Snapshot::since`].
    pub elapsed: Duration,
    /// One per worker.
    pub threads: Vec<ThreadFigures>,
    /// Queries sent upstream over UDP.
    pub upstream_udp: u64,
    /// Queries sent upstream over TCP.
    pub upstream_tcp: u64,
    /// Replies that matched a question.
    pub upstream_replies: u64,
    /// unwanted.replies
    pub upstream_unwanted: u64,
    /// Tries that timed out.
    pub upstream_timeouts: u64,
    /// Questions given up.
    pub upstream_failures: u64,
    /// Queries that were not sent upstream for ratelimit.
    pub upstream_rate_limited: u64,
    /// requestlist.overwritten
    pub upstream_overwritten: u64,
    /// num.rrset.bogus
    pub upstream_bogus_rrsets: u64,
    /// num.valops
    pub upstream_signatures: u64,
    /// num.query.aggressive.NOERROR
    pub upstream_denied_data: u64,
    /// num.query.aggressive.NXDOMAIN
    pub upstream_denied_names: u64,
    /// num.dns_error_reports
    pub upstream_error_reports: u64,
    /// Questions in flight, a gauge.
    pub upstream_in_flight: u64,
    /// What the resolver keeps, gauges.
    pub known: KnownFigures,
    /// tcpusage: stream connections now open, a gauge.
    pub stream_connections: u64,
    /// Connections that were closed for tcp-connection-limit.
    pub streams_refused: u64,
    /// Heap allocations of the worker since it runs: 0 unless there is a bug.
    pub worker_allocations: u64,
    /// One per interface.
    pub xdp: Vec<XdpFigures>,
}

/// What the resolver keeps, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownFigures {
    /// rrset.cache.count
    pub rrsets: u64,
    /// mem.cache.rrset
    pub rrset_octets: u64,
    /// Messages, of msg.cache.count.
    pub messages: u64,
    /// Their part of mem.cache.message.
    pub message_octets: u64,
    /// infra.cache.count
    pub servers: u64,
    /// key.cache.count
    pub zones: u64,
}

impl From<&Upstream> for KnownFigures {
    fn from(upstream: &Upstream) -> Self {
        KnownFigures {
            rrsets: upstream.rrsets.get(),
            rrset_octets: upstream.rrset_octets.get(),
            messages: upstream.messages.get(),
            message_octets: upstream.message_octets.get(),
            servers: upstream.servers.get(),
            zones: upstream.zones.get(),
        }
    }
}

impl Snapshot {
    /// Reads the counters of all workers and of the resolver; `up` is the time since the start of the program.
    pub fn collect<'a>(
        workers: impl IntoIterator<Item = &'a WorkerStats>,
        upstream: &Upstream,
        xdp: Vec<XdpFigures>,
        up: Duration,
    ) -> Snapshot {
        Snapshot {
            now: SystemTime::now(),
            up,
            elapsed: up,
            threads: workers.into_iter().map(ThreadFigures::from).collect(),
            upstream_udp: upstream.udp_sent.get(),
            upstream_tcp: upstream.tcp_sent.get(),
            upstream_replies: upstream.replies.get(),
            upstream_unwanted: upstream.unwanted.get(),
            upstream_timeouts: upstream.timeouts.get(),
            upstream_failures: upstream.failures.get(),
            upstream_rate_limited: upstream.rate_limited.get(),
            upstream_overwritten: upstream.overwritten.get(),
            upstream_bogus_rrsets: upstream.bogus_rrsets.get(),
            upstream_signatures: upstream.signatures.get(),
            upstream_denied_data: upstream.denied_data.get(),
            upstream_denied_names: upstream.denied_names.get(),
            upstream_error_reports: upstream.error_reports.get(),
            upstream_in_flight: upstream.in_flight.get(),
            known: KnownFigures::from(upstream),
            stream_connections: 0,
            streams_refused: 0,
            worker_allocations: 0,
            xdp,
        }
    }

    /// What was counted since `base` was taken. Gauges stay as they are; a thread or interface that `base` did not know
    /// keeps all it counted.
    pub fn since(mut self, base: &Snapshot) -> Snapshot {
        self.elapsed = self.up.saturating_sub(base.up);
        for (thread, before) in self.threads.iter_mut().zip(&base.threads) {
            thread.combine(before, u64::saturating_sub, |now, _| now);
        }
        for (counter, before) in [
            (&mut self.upstream_udp, base.upstream_udp),
            (&mut self.upstream_tcp, base.upstream_tcp),
            (&mut self.upstream_replies, base.upstream_replies),
            (&mut self.upstream_unwanted, base.upstream_unwanted),
            (&mut self.upstream_timeouts, base.upstream_timeouts),
            (&mut self.upstream_failures, base.upstream_failures),
            (&mut self.upstream_rate_limited, base.upstream_rate_limited),
            (&mut self.upstream_overwritten, base.upstream_overwritten),
            (&mut self.upstream_bogus_rrsets, base.upstream_bogus_rrsets),
            (&mut self.upstream_signatures, base.upstream_signatures),
            (&mut self.upstream_denied_data, base.upstream_denied_data),
            (&mut self.upstream_denied_names, base.upstream_denied_names),
            (&mut self.upstream_error_reports, base.upstream_error_reports),
            (&mut self.streams_refused, base.streams_refused),
        ] {
            *counter = counter.saturating_sub(before);
        }
        let known = |figures: &XdpFigures| base.xdp.iter().find(|before| before.interface == figures.interface);
        self.xdp = std::mem::take(&mut self.xdp)
            .into_iter()
            .map(|figures| match known(&figures) {
                Some(before) => figures.since(before),
                None => figures,
            })
            .collect();
        self
    }

    /// The sum over all workers.
    pub fn total(&self) -> ThreadFigures {
        let mut total = ThreadFigures::default();
        for thread in &self.threads {
            let pending_max = total.pending_max.max(thread.pending_max);
            total.combine(thread, u64::wrapping_add, u64::wrapping_add);
            total.pending_max = pending_max;
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::super::{QueueFigures, XdpMode};
    use super::*;

    fn figures(interface: &str, rx: u64) -> XdpFigures {
        XdpFigures {
            interface: interface.into(),
            mode: XdpMode::Native,
            queues: vec![QueueFigures { rx, tx: rx, ..QueueFigures::default() }],
            verdicts: vec![("redirected", rx), ("not_udp", 3)],
            ..XdpFigures::default()
        }
    }

    #[test]
    fn a_base_is_taken_off_counters_and_not_off_gauges() {
        let (worker, upstream) = (WorkerStats::default(), Upstream::default());
        worker.outcomes.queries.add(10);
        worker.outcomes.cache_entries.set(4);
        worker.qtype[28].add(2);
        upstream.udp_sent.add(1);
        let base = Snapshot::collect([&worker], &upstream, vec![figures("eth0", 5)], Duration::from_secs(10));
        worker.outcomes.queries.add(7);
        worker.qtype[28].add(1);
        worker.recursion.add(1000);
        upstream.udp_sent.add(2);
        let xdp = vec![figures("eth0", 8), figures("eth1", 2)];
        let now = Snapshot::collect([&worker], &upstream, xdp, Duration::from_secs(15)).since(&base);
        let total = now.total();
        assert_eq!((total.queries, total.qtype[28], total.cache_entries), (7, 1, 4));
        assert_eq!(total.recursion.iter().sum::<u64>(), 1);
        assert_eq!((now.upstream_udp, now.elapsed, now.up), (2, Duration::from_secs(5), Duration::from_secs(15)));
        assert_eq!((now.xdp[0].queues[0].rx, now.xdp[1].queues[0].rx), (3, 2));
        assert_eq!(now.xdp[0].verdicts, [("redirected", 3), ("not_udp", 0)]);
        assert_eq!(worker.outcomes.queries.get(), 17, "the worker's counter is untouched");
    }

    #[test]
    fn what_the_resolver_knew_is_a_hit_and_no_miss() {
        let worker = WorkerStats::default();
        worker.outcomes.cache_hits.add(5);
        worker.outcomes.cache_misses.add(4);
        worker.outcomes.known_replies.add(3);
        let figures = ThreadFigures::from(&worker);
        assert_eq!((figures.hits(), figures.misses()), (8, 1));
    }

    #[test]
    fn an_interface_attached_anew_does_not_go_below_zero() {
        assert_eq!(figures("eth0", 1).since(&figures("eth0", 9)), figures("eth0", 1));
    }

    #[test]
    fn threads_are_summed_and_their_longest_list_is_the_longest() {
        let thread = |queries, pending_max| ThreadFigures { queries, pending_max, ..ThreadFigures::default() };
        let mut snapshot = Snapshot::collect([], &Upstream::default(), Vec::new(), Duration::ZERO);
        snapshot.threads = vec![thread(3, 9), thread(4, 2)];
        assert_eq!((snapshot.total().queries, snapshot.total().pending_max), (7, 9));
    }
}
