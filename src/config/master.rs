//! Files in master-file format (RFC 1035 section 5): entries, and the records that they stand for.

use super::record::Record;
use super::tokens::{Tokens, period};
use crate::dns::name_text::{self, NameBuf};

/// Line and cause.
pub(super) type Flaw = (usize, String);

/// A line, or those within parentheses as one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// The number of its first line.
    pub line: usize,
    /// Its text, without comments.
    pub text: Vec<u8>,
    /// What stands behind the first semicolon of its last line.
    pub comment: Vec<u8>,
    /// Its last line has an end: nothing of it was cut off.
    pub is_whole: bool,
}

/// The entries of a file.
pub(super) struct Entries<'a> {
    text: &'a [u8],
    line: usize,
}

impl<'a> Entries<'a> {
    /// Those of `text`.
    pub fn new(text: &'a [u8]) -> Self {
        Entries { text, line: 1 }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.text.is_empty() {
            return None;
        }
        let mut entry = Entry { line: self.line, ..Entry::default() };
        let (mut depth, mut quoted, mut comment, mut escaped) = (0u32, false, false, false);
        for (at, &byte) in self.text.iter().enumerate() {
            if byte == b'\n' {
                self.line += 1;
                if depth == 0 {
                    self.text = &self.text[at + 1..];
                    entry.is_whole = true;
                    return Some(if quoted {
                        Err((entry.line, "a quoted string has no end".into()))
                    } else {
                        Ok(entry)
                    });
                }
                (comment, escaped) = (false, false);
                entry.comment.clear();
                entry.text.push(b' ');
                continue;
            }
            match byte {
                _ if comment => {
                    entry.comment.push(byte);
                    continue;
                }
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = !quoted,
                b';' if !quoted => {
                    comment = true;
                    continue;
                }
                b'(' if !quoted => depth += 1,
                b')' if !quoted => match depth.checked_sub(1) {
                    Some(less) => depth = less,
                    None => {
                        let line = self.line;
                        self.skip_line(at);
                        return Some(Err((line, "a ) without its (".into())));
                    }
                },
                _ => {}
            }
            entry.text.push(byte);
        }
        self.text = &[];
        if depth > 0 || quoted {
            return Some(Err((entry.line, "the file ends within parentheses or quotes that begin here".into())));
        }
        Some(Ok(entry))
    }
}

impl Entries<'_> {
    /// Goes on behind the line that has the octet at `at`.
    fn skip_line(&mut self, at: usize) {
        let rest = self.text.get(at..).unwrap_or_default();
        let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |end| end + 1);
        self.text = &rest[end..];
        self.line += 1;
    }
}

/// What an entry means by what stood above it: the origin, and the last owner.
#[derive(Default)]
pub(super) struct Reader {
    origin: NameBuf,
    owner: NameBuf,
    ttl: Option<u32>,
}

impl Reader {
    /// Reads the record of an entry into `record`; `false` for an entry that has none.
    ///
    /// # Errors
    /// What is wrong. Later entries can be read all the same.
    pub fn read(&mut self, text: &[u8], record: &mut Record) -> Result<bool, String> {
        let mut tokens = Tokens::new(text);
        let Some(first) = tokens.next().transpose()? else { return Ok(false) };
        if first.text.starts_with(b"$") {
            let value = tokens.next().transpose()?.ok_or("a directive without a value")?;
            self.directive(&first.utf8()?.to_ascii_uppercase(), value.text)?;
            return Ok(false);
        }
        let mut line = Vec::with_capacity(text.len() + 16);
        let is_repeated = text.first().is_some_and(|first| matches!(first, b' ' | b'\t'));
        if !is_repeated {
            self.owner = self.name(first.text)?;
        } else if self.owner.is_empty() {
            return Err("there is no owner above that this record could have; write its name in front".into());
        }
        line.extend_from_slice(name_text::to_text(&self.owner).as_bytes());
        line.push(b' ');
        line.extend_from_slice(if is_repeated { text } else { tokens.rest() });
        record.read_with_ttl(&line, self.ttl)?;
        Ok(true)
    }

    fn directive(&mut self, word: &str, value: &[u8]) -> Result<(), String> {
        match word {
            "$ORIGIN" => self.origin = self.name(value)?,
            "$TTL" => {
                let text = String::from_utf8_lossy(value);
                self.ttl = Some(period(&text).ok_or_else(|| format!("{text:?} is no TTL"))?);
            }
            _ => return Err(format!("{word} is not taken here; write what it stands for")),
        }
        Ok(())
    }

    /// A name with the origin behind it unless it ends in a dot; letter case kept.
    fn name(&self, text: &[u8]) -> Result<NameBuf, String> {
        let origin: &[u8] = if self.origin.is_empty() { &[0] } else { &self.origin };
        let mut name = NameBuf::new();
        let is_whole = text.last() == Some(&b'.') && !text.ends_with(b"\\.");
        let long = || "name: longer than 255 octets".to_owned();
        if text == b"@" {
            name.try_extend_from_slice(origin).map_err(|_| long())?;
            return Ok(name);
        }
        name_text::parse(text, &mut name).map_err(|error| format!("name: {error}"))?;
        if !is_whole {
            name.pop();
            name.try_extend_from_slice(origin).map_err(|_| long())?;
        }
        Ok(name)
    }
}
