//! What stays beside the answer of a reply: scrub_normalize() of Unbound's iter_scrub.c, its sections authority and additional.

use super::asked::{Asked, in_zone, owns};
use super::reply::{NONE, Reply, Set, name_hash, records, same_name};
use crate::dns::name::is_at_or_below;
use crate::dns::record::read_name;
use crate::dns::{rcode, rtype};

/// Name servers of one zone that are told on (Unbound's iter-scrub-ns).
pub(super) const MOST_SERVERS: u32 = 20;

/// Marks what stays of the authority section. `proofs`: only what proves a wildcard on the way of a chain.
pub(super) fn scrub_authority(message: &[u8], reply: &mut Reply, asked: &Asked, proofs: bool, no_answer: bool) {
    let has_soa = reply.sets.iter().any(|set| (set.section, set.rtype) == (1, rtype::SOA));
    let denies = reply.rcode == rcode::NXDOMAIN || (reply.rcode == rcode::NOERROR && has_soa && no_answer);
    let mut has_ns = false;
    for place in 0..reply.sets.len() {
        let set = &reply.sets[place];
        if set.section != 1 || set.attached {
            continue;
        }
        let keep = match set.rtype {
            rtype::NSEC | rtype::NSEC3 => is_proof_in_zone(message, reply, set, asked.zone),
            _ if proofs => false,
            rtype::DNAME | rtype::CNAME | rtype::A | rtype::AAAA | rtype::DS => false,
            rtype::NS => {
                let own =
                    read_name(message, set.owner).is_some_and(|(owner, _)| asked.name.is_at_or_below(owner.as_wire()));
                // Cut short, a signed set would be bogus, and the answer beside it is not.
                let is_whole = set.count <= MOST_SERVERS || set.signatures == NONE;
                let wanted = own
                    && !denies
                    && !(asked.scrub.promiscuous && is_promiscuous(message, reply, set, asked, no_answer));
                wanted && set.class == asked.qclass && !std::mem::replace(&mut has_ns, true) && is_whole
            }
            rtype::SOA => true,
            _ => !asked.scrub.unknown_types,
        };
        let keep = keep && in_zone(message, set, asked.zone) && !repeats(message, reply, place);
        let set = &mut reply.sets[place];
        set.kept = keep;
        if set.rtype == rtype::NS {
            set.count = set.count.min(MOST_SERVERS);
        }
    }
}

/// An NS RRset that no question was for, so that it bends a whole zone for who believes it: beside an answer, an error, or of the
/// zone itself where there is nothing else.
fn is_promiscuous(message: &[u8], reply: &Reply, set: &Set, asked: &Asked, no_answer: bool) -> bool {
    let is_of_zone =
        || read_name(message, set.owner).is_some_and(|(owner, _)| owner.as_wire().eq_ignore_ascii_case(asked.zone));
    reply.rcode != rcode::NOERROR || !no_answer || is_of_zone()
}

/// A denial's set belongs to the zone, and so does the next name it speaks of.
pub(super) fn is_proof_in_zone(message: &[u8], reply: &Reply, set: &Set, zone: &[u8]) -> bool {
    set.rtype != rtype::NSEC
        || zone.len() == 1
        || reply
            .records(set)
            .all(|record| read_name(message, record.rdata.start).is_some_and(|(next, _)| next.is_at_or_below(zone)))
}

/// A server that points to above its own zone instead of answering does not serve it.
pub(super) fn is_upward_referral(message: &[u8], reply: &Reply, asked: &Asked, no_answer: bool) -> bool {
    let soa = reply.sets.iter().any(|set| (set.section, set.rtype) == (1, rtype::SOA));
    let upward = |set: &Set| {
        (set.section, set.rtype) == (1, rtype::NS)
            && read_name(message, set.owner).is_some_and(|(owner, _)| {
                owner.as_wire().len() < asked.zone.len() && is_at_or_below(asked.zone, owner.as_wire())
            })
    };
    no_answer && !soa && reply.rcode == rcode::NOERROR && reply.sets.iter().any(upward)
}

/// True when a set is kept of the same owner, type and class as `place` in a section before it: one RRset is told once.
pub(super) fn repeats(message: &[u8], reply: &Reply, place: usize) -> bool {
    let set = &reply.sets[place];
    reply.sets[..place].iter().any(|other| {
        other.kept
            && other.section < set.section
            && (other.hash, other.rtype, other.class, other.covered) == (set.hash, set.rtype, set.class, set.covered)
            && same_name(message, other.owner, message, set.owner)
    })
}

/// Marks what stays of the additional section: the addresses of names that kept sets speak of, and other types but
/// those that a resolver would follow.
pub(super) fn scrub_additional(message: &[u8], reply: &mut Reply, asked: &Asked) {
    for place in 0..reply.sets.len() {
        let set = &reply.sets[place];
        if set.section == 2 && !set.attached {
            let keep = match set.rtype {
                rtype::A | rtype::AAAA | rtype::DNAME | rtype::CNAME | rtype::NS => false,
                _ => !asked.scrub.unknown_types && in_zone(message, set, asked.zone),
            };
            reply.sets[place].kept = keep;
        }
    }
    for place in 0..reply.sets.len() {
        let set = reply.sets[place].clone();
        let skip = match set.rtype {
            rtype::NS | rtype::MB | rtype::MD | rtype::MF => 0,
            rtype::MX | rtype::KX => 2,
            rtype::SRV => 6,
            _ => continue,
        };
        let speaks = set.kept
            && match set.section {
                0 => owns(message, &set, asked.name),
                section => section == 1 && set.rtype == rtype::NS,
            };
        if !speaks {
            continue;
        }
        let Reply { entries, sets, .. } = &mut *reply;
        for record in records(entries, &set) {
            let target = record.rdata.start + skip;
            let Some(hash) = name_hash(message, target) else { continue };
            for addresses in sets.iter_mut().filter(|set| set.section == 2 && set.hash == hash) {
                addresses.kept |= matches!(addresses.rtype, rtype::A | rtype::AAAA)
                    && addresses.class == asked.qclass
                    && same_name(message, addresses.owner, message, target)
                    && in_zone(message, addresses, asked.zone);
            }
        }
    }
    for place in 0..reply.sets.len() {
        if reply.sets[place].section == 2 && reply.sets[place].kept && repeats(message, reply, place) {
            reply.sets[place].kept = false;
        }
    }
}
