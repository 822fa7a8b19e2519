//! Which answers the XDP program tells itself: those that are asked for most.
//!
//! The worker teaches the program what it has just answered, into one of the two slots that the query's hash leads to. Slots
//! that are free are filled at once. Of the queries that find none, the one that most come for is known by a vote (Boyer and
//! Moore, a counter for each pair of slots); when it came more often in a second than a slot was asked, it takes its place.

mod known;
mod lesson;

use self::known::Known;
use crate::answer::Repeatable;
use crate::answer::cache::AnswerCache;
use crate::dns::edns::{self, Edns};
use crate::dns::header;
use crate::dns::question::Question;
use crate::stats::{Told, WorkerStats};
use crate::xdp::answers::{Hits, Key, QueryEdns, SLOTS, Slots, WAYS};

/// Seconds after which no program reads a slot any more that was emptied: it may have been at the end of one.
const RESTS: u32 = 2;
/// Slots that are counted at a time: queries wait meanwhile, and what was told marks an entry of the cache each.
const PIECE: usize = 512;
/// Least UDP payload size that a client tells for a program to answer it: `LEAST_UDP_SIZE` of bpf/query.bpf.h.
const LEAST_UDP_SIZE: u16 = 512;

/// See the module's text.
pub struct HotAnswers {
    slots: Slots,
    known: Box<[Known]>,
    rivals: Box<[Rival]>,
    /// The second in which the generation began.
    began: u32,
    /// The second in which room was last made.
    swept: u32,
    /// Hits that are counted.
    seen: Box<[Hits]>,
    /// Something was asked since room was last made: a worker at rest is to stay so.
    stirred: bool,
    /// The first slot that is still to be counted, [`SLOTS`] when none is.
    behind: usize,
}

/// Of the queries that found no slot, the one that most came for.
#[derive(Clone, Copy, Default)]
struct Rival {
    hash: u64,
    count: u32,
}

impl Rival {
    fn vote(&mut self, hash: u64) {
        if self.hash == hash {
            self.count = self.count.saturating_add(1);
        } else if self.count == 0 {
            *self = Rival { hash, count: 1 };
        } else {
            self.count -= 1;
        }
    }
}

impl HotAnswers {
    /// Nothing is told until [`Self::begin`].
    pub fn new(slots: Slots) -> HotAnswers {
        HotAnswers {
            slots,
            known: vec![Known::default(); SLOTS].into(),
            rivals: vec![Rival::default(); SLOTS / WAYS].into(),
            began: 0,
            swept: 0,
            seen: vec![Hits::default(); SLOTS].into(),
            stirred: false,
            behind: SLOTS,
        }
    }

    /// Has nothing told any more that was taught before: to be called before anything changes that it came of.
    pub fn begin(&mut self, now: u32) {
        self.slots.begin_generation();
        self.began = now;
        self.stirred = true;
        self.rivals.fill(Rival::default());
    }

    /// The number of the generation: what was taught in an older one is not told.
    #[cfg(test)]
    pub(super) fn generation(&self) -> u64 {
        self.slots.generation()
    }

    /// Says that the worker is there, `now` in nanoseconds.
    #[inline]
    pub fn beat(&mut self, now: u64) {
        self.slots.beat(now);
    }

    /// Teaches the program a reply, just written, to a query that it did not answer, if there is place for it.
    pub fn teach(&mut self, reply: &[u8], of: &Repeatable, now: u32) {
        let Some((question, edns)) = Question::parse(reply).zip(query_edns(of.edns)) else { return };
        // Before it counts as one that finds no slot.
        if !lesson::has_room(reply, question.end(), of) {
            return;
        }
        let Some(key) = Key::new(&reply[header::LEN..question.end()], of.flags, edns) else { return };
        let (hash, first) = self.slots.place(&key);
        self.stirred = true;
        let Some(index) = self.free_slot(hash, first, now) else { return };
        let Some(lesson) = lesson::of(reply, question.end(), of, now) else { return };
        self.slots.put(index, &key, &lesson);
        let counted = Told {
            flags: of.flags,
            qtype: question.qtype,
            qclass: question.qclass,
            has_edns: edns != QueryEdns::None,
            dnssec_ok: edns == QueryEdns::DnssecOk,
            rcode: header::flags(reply) & 0xf,
            has_answers: header::counts(reply)[1] > 0,
            is_secure: of.secure,
        };
        let kept = of.kept.map(|(hash, kept)| (key, hash, kept));
        self.known[index].fill(hash, (of.until, self.slots.generation()), kept, counted);
    }

    /// A slot of a pair that may be filled for the key of a hash now. `None`: one has it, or it has to wait for its turn.
    fn free_slot(&mut self, hash: u64, first: usize, now: u32) -> Option<usize> {
        let mut free = None;
        for index in first..first + WAYS {
            let generation = self.slots.generation();
            let known = &mut self.known[index];
            if known.is_told(generation, now) {
                if known.hash == hash {
                    return None;
                }
            } else if known.is_filled {
                let since = if known.generation == generation { now } else { self.began };
                known.leave(since);
                self.slots.empty(index);
            }
            // What it answered before is counted as that.
            let is_counted = self.slots.hits(index) == self.seen[index];
            if !known.is_filled && is_counted && now >= known.empty_since.saturating_add(RESTS) {
                free = Some(index);
            }
        }
        let rival = &mut self.rivals[first / WAYS];
        if free.is_some() && (rival.count == 0 || rival.hash == hash) {
            *rival = Rival::default();
            return free;
        }
        rival.vote(hash);
        None
    }

    /// Counts what the program has answered, and makes room for what is asked for more.
    pub fn keep_house(&mut self, cache: &mut AnswerCache, stats: &WorkerStats, now: u32) {
        self.fall_behind();
        while self.is_behind() {
            self.catch_up(cache, stats, now);
        }
    }

    /// Has all of that to be done, in pieces. To be called twice a second.
    pub fn fall_behind(&mut self) {
        self.behind = 0;
    }

    /// Whether there is more to be done.
    #[inline]
    pub fn is_behind(&self) -> bool {
        self.behind < SLOTS
    }

    /// Does a piece of it.
    pub fn catch_up(&mut self, cache: &mut AnswerCache, stats: &WorkerStats, now: u32) {
        let from = self.behind;
        self.behind = (from + PIECE).min(SLOTS);
        for index in from..self.behind {
            let (hits, seen) = (self.slots.hits(index), &mut self.seen[index]);
            if hits != *seen {
                self.known[index].count(hits.since(*seen), cache, stats);
                *seen = hits;
                self.stirred = true;
            }
        }
        if !self.is_behind() && now != self.swept && self.stirred {
            (self.swept, self.stirred) = (now, false);
            stats.places.taught.set((0..SLOTS).step_by(WAYS).map(|first| self.make_room(first, now)).sum());
        }
    }

    /// Empties the slot of a pair that was asked for least in the last second, if one that found no slot was asked for more. How many
    /// of the pair are told.
    fn make_room(&mut self, first: usize, now: u32) -> u64 {
        let generation = self.slots.generation();
        let rival = &mut self.rivals[first / WAYS];
        let pair = &mut self.known[first..first + WAYS];
        let told = pair.iter().filter(|known| known.is_told(generation, now)).count();
        let least = (first..).zip(pair.iter_mut()).min_by_key(|(_, known)| known.asked);
        match least {
            Some((index, known)) if told == WAYS && rival.count > known.asked + 1 => {
                known.leave(now);
                self.slots.empty(index);
            }
            _ if told == WAYS => rival.count /= 2,
            _ => {}
        }
        pair.iter_mut().for_each(|known| known.asked = 0);
        told as u64
    }
}

/// How a query has EDNS; `None` where no program answers it.
fn query_edns(edns: Option<Edns>) -> Option<QueryEdns> {
    let Some(edns) = edns else { return Some(QueryEdns::None) };
    let is_plain = edns.version == 0 && edns.udp_size >= LEAST_UDP_SIZE && !edns.has_options();
    match edns.bits {
        _ if !is_plain => None,
        0 => Some(QueryEdns::Plain),
        edns::DO => Some(QueryEdns::DnssecOk),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
