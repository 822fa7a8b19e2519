//! Plans that come true for all clients, for none, and for some.

use super::*;

fn counts(redirected: u64, vlan: u64, mac: u64, kernel: u64) -> Counts {
    Counts { redirected, vlan, mac, kernel }
}

#[test]
fn a_plan_that_does_not_come_true_is_said_once_and_taken_back() {
    let (mut promise, now) = (Promise::default(), Instant::now());
    assert_eq!(promise.look(counts(0, 0, 0, 0), now), None);
    assert_eq!(promise.look(counts(0, 10, 0, 10), now), None, "too few to tell");
    let broken = Broken { cause: Cause::Vlan, kernel: 400, of: 400, at: now };
    assert_eq!(promise.look(counts(0, 400, 0, 400), now), Some(News::Broken(broken)));
    assert_eq!(promise.look(counts(0, 800, 0, 800), now), None, "said once");
    assert_eq!(promise.broken().map(|broken| broken.cause), Some(Cause::Vlan));
    assert_eq!(promise.look(counts(100, 800, 0, 800), now), Some(News::Kept(None)));
    assert_eq!(promise.broken(), None);
    let mac = promise.look(counts(100, 800, 50, 850), now);
    assert!(matches!(mac, Some(News::Broken(Broken { cause: Cause::Mac, .. }))), "another cause is news");
}

#[test]
fn back_and_forth_is_two_lines_an_hour_and_the_last_line_is_true() {
    let (mut promise, now) = (Promise::default(), Instant::now());
    promise.look(counts(0, 0, 0, 0), now);
    assert!(promise.look(counts(0, 100, 0, 100), now).is_some());
    assert_eq!(promise.look(counts(100, 100, 0, 100), now), Some(News::Kept(None)));
    assert_eq!(promise.look(counts(100, 200, 0, 200), now), None, "again");
    assert!(promise.broken().is_some(), "and always in the status");
    assert_eq!(promise.look(counts(200, 200, 0, 200), now), None, "what was not said is not taken back");
    assert_eq!(promise.look(counts(200, 300, 0, 300), now), None);
    let later = now + SAID_AGAIN;
    assert!(promise.look(counts(200, 400, 0, 400), later).is_some(), "it lasts, and the log said that it is over");
    assert_eq!(promise.look(counts(300, 400, 0, 400), later), Some(News::Kept(None)));
}

#[test]
fn what_holds_for_some_clients_alone_is_said() {
    let (mut promise, now) = (Promise::default(), Instant::now());
    promise.look(counts(0, 0, 0, 0), now);
    let broken = Broken { cause: Cause::Mac, kernel: 100, of: 400, at: now };
    assert_eq!(promise.look(counts(300, 0, 100, 100), now), Some(News::Broken(broken)));
    assert_eq!(promise.look(counts(700, 0, 170, 170), now), None, "a seventh: as it was");
    assert_eq!(promise.broken().map(|broken| (broken.kernel, broken.of)), Some((70, 470)), "in the figures of now");
    let rest = Broken { cause: Cause::Mac, kernel: 30, of: 1030, at: now };
    assert_eq!(promise.look(counts(1700, 0, 200, 200), now), None, "a few may be from before");
    assert_eq!(promise.broken(), Some(rest), "and are shown");
    let rest = Broken { cause: Cause::Mac, kernel: 10, of: 1010, at: now };
    assert_eq!(promise.look(counts(2700, 0, 210, 210), now), Some(News::Kept(Some(rest))), "a few are left");
    assert_eq!(promise.look(counts(3700, 0, 220, 220), now), None, "said once");
    assert!(promise.broken().is_some());
    assert_eq!(promise.look(counts(3730, 0, 220, 220), now), Some(News::Kept(None)));
    assert_eq!(promise.broken(), None);
}

#[test]
fn what_is_not_ours_breaks_no_promise() {
    let (mut promise, now) = (Promise::default(), Instant::now());
    promise.look(counts(0, 0, 0, 0), now);
    assert_eq!(promise.look(counts(0, 1000, 0, 10), now), None, "the kernel's sockets did not get it");
    assert_eq!(promise.look(counts(500, 1100, 0, 110), now), None, "some of many");
    assert_eq!(promise.look(counts(500, 1100, 0, 9000), now), None, "another interface's");
    assert_eq!(promise.broken(), None);
}

#[test]
fn what_came_before_a_plan_breaks_no_promise_of_it() {
    let (mut promise, now) = (Promise::default(), Instant::now());
    promise.look(counts(0, 0, 0, 0), now);
    promise.count_anew();
    assert_eq!(promise.look(counts(0, 600, 0, 600), now), None);
    assert_eq!(promise.look(counts(0, 610, 0, 610), now), None, "too few since");
    assert!(promise.look(counts(0, 700, 0, 700), now).is_some());
}

#[test]
fn what_no_program_sees_and_what_one_passes_are_taken_back_each_by_itself() {
    let (mut promise, now) = (Promise::default(), Instant::now());
    promise.look(counts(0, 0, 0, 0), now);
    let sight = unseen(2500, 2525).unwrap();
    assert!(matches!(promise.take_unseen(sight, now), Some(News::Broken(Broken { kernel: 2500, of: 2525, .. }))));
    assert_eq!(promise.look(counts(25, 0, 0, 2500), now), None, "all that the program saw came over XDP");
    assert_eq!(promise.broken().map(|broken| broken.cause), Some(Cause::Unseen), "and most it did not see");
    assert!(promise.look(counts(25, 100, 0, 2600), now).is_some());
    assert_eq!(promise.broken().map(|broken| broken.cause), Some(Cause::Vlan));
    assert_eq!(promise.take_unseen(kept(0, 30).unwrap(), now), Some(News::Kept(None)));
    assert!(promise.broken().is_some());
    promise.take_unseen(sight, now);
    promise.look(counts(225, 100, 0, 2600), now);
    assert_eq!(promise.broken().map(|broken| broken.cause), Some(Cause::Unseen));
}

#[test]
fn figures_that_are_not_of_now_say_so() {
    let now = Instant::now();
    let broken = Broken { cause: Cause::Unseen, kernel: 20, of: 40, at: now };
    let told = |later| broken.explain(&crate::serve::fast_path::tags::tests::target(false), now + later);
    assert!(told(Duration::from_secs(59)).starts_with("20 of 40 queries came by kernel sockets: "));
    assert!(told(Duration::from_secs(600)).starts_with("20 of 40 queries came by kernel sockets (10 min ago): "));
}

fn seen(redirected: u64, passed: u64, others: u64) -> Frames {
    Frames { redirected, passed, others }
}

fn unseen(unseen: u64, of: u64) -> Option<Sight> {
    Some(Sight { verdict: Verdict::Broken, unseen, of })
}

fn kept(unseen: u64, of: u64) -> Option<Sight> {
    Some(Sight { verdict: Verdict::Kept, unseen, of })
}

#[test]
fn queries_that_no_program_sees_are_noticed_unless_they_are_the_kernels_by_the_plan() {
    let mut watch = Unseen::default();
    assert_eq!(watch.look(seen(0, 0, 0), 0), None);
    assert_eq!(watch.look(seen(0, 0, 0), 10), None, "too few to tell");
    assert_eq!(watch.look(seen(0, 0, 0), 100), unseen(100, 100));
    assert_eq!(watch.look(seen(0, 0, 50), 150), None, "all are the kernel's by the plan");
    assert_eq!(watch.look(seen(0, 0, 60), 190), unseen(30, 30));
    assert_eq!(watch.look(seen(0, 70, 60), 260), None, "a program passed them, which is told apart");
}

#[test]
fn queries_of_some_clients_that_no_program_sees_are_noticed() {
    let mut watch = Unseen::default();
    watch.look(seen(0, 0, 0), 0);
    assert_eq!(watch.look(seen(25, 0, 0), 2500), unseen(2500, 2525));
    assert_eq!(watch.look(seen(425, 0, 0), 2600), unseen(100, 500), "a fifth");
    assert_eq!(watch.look(seen(1025, 0, 0), 2700).map(|sight| sight.verdict), Some(Verdict::Between), "a seventh");
    assert_eq!(watch.look(seen(2025, 0, 0), 2710), kept(10, 1010), "a few are left");
    assert_eq!(watch.look(seen(2045, 0, 0), 2710), kept(0, 20), "none is left");
    assert_eq!(watch.look(seen(2046, 0, 0), 2711), None, "too few to tell");
    assert_eq!(watch.look(seen(2086, 0, 0), 2730), unseen(20, 61), "a few at a time");
}
