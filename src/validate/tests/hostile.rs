//! Records that are wrong, or made to cost much.

use super::signer::{EXAMPLE, NOW, Signer, dnskey_of, set_of};
use super::zone::Rrset;
use crate::dns::rtype;
use crate::validate::algorithm::{Fakes, PublicKey};
use crate::validate::chain::{AnchorRecords, Rules, Verdict, is_usable, keys_by_anchor, keys_by_ds};
use crate::validate::dnskey::{REVOKE, SEP, ZONE, key_tag};
use crate::validate::{Budget, Clock, Flaw, Keys, Signed, canonical, verify};
use proptest::prelude::*;

const WWW: &[u8] = b"\x03www\x07example\0";

fn rules() -> Rules {
    let clock = Clock { now: Some(NOW), skew_min: 0, skew_max: 0 };
    Rules { clock, harden_algo_downgrade: false, fakes: Fakes::default() }
}

fn check(set: &Rrset, keys: &[&Signer], budget: &mut Budget) -> Result<Signed, Flaw> {
    let keys = dnskey_of(keys, 0).seen(|set| Keys::of(set, Vec::new(), Fakes::default()));
    set.seen(|set| verify(set, &keys, &rules().clock, budget))
}

fn www() -> Rrset {
    set_of(WWW, rtype::A, &[&[192, 0, 2, 1]])
}

#[test]
fn a_field_that_is_wrong_makes_a_right_signature_void() {
    let key = Signer::new(1);
    type Change = fn(&mut Vec<u8>);
    let cases: [(&str, Change, Flaw); 10] = [
        ("another type", |head| head[1] = 28, Flaw::Mismatch),
        ("an algorithm that is unknown", |head| head[2] = 200, Flaw::UnknownAlgorithm),
        ("another algorithm", |head| head[2] = 13, Flaw::KeyMissing),
        ("more labels than the owner", |head| head[3] = 3, Flaw::Mismatch),
        ("fewer labels than the signer", |head| head[3] = 0, Flaw::Mismatch),
        ("expired", |head| head[8..12].copy_from_slice(&(NOW - 1).to_be_bytes()), Flaw::Expired),
        ("not yet valid", |head| head[12..16].copy_from_slice(&(NOW + 1).to_be_bytes()), Flaw::NotYetValid),
        (
            "times the wrong way",
            |head| head[8..12].copy_from_slice(&(NOW - 20_000).to_be_bytes()),
            Flaw::ExpiredBeforeValid,
        ),
        ("another tag", |head| head[16] ^= 1, Flaw::KeyMissing),
        ("a signer beside the zone", |head| head[19] = b'f', Flaw::Mismatch),
    ];
    for (what, change, flaw) in cases {
        let mut set = www();
        key.sign(&mut set, change);
        assert_eq!(check(&set, &[&key], &mut Budget::new(9, 0)), Err(flaw), "{what}");
        key.sign(&mut set, |_| {});
        assert!(check(&set, &[&key], &mut Budget::new(9, 0)).is_ok(), "{what}, and one that is right");
    }
    assert_eq!(check(&www(), &[&key], &mut Budget::new(9, 0)), Err(Flaw::SignaturesMissing));
}

#[test]
fn keys_that_may_not_sign_do_not() {
    for (flags, flaw) in [(SEP, Flaw::NoZoneKey), (ZONE | REVOKE, Flaw::KeyMissing)] {
        let key = Signer::with_flags(1, flags);
        let mut set = www();
        key.sign(&mut set, |_| {});
        assert_eq!(check(&set, &[&key], &mut Budget::new(9, 0)), Err(flaw));
    }
    let mut key = Signer::new(1);
    key.data[2] = 4;
    let mut set = www();
    key.sign(&mut set, |_| {});
    assert_eq!(check(&set, &[&key], &mut Budget::new(9, 0)), Err(Flaw::Mismatch), "a protocol that is none");
}

#[test]
fn types_of_one_name_come_from_no_wildcard_and_nsec_stays_within_the_zone() {
    let key = Signer::new(1);
    let hash = b"\x200123456789abcdefghijklmnopqrstuv\x07example\0";
    let nsec3 = b"\x01\0\0\0\0\x01a\0\x01\x02";
    let outside = b"\x03www\x07exampld\0\0\x01\x02";
    for (owner, rtype, data, is_right) in [
        (WWW, rtype::NSEC, &b"\x01z\x07example\0\0\x01\x02"[..], true),
        (WWW, rtype::NSEC, &outside[..], false),
        (WWW, rtype::NSEC, b"\x01", false),
        (hash, rtype::NSEC3, nsec3, true),
        (&[&b"\x01a"[..], hash].concat(), rtype::NSEC3, nsec3, false),
    ] {
        let mut set = set_of(owner, rtype, &[data]);
        key.sign(&mut set, |_| {});
        assert_eq!(check(&set, &[&key], &mut Budget::new(9, 0)).is_ok(), is_right, "{owner:?} {rtype} {data:?}");
    }
    for rtype in [rtype::DS, rtype::NSEC3, rtype::A] {
        let mut set = set_of(b"\x01*\x07example\0", rtype, &[&[0, 1, 15, 2, 1, 2, 3, 4]]);
        key.sign(&mut set, |_| {});
        set.owner = WWW.to_vec();
        assert_eq!(check(&set, &[&key], &mut Budget::new(9, 0)).is_ok(), rtype == rtype::A, "{rtype}");
    }
}

/// Keys of Ed25519 with one tag that are not the right one.
fn with_tag(tag: u16, count: u32) -> Vec<Signer> {
    let made = (0..count).filter_map(|number| {
        let mut key = Signer::new(7);
        key.data[4..8].copy_from_slice(&number.to_be_bytes());
        key.data[34..36].fill(0);
        let missing = tag.wrapping_sub(key_tag(&key.data));
        // A carry may be one of the sum.
        [missing, missing.wrapping_sub(1)].into_iter().find_map(|last| {
            key.data[34..36].copy_from_slice(&last.to_be_bytes());
            (key_tag(&key.data) == tag).then_some(())
        })?;
        Some(key)
    });
    made.collect()
}

#[test]
fn many_keys_with_one_tag_and_many_signatures_cost_little() {
    let key = Signer::new(1);
    let others = with_tag(key_tag(&key.data), 40);
    assert!(others.len() > 30);
    let keys: Vec<&Signer> = others.iter().collect();
    let mut set = www();
    for _ in 0..50 {
        key.sign(&mut set, |_| {});
    }
    let mut budget = Budget::new(1000, 0);
    assert_eq!(check(&set, &keys, &mut budget), Err(Flaw::Work));
    assert_eq!(budget.checked, 9);
    let mut little = Budget::new(3, 0);
    assert_eq!(check(&set, &keys, &mut little), Err(Flaw::Work));
    assert_eq!((little.checked, little.signatures), (3, 0));
    let mut budget = Budget::new(1000, 0);
    let few: Vec<&Signer> = others.iter().take(3).chain([&key]).collect();
    assert!(check(&set, &few, &mut budget).is_ok(), "a few are no attack");
}

#[test]
fn an_rrset_longer_than_a_message_is_not_digested() {
    let key = Signer::new(1);
    let mut owner = vec![];
    (0..3).for_each(|_| owner.extend_from_slice(&[&[63u8][..], &[b'a'; 63]].concat()));
    owner.extend_from_slice(EXAMPLE);
    let records: Vec<[u8; 4]> = (0..4000u32).map(u32::to_be_bytes).collect();
    let records: Vec<&[u8]> = records.iter().map(|data| &data[..]).collect();
    let mut set = set_of(&owner, rtype::A, &records);
    key.sign(&mut set, |_| {});
    let mut budget = Budget::new(9, 0);
    assert_eq!(check(&set, &[&key], &mut budget), Err(Flaw::Work));
    assert_eq!(budget.checked, 0);
}

fn by_ds(ds: &[Vec<u8>], dnskey: &Rrset, rules: &Rules, budget: &mut Budget) -> Verdict {
    let ds: Vec<&[u8]> = ds.iter().map(Vec::as_slice).collect();
    set_of(EXAMPLE, rtype::DS, &ds).seen(|ds| dnskey.seen(|dnskey| keys_by_ds(ds, dnskey, rules, budget)))
}

/// Secure: `None`.
fn flaw_of(verdict: Verdict) -> Option<(bool, Flaw)> {
    match verdict {
        Verdict::Secure(..) => None,
        Verdict::Insecure(flaw) => Some((false, flaw)),
        Verdict::Bogus(flaw) => Some((true, flaw)),
    }
}

#[test]
fn a_ds_proves_the_keys_that_its_key_signed() {
    let (key, other) = (Signer::new(1), Signer::new(2));
    let set = dnskey_of(&[&key, &other], 1);
    let verdict = |ds: &[Vec<u8>]| flaw_of(by_ds(ds, &set, &rules(), &mut Budget::new(9, 0)));
    let changed = |at: usize, to: u8| {
        let mut ds = key.ds();
        ds[at] = to;
        ds
    };
    assert_eq!(verdict(&[key.ds()]), None);
    assert_eq!(verdict(&[other.ds()]), Some((true, Flaw::SignaturesMissing)), "it is there and has not signed");
    assert_eq!(verdict(&[Signer::new(3).ds()]), Some((true, Flaw::DelegationMismatch)));
    assert_eq!(verdict(&[Signer::new(3).ds(), key.ds()]), None, "a key that is to come");
    assert_eq!(verdict(&[changed(9, 0)]), Some((true, Flaw::DelegationMismatch)), "another digest");
    assert_eq!(verdict(&[changed(2, 200)]), Some((false, Flaw::UnknownAlgorithm)));
    assert_eq!(verdict(&[changed(2, 3)]), Some((false, Flaw::UnknownAlgorithm)), "DSA");
    assert_eq!(verdict(&[changed(3, 3)]), Some((false, Flaw::UnknownDigest)));
    assert_eq!(verdict(&[changed(3, 3), changed(2, 200)]), Some((false, Flaw::UnknownDigest)));
    assert_eq!(verdict(&[changed(3, 3), key.ds()]), None);
    assert_eq!(verdict(&[]), Some((false, Flaw::UnknownAlgorithm)));
    let unsigned = dnskey_of(&[&key], 0);
    let bogus = flaw_of(by_ds(&[key.ds()], &unsigned, &rules(), &mut Budget::new(9, 0)));
    assert_eq!(bogus, Some((true, Flaw::SignaturesMissing)));
    assert_eq!(is_usable(&[&changed(2, 200), &key.ds()], Fakes::default()), Ok(()));
}

#[test]
fn a_downgraded_zone_is_bogus_when_that_is_hardened() {
    let key = Signer::new(1);
    let set = dnskey_of(&[&key], 1);
    // A DS of a key with P-256 that is not there, as after its signatures were taken away.
    let mut lost = key.ds();
    lost[2] = 13;
    let hardened = Rules { harden_algo_downgrade: true, ..rules() };
    let ds = [lost, key.ds()];
    assert_eq!(flaw_of(by_ds(&ds, &set, &rules(), &mut Budget::new(9, 0))), None);
    assert_eq!(flaw_of(by_ds(&ds, &set, &hardened, &mut Budget::new(9, 0))), Some((true, Flaw::Downgraded)));
    let Verdict::Secure(keys, _) = by_ds(&[key.ds()], &set, &hardened, &mut Budget::new(9, 0)) else { panic!() };
    assert_eq!(keys.needs(), [15]);
    // With the weaker digest beside it, the better one alone counts.
    let mut weak = key.ds();
    weak.truncate(24);
    weak[3] = 1;
    let forged = Signer::new(4);
    let mut wrong = key.ds();
    wrong[5] ^= 1;
    assert!(
        flaw_of(by_ds(&[weak, wrong], &dnskey_of(&[&forged, &key], 1), &hardened, &mut Budget::new(9, 0))).is_some()
    );
}

#[test]
fn many_ds_and_keys_cost_little() {
    let key = Signer::new(1);
    let others = with_tag(key_tag(&key.data), 60);
    let keys: Vec<&Signer> = others.iter().collect();
    let set = dnskey_of(&keys, 0);
    let ds: Vec<Vec<u8>> = (0..=255u8)
        .map(|octet| {
            let mut ds = key.ds();
            ds[4] = octet;
            ds
        })
        .collect();
    let mut budget = Budget::new(100, 0);
    assert_eq!(flaw_of(by_ds(&ds, &set, &rules(), &mut budget)), Some((true, Flaw::Work)));
    assert_eq!(budget.checked, 0);
}

#[test]
fn anchors_are_ds_or_keys() {
    let (key, other) = (Signer::new(1), Signer::new(2));
    let set = dnskey_of(&[&key, &other], 1);
    let verdict = |ds: &[&[u8]], dnskey: &[&[u8]]| {
        let anchor = AnchorRecords { ds, dnskey };
        flaw_of(set.seen(|set| keys_by_anchor(anchor, set, &rules(), &mut Budget::new(9, 0))))
    };
    let ds = key.ds();
    assert_eq!(verdict(&[&ds], &[]), None);
    assert_eq!(verdict(&[], &[&key.data]), None);
    assert_eq!(verdict(&[&other.ds()], &[&key.data]), None, "one of both is enough");
    assert_eq!(verdict(&[&Signer::new(3).ds()], &[]), Some((true, Flaw::AnchorMismatch)));
    assert_eq!(verdict(&[], &[&other.data]), Some((true, Flaw::SignaturesMissing)));
    assert_eq!(verdict(&[], &[&Signer::new(3).data]), Some((true, Flaw::AnchorMismatch)), "it is not in the zone");
    let mut unknown = key.data.clone();
    unknown[3] = 200;
    assert_eq!(verdict(&[], &[&unknown]), Some((false, Flaw::UnknownAlgorithm)));
}

#[test]
fn a_fake_signature_counts_where_it_is_asked_for_alone() {
    let mut key = Signer::new(1).data;
    key[3] = 3;
    let dnskey = set_of(EXAMPLE, rtype::DNSKEY, &[&key]);
    let mut set = www();
    Signer::new(1).sign(&mut set, |head| {
        head[2] = 3;
        head[16..18].copy_from_slice(&key_tag(&key).to_be_bytes());
    });
    for (fakes, is_valid) in
        [(Fakes::default(), false), (Fakes { dsa: true, sha1: false }, true), (Fakes { dsa: false, sha1: true }, true)]
    {
        let keys = dnskey.seen(|set| Keys::of(set, Vec::new(), fakes));
        let verified = set.seen(|set| verify(set, &keys, &rules().clock, &mut Budget::new(0, 0)));
        assert_eq!(verified.is_ok(), is_valid, "{fakes:?}");
    }
}

/// An RSA key with a modulus of so many octets and that exponent.
fn rsa(modulus: usize, exponent: &[u8]) -> Vec<u8> {
    let mut key = vec![exponent.len() as u8];
    key.extend_from_slice(exponent);
    key.extend(std::iter::repeat_n(0xf1, modulus));
    key
}

#[test]
fn rsa_keys_that_would_cost_much_are_none() {
    let is_key = |key: &[u8]| PublicKey::parse(8, key).is_some();
    for modulus in [64, 65, 127, 128, 256, 512] {
        assert!(is_key(&rsa(modulus, &[3])) && is_key(&rsa(modulus, &[1, 0, 1])), "{modulus}");
        assert!(is_key(&rsa(modulus, &[0, 1, 0, 1])), "a leading zero");
        assert!(is_key(&rsa(modulus, &[1, 0, 0, 0, 1])), "33 bits");
    }
    assert!(is_key(&rsa(256, &[0xff; 8])) && !is_key(&rsa(257, &[0xff; 8])));
    for key in [
        rsa(63, &[3]),
        rsa(513, &[3]),
        rsa(8192, &[3]),
        rsa(256, &[1]),
        rsa(256, &[2]),
        rsa(256, &[]),
        rsa(256, &[0xff; 9]),
        rsa(0, &[3]),
        vec![],
        vec![0, 0],
        vec![200, 1],
    ] {
        assert!(!is_key(&key), "{} octets", key.len());
    }
    let mut even = rsa(256, &[3]);
    *even.last_mut().unwrap() = 0xf0;
    assert!(!is_key(&even));
}

proptest! {
    #[test]
    fn any_octets_are_safe(
        owner in prop_oneof![Just(WWW.to_vec()), any::<Vec<u8>>()],
        rtype in prop_oneof![Just(1u16), Just(6), Just(35), Just(43), Just(46), Just(47), Just(48), Just(50), any::<u16>()],
        records: Vec<Vec<u8>>,
        keys: Vec<Vec<u8>>,
        mut signatures: Vec<Vec<u8>>,
        algorithm in 0u8..18,
    ) {
        let keys: Vec<Vec<u8>> = keys.into_iter().map(|key| [&[1, 1, 3, algorithm][..], &key].concat()).collect();
        for (signature, key) in signatures.iter_mut().zip(&keys) {
            let head = [&rtype.to_be_bytes()[..], &[algorithm, 2], &[0; 12], &key_tag(key).to_be_bytes(), EXAMPLE].concat();
            signature.splice(..0, head);
        }
        let set = Rrset { owner, rtype, ttl: 1, records, signatures };
        let key_refs: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let dnskey = set_of(EXAMPLE, rtype::DNSKEY, &key_refs);
        let found = dnskey.seen(|set| Keys::of(set, vec![13], Fakes::default()));
        let clock = Clock { now: None, ..rules().clock };
        prop_assert!(set.seen(|set| verify(set, &found, &clock, &mut Budget::new(9, 0))).is_err());
        let _ = flaw_of(by_ds(&set.records, &dnskey, &rules(), &mut Budget::new(9, 0)));
        let _ = canonical::compare(&set.owner, WWW);
    }

    #[test]
    fn order_of_names_is_total(a in name(), b in name(), c in name()) {
        use std::cmp::Ordering::Equal;
        let order = canonical::compare;
        prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
        prop_assert_eq!(order(&a, &b) == Equal, a.eq_ignore_ascii_case(&b));
        if order(&a, &b).is_le() && order(&b, &c).is_le() {
            prop_assert!(order(&a, &c).is_le());
        }
    }
}

/// A name of few labels from few octets, so that some are alike.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![Just(0u8), Just(b'a'), Just(b'A'), Just(b'b'), Just(b'*'), Just(200)];
    prop::collection::vec(prop::collection::vec(octet, 1..3), 0..4).prop_map(|labels| {
        let mut wire: Vec<u8> = Vec::new();
        labels.iter().for_each(|label| {
            wire.push(label.len() as u8);
            wire.extend_from_slice(label);
        });
        wire.push(0);
        wire
    })
}
