//! Whole zones by BIND's signer, and examples of RFCs.

use super::zone::{Rrset, rrset, rrsets};
use crate::dns::rtype;
use crate::validate::algorithm::Fakes;
use crate::validate::chain::{AnchorRecords, Rules, Verdict, keys_by_anchor};
use crate::validate::{Budget, Clock, Flaw, Keys, Signed, verify};

/// 2026-06-01; the zones are signed for 2026 to 2036.
const NOW: u32 = 1_780_272_000;
const EXAMPLE: &[u8] = b"\x07example\0";

fn rules() -> Rules {
    let clock = Clock { now: Some(NOW), skew_min: 3600, skew_max: 86_400 };
    Rules { clock, harden_algo_downgrade: false, fakes: Fakes::default() }
}

fn budget() -> Budget {
    Budget::new(100, 0)
}

fn keys(zone: &[Rrset]) -> Keys {
    let dnskey = rrset(zone, EXAMPLE, rtype::DNSKEY);
    let sep: Vec<&[u8]> = dnskey.records.iter().map(Vec::as_slice).filter(|data| data[1] & 1 == 1).collect();
    let anchor = AnchorRecords { ds: &[], dnskey: &sep };
    match dnskey.seen(|set| keys_by_anchor(anchor, set, &rules(), &mut budget())) {
        Verdict::Secure(keys, ttl) => {
            assert_eq!((keys.zone(), ttl), (EXAMPLE, 3600));
            keys
        }
        other => panic!("{other:?}"),
    }
}

fn check(set: &Rrset, keys: &Keys) -> Result<Signed, Flaw> {
    set.seen(|set| verify(set, keys, &rules().clock, &mut budget()))
}

const ZONES: [(u8, &str); 8] = [
    (5, include_str!("zones/rsasha1.zone")),
    (7, include_str!("zones/nsec3rsasha1.zone")),
    (8, include_str!("zones/rsasha256.zone")),
    (10, include_str!("zones/rsasha512.zone")),
    (13, include_str!("zones/ecdsap256sha256.zone")),
    (14, include_str!("zones/ecdsap384sha384.zone")),
    (15, include_str!("zones/ed25519.zone")),
    (16, include_str!("zones/ed448.zone")),
];

#[test]
fn zones_of_every_algorithm_verify_and_a_changed_octet_does_not() {
    for (algorithm, text) in ZONES {
        let zone = rrsets(text);
        let keys = keys(&zone);
        assert!(keys.iter().all(|key| key.algorithm == algorithm));
        let signed: Vec<&Rrset> = zone.iter().filter(|set| !set.signatures.is_empty()).collect();
        assert!(signed.len() >= 8);
        for set in signed {
            let verified = check(set, &keys).unwrap_or_else(|flaw| panic!("{algorithm} {set:?}: {flaw:?}"));
            assert_eq!((verified.ttl, verified.wildcard), (set.ttl.min(verified.original_ttl), None));

            let mut changed = set.clone();
            *changed.records[0].last_mut().unwrap() ^= 0x80;
            assert!(check(&changed, &keys).is_err(), "{algorithm} {set:?}: a record");
            let mut changed = set.clone();
            changed.signatures.iter_mut().for_each(|signature| *signature.last_mut().unwrap() ^= 1);
            assert_eq!(check(&changed, &keys), Err(Flaw::Mismatch), "{algorithm} {set:?}: the signature");
        }
    }
}

/// The seconds since 1970 at which an example's signature is valid.
fn verified_at(now: u32, zone: &str, owner: &[u8], rtype: u16) -> Result<Signed, Flaw> {
    let all = rrsets(zone);
    let dnskey = all.iter().find(|set| set.rtype == rtype::DNSKEY).expect("keys");
    let keys = dnskey.seen(|set| Keys::of(set, Vec::new(), Fakes::default()));
    let clock = Clock { now: Some(now), ..rules().clock };
    rrset(&all, owner, rtype).seen(|set| verify(set, &keys, &clock, &mut budget()))
}

#[test]
fn examples_of_rfcs_verify() {
    let www = b"\x03www\x07example\x03net\0";
    for (now, zone) in [
        (NOW, include_str!("zones/rfc5702_rsasha256.zone")),
        (NOW, include_str!("zones/rfc5702_rsasha512.zone")),
        (1_283_000_000, include_str!("zones/rfc6605_p256.zone")),
        (1_283_000_000, include_str!("zones/rfc6605_p384.zone")),
    ] {
        let signed = verified_at(now, zone, www, rtype::A).expect(zone);
        assert_eq!((signed.original_ttl, signed.wildcard), (3600, None));
    }
}

#[test]
fn times_count_with_the_skew_that_is_allowed() {
    let zone = include_str!("zones/rfc6605_p256.zone");
    let at = |now: u32| verified_at(now, zone, b"\x03www\x07example\x03net\0", rtype::A).map(|signed| signed.ttl);
    let (inception, expiration) = (1_281_607_479, 1_284_026_679);
    // A tenth of 28 days is more than the day that is the most.
    assert_eq!(at(inception - 86_401), Err(Flaw::NotYetValid));
    assert_eq!(at(inception - 86_400), Ok(3600));
    assert_eq!(at(expiration - 1800), Ok(1800), "no longer than the signature");
    assert_eq!(at(expiration + 86_399), Ok(1));
    assert_eq!(at(expiration + 86_401), Err(Flaw::Expired));
}

#[test]
fn a_wildcard_is_told_by_how_many_labels_it_has() {
    let zone = rrsets(include_str!("zones/ecdsap256sha256.zone"));
    let keys = keys(&zone);
    let mut set = rrset(&zone, b"\x01*\x04Wild\x07example\0", rtype::A);
    assert_eq!(check(&set, &keys).map(|signed| signed.wildcard), Ok(None), "asked for itself");
    for owner in
        [&b"\x01a\x04wild\x07example\0"[..], b"\x01b\x01a\x04WILD\x07Example\0", b"\x01*\x01a\x04wild\x07example\0"]
    {
        set.owner = owner.to_vec();
        assert_eq!(check(&set, &keys).map(|signed| signed.wildcard), Ok(Some(2)), "{owner:?}");
    }
    for owner in [&b"\x04wild\x07example\0"[..], b"\x01a\x04wilt\x07example\0", b"\x01a\x04wild\x06xample\0", b"\0"] {
        set.owner = owner.to_vec();
        assert_eq!(check(&set, &keys), Err(Flaw::Mismatch), "{owner:?}");
    }
}

#[test]
fn letter_case_order_and_duplicates_do_not_count() {
    let zone = rrsets(include_str!("zones/ecdsap256sha256.zone"));
    let keys = keys(&zone);
    for mut set in zone.into_iter().filter(|set| !set.signatures.is_empty()) {
        set.owner.make_ascii_uppercase();
        set.records.reverse();
        set.records.push(set.records[0].clone());
        if matches!(set.rtype, rtype::NS | rtype::MX | rtype::SRV | rtype::DNAME | 17 | 26) {
            set.records.iter_mut().for_each(|data| data.make_ascii_uppercase());
        }
        set.signatures.iter_mut().for_each(|signature| signature[18..27].make_ascii_uppercase());
        assert!(check(&set, &keys).is_ok(), "{set:?}");
    }
}
