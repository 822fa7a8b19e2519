//! Which configuration the server gets. What is new is tried first; what does not pass does not replace the last good one.
//!
//! The server reads an entry, which includes the user's file and, for when that does not forward everything itself, the name
//! servers that the drive or the network told. A file that changes while the machine runs, as by a restore over the control
//! socket, is tried at once.

use super::store::{DATA, RESTORE, Store};
use super::userdata::SeedFile;
use super::{forwarders, tuning};
use crate::backup;
use crate::config::{self, Config, Loaded};
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the server is started with: in the folder of the user's files, so that it is their configuration to backups, too.
const ENTRY: &str = "/data/.runbound-entry.conf";
/// The same where nothing can be written there.
const ENTRY_IN_RAM: &str = "/run/runbound/unbound.conf";
const FORWARDERS: &str = "/run/runbound/forwarders.conf";
const CONTROL: &str = "/run/runbound/control";
const CONFIGURATION: &str = "unbound.conf";
/// The last one that passed.
const GOOD: &str = ".runbound-good.conf";
/// The one that this boot runs with instead of a bad one.
const INSTEAD: &str = "/run/runbound/instead.conf";
const INSTANCE: &str = ".runbound-instance";
/// The configuration of the image.
const BUILT_IN: &str = include_str!("unbound.conf");

/// The configuration in force.
pub struct Adopted {
    /// The user's file, or the one that is used instead.
    file: PathBuf,
    /// Where the server is asked for its figures.
    pub control_socket: PathBuf,
    /// Whether the user's file has a forward-zone for the root.
    pub forwards_everything: bool,
    /// What the server is to read, once it is written.
    pub entry: PathBuf,
    /// The name servers in it.
    written: Option<String>,
    /// The user's file when it was tried last.
    seen: Option<Seen>,
}

/// Which file it is: its number, size and time of change, which a rename changes, too.
type Seen = (u64, u64, i64, i64);

fn seen(path: &Path) -> Option<Seen> {
    fs::metadata(path).ok().map(|found| (found.ino(), found.size(), found.ctime(), found.ctime_nsec()))
}

/// Finishes what the end of the last boot left undone, and restores a tar that was left for us.
pub fn finish(store: &Store) {
    write_default(store);
    let entry = Adopted::entry_of(&store.path(CONFIGURATION), &[]);
    match backup::finish(&entry) {
        Ok(0) => {}
        Ok(count) => log::info!("a change that the power cut is finished: {count} files came to their places"),
        Err(cause) => log::error!("{cause}"),
    }
    match store.restore(&entry) {
        Ok(false) => {}
        Ok(true) => log::info!("restored from {}", store.path(RESTORE).display()),
        Err(why) => log::error!("{} is not restored, what was before stays: {why}", store.path(RESTORE).display()),
    }
    // Also when it was refused: it would be refused again.
    if let Err(cause) = store.remove(Path::new(RESTORE)) {
        log::warn!("{cause}; it will be restored again at the next boot");
    }
}

/// Puts the files that the drive brings onto the partition when its instance is another one, as one change that must pass
/// the check. Whether there are others now.
pub fn take_in(store: &Store, instance: &str, files: &[SeedFile]) -> bool {
    if instance.is_empty() {
        return false;
    }
    if store.text(INSTANCE).as_deref() == Some(instance) {
        if !files.is_empty() {
            log::info!("the files of instance {instance} are not applied again: what lies on the partition counts");
        }
        return false;
    }
    if !files.is_empty() {
        let entry = Adopted::entry_of(&store.path(CONFIGURATION), &[]);
        if let Err(why) = store.change(&entry, files) {
            log::error!("the files of the cloud-init drive are not applied, what was before stays: {why}");
            return false;
        }
        let names: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
        log::info!("from the cloud-init drive: {}", names.join(", "));
        store.back_up(&entry);
    }
    if let Err(cause) = store.write(Path::new(INSTANCE), format!("{instance}\n").as_bytes(), 0o644) {
        log::warn!("{cause}; the drive will be applied again at the next boot");
    }
    !files.is_empty()
}

/// A first configuration where there is none.
fn write_default(store: &Store) {
    let own = store.path(CONFIGURATION);
    if own.exists() {
        return;
    }
    let default = store.image_default.as_deref().unwrap_or(BUILT_IN);
    match store.write(Path::new(CONFIGURATION), default.as_bytes(), 0o644) {
        Ok(()) => log::info!("{}: there was none; the default is written", own.display()),
        Err(cause) => log::warn!("{cause}; the built-in configuration is used"),
    }
}

/// Chooses the configuration: the user's if it passes, else the last good one, else the built-in one.
pub fn choose(store: &Store) -> Adopted {
    let own = store.path(CONFIGURATION);
    // Before it is read, so that no change in between is missed.
    let seen = seen(&own);
    let adopted = |file, config: &Config| Adopted { seen, ..adopted(file, config) };
    match check(&own) {
        Ok(loaded) => {
            keep_good(store, &own);
            return adopted(own, &loaded.config);
        }
        Err(why) => log::error!("the configuration has errors and is not used: {why}"),
    }
    let good = store.path(GOOD);
    match check(&good) {
        Ok(loaded) => {
            log::warn!("the last good configuration is used: {}", good.display());
            adopted(good, &loaded.config)
        }
        Err(_) => {
            log::warn!("the built-in configuration is used");
            if let Err(cause) = fs::write(INSTEAD, BUILT_IN) {
                log::error!("{INSTEAD}: {cause}");
            }
            let config = check(Path::new(INSTEAD)).map(|loaded| loaded.config).unwrap_or_default();
            adopted(INSTEAD.into(), &config)
        }
    }
}

fn adopted(file: PathBuf, config: &Config) -> Adopted {
    let (control_socket, forwards_everything) = (control_socket(config), forwards_everything(config));
    Adopted { file, control_socket, forwards_everything, entry: ENTRY.into(), written: None, seen: None }
}

/// The one of the configuration, or that of the entry.
fn control_socket(config: &Config) -> PathBuf {
    let own = config.remote_control.enable.then(|| config.remote_control.sockets.first()).flatten();
    own.map_or(CONTROL.into(), |(path, _)| path.clone())
}

fn forwards_everything(config: &Config) -> bool {
    config.forward_zones.iter().any(|zone| zone.name == [0] && !zone.default)
}

fn keep_good(store: &Store, own: &Path) {
    let Ok(text) = fs::read(own) else { return };
    if fs::read(store.path(GOOD)).ok().as_ref() != Some(&text)
        && let Err(cause) = store.write(Path::new(GOOD), &text, 0o644)
    {
        log::warn!("{cause}; there is no copy of the last good configuration");
    }
}

impl Adopted {
    /// Writes what the server reads: anew when the name servers change. Whether that changed anything.
    pub fn write_entry(&mut self, servers: &[IpAddr]) -> bool {
        let forwarders = forwarders::include(servers);
        if self.written.as_ref() == Some(&forwarders) {
            return false;
        }
        if let Err(cause) = put(Path::new(FORWARDERS), &forwarders) {
            log::error!("{FORWARDERS}: {cause}");
        }
        self.point_at_file();
        self.written = Some(forwarders);
        true
    }

    /// The entry is to be written again: somebody else wrote there.
    pub fn write_anew(&mut self) {
        self.written = None;
    }

    /// Writes the entry for the file.
    fn point_at_file(&mut self) {
        self.entry = put_entry(&entry(&self.file, self.control_socket == Path::new(CONTROL)));
    }

    /// Tries the user's file when it has changed since it was last tried. One that passes is the last good one from here
    /// on. Whether the server is to read anew: it runs with another file than the user's, which passes now. Otherwise it
    /// keeps what it has until it is told to reload.
    pub fn look(&mut self, store: &Store) -> bool {
        let repaired = self.look_by(store, check);
        if repaired {
            self.point_at_file();
        }
        repaired
    }

    fn look_by(&mut self, store: &Store, check: impl FnOnce(&Path) -> Result<Loaded, String>) -> bool {
        let own = store.path(CONFIGURATION);
        let now = seen(&own);
        if now == self.seen {
            return false;
        }
        self.seen = now;
        match check(&own) {
            Ok(loaded) => {
                keep_good(store, &own);
                self.forwards_everything = forwards_everything(&loaded.config);
                let repaired = self.file != own;
                if repaired {
                    self.control_socket = control_socket(&loaded.config);
                }
                log::info!("{} has changed and passes the check: it is the last good one now", own.display());
                self.file = own;
                repaired
            }
            Err(why) => {
                log::error!("{} has changed and has errors; the server keeps what it has: {why}", own.display());
                false
            }
        }
    }

    /// An entry for a file that was not looked at yet.
    fn entry_of(file: &Path, servers: &[IpAddr]) -> PathBuf {
        if let Err(cause) = put(Path::new(FORWARDERS), &forwarders::include(servers)) {
            log::error!("{FORWARDERS}: {cause}");
        }
        put_entry(&entry(file, false))
    }
}

/// Writes the entry; where it is.
fn put_entry(text: &str) -> PathBuf {
    for path in [ENTRY, ENTRY_IN_RAM] {
        if fs::read_to_string(path).is_ok_and(|old| old == text) {
            return path.into();
        }
        match put(Path::new(path), text) {
            Ok(()) => return path.into(),
            Err(cause) => log::warn!("{path}: {cause}"),
        }
    }
    ENTRY_IN_RAM.into()
}

/// Reads a configuration as the server would, with a forward-zone that stands for the name servers not known yet.
fn check(file: &Path) -> Result<Loaded, String> {
    if !file.exists() {
        return Err(format!("{} is missing", file.display()));
    }
    let trial = Path::new("/run/runbound/trial.conf");
    let written = fs::metadata(FORWARDERS)
        .map(|_| ())
        .or_else(|_| put(Path::new(FORWARDERS), &forwarders::include(&[])))
        .and_then(|()| put(trial, &entry(file, false)));
    written.map_err(|cause| format!("{}: {cause}", trial.display()))?;
    config::load(trial).map_err(|errors| {
        let lines: Vec<String> = errors.iter().take(8).map(ToString::to_string).collect();
        lines.join("; ")
    })
}

/// The file that includes the others. There are no users here, and no folder to be locked into.
fn entry(file: &Path, control: bool) -> String {
    // Before the user's file, which may say otherwise.
    let pages = if tuning::wants_huge_pages() { "    xdp-huge-pages: yes\n" } else { "" };
    let mut text = format!(
        "server:\n    directory: \"{DATA}\"\n{pages}include: \"{}\"\nserver:\n    username: \"\"\n    chroot: \"\"\n    \
         pidfile: \"\"\n    logfile: \"\"\n    use-syslog: no\ninclude: \"{FORWARDERS}\"\n",
        file.display()
    );
    if control {
        text += &format!(
            "remote-control:\n    control-enable: yes\n    control-use-cert: no\n    control-interface: {CONTROL}\n"
        );
    }
    text
}

/// Writes a small file that a power cut may take, whole.
pub(super) fn put(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension("new");
    fs::write(&temporary, text)?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_configuration_is_one() {
        let text = format!("{BUILT_IN}{}", forwarders::include(&[]));
        let loaded = config::parse_bytes("unbound.conf", text.as_bytes()).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        assert!(loaded.config.username.is_empty());
    }

    #[test]
    fn a_file_that_changes_is_tried_once() {
        let root = std::env::temp_dir().join(format!("runbound-adopt-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let store = Store::at(&root);
        let check = |path: &Path| {
            let text = format!("{}{}", fs::read_to_string(path).unwrap(), forwarders::include(&[]));
            config::parse_bytes("unbound.conf", text.as_bytes()).map_err(|errors| errors[0].to_string())
        };
        let own = store.path(CONFIGURATION);
        let write = |text: &str| store.write(Path::new(CONFIGURATION), text.as_bytes(), 0o644).unwrap();
        write("server:\n");
        let mut adopted = Adopted { seen: seen(&own), ..adopted(own.clone(), &Config::default()) };
        assert!(!adopted.look_by(&store, |_| panic!("it has not changed")));

        write("forward-zone:\n name: .\n forward-addr: 192.0.2.1\n");
        assert!(!adopted.look_by(&store, check), "the server is not told to read what it was not told to reload");
        assert!(adopted.forwards_everything);
        assert_eq!(store.text(GOOD), store.text(CONFIGURATION));

        write("nonsense: yes\n");
        assert!(!adopted.look_by(&store, check));
        assert!(!adopted.look_by(&store, |_| panic!("once is enough")));
        assert!(store.text(GOOD).unwrap().contains("192.0.2.1"), "the last good one stays");

        // A boot with that file runs with the last good one, until the user's is mended.
        let mut adopted = Adopted { file: store.path(GOOD), ..adopted };
        write("server:\n verbosity: 2\n");
        assert!(adopted.look_by(&store, check) && adopted.file == own && !adopted.forwards_everything);
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn the_entry_overrules_what_cannot_be_here() {
        let text = entry(Path::new("/data/unbound.conf"), true);
        let user = text.find("include: \"/data/unbound.conf\"").unwrap();
        assert!(text.find("username: \"\"").unwrap() > user && text.contains(FORWARDERS) && text.contains(CONTROL));
        assert!(!entry(Path::new("/data/unbound.conf"), false).contains(CONTROL));
    }
}
