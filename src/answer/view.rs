//! What is read from a query before anything is decided about it; and looking ahead in a batch: the tables' lines that its
//! queries will need are fetched while other queries are dealt with.
//!
//! With a hundred thousand answers or a million zones every look-up waits for main memory once or twice; a batch's waits
//! overlap. Small tables live in the core's caches, and looking ahead would only cost.

use super::cache::KeyFixed;
pub use super::scans::AHEAD;

use super::answerer::Answerer;
use super::scans::Scans;
use crate::dns::edns::{self, Edns, NotEdns};
use crate::dns::header::{self, flag};
use crate::dns::question::Question;
use crate::dns::record::Record;

/// A query as it was read: its question, its OPT record, its name scanned.
#[derive(Clone, Copy)]
pub struct View {
    pub(super) question: Question,
    pub(super) edns: Result<Option<Edns>, NotEdns>,
    /// Where the name was scanned to.
    pub(super) scan: u8,
}

/// A query that was looked at before it is decided, and where its answer will be looked for.
#[derive(Clone, Copy)]
pub struct Ahead {
    pub(super) view: View,
    name: u64,
    entry: u64,
}

/// Type, class, DO and CD: what an answer is kept under, beside the name.
#[inline]
pub(super) fn key(question: Question, edns: Option<Edns>, flags: u16) -> KeyFixed {
    let dnssec_ok = edns.is_some_and(|edns| edns.bits & edns::DO != 0);
    KeyFixed::new(question.qtype, dnssec_ok, flags & flag::CD != 0)
}

/// The OPT record, if the header counts one more record behind the question (and a NOTIFY's answer).
#[inline]
fn read_edns(message: &[u8], question: Question) -> Result<Option<Edns>, NotEdns> {
    let [_, answers, _, additionals] = header::counts(message);
    if additionals != 1 {
        return Ok(None);
    }
    let mut at = question.end();
    if answers == 1 {
        at = Record::at(message, at).map_or(message.len(), |record| record.end());
    }
    Edns::parse(message, at).map(Some)
}

impl Answerer {
    /// Reads question and OPT record of `message`, which is longer than a header. The name is scanned later, if at all.
    #[inline]
    pub(super) fn read(message: &[u8]) -> Option<View> {
        let question = Question::parse(message)?;
        Some(View { question, edns: read_edns(message, question), scan: Scans::OWN })
    }

    /// Scans the name of a query that nobody looked at before.
    #[inline]
    pub(super) fn scan_name(&mut self, message: &[u8], view: &View) {
        if view.scan == Scans::OWN {
            let name = &message[header::LEN..header::LEN + view.question.name_len];
            self.scans.at_mut(Scans::OWN).scan_whole(name, self.policy.hash_key);
        }
    }

    /// Whether the tables are large enough for looking ahead.
    pub fn looks_ahead(&self) -> bool {
        self.cache.is_large() || self.policy.zones.is_large()
    }

    /// First step: reads query number `place` of a batch and has the index lines fetched. `None` when there is no question, or
    /// no place. What it gives holds for [`Answerer::decide`] until the next query of that place.
    #[inline]
    pub fn look_ahead(&mut self, place: usize, message: &[u8]) -> Option<Ahead> {
        if place >= AHEAD || message.len() < header::LEN {
            return None;
        }
        let view = View { scan: place as u8, ..Self::read(message)? };
        let scan = self.scans.at_mut(view.scan);
        scan.scan_whole(&message[header::LEN..header::LEN + view.question.name_len], self.policy.hash_key);
        let name = scan.hash();
        self.policy.zones.prefetch_index(name);
        let key = key(view.question, view.edns.unwrap_or_default(), header::flags(message));
        Some(Ahead { view, name, entry: self.cache.prefetch_index(name, key) })
    }

    /// Second step, when the first has been done for the whole batch: has what the index lines lead to fetched.
    #[inline]
    pub fn look_closer(&self, ahead: &Ahead) {
        self.policy.zones.prefetch_node(ahead.name);
        self.cache.prefetch_entry(ahead.entry);
    }
}
