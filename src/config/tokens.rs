//! The words of a record's text.

/// Seconds from `3600`, `1h` or `1h30m` (RFC 2308 and BIND's master files); `None` when it is none or over 2^32 - 1.
pub(super) fn period(text: &str) -> Option<u32> {
    let mut total = 0u32;
    let mut number = None;
    for character in text.chars() {
        if let Some(digit) = character.to_digit(10) {
            number = Some(number.unwrap_or(0u32).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let unit = match character.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    if text.is_empty() { None } else { total.checked_add(number.unwrap_or(0)) }
}

/// A word of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    /// The bytes between blanks or quotes, escapes not yet undone.
    pub text: &'a [u8],
    /// Whether it stood in double quotes.
    pub quoted: bool,
}

impl<'a> Token<'a> {
    /// The token as text.
    pub fn utf8(&self) -> Result<&'a str, String> {
        std::str::from_utf8(self.text).map_err(|_| format!("{:?} is no text", String::from_utf8_lossy(self.text)))
    }
}

/// Words of a record: split at blanks, double quotes hold blanks, parentheses mean nothing, `;` ends the record.
#[derive(Clone)]
pub(super) struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    /// The words of `text`.
    pub fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    /// The text that was not split yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The number of bytes up to the first that `ends` names, `\` and what follows it skipped.
    fn scan(text: &[u8], ends: impl Fn(u8) -> bool) -> usize {
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            if ends(byte) {
                return at;
            }
            at += if byte == b'\\' { 2 } else { 1 };
        }
        text.len()
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Result<Token<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let blank = |byte: u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')');
        let start = self.rest.iter().position(|&byte| !blank(byte))?;
        self.rest = &self.rest[start..];
        if self.rest[0] == b';' {
            self.rest = &[];
            return None;
        }
        if self.rest[0] != b'"' {
            let end = Self::scan(self.rest, |byte| blank(byte) || matches!(byte, b'"' | b';'));
            let (text, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Some(Ok(Token { text, quoted: false }));
        }
        let inner = &self.rest[1..];
        let end = Self::scan(inner, |byte| byte == b'"');
        if end == inner.len() {
            self.rest = &[];
            return Some(Err("a quoted string of the record has no end; add a \"".into()));
        }
        self.rest = &inner[end + 1..];
        Some(Ok(Token { text: &inner[..end], quoted: true }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_take_units() {
        assert_eq!(period("1h30m"), Some(5400));
        assert_eq!(period("1w2d3h4m5s"), Some(788_645));
        assert_eq!(period("90"), Some(90));
        assert_eq!(period("4294967296"), None);
        assert_eq!(period("m"), None);
    }
}
