//! VLAN tags that somebody takes off the frames again while the server runs: known as soon as the kernel notifies of it.

use super::Program;
use crate::host;
use std::time::Instant;

impl Program {
    /// Has the watch tell of every change of what may take tags off. It is looked once for what was not told before.
    pub(super) fn follow_tags(&mut self) {
        let keepers = self.fast_path.tag_keepers();
        if let Some(host) = &mut self.host {
            host.follow(keepers);
        }
        self.keep_tags();
    }

    /// Does what a change asks for, before anything else of this turn.
    pub(super) fn guard_tags(&mut self) {
        let now = Instant::now();
        if let Some(host) = &mut self.host {
            host.read(now);
        }
        if self.host.as_mut().is_some_and(host::Watch::take_touched) {
            self.keep_tags();
        }
    }

    /// The look that follows lets the program take frames again.
    fn keep_tags(&mut self) {
        if let (true, Some(host)) = (self.fast_path.guard_tags(), &mut self.host) {
            host.stir(Instant::now());
        }
    }
}
