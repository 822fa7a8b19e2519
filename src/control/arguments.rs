//! The words behind a command.

use crate::dns::Name;

/// Splits at the first white space; what follows it is without white space in front.
pub(super) fn split_word(text: &str) -> (&str, &str) {
    match text.find([' ', '\t']) {
        Some(at) => (&text[..at], text[at..].trim_start()),
        None => (text, ""),
    }
}

/// A domain name from the command line.
pub(super) fn name_of(text: &str) -> Result<Name, String> {
    if text.is_empty() {
        return Err(": this option requires a domain name".to_owned());
    }
    Name::from_text(text).ok_or_else(|| {
        format!(
            "cannot parse name {text}: a label is empty or over 63 octets, an escape is wrong, or it is over 255 octets"
        )
    })
}

/// The first word and what follows it, both of which must be there.
pub(super) fn two_arguments(text: &str) -> Result<(&str, &str), String> {
    if text.contains([' ', '\t']) {
        Ok(split_word(text))
    } else {
        Err(format!("could not find next argument after {text}"))
    }
}
