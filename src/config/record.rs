//! One resource record from its text: owner, TTL, class, type (RFC 1035, 5.1), as `local-data:` holds it.

use super::rdata;
use super::tokens::{Tokens, period};
use crate::dns::name_text::{self, NameBuf};
use domain::base::iana::{Class, Rtype};
use std::net::IpAddr;
use std::str::FromStr;

/// TTL of a record that names none (Unbound's default for local data).
pub const DEFAULT_TTL: u32 = 3600;

/// Mnemonics of algorithms (IANA "DNS Security Algorithm Numbers").
const MNEMONICS: [(&str, &str); 12] = [
    ("RSAMD5", "1"),
    ("DH", "2"),
    ("DSA", "3"),
    ("RSASHA1", "5"),
    ("DSA-NSEC3-SHA1", "6"),
    ("RSASHA1-NSEC3-SHA1", "7"),
    ("RSASHA256", "8"),
    ("RSASHA512", "10"),
    ("ECDSAP256SHA256", "13"),
    ("ECDSAP384SHA384", "14"),
    ("ED25519", "15"),
    ("ED448", "16"),
];

/// A record in wire parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The owner in wire form, letter case kept.
    pub owner: NameBuf,
    /// The type's number.
    pub rtype: u16,
    /// The class's number; 1 is IN.
    pub class: u16,
    /// Seconds.
    pub ttl: u32,
    /// RDATA in wire form, names in it uncompressed with their case kept; at most 65,535 octets.
    pub rdata: Vec<u8>,
}

impl Record {
    /// Reads `text`, `owner [ttl] [class] type rdata`, into `self`. Names without a final dot are absolute all the same.
    ///
    /// # Errors
    /// What is wrong, for a message that names the line. `self` holds nothing of use then.
    pub fn read(&mut self, text: &[u8]) -> Result<(), String> {
        self.read_with_ttl(text, None)
    }

    /// The same of a DS or DNSKEY record, whose algorithm may be a mnemonic (RFC 4034 appendix A.1).
    ///
    /// # Errors
    /// As before.
    pub fn read_anchor(&mut self, text: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(text);
        let number =
            |word: &str| MNEMONICS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, number)| *number);
        let words: Vec<&str> = text
            .split_whitespace()
            .enumerate()
            .map(|(nth, word)| match nth {
                0 => word,
                _ => number(word).unwrap_or(word),
            })
            .collect();
        self.read(words.join(" ").as_bytes())
    }

    /// The same, where a record that names no TTL has this one.
    ///
    /// # Errors
    /// As before.
    pub(super) fn read_with_ttl(&mut self, text: &[u8], default: Option<u32>) -> Result<(), String> {
        let mut tokens = Tokens::new(text);
        let owner = tokens.next().transpose()?.ok_or("the record is empty; write \"name A 192.0.2.1\"")?;
        let owner = if owner.text == b"@" { b"." } else { owner.text };
        name_text::parse(owner, &mut self.owner).map_err(|error| format!("owner name: {error}"))?;
        self.class = 1;
        self.ttl = default.unwrap_or(DEFAULT_TTL);
        self.rdata.clear();
        self.rtype = self.read_ttl_class_type(&mut tokens)?;
        rdata::read(self.rtype, tokens, &mut self.rdata)?;
        match self.rdata.len() {
            0..=0xffff => Ok(()),
            length => Err(format!("the record has {length} octets of RDATA; at most 65535 fit")),
        }
    }

    fn read_ttl_class_type(&mut self, tokens: &mut Tokens<'_>) -> Result<u16, String> {
        let (mut ttl, mut class) = (None, None);
        loop {
            let token = tokens.next().transpose()?.ok_or("the record has no type; write \"name A 192.0.2.1\"")?;
            let word = token.utf8()?;
            if ttl.is_none() && word.starts_with(|first: char| first.is_ascii_digit()) {
                ttl = Some(
                    period(word)
                        .ok_or_else(|| format!("{word:?} is no TTL: seconds, or a number with s, m, h, d or w"))?,
                );
                self.ttl = ttl.unwrap_or(DEFAULT_TTL);
            } else if class.is_none()
                && let Some(found) = class_of(word)
            {
                class = Some(found);
                self.class = found;
            } else {
                let rtype = Rtype::from_str(word).map_err(|_| format!("{word:?} is no record type"))?;
                return check_type(rtype, word);
            }
        }
    }
}

/// A class by its name; ANY stands for itself in local data, as with Unbound.
fn class_of(word: &str) -> Option<u16> {
    const ANY: u16 = 255;
    if word.eq_ignore_ascii_case("ANY") { Some(ANY) } else { Class::from_str(word).ok().map(Class::to_int) }
}

/// Types that are asked for or sent in messages but never stored (RFC 6895, 3.1; OPT is 41).
fn check_type(rtype: Rtype, word: &str) -> Result<u16, String> {
    match rtype.to_int() {
        0 | 41 | 128..=255 => Err(format!("type {word} is for messages alone and cannot be local data")),
        number => Ok(number),
    }
}

/// The PTR record of a `local-data-ptr:` value, `address [ttl] [class] name`, as record text.
///
/// # Errors
/// What is wrong, for a message that names the line.
pub fn reverse(text: &str) -> Result<String, String> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [address, between @ .., name] = words.as_slice() else {
        return Err("expected an address and a name, like \"192.0.2.1 host.example.com\"".into());
    };
    let address = address.parse::<IpAddr>().map_err(|_| format!("{address:?} is no IP address"))?;
    Ok(format!("{} {} PTR {name}", reverse_name(address), between.join(" ")))
}

/// The name under in-addr.arpa or ip6.arpa (RFC 1035, 3.5; RFC 3596, 2.5).
fn reverse_name(address: std::net::IpAddr) -> String {
    match address {
        std::net::IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        std::net::IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4));
            nibbles.chain(["ip6.arpa.".into()]).collect()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn record(text: &str) -> Result<Record, String> {
        let mut record = Record::default();
        record.read(text.as_bytes()).map(|()| record)
    }

    #[test]
    fn ttl_and_class_are_optional_and_in_any_order() {
        let plain = record("Example.com A 192.0.2.1").unwrap();
        assert_eq!(&plain.owner[..], b"\x07Example\x03com\0");
        assert_eq!((plain.rtype, plain.class, plain.ttl), (1, 1, 3600));
        assert_eq!(plain.rdata, [192, 0, 2, 1]);
        for text in ["a. 60 IN A 192.0.2.1", "a IN 60 A 192.0.2.1", " a.  1m\tin a 192.0.2.1 "] {
            let record = record(text).unwrap();
            assert_eq!((record.ttl, record.class, record.rtype), (60, 1, 1), "{text}");
        }
        assert_eq!(record("version.bind CH TXT x").unwrap().class, 3);
        assert_eq!(record("a.example any TXT x").unwrap().class, 255);
    }

    #[test]
    fn broken_records_say_what_is_wrong() {
        for (text, part) in [
            ("", "empty"),
            ("a", "no type"),
            ("a 99999999999 A 1.2.3.4", "TTL"),
            ("a..b A 1.2.3.4", "owner name"),
            ("a IN FOO 1.2.3.4", "no record type"),
            ("a IN ANY x", "messages alone"),
            ("a TXT \"open", "no end"),
        ] {
            let error = record(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn addresses_are_reversed() {
        assert_eq!(reverse("192.0.2.3 60 host.example").unwrap(), "3.2.0.192.in-addr.arpa. 60 PTR host.example");
        let text = reverse("2001:db8::1 h.").unwrap();
        assert!(
            text.starts_with("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."),
            "{text}"
        );
        assert_eq!(record(&text).unwrap().rdata, b"\x01h\0");
        assert!(reverse("192.0.2.3").is_err());
        assert!(reverse("host 192.0.2.3").is_err());
    }
}
