//! Parts of RDATA that several types have, from text to wire form.

use super::tokens::Token;
use crate::dns::name_text::{self, NameBuf};
use crate::number;

/// Base64 with its padding (RFC 4648, 4).
pub(super) fn decode_base64(text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let text = std::str::from_utf8(text).map_err(|_| "the base64 data is no text".to_string())?;
    let octets: Vec<u8> = domain::utils::base64::decode(text).map_err(|error| format!("base64 data: {error}"))?;
    out.extend(octets);
    Ok(())
}

/// A number from 0 to `most`.
pub(super) fn whole<T: number::Whole + Default>(token: Token<'_>, most: T) -> Result<T, String> {
    number::read(token.utf8()?, T::default()..=most).map_err(|error| error.to_string())
}

/// A domain name, case kept, uncompressed.
pub(super) fn read_name(text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let mut name = NameBuf::new();
    let text = if text == b"@" { b"." } else { text };
    name_text::parse(text, &mut name).map_err(|error| error.to_string())?;
    out.extend_from_slice(&name);
    Ok(())
}

/// Pairs of hexadecimal digits.
pub(super) fn decode_hex(text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let bad = || format!("{:?} is no hexadecimal data (an even number of digits)", String::from_utf8_lossy(text));
    for pair in text.chunks(2) {
        let value = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2);
        out.push(value.and_then(|pair| number::read_hex(pair, 0..=u8::MAX).ok()).ok_or_else(bad)?);
    }
    Ok(())
}
