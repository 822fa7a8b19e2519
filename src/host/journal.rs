//! What takes back the changes of a process, on disk (`changes.PID` below /run/runbound): a line each, behind a line with
//! the network namespace they were made in. The process holds a lock on its journal, so one that can be locked is left
//! from a process that is gone.

use super::change::Change;
use crate::sys::place::Place;
use rustix::fs::{FlockOperation, OFlags, flock};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

const PREFIX: &str = "changes.";

/// The journal of this process.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    namespace: String,
    complained: bool,
}

/// Name of the network namespace of this thread, like `net:[4026531840]`.
fn namespace() -> String {
    fs::read_link("/proc/thread-self/ns/net").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Journal {
    /// A journal in `folder`, which is made when it is not there. `None`, and a log line, when it cannot be written.
    pub(super) fn create(folder: &Path) -> Option<Self> {
        let path = folder.join(format!("{PREFIX}{}", std::process::id()));
        let opened = fs::create_dir_all(folder).and_then(|()| {
            let (file, _) = Place::find(&path).and_then(|place| place.open_or_make(OFlags::RDWR))?;
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            file.set_len(0)?;
            Ok(file)
        });
        match opened {
            Ok(file) => Some(Self { file, path, namespace: namespace(), complained: false }),
            Err(cause) => {
                log::warn!(
                    "{}: {cause}: changes to interfaces are set back at exit, but not after a kill -9; make the folder \
                     writable (in a unit: RuntimeDirectory=runbound)",
                    path.display()
                );
                None
            }
        }
    }

    /// Writes what is in force now.
    pub(super) fn write(&mut self, changes: &[Change]) {
        let file = &mut self.file;
        let mut text = String::new();
        if !changes.is_empty() {
            let _ = writeln!(text, "{}", self.namespace);
            changes.iter().for_each(|change| {
                let _ = writeln!(text, "{change}");
            });
        }
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
        if let Err(cause) = written
            && !std::mem::replace(&mut self.complained, true)
        {
            log::warn!("{}: {cause}: changes to interfaces are not set back after a kill -9", self.path.display());
        }
    }

    /// The changes that processes that are gone left in this network namespace. Their journals are removed.
    pub(super) fn take_over(folder: &Path) -> Vec<Change> {
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let ours = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        let here = namespace();
        let mut left = Vec::new();
        for entry in entries.flatten().filter(ours) {
            match abandoned(&entry.path()) {
                Ok(Some(text)) => {
                    let mut lines = text.lines();
                    let namespace = lines.next();
                    if namespace.is_some_and(|namespace| namespace != here) {
                        continue;
                    }
                    left.extend(lines.filter_map(|line| line.parse::<Change>().ok()));
                    let _ = fs::remove_file(entry.path());
                }
                Ok(None) => (),
                Err(cause) => log::warn!(
                    "{}: {cause}: what the process that wrote it changed on interfaces is not set back; its lines tell it, by hand: \
                     ethtool -K INTERFACE rxvlan on, for one",
                    entry.path().display()
                ),
            }
        }
        left
    }
}

/// The content of a journal that nobody holds.
fn abandoned(path: &Path) -> io::Result<Option<String>> {
    let mut file = Place::find(path).and_then(|place| place.open(OFlags::RDWR))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        other => other?,
    }
    let mut text = String::new();
    Read::by_ref(&mut file).take(1 << 20).read_to_string(&mut text)?;
    Ok(Some(text))
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Where the folder is another user's the empty file stays, and the next start removes it.
        let _ = fs::remove_file(&self.path);
    }
}
