//! Answers made from records that denied something else (RFC 8198).

use super::Flaw;
use super::hash::Hash;
use super::nsec::{Nsec, Nsecs};
use super::nsec3::{Above, Chain, Nsec3, Nsec3s};
use super::proof::wildcard;
use super::types::{Said, Types};
use crate::dns::name::{MAX_LEN, label_count};
use arrayvec::ArrayVec;

/// Most records that prove one answer.
pub const MOST: usize = 3;
/// Types of queries, which no record has (RFC 6895 section 3.1).
const QUERY_TYPES: std::ops::RangeInclusive<u16> = 128..=255;

/// What can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The name does not exist.
    NameError,
    /// It has no record of the type.
    NoData,
    /// What the wildcard has, where that is known and validated: `*` below the last `labels` labels of the name. It is not
    /// known to have nothing.
    Wildcard {
        /// Labels of the closest encloser.
        labels: u8,
    },
}

/// An answer and the records that prove it, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synthesis<R> {
    /// The answer.
    pub answer: Answer,
    /// [`Nsec`] records, or hashes of NSEC3 records.
    pub proof: ArrayVec<R, MOST>,
}

impl<R: PartialEq> Synthesis<R> {
    fn new(answer: Answer, records: impl IntoIterator<Item = R>) -> Synthesis<R> {
        let mut proof = ArrayVec::new();
        for record in records.into_iter().take(MOST) {
            if !proof.contains(&record) {
                proof.push(record);
            }
        }
        Synthesis { answer, proof }
    }
}

/// By NSEC records (RFC 8198 sections 5.1, 5.3).
pub fn by_nsec<'r>(records: &'r impl Nsecs, qname: &[u8], qtype: u16) -> Option<Synthesis<Nsec<'r>>> {
    let is_record = !QUERY_TYPES.contains(&qtype);
    if let Some((nsec, said)) = at(records, qname, qtype) {
        return (said == Said::Absent && is_record).then(|| Synthesis::new(Answer::NoData, [nsec]));
    }
    let over = records.denying(qname)?;
    let encloser = over.encloser(qname);
    let mut buffer = [0; MAX_LEN];
    let wildcard = wildcard(encloser, &mut buffer)?;
    if let Some(nsec) = records.denying(wildcard) {
        return Some(Synthesis::new(Answer::NameError, [over, nsec]));
    }
    let (answer, nsec) = match at(records, wildcard, qtype) {
        _ if !is_record => return None,
        // A wildcard is no zone cut (RFC 4592 section 4.2).
        Some((nsec, _)) if nsec.owner.eq_ignore_ascii_case(wildcard) && nsec.types.is_cut() => return None,
        Some((nsec, Said::Absent)) => (Answer::NoData, Some(nsec)),
        _ => (Answer::Wildcard { labels: label_count(encloser) as u8 }, None),
    };
    Some(Synthesis::new(answer, [over].into_iter().chain(nsec)))
}

/// The record that says what is at exactly `name`, and what it says.
fn at<'r>(records: &'r impl Nsecs, name: &[u8], qtype: u16) -> Option<(Nsec<'r>, Said)> {
    let exact = records.at(name).map(|nsec| (nsec, say(nsec.types, name, qtype)));
    exact.or_else(|| records.above(name).map(|nsec| (nsec, Said::Absent)))
}

fn say(types: Types<'_>, name: &[u8], qtype: u16) -> Said {
    types.say(qtype, name == [0])
}

/// By NSEC3 records, where none of them has opt-out (RFC 8198 section 5.2).
///
/// # Errors
/// [`Flaw::Work`].
pub fn by_nsec3<S: Nsec3s>(
    chain: &mut Chain<'_, '_, S>,
    qname: &[u8],
    qtype: u16,
) -> Result<Option<Synthesis<Hash>>, Flaw> {
    let is_record = !QUERY_TYPES.contains(&qtype);
    let is_absent = |nsec3: &Nsec3<'_>, name| say(nsec3.types, name, qtype) == Said::Absent && is_record;
    if let Some(nsec3) = chain.matching(qname)? {
        return Ok(is_absent(&nsec3, qname).then(|| Synthesis::new(Answer::NoData, [nsec3.owner])));
    }
    let Above::Encloser { name, at, span } = chain.above(qname)? else { return Ok(None) };
    let mut buffer = [0; MAX_LEN];
    let Some(wildcard) = wildcard(name, &mut buffer).filter(|_| !span.opt_out) else { return Ok(None) };
    let made = |answer, wildcard: Option<Nsec3<'_>>| {
        let records = [at, span].into_iter().chain(wildcard);
        Ok(Some(Synthesis::new(answer, records.map(|nsec3| nsec3.owner))))
    };
    match chain.matching(wildcard)? {
        Some(nsec3) if nsec3.types.is_cut() => return Ok(None),
        Some(nsec3) if is_absent(&nsec3, wildcard) => return made(Answer::NoData, Some(nsec3)),
        Some(_) => {}
        None => {
            if let Some(nsec3) = chain.covering(wildcard)?.filter(|nsec3| !nsec3.opt_out) {
                return made(Answer::NameError, Some(nsec3));
            }
        }
    }
    if is_record { made(Answer::Wildcard { labels: label_count(name) as u8 }, None) } else { Ok(None) }
}
