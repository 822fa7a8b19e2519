//! Trust anchors that follow a zone's keys (RFC 5011): what is known of each key, and since when.

use super::anchors::Anchor;
use crate::dns::rtype::{DNSKEY, DS};
use std::path::PathBuf;

/// What becomes of a key, by the numbers of Unbound's state files (RFC 5011 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum State {
    /// Seen for the first time just now.
    #[default]
    Start = 0,
    /// Seen, and not for long enough.
    Pending = 1,
    /// Trusted.
    Valid = 2,
    /// Trusted, and not seen any more.
    Missing = 3,
    /// Revoked by itself, for good.
    Revoked = 4,
    /// To be forgotten.
    Removed = 5,
}

impl State {
    /// The state of this number.
    pub fn from_number(number: u8) -> Option<State> {
        let all = [State::Start, State::Pending, State::Valid, State::Missing, State::Revoked, State::Removed];
        all.get(usize::from(number)).copied()
    }

    /// As the files have it between brackets.
    pub fn word(self) -> &'static str {
        match self {
            State::Start => "  START  ",
            State::Pending => " ADDPEND ",
            State::Valid => "  VALID  ",
            State::Missing => " MISSING ",
            State::Revoked => " REVOKED ",
            State::Removed => " REMOVED ",
        }
    }
}

/// A key of the zone, or the DS record of one that is yet to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// DS's number or DNSKEY's.
    pub rtype: u16,
    /// TTL in seconds.
    pub ttl: u32,
    /// Its data.
    pub data: Vec<u8>,
    /// What becomes of it.
    pub state: State,
    /// How often it was seen while it was pending.
    pub count: u8,
    /// When the state changed, in seconds since 1970; 0 for one that was written by hand.
    pub changed: u64,
}

/// A zone whose anchor follows its keys, and the file that is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The file, as the server sees it.
    pub file: PathBuf,
    /// What is known of its keys.
    pub point: Point,
}

/// A zone whose anchor follows its keys. Times are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// The zone, wire form, lower case.
    pub zone: Vec<u8>,
    /// Its class.
    pub class: u16,
    /// All keys were revoked: it is no anchor any more.
    pub revoked: bool,
    /// When its keys were last asked for.
    pub queried: u64,
    /// When they last were as they should be.
    pub succeeded: u64,
    /// When to ask again.
    pub next_probe: u64,
    /// How often they were not as they should be, since the last time that they were.
    pub failed: u8,
    /// Seconds to the next query after one that succeeded.
    pub interval: u32,
    /// Seconds to the next after one that failed.
    pub retry: u32,
    /// Its keys, in the order of the file.
    pub keys: Vec<Key>,
}

impl Point {
    /// What is trusted: DS records, and keys that are valid or missing.
    pub fn anchor(&self) -> Anchor {
        let trusted = |key: &&Key| key.rtype == DNSKEY && matches!(key.state, State::Valid | State::Missing);
        let data = |key: &Key| key.data.clone();
        Anchor {
            ds: self.keys.iter().filter(|key| key.rtype == DS).map(data).collect(),
            keys: self.keys.iter().filter(trusted).map(data).collect(),
        }
    }
}
