//! Where PID 1 and the server's lines go: the kernel's log (/dev/kmsg), the console until the screen takes it, the last
//! warnings for the screen, and the last lines for whoever asks the guest agent.

use crate::machine::warnings::Warnings;
use log::{Level, LevelFilter, Log, Metadata, Record};
use runbound::host::memory;
use runbound::serve::log::level_word;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Lines kept, and their octets: no more than this part of the memory.
const LINES: usize = 1000;
const OCTETS: usize = 256 << 10;
const PART: u64 = 1024;
/// A longer line is cut.
const LINE: usize = 4096;

static JOURNAL: OnceLock<Journal> = OnceLock::new();

struct Journal {
    kernel: Option<File>,
    console: Mutex<Option<File>>,
    warnings: Warnings,
    tail: Mutex<Tail>,
}

/// The last lines, bounded by count and octets.
struct Tail {
    lines: VecDeque<String>,
    octets: usize,
    octets_max: usize,
    /// Lines that had to go.
    gone: u64,
}

/// Installs the logger. The devices must be there.
pub fn install() {
    let open = |path: &str| OpenOptions::new().write(true).open(path).ok();
    if JOURNAL.set(Journal::new(open("/dev/kmsg"), open("/dev/console"))).is_ok()
        && let Some(journal) = JOURNAL.get()
        && log::set_logger(journal).is_ok()
    {
        log::set_max_level(LevelFilter::Info);
    }
}

/// A journal without devices.
#[cfg(test)]
pub fn install_for_tests() {
    let _ = JOURNAL.set(Journal::new(None, None));
}

/// The last warnings, as a handle for the screen.
pub fn warnings() -> Warnings {
    JOURNAL.get().map(|journal| journal.warnings.clone()).unwrap_or_default()
}

/// The last lines, the newest last, at most `most` of them; a first line says how many before them are not kept.
pub fn last(most: usize) -> String {
    let lock = |journal: &'static Journal| journal.tail.lock().unwrap_or_else(PoisonError::into_inner);
    JOURNAL.get().map(|journal| lock(journal).last(most)).unwrap_or_default()
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

impl Tail {
    fn new(octets_max: usize) -> Self {
        Self { lines: VecDeque::new(), octets: 0, octets_max, gone: 0 }
    }

    fn push(&mut self, text: &str) {
        for line in text.lines() {
            let end = (0..=LINE.min(line.len())).rev().find(|&end| line.is_char_boundary(end));
            let line = line.get(..end.unwrap_or(0)).unwrap_or_default();
            self.octets += line.len();
            self.lines.push_back(line.to_owned());
        }
        while self.lines.len() > LINES || self.octets > self.octets_max {
            let Some(line) = self.lines.pop_front() else { return };
            self.octets -= line.len();
            self.gone += 1;
        }
    }

    fn last(&self, most: usize) -> String {
        let skipped = self.lines.len().saturating_sub(most);
        let mut text = String::new();
        if skipped == 0 && self.gone > 0 {
            text = format!("({} lines before these are not kept)\n", self.gone);
        }
        for line in self.lines.iter().skip(skipped) {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

impl Journal {
    fn new(kernel: Option<File>, console: Option<File>) -> Self {
        let octets = usize::try_from(memory() / PART).unwrap_or(OCTETS).min(OCTETS);
        let (warnings, tail) = (Warnings::default(), Mutex::new(Tail::new(octets)));
        Self { kernel, console: Mutex::new(console), warnings, tail }
    }

    fn put(&self, level: Level, line: &str) {
        self.warnings.offer(line);
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).push(line);
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
    fn the_last_lines_are_kept_in_bounded_memory() {
        let mut tail = Tail::new(OCTETS);
        assert_eq!(tail.last(10), "");
        tail.push("one");
        tail.push("two\nand its second line\n");
        assert_eq!(tail.last(10), "one\ntwo\nand its second line\n");
        assert_eq!(tail.last(1), "and its second line\n");
        assert_eq!(tail.last(0), "");
        for number in 0..LINES {
            tail.push(&format!("line {number}"));
        }
        let all = tail.last(usize::MAX);
        assert_eq!(all.lines().count(), 1 + LINES);
        assert!(all.starts_with("(3 lines before these are not kept)\nline 0\n"), "{all}");
        assert!(all.ends_with("\nline 999\n"), "{all}");
        for _ in 0..LINES {
            tail.push(&"ü".repeat(LINE));
            assert!(tail.octets <= OCTETS);
        }
        assert_eq!(tail.octets, tail.lines.iter().map(String::len).sum::<usize>());
        assert_eq!((tail.lines.len(), tail.last(1).len()), (OCTETS / LINE, LINE + 1));
        assert_eq!(tail.last(usize::MAX).lines().count(), 1 + OCTETS / LINE);
    }

    #[test]
    fn with_little_memory_one_line_is_still_whole() {
        let mut tail = Tail::new(10);
        tail.push("0123456789");
        assert_eq!(tail.last(10), "0123456789\n");
        tail.push("x");
        assert_eq!(tail.last(10), "(1 lines before these are not kept)\nx\n");
    }

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
