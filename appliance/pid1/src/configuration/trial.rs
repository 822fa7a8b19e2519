//! What is done with the user's file beside the loop of PID 1: reading a large one takes seconds, and writing waits for the
//! disk. It is tried when it has changed, kept as the last good one when a server has lived with it, and replaced when
//! servers die with it.

use crate::configuration::entry::CONTROL;
use crate::configuration::store::Store;
use crate::configuration::store::{BUILT_IN, CONFIGURATION};
use runbound::config::{Config, Loaded};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A copy of the last one that a server has lived with.
const GOOD: &str = ".runbound-good.conf";

/// Which file the server reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The user's.
    Own,
    /// The last good one.
    Good,
    /// That of this program.
    BuiltIn,
}

/// What PID 1 works with of a file that passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Where the server is asked for its figures.
    pub control_socket: PathBuf,
    /// Whether there is a forward-zone for the root.
    pub forwards_everything: bool,
}

impl Facts {
    fn of(config: &Config) -> Self {
        // The one of the configuration, or that of the entry.
        let own = config.remote_control.enable.then(|| config.remote_control.sockets.first()).flatten();
        let control_socket = own.map_or(CONTROL.into(), |(path, _)| path.clone());
        let forwards_everything = config.forward_zones.iter().any(|zone| zone.name == [0] && !zone.default);
        Self { control_socket, forwards_everything }
    }
}

/// Which file it is: its number, size and time of change, which a rename changes, too.
pub type Seen = (u64, u64, i64, i64);

/// The state of a file; `None` when it is not there.
pub fn seen(path: &Path) -> Option<Seen> {
    fs::metadata(path).ok().map(|found| (found.ino(), found.size(), found.ctime(), found.ctime_nsec()))
}

/// Reads a file as the server would.
pub type Check = fn(&Path) -> Result<Loaded, String>;

/// The files there are to choose from.
#[derive(Clone)]
pub struct Files {
    /// The folder with the first two.
    pub store: Store,
    /// Where the built-in one is written for the server to read.
    pub instead: PathBuf,
    /// How one is tried.
    pub check: Check,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// The user's file has changed.
    Try,
    /// A server has lived with the user's file in this state.
    Keep(Seen),
    /// Servers die with this one.
    Replace(Source),
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    /// Whether the user's file passes.
    Tried(Result<Facts, String>),
    /// The user's file is the last good one, or the log says why not.
    Kept,
    /// The one to use from here on. It is the same where there is no other.
    Replaced(Source, Facts),
}

impl Files {
    /// The path of one.
    pub fn path(&self, source: Source) -> PathBuf {
        match source {
            Source::Own => self.store.path(CONFIGURATION),
            Source::Good => self.store.path(GOOD),
            Source::BuiltIn => self.instead.clone(),
        }
    }

    /// Tries one.
    ///
    /// # Errors
    /// What is wrong with it, one line.
    pub fn facts(&self, source: Source) -> Result<Facts, String> {
        (self.check)(&self.path(source)).map(|loaded| Facts::of(&loaded.config))
    }

    /// Does it, however long it takes.
    pub fn run(&self, job: Job) -> Done {
        match job {
            Job::Try => Done::Tried(self.facts(Source::Own)),
            Job::Keep(state) => {
                self.keep(state);
                Done::Kept
            }
            Job::Replace(dying) => {
                let (source, facts) = self.replace(dying);
                Done::Replaced(source, facts)
            }
        }
    }

    /// The last good one if it passes, else the built-in one.
    pub fn instead(&self) -> (Source, Facts) {
        match self.facts(Source::Good) {
            Ok(facts) => {
                log::warn!("the last good configuration is used: {}", self.path(Source::Good).display());
                (Source::Good, facts)
            }
            Err(_) => self.built_in(),
        }
    }

    fn built_in(&self) -> (Source, Facts) {
        log::warn!("the built-in configuration is used");
        if let Err(cause) = fs::write(&self.instead, BUILT_IN) {
            log::error!("{}: {cause}", self.instead.display());
        }
        (Source::BuiltIn, self.facts(Source::BuiltIn).unwrap_or_default())
    }

    /// Copies the user's file when it is still what the server has lived with.
    fn keep(&self, state: Seen) {
        let own = self.path(Source::Own);
        let Ok(text) = fs::read(&own) else { return };
        if seen(&own) != Some(state) || fs::read(self.path(Source::Good)).is_ok_and(|old| old == text) {
            return;
        }
        match self.store.write(Path::new(GOOD), &text, 0o644) {
            Ok(()) => log::info!("the server lives with {}: it is the last good one now", own.display()),
            Err(cause) => log::warn!("{cause}; there is no copy of the last good configuration"),
        }
    }

    /// The one to use after one that servers die with. When the built-in one is no better, it is not the file.
    fn replace(&self, dying: Source) -> (Source, Facts) {
        let own = self.path(Source::Own);
        let shown = own.display();
        match dying {
            Source::Own => {
                let state = match self.facts(Source::Own) {
                    Ok(_) => "although it passes the check".to_owned(),
                    Err(why) => format!("which has errors by now: {why}"),
                };
                log::error!(
                    "the server dies again and again with {shown}, {state}; it is not used until it changes: see what the \
                     server said before it ended, and correct the file"
                );
                // The same once more would make no difference.
                if fs::read(self.path(Source::Good)).ok() == fs::read(&own).ok() {
                    self.built_in()
                } else {
                    self.instead()
                }
            }
            Source::Good => {
                log::error!("the server dies again and again with the last good configuration, too");
                self.built_in()
            }
            Source::BuiltIn => {
                let cause = "the server dies again and again with the built-in configuration, too: the cause is no file \
                             (is there too little memory?)";
                match self.facts(Source::Own) {
                    Ok(facts) => {
                        log::error!("{cause}; {shown} is tried again");
                        (Source::Own, facts)
                    }
                    Err(_) => {
                        log::error!("{cause}; it is started again and again");
                        (Source::BuiltIn, self.facts(Source::BuiltIn).unwrap_or_default())
                    }
                }
            }
        }
    }
}
