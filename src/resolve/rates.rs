//! How many queries the servers of one zone are sent in a second (`ratelimit:`): those of a flood of names that nobody has asked
//! before all go to one zone, which is not to be flooded by us, nor to have what others need.

use crate::dns::name::{parent, suffixes};
use std::collections::HashMap;
use std::time::Duration;

/// Seconds that are looked back at with `ratelimit-backoff:` (Unbound's RATE_WINDOW).
const WINDOW: usize = 2;
/// Octets that a zone takes, its name and the index included.
const PER_ZONE: u64 = 256;
/// Zones looked at for one whose rate is of long ago.
const LOOK_AT: usize = 64;

/// The limits, in queries a second; 0 for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// `ratelimit:`; with 0 nothing is limited, whatever the others say.
    pub rate: u32,
    /// `ratelimit-factor:`, of how many beyond the limit one is sent all the same; 0: none is.
    pub factor: u32,
    /// `ratelimit-backoff:`
    pub backoff: bool,
    /// `ratelimit-size:` in octets.
    pub size: u64,
    /// `ratelimit-for-domain:`, wire form, lower case.
    pub exact: HashMap<Box<[u8]>, u32>,
    /// `ratelimit-below-domain:`, the same.
    pub below: HashMap<Box<[u8]>, u32>,
}

impl Default for RateLimits {
    fn default() -> Self {
        let (rate, backoff, exact, below) = Default::default();
        RateLimits { rate, factor: 10, backoff, size: 4 << 20, exact, below }
    }
}

impl RateLimits {
    /// The limit of a zone (wire form, lower case).
    fn of(&self, zone: &[u8]) -> u32 {
        let exact = self.exact.get(zone).copied();
        let above = || parent(zone).and_then(|above| suffixes(above).find_map(|name| self.below.get(name).copied()));
        exact.or_else(above).unwrap_or(self.rate)
    }
}

/// The queries of one zone.
#[derive(Debug)]
struct Rate {
    zone: Box<[u8]>,
    /// Of these seconds, as many.
    seconds: [(u64, u32); WINDOW],
}

impl Rate {
    /// The count of a second; one of an older goes for it.
    fn second(&mut self, now: u64) -> &mut u32 {
        let place = self.seconds.iter().position(|(second, _)| *second == now);
        let oldest = || usize::from(self.seconds[1].0 < self.seconds[0].0);
        let place = place.unwrap_or_else(oldest);
        let (second, count) = &mut self.seconds[place];
        if *second != now {
            (*second, *count) = (now, 0);
        }
        count
    }

    /// What is held against the limit.
    fn most(&self, now: u64, backoff: bool) -> u32 {
        let counts =
            |(second, _): &&(u64, u32)| if backoff { now - second.min(&now) <= WINDOW as u64 } else { *second == now };
        self.seconds.iter().filter(counts).map(|(_, count)| *count).max().unwrap_or(0)
    }
}

/// What became of a query that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rated {
    /// It may be sent.
    Within,
    /// It is beyond the limit, which is told: the first to be.
    First(u32),
    /// It is beyond the limit.
    Beyond,
}

/// Zones (wire form) with their rates and limits.
pub type Listed<'a> = Vec<(&'a [u8], u32, u32)>;

/// The rates of zones, as many as there is room for.
#[derive(Debug, Default)]
pub struct Rates {
    limits: RateLimits,
    rates: Vec<Rate>,
    by_zone: HashMap<Box<[u8]>, u32>,
    hand: usize,
}

impl Rates {
    /// Goes by these limits from now on.
    pub fn set_limits(&mut self, limits: RateLimits) {
        let most = limits.size;
        self.limits = limits;
        if self.rates.len() as u64 * PER_ZONE > most {
            (self.rates, self.by_zone, self.hand) = Default::default();
        }
    }

    /// True when anything is limited.
    #[inline]
    pub fn are_limited(&self) -> bool {
        self.limits.rate > 0
    }

    /// Of how many queries beyond the limit one is sent.
    pub fn factor(&self) -> u32 {
        self.limits.factor
    }

    /// Counts a query to the servers of a zone (wire form, lower case).
    pub fn count(&mut self, zone: &[u8], now: Duration) -> Rated {
        let (now, limit, backoff) = (now.as_secs(), self.limits.of(zone), self.limits.backoff);
        if limit == 0 {
            return Rated::Within;
        }
        let place = self.place(zone, now);
        let Some(rate) = self.rates.get_mut(place) else { return Rated::Within };
        let before = rate.most(now, backoff);
        let count = rate.second(now);
        *count = count.saturating_add(1);
        match rate.most(now, backoff) {
            after if after <= limit => Rated::Within,
            _ if before <= limit => Rated::First(limit),
            _ => Rated::Beyond,
        }
    }

    /// Takes back what was counted in this second: it led further down.
    pub fn take_back(&mut self, zone: &[u8], now: Duration) {
        let Some(rate) = self.by_zone.get(zone).and_then(|&place| self.rates.get_mut(place as usize)) else { return };
        if let Some((_, count)) = rate.seconds.iter_mut().find(|(second, _)| *second == now.as_secs()) {
            *count = count.saturating_sub(1);
        }
    }

    fn place(&mut self, zone: &[u8], now: u64) -> usize {
        if let Some(&place) = self.by_zone.get(zone) {
            return place as usize;
        }
        let rate = Rate { zone: zone.into(), seconds: [(now, 0), (0, 0)] };
        let most = (self.limits.size / PER_ZONE).clamp(16, 1 << 24) as usize;
        let place = if self.rates.len() < most {
            self.rates.push(rate);
            self.rates.len() - 1
        } else {
            let place = self.idle(now);
            self.by_zone.remove(&std::mem::replace(&mut self.rates[place], rate).zone);
            place
        };
        self.by_zone.insert(zone.into(), place as u32);
        place
    }

    /// The place of a zone that was not asked for a while, else that of some.
    fn idle(&mut self, now: u64) -> usize {
        for _ in 0..LOOK_AT {
            self.hand = (self.hand + 1) % self.rates.len();
            if self.rates[self.hand].most(now, true) == 0 {
                break;
            }
        }
        self.hand
    }

    /// Up to `most` zones from a place on: name, rate and limit, those that are at their limit or all; and where to go on.
    pub fn list(&self, from: usize, most: usize, all: bool, now: Duration) -> (Listed<'_>, Option<usize>) {
        let end = from.saturating_add(most).min(self.rates.len());
        let now = now.as_secs();
        let rates = self.rates.get(from..end).unwrap_or_default().iter();
        let listed = rates.map(|rate| (&*rate.zone, rate.most(now, self.limits.backoff), self.limits.of(&rate.zone)));
        (listed.filter(|(_, rate, limit)| all || rate >= limit).collect(), (end < self.rates.len()).then_some(end))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dns::Name;

    fn wire(name: &str) -> Vec<u8> {
        Name::from_text(name).unwrap().as_wire().to_vec()
    }

    fn rates(limits: RateLimits) -> Rates {
        let mut rates = Rates::default();
        rates.set_limits(limits);
        rates
    }

    const AT: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_second_has_so_many_queries_and_the_next_as_many_again() {
        let mut rates = rates(RateLimits { rate: 2, ..RateLimits::default() });
        let com = wire("com");
        let mut count = |now| rates.count(&com, AT(now));
        assert_eq!(
            [count(7), count(7), count(7), count(7)],
            [Rated::Within, Rated::Within, Rated::First(2), Rated::Beyond]
        );
        assert_eq!([count(8), count(8), count(8)], [Rated::Within, Rated::Within, Rated::First(2)]);
        rates.take_back(&com, AT(8));
        rates.take_back(&com, AT(8));
        assert_eq!(rates.count(&com, AT(8)), Rated::Within);
        assert_eq!(rates.count(&wire("org"), AT(8)), Rated::Within, "another zone");
    }

    #[test]
    fn with_backoff_demand_must_cease_first() {
        let mut rates = rates(RateLimits { rate: 2, backoff: true, ..RateLimits::default() });
        let com = wire("com");
        for _ in 0..5 {
            rates.count(&com, AT(7));
        }
        assert_eq!((rates.count(&com, AT(8)), rates.count(&com, AT(12))), (Rated::Beyond, Rated::Within));
    }

    #[test]
    fn names_have_limits_of_their_own() {
        let exact = HashMap::from([(wire("example.com").into(), 7), (wire("free.org").into(), 0)]);
        let below = HashMap::from([(wire("com").into(), 5), (wire("a.com").into(), 6)]);
        let limits = RateLimits { rate: 3, exact, below, ..RateLimits::default() };
        for (name, limit) in [
            ("net", 3),
            ("com", 3),
            ("b.com", 5),
            ("example.com", 7),
            ("x.example.com", 5),
            ("a.com", 5),
            ("x.a.com", 6),
            ("free.org", 0),
        ] {
            assert_eq!(limits.of(&wire(name)), limit, "{name}");
        }
        let mut rates = rates(limits);
        assert!((0..100).all(|_| rates.count(&wire("free.org"), AT(1)) == Rated::Within));
    }

    #[test]
    fn there_are_no_more_zones_than_there_is_room_for() {
        let mut rates = rates(RateLimits { rate: 1, size: 100 * PER_ZONE, ..RateLimits::default() });
        for number in 0..1000 {
            rates.count(&wire(&format!("z{number}")), AT(number / 50));
        }
        assert_eq!((rates.rates.len(), rates.by_zone.len()), (100, 100));
        rates.count(&wire("com"), AT(50));
        rates.count(&wire("com"), AT(50));
        let (listed, further) = rates.list(0, 1000, false, AT(50));
        assert_eq!((listed, further), (vec![(&wire("com")[..], 2, 1)], None));
        assert_eq!(rates.list(0, 60, true, AT(50)).1, Some(60));
    }
}
