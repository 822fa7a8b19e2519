//! Resolving from the root down: where a question is asked first, and what the replies of authoritative servers lead to.
//!
//! ```text
//! begin ─▶ deepest cut known ─▶ choose a server ─▶ reply ─┬─ answer ──▶ told
//!             ▲        ▲                 ▲                ├─ referral ─▶ the cut it names
//!             │        └─ root primed    └─ addresses     ├─ alias ────▶ begin, with its target
//!             │           (lookup)          (lookups)     └─ lame ─────▶ the next server
//!             └──────────────────────────────────────────────┘
//! ```

use super::classify::Class;
use super::core::{Core, Turn, bit};
use super::cuts::{Cut, Known, Source};
use super::digest::Served;
use super::question::{NONE, Phase};
use super::tries::Addressee;
use super::world::World;
use crate::dns::name::{label_count, parent};
use crate::dns::{Name, class, rcode, rtype};
use std::net::IpAddr;
use std::time::Duration;

/// Cuts passed on the way to one answer (Unbound's MAX_REFERRAL_COUNT).
const REFERRALS: u8 = 130;
/// Servers of a cut that may say nothing at all before one is believed (Unbound's EMPTY_NODATA_RETRY_COUNT).
const EMPTIES: u8 = 2;

impl<W: World> Turn<'_, W> {
    /// Has a question that no forward zone takes asked at the deepest cut that is known. `stub`: the cut of the stub zone that
    /// it lies in, and whether that is only there to tell who the zone's servers are. Without one the root is the zone that
    /// is primed so (RFC 9609).
    pub(super) fn iterate(&mut self, id: u32, stub: Option<(u32, bool)>) {
        let question = self.core.questions.get(id);
        if question.qclass != class::IN {
            return self.fail(id);
        }
        let (start, prime) = stub.unwrap_or((self.core.hints_cut, true));
        if question.is_priming() {
            return self.ask_at(id, start);
        }
        let Some(zone) = self.core.cuts.get(start).map(|cut| cut.name) else { return self.fail(id) };
        let least = label_count(zone.as_wire()) + usize::from(!prime);
        let mut from = Name::from_wire(self.core.questions.get(id).parent_side()).unwrap_or(Name::ROOT);
        if self.core.questions.get(id).wants_glue()
            && let Some(own) = self.find_cut(id, from.as_wire(), least)
        {
            let own = self.core.cuts.get(own).map_or(Name::ROOT, |cut| cut.name);
            from = parent(own.as_wire()).and_then(Name::from_wire).unwrap_or(Name::ROOT);
        }
        match self.find_cut(id, from.as_wire(), least) {
            Some(cut) => self.ask_at(id, cut),
            None if !prime || self.core.questions.get(id).was_primed => self.ask_at(id, start),
            None if self.begin_lookup(id, &zone, rtype::NS, false) => {
                self.core.questions.get_mut(id).was_primed = true;
                self.wait_for_lookups(id);
            }
            None => self.fail(id),
        }
    }

    /// Asks the question at a cut.
    fn ask_at(&mut self, id: u32, cut: u32) {
        self.go_to_cut(id, cut);
        let labels = self.core.cuts.get(cut).map_or(0, |cut| label_count(cut.name.as_wire()));
        if self.core.options.iteration.minimise && !self.core.questions.get(id).is_priming() {
            self.core.questions.get_mut(id).show_below(labels);
        }
        self.choose(id);
    }

    /// A question that is in phase `Choose` waits for lookups that were begun for it.
    pub(super) fn wait_for_lookups(&mut self, id: u32) {
        let question = self.core.questions.get_mut(id);
        question.phase = Phase::Await;
        let until = question.started + self.core.options.patience;
        self.core.timers.arm(id, until);
    }

    /// Decides what a whole reply of a server of a cut means for its question.
    pub(super) fn judge_authoritative(&mut self, id: u32, asked: Addressee, message: &[u8]) {
        let class = self.classify(id, message);
        if matches!(class, Class::Answer | Class::Alias | Class::Referral(_)) {
            self.keep(id, message, class);
        }
        let is_minimised = self.core.questions.get(id).is_minimised();
        match class {
            Class::Referral(place) => self.descend(id, message, place),
            Class::Answer | Class::Alias if is_minimised => self.show_more(id),
            Class::Answer if self.answered(id, message) => {}
            Class::Alias => self.chase(id, message),
            Class::Lame | Class::Recursive => {
                let cut = self.core.questions.get(id).cut;
                let until = self.now + self.core.options.infra.memory;
                if let Some(cut) = self.core.cuts.get_mut(cut) {
                    cut.mark_lame(asked.place, until);
                }
                self.pass_over(id, asked);
            }
            Class::Empty => self.said_nothing(id, asked, message),
            _ => self.pass_over(id, asked),
        }
    }

    fn classify(&mut self, id: u32, message: &[u8]) -> Class {
        let Core { digest, questions, cuts, table, options, .. } = &mut *self.core;
        let question = questions.get(id);
        let Some(cut) = cuts.get(question.cut) else { return Class::Useless };
        let (private, scrub) = (table.private(), table.scrub());
        let served = Served { zone: cut.name.as_wire(), same_zone: &|_| false, private, scrub };
        digest.classify(message, question, served, (&options.ttl, &options.iteration))
    }

    /// A part of the name was answered for: on with more of it, at the same cut.
    fn show_more(&mut self, id: u32) {
        self.recall(id);
        let question = self.core.questions.get_mut(id);
        match self.core.digest.reply().rcode {
            rcode::NOERROR => question.show_more(),
            // Servers are known that deny names which have others below them, so this is not the end.
            _ => question.show_all(),
        }
        let question = self.core.questions.get_mut(id);
        (question.tried, question.refused, question.rounds) = (0, 0, 0);
        self.core.retry.push_back(id);
    }

    /// An entirely empty reply: another server is asked first.
    fn said_nothing(&mut self, id: u32, asked: Addressee, message: &[u8]) {
        let question = self.core.questions.get_mut(id);
        question.empties += 1;
        if question.empties < EMPTIES {
            // It may be asked again, as the last one.
            question.tried |= bit(asked.place);
            return self.go_on(id, asked);
        }
        match self.core.questions.get(id).is_minimised() {
            true => self.show_more(id),
            false if self.answered(id, message) => {}
            false => self.pass_over(id, asked),
        }
    }

    /// The question is answered: a worker is told, or those who wait for the lookup.
    fn answered(&mut self, id: u32, message: &[u8]) -> bool {
        if self.core.questions.get(id).lookup.is_none() {
            return self.respond(id, message);
        }
        if self.core.questions.get(id).is_priming() {
            self.primed(message);
        }
        let addresses = self.core.digest.reply().addresses_in_answer(message);
        self.recall(id);
        self.end_lookup(id, &addresses);
        self.give_back(id);
        true
    }

    /// The root's servers have told who they are.
    fn primed(&mut self, message: &[u8]) {
        let Some(set) = self.core.digest.reply().find_kept(0, rtype::NS) else { return };
        if let Some(cut) = self.cut_from(message, set) {
            self.core.cuts.list(cut);
        }
    }

    /// The reply refers to a cut further down.
    fn descend(&mut self, id: u32, message: &[u8], set: usize) {
        self.recall(id);
        if self.core.questions.get(id).wants_glue() {
            let question = self.core.questions.get(id);
            let mut glue = self.core.digest.reply().glue(message, &question.target);
            glue.retain(|address| address.is_ipv4() == (question.qtype == rtype::A));
            if !glue.is_empty() {
                self.end_lookup(id, &glue);
                return self.give_back(id);
            }
        }
        let question = self.core.questions.get_mut(id);
        question.referrals += 1;
        if question.referrals > REFERRALS {
            return self.fail(id);
        }
        question.start_over();
        let Some(cut) = self.cut_from(message, set) else { return self.fail(id) };
        let again = self.core.questions.get(id).refetched >> label_count(cut.name.as_wire()) & 1 != 0;
        let cut = match again {
            // The parent's side of it, for this question alone.
            true => self.core.cuts.add_unheld(cut),
            false => self.core.cuts.list(cut),
        };
        self.ask_at(id, cut);
    }

    /// Nobody is left to ask at the question's cut: its parent may know other servers than the cut itself does (the last resort
    /// of Unbound's processLastResort()). False when it has been asked for that, or there is none.
    pub(super) fn ask_the_parent_again(&mut self, id: u32) -> bool {
        let question = self.core.questions.get(id);
        let Some(cut) = self.core.cuts.get(question.cut).filter(|cut| cut.source == Source::Delegation) else {
            return false;
        };
        let (name, labels) = (cut.name, label_count(cut.name.as_wire()));
        let Some(above) = parent(name.as_wire()).filter(|_| question.refetched >> labels & 1 == 0) else {
            return false;
        };
        let cut = self.find_cut(id, above, 0);
        self.recall(id);
        let question = self.core.questions.get_mut(id);
        question.refetched |= 1 << labels;
        question.start_over();
        self.ask_at(id, cut.unwrap_or(self.core.hints_cut));
        true
    }

    /// The cut that an NS RRset of the reply in hand makes, with the addresses that came with it and those that are known.
    fn cut_from(&mut self, message: &[u8], set: usize) -> Option<Cut> {
        let (name, ttl) = self.core.digest.reply().owner_and_ttl(message, set)?;
        let mut cut = Cut::new(&name, Source::Delegation, self.now + Duration::from_secs(u64::from(ttl)));
        for name in self.core.digest.reply().targets(message, set) {
            let glue = self.core.digest.reply().glue(message, &name);
            let has = |v4: bool| glue.iter().any(|address| address.is_ipv4() == v4);
            cut.add_name(&name, [true, false].map(|v4| if has(v4) { Known::Yes } else { Known::No }));
            glue.into_iter().for_each(|address| self.seat(&mut cut, address));
        }
        self.add_known(&mut cut);
        Some(cut)
    }

    /// The cut of the root's hints.
    pub(super) fn set_hints(&mut self) {
        let mut cut = Cut::new(&Name::ROOT, Source::Hints, Duration::MAX);
        let hints = self.core.table.hints().unwrap_or(&self.core.options.hints);
        let addresses: Vec<IpAddr> = hints.iter().flat_map(|hint| hint.addresses.clone()).collect();
        addresses.into_iter().for_each(|address| self.seat(&mut cut, address));
        let before = std::mem::replace(&mut self.core.hints_cut, NONE);
        self.core.cuts.release(before);
        self.core.hints_cut = self.core.cuts.add(cut);
    }
}
