//! Anchors that follow their zones' keys (RFC 5011): when these are asked for, and what comes of it.
//!
//! ```text
//! due ─▶ probe (a lookup past the cache) ─▶ DNSKEY RRset, or none ─▶ what becomes of each key ─┬─▶ anchor in force
//!  ▲                  what any question fetches anew ──────────────▲                           ├─▶ file, by main
//!  └──────────────────────────────────────────────── next probe ───────────────────────────────┘
//! ```

use super::core::{Core, Turn};
use super::question::{Lookup, Question};
use super::validator::Validator;
use super::world::World;
use crate::dns::flaw::Flaw;
use crate::dns::name::is_at_or_below;
use crate::dns::name_text::to_text;
use crate::dns::{Name, class, rtype};
use crate::validate::Set;
use crate::validate::autotrust::{Followed, Point, State};
use crate::validate::autotrust_step::Event;
use crate::validate::autotrust_verify::Verifier;
use crate::validate::parts::{Parts, View};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// To the next try of a probe that found no room.
const NO_ROOM: Duration = Duration::from_secs(1);

impl<W: World> Turn<'_, W> {
    /// Asks for the keys of the anchors whose time has come.
    pub(super) fn follow_anchors(&mut self) {
        let is_due = self.core.validator.as_ref().is_some_and(|validator| validator.following.is_due(self.now));
        if !is_due {
            return;
        }
        let wall = self.world.wall();
        let Some(Validator { following, .. }) = &self.core.validator else { return };
        let zones = following.due_at(wall);
        let mut is_full = false;
        for zone in &zones {
            if !self.probe_keys(zone) {
                is_full = true;
                continue;
            }
            let random = self.random();
            if let Some(Validator { following, .. }) = &mut self.core.validator {
                let timers = following.timers();
                following.of(zone).into_iter().for_each(|followed| followed.point.begin(wall, random, &timers));
            }
        }
        if let Some(Validator { following, .. }) = &mut self.core.validator {
            following.set_due(wall, self.now);
            if is_full {
                following.postpone(self.now + NO_ROOM);
            }
        }
    }

    /// Begins a lookup of a zone's keys, past the cache; one that is on its way does as well. False when there is no room.
    fn probe_keys(&mut self, zone: &Name) -> bool {
        let is_begun = self.core.lookups.contains_key(&(zone.as_wire().into(), rtype::DNSKEY, false));
        is_begun || self.add_lookup(None, zone, rtype::DNSKEY, Lookup { probes: true, ..Lookup::keys() }).is_some()
    }

    fn random(&mut self) -> u32 {
        // Without one all is the same, but that many resolvers may ask at once.
        u32::from(self.world.draw().unwrap_or(0)) << 16 | u32::from(self.world.draw().unwrap_or(0))
    }

    /// Takes in what servers have answered to a question for the DNSKEYs of a name, or that they have not: who is trusted may
    /// be another from now on.
    pub(super) fn take_keys(&mut self, name: &Name, answer: Option<&Parts>) {
        let is_followed = self.core.validator.as_mut().is_some_and(|validator| validator.following.of(name).is_some());
        if !is_followed {
            return;
        }
        let (wall, random) = (self.world.wall(), self.random());
        let Core { validator: Some(validator), .. } = &mut *self.core else { return };
        let Validator { rules, following, keys, .. } = validator;
        let timers = following.timers();
        let Some(Followed { file, point }) = following.of(name) else { return };
        let nothing = Set {
            owner: name.as_wire(),
            rtype: rtype::DNSKEY,
            class: class::IN,
            ttl: 0,
            records: &[],
            signatures: &[],
        };
        let view = answer.and_then(|parts| parts.view(parts.answer(name, rtype::DNSKEY)?));
        let set = view.as_ref().map(View::set);
        let mut verifier = Verifier::new(set.as_ref().unwrap_or(&nothing), rules, rules.clock(wall));
        let outcome = point.take(set.as_ref(), wall, random, &timers, &mut verifier);
        if outcome.write {
            self.world.keep_anchor(file, point.text());
        }
        tell(point, file, &outcome.events);
        if outcome.is_changed {
            Arc::make_mut(&mut rules.anchors).replace(&point.zone, class::IN, point.anchor());
            if point.revoked {
                keys.flush(super::cache::seconds(self.now), |of, _| is_at_or_below(of, name.as_wire()));
            }
        }
        following.set_due(wall, self.now);
    }

    /// A lookup of keys has ended: says, and has `status` show, that those of an anchor are not to be had, or that they are again.
    pub(super) fn tell_anchor(&self, id: u32) {
        let Some(validator) = &self.core.validator else { return };
        let Question { name, qtype, .. } = self.core.questions.get(id);
        if *qtype != rtype::DNSKEY || validator.rules.anchors.get(name.as_wire(), class::IN).is_none() {
            return;
        }
        let flaw = validator.keys.flaw(name.as_wire(), super::cache::seconds(self.now));
        let zone = to_text(name.as_wire());
        match self.core.troubles.set_anchor(name.as_wire(), flaw.map(|flaw| trouble(&zone, flaw))) {
            Some(Some(trouble)) => log::warn!("trust anchor {zone}: {trouble}"),
            Some(None) => log::info!("trust anchor {zone}: the keys of {zone} are there again"),
            None => {}
        }
    }
}

/// What stands in the way of validating by an anchor, and what to do.
fn trouble(zone: &str, flaw: Flaw) -> String {
    let why = match flaw {
        Flaw::Unreachable => {
            "they do not come: see that its servers are reached, and that forwarders pass DNSSEC records"
        }
        Flaw::Unasked => "they could not be asked for from here: see the upstream: lines of the status",
        Flaw::Expired | Flaw::NotYetValid => {
            "their signatures are not of this time: see that this host's clock is right"
        }
        Flaw::KeyMissing | Flaw::SignaturesMissing => {
            "what comes has no signatures: forwarders must pass DNSSEC records; ask others, or write module-config: \"iterator\" to \
             have nothing validated"
        }
        _ => {
            "no key that is trusted has signed them: see that this host's clock is right, and that the trust anchor is of the keys \
             of today"
        }
    };
    format!(
        "the keys of {zone}, by which names below it are validated, are not to be had, so that these get SERVFAIL: {why}"
    )
}

/// Says what has come of an anchor's keys.
fn tell(point: &Point, file: &Path, events: &[Event]) {
    let (zone, file) = (to_text(&point.zone), file.display());
    for event in events {
        match event {
            Event::Key(tag, _, State::Pending) => {
                log::info!(
                    "trust anchor {zone}: key {tag} is new; it is trusted once it has been there for add-holddown"
                )
            }
            Event::Key(tag, State::Pending, State::Start) => {
                log::info!("trust anchor {zone}: key {tag} went before it was trusted; it is forgotten")
            }
            Event::Key(tag, State::Missing, State::Valid) => {
                log::info!("trust anchor {zone}: key {tag} is there again")
            }
            Event::Key(tag, _, State::Valid) => log::info!("trust anchor {zone}: key {tag} is trusted from now on"),
            Event::Key(tag, _, State::Missing) => {
                log::warn!("trust anchor {zone}: key {tag} is not there any more; it stays trusted for keep-missing")
            }
            Event::Key(tag, _, State::Revoked) => {
                log::warn!("trust anchor {zone}: key {tag} was revoked by its owner; it is not trusted any more")
            }
            Event::Key(tag, _, State::Removed | State::Start) => {
                log::info!("trust anchor {zone}: key {tag} is forgotten")
            }
            Event::ClockWentBack => log::warn!(
                "trust anchor {zone}: this host's clock stands before times in {file}; what has to be waited for begins anew: \
                 see that the clock is right"
            ),
            Event::NoEntryPoint => log::warn!(
                "trust anchor {zone}: none of its keys has the flag of a secure entry point, so none can be followed; what is \
                 trusted stays: put its keys into {file} when they change"
            ),
            Event::TooManyKeys => {
                log::warn!("trust anchor {zone}: it has more keys than are remembered; the rest is passed over")
            }
            Event::Revoked => log::error!(
                "trust anchor {zone}: all of its keys were revoked, so it is no anchor any more and nothing is validated by it; \
                 put its new keys into {file} and reload"
            ),
        }
    }
}
