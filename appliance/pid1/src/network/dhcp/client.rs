//! The client of RFC 2131 as a state machine: time and packets go in, packets and leases come out.

use super::lease::{Lease, Message, parse, request};
use super::{Machine, back_off};
use crate::netconf::plan::Mac;
use smoltcp::wire::DhcpMessageType;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

const SERVER_PORT: u16 = 67;
/// First and longest time between two tries without a lease.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// Tries for an address that was offered, before the search begins anew.
const REQUESTS: u32 = 4;
/// Least time between two tries to renew (RFC 2131, 4.4.5).
const RENEWALS: Duration = Duration::from_secs(60);
/// Tries without an answer before it is said.
const PATIENCE: u32 = 3;

pub(super) type Action = super::Action<Ipv4Addr, Ipv4Addr>;

#[derive(Debug)]
enum State {
    Searching { tries: u32 },
    Requesting { offer: Lease, tries: u32 },
    Bound { lease: Lease, since: Instant },
}

/// A client of one interface.
#[derive(Debug)]
pub struct Client {
    mac: Mac,
    hostname: String,
    state: State,
    /// The transaction's number; another one for each search and each renewal.
    transaction: u32,
    began: Instant,
    next: Instant,
}

impl Client {
    /// A client that begins at `now`. `seed` is random: it tells this client's packets from others'.
    pub fn new(mac: Mac, hostname: &str, seed: u32, now: Instant) -> Self {
        let state = State::Searching { tries: 0 };
        Self { mac, hostname: hostname.to_owned(), state, transaction: seed, began: now, next: now }
    }

    fn search(&mut self, now: Instant) {
        self.state = State::Searching { tries: 0 };
        self.transaction = self.transaction.wrapping_add(1);
        (self.began, self.next) = (now, now);
    }

    fn message(&self, now: Instant) -> Message<'_> {
        let seconds = now.saturating_duration_since(self.began).as_secs();
        Message {
            kind: DhcpMessageType::Request,
            mac: self.mac,
            hostname: &self.hostname,
            transaction: self.transaction,
            seconds: u16::try_from(seconds).unwrap_or(u16::MAX),
            client: None,
            requested: None,
            server: None,
        }
    }
}

impl Machine for Client {
    type Address = Ipv4Addr;
    type Server = Ipv4Addr;
    const NAME: &'static str = "DHCP";
    const SLOWEST: &'static str = "once a minute";

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
                let silent = *tries == PATIENCE + 1;
                self.next = now + back_off(FIRST, *tries, LONGEST);
                let discover = Message { kind: DhcpMessageType::Discover, ..self.message(now) };
                let mut actions = vec![Action::Send(None, request(&discover))];
                actions.extend(silent.then_some(Action::Silence));
                actions
            }
            State::Requesting { tries, .. } if *tries >= REQUESTS => {
                self.search(now);
                self.due(now)
            }
            State::Requesting { offer, tries } => {
                *tries += 1;
                self.next = now + back_off(FIRST, *tries, LONGEST);
                let (requested, server) = (offer.address, offer.server);
                let message = Message { requested: Some(requested), server: Some(server), ..self.message(now) };
                vec![Action::Send(None, request(&message))]
            }
            State::Bound { lease, since } => {
                let age = now.saturating_duration_since(*since);
                if age >= lease.duration {
                    self.search(now);
                    let mut actions = vec![Action::Lost("it ran out and nobody renewed it".into())];
                    actions.extend(self.due(now));
                    return actions;
                }
                let rebinding = age >= lease.rebind;
                let until = if rebinding { lease.duration } else { lease.rebind } - age;
                let (address, server) = (lease.address, lease.server);
                self.next = now + (until / 2).max(RENEWALS).min(until);
                let message = Message { client: Some(address), ..self.message(now) };
                vec![Action::Send((!rebinding).then_some(server), request(&message))]
            }
        }
    }

    fn take(&mut self, packet: &[u8], now: Instant) -> Vec<Action> {
        let Some((kind, lease)) = parse(packet, self.mac, self.transaction) else { return Vec::new() };
        match (&self.state, kind, lease) {
            (State::Searching { .. }, DhcpMessageType::Offer, Some(offer)) => {
                self.state = State::Requesting { offer, tries: 0 };
                self.next = now;
                self.due(now)
            }
            (State::Requesting { .. } | State::Bound { .. }, DhcpMessageType::Ack, Some(lease)) => {
                self.next = now + lease.renew;
                self.transaction = self.transaction.wrapping_add(1);
                self.state = State::Bound { lease: lease.clone(), since: now };
                vec![Action::Bound(lease)]
            }
            (State::Requesting { .. }, DhcpMessageType::Nak, _) => {
                self.search(now);
                // Not at once: a server that offers what it then refuses would be asked without end.
                self.next = now + FIRST;
                Vec::new()
            }
            (State::Bound { .. }, DhcpMessageType::Nak, _) => {
                self.search(now);
                let mut actions = vec![Action::Lost("the server refused to renew it".into())];
                actions.extend(self.due(now));
                actions
            }
            _ => Vec::new(),
        }
    }

    fn destination(server: Option<Ipv4Addr>, _link: u32) -> SocketAddr {
        (server.unwrap_or(Ipv4Addr::BROADCAST), SERVER_PORT).into()
    }

    fn shown(lease: &Lease) -> (String, String) {
        (lease.network().to_string(), format!(" from {}", lease.server))
    }
}
