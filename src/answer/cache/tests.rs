//! The cache against a map, and its edges.

use super::*;
use crate::dns::scan::HashKey;
use std::collections::HashMap;

const KEY: HashKey = HashKey::fixed(5);
const A: KeyFixed = KeyFixed { qtype: 1, qclass: 1, bits: 0 };

fn answer(body: &[u8]) -> Answer<'_> {
    Answer { rcode: 0, counts: [0, 0, 0], body }
}

fn name(number: u32) -> Vec<u8> {
    crate::dns::Name::from_text(&format!("n{number}.test")).unwrap().as_wire().to_vec()
}

#[test]
fn kept_answers_age_and_expire() {
    let mut cache = AnswerCache::new(1 << 20);
    let name = name(1);
    let hash = KEY.name(&name);
    cache.put(&name, hash, A, answer(b"records"), 100, 30);
    let hit = cache.get(&name, hash, A, 110).unwrap();
    assert_eq!((hit.answer.body, hit.age, hit.left), (&b"records"[..], 10, 20));
    assert!(cache.get(&name, hash, KeyFixed { bits: DNSSEC_OK, ..A }, 110).is_none());
    assert!(cache.get(&name, hash, KeyFixed { qtype: 28, ..A }, 110).is_none());
    assert!(cache.get(&name, hash, A, 130).is_none());
    cache.put(&name, hash, A, answer(b"new"), 131, 30);
    assert_eq!(cache.get(&name, hash, A, 131).unwrap().answer.body, b"new");
    assert_eq!(cache.entries(), 1);
}

#[test]
fn names_in_use_outlive_names_asked_once() {
    let mut cache = AnswerCache::new(1 << 16);
    let hot = name(0);
    cache.put(&hot, KEY.name(&hot), A, answer(&[7; 100]), 0, 1000);
    for number in 1..20_000 {
        let cold = name(number);
        cache.put(&cold, KEY.name(&cold), A, answer(&[1; 100]), 0, 1000);
        assert!(cache.get(&hot, KEY.name(&hot), A, 1).is_some(), "lost after {number}");
    }
    assert!(cache.evicted() > 10_000);
}

#[test]
fn the_types_of_one_name_do_not_crowd_a_bucket() {
    let mut cache = AnswerCache::new(1 << 20);
    let name = name(1);
    let keys = (1..=64).flat_map(|qtype| [0, 1, 2, 3].map(|bits| KeyFixed { qtype, qclass: 1, bits }));
    for key in keys.clone() {
        cache.put(&name, KEY.name(&name), key, answer(b"x"), 0, 100);
    }
    let kept = keys.filter(|&key| cache.get(&name, KEY.name(&name), key, 1).is_some()).count();
    assert!(kept >= 250, "{kept} of 256");
}

#[test]
fn a_zone_is_flushed() {
    let mut cache = AnswerCache::new(1 << 20);
    for text in ["a.example.com", "example.com", "notexample.com"] {
        let name = crate::dns::Name::from_text(text).unwrap();
        cache.put(name.as_wire(), KEY.name(name.as_wire()), A, answer(b"x"), 0, 9);
    }
    let zone = crate::dns::Name::from_text("example.com").unwrap();
    assert_eq!(cache.forget_where(|name, _| crate::dns::name::is_at_or_below(name, zone.as_wire())), 2);
    assert_eq!(cache.entries(), 1);
    assert_eq!(cache.clear(), 1);
    let name = crate::dns::Name::from_text("notexample.com").unwrap();
    assert!(cache.get(name.as_wire(), KEY.name(name.as_wire()), A, 1).is_none());
    cache.put(name.as_wire(), KEY.name(name.as_wire()), A, answer(b"y"), 0, 9);
    assert_eq!(cache.get(name.as_wire(), KEY.name(name.as_wire()), A, 1).unwrap().answer.body, b"y");
}

proptest::proptest! {
    /// Whatever is put in and taken out, a hit is what was put last, and the counts hold.
    #[test]
    fn equals_a_map(steps: Vec<(u8, u16, u16)>) {
        let mut cache = AnswerCache::new(1 << 16);
        let mut model: HashMap<u8, Vec<u8>> = HashMap::new();
        for (number, len, action) in steps.iter().cycle().take(steps.len() * 8) {
            let name = name(u32::from(*number));
            let hash = KEY.name(&name);
            if action % 16 == 0 {
                cache.forget(&name, hash, A);
                model.remove(number);
            } else {
                let body = vec![*number ^ *action as u8; usize::from(len % 8000)];
                cache.put(&name, hash, A, answer(&body), 0, 100);
                model.insert(*number, body);
            }
            for (number, body) in &model {
                let name = self::name(u32::from(*number));
                if let Some(hit) = cache.get(&name, KEY.name(&name), A, 1) {
                    assert_eq!(hit.answer.body, &body[..]);
                }
            }
            let mut walked = 0;
            cache.forget_where(|_, _| { walked += 1; false });
            assert_eq!(walked, cache.entries());
            assert!(cache.used <= cache.ring.len());
        }
    }
}
