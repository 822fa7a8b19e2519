//! `runbound --install` and `--uninstall`: the program is its own package.
//!
//! The unit, the default configuration, the sysctl snippet and the stanzas for ifupdown are within the binary. Every step is one line that says
//! what was done, or with `--dry-run` what would be. A step that finds its work done changes nothing, so a run that was
//! cut short is finished by the next. Nothing is started or enabled without `--now`.

mod anchor;
mod error;
mod files;
mod forwarders;
mod interfaces;
mod service;
mod sources;
mod sysctl;
mod user;
mod veth;

pub use error::SetupError;

use crate::config;
use crate::config::cli::Setup;
use crate::config::site::Site;
use crate::host;
use crate::whole_file;
use files::Kind;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The unit that is installed.
pub const UNIT: &str = include_str!("runbound.service");
const PROGRAM: &str = "usr/local/bin/runbound";
const FOLDER: &str = "etc/runbound";
const CONFIGURATION: &str = "etc/runbound/unbound.conf";
const UNIT_FILE: &str = "etc/systemd/system/runbound.service";
const SYSCTL_FILE: &str = host::PAIR_SYSCTL;
/// Most octets that are read of a file of text.
const LONGEST_TEXT: u64 = 16 << 20;

/// One run: what was asked for, whom to tell, and how much changed.
struct Run<'a> {
    root: PathBuf,
    dry_run: bool,
    /// Nothing but a file is to be printed.
    prints: bool,
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
        Ok(Self { root, dry_run: options.dry_run, prints: options.print.is_some(), changes: 0, say })
    }

    /// The tree is this host.
    fn is_host(&self) -> bool {
        self.root == Path::new("/")
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// The text of a file; none where it cannot be read.
    fn text(&self, below: &str) -> String {
        text(&self.path(below)).unwrap_or_default()
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

    /// Runs a command of this host as a step. `fix`: what to do when it fails.
    fn command(&mut self, program: &str, words: &[&str], fix: &str) -> Result<(), SetupError> {
        let line = format!("{program} {}", words.join(" "));
        self.step(("ran", "run"), &line, || match Command::new(program).args(words).output() {
            Ok(done) if done.status.success() => Ok(()),
            Ok(done) => Err(SetupError::command(&line, &String::from_utf8_lossy(&done.stderr), fix)),
            Err(cause) => Err(SetupError::command(&line, &cause.to_string(), fix)),
        })
    }
}

fn text(path: &Path) -> io::Result<String> {
    whole_file::read_text(path, LONGEST_TEXT)
}

/// Installs program, configuration, sysctl snippet, user and unit. `say` gets a line for every step.
///
/// # Errors
/// The first step that failed, with path, cause and fix. What was done before stays; the next run goes on from there.
pub fn install(options: &Setup, say: &mut dyn FnMut(&str)) -> Result<(), SetupError> {
    let mut run = Run::new(options, say)?;
    let update = run.path(UNIT_FILE).exists();
    let site = &veth::by_own_names(&mut run, &options.site)?;
    let pair = veth::check(&mut run, site)?;
    if let (Some(pair), Some(file)) = (&pair, &options.print) {
        return print(&mut run, pair, file);
    }
    let this = Path::new("/proc/self/exe");
    for below in [SYSCTL_FILE, UNIT_FILE] {
        files::is_ours_or_free(&run, below)?;
    }
    let program = fs::read(this).map_err(|cause| SetupError::io(this, &cause))?;
    user::add(&mut run)?;
    files::put(&mut run, PROGRAM, &program, Kind::Program)?;
    let before = run.changes;
    veth::put(&mut run, pair.as_ref())?;
    sysctl::put(&mut run, pair.as_ref(), options.now)?;
    let pair_changed = run.changes > before;
    let made = put_configuration(&mut run, site)?;
    anchor::put(&mut run, made)?;
    files::put(&mut run, UNIT_FILE, UNIT.as_bytes(), Kind::Text)?;
    if run.changes == 0 {
        run.note(concat!("nothing to do: runbound ", env!("CARGO_PKG_VERSION"), " is installed"));
    }
    if let Some(pair) = &pair {
        if options.now {
            sysctl::apply(&mut run, pair)?;
        }
        veth::bring_up(&mut run, options.now, pair_changed)?;
    }
    check_configuration(&mut run, options.now)?;
    if options.now { service::start(&mut run, update) } else { service::say_how_to_start(&mut run, update) }
}

/// Prints what `file` would hold, and nothing else.
fn print(run: &mut Run, pair: &veth::Pair, file: &Path) -> Result<(), SetupError> {
    let text = match file.strip_prefix("/").unwrap_or(file).to_str() {
        Some(veth::STANZAS) => pair.stanzas(),
        Some(veth::HOOK) => pair.hook(),
        Some(SYSCTL_FILE) => sysctl::text(pair),
        _ => {
            let fix = format!("one of /{}, /{} and /{SYSCTL_FILE}", veth::STANZAS, veth::HOOK);
            return Err(SetupError::new(file, "is not among the files of a pair that --print shows", &fix));
        }
    };
    text.lines().for_each(|line| run.note(line));
    Ok(())
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

/// Whether there was none, so that this host gets the default one.
fn put_configuration(run: &mut Run, site: &Site) -> Result<bool, SetupError> {
    let path = run.path(CONFIGURATION);
    // What is there is never looked at nor followed: a dangling link is the administrator's, too.
    if path.symlink_metadata().is_ok() {
        run.note(&format!("kept {}: a configuration is never overwritten", path.display()));
        veth::say_what_to_serve(run, site);
        return Ok(false);
    }
    let (resolv_conf, uplinks) = (run.text("etc/resolv.conf"), run.text("run/systemd/resolve/resolv.conf"));
    let mut own = own_addresses();
    own.extend(site.addresses.iter().map(|address| address.ip));
    let found = forwarders::find(&resolv_conf, &uplinks, &own);
    let text = forwarders::configuration(&found, &veth::directives(&site.addresses));
    files::put(run, CONFIGURATION, text.as_bytes(), Kind::Text)?;
    if found.usable().next().is_none() {
        let resolv_conf = run.path("etc/resolv.conf");
        run.note(&format!(
            "{} names no resolver to forward to: names are resolved from the root on; {} says how to forward",
            resolv_conf.display(),
            path.display()
        ));
    }
    Ok(true)
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
    // A unit that somebody else wrote may well start another program.
    if !run.path(UNIT_FILE).exists() || files::is_ours(&run, UNIT_FILE) {
        service::stop(&mut run)?;
        files::remove(&mut run, service::WANTED_BY)?;
    }
    files::remove_ours(&mut run, UNIT_FILE)?;
    service::forget(&mut run)?;
    let settings = sysctl::installed(&run)?;
    veth::remove(&mut run)?;
    sysctl::remove(&mut run, &settings)?;
    if options.purge {
        files::remove(&mut run, CONFIGURATION)?;
        files::remove_folder(&mut run, FOLDER)?;
    } else if run.path(CONFIGURATION).symlink_metadata().is_ok() {
        let path = run.path(CONFIGURATION);
        run.note(&format!("kept {}; --purge removes it", path.display()));
    }
    anchor::remove(&mut run, options.purge)?;
    files::remove(&mut run, PROGRAM)?;
    user::remove(&mut run)?;
    if run.changes == 0 {
        run.note("nothing to do: runbound is not installed");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
