//! Which configuration the server gets. What is new is tried first; what does not pass does not replace the last good one,
//! and what servers die with gives way to it.
//!
//! The server reads an entry, which includes the user's file and, for when that does not forward everything itself, the name
//! servers that the drive or the network told. A file that changes while the machine runs, as by a restore over the control
//! socket, is tried at once.

use crate::cloudinit::userdata::SeedFile;
use crate::configuration::entry::{CONTROL, check, entry_of, put_entry, put_forwarders};
use crate::configuration::forwarders;
use crate::configuration::store::{BUILT_IN, CONFIGURATION, RESTORE, Store};
use crate::configuration::trial::{Done, Facts, Files, Job, Seen, Source, seen};
use crate::service::HEALTHY;
use runbound::backup;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// The one that this boot runs with when no other can be used.
const INSTEAD: &str = "/run/runbound/instead.conf";
const INSTANCE: &str = ".runbound-instance";

/// The configuration in force.
pub struct Adopted {
    files: Files,
    /// Which of them the entry includes.
    source: Source,
    /// Where the server is asked for its figures, and what else counts of the file.
    pub facts: Facts,
    /// What the server is to read, once it is written.
    pub entry: PathBuf,
    /// The name servers in it.
    written: Option<String>,
    /// The user's file when it was tried last.
    tried: Option<Seen>,
    /// It passed.
    passed: bool,
    /// The user's file as the server has read it, and when; `None` while the server is down or has read another file.
    read: Option<(Seen, Instant)>,
    /// The user's file as it is the last good one.
    kept: Option<Seen>,
    /// What is under way beside the loop.
    work: Option<JoinHandle<Done>>,
}

/// What the server is to do about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    No,
    /// Nothing, but how it did so far tells nothing about what it is going to read.
    Afresh,
    /// Read its configuration: it runs with another file than the user's, which passes now.
    Mended,
    /// Start with the file that takes the place of the one it died with.
    Replaced,
    /// The same, but no sooner than it would start anyway: no file is to blame.
    Again,
}

/// Finishes what the end of the last boot left undone, and restores a tar that was left for us.
pub fn finish(store: &Store) {
    write_default(store);
    let entry = entry_of(&store.path(CONFIGURATION));
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
        let entry = entry_of(&store.path(CONFIGURATION));
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
    Adopted::choose(Files { store: store.clone(), instead: INSTEAD.into(), check })
}

impl Adopted {
    fn choose(files: Files) -> Self {
        // Before it is read, so that no change in between is missed.
        let tried = seen(&files.path(Source::Own));
        let (source, facts) = match files.facts(Source::Own) {
            Ok(facts) => (Source::Own, facts),
            Err(why) => {
                log::error!("the configuration has errors and is not used: {why}");
                files.instead()
            }
        };
        let (entry, passed) = (PathBuf::new(), source == Source::Own);
        Self { files, source, facts, entry, written: None, tried, passed, read: None, kept: None, work: None }
    }

    /// Writes what the server reads: anew when the name servers change. Whether that changed anything.
    pub fn write_entry(&mut self, servers: &[IpAddr]) -> bool {
        let forwarders = forwarders::include(servers);
        if self.written.as_ref() == Some(&forwarders) {
            return false;
        }
        put_forwarders(&forwarders);
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
        let control = self.facts.control_socket == Path::new(CONTROL);
        self.entry = put_entry(&self.files.path(self.source), control);
    }

    /// The server was started or told to read its configuration.
    pub fn was_read(&mut self, now: Instant) {
        let own = (self.source == Source::Own).then(|| seen(&self.files.path(Source::Own)));
        self.read = own.flatten().map(|own| (own, now));
    }

    /// The server has ended.
    pub fn server_ended(&mut self) {
        self.read = None;
    }

    /// Looks after the user's file: it is tried when it has changed, and is the last good one when a server has lived with
    /// it. `dies`: servers die with the file in use, another one is to take its place. All of that takes its time, on a
    /// thread; what comes of it is told by a later turn.
    pub fn turn(&mut self, dies: bool, now: Instant) -> Change {
        if let Some(work) = self.work.take_if(|work| work.is_finished()) {
            // One that panicked said so itself.
            let change = work.join().map_or(Change::Afresh, |done| self.take(done));
            if matches!(change, Change::Mended | Change::Replaced | Change::Again) {
                self.point_at_file();
            }
            return change;
        }
        if self.work.is_some() {
            return Change::No;
        }
        let Some(job) = self.job(dies, now) else { return Change::No };
        let files = self.files.clone();
        match thread::Builder::new().name("configuration".into()).spawn(move || files.run(job)) {
            Ok(work) => self.work = Some(work),
            Err(cause) => {
                log::error!("{}: no thread to look at it: {cause}", self.files.path(Source::Own).display());
                return Change::Afresh;
            }
        }
        Change::No
    }

    /// What is to be done next; each is told once.
    fn job(&mut self, dies: bool, now: Instant) -> Option<Job> {
        let own = seen(&self.files.path(Source::Own));
        if own != self.tried {
            (self.tried, self.passed) = (own, false);
            return Some(Job::Try);
        }
        if dies {
            return Some(Job::Replace(self.source));
        }
        let (read, since) = self.read?;
        let lived = now.saturating_duration_since(since) >= HEALTHY;
        if !lived || !self.passed || self.source != Source::Own || own != Some(read) || self.kept == own {
            return None;
        }
        self.kept = own;
        Some(Job::Keep(read))
    }

    /// What a job has come to.
    fn take(&mut self, done: Done) -> Change {
        let own = self.files.path(Source::Own);
        let shown = own.display();
        match done {
            Done::Kept => Change::No,
            Done::Tried(Err(why)) => {
                log::error!("{shown} has changed and has errors; the server keeps what it has: {why}");
                Change::No
            }
            Done::Tried(Ok(facts)) => {
                self.passed = true;
                if self.source == Source::Own {
                    log::info!("{shown} has changed and passes the check: the server reads it at a reload");
                    // The control socket is that of the server's start.
                    self.facts.forwards_everything = facts.forwards_everything;
                    return Change::Afresh;
                }
                log::info!("{shown} has changed and passes the check: the server reads it");
                (self.source, self.facts) = (Source::Own, facts);
                Change::Mended
            }
            Done::Replaced(source, facts) => {
                let before = std::mem::replace(&mut self.source, source);
                (self.facts, self.read) = (facts, None);
                if before == Source::BuiltIn { Change::Again } else { Change::Replaced }
            }
        }
    }
}

#[cfg(test)]
#[path = "adopt_tests.rs"]
mod tests;
