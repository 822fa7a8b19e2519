//! What was set for speed, as `status` shows it: by PID 1 of the appliance at boot, and by this program.

use crate::serve::worker::idle::{BusyPoll, IdleOptions};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Where PID 1 of the appliance writes what it set, a line each.
pub const BOOT_STEPS: &str = "/run/runbound/tuning";
/// Most octets of it that are read, and most lines that are shown.
const OCTETS: u64 = 16 << 10;
const LINES: usize = 64;

/// How the worker waits, on how many `cores`; `pinned` is the CPU that is its own.
pub(super) fn worker(idle: IdleOptions, pinned: Option<usize>, cores: usize) -> String {
    let place = match (pinned, cores) {
        (Some(cpu), _) => format!("worker on CPU {cpu} alone"),
        (None, 1) => "worker shares the one CPU".to_owned(),
        (None, cores) => format!("worker shares {cores} CPUs"),
    };
    let waits = match (idle.busy_poll, idle.own_core) {
        (BusyPoll::Yes, _) => "spins always (xdp-busy-poll: yes)",
        (BusyPoll::No, _) => "never spins (xdp-busy-poll: no)",
        (BusyPoll::Auto, true) => "spins for 2 ms after the last query, then sleeps",
        (BusyPoll::Auto, false) => "never spins",
    };
    format!("{place}, {waits}")
}

/// The lines of the file, none when there is none: only an appliance has it.
pub(super) fn at_boot(file: &Path) -> Vec<String> {
    let mut text = Vec::new();
    // Half a text is better than none; nothing depends on it.
    let _ = File::open(file).and_then(|file| file.take(OCTETS).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    text.lines().filter(|line| !line.trim().is_empty()).take(LINES).map(str::to_owned).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_says_whether_it_spins() {
        let idle = |busy_poll, own_core| IdleOptions { busy_poll, own_core };
        assert_eq!(worker(idle(BusyPoll::Auto, false), None, 1), "worker shares the one CPU, never spins");
        assert_eq!(worker(idle(BusyPoll::Auto, false), None, 2), "worker shares 2 CPUs, never spins");
        assert!(worker(idle(BusyPoll::Auto, true), Some(3), 4).starts_with("worker on CPU 3 alone, spins for 2 ms"));
        assert!(worker(idle(BusyPoll::Yes, false), None, 1).contains("spins always"));
    }

    #[test]
    fn steps_of_the_boot_are_bounded_and_need_not_be_there() {
        let file = std::env::temp_dir().join(format!("runbound-tuning-{}", std::process::id()));
        assert_eq!(at_boot(&file), Vec::<String>::new());
        std::fs::write(&file, "eth0: 1 channel\n\nUDP\n").unwrap();
        assert_eq!(at_boot(&file), ["eth0: 1 channel", "UDP"]);
        std::fs::write(&file, b"x\xff\n".repeat(100_000)).unwrap();
        assert_eq!(at_boot(&file).len(), LINES);
        std::fs::remove_file(&file).unwrap();
    }
}
