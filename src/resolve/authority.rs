//! What of the reply of an authoritative server is believed: scrub_normalize() and scrub_sanitize() of Unbound's
//! iter_scrub.c where they go further than towards a forwarder.
//!
//! Of an alias chain only the first link is believed: who answers for one zone says nothing of another. Of the authority
//! section what denies stays, and the NS RRset of a referral; of the additional section the addresses of that RRset's
//! names, as far as they lie in the zone that was asked.

use super::asked::{Asked, in_zone};
use super::classify::{self, Before, Class, classify};
use super::normalize::{Normalizer, Piece};
use super::options::Iteration;
use super::reply::{Reply, same_name};
use super::scrub::{is_proof_in_zone, repeats, scrub_additional};
use super::ttl::TtlLimits;
use crate::dns::name::{Name, is_at_or_below};
use crate::dns::record::read_name;
use crate::dns::{rcode, rtype};

impl Normalizer {
    /// Decides about a reply of a server of the cut `asked.zone`: marks the sets that are believed, fills the answer
    /// section, and puts every kept set's TTL within the limits.
    pub fn run_authoritative(
        &mut self,
        message: &[u8],
        reply: &mut Reply,
        asked: &Asked,
        (limits, rules, recursion): (&TtlLimits, &Iteration, bool),
    ) -> Class {
        let before = Before::of(message, reply);
        if !self.walk_answer(message, reply, asked, limits) {
            return Class::Useless;
        }
        for set in reply.sets.iter_mut().filter(|set| set.kept && set.rtype == rtype::NS) {
            set.count = set.count.min(rules.name_servers.max(1));
        }
        keep_authority(message, reply, asked, rules);
        scrub_additional(message, reply, asked);
        asked.private.scrub(message, reply);
        for place in 0..reply.sets.len() {
            let set = &reply.sets[place];
            // Who says that there is nothing beyond its zone is not believed in an answer either.
            if (set.section, set.kept, set.rtype) == (0, true, rtype::NSEC)
                && !is_proof_in_zone(message, reply, set, asked.zone)
            {
                reply.sets[place].kept = false;
            }
        }
        self.answer.retain(|piece| !matches!(piece, Piece::Set(place) if !reply.sets[*place as usize].kept));
        let question =
            classify::Asked { name: asked.name, qtype: asked.qtype, qclass: asked.qclass, cut: asked.zone, recursion };
        let class = match classify(message, reply, &question, before) {
            Class::Useless if reply.rcode == rcode::YXDOMAIN && self.has_type(reply, rtype::DNAME) => Class::Answer,
            class => class,
        };
        // A CNAME that was made of a DNAME is none of the reply's sets.
        let has_made = self.answer.iter().any(|piece| matches!(piece, Piece::Alias { .. }));
        let leads_on =
            has_made && self.target != *asked.name && matches!(reply.rcode, rcode::NOERROR | rcode::NXDOMAIN);
        let class = if leads_on { Class::Alias } else { class };
        if let (Class::Referral(place), false) = (class, rules.only_own_glue) {
            keep_glue(message, reply, place, asked.qclass);
        }
        if class == Class::Alias {
            // What the rest of the reply says is of the alias's target, which is asked for.
            for set in reply.sets.iter_mut().filter(|set| set.section != 0) {
                set.kept &= set.section == 1 && matches!(set.rtype, rtype::NSEC | rtype::NSEC3);
            }
        }
        for place in 0..reply.sets.len() {
            limits.settle(message, reply, place);
        }
        class
    }
}

/// Has addresses of the name servers of a referral stay that lie outside of the zone that was asked (`harden-glue: no`).
fn keep_glue(message: &[u8], reply: &mut Reply, place: usize, qclass: u16) {
    let names = reply.targets(message, place);
    for set in reply.sets.iter_mut().filter(|set| set.section == 2 && set.class == qclass && !set.attached) {
        let is_address = matches!(set.rtype, rtype::A | rtype::AAAA);
        set.kept |= is_address && names.iter().any(|name| same_name(message, set.owner, name.as_wire(), 0));
    }
}

fn is_strictly_below(name: &Name, zone: &[u8]) -> bool {
    name.is_at_or_below(zone) && name.as_wire().len() > zone.len()
}

/// Marks what stays of the authority section.
fn keep_authority(message: &[u8], reply: &mut Reply, asked: &Asked, rules: &Iteration) {
    let has_soa = reply.sets.iter().any(|set| (set.section, set.rtype) == (1, rtype::SOA));
    let no_answer = !reply.sets.iter().any(|set| set.section == 0 && !set.attached);
    let plain = reply.rcode == rcode::NOERROR;
    let denies = reply.rcode == rcode::NXDOMAIN || (plain && has_soa && no_answer);
    let is_referral = plain && no_answer && !has_soa;
    let mut has_ns = false;
    for place in 0..reply.sets.len() {
        let set = &reply.sets[place];
        if set.section != 1 || set.attached {
            continue;
        }
        let keep = match set.rtype {
            rtype::NSEC | rtype::NSEC3 => {
                in_zone(message, set, asked.zone) && is_proof_in_zone(message, reply, set, asked.zone)
            }
            rtype::DNAME | rtype::CNAME | rtype::A | rtype::AAAA => false,
            rtype::NS => {
                let Some((owner, _)) = read_name(message, set.owner) else { continue };
                let fits = asked.name.is_at_or_below(owner.as_wire()) && set.class == asked.qclass;
                let is_apex = owner.as_wire().eq_ignore_ascii_case(asked.zone);
                // An NS RRset that nobody has asked for is the way to bend a whole zone: only a referral needs one.
                let refers = is_referral && !is_apex;
                let is_in_zone = owner.is_at_or_below(asked.zone);
                // One that lies above the cut stays to show that the server is lame.
                let is_above = refers && is_at_or_below(asked.zone, owner.as_wire());
                let wanted = fits && !denies && (refers || !asked.scrub.promiscuous) && (is_in_zone || is_above);
                wanted && !std::mem::replace(&mut has_ns, true)
            }
            rtype::DS => {
                // The parent alone says whose keys count, and says so beside a referral.
                let Some((owner, _)) = read_name(message, set.owner) else { continue };
                is_referral && is_strictly_below(&owner, asked.zone) && asked.name.is_at_or_below(owner.as_wire())
            }
            rtype::SOA => in_zone(message, set, asked.zone),
            _ => !asked.scrub.unknown_types && in_zone(message, set, asked.zone),
        };
        let keep = keep && !repeats(message, reply, place);
        let set = &mut reply.sets[place];
        set.kept = keep;
        if keep && set.rtype == rtype::NS {
            set.count = set.count.min(rules.name_servers.max(1));
        }
    }
}
