//! Taking entries out: those of a name at once, others by a walk that goes on a piece at a time.
//!
//! Unbound has what is flushed expire; here it is gone, so that it is not told as expired either. A message ends with any RRset of
//! it, so one that leads into a flushed zone by an alias goes with it.

use super::Cache;
use super::messages::{Message, MessageKey};
use super::rrset::{Key, Rrset, flag};
use super::rrsets::seconds;
use super::store::Walk;
use crate::dns::Name;
use crate::dns::name::is_at_or_below;
use crate::dns::{class, rcode, rtype};
use crate::validate::Security;
use std::time::Duration;

/// Types that go with a name (do_flush_name in Unbound's daemon/remote.c).
const OF_A_NAME: [u16; 12] = [
    rtype::A,
    rtype::AAAA,
    rtype::NS,
    rtype::SOA,
    rtype::CNAME,
    rtype::DNAME,
    rtype::MX,
    rtype::PTR,
    rtype::SRV,
    rtype::NAPTR,
    SVCB,
    rtype::HTTPS,
];
const SVCB: u16 = 64;

/// What a walk takes out.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Flush {
    /// All of a zone: its name and what is below.
    Zone(Name),
    /// What failed to validate.
    Bogus,
    /// Messages without records of their own: other codes than NOERROR, and empty answer sections.
    Negative,
}

impl Flush {
    fn takes_rrset(&self, set: &Rrset) -> bool {
        match self {
            Flush::Zone(zone) => is_at_or_below(set.owner(), zone.as_wire()),
            Flush::Bogus => set.security() == Security::Bogus,
            Flush::Negative => false,
        }
    }

    fn takes_message(&self, message: &Message, now: u32) -> bool {
        match self {
            Flush::Zone(zone) => is_at_or_below(message.key().name, zone.as_wire()),
            Flush::Bogus => message.head(now).security == Security::Bogus,
            Flush::Negative => message.rcode() != rcode::NOERROR || message.counts()[0] == 0,
        }
    }
}

/// How many were taken out that had not expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// RRsets.
    pub rrsets: u64,
    /// Messages.
    pub messages: u64,
    /// What was known of keys of zones.
    pub keys: u64,
}

/// A walk on its way.
#[derive(Clone, Copy, Debug)]
pub struct Flushing {
    flush: Flush,
    /// Over the messages; `None` while the RRsets are walked over.
    messages: Option<Walk>,
    rrsets: Walk,
    flushed: Flushed,
}

impl Flushing {
    /// Counts keys of zones that were taken out beside it.
    pub fn count_keys(&mut self, keys: u64) {
        self.flushed.keys += keys;
    }

    /// What was taken out so far.
    pub fn so_far(&self) -> Flushed {
        self.flushed
    }

    /// What it takes out.
    pub fn what(&self) -> Flush {
        self.flush
    }

    /// Begins one.
    pub fn new(flush: Flush) -> Flushing {
        Flushing { flush, messages: None, rrsets: Walk::default(), flushed: Flushed::default() }
    }
}

impl Cache {
    /// Goes on with a walk, over at most `steps` buckets of eight entries; at its end what it has taken out. What came since it
    /// began may be taken or not.
    pub fn flush_on(&mut self, flushing: &mut Flushing, steps: usize, now: Duration) -> Option<Flushed> {
        let now = seconds(now);
        let Flushing { flush, messages, rrsets, flushed } = flushing;
        let Some(walk) = messages else {
            let takes = |set: &Rrset| {
                let takes = flush.takes_rrset(set);
                flushed.rrsets += u64::from(takes && !set.is_expired(now));
                takes
            };
            if self.rrsets.walk(rrsets, steps, takes) {
                *messages = Some(Walk::default());
            }
            return None;
        };
        let takes = |message: &Message| {
            let takes = flush.takes_message(message, now);
            flushed.messages += u64::from(takes && !message.is_expired(now));
            takes
        };
        self.messages.walk(walk, steps, takes).then_some(*flushed)
    }

    /// Takes out what is kept for a name (wire form), of usual types.
    pub fn flush_name(&mut self, name: &[u8]) -> Flushed {
        OF_A_NAME.iter().fold(Flushed::default(), |sum, rtype| {
            let one = self.flush_type(name, *rtype);
            Flushed { rrsets: sum.rrsets + one.rrsets, messages: sum.messages + one.messages, keys: 0 }
        })
    }

    /// Takes out what is kept for a name (wire form) and a type.
    pub fn flush_type(&mut self, name: &[u8], rtype: u16) -> Flushed {
        let key = Key::new(name, rtype, class::IN);
        let negative = rtype == rtype::SOA && self.rrsets.remove(&key.with(flag::SOA_NEGATIVE));
        let rrsets = u64::from(self.rrsets.remove(&key)) + u64::from(negative);
        let message = |checking_disabled| MessageKey { name, qtype: rtype, qclass: class::IN, checking_disabled };
        let messages = [false, true].map(|cd| u64::from(self.messages.remove(&message(cd))));
        Flushed { rrsets, messages: messages.iter().sum(), keys: 0 }
    }
}
