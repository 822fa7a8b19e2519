//! What a whole reply means for its question: an answer, another name to ask for, or another server.

use super::Options;
use super::chain::{Composer, Target};
use super::engine::Engine;
use super::exchange::SENDS;
use super::normalize::{Asked, Normalizer, Verdict};
use super::question::{Phase, Question};
use super::reply::Reply;
use super::tries::Addressee;
use crate::dns::rcode;
use std::time::Duration;

/// Alias targets asked for (Unbound's max-query-restarts).
const RESTARTS: u8 = 11;

impl Engine {
    /// Decides what a whole reply means for its question. `asked`: whose reply it is.
    pub(super) fn judge(&mut self, id: u32, asked: Addressee, message: &[u8], now: Duration) {
        let parsed = self.reply.parse(message);
        let code = self.reply.rcode;
        if matches!(code, rcode::FORMERR | rcode::NOTIMP) && asked.edns && !self.reply.has_edns {
            return self.ask_without_edns(id, asked, now);
        }
        if parsed.is_none() || !matches!(code, rcode::NOERROR | rcode::NXDOMAIN | rcode::YXDOMAIN) {
            return self.pass_over(id, asked, now);
        }
        if !asked.edns && self.questions.get(id).without_edns {
            self.servers[asked.server as usize].refuses_edns(now);
        }
        match self.normalize(id, message) {
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

    fn normalize(&mut self, id: u32, message: &[u8]) -> Verdict {
        let question = self.questions.get(id);
        let zone = question.zone;
        let table = &self.table;
        let Some(forward) = table.zone(zone) else { return Verdict::Useless };
        let asked = Asked {
            name: &question.target,
            qtype: question.qtype,
            qclass: question.qclass,
            zone: &forward.name,
            same_zone: &|name| table.find(name) == Some(zone),
        };
        self.normalizer.run(message, &mut self.reply, &asked, &self.options.ttl)
    }

    /// Publishes the answer; false when it cannot be written.
    fn respond(&mut self, id: u32, message: &[u8], now: Duration) -> bool {
        let question = self.questions.get(id);
        let chain = question.chain.as_deref();
        let mut composer = composer(question, message, &self.reply, &self.normalizer, &self.options, &mut self.rdata);
        let Ok(written) = composer.answer(chain, &mut self.scratch) else { return false };
        let Some(response) = self.responses.reserve() else { return false };
        if !response.set_body(&self.scratch[written.place], written.counts) {
            return false;
        }
        response.ticket = question.ticket;
        response.rcode = self.reply.rcode;
        response.ttl = if question.uncached { 0 } else { written.ttl };
        self.responses.publish();
        self.finish(id, now);
        true
    }

    /// Keeps the alias chain so far and asks for its end.
    fn chase(&mut self, id: u32, message: &[u8], now: Duration) {
        self.recall(id);
        let question = self.questions.get_mut(id);
        question.restarts += 1;
        let mut chain = question.chain.take().or_else(|| self.spare_chains.pop()).unwrap_or_default();
        let question = self.questions.get(id);
        let mut composer = composer(question, message, &self.reply, &self.normalizer, &self.options, &mut self.rdata);
        let extended = composer.extend(&mut chain, &mut self.scratch);
        let zone = self.table.find(self.normalizer.target.as_wire());
        let question = self.questions.get_mut(id);
        question.chain = Some(chain);
        match zone {
            Some(zone) if extended.is_ok() && question.restarts <= RESTARTS => {
                question.zone = zone;
                question.uncached |= self.table.is_uncached(zone);
                question.target.set_lower(&self.normalizer.target);
                question.start_over();
                self.choose(id, now);
            }
            _ => self.fail(id),
        }
    }
}

fn composer<'a>(
    question: &'a Question,
    message: &'a [u8],
    reply: &'a Reply,
    answer: &'a Normalizer,
    options: &Options,
    rdata: &'a mut [u8],
) -> Composer<'a> {
    let target = Target {
        name: &question.name,
        asked: &question.target,
        qtype: question.qtype,
        dnssec_ok: question.dnssec_ok,
        minimal: options.minimal_responses,
    };
    Composer { message, reply, answer, target, rdata }
}
