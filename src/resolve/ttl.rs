//! How long a record may be believed: the limits of the configuration (Unbound's rdata_copy in msgreply.c).

use super::reply::Reply;
use crate::dns::{get_u32, rtype};

/// TTL of answers without any record, and of SERVFAIL (Unbound's NORR_TTL).
pub const WITHOUT_RECORDS: u32 = 5;

/// Limits, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct TtlLimits {
    /// `cache-min-ttl:`
    pub min: u32,
    /// `cache-max-ttl:`
    pub max: u32,
    /// `cache-max-negative-ttl:`
    pub max_negative: u32,
}

impl Default for TtlLimits {
    fn default() -> Self {
        TtlLimits { min: 0, max: 86_400, max_negative: 3_600 }
    }
}

impl TtlLimits {
    /// `ttl` within the limits.
    pub fn clamp(&self, ttl: u32) -> u32 {
        ttl.max(self.min).min(self.max)
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
            self.clamp(set.ttl.min(minimum)).min(self.max_negative)
        } else {
            self.clamp(set.ttl)
        };
        reply.sets[place].ttl = ttl;
    }
}
