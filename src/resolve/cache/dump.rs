//! All that is kept as text, in the form of Unbound's dump_cache (daemon/cachedump.c), which its load_cache and
//! [`super::load`] read.
//!
//! The lines of RRsets may end in their flags, which Unbound passes over: without them it takes a SOA of a denial for one that was
//! asked for, and does not find it for the denial. A message that was asked for with CD has that bit in its flags.

use super::Cache;
use super::messages::{Message, NO_EDE};
use super::rrset::{Key, Rrset, flag};
use super::rrsets::{RrsetCache, seconds};
use super::store::Walk;
use crate::config::{Record, class_word, record_text, rtype_word};
use crate::dns::body::Fixed;
use crate::dns::name_text::to_text;
use crate::dns::{header, rtype};
use std::fmt::Write;
use std::time::Duration;

/// Lines between which entries stand.
pub(super) const START_RRSETS: &str = "START_RRSET_CACHE";
pub(super) const END_RRSETS: &str = "END_RRSET_CACHE";
pub(super) const START_MESSAGES: &str = "START_MSG_CACHE";
pub(super) const END_MESSAGES: &str = "END_MSG_CACHE";
pub(super) const END: &str = "EOF";

/// A dump on its way.
#[derive(Debug, Default)]
pub struct Dumping {
    rrsets: Walk,
    messages: Walk,
    part: Part,
    record: Record,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Part {
    #[default]
    Start,
    Rrsets,
    Messages,
}

impl Cache {
    /// Goes on with a dump, over at most `steps` buckets of eight entries, and adds its lines to `out`; true at the end. What has
    /// expired by `now` is left out; what comes meanwhile may be dumped or not.
    pub fn dump_on(&mut self, dumping: &mut Dumping, steps: usize, now: Duration, out: &mut String) -> bool {
        let now = seconds(now);
        let Dumping { rrsets, messages, part, record } = dumping;
        match part {
            Part::Start => {
                line(out, format_args!("{START_RRSETS}"));
                *part = Part::Rrsets;
            }
            Part::Rrsets => {
                let ended = self.rrsets.walk(rrsets, steps, |set| {
                    dump_rrset(set, now, record, out);
                    false
                });
                if ended {
                    line(out, format_args!("{END_RRSETS}\n{START_MESSAGES}"));
                    *part = Part::Messages;
                }
            }
            Part::Messages => {
                let known = &self.rrsets;
                let ended = self.messages.walk(messages, steps, |message| {
                    dump_message(message, known, now, out);
                    false
                });
                if ended {
                    line(out, format_args!("{END_MESSAGES}\n{END}"));
                }
                return ended;
            }
        }
        false
    }
}

fn line(out: &mut String, text: std::fmt::Arguments) {
    // A string takes whatever is written to it.
    let _ = writeln!(out, "{text}");
}

/// Adds the lines of one RRset to `out`.
pub fn write_rrset(set: &Rrset, now: u32, out: &mut String) {
    dump_rrset(set, now, &mut Record::default(), out);
}

fn dump_rrset(set: &Rrset, now: u32, record: &mut Record, out: &mut String) {
    if set.is_expired(now) {
        return;
    }
    let key = set.key();
    let apex = if key.flags & flag::NSEC_AT_APEX != 0 { " nsec_apex" } else { "" };
    let (count, signatures) = (set.count(), set.signature_count());
    let (ttl, trust, security) = (set.ttl(now), set.trust().number(), set.security().number());
    let flags = match key.flags & !flag::NSEC_AT_APEX {
        0 => String::new(),
        _ => format!(" flags {}", key.flags),
    };
    line(out, format_args!(";rrset{apex} {ttl} {count} {signatures} {trust} {security}{flags}"));
    let fixed = Fixed { rtype: key.rtype, class: key.class, ttl };
    for data in set.records() {
        line(out, format_args!("{}", record_text(key.owner, &fixed, data, record)));
    }
    let fixed = Fixed { rtype: rtype::RRSIG, ..fixed };
    for data in set.signatures() {
        line(out, format_args!("{}", record_text(key.owner, &fixed, data, record)));
    }
}

fn dump_message(message: &Message, known: &RrsetCache, now: u32, out: &mut String) {
    let live = |rrset| known.follow(rrset).is_some_and(|set| !set.is_expired(now));
    if message.is_expired(now) || !message.rrsets().all(|(_, rrset)| live(rrset)) {
        return;
    }
    let (key, head, [answer, authority, additional]) = (message.key(), message.head(now), message.counts());
    let flags = head.flags | if key.checking_disabled { header::flag::CD } else { 0 };
    let ede = if head.ede == NO_EDE { -1 } else { i32::from(head.ede) };
    let (question, ttl, security) = (words(key.name, key.qclass, key.qtype), head.ttl, head.security.number());
    line(out, format_args!("msg {question} {flags} 1 {ttl} {security} {answer} {authority} {additional} {ede} "));
    for (_, rrset) in message.rrsets() {
        let Some(set) = known.follow(rrset) else { return };
        let Key { owner, rtype, class, flags, covered } = set.key();
        let flags = u32::from(covered) << 16 | u32::from(flags);
        line(out, format_args!("{} {flags}", words(owner, class, rtype)));
    }
}

fn words(name: &[u8], class: u16, rtype: u16) -> String {
    format!("{} {} {}", to_text(name), class_word(class), rtype_word(rtype))
}
