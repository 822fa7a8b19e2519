//! From an entry to octets.

use crate::scenario::{Adjust, Entry, Record};
use domain::base::iana::{Class, Rtype};
use domain::base::name::Name;
use domain::zonefile::inplace::{Entry as Line, Zonefile};
use std::str::FromStr;

/// Octets of a header.
pub const HEADER: usize = 12;
/// Where the numbers of records stand in a header, by section.
const COUNTS: [usize; 4] = [4, 6, 8, 10];
/// What an OPT record of ours tells of the longest datagram.
const UDP_SIZE: u16 = 1232;

/// Types whose data names an algorithm.
const SIGNED_WITH: [&str; 8] = ["RRSIG", "DNSKEY", "DS", "CDS", "CDNSKEY", "DLV", "KEY", "SIG"];
/// The algorithms (IANA, DNS Security Algorithm Numbers).
const ALGORITHMS: [(&str, u8); 14] = [
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("ECC", 4),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
];

/// The words of REPLY: which bits of the header they set, and to what.
const WORDS: [(&str, u16, u16); 25] = [
    ("QR", 0x8000, 0x8000),
    ("AA", 0x0400, 0x0400),
    ("TC", 0x0200, 0x0200),
    ("RD", 0x0100, 0x0100),
    ("RA", 0x0080, 0x0080),
    ("AD", 0x0020, 0x0020),
    ("CD", 0x0010, 0x0010),
    ("QUERY", 0x7800, 0),
    ("IQUERY", 0x7800, 1 << 11),
    ("STATUS", 0x7800, 2 << 11),
    ("NOTIFY", 0x7800, 4 << 11),
    ("UPDATE", 0x7800, 5 << 11),
    ("NOERROR", 0xf, 0),
    ("FORMERR", 0xf, 1),
    ("SERVFAIL", 0xf, 2),
    ("NXDOMAIN", 0xf, 3),
    ("NOTIMPL", 0xf, 4),
    ("REFUSED", 0xf, 5),
    ("YXDOMAIN", 0xf, 6),
    ("YXRRSET", 0xf, 7),
    ("NXRRSET", 0xf, 8),
    ("NOTAUTH", 0xf, 9),
    ("NOTZONE", 0xf, 10),
    ("DO", 0, 0),
    ("CO", 0, 0),
];

/// The words that `flags` stand for, those of opcode and rcode last.
pub fn flag_words(flags: u16) -> String {
    let bits = WORDS.iter().filter(|(_, mask, value)| mask.count_ones() == 1 && flags & mask == *value);
    let codes = WORDS.iter().filter(|(_, mask, value)| mask.count_ones() > 1 && flags & mask == *value);
    let codes = codes.filter(|(word, ..)| *word != "QUERY");
    bits.chain(codes).map(|(word, ..)| *word).collect::<Vec<_>>().join(" ")
}

/// The first message of an entry.
///
/// # Errors
/// The line that is no record, or the word that is not known.
pub fn octets(entry: &Entry) -> Result<Vec<u8>, String> {
    if let Some(octets) = &entry.octets {
        return Ok(octets.clone());
    }
    let mut message = vec![0; HEADER];
    let mut flags = 0;
    for word in &entry.reply {
        let known = WORDS.iter().find(|(known, ..)| known == word);
        let (_, mask, value) = known.ok_or_else(|| format!("line {}: REPLY {word} is not known", entry.line))?;
        flags = flags & !mask | value;
    }
    message[2..4].copy_from_slice(&u16::to_be_bytes(flags));
    for (section, records) in entry.sections.iter().enumerate() {
        for line in records {
            let written = if section == 0 { question(line, &mut message) } else { record(line, &mut message) };
            written.map_err(|cause| format!("line {}: {:?}: {cause}", line.line, line.text))?;
            count_one(&mut message, section);
        }
    }
    let says = |word: &str| entry.reply.iter().any(|said| said == word);
    if says("DO") || says("CO") || entry.edns_data.is_some() {
        let flags = u16::from(says("DO")) << 15 | u16::from(says("CO")) << 14;
        opt(flags, entry.edns_data.as_deref().unwrap_or_default(), &mut message);
    }
    Ok(message)
}

fn count_one(message: &mut [u8], section: usize) {
    let place = COUNTS[section];
    let count = u16::from_be_bytes([message[place], message[place + 1]]) + 1;
    message[place..place + 2].copy_from_slice(&count.to_be_bytes());
}

fn opt(flags: u16, data: &[u8], message: &mut Vec<u8>) {
    message.extend_from_slice(&[0, 0, 41]);
    message.extend_from_slice(&UDP_SIZE.to_be_bytes());
    message.extend_from_slice(&[0, 0]);
    message.extend_from_slice(&flags.to_be_bytes());
    message.extend_from_slice(&(data.len() as u16).to_be_bytes());
    message.extend_from_slice(data);
    count_one(message, 3);
}

fn question(line: &Record, message: &mut Vec<u8>) -> Result<(), String> {
    let (name, rtype, class) = asked(&line.text, &line.origin)?;
    message.extend_from_slice(&name);
    message.extend_from_slice(&rtype.to_be_bytes());
    message.extend_from_slice(&class.to_be_bytes());
    Ok(())
}

/// Name in wire form, type and class of `name [class] [type]` in any order, IN and A where they are left out.
///
/// # Errors
/// What is no name, class or type.
pub fn asked(text: &str, origin: &str) -> Result<(Vec<u8>, u16, u16), String> {
    let mut words = text.split_whitespace().peekable();
    let name = name(words.next().unwrap_or_default(), origin)?;
    let (mut rtype, mut class) = (Rtype::A, Class::IN);
    while let Some(word) = words.next() {
        if word == "ANY" && words.peek().is_some() {
            class = Class::ANY;
        } else if let Ok(named) = Class::from_str(word) {
            class = named;
        } else if let Ok(named) = Rtype::from_str(word) {
            rtype = named;
        } else if word.parse::<u32>().is_err() {
            return Err(format!("{word:?} is no class and no type"));
        }
    }
    Ok((name, rtype.to_int(), class.to_int()))
}

fn name(text: &str, origin: &str) -> Result<Vec<u8>, String> {
    let is_whole = text.ends_with('.') && !text.ends_with("\\.");
    let whole = match text {
        "@" => origin.to_owned(),
        _ if is_whole => text.to_owned(),
        _ if origin == "." => format!("{text}."),
        _ => format!("{text}.{origin}"),
    };
    let name = Name::<Vec<u8>>::from_str(&whole).map_err(|cause| cause.to_string())?;
    Ok(name.as_octets().clone())
}

fn record(line: &Record, message: &mut Vec<u8>) -> Result<(), String> {
    let mut text = with_numbers(&line.text);
    let mut result = as_it_stands(line, &text, message);
    // As Unbound, which reads no further than it must: words too many, and Base 64 of a wrong length.
    for _ in 0..3 {
        match &result {
            Err(cause) if cause.contains("trailing") => {
                text.truncate(text.rfind([' ', '\t', '\'']).unwrap_or(0));
            }
            Err(cause) if cause.contains("incomplete Base 64") => drop(text.pop()),
            _ => break,
        }
        result = as_it_stands(line, &text, message);
    }
    result
}

fn as_it_stands(line: &Record, text: &str, message: &mut Vec<u8>) -> Result<(), String> {
    let origin = if line.origin.ends_with('.') { line.origin.clone() } else { format!("{}.", line.origin) };
    // The crate takes no class but a real one.
    let is_of_any_class = text.split_whitespace().nth(1) == Some("ANY");
    let text = if is_of_any_class { text.replacen("ANY", "IN", 1) } else { text.to_owned() };
    let mut file = Zonefile::new().allow_invalid();
    file.extend_from_slice(format!("$ORIGIN {origin}\n$TTL {}\n{text}\n", line.ttl).as_bytes());
    file.set_default_class(Class::IN);
    match file.next_entry().map_err(|cause| cause.to_string())? {
        Some(Line::Record(mut record)) => {
            if is_of_any_class {
                record.set_class(Class::ANY);
            }
            let Ok(()) = record.compose(message);
            Ok(())
        }
        _ => Err("it is no record".into()),
    }
}

/// A record with the numbers of DNSSEC algorithms in place of their mnemonics, of which the crate does not know the old ones. They
/// stand among the three words behind the type.
fn with_numbers(text: &str) -> String {
    if text.contains('"') {
        return text.to_owned();
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let Some(at) = words.iter().position(|word| SIGNED_WITH.contains(word)) else { return text.to_owned() };
    let number = |word: &str| ALGORITHMS.iter().find(|(name, _)| *name == word).map(|(_, number)| number.to_string());
    let numbered = words.iter().enumerate().map(|(place, word)| {
        let number = if (at + 1..=at + 3).contains(&place) { number(word) } else { None };
        number.unwrap_or_else(|| (*word).to_owned())
    });
    numbered.collect::<Vec<_>>().join(" ")
}

/// `message` as ADJUST has it for `query`.
pub fn adjusted(mut message: Vec<u8>, entry: &Entry, query: &[u8]) -> Vec<u8> {
    let does = |adjust: &Adjust| entry.adjust.contains(adjust);
    if does(&Adjust::CopyQuery)
        && let (Some(asked), Some(own)) = (question_end(query), question_end(&message))
        && asked > HEADER
    {
        message.splice(HEADER..own, query[HEADER..asked].iter().copied());
        message[4..6].copy_from_slice(&[0, 1]);
    }
    if message.len() >= 2 && query.len() >= 2 {
        message[..2].copy_from_slice(&query[..2]);
        message[0] ^= u8::from(does(&Adjust::OtherId));
    }
    message
}

/// Where the only question of a message ends, or its header if there is none.
fn question_end(message: &[u8]) -> Option<usize> {
    if *message.get(4..6)? == [0, 0] {
        return Some(HEADER);
    }
    let mut at = HEADER;
    loop {
        match *message.get(at)? {
            0 => return (at + 5 <= message.len()).then_some(at + 5),
            len @ 1..64 => at += 1 + usize::from(len),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Scenario, What, parse};

    fn entry(text: &str) -> Entry {
        let text =
            format!("CONFIG_END\nSCENARIO_BEGIN x\nSTEP 1 QUERY\nENTRY_BEGIN\n{text}\nENTRY_END\nSCENARIO_END\n");
        let Scenario { mut steps, .. } = parse(&text).unwrap();
        match steps.remove(0).what {
            What::Query { entry, .. } => entry,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn records_become_octets_behind_flags_and_counts() {
        let text = "REPLY QR RD DO NXDOMAIN\n$ORIGIN example.\n$TTL 60\nSECTION QUESTION\nwww IN TXT\nSECTION ANSWER\n@ A 192.0.2.1";
        let message = octets(&entry(text)).unwrap();
        assert_eq!(message[..HEADER], [0, 0, 0x81, 3, 0, 1, 0, 1, 0, 0, 0, 1]);
        let question = b"\x03www\x07example\x00\x00\x10\x00\x01";
        assert_eq!(message[HEADER..HEADER + question.len()], *question);
        let answer = b"\x07example\x00\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01";
        let opt = b"\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00";
        assert_eq!(message[HEADER + question.len()..], [&answer[..], opt].concat());
        assert_eq!(flag_words(0x8103), "QR RD NXDOMAIN");
        assert!(octets(&entry("SECTION ANSWER\nwww A 192.0.2")).unwrap_err().contains("line 6"));
    }

    #[test]
    fn a_reply_takes_the_id_and_the_question_of_its_query() {
        let mut query = octets(&entry("SECTION QUESTION\nlong.name.example. AAAA")).unwrap();
        query[..2].copy_from_slice(&[7, 8]);
        let reply = entry("ADJUST copy_id copy_query\nSECTION QUESTION\nx. A\nSECTION ANSWER\nx. A 192.0.2.1");
        let message = adjusted(octets(&reply).unwrap(), &reply, &query);
        assert_eq!((&message[..2], &message[HEADER..query.len()]), (&[7, 8][..], &query[HEADER..]));
        assert_eq!(message[query.len()..][..3], *b"\x01x\0");
        let bare = entry("ADJUST copy_query other_id\nREPLY QR");
        let message = adjusted(octets(&bare).unwrap(), &bare, &query);
        assert_eq!(message[4..], query[4..]);
        assert_ne!(message[..2], query[..2]);
    }
}
