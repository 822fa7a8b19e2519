//! What the worker wants logged about queries and replies (log-queries, log-replies, log-servfail, inform zones, who asks too
//! often), carried to main over a ring.

use super::log::{QUERY, REPLY, asked_for};
use crate::answer::decide::{Event, EventSink, Replied};
use crate::answer::zones::ZoneType;
use crate::config::{class_word, rtype_word};
use crate::control::rcode_word;
use crate::dns::cause::{Cause, Why};
use crate::dns::name_text::to_text;
use crate::dns::rcode;
use crate::ring::doorbell::Doorbell;
use crate::ring::spsc::{Consumer, Producer};
use crate::stats::{Counter, WorkerStats};
use log::Level;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// One event, in a slot of the ring.
#[derive(Clone, Copy)]
pub struct QueryEvent {
    client: SocketAddr,
    qtype: u16,
    qclass: u16,
    kind: Kind,
    name_len: u8,
    zone_len: u8,
    name: [u8; 255],
    zone: [u8; 255],
}

#[derive(Clone, Copy)]
enum Kind {
    Query,
    Zone(ZoneType),
    Reply(Replied),
    Failed(Cause),
    Bogus(Option<Cause>),
    Limited(u32, bool),
}

impl QueryEvent {
    /// An empty slot.
    pub fn empty() -> QueryEvent {
        QueryEvent {
            client: SocketAddr::from(([0, 0, 0, 0], 0)),
            qtype: 0,
            qclass: 0,
            kind: Kind::Query,
            name_len: 0,
            zone_len: 0,
            name: [0; 255],
            zone: [0; 255],
        }
    }
}

/// The worker's end: a full ring loses the event, and counts it.
pub struct RingSink {
    events: Producer<QueryEvent>,
    main_bell: Doorbell,
    stats: Arc<WorkerStats>,
}

impl RingSink {
    /// A sink into `events`.
    pub fn new(events: Producer<QueryEvent>, main_bell: Doorbell, stats: Arc<WorkerStats>) -> RingSink {
        RingSink { events, main_bell, stats }
    }

    fn lost(&self) -> &Counter {
        &self.stats.outcomes.events_lost
    }
}

impl EventSink for RingSink {
    fn event(&mut self, event: Event<'_>, client: SocketAddr, name: &[u8], qtype: u16, qclass: u16) {
        let Some(slot) = self.events.reserve() else {
            self.lost().add(1);
            return;
        };
        let (zone, kind) = match event {
            Event::Query => (&[][..], Kind::Query),
            Event::Zone(zone, kind) => (zone, Kind::Zone(kind)),
            Event::Reply(replied) => (&[][..], Kind::Reply(replied)),
            Event::Failed(zone, cause) => (zone, Kind::Failed(cause)),
            Event::Bogus(reason) => (&[][..], Kind::Bogus(reason)),
            Event::Limited(limit, has_cookie) => (&[][..], Kind::Limited(limit, has_cookie)),
        };
        (slot.client, slot.qtype, slot.qclass, slot.kind) = (client, qtype, qclass, kind);
        (slot.name_len, slot.zone_len) = (name.len().min(255) as u8, zone.len().min(255) as u8);
        slot.name[..usize::from(slot.name_len)].copy_from_slice(&name[..usize::from(slot.name_len)]);
        slot.zone[..usize::from(slot.zone_len)].copy_from_slice(&zone[..usize::from(slot.zone_len)]);
        self.events.publish();
        self.main_bell.ring();
    }
}

/// Main's end: logs what is there, in Unbound's words and whatever the verbosity; a ringful at most, since the worker may be
/// faster than the log. `tagged`: log-tag-queryreply.
pub fn log_some(events: &mut Consumer<QueryEvent>, tagged: bool) {
    for _ in 0..events.capacity() {
        let Some(event) = events.front() else { break };
        let (level, target) = match event.kind {
            Kind::Query if tagged => (Level::Info, QUERY),
            Kind::Reply(_) if tagged => (Level::Info, REPLY),
            Kind::Failed(_) => (Level::Error, module_path!()),
            _ => (Level::Info, module_path!()),
        };
        asked_for(level, target, format_args!("{event}"));
        events.release();
    }
}

impl fmt::Display for QueryEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match usize::from(self.name_len) {
            0 => "null".to_owned(),
            len => to_text(&self.name[..len]),
        };
        let (qtype, qclass) = (rtype_word(self.qtype), class_word(self.qclass));
        let (client, port) = (self.client.ip(), self.client.port());
        match &self.kind {
            Kind::Query => write!(f, "{client} {name} {qtype} {qclass}"),
            Kind::Zone(kind) => {
                let zone = to_text(&self.zone[..usize::from(self.zone_len)]);
                write!(f, "{zone} {} {client}@{port} {name} {qtype} {qclass}", kind.word())
            }
            Kind::Reply(replied) if replied.rcode == rcode::FORMERR => {
                write!(f, "{client} - - - FORMERR - - -")?;
                write_destination(f, replied)
            }
            Kind::Reply(replied) => {
                let (waited, cached) = (replied.waited.unwrap_or(0), u8::from(replied.waited.is_none()));
                let (seconds, micros) = (waited / 1_000_000, waited % 1_000_000);
                let (code, len) = (rcode_word(replied.rcode), replied.len);
                write!(f, "{client} {name} {qtype} {qclass} {code} {seconds}.{micros:06} {cached} {len}")?;
                write_destination(f, replied)
            }
            Kind::Limited(limit, has_cookie) => {
                let cookie = if *has_cookie { "(cookie)" } else { "" };
                write!(f, "ip_ratelimit exceeded {client} {limit}{cookie} {name} {qclass} {qtype}")
            }
            Kind::Bogus(None) => write!(f, "validation failure {name} {qtype} {qclass}"),
            Kind::Bogus(Some(cause)) => {
                write!(f, "validation failure <{name} {qtype} {qclass}>: {} from ", cause.flaw.text())?;
                match cause.server() {
                    Some(server) => write!(f, "{server}"),
                    None => f.write_str("cache"),
                }
            }
            Kind::Failed(cause) => {
                write!(f, "SERVFAIL <{name} {qtype} {qclass}>: ")?;
                write_cause(f, &self.zone[..usize::from(self.zone_len)], cause)
            }
        }
    }
}

/// log-servfail, in Unbound's words where it has some.
fn write_cause(f: &mut fmt::Formatter<'_>, zone: &[u8], cause: &Cause) -> fmt::Result {
    let said = match cause.why {
        Why::Unknown | Why::Lengths | Why::Doubtful => return f.write_str("misc failure"),
        Why::Sentinel => {
            return f.write_str("the name asks which keys of the root are trusted, and it is not as it says");
        }
        Why::NoZone => return f.write_str("no server is known to ask for it"),
        Why::Bogus => return write!(f, "validation failure: {}", cause.flaw.text()),
        Why::Sends => return f.write_str("exceeded the maximum number of sends"),
        Why::Quota => return f.write_str("exceeded the maximum number of sends for one question"),
        Why::Aliases => return f.write_str("request has exceeded the maximum number restarts (eg. indirections)"),
        Why::GivenUp => return f.write_str("given up for a newer question, too many were in flight"),
        Why::Rate => return f.write_str("exceeded ratelimit for zone"),
        Why::Differ => return f.write_str("0x20 failed, then got different replies in fallback"),
        Why::NoServer => "no server to query no addresses for nameservers".into(),
        Why::Silence => "upstream server timeout".into(),
        Why::Network => "upstream server not reached".into(),
        Why::Unreadable => "could not parse upstream response".into(),
        Why::Useless => "upstream response failed scrub".into(),
        Why::Rcode => format!("got {}", rcode_word(cause.rcode)),
    };
    f.write_str("all the configured stub or forward servers failed")?;
    // A reload may have taken the zone away.
    if !zone.is_empty() {
        write!(f, ", at zone {}", to_text(zone))?;
    }
    if let Some(server) = cause.server() {
        write!(f, " from {server}")?;
    }
    write!(f, " {said}")
}

/// log-destaddr.
fn write_destination(f: &mut fmt::Formatter<'_>, replied: &Replied) -> fmt::Result {
    match replied.local {
        Some(local) => {
            let way = if replied.stream { "tcp" } else { "udp" };
            write!(f, " on {way} {} {}", local.ip(), local.port())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::log as logger;
    use super::*;
    use crate::config::{Config, Logging};
    use crate::dns::flaw::Flaw;
    use crate::ring::spsc;

    fn reply(code: u16, waited: Option<u64>, local: Option<&str>, stream: bool) -> String {
        let local = local.map(|local| local.parse().unwrap());
        let mut event = QueryEvent::empty();
        event.client = "192.0.2.7:4242".parse().unwrap();
        (event.qtype, event.qclass) = (1, 1);
        event.kind = Kind::Reply(Replied { rcode: code, waited, len: 57, local, stream });
        event.name[..7].copy_from_slice(b"\x01a\x03Net\0");
        event.name_len = 7;
        event.to_string()
    }

    #[test]
    fn replies_are_told_in_unbounds_words() {
        assert_eq!(reply(0, None, None, false), "192.0.2.7 a.Net. A IN NOERROR 0.000000 1 57");
        assert_eq!(reply(3, Some(1_000_042), None, true), "192.0.2.7 a.Net. A IN NXDOMAIN 1.000042 0 57");
        let v4 = Some("198.51.100.1:53");
        assert_eq!(reply(2, Some(7), v4, false), "192.0.2.7 a.Net. A IN SERVFAIL 0.000007 0 57 on udp 198.51.100.1 53");
        let v6 = Some("[fe80::1%3]:5353");
        assert_eq!(reply(4, None, v6, true), "192.0.2.7 a.Net. A IN NOTIMPL 0.000000 1 57 on tcp fe80::1 5353");
        assert_eq!(reply(1, None, v4, false), "192.0.2.7 - - - FORMERR - - - on udp 198.51.100.1 53");
        assert!(reply(15, None, None, false).contains(" RCODE15 "));
        let mut unread = QueryEvent::empty();
        unread.kind = Kind::Reply(Replied { rcode: 5, waited: None, len: 12, local: None, stream: false });
        assert_eq!(unread.to_string(), "0.0.0.0 null TYPE0 CLASS0 REFUSED 0.000000 1 12");
    }

    #[test]
    fn what_a_directive_asks_for_is_written_at_verbosity_0() {
        let top = std::env::temp_dir().join(format!("runbound-asked-for-{}", std::process::id()));
        std::fs::create_dir_all(&top).unwrap();
        let logfile = top.join("log");
        let (events, mut end) = spsc::channel(8, QueryEvent::empty);
        let mut sink = RingSink::new(events, Doorbell::new().unwrap(), Arc::default());
        let client = "192.0.2.7:4242".parse().unwrap();
        let replied = Replied { rcode: 0, waited: None, len: 57, local: None, stream: false };
        for event in [Event::Query, Event::Reply(replied), Event::Zone(b"\x01a\0", ZoneType::Inform)] {
            sink.event(event, client, b"\x01a\0", 1, 1);
        }
        sink.event(Event::Failed(b"\0", Cause::new(Why::Sends)), client, b"\x01a\0", 1, 1);
        logger::configure(&Config {
            log: Logging { file: logfile.clone(), ..Logging::default() },
            ..Config::default()
        })
        .unwrap();
        logger::set_verbosity(0);
        log_some(&mut end, false);
        logger::configure(&Config::default()).unwrap();
        let text = std::fs::read_to_string(&logfile).unwrap();
        let lines: Vec<&str> =
            text.lines().filter_map(|line| line.split_once(":0] ")).map(|(_, words)| words).collect();
        assert_eq!(
            lines,
            [
                "info: 192.0.2.7 a. A IN",
                "info: 192.0.2.7 a. A IN NOERROR 0.000000 1 57",
                "info: a. inform 192.0.2.7@4242 a. A IN",
                "error: SERVFAIL <a. A IN>: exceeded the maximum number of sends",
            ]
        );
        std::fs::remove_dir_all(&top).unwrap();
    }

    #[test]
    fn failures_of_validation_are_told_with_or_without_the_reason() {
        let told = |reason: Option<Cause>| {
            let mut event = QueryEvent::empty();
            (event.qtype, event.qclass, event.kind) = (28, 1, Kind::Bogus(reason));
            event.name[..3].copy_from_slice(b"\x01a\0");
            event.name_len = 3;
            event.to_string()
        };
        assert_eq!(told(None), "validation failure a. AAAA IN");
        let cause = Cause::bogus(Flaw::Expired);
        assert_eq!(told(Some(cause)), "validation failure <a. AAAA IN>: signature expired from cache");
        let server = "192.0.2.53".parse().unwrap();
        let told = told(Some(cause.at(server)));
        assert_eq!(told, "validation failure <a. AAAA IN>: signature expired from 192.0.2.53");
    }

    #[test]
    fn causes_of_servfail_are_told_in_unbounds_words() {
        let told_at = |zone: &[u8], cause: Cause| {
            let mut event = QueryEvent::empty();
            (event.qtype, event.qclass, event.kind) = (28, 1, Kind::Failed(cause));
            event.name[..3].copy_from_slice(b"\x01a\0");
            event.zone[..zone.len()].copy_from_slice(zone);
            (event.name_len, event.zone_len) = (3, zone.len() as u8);
            event.to_string()
        };
        let told = |cause: Cause| told_at(b"\x03lan\0", cause);
        let server = "192.0.2.53".parse().unwrap();
        let failed = "SERVFAIL <a. AAAA IN>: all the configured stub or forward servers failed, at zone lan.";
        assert_eq!(told(Cause::code(5).at(server)), format!("{failed} from 192.0.2.53 got REFUSED"));
        let silent = Cause::new(Why::Silence).at("2001:db8::1".parse().unwrap());
        assert_eq!(told(silent), format!("{failed} from 2001:db8::1 upstream server timeout"));
        assert_eq!(
            told(Cause::new(Why::NoServer)),
            format!("{failed} no server to query no addresses for nameservers")
        );
        assert_eq!(told(Cause::new(Why::Sends)), "SERVFAIL <a. AAAA IN>: exceeded the maximum number of sends");
        assert_eq!(told(Cause::default()), "SERVFAIL <a. AAAA IN>: misc failure");
        assert_eq!(
            told_at(b"", silent),
            failed.replace(", at zone lan.", "") + " from 2001:db8::1 upstream server timeout"
        );
    }
}
