//! A reply becomes what a slot tells.

use crate::answer::Repeatable;
use crate::dns::body::{records, rrsets};
use crate::dns::header::{self, flag};
use crate::dns::record::Record;
use crate::dns::rtype;
use crate::xdp::answers::{LONGEST_BODY, MOST_TTLS, Reply, Rotated};
use arrayvec::ArrayVec;

/// Whether a reply, whose question ends at `end`, was not cut, and a slot has room for it and rotates as it does.
pub(super) fn has_room(reply: &[u8], end: usize, noted: &Repeatable) -> bool {
    let [_, counts @ ..] = header::counts(reply);
    let is_whole = header::flags(reply) & flag::TC == 0 && records(counts) == noted.records;
    let few_ttls = !noted.ages || noted.records <= MOST_TTLS as u32 + u32::from(noted.edns.is_some());
    let body = reply.get(end..).unwrap_or(&[]);
    is_whole && few_ttls && body.len() <= LONGEST_BODY && (!noted.rotates || rotated(body, counts).is_some())
}

/// A reply, written in second `now`, whose question ends at `end` and that [`has_room`]. `None`: it is no whole message.
pub(super) fn of(reply: &[u8], end: usize, noted: &Repeatable, now: u32) -> Option<Reply> {
    let [_, counts @ ..] = header::counts(reply);
    let octets = reply.get(end..)?;
    let mut body: ArrayVec<u8, LONGEST_BODY> = octets.try_into().ok()?;
    let rotated = if noted.rotates { Some(rotated(octets, counts)?) } else { None };
    if let Some(set) = rotated {
        turn_back(&mut body, set, header::id(reply));
    }
    let ttls = if noted.ages { ttls(reply, end, noted.records)? } else { ArrayVec::new() };
    let head = *reply.get(2..)?.first_chunk()?;
    Some(Reply { head, body, ttls, rotated, second: now, until: noted.until })
}

/// Where TTLs stand that count down, from the end of the question on.
fn ttls(reply: &[u8], end: usize, records: u32) -> Option<ArrayVec<u16, MOST_TTLS>> {
    let mut ttls = ArrayVec::new();
    let mut at = end;
    for _ in 0..records {
        let record = Record::at(reply, at)?;
        if record.rtype != rtype::OPT {
            ttls.try_push((record.fixed + 4 - end) as u16).ok()?;
        }
        at = record.end();
    }
    Some(ttls)
}

/// The one RRset of several records, if they are of one length.
fn rotated(body: &[u8], counts: [u16; 3]) -> Option<Rotated> {
    let mut several = rrsets(body, counts).filter(|set| set.records > 1);
    let set = several.next().filter(|_| several.next().is_none())?;
    let (at, records) = (set.octets.start, usize::from(set.records));
    let stride = set.octets.len() / records;
    let is_even = (1..=records).all(|count| {
        let start = at + (count - 1) * stride;
        Record::at(body, start).is_some_and(|record| record.end() == at + count * stride)
    });
    let rotated = || Rotated { at: at as u16, stride: stride as u16, records: records as u8 };
    (is_even && records <= usize::from(u8::MAX)).then(rotated)
}

/// Puts the records of an RRset, rotated by `id`, in the order that they have without.
fn turn_back(body: &mut [u8], set: Rotated, id: u16) {
    let (at, stride, records) = (usize::from(set.at), usize::from(set.stride), usize::from(set.records));
    let skip = usize::from(id) % records * stride;
    if let Some(octets) = body.get_mut(at..at + records * stride) {
        octets.rotate_right(skip);
    }
}
