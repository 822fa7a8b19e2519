//! The resolver against scripted servers.

mod content;
mod limits;
mod rig;
mod servers;
mod silence;
mod transport;
mod trouble;
