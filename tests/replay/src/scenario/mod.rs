//! A scenario in Unbound's replay format, as a file has it: what the comments at the top of Unbound's testcode/replay.h and
//! testcode/testpkts.h describe. Records stay text here; what they are in octets is `message`'s to say.

mod entry;
mod expression;
mod lines;
mod parse;

pub use entry::{Adjust, Entry, Match, Record};
pub use expression::{Expression, Values};
pub use parse::parse;

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

/// One file.
#[derive(Debug, Default)]
pub struct Scenario {
    /// What stands behind SCENARIO_BEGIN.
    pub title: String,
    /// What stands before CONFIG_END, without the contents of files.
    pub configuration: Vec<Line>,
    /// TEMPFILE_CONTENTS and AUTOTRUST_FILE: what is to be there before it begins.
    pub files: Vec<File>,
    /// Servers that answer at once.
    pub ranges: Vec<Range>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// A line of the configuration.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// As unbound.conf has it.
    Text(String),
    /// TEMPFILE_NAME: the path of this file.
    Path(String),
    /// AUTOTRUST_FILE: the directive that has the file of this name keep a trust anchor.
    Autotrust(String),
}

impl Scenario {
    /// All entries, those of servers first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let of_servers = self.ranges.iter().flat_map(|range| &range.entries);
        let of_steps = self.steps.iter().filter_map(|step| match &step.what {
            What::Query { entry, .. }
            | What::CheckAnswer { entry, .. }
            | What::CheckOutQuery { entry, .. }
            | What::Reply { entry, .. } => Some(entry),
            _ => None,
        });
        of_servers.chain(of_steps).flat_map(|entry| std::iter::once(entry).chain(&entry.extra))
    }

    /// The configuration, its files being in `folder`.
    pub fn configuration_in(&self, folder: &Path) -> String {
        let shown = self.configuration.iter().map(|line| match line {
            Line::Text(text) => format!("{text}\n"),
            Line::Path(name) => format!("\"{}\"\n", folder.join(name).display()),
            Line::Autotrust(name) => format!("server: auto-trust-anchor-file: \"{}\"\n", folder.join(name).display()),
        });
        shown.collect()
    }
}

/// A file that a configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name in the scenario.
    pub name: String,
    /// Its lines.
    pub contents: String,
    /// It holds the state of a trust anchor (RFC 5011), whose `${…}` are values of the moment.
    pub is_autotrust: bool,
}

/// A server, or every server, from one step to another.
#[derive(Clone, Debug)]
pub struct Range {
    /// First step at which it answers.
    pub first: u32,
    /// Last one.
    pub last: u32,
    /// Where it listens; none: everywhere.
    pub addresses: Vec<IpAddr>,
    /// What it answers: the first that matches.
    pub entries: Vec<Entry>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number, by which ranges go.
    pub number: u32,
    /// Where it stands in the file.
    pub line: usize,
    /// What happens.
    pub what: What,
}

/// What happens in a step.
#[derive(Clone, Debug)]
pub enum What {
    /// A client asks.
    Query {
        /// Whence.
        client: Option<IpAddr>,
        /// The message.
        entry: Entry,
    },
    /// An answer that was not checked yet must match, the oldest that does.
    CheckAnswer {
        /// Who must have got it, if one is named.
        client: Option<IpAddr>,
        /// What it must match.
        entry: Entry,
    },
    /// A query must have gone out, to this server if one is named.
    CheckOutQuery {
        /// Where to.
        server: Option<IpAddr>,
        /// What it must match.
        entry: Entry,
    },
    /// The newest query that waits and matches is answered, else the newest.
    Reply {
        /// Who answers.
        server: Option<IpAddr>,
        /// With what.
        entry: Entry,
    },
    /// The newest query that waits is not answered in time.
    Timeout,
    /// The newest query that waits comes back as an error.
    Error,
    /// Nothing.
    Nothing,
    /// So many seconds pass.
    TimePasses(Expression),
    /// Queries and replies flow until nothing moves.
    Traffic,
    /// A variable gets a value.
    Assign {
        /// Its name.
        name: String,
        /// What it becomes.
        value: Expression,
    },
    /// A file must hold these lines: that of a trust anchor, or another.
    CheckFile(File),
    /// The time of a server is taken to be this.
    InfraRtt {
        /// Its address.
        server: IpAddr,
        /// Milliseconds.
        rtt: Expression,
    },
    /// The answer for this name, type and class is forgotten, or grows too old, which is the same while none is served so.
    Forget(String),
}

/// Why a file cannot be read as a scenario.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub cause: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.cause)
    }
}
