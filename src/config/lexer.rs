//! Words of one configuration file, by the rules of Unbound's `util/configlexer.lex`.
//!
//! Two states as there: a keyword is wanted (it ends with a colon), or a value is. A `#` starts a comment only where a
//! word could start, so `192.0.2.1@853#dns.example` is one value. Quotes are single or double and hold no line end;
//! a `\` keeps the next character from ending a word and stays in it. One line is held at a time.

use std::io::{self, BufRead, Read};
use std::ops::Range;

/// Longest line. The longest record there is, 64 KiB of RDATA in hexadecimal, fits several times.
const MAX_LINE: usize = 1 << 20;

/// Why no word could be read. The rest of the line is to be skipped.
#[derive(Debug)]
pub(super) enum LexError {
    /// The file could not be read further.
    Io(io::Error),
    /// A line over [`MAX_LINE`].
    LineTooLong,
    /// A quote that does not end on its line.
    OpenQuote(char),
    /// A character that starts no word here.
    Stray(char),
    /// A word without the colon that makes it a directive.
    NoColon(String),
}

impl std::fmt::Display for LexError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LexError::Io(error) => write!(f, "cannot read on: {error}"),
            LexError::LineTooLong => {
                write!(f, "the line is longer than {MAX_LINE} bytes; break it up")
            }
            LexError::OpenQuote(quote) => {
                write!(f, "the value starts with {quote} but has no {quote} at its end; add it on the same line")
            }
            LexError::Stray(stray) => {
                write!(f, "stray {stray:?} where a directive should start; remove it or quote the whole value")
            }
            LexError::NoColon(word) => {
                write!(f, "expected a directive like \"port: 53\" but found {word:?} without a colon")
            }
        }
    }
}

/// Reads words off one file.
pub(super) struct Lexer {
    input: Box<dyn BufRead>,
    buffer: Vec<u8>,
    position: usize,
    line: u32,
}

impl Lexer {
    /// A lexer at the start of `input`.
    pub fn new(input: Box<dyn BufRead>) -> Self {
        Self { input, buffer: Vec::new(), position: 0, line: 0 }
    }

    /// The current line, from 1.
    pub fn line(&self) -> u32 {
        self.line.max(1)
    }

    /// The bytes of a word; valid until the next word is read.
    pub fn text(&self, word: Range<usize>) -> &[u8] {
        self.buffer.get(word).unwrap_or_default()
    }

    /// The next directive, without its colon; `None` at the end of the file.
    pub fn keyword(&mut self) -> Result<Option<Range<usize>>, LexError> {
        if !self.find_word()? {
            return Ok(None);
        }
        let start = self.position;
        let end = self.scan(|byte| matches!(byte, b':' | b'\'' | b'"' | b' ' | b'\t' | b'\r' | b'\n'));
        if end == start {
            return Err(LexError::Stray(char::from(self.buffer[start])));
        }
        if self.buffer.get(end) != Some(&b':') {
            return Err(LexError::NoColon(String::from_utf8_lossy(&self.buffer[start..end]).into_owned()));
        }
        self.position = end + 1;
        Ok(Some(start..end))
    }

    /// The next value, without its quotes; `None` at the end of the file.
    pub fn value(&mut self) -> Result<Option<Range<usize>>, LexError> {
        if !self.find_word()? {
            return Ok(None);
        }
        let quote = self.buffer[self.position];
        if !matches!(quote, b'"' | b'\'') {
            let start = self.position;
            let end = self.scan(|byte| matches!(byte, b'\'' | b'"' | b' ' | b'\t' | b'\r' | b'\n'));
            if end == start {
                return Err(LexError::Stray(char::from(self.buffer[start])));
            }
            return Ok(Some(start..end));
        }
        self.position += 1;
        let start = self.position;
        let end = self.scan(|byte| byte == quote || matches!(byte, b'\r' | b'\n'));
        if self.buffer.get(end) != Some(&quote) {
            return Err(LexError::OpenQuote(char::from(quote)));
        }
        self.position = end + 1;
        Ok(Some(start..end))
    }

    /// Drops the rest of the line.
    pub fn skip_line(&mut self) {
        self.position = self.buffer.len();
    }

    /// Moves to the first byte of the next word, over white space, comments and line ends.
    fn find_word(&mut self) -> Result<bool, LexError> {
        loop {
            match self.buffer.get(self.position) {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.position += 1,
                Some(b'#') => self.skip_line(),
                Some(_) => return Ok(true),
                None => {
                    if !self.next_line()? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Moves behind the last byte of a word; `ends` says which byte is none of its own.
    fn scan(&mut self, ends: impl Fn(u8) -> bool) -> usize {
        while let Some(&byte) = self.buffer.get(self.position) {
            if byte == b'\\' {
                match self.buffer.get(self.position + 1) {
                    Some(b'\n') | None => break,
                    Some(_) => self.position += 2,
                }
            } else if ends(byte) {
                break;
            } else {
                self.position += 1;
            }
        }
        self.position
    }

    fn next_line(&mut self) -> Result<bool, LexError> {
        self.buffer.clear();
        self.position = 0;
        let limit = MAX_LINE as u64 + 1;
        let read = (&mut self.input).take(limit).read_until(b'\n', &mut self.buffer).map_err(LexError::Io)?;
        self.line = self.line.saturating_add(u32::from(read > 0));
        if read > MAX_LINE {
            return Err(LexError::LineTooLong);
        }
        Ok(read > 0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lexer(text: &str) -> Lexer {
        Lexer::new(Box::new(io::Cursor::new(text.as_bytes().to_vec())))
    }

    fn keyword(lexer: &mut Lexer) -> String {
        let word = lexer.keyword().unwrap().unwrap();
        String::from_utf8(lexer.text(word).to_vec()).unwrap()
    }

    fn value(lexer: &mut Lexer) -> String {
        let word = lexer.value().unwrap().unwrap();
        String::from_utf8(lexer.text(word).to_vec()).unwrap()
    }

    #[test]
    fn a_hash_inside_a_value_is_part_of_it() {
        let mut lexer = lexer("forward-addr: 192.0.2.1@853#dns.example # a comment\n#c\nport:#c\n 53#x\n");
        assert_eq!(keyword(&mut lexer), "forward-addr");
        assert_eq!(value(&mut lexer), "192.0.2.1@853#dns.example");
        assert_eq!(keyword(&mut lexer), "port");
        assert_eq!(value(&mut lexer), "53#x");
        assert_eq!(lexer.line(), 4);
        assert!(lexer.keyword().unwrap().is_none());
    }

    #[test]
    fn both_quotes_hold_blanks_hashes_and_the_other_quote() {
        let mut lexer = lexer("a:\"x 'y' # z\"b:'t \"u\"'c: \"\" d:e\\ f");
        let mut words = Vec::new();
        for _ in 0..4 {
            words.push((keyword(&mut lexer), value(&mut lexer)));
        }
        let words: Vec<_> = words.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(words, [("a", "x 'y' # z"), ("b", "t \"u\""), ("c", ""), ("d", "e\\ f")]);
    }

    #[test]
    fn errors_leave_the_next_line_readable() {
        let mut lexer = lexer("port 53\nname: \"x\n\"stray\"\nport: 1\r\n");
        assert!(matches!(lexer.keyword(), Err(LexError::NoColon(word)) if word == "port"));
        lexer.skip_line();
        assert_eq!(keyword(&mut lexer), "name");
        assert!(matches!(lexer.value(), Err(LexError::OpenQuote('"'))));
        lexer.skip_line();
        assert!(matches!(lexer.keyword(), Err(LexError::Stray('"'))));
        lexer.skip_line();
        assert_eq!((keyword(&mut lexer), value(&mut lexer)), ("port".into(), "1".into()));
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lexer = Lexer::new(Box::new(io::BufReader::new(io::repeat(b'a'))));
        assert!(matches!(lexer.keyword(), Err(LexError::LineTooLong)));
    }
}
