//! `runbound --backup` and `--restore`: on the folder itself, whether a server runs or not.
//!
//! The server may have given up the rights to write there, and `unbound-control` carries text alone.

use super::{Place, Summary, named, restore, write, write_file};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// The name that stands for standard input and output.
const STANDARD: &str = "-";

/// Saves the configuration's folder as the tar `target`; what to tell the user, a line each.
///
/// # Errors
/// Why there is no backup, one line.
pub fn save(place: &Place<'_>, target: &Path) -> Result<Vec<String>, String> {
    let summary = if target == Path::new(STANDARD) {
        let mut out = io::stdout().lock();
        if out.is_terminal() {
            return Err("a tar is nothing for a terminal: name a file, or send the output to one".into());
        }
        write(place, &mut out)?
    } else {
        write_file(place, target)?
    };
    Ok(told(summary, |files| format!("saved {files} files to {}", target.display())))
}

/// Restores the configuration, and what lies beside it, from the tar `source`; what to tell the user, a
/// line each.
///
/// # Errors
/// Why nothing was changed, or what the next start is going to finish; one line.
pub fn load(place: &Place<'_>, source: &Path) -> Result<Vec<String>, String> {
    let summary = if source == Path::new(STANDARD) {
        restore(place, &mut io::stdin().lock())?
    } else {
        let mut tar = File::open(source).map_err(|cause| format!("{}: {cause}", source.display()))?;
        restore(place, &mut tar)?
    };
    Ok(told(summary, |files| format!("restored {files} files; a reload or restart of the server puts them in force")))
}

/// [`save`] for a client of the control socket: `name` is a file in the folder.
///
/// # Errors
/// As of [`save`].
pub fn save_named(place: &Place<'_>, name: &str) -> Result<Vec<String>, String> {
    let target = named_writable(place.saved, name)?;
    let summary = write_file(place, &target)?;
    Ok(told(summary, |files| format!("saved {files} files to {}", target.display())))
}

/// [`load`] for a client of the control socket, as [`save_named`].
///
/// # Errors
/// As of [`load`].
pub fn load_named(place: &Place<'_>, name: &str) -> Result<Vec<String>, String> {
    let source = named_writable(place.saved, name)?;
    let mut tar = File::open(&source).map_err(|cause| format!("{}: {cause}", source.display()))?;
    let summary = restore(place, &mut tar)?;
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
