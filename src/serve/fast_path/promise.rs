//! Whether the plan comes true: queries for the addresses of an interface with our program are to be redirected there, not
//! to keep coming by the kernel's sockets.
//!
//! Two things are compared every few seconds, by counters that are there anyway: what the programs did with the frames for
//! our addresses, and how many queries the kernel's sockets had.

use crate::attach::{Tags, Target};
use crate::words::quoted;
use std::iter::Sum;
use std::time::{Duration, Instant};

/// Queries before anything is said of them.
const FEWEST: u64 = 20;
/// Queries after which those that came are compared, whatever their way.
const MANY: u64 = 10 * FEWEST;
/// A fifth of the queries by kernel sockets is no accident: some clients get all their answers from there.
const BROKEN_FROM: u64 = 5;
/// It is over when no more than a tenth come that way.
const KEPT_FROM: u64 = 10;
/// The same is said again after this at the earliest, when it came true meanwhile.
const SAID_AGAIN: Duration = Duration::from_secs(3600);

/// What a number of queries tells of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// They are too few.
    Open,
    /// It does not come true.
    Broken,
    /// It comes true.
    Kept,
    /// Neither: it stays as it was said.
    Between,
}

/// Tells it of queries of which so many came by kernel sockets.
fn judge(kernel: u64, of: u64) -> Verdict {
    if kernel >= FEWEST && kernel.saturating_mul(BROKEN_FROM) >= of {
        Verdict::Broken
    } else if kernel == 0 && of >= FEWEST || of >= MANY && kernel.saturating_mul(KEPT_FROM) <= of {
        Verdict::Kept
    } else if kernel >= FEWEST || of >= MANY {
        Verdict::Between
    } else {
        Verdict::Open
    }
}

/// Why the queries of an interface come by kernel sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The program passed them: their VLAN tag is another than that of their address's interface, or not in the frame.
    Vlan,
    /// The program passed them: they are sent to another MAC than that of their address's interface.
    Mac,
    /// No program saw them, and they are not this host's own.
    Unseen,
}

/// So many of so many queries came by kernel sockets, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) cause: Cause,
    pub(super) kernel: u64,
    pub(super) of: u64,
    /// When the last of them were counted.
    pub(super) at: Instant,
}

impl Broken {
    /// How many queries come by kernel sockets, why, and what to do, where `target` was to have them.
    pub(super) fn explain(&self, target: &Target, now: Instant) -> String {
        let (Self { cause, kernel, of, at }, name) = (self, &target.interface);
        // With few queries it takes long until they say something again.
        let ago = match now.saturating_duration_since(*at).as_secs() / 60 {
            0 => String::new(),
            minutes => format!(" ({minutes} min ago)"),
        };
        let keep_tags = match &target.tags {
            Tags::Peer { name: peer, .. } => {
                format!("`ethtool -K {} txvlan off tx-vlan-stag-hw-insert off`", quoted(peer))
            }
            Tags::PeerElsewhere => {
                "`ethtool -K PEER txvlan off tx-vlan-stag-hw-insert off` at its other end".to_owned()
            }
            Tags::Driver => format!("`ethtool -K {} rxvlan off`", quoted(name)),
            Tags::Stay => format!("`tcpdump -e -i {} port {}` shows them", quoted(name), target.port),
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
        format!("{kernel} of {of} queries came by kernel sockets{ago}: {why}")
    }
}

/// What is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The plan does not come true.
    Broken(Broken),
    /// It does, after all; but for so few.
    Kept(Option<Broken>),
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
    /// Promised queries that kernel sockets had, from whatever interface.
    pub(super) kernel: u64,
}

/// What holds for one interface.
#[derive(Debug, Default)]
pub(super) struct Promise {
    base: Option<Counts>,
    /// What the program passed.
    passed: Word,
    /// What no program saw.
    unseen: Word,
}

/// One thing that breaks a promise, and what the log has of it.
#[derive(Debug, Default)]
struct Word {
    broken: Option<Broken>,
    /// What was said last, and when.
    said: Option<(Cause, Instant)>,
    /// The log's last word on it.
    last: Last,
    /// A few queries still came by kernel sockets when it was kept before. At first they may be from before it was mended.
    rests: bool,
}

/// What a log says last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    /// That it is kept, or nothing.
    #[default]
    Kept,
    /// That it is broken.
    Broken,
    /// That it is kept but for a few.
    Most,
}

impl Word {
    /// Takes what the last queries tell, as counted in `count`.
    fn take(&mut self, verdict: Verdict, count: Broken, now: Instant) -> Option<News> {
        match verdict {
            Verdict::Broken => self.give(count, now),
            Verdict::Kept => self.keep(Some(count).filter(|count| count.kernel > 0)),
            Verdict::Between => {
                self.broken = self.broken.map(|_| count);
                None
            }
            Verdict::Open => None,
        }
    }

    /// It is broken; whether that is to be said. What comes and goes is, once an hour.
    fn give(&mut self, broken: Broken, now: Instant) -> Option<News> {
        (self.broken, self.rests) = (Some(broken), false);
        let is_known = self.said.is_some_and(|(cause, at)| {
            cause == broken.cause && (self.last == Last::Broken || now.saturating_duration_since(at) < SAID_AGAIN)
        });
        if is_known {
            return None;
        }
        (self.said, self.last) = (Some((broken.cause, now)), Last::Broken);
        Some(News::Broken(broken))
    }

    /// Takes it back; that is said when the other was. A rest is shown until there is none, and said when it lasts.
    fn keep(&mut self, rest: Option<Broken>) -> Option<News> {
        self.broken = rest.filter(|_| self.broken.is_some());
        let lasts = std::mem::replace(&mut self.rests, rest.is_some());
        self.last = match (self.last, rest) {
            (Last::Broken | Last::Most, None) => Last::Kept,
            (Last::Broken, Some(_)) if lasts => Last::Most,
            _ => return None,
        };
        Some(News::Kept(rest))
    }
}

impl Promise {
    /// What is in force: kernel sockets serve instead.
    pub(super) fn broken(&self) -> Option<Broken> {
        self.passed.broken.or(self.unseen.broken)
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
        // What is passed and is no query of ours, or another host's, is none that the kernel's sockets get.
        let is_ours = kernel >= passed.div_ceil(2);
        let verdict = judge(passed, redirected + passed);
        if verdict != Verdict::Open {
            self.base = Some(counts);
        }
        if !is_ours {
            let count = Broken { cause, kernel: 0, of: redirected, at: now };
            return self.passed.take(judge(0, redirected), count, now);
        }
        self.passed.take(verdict, Broken { cause, kernel: passed.min(kernel), of: redirected + passed, at: now }, now)
    }

    /// What is known of queries that no program sees.
    pub(super) fn take_unseen(&mut self, sight: Sight, now: Instant) -> Option<News> {
        let Sight { verdict, unseen, of } = sight;
        self.unseen.take(verdict, Broken { cause: Cause::Unseen, kernel: unseen, of, at: now }, now)
    }
}

/// Whether queries come in that no program sees.
#[derive(Debug, Default)]
pub(super) struct Unseen(Option<Base>);

#[derive(Debug)]
struct Base {
    frames: Frames,
    kernel: u64,
}

/// What is known of it: so many of so many come in unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    verdict: Verdict,
    unseen: u64,
    of: u64,
}

/// Frames that programs saw since they were attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frames {
    /// For our addresses, and redirected to a socket.
    pub(super) redirected: u64,
    /// For our addresses, and passed to the kernel.
    pub(super) passed: u64,
    /// That may be queries which are the kernel's whatever is promised: fragments, and packets with IP options.
    pub(super) others: u64,
}

impl Sum for Frames {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            redirected: sum.redirected + one.redirected,
            passed: sum.passed + one.passed,
            others: sum.others + one.others,
        })
    }
}

impl Frames {
    fn since(&self, base: &Self) -> Self {
        Self {
            redirected: self.redirected.saturating_sub(base.redirected),
            passed: self.passed.saturating_sub(base.passed),
            others: self.others.saturating_sub(base.others),
        }
    }
}

impl Unseen {
    /// Takes what all programs together saw, and the promised queries that kernel sockets had; tells what that says, when there
    /// were enough. Of the queries of kernel sockets are left out those that a program passed.
    pub(super) fn look(&mut self, frames: Frames, kernel: u64) -> Option<Sight> {
        let Some(base) = &self.0 else {
            self.0 = Some(Base { frames, kernel });
            return None;
        };
        let (grown, queries) = (frames.since(&base.frames), kernel.saturating_sub(base.kernel));
        let unseen = queries.saturating_sub(grown.passed).saturating_sub(grown.others);
        let verdict = judge(unseen, unseen + grown.redirected);
        if verdict == Verdict::Open && queries < MANY {
            return None;
        }
        self.0 = Some(Base { frames, kernel });
        (verdict != Verdict::Open).then_some(Sight { verdict, unseen, of: unseen + grown.redirected })
    }
}

#[cfg(test)]
#[path = "promise_tests.rs"]
mod tests;
