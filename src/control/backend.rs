//! What the commands ask of the rest of the program.

use crate::dns::Name;
use crate::dns::cookie::Secret;
use crate::stats::Snapshot;
use std::net::IpAddr;
use std::time::Duration;

/// The program behind the control socket.
///
/// Each call comes from [`super::ControlServer::handle`] on the caller's thread. An `Err` is the text after `error ` in the
/// reply: one line, the cause and what to do about it.
pub trait Backend {
    /// What `status` prints, and how `stats` is to be printed.
    fn status(&mut self) -> Status;

    /// All counters since the start. A reset is kept on this side: counters are never set back.
    fn snapshot(&mut self) -> Snapshot;

    /// Ends the program in order, once the reply is written: `handle` writes it before it returns.
    fn stop(&mut self);

    /// Reads the configuration anew. On `Err` the running one stays, or the new one comes into force late, which it says.
    fn reload(&mut self, keep_cache: bool) -> Result<(), String>;

    /// Saves the configuration's folder as a tar of this name in it; what to say of it, a line each.
    fn backup(&mut self, name: &str) -> Result<Vec<String>, String>;

    /// Replaces the configuration's files by those of the tar of this name in their folder, if the configuration in it can
    /// be used; what to say of it, a line each. What is in force stays until a reload.
    fn restore(&mut self, name: &str) -> Result<Vec<String>, String>;

    /// Sets the verbosity, as the directive does.
    fn set_verbosity(&mut self, level: u8);

    /// Opens the log file anew, for log rotation.
    fn log_reopen(&mut self) -> Result<(), String>;

    /// Calls `edit` once with an editor on the local zones, then puts what came out in force: one compilation for any
    /// number of edits, none when no edit succeeded.
    fn edit_local(&mut self, edit: &mut dyn FnMut(&mut dyn LocalEditor)) -> Result<(), NotInForce>;

    /// Emits `name. type` for every local zone.
    fn list_local_zones(&mut self, emit: &mut dyn FnMut(&str));

    /// Emits every record of local data in presentation form, fields split by tabs.
    fn list_local_data(&mut self, emit: &mut dyn FnMut(&str));

    /// The forward zones in force.
    fn forwards(&mut self) -> Vec<ForwardZone>;

    /// The stub zones in force, and of each whether it is primed.
    fn stubs(&mut self) -> Vec<(ForwardZone, bool)>;

    /// Emits the names at and below which nothing is validated.
    fn list_insecure(&mut self, emit: &mut dyn FnMut(&str));

    /// Has nothing be validated at and below a name, or takes that back, until the next reload; what is kept of it goes.
    fn set_insecure(&mut self, name: &Name, insecure: bool) -> Result<(), String>;

    /// Emits the values of a directive in force, one a line. On `Err` it is none, or has none to show.
    fn option(&mut self, name: &str, emit: &mut dyn FnMut(&str)) -> Result<(), String>;

    /// Adds, replaces or removes a forward or stub zone, until the next reload.
    fn change_zone(&mut self, change: ZoneChange<'_>) -> Result<(), String>;

    /// Has what no other zone covers asked of these servers, or with `None` of the root's; questions in flight end.
    fn forward_root(&mut self, servers: Option<Vec<&str>>) -> Result<(), String>;

    /// Sets a directive, or adds a line to those that add up, until the next reload.
    fn set_option(&mut self, name: &str, value: &str) -> Result<(), String>;

    /// Drops a name from the cache: one type, or with `None` all types.
    fn flush(&mut self, name: &Name, rtype: Option<u16>) -> Result<(), String>;

    /// Drops a name and all below it from the caches; how much that was.
    fn flush_zone(&mut self, zone: &Name) -> Result<Flushed, String>;

    /// Drops NXDOMAIN, NODATA and SERVFAIL from the caches; how much that was.
    fn flush_negative(&mut self) -> Result<Flushed, String>;

    /// Drops what failed validation from the caches; how much that was.
    fn flush_bogus(&mut self) -> Result<Flushed, String>;

    /// Forgets what is known of the servers at an address, or of all.
    fn flush_infra(&mut self, at: Option<IpAddr>) -> Result<(), String>;

    /// Ends the questions in flight without an answer.
    fn flush_requestlist(&mut self) -> Result<(), String>;

    /// The cache as text.
    fn dump_cache(&mut self) -> Pieces;

    /// What is known of servers, a line each.
    fn dump_infra(&mut self) -> Pieces;

    /// The questions in flight, a line each.
    fn dump_requestlist(&mut self) -> Pieces;

    /// The zones that are sent as many queries as they may be, or all, each with its rate and limit, a line each.
    fn rates(&mut self, all: bool) -> Pieces;

    /// Begins to take in such text as [`Self::dump_cache`] gives.
    fn load_cache(&mut self) -> Box<dyn Load>;

    /// Emits who asks how often: those beyond the limit, or all that are known.
    fn list_rates(&mut self, all: bool, emit: &mut dyn FnMut(&str)) -> Result<(), String>;

    /// The secrets of cookies that are in force, the active one first.
    fn cookie_secrets(&mut self) -> Vec<Secret>;

    /// Changes the secrets in their file and puts them in force.
    fn change_secrets(&mut self, change: CookieChange) -> Result<(), String>;

    /// Which servers a name would be asked of, as text.
    fn lookup(&mut self, name: &Name) -> Result<String, String>;
}

/// What to do with the secrets of cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieChange {
    /// A staging one; the active one where there is none.
    Add(Secret),
    /// The staging one becomes active, the active one staging.
    Activate,
    /// The staging one goes.
    Drop,
}

/// A long reply, made a piece at a time as the client takes it. After an error there is no more.
pub type Pieces = Box<dyn Iterator<Item = Result<String, String>> + Send>;

/// A cache's text being taken in.
pub trait Load: Send {
    /// Takes whole lines; true when they have come to the end of the text. On `Err` nothing further is taken; what came
    /// before stays.
    fn take(&mut self, lines: &str) -> Result<bool, String>;
}

/// What was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// RRsets.
    pub rrsets: u64,
    /// Messages, the worker's answers among them.
    pub messages: u64,
    /// What was known of keys of zones.
    pub keys: u64,
}

/// Edits local zones and data. What it does shows once [`Backend::edit_local`] returns.
pub trait LocalEditor {
    /// Adds a zone, or gives the zone of this name another type; `kind` is a word of `local-zone:`.
    fn add_zone(&mut self, name: &Name, kind: &str) -> Result<(), EditError>;

    /// Removes a zone with its data. One that does not exist is no error.
    fn remove_zone(&mut self, name: &Name) -> Result<(), EditError>;

    /// Adds a record in presentation form, as `local-data:` takes it; a transparent zone is made when none holds it.
    fn add_data(&mut self, record: &str) -> Result<(), EditError>;

    /// Removes all records of a name. None is no error.
    fn remove_data(&mut self, name: &Name) -> Result<(), EditError>;

    /// Whether all edits are refused from here on, and none of those before comes into force.
    fn refuses_all(&self) -> bool {
        false
    }
}

/// Why what was asked for is not in force; one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotInForce {
    /// Nothing of it is, nor is going to be.
    Refused(String),
    /// It is going to be, whoever waits for it or not.
    Late(String),
}

impl From<String> for NotInForce {
    fn from(cause: String) -> NotInForce {
        NotInForce::Refused(cause)
    }
}

impl From<NotInForce> for String {
    fn from(cause: NotInForce) -> String {
        match cause {
            NotInForce::Refused(cause) | NotInForce::Late(cause) => cause,
        }
    }
}

/// Why an edit is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditError {
    /// The word names no type of local zone.
    ZoneType,
    /// The record is malformed: what is wrong with it.
    Record(String),
    /// Anything else, one line.
    Other(String),
}

/// What `status` shows.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// `verbosity:` in force.
    pub verbosity: u8,
    /// Names of the stages a query passes, as `module-config:` has them.
    pub modules: Vec<&'static str>,
    /// `extended-statistics:`
    pub extended_statistics: bool,
    /// `statistics-inhibit-zero:`
    pub inhibit_zero: bool,
    /// What closes files and system calls to the process, in a few words.
    pub sandbox: String,
    /// What was set for speed, at boot or by this program, a line each.
    pub tuning: Vec<String>,
    /// Addresses of `interface:` that no interface carries now.
    pub awaited: Vec<IpAddr>,
    /// The words of `xdp-interface:` by which no program goes anywhere, with the cause, a line each.
    pub unused: Vec<String>,
    /// At which interfaces of our addresses nothing comes in, why, and what ends that, a line each.
    pub cut_off: Vec<String>,
    /// Which other interfaces speak ARP for our addresses, and what ends that, a line each.
    pub rivals: Vec<String>,
    /// Which name servers cannot be asked now and why, a line each.
    pub upstream: Vec<String>,
    /// Which trust anchors are of no use now and why, and which of their files cannot be written, a line each.
    pub anchors: Vec<String>,
    /// For how long the worker has had a command that it did not answer in time.
    pub late: Option<Duration>,
}

/// What is to become of a forward or stub zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneChange<'a> {
    /// It is a stub zone.
    pub stub: bool,
    /// Its name.
    pub name: Name,
    /// Its servers, addresses or names as the configuration has them; `None`: it is removed.
    pub servers: Option<Vec<&'a str>>,
    /// `stub-prime:`
    pub prime: bool,
}

/// One `forward-zone:` or `stub-zone:`.
#[derive(Clone, Debug)]
pub struct ForwardZone {
    /// Its name.
    pub name: Name,
    /// `forward-host:`, `stub-host:`
    pub hosts: Vec<String>,
    /// The servers.
    pub servers: Vec<ForwardServer>,
    /// It is one of the names of [`Backend::list_insecure`].
    pub insecure: bool,
}

/// One `forward-addr:` or `stub-addr:`.
#[derive(Clone, Debug)]
pub struct ForwardServer {
    /// The address with its zone, as the configuration has it.
    pub address: String,
    /// The port.
    pub port: u16,
    /// The name its certificate is to bear, if any.
    pub tls_name: Option<String>,
}
