//! How long a record may be believed: the limits of the configuration (Unbound's rdata_copy in msgreply.c).

use super::reply::Reply;
use crate::dns::{get_u32, rtype};

/// TTL of answers without any record, and of SERVFAIL when the servers answer so (Unbound's NORR_TTL).
pub const WITHOUT_RECORDS: u32 = 5;
/// TTL of SERVFAIL when a server did not answer.
pub const SILENCE: u32 = 1;

/// Limits, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct TtlLimits {
    /// `cache-min-ttl:`
    pub min: u32,
    /// `cache-max-ttl:`
    pub max: u32,
    /// `cache-max-negative-ttl:`
    pub max_negative: u32,
    /// `cache-min-negative-ttl:`; with 0 `min` holds for denials, too.
    pub min_negative: u32,
    /// `serve-original-ttl:`, only the limits of denials hold.
    pub original: bool,
}

impl Default for TtlLimits {
    fn default() -> Self {
        TtlLimits { min: 0, max: 86_400, max_negative: 3_600, min_negative: 0, original: false }
    }
}

impl TtlLimits {
    /// `ttl` within the limits.
    pub fn clamp(&self, ttl: u32) -> u32 {
        if self.original { ttl } else { ttl.max(self.min).min(self.max) }
    }

    /// The TTL of a denial within the limits; its own go before those of all records, the lower one before the upper.
    fn clamp_denial(&self, ttl: u32) -> u32 {
        let least = if self.min_negative > 0 || self.original { 0 } else { self.min };
        let most = if self.original { u32::MAX } else { self.max };
        ttl.max(least).min(most).min(self.max_negative).max(self.min_negative)
    }

    /// Puts the TTL of set `place` within the limits. A SOA in the authority section speaks for the denial it comes
    /// with: its last field is a limit too (RFC 2308 section 5).
    pub fn settle(&self, message: &[u8], reply: &mut Reply, place: usize) {
        let set = &reply.sets[place];
        let ttl = if (set.section, set.rtype) == (1, rtype::SOA) {
            let data = reply.first_data(set);
            let minimum = match data.len() {
                ..20 => 0,
                _ => get_u32(message, data.end - 4).unwrap_or(0),
            };
            self.clamp_denial(set.ttl.min(minimum))
        } else {
            self.clamp(set.ttl)
        };
        reply.sets[place].ttl = ttl;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_has_limits_of_its_own() {
        let clamp = |min, min_negative, max_negative, ttl| {
            TtlLimits { min, min_negative, max_negative, ..TtlLimits::default() }.clamp_denial(ttl)
        };
        assert_eq!(clamp(0, 0, 3600, 30), 30);
        assert_eq!(clamp(0, 0, 3600, 7200), 3600);
        assert_eq!(clamp(300, 0, 3600, 30), 300, "the lower limit of all records");
        assert_eq!(clamp(300, 1, 3600, 30), 30, "unless denials have one");
        assert_eq!(clamp(0, 60, 3600, 30), 60);
        assert_eq!(clamp(0, 60, 30, 45), 60, "and that goes before the upper one");
        assert_eq!(clamp(0, 0, 3600, 0), 0);
    }

    #[test]
    fn the_original_ttl_has_no_limits_but_those_of_denials() {
        let limits = TtlLimits { min: 100, max: 200, max_negative: 50, min_negative: 0, original: true };
        assert_eq!((limits.clamp(7), limits.clamp(90_000)), (7, 90_000));
        assert_eq!((limits.clamp_denial(7), limits.clamp_denial(90_000)), (7, 50));
        let limits = TtlLimits { min_negative: 10, ..limits };
        assert_eq!(limits.clamp_denial(7), 10);
    }
}
