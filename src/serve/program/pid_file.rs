//! `pidfile:`, which is there while the program runs.

use super::privileges;
use crate::sys::place::{self, Place, PlaceError};
use crate::sys::privileges::find_user;
use rustix::fs::{FileType, OFlags, fstat};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A pid file that was written. It is emptied and removed when this is dropped, unless another has its name or wrote to it
/// by then.
pub(super) struct PidFile {
    path: PathBuf,
    /// Open since before the user changed, who may not be let write to it.
    file: File,
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
        let (file, _) = place.open_or_make(OFlags::RDWR)?;
        let mut pidfile = PidFile { path: path.to_owned(), file, place: Some(place) };
        if let Err(cause) = empty(&pidfile.file).and_then(|()| pidfile.file.write_all(line().as_bytes())) {
            pidfile.remove_if_same()?;
            return Err(cause.into());
        }
        Ok(pidfile)
    }

    /// Tells that the start succeeded, inside of `root` now: no folder out of it stays open.
    pub(super) fn keep(&mut self, root: Option<&Path>) {
        self.place = None;
        self.path = privileges::inside(&self.path, root);
    }

    /// Whether the file holds what this process wrote: another may have taken the file for its own.
    fn is_ours(&self) -> bool {
        let (line, mut read) = (line(), [0; 16]);
        self.file.read_at(&mut read, 0).is_ok_and(|octets| read.get(..octets) == Some(line.as_bytes()))
    }

    /// Removes what is at the path, when it is this file. It may be gone, and its folder with it.
    fn remove_if_same(&mut self) -> io::Result<()> {
        let place = self.place.take().map_or_else(|| Place::find(&self.path).map_err(io::Error::from), Ok);
        let (found, place) = match place.and_then(|place| Ok((place.stat()?, place))) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        let same = place::identity(&found) == place::identity(&fstat(&self.file)?);
        if same && FileType::from_raw_mode(found.st_mode) == FileType::RegularFile {
            place.remove()?;
        }
        Ok(())
    }
}

fn line() -> String {
    format!("{}\n", std::process::id())
}

/// What is no file, like /dev/null, cannot be cut.
fn empty(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if !self.is_ours() {
            return;
        }
        // As Unbound has it: where the file stays, nobody takes the number for that of a process.
        let emptied = empty(&self.file);
        if let Err(cause) = self.remove_if_same().and(emptied) {
            place::stays_behind("pidfile", &self.path, &cause);
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

        // Of the same file, after another server has written its own number to it.
        let pidfile = PidFile::write(&path, "").unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(pidfile);
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");

        fs::remove_file(&path).unwrap();
        fs::write(top.join("victim"), "untouched").unwrap();
        symlink(top.join("victim"), &path).unwrap();
        assert!(PidFile::write(&path, "").err().unwrap().contains("it is a link"));
        assert_eq!(fs::read_to_string(top.join("victim")).unwrap(), "untouched");
        drop(PidFile::write(Path::new("/dev/null"), "").unwrap());
        assert!(Path::new("/dev/null").exists());
        assert!(PidFile::write(Path::new("/dev/full"), "").is_err() && Path::new("/dev/full").exists());
        assert!(PidFile::write(Path::new(""), "").unwrap().is_none());

        fs::remove_file(&path).unwrap();
        let mut pidfile = PidFile::write(&path, "").unwrap().unwrap();
        fs::remove_dir_all(&top).unwrap();
        pidfile.remove_if_same().expect("it is gone, and its folder with it");
    }
}
