//! What the worker wants logged about queries (log-queries, inform zones), carried to main over a ring.

use crate::answer::decide::{Event, EventSink};
use crate::answer::zones::ZoneType;
use crate::dns::name_text::to_text;
use crate::ring::doorbell::Doorbell;
use crate::ring::spsc::{Consumer, Producer};
use crate::stats::{Counter, WorkerStats};
use std::net::SocketAddr;
use std::sync::Arc;

/// One event, in a slot of the ring.
#[derive(Clone, Copy)]
pub struct QueryEvent {
    client: SocketAddr,
    qtype: u16,
    qclass: u16,
    kind: Option<ZoneType>,
    name_len: u8,
    zone_len: u8,
    name: [u8; 255],
    zone: [u8; 255],
}

impl QueryEvent {
    /// An empty slot.
    pub fn empty() -> QueryEvent {
        QueryEvent {
            client: SocketAddr::from(([0, 0, 0, 0], 0)),
            qtype: 0,
            qclass: 0,
            kind: None,
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
            Event::Query => (&[][..], None),
            Event::Zone(zone, kind) => (zone, Some(kind)),
        };
        (slot.client, slot.qtype, slot.qclass, slot.kind) = (client, qtype, qclass, kind);
        (slot.name_len, slot.zone_len) = (name.len().min(255) as u8, zone.len().min(255) as u8);
        slot.name[..usize::from(slot.name_len)].copy_from_slice(&name[..usize::from(slot.name_len)]);
        slot.zone[..usize::from(slot.zone_len)].copy_from_slice(&zone[..usize::from(slot.zone_len)]);
        self.events.publish();
        self.main_bell.ring();
    }
}

/// Main's end: logs what is there, in Unbound's words; a ringful at most, since the worker may be faster than the log.
pub fn log_some(events: &mut Consumer<QueryEvent>) {
    for _ in 0..events.capacity() {
        let Some(event) = events.front() else { break };
        let name = to_text(&event.name[..usize::from(event.name_len)]);
        let (qtype, qclass) = (rtype_word(event.qtype), class_word(event.qclass));
        let ip = event.client.ip();
        match event.kind {
            None => log::info!("{ip} {name} {qtype} {qclass}"),
            Some(kind) => {
                let zone = to_text(&event.zone[..usize::from(event.zone_len)]);
                log::info!("{zone} {} {ip}@{} {name} {qtype} {qclass}", kind.word(), event.client.port());
            }
        }
        events.release();
    }
}

/// A type's mnemonic (RFC 3597: TYPEnnn when it has none here).
pub fn rtype_word(rtype: u16) -> String {
    domain::base::iana::Rtype::from_int(rtype).to_string()
}

/// A class's mnemonic.
pub fn class_word(class: u16) -> String {
    domain::base::iana::Class::from_int(class).to_string()
}
