//! `runbound --backup` and `--restore`: on the folder itself, whether a server runs or not.
//!
//! The server may have given up the rights to write there, and `unbound-control` carries text alone.

use super::{Summary, named, restore, write, write_file};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// The name that stands for standard input and output.
const STANDARD: &str = "-";

/// Saves the folder of `configuration` as the tar `target`; what to tell the user, a line each.
///
/// # Errors
/// Why there is no backup, one line.
pub fn save(configuration: &Path, target: &Path) -> Result<Vec<String>, String> {
    let summary = if target == Path::new(STANDARD) {
        let mut out = io::stdout().lock();
        if out.is_terminal() {
            return Err("a tar is nothing for a terminal: name a file, or send the output to one".into());
        }
        write(configuration, &mut out, None)?
    } else {
        write_file(configuration, target, None)?
    };
    Ok(told(summary, |files| format!("saved {files} files to {}", target.display())))
}

/// Restores the configuration at `configuration`, and what lies beside it, from the tar `source`; what to tell the user, a
/// line each.
///
/// # Errors
/// Why nothing was changed, or what the next start is going to finish; one line.
pub fn load(configuration: &Path, source: &Path) -> Result<Vec<String>, String> {
    let summary = if source == Path::new(STANDARD) {
        restore(configuration, &mut io::stdin().lock(), None)?
    } else {
        let mut tar = File::open(source).map_err(|cause| format!("{}: {cause}", source.display()))?;
        restore(configuration, &mut tar, None)?
    };
    Ok(told(summary, |files| format!("restored {files} files; a reload or restart of the server puts them in force")))
}

/// [`save`] for a client of the control socket: `name` is a file in the folder. `chroot` is the one this process is in.
///
/// # Errors
/// As of [`save`].
pub fn save_named(configuration: &Path, name: &str, chroot: Option<&Path>) -> Result<Vec<String>, String> {
    let target = named_writable(configuration, name)?;
    let summary = write_file(configuration, &target, chroot)?;
    Ok(told(summary, |files| format!("saved {files} files to {}", target.display())))
}

/// [`load`] for a client of the control socket, as [`save_named`].
///
/// # Errors
/// As of [`load`].
pub fn load_named(configuration: &Path, name: &str, chroot: Option<&Path>) -> Result<Vec<String>, String> {
    let source = named_writable(configuration, name)?;
    let mut tar = File::open(&source).map_err(|cause| format!("{}: {cause}", source.display()))?;
    let summary = restore(configuration, &mut tar, chroot)?;
    Ok(told(summary, |files| format!("restored {files} files; reload puts them in force")))
}

/// A server without the rights to write there is no dead end.
fn named_writable(configuration: &Path, name: &str) -> Result<PathBuf, String> {
    let path = named(configuration, name)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).map_err(|cause| {
        let folder = folder.display();
        format!("{folder}: {cause} for the server; `runbound --backup` and `--restore` work with the caller's rights")
    })?;
    Ok(path)
}

fn told(summary: Summary, first: impl FnOnce(usize) -> String) -> Vec<String> {
    let mut lines = vec![first(summary.files)];
    lines.extend(summary.notes.into_iter().map(|note| format!("note: {note}")));
    lines
}
