//! The data partition: what is on it is written whole or not at all, also when the power fails.

use crate::cloudinit::userdata::SeedFile;
use crate::machine::disks::Volume;
use crate::machine::modules::Modules;
use crate::machine::mounts::mount_at;
use runbound::backup;
use runbound::whole_file;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount_bind, mount_move, unmount};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where it is mounted.
pub const DATA: &str = "/data";
/// The user's file.
pub const CONFIGURATION: &str = "unbound.conf";
/// The configuration of the image.
pub const BUILT_IN: &str = include_str!("unbound.conf");
/// The label that makes a partition ours.
const LABEL: &str = "runbound-data";
/// The other name of the data folder, as installed systems have it.
const ALIAS: &str = "/etc/runbound";
/// The backup, made after each change.
const BACKUP: &str = "backup.tar";
/// Found at boot, its files take the place of those that are there.
pub const RESTORE: &str = "restore.tar";

/// Where a partition is mounted before it takes its place.
const STAGE: &str = "/run/partition";

/// Whether the folder is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It is what it was.
    No,
    /// It is on a partition now.
    ToPartition,
    /// Its partition is gone.
    ToRam,
}

/// The folder with all that outlives a boot.
#[derive(Clone)]
pub struct Store {
    root: PathBuf,
    /// The partition; `None` when it is RAM.
    device: Option<PathBuf>,
    /// For the screen: the device, or that it is RAM and why.
    pub description: String,
    /// The configuration that the image brings, where it brings one.
    pub image_default: Option<String>,
}

impl Store {
    /// Mounts the partition with our label, else a file system in RAM. Never fails: what is wrong is said.
    pub fn mount(volumes: &[Volume], modules: &mut Modules) -> Self {
        let image_default = fs::read_to_string(Path::new(ALIAS).join("unbound.conf")).ok();
        let mut store = Self { root: DATA.into(), device: None, description: String::new(), image_default };
        match partition(volumes, modules, Path::new(DATA)) {
            Ok(device) => store.lies_on(device),
            Err(why) => store.lies_in_ram(&why),
        }
        store.alias();
        store.recover();
        store
    }

    /// Goes to the partition when it can be mounted by now, and back to RAM when its disk was taken away.
    pub fn follow(&mut self, volumes: &[Volume], modules: &mut Modules) -> Moved {
        let is_there = |device: &PathBuf| volumes.iter().any(|volume| volume.device == *device && is_ours(volume));
        let gone = self.device.as_ref().is_some_and(|device| !is_there(device));
        if self.device.is_some() && !gone {
            return Moved::No;
        }
        match partition(volumes, modules, Path::new(STAGE)) {
            Ok(device) => {
                detach();
                if let Err(cause) = mount_move(STAGE, DATA) {
                    log::error!("{}: moving its mount to {DATA}: {cause}", device.display());
                }
                self.lies_on(device);
                self.alias();
                self.recover();
                Moved::ToPartition
            }
            Err(why) if gone => {
                detach();
                self.lies_in_ram(&format!("the disk of the configuration was taken away, and {why}"));
                self.alias();
                Moved::ToRam
            }
            Err(why) => {
                let description = in_ram(&why);
                if self.description != description {
                    log::warn!("{why}");
                    self.description = description;
                }
                Moved::No
            }
        }
    }

    fn lies_on(&mut self, device: PathBuf) {
        log::info!("configuration on {}", device.display());
        self.description = device.display().to_string();
        self.device = Some(device);
    }

    fn lies_in_ram(&mut self, why: &str) {
        log::warn!("{why}; the configuration is in RAM and lost at power-off");
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        if let Err(cause) = mount_at("tmpfs", Path::new(DATA), "tmpfs", flags, "mode=0755,size=64m") {
            log::warn!("mount tmpfs at {DATA}: {cause}");
        }
        (self.device, self.description) = (None, in_ram(why));
    }

    /// A configuration from an installed system names its files by another folder.
    fn alias(&self) {
        if let Err(cause) = mount_bind(DATA, ALIAS) {
            log::warn!("mount {DATA} at {ALIAS}: {cause}; name files by {DATA}");
        }
    }

    #[cfg(test)]
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), device: None, description: String::new(), image_default: None }
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
        let path = self.path(name);
        whole_file::write(&path, mode, |file| file.write_all(content)).map_err(|cause| within(&path, cause))
    }

    /// Takes a file away; one that is not there is no error.
    pub fn remove(&self, name: &Path) -> io::Result<()> {
        let path = self.path(name);
        whole_file::remove(&path).map_err(|cause| within(&path, cause))
    }

    /// Puts `files` in place as one change: unpacked beside, checked as the configuration that `entry` reads, then renamed
    /// to their places; what the power cuts is finished at the next boot.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn change(&self, entry: &Path, files: &[SeedFile]) -> Result<(), String> {
        self.holds(entry)?;
        let tar = pack(files).map_err(|cause| cause.to_string())?;
        backup::restore(entry, &mut &tar[..], None).map(|summary| {
            summary.notes.iter().for_each(|note| log::info!("{note}"));
        })
    }

    /// Writes the backup.
    pub fn back_up(&self, entry: &Path) {
        let target = self.path(BACKUP);
        match self.holds(entry).and_then(|()| backup::write_file(entry, &target, None)) {
            Ok(summary) => log::info!("backup of {} files: {}", summary.files, target.display()),
            Err(cause) => log::warn!("no backup: {cause}"),
        }
    }

    /// Restores a tar that was left for us. Whether there was one that could be used.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn restore(&self, entry: &Path) -> Result<bool, String> {
        match File::open(self.path(RESTORE)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(cause.to_string()),
            Ok(mut tar) => self.holds(entry).and_then(|()| backup::restore(entry, &mut tar, None)).map(|_| true),
        }
    }

    /// Whether the entry is in this folder: it is elsewhere when nothing could be written here.
    fn holds(&self, entry: &Path) -> Result<(), String> {
        if entry.starts_with(&self.root) {
            return Ok(());
        }
        Err(format!("nothing can be written to {}: free room there, or repair it", self.root.display()))
    }

    /// Takes away what the end of the last boot left half written.
    fn recover(&self) {
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            if name.starts_with(whole_file::OWN.as_bytes())
                && name.ends_with(whole_file::UNFINISHED.as_bytes())
                && entry.file_type().is_ok_and(|kind| kind.is_file())
            {
                log::info!("{} was not finished when the power failed; removed", entry.path().display());
                if let Err(cause) = self.remove(Path::new(&entry.file_name())) {
                    log::warn!("{cause}");
                }
            }
        }
    }
}

/// Whether a volume is the data partition.
pub fn is_ours(volume: &Volume) -> bool {
    volume.kind == "ext4" && volume.label == LABEL
}

/// What the screen shows.
fn in_ram(why: &str) -> String {
    format!("RAM: {why}")
}

/// Takes away what is mounted; what somebody still has open there stays until it is closed.
fn detach() {
    for target in [ALIAS, DATA] {
        if let Err(cause) = unmount(target, UnmountFlags::DETACH) {
            log::warn!("unmount {target}: {cause}");
        }
    }
}

/// Mounts the partition at `target`; its device.
fn partition(volumes: &[Volume], modules: &mut Modules, target: &Path) -> Result<PathBuf, String> {
    let mut ours = volumes.iter().filter(|volume| is_ours(volume));
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
    mount_at(&device, target, "ext4", flags, "errors=remount-ro").map_err(|cause| {
        // What the C library has no words for.
        let why = if cause == Errno::UCLEAN { "its file system is damaged".into() } else { cause.to_string() };
        format!("{device} ({LABEL}) cannot be mounted: {why}; repair it with e2fsck")
    })?;
    Ok(volume.device.clone())
}

/// The files as a tar.
fn pack(files: &[SeedFile]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.content.len() as u64);
        header.set_mode(file.mode);
        tar.append_data(&mut header, &file.path, &file.content[..])?;
    }
    tar.into_inner()
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

    #[test]
    fn a_file_is_there_whole_and_what_was_half_written_goes() {
        let (_folder, store) = Folder::new("whole");
        store.write(Path::new("lists/a"), b"one", 0o640).unwrap();
        store.write(Path::new("lists/a"), b"two", 0o600).unwrap();
        assert_eq!(store.text("lists/a").as_deref(), Some("two"));
        fs::write(store.path(".runbound-unbound.conf.new"), "hal").unwrap();
        store.recover();
        let left: Vec<_> = fs::read_dir(&store.root).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["lists"]);
        store.remove(Path::new("lists/a")).unwrap();
        store.remove(Path::new("lists/a")).unwrap();
        assert_eq!(store.text("lists/a"), None);
    }

    #[test]
    fn a_change_that_is_refused_changes_nothing() {
        let (_folder, store) = Folder::new("change");
        let entry = store.path(".runbound-entry.conf");
        let main = store.path("unbound.conf");
        fs::write(&entry, format!("include: \"{}\"\n", main.display())).unwrap();
        let zone = "forward-zone:\n    name: \".\"\n    forward-addr: 192.0.2.1\n";
        let file = |path: &str, content: &str| SeedFile { path: path.into(), content: content.into(), mode: 0o644 };
        store.change(&entry, &[file("unbound.conf", zone)]).unwrap();
        assert_eq!(fs::read_to_string(&main).unwrap(), zone);
        let list = format!("{zone}include: \"{}\"\n", store.path("lists/a.conf").display());
        store.change(&entry, &[file("unbound.conf", &list), file("lists/a.conf", "server:\n    port: 53\n")]).unwrap();
        let why = store.change(&entry, &[file("lists/a.conf", "server:\n    port: none\n")]).unwrap_err();
        assert!(why.contains("lists/a.conf:2"), "{why}");
        assert_eq!(store.text("lists/a.conf").as_deref(), Some("server:\n    port: 53"));
        store.back_up(&entry);
        fs::rename(store.path(BACKUP), store.path(RESTORE)).unwrap();
        fs::write(&main, "nonsense").unwrap();
        assert_eq!(store.restore(&entry), Ok(true));
        assert_eq!(fs::read_to_string(&main).unwrap(), list);
    }
}
