//! Questions that were asked upstream, and the queries that wait for each.
//!
//! Two fixed slabs: questions (found by name hash through chains) and waiters (linked per question). Equal questions
//! are asked once. Nothing is allocated after start, and memory is taken as places are.

use crate::answer::CookieOption;
use crate::answer::cache::KeyFixed;
use crate::answer::clients::Place;
use crate::answer::decide::Miss;
use crate::dns::edns::{self, Edns};
use crate::dns::question::Question;
use crate::dns::{header, put_u16};
use std::net::SocketAddr;

/// Longest query kept: header, question, OPT with the options NSID and cookie.
pub const MAX_QUERY: usize = header::LEN + 255 + 4 + edns::LEN + edns::OPTION + size_of::<CookieOption>();

/// Waiters one question may have; beyond it a query gets SERVFAIL, so that one slow name cannot take every place.
const MAX_WAITERS_PER_QUESTION: u32 = 1024;

const NONE: u32 = u32::MAX;

/// A query that waits: whose it is, and the way its reply goes back.
#[derive(Clone, Copy)]
pub struct Waiter<R> {
    /// The way back.
    pub route: R,
    /// Whose it is.
    pub from: Origin,
    /// Where its client is counted.
    pub place: Place,
}

/// Whose query it is, and since when it waits.
#[derive(Clone, Copy)]
pub struct Origin {
    /// The client, for access control and logs.
    pub client: SocketAddr,
    /// The address that was asked, when it is logged.
    pub local: Option<SocketAddr>,
    /// When it came, nanoseconds of the worker's clock.
    pub since: u64,
}

/// The parts of a query that matter while it waits: header, question, and an OPT record, of whose options NSID, and with the
/// cookie that the reply is to bring.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    /// All of it up to the options.
    front: &'a [u8],
    /// OPT stands at its end.
    has_opt: bool,
    asks_nsid: bool,
    cookie: Option<&'a CookieOption>,
}

impl<'a> Kept<'a> {
    /// `None` when the query is none that could have been a miss.
    #[inline]
    pub fn of(message: &'a [u8], cookie: Option<&'a CookieOption>) -> Option<Kept<'a>> {
        let end = Question::parse(message)?.end();
        if header::counts(message)[3] != 1 {
            return Some(Kept { front: message.get(..end)?, has_opt: false, asks_nsid: false, cookie });
        }
        let front = message.get(..end + edns::LEN)?;
        let asks_nsid = Edns::parse(message, end).is_ok_and(|edns| edns.asks_nsid(message));
        Some(Kept { front, has_opt: true, asks_nsid, cookie })
    }

    /// Writes the query; gives its length. There is room: no question that can be read is longer.
    #[inline]
    fn write(&self, query: &mut [u8; MAX_QUERY]) -> u16 {
        let mut len = self.front.len().min(MAX_QUERY);
        query[..len].copy_from_slice(&self.front[..len]);
        if self.has_opt {
            put_u16(query, len - 2, 0);
            if self.asks_nsid {
                edns::append(query, len - edns::LEN, &[0, edns::NSID as u8, 0, 0]);
                len += edns::OPTION;
            }
            if let Some(cookie) = self.cookie {
                edns::append(query, self.front.len() - edns::LEN, cookie);
                len += cookie.len();
            }
        }
        len as u16
    }
}

struct QuestionSlot {
    name: [u8; 255],
    name_len: u8,
    key: KeyFixed,
    hash: u64,
    /// When it was asked: [`Pending::set_epoch`].
    epoch: u32,
    generation: u32,
    /// Next in the hash chain, or in the free list.
    next: u32,
    /// Queries may join: its answer is not there yet.
    open: bool,
    /// Nobody need wait for it.
    alone: bool,
    first_waiter: u32,
    last_waiter: u32,
    waiters: u32,
}

/// It is written and read where it lies: copied whole it would cost more than all else of a miss at the worker.
impl QuestionSlot {
    const EMPTY: QuestionSlot = QuestionSlot {
        name: [0; 255],
        name_len: 0,
        key: KeyFixed { qtype: 0, qclass: 0, bits: 0 },
        hash: 0,
        epoch: 0,
        generation: 0,
        next: NONE,
        open: false,
        alone: false,
        first_waiter: NONE,
        last_waiter: NONE,
        waiters: 0,
    };
}

struct WaiterSlot<R> {
    waiter: Option<Waiter<R>>,
    next: u32,
    len: u16,
    query: [u8; MAX_QUERY],
}

/// What became of a query that joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// The first for its question: ask upstream with this ticket.
    First(u64),
    /// The question was asked already.
    Waits,
    /// No place left.
    Full,
}

/// See the module's text.
pub struct Pending<R> {
    questions: Vec<QuestionSlot>,
    waiters: Vec<WaiterSlot<R>>,
    /// So many of both, for which there is room from the start; memory there is for those that were ever in use together.
    most: (usize, usize),
    chains: Vec<u32>,
    free_question: u32,
    free_waiter: u32,
    in_use: usize,
    epoch: u32,
}

impl<R: Copy> Pending<R> {
    /// Places for this many questions and this many waiting queries.
    pub fn new(questions: usize, waiters: usize) -> Pending<R> {
        Pending {
            questions: Vec::with_capacity(questions),
            waiters: Vec::with_capacity(waiters),
            most: (questions, waiters),
            chains: vec![NONE; questions.next_power_of_two()],
            free_question: NONE,
            free_waiter: NONE,
            in_use: 0,
            epoch: 0,
        }
    }

    /// Begins another epoch when it is not the present one: nobody joins what was asked before, since its answer may be
    /// one that a flush or a reload was to get rid of.
    pub fn set_epoch(&mut self, epoch: u32) {
        self.epoch = epoch;
    }

    /// The present epoch.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Questions that are asked now.
    pub fn len(&self) -> usize {
        self.in_use
    }

    /// True when nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.in_use == 0
    }

    fn chain(&self, hash: u64) -> usize {
        (hash >> 7) as usize & (self.chains.len() - 1)
    }

    /// Lets a query wait for a question; `waiter` says whose it is, if there is a place.
    #[inline]
    pub fn join(&mut self, miss: Miss<'_>, kept: Kept<'_>, waiter: impl FnOnce() -> Waiter<R>) -> Joined {
        if self.free_waiter == NONE && !self.add_place_to_wait() {
            return Joined::Full;
        }
        if let Some(at) = self.find(&miss) {
            if self.questions[at as usize].waiters >= MAX_WAITERS_PER_QUESTION {
                return Joined::Full;
            }
            self.add_waiter(at, kept, waiter);
            return Joined::Waits;
        }
        let Some(at) = self.add(&miss) else { return Joined::Full };
        self.add_waiter(at, kept, waiter);
        Joined::First(self.ticket(at))
    }

    /// Takes a place for a question that nobody need wait for; `None` when it is asked already, or half of the places are taken.
    pub fn begin(&mut self, miss: Miss<'_>) -> Option<u64> {
        if self.in_use >= self.most.0 / 2 || self.find(&miss).is_some() {
            return None;
        }
        let at = self.add(&miss)?;
        self.questions[at as usize].alone = true;
        Some(self.ticket(at))
    }

    /// Gives the place of a question back that nobody waits for.
    pub fn end(&mut self, ticket: u64) {
        let _ = self.take_waiter(ticket);
    }

    fn ticket(&self, at: u32) -> u64 {
        u64::from(self.questions[at as usize].generation) << 32 | u64::from(at)
    }

    /// The place of a question that may be joined.
    fn find(&self, miss: &Miss<'_>) -> Option<u32> {
        let mut at = self.chains[self.chain(miss.hash)];
        while at != NONE {
            let slot = &self.questions[at as usize];
            let same = slot.hash == miss.hash && slot.key == miss.key && slot.epoch == self.epoch;
            if same && slot.name[..usize::from(slot.name_len)] == *miss.name {
                return Some(at);
            }
            at = slot.next;
        }
        None
    }

    /// Takes a place; `None` when there is none.
    fn add(&mut self, miss: &Miss<'_>) -> Option<u32> {
        if miss.name.len() > 255 || (self.free_question == NONE && !self.add_place_to_ask()) {
            return None;
        }
        let (at, chain) = (self.free_question, self.chain(miss.hash));
        let slot = &mut self.questions[at as usize];
        self.free_question = slot.next;
        slot.name[..miss.name.len()].copy_from_slice(miss.name);
        slot.name_len = miss.name.len() as u8;
        slot.key = miss.key;
        slot.hash = miss.hash;
        slot.epoch = self.epoch;
        slot.next = self.chains[chain];
        (slot.open, slot.alone) = (true, false);
        (slot.first_waiter, slot.last_waiter, slot.waiters) = (NONE, NONE, 0);
        self.chains[chain] = at;
        self.in_use += 1;
        Some(at)
    }

    /// One more free place for a question; false when there are as many as there may be.
    #[cold]
    fn add_place_to_ask(&mut self) -> bool {
        let at = self.questions.len();
        let grows = at < self.most.0;
        if grows {
            self.questions.push(QuestionSlot::EMPTY);
            self.free_question = at as u32;
        }
        grows
    }

    /// The same for a query that waits.
    #[cold]
    fn add_place_to_wait(&mut self) -> bool {
        let at = self.waiters.len();
        let grows = at < self.most.1;
        if grows {
            self.waiters.push(WaiterSlot { waiter: None, next: NONE, len: 0, query: [0; MAX_QUERY] });
            self.free_waiter = at as u32;
        }
        grows
    }

    #[inline]
    fn add_waiter(&mut self, question: u32, kept: Kept<'_>, waiter: impl FnOnce() -> Waiter<R>) {
        let at = self.free_waiter;
        let slot = &mut self.waiters[at as usize];
        self.free_waiter = slot.next;
        slot.waiter = Some(waiter());
        slot.len = kept.write(&mut slot.query);
        slot.next = NONE;
        let question = &mut self.questions[question as usize];
        let last = std::mem::replace(&mut question.last_waiter, at);
        question.waiters += 1;
        match last {
            NONE => question.first_waiter = at,
            last => self.waiters[last as usize].next = at,
        }
    }

    /// The answer to a ticket's question is there: nobody joins it any more, so that its waiters come to an end. Gives the
    /// question; `None` when it is over.
    pub fn close(&mut self, ticket: u64) -> Option<Miss<'_>> {
        self.question(ticket)?;
        self.unlink(ticket as u32);
        self.question(ticket)
    }

    /// The question behind a ticket: its name, hash and key. `None` when it is over.
    fn question(&self, ticket: u64) -> Option<Miss<'_>> {
        let slot = self.questions.get(ticket as u32 as usize)?;
        let is_there = slot.waiters > 0 || slot.alone;
        (slot.generation == (ticket >> 32) as u32 && is_there).then(|| Miss {
            name: &slot.name[..usize::from(slot.name_len)],
            hash: slot.hash,
            key: slot.key,
        })
    }

    /// Whether a ticket's question was asked in the present epoch, so that its answer may be kept.
    pub fn is_current(&self, ticket: u64) -> bool {
        self.questions.get(ticket as u32 as usize).is_some_and(|slot| slot.epoch == self.epoch)
    }

    /// Takes the waiter of a question that came first, with its query as [`Kept`] has it; the question is over when its last is
    /// taken.
    #[inline]
    pub fn take_waiter(&mut self, ticket: u64) -> Option<(Waiter<R>, &[u8])> {
        self.question(ticket)?;
        let at = ticket as u32;
        let question = &mut self.questions[at as usize];
        let place = question.first_waiter;
        if place == NONE {
            self.give_back(at);
            return None;
        }
        let slot = self.waiters.get_mut(place as usize)?;
        question.first_waiter = slot.next;
        question.waiters -= 1;
        slot.next = self.free_waiter;
        self.free_waiter = place;
        if question.waiters == 0 {
            self.give_back(at);
        }
        let slot = self.waiters.get(place as usize)?;
        Some((slot.waiter?, slot.query.get(..usize::from(slot.len))?))
    }

    /// Takes a question out of the chain in which queries find it.
    fn unlink(&mut self, at: u32) {
        if !std::mem::take(&mut self.questions[at as usize].open) {
            return;
        }
        let (hash, next) = (self.questions[at as usize].hash, self.questions[at as usize].next);
        let chain = self.chain(hash);
        if self.chains[chain] == at {
            self.chains[chain] = next;
        } else {
            let mut before = self.chains[chain];
            while before != NONE && self.questions[before as usize].next != at {
                before = self.questions[before as usize].next;
            }
            if before != NONE {
                self.questions[before as usize].next = next;
            }
        }
    }

    fn give_back(&mut self, at: u32) {
        self.unlink(at);
        let slot = &mut self.questions[at as usize];
        slot.alone = false;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next = self.free_question;
        self.free_question = at;
        self.in_use -= 1;
    }
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
