//! Disks and media, looked at while the machine runs.

use super::seed::{self, Seed};
use crate::machine::disks::{self, Volume};
use crate::machine::modules::Modules;
use std::thread::{self, JoinHandle};

/// What is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drives {
    /// All labelled file systems.
    pub volumes: Vec<Volume>,
    /// What the cloud-init drive says, where there is one that can be read.
    pub seed: Option<Seed>,
}

/// Looks at them beside the loop of PID 1: a medium that cannot be read takes its time to say so.
///
/// # Errors
/// That of starting a thread.
pub fn look(mut modules: Modules) -> std::io::Result<JoinHandle<Drives>> {
    thread::Builder::new().name("drives".into()).spawn(move || {
        let volumes = disks::volumes();
        let seed = seed::find(&volumes, &mut modules);
        Drives { volumes, seed }
    })
}
