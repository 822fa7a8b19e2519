//! Where PID 1 and the server's lines go: the kernel's log (/dev/kmsg), the console until the screen takes it, and the
//! last warnings for the screen.

use super::console::Warnings;
use crate::serve::log::level_word;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

static JOURNAL: OnceLock<Journal> = OnceLock::new();

struct Journal {
    kernel: Option<File>,
    console: Mutex<Option<File>>,
    warnings: Warnings,
}

/// Installs the logger. The devices must be there.
pub fn install() {
    let open = |path: &str| OpenOptions::new().write(true).open(path).ok();
    let journal =
        Journal { kernel: open("/dev/kmsg"), console: Mutex::new(open("/dev/console")), warnings: Warnings::default() };
    if JOURNAL.set(journal).is_ok()
        && let Some(journal) = JOURNAL.get()
        && log::set_logger(journal).is_ok()
    {
        log::set_max_level(LevelFilter::Info);
    }
}

/// The last warnings, as a handle for the screen.
pub fn warnings() -> Warnings {
    JOURNAL.get().map(|journal| journal.warnings.clone()).unwrap_or_default()
}

/// Lines no longer go to the console: something else draws there.
pub fn leave_console() {
    if let Some(journal) = JOURNAL.get() {
        *journal.console.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Takes in a line of the server, which has the format of this log already.
pub fn relay(line: &str) {
    if let Some(journal) = JOURNAL.get() {
        journal.put(level_of(line), line);
    }
}

/// The severity a line of the server names.
fn level_of(line: &str) -> Level {
    let head = line.split_once("] ").and_then(|(_, rest)| rest.split_once(": ")).map_or("", |(head, _)| head);
    if head.ends_with(" error") {
        Level::Error
    } else if head.ends_with(" warning") || head.is_empty() {
        Level::Warn
    } else {
        Level::Info
    }
}

impl Journal {
    fn put(&self, level: Level, line: &str) {
        self.warnings.offer(line);
        // Severities as of syslog, but never one that a quiet kernel prints on the console, where it would stand twice.
        let severity = match level {
            Level::Error | Level::Warn => 4,
            Level::Info => 6,
            Level::Debug | Level::Trace => 7,
        };
        // A line that cannot be written has nowhere else to go.
        if let Some(mut kernel) = self.kernel.as_ref() {
            let _ = kernel.write_all(format!("<{severity}>{line}\n").as_bytes());
        }
        if let Some(console) = &mut *self.console.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = console.write_all(format!("{line}\n").as_bytes());
        }
    }
}

impl Log for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let word = level_word(record.level());
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.put(record.level(), &format!("[{seconds}] init[1:0] {word}: {}", record.args()));
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_server_name_their_severity() {
        for (line, level) in [
            ("[1795413600] runbound[97:0] info: all is well", Level::Info),
            ("[1795413600] runbound[97:0] warning: upstream: slow", Level::Warn),
            ("[1795413600] runbound[97:0] error: eth0: gone", Level::Error),
            ("/data/unbound.conf:3: error: no such option", Level::Warn),
        ] {
            assert_eq!(level_of(line), level, "{line}");
        }
    }
}
