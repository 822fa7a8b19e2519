//! What the server is started with: an entry that includes the user's file and the name servers; and the check of a file as
//! the server would read it.

use crate::configuration::forwarders;
use crate::configuration::store::DATA;
use crate::machine::tuning;
use runbound::config::{self, Loaded};
use runbound::whole_file;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// In the folder of the user's files, so that it is their configuration to backups, too.
const ENTRY: &str = "/data/.runbound-entry.conf";
/// The same where nothing can be written there.
const ENTRY_IN_RAM: &str = "/run/runbound/unbound.conf";
const FORWARDERS: &str = "/run/runbound/forwarders.conf";
/// Where an entry is while it is tried.
const TRIALS: &str = "/run/runbound";
/// The control socket, unless the configuration names another one.
pub const CONTROL: &str = "/run/runbound/control";

/// Writes the name servers for the entry to include.
pub fn put_forwarders(text: &str) {
    if let Err(cause) = put(Path::new(FORWARDERS), text) {
        log::error!("{FORWARDERS}: {cause}");
    }
}

/// An entry for a file that was not looked at yet, without name servers.
pub fn entry_of(file: &Path) -> PathBuf {
    put_forwarders(&forwarders::include(&[]));
    put_entry(file, false)
}

/// Writes the entry for `file`, with a control socket where `control` asks for one; where it is.
pub fn put_entry(file: &Path, control: bool) -> PathBuf {
    let text = entry(file, control);
    for path in [ENTRY, ENTRY_IN_RAM] {
        if fs::read_to_string(path).is_ok_and(|old| old == text) {
            return path.into();
        }
        match put(Path::new(path), &text) {
            Ok(()) => return path.into(),
            Err(cause) => log::warn!("{path}: {cause}"),
        }
    }
    ENTRY_IN_RAM.into()
}

/// Reads a configuration as the server would, with a forward-zone that stands for the name servers not known yet.
///
/// # Errors
/// What is wrong with it: the first of it, one line.
pub fn check(file: &Path) -> Result<Loaded, String> {
    if !file.exists() {
        return Err(format!("{} is missing", file.display()));
    }
    // Its own for each: one may be under way beside the loop.
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let trial = &Path::new(TRIALS).join(format!("trial-{}.conf", NUMBER.fetch_add(1, Ordering::Relaxed)));
    let written = fs::metadata(FORWARDERS)
        .map(|_| ())
        .or_else(|_| put(Path::new(FORWARDERS), &forwarders::include(&[])))
        .and_then(|()| put(trial, &entry(file, false)));
    written.map_err(|cause| format!("{}: {cause}", trial.display()))?;
    let loaded = config::load(trial);
    if let Err(cause) = fs::remove_file(trial) {
        log::warn!("{}: {cause}", trial.display());
    }
    loaded.map_err(|errors| {
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

fn put(path: &Path, text: &str) -> std::io::Result<()> {
    whole_file::write(path, 0o644, |file| file.write_all(text.as_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_overrules_what_cannot_be_here() {
        let text = entry(Path::new("/data/unbound.conf"), true);
        let user = text.find("include: \"/data/unbound.conf\"").unwrap();
        assert!(text.find("username: \"\"").unwrap() > user && text.contains(FORWARDERS) && text.contains(CONTROL));
        assert!(!entry(Path::new("/data/unbound.conf"), false).contains(CONTROL));
    }
}
