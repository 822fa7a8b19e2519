//! VLAN tags that somebody takes off the frames while the program is attached.
//!
//! From the notification of that on the program leaves all frames to the kernel; the tags are switched back, and what was on its
//! way meanwhile has time to come in before the program takes frames again.

use super::Attached;
use crate::host::Changes;
use crate::serve::fast_path::tags;
use std::time::Instant;

impl Attached {
    /// Where VLAN tags may be off the frames now, leaves all to the kernel and has them left on. Whether that was so.
    pub(in crate::serve::fast_path) fn guard_tags(&mut self, changes: &mut Changes, now: Instant) -> bool {
        // That they are not is known, where the configuration says that it does no harm.
        if self.tags.cause().is_some() || tags::stay(&self.target, changes) {
            return false;
        }
        self.shut(now);
        self.keep_tags(changes);
        true
    }

    /// Has tags left on the frames; whether they are, or need not be.
    fn keep_tags(&mut self, changes: &mut Changes) -> bool {
        let kept = tags::keep(&self.target, changes);
        let is_kept = kept.is_ok();
        self.tags.take(kept.unwrap_or_else(|refusal| Some(refusal.reason)), &self.target.interface);
        is_kept
    }

    /// Looks whether tags are left on, and goes by it.
    pub(super) fn review_tags(&mut self, changes: &mut Changes, now: Instant) {
        if self.guard_tags(changes, now) {
            return;
        }
        if !self.keep_tags(changes) {
            self.shut(now);
        } else if self.shut_since.is_some_and(|since| now >= since + tags::CLEARS) {
            self.tell_shut(None);
        }
    }

    fn shut(&mut self, now: Instant) {
        self.pause_answers();
        self.tell_shut(Some(now));
    }

    fn tell_shut(&mut self, since: Option<Instant>) {
        match self.attachment.shut(since.is_some()) {
            Ok(()) => self.shut_since = since,
            Err(cause) => log::warn!(
                "{}: the program's gates are as they were: {cause}; it is tried again at the next look, xdp: no ends it",
                self.target.interface
            ),
        }
    }
}
