//! Fewer rights once everything is open: `chroot:`, `username:`, `sandbox:`.

use crate::config::{Config, DEFAULT_DIRECTORY};
use crate::sys::confine::{self, Folders};
use crate::sys::place;
use crate::sys::privileges::{self, User};
use rustix::thread::CapabilitySet;
use std::path::{Path, PathBuf};

/// Where files that come and go while the server runs are kept; the unit makes it.
const RUN: &str = "/run/runbound";
/// The users of a system; an appliance or a container of one program has none.
const USERS: &str = "/etc/passwd";
/// What tells of this host's interfaces, and how many CPUs there are. Of /proc the root, not folders in it: procfs makes
/// those anew when memory is short, and a rule holds for the one that was there.
const FACTS: [&str; 3] = ["/proc", "/sys/class/net", "/sys/devices"];

/// Enters `chroot:` and becomes `username:`, where they are set, and then leaves open only what the running server uses.
/// `file` is the configuration. With XDP wanted, `xdp` are the capabilities to attach it again, which stay with the system
/// calls for it. Gives the new root.
///
/// # Errors
/// What could not be done; the program must not go on with more rights than asked for.
pub(super) fn drop(config: &Config, file: &Path, xdp: Option<CapabilitySet>) -> Result<Option<PathBuf>, String> {
    let user = find_user(config)?;
    let has_users = Path::new(USERS).exists();
    let root = (!config.chroot.as_os_str().is_empty()).then(|| config.chroot.clone());
    if let Some(root) = &root {
        privileges::enter_chroot(root).map_err(|error| error.to_string())?;
        crate::serve::log::enter(root);
    }
    enter_directory(config, root.as_deref())?;
    if user.is_none() && rustix::process::geteuid().is_root() {
        if has_users {
            log::warn!("running as root: set username: to a user of its own (`useradd --system runbound` makes one)");
        } else {
            log::info!("running as root: this system has no users ({USERS} is not there)");
        }
    }
    if let Some(user) = user {
        privileges::become_user(&user, xdp.unwrap_or(CapabilitySet::empty())).map_err(|error| error.to_string())?;
    }
    if config.sandbox {
        if let Err(missing) = confine::confine(&folders(config, file, root.as_deref()), xdp.is_some()) {
            missing.iter().for_each(|line| log::warn!("sandbox: {line}"));
        }
        log::info!("sandbox: {}", confine::summary());
    } else {
        log::info!("sandbox: off by sandbox: no");
    }
    Ok(root)
}

/// The folders a running server opens files in, as they are seen inside `root`.
fn folders(config: &Config, file: &Path, root: Option<&Path>) -> Folders {
    let mut folders = Folders { own: vec![RUN.into()], ..Folders::default() };
    folders.read.extend(FACTS.map(PathBuf::from));
    // A reload reads it all again: the same files, or new ones beside them (an editor may replace the file).
    // `backup` and `restore` write to its folder, where that is this user's to write to: under the unit it is not.
    let home = inside(file, root);
    let home = home.canonicalize().unwrap_or(home);
    let writable = |folder: &Path| rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok();
    if let Some(folder) = home.parent().filter(|folder| writable(folder)) {
        add(&mut folders.own, folder.to_owned(), root);
    }
    let files = std::iter::once(file).chain(config.files.iter());
    files.for_each(|file| add_home(&mut folders.read, &inside(file, root), root));
    config.files.folders().for_each(|folder| add(&mut folders.read, inside(folder, root), root));
    let hints = config.root_hints.files.iter().map(|file| config.directory.join(file));
    hints.for_each(|file| add_home(&mut folders.read, &inside(&file, root), root));
    let validation = &config.validation;
    let anchors = validation.anchor_files.iter().chain(&validation.key_files);
    for file in anchors.map(|source| inside(&config.directory.join(&source.text), root)) {
        // Of a pattern, the folder below which it finds its files.
        let is_fixed = |path: &&Path| !path.to_string_lossy().contains(['*', '?', '[', '{']);
        match file.ancestors().find(is_fixed) {
            Some(folder) if folder != file => add(&mut folders.read, folder.to_owned(), root),
            _ => add_home(&mut folders.read, &file, root),
        }
    }
    // A state file is written anew in its folder.
    for file in validation.auto.iter().map(|auto| inside(&config.directory.join(&auto.file), root)) {
        let may = file.parent().is_some_and(writable);
        add_home(if may { &mut folders.own } else { &mut folders.read }, &file, root);
    }
    // The secrets of cookies are changed by command.
    let secrets = inside(&config.directory.join(&config.clients.cookie_secret_file), root);
    if !config.clients.cookie_secret_file.as_os_str().is_empty() {
        let may = secrets.parent().is_some_and(writable);
        add_home(if may { &mut folders.own } else { &mut folders.read }, &secrets, root);
    }
    if !config.log.file.as_os_str().is_empty() && !config.log.use_syslog {
        add_home(&mut folders.write, &inside(&config.log.file, root), root);
    }
    let sockets = config.remote_control.sockets.iter().map(|(path, _)| path.as_path());
    for path in sockets.chain(std::iter::once(config.pidfile.as_path())) {
        if !path.as_os_str().is_empty() {
            add_home(&mut folders.remove, &inside(path, root), root);
        }
    }
    folders
}

/// The folder that `path` is in, and the one its links lead to.
fn add_home(list: &mut Vec<PathBuf>, path: &Path, root: Option<&Path>) {
    for path in [Some(path.to_owned()), path.canonicalize().ok()].into_iter().flatten() {
        let Some(folder) = path.parent() else { continue };
        // All of the host would be open because of one file.
        let whole_host = folder == Path::new("/") && root.is_none();
        add(list, if whole_host { path } else { folder.to_owned() }, root);
    }
}

fn add(list: &mut Vec<PathBuf>, folder: PathBuf, root: Option<&Path>) {
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    if (folder != Path::new("/") || root.is_some()) && !list.contains(&folder) {
        list.push(folder);
    }
}

/// The user named in the configuration, looked up before the chroot hides /etc/passwd.
fn find_user(config: &Config) -> Result<Option<User>, String> {
    if config.username.is_empty() {
        return Ok(None);
    }
    match privileges::find_user(&config.username) {
        Some(user) => Ok(Some(user)),
        None => Err(format!(
            "username: no user {0} on this host; make it with `useradd --system {0}`, or set username: \"\"",
            config.username
        )),
    }
}

/// A path as it is seen inside the chroot: it may be written with or without its prefix, as Unbound takes it.
pub(super) fn inside(path: &Path, root: Option<&Path>) -> PathBuf {
    match root.and_then(|root| path.strip_prefix(root).ok()) {
        Some(rest) => Path::new("/").join(rest),
        None => path.to_owned(),
    }
}

fn enter_directory(config: &Config, root: Option<&Path>) -> Result<(), String> {
    let directory = config.directory.as_path();
    if directory.as_os_str().is_empty() {
        return Ok(());
    }
    let inside = inside(directory, root);
    let entered = place::folder(&inside).and_then(|folder| Ok(rustix::process::fchdir(folder)?));
    match entered {
        Ok(()) => Ok(()),
        Err(_) if directory == Path::new(DEFAULT_DIRECTORY) => Ok(()),
        Err(cause) => Err(format!("directory {}: {cause}", inside.display())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::{AnchorSource, AutoAnchor, Location};

    #[test]
    fn what_was_named_stays_open_and_the_root_does_not() {
        let top = std::env::temp_dir().join(format!("runbound-folders-{}", std::process::id()));
        std::fs::create_dir_all(top.join("real")).unwrap();
        let text = "server:\n include: \"/no-such-*\"\n include: /srv/*/x.conf\n";
        let text = format!("{text}forward-zone:\n name: .\n forward-addr: 192.0.2.1\n");
        std::fs::write(top.join("real/unbound.conf"), text).unwrap();
        std::fs::create_dir_all(top.join("etc")).unwrap();
        let file = top.join("etc/unbound.conf");
        std::os::unix::fs::symlink("../real/unbound.conf", &file).unwrap();
        let mut config = crate::config::load(&file).unwrap().config;
        config.log.file = "/var/log/runbound/log".into();
        config.pidfile = "/runbound.pid".into();
        config.root_hints.files = vec!["hints/root".into(), "/usr/share/dns/root.hints".into()];
        let source = |text: &str| AnchorSource { text: text.into(), at: Location::default(), records: Vec::new() };
        config.validation.anchor_files = vec![source("anchors/root.ds")];
        config.validation.key_files = vec![source("/srv/keys/*/bind.keys")];
        let auto = |file: PathBuf| AutoAnchor { file, at: Location::default(), point: None, stands_in: false };
        config.validation.auto = vec![auto(top.join("state/root.key")), auto("/no-such-folder/root.key".into())];
        std::fs::create_dir_all(top.join("state")).unwrap();
        let found = folders(&config, &file, None);
        let facts = FACTS.map(PathBuf::from);
        let read: Vec<_> = found.read.iter().filter(|path| !facts.contains(path)).collect();
        let hints = [Path::new("/etc/runbound/hints"), Path::new("/usr/share/dns")];
        assert_eq!(read[..3], [&top.join("etc"), &top.join("real"), Path::new("/srv/")]);
        assert_eq!(read[3..5], hints);
        let anchors = [Path::new("/etc/runbound/anchors"), Path::new("/srv/keys"), Path::new("/no-such-folder")];
        assert_eq!(read[5..], anchors);
        assert!(found.own.contains(&top.join("state")), "{found:?}");
        assert_eq!(found.write, [Path::new("/var/log/runbound")]);
        assert_eq!(found.remove, [Path::new("/runbound.pid")]);

        let found = folders(&config, &file, Some(&top));
        assert!(found.read.contains(&"/etc".into()) && !found.read.contains(&top.join("etc")), "{found:?}");
        std::fs::remove_dir_all(&top).unwrap();
    }
}
