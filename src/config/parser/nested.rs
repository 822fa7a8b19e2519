//! Files that other files include.

use super::Parser;
use crate::config::diagnostic::Location;
use crate::config::include;
use std::path::PathBuf;

/// What the kernel says when permissions, or the sandbox, forbid to open a file.
const EACCES: i32 = 13;
/// Deepest includes.
const MAX_DEPTH: usize = 64;

/// A file that an `include:` names and whose turn has not come: a pattern may name more files than can be open.
pub(super) struct Pending {
    path: PathBuf,
    toplevel: bool,
    /// The line that names it.
    from: Location,
    /// How many files are open when its turn comes.
    pub(super) depth: usize,
}

impl Parser {
    pub(super) fn include(&mut self, toplevel: bool, at: Location) {
        let mut pattern = Vec::new();
        if !self.read_value("include", at, &mut pattern) {
            return;
        }
        let pattern = String::from_utf8_lossy(&pattern).into_owned();
        if self.sealed {
            return self.error(at, format!("include: {pattern:?}: files are not read here"));
        }
        let files = match include::expand(&pattern, &self.place) {
            Ok(files) => files,
            Err(error) => {
                return self.error(at, format!("include: {pattern:?}: {error}{}", self.denied(&error)));
            }
        };
        if let Some(folder) = include::folder(&pattern, &self.place) {
            self.config.files.note_folder(folder);
        }
        if toplevel {
            self.clause = None;
        }
        let depth = self.sources.len();
        if depth >= MAX_DEPTH {
            return self.error(at, format!("include: more than {MAX_DEPTH} files deep; is there a loop of links?"));
        }
        // The last one pushed is the first one read.
        self.pending.extend(files.into_iter().rev().map(|path| Pending { path, toplevel, from: at, depth }));
    }

    pub(super) fn start_pending(&mut self) {
        let Some(Pending { path, toplevel, from, .. }) = self.pending.pop() else {
            return;
        };
        if self.sources.iter().any(|source| source.path == path) {
            return self.error(
                from,
                format!("include: {} is being read already, this is a loop; remove the line", path.display()),
            );
        }
        if toplevel {
            self.clause = None;
        }
        match self.open(&path) {
            Ok(input) => self.start(path, input, toplevel, from),
            Err(error) => {
                let why = self.denied(&error.to_string());
                self.error(from, format!("include: cannot open {}: {error}{why}", path.display()));
            }
        }
    }

    /// What to add to an error of the system when it may be the sandbox's doing.
    pub(super) fn denied(&self, error: &str) -> &'static str {
        if self.sandboxed && error.contains(&std::io::Error::from_raw_os_error(EACCES).to_string()) {
            "; the sandbox leaves the folders open that were named at the start: restart to name others (or sandbox: no)"
        } else {
            ""
        }
    }
}
