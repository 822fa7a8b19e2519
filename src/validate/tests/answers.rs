//! Whole answers of a zone that is signed here: what is wanted first, what they come to, what is remembered.

use super::signer::{EXAMPLE, NOW, Signer, dnskey_of, set_of};
use super::zone::Rrset;
use crate::dns::name::Name;
use crate::dns::{class, header, rcode, rtype};
use crate::validate::anchors::{AnchorRecord, Anchors};
use crate::validate::keys::{KeyCache, Standing, Way};
use crate::validate::message::{Asked, Outcome, Verdict, validate};
use crate::validate::parts::Parts;
use crate::validate::{Budget, Flaw, Rules, Security, learn};
use std::sync::Arc;

/// Seconds of the caller's clock.
const START: u32 = 100;

fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

fn rules(key: &Signer, insecure: &[&[u8]]) -> Rules {
    let record =
        AnchorRecord { zone: EXAMPLE.to_vec(), class: class::IN, rtype: rtype::DNSKEY, data: key.data.clone() };
    let (anchors, _) = Anchors::new([&record], insecure.iter().copied(), |_| true);
    Rules { anchors: Arc::new(anchors), ..Rules::default() }
}

/// A message with these RRsets, by section.
fn message(asked: &Name, qtype: u16, code: u16, sets: &[(usize, &Rrset)]) -> Vec<u8> {
    let mut octets = vec![0; header::LEN];
    octets.extend_from_slice(asked.as_wire());
    octets.extend([qtype.to_be_bytes(), class::IN.to_be_bytes()].concat());
    let mut counts = [1, 0, 0, 0];
    for section in 0..3 {
        for (_, set) in sets.iter().filter(|(of, _)| *of == section) {
            let data = set.records.iter().map(|data| (set.rtype, data));
            for (rtype, data) in data.chain(set.signatures.iter().map(|data| (rtype::RRSIG, data))) {
                octets.extend_from_slice(&set.owner);
                octets.extend([rtype.to_be_bytes(), class::IN.to_be_bytes()].concat());
                octets.extend(set.ttl.to_be_bytes());
                octets.extend((data.len() as u16).to_be_bytes());
                octets.extend_from_slice(data);
                counts[section + 1] += 1;
            }
        }
    }
    header::set_flags(&mut octets, header::flag::QR | code);
    header::set_counts(&mut octets, counts);
    octets
}

struct Trial {
    rules: Rules,
    keys: KeyCache,
    budget: Budget,
    /// Whose servers tell what is judged.
    told_by: Option<Name>,
}

impl Trial {
    fn new(rules: Rules) -> Trial {
        Trial { rules, keys: KeyCache::new(1 << 16), budget: Budget::default(), told_by: None }
    }

    fn judge(&mut self, asked: &str, code: u16, sets: &[(usize, &Rrset)]) -> Outcome {
        let name = name(asked);
        let mut parts = Parts::of(&message(&name, rtype::A, code, sets)).unwrap();
        let asked = Asked { name: &name, qtype: rtype::A, rcode: code, refers: false, told_by: self.told_by.as_ref() };
        let clock = self.rules.clock(NOW.into());
        validate(asked, &mut parts, (&mut self.keys, START), (&self.rules, clock), &mut self.budget)
    }

    fn verdict(&mut self, asked: &str, code: u16, sets: &[(usize, &Rrset)]) -> (Security, Flaw) {
        match self.judge(asked, code, sets) {
            Outcome::Verdict(Verdict { security, flaw, .. }) => (security, flaw),
            Outcome::Wants(name, rtype) => panic!("{name} {rtype} is wanted"),
        }
    }

    fn learn(&mut self, of: &str, qtype: u16, code: u16, sets: &[(usize, &Rrset)]) {
        let name = name(of);
        let mut parts = Parts::of(&message(&name, qtype, code, sets)).unwrap();
        let clock = self.rules.clock(NOW.into());
        let how = (&mut self.keys, START);
        match qtype {
            rtype::DS => learn::delegation(&name, Some(&mut parts), how, (&self.rules, clock), &mut self.budget),
            _ => learn::zone_keys(&name, Some(&mut parts), how, (&self.rules, clock), &mut self.budget),
        }
    }
}

fn www(key: &Signer) -> Rrset {
    let mut set = set_of(b"\x03www\x07example\0", rtype::A, &[&[192, 0, 2, 1]]);
    key.sign(&mut set, |_| {});
    set
}

/// The NSEC of a name that has an A alone, which is followed by the apex.
fn nsec(key: &Signer, owner: &[u8], types: u8) -> Rrset {
    let data = [EXAMPLE, &[0, 6, types, 0, 0, 0, 0, 3]].concat();
    let mut set = set_of(owner, rtype::NSEC, &[&data]);
    key.sign(&mut set, |_| {});
    set
}

#[test]
fn keys_are_wanted_once_and_then_prove_the_data() {
    let key = Signer::new(1);
    let mut trial = Trial::new(rules(&key, &[]));
    let answer = www(&key);
    assert_eq!(
        trial.judge("www.example.", 0, &[(0, &answer)]),
        Outcome::Wants(Box::new(name("example.")), rtype::DNSKEY)
    );
    trial.learn("example.", rtype::DNSKEY, 0, &[(0, &dnskey_of(&[&key], 1))]);
    assert_eq!(trial.verdict("www.example.", 0, &[(0, &answer)]), (Security::Secure, Flaw::None));
    let mut other = answer.clone();
    other.records[0] = vec![192, 0, 2, 2];
    assert_eq!(trial.verdict("www.example.", 0, &[(0, &other)]), (Security::Bogus, Flaw::Mismatch));
    assert_eq!(trial.verdict("www.test.", 0, &[]), (Security::Indeterminate, Flaw::None), "there is no anchor");
}

#[test]
fn what_has_no_signature_is_bogus_unless_a_delegation_without_keys_lies_above() {
    let key = Signer::new(1);
    let owner = b"\x03www\x07example\0";
    for (types, verdict) in [
        // A alone: no zone begins there.
        (0x40, (Security::Bogus, Flaw::SignaturesMissing)),
        // NS and no SOA: a delegation, and there is no DS.
        (0x20, (Security::Insecure, Flaw::None)),
    ] {
        let mut trial = Trial::new(rules(&key, &[]));
        trial.learn("example.", rtype::DNSKEY, 0, &[(0, &dnskey_of(&[&key], 1))]);
        let plain = set_of(owner, rtype::A, &[&[192, 0, 2, 1]]);
        assert_eq!(
            trial.judge("www.example.", 0, &[(0, &plain)]),
            Outcome::Wants(Box::new(name("www.example.")), rtype::DS)
        );
        trial.learn("www.example.", rtype::DS, 0, &[(1, &nsec(&key, owner, types))]);
        assert_eq!(trial.verdict("www.example.", 0, &[(0, &plain)]), verdict);
    }
    let mut trial = Trial::new(rules(&key, &[b"\x03www\x07example\0"]));
    let plain = set_of(owner, rtype::A, &[&[192, 0, 2, 1]]);
    assert_eq!(trial.verdict("www.example.", 0, &[(0, &plain)]), (Security::Insecure, Flaw::None), "domain-insecure");
}

#[test]
fn a_denial_needs_its_proof() {
    let key = Signer::new(1);
    let mut trial = Trial::new(rules(&key, &[]));
    trial.learn("example.", rtype::DNSKEY, 0, &[(0, &dnskey_of(&[&key], 1))]);
    let mut soa = set_of(EXAMPLE, rtype::SOA, &[&[&b"\0\0"[..], &[0; 20]].concat()]);
    key.sign(&mut soa, |_| {});
    let (own, other) = (nsec(&key, b"\x03www\x07example\0", 0), nsec(&key, b"\x03www\x07example\0", 0x40));
    assert_eq!(trial.verdict("www.example.", 0, &[(1, &soa), (1, &own)]), (Security::Secure, Flaw::None));
    assert_eq!(
        trial.verdict("www.example.", 0, &[(1, &soa), (1, &other)]),
        (Security::Bogus, Flaw::DenialWrong),
        "it is there"
    );
    let verdict = trial.verdict("www.example.", rcode::NXDOMAIN, &[(1, &soa), (1, &other)]);
    assert_eq!(verdict, (Security::Bogus, Flaw::DenialWrong));
    match trial.judge("www.example.", rcode::NXDOMAIN, &[(1, &soa), (1, &own)]) {
        Outcome::Verdict(Verdict { security: Security::Secure, rcode: rcode::NOERROR, .. }) => {}
        other => panic!("proven to be without data, it is not denied: {other:?}"),
    }
}

/// The code is not signed: who changes it would have AD on a denial, and on one for all names below (RFC 8020).
#[test]
fn what_is_proven_to_be_there_is_not_denied_by_the_code() {
    let key = Signer::new(1);
    let mut trial = Trial::new(rules(&key, &[]));
    trial.learn("example.", rtype::DNSKEY, 0, &[(0, &dnskey_of(&[&key], 1))]);
    match trial.judge("www.example.", rcode::NXDOMAIN, &[(0, &www(&key))]) {
        Outcome::Verdict(Verdict { security: Security::Secure, rcode: rcode::NOERROR, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_zone_of_false_signatures_alone_is_not_checked_without_end() {
    let key = Signer::new(1);
    let mut trial = Trial::new(rules(&key, &[]));
    trial.learn("example.", rtype::DNSKEY, 0, &[(0, &dnskey_of(&[&key], 1))]);
    let mut false_one = www(&key);
    false_one.records[0] = vec![192, 0, 2, 2];
    // Others may say what they want in its name.
    trial.told_by = Some(name("sub.example."));
    for _ in 0..20 {
        assert_eq!(trial.verdict("www.example.", 0, &[(0, &false_one)]), (Security::Bogus, Flaw::Mismatch));
    }
    // So many may be an accident; then they have to be in what is left for such.
    trial.told_by = Some(name("example."));
    trial.budget.doubtful = 2;
    let before = trial.budget.checked;
    for number in 0..20 {
        let flaw = if number < 10 { Flaw::Mismatch } else { Flaw::Work };
        assert_eq!(trial.verdict("www.example.", 0, &[(0, &false_one)]), (Security::Bogus, flaw), "{number}");
    }
    assert_eq!(trial.budget.checked - before, 10);
    trial.budget.doubtful = 1;
    assert_eq!(trial.verdict("www.example.", 0, &[(0, &www(&key))]), (Security::Secure, Flaw::None));
    assert_eq!(
        trial.verdict("www.example.", 0, &[(0, &www(&key))]),
        (Security::Secure, Flaw::None),
        "it is trusted again"
    );
    // Of one RRset, what follows a failed check is.
    let mut set = www(&key);
    set.signatures = vec![set.signatures[0].clone(); 5];
    set.records[0] = vec![192, 0, 2, 2];
    trial.budget.doubtful = 2;
    let before = trial.budget.checked;
    assert_eq!(trial.verdict("www.example.", 0, &[(0, &set)]), (Security::Bogus, Flaw::Work));
    assert_eq!(trial.budget.checked - before, 3);
}

#[test]
fn keys_that_no_anchor_proves_make_all_of_a_zone_bogus() {
    let (key, other) = (Signer::new(1), Signer::new(2));
    let mut trial = Trial::new(rules(&key, &[]));
    trial.learn("example.", rtype::DNSKEY, 0, &[(0, &dnskey_of(&[&other], 1))]);
    let (security, _) = trial.verdict("www.example.", 0, &[(0, &www(&other))]);
    assert_eq!(security, Security::Bogus);
    let spent = trial.budget.checked;
    assert!(spent < 3, "{spent} signatures");
    assert!(trial.keys.flaw(EXAMPLE, START).is_some());
    assert!(trial.keys.flaw(EXAMPLE, START + trial.rules.bogus_ttl).is_none(), "it is asked again one day");
}

#[test]
fn the_cache_of_keys_stays_within_its_size_and_keeps_what_is_used() {
    let key = Signer::new(1);
    let rules = rules(&key, &[]);
    let mut trial = Trial::new(rules.clone());
    trial.learn("example.", rtype::DNSKEY, 0, &[(0, &dnskey_of(&[&key], 1))]);
    for number in 0..1000 {
        let name = name(&format!("n{number}.example."));
        trial.keys.put(name.as_wire(), Standing::NoCut, 3600, START);
        assert!(matches!(trial.keys.way(&rules, name.as_wire(), START), Way::Keys(_)), "{number}");
        assert!(trial.keys.octets() <= 1 << 16);
    }
    let before = trial.keys.count();
    assert!((100..1000).contains(&before), "{before}");
    assert_eq!(trial.keys.flush(0, |_, standing| matches!(standing, Standing::NoCut)), before - 1);
    assert_eq!((trial.keys.flush(0, |_, _| true), trial.keys.count(), trial.keys.octets()), (1, 0, 0));
}

proptest::proptest! {
    #[test]
    fn any_octets_are_safe(octets: Vec<u8>) {
        let key = Signer::new(1);
        let mut trial = Trial::new(rules(&key, &[]));
        if let Some(mut parts) = Parts::of(&octets) {
            let name = name("www.example.");
            let asked = Asked { name: &name, qtype: rtype::A, rcode: 0, refers: false, told_by: None };
            let clock = trial.rules.clock(NOW.into());
            let _ = validate(asked, &mut parts, (&mut trial.keys, START), (&trial.rules, clock), &mut trial.budget);
        }
    }
}
