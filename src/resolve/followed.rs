//! The anchors that follow their zones' keys (RFC 5011): what is known of these, and when they are asked for.

use crate::dns::Name;
use crate::dns::class::IN;
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
    /// They as their files had it.
    given: Vec<Followed>,
    timers: Timers,
    /// When one is to be asked for.
    due: Option<Duration>,
    /// When the clock of the wall was last looked at.
    looked: Duration,
}

impl Following {
    /// Follows these, as their files had it. Keys of another class than IN are asked for by nobody.
    pub fn new(mut all: Vec<Followed>, timers: Timers) -> Following {
        all.retain(|followed| followed.point.class == IN);
        let due = all.iter().any(|followed| !followed.point.revoked).then_some(Duration::ZERO);
        Following { given: all.clone(), all, timers, due, looked: Duration::ZERO }
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

    /// Goes on with what is known now, unless a file was written by somebody else meanwhile: one that is as it was when it was
    /// read before, or older than what is known, was not.
    pub fn go_on(&mut self, before: &mut Following, anchors: &mut Arc<Anchors>) {
        let Following { all, given, .. } = before;
        for followed in &mut self.all {
            let is_same = |known: &Followed| known.file == followed.file && known.point.zone == followed.point.zone;
            let Some(nth) = all.iter().position(is_same) else { continue };
            let point = &followed.point;
            let is_older = point.queried > 0 && all[nth].point.queried > point.queried;
            if is_older || given[nth].point == *point {
                std::mem::swap(followed, &mut all[nth]);
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dns::class::CH;
    use crate::dns::rtype::{DNSKEY, DS};
    use crate::validate::autotrust::{Key, Point, State};

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn point(rtype: u16, queried: u64, next_probe: u64) -> Point {
        let key = Key { rtype, ttl: 60, data: vec![1, 1, 3, 8, 9], state: State::Valid, count: 0, changed: queried };
        Point { zone: vec![0], class: IN, queried, next_probe, keys: vec![key], ..Point::default() }
    }

    fn following(point: Point) -> Following {
        Following::new(vec![Followed { file: "root.key".into(), point }], Timers::default())
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_and_no_probe_waits_for_it() {
        let mut of = following(point(DNSKEY, 0, 0));
        assert!(of.is_due(S(0)) && of.due_at(100) == [Name::ROOT]);
        of.all[0].point.next_probe = 100 + 3600;
        of.set_due(100, S(5));
        assert_eq!((of.due(), of.is_due(S(6)), of.is_due(S(15))), (Some(S(3605)), false, true));
        assert_eq!(of.due_at(3699), []);
        assert_eq!((of.due_at(1_796_000_000), of.due_at(0)), (vec![Name::ROOT], vec![]), "years later at once");
        of.all[0].point.revoked = true;
        of.set_due(100, S(6));
        assert_eq!(of.due(), None);
    }

    #[test]
    fn keys_of_another_class_are_not_those_of_the_internet() {
        let mut of = following(Point { class: CH, ..point(DNSKEY, 0, 0) });
        assert_eq!((of.due(), of.due_at(100), of.of(&Name::ROOT).is_none()), (None, vec![], true));
    }

    #[test]
    fn what_is_known_stays_unless_somebody_else_has_written_the_file() {
        let known = point(DNSKEY, 500, 900);
        let go_on = |given: &Point, read: Point| {
            let (mut before, mut now) = (following(given.clone()), following(read));
            before.all[0].point = known.clone();
            let mut anchors = Arc::default();
            now.go_on(&mut before, &mut anchors);
            let is_in_force = anchors.get(&[0], IN).is_some();
            (now.all[0].point.clone(), is_in_force)
        };
        let by_hand = point(DS, 0, 0);
        assert_eq!(go_on(&by_hand, by_hand.clone()), (known.clone(), true), "it could not be written");
        assert_eq!(go_on(&by_hand, point(DNSKEY, 400, 800)), (known.clone(), true), "it is about to be written");
        assert_eq!(
            go_on(&by_hand, point(DNSKEY, 600, 800)).0,
            point(DNSKEY, 600, 800),
            "unbound-anchor has written it"
        );
        let other = Point { keys: vec![], ..by_hand.clone() };
        assert_eq!(go_on(&by_hand, other.clone()).0, other, "somebody has");
    }
}
