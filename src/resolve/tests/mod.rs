//! The resolver against scripted servers.

mod causes;
mod commands;
mod content;
mod core;
mod iterate;
mod limits;
mod lookups;
mod rig;
mod script;
mod servers;
mod silence;
mod taken_out;
mod transport;
mod trouble;
pub(super) mod world;
