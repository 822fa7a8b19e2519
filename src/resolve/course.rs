//! A question's course: its beginning, where it goes when its servers fail, its end.

use super::Request;
use super::core::{Core, Turn};
use super::question::{NONE, Phase, Question};
use super::table::Kind;
use super::world::World;
use crate::dns::cause::{Cause, Why};
use crate::dns::flaw::Flaw;
use crate::dns::{class, rcode, rtype};
use std::time::Duration;

/// The part of a question's patience that a zone has that is only asked first.
const FIRST_SHARE: u32 = 4;

impl<W: World> Turn<'_, W> {
    /// Sees to it that a state is free, if need be by giving up the oldest question when it has waited for long (as
    /// mesh_make_new_space() in Unbound's mesh.c). That it was given up says nothing of its servers, so the failure is
    /// not to be cached.
    pub(super) fn make_room(&mut self) {
        if self.core.questions.is_full()
            && let Some(id) = self.core.questions.oldest()
        {
            let question = self.core.questions.get_mut(id);
            (question.uncached, question.cause) = (true, Cause::new(Why::GivenUp));
            // Nor is it asked elsewhere: its state is wanted.
            question.is_unzoned = true;
            self.core.stats.overwritten.add(1);
            self.fail(id);
            self.publish_failures();
        }
    }

    /// Takes a request into a free state.
    pub(super) fn start(&mut self, request: &Request) {
        if request.refresh && self.core.questions.is_full() {
            // Nobody waits for it, and others do.
            return self.decline(request.ticket);
        }
        self.make_room();
        let Some(id) = self.core.questions.take() else { return self.decline(request.ticket) };
        let question = self.core.questions.get_mut(id);
        question.ticket = request.ticket;
        question.name.set_wire_lower(request.name());
        question.target.set_lower(&question.name);
        (question.qtype, question.qclass) = (request.qtype, request.qclass);
        question.dnssec_ok = request.dnssec_ok;
        let ignores = self.core.validator.as_ref().is_some_and(|validator| validator.rules.ignore_cd);
        question.checking_disabled = request.checking_disabled && !ignores;
        question.known_only = request.known_only;
        question.refreshes = request.refresh.then_some(request.left);
        question.validates =
            self.core.validator.is_some() && request.qclass == class::IN && request.qtype != rtype::RRSIG;
        question.started = self.now;
        self.begin(id);
    }

    /// Answers a request that is not taken.
    fn decline(&mut self, ticket: u64) {
        let Some(response) = self.world.room() else { return };
        (response.ticket, response.rcode, response.ttl) = (ticket, rcode::SERVFAIL, 0);
        (response.known, response.expired, response.secure) = (false, false, false);
        response.set_cause(Cause::new(Why::GivenUp), &[]);
        response.set_body(&[], [0; 3]);
        self.world.publish();
    }

    /// Asks for the question's target where its servers are.
    pub(super) fn begin(&mut self, id: u32) {
        let Core { questions, table, zone_cuts, .. } = &mut *self.core;
        let question = questions.get_mut(id);
        if question.is_priming() {
            let stub = table.stub(question.target.as_wire()).and_then(|place| zone_cuts.get(place as usize));
            let start = stub.copied().unwrap_or(self.core.hints_cut);
            return self.ask_at(id, start);
        }
        let within = if question.left_zone > 0 { usize::from(question.left_zone) } else { usize::MAX };
        let zone = if question.is_unzoned { None } else { table.find_within(question.parent_side(), within) };
        let Some((place, zone)) = zone.and_then(|place| Some((place, table.zone(place)?))) else {
            return if self.answer_from_cache(id) || self.serve_expired(id) || self.deny(id) || self.refer(id) {
            } else {
                self.iterate(id, None)
            };
        };
        question.uncached |= zone.no_cache;
        let (cut, kind, is_root) = (zone_cuts[place as usize], zone.kind, zone.name == [0]);
        // What is known has been checked by the forwarders, where those do that.
        let looks = question.validates || !(kind == Kind::Forward && question.checking_disabled);
        if looks && (self.answer_from_cache(id) || self.serve_expired(id) || self.deny(id)) || self.refer(id) {
            return;
        }
        match kind {
            Kind::Forward => {
                self.go_to_cut(id, cut);
                self.choose(id);
            }
            // A stub zone for the root stands for its hints.
            Kind::Stub { prime } => self.iterate(id, Some((cut, prime || is_root))),
        }
    }

    /// The question is asked at `cut` from now on; [`NONE`]: nowhere.
    pub(super) fn go_to_cut(&mut self, id: u32, cut: u32) {
        let question = self.core.questions.get_mut(id);
        (question.at_cut, question.glue_asked) = (0, 0);
        let left = std::mem::replace(&mut question.cut, cut);
        self.core.cuts.enter(cut);
        self.core.cuts.leave(left);
    }

    /// Notes what went wrong with a question at a server.
    pub(super) fn blame(&mut self, id: u32, server: u32, cause: Cause) {
        let known = (server as usize) < self.core.servers.len();
        let cause = if known { cause.at(self.core.servers[server].address.ip()) } else { cause };
        self.core.questions.get_mut(id).cause = cause;
    }

    /// Ends a question without an answer, or has it asked once more as if its forward or stub zone were not there.
    pub(super) fn fail(&mut self, id: u32) {
        self.recall(id);
        let question = self.core.questions.get(id);
        if question.is_lookup && question.lookup.is_none() {
            // A copy that was sent beside: nobody waits for it.
            return self.give_back(id);
        }
        if question.cut == NONE {
            self.core.questions.get_mut(id).cause = Cause::new(Why::NoZone);
        }
        if self.leave_zone(id) {
            return self.core.retry.push_back(id);
        }
        let Question { flaw, lookup, .. } = self.core.questions.get(id);
        if *flaw != Flaw::None && lookup.is_none() {
            // Nobody else has told anything: what was told is bogus.
            let (flaw, ttl) = (*flaw, self.core.validator.as_ref().map_or(0, |validator| validator.rules.bogus_ttl));
            return self.fail_as_bogus(id, flaw, ttl);
        }
        let question = self.core.questions.get(id);
        if question.is_for_keys() {
            return self.end_key_lookup(id, None);
        }
        if question.lookup.is_some() {
            return self.end_lookup(id, &[]);
        }
        if let Some(error) = self.core.questions.get(id).cause.extended_error() {
            self.report_error(id, error);
        }
        if self.end_with_expired(id) {
            return;
        }
        self.core.stats.failures.add(1);
        self.core.questions.ended(id);
        self.core.questions.get_mut(id).phase = Phase::Failed;
        self.core.failed.push_back(id);
    }

    /// True when the zone that the question is asked in is only to be asked first (`forward-first:`, `stub-first:`).
    fn is_asked_first(&self, id: u32) -> bool {
        let question = self.core.questions.get(id);
        let cut = self.core.cuts.get(question.cut);
        let zone = cut.and_then(|cut| self.core.table.zone(cut.source.zone()?));
        !question.is_unzoned && zone.is_some_and(|zone| zone.first)
    }

    /// When a question's time is over; for a zone that is asked first, so early that time is left for the others.
    pub(super) fn deadline(&self, id: u32) -> Duration {
        let (started, patience) = (self.core.questions.get(id).started, self.core.options.patience);
        started + if self.is_asked_first(id) { patience / FIRST_SHARE } else { patience }
    }

    /// True when a question is asked first where all are dead. One whose address is looked up may not be.
    pub(super) fn is_first_in_vain(&self, id: u32) -> bool {
        let seats = self.core.seats(id);
        let are_dead = || seats.iter().all(|seat| self.core.servers[seat.server].is_dead());
        !seats.is_empty() && self.is_asked_first(id) && are_dead()
    }

    /// True when the question is to be asked as if its zone were not there from now on, nor any below that.
    fn leave_zone(&mut self, id: u32) -> bool {
        let in_time = self.now < self.core.questions.get(id).started + self.core.options.patience;
        if !in_time || !self.is_asked_first(id) {
            return false;
        }
        // What lies above it may have a zone of its own.
        let labels = self.core.cuts.get(self.core.questions.get(id).cut).map_or(0, |cut| cut.name.label_count());
        let question = self.core.questions.get_mut(id);
        question.is_unzoned = labels == 0;
        question.left_zone = labels as u8;
        question.start_over();
        self.go_to_cut(id, NONE);
        true
    }

    /// Its response is published: gives the question's state back, unless a silent server is probed with it.
    pub(super) fn finish(&mut self, id: u32) {
        self.recall(id);
        self.core.questions.ended(id);
        self.put_back_chain(id);
        if self.core.questions.get(id).phase == Phase::Failed || !self.probe(id) {
            self.give_back(id);
        }
    }

    /// What a question was told by is not told to who has its state next.
    pub(super) fn put_back_chain(&mut self, id: u32) {
        if let Some(chain) = self.core.questions.get_mut(id).chain.take() {
            self.core.spare_chains.put_back(chain);
        }
    }

    /// Gives a question's state back, and its place at a cut.
    pub(super) fn give_back(&mut self, id: u32) {
        self.put_back_chain(id);
        self.core.questions.get_mut(id).held = None;
        self.go_to_cut(id, NONE);
        self.core.questions.give_back(id);
    }

    /// Responds to failed questions as far as there is room.
    pub(super) fn publish_failures(&mut self) {
        while let Some(&id) = self.core.failed.front() {
            let Some(response) = self.world.room() else { return };
            let question = self.core.questions.get(id);
            (response.ticket, response.known) = (question.ticket, false);
            (response.expired, response.secure) = (false, false);
            response.rcode = rcode::SERVFAIL;
            (response.ttl, response.refresh_after) = (question.failure_ttl(), u32::MAX);
            let zone = self.core.cuts.get(question.cut).filter(|_| question.cause.why != Why::NoZone);
            response.set_cause(question.cause, zone.map_or(&[], |cut| cut.name.as_wire()));
            response.set_body(&[], [0; 3]);
            self.world.publish();
            self.core.failed.pop_front();
            self.finish(id);
        }
    }
}
