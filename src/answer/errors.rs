//! Error replies, and what they carry.

use super::answerer::{Answerer, Outcome};
use super::reply::Asked;
use crate::dns::edns::{Edns, ExtendedError};
use crate::dns::header;
use crate::dns::question::{self, Question};
use crate::dns::record::Record;

/// Questions and records of a broken query that are passed over on the way to its OPT record.
const PASSED_OVER: u32 = 8;

impl Answerer {
    /// An error reply to a query that is not looked at further, unless this second had too many.
    #[cold]
    pub(super) fn error(&mut self, message: &mut [u8], len: usize, code: u16, now: u32) -> Outcome {
        self.limited(now, |this| this.refusal(message, len, code, None))
    }

    /// The same outside the limit, perhaps with an extended error. It carries the question, and OPT when the query had it
    /// (RFC 6891 section 6.1.1), as far as they can be read.
    #[cold]
    pub(super) fn refusal(&self, message: &mut [u8], len: usize, code: u16, error: Option<ExtendedError>) -> Outcome {
        let mut asked = as_far_as_readable(&message[..len], self.policy.edns_buffer_size);
        asked.error = error;
        Outcome::Reply(asked.empty(message, 0, code))
    }

    /// An extended error where ede wants any.
    pub(super) fn extended(&self, error: ExtendedError) -> Option<ExtendedError> {
        self.policy.ede.then_some(error)
    }

    /// What `reply` decides, or a drop when this second had too many errors: so no loop of errors builds up.
    pub(super) fn limited(&mut self, now: u32, reply: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        if !self.errors.allows(now, self.policy.error_ratelimit) {
            self.stats.outcomes.errors_limited.add(1);
            self.stats.outcomes.dropped.add(1);
            return Outcome::Drop;
        }
        reply(self)
    }
}

/// `message` has a whole header.
fn as_far_as_readable(message: &[u8], edns_buffer_size: u16) -> Asked<'static> {
    // Several questions cannot be one, so none is carried.
    let question = if header::counts(message)[0] == 1 { Question::parse(message) } else { None };
    let mut asked = Asked::new(header::flags(message), question, edns_buffer_size);
    asked.edns = find_opt(message);
    asked
}

/// The first OPT record of the additional section.
fn find_opt(message: &[u8]) -> Option<Edns> {
    let [questions, answers, authorities, additionals] = header::counts(message).map(u32::from);
    let before = answers + authorities;
    if questions + before > PASSED_OVER {
        return None;
    }
    let mut at = header::LEN;
    for _ in 0..questions {
        at = question::skip(message, at)?;
    }
    for number in 0..(before + additionals).min(PASSED_OVER) {
        if number >= before
            && let Ok(edns) = Edns::parse(message, at)
        {
            return Some(edns);
        }
        at = Record::at(message, at)?.end();
    }
    None
}
