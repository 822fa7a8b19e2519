//! Every name and type of small zones: what is proven is true, and what is true is proven, by no record less than it takes.

use super::chains::{Denying, Nsec3Chain, NsecChain, Record, with_sets};
use super::model::{ASKED, Labels, Truth, Zone, wire};
use crate::dns::rtype::{DS, NS};
use crate::validate::{Budget, Denial, Flaw, NoDs, Proof};
use proptest::prelude::*;

const INSECURE: Proof = Proof::Insecure(Flaw::None);
const WRONG: Proof = Proof::Bogus(Flaw::DenialWrong);

/// What `records` prove.
fn prove<T>(zone: &Zone, records: &[Record], ask: impl FnOnce(&mut Denial<'_>, &mut Budget) -> T) -> T {
    let apex = wire(&zone.apex);
    with_sets(records, |sets| ask(&mut Denial::new(&apex, sets, 150), &mut Budget::new(0, 1000)))
}

fn name_error(zone: &Zone, records: &[Record], name: &[String]) -> Proof {
    prove(zone, records, |denial, budget| denial.name_error(&wire(name), budget))
}

fn no_data(zone: &Zone, records: &[Record], name: &[String], qtype: u16) -> Proof {
    prove(zone, records, |denial, budget| denial.no_data(&wire(name), qtype, budget))
}

fn no_ds(zone: &Zone, records: &[Record], name: &[String]) -> NoDs {
    prove(zone, records, |denial, budget| denial.no_ds(&wire(name), budget))
}

fn expanded(zone: &Zone, records: &[Record], name: &[String], labels: usize) -> Proof {
    prove(zone, records, |denial, budget| denial.expanded(&wire(name), labels as u8, budget))
}

/// A name that does not exist, and is this zone's to deny.
fn is_missing(zone: &Zone, name: &[String]) -> bool {
    name.starts_with(&zone.apex) && zone.end_above(name).is_none() && !zone.exists(name)
}

/// What is true of a name that has no DS.
fn no_ds_truth(zone: &Zone, name: &[String]) -> NoDs {
    match zone.truth(name, DS) {
        Truth::NoData if zone.is_cut(name) => NoDs::Insecure(Flaw::None),
        Truth::NoData => NoDs::NotDelegated,
        Truth::NameError => NoDs::NoName,
        // An alias is no zone cut.
        Truth::Answer if zone.end_above(name).is_none() && zone.exists(name) && !zone.is_cut(name) => {
            NoDs::NotDelegated
        }
        _ => NoDs::Bogus(Flaw::DenialWrong),
    }
}

/// All records of a chain without opt-out prove exactly what is true.
fn all_prove_the_truth(zone: &Zone, chain: &impl Denying) -> Result<(), TestCaseError> {
    let all = chain.all();
    for name in zone.questions() {
        for qtype in ASKED {
            let proof = match zone.truth(&name, qtype) {
                Truth::NoData => Proof::Secure,
                Truth::Cut { has_ds: false } => INSECURE,
                _ => WRONG,
            };
            let said = no_data(zone, &all, &name, qtype);
            match qtype == NS && zone.is_cut(&name) {
                true => prop_assert_ne!(said, Proof::Secure),
                false => prop_assert_eq!(said, proof, "no data: {:?} {}", name, qtype),
            }
        }
        let proof = name_error(zone, &all, &name);
        match zone.truth(&name, 0) {
            Truth::NameError => prop_assert_eq!(proof, Proof::Secure, "name error: {:?}", name),
            Truth::Cut { has_ds: false } => prop_assert_ne!(proof, Proof::Secure, "name error: {:?}", name),
            _ => prop_assert_eq!(proof, WRONG, "name error: {:?}", name),
        }
        prop_assert_eq!(no_ds(zone, &all, &name), no_ds_truth(zone, &name), "no DS: {:?}", name);
    }
    Ok(())
}

/// What a name server tells proves the truth, and with a record less, or those of another zone in its place, it does not.
fn proofs_need_each_record(zone: &Zone, chain: &impl Denying, other: &[Record]) -> Result<(), TestCaseError> {
    for name in zone.questions() {
        for qtype in ASKED {
            let proof = match zone.truth(&name, qtype) {
                Truth::NoData => |zone: &_, records: &_, name: &_, qtype| no_data(zone, records, name, qtype),
                Truth::NameError => |zone: &_, records: &_, name: &_, _: u16| name_error(zone, records, name),
                _ => continue,
            };
            let records = chain.proof(zone, &name);
            prop_assert_eq!(proof(zone, &records, &name, qtype), Proof::Secure, "{:?} {}", name, qtype);
            for less in 0..records.len() {
                let mut fewer = records.clone();
                fewer.remove(less);
                prop_assert_ne!(proof(zone, &fewer, &name, qtype), Proof::Secure, "{:?} {}", name, qtype);
                fewer.extend_from_slice(other);
                prop_assert_ne!(proof(zone, &fewer, &name, qtype), Proof::Secure, "{:?} {}", name, qtype);
            }
        }
    }
    Ok(())
}

/// Whatever some of the records prove is true.
fn some_prove_nothing_false(zone: &Zone, some: &[Record]) -> Result<(), TestCaseError> {
    for name in zone.questions() {
        for qtype in ASKED {
            let (truth, proof) = (zone.truth(&name, qtype), no_data(zone, some, &name, qtype));
            prop_assert!(proof != Proof::Secure || truth == Truth::NoData, "no data: {:?} {}", name, qtype);
        }
        let is_true = zone.truth(&name, 0) == Truth::NameError;
        prop_assert!(name_error(zone, some, &name) != Proof::Secure || is_true, "name error: {:?}", name);
        let (said, truth) = (no_ds(zone, some, &name), no_ds_truth(zone, &name));
        prop_assert!(matches!(said, NoDs::Bogus(_)) || said == truth, "no DS: {:?} {:?}", name, said);
    }
    Ok(())
}

fn encloser_labels(zone: &Zone, name: &Labels) -> usize {
    zone.encloser(name).len()
}

/// Some of the records of a chain.
fn some(chain: &impl Denying, mask: u64) -> Vec<Record> {
    chain
        .all()
        .into_iter()
        .enumerate()
        .filter(|(at, _)| mask & (1 << (at % 64)) != 0)
        .map(|(_, record)| record)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn by_nsec(zone in Zone::any(&["z"]), other in Zone::any(&["y"]), below in Zone::any(&["z", "a"]), mask: u64) {
        let chain = NsecChain::new(&zone);
        all_prove_the_truth(&zone, &chain)?;
        let foreign = [NsecChain::new(&other).all(), Nsec3Chain::new(&other, true, b"", 0).all()].concat();
        proofs_need_each_record(&zone, &chain, &foreign)?;
        some_prove_nothing_false(&zone, &some(&chain, mask))?;
        // The zone below a cut denies nothing of its parent's, nor the parent what is below.
        let records = NsecChain::new(&below).all();
        for name in below.questions().iter().filter(|name| !name.starts_with(&below.apex)) {
            prop_assert_ne!(no_data(&below, &records, name, DS), Proof::Secure);
        }
        prop_assert_ne!(no_data(&below, &records, &below.apex, DS), Proof::Secure);
        prop_assert!(matches!(no_ds(&below, &records, &below.apex), NoDs::Bogus(_)));
    }

    #[test]
    fn of_the_root(zone in Zone::any(&[])) {
        all_prove_the_truth(&zone, &NsecChain::new(&zone))?;
        all_prove_the_truth(&zone, &Nsec3Chain::new(&zone, false, b"", 0))?;
    }

    #[test]
    fn wildcards_by_nsec(zone in Zone::any(&["z"])) {
        let all = NsecChain::new(&zone).all();
        for name in zone.questions() {
            for labels in 0..5 {
                let is_true = is_missing(&zone, &name) && encloser_labels(&zone, &name) == labels;
                let proof = if is_true { Proof::Secure } else { WRONG };
                prop_assert_eq!(expanded(&zone, &all, &name, labels), proof, "{:?} {}", name, labels);
            }
        }
    }

    #[test]
    fn by_nsec3(zone in Zone::any(&["z"]), other in Zone::any(&["y"]), salt: [u8; 2], mask: u64) {
        let chain = Nsec3Chain::new(&zone, false, &salt, 1);
        all_prove_the_truth(&zone, &chain)?;
        let foreign = [NsecChain::new(&other).all(), Nsec3Chain::new(&other, false, &salt, 1).all()].concat();
        proofs_need_each_record(&zone, &chain, &foreign)?;
        some_prove_nothing_false(&zone, &some(&chain, mask))?;
    }

    #[test]
    fn wildcards_by_nsec3(zone in Zone::any(&["z"]), opt_out: bool) {
        // The wildcard's signature shows that the encloser exists: only the next closer name is to be denied.
        let chain = Nsec3Chain::new(&zone, opt_out, b"", 0);
        let all = chain.all();
        for name in zone.questions() {
            for labels in 0..5 {
                let is_true = name.starts_with(&zone.apex)
                    && (zone.apex.len()..name.len()).contains(&labels)
                    && !chain.has(&name[..labels + 1]);
                let denied = if opt_out { INSECURE } else { Proof::Secure };
                let proof = if is_true { denied } else { WRONG };
                prop_assert_eq!(expanded(&zone, &all, &name, labels), proof, "{:?} {}", name, labels);
            }
        }
    }

    #[test]
    fn by_nsec3_with_opt_out(zone in Zone::any(&["z"]), mask: u64) {
        let chain = Nsec3Chain::new(&zone, true, b"salt", 0);
        let all = chain.all();
        for records in [&all, &some(&chain, mask)] {
            for name in zone.questions() {
                // What does not exist could be a delegation without DS.
                prop_assert_ne!(name_error(&zone, records, &name), Proof::Secure);
                let said = no_ds(&zone, records, &name);
                match no_ds_truth(&zone, &name) {
                    NoDs::NoName => prop_assert!(matches!(said, NoDs::Insecure(_) | NoDs::Bogus(_))),
                    NoDs::NotDelegated => prop_assert_ne!(said, NoDs::NoName),
                    NoDs::Insecure(_) => prop_assert!(matches!(said, NoDs::Insecure(_) | NoDs::Bogus(_))),
                    _ => prop_assert!(!matches!(said, NoDs::NoName | NoDs::NotDelegated)),
                }
                for qtype in ASKED {
                    let truth = zone.truth(&name, qtype);
                    let proof = no_data(&zone, records, &name, qtype);
                    prop_assert!(proof != Proof::Secure || truth == Truth::NoData, "{:?} {}", name, qtype);
                }
            }
        }
        for name in zone.questions() {
            let proof = chain.proof(&zone, &name);
            match zone.truth(&name, DS) {
                Truth::NoData if zone.is_cut(&name) => prop_assert_eq!(no_ds(&zone, &proof, &name), NoDs::Insecure(Flaw::None)),
                // A name above nothing but delegations that are left out is left out, too.
                Truth::NameError if chain.enclosing(&zone, &name).1 == Some(zone.encloser(&name)) => {
                    prop_assert_eq!(name_error(&zone, &proof, &name), INSECURE);
                }
                _ => {}
            }
        }
    }
}
