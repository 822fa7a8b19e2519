//! What has expired is told for want of anything better (`serve-expired:`, RFC 8767): at once, while it is asked for anew; when the
//! client has waited for long enough (`serve-expired-client-timeout:`); or when nobody has answered.
//!
//! Its question goes on for the cache's sake, with nobody waiting. For some seconds no further one is begun, so that many clients
//! that ask for what cannot be had do not have its servers asked as often.

use super::cache::{Ask, Hit, MessageKey, Wanted};
use super::chain::Chain;
use super::core::{Core, Turn};
use super::known::leads_to;
use super::question::{Phase, Stale};
use super::world::World;
use crate::dns::cause::Cause;
use crate::validate::Security;
use crate::validate::signature::seconds_left;

/// Why it is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Nothing better is known.
    Begins,
    /// The client has waited for long enough.
    Waited,
    /// Nobody has answered.
    Failed,
}

impl<W: World> Turn<'_, W> {
    /// What is known does not answer a question: tells what has expired, or takes note that there is such. True when that is the
    /// end of it, since asking anew has failed a moment ago or is on its way.
    pub(super) fn serve_expired(&mut self, id: u32) -> bool {
        let Some(timeout) = self.core.options.expired else { return false };
        if !self.may_be_stale(id) || self.core.questions.get(id).stale != Stale::Unknown {
            return false;
        }
        match self.tell_expired(id, When::Begins) {
            None => false,
            Some(given_up) => {
                let question = self.core.questions.get(id);
                match question.stale {
                    Stale::Told if given_up => {
                        self.finish(id);
                        return true;
                    }
                    Stale::AtHand => self.core.patient.push_back((self.now + timeout, id, question.serial)),
                    _ => {}
                }
                false
            }
        }
    }

    /// A question has failed: true when what has expired is told instead, or was told before.
    pub(super) fn end_with_expired(&mut self, id: u32) -> bool {
        if self.core.options.expired.is_some() && self.may_be_stale(id) {
            let _ = self.tell_expired(id, When::Failed);
        }
        if self.core.questions.get(id).stale != Stale::Told {
            return false;
        }
        self.core.stats.failures.add(1);
        // No server is probed with it.
        self.core.questions.get_mut(id).phase = Phase::Failed;
        self.finish(id);
        true
    }

    /// Tells what has expired to those who have waited for long enough.
    pub(super) fn serve_the_patient(&mut self) {
        while let Some(&(at, id, serial)) = self.core.patient.front()
            && at <= self.now
        {
            self.core.patient.pop_front();
            let question = self.core.questions.get(id);
            let waits = question.serial == serial && question.stale == Stale::AtHand;
            if waits && !matches!(question.phase, Phase::Free | Phase::Failed | Phase::Probe) {
                let _ = self.tell_expired(id, When::Waited);
            }
        }
    }

    /// Whether somebody waits for the question who would take what has expired.
    fn may_be_stale(&self, id: u32) -> bool {
        let question = self.core.questions.get(id);
        let is_asked_by_client = question.lookup.is_none() && question.refreshes.is_none() && !question.uncached;
        is_asked_by_client && !self.is_wrong_sentinel(id)
    }

    /// Looks for what has expired and tells it when it is time for that. `None` when there is nothing or no room, else whether
    /// asking anew has failed a moment ago or is on its way.
    fn tell_expired(&mut self, id: u32, when: When) -> Option<bool> {
        let wall = self.world.wall();
        let Core { cache: Some(cache), questions, options, digest, spare_chains, validator, .. } = &mut *self.core
        else {
            return None;
        };
        let date = validator.as_ref().and_then(|validator| validator.rules.clock(wall).now);
        let question = questions.get_mut(id);
        let (scratch, rdata) = digest.buffers();
        let mut target = question.name.to_lower();
        let mut chain: Option<Box<Chain>> = None;
        let mut secure = true;
        for _ in 0..=options.iteration.restarts {
            if when == When::Failed {
                // What has expired for too long may be told again from now on (`serve-expired-ttl-reset:`).
                let (name, qtype, qclass) = (target.as_wire(), question.qtype, question.qclass);
                cache.give_up(&MessageKey { name, qtype, qclass, checking_disabled: false }, true, self.now);
            }
            let ask = Ask { expired: true, ..Ask::new(&target, question.qtype, question.qclass) };
            let hit = cache.lookup(&ask, self.now)?;
            if question.validates && matches!(hit.security(), Security::Unchecked | Security::Bogus) {
                return None;
            }
            secure &= question.validates && hit.security() == Security::Secure && is_signed_still(&hit, date);
            let wanted = Wanted {
                name: &question.name,
                qtype: question.qtype,
                dnssec_ok: question.dnssec_ok,
                minimal: options.minimal_responses,
                chain: chain.as_deref(),
            };
            if let Some(next) = leads_to(&hit, question.qtype).filter(|next| *next != target) {
                let written = hit.compose_chain(&wanted, scratch, rdata).ok()?;
                let mut longer = chain.take().or_else(|| spare_chains.take()).unwrap_or_default();
                longer.set(scratch, &written);
                chain = Some(longer);
                target = next.to_lower();
                continue;
            }
            let given_up = hit.given_up;
            let tells = match when {
                When::Begins => given_up || options.expired.is_some_and(|timeout| timeout.is_zero()),
                When::Waited => true,
                When::Failed => question.stale != Stale::Told,
            };
            if tells {
                let response = self.world.room()?;
                let written = hit.compose(&wanted, scratch, rdata).ok()?;
                (response.rcode, response.ticket) = (hit.rcode(), question.ticket);
                (response.ttl, response.refresh_after) = (0, u32::MAX);
                (response.known, response.expired, response.secure) = (when == When::Begins, true, secure);
                response.set_cause(Cause::default(), &[]);
                response.set_body(&scratch[written.place.clone()], written.counts);
                self.world.publish();
                question.stale = Stale::Told;
            } else if question.stale == Stale::Unknown {
                question.stale = Stale::AtHand;
            }
            if tells && !given_up && when != When::Failed {
                let (name, qtype, qclass) = (target.as_wire(), question.qtype, question.qclass);
                let key = MessageKey { name, qtype, qclass, checking_disabled: false };
                cache.give_up(&key, false, self.now);
            }
            chain.into_iter().for_each(|chain| spare_chains.put_back(chain));
            return Some(given_up);
        }
        None
    }
}

/// Whether what was proven may be told as that: its signatures have not expired with it. `date`: seconds since 1970, modulo 2³²;
/// `None`: times of signatures are not looked at.
fn is_signed_still(hit: &Hit<'_>, date: Option<u32>) -> bool {
    let Some(date) = date else { return true };
    let is_valid = |signature: &[u8]| seconds_left(signature, date).is_some_and(|left| left >= 0);
    let mut signed = (0..2).flat_map(|section| hit.rrsets(section)).filter(|set| set.signature_count() > 0);
    signed.all(|set| set.signatures().any(is_valid))
}
