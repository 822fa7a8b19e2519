//! Lookups of addresses of name servers, and of the root's servers: questions that no worker has asked.
//!
//! A question that has no server left to ask at its cut has a lookup begun for one of the cut's name servers, and waits.
//! Equal lookups are one. A lookup may need others; how deep that goes is bounded, and none waits for itself.

use super::core::{Core, Turn};
use super::cuts::Known;
use super::question::{Phase, Question};
use super::world::World;
use crate::dns::{Name, class, rtype};
use std::net::{IpAddr, SocketAddr};

/// Lookups that may stand one above the other (what Unbound's target-fetch-policy has by default).
const DEEPEST: u8 = 4;
/// Lookups of one question altogether (Unbound's MAX_TARGET_COUNT).
const MOST: u8 = 64;
/// The port of name servers.
const PORT: u16 = 53;
/// The two types of addresses, by family.
const TYPES: [u16; 2] = [rtype::A, rtype::AAAA];

/// What a lookup is for.
#[derive(Debug, Default)]
pub struct Lookup {
    /// The questions that wait, with their serial numbers: one may have ended meanwhile.
    pub waiting: Vec<(u32, u32)>,
    /// What the parent of the name's zone says of it will do: its glue.
    pub glue: bool,
}

impl<W: World> Turn<'_, W> {
    /// Begins a lookup of a name server of the question's cut, or joins one that is on its way; false when there is none to
    /// wait for. Both families that are wanted are looked up.
    pub(super) fn await_addresses(&mut self, id: u32) -> bool {
        let Some(nth) = self.draw_name_server(id) else { return self.is_awaiting(id) };
        for family in 0..TYPES.len() {
            self.look_up(id, nth, family);
        }
        // One that could not be begun leaves the others.
        self.is_awaiting(id) || self.await_addresses(id)
    }

    /// The last resort: what the parents of the name servers' zones say of where these are may be other than what the zones
    /// themselves say, and true. False when that has been tried.
    pub(super) fn await_glue(&mut self, id: u32) -> bool {
        let (cut, depth) = (self.core.questions.get(id).cut, self.core.questions.get(id).depth);
        let Some(at) = self.core.cuts.get_mut(cut).filter(|cut| cut.source.zone().is_none()) else { return false };
        if !at.try_glue() || depth >= DEEPEST {
            return false;
        }
        let names: Vec<Name> = at.names().filter_map(Name::from_wire).take(usize::from(MOST)).collect();
        let reachable = self.core.table.reachable();
        for name in names {
            for (qtype, wanted) in TYPES.into_iter().zip([reachable.ip4, reachable.ip6]) {
                if wanted && self.core.questions.get(id).lookups < MOST {
                    self.begin_lookup(id, &name, qtype, true);
                }
            }
        }
        self.is_awaiting(id)
    }

    /// The number of a name server that has not been looked up, drawn at random.
    fn draw_name_server(&mut self, id: u32) -> Option<usize> {
        let cut = self.core.cuts.get(self.core.questions.get(id).cut)?;
        let mut open: Vec<usize> = cut.unknown().map(|(nth, _)| nth).collect();
        open.dedup();
        let nth = self.world.below(open.len() as u32).unwrap_or(0);
        open.get(nth as usize).copied()
    }

    /// Looks up one family of addresses of a name server for a question.
    fn look_up(&mut self, id: u32, nth: usize, family: usize) {
        let question = self.core.questions.get(id);
        let (cut, depth) = (question.cut, question.depth);
        let Some(at) = self.core.cuts.get_mut(cut) else { return };
        let Some(name) = at.names().nth(nth).and_then(Name::from_wire) else { return };
        let Some(known) = at.known_mut(nth, family).filter(|known| **known == Known::No) else { return };
        *known = Known::Yes;
        let reachable = self.core.table.reachable();
        let wanted = if family == 0 { reachable.ip4 } else { reachable.ip6 };
        if !wanted || depth >= DEEPEST || question.lookups >= MOST {
            return;
        }
        if self.begin_lookup(id, &name, TYPES[family], false)
            && let Some(known) = self.core.cuts.get_mut(cut).and_then(|cut| cut.known_mut(nth, family))
        {
            *known = Known::Asked;
        }
    }

    /// Has a question wait for a lookup; false when it cannot be.
    pub(super) fn begin_lookup(&mut self, id: u32, name: &Name, qtype: u16, glue: bool) -> bool {
        let key = (name.as_wire().into(), qtype, glue);
        let lookup = match self.core.lookups.get(&key) {
            Some(&lookup) if self.waits_for(lookup, id) => return false,
            Some(&lookup) => lookup,
            None => {
                let Some(lookup) = self.core.questions.take_lookup() else { return false };
                let depth = self.core.questions.get(id).depth + 1;
                let question = self.core.questions.get_mut(lookup);
                question.name.set_lower(name);
                question.target.set_lower(name);
                (question.qtype, question.qclass) = (qtype, class::IN);
                (question.dnssec_ok, question.checking_disabled) = (false, false);
                (question.depth, question.started) = (depth, self.now);
                question.lookup = Some(Box::new(Lookup { waiting: Vec::new(), glue }));
                self.core.lookups.insert(key, lookup);
                self.core.retry.push_back(lookup);
                lookup
            }
        };
        let question = self.core.questions.get_mut(id);
        question.lookups = question.lookups.saturating_add(1);
        question.awaited = question.awaited.saturating_add(1);
        let waiting = (id, question.serial);
        if let Some(lookup) = &mut self.core.questions.get_mut(lookup).lookup {
            lookup.waiting.push(waiting);
        }
        true
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
            if seen > 1024 {
                return true;
            }
            let lookup = self.core.questions.get(next).lookup.as_deref();
            above.extend(lookup.iter().flat_map(|lookup| &lookup.waiting).map(|(id, _)| id));
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
        let (name, qtype) = (question.name, question.qtype);
        self.core.lookups.remove(&(name.as_wire().into(), qtype, lookup.glue));
        let addresses: Vec<u32> = addresses.iter().filter_map(|&address| self.server_at(address)).collect();
        for (waiting, serial) in lookup.waiting {
            if self.core.questions.get(waiting).serial == serial {
                self.tell_addresses(waiting, &name, qtype, &addresses);
            }
        }
    }

    fn tell_addresses(&mut self, id: u32, name: &Name, qtype: u16, servers: &[u32]) {
        let question = self.core.questions.get_mut(id);
        question.awaited = question.awaited.saturating_sub(1);
        let (awaits, is_last, cut) = (question.phase == Phase::Await, question.awaited == 0, question.cut);
        let family = TYPES.iter().position(|&other| other == qtype);
        let Core { cuts, servers: known_servers, .. } = &mut *self.core;
        if let (Some(family), Some(cut)) = (family, cuts.get_mut(cut))
            && cut.learn(name, family)
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

    /// The place of the server at an address; `None` when it must not be asked.
    pub(super) fn server_at(&mut self, address: IpAddr) -> Option<u32> {
        let address = SocketAddr::new(address, PORT);
        let may = self.core.table.reachable().may_ask(&address) && self.core.table.sources().can_ask(&address);
        may.then(|| self.core.servers.place(address))
    }
}

impl Question {
    /// True of a lookup that glue will do for.
    pub fn wants_glue(&self) -> bool {
        self.lookup.as_ref().is_some_and(|lookup| lookup.glue)
    }

    /// True of the lookup that asks the root's servers who they are.
    pub fn is_priming(&self) -> bool {
        self.lookup.is_some() && self.qtype == rtype::NS
    }
}
