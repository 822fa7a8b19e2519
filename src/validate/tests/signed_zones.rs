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
