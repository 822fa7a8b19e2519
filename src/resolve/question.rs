//! The questions in flight: a slab of fixed states and lists through it.

use super::chain::Chain;
use super::lookups::Lookup;
use super::minimise::Shown;
use super::tries::{Addressee, Tries};
use super::ttl::{SILENCE, WITHOUT_RECORDS};
use crate::dns::Name;
use crate::dns::cause::{Cause, Why};
use std::time::Duration;

/// No question.
pub const NONE: u32 = u32::MAX;

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
    /// Its answer is told, but not to be cached.
    pub uncached: bool,
    /// A forward or stub zone with `first` has failed: none counts any more.
    pub is_unzoned: bool,
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
    /// How much of the target is shown to the servers.
    pub shown: Shown,
    /// It is asked for the sake of these, and for no worker; taken when they are told.
    pub lookup: Option<Box<Lookup>>,
    /// How many lookups stand between it and a worker's question.
    pub depth: u8,
    /// Cuts passed so far.
    pub referrals: u8,
    /// Lookups it has begun or joined, and those that it still waits for.
    pub lookups: u8,
    /// See `lookups`.
    pub awaited: u8,
    /// Queries sent for it so far, lookups for its sake included.
    pub used: u32,
    /// Bit n: the cut of n labels was fetched from its parent anew.
    pub refetched: u128,
    /// The root, or the stub zone, was primed for it.
    pub was_primed: bool,
    /// Servers of the cut that said nothing at all.
    pub empties: u8,
    /// Where it stands.
    pub phase: Phase,
    prev: u32,
    next: u32,
    /// Neighbours in the order of age, of those in that list.
    older: u32,
    newer: u32,
    standing: Standing,
    is_lookup: bool,
}

/// Whether a question may be given up to make room for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
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
        dnssec_ok: false,
        checking_disabled: false,
        cut: NONE,
        asked: Addressee::NOBODY,
        tries: Tries::NONE,
        tried: 0,
        failed: 0,
        refused: 0,
        rounds: 0,
        pauses: 0,
        sends: 0,
        restarts: 0,
        without_edns: false,
        was_sent: false,
        unheard: false,
        uncached: false,
        is_unzoned: false,
        serial: 0,
        cause: Cause::new(Why::Unknown),
        started: Duration::ZERO,
        sent: Duration::ZERO,
        wait: 0,
        chain: None,
        shown: Shown::WHOLE,
        lookup: None,
        depth: 0,
        referrals: 0,
        lookups: 0,
        awaited: 0,
        used: 0,
        refetched: 0,
        was_primed: false,
        empties: 0,
        phase: Phase::Free,
        prev: NONE,
        next: NONE,
        older: NONE,
        newer: NONE,
        standing: Standing::Ended,
        is_lookup: false,
    };

    /// Forgets what was tried, for a new target. No try may be left.
    pub fn start_over(&mut self) {
        (self.tried, self.failed, self.refused) = (0, 0, 0);
        (self.rounds, self.pauses, self.sends) = (0, 0, 0);
        self.without_edns = false;
        self.empties = 0;
        self.cause = Cause::default();
    }

    /// Seconds for which the failure of this question may be cached. What was not sent says nothing of the name. A
    /// server that is silent may be back any moment, so the least of RFC 9520 section 3.2 has to do; one that answered
    /// with an error will give the same answer again.
    pub fn failure_ttl(&self) -> u32 {
        match (self.uncached || !self.was_sent, self.unheard) {
            (true, _) => 0,
            (false, true) => SILENCE,
            (false, false) => WITHOUT_RECORDS,
        }
    }
}

/// The slab, its free list, one list per socket of the questions sent through it last, and one by age.
///
/// Up to half of the states go to questions that may run to their end, so that slow ones are answered too; the others
/// may be given up when the slab is full, oldest first (the two lists of Unbound's mesh.c).
pub struct Questions {
    states: Box<[Question]>,
    free: Vec<u32>,
    heads: Vec<u32>,
    /// Questions of workers at most, and now.
    most: usize,
    asked: usize,
    lasting: usize,
    oldest: u32,
    newest: u32,
}

impl Questions {
    /// Room for `count` questions of workers, and `lookups` besides.
    pub fn new(count: usize, lookups: usize) -> Questions {
        let all = count + lookups;
        let states = (0..all).map(|_| Question::EMPTY).collect();
        let free = (0..all as u32).rev().collect();
        Questions { states, free, heads: Vec::new(), most: count, asked: 0, lasting: 0, oldest: NONE, newest: NONE }
    }

    /// Number of states.
    pub fn capacity(&self) -> usize {
        self.states.len()
    }

    /// Questions in use.
    pub fn in_use(&self) -> usize {
        self.states.len() - self.free.len()
    }

    /// True when no state is free for a worker's question.
    pub fn is_full(&self) -> bool {
        self.asked >= self.most || self.free.is_empty()
    }

    /// Takes a free state for a worker's question, in phase `Choose`.
    pub fn take(&mut self) -> Option<u32> {
        if self.is_full() {
            return None;
        }
        let id = self.take_lookup()?;
        self.asked += 1;
        self.states[id as usize].is_lookup = false;
        if self.lasting < self.most / 2 {
            self.lasting += 1;
            self.states[id as usize].standing = Standing::Lasting;
        } else {
            self.line_up(id);
        }
        Some(id)
    }

    /// As [`Self::take`], for a question that no worker has asked.
    pub fn take_lookup(&mut self) -> Option<u32> {
        let id = self.free.pop()?;
        let question = &mut self.states[id as usize];
        question.start_over();
        question.serial = question.serial.wrapping_add(1);
        (question.restarts, question.depth, question.referrals) = (0, 0, 0);
        (question.lookups, question.awaited) = (0, 0);
        (question.refetched, question.was_primed, question.used) = (0, false, 0);
        (question.shown, question.is_unzoned) = (Shown::WHOLE, false);
        (question.was_sent, question.unheard, question.uncached) = (false, false, false);
        (question.phase, question.standing, question.is_lookup) = (Phase::Choose, Standing::Ended, true);
        Some(id)
    }

    fn line_up(&mut self, id: u32) {
        match self.newest {
            NONE => self.oldest = id,
            newest => self.states[newest as usize].newer = id,
        }
        let question = &mut self.states[id as usize];
        (question.older, question.newer, question.standing) = (self.newest, NONE, Standing::InLine);
        self.newest = id;
    }

    /// The oldest question that may be given up.
    pub fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// The question has ended: it is not to be given up any more.
    pub fn ended(&mut self, id: u32) {
        let Question { older, newer, standing, .. } = self.states[id as usize];
        self.states[id as usize].standing = Standing::Ended;
        match standing {
            Standing::Ended => return,
            Standing::Lasting => return self.lasting -= 1,
            Standing::InLine => {}
        }
        match older {
            NONE => self.oldest = newer,
            older => self.states[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.states[newer as usize].older = older,
        }
    }

    /// Gives a state back. It must be in no socket's list.
    pub fn give_back(&mut self, id: u32) {
        self.ended(id);
        let question = &mut self.states[id as usize];
        question.phase = Phase::Free;
        self.asked -= usize::from(!std::mem::take(&mut question.is_lookup));
        self.free.push(id);
    }

    /// The question of `id`.
    #[inline]
    pub fn get(&self, id: u32) -> &Question {
        &self.states[id as usize]
    }

    /// The question of `id`.
    #[inline]
    pub fn get_mut(&mut self, id: u32) -> &mut Question {
        &mut self.states[id as usize]
    }

    /// Puts `id` on the list of `socket`.
    pub fn link(&mut self, id: u32, socket: u16) {
        let socket = usize::from(socket);
        if self.heads.len() <= socket {
            self.heads.resize(socket + 1, NONE);
        }
        let next = self.heads[socket];
        if next != NONE {
            self.states[next as usize].prev = id;
        }
        let question = &mut self.states[id as usize];
        (question.prev, question.next) = (NONE, next);
        self.heads[socket] = id;
    }

    /// Takes `id` off the list of `socket`.
    pub fn unlink(&mut self, id: u32, socket: u16) {
        let Question { prev, next, .. } = self.states[id as usize];
        match prev {
            NONE => self.heads[usize::from(socket)] = next,
            prev => self.states[prev as usize].next = next,
        }
        if next != NONE {
            self.states[next as usize].prev = prev;
        }
    }

    /// The question behind `id` on the list of its socket.
    pub fn after(&self, id: u32) -> Option<u32> {
        let next = self.states[id as usize].next;
        (next != NONE).then_some(next)
    }

    /// A question whose last query went through `socket`, if any.
    pub fn first(&self, socket: u16) -> Option<u32> {
        self.heads.get(usize::from(socket)).copied().filter(|&id| id != NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sockets_list_holds_its_questions() {
        let mut questions = Questions::new(4, 0);
        let ids: Vec<u32> = std::iter::from_fn(|| questions.take()).collect();
        assert!(ids.len() == 4 && questions.is_full());
        ids.iter().for_each(|&id| questions.link(id, 3));
        questions.unlink(ids[1], 3);
        questions.unlink(ids[3], 3);
        questions.unlink(ids[0], 3);
        assert_eq!((questions.first(3), questions.first(9)), (Some(ids[2]), None));
        questions.unlink(ids[2], 3);
        assert_eq!(questions.first(3), None);
    }

    #[test]
    fn half_of_the_questions_may_be_given_up_in_the_order_of_their_age() {
        let mut questions = Questions::new(6, 0);
        let ids: Vec<u32> = std::iter::from_fn(|| questions.take()).collect();
        assert_eq!(questions.oldest(), Some(ids[3]));
        questions.ended(ids[4]);
        questions.give_back(ids[3]);
        assert_eq!(questions.oldest(), Some(ids[5]));
        questions.give_back(ids[5]);
        questions.give_back(ids[4]);
        assert_eq!(questions.oldest(), None);
        questions.give_back(ids[0]);
        assert!(questions.take().is_some());
        assert_eq!(questions.oldest(), None, "half may stay");
        assert_eq!(questions.take(), questions.oldest());
        assert_eq!((questions.take().is_some(), questions.take().is_some(), questions.is_full()), (true, true, true));
    }
}
