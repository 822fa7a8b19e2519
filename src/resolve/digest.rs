//! A reply without the server that sent it: whether it is one to its question, what it amounts to, what is told of it.
//!
//! [`super::judge`] goes by this, and so does [`Digester`], with one question, for fuzzing.

use super::asked::{Asked, Scrub};
use super::chain::{Composer, Target};
use super::classify::Class;
use super::held::Held;
use super::normalize::{Normalizer, Piece, Verdict};
use super::private::Private;
use super::question::Question;
use super::reply::Reply;
use super::{Iteration, Response, TtlLimits};
use crate::dns::Name;
use crate::dns::cause::{Cause, Why};
use crate::dns::name::{is_at_or_below, is_same};
use crate::dns::{get_u16, header, question, rcode};
use bytemuck::Zeroable;

/// How aliases are followed.
#[derive(Clone, Copy)]
pub(super) struct Following {
    /// `minimal-responses:`
    pub(super) minimal: bool,
    /// Alias targets asked for at most (`max-query-restarts:`).
    pub(super) restarts: u8,
}

/// True when `message` is a reply to a query and repeats the question, in letters of any case (RFC 4343), or has none. The ID and
/// the sender have been compared already.
pub(super) fn is_reply_to(message: &[u8], question: &Question) -> bool {
    if message.len() < header::LEN {
        return false;
    }
    let flags = header::flags(message);
    if flags & header::flag::QR == 0 || header::opcode_of(flags) != header::opcode::QUERY {
        return false;
    }
    match header::counts(message)[0] {
        // Of no use, but by ID and port it is the server's: another is asked at once.
        0 => true,
        1 => {
            let name = question.asked_name();
            let end = header::LEN + name.len();
            message.get(header::LEN..end).is_some_and(|repeated| is_same(repeated, name))
                && get_u16(message, end) == Some(question.asked_type())
                && get_u16(message, end + 2) == Some(question.qclass)
        }
        _ => false,
    }
}

/// True for the codes of a reply that says something of the name.
fn is_of_use(code: u16) -> bool {
    matches!(code, rcode::NOERROR | rcode::NXDOMAIN | rcode::YXDOMAIN)
}

/// The forward zone of a question and what is private to its clients; all as in [`Asked`].
pub(super) struct Served<'a> {
    pub(super) zone: &'a [u8],
    pub(super) same_zone: &'a dyn Fn(&[u8]) -> bool,
    pub(super) private: &'a Private,
    pub(super) scrub: Scrub,
}

/// Buffers for one reply at a time: it is read, then judged, then told or kept as a part of an alias chain.
pub(super) struct Digest {
    reply: Reply,
    normalizer: Normalizer,
    scratch: Box<[u8]>,
    rdata: Box<[u8]>,
    /// What was read last is whole.
    is_whole: bool,
}

impl Digest {
    pub(super) fn new(rules: &Iteration) -> Digest {
        Digest {
            reply: Reply::new(rules.signatures),
            normalizer: Normalizer::new(rules.aliases),
            scratch: vec![0; 65535].into_boxed_slice(),
            rdata: vec![0; 65535].into_boxed_slice(),
            is_whole: false,
        }
    }

    /// Goes on by other rules.
    pub(super) fn set_limits(&mut self, rules: &Iteration) {
        self.reply.set_limit(rules.signatures);
        self.normalizer.set_limit(rules.aliases);
    }

    /// Takes a reply apart; true when it is whole and its code says something of the name.
    pub(super) fn read(&mut self, message: &[u8]) -> bool {
        self.is_whole = self.reply.parse(message).is_some();
        self.is_whole && is_of_use(self.reply.rcode) && header::counts(message)[0] == 1
    }

    /// What is wrong with what was read last.
    pub(super) fn flaw(&self) -> Cause {
        match (self.is_whole, self.reply.rcode) {
            (false, _) => Cause::new(Why::Unreadable),
            (true, code) if is_of_use(code) => Cause::new(Why::Useless),
            (true, code) => Cause::code(code),
        }
    }

    /// True when what was read last is an error that a server without EDNS gives.
    pub(super) fn refuses_edns(&self) -> bool {
        matches!(self.reply.rcode, rcode::FORMERR | rcode::NOTIMP) && !self.reply.has_edns
    }

    /// What the reply that was read amounts to.
    pub(super) fn judge(
        &mut self,
        message: &[u8],
        question: &Question,
        Served { zone, same_zone, private, scrub }: Served<'_>,
        limits: &TtlLimits,
    ) -> Verdict {
        let (name, qtype, qclass) = (&question.target, question.qtype, question.qclass);
        let asked = Asked { name, qtype, qclass, zone, same_zone, private, scrub };
        self.normalizer.run(message, &mut self.reply, &asked, limits)
    }

    /// What the reply that was read amounts to, of a server that answers for a zone itself. `rules` end with whether it was
    /// asked to resolve.
    pub(super) fn classify(
        &mut self,
        message: &[u8],
        question: &Question,
        Served { zone, same_zone, private, scrub }: Served<'_>,
        rules: (&TtlLimits, &Iteration, bool),
    ) -> Class {
        let name = Name::from_wire(question.asked_name()).unwrap_or(Name::ROOT);
        let (qtype, qclass) = (question.asked_type(), question.qclass);
        let asked = Asked { name: &name, qtype, qclass, zone, same_zone, private, scrub };
        self.normalizer.run_authoritative(message, &mut self.reply, &asked, rules)
    }

    /// Room for a message, and for the data of one record.
    pub(super) fn buffers(&mut self) -> (&mut [u8], &mut [u8]) {
        (&mut self.scratch, &mut self.rdata)
    }

    /// The reply that was read, and room for the data of one record.
    pub(super) fn reply_and_room(&mut self) -> (&Reply, &mut [u8]) {
        (&self.reply, &mut self.rdata)
    }

    /// The reply that was judged, and its answer section.
    pub(super) fn parts(&self) -> (&Reply, &[Piece]) {
        (&self.reply, &self.normalizer.answer)
    }

    /// The reply that was judged, for who looks at single sets of it.
    pub(super) fn reply(&self) -> &Reply {
        &self.reply
    }

    /// Writes the answer of the reply that was judged; false when it cannot be written.
    pub(super) fn tell(&mut self, message: &[u8], question: &Question, minimal: bool, response: &mut Response) -> bool {
        let Digest { reply, normalizer: answer, scratch, rdata, .. } = self;
        let mut composer = Composer { message, reply, answer, target: target(question, minimal), rdata };
        let Ok(written) = composer.answer(question.chain.as_deref(), scratch) else { return false };
        response.rcode = reply.rcode;
        response.set_cause(question.remark(), &[]);
        response.ttl = if question.uncached { 0 } else { written.ttl };
        response.refresh_after = response.ttl - response.ttl / 10;
        response.set_body(&scratch[written.place], written.counts)
    }

    /// The answer of the reply that was judged, to be held; `None` when it cannot be written.
    pub(super) fn hold(&mut self, message: &[u8], question: &Question, minimal: bool) -> Option<Held> {
        let Digest { reply, normalizer: answer, scratch, rdata, .. } = self;
        let mut composer = Composer { message, reply, answer, target: target(question, minimal), rdata };
        let written = composer.answer(question.chain.as_deref(), scratch).ok()?;
        Held::new(scratch, &written, reply.rcode)
    }

    /// Keeps the aliases of the reply that was judged, and has the question go on with their end; false when it may not.
    pub(super) fn follow(&mut self, message: &[u8], question: &mut Question, how: Following) -> bool {
        let Digest { reply, normalizer: answer, scratch, rdata, .. } = self;
        let mut chain = question.chain.take().unwrap_or_default();
        let mut composer = Composer { message, reply, answer, target: target(question, how.minimal), rdata };
        let extended = composer.extend(&mut chain, scratch);
        question.chain = Some(chain);
        question.follow_alias(&answer.target);
        extended.is_ok() && question.restarts <= how.restarts
    }
}

fn target(question: &Question, minimal: bool) -> Target<'_> {
    let Question { name, qtype, .. } = question;
    let asked = Name::from_wire(question.asked_name()).unwrap_or(question.target);
    Target { name, asked, qtype: *qtype, dnssec_ok: question.writes_dnssec(), minimal }
}

/// One question and the replies to it, without servers and sockets: what fuzzing calls.
pub struct Digester {
    digest: Digest,
    question: Question,
    response: Box<Response>,
    limits: TtlLimits,
    private: Private,
}

impl Default for Digester {
    fn default() -> Self {
        let (response, limits) = (Box::new(Response::zeroed()), TtlLimits::default());
        // So that fuzzing comes to what takes addresses out.
        let private = Private::new([(std::net::IpAddr::from([10, 0, 0, 0]), 8)], []);
        Digester { digest: Digest::new(&Iteration::default()), question: Question::EMPTY, response, limits, private }
    }
}

impl Digester {
    /// What the worker is told of the question that the first of `replies` repeats. Each further reply is to the name
    /// that the alias chain has come to. `zone` is the forward zone's name, lower case. `None` when that is not
    /// the answer yet, or a reply is none to its question, or of no use: another server would be asked.
    pub fn run(&mut self, replies: &[&[u8]], zone: &[u8], dnssec_ok: bool, minimal: bool) -> Option<&Response> {
        let Digester { digest, question, response, limits, private } = self;
        let first = *replies.first()?;
        let asked = question::Question::parse(first)?;
        *question = Question::EMPTY;
        (question.qtype, question.qclass, question.dnssec_ok) = (asked.qtype, asked.qclass, dnssec_ok);
        question.name.set_wire_lower(first.get(header::LEN..header::LEN + asked.name_len)?);
        question.target.set_lower(&question.name);
        for message in replies {
            if !is_reply_to(message, question) || !digest.read(message) {
                return None;
            }
            let same_zone = &|name: &[u8]| is_at_or_below(name, zone);
            let served = Served { zone, same_zone, private, scrub: Scrub::default() };
            match digest.judge(message, question, served, limits) {
                Verdict::Answer => {
                    return digest.tell(message, question, minimal, response).then_some(&*self.response);
                }
                Verdict::Chase if digest.follow(message, question, Following { minimal, restarts: 11 }) => {}
                _ => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(name: &[u8], rtype: u8, data: &[u8]) -> Vec<u8> {
        let counts = [0, 1, 0, 1, 0, 0, 0, 0];
        let record = [0xc0, 12, 0, rtype, 0, 1, 0, 0, 0, 60, 0, data.len() as u8];
        [&[0, 0, 0x81, 0x80], &counts[..], name, &[0, 1, 0, 1], &record, data].concat()
    }

    #[test]
    fn an_alias_is_followed_through_further_replies() {
        let mut digester = Digester::default();
        let alias = reply(b"\x01a\0", 5, b"\x01b\0");
        let end = reply(b"\x01b\0", 1, &[192, 0, 2, 1]);
        let response = digester.run(&[&alias, &end], b"\0", false, true).expect("an answer");
        assert_eq!((response.rcode, response.counts, response.ttl), (rcode::NOERROR, [2, 0, 0], 60));
        assert!(response.body().ends_with(&[192, 0, 2, 1]));
        assert!(digester.run(&[&alias], b"\0", false, true).is_none(), "the end is missing");
        assert!(digester.run(&[&alias, &alias], b"\0", false, true).is_none(), "no reply to the second question");
        assert!(digester.run(&[&end], b"\0", false, true).is_some_and(|response| response.counts == [1, 0, 0]));
        let (query, cut) = ([&end[..2], &[1, 0], &end[4..]].concat(), &end[..end.len() - 1]);
        assert!(digester.run(&[&query], b"\0", false, true).is_none(), "no reply");
        assert!(digester.run(&[cut], b"\0", false, true).is_none(), "cut off");
    }
}
