//! What a whole reply means for its question: an answer, another name to ask for, or another server.

use super::digest::Served;
use super::engine::Engine;
use super::exchange::SENDS;
use super::normalize::Verdict;
use super::question::Phase;
use super::tries::Addressee;
use std::time::Duration;

impl Engine {
    /// Decides what a whole reply means for its question. `asked`: whose reply it is.
    pub(super) fn judge(&mut self, id: u32, asked: Addressee, message: &[u8], now: Duration) {
        if !self.digest.read(message) {
            return match asked.edns && self.digest.refuses_edns() {
                true => self.ask_without_edns(id, asked, now),
                false => self.pass_over(id, asked, now),
            };
        }
        if !asked.edns && self.questions.get(id).without_edns {
            self.servers[asked.server as usize].refuses_edns(now);
        }
        match self.verdict(id, message) {
            Verdict::Answer if self.respond(id, message, now) => {}
            Verdict::Chase => self.chase(id, message, now),
            _ => self.pass_over(id, asked, now),
        }
    }

    fn ask_without_edns(&mut self, id: u32, asked: Addressee, now: Duration) {
        let question = self.questions.get_mut(id);
        let place = asked.place;
        if question.without_edns && question.asked.place == place && question.phase != Phase::Choose {
            // The same is on its way already: this was the reply to a repetition.
            return;
        }
        let is_there = usize::from(place) < self.zone_servers[question.zone as usize].len();
        if question.sends < SENDS && is_there {
            self.stop_waiting(id);
            self.questions.get_mut(id).without_edns = true;
            if self.send(id, place, now) {
                return;
            }
        }
        self.pass_over(id, asked, now);
    }

    /// A server's reply is of no use: another is asked, unless one is asked already.
    pub(super) fn pass_over(&mut self, id: u32, asked: Addressee, now: Duration) {
        self.rule_out(id, asked.place);
        self.go_on(id, asked, now);
    }

    /// Another server than `asked` is to be asked, unless one is asked already.
    pub(super) fn go_on(&mut self, id: u32, asked: Addressee, now: Duration) {
        let question = self.questions.get(id);
        let waits = match question.phase {
            Phase::Udp { .. } => question.asked.place != asked.place,
            Phase::Choose => false,
            _ => true,
        };
        if !waits {
            self.stop_waiting(id);
            self.choose(id, now);
        }
    }

    fn verdict(&mut self, id: u32, message: &[u8]) -> Verdict {
        let Engine { digest, questions, table, options, .. } = self;
        let question = questions.get(id);
        let zone = question.zone;
        let Some(forward) = table.zone(zone) else { return Verdict::Useless };
        let same_zone = |name: &[u8]| table.find(name) == Some(zone);
        let served = Served { zone: &forward.name, same_zone: &same_zone };
        digest.judge(message, question, served, &options.ttl)
    }

    /// Publishes the answer; false when it cannot be written.
    fn respond(&mut self, id: u32, message: &[u8], now: Duration) -> bool {
        let question = self.questions.get(id);
        let Some(response) = self.responses.reserve() else { return false };
        if !self.digest.tell(message, question, self.options.minimal_responses, response) {
            return false;
        }
        response.ticket = question.ticket;
        self.responses.publish();
        self.finish(id, now);
        true
    }

    /// Keeps the alias chain so far and asks for its end.
    fn chase(&mut self, id: u32, message: &[u8], now: Duration) {
        self.recall(id);
        let question = self.questions.get_mut(id);
        if question.chain.is_none() {
            question.chain = self.spare_chains.pop();
        }
        let goes_on = self.digest.follow(message, question, self.options.minimal_responses);
        match self.table.find(question.target.as_wire()) {
            Some(zone) if goes_on => {
                question.zone = zone;
                question.uncached |= self.table.is_uncached(zone);
                question.start_over();
                self.choose(id, now);
            }
            _ => self.fail(id),
        }
    }
}
