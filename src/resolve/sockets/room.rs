//! Room for one more socket: which others are given up for it.

use super::{Sockets, World};
use std::time::Duration;

/// A socket that was asked through within this time is not given up for a server that has others: what goes round all the
/// time would be opened and closed with every question.
pub(super) const RESTED: Duration = Duration::from_secs(1);
/// Sockets looked at for one that may be given up.
const LOOK_AT: usize = 32;

impl Sockets {
    /// Takes a free slot for one more socket of a server; `None` when it may have no more.
    pub(super) fn vacate(&mut self, server: u32, now: Duration, world: &mut impl World) -> Option<u16> {
        let pool = &self.pools[server as usize];
        let has_others = !pool.places.is_empty();
        if pool.busy >= self.most - self.busy {
            if has_others {
                return None;
            }
            self.give_up_the_longest_busy(world);
        }
        if self.free.is_empty() && self.slots.len() < self.most {
            self.slots.push(None);
            self.free.push(self.slots.len() as u16 - 1);
        }
        if self.free.is_empty() && !self.give_one_up(!has_others, now, world) {
            return None;
        }
        self.free.pop()
    }

    /// Closes a socket that waits for no answer; `any`: even if it was used just now. False when there is none.
    pub(super) fn give_one_up(&mut self, any: bool, now: Duration, world: &mut impl World) -> bool {
        for _ in 0..LOOK_AT {
            let Some(slot) = self.idle.next_in_turn() else { return false };
            let has_rested = self.get(slot).is_some_and(|socket| now.saturating_sub(socket.used) >= RESTED);
            if any || has_rested {
                self.leave_pool(slot);
                self.close(slot, world);
                return true;
            }
        }
        false
    }

    /// Closes a socket that waits for longest, of some that are looked at.
    fn give_up_the_longest_busy(&mut self, world: &mut impl World) {
        let many = self.slots.len().max(1);
        let looked_at = (0..LOOK_AT.min(many)).map(|step| ((self.hand + step) % many) as u16);
        let longest = looked_at.filter_map(|slot| Some((self.get(slot)?.used, slot))).min();
        self.hand = (self.hand + LOOK_AT) % many;
        let Some((_, slot)) = longest else { return };
        self.leave_pool(slot);
        if let Some(Some(socket)) = self.slots.get(usize::from(slot)).filter(|_| !self.is_idle(slot)) {
            self.busy -= 1;
            self.pools[socket.server as usize].busy -= 1;
        }
        self.close(slot, world);
    }
}
