//! Writing the body of a response: the records of the alias chain so far, then those of the reply.

use super::normalize::{Normalizer, Piece};
use super::reply::{Reply, Set, same_name};
use super::ttl::WITHOUT_RECORDS;
use crate::dns::body::{BodyWriter, Counts, Fixed};
use crate::dns::name::Name;
use crate::dns::record::{Record, expand_rdata, layout, read_name};
use crate::dns::{class, get_u16, header, rcode, rtype};

/// Records gathered on the way along an alias chain, as a message that starts with the question.
#[derive(Default)]
pub struct Chain {
    message: Vec<u8>,
    start: usize,
    counts: Counts,
    ttl: u32,
}

/// Chains that nobody uses, for those who need one.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "they move between here and the questions without an allocation")]
pub struct SpareChains(Vec<Box<Chain>>);

impl SpareChains {
    /// Octets of room that a chain may keep: long ones are rare, and each question in flight may have had one.
    const ROOM: usize = 2048;

    /// One without records.
    pub fn take(&mut self) -> Option<Box<Chain>> {
        self.0.pop()
    }

    /// Takes one back.
    pub fn put_back(&mut self, mut chain: Box<Chain>) {
        chain.message.clear();
        chain.message.shrink_to(Self::ROOM);
        self.0.push(chain);
    }
}

/// What the records are written for.
pub struct Target<'a> {
    /// The name the worker asked for.
    pub name: &'a Name,
    /// The name this reply was asked for, as it stands at octet 12 of it.
    pub asked: Name,
    /// QTYPE.
    pub qtype: u16,
    /// DNSSEC records are wanted.
    pub dnssec_ok: bool,
    /// `minimal-responses:`
    pub minimal: bool,
}

/// A body that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Records per section.
    pub counts: Counts,
    /// Its octets within the buffer.
    pub place: std::ops::Range<usize>,
    /// Seconds it may be cached.
    pub ttl: u32,
}

/// The reply cannot be told on: malformed inside a record, or too long written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwritable;

/// Buffers and parts that a body is made from.
pub struct Composer<'a> {
    /// The reply.
    pub message: &'a [u8],
    /// It taken apart, its sets marked.
    pub reply: &'a Reply,
    /// Its answer section.
    pub answer: &'a Normalizer,
    /// What it is for.
    pub target: Target<'a>,
    /// Room for the data of one record.
    pub rdata: &'a mut [u8],
}

impl Composer<'_> {
    /// Writes the body of a whole answer behind the question in `out`, `chain` first. Sections are left out as
    /// positive_answer() and negative_answer() in Unbound's msgencode.c have it.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub fn answer(&mut self, chain: Option<&Chain>, out: &mut [u8]) -> Result<Written, Unwritable> {
        let mut ttl = chain.map_or(u32::MAX, |chain| chain.ttl);
        let mut writer = BodyWriter::new(out, self.target.name.as_wire()).ok_or(Unwritable)?;
        self.write_answer(chain, &mut writer, &mut ttl).ok_or(Unwritable)?;
        let authority = !(self.target.minimal && self.is_positive(chain));
        self.write_section(1, chain, authority, &mut writer, &mut ttl).ok_or(Unwritable)?;
        if authority && !(self.target.minimal && self.is_negative(chain)) {
            self.write_section(2, None, true, &mut writer, &mut ttl).ok_or(Unwritable)?;
        }
        let (counts, place) = writer.finish();
        let ttl = if ttl == u32::MAX { WITHOUT_RECORDS } else { ttl };
        Ok(Written { counts, place, ttl })
    }

    /// Writes the chain so far, this reply's part of it included, to `out` and from there to `chain`.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub fn extend(&mut self, chain: &mut Chain, out: &mut [u8]) -> Result<(), Unwritable> {
        let mut ttl = if chain.message.is_empty() { u32::MAX } else { chain.ttl };
        let before = (!chain.message.is_empty()).then_some(&*chain);
        let mut writer = BodyWriter::new(out, self.target.name.as_wire()).ok_or(Unwritable)?;
        self.write_answer(before, &mut writer, &mut ttl).ok_or(Unwritable)?;
        self.write_section(1, before, true, &mut writer, &mut ttl).ok_or(Unwritable)?;
        let (counts, place) = writer.finish();
        chain.set(out, &Written { counts, place, ttl });
        Ok(())
    }

    fn write_answer(&mut self, chain: Option<&Chain>, writer: &mut BodyWriter, ttl: &mut u32) -> Option<()> {
        if let Some(chain) = chain {
            chain.copy(0, writer, self.rdata, |_, _| false)?;
        }
        let answer = self.answer;
        for piece in &answer.answer {
            match piece {
                Piece::Alias { owner, target, ttl: alias_ttl } => {
                    let fixed = Fixed { rtype: rtype::CNAME, class: class::IN, ttl: *alias_ttl };
                    *ttl = (*ttl).min(*alias_ttl);
                    writer.push(0, owner.as_wire(), fixed, target.as_wire(), true)?;
                }
                Piece::Set(place) => {
                    let set = &self.reply.sets[*place as usize];
                    *ttl = (*ttl).min(set.ttl);
                    let is_told = || {
                        let owner = read_name(self.message, set.owner).map(|(owner, _)| owner);
                        chain.zip(owner).is_some_and(|(chain, owner)| chain.has_dname(owner.as_wire()))
                    };
                    if set.rtype == rtype::DNAME && is_told() {
                        continue;
                    }
                    self.write_set(set, true, true, writer)?;
                }
            }
        }
        Some(())
    }

    /// The authority or additional section; its TTLs count even when it is not written out.
    fn write_section(
        &mut self,
        section: usize,
        chain: Option<&Chain>,
        written: bool,
        writer: &mut BodyWriter,
        ttl: &mut u32,
    ) -> Option<()> {
        let (message, reply) = (self.message, self.reply);
        let sets = reply.sets.iter().filter(|set| set.section == section && set.kept);
        if let (Some(chain), true) = (chain, written) {
            let comes = |owner: &[u8], rtype| {
                sets.clone().any(|set| set.rtype == rtype && same_name(message, set.owner, owner, 0))
            };
            chain.copy(section, writer, self.rdata, comes)?;
        }
        for set in sets.clone() {
            *ttl = (*ttl).min(set.ttl);
            if written {
                // Of the additional section, signatures come last: they are the first to be done without.
                self.write_set(set, true, section == 1, writer)?;
            }
        }
        if section == 2 && written {
            for set in sets {
                self.write_set(set, false, true, writer)?;
            }
        }
        Some(())
    }

    fn write_set(&mut self, set: &Set, data: bool, signatures: bool, writer: &mut BodyWriter) -> Option<()> {
        let told = told_of((set.section, set.rtype), (self.target.qtype, self.target.dnssec_ok));
        if data && told.data {
            self.write_records(set, (set.section, set.ttl), writer)?;
        }
        let reply = self.reply;
        if signatures
            && told.signatures
            && let Some(over) = reply.sets.get(set.signatures as usize)
        {
            // They may have come in another section.
            self.write_records(over, (set.section, set.ttl), writer)?;
        }
        Some(())
    }

    fn write_records(&mut self, set: &Set, (section, ttl): (usize, u32), writer: &mut BodyWriter) -> Option<()> {
        let fixed = Fixed { rtype: set.rtype, class: set.class, ttl };
        // RRSIGs over several types may come to stand together, and are one RRset to a reader.
        let single = set.count == 1 && set.rtype != rtype::RRSIG;
        let owner = match self.message.get(set.owner..set.owner + 2) {
            Some([0xc0, 12]) => self.target.asked,
            _ => read_name(self.message, set.owner)?.0,
        };
        let reply = self.reply;
        for record in reply.records(set) {
            let data = match layout(set.rtype) {
                None => self.message.get(record.rdata.clone())?,
                Some(_) => {
                    let len = expand_rdata(self.message, record, self.rdata)?;
                    self.rdata.get(..len)?
                }
            };
            writer.push(section, owner.as_wire(), fixed, data, single)?;
        }
        Some(())
    }

    fn is_positive(&self, chain: Option<&Chain>) -> bool {
        let proves = |rtype| matches!(rtype, rtype::NSEC | rtype::NSEC3);
        self.reply.rcode == rcode::NOERROR
            && self.target.qtype != rtype::NS
            && self.answer.has_type(self.reply, self.target.qtype)
            && !self.reply.sets.iter().any(|set| set.kept && set.section == 1 && proves(set.rtype))
            && chain.is_none_or(|chain| chain.counts[1] == 0)
    }

    fn is_negative(&self, chain: Option<&Chain>) -> bool {
        let has = |rtype| self.reply.sets.iter().any(|set| set.kept && (set.section, set.rtype) == (1, rtype));
        match self.reply.rcode {
            rcode::NXDOMAIN => true,
            rcode::NOERROR if chain.is_some() || !self.answer.answer.is_empty() => false,
            rcode::NOERROR => has(rtype::SOA) || !has(rtype::NS),
            _ => false,
        }
    }
}

impl Chain {
    /// Takes the place of all there is: what was written, whose beginning is that.
    pub fn set(&mut self, out: &[u8], written: &Written) {
        self.message.clear();
        self.message.extend_from_slice(&out[..written.place.end]);
        (self.start, self.counts, self.ttl) = (written.place.start, written.counts, written.ttl);
    }

    /// It as a whole message.
    pub fn message(&self) -> Vec<u8> {
        let mut message = self.message.clone();
        let [answers, authorities, additionals] = self.counts;
        header::set_flags(&mut message, header::flag::QR);
        header::set_counts(&mut message, [1, answers, authorities, additionals]);
        message
    }

    /// Seconds that the records may be kept.
    pub fn ttl(&self) -> u32 {
        self.ttl
    }

    /// True when the authority section has records.
    pub fn has_authority(&self) -> bool {
        self.counts[1] > 0
    }

    /// True when the DNAME of an owner, wire form, is among the aliases: it may be used more than once, and is told once.
    pub fn has_dname(&self, owner: &[u8]) -> bool {
        let mut at = self.start;
        (0..self.counts[0])
            .map_while(|_| {
                let record = Record::at(&self.message, at)?;
                at = record.end();
                Some(record)
            })
            .any(|record| {
                record.rtype == rtype::DNAME
                    && read_name(&self.message, record.owner)
                        .is_some_and(|(name, _)| name.as_wire().eq_ignore_ascii_case(owner))
            })
    }

    /// Writes the records of one section again, without RRsets (owner, wire form, and type) that come once more behind them, and
    /// their signatures (prepend_is_duplicate() in Unbound's iterator.c).
    pub fn copy(
        &self,
        section: usize,
        writer: &mut BodyWriter,
        rdata: &mut [u8],
        comes: impl Fn(&[u8], u16) -> bool,
    ) -> Option<()> {
        let mut at = self.start;
        for (here, &count) in self.counts.iter().enumerate() {
            for _ in 0..count {
                let record = Record::at(&self.message, at)?;
                at = record.end();
                if here == section {
                    let (owner, _) = read_name(&self.message, record.owner)?;
                    let len = expand_rdata(&self.message, &record, rdata)?;
                    let fixed = Fixed { rtype: record.rtype, class: record.class, ttl: record.ttl };
                    let of = if record.rtype == rtype::RRSIG { get_u16(rdata, 0)? } else { record.rtype };
                    if comes(owner.as_wire(), of) {
                        continue;
                    }
                    let single = matches!(record.rtype, rtype::CNAME | rtype::DNAME);
                    writer.push(section, owner.as_wire(), fixed, rdata.get(..len)?, single)?;
                }
            }
        }
        Some(())
    }
}

/// What a client is told of an RRset.
pub(super) struct Told {
    /// The records themselves.
    pub data: bool,
    /// The RRSIGs over them.
    pub signatures: bool,
}

/// What of an RRset, `(section, type)`, belongs into what a client is told that asks for QTYPE, with DO or without
/// (rrset_belongs_in_reply in Unbound's msgencode.c).
pub(super) fn told_of((section, rtype): (usize, u16), (qtype, dnssec_ok): (u16, bool)) -> Told {
    let signatures = dnssec_ok || (section == 0 && qtype == rtype::ANY);
    let is_asked_for = section == 0 && rtype == qtype;
    Told { data: signatures || is_asked_for || !is_dnssec(rtype), signatures }
}

/// Types that only who asks with DO is told of, unless asked for by name.
fn is_dnssec(rtype: u16) -> bool {
    const KEY: u16 = 25;
    matches!(
        rtype,
        rtype::SIG
            | KEY
            | rtype::NXT
            | rtype::DS
            | rtype::RRSIG
            | rtype::NSEC
            | rtype::DNSKEY
            | rtype::NSEC3
            | rtype::NSEC3PARAM
    )
}

/// Writes a query: ID and flags, one question, an OPT record when `edns` gives payload size and flag bits (RFC 1035
/// section 4.1, RFC 6891). Gives its length.
pub fn write_query(
    out: &mut [u8; QUERY],
    (id, flags): (u16, u16),
    (wire, qtype, qclass): (&[u8], u16, u16),
    edns: Option<(u16, u16)>,
) -> usize {
    use crate::dns::{edns, put_u16};
    put_u16(out, 0, id);
    header::set_flags(out, flags);
    header::set_counts(out, [1, 0, 0, u16::from(edns.is_some())]);
    let end = header::LEN + wire.len();
    out[header::LEN..end].copy_from_slice(wire);
    put_u16(out, end, qtype);
    put_u16(out, end + 2, qclass);
    match edns {
        None => end + 4,
        Some((size, bits)) => {
            edns::write(out, end + 4, size, 0, bits);
            end + 4 + edns::LEN
        }
    }
}

/// Octets of the longest query: header, name, type and class, OPT, its options.
pub const QUERY: usize =
    header::LEN + 255 + 4 + crate::dns::edns::LEN + super::cookies::LONGEST + super::client_string::LONGEST;
