//! One scenario from its file to its verdict: read, weighed, configured, run.

use crate::differs::Differences;
use crate::message;
use crate::run::{self, Outcome, Setting};
use crate::scenario::{Scenario, parse};
use crate::skip;
use crate::used::Used;
use runbound::config::{self, Config, Severity};
use runbound::validate::Fakes;
use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What Unbound's harness puts before the lines of a scenario (testcode/testbound.c), without an end of line, so that these keep
/// their numbers.
const DEFAULTS: &str = "server: use-syslog: no directory: \"\" chroot: \"\" username: \"\" pidfile: \"\" val-log-level: 2 \
    log-servfail: yes remote-control: control-enable: no ";

/// What is said of a scenario.
pub enum Verdict {
    /// All came as it says.
    Pass,
    /// All came as the difference says that was found for it, which is for this reason.
    Differs(String),
    /// Where, what was expected, what came.
    Fail(String),
    /// It needs what is not there.
    Skip(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Pass => f.write_str("pass"),
            Verdict::Differs(reason) => write!(f, "pass, and differs: {reason}"),
            Verdict::Fail(cause) => write!(f, "fail: {cause}"),
            Verdict::Skip(reason) => write!(f, "skip: {reason}"),
        }
    }
}

/// Reads a file.
///
/// # Errors
/// Why it cannot be read, and where.
pub fn read(file: &Path) -> Result<Scenario, String> {
    let text = fs::read(file).map_err(|cause| format!("{}: {cause}", file.display()))?;
    parse(&String::from_utf8_lossy(&text)).map_err(|cause| cause.to_string())
}

/// Looks into every entry, also those that nobody may come to.
///
/// # Errors
/// The line that is wrong, and why.
pub fn check(scenario: &Scenario) -> Result<(), String> {
    scenario.entries().try_for_each(|entry| message::octets(entry).map(drop))
}

/// Runs a file's scenario, unless it is to be skipped. `restarts`: see [`run::Setting`].
pub fn run(file: &Path, differences: &Differences, restarts: bool) -> Verdict {
    match read(file) {
        Ok(scenario) => weigh(file, scenario, differences, restarts),
        Err(cause) => Verdict::Fail(format!("it cannot be read: {cause}")),
    }
}

fn weigh(file: &Path, mut scenario: Scenario, differences: &Differences, restarts: bool) -> Verdict {
    let used = Used::of(&scenario.configuration_in(Path::new("/")));
    let reasons = skip::reasons(&used);
    if !reasons.is_empty() {
        return Verdict::Skip(reasons.join(", "));
    }
    if let Err(cause) = check(&scenario) {
        return Verdict::Fail(format!("it cannot be read: {cause}"));
    }
    let difference = differences.apply(file, &mut scenario);
    let outcome = catch_unwind(AssertUnwindSafe(|| perform(&scenario, restarts)));
    match outcome {
        Ok(Ok(Outcome::Pass)) => difference.map_or(Verdict::Pass, Verdict::Differs),
        Ok(Ok(Outcome::Fail(cause)) | Err(cause)) => Verdict::Fail(cause),
        Err(_) => Verdict::Fail("it panicked".to_owned()),
    }
}

fn perform(scenario: &Scenario, restarts: bool) -> Result<Outcome, String> {
    let folder = Folder::new()?;
    for file in &scenario.files {
        folder.write(&file.name, &run::at_the_start(&file.contents)?)?;
    }
    let path = folder.write("unbound.conf", &format!("{DEFAULTS}{}", scenario.configuration_in(&folder.0)))?;
    let configured = || configured(&path);
    configured()?;
    Ok(run::run(scenario, Setting { configured: &configured, fakes: fakes(scenario), folder: &folder.0, restarts }))
}

/// Signatures that count as valid in Unbound's harness, whatever they are: the server knows no such thing.
fn fakes(scenario: &Scenario) -> Fakes {
    let used = Used::of(&scenario.configuration_in(Path::new("/")));
    let has = |directive| used.values(directive).last() == Some("yes");
    Fakes { dsa: has("fake-dsa"), sha1: has("fake-sha1") }
}

/// The configuration as the server reads it, but that it may leave questions to nobody.
fn configured(path: &Path) -> Result<Config, String> {
    let reading = config::read(path);
    let mut errors = reading.findings.iter().filter(|finding| finding.severity == Severity::Error);
    match errors.next() {
        Some(error) => Err(format!("the configuration is refused: line {}: {}", error.line, error.message)),
        None => Ok(reading.config),
    }
}

/// A folder for the files of a scenario, as long as this lives.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder, String> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("runbound-replay-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).map_err(|cause| format!("{}: {cause}", path.display()))?;
        Ok(Folder(path))
    }

    fn write(&self, name: &str, contents: &str) -> Result<PathBuf, String> {
        let path = self.0.join(name);
        fs::write(&path, contents).map_err(|cause| format!("{}: {cause}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;
