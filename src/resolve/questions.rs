//! The questions in flight: a slab of fixed states and lists through it.

use super::question::{NONE, Phase, Question, Shown, Stale, Standing};

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
        (question.lookups, question.awaited, question.at_cut, question.nowhere) = (0, 0, 0, 0);
        (question.refetched, question.referred, question.was_primed, question.used) = (0, 0, false, 0);
        (question.shown, question.is_unzoned) = (Shown::WHOLE, false);
        (question.was_sent, question.unheard, question.uncached) = (false, false, false);
        (question.refreshes, question.glue_asked) = (None, 0);
        question.spent.clear();
        (question.known_only, question.stale) = (false, Stale::Unknown);
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
