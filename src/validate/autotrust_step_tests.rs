use super::*;
use crate::validate::autotrust::Key;

const DAY: u64 = 86_400;
const START: u64 = 1_251_100_000;
const TIMERS: Timers = Timers { add: 30 * 86_400, delete: 30 * 86_400, missing: 366 * 86_400, small: false };
const TTL: u32 = 10_800;

/// A key of the zone, told from others by one octet.
fn ksk(number: u8) -> Vec<u8> {
    vec![1, 1, 3, 8, 3, 1, 0, 1, number, number]
}

fn revoked(number: u8) -> Vec<u8> {
    let mut key = ksk(number);
    key[1] |= 0x80;
    key
}

fn zsk(number: u8) -> Vec<u8> {
    let mut key = ksk(number);
    key[1] = 0;
    key
}

fn ds(key: &[u8]) -> Vec<u8> {
    [&key_tag(key).to_be_bytes()[..], &[8, 2], key].concat()
}

/// A zone with the keys that are in its DNSKEY RRset and those that sign it.
#[derive(Clone, Default)]
struct Zone {
    keys: Vec<Vec<u8>>,
    signers: Vec<Vec<u8>>,
    unknown: Vec<Vec<u8>>,
}

impl Zone {
    fn of(keys: &[Vec<u8>], signers: &[Vec<u8>]) -> Zone {
        Zone { keys: keys.to_vec(), signers: signers.to_vec(), unknown: Vec::new() }
    }
}

impl Verify for Zone {
    fn is_secure(&mut self, anchor: &Anchor) -> bool {
        let of_ds = |key: &Vec<u8>| anchor.ds.contains(&ds(key));
        self.signers.iter().any(|key| self.keys.contains(key) && (anchor.keys.contains(key) || of_ds(key)))
    }

    fn is_signed_by(&mut self, key: &[u8]) -> bool {
        self.signers.iter().any(|signer| signer == key)
    }

    fn is_of(&mut self, all: &[Vec<u8>], key: &[u8]) -> bool {
        all.contains(&ds(key))
    }

    fn is_known(&mut self, key: &[u8]) -> bool {
        !self.unknown.iter().any(|unknown| unknown == key)
    }
}

/// A point and its clock.
struct Site {
    point: Point,
    now: u64,
    timers: Timers,
}

impl Site {
    fn new(keys: &[Key]) -> Site {
        let point = Point { zone: b"\x07example\x03com\0".to_vec(), class: 1, keys: keys.to_vec(), ..Point::default() };
        Site { point, now: START, timers: TIMERS }
    }

    /// One that trusts this key since the start.
    fn settled(number: u8) -> Site {
        let mut site = Site::new(&[written(DNSKEY, ksk(number))]);
        site.see(&Zone::of(&[ksk(number)], &[ksk(number)]));
        site
    }

    fn see(&mut self, zone: &Zone) -> Outcome {
        let expires = (self.now as u32).wrapping_add(20 * 86_400).to_be_bytes();
        let signature = [&[0, 48, 8, 2][..], &TTL.to_be_bytes(), &expires, &[0; 8]].concat();
        let records: Vec<&[u8]> = zone.keys.iter().map(|key| &key[..]).collect();
        let set = Set {
            owner: &self.point.zone.clone(),
            rtype: DNSKEY,
            class: 1,
            ttl: TTL,
            records: &records,
            signatures: &[&signature],
        };
        self.point.begin(self.now, 0, &self.timers);
        self.point.take(Some(&set), self.now, 0, &self.timers, &mut zone.clone())
    }

    /// Goes through so many days, a query for the keys whenever one is due.
    fn live(&mut self, days: u64, zone: &Zone) -> Vec<Event> {
        let (end, mut events) = (self.now + days * DAY, Vec::new());
        while self.now < end {
            self.now = end.min(self.now.max(self.point.next_probe));
            if self.point.is_due(self.now) {
                events.extend(self.see(zone).events);
            } else if self.point.revoked {
                self.now = end;
            }
        }
        events
    }

    fn states(&self) -> Vec<(u8, State)> {
        let mut states: Vec<(u8, State)> =
            self.point.keys.iter().map(|key| (*key.data.last().unwrap(), key.state)).collect();
        states.sort_by_key(|(number, _)| *number);
        states
    }

    fn trusted(&self) -> Vec<Vec<u8>> {
        self.point.anchor().keys
    }
}

/// A key as a file has it that was written by hand.
fn written(rtype: u16, data: Vec<u8>) -> Key {
    Key { rtype, ttl: TTL, data, state: State::Valid, count: 0, changed: 0 }
}

#[test]
fn a_key_by_hand_is_valid_when_it_is_seen_and_the_next_query_follows_the_ttl() {
    let site = Site::settled(1);
    assert_eq!(site.states(), [(1, State::Valid)]);
    let Point { queried, succeeded, interval, retry, failed, .. } = site.point;
    assert_eq!((queried, succeeded, interval, retry, failed), (START, START, 5400, 3600, 0));
    assert_eq!((site.point.keys[0].changed, site.point.next_probe), (START, START + 4860));
    assert!(!site.point.is_due(START + 4859) && site.point.is_due(START + 4860));
}

#[test]
fn a_ds_record_gives_way_to_its_key_and_other_keys_have_to_wait() {
    let mut site = Site::new(&[written(DS, ds(&ksk(1)))]);
    let outcome = site.see(&Zone::of(&[ksk(1), ksk(2), zsk(3)], &[ksk(1)]));
    assert!(outcome.write && outcome.is_changed && !outcome.failed);
    assert_eq!(site.states(), [(1, State::Valid), (2, State::Pending)]);
    assert_eq!(site.trusted(), [ksk(1)]);
    assert!(site.point.anchor().ds.is_empty());
}

/// Months of a roll-over as the root's: a key is there long before it signs, and the old one revokes itself.
#[test]
fn a_roll_over_is_followed_to_its_end() {
    let mut site = Site::settled(1);
    let both = Zone::of(&[ksk(1), ksk(2)], &[ksk(1)]);
    assert_eq!(site.live(1, &both), [Event::Key(key_tag(&ksk(2)), State::Start, State::Pending)]);
    assert_eq!(site.live(28, &both), []);
    assert_eq!((site.states(), site.trusted()), (vec![(1, State::Valid), (2, State::Pending)], vec![ksk(1)]));
    assert_eq!(site.live(2, &both), [Event::Key(key_tag(&ksk(2)), State::Pending, State::Valid)]);
    // The new one signs alone.
    assert_eq!(site.live(60, &Zone::of(&[ksk(1), ksk(2)], &[ksk(2)])), []);
    let gone = [Event::Key(key_tag(&ksk(1)), State::Valid, State::Revoked)];
    assert_eq!(site.live(10, &Zone::of(&[revoked(1), ksk(2)], &[revoked(1), ksk(2)])), gone);
    assert_eq!((site.states(), site.trusted()), (vec![(1, State::Revoked), (2, State::Valid)], vec![ksk(2)]));
    let alone = Zone::of(&[ksk(2)], &[ksk(2)]);
    assert_eq!(site.live(19, &alone), []);
    assert_eq!(site.live(3, &alone), [Event::Key(key_tag(&revoked(1)), State::Revoked, State::Removed)]);
    assert_eq!(site.states(), [(2, State::Valid)]);
}

#[test]
fn a_new_key_that_goes_away_begins_anew() {
    let mut site = Site::settled(1);
    let (alone, both) = (Zone::of(&[ksk(1)], &[ksk(1)]), Zone::of(&[ksk(1), ksk(2)], &[ksk(1)]));
    site.live(20, &both);
    site.live(1, &alone);
    assert_eq!(site.states(), [(1, State::Valid)]);
    site.live(29, &both);
    assert_eq!(site.trusted(), [ksk(1)]);
    site.live(2, &both);
    assert_eq!(site.trusted().len(), 2);
}

/// Whoever has the old key for one query alone does not get a key of their own in by waiting.
#[test]
fn time_alone_makes_a_key_valid_that_was_seen_twice_and_not_one_that_was_seen_once() {
    for (times, states) in [(1, State::Pending), (2, State::Valid)] {
        let mut site = Site::settled(1);
        let both = Zone::of(&[ksk(1), ksk(2)], &[ksk(1)]);
        for _ in 0..times {
            site.see(&both);
            site.now += DAY;
        }
        site.now += 40 * DAY;
        let outcome = site.point.take(None, site.now, 0, &TIMERS, &mut Zone::default());
        assert_eq!(site.states(), [(1, State::Valid), (2, states)]);
        assert_eq!((outcome.failed, outcome.write, outcome.is_changed), (true, false, states == State::Valid));
    }
}

#[test]
fn a_missing_key_is_trusted_and_comes_back_or_is_removed_after_a_year() {
    let mut site = Site::settled(1);
    site.live(40, &Zone::of(&[ksk(1), ksk(2)], &[ksk(1)]));
    let second = Zone::of(&[ksk(2)], &[ksk(2)]);
    site.live(5, &second);
    assert_eq!((site.states()[0], site.trusted().len()), ((1, State::Missing), 2));
    site.live(5, &Zone::of(&[ksk(1), ksk(2)], &[ksk(1), ksk(2)]));
    assert_eq!(site.states()[0], (1, State::Valid));
    site.live(360, &second);
    assert_eq!(site.states()[0], (1, State::Missing));
    site.live(8, &second);
    assert_eq!(site.states(), [(2, State::Valid)]);
    // For ever with keep-missing: 0, and while it is the only one.
    let mut site = Site::settled(1);
    site.timers.missing = 0;
    site.live(40, &Zone::of(&[ksk(1), ksk(2)], &[ksk(1)]));
    site.live(1000, &second);
    assert_eq!(site.states()[0], (1, State::Missing));
}

#[test]
fn a_key_is_revoked_by_its_own_signature_alone() {
    let mut site = Site::settled(1);
    site.live(40, &Zone::of(&[ksk(1), ksk(2)], &[ksk(1)]));
    // Somebody set the bit, and the key has not signed.
    site.live(3, &Zone::of(&[revoked(1), ksk(2)], &[ksk(2)]));
    assert_eq!(site.states()[0], (1, State::Missing));
    // The RRset does not even verify, and the key's own signature is there.
    let outcome = site.see(&Zone::of(&[revoked(1), ksk(2)], &[revoked(1)]));
    assert!(outcome.failed && outcome.is_changed && outcome.write);
    assert_eq!((site.states()[0], site.trusted()), ((1, State::Revoked), vec![ksk(2)]));
}

#[test]
fn a_revoked_key_that_comes_back_bare_is_no_anchor_and_starts_its_time_anew() {
    let mut site = Site::settled(1);
    site.live(40, &Zone::of(&[ksk(1), ksk(2)], &[ksk(1)]));
    site.live(1, &Zone::of(&[revoked(1), ksk(2)], &[revoked(1), ksk(2)]));
    site.live(60, &Zone::of(&[ksk(1), ksk(2)], &[ksk(1), ksk(2)]));
    assert_eq!((site.states()[0], site.trusted()), ((1, State::Revoked), vec![ksk(2)]));
}

#[test]
fn a_zone_that_revokes_all_of_its_keys_is_no_anchor_and_is_not_asked_again() {
    let mut site = Site::settled(1);
    let outcome = site.see(&Zone::of(&[revoked(1)], &[revoked(1)]));
    assert!(outcome.is_changed && outcome.write && outcome.events.contains(&Event::Revoked));
    assert!(site.point.revoked && site.point.anchor().is_empty() && !site.point.is_due(site.now + 1000 * DAY));
    assert_eq!((site.point.next_probe, site.point.succeeded), (0, site.now));
    assert!(site.point.text().contains(";;REVOKED"));
    assert_eq!(site.see(&Zone::of(&[ksk(1)], &[ksk(1)])), Outcome::default());
}

#[test]
fn what_is_not_secure_changes_no_key_and_is_counted_after_the_first_success() {
    let mut site = Site::new(&[written(DS, ds(&ksk(1)))]);
    let forged = Zone::of(&[ksk(9)], &[ksk(9)]);
    let outcome = site.see(&forged);
    assert!(outcome.failed && !outcome.write && !outcome.is_changed);
    assert_eq!((site.point.failed, site.point.succeeded, site.point.anchor().ds.len()), (0, 0, 1));
    assert_eq!(site.point.next_probe, START + 3240, "after an hour, or a tenth less");
    site.see(&Zone::of(&[ksk(1)], &[ksk(1)]));
    for times in 1..=3 {
        assert!(site.see(&forged).write);
        assert_eq!((site.point.failed, site.states()), (times, vec![(1, State::Valid)]));
    }
    site.see(&Zone::of(&[ksk(1)], &[ksk(1)]));
    assert_eq!(site.point.failed, 0);
}

#[test]
fn keys_of_unknown_algorithms_are_passed_over() {
    let mut site = Site::settled(1);
    let mut zone = Zone::of(&[ksk(1), ksk(2)], &[ksk(1)]);
    zone.unknown.push(ksk(2));
    site.live(40, &zone);
    assert_eq!(site.states(), [(1, State::Valid)]);
}

#[test]
fn a_zone_key_by_hand_vouches_for_the_entry_points_and_is_removed() {
    let mut site = Site::new(&[written(DNSKEY, zsk(3))]);
    site.see(&Zone::of(&[ksk(1), zsk(3)], &[ksk(1), zsk(3)]));
    assert_eq!(site.states(), [(1, State::Valid)]);
    let mut site = Site::new(&[written(DNSKEY, zsk(3))]);
    site.see(&Zone::of(&[zsk(3)], &[zsk(3)]));
    assert_eq!(site.trusted(), [zsk(3)], "while there is no other");
}

/// A zone whose one key has no such bit cannot be followed; its anchor must not vanish for that.
#[test]
fn an_anchor_without_an_entry_point_stays_as_it_is() {
    let mut site = Site::new(&[written(DS, ds(&zsk(1)))]);
    let outcome = site.see(&Zone::of(&[zsk(1)], &[zsk(1)]));
    assert_eq!((outcome.events, outcome.write), (vec![Event::NoEntryPoint], false));
    assert_eq!((site.point.anchor().ds.len(), site.point.revoked), (1, false));
    assert!(site.point.is_due(site.now + DAY));
}

#[test]
fn a_clock_that_steps_back_delays_and_one_that_was_ahead_does_not_delay_for_ever() {
    let mut site = Site::settled(1);
    let both = Zone::of(&[ksk(1), ksk(2)], &[ksk(1)]);
    // Ten years ahead, for a moment.
    site.now += 3650 * DAY;
    site.see(&both);
    site.now -= 3650 * DAY;
    assert!(site.point.is_due(site.now));
    assert_eq!(site.see(&both).events, [Event::ClockWentBack]);
    assert_eq!(site.live(2, &both), []);
    assert_eq!(site.live(27, &both), []);
    assert_eq!(site.live(3, &both), [Event::Key(key_tag(&ksk(2)), State::Pending, State::Valid)]);
}

#[test]
fn intervals_have_their_bounds() {
    let of = |ttl: u32, left: u32, small| {
        let expires = (START as u32 + left).to_be_bytes();
        let signature = [&[0, 48, 8, 2][..], &ttl.to_be_bytes(), &expires].concat();
        // What came from a forwarder's cache has little left.
        let set = Set { owner: b"\0", rtype: DNSKEY, class: 1, ttl: 5, records: &[], signatures: &[&signature] };
        intervals(&set, START, &Timers { small, ..TIMERS })
    };
    let day = 86_400;
    assert_eq!(of(172_800, 20 * day, false), (day, 17_280));
    assert_eq!(of(100 * day, 100 * day, false), (7 * day + day / 2, day), "no longer than 15 days are looked ahead");
    assert_eq!(of(60, 20 * day, false), (3600, 3600));
    assert_eq!(of(60, 20 * day, true), (30, 6));
    assert_eq!(of(172_800, 8 * 3600, false), (4 * 3600, 3600));
    let timers = Timers { small: true, ..TIMERS };
    assert_eq!((after(0, 7, &timers), after(100, 7, &timers), after(100, 7, &TIMERS)), (1, 97, 3247));
    assert!((0..1000).all(|random| (4860..5400).contains(&after(5400, u32::wrapping_mul(random, 7_919_317), &TIMERS))));
}

#[test]
fn a_zone_of_hundreds_of_keys_is_bounded() {
    let mut site = Site::settled(1);
    let mut keys = vec![ksk(1)];
    keys.extend((0..400u16).map(|number| [&ksk(2)[..], &number.to_be_bytes()].concat()));
    let outcome = site.see(&Zone::of(&keys, &[ksk(1)]));
    assert_eq!(site.point.keys.len(), MOST_KEYS);
    assert!(outcome.events.contains(&Event::TooManyKeys));
}

proptest::proptest! {
    /// Whatever a zone publishes: nothing is trusted that was not trusted before and has not been there for thirty days.
    #[test]
    fn nothing_is_trusted_before_its_time(
        steps in proptest::collection::vec((proptest::collection::vec(0u8..12, 0..6), 0u64..9), 0..60),
    ) {
        let mut site = Site::settled(0);
        let mut first_seen = std::collections::HashMap::new();
        for (numbers, days) in steps {
            let key = |number: &u8| if number / 4 == 2 { revoked(number % 4) } else { ksk(number % 4) };
            let keys: Vec<Vec<u8>> = numbers.iter().map(key).collect();
            site.now += days * DAY;
            let zone = Zone { signers: keys.clone(), keys, unknown: Vec::new() };
            site.see(&zone);
            for number in 1..4u8 {
                if !site.states().iter().any(|(known, state)| *known == number && *state != State::Start) {
                    first_seen.remove(&number);
                }
                if zone.keys.contains(&ksk(number)) {
                    first_seen.entry(number).or_insert(site.now);
                }
                let since = first_seen.get(&number).copied().unwrap_or(site.now);
                proptest::prop_assert!(!site.trusted().contains(&ksk(number)) || site.now - since > 30 * DAY);
            }
        }
    }
}
