//! Lookups of addresses of name servers, and of the root's servers: questions that no worker has asked.
//!
//! A question that has no server left to ask at its cut has a lookup begun for one of the cut's name servers, and waits. Some
//! are begun ahead, for who comes later. Equal lookups are one. A lookup may need others; how deep that goes is bounded, and
//! none waits for itself. So is how many one question may cause, at one cut and altogether, and how many may be in vain
//! (`budget`): who refers to many names that are nowhere must not have others flooded with questions for them (NXNSAttack,
//! <https://www.usenix.org/conference/usenixsecurity20/presentation/afek>).
//!
//! Lookups have states of their own, so clients' questions are taken however many there are. Those ahead have half of them;
//! when all are taken, the oldest lookup that has had some time gives way to one that somebody waits for. One that finds no
//! state at all is not begun: its name server is nowhere for now.

use super::cache::{Key, seconds};
use super::core::{Core, Turn};
use super::cuts::Known;
use super::question::{Lookup, Phase, Question, Waiter};
use super::world::World;
use crate::dns::cause::{Cause, Why};
use crate::dns::{Name, class, rtype};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Name servers looked up for the sake of one question, lookups of lookups included (Unbound's MAX_TARGET_COUNT).
const MOST: u8 = 64;
/// Name servers looked up for one question at one cut (Unbound's MAX_DP_TARGET_COUNT).
const MOST_AT_CUT: u8 = 16;
/// Name servers without an address that one question may come upon before no more are looked up (Unbound's MAX_TARGET_NX).
const MOST_NOWHERE: u8 = 5;
/// The same before not even a parent is asked anew (Unbound's MAX_TARGET_NX_FALLBACK).
const MOST_NOWHERE_AT_PARENT: u8 = 10;
/// Queries of a question after which nothing more is looked up ahead (Unbound's TARGET_FETCH_STOP).
const AHEAD_SENDS: u8 = 3;
/// How long an address is believed that nothing was kept of.
const UNKEPT: Duration = Duration::from_secs(60);
/// Questions that wait for a lookup, by others or not, that are looked at.
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
            self.look_up(id, open.swap_remove(nth), Lookup::default);
        }
        self.is_awaiting(id)
    }

    /// Has some addresses looked up for who comes later (`target-fetch-policy:`). Not of the root's servers, whom priming makes
    /// known (RFC 8109), nor for a question that has trouble enough.
    pub(super) fn fetch_ahead(&mut self, id: u32) {
        let question = self.core.questions.get(id);
        let depth = usize::from(question.depth);
        let is_root = self.core.cuts.get(question.cut).is_none_or(|cut| cut.is_root());
        let is_vain = self.core.questions.budget(id).nowhere > 0;
        let has_trouble = question.awaited > 0 || is_vain || question.sends >= AHEAD_SENDS;
        if is_root || has_trouble {
            return;
        }
        let most = match self.core.options.iteration.fetch_policy.get(depth) {
            None | Some(0) => return,
            Some(&most) => usize::try_from(most).unwrap_or(usize::MAX),
        };
        let mut open = self.unknown_servers(id);
        let mut begun = 0;
        while begun < most && !open.is_empty() {
            let nth = self.world.below(open.len() as u32).unwrap_or(0) as usize;
            begun += usize::from(self.look_up(id, open.swap_remove(nth), Lookup::ahead));
        }
    }

    /// Whether there are name servers of the question's cut of which no address is known.
    pub(super) fn has_unknown_servers(&mut self, id: u32) -> bool {
        let cut = self.core.cuts.get_mut(self.core.questions.get(id).cut);
        cut.is_some_and(|cut| cut.unknown(self.now).count() > 0 && cut.has_unplaced())
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
            let (cut, nth) = (question.cut, usize::from(question.glue_asked));
            question.glue_asked = question.glue_asked.saturating_add(1);
            if question.glue_asked > MOST_AT_CUT {
                break;
            }
            if !self.core.cuts.get_mut(cut).is_some_and(|cut| cut.ask_glue(nth, self.now)) {
                continue;
            }
            for (family, qtype) in TYPES.into_iter().enumerate() {
                if self.is_wanted(family) {
                    self.begin_lookup(id, name, qtype, Lookup { glue: true, ..Lookup::default() });
                }
            }
        }
        self.is_awaiting(id)
    }

    fn is_wanted(&self, family: usize) -> bool {
        self.core.table.reachable().has_family(family == 0)
    }

    /// Looks up the addresses of a name server for a question. `how`: what for. False when there was nothing to begin.
    fn look_up(&mut self, id: u32, nth: usize, how: fn() -> Lookup) -> bool {
        let cut = self.core.questions.get(id).cut;
        let at = self.core.cuts.get(cut).filter(|_| self.core.questions.get(id).at_cut < MOST_AT_CUT);
        let Some(name) = at.and_then(|at| at.names().nth(nth)).and_then(Name::from_wire) else { return false };
        let mut has_begun = false;
        for (family, qtype) in TYPES.into_iter().enumerate() {
            let is_wanted = self.is_wanted(family);
            let known = self.core.cuts.get_mut(cut).and_then(|cut| cut.known_mut(nth, family));
            let Some(known) = known.filter(|known| **known == Known::No) else { continue };
            match is_wanted {
                true => has_begun |= self.begin_lookup(id, &name, qtype, how()),
                false => *known = Known::Yes,
            }
        }
        if has_begun {
            let question = self.core.questions.get_mut(id);
            question.at_cut = question.at_cut.saturating_add(1);
            let budget = self.core.questions.budget_mut(id);
            budget.lookups = budget.lookups.saturating_add(1);
        }
        has_begun
    }

    /// Has a question told of a lookup, which is begun if there is none like it; false when it cannot be, or is told already.
    pub(super) fn begin_lookup(&mut self, id: u32, name: &Name, qtype: u16, lookup: Lookup) -> bool {
        let key = (name.as_wire().into(), qtype, lookup.glue);
        let Question { serial, cut, .. } = *self.core.questions.get(id);
        let lookup = match self.core.lookups.get(&key).copied() {
            Some(lookup) if self.waits_for(lookup, id) => return false,
            Some(lookup) => lookup,
            None if self.may_look_up(id) => match self.add_lookup(Some(id), name, qtype, lookup) {
                Some(lookup) => lookup,
                None => return false,
            },
            None => return false,
        };
        let Some(found) = &mut self.core.questions.get_mut(lookup).lookup else { return false };
        if found.waiting.iter().any(|waiter| (waiter.question, waiter.serial) == (id, serial)) {
            return false;
        }
        found.waiting.push(Waiter { question: id, serial, cut });
        let question = self.core.questions.get_mut(id);
        question.awaited = question.awaited.saturating_add(1);
        true
    }

    /// Whether another lookup may begin for the sake of a question.
    fn may_look_up(&self, id: u32) -> bool {
        let budget = self.core.questions.budget(id);
        let is_spent = budget.lookups >= MOST || budget.used >= self.core.options.iteration.quota;
        !self.is_deepest(id) && !is_spent && !self.is_lost(id)
    }

    /// True when a lookup for the sake of a question would be too deep.
    pub(super) fn is_deepest(&self, id: u32) -> bool {
        let deepest = self.core.options.iteration.fetch_policy.len().saturating_sub(1);
        usize::from(self.core.questions.get(id).depth) >= deepest
    }

    /// True when too many of the name servers that a question has come upon are nowhere.
    pub(super) fn is_lost(&self, id: u32) -> bool {
        self.core.questions.budget(id).nowhere > MOST_NOWHERE
    }

    /// True when so many are that not even a parent is asked anew.
    pub(super) fn is_lost_for_good(&self, id: u32) -> bool {
        self.core.questions.budget(id).nowhere > MOST_NOWHERE_AT_PARENT
    }

    /// Has a lookup whose budget is spent go on at the cost of another question that waits for it: what one spends must not keep
    /// others from what they need. False when none has anything left.
    pub(super) fn change_payer(&mut self, id: u32) -> bool {
        let Core { questions, options, .. } = &*self.core;
        let lookup = questions.get(id).lookup.as_deref();
        let mut waiting =
            lookup.map_or(&[][..], |lookup| &lookup.waiting).iter().filter(|waiter| self.is_there(waiter));
        let has_some = |waiter: &&Waiter| questions.budget(waiter.question).used < options.iteration.quota;
        let Some(payer) = waiting.find(has_some).map(|waiter| waiter.question) else { return false };
        self.core.questions.pay_as(id, payer);
        true
    }

    /// Begins a lookup for the sake of a question, or of none, that nobody waits for yet; `None` when there is one already, or
    /// no room.
    pub(super) fn add_lookup(&mut self, sake: Option<u32>, name: &Name, qtype: u16, lookup: Lookup) -> Option<u32> {
        let key = (name.as_wire().into(), qtype, lookup.glue);
        if self.core.lookups.contains_key(&key) {
            return None;
        }
        if !lookup.is_ahead {
            self.make_room_for_lookup(sake);
        }
        let depth = sake.map_or(0, |sake| self.core.questions.get(sake).depth.saturating_add(1));
        let Some(id) = self.core.questions.take_lookup(sake, lookup.is_ahead) else {
            if let Some(sake) = sake {
                // That there is no room says little of the servers: what comes of it is not kept for long.
                self.core.questions.get_mut(sake).unheard |= !lookup.is_ahead;
            }
            return None;
        };
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

    /// Sees to it that a state is free for a lookup that the question `sake` needs, if need be by giving up the oldest that has
    /// had its time, as is done with clients' questions.
    fn make_room_for_lookup(&mut self, sake: Option<u32>) {
        if !self.core.questions.is_full_of_lookups(false) {
            return;
        }
        let Some(oldest) = self.core.questions.oldest_lookup().filter(|&oldest| Some(oldest) != sake) else { return };
        let question = self.core.questions.get_mut(oldest);
        if self.now >= question.started + self.core.options.jostle {
            // No zone that is only asked first keeps it.
            (question.is_unzoned, question.cause) = (true, Cause::new(Why::GivenUp));
            self.fail(oldest);
        }
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
            above.extend(waiting.iter().filter(|waiter| self.is_there(waiter)).map(|waiter| waiter.question));
        }
        false
    }

    fn is_there(&self, waiter: &Waiter) -> bool {
        self.core.questions.get(waiter.question).serial == waiter.serial
    }

    fn is_awaiting(&self, id: u32) -> bool {
        self.core.questions.get(id).awaited > 0
    }

    /// A lookup has found these addresses, or none: the cuts are told, who waits for it goes on, and its state is given back.
    pub(super) fn end_lookup(&mut self, id: u32, addresses: &[IpAddr]) {
        self.recall(id);
        let question = self.core.questions.get_mut(id);
        let Some(lookup) = question.lookup.take() else { return self.give_back(id) };
        let (name, qtype, was_sent) = (question.name, question.qtype, question.was_sent);
        self.core.lookups.remove(&(name.as_wire().into(), qtype, lookup.glue));
        let servers: Vec<u32> = addresses.iter().filter_map(|&address| self.server_at(address)).collect();
        let ttl = if servers.is_empty() { None } else { Some(self.address_ttl(&name, qtype)) };
        let (mut is_nowhere, mut is_counted) = (false, false);
        for waiter in lookup.waiting {
            self.tell_cut(waiter.cut, (&name, qtype), &servers, ttl);
            // What the cache tells costs nobody anything.
            let in_vain = was_sent && self.core.cuts.get(waiter.cut).is_some_and(|cut| cut.is_nowhere(&name));
            is_nowhere |= in_vain;
            if self.is_there(&waiter) {
                self.tell_question(waiter, (&name, qtype), &servers, ttl);
                self.count_nowhere(waiter.question, in_vain);
                is_counted |= in_vain;
            }
        }
        self.count_nowhere(id, is_nowhere && !is_counted);
        self.give_back(id);
    }

    fn count_nowhere(&mut self, id: u32, in_vain: bool) {
        let budget = self.core.questions.budget_mut(id);
        budget.nowhere = budget.nowhere.saturating_add(u8::from(in_vain));
    }

    /// How long addresses that were found just now are to be believed.
    fn address_ttl(&mut self, name: &Name, qtype: u16) -> Duration {
        let now = self.now;
        let key = Key::new(name.as_wire(), qtype, class::IN);
        let ttl = self.core.cache.as_mut().and_then(|cache| Some(cache.rrsets.get(&key, now)?.ttl(seconds(now))));
        ttl.map_or(UNKEPT, |ttl| Duration::from_secs(u64::from(ttl)))
    }

    /// A question that is told of a lookup goes on, unless others may still find what this one has not.
    fn tell_question(&mut self, waiter: Waiter, what: (&Name, u16), servers: &[u32], ttl: Option<Duration>) {
        let id = waiter.question;
        let question = self.core.questions.get_mut(id);
        question.awaited = question.awaited.saturating_sub(1);
        let (awaits, is_last, cut) = (question.phase == Phase::Await, question.awaited == 0, question.cut);
        let is_held = question.held.is_some();
        if cut != waiter.cut {
            self.tell_cut(cut, what, servers, ttl);
        }
        // Who waits for keys, or for who the servers of a zone are, waits for nothing else, whatever is still looked up for where it
        // came from.
        let is_enough = match is_held {
            true => matches!(what.1, rtype::DS | rtype::DNSKEY),
            false => what.1 == rtype::NS || !servers.is_empty(),
        };
        if awaits && (is_last || is_enough) {
            self.stop_waiting(id);
            self.core.retry.push_back(id);
        }
    }

    /// A cut has these addresses of one of its name servers from now on, or knows that there are none.
    fn tell_cut(&mut self, cut: u32, (name, qtype): (&Name, u16), servers: &[u32], ttl: Option<Duration>) {
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
    }

    /// The place of the server at an address; `None` when it must not be asked.
    pub(super) fn server_at(&mut self, address: IpAddr) -> Option<u32> {
        let address = SocketAddr::new(address, PORT);
        let reachable = self.core.table.reachable();
        if !reachable.may_ask(&address) {
            return None;
        }
        let address = reachable.reach(address);
        self.core.table.sources().can_ask(&address).then(|| self.core.place_server(address))
    }
}

impl Lookup {
    /// One for keys.
    pub fn keys() -> Lookup {
        Lookup { keys: true, ..Lookup::default() }
    }

    /// One for who comes later.
    pub fn ahead() -> Lookup {
        Lookup { is_ahead: true, ..Lookup::default() }
    }
}

impl Question {
    /// True of a lookup that glue will do for.
    pub fn wants_glue(&self) -> bool {
        self.lookup.as_ref().is_some_and(|lookup| lookup.glue)
    }

    /// True of a lookup that what is known does not do for.
    pub fn is_fresh(&self) -> bool {
        self.is_priming() || self.probes()
    }

    /// True of the lookup for the keys of an anchor that follows them.
    pub fn probes(&self) -> bool {
        self.lookup.as_ref().is_some_and(|lookup| lookup.probes)
    }

    /// True of the lookup that asks the root's servers, or a stub zone's, who they are.
    pub fn is_priming(&self) -> bool {
        self.lookup.as_ref().is_some_and(|lookup| lookup.primes)
    }
}
