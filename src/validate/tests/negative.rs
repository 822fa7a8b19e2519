//! What is answered from records that are kept: true, with a proof, and whole where all records are there.

use super::chains::{Denying, Nsec3Chain, NsecChain, Record, with_sets};
use super::model::{ASKED, Labels, Truth, Zone, wire};
use crate::dns::rtype::{A, AAAA, DS, NS, TXT};
use crate::validate::aggressive::Answer;
use crate::validate::negative::Found;
use crate::validate::{Budget, Denial, Flaw, NegativeCache, NoDs, Proof};
use proptest::prelude::*;

const NOW: u32 = 1000;
const EXPIRES: u32 = 1300;

fn insert(cache: &mut NegativeCache, zone: &Zone, records: &[Record], expires: u32) {
    with_sets(records, |sets| sets.iter().for_each(|set| cache.insert(set, &wire(&zone.apex), expires)));
}

fn filled(zone: &Zone, records: &[Record]) -> NegativeCache {
    let mut cache = NegativeCache::new(1 << 20, 150);
    insert(&mut cache, zone, records, EXPIRES);
    cache
}

fn by_nsec(cache: &mut NegativeCache, name: &[String], qtype: u16) -> Option<Found> {
    cache.by_nsec(1, &wire(name), qtype, NOW)
}

fn by_nsec3(cache: &mut NegativeCache, name: &[String], qtype: u16) -> Option<Found> {
    cache.by_nsec3(1, (&wire(name), qtype), NOW, &mut Budget::new(0, 1000))
}

/// What is found is true, and the records that it names prove it.
fn is_true(zone: &Zone, all: &[Record], name: &[String], qtype: u16, found: &Found) -> Result<(), TestCaseError> {
    let proof: Vec<Record> =
        all.iter().filter(|record| found.proof.iter().any(|owner| owner.as_wire() == record.owner)).cloned().collect();
    prop_assert_eq!(proof.len(), found.proof.len());
    prop_assert_eq!((found.zone.as_wire(), found.ttl), (&wire(&zone.apex)[..], EXPIRES - NOW));
    let apex = wire(&zone.apex);
    let ask = |ask: &dyn Fn(&mut Denial<'_>, &mut Budget) -> Proof| {
        with_sets(&proof, |sets| ask(&mut Denial::new(&apex, sets, 150), &mut Budget::new(0, 1000)))
    };
    let (truth, proven) = match found.answer {
        Answer::NameError => (Truth::NameError, ask(&|denial, budget| denial.name_error(&wire(name), budget))),
        Answer::NoData => (Truth::NoData, ask(&|denial, budget| denial.no_data(&wire(name), qtype, budget))),
        Answer::Wildcard { labels } => {
            prop_assert!(zone.encloser(name).len() == usize::from(labels) && !zone.exists(name));
            (zone.truth(name, qtype), ask(&|denial, budget| denial.expanded(&wire(name), labels, budget)))
        }
    };
    prop_assert_eq!((zone.truth(name, qtype), Proof::Secure), (truth, proven), "{:?} {}", name, qtype);
    Ok(())
}

/// With all records, all that is negative is answered.
fn is_whole(zone: &Zone, name: &[String], qtype: u16, found: Option<Answer>) -> Result<(), TestCaseError> {
    match zone.truth(name, qtype) {
        Truth::NameError => prop_assert_eq!(found, Some(Answer::NameError)),
        Truth::NoData => prop_assert_eq!(found, Some(Answer::NoData)),
        Truth::Answer => {
            let is_wildcard = matches!(found, None | Some(Answer::Wildcard { .. }));
            prop_assert!(is_wildcard);
        }
        _ => prop_assert_eq!(found, None),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn answers_are_true_and_whole(zone in Zone::any(&["z"]), mask: u64) {
        type Ask = fn(&mut NegativeCache, &[String], u16) -> Option<Found>;
        let chains: [(Vec<Record>, Ask); 2] =
            [(NsecChain::new(&zone).all(), by_nsec), (Nsec3Chain::new(&zone, false, b"s", 1).all(), by_nsec3)];
        for (all, ask) in chains {
            let some: Vec<Record> =
                all.iter().enumerate().filter(|(at, _)| mask & (1 << (at % 64)) != 0).map(|(_, r)| r.clone()).collect();
            let (mut whole, mut part) = (filled(&zone, &all), filled(&zone, &some));
            for name in zone.questions() {
                for qtype in ASKED {
                    let found = ask(&mut whole, &name, qtype);
                    is_whole(&zone, &name, qtype, found.as_ref().map(|found| found.answer))?;
                    for found in found.into_iter().chain(ask(&mut part, &name, qtype)) {
                        is_true(&zone, &all, &name, qtype, &found)?;
                    }
                }
            }
        }
    }

    #[test]
    fn spans_with_opt_out_answer_nothing_but_that_there_is_no_ds(zone in Zone::any(&["z"])) {
        let mut cache = filled(&zone, &Nsec3Chain::new(&zone, true, b"", 0).all());
        for name in zone.questions() {
            for qtype in ASKED {
                if let Some(found) = by_nsec3(&mut cache, &name, qtype) {
                    prop_assert_eq!((found.answer, zone.truth(&name, qtype)), (Answer::NoData, Truth::NoData));
                }
            }
            if zone.is_cut(&name) && !zone.types(&name).contains(&DS) {
                let said = cache.no_ds(1, &wire(&name), NOW, &mut Budget::new(0, 1000));
                prop_assert_eq!(said, Some((NoDs::Insecure(Flaw::None), EXPIRES - NOW)));
            }
        }
    }

    #[test]
    fn memory_is_bounded_and_counted(zones in prop::collection::vec(Zone::any(&["z", "a"]), 1..4), size in 0usize..9000) {
        let mut cache = NegativeCache::new(size, 150);
        for (at, mut zone) in zones.into_iter().enumerate() {
            zone.apex.truncate(1 + at % 2);
            insert(&mut cache, &zone, &NsecChain::new(&zone).all(), EXPIRES);
            insert(&mut cache, &zone, &Nsec3Chain::new(&zone, false, b"", at as u16).all(), EXPIRES);
            prop_assert!(cache.used() <= size && cache.is_empty() == (cache.used() == 0));
            by_nsec(&mut cache, &zone.apex, A);
        }
        cache.resize(0, 150);
        prop_assert_eq!((cache.used(), cache.len()), (0, 0));
    }
}

fn name(labels: &[&str]) -> Labels {
    labels.iter().map(|label| (*label).to_owned()).collect()
}

fn small() -> Zone {
    Zone::new(&["z"], vec![(vec!["a"], vec![A]), (vec!["b"], vec![TXT]), (vec!["d"], vec![A])])
}

#[test]
fn what_expired_answers_nothing() {
    let mut cache = filled(&small(), &NsecChain::new(&small()).all());
    let ask =
        |cache: &mut NegativeCache, now| cache.by_nsec(1, &wire(&name(&["z", "c"])), A, now).map(|found| found.ttl);
    assert_eq!([NOW, EXPIRES - 1, EXPIRES].map(|now| ask(&mut cache, now)), [Some(300), Some(1), None]);
    assert!(cache.by_nsec(3, &wire(&name(&["z", "c"])), A, NOW).is_none(), "another class");
}

#[test]
fn the_least_used_goes() {
    let chain = NsecChain::new(&small());
    let mut cache = filled(&small(), &chain.all());
    let exact = |cache: &mut NegativeCache, label| by_nsec(cache, &name(&["z", label]), AAAA).is_some();
    assert!(exact(&mut cache, "d") && exact(&mut cache, "a") && exact(&mut cache, "b"));
    let all = cache.used();
    cache.resize(all - 1, 150);
    cache.resize(cache.used() - 1, 150);
    assert_eq!([exact(&mut cache, "a"), exact(&mut cache, "d"), exact(&mut cache, "b")], [true, false, true]);
}

#[test]
fn a_new_record_takes_the_place_of_what_it_contradicts() {
    let mut cache = filled(&small(), &NsecChain::new(&small()).all());
    let smaller = Zone::new(&["z"], vec![(vec!["a"], vec![TXT]), (vec!["d"], vec![A])]);
    assert_eq!(by_nsec(&mut cache, &name(&["z", "b"]), A).map(|found| found.answer), Some(Answer::NoData));
    insert(&mut cache, &smaller, &[NsecChain::new(&smaller).at(&name(&["z", "a"])).unwrap()], EXPIRES);
    assert_eq!(cache.len(), 3);
    assert_eq!(by_nsec(&mut cache, &name(&["z", "b"]), A).map(|found| found.answer), Some(Answer::NameError));
    assert_eq!(by_nsec(&mut cache, &name(&["z", "a"]), A).map(|found| found.answer), Some(Answer::NoData));
    // Another salt is another chain.
    let before = cache.len();
    insert(&mut cache, &smaller, &Nsec3Chain::new(&smaller, false, b"a", 0).all(), EXPIRES);
    insert(&mut cache, &smaller, &[Nsec3Chain::new(&smaller, false, b"b", 0).all().remove(0)], EXPIRES);
    assert_eq!(cache.len(), before + 1);
    insert(&mut cache, &smaller, &Nsec3Chain::new(&smaller, false, b"", 151).all(), EXPIRES);
    assert_eq!(cache.len(), before + 1, "too many iterations");
}

#[test]
fn a_new_record_drives_out_the_one_that_has_it_denied() {
    let older = Zone::new(&["z"], vec![(vec!["*"], vec![A]), (vec!["y", "a"], vec![A])]);
    let newer = Zone::new(&["z"], vec![(vec!["*"], vec![A]), (vec!["c"], vec![A])]);
    let mut cache = filled(&older, &[NsecChain::new(&older).at(&name(&["z", "*"])).unwrap()]);
    let asked = name(&["z", "y", "0"]);
    assert_eq!(by_nsec(&mut cache, &asked, TXT).map(|found| found.answer), Some(Answer::NameError), "y.z is there");
    insert(&mut cache, &newer, &[NsecChain::new(&newer).at(&name(&["z", "c"])).unwrap()], EXPIRES);
    assert_eq!(cache.len(), 1);
    let found = by_nsec(&mut cache, &asked, TXT).map(|found| found.answer);
    assert_eq!(found, Some(Answer::Wildcard { labels: 1 }), "y.z is not; of the wildcard nothing is known");
    // By hashes, each record of the new zone that stands in a span of the old one, be that the last.
    let old = Nsec3Chain::new(&Zone::new(&["z"], vec![]), false, b"", 0).all();
    for new in Nsec3Chain::new(&small(), false, b"", 0).all() {
        let mut cache = filled(&small(), &old);
        insert(&mut cache, &small(), std::slice::from_ref(&new), EXPIRES);
        assert_eq!(cache.len(), 1, "one in the place of the other");
    }
}

#[test]
fn a_wildcard_that_is_a_zone_cut_answers_nothing() {
    let mut zone = small();
    zone.names.insert(name(&["z", "*"]), [NS].into());
    let mut cache = filled(&zone, &NsecChain::new(&zone).all());
    assert!([A, DS, 255].iter().all(|&qtype| by_nsec(&mut cache, &name(&["z", "c"]), qtype).is_none()));
    let mut cache = filled(&zone, &Nsec3Chain::new(&zone, false, b"", 0).all());
    assert!([A, DS, 255].iter().all(|&qtype| by_nsec3(&mut cache, &name(&["z", "c"]), qtype).is_none()));
}

#[test]
fn the_deepest_zone_answers_and_the_parent_for_a_ds() {
    let parent = Zone::new(&["z"], vec![(vec!["a"], vec![NS])]);
    let child = Zone::new(&["z", "a"], vec![(vec!["x"], vec![A])]);
    let mut cache = filled(&parent, &NsecChain::new(&parent).all());
    insert(&mut cache, &child, &NsecChain::new(&child).all(), EXPIRES);
    let mut zone = |labels: &[&str], qtype| by_nsec(&mut cache, &name(labels), qtype).map(|found| found.zone);
    let wire_of = |labels: &[&str]| crate::dns::name::Name::from_wire(&wire(&name(labels)));
    assert_eq!(zone(&["z", "a"], AAAA), wire_of(&["z", "a"]));
    assert!(zone(&["z", "a"], DS) == wire_of(&["z"]) && zone(&["z", "a", "b"], A) == wire_of(&["z", "a"]));
    assert!(zone(&["z", "b"], 255) == wire_of(&["z"]) && zone(&["z", "a"], 255).is_none());
    let said = cache.no_ds(1, &wire(&name(&["z", "a"])), NOW, &mut Budget::new(0, 0));
    assert_eq!(said, Some((NoDs::Insecure(Flaw::None), 300)));
}
