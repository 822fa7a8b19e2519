//! The anchors that follow their zones' keys (RFC 5011): what is known of these, and when they are asked for.

use crate::dns::Name;
use crate::validate::anchors::Anchors;
use crate::validate::autotrust::Followed;
use crate::validate::autotrust_step::Timers;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at the clock of the wall, which may be set.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The anchors that are followed.
#[derive(Debug, Default)]
pub struct Following {
    all: Vec<Followed>,
    timers: Timers,
    /// When one is to be asked for.
    due: Option<Duration>,
    /// When the clock of the wall was last looked at.
    looked: Duration,
}

impl Following {
    /// Follows these, as their files had it.
    pub fn new(all: Vec<Followed>, timers: Timers) -> Following {
        let due = all.iter().any(|followed| !followed.point.revoked).then_some(Duration::ZERO);
        Following { all, timers, due, looked: Duration::ZERO }
    }

    /// When there is something to do; `None`: nothing is followed.
    #[inline]
    pub fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Whether the clock of the wall is to be looked at.
    #[inline]
    pub fn is_due(&self, now: Duration) -> bool {
        self.due.is_some_and(|due| now >= due || now >= self.looked + LOOK_EVERY)
    }

    /// What is known of the keys of a zone that is followed.
    pub fn of(&mut self, zone: &Name) -> Option<&mut Followed> {
        let followed = self.all.iter_mut().find(|followed| followed.point.zone == zone.as_wire());
        followed.filter(|followed| !followed.point.revoked)
    }

    /// Goes on with what is known now where that is newer than what a file had: it was read while the file was written. A file
    /// that somebody else has written, without times, counts.
    pub fn go_on(&mut self, before: &mut Following, anchors: &mut Arc<Anchors>) {
        for followed in &mut self.all {
            let Followed { file, point } = &followed;
            let known = before.all.iter_mut().find(|known| known.file == *file && known.point.zone == point.zone);
            if let Some(known) = known.filter(|known| point.queried > 0 && known.point.queried > point.queried) {
                std::mem::swap(followed, known);
                Arc::make_mut(anchors).replace(&followed.point.zone, followed.point.class, followed.point.anchor());
            }
        }
    }

    /// Sets the next time by the clock of the wall.
    pub fn set_due(&mut self, wall: u64, now: Duration) {
        let points = self.all.iter().map(|followed| &followed.point).filter(|point| !point.revoked);
        let wait = points.map(|point| Duration::from_secs(point.next_probe.saturating_sub(wall))).min();
        (self.due, self.looked) = (wait.map(|wait| now + wait), now);
    }

    /// Comes back at this time: there was no room.
    pub fn postpone(&mut self, until: Duration) {
        self.due = Some(until);
    }

    /// How they are followed.
    pub fn timers(&self) -> Timers {
        self.timers
    }

    /// The zones whose keys are to be asked for when the clock of the wall has `wall`, seconds since 1970.
    pub fn due_at(&self, wall: u64) -> Vec<Name> {
        let due = self.all.iter().map(|followed| &followed.point).filter(|point| point.is_due(wall));
        due.filter_map(|point| Name::from_wire(&point.zone)).collect()
    }
}
