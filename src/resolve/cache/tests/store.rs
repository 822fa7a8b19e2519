//! The store against a map, and what it keeps when there is no room.

use super::super::store::Store;
use std::collections::HashMap;

fn hash(number: u64) -> u64 {
    (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

fn entry(number: u64, len: usize) -> Vec<u8> {
    let mut entry = number.to_be_bytes().to_vec();
    entry.resize(8 + len, number as u8);
    entry
}

fn find(store: &Store, number: u64) -> Option<u32> {
    store.find(hash(number), |entry| entry[..8] == number.to_be_bytes())
}

/// Hits among questions for a set that takes 1/`part` of a store, three of them for each name of a flood that is asked for once.
fn hits(octets: usize, part: usize, len: usize) -> f64 {
    let mut store = Store::new(octets).unwrap();
    let set = (octets / (len + 16) / part) as u64;
    for number in 0..set {
        store.insert(hash(number), &entry(number, len)).unwrap();
    }
    let flood = 10 * (octets / (len + 16)) as u64;
    let (mut random, mut hits) = (1u64, 0);
    for number in 0..flood {
        store.insert(hash(1_000_000 + number), &entry(1_000_000 + number, len)).unwrap();
        for _ in 0..3 {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let asked = (random >> 33) % set;
            match find(&store, asked) {
                Some(slot) => {
                    store.touch(slot);
                    hits += 1;
                }
                None => _ = store.insert(hash(asked), &entry(asked, len)).unwrap(),
            }
        }
    }
    assert_eq!(store.audit().0, store.entries());
    assert!(store.evicted() > flood / 2);
    hits as f64 / (3 * flood) as f64
}

#[test]
fn what_is_in_use_outlives_a_flood() {
    for (octets, part, len) in [(1 << 16, 4, 60), (1 << 20, 4, 100), (1 << 20, 3, 300), (1 << 21, 2, 90)] {
        let hits = hits(octets, part, len);
        assert!(hits >= 0.9, "{hits} of a set that takes 1/{part} of {octets}");
    }
}

#[test]
fn memory_is_what_was_asked_for() {
    for octets in [1 << 16, 100_003, 4 << 20, (64 << 20) + 7] {
        let store = Store::new(octets).unwrap();
        let (_, taken) = store.audit();
        assert!(taken <= octets && taken >= octets / 10 * 9, "{taken} of {octets}");
    }
    let (_, taken) = Store::new(0).unwrap().audit();
    assert!(taken <= 1 << 16);
}

#[test]
fn a_full_store_holds_most_of_what_it_was_asked_for() {
    for len in [40, 100, 500] {
        let octets = 1 << 20;
        let mut store = Store::new(octets).unwrap();
        for number in 0..100_000 {
            store.insert(hash(number), &entry(number, len)).unwrap();
        }
        let held = store.entries() as usize * (8 + 8 + len);
        assert!(held >= octets / 10 * 7, "{held} of {octets} with entries of {len}");
    }
}

#[test]
fn what_is_too_long_is_not_kept_and_takes_nothing_away() {
    let mut store = Store::new(1 << 16).unwrap();
    let slot = store.insert(hash(1), &entry(1, 10)).unwrap();
    assert!(store.insert(hash(2), &entry(2, 1 << 14)).is_none());
    assert_eq!((store.entries(), find(&store, 1)), (1, Some(slot)));
    assert!(!store.replace(slot, &entry(1, 1 << 14)), "and the old one is gone");
    assert_eq!((store.entries(), find(&store, 1)), (0, None));
    assert!(!store.replace(slot, &entry(1, 1)) && store.get(u32::MAX).is_none());
}

#[test]
fn a_slot_lasts_as_long_as_its_entry() {
    let mut store = Store::new(1 << 16).unwrap();
    let slot = store.insert(hash(1), &entry(1, 50)).unwrap();
    for number in 2..20_000 {
        store.touch(slot);
        store.insert(hash(number), &entry(number, (number % 90) as usize)).unwrap();
        if number % 100 == 0 {
            assert!(store.replace(slot, &entry(1, (number % 70) as usize)));
        }
        assert_eq!((find(&store, 1), &store.get(slot).unwrap()[..8]), (Some(slot), &1u64.to_be_bytes()[..]));
    }
    store.clear();
    assert_eq!((store.entries(), store.octets(), find(&store, 1)), (0, 0, None));
    store.insert(hash(1), &entry(1, 50)).unwrap();
    assert_eq!(store.audit().0, 1);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(128))]

    /// Whatever is put in, replaced and taken out: what is found is what was put in last, and the counts hold.
    #[test]
    fn equals_a_map(steps: Vec<(u8, u16, u8)>) {
        let mut store = Store::new(1 << 16).unwrap();
        let mut model: HashMap<u64, Vec<u8>> = HashMap::new();
        for (number, len, action) in steps.iter().cycle().take(steps.len() * 8) {
            let number = u64::from(*number);
            let new = entry(number, usize::from(len % 6500) ^ usize::from(*action));
            match (find(&store, number), action % 8) {
                (Some(slot), 0) => {
                    store.remove(slot);
                    model.remove(&number);
                }
                (Some(slot), 1..4) => store.touch(slot),
                (Some(slot), _) => {
                    assert!(store.replace(slot, &new));
                    model.insert(number, new);
                }
                (None, _) => {
                    store.insert(hash(number), &new).unwrap();
                    model.insert(number, new);
                }
            }
            for (number, entry) in &model {
                if let Some(slot) = find(&store, *number) {
                    let found = store.get(slot).unwrap();
                    assert!(found.starts_with(entry) && found.len() < entry.len() + 8);
                }
            }
            assert_eq!(store.audit().0, store.entries());
        }
        let (mut walk, mut seen) = (Default::default(), 0);
        while !store.walk(&mut walk, 3, |_, _| { seen += 1; seen % 2 == 0 }) {}
        assert_eq!((seen - seen / 2, store.audit().0), (store.entries(), store.entries()));
    }
}
