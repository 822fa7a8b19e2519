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
use super::cut::PARENT_MEMORY;
use super::cuts::{Cut, Known, Source};
use super::digest::Served;
use super::lookups::TYPES;
use super::question::{Lookup, NONE, Phase};
use super::tries::Addressee;
use super::world::World;
use crate::dns::name::{label_count, parent};
use crate::dns::{Name, class, rcode, rtype};
use std::net::IpAddr;
use std::time::Duration;

/// Cuts passed on the way to one answer (Unbound's MAX_REFERRAL_COUNT).
const REFERRALS: u8 = 130;
/// Cuts let go of, when there are too many, for each that is added: it may have more servers than one of those.
const LET_GO: usize = 4;
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
        let (start, prime) = stub.unwrap_or_else(|| (self.hints(), true));
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
            None => {
                self.core.questions.get_mut(id).was_primed = true;
                // Who is there already, with or without that, may be asked.
                let primes = || Lookup { primes: true, ..Lookup::default() };
                self.add_lookup(Some(id), &zone, rtype::NS, primes());
                match self.begin_lookup(id, &zone, rtype::NS, primes()) {
                    true => self.wait_for_lookups(id),
                    false => self.fail(id),
                }
            }
        }
    }

    /// The cut that a resolver knows the root's servers by before it has asked anybody.
    fn hints(&self) -> u32 {
        let stub = self.core.table.stub(Name::ROOT.as_wire()).and_then(|place| self.core.zone_cuts.get(place as usize));
        stub.copied().unwrap_or(self.core.hints_cut)
    }

    /// Asks the question at a cut.
    pub(super) fn ask_at(&mut self, id: u32, cut: u32) {
        self.go_to_cut(id, cut);
        let labels = self.core.cuts.get(cut).map_or(0, |cut| label_count(cut.name.as_wire()));
        if self.core.options.iteration.minimise && !self.core.questions.get(id).is_priming() {
            self.core.questions.get_mut(id).show_below(labels);
        }
        self.choose(id);
    }

    /// A question that is in phase `Choose` waits for lookups that were begun for it.
    pub(super) fn wait_for_lookups(&mut self, id: u32) {
        let until = self.deadline(id);
        self.core.questions.get_mut(id).phase = Phase::Await;
        self.core.timers.arm(id, until);
    }

    /// Decides what a whole reply of a server of a cut means for its question.
    pub(super) fn judge_authoritative(&mut self, id: u32, asked: Addressee, message: &[u8]) {
        let class = self.classify(id, asked, message);
        if matches!(class, Class::Answer | Class::Alias)
            && self.lacks_signatures(id)
            && self.has_others(id, asked.place)
        {
            // Another server of the zone may have kept them.
            self.rule_out(id, asked.place);
            return self.go_on(id, asked);
        }
        let is_kept =
            matches!(class, Class::Answer | Class::Alias | Class::Referral(_)) && self.keep(id, message, class);
        let is_minimised = self.core.questions.get(id).is_minimised();
        match class {
            Class::Referral(place) => self.descend(id, message, place),
            Class::Answer if is_minimised && self.denies_for_good() && self.answered(id, message) => {}
            Class::Answer | Class::Alias if is_minimised => self.show_more(id),
            Class::Answer if is_kept && self.is_asked_by_worker(id) && self.answer_as_kept(id) => {}
            Class::Answer if self.answered(id, message) => {}
            // That a name is an alias is all that there is to say of its keys.
            Class::Alias if self.core.questions.get(id).is_for_keys() && self.answered(id, message) => {}
            Class::Alias => self.chase(id, message),
            Class::Lame => {
                let (cut, qtype) = (self.core.questions.get(id).cut, self.core.questions.get(id).asked_type());
                let until = self.now + self.core.options.infra.memory;
                if let Some(cut) = self.core.cuts.get_mut(cut) {
                    cut.mark_lame(asked.place, qtype, until);
                }
                self.pass_over(id, asked);
            }
            Class::Recursive => self.only_resolves(id, asked),
            Class::Empty => self.said_nothing(id, asked, message),
            _ => self.pass_over(id, asked),
        }
    }

    fn classify(&mut self, id: u32, asked: Addressee, message: &[u8]) -> Class {
        let Core { digest, questions, cuts, table, options, .. } = &mut *self.core;
        let question = questions.get(id);
        let Some(cut) = cuts.get(question.cut) else { return Class::Useless };
        let (private, scrub) = (table.private(), table.scrub());
        let served = Served { zone: cut.name.as_wire(), same_zone: &|_| false, private, scrub };
        digest.classify(message, question, served, (&options.ttl, &options.iteration, asked.recursion))
    }

    /// The server resolves for others and does not serve the cut: when no other is left, it is asked to do so.
    fn only_resolves(&mut self, id: u32, asked: Addressee) {
        let cut = self.core.questions.get(id).cut;
        if let Some(cut) = self.core.cuts.get_mut(cut) {
            cut.mark_recursive(asked.place, self.now + self.core.options.infra.memory);
        }
        self.core.questions.get_mut(id).tried &= !bit(asked.place);
        self.go_on(id, asked);
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

    pub(super) fn is_asked_by_worker(&self, id: u32) -> bool {
        self.core.questions.get(id).lookup.is_none()
    }

    /// What is said of a part of the name holds for all of it (RFC 8020): a name without which those below it are not either.
    fn denies_for_good(&self) -> bool {
        let (reply, answer) = self.core.digest.parts();
        self.core.options.iteration.strict && reply.rcode == rcode::NXDOMAIN && answer.is_empty()
    }

    /// An entirely empty reply: another server is asked first.
    fn said_nothing(&mut self, id: u32, asked: Addressee, message: &[u8]) {
        let question = self.core.questions.get_mut(id);
        question.empties += 1;
        if question.empties < EMPTIES {
            // It may be asked again, as the last one.
            question.tried |= bit(asked.place);
            question.empty |= bit(asked.place);
            return self.go_on(id, asked);
        }
        match self.core.questions.get(id).is_minimised() {
            true => self.show_more(id),
            false if self.answered(id, message) => {}
            false => self.pass_over(id, asked),
        }
    }

    /// The question is answered: a worker is told, or those who wait for the lookup.
    pub(super) fn answered(&mut self, id: u32, message: &[u8]) -> bool {
        if self.core.questions.get(id).lookup.is_none() {
            return self.respond(id, message);
        }
        if self.core.questions.get(id).is_for_keys() {
            let answer = self.core.digest.hold(message, self.core.questions.get(id), false);
            self.end_key_lookup(id, answer);
            return true;
        }
        if self.core.questions.get(id).is_priming() {
            self.primed(message);
        }
        let addresses = self.core.digest.reply().addresses_in_answer(message);
        self.end_lookup(id, &addresses);
        true
    }

    /// The root's servers have told who they are.
    fn primed(&mut self, message: &[u8]) {
        let Some(set) = self.core.digest.reply().find_kept(0, rtype::NS) else { return };
        if let Some(cut) = self.cut_from(message, set) {
            self.list_cut(cut);
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
                return self.end_lookup(id, &glue);
            }
        }
        let question = self.core.questions.get_mut(id);
        question.referrals += 1;
        let is_rated = question.rated;
        if question.referrals > REFERRALS {
            return self.fail(id);
        }
        question.start_over();
        if is_rated {
            self.take_rate_back(id);
        }
        let Some(cut) = self.cut_from(message, set) else { return self.fail(id) };
        self.forget_expired_between(id, &cut.name);
        self.note_referral(&cut.name, message);
        self.fetch_keys_ahead(id, &cut.name, message);
        let labels = label_count(cut.name.as_wire());
        let question = self.core.questions.get_mut(id);
        question.referred |= 1 << labels;
        let again = question.refetched >> labels & 1 != 0;
        let cut = match again {
            true => self.take_parent_side(cut),
            false => self.list_cut(cut),
        };
        if self.core.options.iteration.harden_referral {
            self.check_referral(id, cut);
        }
        if again {
            self.pass_over_spent(id, cut);
        }
        self.ask_at(id, cut);
    }

    /// Takes what the parent says of a zone whose servers have all failed. Name servers that the zone itself has told of stay: what
    /// the parents of these say of them is to be asked for, too.
    fn take_parent_side(&mut self, mut cut: Cut) -> u32 {
        for name in self.known_servers(&cut.name) {
            if !cut.names().any(|other| other == name.as_wire()) {
                cut.add_name(&name, [Known::No; 2]);
            }
        }
        self.add_known(&mut cut);
        let listed = self.core.cuts.named(cut.name.as_wire(), self.now).and_then(|listed| self.core.cuts.get(listed));
        cut.agent = listed.and_then(|listed| listed.agent.clone());
        let until = cut.until.min(self.now + PARENT_MEMORY);
        self.core.cuts.add_parent_side(cut, until)
    }

    /// Servers that have had their chances for a question at the cut that its parent was asked for anew are not asked at `cut`.
    fn pass_over_spent(&mut self, id: u32, cut: u32) {
        let Some(cut) = self.core.cuts.get(cut) else { return };
        let question = self.core.questions.get_mut(id);
        let spent = cut.seats().iter().enumerate().filter(|(_, seat)| question.spent.contains(&seat.server));
        question.failed = spent.fold(0, |bits, (place, _)| bits | bit(place as u8));
    }

    /// Nobody is left to ask at the question's cut: its parent may know other servers than the cut itself does (the last resort
    /// of Unbound's processLastResort()). False when it has been asked for that, or there is none.
    pub(super) fn ask_the_parent_again(&mut self, id: u32) -> bool {
        let question = self.core.questions.get(id);
        let Some(cut) = self.core.cuts.get(question.cut).filter(|cut| cut.source == Source::Delegation) else {
            return false;
        };
        let (name, labels) = (cut.name, label_count(cut.name.as_wire()));
        if self.core.table.stub(name.as_wire()).is_some() {
            // The file says who is asked for this zone.
            return false;
        }
        let was_told = (question.refetched | question.referred) >> labels & 1 != 0;
        let Some(above) = parent(name.as_wire()).filter(|_| !was_told) else { return false };
        let cut = self.find_cut(id, above, 0);
        self.recall(id);
        let spent = self.core.questions.get(id).failed | self.worn_out(id);
        let seats = self.core.seats(id).iter().enumerate();
        let spent = seats.filter(|(place, _)| spent & bit(*place as u8) != 0).map(|(_, seat)| seat.server).collect();
        let question = self.core.questions.get_mut(id);
        question.spent = spent;
        question.refetched |= 1 << labels;
        question.start_over();
        if let Some(side) = self.core.cuts.parent_side(name.as_wire(), self.now) {
            self.pass_over_spent(id, side);
            self.ask_at(id, side);
            return true;
        }
        let cut = cut.unwrap_or_else(|| self.hints());
        self.ask_at(id, cut);
        true
    }

    /// Has a cut that a question was referred to asked which its name servers are and where, so that what was told beside
    /// something else is believed no longer than that takes (`harden-referral-path:`). Nobody waits for it.
    fn check_referral(&mut self, id: u32, cut: u32) {
        let question = self.core.questions.get(id);
        let qtype = question.qtype;
        let Some(cut) = self.core.cuts.get(cut) else { return };
        if self.is_deepest(id) || qtype == rtype::DS {
            return;
        }
        let name = cut.name;
        if (qtype, question.target.as_wire()) != (rtype::NS, name.as_wire()) {
            self.add_lookup(Some(id), &name, rtype::NS, Lookup::ahead());
            return;
        }
        let own: Vec<Name> =
            cut.names().filter_map(Name::from_wire).filter(|own| own.is_at_or_below(name.as_wire())).collect();
        for own in own {
            for qtype in TYPES {
                self.add_lookup(Some(id), &own, qtype, Lookup::ahead());
            }
        }
    }

    /// The cut that an NS RRset of the reply in hand makes, with the addresses that came with it and those that are known.
    fn cut_from(&mut self, message: &[u8], set: usize) -> Option<Cut> {
        let (name, ttl) = self.core.digest.reply().owner_and_ttl(message, set)?;
        let mut cut = Cut::new(&name, Source::Delegation, self.now + Duration::from_secs(u64::from(ttl)));
        for name in self.core.digest.reply().targets(message, set) {
            let glue = self.core.digest.reply().glue(message, &name);
            if self.core.options.iteration.verify_glue && !name.is_at_or_below(cut.name.as_wire()) {
                cut.add_name(&name, [Known::No; 2]);
                glue.into_iter().for_each(|address| self.doubt(&mut cut, address));
                continue;
            }
            let has = |v4: bool| glue.iter().any(|address| address.is_ipv4() == v4);
            cut.add_name(&name, [true, false].map(|v4| if has(v4) { Known::Yes } else { Known::No }));
            glue.into_iter().for_each(|address| self.seat(&mut cut, address));
        }
        self.add_known(&mut cut);
        Some(cut)
    }

    /// Has a cut found by its name from now on. There are no more of them, nor of their servers, than `infra-cache-numhosts:`
    /// says, but for those that questions come to all the time. Others go before it comes: no question is at it yet.
    pub(super) fn list_cut(&mut self, cut: Cut) -> u32 {
        let most = self.core.options.infra.hosts;
        for _ in 0..LET_GO {
            let is_over = self.core.cuts.listed() >= most || self.core.servers.held() > most;
            if !is_over || !self.core.cuts.let_one_go() {
                break;
            }
        }
        self.core.cuts.list(cut)
    }

    /// The cut of the root's hints.
    pub(super) fn set_hints(&mut self) {
        let mut cut = Cut::new(&Name::ROOT, Source::Hints, Duration::MAX);
        let hints = self.core.table.hints().unwrap_or(&self.core.options.hints);
        let addresses: Vec<IpAddr> = hints.iter().flat_map(|hint| hint.addresses.clone()).collect();
        addresses.into_iter().for_each(|address| self.seat(&mut cut, address));
        let before = std::mem::replace(&mut self.core.hints_cut, NONE);
        self.core.cuts.release(before);
        if !self.core.options.hints.is_empty() {
            self.core.hints_cut = self.core.cuts.add(cut);
        }
    }
}
