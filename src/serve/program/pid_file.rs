//! `pidfile:`, which is there while the program runs.

use super::privileges;
use crate::sys::place::{self, Place, PlaceError};
use crate::sys::privileges::find_user;
use rustix::fs::{FileType, OFlags, fstat};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A pid file that was written. It is removed when this is dropped, unless another has its name by then.
pub(super) struct PidFile {
    path: PathBuf,
    identity: (u64, u64),
    /// During the start, which may fail inside of a chroot: its folder, held open.
    place: Option<Place>,
}

impl PidFile {
    /// Writes this process's number to `path`, where that is not empty; also into a file that `user` has from a run before.
    ///
    /// # Errors
    /// By path, with cause and fix. No file that was made or emptied for it stays.
    pub(super) fn write(path: &Path, user: &str) -> Result<Option<PidFile>, String> {
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        Self::open_and_write(path, user).map(Some).map_err(|error| {
            let fix = if matches!(error, PlaceError::System(_)) { "; correct pidfile: or make the folder" } else { "" };
            format!("pidfile {}: {error}{fix}", path.display())
        })
    }

    fn open_and_write(path: &Path, user: &str) -> Result<PidFile, PlaceError> {
        let user = find_user(user).map(|user| user.uid);
        let place = Place::find(path)?.for_user(user);
        let (mut file, _) = place.open_or_make(OFlags::WRONLY)?;
        // Removed by its drop when the rest fails.
        let pidfile = PidFile { path: path.to_owned(), identity: place::identity(&fstat(&file)?), place: Some(place) };
        empty(&file)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(pidfile)
    }

    /// Tells that the start succeeded, inside of `root` now: no folder out of it stays open.
    pub(super) fn keep(&mut self, root: Option<&Path>) {
        self.place = None;
        self.path = privileges::inside(&self.path, root);
    }
}

/// What is no file, like /dev/null, cannot be cut.
fn empty(file: &File) -> std::io::Result<()> {
    if file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let Some(place) = self.place.take().or_else(|| Place::find(&self.path).ok()) else { return };
        let ours = place.stat().is_ok_and(|found| {
            place::identity(&found) == self.identity && FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
        });
        if ours {
            // It stays when the user change took the right to remove it; the next start writes it anew.
            let _ = place.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_pid_file_is_there_as_long_as_it_is_held_and_follows_no_link() {
        let top = std::env::temp_dir().join(format!("runbound-pid-{}", std::process::id()));
        fs::create_dir_all(&top).unwrap();
        let path = top.join("pid");
        fs::write(&path, "a much longer line of an earlier process\n").unwrap();
        let mut pidfile = PidFile::write(&path, "").unwrap().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        pidfile.keep(None);
        drop(pidfile);
        assert!(!path.exists());

        let pidfile = PidFile::write(&path, "").unwrap();
        fs::write(top.join("other"), "another's").unwrap();
        fs::rename(top.join("other"), &path).unwrap();
        drop(pidfile);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another's");

        fs::remove_file(&path).unwrap();
        fs::write(top.join("victim"), "untouched").unwrap();
        symlink(top.join("victim"), &path).unwrap();
        assert!(PidFile::write(&path, "").err().unwrap().contains("it is a link"));
        assert_eq!(fs::read_to_string(top.join("victim")).unwrap(), "untouched");
        drop(PidFile::write(Path::new("/dev/null"), "").unwrap());
        assert!(Path::new("/dev/null").exists());
        assert!(PidFile::write(Path::new("/dev/full"), "").is_err() && Path::new("/dev/full").exists());
        assert!(PidFile::write(Path::new(""), "").unwrap().is_none());
        fs::remove_dir_all(&top).unwrap();
    }
}
