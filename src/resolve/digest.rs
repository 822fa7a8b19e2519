//! The judging of replies without servers and sockets: what fuzzing calls.

use super::chain::{Chain, Composer, Target};
use super::normalize::{Asked, Normalizer, Verdict};
use super::reply::Reply;
use super::{Response, TtlLimits};
use crate::dns::name::is_at_or_below;
use crate::dns::question::Question;
use crate::dns::{Name, header, rcode};
use bytemuck::Zeroable;

/// The buffers of a resolver, for one question at a time.
pub struct Digester {
    reply: Reply,
    normalizer: Normalizer,
    chain: Chain,
    scratch: Box<[u8]>,
    rdata: Box<[u8]>,
    response: Box<Response>,
    limits: TtlLimits,
}

impl Default for Digester {
    fn default() -> Self {
        Digester {
            reply: Reply::new(),
            normalizer: Normalizer::default(),
            chain: Chain::default(),
            scratch: vec![0; 65535].into_boxed_slice(),
            rdata: vec![0; 65535].into_boxed_slice(),
            response: Box::new(Response::zeroed()),
            limits: TtlLimits::default(),
        }
    }
}

impl Digester {
    /// What the worker is told of the question that the first of `replies` repeats. Each further reply is to the name
    /// that the alias chain has come to. `zone` is the forward zone's name, lower case. `None` when that is not
    /// the answer yet, or a reply is none to its question, or of no use: another server would be asked.
    pub fn run(&mut self, replies: &[&[u8]], zone: &[u8], dnssec_ok: bool, minimal: bool) -> Option<&Response> {
        let first = *replies.first()?;
        let question = Question::parse(first)?;
        let name = Name::from_wire(first.get(header::LEN..header::LEN + question.name_len)?)?;
        let mut asked = name;
        self.chain.clear();
        for (place, message) in replies.iter().enumerate() {
            if !repeats(message, &asked, &question) {
                return None;
            }
            self.reply.parse(message)?;
            if !matches!(self.reply.rcode, rcode::NOERROR | rcode::NXDOMAIN | rcode::YXDOMAIN) {
                return None;
            }
            let what = Asked {
                name: &asked,
                qtype: question.qtype,
                qclass: question.qclass,
                zone,
                same_zone: &|name| is_at_or_below(name, zone),
            };
            let verdict = self.normalizer.run(message, &mut self.reply, &what, &self.limits);
            let target = Target { name: &name, asked: &asked, qtype: question.qtype, dnssec_ok, minimal };
            let (reply, answer) = (&self.reply, &self.normalizer);
            let mut composer = Composer { message, reply, answer, target, rdata: &mut self.rdata };
            match verdict {
                Verdict::Useless => return None,
                Verdict::Chase => composer.extend(&mut self.chain, &mut self.scratch).ok()?,
                Verdict::Answer => {
                    let chain = (place > 0).then_some(&self.chain);
                    let written = composer.answer(chain, &mut self.scratch).ok()?;
                    let fits = self.response.set_body(&self.scratch[written.place], written.counts);
                    (self.response.rcode, self.response.ttl) = (self.reply.rcode, written.ttl);
                    return fits.then_some(&*self.response);
                }
            }
            asked = self.normalizer.target;
        }
        None
    }
}

/// `super::engine::is_reply_to` for a question that is in no table.
fn repeats(message: &[u8], name: &Name, question: &Question) -> bool {
    let end = header::LEN + name.as_wire().len();
    message.len() >= header::LEN
        && header::counts(message)[0] == 1
        && message.get(header::LEN..end) == Some(name.to_lower().as_wire())
        && Question::parse(message).is_some_and(|own| (own.qtype, own.qclass) == (question.qtype, question.qclass))
}
