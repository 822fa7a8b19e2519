//! The messages: what was answered to a question, as references to the RRsets of each section.

use super::rrset::RrsetRef;
use super::rrsets::seconds;
use super::store::{Store, Walk};
use crate::dns::flaw::Flaw;
use crate::dns::name::{MAX_LEN, is_same, uncompressed_len};
use crate::dns::scan::{HashKey, NameScan};
use crate::dns::{get_u16, get_u32, header, put_u16, put_u32, rcode};
use crate::validate::Security;
use crate::validate::message::Verdict;
use std::time::Duration;

const EXPIRES: usize = 0; // u32, second
const PREFETCH: usize = 4; // u32, second from which it is to be fetched anew
const SERVED_UNTIL: usize = 8; // u32, second to which it is told although it has expired
const RECHECK: usize = 12; // u32, second before which it is told although it has expired without asking anew
const QTYPE: usize = 16; // u16
const QCLASS: usize = 18; // u16
const FLAGS: usize = 20; // u16
const COUNTS: usize = 22; // 3 x u16
const EDE: usize = 28; // u16
const SECURITY: usize = 30; // u8
const BITS: usize = 31; // u8
const NAME_LEN: usize = 32; // u8
/// Octets in front of the name.
const HEADER: usize = 33;

/// In BITS: asked with CD.
const CD: u8 = 1;

/// What a message is kept under.
#[derive(Clone, Copy, Debug)]
pub struct MessageKey<'a> {
    /// QNAME, wire form; letter case makes no difference.
    pub name: &'a [u8],
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// CD of the query.
    pub checking_disabled: bool,
}

impl MessageKey<'_> {
    /// Folds what is beside the name into the hash of the name.
    pub(super) fn fold(&self, name_hash: u64) -> u64 {
        let word = u64::from(self.qtype) << 24 | u64::from(self.qclass) << 8 | u64::from(self.checking_disabled);
        let spread = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        name_hash ^ spread ^ spread >> 32
    }
}

/// What a message says besides its RRsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The flags word: that it is a response, RA, and the code. AA and CD are not kept.
    pub flags: u16,
    /// What validation made of it.
    pub security: Security,
    /// Why it is no better, an extended DNS error (RFC 8914); [`NO_EDE`]: nothing is said.
    pub ede: u16,
    /// Seconds it may be kept; its RRsets may make that less.
    pub ttl: u32,
}

/// No extended DNS error (Unbound's LDNS_EDE_NONE, which is -1).
pub const NO_EDE: u16 = u16::MAX;

impl Head {
    /// One with this code that nobody has validated.
    pub fn of(rcode: u16, ttl: u32) -> Head {
        Head { flags: rcode, security: Security::Unchecked, ede: NO_EDE, ttl }
    }
}

/// References by section: answer, authority, additional.
#[derive(Clone, Debug, Default)]
pub struct Sections(pub [Vec<RrsetRef>; 3]);

impl Sections {
    /// Forgets all, keeps the room.
    pub fn clear(&mut self) {
        self.0.iter_mut().for_each(Vec::clear);
    }

    /// True when there is none in any section.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// All of them, section by section.
    pub fn iter(&self) -> impl Iterator<Item = RrsetRef> {
        self.0.iter().flatten().copied()
    }
}

/// When a message that is kept ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) expires: u32,
    pub(super) prefetch: u32,
    pub(super) served_until: u32,
}

impl Times {
    /// Of one that is kept at `now` for `ttl` seconds; `expired` as in [`super::Rules::serve_expired`].
    pub(super) fn new(now: u32, ttl: u32, expired: Option<u32>) -> Times {
        let expires = now.saturating_add(ttl);
        let served_until = match expired {
            None => expires,
            Some(0) => u32::MAX,
            Some(longer) => expires.saturating_add(longer),
        };
        Times { expires, prefetch: now.saturating_add(ttl - ttl / 10), served_until }
    }
}

/// A view of a kept message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    octets: &'a [u8],
}

impl<'a> Message<'a> {
    fn new(octets: &'a [u8]) -> Message<'a> {
        Message { octets }
    }

    /// Its key.
    pub fn key(&self) -> MessageKey<'a> {
        MessageKey {
            name: self.octets.get(HEADER..self.refs_start()).unwrap_or_default(),
            qtype: self.u16(QTYPE),
            qclass: self.u16(QCLASS),
            checking_disabled: self.u8(BITS) & CD != 0,
        }
    }

    fn is_of(&self, key: &MessageKey) -> bool {
        let own = self.key();
        (own.qtype, own.qclass, own.checking_disabled) == (key.qtype, key.qclass, key.checking_disabled)
            && is_same(own.name, key.name)
    }

    /// What it says besides its RRsets; its TTL is what is left at `now`, in seconds.
    pub fn head(&self, now: u32) -> Head {
        Head {
            flags: self.u16(FLAGS),
            security: Security::from_number(self.u8(SECURITY)).unwrap_or_default(),
            ede: self.u16(EDE),
            ttl: self.u32(EXPIRES).saturating_sub(now),
        }
    }

    /// Response code.
    pub fn rcode(&self) -> u16 {
        self.u16(FLAGS) & 0xf
    }

    /// Number of RRsets by section.
    pub fn counts(&self) -> [u16; 3] {
        [0, 2, 4].map(|place| self.u16(COUNTS + place))
    }

    /// True when it has expired by `now`, in seconds.
    pub fn is_expired(&self, now: u32) -> bool {
        self.u32(EXPIRES) <= now
    }

    /// Seconds from `now` until it is time to fetch it anew: a tenth of its time is left then (Unbound's PREFETCH_TTL_CALC).
    pub fn refresh_after(&self, now: u32) -> u32 {
        self.u32(PREFETCH).saturating_sub(now)
    }

    /// True when it may be told although it has expired (RFC 8767): not for too long, and no failure.
    pub fn is_of_use_expired(&self, now: u32) -> bool {
        now < self.u32(SERVED_UNTIL) && self.is_no_failure()
    }

    /// True when it may be told although it has expired without asking anew first: that failed a moment ago.
    pub fn is_given_up(&self, now: u32) -> bool {
        now < self.u32(RECHECK)
    }

    pub(super) fn is_no_failure(&self) -> bool {
        matches!(self.rcode(), rcode::NOERROR | rcode::NXDOMAIN | rcode::YXDOMAIN)
    }

    /// The RRsets, with their sections.
    pub fn rrsets(&self) -> impl Iterator<Item = (usize, RrsetRef)> + use<'a> {
        let counts = self.counts().map(usize::from);
        let sections = (0..3).flat_map(move |section| std::iter::repeat_n(section, counts[section]));
        let octets = self.octets.get(self.refs_start()..).unwrap_or_default();
        sections
            .zip(octets.chunks_exact(RrsetRef::LEN))
            .filter_map(|(section, octets)| Some((section, RrsetRef::from_octets(octets)?)))
    }

    fn refs_start(&self) -> usize {
        HEADER + usize::from(self.u8(NAME_LEN))
    }

    fn u8(&self, at: usize) -> u8 {
        self.octets.get(at).copied().unwrap_or(0)
    }

    fn u16(&self, at: usize) -> u16 {
        get_u16(self.octets, at).unwrap_or(0)
    }

    fn u32(&self, at: usize) -> u32 {
        get_u32(self.octets, at).unwrap_or(0)
    }
}

/// See the module's text.
pub struct MessageCache {
    store: Store,
    hash_key: HashKey,
    scan: NameScan,
    /// The entry being put together.
    entry: Vec<u8>,
    /// One that is validated has been among them since there was none at all.
    has_had_secure: bool,
}

impl MessageCache {
    /// One that takes `octets` of memory, index included, at least 64 KiB.
    ///
    /// # Errors
    /// That there is no memory for it: what limits it, and the fix.
    pub fn new(octets: usize, hash_key: HashKey) -> Result<MessageCache, String> {
        Ok(MessageCache {
            store: Store::new(octets)?,
            hash_key,
            scan: NameScan::new(),
            entry: Vec::new(),
            has_had_secure: false,
        })
    }

    /// Keeps a message in the place of what is there under its key. False when it is too long for this cache.
    pub(super) fn put(&mut self, key: &MessageKey, head: &Head, sections: &Sections, times: &Times) -> bool {
        let Some(hash) = self.hash(key) else { return false };
        let mut counts = [0; 3];
        for (count, refs) in counts.iter_mut().zip(&sections.0) {
            let Ok(len) = u16::try_from(refs.len()) else { return false };
            *count = len;
        }
        self.has_had_secure |= head.security == Security::Secure;
        let entry = &mut self.entry;
        entry.clear();
        entry.resize(HEADER, 0);
        put_u32(entry, EXPIRES, times.expires);
        put_u32(entry, PREFETCH, times.prefetch);
        put_u32(entry, SERVED_UNTIL, times.served_until);
        put_u16(entry, QTYPE, key.qtype);
        put_u16(entry, QCLASS, key.qclass);
        let flags = (head.flags | header::flag::QR | header::flag::RA) & !(header::flag::AA | header::flag::CD);
        put_u16(entry, FLAGS, flags);
        for (place, count) in counts.into_iter().enumerate() {
            put_u16(entry, COUNTS + 2 * place, count);
        }
        put_u16(entry, EDE, head.ede);
        entry[SECURITY] = head.security.number();
        entry[BITS] = if key.checking_disabled { CD } else { 0 };
        entry[NAME_LEN] = key.name.len() as u8;
        entry.extend_from_slice(key.name);
        sections.iter().for_each(|rrset| entry.extend_from_slice(&rrset.to_octets()));
        match find(&self.store, key, hash) {
            Some(place) => self.store.replace(place, &self.entry),
            None => self.store.insert(hash, &self.entry).is_some(),
        }
    }

    /// The message kept under `key`, whatever its RRsets have become, unless it has expired by `now`.
    pub fn get(&mut self, key: &MessageKey, now: Duration) -> Option<Message<'_>> {
        self.peek(key).filter(|message| !message.is_expired(seconds(now)))
    }

    /// The same, expired or not.
    pub fn peek(&mut self, key: &MessageKey) -> Option<Message<'_>> {
        let hash = self.hash(key)?;
        self.find(key, hash).map(|(_, message)| message)
    }

    /// False when none that is there is validated.
    pub(super) fn may_have_secure(&self) -> bool {
        self.has_had_secure
    }

    /// [`Self::peek`] for a key with its hash ([`MessageKey::fold`]), with its place.
    pub(super) fn find(&self, key: &MessageKey, hash: u64) -> Option<(u32, Message<'_>)> {
        let place = find(&self.store, key, hash)?;
        Some((place, Message::new(self.store.get(place)?)))
    }

    /// Has the slots for a message fetched from memory, by the hash of its key.
    pub(super) fn fetch_slots(&self, hash: u64) {
        self.store.fetch_slots(hash);
    }

    /// Has the message fetched from memory that a hash may be of; gives its slot. Its slots must have been fetched.
    pub(super) fn fetch(&self, hash: u64) -> Option<u32> {
        let slot = self.store.guess(hash)?;
        self.store.fetch_entry(slot);
        Some(slot)
    }

    /// The first RRset of the message in a slot, which must have been fetched.
    pub(super) fn first_of(&self, slot: u32) -> Option<RrsetRef> {
        Message::new(self.store.get(slot)?).rrsets().next().map(|(_, rrset)| rrset)
    }

    /// Takes note that the message at a place was used.
    pub(super) fn touch(&mut self, place: u32) {
        self.store.touch(place);
    }

    /// Has what has expired be told until `recheck`, in seconds, without asking anew, and if `served_until` is later than so
    /// far, until then.
    pub(super) fn give_up(&mut self, key: &MessageKey, recheck: u32, served_until: u32) {
        let place = self.hash(key).and_then(|hash| find(&self.store, key, hash));
        if let Some(octets) = place.and_then(|place| self.store.get_mut(place)) {
            let before = get_u32(octets, SERVED_UNTIL).unwrap_or(0);
            put_u32(octets, RECHECK, recheck);
            put_u32(octets, SERVED_UNTIL, before.max(served_until));
        }
    }

    /// Writes down what validation made of the message kept under `key`, if that is still the one of these RRsets and this code;
    /// it is kept for `ttl` seconds from `now` at most.
    pub fn set_verdict(
        &mut self,
        key: &MessageKey,
        (rrsets, rcode): (&[RrsetRef], u16),
        verdict: &Verdict,
        ttl: u32,
        now: Duration,
    ) {
        let place = self.hash(key).and_then(|hash| find(&self.store, key, hash));
        let Some(octets) = place.and_then(|place| self.store.get_mut(place)) else { return };
        let message = Message::new(octets);
        let is_it = message.rcode() == rcode && message.rrsets().map(|(_, rrset)| rrset).eq(rrsets.iter().copied());
        if !is_it {
            return;
        }
        self.has_had_secure |= verdict.security == Security::Secure;
        let now = seconds(now);
        let expires = message.u32(EXPIRES).min(now.saturating_add(ttl));
        let flags = message.u16(FLAGS) & !0xf | verdict.rcode & 0xf;
        let ede = if verdict.flaw == Flaw::None { NO_EDE } else { verdict.flaw.code() };
        octets[SECURITY] = verdict.security.number();
        put_u16(octets, FLAGS, flags);
        put_u16(octets, EDE, ede);
        put_u32(octets, EXPIRES, expires);
        let prefetch = get_u32(octets, PREFETCH).unwrap_or(0).min(expires);
        put_u32(octets, PREFETCH, prefetch);
    }

    /// Moves the time from which a message is fetched anew by `seconds` (for a fetch ahead that takes longer).
    pub fn postpone_prefetch(&mut self, key: &MessageKey, seconds: u32) -> bool {
        let place = self.hash(key).and_then(|hash| find(&self.store, key, hash));
        let Some(octets) = place.and_then(|place| self.store.get_mut(place)) else { return false };
        let at = get_u32(octets, PREFETCH).unwrap_or(0).saturating_add(seconds);
        put_u32(octets, PREFETCH, at);
        true
    }

    /// Takes the message kept under `key` out; false when there is none.
    pub fn remove(&mut self, key: &MessageKey) -> bool {
        let place = self.hash(key).and_then(|hash| find(&self.store, key, hash));
        place.map(|place| self.store.remove(place)).is_some()
    }

    /// Goes on with a walk over all messages, those of at most `steps` buckets of eight, and takes out what `takes` says; true
    /// at the end. What comes meanwhile may be met or not.
    pub fn walk(&mut self, walk: &mut Walk, steps: usize, mut takes: impl FnMut(&Message) -> bool) -> bool {
        self.store.walk(walk, steps, |_, octets| takes(&Message::new(octets)))
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.store.clear();
        self.has_had_secure = false;
    }

    /// Messages kept, expired ones included.
    pub fn count(&self) -> u64 {
        self.store.entries()
    }

    /// Octets in use, with the slots of the index.
    pub fn octets(&self) -> u64 {
        self.store.octets()
    }

    /// Messages dropped to make room so far.
    pub fn evicted(&self) -> u64 {
        self.store.evicted()
    }

    fn hash(&mut self, key: &MessageKey) -> Option<u64> {
        if key.name.len() > MAX_LEN || uncompressed_len(key.name, 0) != Some(key.name.len()) {
            return None;
        }
        self.scan.scan_whole(key.name, self.hash_key);
        Some(key.fold(self.scan.hash()))
    }

    #[cfg(test)]
    pub(super) fn audit(&self) -> (u64, usize) {
        self.store.audit()
    }
}

fn find(store: &Store, key: &MessageKey, hash: u64) -> Option<u32> {
    store.find(hash, |octets| Message::new(octets).is_of(key))
}
