//! What a whole reply means for its question: an answer, another name to ask for, or another server.

use super::classify::Class;
use super::core::{Core, Turn, bit};
use super::cuts::{Cut, Source};
use super::digest::{Following, Served};
use super::normalize::Verdict;
use super::question::{Phase, Shown, Stale};
use super::tries::Addressee;
use super::world::World;
use crate::dns::cause::{Cause, Why};

impl<W: World> Turn<'_, W> {
    /// Decides what a whole reply means for its question. `asked`: whose reply it is.
    pub(super) fn judge(&mut self, id: u32, asked: Addressee, message: &[u8]) {
        if self.has_signalled(id) {
            return self.end_lookup(id, &[]);
        }
        let is_of_use = self.core.digest.read(message);
        if self.core.options.reports_errors {
            self.learn_agent(id, message);
        }
        if !is_of_use {
            let may_refuse = asked.edns && self.core.servers[asked.server].may_refuse_edns(self.now);
            return match may_refuse && self.core.digest.refuses_edns() {
                true => self.ask_without_edns(id, asked),
                false => self.pass_over(id, asked),
            };
        }
        if !asked.edns && self.core.questions.get(id).without_edns {
            self.core.servers[asked.server].refuses_edns(self.now);
        }
        if asked.edns && self.core.digest.reply().has_edns {
            self.core.servers[asked.server].does_edns(self.now);
        }
        let lacks = self.core.digest.reply().lacks_addresses;
        let question = self.core.questions.get_mut(id);
        question.lacks_addresses |= lacks;
        let cut = question.cut;
        if !self.core.cuts.get(cut).is_some_and(Cut::is_forward) {
            return self.judge_authoritative(id, asked, message);
        }
        let verdict = self.verdict(id, message);
        let is_kept = match verdict {
            Verdict::Answer => self.keep(id, message, Class::Answer),
            Verdict::Chase => self.keep(id, message, Class::Alias),
            Verdict::Useless => false,
        };
        match verdict {
            Verdict::Answer if is_kept && self.is_asked_by_worker(id) && self.answer_as_kept(id) => {}
            Verdict::Answer if self.answered(id, message) => {}
            Verdict::Chase if self.core.questions.get(id).is_for_keys() && self.answered(id, message) => {}
            Verdict::Chase => self.chase(id, message),
            _ => self.pass_over(id, asked),
        }
    }

    fn ask_without_edns(&mut self, id: u32, asked: Addressee) {
        let place = asked.place;
        let is_there = usize::from(place) < self.core.seats(id).len();
        let question = self.core.questions.get(id);
        if question.without_edns && question.asked.place == place && question.phase != Phase::Choose {
            // The same is on its way already: this was the reply to a repetition.
            return;
        }
        if question.sends < self.core.options.iteration.sends && is_there {
            self.stop_waiting(id);
            self.core.questions.get_mut(id).without_edns = true;
            if self.send(id, place) {
                return;
            }
        }
        self.pass_over(id, asked);
    }

    /// A server's reply is of no use: another is asked, unless one is asked already.
    pub(super) fn pass_over(&mut self, id: u32, asked: Addressee) {
        let flaw = self.core.digest.flaw();
        self.blame(id, asked.server, flaw);
        if self.core.questions.get(id).is_minimised() && !self.core.options.iteration.strict {
            // It may be the part of the name or the type that it takes offence at.
            self.recall(id);
            let question = self.core.questions.get_mut(id);
            question.show_all();
            question.tried &= !bit(asked.place);
            return self.core.retry.push_back(id);
        }
        self.rule_out(id, asked.place);
        self.go_on(id, asked);
    }

    /// Another server than `asked` is to be asked, unless one is asked already.
    pub(super) fn go_on(&mut self, id: u32, asked: Addressee) {
        let question = self.core.questions.get(id);
        let waits = match question.phase {
            Phase::Udp { .. } => question.asked.place != asked.place,
            Phase::Choose => false,
            _ => true,
        };
        if !waits {
            self.stop_waiting(id);
            self.choose(id);
        }
    }

    fn verdict(&mut self, id: u32, message: &[u8]) -> Verdict {
        let Core { digest, questions, cuts, table, options, .. } = &mut *self.core;
        let question = questions.get(id);
        let Some(cut) = cuts.get(question.cut) else { return Verdict::Useless };
        let same_zone = |name: &[u8]| table.find(name).map(Source::Forward) == Some(cut.source);
        let (private, scrub) = (table.private(), table.scrub());
        let served = Served { zone: cut.name.as_wire(), same_zone: &same_zone, private, scrub };
        digest.judge(message, question, served, &options.ttl)
    }

    /// Publishes the answer; false when it cannot be written.
    pub(super) fn respond(&mut self, id: u32, message: &[u8]) -> bool {
        let question = self.core.questions.get(id);
        if question.validates {
            return self.hold_reply(id, message);
        }
        if question.stale == Stale::Told {
            self.finish(id);
            return true;
        }
        let Some(response) = self.world.room() else { return false };
        if !self.core.digest.tell(message, question, self.core.options.minimal_responses, response) {
            return false;
        }
        (response.ticket, response.known) = (question.ticket, false);
        (response.expired, response.secure) = (false, false);
        self.world.publish();
        self.finish(id);
        true
    }

    /// Keeps the alias chain so far and asks for its end.
    pub(super) fn chase(&mut self, id: u32, message: &[u8]) {
        self.recall(id);
        let question = self.core.questions.get_mut(id);
        if question.chain.is_none() {
            question.chain = self.core.spare_chains.take();
        }
        let options = &self.core.options;
        let how = Following { minimal: options.minimal_responses, restarts: options.iteration.restarts };
        let goes_on = self.core.digest.follow(message, question, how);
        question.shown = Shown::WHOLE;
        match goes_on {
            true => self.begin(id),
            false => {
                question.cause = Cause::new(Why::Aliases);
                self.fail(id);
            }
        }
    }
}
