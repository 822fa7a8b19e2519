//! Receive queues and rings of one network card, set while it is down: most drivers begin anew for that.

use super::{counted, split, step};
use runbound::host::memory;
use runbound::number;
use runbound::sys::cpu;
use runbound::sys::ethtool::{self, Channels, Rings};

/// Longest ring that is asked for. A longer one keeps queries longer than their clients wait.
const LONGEST: u32 = 4096;
/// The part of the memory that the receive rings of one card may take, and what one entry takes: a page of its own.
const RING_PART: u64 = 32;
const ENTRY: u64 = 4096;

/// Sets `name`, once for each time that it comes; said in one line. To be called before it is set up.
pub fn nic(name: &str) {
    let is_up = std::fs::read_to_string(format!("/sys/class/net/{name}/flags"))
        .ok()
        .and_then(|flags| number::read_hex(flags.trim().trim_start_matches("0x"), 0..=u32::MAX).ok())
        .is_some_and(|flags| flags & 1 != 0);
    // Done already, and now in use.
    if is_up {
        return;
    }
    let cpus = cpu::allowed_cpus();
    let takers = split(&cpus).map_or(cpus.len(), |(_, others)| others.len());
    let (said, count) = channels(name, takers);
    step(name, &format!("{name}: {said}; {}", rings(name, count)));
}

/// One queue for each CPU that takes interrupts. What came of it, and how many receive queues there are.
fn channels(name: &str, takers: usize) -> (String, u32) {
    let now = match ethtool::channels(name) {
        Ok(now) => now,
        Err(cause) => return (format!("the driver tells no number of queues ({cause})"), 1),
    };
    let all = now.combined + now.rx;
    let Some(wanted) = wanted_queues(&now, takers) else { return (queues(all), all) };
    match ethtool::set_channels(name, Channels { combined: wanted, ..now }) {
        Ok(()) => (format!("{} of {} possible, there were {all}", queues(wanted), now.max_combined), wanted),
        Err(cause) => (format!("{}, the driver does not take {wanted} ({cause})", queues(all)), all),
    }
}

fn queues(number: u32) -> String {
    counted(number as usize, "queue")
}

/// How many queues to ask for; `None` when it has as many, or when receiving and sending have queues of their own, as no
/// card for servers does by itself.
fn wanted_queues(now: &Channels, takers: usize) -> Option<u32> {
    let takers = u32::try_from(takers).unwrap_or(u32::MAX).max(1);
    let wanted = takers.min(now.max_combined);
    (wanted > 0 && now.rx == 0 && wanted != now.combined).then_some(wanted)
}

fn rings(name: &str, queues: u32) -> String {
    let now = match ethtool::rings(name) {
        Ok(now) => now,
        Err(cause) => return format!("the driver tells no length of rings ({cause})"),
    };
    let Some((rx, tx)) = wanted_rings(&now, queues, memory()) else {
        return format!("rings of {} and {} packets", now.rx, now.tx);
    };
    match ethtool::set_rings(name, Rings { rx, tx, ..now }) {
        Ok(()) => format!("rings of {rx} and {tx} packets, there were {} and {}", now.rx, now.tx),
        Err(cause) => {
            format!("rings of {} and {} packets, the driver does not take {rx} and {tx} ({cause})", now.rx, now.tx)
        }
    }
}

/// Lengths to ask for: as long as the driver takes, but never more than a part of the `memory` for what is received, and
/// never less than it has. `None` when it has that.
fn wanted_rings(now: &Rings, queues: u32, memory: u64) -> Option<(u32, u32)> {
    let entries = u32::try_from(memory / RING_PART / ENTRY / u64::from(queues.max(1))).unwrap_or(u32::MAX);
    // A power of two is right for every driver.
    let room = if entries == 0 { 0 } else { 1 << entries.ilog2() };
    let length = |now: u32, most: u32, room: u32| most.min(LONGEST).min(room).max(now);
    let wanted = (length(now.rx, now.max_rx, room), length(now.tx, now.max_tx, LONGEST.min(room)));
    (wanted != (now.rx, now.tx)).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels_of(max_combined: u32, combined: u32) -> Channels {
        Channels { max_combined, combined, ..Channels::default() }
    }

    #[test]
    fn a_queue_for_each_cpu_that_takes_interrupts() {
        assert_eq!(wanted_queues(&channels_of(4, 4), 2), Some(2));
        assert_eq!(wanted_queues(&channels_of(4, 1), 2), Some(2));
        assert_eq!(wanted_queues(&channels_of(1, 1), 3), None);
        assert_eq!(wanted_queues(&channels_of(8, 2), 2), None);
        assert_eq!(wanted_queues(&channels_of(0, 0), 2), None, "a driver without");
        assert_eq!(wanted_queues(&Channels { rx: 4, ..channels_of(4, 0) }, 2), None, "queues of their own");
        assert_eq!(wanted_queues(&channels_of(4, 2), 0), Some(1));
    }

    #[test]
    fn rings_are_long_where_there_is_memory() {
        let igb = Rings { max_rx: 4096, max_tx: 4096, rx: 256, tx: 256, ..Rings::default() };
        assert_eq!(wanted_rings(&igb, 1, 4 << 30), Some((4096, 4096)));
        assert_eq!(wanted_rings(&igb, 4, 1 << 30), Some((2048, 2048)));
        assert_eq!(wanted_rings(&igb, 1, 192 << 20), Some((1024, 1024)));
        assert_eq!(wanted_rings(&igb, 4, 96 << 20), None, "never shorter than the driver has them");
        let virtio = Rings { max_rx: 256, max_tx: 256, rx: 256, tx: 256, ..Rings::default() };
        assert_eq!(wanted_rings(&virtio, 1, 4 << 30), None);
        let mlx5 = Rings { max_rx: 8192, max_tx: 8192, rx: 1024, tx: 1024, ..Rings::default() };
        assert_eq!(wanted_rings(&mlx5, 1, 4 << 30), Some((4096, 4096)));
        assert_eq!(wanted_rings(&Rings::default(), 1, 0), None);
    }

    #[test]
    fn an_interface_that_is_not_there_is_no_harm() {
        assert!(channels("no-such-if", 2).0.contains("tells no number"));
        assert!(rings("no-such-if", 1).contains("tells no length"));
    }
}
