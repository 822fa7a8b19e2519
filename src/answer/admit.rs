//! What is looked at before any name: header and EDNS.

use super::answerer::{Answerer, Outcome, Via};
use super::reply::{Asked, truncated_header};
use crate::dns::edns::{Edns, NotEdns};
use crate::dns::header::{self, flag, opcode};
use crate::dns::{rcode, rtype};

impl Answerer {
    /// Header sanity before any name is looked at. `Err(None)`: drop.
    #[inline]
    pub(super) fn check_header(&self, message: &[u8]) -> Result<u16, Option<u16>> {
        if message.len() < header::LEN || self.policy.harden_large_queries && message.len() > 512 {
            return Err(None);
        }
        let flags = header::flags(message);
        if flags & flag::QR != 0 {
            return Err(None);
        }
        if flags & flag::TC != 0 {
            return Err(Some(rcode::FORMERR));
        }
        let opcode = header::opcode_of(flags);
        if opcode != opcode::QUERY && opcode != opcode::NOTIFY {
            return Err(Some(rcode::NOTIMP));
        }
        let [questions, answers, authorities, additionals] = header::counts(message);
        let notify_soa = opcode == opcode::NOTIFY && answers == 1;
        if questions != 1 || answers != 0 && !notify_soa || authorities != 0 || additionals > 1 {
            return Err(Some(rcode::FORMERR));
        }
        Ok(flags)
    }

    /// Takes over the OPT record and settles how long the reply may be.
    #[inline]
    pub(super) fn take_edns(
        &mut self,
        message: &mut [u8],
        edns: Result<Option<Edns>, NotEdns>,
        asked: &mut Asked,
        via: Via,
        now: u32,
    ) -> Result<(), Outcome> {
        let Ok(edns) = edns else {
            return Err(self.limited(now, |_| Outcome::Reply(asked.empty(message, 0, rcode::FORMERR))));
        };
        asked.edns = edns;
        let mut advertised = edns.map_or(512, |edns| edns.udp_size);
        let policy = &self.policy;
        if policy.harden_short_bufsize {
            advertised = advertised.max(512);
        }
        let path = match via {
            Via::Datagram(path) => path,
            Via::Stream => usize::from(u16::MAX),
        };
        let capped = if via == Via::Stream { u16::MAX } else { advertised.min(policy.max_udp_size) };
        asked.limit = usize::from(capped).min(path);
        if asked.edns.is_some_and(|edns| edns.version != 0) {
            return Err(self.limited(now, |_| Outcome::Reply(asked.empty(message, 0, rcode::BADVERS))));
        }
        if usize::from(capped) < header::LEN {
            return Err(self.limited(now, |_| Outcome::Reply(truncated_header(message, asked.flags, rcode::SERVFAIL))));
        }
        if let (Some(nsid), Some(edns)) = (&self.policy.nsid, asked.edns)
            && edns.asks_nsid(message)
        {
            asked.tell_nsid(nsid);
        }
        Ok(())
    }
}

/// Types that are no question to ask (RFC 5936 for transfers; RFC 6895 section 3.1 for the meta range).
pub(super) fn meta_type_error(qtype: u16) -> Option<u16> {
    match qtype {
        rtype::AXFR | rtype::IXFR => Some(rcode::REFUSED),
        rtype::OPT | rtype::TSIG | rtype::TKEY | rtype::MAILA | rtype::MAILB | 128..=248 => Some(rcode::FORMERR),
        _ => None,
    }
}
