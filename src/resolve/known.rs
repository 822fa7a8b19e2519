//! What is known already: a question answered from the cache, a reply kept in it, a cut made from it.

use super::cache::{Ask, Climb, Context, Hit, Key, MessageKey, Rrset, RrsetRef, Source as Kept, Wanted};
use super::classify::Class;
use super::core::{Core, Turn};
use super::cuts::{Cut, Known, Source};
use super::digest::RESTARTS;
use super::world::World;
use crate::dns::cause::Cause;
use crate::dns::name::{Name, label_count, suffixes};
use crate::dns::{class, rcode, rtype};
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

impl<W: World> Turn<'_, W> {
    /// Answers a question with what is known. True when the question has ended or gone on with another target.
    pub(super) fn answer_from_cache(&mut self, id: u32) -> bool {
        match self.look(id) {
            Found::Nothing => false,
            Found::Answer => true,
            Found::Alias => {
                self.begin(id);
                true
            }
            Found::TooMany => {
                self.fail(id);
                true
            }
        }
    }

    fn look(&mut self, id: u32) -> Found {
        let Core { cache: Some(cache), questions, cuts, options, digest, spare_chains, .. } = &mut *self.core else {
            return Found::Nothing;
        };
        let question = questions.get_mut(id);
        if question.uncached || question.wants_glue() {
            return Found::Nothing;
        }
        let stub = cuts.get(question.cut).filter(|cut| cut.source.zone().is_some()).map(|cut| cut.name);
        let ask = Ask {
            checking_disabled: question.checking_disabled,
            stub: stub.as_ref().map(Name::as_wire),
            ..Ask::new(&question.target, question.qtype, question.qclass)
        };
        let Some(hit) = cache.lookup(&ask, self.now) else { return Found::Nothing };
        let alias = leads_to(&hit, question.qtype);
        let (scratch, rdata) = digest.buffers();
        let wanted = Wanted {
            name: &question.name,
            qtype: question.qtype,
            dnssec_ok: question.dnssec_ok,
            minimal: options.minimal_responses,
            chain: question.chain.as_deref(),
        };
        if let Some(target) = alias {
            let Ok(written) = hit.compose(&wanted, scratch, rdata) else { return Found::Nothing };
            let mut chain = question.chain.take().or_else(|| spare_chains.pop()).unwrap_or_default();
            chain.set(scratch, &written);
            question.chain = Some(chain);
            question.restarts += 1;
            question.target.set_lower(&target);
            return if question.restarts > RESTARTS { Found::TooMany } else { Found::Alias };
        }
        if question.lookup.is_some() {
            let addresses: Vec<IpAddr> = hit.rrsets(0).flat_map(|set| addresses_of(&set)).collect();
            self.recall(id);
            self.end_lookup(id, &addresses);
            self.give_back(id);
            return Found::Answer;
        }
        let Some(response) = self.world.room() else { return Found::Nothing };
        let Ok(written) = hit.compose(&wanted, scratch, rdata) else { return Found::Nothing };
        (response.rcode, response.ttl, response.ticket) = (hit.rcode(), written.ttl, question.ticket);
        response.known = question.used == 0;
        response.set_cause(Cause::default(), &[]);
        response.set_body(&scratch[written.place.clone()], written.counts);
        self.world.publish();
        self.finish(id);
        Found::Answer
    }

    /// Keeps what a reply has said. `class`: what it amounts to.
    pub(super) fn keep(&mut self, id: u32, message: &[u8], class: Class) {
        let Core { cache: Some(cache), questions, digest, learnt, .. } = &mut *self.core else { return };
        let question = questions.get(id);
        if question.uncached {
            return;
        }
        let asked = Name::from_wire(question.asked_name()).unwrap_or(Name::ROOT);
        let (reply, answer) = digest.parts();
        let kept = Kept { message, reply, answer, asked: &asked };
        let referral = matches!(class, Class::Referral(_) | Class::Alias);
        let mut context = Context { referral, ..Context::at(self.now) };
        context.moment.started = question.started;
        let key = MessageKey {
            name: asked.as_wire(),
            qtype: question.asked_type(),
            qclass: question.qclass,
            checking_disabled: question.checking_disabled,
        };
        match referral {
            true => {
                learnt.clear();
                cache.learn(&kept, &context, learnt);
            }
            false => {
                cache.keep(&key, &kept, &context, learnt);
            }
        }
    }

    /// The deepest cut that is known for a name (wire form, lower case), of at least so many labels, and of use for a question.
    pub(super) fn find_cut(&mut self, id: u32, name: &[u8], least: usize) -> Option<u32> {
        let mut name = Some(name);
        while let Some(from) = name {
            let cut = self.closest_cut(from, least)?;
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

    fn closest_cut(&mut self, name: &[u8], least: usize) -> Option<u32> {
        let Some(cache) = &mut self.core.cache else { return self.core.cuts.find(name, least, self.now) };
        let climb = Climb {
            name,
            rtype: rtype::NS,
            class: class::IN,
            strictly_above: false,
            no_expired_above: Some(Name::ROOT.as_wire()),
        };
        let found = cache.closest(&climb, self.now).filter(|set| label_count(set.owner()) >= least)?;
        let (owner, origin) = (Name::from_wire(found.owner())?.to_lower(), found.reference());
        match self.core.cuts.named(owner.as_wire(), self.now) {
            Some(cut) if self.core.cuts.get(cut).is_some_and(|cut| cut.origin == Some(origin)) => Some(cut),
            _ => {
                let cut = self.cut_from_cache(&owner, origin)?;
                Some(self.core.cuts.list(cut))
            }
        }
    }

    /// The cut that an NS RRset of the cache makes, with the addresses that are known of its servers.
    pub(super) fn cut_from_cache(&mut self, owner: &Name, origin: RrsetRef) -> Option<Cut> {
        let (now, cache) = (self.now, self.core.cache.as_mut()?);
        let set = cache.rrsets.follow(origin)?;
        let ttl = Duration::from_secs(u64::from(set.ttl(super::cache::seconds(now))));
        let names: Vec<Name> = set.records().filter_map(Name::from_wire).collect();
        let mut cut = Cut::new(owner, Source::Delegation, now + ttl);
        names.iter().for_each(|name| cut.add_name(name, [Known::No; 2]));
        self.add_known(&mut cut);
        Some(cut)
    }

    /// Adds to a cut the addresses of its name servers that are in the cache, and takes note of its NS RRset there.
    pub(super) fn add_known(&mut self, cut: &mut Cut) {
        let Some(cache) = self.core.cache.as_mut() else { return };
        let key = Key::new(cut.name.as_wire(), rtype::NS, class::IN);
        cut.origin = cache.rrsets.get(&key, self.now).map(|set| set.reference());
        let names: Vec<Name> = cut.names().filter_map(Name::from_wire).collect();
        for name in names {
            for (family, rtype) in [rtype::A, rtype::AAAA].into_iter().enumerate() {
                let Some(cache) = self.core.cache.as_mut() else { return };
                let Some(set) = cache.rrsets.get(&Key::new(name.as_wire(), rtype, class::IN), self.now) else {
                    continue;
                };
                let addresses: Vec<IpAddr> = addresses_of(&set).collect();
                cut.learn(&name, family);
                addresses.into_iter().for_each(|address| self.seat(cut, address));
            }
        }
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
fn leads_to(hit: &Hit<'_>, qtype: u16) -> Option<Name> {
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
