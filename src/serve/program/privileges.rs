//! Fewer rights once everything is open: `chroot:`, `username:`.

use crate::config::Config;
use crate::sys::privileges::{self, User, XDP_CAPABILITIES};
use rustix::thread::CapabilitySet;
use std::path::{Path, PathBuf};

/// Enters `chroot:` and becomes `username:`, where they are set. With XDP attached the capabilities to keep it attached
/// stay. Gives the new root.
///
/// # Errors
/// What could not be done; the program must not go on with more rights than asked for.
pub(super) fn drop(config: &Config, xdp: bool) -> Result<Option<PathBuf>, String> {
    let user = find_user(config)?;
    let root = (!config.chroot.as_os_str().is_empty()).then(|| config.chroot.clone());
    if let Some(root) = &root {
        privileges::enter_chroot(root).map_err(|error| error.to_string())?;
    }
    enter_directory(config, root.as_deref())?;
    if user.is_none() && rustix::process::geteuid().is_root() {
        log::warn!("running as root: set username: to a user of its own (`useradd --system runbound` makes one)");
    }
    if let Some(user) = user {
        let keep = if xdp { XDP_CAPABILITIES } else { CapabilitySet::empty() };
        privileges::become_user(&user, keep).map_err(|error| error.to_string())?;
    }
    Ok(root)
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
    match std::env::set_current_dir(&inside) {
        Ok(()) => Ok(()),
        // The default need not exist: every path we open is absolute.
        Err(_) if directory == Path::new("/etc/runbound") => Ok(()),
        Err(cause) => Err(format!("directory {}: {cause}", inside.display())),
    }
}
