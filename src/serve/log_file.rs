//! `logfile:`: opened where nobody can have put a link, opened anew when it was renamed, its lines whole.

use crate::sys::place::{self, Place, PlaceError};
use crate::sys::privileges;
use rustix::fs::{OFlags, fstat};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, fchown};
use std::path::{Path, PathBuf};

/// The log file.
pub(super) struct LogFile {
    path: PathBuf,
    lines: Lines<File>,
}

impl LogFile {
    /// Opens the file to add to it. One that is made will belong to `user`, which has to open it anew one day.
    ///
    /// # Errors
    /// By path, with cause and fix.
    pub(super) fn open(path: &Path, user: &str) -> Result<LogFile, String> {
        let user = privileges::find_user(user);
        let (file, made) = open(path, user.as_ref().map(|user| user.uid))?;
        if made && let Some(user) = &user {
            // Where it cannot be given away, it is opened anew by the user it belongs to or not at all, and that is told.
            let _ = fchown(&file, Some(user.uid), Some(user.gid));
        }
        let torn = !made && is_torn(path, &file, user.map(|user| user.uid));
        Ok(LogFile { path: path.to_owned(), lines: Lines { out: file, torn } })
    }

    /// Opens the file anew where another, or none, has its name by now.
    ///
    /// # Errors
    /// By path, with cause and fix; lines go on into the old one.
    pub(super) fn reopen(&mut self) -> Result<(), String> {
        if self.is_in_place() {
            return Ok(());
        }
        let (file, _) = open(&self.path, None)
            .map_err(|text| format!("{text}; lines go on into the file that was opened before"))?;
        self.lines = Lines { out: file, torn: false };
        Ok(())
    }

    fn is_in_place(&self) -> bool {
        let named = Place::find(&self.path).and_then(|place| Ok(place.stat()?));
        let ours = fstat(&self.lines.out);
        matches!((named, ours), (Ok(named), Ok(ours)) if place::identity(&named) == place::identity(&ours))
    }

    /// Tells that this process is inside of `root` now.
    pub(super) fn enter(&mut self, root: &Path) {
        if let Ok(inside) = self.path.strip_prefix(root) {
            self.path = Path::new("/").join(inside);
        }
    }

    /// Adds a line.
    pub(super) fn line(&mut self, line: &str) {
        self.lines.write(line);
    }
}

fn open(path: &Path, user: Option<u32>) -> Result<(File, bool), String> {
    let place = Place::find(path).map(|place| place.for_user(user));
    let opened = place.and_then(|place| place.open_or_make(OFlags::WRONLY | OFlags::APPEND));
    opened.map_err(|error| {
        let fix = match error {
            PlaceError::System(_) => "; correct logfile: or the folder's rights",
            PlaceError::Link => ", or leave logfile: empty for standard error",
            PlaceError::SharedLink(_) | PlaceError::Strange => "",
        };
        format!("logfile {}: {error}{fix}", path.display())
    })
}

/// Whether a line of an earlier process was cut off, as by a full disk. What cannot be read counts as whole.
fn is_torn(path: &Path, file: &File, user: Option<u32>) -> bool {
    let last = |reader: File| {
        let ours = fstat(file)?;
        let mut octet = [b'\n'];
        if place::identity(&fstat(&reader)?) == place::identity(&ours) && ours.st_size > 0 {
            reader.read_exact_at(&mut octet, ours.st_size as u64 - 1)?;
        }
        io::Result::Ok(octet != *b"\n")
    };
    let reader = Place::find(path).and_then(|place| place.for_user(user).open(OFlags::RDONLY));
    reader.is_ok_and(|reader| last(reader).unwrap_or(false))
}

/// Lines into something that may take only a part of one.
struct Lines<W> {
    out: W,
    /// What was written last has no end.
    torn: bool,
}

impl<W: Write> Lines<W> {
    /// A line that cannot be written has nowhere else to go.
    fn write(&mut self, line: &str) {
        let text = format!("{}{line}\n", if self.torn { "\n" } else { "" });
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(0) => break,
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let taken = &text.as_bytes()[..text.len() - rest.len()];
        if let Some(last) = taken.last() {
            self.torn = *last != b'\n';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// Takes `room` octets, then says that the disk is full.
    struct Disk {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let len = octets.len().min(self.room);
            if len == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= len;
            self.taken.extend_from_slice(&octets[..len]);
            Ok(len)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_torn_by_a_full_disk_is_ended_before_the_next() {
        for room in 0..14 {
            let mut lines = Lines { out: Disk { taken: Vec::new(), room }, torn: false };
            lines.write("first");
            lines.write("lost");
            lines.write("lost");
            lines.out.room = 1000;
            lines.write("next");
            let text = String::from_utf8(lines.out.taken).unwrap();
            assert!(text.ends_with("\nnext\n") || text == "next\n", "{room}: {text:?}");
            assert!(text.lines().all(|line| "first".starts_with(line) || "lost".starts_with(line) || line == "next"));
        }
    }

    #[test]
    fn a_renamed_file_is_left_and_a_torn_one_is_ended() {
        let top = std::env::temp_dir().join(format!("runbound-log-{}", std::process::id()));
        fs::create_dir_all(&top).unwrap();
        let path = top.join("log");
        fs::write(&path, "torn").unwrap();
        let mut log = LogFile::open(&path, "").unwrap();
        log.line("one");
        log.reopen().unwrap();
        log.line("two");
        fs::rename(&path, top.join("log.1")).unwrap();
        log.line("three");
        log.reopen().unwrap();
        log.line("four");
        assert_eq!(fs::read_to_string(top.join("log.1")).unwrap(), "torn\none\ntwo\nthree\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
        fs::remove_file(&path).unwrap();
        symlink(top.join("elsewhere"), &path).unwrap();
        assert!(log.reopen().unwrap_err().contains("it is a link"));
        assert!(LogFile::open(&path, "").err().unwrap().contains("it is a link"));
        assert!(!top.join("elsewhere").exists());
        fs::remove_dir_all(&top).unwrap();
    }
}
