//! Which configuration the server gets. What is new is tried first; what does not pass does not replace the last good one.
//!
//! The server reads an entry, which includes the user's file and, unless that forwards everything itself, the name servers
//! that the drive or DHCP told.

use super::store::{DATA, RESTORE, Store};
use super::userdata::SeedFile;
use super::{forwarders, tuning};
use crate::backup;
use crate::config::{self, Config, Loaded};
use std::fs;
use std::net::IpAddr;
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
}

/// Puts what a tar to restore and the drive bring onto the partition, each as one change that must pass the check.
pub fn take_in(store: &Store, instance: &str, files: &[SeedFile]) {
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
    if instance.is_empty() && files.is_empty() || store.text(INSTANCE).as_deref() == Some(instance) {
        return;
    }
    if !files.is_empty() {
        if let Err(why) = store.change(&entry, files) {
            log::error!("the files of the cloud-init drive are not applied, what was before stays: {why}");
            return;
        }
        let names: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
        log::info!("from the cloud-init drive: {}", names.join(", "));
        store.back_up(&entry);
    }
    if let Err(cause) = store.write(Path::new(INSTANCE), format!("{instance}\n").as_bytes(), 0o644) {
        log::warn!("{cause}; the drive will be applied again at the next boot");
    }
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
    let own = config.remote_control.enable.then(|| config.remote_control.sockets.first()).flatten();
    let theirs = |zone: &&config::ForwardZone| config.files.path(zone.at) != Path::new(FORWARDERS);
    let forwards_everything = config.forward_zones.iter().filter(theirs).any(|zone| zone.name == [0]);
    let control_socket = own.map_or(CONTROL.into(), |(path, _)| path.clone());
    Adopted { file, control_socket, forwards_everything, entry: ENTRY.into(), written: None }
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
        let control = self.control_socket == Path::new(CONTROL);
        self.entry = put_entry(&entry(&self.file, self.forwards_everything, control));
        self.written = Some(forwarders);
        true
    }

    /// An entry for a file that was not looked at yet.
    fn entry_of(file: &Path, servers: &[IpAddr]) -> PathBuf {
        if let Err(cause) = put(Path::new(FORWARDERS), &forwarders::include(servers)) {
            log::error!("{FORWARDERS}: {cause}");
        }
        put_entry(&entry(file, false, false))
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
        .and_then(|()| put(trial, &entry(file, false, false)));
    written.map_err(|cause| format!("{}: {cause}", trial.display()))?;
    config::load(trial).map_err(|errors| {
        let lines: Vec<String> = errors.iter().take(8).map(ToString::to_string).collect();
        lines.join("; ")
    })
}

/// The file that includes the others. There are no users here, and no folder to be locked into.
fn entry(file: &Path, forwards: bool, control: bool) -> String {
    // Before the user's file, which may say otherwise.
    let pages = if tuning::wants_huge_pages() { "    xdp-huge-pages: yes\n" } else { "" };
    let mut text = format!(
        "server:\n    directory: \"{DATA}\"\n{pages}include: \"{}\"\nserver:\n    username: \"\"\n    chroot: \"\"\n    \
         pidfile: \"\"\n    logfile: \"\"\n    use-syslog: no\n",
        file.display()
    );
    if !forwards {
        text += &format!("include: \"{FORWARDERS}\"\n");
    }
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
        assert!(loaded.warnings.iter().all(|warning| warning.message.contains("never asked")), "{:?}", loaded.warnings);
        assert!(loaded.config.username.is_empty());
    }

    #[test]
    fn the_entry_overrules_what_cannot_be_here() {
        let text = entry(Path::new("/data/unbound.conf"), false, true);
        let user = text.find("include: \"/data/unbound.conf\"").unwrap();
        assert!(text.find("username: \"\"").unwrap() > user && text.contains(FORWARDERS) && text.contains(CONTROL));
        let text = entry(Path::new("/data/unbound.conf"), true, false);
        assert!(!text.contains(FORWARDERS) && !text.contains(CONTROL));
    }
}
