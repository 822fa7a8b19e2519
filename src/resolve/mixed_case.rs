//! Names in letters of mixed case (draft-vixie-dnsext-dns0x20, `use-caps-for-id:`): bits that a forger has to guess, too, since
//! servers repeat a question as it came.
//!
//! Which letters are capitals follows from a key that nobody knows and from the query's ID and socket, so nothing of it has to be
//! kept. What comes in another case is not believed by itself: the question goes on in the case it has, and each server is asked
//! until so many replies that say the same have come as Unbound wants (the caps_fallback of its iterator.c), three for each
//! server. Where two differ it fails.

use super::caps::{Compared, mix};
use super::core::{Turn, bit};
use super::digest::Digest;
use super::tries::{Addressee, Try};
use super::world::World;
use crate::dns::cause::{Cause, Why};
use crate::dns::name::Name;
use crate::dns::record::{expand_rdata, layout, read_name};
use crate::dns::{header, rtype};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

/// Replies that must be equal, for each server.
const EQUAL: usize = 3;
/// Queries in vain after which the mixed case may be the cause.
const IN_VAIN: u8 = 3;

impl<W: World> Turn<'_, W> {
    /// Mixes the case of the name in the query that is written, where that is wanted; whether it was.
    pub(super) fn mix_case(&mut self, id: u32, socket: u16, message_id: u16) -> bool {
        let question = self.core.questions.get(id);
        if !self.core.options.caps.mixes(&question.target) || question.compared.is_some() {
            return false;
        }
        let end = header::LEN + question.asked_name().len();
        let query = (message_id, socket, self.core.sockets.serial(socket).unwrap_or(0));
        mix(&self.core.caps_key, query, &mut self.core.query[header::LEN..end]);
        true
    }

    /// A query was in vain: after some the case may be the cause.
    pub(super) fn doubt_the_case(&mut self, id: u32) {
        let question = self.core.questions.get(id);
        let is_over = question.sends >= IN_VAIN && question.compared.is_none();
        if is_over && self.core.options.caps.mixes(&question.target) {
            self.core.questions.get_mut(id).compared = Some(Compared::default());
        }
    }

    /// True when a reply repeats the name as it was sent. Of PTR it need not, as some firewalls change those.
    fn keeps_case(&self, id: u32, sent: &Try, message: &[u8]) -> bool {
        let question = self.core.questions.get(id);
        if question.asked_type() == rtype::PTR || header::counts(message)[0] == 0 {
            return true;
        }
        let mut name = Name::from_wire(question.asked_name()).unwrap_or(Name::ROOT);
        mix(&self.core.caps_key, (sent.id, sent.socket, sent.serial), name.as_wire_mut());
        message.get(header::LEN..).is_some_and(|rest| rest.starts_with(name.as_wire()))
    }

    /// As [`Self::judge`], where names are sent in mixed case.
    pub(super) fn judge_by_case(&mut self, id: u32, sent: &Try, message: &[u8]) {
        let is_kept = sent.asked.mixed && self.keeps_case(id, sent, message);
        // What is kept and told is in plain case.
        let mut plain = std::mem::take(&mut self.core.plain);
        plain.clear();
        plain.extend_from_slice(message);
        let len = self.core.questions.get(id).asked_name().len();
        if header::counts(message)[0] > 0 {
            plain.iter_mut().skip(header::LEN).take(len).for_each(u8::make_ascii_lowercase);
        }
        if is_kept {
            self.core.questions.get_mut(id).compared = None;
        }
        let is_plain = !sent.asked.mixed && self.core.questions.get(id).compared.is_none();
        if is_kept || is_plain || self.is_confirmed(id, sent.asked, &plain) {
            self.judge(id, sent.asked, &plain);
        }
        self.core.plain = plain;
    }

    /// Compares a reply whose case says nothing with those before; true when it may be judged. Otherwise the question has gone on,
    /// or has failed.
    fn is_confirmed(&mut self, id: u32, asked: Addressee, message: &[u8]) -> bool {
        let most = usize::from(self.core.options.iteration.sends / 2).max(1);
        let wanted = (EQUAL * self.core.seats(id).len()).min(most);
        let mut compared = self.core.questions.get(id).compared.unwrap_or_default();
        let is_of_use = self.core.digest.read(message);
        if !is_of_use && !asked.mixed {
            return true;
        }
        if is_of_use {
            let print = self.core.digest.fingerprint(message, &self.core.caps_key);
            match compared.first {
                Some(first) if first != print => {
                    self.blame(id, asked.server, Cause::new(Why::Differ));
                    self.fail(id);
                    return false;
                }
                _ => compared = Compared { first: Some(print), equal: compared.equal.saturating_add(1) },
            }
            if usize::from(compared.equal) >= wanted {
                self.core.questions.get_mut(id).compared = None;
                return true;
            }
        }
        self.stop_waiting(id);
        let all = self.core.seats(id).len() as u8;
        let question = self.core.questions.get_mut(id);
        question.compared = Some(compared);
        question.tried |= bit(asked.place);
        if (0..all).all(|place| (question.tried | question.failed) & bit(place) != 0) {
            question.tried = 0;
        }
        self.choose(id);
        false
    }
}

impl Digest {
    /// A number for what a reply says, whatever the order of its records, their TTLs and what comes beside: the answer, else the
    /// authority section.
    fn fingerprint(&mut self, message: &[u8], key: &RandomState) -> u64 {
        let (reply, rdata) = self.reply_and_room();
        let has_answer = reply.sets.iter().any(|set| set.section == 0);
        let wanted = reply.sets.iter().filter(|set| set.section == 0 || (set.section == 1 && !has_answer));
        let mut sum = key.hash_one(reply.rcode);
        for set in wanted {
            let owner = read_name(message, set.owner).map_or(Name::ROOT, |(owner, _)| owner.to_lower());
            for record in reply.records(set) {
                let mut hasher = key.build_hasher();
                (set.section, set.rtype, set.class, owner.as_wire()).hash(&mut hasher);
                match layout(set.rtype).and_then(|_| expand_rdata(message, record, rdata)) {
                    Some(len) => hasher.write(&rdata[..len].to_ascii_lowercase()),
                    None => hasher.write(message.get(record.rdata.clone()).unwrap_or_default()),
                }
                sum = sum.wrapping_add(hasher.finish());
            }
        }
        sum
    }
}
