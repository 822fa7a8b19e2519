//! The resolver against scripted servers.

mod caps;
mod causes;
mod commands;
mod content;
mod cookies;
mod core;
mod first;
mod iterate;
mod limits;
mod lookups;
mod ports;
mod rates;
mod reports;
mod rig;
mod script;
mod servers;
mod signed;
mod silence;
mod streams;
mod taken_out;
mod transport;
mod trouble;
pub(super) mod world;
