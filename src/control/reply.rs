//! The text of a reply, limited in size.

use crate::sys::memory;
use crate::words::printable;
use std::fmt::{self, Write};

/// Text on its way to a client. What is beyond the room replaces the whole by one error line.
pub(super) struct Reply {
    text: Vec<u8>,
    room: usize,
    overflow: bool,
}

impl Reply {
    /// A reply of at most `room` octets.
    pub(super) fn new(room: usize) -> Reply {
        Reply { text: Vec::new(), room, overflow: false }
    }

    /// Adds one line.
    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a reply does not fail: what does not fit is remembered and told in `finish`.
        let _ = self.write_fmt(line);
        let _ = self.write_char('\n');
    }

    /// Adds a line for each number, `prefix` before its name.
    pub(super) fn numbers(&mut self, prefix: &str, lines: &[(&str, u64)]) {
        for (name, number) in lines {
            self.line(format_args!("{prefix}{name}={number}"));
        }
    }

    /// Adds `ok`, or `error` with its reason; a reason that starts with a colon is put right behind the word, as Unbound
    /// has it in places.
    pub(super) fn result(&mut self, result: Result<(), String>) {
        match result {
            Ok(()) => self.line(format_args!("ok")),
            Err(reason) => self.error(&reason),
        }
    }

    /// Adds `error` with its reason, made one line.
    pub(super) fn error(&mut self, reason: &str) {
        let space = if reason.starts_with(':') { "" } else { " " };
        self.line(format_args!("error{space}{}", reason.replace(['\n', '\r'], " ")));
    }

    /// The octets to send.
    pub(super) fn finish(self) -> Vec<u8> {
        if self.overflow {
            let room = self.room;
            return format!("error the reply is longer than the {room} octets kept for it, or than memory allows\n")
                .into_bytes();
        }
        self.text
    }
}

impl Write for Reply {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The client's terminal obeys nothing that stands in a name.
        let text = printable(text);
        let fits = self.text.len() + text.len() <= self.room;
        if !fits || memory::reserve(&mut self.text, text.len()).is_err() {
            self.overflow = true;
            self.text = Vec::new();
        }
        if !self.overflow {
            self.text.extend_from_slice(text.as_bytes());
        }
        Ok(())
    }
}
