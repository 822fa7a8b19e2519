//! One receive queue with an AF_XDP socket, as it is watched and shown, and what the worker is told of it.

use super::watch::Watch;
use crate::attach::Target;
use crate::stats::{QueueFigures, QueueStats, SocketDrops, Watchdog};
use crate::sys::ethtool::Rings;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Frames of one poll of a driver (NAPI_POLL_WEIGHT): so many may be on their way beside each of its rings.
const POLL: u64 = 64;

/// What main and the worker share of one queue.
#[derive(Debug, Default)]
pub struct QueueShare {
    /// The worker's counters.
    pub stats: QueueStats,
    /// Main's word, as the next.
    away: AtomicBool,
    teachable: AtomicBool,
    link: AtomicU32,
}

impl QueueShare {
    /// Whether what is sent there would be lost, so that late replies leave by the kernel's sockets.
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// Says so. Main's to call.
    pub(in crate::serve) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// Whether the program of the queue's interface answers by itself what the worker teaches it, or is about to.
    #[inline]
    pub fn is_teachable(&self) -> bool {
        self.teachable.load(Ordering::Relaxed)
    }

    /// Says so. Main's to call.
    pub(super) fn set_teachable(&self, teachable: bool) {
        self.teachable.store(teachable, Ordering::Relaxed);
    }

    /// Index of the link at which a link-local client is that asks here, for the kernel's sockets; 0 where that is not known.
    pub fn link(&self) -> u32 {
        self.link.load(Ordering::Relaxed)
    }

    /// Tells the worker what it must know of the interface. Main's to call.
    pub(super) fn follow(&self, target: &Target) {
        self.set_away(is_away(target));
        self.link.store(target.carried_by, Ordering::Relaxed);
    }
}

/// Whether what is sent at an interface would be lost, or is not to be sent there: it has no link, its bond sends by another
/// slave, or a bridge by another port.
pub(super) fn is_away(target: &Target) -> bool {
    target.stands_by() || !target.carrier
}

/// See the module's text.
pub(super) struct QueueWatch {
    /// Its number at the interface.
    pub(super) number: u32,
    pub(super) share: Arc<QueueShare>,
    pub(super) watch: Watch,
}

impl QueueWatch {
    /// What the control socket shows of it.
    pub(super) fn figures(&self) -> QueueFigures {
        let stats = &self.share.stats;
        QueueFigures {
            number: self.number,
            rx: stats.rx.get(),
            tx: stats.tx.get(),
            kernel: SocketDrops {
                rx_dropped: stats.rx_dropped.get(),
                rx_ring_full: stats.rx_ring_full.get(),
                fill_ring_empty: stats.fill_ring_empty.get(),
                invalid_descs: stats.invalid_descs.get(),
            },
            senseless: stats.senseless.get(),
            watchdog: if self.watch.is_tripped() { Watchdog::Tripped } else { Watchdog::Watching },
        }
    }
}

/// What its socket dropped, for the log.
pub(super) fn dropped(stats: &QueueStats) -> String {
    format!(
        "rx_dropped {}, rx_ring_full {}, fill_ring_empty {}",
        stats.rx_dropped.get(),
        stats.rx_ring_full.get(),
        stats.fill_ring_empty.get()
    )
}

/// Frames that a driver may hold for one queue in zero-copy mode: what its rings take. Where it does not tell them, any number.
pub(super) fn room(rings: Option<Rings>) -> u64 {
    rings.map_or(u64::MAX, |rings| u64::from(rings.rx) + u64::from(rings.tx) + 2 * POLL)
}

#[cfg(test)]
mod tests {
    use super::super::tags::tests::target;
    use super::*;
    use crate::attach::Place;

    #[test]
    fn nothing_is_sent_without_a_link_or_by_a_slave_that_stands_by() {
        let card = target(false);
        assert!(!is_away(&card));
        assert!(is_away(&Target { standby: true, ..card.clone() }));
        assert!(is_away(&Target { carrier: false, ..card.clone() }));
        let place = |shut: Option<&str>| Place {
            address: [192, 0, 2, 1].into(),
            mac: [2; 6],
            vlan: None,
            shut: shut.map(str::to_owned),
        };
        let with = |places| is_away(&Target { places, ..card.clone() });
        assert!(with(vec![place(Some("br-rb is not up"))]) && !with(vec![place(Some("br-rb is not up")), place(None)]));
        let share = QueueShare::default();
        share.follow(&Target { standby: true, carried_by: 9, ..card });
        assert_eq!((share.is_away(), share.link()), (true, 9));
    }

    #[test]
    fn a_driver_has_room_for_what_its_rings_take() {
        assert_eq!(room(Some(Rings { rx: 256, tx: 1024, max_rx: 4096, ..Rings::default() })), 256 + 1024 + 128);
        assert_eq!(room(None), u64::MAX);
    }
}
