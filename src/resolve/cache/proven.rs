//! An answer that was held back while it was validated, kept once it is: until then something better that has expired stays.

use super::Cache;
use super::messages::{Head, MessageKey, Sections, Times};
use super::rrset::Key;
use super::rrsets::{Moment, seconds};
use super::trust::Trust;
use crate::validate::Security;
use crate::validate::parts::Parts;

impl Cache {
    /// Keeps an answer in the place of what is there under its key; false when some RRset of it cannot be kept.
    pub fn keep_proven(&mut self, key: &MessageKey, parts: &Parts, head: &Head, moment: &Moment) -> bool {
        let views = parts.views();
        let mut sections = Sections::default();
        for (nth, part) in parts.sets.iter().enumerate() {
            let Some(set) = views.set(nth) else { return false };
            self.draft.start(&Key::of(&set, part.section), part.ttl);
            set.records.iter().for_each(|data| self.draft.push(data));
            set.signatures.iter().for_each(|data| self.draft.push_signature(data));
            let trust = match (part.known, part.section) {
                (Security::Secure, _) => Trust::Validated,
                (_, 0) => Trust::AuthoritativeAnswer,
                (_, 1) => Trust::AuthoritativeAuthority,
                (_, _) => Trust::AuthoritativeAdditional,
            };
            match self.rrsets.insert(&mut self.draft, trust, part.known, moment) {
                Some(stored) => sections.0[part.section.min(2)].push(stored.rrset),
                None => return false,
            }
        }
        let times = Times::new(seconds(moment.now), head.ttl, self.rules.serve_expired);
        head.ttl > 0 && self.messages.put(key, head, &sections, &times)
    }
}
