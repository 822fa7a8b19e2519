//! What the reply of an authoritative server amounts to, once it is scrubbed: response_type_from_server() of Unbound's
//! iter_resptype.c. Pure: the reply, what was asked, and the cut whose server was asked.

use super::reply::{Reply, Set, same_name};
use crate::dns::name::{Name, is_at_or_below};
use crate::dns::record::read_name;
use crate::dns::{header, rcode, rtype};

/// What was asked of a server of a cut.
pub struct Asked<'a> {
    /// The name, lower case.
    pub name: &'a Name,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// The cut's name, lower case.
    pub cut: &'a [u8],
    /// It was asked to resolve (RD).
    pub recursion: bool,
}

/// What a reply amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It answers, with data, without, or by saying that the name does not exist.
    Answer,
    /// It says only that the name is an alias.
    Alias,
    /// The name lies below a cut further down, whose NS RRset is this set of the reply.
    Referral(usize),
    /// The server does not serve the cut.
    Lame,
    /// The server asks others for what it answers, and does not serve the cut itself.
    Recursive,
    /// Nothing at all, not even a SOA: another server may know more.
    Empty,
    /// Nothing can be made of it.
    Useless,
}

/// What the reply had before it was scrubbed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// It pointed elsewhere: no answer, no AA, an NS RRset and no SOA in the authority section.
    pub pointed: bool,
}

impl Before {
    /// Looks at a reply that is not scrubbed yet.
    pub fn of(message: &[u8], reply: &Reply) -> Before {
        let has = |section, rtype| reply.sets.iter().any(|set| set.section == section && set.rtype == rtype);
        let answers = reply.sets.iter().any(|set| set.section == 0);
        let pointed = !answers && !is_authoritative(message) && has(1, rtype::NS) && !has(1, rtype::SOA);
        Before { pointed }
    }
}

/// Classifies a reply whose sets are marked: those that are `kept` count.
pub fn classify(message: &[u8], reply: &Reply, asked: &Asked, before: Before) -> Class {
    let kept = |section: usize| reply.sets.iter().filter(move |set| set.kept && set.section == section);
    let is_bare = kept(0).chain(kept(1)).next().is_none();
    let emptied = before.pointed && reply.sets.iter().all(|set| !set.kept);
    let is_recursive = has_recursion(message) && !is_authoritative(message) && !asked.recursion;
    match reply.rcode {
        rcode::NXDOMAIN | rcode::NOERROR if is_bare && emptied => {
            return if is_recursive { Class::Recursive } else { Class::Lame };
        }
        rcode::NXDOMAIN if is_recursive => return Class::Recursive,
        rcode::NXDOMAIN => {
            let is_alias = kept(0).any(|set| set.rtype == rtype::CNAME && owns(message, set, asked.name));
            return if is_alias { Class::Alias } else { Class::Answer };
        }
        rcode::NOERROR => {}
        _ => return Class::Useless,
    }
    if let Some(class) = by_answer(message, reply, asked) {
        return class;
    }
    let has_soa = kept(1).any(|set| set.rtype == rtype::SOA && is_above(message, set, asked.name.as_wire()));
    if has_soa {
        return if is_recursive { Class::Recursive } else { Class::Answer };
    }
    let name_servers =
        reply.sets.iter().enumerate().filter(|(_, set)| (set.kept, set.section, set.rtype) == (true, 1, rtype::NS));
    for (place, set) in name_servers {
        let Some((owner, _)) = read_name(message, set.owner) else { continue };
        if owner.as_wire().eq_ignore_ascii_case(asked.cut) {
            return match () {
                () if is_recursive => Class::Recursive,
                // Without AA and SOA it is no denial (RFC 2308 section 2.2.1); it says nothing of other questions.
                () if before.pointed && !has_recursion(message) => Class::Useless,
                () => Class::Answer,
            };
        }
        if is_at_or_below(asked.cut, owner.as_wire()) {
            return if is_recursive { Class::Recursive } else { Class::Lame };
        }
        if owner.is_at_or_below(asked.cut) {
            return referral(place, &owner, asked);
        }
    }
    match () {
        () if reply.sets.iter().all(|set| !set.kept) => Class::Empty,
        () if is_recursive => Class::Recursive,
        () => Class::Answer,
    }
}

/// What the answer section says, when that decides.
fn by_answer(message: &[u8], reply: &Reply, asked: &Asked) -> Option<Class> {
    let mut target = *asked.name;
    let mut has_alias = false;
    let answer = reply.sets.iter().enumerate().filter(|(_, set)| set.kept && set.section == 0);
    for (place, set) in answer.clone() {
        let asks_servers = matches!(asked.qtype, rtype::ANY | rtype::NS);
        if asks_servers && (set.rtype, set.class) == (rtype::NS, asked.qclass) {
            let (owner, _) = read_name(message, set.owner)?;
            let is_below = owner.is_at_or_below(asked.cut) && !owner.as_wire().eq_ignore_ascii_case(asked.cut);
            // The NS RRset of a referral that came as an answer.
            if is_below && !is_authoritative(message) {
                return Some(referral(place, &owner, asked));
            }
            if is_below {
                return Some(Class::Answer);
            }
        }
        if (set.rtype, set.class) == (asked.qtype, asked.qclass) && owns(message, set, &target) {
            if is_authoritative(message) {
                return Some(Class::Answer);
            }
            break;
        }
        if set.rtype == rtype::CNAME && owns(message, set, &target) {
            has_alias = true;
            target = read_name(message, reply.first_data(set).start)?.0;
        }
    }
    match () {
        () if answer.clone().next().is_none() => None,
        () if asked.qtype == rtype::ANY => Some(Class::Answer),
        // An alias of itself leads nowhere: it is all that there is to say.
        () if has_alias && target != *asked.name => Some(Class::Alias),
        () => None,
    }
}

/// A referral, when it leads closer to the name.
fn referral(place: usize, owner: &Name, asked: &Asked) -> Class {
    let is_closer = owner.as_wire().len() > asked.cut.len() && asked.name.is_at_or_below(owner.as_wire());
    if is_closer { Class::Referral(place) } else { Class::Useless }
}

fn has_recursion(message: &[u8]) -> bool {
    header::flags(message) & header::flag::RA != 0
}

fn is_authoritative(message: &[u8]) -> bool {
    header::flags(message) & header::flag::AA != 0
}

fn owns(message: &[u8], set: &Set, name: &Name) -> bool {
    same_name(message, set.owner, name.as_wire(), 0)
}

/// True when `name` is the owner of a set or lies below it.
fn is_above(message: &[u8], set: &Set, name: &[u8]) -> bool {
    read_name(message, set.owner).is_some_and(|(owner, _)| is_at_or_below(name, owner.as_wire()))
}
