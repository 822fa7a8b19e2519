//! What is asked for the sake of keys though nobody waits for it: whom the keys of an anchor are told to that are trusted (RFC
//! 8145), and the keys of a zone as soon as it is known to have some.

use super::core::{Core, Turn};
use super::cuts::Cut;
use super::question::Lookup;
use super::world::World;
use crate::dns::name::{MAX_LABEL, Name, parent};
use crate::dns::{class, rtype};
use crate::validate::anchors::Closest;
use std::fmt::Write;

/// The label begins with it; a hyphen and four digits for each key follow.
const PREFIX: &str = "_ta";
const DIGITS: usize = 4;

/// The name that tells the servers of a zone by which keys it is trusted (RFC 8145 section 5.1). `None` where there are no keys, or
/// it would be too long.
fn signal(zone: &Name, tags: &[u16]) -> Option<Name> {
    let most = (MAX_LABEL - PREFIX.len()) / (1 + DIGITS);
    let mut label = PREFIX.to_owned();
    for tag in tags.iter().take(most) {
        // Writing to a String does not fail.
        let _ = write!(label, "-{tag:04x}");
    }
    let wire = [&[label.len() as u8], label.as_bytes(), zone.as_wire()].concat();
    if tags.is_empty() { None } else { Name::from_wire(&wire) }
}

impl<W: World> Turn<'_, W> {
    /// The keys of a zone are asked for: where it is an anchor, its servers are told by which keys it is trusted
    /// (`trust-anchor-signaling:`). Nobody waits for what they say to that.
    pub(super) fn signal_anchor(&mut self, id: u32, zone: &Name) {
        let Some(validator) = self.core.validator.as_ref().filter(|validator| validator.rules.signals) else { return };
        let Some(anchor) = validator.rules.anchors.get(zone.as_wire(), class::IN) else { return };
        let Some(name) = signal(zone, &anchor.key_tags()) else { return };
        if let Some(told) = self.add_lookup(Some(id), &name, rtype::NULL, Lookup { signals: true, ..Lookup::ahead() }) {
            // A server that hears of the name without the type has not been told, and will say that it does not exist.
            self.core.questions.get_mut(told).show_all();
        }
    }

    /// Whether a reply to a question is of no interest, whatever it says: the zone has been told what it was to be told.
    pub(super) fn has_signalled(&self, id: u32) -> bool {
        let Core { questions, cuts, .. } = &*self.core;
        let question = questions.get(id);
        let signals = question.lookup.as_ref().is_some_and(|lookup| lookup.signals);
        let is_told = |cut: &Cut| cut.is_forward() || parent(question.target.as_wire()) == Some(cut.name.as_wire());
        signals && cuts.get(question.cut).is_some_and(is_told)
    }

    /// Whether a lookup of the keys of a name is on its way.
    pub(super) fn is_fetching_keys(&self, zone: &Name) -> bool {
        self.core.lookups.contains_key(&(zone.as_wire().into(), rtype::DNSKEY, false))
    }

    /// The reply in hand refers to a zone: where it has a DS of it, or the zone is an anchor, its keys are asked for at once
    /// (`prefetch-key:`).
    pub(super) fn fetch_keys_ahead(&mut self, id: u32, zone: &Name, message: &[u8]) {
        let Core { validator: Some(validator), digest, questions, .. } = &*self.core else { return };
        let question = questions.get(id);
        let is_of_use = validator.rules.prefetches && question.validates && !question.checking_disabled;
        if !is_of_use || (question.qtype, question.target.as_wire()) == (rtype::DNSKEY, zone.as_wire()) {
            return;
        }
        let reply = digest.reply();
        let mut delegations = (0..reply.sets.len()).filter(|&set| reply.sets[set].rtype == rtype::DS);
        let has_ds = delegations.any(|set| reply.owner_and_ttl(message, set).is_some_and(|(owner, _)| owner == *zone));
        let closest = validator.rules.anchors.closest(zone.as_wire(), class::IN);
        let Some(Closest::Anchor { zone: anchor, .. }) = closest else { return };
        let is_anchor = anchor.len() == zone.as_wire().len();
        let is_known = || validator.keys.is_known(zone.as_wire(), super::cache::seconds(self.now));
        if (has_ds || is_anchor) && !is_known() {
            self.add_lookup(Some(id), zone, rtype::DNSKEY, Lookup::ahead());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_keys() {
        let told = |zone: &str, tags: &[u16]| {
            signal(&Name::from_text(zone).unwrap(), tags).map(|name| name.to_string()).unwrap_or_default()
        };
        assert_eq!(told(".", &[0x4f66, 0x9728]), "_ta-4f66-9728.");
        assert_eq!(told("example.com", &[7]), "_ta-0007.example.com.");
        assert_eq!(told(".", &[]), "");
        let many: Vec<u16> = (0..20).collect();
        assert_eq!(told(".", &many).len(), "_ta.".len() + 12 * "-0000".len());
        let long = [vec![b'a'; 63], vec![b'b'; 63], vec![b'c'; 63], vec![b'd'; 58]]
            .map(|label| String::from_utf8(label).unwrap());
        assert_eq!(told(&long.join("."), &[7]), "");
    }
}
