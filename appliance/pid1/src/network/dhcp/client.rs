//! The client of RFC 2131 and RFC 8415 as one state machine: time and packets go in, packets and leases come out. What the
//! versions differ in is their [`Protocol`].
//!
//! The first server that offers an address is taken: an appliance that waits for a better one answers later. An address
//! that somebody else has is not declined, and none is given back at the end.

use super::lease::{Action, Lease};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// First time between two tries without a lease; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(1);

/// What a client says.
#[derive(Clone, Copy, Debug)]
pub enum Say<'a, L> {
    /// Who has an address?
    Search,
    /// The address that was offered is wanted.
    Request(&'a L),
    /// The own server is asked for more time (from T1 on).
    Renew(&'a L),
    /// Anybody is (from T2 on).
    Rebind(&'a L),
}

/// The exchange that a message is part of.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// Its number, of which version 6 has 24 bits.
    pub transaction: u32,
    /// How long it lasts.
    pub elapsed: Duration,
}

/// An answer to this client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<L> {
    /// An offer; else it is the server's word on a request.
    pub is_offer: bool,
    /// What it brings, when that can be used.
    pub lease: Option<L>,
    /// It says that there is none, and why.
    pub refusal: Option<String>,
    /// It is about our address at all. A server that knows nothing of it may answer without.
    pub about_address: bool,
}

/// A version of DHCP: its messages and its times.
pub trait Protocol {
    /// An address of this version.
    type Address: Copy + Into<IpAddr>;
    /// What names a server.
    type Server: Clone;
    /// The version, for the log.
    const NAME: &'static str;
    /// The longest time between two tries without a lease, and the same for the log.
    const LONGEST: Duration;
    /// In words.
    const SLOWEST: &'static str;
    /// Tries for an address that was offered, before the search begins anew.
    const REQUESTS: u32;
    /// Tries without an answer before it is said. The first ones often go out before a link is ready.
    const PATIENCE: u32;
    /// Whether the request for what was offered is an exchange of its own.
    const REQUEST_IS_ANOTHER_EXCHANGE: bool;

    /// The pause after this many tries to renew, when `left` is the time until anybody is asked, or until the lease ends.
    fn renewal_pause(tries: u32, left: Duration) -> Duration;

    /// The octets of a message, and the server they go to; `None` is all of them.
    fn message(&self, say: Say<'_, LeaseOf<Self>>, exchange: Exchange) -> (Option<Self::Address>, Vec<u8>);

    /// An answer to this client and transaction; `None` for anything else.
    fn answer_in(&self, packet: &[u8], transaction: u32) -> Option<Answer<LeaseOf<Self>>>;

    /// Where a packet to a server, or to all, goes from the link of this index.
    fn destination(server: Option<Self::Address>, link: u32) -> SocketAddr;

    /// What was granted, for the log, and what is said there of the server.
    fn shown(lease: &LeaseOf<Self>) -> (String, String);
}

/// A lease of a version.
pub type LeaseOf<P> = Lease<<P as Protocol>::Address, <P as Protocol>::Server>;
/// What a client of a version wants done.
pub type ActionOf<P> = Action<<P as Protocol>::Address, <P as Protocol>::Server>;

enum State<L> {
    Searching { tries: u32 },
    Requesting { offer: L, tries: u32 },
    Bound { lease: L, since: Instant, tries: u32 },
}

/// A client of one interface.
pub struct Client<P: Protocol> {
    protocol: P,
    state: State<LeaseOf<P>>,
    /// Another number for each exchange.
    transaction: u32,
    /// When this exchange began.
    began: Instant,
    next: Instant,
    /// The last refusal that was said.
    refused: Option<String>,
}

impl<P: Protocol> Client<P> {
    /// A client that begins at `now`. `seed` is random: it tells this client's packets from others'.
    pub fn new(protocol: P, seed: u32, now: Instant) -> Self {
        let state = State::Searching { tries: 0 };
        Self { protocol, state, transaction: seed, began: now, next: now, refused: None }
    }

    /// When [`Client::due`] is to be called.
    pub fn deadline(&self) -> Instant {
        self.next
    }

    /// What the time asks for.
    pub fn due(&mut self, now: Instant) -> Vec<ActionOf<P>> {
        if now < self.next {
            return Vec::new();
        }
        match &mut self.state {
            State::Searching { tries } => {
                *tries += 1;
                let silent = *tries == P::PATIENCE + 1 && self.refused.is_none();
                self.next = now + back_off(FIRST, *tries, P::LONGEST);
                let mut actions = vec![self.send(now, false)];
                actions.extend(silent.then_some(Action::Silence));
                actions
            }
            State::Requesting { tries, .. } if *tries >= P::REQUESTS => {
                self.search(now);
                self.due(now)
            }
            State::Requesting { tries, .. } => {
                *tries += 1;
                self.next = now + back_off(FIRST, *tries, P::LONGEST);
                vec![self.send(now, false)]
            }
            State::Bound { .. } => self.renew(now),
        }
    }

    /// The lease's first time to renew has come, or the answer to the last try has not.
    fn renew(&mut self, now: Instant) -> Vec<ActionOf<P>> {
        let State::Bound { lease, since, tries } = &mut self.state else { return Vec::new() };
        let age = now.saturating_duration_since(*since);
        if age >= lease.duration {
            return self.lose("it ran out and nobody renewed it".into(), now);
        }
        let rebinding = age >= lease.rebind;
        let left = if rebinding { lease.duration } else { lease.rebind } - age;
        *tries += 1;
        if *tries == 1 {
            self.began = now;
        }
        self.next = now + P::renewal_pause(*tries, left).min(left);
        vec![self.send(now, rebinding)]
    }

    /// Takes in a packet; anything that is no answer to this client is passed over.
    pub fn take(&mut self, packet: &[u8], now: Instant) -> Vec<ActionOf<P>> {
        let Some(answer) = self.protocol.answer_in(packet, self.transaction) else { return Vec::new() };
        match (&self.state, answer.is_offer, answer.lease) {
            (State::Searching { .. }, true, Some(offer)) => {
                if P::REQUEST_IS_ANOTHER_EXCHANGE {
                    self.exchange(now);
                }
                self.state = State::Requesting { offer, tries: 0 };
                self.next = now;
                self.due(now)
            }
            // The next try comes in its time, with ever longer pauses: another server may answer it.
            (State::Searching { .. }, true, None) => self.refuse(answer.refusal),
            (State::Requesting { .. } | State::Bound { .. }, false, Some(lease)) => {
                self.exchange(now);
                self.next = now + lease.renew;
                self.refused = None;
                self.state = State::Bound { lease: lease.clone(), since: now, tries: 0 };
                vec![Action::Bound(lease)]
            }
            (State::Requesting { .. }, false, None) => {
                self.search(now);
                // Not at once: a server that offers what it then refuses would be asked without end.
                self.next = now + FIRST;
                self.refuse(answer.refusal)
            }
            (State::Bound { .. }, false, None) if answer.about_address => {
                self.lose(answer.refusal.unwrap_or_else(|| "the server ended it".into()), now)
            }
            _ => Vec::new(),
        }
    }

    fn send(&self, now: Instant, rebinding: bool) -> ActionOf<P> {
        let elapsed = now.saturating_duration_since(self.began);
        let say = match &self.state {
            State::Searching { .. } => Say::Search,
            State::Requesting { offer, .. } => Say::Request(offer),
            State::Bound { lease, .. } if rebinding => Say::Rebind(lease),
            State::Bound { lease, .. } => Say::Renew(lease),
        };
        let (server, packet) = self.protocol.message(say, Exchange { transaction: self.transaction, elapsed });
        Action::Send(server, packet)
    }

    /// The lease is over; the search for another one begins.
    fn lose(&mut self, why: String, now: Instant) -> Vec<ActionOf<P>> {
        self.search(now);
        let mut actions = vec![Action::Lost(why)];
        actions.extend(self.due(now));
        actions
    }

    /// A refusal is said once, until something else happens.
    fn refuse(&mut self, why: Option<String>) -> Vec<ActionOf<P>> {
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
        self.transaction = self.transaction.wrapping_add(1);
        (self.began, self.next) = (now, now);
    }
}

/// The pause after a try: twice the last one, up to the longest.
pub(super) fn back_off(first: Duration, tries: u32, longest: Duration) -> Duration {
    (first * 2u32.saturating_pow(tries.saturating_sub(1).min(16))).min(longest)
}
