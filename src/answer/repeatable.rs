//! What is known of a reply that the XDP program may tell again, without a decision.

use super::acl::Access;
use super::cache::{Hit, KeyFixed};
use super::policy::Policy;
use super::reply::Asked;
use crate::dns::edns::Edns;
use crate::dns::rcode;

/// A reply that whoever asks the same may have again, if plain access is his ([`Access::Allow`]).
#[derive(Clone, Copy, Debug)]
pub struct Repeatable {
    /// The query's flags word.
    pub flags: u16,
    /// The query's OPT record.
    pub edns: Option<Edns>,
    /// The first second, of the caller's clock, in which it is to be decided anew.
    pub until: u32,
    /// Its TTLs count down.
    pub ages: bool,
    /// Records of the whole reply, an OPT record among them: one that was cut has another number.
    pub records: u32,
    /// Its RRset of several records is rotated by the query's ID.
    pub rotates: bool,
    /// It is validated.
    pub secure: bool,
    /// It stands in the answer cache under this hash of its name, and this key.
    pub kept: Option<(u64, KeyFixed)>,
}

impl Repeatable {
    /// A reply of so many records that holds for ever, but for a client whose access may make another of it.
    pub(super) fn of(asked: &Asked<'_>, access: Access, replay: bool, records: u32) -> Option<Repeatable> {
        let has_opt = asked.edns.is_some() && !asked.no_opt;
        (access == Access::Allow && !replay).then_some(Repeatable {
            flags: asked.flags,
            edns: asked.edns,
            until: u32::MAX,
            ages: false,
            rotates: false,
            records: records + u32::from(has_opt),
            secure: false,
            kept: None,
        })
    }

    /// The same from the cache, where it stands under this hash and key, in the second `now`.
    pub(super) fn of_hit(self, hit: &Hit<'_>, kept: (u64, KeyFixed), now: u32, policy: &Policy) -> Option<Repeatable> {
        let left = if policy.prefetch { hit.fresh.min(hit.left) } else { hit.left };
        let told = matches!(hit.answer.rcode, rcode::NOERROR | rcode::NXDOMAIN) && left > 0;
        told.then_some(Repeatable {
            until: now.saturating_add(left),
            ages: !policy.original_ttl,
            rotates: hit.rotates && policy.rrset_roundrobin,
            secure: hit.answer.secure,
            kept: Some(kept),
            ..self
        })
    }
}
