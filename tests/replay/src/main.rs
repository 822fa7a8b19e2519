//! Runs scenarios in Unbound's replay format against runbound's configuration reader, answer path and resolver.
//!
//! `tests/replay/run [--list|--restart] [DIR|FILE]…` prints a line per scenario and last `N passed, M failed, K skipped`; its
//! status is 1 when one failed. With `--restart` what serves ends whenever a file was looked at, and another begins with what
//! the files hold. Without arguments it runs those of `tests/replay/scenarios`, and of `../shared/replay` where that is there.

mod compare;
mod differs;
mod message;
mod network;
mod run;
mod scenario;
mod served;
mod skip;
mod stage;
mod used;

use differs::Differences;
use stage::Verdict;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The folder of this program's sources.
const HERE: &str = env!("CARGO_MANIFEST_DIR");
const USAGE: &str = "usage: tests/replay/run [--list|--restart] [DIR|FILE]…";

fn main() -> ExitCode {
    let (options, places): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with('-'));
    let (lists, restarts) = match options.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => (false, false),
        ["--list"] => (true, false),
        ["--restart"] => (false, true),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let places = if places.is_empty() { usual_places() } else { places.iter().map(PathBuf::from).collect() };
    let result = files(&places).and_then(|files| if lists { list(&files) } else { run_all(&files, restarts) });
    match result {
        Ok(code) => code,
        Err(cause) => {
            eprintln!("replay: {cause}");
            ExitCode::from(2)
        }
    }
}

fn usual_places() -> Vec<PathBuf> {
    let here = Path::new(HERE);
    let handed = here.join("../../../shared/replay");
    std::iter::once(here.join("scenarios")).chain(Some(handed).filter(|folder| folder.is_dir())).collect()
}

fn files(places: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for place in places {
        if place.is_dir() {
            files.extend(scenarios_in(place)?);
        } else {
            files.push(place.clone());
        }
    }
    Ok(files)
}

/// The scenarios of a folder, by name.
fn scenarios_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "rpl" || end == "crpl")).collect();
    found.sort();
    Ok(found)
}

/// True of the project's own scenarios: none of them needs what runbound has not.
fn is_own(file: &Path) -> bool {
    file.parent().is_some_and(|folder| folder == Path::new(HERE).join("scenarios"))
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

fn say(line: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{line}").map_err(|cause| format!("standard output: {cause}"))
}

fn list(files: &[PathBuf]) -> Result<ExitCode, String> {
    for file in files {
        let said = match stage::read(file) {
            Ok(scenario) => match stage::check(&scenario) {
                Ok(()) => scenario.title,
                Err(cause) => format!("{}, which has a wrong entry: {cause}", scenario.title),
            },
            Err(cause) => format!("cannot be read: {cause}"),
        };
        say(&format!("{}: {said}", name(file)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn run_all(files: &[PathBuf], restarts: bool) -> Result<ExitCode, String> {
    let differences = Differences::read(&Path::new(HERE).join("differs"))?;
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    if files.is_empty() {
        return Err("there is no scenario (*.rpl, *.crpl)".into());
    }
    for file in files {
        let verdict = match stage::run(file, &differences, restarts) {
            // Else a scenario that is run no more would be noticed by nobody.
            Verdict::Skip(reason) if is_own(file) => {
                Verdict::Fail(format!("it is one of ours, and was skipped: {reason}"))
            }
            verdict => verdict,
        };
        *match verdict {
            Verdict::Pass | Verdict::Differs(_) => &mut passed,
            Verdict::Fail(_) => &mut failed,
            Verdict::Skip(_) => &mut skipped,
        } += 1;
        say(&format!("{}: {verdict}", name(file)))?;
    }
    say(&format!("{passed} passed, {failed} failed, {skipped} skipped"))?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
