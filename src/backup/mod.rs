//! The configuration's folder as one tar, and back.
//!
//! A restore is checked before it changes anything, and it is whole: what a power cut interrupts is finished at the next
//! start ([`finish`]).
//!
//! | file | holds |
//! |---|---|
//! | `command` | `--backup` and `--restore` |
//! | `collect` | the folder into a tar |
//! | `unpack` | a tar, which may be hostile, into a folder of its own |
//! | `restore` | that folder checked, then put in place |

mod collect;
mod command;
mod restore;
#[cfg(test)]
mod tests;
mod unpack;

pub use command::{load, load_named, save, save_named};
pub use restore::{finish, restore};

use crate::{config, whole_file};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

/// Most octets of all files together: several block lists of a million names.
pub const OCTETS_MAX: u64 = 128 << 20;
/// Most files.
pub const FILES_MAX: usize = 10_000;
/// Most folders within one another.
pub const DEPTH_MAX: usize = 16;

/// What our own files in the folder start with: never saved, never restored.
const OWN: &str = whole_file::OWN;
/// Holds what lives as long as the machine runs.
const MADE_AT_BOOT: &str = "/run";

/// What a backup or restore did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files in the tar.
    pub files: usize,
    /// What a user should know, a line each: what was left out, what else is in force.
    pub notes: Vec<String>,
}

/// Writes all regular files of the folder of `configuration` as a tar to `out`. `chroot` is the one this process is in.
///
/// # Errors
/// What could not be read or written, or is too much; one line. `out` then holds a part that no restore takes.
pub fn write(configuration: &Path, out: &mut dyn Write, chroot: Option<&Path>) -> Result<Summary, String> {
    let folder = folder_of(configuration)?;
    let mut summary = collect::write(&folder, out)?;
    // A configuration that cannot be read is saved as it is.
    if let Ok(loaded) = config::load_within(configuration, chroot, false) {
        let outside = loaded.config.files.paths().iter().filter(|path| is_missed(path, &folder));
        let note = |path: &PathBuf| format!("{} is included and lies outside of the folder: not saved", path.display());
        summary.notes.extend(outside.map(note));
    }
    Ok(summary)
}

/// Whether a backup of `folder` lacks the included file `path`. What is made anew at every boot it need not bring back.
fn is_missed(path: &Path, folder: &Path) -> bool {
    std::path::absolute(path).is_ok_and(|path| !path.starts_with(folder) && !path.starts_with(MADE_AT_BOOT))
}

/// [`write`] to a file, which is there whole or not at all.
///
/// # Errors
/// As of [`write`].
pub fn write_file(configuration: &Path, target: &Path, chroot: Option<&Path>) -> Result<Summary, String> {
    // One of the file system is about the target; that of a file in it tells its own path.
    enum Failed {
        Target(io::Error),
        Within(String),
    }
    impl From<io::Error> for Failed {
        fn from(cause: io::Error) -> Self {
            Failed::Target(cause)
        }
    }
    let done = whole_file::write(target, 0o600, |file| write(configuration, file, chroot).map_err(Failed::Within));
    done.map_err(|failed| match failed {
        Failed::Target(cause) => format!("{}: {cause}", target.display()),
        Failed::Within(cause) => cause,
    })
}

/// The file `name` in the folder of `configuration`, for a client that may not name files elsewhere.
///
/// # Errors
/// When it is no plain name that ends in `.tar`.
fn named(configuration: &Path, name: &str) -> Result<PathBuf, String> {
    let plain = matches!(Path::new(name).components().collect::<Vec<_>>()[..], [Component::Normal(_)]);
    if !plain || name.contains('/') || name.starts_with('.') || !name.ends_with(".tar") {
        return Err(format!(
            "'{name}' is no name of a tar in the configuration's folder: write for example backup.tar"
        ));
    }
    Ok(folder_of(configuration)?.join(name))
}

/// The absolute path of the folder that `configuration` lies in.
fn folder_of(configuration: &Path) -> Result<PathBuf, String> {
    let folder = std::path::absolute(configuration).map(|path| path.parent().map(Path::to_path_buf));
    match folder {
        Ok(Some(folder)) => Ok(folder),
        Ok(None) => Err(format!("{} is no file", configuration.display())),
        Err(cause) => Err(format!("{}: {cause}", configuration.display())),
    }
}

/// A new file; one that is there, a link included, is an error.
fn create(path: &Path, mode: u32) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}
