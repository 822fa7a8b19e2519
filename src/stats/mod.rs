//! Plain counters per thread, summed by the reader.
//!
//! Each counter has one writing thread, so adding is a load and a store without a locked instruction; readers see a
//! value that is whole and at most a moment old.

mod histogram;
mod snapshot;
mod told;
mod xdp_figures;

pub use histogram::{BUCKETS, Histogram, bucket_bounds, bucket_of, median};
pub use snapshot::{KnownFigures, Snapshot, ThreadFigures};
pub use told::Told;
pub use xdp_figures::{Frames, QueueFigures, SocketDrops, Watchdog, XdpFigures, XdpMode};

use crate::dns::class;
use crate::dns::header::{flag, opcode_of};
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
        /// Queries that the XDP program has answered by itself.
        told,
        /// Answers that it has, a gauge.
        taught,
        /// Frames that reached an XSK without being ours, given back.
        xdp_strays,
        /// Queries that reached an XSK with a wrong UDP checksum, dropped as the kernel's stack drops them.
        xdp_bad_checksums,
        /// Queries from kernel UDP sockets.
        udp_queries,
        /// Those of them that XDP was to have: to an address and port that a program takes by the plan, from another host.
        udp_promised,
        /// Replies through kernel UDP sockets.
        udp_replies,
        /// Queries from streams.
        tcp_queries,
        /// Replies to streams.
        tcp_replies,
        /// Replies lost because a socket or ring had no room, or because their address has left this host.
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
        /// Replies that the resolver knew without asking anybody; counted as cache misses when they were asked for.
        known_replies,
        /// num.queries_ip_ratelimited; they are among the dropped
        rate_limited,
        /// num.queries_cookie_valid
        cookie_valid,
        /// num.queries_cookie_client
        cookie_client,
        /// num.queries_cookie_invalid
        cookie_invalid,
        /// num.answer.secure
        secure,
        /// num.answer.bogus
        bogus,
        /// num.queries_wait_limit: too many of the client's wait; they are among the dropped
        wait_limited,
        /// num.queries_discard_timeout: the answer came too late; they are among the dropped
        discarded,
        /// num.queries_timed_out: too long in a socket's queue; they are among the dropped
        timed_out,
        /// query.queue_time_us.max, since the start
        queue_time_max,
        /// unwanted.queries: refused or dropped by access-control
        unwanted,
        /// Dropped on purpose: too short, a response, denied by ACL or zone.
        dropped,
        /// Errors that got no reply because their second had too many (error-ratelimit); they are among the dropped.
        errors_limited,
        /// Questions that joined one already asked.
        coalesced,
        /// num.prefetch: questions asked anew before their answers ran out
        prefetched,
        /// num.expired
        expired,
        /// Events for the log lost because its ring was full.
        events_lost,
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
        /// num.query.flags.AA
        query_aa,
        /// num.query.flags.TC
        query_tc,
        /// num.query.flags.RA
        query_ra,
        /// num.query.flags.Z
        query_z,
        /// num.query.class.IN
        class_in,
        /// num.query.class.CH
        class_ch,
        /// num.query.class of the rest
        class_other,
        /// requestlist.current.all, a gauge
        pending,
        /// requestlist.max, since the start
        pending_max,
        /// Sum over the cache misses of the questions pending as each came in: over cache_misses it is requestlist.avg.
        pending_sum,
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
        /// Queries that were not sent, since their zone had its share (num.query.ratelimited).
        rate_limited,
        /// requestlist.overwritten: those of them that a newer one took the place of
        overwritten,
        /// Answers that should have been validated and were not.
        bogus,
        /// num.rrset.bogus
        bogus_rrsets,
        /// num.valops: signatures checked
        signatures,
        /// num.query.aggressive.NOERROR
        denied_data,
        /// num.query.aggressive.NXDOMAIN
        denied_names,
        /// num.dns_error_reports
        error_reports,
        /// Questions in flight, a gauge.
        in_flight,
        /// rrset.cache.count, a gauge
        rrsets,
        /// mem.cache.rrset, a gauge in octets
        rrset_octets,
        /// The messages of msg.cache.count that the resolver keeps, a gauge
        messages,
        /// Those of mem.cache.message, a gauge in octets
        message_octets,
        /// infra.cache.count, a gauge
        servers,
        /// key.cache.count, a gauge
        zones,
    }
}

counters! {
    /// TCP connections, written by the stream thread.
    Streams {
        /// Connections accepted.
        accepted,
        /// Connections open, a gauge.
        open,
        /// Connections that tcp-connection-limit had closed at once.
        refused,
        /// Times the table was full, so that new connections had to wait in the kernel.
        table_full,
        /// Connections closed because nothing came, or nothing was read, for too long.
        timed_out,
        /// Connections closed for a message too short to be DNS.
        malformed,
        /// Connections closed because the worker answered nothing, on purpose.
        dropped,
        /// Connections closed because replies waiting for slow readers took all the room (`stream-wait-size`).
        wait_overflow,
        /// Replies that came after their connection was closed.
        late_replies,
        /// Times reading stopped because the worker had no room for more queries.
        worker_busy,
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
    /// num.query.opcode by opcode.
    pub opcode: [Counter; 16],
    /// Recursion times, one for each of recursive_replies.
    pub recursion: Histogram,
}

impl Default for WorkerStats {
    fn default() -> Self {
        WorkerStats {
            places: Places::default(),
            outcomes: Outcomes::default(),
            qtype: std::array::from_fn(|_| Counter::default()),
            rcode: std::array::from_fn(|_| Counter::default()),
            nodata: Counter::default(),
            opcode: std::array::from_fn(|_| Counter::default()),
            recursion: Histogram::default(),
        }
    }
}

impl WorkerStats {
    /// Counts a query by what its header and question say: type, class, opcode and flags. `flags` is the second 16-bit
    /// word of the header.
    #[inline]
    pub fn count_question(&self, flags: u16, qtype: u16, qclass: u16) {
        self.count_questions(1, flags, qtype, qclass);
    }

    /// The same for so many queries.
    #[inline]
    fn count_questions(&self, queries: u64, flags: u16, qtype: u16, qclass: u16) {
        self.qtype[usize::from(qtype).min(TYPES - 1)].add(queries);
        let outcomes = &self.outcomes;
        match qclass {
            class::IN => outcomes.class_in.add(queries),
            class::CH => outcomes.class_ch.add(queries),
            _ => outcomes.class_other.add(queries),
        }
        self.opcode[usize::from(opcode_of(flags) & 15)].add(queries);
        for (bit, counter) in [
            (flag::RD, &outcomes.query_rd),
            (flag::AD, &outcomes.query_ad),
            (flag::CD, &outcomes.query_cd),
            (flag::AA, &outcomes.query_aa),
            (flag::TC, &outcomes.query_tc),
            (flag::RA, &outcomes.query_ra),
            (FLAG_Z, &outcomes.query_z),
        ] {
            if flags & bit != 0 {
                counter.add(queries);
            }
        }
    }
}

/// The reserved bit of the header (RFC 1035 section 4.1.1).
const FLAG_Z: u16 = 0x0040;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_counted_by_type_class_opcode_and_flags() {
        let stats = WorkerStats::default();
        stats.count_question(flag::RD | flag::CD | FLAG_Z, 28, class::IN);
        stats.count_question(4 << 11 | flag::AA, 65535, 99);
        let outcomes = &stats.outcomes;
        assert_eq!((stats.qtype[28].get(), stats.qtype[TYPES - 1].get()), (1, 1));
        assert_eq!((outcomes.class_in.get(), outcomes.class_ch.get(), outcomes.class_other.get()), (1, 0, 1));
        assert_eq!((stats.opcode[0].get(), stats.opcode[4].get()), (1, 1));
        assert_eq!((outcomes.query_rd.get(), outcomes.query_cd.get(), outcomes.query_z.get()), (1, 1, 1));
        assert_eq!((outcomes.query_aa.get(), outcomes.query_ad.get()), (1, 0));
    }
}

counters! {
    /// One AF_XDP queue, written by the worker; the frames' places are gauges, refreshed twice a second.
    QueueStats {
        /// Times the worker looked for frames.
        looks,
        /// Frames received.
        rx,
        /// Frames queued for sending.
        tx,
        /// UMEM frames in all.
        frames_total,
        /// Frames in nobody's hands.
        frames_free,
        /// Frames on the fill ring.
        frames_fill,
        /// Frames received and not yet dealt with, on the RX ring or held.
        frames_rx,
        /// Frames on the TX ring.
        frames_tx,
        /// Frames on the completion ring.
        frames_completion,
        /// Frames that the driver has in zero-copy mode.
        frames_driver,
        /// XDP_STATISTICS: dropped for other reasons.
        rx_dropped,
        /// XDP_STATISTICS: dropped because the RX ring was full.
        rx_ring_full,
        /// XDP_STATISTICS: times the fill ring was empty.
        fill_ring_empty,
        /// XDP_STATISTICS: descriptors the kernel refused.
        invalid_descs,
        /// Descriptors from the kernel that made no sense.
        senseless,
    }
}
