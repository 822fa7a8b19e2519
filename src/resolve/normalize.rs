//! What of a reply is told on: the behaviour of Unbound's iter_scrub.c and iter_resptype.c towards a forwarder.
//!
//! The alias chain is followed through the answer section in the order of the records, from the name asked for; what
//! does not lie on it is dropped, and so is what lies outside the forward zone. Unbound asks for every alias's target
//! again. Here a target that the same forward zone serves is taken from the same reply, since the same servers would be
//! asked; a target of another zone, or one that the reply says nothing of, is asked for.

use super::asked::{Asked, in_zone, owns};
use super::reply::{Reply, Set};
use super::scrub::{MOST_SERVERS, is_upward_referral, scrub_additional, scrub_authority};
use super::ttl::TtlLimits;
use crate::dns::name::Name;
use crate::dns::record::read_name;
use crate::dns::{rcode, rtype};

/// What a reply amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It answers.
    Answer,
    /// It says only that another name is to be asked for: [`Normalizer::target`].
    Chase,
    /// Nothing can be made of it: on to the next server.
    Useless,
}

/// One piece of the answer section.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "few, and in a buffer that is used again")]
pub enum Piece {
    /// A set of the reply.
    Set(u32),
    /// A CNAME made from the DNAME before it (RFC 6672 section 3.1).
    Alias {
        /// Owner.
        owner: Name,
        /// Where it points.
        target: Name,
        /// The DNAME's TTL in seconds.
        ttl: u32,
    },
}

/// Buffers for one reply at a time; holds the answer section as it is to be written.
pub struct Normalizer {
    /// The answer section.
    pub answer: Vec<Piece>,
    /// The end of the alias chain, lower case.
    pub target: Name,
    /// Aliases followed in one reply (`iter-scrub-cname:`); the next is asked for.
    most_aliases: usize,
}

/// Where the walk along the alias chain stands.
struct Walk {
    name: Name,
    aliases: usize,
    has_answer: bool,
    /// The chain leaves the reply: nothing behind is believed.
    left: bool,
}

impl Normalizer {
    /// One that follows so many aliases in one reply.
    pub fn new(most_aliases: usize) -> Normalizer {
        Normalizer { answer: Vec::with_capacity(32), target: Name::ROOT, most_aliases }
    }

    /// Follows so many aliases in one reply from now on.
    pub fn set_limit(&mut self, most_aliases: usize) {
        self.most_aliases = most_aliases;
    }

    /// Decides about `reply`, taken apart from `message`, whose code is NOERROR, NXDOMAIN or YXDOMAIN: marks the sets
    /// to be told on, fills the answer section, and puts every kept set's TTL within the limits.
    pub fn run(&mut self, message: &[u8], reply: &mut Reply, asked: &Asked, limits: &TtlLimits) -> Verdict {
        self.answer.clear();
        let Some(walk) = self.follow(message, reply, asked, limits) else { return Verdict::Useless };
        if reply.rcode == rcode::YXDOMAIN && !self.has_type(reply, rtype::DNAME) {
            return Verdict::Useless;
        }
        let verdict = verdict(message, reply, asked, &walk);
        self.target.set_lower(&walk.name);
        if verdict == Verdict::Answer && !walk.has_answer && asked.qtype == rtype::DS {
            self.take_ds(message, reply, asked);
        }
        scrub_authority(message, reply, asked, verdict != Verdict::Answer, self.answer.is_empty());
        if verdict == Verdict::Answer {
            scrub_additional(message, reply, asked);
            asked.private.scrub(message, reply);
            self.answer.retain(|piece| !matches!(piece, Piece::Set(place) if !reply.sets[*place as usize].kept));
            if is_upward_referral(message, reply, asked, self.answer.is_empty()) {
                return Verdict::Useless;
            }
        }
        for place in 0..reply.sets.len() {
            limits.settle(message, reply, place);
        }
        verdict
    }

    /// Follows the answer section of a reply as far as it is believed; false when the reply is of no use.
    pub(super) fn walk_answer(&mut self, message: &[u8], reply: &mut Reply, asked: &Asked, limits: &TtlLimits) -> bool {
        self.answer.clear();
        let Some(walk) = self.follow(message, reply, asked, limits) else { return false };
        self.target.set_lower(&walk.name);
        if !walk.has_answer && walk.aliases == 0 && asked.qtype == rtype::DS {
            self.take_ds(message, reply, asked);
        }
        true
    }

    /// True when the answer section has a set of this type.
    pub fn has_type(&self, reply: &Reply, rtype: u16) -> bool {
        self.answer.iter().any(|piece| match piece {
            Piece::Set(place) => reply.sets[*place as usize].rtype == rtype,
            Piece::Alias { .. } => rtype == rtype::CNAME,
        })
    }

    fn keep(&mut self, reply: &mut Reply, place: usize) {
        let set = &mut reply.sets[place];
        set.kept = true;
        if set.rtype == rtype::NS {
            set.count = set.count.min(MOST_SERVERS);
        }
        self.answer.push(Piece::Set(place as u32));
    }

    /// Walks the answer section. `None` when the reply is of no use.
    fn follow(&mut self, message: &[u8], reply: &mut Reply, asked: &Asked, limits: &TtlLimits) -> Option<Walk> {
        let mut walk = Walk { name: *asked.name, aliases: 0, has_answer: false, left: false };
        let end = reply.sets.iter().position(|set| set.section != 0).unwrap_or(reply.sets.len());
        for place in 0..end {
            let set = &reply.sets[place];
            if set.attached || set.kept || set.class != asked.qclass {
                continue;
            }
            if walk.aliases > self.most_aliases {
                walk.left = true;
            }
            if walk.left {
                break;
            }
            if set.rtype == rtype::DNAME && is_strictly_below(message, &walk.name, set, asked.zone) {
                if set.count != 1 {
                    return None;
                }
                if !walk.has_answer {
                    self.apply_dname(message, reply, place, asked, limits, &mut walk)?;
                }
                continue;
            }
            if !owns(message, set, &walk.name) || !in_zone(message, set, asked.zone) {
                continue;
            }
            if set.rtype == rtype::CNAME {
                if !walk.has_answer {
                    self.apply_cname(message, reply, place, asked, &mut walk)?;
                }
            } else if asked.qtype == rtype::ANY || asked.qtype == set.rtype {
                self.keep(reply, place);
                walk.has_answer = true;
            }
        }
        Some(walk)
    }

    fn apply_dname(
        &mut self,
        message: &[u8],
        reply: &mut Reply,
        place: usize,
        asked: &Asked,
        limits: &TtlLimits,
        walk: &mut Walk,
    ) -> Option<()> {
        walk.aliases += 1;
        self.keep(reply, place);
        let Some(target) = substitute(message, reply, &reply.sets[place], &walk.name) else {
            return (reply.rcode == rcode::YXDOMAIN).then_some(());
        };
        let next = reply.sets[place + 1..].iter().find(|set| !set.attached);
        if let Some(cname) = next.filter(|set| set.section == 0 && set.rtype == rtype::CNAME)
            && owns(message, cname, &walk.name)
            && cname_target(message, reply, cname).is_some_and(|name| name == target)
        {
            // The reply's own CNAME, in the capitals of its server, comes next.
            return Some(());
        }
        let ttl = limits.clamp(reply.sets[place].ttl);
        self.answer.push(Piece::Alias { owner: walk.name, target, ttl });
        walk.go_to(target, asked);
        Some(())
    }

    fn apply_cname(
        &mut self,
        message: &[u8],
        reply: &mut Reply,
        place: usize,
        asked: &Asked,
        walk: &mut Walk,
    ) -> Option<()> {
        walk.aliases += 1;
        // Several CNAMEs at one name are an error of the zone; the first is used.
        reply.sets[place].count = 1;
        let target = cname_target(message, reply, &reply.sets[place])?;
        let next = (place + 1..reply.sets.len()).find(|&next| !reply.sets[next].attached);
        if let Some(next) = next {
            let dname = &reply.sets[next];
            if dname.section == 0
                && dname.rtype == rtype::DNAME
                && dname.count == 1
                && is_strictly_below(message, &walk.name, dname, asked.zone)
                && substitute(message, reply, dname, &walk.name).is_some_and(|name| name == target)
            {
                self.keep(reply, next);
            }
        }
        self.keep(reply, place);
        if asked.qtype == rtype::CNAME || asked.qtype == rtype::ANY {
            walk.has_answer = true;
            return Some(());
        }
        walk.go_to(target, asked);
        Some(())
    }

    /// A DS set in the authority section is what a question for it was after: the parent's referral.
    fn take_ds(&mut self, message: &[u8], reply: &mut Reply, asked: &Asked) {
        let found = reply.sets.iter().position(|set| {
            (set.section, set.rtype, set.class) == (1, rtype::DS, asked.qclass) && owns(message, set, asked.name)
        });
        let Some(place) = found else { return };
        for set in &mut reply.sets {
            // Of what else is there nothing is told on.
            set.attached |= set.section != 0;
        }
        reply.sets[place].section = 0;
        self.keep(reply, place);
    }
}

impl Walk {
    /// An alias of itself leads nowhere, and that is the answer.
    fn go_to(&mut self, target: Name, asked: &Asked) {
        self.has_answer |= target == self.name;
        self.name = target;
        self.left = !(asked.same_zone)(target.to_lower().as_wire());
    }
}

fn verdict(message: &[u8], reply: &Reply, asked: &Asked, walk: &Walk) -> Verdict {
    if walk.has_answer || walk.aliases == 0 || reply.rcode == rcode::YXDOMAIN {
        return Verdict::Answer;
    }
    if walk.name == *asked.name {
        return Verdict::Chase;
    }
    // The chain's end may be told to be without data or not to exist, by who serves it.
    let denied = reply.rcode == rcode::NXDOMAIN
        || reply.sets.iter().any(|set| {
            (set.section, set.rtype) == (1, rtype::SOA)
                && read_name(message, set.owner).is_some_and(|(owner, _)| walk.name.is_at_or_below(owner.as_wire()))
        });
    match denied && !walk.left {
        true => Verdict::Answer,
        false => Verdict::Chase,
    }
}

/// True when `name` lies below the owner of `set`, which lies in `zone`.
fn is_strictly_below(message: &[u8], name: &Name, set: &Set, zone: &[u8]) -> bool {
    let Some((owner, _)) = read_name(message, set.owner) else { return false };
    name.as_wire().len() > owner.as_wire().len() && name.is_at_or_below(owner.as_wire()) && owner.is_at_or_below(zone)
}

/// The target of a CNAME or DNAME set, its first record's.
fn cname_target(message: &[u8], reply: &Reply, set: &Set) -> Option<Name> {
    let data = reply.first_data(set);
    let (name, after) = read_name(message, data.start)?;
    (after == data.end).then_some(name)
}

/// `name` with the DNAME's owner replaced by its target (RFC 6672 section 2.2); `None` when that gets too long.
fn substitute(message: &[u8], reply: &Reply, dname: &Set, name: &Name) -> Option<Name> {
    let (owner, _) = read_name(message, dname.owner)?;
    let target = cname_target(message, reply, dname)?;
    name.with_end(owner.as_wire(), target.as_wire())
}
