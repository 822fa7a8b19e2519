//! The resolver against scripted servers.

mod content;
mod core;
mod limits;
mod private;
mod rig;
mod script;
mod servers;
mod silence;
mod transport;
mod trouble;
pub(super) mod world;
