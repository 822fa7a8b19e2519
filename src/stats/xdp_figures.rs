//! What one interface's AF_XDP path reports: plain numbers, read at once by the owner of the sockets.

use super::QueueStats;
use std::iter::Sum;

/// How the XDP program is attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpMode {
    /// Not attached: kernel sockets carry everything.
    #[default]
    Off,
    /// In the driver.
    Native,
    /// In the kernel's generic path, after the driver.
    Generic,
}

impl XdpMode {
    /// The word that `stats` and `status` print.
    pub fn word(self) -> &'static str {
        match self {
            XdpMode::Off => "off",
            XdpMode::Native => "native",
            XdpMode::Generic => "generic",
        }
    }
}

/// What the fast-path watchdog holds of the interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watchdog {
    /// Nothing to watch: no socket is in the map.
    #[default]
    Off,
    /// Redirected frames arrive.
    Watching,
    /// The program redirected and the socket did not receive: the socket is out of the map.
    Tripped,
}

impl Watchdog {
    /// The word that `stats` and `status` print.
    pub fn word(self) -> &'static str {
        match self {
            Watchdog::Off => "off",
            Watchdog::Watching => "watching",
            Watchdog::Tripped => "tripped",
        }
    }
}

/// Where the UMEM frames of an interface are, all places read at one moment by their owner. All are gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// Frames in the UMEM.
    pub total: u64,
    /// With the worker, unused.
    pub free: u64,
    /// On the fill rings.
    pub fill: u64,
    /// On the RX rings or in the worker's batch.
    pub rx: u64,
    /// On the TX rings.
    pub tx: u64,
    /// On the completion rings.
    pub completion: u64,
    /// On the driver's own rings, in zero-copy mode: never more than these take.
    pub driver: u64,
    /// In no place: 0 unless there is a bug, here or in a driver that keeps more than its rings take. In copy mode what is on
    /// its way through the kernel right now, too.
    pub lost: u64,
    /// Counted in two places: 0 unless there is a bug, but for what moves while it is counted.
    pub twice: u64,
}

impl Frames {
    /// Those of one queue, whose driver has `room` for so many. What it holds beyond that is in no place.
    pub fn of_queue(queue: &QueueStats, room: u64) -> Self {
        let frames = Self {
            total: queue.frames_total.get(),
            free: queue.frames_free.get(),
            fill: queue.frames_fill.get(),
            rx: queue.frames_rx.get(),
            tx: queue.frames_tx.get(),
            completion: queue.frames_completion.get(),
            driver: queue.frames_driver.get().min(room),
            ..Self::default()
        };
        let known = frames.free + frames.fill + frames.rx + frames.tx + frames.completion + frames.driver;
        Self { lost: frames.total.saturating_sub(known), twice: known.saturating_sub(frames.total), ..frames }
    }
}

impl Sum for Frames {
    /// Of all queues of an interface: what one of them lost is not made up for by what another has twice.
    fn sum<I: Iterator<Item = Self>>(queues: I) -> Self {
        queues.fold(Self::default(), |sum, queue| Self {
            total: sum.total + queue.total,
            free: sum.free + queue.free,
            fill: sum.fill + queue.fill,
            rx: sum.rx + queue.rx,
            tx: sum.tx + queue.tx,
            completion: sum.completion + queue.completion,
            driver: sum.driver + queue.driver,
            lost: sum.lost + queue.lost,
            twice: sum.twice + queue.twice,
        })
    }
}

/// One receive queue and its socket. Counters count since the attach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueFigures {
    /// Number of the receive queue.
    pub number: u32,
    /// Frames received on the socket.
    pub rx: u64,
    /// Frames handed to the TX ring.
    pub tx: u64,
    /// The kernel's XDP_STATISTICS of the socket.
    pub kernel: SocketDrops,
    /// Descriptors from the kernel that made no sense: 0 unless there is a bug.
    pub senseless: u64,
    /// What the watchdog holds of it.
    pub watchdog: Watchdog,
}

/// What the kernel counts for a socket and no query came of: gauges, refreshed twice a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketDrops {
    /// Frames dropped for other reasons than the next two.
    pub rx_dropped: u64,
    /// Frames dropped because the RX ring was full.
    pub rx_ring_full: u64,
    /// Times the fill ring was empty when a frame came.
    pub fill_ring_empty: u64,
    /// Descriptors that the kernel refused.
    pub invalid_descs: u64,
}

/// The AF_XDP figures of one interface. Counters count since the attach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XdpFigures {
    /// Interface name.
    pub interface: String,
    /// How the program is attached.
    pub mode: XdpMode,
    /// Whether the sockets are bound with zero copy.
    pub zerocopy: bool,
    /// The sockets, one per receive queue.
    pub queues: Vec<QueueFigures>,
    /// The program's counters: reason (one word, as `not_udp`) and frames. `redirected` is one of them; every other is a
    /// reason the frame was passed to the kernel.
    pub verdicts: Vec<(&'static str, u64)>,
    /// Frames by place.
    pub frames: Frames,
    /// Whether the program answers by itself what is asked most: `on`, `trial`, or `off` and why; empty when no program is there.
    pub answers: String,
    /// Why less than the configuration asked for is in use, one line; `None` when nothing was given up.
    pub fallback: Option<String>,
}

impl XdpFigures {
    /// The sum of a counter over the queues.
    pub fn sum(&self, counter: impl Fn(&QueueFigures) -> u64) -> u64 {
        self.queues.iter().map(counter).sum()
    }

    /// Tripped when one of the queues is.
    pub fn watchdog(&self) -> Watchdog {
        let worst = self.queues.iter().map(|queue| queue.watchdog);
        worst.max_by_key(|watchdog| *watchdog as u8).unwrap_or_default()
    }

    /// The figures less what `base` counted; gauges and words stay. A base with higher counters comes from before a new
    /// attach and is not subtracted.
    pub(super) fn since(mut self, base: &XdpFigures) -> XdpFigures {
        let before = |queue: &QueueFigures| base.queues.iter().find(|known| known.number == queue.number);
        let reattached =
            |queue: &QueueFigures| before(queue).is_some_and(|base| queue.rx < base.rx || queue.tx < base.tx);
        if self.queues.iter().any(reattached) {
            return self;
        }
        for queue in &mut self.queues {
            if let Some(base) = before(queue) {
                queue.rx -= base.rx;
                queue.tx -= base.tx;
            }
        }
        for (reason, count) in &mut self.verdicts {
            let before = base.verdicts.iter().find(|(known, _)| known == reason).map_or(0, |(_, before)| *before);
            *count = count.saturating_sub(before);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(free: u64, driver: u64) -> QueueStats {
        let stats = QueueStats::default();
        stats.frames_total.set(10);
        stats.frames_free.set(free);
        stats.frames_fill.set(2);
        stats.frames_rx.set(1);
        stats.frames_tx.set(1);
        stats.frames_completion.set(1);
        stats.frames_driver.set(driver);
        stats
    }

    #[test]
    fn frames_in_no_place_are_lost_and_those_in_two_are_there_twice() {
        let figures = |free, driver, room| {
            let frames = Frames::of_queue(&queue(free, driver), room);
            (frames.driver, frames.lost, frames.twice)
        };
        assert_eq!(figures(5, 0, 0), (0, 0, 0));
        assert_eq!(figures(3, 0, 0), (0, 2, 0));
        assert_eq!(figures(3, 2, 4), (2, 0, 0), "the driver has them");
        assert_eq!(figures(0, 5, 4), (4, 1, 0), "more than it has room for");
        assert_eq!(figures(6, 1, 4), (1, 0, 2));
    }

    #[test]
    fn what_one_queue_lost_is_not_hidden_by_what_another_has_twice() {
        let sum: Frames = [queue(4, 0), queue(6, 0)].iter().map(|stats| Frames::of_queue(stats, 0)).sum();
        assert_eq!((sum.total, sum.free, sum.lost, sum.twice), (20, 10, 1, 1));
    }
}
