//! A file's place, found without being led astray.
//!
//! What root opens by a path is whatever the path leads to, and who may write to a folder on the way can put a link there.
//! So a path is walked folder by folder, each held open, and a link is followed only where nobody but root and this
//! process's user can have put it. The last part of a file's path is never followed.

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, fcntl_setfl, fstat, openat, readlinkat, statat, unlinkat,
};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::{fmt, io};

/// Links followed on one way, as the kernel has it (path_resolution(7)).
const LINKS_MAX: usize = 40;
/// How often a file is looked for again that comes and goes meanwhile.
const TRIES: usize = 3;
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Where a file is or is to be: its folder, held open, and its name there.
#[derive(Debug)]
pub struct Place {
    folder: OwnedFd,
    name: OsString,
    path: PathBuf,
    way: Way,
    /// The user whose files are taken beside those of root, this process's user and the folder's owner.
    user: Option<u32>,
}

/// What the folders of a way are like.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// Users other than root and this process's may write to one of them.
    shared: bool,
    /// Who owns the last.
    owner: u32,
}

/// Why a place is not used.
#[derive(Debug)]
pub enum PlaceError {
    /// The last part of the path is a link.
    Link,
    /// This link on the way stands in a folder that other users may write to.
    SharedLink(PathBuf),
    /// In a folder that other users may write to: something else than a file with one name, of root, of the folder's owner
    /// or of the user that the place is for.
    Strange,
    /// What the system said.
    System(io::Error),
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlaceError::Link => f.write_str("it is a link, and none is followed there; name the file it leads to"),
            PlaceError::SharedLink(link) => write!(
                f,
                "{} is a link in a folder that other users may write to, and is not followed; name what it leads to, or \
                 make the folder root's own",
                link.display()
            ),
            PlaceError::Strange => f.write_str(
                "other users may write to its folder, and what is there is no file with one name, of root, username: or \
                 the folder's owner; remove it",
            ),
            PlaceError::System(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for PlaceError {}

impl From<Errno> for PlaceError {
    fn from(error: Errno) -> Self {
        PlaceError::System(error.into())
    }
}

impl From<io::Error> for PlaceError {
    fn from(error: io::Error) -> Self {
        PlaceError::System(error)
    }
}

impl From<PlaceError> for io::Error {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::System(cause) => cause,
            other => io::Error::other(other),
        }
    }
}

/// Opens a folder, for what takes a folder's descriptor.
///
/// # Errors
/// What stands in the way.
pub fn folder(path: &Path) -> Result<OwnedFd, PlaceError> {
    walk(path).map(|(folder, _)| folder)
}

impl Place {
    /// Finds the folder of `path`, which must be there; the file need not.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn find(path: &Path) -> Result<Place, PlaceError> {
        let name = path.file_name().ok_or(Errno::ISDIR)?.to_owned();
        let (folder, way) = walk(path.parent().unwrap_or(Path::new("")))?;
        Ok(Place { folder, name, path: path.to_owned(), way, user: None })
    }

    /// Takes files of `user` as well: of the one that this process is going to be, who has them from a run before.
    pub fn for_user(self, user: Option<u32>) -> Place {
        Place { user, ..self }
    }

    /// Opens the file, with `access` as for open(2), and makes it when it is not there: then the second is true.
    ///
    /// # Errors
    /// What stands in the way; a link for one.
    pub fn open_or_make(&self, access: OFlags) -> Result<(File, bool), PlaceError> {
        for _ in 0..TRIES {
            match self.open(access) {
                Err(PlaceError::System(cause)) if cause.kind() == io::ErrorKind::NotFound => {}
                opened => return opened.map(|file| (file, false)),
            }
            let mode = Mode::from_raw_mode(0o666);
            let flags = access | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            match openat(&self.folder, &self.name, flags, mode) {
                Err(Errno::EXIST) => {}
                made => return Ok((File::from(made?), true)),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Opens the file that is there.
    ///
    /// # Errors
    /// What stands in the way; a link for one.
    pub fn open(&self, access: OFlags) -> Result<File, PlaceError> {
        // Without waiting: nobody may be at the other end of a FIFO.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(&self.folder, &self.name, flags, Mode::empty()) {
            Err(Errno::LOOP) => return Err(PlaceError::Link),
            opened => opened?,
        };
        self.accept(&fstat(&file)?)?;
        fcntl_setfl(&file, access & OFlags::APPEND)?;
        Ok(File::from(file))
    }

    /// What is there, links not followed.
    ///
    /// # Errors
    /// NotFound for one.
    pub fn stat(&self) -> io::Result<Stat> {
        Ok(statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Whether what is there, if anything, is what [`Self::open`] takes.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn look(&self) -> Result<(), PlaceError> {
        match self.stat() {
            Ok(found) if file_type(&found) == FileType::Symlink => Err(PlaceError::Link),
            Ok(found) => self.accept(&found),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(cause) => Err(cause.into()),
        }
    }

    /// Removes the file.
    ///
    /// # Errors
    /// What the system said.
    pub fn remove(&self) -> io::Result<()> {
        Ok(unlinkat(&self.folder, &self.name, AtFlags::empty())?)
    }

    /// A path for calls that take no folder's descriptor: they come to this folder, whatever others do meanwhile. It
    /// is good as long as this is held.
    pub fn call_path(&self) -> PathBuf {
        if self.way.shared { self.magic_folder().join(&self.name) } else { self.path.clone() }
    }

    /// Sets the mode of what is there, when `found` is it and it is no link.
    ///
    /// # Errors
    /// NotFound when something else is there by now.
    pub fn set_mode(&self, found: &Stat, mode: Mode) -> io::Result<()> {
        if !self.way.shared {
            return Ok(rustix::fs::chmod(&self.path, mode)?);
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.folder, &self.name, flags, Mode::empty())?;
        let now = fstat(&file)?;
        if identity(&now) != identity(found) || file_type(&now) == FileType::Symlink || now.st_nlink != 1 {
            return Err(Errno::NOENT.into());
        }
        Ok(rustix::fs::chmod(magic(&file), mode)?)
    }

    fn magic_folder(&self) -> PathBuf {
        magic(&self.folder)
    }

    fn accept(&self, found: &Stat) -> Result<(), PlaceError> {
        let one_file = file_type(found) == FileType::RegularFile && found.st_nlink == 1;
        let known = is_ours(found.st_uid) || found.st_uid == self.way.owner || self.user == Some(found.st_uid);
        if self.way.shared && !(one_file && known) { Err(PlaceError::Strange) } else { Ok(()) }
    }
}

/// Says that the file of a directive is still there after the end, and why.
pub fn stays_behind(directive: &str, path: &Path, cause: &io::Error) {
    log::warn!(
        "{directive} {}: it stays behind: {cause}; the next start replaces it (it is removed from a folder that the user of \
         username: may write to)",
        path.display()
    );
}

/// Device and inode: what tells one file from another.
pub fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// A descriptor as a path (proc(5)).
fn magic(fd: &impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn is_ours(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// A part of a path that is still to be walked.
enum Step {
    Root,
    Into(OsString),
}

fn steps(path: &Path) -> impl DoubleEndedIterator<Item = Step> {
    path.components().filter_map(|component| match component {
        Component::RootDir => Some(Step::Root),
        Component::Normal(_) | Component::ParentDir => Some(Step::Into(component.as_os_str().to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    })
}

fn open_folder(at: impl AsFd, name: impl AsRef<OsStr>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name.as_ref(), flags, Mode::empty())
}

/// From the root, or for a relative path from the working directory, folder by folder.
fn walk(path: &Path) -> Result<(OwnedFd, Way), PlaceError> {
    let mut at = open_folder(CWD, ".")?;
    let mut trail = PathBuf::new();
    let mut shared = false;
    let mut links = 0;
    let mut ahead: VecDeque<Step> = steps(path).collect();
    loop {
        let here = fstat(&at)?;
        let theirs = !is_ours(here.st_uid) || here.st_mode & OTHERS_WRITE != 0;
        let Some(step) = ahead.pop_front() else {
            return Ok((at, Way { shared: shared || theirs, owner: here.st_uid }));
        };
        let Step::Into(name) = step else {
            (at, trail, shared) = (open_folder(CWD, "/")?, PathBuf::from("/"), false);
            continue;
        };
        let next = open_folder(&at, &name)?;
        let found = fstat(&next)?;
        // Of a sticky folder only a thing's owner can put another in its place.
        let fixed = is_ours(here.st_uid) && here.st_mode & STICKY != 0 && is_ours(found.st_uid);
        shared |= theirs && !fixed;
        trail.push(&name);
        match file_type(&found) {
            FileType::Directory => at = next,
            FileType::Symlink if shared => return Err(PlaceError::SharedLink(trail)),
            FileType::Symlink if links == LINKS_MAX => return Err(Errno::LOOP.into()),
            FileType::Symlink => {
                links += 1;
                trail.pop();
                let target = PathBuf::from(OsString::from_vec(readlinkat(&next, "", Vec::new())?.into_bytes()));
                steps(&target).rev().for_each(|step| ahead.push_front(step));
            }
            _ => return Err(Errno::NOTDIR.into()),
        }
    }
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
