//! Deadlines of the questions: one wheel, one timer per question, no allocation after start.

use std::time::Duration;

/// What the wheel turns by at a time; a timer goes off up to this much late, never early.
pub const TICK: Duration = Duration::from_millis(TICK_MS);
const TICK_MS: u64 = 10;
const SLOTS: usize = 2048;
const NONE: u32 = u32::MAX;

/// The wheel. It reaches 20 s ahead, more than any deadline in use; a later one goes off at its rim.
pub struct Wheel {
    heads: Box<[u32]>,
    occupied: [u64; SLOTS / 64],
    links: Box<[Link]>,
    /// Ticks up to and including this one have gone off.
    done: u64,
}

#[derive(Clone, Copy)]
struct Link {
    prev: u32,
    next: u32,
    slot: u32,
}

fn tick(at: Duration) -> u64 {
    (at.as_nanos() / TICK.as_nanos()) as u64
}

fn start_of(tick: u64) -> Duration {
    Duration::from_millis(tick.saturating_mul(TICK_MS))
}

impl Wheel {
    /// A wheel for timers named `0..timers`.
    pub fn new(timers: usize) -> Wheel {
        let link = Link { prev: NONE, next: NONE, slot: NONE };
        Wheel {
            heads: vec![NONE; SLOTS].into_boxed_slice(),
            occupied: [0; SLOTS / 64],
            links: vec![link; timers].into_boxed_slice(),
            done: 0,
        }
    }

    /// Sets timer `id` to go off at `at`, in place of what it was set to.
    pub fn arm(&mut self, id: u32, at: Duration) {
        self.cancel(id);
        let due = (tick(at) + 1).clamp(self.done + 1, self.done + SLOTS as u64 - 1);
        let slot = (due % SLOTS as u64) as usize;
        let next = self.heads[slot];
        if next != NONE {
            self.links[next as usize].prev = id;
        }
        self.links[id as usize] = Link { prev: NONE, next, slot: slot as u32 };
        self.heads[slot] = id;
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// Stops timer `id`, if it runs.
    pub fn cancel(&mut self, id: u32) {
        let Link { prev, next, slot } = self.links[id as usize];
        if slot == NONE {
            return;
        }
        let slot = slot as usize;
        match prev {
            NONE => self.heads[slot] = next,
            prev => self.links[prev as usize].next = next,
        }
        if next != NONE {
            self.links[next as usize].prev = prev;
        }
        if self.heads[slot] == NONE {
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
        self.links[id as usize].slot = NONE;
    }

    /// Takes one timer that has gone off by `now`. Call it until it gives `None`, and before timers are set.
    pub fn expired(&mut self, now: Duration) -> Option<u32> {
        let target = tick(now);
        while self.done < target {
            let slot = ((self.done + 1) % SLOTS as u64) as usize;
            let id = self.heads[slot];
            if id != NONE {
                self.cancel(id);
                return Some(id);
            }
            self.done += 1;
            // After a long sleep nothing is left to go off: the clock may have stood still for years.
            if target - self.done > SLOTS as u64 && self.occupied == [0; SLOTS / 64] {
                self.done = target;
            }
        }
        None
    }

    /// When the next timer goes off.
    pub fn next(&self) -> Option<Duration> {
        let start = ((self.done + 1) % SLOTS as u64) as usize;
        for step in 0..=SLOTS / 64 {
            let word = (start / 64 + step) % (SLOTS / 64);
            let bits = match step {
                0 => self.occupied[word] & (u64::MAX << (start % 64)),
                _ => self.occupied[word],
            };
            if bits != 0 {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                let ahead = (slot + SLOTS - start) % SLOTS;
                return Some(start_of(self.done + 1 + ahead as u64));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn goes_off_late_by_less_than_two_ticks_and_never_early() {
        let mut wheel = Wheel::new(4);
        wheel.arm(0, MS(376));
        wheel.arm(1, MS(0));
        wheel.arm(2, MS(12_000));
        assert_eq!(wheel.next(), Some(MS(10)));
        assert_eq!((wheel.expired(MS(376)), wheel.expired(MS(376))), (Some(1), None));
        assert_eq!(wheel.next(), Some(MS(380)));
        assert_eq!(wheel.expired(MS(380)), Some(0));
        wheel.cancel(2);
        assert_eq!((wheel.next(), wheel.expired(MS(60_000))), (None, None));
    }

    #[test]
    fn sleeps_for_years_in_no_time() {
        let mut wheel = Wheel::new(2);
        wheel.arm(0, MS(12_000));
        let years = Duration::from_secs(3_000_000_000);
        assert_eq!((wheel.expired(years), wheel.expired(years)), (Some(0), None));
        wheel.arm(1, years + MS(376));
        assert_eq!(wheel.next(), Some(years + MS(380)));
    }

    #[test]
    fn works_after_years() {
        let start = Duration::from_secs(50_000_000);
        let mut wheel = Wheel::new(1);
        wheel.done = tick(start);
        wheel.arm(0, start + MS(376));
        assert_eq!(wheel.next(), Some(start + MS(380)));
        assert_eq!((wheel.expired(start + MS(370)), wheel.expired(start + MS(380))), (None, Some(0)));
    }

    proptest::proptest! {
        #[test]
        fn behaves_as_a_sorted_map(steps in proptest::collection::vec((0u32..8, 0u64..15_000, 0u64..900), 1..80)) {
            let mut wheel = Wheel::new(8);
            let mut model: BTreeMap<u32, u64> = BTreeMap::new();
            let mut now = 0;
            for (id, delay, pass) in steps {
                wheel.arm(id, MS(now + delay));
                model.insert(id, (now + delay) / 10 + 1);
                now += pass;
                while let Some(id) = wheel.expired(MS(now)) {
                    assert!(model.remove(&id).unwrap() <= now / 10);
                }
                assert!(model.values().all(|&due| due > now / 10));
                assert_eq!(wheel.next(), model.values().min().map(|&due| MS(due * 10)));
            }
        }
    }
}
