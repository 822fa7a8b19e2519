//! One receive queue with an AF_XDP socket, as it is watched and shown.

use super::watch::Watch;
use crate::stats::{QueueFigures, QueueStats, SocketDrops, Watchdog};
use std::sync::Arc;

/// See the module's text.
pub(super) struct QueueWatch {
    /// Its number at the interface.
    pub(super) number: u32,
    pub(super) stats: Arc<QueueStats>,
    pub(super) watch: Watch,
}

impl QueueWatch {
    /// What the control socket shows of it.
    pub(super) fn figures(&self) -> QueueFigures {
        let stats = &self.stats;
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
