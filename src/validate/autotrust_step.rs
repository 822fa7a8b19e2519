//! What becomes of a zone's keys when its DNSKEY RRset was asked for (RFC 5011 sections 2 to 4).

use super::anchors::Anchor;
use super::autotrust::{Key, Point, State};
use super::dnskey::{REVOKE, SEP, key_tag};
use super::set::Set;
use super::signature::seconds_left;
use crate::dns::get_u32;
use crate::dns::rtype::{DNSKEY, DS};

/// How often a key is seen before it can become valid.
const LEAST_SEEN: u8 = 2;
/// Most seconds between two queries (RFC 5011 section 2.3).
const LONGEST_INTERVAL: u32 = 15 * 86_400;
/// Most seconds to the next query after one that failed.
const LONGEST_RETRY: u32 = 86_400;
/// Fewest seconds between two queries.
const SHORTEST: u32 = 3600;
/// Most keys that are remembered of a zone: as many are seen of no zone that means well.
const MOST_KEYS: usize = 64;

/// The times of RFC 5011, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// `add-holddown:`, for how long a new key is seen before it is trusted.
    pub add: u32,
    /// `del-holddown:`, for how long one that was revoked is remembered.
    pub delete: u32,
    /// `keep-missing:`, for how long one that is not seen any more is trusted; 0 for ever.
    pub missing: u32,
    /// `permit-small-holddown:`, queries may be less than an hour apart.
    pub small: bool,
}

impl Default for Timers {
    /// As without any of these in the configuration.
    fn default() -> Timers {
        Timers { add: 30 * 86_400, delete: 30 * 86_400, missing: 366 * 86_400, small: false }
    }
}

/// What is to be found out about the DNSKEY RRset that came. Keys and DS records are the data of the records.
pub trait Verify {
    /// Whether a key that is trusted has signed the RRset.
    fn is_secure(&mut self, anchor: &Anchor) -> bool;
    /// Whether this key of it has signed it, whatever is trusted.
    fn is_signed_by(&mut self, key: &[u8]) -> bool;
    /// Whether one of the DS records, of the best digest among them, is of this key.
    fn is_of(&mut self, ds: &[Vec<u8>], key: &[u8]) -> bool;
    /// Whether signatures of such a key can be checked.
    fn is_known(&mut self, key: &[u8]) -> bool;
}

/// Something that is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The key of this tag is in another state.
    Key(u16, State, State),
    /// The clock stands before a time that was written down: what is to be waited for begins anew.
    ClockWentBack,
    /// None of the keys is one that could be followed (without the secure entry point bit): what is trusted stays as it is.
    NoEntryPoint,
    /// More keys than are remembered: the rest is passed over.
    TooManyKeys,
    /// All keys were revoked: the zone is no anchor any more.
    Revoked,
}

/// What has come of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether what is trusted may be another: [`Point::anchor`] is to be put in force.
    pub is_changed: bool,
    /// Whether the file is to be written.
    pub write: bool,
    /// The RRset did not come, or is not secure.
    pub failed: bool,
    /// What is worth a line each.
    pub events: Vec<Event>,
}

impl Point {
    /// Whether its keys are to be asked for: the time has come, or can never have been meant.
    pub fn is_due(&self, now: u64) -> bool {
        !self.revoked && (self.next_probe <= now || self.next_probe > now + u64::from(LONGEST_INTERVAL))
    }

    /// Takes note that its keys are asked for now: when to ask again if nothing comes of it. `random` is any number.
    pub fn begin(&mut self, now: u64, random: u32, timers: &Timers) {
        self.next_probe = now + after(self.retry, random, timers);
    }

    /// Takes in its DNSKEY RRset, or that there is none. To be called with every one that was fetched anew, whoever asked.
    pub fn take(
        &mut self,
        set: Option<&Set<'_>>,
        now: u64,
        random: u32,
        timers: &Timers,
        verify: &mut dyn Verify,
    ) -> Outcome {
        if self.revoked {
            return Outcome::default();
        }
        let before = self.clone();
        let mut step = Step { now, timers, events: Vec::new() };
        self.queried = now;
        // Time alone makes a key valid, unless those that are trusted say that it went meanwhile (RFC 5011 section 2.4.1).
        let is_gone = |key: &Key| set.is_some_and(|set| !set.records.contains(&&key.data[..]));
        let may_be_gone = self.keys.iter().any(|key| key.state == State::Pending && is_gone(key));
        let says_so = may_be_gone && verify.is_secure(&self.anchor());
        let waits = |key: &&mut Key| key.is_entry_point() && !(says_so && is_gone(key));
        self.keys.iter_mut().filter(waits).for_each(|key| step.add_time(key));
        let Some(set) = set else {
            return step.end(&before, self, Outcome { failed: true, ..Outcome::default() });
        };
        step.revoke(&mut self.keys, set, verify);
        if self.anchor().is_empty() && step.has_revoked() {
            self.succeeded = now;
            self.end();
            return step.end(&before, self, Outcome { write: true, ..Outcome::default() });
        }
        if !verify.is_secure(&self.anchor()) {
            // Before the first success the file may have what cannot be written: DS records.
            let write = self.succeeded > 0;
            self.failed = self.failed.saturating_add(u8::from(write));
            return step.end(&before, self, Outcome { failed: true, write, ..Outcome::default() });
        }
        (self.succeeded, self.failed) = (now, 0);
        let seen = step.see(self, set, verify);
        self.keys.iter_mut().filter(|key| key.is_entry_point()).for_each(|key| step.advance(key, &seen));
        step.remove(&mut self.keys);
        self.keys.retain(|key| key.rtype == DNSKEY && !matches!(key.state, State::Start | State::Removed));
        self.keys.iter_mut().filter(|key| key.state != State::Pending).for_each(|key| key.count = 0);
        (self.interval, self.retry) = intervals(set, now, timers);
        self.next_probe = now + after(self.interval, random, timers);
        if self.anchor().is_empty() {
            if !step.has_revoked() {
                self.keys.clone_from(&before.keys);
                step.events.push(Event::NoEntryPoint);
                return step.end(&before, self, Outcome::default());
            }
            self.end();
        }
        step.end(&before, self, Outcome { write: true, ..Outcome::default() })
    }

    /// Is no anchor any more.
    fn end(&mut self) {
        (self.revoked, self.next_probe) = (true, 0);
    }
}

impl Key {
    fn flags(&self) -> u16 {
        flags(&self.data)
    }

    /// Whether it is a key that is followed.
    fn is_entry_point(&self) -> bool {
        self.rtype == DNSKEY && self.flags() & SEP != 0
    }

    /// Whether it is this key, revoked or not.
    fn is_same(&self, data: &[u8]) -> bool {
        let bare = |data: &[u8]| flags(data) | REVOKE;
        self.rtype == DNSKEY && bare(&self.data) == bare(data) && self.data.get(2..) == data.get(2..)
    }
}

fn flags(data: &[u8]) -> u16 {
    data.first_chunk().map_or(0, |flags| u16::from_be_bytes(*flags))
}

/// The data of keys that were seen, as it is kept.
type Seen = Vec<Vec<u8>>;

/// One go at it.
struct Step<'a> {
    now: u64,
    timers: &'a Timers,
    events: Vec<Event>,
}

impl Step<'_> {
    fn set(&mut self, key: &mut Key, state: State) {
        self.events.push(Event::Key(key_tag(&key.data), key.state, state));
        (key.state, key.changed) = (state, self.now);
    }

    /// Whether more than these seconds have passed since the key's state changed.
    fn has_passed(&mut self, key: &mut Key, seconds: u32) -> bool {
        if key.changed > self.now {
            key.changed = self.now;
            if !self.events.contains(&Event::ClockWentBack) {
                self.events.push(Event::ClockWentBack);
            }
        }
        self.now - key.changed > u64::from(seconds)
    }

    fn add_time(&mut self, key: &mut Key) {
        if key.state == State::Pending && self.has_passed(key, self.timers.add) && key.count >= LEAST_SEEN {
            self.set(key, State::Valid);
            key.count = 0;
        }
    }

    /// Keys that say by their own signature that they are revoked are so at once, whatever else is in the RRset.
    fn revoke(&mut self, keys: &mut [Key], set: &Set<'_>, verify: &mut dyn Verify) {
        for data in set.records.iter().filter(|data| flags(data) & (SEP | REVOKE) == SEP | REVOKE) {
            let trusted = |key: &&mut Key| matches!(key.state, State::Valid | State::Missing) && key.is_same(data);
            if let Some(key) = keys.iter_mut().find(trusted)
                && verify.is_signed_by(data)
            {
                self.set(key, State::Revoked);
                key.data = data.to_vec();
            }
        }
    }

    /// Whether a key was revoked just now.
    fn has_revoked(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Key(_, _, State::Revoked)))
    }

    /// Adds the keys that are new, and gives all that are there and not revoked.
    fn see(&mut self, point: &mut Point, set: &Set<'_>, verify: &mut dyn Verify) -> Seen {
        let mut seen = Seen::new();
        let ds: Vec<Vec<u8>> = point.keys.iter().filter(|key| key.rtype == DS).map(|key| key.data.clone()).collect();
        for data in set.records.iter().filter(|data| flags(data) & (SEP | REVOKE) == SEP) {
            if !verify.is_known(data) {
                continue;
            }
            if !point.keys.iter().any(|key| key.is_same(data)) {
                if point.keys.len() >= MOST_KEYS {
                    self.events.push(Event::TooManyKeys);
                    break;
                }
                let is_of = !ds.is_empty() && verify.is_of(&ds, data);
                let state = if is_of { State::Valid } else { State::Start };
                let key = Key { rtype: DNSKEY, ttl: set.ttl, data: data.to_vec(), state, count: 0, changed: 0 };
                point.keys.insert(0, key);
            }
            if let Some(key) = point.keys.iter_mut().find(|key| key.is_same(data)) {
                key.count = key.count.saturating_add(1);
                seen.push(key.data.clone());
            }
        }
        seen
    }

    /// The table of RFC 5011 section 4.2, but for what a key says of itself.
    fn advance(&mut self, key: &mut Key, seen: &Seen) {
        let is_seen = seen.contains(&key.data);
        match (key.state, is_seen) {
            (State::Start, true) => self.set(key, State::Pending),
            (State::Pending, true) => self.add_time(key),
            (State::Pending, false) => self.set(key, State::Start),
            (State::Valid, false) => self.set(key, State::Missing),
            // Written by hand, and seen for the first time.
            (State::Valid, true) if key.changed == 0 => key.changed = self.now,
            (State::Missing, true) => self.set(key, State::Valid),
            // Without the bit that revoked it.
            (State::Revoked, true) => key.changed = self.now,
            (State::Revoked, false) if self.has_passed(key, self.timers.delete) => self.set(key, State::Removed),
            _ => (),
        }
    }

    /// Removes what is not needed once an entry point is valid: keys that are missing for long, and those that are none.
    fn remove(&mut self, keys: &mut [Key]) {
        let is_valid = |key: &Key| key.is_entry_point() && key.state == State::Valid;
        if !keys.iter().any(is_valid) {
            // A zone key that was written by hand vouches for them all: it may not be there for long.
            let by_hand = |key: &Key| {
                key.rtype == DNSKEY && !key.is_entry_point() && (key.state, key.changed) == (State::Valid, 0)
            };
            if !keys.iter().any(by_hand) {
                return;
            }
            let pending = keys.iter_mut().filter(|key| key.is_entry_point() && key.state == State::Pending);
            pending.for_each(|key| self.set(key, State::Valid));
            if !keys.iter().any(is_valid) {
                return;
            }
        }
        for key in keys.iter_mut().filter(|key| key.rtype == DNSKEY && key.state != State::Start) {
            let is_old =
                key.state == State::Missing && self.timers.missing > 0 && self.has_passed(key, self.timers.missing);
            if is_old || !key.is_entry_point() {
                self.set(key, State::Removed);
            }
        }
    }

    fn end(mut self, before: &Point, after: &Point, outcome: Outcome) -> Outcome {
        if after.revoked {
            self.events.push(Event::Revoked);
        }
        let is_changed = after.revoked || before.anchor() != after.anchor();
        Outcome { is_changed, events: self.events, ..outcome }
    }
}

/// Seconds to the next query after one that succeeded, and after one that failed (RFC 5011 section 2.3).
fn intervals(set: &Set<'_>, now: u64, timers: &Timers) -> (u32, u32) {
    let (mut ttl, mut left) = (None::<u32>, LONGEST_INTERVAL);
    for signature in set.signatures {
        // Type, algorithm and labels come before the original TTL.
        let (Some(original), Some(rest)) = (get_u32(signature, 4), seconds_left(signature, now as u32)) else {
            continue;
        };
        ttl = Some(ttl.unwrap_or(original).min(original));
        if rest > 0 {
            left = left.min(rest.unsigned_abs());
        }
    }
    // A forwarder's cache has counted the set's down.
    let ttl = ttl.unwrap_or(set.ttl);
    let least = |seconds: u32| if timers.small { seconds } else { seconds.max(SHORTEST) };
    let interval = LONGEST_INTERVAL.min(ttl / 2).min(left / 2);
    let retry = LONGEST_RETRY.min(ttl / 10).min(left / 10);
    (least(interval), least(retry))
}

/// So many seconds, less up to a tenth at random, that not all resolvers ask at once.
fn after(seconds: u32, random: u32, timers: &Timers) -> u64 {
    let seconds = seconds.max(if timers.small { 1 } else { SHORTEST });
    let tenth = seconds / 10;
    u64::from(seconds - tenth + random % tenth.max(1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "autotrust_step_tests.rs"]
mod tests;
