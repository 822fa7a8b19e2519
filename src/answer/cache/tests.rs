//! The cache against a map, and its edges.

use super::*;
use crate::dns::scan::HashKey;
use crate::dns::{body, rtype};
use std::collections::HashMap;

const KEY: HashKey = HashKey::fixed(5);
const A: KeyFixed = KeyFixed { qtype: 1, qclass: 1, bits: 0 };

fn answer(body: &[u8]) -> Answer<'_> {
    Answer::new(0, [0, 0, 0], body)
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
fn an_answer_of_which_a_tenth_is_left_wants_to_be_asked_anew() {
    let mut cache = AnswerCache::new(1 << 16);
    let name = name(1);
    let hash = KEY.name(&name);
    cache.put(&name, hash, A, answer(b"records"), 100, 30);
    assert_eq!([126, 127, 129].map(|now| cache.get(&name, hash, A, now).unwrap().fresh == 0), [false, true, true]);
    cache.set_refresh(&name, hash, A, 129);
    assert_eq!([128, 129].map(|now| cache.get(&name, hash, A, now).unwrap().fresh == 0), [false, true]);
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
    assert_eq!(flush(&mut cache, Flush::Name { name: zone, qtype: None, below: true }), 2);
    assert_eq!(cache.entries(), 1);
    assert_eq!(cache.clear(Index::empty(1 << 20).unwrap()).0, 1);
    let name = crate::dns::Name::from_text("notexample.com").unwrap();
    assert!(cache.get(name.as_wire(), KEY.name(name.as_wire()), A, 1).is_none());
    cache.put(name.as_wire(), KEY.name(name.as_wire()), A, answer(b"y"), 0, 9);
    assert_eq!(cache.get(name.as_wire(), KEY.name(name.as_wire()), A, 1).unwrap().answer.body, b"y");
}

#[test]
fn what_failed_to_validate_is_flushed_and_what_was_told_unchecked() {
    let mut cache = AnswerCache::new(1 << 20);
    let unchecked = KeyFixed { bits: CHECKING_DISABLED, ..A };
    let secure = Answer { secure: true, ..answer(b"x") };
    for (number, (key, answer)) in [
        (A, answer(b"x")),
        (A, secure),
        (unchecked, secure),
        (A, Answer { flaw: Flaw::Expired, ..Answer::new(2, [0; 3], b"") }),
        (unchecked, answer(b"x")),
    ]
    .into_iter()
    .enumerate()
    {
        let name = name(number as u32);
        cache.put(&name, KEY.name(&name), key, answer, 0, 100);
    }
    assert_eq!((flush(&mut cache, Flush::Bogus), cache.entries()), (2, 3));
}

/// A whole walk.
fn flush(cache: &mut AnswerCache, flush: Flush) -> u64 {
    cache.begin_flush(flush);
    std::iter::from_fn(|| Some(cache.flush_on(1))).find_map(|done| done).unwrap()
}

/// An answer for `www.alias` that goes by an alias to `x.Zone`, which has an address.
fn put_alias(cache: &mut AnswerCache) {
    let [www, target] = ["www.alias", "x.Zone"].map(|name| crate::dns::Name::from_text(name).unwrap());
    let mut message = [0; 512];
    let mut writer = body::BodyWriter::new(&mut message, www.as_wire()).unwrap();
    let fixed = |rtype| body::Fixed { rtype, class: class::IN, ttl: 300 };
    writer.push(0, www.as_wire(), fixed(rtype::CNAME), target.as_wire(), true).unwrap();
    writer.push(0, target.as_wire(), fixed(rtype::A), &[192, 0, 2, 1], true).unwrap();
    let (counts, place) = writer.finish();
    let answer = Answer::new(0, counts, &message[place]);
    cache.put(www.as_wire(), KEY.name(www.as_wire()), A, answer, 0, 300);
}

#[test]
fn a_flush_takes_answers_that_lead_to_its_name_by_an_alias() {
    for (name, qtype, below, taken) in [
        ("x.zone", None, false, 1),
        ("zone", None, true, 1),
        ("zone", None, false, 0),
        ("x.zone", Some(rtype::A), false, 1),
        ("x.zone", Some(rtype::AAAA), false, 0),
        ("www.alias", Some(rtype::CNAME), false, 1),
        ("one", None, true, 0),
    ] {
        let mut cache = AnswerCache::new(1 << 16);
        put_alias(&mut cache);
        let wanted = crate::dns::Name::from_text(name).unwrap();
        let forgotten = flush(&mut cache, Flush::Name { name: wanted, qtype, below });
        assert_eq!((forgotten, cache.entries()), (taken, 1 - taken), "{name} {qtype:?} {below}");
    }
}

/// Live entries of the ring.
fn live(cache: &AnswerCache) -> u64 {
    let (mut at, mut left, mut count) = (cache.tail, cache.used, 0);
    while left > 0 {
        let (len, dead) = entry::len(&cache.ring[at..]);
        count += u64::from(!dead);
        (at, left) = ((at + len) % cache.ring.len(), left - len);
    }
    count
}

#[test]
fn a_walk_misses_nothing_that_moves_and_takes_nothing_that_comes() {
    let in_zone = |number: u32| crate::dns::Name::from_text(&format!("n{number}.zone")).unwrap();
    let mut cache = AnswerCache::new(1 << 16);
    for number in 0..200 {
        let old = in_zone(number);
        cache.put(old.as_wire(), KEY.name(old.as_wire()), A, answer(&[1; 100]), 0, 1000);
        cache.get(old.as_wire(), KEY.name(old.as_wire()), A, 1).unwrap();
    }
    let zone = crate::dns::Name::from_text("zone").unwrap();
    cache.begin_flush(Flush::Name { name: zone, qtype: None, below: true });
    let mut put = 0;
    let forgotten = loop {
        // Every entry in use is written again when it is the oldest; more comes than the walk goes by.
        for _ in 0..3 {
            put += 1;
            let new = name(put);
            cache.put(&new, KEY.name(&new), A, answer(&[2; 100]), 0, 1000);
        }
        let new = in_zone(1000 + put);
        cache.put(new.as_wire(), KEY.name(new.as_wire()), A, answer(&[3; 100]), 0, 1000);
        if let Some(forgotten) = cache.flush_on(2) {
            break forgotten;
        }
    };
    assert!((100..=200).contains(&forgotten), "{forgotten}; full buckets may have lost some");
    for number in 0..200 {
        let old = in_zone(number);
        assert!(cache.get(old.as_wire(), KEY.name(old.as_wire()), A, 1).is_none(), "{number} is still there");
    }
    let new = in_zone(1000 + put);
    assert!(cache.get(new.as_wire(), KEY.name(new.as_wire()), A, 1).is_some(), "what came since");
    assert_eq!(live(&cache), cache.entries());
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
            assert_eq!(live(&cache), cache.entries());
            assert!(cache.used <= cache.ring.len());
        }
    }
}
