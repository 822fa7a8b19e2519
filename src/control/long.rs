//! What may be longer than memory has room for: a cache dumped, a cache's text taken in. Both go a piece at a time.

use super::backend::Load;
use super::request::MAX_LINE;

/// A piece of a long reply as it is sent; an error is a line of its own.
pub(super) fn octets(piece: Result<String, String>) -> Vec<u8> {
    match piece {
        Ok(text) => text.into_bytes(),
        Err(reason) => error(&reason),
    }
}

fn error(reason: &str) -> Vec<u8> {
    format!("error {}\n", reason.replace(['\n', '\r'], " ")).into_bytes()
}

/// Lines of a cache's text on their way in.
pub(super) struct Loading {
    load: Box<dyn Load>,
    /// The start of a line whose end has not come.
    rest: Vec<u8>,
}

impl Loading {
    pub(super) fn new(load: Box<dyn Load>) -> Loading {
        Loading { load, rest: Vec::new() }
    }

    /// Octets held.
    pub(super) fn held(&self) -> usize {
        self.rest.capacity()
    }

    /// Takes octets in; the reply, once there is one to give.
    pub(super) fn feed(&mut self, octets: &[u8]) -> Option<Vec<u8>> {
        self.rest.extend_from_slice(octets);
        let Some(last) = memchr::memrchr(b'\n', &self.rest) else {
            let too_long = self.rest.len() > MAX_LINE;
            return too_long.then(|| error(&format!("a line is longer than {MAX_LINE} octets")));
        };
        let rest = self.rest.split_off(last + 1);
        let lines = std::mem::replace(&mut self.rest, rest);
        self.take(&lines)
    }

    /// The client has sent all it will; the reply.
    pub(super) fn end(&mut self) -> Vec<u8> {
        let lines = std::mem::take(&mut self.rest);
        let is_short = "the dump ends before its line EOF; what was read is kept";
        self.take(&lines).unwrap_or_else(|| error(is_short))
    }

    fn take(&mut self, lines: &[u8]) -> Option<Vec<u8>> {
        let Ok(lines) = std::str::from_utf8(lines) else { return Some(error("the dump is not UTF-8 text")) };
        match self.load.take(lines) {
            Ok(true) => Some(b"ok\n".to_vec()),
            Ok(false) => None,
            Err(reason) => Some(error(&reason)),
        }
    }
}
