//! The data partition: what is on it is written whole or not at all, also when the power fails.

use super::disks::Volume;
use super::modules::Modules;
use super::mounts::mount_at;
use super::userdata::SeedFile;
use rustix::mount::MountFlags;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where it is mounted.
pub const DATA: &str = "/data";
/// The label that makes a partition ours.
const LABEL: &str = "runbound-data";
/// The other name of the data folder, as installed systems have it.
const ALIAS: &str = "/etc/runbound";
/// The end of the name of a file that is being written.
const TEMPORARY: &str = ".new";
/// How things were before the change that is going on.
const UNDO: &str = ".undo.tar";
/// The backup, made after each change.
const BACKUP: &str = "backup.tar";
/// Found at boot, it takes the place of everything.
pub const RESTORE: &str = "restore.tar";
/// Files that are not part of a backup.
const NOT_BACKED_UP: [&str; 4] = [BACKUP, RESTORE, UNDO, "lost+found"];
/// A file of a tar is not taken beyond this size.
const MAX_FILE: u64 = 64 << 20;

/// The folder with all that outlives a boot.
pub struct Store {
    root: PathBuf,
    /// For the screen: the device, or that it is RAM and why.
    pub description: String,
    /// The configuration that the image brings, where it brings one.
    pub image_default: Option<String>,
}

impl Store {
    /// Mounts the partition with our label, else a file system in RAM. Never fails: what is wrong is said.
    pub fn mount(volumes: &[Volume], modules: &mut Modules) -> Self {
        let description = match partition(volumes, modules) {
            Ok(device) => device,
            Err(why) => {
                log::warn!("{why}; the configuration is in RAM and lost at power-off");
                let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
                if let Err(cause) = mount_at("tmpfs", Path::new(DATA), "tmpfs", flags, "mode=0755,size=64m") {
                    log::warn!("mount tmpfs at {DATA}: {cause}");
                }
                format!("RAM: {why}")
            }
        };
        let image_default = fs::read_to_string(Path::new(ALIAS).join("unbound.conf")).ok();
        // A configuration from an installed system names its files there.
        if let Err(cause) = rustix::mount::mount_bind(DATA, ALIAS) {
            log::warn!("mount {DATA} at {ALIAS}: {cause}; name files by {DATA}");
        }
        let store = Self { root: DATA.into(), description, image_default };
        store.recover();
        store
    }

    #[cfg(test)]
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), description: String::new(), image_default: None }
    }

    /// The path of a file.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    /// A small file's text without the line's end; `None` when it is not there.
    pub fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok().map(|text| text.trim_end().to_owned())
    }

    /// Writes a file whole: a file beside it, synced, takes its place, and the folder is synced.
    ///
    /// # Errors
    /// By path and cause; the old file is as it was.
    pub fn write(&self, name: &Path, content: &[u8], mode: u32) -> io::Result<()> {
        write_whole(&self.path(name), mode, |file| file.write_all(content))
    }

    /// Takes a file away; one that is not there is no error.
    pub fn remove(&self, name: &Path) -> io::Result<()> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(cause) => Err(within(&path, cause)),
            Ok(()) => sync_folder(&path),
        }
    }

    /// Puts `files` in place as one change, that `check` may refuse: then, and when the power fails before it is done, all
    /// is as before.
    ///
    /// # Errors
    /// Why the change was not made.
    pub fn change(&self, files: &[SeedFile], check: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        let failed = |cause: io::Error| format!("{cause}; nothing was changed");
        self.save(UNDO).map_err(failed)?;
        let written = files.iter().try_for_each(|file| self.write(&file.path, &file.content, file.mode));
        let done = written.map_err(|cause| cause.to_string()).and_then(|()| check());
        if done.is_err() {
            self.undo();
        } else {
            self.remove(Path::new(UNDO)).map_err(failed)?;
        }
        done
    }

    /// Writes the backup.
    pub fn back_up(&self) {
        match self.save(BACKUP) {
            Ok(()) => log::info!("backup written: {}", self.path(BACKUP).display()),
            Err(cause) => log::warn!("no backup: {cause}"),
        }
    }

    /// The files of a tar that was left for us to restore.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn restorable(&self) -> Result<Option<Vec<SeedFile>>, String> {
        let path = self.path(RESTORE);
        match File::open(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(format!("{}: {cause}", path.display())),
            Ok(file) => {
                let files = unpack(file).map_err(|cause| format!("{}: {cause}", path.display()))?;
                if files.is_empty() { Err(format!("{}: no files in it", path.display())) } else { Ok(Some(files)) }
            }
        }
    }

    /// Finishes what the end of the last boot left half done.
    fn recover(&self) {
        let mut left = Vec::new();
        files_below(&self.root, Path::new(""), &mut left);
        for name in left.iter().filter(|name| is_temporary(name)) {
            log::info!("{} was not finished when the power failed; removed", self.path(name).display());
            if let Err(cause) = self.remove(name) {
                log::warn!("{cause}");
            }
        }
        if self.path(UNDO).exists() {
            log::warn!("a change was under way when the power failed; what was before it is back");
            self.undo();
        }
    }

    /// Makes everything as the undo file has it.
    fn undo(&self) {
        let undone = File::open(self.path(UNDO)).and_then(unpack).and_then(|before| {
            let mut now = Vec::new();
            files_below(&self.root, Path::new(""), &mut now);
            for name in now.iter().filter(|name| is_kept(name) && !before.iter().any(|file| file.path == **name)) {
                self.remove(name)?;
            }
            let differs = |file: &&SeedFile| fs::read(self.path(&file.path)).ok().as_ref() != Some(&file.content);
            before.iter().filter(differs).try_for_each(|file| self.write(&file.path, &file.content, file.mode))?;
            self.remove(Path::new(UNDO))
        });
        if let Err(cause) = undone {
            log::error!("what was before a change could not be brought back: {cause}");
        }
    }

    /// Writes all files into a tar.
    fn save(&self, name: &str) -> io::Result<()> {
        let mut names = Vec::new();
        files_below(&self.root, Path::new(""), &mut names);
        names.retain(|name| is_kept(name));
        names.sort();
        write_whole(&self.path(name), 0o600, |file| {
            let mut tar = tar::Builder::new(io::BufWriter::new(file));
            tar.mode(tar::HeaderMode::Deterministic);
            for name in &names {
                let mut source = File::open(self.path(name))?;
                let metadata = source.metadata()?;
                let mut header = tar::Header::new_gnu();
                header.set_size(metadata.len());
                header.set_mode(metadata.permissions().mode() & 0o7777);
                tar.append_data(&mut header, name, &mut source)?;
            }
            tar.into_inner()?.flush()
        })
    }
}

fn partition(volumes: &[Volume], modules: &mut Modules) -> Result<String, String> {
    let mut ours = volumes.iter().filter(|volume| volume.kind == "ext4" && volume.label == LABEL);
    let Some(volume) = ours.next() else { return Err(format!("no partition is labelled {LABEL}")) };
    for other in ours {
        log::warn!(
            "two partitions are labelled {LABEL}: {} is used, {} is not; remove one",
            volume.device.display(),
            other.device.display()
        );
    }
    modules.load("ext4", "");
    let device = volume.device.display().to_string();
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOATIME;
    mount_at(&device, Path::new(DATA), "ext4", flags, "errors=remount-ro")
        .map_err(|cause| format!("{device} ({LABEL}) cannot be mounted: {cause}"))?;
    log::info!("configuration on {device}");
    Ok(device)
}

fn is_temporary(name: &Path) -> bool {
    let name = name.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b".") && name.ends_with(TEMPORARY.as_bytes())
}

fn is_kept(name: &Path) -> bool {
    let first = name.iter().next().unwrap_or_default();
    !NOT_BACKED_UP.iter().any(|other| first == *other) && !is_temporary(name)
}

/// The plain files below a folder, by their path within it.
fn files_below(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return };
    for entry in entries.flatten() {
        let name = folder.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && name.iter().count() < 16 => files_below(root, &name, found),
            Ok(kind) if kind.is_file() => found.push(name),
            _ => {}
        }
    }
}

/// The files of a tar. Paths that lead out of it, links and devices are passed over with a line.
fn unpack(tar: impl Read) -> io::Result<Vec<SeedFile>> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(tar).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.components().filter(|part| *part != std::path::Component::CurDir).collect::<PathBuf>();
        let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() || !plain || path.file_name().is_none() || !is_kept(&path) || entry.size() > MAX_FILE {
            log::warn!("{}: no plain file of this folder; it is passed over", path.display());
            continue;
        }
        let mode = entry.header().mode().unwrap_or(0o644) & 0o7777;
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        files.push(SeedFile { path, content, mode });
    }
    Ok(files)
}

fn write_whole(path: &Path, mode: u32, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let failed = |cause| within(path, cause);
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(failed)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{}{TEMPORARY}", name.trim_start_matches('.')));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&temporary)
        .and_then(|mut file| {
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            fill(&mut file)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(cause) = written {
        // Half a file that nobody will look at takes only room.
        let _ = fs::remove_file(&temporary);
        return Err(failed(cause));
    }
    sync_folder(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|cause| within(folder, cause))
}

fn within(path: &Path, cause: io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("{}: {cause}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> (Self, Store) {
            let path = std::env::temp_dir().join(format!("runbound-store-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            let store = Store::at(&path);
            (Self(path), store)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn file(path: &str, content: &str) -> SeedFile {
        SeedFile { path: path.into(), content: content.into(), mode: 0o644 }
    }

    fn tree(store: &Store) -> Vec<String> {
        let mut names = Vec::new();
        files_below(&store.root, Path::new(""), &mut names);
        names.sort();
        names
            .iter()
            .map(|name| format!("{} {}", name.display(), fs::read_to_string(store.path(name)).unwrap()))
            .collect()
    }

    #[test]
    fn a_change_that_is_refused_leaves_everything_as_it_was() {
        let (_folder, store) = Folder::new("refused");
        store.change(&[file("unbound.conf", "one"), file("lists/a", "a")], || Ok(())).unwrap();
        let before = tree(&store);
        assert_eq!(before, ["lists/a a", "unbound.conf one"]);
        let refused = store.change(&[file("unbound.conf", "two"), file("lists/b", "b")], || Err("no".into()));
        assert_eq!(refused, Err("no".into()));
        assert_eq!(tree(&store), before);
    }

    #[test]
    fn a_change_that_the_power_cut_is_undone_at_boot() {
        let (_folder, store) = Folder::new("cut");
        store.change(&[file("unbound.conf", "one")], || Ok(())).unwrap();
        store.save(UNDO).unwrap();
        store.write(Path::new("unbound.conf"), b"half of a change", 0o644).unwrap();
        store.write(Path::new("new/file"), b"x", 0o644).unwrap();
        fs::write(store.path(".unbound.conf.new"), "hal").unwrap();
        store.recover();
        assert_eq!(tree(&store), ["unbound.conf one"]);
    }

    #[test]
    fn a_backup_can_be_restored() {
        let (_folder, store) = Folder::new("backup");
        store.change(&[file("unbound.conf", "one"), file("lists/a", "a")], || Ok(())).unwrap();
        store.back_up();
        assert_eq!(store.restorable().unwrap(), None);
        fs::rename(store.path(BACKUP), store.path(RESTORE)).unwrap();
        let files = store.restorable().unwrap().unwrap();
        assert_eq!(files, [file("lists/a", "a"), file("unbound.conf", "one")]);
        fs::write(store.path(RESTORE), "no tar at all").unwrap();
        assert!(store.restorable().is_err());
    }

    #[test]
    fn nothing_of_a_tar_leaves_the_folder() {
        let mut tar = tar::Builder::new(Vec::new());
        for name in ["ok", "./fine/x", ".undo.tar"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(1);
            header.set_mode(0o600);
            tar.append_data(&mut header, name, &b"x"[..]).unwrap();
        }
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..9].copy_from_slice(b"../escape");
        header.set_size(1);
        header.set_cksum();
        tar.append(&header, &b"x"[..]).unwrap();
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        tar.append_link(&mut link, "link", "/etc/passwd").unwrap();
        let files = unpack(&tar.into_inner().unwrap()[..]).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.path.to_str().unwrap()).collect();
        assert_eq!(names, ["ok", "fine/x"]);
    }
}
