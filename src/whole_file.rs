//! Files that are there whole or not at all, whenever the power fails: for every folder, and for PID 1 of the appliance.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What the names of files that are ours alone start with.
pub const OWN: &str = ".runbound-";
/// The end of the name of a file that is being written.
pub const UNFINISHED: &str = ".new";

/// Writes a file of these permissions: what `fill` puts into a new file beside it, synced, takes its place, and the folder,
/// which is made where it is not there, is synced. A link at `path` is replaced, not followed. What `fill` returned.
///
/// # Errors
/// Those of `fill` and of the file system. The file at `path` is then as it was, unless its folder alone could not be synced.
pub fn write<T, E: From<io::Error>>(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut File) -> Result<T, E>,
) -> Result<T, E> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let unfinished = beside(path);
    let done = create(&unfinished, mode).map_err(E::from).and_then(|mut file| {
        let filled = fill(&mut file)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        Ok(filled)
    });
    if done.is_err() {
        // The error that counts is the first one.
        let _ = fs::remove_file(&unfinished);
    }
    let filled = done?;
    sync_folder(folder)?;
    Ok(filled)
}

/// Reads a file that is to be a regular one, `most` octets at most: a FIFO would keep the reader waiting for a writer, and a device
/// may have no end.
///
/// # Errors
/// Those of the file system; it is no regular file, or longer.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits();
    let file = File::options().read(true).custom_flags(nonblock as i32).open(path)?;
    let found = file.metadata()?;
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut octets = Vec::new();
    if file.take(most.saturating_add(1)).read_to_end(&mut octets)? as u64 > most {
        return Err(io::Error::other(format!("it has more than {most} octets")));
    }
    Ok(octets)
}

/// The same of a file of text; octets that are no UTF-8 are replaced.
///
/// # Errors
/// As before.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    read(path, most).map(|octets| String::from_utf8_lossy(&octets).into_owned())
}

/// Takes a file away, for good also when the power fails; one that is not there is no error.
///
/// # Errors
/// Those of the file system.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(cause),
        Ok(()) => sync_folder(folder_of(path)),
    }
}

/// Has the names in a folder reach its disk.
///
/// # Errors
/// Those of the file system.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Where the file is until it is whole.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let own = name.as_encoded_bytes().starts_with(OWN.as_bytes());
    let mut unfinished = OsString::from(if own { "" } else { OWN });
    unfinished.push(name);
    unfinished.push(UNFINISHED);
    path.with_file_name(unfinished)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn create(unfinished: &Path, mode: u32) -> io::Result<File> {
    // What a run that was cut short left there, a link included, must not be written through.
    match fs::remove_file(unfinished) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode & 0o600).open(unfinished)?;
    // Also what the umask takes away.
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("runbound-whole-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let mut names: Vec<String> =
                fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn put(path: &Path, mode: u32, text: &str) -> io::Result<()> {
        write(path, mode, |file| file.write_all(text.as_bytes()))
    }

    #[test]
    fn a_file_takes_the_place_of_another_with_its_permissions() {
        let folder = Folder::new("place");
        let path = folder.0.join("lists/a");
        put(&path, 0o640, "one").unwrap();
        put(&path, 0o4755, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o4755);
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_fails_half_way_changes_nothing_and_leaves_nothing() {
        let folder = Folder::new("half");
        let path = folder.0.join("a");
        put(&path, 0o600, "whole").unwrap();
        let failed = write(&path, 0o600, |file| {
            file.write_all(b"hal")?;
            Err::<(), _>(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), folder.names()), ("whole", vec!["a".to_owned()]));
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let folder = Folder::new("link");
        let (path, victim) = (folder.0.join(".runbound-a"), folder.0.join("victim"));
        put(&victim, 0o600, "untouched").unwrap();
        std::os::unix::fs::symlink(&victim, folder.0.join(".runbound-a.new")).unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        put(&path, 0o600, "new").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(folder.names(), [".runbound-a", "victim"]);
    }

    #[test]
    fn only_a_regular_file_of_a_fitting_length_is_read() {
        let folder = Folder::new("read");
        let (file, fifo) = (folder.0.join("file"), folder.0.join("fifo"));
        fs::write(&file, "12345").unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(read(&file, 5).unwrap(), b"12345");
        let cause = |path: &Path, most| read(path, most).unwrap_err().to_string();
        assert_eq!(cause(&file, 4), "it has more than 4 octets");
        assert_eq!(cause(&fifo, 5), "it is no regular file");
        assert_eq!(cause(Path::new("/dev/zero"), 5), "it is no regular file");
        assert_eq!(read(&folder.0, 5).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
