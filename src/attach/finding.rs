//! A finding of `--check-config` about this host, and how it is printed.

use crate::config::json_string;
use crate::words::printable;
use std::fmt;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Good to know.
    Info,
    /// Queries may get lost, or are served slower than they could be.
    Warn,
    /// The program does not start, or does not answer.
    Fail,
}

impl Level {
    /// The word in brackets.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// One finding. `docs/troubleshooting.md` has a row for each name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// Its stable name, like `arp-flux`.
    pub name: &'static str,
    /// What was found: the interface or address and the cause.
    pub text: String,
    /// Commands that mend it, a line each.
    pub fix: Option<String>,
}

impl Finding {
    /// A finding without a fix.
    pub fn new(level: Level, name: &'static str, text: impl Into<String>) -> Self {
        Self { level, name, text: text.into(), fix: None }
    }

    /// The same with commands that mend it.
    pub fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// The finding as an object of JSON: `level`, `name`, `text`, and `fix` when there is one.
    pub fn json(&self) -> String {
        let fix = self.fix.as_ref().map_or(String::new(), |fix| format!(",\"fix\":{}", json_string(fix)));
        let level = self.level.word().to_ascii_lowercase();
        format!("{{\"level\":\"{level}\",\"name\":\"{}\",\"text\":{}{fix}}}", self.name, json_string(&self.text))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}: {}", self.level.word(), self.name, printable(&self.text))?;
        for line in self.fix.iter().flat_map(|fix| fix.lines()) {
            write!(f, "\n    {}", printable(line))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_printed_with_their_fix_below() {
        let finding = Finding::new(Level::Warn, "arp-flux", "a \"b\"").with_fix("one\ntwo");
        assert_eq!(finding.to_string(), "[WARN] arp-flux: a \"b\"\n    one\n    two");
        assert_eq!(
            finding.json(),
            "{\"level\":\"warn\",\"name\":\"arp-flux\",\"text\":\"a \\\"b\\\"\",\"fix\":\"one\\u000atwo\"}"
        );
        assert_eq!(Finding::new(Level::Ok, "mtu", "br\x1b[1m").to_string(), "[OK] mtu: br\\x1b[1m");
        assert_eq!(Finding::new(Level::Ok, "mtu", "fine").to_string(), "[OK] mtu: fine");
    }
}
