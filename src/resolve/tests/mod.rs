//! The resolver against scripted servers.

mod content;
mod rig;
mod servers;
