//! Taking entries out of both caches: the resolver's first, so that nobody who asks the worker afterwards gets from there what
//! is to be gone, then the worker's.

use super::Program;
use crate::answer::cache::Flush as Answers;
use crate::control::Flushed;
use crate::dns::Name;
use crate::resolve::{self, Flush as Known};
use crate::serve::worker::{Command, Done};

/// The entries of both caches.
fn sum(known: resolve::Flushed, answers: u64) -> Flushed {
    Flushed { rrsets: known.rrsets, messages: known.messages + answers, keys: known.keys }
}

impl Program {
    /// Takes out what is kept for a name: all types, or one.
    ///
    /// # Errors
    /// Either thread does not answer in time, or does so late.
    pub(super) fn flush_name(&mut self, name: &Name, rtype: Option<u16>) -> Result<Flushed, String> {
        self.threads.orders.settle()?;
        let known = self.threads.resolver.flush_name(name, rtype)?;
        let answers = Answers::Name { name: name.to_lower(), qtype: rtype, below: false };
        Ok(sum(known, self.flush_answers(answers)?))
    }

    /// Takes out what is kept at and below a zone.
    ///
    /// # Errors
    /// As [`Self::flush_name`].
    pub(super) fn flush_below(&mut self, zone: &Name) -> Result<Flushed, String> {
        if *zone == Name::ROOT {
            return self.clear_caches();
        }
        let answers = Answers::Name { name: zone.to_lower(), qtype: None, below: true };
        self.flush_by_walks(Known::Zone(*zone), answers)
    }

    /// Takes out denials and failures.
    ///
    /// # Errors
    /// As [`Self::flush_name`].
    pub(super) fn flush_denials(&mut self) -> Result<Flushed, String> {
        self.flush_by_walks(Known::Negative, Answers::Negative)
    }

    /// Takes out what failed to validate, and what was told unchecked.
    ///
    /// # Errors
    /// As [`Self::flush_name`].
    pub(super) fn flush_failed(&mut self) -> Result<Flushed, String> {
        self.flush_by_walks(Known::Bogus, Answers::Bogus)
    }

    fn flush_by_walks(&mut self, known: Known, answers: Answers) -> Result<Flushed, String> {
        self.threads.orders.settle()?;
        let known = self.threads.resolver.flush(known)?;
        Ok(sum(known, self.flush_answers(answers)?))
    }

    /// Takes everything out of both.
    ///
    /// # Errors
    /// As [`Self::flush_name`], or there is no memory for empty ones.
    pub(super) fn clear_caches(&mut self) -> Result<Flushed, String> {
        self.threads.orders.settle()?;
        let (index, empty) = (self.threads.empty_index()?, self.threads.empty_known()?);
        let known = self.threads.resolver.clear(empty)?;
        self.threads.orders.begin_epoch();
        match self.threads.orders.ask(Command::Clear(index))? {
            Done::Cleared(entries, _index) => Ok(sum(known, entries)),
            _ => Ok(sum(known, 0)),
        }
    }

    /// Takes entries out of the worker's cache; gives their number.
    fn flush_answers(&mut self, flush: Answers) -> Result<u64, String> {
        self.threads.orders.begin_epoch();
        match self.threads.orders.ask(Command::Flush(flush))? {
            Done::Flushed(entries) => Ok(entries),
            _ => Ok(0),
        }
    }
}
