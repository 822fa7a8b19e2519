//! Whether what the program answers by itself leaves: counts of what it answered, against counts of what left beyond it.
//!
//! At a veth pair the other end counts every reply, those of the worker too. So on a trial, for which one query is answered by
//! the program, there must be one more there than the worker sent; and of all that is answered later a part at least, as a ring
//! that is full drops some of both. Replies by kernel sockets are there as well, and few.
//!
//! Where the other end is out of reach, the driver tells what of the program's answers alone left and what did not.

use crate::host::SentBack;

/// Looks, a quarter of a second apart, that a reply on trial may take.
const TRIAL: u32 = 8;
/// Replies of the worker during a trial among which one more cannot be told, as a full ring drops some.
const CROWD: u64 = 64;
/// Answers of the program by which the share that leaves is judged, and how often in a row none may leave.
const JUDGED: u64 = 16;
/// The former where the driver counts them: nothing else is among those.
const JUDGED_BY_DRIVER: u64 = 1;
const STRIKES: u32 = 2;

/// What is counted at an interface. All only grow, and they are to be read in this order, unless the driver counts them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Queries answered by the program.
    pub(super) answered: u64,
    /// Frames sent by the worker.
    pub(super) sent: u64,
    /// What left: replies that came to the other end of a pair, else packets that the interface has sent.
    pub(super) left: u64,
}

/// As the driver counts what the program alone sent back.
impl From<SentBack> for Counts {
    fn from(SentBack { left, lost }: SentBack) -> Self {
        Self { answered: left.saturating_add(lost), sent: 0, left }
    }
}

impl Counts {
    /// What was counted since `base`.
    fn since(self, base: Counts) -> Counts {
        Counts {
            answered: self.answered.saturating_sub(base.answered),
            sent: self.sent.saturating_sub(base.sent),
            left: self.left.saturating_sub(base.left),
        }
    }
}

/// What a look at a trial tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing yet.
    Open,
    /// The reply has left.
    Left,
    /// It has not.
    Lost,
}

/// One reply on trial.
#[derive(Debug)]
pub(super) struct Trial {
    before: Counts,
    looks: u32,
}

impl Trial {
    pub(super) fn new(before: Counts) -> Self {
        Self { before, looks: 0 }
    }

    /// Takes the counts of now. `exact`: what left is the replies alone, not all that the interface sends.
    pub(super) fn look(&mut self, now: Counts, exact: bool) -> Outcome {
        let Counts { answered, sent, left } = now.since(self.before);
        if answered == 0 {
            return Outcome::Open;
        }
        // A driver counts what it sent when it next sends something: nothing is lost there, and it says so in time.
        if !exact {
            return if left > 0 { Outcome::Left } else { Outcome::Open };
        }
        if left >= sent + answered {
            return Outcome::Left;
        }
        self.looks += 1;
        match self.looks < TRIAL {
            true => Outcome::Open,
            // What is answered from now on will tell.
            false if sent >= CROWD && left >= sent / 2 => Outcome::Left,
            false => Outcome::Lost,
        }
    }
}

/// All that the program answers after a trial.
#[derive(Debug)]
pub(super) struct Share {
    base: Counts,
    /// Answers that tell.
    judged: u64,
    strikes: u32,
    leaves: bool,
}

impl Share {
    /// `by_driver`: whether it is the driver that counts.
    pub(super) fn new(base: Counts, by_driver: bool) -> Self {
        Self { base, judged: if by_driver { JUDGED_BY_DRIVER } else { JUDGED }, strikes: 0, leaves: false }
    }

    /// Takes the counts of now; whether what the program answers does not leave any more.
    pub(super) fn is_lost(&mut self, now: Counts) -> bool {
        let Counts { answered, sent, left } = now.since(self.base);
        if answered < self.judged {
            return false;
        }
        self.base = now;
        // Where the worker answers more, what a full ring drops of that would hide the rest.
        let none_left = sent < answered && left.saturating_sub(sent).saturating_mul(8) < answered;
        self.strikes = if none_left { self.strikes + 1 } else { 0 };
        self.leaves = sent < answered && !none_left;
        self.strikes >= STRIKES
    }

    /// Whether what was judged last was seen to leave, of which one reply on trial is a weaker proof.
    pub(super) fn leaves(&self) -> bool {
        self.leaves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(answered: u64, sent: u64, left: u64) -> Counts {
        Counts { answered, sent, left }
    }

    #[test]
    fn a_reply_that_leaves_is_one_more_than_the_worker_sent() {
        let trial = || Trial::new(counts(5, 100, 90));
        let mut waits = trial();
        for more in 0..100 {
            assert_eq!(waits.look(counts(5, 100 + more, 90 + more), true), Outcome::Open, "no query came for it");
        }
        assert_eq!(waits.look(counts(6, 200, 191), true), Outcome::Left);
        let mut late = trial();
        assert_eq!(late.look(counts(6, 101, 90), true), Outcome::Open);
        assert_eq!(late.look(counts(6, 101, 92), true), Outcome::Left);
        let mut lost = trial();
        let looks = (1..).take_while(|more| lost.look(counts(6, 100 + more, 90 + more), true) == Outcome::Open).count();
        assert_eq!(looks as u32, TRIAL - 1, "as many as the worker sent, and not one more");
    }

    #[test]
    fn among_many_replies_that_are_dropped_in_part_the_later_ones_tell() {
        let end = |left| {
            let mut trial = Trial::new(counts(0, 0, 0));
            (1..=u64::from(TRIAL)).map(|look| trial.look(counts(1, look * 1000, look * left), true)).last()
        };
        assert_eq!((end(900), end(400)), (Some(Outcome::Left), Some(Outcome::Lost)));
    }

    #[test]
    fn a_card_that_sends_anything_sends_replies() {
        let mut trial = Trial::new(counts(0, 0, 7));
        for _ in 0..100 {
            assert_eq!(trial.look(counts(1, 0, 7), false), Outcome::Open);
        }
        assert_eq!(trial.look(counts(1, 1, 8), false), Outcome::Left);
    }

    #[test]
    fn what_was_seen_to_leave_is_known() {
        let seen = |answered, sent, left| {
            let mut share = Share::new(Counts::default(), false);
            share.is_lost(counts(answered, sent, left));
            share.leaves()
        };
        assert!(seen(1000, 10, 1010) && seen(1000, 10, 400), "dropped in part");
        assert!(!seen(15, 0, 15), "too few to tell");
        assert!(!seen(1000, 10, 10), "only the worker's leave");
        assert!(!seen(1000, 2000, 3000), "the worker's may be all that was dropped");
    }

    #[test]
    fn replies_that_cease_to_leave_are_noticed_and_a_full_ring_is_not_taken_for_that() {
        let (mut share, mut now) = (Share::new(counts(0, 0, 0), false), Counts::default());
        let mut more = |answered, sent, left| {
            now = counts(now.answered + answered, now.sent + sent, now.left + left);
            share.is_lost(now)
        };
        assert!(!more(1000, 10, 1010) && !more(1000, 10, 400), "dropped in part");
        assert!((0..15).all(|_| !more(1, 0, 0)), "too few to tell");
        assert!(!more(1, 0, 0), "once says nothing");
        assert!(!more(100, 5, 90), "they leave");
        assert!(!more(100, 5, 5) && more(100, 5, 5), "only the worker's leave");
        assert!(
            !more(100, 5, 90) && !more(100, 1000, 600) && !more(100, 1000, 600),
            "the worker's are dropped in part"
        );
    }

    #[test]
    fn where_the_driver_counts_two_answers_that_are_lost_tell() {
        let counts = |left, lost| Counts::from(SentBack { left, lost });
        let mut trial = Trial::new(counts(70, 3));
        assert_eq!(trial.look(counts(70, 3), true), Outcome::Open, "no query came for it");
        assert_eq!(trial.look(counts(71, 3), true), Outcome::Left);
        let mut trial = Trial::new(counts(70, 3));
        assert!((1..TRIAL).all(|_| trial.look(counts(70, 4), true) == Outcome::Open));
        assert_eq!(trial.look(counts(70, 4), true), Outcome::Lost);

        let mut share = Share::new(counts(71, 3), true);
        assert!(!share.is_lost(counts(1000, 500)), "a full ring");
        assert!(
            !share.is_lost(counts(1000, 501)) && !share.is_lost(counts(1000, 501)),
            "one says little, and nothing came since"
        );
        assert!(share.is_lost(counts(1000, 502)));
    }
}
