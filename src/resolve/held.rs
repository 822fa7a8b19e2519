//! An answer that is complete and not told yet: it is to be validated.
//!
//! It is held as it was put together, with all DNSSEC records, and told from that: as much of it as the client wants.

use super::Response;
use super::cache::{Hit, RrsetRef};
use super::chain::{Unwritable, Written, told_of};
use crate::dns::Name;
use crate::dns::body::{BodyWriter, Fixed};
use crate::dns::{header, rtype};
use crate::validate::parts::{Part, Parts, Views};

/// A message that is kept of the answer, as far as that tells it from another that takes its place meanwhile.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its code.
    pub rcode: u16,
    /// Its RRsets.
    pub rrsets: Vec<RrsetRef>,
}

/// Who is told.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// QNAME.
    pub name: &'a Name,
    /// QTYPE.
    pub qtype: u16,
    /// DNSSEC records are wanted.
    pub dnssec_ok: bool,
}

/// See the module's text.
#[derive(Debug)]
pub struct Held {
    /// Its code.
    pub rcode: u16,
    /// Seconds it may be kept.
    pub ttl: u32,
    /// Seconds after which it is time to ask anew.
    pub refresh_after: u32,
    /// No server was asked for it.
    pub known: bool,
    /// It was made from what is known not to exist.
    pub is_made: bool,
    /// It was made of denials of other names (RFC 8198).
    pub is_deduced: bool,
    /// What is kept of it under the end of its aliases.
    pub kept: Option<Kept>,
    /// Its RRsets.
    pub parts: Parts,
}

impl Held {
    /// Holds what was written to `out` behind the question for a name of so many octets. `None` when it cannot be taken apart.
    pub fn new(out: &mut [u8], written: &Written, rcode: u16) -> Option<Held> {
        let [answers, authorities, additionals] = written.counts;
        let message = out.get_mut(..written.place.end)?;
        message[..header::LEN].fill(0);
        header::set_flags(message, header::flag::QR | rcode & 0xf);
        header::set_counts(message, [1, answers, authorities, additionals]);
        let parts = Parts::of(message)?;
        let ttl = written.ttl;
        Some(Held {
            rcode,
            ttl,
            refresh_after: ttl - ttl / 10,
            known: false,
            is_made: false,
            is_deduced: false,
            kept: None,
            parts,
        })
    }

    /// Holds what was put together from what is known.
    pub fn of_parts(parts: Parts, rcode: u16, ttl: u32) -> Held {
        Held { rcode, ttl, refresh_after: u32::MAX, known: true, is_made: true, is_deduced: false, kept: None, parts }
    }

    /// Takes over what the cache says of it. `known`: no server was asked for it.
    pub fn take_from(&mut self, hit: &Hit<'_>, known: bool) {
        self.ttl = self.ttl.min(hit.head.ttl);
        self.refresh_after = hit.refresh_after;
        self.known = known;
        let rrsets = || (0..3).flat_map(|section| hit.rrsets(section)).map(|set| set.reference()).collect();
        self.kept = hit.is_message.then(|| Kept { rcode: hit.rcode(), rrsets: rrsets() });
    }

    /// It may be kept for no longer than any part of it, and so many seconds.
    pub fn limit(&mut self, most: u32) {
        let least = self.parts.sets.iter().map(|part| part.ttl).min().unwrap_or(u32::MAX);
        self.ttl = self.ttl.min(least).min(most);
    }

    /// Writes what is left of it into a response: with DNSSEC records if the client wants them.
    ///
    /// # Errors
    /// It is too long.
    pub fn tell(&self, client: Client<'_>, out: &mut [u8], response: &mut Response) -> Result<(), Unwritable> {
        let mut writer = BodyWriter::new(out, client.name.as_wire()).ok_or(Unwritable)?;
        self.write(client, &mut writer).ok_or(Unwritable)?;
        let (counts, place) = writer.finish();
        if response.set_body(&out[place], counts) { Ok(()) } else { Err(Unwritable) }
    }

    fn write(&self, client: Client<'_>, writer: &mut BodyWriter) -> Option<()> {
        let views = self.parts.views();
        for section in 0..3 {
            let parts = || self.parts.sets.iter().enumerate().filter(|(_, part)| part.section == section);
            for (nth, part) in parts() {
                // Of the additional section, signatures come last: they are the first to be done without.
                self.write_part((nth, part), &views, (true, section != 2), client, writer)?;
            }
            if section == 2 {
                for (nth, part) in parts() {
                    self.write_part((nth, part), &views, (false, true), client, writer)?;
                }
            }
        }
        Some(())
    }

    /// Writes what of an RRset belongs into what a client is told.
    fn write_part(
        &self,
        (nth, part): (usize, &Part),
        views: &Views<'_>,
        (data, signatures): (bool, bool),
        client: Client<'_>,
        writer: &mut BodyWriter,
    ) -> Option<()> {
        let told = told_of((part.section, part.rtype), (client.qtype, client.dnssec_ok));
        let Part { section, owner, rtype, class, ttl, .. } = part;
        let (fixed, set) = (Fixed { rtype: *rtype, class: *class, ttl: *ttl }, views.set(nth)?);
        if data && told.data {
            let single = set.records.len() == 1 && *rtype != rtype::RRSIG;
            for rdata in set.records {
                writer.push(*section, owner.as_wire(), fixed, rdata, single)?;
            }
        }
        if signatures && told.signatures {
            let fixed = Fixed { rtype: rtype::RRSIG, ..fixed };
            for rdata in set.signatures {
                writer.push(*section, owner.as_wire(), fixed, rdata, false)?;
            }
        }
        Some(())
    }
}
