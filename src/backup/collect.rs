//! The folder into a tar.

use super::{DEPTH_MAX, FILES_MAX, OCTETS_MAX, OWN, Summary};
use crate::sys::memory;
use std::cell::Cell;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// What is left out is named up to so many times.
const NOTES_MAX: usize = 10;

struct Collector<'a> {
    root: &'a Path,
    tar: Builder<Gate<'a>>,
    octets: u64,
    left_out: usize,
    summary: Summary,
}

/// Writes all regular files below `folder`: in order of their names, so that the same files make the same tar.
pub(super) fn write(folder: &Path, out: &mut dyn Write) -> Result<Summary, String> {
    let shut = Cell::new(false);
    let tar = Builder::new(Gate { out, shut: &shut });
    let mut collector = Collector { root: folder, tar, octets: 0, left_out: 0, summary: Summary::default() };
    let collected = collector.folder(folder, 0);
    shut.set(collected.is_err());
    collected?;
    let Collector { tar, left_out, mut summary, .. } = collector;
    tar.into_inner().and_then(|mut gate| gate.flush()).map_err(|cause| format!("writing the tar: {cause}"))?;
    if left_out > NOTES_MAX {
        summary.notes.push(format!("and {} more left out", left_out - NOTES_MAX));
    }
    Ok(summary)
}

/// Keeps the end off a tar that is not whole: the builder writes it whenever it is dropped.
struct Gate<'a> {
    out: &'a mut dyn Write,
    shut: &'a Cell<bool>,
}

impl Write for Gate<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.shut.get() { Err(io::ErrorKind::BrokenPipe.into()) } else { self.out.write(octets) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Collector<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), String> {
        let failed = |cause: io::Error| format!("{}: {cause}", folder.display());
        if depth > DEPTH_MAX {
            return Err(format!("{}: more than {DEPTH_MAX} folders within one another", folder.display()));
        }
        let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let mut paths: Vec<PathBuf> = entries.map_err(failed)?.iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if is_left_out(&path, depth) {
                continue;
            }
            let found = fs::symlink_metadata(&path).map_err(|cause| format!("{}: {cause}", path.display()))?;
            if found.is_dir() {
                self.folder(&path, depth + 1)?;
            } else if found.is_file() {
                self.file(&path).map_err(|cause| format!("{}: {cause}", path.display()))?;
            } else if !found.file_type().is_socket() {
                self.left_out += 1;
                if self.left_out <= NOTES_MAX {
                    let kind = if found.is_symlink() { "a symbolic link" } else { "no regular file" };
                    self.summary.notes.push(format!("left out {}: {kind}", path.display()));
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), String> {
        let name = path.strip_prefix(self.root).map_err(|cause| cause.to_string())?;
        let (found, content) = read(path, OCTETS_MAX - self.octets).map_err(|cause| cause.to_string())?;
        self.octets += content.len() as u64;
        self.summary.files += 1;
        if self.octets >= OCTETS_MAX || self.summary.files > FILES_MAX {
            let megabytes = OCTETS_MAX >> 20;
            return Err(format!(
                "the folder holds more than {megabytes} MB or {FILES_MAX} files; move out what is not configuration"
            ));
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(found.mode() & 0o777);
        header.set_mtime(u64::try_from(found.mtime()).unwrap_or(0));
        header.set_size(content.len() as u64);
        self.tar.append_data(&mut header, name, content.as_slice()).map_err(|cause| cause.to_string())
    }
}

/// Read as a whole, so that a file that grows meanwhile does not break the tar.
fn read(path: &Path, room: u64) -> io::Result<(Metadata, Vec<u8>)> {
    let file = File::open(path)?;
    let mut content = Vec::new();
    let found = file.metadata()?;
    // As it grows while it is read.
    memory::room(2 * found.len().min(room)).map_err(io::Error::other)?;
    file.take(room).read_to_end(&mut content)?;
    Ok((found, content))
}

/// Our own work; and directly in the folder, backups and what a file system keeps for itself.
fn is_left_out(path: &Path, depth: usize) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(OWN.as_bytes()) || (depth == 0 && (name.ends_with(b".tar") || name == b"lost+found"))
}
