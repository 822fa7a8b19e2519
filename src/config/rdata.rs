//! RDATA from its text.
//!
//! Types made of plain fields are read by one table; the DNSSEC types, SVCB and their like by the `domain` crate; `\#`
//! (RFC 3597, 5) works for all of them.

use super::rdata_special;
use super::tokens::{Token, Tokens, period};
use super::wire_parts::{decode_base64, decode_hex, read_name, whole};
use crate::dns::name_text;
use crate::number;
use domain::base::iana::Rtype;
use domain::base::name::Name;
use domain::base::rdata::ComposeRecordData;
use domain::zonefile::inplace::{Entry, Zonefile};
use std::net::{Ipv4Addr, Ipv6Addr};

/// A field of RDATA. [`Field::Strings`], [`Field::Hex`] and [`Field::Base64`] take all words that are left.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    A,
    Aaaa,
    Name,
    U8,
    U16,
    U32,
    Period,
    String,
    OptionalString,
    Strings,
    /// Octets without a length in front (URI's target, CAA's value).
    Octets,
    Hex,
    Base64,
    /// CERT's type: a number or a mnemonic.
    CertType,
    /// Hexadecimal pairs between dashes (EUI-48, EUI-64), this many.
    Eui(usize),
    /// Four groups of hexadecimal digits between colons (RFC 6742).
    Locator64,
}

/// The fields of the types that have plain ones only.
fn fields(rtype: u16) -> Option<&'static [Field]> {
    use Field::*;
    Some(match rtype {
        1 => &[A],
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 39 => &[Name],
        6 => &[Name, Name, U32, Period, Period, Period, Period],
        13 => &[String, String],
        14 | 17 => &[Name, Name],
        15 | 18 | 21 | 36 | 107 => &[U16, Name],
        16 | 56 | 99 => &[Strings],
        19 => &[String],
        20 => &[String, OptionalString],
        26 => &[U16, Name, Name],
        27 => &[String, String, String],
        28 => &[Aaaa],
        33 => &[U16, U16, U16, Name],
        35 => &[U16, U16, String, String, String, Name],
        37 => &[CertType, U16, U8, Base64],
        44 => &[U8, U8, Hex],
        49 | 61 => &[Base64],
        52 | 53 => &[U8, U8, U8, Hex],
        58 => &[Name, Name],
        104 | 106 => &[U16, Locator64],
        105 => &[U16, A],
        108 => &[Eui(6)],
        109 => &[Eui(8)],
        256 => &[U16, U16, Octets],
        257 => &[U8, String, Octets],
        _ => return None,
    })
}

/// Reads the RDATA of type `rtype` and appends it to `out`.
pub(super) fn read(rtype: u16, mut tokens: Tokens<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let mut ahead = tokens.clone();
    if matches!(ahead.next(), Some(Ok(token)) if token.text == b"\\#" && !token.quoted) {
        return read_unknown(ahead, out);
    }
    if let Some(fields) = fields(rtype) {
        for &field in fields {
            read_field(field, &mut tokens, out).map_err(|error| format!("{}: {error}", Rtype::from_int(rtype)))?;
        }
        return match tokens.next().transpose()? {
            None => Ok(()),
            Some(token) => Err(format!("{:?} is too much behind the record", String::from_utf8_lossy(token.text))),
        };
    }
    match rtype {
        22 => rdata_special::read_nsap(tokens, out),
        29 => rdata_special::read_loc(tokens, out),
        42 => rdata_special::read_apl(tokens, out),
        55 => rdata_special::read_hip(tokens, out),
        62 => rdata_special::read_csync(tokens, out),
        // SIG, KEY, TA and DLV have the form of RRSIG, DNSKEY and DS (RFC 3755, 3; RFC 4431, 2).
        24 => read_by_domain(46, tokens.rest(), out),
        25 => read_by_domain(48, tokens.rest(), out),
        32768 | 32769 => read_by_domain(43, tokens.rest(), out),
        _ => read_by_domain(rtype, tokens.rest(), out),
    }
}

fn read_field(field: Field, tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    if matches!(field, Field::Strings | Field::Hex | Field::Base64) {
        return read_rest(field, tokens, out);
    }
    let token = match tokens.next().transpose()? {
        Some(token) => token,
        None if field == Field::OptionalString => return Ok(()),
        None => return Err("the record ends too early".into()),
    };
    match field {
        Field::A => out.extend(address::<Ipv4Addr>(token, "IPv4 address")?.octets()),
        Field::Aaaa => out.extend(address::<Ipv6Addr>(token, "IPv6 address")?.octets()),
        Field::Name => read_name(token.text, out)?,
        Field::U8 => out.push(whole(token, u8::MAX)?),
        Field::U16 => out.extend(whole(token, u16::MAX)?.to_be_bytes()),
        Field::U32 => out.extend(whole(token, u32::MAX)?.to_be_bytes()),
        Field::Period => {
            let text = token.utf8()?;
            out.extend(period(text).ok_or_else(|| format!("{text:?} is no time"))?.to_be_bytes());
        }
        Field::CertType => out.extend(cert_type(token)?.to_be_bytes()),
        Field::Octets => unescape_into(token.text, out)?,
        Field::Eui(length) => read_eui(token, length, out)?,
        Field::Locator64 => {
            let groups: Result<Vec<u16>, _> =
                token.utf8()?.split(':').map(|group| number::read_hex(group, 0..=u16::MAX)).collect();
            let groups =
                groups.ok().filter(|groups| groups.len() == 4).ok_or("expected four groups like 2001:db8:1:2")?;
            out.extend(groups.into_iter().flat_map(u16::to_be_bytes));
        }
        Field::String | Field::OptionalString => read_string(token, out)?,
        Field::Strings | Field::Hex | Field::Base64 => (),
    }
    Ok(())
}

/// The fields that take all words to the end.
fn read_rest(field: Field, tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    if field == Field::Strings {
        let before = out.len();
        for token in tokens {
            read_string(token?, out)?;
        }
        return if out.len() > before { Ok(()) } else { Err("expected a string; write \"\" for an empty one".into()) };
    }
    let mut text = Vec::new();
    for token in tokens {
        text.extend_from_slice(token?.text);
    }
    match field {
        Field::Hex => decode_hex(&text, out),
        _ => decode_base64(&text, out),
    }
}

fn address<T: std::str::FromStr>(token: Token<'_>, what: &str) -> Result<T, String> {
    let text = token.utf8()?;
    text.parse::<T>().map_err(|_| format!("{text:?} is no {what}"))
}

/// A character-string: a length octet and up to 255 octets (RFC 1035, 3.3).
fn read_string(token: Token<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let start = out.len();
    out.push(0);
    unescape_into(token.text, out)?;
    let length = out.len() - start - 1;
    out[start] = u8::try_from(length)
        .map_err(|_| format!("a string of {length} octets; at most 255 fit, split it in several"))?;
    Ok(())
}

fn unescape_into(text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let (octet, used) = name_text::unescape(rest).ok_or("a bad escape; \\DDD is three digits up to 255")?;
        out.push(octet);
        rest = &rest[used..];
    }
    Ok(())
}

fn read_eui(token: Token<'_>, length: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let start = out.len();
    let plain: Vec<u8> = token.text.iter().copied().filter(|&byte| byte != b'-').collect();
    decode_hex(&plain, out)?;
    if out.len() - start != length || token.text.len() != length * 3 - 1 {
        return Err(format!("expected {length} pairs of hexadecimal digits between dashes"));
    }
    Ok(())
}

/// CERT types (RFC 4398, 2.1).
fn cert_type(token: Token<'_>) -> Result<u16, String> {
    let text = token.utf8()?;
    let known = ["PKIX", "SPKI", "PGP", "IPKIX", "ISPKI", "IPGP", "ACPKIX", "IACPKIX"];
    match (1..).zip(known).find(|(_, word)| word.eq_ignore_ascii_case(text)) {
        Some((value, _)) => Ok(value),
        None if text.eq_ignore_ascii_case("URI") => Ok(253),
        None if text.eq_ignore_ascii_case("OID") => Ok(254),
        None => whole(token, u16::MAX),
    }
}

/// `\# length hexadecimal` (RFC 3597, 5).
fn read_unknown(mut tokens: Tokens<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let length = tokens.next().transpose()?.ok_or("a length is missing behind \\#")?;
    let length = whole(length, u16::MAX)?;
    let start = out.len();
    read_rest(Field::Hex, &mut tokens, out)?;
    if out.len() - start != usize::from(length) {
        return Err(format!("\\# says {length} octets but {} follow", out.len() - start));
    }
    Ok(())
}

/// Lets the `domain` crate read RDATA whose fields are no plain ones.
fn read_by_domain(rtype: u16, text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let rtype = Rtype::from_int(rtype);
    let mut line = format!(". 3600 IN {rtype} ").into_bytes();
    quote_for_zonefile(text, &mut line);
    line.push(b'\n');
    let mut zonefile = Zonefile::from(line.as_slice());
    zonefile.set_origin(Name::root());
    let fail = |cause: String| format!("{rtype}: {cause}; the form \"\\# length hexadecimal\" works for every type");
    match zonefile.next_entry() {
        Ok(Some(Entry::Record(record))) if record.rtype() == rtype => {
            record.data().compose_rdata(out).map_err(|_| fail("too long".into()))
        }
        Ok(_) => Err(fail("no record found".into())),
        Err(error) => Err(fail(without_place(&error.to_string()).to_owned())),
    }
}

/// What is wrong, without the line and column of the text that was made above, which nobody knows.
fn without_place(cause: &str) -> &str {
    let is_place = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    cause.split_once(": ").filter(|(place, _)| is_place(place)).map_or(cause, |(_, cause)| cause)
}

/// A value may hold bytes that are no printable ASCII; a zone file wants them escaped.
fn quote_for_zonefile(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'\\' => {
                out.push(b'\\');
                if let Some((&next, behind)) = rest.split_first() {
                    out.push(next);
                    rest = behind;
                }
                continue;
            }
            0x00..=0x1f | 0x7f.. if byte != b'\t' => {
                out.extend_from_slice(format!("\\{byte:03}").as_bytes());
                continue;
            }
            _ => (),
        }
        out.push(byte);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::record::Record;

    fn rdata(text: &str) -> Result<String, String> {
        let mut record = Record::default();
        record.read(text.as_bytes())?;
        Ok(record.rdata.iter().map(|octet| format!("{octet:02X}")).collect())
    }

    /// `record => RDATA`, as Unbound 1.17 answers with these lines as its local data.
    #[test]
    fn all_types_are_read_as_unbound_reads_them() {
        let mut differences = Vec::new();
        for line in include_str!("testdata/records.txt").lines() {
            let (text, expected) = line.rsplit_once(" => ").unwrap();
            let found = rdata(text);
            if found.as_deref() != Ok(expected) {
                differences.push(format!("{text}\n  {found:?}\n  {expected}"));
            }
        }
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }

    #[test]
    fn broken_rdata_is_refused() {
        for text in [
            "a A 192.0.2.256",
            "a A 192.0.2.1 extra",
            "a AAAA 192.0.2.1",
            "a MX mail.example",
            "a MX 65536 mail.example",
            "a TXT",
            "a SRV 0 5 sip.example",
            "a EUI48 00-00-5e-00-53",
            "a EUI48 +0-00-5e-00-53-2a",
            "a TYPE65280 \\# 4 0a00",
            "a TYPE65280 0a00",
            "a SSHFP 2 1 123",
            "a LOC 91 N 0 E 0",
            "a LOC 52 22.5 N 4 E 0",
            "a APL 1:192.0.2.0/33",
            "a APL 2:192.0.2.0/24",
            "a DS 60485 5",
            "a SVCB 1",
            "a RRSIG A 5",
            "a CSYNC 66 3 FOO",
        ] {
            assert!(rdata(text).is_err(), "{text}");
        }
        assert!(rdata(&format!("a TXT {}", "x".repeat(256))).is_err());
        assert!(rdata(&format!("a TYPE65280 \\# 65535 {}", "00".repeat(65535))).is_ok());
        let long = format!("a TXT {}", "\"\" ".repeat(65536));
        assert!(rdata(&long).unwrap_err().contains("65535"));
    }
}
