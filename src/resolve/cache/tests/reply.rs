//! Replies to be taken apart, and what is told of them.

use super::*;
use crate::dns::{get_u16, header, put_u16, rcode};
use crate::resolve::TtlLimits;
use crate::resolve::asked::{Asked, Scrub};
use crate::resolve::chain::{Composer, Target, Unwritable, Written};
use crate::resolve::normalize::{Normalizer, Verdict};
use crate::resolve::private::Private;
use crate::resolve::reply::Reply;

/// A reply under construction, names in full but for those of the question.
#[derive(Clone)]
pub struct Octets {
    pub message: Vec<u8>,
    pub name: Name,
    pub qtype: u16,
}

impl Octets {
    pub fn to(qname: &str, qtype: u16, flags: u16) -> Octets {
        let name = name(qname);
        let mut message = vec![0; header::LEN];
        header::set_flags(&mut message, header::flag::QR | header::flag::RA | flags);
        header::set_counts(&mut message, [1, 0, 0, 0]);
        message.extend_from_slice(name.as_wire());
        message.extend_from_slice(&qtype.to_be_bytes());
        message.extend_from_slice(&class::IN.to_be_bytes());
        Octets { message, name, qtype }
    }

    pub fn record(mut self, section: usize, owner: &str, rtype: u16, ttl: u32, data: &[u8]) -> Octets {
        let owner = name(owner);
        let is_asked = owner.as_wire() == self.name.as_wire() && owner.as_wire().len() > 1;
        let owner = if is_asked { b"\xc0\x0c" } else { owner.as_wire() };
        self.message.extend_from_slice(owner);
        self.message.extend_from_slice(&[rtype.to_be_bytes(), class::IN.to_be_bytes()].concat());
        self.message.extend_from_slice(&ttl.to_be_bytes());
        self.message.extend_from_slice(&(data.len() as u16).to_be_bytes());
        self.message.extend_from_slice(data);
        let count = get_u16(&self.message, 6 + 2 * section).unwrap();
        put_u16(&mut self.message, 6 + 2 * section, count + 1);
        self
    }
}

/// A reply that was judged.
pub struct Judged {
    pub octets: Octets,
    pub reply: Reply,
    pub normalizer: Normalizer,
    pub verdict: Verdict,
}

/// Judges a reply; `None` when it is malformed or no answer by its code.
pub fn judge(octets: Octets) -> Option<Judged> {
    let (mut reply, mut normalizer) = (Reply::new(8), Normalizer::new(11));
    reply.parse(&octets.message)?;
    if !matches!(reply.rcode, rcode::NOERROR | rcode::NXDOMAIN | rcode::YXDOMAIN) {
        return None;
    }
    let Octets { message, name, qtype } = &octets;
    let private = Private::default();
    let (zone, same_zone, scrub) = (&b"\0"[..], &|_: &[u8]| true, Scrub::default());
    let asked = Asked { name, qtype: *qtype, qclass: class::IN, zone, same_zone, private: &private, scrub };
    let verdict = normalizer.run(message, &mut reply, &asked, &TtlLimits::default());
    Some(Judged { octets, reply, normalizer, verdict })
}

impl Judged {
    pub fn source(&self) -> Source<'_> {
        let Judged { octets, reply, normalizer, .. } = self;
        Source { message: &octets.message, reply, answer: &normalizer.answer, asked: &octets.name }
    }

    pub fn key(&self) -> MessageKey<'_> {
        let (name, qtype) = (self.octets.name.as_wire(), self.octets.qtype);
        MessageKey { name, qtype, qclass: class::IN, checking_disabled: false }
    }

    /// Keeps its RRsets and its message.
    pub fn keep(&self, cache: &mut Cache, now: u32) -> bool {
        cache.keep(&self.key(), &self.source(), &Context::at(at(now)), &mut Learnt::default())
    }

    /// What is told of it at once.
    pub fn told(&self, dnssec_ok: bool, minimal: bool, out: &mut [u8]) -> Result<Written, Unwritable> {
        let Octets { message, name, qtype } = &self.octets;
        let target = Target { name, asked: *name, qtype: *qtype, dnssec_ok, minimal };
        let mut rdata = vec![0; 65535];
        let (reply, answer) = (&self.reply, &self.normalizer);
        Composer { message, reply, answer, target, rdata: &mut rdata }.answer(None, out)
    }
}
