//! Cuts made from what is known: the deepest that the cache has for a name, and where its servers are.

use super::cache::{Climb, Key, Rrset, RrsetRef};
use super::core::{Core, Turn};
use super::cuts::{Cut, Known, Source};
use super::lookups::TYPES;
use super::table::MAX_SERVERS;
use super::world::World;
use crate::dns::name::{Name, label_count, suffixes};
use crate::dns::{class, rtype};
use std::net::IpAddr;
use std::time::Duration;

/// Addresses of one family that are known of a name.
struct Addresses {
    name: Name,
    family: usize,
    ttl: Duration,
    addresses: Vec<IpAddr>,
}

impl<W: World> Turn<'_, W> {
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

/// The addresses in an A or AAAA RRset.
pub(super) fn addresses_of<'a>(set: &Rrset<'a>) -> impl Iterator<Item = IpAddr> + use<'a> {
    let rtype = set.rtype();
    set.records().filter_map(move |data| match rtype {
        rtype::A => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
        rtype::AAAA => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
        _ => None,
    })
}
