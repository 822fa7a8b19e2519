//! Any octets as an RRset, its signatures, and the keys and DS of a zone: what comes of them does not depend on the order of
//! records, costs no more than it may, and keeps to what a valid signature says.
//!
//! Octets: choices, time from the inception of the first signature, type; the owner and records follow, two octets of length
//! and one of what it is before each.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbound::dns::name::uncompressed_len;
use runbound::validate::algorithm::Fakes;
use runbound::validate::chain::{AnchorRecords, Rules, Verdict, keys_by_anchor, keys_by_ds};
use runbound::validate::dnskey::key_tag;
use runbound::validate::signature::Rrsig;
use runbound::validate::{Budget, Clock, Keys, Set, canonical, verify};

const SIGNATURES: u32 = 40;
/// Most keys that are tried for one RRset.
const TRIES: u32 = 9;
const DNSKEY: u16 = 48;
const DS: u16 = 43;

/// What the fuzzer made.
#[derive(Default)]
struct Input<'a> {
    owner: &'a [u8],
    records: Vec<&'a [u8]>,
    keys: Vec<&'a [u8]>,
    ds: Vec<&'a [u8]>,
    signatures: Vec<Vec<u8>>,
    key_signatures: Vec<Vec<u8>>,
}

fn input(mut octets: &[u8], is_tag_set: bool) -> Input<'_> {
    let mut found = Input { owner: b"\0", ..Input::default() };
    while let Some(([kind, high, low], rest)) = octets.split_first_chunk::<3>() {
        let (piece, behind) = rest.split_at(rest.len().min(usize::from(u16::from_be_bytes([*high, *low]))));
        match kind % 6 {
            0 if uncompressed_len(piece, 0) == Some(piece.len()) => found.owner = piece,
            1 => found.records.push(piece),
            2 => found.keys.push(piece),
            3 => found.ds.push(piece),
            4 => found.signatures.push(piece.to_vec()),
            5 => found.key_signatures.push(piece.to_vec()),
            _ => {}
        }
        octets = behind;
    }
    if is_tag_set && let Some(key) = found.keys.first() {
        for signature in found.signatures.iter_mut().chain(&mut found.key_signatures) {
            if let Some(tag) = signature.get_mut(16..18) {
                tag.copy_from_slice(&key_tag(key).to_be_bytes());
            }
        }
    }
    found
}

/// The zone that the first signature names.
fn zone(signatures: &[Vec<u8>]) -> Vec<u8> {
    signatures.iter().find_map(|data| Some(Rrsig::parse(data)?.signer.to_vec())).unwrap_or_else(|| vec![0])
}

fn seen(signatures: &[Vec<u8>]) -> Vec<&[u8]> {
    signatures.iter().map(Vec::as_slice).collect()
}

fn check(set: &Set<'_>, keys: &Keys, clock: &Clock) {
    let mut budget = Budget::new(SIGNATURES, 0);
    let verified = verify(set, keys, clock, &mut budget);
    assert!(budget.checked <= TRIES && budget.checked + budget.signatures <= SIGNATURES);
    if let Ok(signed) = verified {
        assert!(signed.ttl <= set.ttl && signed.ttl <= signed.original_ttl);
        assert!(signed.wildcard.is_none_or(|labels| labels < canonical::labels(set.owner)));
    }
    let mut records: Vec<&[u8]> = set.records.to_vec();
    records.reverse();
    records.extend_from_slice(set.records);
    let other = Set { records: &records, ..*set };
    assert_eq!(verify(&other, keys, clock, &mut Budget::new(SIGNATURES, 0)), verified);
}

fuzz_target!(|octets: &[u8]| {
    let Some(([choice, late, high, low], rest)) = octets.split_first_chunk::<4>() else { return };
    let input = input(rest, choice & 1 != 0);
    let inception = input.signatures.iter().chain(&input.key_signatures).find_map(|data| Rrsig::parse(data));
    let now = inception.map_or(0, |rrsig| rrsig.inception.wrapping_add(u32::from(*late)));
    let fakes = Fakes { dsa: choice & 2 != 0, sha1: choice & 4 != 0 };
    let clock = Clock { now: (choice & 8 == 0).then_some(now), skew_min: 3, skew_max: 30 };
    let rules = Rules { clock, harden_algo_downgrade: choice & 16 != 0, fakes };
    let rtype = u16::from_be_bytes([*high, *low]);
    let (signatures, key_signatures) = (seen(&input.signatures), seen(&input.key_signatures));

    let zone = zone(&input.signatures);
    let dnskey =
        Set { owner: &zone, rtype: DNSKEY, class: 1, ttl: 60, records: &input.keys, signatures: &key_signatures };
    let keys = Keys::of(&dnskey, Vec::new(), fakes);
    let set = Set { owner: input.owner, rtype, class: 1, ttl: 60, records: &input.records, signatures: &signatures };
    check(&set, &keys, &clock);

    let ds = Set { rtype: DS, records: &input.ds, signatures: &[], ..dnskey };
    let mut budget = Budget::new(SIGNATURES, 0);
    if let Verdict::Secure(keys, ttl) = keys_by_ds(&ds, &dnskey, &rules, &mut budget) {
        assert!(ttl <= dnskey.ttl);
        check(&set, &keys, &clock);
    }
    let anchor = AnchorRecords { ds: &input.ds, dnskey: &input.keys };
    let _ = keys_by_anchor(anchor, &dnskey, &rules, &mut budget);
    assert!(budget.checked <= SIGNATURES);
});
