//! Whose change may take the VLAN tags off frames at a program, and what follows.

use super::FastPath;
use super::attached::Attached;
use crate::attach::Tags;
use std::time::Instant;

impl FastPath {
    /// The links, by their indices, that may take the tags off the frames of interfaces with a program, so that each change of
    /// one calls for [`FastPath::guard_tags`].
    pub fn tag_keepers(&self) -> Vec<u32> {
        let keeper = |attached: &Attached| match &attached.target.tags {
            Tags::Stay | Tags::PeerElsewhere => None,
            Tags::Driver => Some(attached.target.index),
            Tags::Peer { index, .. } => Some(*index),
        };
        self.attached.iter().filter_map(keeper).collect()
    }

    /// Has every program at which tags may be off the frames leave all to the kernel, and the tags left on again;
    /// [`FastPath::review`] has it take frames again. Whether there is one.
    pub fn guard_tags(&mut self) -> bool {
        let mut any = false;
        for attached in &mut self.attached {
            any |= attached.guard_tags(&mut self.changes, Instant::now());
        }
        any
    }
}
