//! A question in flight: what it asks, where it stands, what it has cost.

use super::cache::Expected;
use super::caps::Compared;
use super::chain::Chain;
use super::held::Held;
use super::tries::{Addressee, Tries};
use super::ttl::{SILENCE, WITHOUT_RECORDS};
use crate::dns::Name;
use crate::dns::cause::{Cause, Why};
use crate::dns::flaw::Flaw;
use crate::sys::prefetch::prefetch;
use std::time::Duration;

/// No question.
pub const NONE: u32 = u32::MAX;

/// A question that waits for a lookup, or did: it may have ended meanwhile, or be asked at another cut.
#[derive(Clone, Copy, Debug)]
pub struct Waiter {
    /// Its number.
    pub question: u32,
    /// Its serial number.
    pub serial: u32,
    /// The cut whose name server is looked up.
    pub cut: u32,
}

/// What a lookup is for.
#[derive(Debug, Default)]
pub struct Lookup {
    /// Who is to be told.
    pub waiting: Vec<Waiter>,
    /// Nobody has to wait for it: it is for who comes later.
    pub is_ahead: bool,
    /// What the parent of the name's zone says of it will do: its glue.
    pub glue: bool,
    /// It asks the servers of the root's hints, or of a stub zone, who its servers are.
    pub primes: bool,
    /// It asks for DS or DNSKEY, so that something may be validated.
    pub keys: bool,
    /// What is known does not do.
    pub probes: bool,
    /// It tells the servers of a zone by which keys it is trusted. Its name is one label more than the zone's.
    pub signals: bool,
}

/// How much of a question's target is shown (`minimise`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Labels, with type A; 0: all, with the type itself.
    pub(super) labels: u8,
    /// Queries for parts so far.
    pub(super) steps: u8,
    pub(super) time_outs: u8,
    /// The whole name is asked for from now on.
    pub(super) is_over: bool,
}

impl Shown {
    /// Nothing is hidden.
    pub const WHOLE: Shown = Shown { labels: 0, steps: 0, time_outs: 0, is_over: false };
}

/// Where a question stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The state is unused.
    Free,
    /// A server is to be chosen.
    Choose,
    /// Every server refused just now; the timer starts the next round.
    Pause,
    /// Sent over UDP; `tries` has what may be answered.
    Udp {
        /// Slot of the socket of the last try.
        socket: u16,
    },
    /// Waits for a TCP connection to become free.
    TcpQueue,
    /// On a TCP connection.
    Tcp {
        /// Connection slot.
        connection: u16,
        /// Message ID.
        id: u16,
    },
    /// Waits for lookups of its servers' addresses.
    Await,
    /// Failed; its SERVFAIL waits for a place in the response ring.
    Failed,
    /// Answered, and sent once more to see whether a silent server is back; nobody waits for it.
    Probe,
}

/// One question.
pub struct Question {
    /// The worker's handle.
    pub ticket: u64,
    /// The name the worker asked for.
    pub name: Name,
    /// The name asked for upstream: the same, or the end of an alias chain.
    pub target: Name,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// What the cache finds what is kept of the target by, once it had nothing.
    pub(super) place: Expected,
    /// Ask with DO.
    pub dnssec_ok: bool,
    /// Ask with CD.
    pub checking_disabled: bool,
    /// The cut it is asked at; [`NONE`] before there is one.
    pub cut: u32,
    /// Whom the last query went to.
    pub asked: Addressee,
    /// What may be answered.
    pub tries: Tries,
    /// Servers of the cut asked in this round.
    pub tried: u64,
    /// Servers of the cut that answered, and of no use.
    pub failed: u64,
    /// Servers of the cut that refused at once in this round: nobody listens, or nothing could be sent.
    pub refused: u64,
    /// Servers of the cut whose TCP failed for this question.
    pub tcp_failed: u64,
    /// Rounds through the servers so far.
    pub rounds: u8,
    /// Pauses so far because every server refused.
    pub pauses: u8,
    /// Queries sent for this target so far.
    pub sends: u8,
    /// Alias chain restarts so far.
    pub restarts: u8,
    /// The present try goes without EDNS because the server refused it.
    pub without_edns: bool,
    /// A query was sent, whatever its target.
    pub was_sent: bool,
    /// A server that was asked has not answered.
    pub unheard: bool,
    /// It is answered with what is known, be that a referral.
    pub known_only: bool,
    /// Its answer is told, but not to be cached.
    pub uncached: bool,
    /// What is known does not do: it is asked so that it be known for longer. Seconds that what is known has left.
    pub refreshes: Option<u32>,
    /// No forward or stub zone counts any more.
    pub is_unzoned: bool,
    /// A forward or stub zone with `first` has failed: those with as many labels count no more; 0: none has failed.
    pub left_zone: u8,
    /// Tells it from those that had its state before.
    pub serial: u32,
    /// What went wrong last, for this target.
    pub cause: Cause,
    /// When it was taken from the worker.
    pub started: Duration,
    /// When the last query was sent.
    pub sent: Duration,
    /// Milliseconds the last query is waited for.
    pub wait: u32,
    /// Records of the chain so far.
    pub chain: Option<Box<Chain>>,
    /// Its answer is validated before it is told.
    pub validates: bool,
    /// Its answer, while it is validated.
    pub held: Option<Box<Held>>,
    /// Servers that have told what was bogus.
    pub distrusted: Vec<u32>,
    /// How often it was asked anew since what was told was bogus.
    pub bogus_tries: u8,
    /// Why that was.
    pub flaw: Flaw,
    /// What is known not to exist does not answer it.
    pub is_undenied: bool,
    /// Seconds for which its failure may be kept, where that does not follow from how its servers were.
    pub bogus_for: Option<u32>,
    /// How much of the target is shown to the servers.
    pub shown: Shown,
    /// It is asked for the sake of these, and for no worker; taken when they are told.
    pub lookup: Option<Box<Lookup>>,
    /// How many lookups stand between it and a worker's question.
    pub depth: u8,
    /// Cuts passed so far.
    pub referrals: u8,
    /// Lookups that it waits for.
    pub awaited: u8,
    /// Name servers looked up at the present cut.
    pub at_cut: u8,
    /// Name servers of the present cut whose glue was asked for.
    pub glue_asked: u8,
    /// The number of what is spent for it.
    pub(super) budget: u32,
    /// Bit n: the cut of n labels was fetched from its parent anew.
    pub refetched: u128,
    /// Bit n: a parent has referred it to the cut of n labels.
    pub referred: u128,
    /// Servers that had their chances at the cut whose parent it was asked for anew.
    pub spent: Vec<u32>,
    /// The root, or the stub zone, was primed for it.
    pub was_primed: bool,
    /// Servers of the cut that said nothing at all, and how often that was.
    pub empty: u64,
    /// See `empty`.
    pub empties: u8,
    /// Of what servers said to it, addresses of a wrong length were left out.
    pub lacks_addresses: bool,
    /// The present query was counted for its zone.
    pub rated: bool,
    /// It is asked in plain case, and replies are compared.
    pub compared: Option<Compared>,
    /// Where it stands.
    pub phase: Phase,
    /// What is known of it that has expired.
    pub stale: Stale,
    pub(super) prev: u32,
    pub(super) next: u32,
    /// Neighbours in the order of age, of those in that list.
    pub(super) older: u32,
    pub(super) newer: u32,
    pub(super) standing: Standing,
    pub(super) is_lookup: bool,
}

/// What has expired and would answer a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// It was not looked for, or there is none.
    Unknown,
    /// It is there.
    AtHand,
    /// It was told: nobody waits any more.
    Told,
}

/// Whether a question may be given up to make room for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may run to its end.
    Lasting,
    /// It is in the list of those that may be given up.
    InLine,
    /// It has ended, its response is on the way.
    Ended,
}

impl Question {
    pub(super) const EMPTY: Question = Question {
        ticket: 0,
        name: Name::ROOT,
        target: Name::ROOT,
        qtype: 0,
        qclass: 0,
        place: Expected::NOWHERE,
        dnssec_ok: false,
        checking_disabled: false,
        cut: NONE,
        asked: Addressee::NOBODY,
        tries: Tries::NONE,
        tried: 0,
        failed: 0,
        refused: 0,
        tcp_failed: 0,
        rounds: 0,
        pauses: 0,
        sends: 0,
        restarts: 0,
        without_edns: false,
        was_sent: false,
        unheard: false,
        known_only: false,
        uncached: false,
        refreshes: None,
        is_unzoned: false,
        left_zone: 0,
        stale: Stale::Unknown,
        serial: 0,
        cause: Cause::new(Why::Unknown),
        started: Duration::ZERO,
        sent: Duration::ZERO,
        wait: 0,
        chain: None,
        validates: false,
        held: None,
        distrusted: Vec::new(),
        bogus_tries: 0,
        flaw: Flaw::None,
        is_undenied: false,
        bogus_for: None,
        shown: Shown::WHOLE,
        lookup: None,
        depth: 0,
        referrals: 0,
        awaited: 0,
        at_cut: 0,
        glue_asked: 0,
        budget: NONE,
        refetched: 0,
        referred: 0,
        spent: Vec::new(),
        was_primed: false,
        empty: 0,
        empties: 0,
        lacks_addresses: false,
        rated: false,
        compared: None,
        phase: Phase::Free,
        prev: NONE,
        next: NONE,
        older: NONE,
        newer: NONE,
        standing: Standing::Ended,
        is_lookup: false,
    };

    /// Has what a reply needs of it fetched from memory.
    #[inline]
    pub fn fetch(&self) {
        prefetch(&self.place);
        prefetch(&self.tries);
        prefetch(&self.phase);
        prefetch(&self.cut);
        prefetch(&self.target);
        prefetch(&self.name);
    }

    /// Forgets what was tried, for a new target. No try may be left.
    pub fn start_over(&mut self) {
        (self.tried, self.failed, self.refused, self.tcp_failed) = (0, 0, 0, 0);
        (self.rounds, self.pauses, self.sends) = (0, 0, 0);
        self.without_edns = false;
        (self.empty, self.empties) = (0, 0);
        (self.compared, self.rated) = (None, false);
        self.cause = Cause::default();
    }

    /// Forgets what was tried and which parents were asked, for the end of an alias. No try may be left.
    pub fn follow_alias(&mut self, target: &Name) {
        self.restarts = self.restarts.saturating_add(1);
        self.target.set_lower(target);
        (self.refetched, self.referred) = (0, 0);
        self.spent.clear();
        self.start_over();
    }

    /// What is to be told beside an answer.
    pub fn remark(&self) -> Cause {
        if self.lacks_addresses { Cause::new(Why::Lengths) } else { Cause::default() }
    }

    /// Whether its failure says nothing of its name: nobody was asked, for a reason that lies here or in what else was asked.
    pub fn is_blameless(&self) -> bool {
        match self.cause.why {
            Why::GivenUp | Why::Quota | Why::Rate | Why::NoZone => true,
            // What comes back as an ICMP error or over TCP was heard of from the network.
            Why::Network => !self.unheard,
            _ => self.uncached,
        }
    }

    /// Seconds for which the failure of this question may be cached. What was not sent says nothing of the name. A
    /// server that is silent may be back any moment, so the least of RFC 9520 section 3.2 has to do; one that answered
    /// with an error will give the same answer again.
    pub fn failure_ttl(&self) -> u32 {
        if let Some(seconds) = self.bogus_for {
            return if self.uncached { 0 } else { seconds };
        }
        match (self.uncached || !self.was_sent, self.unheard) {
            (true, _) => 0,
            (false, true) => SILENCE,
            (false, false) => WITHOUT_RECORDS,
        }
    }
}
