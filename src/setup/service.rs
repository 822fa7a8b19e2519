//! The running service, by systemctl(1); only on this host and only where systemd runs.

use super::{Run, SetupError};
use std::path::Path;
use std::process::Command;

/// The link that `systemctl enable` makes, for a tree in which no systemd runs.
pub(super) const WANTED_BY: &str = "etc/systemd/system/multi-user.target.wants/runbound.service";

/// sd_booted(3): this directory is there when systemd is the init that runs.
fn runs_here(run: &Run) -> bool {
    run.is_host() && Path::new("/run/systemd/system").is_dir()
}

/// The commands that put the installation into service.
fn commands(update: bool) -> [&'static [&'static str]; 2] {
    [&["daemon-reload"], if update { &["try-restart", "runbound"] } else { &["enable", "--now", "runbound"] }]
}

/// Prints the two commands that are left to do. `update`: a unit was there before.
pub(super) fn say_how_to_start(run: &mut Run, update: bool) -> Result<(), SetupError> {
    if run.changes == 0 || !run.is_host() {
        return Ok(());
    }
    run.note("look at /etc/runbound/unbound.conf, check it with `runbound --check-config`, then run as root:");
    for words in commands(update) {
        run.note(&format!("    systemctl {}", words.join(" ")));
    }
    Ok(())
}

/// Does what [`say_how_to_start`] says. A service that runs is restarted only when something changed.
pub(super) fn start(run: &mut Run, update: bool) -> Result<(), SetupError> {
    if !runs_here(run) {
        run.note("systemd does not run here: nothing is started");
        return Ok(());
    }
    if run.changes > 0 {
        systemctl(run, &["daemon-reload"])?;
        if update {
            systemctl(run, &["try-restart", "runbound"])?;
        }
    }
    if !asks(&["is-enabled", "runbound"]) || !asks(&["is-active", "runbound"]) {
        systemctl(run, &["enable", "--now", "runbound"])?;
    }
    Ok(())
}

/// Stops and disables the service, if its unit is there. Not asked before: one that is just between two attempts to start
/// counts as not active.
pub(super) fn stop(run: &mut Run) -> Result<(), SetupError> {
    let there = runs_here(run) && run.path(super::UNIT_FILE).exists();
    if there { systemctl(run, &["disable", "--now", "runbound"]) } else { Ok(()) }
}

/// Lets systemd forget the unit that was removed.
pub(super) fn forget(run: &mut Run) -> Result<(), SetupError> {
    if runs_here(run) && run.changes > 0 { systemctl(run, &["daemon-reload"]) } else { Ok(()) }
}

fn asks(words: &[&str]) -> bool {
    Command::new("systemctl").arg("--quiet").args(words).status().is_ok_and(|status| status.success())
}

fn systemctl(run: &mut Run, words: &[&str]) -> Result<(), SetupError> {
    run.command("systemctl", words, "`journalctl -u runbound` and `runbound --check-config` tell more")
}
