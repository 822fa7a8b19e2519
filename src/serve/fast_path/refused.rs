//! Interfaces that the fast path was wanted on and is not, and when they are tried again.

use crate::attach::Target;
use crate::xdp::{Kind, XdpError};
use std::time::{Duration, Instant};

/// Between two attempts at an interface that refused, at first and at most. An attempt at a network card may reset its
/// link.
const RETRY: Duration = Duration::from_secs(2);
const RETRY_RESETS: Duration = Duration::from_secs(60);
const RETRY_MOVED: Duration = Duration::from_millis(200);
pub(super) const RETRY_MOST: Duration = Duration::from_secs(600);
/// Attempts in all that may reset the link, where what they fail for may pass.
const DISTURBING: u32 = 3;

/// What stands in the way, as far as it decides when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// There is no program for it: there may be when another interface is let go of.
    NoProgram,
    /// The program of an ID is there, or it cannot be told. Nothing was changed, and nothing is before it is known that none is.
    Occupied(Option<u32>),
    /// Somebody else has what it takes, or memory is short: that may pass.
    Shortage,
    /// The interface, or the other end of its pair, is not what it was when the plan was made: another plan is due at once.
    Moved,
    /// Anything else.
    Other,
}

/// Why an interface has no program.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) because: Because,
    /// The link may have been reset for the try, and each further try may reset it again.
    pub(super) disturbs: bool,
}

impl From<String> for Refusal {
    fn from(reason: String) -> Refusal {
        Refusal { reason, because: Because::Other, disturbs: false }
    }
}

impl From<XdpError> for Refusal {
    fn from(error: XdpError) -> Refusal {
        let because = match error.kind {
            Kind::NoProgram => Because::NoProgram,
            Kind::Busy | Kind::MemoryLimit => Because::Shortage,
            Kind::NoInterface => Because::Moved,
            _ => Because::Other,
        };
        Refusal { because, ..Refusal::from(error.to_string()) }
    }
}

/// An interface that refused.
pub(super) struct Refused {
    pub(super) target: Target,
    pub(super) reason: String,
    pub(super) because: Because,
    pause: Duration,
    /// Tries that may have reset the link.
    disturbing: u32,
    /// When to try again; `None`: not before the interface is another.
    pub(super) again: Option<Instant>,
}

impl Refused {
    /// What follows from a refusal, `before` being what followed from the last one of the interface.
    pub(super) fn after(before: Option<&Refused>, target: &Target, refusal: Refusal, now: Instant) -> Refused {
        let Refusal { mut reason, because, disturbs } = refusal;
        let same = before.filter(|before| has_same_hook(&before.target, target));
        // Who holds a program can be seen at the start alone, before the user is another: what was said of it then holds.
        if let (Some(before), Because::Occupied(Some(_))) = (same.filter(|before| before.because == because), because) {
            reason.clone_from(&before.reason);
        }
        let disturbing = same.map_or(0, |before| before.disturbing) + u32::from(disturbs);
        let may_pass = matches!(because, Because::Shortage | Because::Moved);
        let is_last = disturbs && (!may_pass || disturbing >= DISTURBING);
        if is_last {
            reason += "; each try may reset the link, so the next is at a restart or when the interface is made anew";
        } else if disturbs {
            let left = DISTURBING - disturbing;
            reason += &format!("; each try may reset the link: {left} more at most");
        }
        let first = match because {
            Because::Moved => RETRY_MOVED,
            _ if target.resets => RETRY_RESETS,
            _ => RETRY,
        };
        let pause = before.filter(|before| before.target.is_like(target)).map_or(first, |before| before.pause * 2);
        let pause = pause.min(RETRY_MOST);
        Refused { target: target.clone(), reason, because, pause, disturbing, again: (!is_last).then(|| now + pause) }
    }

    /// Whether a try to attach to `target` has to wait. `is_free`: whether it is known that no other program is in the way of
    /// an interface, by its index.
    pub(super) fn waits(&self, target: &Target, now: Instant, is_free: impl Fn(u32) -> bool) -> bool {
        // Where a try may reset the link, not for an address that came or a link that the try itself took down.
        let is_same = if self.disturbing > 0 { has_same_hook } else { Target::is_like };
        is_same(&self.target, target)
            && self.again.is_none_or(|again| now < again)
            && !(self.is_occupied() && is_free(target.index))
    }

    /// Whether another program is in the way.
    pub(super) fn is_occupied(&self) -> bool {
        matches!(self.because, Because::Occupied(_))
    }
}

/// Whether a driver would say the same of both.
fn has_same_hook(one: &Target, other: &Target) -> bool {
    let hook = |target: &Target| (target.index, target.mtu, target.named, target.generic);
    hook(one) == hook(other) && one.interface == other.interface
}

#[cfg(test)]
mod tests {
    use super::super::tags::tests::target;
    use super::*;

    fn refuse(before: Option<&Refused>, because: Because, disturbs: bool, now: Instant) -> Refused {
        let reason = "eth0: attach refused".to_owned();
        Refused::after(before, &target(false), Refusal { reason, because, disturbs }, now)
    }

    fn nobody_leaves(_: u32) -> bool {
        false
    }

    #[test]
    fn a_card_that_a_try_disturbs_is_tried_once() {
        let (card, now) = (target(false), Instant::now());
        let (left, later) = (refuse(None, Because::Other, true, now), now + 2 * RETRY_MOST);
        assert_eq!(left.again, None, "nothing calls for it");
        assert!(left.waits(&card, later, nobody_leaves));
        assert!(left.reason.contains("a restart"), "{}", left.reason);
        // What the try itself brings about, and what any address of the host does.
        let own = vec!["192.0.2.1".parse().expect("an address")];
        assert!(left.waits(&Target { carrier: false, own, ..card.clone() }, later, nobody_leaves));
        for other in [Target { mtu: 9000, ..card.clone() }, Target { index: 3, ..card.clone() }, target(true)] {
            assert!(!left.waits(&other, later, nobody_leaves), "{other:?}");
        }
    }

    #[test]
    fn what_may_pass_disturbs_a_card_a_few_times_and_not_for_ever() {
        let (card, mut now) = (target(false), Instant::now());
        let mut left = refuse(None, Because::Shortage, true, now);
        let mut tries = 1;
        while let Some(again) = left.again {
            assert!(left.waits(
                &Target { carrier: false, ..card.clone() },
                again - Duration::from_secs(1),
                nobody_leaves
            ));
            assert!(again >= now + RETRY_RESETS && !left.waits(&card, again, nobody_leaves));
            now = again;
            left = refuse(Some(&left), Because::Shortage, true, now);
            tries += 1;
            assert!(tries < 10, "for ever");
        }
        assert_eq!(tries, DISTURBING);
        assert!(left.reason.contains("a restart") && left.waits(&card, now + 2 * RETRY_MOST, nobody_leaves));
        let other = Refusal::from("eth0: attach refused".to_owned());
        let anew = Refused::after(Some(&left), &Target { index: 3, ..card }, other, now);
        assert!(anew.again.is_some(), "the interface was made anew");
    }

    #[test]
    fn what_moved_is_looked_at_again_at_once_and_then_ever_more_rarely() {
        let (card, now) = (target(false), Instant::now());
        let first = refuse(None, Because::Moved, false, now);
        assert_eq!(first.again, Some(now + RETRY_MOVED));
        assert!(first.waits(&card, now, nobody_leaves), "by the same plan it is as before");
        assert!(
            !first.waits(&Target { interface: "lan0".into(), ..card }, now, nobody_leaves),
            "by the next it is not"
        );
        let second = refuse(Some(&first), Because::Moved, false, now);
        assert_eq!(second.again, Some(now + 2 * RETRY_MOVED));
        assert!(refuse(None, Because::Moved, true, now).again.is_some(), "nor is a card given up for it");
    }

    #[test]
    fn a_card_with_another_program_is_tried_when_that_is_gone() {
        let (card, now) = (target(false), Instant::now());
        let left = refuse(None, Because::Occupied(Some(7)), false, now);
        assert!(left.waits(&card, now, nobody_leaves));
        assert!(!left.waits(&card, now, |index| index == card.index), "it is gone");
        assert!(!left.waits(&card, left.again.expect("a time"), nobody_leaves), "nor for ever without a look");
        assert!(!left.reason.contains("reset"), "nothing was changed: {}", left.reason);
        let busy = refuse(None, Because::Shortage, true, now);
        assert!(busy.waits(&card, now, |_| true), "what was disturbed has its pause");
    }

    #[test]
    fn who_holds_a_program_is_remembered() {
        let (card, now) = (target(false), Instant::now());
        let of = |id, reason: &str| Refusal { because: Because::Occupied(Some(id)), ..reason.to_owned().into() };
        let first = Refused::after(None, &card, of(7, "runbound (pid 12) holds it"), now);
        let later = Refused::after(Some(&first), &card, of(7, "held by nobody knows whom"), now);
        assert_eq!(later.reason, first.reason, "so it is said once");
        assert_eq!(Refused::after(Some(&later), &card, of(8, "another"), now).reason, "another");
    }

    #[test]
    fn others_are_tried_again_and_at_once_when_they_are_another() {
        let (card, now) = (target(false), Instant::now());
        let left = refuse(None, Because::Other, false, now);
        let again = left.again.expect("a time");
        assert!(
            left.waits(&card, again - Duration::from_secs(1), nobody_leaves)
                && !left.waits(&card, again, nobody_leaves)
        );
        assert!(!left.waits(&Target { mtu: 9000, ..card }, again - Duration::from_secs(1), nobody_leaves));
    }
}
