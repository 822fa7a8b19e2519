//! How an entry lies in the ring: header, name, body, padding to [`ALIGN`]. Functions take what begins with the entry and may
//! go on behind it.

use super::{Answer, CHECKING_DISABLED, DNSSEC_OK, Hit, KeyFixed};
use crate::dns::flaw::Flaw;
use crate::dns::name::{MAX_LEN, Name};
use crate::dns::record::{Record, read_name};
use crate::dns::{body, get_u16, get_u32, header, rtype};

const LEN: usize = 0; // u32, whole entry; its top bit: DEAD
const HASH: usize = 4; // u64
const KEPT: usize = 12; // u32, second it came
const EXPIRES: usize = 16; // u32
const QTYPE: usize = 20; // u16
const QCLASS: usize = 22; // u16
const COUNTS: usize = 24; // 3 x u16
const BODY_LEN: usize = 30; // u16
const RCODE: usize = 32; // u8
const BITS: usize = 33; // u8: DO, CD and the states below
const NAME_LEN: usize = 34; // u8
const FLAW: usize = 35; // u8
const REFRESH: usize = 36; // u32, second from which it is to be asked anew by who uses it
const HEADER: usize = 40;

const KEY_BITS: u8 = DNSSEC_OK | CHECKING_DISABLED;
/// The answer is validated.
const SECURE: u8 = 0x08;
const ROTATES: u8 = 0x10;
const USED: u8 = 0x20;
/// The answer goes by an alias.
const ALIASED: u8 = 0x40;
/// In LEN: padding up to the ring's end, or an entry that was flushed or replaced. It stands in the first word because
/// padding may be shorter than a header.
const DEAD: u32 = 0x8000_0000;

/// Entries begin at multiples of this, and are multiples of it long.
pub(super) const ALIGN: usize = 8;
/// More than any entry takes: header, name, body.
pub(super) const LONGEST: usize = HEADER + MAX_LEN + 65536;

/// Octets of an entry.
pub(super) fn size(name: &[u8], answer: Answer<'_>) -> usize {
    (HEADER + name.len() + answer.body.len()).next_multiple_of(ALIGN)
}

/// Writes an entry over `entry`, which is as long as [`size`] says. `hash` is that of name and key together.
pub(super) fn write(entry: &mut [u8], name: &[u8], hash: u64, key: KeyFixed, answer: Answer<'_>, kept: u32, ttl: u32) {
    let len = entry.len();
    entry[LEN..HASH].copy_from_slice(&(len as u32).to_be_bytes());
    entry[HASH..KEPT].copy_from_slice(&hash.to_be_bytes());
    entry[KEPT..EXPIRES].copy_from_slice(&kept.to_be_bytes());
    entry[EXPIRES..QTYPE].copy_from_slice(&kept.saturating_add(ttl).to_be_bytes());
    entry[QTYPE..QCLASS].copy_from_slice(&key.qtype.to_be_bytes());
    entry[QCLASS..COUNTS].copy_from_slice(&key.qclass.to_be_bytes());
    for (place, count) in answer.counts.into_iter().enumerate() {
        entry[COUNTS + 2 * place..][..2].copy_from_slice(&count.to_be_bytes());
    }
    entry[BODY_LEN..RCODE].copy_from_slice(&(answer.body.len() as u16).to_be_bytes());
    let mut states = if answer.secure { SECURE } else { 0 };
    for set in body::rrsets(answer.body, answer.counts) {
        states |= if set.records > 1 { ROTATES } else { 0 };
        let is_alias = set.section == 0 && matches!(set.rtype, rtype::CNAME | rtype::DNAME);
        states |= if is_alias { ALIASED } else { 0 };
    }
    entry[RCODE] = answer.rcode as u8;
    entry[BITS] = key.bits & KEY_BITS | states;
    entry[NAME_LEN] = name.len() as u8;
    entry[FLAW] = answer.flaw as u8;
    set_refresh(entry, kept.saturating_add(ttl - ttl / 10));
    entry[HEADER..HEADER + name.len()].copy_from_slice(name);
    entry[HEADER + name.len()..][..answer.body.len()].copy_from_slice(answer.body);
}

/// Sets the second from which it is to be asked anew by who uses it.
pub(super) fn set_refresh(entry: &mut [u8], second: u32) {
    entry[REFRESH..REFRESH + 4].copy_from_slice(&second.to_be_bytes());
}

/// Writes padding of `len` octets over what begins with it.
pub(super) fn write_padding(entry: &mut [u8], len: usize) {
    entry[..HASH].copy_from_slice(&(len as u32 | DEAD).to_be_bytes());
}

/// Whether it was kept under this name and key.
#[inline]
pub(super) fn is_of(entry: &[u8], name: &[u8], key: KeyFixed) -> bool {
    entry.get(HEADER..HEADER + name.len()) == Some(name)
        && usize::from(entry[NAME_LEN]) == name.len()
        && get_u16(entry, QTYPE) == Some(key.qtype)
        && get_u16(entry, QCLASS) == Some(key.qclass)
        && entry[BITS] & KEY_BITS == key.bits
}

/// The answer in an entry with a name of `name_len` octets, unless it has expired by `now`; the entry counts as used.
#[inline]
pub(super) fn read(entry: &mut [u8], name_len: usize, now: u32) -> Option<Hit<'_>> {
    let expires = get_u32(entry, EXPIRES)?;
    if expires <= now {
        return None;
    }
    set_used(entry);
    let kept = get_u32(entry, KEPT)?;
    let body = HEADER + name_len;
    let body_len = usize::from(get_u16(entry, BODY_LEN)?);
    Some(Hit {
        answer: Answer {
            rcode: u16::from(entry[RCODE]),
            counts: [0, 2, 4].map(|part| get_u16(entry, COUNTS + part).unwrap_or(0)),
            body: entry.get(body..body + body_len)?,
            secure: entry[BITS] & SECURE != 0,
            flaw: Flaw::from_number(entry[FLAW]),
        },
        age: now.saturating_sub(kept),
        left: expires - now,
        fresh: get_u32(entry, REFRESH)?.saturating_sub(now),
        rotates: entry[BITS] & ROTATES != 0,
    })
}

/// Whether it failed to validate, or was told unchecked.
pub(super) fn is_unproven(entry: &[u8]) -> bool {
    entry[FLAW] != Flaw::None as u8 || entry[BITS] & (CHECKING_DISABLED | SECURE) == CHECKING_DISABLED
}

/// An entry's length, and whether it is dead.
pub(super) fn len(entry: &[u8]) -> (usize, bool) {
    let word = get_u32(entry, LEN).unwrap_or(DEAD);
    (((word & !DEAD) as usize).max(ALIGN), word & DEAD != 0)
}

/// Marks it dead.
pub(super) fn bury(entry: &mut [u8]) {
    entry[LEN] |= (DEAD >> 24) as u8;
}

/// The hash of name and key it was written with.
pub(super) fn hash(entry: &[u8]) -> u64 {
    let mut octets = [0; 8];
    octets.copy_from_slice(&entry[HASH..KEPT]);
    u64::from_be_bytes(octets)
}

/// Whether it was asked for since it was written.
pub(super) fn is_used(entry: &[u8]) -> bool {
    entry[BITS] & USED != 0
}

/// Notes that it was asked for.
pub(super) fn set_used(entry: &mut [u8]) {
    entry[BITS] |= USED;
}

/// Forgets that it was asked for.
pub(super) fn set_unused(entry: &mut [u8]) {
    entry[BITS] &= !USED;
}

/// Its name, wire form.
pub(super) fn name(entry: &[u8]) -> &[u8] {
    &entry[HEADER..HEADER + usize::from(entry[NAME_LEN])]
}

/// Its QTYPE.
pub(super) fn qtype(entry: &[u8]) -> u16 {
    get_u16(entry, QTYPE).unwrap_or(0)
}

/// Whether an answer that goes by an alias has a record in its answer section of which `wanted` is true, by owner and type.
/// It is laid out in `message`, which has the room, so that its pointers lead where they should.
pub(super) fn has_on_its_way(entry: &[u8], message: &mut Vec<u8>, wanted: impl Fn(&[u8], u16) -> bool) -> bool {
    if entry[BITS] & ALIASED == 0 {
        return false;
    }
    let name = name(entry);
    let body = &entry[HEADER + name.len()..][..usize::from(get_u16(entry, BODY_LEN).unwrap_or(0))];
    message.clear();
    message.resize(header::LEN, 0);
    message.extend_from_slice(name);
    message.extend_from_slice(&[0; body::QUESTION_FIXED]);
    let mut at = message.len();
    message.extend_from_slice(body);
    let message = message.as_slice();
    let records = get_u16(entry, COUNTS).unwrap_or(0);
    let mut owners = (0..records).map_while(|_| {
        let record = Record::at(message, at)?;
        let (owner, _): (Name, usize) = read_name(message, at)?;
        at = record.end();
        Some((owner, record.rtype))
    });
    owners.any(|(owner, rtype)| wanted(owner.as_wire(), rtype))
}

/// Whether it has no records of its own: another code than NOERROR, or an empty answer section.
pub(super) fn is_negative(entry: &[u8]) -> bool {
    entry[RCODE] != 0 || get_u16(entry, COUNTS) == Some(0)
}
