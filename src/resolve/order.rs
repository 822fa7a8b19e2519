//! What main has the core do.

use super::Name;
use super::cache::{Cache, Dumping, Flush, Flushed, Flushing, Loading};
use super::table::ZoneTable;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// An order of main.
pub enum Command {
    /// This table takes the place of the present one.
    Table(Arc<ZoneTable>),
    /// What is kept goes, all at once: this cache, which is empty, takes the place of the present one. Answers to what is in
    /// flight are not kept.
    Clear(Box<Cache>, Sender<Cleared>),
    /// What is kept for a name goes, all usual types or one.
    FlushName(Box<Name>, Option<u16>, Sender<Flushed>),
    /// A piece of a flush: `None` at first, what it has come to while it lasts, what it took out at its end.
    Flush(Box<Flushing>, Sender<(Box<Flushing>, Option<Flushed>)>),
    /// A piece of what is kept, as text; true at the end.
    Dump(Box<Dumping>, Sender<(Box<Dumping>, String, bool)>),
    /// Lines of such text, each with its end.
    Load(Box<Loading>, String, Sender<(Box<Loading>, Result<(), String>)>),
    /// Lines of what is known of servers, from this place on; the next place, unless that was the end.
    Servers(usize, Sender<(String, Option<usize>)>),
    /// What is known of the servers at an address, or of all, is forgotten.
    ForgetServers(Option<IpAddr>, Sender<()>),
    /// Lines of the questions in flight, from this place on; the next place, unless that was the end.
    Questions(usize, Sender<(String, Option<usize>)>),
    /// The questions in flight end without an answer.
    EndQuestions(Sender<()>),
    /// Which servers a name would be asked of.
    Lookup(Box<Name>, Sender<String>),
}

/// What came of [`Command::Clear`].
pub struct Cleared {
    /// What was kept, to be dropped by who has the time.
    pub old: Option<Cache>,
    /// How much that was, expired entries included.
    pub flushed: Flushed,
}

impl Command {
    /// A flush from its beginning.
    pub fn flush(flush: Flush, tell: Sender<(Box<Flushing>, Option<Flushed>)>) -> Command {
        Command::Flush(Box::new(Flushing::new(flush)), tell)
    }
}
