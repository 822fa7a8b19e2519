//! What the XDP program answered: counted by the worker, some time later.

use super::WorkerStats;

/// What a query for one answer counts for.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Its flags word.
    pub flags: u16,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// It has an OPT record.
    pub has_edns: bool,
    /// That has DO.
    pub dnssec_ok: bool,
    /// RCODE of the answer.
    pub rcode: u16,
    /// The answer section has records.
    pub has_answers: bool,
    /// The answer is validated.
    pub is_secure: bool,
}

impl WorkerStats {
    /// Counts so many queries over IPv4 and IPv6 as the worker would have, had it been asked.
    pub fn count_told(&self, told: &Told, (v4, v6): (u64, u64)) {
        let queries = v4.wrapping_add(v6);
        let of = |holds: bool| if holds { queries } else { 0 };
        self.count_questions(queries, told.flags, told.qtype, told.qclass);
        self.places.told.add(queries);
        let outcomes = &self.outcomes;
        outcomes.queries.add(queries);
        outcomes.cache_hits.add(queries);
        outcomes.query_ipv6.add(v6);
        outcomes.query_edns.add(of(told.has_edns));
        outcomes.query_do.add(of(told.dnssec_ok));
        outcomes.secure.add(of(told.is_secure));
        self.rcode[usize::from(told.rcode & 15)].add(queries);
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
            flags: flag::RD,
            qtype: 28,
            qclass: 1,
            has_edns: true,
            dnssec_ok: false,
            rcode: 0,
            has_answers: false,
            is_secure: true,
        };
        stats.count_told(&told, (4, 3));
        let other = Told { rcode: 3, has_edns: false, dnssec_ok: true, is_secure: false, ..told };
        stats.count_told(&other, (0, 1));
        let outcomes = &stats.outcomes;
        let counted =
            [&outcomes.queries, &outcomes.cache_hits, &outcomes.query_rd, &outcomes.class_in, &stats.qtype[28]];
        assert!(counted.iter().all(|counter| counter.get() == 8));
        let counted = [&outcomes.query_ipv6, &outcomes.query_edns, &outcomes.query_do, &outcomes.secure, &stats.nodata];
        assert_eq!(counted.map(super::super::Counter::get), [4, 7, 1, 7, 7]);
        assert_eq!((stats.rcode[0].get(), stats.rcode[3].get(), stats.places.told.get()), (7, 1, 8));
    }
}
