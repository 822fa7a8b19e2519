//! The client of RFC 8415 as a state machine: time and packets go in, packets and leases come out.
//!
//! It asks for one address and the name servers. The first server that offers one is taken: an appliance that waits for a
//! better one answers later. It does not decline an address that somebody else has, and gives none back at the end.

use super::message::{Kind, Lease, Message, parse, request};
use crate::netconf::plan::Mac;
use crate::network::dhcp::{self, Machine, back_off};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

const SERVER_PORT: u16 = 547;
/// All servers and relays on the link.
const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// First and longest time between two tries without a lease.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(120);
/// Tries for an address that was offered, before the search begins anew (REQ_MAX_RC is 10, with longer pauses).
const REQUESTS: u32 = 5;
/// First and longest time between two tries to renew (REN_TIMEOUT, REN_MAX_RT).
const RENEWAL: Duration = Duration::from_secs(10);
const RENEWAL_LONGEST: Duration = Duration::from_secs(600);
/// Tries without an answer before it is said. The first ones often go out before a link is ready.
const PATIENCE: u32 = 4;

pub(super) type Action = dhcp::Action<Ipv6Addr, Vec<u8>>;

#[derive(Debug)]
enum State {
    Searching { tries: u32 },
    Requesting { offer: Lease, tries: u32 },
    Bound { lease: Lease, since: Instant, tries: u32 },
}

/// A client of one interface.
#[derive(Debug)]
pub struct Client {
    mac: Mac,
    state: State,
    /// The transaction's number (24 bits); another one for each exchange.
    transaction: u32,
    /// When this exchange began.
    began: Instant,
    next: Instant,
    /// The last refusal that was said.
    refused: Option<String>,
}

impl Client {
    /// A client that begins at `now`. `seed` is random: it tells this client's packets from others'.
    pub fn new(mac: Mac, seed: u32, now: Instant) -> Self {
        let state = State::Searching { tries: 0 };
        Self { mac, state, transaction: seed & 0xff_ffff, began: now, next: now, refused: None }
    }

    /// The lease's first time to renew has come, or the answer to the last try has not.
    fn renew(&mut self, now: Instant) -> Vec<Action> {
        let State::Bound { lease, since, tries } = &mut self.state else { return Vec::new() };
        let age = now.saturating_duration_since(*since);
        if age >= lease.duration {
            self.search(now);
            let mut actions = vec![Action::Lost("it ran out and nobody renewed it".into())];
            actions.extend(self.due(now));
            return actions;
        }
        let rebinding = age >= lease.rebind;
        let until = if rebinding { lease.duration } else { lease.rebind } - age;
        *tries += 1;
        if *tries == 1 {
            self.began = now;
        }
        // Anybody is asked with short pauses again once the own server's time is over.
        self.next = now + back_off(RENEWAL, *tries, RENEWAL_LONGEST).min(until);
        vec![self.send(if rebinding { Kind::Rebind } else { Kind::Renew }, now)]
    }

    fn send(&self, kind: Kind, now: Instant) -> Action {
        let elapsed = now.saturating_duration_since(self.began).as_millis() / 10;
        let lease = match &self.state {
            State::Searching { .. } => None,
            State::Requesting { offer: lease, .. } | State::Bound { lease, .. } => Some(lease),
        };
        let server = lease.filter(|_| kind != Kind::Rebind).map(|lease| lease.server.as_slice());
        Action::Send(
            None,
            request(&Message {
                kind,
                mac: self.mac,
                transaction: self.transaction,
                elapsed: u16::try_from(elapsed).unwrap_or(u16::MAX),
                server,
                address: lease.map(|lease| lease.address),
            }),
        )
    }

    /// A refusal is said once, until something else happens.
    fn refuse(&mut self, why: Option<String>) -> Vec<Action> {
        let why = why.unwrap_or_else(|| "what it offers cannot be used".into());
        if self.refused.as_ref() == Some(&why) {
            return Vec::new();
        }
        self.refused = Some(why.clone());
        vec![Action::Refused(why)]
    }

    fn search(&mut self, now: Instant) {
        self.state = State::Searching { tries: 0 };
        self.exchange(now);
    }

    /// A new exchange of messages: of a number of its own, due at once.
    fn exchange(&mut self, now: Instant) {
        self.transaction = self.transaction.wrapping_add(1) & 0xff_ffff;
        (self.began, self.next) = (now, now);
    }
}

impl Machine for Client {
    type Address = Ipv6Addr;
    type Server = Vec<u8>;
    const NAME: &'static str = "DHCPv6";
    const SLOWEST: &'static str = "every two minutes";

    fn deadline(&self) -> Instant {
        self.next
    }

    fn due(&mut self, now: Instant) -> Vec<Action> {
        if now < self.next {
            return Vec::new();
        }
        match &mut self.state {
            State::Searching { tries } => {
                *tries += 1;
                let silent = *tries == PATIENCE + 1 && self.refused.is_none();
                self.next = now + back_off(FIRST, *tries, LONGEST);
                let mut actions = vec![self.send(Kind::Solicit, now)];
                actions.extend(silent.then_some(Action::Silence));
                actions
            }
            State::Requesting { tries, .. } if *tries >= REQUESTS => {
                self.search(now);
                self.due(now)
            }
            State::Requesting { tries, .. } => {
                *tries += 1;
                self.next = now + back_off(FIRST, *tries, LONGEST);
                vec![self.send(Kind::Request, now)]
            }
            State::Bound { .. } => self.renew(now),
        }
    }

    fn take(&mut self, packet: &[u8], now: Instant) -> Vec<Action> {
        let Some(answer) = parse(packet, self.mac, self.transaction) else { return Vec::new() };
        match (&mut self.state, answer.kind, answer.lease) {
            (State::Searching { .. }, Kind::Advertise, Some(offer)) => {
                self.exchange(now);
                self.state = State::Requesting { offer, tries: 0 };
                self.due(now)
            }
            // The next try comes in its time, with ever longer pauses: another server may answer it.
            (State::Searching { .. }, Kind::Advertise, None) => self.refuse(answer.refusal),
            (State::Requesting { .. } | State::Bound { .. }, Kind::Reply, Some(lease)) => {
                self.exchange(now);
                self.next = now + lease.renew;
                self.refused = None;
                self.state = State::Bound { lease: lease.clone(), since: now, tries: 0 };
                vec![Action::Bound(lease)]
            }
            (State::Requesting { .. }, Kind::Reply, None) => {
                self.search(now);
                // Not at once: a server that offers what it then refuses would be asked without end.
                self.next = now + FIRST;
                self.refuse(answer.refusal)
            }
            (State::Bound { .. }, Kind::Reply, None) if answer.about_address => {
                let why = answer.refusal.unwrap_or_else(|| "the server ended it".into());
                self.search(now);
                let mut actions = vec![Action::Lost(why)];
                actions.extend(self.due(now));
                actions
            }
            _ => Vec::new(),
        }
    }

    fn destination(server: Option<Ipv6Addr>, link: u32) -> SocketAddr {
        SocketAddrV6::new(server.unwrap_or(SERVERS), SERVER_PORT, 0, link).into()
    }

    fn shown(lease: &Lease) -> (String, String) {
        (lease.address.to_string(), String::new())
    }
}
