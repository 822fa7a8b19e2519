//! What the resolver knows: RRsets with how far each is believed, and messages that say which of them answer a question.
//!
//! One owner, no input or output, the time an argument (Unbound's services/cache). The worker's answer cache before it holds
//! bodies ready to be sent; this one holds what they are made from, so that one RRset serves every question that it is part of,
//! for as long as it is to be believed and no longer.
//!
//! | file | holds |
//! |---|---|
//! | `store` | fixed memory for entries of any length: ring, index, what is kept when there is no room |
//! | `trust` | how far an RRset is believed, what validation made of it |
//! | `rrset`, `rrsets` | how an RRset lies in the store; what takes the place of what |
//! | `messages` | messages as references to RRsets |
//! | `lookup` | what answers a question: a message, or RRsets alone |
//! | `ahead` | what several look-ups will read, fetched from memory together |
//! | `referral` | where a name's servers are |
//! | `intake` | a scrubbed reply becomes RRsets and a message |
//! | `proven` | an answer that was held back while it was validated |
//! | `compose` | what was found becomes the body of a response |
//! | `flush` | taking entries out by name, zone and kind |
//! | `dump`, `load` | all of it as text, and back |

mod ahead;
mod compose;
mod dump;
mod flush;
mod intake;
mod load;
mod lookup;
mod messages;
mod proven;
mod referral;
mod rrset;
mod rrsets;
mod store;
#[cfg(test)]
mod tests;
mod trust;

pub use ahead::{AHEAD, Expected};
pub use compose::Wanted;
pub use dump::{Dumping, write_rrset};
pub use flush::{Flush, Flushed, Flushing};
pub use intake::{Context, Learnt, Source};
pub use load::Loading;
pub use lookup::{Ask, Climb, Hit};
pub use messages::{Head, MessageCache, MessageKey};
pub use rrset::flag::{NSEC_AT_APEX, SOA_NEGATIVE};
pub use rrset::{Draft, Key, Rrset, RrsetRef};
pub use rrsets::{Checked, Moment, RrsetCache, seconds};
pub use trust::Trust;

use crate::dns::scan::{HashKey, NameScan};

/// What a name below one that does not exist is told (RFC 8020).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BelowNxdomain {
    /// It is asked for.
    Ask,
    /// That it does not exist either, when that is validated (`harden-below-nxdomain: yes`).
    IfSecure,
    /// That it does not exist either.
    Always,
}

/// What of the configuration decides what is told.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// `harden-below-nxdomain:`
    pub below_nxdomain: BelowNxdomain,
    /// Seconds for which what has expired may be told (`serve-expired-ttl:`), 0: for ever; `None`: not at all
    /// (`serve-expired: no`).
    pub serve_expired: Option<u32>,
    /// A fetch that fails lets those seconds begin anew (`serve-expired-ttl-reset:`).
    pub serve_expired_reset: bool,
    /// TTL of what has expired, in seconds (`serve-expired-reply-ttl:`).
    pub expired_reply_ttl: u32,
    /// TTLs do not count down (`serve-original-ttl:`).
    pub original_ttl: bool,
}

impl Default for Rules {
    /// As without any of these in the configuration.
    fn default() -> Self {
        Rules {
            below_nxdomain: BelowNxdomain::IfSecure,
            serve_expired: None,
            serve_expired_reset: false,
            expired_reply_ttl: 30,
            original_ttl: false,
        }
    }
}

/// See the module's text.
pub struct Cache {
    /// The RRsets.
    pub rrsets: RrsetCache,
    /// The messages.
    pub messages: MessageCache,
    rules: Rules,
    hash_key: HashKey,
    scan: NameScan,
    found: lookup::Found,
    draft: Draft,
    rdata: Box<[u8]>,
}

impl Cache {
    /// Goes on by other rules.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// A cache of so many octets for RRsets (`rrset-cache-size:`) and for messages (`msg-cache-size:`), indexes included, at
    /// least 64 KiB each.
    ///
    /// # Errors
    /// That there is no memory for it: what limits it, and the fix.
    pub fn new(rrsets: usize, messages: usize, rules: Rules, hash_key: HashKey) -> Result<Cache, String> {
        Ok(Cache {
            rrsets: RrsetCache::new(rrsets, hash_key)?,
            messages: MessageCache::new(messages, hash_key)?,
            rules,
            hash_key,
            scan: NameScan::new(),
            found: lookup::Found::default(),
            draft: Draft::default(),
            rdata: vec![0; 0xffff].into_boxed_slice(),
        })
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.rrsets.clear();
        self.messages.clear();
    }
}
