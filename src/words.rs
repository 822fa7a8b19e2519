//! Names from outside in what is printed: the kernel takes nearly any octets for the name of an interface, and so a name may be a
//! command to a shell or to a terminal.

use std::borrow::Cow;

/// A name or a path as one word of a shell's command; as it is where no shell reads more than letters in it.
pub fn quoted(name: &str) -> Cow<'_, str> {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"._-@+/".contains(&octet);
    if !name.is_empty() && name.bytes().all(is_plain) {
        return Cow::Borrowed(name);
    }
    if name.chars().any(char::is_control) {
        let escaped = name.replace('\\', "\\\\").replace('\'', "\\'");
        return Cow::Owned(format!("$'{}'", escape(&escaped, false)));
    }
    Cow::Owned(format!("'{}'", name.replace('\'', "'\\''")))
}

/// Text without what a terminal obeys: control characters, but for the ends of lines and tabs, as `\x1b`.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_obeyed = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
    if text.chars().any(is_obeyed) { Cow::Owned(escape(text, true)) } else { Cow::Borrowed(text) }
}

fn escape(text: &str, keeps_lines: bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '\n' | '\t' if keeps_lines => out.push(letter),
            // Of control characters beyond ASCII, too: UTF-8 is what a shell wants them in.
            _ if letter.is_control() => {
                let mut octets = [0; 4];
                letter.encode_utf8(&mut octets).bytes().for_each(|octet| out.push_str(&format!("\\x{octet:02x}")));
            }
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_and_no_command() {
        for plain in ["br-rb", "bond0.10", "eth0@x", "/usr/local/bin/runbound"] {
            assert_eq!(quoted(plain), plain);
        }
        for (name, word) in [
            ("br$(id)", "'br$(id)'"),
            ("br;ls", "'br;ls'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("a\nb", "$'a\\x0ab'"),
            ("\x1b[1m\\'", "$'\\x1b[1m\\\\\\''"),
        ] {
            assert_eq!(quoted(name), word, "{name:?}");
        }
    }

    #[test]
    fn a_terminal_is_told_nothing() {
        assert_eq!(printable("one\n\ttwo ä"), "one\n\ttwo ä");
        assert_eq!(printable("br\x1b]0;x\x07\r"), "br\\x1b]0;x\\x07\\x0d");
        assert_eq!(printable("\u{9b}1m"), "\\xc2\\x9b1m");
    }
}
