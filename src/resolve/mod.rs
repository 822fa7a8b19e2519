//! The side thread that asks upstream servers.
//!
//! The worker puts a [`Request`] on one ring, the side thread answers with a [`Response`] on another. Both are
//! fixed-size slots written in place; a slot's untouched tail costs no memory.
//!
//! | file | holds |
//! |---|---|
//! | `thread/` | the thread's loop and clock; the kernel's sockets and random numbers as its world |
//! | `world` | what the core asks of the world outside |
//! | `core`, `options` | the only way in: [`Core::handle`]; settings |
//! | `course` | a question's beginning and end |
//! | `iterate`, `cut`, `cuts`, `lookups`, `minimise` | from the root down: cuts, their servers' addresses, what of a name is shown |
//! | `classify`, `authority`, `glue`, `hints` | what an authoritative server's reply amounts to; the root's servers |
//! | `known_cuts` | cuts made from what the cache has |
//! | `known`, `expired` | what the cache says to a question, and what it is told; what has expired |
//! | `exchange`, `waiting` | asking a server; what a question waits for |
//! | `over_tcp`, `judge` | asking over TCP; what a reply means |
//! | `proving`, `learning`, `held`, `validator` | what is answered is validated before it is told |
//! | `following`, `followed` | anchors that follow their zones' keys: when these are asked for, who is trusted then |
//! | `denying` | what is known not to exist is not asked for |
//! | `order`, `commands`, `listing` | what main has done beside: flushing, dumping, telling |
//! | `tables` | a new table takes the place of the one before |
//! | `table`, `source`, `networks`, `nat64` | which servers are asked for which names, from which addresses and where |
//! | `server`, `trouble` | a server's speed and health, what stands in the way to it |
//! | `sockets`, `sockets/`, `streams` | UDP sockets and their ports, which are given up for others; TCP streams |
//! | `question`, `questions`, `budget`, `tries`, `timer` | states in flight, what was sent for each and what it may cost, deadlines |
//! | `cookies`, `with_cookies`, `client_string` | EDNS options of queries: DNS cookies, who asks |
//! | `rates`, `rated` | how many queries a zone's servers are sent in a second |
//! | `caps`, `mixed_case` | names in mixed case |
//! | `report`, `reports` | errors reported to the agents that servers name |
//! | `keys` | how a reply finds its own |
//! | `reply`, `asked`, `normalize`, `scrub`, `private`, `ttl`, `chain` | a reply taken apart, scrubbed, limited, written as a body |
//! | `digest` | these four together: what `judge` makes of a reply, and fuzzing |
//! | `cache/` | RRsets and messages that are known |
//! | `signals` | who is told which keys are trusted; keys that are fetched ahead |
//! | `anchor_file` | the files of anchors that follow their zones' keys, written |

pub mod anchor_file;
mod asked;
mod authority;
mod budget;
mod cache;
mod caps;
mod chain;
mod choice;
mod classify;
mod client_string;
mod commands;
mod cookies;
mod core;
mod course;
mod cut;
mod cuts;
mod denying;
mod digest;
mod exchange;
mod expired;
mod followed;
mod following;
mod glue;
mod held;
mod hints;
mod iterate;
mod judge;
mod keys;
mod known;
mod known_cuts;
mod learning;
mod listing;
mod lookups;
mod minimise;
mod mixed_case;
mod nat64;
mod networks;
mod normalize;
mod options;
mod order;
mod over_tcp;
mod private;
mod proving;
mod question;
mod questions;
mod rated;
mod rates;
mod reply;
mod report;
mod reports;
mod scrub;
mod server;
mod servers;
mod signals;
mod sockets;
mod source;
mod streams;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod thread;
mod timer;
mod tries;
mod trouble;
mod ttl;
mod validator;
mod waiting;
mod with_cookies;
mod world;

pub use asked::Scrub;
pub use cache::{BelowNxdomain, Cache, Dumping, Flush, Flushed, Flushing, Loading, Rules};
pub use caps::Caps;
pub use client_string::ClientStrings;
pub use core::{Core, Input};
#[doc(hidden)]
pub use digest::Digester;
pub use hints::{Hint, built_in};
pub use nat64::Nat64;
pub use networks::Networks;
pub use options::{Infra, Iteration, Options, Preference};
pub use order::{Cleared, Command, Lines};
pub use private::Private;
pub use rates::RateLimits;
pub use sockets::SocketOptions;
pub use source::Sources;
pub use streams::StreamOptions;
pub use table::{Kind, MAX_SERVERS, Reachable, Zone, ZoneTable};
pub use thread::{Links, Resolver};
pub use trouble::{Failure, Troubles};
pub use ttl::TtlLimits;
#[doc(hidden)]
pub use world::{Sent, World};

use crate::dns::Name;
use crate::dns::body::Counts;
use crate::dns::cause::Cause;
use bytemuck::Zeroable;

/// Longest body a [`Response`] can hold: what a 64 KiB message has left behind header and the shortest question.
pub const MAX_BODY: usize = 65535 - 12 - 5;

/// A question for upstream.
#[derive(Clone, Copy, Zeroable)]
pub struct Request {
    /// The worker's handle of the question, given back in the response.
    pub ticket: u64,
    /// The epoch at which it was sent: main raises it with every flush and reload, after it has sent its tables. What was
    /// asked at an older epoch is told to who waits for it, and kept nowhere.
    pub epoch: u32,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// Set DO in the query to upstream.
    pub dnssec_ok: bool,
    /// Set CD in the query to upstream.
    pub checking_disabled: bool,
    /// RD is clear: it is answered with what is known, be that a referral; where nothing is known, as any other.
    pub known_only: bool,
    /// What is known does not do: it is asked so that it be known for longer, and nobody waits.
    pub refresh: bool,
    /// Seconds that what is known has left, when it is asked anew.
    pub left: u32,
    name_len: u8,
    name: [u8; 255],
}

impl Request {
    /// The name asked for, wire form, lower case.
    pub fn name(&self) -> &[u8] {
        &self.name[..usize::from(self.name_len)]
    }

    /// Sets the name (wire form, at most 255 octets; longer is cut to the root).
    pub fn set_name(&mut self, wire: &[u8]) {
        let wire = if wire.len() > self.name.len() { Name::ROOT.as_wire() } else { wire };
        self.name[..wire.len()].copy_from_slice(wire);
        self.name_len = wire.len() as u8;
    }
}

/// What came of a question.
#[derive(Clone, Copy, Zeroable)]
pub struct Response {
    /// From the request.
    pub ticket: u64,
    /// Response code for the client. SERVFAIL when every server failed.
    pub rcode: u16,
    /// Seconds this answer may be cached; 0: not at all.
    pub ttl: u32,
    /// Seconds after which it is time to ask anew, so that it does not run out.
    pub refresh_after: u32,
    /// Records per section.
    pub counts: Counts,
    /// It was known: no server was asked.
    pub known: bool,
    /// It has expired.
    pub expired: bool,
    /// It is validated.
    pub secure: bool,
    /// Why every server failed, when they did.
    pub cause: Cause,
    zone_len: u8,
    zone: [u8; 255],
    body_len: u32,
    body: [u8; MAX_BODY],
}

impl Response {
    /// The forward zone whose servers failed, wire form, lower case; empty when they did not.
    pub fn zone(&self) -> &[u8] {
        &self.zone[..usize::from(self.zone_len)]
    }

    /// Says why the question was not answered, and by the servers of which zone (wire form, at most 255 octets).
    pub fn set_cause(&mut self, cause: Cause, zone: &[u8]) {
        let len = zone.len().min(self.zone.len());
        self.zone[..len].copy_from_slice(&zone[..len]);
        (self.cause, self.zone_len) = (cause, len as u8);
    }

    /// The records, written by [`crate::dns::body::BodyWriter`] for a question at octet 12.
    pub fn body(&self) -> &[u8] {
        &self.body[..self.body_len as usize]
    }

    /// Replaces the records; gives false, and leaves none, when they do not fit.
    pub fn set_body(&mut self, body: &[u8], counts: Counts) -> bool {
        let fits = body.len() <= MAX_BODY;
        let body = if fits { body } else { &[] };
        self.body[..body.len()].copy_from_slice(body);
        self.body_len = body.len() as u32;
        self.counts = if fits { counts } else { [0; 3] };
        fits
    }
}
