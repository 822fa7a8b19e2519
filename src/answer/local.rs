//! What is answered without asking anybody: CHAOS names and local zones.

use super::alias;
use super::answerer::{Answerer, Event, Outcome, Query};
use super::cache::Answer;
use super::repeatable::Repeatable;
use super::zones::{self, Verdict, ZoneRef};
use crate::dns::edns::ExtendedError;
use crate::dns::header::{self, flag};
use crate::dns::{class, rcode, rtype};

/// What the local zones make of a question.
pub(super) enum Local {
    Decided(Outcome),
    /// The query's name is an alias; the CNAME's TTL.
    Alias(u32),
    Resolve,
}

impl Answerer {
    /// id.server., version.server. and their older names (RFC 4892).
    pub(super) fn chaos(&mut self, message: &mut [u8], query: &Query<'_>) -> Option<Outcome> {
        if !matches!(query.question.qtype, rtype::TXT | rtype::ANY) {
            return None;
        }
        let text = match self.scans.at(query.scan).lower() {
            b"\x02id\x06server\0" | b"\x08hostname\x04bind\0" => self.policy.identity.as_deref()?,
            b"\x07version\x06server\0" | b"\x07version\x04bind\0" => self.policy.version.as_deref()?,
            b"\x0btrustanchor\x07unbound\0" => {
                let texts = self.policy.anchors.as_ref()?;
                let answer = Answer::new(rcode::NOERROR, [texts.records, 0, 0], &texts.octets);
                return Some(Outcome::Reply(query.asked.answer(message, 0, answer, 0, None)));
            }
            _ => return None,
        };
        let text = &text[..text.len().min(255)];
        let mut record = [0u8; 12 + 256];
        record[..10].copy_from_slice(&[0xc0, 0x0c, 0, rtype::TXT as u8, 0, class::CH as u8, 0, 0, 0, 0]);
        record[11] = (text.len() + 1) as u8;
        record[10] = ((text.len() + 1) >> 8) as u8;
        record[12] = text.len() as u8;
        record[13..13 + text.len()].copy_from_slice(text);
        let answer = Answer::new(rcode::NOERROR, [1, 0, 0], &record[..13 + text.len()]);
        Some(Outcome::Reply(query.asked.answer(message, 0, answer, 0, None)))
    }

    pub(super) fn local(
        &mut self,
        message: &mut [u8],
        query: &mut Query<'_>,
        zone: ZoneRef,
        exact: Option<u32>,
    ) -> Local {
        let question = query.question;
        let policy = &*self.policy;
        let kind = policy.zones.zone_type(zone);
        if (zones::informs(kind) || policy.log_local_actions) && !query.replay {
            let name = &message[header::LEN..header::LEN + question.name_len];
            let event = Event::Zone(policy.zones.zone_name(zone), kind);
            self.events.event(event, query.client, name, question.qtype, question.qclass);
        }
        let asked = &query.asked;
        // Records of a reply that whoever asks the same may have again.
        let mut again = None;
        let reply = match policy.zones.verdict(zone, exact, question.qtype, query.udp) {
            Verdict::Resolve => return Local::Resolve,
            Verdict::Drop => {
                self.stats.outcomes.dropped.add(1);
                return Local::Decided(Outcome::Drop);
            }
            Verdict::Records(set) => {
                let rotate = if policy.rrset_roundrobin { header::id(message) } else { 0 };
                again = Some(set.records);
                asked.rendered(message, set.octets, set.records, rotate)
            }
            Verdict::Alias(set) => {
                match alias::scan_target(&mut self.alias, self.scans.at(query.scan).lower(), set, policy.hash_key) {
                    Some(ttl) => return Local::Alias(ttl),
                    None => {
                        let error = ExtendedError::other("DNAME expansion became too large");
                        query.asked.error = policy.ede.then_some(error);
                        query.asked.empty(message, flag::AA, rcode::YXDOMAIN)
                    }
                }
            }
            Verdict::Negative { nxdomain, soa } => {
                let code = if nxdomain { rcode::NXDOMAIN } else { rcode::NOERROR };
                again = Some(u16::from(soa.is_some()));
                match soa {
                    Some((set, owner_len)) => asked.negative(message, code, set.octets, owner_len),
                    None => asked.empty(message, flag::AA, code),
                }
            }
            Verdict::Refuse => asked.empty(message, flag::AA, rcode::REFUSED),
            Verdict::Truncate => asked.empty(message, flag::AA | flag::TC, rcode::NOERROR),
            Verdict::Null => {
                let len = if question.qtype == rtype::A { 4 } else { 16 };
                again = Some(1);
                let mut record = [0u8; 28];
                record[..12].copy_from_slice(&[0xc0, 0x0c, 0, question.qtype as u8, 0, 1, 0, 0, 0x0e, 0x10, 0, len]);
                asked.rendered(message, &record[..12 + usize::from(len)], 1, 0)
            }
        };
        self.stats.outcomes.cache_hits.add(u64::from(!query.replay));
        if let Some(records) = again.filter(|_| self.notes && !zones::informs(kind)) {
            // It holds until there is another policy.
            let noted = Repeatable::of(&query.asked, query.access, query.replay, u32::from(records));
            let rotates = records > 1 && self.policy.rrset_roundrobin;
            self.repeatable = noted.map(|noted| Repeatable { rotates, ..noted });
        }
        Local::Decided(Outcome::Reply(reply))
    }
}
