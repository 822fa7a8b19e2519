//! Where the server is to make its files and sockets, and the user it is to become: what keeps it from starting.

use super::Subject;
use crate::attach::advice::quoted;
use crate::attach::finding::{Finding, Level};
use crate::config::{Config, DEFAULT_DIRECTORY};
use crate::host::{PathProbe, PathState, UNIT, Use};
use std::path::{Path, PathBuf};

/// The paths that must be as they are wanted for a start.
pub(super) fn wanted(config: &Config) -> Vec<(&'static str, PathBuf, Use)> {
    let mut paths = Vec::new();
    if config.remote_control.enable {
        let sockets = config.remote_control.sockets.iter();
        paths.extend(sockets.map(|(path, _)| ("control-interface", path.clone(), Use::Socket)));
    }
    paths.push(("pidfile", config.pidfile.clone(), Use::File));
    paths.push(("logfile", config.log.file.clone(), Use::File));
    paths.push(("chroot", config.chroot.clone(), Use::Folder));
    if config.directory != Path::new(DEFAULT_DIRECTORY) {
        paths.push(("directory", in_chroot(&config.directory, &config.chroot), Use::Folder));
    }
    paths.retain(|(_, path, _)| !path.as_os_str().is_empty());
    paths
}

/// The path from outside of a folder that is entered inside; it may be written with the chroot before it.
fn in_chroot(path: &Path, chroot: &Path) -> PathBuf {
    if chroot.as_os_str().is_empty() || path.as_os_str().is_empty() || path.starts_with(chroot) {
        return path.to_owned();
    }
    chroot.join(path.strip_prefix("/").unwrap_or(path))
}

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    for probe in subject.facts.paths.iter().filter(|probe| probe.wanted != Use::Replaced) {
        found.extend(path(subject, probe));
    }
    let name = &subject.config.username;
    if subject.facts.user == Some(false) {
        let text = format!("username: there is no user {name} on this host, the server does not start");
        found.push(Finding::new(Level::Fail, "username", text).with_fix(format!("useradd --system {}", quoted(name))));
    }
}

/// What the installed unit forbids, seen from a shell, where nothing stands in the way.
fn shut(subject: &Subject, probe: &PathProbe) -> Option<Finding> {
    let unit =
        subject.facts.unit.as_ref().filter(|_| subject.facts.service.is_none() && probe.wanted != Use::Folder)?;
    if !probe.path.is_absolute() || unit.lets_write(&probe.path) {
        return None;
    }
    let (directive, path) = (probe.directive, probe.path.display());
    let text = format!(
        "{directive}: {path}: {UNIT} may not write there (ProtectSystem=strict), so it does not start; name a file in \
         /run/runbound, or open the folder as docs/hardening.md says"
    );
    Some(Finding::new(Level::Warn, "path", text))
}

fn path(subject: &Subject, probe: &PathProbe) -> Option<Finding> {
    let made = || subject.facts.unit.iter().flat_map(|unit| unit.folders()).any(|made| made == probe.folder());
    let (directive, path, folder) = (probe.directive, probe.path.display(), probe.folder().display());
    let (cause, fix) = match &probe.state {
        PathState::Good | PathState::Unknown => return shut(subject, probe),
        PathState::NoFolder if made() => return None,
        PathState::NoFolder => {
            (format!("the folder {folder} is not there"), Some(format!("mkdir -p {}", quoted(&folder.to_string()))))
        }
        PathState::NotAFolder => (format!("{folder} is no folder"), None),
        PathState::InTheWay if probe.wanted == Use::Socket => (
            "something that is no socket has that name".to_owned(),
            Some(format!("mv {0} {0}.old", quoted(&path.to_string()))),
        ),
        PathState::InTheWay => ("a folder has that name".to_owned(), None),
        PathState::NotWritable => (format!("{folder} may not be written to"), None),
        PathState::ReadOnly => (format!("{folder} is on a file system that is mounted read-only"), None),
        PathState::NotPlain(cause) => (cause.clone(), None),
        PathState::SharedLink(link) => (
            format!("{} is a link in a folder that other users may write to, and is not followed", link.display()),
            None,
        ),
        PathState::TooLong => ("that is too long for the path of a socket, 108 octets are the most".to_owned(), None),
    };
    let text = format!("{directive}: {path}: {cause}, the server does not start; correct the line or the folder");
    Some(Finding { level: Level::Fail, name: "path", text, fix })
}
