//! What main has the core do.

use super::cache::{Cache, Dumping, Flushed, Flushing, Loading, Rules};
use super::options::Options;
use super::table::ZoneTable;
use crate::dns::Name;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// An order of main.
pub enum Command {
    /// These settings take the place of the present ones, as far as they are no sizes, sockets and the like; and this is what is
    /// told of what is kept.
    Options(Box<Options>, Rules),
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
    /// Nothing is validated at and below a name, or it is again. What is kept of it is to be flushed afterwards.
    Insecure(Box<Name>, bool, Sender<()>),
    /// Lines of what is known of servers, from this place on.
    Servers(usize, Sender<Lines>),
    /// What is known of the servers at an address, or of all, is forgotten.
    ForgetServers(Option<IpAddr>, Sender<()>),
    /// Lines of the questions in flight, from this place on.
    Questions(usize, Sender<Lines>),
    /// The questions in flight end without an answer.
    EndQuestions(Sender<()>),
    /// Lines of the rates of zones, from this place on; those at their limit, or all.
    Rates(usize, bool, Sender<Lines>),
    /// Which servers a name would be asked of.
    Lookup(Box<Name>, Sender<String>),
}

/// A piece of a list, and the place of the next, unless that was the end.
pub type Lines = (String, Option<usize>);

/// What came of [`Command::Clear`].
pub struct Cleared {
    /// What was kept, to be dropped by who has the time.
    pub old: Option<Cache>,
    /// How much that was, expired entries included.
    pub flushed: Flushed,
}
