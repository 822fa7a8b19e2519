//! A zone that is signed here, as wrongly as a test wants it.

use super::zone::Rrset;
use crate::dns::rtype;
use crate::validate::canonical;
use crate::validate::dnskey::{SEP, ZONE, key_tag};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

/// 2026-06-01, where the signatures made here are valid.
pub const NOW: u32 = 1_780_272_000;
/// The zone.
pub const EXAMPLE: &[u8] = b"\x07example\0";

/// A key of Ed25519.
pub struct Signer {
    pair: Ed25519KeyPair,
    pub data: Vec<u8>,
}

impl Signer {
    pub fn new(seed: u8) -> Signer {
        Signer::with_flags(seed, ZONE | SEP)
    }

    pub fn with_flags(seed: u8, flags: u16) -> Signer {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a seed");
        let mut data = flags.to_be_bytes().to_vec();
        data.extend_from_slice(&[3, 15]);
        data.extend_from_slice(pair.public_key().as_ref());
        Signer { pair, data }
    }

    pub fn ds(&self) -> Vec<u8> {
        let mut ds = key_tag(&self.data).to_be_bytes().to_vec();
        ds.extend_from_slice(&[15, 2]);
        ds.extend_from_slice(digest(&SHA256, &[EXAMPLE, &self.data].concat()).as_ref());
        ds
    }

    /// Adds a signature, which `change` may change before it is made.
    pub fn sign(&self, set: &mut Rrset, change: impl FnOnce(&mut Vec<u8>)) {
        let mut head = set.rtype.to_be_bytes().to_vec();
        head.extend_from_slice(&[15, canonical::labels(&set.owner)]);
        for field in [set.ttl, NOW + 10_000, NOW - 10_000] {
            head.extend_from_slice(&field.to_be_bytes());
        }
        head.extend_from_slice(&key_tag(&self.data).to_be_bytes());
        head.extend_from_slice(EXAMPLE);
        change(&mut head);
        let mut signed = head.clone();
        let records: Vec<&[u8]> = set.records.iter().map(Vec::as_slice).collect();
        for data in canonical::records(set.rtype, &records) {
            signed.extend_from_slice(&set.owner);
            signed.extend_from_slice(&set.rtype.to_be_bytes());
            signed.extend_from_slice(&[0, 1]);
            signed.extend_from_slice(&head[4..8]);
            signed.extend_from_slice(&(data.len() as u16).to_be_bytes());
            signed.extend_from_slice(&data);
        }
        head.extend_from_slice(self.pair.sign(&signed).as_ref());
        set.signatures.push(head);
    }
}

/// An RRset of the zone without signatures.
pub fn set_of(owner: &[u8], rtype: u16, records: &[&[u8]]) -> Rrset {
    let records = records.iter().map(|data| data.to_vec()).collect();
    Rrset { owner: owner.to_vec(), rtype, ttl: 300, records, signatures: Vec::new() }
}

/// The DNSKEY RRset of these keys, signed by the first so many of them.
pub fn dnskey_of(keys: &[&Signer], signing: usize) -> Rrset {
    let records: Vec<&[u8]> = keys.iter().map(|key| key.data.as_slice()).collect();
    let mut set = set_of(EXAMPLE, rtype::DNSKEY, &records);
    keys.iter().take(signing).for_each(|key| key.sign(&mut set, |_| {}));
    set
}
