//! What is answered is proven before it is told: held until the keys are there, judged, written down, told.
//!
//! ```text
//! answer complete ─▶ hold ─▶ prove ─┬─ verdict ─▶ written down in the cache ─▶ told, or SERVFAIL
//!                             ▲     └─ DS or DNSKEY wanted ─▶ lookup ─▶ learnt ─┐
//!                             └─────────────────────────────────────────────────┘
//! ```
//!
//! The judgement is [`crate::validate`]'s, which knows neither caches nor servers. Whatever it finds out on the way is kept: of
//! zones in its cache of keys, of RRsets and messages in the resolver's. So it begins anew each time that keys have come.

use super::cache::{Checked, Head, Key, MessageKey, Moment, Trust};
use super::core::{Core, Turn, bit};
use super::held::{Client, Held};
use super::question::{NONE, Phase, Question, Shown, Stale};
use super::validator::Validator;
use super::world::World;
use crate::dns::cause::{Cause, Why};
use crate::dns::flaw::Flaw;
use crate::dns::{class, rcode, rtype};
use crate::validate::Security;
use crate::validate::message::{Asked, Outcome, Verdict, validate};
use crate::validate::parts::{Part, Parts};

impl Question {
    /// True of a lookup that is for keys.
    pub(super) fn is_for_keys(&self) -> bool {
        self.lookup.as_ref().is_some_and(|lookup| lookup.keys)
    }

    /// What is written for it has all DNSSEC records: it is validated, and told as its client wants it afterwards.
    pub(super) fn writes_dnssec(&self) -> bool {
        self.dnssec_ok || self.validates || self.is_for_keys()
    }
}

impl<W: World> Turn<'_, W> {
    /// Holds the reply in hand, which answers a question; false when it cannot be written.
    pub(super) fn hold_reply(&mut self, id: u32, message: &[u8]) -> bool {
        let Core { digest, questions, options, .. } = &mut *self.core;
        let question = questions.get(id);
        let Some(held) = digest.hold(message, question, options.minimal_responses) else { return false };
        self.hold(id, held);
        true
    }

    /// Holds an answer, and tells it when it is proven.
    pub(super) fn hold(&mut self, id: u32, mut held: Held) {
        self.recall(id);
        self.recognise(&mut held.parts);
        self.core.questions.get_mut(id).held = Some(Box::new(held));
        self.prove(id);
    }

    /// Judges what is held of a question, as far as the keys are known.
    pub(super) fn prove(&mut self, id: u32) {
        let wall = self.world.wall();
        let Core { questions, cuts, validator: Some(validator), stats, options, .. } = &mut *self.core else {
            return self.unprovable(id, Flaw::Unreachable);
        };
        let Some(mut held) = questions.get_mut(id).held.take() else { return };
        let question = questions.get(id);
        let (name, qtype) = (question.name, question.qtype);
        let told_by =
            cuts.get(question.cut).filter(|cut| !held.known && !cut.is_forward()).map(|cut| cut.name.to_lower());
        let (rcode, refers) = (held.rcode, question.known_only);
        let asked = Asked { name: &name, qtype, rcode, refers, told_by: told_by.as_ref() };
        let Validator { rules, keys, allowance, .. } = validator;
        let (now, rules) = (super::cache::seconds(self.now), (&*rules, rules.clock(wall)));
        let budget = &mut questions.budget_mut(id).proof;
        let before = budget.checked;
        allowance.lend(now, budget);
        let outcome = validate(asked, &mut held.parts, (keys, now), rules, budget);
        allowance.settle(budget);
        stats.signatures.add(u64::from(budget.checked - before));
        match outcome {
            Outcome::Verdict(verdict) => {
                // What was not asked for may be asked for by the next question, unless this one alone is too much.
                let has_more = questions.budget(id).used < options.iteration.quota;
                questions.get_mut(id).uncached |= verdict.flaw == Flaw::Unasked && has_more;
                self.decided(id, *held, verdict);
            }
            Outcome::Wants(name, rtype) => {
                self.core.questions.get_mut(id).held = Some(held);
                self.await_keys(id, &name, rtype);
            }
        }
    }

    /// What is held of a question cannot be proven, such as when keys are not to be had in time.
    pub(super) fn unprovable(&mut self, id: u32, flaw: Flaw) {
        if let Some(held) = self.core.questions.get_mut(id).held.take() {
            let (security, rcode) = (Security::Bogus, held.rcode);
            self.decided(id, *held, Verdict { security, flaw, rcode, lacks_keys: true });
        }
    }

    /// What is held of a question is decided: it is written down and told.
    fn decided(&mut self, id: u32, mut held: Held, mut verdict: Verdict) {
        let mut cause = self.core.questions.get(id).remark();
        if verdict.security == Security::Bogus {
            cause = self.found_by(id, Cause::doubtful(verdict.flaw), held.known);
        }
        let Core { validator, .. } = &mut *self.core;
        let (permissive, cleans, bogus_ttl) = validator.as_ref().map_or((false, true, 60), |validator| {
            let rules = &validator.rules;
            (rules.permissive, rules.clean_additional, rules.bogus_ttl)
        });
        if verdict.security == Security::Bogus && permissive {
            verdict.security = Security::Indeterminate;
        }
        held.rcode = verdict.rcode;
        match verdict.security {
            Security::Secure => {
                // NS RRsets that nobody has signed do not belong to what is told as proven.
                held.parts.retain(|part, is_signed| (part.section, part.rtype) != (1, rtype::NS) || is_signed);
                if cleans {
                    held.parts.retain(|part, _| part.section != 2 || part.known == Security::Secure);
                }
                held.limit(u32::MAX);
            }
            Security::Bogus => held.limit(bogus_ttl),
            // What of it is signed is kept for no longer than its signatures are valid.
            _ => held.limit(u32::MAX),
        }
        if verdict.security == Security::Bogus && held.is_made && self.core.questions.get(id).lookup.is_none() {
            // It was not enough after all: somebody is asked.
            self.core.questions.get_mut(id).is_undenied = true;
            return self.core.retry.push_back(id);
        }
        self.count(&held);
        if verdict.security == Security::Bogus {
            // Broken keys are no fault of who was asked for the data.
            if !verdict.lacks_keys && self.ask_elsewhere(id, &held, verdict.flaw) {
                return;
            }
            self.core.stats.bogus.add(1);
            if let Some(error) = verdict.flaw.extended_error() {
                self.report_error(id, error);
            }
        }
        self.write_down(id, &held, &verdict, bogus_ttl);
        let is_told = verdict.security != Security::Bogus || self.core.questions.get(id).checking_disabled;
        let is_wrong = verdict.security == Security::Secure && self.is_wrong_sentinel(id);
        match is_told {
            true if is_wrong && !self.core.questions.get(id).checking_disabled => {
                self.fail_as(id, Cause::new(Why::Sentinel), held.ttl.min(bogus_ttl));
            }
            // What a DNAME makes too long is told as such, and not as proven (RFC 6672 section 2.2, as Unbound).
            true => {
                let is_of_use = matches!(held.rcode, rcode::NOERROR | rcode::NXDOMAIN);
                self.tell_held(id, &held, verdict.security == Security::Secure && is_of_use && !is_wrong, cause)
            }
            false if self.end_with_expired(id) => {}
            false => self.fail_as_bogus(id, verdict.flaw, held.ttl),
        }
    }

    /// Counts what was found of an answer.
    fn count(&self, held: &Held) {
        let stats = &self.core.stats;
        stats.bogus_rrsets.add(bogus_sets(&held.parts));
        match held.rcode {
            _ if !held.is_deduced => {}
            rcode::NXDOMAIN => stats.denied_names.add(1),
            _ => stats.denied_data.add(1),
        }
    }

    /// What was told to a question is bogus: it is asked anew, of others (`val-max-restart:`). False when that was done often
    /// enough, or there is nobody else.
    pub(super) fn ask_elsewhere(&mut self, id: u32, held: &Held, flaw: Flaw) -> bool {
        let most = self.core.validator.as_ref().map_or(0, |validator| validator.rules.restarts);
        let question = self.core.questions.get_mut(id);
        let server = question.asked.server;
        let is_over = question.bogus_tries >= most || matches!(flaw, Flaw::Work | Flaw::Unreachable | Flaw::Unasked);
        if is_over {
            return false;
        }
        if !held.known && !question.distrusted.contains(&server) {
            question.distrusted.push(server);
        }
        let distrusted = self.distrusted(id);
        let others = self.has_seat_but(id, distrusted);
        // One more try of the same may do: what was lost or changed on the way is so once. A probe does not come again soon.
        let question = self.core.questions.get(id);
        let has_tried = question.bogus_tries > 0 && !question.probes();
        if !held.known && has_tried && !others && !self.has_unknown_servers(id) {
            return false;
        }
        self.forget_bogus(id, held);
        self.put_back_chain(id);
        let question = self.core.questions.get_mut(id);
        (question.bogus_tries, question.flaw) = (question.bogus_tries + 1, flaw);
        // Whoever is asked now is to say so; that nothing is there has been contradicted.
        question.is_undenied = true;
        let name = question.name;
        question.follow_alias(&name);
        (question.restarts, question.shown) = (0, Shown::WHOLE);
        self.go_to_cut(id, NONE);
        self.core.retry.push_back(id);
        true
    }

    /// Whether the reply in hand, of a zone that is known to be signed, has no signature at all (`disable-dnssec-lame-check:`).
    pub(super) fn lacks_signatures(&mut self, id: u32) -> bool {
        let now = super::cache::seconds(self.now);
        let Core { validator: Some(validator), questions, cuts, digest, cache, .. } = &mut *self.core else {
            return false;
        };
        let question = questions.get(id);
        let is_of_use = (question.validates || question.is_for_keys()) && validator.rules.checks_lameness;
        let Some(cut) = cuts.get(question.cut).filter(|_| is_of_use) else { return false };
        let has_any = digest.reply().sets.iter().any(|set| set.rtype == rtype::RRSIG);
        if has_any {
            return false;
        }
        let name = cut.name.as_wire();
        let has_ds = cache
            .as_mut()
            .is_some_and(|cache| cache.rrsets.get(&Key::new(name, rtype::DS, class::IN), self.now).is_some());
        has_ds || validator.keys.is_signed(name, now) || validator.rules.anchors.get(name, class::IN).is_some()
    }

    /// Whether somebody else than the server at a place can be asked at the question's cut.
    pub(super) fn has_others(&mut self, id: u32, place: u8) -> bool {
        let question = self.core.questions.get(id);
        let passed = question.failed | question.tried | bit(place);
        self.has_seat_but(id, passed) || self.has_unknown_servers(id)
    }

    /// Whether a question's cut has a place besides these.
    fn has_seat_but(&self, id: u32, passed: u64) -> bool {
        (0u8..).take(self.core.seats(id).len()).any(|place| passed & bit(place) == 0)
    }

    /// Servers of a question's cut that have told what was bogus.
    pub(super) fn distrusted(&self, id: u32) -> u64 {
        let distrusted = &self.core.questions.get(id).distrusted;
        if distrusted.is_empty() {
            return 0;
        }
        let seats = self.core.seats(id).iter().zip(0u8..).filter(|(seat, _)| distrusted.contains(&seat.server));
        seats.fold(0, |bits, (_, place)| bits | bit(place))
    }

    /// Takes out of the cache what was found to be bogus, and the message that is kept of it.
    fn forget_bogus(&mut self, id: u32, held: &Held) {
        let Core { cache: Some(cache), questions, .. } = &mut *self.core else { return };
        let views = held.parts.views();
        for (nth, part) in held.parts.sets.iter().enumerate().filter(|(_, part)| part.known != Security::Secure) {
            let Some(set) = views.set(nth) else { continue };
            let key = Key::of(&set, part.section);
            if cache.rrsets.peek(&key).is_some_and(|kept| kept.has_data(&set)) {
                cache.rrsets.remove(&key);
            }
        }
        if held.kept.is_none() {
            return;
        }
        let question = questions.get(id);
        let (name, qtype, qclass) = (question.target.as_wire(), question.qtype, question.qclass);
        cache.messages.remove(&MessageKey { name, qtype, qclass, checking_disabled: false });
    }

    /// Tells an answer that is decided, and beside it a cause.
    fn tell_held(&mut self, id: u32, held: &Held, secure: bool, cause: Cause) {
        let Core { questions, digest, .. } = &mut *self.core;
        let question = questions.get(id);
        if question.stale == Stale::Told {
            return self.finish(id);
        }
        let Some(response) = self.world.room() else { return self.fail(id) };
        let (scratch, _) = digest.buffers();
        let client = Client { name: &question.name, qtype: question.qtype, dnssec_ok: question.dnssec_ok };
        if held.tell(client, scratch, response).is_err() {
            return self.fail(id);
        }
        (response.ticket, response.rcode) = (question.ticket, held.rcode);
        response.ttl = if question.uncached { 0 } else { held.ttl };
        response.refresh_after = held.refresh_after.min(response.ttl - response.ttl / 10);
        (response.known, response.expired, response.secure) = (held.known, false, secure);
        response.set_cause(cause, &[]);
        self.world.publish();
        self.finish(id);
    }

    /// A cause with the server that a question was told by; `known`: it was the cache.
    fn found_by(&self, id: u32, cause: Cause, known: bool) -> Cause {
        let Core { questions, servers, .. } = &*self.core;
        let question = questions.get(id);
        let is_told = !known && question.was_sent && (question.asked.server as usize) < servers.len();
        if is_told { cause.at(servers[question.asked.server].address.ip()) } else { cause }
    }

    /// See [`Validator::is_wrong_sentinel`].
    pub(super) fn is_wrong_sentinel(&self, id: u32) -> bool {
        let Core { validator, questions, .. } = &*self.core;
        validator.as_ref().is_some_and(|validator| validator.is_wrong_sentinel(questions.get(id)))
    }

    /// Ends a question whose answer is bogus, for so many seconds.
    pub(super) fn fail_as_bogus(&mut self, id: u32, flaw: Flaw, ttl: u32) {
        let cause = self.found_by(id, Cause::bogus(flaw), false);
        self.fail_as(id, cause, ttl);
    }

    /// Ends a question that is answered and must not be told so, for so many seconds.
    pub(super) fn fail_as(&mut self, id: u32, cause: Cause, ttl: u32) {
        self.recall(id);
        let question = self.core.questions.get_mut(id);
        (question.cause, question.bogus_for) = (cause, Some(ttl));
        if question.stale == Stale::Told {
            return self.finish(id);
        }
        question.phase = Phase::Failed;
        self.core.stats.failures.add(1);
        self.core.questions.ended(id);
        self.core.failed.push_back(id);
    }

    /// Takes note of what is known already of the RRsets of an answer: a signature is checked once for as long as it is kept, and
    /// that is never longer than it is valid.
    pub(super) fn recognise(&mut self, parts: &mut Parts) {
        let now = super::cache::seconds(self.now);
        let Some(cache) = &mut self.core.cache else { return };
        let views = parts.views();
        let mut known = Vec::with_capacity(parts.sets.len());
        for (nth, part) in parts.sets.iter().enumerate() {
            let kept = views.set(nth).and_then(|set| {
                let kept = cache.rrsets.peek(&Key::of(&set, part.section))?;
                kept.has_data(&set).then(|| (kept.security(), kept.ttl(now)))
            });
            known.push(kept.filter(|(security, left)| *security == Security::Secure && *left > 0));
        }
        for (part, (_, left)) in parts.sets.iter_mut().zip(known).filter_map(|(part, known)| Some((part, known?))) {
            (part.known, part.ttl) = (Security::Secure, part.ttl.min(left));
        }
    }

    /// Writes down what was found of the RRsets of an answer, and of the message that is kept of it.
    fn write_down(&mut self, id: u32, held: &Held, verdict: &Verdict, bogus_ttl: u32) {
        self.write_down_sets(&held.parts, bogus_ttl);
        let Core { cache: Some(cache), questions, .. } = &mut *self.core else { return };
        let question = questions.get(id);
        if question.uncached {
            return;
        }
        let (name, qtype, qclass) = (question.target.as_wire(), question.qtype, question.qclass);
        let key = MessageKey { name, qtype, qclass, checking_disabled: false };
        match &held.kept {
            // Where an alias led to it, what is wrong may be the alias, which says nothing of what it points to.
            Some(_) if question.chain.is_some() && verdict.security != Security::Secure => {}
            Some(kept) => cache.messages.set_verdict(&key, (&kept.rrsets, kept.rcode), verdict, held.ttl, self.now),
            // What has expired was spared for as long as this was not proven.
            None if verdict.security > Security::Bogus && !held.known && question.chain.is_none() => {
                let head = Head { security: verdict.security, ..Head::of(held.rcode, held.ttl) };
                cache.keep_proven(&key, &held.parts, &head, &Moment::at(self.now));
            }
            None => {}
        }
    }

    /// Writes down what was found of the RRsets of an answer.
    pub(super) fn write_down_sets(&mut self, parts: &Parts, bogus_ttl: u32) {
        let now = self.now;
        if let Some(validator) = &mut self.core.validator {
            validator.note_denials(parts, super::cache::seconds(now));
        }
        let Some(cache) = &mut self.core.cache else { return };
        let views = parts.views();
        let is_judged = |part: &Part| part.known != Security::Unchecked && part.flaw != Flaw::Unasked;
        for (nth, part) in parts.sets.iter().enumerate().filter(|(_, part)| is_judged(part)) {
            let Some(set) = views.set(nth) else { continue };
            let Some(kept) = cache.rrsets.peek(&Key::of(&set, part.section)).filter(|kept| kept.has_data(&set)) else {
                continue;
            };
            let left = kept.ttl(super::cache::seconds(now));
            let (trust, ttl) = match part.known {
                Security::Secure => (Trust::Validated, part.ttl.min(left)),
                Security::Bogus => (Trust::None, bogus_ttl.min(left)),
                _ => (Trust::None, left),
            };
            let reference = kept.reference();
            cache.rrsets.set_security(reference, &Checked { security: part.known, trust, ttl }, now);
        }
    }
}

/// How many RRsets were found to be bogus.
pub(super) fn bogus_sets(parts: &Parts) -> u64 {
    parts.sets.iter().filter(|part| part.known == Security::Bogus).count() as u64
}
