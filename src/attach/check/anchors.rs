//! What validation needs of this host: that the keys of anchors that follow their zones can be kept, and a clock that is right.

use super::Subject;
use crate::attach::advice::quoted;
use crate::attach::finding::{Finding, Level};
use crate::config::Config;
use crate::host::{PathProbe, PathState, STATE_FOLDER, UNIT, Use};
use std::path::{Path, PathBuf};

/// The files whose keys follow their zones.
pub(super) fn wanted(config: &Config) -> Vec<(&'static str, PathBuf, Use)> {
    let validation = &config.validation;
    let files =
        validation.auto.iter().filter(|_| validation.has_validator()).map(|auto| config.directory.join(&auto.file));
    files.map(|file| ("auto-trust-anchor-file", file, Use::Replaced)).collect()
}

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    found.extend(subject.facts.paths.iter().filter(|probe| probe.wanted == Use::Replaced).filter_map(|probe| {
        let cause = unkept(subject, probe)?;
        Some(file(subject, probe, &cause))
    }));
    found.extend(clock(subject));
}

/// Who the server runs as.
fn user(subject: &Subject) -> Option<String> {
    let of_unit = || subject.facts.unit.as_ref()?.value("User").map(str::to_owned);
    let name = &subject.config.username;
    if name.is_empty() { of_unit() } else { Some(name.clone()) }
}

/// Why what the keys become cannot be written down.
fn unkept(subject: &Subject, probe: &PathProbe) -> Option<String> {
    let folder = probe.folder().display();
    let unit = subject.facts.unit.as_ref().filter(|_| subject.facts.service.is_none());
    match &probe.state {
        PathState::NotWritable => {
            let who = user(subject).map_or_else(|| "this user".to_owned(), |name| format!("the user {name}"));
            Some(format!("{who} may not write to {folder}, where a new file takes the place of the old one"))
        }
        PathState::ReadOnly => Some(format!("{folder} is on a file system that is mounted read-only")),
        PathState::NoFolder => Some(format!("the folder {folder} is not there")),
        PathState::NotAFolder => Some(format!("{folder} is no folder")),
        _ if unit.is_some_and(|unit| probe.path.is_absolute() && !unit.lets_write(&probe.path)) => {
            Some(format!("{UNIT} may not write to {folder} (ProtectSystem=strict); it may to /{STATE_FOLDER}"))
        }
        _ => None,
    }
}

fn file(subject: &Subject, probe: &PathProbe, cause: &str) -> Finding {
    let (directive, path) = (probe.directive, probe.path.display());
    let text = format!(
        "{directive}: {path}: {cause}, so that new keys of its zone are forgotten with a restart, and once the zone has let go of \
         the old ones every name below it is bogus; name a file in a folder that the server may write to"
    );
    let finding = Finding::new(Level::Warn, "anchor-file", text);
    match user(subject).filter(|_| probe.state == PathState::NotWritable) {
        Some(user) => {
            let path = path.to_string();
            let (user, path) = (quoted(&user), quoted(&path));
            // No file is copied to itself.
            finding.with_fix(match probe.folder().strip_prefix("/") == Ok(Path::new(STATE_FOLDER)) {
                true => format!("chown {user} /{STATE_FOLDER} {path}"),
                false => {
                    format!("install -d -o {user} /{STATE_FOLDER}\ninstall -o {user} -m 644 {path} /{STATE_FOLDER}/")
                }
            })
        }
        None => finding,
    }
}

/// Signatures are valid for weeks, so a clock that nobody keeps right does for long, and then for no name that is signed.
fn clock(subject: &Subject) -> Option<Finding> {
    let is_of_use = subject.config.validation.goes_by_clock();
    (is_of_use && subject.facts.clock_is_kept == Some(false)).then(|| {
        let text = "nothing keeps this host's clock right, by what the kernel is told (adjtimex(2): unsynchronised), and signatures \
                    are judged by it: when it is a day off, signed names get SERVFAIL; run chrony or systemd-timesyncd";
        Finding::new(Level::Info, "clock", text)
    })
}
