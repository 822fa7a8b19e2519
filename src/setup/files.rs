//! Files put in place whole or not at all, and taken away.

use super::{Run, SetupError};
use crate::whole_file;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Files that start with this are ours.
pub(super) const MARK: &str = "Made by `runbound --install`";

/// Whether there is a file that `--install` wrote.
pub(super) fn is_ours(run: &Run, below: &str) -> bool {
    has_mark(&run.text(below))
}

fn has_mark(text: &str) -> bool {
    text.lines().take(2).any(|line| line.contains(MARK))
}

/// # Errors
/// There is a file that somebody else wrote.
pub(super) fn is_ours_or_free(run: &Run, below: &str) -> Result<(), SetupError> {
    let path = run.path(below);
    // Of a link [`put`] says more.
    if path.is_symlink() {
        return Ok(());
    }
    match super::text(&path) {
        Ok(text) if has_mark(&text) => Ok(()),
        Ok(_) => Err(SetupError::new(&path, "was not made by --install", "move it away and run it again")),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(SetupError::io(&path, &cause)),
    }
}

/// Removes a file that `--install` wrote, if it is there; one that somebody else wrote is kept, which is said. Whether it is gone.
pub(super) fn remove_ours(run: &mut Run, below: &str) -> Result<bool, SetupError> {
    let path = run.path(below);
    if path.symlink_metadata().is_ok() && !is_ours(run, below) {
        run.note(&format!("kept {}: --install did not write it", path.display()));
        return Ok(false);
    }
    remove(run, below)?;
    Ok(true)
}

/// What a file is, hence its mode.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// 0755.
    Program,
    /// 0644.
    Text,
}

impl Kind {
    fn mode(self) -> u32 {
        match self {
            Kind::Program => 0o755,
            Kind::Text => 0o644,
        }
    }
}

/// Makes the file at `below` the root hold `content`. One that differs is replaced; one that is the same is left alone.
pub(super) fn put(run: &mut Run, below: &str, content: &[u8], kind: Kind) -> Result<(), SetupError> {
    let path = run.path(below);
    let what = path.display().to_string();
    let failed = |cause: io::Error| SetupError::io(&path, &cause);
    match path.symlink_metadata() {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            run.step(("wrote", "write"), &what, || write(&path, content, kind))
        }
        Err(cause) => Err(failed(cause)),
        // A masked unit, or a link to a build: replacing it would undo what somebody did on purpose.
        Ok(found) if found.is_symlink() => {
            let target = fs::read_link(&path).map_err(failed)?;
            let cause = format!("is a symbolic link to {}", target.display());
            let fix = "remove the link (`systemctl unmask runbound` for a masked unit) and run it again";
            Err(SetupError::new(&path, &cause, fix))
        }
        Ok(found) => {
            let same_mode = found.permissions().mode() & 0o7777 == kind.mode();
            if same_mode && whole_file::read(&path, u64::MAX).map_err(failed)? == content {
                run.note(&format!("unchanged {what}"));
                return Ok(());
            }
            run.step(("replaced", "replace"), &what, || write(&path, content, kind))
        }
    }
}

/// A reader sees the old or the new, and a program that runs can be replaced.
fn write(path: &Path, content: &[u8], kind: Kind) -> Result<(), SetupError> {
    whole_file::write(path, kind.mode(), |file| file.write_all(content)).map_err(|cause| SetupError::io(path, &cause))
}

/// Removes a file or link, if it is there.
pub(super) fn remove(run: &mut Run, below: &str) -> Result<(), SetupError> {
    let path = run.path(below);
    match path.symlink_metadata() {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(SetupError::io(&path, &cause)),
        Ok(_) => run.step(("removed", "remove"), &path.display().to_string(), || {
            fs::remove_file(&path).map_err(|cause| SetupError::io(&path, &cause))
        }),
    }
}

/// Removes a directory, if it is there and nothing of the administrator's is in it.
pub(super) fn remove_folder(run: &mut Run, below: &str) -> Result<(), SetupError> {
    let path = run.path(below);
    let what = path.display().to_string();
    if !path.is_dir() {
        return Ok(());
    }
    // With --dry-run the configuration is still in it.
    let entries = fs::read_dir(&path).map_err(|cause| SetupError::io(&path, &cause))?;
    let foreign = entries.flatten().any(|entry| !run.dry_run || !run.path(super::CONFIGURATION).eq(&entry.path()));
    if foreign {
        run.note(&format!("kept {what}: there are files in it that --install did not write"));
        return Ok(());
    }
    run.step(("removed", "remove"), &what, || fs::remove_dir(&path).map_err(|cause| SetupError::io(&path, &cause)))
}
