//! Any octets: nothing panics, and what is kept of them stays within its memory.

use crate::dns::name::Name;
use crate::dns::rtype::{DS, NSEC, NSEC3};
use crate::validate::{Budget, Denial, NegativeCache, Set};
use proptest::prelude::*;

/// Names, well-formed and not, and octets that begin with them.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let label = prop::collection::vec(any::<u8>(), 1..4).prop_map(|label| [&[label.len() as u8], &label[..]].concat());
    let hash = prop::collection::vec(prop::sample::select(&b"0123456789abcdefghijklmnopqrstuv"[..]), 32);
    let hash = hash.prop_map(|digits| [&[32], &digits[..]].concat());
    let labels = prop::collection::vec(prop_oneof![label, hash], 0..4).prop_map(|labels| labels.concat());
    let nsec3 = (any::<[u8; 20]>(), any::<u8>())
        .prop_map(|(next, low)| [&[1, low & 1, 0, low, 1, low, 20][..], &next, &[0, 1, low]].concat());
    let end = prop_oneof![Just(vec![0]), Just(vec![0, 0, 1, 64]), nsec3, any::<Vec<u8>>()];
    prop_oneof![(labels, end.clone()).prop_map(|(labels, end)| [labels, end].concat()), end]
}

proptest! {
    #[test]
    fn prove_without_panic(
        sets in prop::collection::vec((octets(), octets(), prop::sample::select(vec![NSEC, NSEC3])), 0..5),
        zone in octets(),
        names in prop::collection::vec(octets(), 1..4),
        labels: u8,
    ) {
        let data: Vec<[&[u8]; 1]> = sets.iter().map(|(_, data, _)| [&data[..]]).collect();
        let sets: Vec<Set<'_>> = sets
            .iter()
            .zip(&data)
            .map(|((owner, _, rtype), records)| Set { owner, rtype: *rtype, class: 1, ttl: 0, records, signatures: &[] })
            .collect();
        let (mut denial, mut budget) = (Denial::new(&zone, &sets, 150), Budget::new(0, 200));
        let mut cache = NegativeCache::new(2000, 150);
        sets.iter().for_each(|set| cache.insert(set, &zone, 10));
        for name in names.iter().map(|name| &name[..]).chain([&zone[..]]) {
            for qtype in [1, DS, 255] {
                denial.negative(name, qtype, &mut budget);
                let found = [cache.by_nsec(1, name, qtype, 1), cache.by_nsec3(1, (name, qtype), 1, &mut budget)];
                for found in found.into_iter().flatten() {
                    prop_assert!(!found.proof.is_empty() && Name::from_wire(found.zone.as_wire()).is_some());
                }
            }
            denial.expanded(name, labels, &mut budget);
            denial.no_ds(name, &mut budget);
            cache.no_ds(1, name, 1, &mut budget);
        }
        prop_assert!(cache.used() <= 2000);
    }
}
