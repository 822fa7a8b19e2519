//! Reading what [`super::dump`] or Unbound's dump_cache wrote, a line at a time.

use super::Cache;
use super::dump::{END, END_MESSAGES, END_RRSETS, START_MESSAGES, START_RRSETS};
use super::intake::{Context, Learnt};
use super::messages::{Head, MessageKey, NO_EDE};
use super::rrset::{Draft, Key, RrsetRef, flag};
use super::rrsets::Moment;
use super::trust::Trust;
use crate::config::{Record, class_of, rtype_of};
use crate::dns::flaw::Flaw;
use crate::dns::name_text::{self, NameBuf};
use crate::dns::{get_u16, header, rtype};
use crate::number;
use crate::validate::Security;
use std::time::Duration;

/// What entries begin with.
const RRSET: &str = ";rrset";
const MESSAGE: &str = "msg ";

/// Most records of an RRset, and RRsets of a section.
const MOST: u32 = 0xffff;

/// What a dump has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// RRsets that are kept now, or were better already.
    pub rrsets: u64,
    /// Messages that are kept now.
    pub messages: u64,
    /// Entries that were passed over.
    pub skipped: u64,
    /// The first of them, by its line, and why.
    pub first_skipped: Option<String>,
}

/// What the next line has to be.
#[derive(Debug, Default)]
enum Expects {
    #[default]
    StartOfRrsets,
    Rrset,
    /// A record of an RRset; the number that is left, this one included.
    Record(u32),
    StartOfMessages,
    Message,
    /// An RRset of a message; the numbers that are left by section.
    Part([u32; 3]),
    End,
    Nothing,
}

/// The first line of an RRset.
#[derive(Debug, Default)]
struct RrsetLine {
    flags: u8,
    ttl: u32,
    count: u32,
    signatures: u32,
    trust: Trust,
    security: Security,
}

/// The first line of a message.
#[derive(Debug)]
struct MessageLine {
    name: NameBuf,
    qtype: u16,
    qclass: u16,
    head: Head,
    counts: [u32; 3],
}

/// A dump being read.
#[derive(Debug, Default)]
pub struct Loading {
    line: u64,
    expects: Expects,
    loaded: Loaded,
    rrset: RrsetLine,
    message: Option<MessageLine>,
    learnt: Learnt,
    draft: Draft,
    record: Record,
    /// The entry being read cannot be kept: why.
    bad: Option<String>,
    /// The line before belonged to no entry.
    is_lost: bool,
}

impl Loading {
    /// What it has brought so far.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// True when the dump has come to its end.
    pub fn is_done(&self) -> bool {
        matches!(self.expects, Expects::Nothing)
    }

    fn skip(&mut self, why: String) {
        self.loaded.skipped += 1;
        self.loaded.first_skipped.get_or_insert_with(|| format!("line {}: {why}", self.line));
    }

    /// Passes the entry that is being read over, and what follows of it.
    fn spoil(&mut self, why: &str) {
        let why = self.bad.take().unwrap_or_else(|| why.into());
        self.skip(why);
    }

    /// Passes a line over that belongs to no entry; those that follow one another count once.
    fn lose(&mut self, why: String) {
        if !std::mem::replace(&mut self.is_lost, true) {
            self.skip(why);
        }
    }

    fn expected(&self, what: &str, text: &str) -> String {
        let shown: String = text.chars().take(60).collect();
        format!("line {}: expected {what}, not {shown:?}", self.line)
    }
}

impl Cache {
    /// Takes the next line of a dump, without its end. An entry that cannot be read or kept is passed over and counted:
    /// Unbound cuts long records off, and the line behind goes with them.
    ///
    /// # Errors
    /// The line is not one that a dump has here: which, and what was expected. Nothing behind it can be read.
    pub fn load_line(&mut self, loading: &mut Loading, text: &str, now: Duration) -> Result<(), String> {
        loading.line += 1;
        let begins = text == END_RRSETS || text.starts_with(RRSET) || text == END_MESSAGES || text.starts_with(MESSAGE);
        match loading.expects {
            Expects::Record(_) if begins => loading.spoil("the RRset ends before its last record"),
            Expects::Part(_) if begins => loading.spoil("the message ends before its last RRset"),
            _ => {}
        }
        match loading.expects {
            Expects::StartOfRrsets if text == START_RRSETS => loading.expects = Expects::Rrset,
            Expects::Rrset | Expects::Record(_) if text == END_RRSETS => loading.expects = Expects::StartOfMessages,
            Expects::StartOfMessages if text == START_MESSAGES => loading.expects = Expects::Message,
            Expects::Message | Expects::Part(_) if text == END_MESSAGES => loading.expects = Expects::End,
            Expects::End if text == END => loading.expects = Expects::Nothing,
            Expects::Record(left) if !begins => self.load_record(loading, text, left, now),
            Expects::Part(left) if !begins => self.load_part(loading, text, left, now),
            Expects::Rrset | Expects::Record(_) => begin_rrset(loading, text),
            Expects::Message | Expects::Part(_) => self.begin_message(loading, text, now),
            Expects::StartOfRrsets => return Err(loading.expected(START_RRSETS, text)),
            Expects::StartOfMessages => return Err(loading.expected(START_MESSAGES, text)),
            Expects::End => return Err(loading.expected(END, text)),
            Expects::Nothing => return Err(loading.expected("nothing behind EOF", text)),
        }
        Ok(())
    }

    fn begin_message(&mut self, loading: &mut Loading, text: &str, now: Duration) {
        match text.strip_prefix(MESSAGE).ok_or("a line of no message".into()).and_then(read_message_line) {
            Ok(line) => {
                loading.learnt.clear();
                (loading.expects, loading.is_lost) = (Expects::Part(line.counts), false);
                loading.message = Some(line);
                self.end_message(loading, now);
            }
            Err(why) => {
                loading.expects = Expects::Message;
                loading.lose(why);
            }
        }
    }

    fn load_record(&mut self, loading: &mut Loading, text: &str, left: u32, now: Duration) {
        let Loading { record, draft, rrset, bad, .. } = loading;
        let is_first = left == rrset.count + rrset.signatures;
        let is_signature = left <= rrset.signatures && rrset.count > 0;
        match record.read(text.as_bytes()) {
            Err(why) => _ = bad.get_or_insert(why),
            Ok(()) if is_first => {
                let covered = if record.rtype == rtype::RRSIG { get_u16(&record.rdata, 0).unwrap_or(0) } else { 0 };
                let (owner, flags) = (&record.owner[..], rrset.flags);
                draft.start(&Key { owner, rtype: record.rtype, class: record.class, flags, covered }, rrset.ttl);
                draft.push(&record.rdata);
            }
            Ok(()) if is_signature && record.rtype == rtype::RRSIG => draft.push_signature(&record.rdata),
            Ok(()) if !is_signature && record.rtype == draft.view().rtype() => draft.push(&record.rdata),
            Ok(()) => _ = bad.get_or_insert_with(|| "a record of another type than the RRset".into()),
        }
        loading.expects = Expects::Record(left - 1);
        if left == 1 {
            self.end_rrset(loading, now);
        }
    }

    fn end_rrset(&mut self, loading: &mut Loading, now: Duration) {
        loading.expects = Expects::Rrset;
        if let Some(why) = loading.bad.take() {
            return loading.skip(why);
        }
        let RrsetLine { trust, security, .. } = loading.rrset;
        match self.rrsets.insert(&mut loading.draft, trust, security, &Moment::at(now)) {
            Some(_) => loading.loaded.rrsets += 1,
            None => loading.skip("the RRset has no time left, no data, or more than is kept".into()),
        }
    }

    fn load_part(&mut self, loading: &mut Loading, text: &str, mut left: [u32; 3], now: Duration) {
        let section = left.iter().position(|left| *left > 0).unwrap_or(0);
        left[section] = left[section].saturating_sub(1);
        loading.expects = Expects::Part(left);
        match self.find_part(&mut loading.draft, text, now) {
            Ok(rrset) => loading.learnt.sections.0[section].push(rrset),
            Err(why) => _ = loading.bad.get_or_insert(why),
        }
        self.end_message(loading, now);
    }

    /// The RRset that a line of a message names.
    fn find_part(&mut self, draft: &mut Draft, text: &str, now: Duration) -> Result<RrsetRef, String> {
        let mut words = text.split_ascii_whitespace();
        let (name, class, rtype) = read_question(&mut words).ok_or("no name, class and type of an RRset")?;
        let flags = number(words.next(), u32::MAX)?;
        let (flags, covered) = ((flags & 0xff) as u8, (flags >> 16) as u16);
        let key = Key { owner: &name, rtype, class, flags, covered };
        if let Some(set) = self.rrsets.get(&key, now) {
            return Ok(set.reference());
        }
        let plain = key.with(0);
        let of_denial = rtype == rtype::SOA && flags == flag::SOA_NEGATIVE;
        // Unbound does not say of a SOA that it is one of a denial.
        let Some(set) = self.rrsets.get(&plain, now).filter(|_| of_denial) else {
            return Err("an RRset of the message is not there".into());
        };
        draft.copy(&set, &key, super::seconds(now));
        let (trust, security) = (set.trust(), set.security());
        let stored = self.rrsets.insert(draft, trust, security, &Moment::at(now));
        stored.map(|stored| stored.rrset).ok_or_else(|| "the SOA of the message cannot be kept".into())
    }

    /// Keeps the message when all its RRsets have been read.
    fn end_message(&mut self, loading: &mut Loading, now: Duration) {
        if !matches!(loading.expects, Expects::Part([0, 0, 0])) {
            return;
        }
        loading.expects = Expects::Message;
        let Some(MessageLine { name, qtype, qclass, head, .. }) = loading.message.take() else { return };
        if let Some(why) = loading.bad.take() {
            return loading.skip(why);
        }
        let checking_disabled = head.flags & header::flag::CD != 0;
        let key = MessageKey { name: &name, qtype, qclass, checking_disabled };
        match self.remember(&key, &head, &loading.learnt, &Context::at(now)) {
            true => loading.loaded.messages += 1,
            false => loading.skip("the message has no time left, or more RRsets than is kept".into()),
        }
    }
}

fn begin_rrset(loading: &mut Loading, text: &str) {
    match read_rrset_line(text) {
        Ok(line) => {
            (loading.expects, loading.is_lost) = (Expects::Record(line.count + line.signatures), false);
            loading.rrset = line;
        }
        Err(why) => {
            loading.expects = Expects::Rrset;
            loading.lose(why);
        }
    }
}

/// Reads `;rrset[ nsec_apex] TTL records signatures trust security[ flags N]`.
fn read_rrset_line(text: &str) -> Result<RrsetLine, String> {
    let mut words = text.split_ascii_whitespace().peekable();
    words.next().filter(|word| *word == RRSET).ok_or("a line of no RRset")?;
    let apex = words.next_if_eq(&"nsec_apex").map_or(0, |_| flag::NSEC_AT_APEX);
    let mut line = RrsetLine { ttl: number(words.next(), u32::MAX)?, ..RrsetLine::default() };
    (line.count, line.signatures) = (number(words.next(), MOST)?, number(words.next(), MOST)?);
    line.trust = Trust::from_number(octet(words.next())?).ok_or("no trust that is known")?;
    line.security = Security::from_number(octet(words.next())?).ok_or("no security that is known")?;
    line.flags = apex | if words.next() == Some("flags") { octet(words.next())? } else { 0 };
    if line.count + line.signatures == 0 {
        return Err("an RRset without any record".into());
    }
    Ok(line)
}

/// Reads, behind `msg `, `name class type flags questions TTL security answer authority additional[ EDE[ text]]`.
fn read_message_line(text: &str) -> Result<MessageLine, String> {
    let mut words = text.split_ascii_whitespace();
    let (name, qclass, qtype) = read_question(&mut words).ok_or("no name, class and type of a message")?;
    let flags = number(words.next(), MOST)? as u16;
    let _questions = number(words.next(), MOST)?;
    let ttl = number(words.next(), u32::MAX)?;
    let security = Security::from_number(octet(words.next())?).ok_or("no security that is known")?;
    let mut counts = [0; 3];
    for count in &mut counts {
        *count = number(words.next(), MOST)?;
    }
    // Older versions do not write it, and -1 stands for none. That it is bogus is known.
    let none = if security == Security::Bogus { Flaw::None.code() } else { NO_EDE };
    let ede = words.next().and_then(|word| number::read(word, 0..=u16::MAX).ok()).unwrap_or(none);
    let head = Head { flags, security, ede, ttl };
    Ok(MessageLine { name, qtype, qclass, head, counts })
}

/// A name, a class and a type.
fn read_question<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<(NameBuf, u16, u16)> {
    let mut name = NameBuf::new();
    name_text::parse(words.next()?.as_bytes(), &mut name).ok()?;
    Some((name, class_of(words.next()?)?, rtype_of(words.next()?)?))
}

fn number(word: Option<&str>, most: u32) -> Result<u32, String> {
    number::read(word.unwrap_or_default(), 0..=most).map_err(|error| error.to_string())
}

fn octet(word: Option<&str>) -> Result<u8, String> {
    number(word, u8::MAX.into()).map(|number| number as u8)
}
