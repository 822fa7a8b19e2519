//! Which configuration the server gets. What is new is tried first; what does not pass does not replace the last good one.
//!
//! The server reads [`ENTRY`], which includes the user's file and, unless that forwards everything itself, the name servers
//! that the drive or DHCP told.

use super::forwarders;
use super::store::{DATA, RESTORE, Store};
use super::userdata::SeedFile;
use crate::config::{self, Config, Loaded};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// What the server is started with.
pub const ENTRY: &str = "/run/runbound/unbound.conf";
const FORWARDERS: &str = "/run/runbound/forwarders.conf";
const CONTROL: &str = "/run/runbound/control";
const CONFIGURATION: &str = "unbound.conf";
/// The last one that passed.
const GOOD: &str = "unbound.conf.good";
/// The one that this boot runs with instead of a bad one.
const INSTEAD: &str = "/run/runbound/instead.conf";
const INSTANCE: &str = ".instance-id";
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
}

/// Puts what a tar to restore and the drive bring onto the partition, each as one change that must pass the check.
pub fn take_in(store: &Store, instance: &str, files: &[SeedFile]) {
    match store.restorable() {
        Ok(None) => {}
        Ok(Some(files)) => {
            apply(store, RESTORE, &files);
            // Also when it was refused: it would be refused again.
            if let Err(cause) = store.remove(Path::new(RESTORE)) {
                log::warn!("{cause}; it will be restored again at the next boot");
            }
        }
        Err(why) => log::error!("{why}; it is not restored"),
    }
    if instance.is_empty() && files.is_empty() || store.text(INSTANCE).as_deref() == Some(instance) {
        return;
    }
    if !files.is_empty() && !apply(store, "the cloud-init drive", files) {
        return;
    }
    if let Err(cause) = store.write(Path::new(INSTANCE), format!("{instance}\n").as_bytes(), 0o644) {
        log::warn!("{cause}; the drive will be applied again at the next boot");
    }
}

fn apply(store: &Store, source: &str, files: &[SeedFile]) -> bool {
    let names: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
    let done = store.change(files, || {
        let present = store.path(CONFIGURATION).exists();
        if present { check(&store.path(CONFIGURATION)).map(|_| ()) } else { Ok(()) }
    });
    match done {
        Ok(()) => {
            log::info!("from {source}: {}", names.join(", "));
            store.back_up();
            true
        }
        Err(why) => {
            log::error!("{source} is not applied, what was before stays: {why}");
            false
        }
    }
}

/// Chooses the configuration: the user's if it passes, else the last good one, else the built-in one.
pub fn choose(store: &Store) -> Adopted {
    let own = store.path(CONFIGURATION);
    if !own.exists() {
        let default = store.image_default.as_deref().unwrap_or(BUILT_IN);
        match store.write(Path::new(CONFIGURATION), default.as_bytes(), 0o644) {
            Ok(()) => log::info!("{}: there was none; the default is written", own.display()),
            Err(cause) => log::warn!("{cause}; the built-in configuration is used"),
        }
    }
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
    Adopted { file, control_socket: own.map_or(CONTROL.into(), |(path, _)| path.clone()), forwards_everything }
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
    pub fn write_entry(&self, servers: &[IpAddr]) -> bool {
        let forwarders = forwarders::include(servers);
        let text = entry(&self.file, self.forwards_everything, self.control_socket == Path::new(CONTROL));
        let old = (fs::read_to_string(ENTRY).ok(), fs::read_to_string(FORWARDERS).ok());
        if (old.0.as_ref(), old.1.as_ref()) == (Some(&text), Some(&forwarders)) {
            return false;
        }
        for (path, text) in [(FORWARDERS, &forwarders), (ENTRY, &text)] {
            if let Err(cause) = put(Path::new(path), text) {
                log::error!("{path}: {cause}");
            }
        }
        true
    }
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
    let mut text = format!(
        "server:\n    directory: \"{DATA}\"\ninclude: \"{}\"\nserver:\n    username: \"\"\n    chroot: \"\"\n    \
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

fn put(path: &Path, text: &str) -> std::io::Result<()> {
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
