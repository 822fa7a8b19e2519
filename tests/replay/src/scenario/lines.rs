//! The lines of a file, without comments and white space around them.

use super::Unreadable;

/// Goes through the lines of a file.
pub(super) struct Lines<'a> {
    all: Vec<&'a str>,
    /// Lines taken so far.
    taken: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Lines<'a> {
        Lines { all: text.lines().collect(), taken: 0 }
    }

    /// The next line as it stands.
    pub(super) fn raw(&mut self) -> Option<&'a str> {
        let line = *self.all.get(self.taken)?;
        self.taken += 1;
        Some(line)
    }

    /// The next line that says something: trimmed, what follows `;` left out.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        loop {
            let line = without_comment(self.raw()?).trim();
            if !line.is_empty() {
                return Some(line);
            }
        }
    }

    /// As it stands, up to a line that begins with `end`.
    ///
    /// # Errors
    /// When the file ends before.
    pub(super) fn up_to(&mut self, end: &str) -> Result<Vec<&'a str>, Unreadable> {
        let first = self.number();
        let mut found = Vec::new();
        while let Some(line) = self.raw() {
            if line.trim_start().starts_with(end) {
                return Ok(found);
            }
            found.push(line);
        }
        Err(Unreadable { line: first, cause: format!("no {end} follows") })
    }

    /// The number of the line that was taken last, from 1.
    pub(super) fn number(&self) -> usize {
        self.taken
    }

    /// What is wrong with the line that was taken last.
    pub(super) fn wrong(&self, cause: impl Into<String>) -> Unreadable {
        Unreadable { line: self.taken, cause: cause.into() }
    }
}

/// A comment begins with `;` outside of quotes.
pub(super) fn without_comment(line: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, octet) in line.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => return &line[..at],
            _ => {}
        }
    }
    line
}
