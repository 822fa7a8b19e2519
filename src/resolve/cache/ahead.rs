//! Looking ahead over several questions: what is kept of each lies somewhere in main memory, and a look-up waits for it three or
//! four times, one after the other. Asked for together, the waits of all questions are one.

use super::Cache;
use super::lookup::Ask;
use super::messages::MessageKey;
use super::rrset::{Key, RrsetRef};
use crate::dns::rtype;
use arrayvec::ArrayVec;

/// Questions looked ahead over at a time: what is fetched for them fits into the processor's nearest cache.
pub const AHEAD: usize = 16;

/// Where the answer to a question will be kept: the hashes of its keys.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    message: u64,
    rrset: u64,
}

impl Expected {
    /// Of no question.
    pub const NOWHERE: Expected = Expected { message: 0, rrset: 0 };
}

impl Cache {
    /// Has what the cache may say to the first [`AHEAD`] of these questions fetched from memory. Changes nothing but time.
    pub fn look_ahead<'a>(&mut self, asked: impl Iterator<Item = MessageKey<'a>>) {
        let Cache { messages, rrsets, scan, hash_key, .. } = self;
        let mut hashes: ArrayVec<(u64, u64), AHEAD> = ArrayVec::new();
        for key in asked.take(AHEAD) {
            if scan.scan(key.name, *hash_key).is_none() {
                continue;
            }
            let (name, hash) = scan.suffix(0);
            let hash = (key.fold(hash), Key::new(name, rtype::CNAME, key.qclass).fold(hash));
            messages.fetch_slots(hash.0);
            hashes.push(hash);
        }
        let mut places: ArrayVec<u32, AHEAD> = ArrayVec::new();
        for (message, alias) in hashes {
            match messages.fetch(message) {
                Some(place) => places.push(place),
                // Without a message an alias is looked for.
                None => rrsets.fetch_slots(alias),
            }
        }
        let first: ArrayVec<RrsetRef, AHEAD> =
            places.into_iter().filter_map(|place| messages.first_of(place)).collect();
        first.iter().for_each(|rrset| rrsets.fetch_slot(*rrset));
        first.iter().for_each(|rrset| rrsets.fetch(*rrset));
    }

    /// Where an answer to the question that was looked up last will be kept.
    pub fn place_of(&self, ask: &Ask) -> Expected {
        let (name, hash) = self.scan.suffix(0);
        let message = MessageKey { name, qtype: ask.qtype, qclass: ask.qclass, checking_disabled: false };
        Expected { message: message.fold(hash), rrset: Key::new(name, ask.qtype, ask.qclass).fold(hash) }
    }

    /// Has it fetched from memory where an answer will be kept.
    #[inline]
    pub fn expect(&self, place: Expected) {
        self.messages.fetch_slots(place.message);
        self.rrsets.fetch_slots(place.rrset);
    }
}
