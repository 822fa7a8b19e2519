//! What was sent for one question over UDP and may still be answered.
//!
//! A reply to any of it is taken while the question waits. A slow server answers its first try first, one that was away
//! its newest, so of each server's tries the first stays valid and the two newest, eight altogether. Each has an ID and
//! a port of its own, drawn at random, and a reply must match one of them in full: a question that waits with three
//! tries gives a forger three times the chance of one that was sent once.

use std::time::Duration;

/// Most tries of a question that stay valid.
pub const KEPT: usize = 8;
/// Of these to one server.
const TO_ONE: usize = 3;
const BITS: u32 = KEPT.trailing_zeros();

/// Whom a query went to, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// The server.
    pub server: u32,
    /// Its place within the question's zone; `u8::MAX` when it is none of the zone's any more.
    pub place: u8,
    /// The query carried an OPT record.
    pub edns: bool,
    /// The server is to resolve for us: RD.
    pub recursion: bool,
    /// The cookie in it.
    pub cookie: Cookie,
    /// Its name is in mixed case.
    pub mixed: bool,
}

/// What of a cookie a query carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// Nothing.
    No,
    /// Our half: the server's is not known.
    Client,
    /// Both halves.
    Both,
}

impl Addressee {
    /// Nobody yet.
    pub const NOBODY: Addressee =
        Addressee { server: u32::MAX, place: u8::MAX, edns: false, recursion: false, cookie: Cookie::No, mixed: false };
}

/// A query on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    /// Slot of its socket.
    pub socket: u16,
    /// Of that socket: another may have its slot by now.
    pub serial: u32,
    /// Message ID.
    pub id: u16,
    /// To whom.
    pub asked: Addressee,
    /// When it was sent.
    pub at: Duration,
}

/// The tries of one question, each in a slot.
#[derive(Clone, Copy, Debug)]
pub struct Tries {
    slots: [Option<Try>; KEPT],
    /// Bit n: slot n is filled. Most questions fill one, and the others are not looked at.
    filled: u8,
}

const _: () = assert!(KEPT <= 8);

impl Tries {
    /// None.
    pub const NONE: Tries = Tries { slots: [None; KEPT], filled: 0 };

    /// The slot for the next query to `server`: an empty one, or that of the try which can best be done without.
    pub fn slot_for(&self, server: u32) -> usize {
        if self.filled == 0 {
            return 0;
        }
        let age = |slot: &usize| self.slots[*slot].map(|sent| sent.at);
        let all = || (0..KEPT).filter(|&slot| self.slots[slot].is_some());
        let same = || all().filter(|&slot| self.slots[slot].is_some_and(|sent| sent.asked.server == server));
        let empty = self.slots.iter().position(Option::is_none);
        let replaced = match empty {
            _ if same().count() >= TO_ONE => {
                let first = same().min_by_key(age);
                same().filter(|&slot| Some(slot) != first).min_by_key(age)
            }
            None => all().min_by_key(age),
            empty => empty,
        };
        replaced.unwrap_or(0)
    }

    /// What a slot holds.
    #[inline]
    pub fn get(&self, slot: usize) -> Option<&Try> {
        self.slots.get(slot)?.as_ref()
    }

    /// Fills an empty slot.
    pub fn set(&mut self, slot: usize, sent: Try) {
        self.slots[slot] = Some(sent);
        self.filled |= 1 << slot;
    }

    /// Empties a slot.
    #[inline]
    pub fn take(&mut self, slot: usize) -> Option<Try> {
        let sent = self.slots.get_mut(slot)?.take()?;
        self.filled &= !(1 << slot);
        Some(sent)
    }

    /// A slot that is filled.
    #[inline]
    pub fn first(&self) -> Option<usize> {
        (self.filled != 0).then_some(self.filled.trailing_zeros() as usize)
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Try> {
        self.slots.iter_mut().flatten()
    }
}

/// One number for a question and a slot.
#[inline]
pub fn handle(question: u32, slot: usize) -> u32 {
    question << BITS | slot as u32
}

/// The question and the slot of a [`handle`].
#[inline]
pub fn of_handle(handle: u32) -> (u32, usize) {
    (handle >> BITS, handle as usize & (KEPT - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept_of(sent_to: impl IntoIterator<Item = u32>) -> Vec<(u32, u64)> {
        let mut tries = Tries::NONE;
        for (second, server) in sent_to.into_iter().enumerate() {
            let slot = tries.slot_for(server);
            tries.take(slot);
            let (asked, at) = (Addressee { server, ..Addressee::NOBODY }, Duration::from_secs(second as u64));
            tries.set(slot, Try { socket: 0, serial: 0, id: 0, asked, at });
        }
        let mut kept: Vec<_> = tries.iter_mut().map(|sent| (sent.asked.server, sent.at.as_secs())).collect();
        kept.sort_unstable();
        kept
    }

    #[test]
    fn each_servers_first_try_stays_and_its_newest() {
        assert_eq!(kept_of([7; 9]), [(7, 0), (7, 7), (7, 8)]);
        assert_eq!(kept_of((0..10).map(|n| n % 2)), [(0, 0), (0, 6), (0, 8), (1, 1), (1, 7), (1, 9)]);
        assert_eq!(kept_of(0..10), (2..10).map(|n| (n, u64::from(n))).collect::<Vec<_>>(), "or the newest of all");
    }

    #[test]
    fn a_handle_names_question_and_slot() {
        for question in [0, 1, 77, (1 << 20) - 1] {
            for slot in 0..KEPT {
                assert_eq!(of_handle(handle(question, slot)), (question, slot));
            }
        }
    }
}
