//! Private addresses, which names of the outside must not point to (Unbound's iter_priv.c): DNS rebinding.

use super::networks::Networks;
use super::reply::{Reply, Set};
use crate::dns::name::suffixes;
use crate::dns::record::{Record, read_name};
use crate::dns::{class, get_u16, rtype};
use std::collections::HashSet;
use std::net::IpAddr;

/// Keys of SVCB and HTTPS parameters that hold addresses (RFC 9460 section 14.3.2).
const IPV4HINT: u16 = 4;
const IPV6HINT: u16 = 6;

/// `private-address:` and `private-domain:`, compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Private {
    networks: Networks,
    /// Names at or below which every address is allowed, wire form, lower case.
    domains: HashSet<Box<[u8]>>,
}

impl Private {
    /// Takes networks as (address, prefix length), and names in wire form. The families never mix: an IPv4 address that is
    /// mapped into IPv6 is in an IPv6 network alone.
    pub fn new<'a>(
        networks: impl IntoIterator<Item = (IpAddr, u8)>,
        domains: impl IntoIterator<Item = &'a [u8]>,
    ) -> Private {
        let domains = domains.into_iter().map(|name| name.to_ascii_lowercase().into_boxed_slice());
        Private { networks: Networks::new(networks), domains: domains.collect() }
    }

    /// Takes the records with a private address out of the kept sets of a reply, and a set that none is left of.
    pub(super) fn scrub(&self, message: &[u8], reply: &mut Reply) {
        if self.networks.is_empty() {
            return;
        }
        for place in 0..reply.sets.len() {
            let set = &reply.sets[place];
            let rtype = set.rtype;
            let has_addresses = matches!(rtype, rtype::A | rtype::AAAA | rtype::SVCB | rtype::HTTPS);
            if has_addresses && set.kept && !self.allows(message, set) {
                reply.retain(place, |record| !self.is_named_by(rtype, message, record));
            }
        }
    }

    /// Whether a record of one of the types that have addresses names a private one.
    fn is_named_by(&self, rtype: u16, message: &[u8], record: &Record) -> bool {
        let data = message.get(record.rdata.clone()).unwrap_or_default();
        match rtype {
            rtype::A => self.networks.holds_v4(data),
            rtype::AAAA => self.networks.holds_v6(data),
            _ => self.hints_at(message, record),
        }
    }

    /// Whether the owner of a set may have any address.
    fn allows(&self, message: &[u8], set: &Set) -> bool {
        let is_below = |name: &[u8]| suffixes(name).any(|suffix| self.domains.contains(suffix));
        set.class == class::IN
            && !self.domains.is_empty()
            && read_name(message, set.owner).is_some_and(|(owner, _)| is_below(owner.to_lower().as_wire()))
    }

    /// Whether an SVCB or HTTPS record hints at a private address. Of a parameter that is cut off, what is there counts.
    fn hints_at(&self, message: &[u8], record: &Record) -> bool {
        let data = record.rdata.clone();
        let Some((_, mut at)) = read_name(message, data.start + 2) else { return false };
        let message = message.get(..data.end).unwrap_or_default();
        while let (Some(key), Some(len)) = (get_u16(message, at), get_u16(message, at + 2)) {
            let end = (at + 4 + usize::from(len)).min(data.end);
            let value = message.get(at + 4..end).unwrap_or_default();
            let is_private = match key {
                IPV4HINT => value.chunks_exact(4).any(|octets| self.networks.holds_v4(octets)),
                IPV6HINT => value.chunks_exact(16).any(|octets| self.networks.holds_v6(octets)),
                _ => false,
            };
            if is_private {
                return true;
            }
            at = end;
        }
        false
    }
}
