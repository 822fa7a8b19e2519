//! What is looked at before any name: header, EDNS, and how often the client asks.

use super::answerer::{Answerer, Event, Outcome, Via};
use super::clients::Place;
use super::keepalive::Keepalive;
use super::reply::{Asked, truncated_header};
use crate::dns::edns::{Edns, NotEdns};
use crate::dns::header::{self, flag, opcode};
use crate::dns::question::Question;
use crate::dns::{rcode, rtype};
use std::net::{IpAddr, SocketAddr};

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

    /// Counts a query where how often clients ask is limited; whether it goes on. What may have a cookie is counted once that
    /// has been looked at.
    #[cold]
    pub(super) fn may_come(&mut self, message: &[u8], client: SocketAddr, now: u32) -> bool {
        let may_have_cookie = self.policy.clients.cookies.is_some() && header::counts(message)[3] != 0;
        may_have_cookie || self.is_within_rate(message, client, false, now)
    }

    /// Counts a query, with a valid cookie or without; whether it goes on.
    pub(super) fn is_within_rate(&mut self, message: &[u8], client: SocketAddr, has_cookie: bool, now: u32) -> bool {
        let (Some(rules), Some(clients)) = (self.policy.clients.rates, &mut self.clients) else { return true };
        let (before, rate) = clients.count(client.ip(), now, rules.backoff);
        let limit = if has_cookie { rules.with_cookie } else { rules.limit };
        if limit == 0 || rate <= limit {
            return true;
        }
        let passes = !has_cookie && clients.happens(rules.factor);
        if before <= limit {
            let question = if header::counts(message)[0] == 1 { Question::parse(message) } else { None };
            let event = Event::Limited(limit, has_cookie);
            match question {
                Some(question) => self.event(event, message, question, client),
                None => self.events.event(event, client, &[], 0, 0),
            }
        }
        if !passes {
            self.stats.outcomes.rate_limited.add(1);
            self.stats.outcomes.dropped.add(1);
        }
        passes
    }

    /// Has one more query of a client wait for upstream, unless too many do. Whoever gets a place gives it back:
    /// [`Self::end_wait`].
    #[inline]
    pub(super) fn begin_wait(&mut self, client: SocketAddr, now: u32) -> Option<Place> {
        if self.policy.clients.waits.is_none() { Some(Place::NONE) } else { self.count_wait(client, now) }
    }

    fn count_wait(&mut self, client: SocketAddr, now: u32) -> Option<Place> {
        let rules = &self.policy.clients;
        let (Some(waits), Some(clients)) = (&rules.waits, &mut self.clients) else { return Some(Place::NONE) };
        let has_cookie = rules.cookies.is_some() && self.cookie.is_some_and(|kept| kept.is_valid);
        let limits = if has_cookie { &waits.with_cookie } else { &waits.all };
        let Some(most) = limits.at(client.ip()) else { return Some(Place::NONE) };
        let place = clients.begin_wait(client.ip(), most, now);
        if place.is_none() {
            self.stats.outcomes.wait_limited.add(1);
            self.stats.outcomes.dropped.add(1);
        }
        place
    }

    /// A query waits no more.
    #[inline]
    pub fn end_wait(&mut self, place: Place, client: SocketAddr) {
        if place != Place::NONE
            && let Some(clients) = &mut self.clients
        {
            clients.end_wait(place, client.ip());
        }
    }

    /// Whether nobody waits any more for an answer that took so many microseconds.
    #[inline]
    pub fn is_too_late(&self, waited: u64) -> bool {
        let after = self.policy.clients.discard_after;
        after != 0 && waited > after
    }

    /// Who asks how often, by [`super::clients::Clients::list`]; those alone that have asked at all.
    pub fn list_clients(&self, from: usize, now: u32, list: &mut Vec<(IpAddr, u32)>) -> Option<usize> {
        let backoff = self.policy.clients.rates.is_some_and(|rules| rules.backoff);
        self.clients.as_ref()?.list(from, (now, backoff, 0), list)
    }

    /// Takes over the OPT record and settles how long the reply may be.
    #[inline]
    pub(super) fn take_edns(
        &mut self,
        message: &mut [u8],
        edns: Result<Option<Edns>, NotEdns>,
        asked: &mut Asked<'_>,
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

    /// Has the reply to a query with an OPT record tell of its connection.
    #[cold]
    pub(super) fn tell_keepalive(
        &mut self,
        message: &mut [u8],
        asked: &mut Asked<'_>,
        keepalive: Keepalive,
        now: u32,
    ) -> Result<(), Outcome> {
        match keepalive {
            Keepalive::Silent => {}
            Keepalive::Timeout(tenths) => asked.tell_keepalive(tenths),
            Keepalive::Malformed => {
                return Err(self.limited(now, |_| Outcome::Reply(asked.empty(message, 0, rcode::FORMERR))));
            }
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
