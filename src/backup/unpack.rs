//! A tar, which may be hostile, into a folder of its own.

use super::{DEPTH_MAX, FILES_MAX, OCTETS_MAX, OWN, create};
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use tar::{Archive, EntryType};

/// Most octets of headers and padding beside the files.
const FRAMING_MAX: u64 = 32 << 20;
const BLOCK: u64 = 512;

/// Writes the files of `tar` below `stage`, synced; their paths below it.
///
/// # Errors
/// Anything but plain files at plain paths, too much of it, or a tar that ends early; one line.
pub(super) fn unpack(tar: &mut dyn Read, stage: &Path) -> Result<BTreeSet<PathBuf>, String> {
    let mut tail = Tail { inner: tar.take(OCTETS_MAX + FRAMING_MAX), zeros: 0 };
    let mut archive = Archive::new(&mut tail);
    let mut files = BTreeSet::new();
    let mut octets = 0u64;
    for entry in archive.entries().map_err(no_tar)? {
        let mut entry = entry.map_err(no_tar)?;
        let named = entry.path().map_err(no_tar)?.into_owned();
        let kind = entry.header().entry_type();
        if kind == EntryType::Directory || kind == EntryType::XGlobalHeader {
            continue;
        }
        let path = checked(&named, kind)?;
        octets = octets.saturating_add(entry.size());
        if octets > OCTETS_MAX || files.len() == FILES_MAX {
            return Err(format!("the tar holds more than {} MB or {FILES_MAX} files", OCTETS_MAX >> 20));
        }
        let (size, mode) = (entry.size(), entry.header().mode().unwrap_or(0o644));
        let copied = put(&mut entry, &stage.join(&path), mode).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => format!("{}: in the tar twice", path.display()),
            _ => format!("{}: {cause}", path.display()),
        })?;
        if copied != size {
            return Err(format!("the tar ends within {}: it is not whole", path.display()));
        }
        files.insert(path);
    }
    // The end of a tar is a block of zeros: without it, files may be missing that nobody names.
    if tail.zeros < BLOCK {
        return Err("the tar has no end: it is not whole, or no tar".into());
    }
    Ok(files)
}

fn no_tar(cause: io::Error) -> String {
    format!("this is no tar: {cause}")
}

/// The path without `./`, when it leads down from the folder and to a regular file.
fn checked(named: &Path, kind: EntryType) -> Result<PathBuf, String> {
    let shown = named.display();
    let what = match kind {
        EntryType::Regular | EntryType::Continuous => None,
        EntryType::Symlink => Some("a symbolic link"),
        EntryType::Link => Some("a hard link"),
        EntryType::Char | EntryType::Block => Some("a device"),
        EntryType::Fifo => Some("a pipe"),
        _ => Some("of a kind that is not known"),
    };
    if let Some(what) = what {
        return Err(format!("{shown}: {what}; only regular files are restored"));
    }
    let mut path = PathBuf::new();
    for component in named.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => path.push(name),
            _ => return Err(format!("{shown}: leads out of the configuration's folder")),
        }
    }
    let depth = path.components().count();
    if depth == 0 || depth > DEPTH_MAX + 1 {
        return Err(format!("{shown}: no name, or more than {DEPTH_MAX} folders within one another"));
    }
    if path.components().any(|component| component.as_os_str().as_encoded_bytes().starts_with(OWN.as_bytes())) {
        return Err(format!("{shown}: names that start with {OWN} are not restored"));
    }
    Ok(path)
}

fn put(content: &mut dyn Read, path: &Path, mode: u32) -> io::Result<u64> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = create(path, 0o600)?;
    let copied = io::copy(content, &mut file)?;
    file.set_permissions(Permissions::from_mode(mode & 0o777 | 0o400))?;
    file.sync_all()?;
    Ok(copied)
}

/// Counts the zeros at the end of what was read.
struct Tail<R> {
    inner: R,
    zeros: u64,
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buffer)?;
        let read = buffer.get(..len).unwrap_or_default();
        let zeros = read.iter().rev().take_while(|&&octet| octet == 0).count();
        self.zeros = if zeros == len { self.zeros.saturating_add(zeros as u64) } else { zeros as u64 };
        Ok(len)
    }
}
