//! A scrubbed reply becomes RRsets and a message (Unbound's get_rrset_trust in util/data/msgreply.c, dns_cache_store in
//! services/cache/dns.c).

use super::Cache;
use super::messages::{Head, MessageKey, Sections, Times};
use super::rrset::{Draft, Key, flag, is_nsec_of_apex};
use super::rrsets::{Moment, Outcome, Stored, seconds};
use super::trust::Trust;
use crate::dns::name::Name;
use crate::dns::record::{expand_rdata, layout, read_name};
use crate::dns::{class, header, rcode, rtype};
use crate::resolve::normalize::Piece;
use crate::resolve::reply::{Reply, Set};
use crate::resolve::ttl::WITHOUT_RECORDS;
use crate::validate::Security;
use std::time::Duration;

/// Seconds for which what has expired is told without asking anew, when that has failed.
const RECHECK_AFTER: u32 = 5;

/// A reply that is to be kept.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The reply.
    pub message: &'a [u8],
    /// It taken apart, its sets marked.
    pub reply: &'a Reply,
    /// Its answer section.
    pub answer: &'a [Piece],
    /// The name it was asked for, as it stands at octet 12.
    pub asked: &'a Name,
}

/// What is known of a reply besides its records.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// When it was learnt.
    pub moment: Moment,
    /// What validation made of it.
    pub security: Security,
    /// It is a referral: of a delegation, no NS RRset is fetched ahead.
    pub referral: bool,
    /// It is still to be validated, and so no better than an expired message that was.
    pub provisional: bool,
}

impl Context {
    /// Learnt now and not validated.
    pub fn at(now: Duration) -> Context {
        let moment = Moment::at(now);
        Context { moment, security: Security::Unchecked, referral: false, provisional: false }
    }
}

/// What a reply has brought: the RRsets that are kept now for each section, and the least TTL it came with. Of several replies
/// along an alias chain, what each has brought may be gathered in one.
#[derive(Clone, Debug)]
pub struct Learnt {
    /// The RRsets.
    pub sections: Sections,
    /// Seconds.
    pub ttl: u32,
    /// Some RRset could not be kept, so that there can be no message.
    pub is_partial: bool,
    /// By section: nothing was known of any of its RRsets, so that each is kept as it came.
    pub is_news: [bool; 3],
    /// The answer section begins with the data itself, not with an alias.
    pub is_plain: bool,
    /// RRsets of each section from replies before.
    pub(super) older: [usize; 3],
}

impl Default for Learnt {
    fn default() -> Self {
        Learnt {
            sections: Sections::default(),
            ttl: u32::MAX,
            is_partial: false,
            is_news: [true; 3],
            is_plain: false,
            older: [0; 3],
        }
    }
}

impl Learnt {
    /// Forgets all, keeps the room.
    pub fn clear(&mut self) {
        self.sections.clear();
        (self.ttl, self.is_partial, self.older) = (u32::MAX, false, [0; 3]);
        (self.is_news, self.is_plain) = ([true; 3], false);
    }

    /// Whether all that is told of it is kept as it came. `minimal`: where there is data, that alone is told.
    pub fn is_told_as_it_came(&self, minimal: bool) -> bool {
        let [answer, authority, additional] = self.is_news;
        answer && (minimal && self.is_plain || authority && additional)
    }

    fn add(&mut self, section: usize, stored: Option<Stored>, ttl: u32) {
        self.ttl = self.ttl.min(ttl);
        self.is_news[section] &= stored.as_ref().is_some_and(|stored| stored.outcome == Outcome::Kept);
        let known = &mut self.sections.0[section];
        match stored.map(|stored| stored.rrset) {
            Some(rrset) if known[..self.older[section]].contains(&rrset) => {}
            Some(rrset) => known.push(rrset),
            None => self.is_partial = true,
        }
    }
}

impl Cache {
    /// Keeps the RRsets of a reply, each as far as it is to be believed, and adds to `learnt` what is kept now in their place,
    /// but for what replies before had in the same section.
    pub fn learn(&mut self, source: &Source, context: &Context, learnt: &mut Learnt) {
        learnt.older = [0, 1, 2].map(|section| learnt.sections.0[section].len());
        let first = source.answer.first().map(|piece| match piece {
            Piece::Set(place) => source.reply.sets.get(*place as usize).map_or(0, |set| set.rtype),
            Piece::Alias { .. } => rtype::CNAME,
        });
        learnt.is_plain = first.is_some_and(|rtype| !matches!(rtype, rtype::CNAME | rtype::DNAME));
        let authoritative = header::flags(source.message) & header::flag::AA != 0;
        let mut qclass = class::IN;
        for (place, piece) in source.answer.iter().enumerate() {
            let trust = trust_of_answer(authoritative, first, place);
            match piece {
                Piece::Alias { owner, target, ttl } => {
                    let key = Key::new(owner.as_wire(), rtype::CNAME, qclass);
                    self.draft.start(&key, *ttl);
                    self.draft.push(target.as_wire());
                    self.keep_draft((0, *ttl), trust, context, learnt);
                }
                Piece::Set(place) => {
                    let Some(set) = source.reply.sets.get(*place as usize) else { continue };
                    qclass = set.class;
                    self.learn_set(source, set, trust, context, learnt);
                }
            }
        }
        for section in [1, 2] {
            let trust = match (section, authoritative) {
                (1, false) => Trust::Authority,
                (1, true) => Trust::AuthoritativeAuthority,
                (_, false) => Trust::Additional,
                (_, true) => Trust::AuthoritativeAdditional,
            };
            for set in source.reply.sets.iter().filter(|set| set.section == section && set.kept) {
                self.learn_set(source, set, trust, context, learnt);
            }
        }
    }

    fn learn_set(&mut self, source: &Source, set: &Set, trust: Trust, context: &Context, learnt: &mut Learnt) {
        match draft(source, set, &mut self.draft, &mut self.rdata) {
            Some(()) => self.keep_draft((set.section, set.ttl), trust, context, learnt),
            None => learnt.add(set.section, None, set.ttl),
        }
    }

    fn keep_draft(&mut self, (section, ttl): (usize, u32), trust: Trust, context: &Context, learnt: &mut Learnt) {
        let mut moment = context.moment;
        if context.referral && !moment.parent_side && self.draft.view().rtype() == rtype::NS {
            moment.leeway = 0;
        }
        let stored = self.rrsets.insert(&mut self.draft, trust, context.security, &moment);
        learnt.add(section, stored, ttl);
    }

    /// Keeps a message of what was learnt, for as long as all of it is kept; false when there is none to be kept. One that may
    /// not be kept at all, for a TTL of zero, takes away what was there.
    pub fn remember(&mut self, key: &MessageKey, head: &Head, learnt: &Learnt, context: &Context) -> bool {
        let now = seconds(context.moment.now);
        if self.spares_expired(key, head.flags & 0xf, context) {
            return false;
        }
        let left = |rrset| self.rrsets.follow(rrset).map_or(0, |set| set.ttl(now));
        let least = learnt.sections.iter().map(left).min().unwrap_or(u32::MAX);
        let ttl = match head.ttl.min(learnt.ttl).min(least) {
            u32::MAX => WITHOUT_RECORDS,
            ttl => ttl,
        };
        if learnt.is_partial || ttl == 0 {
            self.messages.remove(key);
            return false;
        }
        let times = Times::new(now, ttl, self.rules.serve_expired);
        self.messages.put(key, head, &learnt.sections, &times)
    }

    /// Keeps a whole reply to a question: its RRsets and its message. Nothing is kept when what is there is better
    /// ([`Self::spares_expired`]).
    pub fn keep(&mut self, key: &MessageKey, source: &Source, context: &Context, learnt: &mut Learnt) -> bool {
        learnt.clear();
        let rcode = source.reply.rcode & 0xf;
        if self.spares_expired(key, rcode, context) {
            return false;
        }
        self.learn(source, context, learnt);
        let head = Head { security: context.security, ..Head::of(rcode, u32::MAX) };
        self.remember(key, &head, learnt, context)
    }

    /// Has what has expired be told for some seconds without asking anew. `failed`: that was tried and failed.
    pub fn give_up(&mut self, key: &MessageKey, failed: bool, now: Duration) {
        let now = seconds(now);
        let longest = self.rules.serve_expired.filter(|_| failed && self.rules.serve_expired_reset);
        let until = longest.map_or(0, |longest| now.saturating_add(longest));
        self.messages.give_up(key, now.saturating_add(RECHECK_AFTER), until);
    }

    /// True when the message that is there has expired and is better all the same than one that is still to be validated: then
    /// its RRsets are to be left as they are, too. When the new one is a failure, the old one does for some seconds without
    /// asking anew.
    pub fn spares_expired(&mut self, key: &MessageKey, rcode: u16, context: &Context) -> bool {
        let now = seconds(context.moment.now);
        let (Some(longest), true) = (self.rules.serve_expired, context.provisional) else { return false };
        let reset = self.rules.serve_expired_reset;
        let Some(old) = self.messages.peek(key) else { return false };
        let of_use = old.is_of_use_expired(now) || (reset && old.is_no_failure());
        if !old.is_expired(now) || !of_use || old.head(now).security == Security::Bogus {
            return false;
        }
        if !matches!(rcode, rcode::NOERROR | rcode::NXDOMAIN) {
            let until = if reset { now.saturating_add(longest) } else { 0 };
            self.messages.give_up(key, now.saturating_add(RECHECK_AFTER), until);
        }
        true
    }
}

/// Trust in a piece of an answer section: what follows an alias is not the zone's own (RFC 2181 section 5.4.1).
fn trust_of_answer(authoritative: bool, first: Option<u16>, place: usize) -> Trust {
    let own = match first {
        Some(rtype::CNAME) => place == 0,
        Some(rtype::DNAME) => place <= 1,
        _ => true,
    };
    if authoritative && own { Trust::AuthoritativeAnswer } else { Trust::Answer }
}

/// Puts a set of a reply together. `None` when it is malformed.
fn draft(source: &Source, set: &Set, draft: &mut Draft, rdata: &mut [u8]) -> Option<()> {
    let Source { message, reply, asked, .. } = *source;
    let owner = match message.get(set.owner..set.owner + 2) {
        Some([0xc0, 12]) => *asked,
        _ => read_name(message, set.owner)?.0,
    };
    let flags = match set.rtype {
        rtype::SOA if set.section == 1 => flag::SOA_NEGATIVE,
        rtype::NSEC if is_nsec_of_apex(message.get(reply.first_data(set))?) => flag::NSEC_AT_APEX,
        _ => 0,
    };
    let key = Key { owner: owner.as_wire(), rtype: set.rtype, class: set.class, flags, covered: set.covered };
    draft.start(&key, set.ttl);
    for record in reply.records(set) {
        draft.push(match layout(set.rtype) {
            None => message.get(record.rdata.clone())?,
            Some(_) => {
                let len = expand_rdata(message, record, rdata)?;
                rdata.get(..len)?
            }
        });
    }
    if let Some(over) = reply.sets.get(set.signatures as usize) {
        for record in reply.records(over) {
            draft.push_signature(message.get(record.rdata.clone())?);
        }
    }
    draft.is_whole().then_some(())
}
