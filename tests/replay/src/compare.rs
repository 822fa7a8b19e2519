//! Whether a message is what an entry asks for: MATCH.
//!
//! As in Unbound's testpkts.c, where it decides: names are compared without case, the message ID is not; without `ttl`, what
//! stands in the place of a TTL is not, in OPT too. Records of a section may come in any order.

use crate::message::{self, flag_words};
use crate::scenario::{Entry, Match};
use domain::base::iana::{Class, Rtype};
use domain::base::message::Message;
use domain::base::name::{Name, ParsedName, ToName};
use domain::base::rdata::{ComposeRecordData, ParseAnyRecordData, UnknownRecordData};
use domain::base::record::ParsedRecord;
use domain::rdata::AllRecordData;
use std::fmt;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

/// A message taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    flags: u16,
    /// Question, answer, authority, additional without OPT.
    sections: [Vec<Record>; 4],
    opt: Option<Opt>,
    /// Something of it could not be read.
    is_torn: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    /// Wire form, lower case.
    owner: Vec<u8>,
    rtype: u16,
    class: u16,
    /// Seconds; 0 in a question.
    ttl: u32,
    /// Without compression, names in lower case.
    rdata: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Opt {
    udp_size: u16,
    /// Extended rcode, version and flags.
    ttl: u32,
    data: Vec<u8>,
}

const QR: u16 = 0x8000;
const OPT: u16 = 41;
const SOA: u16 = 6;
/// Options (RFC 8914, RFC 7873).
const EXTENDED_ERROR: u16 = 15;
const COOKIE: u16 = 10;

impl Parsed {
    /// Reads as much of a message as is whole.
    pub fn new(octets: &[u8]) -> Parsed {
        let mut parsed = Parsed::default();
        if parsed.read(octets).is_none() {
            parsed.is_torn = true;
        }
        parsed
    }

    fn read(&mut self, octets: &[u8]) -> Option<()> {
        let message = Message::from_octets(octets).ok()?;
        self.flags = u16::from_be_bytes([octets[2], octets[3]]);
        for question in message.question() {
            let question = question.ok()?;
            let (rtype, class) = (question.qtype().to_int(), question.qclass().to_int());
            self.sections[0].push(Record { owner: lower(question.qname()), rtype, class, ttl: 0, rdata: Vec::new() });
        }
        let mut section = message.answer().ok()?;
        for place in 1.. {
            for record in section.by_ref() {
                self.add(place, &record.ok()?);
            }
            match section.next_section().ok()? {
                Some(next) => section = next,
                None => break,
            }
        }
        Some(())
    }

    fn add(&mut self, section: usize, record: &ParsedRecord<'_, &[u8]>) {
        let (rtype, class, ttl) = (record.rtype().to_int(), record.class().to_int(), record.ttl().as_secs());
        let rdata = canonical(record);
        if rtype == OPT {
            self.opt = Some(Opt { udp_size: class, ttl, data: rdata });
        } else {
            self.sections[section].push(Record { owner: lower(&record.owner()), rtype, class, ttl, rdata });
        }
    }

    fn question(&self) -> Option<&Record> {
        self.sections[0].first()
    }

    /// The serial number of the first SOA record of the authority section.
    fn serial(&self) -> Option<u32> {
        let soa = self.sections[2].iter().find(|record| record.rtype == SOA)?;
        let numbers = soa.rdata.len().checked_sub(20)?;
        soa.rdata[numbers..].first_chunk().map(|octets| u32::from_be_bytes(*octets))
    }

    fn has_option(&self, code: u16) -> bool {
        let opt = self.opt.clone();
        Parsed { opt, ..Parsed::default() }.take_option(code).is_some()
    }

    /// Takes the first option of a code out; gives its data.
    fn take_option(&mut self, code: u16) -> Option<Vec<u8>> {
        let data = &mut self.opt.as_mut()?.data;
        let mut at = 0;
        while let Some(&[high, low, len_high, len_low]) = data.get(at..)?.first_chunk() {
            let end = at + 4 + usize::from(u16::from_be_bytes([len_high, len_low]));
            let option = data.get(at + 4..end)?.to_vec();
            if u16::from_be_bytes([high, low]) == code {
                data.drain(at..end);
                return Some(option);
            }
            at = end;
        }
        None
    }

    /// All but the TTLs.
    fn without_ttl(&self) -> Parsed {
        let mut bare = self.clone();
        bare.sections.iter_mut().flatten().for_each(|record| record.ttl = 0);
        bare.opt.iter_mut().for_each(|opt| opt.ttl = 0);
        bare
    }

    /// With the records of each section in one order.
    fn sorted(mut self) -> Parsed {
        self.sections.iter_mut().for_each(|section| section.sort());
        self
    }
}

fn lower(name: &impl ToName) -> Vec<u8> {
    let mut wire = name.to_vec().as_octets().clone();
    wire.make_ascii_lowercase();
    wire
}

/// The data of a record without compression, names in lower case where its type is known; as it is when it cannot be read.
fn canonical(record: &ParsedRecord<'_, &[u8]>) -> Vec<u8> {
    let mut data = Vec::new();
    match record.to_any_record::<AllRecordData<_, ParsedName<_>>>() {
        Ok(record) if record.rtype().to_int() != OPT => {
            let Ok(()) = record.data().compose_canonical_rdata(&mut data);
        }
        _ => {
            if let Ok(Some(raw)) = record.to_record::<UnknownRecordData<_>>() {
                data.extend_from_slice(raw.data().data());
            }
        }
    }
    data
}

/// What keeps `came` from matching an entry; `None`: it matches.
///
/// # Errors
/// When the entry cannot be read.
pub fn mismatch(entry: &Entry, came: &[u8], transport: Transport) -> Result<Option<String>, String> {
    let wanted = Parsed::new(&message::octets(entry)?);
    let came = Parsed::new(came);
    Ok(differs(&entry.matches, wanted, came, transport))
}

fn differs(matches: &[Match], wanted: Parsed, mut came: Parsed, transport: Transport) -> Option<String> {
    // These take the option away, so that the rest is compared without it.
    for word in matches {
        if let Some(cause) = edns_differs(word, &mut came) {
            return Some(cause);
        }
    }
    // Who wrote down what Unbound asks servers knows of no cookies: it has them for clients alone.
    if came.flags & QR == 0 && !wanted.has_option(COOKIE) {
        came.take_option(COOKIE);
    }
    let with_ttl = matches.contains(&Match::Ttl);
    let (wanted, came) = if with_ttl { (wanted, came) } else { (wanted.without_ttl(), came.without_ttl()) };
    let (wanted, came) = (wanted.sorted(), came.sorted());
    matches.iter().find_map(|word| word_differs(word, &wanted, &came, transport))
}

fn edns_differs(word: &Match, came: &mut Parsed) -> Option<String> {
    match word {
        Match::ExtendedError(code) => {
            let option = came.take_option(EXTENDED_ERROR);
            let found = option.and_then(|data| data.first_chunk().map(|octets| u16::from_be_bytes(*octets)));
            match (found, code) {
                (None, _) => Some("no extended error".into()),
                (Some(found), Some(code)) if found != *code => Some(format!("extended error {found}, not {code}")),
                _ => None,
            }
        }
        // The flags stand where other records have their TTL.
        Match::DnssecOk | Match::CompactOk => {
            let (flag, name) = if *word == Match::DnssecOk { (0x8000, "DO") } else { (0x4000, "CO") };
            let is_set = came.opt.as_ref().is_some_and(|opt| opt.ttl & flag != 0);
            (!is_set).then(|| format!("{name} is not set"))
        }
        Match::ClientCookie | Match::ServerCookie => {
            let wanted = if *word == Match::ClientCookie { 8 } else { 24 };
            match came.take_option(COOKIE).map(|cookie| cookie.len()) {
                Some(len) if len == wanted => None,
                found => Some(format!("a cookie of {} octets, not {wanted}", found.unwrap_or(0))),
            }
        }
        _ => None,
    }
}

fn word_differs(word: &Match, wanted: &Parsed, came: &Parsed, transport: Transport) -> Option<String> {
    let holds = |holds: bool, what: &str| (!holds).then(|| what.to_owned());
    let (name, qtype) = (
        |of: &Parsed| of.question().map(|asked| asked.owner.clone()),
        |of: &Parsed| of.question().map(|asked| asked.rtype),
    );
    match word {
        Match::Opcode => holds((wanted.flags ^ came.flags) & 0x7800 == 0, "another opcode"),
        Match::Rcode => holds((wanted.flags ^ came.flags) & 0xf == 0, "another rcode"),
        Match::Qtype => holds(qtype(wanted) == qtype(came), "another type is asked for"),
        Match::Qname => holds(name(wanted).is_some() && name(wanted) == name(came), "another name is asked for"),
        Match::Subdomain => {
            let below = name(came).zip(name(wanted)).is_some_and(|(name, zone)| is_at_or_below(&name, &zone));
            holds(below, "the name asked for is not below")
        }
        Match::Serial(serial) => holds(came.serial() == Some(*serial), "another serial number"),
        Match::Question => holds(wanted.sections[0] == came.sections[0], "another question"),
        Match::Answer => holds(wanted.sections[1] == came.sections[1], "another answer section"),
        Match::NoEdns => holds(came.opt.is_none(), "there is an OPT record"),
        Match::EdnsData => {
            let data = |of: &Parsed| of.opt.as_ref().map(|opt| opt.data.clone()).unwrap_or_default();
            holds(data(wanted) == data(came), "other EDNS options")
        }
        Match::Udp => holds(transport == Transport::Udp, "it came over TCP"),
        Match::Tcp => holds(transport == Transport::Tcp, "it came over UDP"),
        Match::All => whole_differs(wanted, came).or_else(|| opt_differs(wanted, came)),
        Match::AllNoEdns => whole_differs(wanted, came),
        Match::Ttl | Match::DnssecOk | Match::CompactOk => None,
        Match::ExtendedError(_) | Match::ClientCookie | Match::ServerCookie => None,
    }
}

fn whole_differs(wanted: &Parsed, came: &Parsed) -> Option<String> {
    if wanted.flags != came.flags {
        return Some(format!("flags {}, not {}", flag_words(came.flags), flag_words(wanted.flags)));
    }
    let place = (0..4).find(|&section| wanted.sections[section] != came.sections[section]);
    match place {
        Some(section) => {
            Some(format!("another {} section", ["question", "answer", "authority", "additional"][section]))
        }
        None => (wanted.is_torn != came.is_torn).then(|| "it cannot be read".to_owned()),
    }
}

fn opt_differs(wanted: &Parsed, came: &Parsed) -> Option<String> {
    match (&wanted.opt, &came.opt) {
        (None, Some(_)) => Some("there is an OPT record".into()),
        (Some(_), None) => Some("there is no OPT record".into()),
        (wanted, came) => (wanted != came).then(|| "another OPT record".to_owned()),
    }
}

/// Wire form, lower case.
fn is_at_or_below(name: &[u8], zone: &[u8]) -> bool {
    let mut at = 0;
    while let Some(&len) = name.get(at) {
        if name[at..] == *zone {
            return true;
        }
        at += 1 + usize::from(len);
    }
    false
}

impl fmt::Display for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", flag_words(self.flags))?;
        for (section, records) in ["question", "answer", "authority", "additional"].iter().zip(&self.sections) {
            for (place, record) in records.iter().enumerate() {
                f.write_str(&if place == 0 { format!("; {section}: ") } else { ", ".to_owned() })?;
                write!(f, "{}", Shown { record, is_question: *section == "question" })?;
            }
        }
        if let Some(opt) = &self.opt {
            write!(f, "; OPT {} {:08x}", opt.udp_size, opt.ttl)?;
            opt.data.iter().try_for_each(|octet| write!(f, " {octet:02x}"))?;
        }
        if self.is_torn { f.write_str("; what follows cannot be read") } else { Ok(()) }
    }
}

struct Shown<'a> {
    record: &'a Record,
    is_question: bool,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { owner, rtype, class, ttl, rdata } = self.record;
        match Name::from_octets(&owner[..]) {
            Ok(name) => write!(f, "{name}.")?,
            Err(_) => f.write_str("?")?,
        }
        let (class, rtype) = (Class::from_int(*class), Rtype::from_int(*rtype));
        if self.is_question {
            return write!(f, " {class} {rtype}");
        }
        write!(f, " {ttl} {class} {rtype} ")?;
        let mut parser = domain::dep::octseq::Parser::from_ref(&rdata[..]);
        match AllRecordData::<_, ParsedName<_>>::parse_any_rdata(rtype, &mut parser) {
            Ok(data) => write!(f, "{data}"),
            Err(_) => write!(f, "{rdata:02x?}"),
        }
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
