//! Plain counters per thread, summed by the reader.
//!
//! Each counter has one writing thread, so adding is a load and a store without a locked instruction; readers see a
//! value that is whole and at most a moment old.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter with one writer.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. To be called by the owning thread alone.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Replaces the value: for gauges.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Default, Debug)]
        pub struct $name { $($(#[$field_doc])* pub $field: Counter),* }
    };
}

counters! {
    /// Where queries came in and how they left, written by the worker.
    Places {
        /// Queries from XSK sockets.
        xdp_queries,
        /// Replies through XSK sockets.
        xdp_replies,
        /// Frames that reached an XSK without being ours, given back.
        xdp_strays,
        /// Queries from kernel UDP sockets.
        udp_queries,
        /// Replies through kernel UDP sockets.
        udp_replies,
        /// Queries from streams.
        tcp_queries,
        /// Replies to streams.
        tcp_replies,
        /// Replies lost because a socket or ring had no room.
        reply_no_room,
    }
}

counters! {
    /// What became of queries, written by the worker. Names in the comments are Unbound's.
    Outcomes {
        /// num.queries
        queries,
        /// num.cachehits, local data included as Unbound does
        cache_hits,
        /// num.cachemiss
        cache_misses,
        /// num.recursivereplies
        recursive_replies,
        /// num.queries_ip_ratelimited
        rate_limited,
        /// unwanted.queries: refused or dropped by access-control
        unwanted,
        /// Dropped on purpose: too short, a response, denied by ACL or zone.
        dropped,
        /// Questions that joined one already asked.
        coalesced,
        /// SERVFAIL because no pending place or ring slot was free.
        overload,
        /// num.query.tcp
        query_tcp,
        /// num.query.ipv6
        query_ipv6,
        /// num.query.edns.present
        query_edns,
        /// num.query.edns.DO
        query_do,
        /// num.query.flags.RD
        query_rd,
        /// num.query.flags.CD
        query_cd,
        /// num.query.flags.AD
        query_ad,
        /// requestlist.current.all, a gauge
        pending,
        /// requestlist.max
        pending_max,
        /// msg.cache.count, a gauge
        cache_entries,
        /// mem.cache.message, a gauge in octets
        cache_octets,
        /// Entries pushed out to make room.
        cache_evicted,
        /// Sum of recursion times in microseconds, over recursive_replies.
        recursion_time_us,
    }
}

counters! {
    /// The resolver's own, written by its side thread.
    Upstream {
        /// Queries sent over UDP.
        udp_sent,
        /// Queries sent over TCP.
        tcp_sent,
        /// Replies that matched a question.
        replies,
        /// unwanted.replies: wrong ID, source or question.
        unwanted,
        /// Tries that timed out.
        timeouts,
        /// Questions given up: SERVFAIL.
        failures,
        /// Questions in flight, a gauge.
        in_flight,
    }
}

/// Types above this are counted together as "other".
pub const TYPES: usize = 258;

/// Everything the worker counts.
#[derive(Debug)]
pub struct WorkerStats {
    /// See [`Places`].
    pub places: Places,
    /// See [`Outcomes`].
    pub outcomes: Outcomes,
    /// num.query.type by QTYPE; the last place holds the others.
    pub qtype: [Counter; TYPES],
    /// num.answer.rcode by RCODE.
    pub rcode: [Counter; 16],
    /// num.answer.rcode.nodata
    pub nodata: Counter,
}

impl Default for WorkerStats {
    fn default() -> Self {
        WorkerStats {
            places: Places::default(),
            outcomes: Outcomes::default(),
            qtype: std::array::from_fn(|_| Counter::default()),
            rcode: std::array::from_fn(|_| Counter::default()),
            nodata: Counter::default(),
        }
    }
}
