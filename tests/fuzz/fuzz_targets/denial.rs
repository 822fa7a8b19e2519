//! Any octets as verified NSEC and NSEC3 records: proofs need records of the zone, and what is kept of them answers what they
//! prove.
//!
//! Pieces, an octet of length before each: the zone, the name that is asked for, then owners and data by turns. The first octet
//! says the type that is asked for, and which of the records are NSEC3.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbound::dns::name::Name;
use runbound::dns::rtype::{A, ANY, DS, NSEC, NSEC3};
use runbound::validate::aggressive::Answer;
use runbound::validate::{Budget, Denial, NegativeCache, NoDs, Proof, Set};

/// Octets of the cache, so few that records are pushed out.
const SIZE: usize = 3000;
const MOST_ITERATIONS: u16 = 20;
const HASHES: u32 = 300;

fn piece<'a>(octets: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = octets.split_first()?;
    let (piece, rest) = rest.split_at_checked(usize::from(*len))?;
    *octets = rest;
    Some(piece)
}

fn check(zone: &[u8], qname: &[u8], qtype: u16, sets: &[Set<'_>]) {
    let mut budget = Budget::new(0, HASHES);
    let mut denial = Denial::new(zone, sets, MOST_ITERATIONS);
    let name_error = denial.name_error(qname, &mut budget);
    let no_data = denial.no_data(qname, qtype, &mut budget);
    let no_ds = denial.no_ds(qname, &mut budget);
    for labels in 0..4 {
        denial.expanded(qname, labels, &mut budget);
    }
    assert!(budget.hashed <= HASHES * 16 + 16, "no more work than there is a price for");
    if sets.is_empty() || !runbound::dns::name::is_at_or_below(qname, zone) {
        assert!(matches!((name_error, no_data, no_ds), (Proof::Bogus(_), Proof::Bogus(_), NoDs::Bogus(_))));
    }
}

fuzz_target!(|octets: &[u8]| {
    let Some((how, mut rest)) = octets.split_first() else { return };
    let (Some(zone), Some(qname)) = (piece(&mut rest), piece(&mut rest)) else { return };
    let qtype = [A, DS, ANY, 5][usize::from(how % 4)];
    let mut records = Vec::new();
    while let (Some(owner), Some(data)) = (piece(&mut rest), piece(&mut rest)) {
        records.push((owner, [data], if how >> (2 + records.len() % 6) & 1 == 0 { NSEC } else { NSEC3 }));
    }
    let set = |(owner, records, rtype)| Set { owner, rtype, class: 1, ttl: 0, records, signatures: &[] };
    let sets: Vec<Set<'_>> = records.iter().map(|(owner, data, rtype)| set((*owner, &data[..], *rtype))).collect();
    check(zone, qname, qtype, &sets);

    let mut cache = NegativeCache::new(SIZE, MOST_ITERATIONS);
    for set in &sets {
        cache.insert(set, zone, 10);
        assert!(cache.used() <= SIZE);
    }
    let mut budget = Budget::new(0, HASHES);
    cache.no_ds(1, qname, 1, &mut budget);
    let found = [cache.by_nsec(1, qname, qtype, 1), cache.by_nsec3(1, (qname, qtype), 1, &mut budget)];
    for found in found.into_iter().flatten() {
        if Name::from_wire(qname).is_none() || Name::from_wire(zone).is_none() {
            continue;
        }
        // Other records at the same owners do not count: the cache holds the last.
        let is_of_proof = |set: &&Set<'_>| found.proof.iter().any(|owner| owner.as_wire().eq_ignore_ascii_case(set.owner));
        let of_proof: Vec<Set<'_>> = sets.iter().filter(is_of_proof).copied().collect();
        if of_proof.len() != found.proof.len() {
            continue;
        }
        let (mut denial, mut budget) = (Denial::new(zone, &of_proof, MOST_ITERATIONS), Budget::new(0, HASHES));
        let proof = match found.answer {
            Answer::NameError => denial.name_error(qname, &mut budget),
            Answer::NoData => denial.no_data(qname, qtype, &mut budget),
            Answer::Wildcard { labels } => denial.expanded(qname, labels, &mut budget),
        };
        assert_eq!(proof, Proof::Secure, "{found:?}");
    }
});
