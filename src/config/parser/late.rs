//! Lines whose files are read when all else was read: `directory:` may stand below them, as Unbound has it.

use super::Parser;
use crate::config::diagnostic::Location;
use crate::config::options::{Clause, OptionSpec};

/// Directives that name such files.
const READ_LAST: [&str; 5] =
    ["root-hints", "cookie-secret-file", "trust-anchor-file", "trusted-keys-file", "auto-trust-anchor-file"];

/// A line whose turn has not come.
pub(super) struct Late {
    spec: &'static OptionSpec,
    words: Vec<u8>,
    ends: [usize; 3],
    at: Location,
    clause: Option<Clause>,
}

impl Parser {
    /// Puts a line off until all was read; false where there is nothing to wait for.
    pub(super) fn put_off(&mut self, spec: &'static OptionSpec, words: &[u8], ends: &[usize; 3], at: Location) -> bool {
        let waits = !self.sealed && READ_LAST.contains(&spec.name);
        if waits {
            self.late.push(Late { spec, words: words.to_vec(), ends: *ends, at, clause: self.clause });
        }
        waits
    }

    /// Does what was put off, in the order of the lines.
    pub(super) fn catch_up(&mut self) {
        if self.place.base.as_os_str().is_empty() {
            // Nothing else is opened from here on.
            self.enter_directory();
        }
        for late in std::mem::take(&mut self.late) {
            self.clause = late.clause;
            self.apply_line(late.spec, &late.words, &late.ends, late.at);
        }
    }
}
