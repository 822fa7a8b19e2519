//! Aliases made by redirect zones: a CNAME of ours in front of whatever its target gives.

use super::cache::Answer;
use super::zones::RrsetRef;
use crate::dns::body::{self, BodyWriter, Fixed};
use crate::dns::header::{self, flag};
use crate::dns::name::{MAX_LEN, Name};
use crate::dns::rcode;
use crate::dns::record::Record;
use crate::dns::scan::{HashKey, NameScan};

/// Scans the target of a redirect zone's CNAME into `alias`, `*` expanded to the query's name; gives the CNAME's TTL.
/// `None` when the expansion is too long (RFC 6672 section 2.2: YXDOMAIN).
pub(super) fn scan_target(alias: &mut NameScan, qname: &[u8], set: RrsetRef<'_>, key: HashKey) -> Option<u32> {
    let record = Record::at(set.octets, 0)?;
    let target = set.octets.get(record.rdata.clone())?;
    let mut wire = [0u8; MAX_LEN + 1];
    let wire = if target.starts_with(b"\x01*") {
        let labels = &qname[..qname.len() - 1];
        let tail = &target[2..];
        let expanded = wire.get_mut(..labels.len() + tail.len())?;
        expanded[..labels.len()].copy_from_slice(labels);
        expanded[labels.len()..].copy_from_slice(tail);
        expanded
    } else {
        target
    };
    alias.scan(wire, key)?;
    Some(record.ttl)
}

/// Writes an alias's CNAME and the answer for its target as one body behind the query's own name. Gives the answer and
/// the flags to add: the alias is ours, so AA.
pub(super) fn put_in_front<'a>(
    scratch: &mut [u8],
    rebuilt: &'a mut [u8],
    qname: &[u8],
    target: &[u8],
    fixed: Fixed,
    answer: Answer<'_>,
    age: u32,
) -> Option<(Answer<'a>, u16)> {
    let start = header::LEN + target.len() + body::QUESTION_FIXED;
    scratch[header::LEN..header::LEN + target.len()].copy_from_slice(target);
    scratch.get_mut(start..start + answer.body.len())?.copy_from_slice(answer.body);
    let message = &scratch[..start + answer.body.len()];
    let mut writer = BodyWriter::new(rebuilt, qname)?;
    writer.push(0, qname, fixed, target, true)?;
    let mut sets = body::rrsets(answer.body, answer.counts).flat_map(|set| (0..set.records).map(move |_| set.records));
    body::for_each_record(message, start, answer.counts, |section, owner: &Name, fixed, data| {
        let single = sets.next() == Some(1);
        let fixed = Fixed { ttl: fixed.ttl.saturating_sub(age), ..fixed };
        writer.push(section, owner.as_wire(), fixed, data, single)
    })?;
    let (counts, place) = writer.finish();
    let extra = if matches!(answer.rcode, rcode::NOERROR | rcode::NXDOMAIN) { flag::AA } else { 0 };
    // The alias is ours: nothing that it leads to is proven with it.
    Some((Answer { flaw: answer.flaw, ..Answer::new(answer.rcode, counts, &rebuilt[place]) }, extra))
}
