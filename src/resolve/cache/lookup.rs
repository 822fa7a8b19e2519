//! What answers a question: the message kept for it, or RRsets alone (Unbound's dns_cache_lookup in services/cache/dns.c).

use super::messages::{Head, Message, MessageKey, NO_EDE, Sections};
use super::rrset::{Key, Rrset, RrsetRef};
use super::rrsets::{RrsetCache, seconds};
use super::{BelowNxdomain, Cache};
use crate::dns::name::{Name, is_at_or_below, label_count};
use crate::dns::scan::NameScan;
use crate::dns::{header, rcode, rtype};
use crate::validate::Security;
use std::time::Duration;

/// A question to the cache.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The name, in the letters that an alias made for it is to have.
    pub name: &'a Name,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// The message is kept under CD.
    pub checking_disabled: bool,
    /// No alias may be told without what it leads to.
    pub no_partial: bool,
    /// Name of the stub or forward zone that is asked for this name: what is known above it says nothing.
    pub stub: Option<&'a [u8]>,
    /// A message that has expired does, too, as far as the rules let it.
    pub expired: bool,
    /// That a name above does not exist says nothing.
    pub no_above: bool,
}

impl<'a> Ask<'a> {
    /// The plain question.
    pub fn new(name: &'a Name, qtype: u16, qclass: u16) -> Ask<'a> {
        Ask {
            name,
            qtype,
            qclass,
            checking_disabled: false,
            no_partial: false,
            stub: None,
            expired: false,
            no_above: false,
        }
    }

    fn key(&self, name: &'a [u8], qtype: u16) -> MessageKey<'a> {
        MessageKey { name, qtype, qclass: self.qclass, checking_disabled: self.checking_disabled }
    }
}

/// A search upwards from a name.
#[derive(Clone, Copy, Debug)]
pub struct Climb<'a> {
    /// The name, wire form.
    pub name: &'a [u8],
    /// Type searched for.
    pub rtype: u16,
    /// Its class.
    pub class: u16,
    /// Only above the name.
    pub strictly_above: bool,
    /// Nothing is taken below an RRset of the type that has expired, unless that stands above this name.
    pub no_expired_above: Option<&'a [u8]>,
}

/// A CNAME made from a DNAME (RFC 6672 section 3.1), told behind it.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// Owner: the name asked for.
    pub owner: Name,
    /// Where it points.
    pub target: Name,
    /// Class.
    pub class: u16,
    /// TTL in seconds.
    pub ttl: u32,
}

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) sections: Sections,
    pub(super) alias: Option<Alias>,
}

impl Found {
    fn clear(&mut self) {
        self.sections.clear();
        self.alias = None;
    }
}

/// What answers a question.
pub struct Hit<'a> {
    pub(super) cache: &'a Cache,
    pub(super) now: u32,
    /// What it says besides its RRsets; the TTL is what all of it has left.
    pub head: Head,
    /// It is a message, not put together from RRsets.
    pub is_message: bool,
    /// Seconds until it is time to fetch it anew.
    pub refresh_after: u32,
    /// It has expired.
    pub expired: bool,
    /// It has expired, and to fetch it anew failed a moment ago.
    pub given_up: bool,
}

impl<'a> Hit<'a> {
    /// Response code.
    pub fn rcode(&self) -> u16 {
        self.head.flags & 0xf
    }

    /// The RRsets of a section: 0 answer, 1 authority, 2 additional.
    pub fn rrsets(&self, section: usize) -> impl Iterator<Item = Rrset<'a>> + use<'a> {
        let cache = self.cache;
        cache.found.sections.0[section].iter().filter_map(|rrset| cache.rrsets.follow(*rrset))
    }

    /// Whether all of it was validated, with whatever outcome.
    pub fn is_proven(&self) -> bool {
        self.is_message && self.head.security != Security::Unchecked
    }

    /// What validation made of it; of RRsets without a message, of the least proven.
    pub fn security(&self) -> Security {
        let least = || self.rrsets(0).map(|set| set.security()).min().unwrap_or_default();
        if self.is_message { self.head.security } else { least() }
    }

    /// The alias behind the DNAME that is the answer section's only RRset.
    pub fn alias(&self) -> Option<&'a Alias> {
        self.cache.found.alias.as_ref()
    }
}

/// As a hit, without the cache.
struct Answer {
    head: Head,
    is_message: bool,
    refresh_after: u32,
    expired: bool,
    given_up: bool,
}

impl Answer {
    fn of_rrsets(rcode: u16, ttl: u32) -> Answer {
        let head = Head { flags: header::flag::QR | rcode, security: Security::Unchecked, ede: NO_EDE, ttl };
        Answer { head, is_message: false, refresh_after: ttl - ttl / 10, expired: false, given_up: false }
    }
}

impl Cache {
    /// What answers a question at `now`, and counts as used by that.
    pub fn lookup(&mut self, ask: &Ask, now: Duration) -> Option<Hit<'_>> {
        let now = seconds(now);
        self.scan.scan_whole(ask.name.as_wire(), self.hash_key);
        let Answer { head, is_message, refresh_after, expired, given_up } = self.find(ask, now)?;
        Some(Hit { cache: self, now, head, is_message, refresh_after, expired, given_up })
    }

    fn find(&mut self, ask: &Ask, now: u32) -> Option<Answer> {
        if let Some(answer) = self.message(0, ask, ask.qtype, now) {
            return Some(answer);
        }
        if !ask.no_partial
            && ask.qtype != rtype::ANY
            && let Some(answer) = self.by_dname(ask, now).or_else(|| self.by_cname(ask, now))
        {
            return Some(answer);
        }
        let answer = self.keys(ask, now).or_else(|| self.nxdomain_above(ask, now));
        answer.or_else(|| if ask.qtype == rtype::ANY { self.any(ask, now) } else { None })
    }

    /// The message for a suffix of the name asked for, while all its RRsets are there.
    fn message(&mut self, suffix: usize, ask: &Ask, qtype: u16, now: u32) -> Option<Answer> {
        let Cache { messages, rrsets, scan, found, rules, .. } = self;
        let (name, hash) = scan.suffix(suffix);
        let key = ask.key(name, qtype);
        let (place, message) = messages.find(&key, key.fold(hash))?;
        let expired = message.is_expired(now);
        let of_use = ask.expired && rules.serve_expired.is_some() && message.is_of_use_expired(now);
        if expired && !of_use {
            return None;
        }
        let left = gather(&message, rrsets, found, if expired { 0 } else { now }, now)?;
        let mut head = message.head(now);
        head.ttl = if expired { rules.expired_reply_ttl } else { head.ttl.min(left.unwrap_or(u32::MAX)) };
        let (refresh_after, given_up) = (message.refresh_after(now), expired && message.is_given_up(now));
        found.sections.iter().for_each(|rrset| rrsets.touch(rrset));
        messages.touch(place);
        Some(Answer { head, is_message: true, refresh_after, expired, given_up })
    }

    /// A DNAME above the name, and the CNAME that follows. Before a CNAME that is kept, so that both agree. One that is not
    /// validated says nothing by itself, but where the CNAME is kept it was believed before.
    fn by_dname(&mut self, ask: &Ask, now: u32) -> Option<Answer> {
        let Cache { rrsets, scan, found, .. } = self;
        if !rrsets.may_have_dnames() {
            return None;
        }
        let dname = (1..scan.suffix_count())
            .find_map(|suffix| Some(live(rrsets, scan, suffix, rtype::DNAME, ask.qclass, now)?.reference()))?;
        let view = rrsets.follow(dname)?;
        let (security, ttl) = (view.security(), view.ttl(now));
        let target = ask.name.with_end(view.owner(), view.target()?);
        let is_believed =
            security == Security::Secure || live(rrsets, scan, 0, rtype::CNAME, ask.qclass, now).is_some();
        if !is_believed {
            return None;
        }
        found.clear();
        found.sections.0[0].push(dname);
        let Some(target) = target else { return Some(Answer::of_rrsets(rcode::YXDOMAIN, ttl)) };
        found.alias = Some(Alias { owner: *ask.name, target, class: ask.qclass, ttl });
        Some(Answer::of_rrsets(rcode::NOERROR, ttl))
    }

    /// The name's CNAME; not for DS, which is the parent's to tell, and not one from a wildcard, which is nothing without
    /// the proof that the name itself does not exist.
    fn by_cname(&mut self, ask: &Ask, now: u32) -> Option<Answer> {
        if ask.qtype == rtype::DS {
            return None;
        }
        let live = self.rrset(ask, rtype::CNAME, now, |cname| !is_from_wildcard(cname));
        live.or_else(|| if ask.expired { self.expired_cname(ask, now) } else { None })
    }

    /// The name's CNAME that has expired, as far as the rules let it be told.
    fn expired_cname(&mut self, ask: &Ask, now: u32) -> Option<Answer> {
        let Cache { rrsets, scan, found, rules, .. } = self;
        let longest = rules.serve_expired?;
        let (owner, hash) = scan.suffix(0);
        let key = Key::new(owner, rtype::CNAME, ask.qclass);
        let cname = rrsets.any(&key, key.fold(hash)).filter(|cname| !is_from_wildcard(cname))?;
        if longest != 0 && now >= cname.expires().saturating_add(longest) {
            return None;
        }
        found.clear();
        found.sections.0[0].push(cname.reference());
        Some(Answer { expired: true, ..Answer::of_rrsets(rcode::NOERROR, rules.expired_reply_ttl) })
    }

    /// DS and DNSKEY are told without a message, but for those whose signatures may be missing.
    fn keys(&mut self, ask: &Ask, now: u32) -> Option<Answer> {
        match ask.qtype {
            rtype::DS => self.rrset(ask, rtype::DS, now, |set| !set.trust().is_additional()),
            rtype::DNSKEY => self.rrset(ask, rtype::DNSKEY, now, |set| !set.trust().is_beside_an_answer()),
            _ => None,
        }
    }

    fn rrset(&mut self, ask: &Ask, rtype: u16, now: u32, does: impl Fn(&Rrset) -> bool) -> Option<Answer> {
        let Cache { rrsets, scan, found, .. } = self;
        let set = live(rrsets, scan, 0, rtype, ask.qclass, now).filter(does)?;
        found.clear();
        found.sections.0[0].push(set.reference());
        Some(Answer::of_rrsets(rcode::NOERROR, set.ttl(now)))
    }

    /// That a name above does not exist, so that none below it does (RFC 8020). Validated once more, for this name.
    fn nxdomain_above(&mut self, ask: &Ask, now: u32) -> Option<Answer> {
        let may_be = !ask.no_above
            && match self.rules.below_nxdomain {
                BelowNxdomain::Ask => false,
                BelowNxdomain::IfSecure => self.messages.may_have_secure(),
                BelowNxdomain::Always => true,
            };
        if !may_be {
            return None;
        }
        for suffix in 1..self.scan.suffix_count() {
            let (below, _) = self.scan.suffix(suffix - 1);
            if ask.stub.is_some_and(|stub| below.len() <= stub.len() || !is_at_or_below(below, stub)) {
                break;
            }
            // What minimised questions came to is kept under type A.
            let qtype = if self.has_message(suffix, ask) { ask.qtype } else { rtype::A };
            if let Some(answer) = self.nxdomain(suffix, ask, qtype, now) {
                return Some(answer);
            }
        }
        None
    }

    fn has_message(&self, suffix: usize, ask: &Ask) -> bool {
        let (name, hash) = self.scan.suffix(suffix);
        let key = ask.key(name, ask.qtype);
        self.messages.find(&key, key.fold(hash)).is_some()
    }

    fn nxdomain(&mut self, suffix: usize, ask: &Ask, qtype: u16, now: u32) -> Option<Answer> {
        let (name, hash) = self.scan.suffix(suffix);
        let key = ask.key(name, qtype);
        let (_, message) = self.messages.find(&key, key.fold(hash))?;
        let secure = message.head(now).security == Security::Secure;
        let believed = secure || self.rules.below_nxdomain == BelowNxdomain::Always;
        if message.rcode() != rcode::NXDOMAIN || message.is_expired(now) || !believed {
            return None;
        }
        let first = message.rrsets().next().filter(|(section, _)| *section == 0);
        let is_alias = |rrset| self.rrsets.follow(rrset).is_none_or(|set| set.rtype() == rtype::CNAME);
        if first.is_some_and(|(_, rrset)| is_alias(rrset)) {
            return None;
        }
        let mut answer = self.message(suffix, &Ask { expired: false, ..*ask }, qtype, now)?;
        self.found.sections.0[0].clear();
        (answer.head.security, answer.is_message) = (Security::Unchecked, false);
        Some(answer)
    }

    /// Some of what is known of a name, for a question of type ANY (RFC 8482).
    fn any(&mut self, ask: &Ask, now: u32) -> Option<Answer> {
        const TOLD: [u16; 6] = [rtype::A, rtype::AAAA, rtype::MX, rtype::SOA, rtype::NS, rtype::DNAME];
        let Cache { rrsets, scan, found, .. } = self;
        found.clear();
        let mut ttl = u32::MAX;
        for rtype in TOLD {
            let set = live(rrsets, scan, 0, rtype, ask.qclass, now);
            if let Some(set) = set.filter(|set| !set.trust().is_beside_an_answer()) {
                ttl = ttl.min(set.ttl(now));
                found.sections.0[0].push(set.reference());
            }
        }
        (!found.sections.is_empty()).then(|| Answer::of_rrsets(rcode::NOERROR, ttl))
    }

    /// The nearest RRset of a type at a name or above it that has not expired by `now`.
    pub fn closest(&mut self, climb: &Climb, now: Duration) -> Option<Rrset<'_>> {
        let now = seconds(now);
        let Cache { rrsets, scan, hash_key, .. } = self;
        scan.scan(climb.name, *hash_key).filter(|len| *len == climb.name.len())?;
        let mut suffix = usize::from(climb.strictly_above);
        while suffix < scan.suffix_count() {
            if live(rrsets, scan, suffix, climb.rtype, climb.class, now).is_none() {
                suffix += 1;
                continue;
            }
            match expired_above(rrsets, scan, suffix, climb, now) {
                None => return live(rrsets, scan, suffix, climb.rtype, climb.class, now),
                Some(expired) => suffix = expired,
            }
        }
        None
    }
}

/// The suffix above `suffix` whose RRset has expired, where that matters.
fn expired_above(rrsets: &RrsetCache, scan: &NameScan, suffix: usize, climb: &Climb, now: u32) -> Option<usize> {
    let top = climb.no_expired_above?;
    let is_top = |suffix: usize| scan.suffix(suffix).0.eq_ignore_ascii_case(top);
    if is_top(suffix) {
        return None;
    }
    for above in suffix + 1..scan.suffix_count() {
        let (owner, hash) = scan.suffix(above);
        let key = Key::new(owner, climb.rtype, climb.class);
        if rrsets.any(&key, key.fold(hash)).is_some_and(|set| set.is_expired(now)) {
            return Some(above);
        }
        if is_top(above) {
            return None;
        }
    }
    None
}

/// The plain RRset of a suffix of a scanned name.
fn live<'c>(
    rrsets: &'c mut RrsetCache,
    scan: &NameScan,
    suffix: usize,
    rtype: u16,
    class: u16,
    now: u32,
) -> Option<Rrset<'c>> {
    let (owner, hash) = scan.suffix(suffix);
    let key = Key::new(owner, rtype, class);
    rrsets.live(&key, key.fold(hash), now)
}

/// Gathers the RRsets of a message, those that live at `alive`. `None` when one does not, when what became of an alias leads
/// elsewhere, or when one of a validated message is not validated any more. Gives the least TTL at `now`.
fn gather(message: &Message, rrsets: &RrsetCache, found: &mut Found, alive: u32, now: u32) -> Option<Option<u32>> {
    found.clear();
    let is_secure = message.head(now).security == Security::Secure;
    let mut least = None;
    for (section, rrset) in message.rrsets() {
        let set = rrsets.follow(rrset).filter(|set| !set.is_expired(alive))?;
        if is_secure && set.security() != Security::Secure {
            return None;
        }
        least = Some(least.map_or(set.ttl(now), |least: u32| least.min(set.ttl(now))));
        found.sections.0[section].push(rrset);
    }
    leads_on(message.key().name, &found.sections.0[0], rrsets).then_some(least)
}

/// True when an answer section that begins with an alias still leads from each to the next.
fn leads_on(name: &[u8], answer: &[RrsetRef], rrsets: &RrsetCache) -> bool {
    let mut sets = answer.iter().filter_map(|rrset| rrsets.follow(*rrset)).peekable();
    if !sets.peek().is_some_and(|first| matches!(first.rtype(), rtype::CNAME | rtype::DNAME)) {
        return true;
    }
    let mut name = name;
    sets.filter(|set| set.rtype() != rtype::DNAME).all(|set| {
        let here = set.owner().eq_ignore_ascii_case(name);
        if set.rtype() == rtype::CNAME {
            name = set.target().unwrap_or(name);
        }
        here
    })
}

/// True when the signatures say that an RRset was made from a wildcard: they cover fewer labels than the owner has (RFC 4035
/// section 5.3.4).
fn is_from_wildcard(set: &Rrset) -> bool {
    let owner = set.owner().strip_prefix(b"\x01*").unwrap_or(set.owner());
    let own = label_count(owner);
    let covered = |data: &[u8]| data.get(3).map_or(0, |labels| usize::from(*labels));
    let Some(first) = set.signatures().next().map(covered) else { return false };
    first < own && set.signatures().all(|data| covered(data) == first)
}
