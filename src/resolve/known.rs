//! What is known already: a question answered from the cache, a reply kept in it, a cut made from it.

use super::cache::{Ask, Climb, Context, Hit, Key, MessageKey, Rrset, RrsetRef, Source as Kept, Wanted};
use super::classify::Class;
use super::core::{Core, Turn};
use super::cuts::{Cut, Known, Source};
use super::held::Held;
use super::lookups::TYPES;
use super::question::{NONE, Stale};
use super::table::MAX_SERVERS;
use super::world::World;
use crate::dns::cause::{Cause, Why};
use crate::dns::flaw::Flaw;
use crate::dns::name::{Name, label_count, suffixes};
use crate::dns::{class, rcode, rtype};
use crate::validate::Security;
use std::net::IpAddr;
use std::time::Duration;

/// What the cache had for a question.
enum Found {
    Nothing,
    /// All of it: it is told.
    Answer,
    /// An alias, which is in the question's chain now; its target is to be asked for.
    Alias,
    /// The alias is one too many.
    TooMany,
}

/// Addresses of one family that are known of a name.
struct Addresses {
    name: Name,
    family: usize,
    ttl: Duration,
    addresses: Vec<IpAddr>,
}

impl<W: World> Turn<'_, W> {
    /// Answers a question with what is known. True when the question has ended or gone on with another target.
    pub(super) fn answer_from_cache(&mut self, id: u32) -> bool {
        match self.look(id, true) {
            Found::Nothing => false,
            Found::Answer => true,
            Found::Alias => {
                // Not at once: the length of a chain is not that of the stack.
                self.go_to_cut(id, NONE);
                self.core.retry.push_back(id);
                true
            }
            Found::TooMany => {
                self.fail(id);
                true
            }
        }
    }

    /// `leads_on`: aliases without what is asked for are not all of the answer.
    fn look(&mut self, id: u32, leads_on: bool) -> Found {
        let Core { cache: Some(cache), questions, table, options, digest, spare_chains, validator, .. } =
            &mut *self.core
        else {
            return Found::Nothing;
        };
        let is_known = questions.budget(id).used == 0;
        let question = questions.get_mut(id);
        if question.uncached || question.wants_glue() || question.is_fresh() || question.refreshes.is_some() {
            return Found::Nothing;
        }
        let zone = if question.is_unzoned { None } else { table.find(question.parent_side()) };
        let ask = Ask {
            stub: zone.and_then(|place| Some(&table.zone(place)?.name[..])),
            no_above: question.is_undenied,
            ..Ask::new(&question.target, question.qtype, question.qclass)
        };
        let Some(hit) = cache.lookup(&ask, self.now) else {
            question.place = cache.place_of(&ask);
            return Found::Nothing;
        };
        // An alias of itself is all that there is to say.
        let end = if leads_on { leads_to(&hit, question.qtype) } else { None };
        let alias = end.filter(|target| *target != question.target);
        let (scratch, rdata) = digest.buffers();
        let is_proven = hit.is_proven() && question.chain.is_none();
        let wanted = Wanted {
            name: &question.name,
            qtype: question.qtype,
            dnssec_ok: if is_proven && alias.is_none() { question.dnssec_ok } else { question.writes_dnssec() },
            minimal: options.minimal_responses && !question.is_for_keys(),
            chain: question.chain.as_deref(),
        };
        if let Some(target) = alias {
            let Ok(written) = hit.compose_chain(&wanted, scratch, rdata) else { return Found::Nothing };
            let mut chain = question.chain.take().or_else(|| spare_chains.take()).unwrap_or_default();
            chain.set(scratch, &written);
            question.chain = Some(chain);
            question.follow_alias(&target);
            return if question.restarts > options.iteration.restarts { Found::TooMany } else { Found::Alias };
        }
        if question.is_for_keys() {
            let written = hit.compose(&wanted, scratch, rdata);
            let mut answer = written.ok().and_then(|written| Held::new(scratch, &written, hit.rcode()));
            if let Some(held) = &mut answer {
                held.take_from(&hit, true);
            }
            self.end_key_lookup(id, answer);
            return Found::Answer;
        }
        if question.lookup.is_some() {
            let addresses: Vec<IpAddr> = hit.rrsets(0).flat_map(|set| addresses_of(&set)).collect();
            self.end_lookup(id, &addresses);
            return Found::Answer;
        }
        if question.validates && !is_proven {
            let Ok(written) = hit.compose(&wanted, scratch, rdata) else { return Found::Nothing };
            let Some(mut held) = Held::new(scratch, &written, hit.rcode()) else { return Found::Nothing };
            held.take_from(&hit, is_known);
            // That a name above does not exist may not be enough.
            held.is_made = !hit.is_message && hit.rcode() == rcode::NXDOMAIN;
            self.hold(id, held);
            return Found::Answer;
        }
        if question.stale == Stale::Told {
            self.finish(id);
            return Found::Answer;
        }
        if question.validates && hit.head.security == Security::Bogus && !question.checking_disabled {
            let (flaw, ttl) = (Flaw::of_code(hit.head.ede), hit.head.ttl);
            self.fail_as_bogus(id, flaw, ttl);
            return Found::Answer;
        }
        let is_secure = question.validates && hit.head.security == Security::Secure;
        let wrong = validator.as_ref().filter(|validator| is_secure && validator.is_wrong_sentinel(question));
        let is_wrong = wrong.is_some();
        if let Some(validator) = wrong.filter(|_| !question.checking_disabled) {
            let ttl = hit.head.ttl.min(validator.rules.bogus_ttl);
            self.fail_as(id, Cause::new(Why::Sentinel), ttl);
            return Found::Answer;
        }
        let Some(response) = self.world.room() else { return Found::Nothing };
        let Ok(written) = hit.compose(&wanted, scratch, rdata) else { return Found::Nothing };
        // That an RRset was heard of again prolongs no message: what its answer says of other RRsets may have changed.
        let ttl = written.ttl.min(hit.head.ttl);
        (response.rcode, response.ttl, response.ticket) = (hit.rcode(), ttl, question.ticket);
        (response.known, response.expired) = (is_known, false);
        response.secure = is_secure && !is_wrong;
        response.set_cause(question.remark(), &[]);
        response.refresh_after = hit.refresh_after.min(ttl - ttl / 10);
        response.set_body(&scratch[written.place.clone()], written.counts);
        self.world.publish();
        self.finish(id);
        Found::Answer
    }

    /// Answers a question that may not be asked with the deepest cut that is known above its name (RFC 1034 section 4.3.2, step
    /// 3b). False when it may be asked, or none is known.
    pub(super) fn refer(&mut self, id: u32) -> bool {
        let Core { cache: Some(cache), questions, options, digest, .. } = &mut *self.core else { return false };
        let is_known = questions.budget(id).used == 0;
        let question = questions.get(id);
        if !question.known_only || question.stale == Stale::Told {
            return false;
        }
        let Some(hit) = cache.referral(question.parent_side(), question.qclass, self.now) else { return false };
        let wanted = Wanted {
            name: &question.name,
            qtype: question.qtype,
            dnssec_ok: question.writes_dnssec(),
            minimal: options.minimal_responses,
            chain: question.chain.as_deref(),
        };
        let (scratch, rdata) = digest.buffers();
        if question.validates {
            let Ok(written) = hit.compose(&wanted, scratch, rdata) else { return false };
            let Some(mut held) = Held::new(scratch, &written, rcode::NOERROR) else { return false };
            (held.ttl, held.known) = (0, is_known);
            self.hold(id, held);
            return true;
        }
        let Some(response) = self.world.room() else { return false };
        let Ok(written) = hit.compose(&wanted, scratch, rdata) else { return false };
        (response.rcode, response.ttl, response.ticket) = (rcode::NOERROR, 0, question.ticket);
        (response.known, response.expired, response.secure) = (is_known, false, false);
        response.set_cause(Cause::default(), &[]);
        response.set_body(&scratch[written.place.clone()], written.counts);
        self.world.publish();
        self.finish(id);
        true
    }

    /// Answers a question with the message that was kept of its answer just now: what is known of an RRset may be better than
    /// what was said last, or to be believed for less long. False when it is to be answered with the reply itself, as when
    /// nothing of that was known.
    pub(super) fn answer_as_kept(&mut self, id: u32) -> bool {
        self.core.questions.get_mut(id).refreshes = None;
        let Core { learnt, options, .. } = &*self.core;
        let is_as_it_came =
            learnt.is_told_as_it_came(options.minimal_responses) && !self.core.questions.get(id).validates;
        !is_as_it_came && matches!(self.look(id, false), Found::Answer)
    }

    /// Whether what is said to a question by the servers of its cut is kept. What a forwarder was told not to check is not: who
    /// asks without CD would be told of it.
    pub(super) fn is_kept(&self, id: u32) -> bool {
        let question = self.core.questions.get(id);
        let is_unchecked = || question.checking_disabled && !question.validates && self.is_forwarded(id);
        self.core.cache.is_some() && !question.uncached && !is_unchecked()
    }

    /// Keeps what a reply has said. `class`: what it amounts to. True when there is a message now that answers the question.
    pub(super) fn keep(&mut self, id: u32, message: &[u8], class: Class) -> bool {
        if !self.is_kept(id) {
            return false;
        }
        let Core { cache: Some(cache), questions, digest, learnt, .. } = &mut *self.core else { return false };
        let question = questions.get(id);
        let asked = Name::from_wire(question.asked_name()).unwrap_or(Name::ROOT);
        let (reply, answer) = digest.parts();
        let kept = Kept { message, reply, answer, asked: &asked };
        let referral = matches!(class, Class::Referral(_) | Class::Alias);
        let mut context = Context { referral, provisional: question.validates, ..Context::at(self.now) };
        context.moment.started = question.started;
        // A referral on the way is no answer to what is asked anew.
        context.moment.leeway = if matches!(class, Class::Referral(_)) { 0 } else { question.refreshes.unwrap_or(0) };
        // Authoritative servers check nothing, whatever CD says, and what forwarders have not checked is not kept.
        let (qtype, qclass, checking_disabled) = (question.asked_type(), question.qclass, false);
        let key = MessageKey { name: asked.as_wire(), qtype, qclass, checking_disabled };
        if referral {
            learnt.clear();
            cache.learn(&kept, &context, learnt);
            return false;
        }
        cache.keep(&key, &kept, &context, learnt) && !question.is_minimised()
    }

    /// A question is referred from its cut to one further down: delegations between them that have expired are none any more, and
    /// must not have what lies below them asked from above.
    pub(super) fn forget_expired_between(&mut self, id: u32, down: &Name) {
        let Core { cache: Some(cache), questions, cuts, .. } = &mut *self.core else { return };
        let Some(from) = cuts.get(questions.get(id).cut).map(|cut| cut.name.as_wire().len()) else { return };
        for between in suffixes(down.as_wire()).skip(1).take_while(|name| name.len() > from) {
            if cache.rrsets.get(&Key::new(between, rtype::NS, class::IN), self.now).is_none() {
                cache.flush_type(between, rtype::NS);
            }
        }
    }

    /// The deepest cut that is known for a name (wire form, lower case), of at least so many labels, and of use for a question.
    pub(super) fn find_cut(&mut self, id: u32, name: &[u8], least: usize) -> Option<u32> {
        // What ends before the answer that is to be fetched anew would be gone with it.
        let leeway = self.core.questions.get(id).refreshes.unwrap_or(0);
        let until = self.now + Duration::from_secs(u64::from(leeway));
        let mut name = Some(name);
        while let Some(from) = name {
            let cut = self.closest_cut(from, least, until)?;
            if self.core.cuts.get(cut)?.seats().is_empty() {
                self.refill(cut);
            }
            let question = self.core.questions.get(id);
            let found = self.core.cuts.get(cut)?;
            if !found.is_useless(&question.target, question.qtype) {
                return Some(cut);
            }
            // Further up somebody may tell where its servers are.
            let above = suffixes(from).find(|suffix| suffix.len() < found.name.as_wire().len());
            name = above;
        }
        None
    }

    /// The deepest cut that is to be believed at `until`.
    fn closest_cut(&mut self, name: &[u8], least: usize, until: Duration) -> Option<u32> {
        let Some(cache) = &mut self.core.cache else { return self.core.cuts.find(name, least, until) };
        let climb = Climb {
            name,
            rtype: rtype::NS,
            class: class::IN,
            strictly_above: false,
            no_expired_above: Some(Name::ROOT.as_wire()),
        };
        let found = cache.closest(&climb, until).filter(|set| label_count(set.owner()) >= least)?;
        let (owner, origin) = (Name::from_wire(found.owner())?.to_lower(), found.reference());
        match self.core.cuts.named(owner.as_wire(), self.now) {
            Some(cut) if self.core.cuts.get(cut).is_some_and(|cut| cut.origin == Some(origin)) => Some(cut),
            _ => {
                let cut = self.cut_from_cache(&owner, origin)?;
                Some(self.list_cut(cut))
            }
        }
    }

    /// The cut that an NS RRset of the cache makes, with the addresses that are known of its servers.
    fn cut_from_cache(&mut self, owner: &Name, origin: RrsetRef) -> Option<Cut> {
        let (now, cache) = (self.now, self.core.cache.as_mut()?);
        let set = cache.rrsets.follow(origin)?;
        let ttl = Duration::from_secs(u64::from(set.ttl(super::cache::seconds(now))));
        let names: Vec<Name> = set.records().filter_map(Name::from_wire).collect();
        let mut cut = Cut::new(owner, Source::Delegation, now + ttl);
        names.iter().for_each(|name| cut.add_name(name, [Known::No; 2]));
        self.add_known(&mut cut);
        Some(cut)
    }

    /// The name servers of a zone as they are known best, lower case.
    pub(super) fn known_servers(&mut self, zone: &Name) -> Vec<Name> {
        let key = Key::new(zone.as_wire(), rtype::NS, class::IN);
        let set = self.core.cache.as_mut().and_then(|cache| cache.rrsets.get(&key, self.now));
        set.map_or_else(Vec::new, |set| set.records().filter_map(Name::from_wire).map(|name| name.to_lower()).collect())
    }

    /// Adds to a cut the addresses of its name servers that are in the cache, and takes note of its NS RRset there.
    pub(super) fn add_known(&mut self, cut: &mut Cut) {
        let Some(cache) = self.core.cache.as_mut() else { return };
        let key = Key::new(cut.name.as_wire(), rtype::NS, class::IN);
        cut.origin = cache.rrsets.get(&key, self.now).map(|set| set.reference());
        let names = cut.names().filter_map(Name::from_wire).collect();
        let now = self.now;
        for Addresses { name, family, ttl, addresses } in self.known_addresses(&cut.name, names) {
            cut.learn(&name, family, Some(ttl), now);
            addresses.into_iter().for_each(|address| self.seat(cut, address));
        }
    }

    /// Adds to a cut that is in use the addresses that have come to be known since; true when there are any.
    pub(super) fn refill(&mut self, cut: u32) -> bool {
        let (zone, names) = match self.core.cuts.get(cut) {
            Some(cut) if cut.source.zone().is_none() => (cut.name, cut.names().filter_map(Name::from_wire).collect()),
            _ => return false,
        };
        let mut any = false;
        let now = self.now;
        for Addresses { name, family, ttl, addresses } in self.known_addresses(&zone, names) {
            let servers: Vec<u32> = addresses.into_iter().filter_map(|address| self.server_at(address)).collect();
            let Core { cuts, servers: known, .. } = &mut *self.core;
            let Some(cut) = cuts.get_mut(cut) else { return any };
            cut.learn(&name, family, Some(ttl), now);
            for server in servers {
                if cut.seat(server) {
                    known.hold(server);
                    any = true;
                }
            }
        }
        any
    }

    /// The addresses of the names of a cut's servers that are in the cache, by family.
    fn known_addresses(&mut self, cut: &Name, names: Vec<Name>) -> Vec<Addresses> {
        let verifies = self.core.options.iteration.verify_glue;
        let Some(cache) = self.core.cache.as_mut() else { return Vec::new() };
        let mut known = Vec::new();
        for name in names {
            for (family, rtype) in TYPES.into_iter().enumerate() {
                let key = Key::new(name.as_wire(), rtype, class::IN);
                let set = cache.rrsets.get(&key, self.now);
                let needs_proof = verifies && !name.is_at_or_below(cut.as_wire());
                if let Some(set) = set.filter(|set| !needs_proof || !set.trust().is_additional()) {
                    let ttl = Duration::from_secs(u64::from(set.ttl(super::cache::seconds(self.now))));
                    known.push(Addresses { name, family, ttl, addresses: addresses_of(&set).collect() });
                }
            }
        }
        known
    }

    /// Takes note of an address that is to be asked only when there is no other (`harden-unverified-glue: yes`).
    pub(super) fn doubt(&mut self, cut: &mut Cut, address: IpAddr) {
        if let Some(server) = self.server_at(address).filter(|server| !cut.doubtful.contains(server))
            && cut.doubtful.len() < MAX_SERVERS
        {
            self.core.servers.hold(server);
            cut.doubtful.push(server);
        }
    }

    /// Lets a cut's doubtful addresses be asked as any others; true when there are any.
    pub(super) fn trust_doubtful(&mut self, cut: u32) -> bool {
        let Core { cuts, servers, .. } = &mut *self.core;
        let Some(cut) = cuts.get_mut(cut) else { return false };
        let mut any = false;
        for server in std::mem::take(&mut cut.doubtful) {
            match cut.seat(server) {
                true => any = true,
                false => servers.let_go(server),
            }
        }
        any
    }

    /// Adds an address to a cut that is not listed yet.
    pub(super) fn seat(&mut self, cut: &mut Cut, address: IpAddr) {
        if let Some(server) = self.server_at(address)
            && cut.seat(server)
        {
            self.core.servers.hold(server);
        }
    }
}

/// Where an answer leads that has only aliases.
pub(super) fn leads_to(hit: &Hit<'_>, qtype: u16) -> Option<Name> {
    if hit.rcode() != rcode::NOERROR || matches!(qtype, rtype::CNAME | rtype::ANY) {
        return None;
    }
    if let Some(alias) = hit.alias() {
        return Some(alias.target);
    }
    let last = hit.rrsets(0).last()?;
    if last.rtype() != rtype::CNAME { None } else { Name::from_wire(last.target()?) }
}

/// The addresses in an A or AAAA RRset.
fn addresses_of<'a>(set: &Rrset<'a>) -> impl Iterator<Item = IpAddr> + use<'a> {
    let rtype = set.rtype();
    set.records().filter_map(move |data| match rtype {
        rtype::A => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
        rtype::AAAA => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
        _ => None,
    })
}
