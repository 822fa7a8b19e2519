//! The last warnings, for the screen.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Warnings kept: as many as a screen has lines.
const KEPT: usize = 16;
/// Most characters of one.
const LENGTH: usize = 240;

/// A handle on the last warnings: whoever has one may add to them.
#[derive(Clone, Default)]
pub struct Warnings(Arc<Mutex<VecDeque<Entry>>>);

struct Entry {
    text: String,
    times: u32,
}

impl Warnings {
    /// Takes in a line of a log (`[time] name[pid:0] level: text`) when it is a warning or an error.
    pub fn offer(&self, line: &str) {
        let Some((head, text)) = line.split_once("] ").and_then(|(_, rest)| rest.split_once(": ")) else { return };
        if head.ends_with(" warning") || head.ends_with(" error") {
            self.push(text);
        }
    }

    /// Adds a warning; the same as one that is kept already makes that one the newest, with a count.
    pub fn push(&self, text: &str) {
        let text: String = text.trim().chars().take(LENGTH).collect();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.iter().position(|entry| entry.text == text).and_then(|at| kept.remove(at));
        let times = before.map_or(1, |entry| entry.times.saturating_add(1));
        kept.push_back(Entry { text, times });
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }

    /// All that are kept, the newest last.
    pub fn all(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = |Entry { text, times }: &Entry| match times {
            1 => text.clone(),
            times => format!("{text} ({times} times)"),
        };
        kept.iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_and_errors_of_a_log_are_kept() {
        let warnings = Warnings::default();
        for line in [
            "[1795413600] runbound[97:0] info: all is well",
            "[1795413600] runbound[97:0] warning: upstream: slow",
            "[Nov 23 06:00:00] runbound[97:0] error: eth0: gone",
            "thread panicked",
            "",
            "] : warning",
        ] {
            warnings.offer(line);
        }
        assert_eq!(warnings.all(), ["upstream: slow", "eth0: gone"]);
    }

    #[test]
    fn repetitions_are_counted_and_memory_is_bounded() {
        let warnings = Warnings::default();
        warnings.push("again");
        for number in 0..5 {
            warnings.push(&format!("other {number}"));
            warnings.push("again");
        }
        assert_eq!(warnings.all().last().map(String::as_str), Some("again (6 times)"));
        for number in 0..1000 {
            warnings.push(&format!("{number}{}", "x".repeat(1000)));
        }
        assert_eq!(warnings.all().len(), KEPT);
        assert!(warnings.all().iter().all(|text| text.len() == LENGTH));
    }
}
