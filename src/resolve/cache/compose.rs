//! What was found becomes the body of a response. Sections, types and signatures are left out as Unbound's msgencode.c has it, and
//! as [`crate::resolve::chain::Composer`] does with a reply that has just come: a test compares both.

use super::lookup::Hit;
use super::rrset::Rrset;
use crate::dns::body::{BodyWriter, Fixed};
use crate::dns::name::Name;
use crate::dns::{rcode, rtype};
use crate::resolve::chain::{Chain, Unwritable, Written, told_of};

/// What a body is written for.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The name of the question that it will stand behind.
    pub name: &'a Name,
    /// QTYPE.
    pub qtype: u16,
    /// DNSSEC records are wanted.
    pub dnssec_ok: bool,
    /// `minimal-responses:`
    pub minimal: bool,
    /// The aliases that have led here.
    pub chain: Option<&'a Chain>,
}

impl Hit<'_> {
    /// Writes the body behind the question in `out`; `rdata` is room for the data of one record. What has expired may be kept nowhere.
    ///
    /// # Errors
    /// It is too long.
    pub fn compose(&self, wanted: &Wanted, out: &mut [u8], rdata: &mut [u8]) -> Result<Written, Unwritable> {
        let mut composing = Composing::new(self, wanted, out, rdata).ok_or(Unwritable)?;
        composing.write().ok_or(Unwritable)?;
        Ok(composing.finish())
    }

    /// Writes the aliases alone, with what proves them, as the chain that leads to what is asked for next.
    ///
    /// # Errors
    /// They are too long.
    pub fn compose_chain(&self, wanted: &Wanted, out: &mut [u8], rdata: &mut [u8]) -> Result<Written, Unwritable> {
        let mut composing = Composing::new(self, wanted, out, rdata).ok_or(Unwritable)?;
        composing.write_chain().ok_or(Unwritable)?;
        Ok(composing.finish())
    }

    /// TTL of an RRset as it is told.
    fn told_ttl(&self, set: &Rrset) -> u32 {
        let rules = &self.cache.rules;
        match set.ttl(self.now) {
            _ if rules.original_ttl => set.original_ttl(),
            0 => rules.expired_reply_ttl.min(set.original_ttl()),
            left => left,
        }
    }

    /// positive_answer() of msgencode.c.
    fn is_positive(&self, qtype: u16, chain: Option<&Chain>) -> bool {
        let proves = |set: Rrset| matches!(set.rtype(), rtype::NSEC | rtype::NSEC3);
        self.rcode() == rcode::NOERROR
            && qtype != rtype::NS
            && (self.rrsets(0).any(|set| set.rtype() == qtype) || (qtype == rtype::CNAME && self.alias().is_some()))
            && !self.rrsets(1).any(proves)
            && chain.is_none_or(|chain| !chain.has_authority())
    }

    /// negative_answer() of msgencode.c.
    fn is_negative(&self, chain: Option<&Chain>) -> bool {
        let has = |rtype| self.rrsets(1).any(|set| set.rtype() == rtype);
        match self.rcode() {
            rcode::NXDOMAIN => true,
            rcode::NOERROR if chain.is_some() || self.rrsets(0).next().is_some() => false,
            rcode::NOERROR => has(rtype::SOA) || !has(rtype::NS),
            _ => false,
        }
    }
}

/// A body being written.
struct Composing<'a> {
    hit: &'a Hit<'a>,
    wanted: &'a Wanted<'a>,
    writer: BodyWriter<'a>,
    ttl: u32,
    /// Room for the data of one record.
    rdata: &'a mut [u8],
}

impl<'a> Composing<'a> {
    fn new(hit: &'a Hit<'a>, wanted: &'a Wanted<'a>, out: &'a mut [u8], rdata: &'a mut [u8]) -> Option<Composing<'a>> {
        let writer = BodyWriter::new(out, wanted.name.as_wire())?;
        let ttl = wanted.chain.map_or(u32::MAX, Chain::ttl);
        Some(Composing { hit, wanted, writer, ttl, rdata })
    }

    fn finish(self) -> Written {
        let (counts, place) = self.writer.finish();
        let ttl = if self.ttl == u32::MAX { self.hit.head.ttl } else { self.ttl };
        Written { counts, place, ttl: if self.hit.expired { 0 } else { ttl } }
    }

    fn write(&mut self) -> Option<()> {
        let (hit, wanted) = (self.hit, self.wanted);
        self.answer()?;
        let authority = !(wanted.minimal && hit.is_positive(wanted.qtype, wanted.chain));
        self.section(1, authority, |_| true)?;
        if authority && !(wanted.minimal && hit.is_negative(wanted.chain)) {
            self.section(2, true, |_| true)?;
        }
        Some(())
    }

    /// What else the message says is of the end of the aliases, which is asked for.
    fn write_chain(&mut self) -> Option<()> {
        self.answer()?;
        self.section(1, true, |set| matches!(set.rtype(), rtype::NSEC | rtype::NSEC3))
    }

    fn answer(&mut self) -> Option<()> {
        let hit = self.hit;
        self.section(0, true, |_| true)?;
        if let Some(alias) = hit.alias() {
            let ttl = if hit.cache.rules.original_ttl { hit.rrsets(0).next()?.original_ttl() } else { alias.ttl };
            self.ttl = self.ttl.min(alias.ttl);
            let fixed = Fixed { rtype: rtype::CNAME, class: alias.class, ttl };
            self.writer.push(0, alias.owner.as_wire(), fixed, alias.target.as_wire(), true)?;
        }
        Some(())
    }

    /// The `kept` RRsets of a section; their TTLs count even when it is not written out.
    fn section(&mut self, section: usize, written: bool, kept: impl Fn(&Rrset) -> bool) -> Option<()> {
        let hit = self.hit;
        if let Some(chain) = self.wanted.chain.filter(|_| written) {
            let comes = |owner: &[u8], rtype| {
                let is_same = |set: Rrset| set.rtype() == rtype && set.owner().eq_ignore_ascii_case(owner);
                section != 0 && hit.rrsets(section).any(is_same)
            };
            chain.copy(section, &mut self.writer, self.rdata, comes)?;
        }
        for set in hit.rrsets(section).filter(kept) {
            self.ttl = self.ttl.min(set.ttl(hit.now));
            let is_told = || self.wanted.chain.is_some_and(|chain| chain.has_dname(set.owner()));
            if written && !(section == 0 && set.rtype() == rtype::DNAME && is_told()) {
                // Of the additional section, signatures come last: they are the first to be done without.
                self.set(section, &set, true, section != 2)?;
            }
        }
        if section == 2 {
            for set in hit.rrsets(section) {
                self.set(section, &set, false, true)?;
            }
        }
        Some(())
    }

    fn set(&mut self, section: usize, set: &Rrset, data: bool, signatures: bool) -> Option<()> {
        let Wanted { qtype, dnssec_ok, .. } = *self.wanted;
        let told = told_of((section, set.rtype()), (qtype, dnssec_ok));
        let fixed = Fixed { rtype: set.rtype(), class: set.class(), ttl: self.hit.told_ttl(set) };
        if data && told.data {
            // RRSIGs over several types may come to stand together, and are one RRset to a reader.
            let single = set.count() == 1 && set.rtype() != rtype::RRSIG;
            for data in set.records() {
                self.writer.push(section, set.owner(), fixed, data, single)?;
            }
        }
        if signatures && told.signatures {
            let fixed = Fixed { rtype: rtype::RRSIG, ..fixed };
            for data in set.signatures() {
                self.writer.push(section, set.owner(), fixed, data, false)?;
            }
        }
        Some(())
    }
}
