//! What is known already: a question answered from the cache, a reply kept in it.

use super::cache::{Ask, Context, Head, Hit, MessageKey, Source as Kept, Wanted};
use super::chain::Written;
use super::classify::Class;
use super::core::{Core, Turn};
use super::held::Held;
use super::known_cuts::addresses_of;
use super::question::{NONE, Stale};
use super::world::World;
use crate::dns::cause::{Cause, Why};
use crate::dns::flaw::Flaw;
use crate::dns::name::Name;
use crate::dns::{rcode, rtype};
use crate::validate::Security;
use std::net::IpAddr;

/// What the cache had for a question.
enum Found {
    Nothing,
    /// All of it: it is told.
    Answer,
    /// An alias, which is in the question's chain now; its target is to be asked for.
    Alias,
    /// The alias is one too many.
    TooMany,
}

/// What the cache had, written to the digest's first buffer.
struct Told {
    rcode: u16,
    head: Head,
    /// Seconds after which it is time to ask anew.
    refresh_after: u32,
    /// No server was asked for it.
    is_known: bool,
    written: Written,
}

impl<W: World> Turn<'_, W> {
    /// Answers a question with what is known. True when the question has ended or gone on with another target.
    pub(super) fn answer_from_cache(&mut self, id: u32) -> bool {
        match self.look(id, true) {
            Found::Nothing => false,
            Found::Answer => true,
            Found::Alias => {
                // Not at once: the length of a chain is not that of the stack.
                self.go_to_cut(id, NONE);
                self.core.retry.push_back(id);
                true
            }
            Found::TooMany => {
                self.fail(id);
                true
            }
        }
    }

    /// `leads_on`: aliases without what is asked for are not all of the answer.
    fn look(&mut self, id: u32, leads_on: bool) -> Found {
        let Core { cache: Some(cache), questions, table, options, digest, spare_chains, .. } = &mut *self.core else {
            return Found::Nothing;
        };
        let is_known = questions.budget(id).used == 0;
        let question = questions.get_mut(id);
        if question.uncached || question.wants_glue() || question.is_fresh() || question.refreshes.is_some() {
            return Found::Nothing;
        }
        let zone = if question.is_unzoned { None } else { table.find(question.parent_side()) };
        let ask = Ask {
            stub: zone.and_then(|place| Some(&table.zone(place)?.name[..])),
            no_above: question.is_undenied,
            ..Ask::new(&question.target, question.qtype, question.qclass)
        };
        let Some(hit) = cache.lookup(&ask, self.now) else {
            question.place = cache.place_of(&ask);
            return Found::Nothing;
        };
        // An alias of itself is all that there is to say.
        let end = if leads_on { leads_to(&hit, question.qtype) } else { None };
        let alias = end.filter(|target| *target != question.target);
        let (scratch, rdata) = digest.buffers();
        let is_proven = hit.is_proven() && question.chain.is_none();
        // What is proven is told as it stands. To keys it leads by its signatures: by them what was found of it is known again.
        let is_told = is_proven && alias.is_none() && !question.is_for_keys();
        let wanted = Wanted {
            name: &question.name,
            qtype: question.qtype,
            dnssec_ok: if is_told { question.dnssec_ok } else { question.writes_dnssec() },
            minimal: options.minimal_responses && !question.is_for_keys(),
            chain: question.chain.as_deref(),
        };
        if let Some(target) = alias {
            let Ok(written) = hit.compose_chain(&wanted, scratch, rdata) else { return Found::Nothing };
            let mut chain = question.chain.take().or_else(|| spare_chains.take()).unwrap_or_default();
            chain.set(scratch, &written);
            question.chain = Some(chain);
            question.follow_alias(&target);
            return if question.restarts > options.iteration.restarts { Found::TooMany } else { Found::Alias };
        }
        if question.is_for_keys() {
            let written = hit.compose(&wanted, scratch, rdata);
            let mut answer = written.ok().and_then(|written| Held::new(scratch, &written, hit.rcode()));
            if let Some(held) = &mut answer {
                held.take_from(&hit, true);
            }
            self.end_key_lookup(id, answer);
            return Found::Answer;
        }
        if question.lookup.is_some() {
            let addresses: Vec<IpAddr> = hit.rrsets(0).flat_map(|set| addresses_of(&set)).collect();
            self.end_lookup(id, &addresses);
            return Found::Answer;
        }
        if question.validates && !is_proven {
            let Ok(written) = hit.compose(&wanted, scratch, rdata) else { return Found::Nothing };
            let Some(mut held) = Held::new(scratch, &written, hit.rcode()) else { return Found::Nothing };
            held.take_from(&hit, is_known);
            // That a name above does not exist may not be enough.
            held.is_made = !hit.is_message && hit.rcode() == rcode::NXDOMAIN;
            self.hold(id, held);
            return Found::Answer;
        }
        let Ok(written) = hit.compose(&wanted, scratch, rdata) else { return Found::Nothing };
        let told = Told { rcode: hit.rcode(), head: hit.head, refresh_after: hit.refresh_after, is_known, written };
        self.tell(id, &told)
    }

    /// Tells what the cache had, which needs no proof any more.
    fn tell(&mut self, id: u32, told: &Told) -> Found {
        let Core { questions, digest, validator, .. } = &mut *self.core;
        let (question, head) = (questions.get(id), &told.head);
        if question.stale == Stale::Told {
            self.finish(id);
            return Found::Answer;
        }
        if question.validates && head.security == Security::Bogus && !question.checking_disabled {
            self.fail_as_bogus(id, Flaw::of_code(head.ede), head.ttl);
            return Found::Answer;
        }
        let is_secure = question.validates && head.security == Security::Secure;
        let wrong = validator.as_ref().filter(|validator| is_secure && validator.is_wrong_sentinel(question));
        let is_wrong = wrong.is_some();
        if let Some(validator) = wrong.filter(|_| !question.checking_disabled) {
            let ttl = head.ttl.min(validator.rules.bogus_ttl);
            self.fail_as(id, Cause::new(Why::Sentinel), ttl);
            return Found::Answer;
        }
        let Some(response) = self.world.room() else { return Found::Nothing };
        // That an RRset was heard of again prolongs no message: what its answer says of other RRsets may have changed.
        let ttl = told.written.ttl.min(head.ttl);
        (response.rcode, response.ttl, response.ticket) = (told.rcode, ttl, question.ticket);
        (response.known, response.expired) = (told.is_known, false);
        response.secure = is_secure && !is_wrong;
        response.set_cause(question.remark(), &[]);
        response.refresh_after = told.refresh_after.min(ttl - ttl / 10);
        response.set_body(&digest.buffers().0[told.written.place.clone()], told.written.counts);
        self.world.publish();
        self.finish(id);
        Found::Answer
    }

    /// Answers a question that may not be asked with the deepest cut that is known above its name (RFC 1034 section 4.3.2, step
    /// 3b). False when it may be asked, or none is known.
    pub(super) fn refer(&mut self, id: u32) -> bool {
        let Core { cache: Some(cache), questions, options, digest, .. } = &mut *self.core else { return false };
        let is_known = questions.budget(id).used == 0;
        let question = questions.get(id);
        if !question.known_only || question.stale == Stale::Told {
            return false;
        }
        let Some(hit) = cache.referral(question.parent_side(), question.qclass, self.now) else { return false };
        let wanted = Wanted {
            name: &question.name,
            qtype: question.qtype,
            dnssec_ok: question.writes_dnssec(),
            minimal: options.minimal_responses,
            chain: question.chain.as_deref(),
        };
        let (scratch, rdata) = digest.buffers();
        if question.validates {
            let Ok(written) = hit.compose(&wanted, scratch, rdata) else { return false };
            let Some(mut held) = Held::new(scratch, &written, rcode::NOERROR) else { return false };
            (held.ttl, held.known) = (0, is_known);
            self.hold(id, held);
            return true;
        }
        let Some(response) = self.world.room() else { return false };
        let Ok(written) = hit.compose(&wanted, scratch, rdata) else { return false };
        (response.rcode, response.ttl, response.ticket) = (rcode::NOERROR, 0, question.ticket);
        (response.known, response.expired, response.secure) = (is_known, false, false);
        response.set_cause(Cause::default(), &[]);
        response.set_body(&scratch[written.place.clone()], written.counts);
        self.world.publish();
        self.finish(id);
        true
    }

    /// Answers a question with the message that was kept of its answer just now: what is known of an RRset may be better than
    /// what was said last, or to be believed for less long. False when it is to be answered with the reply itself, as when
    /// nothing of that was known.
    pub(super) fn answer_as_kept(&mut self, id: u32) -> bool {
        self.core.questions.get_mut(id).refreshes = None;
        let Core { learnt, options, .. } = &*self.core;
        let is_as_it_came =
            learnt.is_told_as_it_came(options.minimal_responses) && !self.core.questions.get(id).validates;
        !is_as_it_came && matches!(self.look(id, false), Found::Answer)
    }

    /// Whether what is said to a question by the servers of its cut is kept. What a forwarder was told not to check is not: who
    /// asks without CD would be told of it.
    pub(super) fn is_kept(&self, id: u32) -> bool {
        let question = self.core.questions.get(id);
        let is_unchecked = || question.checking_disabled && !question.validates && self.is_forwarded(id);
        self.core.cache.is_some() && !question.uncached && !is_unchecked()
    }

    /// Keeps what a reply has said. `class`: what it amounts to. True when there is a message now that answers the question.
    pub(super) fn keep(&mut self, id: u32, message: &[u8], class: Class) -> bool {
        if !self.is_kept(id) {
            return false;
        }
        let Core { cache: Some(cache), questions, digest, learnt, .. } = &mut *self.core else { return false };
        let question = questions.get(id);
        let asked = Name::from_wire(question.asked_name()).unwrap_or(Name::ROOT);
        let (reply, answer) = digest.parts();
        let kept = Kept { message, reply, answer, asked: &asked };
        let referral = matches!(class, Class::Referral(_) | Class::Alias);
        let mut context = Context { referral, provisional: question.validates, ..Context::at(self.now) };
        context.moment.started = question.started;
        // A referral on the way is no answer to what is asked anew.
        context.moment.leeway = if matches!(class, Class::Referral(_)) { 0 } else { question.refreshes.unwrap_or(0) };
        // Authoritative servers check nothing, whatever CD says, and what forwarders have not checked is not kept.
        let (qtype, qclass, checking_disabled) = (question.asked_type(), question.qclass, false);
        let key = MessageKey { name: asked.as_wire(), qtype, qclass, checking_disabled };
        if referral {
            learnt.clear();
            cache.learn(&kept, &context, learnt);
            return false;
        }
        cache.keep(&key, &kept, &context, learnt) && !question.is_minimised()
    }
}

/// Where an answer leads that has only aliases.
pub(super) fn leads_to(hit: &Hit<'_>, qtype: u16) -> Option<Name> {
    if hit.rcode() != rcode::NOERROR || matches!(qtype, rtype::CNAME | rtype::ANY) {
        return None;
    }
    if let Some(alias) = hit.alias() {
        return Some(alias.target);
    }
    let last = hit.rrsets(0).last()?;
    if last.rtype() != rtype::CNAME { None } else { Name::from_wire(last.target()?) }
}
