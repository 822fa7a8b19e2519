//! Looking ahead in a batch: the tables' lines that its queries will need are fetched while other queries are dealt with.
//!
//! With a hundred thousand answers or a million zones every look-up waits for main memory once or twice; a batch's waits
//! overlap. Small tables live in the core's caches, and looking ahead would only cost.

use super::cache::{CHECKING_DISABLED, DNSSEC_OK, KeyFixed};
use super::decide::Answerer;
use crate::dns::class;
use crate::dns::edns::{self, Edns};
use crate::dns::header::{self, flag};
use crate::dns::question::Question;

/// Where a query's answer will be looked for.
#[derive(Clone, Copy)]
pub struct Ahead {
    name: u64,
    entry: u64,
}

impl Answerer {
    /// Whether the tables are large enough for looking ahead.
    pub fn looks_ahead(&self) -> bool {
        self.cache.is_large() || self.policy.zones.is_large()
    }

    /// First step: hashes the query's name and has the index lines fetched. `None` when there is no question.
    #[inline]
    pub fn look_ahead(&mut self, message: &[u8]) -> Option<Ahead> {
        let question = Question::parse(message)?;
        self.ahead.scan(message.get(header::LEN..)?, self.policy.hash_key)?;
        let name = self.ahead.hash();
        let dnssec_ok = Edns::parse(message, question.end()).is_ok_and(|edns| edns.bits & edns::DO != 0);
        let checking_disabled = header::flags(message) & flag::CD != 0;
        let bits = if dnssec_ok { DNSSEC_OK } else { 0 } | if checking_disabled { CHECKING_DISABLED } else { 0 };
        self.policy.zones.prefetch_index(name);
        let key = KeyFixed { qtype: question.qtype, qclass: class::IN, bits };
        Some(Ahead { name, entry: self.cache.prefetch_index(name, key) })
    }

    /// Second step, when the first has been done for the whole batch: has what the index lines lead to fetched.
    #[inline]
    pub fn look_closer(&self, ahead: Ahead) {
        self.policy.zones.prefetch_node(ahead.name);
        self.cache.prefetch_entry(ahead.entry);
    }
}
