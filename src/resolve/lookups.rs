//! Lookups of addresses of name servers, and of the root's servers: questions that no worker has asked.
//!
//! A question that has no server left to ask at its cut has a lookup begun for one of the cut's name servers, and waits. Some
//! are begun ahead, for who comes later. Equal lookups are one. A lookup may need others; how deep that goes is bounded, and
//! none waits for itself. So is how many one question may cause, at one cut and altogether, and how many may be in vain: who
//! refers to many names that are nowhere must not have others flooded with questions for them (NXNSAttack,
//! <https://www.usenix.org/conference/usenixsecurity20/presentation/afek>).

use super::cache::{Key, seconds};
use super::core::{Core, Turn};
use super::cuts::Known;
use super::question::{Lookup, Phase, Question};
use super::world::World;
use crate::dns::{Name, class, rtype};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Name servers looked up for the sake of one question, lookups of lookups included (Unbound's MAX_TARGET_COUNT).
const MOST: u8 = 64;
/// Name servers looked up for one question at one cut (Unbound's MAX_DP_TARGET_COUNT).
const MOST_AT_CUT: u8 = 16;
/// Name servers without an address that one question may come upon before no more are looked up (Unbound's MAX_TARGET_NX).
const MOST_NOWHERE: u8 = 5;
/// Queries of a question after which nothing more is looked up ahead (Unbound's TARGET_FETCH_STOP).
const AHEAD_SENDS: u8 = 3;
/// How long an address is believed that nothing was kept of.
const UNKEPT: Duration = Duration::from_secs(60);
/// Lookups on the way up from one to a worker's question that are looked at.
const HIGHEST: usize = 1024;
/// The port of name servers.
const PORT: u16 = 53;
/// The two types of addresses, by family.
pub(super) const TYPES: [u16; 2] = [rtype::A, rtype::AAAA];

impl<W: World> Turn<'_, W> {
    /// Begins a lookup of a name server of the question's cut, or joins one that is on its way; false when there is none to
    /// wait for. Both families that are wanted are looked up.
    pub(super) fn await_addresses(&mut self, id: u32) -> bool {
        let mut open = self.unknown_servers(id);
        while !self.is_awaiting(id) && !open.is_empty() {
            let nth = self.world.below(open.len() as u32).unwrap_or(0) as usize;
            self.look_up(id, open.swap_remove(nth));
        }
        self.is_awaiting(id)
    }

    /// Has some addresses looked up for who comes later (`target-fetch-policy:`). Not of the root's servers, whom priming makes
    /// known (RFC 8109), nor for a question that has trouble enough.
    pub(super) fn fetch_ahead(&mut self, id: u32) {
        let question = self.core.questions.get(id);
        let depth = usize::from(question.depth);
        let is_root = self.core.cuts.get(question.cut).is_none_or(|cut| cut.is_root());
        let has_trouble = question.awaited > 0 || question.nowhere > 0 || question.sends >= AHEAD_SENDS;
        if is_root || has_trouble {
            return;
        }
        let most = match self.core.options.iteration.fetch_policy.get(depth) {
            None | Some(0) => return,
            Some(&most) => usize::try_from(most).unwrap_or(usize::MAX),
        };
        let mut open = self.unknown_servers(id);
        for _ in 0..most.min(open.len()) {
            let nth = self.world.below(open.len() as u32).unwrap_or(0) as usize;
            self.look_up(id, open.swap_remove(nth));
        }
    }

    /// Numbers of the name servers of the question's cut whose addresses are not known.
    fn unknown_servers(&mut self, id: u32) -> Vec<usize> {
        let cut = self.core.cuts.get_mut(self.core.questions.get(id).cut);
        cut.map_or_else(Vec::new, |cut| cut.unknown(self.now).collect())
    }

    /// The last resort: what the parents of the name servers' zones say of where these are may be other than what the zones
    /// themselves say, and true. One name server after the other; false when that has been tried with all.
    pub(super) fn await_glue(&mut self, id: u32) -> bool {
        let Some(at) = self.core.cuts.get(self.core.questions.get(id).cut) else { return false };
        if at.source.zone().is_some() {
            return false;
        }
        let names: Vec<Name> = at.names().filter_map(Name::from_wire).collect();
        while let Some(name) = names.get(usize::from(self.core.questions.get(id).glue_asked))
            && !self.is_awaiting(id)
        {
            let question = self.core.questions.get_mut(id);
            question.glue_asked = question.glue_asked.saturating_add(1);
            if question.glue_asked > MOST_AT_CUT {
                break;
            }
            for (family, qtype) in TYPES.into_iter().enumerate() {
                if self.is_wanted(family) {
                    self.begin_lookup(id, name, qtype, true);
                }
            }
        }
        self.is_awaiting(id)
    }

    fn is_wanted(&self, family: usize) -> bool {
        let reachable = self.core.table.reachable();
        if family == 0 { reachable.ip4 } else { reachable.ip6 }
    }

    /// Looks up the addresses of a name server for a question.
    fn look_up(&mut self, id: u32, nth: usize) {
        let cut = self.core.questions.get(id).cut;
        let Some(at) = self.core.cuts.get(cut) else { return };
        let Some(name) = at.names().nth(nth).and_then(Name::from_wire) else { return };
        if self.core.questions.get(id).at_cut >= MOST_AT_CUT {
            return;
        }
        let mut has_begun = false;
        for (family, qtype) in TYPES.into_iter().enumerate() {
            let is_wanted = self.is_wanted(family);
            let known = self.core.cuts.get_mut(cut).and_then(|cut| cut.known_mut(nth, family));
            let Some(known) = known.filter(|known| **known != Known::Yes) else { continue };
            if !is_wanted {
                *known = Known::Yes;
            } else if self.begin_lookup(id, &name, qtype, false) {
                has_begun = true;
                if let Some(known) = self.core.cuts.get_mut(cut).and_then(|cut| cut.known_mut(nth, family)) {
                    *known = Known::Asked;
                }
            }
        }
        if has_begun {
            let question = self.core.questions.get_mut(id);
            question.at_cut = question.at_cut.saturating_add(1);
            self.upwards(id, |question| question.lookups = question.lookups.saturating_add(1));
        }
    }

    /// Has a question wait for a lookup; false when it cannot be, or does already.
    pub(super) fn begin_lookup(&mut self, id: u32, name: &Name, qtype: u16, glue: bool) -> bool {
        let key = (name.as_wire().into(), qtype, glue);
        let serial = self.core.questions.get(id).serial;
        let lookup = match self.core.lookups.get(&key).copied() {
            Some(lookup) if self.waits_for(lookup, id) => return false,
            Some(lookup) => lookup,
            None if self.may_look_up(id) => {
                let depth = self.core.questions.get(id).depth + 1;
                let Some(lookup) = self.add_lookup(name, qtype, depth, Lookup { glue, ..Lookup::default() }) else {
                    return false;
                };
                lookup
            }
            None => return false,
        };
        let Some(found) = &mut self.core.questions.get_mut(lookup).lookup else { return false };
        if found.waiting.contains(&(id, serial)) {
            return false;
        }
        found.waiting.push((id, serial));
        let question = self.core.questions.get_mut(id);
        question.awaited = question.awaited.saturating_add(1);
        true
    }

    /// Whether another lookup may begin for the sake of a question.
    fn may_look_up(&mut self, id: u32) -> bool {
        let deepest = self.core.options.iteration.fetch_policy.len().saturating_sub(1);
        let is_deep = usize::from(self.core.questions.get(id).depth) >= deepest;
        let mut many = 0;
        self.upwards(id, |question| many = many.max(question.lookups));
        !is_deep && many < MOST && !self.is_lost(id)
    }

    /// True when too many of the name servers that a question has come upon are nowhere.
    pub(super) fn is_lost(&mut self, id: u32) -> bool {
        let mut many = 0;
        self.upwards(id, |question| many = many.max(question.nowhere));
        many > MOST_NOWHERE
    }

    /// Does something to a question, to one for whose sake it is asked, and so on up to a worker's.
    pub(super) fn upwards(&mut self, id: u32, mut act: impl FnMut(&mut Question)) {
        let mut next = Some(id);
        // None waits for itself, so this ends.
        while let Some(id) = next {
            act(self.core.questions.get_mut(id));
            let lookup = self.core.questions.get(id).lookup.as_deref();
            let mut waiting = lookup.map_or(&[][..], |lookup| &lookup.waiting).iter();
            next = waiting.find(|(id, serial)| self.core.questions.get(*id).serial == *serial).map(|(id, _)| *id);
        }
    }

    /// Begins a lookup that nobody waits for yet; `None` when there is one already, or no room.
    pub(super) fn add_lookup(&mut self, name: &Name, qtype: u16, depth: u8, lookup: Lookup) -> Option<u32> {
        let key = (name.as_wire().into(), qtype, lookup.glue);
        if self.core.lookups.contains_key(&key) {
            return None;
        }
        let id = self.core.questions.take_lookup()?;
        let question = self.core.questions.get_mut(id);
        question.name.set_lower(name);
        question.target.set_lower(name);
        (question.qtype, question.qclass) = (qtype, class::IN);
        (question.dnssec_ok, question.checking_disabled) = (false, false);
        (question.depth, question.started) = (depth, self.now);
        question.lookup = Some(Box::new(lookup));
        self.core.lookups.insert(key, id);
        self.core.retry.push_back(id);
        Some(id)
    }

    /// True when `waiting`, a lookup, waits for `id`, itself or by others.
    fn waits_for(&self, waiting: u32, id: u32) -> bool {
        // Upwards from `id`: who waits for it, who waits for those. Depth bounds the way, and width what is in flight.
        let mut above = vec![id];
        let mut seen = 0;
        while let Some(next) = above.pop() {
            if next == waiting {
                return true;
            }
            seen += 1;
            if seen > HIGHEST {
                return true;
            }
            let lookup = self.core.questions.get(next).lookup.as_deref();
            let waiting = lookup.map_or(&[][..], |lookup| &lookup.waiting);
            above.extend(
                waiting.iter().filter(|(id, serial)| self.core.questions.get(*id).serial == *serial).map(|(id, _)| id),
            );
        }
        false
    }

    fn is_awaiting(&self, id: u32) -> bool {
        self.core.questions.get(id).awaited > 0
    }

    /// A lookup has found these addresses, or none: who waits for it goes on.
    pub(super) fn end_lookup(&mut self, id: u32, addresses: &[IpAddr]) {
        let question = self.core.questions.get_mut(id);
        let Some(lookup) = question.lookup.take() else { return };
        let (name, qtype, was_sent) = (question.name, question.qtype, question.was_sent);
        self.core.lookups.remove(&(name.as_wire().into(), qtype, lookup.glue));
        let servers: Vec<u32> = addresses.iter().filter_map(|&address| self.server_at(address)).collect();
        let ttl = if servers.is_empty() { None } else { Some(self.address_ttl(&name, qtype)) };
        for (waiting, serial) in lookup.waiting {
            if self.core.questions.get(waiting).serial == serial {
                self.tell_addresses(waiting, (&name, qtype), &servers, ttl);
                self.note_nowhere(waiting, &name, was_sent);
            }
        }
    }

    /// How long addresses that were found just now are to be believed.
    fn address_ttl(&mut self, name: &Name, qtype: u16) -> Duration {
        let now = self.now;
        let key = Key::new(name.as_wire(), qtype, class::IN);
        let ttl = self.core.cache.as_mut().and_then(|cache| Some(cache.rrsets.get(&key, now)?.ttl(seconds(now))));
        ttl.map_or(UNKEPT, |ttl| Duration::from_secs(u64::from(ttl)))
    }

    fn tell_addresses(&mut self, id: u32, (name, qtype): (&Name, u16), servers: &[u32], ttl: Option<Duration>) {
        let question = self.core.questions.get_mut(id);
        question.awaited = question.awaited.saturating_sub(1);
        let (awaits, is_last, cut) = (question.phase == Phase::Await, question.awaited == 0, question.cut);
        let family = TYPES.iter().position(|&other| other == qtype);
        let Core { cuts, servers: known_servers, .. } = &mut *self.core;
        if let (Some(family), Some(cut)) = (family, cuts.get_mut(cut))
            && cut.learn(name, family, ttl, self.now)
        {
            for &server in servers {
                match cut.source.zone() {
                    Some(_) => known_servers[server].is_used |= cut.seat(server),
                    None if cut.seat(server) => known_servers.hold(server),
                    None => {}
                }
            }
        }
        if awaits && (is_last || !servers.is_empty()) {
            self.stop_waiting(id);
            self.core.retry.push_back(id);
        }
    }

    /// Counts a name server that has no address, for who waited for it; what the cache tells costs nobody anything.
    fn note_nowhere(&mut self, id: u32, name: &Name, was_sent: bool) {
        let cut = self.core.cuts.get(self.core.questions.get(id).cut);
        if was_sent && cut.is_some_and(|cut| cut.is_nowhere(name)) {
            self.upwards(id, |question| question.nowhere = question.nowhere.saturating_add(1));
        }
    }

    /// The place of the server at an address; `None` when it must not be asked.
    pub(super) fn server_at(&mut self, address: IpAddr) -> Option<u32> {
        let address = SocketAddr::new(address, PORT);
        let may = self.core.table.reachable().may_ask(&address) && self.core.table.sources().can_ask(&address);
        let Core { servers, sockets, .. } = &mut *self.core;
        may.then(|| servers.place(address, |place| sockets.has_none_of(place)))
    }
}

impl Question {
    /// True of a lookup that glue will do for.
    pub fn wants_glue(&self) -> bool {
        self.lookup.as_ref().is_some_and(|lookup| lookup.glue)
    }

    /// True of the lookup that asks the root's servers, or a stub zone's, who they are.
    pub fn is_priming(&self) -> bool {
        self.lookup.as_ref().is_some_and(|lookup| lookup.primes)
    }
}
