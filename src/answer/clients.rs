//! What is known of clients: how often they asked this second and the last, and how many of their queries wait.
//!
//! One table of fixed size, made at start. Each client has its place in a small group of places that its address is hashed
//! to with a secret key; a new one takes the place of whoever was quiet for the longest time there.

use crate::dns::scan::HashKey;
use crate::sys::memory;
use bytemuck::Zeroable;
use std::net::{IpAddr, Ipv6Addr};

/// Places of one group.
const GROUP: usize = 8;

/// One client. All zero: a free place.
#[derive(Clone, Copy, Zeroable)]
struct Client {
    /// The address, that of IPv4 mapped into IPv6.
    address: [u64; 2],
    /// Queries in two seconds, and which seconds these are.
    counts: [u32; 2],
    seconds: [u32; 2],
    /// Queries that wait.
    waiting: u32,
    /// The second after the last in which it asked.
    used: u32,
}

impl Client {
    /// The count of the second `now`, which takes the place of the older one when it is new.
    fn count_of(&mut self, now: u32) -> &mut u32 {
        let found = self.seconds.iter().position(|second| *second == now);
        let place = found.unwrap_or_else(|| {
            let older = usize::from(now.wrapping_sub(self.seconds[1]) > now.wrapping_sub(self.seconds[0]));
            (self.seconds[older], self.counts[older]) = (now, 0);
            older
        });
        &mut self.counts[place]
    }

    /// Queries a second: those of this one, with `backoff` the most of the last seconds, as Unbound counts them.
    fn rate(&self, now: u32, backoff: bool) -> u32 {
        let window = if backoff { 2 } else { 0 };
        let counts = self.seconds.iter().zip(self.counts);
        counts.filter(|(second, _)| now.wrapping_sub(**second) <= window).map(|(_, count)| count).max().unwrap_or(0)
    }

    fn ip(&self) -> IpAddr {
        let [high, low] = self.address.map(u128::from);
        Ipv6Addr::from(high << 64 | low).to_canonical()
    }
}

/// Where a client stands whose query waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

impl Place {
    /// It is not counted.
    pub const NONE: Place = Place(u32::MAX);
}

/// See the module's text.
pub struct Clients {
    clients: Box<[Client]>,
    hash_key: HashKey,
    /// State of what chooses the queries that pass all the same.
    chance: u64,
}

impl Clients {
    /// Octets that one client takes.
    pub const OCTETS: usize = size_of::<Client>();

    /// A table of so many octets, rounded down, of one group at least. Its pages are taken from the system when they are first
    /// written to.
    ///
    /// # Errors
    /// That there is no memory for it: what limits it, and the fix.
    pub fn new(octets: usize, hash_key: HashKey) -> Result<Clients, String> {
        let groups = (octets / (GROUP * Self::OCTETS)).clamp(1, 1 << 24);
        let chance = hash_key.pair(groups as u64, 1) | 1;
        Ok(Clients { clients: memory::zeroed(groups * GROUP)?, hash_key, chance })
    }

    /// The place of a client, found or made.
    fn place(&mut self, address: IpAddr, now: u32) -> usize {
        let key = words(address);
        let hash = self.hash_key.pair(key[0], key[1]);
        let groups = (self.clients.len() / GROUP) as u128;
        let first = ((u128::from(hash) * groups) >> 64) as usize * GROUP;
        let group = &mut self.clients[first..first + GROUP];
        let place = group.iter().position(|client| client.address == key).unwrap_or_else(|| {
            let quiet = |at: &usize| (group[*at].waiting > 0, group[*at].used);
            let place = (0..GROUP).min_by_key(quiet).unwrap_or(0);
            group[place] = Client { address: key, ..Client::zeroed() };
            place
        });
        group[place].used = now.saturating_add(1);
        first + place
    }

    /// Counts one more query; gives the client's rate before and with it.
    pub fn count(&mut self, address: IpAddr, now: u32, backoff: bool) -> (u32, u32) {
        let place = self.place(address, now);
        let client = &mut self.clients[place];
        let before = client.rate(now, backoff);
        let count = client.count_of(now);
        *count = count.saturating_add(1);
        (before, client.rate(now, backoff))
    }

    /// Whether one of `factor` things happens; never with 0.
    pub fn happens(&mut self, factor: u32) -> bool {
        // xorshift64 (Marsaglia 2003); nobody gains by foreseeing it.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        factor != 0 && (self.chance >> 16).is_multiple_of(u64::from(factor))
    }

    /// Has one more query of a client wait, unless more than `most` do. [`Self::end_wait`] takes it back.
    #[inline]
    pub fn begin_wait(&mut self, address: IpAddr, most: u32, now: u32) -> Option<Place> {
        let place = self.place(address, now);
        let client = &mut self.clients[place];
        if client.waiting > most {
            return None;
        }
        client.waiting += 1;
        Some(Place(place as u32))
    }

    /// A query waits no more.
    #[inline]
    pub fn end_wait(&mut self, place: Place, address: IpAddr) {
        // Another may have taken the place.
        if let Some(client) = self.clients.get_mut(place.0 as usize).filter(|client| client.address == words(address)) {
            client.waiting = client.waiting.saturating_sub(1);
        }
    }

    /// Puts clients with a rate of `least` or more, and these rates, into `list` as far as it has room, looking at so many
    /// places from `from` on. Where to go on; `None`: that was all.
    pub fn list(
        &self,
        from: usize,
        (now, backoff, least): (u32, bool, u32),
        list: &mut Vec<(IpAddr, u32)>,
    ) -> Option<usize> {
        let most = list.capacity() - list.len();
        let end = from.saturating_add(most).min(self.clients.len());
        let known = self.clients.get(from..end).unwrap_or_default().iter().filter(|client| client.used > 0);
        let rates = known.map(|client| (client.ip(), client.rate(now, backoff)));
        list.extend(rates.filter(|(_, rate)| *rate >= least));
        (end < self.clients.len()).then_some(end)
    }
}

fn words(address: IpAddr) -> [u64; 2] {
    let number = match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    };
    [(number >> 64) as u64, number as u64]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn clients(places: usize) -> Clients {
        Clients::new(places * Clients::OCTETS, HashKey::fixed(7)).unwrap()
    }

    fn client(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn a_rate_is_of_a_second_or_the_most_of_the_last() {
        let mut clients = clients(64);
        let rates: Vec<_> = [9, 9, 9, 10, 12, 12].map(|now| clients.count(client(1), now, false).1).into();
        assert_eq!(rates, [1, 2, 3, 1, 1, 2]);
        assert_eq!(clients.count(client(2), 12, false), (0, 1), "another has a count of its own");
        let rates: Vec<_> = [20, 20, 20, 21, 22, 23].map(|now| clients.count(client(3), now, true).1).into();
        assert_eq!(rates, [1, 2, 3, 3, 1, 1]);
    }

    #[test]
    fn both_families_have_places_of_their_own() {
        let mut clients = clients(64);
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        for _ in 0..3 {
            clients.count(six, 5, false);
        }
        clients.count(client(9), 5, false);
        let mut list = Vec::with_capacity(1024);
        assert_eq!(clients.list(0, (5, false, 0), &mut list), None);
        list.sort();
        assert_eq!(list, [(client(9), 1), (six, 3)]);
        list.clear();
        clients.list(0, (5, false, 2), &mut list);
        assert_eq!(list, [(six, 3)], "those of 2 or more");
    }

    #[test]
    fn a_list_goes_on_where_it_ended() {
        let mut clients = clients(800);
        for number in 0..50 {
            clients.count(client(number), 1, false);
        }
        let (mut from, mut all) = (Some(0), Vec::new());
        while let Some(at) = from {
            let mut list = Vec::with_capacity(100);
            from = clients.list(at, (1, false, 0), &mut list);
            all.extend(list);
        }
        assert_eq!(all.len(), 50);
    }

    #[test]
    fn who_is_quiet_gives_way_and_who_waits_last() {
        let mut clients = clients(GROUP);
        let waits = clients.begin_wait(client(0), 5, 1).unwrap();
        for number in 1..GROUP as u32 {
            clients.count(client(number), 10 + number, false);
        }
        clients.count(client(100), 30, false);
        assert_eq!(clients.count(client(2), 30, true).0, 0);
        let known = |clients: &Clients, number| clients.clients.iter().any(|found| found.ip() == client(number));
        assert!(known(&clients, 0) && known(&clients, 100) && known(&clients, 7));
        assert!(!known(&clients, 1), "it was quiet for the longest time");
        clients.end_wait(waits, client(0));
        clients.count(client(101), 30, false);
        assert!(!known(&clients, 0), "nothing of it waits any more");
        clients.end_wait(waits, client(0));
    }

    #[test]
    fn more_than_the_most_do_not_wait() {
        let mut clients = clients(64);
        let begun: Vec<_> = (0..4).map(|_| clients.begin_wait(client(1), 2, 1)).collect();
        assert!(begun[..3].iter().all(Option::is_some) && begun[3].is_none(), "as Unbound counts: more than 2 wait");
        assert!(clients.begin_wait(client(2), 2, 1).is_some());
        clients.end_wait(begun[0].unwrap(), client(1));
        assert!(clients.begin_wait(client(1), 2, 1).is_some());
        clients.end_wait(Place::NONE, client(1));
    }

    #[test]
    fn one_of_a_factor_happens() {
        let mut clients = clients(8);
        assert_eq!((0..1000).filter(|_| clients.happens(0)).count(), 0);
        assert_eq!((0..1000).filter(|_| clients.happens(1)).count(), 1000);
        let some = (0..10_000).filter(|_| clients.happens(10)).count();
        assert!((800..1200).contains(&some), "{some}");
    }

    #[test]
    fn the_size_is_that_asked_for() {
        let made = Clients::new(4 << 20, HashKey::fixed(1)).unwrap();
        let octets = made.clients.len() * Clients::OCTETS;
        assert!((4 << 20) - octets < GROUP * Clients::OCTETS, "{octets}");
    }
}
