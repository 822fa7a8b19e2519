//! The questions in flight: a slab of fixed states and lists through it.

use super::budget::{Budget, Budgets};
use super::question::{NONE, Phase, Question, Shown, Stale, Standing};
use crate::dns::flaw::Flaw;

/// The states that questions of one kind may have: those of clients, or lookups.
///
/// Up to half of them go to questions that may run to their end, so that slow ones are answered too; the others may be given
/// up when there is no more, oldest first (the two lists of Unbound's mesh.c).
struct Share {
    most: usize,
    taken: usize,
    lasting: usize,
    oldest: u32,
    newest: u32,
}

impl Share {
    fn new(most: usize) -> Share {
        Share { most, taken: 0, lasting: 0, oldest: NONE, newest: NONE }
    }

    fn is_full(&self) -> bool {
        self.taken >= self.most
    }
}

/// The slab, its free list, one list per socket of the questions sent through it last, and two by age.
///
/// Neither clients' questions nor lookups take a state that is the others', however many there are.
pub struct Questions {
    /// Never more than there was room for at first. What was never in flight together has no memory.
    states: Vec<Question>,
    most: usize,
    free: Vec<u32>,
    heads: Vec<u32>,
    budgets: Budgets,
    asked: Share,
    lookups: Share,
}

impl Questions {
    /// Room for `count` questions of workers, and `lookups` besides.
    pub fn new(count: usize, lookups: usize) -> Questions {
        let all = count + lookups;
        Questions {
            states: Vec::with_capacity(all),
            most: all,
            free: Vec::with_capacity(all),
            heads: Vec::new(),
            budgets: Budgets::new(all),
            asked: Share::new(count),
            lookups: Share::new(lookups),
        }
    }

    /// States that have been in use: their numbers are those below.
    pub fn so_far(&self) -> usize {
        self.states.len()
    }

    /// Questions in use.
    pub fn in_use(&self) -> usize {
        self.states.len() - self.free.len()
    }

    /// True when no state is free for a worker's question.
    pub fn is_full(&self) -> bool {
        self.asked.is_full()
    }

    /// True when no state is free for a lookup. Those ahead have half of them at most, so that they are in nobody's way.
    pub fn is_full_of_lookups(&self, is_ahead: bool) -> bool {
        self.lookups.is_full() || (is_ahead && self.lookups.taken >= self.lookups.most / 2)
    }

    /// Takes a free state for a worker's question, in phase `Choose`.
    pub fn take(&mut self) -> Option<u32> {
        if self.is_full() {
            return None;
        }
        let id = self.unused()?;
        let Some(budget) = self.budgets.open() else {
            self.free.push(id);
            return None;
        };
        self.set_up(id, budget, false);
        self.let_last(id);
        Some(id)
    }

    /// As [`Self::take`], for a lookup for the sake of the question `sake`, at whose cost it is; without one at its own.
    pub fn take_lookup(&mut self, sake: Option<u32>, is_ahead: bool) -> Option<u32> {
        if self.is_full_of_lookups(is_ahead) {
            return None;
        }
        let id = self.unused()?;
        let budget = match sake.map(|sake| self.states[sake as usize].budget) {
            Some(budget) => {
                self.budgets.share(budget);
                Some(budget)
            }
            None => self.budgets.open(),
        };
        let Some(budget) = budget else {
            self.free.push(id);
            return None;
        };
        self.set_up(id, budget, true);
        match is_ahead {
            true => self.line_up(id),
            false => self.let_last(id),
        }
        Some(id)
    }

    /// A state that is in no use: the one that was given back last, since it may still be in the processor's caches.
    fn unused(&mut self) -> Option<u32> {
        if let Some(id) = self.free.pop() {
            return Some(id);
        }
        let id = self.states.len();
        (id < self.most).then(|| {
            self.states.push(Question::EMPTY);
            id as u32
        })
    }

    fn set_up(&mut self, id: u32, budget: u32, is_lookup: bool) {
        let question = &mut self.states[id as usize];
        question.start_over();
        (question.restarts, question.depth, question.referrals) = (0, 0, 0);
        (question.awaited, question.at_cut) = (0, 0);
        (question.refetched, question.referred, question.was_primed) = (0, 0, false);
        (question.shown, question.is_unzoned, question.left_zone) = (Shown::WHOLE, false, 0);
        (question.was_sent, question.unheard, question.uncached) = (false, false, false);
        (question.refreshes, question.glue_asked) = (None, 0);
        question.spent.clear();
        (question.validates, question.held, question.flaw, question.bogus_tries) = (false, None, Flaw::None, 0);
        (question.is_undenied, question.bogus_for) = (false, None);
        question.distrusted.clear();
        (question.known_only, question.stale, question.lacks_addresses) = (false, Stale::Unknown, false);
        (question.phase, question.standing) = (Phase::Choose, Standing::Ended);
        (question.budget, question.is_lookup) = (budget, is_lookup);
        self.share(is_lookup).taken += 1;
    }

    fn share(&mut self, is_lookup: bool) -> &mut Share {
        if is_lookup { &mut self.lookups } else { &mut self.asked }
    }

    /// Has a question run to its end, if there are not too many such.
    fn let_last(&mut self, id: u32) {
        let is_lookup = self.states[id as usize].is_lookup;
        let share = self.share(is_lookup);
        if share.lasting >= share.most / 2 {
            return self.line_up(id);
        }
        share.lasting += 1;
        self.states[id as usize].standing = Standing::Lasting;
    }

    fn line_up(&mut self, id: u32) {
        let is_lookup = self.states[id as usize].is_lookup;
        let newest = std::mem::replace(&mut self.share(is_lookup).newest, id);
        match newest {
            NONE => self.share(is_lookup).oldest = id,
            newest => self.states[newest as usize].newer = id,
        }
        let question = &mut self.states[id as usize];
        (question.older, question.newer, question.standing) = (newest, NONE, Standing::InLine);
    }

    /// The oldest question of a worker that may be given up.
    pub fn oldest(&self) -> Option<u32> {
        Some(self.asked.oldest).filter(|&oldest| oldest != NONE)
    }

    /// The oldest lookup that may be given up.
    pub fn oldest_lookup(&self) -> Option<u32> {
        Some(self.lookups.oldest).filter(|&oldest| oldest != NONE)
    }

    /// The question has ended: it is not to be given up any more.
    pub fn ended(&mut self, id: u32) {
        let Question { older, newer, standing, is_lookup, .. } = self.states[id as usize];
        self.states[id as usize].standing = Standing::Ended;
        match standing {
            Standing::Ended => return,
            Standing::Lasting => return self.share(is_lookup).lasting -= 1,
            Standing::InLine => {}
        }
        match older {
            NONE => self.share(is_lookup).oldest = newer,
            older => self.states[older as usize].newer = newer,
        }
        match newer {
            NONE => self.share(is_lookup).newest = older,
            newer => self.states[newer as usize].older = older,
        }
    }

    /// Gives a state back. It must be in no socket's list.
    pub fn give_back(&mut self, id: u32) {
        self.ended(id);
        let question = &mut self.states[id as usize];
        question.phase = Phase::Free;
        question.serial = question.serial.wrapping_add(1);
        let (budget, is_lookup) = (question.budget, question.is_lookup);
        self.budgets.leave(budget);
        self.share(is_lookup).taken -= 1;
        self.free.push(id);
    }

    /// A question is at the cost of another one's budget from now on.
    pub fn pay_as(&mut self, id: u32, other: u32) {
        let budget = self.states[other as usize].budget;
        self.budgets.share(budget);
        let before = std::mem::replace(&mut self.states[id as usize].budget, budget);
        self.budgets.leave(before);
    }

    /// What is spent for a question that is in flight.
    pub fn budget(&self, id: u32) -> &Budget {
        self.budgets.get(self.states[id as usize].budget)
    }

    /// What is spent for a question that is in flight.
    pub fn budget_mut(&mut self, id: u32) -> &mut Budget {
        self.budgets.get_mut(self.states[id as usize].budget)
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
#[allow(clippy::unwrap_used)]
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

    #[test]
    fn a_state_has_nothing_of_the_proofs_of_who_had_it_before() {
        let mut questions = Questions::new(1, 1);
        let asked = questions.take().unwrap();
        let question = questions.get_mut(asked);
        (question.validates, question.flaw, question.bogus_tries) = (true, Flaw::Expired, 3);
        (question.is_undenied, question.bogus_for) = (true, Some(60));
        question.distrusted.push(7);
        questions.give_back(asked);
        for again in [questions.take_lookup(None, false).unwrap(), questions.take().unwrap()] {
            let question = questions.get(again);
            assert_eq!((question.validates, question.flaw, question.bogus_tries), (false, Flaw::None, 0));
            assert_eq!((question.is_undenied, question.bogus_for, question.distrusted.len()), (false, None, 0));
        }
    }

    #[test]
    fn lookups_and_clients_keep_to_their_shares() {
        let mut questions = Questions::new(4, 4);
        let asked = questions.take().unwrap();
        let ahead: Vec<u32> = std::iter::from_fn(|| questions.take_lookup(Some(asked), true)).collect();
        assert_eq!((ahead.len(), questions.oldest_lookup(), questions.oldest()), (2, Some(ahead[0]), None));
        let waited: Vec<u32> = std::iter::from_fn(|| questions.take_lookup(Some(asked), false)).collect();
        assert_eq!((waited.len(), questions.is_full_of_lookups(false), questions.is_full()), (2, true, false));
        questions.give_back(ahead[0]);
        assert_eq!(questions.oldest_lookup(), Some(ahead[1]), "who is waited for runs to its end");
        assert_eq!(std::iter::from_fn(|| questions.take()).count(), 3);
        assert_eq!((questions.take_lookup(Some(asked), true), questions.is_full()), (None, true));
        assert!(questions.take_lookup(Some(asked), false).is_some());
    }

    #[test]
    fn a_lookup_is_at_the_cost_of_the_question_that_began_it() {
        let mut questions = Questions::new(2, 4);
        let asked = questions.take().unwrap();
        let lookup = questions.take_lookup(Some(asked), false).unwrap();
        questions.budget_mut(asked).used = 3;
        questions.give_back(asked);
        let deeper = questions.take_lookup(Some(lookup), false).unwrap();
        assert_eq!(questions.budget(deeper).used, 3);
        let other = questions.take().unwrap();
        assert_eq!(questions.budget(other).used, 0);
    }
}
