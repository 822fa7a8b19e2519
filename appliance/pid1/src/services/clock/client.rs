//! The client as a state machine: time, replies and the random source go in; what is to be done comes out.
//!
//! A round asks up to four servers at once, each name by the addresses it has by then. What more than half of those that
//! answer agree on is the time: of two that disagree, or of one among three, nothing is believed.

use super::packet::{self, Fault, LEN, Sample};
use runbound::dns::Name;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;
use std::time::Instant;

/// Servers asked in one round.
pub(super) const MOST: usize = 4;
/// How long names and replies may take.
const LOOKUP: Duration = Duration::from_secs(5);
const REPLY: Duration = Duration::from_secs(2);
/// Between two rounds that brought the time.
pub(super) const EVERY: Duration = Duration::from_secs(1024);
/// After the first round that did not; each further one waits twice as long, up to [`EVERY`].
const FIRST: Duration = Duration::from_secs(2);
/// Rounds in vain before it is said: at the boot the network may not be ready.
const PATIENCE: u32 = 4;
/// How long a server that refuses is left alone, and one that is asked too often.
const REFUSED: Duration = Duration::from_secs(24 * 3600);
const TOO_OFTEN: Duration = Duration::from_secs(4 * 1024);
/// Most of them that are remembered.
const LEFT_ALONE_MOST: usize = 32;
/// What is left beside the servers' own errors, for this machine's.
const SLACK: Duration = Duration::from_millis(2);
/// A clock that was set is never put by more than this without a second round that says the same.
pub(super) const SLEW_MOST: Duration = Duration::from_millis(500);
/// Until that round: no server is to be asked more than every 15 seconds (RFC 4330, section 10).
const CONFIRM: Duration = Duration::from_secs(16);

/// A server as somebody named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Address(IpAddr),
    Name(Box<Name>),
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// Look up the addresses of a name, and give them to [`Client::resolved`] with this number.
    Resolve(usize, Box<Name>),
    /// Send this to the server, and give what comes from there to [`Client::reply`] with this number.
    Ask(usize, IpAddr, [u8; LEN]),
    /// Nothing of what was asked is waited for any more.
    End,
    /// This is the time.
    Found(Found),
    /// No time was found, rounds in vain one after the other; why.
    InVain(String),
}

/// The time that most servers agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) sample: Sample,
    /// When its reply came.
    pub(super) at: Instant,
    pub(super) server: IpAddr,
}

/// How the clock comes to the time that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Steer {
    /// At once.
    Step,
    /// By running faster or slower for a while.
    Slew,
    /// Not at all before another round says the same.
    Confirm,
}

/// Who is asked in a round, and what it said.
struct Asked {
    server: IpAddr,
    cookie: u64,
    sent: Instant,
    outcome: Option<Result<Found, String>>,
}

enum State {
    Waiting,
    /// Addresses of each server; so many lookups are under way.
    Resolving {
        found: Vec<VecDeque<IpAddr>>,
        left: usize,
    },
    Asking(Vec<Asked>),
}

/// The client.
pub(super) struct Client {
    servers: Vec<Server>,
    state: State,
    next: Option<Instant>,
    /// Rounds in vain, one after the other.
    in_vain: u32,
    left_alone: VecDeque<(IpAddr, Instant)>,
    /// The clock was set.
    is_set: bool,
    /// How far it seemed to be off, when that was too much to believe one round.
    doubt: Option<i128>,
    random: Box<dyn FnMut() -> u64>,
}

impl Client {
    /// One that knows nobody to ask.
    pub(super) fn new(random: Box<dyn FnMut() -> u64>) -> Self {
        let left_alone = VecDeque::new();
        let state = State::Waiting;
        Self { servers: Vec::new(), state, next: None, in_vain: 0, left_alone, is_set: false, doubt: None, random }
    }

    /// When [`Client::due`] is to be called; `None` while there is nobody to ask.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// These are asked from `now` on, the first of them first.
    pub(super) fn servers(&mut self, servers: Vec<Server>, now: Instant) -> Vec<Action> {
        self.next = (!servers.is_empty()).then_some(now);
        (self.servers, self.state, self.in_vain) = (servers, State::Waiting, 0);
        vec![Action::End]
    }

    /// What the time asks for.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Action> {
        if self.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        match self.state {
            State::Waiting => self.begin(now),
            State::Resolving { .. } => self.ask(now),
            State::Asking(_) => self.conclude(now),
        }
    }

    /// A round: of more servers than one asks, others come after a round in vain.
    fn begin(&mut self, now: Instant) -> Vec<Action> {
        self.left_alone.retain(|(_, until)| *until > now);
        let count = self.servers.len().min(MOST);
        let skipped = if count == 0 { 0 } else { self.in_vain as usize * count % self.servers.len() };
        let servers: Vec<Server> = self.servers.iter().cycle().skip(skipped).take(count).cloned().collect();
        let (mut found, mut actions) = (Vec::new(), Vec::new());
        for (number, server) in servers.into_iter().enumerate() {
            found.push(VecDeque::new());
            match server {
                Server::Address(address) => found[number].push_back(address),
                Server::Name(name) => actions.push(Action::Resolve(number, name)),
            }
        }
        let left = actions.len();
        self.state = State::Resolving { found, left };
        self.next = Some(now + LOOKUP);
        if left == 0 { self.ask(now) } else { actions }
    }

    /// A name has these addresses; none when it has none or nobody knows.
    pub(super) fn resolved(&mut self, number: usize, addresses: &[IpAddr], now: Instant) -> Vec<Action> {
        let State::Resolving { found, left } = &mut self.state else { return Vec::new() };
        if let Some(known) = found.get_mut(number) {
            known.extend(addresses);
        }
        *left = left.saturating_sub(1);
        if *left == 0 { self.ask(now) } else { Vec::new() }
    }

    /// Asks: of each server one address, then of each a second, and so on.
    fn ask(&mut self, now: Instant) -> Vec<Action> {
        let State::Resolving { found, .. } = &mut self.state else { return Vec::new() };
        let mut addresses: Vec<IpAddr> = Vec::new();
        let mut refused = None;
        while addresses.len() < MOST && found.iter().any(|known| !known.is_empty()) {
            for address in found.iter_mut().filter_map(VecDeque::pop_front) {
                if self.left_alone.iter().any(|(alone, _)| *alone == address) {
                    refused = Some(address);
                } else if !addresses.contains(&address) && addresses.len() < MOST {
                    addresses.push(address);
                }
            }
        }
        if addresses.is_empty() {
            let why = refused.map(|server| format!("{server} does not want to be asked"));
            return self.fail(why.unwrap_or_else(|| "their names have no addresses".into()), now);
        }
        let ask = |server| Asked { server, cookie: (self.random)(), sent: now, outcome: None };
        let asked: Vec<Asked> = addresses.into_iter().map(ask).collect();
        let send = |(number, asked): (usize, &Asked)| Action::Ask(number, asked.server, packet::request(asked.cookie));
        let actions = asked.iter().enumerate().map(send).collect();
        self.state = State::Asking(asked);
        self.next = Some(now + REPLY);
        actions
    }

    /// Takes in what came from a server.
    pub(super) fn reply(&mut self, number: usize, reply: &[u8], now: Instant) -> Vec<Action> {
        let State::Asking(asked) = &mut self.state else { return Vec::new() };
        let Some(asked) = asked.get_mut(number).filter(|asked| asked.outcome.is_none()) else { return Vec::new() };
        let server = asked.server;
        let outcome = match packet::read(reply, asked.cookie, now.saturating_duration_since(asked.sent)) {
            Ok(sample) => Ok(Found { sample, at: now, server }),
            Err(Fault::NotOurs) => return Vec::new(),
            Err(Fault::Useless(why)) => Err(format!("{server}: {why}")),
            Err(Fault::Kiss(code)) => {
                let time = if code == "RATE" { TOO_OFTEN } else { REFUSED };
                self.left_alone.push_back((server, now + time));
                if self.left_alone.len() > LEFT_ALONE_MOST {
                    self.left_alone.pop_front();
                }
                Err(format!("{server} does not want to be asked ({code})"))
            }
        };
        self.ended(number, outcome, now)
    }

    /// A server cannot be reached.
    pub(super) fn unreachable(&mut self, number: usize, cause: &str, now: Instant) -> Vec<Action> {
        let State::Asking(asked) = &self.state else { return Vec::new() };
        let Some(asked) = asked.get(number).filter(|asked| asked.outcome.is_none()) else { return Vec::new() };
        let why = format!("{}: {cause}", asked.server);
        self.ended(number, Err(why), now)
    }

    fn ended(&mut self, number: usize, outcome: Result<Found, String>, now: Instant) -> Vec<Action> {
        let State::Asking(asked) = &mut self.state else { return Vec::new() };
        if let Some(asked) = asked.get_mut(number) {
            asked.outcome = Some(outcome);
        }
        if asked.iter().all(|asked| asked.outcome.is_some()) { self.conclude(now) } else { Vec::new() }
    }

    fn conclude(&mut self, now: Instant) -> Vec<Action> {
        let State::Asking(asked) = std::mem::replace(&mut self.state, State::Waiting) else { return Vec::new() };
        let (mut found, mut faults) = (Vec::new(), Vec::new());
        for Asked { server, outcome, .. } in asked {
            match outcome {
                Some(Ok(time)) => found.push(time),
                Some(Err(why)) => faults.push(why),
                None => faults.push(format!("{server} does not answer")),
            }
        }
        match agreed(&found) {
            Some(time) => {
                self.in_vain = 0;
                self.next = Some(now + EVERY);
                vec![Action::End, Action::Found(time)]
            }
            None if found.is_empty() => self.fail(faults.join("; "), now),
            None => {
                let servers: Vec<String> = found.iter().map(|found| found.server.to_string()).collect();
                self.fail(format!("{} tell different times", servers.join(" and ")), now)
            }
        }
    }

    fn fail(&mut self, why: String, now: Instant) -> Vec<Action> {
        self.state = State::Waiting;
        self.in_vain = self.in_vain.saturating_add(1);
        self.next = Some(now + (FIRST * 2u32.saturating_pow(self.in_vain.saturating_sub(1).min(16))).min(EVERY));
        let mut actions = vec![Action::End];
        actions.extend((self.in_vain >= PATIENCE).then_some(Action::InVain(why)));
        actions
    }

    /// What to do about a clock that is so many nanoseconds behind the time that was found (ahead of it when negative).
    pub(super) fn steer(&mut self, behind: i128, now: Instant) -> Steer {
        let near = |one: i128, other: i128| (one - other).unsigned_abs() <= SLEW_MOST.as_nanos();
        let steer = match self.doubt.take() {
            _ if !self.is_set => Steer::Step,
            _ if near(behind, 0) => Steer::Slew,
            Some(before) if near(behind, before) => Steer::Step,
            _ => {
                self.doubt = Some(behind);
                self.next = Some(now + CONFIRM);
                Steer::Confirm
            }
        };
        self.is_set |= steer != Steer::Confirm;
        steer
    }
}

/// Of times that more than half of all agree with, the one with the least error.
fn agreed(all: &[Found]) -> Option<Found> {
    let agree = |one: &Found, other: &Found| {
        // Both at the moment of the first.
        let moved = |found: &Found| found.sample.time + one.at.max(other.at).saturating_duration_since(found.at);
        moved(one).abs_diff(moved(other)) <= one.sample.error + other.sample.error + SLACK
    };
    let agreeing = |one: &Found| all.iter().filter(|other| agree(one, other)).count();
    all.iter().filter(|one| agreeing(one) * 2 > all.len()).min_by_key(|one| one.sample.error).copied()
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
