//! Whether the plan comes true: queries for the addresses of an interface with our program are to be redirected there, not
//! to keep coming by the kernel's sockets.
//!
//! Two things are compared every few seconds, by counters that are there anyway: what the programs did with the frames for
//! our addresses, and how many queries the kernel's sockets had.

use crate::attach::{Tags, Target};
use std::iter::Sum;
use std::time::{Duration, Instant};

/// Queries before anything is said of them.
const FEWEST: u64 = 20;
/// The same is said again after this at the earliest, when it came true meanwhile.
const SAID_AGAIN: Duration = Duration::from_secs(3600);

/// Why the queries of an interface come by kernel sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The program passed them: their VLAN tag is another than that of their address's interface, or not in the frame.
    Vlan,
    /// The program passed them: they are sent to another MAC than that of their address's interface.
    Mac,
    /// The program did not see them, and they do not come over loopback.
    Unseen,
}

/// So many of so many queries came by kernel sockets, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) cause: Cause,
    pub(super) kernel: u64,
    pub(super) of: u64,
}

impl Broken {
    /// How many queries come by kernel sockets, why, and what to do, where `target` was to have them.
    pub(super) fn explain(&self, target: &Target) -> String {
        let (Self { cause, kernel, of }, name) = (self, &target.interface);
        let keep_tags = match &target.tags {
            Tags::Peer { name: peer, .. } => format!("`ethtool -K {peer} txvlan off tx-vlan-stag-hw-insert off`"),
            Tags::PeerElsewhere => {
                "`ethtool -K PEER txvlan off tx-vlan-stag-hw-insert off` at its other end".to_owned()
            }
            Tags::Driver => format!("`ethtool -K {name} rxvlan off`"),
            Tags::Stay => format!("`tcpdump -e -i {name} port {}` shows them", target.port),
        };
        let why = match cause {
            Cause::Vlan => format!(
                "the program passed them, because their VLAN tag is not that of their address's interface, or is taken off \
                 before ({keep_tags}; docs/proxmox.md)"
            ),
            Cause::Mac => "the program passed them, because they are sent to the MAC of another interface (`runbound \
                           --check-config`, finding arp-flux)"
                .to_owned(),
            Cause::Unseen => {
                "no program saw them, so they come in by another interface (`runbound --check-config`, findings \
                              arp-flux and topology)"
                    .to_owned()
            }
        };
        format!("{kernel} of {of} queries came by kernel sockets: {why}")
    }
}

/// What is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The plan does not come true.
    Broken(Broken),
    /// It does, after all.
    Kept,
}

/// Counts since the program was attached, which only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Frames for our addresses that were redirected.
    pub(super) redirected: u64,
    /// Those that were passed for their VLAN tag.
    pub(super) vlan: u64,
    /// Those that were passed for their MAC.
    pub(super) mac: u64,
    /// Queries that kernel sockets had, from whatever interface.
    pub(super) kernel: u64,
}

/// What holds for one interface.
#[derive(Debug, Default)]
pub(super) struct Promise {
    base: Option<Counts>,
    broken: Option<Broken>,
    said: Option<(Cause, Instant)>,
}

impl Promise {
    /// What is in force: kernel sockets serve instead.
    pub(super) fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// The next counts are the first.
    pub(super) fn count_anew(&mut self) {
        self.base = None;
    }

    /// Takes the counts of now; tells what is new, seldom enough for a log.
    pub(super) fn look(&mut self, counts: Counts, now: Instant) -> Option<News> {
        let base = *self.base.get_or_insert(counts);
        let grown = |of: fn(&Counts) -> u64| of(&counts).saturating_sub(of(&base));
        let (redirected, kernel) = (grown(|counts| counts.redirected), grown(|counts| counts.kernel));
        let (vlan, mac) = (grown(|counts| counts.vlan), grown(|counts| counts.mac));
        let (passed, cause) = if vlan >= mac { (vlan, Cause::Vlan) } else { (mac, Cause::Mac) };
        if redirected + passed < FEWEST {
            return None;
        }
        self.base = Some(counts);
        // What is passed and is no query of ours, or another host's, is none that the kernel's sockets get.
        if passed > redirected && kernel >= passed.div_ceil(2) {
            return self.say(Broken { cause, kernel: passed.min(kernel), of: redirected + passed }, now);
        }
        if redirected >= passed { self.keep() } else { None }
    }

    /// None of `queries` was seen at any interface, and they came from outside.
    pub(super) fn unseen(&mut self, queries: u64, now: Instant) -> Option<News> {
        self.say(Broken { cause: Cause::Unseen, kernel: queries, of: queries }, now)
    }

    fn say(&mut self, broken: Broken, now: Instant) -> Option<News> {
        let is_news = self.broken.is_none_or(|before| before.cause != broken.cause);
        self.broken = Some(broken);
        let just_said = self.said.is_some_and(|(cause, at)| cause == broken.cause && now < at + SAID_AGAIN);
        if !is_news || just_said {
            return None;
        }
        self.said = Some((broken.cause, now));
        Some(News::Broken(broken))
    }

    /// Takes it back; that is said when the other was.
    fn keep(&mut self) -> Option<News> {
        let broken = self.broken.take()?;
        let said = self.said.is_some_and(|(cause, _)| cause == broken.cause);
        said.then_some(News::Kept)
    }
}

/// Whether queries come in that no program sees.
#[derive(Debug, Default)]
pub(super) struct Unseen(Option<Base>);

#[derive(Debug)]
struct Base {
    frames: Frames,
    kernel: u64,
    loopback: u64,
}

/// Frames that programs saw since they were attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frames {
    /// For our addresses.
    pub(super) ours: u64,
    /// That may be queries which are the kernel's by the plan: for a second port, a link-local address, in fragments.
    pub(super) others: u64,
}

impl Sum for Frames {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self { ours: sum.ours + one.ours, others: sum.others + one.others })
    }
}

impl Unseen {
    /// Takes what all programs together saw, and the queries that kernel sockets had. Gives the number of those while no
    /// program saw one of ours, unless half of them may be the kernel's by the plan or sent by this host to itself.
    /// `loopback` tells the packets of that, queries and answers, and is asked seldom.
    pub(super) fn look(&mut self, frames: Frames, kernel: u64, loopback: impl FnOnce() -> Option<u64>) -> Option<u64> {
        match &self.0 {
            Some(base) if base.frames.ours == frames.ours && kernel >= base.kernel => {
                let queries = kernel - base.kernel;
                if queries < FEWEST {
                    return None;
                }
                let loopback = loopback()?;
                let local = loopback.saturating_sub(base.loopback);
                let others = frames.others.saturating_sub(base.frames.others);
                self.0 = Some(Base { frames, kernel, loopback });
                (others.saturating_mul(2).saturating_add(local) < queries).then_some(queries)
            }
            Some(_) => {
                self.0 = None;
                None
            }
            None => {
                self.0 = loopback().map(|loopback| Base { frames, kernel, loopback });
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(redirected: u64, vlan: u64, mac: u64, kernel: u64) -> Counts {
        Counts { redirected, vlan, mac, kernel }
    }

    #[test]
    fn a_plan_that_does_not_come_true_is_said_once_and_taken_back() {
        let (mut promise, now) = (Promise::default(), Instant::now());
        assert_eq!(promise.look(counts(0, 0, 0, 0), now), None);
        assert_eq!(promise.look(counts(0, 10, 0, 10), now), None, "too few to tell");
        let broken = Broken { cause: Cause::Vlan, kernel: 400, of: 400 };
        assert_eq!(promise.look(counts(0, 400, 0, 400), now), Some(News::Broken(broken)));
        assert_eq!(promise.look(counts(0, 800, 0, 800), now), None, "said once");
        assert_eq!(promise.broken().map(|broken| broken.cause), Some(Cause::Vlan));
        assert_eq!(promise.look(counts(100, 800, 0, 800), now), Some(News::Kept));
        assert_eq!(promise.broken(), None);
        // Back and forth is a log line an hour, and always in the status.
        assert_eq!(promise.look(counts(100, 900, 0, 900), now), None);
        assert!(promise.broken().is_some());
        assert_eq!(promise.look(counts(200, 900, 0, 900), now + SAID_AGAIN), Some(News::Kept));
        assert!(promise.look(counts(200, 1000, 0, 1000), now + SAID_AGAIN).is_some());
        let mac = promise.look(counts(200, 1000, 50, 1050), now + SAID_AGAIN);
        assert!(matches!(mac, Some(News::Broken(Broken { cause: Cause::Mac, .. }))), "another cause is news");
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
    fn queries_that_no_program_sees_are_noticed_unless_they_are_this_hosts_or_the_kernels_by_the_plan() {
        let seen = |ours, others| Frames { ours, others };
        let mut unseen = Unseen::default();
        assert_eq!(unseen.look(seen(0, 0), 0, || Some(0)), None);
        assert_eq!(unseen.look(seen(0, 0), 10, || unreachable!("too few to ask")), None);
        assert_eq!(unseen.look(seen(0, 0), 100, || Some(3)), Some(100));
        assert_eq!(unseen.look(seen(0, 0), 200, || Some(203)), None, "over loopback, with their answers");
        assert_eq!(unseen.look(seen(1, 0), 300, || unreachable!()), None, "one was seen: begin anew");
        assert_eq!(unseen.look(seen(1, 0), 300, || Some(203)), None);
        assert_eq!(unseen.look(seen(1, 0), 340, || None), None, "that cannot be told");
        assert_eq!(unseen.look(seen(1, 0), 350, || Some(203)), Some(50));
        assert_eq!(unseen.look(seen(1, 60), 400, || Some(203)), None, "for a port or an address that is the kernel's");
        assert_eq!(unseen.look(seen(1, 70), 440, || Some(203)), Some(40), "more than those");
        assert_eq!(unseen.look(seen(1, 85), 470, || Some(218)), None, "those and this host's");
    }
}
