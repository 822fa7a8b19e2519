//! The wall clock, by SNTP: set at the boot as soon as a server tells the time, and kept. Nothing waits for it, and nothing
//! that serves goes by it: the server and PID 1 measure time by the monotonic clock, which no step moves.
//!
//! | file | holds |
//! |---|---|
//! | `client` | the state machine (pure) |
//! | `packet` | the request, and the check of a reply (pure) |
//! | `lookup` | a name's addresses (pure) |
//! | `net` | the sockets of a round |
//! | `wall` | the clock that is set |

mod client;
mod lookup;
mod net;
mod packet;
mod wall;

use crate::configuration::store::DATA;
use crate::netconf::time::{FILE, TimeServers, Told};
use crate::service::{Event, Service, Status};
use client::{Action, Client, Found, Server, Steer};
use net::{Came, Net};
use runbound::dns::Name;
use rustix::event::PollFlags;
use rustix::fd::BorrowedFd;
use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wall::{Machine, Wall};

/// No more is read of it.
const FILE_MOST: u64 = 64 << 10;
/// Between two looks at it.
const LOOK: Duration = Duration::from_secs(5);
/// Corrections that are smaller are made without a word.
const SAID: u128 = 100_000_000;

/// The service.
pub struct Clock {
    client: Client,
    net: Net,
    wall: Box<dyn Wall>,
    file: PathBuf,
    told: Option<Told>,
    look: Instant,
    /// When and by whom it was last set.
    last: Option<String>,
    /// Why no time was found, when that was said.
    trouble: Option<String>,
    shown: String,
}

impl Clock {
    /// One that looks for servers at its first turn. `None` with a line in the log when the kernel gives no descriptors or
    /// random numbers.
    pub fn open(now: Instant) -> Option<Clock> {
        let random = || {
            let mut octets = [0; 8];
            // The kernel's random numbers are ready, or the name hash of the server would have no key either.
            getrandom::fill(&mut octets).map(|()| u64::from_ne_bytes(octets)).unwrap_or_default()
        };
        match Net::new() {
            Ok(net) => Some(Clock::new(Client::new(Box::new(random)), net, Box::new(Machine), now)),
            Err(cause) => {
                log::error!("clock: epoll: {cause}; nobody is asked for the time");
                None
            }
        }
    }

    fn new(client: Client, net: Net, wall: Box<dyn Wall>, now: Instant) -> Clock {
        let (file, shown) = (Path::new(DATA).join(FILE), String::new());
        Clock { client, net, wall, file, told: None, look: now, last: None, trouble: None, shown }
    }

    /// Whom to ask, when that changed.
    fn follow(&mut self, servers: &TimeServers, now: Instant) -> Vec<Action> {
        let (text, trouble) = match text_of(&self.file) {
            Ok(text) => (text, None),
            Err(cause) => (String::new(), Some(cause.to_string())),
        };
        let mut told = servers.told(&text);
        told.notes.extend(trouble.map(|cause| format!("{}: {cause}", self.file.display())));
        if self.told.as_ref() == Some(&told) {
            return Vec::new();
        }
        told.notes.iter().for_each(|note| log::warn!("clock: {note}"));
        let known: Vec<Server> = told.servers.iter().filter_map(|text| server(text)).collect();
        if known.is_empty() {
            log::info!("clock: {}", told.nobody());
        } else {
            log::info!("clock: time servers of {}: {}", told.source, told.servers.join(" "));
        }
        self.told = Some(told);
        self.trouble = None;
        self.client.servers(known, now)
    }

    fn act(&mut self, mut actions: Vec<Action>, now: Instant) {
        // What is done may have a consequence at once: a server that cannot be reached.
        while !actions.is_empty() {
            let mut next = Vec::new();
            for action in actions {
                match action {
                    Action::Resolve(number, name) => {
                        if let Err(cause) = self.net.resolve(number, &name) {
                            log::debug!("clock: {cause}");
                            next.extend(self.client.resolved(number, &[], now));
                        }
                    }
                    Action::Ask(number, server, packet) => {
                        if let Err(cause) = self.net.ask(number, server, &packet) {
                            next.extend(self.client.unreachable(number, &cause.to_string(), now));
                        }
                    }
                    Action::End => self.net.end(),
                    Action::Found(found) => self.found(found, now),
                    Action::InVain(why) => self.in_vain(why),
                }
            }
            actions = next;
        }
    }

    fn found(&mut self, found: Found, now: Instant) {
        let time = found.sample.time + now.saturating_duration_since(found.at);
        let behind = nanoseconds(time) - nanoseconds(self.wall.now());
        let (server, off) = (found.server, off(behind));
        let steer = self.client.steer(behind, now);
        let done = match steer {
            Steer::Step => self.wall.step(time),
            Steer::Slew => self.wall.slew(behind),
            Steer::Confirm => {
                log::warn!("clock: {server} says that it is {off}; nothing is done before it says so once more");
                return;
            }
        };
        match done {
            Err(cause) => log::error!("clock: it cannot be set: {cause}"),
            Ok(()) => {
                if self.last.is_none() || behind.unsigned_abs() >= SAID {
                    let how = if steer == Steer::Step { "set" } else { "put right gradually" };
                    log::info!("clock: {how} by {server}: it was {off}");
                }
                let precision = if steer == Steer::Step { String::new() } else { format!(", {off} then") };
                self.last = Some(format!("set {} by {server}{precision}", wall::date(time)));
                self.trouble = None;
            }
        }
    }

    fn in_vain(&mut self, why: String) {
        if self.trouble.as_ref() != Some(&why) {
            log::warn!("clock: no time server tells the time: {why}; asked again, every 17 minutes at last");
            self.trouble = Some(why);
        }
    }

    /// For the screen.
    fn text(&self) -> String {
        let told = self.told.as_ref();
        let asked = || told.map(|told| told.servers.join(" ")).unwrap_or_default();
        match (&self.last, &self.trouble) {
            (Some(last), None) => last.clone(),
            (Some(last), Some(_)) => format!("{last}; no time server answers since"),
            (None, _) if told.is_none_or(|told| told.servers.is_empty()) => {
                format!("not set yet: {}", told.map_or("no time server is known", Told::nobody))
            }
            (None, None) => format!("not set yet: asking {}", asked()),
            (None, Some(_)) => format!("not set yet: no answer from {}", asked()),
        }
    }
}

/// The text of a file, as much of it as is read; nothing without one. To open anything else than a file might wait.
fn text_of(path: &Path) -> std::io::Result<String> {
    let mut octets = Vec::new();
    if fs::metadata(path).is_ok_and(|found| found.is_file()) {
        fs::File::open(path)?.take(FILE_MOST).read_to_end(&mut octets)?;
    }
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

/// A server as it is written: an address or a name.
fn server(text: &str) -> Option<Server> {
    let server = text.parse::<IpAddr>().map(Server::Address).ok();
    let server = server.or_else(|| {
        Name::from_text(text).filter(|name| name.label_count() > 0).map(|name| Server::Name(Box::new(name)))
    });
    if server.is_none() {
        log::warn!("clock: {text:?} is no name or address of a time server; it is left out");
    }
    server
}

fn nanoseconds(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

/// In words.
fn off(behind: i128) -> String {
    let seconds = behind.unsigned_abs() as f64 / 1e9;
    format!("{seconds:.3} s {}", if behind < 0 { "ahead" } else { "behind" })
}

impl Service for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.net.fd())
    }

    fn deadline(&self) -> Option<Instant> {
        self.client.deadline().into_iter().chain([self.look]).min()
    }

    fn turn(&mut self, _readiness: PollFlags, now: Instant, status: &Status) -> Vec<Event> {
        if now >= self.look {
            self.look = now + LOOK;
            let actions = self.follow(&status.time_servers, now);
            self.act(actions, now);
        }
        for came in self.net.came() {
            let actions = match came {
                Came::Addresses(number, addresses) => self.client.resolved(number, &addresses, now),
                Came::Reply(number, reply) => self.client.reply(number, &reply, now),
                Came::Unreachable(number, cause) => self.client.unreachable(number, &cause, now),
            };
            self.act(actions, now);
        }
        let actions = self.client.due(now);
        self.act(actions, now);
        let text = self.text();
        if text == self.shown {
            return Vec::new();
        }
        self.shown.clone_from(&text);
        vec![Event::Clock(text)]
    }
}

#[cfg(test)]
#[path = "clock/service_tests.rs"]
mod tests;
