//! Runbound: a DNS resolver that answers from AF_XDP and reads `unbound.conf`.
//!
//! The folders, in the order a frame meets them; `docs/architecture.md` draws the whole.

pub mod answer;
pub mod attach;
pub mod backup;
pub mod config;
pub mod control;
pub mod dns;
pub mod host;
pub mod number;
pub mod resolve;
pub mod ring;
pub mod serve;
pub mod setup;
pub mod stats;
pub mod sys;
pub mod validate;
pub mod whole_file;
pub mod wire;
pub mod words;
pub mod xdp;
