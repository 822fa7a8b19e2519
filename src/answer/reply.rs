//! Writing a reply over the query it answers.

use super::cache::Answer;
use crate::dns::body::{self, Counts};
use crate::dns::cookie;
use crate::dns::edns::{self, Edns, ExtendedError};
use crate::dns::header::{self, flag};
use crate::dns::question::Question;
use crate::dns::record::Record;
use crate::dns::{rcode, rtype};
use std::sync::Arc;

/// What a reply needs to know of its query.
pub(super) struct Asked<'a> {
    /// The query's flags word.
    pub flags: u16,
    /// Octets of header and question.
    pub end: usize,
    /// The query's OPT record.
    pub edns: Option<Edns>,
    /// Longest reply in octets.
    pub limit: usize,
    /// What our OPT records advertise.
    pub edns_buffer_size: u16,
    /// Octets of an OPT record with the options that there must be room for.
    opt_len: usize,
    /// See [`Self::tell_nsid`].
    nsid: Option<Arc<[u8]>>,
    /// The reply has no OPT record, whatever the query has.
    pub no_opt: bool,
    /// See [`Self::tell_cookie`].
    cookie: Option<&'a CookieOption>,
    /// See [`Self::tell_keepalive`].
    keepalive: Option<u16>,
    /// What is told beside the response code, as far as there is room.
    pub error: Option<ExtendedError>,
}

/// The option with a cookie as it is sent, code and length at its front.
pub type CookieOption = [u8; edns::OPTION + cookie::WHOLE];

impl<'a> Asked<'a> {
    /// Without a question that can be read, the reply has none.
    pub(super) fn new(flags: u16, question: Option<Question>, edns_buffer_size: u16) -> Asked<'a> {
        let end = question.map_or(header::LEN, |question| question.end());
        let opt_len = edns::LEN;
        let (edns, nsid, cookie, keepalive, error) = (None, None, None, None, None);
        Asked { flags, end, edns, limit: 512, edns_buffer_size, opt_len, nsid, no_opt: false, cookie, keepalive, error }
    }

    /// Has the reply to a query that asks for it bring the option NSID, code and length at its front.
    pub(super) fn tell_nsid(&mut self, option: &Arc<[u8]>) {
        self.opt_len += option.len();
        self.nsid = Some(Arc::clone(option));
    }

    /// Has the reply bring a cookie.
    pub(super) fn tell_cookie(&mut self, option: &'a CookieOption) {
        self.opt_len += option.len();
        self.cookie = Some(option);
    }

    /// Has the reply say for how many tenths of a second its connection may be idle.
    pub(super) fn tell_keepalive(&mut self, tenths: u16) {
        self.opt_len += edns::OPTION + size_of::<u16>();
        self.keepalive = Some(tenths);
    }

    /// Octets an OPT record will take; none where even an empty reply would have no room for it.
    fn reserved(&self) -> usize {
        if self.edns.is_some() && !self.no_opt && self.limit >= header::LEN + self.opt_len { self.opt_len } else { 0 }
    }

    /// Room for records behind the question.
    fn room(&self, message: &[u8]) -> usize {
        (self.limit.min(message.len())).saturating_sub(self.end + self.reserved())
    }

    /// Completes header and OPT around `len` octets of records that stand behind the question; gives the reply's length.
    fn complete(&self, message: &mut [u8], extra: u16, rcode: u16, mut counts: Counts, len: usize) -> usize {
        if self.end > self.limit {
            return truncated_header(message, self.flags, rcode);
        }
        let mut end = self.end + len;
        if let Some(edns) = self.edns
            && self.reserved() > 0
            && let room = self.limit.min(message.len())
            && end + self.opt_len <= room
        {
            edns::write(message, end, self.edns_buffer_size, rcode, edns.bits & edns::DO);
            end = match (self.opt_len, self.error) {
                (edns::LEN, None) => end + edns::LEN,
                _ => self.append_options(message, end, room),
            };
            counts[2] += 1;
        }
        let copied = self.flags & (header::OPCODE_BITS | flag::RD | flag::CD);
        let questions = u16::from(self.end > header::LEN);
        // Where no question can be read, nothing is said of recursion, as by Unbound.
        let available = if questions == 0 { 0 } else { flag::RA };
        header::set_flags(message, flag::QR | available | extra | copied | rcode & 0xf);
        header::set_counts(message, [questions, counts[0], counts[1], counts[2]]);
        end
    }

    /// Appends the options of the OPT record at `opt`, behind which the message ends: those for which there is room,
    /// and the error as far as there is. Gives the reply's length.
    #[cold]
    fn append_options(&self, message: &mut [u8], opt: usize, room: usize) -> usize {
        let end = opt + self.opt_len;
        if let Some(cookie) = self.cookie {
            edns::append(message, opt, cookie);
        }
        if let Some(nsid) = &self.nsid {
            edns::append(message, opt, nsid);
        }
        if let Some(tenths) = self.keepalive {
            let [high, low] = tenths.to_be_bytes();
            edns::append(message, opt, &[0, edns::KEEPALIVE as u8, 0, 2, high, low]);
        }
        end + self.error.map_or(0, |error| error.append(message, opt, room - end))
    }

    /// A reply without records.
    pub(super) fn empty(&self, message: &mut [u8], extra: u16, rcode: u16) -> usize {
        self.complete(message, extra, rcode, [0; 3], 0)
    }

    /// A reply with one rendered RRset (owner: pointer to the question) in the answer section.
    pub(super) fn rendered(&self, message: &mut [u8], octets: &[u8], records: u16, rotate: u16) -> usize {
        if octets.len() > self.room(message) {
            return self.empty(message, flag::AA | flag::TC, rcode::NOERROR);
        }
        let place = &mut message[self.end..self.end + octets.len()];
        if records > 1 && rotate > 0 {
            rotate_into(place, octets, records, rotate);
        } else {
            place.copy_from_slice(octets);
        }
        self.complete(message, flag::AA, rcode::NOERROR, [records, 0, 0], octets.len())
    }

    /// A negative reply with a rendered SOA record, whose owner is the suffix of the question `owner_len` octets long.
    pub(super) fn negative(&self, message: &mut [u8], rcode: u16, soa: &[u8], owner_len: usize) -> usize {
        if soa.len() > self.room(message) {
            return self.empty(message, flag::AA | flag::TC, rcode);
        }
        message[self.end..self.end + soa.len()].copy_from_slice(soa);
        let owner = (self.end - body::QUESTION_FIXED).saturating_sub(owner_len);
        crate::dns::put_u16(message, self.end, 0xc000 | owner as u16);
        if owner_len == 1 {
            // The root has no label to point to; a pointer to its zero octet is as good.
            crate::dns::put_u16(message, self.end, 0xc000 | (self.end - body::QUESTION_FIXED - 1) as u16);
        }
        self.complete(message, flag::AA, rcode, [0, 1, 0], soa.len())
    }

    /// A reply with an answer's records, `age` seconds taken from their TTLs, their RRsets rotated by `rotate` when
    /// they have several records.
    #[inline]
    pub(super) fn answer(
        &self,
        message: &mut [u8],
        extra: u16,
        answer: Answer<'_>,
        age: u32,
        rotate: Option<u16>,
    ) -> usize {
        let Answer { rcode, counts, body, .. } = answer;
        if body.len() > self.room(message) {
            return self.cut(message, extra, answer, age, rotate);
        }
        self.copy(message, body, counts, age, rotate);
        self.complete(message, extra, rcode, counts, body.len())
    }

    #[inline]
    fn copy(&self, message: &mut [u8], body: &[u8], counts: Counts, age: u32, rotate: Option<u16>) {
        let place = &mut message[self.end..self.end + body.len()];
        match rotate {
            None => place.copy_from_slice(body),
            Some(rotate) => {
                for set in body::rrsets(body, counts) {
                    let (to, from) = (&mut place[set.octets.clone()], &body[set.octets]);
                    if set.records > 1 { rotate_into(to, from, set.records, rotate) } else { to.copy_from_slice(from) }
                }
            }
        }
        body::age(place, body::records(counts), age);
    }

    /// As [`Self::answer`] for what does not fit: whole RRsets as far as they go, and TC unless only additional ones
    /// are missing (RFC 2181 section 9).
    fn cut(&self, message: &mut [u8], extra: u16, answer: Answer<'_>, age: u32, rotate: Option<u16>) -> usize {
        let room = self.room(message);
        let mut counts = [0; 3];
        let mut len = 0;
        let mut truncated = 0;
        for set in body::rrsets(answer.body, answer.counts) {
            if set.octets.end > room {
                truncated = if set.section < 2 { flag::TC } else { 0 };
                break;
            }
            len = set.octets.end;
            counts[set.section] += set.records;
        }
        self.copy(message, &answer.body[..len], counts, age, rotate);
        self.complete(message, extra | truncated, answer.rcode, counts, len)
    }
}

/// Cuts a finished reply down to header with TC, question and OPT: its way turned out to be too narrow for it (RFC 9715
/// section 3.1). Gives its length; what is no whole message stays as it is.
pub fn shorten(reply: &mut [u8]) -> usize {
    let Some(question) = Question::parse(reply) else { return reply.len() };
    let [_, counts @ ..] = header::counts(reply);
    let (mut at, mut opt) = (question.end(), None);
    for _ in 0..body::records(counts) {
        let Some(record) = Record::at(reply, at) else { return reply.len() };
        at = record.end();
        if record.rtype == rtype::OPT {
            opt = Some(record.owner..at);
        }
    }
    let flags = header::flags(reply) | flag::TC;
    header::set_flags(reply, flags);
    header::set_counts(reply, [1, 0, 0, u16::from(opt.is_some())]);
    let end = question.end();
    let Some(opt) = opt else { return end };
    let len = opt.len();
    reply.copy_within(opt, end);
    end + len
}

/// A reply of the header alone with TC: there is no room for more. Only RD is copied.
pub(super) fn truncated_header(message: &mut [u8], flags: u16, rcode: u16) -> usize {
    header::set_flags(message, flag::QR | flag::TC | flags & flag::RD | rcode & 0xf);
    header::set_counts(message, [0; 4]);
    header::LEN
}

/// Copies an RRset's records starting from number `rotate` modulo their count, wrapping around.
fn rotate_into(to: &mut [u8], from: &[u8], records: u16, rotate: u16) {
    let skip = rotate % records;
    let mut at = 0;
    for _ in 0..skip {
        match Record::at(from, at) {
            Some(record) => at = record.end(),
            None => return to.copy_from_slice(from),
        }
    }
    let (front, back) = from.split_at(at);
    to[..back.len()].copy_from_slice(back);
    to[back.len()..].copy_from_slice(front);
}
