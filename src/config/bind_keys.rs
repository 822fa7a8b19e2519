//! `trusted-keys-file:`, the clauses of BIND 9's named.conf that name trust anchors: `trusted-keys`, `managed-keys` and
//! `trust-anchors`. All else in such a file is passed over.

use super::anchor_files::{Found, of_record};
use super::master::Flaw;
use super::record::Record;
use crate::validate::anchors::AnchorRecord;
use std::iter::Peekable;

/// The clauses.
const CLAUSES: [&str; 3] = ["trusted-keys", "managed-keys", "trust-anchors"];

/// A part of the file, with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Open,
    Close,
    End,
    Word(String),
}

/// The anchors of a file. Those that BIND would have follow RFC 5011 stay as they are, like the others.
pub(super) fn read(text: &[u8]) -> Found<Vec<AnchorRecord>> {
    let mut found = Found::default();
    let text = String::from_utf8_lossy(text);
    let mut parts = Parts { rest: &text, line: 1 }.peekable();
    while let Some((_, part)) = parts.next() {
        let is_clause = matches!(&part, Part::Word(word) if CLAUSES.contains(&word.as_str()));
        if is_clause && matches!(parts.peek(), Some((_, Part::Open))) {
            parts.next();
            clause(&mut parts, &mut found);
        }
    }
    found
}

/// The statements of a clause, to its end.
fn clause(parts: &mut Peekable<Parts<'_>>, found: &mut Found<Vec<AnchorRecord>>) {
    let mut words = Vec::new();
    let mut last = 1;
    for (line, part) in parts {
        last = line;
        match part {
            Part::Word(word) => words.push((line, word)),
            Part::End if words.is_empty() => (),
            Part::End => match anchor(&words) {
                Ok(anchor) => {
                    found.found.push(anchor);
                    words.clear();
                }
                Err(cause) => {
                    found.passed_over.push((words[0].0, cause));
                    words.clear();
                }
            },
            Part::Close if words.is_empty() => return,
            Part::Close => {
                found.passed_over.push((words[0].0, "a key that has no ; behind it".into()));
                return;
            }
            Part::Open => found.passed_over.push((line, "a { within the clause".into())),
        }
    }
    let flaw: Flaw = (last, "the file ends within the clause, which has no }".into());
    found.passed_over.push(flaw);
}

/// `name 257 3 8 "key"`, with a word before the numbers that says what they are.
fn anchor(words: &[(usize, String)]) -> Result<AnchorRecord, String> {
    let mut words = words.iter().map(|(_, word)| word.as_str()).peekable();
    let name = words.next().unwrap_or_default();
    let rtype = match words.peek() {
        Some(&("static-ds" | "initial-ds")) => "DS",
        _ => "DNSKEY",
    };
    words.next_if(|word| ["static-ds", "initial-ds", "static-key", "initial-key"].contains(word));
    let data: Vec<&str> = words.flat_map(str::split_whitespace).collect();
    let mut record = Record::default();
    record.read(format!("{name} {rtype} {}", data.join(" ")).as_bytes())?;
    of_record(&record)
}

/// Splits the text, comments left out.
struct Parts<'a> {
    rest: &'a str,
    line: usize,
}

impl Parts<'_> {
    /// Passes over so many octets.
    fn skip(&mut self, octets: usize) {
        let (skipped, rest) = self.rest.split_at(octets);
        self.line += skipped.bytes().filter(|&byte| byte == b'\n').count();
        self.rest = rest;
    }

    /// Passes over blanks and comments.
    fn skip_blanks(&mut self) {
        loop {
            let text = self.rest;
            let until = |end: &str, from: usize| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
            let octets = match text.len() - text.trim_start().len() {
                0 if text.starts_with('#') || text.starts_with("//") => until("\n", 0),
                0 if text.starts_with("/*") => until("*/", 2),
                0 => return,
                blanks => blanks,
            };
            self.skip(octets);
        }
    }
}

impl Iterator for Parts<'_> {
    type Item = (usize, Part);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blanks();
        let (text, line) = (self.rest, self.line);
        let (octets, part) = match text.chars().next()? {
            '{' => (1, Part::Open),
            '}' => (1, Part::Close),
            ';' => (1, Part::End),
            '"' => {
                let inner = &text[1..];
                let end = inner.find('"').unwrap_or(inner.len());
                ((end + 2).min(text.len()), Part::Word(inner[..end].to_owned()))
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '"' | '#');
                let end = text.find(ends).unwrap_or(text.len());
                (end, Part::Word(text[..end].to_owned()))
            }
        };
        self.skip(octets);
        Some((line, part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AwEAAc3Z5DQDJpH4oPdNtC4BUQHk50XMD+dHr4r8psHmivIa83hxR5CRgCtd9sENCW9Ae8OIO19xw9t/RPaEAqQa+OE=";

    #[test]
    fn all_clauses_of_all_versions_of_bind_are_read() {
        let text = format!(
            "options {{ directory \"/x\"; }}; // trusted-keys {{ }}\n/* trusted-keys {{\n */ trusted-keys {{\n\
             example.com. 257 3 5 \"{}\n {}\";\n \"Other.example\" 257 3 5 \"{KEY}\"; # end\n}};\n\
             managed-keys {{ . initial-key 257 3 5 \"{KEY}\"; }};\n\
             trust-anchors {{ . static-ds 20326 8 2 \"E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8 EC8D\";\n\
             a. static-key 257 3 5 \"{KEY}\"; b. initial-ds 1 8 1 \"00000000000000000000000000000000000000ff\"; }};\n",
            &KEY[..40],
            &KEY[40..]
        );
        let found = read(text.as_bytes());
        assert_eq!(found.passed_over, []);
        let zones: Vec<(&[u8], u16)> = found.found.iter().map(|anchor| (&anchor.zone[..], anchor.rtype)).collect();
        assert_eq!(
            zones,
            [
                (&b"\x07example\x03com\0"[..], 48),
                (b"\x05other\x07example\0", 48),
                (b"\0", 48),
                (b"\0", 43),
                (b"\x01a\0", 48),
                (b"\x01b\0", 43)
            ]
        );
        assert_eq!(found.found[0].data, found.found[1].data);
        assert_eq!(found.found[3].key_tag(), 20326);
    }

    #[test]
    fn what_is_wrong_costs_itself_alone() {
        let text = format!(
            "trusted-keys {{\n a. 257 3 5;\n b. 257 3 5 \"{KEY}\";\n c. x 3 5 \"{KEY}\";\n d. 257 3 5 \"{KEY}\"\n}};\n"
        );
        let found = read(text.as_bytes());
        assert_eq!(found.found.iter().map(|anchor| &anchor.zone[..]).collect::<Vec<_>>(), [b"\x01b\0"]);
        assert_eq!(found.passed_over.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4, 5]);
        let cut = read(b"trusted-keys {\n");
        assert!(cut.found.is_empty() && cut.passed_over[0].1.contains("no }"), "{cut:?}");
    }
}
