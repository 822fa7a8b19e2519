//! What the XDP program answered: counted by the worker, some time later.

use super::WorkerStats;

/// Queries for one answer.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// How many.
    pub queries: u64,
    /// Of them, over IPv6.
    pub over_ipv6: u64,
    /// Their flags word.
    pub flags: u16,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// They had an OPT record.
    pub has_edns: bool,
    /// It had DO.
    pub dnssec_ok: bool,
    /// RCODE of the answer.
    pub rcode: u16,
    /// Its answer section had records.
    pub has_answers: bool,
    /// It is validated.
    pub is_secure: bool,
}

impl WorkerStats {
    /// Counts what the worker would have counted, had it been asked.
    pub fn count_told(&self, told: &Told) {
        let of = |holds: bool| if holds { told.queries } else { 0 };
        self.count_questions(told.queries, told.flags, told.qtype, told.qclass);
        self.places.told.add(told.queries);
        let outcomes = &self.outcomes;
        outcomes.queries.add(told.queries);
        outcomes.cache_hits.add(told.queries);
        outcomes.query_ipv6.add(told.over_ipv6);
        outcomes.query_edns.add(of(told.has_edns));
        outcomes.query_do.add(of(told.dnssec_ok));
        outcomes.secure.add(of(told.is_secure));
        self.rcode[usize::from(told.rcode & 15)].add(told.queries);
        self.nodata.add(of(told.rcode == 0 && !told.has_answers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::header::flag;

    #[test]
    fn what_was_told_counts_as_if_it_had_been_asked() {
        let stats = WorkerStats::default();
        let told = Told {
            queries: 7,
            over_ipv6: 2,
            flags: flag::RD,
            qtype: 28,
            qclass: 1,
            has_edns: true,
            dnssec_ok: false,
            rcode: 0,
            has_answers: false,
            is_secure: true,
        };
        stats.count_told(&told);
        stats.count_told(&Told { queries: 1, rcode: 3, has_edns: false, dnssec_ok: true, is_secure: false, ..told });
        let outcomes = &stats.outcomes;
        let counted =
            [&outcomes.queries, &outcomes.cache_hits, &outcomes.query_rd, &outcomes.class_in, &stats.qtype[28]];
        assert!(counted.iter().all(|counter| counter.get() == 8));
        let counted = [&outcomes.query_ipv6, &outcomes.query_edns, &outcomes.query_do, &outcomes.secure, &stats.nodata];
        assert_eq!(counted.map(super::super::Counter::get), [4, 7, 1, 7, 7]);
        assert_eq!((stats.rcode[0].get(), stats.rcode[3].get(), stats.places.told.get()), (7, 1, 8));
    }
}
