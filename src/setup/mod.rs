//! `runbound --install` and `--uninstall`: the program is its own package.
//!
//! The unit, the default configuration and the sysctl snippet are within the binary. Every step is one line that says
//! what was done, or with `--dry-run` what would be. A step that finds its work done changes nothing, so a run that was
//! cut short is finished by the next. Nothing is started or enabled without `--now`.

mod error;
mod files;
mod forwarders;
mod service;
mod user;

pub use error::SetupError;

use crate::config;
use crate::config::cli::Setup;
use crate::host;
use files::Kind;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The unit that is installed.
pub const UNIT: &str = include_str!("runbound.service");
/// The sysctl snippet that is installed.
pub const SYSCTL: &str = include_str!("sysctl.conf");

const PROGRAM: &str = "usr/local/bin/runbound";
const FOLDER: &str = "etc/runbound";
const CONFIGURATION: &str = "etc/runbound/unbound.conf";
const UNIT_FILE: &str = "etc/systemd/system/runbound.service";
const SYSCTL_FILE: &str = "etc/sysctl.d/60-runbound.conf";

/// One run: what was asked for, whom to tell, and how much changed.
struct Run<'a> {
    root: PathBuf,
    dry_run: bool,
    changes: u32,
    say: &'a mut dyn FnMut(&str),
}

impl<'a> Run<'a> {
    fn new(options: &Setup, say: &'a mut dyn FnMut(&str)) -> Result<Self, SetupError> {
        let root = options.root.clone().unwrap_or_else(|| "/".into());
        if !root.is_dir() {
            return Err(SetupError::new(&root, "no such directory", "make it, or correct --root"));
        }
        // An absolute path, because a command that is given it may work elsewhere.
        let root = root.canonicalize().map_err(|cause| SetupError::io(&root, &cause))?;
        Ok(Self { root, dry_run: options.dry_run, changes: 0, say })
    }

    /// The tree is this host.
    fn is_host(&self) -> bool {
        self.root == Path::new("/")
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// Does `work` and says so, or only says it. `verb` is (done, intended): ("wrote", "write").
    fn step(
        &mut self,
        verb: (&str, &str),
        what: &str,
        work: impl FnOnce() -> Result<(), SetupError>,
    ) -> Result<(), SetupError> {
        self.changes += 1;
        if self.dry_run {
            (self.say)(&format!("would {} {what}", verb.1));
            return Ok(());
        }
        work()?;
        (self.say)(&format!("{} {what}", verb.0));
        Ok(())
    }

    fn note(&mut self, line: &str) {
        (self.say)(line);
    }
}

/// Installs program, configuration, sysctl snippet, user and unit. `say` gets a line for every step.
///
/// # Errors
/// The first step that failed, with path, cause and fix. What was done before stays; the next run goes on from there.
pub fn install(options: &Setup, say: &mut dyn FnMut(&str)) -> Result<(), SetupError> {
    let mut run = Run::new(options, say)?;
    let update = run.path(UNIT_FILE).exists();
    let this = Path::new("/proc/self/exe");
    let program = fs::read(this).map_err(|cause| SetupError::io(this, &cause))?;
    user::add(&mut run)?;
    files::put(&mut run, PROGRAM, &program, Kind::Program)?;
    put_configuration(&mut run)?;
    files::put(&mut run, SYSCTL_FILE, SYSCTL.as_bytes(), Kind::Text)?;
    files::put(&mut run, UNIT_FILE, UNIT.as_bytes(), Kind::Text)?;
    if run.changes == 0 {
        run.note(concat!("nothing to do: runbound ", env!("CARGO_PKG_VERSION"), " is installed"));
    }
    check_configuration(&mut run, options.now)?;
    if options.now { service::start(&mut run, update) } else { service::say_how_to_start(&mut run, update) }
}

/// Says what is wrong with this host's configuration. One that cannot be used is an error only if it is to be used now.
fn check_configuration(run: &mut Run, now: bool) -> Result<(), SetupError> {
    if run.dry_run || !run.is_host() {
        return Ok(());
    }
    let path = run.path(CONFIGURATION);
    let (findings, usable) = match config::load(&path) {
        Ok(loaded) => (loaded.warnings, true),
        Err(errors) => (errors, false),
    };
    findings.iter().for_each(|finding| run.note(&finding.to_string()));
    if usable || !now {
        return Ok(());
    }
    Err(SetupError::new(&path, "cannot be used, nothing is started", "mend it and run it again"))
}

fn put_configuration(run: &mut Run) -> Result<(), SetupError> {
    let path = run.path(CONFIGURATION);
    // What is there is never looked at nor followed: a dangling link is the administrator's, too.
    if path.symlink_metadata().is_ok() {
        run.note(&format!("kept {}: a configuration is never overwritten", path.display()));
        return Ok(());
    }
    let resolv_conf = fs::read_to_string(run.path("etc/resolv.conf")).unwrap_or_default();
    let uplinks = fs::read_to_string(run.path("run/systemd/resolve/resolv.conf")).unwrap_or_default();
    let found = forwarders::find(&resolv_conf, &uplinks, &own_addresses());
    files::put(run, CONFIGURATION, forwarders::configuration(&found).as_bytes(), Kind::Text)?;
    if found.usable().next().is_none() {
        run.note(&format!(
            "{}: etc/resolv.conf names no resolver to forward to; write one into its forward-zone before starting",
            path.display()
        ));
    }
    Ok(())
}

/// Without them, an address of this host is not told from another's; the file that is made says which it uses.
fn own_addresses() -> Vec<IpAddr> {
    let interfaces = host::interfaces().unwrap_or_default();
    interfaces.iter().flat_map(|interface| interface.addresses.iter().map(|address| address.ip)).collect()
}

/// Takes back what [`install`] did; the configuration only with `purge`. `say` gets a line for every step.
///
/// # Errors
/// The first step that failed, with path, cause and fix.
pub fn uninstall(options: &Setup, say: &mut dyn FnMut(&str)) -> Result<(), SetupError> {
    let mut run = Run::new(options, say)?;
    service::stop(&mut run)?;
    files::remove(&mut run, service::WANTED_BY)?;
    files::remove(&mut run, UNIT_FILE)?;
    service::forget(&mut run)?;
    files::remove(&mut run, SYSCTL_FILE)?;
    if options.purge {
        files::remove(&mut run, CONFIGURATION)?;
        files::remove_folder(&mut run, FOLDER)?;
    } else if run.path(CONFIGURATION).symlink_metadata().is_ok() {
        let path = run.path(CONFIGURATION);
        run.note(&format!("kept {}; --purge removes it", path.display()));
    }
    files::remove(&mut run, PROGRAM)?;
    user::remove(&mut run)?;
    if run.changes == 0 {
        run.note("nothing to do: runbound is not installed");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
